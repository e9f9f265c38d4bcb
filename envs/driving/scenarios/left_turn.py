"""LeftTurn: turn left across a stream of oncoming cars that do not stop.

## Description
The ego comes from the south to a junction without lights or right of way, and turns left; a stream of cars comes from
the north and goes straight on, `oncoming_density` of them a minute. It must find a gap: they brake for whoever is on
their lane, at most, and they do not wait. With `cross_density` others go from west to east and from east to west. The
road is that of ``foveal/Intersection-v0``; the scenario is our own.

## Action space
``Discrete(3)``: 0 ``SLOWER``, 1 ``IDLE``, 2 ``FASTER``, between 0, 4.5 and 9 m/s. The route steers.

## Observation space
``Box`` (observation_vehicles_count, 7) float32: presence, x, y, vx, vy, cos_h, sin_h of the ego and of those near it,
in the world's frame, places mapped from 100 m and velocities from 20 m/s to [-1, 1].

## Rewards
``collision_reward`` x crashed + ``arrived_reward`` x through + ``high_speed_reward`` x speed, 0 to 1 within
`reward_speed_range`. Who waits for ever gets nothing. All the speed on the way adds up to what the way is worth,
however fast: with the defaults whoever gets through in 63 of 100 attempts does better than whoever waits.

## Starting state
The ego `start_distance` before the junction at `start_speed`. Cars of a stream have 15 m between them and an
exponentially distributed distance more, each a speed of its own from 7 to 10 m/s that it keeps where it can, and its
exponent of the speed ratio. A car that would cross another stream's path within 3 s of one of its cars does not come,
so that streams that cross are thinner than their densities say.

## Episode end
Terminated by a crash or when the ego is through, 10 m beyond the conflict point, where its path crosses the middle of
the oncoming lane; truncated after `duration`. ``info["distance_to_conflict"]`` is the way to the conflict point, m,
negative beyond it; ``info["is_success"]``, whether the ego is through and has not crashed. After each step cars within
20 m of the road's end, and cars of crossing streams that have met all the same, are taken away, and others come: up to
40 of a direction, who stand nearly bumper to bumper.

## Arguments
The fields of `LeftTurnParams`.

## Version history
* v0: first.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane, heading_at, to_lane
from foveal.envs.driving.network import Drive
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import Scenario, worlds
from foveal.envs.driving.scenarios.crossing import (
    ACCESS,
    ARMS,
    MARGIN,
    ROOM,
    Crossing,
    CrossingParams,
    clear,
    come,
    crossing,
    is_ego,
    lay_crossing,
    route,
)
from foveal.envs.driving.spawning import draw, enter, leave
from foveal.envs.driving.traffic import COS, CRASHED, EGO, LANE, ROUTE, SIN, SPEED, X, Y
from foveal.envs.params import param
from foveal.kernels import kernel

SOUTH, WEST, NORTH, EAST = range(ARMS)
MOST = 40  # cars of a direction, on their 222 m of road
SLOWEST, FASTEST, USUAL = 7.0, 10.0, 8.5  # m/s
BEYOND = 10.0  # m beyond the conflict point the ego is through
APART = 3.0  # s between cars of streams that cross
TERMS = ("collision_reward", "arrived_reward", "high_speed_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeftTurnParams(CrossingParams):
    """Parameters of the left turn."""

    duration: float = param(25.0, "time limit [s]", low=0.01, high=1e9)
    oncoming_density: float = param(15.0, "cars from the north [1/min]", low=0, high=30)
    cross_density: float = param(0.0, "cars from the west, and as many from the east [1/min]", low=0, high=30)
    start_distance: tuple[float, ...] = param(
        (30.0, 50.0), "least and most, of the ego before the junction [m]", low=1, high=95, items=(2, 2)
    )
    start_speed: float = param(9.0, "of the ego [m/s]", low=0, high=20)
    collision_reward: float = param(-5.0, "reward for a crash [1]", low=-100, high=0)
    arrived_reward: float = param(3.0, "reward for getting through [1]", low=0, high=100)
    high_speed_reward: float = param(0.1, "reward at the top of reward_speed_range [1]", low=0, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (0.0, 9.0), "speeds of no and of full reward [m/s]", low=0, high=1000, items=(2, 2)
    )
    scaling: float = param(5.0, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.5, 0.75), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start_distance[0] <= self.start_distance[1]:
            raise ValueError(f"start_distance={self.start_distance}: must not be decreasing")


class Rules(NamedTuple):
    """What the kernels below need to know."""

    crossing: Crossing
    turn: int  # the lane on which the ego turns
    conflict: tuple[float, float]  # m, where that crosses the middle of the oncoming lane
    conflict_along: float  # m down that lane
    rates: tuple[float, float, float, float]  # 1/s, at which a car comes from each arm where there is room
    start: tuple[float, float]  # m down its lane
    start_speed: float  # m/s
    weights: tuple[float, float, float]
    speed_range: tuple[float, float]  # m/s


def rules(p: LeftTurnParams, road: Road) -> Rules:
    """The rules by these parameters."""
    lanes, turn, oncoming = road.compiled().lanes, road.number(("ir0", "il1", 0)), road.number(("ir2", "il0", 0))
    along = _meeting(lanes, turn, oncoming)
    x, y = from_lane(lanes, turn, along, 0.0)
    across = _rate(p.cross_density)
    return Rules(
        crossing=crossing(road, _most(p)),
        turn=turn,
        conflict=(float(x), float(y)),
        conflict_along=along,
        rates=(0.0, across, _rate(p.oncoming_density), across),
        start=(ACCESS - p.start_distance[1], ACCESS - p.start_distance[0]),
        start_speed=p.start_speed,
        weights=(p.collision_reward, p.arrived_reward, p.high_speed_reward),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
    )


def _rate(density: float) -> float:
    """The rate, 1/s, at which so many cars a minute come, if none can while the last one is within `ROOM`."""
    return density / (60 - density * ROOM / USUAL)


def _most(p: LeftTurnParams) -> int:
    return MOST if p.cross_density == 0 else 3 * MOST


def _meeting(lanes: np.ndarray, arc: int, straight: int) -> float:
    """How far, metres, down an arc its middle meets that of a straight lane."""
    (radius, length), line = lanes[arc, [ln.RADIUS, ln.LENGTH]], lanes[straight]
    ahead, beside = to_lane(lanes, straight, *lanes[arc, [ln.X, ln.Y]])
    reach = math.sqrt(radius**2 - beside**2)
    points = [from_lane(lanes, straight, ahead + side * reach, 0.0) for side in (-1, 1)]
    points = [point for point in points if 0 <= to_lane(lanes, straight, *point)[0] <= line[ln.LENGTH]]
    return float(next(along for point in points if 0 <= (along := to_lane(lanes, arc, *point)[0]) <= length))


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, and streams that have been there for long."""
    for k in range(start, stop):
        r = rows[k]
        low, high = rules.start
        lane, along = rules.crossing.entries[SOUTH], low + (high - low) * draw(drive, r)
        x, y = from_lane(drive.lanes, lane, along, 0.0)
        ego = enter(drive, r, drive.ego_kind, x, y, heading_at(drive.lanes, lane, along), rules.start_speed)
        drive.egos[r, 0] = ego
        if drive.ego_kind == EGO:
            drive.traffic[r, ROUTE, ego] = route(SOUTH, WEST)
        for arm in range(ARMS):
            rate = rules.rates[arm]
            along = ACCESS + ROOM
            while rate > 0 and along > 0.0:
                along -= ROOM - math.log(1 - draw(drive, r)) / rate * USUAL
                flow(drive, r, rules, arm, along)


