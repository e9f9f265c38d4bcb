"""Where vehicles are on a road network, who drives before and behind them, and how they follow their routes.

Kernels work on one row: its traffic `t` (K, C), `along` (C, L) and the compiled road (`lanes`, `graph`).
``along[i, l]`` is vehicle i's local coordinate on lane l where it counts as on that lane (a metre beside it included),
NaN elsewhere. Vehicles 0 to `count` - 1 are in list order, which decides ties; road objects stand in the columns from
`objects` on.

Source: highway-env 1.12, `road/road.py` and `vehicle/controller.py`.
"""

from __future__ import annotations

import math

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.grid import CELL
from foveal.envs.driving.lanes import distance, from_lane, heading_at, is_on, to_lane
from foveal.envs.driving.motion import direction
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    COS,
    HEADING,
    KIND,
    LANDMARK,
    LANE,
    NEIGHBOUR_MARGIN,
    ROUTE,
    SIN,
    STAGE,
    TARGET_LANE,
    X,
    Y,
    wrap_to_pi,
)
from foveal.kernels import inlined, kernel


@kernel
def settle(t, along, lanes, graph, i):
    """Bring what follows from vehicle `i`'s place and heading up to date: its direction, closest lane and `along`."""
    settle_here(t, along, lanes, graph, i)


@inlined
def settle_here(t, along, lanes, graph, i):
    """`settle` as a part of its caller, for the hottest one."""
    heading = t[HEADING, i]
    t[COS, i], t[SIN, i] = direction(heading)
    x, y = t[X, i], t[Y, i]
    row = along[i]
    row[:] = np.nan
    nearest, closest = np.inf, 0
    column = math.floor((x - graph[roads.CELL_X]) / CELL)
    line = math.floor((y - graph[roads.CELL_Y]) / CELL)
    if 0 <= column < graph[roads.CELL_COLUMNS] and 0 <= line < graph[roads.CELL_ROWS]:
        start = graph[roads.CELLS] + line * graph[roads.CELL_COLUMNS] + column
        for k in range(graph[roads.CELL_LANES] + graph[start], graph[roads.CELL_LANES] + graph[start + 1]):
            lane = graph[k]
            ahead, across = to_lane(lanes, lane, x, y)
            if is_on(lanes, lane, ahead, across, NEIGHBOUR_MARGIN):
                row[lane] = ahead
            away = distance(lanes, lane, ahead, across) + abs(wrap_to_pi(heading - heading_at(lanes, lane, ahead)))
            if away < nearest:
                nearest, closest = away, lane
    if nearest > graph[roads.REACH]:  # lanes that the cell leaves out may be as close
        for lane in range(along.shape[1]):
            ahead, across = to_lane(lanes, lane, x, y)
            away = distance(lanes, lane, ahead, across) + abs(wrap_to_pi(heading - heading_at(lanes, lane, ahead)))
            if away < nearest or (away == nearest and lane < closest):
                nearest, closest = away, lane
    t[LANE, i] = closest


@inlined
def position_on(t, along, lanes, lane, i):
    """Vehicle `i`'s local coordinate, metres, along any lane."""
    known = along[i, lane]
    return known if known == known else to_lane(lanes, lane, t[X, i], t[Y, i])[0]


@kernel
def neighbours(t, along, lanes, graph, count, objects, connected, i, lane):
    """The vehicles or obstacles before and behind vehicle `i` on a lane, -1 for none.

    With `connected`, the lanes that follow on it and lead to it are searched too. Of leaders at the same place the
    last in list order counts, of followers the first.
    """
    place = position_on(t, along, lanes, lane, i)
    front, rear = np.int64(-1), np.int64(-1)
    front_at, rear_at = np.inf, -np.inf
    near = graph[roads.NEAR] + lane
    first, last = graph[near], (graph[near + 1] if connected else graph[near])
    for k in range(count + along.shape[0] - objects):
        other = k if k < count else objects + k - count
        if other == i or t[KIND, other] == LANDMARK:
            continue
        at = along[other, lane]
        if at != at:
            for n in range(first, last):
                beside = graph[graph[roads.NEAR_LANES] + n]
                at = along[other, beside]
                if at == at:
                    after = graph[graph[roads.NEAR_AFTER] + n] != 0
                    at += lanes[lane, ln.LENGTH] if after else -lanes[beside, ln.LENGTH]
                    break
            if at != at:
                continue
        if place <= at and at <= front_at:
            front_at, front = at, np.int64(other)
        if at < place and at > rear_at:
            rear_at, rear = at, np.int64(other)
    return front, rear


