"""How a vehicle moves: the kinematic bicycle and the cascaded steering controller.

Source: highway-env 1.12, `vehicle/kinematics.py` and `vehicle/controller.py`; the bicycle model follows Polack et al.,
"The kinematic bicycle model" (IV 2017).

The controller asks for a slip angle beta by the steering angle delta = arctan(2 tan(beta)), and the bicycle answers
with the slip angle arctan(tan(delta) / 2), which is beta again unless delta was clipped. So the sine of beta is carried
from one to the other, and the clip on delta becomes a clip on it: no trigonometry is needed for either.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from foveal.envs.driving.straight import (
    LANE_WIDTH,
    closest_lane,
)
from foveal.envs.driving.traffic import (
    ACCELERATION,
    CAR_LENGTH,
    COS,
    CRASHED,
    HEADING,
    LANE,
    MAX_SPEED,
    PUSH_X,
    PUSH_Y,
    PUSHED,
    SIN,
    SLIP_SIN,
    SPEED,
    TARGET_LANE,
    TIMER,
    X,
    Y,
    not_zero,
    wrap_to_pi,
)
from foveal.kernels import inlined, kernel

GAIN_LATERAL = 1 / 0.6  # 1/s
GAIN_HEADING = 1 / 0.2  # 1/s
GAIN_SPEED = 1 / 0.6  # 1/s
MAX_STEERING = math.pi / 3  # rad
MAX_SLIP_SIN = math.sin(math.atan(math.tan(MAX_STEERING) / 2))
_MAX_COMMAND_SIN = math.sin(math.pi / 4)


def fastest(p: Any) -> float:
    """m/s, either way, that an ego can reach in a world with these parameters.

    A continuous action may overshoot the limit by one substep. Target speeds are approached by v' = (1 - g) v + g T,
    which overshoots where a substep is long (g > 1) and stays within g |T| / (1 - |1 - g|).
    """
    if p.action != "DiscreteMeta":
        return MAX_SPEED + float(p.action_acceleration) / p.simulation_frequency
    gain = GAIN_SPEED / p.simulation_frequency
    target = max(map(abs, p.action_target_speeds))
    return max(MAX_SPEED, gain * target / (1 - abs(1 - gain)))


@inlined
def steer(t, i):
    """Set the slip of vehicle `i` so that it follows the centre of its target lane."""
    speed = not_zero(t[SPEED, i])
    lateral_speed = -GAIN_LATERAL * (t[Y, i] - LANE_WIDTH * t[TARGET_LANE, i])
    reference = _arcsin(lateral_speed / speed)
    heading_rate = GAIN_HEADING * wrap_to_pi(reference - t[HEADING, i])
    slip = CAR_LENGTH / 2 / speed * heading_rate
    t[SLIP_SIN, i] = min(max(slip, -MAX_SLIP_SIN), MAX_SLIP_SIN)


@kernel
def _arcsin(sine):
    """The arc sine clipped to +-pi/4; zero stays exactly zero."""
    if abs(sine) < 0.02:  # the next term of the series is below 1e-17 relative
        square = sine * sine
        return sine * (1 + square * (1 / 6 + square * (3 / 40 + square * (15 / 336 + square * (105 / 3456)))))
    return math.asin(min(max(sine, -_MAX_COMMAND_SIN), _MAX_COMMAND_SIN))


_SMALL_ANGLE = 0.5  # rad, within which the series in `settle` hold


@kernel
def advance(t, dt, lanes):
    """Move every vehicle of one row by one substep of `dt` seconds (explicit Euler), and find its closest lane."""
    for i in range(t.shape[1]):
        speed = t[SPEED, i]
        slip = 0.0 if t[CRASHED, i] != 0 else t[SLIP_SIN, i]
        acceleration = -speed if t[CRASHED, i] != 0 else t[ACCELERATION, i]
        acceleration = min(acceleration, MAX_SPEED - speed) if speed > MAX_SPEED else acceleration
        acceleration = max(acceleration, -MAX_SPEED - speed) if speed < -MAX_SPEED else acceleration
        slip_cos = math.sqrt(1 - slip * slip)
        t[X, i] += speed * (t[COS, i] * slip_cos - t[SIN, i] * slip) * dt
        t[Y, i] += speed * (t[SIN, i] * slip_cos + t[COS, i] * slip) * dt
        t[HEADING, i] += speed * slip / (CAR_LENGTH / 2) * dt
        t[SPEED, i] = speed + acceleration * dt
        t[TIMER, i] += dt
    for i in range(t.shape[1]):
        if t[PUSHED, i] != 0:
            t[X, i] += t[PUSH_X, i]
            t[Y, i] += t[PUSH_Y, i]
            t[CRASHED, i], t[PUSHED, i] = 1.0, 0.0
    settle(t, lanes)


@inlined
def slight_direction(heading):
    """Cosine and sine of a heading within `_SMALL_ANGLE`.

    Taylor, multiplied out (a division costs as much as all the rest); the terms left out are below 1e-17.
    """
    s = heading * heading
    cos = 1 - s * (1/2 - s * (1/24 - s * (1/720 - s * (1/40320 - s * (1/3628800 - s * (1/479001600
        - s * (1/87178291200)))))))  # fmt: skip
    sin = heading * (1 - s * (1/6 - s * (1/120 - s * (1/5040 - s * (1/362880 - s * (1/39916800
        - s * (1/6227020800)))))))  # fmt: skip
    return cos, sin


@inlined
def direction(heading):
    """Cosine and sine of any heading."""
    if abs(heading) <= _SMALL_ANGLE:
        return slight_direction(heading)
    return math.cos(heading), math.sin(heading)


@kernel
def settle(t, lanes):
    """Bring the cosine and sine of each heading and the closest lane of each vehicle up to date."""
    for i in range(t.shape[1]):
        heading = t[HEADING, i]
        t[COS, i], t[SIN, i] = slight_direction(heading)
        t[LANE, i] = closest_lane(t[X, i], t[Y, i], abs(heading), lanes)
    for i in range(t.shape[1]):
        if abs(t[HEADING, i]) > _SMALL_ANGLE:
            t[COS, i], t[SIN, i] = math.cos(t[HEADING, i]), math.sin(t[HEADING, i])
            t[LANE, i] = closest_lane(t[X, i], t[Y, i], abs(wrap_to_pi(t[HEADING, i])), lanes)


@kernel
def slip_of(steering):
    """Sine of the slip angle arctan(tan(steering) / 2) of a kinematic bicycle."""
    tangent = math.tan(steering) / 2
    return tangent / math.sqrt(1 + tangent * tangent)


@kernel
def speed_to_index(speed, speeds):
    """Index of the closest of evenly spaced target speeds (numpy's rounding: halves to even)."""
    last = speeds.size - 1
    place = np.rint((speed - speeds[0]) / (speeds[last] - speeds[0]) * last)
    return int(min(max(place, 0.0), float(last)))
