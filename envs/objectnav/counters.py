"""Counters that go round a corner: one box in AI2-THOR's metadata, here one for each straight stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from foveal.envs.objectnav.house import Thing

_DEPTH_M = 0.62
"""Of a usual kitchen counter."""

_UNDER = frozenset(["Cabinet", "Drawer", "Sink", "SinkBasin", "StoveBurner"])
"""What is built into a counter."""

_Rectangle = tuple[float, float, float, float]  # low x, low y, high x, high y [m]


def straightened(things: Sequence[Thing]) -> list[Thing]:
    """The things, with every L- or U-shaped counter as its stretches; the first keeps the counter's id."""
    return [part for thing in things for part in (_stretches(thing, things) if thing.type == "CounterTop" else [thing])]


def _stretches(counter: Thing, things: Sequence[Thing]) -> list[Thing]:
    low, high = counter.bounds
    box = (low[0], low[1], high[0], high[1])
    depths = [0.0, 0.0, 0.0, 0.0]  # of the stretch along its low x, low y, high x, high y side
    for thing in things:
        if thing.parent == counter.id or thing.type in _UNDER:
            inner = _bounds(thing)
            if not _within(inner, box) or thing.bounds[0][2] > high[2] + 0.1:
                continue
            reaches = (inner[2] - box[0], inner[3] - box[1], box[2] - inner[0], box[3] - inner[1])
            side = reaches.index(min(reaches))
            depths[side] = max(depths[side], min(reaches))
    depths = [max(depth, _DEPTH_M) if depth else 0.0 for depth in depths]
    left, near, right, far = box[0] + depths[0], box[1] + depths[1], box[2] - depths[2], box[3] - depths[3]
    if not any(depths) or right - left < 0.2 or far - near < 0.2:
        return [counter]
    strips = [
        (box[0], box[1], left, box[3]),
        (right, box[1], box[2], box[3]),
        (left, box[1], right, near),
        (left, far, right, box[3]),
    ]
    kept = [strip for strip in strips if strip[2] - strip[0] > 1e-6 and strip[3] - strip[1] > 1e-6]
    return [_part(counter, strip, i) for i, strip in enumerate(kept)]


def _part(counter: Thing, strip: _Rectangle, index: int) -> Thing:
    centre = ((strip[0] + strip[2]) / 2, (strip[1] + strip[3]) / 2, counter.centre[2])
    size = (strip[2] - strip[0], strip[3] - strip[1], counter.size[2])
    return replace(counter, id=f"{counter.id}|{index}" if index else counter.id, centre=centre, size=size, yaw=0.0)


def _bounds(thing: Thing) -> _Rectangle:
    low, high = thing.bounds
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _within(inner: _Rectangle, outer: _Rectangle) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] < x < outer[2] and outer[1] < y < outer[3]
