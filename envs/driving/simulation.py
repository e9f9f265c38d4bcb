"""The highway's simulation: its rules, the state of all rows, what a step hands out, and the kernels of a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.collisions import collide
from foveal.envs.driving.conduct import FASTER, IDLE, LANE_LEFT, LANE_RIGHT, SLOWER
from foveal.envs.driving.drivers import decide
from foveal.envs.driving.motion import advance, settle, speed_to_index
from foveal.envs.driving.observations.straight import observe_kinematics
from foveal.envs.driving.straight import LANE_WIDTH, on_lane, rank, reachable
from foveal.envs.driving.temperaments import choose_driver, set_exponent
from foveal.envs.driving.traffic import (
    CHECKS_COLLISIONS,
    COS,
    CRASHED,
    HEADING,
    LANE,
    PUSH_X,
    PUSH_Y,
    PUSHED,
    ROUTE,
    SPEED,
    SPEED_INDEX,
    TARGET_LANE,
    TARGET_SPEED,
    TIMER,
    TRACED,
    X,
    Y,
)
from foveal.kernels import kernel
from foveal.rng import uniform

SPEED_LIMIT = 30.0  # m/s
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


@kernel
def spawn_rows(start, stop, rows, seeds, episodes, sim):
    """Row kernel: place the ego, then each other vehicle ahead of all before it, and observe."""
    rules = sim.rules
    crowd = np.exp(-5 / 40 * rules.lanes)
    for k in range(start, stop):
        r = rows[k]
        t = sim.traffic[r]
        sim.time[r] = 0.0
        for i in range(t.shape[1]):
            draws = 4 * i
            lane = int(uniform(seeds[r], episodes[r], draws) * rules.lanes)
            if i == 0:
                lane = lane if rules.initial_lane < 0 else rules.initial_lane
                speed, spacing = 25.0, rules.ego_spacing
            else:
                speed = SPEED_LIMIT * (0.7 + 0.1 * uniform(seeds[r], episodes[r], draws + 1))
                spacing = rules.traffic_spacing
            offset = spacing * (12 + speed) * crowd
            x = 3 * offset if i == 0 else t[X, i - 1]
            x += offset * (0.9 + 0.2 * uniform(seeds[r], episodes[r], draws + 2))
            place(t, i, x, lane, speed)
            t[CHECKS_COLLISIONS, i] = 1.0 if i == 0 or rules.traffic_collisions else 0.0
            set_exponent(t, i, uniform(seeds[r], episodes[r], draws + 3))
            if i > 0 and rules.shares[0] < 1.0:
                choose_driver(t, i, rules.shares, seeds[r], episodes[r])
        t[TARGET_SPEED, 0] = sim.target_speeds[speed_to_index(t[SPEED, 0], sim.target_speeds)]
        settle(t, rules.lanes)
        finish(sim, r)


@kernel
def place(t, i, x, lane, speed):
    """Put vehicle `i` on the middle of a lane, driving along it, with a fresh mind."""
    t[X, i], t[Y, i], t[HEADING, i], t[SPEED, i] = x, LANE_WIDTH * lane, 0.0, speed
    t[LANE, i] = t[TARGET_LANE, i] = lane
    t[TARGET_SPEED, i] = speed
    t[TIMER, i] = ((t[X, i] + t[Y, i]) * np.pi) % 1.0
    t[CRASHED, i] = t[PUSHED, i] = 0.0
    t[PUSH_X, i] = t[PUSH_Y, i] = 0.0


@kernel
def step_rows(start, stop, active, actions, trace_slot, trace, sim):
    """Row kernel: act, simulate the substeps, reward and observe."""
    rules = sim.rules
    for r in range(start, stop):
        if not active[r]:
            continue
        t, ranks = sim.traffic[r], sim.ranks[r]
        sim.time[r] += rules.step_time
        act(t, actions[r], rules.lanes, sim.target_speeds)
        for frame in range(rules.frames):
            decide(t, ranks, sim.nearest[r], rules.lanes, SPEED_LIMIT)
            advance(t, rules.dt, rules.lanes)
            rank(t, ranks, rules.lanes)
            collide(t, ranks, rules.dt)
            if trace_slot[r] >= 0:
                keep(t, trace[trace_slot[r], frame])
        finish(sim, r)
        off_road = not on_lane(t[X, 0], t[Y, 0], t[LANE, 0])
        sim.outcome.terminated[r] = t[CRASHED, 0] != 0 or (rules.offroad_terminal and off_road)
        sim.outcome.truncated[r] = sim.time[r] >= rules.duration


@kernel
def restore_rows(start, stop, sim):
    """Row kernel: recompute what follows from the state."""
    for r in range(start, stop):
        settle(sim.traffic[r], sim.rules.lanes)
        finish(sim, r)


@kernel
def finish(sim, r):
    """Rank the vehicles of row `r`, and write its reward, its observation and what the ego may do."""
    t, lanes = sim.traffic[r], sim.rules.lanes
    rank(t, sim.ranks[r], lanes)
    reward(t, r, sim.rules, sim.outcome)
    if sim.rules.kinematics:
        observe_kinematics(t, lanes, sim.rules.see_behind, sim.outcome.observations[r], sim.outcome.observed[r])
    enable(t, lanes, sim.target_speeds, sim.outcome.able[r])
    if t.shape[0] > SPEED_INDEX:  # what reads any road expects these
        t[ROUTE] = -1.0
        t[SPEED_INDEX, 0] = speed_to_index(t[TARGET_SPEED, 0], sim.target_speeds)


@kernel
def enable(t, lanes, speeds, able):
    """Write which meta-actions (5,) of the ego are not in vain."""
    lane = t[LANE, 0]
    able[IDLE] = True
    able[LANE_LEFT] = lane > 0 and reachable(t[X, 0], t[Y, 0], lane - 1)
    able[LANE_RIGHT] = lane < lanes - 1 and reachable(t[X, 0], t[Y, 0], lane + 1)
    able[FASTER] = t[TARGET_SPEED, 0] < speeds[speeds.size - 1]
    able[SLOWER] = t[TARGET_SPEED, 0] > speeds[0]


@kernel
def act(t, action, lanes, speeds):
    """Apply a meta-action to the ego's target lane or target speed."""
    if action in (FASTER, SLOWER):
        index = speed_to_index(t[SPEED, 0], speeds) + (1 if action == FASTER else -1)
        t[TARGET_SPEED, 0] = speeds[min(max(index, 0), speeds.size - 1)]
    elif action != IDLE:
        lane = t[TARGET_LANE, 0] + (1 if action == LANE_RIGHT else -1)
        lane = min(max(lane, 0), lanes - 1)
        if reachable(t[X, 0], t[Y, 0], lane):
            t[TARGET_LANE, 0] = lane


@kernel
def reward(t, r, rules, outcome):
    """Write the reward of row `r` and its terms."""
    low, high = rules.speed_range
    pace = (t[SPEED, 0] * t[COS, 0] - low) / (high - low)
    terms = outcome.terms[r]
    terms[0] = t[CRASHED, 0]
    terms[1] = t[TARGET_LANE, 0] / max(rules.lanes - 1, 1)
    terms[2] = min(max(pace, 0.0), 1.0)
    terms[3] = 1.0 if on_lane(t[X, 0], t[Y, 0], t[LANE, 0]) else 0.0
    collision, right, fast = rules.weights
    total = collision * terms[0] + right * terms[1] + fast * terms[2]
    if rules.normalize:
        total = (total - collision) / (fast + right - collision)
    outcome.rewards[r] = total * terms[3]


@kernel
def keep(t, frame):
    """Write the TRACED features of every vehicle into one substep's record (V, T)."""
    for i in range(t.shape[1]):
        for k, feature in enumerate(TRACED):
            frame[i, k] = t[feature, i]
