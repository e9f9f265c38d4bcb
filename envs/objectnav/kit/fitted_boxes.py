"""Boxes in which things are drawn, where those that AI2-THOR gives are not theirs to fill.

A sink's reaches over the edge of its counter, a window's around the corner of the room, and that of a television on the
wall holds the arm that it hangs from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import cos, sin

from foveal.envs.objectnav.kit.fronts import gap, local, side, turned
from foveal.envs.objectnav.scenes.house import House, Thing

_EDGE_M = 0.07
"""What remains of a counter before and behind a sink."""

_FLAT_M = 0.1
"""Depth of what hangs flat on a wall."""


def drawn_boxes(thing: Thing, house: House, things: Sequence[Thing]) -> list[Thing]:
    """The thing in the box, or boxes, in which it is drawn.

    Args:
        thing: Turned to its front.
        house: Whose walls it may hang on.
        things: Among which are the counters.
    """
    if thing.type == "Sink":
        return [let_in(thing, things)]
    if thing.type == "Window" and min(thing.size[:2]) > 0.6:
        return [_at_side(thing, quarter) for quarter in range(4) if gap(thing, house, quarter) < 0.3] or [thing]
    hangs = thing.parent is None and thing.centre[2] - thing.size[2] / 2 > 0.4
    if thing.type == "Television" and hangs and gap(thing, house, 2) < 0.35:
        return [_at_side(thing, 2)]
    return [thing]


def _at_side(thing: Thing, quarter: int) -> Thing:
    """The slice of a box along its side, looking away from it; quarters count counter-clockwise from the front."""
    middle, out, half = side(thing, quarter)
    x, y = middle - out * _FLAT_M / 2
    yaw = turned(thing, quarter + 2).yaw
    return replace(
        thing, centre=(float(x), float(y), thing.centre[2]), size=(2 * half, _FLAT_M, thing.size[2]), yaw=yaw
    )


def let_in(sink: Thing, things: Sequence[Thing]) -> Thing:
    """A sink as it is drawn: within the edges of the counter that it is let into, if one holds it."""
    top = sink.centre[2] + sink.size[2] / 2
    for counter in things:
        x, y = local(counter, sink.centre)
        flush = abs(counter.centre[2] + counter.size[2] / 2 - top) < 0.06
        if counter.type != "CounterTop" or not flush or 2 * abs(x) > counter.size[0] or 2 * abs(y) > counter.size[1]:
            continue
        across = crossed(sink, counter)
        width, depth = sink.size[1::-1] if across else sink.size[:2]
        room_x, room_y = counter.size[0] / 2 - _EDGE_M, counter.size[1] / 2 - _EDGE_M
        x0, x1 = max(x - width / 2, -room_x), min(x + width / 2, room_x)
        y0, y1 = max(y - depth / 2, -room_y), min(y + depth / 2, room_y)
        if x1 - x0 > 0.1 and y1 - y0 > 0.1:
            size = (y1 - y0, x1 - x0) if across else (x1 - x0, y1 - y0)
            c, s = cos(counter.yaw), sin(counter.yaw)
            mx, my = (x0 + x1) / 2, (y0 + y1) / 2
            centre = (counter.centre[0] + c * mx - s * my, counter.centre[1] + s * mx + c * my, sink.centre[2])
            return replace(sink, centre=centre, size=(*size, sink.size[2]))
    return sink


def crossed(one: Thing, other: Thing) -> bool:
    """Whether one's width lies along the other's depth."""
    return abs(sin(one.yaw - other.yaw)) > 0.7
