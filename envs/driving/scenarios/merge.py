"""Merge: keep a highway flowing while a car comes in from the access ramp.

## Description
The ego drives on the rightmost lane; a car on the ramp must merge before the ramp ends at an obstacle. Behaviour is
that of highway-env 1.12's ``merge-v1`` (with ``connected_lanes=False``, ``merge-v0``); with `vehicles_count` set and
``speed_limit=30`` that of its ``merge-generic``.

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
The ego 30 m down the road at 30 m/s, and a car on the ramp at 20 m/s; with ``ego_start="ramp"`` the other way round:
the ego must merge, or it meets the ramp's end. Without `vehicles_count` there are three cars
around the ego; with it, so many as find room, anywhere before the end of the ramp.

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
from foveal.envs.driving.scenario import Scenario, ScenarioParams, worlds
from foveal.envs.driving.spawning import draw, enter, put_object
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
    Y,
)
from foveal.envs.params import param
from foveal.kernels import kernel

FINISH = 90.0  # m before the end of the road
SAFE_DISTANCE, TRIES = 15.0, 10  # m between cars on a lane at the start, and how often room is looked for
AMPLITUDE = 3.25  # m: half of what the ramp comes nearer
TERMS = ("collision_reward", "right_lane_reward", "high_speed_reward", "lane_change_reward", "merging_speed_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MergeParams(ScenarioParams):
    """Parameters of the merge, named as in highway-env 1.12."""

    ego_start: str = param("road", "where the ego starts; on the ramp, a car takes its place", choices=("road", "ramp"))
    lanes_count: int = param(2, "lanes beside the ramp [1]", low=1, high=16)
    vehicles_count: int | None = param(None, "cars on the lanes; None: three, near the ego [1]", low=0, high=200)
    before_merge_length: float = param(150.0, "road before the ramp comes nearer [m]", low=60, high=5000)
    converge_merge_length: float = param(80.0, "road along which it comes nearer [m]", low=10, high=5000)
    parallel_merge_length: float = param(80.0, "road along which it may be left [m]", low=10, high=5000)
    after_merge_length: float = param(150.0, "road after it has ended [m]", low=90, high=5000)
    speed_limit: float = param(20.0, "what traffic does not exceed [m/s]", low=1, high=100)
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
    """Lanes from the left, joined by a ramp that ends where they go on alone."""
    road, limit, walls = Road(), p.speed_limit, ("continuous", "continuous")
    nodes = {"a": 0.0, "b": p.before_merge_length + p.converge_merge_length}
    nodes["c"] = nodes["b"] + p.parallel_merge_length
    nodes["d"] = nodes["c"] + p.after_merge_length
    for begin, end in ("ab", "bc", "cd"):
        for place in range(p.lanes_count):
            right = "striped" if place < p.lanes_count - 1 or begin == "b" else "continuous"
            lines = ("continuous" if place == 0 else "none", right)
            start, stop = (nodes[begin], 4.0 * place), (nodes[end], 4.0 * place)
            road.straight(begin, end, start, stop, lines=lines, speed_limit=limit)
    beside = 4.0 * p.lanes_count
    apart, middle = beside + 2 * AMPLITUDE, beside + AMPLITUDE
    ramp = p.before_merge_length
    road.straight("j", "k", (0.0, apart), (ramp, apart), lines=walls, forbidden=True, speed_limit=limit)
    road.sine(
        "k", "b", (ramp, middle), (nodes["b"], middle), AMPLITUDE, math.pi / p.converge_merge_length, math.pi / 2,
        lines=walls, forbidden=True, speed_limit=limit,
    )  # fmt: skip
    start, stop = (nodes["b"], beside), (nodes["c"], beside)
    road.straight("b", "c", start, stop, lines=("none", "continuous"), forbidden=True, speed_limit=limit)
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    lanes: int
    ramp: int
    merging: int
    from_ramp: bool
    cars: int  # anywhere on the lanes; -1: three, near the ego
    room: float  # m, along which they may be
    end: float  # m
    weights: tuple[float, float, float, float, float]
    speed_range: tuple[float, float]  # m/s


def rules(p: MergeParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(
        lanes=p.lanes_count,
        ramp=road.number(("j", "k", 0)),
        merging=road.number(("b", "c", p.lanes_count)),
        from_ramp=p.ego_start == "ramp",
        cars=-1 if p.vehicles_count is None else p.vehicles_count,
        room=p.before_merge_length + p.converge_merge_length + p.parallel_merge_length,
        end=p.before_merge_length
        + p.converge_merge_length
        + p.parallel_merge_length
        + p.after_merge_length
        - FINISH,
        weights=(
            p.collision_reward, p.right_lane_reward, p.high_speed_reward, p.lane_change_reward, p.merging_speed_reward
        ),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
    )  # fmt: skip


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, the cars on its road, one on the ramp, and the obstacle at the ramp's end."""
    lanes = drive.lanes
    for k in range(start, stop):
        r = rows[k]
        x, y = from_lane(lanes, rules.lanes - 1, 30.0, 0.0)
        drive.egos[r, 0] = enter(drive, r, IDM if rules.from_ramp else drive.ego_kind, x, y, 0.0, 30.0)
        if rules.cars < 0:
            for place, speed in ((90.0, 29.0), (70.0, 31.0), (5.0, 31.5)):
                lane = int(rules.lanes * draw(drive, r))
                x, y = from_lane(lanes, lane, place + 10 * draw(drive, r) - 5, 0.0)
                enter(drive, r, IDM, x, y, 0.0, speed + 2 * draw(drive, r) - 1)
        for _ in range(rules.cars):
            find_room(drive, r, rules)
        x, y = from_lane(lanes, rules.ramp, 110.0 if rules.cars < 0 else 60.0, 0.0)
        merging = enter(drive, r, drive.ego_kind if rules.from_ramp else IDM, x, y, 0.0, 20.0)
        if rules.from_ramp:
            drive.egos[r, 0] = merging
        else:
            drive.traffic[r, TARGET_SPEED, merging] = 30.0
        x, y = from_lane(lanes, rules.merging, lanes[rules.merging, ln.LENGTH], 0.0)
        put_object(drive, r, 0, OBSTACLE, x, y, 0.0, 2.0, 2.0)


@kernel
def find_room(drive, r, rules):
    """Put a car somewhere on the lanes, apart from those that are there; or none, after so many tries."""
    t = drive.traffic[r]
    for _ in range(TRIES):
        lane = int(rules.lanes * draw(drive, r))
        x, y = from_lane(drive.lanes, lane, rules.room * draw(drive, r), 0.0)
        free = True
        for i in range(drive.vehicles[r]):
            free = free and not (t[Y, i] == y and abs(t[X, i] - x) <= SAFE_DISTANCE)
        if free:
            enter(drive, r, IDM, x, y, 0.0, 28 + 4 * draw(drive, r))
            return


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


Merge, MergeEnv = worlds(
    Scenario(
        name="Merge",
        params=MergeParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 2 + (3 if p.vehicles_count is None else p.vehicles_count),
        objects=1,
        start=("a", "b", 0),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
