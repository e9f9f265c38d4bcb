"""Collisions between oriented rectangles, and the push apart.

Source: highway-env 1.12, `vehicle/objects.py` and `utils.py`: separating axes over the edge normals of both
rectangles, now and swept by this substep's relative motion. Where they will overlap, each is pushed half the smallest
translation apart in the next substep, or all of it where the other is an obstacle; of several pushes the last pair's,
in vehicle order, holds.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving.straight import (
    ORDER,
    RANK,
)
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    CAR_WIDTH,
    CHECKS_COLLISIONS,
    COS,
    CRASHED,
    KIND,
    LANDMARK,
    LENGTH,
    OBSTACLE,
    PUSH_X,
    PUSH_Y,
    PUSHED,
    SIN,
    SPEED,
    WIDTH,
    X,
    Y,
)
from foveal.kernels import inlined, kernel

_DIAGONAL = math.sqrt(CAR_LENGTH * CAR_LENGTH + CAR_WIDTH * CAR_WIDTH)


@kernel
def collide(t, ranks, dt):
    """Mark and push the cars of one row of a straight road that collide; `ranks` must be up to date."""
    order = ranks[ORDER]
    fastest = 0.0
    for i in range(t.shape[1]):
        fastest = max(fastest, t[SPEED, i])
    reach = _DIAGONAL + fastest * dt
    met = False
    for place in range(order.size - 1):
        nearest = place + 1
        if t[X, order[nearest]] - t[X, order[place]] <= reach:
            met = True
            break
    if not met:
        return
    for i in range(t.shape[1]):
        # In vehicle order, for the sake of the last push; only partners within reach.
        low = high = ranks[RANK, i]
        while low > 0 and t[X, i] - t[X, order[low - 1]] <= reach:
            low -= 1
        while high < order.size - 1 and t[X, order[high + 1]] - t[X, i] <= reach:
            high += 1
        if high - low == 0:
            continue
        previous = np.int64(i)
        while True:
            partner = t.shape[1]
            for place in range(low, high + 1):
                if previous < order[place] < partner:
                    partner = np.int64(order[place])
            if partner == t.shape[1]:
                break
            if t[CHECKS_COLLISIONS, i] + t[CHECKS_COLLISIONS, partner] > 0:
                meet(t, i, partner, dt)
            previous = partner


@kernel
def collide_pairwise(t, count, objects, dt):
    """Mark and push those of one row's first `count` vehicles that collide with each other or with road objects."""
    for i in range(count):
        for j in range(i + 1, count):
            if t[CHECKS_COLLISIONS, i] + t[CHECKS_COLLISIONS, j] > 0:
                meet(t, i, j, dt)
        for j in range(objects, t.shape[1]):
            if t[KIND, j] != LANDMARK:
                meet(t, i, j, dt)


@kernel
def meet(t, i, j, dt):
    """Let vehicle `i` collide with `j`, a later vehicle or an obstacle, where they do."""
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    sides = t[LENGTH, i] + t[WIDTH, i] + t[LENGTH, j] + t[WIDTH, j]  # longer than both diagonals
    if max(abs(dx), abs(dy)) > sides / 2 + t[SPEED, i] * dt:
        return
    reach = (diagonal(t, i) + diagonal(t, j)) / 2 + t[SPEED, i] * dt
    if math.sqrt(dx * dx + dy * dy) > reach:
        return
    move_x = t[SPEED, i] * t[COS, i] * dt - t[SPEED, j] * t[COS, j] * dt
    move_y = t[SPEED, i] * t[SIN, i] * dt - t[SPEED, j] * t[SIN, j] * dt
    if apart(t, i, i, j, move_x, move_y) or apart(t, j, i, j, move_x, move_y):
        return
    touching, will_touch, push_x, push_y = separating_axes(t, i, j, move_x, move_y)
    if will_touch:
        share = 1.0 if t[KIND, j] == OBSTACLE else 0.5
        t[PUSH_X, i], t[PUSH_Y, i], t[PUSHED, i] = push_x * share, push_y * share, 1.0
        if share < 1:
            t[PUSH_X, j], t[PUSH_Y, j], t[PUSHED, j] = -push_x * share, -push_y * share, 1.0
    if touching:
        t[CRASHED, i] = t[CRASHED, j] = 1.0


