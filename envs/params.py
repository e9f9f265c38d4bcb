"""Typed, checked parameters: a world's configuration is one frozen dataclass."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from typing import Any, Self


def param(
    default: Any,
    doc: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[Any, ...] = (),
    items: tuple[int, int] = (1, 64),
) -> Any:
    """A field of a `Params` class: its default (which fixes the type), a doc line with the unit, and its range.

    Args:
        default: Default value; a bool, int, float, str, None (an optional int), or a tuple of floats or of choices.
        doc: One line, with the unit in square brackets.
        low: Smallest valid value (of each item, for tuples).
        high: Largest valid value.
        choices: The valid values (of each item, for tuples), where there are few.
        items: Fewest and most items of a tuple.
    """
    metadata = {"doc": doc, "low": low, "high": high, "choices": choices, "items": items}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Params:
    """Base of all parameter classes: values are checked and normalised when it is made."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_kwargs(cls, kwargs: dict[str, Any]) -> Self:
        """Make the parameters from keyword arguments.

        Raises:
            TypeError: for an unknown name (it names the closest valid one) or a value of the wrong type.
            ValueError: for a value out of range (it names field, value and range).
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in kwargs:
            if name not in names:
                raise TypeError(f"unknown parameter {name!r}{did_you_mean(name, names)}")
        return cls(**kwargs)


def did_you_mean(name: str, valid: list[str]) -> str:
    """A hint that names the closest valid word, or all of them where none is close and there are few."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid: {', '.join(sorted(valid))}"


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    default = field.default
    if isinstance(default, tuple):
        return _checked_tuple(field, value)
    if field.metadata["choices"]:
        return _one_of(field, value)
    if value is None and default is None:
        return None
    if isinstance(default, (bool, str)):
        return _of_type(field, value, type(default))
    number = _of_type(field, value, float if isinstance(default, float) else int)
    return _in_range(field, number)


def _of_type(field: dataclasses.Field[Any], value: Any, kind: type) -> Any:
    item = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    if kind is float and isinstance(item, int) and not isinstance(item, bool):
        item = float(item)
    if type(item) is not kind:
        raise TypeError(f"{field.name}={value!r}: must be {kind.__name__}, got {type(value).__name__}")
    return item


def _in_range(field: dataclasses.Field[Any], number: float) -> float:
    low, high = field.metadata["low"], field.metadata["high"]
    if not low <= number <= high or math.isinf(number):
        raise ValueError(f"{field.name}={number!r}: must be in [{low}, {high}]")
    return number


def _one_of(field: dataclasses.Field[Any], value: Any) -> Any:
    choices = field.metadata["choices"]
    if value not in choices:
        raise ValueError(f"{field.name}={value!r}: must be one of {', '.join(map(repr, choices))}")
    return value


def _checked_tuple(field: dataclasses.Field[Any], value: Any) -> tuple[Any, ...]:
    fewest, most = field.metadata["items"]
    choices = field.metadata["choices"]
    if not isinstance(value, Iterable) or (choices and isinstance(value, str)):
        raise TypeError(f"{field.name}={value!r}: must be a sequence of {'names' if choices else 'numbers'}")
    values = tuple(value)
    if not fewest <= len(values) <= most:
        raise ValueError(f"{field.name}={value!r}: must have {fewest} to {most} items, has {len(values)}")
    if choices:
        return tuple(_one_of(field, item) for item in values)
    return tuple(_in_range(field, _of_type(field, item, float)) for item in values)
