"""Which way things face, where their source does not say it.

AI2-THOR's models look along their forward axis. Parts of a room that have no model of their own (cabinets, drawers,
mirrors) come with the room's axes instead, and beds differ in where their head is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import cos, floor, pi, sin

import numpy as np

from foveal.envs.objectnav.scenes.house import House, Room, Thing, Vector, Wall

_HUNG = ("Mirror", "Painting", "Poster", "Window")
_FITTED = ("Cabinet", "Drawer", "Shelf", "Sink", "SinkBasin")
_FURNITURE = ("ArmChair", "Desk", "Dresser", "ShelvingUnit", "SideTable", "Sofa", "Television", "TVStand")
_FREE_STANDING_M = 0.6
"""Furniture whose model looks at a wall is turned round if so much is free behind it."""

HOLDERS = frozenset(("CoffeeTable", "Desk", "Dresser", "ShelvingUnit", "SideTable", "TVStand"))
"""Furniture that drawers and cabinets belong to."""

_FREE_M = 1.2


def faced(house: House) -> tuple[Thing, ...]:
    """The house's things, turned to their fronts; boxes stay where they are."""
    return tuple(_faced(thing, house) for thing in house.things)


def _faced(thing: Thing, house: House) -> Thing:
    if thing.type == "Bed":
        return thing if _head_in_front(thing, house) else turned(thing, 2)
    if thing.type in _FURNITURE and thing.asset is not None:
        wrong = gap(thing, house, 0) < 0.3 and _free(thing, house, 2) > _FREE_STANDING_M
        return turned(thing, 2) if wrong else thing
    if thing.asset is not None or thing.type not in (*_HUNG, *_FITTED, *_FURNITURE):
        return thing
    if thing.type in _HUNG:
        return _from_wall(thing, house.walls)
    holder = holder_of(thing, house.things)
    if holder is not None:
        return turned(thing, round((holder.yaw - thing.yaw) / (pi / 2)))
    return faced_freely(thing, house)


def faced_freely(thing: Thing, house: House) -> Thing:
    """The thing turned so that its front is the side with most room before it, a wall behind it counting too."""
    return turned(thing, int(np.argmax([_score(thing, house, quarter) for quarter in range(4)])))


def _from_wall(thing: Thing, walls: Sequence[Wall]) -> Thing:
    """The thing turned to look away from the wall that it hangs on, if it hangs flat on one."""
    best, inward = (0.4, True), None
    for wall in walls:
        start, way = np.array(wall.start), np.subtract(wall.end, wall.start)
        length = float(np.hypot(*way))
        x, y = np.array(thing.centre[:2]) - start
        along, away = (x * way[0] + y * way[1]) / length, (way[0] * y - way[1] * x) / length
        near = (round(abs(float(away)), 3), bool(away < 0))
        if -0.2 < along < length + 0.2 and near < best:
            best, inward = near, float(np.arctan2(way[1], way[0]))
    if inward is None:
        return thing
    quarters = round((inward - thing.yaw) / (pi / 2)) % 4
    hung = turned(thing, quarters)
    return hung if hung.size[1] < hung.size[0] else thing


def turned(thing: Thing, quarters: int) -> Thing:
    """The same box with its front turned counter-clockwise by quarters."""
    width, depth, height = thing.size
    size = (depth, width, height) if quarters % 2 else thing.size
    yaw = thing.yaw + quarters * pi / 2
    return replace(thing, size=size, yaw=yaw - 2 * pi * floor((yaw + pi) / (2 * pi)))


def holder_of(thing: Thing, things: Sequence[Thing]) -> Thing | None:
    """The piece of furniture that a drawer or cabinet is a part of, if any: its box holds the middle of the thing's."""
    if thing.type not in ("Drawer", "Cabinet", "Shelf"):
        return None
    for other in things:
        if other.type in HOLDERS and other.asset is not None:
            x, y = local(other, thing.centre)
            height = thing.centre[2] - other.centre[2]
            if abs(x) < other.size[0] / 2 and abs(y) < other.size[1] / 2 and abs(height) < other.size[2] / 2:
                return other
    return None


def local(thing: Thing, point: Sequence[float]) -> tuple[float, float]:
    """A point's (x, y) m in a thing's frame: from its middle along its right and forward."""
    x, y = point[0] - thing.centre[0], point[1] - thing.centre[1]
    c, s = cos(thing.yaw), sin(thing.yaw)
    return c * x + s * y, c * y - s * x


def _head_in_front(bed: Thing, house: House) -> bool:
    """Whether the head is at the front: where the pillows are, else at the wall, else as most models have it."""
    pillows = [local(bed, t.centre)[1] for t in house.things if t.type == "Pillow" and t.parent == bed.id]
    if pillows:
        return sum(pillows) >= 0
    gaps = [gap(bed, house, quarter) for quarter in (0, 2)]
    return gaps[0] <= gaps[1] + 0.2


