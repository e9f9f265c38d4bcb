"""``foveal train`` and ``foveal demo``."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, Positional, Suppress, arg

from foveal.commands.acting import Cast, print_evaluations
from foveal.commands.advising import advising
from foveal.commands.agents import runs_near
from foveal.commands.terminal import BadInput, Failure, told_as
from foveal.commands.worlds import DEFAULT_WORLD, Settings, make_world, with_risk, world_params
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.params import did_you_mean

if TYPE_CHECKING:
    from foveal.agents.config import PPOConfig

_FREE_TO_CHANGE = ("max_seconds", "checkpoint_steps", "tensorboard")


_COMPARED = ("random", "slowest", "keep-right", "idm-mobil")
"""Drivers beside which the demo shows what it trained."""


@dataclass(frozen=True)
class Train:
    """Train a policy with PPO; the run is a folder with checkpoints, metrics and a learning curve."""

    world: Annotated[str | None, Positional, arg(metavar="ENV")] = None
    """World to train in."""
    env: str = DEFAULT_WORLD
    """The same as ENV."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as lanes_count=5."""
    out: Path | None = None
    """New run folder; by default the first free runs/WORLD-NUMBER."""
    start_from: Path | None = None
    """Run folder whose latest policy is the first one here, but for a frozen encoder: to train on elsewhere."""
    teacher: str | None = None
    """Whose advice to observe and to learn from (--imitation-coef, --network tell_drive): rule, planner, local (the
    small language model), a table of answers (.json), or a model such as openai:gpt-4o."""
    base_url: str | None = None
    """Of an OpenAI-compatible server that has the teacher's model."""
    resume: Path | None = None
    """Run folder to go on with, exactly as if it had not been stopped; only --max-seconds, --checkpoint-steps
    and --tensorboard may differ from before."""

    @classmethod
    def with_learner(cls) -> type[Train]:
        """This command with the learner's configuration as further options; brings torch."""
        from foveal.agents.config import PPOConfig

        hidden: list[Any] = [
            ("env_id", Suppress[str], DEFAULT_WORLD),
            ("env_params", Suppress[dict[str, Any]], dataclasses.field(default_factory=dict)),
        ]
        learner = dataclasses.make_dataclass("PPO", hidden, bases=(PPOConfig,), frozen=True, kw_only=True)
        learner.__doc__ = "The learner."
        without_prefix: Any = OmitArgPrefixes
        ppo = ("ppo", without_prefix[learner], dataclasses.field(default_factory=learner))
        return dataclasses.make_dataclass("Train", [ppo], bases=(cls,), frozen=True)

    def run(self) -> None:
        """Train, and print the paths."""
        from foveal.agents.agent import load_agent
        from foveal.agents.config import PPOConfig
        from foveal.agents.files import RunError
        from foveal.agents.runs import Run
        from foveal.agents.training import train

        if self.base_url is not None and self.teacher is None:
            raise BadInput(f"--base-url {self.base_url}: needs --teacher, the name of the model there")
        if self.world is not None and self.env not in (self.world, DEFAULT_WORLD):
            raise BadInput(f"--env {self.env}: {self.world} is the world already")
        env = self.world or self.env
        given = dataclasses.asdict(self.ppo)  # type: ignore[attr-defined]
        if self.resume:
            if not (self.resume / "config.json").is_file():
                runs = runs_near(self.resume)
                near = did_you_mean(str(self.resume), runs) if runs else ""
                raise BadInput(f"--resume {self.resume}: no run there{near}")
            with told_as(BadInput, RunError):
                config, folder = self._resumed(Run(self.resume).config, given), self.resume
        else:
            params = world_params(env, self.set)
            if self.teacher is not None:
                params = with_risk(env, params)
            with told_as(BadInput, TypeError, ValueError):
                config = PPOConfig.from_dict({**given, "env_id": env, "env_params": params})
            make_world(env, params, num_envs=1).close()
            folder = self.out or first_free(Path("runs") / env.split("/")[-1])
            if (folder / "config.json").exists():
                raise BadInput(f"--out {folder}: holds a run already; go on with --resume {folder}")
        with told_as(BadInput, RunError):
            start = None if self.start_from is None else load_agent(self.start_from)
        with contextlib.ExitStack() as stack:
            adviser = None
            if self.teacher is not None:
                world = make_world(config.env_id, dict(config.env_params), num_envs=1)
                adviser = stack.enter_context(advising(self.teacher, world, self.base_url))
            with told_as(Failure, RunError, OSError):
                train(config, folder, resume=self.resume is not None, start=start, adviser=adviser)
        print(f"saved {folder}\nevaluate it with: foveal eval {folder}")

    def _resumed(self, config: PPOConfig, given: dict[str, Any]) -> PPOConfig:
        """The run's configuration with the options that may change."""
        if self.out or self.set or self.start_from or self.world or self.env != DEFAULT_WORLD:
            raise BadInput("--resume keeps the run's folder and world: leave --out, --env, --set and --start-from away")
        defaults = dataclasses.asdict(type(config)())
        changed = {name: value for name, value in given.items() if value != defaults[name]}
        for name in changed:
            if name not in _FREE_TO_CHANGE:
                option = name.replace("_", "-")
                raise BadInput(f"--resume keeps the run's own configuration: leave --{option} away")
        return dataclasses.replace(config, **{"max_seconds": None, **changed})


