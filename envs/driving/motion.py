"""How a vehicle moves: the kinematic bicycle and the cascaded steering controller.

Source: highway-env 1.12, `vehicle/kinematics.py` and `vehicle/controller.py`; the bicycle model follows Polack et al.,
"The kinematic bicycle model" (IV 2017).

The controller asks for a slip angle beta by the steering angle delta = arctan(2 tan(beta)), and the bicycle answers
with the slip angle arctan(tan(delta) / 2), which is beta again unless delta was clipped. So the sine of beta is carried
from one to the other, and the clip on delta becomes a clip on it: no trigonometry is needed for either.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving.traffic import (
    ACCELERATION,
    COS,
    CRASHED,
    HEADING,
    LANE,
    LANE_WIDTH,
    LENGTH,
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
    closest_lane,
    not_zero,
    wrap_to_pi,
)
from foveal.kernels import kernel

GAIN_LATERAL = 1 / 0.6  # 1/s
GAIN_HEADING = 1 / 0.2  # 1/s
GAIN_SPEED = 1 / 0.6  # 1/s
MAX_STEERING = math.pi / 3  # rad
MAX_SLIP_SIN = math.sin(math.atan(math.tan(MAX_STEERING) / 2))
_MAX_COMMAND_SIN = math.sin(math.pi / 4)


@kernel
def steer(t, i):
    """Set the slip of vehicle `i` so that it follows the centre of its target lane."""
    speed = not_zero(t[SPEED, i])
    lateral_speed = -GAIN_LATERAL * (t[Y, i] - LANE_WIDTH * t[TARGET_LANE, i])
    reference = _arcsin(lateral_speed / speed)
    heading_rate = GAIN_HEADING * wrap_to_pi(reference - t[HEADING, i])
    slip = LENGTH / 2 / speed * heading_rate
    t[SLIP_SIN, i] = min(max(slip, -MAX_SLIP_SIN), MAX_SLIP_SIN)


@kernel
def _arcsin(sine):
    """The arc sine clipped to +-pi/4; zero stays exactly zero."""
    if abs(sine) < 0.02:  # the next term of the series is below 1e-17 relative
        square = sine * sine
        return sine * (1 + square * (1 / 6 + square * (3 / 40 + square * (15 / 336 + square * (105 / 3456)))))
    return math.asin(min(max(sine, -_MAX_COMMAND_SIN), _MAX_COMMAND_SIN))


@kernel
def advance(t, dt, lanes):
    """Move every vehicle of one row by one substep of `dt` seconds (explicit Euler), and find its closest lane."""
    for i in range(t.shape[1]):
        speed, slip, acceleration = t[SPEED, i], t[SLIP_SIN, i], t[ACCELERATION, i]
        if t[CRASHED, i] != 0:
            slip, acceleration = 0.0, -speed
        if speed > MAX_SPEED:
            acceleration = min(acceleration, MAX_SPEED - speed)
        elif speed < -MAX_SPEED:
            acceleration = max(acceleration, -MAX_SPEED - speed)
        slip_cos = math.sqrt(1 - slip * slip)
        t[X, i] += speed * (t[COS, i] * slip_cos - t[SIN, i] * slip) * dt
        t[Y, i] += speed * (t[SIN, i] * slip_cos + t[COS, i] * slip) * dt
        if t[PUSHED, i] != 0:
            t[X, i] += t[PUSH_X, i]
            t[Y, i] += t[PUSH_Y, i]
            t[CRASHED, i], t[PUSHED, i] = 1.0, 0.0
        if slip != 0.0:
            t[HEADING, i] += speed * slip / (LENGTH / 2) * dt
            point(t, i)
        t[SPEED, i] = speed + acceleration * dt
        t[TIMER, i] += dt
        t[LANE, i] = closest_lane(t[Y, i], t[X, i], t[HEADING, i], lanes)


@kernel
def point(t, i):
    """Bring the stored cosine and sine of vehicle `i` in line with its heading."""
    heading = t[HEADING, i]
    square = heading * heading
    if square < 0.01:  # Taylor: the terms left out are below 1e-17
        t[COS, i] = 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90))))
        t[SIN, i] = heading * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))))
    else:
        t[COS, i], t[SIN, i] = math.cos(heading), math.sin(heading)


@kernel
def speed_to_index(speed, speeds):
    """Index of the closest of evenly spaced target speeds (numpy's rounding: halves to even)."""
    last = speeds.size - 1
    place = np.rint((speed - speeds[0]) / (speeds[last] - speeds[0]) * last)
    return int(min(max(place, 0.0), float(last)))
