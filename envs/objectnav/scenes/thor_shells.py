"""Shells for rooms of which only the things are known: floor, walls and windows by evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.scenes.counters import straightened
from foveal.envs.objectnav.scenes.house import CEILING_M, Opening, Room, Thing, Vector, Wall
from foveal.envs.objectnav.scenes.outlines import Rectangle, outline
from foveal.envs.objectnav.scenes.partitions import APARTMENT, both_sides, partitions

FLAT = frozenset(
    [
        "Blinds",
        "HandTowelHolder",
        "LightSwitch",
        "Mirror",
        "Painting",
        "Poster",
        "ToiletPaperHanger",
        "TowelHolder",
        "Window",
    ]
)
"""Types that lie flat against a wall."""

FACING = FLAT - {"Mirror", "Painting", "Poster", "Window"} | {"Fridge", "Toilet"}
"""Types with a wall at their back whose yaw says where that is."""

_WINDOW_M = 0.6
"""A window's middle lies no farther from the wall that it is in."""

_SAME_M = 0.2
"""What hangs in planes so near each other hangs on one wall."""

_REACH_M = 0.5
"""What hangs on a wall has at least so much floor before it."""


Shell = tuple[tuple[Room, ...], tuple[Wall, ...], tuple[Opening, ...], tuple[Thing, ...]]
"""Rooms, walls and openings around things, and the things."""


def room_shell(kind: str, things: Sequence[Thing]) -> Shell:
    """One room, as iTHOR's are: around all things, without the empty floor behind what hangs on inner walls."""
    things = straightened(things)
    box = _extent(things)
    room = Room("room|1", kind, outline(box, _cuts(box, things)))
    walls = walls_around(room, _height(things))
    holes = (_hole(thing, walls) for thing in things if thing.type == "Window")
    return (room,), walls, tuple(hole for hole in holes if hole), tuple(things)


def apartment_shell(things: Sequence[Thing], paintings: Sequence[Thing]) -> Shell:
    """RoboTHOR's apartment with the inner walls that the paintings of all five furnishings of its plan show."""
    room = Room("room|1", "LivingRoom", outline(APARTMENT, ()))
    height = _height(things)
    walls = walls_around(room, height) + tuple(both_sides(partitions(paintings), room, height))
    return (room,), walls, (), tuple(things)


def _height(things: Sequence[Thing]) -> float:
    return float(max(CEILING_M, max(thing.bounds[1][2] for thing in things)))


def _hole(window: Thing, walls: Sequence[Wall]) -> Opening | None:
    """The hole that a window needs in the nearest wall along it, if one runs there."""
    low, high = window.bounds
    axis = _thin(window)
    best, nearest = None, _WINDOW_M
    for wall in walls:
        start, end = np.array(wall.start), np.array(wall.end)
        length = float(np.hypot(*(end - start)))
        if abs(start[axis] - end[axis]) > 1e-6 or abs(start[axis] - window.centre[axis]) >= nearest:
            continue
        ends = (np.array([low[1 - axis], high[1 - axis]]) - start[1 - axis]) * np.sign(end - start)[1 - axis]
        near, far = np.clip(np.sort(ends), 0.0, length)
        if far - near > 0.8 * (high - low)[1 - axis]:
            nearest = abs(start[axis] - window.centre[axis])
            top = min(float(high[2]), wall.height)
            best = Opening(
                f"opening|{window.id}",
                "window",
                (wall.id, None),
                (wall.room, None),
                (float(near), float(far)),
                (max(float(low[2]), 0.0), top),
            )
    return best


def _extent(things: Sequence[Thing]) -> Rectangle:
    """Around all things; a window, whose box goes through the wall, counts up to its inner face."""
    bounds = [_flat(thing) for thing in things if thing.type not in ("Window", "Curtains")]
    low, high = np.min(bounds, axis=0)[:2], np.max(bounds, axis=0)[2:]
    middle = (low + high) / 2
    for thing in things:
        if thing.type == "Window":
            around, axis = np.array(_flat(thing)), _thin(thing)
            inner = around[axis] if around[axis] > middle[axis] else around[axis + 2]
            around[axis] = around[axis + 2] = inner
            low, high = np.minimum(low, around[:2]), np.maximum(high, around[2:])
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


class _Back(NamedTuple):
    """A piece of wall that something has at its back.

    Attributes:
        axis: Across the wall.
        sign: In which the wall lies behind the thing.
        plane: Where the wall stands on that axis, m.
        start: From where on the other axis, m,
        end: to where.
    """

    axis: int
    sign: int
    plane: float
    start: float
    end: float


