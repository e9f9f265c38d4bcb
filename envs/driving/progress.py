"""How far a vehicle has come along its lanes, or its route, from one step to the next.

Only the way along centre lines counts: who weaves comes no further, who spins comes nowhere, who drives back loses.
The sum over steps depends on where a vehicle began and where it is, not on how it went there.
"""

from __future__ import annotations

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import is_on, to_lane
from foveal.envs.driving.navigation import same_road
from foveal.envs.driving.paths import HOPS, lane_after
from foveal.envs.driving.regulation import stage_lane
from foveal.envs.driving.traffic import LANE, ROUTE, X, Y
from foveal.kernels import kernel


@kernel
def on_road(t, lanes, i):
    """Whether the centre of vehicle `i` lies on its closest lane."""
    lane = int(t[LANE, i])
    along, across = to_lane(lanes, lane, t[X, i], t[Y, i])
    return is_on(lanes, lane, along, across, 0.0)


@kernel
def has_route(t, i):
    """Whether vehicle `i` has a planned route."""
    return t.shape[0] > ROUTE and t[ROUTE, i] >= 0


@kernel
def left_of_route(t, lanes, graph, i):
    """Metres from vehicle `i` to the end of its route; NaN where it is on none of the route's roads."""
    lane, left = int(t[LANE, i]), np.nan
    route = graph[roads.ROUTES] + int(t[ROUTE, i])
    for stage in range(graph[route], graph[route + 1]):
        if left == left:
            left += lanes[stage_lane(graph, stage, 0), ln.LENGTH]
        elif same_road(lanes, lane, graph[graph[roads.STAGES] + stage]):
            left = lanes[lane, ln.LENGTH] - to_lane(lanes, lane, t[X, i], t[Y, i])[0]
    return left


@kernel
def advance_on_lanes(t, lanes, graph, i, x, y, lane):
    """Metres that vehicle `i` has come along its lanes since it was at (x, y) with `lane` the closest.

    0 where neither lane leads to the other within `HOPS` lanes.
    """
    now = int(t[LANE, i])
    if same_road(lanes, lane, now):  # both on the present lane's centre line
        return to_lane(lanes, now, t[X, i], t[Y, i])[0] - to_lane(lanes, now, x, y)[0]
    was_along, _ = to_lane(lanes, lane, x, y)
    along, _ = to_lane(lanes, now, t[X, i], t[Y, i])
    on, back = way_to(lanes, graph, lane, now), way_to(lanes, graph, now, lane)
    on, back = on - was_along + along, along - was_along - back
    if on == on and (back != back or abs(on) <= abs(back)):  # both, on a ring
        return on
    return back if back == back else 0.0


@kernel
def way_to(lanes, graph, start, goal):
    """Metres from the start of a lane to that of a later one, by the closest lanes; NaN where it does not come."""
    way, lane = 0.0, np.int64(start)
    for _ in range(HOPS):
        way += lanes[lane, ln.LENGTH]
        exits = graph[roads.EXITS] + int(lanes[lane, ln.TO])
        for k in range(graph[exits], graph[exits + 1]):
            if same_road(lanes, graph[graph[roads.EXIT_ROADS] + k], goal):
                return way
        lane = lane_after(lanes, graph, lane, np.int64(-1))
        if lane < 0:
            break
    return np.nan
