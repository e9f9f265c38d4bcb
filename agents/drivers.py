"""Drivers that need no training: named, vectorised rules for the multi-lane roads.

A driver is called with observations (N, S, 5) and returns actions (N,). It keeps nothing between calls, so
rows may begin and end as they like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv
from foveal.envs.driving.observations.straight import PERCEPTION_DISTANCE
from foveal.envs.driving.straight import LANE_WIDTH
from foveal.envs.driving.traffic import MAX_SPEED
from foveal.envs.params import did_you_mean

Driver = Callable[[NDArray[np.float32]], NDArray[Any]]

META_ACTIONS = ("LANE_LEFT", "IDLE", "LANE_RIGHT", "FASTER", "SLOWER")
LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = range(5)

# Intelligent Driver Model and MOBIL with highway-env 1.12's constants (vehicle/behavior.py).
COMFORT_ACCELERATION = 3.0  # m/s^2
COMFORT_DECELERATION = 5.0  # m/s^2
JAM_DISTANCE = 10.0  # m, centre to centre
TIME_HEADWAY = 1.5  # s
EXPONENT = 4.0
SAFE_DECELERATION = 2.0  # m/s^2
GAIN_THRESHOLD = 0.2  # m/s^2

LANE_MARGIN = 3.0  # m from a lane's centre within which a vehicle is on it: half the width and highway-env's 1 m


def make_driver(name: str, env: BatchEnv, *, seed: int = 0) -> Driver:
    """Make a named driver for a world.

    Args:
        name: One of `DRIVERS`.
        env: The world to drive in, with any number of rows.
        seed: Seed of the driver's own choices, where it makes any.

    Raises:
        ValueError: for an unknown name (it names the closest one), or a world with other actions.
    """
    if name not in DRIVERS:
        raise ValueError(f"unknown driver {name!r}{did_you_mean(name, list(DRIVERS))}")
    return DRIVERS[name](env, seed)


class Random:
    """Draws each action evenly from the action space."""

    def __init__(self, env: BatchEnv, seed: int) -> None:
        self.space = env.single_action_space
        self.random = np.random.default_rng(seed)

    def __call__(self, observations: Any) -> NDArray[Any]:
        """Actions for observations (N, …), or a dict of them."""
        rows = len(next(iter(observations.values())) if isinstance(observations, dict) else observations)
        if isinstance(self.space, spaces.Discrete):
            return self.space.start + self.random.integers(self.space.n, size=rows)
        assert isinstance(self.space, spaces.Box)
        return self.random.uniform(self.space.low, self.space.high, (rows, *self.space.shape)).astype(np.float32)


@dataclass(frozen=True)
class Traffic:
    """A Kinematics observation in SI units; y grows to the right and is 0 in the middle of the leftmost lane.

    Attributes:
        ego_y: (N,) m.
        ego_speed: (N,) m/s along the road.
        ego_drift: (N,) m/s to the right.
        present: (N, V) bool: which of the other vehicles' slots are filled.
        gap: (N, V) m along the road from the ego's centre to the other's, negative behind.
        y: (N, V) m.
        speed: (N, V) m/s along the road.
        drift: (N, V) m/s to the right.
    """

    ego_y: NDArray[np.float64]
    ego_speed: NDArray[np.float64]
    ego_drift: NDArray[np.float64]
    present: NDArray[np.bool_]
    gap: NDArray[np.float64]
    y: NDArray[np.float64]
    speed: NDArray[np.float64]
    drift: NDArray[np.float64]


class RoadDriver:
    """Base of the drivers that read the road; subclasses choose actions from `Traffic`."""

    def __init__(self, env: BatchEnv, seed: int) -> None:
        if env.action_names != META_ACTIONS:
            raise ValueError(f"driver {_name_of(type(self))!r} needs the actions {', '.join(META_ACTIONS)}")
        self.lanes: int = env.params.lanes_count  # type: ignore[attr-defined]
        self.speeds: tuple[float, ...] = env.params.action_target_speeds  # type: ignore[attr-defined]

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.int64]:
        """Actions (N,) for Kinematics observations (N, S, 5)."""
        return self.choose(self.read(observations))

    def choose(self, traffic: Traffic) -> NDArray[np.int64]:
        """Actions (N,) for what is seen."""
        raise NotImplementedError

    def read(self, observations: NDArray[np.float32]) -> Traffic:
        """Undo the observation's scaling, and put the other vehicles in the road's frame across."""
        units = np.array([1.0, PERCEPTION_DISTANCE, LANE_WIDTH * self.lanes, 2 * MAX_SPEED, 2 * MAX_SPEED])
        _, _, ego_y, ego_speed, ego_drift = (observations[:, 0] * units).T
        presence, gap, y, speed, drift = np.moveaxis(observations[:, 1:] * units, 2, 0)  # each (N, V)
        return Traffic(
            ego_y=ego_y,
            ego_speed=ego_speed,
            ego_drift=ego_drift,
            present=presence > 0.5,
            gap=gap,
            y=y + ego_y[:, None],
            speed=speed + ego_speed[:, None],
            drift=drift + ego_drift[:, None],
        )

    def lane_at(self, y: NDArray[np.float64]) -> NDArray[np.int64]:
        """The index (N,) of the lane at y."""
        return np.clip(np.round(y / LANE_WIDTH), 0, self.lanes - 1).astype(np.int64)


class Constant:
    """Takes the same action always; subclasses name it."""

    ACTION = ""

    def __init__(self, env: BatchEnv, seed: int) -> None:
        if self.ACTION not in env.action_names:
            raise ValueError(f"driver {_name_of(type(self))!r} needs the action {self.ACTION}")
        self.action = env.action_names.index(self.ACTION)

    def __call__(self, observations: Any) -> NDArray[np.int64]:
        """The action for every row."""
        return np.full(len(observations), self.action)


class Slowest(Constant):
    """Always brakes to its lowest speed."""

    ACTION = "SLOWER"


class Idle(Constant):
    """Keeps its lane and its speed."""

    ACTION = "IDLE"


class KeepRight(RoadDriver):
    """Drives at its lowest speed and moves one lane to the right whenever that lane is clear."""

    ROOM_AHEAD = 25.0  # m
    ROOM_BEHIND = 10.0  # m, as far back as the default observation reaches

    def choose(self, traffic: Traffic) -> NDArray[np.int64]:
        """LANE_RIGHT where there is a clear lane, SLOWER elsewhere."""
        lane = self.lane_at(traffic.ego_y)
        beside = on_lane(traffic, lane + 1) & (traffic.gap > -self.ROOM_BEHIND) & (traffic.gap < self.ROOM_AHEAD)
        clear = (lane + 1 < self.lanes) & ~beside.any(axis=1)
        return np.where(clear, LANE_RIGHT, SLOWER)


class IdmMobil(RoadDriver):
    """Follows the Intelligent Driver Model along the road and MOBIL across it, as far as meta-actions allow.

    MOBIL picks the lane: the incentive of a lane is the IDM acceleration it offers, with a bias to the right,
    and a lane is open only if neither the ego nor the new follower would have to brake harder than
    `SAFE_DECELERATION`. Where the ego stays, the IDM acceleration picks FASTER, IDLE or SLOWER.

    Followers further back than the observation reaches (10 m by default) are not reckoned with.

    Sources: Treiber, Hennecke and Helbing, "Congested traffic states in empirical observations and
    microscopic simulations", Phys. Rev. E 62 (2000), eqs. 3-4; Kesting, Treiber and Helbing, "General
    lane-changing model MOBIL for car-following models", Transp. Res. Rec. 1999 (2007), eqs. 2-3, and the bias
    of its asymmetric rules; politeness 0. The bias is the paper's; the two limits of the speed actions were
    set on training seeds of both highways, where they matter little (mean return within 0.2).
    """

    RIGHT_BIAS = 0.3  # m/s^2
    FASTER_ABOVE = 0.2  # m/s^2
    SLOWER_BELOW = -1.0  # m/s^2

    def choose(self, traffic: Traffic) -> NDArray[np.int64]:
        """A lane change where MOBIL finds one worth it, else the IDM's speed."""
        lane = self.lane_at(traffic.ego_y)
        heading_for = self.lane_at(traffic.ego_y + traffic.ego_drift)
        here = np.minimum(self.acceleration(traffic, lane), self.acceleration(traffic, heading_for))
        left = self.gain(traffic, lane - 1, here) - self.RIGHT_BIAS
        right = self.gain(traffic, lane + 1, here) + self.RIGHT_BIAS
        settled = lane == heading_for
        speed_action = np.select([here > self.FASTER_ABOVE, here < self.SLOWER_BELOW], [FASTER, SLOWER], IDLE)
        change = np.where(left > right, LANE_LEFT, LANE_RIGHT)
        return np.where(settled & (np.maximum(left, right) > GAIN_THRESHOLD), change, speed_action)

    def acceleration(self, traffic: Traffic, lane: NDArray[np.int64]) -> NDArray[np.float64]:
        """The ego's IDM acceleration (N,) behind whoever leads on a lane (N,), m/s^2."""
        gap, speed, _, _ = neighbours(traffic, lane)
        return idm(traffic.ego_speed, self.speeds[-1], gap, speed)

    def gain(self, traffic: Traffic, lane: NDArray[np.int64], here: NDArray[np.float64]) -> NDArray[np.float64]:
        """MOBIL's incentive (N,) to change to a lane (N,), m/s^2; -inf where that is impossible or unsafe."""
        there = self.acceleration(traffic, lane)
        _, _, rear_gap, rear_speed = neighbours(traffic, lane)
        follower = idm(rear_speed, rear_speed, rear_gap, traffic.ego_speed)
        safe = (follower > -SAFE_DECELERATION) & (there > -SAFE_DECELERATION)
        return np.where((lane >= 0) & (lane < self.lanes) & safe, there - here, -np.inf)


