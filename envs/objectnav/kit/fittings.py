"""What a kitchen's or bathroom's fronts are fitted to: worktops with holes for sinks, bodies below them, ovens.

AI2-THOR's counters are slabs; the cabinets and drawers below them are things of their own, of which only the fronts
are drawn here, for the body of the counter is behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from foveal.envs.objectnav.kit.fitted_boxes import crossed, let_in
from foveal.envs.objectnav.kit.fronts import HOLDERS, faced_freely, local
from foveal.envs.objectnav.kit.kitchen import oven
from foveal.envs.objectnav.kit.parts import Part, block
from foveal.envs.objectnav.kit.tables import cabinet, counter_doors, drawer
from foveal.envs.objectnav.scenes.house import House, Thing

_Rectangle = tuple[float, float, float, float]
"""(x0, y0, x1, y1) m in the frame of a counter."""

OVEN = "Oven"
"""The type of the boxes of stoves' bodies, which are no things of the house."""

_OVERHANG_M = 0.03
_SLAB_M = 0.04
_LET_IN = 0.9
"""The part of a sink's box that lies within the hole of its counter."""

_HOB_M = 0.07
"""What a stove reaches beyond its burners."""


class Fitting(NamedTuple):
    """Parts in the frame of a box that is no thing of the house."""

    parts: list[Part]
    box: Thing


def fronts_only(thing: Thing, things: Sequence[Thing]) -> Thing | None:
    """The counter or furniture that holds a cabinet or drawer, so that only its front shows; None if none does."""
    if thing.type not in ("Cabinet", "Drawer"):
        return None
    top = thing.centre[2] + thing.size[2] / 2
    for other in things:
        x, y = local(other, thing.centre)
        inside = abs(x) < other.size[0] / 2 and abs(y) < other.size[1] / 2
        if other.type == "CounterTop" and inside and top < other.centre[2] + other.size[2] / 2 + 0.03:
            return other
        inside = inside and abs(thing.centre[2] - other.centre[2]) < other.size[2] / 2
        if inside and other.type in HOLDERS and other.asset and (thing.type == "Drawer" or other.type != "Desk"):
            return other
    return None


def front_parts(thing: Thing, holder: Thing) -> list[Part]:
    """The front of a cabinet or drawer, brought forward to the front of the furniture that holds it."""
    width, depth, height = thing.size
    reach = depth / 2
    if holder.type in HOLDERS:
        reach = max(reach, holder.size[1] / 2 - local(holder, thing.centre)[1] + 0.02)
    kit = cabinet if thing.type == "Cabinet" else drawer
    shown = kit(width, 0.05, height)[1:]  # without its body
    role = {"joinery_front": "joinery_front" if holder.type == "CounterTop" else "front"}
    shift = reach - 0.025
    return [
        part._replace(
            role=role.get(part.role, part.role),
            low=(part.low[0], part.low[1] + shift, part.low[2]),
            high=(part.high[0], part.high[1] + shift, part.high[2]),
        )
        for part in shown
    ]


def counter_parts(counter: Thing, things: Sequence[Thing]) -> list[Part]:
    """The slab of a counter, with holes for sinks and stoves, and doors if it reaches down but holds no cabinets.

    AI2-THOR's thin counters are the skin of a slab, 2 cm thick, into which what lies on them sinks as deep.
    """
    height = counter.size[2]
    z = (0.1 * height - _SLAB_M, 0.1 * height) if height < 0.05 else (height - _SLAB_M, height)
    holes = [rectangle for rectangle, _ in _holes(counter, things)]
    slab = [block("counter", (x0, x1), (y0, y1), z) for x0, y0, x1, y1 in _cut(_whole(counter), holes)]
    bare = height > 0.5 and not any(fronts_only(thing, [counter]) for thing in things)
    return slab + counter_doors(*counter.size) if bare else slab


def counter_body(counter: Thing, things: Sequence[Thing]) -> Fitting | None:
    """The body below a counter: from the floor to the slab, behind the fronts, lower under sinks; none if it is low."""
    top = counter.centre[2] + counter.size[2] / 2 - _SLAB_M - (0.9 * counter.size[2] if counter.size[2] < 0.05 else 0)
    if not 0.5 < top < 1.3:
        return None
    x0, y0, x1, y1 = (side + _OVERHANG_M * sign for side, sign in zip(_whole(counter), (1, 1, -1, -1), strict=True))
    for thing in things:
        if thing.type in ("Cabinet", "Drawer") and fronts_only(thing, [counter]) is counter:
            # The side that the thing faces draws back behind it.
            x, y = local(counter, thing.centre)
            ahead = local(replace(counter, centre=(0.0, 0.0, 0.0)), _forward(thing))
            reach = thing.size[1] / 2 - 0.045
            if abs(ahead[0]) > abs(ahead[1]):
                x0, x1 = (x0, min(x1, x + reach)) if ahead[0] > 0 else (max(x0, x - reach), x1)
            else:
                y0, y1 = (y0, min(y1, y + reach)) if ahead[1] > 0 else (max(y0, y - reach), y1)
    if x1 - x0 < 0.1 or y1 - y0 < 0.1:
        return None
    holes = []
    for (a, b, c, d), bottom in _holes(counter, things):
        rim = 0.015 if bottom > 0.15 else 0.0  # the body stays closed around a sink
        holes.append(((max(a, x0 + rim), max(b, y0 + rim), min(c, x1 - rim), min(d, y1 - rim)), bottom))
    around_them = _cut((x0, y0, x1, y1), [rectangle for rectangle, _ in holes])
    parts = [block("joinery", (a, c), (b, d), (0.0, top)) for a, b, c, d in around_them]
    for (a, b, c, d), bottom in holes:
        a, b, c, d = max(a, x0), max(b, y0), min(c, x1), min(d, y1)
        if bottom > 0.15 and c - a > 0.02 and d - b > 0.02:
            parts.append(block("joinery", (a, c), (b, d), (0.0, min(bottom, top))))
    centre = (counter.centre[0], counter.centre[1], top / 2)
    return Fitting(parts, replace(counter, centre=centre, size=(counter.size[0], counter.size[1], top)))


