"""How a vehicle on a road network moves: as a kinematic bicycle, or as one whose tyres slip.

Forces on slipping tyres grow with the slip angles of front and rear wheels. Sources: highway-env 1.12,
`vehicle/kinematics.py`; Rajamani, "Vehicle Dynamics and Control" (2011), chapter 2, equations 2.21, 2.22 and 2.25-2.28,
with the constants, the damping below 1 m/s and the fourth-order Runge-Kutta step of highway-env's
`vehicle/dynamics.py`.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving.motion import slip_of
from foveal.envs.driving.traffic import (
    ACCELERATION,
    CAR_LENGTH,
    CAR_WIDTH,
    COS,
    CRASHED,
    HEADING,
    IDM,
    KIND,
    LATERAL_SPEED,
    LINEAR,
    MAX_SPEED,
    PUSH_X,
    PUSH_Y,
    PUSHED,
    SIN,
    SLIP_SIN,
    SLIPPING,
    SPEED,
    STEERING,
    TIMER,
    YAW_RATE,
    X,
    Y,
)
from foveal.kernels import inlined, kernel

MASS = 1.0  # kg
AXLE = CAR_LENGTH / 2  # m, from the centre of mass to either axle
INERTIA = 1 / 12 * MASS * (CAR_LENGTH**2 + CAR_WIDTH**2)  # kg m^2
FRICTION = 15.0 * MASS  # N/rad, of each tyre
MAX_YAW_RATE = 2 * math.pi  # rad/s


@inlined
def move(t, i, dt):
    """Move vehicle `i` by one substep of `dt` seconds; see `foveal.envs.driving.motion.advance`."""
    speed, kind = t[SPEED, i], t[KIND, i]
    if t[CRASHED, i] != 0:
        t[SLIP_SIN, i], t[STEERING, i], t[ACCELERATION, i] = 0.0, 0.0, -speed
    elif kind > LINEAR:
        t[SLIP_SIN, i] = slip_of(t[STEERING, i])
    if speed > MAX_SPEED:
        t[ACCELERATION, i] = min(t[ACCELERATION, i], MAX_SPEED - speed)
    elif speed < -MAX_SPEED:
        t[ACCELERATION, i] = max(t[ACCELERATION, i], -MAX_SPEED - speed)
    if kind in (IDM, LINEAR):
        t[TIMER, i] += dt
    if kind == SLIPPING:
        slide(t, i, dt)
        return
    slip = t[SLIP_SIN, i]
    slip_cos = math.sqrt(1 - slip * slip)
    t[X, i] += speed * (t[COS, i] * slip_cos - t[SIN, i] * slip) * dt
    t[Y, i] += speed * (t[SIN, i] * slip_cos + t[COS, i] * slip) * dt
    if t[PUSHED, i] != 0:
        t[X, i] += t[PUSH_X, i]
        t[Y, i] += t[PUSH_Y, i]
        t[CRASHED, i], t[PUSHED, i] = 1.0, 0.0
    t[HEADING, i] += speed * slip / (CAR_LENGTH / 2) * dt
    t[SPEED, i] = speed + t[ACCELERATION, i] * dt


@kernel
def slide(t, i, dt):
    """Move vehicle `i` by `dt` seconds under its steering and acceleration."""
    t[STEERING, i] = min(max(t[STEERING, i], -np.pi / 2), np.pi / 2)
    t[YAW_RATE, i] = min(max(t[YAW_RATE, i], -MAX_YAW_RATE), MAX_YAW_RATE)
    steering, acceleration = t[STEERING, i], t[ACCELERATION, i]
    h, v, w, q = t[HEADING, i], t[SPEED, i], t[LATERAL_SPEED, i], t[YAW_RATE, i]
    x1, y1, h1, v1, w1, q1 = derivative(h, v, w, q, steering, acceleration)
    half = dt / 2
    x2, y2, h2, v2, w2, q2 = derivative(
        h + h1 * half, v + v1 * half, w + w1 * half, q + q1 * half, steering, acceleration
    )
    x3, y3, h3, v3, w3, q3 = derivative(
        h + h2 * half, v + v2 * half, w + w2 * half, q + q2 * half, steering, acceleration
    )
    x4, y4, h4, v4, w4, q4 = derivative(h + h3 * dt, v + v3 * dt, w + w3 * dt, q + q3 * dt, steering, acceleration)
    sixth = dt / 6
    t[X, i] += sixth * (x1 + 2 * x2 + 2 * x3 + x4)
    t[Y, i] += sixth * (y1 + 2 * y2 + 2 * y3 + y4)
    t[HEADING, i] += sixth * (h1 + 2 * h2 + 2 * h3 + h4)
    t[SPEED, i] += sixth * (v1 + 2 * v2 + 2 * v3 + v4)
    t[LATERAL_SPEED, i] += sixth * (w1 + 2 * w2 + 2 * w3 + w4)
    t[YAW_RATE, i] += sixth * (q1 + 2 * q2 + 2 * q3 + q4)


@kernel
def derivative(heading, speed, lateral_speed, yaw_rate, steering, acceleration):
    """Rates of x, y, heading, speed, lateral speed and yaw rate, in SI units."""
    front = 2 * FRICTION * (steering - math.atan2(lateral_speed + AXLE * yaw_rate, speed))
    rear = 2 * FRICTION * (0.0 - math.atan2(lateral_speed - AXLE * yaw_rate, speed))
    if abs(speed) < 1:
        front = -MASS * lateral_speed - INERTIA / AXLE * yaw_rate
        rear = -MASS * lateral_speed + INERTIA / AXLE * yaw_rate
    cos, sin = math.cos(heading), math.sin(heading)
    return (
        cos * speed - sin * lateral_speed,
        sin * speed + cos * lateral_speed,
        yaw_rate,
        acceleration,
        1 / MASS * (front + rear) - yaw_rate * speed,
        1 / INERTIA * (AXLE * front - AXLE * rear),
    )
