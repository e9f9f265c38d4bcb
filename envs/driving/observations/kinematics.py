"""The Kinematics observation on any road: a row of features for the ego and for each vehicle near it.

Source: highway-env 1.12, `envs/common/observation.py` (``KinematicObservation``, ``ExitObservation``) and
`road/road.py` (``close_objects_to``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import from_lane, heading_at, to_lane
from foveal.envs.driving.observations.params import FEATURES, ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.straight import LANE_WIDTH
from foveal.envs.driving.traffic import (
    CAR_LENGTH,
    COS,
    HEADING,
    KIND,
    LANE,
    MAX_SPEED,
    OBSTACLE,
    ROUTE,
    SIN,
    SPEED,
    STAGE,
    X,
    Y,
    wrap_to_pi,
)
from foveal.envs.params import did_you_mean
from foveal.kernels import kernel, launch
from foveal.rng import uniform

PERCEPTION_DISTANCE = 5.0 * MAX_SPEED  # m
_UNIT = ("presence", "cos_h", "sin_h", "cos_d", "sin_d")
_UNBOUNDED = float(np.finfo(np.float32).max)  # finite, for the sake of those who sample a space
_SHUFFLE = 1 << 40  # where the numbers that shuffle begin in the episode's random stream


class Choice(NamedTuple):
    """What is observed, as kernels read it."""

    features: NDArray[np.int64]  # (F,) places in FEATURES
    ranges: NDArray[np.float64]  # (F, 2) mapped to [-1, 1]; NaN: not mapped
    absolute: bool
    clip: bool
    see_behind: bool
    intentions: bool
    shuffled: bool
    exit_lane: int  # the ego's x is its place along this lane, and road objects are not seen; -1: not so


class Kinematics:
    """Observations (E, S, F) float32 of E egos, (S, F) of a single one: slot 0 is the ego, then come those near it.

    The slots are sorted by the distance along the ego's lane, or `shuffled` anew in every step; absent ones are zero.

    Args:
        sight: What there is to be seen.
        vehicles_count: Slots S.
        features: Names from `FEATURES`.
        ranges: Feature -> (low, high), mapped to [-1, 1].
        absolute: Places and velocities of others as they are, not relative to the ego.
        clip: Clip mapped features to [-1, 1].
        see_behind: Observe vehicles more than 10 m behind too.
        intentions: Observe the others' destinations too.
        shuffled: In random order instead of sorted.
        exit_lane: Number of the lane along which the ego's x is given, those near it being vehicles only; None for x
            as it is, and road objects too.

    Raises:
        ValueError: for an unknown feature (it names the nearest), or an empty range.
    """

    def __init__(
        self,
        sight: Sight,
        *,
        vehicles_count: int = 5,
        features: Sequence[str] = ("presence", "x", "y", "vx", "vy"),
        ranges: Mapping[str, tuple[float, float]] | None = None,
        absolute: bool = False,
        clip: bool = True,
        see_behind: bool = False,
        intentions: bool = False,
        shuffled: bool = False,
        exit_lane: int | None = None,
    ) -> None:
        for name in (*features, *(ranges or {})):
            if name not in FEATURES:
                raise ValueError(f"unknown observation feature {name!r}{did_you_mean(name, list(FEATURES))}")
        bounds = {name: (float(low), float(high)) for name, (low, high) in (ranges or {}).items()}
        if empty := [name for name, (low, high) in bounds.items() if not low < high]:
            raise ValueError(f"range of observation feature {empty[0]!r}: {bounds[empty[0]]} must be increasing")
        self._sight = sight
        rows, egos = sight.egos.shape
        self._choice = Choice(
            features=np.array([FEATURES.index(name) for name in features]),
            ranges=np.array([bounds.get(name, (np.nan, np.nan)) for name in features]).reshape(-1, 2),
            absolute=absolute,
            clip=clip,
            see_behind=see_behind,
            intentions=intentions,
            shuffled=shuffled,
            exit_lane=-1 if exit_lane is None else exit_lane,
        )
        high = np.array([1.0 if name in _UNIT or (clip and name in bounds) else _UNBOUNDED for name in features])
        low = np.where(np.array(features) == "presence", 0.0, -high)
        slots = (vehicles_count, len(features))
        shape = slots if egos == 1 else (egos, *slots)
        self.space = spaces.Box(
            np.broadcast_to(low, shape).astype(np.float32), np.broadcast_to(high, shape).astype(np.float32)
        )
        self.array = np.zeros((rows, *shape), np.float32)
        self.observed = np.full((rows, egos, vehicles_count), -1, np.int64)
        self._distance = np.zeros((rows, sight.traffic.shape[2]))

    @classmethod
    def from_params(cls, p: ObservationParams, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        return cls._from_params(p, sight, road, start)

    @classmethod
    def _from_params(
        cls, p: ObservationParams, sight: Sight, road: Road, start: Name, exit_lane: int | None = None
    ) -> Self:
        reach = {
            "x": p.observation_range_x,
            "y": p.observation_range_y or LANE_WIDTH * len(road.names_of(start)),
            "vx": p.observation_range_vx,
            "vy": p.observation_range_vy,
        }
        ranges = {name: (-reach[name], reach[name]) for name in reach if name in p.observation_features}
        return cls(
            sight,
            vehicles_count=p.observation_vehicles_count,
            features=p.observation_features,
            ranges=ranges if p.observation_normalize else {},
            absolute=p.observation_absolute,
            clip=p.observation_clip,
            see_behind=p.observation_see_behind,
            intentions=p.observation_intentions,
            shuffled=p.observation_order == "shuffled",
            exit_lane=exit_lane,
        )

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`, and who is in which slot into `observed`."""
        array = self.array.reshape(*self.observed.shape, -1)  # (N, E, S, F), of a single ego too
        launch(observe_rows, rows.size, rows, self._sight, self._choice, self._distance, self.observed, array)


