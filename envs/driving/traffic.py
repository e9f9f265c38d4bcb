"""The vehicles of N rows as one array of features, and the straight road they drive on.

Traffic is a float64 array (N, K, V): K features of V vehicles in each of N rows, vehicle 0 being the ego. Everything a
driver is made of lives there per vehicle; nothing is a class attribute. Kernels take one row ``t`` (K, V) and write
``t[SPEED, i]`` for the speed of vehicle ``i``; beside it goes ``ranks`` (3, V), the row's vehicles sorted by x.

World frame: x along the road, y to the right, metres; headings in radians from +x towards +y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import kernel

LENGTH = 5.0  # m
WIDTH = 2.0  # m
MAX_SPEED = 40.0  # m/s, forwards and backwards
LANE_WIDTH = 4.0  # m
ROAD_LENGTH = 10_000.0  # m
NEIGHBOUR_MARGIN = 1.0  # m: a vehicle counts as on every lane whose edge it is this near to

FEATURES = (
    "x",  # m
    "y",  # m
    "heading",  # rad
    "speed",  # m/s
    "lane",  # the closest one
    "target_lane",  # the one steered for
    "target_speed",  # m/s
    "timer",  # s since the last lane-change decision
    "crashed",  # 0 or 1
    "pushed",  # 1: an impact waits to be applied
    "push_x",  # m, the impact
    "push_y",  # m
    "checks_collisions",  # 0 or 1
    # The driver: the Intelligent Driver Model and MOBIL
    "comfort_acceleration",  # m/s^2
    "comfort_deceleration",  # m/s^2, positive
    "jam_distance",  # m, centre to centre
    "time_gap",  # s
    "exponent",  # of the speed ratio
    "max_acceleration",  # m/s^2, both signs
    "politeness",  # in [0, 1]
    "min_gain",  # m/s^2 that a lane change must bring
    "max_imposed_braking",  # m/s^2, positive
    "decision_delay",  # s between lane-change decisions
    # Derived within a substep
    "cos",  # of the heading
    "sin",  # of the heading
    "acceleration",  # m/s^2
    "slip_sin",  # sine of the slip angle
)
(
    X, Y, HEADING, SPEED, LANE, TARGET_LANE, TARGET_SPEED, TIMER, CRASHED, PUSHED, PUSH_X, PUSH_Y, CHECKS_COLLISIONS,
    COMFORT_ACCELERATION, COMFORT_DECELERATION, JAM_DISTANCE, TIME_GAP, EXPONENT, MAX_ACCELERATION, POLITENESS,
    MIN_GAIN, MAX_IMPOSED_BRAKING, DECISION_DELAY, COS, SIN, ACCELERATION, SLIP_SIN,
) = range(len(FEATURES))  # fmt: skip

ORDER, RANK, LANES = range(3)
"""Rows of ``ranks``: the vehicle at each place by x, the place of each vehicle, the lanes (bits) occupied at each place."""

DRIVER_DEFAULTS = {
    COMFORT_ACCELERATION: 3.0,
    COMFORT_DECELERATION: 5.0,
    JAM_DISTANCE: 5.0 + LENGTH,
    TIME_GAP: 1.5,
    EXPONENT: 4.0,
    MAX_ACCELERATION: 6.0,
    POLITENESS: 0.0,
    MIN_GAIN: 0.2,
    MAX_IMPOSED_BRAKING: 2.0,
    DECISION_DELAY: 1.0,
}
"""IDM and MOBIL coefficients of highway-env 1.12's ``IDMVehicle``."""


