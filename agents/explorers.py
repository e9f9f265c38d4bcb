"""Agents that look for things without learning: at random, bouncing off walls, towards the unknown, or knowing the way.

Each ends the episode by a rule of its own, or, with ``-oracle-stop`` behind its name, as soon as that succeeds. What
the latter find tells how much of a task is finding and how much is knowing that one has found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.envs.objectnav.expert import END, MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT, TURN
from foveal.envs.objectnav.types import type_id
from foveal.envs.objectnav.waves import wave
from foveal.envs.objectnav.world import ObjectNav

Observations = dict[str, NDArray[Any]]
Actions = NDArray[np.int64]
Floats = NDArray[np.float64]

ORACLE_STOP = "-oracle-stop"
SEEN_SHARE = 0.002
"""How much of the image the goal must fill, near enough, for an agent to end by its own rule."""


class Explorer:
    """Base: subclasses choose where to go.

    Args:
        env: Where; rows begin and end as they like.
        seed: Of what it draws.
        oracle_stop: Whether it ends as soon as that succeeds, and not by what it sees.

    Raises:
        ValueError: for another world, or for one that does not show what it needs.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, env: Any, seed: int, *, oracle_stop: bool = False) -> None:
        name = type(self).__name__.lower()
        if not isinstance(env, ObjectNav):
            raise ValueError(f"driver {name!r} needs a world of object navigation, such as foveal/ObjectNav-v0")
        needs = self.needs if oracle_stop else (*self.needs, "semantic", "depth")
        if missing := [needed for needed in needs if not getattr(env.params, needed)]:
            raise ValueError(f"driver {name!r} needs the observation {missing[0]!r} (--set {missing[0]}=true)")
        self.env, self.random, self.oracle_stop = env, np.random.default_rng(seed), oracle_stop
        self.types = np.array([type_id(category) for category in env.params.categories])

    def __call__(self, observations: Observations) -> Actions:
        """Actions (N,) for observations (N, ...)."""
        ends = self.env.found() if self.oracle_stop else self.sees(observations)
        return np.where(ends, END, self.explore(observations))

    def sees(self, observations: Observations) -> NDArray[np.bool_]:
        """In which rows (N,) the goal is in view and near enough."""
        goal = self.types[observations["goal"]][:, None, None]
        near = observations["depth"] <= self.env.params.success_distance
        shown: NDArray[np.bool_] = ((observations["semantic"] == goal) & near).mean(axis=(1, 2)) >= SEEN_SHARE
        return shown

    def explore(self, observations: Observations) -> Actions:
        """Where to go (N,), without ending."""
        raise NotImplementedError


class Walk(Explorer):
    """Draws each move evenly."""

    def explore(self, observations: Observations) -> Actions:
        """Any action but End."""
        return self.random.integers(END, size=len(observations["goal"]))


class Bounce(Explorer):
    """Goes straight on until it bumps into something, then turns by an angle that it draws."""

    def __init__(self, env: Any, seed: int, *, oracle_stop: bool = False) -> None:
        super().__init__(env, seed, oracle_stop=oracle_stop)
        self.turns = np.zeros(env.num_envs, np.int64)

    def explore(self, observations: Observations) -> Actions:
        """MoveAhead, or one of the turns after a bump."""
        bumped = self.env.collided
        drawn = self.random.integers(-5, 7, size=bumped.size)
        self.turns = np.where(bumped, np.where(drawn == 0, 6, drawn), self.turns)
        self.turns[observations["last_action"] == 0] = 0
        actions = np.select([self.turns > 0, self.turns < 0], [ROTATE_LEFT, ROTATE_RIGHT], MOVE_AHEAD)
        self.turns -= np.sign(self.turns)
        return actions


