"""The TimeToCollision observation: when the ego would hit whom, by its lane and its speed.

Source: highway-env 1.12, `envs/common/observation.py` (``TimeToCollisionObservation``), `envs/common/finite_mdp.py`
(``compute_ttc_grid``) and `road/road.py` (``is_connected_road``).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import to_lane
from foveal.envs.driving.motion import speed_to_index
from foveal.envs.driving.navigation import next_stage, starts_at
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.traffic import (
    COS,
    EGO,
    KIND,
    LANE,
    LENGTH,
    ROUTE,
    SIN,
    SPEED,
    SPEED_INDEX,
    TARGET_SPEED,
    X,
    Y,
    not_zero,
)
from foveal.kernels import kernel, launch

WINDOW = 3  # speeds, and lanes, that are observed: the ego's own and those beside it
DEPTH = 3  # roads ahead on which vehicles are still in the way


class Grid(NamedTuple):
    """The axis of time."""

    cell: float  # s


class TimeToCollision:
    """Observations (E, 3, 3, T) float32 of E egos, (3, 3, T) of a single one: the costs, 0 to 1, of colliding.

    The axes are the target speed (one slower, the present one, one faster), the lane (left, own, right) and the time
    ahead in steps: 1 where the ego, on that lane at that speed, would then be where another vehicle is, 0.5 where it
    would touch it; each time to collision counts for the step before and the step behind it. The others keep their
    lanes and speeds. Beyond the slowest and the fastest speed that one repeats; lanes beside the road are 1.

    Args:
        sight: What there is to be seen.
        steps: Steps T.
        step_time: Seconds from one to the next.
    """

    observed: NDArray[np.int64] | None = None

    def __init__(self, sight: Sight, *, steps: int, step_time: float) -> None:
        self._sight, self._grid = sight, Grid(step_time)
        rows, egos = sight.egos.shape
        shape = (WINDOW, WINDOW, steps)
        self.space = spaces.Box(0.0, 1.0, shape if egos == 1 else (egos, *shape), np.float32)
        self.array = np.zeros((rows, *self.space.shape), np.float32)

    @classmethod
    def from_params(cls, p: Any, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        step_time = 1 / p.policy_frequency
        return cls(sight, steps=int(p.observation_horizon / step_time), step_time=step_time)

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        array = self.array.reshape(*self._sight.egos.shape, *self.array.shape[-3:])  # (N, E, 3, 3, T)
        launch(observe_rows, rows.size, rows, self._sight, self._grid, array)


@kernel
def observe_rows(start, stop, rows, sight, grid, array):
    """Row kernel: write the observations (E, 3, 3, T) of each row."""
    lanes, speeds = sight.lanes, sight.speeds
    for k in range(start, stop):
        r = rows[k]
        t = sight.traffic[r]
        for e in range(sight.egos.shape[1]):
            ego, costs = sight.egos[r, e], array[r, e]
            lane = int(t[LANE, ego])
            place, siblings = int(lanes[lane, ln.PLACE]), int(lanes[lane, ln.SIBLINGS])
            present = speed_index(t, ego, speeds)
            for beside in range(WINDOW):
                costs[:, beside] = 0.0 if 0 <= place + beside - 1 < siblings else 1.0
            for other in range(sight.vehicles[r]):
                if other != ego and in_the_way(t, lanes, sight.graph, ego, other):
                    for window in range(WINDOW):
                        chosen = min(max(present + window - 1, 0), speeds.size - 1)
                        mark(t, lanes, ego, other, speeds[chosen], grid.cell, costs[window])


@kernel
def speed_index(t, ego, speeds):
    """Which of the target speeds the ego has chosen; one that is steered, the nearest to its speed."""
    if t[KIND, ego] != EGO:
        return speed_to_index(t[SPEED, ego], speeds)
    # On the highway's own kernels no index is kept.
    return int(t[SPEED_INDEX, ego]) if t.shape[0] > SPEED_INDEX else speed_to_index(t[TARGET_SPEED, ego], speeds)


@kernel
def mark(t, lanes, ego, other, speed, cell, costs):
    """Mark the times at which `ego` at `speed` meets `other` in `costs` (3, T), those of one speed."""
    if speed == t[SPEED, other]:
        return
    lane, theirs = int(t[LANE, ego]), int(t[LANE, other])
    gap = to_lane(lanes, lane, t[X, other], t[Y, other])[0] - to_lane(lanes, lane, t[X, ego], t[Y, ego])[0]
    along = t[COS, other] * t[COS, ego] + t[SIN, other] * t[SIN, ego]
    closing = not_zero(speed - t[SPEED, other] * along)
    margin = t[LENGTH, other] / 2 + t[LENGTH, ego] / 2
    place, siblings = int(lanes[lane, ln.PLACE]), int(lanes[lane, ln.SIBLINGS])
    same = siblings == lanes[theirs, ln.SIBLINGS]  # else it may come to be on any lane
    for point in range(-1, 2):
        time = (gap + point * margin) / closing
        if time < 0:
            continue
        cost = 1.0 if point == 0 else 0.5
        for step in (math.floor(time / cell), math.ceil(time / cell)):
            if step >= costs.shape[1]:
                continue
            for beside in range(WINDOW):
                at = place + beside - 1
                if 0 <= at < siblings and (not same or at == lanes[theirs, ln.PLACE]):
                    costs[beside, int(step)] = max(costs[beside, int(step)], cost)


@kernel
def in_the_way(t, lanes, graph, ego, other):
    """Whether `other` is on a road that `ego` comes to within `DEPTH` roads, or on one that leads to such a road.

    The ways ahead are tried one after another: each follows the ego's route, and where that does not go on takes the
    exits that the digits of its number name, in a system whose bases are how many exits there are.
    """
    road, theirs = int(lanes[int(t[LANE, ego]), ln.FIRST]), int(lanes[int(t[LANE, other]), ln.FIRST])
    stage = next_stage(t, graph, ego)
    end = stage if stage < 0 else graph[graph[roads.ROUTES] + int(t[ROUTE, ego]) + 1]
    way, ways = 0, 1
    while way < ways:
        met, turns = meets(lanes, graph, road, theirs, stage, end, way)
        if met:
            return True
        way, ways = way + 1, max(ways, turns)
    return False


@kernel
def meets(lanes, graph, road, theirs, stage, end, way):
    """Whether a way ahead meets or is joined by `theirs` (roads by their first lanes), and how many ways there are.

    The route's stages from `stage` to before `end` are still ahead.
    """
    into, turns, depth = int(lanes[theirs, ln.TO]), 1, DEPTH
    while road != theirs and not starts_at(graph, road, into):
        if depth == 0:
            return False, turns
        following = graph[graph[roads.STAGES] + stage] if stage < end else np.int64(-1)
        if following == road:
            stage += 1
            continue
        to = int(lanes[road, ln.TO])
        if following >= 0 and starts_at(graph, following, to):
            road, stage = int(following), stage + 1
        else:
            exits = graph[roads.EXITS] + to
            count = graph[exits + 1] - graph[exits]
            if count == 0:
                return False, turns
            road = int(graph[graph[roads.EXIT_ROADS] + graph[exits] + way % count])
            way, turns = way // count, turns * count
        depth -= 1
    return True, turns
