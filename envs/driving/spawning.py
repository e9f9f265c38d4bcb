"""Vehicles and obstacles onto the road, and off it: what a scenario's `spawn` is written with.

Random numbers come from each row's own stream, so that a seed fixes an episode whatever stands beside it.
"""

from __future__ import annotations

import numpy as np

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.lanes import from_lane, heading_at
from foveal.envs.driving.motion import speed_to_index
from foveal.envs.driving.navigation import settle
from foveal.envs.driving.temperaments import DRAWN, make_driver, pick, set_exponent, set_gain
from foveal.kernels import kernel
from foveal.rng import normal, uniform

_DEFAULT_FEATURES = np.array(list(tr.DRIVER_DEFAULTS))
_DEFAULT_VALUES = np.array(list(tr.DRIVER_DEFAULTS.values()))


@kernel
def clear_rows(start, stop, rows, drive):
    """Row kernel: take everything off the road."""
    for k in range(start, stop):
        r = rows[k]
        drive.traffic[r] = 0.0
        drive.along[r] = np.nan
        drive.vehicles[r] = drive.clock[r] = drive.draws[r] = 0
        drive.time[r] = 0.0


@kernel
def settle_rows(start, stop, rows, drive):
    """Row kernel: bring up to date what follows from the vehicles' places."""
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        for i in range(t.shape[1]):
            if i < drive.vehicles[r] or i >= drive.objects:
                settle(t, drive.along[r], drive.lanes, drive.graph, i)


@kernel
def draw(drive, r):
    """The next random number of row `r`'s episode, in [0, 1)."""
    drive.draws[r] += 1
    return uniform(drive.seed[r], drive.episode[r], drive.draws[r] - 1)


@kernel
def draw_normal(drive, r):
    """The next random number of row `r`'s episode with mean 0 and standard deviation 1; see `foveal.rng.normal`."""
    drive.draws[r] += 2
    return normal(drive.seed[r], drive.episode[r], drive.draws[r] - 2)


@kernel
def enter(drive, r, kind, x, y, heading, speed):
    """Put a vehicle on row `r`'s road, steering for the closest lane at its own speed; returns its column.

    Of what kind an ``IDM`` vehicle really is, the parameter `traffic` decides.
    """
    t, i = drive.traffic[r], drive.vehicles[r]
    drive.vehicles[r] += 1
    t[:, i] = 0.0
    for k in range(_DEFAULT_FEATURES.size):
        t[_DEFAULT_FEATURES[k], i] = _DEFAULT_VALUES[k]
    t[tr.X, i], t[tr.Y, i], t[tr.HEADING, i], t[tr.SPEED, i] = x, y, heading, speed
    t[tr.KIND, i], t[tr.LENGTH, i], t[tr.WIDTH, i] = kind, tr.CAR_LENGTH, tr.CAR_WIDTH
    t[tr.CHECKS_COLLISIONS, i] = t[tr.CHANGES_LANES, i] = 1.0
    t[tr.ROUTE, i] = -1.0
    t[tr.TIMER, i] = ((x + y) * np.pi) % 1.0
    settle(t, drive.along[r], drive.lanes, drive.graph, i)
    t[tr.TARGET_LANE, i] = t[tr.LANE, i]
    if kind <= tr.LINEAR:
        t[tr.TARGET_SPEED, i] = speed
    if kind == tr.IDM and drive.shares[0] < 1.0:
        make_driver(t, i, pick(drive.shares, draw(drive, r)))
    if kind == tr.EGO:
        chosen = speed_to_index(speed, drive.speeds)
        t[tr.SPEED_INDEX, i], t[tr.TARGET_SPEED, i] = chosen, drive.speeds[chosen]
    return i


@kernel
def randomize_behaviour(drive, r, i):
    """Draw the coefficients of vehicle `i`'s driver, as highway-env's ``randomize_behavior`` does."""
    t = drive.traffic[r]
    if t[tr.KIND, i] == tr.LINEAR:
        for k in range(DRAWN):
            set_gain(t, i, k, draw(drive, r))
    set_exponent(t, i, draw(drive, r))


@kernel
def enter_on_lane(drive, r, kind, lane, along, speed):
    """Put a vehicle on the middle of a lane, `along` metres from its start, along its heading; returns its column."""
    x, y = from_lane(drive.lanes, lane, along, 0.0)
    return enter(drive, r, kind, x, y, heading_at(drive.lanes, lane, along), speed)


@kernel
def leave(drive, r, i):
    """Take the vehicle in column `i` off row `r`'s road; those behind it in list order move up by one column."""
    t, along, count = drive.traffic[r], drive.along[r], drive.vehicles[r]
    drive.vehicles[r] = count - 1
    for k in range(t.shape[0]):
        for j in range(i + 1, count):
            t[k, j - 1] = t[k, j]
        t[k, count - 1] = 0.0
    for j in range(i + 1, count):
        for lane in range(along.shape[1]):
            along[j - 1, lane] = along[j, lane]
    along[count - 1] = np.nan
    for e in range(drive.egos.shape[1]):
        if drive.egos[r, e] > i:
            drive.egos[r, e] -= 1
        slots = drive.observed[r, e]
        for s in range(slots.size):
            if slots[s] >= i:
                slots[s] = slots[s] - 1 if slots[s] > i else -1


@kernel
def put_object(drive, r, place, kind, x, y, heading, length, width):
    """Put road object number `place`, an obstacle or a landmark, on row `r`'s road; returns its column."""
    t, i = drive.traffic[r], drive.objects + place
    t[:, i] = 0.0
    t[tr.X, i], t[tr.Y, i], t[tr.HEADING, i] = x, y, heading
    t[tr.KIND, i], t[tr.LENGTH, i], t[tr.WIDTH, i] = kind, length, width
    t[tr.CHECKS_COLLISIONS, i] = 1.0
    settle(t, drive.along[r], drive.lanes, drive.graph, i)
    return i
