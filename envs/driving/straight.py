"""The straight road of the highway: who is on which of its lanes, and who drives before and behind whom.

Beside a row's traffic ``t`` (K, V) goes ``ranks`` (6, V), its vehicles sorted by x: on a straight road that is all it
takes to find neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    CLOSING,
    GAP,
    LANE,
    NEIGHBOUR_MARGIN,
    X,
    Y,
    closing_speed,
)
from foveal.kernels import kernel

LANE_WIDTH = 4.0  # m
ROAD_LENGTH = 10_000.0  # m

ORDER, RANK, LANES, LEADER_LEFT, LEADER, LEADER_RIGHT = range(6)
"""Rows of ``ranks``: the vehicle at each place by x; of each vehicle its place, the lanes it is on (bits), and its
leaders (-1: none) on the lane to its left, on its own and on the one to its right."""
MAX_LANES = 32
FAR = 1e150  # m: a gap whose effect vanishes in rounding, and whose square does not overflow


def allocate_ranks(rows: int, vehicles: int) -> NDArray[np.int64]:
    """The ranks (rows, 6, vehicles) of vehicles in their own order."""
    ranks = np.zeros((rows, 6, vehicles), np.int64)
    ranks[:, (ORDER, RANK)] = np.arange(vehicles)
    return ranks


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
    if -CAR_LENGTH <= x < ROAD_LENGTH + CAR_LENGTH:
        reach = LANE_WIDTH / 2 + NEIGHBOUR_MARGIN
        first = max(int(np.ceil((y - reach) / LANE_WIDTH)) - 1, 0)
        for lane in range(first, min(first + 4, lanes)):
            if abs(y - LANE_WIDTH * lane) <= reach:
                bits |= np.int64(1) << np.int64(lane)
    return bits


@kernel
def reachable(x, y, lane):
    """Whether a straight lane may be steered for from (x, y)."""
    return abs(y - LANE_WIDTH * lane) <= 2 * LANE_WIDTH and 0 <= x < ROAD_LENGTH + CAR_LENGTH


@kernel
def on_lane(x, y, lane):
    """Whether (x, y) lies on the lane."""
    return abs(y - LANE_WIDTH * lane) <= LANE_WIDTH / 2 and -CAR_LENGTH <= x < ROAD_LENGTH + CAR_LENGTH


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
