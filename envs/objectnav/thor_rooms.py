"""The 195 rooms of iTHOR and RoboTHOR, from the object metadata that the `procthor` package brings.

What they are: the real object layouts (positions, boxes, rotations, what lies on what) in **reconstructed shells**.
The metadata has no walls, no doors and, for RoboTHOR, no floor; `shells` infers them. It is five lists without
scene names; `tests/envs/objectnav/test_thor_rooms.py` shows that each list runs in the order of its scenes' numbers,
since the set of assets of every room equals, and only there, that which procthor's asset database says of that scene.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any, Literal

from foveal.envs.objectnav.house import House
from foveal.envs.objectnav.shells import apartment_shell, room_shell
from foveal.envs.objectnav.thor_assets import databases
from foveal.envs.objectnav.thor_things import things

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
        ModuleNotFoundError: Without procthor.
    """
    kind, objects = _objects(name)
    if name in _ROBOTHOR:
        furnishings = [f"{name[:-1]}{furnishing}" for furnishing in range(1, 6)]
        paintings = [thing for other in furnishings for thing in things(_objects(other)[1]) if thing.type == "Painting"]
        rooms, walls, openings, inside = apartment_shell(things(objects), paintings)
    else:
        rooms, walls, openings, inside = room_shell(kind, things(objects))
    return House(name, rooms, walls, openings, inside, split_of(name))


def records(name: str) -> list[dict[str, Any]]:
    """What AI2-THOR says of the scene's objects, its `metadata["objects"]`: shared, and not to be changed.

    Raises:
        ValueError: Of a name that is not one of `names`.
        ModuleNotFoundError: Without procthor.
    """
    return _objects(name)[1]


def _objects(name: str) -> tuple[str, list[dict[str, Any]]]:
    if name in _ROBOTHOR:
        return "LivingRoom", _metadata()["robothor"][_ROBOTHOR.index(name)]
    number = re.fullmatch(r"FloorPlan([1-9]\d{0,2})", name)
    for rooms, first in _FIRST_NUMBERS.items():
        if number and 0 <= int(number[1]) - first < 30:
            return KINDS[rooms], _metadata()[rooms][int(number[1]) - first]
    raise ValueError(f"no scene {name!r}: FloorPlan1-30, 201-230, 301-330, 401-430, _Train1_1-12_5 or _Val1_1-3_5")


@cache
def _metadata() -> dict[str, list[list[dict[str, Any]]]]:
    """43 MB of JSON: a third of a second, once per process."""
    rooms: dict[str, list[list[dict[str, Any]]]] = json.loads(
        (databases() / "ai2thor-object-metadata.json").read_text()
    )
    return rooms
