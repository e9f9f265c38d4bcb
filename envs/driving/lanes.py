"""Lane geometry: straight, sine, circular and polyline lanes as rows of one table, read by kernels.

A lane maps local coordinates (along, across), metres, to the world and back: `along` grows in the driving direction
from the lane's start, `across` to the right of it. A kernel is given the whole table and a lane's number.

Source: highway-env 1.12, `road/lane.py` (polylines are our own). Vehicles count as on a lane up to a car's length
before its start and beyond its end.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving.traffic import CAR_LENGTH, wrap_to_pi
from foveal.kernels import inlined, kernel

FIELDS = (
    "kind",  # STRAIGHT, SINE, CIRCULAR or POLYLINE
    "x",  # m: the start; a circle's centre
    "y",  # m
    "cos",  # of the driving direction of a straight or sine lane
    "sin",
    "heading",  # rad, of a straight or sine lane
    "length",  # m
    "width",  # m
    "amplitude",  # m, of a sine lane
    "pulsation",  # rad/m
    "phase",  # rad; a circle's start phase
    "radius",  # m, of a circular lane
    "turn",  # +1 clockwise on the screen (y down), -1 counter-clockwise
    "points",  # row of the first point of a polyline, below the lanes
    "points_count",
    "speed_limit",  # m/s, inf for none
    "forbidden",  # 1: no lane change into it
    "priority",  # right of way
    "road",  # number of its road: the lanes between the same two nodes
    "place",  # its place among the road's lanes, 0 the leftmost
    "first",  # the road's lane 0
    "siblings",  # how many lanes the road has
    "to",  # node at its end
)
(
    KIND, X, Y, COS, SIN, HEADING, LENGTH, WIDTH, AMPLITUDE, PULSATION, PHASE, RADIUS, TURN, POINTS, POINTS_COUNT,
    SPEED_LIMIT, FORBIDDEN, PRIORITY, ROAD, PLACE, FIRST, SIBLINGS, TO,
) = range(len(FIELDS))  # fmt: skip
STRAIGHT, SINE, CIRCULAR, POLYLINE = range(4)

OVERHANG = CAR_LENGTH  # m by which a lane reaches beyond its ends


@inlined
def to_lane(lanes, lane, x, y):
    """Local coordinates (along, across) of a world point, metres."""
    if lanes[lane, KIND] != STRAIGHT:
        return _to_curve(lanes, lane, x, y)
    dx, dy = x - lanes[lane, X], y - lanes[lane, Y]
    return dx * lanes[lane, COS] + dy * lanes[lane, SIN], dy * lanes[lane, COS] - dx * lanes[lane, SIN]


@kernel
def _to_curve(lanes, lane, x, y):
    """Local coordinates on a lane that is not straight."""
    g = lanes[lane]
    dx, dy = x - g[X], y - g[Y]
    kind = g[KIND]
    if kind == CIRCULAR:
        phase = wrap_to_pi(math.atan2(dy, dx) - g[PHASE])
        # The start phase is added and taken away again for the sake of the reference's rounding.
        along = g[TURN] * ((g[PHASE] + phase) - g[PHASE]) * g[RADIUS]
        return along, g[TURN] * (g[RADIUS] - math.sqrt(dx * dx + dy * dy))
    if kind == POLYLINE:
        return _to_polyline(lanes, lane, x, y)
    along = dx * g[COS] + dy * g[SIN]
    swing = g[AMPLITUDE] * math.sin(g[PULSATION] * along + g[PHASE])
    return along, dy * g[COS] - dx * g[SIN] - swing


@inlined
def heading_at(lanes, lane, along):
    """The lane's heading, rad, at `along` metres."""
    return lanes[lane, HEADING] if lanes[lane, KIND] == STRAIGHT else _curve_heading(lanes, lane, along)


@kernel
def _curve_heading(lanes, lane, along):
    """The heading of a lane that is not straight."""
    g = lanes[lane]
    kind = g[KIND]
    if kind == CIRCULAR:
        return g[TURN] * along / g[RADIUS] + g[PHASE] + np.pi / 2 * g[TURN]
    if kind == POLYLINE:
        return _segment(lanes, lane, along)[3]
    slope = g[AMPLITUDE] * g[PULSATION] * math.cos(g[PULSATION] * along + g[PHASE])
    return g[HEADING] + math.atan(slope)


@kernel
def from_lane(lanes, lane, along, across):
    """The world point (x, y), metres, of local coordinates."""
    g = lanes[lane]
    kind = g[KIND]
    if kind == CIRCULAR:
        phase = g[TURN] * along / g[RADIUS] + g[PHASE]
        radius = g[RADIUS] - across * g[TURN]
        return g[X] + radius * math.cos(phase), g[Y] + radius * math.sin(phase)
    if kind == POLYLINE:
        x, y, beyond, heading = _segment(lanes, lane, along)
        cos, sin = math.cos(heading), math.sin(heading)
        return x + beyond * cos - across * sin, y + beyond * sin + across * cos
    if kind == SINE:
        across += g[AMPLITUDE] * math.sin(g[PULSATION] * along + g[PHASE])
    return g[X] + along * g[COS] - across * g[SIN], g[Y] + along * g[SIN] + across * g[COS]


@kernel
def _segment(lanes, lane, along):
    """The polyline's piece at `along`: its start (x, y), metres beyond that, and its heading."""
    first, count = int(lanes[lane, POINTS]), int(lanes[lane, POINTS_COUNT])
    piece = first
    for k in range(first, first + count - 1):  # rows: x, y, metres from the start, heading of the piece behind
        if lanes[k, 2] <= along:
            piece = k
    return lanes[piece, 0], lanes[piece, 1], along - lanes[piece, 2], lanes[piece, 3]


@kernel
def _to_polyline(lanes, lane, x, y):
    """Local coordinates on a polyline: those on the piece that is nearest; the first and the last are endless."""
    first, count = int(lanes[lane, POINTS]), int(lanes[lane, POINTS_COUNT])
    nearest, along, across = np.inf, 0.0, 0.0
    for k in range(first, first + count - 1):
        cos, sin = math.cos(lanes[k, 3]), math.sin(lanes[k, 3])
        dx, dy = x - lanes[k, 0], y - lanes[k, 1]
        ahead, beside = dx * cos + dy * sin, dy * cos - dx * sin
        span = lanes[k + 1, 2] - lanes[k, 2]
        excess = 0.0
        if ahead < 0.0 and k > first:
            excess = -ahead
        elif ahead > span and k < first + count - 2:
            excess = ahead - span
        distance = excess * excess + beside * beside
        if distance < nearest:
            nearest, along, across = distance, lanes[k, 2] + ahead, beside
    return along, across


@inlined
def distance(lanes, lane, along, across):
    """L1 distance, metres, of local coordinates to the lane's centre line."""
    length = lanes[lane, LENGTH]
    return abs(across) + max(along - length, 0.0) + max(-along, 0.0)


@inlined
def is_on(lanes, lane, along, across, margin):
    """Whether local coordinates lie on the lane, or within `margin` metres beside it."""
    beside = abs(across) <= lanes[lane, WIDTH] / 2 + margin
    return beside and -OVERHANG <= along < lanes[lane, LENGTH] + OVERHANG


@kernel
def is_reachable(lanes, lane, x, y):
    """Whether the lane may be steered for from a world point."""
    if lanes[lane, FORBIDDEN] != 0:
        return False
    along, across = to_lane(lanes, lane, x, y)
    return abs(across) <= 2 * lanes[lane, WIDTH] and 0 <= along < lanes[lane, LENGTH] + OVERHANG
