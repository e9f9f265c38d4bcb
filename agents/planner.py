"""The clairvoyant planner: the best drive that a beam search over cloned rows finds.

After a reset a driving world is deterministic, its future traffic included: it hangs on the row's seed and on the
actions. So a search that steps copies of the row sees what is coming, which no driver does. What it reaches is the
upper reference by which drivers are measured; being a search of limited width, it is itself a lower bound on the best.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from foveal.envs.driving.traffic import SPEED, TARGET_LANE, TARGET_SPEED, X, Y
from foveal.envs.driving.world import DrivingWorld

_GRAIN = {X: 1.0, Y: 0.5, SPEED: 0.5, TARGET_LANE: 1.0, TARGET_SPEED: 1.0}
"""Egos that differ by less in each of these features (m, m/s) are all but in the same place, and of the same intent."""


class Plan(NamedTuple):
    """A way through an episode.

    Attributes:
        actions: (T,) int64.
        rewards: (T,) float64, what they bring.
        terminated: Whether the episode ends by them, in a crash or at a goal.
        truncated: Whether its time is up after them; neither where the horizon came first.
    """

    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminated: bool
    truncated: bool


class Planner:
    """Beam search over the discrete actions of a world.

    In each step the best branches, at most ``branches / actions``, are tried out with every action. Of branches whose
    egos are all but in the same place, at the same speed and of the same intent, only the best few go on, so that the
    beam does not fill up with twins; and each target speed keeps its share of it, as slow ways may pay in the end.

    Args:
        world: The world to plan in; it is asked for its class and parameters and not stepped.
        branches: Rows stepped at once.
        twins: How many branches whose egos are all but alike go on.

    Raises:
        ValueError: for a world without discrete actions, or too few branches.
    """

    def __init__(self, world: DrivingWorld, *, branches: int = 4096, twins: int = 2) -> None:
        if not isinstance(world.single_action_space, spaces.Discrete):
            raise ValueError(f"a plan is of discrete actions, {type(world).__name__} has {world.single_action_space}")
        self._count, self._first = int(world.single_action_space.n), int(world.single_action_space.start)
        if branches < self._count or twins < 1:
            raise ValueError(f"branches={branches}, twins={twins}: must be at least {self._count} and 1")
        self._width, self._twins = branches // self._count, twins
        self._world = type(world)(
            self._width * self._count,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=world.max_episode_steps,
            copy=False,
            **{name: getattr(world.params, name) for name in world.params.__dataclass_fields__},
        )
        self._world.reset(seed=0)

    def plan(self, world: DrivingWorld, row: int = 0, *, horizon: int = 1000) -> Plan:
        """The best way found from a row's present state on.

        Args:
            world: Of the same class and parameters.
            row: Which of its rows.
            horizon: Most steps; an episode that ends sooner ends the search.

        Returns:
            The plan. Played in that row, it brings just these rewards.
        """
        state = {name: array[row : row + 1] for name, array in world.get_state().items()}
        returns, ways = np.zeros(1), list[_Level]()
        best = _End(-np.inf, 0, 0, 0, 0.0, False, False)
        for step in range(horizon):
            tried = self._try(state, returns)
            at_an_end = tried.ended if step < horizon - 1 else np.ones_like(tried.ended)
            if at_an_end.any():
                best = max(best, tried.best(at_an_end, step))
            if tried.ended.all():
                break
            chosen = self._choose(tried)
            ways.append(_Level(tried.parents[chosen], tried.actions[chosen], tried.rewards[chosen]))
            returns = tried.returns[chosen]
            state = {name: array[chosen] for name, array in self._world.get_state().items()}
        return self._plan_to(best, ways)

    def _try(self, state: dict[str, NDArray[Any]], returns: NDArray[np.float64]) -> _Tried:
        """Take every action from each of B states; the rows that are left over repeat the first."""
        used = returns.size * self._count
        parents = np.zeros(self._world.num_envs, np.int64)
        parents[:used] = np.repeat(np.arange(returns.size), self._count)
        actions = np.resize(np.arange(self._count), parents.size)
        self._world.set_state({name: array[parents] for name, array in state.items()})
        _, rewards, terminated, truncated, _ = self._world.step(self._first + actions)
        parents, actions, rewards = parents[:used], actions[:used], rewards[:used].copy()
        ends = terminated[:used].copy(), truncated[:used].copy()
        return _Tried(parents, actions, rewards, returns[parents] + rewards, *ends)

    def _choose(self, tried: _Tried) -> NDArray[np.int64]:
        """The branches that go on: the best of each target speed by turns, and of twins only the best few."""
        order = np.argsort(-tried.returns, kind="stable")
        order = order[~tried.ended[order]]
        egos = self._world.ego_features(tuple(_GRAIN))[order]
        cells = np.rint(egos / np.array(list(_GRAIN.values()))).astype(np.int64)
        few = _place(np.unique(cells, axis=0, return_inverse=True)[1].ravel()) < self._twins
        by_turns = np.argsort(_place(cells[few, -1]), kind="stable")
        chosen: NDArray[np.int64] = order[few][by_turns][: self._width]
        return chosen

    def _plan_to(self, end: _End, ways: list[_Level]) -> Plan:
        """The actions that lead to an end, read from its last one back."""
        actions, rewards, beam = [end.action], [end.reward], end.parent
        for level in reversed(ways[: end.step]):
            actions.append(int(level.actions[beam]))
            rewards.append(float(level.rewards[beam]))
            beam = int(level.parents[beam])
        return Plan(self._first + np.array(actions[::-1]), np.array(rewards[::-1]), end.terminated, end.truncated)


def _place(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the same group come before each (R,)."""
    by_group = np.argsort(group, kind="stable")
    _, begins, counts = np.unique(group[by_group], return_index=True, return_counts=True)
    place = np.empty(group.size, np.int64)
    place[by_group] = np.arange(group.size) - np.repeat(begins, counts)
    return place


class _Level(NamedTuple):
    """Where the branches that went on came from: (B,) the one before, the action and what it brought."""

    parents: NDArray[np.int64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]


class _End(NamedTuple):
    """A branch at which a search may end; the better one is the greater."""

    total: float
    step: int
    parent: int
    action: int
    reward: float
    terminated: bool
    truncated: bool


class _Tried(NamedTuple):
    """What became of each action (R,) of each branch."""

    parents: NDArray[np.int64]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    returns: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    @property
    def ended(self) -> NDArray[np.bool_]:
        return self.terminated | self.truncated

    def best(self, among: NDArray[np.bool_], step: int) -> _End:
        k = int(np.argmax(np.where(among, self.returns, -np.inf)))
        return _End(
            float(self.returns[k]), step, int(self.parents[k]), int(self.actions[k]), float(self.rewards[k]),
            bool(self.terminated[k]), bool(self.truncated[k]),
        )  # fmt: skip
