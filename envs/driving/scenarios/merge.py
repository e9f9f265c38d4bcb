"""Merge: keep a highway flowing while a car comes in from the access ramp.

## Description
The ego drives on the right of two lanes; a car on the ramp must merge before the ramp ends at an obstacle. Behaviour
is that of highway-env 1.12's ``merge-v1`` (with ``connected_lanes=False``, ``merge-v0``), and with `vehicles_count` and
`lanes_count` of ``merge-generic``.

## Action space
``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``.

## Observation space
``Box`` (observation_vehicles_count, 5) float32 in [-1, 1]: presence, x, y, vx, vy of the ego and of those near it.

## Rewards
``collision_reward`` x crashed + ``right_lane_reward`` x lane + ``high_speed_reward`` x speed, 0 to 1 within
`reward_speed_range`, + ``lane_change_reward`` x changing lanes + ``merging_speed_reward`` x the share of their target
speed that merging cars lack; mapped linearly so that the worst is 0 and the best 1 (a speed beyond the range leads
beyond that).

## Starting state
The ego 30 m down the road at 30 m/s; three cars around it, and one on the ramp at 20 m/s.

## Episode end
Terminated by a crash, or 90 m before the end of the road.

## Arguments
The fields of `MergeParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import (
    Scenario,
    ScenarioParams,
    draw,
    enter,
    put_object,
    worlds,
)
from foveal.envs.driving.traffic import (
    CRASHED,
    IDM,
    KIND,
    LANE,
    LINEAR,
    OBSTACLE,
    SPEED,
    TARGET_SPEED,
    X,
)
from foveal.envs.params import param
from foveal.kernels import kernel

AMPLITUDE = 3.25  # m: half of what the ramp comes nearer
TERMS = ("collision_reward", "right_lane_reward", "high_speed_reward", "lane_change_reward", "merging_speed_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeParams(ScenarioParams):
    """Parameters of the merge, named as in highway-env 1.12."""

    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=100)
    right_lane_reward: float = param(0.1, "reward on each lane right of the left one [1]", low=-100, high=100)
    high_speed_reward: float = param(0.2, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    lane_change_reward: float = param(-0.05, "reward for a lane change [1]", low=-100, high=100)
    merging_speed_reward: float = param(-0.5, "reward for the speed that merging cars lack [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (20.0, 30.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        worst, best = self.collision_reward + self.merging_speed_reward, self.high_speed_reward + self.right_lane_reward
        if not best - worst > 1e-6:
            raise ValueError(
                f"collision_reward={self.collision_reward}: with merging_speed_reward must be below "
                "high_speed_reward + right_lane_reward"
            )


def lay(p: MergeParams) -> Road:
    """Two lanes from the left, joined by a ramp that ends where the lanes go on alone."""
    road, before, converging, merging, after = Road(), 150.0, 80.0, 80.0, 150.0
    x = [0.0, before + converging, before + converging + merging, before + converging + merging + after]
    for y, left, right, beside in ((0.0, "continuous", "striped", "striped"), (4.0, "none", "continuous", "striped")):
        road.straight("a", "b", (x[0], y), (x[1], y), lines=(left, right))
        road.straight("b", "c", (x[1], y), (x[2], y), lines=(left, beside))
        road.straight("c", "d", (x[2], y), (x[3], y), lines=(left, right))
    y, walls = 8.0 + 2 * AMPLITUDE, ("continuous", "continuous")
    road.straight("j", "k", (0.0, y), (before, y), lines=walls, forbidden=True)
    road.sine(
        "k", "b", (before, y - AMPLITUDE), (x[1], y - AMPLITUDE), AMPLITUDE, math.pi / converging, math.pi / 2,
        lines=walls, forbidden=True,
    )  # fmt: skip
    road.straight("b", "c", (x[1], 8.0), (x[2], 8.0), lines=("none", "continuous"), forbidden=True)
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    left: int
    ramp: int
    merging: int
    end: float  # m
    weights: tuple[float, float, float, float, float]
    speed_range: tuple[float, float]  # m/s


def rules(p: MergeParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(
        left=road.number(("a", "b", 0)),
        ramp=road.number(("j", "k", 0)),
        merging=road.number(("b", "c", 2)),
        end=370.0,
        weights=(
            p.collision_reward, p.right_lane_reward, p.high_speed_reward, p.lane_change_reward, p.merging_speed_reward
        ),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
    )  # fmt: skip


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, three cars around it, one on the ramp, and the obstacle at the ramp's end."""
    lanes = drive.lanes
    for k in range(start, stop):
        r = rows[k]
        x, y = from_lane(lanes, rules.left + 1, 30.0, 0.0)
        drive.egos[r, 0] = enter(drive, r, drive.ego_kind, x, y, 0.0, 30.0)
        for place, speed in ((90.0, 29.0), (70.0, 31.0), (5.0, 31.5)):
            lane = rules.left + int(2 * draw(drive, r))
            x, y = from_lane(lanes, lane, place + 10 * draw(drive, r) - 5, 0.0)
            enter(drive, r, IDM, x, y, 0.0, speed + 2 * draw(drive, r) - 1)
        x, y = from_lane(lanes, rules.ramp, 110.0, 0.0)
        merging = enter(drive, r, IDM, x, y, 0.0, 20.0)
        drive.traffic[r, TARGET_SPEED, merging] = 30.0
        x, y = from_lane(lanes, rules.merging, lanes[rules.merging, ln.LENGTH], 0.0)
        put_object(drive, r, 0, OBSTACLE, x, y, 0.0, 2.0, 2.0)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    low, high = rules.speed_range
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        terms[0] = t[CRASHED, ego]
        terms[1] = drive.lanes[int(t[LANE, ego]), ln.PLACE]
        terms[2] = (t[SPEED, ego] - low) / (high - low)
        terms[3] = 1.0 if meta[r, 0] in (0, 2) else 0.0
        terms[4] = 0.0
        for i in range(drive.vehicles[r]):
            if t[LANE, i] == rules.merging and t[KIND, i] <= LINEAR and t[TARGET_SPEED, i] != 0:
                terms[4] += (t[TARGET_SPEED, i] - t[SPEED, i]) / t[TARGET_SPEED, i]
        total = 0.0
        for n in range(5):
            total += rules.weights[n] * terms[n]
        worst, best = rules.weights[0] + rules.weights[4], rules.weights[2] + rules.weights[1]
        drive.outcome.rewards[r] = (total - worst) / (best - worst)
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0 or t[X, ego] > rules.end
        drive.outcome.truncated[r] = drive.time[r] >= drive.timing.duration


Merge, MergeEnv = worlds(
    Scenario(
        name="Merge",
        params=MergeParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 5,
        objects=1,
        start=("a", "b", 1),
    ),
    __name__,
    __doc__,
)