def _score(thing: Thing, house: House, quarter: int) -> float:
    """How likely a side is the front: free before it, a wall behind it, no edge between neighbours."""
    at_wall = gap(thing, house, (quarter + 2) % 4) < 0.15
    return _free(thing, house, quarter) + (0.5 if at_wall else 0.0) + (0.1 if quarter == 0 else 0.0)


def side(thing: Thing, quarter: int) -> tuple[Vector, Vector, float]:
    """Middle (2,) m of a side, its outward direction (2,), and half its length, m."""
    angle = thing.yaw + quarter * pi / 2
    out = np.array([-sin(angle), cos(angle)])
    width, depth = thing.size[:2] if quarter % 2 == 0 else thing.size[1::-1]
    return np.array(thing.centre[:2]) + out * depth / 2, out, width / 2


def gap(thing: Thing, house: House, quarter: int) -> float:
    """Distance, m, from a side to the wall before it; 0 where it has passed it."""
    middle, out, _ = side(thing, quarter)
    room = room_of(thing.centre[:2], house.rooms)
    if room < 0:
        return 0.0
    centre = np.array(thing.centre[:2])
    return max(_to_edge(house.rooms[room].polygon, centre, out) - float(out @ (middle - centre)), 0.0)


def _to_edge(polygon: Vector, start: Vector, out: Vector) -> float:
    """Distance, m, from a point inside a polygon along a direction to its edge."""
    ends = np.roll(polygon, -1, 0)
    edge = ends - polygon
    across = out[0] * edge[:, 1] - out[1] * edge[:, 0]
    away = polygon - start
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (away[:, 0] * edge[:, 1] - away[:, 1] * edge[:, 0]) / across
        share = (away[:, 0] * out[1] - away[:, 1] * out[0]) / across
    met = (np.abs(across) > 1e-9) & (share >= 0) & (share <= 1) & (distance >= 0)
    return float(distance[met].min()) if met.any() else 0.0


def _free(thing: Thing, house: House, quarter: int) -> float:
    """How far, m, up to `_FREE_M`, one may go from a side before one meets a wall or another thing; mean of three."""
    middle, out, half = side(thing, quarter)
    across = np.array([-out[1], out[0]])
    room = room_of(thing.centre[:2], house.rooms)
    low, high = thing.bounds[0][2], thing.bounds[1][2]
    free = []
    for share in (-0.6, 0.0, 0.6):
        start = middle + share * half * across + 0.03 * out
        reach = _FREE_M
        if room >= 0:
            polygon = house.rooms[room].polygon
            reach = min(reach, _to_edge(polygon, start, out)) if contains(polygon, start) else 0.0
        for other in house.things:
            near, far = other.centre[2] - other.size[2] / 2, other.centre[2] + other.size[2] / 2
            if other is thing or other.pickupable or far < low + 0.02 or near > high - 0.02:
                continue
            reach = min(reach, _to_box(other, start, out))
        free.append(reach)
    return float(np.mean(free))


def _to_box(thing: Thing, start: Vector, out: Vector) -> float:
    """Distance, m, from a point along a direction to a thing's box seen from above; infinite if it misses."""
    c, s = cos(thing.yaw), sin(thing.yaw)
    origin = local(thing, (float(start[0]), float(start[1])))
    way = float(c * out[0] + s * out[1]), float(c * out[1] - s * out[0])
    enter, leave = 0.0, float("inf")
    for axis in range(2):  # the slabs between opposite sides (Kay and Kajiya 1986)
        half = thing.size[axis] / 2
        if abs(way[axis]) < 1e-9:
            if abs(origin[axis]) > half:
                return float("inf")
            continue
        near, far = sorted(((-half - origin[axis]) / way[axis], (half - origin[axis]) / way[axis]))
        enter, leave = max(enter, near), min(leave, far)
    return enter if leave > enter else float("inf")


def contains(polygon: Vector, point: Sequence[float] | Vector) -> bool:
    """Whether a point (2,) lies in a polygon (P, 2), by how often a ray from it crosses the edge."""
    ends = np.roll(polygon, -1, 0)
    straddles = (polygon[:, 1] > point[1]) != (ends[:, 1] > point[1])
    rise = np.where(straddles, ends[:, 1] - polygon[:, 1], 1.0)
    x = polygon[:, 0] + (point[1] - polygon[:, 1]) / rise * (ends[:, 0] - polygon[:, 0])
    return bool((straddles & (x > point[0])).sum() % 2)


def room_of(point: Sequence[float], rooms: Sequence[Room]) -> int:
    """The index of the room that a point (2,) lies in, -1 for none."""
    return next((index for index, room in enumerate(rooms) if contains(room.polygon, point)), -1)
