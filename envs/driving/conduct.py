"""How vehicles drive on a road network: along their lanes by IDM, across them by MOBIL, or by linear rules.

The formulas are those of `foveal.envs.driving.drivers`; what differs from the straight road is who the neighbours are
and how far away. Source: highway-env 1.12, `vehicle/behavior.py` and `vehicle/controller.py`. Vehicles decide in list
order and see what earlier ones decided in the same substep.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.drivers import free_acceleration, gap_wanted
from foveal.envs.driving.lanes import heading_at, is_reachable, to_lane
from foveal.envs.driving.motion import (
    GAIN_HEADING,
    GAIN_LATERAL,
    GAIN_SPEED,
    MAX_SLIP_SIN,
    MAX_STEERING,
    slip_of,
    speed_to_index,
)
from foveal.envs.driving.navigation import follow_road, lane_distance, neighbours, route_place, same_road
from foveal.envs.driving.traffic import (
    ACCELERATION,
    CAR_LENGTH,
    CHANGES_LANES,
    COMFORT_ACCELERATION,
    CRASHED,
    DECISION_DELAY,
    EGO,
    HEADING,
    IDM,
    JAM_DISTANCE,
    KIND,
    LANE,
    LINEAR,
    LINEAR_CLOSING,
    LINEAR_GAP,
    LINEAR_HEADING,
    LINEAR_LATERAL,
    LINEAR_SPEED,
    MAX_ACCELERATION,
    MAX_IMPOSED_BRAKING,
    MIN_GAIN,
    OBSTACLE,
    POLITENESS,
    SLIP_SIN,
    SPEED,
    SPEED_INDEX,
    STEERED,
    TARGET_LANE,
    TARGET_SPEED,
    TIME_GAP,
    TIMER,
    X,
    Y,
    closing_speed,
    not_zero,
    wrap_to_pi,
)
from foveal.kernels import inlined, kernel

LOOK_AHEAD = 0.1  # s: steering follows the lane's heading this far ahead
LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = range(5)


@inlined
def decide(t, along, lanes, graph, count, objects, connected, i):
    """Let vehicle `i` choose its lane, its slip and its acceleration for this substep."""
    kind = t[KIND, i]
    if kind == EGO:
        follow_road(t, lanes, graph, i)
        steer(t, lanes, i)
        t[ACCELERATION, i] = GAIN_SPEED * (t[TARGET_SPEED, i] - t[SPEED, i])
    elif kind in (IDM, LINEAR) and t[CRASHED, i] == 0:
        follow_road(t, lanes, graph, i)
        changing = t[LANE, i] != t[TARGET_LANE, i]
        if t[CHANGES_LANES, i] != 0 and (changing or t[DECISION_DELAY, i] < t[TIMER, i]):
            choose_lane(t, along, lanes, graph, count, objects, connected, i)
        if kind == IDM:
            steer(t, lanes, i)
        else:
            steer_linearly(t, lanes, i)
        follow(t, along, lanes, graph, count, objects, connected, i)


@kernel
def act(t, lanes, graph, i, action, speeds):
    """Apply a meta-action to an ego's target lane or target speed."""
    if action in (FASTER, SLOWER):
        step = 1 if action == FASTER else -1
        chosen = min(max(speed_to_index(t[SPEED, i], speeds) + step, 0), speeds.size - 1)
        t[SPEED_INDEX, i], t[TARGET_SPEED, i] = chosen, speeds[chosen]
    follow_road(t, lanes, graph, i)
    if action in (LANE_LEFT, LANE_RIGHT):
        target = int(t[TARGET_LANE, i])
        place = int(lanes[target, ln.PLACE]) + (1 if action == LANE_RIGHT else -1)
        wanted = int(lanes[target, ln.FIRST]) + min(max(place, 0), int(lanes[target, ln.SIBLINGS]) - 1)
        if is_reachable(lanes, wanted, t[X, i], t[Y, i]):
            t[TARGET_LANE, i] = wanted


@inlined
def steer(t, lanes, i):
    """Set the slip of vehicle `i` so that it follows the centre of its target lane; see `motion.steer`."""
    lane, speed = int(t[TARGET_LANE, i]), not_zero(t[SPEED, i])
    ahead, across = to_lane(lanes, lane, t[X, i], t[Y, i])
    future = heading_at(lanes, lane, ahead + t[SPEED, i] * LOOK_AHEAD)
    command = math.asin(min(max(-GAIN_LATERAL * across / speed, -1.0), 1.0))
    reference = future + min(max(command, -np.pi / 4), np.pi / 4)
    slip = CAR_LENGTH / 2 / speed * GAIN_HEADING * wrap_to_pi(reference - t[HEADING, i])
    t[SLIP_SIN, i] = min(max(slip, -MAX_SLIP_SIN), MAX_SLIP_SIN)


@kernel
def steer_linearly(t, lanes, i):
    """Set the slip of vehicle `i` by a steering angle linear in how far its heading and place are off the lane's."""
    lane, speed = int(t[TARGET_LANE, i]), not_zero(t[SPEED, i])
    ahead, across = to_lane(lanes, lane, t[X, i], t[Y, i])
    turn = wrap_to_pi(heading_at(lanes, lane, ahead + t[SPEED, i] * LOOK_AHEAD) - t[HEADING, i])
    angle = t[LINEAR_HEADING, i] * (turn * CAR_LENGTH / speed)
    angle += t[LINEAR_LATERAL, i] * (-across * CAR_LENGTH / (speed * speed))
    t[SLIP_SIN, i] = slip_of(min(max(angle, -MAX_STEERING), MAX_STEERING))


