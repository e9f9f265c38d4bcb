"""Racetrack: keep a car on a winding course and off the others.

## Description
The ego's wheels are steered; it drives at the speed it started with, on one of three courses (`track`). Behaviour is
that of highway-env 1.12's ``racetrack-v1`` (with ``connected_lanes=False``, ``racetrack-v0``), ``racetrack-large`` and
``racetrack-oval``, the last with its lanes, length and road blocks.

## Action space
``Box`` (1,) float32 in [-1, 1]: the steering angle, of `action_steering`, to the right. With
``action_longitudinal=True`` the acceleration, of `action_acceleration`, comes first; with ``action="Discrete"`` both
are on a grid.

## Observation space
``Box`` (2, 12, 12) float32 in [0, 1]: for each cell of 3 m x 3 m around the ego, whether a vehicle is in it, and
whether a lane leads through it. The first axis of a layer points ahead, the second to the right.

## Rewards
(``lane_centering_reward`` / (1 + ``lane_centering_cost`` x offset^2) + ``action_reward`` x size of the action
+ ``collision_reward`` x crashed), mapped linearly from [``collision_reward``, 1] to [0, 1]; 0 off the road. The size of
an action is its Euclidean norm, that of a discrete one its number.

## Starting state
The ego 20 to 50 m down the first straight, at the speed limit; a car in the first bend, and up to
``other_vehicles`` - 1 others anywhere, all at 6 to 9 m/s and none of the latter within 20 m of another.

## Episode end
Terminated by a crash, or off the road (`terminate_off_road`). Truncated after `duration`.

## Arguments
The fields of `RacetrackParams`.

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
from foveal.envs.driving.controls import ACTIONS
from foveal.envs.driving.lanes import from_lane, is_on, to_lane
from foveal.envs.driving.observations.params import GRID_FEATURES, OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import Scenario, ScenarioParams, worlds
from foveal.envs.driving.scenarios.tracks import TRACKS, lay_track
from foveal.envs.driving.spawning import draw, enter_on_lane, put_object
from foveal.envs.driving.traffic import CRASHED, IDM, LANE, OBSTACLE, X, Y
from foveal.envs.params import param
from foveal.kernels import kernel

TERMS = ("lane_centering_reward", "action_reward", "collision_reward", "on_road_reward")
APART = 20.0  # m between cars that start anywhere


@dataclasses.dataclass(frozen=True, kw_only=True)
class RacetrackParams(ScenarioParams):
    """Parameters of the racetrack, named as in highway-env 1.12."""

    track: str = param("standard", "the course", choices=TRACKS)
    length: float = param(100.0, "straights of the oval [m]", low=50, high=1000)
    no_lanes: int = param(3, "lanes of the oval [1]", low=2, high=12)
    block_lane: bool = param(False, "block the oval's second lane")
    force_decision: bool = param(False, "block the oval's first and third lane")
    speed_limit: float = param(10.0, "speed limit, at which the ego starts [m/s]", low=1, high=40)
    other_vehicles: int = param(1, "most other cars [1]", low=0, high=50)
    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=0.9)
    lane_centering_cost: float = param(4.0, "how fast the reward sinks with the offset [1/m^2]", low=0, high=1000)
    lane_centering_reward: float = param(1.0, "reward on the middle of a lane [1]", low=-100, high=100)
    action_reward: float = param(-0.3, "reward for an action of size 1 [1]", low=-100, high=100)
    terminate_off_road: bool = param(True, "end the episode off the road")
    duration: float = param(300.0, "time limit [s]", low=0.01, high=1e9)
    policy_frequency: int = param(5, "decisions [1/s]", low=1, high=200)
    action: str = param("Continuous", "kind of action", choices=ACTIONS)
    action_longitudinal: bool = param(False, "speed is the agent's to choose")
    action_target_speeds: tuple[float, ...] = param(
        (0.0, 5.0, 10.0), "evenly spaced speeds of an ego that follows lanes [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    observation: str = param("OccupancyGrid", "kind of observation", choices=OBSERVATIONS)
    observation_features: tuple[str, ...] = param(
        ("presence", "on_road"), "what is observed", choices=GRID_FEATURES, items=(1, len(GRID_FEATURES))
    )
    observation_grid_size: tuple[float, ...] = param(
        (-18.0, 18.0, -18.0, 18.0), "lowest and highest x, then y, of a grid, from the ego [m]",
        low=-100, high=100, items=(4, 4),
    )  # fmt: skip
    observation_grid_step: tuple[float, ...] = param(
        (3.0, 3.0), "size of a grid's cells, in x and y [m]", low=0.5, high=50, items=(2, 2)
    )
    observation_align_to_vehicle_axes: bool = param(True, "a grid turns with the ego")
    screen_width: int = param(720, "frame width [px]", low=16, high=4096)
    screen_height: int = param(420, "frame height [px]", low=16, high=4096)
    scaling: float = param(4.5, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.5, 0.5), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )


def lay(p: RacetrackParams) -> Road:
    """The course."""
    return lay_track(p.track, length=p.length, lanes=p.no_lanes, speed_limit=p.speed_limit)


def blocks(p: RacetrackParams) -> list[tuple[float, float]]:
    """Where the obstacles stand, (x, y), metres."""
    if p.track != "oval":
        return []
    middle = [(p.length - behind, y) for behind in (40.0, 43.0, 46.0, 49.0) for y in (3.75, 6.25)]
    sides = [(p.length - 90.0, y) for y in (-1.25, 1.25, 8.85, 11.25)]
    return middle * p.block_lane + sides * p.force_decision


class Rules(NamedTuple):
    """What the kernels below need to know."""

    firsts: NDArray[np.int64]  # the first lane of each road
    blocks: NDArray[np.float64]  # (B, 2) m
    starts: int  # lanes on which an ego may start
    others: int
    cost: float  # 1/m^2
    weights: tuple[float, float, float]  # of the first three TERMS
    terminal: bool


def rules(p: RacetrackParams, road: Road) -> Rules:
    """The rules by these parameters."""
    names = road.names()
    return Rules(
        firsts=np.array([number for number, name in enumerate(names) if name[2] == 0]),
        blocks=np.array(blocks(p), np.float64).reshape(-1, 2),
        starts=p.no_lanes if p.track == "oval" else 2,
        others=p.other_vehicles,
        cost=p.lane_centering_cost,
        weights=(p.lane_centering_reward, p.action_reward, p.collision_reward),
        terminal=p.terminate_off_road,
    )


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, a car in the first bend, others anywhere, and what blocks the road."""
    lanes, firsts = drive.lanes, rules.firsts
    for k in range(start, stop):
        r = rows[k]
        place = int(rules.starts * draw(drive, r))
        lane = firsts[0] + place
        along = 20.0 + 30.0 * draw(drive, r)
        drive.egos[r, 0] = enter_on_lane(drive, r, drive.ego_kind, lane, along, lanes[lane, ln.SPEED_LIMIT])
        if rules.others > 0:
            along = lanes[firsts[1], ln.LENGTH] * draw(drive, r)
            enter_on_lane(drive, r, IDM, firsts[1] + place, along, 6.0 + 3.0 * draw(drive, r))
            for _ in range(int(rules.others * draw(drive, r))):
                scatter(drive, r, rules)
        for n in range(rules.blocks.shape[0]):
            put_object(drive, r, n, OBSTACLE, rules.blocks[n, 0], rules.blocks[n, 1], 0.0, 2.0, 2.0)