def on_lane(traffic: Traffic, lane: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which vehicles (N, V) are on a lane (N,), or will be within a second."""
    centre = LANE_WIDTH * lane[:, None]
    now, soon = traffic.y - centre, traffic.y + traffic.drift - centre
    return traffic.present & (np.minimum(np.abs(now), np.abs(soon)) <= LANE_MARGIN)


def neighbours(
    traffic: Traffic, lane: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gap (m, inf for nobody) and speed (m/s) of the leader and the follower on a lane, each (N,)."""
    on = on_lane(traffic, lane)
    found = []
    for side in (on & (traffic.gap > 0), on & (traffic.gap <= 0)):
        distance = np.where(side, np.abs(traffic.gap), np.inf)
        nearest = distance.argmin(axis=1)[:, None]
        found += [
            np.take_along_axis(distance, nearest, 1)[:, 0],
            np.take_along_axis(traffic.speed, nearest, 1)[:, 0],
        ]
    return found[0], found[1], found[2], found[3]


def idm(
    speed: NDArray[np.float64],
    desired_speed: float | NDArray[np.float64],
    gap: NDArray[np.float64],
    leader_speed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The Intelligent Driver Model's acceleration, m/s^2 (speeds in m/s, gap in m between centres)."""
    closing = speed - leader_speed
    dynamic = speed * TIME_HEADWAY + speed * closing / (2 * np.sqrt(COMFORT_ACCELERATION * COMFORT_DECELERATION))
    wanted = JAM_DISTANCE + np.maximum(dynamic, 0.0)
    free = (np.maximum(speed, 0.0) / np.maximum(desired_speed, 0.1)) ** EXPONENT
    return COMFORT_ACCELERATION * (1 - free - (wanted / np.maximum(gap, 0.1)) ** 2)


def _gap_acceptance(env: BatchEnv, seed: int) -> Driver:
    from foveal.agents.gap_acceptance import gap_acceptance

    return gap_acceptance(env, seed)


def _explorer(name: str) -> Callable[[BatchEnv, int], Driver]:
    def make(env: BatchEnv, seed: int) -> Any:
        from foveal.agents.explorers import EXPLORERS

        return EXPLORERS[name](env, seed)

    return make


EXPLORERS = (
    "bounce",
    "frontier",
    "frontier-counts",
    "frontier-model",
    "oracle",
    "random-oracle-stop",
    "bounce-oracle-stop",
    "frontier-oracle-stop",
)
"""Those of object navigation, see `foveal.agents.explorers`."""
DRIVERS: dict[str, Callable[[BatchEnv, int], Driver]] = {
    "random": Random,
    "idle": Idle,
    "slowest": Slowest,
    "keep-right": KeepRight,
    "idm-mobil": IdmMobil,
    "gap-acceptance": _gap_acceptance,
    **{name: _explorer(name) for name in EXPLORERS},
}


def _name_of(driver: type) -> str:
    return next(name for name, made in DRIVERS.items() if made is driver)
