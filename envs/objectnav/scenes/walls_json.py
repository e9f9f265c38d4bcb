"""Walls and the holes in them in house files: see `house_json` for the format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import hypot
from typing import Any, NamedTuple

import numpy as np

from foveal.envs.objectnav.scenes.house import Opening, Room, Vector, Wall
from foveal.envs.objectnav.scenes.json_fields import Field, material, xyz
from foveal.envs.objectnav.scenes.polygons import contains

MOST_WALLS = 5000


class Walls(NamedTuple):
    """Walls as a file has them.

    Attributes:
        by_id: All that are sides of rooms; those of the exterior are dropped.
        origins: By wall's id, from which of its ends (x, y) m the file measures holes.
        opened: Openings for the walls that are left open.
    """

    by_id: dict[str, Wall]
    origins: dict[str, tuple[float, float]]
    opened: list[Opening]


def walls_from_json(field: Field, rooms: Mapping[str, Room]) -> Walls:
    """The walls of those rooms."""
    walls = Walls({}, {}, [])
    empty: list[Wall] = []
    for item in field.items(MOST_WALLS):
        room = item["roomId"].text()
        if room == "exterior":
            continue
        if room not in rooms:
            raise item["roomId"].wrong(f"there is no room {room!r}")
        wall, origin = _wall(item, rooms[room])
        if wall.id in walls.by_id:
            raise item["id"].wrong(f"{wall.id!r} stands there twice")
        walls.by_id[wall.id], walls.origins[wall.id] = wall, origin
        left_open = item.get("empty")
        if left_open and left_open.flag():
            empty.append(wall)
    for wall in empty:
        opening = _opened(wall, walls.by_id)
        if all(opening.walls[1] != other.walls[0] for other in walls.opened):
            walls.opened.append(opening)
    return walls


def _wall(field: Field, room: Room) -> tuple[Wall, tuple[float, float]]:
    """A wall, and the end that the file names first."""
    polygon = field["polygon"]
    corners = [corner.vector() for corner in polygon.items(4)]
    if len(corners) != 4:
        raise polygon.wrong(f"a wall has 4 corners, got {len(corners)}")
    heights = [corner[1] for corner in corners]
    first, second = ((corner[0], corner[2]) for corner in corners[:2])
    if first == second or max(heights) - min(heights) < 0.1:
        raise polygon.wrong("the wall has no length or no height")
    start, end = (first, second) if _stands_left(room.polygon, first, second) else (second, first)
    height = max(heights) - min(heights)
    return Wall(field["id"].text(), room.id, start, end, height, material(field.get("material"))), first


def _stands_left(polygon: Vector, start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether the room lies to the left from start to end and not to the right, as ProcTHOR has it."""
    along = np.subtract(end, start)
    aside = np.array([-along[1], along[0]]) / hypot(*along) * 0.02
    middle = np.add(start, end) / 2
    return contains(polygon, middle + aside) and not contains(polygon, middle - aside)


def _opened(wall: Wall, walls: dict[str, Wall]) -> Opening:
    behind = next((other for other in walls.values() if (other.start, other.end) == (wall.end, wall.start)), None)
    length = hypot(wall.end[0] - wall.start[0], wall.end[1] - wall.start[1])
    sides = (wall.id, behind.id if behind else None)
    rooms = (wall.room, behind.room if behind else None)
    return Opening(f"open|{wall.id}", "open", sides, rooms, (0.0, length), (0.0, wall.height))


def openings_from_json(house: Field, name: str, walls: Walls) -> Iterator[Opening]:
    """Those under that name ("doors" or "windows"), if there are any."""
    found = house.get(name)
    for field in found.items(MOST_WALLS) if found else ():
        first, behind, kind = field["wall0"].text(), field.get("wall1"), field.get("kind")
        if first not in walls.by_id:
            raise field["wall0"].wrong(f"there is no wall {first!r}")
        if kind and kind.value not in ("door", "window", "open"):
            raise kind.wrong("must be 'door', 'window' or 'open'")
        wall = walls.by_id[first]
        other = walls.by_id.get(behind.text()) if behind else None  # none where behind it is the exterior
        along, heights = _hole(field, wall, walls.origins[first])
        openness, asset = field.get("openness"), field.get("assetId")
        yield Opening(
            id=field["id"].text(),
            kind=kind.value if kind else "window" if name == "windows" else "door",
            walls=(first, other.id if other else None),
            rooms=(wall.room, other.room if other else None),
            along=along,
            heights=heights,
            openness=openness.fraction() if openness else 1.0,
            asset=asset.text() if asset else None,
        )


def _hole(field: Field, wall: Wall, origin: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """From where to where along the wall from its start, and above the floor, m."""
    hole = field.get("holePolygon")
    if hole:
        corners = list(hole.items(2))
        if len(corners) != 2:
            raise hole.wrong(f"a hole has 2 corners, got {len(corners)}")
    else:
        hole = field["boundingBox"]
        corners = [hole["min"], hole["max"]]
    (x0, y0, _), (x1, y1, _) = (corner.vector() for corner in corners)
    length = hypot(wall.end[0] - wall.start[0], wall.end[1] - wall.start[1])
    near, far = max(min(x0, x1), 0.0), min(max(x0, x1), length)
    low, high = max(min(y0, y1), 0.0), min(max(y0, y1), wall.height)
    if far - near < 0.01 or high - low < 0.01:
        raise hole.wrong(f"the hole lies outside its wall of {length:.2f} x {wall.height:.2f} m")
    return ((near, far) if origin == wall.start else (length - far, length - near)), (low, high)


def wall_to_json(wall: Wall) -> dict[str, Any]:
    """The object that `walls_from_json` reads."""
    (x0, y0), (x1, y1) = wall.end, wall.start  # ProcTHOR goes round a room clockwise
    corners = [xyz(x0, 0.0, y0), xyz(x1, 0.0, y1), xyz(x0, wall.height, y0), xyz(x1, wall.height, y1)]
    data = {"id": wall.id, "roomId": wall.room, "polygon": corners}
    return data | ({"material": {"name": wall.material}} if wall.material else {})


def opening_to_json(opening: Opening, walls: Mapping[str, Wall]) -> dict[str, Any]:
    """The object that `openings_from_json` reads."""
    wall = walls[opening.walls[0]]
    length = hypot(wall.end[0] - wall.start[0], wall.end[1] - wall.start[1])
    near, far = length - opening.along[1], length - opening.along[0]
    (low, high), (first, second) = opening.heights, opening.walls
    data = {
        "id": opening.id,
        "kind": opening.kind,
        "wall0": first,
        "wall1": second,
        "room0": opening.rooms[0],
        "room1": opening.rooms[1],
        "holePolygon": [xyz(near, low, 0.0), xyz(far, high, 0.0)],
        "assetPosition": xyz((near + far) / 2, (low + high) / 2, 0.0),
        "openness": opening.openness,
        "openable": opening.kind == "door",
    }
    return data | ({"assetId": opening.asset} if opening.asset else {})
