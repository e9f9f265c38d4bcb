"""Checked access to JSON from outside: whatever is wrong becomes one line that names the file and the field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

FARTHEST = 1e6
"""No number in a house file is larger."""


@dataclass(frozen=True)
class Field:
    """A value, the file it comes from, and its path in it, such as `rooms[2].floorPolygon`."""

    value: Any
    source: str
    path: str = ""

    def wrong(self, what: str) -> ValueError:
        """The error to raise where this field's value will not do."""
        return ValueError(f"{self.source}: {self.path or 'house'}: {what}")

    def __getitem__(self, name: str) -> Field:
        """The object's member of that name, which must be there."""
        field = self.get(name)
        if field is None:
            raise self.wrong(f"{name!r} is missing")
        return field

    def get(self, name: str) -> Field | None:
        """The object's member of that name; None where it is missing or null."""
        if not isinstance(self.value, dict):
            raise self.wrong(f"must be an object, got {_shown(self.value)}")
        value = self.value.get(name)
        return None if value is None else Field(value, self.source, f"{self.path}.{name}" if self.path else name)

    def items(self, most: int) -> Iterator[Field]:
        """The list's items, of which there may be that many."""
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, got {_shown(self.value)}")
        if len(self.value) > most:
            raise self.wrong(f"has {len(self.value)} items; at most {most} are read")
        return (Field(value, self.source, f"{self.path}[{i}]") for i, value in enumerate(self.value))

    def number(self) -> float:
        """A finite number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(f"must be a number, got {_shown(value)}")
        if not (abs(value) <= FARTHEST and isfinite(value)):
            raise self.wrong(f"must be a finite number of at most {FARTHEST:g}, got {_shown(value)}")
        return float(value)

    def fraction(self) -> float:
        """A number from 0 to 1."""
        value = self.number()
        if not 0 <= value <= 1:
            raise self.wrong(f"must lie between 0 and 1, got {value:g}")
        return value

    def text(self) -> str:
        """A string that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong(f"must be a name, got {_shown(self.value)}")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong(f"must be true or false, got {_shown(self.value)}")
        return self.value

    def vector(self) -> tuple[float, float, float]:
        """{"x": …, "y": …, "z": …}, in the file's axes."""
        return self["x"].number(), self["y"].number(), self["z"].number()


def _shown(value: Any) -> str:
    """Short enough for one line."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a huge number"
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:36]}…"


def material(field: Field | None) -> str | None:
    """A material's name, given as it is or as {"name": …}."""
    if field is None:
        return None
    if isinstance(field.value, dict):
        named = field.get("name")
        return named.text() if named else None
    return field.text()


def xyz(x: float, y: float, z: float) -> dict[str, float]:
    """What `Field.vector` reads."""
    return {"x": float(x), "y": float(y), "z": float(z)}
