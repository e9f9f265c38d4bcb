"""The vehicles of N rows as one array of features, and the straight road they drive on.

Traffic is a float64 array (N, K, V): K features of V vehicles in each of N rows, vehicle 0 being the ego. Everything a
driver is made of lives there per vehicle; nothing is a class attribute. Kernels take one row ``t`` (K, V) and write
``t[SPEED, i]`` for the speed of vehicle ``i``; beside it goes ``ranks`` (6, V), the row's vehicles sorted by x.

World frame: x along the road, y to the right, metres; headings in radians from +x towards +y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import inlined, kernel

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
    "gap",  # m to the leader on the own lane, centre to centre; FAR without one
    "closing",  # m/s, closing speed to it along the own heading
)
(
    X, Y, HEADING, SPEED, LANE, TARGET_LANE, TARGET_SPEED, TIMER, CRASHED, PUSHED, PUSH_X, PUSH_Y, CHECKS_COLLISIONS,
    COMFORT_ACCELERATION, COMFORT_DECELERATION, JAM_DISTANCE, TIME_GAP, EXPONENT, MAX_ACCELERATION, POLITENESS,
    MIN_GAIN, MAX_IMPOSED_BRAKING, DECISION_DELAY, COS, SIN, ACCELERATION, SLIP_SIN,
    GAP, CLOSING,
) = range(len(FEATURES))  # fmt: skip

ORDER, RANK, LANES, LEADER_LEFT, LEADER, LEADER_RIGHT = range(6)
"""Rows of ``ranks``: the vehicle at each place by x; of each vehicle its place, the lanes it is on (bits), and its
leaders (-1: none) on the lane to its left, on its own and on the one to its right."""
MAX_LANES = 32
FAR = 1e150  # m: a gap whose effect vanishes in rounding, and whose square does not overflow

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
    """Zeroed traffic (rows, K, vehicles) with default drivers, and its ranks (rows, 6, vehicles)."""
    traffic = np.zeros((rows, len(FEATURES), vehicles))
    for feature, value in DRIVER_DEFAULTS.items():
        traffic[:, feature] = value
    ranks = np.zeros((rows, 6, vehicles), np.int64)
    ranks[:, (ORDER, RANK)] = np.arange(vehicles)
    return traffic, ranks


@kernel
def closest_lane(x, y, angle, lanes):
    """Index, as a float, of the straight lane closest to (x, y), metres; `angle`, rad, is the heading's to the lane.

    Distances are summed as highway-env does, so that rounding breaks ties the same way: the first of equals.
    """
    beyond = max(x - ROAD_LENGTH, 0.0) + max(-x, 0.0)
    low = min(max(np.floor(y * (1 / LANE_WIDTH)), 0.0), lanes - 1.0)
    high = min(low + 1.0, lanes - 1.0)
    to_low = abs(y - LANE_WIDTH * low) + beyond + angle
    to_high = abs(y - LANE_WIDTH * high) + beyond + angle
    return high if to_high < to_low else low


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
def rank(t, ranks, lanes):
    """Bring `ranks` up to date after vehicles have moved; equals stand in falling vehicle order, whatever was before.

    So the rearmost of equals is the last in vehicle order: the one that counts as leader to those behind.
    """
    for place in range(1, t.shape[1]):
        vehicle = ranks[ORDER, place]
        x = t[X, vehicle]
        hole = place
        while hole > 0:
            before = ranks[ORDER, hole - 1]
            if t[X, before] < x or (t[X, before] == x and before > vehicle):
                break
            ranks[ORDER, hole] = before
            hole -= 1
        ranks[ORDER, hole] = vehicle
    for place in range(t.shape[1]):
        vehicle = ranks[ORDER, place]
        ranks[RANK, vehicle] = place
        ranks[LANES, vehicle] = occupied_lanes(t[X, vehicle], t[Y, vehicle], lanes)


@kernel
def find_leaders(t, ranks, nearest):
    """Find each vehicle's leaders, gap and closing speed in one sweep from the front.

    `nearest` (MAX_LANES + 2,) is scratch: the rearmost vehicle so far on each lane, with an empty lane on either side.
    """
    nearest[:] = -1
    ahead = np.inf
    for place in range(t.shape[1] - 1, -1, -1):
        vehicle = ranks[ORDER, place]
        x, own = t[X, vehicle], np.int64(t[LANE, vehicle])
        for side in range(3):
            ranks[LEADER_LEFT + side, vehicle] = nearest[own + side]
        if x == ahead or (place > 0 and t[X, ranks[ORDER, place - 1]] == x):  # neither is behind the other
            for side in range(3):
                ranks[LEADER_LEFT + side, vehicle] = leader(t, ranks, vehicle, own + side - 1)
        front = ranks[LEADER, vehicle]
        t[GAP, vehicle] = t[X, front] - x if front >= 0 else FAR
        t[CLOSING, vehicle] = closing_speed(t, vehicle, front) if front >= 0 else 0.0
        for side in range(3):
            if ranks[LANES, vehicle] << 1 >> (own + side) & 1:
                nearest[own + side] = vehicle
        ahead = x


@inlined
def closing_speed(t, i, front):
    """Closing speed, m/s, of vehicle `i` to `front`, along the heading of `i`."""
    x = t[SPEED, i] * t[COS, i] - t[SPEED, front] * t[COS, front]
    y = t[SPEED, i] * t[SIN, i] - t[SPEED, front] * t[SIN, front]
    return x * t[COS, i] + y * t[SIN, i]


@kernel
def leader(t, ranks, vehicle, lane):
    """The nearest vehicle at or ahead of `vehicle` on `lane`, or -1; of equals the last in vehicle order."""
    if lane < 0:
        return -1
    x, bit = t[X, vehicle], np.int64(1) << np.int64(lane)
    place = ranks[RANK, vehicle]
    while place > 0 and t[X, ranks[ORDER, place - 1]] == x:
        place -= 1
    found = -1
    for beyond in range(place, t.shape[1]):
        other = ranks[ORDER, beyond]
        if found >= 0 and t[X, other] > t[X, found]:
            break
        if ranks[LANES, other] & bit and other != vehicle and other > found:
            found = other
    return found


@kernel
def follower(t, ranks, vehicle, lane):
    """The nearest vehicle behind `vehicle` on `lane`, or -1; of equals the first in vehicle order."""
    x, bit = t[X, vehicle], np.int64(1) << np.int64(lane)
    place = ranks[RANK, vehicle] - 1
    while place >= 0 and t[X, ranks[ORDER, place]] == x:
        place -= 1
    found = -1
    for beyond in range(place, -1, -1):
        other = ranks[ORDER, beyond]
        if found >= 0 and t[X, other] < t[X, found]:
            break
        if ranks[LANES, other] & bit and (found < 0 or other < found):
            found = other
    return found
