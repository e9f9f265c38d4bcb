"""Exit: cross a highway in time for the exit.

## Description
The ego starts on the leftmost of six lanes and must reach the exit on the right: along 100 m, 400 m down the road, a
seventh lane leads to it. The further right, the slower the limit: 26 m/s less 3.4 m/s per lane. Traffic does not
change lanes. Behaviour is that of highway-env 1.12's ``exit-v1`` (with ``connected_lanes=False``, ``exit-v0``).

## Action space
``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``.

## Observation space
``Box`` (observation_vehicles_count, 7) float32: presence, x, y, vx, vy, cos_h and sin_h of the ego and of those near
it; the ego's x is its distance along the exit's lane, which is negative before that. Not clipped.

## Rewards
``collision_reward`` x crashed + ``goal_reward`` where the exit's lane or the exit is steered for +
``high_speed_reward`` x speed, 0 to 1 within `reward_speed_range`, + ``right_lane_reward`` x number of the lane that is
steered for, from the left; with `normalize_reward` mapped linearly so that a crash is 0 and the goal 1, and clipped.

## Starting state
The ego on the left lane at 25 m/s; the others before it, each further than all before, the more likely on a lane the
further right it is (never on the leftmost), at that lane's limit.

## Episode end
Terminated by a crash; truncated after `duration` seconds.

## Arguments
The fields of `ExitParams`.

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
from foveal.envs.driving.observations.params import FEATURES, OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import MOST, Scenario, ScenarioParams, worlds
from foveal.envs.driving.spawning import draw, enter_on_lane
from foveal.envs.driving.traffic import CHANGES_LANES, CRASHED, EGO, IDM, KIND, LANE, ROUTE, SPEED, TARGET_LANE
from foveal.envs.params import param
from foveal.kernels import kernel

ROAD, BEFORE, EXIT = 1000.0, 400.0, 100.0  # m: all, before the exit's lane begins, along it
RADIUS = 150.0  # m, of the exit's bend
TERMS = ("collision_reward", "goal_reward", "high_speed_reward", "right_lane_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExitParams(ScenarioParams):
    """Parameters of the exit, named as in highway-env 1.12."""

    lanes_count: int = param(6, "lanes, without the exit's [1]", low=2, high=7)
    vehicles_count: int = param(20, "other vehicles [1]", low=0, high=200)
    ego_spacing: float = param(2.0, "room before the ego at the start, relative to the usual [1]", low=0.1, high=3)
    vehicles_density: float = param(1.5, "traffic density [1]", low=0.05, high=5)
    collision_reward: float = param(0.0, "reward for a crash [1]", low=-100, high=100)
    goal_reward: float = param(1.0, "reward while on the way out [1]", low=-100, high=100)
    high_speed_reward: float = param(0.1, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    right_lane_reward: float = param(0.0, "reward on each lane right of the left one [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (20.0, 30.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )
    normalize_reward: bool = param(True, "map the reward to [0, 1]")
    duration: float = param(18.0, "time limit [s]", low=0.01, high=MOST)
    simulation_frequency: int = param(5, "substeps [1/s]", low=1, high=200)
    action_target_speeds: tuple[float, ...] = param(
        (18.0, 24.0, 30.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    observation: str = param("Exit", "kind of observation", choices=OBSERVATIONS)
    observation_vehicles_count: int = param(15, "observed vehicles, the ego included [1]", low=1, high=100)
    observation_features: tuple[str, ...] = param(
        ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h"),
        "features of each vehicle",
        choices=FEATURES,
        items=(1, len(FEATURES)),
    )
    observation_clip: bool = param(False, "clip what is mapped")
    screen_width: int = param(900, "frame width [px]", low=16, high=4096)
    screen_height: int = param(260, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.0, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.3, 0.4), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize_reward and not self.goal_reward - self.collision_reward > 1e-6:
            raise ValueError(
                f"collision_reward={self.collision_reward}: must be below goal_reward where normalize_reward"
            )


def lay(p: ExitParams) -> Road:
    """Lanes from the left, one more of them along the exit, which bends off to the right."""
    road, ends = Road(), (0.0, BEFORE, BEFORE + EXIT, ROAD)
    for stretch, begin in enumerate("012"):
        lanes = p.lanes_count + (stretch == 1)
        for place in range(lanes):
            y = 4.0 * place
            road.straight(
                begin, "123"[stretch], (ends[stretch], y), (ends[stretch + 1], y), speed_limit=26 - 3.4 * place,
                lines=("continuous" if place == 0 else "striped", "continuous" if place == lanes - 1 else "none"),
            )  # fmt: skip
    road.exit = ("1", "2", p.lanes_count)
    centre = (ends[2], 4.0 * p.lanes_count + RADIUS)
    road.arc("2", "exit", centre, RADIUS, 3 * math.pi / 2, 2 * math.pi, forbidden=True)
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    left: int
    lanes: int
    goals: tuple[int, int]  # the exit's lane, and the exit
    routes: NDArray[np.int64]  # (L,) from each lane to the road's end
    vehicles: int
    ego_spacing: float
    traffic_spacing: float
    weights: tuple[float, float, float, float]
    speed_range: tuple[float, float]  # m/s
    normalize: bool


def rules(p: ExitParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(
        left=road.number(("0", "1", 0)),
        lanes=p.lanes_count,
        goals=(road.number(("1", "2", p.lanes_count)), road.number(("2", "exit", 0))),
        routes=road.routes_to("3"),
        vehicles=p.vehicles_count,
        ego_spacing=p.ego_spacing,
        traffic_spacing=1 / p.vehicles_density,
        weights=(p.collision_reward, p.goal_reward, p.high_speed_reward, p.right_lane_reward),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
        normalize=p.normalize_reward,
    )


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, and the others one after another before it."""
    crowding = math.exp(-5 / 40 * rules.lanes)
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        offset = rules.ego_spacing * (12 + 25.0) * crowding
        x = 3 * offset + offset * (0.9 + 0.2 * draw(drive, r))
        drive.egos[r, 0] = enter_on_lane(drive, r, drive.ego_kind, rules.left, x, 25.0)
        for _ in range(rules.vehicles):
            share = draw(drive, r) * (rules.lanes * (rules.lanes - 1) / 2)
            lane = rules.left + 1
            while share >= lane - rules.left and lane < rules.left + rules.lanes - 1:
                share -= lane - rules.left
                lane += 1
            speed = drive.lanes[lane, ln.SPEED_LIMIT]
            x += rules.traffic_spacing * (12 + speed) * crowding * (0.9 + 0.2 * draw(drive, r))
            i = enter_on_lane(drive, r, IDM, lane, x, speed)
            t[CHANGES_LANES, i] = 0.0
            t[ROUTE, i] = rules.routes[int(t[LANE, i])]


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    (low, high), weights = rules.speed_range, rules.weights
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        lane = int(t[TARGET_LANE, ego] if t[KIND, ego] == EGO else t[LANE, ego])
        terms[0] = t[CRASHED, ego]
        terms[1] = 1.0 if lane in rules.goals else 0.0
        terms[2] = min(max((t[SPEED, ego] - low) / (high - low), 0.0), 1.0)
        terms[3] = drive.lanes[lane, ln.PLACE]
        total = 0.0
        for n in range(4):
            total += weights[n] * terms[n]
        if rules.normalize:
            total = min(max((total - weights[0]) / (weights[1] - weights[0]), 0.0), 1.0)
        drive.outcome.rewards[r] = total
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0


Exit, ExitEnv = worlds(
    Scenario(
        name="Exit",
        params=ExitParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: p.vehicles_count + 1,
        start=("0", "1", 0),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
