"""How near the ego is to a crash: measures of each neighbour, of the six slots around the ego, and a key of the scene.

With the parameter ``risk=True`` every step's ``info["risk"]`` holds four arrays, and scenes hold a `SceneRisk`:

``neighbours`` (N, S, 8) float32
    `MEASURES` of the vehicle or obstacle in each slot of the observation (slot 0, the ego's, and empty slots hold what
    means no risk). Where the observation has no slots, the nearest ones, by distance between centres.
``row`` (N, 8) float32
    The worst over all vehicles and obstacles within `REACH`, observed or not: the least of times and distances, the
    greatest deceleration; the times to a conflict point are those of the least difference.
``slots`` (N, 6, 3) float32
    `SLOTS` x (gap m, closing speed m/s, time to collision s): the nearest vehicle or obstacle ahead and behind on the
    lane to the left, the own lane and the one to the right, bumper to bumper; `FAR`, 0, `NEVER` for nobody.
``key`` (N,) uint64
    The scene in bins; see `scene_key`.

On the ego's lane, or one beside it, counts who is on it or within a metre of it, as for the traffic itself; the lanes
that follow on it for `HOPS` lanes (along the ego's route), and those that lead to it, belong to it. With several egos
each array has an axis E after N.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import roads
from foveal.envs.driving.lanes import heading_at, is_on, is_reachable, to_lane
from foveal.envs.driving.motion import speed_to_index
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.paths import HOPS, conflict, conflict_points, find_path, lane_after, stage_on, stages_ahead
from foveal.envs.driving.surrogates import (
    FAR,
    NEVER,
    deceleration_to_avoid,
    rectangle_distance,
    rectangles_meet,
    time_headway,
    time_to_collision,
    time_to_point,
)
from foveal.envs.driving.traffic import (
    ACCELERATION,
    EGO,
    HEADING,
    KIND,
    LANDMARK,
    LANE,
    LENGTH,
    MAX_SPEED,
    NEIGHBOUR_MARGIN,
    SPEED,
    TARGET_SPEED,
    X,
    Y,
)
from foveal.envs.scene import MEASURES, SLOTS, SceneRisk
from foveal.kernels import kernel, launch

TTC, TTC_2D, HEADWAY, DRAC, DISTANCE, TTCP, TTCP_OTHER, TTCP_DIFFERENCE = range(8)
"""Columns, named in `foveal.envs.scene.MEASURES`."""
REACH = 200.0  # m: further away there is no risk
_NOTHING = np.array([NEVER, NEVER, NEVER, 0.0, FAR, NEVER, NEVER, NEVER])
_NOBODY = np.array([FAR, 0.0, NEVER])

SPEED_BIN = 2.5  # m/s
GAP_EDGES = np.array([5.0, 10.0, 20.0, 35.0, 50.0, 80.0, 120.0])  # m
CLOSING_EDGES = np.array([-1.0, 1.0, 5.0])  # m/s
TTC_EDGES = np.array([1.5, 3.0, 5.0])  # s


class Around(NamedTuple):
    """Scratch: where everyone is on the ego's path and on the lanes beside it."""

    place: NDArray[np.float64]  # (N, 3, C) m ahead of the ego, centre to centre, along left, own and right; NaN: not on
    pace: NDArray[np.float64]  # (N, 3, C) m/s along that lane
    paths: NDArray[np.int64]  # (N, C, HOPS)
    conflicts: NDArray[np.float64]  # (L, L, 2), or (0, 0, 2) where no paths meet


class Measured(NamedTuple):
    """What is found, one entry a row and ego."""

    each: NDArray[np.float32]  # (N, E, C, 8) of every column
    neighbours: NDArray[np.float32]  # (N, E, S, 8)
    row: NDArray[np.float32]  # (N, E, 8)
    slots: NDArray[np.float32]  # (N, E, 6, 3)
    key: NDArray[np.uint64]  # (N, E)