@inlined
def lane_distance(t, along, lanes, i, other):
    """Metres from vehicle `i` to another along the lane of `i`."""
    lane = int(t[LANE, i])
    return position_on(t, along, lanes, lane, other) - position_on(t, along, lanes, lane, i)


@inlined
def same_road(lanes, lane, other):
    """Whether two lanes lie side by side on one road."""
    return lanes[int(lane), ln.ROAD] == lanes[int(other), ln.ROAD]


@kernel
def on_road(t, lanes, i):
    """Whether vehicle `i` is on its closest lane, not beside it."""
    lane = int(t[LANE, i])
    ahead, across = to_lane(lanes, lane, t[X, i], t[Y, i])
    return is_on(lanes, lane, ahead, across, 0.0)


@inlined
def follow_road(t, lanes, graph, i):
    """At the end of its target lane, let vehicle `i` steer for the next one: its route's, or the closest."""
    target = int(t[TARGET_LANE, i])
    ahead, _ = to_lane(lanes, target, t[X, i], t[Y, i])
    if ahead > lanes[target, ln.LENGTH] - CAR_LENGTH / 2:
        t[TARGET_LANE, i] = next_lane(t, lanes, graph, i, target, ahead)


@kernel
def next_lane(t, lanes, graph, i, current, ahead):
    """The lane to take after `current` for vehicle `i`, which is `ahead` metres along it; `current` where none is."""
    x, y = from_lane(lanes, current, ahead, 0.0)
    road, to, place = stage_after(t, lanes, graph, i, current)
    if road >= 0:
        return closest_of_road(lanes, current, road, place, x, y)[0]
    nearest, chosen = np.inf, np.int64(current)
    exits = graph[roads.EXITS] + to
    for k in range(graph[exits], graph[exits + 1]):
        first = graph[graph[roads.EXIT_ROADS] + k]
        lane, away = closest_of_road(lanes, current, first, roads.ANY_PLACE, x, y)
        if away < nearest:
            nearest, chosen = away, lane
    return chosen


@kernel
def stage_after(t, lanes, graph, i, current):
    """The road (its first lane) and the place on it that vehicle `i`'s route takes next, and the node before it.

    A stage that lies on the present road is left behind first. Without a route, or where it does not go on from here,
    the road is -1.
    """
    to = int(lanes[current, ln.TO])
    stage = next_stage(t, graph, i)
    if stage >= 0 and lanes[graph[graph[roads.STAGES] + stage], ln.ROAD] == lanes[current, ln.ROAD]:
        t[STAGE, i] += 1
        stage = next_stage(t, graph, i)
    if stage >= 0:
        road = graph[graph[roads.STAGES] + stage]
        if starts_at(graph, road, to):
            return road, to, graph[graph[roads.PLACES] + stage]
    return np.int64(-1), to, np.int64(roads.ANY_PLACE)


@kernel
def next_stage(t, graph, i):
    """Where in the lists of stages the first one stands that vehicle `i` has not left behind; -1 without one."""
    if t[ROUTE, i] < 0:
        return np.int64(-1)
    route = graph[roads.ROUTES] + int(t[ROUTE, i])
    stage = graph[route] + np.int64(t[STAGE, i])
    return stage if stage < graph[route + 1] else np.int64(-1)


@kernel
def route_place(t, graph, i):
    """The place among its road's lanes that the next stage of vehicle `i`'s route names, or `roads.ANY_PLACE`."""
    stage = next_stage(t, graph, i)
    return graph[graph[roads.PLACES] + stage] if stage >= 0 else np.int64(roads.ANY_PLACE)


@kernel
def starts_at(graph, road, node):
    """Whether a road (by its first lane) starts at a node."""
    exits = graph[roads.EXITS] + node
    for k in range(graph[exits], graph[exits + 1]):
        if graph[graph[roads.EXIT_ROADS] + k] == road:
            return True
    return False


@kernel
def closest_of_road(lanes, current, road, place, x, y):
    """The lane to take on the next road (by its first lane), and its L1 distance, metres, from (x, y).

    On a road with as many lanes as the current one that is the same place, or `place` where the route names one; else
    the closest lane.
    """
    if lanes[current, ln.SIBLINGS] == lanes[road, ln.SIBLINGS]:
        lane = road + (place if place >= 0 else np.int64(lanes[current, ln.PLACE]))
        ahead, across = to_lane(lanes, lane, x, y)
        return lane, distance(lanes, lane, ahead, across)
    nearest, chosen = np.inf, np.int64(road)
    for lane in range(road, road + int(lanes[road, ln.SIBLINGS])):
        ahead, across = to_lane(lanes, lane, x, y)
        away = distance(lanes, lane, ahead, across)
        if away < nearest:
            nearest, chosen = away, np.int64(lane)
    return chosen, nearest
