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
    CELL_M,
    HEADINGS,
    MOVE_M,
    Obstacles,
    move_ahead,
)
from foveal.envs.objectnav.sights import Instances, Sights
from foveal.envs.objectnav.visibility import Eye, is_found
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
_MOST_STATES = 4_000_000
_EXPAND = 3
_X, _Y, _DISTANCE = range(3)
_COST, _HEADING, _PARENT, _ACTION, _CLOSED = range(5)
_STATES, _ENTRIES, _LOWEST = range(3)


class Memory(NamedTuple):
    """What a search writes to.

    Attributes:
        states: (M, 3) float64, see `_X`.
        links: (M, 5) int32, see `_COST`.
        known: (cells · HEADINGS,) int32, the state in each square with each heading, -1 for none.
        entries: (Q, 2) int32 of the queue: four times a state, and `_EXPAND` or the tilt + 1 at which END succeeds
            there; and the next entry in the same bucket.
        buckets: (B,) int32, the last entry of each bucket, -1 for none.
        counts: (3,) int64: states and entries so far, and the bucket below which all are empty.
    """

    states: NDArray[np.float64]
    links: NDArray[np.int32]
    known: NDArray[np.int32]
    entries: NDArray[np.int32]
    buckets: NDArray[np.int32]
    counts: NDArray[np.int64]


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


class Query(NamedTuple):
    """What one search is about.

    Attributes:
        house: Which.
        category: Which.
        offset: Where the distances of both begin in `Task.field`.
        tilt: At the start.
        stride: 1, or 3 to move along the axes only.
        left: m, where the squares that merge states begin.
        bottom: m.
        width: Squares in a row.
    """

    house: int
    category: int
    offset: int
    tilt: int
    stride: int
    left: float
    bottom: float
    width: int


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

    Raises:
        ValueError: If there is no such heading.
    """
    if heading not in range(HEADINGS):
        raise ValueError(f"heading={heading!r}: must be a whole number from 0 to {HEADINGS - 1}")
    left, bottom, columns, rows, _ = task.obstacles.houses[house].tolist()
    if not (0 <= position[0] - left <= columns * CELL_M and 0 <= position[1] - bottom <= rows * CELL_M):
        return None
    per_cell = round(CELL_M / _MERGE_M)
    width, height = int(columns) * per_cell + 1, int(rows) * per_cell + 1
    size = min(width * height * HEADINGS, _MOST_STATES) + 8
    for stride in (1, 3):
        memory = Memory(
            states=np.empty((size, 3)),
            links=np.empty((size, 5), np.int32),
            known=np.full(width * height * HEADINGS, -1, np.int32),
            entries=np.empty((4 * size, 2), np.int32),
            buckets=np.full(_LONGEST * _STEPS, -1, np.int32),
            counts=np.zeros(3, np.int64),
        )
        query = Query(house, category, int(offset), tilt, stride, left, bottom, width)
        last, looks = _search(task, query, *position, heading, memory)
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
def _search(task, query, x, y, heading, memory):
    """The last state of the shortest way and the tilt at which END succeeds there; -1 and 0 for none."""
    _reach(task, query, memory, -1, -1, x, y, heading)
    while True:
        entry = _pop(memory)
        full = memory.counts[_STATES] + 3 > memory.states.shape[0]
        if entry < 0 or full or memory.counts[_ENTRIES] + 6 > memory.entries.shape[0]:
            return np.int64(-1), np.int64(0)
        state, kind = np.int64(entry >> 2), np.int64(entry & 3)
        if kind != _EXPAND:
            return state, kind - 1
        if memory.links[state, _CLOSED] > 0:
            continue
        memory.links[state, _CLOSED] = 1
        _try_end(task, query, memory, state)
        x, y, heading = memory.states[state, _X], memory.states[state, _Y], np.int64(memory.links[state, _HEADING])
        for action in range(3):
            to_x, to_y, to_heading = x, y, heading
            if action == MOVE_AHEAD:
                if heading % query.stride != 0:
                    continue
                to_x, to_y, moved = move_ahead(task.obstacles, query.house, x, y, heading)
                if not moved:
                    continue
            else:
                to_heading = (heading + (1 if action == ROTATE_LEFT else HEADINGS - 1)) % HEADINGS
            _reach(task, query, memory, state, action, to_x, to_y, to_heading)


@kernel
def _reach(task, query, memory, parent, action, x, y, heading):
    """Take note of a state, unless one that stands for it was reached as soon."""
    column = np.int64(math.floor((x - query.left) / _MERGE_M + 0.5))
    row = np.int64(math.floor((y - query.bottom) / _MERGE_M + 0.5))
    square = (row * query.width + column) * HEADINGS + heading
    cost = memory.links[parent, _COST] + 1 if parent >= 0 else 0
    state = np.int64(memory.known[square])
    if state >= 0 and (memory.links[state, _CLOSED] > 0 or memory.links[state, _COST] <= cost):
        return  # what followed from a closed state's position must stay true
    if state < 0:
        state = memory.counts[_STATES]
        memory.known[square] = state
        memory.counts[_STATES] += 1
    if parent >= 0 and action != MOVE_AHEAD:
        distance = memory.states[parent, _DISTANCE]
    else:
        distance = distance_at(task.obstacles, task.lattice, query.house, task.field, query.offset, x, y)
    memory.states[state, _X], memory.states[state, _Y], memory.states[state, _DISTANCE] = x, y, distance
    memory.links[state, _COST], memory.links[state, _HEADING], memory.links[state, _CLOSED] = cost, heading, 0
    memory.links[state, _PARENT], memory.links[state, _ACTION] = parent, action
    if distance < math.inf:
        _push(memory, 4 * state + _EXPAND, cost + max(distance - _SLACK_M, 0.0) / MOVE_M)


@kernel
def _try_end(task, query, memory, state):
    """Take note of the tilts at which END would succeed in a state."""
    if memory.states[state, _DISTANCE] >= _NEAR_M:
        return
    x, y, eye = memory.states[state, _X], memory.states[state, _Y], task.eye
    yaw = memory.links[state, _HEADING] * TURN
    for tilt in range(LOWEST, HIGHEST + 1):
        camera = (x, y, eye.height, yaw, tilt * TURN, eye.tan_x, eye.tan_y)
        if is_found(task.sights, task.instances, query.house, query.category, *camera):
            _push(memory, 4 * state + tilt + 1, memory.links[state, _COST] + abs(tilt - query.tilt))


@kernel
def _push(memory, entry, bound):
    """Queue an entry by the fewest actions it may take in all; among nearly equal ones the last comes out first."""
    bucket = min(np.int64(bound * _STEPS), memory.buckets.shape[0] - 1)
    place = memory.counts[_ENTRIES]
    memory.entries[place, 0], memory.entries[place, 1] = entry, memory.buckets[bucket]
    memory.buckets[bucket] = place
    memory.counts[_ENTRIES] += 1
    memory.counts[_LOWEST] = min(memory.counts[_LOWEST], bucket)


@kernel
def _pop(memory):
    """The entry that comes next; -1 for none."""
    bucket = memory.counts[_LOWEST]
    while bucket < memory.buckets.shape[0] and memory.buckets[bucket] < 0:
        bucket += 1
    memory.counts[_LOWEST] = bucket
    if bucket == memory.buckets.shape[0]:
        return np.int64(-1)
    place = memory.buckets[bucket]
    memory.buckets[bucket] = memory.entries[place, 1]
    return np.int64(memory.entries[place, 0])