class Frontier(Explorer):
    """Maps what it sees, and goes to the nearest place beyond which it has not looked (Yamauchi, CIRA 1997)."""

    needs = ("depth", "gps_compass")

    CELL_M = 0.25
    CELLS = 121  # along a side of the map, whose middle is the start
    FLOOR_M, HEAD_M = 0.08, 1.0  # what is lower is floor, what is higher stops nobody
    FAR_M = 5.0
    UNKNOWN, FREE, BLOCKED = range(3)

    def __init__(self, env: Any, seed: int, *, oracle_stop: bool = False) -> None:
        super().__init__(env, seed, oracle_stop=oracle_stop)
        self.maps = np.zeros((env.num_envs, self.CELLS, self.CELLS), np.int8)
        self.aims: list[tuple[int, int] | None] = [None] * env.num_envs
        self.rays = env.camera.rays()

    def explore(self, observations: Observations) -> Actions:
        """A step or a turn towards the frontier that it aims at; towards any place where all is known."""
        for row in np.flatnonzero(observations["last_action"] == 0):
            self.maps[row], self.aims[row] = self.UNKNOWN, None
        places = observations["gps_compass"].astype(np.float64)
        return np.array([self._look_and_go(row, place, observations["depth"][row]) for row, place in enumerate(places)])

    def _look_and_go(self, row: int, place: Floats, depth: NDArray[np.float32]) -> int:
        """Note what one row sees in its map, and the action it takes."""
        known = self.maps[row]
        self._note(known, place, depth, float(self.env.tilts[row]) * TURN)
        here = self._cells(place[:2])
        if self.env.collided[row]:
            known[self._cells(place[:2] + 1.2 * self.CELL_M * _ahead(place[2]))] = self.BLOCKED
        known[here] = self.FREE
        far = self._far(row, known, here)
        turns = np.arange(-5, 7)
        ahead = [self._cells(place[:2] + 1.42 * self.CELL_M * _ahead(place[2] + turn * TURN)) for turn in turns]
        cost = np.array([far[cell] for cell in ahead]) + 0.1 * np.abs(turns)
        if not np.isfinite(cost).any():
            return int(self.random.choice([MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT]))
        turn = int(turns[np.argmin(cost)])
        return MOVE_AHEAD if turn == 0 else ROTATE_LEFT if turn > 0 else ROTATE_RIGHT

    def _far(self, row: int, known: NDArray[np.int8], here: tuple[int, int]) -> Floats:
        """Steps of each cell to what the row aims at: the same place until it is looked at, then the nearest."""
        free = known == self.FREE
        edge = free & ndimage.binary_dilation(known == self.UNKNOWN)
        edge[here] = False
        aim = self.aims[row]
        if aim is None or not edge[aim] or not np.isfinite(wave(aim, free)[here]):
            reach = wave(here, free)
            reach[~edge] = np.inf
            nearest = np.unravel_index(int(np.argmin(reach)), reach.shape)
            aim = (int(nearest[0]), int(nearest[1])) if np.isfinite(reach[nearest]) else self._somewhere(free)
            self.aims[row] = aim
        return wave(aim, free)

    def _somewhere(self, free: NDArray[np.bool_]) -> tuple[int, int]:
        y, x = np.argwhere(free)[self.random.integers(np.count_nonzero(free))]
        return int(y), int(x)

    def _note(self, known: NDArray[np.int8], place: Floats, depth: NDArray[np.float32], tilt: float) -> None:
        """What is free along each column of the image, and what stands at its end."""
        right, down, forward = np.moveaxis(self.rays * depth[..., None], -1, 0)
        height = self.env.params.camera_height - down * np.cos(tilt) + forward * np.sin(tilt)
        ahead = forward * np.cos(tilt) + down * np.sin(tilt)
        away = np.hypot(right, ahead)  # (H, W) m
        stands = (height > self.FLOOR_M) & (height < self.HEAD_M)
        end = np.where(stands, away, np.inf).min(0)  # (W,)
        seen = np.where(height < self.HEAD_M, away, 0).max(0)
        bearing = place[2] - np.arctan2(right[-1], ahead[-1])
        along = np.arange(0, self.FAR_M, self.CELL_M / 2)
        clear = along < np.minimum(end, seen)[:, None] - self.CELL_M / 2  # (W, S)
        steps = place[:2] + along[None, :, None] * _ahead(bearing)[:, None]
        rows, columns = self._cells(steps[clear])
        known[rows, columns] = np.maximum(known[rows, columns], self.FREE)
        hit = end < self.FAR_M
        rows, columns = self._cells(place[:2] + end[hit, None] * _ahead(bearing[hit]))
        known[rows, columns] = self.BLOCKED

    def _cells(self, points: Floats) -> tuple[Any, Any]:
        """The cells of points (..., 2) m as seen from the start."""
        cells = np.clip(np.rint(points / self.CELL_M).astype(np.int64) + self.CELLS // 2, 0, self.CELLS - 1)
        return cells[..., 1], cells[..., 0]


def _ahead(left: float | Floats) -> Floats:
    """The direction (..., 2) to the right of and ahead of the start, of who has turned so far to the left."""
    return np.stack([-np.sin(left), np.cos(left)], axis=-1)


class Oracle(Explorer):
    """Knows the house: takes the fewest actions to success, and ends there."""

    def __init__(self, env: Any, seed: int, *, oracle_stop: bool = True) -> None:
        super().__init__(env, seed, oracle_stop=True)
        self.plans: list[list[int]] = [[] for _ in range(env.num_envs)]

    def explore(self, observations: Observations) -> Actions:
        """The next of the fewest actions; turns where there is no way."""
        for row in np.flatnonzero(observations["last_action"] == 0):
            self.plans[row] = self.env.expert_actions(int(row)).tolist()[::-1]
        return np.array([plan.pop() if plan else ROTATE_LEFT for plan in self.plans])


EXPLORERS: dict[str, Callable[[Any, int], Explorer]] = {"bounce": Bounce, "frontier": Frontier, "oracle": Oracle}
"""By name; "random" is the driver of all worlds."""
EXPLORERS |= {
    f"{name}{ORACLE_STOP}": lambda env, seed, made=made: made(env, seed, oracle_stop=True)  # type: ignore[misc]
    for name, made in {"random": Walk, "bounce": Bounce, "frontier": Frontier}.items()
}