def ovens(house: House) -> list[Fitting]:
    """A stove's body under each group of burners that no counter holds; its front is the free side."""
    left = [thing for thing in house.things if thing.type == "StoveBurner" and 0.6 < thing.centre[2] < 1.2]
    found = []
    while left:
        near = [thing for thing in left if np.hypot(*np.subtract(thing.centre, left[0].centre)[:2]) < 0.8]
        left = [thing for thing in left if thing not in near]
        bounds = np.array([thing.bounds for thing in near])
        low, high = bounds[:, 0].min(0) - _HOB_M, bounds[:, 1].max(0) + _HOB_M
        top = float(bounds[:, 0, 2].min())
        centre = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, top / 2)
        if len(near) < 2 or _held((centre[0], centre[1], top), house.things):
            continue
        box = Thing("oven", OVEN, centre, (float(high[0] - low[0]), float(high[1] - low[1]), top))
        box = faced_freely(box, house)
        found.append(Fitting(oven(*box.size) + _panel(box, house.things), box))
    return found


def _panel(box: Thing, things: Sequence[Thing]) -> list[Part]:
    """The panel behind the burners for knobs that are higher than they, if there are any."""
    top = box.size[2]
    knobs = [(local(box, thing.centre), thing.centre[2]) for thing in things if thing.type == "StoveKnob"]
    high = [(y, z) for (x, y), z in knobs if abs(x) < box.size[0] and -0.8 < y < 0 and top + 0.05 < z < top + 0.5]
    if not high:
        return []
    face = sum(y for y, _ in high) / len(high)
    x = (-box.size[0] / 2, box.size[0] / 2)
    return [block("appliance", x, (face - 0.05, face), (top - 0.02, max(z for _, z in high) + 0.06))]


def _held(point: tuple[float, float, float], things: Sequence[Thing]) -> bool:
    for counter in things:
        if counter.type == "CounterTop" and abs(counter.centre[2] - point[2]) < 0.2:
            x, y = local(counter, point)
            if abs(x) < counter.size[0] / 2 and abs(y) < counter.size[1] / 2:
                return True
    return False


def _forward(thing: Thing) -> tuple[float, float]:
    turned = replace(thing, centre=(0.0, 0.0, 0.0), yaw=-thing.yaw)
    return local(turned, (0.0, 1.0))


def _whole(counter: Thing) -> _Rectangle:
    width, depth, _ = counter.size
    return -width / 2, -depth / 2, width / 2, depth / 2


def _holes(counter: Thing, things: Sequence[Thing]) -> list[tuple[_Rectangle, float]]:
    """Rectangles of the sinks and stoves in a counter, smaller than they, and how high their bottoms are, m."""
    found = []
    top = counter.centre[2] + counter.size[2] / 2
    for thing in things:
        if thing.type not in ("Sink", OVEN) or abs(thing.centre[2] + thing.size[2] / 2 - top) > 0.2:
            continue
        thing = let_in(thing, [counter])
        x, y = local(counter, thing.centre)
        width, depth = thing.size[1::-1] if crossed(thing, counter) else thing.size[:2]
        half_x, half_y = _LET_IN * width / 2, _LET_IN * depth / 2
        if abs(x) < counter.size[0] / 2 + half_x and abs(y) < counter.size[1] / 2 + half_y:
            found.append(((x - half_x, y - half_y, x + half_x, y + half_y), thing.centre[2] - thing.size[2] / 2))
    return found


def _cut(whole: _Rectangle, holes: Sequence[_Rectangle]) -> list[_Rectangle]:
    """The rectangles that remain of one when holes are cut out of it."""
    rest = [whole]
    for hole in holes:
        a, b, c, d = hole
        left = []
        for x0, y0, x1, y1 in rest:
            p, q, r, s = max(a, x0), max(b, y0), min(c, x1), min(d, y1)
            if p >= r or q >= s:
                left.append((x0, y0, x1, y1))
                continue
            left += [(x0, y0, p, y1), (r, y0, x1, y1), (p, y0, r, q), (p, s, r, y1)]
        rest = [(x0, y0, x1, y1) for x0, y0, x1, y1 in left if x1 - x0 > 0.004 and y1 - y0 > 0.004]
    return rest
