"""How traffic drives: the Intelligent Driver Model along the lane, MOBIL across lanes.

Sources: Treiber, Hennecke and Helbing, "Congested traffic states" (Phys. Rev. E 62, 2000), equations 3 and 4;
Kesting, Treiber and Helbing, "MOBIL" (TRR 1999, 2007); with the abort rule, the decision timer and the order of
decisions of highway-env 1.12, `vehicle/behavior.py`. Vehicles decide in vehicle order and see what earlier ones
decided in the same substep.
"""

from __future__ import annotations

import math

from foveal.envs.driving.motion import GAIN_SPEED, MAX_STEERING, slip_of, steer
from foveal.envs.driving.straight import (
    LANE_WIDTH,
    LEADER,
    find_leaders,
    follower,
    leader,
    reachable,
)
from foveal.envs.driving.traffic import (
    ACCELERATION,
    CAR_LENGTH,
    CLOSING,
    COMFORT_ACCELERATION,
    COMFORT_DECELERATION,
    CRASHED,
    DECISION_DELAY,
    EXPONENT,
    GAP,
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
    POLITENESS,
    SLIP_SIN,
    SPEED,
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

_LOW_RATIO, _HIGH_RATIO = 0.7, 1.4  # of speed to desired speed, within which `_power_near_one` holds


@kernel
def decide(t, ranks, nearest, lanes, speed_limit):
    """Let every vehicle of one row choose its lane, its slip and its acceleration for this substep."""
    find_leaders(t, ranks, nearest)
    for i in range(1, t.shape[1]):
        due = t[LANE, i] != t[TARGET_LANE, i] or t[DECISION_DELAY, i] < t[TIMER, i]
        if due and t[CRASHED, i] == 0:
            choose_lane(t, ranks, i, lanes, speed_limit)
    for i in range(t.shape[1]):
        if t[CRASHED, i] == 0:
            steer(t, i)
    follow(t, speed_limit)
    for i in range(1, t.shape[1]):
        speed, desired = t[SPEED, i], min(max(t[TARGET_SPEED, i], 0.0), speed_limit)
        unusual = speed < _LOW_RATIO * desired or speed > _HIGH_RATIO * desired
        if unusual or t[LANE, i] != t[TARGET_LANE, i]:
            accelerate(t, ranks, i, speed_limit)
    if t.shape[0] > LINEAR_LATERAL:
        drive_linearly(t, ranks)
    t[ACCELERATION, 0] = GAIN_SPEED * (t[TARGET_SPEED, 0] - t[SPEED, 0])


@kernel
def drive_linearly(t, ranks):
    """Set the slip and the acceleration of the linear drivers; see `foveal.envs.driving.conduct`."""
    for i in range(1, t.shape[1]):
        if t[KIND, i] != LINEAR or t[CRASHED, i] != 0:
            continue
        speed = not_zero(t[SPEED, i])
        angle = t[LINEAR_HEADING, i] * (wrap_to_pi(-t[HEADING, i]) * CAR_LENGTH / speed)
        across = t[Y, i] - LANE_WIDTH * t[TARGET_LANE, i]
        angle += t[LINEAR_LATERAL, i] * (-across * CAR_LENGTH / (speed * speed))
        t[SLIP_SIN, i] = slip_of(min(max(angle, -MAX_STEERING), MAX_STEERING))
        acceleration = linear(t, i, i, ranks[LEADER, i])
        if t[LANE, i] != t[TARGET_LANE, i]:
            acceleration = min(acceleration, linear(t, i, i, leader(t, ranks, i, t[TARGET_LANE, i])))
        limit = t[MAX_ACCELERATION, i]
        t[ACCELERATION, i] = min(max(acceleration, -limit), limit)


@kernel
def linear(t, judge, i, front):
    """Linear acceleration, m/s^2, of vehicle `i` behind `front` (-1: nobody), with the coefficients of `judge`."""
    if i < 0:
        return 0.0
    wanted = t[LINEAR_SPEED, judge] * (t[TARGET_SPEED, i] - t[SPEED, i])
    if front >= 0:
        safe = t[JAM_DISTANCE, judge] + max(t[SPEED, i], 0.0) * t[TIME_GAP, judge]
        wanted += t[LINEAR_CLOSING, judge] * min(t[SPEED, front] - t[SPEED, i], 0.0)
        wanted += t[LINEAR_GAP, judge] * min(t[X, front] - t[X, i] - safe, 0.0)
    return wanted


@kernel
def wanted_acceleration(t, judge, i, front, speed_limit):
    """The acceleration, m/s^2, that driver `judge` expects of vehicle `i` behind `front`: by IDM, or a linear one."""
    return linear(t, judge, i, front) if t[KIND, judge] == LINEAR else idm(t, judge, i, front, speed_limit)


@kernel
def follow(t, speed_limit):
    """Set every vehicle's IDM acceleration behind its leader, in vector code; near its desired speed only."""
    for i in range(t.shape[1]):
        speed, comfort = t[SPEED, i], t[COMFORT_ACCELERATION, i]
        free = _power_near_one(speed / not_zero(min(max(t[TARGET_SPEED, i], 0.0), speed_limit)), t[EXPONENT, i])
        wanted = gap_wanted(t, i, speed, t[CLOSING, i])
        crowding = wanted / not_zero(t[GAP, i])
        acceleration = comfort * (1 - free) - comfort * (crowding * crowding)
        limit = t[MAX_ACCELERATION, i]
        t[ACCELERATION, i] = min(max(acceleration, -limit), limit)


@kernel
def accelerate(t, ranks, i, speed_limit):
    """Set the IDM acceleration of vehicle `i` at any speed; during a lane change the smaller of both lanes'."""
    acceleration = idm(t, i, i, ranks[LEADER, i], speed_limit)
    if t[LANE, i] != t[TARGET_LANE, i]:
        front = leader(t, ranks, i, t[TARGET_LANE, i])
        acceleration = min(acceleration, idm(t, i, i, front, speed_limit))
    limit = t[MAX_ACCELERATION, i]
    t[ACCELERATION, i] = min(max(acceleration, -limit), limit)


@kernel
def idm(t, judge, i, front, speed_limit):
    """IDM acceleration, m/s^2, of vehicle `i` behind `front` (-1: nobody), with the coefficients of vehicle `judge`.

    A vehicle that weighs a lane change judges others by its own coefficients. No vehicle `i` (-1) accelerates by 0.
    """
    if i < 0:
        return 0.0
    return free_acceleration(t, judge, i, speed_limit) - interaction(t, judge, i, front)


@inlined
def free_acceleration(t, judge, i, speed_limit):
    """IDM's acceleration, m/s^2, of vehicle `i` on a free road, with the coefficients of vehicle `judge`."""
    ratio = max(t[SPEED, i], 0.0) / not_zero(min(max(t[TARGET_SPEED, i], 0.0), speed_limit))
    return t[COMFORT_ACCELERATION, judge] * (1 - math.pow(ratio, t[EXPONENT, judge]))


@inlined
def interaction(t, judge, i, front):
    """IDM's braking, m/s^2, of vehicle `i` for `front` (-1: none), with the coefficients of vehicle `judge`."""
    braking = 0.0
    if front >= 0:
        crowding = gap_wanted(t, judge, t[SPEED, i], closing_speed(t, i, front)) / not_zero(t[X, front] - t[X, i])
        braking = t[COMFORT_ACCELERATION, judge] * (crowding * crowding)
    return braking


@inlined
def gap_wanted(t, judge, speed, closing):
    """IDM's desired gap, metres, at a speed and a closing speed (m/s), with the coefficients of vehicle `judge`."""
    braking = math.sqrt(t[COMFORT_ACCELERATION, judge] * t[COMFORT_DECELERATION, judge])
    return t[JAM_DISTANCE, judge] + speed * t[TIME_GAP, judge] + speed * closing / (2 * braking)


@kernel
def _power_near_one(base, exponent):
    """``base ** exponent`` for a base near 1 and an exponent up to 8, by series: the C library's has no vector form.

    log(b) = 2 artanh((b - 1) / (b + 1)), then exp as the fourth power of its Taylor series; to 1e-15 relative.
    """
    z = (base - 1) / (base + 1)
    s = z * z
    log = 2 * z * (1 + s * (1/3 + s * (1/5 + s * (1/7 + s * (1/9 + s * (1/11 + s * (1/13 + s * (1/15 + s * (1/17
        + s * (1/19))))))))))  # fmt: skip
    y = log * exponent * 0.25
    e = 1 + y * (1 + y * (1/2 + y * (1/6 + y * (1/24 + y * (1/120 + y * (1/720 + y * (1/5040 + y * (1/40320
        + y * (1/362880 + y * (1/3628800 + y * (1/39916800 + y * (1/479001600 + y * (1/6227020800
        + y * (1/87178291200))))))))))))))  # fmt: skip
    square = e * e
    return square * square


@kernel
def choose_lane(t, ranks, i, lanes, speed_limit):
    """Abort a lane change that another vehicle contests, or start one that MOBIL advises."""
    lane = t[LANE, i]
    if lane != t[TARGET_LANE, i]:
        if contested(t, i):
            t[TARGET_LANE, i] = lane
        return
    t[TIMER, i] = 0.0
    if abs(t[SPEED, i]) < 1:
        return
    braking = interaction(t, i, i, ranks[LEADER, i])
    for side in (-1, 1):
        candidate = lane + side
        if 0 <= candidate < lanes and reachable(t[X, i], t[Y, i], candidate):
            new_braking = interaction(t, i, i, ranks[LEADER + side, i])
            # Nothing to gain is the usual case; it is settled here without the power function.
            idle = t[KIND, i] == IDM and new_braking >= braking
            hopeless = idle and t[POLITENESS, i] == 0.0 and t[MIN_GAIN, i] > 0
            if not hopeless and mobil(t, ranks, i, side, speed_limit):
                t[TARGET_LANE, i] = candidate


@kernel
def contested(t, i):
    """Whether a vehicle ahead, within the desired gap, is changing into the same lane as vehicle `i`."""
    target = t[TARGET_LANE, i]
    for other in range(t.shape[1]):
        if other != i and t[TARGET_LANE, other] == target and t[LANE, other] != target:
            distance = t[X, other] - t[X, i]
            if 0 < distance < gap_wanted(t, i, t[SPEED, i], closing_speed(t, i, other)):
                return True
    return False


@kernel
def mobil(t, ranks, i, side, speed_limit):
    """Whether MOBIL advises vehicle `i` to change to the lane on its left (-1) or right (1)."""
    front, new_front = ranks[LEADER, i], ranks[LEADER + side, i]
    new_rear = follower(t, ranks, i, t[LANE, i] + side)
    new_rear_after = wanted_acceleration(t, i, new_rear, i, speed_limit)
    if new_rear_after < -t[MAX_IMPOSED_BRAKING, i]:
        return False
    gain = wanted_acceleration(t, i, i, new_front, speed_limit) - wanted_acceleration(t, i, i, front, speed_limit)
    if t[POLITENESS, i] != 0.0:
        rear = follower(t, ranks, i, t[LANE, i])
        others = new_rear_after - wanted_acceleration(t, i, new_rear, new_front, speed_limit)
        others += wanted_acceleration(t, i, rear, front, speed_limit) - wanted_acceleration(t, i, rear, i, speed_limit)
        gain += t[POLITENESS, i] * others
    return gain >= t[MIN_GAIN, i]
