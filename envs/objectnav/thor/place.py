"""A scene as AI2-THOR tells of it: which one a name or a house stands for, and what never changes in it.

AI2-THOR's frame is left-handed with y up, and in degrees: its (x, y, z) is our (x, z, y), its clockwise rotation about
y our yaw with the sign changed. In the real rooms an object's record is the one that AI2-THOR itself gave (of the
`procthor` package's database); elsewhere it is made from the thing's box, with the properties that its type mostly has
in the real rooms.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np

from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.house import House, Room, Thing
from foveal.envs.objectnav.scenes.house_json import house_from_json
from foveal.envs.objectnav.scenes.polygons import contains
from foveal.envs.objectnav.types import TYPES
from foveal.envs.rendering.scene import Scene

Colour = tuple[int, int, int]

_TRAITS = (
    "breakable", "canBeUsedUp", "canFillWithLiquid", "cookable", "dirtyable", "isColdSource", "isHeatSource", "mass",
    "openable", "receptacle", "sliceable", "temperature", "toggleable",
)  # fmt: skip
_OFF = (
    "isBroken", "isCooked", "isDirty", "isFilledWithLiquid", "isMoving", "isPickedUp", "isSliced", "isToggled",
    "isUsedUp",
)  # fmt: skip
_FLOOR_M = 0.1
"""Thickness of a floor's box."""
_STANDS_M = 0.05
"""What ends higher above the floor does not stand on it."""


def vector(x: float, y: float, z: float) -> dict[str, float]:
    """One of our points or sizes (x, y, z) as AI2-THOR writes it."""
    return {"x": float(x), "y": float(z), "z": float(y)}


class Place:
    """A house, and all that AI2-THOR says of it whoever looks.

    Attributes:
        house: Its walls and things.
        name: AI2-THOR's `sceneName`.
        things: The house's things, then its floors.
        colours: Of each object by its id, and of each type by its name; in images of instances and of types.
    """

    def __init__(self, house: House, name: str) -> None:
        self.house, self.name = house, name
        self.things = (*house.things, *_floors(house))
        types = dict.fromkeys([*(thing.type for thing in self.things), *TYPES[1:]])
        self.colours = _colours([*(thing.id for thing in self.things), *types])
        self._records = marshal.dumps(_records(self))  # the quickest copier of plain data

    def records(self) -> list[dict[str, Any]]:
        """A fresh copy of the objects' records, in the order of `things`, without what depends on the agent."""
        records: list[dict[str, Any]] = marshal.loads(self._records)
        return records

    @property
    def bounds(self) -> dict[str, Any]:
        """AI2-THOR's `sceneBounds`."""
        (x0, y0), (x1, y1) = self.house.bounds
        top = max((wall.height for wall in self.house.walls), default=0.0)
        return _box((x0, y0, 0.0), (x1, y1, top))

    @cached_property
    def scene(self) -> Scene:
        """The house as it is drawn: the same looks as in `foveal.envs.objectnav.world`."""
        from foveal.envs.objectnav.kit.dressing import dress

        scene: Scene = dress(self.house)
        return scene


def place_of(scene: Any) -> Place:
    """The place that `Controller.reset` is asked for.

    Args:
        scene: "FloorPlan1" or another room of iTHOR or RoboTHOR, "Procedural_7" (of the training split), "…_Val_7" or
            "…_Test_7"; a ProcTHOR house, as parsed from its JSON; or a `House`.

    Raises:
        ValueError: For another name, or a house that is none.
    """
    if isinstance(scene, House):
        return Place(scene, scene.name)
    if isinstance(scene, dict):
        return _of_json(json.dumps(scene, sort_keys=True, default=_plain))
    return _named(str(scene).removesuffix("_physics"))


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise ValueError(f"scene: {type(value).__name__} has no place in a house's JSON")


@lru_cache(maxsize=16)
def _named(name: str) -> Place:
    house = _made(name)
    if house is None:
        raise ValueError(
            f"Scene '{name}' not contained in build (scene names are case sensitive): there are FloorPlan1 to 30, 201 "
            "to 230, 301 to 330, 401 to 430, FloorPlan_Train1_1 to 12_5, FloorPlan_Val1_1 to 3_5, and Procedural_0, "
            "Procedural_Val_0, Procedural_Test_0 and so on"
        )
    return Place(house, f"{name}_physics" if re.fullmatch(r"FloorPlan\d+", name) else name)


def _made(name: str) -> House | None:
    if drawn := re.fullmatch(r"Procedural(?:_(Train|Val|Test))?_(\d{1,9})", name):
        return procedural.house(int(drawn[2]), (drawn[1] or "Train").lower())
    return thor_rooms.house(name) if is_real(name) else None


@cache
def is_real(name: str) -> bool:
    """Whether a scene is one of AI2-THOR's own rooms."""
    return name in {*thor_rooms.names("ithor"), *thor_rooms.names("robothor")}


@lru_cache(maxsize=16)
def _of_json(text: str) -> Place:
    return Place(house_from_json(json.loads(text)), "Procedural")