class Risk:
    """Measures the risk of N rows.

    Args:
        sight: What there is to be seen.
        lane_count: L.
        slots: S, of the observation.
        observed: (N, E, S) who is in which slot, -1 for nobody; None: the nearest are.
    """

    def __init__(self, sight: Sight, lane_count: int, slots: int, observed: NDArray[np.int64] | None) -> None:
        rows, egos = sight.egos.shape
        columns = sight.traffic.shape[2]
        conflicts = conflict_points(sight.lanes, lane_count)
        paths_meet = bool(np.isfinite(conflicts).any()) or _come_together(sight, lane_count)
        self._sight, self._nearest = sight, observed is None
        self._observed = np.full((rows, egos, slots), -1, np.int64) if observed is None else observed
        self._around = Around(
            place=np.zeros((rows, 3, columns)),
            pace=np.zeros((rows, 3, columns)),
            paths=np.zeros((rows, columns, HOPS), np.int64),
            conflicts=conflicts if paths_meet else np.zeros((0, 0, 2)),
        )
        self.measured = Measured(
            each=np.zeros((rows, egos, columns, len(MEASURES)), np.float32),
            neighbours=np.zeros((rows, egos, self._observed.shape[2], len(MEASURES)), np.float32),
            row=np.zeros((rows, egos, len(MEASURES)), np.float32),
            slots=np.zeros((rows, egos, len(SLOTS), 3), np.float32),
            key=np.zeros((rows, egos), np.uint64),
        )

    def measure(self, rows: NDArray[np.int64]) -> None:
        """Bring `measured` up to date in these rows."""
        launch(measure_rows, rows.size, rows, self._sight, self._observed, self._nearest, self._around, self.measured)

    def info(self) -> dict[str, NDArray[Any]]:
        """What ``info["risk"]`` holds."""
        found = self.measured
        arrays: dict[str, NDArray[Any]] = {
            "neighbours": found.neighbours,
            "row": found.row,
            "slots": found.slots,
            "key": found.key,
        }
        return {name: array[:, 0] if array.shape[1] == 1 else array for name, array in arrays.items()}

    def scene(self, row: int, columns: NDArray[np.int64]) -> SceneRisk:
        """The risk of a row's first ego, of the vehicles and objects in these columns."""
        found = self.measured
        return SceneRisk(
            each=found.each[row, 0, columns].copy(),
            worst=found.row[row, 0].copy(),
            slots=found.slots[row, 0].copy(),
            key=int(found.key[row, 0]),
        )


def _come_together(sight: Sight, lane_count: int) -> bool:
    """Whether two lanes lead on to the same one."""
    following = [lane_after(sight.lanes, sight.graph, lane, np.int64(-1)) for lane in range(lane_count)]
    led_to = [lane for lane in following if lane >= 0]
    return len(set(led_to)) < len(led_to)


@kernel
def measure_rows(start, stop, rows, sight, observed, nearest, around, measured):
    """Row kernel: measure the risk of each ego of each row."""
    for k in range(start, stop):
        r = rows[k]
        t, count, paths = sight.traffic[r], sight.vehicles[r], around.paths[r]
        paths_meet = around.conflicts.shape[0] > 0
        for i in range(count if paths_meet else 0):
            find_path(t, sight.lanes, sight.graph, i, paths[i])
        for e in range(sight.egos.shape[1]):
            ego = sight.egos[r, e]
            place, pace = around.place[r], around.pace[r]
            locate(t, sight.lanes, sight.graph, count, sight.objects, ego, place, pace)
            each, worst, slots = measured.each[r, e], measured.row[r, e], measured.slots[r, e]
            fill_slots(t, ego, place, pace, slots)
            put(worst, _NOTHING)
            for i in range(t.shape[1]):
                put(each[i], _NOTHING)
                if i == ego or count <= i < sight.objects or t[KIND, i] == LANDMARK or distant(t, ego, i):
                    continue
                compare(t, ego, i, place[1, i], pace[1, ego], pace[1, i], each[i])
                if paths_meet and i < count:
                    compare_paths(t, sight.lanes, around.conflicts, ego, i, paths, each[i])
                worsen(worst, each[i])
            if nearest:
                choose_nearest(t, ego, each, observed[r, e])
            for slot in range(observed.shape[2]):
                other = observed[r, e, slot]
                put(measured.neighbours[r, e, slot], _NOTHING)
                if other >= 0:
                    put(measured.neighbours[r, e, slot], each[other])
            measured.key[r, e] = scene_key(t, sight.lanes, sight.speeds, ego, slots, worst[TTCP_DIFFERENCE])


@kernel
def put(target, values):
    """Write values into an array as long."""
    for k in range(target.size):
        target[k] = values[k]


@kernel
def distant(t, i, j):
    """Whether two vehicles are further apart than `REACH`."""
    dx, dy = t[X, j] - t[X, i], t[Y, j] - t[Y, i]
    return dx * dx + dy * dy > REACH * REACH


