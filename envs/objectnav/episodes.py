"""Episodes of object navigation as kernels: how one begins, and what an action does."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from foveal.envs.objectnav.sights import X, Y
from foveal.envs.objectnav.visibility import is_found
from foveal.kernels import kernel
from foveal.rng import uniform

ACTIONS = ("MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown", "End")
"""In the order of `expert.MOVE_AHEAD` and the others."""
TERMS = ("step", "success", "shaping")
"""Of the reward."""
STEP, SUCCESS, SHAPING = range(3)


class Walks(NamedTuple):
    """The state of N episodes.

    Attributes:
        task: (N,) int64, a task of `Tasks`.
        position: (N, 2) float64 m.
        heading: (N,) int64, turns by 30° to the left from +y.
        tilt: (N,) int64, looks up from the horizon.
        start: (N, 2) float64 m.
        start_heading: (N,) int64.
        shortest: (N,) float64 m, geodesic distance from the start to the goal.
        left: (N,) float64 m, geodesic distance to the goal.
        gauge: (N,) float64 m, the distance by which shaping judges: the least so far, or that before the action.
        path: (N,) float64 m gone.
        moves: (N,) int64.
        turned: (N,) float64 rad between successive moves, summed up.
        moved: (N,) int64, heading of the last move, -1 before the first.
        collisions: (N,) int64, moves that led nowhere.
        collided: (N,) bool, whether the last action was one.
        success: (N,) bool.
        last: (N,) int64, one more than the last action; 0 at the start.
    """

    task: NDArray[np.int64]
    position: NDArray[np.float64]
    heading: NDArray[np.int64]
    tilt: NDArray[np.int64]
    start: NDArray[np.float64]
    start_heading: NDArray[np.int64]
    shortest: NDArray[np.float64]
    left: NDArray[np.float64]
    gauge: NDArray[np.float64]
    path: NDArray[np.float64]
    moves: NDArray[np.int64]
    turned: NDArray[np.float64]
    moved: NDArray[np.int64]
    collisions: NDArray[np.int64]
    collided: NDArray[np.bool_]
    success: NDArray[np.bool_]
    last: NDArray[np.int64]


def walks(rows: int) -> Walks:
    """Room for the state of so many episodes."""
    whole, real, flag = (lambda: np.zeros(rows, np.int64)), (lambda: np.zeros(rows)), (lambda: np.zeros(rows, np.bool_))
    pair = lambda: np.zeros((rows, 2))  # noqa: E731
    return Walks(
        task=whole(), position=pair(), heading=whole(), tilt=whole(), start=pair(), start_heading=whole(),
        shortest=real(), left=real(), gauge=real(), path=real(), moves=whole(), turned=real(), moved=whole(),
        collisions=whole(), collided=flag(), success=flag(), last=whole(),
    )  # fmt: skip


class Rules(NamedTuple):
    """What an action is worth.

    Attributes:
        step: Reward of any.
        success: Reward of ending at the goal.
        failure: Reward of ending elsewhere.
        shaping: Reward of a metre nearer.
        best: Whether nearer means nearer than ever before.
        straight: Whether it means as the crow flies.
        tilt: At the start.
    """

    step: float
    success: float
    failure: float
    shaping: float
    best: bool
    straight: bool
    tilt: int


@kernel
def begin_rows(start, stop, rows, seed, episode, tasks, task, rules, walks):
    """Row kernel: draw a house, one of its categories and a start, each evenly, and stand there."""
    for k in range(start, stop):
        r = rows[k]
        house = tasks.useful[np.int64(uniform(seed[r], episode[r], 0) * tasks.useful.shape[0])]
        first, end = tasks.first[house], tasks.first[house + 1]
        number = first + np.int64(uniform(seed[r], episode[r], 1) * (end - first))
        first, end = tasks.starts[number], tasks.starts[number + 1]
        place = first + np.int64(uniform(seed[r], episode[r], 2) * (end - first))
        walks.task[r] = number
        walks.position[r, 0], walks.position[r, 1] = tasks.position[place, 0], tasks.position[place, 1]
        walks.start[r, 0], walks.start[r, 1] = tasks.position[place, 0], tasks.position[place, 1]
        walks.heading[r] = walks.start_heading[r] = np.int64(uniform(seed[r], episode[r], 3) * HEADINGS)
        walks.tilt[r] = rules.tilt
        walks.shortest[r] = walks.left[r] = tasks.distance[place]
        walks.gauge[r] = _distance(task, tasks, number, walks.position[r], walks.left[r], rules.straight)
        walks.path[r] = walks.turned[r] = 0.0
        walks.moves[r] = walks.collisions[r] = walks.last[r] = 0
        walks.moved[r] = -1
        walks.collided[r] = walks.success[r] = False


@kernel
def act_rows(start, stop, rows, actions, tasks, task, rules, walks, terms, rewards, terminated):
    """Row kernel: take an action, reward it, and see whether it ends the episode."""
    for k in range(start, stop):
        r = rows[k]
        action, number = actions[r], walks.task[r]
        house, category = tasks.house[number], tasks.category[number]
        walks.last[r] = action + 1
        walks.collided[r] = False
        if action == MOVE_AHEAD:
            _move(r, task, house, walks)
            if not walks.collided[r]:
                left = distance_at(
                    task.obstacles, task.lattice, house, task.field, tasks.offset[number],
                    walks.position[r, 0], walks.position[r, 1],
                )  # fmt: skip
                # Out of the lattice's reach, in narrow pockets, the way back is the way that is known.
                walks.left[r] = left if left < math.inf else walks.left[r] + MOVE_M
        elif action in (ROTATE_LEFT, ROTATE_RIGHT):
            walks.heading[r] = (walks.heading[r] + (1 if action == ROTATE_LEFT else HEADINGS - 1)) % HEADINGS
        elif action == LOOK_UP:
            walks.tilt[r] = min(walks.tilt[r] + 1, HIGHEST)
        elif action == LOOK_DOWN:
            walks.tilt[r] = max(walks.tilt[r] - 1, LOWEST)
        walks.success[r] = action == END and is_found(
            task.sights, task.instances, house, category, walks.position[r, 0], walks.position[r, 1],
            task.eye.height, walks.heading[r] * TURN, walks.tilt[r] * TURN, task.eye.tan_x, task.eye.tan_y,
        )  # fmt: skip
        terminated[r] = action == END
        now = _distance(task, tasks, number, walks.position[r], walks.left[r], rules.straight)
        terms[r, STEP] = rules.step
        terms[r, SUCCESS] = rules.success if walks.success[r] else rules.failure if action == END else 0.0
        nearer = walks.gauge[r] - now
        terms[r, SHAPING] = rules.shaping * (max(nearer, 0.0) if rules.best else nearer)
        walks.gauge[r] = min(walks.gauge[r], now) if rules.best else now
        rewards[r] = terms[r, STEP] + terms[r, SUCCESS] + terms[r, SHAPING]


@kernel
def _move(r, task, house, walks):
    """Move ahead where that is possible, and keep account of the way."""
    heading = walks.heading[r]
    x, y, moved = move_ahead(task.obstacles, house, walks.position[r, 0], walks.position[r, 1], heading)
    walks.position[r, 0], walks.position[r, 1] = x, y
    if not moved:
        walks.collided[r] = True
        walks.collisions[r] += 1
        return
    walks.path[r] += MOVE_M
    walks.moves[r] += 1
    if walks.moved[r] >= 0:
        turns = abs(heading - walks.moved[r])
        walks.turned[r] += min(turns, HEADINGS - turns) * TURN
    walks.moved[r] = heading


@kernel
def _distance(task, tasks, number, position, geodesic, straight):
    """The distance by which shaping judges, m."""
    if not straight:
        return geodesic
    house, category = tasks.house[number], tasks.category[number]
    nearest = math.inf
    for k in range(task.instances.starts[house, category], task.instances.starts[house, category + 1]):
        thing = task.instances.boxes[k]
        dx, dy = task.sights.boxes[thing, X] - position[0], task.sights.boxes[thing, Y] - position[1]
        nearest = min(nearest, math.sqrt(dx * dx + dy * dy))
    return nearest
