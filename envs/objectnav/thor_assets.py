"""AI2-THOR's assets by name: the type and size of each model, from the database that the `procthor` package brings."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class Asset(NamedTuple):
    """A model.

    Attributes:
        type: AI2-THOR's object type, such as "Fridge".
        size: (width, depth, height) m of its box, along its own right, forward and up.
        pickupable: Whether a hand could take it.
        moveable: Whether it could be pushed.
        scenes: The iTHOR and RoboTHOR scenes it stands in.
    """

    type: str
    size: tuple[float, float, float]
    pickupable: bool
    moveable: bool
    scenes: tuple[str, ...]


@cache
def assets() -> MappingProxyType[str, Asset]:
    """All assets by name (some 1,600).

    Raises:
        ModuleNotFoundError: Without procthor.
    """
    by_type: dict[str, list[dict[str, Any]]] = json.loads((databases() / "asset-database.json").read_text("utf-8"))
    return MappingProxyType({entry["assetId"]: _asset(entry) for entries in by_type.values() for entry in entries})


def _asset(entry: dict[str, Any]) -> Asset:
    box = entry["boundingBox"]
    return Asset(
        type=entry["objectType"],
        size=(box["x"], box["z"], box["y"]),
        pickupable=entry.get("primaryProperty") == "CanPickup",
        moveable=entry.get("primaryProperty") == "Moveable",
        scenes=tuple(entry.get("scenes") or ()),
    )


def databases() -> Path:
    """The folder of procthor's databases, found without importing procthor (which would import ai2thor)."""
    found = find_spec("procthor")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("AI2-THOR's rooms and assets need procthor: pip install procthor")
    return Path(next(iter(found.submodule_search_locations))) / "databases"