@kernel
def locate(t, lanes, graph, count, objects, ego, place, pace):
    """Find where everyone is along the ego's path and along those beside it; see `Around`."""
    own = int(t[LANE, ego])
    for side in range(3):
        place[side] = np.nan
        beside = lanes[own, ln.PLACE] + side - 1
        if not 0 <= beside < lanes[own, ln.SIBLINGS]:
            continue
        lane = np.int64(own + side - 1)
        here, _ = to_lane(lanes, lane, t[X, ego], t[Y, ego])
        put_on(t, lanes, count, objects, lane, -here, place[side], pace[side])
        pace[side, ego] = t[SPEED, ego] * np.cos(t[HEADING, ego] - heading_at(lanes, lane, here))
        near = graph[roads.NEAR] + lane
        for n in range(graph[near], graph[near + 1]):
            if graph[graph[roads.NEAR_AFTER] + n] == 0:
                leading = graph[graph[roads.NEAR_LANES] + n]
                put_on(
                    t, lanes, count, objects, leading, -lanes[leading, ln.LENGTH] - here, place[side], pace[side]
                )  # fmt: skip
        find_route_ahead(t, lanes, graph, count, objects, ego, lane, here, place[side], pace[side])


@kernel
def find_route_ahead(t, lanes, graph, count, objects, ego, lane, here, place, pace):
    """Go on with `put_on` along the lanes that follow on `lane`, on the ego's route where it has one."""
    stage, beyond = stages_ahead(t, graph, ego)
    offset = lanes[lane, ln.LENGTH] - here
    for _ in range(HOPS - 1):
        if offset > REACH:
            return
        stage = stage_on(lanes, graph, lane, stage, beyond)
        lane = lane_after(lanes, graph, lane, stage)
        if lane < 0:
            return
        put_on(t, lanes, count, objects, lane, offset, place, pace)
        offset += lanes[lane, ln.LENGTH]


@kernel
def put_on(t, lanes, count, objects, lane, offset, place, pace):
    """Write the place and pace of those on `lane`, which begins `offset` metres ahead of the ego, not yet placed."""
    for i in range(t.shape[1]):
        if place[i] == place[i] or count <= i < objects or t[KIND, i] == LANDMARK:
            continue
        along, across = to_lane(lanes, lane, t[X, i], t[Y, i])
        if is_on(lanes, lane, along, across, NEIGHBOUR_MARGIN):
            place[i] = offset + along
            pace[i] = t[SPEED, i] * np.cos(t[HEADING, i] - heading_at(lanes, lane, along))


@kernel
def fill_slots(t, ego, place, pace, slots):
    """Write the gap, closing speed and time to collision of the nearest ones ahead and behind on the three lanes."""
    for side in range(3):
        for behind in range(2):
            nearest, chosen = np.inf, -1
            for i in range(t.shape[1]):
                ahead = -place[side, i] if behind else place[side, i]
                if i != ego and ahead < nearest and (ahead > 0 if behind else ahead >= 0):
                    nearest, chosen = ahead, i
            slot = slots[3 * behind + side]
            put(slot, _NOBODY)
            if chosen >= 0:
                gap = max(nearest - (t[LENGTH, ego] + t[LENGTH, chosen]) / 2, 0.0)
                closing = pace[side, ego] - pace[side, chosen]
                closing = -closing if behind else closing
                slot[0], slot[1], slot[2] = min(gap, FAR), closing, time_to_collision(gap, closing)


@kernel
def compare(t, ego, i, ahead, pace, other_pace, found):
    """Write the measures of one neighbour, `ahead` metres along the ego's path (NaN: not on it)."""
    if ahead == ahead:
        gap = max(abs(ahead) - (t[LENGTH, ego] + t[LENGTH, i]) / 2, 0.0)
        closing = pace - other_pace if ahead >= 0 else other_pace - pace
        # The leader's front is half its length before its centre, the follower's half of its own.
        fronts = abs(ahead) + (t[LENGTH, i] - t[LENGTH, ego]) / 2 * (1.0 if ahead >= 0 else -1.0)
        found[TTC] = time_to_collision(gap, closing)
        found[HEADWAY] = time_headway(fronts, pace if ahead >= 0 else other_pace)
        found[DRAC] = deceleration_to_avoid(gap, closing)
    found[TTC_2D] = rectangles_meet(t, ego, i)
    found[DISTANCE] = rectangle_distance(t, ego, i)


@kernel
def compare_paths(t, lanes, conflicts, ego, i, paths, found):
    """Write both times to the conflict point of the ego's path and a neighbour's, and their difference."""
    mine, theirs = conflict(t, lanes, conflicts, ego, paths[ego], i, paths[i])
    if mine == mine and mine < REACH and theirs < REACH:
        found[TTCP] = time_to_point(mine, t[SPEED, ego], t[ACCELERATION, ego], speed_cap(t, lanes, ego))
        found[TTCP_OTHER] = time_to_point(theirs, t[SPEED, i], t[ACCELERATION, i], speed_cap(t, lanes, i))
        if found[TTCP] < NEVER or found[TTCP_OTHER] < NEVER:
            found[TTCP_DIFFERENCE] = found[TTCP_OTHER] - found[TTCP]


