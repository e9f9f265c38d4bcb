"""Inner walls of RoboTHOR's apartments, inferred from the paintings on them.

The five furnishings of one plan (FloorPlan_Train1_1 to _5) share its walls: where the
paintings of all five hang, a wall stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foveal.envs.objectnav.scenes.house import Room, Thing, Wall
from foveal.envs.objectnav.scenes.outlines import Rectangle

APARTMENT: Rectangle = (1.0, -4.9, 9.78, -1.0)
"""The outer walls, which are the same in all 75 scenes: on them hang the outermost paintings."""

_SAME_M = 0.15
"""Paintings whose backs lie within this hang on one wall."""

_GAP_M = 1.2
"""A wall goes on between paintings that are so far apart,"""

_JOIN_M = 1.0
"""and to another wall that is so near,"""

_MARGIN_M = 0.15
"""and ends so far beyond its last painting."""

Segment = tuple[int, float, float, float]
"""Axis across the wall, where on that axis, and from where to where along the other, m."""


def partitions(paintings: Sequence[Thing]) -> list[Segment]:
    """The inner walls on which the paintings of a plan hang; those on the outer walls show nothing new."""
    backs = [back for back in map(_back, paintings) if not _outer(back)]
    segments: list[Segment] = []
    for axis in (0, 1):
        left = sorted(back for back in backs if back[0] == axis)
        while left:
            wall = [back for back in left if back[1] - left[0][1] < _SAME_M]
            left = left[len(wall) :]
            where = float(np.mean([back[1] for back in wall]))
            for start, end in _joined([back[2:] for back in wall]):
                segments.append((axis, where, start, end))
    return [_extended(segment, segments) for segment in segments]


def both_sides(segments: Sequence[Segment], room: Room, height: float) -> list[Wall]:
    """Two walls for each segment, one seen from either side."""
    walls = []
    for index, (axis, where, start, end) in enumerate(segments):
        a, b = ((where, start), (where, end)) if axis == 0 else ((start, where), (end, where))
        walls.append(Wall(f"wall|{room.id}|inner|{index}|0", room.id, a, b, height))
        walls.append(Wall(f"wall|{room.id}|inner|{index}|1", room.id, b, a, height))
    return walls


def _back(painting: Thing) -> Segment:
    """The stretch of wall behind a painting; its forward looks away from it."""
    (low, high), forward = painting.bounds, (-np.sin(painting.yaw), np.cos(painting.yaw))
    axis = int(np.argmax(np.abs(forward)))
    back = low[axis] if forward[axis] > 0 else high[axis]
    return axis, float(back), float(low[1 - axis]), float(high[1 - axis])


def _outer(back: Segment) -> bool:
    axis, where = back[:2]
    return min(abs(where - APARTMENT[axis]), abs(where - APARTMENT[axis + 2])) < 0.3


def _joined(stretches: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted((stretch[0], stretch[1]) for stretch in stretches):
        if joined and start - joined[-1][1] < _GAP_M:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _extended(segment: Segment, segments: Sequence[Segment]) -> Segment:
    """The segment, as far as the walls across its ends, or a little beyond its paintings."""
    axis, where, start, end = segment
    across = [APARTMENT[1 - axis], APARTMENT[3 - axis]]
    across += [other[1] for other in segments if other[0] != axis and _meets(other, where)]
    before = [place for place in across if start - _JOIN_M < place < start + _MARGIN_M]
    after = [place for place in across if end - _MARGIN_M < place < end + _JOIN_M]
    return (
        axis,
        where,
        max(before, default=start - _MARGIN_M),
        min(after, default=end + _MARGIN_M),
    )


def _meets(other: Segment, where: float) -> bool:
    return other[2] - _JOIN_M < where < other[3] + _JOIN_M