def _floors(house: House) -> list[Thing]:
    """A thing for each room's floor, under AI2-THOR's names."""
    found = []
    for room in house.rooms:
        (x0, y0), (x1, y1) = room.polygon.min(0), room.polygon.max(0)
        name = "Floor|+00.00|+00.00|+00.00" if is_real(house.name) else room.id
        middle = ((x0 + x1) / 2, (y0 + y1) / 2, -_FLOOR_M / 2)
        found.append(Thing(name, "Floor", middle, (x1 - x0, y1 - y0, _FLOOR_M), solid=False))
    return found


def _records(place: Place) -> list[dict[str, Any]]:
    known = {}
    if is_real(place.house.name):
        known = {record["objectId"]: record for record in thor_rooms.scene_objects(place.house.name)[1]}
    on: dict[str, list[str]] = {}
    parents = {thing.id: _parents(thing, place.house.rooms, place.things) for thing in place.things}
    for name, holders in parents.items():
        for holder in holders:
            on.setdefault(holder, []).append(name)
    return [known.get(thing.id) or _record(thing, parents[thing.id], on.get(thing.id, [])) for thing in place.things]


def _parents(thing: Thing, rooms: Sequence[Room], things: Sequence[Thing]) -> list[str]:
    """What a thing lies on: its parent, or the floor."""
    if thing.parent is not None:
        return [thing.parent]
    if thing.type == "Floor" or thing.bounds[0][2] > _STANDS_M:
        return []
    floors = [other.id for other in things if other.type == "Floor"]
    return [name for room, name in zip(rooms, floors, strict=True) if contains(room.polygon, thing.centre[:2])][:1]


def _record(thing: Thing, parents: list[str], on: list[str]) -> dict[str, Any]:
    """A record like AI2-THOR's, of a thing that has none."""
    traits = _traits().get(thing.type) or dict.fromkeys(_TRAITS, False) | {"mass": 0.0, "temperature": "RoomTemp"}
    taken = thing.pickupable or thing.moveable
    return {
        "name": f"{thing.type}_{hashlib.md5(thing.id.encode(), usedforsecurity=False).hexdigest()[:8]}",
        "objectId": thing.id,
        "objectType": thing.type,
        "assetId": thing.asset or "",
        "position": vector(*thing.centre),
        "rotation": {"x": 0.0, "y": -math.degrees(thing.yaw) % 360, "z": 0.0},
        "axisAlignedBoundingBox": _box(*thing.bounds),
        "objectOrientedBoundingBox": {"cornerPoints": _oriented(thing)} if taken else None,
        "parentReceptacles": parents or None,
        "receptacleObjectIds": on if traits["receptacle"] or on else None,
        "pickupable": thing.pickupable,
        "moveable": thing.moveable,
        "isOpen": thing.openness > 0,
        "openness": float(thing.openness),
        "controlledObjects": None,
        "fillLiquid": None,
        "salientMaterials": None,
        **dict.fromkeys(_OFF, False),
        **traits,
        **({"receptacle": True} if on else {}),
    }


@cache
def _traits() -> dict[str, dict[str, Any]]:
    """By type, the properties that most of its objects have in the real rooms."""
    counts: dict[str, dict[str, Counter[Any]]] = {}
    for name in (*thor_rooms.names("ithor"), *thor_rooms.names("robothor")):
        for record in thor_rooms.scene_objects(name)[1]:
            own = counts.setdefault(record["objectType"], {trait: Counter() for trait in _TRAITS})
            for trait in _TRAITS:
                own[trait][record[trait]] += 1
    return {kind: {trait: count.most_common(1)[0][0] for trait, count in own.items()} for kind, own in counts.items()}


def _box(low: Sequence[float] | np.ndarray, high: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """An axis-aligned box in AI2-THOR's form, its corners in AI2-THOR's order."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    return {
        "center": vector(*((low + high) / 2)),
        "size": vector(*(high - low)),
        "cornerPoints": [
            [float(x), float(z), float(y)]
            for x, z, y in product((high[0], low[0]), (high[2], low[2]), (high[1], low[1]))
        ],
    }


def _oriented(thing: Thing) -> list[list[float]]:
    """The corners of a thing's own box, the lower four first."""
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    (x, y, z), (width, depth, height) = thing.centre, thing.size
    corners = []
    for up in (-height / 2, height / 2):
        for right, ahead in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            across, along = right * width / 2, ahead * depth / 2
            corners.append([x + across * cos - along * sin, z + up, y + across * sin + along * cos])
    return corners


def _colours(names: Iterable[str]) -> dict[str, Colour]:
    """A colour for each name, all different and none black: of the name's hash, or the next one that is free."""
    found: dict[str, Colour] = {}
    used = {(0, 0, 0)}
    for name in names:
        tries = 0
        colour: Colour = (0, 0, 0)
        while colour in used:
            digest = hashlib.md5(f"{name}{tries or ''}".encode(), usedforsecurity=False).digest()
            colour, tries = (digest[0], digest[1], digest[2]), tries + 1
        used.add(colour)
        found[name] = colour
    return found
