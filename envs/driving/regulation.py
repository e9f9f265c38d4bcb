"""The right of way at a junction: of two vehicles whose paths will meet, one is told to stop.

Source: highway-env 1.12, `road/regulation.py`. Paths are predicted once per regulation, into scratch memory (C, T, 4)
of each row: x, y, cosine and sine of the heading of C vehicles at T times.
"""

from __future__ import annotations

import math

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.dynamics import move
from foveal.envs.driving.lanes import to_lane
from foveal.envs.driving.navigation import next_stage
from foveal.envs.driving.traffic import (
    ACCELERATION,
    CAR_LENGTH,
    CAR_WIDTH,
    COS,
    CRASHED,
    EGO,
    HEADING,
    KIND,
    LANE,
    LATERAL_SPEED,
    LINEAR,
    PUSHED,
    ROUTE,
    SIN,
    SLIP_SIN,
    SPEED,
    STEERING,
    TARGET_SPEED,
    YAW_RATE,
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
TIMES = round(HORIZON / STEP) - 1
_LONG, _WIDE = 1.5 * CAR_LENGTH, 0.9 * CAR_WIDTH  # m, of the rectangles that must not meet


@kernel
def regulate(t, lanes, graph, count, predicted):
    """Let those who yielded drive on, then make one of each conflicting pair yield."""
    for i in range(count):
        if t[YIELDING, i] != 0:
            if t[YIELD_TIMER, i] >= YIELD_TIME * FREQUENCY:
                t[TARGET_SPEED, i], t[YIELDING, i] = lanes[int(t[LANE, i]), ln.SPEED_LIMIT], 0.0
            else:
                t[YIELD_TIMER, i] += 1
    for i in range(count):
        predict(t, lanes, graph, i, predicted[i])
    for i in range(count):
        for j in range(i + 1, count):
            if conflict(predicted[i], predicted[j]):
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
def conflict(mine, theirs):
    """Whether two vehicles with these predictions (T, 4) would meet."""
    for k in range(TIMES):
        dx, dy = theirs[k, 0] - mine[k, 0], theirs[k, 1] - mine[k, 1]
        square = dx * dx + dy * dy
        # Compared as squares where that decides it, to spare a root each time.
        if square > CAR_LENGTH * CAR_LENGTH * 1.001 or math.sqrt(square) > CAR_LENGTH:
            continue
        if reaches_into(mine[k], theirs[k]) or reaches_into(theirs[k], mine[k]):
            return True
    return False


@kernel
def predict(t, lanes, graph, i, out):
    """Write where vehicle `i` will be (T, 4): on its route at its speed, or, where it is steered, at its steering."""
    if t[KIND, i] > LINEAR:
        predict_steered(t, i, out)
    else:
        predict_on_route(t, lanes, graph, i, out)


@kernel
def predict_on_route(t, lanes, graph, i, out):
    """Write the prediction (T, 4) of a vehicle that keeps to the middle of its route's lanes."""
    current = int(t[LANE, i])
    here, speed, place = to_lane(lanes, current, t[X, i], t[Y, i])[0], t[SPEED, i], int(lanes[current, ln.PLACE])
    first = next_stage(t, graph, i)
    last = graph[graph[roads.ROUTES] + int(t[ROUTE, i]) + 1] - 1 if first >= 0 else first
    start = stage_lane(graph, first, place) if first >= 0 else current
    for k in range(TIMES):
        ahead, stage, lane = here + speed * (STEP * (k + 1)), first, start
        while stage < last and ahead > lanes[lane, ln.LENGTH]:
            ahead -= lanes[lane, ln.LENGTH]
            stage += 1
            lane = stage_lane(graph, stage, place)
        out[k, 0], out[k, 1] = ln.from_lane(lanes, lane, ahead, 0.0)
        if lanes[lane, ln.KIND] == ln.STRAIGHT:
            out[k, 2], out[k, 3] = lanes[lane, ln.COS], lanes[lane, ln.SIN]
        else:
            heading = ln.heading_at(lanes, lane, ahead)
            out[k, 2], out[k, 3] = math.cos(heading), math.sin(heading)


@kernel
def predict_steered(t, i, out):
    """Write the prediction (T, 4) of a vehicle that keeps its steering and does not accelerate; `t` stays as it is."""
    x, y, heading, speed, cos, sin = t[X, i], t[Y, i], t[HEADING, i], t[SPEED, i], t[COS, i], t[SIN, i]
    acceleration, steering, slip = t[ACCELERATION, i], t[STEERING, i], t[SLIP_SIN, i]
    lateral_speed, yaw_rate, crashed, pushed = t[LATERAL_SPEED, i], t[YAW_RATE, i], t[CRASHED, i], t[PUSHED, i]
    t[ACCELERATION, i] = 0.0
    for k in range(TIMES):
        move(t, i, STEP)
        t[COS, i], t[SIN, i] = math.cos(t[HEADING, i]), math.sin(t[HEADING, i])
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = t[X, i], t[Y, i], t[COS, i], t[SIN, i]
    t[X, i], t[Y, i], t[HEADING, i], t[SPEED, i], t[COS, i], t[SIN, i] = x, y, heading, speed, cos, sin
    t[ACCELERATION, i], t[STEERING, i], t[SLIP_SIN, i] = acceleration, steering, slip
    t[LATERAL_SPEED, i], t[YAW_RATE, i], t[CRASHED, i], t[PUSHED, i] = lateral_speed, yaw_rate, crashed, pushed


@kernel
def stage_lane(graph, stage, place):
    """The lane of a route's stage: the one it names, else the one at `place`."""
    named = graph[graph[roads.PLACES] + stage]
    return int(graph[graph[roads.STAGES] + stage] + (named if named >= 0 else place))


@kernel
def reaches_into(mine, theirs):
    """Whether a corner, an edge's middle or the centre of one rectangle lies within the other; each (4,).

    The reference turns what it looks at by the other's heading, not back by it, so between the axes of the road it
    looks at a mirror image. Done likewise here.
    """
    for a in range(-1, 2):
        for b in range(-1, 2):
            long, wide = a * _LONG / 2, b * _WIDE / 2
            dx = mine[0] + mine[2] * long - mine[3] * wide - theirs[0]
            dy = mine[1] + mine[3] * long + mine[2] * wide - theirs[1]
            ahead, beside = theirs[2] * dx - theirs[3] * dy, theirs[3] * dx + theirs[2] * dy
            if abs(ahead) <= _LONG / 2 and abs(beside) <= _WIDE / 2:
                return True
    return False
