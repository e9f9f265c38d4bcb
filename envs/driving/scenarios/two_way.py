"""TwoWay: overtake on a road where others come the other way.

## Description
The ego drives on the right lane of a straight road of 800 m, behind slower cars; the left lane is free to overtake
on, but other cars come along it towards the ego. Traffic does not change lanes. Behaviour is that of highway-env
1.12's ``two-way-v0``.

## Action space
``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``.

## Observation space
``Box`` (3, 3, T) float32 in [0, 1]: what it costs to be at each of three speeds on each of three lanes, T steps of
`observation_horizon` seconds ahead; see `foveal.envs.driving.observations.time_to_collision`.

## Rewards
``high_speed_reward`` x the target speed's place among `action_target_speeds`, 0 to 1, + ``left_lane_reward`` where the
left lane is steered for. A crash costs nothing but what would have come.

## Starting state
The ego 30 m down the right lane at 30 m/s; three cars before it, about 40 m apart and at about 24 m/s; two on the
left lane, some 470 and 570 m further, that come at about 20 m/s.

## Episode end
Terminated by a crash; truncated after `duration` seconds.

## Arguments
The fields of `TwoWayParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane
from foveal.envs.driving.motion import speed_to_index
from foveal.envs.driving.observations.params import OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import MOST, Scenario, ScenarioParams, worlds
from foveal.envs.driving.spawning import draw_normal, enter, enter_on_lane
from foveal.envs.driving.traffic import (
    CHANGES_LANES,
    CRASHED,
    EGO,
    IDM,
    KIND,
    LANE,
    SPEED,
    SPEED_INDEX,
    TARGET_LANE,
)
from foveal.envs.params import param
from foveal.kernels import kernel

LENGTH = 800.0  # m
TERMS = ("high_speed_reward", "left_lane_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoWayParams(ScenarioParams):
    """Parameters of the two-way road, named as in highway-env 1.12."""

    high_speed_reward: float = param(0.8, "reward at the highest target speed, 0 at the lowest [1]", low=-100, high=100)
    left_lane_reward: float = param(0.2, "reward on the left lane [1]", low=-100, high=100)
    duration: float = param(15.0, "time limit [s]", low=0.01, high=MOST)
    connected_lanes: bool = param(False, "vehicles see neighbours on lanes that follow and lead to theirs too")
    observation: str = param("TimeToCollision", "kind of observation", choices=OBSERVATIONS)
    observation_horizon: int = param(5, "how far times to collision look ahead [s]", low=1, high=100)
    screen_width: int = param(900, "frame width [px]", low=16, high=4096)
    screen_height: int = param(120, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.0, "frame scale [px/m]", low=0.1, high=100)


def lay(_: TwoWayParams) -> Road:
    """Two lanes from the left; on the left one of them lies another, from the right."""
    road = Road()
    road.straight("a", "b", (0.0, 0.0), (LENGTH, 0.0), lines=("continuous", "striped"))
    road.straight("a", "b", (0.0, 4.0), (LENGTH, 4.0), lines=("none", "continuous"))
    road.straight("b", "a", (LENGTH, 0.0), (0.0, 0.0), lines=("none", "none"))
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    right: int
    oncoming: int
    weights: tuple[float, float]


def rules(p: TwoWayParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(road.number(("a", "b", 1)), road.number(("b", "a", 0)), (p.high_speed_reward, p.left_lane_reward))


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, three cars before it, and two that come towards it."""
    lanes = drive.lanes
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        x, y = from_lane(lanes, rules.right, 30.0, 0.0)
        drive.egos[r, 0] = enter(drive, r, drive.ego_kind, x, y, 0.0, 30.0)
        for n in range(5):
            lane = rules.right if n < 3 else rules.oncoming
            place = 70.0 + 40.0 * n if n < 3 else 200.0 + 100.0 * (n - 3)
            speed = 24.0 + 2.0 * draw_normal(drive, r) if n < 3 else 20.0 + 5.0 * draw_normal(drive, r)
            i = enter_on_lane(drive, r, IDM, lane, place + 10.0 * draw_normal(drive, r), speed)
            t[CHANGES_LANES, i] = 0.0
            if n >= 3:
                t[TARGET_LANE, i] = lane


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    lanes, speeds = drive.lanes, drive.speeds
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        follows = t[KIND, ego] == EGO
        chosen = t[SPEED_INDEX, ego] if follows else speed_to_index(t[SPEED, ego], speeds)
        aim = int(t[TARGET_LANE, ego] if follows else t[LANE, ego])
        last = lanes[int(t[LANE, ego]), ln.SIBLINGS] - 1
        terms[0] = chosen / (speeds.size - 1)
        terms[1] = (last - lanes[aim, ln.PLACE]) / max(last, 1.0)
        drive.outcome.rewards[r] = rules.weights[0] * terms[0] + rules.weights[1] * terms[1]
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0


TwoWay, TwoWayEnv = worlds(
    Scenario(
        name="TwoWay",
        params=TwoWayParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 6,
        start=("a", "b", 1),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
