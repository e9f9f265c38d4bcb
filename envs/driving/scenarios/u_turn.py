"""UTurn: pass slow cars on a road that turns back.

## Description
The ego drives on two lanes along 128 m, through a half circle to the left, and 128 m back; six slower cars block now
one lane, now the other. Behaviour is that of highway-env 1.12's ``u-turn-v1`` (with ``connected_lanes=False``,
``u-turn-v0``).

## Action space
``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``.

## Observation space
``Box`` (3, 3, T) float32 in [0, 1]: what it costs to be at each of three speeds on each of three lanes, T steps of
`observation_horizon` seconds ahead; see `foveal.envs.driving.observations.time_to_collision`.

## Rewards
``collision_reward`` x crashed + ``left_lane_reward`` x lane, 0 on the left and 1 on the right (the name is
highway-env's) + ``high_speed_reward`` x speed, 0 to 1 within `reward_speed_range`; with `normalize_reward` mapped
linearly so that a crash is 0 and the best 1. Off the road it is 0.

## Starting state
The ego at the start of the left lane at 16 m/s; two cars before it, two in the bend and two behind that, each within
some metres of its place and some m/s of its speed (normal, deviation 2).

## Episode end
Terminated by a crash; truncated after `duration` seconds.

## Arguments
The fields of `UTurnParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane
from foveal.envs.driving.navigation import on_road
from foveal.envs.driving.observations.params import OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import MOST, Scenario, ScenarioParams, worlds
from foveal.envs.driving.spawning import draw, draw_normal, enter, enter_on_lane
from foveal.envs.driving.traffic import CRASHED, EGO, EXPONENT, IDM, LANE, ROUTE, SPEED
from foveal.envs.params import param
from foveal.kernels import kernel

LENGTH = 128.0  # m
RADIUS = 20.0  # m, of the inner lane
TERMS = ("collision_reward", "left_lane_reward", "high_speed_reward", "on_road_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UTurnParams(ScenarioParams):
    """Parameters of the U-turn, named as in highway-env 1.12."""

    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=100)
    left_lane_reward: float = param(0.1, "reward on the right lane, 0 on the left [1]", low=-100, high=100)
    high_speed_reward: float = param(0.4, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (8.0, 24.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )
    normalize_reward: bool = param(True, "map the reward to [0, 1]")
    duration: float = param(10.0, "time limit [s]", low=0.01, high=MOST)
    action_target_speeds: tuple[float, ...] = param(
        (8.0, 16.0, 24.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    observation: str = param("TimeToCollision", "kind of observation", choices=OBSERVATIONS)
    observation_horizon: int = param(16, "how far times to collision look ahead [s]", low=1, high=100)
    screen_width: int = param(789, "frame width [px]", low=16, high=4096)
    screen_height: int = param(289, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.0, "frame scale [px/m]", low=0.1, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize_reward and not self.high_speed_reward + self.left_lane_reward - self.collision_reward > 1e-6:
            raise ValueError(
                f"collision_reward={self.collision_reward}: must be below high_speed_reward + left_lane_reward "
                "where normalize_reward"
            )


def lay(_: UTurnParams) -> Road:
    """Two lanes to the right below, a half circle, and two lanes back above."""
    road, below = Road(), 2 * RADIUS + 4.0
    left, right = ("continuous", "striped"), ("none", "continuous")
    road.straight("c", "d", (LENGTH, 4.0), (0.0, 4.0), lines=left)
    road.straight("c", "d", (LENGTH, 0.0), (0.0, 0.0), lines=right)
    for radius, lines in ((RADIUS, left), (RADIUS + 4, right)):
        road.arc(
            "b", "c", (LENGTH, RADIUS + 4), radius, math.pi / 2, -math.pi / 2, clockwise=False, lines=lines
        )  # fmt: skip
    road.straight("a", "b", (0.0, below), (LENGTH, below), lines=left)
    road.straight("a", "b", (0.0, below + 4), (LENGTH, below + 4), lines=right)
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    before: int  # the left one of the lanes before the bend
    bend: int
    after: int
    routes: NDArray[np.int64]  # (L,) from each lane to the road's end
    weights: tuple[float, float, float]
    speed_range: tuple[float, float]  # m/s
    normalize: bool


def rules(p: UTurnParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(
        before=road.number(("a", "b", 0)),
        bend=road.number(("b", "c", 0)),
        after=road.number(("c", "d", 0)),
        routes=road.routes_to("d"),
        weights=(p.collision_reward, p.left_lane_reward, p.high_speed_reward),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
        normalize=p.normalize_reward,
    )


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego and six cars, each about its place, of which the first has an exponent of its own."""
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        x, y = from_lane(drive.lanes, rules.before, 0.0, 0.0)
        ego = drive.egos[r, 0] = enter(drive, r, drive.ego_kind, x, y, 0.0, 16.0)
        if drive.ego_kind == EGO:
            t[ROUTE, ego] = rules.routes[int(t[LANE, ego])]
        for lane, place, speed in (
            (rules.before, 25.0, 13.5),
            (rules.before + 1, 56.0, 14.5),
            (rules.bend + 1, 0.5, 4.5),
            (rules.bend, 17.5, 5.5),
            (rules.after, 1.0, 3.5),
            (rules.after + 1, 30.0, 5.5),
        ):
            place += 2.0 * draw_normal(drive, r)
            i = enter_on_lane(drive, r, IDM, lane, place, speed + 2.0 * draw_normal(drive, r))
            t[ROUTE, i] = rules.routes[int(t[LANE, i])]
        t[EXPONENT, ego + 1] = 3.5 + draw(drive, r)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    (low, high), weights = rules.speed_range, rules.weights
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        lane = int(t[LANE, ego])
        terms[0] = t[CRASHED, ego]
        terms[1] = drive.lanes[lane, ln.PLACE] / max(drive.lanes[lane, ln.SIBLINGS] - 1, 1.0)
        terms[2] = min(max((t[SPEED, ego] - low) / (high - low), 0.0), 1.0)
        terms[3] = 1.0 if on_road(t, drive.lanes, ego) else 0.0
        total = weights[0] * terms[0] + weights[1] * terms[1] + weights[2] * terms[2]
        if rules.normalize:
            total = (total - weights[0]) / (weights[2] + weights[1] - weights[0])
        drive.outcome.rewards[r] = total * terms[3]
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0


UTurn, UTurnEnv = worlds(
    Scenario(
        name="UTurn",
        params=UTurnParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 7,
        start=("a", "b", 0),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
