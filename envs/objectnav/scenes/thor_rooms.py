"""The 195 rooms of iTHOR and RoboTHOR, from the object metadata that the `procthor` package brings.

What they are: the real object layouts (positions, boxes, rotations, what lies on what) in **reconstructed shells**.
The metadata has no walls, no doors and, for RoboTHOR, no floor; `thor_shells` infers walls and windows, and no door is
known. Where one can walk in them agrees with what was published of the real ones to a median overlap (IoU) of 0.84 for
iTHOR and 0.92 for RoboTHOR (`tests/envs/objectnav/overlap.py`).

The metadata is five lists without scene names. Each runs in the order of its scenes' numbers, as the tests show: the
set of assets of every room equals that which procthor's asset database says of its scene, and no other's.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Literal

from foveal.envs.objectnav.procedural.assets import package_folder
from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.scenes.thor_shells import apartment_shell, room_shell
from foveal.envs.objectnav.scenes.thor_things import things

Family = Literal["ithor", "robothor"]
Split = Literal["train", "val", "test"]

KINDS = {"kitchens": "Kitchen", "living_rooms": "LivingRoom", "bedrooms": "Bedroom", "bathrooms": "Bathroom"}
"""The metadata's lists of iTHOR rooms, in the order of their numbers: 1-30, 201-230, 301-330, 401-430."""

_FIRST_NUMBERS = dict(zip(KINDS, (1, 201, 301, 401), strict=True))
_ROBOTHOR = tuple(
    f"FloorPlan_{part}{plan}_{furnishing}"
    for part, plans in (("Train", 12), ("Val", 3))
    for plan in range(1, plans + 1)
    for furnishing in range(1, 6)
)


def names(family: Family, split: Split | None = None) -> tuple[str, ...]:
    """The family's scene names, in AI2-THOR's order; of one split, or all.

    iTHOR's usual split takes of each 30 rooms of a kind 1-20 to train, 21-25 to validate, 26-30 to test; RoboTHOR's
    names say their split, and its test scenes were never published.

    Raises:
        ValueError: Of an unknown family or split.
    """
    if family not in ("ithor", "robothor"):
        raise ValueError(f"family must be 'ithor' or 'robothor', got {family!r}")
    if split not in ("train", "val", "test", None):
        raise ValueError(f"split must be 'train', 'val', 'test' or None, got {split!r}")
    ithor = tuple(f"FloorPlan{first + i}" for first in _FIRST_NUMBERS.values() for i in range(30))
    every = ithor if family == "ithor" else _ROBOTHOR
    return tuple(name for name in every if split is None or split_of(name) == split)


def split_of(name: str) -> Split:
    """The split a scene belongs to."""
    if name.startswith("FloorPlan_"):
        return "train" if "Train" in name else "val"
    number = (int(name.removeprefix("FloorPlan")) - 1) % 100 + 1
    return "train" if number <= 20 else "val" if number <= 25 else "test"


def house(name: str) -> House:
    """The scene of that name, such as "FloorPlan1" or "FloorPlan_Train1_1"; some milliseconds.

    Raises:
        ValueError: Of a name that is not one of `names`.
        ImportError: Without procthor.
    """
    kind, objects = scene_objects(name)
    if name in _ROBOTHOR:
        furnishings = [f"{name[:-1]}{furnishing}" for furnishing in range(1, 6)]
        others = (thing for other in furnishings for thing in things(scene_objects(other)[1]))
        paintings = [thing for thing in others if thing.type == "Painting"]
        rooms, walls, openings, inside = apartment_shell(things(objects), paintings)
    else:
        rooms, walls, openings, inside = room_shell(kind, things(objects))
    return House(name, rooms, walls, openings, inside, split_of(name))


def scene_objects(name: str) -> tuple[str, list[dict[str, Any]]]:
    """A scene's kind of room and its objects as AI2-THOR's `metadata["objects"]` has them.

    Raises:
        ValueError: Of a name that is not one of `names`.
    """
    if name in _ROBOTHOR:
        return "LivingRoom", _metadata()["robothor"][_ROBOTHOR.index(name)]
    number = re.fullmatch(r"FloorPlan([1-9]\d{0,2})", name)
    for rooms, first in _FIRST_NUMBERS.items():
        if number and 0 <= int(number[1]) - first < 30:
            return KINDS[rooms], _metadata()[rooms][int(number[1]) - first]
    raise ValueError(f"no scene {name!r}: FloorPlan1-30, 201-230, 301-330, 401-430, _Train1_1-12_5 or _Val1_1-3_5")


@cache
def _metadata() -> dict[str, list[list[dict[str, Any]]]]:
    """43 MB of JSON: half a second, once per process."""
    rooms: dict[str, list[list[dict[str, Any]]]] = json.loads(
        (package_folder() / "databases" / "ai2thor-object-metadata.json").read_text("utf-8")
    )
    return rooms