def _cuts(box: Rectangle, things: Sequence[Thing]) -> list[Rectangle]:
    """What lies outside although within the box: the empty floor behind whatever hangs on an inner wall."""
    filled = [_flat(thing) for thing in things if thing.type not in FLAT | {"Curtains"}]
    backs = [_back(thing, box, filled) for thing in things if thing.type in FLAT | FACING]
    filled += map(_before, backs)
    cuts = (_behind(_levelled(back, backs), box, filled) for back in backs)
    return [cut for cut in cuts if cut]


def _back(thing: Thing, box: Rectangle, filled: Sequence[Rectangle]) -> _Back:
    """The wall behind the thing; a window's box goes through it, and its inner face counts."""
    around = _flat(thing)
    axis, sign = _towards_wall(thing, box, filled)
    low, high = around[axis], around[axis + 2]
    plane = high if (sign > 0) != (thing.type == "Window") else low
    return _Back(axis, sign, plane, around[1 - axis], around[3 - axis])


def _towards_wall(thing: Thing, box: Rectangle, filled: Sequence[Rectangle]) -> tuple[int, int]:
    """Axis and sign in which a wall lies behind the thing."""
    if thing.type in FACING:
        forward = (-np.sin(thing.yaw), np.cos(thing.yaw))
        axis = int(np.argmax(np.abs(forward)))
        return axis, -1 if forward[axis] > 0 else 1
    axis, around = _thin(thing), _flat(thing)
    below, above = around[axis] - box[axis], box[axis + 2] - around[axis + 2]
    if min(below, above) > 0.3:  # on an inner wall: its front is where something stands nearer
        beside = [other for other in filled if _overlap(other, around, 1 - axis) > 0]
        below = min((around[axis] - other[axis + 2] for other in beside if _centre(other, around, axis) < 0), default=9)
        above = min((other[axis] - around[axis + 2] for other in beside if _centre(other, around, axis) > 0), default=9)
        return axis, 1 if below < above else -1
    return axis, -1 if below < above else 1


def _overlap(a: Rectangle, b: Rectangle, axis: int) -> float:
    return min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])


def _centre(a: Rectangle, b: Rectangle, axis: int) -> float:
    return (a[axis] + a[axis + 2] - b[axis] - b[axis + 2]) / 2


def _before(back: _Back) -> Rectangle:
    """The floor before the wall, which belongs to the room."""
    low, high = sorted((back.plane, back.plane - back.sign * _REACH_M))
    return _rectangle(back.axis, low, high, back.start, back.end)


def _levelled(back: _Back, backs: Sequence[_Back]) -> _Back:
    """The same on a straight wall: as far out as the farthest that hangs in nearly the same plane."""
    same = (other.plane for other in backs if other[:2] == back[:2] and abs(other.plane - back.plane) < _SAME_M)
    return back._replace(plane=back.sign * max(back.sign * plane for plane in same))


def _behind(back: _Back, box: Rectangle, filled: Sequence[Rectangle]) -> Rectangle | None:
    """The widest empty rectangle from the wall to the border of the box, if there is one."""
    axis, across = back.axis, 1 - back.axis
    border = box[axis + 2] if back.sign > 0 else box[axis]
    low, high = sorted((back.plane, border))
    if high - low < 0.3:
        return None
    start, end, middle = box[across], box[across + 2], (back.start + back.end) / 2
    for other in filled:
        if other[axis] < high - 0.05 and other[axis + 2] > low + 0.05:
            if other[across + 2] < middle:
                start = max(start, other[across + 2])
            elif other[across] > middle:
                end = min(end, other[across])
            else:
                return None
    return _rectangle(axis, low, high, start, end) if end - start >= 0.3 else None


def _rectangle(axis: int, low: float, high: float, start: float, end: float) -> Rectangle:
    """From low to high along the axis and from start to end along the other."""
    return (low, start, high, end) if axis == 0 else (start, low, end, high)


def _thin(thing: Thing) -> int:
    low, high = thing.bounds
    return int(np.argmin((high - low)[:2]))


def _flat(thing: Thing) -> Rectangle:
    low, high = thing.bounds
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def walls_around(room: Room, height: float) -> tuple[Wall, ...]:
    """One wall along each side of the room's floor."""
    points: Vector = np.vstack([room.polygon, room.polygon[:1]])
    sides = zip(points[:-1].tolist(), points[1:].tolist(), strict=True)
    return tuple(Wall(f"wall|{room.id}|{i}", room.id, tuple(a), tuple(b), height) for i, (a, b) in enumerate(sides))
