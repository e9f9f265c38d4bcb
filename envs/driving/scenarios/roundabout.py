"""Roundabout: pass through one in flowing traffic.

## Description
The ego comes from below and leaves at the top, halfway around; other cars are on the roundabout or about to enter it.
It follows its route by itself and chooses speed and lane. Behaviour is that of highway-env 1.12's ``roundabout-v1``
(with ``connected_lanes=False``, ``roundabout-v0``), and with `vehicles_count` that of ``roundabout-generic-v1``
(``roundabout-generic-v0``).

## Action space
``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``.

## Observation space
``Box`` (observation_vehicles_count, 5) float32 in [-1, 1]: presence, x, y, vx, vy of the ego and of those near it.

## Rewards
``collision_reward`` x crashed + ``high_speed_reward`` x half the number of the target speed, from 0,
+ ``lane_change_reward`` x changing lanes; with `normalize_reward` mapped linearly so that a crash is 0 and
``high_speed_reward`` 1. Off the road it is 0.

## Starting state
The ego before the roundabout at 8 m/s; three cars on it and one on its way from the right, at about 16 m/s, each
within some metres of its place, or `vehicles_count` cars at random places on it and on the other ways in, at about 14
m/s. Each has a destination drawn at random.

## Episode end
Terminated by a crash; truncated after `duration` seconds.

## Arguments
The fields of `RoundaboutParams`.

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
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import MOST, Scenario, ScenarioParams, worlds
from foveal.envs.driving.scenarios.roundabout_road import lay_roundabout
from foveal.envs.driving.spawning import draw, draw_normal, enter_on_lane
from foveal.envs.driving.traffic import CRASHED, EGO, EXPONENT, IDM, KIND, LANE, ROUTE, SPEED, SPEED_INDEX, X, Y
from foveal.envs.params import param
from foveal.kernels import kernel

DESTINATIONS = ("exr", "sxr", "nxr", "wxr")
CROWDED = ("we", "sx"), ("sx", "se"), ("ee", "nx"), ("nx", "ne"), ("eer", "ees"), ("ner", "nes"), ("wer", "wes")
SAFE, TRIES = 7.0, 10  # m between cars at the start; how often a place for one is looked for
TERMS = ("collision_reward", "high_speed_reward", "lane_change_reward", "on_road_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoundaboutParams(ScenarioParams):
    """Parameters of the roundabout, named as in highway-env 1.12."""

    roundabout_radius: float = param(20.0, "radius of the inner lane [m]", low=8, high=200)
    roundabout_lanes: int = param(2, "lanes of the roundabout [1]", low=1, high=8)
    vehicles_count: int | None = param(
        None, "other vehicles; None: the four of roundabout-v1 and, at the default size, its ramps [1]", low=0, high=200
    )
    incoming_vehicle_destination: int | None = param(
        None,
        "where the first of the four others goes, or all of vehicles_count: east, south, north, west; None: anywhere",
        low=0,
        high=3,
    )
    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=100)
    high_speed_reward: float = param(0.2, "reward at the third target speed [1]", low=-100, high=100)
    lane_change_reward: float = param(-0.05, "reward for a lane change [1]", low=-100, high=100)
    normalize_reward: bool = param(True, "map the reward to [0, 1]")
    duration: float = param(11.0, "time limit [s]", low=0.01, high=MOST)
    action_target_speeds: tuple[float, ...] = param(
        (0.0, 8.0, 16.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    observation_absolute: bool = param(True, "places and velocities as they are, not relative to the ego")
    observation_range_x: float = param(100.0, "x, either way [m]", low=0.1, high=1e6)
    observation_range_y: float = param(100.0, "y, either way; 0: the start road's width [m]", low=0, high=1e6)
    observation_range_vx: float = param(15.0, "vx, either way [m/s]", low=0.1, high=1e6)
    observation_range_vy: float = param(15.0, "vy, either way [m/s]", low=0.1, high=1e6)
    screen_width: int = param(600, "frame width [px]", low=16, high=4096)
    screen_height: int = param(600, "frame height [px]", low=16, high=4096)
    scaling: float = param(4.5, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.5, 0.6), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize_reward and not self.high_speed_reward - self.collision_reward > 1e-6:
            raise ValueError(
                f"collision_reward={self.collision_reward}: must be below high_speed_reward where normalize_reward"
            )


def lay(p: RoundaboutParams) -> Road:
    """Rings of lanes around (0, 0), and from each side a way in and a way out."""
    usual = p.vehicles_count is None and (p.roundabout_radius, p.roundabout_lanes) == (20, 2)
    return lay_roundabout(p.roundabout_radius, p.roundabout_lanes, swinging=usual)


class Rules(NamedTuple):
    """What the kernels below need to know."""

    start: int
    way: NDArray[np.int64]  # (L,) the ego's route from each lane
    ways: NDArray[np.int64]  # (4, L) the others', to each of DESTINATIONS
    incoming: int
    circling: int
    entering: int
    crowded: NDArray[np.int64]  # first lanes of the roads on which `vehicles` start
    vehicles: int  # -1 for the four
    destination: int  # -1 for anywhere
    weights: tuple[float, float, float]
    normalize: bool


def rules(p: RoundaboutParams, road: Road) -> Rules:
    """The rules by these parameters."""
    inner, destination = road.number(("we", "sx", 0)), p.incoming_vehicle_destination
    return Rules(
        start=road.number(("ser", "ses", 0)),
        way=road.routes_to("nxs"),
        ways=np.array([road.routes_to(name) for name in DESTINATIONS]),
        incoming=inner + min(1, p.roundabout_lanes - 1),
        circling=inner,
        entering=road.number(("eer", "ees", 0)),
        crowded=np.array([road.number((*ends, 0)) for ends in CROWDED]),
        vehicles=-1 if p.vehicles_count is None else p.vehicles_count,
        destination=-1 if destination is None else destination,
        weights=(p.collision_reward, p.high_speed_reward, p.lane_change_reward),
        normalize=p.normalize_reward,
    )


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, and the four others or so many at random places."""
    for k in range(start, stop):
        r = rows[k]
        t = drive.traffic[r]
        place = drive.lanes[rules.start, ln.LENGTH] - 2.5
        ego = drive.egos[r, 0] = enter_on_lane(drive, r, drive.ego_kind, rules.start, place, 8.0)
        if drive.ego_kind == EGO:
            t[ROUTE, ego] = rules.way[int(t[LANE, ego])]
        if rules.vehicles < 0:
            join(drive, rules, r, rules.incoming, 5.0 + 2.0 * draw_normal(drive, r), 16.0, rules.destination, 3)
            for lane, along in ((rules.circling, 20.0), (rules.circling, -20.0), (rules.entering, 50.0)):
                join(drive, rules, r, lane, along + 2.0 * draw_normal(drive, r), 16.0, -1, 3)
        for _ in range(rules.vehicles):
            for _ in range(TRIES):
                lane = rules.crowded[int(rules.crowded.size * draw(drive, r))]
                lane += int(drive.lanes[lane, ln.SIBLINGS] * draw(drive, r))
                along = 5.0 + max(drive.lanes[lane, ln.LENGTH] - 10.0, 0.0) * draw(drive, r)
                if is_free(drive, r, lane, along):
                    join(drive, rules, r, lane, along, 14.0, rules.destination, 4)
                    break


