"""The four-way crossing of Intersection and LeftTurn: its road, and the traffic that comes to it and leaves it.

Arms are numbered 0 south, 1 west, 2 north, 3 east. A lane leads from each arm's outer node ``o0`` to ``o3`` to the
junction (``ir0`` to ``ir3``), three through it, and one from there (``il0`` to ``il3``) back to the outer node. Source:
highway-env 1.12, `envs/intersection_env.py`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane, heading_at, to_lane
from foveal.envs.driving.observations.params import FEATURES
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import ScenarioParams
from foveal.envs.driving.spawning import draw, enter, leave
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    COMFORT_ACCELERATION,
    COMFORT_DECELERATION,
    EXPONENT,
    IDM,
    JAM_DISTANCE,
    LANE,
    ROUTE,
    X,
    Y,
)
from foveal.envs.params import param
from foveal.kernels import kernel

ARMS = 4
OUTER = tuple(f"o{arm}" for arm in range(ARMS))
ACCESS = 100.0  # m, length of the lanes to and from the junction
RIGHT_RADIUS, LEFT_RADIUS = 9.0, 13.0  # m, of the turns
MARGIN = 11.0  # m, from the junction's middle to where those lanes end
SPEED_LIMIT = 10.0  # m/s
ROOM = 15.0  # m: a vehicle comes only where no other is nearer than this
LEAVING = 4 * CAR_LENGTH  # m before its end a vehicle leaves the road


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossingParams(ScenarioParams):
    """What is otherwise at a crossing than on other roads: the route steers, and places are the world's."""

    action_lateral: bool = param(False, "lane, or steering, is the agent's to choose")
    action_target_speeds: tuple[float, ...] = param(
        (0.0, 4.5, 9.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    observation_features: tuple[str, ...] = param(
        ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h"),
        "features of each vehicle", choices=FEATURES, items=(1, len(FEATURES)),
    )  # fmt: skip
    observation_absolute: bool = param(True, "places and velocities as they are, not relative to the ego")
    observation_range_x: float = param(100.0, "x, either way [m]", low=0.1, high=1e6)
    observation_range_y: float = param(100.0, "y, either way; 0: the start road's width [m]", low=0, high=1e6)
    observation_range_vx: float = param(20.0, "vx, either way [m/s]", low=0.1, high=1e6)
    observation_range_vy: float = param(20.0, "vy, either way [m/s]", low=0.1, high=1e6)
    observation_vehicles_count: int = param(15, "observed vehicles, the ego included [1]", low=1, high=100)
    screen_height: int = param(600, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.5 * 1.3, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.5, 0.6), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )


class Crossing(NamedTuple):
    """The numbers of its lanes, by arm, and how many vehicles may be there beside the egos."""

    entries: tuple[int, int, int, int]
    exits: tuple[int, int, int, int]
    most: int


def lay_crossing(ends: str = "o") -> Road:
    """Lay the road, and plan the routes from each arm to each; `route` numbers them.

    The road from west to east has the right of way; left turns come after what goes on or turns right.

    Args:
        ends: Name of the nodes where lanes lead to. Where they are those where lanes begin, as in highway-env, whoever
            leaves sees those who come as ahead on connected lanes, and may turn round.
    """
    road, middle = Road(), 2.0
    for arm in range(ARMS):
        angle = np.radians(90 * arm)
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

        def place(x: float, y: float, turned=turned) -> tuple[float, float]:
            there = turned @ np.array([x, y])
            return float(there[0]), float(there[1])

        def lay(lines: tuple[str, str], behind: int = 0, arm: int = arm) -> dict:
            return {"lines": lines, "priority": (3 if arm % 2 else 1) - behind, "speed_limit": SPEED_LIMIT}

        inner, right, left, ahead = f"ir{arm}", f"il{(arm - 1) % 4}", f"il{(arm + 1) % 4}", f"il{(arm + 2) % 4}"
        far = ACCESS + MARGIN
        begin, end = place(middle, far), place(middle, MARGIN)
        road.straight(f"o{arm}", inner, begin, end, **lay(("striped", "continuous")))
        road.arc(
            inner, right, place(MARGIN, MARGIN), RIGHT_RADIUS, angle + np.radians(180), angle + np.radians(270),
            **lay(("none", "continuous")),
        )  # fmt: skip
        road.arc(
            inner, left, place(middle - LEFT_RADIUS, LEFT_RADIUS - middle), LEFT_RADIUS, angle + np.radians(0),
            angle + np.radians(-90), clockwise=False, **lay(("none", "none"), behind=1),
        )  # fmt: skip
        begin, end = place(middle, MARGIN), place(middle, -MARGIN)
        road.straight(inner, ahead, begin, end, **lay(("striped", "none")))
        begin, end = place(MARGIN, middle), place(far, middle)
        road.straight(right, f"{ends}{(arm - 1) % 4}", begin, end, **lay(("none", "continuous")))
    for turn in (1, 2, 3, 0) if ends == "o" else (1, 2, 3):
        for arm in range(ARMS):
            to = (arm + turn) % ARMS
            assert road.route((f"o{arm}", f"ir{arm}", 0), f"{ends}{to}") == route(arm, to)
    return road


@kernel
def route(begin, end):
    """Number of the route from an arm to another; to itself it leads by way of a third."""
    turn = (end - begin) % ARMS
    return begin + ARMS * (turn - 1 if turn > 0 else ARMS - 1)


def crossing(road: Road, most: int) -> Crossing:
    """The crossing on this road, for at most so many vehicles beside the egos."""
    south, west, north, east = (road.number((f"o{arm}", f"ir{arm}", 0)) for arm in range(ARMS))
    exits = [next(road.number(name) for name in road.names() if name[0] == f"il{arm}") for arm in range(ARMS)]
    return Crossing((south, west, north, east), (exits[0], exits[1], exits[2], exits[3]), most)


@kernel
def come(drive, r, crossing, begin, end, along, speed, others):
    """Let a car come from arm `begin`, `along` metres down its lane, on its way to arm `end`; returns its column.

    It does not (-1) where another is too near, or where there are `Crossing.most` already; `others` counts them.
    """
    lane = crossing.entries[begin]
    x, y = from_lane(drive.lanes, lane, along, 0.0)
    if others >= crossing.most or nearest(drive, r, x, y) < ROOM:
        return np.int64(-1)
    i = enter(drive, r, IDM, x, y, heading_at(drive.lanes, lane, along), speed)
    t = drive.traffic[r]
    t[JAM_DISTANCE, i], t[COMFORT_ACCELERATION, i], t[COMFORT_DECELERATION, i] = 7.0, 6.0, 3.0
    t[ROUTE, i] = route(begin, end)
    t[EXPONENT, i] = 3.5 + draw(drive, r)
    return np.int64(i)


@kernel
def nearest(drive, r, x, y):
    """Distance, metres, of the vehicle that is nearest to a point; inf without one."""
    t, square = drive.traffic[r], np.inf
    for i in range(drive.vehicles[r]):
        dx, dy = t[X, i] - x, t[Y, i] - y
        square = min(square, dx * dx + dy * dy)
    return math.sqrt(square)


@kernel
def on_exit(drive, r, crossing, i):
    """How far, metres, vehicle `i` is down a lane that leads away from the junction; -inf elsewhere."""
    lane = int(drive.traffic[r, LANE, i])
    for arm in range(ARMS):
        if lane == crossing.exits[arm]:
            return to_lane(drive.lanes, lane, drive.traffic[r, X, i], drive.traffic[r, Y, i])[0]
    return -np.inf


@kernel
def is_ego(drive, r, i):
    """Whether vehicle `i` is controlled."""
    for e in range(drive.egos.shape[1]):
        if drive.egos[r, e] == i:
            return True
    return False


@kernel
def clear(drive, r, crossing):
    """Take those off the road, egos excepted, who are about to leave it."""
    for i in range(drive.vehicles[r] - 1, -1, -1):
        if not is_ego(drive, r, i):
            lane = int(drive.traffic[r, LANE, i])
            if on_exit(drive, r, crossing, i) >= drive.lanes[lane, ln.LENGTH] - LEAVING:
                leave(drive, r, i)
