"""Things from AI2-THOR's object metadata: upright boxes in our axes, and what stands on, in or hangs from what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import cos, pi, radians, sin
from typing import Any

import numpy as np

from foveal.envs.objectnav.scenes.house import Thing, Vector

_AXES = (0, 2, 1)  # THOR's x, y, z as ours

SOFT = frozenset(["BathtubBasin", "Faucet", "ShowerCurtain", "ShowerHead", "SinkBasin", "StoveKnob", "Towel"])
"""Types that stop nobody, or whose furniture's box does."""

BUILT_IN = frozenset(["BathtubBasin", "Cabinet", "Drawer", "Faucet", "Shelf", "SinkBasin", "StoveBurner", "StoveKnob"])
"""Types that are parts of furniture, of which the metadata does not say that."""

FURNITURE = frozenset(
    [
        "Bathtub",
        "CoffeeTable",
        "CounterTop",
        "Desk",
        "DiningTable",
        "Dresser",
        "ShelvingUnit",
        "SideTable",
        "Sink",
        "TVStand",
    ]
)
"""Types that have such parts."""

_FLAT_M = 0.5
"""A window or a curtain that is deeper goes round a corner, and most of its box is floor."""

_ARMCHAIR_M = 1.3
"""No armchair is so wide and so deep: some of RoboTHOR's models lie at 45 degrees in their own box."""

AGENT_HEIGHT_M = 1.8
"""What hangs higher than AI2-THOR's agent is tall does not stop it."""


def things(objects: Sequence[dict[str, Any]]) -> tuple[Thing, ...]:
    """All objects but the floor as things, parents before what lies on them.

    Args:
        objects: One scene's `metadata["objects"]`.
    """
    by_id = {found["objectId"]: found for found in objects if found["objectType"] != "Floor"}
    made = {id: _thing(found, _parent(found, by_id)) for id, found in by_id.items()}
    furniture = [thing for thing in made.values() if thing.type in FURNITURE]
    for thing in list(made.values()):
        if thing.type in BUILT_IN and thing.parent is None:
            host = min((other for other in furniture if _holds(other, thing)), key=_floor_m2, default=None)
            if host:
                made[thing.id] = replace(thing, parent=host.id)
    ordered: dict[str, Thing] = {}

    def place(thing: Thing) -> None:
        if thing.parent is not None and thing.parent not in ordered:
            place(made[thing.parent])
        ordered[thing.id] = thing

    for thing in made.values():
        if thing.id not in ordered:
            place(thing)
    return tuple(ordered.values())


def _holds(furniture: Thing, part: Thing) -> bool:
    """Whether the part's middle is over the furniture's box, and not above its top; a counter's box is its top only."""
    low, high = furniture.bounds
    over = all(low[axis] - 0.05 < part.centre[axis] < high[axis] + 0.05 for axis in (0, 1))
    bottom = part.centre[2] - part.size[2] / 2
    return over and bottom < high[2] + 0.1 and (furniture.type == "CounterTop" or part.centre[2] > low[2] - 0.1)


def _floor_m2(thing: Thing) -> float:
    return thing.size[0] * thing.size[1]


def _parent(found: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> str | None:
    """What it lies on or in, if not the floor: furniture, or something larger of its own sort.

    The metadata also says that a counter lies on a plate and two cabinets in each other.
    """
    names = found["parentReceptacles"] or ()
    if any(name.startswith("Floor|") for name in names):
        return None
    for parent in (by_id[name] for name in names if name in by_id):
        of_hand = found["pickupable"], parent["pickupable"]
        if of_hand == (True, False) or (of_hand[0] == of_hand[1] and _footprint(parent) > _footprint(found)):
            return str(parent["objectId"])
    return None


def _footprint(found: dict[str, Any]) -> float:
    size = found["axisAlignedBoundingBox"]["size"]
    return float(size["x"] * size["z"])


def _thing(found: dict[str, Any], parent: str | None) -> Thing:
    centre, size, yaw = _box(found)
    two_walls = found["objectType"] in ("Curtains", "Window") and min(size[:2]) > _FLAT_M
    stands = parent is None and found["objectType"] not in SOFT and not two_walls
    return Thing(
        id=found["objectId"],
        type=found["objectType"],
        centre=centre,
        size=size,
        yaw=yaw,
        asset=found["assetId"] or None,
        parent=parent,
        pickupable=found["pickupable"],
        moveable=found["moveable"],
        openness=float(found["openness"] or 0.0),
        solid=stands and centre[2] - size[2] / 2 < AGENT_HEIGHT_M,
    )


def _box(found: dict[str, Any]) -> tuple[tuple[float, float, float], tuple[float, float, float], float]:
    """Centre, size along its own axes, and yaw of the upright box around an object."""
    box, oriented = found["axisAlignedBoundingBox"], found["objectOrientedBoundingBox"]
    centre = np.array([box["center"][axis] for axis in "xzy"])
    extent = np.array([box["size"][axis] for axis in "xzy"])
    yaw = -radians(found["rotation"]["y"])
    if oriented is not None:
        corners = np.array(oriented["cornerPoints"])[:, _AXES]
        yaw = _upright_yaw(corners, yaw)
        right, forward = (cos(yaw), sin(yaw)), (-sin(yaw), cos(yaw))
        along = corners[:, :2] @ np.array([right, forward]).T
        middle = (along.min(0) + along.max(0)) / 2
        centre[:2] = middle @ np.array([right, forward])
        width, depth = np.ptp(along, axis=0)
    else:
        width, depth, yaw = _turned_back(extent[0], extent[1], yaw)
        if found["objectType"] == "ArmChair" and min(width, depth) > _ARMCHAIR_M:
            width, depth = width / 2**0.5, depth / 2**0.5
    yaw = (yaw + pi) % (2 * pi) - pi
    return tuple(centre.tolist()), (float(width), float(depth), float(extent[2])), yaw


def _upright_yaw(corners: Vector, yaw: float) -> float:
    """The yaw, nearest to the given one, at which the box's longest level edge lies along its right or forward."""
    edges = corners[[1, 3, 4]] - corners[0]
    longest = edges[np.argmax(np.hypot(edges[:, 0], edges[:, 1]))]
    angle = np.arctan2(longest[1], longest[0])
    return float(angle + round((yaw - angle) / (pi / 2)) * pi / 2)


def _turned_back(x: float, y: float, yaw: float) -> tuple[float, float, float]:
    """Width, depth and yaw of the box whose axis-aligned one is x by y.

    x = w |cos| + d |sin| and y = w |sin| + d |cos|; where that says little (near 45 degrees, or of a shape that does
    not fill its corners) a square that fits.
    """
    c, s = abs(cos(yaw)), abs(sin(yaw))
    if min(c, s) < 0.02:
        quarter = round(yaw / (pi / 2))
        return (*((x, y) if quarter % 2 == 0 else (y, x)), quarter * pi / 2)
    if abs(c - s) > 0.3:
        width, depth = (x * c - y * s) / (c * c - s * s), (y * c - x * s) / (c * c - s * s)
        if 2 * min(width, depth) > max(width, depth):
            return width, depth, yaw
    side = (x + y) / (c + s) / 2
    return side, side, yaw
