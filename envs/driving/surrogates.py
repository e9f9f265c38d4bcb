"""Surrogate safety measures of two vehicles: how near in time and space they are to a crash.

Times of never are `NEVER` and distances of nobody `FAR`, so that all is finite and less means nearer to a crash;
decelerations end at `MAX_DRAC`.

Sources: time to collision, Hayward, "Near-miss determination through use of a scale of danger" (HRR 384, 1972);
time headway, front to front, as defined in Vogel, "A comparison of headway and time to collision as safety
indicators" (Accident Analysis & Prevention 35, 2003); deceleration rate to avoid a crash (DRAC), the constant one at
which a follower just does not reach its leader, from v^2 = 2 a s; times to a conflict point with constant
acceleration and a speed cap, and their difference, as in the public code of Actor-Reasoner (arXiv 2503.00502).
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving.traffic import COS, LENGTH, SIN, SPEED, WIDTH, X, Y
from foveal.kernels import kernel

NEVER = 1000.0  # s
FAR = 1000.0  # m
MAX_DRAC = 100.0  # m/s^2
STANDING = 1e-3  # m/s


@kernel
def time_to_collision(gap, closing):
    """Seconds until a gap, m, closes at a closing speed, m/s: gap / closing; 0 where there is no gap."""
    if gap <= 0:
        return 0.0
    return min(gap / closing, NEVER) if closing > 0 else NEVER


@kernel
def time_headway(distance, speed):
    """Seconds from a leader's front to its follower's, `distance` metres apart, at the follower's speed, m/s."""
    return min(max(distance, 0.0) / speed, NEVER) if speed > STANDING else NEVER


@kernel
def deceleration_to_avoid(gap, closing):
    """The constant deceleration, m/s^2, by which a closing speed vanishes within a gap: closing^2 / (2 gap)."""
    if closing <= 0:
        return 0.0
    return min(closing * closing / (2 * gap), MAX_DRAC) if gap > 0 else MAX_DRAC


@kernel
def time_to_point(distance, speed, acceleration, cap):
    """Seconds to a point `distance` metres ahead, at constant acceleration up to a speed cap.

    Braking to a stop before it, and standing still: `NEVER`. A vehicle beyond the cap does not get faster.
    """
    if distance <= 0:
        return 0.0
    if speed <= STANDING:
        return NEVER
    time = distance / speed
    if acceleration > 0 and speed < cap:
        reaching = (cap - speed) / acceleration  # s until the cap
        run = speed * reaching + acceleration * reaching * reaching / 2
        if run < distance:
            time = reaching + (distance - run) / cap
        else:
            time = 2 * distance / (speed + math.sqrt(speed * speed + 2 * acceleration * distance))
    elif acceleration < 0:
        rest = speed * speed + 2 * acceleration * distance
        if rest < 0:
            return NEVER
        time = 2 * distance / (speed + math.sqrt(rest))
    return min(time, NEVER)


@kernel
def rectangles_meet(t, i, j):
    """Seconds until the rectangles `i` and `j` touch, each at its present velocity and heading; 0 where they do.

    Exact: two convex shapes overlap while their projections on all edge normals do (separating axes), and at constant
    velocities each pair of projections overlaps for one interval of time.
    """
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    vx = t[SPEED, j] * t[COS, j] - t[SPEED, i] * t[COS, i]
    vy = t[SPEED, j] * t[SIN, j] - t[SPEED, i] * t[SIN, i]
    enter, leave = 0.0, np.inf
    for axis in range(4):
        vehicle, other = (i, j) if axis < 2 else (j, i)
        cos, sin = t[COS, vehicle], t[SIN, vehicle]
        if axis % 2 == 1:
            cos, sin = -sin, cos
        reach = t[LENGTH if axis % 2 == 0 else WIDTH, vehicle] / 2
        reach += t[LENGTH, other] / 2 * abs(t[COS, other] * cos + t[SIN, other] * sin)
        reach += t[WIDTH, other] / 2 * abs(t[COS, other] * sin - t[SIN, other] * cos)
        away, rate = dx * cos + dy * sin, vx * cos + vy * sin
        if abs(rate) < 1e-12:
            if abs(away) > reach:
                return NEVER
            continue
        first, second = (-reach - away) / rate, (reach - away) / rate
        enter, leave = max(enter, min(first, second)), min(leave, max(first, second))
    return min(enter, NEVER) if enter <= leave else NEVER


@kernel
def rectangle_distance(t, i, j):
    """Metres between the rectangles `i` and `j`; 0 where they overlap.

    Apart, the nearest two points are a corner of one and a point of the other.
    """
    if overlap(t, i, j):
        return 0.0
    return min(corner_distance(t, i, j), corner_distance(t, j, i))


@kernel
def overlap(t, i, j):
    """Whether the rectangles `i` and `j` overlap (separating axes)."""
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    turn_cos = abs(t[COS, i] * t[COS, j] + t[SIN, i] * t[SIN, j])
    turn_sin = abs(t[SIN, i] * t[COS, j] - t[COS, i] * t[SIN, j])
    for k in range(2):
        vehicle, other = (i, j) if k == 0 else (j, i)
        cos, sin = t[COS, vehicle], t[SIN, vehicle]
        along = (t[LENGTH, vehicle] + t[LENGTH, other] * turn_cos + t[WIDTH, other] * turn_sin) / 2
        across = (t[WIDTH, vehicle] + t[LENGTH, other] * turn_sin + t[WIDTH, other] * turn_cos) / 2
        if abs(dx * cos + dy * sin) > along or abs(dy * cos - dx * sin) > across:
            return False
    return True


@kernel
def corner_distance(t, i, j):
    """Metres from the corners of rectangle `i` to rectangle `j`, the least of four."""
    nearest = np.inf
    cos, sin = t[COS, j], t[SIN, j]
    for corner in range(4):
        long = t[LENGTH, i] / 2 if corner < 2 else -t[LENGTH, i] / 2
        wide = t[WIDTH, i] / 2 if corner % 2 == 0 else -t[WIDTH, i] / 2
        dx = t[X, i] + long * t[COS, i] - wide * t[SIN, i] - t[X, j]
        dy = t[Y, i] + long * t[SIN, i] + wide * t[COS, i] - t[Y, j]
        beyond = max(abs(dx * cos + dy * sin) - t[LENGTH, j] / 2, 0.0)
        beside = max(abs(dy * cos - dx * sin) - t[WIDTH, j] / 2, 0.0)
        nearest = min(nearest, beyond * beyond + beside * beside)
    return math.sqrt(nearest)