@kernel
def scatter(drive, r, rules):
    """Put a car somewhere on the course, or nowhere if that is near another."""
    lanes, t = drive.lanes, drive.traffic[r]
    first = rules.firsts[int(rules.firsts.size * draw(drive, r))]
    lane = first + int(lanes[first, ln.SIBLINGS] * draw(drive, r))
    along, speed = lanes[lane, ln.LENGTH] * draw(drive, r), 6.0 + 3.0 * draw(drive, r)
    x, y = from_lane(lanes, lane, along, 0.0)
    for i in range(drive.vehicles[r]):
        if math.sqrt((t[X, i] - x) ** 2 + (t[Y, i] - y) ** 2) < APART:
            return
    enter_on_lane(drive, r, IDM, lane, along, speed)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        lane = int(t[LANE, ego])
        along, across = to_lane(drive.lanes, lane, t[X, ego], t[Y, ego])
        size = 0.0
        for n in range(drive.given.shape[1]):
            size += drive.given[r, n] * drive.given[r, n]
        on_road = is_on(drive.lanes, lane, along, across, 0.0)
        terms[0] = 1 / (1 + rules.cost * (across * across))
        terms[1] = math.sqrt(size)
        terms[2] = t[CRASHED, ego]
        terms[3] = 1.0 if on_road else 0.0
        total = rules.weights[0] * terms[0] + rules.weights[1] * terms[1] + rules.weights[2] * terms[2]
        drive.outcome.rewards[r] = (total - rules.weights[2]) / (1 - rules.weights[2]) * terms[3]
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0 or (rules.terminal and not on_road)


Racetrack, RacetrackEnv = worlds(
    Scenario(
        name="Racetrack",
        params=RacetrackParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 1 + p.other_vehicles,
        objects=lambda p: len(blocks(p)),
        start=("a", "b", 0),
        overlaps=True,
    ),
    __name__,
    __doc__,
)
