"""Options of the exchangeable parts of a policy: a part is chosen by its name, the rest are its keyword arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from foveal.envs.params import did_you_mean

Option = bool | int | float | str
Options = dict[str, Option]

MOST = 4096
"""The greatest whole number that an option takes; a file must not be able to ask for all memory there is."""


def options_of(kind: str, parts: Mapping[str, Callable[..., Any]], name: str) -> Options:
    """The options that the part of this name takes, with their defaults.

    Args:
        kind: What the parts are, for the message.
        parts: By name; a part's options are its keyword-only arguments.
        name: Of the part.

    Raises:
        ValueError: for an unknown name; it names the nearest.
    """
    if name not in parts:
        raise ValueError(f"unknown {kind} {name!r}{did_you_mean(str(name), list(parts))}")
    parameters = inspect.signature(parts[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_options(
    kind: str, parts: Mapping[str, Callable[..., Any]], name: str, options: Mapping[str, Any], most: int = MOST
) -> Options:
    """Refuse options that the part of this name does not take; the part itself checks what they may be together.

    Args:
        kind: As for `options_of`.
        parts: As for `options_of`.
        name: As for `options_of`.
        options: By name.
        most: The greatest whole number that is taken.

    Returns:
        The options, whole numbers made floats where the default is one.

    Raises:
        ValueError: for an unknown name or option (it names the nearest), a value of another type than the default's,
            or a number out of range.
    """
    valid, checked = options_of(kind, parts, name), {}
    for key, value in options.items():
        if key not in valid:
            hint = did_you_mean(str(key), list(valid)) if valid else "; it takes none"
            raise ValueError(f"{kind} {name!r} has no option {key!r}{hint}")
        checked[key] = _checked(key, value, valid[key], most)
    return checked


def build(
    kind: str, parts: Mapping[str, Callable[..., Any]], name: str, options: Mapping[str, Any] | None, *given: Any
) -> Any:
    """Make the part of this name, of what is given and of options.

    Raises:
        ValueError: for what `check_options` refuses, or the part itself.
    """
    checked = check_options(kind, parts, name, options or {})
    return parts[name](*given, **checked)


def _checked(key: str, value: Any, default: Option, most: int) -> Option:
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise ValueError(f"{key}={value!r}: must be {type(default).__name__}, got {type(value).__name__}")
    if isinstance(value, int) and not isinstance(value, bool):
        least = min(1, int(default))
        if not least <= value <= most:
            raise ValueError(f"{key}={value!r}: must be a whole number in [{least}, {most}]")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}={value!r}: must be finite")
    checked: Option = value
    return checked
