"""Counters and desks that go round a corner: one box in AI2-THOR's metadata, here one for each straight stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import sin

import numpy as np

from foveal.envs.objectnav.scenes.house import Thing

_DEPTH_M = (0.6, 1.05)
"""Of a counter: at least, and at most."""

_ANGLED = frozenset(["CounterTop", "Desk"])
_BUILT_IN = frozenset(["Cabinet", "Drawer", "Sink", "SinkBasin", "StoveBurner"])

_Rectangle = tuple[float, float, float, float]  # low x, low y, high x, high y [m]


def straightened(things: Sequence[Thing]) -> list[Thing]:
    """The things, with each counter that goes round a corner as its stretches; the first keeps the counter's id."""
    return [part for thing in things for part in (_stretches(thing, things) if thing.type in _ANGLED else [thing])]


def _stretches(counter: Thing, things: Sequence[Thing]) -> list[Thing]:
    """The least floor along the sides of the counter's box that lies under all that is built into it or lies on it."""
    box = _bounds(counter)
    islands = [thing for thing in things if thing.type in _ANGLED and _inside(thing, counter)]
    shown = [
        thing for thing in things if _shows(thing, counter) and not any(_inside(thing, other) for other in islands)
    ]
    if not shown or abs(sin(2 * counter.yaw)) > 0.05:
        return [counter]
    reaches = np.array([_reaches(_bounds(thing), box) for thing in shown])
    best = [box]
    for along in product([False, True], repeat=4):
        sides = np.flatnonzero(along)
        nearest = reaches[:, sides].min(1, initial=np.inf)
        if nearest.max() <= _DEPTH_M[1]:
            depths = np.zeros(4)
            for side in sides:
                depths[side] = max(_DEPTH_M[0], nearest[reaches[:, side] == nearest].max(initial=0.0))
            best = min(best, _strips(box, depths), key=lambda strips: sum(map(_area, strips)))
    return [_part(counter, strip, index) for index, strip in enumerate(best)] if len(best) > 1 else [counter]


def _shows(thing: Thing, counter: Thing) -> bool:
    """Whether the thing shows that there is counter where it is."""
    built_in = thing.type in _BUILT_IN and thing.bounds[0][2] < counter.bounds[1][2]
    return (built_in or thing.parent == counter.id) and _inside(thing, counter)


def _inside(thing: Thing, counter: Thing) -> bool:
    """Whether the thing's middle lies over the counter's box and it is not the counter."""
    low, high = counter.bounds
    return thing is not counter and all(low[axis] < thing.centre[axis] < high[axis] for axis in (0, 1))


def _reaches(inner: _Rectangle, box: _Rectangle) -> _Rectangle:
    """How far from each side of the box (low x, low y, high x, high y) one must go to cover `inner`."""
    return inner[2] - box[0], inner[3] - box[1], box[2] - inner[0], box[3] - inner[1]


def _strips(box: _Rectangle, depths: np.ndarray) -> list[_Rectangle]:
    """Disjoint strips of those depths along the box's sides, or the box where they leave nothing between them."""
    left, near = box[0] + float(depths[0]), box[1] + float(depths[1])
    right, far = box[2] - float(depths[2]), box[3] - float(depths[3])
    if right - left < 0.2 or far - near < 0.2:
        return [box]
    strips: list[_Rectangle] = [(box[0], box[1], left, box[3]), (right, box[1], box[2], box[3])]
    strips += [(left, box[1], right, near), (left, far, right, box[3])]
    return [strip for strip in strips if _area(strip) > 0]


def _part(counter: Thing, strip: _Rectangle, index: int) -> Thing:
    width, depth = strip[2] - strip[0], strip[3] - strip[1]
    if abs(sin(counter.yaw)) > 0.5:
        width, depth = depth, width
    centre = ((strip[0] + strip[2]) / 2, (strip[1] + strip[3]) / 2, counter.centre[2])
    id = f"{counter.id}|{index}" if index else counter.id
    return replace(counter, id=id, centre=centre, size=(width, depth, counter.size[2]))


def _bounds(thing: Thing) -> _Rectangle:
    low, high = thing.bounds
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _area(rectangle: _Rectangle) -> float:
    return (rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1])
