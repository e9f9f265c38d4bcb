"""What a driving kernel works on: the rules, the state of all rows, and what a step hands out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

REWARD_TERMS = ("collision_reward", "right_lane_reward", "high_speed_reward", "on_road_reward")


class Rules(NamedTuple):
    """The parameters as kernels read them."""

    lanes: int
    frames: int  # substeps per step
    dt: float  # s
    step_time: float  # s
    duration: float  # s
    initial_lane: int  # -1: random
    ego_spacing: float
    traffic_spacing: float
    traffic_collisions: bool
    kinematics: bool  # observe as `foveal.envs.driving.observations.straight` does
    see_behind: bool
    offroad_terminal: bool
    normalize: bool
    weights: tuple[float, float, float]  # of the first three REWARD_TERMS
    speed_range: tuple[float, float]  # m/s
    shares: tuple[float, float, float]  # of the kinds of drivers


class Outcome(NamedTuple):
    """What a step hands out, one entry a row."""

    observations: NDArray[np.float32]  # (N, S, 5), where rules.kinematics
    observed: NDArray[np.int64]  # (N, S) the vehicle in each slot
    rewards: NDArray[np.float64]  # (N,)
    terms: NDArray[np.float64]  # (N, 4) REWARD_TERMS
    able: NDArray[np.bool_]  # (N, 5) which meta-actions are not in vain
    terminated: NDArray[np.bool_]  # (N,)
    truncated: NDArray[np.bool_]  # (N,)


class Simulation(NamedTuple):
    """Everything a kernel works on, for all rows."""

    traffic: NDArray[np.float64]  # (N, K, V), see `foveal.envs.driving.traffic`
    ranks: NDArray[np.int64]  # (N, 6, V)
    nearest: NDArray[np.int64]  # (N, MAX_LANES + 2) scratch
    time: NDArray[np.float64]  # (N,) s since the episode began
    target_speeds: NDArray[np.float64]  # m/s, of the ego
    rules: Rules
    outcome: Outcome
