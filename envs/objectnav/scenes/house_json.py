"""Houses as JSON: a superset of ProcTHOR's house format (schema 1.0.0, `procthor.utils.types`, version 0.0.1.dev2).

In the file THOR's axes and units hold (left-handed, y up, degrees, clockwise yaw), in memory those of `house`. ProcTHOR
names a model per object; its size and type come from procthor's asset database. Ours also say them in the file, and
what else a `Thing` has, so that a house can hold models that no database knows:

- objects: `objectType`, `size` {x right, y up, z forward} m, `parent` (an id; or nested under its `children`, as
  ProcTHOR has it), `pickupable`, `moveable`, `openness`, `solid`;
- doors and windows: `kind` ("door", "window" or "open"); the house: `name` and `split`.

Reading what was written gives the same house, but for the rounding of angles and of lengths along walls.
"""

from __future__ import annotations

from math import degrees, pi, radians
from typing import Any

import numpy as np

from foveal.envs.objectnav.scenes.house import House, Room, Start
from foveal.envs.objectnav.scenes.json_fields import Field, material, xyz
from foveal.envs.objectnav.scenes.polygons import area, crosses_itself
from foveal.envs.objectnav.scenes.things_json import parents_first, thing_to_json, things_from_json
from foveal.envs.objectnav.scenes.walls_json import opening_to_json, openings_from_json, wall_to_json, walls_from_json

MOST_ROOMS = 200
MOST_CORNERS = 200

_SMALLEST_M2 = 0.01
_STANDING_M = 0.95  # the height of the agent's middle, which ProcTHOR's files give as its position


def house_from_json(data: Any, source: str = "house") -> House:
    """A house from parsed JSON.

    Args:
        data: The object of one house.
        source: What to call it in errors.

    Raises:
        ValueError: One line with the source and the field that is wrong.
    """
    house = Field(data, source)
    rooms = tuple(map(_room, house["rooms"].items(MOST_ROOMS)))
    if not rooms:
        raise house["rooms"].wrong("a house has at least one room")
    _check_unique([room.id for room in rooms], house["rooms"])
    by_id = {room.id: room for room in rooms}
    walls = walls_from_json(house["walls"], by_id)
    holes = (hole for name in ("doors", "windows") for hole in openings_from_json(house, name, walls))
    openings = [*holes, *walls.opened]
    things = tuple(things_from_json(house["objects"]))
    _check_unique([opening.id for opening in openings], house.get("doors") or house)
    _check_unique([thing.id for thing in things], house["objects"])
    name, split = house.get("name"), house.get("split")
    if split is not None and split.value not in ("train", "val", "test"):
        raise split.wrong("must be 'train', 'val' or 'test'")
    return House(
        name=name.text() if name else source,
        rooms=rooms,
        walls=tuple(walls.by_id.values()),
        openings=tuple(openings),
        things=parents_first(things, house["objects"]),
        split=split.text() if split else "train",
        start=_start(house),
    )


def _room(field: Field) -> Room:
    polygon = field["floorPolygon"]
    corners = np.array([_flat(corner) for corner in polygon.items(MOST_CORNERS)]).reshape(-1, 2)
    if len(corners) > 1 and np.array_equal(corners[0], corners[-1]):
        corners = corners[:-1]
    if len(corners) < 3:
        raise polygon.wrong(f"encloses nothing: {len(corners)} different corners")
    if abs(area(corners)) < _SMALLEST_M2:
        raise polygon.wrong(f"its area is {abs(area(corners)):.3g} m2; at least {_SMALLEST_M2} m2 is a room")
    if crosses_itself(corners):
        raise polygon.wrong("its sides cross each other")
    ceilings = field.get("ceilings")
    over = next(iter(ceilings.items(MOST_ROOMS)), None) if ceilings else None
    return Room(
        id=field["id"].text(),
        kind=field["roomType"].text(),
        polygon=corners if area(corners) > 0 else corners[::-1].copy(),
        floor=material(field.get("floorMaterial")),
        ceiling=material(over.get("material")) if over else None,
    )


def _start(house: Field) -> Start | None:
    metadata = house.get("metadata")
    agent = metadata.get("agent") if metadata else None
    if not agent:
        return None
    x, height, y = agent["position"].vector()
    turn, horizon = agent.get("rotation"), agent.get("horizon")
    yaw = turn.vector()[1] if turn else 0.0
    feet = (x, y, height - _STANDING_M)
    return Start(feet, (pi - radians(yaw)) % (2 * pi) - pi, radians(horizon.number()) if horizon else 0.0)


def _flat(field: Field) -> tuple[float, float]:
    x, _, z = field.vector()
    return x, z


def _check_unique(ids: list[str], field: Field) -> None:
    if len(set(ids)) < len(ids):
        raise field.wrong(f"{next(id for id in ids if ids.count(id) > 1)!r} stands there twice")


def house_to_json(house: House) -> dict[str, Any]:
    """The house as an object for `json.dumps`; the inverse of `house_from_json`."""
    walls = {wall.id: wall for wall in house.walls}
    doors = [opening_to_json(opening, walls) for opening in house.openings if opening.kind != "window"]
    windows = [opening_to_json(opening, walls) for opening in house.openings if opening.kind == "window"]
    metadata: dict[str, Any] = {"schema": "1.0.0"}
    if house.start:
        x, y, z = house.start.position
        metadata["agent"] = {
            "position": xyz(x, z + _STANDING_M, y),
            "rotation": xyz(0, -degrees(house.start.yaw), 0),
            "horizon": degrees(house.start.horizon),
            "standing": True,
        }
    return {
        "name": house.name,
        "split": house.split,
        "metadata": metadata,
        "rooms": [_room_json(room) for room in house.rooms],
        "walls": [wall_to_json(wall) for wall in house.walls],
        "doors": doors,
        "windows": windows,
        "objects": [thing_to_json(thing) for thing in house.things],
        "proceduralParameters": {
            "floorColliderThickness": 1.0,
            "receptacleHeight": 0.7,
            "lights": [],
            "reflections": [],
        },
    }


def _room_json(room: Room) -> dict[str, Any]:
    data = {
        "id": room.id,
        "roomType": room.kind,
        "floorPolygon": [xyz(x, 0.0, y) for x, y in room.polygon[::-1].tolist()],
        "children": [],
        "ceilings": [{"material": {"name": room.ceiling}}] if room.ceiling else [],
    }
    return data | ({"floorMaterial": {"name": room.floor}} if room.floor else {})
