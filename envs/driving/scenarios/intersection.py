"""Intersection: cross a junction without lights, where traffic from four sides yields by the right of way.

## Description
The ego comes from the south and turns left by default (`destination`); other cars come from all sides at random and
go where they like. Of two cars whose paths will meet within three seconds the one on the lesser road stops, or the one
behind; the ego is told nothing. Behaviour is that of highway-env 1.12's ``intersection-v2``; with
``connected_lanes=False`` that of ``intersection-v0``; with ``action="Continuous"``, ``action_lateral=True``,
``action_dynamical=True`` and ``action_steering=pi/3`` beside it that of ``intersection-v1``, but for what it observes
(five vehicles, and place and heading on the lane in place of ``cos_h`` and ``sin_h``). With `controlled_vehicles` of 2
to 4 it is ``intersection-multi-agent``: ego k comes from the k-th arm, clockwise from the south, and
`foveal.envs.driving.multi_agent` shows each its own.

## Action space
``Discrete(3)``: 0 ``SLOWER``, 1 ``IDLE``, 2 ``FASTER``; of several egos ``MultiDiscrete``. The route steers.

## Observation space
``Box`` (observation_vehicles_count, 7) float32: presence, x, y, vx, vy, cos_h, sin_h of the ego and of those near it,
in the world's frame, places mapped from 100 m and velocities from 20 m/s to [-1, 1]; of several egos
(controlled_vehicles, observation_vehicles_count, 7).

## Rewards
`arrived_reward` once arrived, else ``collision_reward`` x crashed + ``high_speed_reward`` x speed, 0 to 1 within
`reward_speed_range`; 0 off the road. With `normalize_reward` mapped linearly so that a crash is 0 and arrival 1. The
reward is the egos' mean; ``info["agents_rewards"]`` (controlled_vehicles,) has each one's.

## Starting state
Nine times, six in ten: a car on a random arm, on its way to another, from far out to 80 m further in. They drive for
three seconds. Then a challenger, who goes straight on, 65 m down an arm; and the ego 60 m + 5 m x N(1, 1) down
its own at 10 m/s. Whoever is within 20 m of it is taken away. No car comes where another is within 15 m.

## Episode end
Terminated when an ego has crashed, when all have arrived (25 m down a lane that leads away;
``info["agents_terminated"]`` says which), or with `offroad_terminal` when the first is off the road; truncated after
`duration`. After each step those within 20 m of the road's end are taken away, and with `spawn_probability` one comes;
nobody does while there are 72 beside the egos, who stand nearly bumper to bumper.

## Arguments
The fields of `IntersectionParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane, heading_at, is_on, to_lane
from foveal.envs.driving.network import Drive, substep
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import Scenario, worlds
from foveal.envs.driving.scenarios.crossing import (
    ARMS,
    OUTER,
    Crossing,
    CrossingParams,
    clear,
    come,
    crossing,
    is_ego,
    lay_crossing,
    on_exit,
    route,
)
from foveal.envs.driving.spawning import draw, draw_normal, enter, leave
from foveal.envs.driving.traffic import CRASHED, EGO, LANE, ROUTE, SPEED, X, Y
from foveal.envs.params import param
from foveal.kernels import kernel

MOST = 72  # vehicles beside the egos
WARM_UP = 3  # s
EXIT = 25.0  # m down a lane that leads away, where an ego has arrived
TERMS = ("collision_reward", "high_speed_reward", "arrived_reward", "on_road_reward")
ANYWHERE = "any"


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntersectionParams(CrossingParams):
    """Parameters of the intersection, named as in highway-env 1.12."""

    duration: float = param(13.0, "time limit [s]", low=0.01, high=1e9)
    simulation_frequency: int = param(15, "substeps; the right of way takes two [1/s]", low=2, high=200)
    controlled_vehicles: int = param(1, "egos [1]", low=1, high=4)
    destination: str = param(
        "o1", "where the egos go: south, west, north, east, or any but the south", choices=(*OUTER, ANYWHERE)
    )
    initial_vehicle_count: int = param(10, "cars that may be there at the start, and one more [1]", low=0, high=50)
    spawn_probability: float = param(0.6, "probability that a car comes in a step [1]", low=0, high=1)
    collision_reward: float = param(-5.0, "reward for a crash [1]", low=-100, high=100)
    high_speed_reward: float = param(1.0, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    arrived_reward: float = param(1.0, "reward once arrived, in place of all others [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (7.0, 9.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )
    normalize_reward: bool = param(False, "map the reward from a crash's to arrival's to [0, 1]")
    offroad_terminal: bool = param(False, "end where the first ego leaves the road")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normalize_reward and not self.arrived_reward - self.collision_reward > 1e-6:
            raise ValueError(f"collision_reward={self.collision_reward}: to normalize, must be below arrived_reward")


class Rules(NamedTuple):
    """What the kernels below need to know."""

    crossing: Crossing
    initial: int
    probability: float
    destination: int  # an arm, or -1 for any
    weights: tuple[float, float, float]
    speed_range: tuple[float, float]  # m/s
    normalize: bool
    offroad_terminal: bool


def rules(p: IntersectionParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(
        crossing=crossing(road, MOST),
        initial=p.initial_vehicle_count,
        probability=p.spawn_probability,
        destination=-1 if p.destination == ANYWHERE else OUTER.index(p.destination),
        weights=(p.collision_reward, p.high_speed_reward, p.arrived_reward),
        speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
        normalize=p.normalize_reward,
        offroad_terminal=p.offroad_terminal,
    )


@kernel
def arrive(drive, r, rules, along, spread, speed_spread, straight, others):
    """Let a car come from a random arm, about `along` metres down its lane, to another at random or straight on."""
    begin = int(ARMS * draw(drive, r))
    end = (begin + 1 + int((ARMS - 1) * draw(drive, r))) % ARMS
    end = (begin + 2) % ARMS if straight else end
    along += 5.0 + spread * draw_normal(drive, r)
    come(drive, r, rules.crossing, begin, end, along, 8.0 + speed_spread * draw_normal(drive, r), others)


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: traffic that has driven for a while, the challenger, and the egos with room around them."""
    timing = drive.timing
    for k in range(start, stop):
        r = rows[k]
        for n in range(rules.initial - 1):
            if draw(drive, r) < 0.6:
                arrive(drive, r, rules, 80.0 * n / (rules.initial - 1), 1.0, 1.0, False, drive.vehicles[r])
        for _ in range(round(WARM_UP / timing.dt)):
            substep(
                drive.traffic[r], drive.along[r], drive.lanes, drive.graph, drive.vehicles[r], drive.objects,
                drive.clock[r : r + 1], timing.dt, timing.regulation, timing.connected, drive.predicted[r],
            )  # fmt: skip
        arrive(drive, r, rules, 60.0, 0.1, 0.0, True, drive.vehicles[r])
        drive.egos[r] = -1
        for e in range(drive.egos.shape[1]):
            lane, end = rules.crossing.entries[e], rules.destination
            if end < 0:
                end = 1 + int((ARMS - 1) * draw(drive, r))
            x, y = from_lane(drive.lanes, lane, 60.0 + 5.0 * (1.0 + draw_normal(drive, r)), 0.0)
            heading, speed = heading_at(drive.lanes, lane, 60.0), drive.lanes[lane, ln.SPEED_LIMIT]
            ego = enter(drive, r, drive.ego_kind, x, y, heading, speed)
            if drive.ego_kind == EGO:
                drive.traffic[r, ROUTE, ego] = route(e, end)
            drive.egos[r, e] = ego
            make_room(drive, r, x, y)


