"""What the ego of a highway sees by default: the Kinematics observation on a straight road, in fewer operations.

Source: highway-env 1.12, `envs/common/observation.py` (``KinematicObservation``).
"""

from __future__ import annotations

import math

import numpy as np
from gymnasium import spaces

from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.straight import LANE_WIDTH
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    COS,
    MAX_SPEED,
    SIN,
    SPEED,
    X,
    Y,
)
from foveal.kernels import kernel

PERCEPTION_DISTANCE = 5.0 * MAX_SPEED  # m
FEATURES = ("presence", "x", "y", "vx", "vy")


def is_straight(p: ObservationParams) -> bool:
    """Whether these parameters ask for what `observe_kinematics` writes."""
    ranges = (p.observation_range_x, p.observation_range_y, p.observation_range_vx, p.observation_range_vy)
    return (
        (p.observation, p.observation_features, p.observation_order) == ("Kinematics", FEATURES, "sorted")
        and (p.observation_absolute, p.observation_normalize, p.observation_clip) == (False, True, True)
        and ranges == (PERCEPTION_DISTANCE, 0.0, 2 * MAX_SPEED, 2 * MAX_SPEED)
    )


def kinematics_space(vehicles: int) -> spaces.Box:
    """Box (S, 5) of `FEATURES`, normalised: presence in [0, 1], the others in [-1, 1]."""
    low = np.tile(np.array([0, -1, -1, -1, -1], np.float32), (vehicles, 1))
    return spaces.Box(low, np.ones_like(low), dtype=np.float32)


@kernel
def observe_kinematics(t, lanes, see_behind, observation, observed):
    """Write one row's observation (S, 5) and the vehicle in each of its slots (S,), -1 where empty.

    Slot 0 is the ego, absolute; the others are the nearest vehicles along the road, relative to it. Positions are
    scaled by 200 m along and by the road's width across, speeds by 80 m/s, and clipped.
    """
    choose_observed(t, see_behind, observed)
    scale_y, scale_v = LANE_WIDTH * lanes, 2 * MAX_SPEED
    for slot in range(observed.size):
        vehicle = observed[slot]
        if vehicle < 0:
            observation[slot] = 0
            continue
        x, y = t[X, vehicle], t[Y, vehicle]
        vx, vy = t[SPEED, vehicle] * t[COS, vehicle], t[SPEED, vehicle] * t[SIN, vehicle]
        if slot > 0:
            x, y = x - t[X, 0], y - t[Y, 0]
            vx, vy = vx - t[SPEED, 0] * t[COS, 0], vy - t[SPEED, 0] * t[SIN, 0]
        observation[slot, 0] = 1
        observation[slot, 1] = normalised(x, PERCEPTION_DISTANCE)
        observation[slot, 2] = normalised(y, scale_y)
        observation[slot, 3] = normalised(vx, scale_v)
        observation[slot, 4] = normalised(vy, scale_v)


@kernel
def choose_observed(t, see_behind, observed):
    """Fill the slots (S,): the ego, then the nearest perceived vehicles along the road, earlier ones first on ties."""
    observed[0] = 0
    last_distance, last = -1.0, np.int64(0)
    for slot in range(1, observed.size):
        nearest, chosen = np.inf, np.int64(-1)
        for vehicle in range(1, t.shape[1]):
            dx, dy = t[X, vehicle] - t[X, 0], t[Y, vehicle] - t[Y, 0]
            distance = abs(dx)
            taken = distance < last_distance or (distance == last_distance and vehicle <= last)
            if taken or distance >= nearest or not (see_behind or dx > -2 * CAR_LENGTH):
                continue
            if math.sqrt(dx * dx + dy * dy) < PERCEPTION_DISTANCE:
                nearest, chosen = distance, np.int64(vehicle)
        observed[slot] = chosen
        if chosen < 0:
            observed[slot:] = -1
            return
        last_distance, last = nearest, chosen


@kernel
def normalised(value, scale):
    """`value` mapped from [-scale, scale] to [-1, 1] and clipped."""
    mapped = -1 + (value + scale) * 2 / (scale + scale)
    return min(max(mapped, -1.0), 1.0)