@kernel
def speed_cap(t, lanes, i):
    """The speed, m/s, up to which vehicle `i` may accelerate: its lane's limit, or its own."""
    return min(lanes[int(t[LANE, i]), ln.SPEED_LIMIT], MAX_SPEED)


@kernel
def worsen(worst, found):
    """Take one neighbour's measures into account in the row's worst."""
    for k in (TTC, TTC_2D, HEADWAY, DISTANCE):
        worst[k] = min(worst[k], found[k])
    worst[DRAC] = max(worst[DRAC], found[DRAC])
    if abs(found[TTCP_DIFFERENCE]) < abs(worst[TTCP_DIFFERENCE]):
        for k in (TTCP, TTCP_OTHER, TTCP_DIFFERENCE):
            worst[k] = found[k]


@kernel
def choose_nearest(t, ego, each, slots):
    """Fill the slots (S,) with the ego and those nearest to it, -1 where there are no more within reach."""
    slots[0] = ego
    last_distance, last = -1.0, np.int64(-1)
    for slot in range(1, slots.size):
        nearest, chosen = np.inf, np.int64(-1)
        for i in range(t.shape[1]):
            if each[i, DISTANCE] >= FAR:
                continue
            dx, dy = t[X, i] - t[X, ego], t[Y, i] - t[Y, ego]
            distance = dx * dx + dy * dy
            if distance < nearest and (distance > last_distance or (distance == last_distance and i > last)):
                nearest, chosen = distance, np.int64(i)
        slots[slot] = chosen
        if chosen < 0:
            slots[slot:] = -1
            return
        last_distance, last = nearest, chosen


@kernel
def binned(value, edges):
    """In which bin between growing edges a value lies: 0 below the first."""
    place = 0
    for edge in edges:
        if value >= edge:
            place += 1
    return np.uint64(place)


@kernel
def scene_key(t, lanes, speeds, ego, slots, difference):
    """The scene in bins, as 55 bits of a uint64.

    From the lowest bit on:

    ====  =====================================================================================================
    bits  meaning
    ====  =====================================================================================================
    2     whether the ego's road has a lane to its left (1), to its right (2)
    4     speed, floor(v / 2.5 m/s) in 0..15
    5     meta-actions not in vain: LANE_LEFT 1, IDLE 2, LANE_RIGHT 4, FASTER 8, SLOWER 16
    2     least difference of times to a conflict point: 0 above 5 s or none, 1 above 1 s, 3 above -5 s, 2 below
    6x7   per slot, in the order of `SLOTS`: 3 bits gap (`GAP_EDGES`), 2 closing speed (`CLOSING_EDGES`), 2 time to
          collision (`TTC_EDGES`)
    ====  =====================================================================================================
    """
    lane = int(t[LANE, ego])
    left, right = lanes[lane, ln.PLACE] > 0, lanes[lane, ln.PLACE] < lanes[lane, ln.SIBLINGS] - 1
    key = np.uint64(1 if left else 0) | np.uint64(2 if right else 0)
    key |= np.uint64(min(max(t[SPEED, ego] / SPEED_BIN, 0.0), 15.0)) << np.uint64(2)
    actions = 2
    actions += 1 if left and is_reachable(lanes, lane - 1, t[X, ego], t[Y, ego]) else 0
    actions += 4 if right and is_reachable(lanes, lane + 1, t[X, ego], t[Y, ego]) else 0
    chosen = speed_to_index(t[TARGET_SPEED, ego], speeds)
    actions += 8 if t[KIND, ego] != EGO or chosen < speeds.size - 1 else 0
    actions += 16 if t[KIND, ego] != EGO or chosen > 0 else 0
    key |= np.uint64(actions) << np.uint64(6)
    band = 0 if difference > 5 else 1 if difference > 1 else 3 if difference > -5 else 2
    key |= np.uint64(band) << np.uint64(11)
    for slot in range(6):
        bins = binned(slots[slot, 0], GAP_EDGES)
        bins |= binned(slots[slot, 1], CLOSING_EDGES) << np.uint64(3)
        bins |= binned(slots[slot, 2], TTC_EDGES) << np.uint64(5)
        key |= bins << np.uint64(13 + 7 * slot)
    return key