def allocate(rows: int, vehicles: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Zeroed traffic (rows, K, vehicles) with default drivers, and its ranks (rows, 3, vehicles)."""
    traffic = np.zeros((rows, len(FEATURES), vehicles))
    for feature, value in DRIVER_DEFAULTS.items():
        traffic[:, feature] = value
    ranks = np.zeros((rows, 3, vehicles), np.int64)
    ranks[:, (ORDER, RANK)] = np.arange(vehicles)
    return traffic, ranks


@kernel
def closest_lane(y, x, heading, lanes):
    """Index of the straight lane closest in distance plus heading difference; the first of equals."""
    angle = abs(wrap_to_pi(heading))
    beyond = max(x - ROAD_LENGTH, 0.0) + max(-x, 0.0)
    low = min(max(int(np.floor(y / LANE_WIDTH)), 0), lanes - 1)
    high = min(low + 1, lanes - 1)
    # Summed as highway-env does, so that rounding breaks ties the same way.
    if abs(y - LANE_WIDTH * high) + beyond + angle < abs(y - LANE_WIDTH * low) + beyond + angle:
        return high
    return low


@kernel
def occupied_lanes(x, y, lanes):
    """Bit set of the lanes a vehicle at (x, y) counts as on, neighbour margin included."""
    bits = np.int64(0)
    if -LENGTH <= x < ROAD_LENGTH + LENGTH:
        reach = LANE_WIDTH / 2 + NEIGHBOUR_MARGIN
        first = max(int(np.ceil((y - reach) / LANE_WIDTH)) - 1, 0)
        for lane in range(first, min(first + 4, lanes)):
            if abs(y - LANE_WIDTH * lane) <= reach:
                bits |= np.int64(1) << np.int64(lane)
    return bits


@kernel
def reachable(x, y, lane):
    """Whether a straight lane may be steered for from (x, y)."""
    return abs(y - LANE_WIDTH * lane) <= 2 * LANE_WIDTH and 0 <= x < ROAD_LENGTH + LENGTH


@kernel
def on_lane(x, y, lane):
    """Whether (x, y) lies on the lane."""
    return abs(y - LANE_WIDTH * lane) <= LANE_WIDTH / 2 and -LENGTH <= x < ROAD_LENGTH + LENGTH


@kernel
def wrap_to_pi(angle):
    """The angle in [-pi, pi), with the rounding of ``(angle + pi) % (2 pi) - pi``."""
    shifted = angle + np.pi
    if 0.0 <= shifted < 2 * np.pi:
        return shifted - np.pi
    return shifted % (2 * np.pi) - np.pi


@kernel
def not_zero(value):
    """`value`, or 0.01 of its sign where it is smaller than that."""
    if abs(value) > 1e-2:
        return value
    return 1e-2 if value >= 0 else -1e-2


@kernel
def sort_by_x(t, ranks, lanes):
    """Bring `ranks` up to date; nearly sorted input is the usual case."""
    for place in range(1, t.shape[1]):
        vehicle = ranks[ORDER, place]
        x = t[X, vehicle]
        hole = place
        while hole > 0 and t[X, ranks[ORDER, hole - 1]] > x:
            ranks[ORDER, hole] = ranks[ORDER, hole - 1]
            hole -= 1
        ranks[ORDER, hole] = vehicle
    for place in range(t.shape[1]):
        vehicle = ranks[ORDER, place]
        ranks[RANK, vehicle] = place
        ranks[LANES, place] = occupied_lanes(t[X, vehicle], t[Y, vehicle], lanes)


@kernel
def leader(t, ranks, vehicle, lane):
    """The nearest vehicle at or ahead of `vehicle` on `lane`, or -1; of equals the last in vehicle order."""
    x, bit = t[X, vehicle], np.int64(1) << np.int64(lane)
    place = ranks[RANK, vehicle]
    while place > 0 and t[X, ranks[ORDER, place - 1]] == x:
        place -= 1
    found = -1
    while place < t.shape[1]:
        if ranks[LANES, place] & bit:
            other = ranks[ORDER, place]
            if found >= 0 and t[X, other] > t[X, found]:
                break
            if other != vehicle and other > found:
                found = other
        place += 1
    return found


@kernel
def follower(t, ranks, vehicle, lane):
    """The nearest vehicle behind `vehicle` on `lane`, or -1; of equals the first in vehicle order."""
    x, bit = t[X, vehicle], np.int64(1) << np.int64(lane)
    place = ranks[RANK, vehicle] - 1
    while place >= 0 and t[X, ranks[ORDER, place]] == x:
        place -= 1
    found = -1
    while place >= 0:
        if ranks[LANES, place] & bit:
            other = ranks[ORDER, place]
            if found >= 0 and t[X, other] < t[X, found]:
                break
            if found < 0 or other < found:
                found = other
        place -= 1
    return found