@inlined
def follow(t, along, lanes, graph, count, objects, connected, i):
    """Set the acceleration of vehicle `i`; during a lane change the smaller of both lanes'."""
    lane, target = int(t[LANE, i]), int(t[TARGET_LANE, i])
    front, _ = neighbours(t, along, lanes, graph, count, objects, connected, i, lane)
    wanted = own_acceleration(t, along, lanes, i, i, front)
    if lane != target:
        front, _ = neighbours(t, along, lanes, graph, count, objects, connected, i, target)
        wanted = min(wanted, own_acceleration(t, along, lanes, i, i, front))
    limit = t[MAX_ACCELERATION, i]
    t[ACCELERATION, i] = min(max(wanted, -limit), limit)


@kernel
def acceleration(t, along, lanes, judge, i, front):
    """Acceleration, m/s^2, of vehicle `i` behind `front` (-1: nobody), with the coefficients of vehicle `judge`.

    A vehicle that weighs a lane change judges others by its own coefficients. Nobody (-1) and an obstacle accelerate
    by 0; a vehicle without a target speed (steered directly) seems to want to stand.
    """
    if i < 0 or (t[KIND, i] >= OBSTACLE and t[KIND, judge] != LINEAR):
        return 0.0
    return own_acceleration(t, along, lanes, judge, i, front)


@inlined
def own_acceleration(t, along, lanes, judge, i, front):
    """`acceleration` of a vehicle that is there."""
    if t[KIND, judge] == LINEAR:
        return linear_acceleration(t, along, lanes, judge, i, front)
    wanted = free_acceleration(t, judge, i, lanes[int(t[LANE, i]), ln.SPEED_LIMIT])
    if front >= 0:
        gap = lane_distance(t, along, lanes, i, front)
        crowding = gap_wanted(t, judge, t[SPEED, i], closing_speed(t, i, front)) / not_zero(gap)
        wanted -= t[COMFORT_ACCELERATION, judge] * (crowding * crowding)
    return wanted


@kernel
def linear_acceleration(t, along, lanes, judge, i, front):
    """Acceleration, m/s^2, linear in the speed that is missing, the closing speed and the gap that is missing.

    Source: highway-env 1.12, ``LinearVehicle``.
    """
    missing = t[TARGET_SPEED, i] - t[SPEED, i] if t[KIND, i] < STEERED else 0.0
    wanted = t[LINEAR_SPEED, judge] * missing
    if front >= 0:
        safe = t[JAM_DISTANCE, judge] + max(t[SPEED, i], 0.0) * t[TIME_GAP, judge]
        gap = lane_distance(t, along, lanes, i, front)
        wanted += t[LINEAR_CLOSING, judge] * min(t[SPEED, front] - t[SPEED, i], 0.0)
        wanted += t[LINEAR_GAP, judge] * min(gap - safe, 0.0)
    return wanted


@kernel
def choose_lane(t, along, lanes, graph, count, objects, connected, i):
    """Abort a lane change that another vehicle contests, or start one that MOBIL advises; asked only where due."""
    lane, target = int(t[LANE, i]), int(t[TARGET_LANE, i])
    if lane != target:
        if same_road(lanes, lane, target) and contested(t, along, lanes, count, i):
            t[TARGET_LANE, i] = lane
        return
    t[TIMER, i] = 0.0
    if abs(t[SPEED, i]) < 1:
        return
    place, siblings = int(lanes[lane, ln.PLACE]), int(lanes[lane, ln.SIBLINGS])
    for side in (-1, 1):
        near = 0 <= place + side < siblings and is_reachable(lanes, lane + side, t[X, i], t[Y, i])
        if near and mobil(t, along, lanes, graph, count, objects, connected, i, lane + side):
            t[TARGET_LANE, i] = lane + side


@kernel
def contested(t, along, lanes, count, i):
    """Whether a vehicle ahead, within the desired gap, is changing into the same lane as vehicle `i`."""
    target = t[TARGET_LANE, i]
    for other in range(count):
        changing = t[KIND, other] <= LINEAR and t[TARGET_LANE, other] == target and t[LANE, other] != target
        if changing and other != i:
            distance = lane_distance(t, along, lanes, i, other)
            if 0 < distance < gap_wanted(t, i, t[SPEED, i], closing_speed(t, i, other)):
                return True
    return False


@kernel
def mobil(t, along, lanes, graph, count, objects, connected, i, candidate):
    """Whether vehicle `i` should change to a lane beside its own: by MOBIL, or because its route names one there."""
    new_front, new_rear = neighbours(t, along, lanes, graph, count, objects, connected, i, candidate)
    new_rear_after = acceleration(t, along, lanes, i, new_rear, i)
    if new_rear_after < -t[MAX_IMPOSED_BRAKING, i]:
        return False
    after = acceleration(t, along, lanes, i, i, new_front)
    place = route_place(t, graph, i)
    if place != roads.ANY_PLACE:
        present = lanes[int(t[TARGET_LANE, i]), ln.PLACE]
        towards = np.sign(lanes[candidate, ln.PLACE] - present) == np.sign(place - present)
        return towards and after >= -t[MAX_IMPOSED_BRAKING, i]
    front, rear = neighbours(t, along, lanes, graph, count, objects, connected, i, int(t[LANE, i]))
    gain = after - acceleration(t, along, lanes, i, i, front)
    if t[POLITENESS, i] != 0.0:
        others = new_rear_after - acceleration(t, along, lanes, i, new_rear, new_front)
        others += acceleration(t, along, lanes, i, rear, front) - acceleration(t, along, lanes, i, rear, i)
        gain += t[POLITENESS, i] * others
    return gain >= t[MIN_GAIN, i]
