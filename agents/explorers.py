"""Agents that look for things without learning: at random, bouncing off walls, towards the unknown, or knowing the way.

Each ends the episode by a rule of its own, or, with ``-oracle-stop`` behind its name, as soon as that succeeds. What
the latter find tells how much of a task is finding and how much is knowing that one has found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.priors import PRIORS, load_prior
from foveal.envs.objectnav.expert import END, LOOK_DOWN, LOOK_UP, MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT, TURN
from foveal.envs.objectnav.obstacles import LOCOBOT, MOVE_M
from foveal.envs.objectnav.types import type_id
from foveal.envs.objectnav.waves import wave
from foveal.envs.objectnav.whereabouts import Whereabouts
from foveal.envs.objectnav.world import ObjectNav

Observations = dict[str, NDArray[Any]]
Actions = NDArray[np.int64]
Floats = NDArray[np.float64]

Cell = tuple[int, int]

ORACLE_STOP = "-oracle-stop"
_DOOR = type_id("Door")  # its leaf stops nobody while it is open; at a closed one one bumps
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
        self.rays = env.camera.rays()

    def __call__(self, observations: Observations) -> Actions:
        """Actions (N,) for observations (N, ...)."""
        ends = self.env.found() if self.oracle_stop else self.sees(observations)
        return np.where(ends, END, self.explore(observations))

    def sees(self, observations: Observations) -> NDArray[np.bool_]:
        """In which rows (N,) the goal is in view and near enough."""
        right, ahead, _ = np.moveaxis(self.points(observations["depth"]), 1, 0)
        near = np.hypot(right, ahead) <= self.env.params.success_distance
        enough: NDArray[np.bool_] = (self.shown(observations) & near).mean(axis=(1, 2)) >= SEEN_SHARE
        return enough

    def shown(self, observations: Observations) -> NDArray[np.bool_]:
        """Which pixels (N, H, W) show the goal."""
        shown: NDArray[np.bool_] = observations["semantic"] == self.types[observations["goal"]][:, None, None]
        return shown

    def points(self, depth: NDArray[np.float32]) -> Floats:
        """Where what pixels show is (N, 3, H, W) m: to the right of the agent, ahead of it, above the floor."""
        right, down, forward = np.moveaxis(self.rays * depth[..., None], -1, 0)
        tilt = self.env.tilts[:, None, None] * TURN
        ahead = forward * np.cos(tilt) + down * np.sin(tilt)
        height = self.env.params.camera_height - down * np.cos(tilt) + forward * np.sin(tilt)
        return np.stack([right, ahead, height], 1)

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
    """Maps what it sees, and goes to the nearest place beyond which it has not looked (Yamauchi, CIRA 1997).

    It is a semantic explorer: once it sees a thing of the goal's category, however far away, it goes there, faces it,
    looks down and up, and ends by its own rule; from where that was in vain it does not try again.

    Args:
        env: See `Explorer`.
        seed: See `Explorer`.
        oracle_stop: See `Explorer`.
        prior: What promises the goal: places beyond which it has not looked count as nearer by up to `PROMISE_M` where
            something that promises it has been seen beside them.
    """

    needs = ("depth", "semantic", "gps_compass")

    CELL_M = 0.1
    CELLS = 401  # along a side of the map, whose middle is the start
    FAR_M = 5.0  # what is farther is not mapped
    ROOM_M = 0.19  # kept between what stands about and who walks: its radius, and a little for the cells
    NEAR_M = 0.35  # what is so near to where one stands need not be looked at
    TURN_COST, TIGHT_COST, WEAR_COST = 0.3, 2.0, 0.3  # cells: of a turn, of little room, of every action so far there
    UNKNOWN, FREE, BLOCKED, BUMPED = range(4)
    PROMISE_M = 4.0
    BESIDE_M = 1.5

    def __init__(self, env: Any, seed: int, *, oracle_stop: bool = False, prior: Whereabouts | None = None) -> None:
        super().__init__(env, seed, oracle_stop=oracle_stop)
        self.promises = None if prior is None else prior.of(env.params.categories)  # (G, T)
        shape = env.num_envs, self.CELLS, self.CELLS
        self.maps = np.zeros(shape, np.uint8)
        self.goals, self.vain = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        self.worn = np.zeros(shape, np.float32)  # what standing there again costs, lest one goes to and fro
        self.promised = np.zeros(shape if prior else (env.num_envs, 0, 0), np.float32)
        self.aims: list[Cell | None] = [None] * env.num_envs
        self.looks: list[list[int]] = [[] for _ in range(env.num_envs)]
        self.room, self.near = _disc(self.ROOM_M / self.CELL_M), _disc(self.NEAR_M / self.CELL_M)
        self.reach = _disc(env.params.success_distance / self.CELL_M - 1)

    def explore(self, observations: Observations) -> Actions:
        """A step or a turn towards the goal or the frontier that it aims at; to any place where all is known."""
        for row in np.flatnonzero(observations["last_action"] == 0).tolist():
            self.maps[row], self.goals[row], self.vain[row], self.worn[row] = self.UNKNOWN, False, False, 0.0
            self.promised[row], self.aims[row], self.looks[row] = 0.0, None, []
        points, shown = self.points(observations["depth"]), self.shown(observations)
        stops = (points[:, 2] > LOCOBOT.step) & (points[:, 2] < LOCOBOT.height) & (observations["semantic"] != _DOOR)
        places = observations["gps_compass"].astype(np.float64)
        for row, place in enumerate(places):
            self.goals[row][self._seen(place, points[row, :2, shown[row]])] = True
            if self.promises is not None:
                worth = self.promises[observations["goal"][row]][observations["semantic"][row]]  # (H, W)
                np.maximum.at(self.promised[row], self._seen(place, points[row, :2, worth > 0]), worth[worth > 0])
            if self.env.tilts[row] == 0:  # else the columns of the image are no straight lines on the floor
                self._note(row, place, points[row], stops[row])
        return np.array([self._go(row, place) for row, place in enumerate(places)])

    def _seen(self, place: Floats, points: Floats) -> tuple[Any, Any]:
        """The cells of points (P, 2) m to the right and ahead."""
        left = place[2] - np.arctan2(points[:, 0], points[:, 1])
        away = np.hypot(points[:, 0], points[:, 1])[:, None]
        return self._cells(place[:2] + away * _ahead(left))

    def _note(self, row: int, place: Floats, points: Floats, stops: NDArray[np.bool_]) -> None:
        """What is free along each column of the image, and what stands at its end."""
        known, (y, x) = self.maps[row], self._cells(place[:2])
        right, ahead, height = points
        away = np.hypot(right, ahead)  # (H, W) m
        end = np.where(stops, away, np.inf).min(0)  # (W,)
        seen = np.where(height < LOCOBOT.height, away, 0).max(0)
        bearing = place[2] - np.arctan2(right[-1], ahead[-1])
        along = np.arange(0, self.FAR_M, self.CELL_M / 2)
        clear = along < np.minimum(end, seen)[:, None] - self.CELL_M / 2  # (W, S)
        free = self._cells((place[:2] + along[:, None] * _ahead(bearing)[:, None])[clear])
        known[free] = np.maximum(known[free], self.FREE)
        hit = end < self.FAR_M
        blocked = self._cells(place[:2] + end[hit, None] * _ahead(bearing[hit]))
        known[blocked] = np.maximum(known[blocked], self.BLOCKED)
        if self.env.collided[row]:
            known[self._cells(place[:2] + MOVE_M * _ahead(place[2]))] = self.BUMPED
        around = self._around(known, y, x)
        around[self.near & (around == self.UNKNOWN)] = self.FREE
        known[y, x] = self.FREE
        self.worn[row, y, x] += self.WEAR_COST

    def _go(self, row: int, place: Floats) -> int:
        """The action that one row takes."""
        if self.looks[row]:
            return self.looks[row].pop()
        known, here = self.maps[row], self._cells(place[:2])
        for room in (self.room, _disc(0)):  # through what may be too narrow only where nothing else is left
            free = (known == self.FREE) & ~_grown(known == self.BLOCKED, room)
            free[here] = True
            steps = wave(here, free)
            targets = self._targets(row, np.isfinite(steps))
            if targets.any():
                break
        if self.goals[row].any() and targets[here]:
            return self._look(row, place, here)
        aim = self.aims[row]
        if aim is None or not targets[aim]:
            if not targets.any():
                known[known == self.BUMPED] = self.FREE  # from elsewhere it may go well
                targets, steps = np.isfinite(steps), self.random.random(steps.shape)
            aim = divmod(int(np.argmin(np.where(targets, steps - self._promise(row), np.inf))), self.CELLS)
            self.aims[row] = aim
        return self._step(place, np.where(known == self.FREE, wave(aim, free) + self.worn[row], np.nan))

    def _targets(self, row: int, reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of the cells that can be reached: those near the goal, or else those beside what is unknown."""
        if self.goals[row].any():
            near = reached & _grown(self.goals[row], self.reach) & ~self.vain[row]
            if near.any():
                return near
        return reached & _grown(self.maps[row] == self.UNKNOWN, _disc(1.5))

    def _promise(self, row: int) -> NDArray[np.float32] | float:
        """By how many steps each cell counts as nearer for what was seen beside it."""
        if self.promises is None or self.goals[row].any():
            return 0.0
        import cv2

        beside = _disc(self.BESIDE_M / self.CELL_M).view(np.uint8)
        return np.asarray(cv2.dilate(self.promised[row], beside), np.float32) * (self.PROMISE_M / self.CELL_M)

    def _step(self, place: Floats, far: Floats) -> int:
        """A move, or a turn towards where one leads nearest; anything where none does.

        Args:
            place: Of the agent.
            far: Steps from each cell: inf where there is little room, NaN where one cannot go.
        """
        turns = np.arange(-5, 7)
        move = MOVE_M * _ahead(place[2] + turns * TURN)
        y, x = self._cells(place[:2] + move)
        beside = far[y + np.array([[0], [0], [0], [1], [-1]]), x + np.array([[0], [1], [-1], [0], [0]])]  # (5, 12)
        whole = np.where(np.isinf(far[y, x]), np.nanmin(beside, axis=0, initial=np.inf) + self.TIGHT_COST, far[y, x])
        whole[np.isnan(whole) | np.isnan(far[self._cells(place[:2] + move / 2)])] = np.inf
        cost = whole + self.TURN_COST * np.abs(turns)
        if not np.isfinite(cost).any():
            return int(self.random.choice([MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT]))
        return [MOVE_AHEAD, *_turns(int(turns[np.argmin(cost)]))][-1]

    def _look(self, row: int, place: Floats, here: Cell) -> int:
        """The first action of facing the nearest of the goal and looking at it."""
        self._around(self.vain[row], *here)[self.near] = True
        cells = np.argwhere(self.goals[row]) - here
        y, x = cells[np.argmin((cells**2).sum(1))]
        turns = round(float(np.arctan2(-x, y) - place[2]) / TURN)
        self.looks[row] = [LOOK_DOWN, LOOK_UP, LOOK_UP, LOOK_DOWN, *_turns((turns + 5) % 12 - 5)]  # from the last on
        return self.looks[row].pop()

    def _around(self, cells: NDArray[Any], y: int, x: int) -> NDArray[Any]:
        """What is as near as the disc `near` reaches."""
        reach = len(self.near) // 2
        return cells[y - reach : y + reach + 1, x - reach : x + reach + 1]

    def _cells(self, points: Floats) -> tuple[Any, Any]:
        """The cells of points (..., 2) m as seen from the start; none so near the border that a disc would cross it."""
        edge = len(self.near) // 2
        cells = np.rint(points / self.CELL_M + 1e-3).astype(np.int64) + self.CELLS // 2  # moves end on borders else
        cells = np.clip(cells, edge, self.CELLS - 1 - edge)
        return cells[..., 1], cells[..., 0]


def _turns(left: int) -> list[int]:
    return [ROTATE_LEFT if left > 0 else ROTATE_RIGHT] * abs(left)


def _disc(radius: float) -> NDArray[np.bool_]:
    """The cells within a radius of the middle one."""
    along = np.arange(-int(radius), int(radius) + 1)
    return np.asarray(np.hypot(along, along[:, None]) <= radius)


def _grown(cells: NDArray[np.bool_], disc: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells with what is around them."""
    import cv2

    return np.asarray(cv2.dilate(cells.view(np.uint8), disc.view(np.uint8)), np.uint8).view(np.bool_)


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
    f"frontier-{name}": lambda env, seed, name=name: Frontier(env, seed, prior=load_prior(name))  # type: ignore[misc]
    for name in PRIORS
}
EXPLORERS |= {
    f"{name}{ORACLE_STOP}": lambda env, seed, made=made: made(env, seed, oracle_stop=True)  # type: ignore[misc]
    for name, made in {"random": Walk, "bounce": Bounce, "frontier": Frontier}.items()
}
