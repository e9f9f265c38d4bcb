"""A guide that knows the way: in every row the action to take next, cheaply enough to be asked in every step.

It goes down the field of geodesic distances: of the headings in which a move leads nearer it takes the one that needs
the fewest turns and moves, and where End succeeds in some view it turns to the one that needs the fewest turns and
looks. `expert.shortest_actions` is shorter still, but searches; this one looks one move ahead.
"""

from __future__ import annotations

import math

from foveal.envs.objectnav.expert import (
    END,
    HIGHEST,
    LOOK_DOWN,
    LOOK_UP,
    LOWEST,
    MOVE_AHEAD,
    ROTATE_LEFT,
    ROTATE_RIGHT,
    TURN,
)
from foveal.envs.objectnav.navigation import distance_at
from foveal.envs.objectnav.obstacles import HEADINGS, MOVE_M, move_ahead
from foveal.envs.objectnav.visibility import is_found
from foveal.kernels import kernel

_NEAR_M = 0.4
"""Success is tested where a place of success is no farther."""
_GAIN_M = 0.02
"""What counts as nearer."""


@kernel
def advise_rows(start, stop, rows, tasks, task, walks, advice):
    """Row kernel: the action (N,) to take next."""
    for k in range(start, stop):
        r = rows[k]
        action = -1
        if walks.left[r] < _NEAR_M:
            action = _show(r, tasks, task, walks)
        advice[r] = action if action >= 0 else _go(r, tasks, task, walks)


@kernel
def _show(r, tasks, task, walks):
    """What leads to the nearest view in which End succeeds here; -1 for none."""
    number, least, action = walks.task[r], 100, -1
    for turn in range(-HEADINGS // 2 + 1, HEADINGS // 2 + 1):
        for tilt in range(LOWEST, HIGHEST + 1):
            look = tilt - walks.tilt[r]
            if abs(turn) + abs(look) < least and is_found(
                task.sights, task.instances, tasks.house[number], tasks.category[number],
                walks.position[r, 0], walks.position[r, 1], task.eye.height,
                (walks.heading[r] + turn) * TURN, tilt * TURN, task.eye.tan_x, task.eye.tan_y,
            ):  # fmt: skip
                least = abs(turn) + abs(look)
                action = _turn(turn) if turn != 0 else LOOK_UP if look > 0 else LOOK_DOWN if look < 0 else END
    return action


@kernel
def _go(r, tasks, task, walks):
    """What leads nearer: a move, or a turn towards one."""
    number, x, y = walks.task[r], walks.position[r, 0], walks.position[r, 1]
    house, best, towards = tasks.house[number], math.inf, 0
    for turn in range(-HEADINGS // 2 + 1, HEADINGS // 2 + 1):
        to_x, to_y, moved = move_ahead(task.obstacles, house, x, y, (walks.heading[r] + turn) % HEADINGS)
        if not moved:
            continue
        left = distance_at(task.obstacles, task.lattice, house, task.field, tasks.offset[number], to_x, to_y)
        cost = abs(turn) + 8.0 * left / MOVE_M
        if left > walks.left[r] - _GAIN_M:  # only where nothing else leads on
            cost += 1000.0
        if cost < best:
            best, towards = cost, turn
    return _turn(towards)


@kernel
def _turn(turn):
    return MOVE_AHEAD if turn == 0 else ROTATE_LEFT if turn > 0 else ROTATE_RIGHT
