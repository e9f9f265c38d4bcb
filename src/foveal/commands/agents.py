"""Agents by name: runs, checkpoints, and those that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from foveal.commands.terminal import BadInput, told_as
from foveal.envs.params import did_you_mean

if TYPE_CHECKING:
    from foveal.agents.agent import Agent

PRETRAINED = "pretrained"
"""The name of whatever agent comes with the package for a world."""


def load(name: str, env: str | None) -> Agent:
    """The agent of a run folder or a checkpoint, or the one that comes with the package for a world.

    Raises:
        BadInput: for what does not exist or cannot be read.
    """
    from foveal.agents.agent import load_agent
    from foveal.agents.drivers import DRIVERS
    from foveal.agents.files import RunError
    from foveal.agents.pretrained import PRETRAINED as WORLDS
    from foveal.agents.pretrained import pretrained

    if name == PRETRAINED:
        if env is None:
            raise BadInput(f"{PRETRAINED}: say for which world, such as --env {next(iter(WORLDS))}")
        with told_as(BadInput, ValueError):
            return pretrained(env)
    if not Path(name).exists():
        near = did_you_mean(name, [*DRIVERS, PRETRAINED, *runs_near(Path(name))])
        raise BadInput(f"unknown agent {name!r}: neither a driver nor a run folder{near}")
    with told_as(BadInput, RunError):
        return load_agent(name)


def runs_near(folder: Path) -> list[str]:
    """The run folders in ``runs/`` and in the folder that this one would be in."""
    found = [config.parent for root in {folder.parent, Path("runs")} for config in root.glob("*/config.json")]
    return sorted(map(str, found))