class Exit(Kinematics):
    """Kinematics where the ego's x is its place along the road's exit lane, and others are vehicles only.

    On a road without an exit it is the lane on which the ego starts.
    """

    @classmethod
    def from_params(cls, p: ObservationParams, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        return cls._from_params(p, sight, road, start, road.number(road.exit or start))


@kernel
def observe_rows(start, stop, rows, sight, choice, distances, observed, array):
    """Row kernel: write the observations (E, S, F) of each row."""
    for k in range(start, stop):
        r = rows[k]
        t = sight.traffic[r]
        for e in range(sight.egos.shape[1]):
            ego, slots = sight.egos[r, e], observed[r, e]
            choose(t, sight.lanes, sight.vehicles[r], sight.objects, ego, choice, distances[r], slots)
            if choice.shuffled:
                shuffle(slots, sight.seed[r], sight.episode[r], sight.clock[r])
            for slot in range(slots.size):
                if slots[slot] < 0:
                    array[r, e, slot] = 0
                    continue
                for f in range(choice.features.size):
                    value = feature(t, sight.lanes, sight.graph, ego, slots[slot], choice.features[f], choice)
                    low, high = choice.ranges[f, 0], choice.ranges[f, 1]
                    if low == low:
                        value = -1 + (value - low) * 2 / (high - low)
                        value = min(max(value, -1.0), 1.0) if choice.clip else value
                    array[r, e, slot, f] = value


@kernel
def choose(t, lanes, count, objects, ego, choice, distances, slots):
    """Fill the slots (S,) with the ego and those near it, -1 where there are no more; `distances` (C,) is scratch."""
    lane = int(t[LANE, ego])
    here, _ = to_lane(lanes, lane, t[X, ego], t[Y, ego])
    distances[:] = np.inf
    columns = t.shape[1]
    for other in range(columns):
        if other == ego or count <= other < objects or (choice.exit_lane >= 0 and other >= objects):
            continue
        dx, dy = t[X, other] - t[X, ego], t[Y, other] - t[Y, ego]
        if math.sqrt(dx * dx + dy * dy) < PERCEPTION_DISTANCE:
            ahead = to_lane(lanes, lane, t[X, other], t[Y, other])[0] - here
            if ahead > -2 * CAR_LENGTH or (choice.see_behind and other < count):
                listed = choice.shuffled and choice.exit_lane < 0  # the first ones in list order
                distances[other] = 0.0 if listed else abs(ahead)
    slots[0] = ego
    for slot in range(1, slots.size):
        nearest, chosen = np.inf, np.int64(-1)
        for other in range(columns):
            if distances[other] < nearest:
                nearest, chosen = distances[other], np.int64(other)
        slots[slot] = chosen
        if chosen >= 0:
            distances[chosen] = np.inf


@kernel
def shuffle(slots, seed, episode, clock):
    """Put all slots but the first in random order (Fisher and Yates)."""
    for last in range(slots.size - 1, 1, -1):
        draw = uniform(seed, episode, _SHUFFLE + clock * 256 + last)
        other = 1 + int(draw * last)
        slots[last], slots[other] = slots[other], slots[last]


@kernel
def feature(t, lanes, graph, ego, i, name, choice):
    """One feature (its place in FEATURES) of vehicle or object `i` as `ego` observes it."""
    if name == 0:
        return 1.0
    if name <= 4:
        if name == 1 and i == ego and choice.exit_lane >= 0:
            return to_lane(lanes, choice.exit_lane, t[X, i], t[Y, i])[0]
        value = place_or_velocity(t, i, name)
        return value if choice.absolute or i == ego else value - place_or_velocity(t, ego, name)
    if name == 5:
        return t[HEADING, i]
    if name == 6:
        return t[COS, i]
    if name == 7:
        return t[SIN, i]
    if name <= 9:
        return destination(t, lanes, graph, i, name - 8) if choice.intentions or i == ego else 0.0
    lane = int(t[LANE, i])
    ahead, across = to_lane(lanes, lane, t[X, i], t[Y, i])
    if name == 10:
        return ahead
    return across if name == 11 else wrap_to_pi(t[HEADING, i] - heading_at(lanes, lane, ahead))


@kernel
def place_or_velocity(t, i, name):
    """x, y, m, vx or vy, m/s, by its place in FEATURES."""
    if name == 1:
        return t[X, i]
    if name == 2:
        return t[Y, i]
    return t[SPEED, i] * (t[COS, i] if name == 3 else t[SIN, i])


@kernel
def destination(t, lanes, graph, i, axis):
    """One axis of the unit vector from vehicle `i` to the end of its route; 0 without one."""
    if t.shape[0] <= ROUTE or t[ROUTE, i] < 0 or t[KIND, i] >= OBSTACLE:
        return 0.0
    route = graph[roads.ROUTES] + int(t[ROUTE, i])
    last = graph[route + 1] - 1
    if graph[route] + int(t[STAGE, i]) > last:
        return 0.0
    named = graph[graph[roads.PLACES] + last]
    lane = int(graph[graph[roads.STAGES] + last] + max(named, 0))
    x, y = from_lane(lanes, lane, lanes[lane, ln.LENGTH], 0.0)
    dx, dy = x - t[X, i], y - t[Y, i]
    norm = math.sqrt(dx * dx + dy * dy)
    return (dx if axis == 0 else dy) / norm if norm > 0 else 0.0
