"""How traffic drives: the Intelligent Driver Model along the lane, MOBIL across lanes.

Sources: Treiber, Hennecke and Helbing, "Congested traffic states" (Phys. Rev. E 62, 2000), equations 3 and 4;
Kesting, Treiber and Helbing, "MOBIL" (TRR 1999, 2007); with the abort rule, the decision timer and the order of
decisions of highway-env 1.12, `vehicle/behavior.py`. Vehicles decide in vehicle order and see what earlier ones
decided in the same substep.
"""

from __future__ import annotations

import math

from foveal.envs.driving.motion import GAIN_SPEED, steer
from foveal.envs.driving.traffic import (
    ACCELERATION,
    COMFORT_ACCELERATION,
    COMFORT_DECELERATION,
    COS,
    CRASHED,
    DECISION_DELAY,
    EXPONENT,
    JAM_DISTANCE,
    LANE,
    MAX_ACCELERATION,
    MAX_IMPOSED_BRAKING,
    MIN_GAIN,
    POLITENESS,
    SIN,
    SPEED,
    TARGET_LANE,
    TARGET_SPEED,
    TIME_GAP,
    TIMER,
    X,
    Y,
    follower,
    leader,
    not_zero,
    reachable,
)
from foveal.kernels import kernel


@kernel
def decide(t, ranks, lanes, speed_limit):
    """Let every vehicle of one row choose its lane, its slip and its acceleration for this substep."""
    for i in range(1, t.shape[1]):
        if t[CRASHED, i] == 0:
            choose_lane(t, ranks, i, lanes, speed_limit)
    t[ACCELERATION, 0] = GAIN_SPEED * (t[TARGET_SPEED, 0] - t[SPEED, 0])
    steer(t, 0)
    for i in range(1, t.shape[1]):
        if t[CRASHED, i] == 0:
            steer(t, i)
            accelerate(t, ranks, i, speed_limit)


@kernel
def accelerate(t, ranks, i, speed_limit):
    """Set the IDM acceleration of vehicle `i`; during a lane change the smaller of both lanes'."""
    lane, target = t[LANE, i], t[TARGET_LANE, i]
    acceleration = idm(t, i, i, leader(t, ranks, i, lane), speed_limit)
    if lane != target:
        acceleration = min(acceleration, idm(t, i, i, leader(t, ranks, i, target), speed_limit))
    limit = t[MAX_ACCELERATION, i]
    t[ACCELERATION, i] = min(max(acceleration, -limit), limit)


@kernel
def idm(t, judge, i, front, speed_limit):
    """IDM acceleration, m/s^2, of vehicle `i` behind `front` (-1: nobody), with the coefficients of vehicle `judge`.

    A vehicle that weighs a lane change judges others by its own coefficients. No vehicle `i` (-1) accelerates by 0.
    """
    if i < 0:
        return 0.0
    desired = min(max(t[TARGET_SPEED, i], 0.0), speed_limit)
    ratio = max(t[SPEED, i], 0.0) / abs(not_zero(desired))
    comfort = t[COMFORT_ACCELERATION, judge]
    acceleration = comfort * (1 - math.pow(ratio, t[EXPONENT, judge]))
    if front >= 0:
        crowding = desired_gap(t, judge, i, front) / not_zero(t[X, front] - t[X, i])
        acceleration -= comfort * (crowding * crowding)
    return acceleration


@kernel
def desired_gap(t, judge, i, front):
    """IDM's desired gap, metres, of vehicle `i` behind `front`, with the coefficients of `judge`."""
    speed = t[SPEED, i]
    closing_x = speed * t[COS, i] - t[SPEED, front] * t[COS, front]
    closing_y = speed * t[SIN, i] - t[SPEED, front] * t[SIN, front]
    closing = closing_x * t[COS, i] + closing_y * t[SIN, i]
    braking = math.sqrt(t[COMFORT_ACCELERATION, judge] * t[COMFORT_DECELERATION, judge])
    return t[JAM_DISTANCE, judge] + speed * t[TIME_GAP, judge] + speed * closing / (2 * braking)


@kernel
def choose_lane(t, ranks, i, lanes, speed_limit):
    """Abort a lane change that another vehicle contests, or start one where the timer and MOBIL allow it."""
    lane = t[LANE, i]
    if lane != t[TARGET_LANE, i]:
        if contested(t, i):
            t[TARGET_LANE, i] = lane
        return
    if not t[DECISION_DELAY, i] < t[TIMER, i]:
        return
    t[TIMER, i] = 0.0
    if abs(t[SPEED, i]) < 1:
        return
    for candidate in (lane - 1, lane + 1):
        if 0 <= candidate < lanes and reachable(t[X, i], t[Y, i], candidate) and mobil(t, ranks, i, candidate, speed_limit):
            t[TARGET_LANE, i] = candidate


@kernel
def contested(t, i):
    """Whether a vehicle ahead, within the desired gap, is changing into the same lane as vehicle `i`."""
    target = t[TARGET_LANE, i]
    for other in range(t.shape[1]):
        if other != i and t[TARGET_LANE, other] == target and t[LANE, other] != target:
            distance = t[X, other] - t[X, i]
            if 0 < distance < desired_gap(t, i, i, other):
                return True
    return False


@kernel
def mobil(t, ranks, i, lane, speed_limit):
    """Whether MOBIL advises vehicle `i` to change to `lane`."""
    new_front, new_rear = leader(t, ranks, i, lane), follower(t, ranks, i, lane)
    new_rear_after = idm(t, i, new_rear, i, speed_limit)
    if new_rear_after < -t[MAX_IMPOSED_BRAKING, i]:
        return False
    front, rear = leader(t, ranks, i, t[LANE, i]), follower(t, ranks, i, t[LANE, i])
    gain = idm(t, i, i, new_front, speed_limit) - idm(t, i, i, front, speed_limit)
    if t[POLITENESS, i] != 0.0:
        others = new_rear_after - idm(t, i, new_rear, new_front, speed_limit)
        others += idm(t, i, rear, front, speed_limit) - idm(t, i, rear, i, speed_limit)
        gain += t[POLITENESS, i] * others
    return not gain < t[MIN_GAIN, i]
