"""Worlds and their parameters on the command line: ``foveal list``, ``--env`` and ``--set``."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from foveal.commands.terminal import BadInput, print_table, told_as
from foveal.envs.params import Params, did_you_mean
from foveal.envs.registration import WORLDS

DEFAULT_WORLD = "foveal/HighwayFast-v0"

Settings = Annotated[tuple[str, ...], UseAppendAction, arg(metavar="NAME=VALUE")]

_FORMS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "numbers separated by commas",
    type(None): "a whole number or none",
}


@dataclass(frozen=True)
class List:
    """List the worlds, or the parameters of one of them."""

    env: Annotated[str | None, Positional, arg(metavar="ENV")] = None
    """A world, to list its parameters with their units."""
    picture: Path | None = None
    """Draw a frame of every world, or of ENV, into this PNG file too."""

    def run(self) -> None:
        """Print the table, and draw the picture."""
        if self.picture is not None:
            draw_worlds([self.env] if self.env else list(WORLDS), self.picture)
        if self.env is None:
            known = [[name, world.observation, world.action, world.summary] for name, world in WORLDS.items()]
            print_table(["world", "observation", "actions", "what it is"], known)
            return
        kind = params_class(self.env)
        defaults = kind(**WORLDS[self.env].defaults)
        rows = [
            [field.name, _as_typed(getattr(defaults, field.name)), _valid(field), field.metadata["doc"]]
            for field in dataclasses.fields(kind)
        ]
        print_table(["parameter", "default", "valid", "meaning [unit]"], rows)


def draw_worlds(ids: Sequence[str], path: Path) -> None:
    """Draw a frame of each of these worlds into a PNG file.

    Raises:
        BadInput: for an unknown world, a file of another kind, or one that cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise BadInput(f"--picture {path}: must end in .png")
    for env_id in ids:
        params_class(env_id)

    import cv2

    from foveal.envs.gallery import contact_sheet

    sheet = contact_sheet(ids)
    with told_as(BadInput, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def params_class(env_id: str) -> type[Params]:
    """The class of a world's parameters.

    Raises:
        BadInput: for an unknown world.
    """
    if env_id not in WORLDS:
        raise BadInput(f"unknown world {env_id!r}{did_you_mean(env_id, list(WORLDS))}")
    module, _, name = WORLDS[env_id].batch.partition(":")
    kind: type[Params] = getattr(importlib.import_module(module), name).Params
    return kind


def world_params(env_id: str, settings: Sequence[str]) -> dict[str, Any]:
    """The parameters set by ``--set NAME=VALUE``, typed and checked by the world's own class.

    Raises:
        BadInput: for an unknown world or parameter, or a value of the wrong form or out of range.
    """
    kind = params_class(env_id)
    with told_as(BadInput, TypeError, ValueError):
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
        given = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise BadInput(f"--set {setting}: must be NAME=VALUE")
            if name not in defaults:
                raise BadInput(f"{env_id}: unknown parameter {name!r}{did_you_mean(name, list(defaults))}")
            given[name] = _typed(name, text, defaults[name])
        checked = kind.from_kwargs({**WORLDS[env_id].defaults, **given})
    return {name: getattr(checked, name) for name in given}


def with_risk(env_id: str, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters with which a world tells of risk, where it can."""
    known = {field.name for field in dataclasses.fields(params_class(env_id))}
    return {**params, "risk": True} if "risk" in known else params


def make_world(env_id: str, params: dict[str, Any], **options: Any) -> Any:
    """A batched world of ours, by an id and parameters that `world_params` has let pass.

    Raises:
        BadInput: for what shows only when it is built: a bad file, parameters that contradict each other, houses
            without what is to be found in them, a simulator that is not there.
    """
    import gymnasium

    with told_as(BadInput, ValueError, OSError, ImportError, RuntimeError):
        return gymnasium.make_vec(env_id, **options, **params)


def _typed(name: str, text: str, default: Any) -> Any:
    """The text as a value of the default's type."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if default is None:
            return None if text.lower() == "none" else int(text)
        if isinstance(default, tuple):
            return tuple(part if isinstance(default[0], str) else float(part) for part in text.split(","))
        return type(default)(text)
    except (KeyError, ValueError):
        raise BadInput(f"{name}={text}: must be {_FORMS[type(default)]}") from None


def _as_typed(value: Any) -> str:
    """A value as ``--set`` takes it."""
    if isinstance(value, tuple):
        return ",".join(item if isinstance(item, str) else f"{item:g}" for item in value)
    return str(value).lower() if isinstance(value, bool) or value is None else f"{value}"


def _valid(field: dataclasses.Field[Any]) -> str:
    if field.metadata["choices"]:
        return ", ".join(map(str, field.metadata["choices"]))
    if isinstance(field.default, bool):
        return "true, false"
    low, high = field.metadata["low"], field.metadata["high"]
    return "any" if math.isinf(low) and math.isinf(high) else f"{low:g} to {high:g}"