@dataclass(frozen=True)
class Demo:
    """Train a driver, compare it with others on held-out seeds, and film it: at most 4 minutes on 2 cores."""

    out: Path | None = None
    """New run folder; by default the first free one of runs/demo, runs/demo-2, …"""
    seconds: float = 120.0
    """Longest training [s]."""
    seed: int = 0
    """Seed of the training [1]."""
    episodes: int = 1000
    """Held-out episodes for each driver [1]."""

    def run(self) -> None:
        """Do it, and print a table and the paths."""
        from foveal.agents.config import PPOConfig
        from foveal.agents.files import RunError
        from foveal.agents.training import train

        folder = self.out or first_free(Path("runs/demo"))
        if (folder / "config.json").exists():
            raise BadInput(f"--out {folder}: holds a run already; choose another folder")
        if self.episodes < 2 or self.seconds <= 0:
            raise BadInput(f"--seconds {self.seconds:g} --episodes {self.episodes}: too few")
        with told_as(BadInput, TypeError, ValueError):
            config = PPOConfig(env_id=DEFAULT_WORLD, seed=self.seed, max_seconds=self.seconds)
        print(f"evaluating {', '.join(_COMPARED)} (the first start compiles the world)", flush=True)
        results = [Cast([name]).evaluate(name, self.episodes, EVALUATION_SEEDS) for name in _COMPARED]
        with told_as(Failure, RunError, OSError):
            config = dataclasses.replace(config, total_steps=affordable_steps(config, self.seconds))
            print(f"training an ego-attention policy for {config.total_steps:,} steps", flush=True)
            train(config, folder)
        agent = str(folder)
        cast = Cast([agent])
        results.append(cast.evaluate(agent, self.episodes, EVALUATION_SEEDS))
        with told_as(Failure, OSError):
            results[-1].save(folder / "eval.json")
        (video,) = cast.record(agent, folder / "video" / "episode.mp4", 1, EVALUATION_SEEDS)
        print_evaluations(results)
        for what, path in (
            ("run", folder),
            ("evaluation", folder / "eval.json"),
            ("learning curve", folder / "curve.png"),
            ("video", video),
        ):
            print(f"{what + ':':16}{path}")


def affordable_steps(config: PPOConfig, seconds: float) -> int:
    """How many of a configuration's steps this machine does in a time, so that its schedules come to their end.

    Measured by a trial of a twentieth of that time; its first update, which is slow, does not count.
    """
    from foveal.agents.metrics import read_metrics
    from foveal.agents.training import train

    with tempfile.TemporaryDirectory() as folder:
        trial = dataclasses.replace(config, max_seconds=seconds / 20, tensorboard=False)
        rows = read_metrics(train(trial, Path(folder) / "trial", progress=False) / "metrics.csv")
    begin, end = ((float(row["step"]), float(row["seconds"])) for row in (rows[0], rows[-1]))
    steps, spent = end if len(rows) == 1 else (end[0] - begin[0], end[1] - begin[1])
    return max(1, min(config.total_steps, int(0.9 * seconds * steps / spent)))


def first_free(folder: Path) -> Path:
    """The folder, or where it exists the first of folder-2, folder-3, … that does not."""
    if not folder.exists():
        return folder
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(path for path in numbered if not path.exists())
