"""Traffic in a street, and the task: get past what blocks the lane, through a gap in the traffic beside.

On the avenue and the bend the ego is on the right one of two lanes; something blocks that lane ahead, on the left one
cars come from behind and drive beside and ahead, and on two more the others come towards it. Which gap is wide enough
only cameras to the side and to the back can tell. On the other courses cars are anywhere, and one just drives.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import to_lane
from foveal.envs.driving.roads import Road
from foveal.envs.driving.spawning import draw, enter_on_lane, put_object
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    CHANGES_LANES,
    CHECKS_COLLISIONS,
    CRASHED,
    HEADING,
    IDM,
    LANE,
    MAX_ACCELERATION,
    OBSTACLE,
    SPEED,
    TARGET_SPEED,
    X,
    Y,
)
from foveal.envs.rigs.courses import COURSES
from foveal.envs.rigs.params import SurroundRigParams
from foveal.kernels import kernel

TERMS = ("collision_reward", "arrival_reward", "progress_reward", "time_reward")
LEAST_GAP = 6.0  # m, bumper to bumper
START, BLOCK = (180.0, 200.0), (50.0, 90.0)  # m: where the ego starts, and how far ahead the lane is blocked
PAST = 15.0  # m beyond what blocks the lane, to have arrived
REACH = 150.0  # m ahead and behind along which cars are on the lane beside
SPEEDS = (9.0, 12.0)  # m/s, of the others
BRAKING = 3.0  # m/s^2, at most, of the others: who cuts in too closely is run into
APART, TRIES = 12.0, 12  # m between cars anywhere on a road, and how often room for one is looked for


class Rules(NamedTuple):
    """What the kernels below need to know."""

    start: int  # lane of the ego
    oncoming: int  # first lane of those that come towards it, -1 where it is not such a course
    lanes: int  # how many there are
    ride: bool
    blocked: bool
    cars: int  # most others
    gap: float  # m
    top: float  # m/s
    weights: tuple[float, float, float, float]


def rules(p: SurroundRigParams, road: Road) -> Rules:
    """The rules by these parameters."""
    course = COURSES[p.course]
    return Rules(
        start=road.number(course.start),
        oncoming=road.number(("c", "d", 0)) if course.streams else -1,
        lanes=len(road.names()),
        ride=p.ride,
        blocked=blocks(p),
        cars=p.vehicles_count,
        gap=p.gap,
        top=max(p.action_target_speeds[-1], 1e-3),
        weights=(p.collision_reward, p.arrival_reward, p.progress_reward, p.time_reward),
    )


def blocks(p: SurroundRigParams) -> bool:
    """Whether something blocks the lane."""
    return p.blocked and not p.ride and COURSES[p.course].streams


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, the cars, and what blocks the lane."""
    for k in range(start, stop):
        r = rows[k]
        length = drive.lanes[rules.start, ln.LENGTH]
        place = length * draw(drive, r) / 2
        if rules.oncoming >= 0:
            place = START[0] + (START[1] - START[0]) * draw(drive, r)
        kind = IDM if rules.ride else drive.ego_kind
        drive.egos[r, 0] = enter_on_lane(drive, r, kind, rules.start, place, 8.0)
        if rules.blocked:
            at = place + BLOCK[0] + (BLOCK[1] - BLOCK[0]) * draw(drive, r)
            x, y, heading = _on(drive.lanes, rules.start, at)
            put_object(drive, r, 0, OBSTACLE, x, y, heading, 2.0, 2.0)
        if rules.oncoming < 0:
            for _ in range(rules.cars):
                _find_room(drive, r, rules)
        else:
            _stream(drive, r, rules.start - 1, place - REACH, place + REACH, rules.gap, rules.cars * 9 // 20)
            _stream(drive, r, rules.start, place - 60.0, place - 20.0, rules.gap, rules.cars // 10)
            for lane in range(2):
                most = (rules.cars - drive.vehicles[r] + 1) // (2 - lane)
                _stream(drive, r, rules.oncoming + lane, 20.0, length - 20.0, 2 * rules.gap, most)
        for i in range(drive.vehicles[r]):
            if rules.ride:
                drive.traffic[r, CHECKS_COLLISIONS, i] = 0.0


@kernel
def _on(lanes, lane, along):
    """Place (x, y), m, and heading, rad, on the middle of a lane."""
    x, y = ln.from_lane(lanes, lane, along, 0.0)
    return x, y, ln.heading_at(lanes, lane, along)


@kernel
def _stream(drive, r, lane, first, last, gap, most):
    """At most so many cars on a lane from one place to another, m, with gaps that are exponentially distributed."""
    at = first - gap * math.log(1.0 - draw(drive, r))
    for _ in range(most):
        if at > last:
            return
        speed = SPEEDS[0] + (SPEEDS[1] - SPEEDS[0]) * draw(drive, r)
        i = enter_on_lane(drive, r, IDM, lane, at, speed)
        drive.traffic[r, TARGET_SPEED, i] = speed
        drive.traffic[r, CHANGES_LANES, i] = 0.0
        drive.traffic[r, MAX_ACCELERATION, i] = BRAKING
        at += CAR_LENGTH + LEAST_GAP - gap * math.log(1.0 - draw(drive, r))


@kernel
def _find_room(drive, r, rules):
    """Put a car on the middle of any lane, apart from those that are there; or none, after so many tries."""
    t = drive.traffic[r]
    for _ in range(TRIES):
        lane = int(rules.lanes * draw(drive, r))
        x, y, _ = _on(drive.lanes, lane, drive.lanes[lane, ln.LENGTH] * draw(drive, r))
        free = True
        for i in range(drive.vehicles[r]):
            free = free and math.hypot(t[X, i] - x, t[Y, i] - y) > APART
        if free:
            along, _ = to_lane(drive.lanes, lane, x, y)
            i = enter_on_lane(drive, r, IDM, lane, along, SPEEDS[0])
            t[CHANGES_LANES, i] = 0.0
            return


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    for k in range(start, stop):
        r = rows[k]
        t, ego, terms = drive.traffic[r], drive.egos[r, 0], drive.outcome.terms[r]
        along, _ = to_lane(drive.lanes, rules.start, t[X, ego], t[Y, ego])
        lane = int(t[LANE, ego])
        here, _ = to_lane(drive.lanes, lane, t[X, ego], t[Y, ego])
        ahead = math.cos(t[HEADING, ego] - ln.heading_at(drive.lanes, lane, here))
        terms[0] = t[CRASHED, ego]
        terms[1] = 0.0
        if rules.blocked:
            block, _ = to_lane(drive.lanes, rules.start, t[X, drive.objects], t[Y, drive.objects])
            terms[1] = 1.0 if along > block + PAST and t[CRASHED, ego] == 0 else 0.0
        terms[2] = t[SPEED, ego] * ahead / rules.top
        terms[3] = 1.0
        total = 0.0
        for n in range(4):
            total += rules.weights[n] * terms[n]
        drive.outcome.rewards[r] = total
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0 or terms[1] != 0