@kernel
def flow(drive, r, rules, arm, along):
    """Let a car come from an arm, `along` metres down its lane, and go straight on; it does not from before it."""
    speed = SLOWEST + (FASTEST - SLOWEST) * draw(drive, r)
    if along > 0.0 and not clashes(drive, r, arm, (ACCESS - along + MARGIN) / speed):
        come(drive, r, rules.crossing, arm, (arm + 2) % ARMS, along, speed, drive.vehicles[r] - 1)


@kernel
def clashes(drive, r, arm, time):
    """Whether a car that crosses an arm's path passes the junction's middle within `APART` of `time` seconds."""
    t = drive.traffic[r]
    for i in range(drive.vehicles[r]):
        crosses = (abs(t[COS, i]) > 0.5) == (arm % 2 == 0)
        if crosses and not is_ego(drive, r, i) and abs(passing(t, i) - time) < APART:
            return True
    return False


@kernel
def passing(t, i):
    """Seconds until vehicle `i` passes the junction's middle; long ago (negative) once it is through."""
    ahead = -(t[X, i] * t[COS, i] + t[Y, i] * t[SIN, i])
    return ahead / max(t[SPEED, i], 1.0) if ahead > -MARGIN else -np.inf


@kernel
def way_to_conflict(drive, r, rules):
    """Metres along the ego's way to the conflict point, negative beyond it; as the crow flies where it left its way."""
    ego = drive.egos[r, 0]
    x, y, lane = drive.traffic[r, X, ego], drive.traffic[r, Y, ego], int(drive.traffic[r, LANE, ego])
    along, _ = to_lane(drive.lanes, lane, x, y)
    if lane == rules.crossing.entries[SOUTH]:
        return drive.lanes[lane, ln.LENGTH] - along + rules.conflict_along
    if lane == rules.turn:
        return rules.conflict_along - along
    if lane == rules.crossing.exits[WEST]:
        return rules.conflict_along - drive.lanes[rules.turn, ln.LENGTH] - along
    dx, dy = rules.conflict[0] - x, rules.conflict[1] - y
    return math.sqrt(dx * dx + dy * dy)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward, end, and what the info tells."""
    low, high = rules.speed_range
    for k in range(start, stop):
        r = rows[k]
        outcome, ego = drive.outcome, drive.egos[r, 0]
        terms, crashed = outcome.terms[r], drive.traffic[r, CRASHED, ego] != 0
        way = way_to_conflict(drive, r, rules)
        through = way <= -BEYOND and not crashed
        terms[0], terms[1] = crashed, through
        terms[2] = min(max((drive.traffic[r, SPEED, ego] - low) / (high - low), 0.0), 1.0)
        outcome.rewards[r] = 0.0
        for n in range(3):
            outcome.rewards[r] += rules.weights[n] * terms[n]
        outcome.notes[r, 0], outcome.notes[r, 1] = way, through
        outcome.terminated[r] = crashed or through


@kernel
def after_rows(start, stop, rows, drive, rules):
    """Row kernel: some leave, and others come."""
    step = drive.timing.step_time
    for k in range(start, stop):
        r = rows[k]
        clear(drive, r, rules.crossing)
        for i in range(drive.vehicles[r] - 1, -1, -1):
            if drive.traffic[r, CRASHED, i] != 0 and not is_ego(drive, r, i):
                leave(drive, r, i)
        for arm in range(ARMS):
            if draw(drive, r) < rules.rates[arm] * step:
                flow(drive, r, rules, arm, SLOWEST * step * draw(drive, r))


def told(drive: Drive) -> dict:
    """The way to the conflict point, and whether the ego is through."""
    return {"distance_to_conflict": drive.outcome.notes[:, 0], "is_success": drive.outcome.notes[:, 1] != 0}


LeftTurn, LeftTurnEnv = worlds(
    Scenario(
        name="LeftTurn",
        params=LeftTurnParams,
        lay=lambda p: lay_crossing(ends="e"),
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: _most(p) + 1,
        start=("o0", "ir0", 0),
        after=after_rows,
        notes=2,
        info=told,
    ),
    __name__,
    __doc__,
)