@kernel
def join(drive, rules, r, lane, along, speed, destination, destinations):
    """Put a car on a lane, at about this speed, on its way to one of DESTINATIONS (-1: one of the first of them)."""
    t = drive.traffic[r]
    i = enter_on_lane(drive, r, IDM, lane, along, speed + 2.0 * draw_normal(drive, r))
    chosen = destination if destination >= 0 else int(destinations * draw(drive, r))
    t[ROUTE, i] = rules.ways[chosen, int(t[LANE, i])]
    t[EXPONENT, i] = 3.5 + draw(drive, r)


@kernel
def is_free(drive, r, lane, along):
    """Whether no vehicle is near a place on a lane."""
    x, y = from_lane(drive.lanes, lane, along, 0.0)
    for i in range(drive.vehicles[r]):
        dx, dy = drive.traffic[r, X, i] - x, drive.traffic[r, Y, i] - y
        if math.sqrt(dx * dx + dy * dy) < SAFE:
            return False
    return True


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    weights = rules.weights
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        terms[0] = t[CRASHED, ego]
        terms[1] = (t[SPEED_INDEX, ego] if t[KIND, ego] == EGO else usual_index(t[SPEED, ego])) / 2
        terms[2] = 1.0 if meta[r, 0] in (0, 2) else 0.0
        terms[3] = 1.0 if on_road(t, drive.lanes, ego) else 0.0
        total = weights[0] * terms[0] + weights[1] * terms[1] + weights[2] * terms[2]
        if rules.normalize:
            total = (total - weights[0]) / (weights[1] - weights[0])
        drive.outcome.rewards[r] = total * terms[3]
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0


@kernel
def usual_index(speed):
    """Which of 20, 25 and 30 m/s is closest to a speed: highway-env's measure for a vehicle without target speeds."""
    return min(max(np.rint((speed - 20.0) / 5.0), 0.0), 2.0)


Roundabout, RoundaboutEnv = worlds(
    Scenario(
        name="Roundabout",
        params=RoundaboutParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 1 + (4 if p.vehicles_count is None else p.vehicles_count),
        start=("ser", "ses", 0),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