@kernel
def make_room(drive, r, x, y):
    """Take those off the road, egos excepted, who are within 20 m of a point."""
    for i in range(drive.vehicles[r] - 1, -1, -1):
        dx, dy = drive.traffic[r, X, i] - x, drive.traffic[r, Y, i] - y
        if dx * dx + dy * dy < 20.0 * 20.0 and not is_ego(drive, r, i):
            leave(drive, r, i)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: rewards and ends, of all egos and of each."""
    outcome, (low, high), egos = drive.outcome, rules.speed_range, drive.egos.shape[1]
    collision, fast, arrival = rules.weights
    for k in range(start, stop):
        r = rows[k]
        t, terms, total, crashed, arrived = drive.traffic[r], outcome.terms[r], 0.0, False, True
        terms[:] = 0.0
        for e in range(egos):
            ego = drive.egos[r, e]
            lane, there = int(t[LANE, ego]), on_exit(drive, r, rules.crossing, ego) >= EXIT
            along, across = to_lane(drive.lanes, lane, t[X, ego], t[Y, ego])
            on_road = is_on(drive.lanes, lane, along, across, 0.0)
            speed = min(max((t[SPEED, ego] - low) / (high - low), 0.0), 1.0)
            reward = arrival if there else collision * t[CRASHED, ego] + fast * speed
            reward = reward if on_road else 0.0
            if rules.normalize:
                reward = (reward - collision) / (arrival - collision)
            outcome.agents_rewards[r, e], outcome.agents_terminated[r, e] = reward, t[CRASHED, ego] != 0 or there
            terms[0] += t[CRASHED, ego] / egos
            terms[1] += speed / egos
            terms[2] += there / egos
            terms[3] += on_road / egos
            total += reward
            crashed, arrived = crashed or t[CRASHED, ego] != 0, arrived and there
            if e == 0 and rules.offroad_terminal and not on_road:
                crashed = True
        outcome.rewards[r], outcome.terminated[r] = total / egos, crashed or arrived


@kernel
def after_rows(start, stop, rows, drive, rules):
    """Row kernel: some leave, and perhaps one comes."""
    for k in range(start, stop):
        r = rows[k]
        clear(drive, r, rules.crossing)
        if draw(drive, r) < rules.probability:
            arrive(drive, r, rules, 0.0, 1.0, 1.0, False, drive.vehicles[r] - drive.egos.shape[1])


def agents(drive: Drive) -> dict:
    """Each ego's own reward and ending."""
    outcome = drive.outcome
    return {"agents_rewards": outcome.agents_rewards, "agents_terminated": outcome.agents_terminated}


Intersection, IntersectionEnv = worlds(
    Scenario(
        name="Intersection",
        params=IntersectionParams,
        lay=lambda p: lay_crossing(),
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: MOST + p.controlled_vehicles,
        start=("o0", "ir0", 0),
        after=after_rows,
        regulated=True,
        info=agents,
        overlaps=True,
    ),
    __name__,
    __doc__,
)
