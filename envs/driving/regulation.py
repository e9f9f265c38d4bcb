"""The right of way at a junction: of two vehicles whose paths will meet, one is told to stop.

Source: highway-env 1.12, `road/regulation.py`.
"""

from __future__ import annotations

import math

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import from_lane, heading_at, to_lane
from foveal.envs.driving.navigation import next_stage
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    CAR_WIDTH,
    COS,
    EGO,
    KIND,
    LANE,
    LINEAR,
    ROUTE,
    SIN,
    SPEED,
    TARGET_SPEED,
    YIELD_TIMER,
    YIELDING,
    X,
    Y,
)
from foveal.kernels import kernel

FREQUENCY = 2  # 1/s
YIELD_TIME = 0.0  # s
HORIZON = 3.0  # s, of the prediction
STEP = 0.25  # s
_TIMES = round(HORIZON / STEP) - 1
_LONG, _WIDE = 1.5 * CAR_LENGTH, 0.9 * CAR_WIDTH  # m, of the rectangles that must not meet


@kernel
def regulate(t, lanes, graph, count):
    """Let those who yielded drive on, then make one of each conflicting pair yield."""
    for i in range(count):
        if t[YIELDING, i] != 0:
            if t[YIELD_TIMER, i] >= YIELD_TIME * FREQUENCY:
                t[TARGET_SPEED, i], t[YIELDING, i] = lanes[int(t[LANE, i]), ln.SPEED_LIMIT], 0.0
            else:
                t[YIELD_TIMER, i] += 1
    for i in range(count):
        for j in range(i + 1, count):
            if conflict(t, lanes, graph, i, j):
                yields = who_yields(t, lanes, i, j)
                if EGO < t[KIND, yields] <= LINEAR:
                    t[TARGET_SPEED, yields] = 0.0
                    t[YIELDING, yields], t[YIELD_TIMER, yields] = 1.0, 0.0


@kernel
def who_yields(t, lanes, i, j):
    """The vehicle on the lane of lower priority; of equals the one behind."""
    mine, theirs = lanes[int(t[LANE, i]), ln.PRIORITY], lanes[int(t[LANE, j]), ln.PRIORITY]
    if mine != theirs:
        return j if mine > theirs else i
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    ahead_of_i = t[COS, i] * dx + t[SIN, i] * dy
    ahead_of_j = -(t[COS, j] * dx + t[SIN, j] * dy)
    return i if ahead_of_i > ahead_of_j else j


@kernel
def conflict(t, lanes, graph, i, j):
    """Whether two vehicles would meet within the horizon, each at its speed along its route."""
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    # Positions are predicted on lanes, up to a few metres from where the vehicles are now.
    reach = CAR_LENGTH + (abs(t[SPEED, i]) + abs(t[SPEED, j])) * HORIZON + 100.0
    if dx * dx + dy * dy > reach * reach:
        return False
    for k in range(1, _TIMES + 1):
        time = STEP * k
        xi, yi, hi = predicted(t, lanes, graph, i, time)
        xj, yj, hj = predicted(t, lanes, graph, j, time)
        dx, dy = xj - xi, yj - yi
        if math.sqrt(dx * dx + dy * dy) > CAR_LENGTH:
            continue
        if reaches_into(xi, yi, hi, xj, yj, hj) or reaches_into(xj, yj, hj, xi, yi, hi):
            return True
    return False


@kernel
def predicted(t, lanes, graph, i, time):
    """Place and heading (x, y, heading) of vehicle `i` on its route after `time` seconds at constant speed."""
    lane = int(t[LANE, i])
    along = to_lane(lanes, lane, t[X, i], t[Y, i])[0] + t[SPEED, i] * time
    stage = next_stage(t, graph, i)
    if stage >= 0:
        place = int(lanes[lane, ln.PLACE])
        last = graph[graph[roads.ROUTES] + int(t[ROUTE, i]) + 1] - 1
        lane = stage_lane(graph, stage, place)
        while stage < last and along > lanes[lane, ln.LENGTH]:
            along -= lanes[lane, ln.LENGTH]
            stage += 1
            lane = stage_lane(graph, stage, place)
    x, y = from_lane(lanes, lane, along, 0.0)
    return x, y, heading_at(lanes, lane, along)


@kernel
def stage_lane(graph, stage, place):
    """The lane of a route's stage: the one it names, else the one at `place`."""
    named = graph[graph[roads.PLACES] + stage]
    return int(graph[graph[roads.STAGES] + stage] + (named if named >= 0 else place))


@kernel
def reaches_into(x, y, heading, other_x, other_y, other_heading):
    """Whether a corner, an edge's middle or the centre of one rectangle lies within the other."""
    cos, sin = math.cos(heading), math.sin(heading)
    other_cos, other_sin = math.cos(other_heading), math.sin(other_heading)
    for a in range(-1, 2):
        for b in range(-1, 2):
            long, wide = a * _LONG / 2, b * _WIDE / 2
            dx = x + cos * long - sin * wide - other_x
            dy = y + sin * long + cos * wide - other_y
            ahead, beside = other_cos * dx + other_sin * dy, other_cos * dy - other_sin * dx
            if abs(ahead) <= _LONG / 2 and abs(beside) <= _WIDE / 2:
                return True
    return False