@inlined
def diagonal(t, i):
    """Length of the diagonal of `i`, metres."""
    return math.sqrt(t[LENGTH, i] * t[LENGTH, i] + t[WIDTH, i] * t[WIDTH, i])


@kernel
def apart(t, axes, i, j, move_x, move_y):
    """Whether an edge normal of vehicle `axes` clearly separates the swept rectangles (a cheap first look)."""
    cos, sin = t[COS, axes], t[SIN, axes]
    other = j if axes == i else i
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    turn_cos = abs(t[COS, i] * t[COS, j] + t[SIN, i] * t[SIN, j])
    turn_sin = abs(t[SIN, i] * t[COS, j] - t[COS, i] * t[SIN, j])
    length, width = t[LENGTH, other] / 2, t[WIDTH, other] / 2
    along = t[LENGTH, axes] / 2 + length * turn_cos + width * turn_sin + abs(move_x * cos + move_y * sin)
    across = t[WIDTH, axes] / 2 + width * turn_cos + length * turn_sin + abs(move_y * cos - move_x * sin)
    slack = 1e-6
    return abs(dx * cos + dy * sin) > along + slack or abs(dy * cos - dx * sin) > across + slack


@kernel
def separating_axes(t, i, j, move_x, move_y):
    """Whether rectangles `i` and `j` overlap, whether they will, and the push (x, y) on `i` that parts them.

    All eight edge normals are tried in the reference's order: opposite normals give different overlaps where one
    projection contains the other, and the first smallest one wins.
    """
    corners_a, corners_b = corners(t, i), corners(t, j)
    offset_x = mean4(corners_a, 0) - mean4(corners_b, 0)
    offset_y = mean4(corners_a, 1) - mean4(corners_b, 1)
    touching = will_touch = True
    smallest, axis_x, axis_y = np.inf, 0.0, 0.0
    for side in range(2):
        shape = corners_a if side == 0 else corners_b
        for edge in range(4):
            start, end = shape[edge], shape[(edge + 1) % 4]
            normal_x, normal_y = -end[1] + start[1], end[0] - start[0]
            norm = math.sqrt(normal_x * normal_x + normal_y * normal_y)
            normal_x, normal_y = normal_x / norm, normal_y / norm
            min_a, max_a = project(corners_a, normal_x, normal_y)
            min_b, max_b = project(corners_b, normal_x, normal_y)
            if interval_distance(min_a, max_a, min_b, max_b) > 0:
                touching = False
            sweep = normal_x * move_x + normal_y * move_y
            if sweep < 0:
                min_a += sweep
            else:
                max_a += sweep
            distance = interval_distance(min_a, max_a, min_b, max_b)
            if distance > 0:
                will_touch = False
            if not touching and not will_touch:
                return False, False, 0.0, 0.0
            if abs(distance) < smallest:
                smallest = abs(distance)
                sign = 1.0 if offset_x * normal_x + offset_y * normal_y > 0 else -1.0
                axis_x, axis_y = sign * normal_x, sign * normal_y
    return touching, will_touch, smallest * axis_x, smallest * axis_y


@kernel
def corners(t, i):
    """The four corners of `i`, metres, world frame, as a tuple of (x, y)."""
    x, y, cos, sin = t[X, i], t[Y, i], t[COS, i], t[SIN, i]
    a, b = t[LENGTH, i] / 2, t[WIDTH, i] / 2
    return (
        ((cos * -a + -sin * -b) + x, (sin * -a + cos * -b) + y),
        ((cos * -a + -sin * b) + x, (sin * -a + cos * b) + y),
        ((cos * a + -sin * b) + x, (sin * a + cos * b) + y),
        ((cos * a + -sin * -b) + x, (sin * a + cos * -b) + y),
    )


@kernel
def mean4(points, axis):
    """Mean of four points along one axis."""
    return (points[0][axis] + points[1][axis] + points[2][axis] + points[3][axis]) / 4


@kernel
def project(points, axis_x, axis_y):
    """Smallest and largest projection of four points on an axis."""
    low, high = np.inf, -np.inf
    for k in range(4):
        along = points[k][0] * axis_x + points[k][1] * axis_y
        low, high = min(low, along), max(high, along)
    return low, high


@kernel
def interval_distance(min_a, max_a, min_b, max_b):
    """Gap between two intervals; negative where they overlap."""
    return min_b - max_a if min_a < min_b else min_a - max_b
