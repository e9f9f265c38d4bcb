"""Where vehicles are about to drive: the lanes ahead of each, and the points where two such paths meet.

A path is a vehicle's closest lane and those that follow: its route's, or the closest ones. Two lanes have a conflict
point where their centre lines cross; two paths also where they come together in one lane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import from_lane, to_lane
from foveal.envs.driving.navigation import closest_of_road, next_stage, starts_at
from foveal.envs.driving.traffic import LANE, ROUTE, X, Y
from foveal.kernels import kernel

HOPS = 5  # lanes of a path
_SPACING = 1.0  # m, of the points on a centre line


def conflict_points(lanes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Where the centre lines of `count` lanes cross: (L, L, 2) metres along the one and along the other, or NaN.

    Lanes that begin at one point, or follow one another, do not cross there.
    """
    points, alongs = [], []
    for lane in range(count):
        length = lanes[lane, ln.LENGTH]
        pieces = 1 if lanes[lane, ln.KIND] == ln.STRAIGHT else max(2, int(length / _SPACING) + 1)
        alongs.append(np.linspace(0, length, pieces + 1))
        points.append(np.array([from_lane(lanes, lane, s, 0.0) for s in alongs[-1]]))
    found = np.full((count, count, 2), np.nan)
    for i in range(count):
        for j in range(count):
            if lanes[i, ln.ROAD] != lanes[j, ln.ROAD]:
                found[i, j] = _crossing(points[i], alongs[i], points[j], alongs[j])
    return found


def _crossing(
    a: NDArray[np.float64], along_a: NDArray[np.float64], b: NDArray[np.float64], along_b: NDArray[np.float64]
) -> tuple[float, float]:
    """The first crossing, along the first, of polylines (P, 2) and (Q, 2), as places along both; NaN for none."""
    first = (np.nan, np.nan)
    if (a.max(0) + 1e-6 < b.min(0)).any() or (b.max(0) + 1e-6 < a.min(0)).any():
        return first
    step_a, step_b = np.diff(a, axis=0)[:, None], np.diff(b, axis=0)[None]  # (P-1, 1, 2), (1, Q-1, 2)
    apart = b[None, :-1] - a[:-1, None]
    turn = step_a[..., 0] * step_b[..., 1] - step_a[..., 1] * step_b[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (apart[..., 0] * step_b[..., 1] - apart[..., 1] * step_b[..., 0]) / turn
        u = (apart[..., 0] * step_a[..., 1] - apart[..., 1] * step_a[..., 0]) / turn
    slack = 1e-9
    met = (np.abs(turn) > 1e-9) & (s >= -slack) & (s <= 1 + slack) & (u >= -slack) & (u <= 1 + slack)
    for p, q in zip(*np.nonzero(met), strict=True):
        at_a = along_a[p] + s[p, q] * (along_a[p + 1] - along_a[p])
        at_b = along_b[q] + u[p, q] * (along_b[q + 1] - along_b[q])
        begins_a, begins_b = at_a < 0.5, at_b < 0.5
        ends_a, ends_b = at_a > along_a[-1] - 0.5, at_b > along_b[-1] - 0.5
        linked = (begins_a and (begins_b or ends_b)) or (begins_b and ends_a)
        if not linked and not at_a >= first[0]:
            first = float(at_a), float(at_b)
    return first


@kernel
def find_path(t, lanes, graph, i, path):
    """Write vehicle `i`'s closest lane and those it will take after that into `path` (H,), -1 behind the last."""
    lane = int(t[LANE, i])
    path[:] = -1
    path[0] = lane
    stage, beyond = stages_ahead(t, graph, i)
    for hop in range(1, path.size):
        stage = stage_on(lanes, graph, lane, stage, beyond)
        following = lane_after(lanes, graph, lane, stage)
        if following < 0:
            return
        path[hop] = lane = following


@kernel
def stages_ahead(t, graph, i):
    """The first stage of vehicle `i`'s route that it has not left behind, and the end of them; -1 without one."""
    if t.shape[0] <= ROUTE or t[ROUTE, i] < 0:
        return np.int64(-1), np.int64(-1)
    return next_stage(t, graph, i), graph[graph[roads.ROUTES] + int(t[ROUTE, i]) + 1]


@kernel
def stage_on(lanes, graph, lane, stage, beyond):
    """The stage to take after `lane`: the next one where this one lies on the lane's road."""
    if stage >= 0 and lanes[graph[graph[roads.STAGES] + stage], ln.ROAD] == lanes[lane, ln.ROAD]:
        return stage + 1 if stage + 1 < beyond else np.int64(-1)
    return stage


@kernel
def lane_after(lanes, graph, lane, stage):
    """The lane that follows on a lane: on the route's stage (-1: none), else the closest; -1 where the road ends."""
    x, y = from_lane(lanes, lane, lanes[lane, ln.LENGTH], 0.0)
    to = int(lanes[lane, ln.TO])
    if stage >= 0:
        road = graph[graph[roads.STAGES] + stage]
        if starts_at(graph, road, to):
            return closest_of_road(lanes, lane, road, graph[graph[roads.PLACES] + stage], x, y)[0]
    nearest, chosen = np.inf, np.int64(-1)
    exits = graph[roads.EXITS] + to
    for k in range(graph[exits], graph[exits + 1]):
        road = graph[graph[roads.EXIT_ROADS] + k]
        following, away = closest_of_road(lanes, lane, road, roads.ANY_PLACE, x, y)
        if away < nearest:
            nearest, chosen = away, following
    return chosen


@kernel
def conflict(t, lanes, conflicts, i, path, j, other_path):
    """Metres that vehicles `i` and `j` have to go to the first point, on the way of `i`, where their paths meet.

    (NaN, NaN) where they do not, or where one has passed it or drives on the other's lane already.
    """
    first, second = np.nan, np.nan
    before = -to_lane(lanes, path[0], t[X, i], t[Y, i])[0]
    start = -to_lane(lanes, other_path[0], t[X, j], t[Y, j])[0]
    for a in range(path.size):
        lane = path[a]
        if lane < 0:
            break
        other_before = start
        for b in range(other_path.size):
            other = other_path[b]
            if other < 0:
                break
            if lane == other:
                if a > 0 and b > 0 and first != first and before > 0 and other_before > 0:
                    return before, other_before
                return first, second
            mine, theirs = before + conflicts[lane, other, 0], other_before + conflicts[lane, other, 1]
            if mine > 0 and theirs > 0 and not mine >= first:
                first, second = mine, theirs
            other_before += lanes[other, ln.LENGTH]
        before += lanes[lane, ln.LENGTH]
    return first, second
