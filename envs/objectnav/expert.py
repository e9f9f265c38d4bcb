"""Shortest action sequences to where a thing is found: A* over position × heading with the moves of the world.

Turns of 30° lead off every lattice, so a state keeps the position that its actions really lead to; of those in a square
of 1/16 m with the same heading the one reached with the fewest actions stands for all. The bound of what remains is
geodesic distance over the length of a move. What comes out is carried out exactly, and is the shortest up to that
merging. Where merging loses a narrow passage, headings along the axes alone are tried, whose moves stay on the lattice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.navigation import Lattice, distance_at
from foveal.envs.objectnav.obstacles import (
    BOTTOM,
    CELL_M,
    COLUMNS,
    HEADINGS,
    LEFT,
    MOVE_M,
    ROWS,
    Obstacles,
    move_ahead,
)
from foveal.envs.objectnav.visibility import Eye, Instances, Sights, is_found
from foveal.kernels import kernel

MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT, LOOK_UP, LOOK_DOWN, END = range(6)
TURN = math.pi / 6
"""What one turn or look changes, rad."""
LOWEST, HIGHEST = -1, 1
"""Tilts, in looks up from the horizon."""

_MERGE_M = 0.0625
_SLACK_M = 0.125
"""How much nearer success may begin than at a lattice position."""
_NEAR_M = 0.4
"""Success is tested where a lattice position with success is no farther."""
_STEPS = 8
"""Buckets for each whole number of actions."""
_LONGEST = 2000
_X, _Y, _DISTANCE = range(3)
_COST, _HEADING, _PARENT, _ACTION, _CLOSED = range(5)


class Memory(NamedTuple):
    """What a search writes to.

    Attributes:
        states: (M, 3) float64, see `_X`.
        links: (M, 5) int32, see `_COST`.
        known: (cells · HEADINGS,) int32, the state in each square with each heading, -1 for none.
        entries: (Q, 2) int32 of the queue: state · 4 + tilt (3: yet to be expanded), and the next in its bucket.
        buckets: (B,) int32, the last entry of each bucket, -1 for none.
    """

    states: NDArray[np.float64]
    links: NDArray[np.int32]
    known: NDArray[np.int32]
    entries: NDArray[np.int32]
    buckets: NDArray[np.int32]


class Task(NamedTuple):
    """What a search reads: the arrays of some houses, and the place of one house's and category's distances.

    Attributes:
        obstacles: Of some houses.
        lattice: The lattice of `field`.
        field: (F,) float32, see `navigation.distance_at`.
        sights: What can be seen.
        instances: Of the categories.
        eye: The camera.
    """

    obstacles: Obstacles
    lattice: Lattice
    field: NDArray[np.float32]
    sights: Sights
    instances: Instances
    eye: Eye


def shortest_actions(
    task: Task, house: int, category: int, offset: int, position: tuple[float, float], heading: int, tilt: int = 0
) -> NDArray[np.int8] | None:
    """The actions, END included, that lead to a thing of a category and find it.

    Args:
        task: Arrays of all houses.
        house: Which.
        category: Which.
        offset: Where the distances of both begin in `task.field`.
        position: (x, y) m.
        heading: Turns to the left from +y, 0 to 11.
        tilt: Looks up from the horizon, -1 to 1.

    Returns:
        (K,) int8, or None where nothing is found.
    """
    columns, rows = task.obstacles.houses[house, COLUMNS : ROWS + 1]
    per_cell = round(CELL_M / _MERGE_M)
    squares = (int(columns) * per_cell + 1) * (int(rows) * per_cell + 1)
    size = min(squares * HEADINGS, 4_000_000)
    for stride in (1, 3):
        memory = Memory(
            states=np.empty((size, 3)),
            links=np.empty((size, 5), np.int32),
            known=np.full(squares * HEADINGS, -1, np.int32),
            entries=np.empty((4 * size, 2), np.int32),
            buckets=np.full(_LONGEST * _STEPS, -1, np.int32),
        )
        last, looks = _search(task, house, category, offset, *position, heading, tilt, stride, memory)
        if last >= 0:
            return _trace(memory, last, looks - tilt)
    return None


def _trace(memory: Memory, last: int, looks: int) -> NDArray[np.int8]:
    actions = [END] + [LOOK_UP if looks > 0 else LOOK_DOWN] * abs(looks)
    while memory.links[last, _PARENT] >= 0:
        actions.append(int(memory.links[last, _ACTION]))
        last = int(memory.links[last, _PARENT])
    return np.array(actions[::-1], np.int8)


@kernel
def _search(task, house, category, offset, x, y, heading, tilt, stride, memory):
    """The last state of the shortest way and the tilt that finds a thing there; -1 for none."""
    states, links, known, entries, buckets = memory
    left, bottom = task.obstacles.houses[house, LEFT], task.obstacles.houses[house, BOTTOM]
    width = np.int64(task.obstacles.houses[house, COLUMNS]) * np.int64(CELL_M / _MERGE_M) + 1
    count, queued, current = 0, 0, 0

    # The start is entered like any other state, as if a turn had led to it.
    distance = distance_at(task.obstacles, task.lattice, house, task.field, offset, x, y)
    states[0, _X], states[0, _Y], states[0, _DISTANCE] = x, y, distance
    links[0, _COST], links[0, _HEADING], links[0, _PARENT], links[0, _ACTION], links[0, _CLOSED] = 0, heading, -1, -1, 0
    count = 1
    if distance < math.inf:
        queued = _push(entries, buckets, queued, 3, _bound(distance))
    while True:
        while current < buckets.shape[0] and buckets[current] < 0:
            current += 1
        if current == buckets.shape[0] or queued + 8 > entries.shape[0] or count + 3 > states.shape[0]:
            return np.int64(-1), np.int64(0)
        entry = buckets[current]
        buckets[current] = entries[entry, 1]
        state, kind = np.int64(entries[entry, 0] >> 2), np.int64(entries[entry, 0] & 3)
        if kind != 3:
            return state, kind - 1
        if links[state, _CLOSED] > 0:
            continue
        links[state, _CLOSED] = 1
        x, y, distance = states[state, _X], states[state, _Y], states[state, _DISTANCE]
        cost, heading = np.int64(links[state, _COST]), np.int64(links[state, _HEADING])
        if distance < _NEAR_M:
            for other in range(LOWEST, HIGHEST + 1):
                yaw, pitch = heading * TURN, other * TURN
                if is_found(
                    task.sights,
                    task.instances,
                    house,
                    category,
                    x,
                    y,
                    task.eye.height,
                    yaw,
                    pitch,
                    task.eye.tan_x,
                    task.eye.tan_y,
                ):
                    bound = float(cost + abs(other - tilt))
                    queued = _push(entries, buckets, queued, 4 * state + other + 1, bound)
                    current = min(current, _bucket(buckets, bound))
        for action in range(3):
            to_x, to_y, turned = x, y, heading
            if action == MOVE_AHEAD:
                if heading % stride != 0:
                    continue
                to_x, to_y, moved = move_ahead(task.obstacles, house, x, y, heading)
                if not moved:
                    continue
            else:
                turned = (heading + (1 if action == ROTATE_LEFT else HEADINGS - 1)) % HEADINGS
            column = np.int64(math.floor((to_x - left) / _MERGE_M + 0.5))
            row = np.int64(math.floor((to_y - bottom) / _MERGE_M + 0.5))
            key = (row * width + column) * HEADINGS + turned
            to = known[key]
            if to >= 0 and (links[to, _CLOSED] > 0 or links[to, _COST] <= cost + 1):
                continue  # what followed from a closed state's position must stay true
            if to < 0:
                to = known[key] = count
                count += 1
            to_distance = distance
            if action == MOVE_AHEAD:
                to_distance = distance_at(task.obstacles, task.lattice, house, task.field, offset, to_x, to_y)
            states[to, _X], states[to, _Y], states[to, _DISTANCE] = to_x, to_y, to_distance
            links[to, _COST], links[to, _HEADING] = cost + 1, turned
            links[to, _PARENT], links[to, _ACTION], links[to, _CLOSED] = state, action, 0
            if to_distance < math.inf:
                bound = cost + 1 + _bound(to_distance)
                queued = _push(entries, buckets, queued, 4 * to + 3, bound)
                current = min(current, _bucket(buckets, bound))


@kernel
def _bound(distance):
    """Moves that remain at least."""
    return max(distance - _SLACK_M, 0.0) / MOVE_M


@kernel
def _bucket(buckets, bound):
    return min(np.int64(bound * _STEPS), buckets.shape[0] - 1)


@kernel
def _push(entries, buckets, queued, what, bound):
    bucket = _bucket(buckets, bound)
    entries[queued, 0], entries[queued, 1] = what, buckets[bucket]
    buckets[bucket] = queued
    return queued + 1
