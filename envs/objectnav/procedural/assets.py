"""What can stand in a house: names, types and sizes of AI2-THOR's models, where each type belongs, what lies on what.

Read from the databases that the `procthor` package carries (Deitke et al., "ProcTHOR", NeurIPS 2022). It has no
meshes; sizes are those of the models' boxes. A model belongs to one split or, where the package leaves it unassigned
(one in fifteen, among them all toilets, mugs and balls), to all.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

SPLITS = ("train", "val", "test")
KINDS = ("Kitchen", "LivingRoom", "Bedroom", "Bathroom")
"""Kinds of room that the databases know."""


class Asset(NamedTuple):
    """A model: its name and type, its size (width, depth, height) in m, and what a hand can do with it."""

    name: str
    type: str
    size: tuple[float, float, float]
    pickupable: bool
    moveable: bool


class Placement(NamedTuple):
    """Where a type belongs.

    Attributes:
        rooms: Weight by kind of room: 0 never, 1 sometimes, 2 often.
        corner: Whether it may stand in a corner.
        edge: Whether along a wall.
        middle: Whether away from walls.
        floor: Whether on the floor at all.
        several: Whether a room may hold more than one.
    """

    rooms: dict[str, int]
    corner: bool
    edge: bool
    middle: bool
    floor: bool
    several: bool


@cache
def package_folder() -> Path:
    """Folder of the `procthor` package, found without importing it (its subpackages import ai2thor).

    Raises:
        ImportError: Where it is not installed.
    """
    spec = PathFinder.find_spec("procthor")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("procedural houses need the package procthor: pip install procthor==0.0.1.dev2")
    return Path(next(iter(spec.submodule_search_locations)))


def changed(what: str) -> ImportError:
    """The error for a `procthor` that is not as 0.0.1.dev2 is."""
    return ImportError(f"procthor in {package_folder()} has no usable {what}: pip install procthor==0.0.1.dev2")


@cache
def _database(name: str) -> Any:
    try:
        return json.loads((package_folder() / "databases" / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise changed(f"databases/{name}.json") from error


@cache
def catalogue(split: str) -> dict[str, tuple[Asset, ...]]:
    """Models by type that a split may use: its own and the unassigned ones, in the database's order.

    Raises:
        ValueError: On an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
    try:
        return {
            kind: tuple(
                Asset(
                    name=entry["assetId"],
                    type=kind,
                    size=tuple(round(max(entry["boundingBox"][axis], 0.002), 3) for axis in "xzy"),
                    pickupable=entry.get("primaryProperty") == "CanPickup",
                    moveable=entry.get("primaryProperty") == "Moveable",
                )
                for entry in entries
                if entry["split"] in (split, None)
            )
            for kind, entries in _database("asset-database").items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise changed("asset database") from error


@cache
def placements() -> dict[str, Placement]:
    """Where each type belongs, for the types that belong in some room."""
    try:
        table = _database("placement-annotations")
        return {
            kind: Placement(
                rooms={room: int(table[f"in{room}s"][kind] or 0) for room in KINDS},
                corner=bool(table["inCorner"][kind]),
                edge=bool(table["onEdge"][kind]),
                middle=bool(table["inMiddle"][kind]),
                floor=bool(table["onFloor"][kind]),
                several=bool(table["multiplePerRoom"][kind]),
            )
            for kind in table["onFloor"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise changed("placement annotations") from error


@cache
def contents() -> dict[str, dict[str, float]]:
    """Probability that a type lies on another, counted in AI2-THOR's own rooms: `[below][above]`."""
    try:
        return {
            below: {above: float(entry["p"]) for above, entry in entries.items()}
            for below, entries in _database("receptacles").items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise changed("receptacle statistics") from error


@cache
def holes(kind: str, split: str) -> tuple[Asset, ...]:
    """Doors ("Doorway"), frames without a leaf ("Doorframe") or windows ("Window") that a split may use.

    Their width and height are those of the hole they need in a wall, where the package gives it, else their own.
    """
    cut = _database("wall-holes")
    try:
        return tuple(
            asset._replace(size=(round(hole["x"], 3), asset.size[1], round(hole["y"], 3)))
            for asset in catalogue(split)[kind]
            for hole in [cut.get(asset.name, {}).get("max", {"x": asset.size[0], "y": asset.size[2]})]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise changed("wall holes") from error
