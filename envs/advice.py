"""Advice on what to do next: arrays that cross from whoever advises to whoever learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos

ADVICE, OBSERVATION = "advice", "observation"
"""What an advised world observes: its advice, and what it observed before where that was no Dict."""


class Advice(NamedTuple):
    """What an adviser says of N rows with A actions.

    Attributes:
        probabilities: (N, A) float32, how good it holds each action to be; they sum to 1, evenly where it knows none.
        confidence: (N,) float32 in [0, 1].
        age: (N,) int64, decisions that have passed since the scene that it is about.
        valid: (N,) bool, whether there is any advice for the row.
    """

    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float32]
    age: NDArray[np.int64]
    valid: NDArray[np.bool_]

    @classmethod
    def none(cls, rows: int, actions: int) -> Advice:
        """No advice for anybody."""
        even = np.full((rows, actions), 1 / actions, np.float32)
        return cls(even, np.zeros(rows, np.float32), np.zeros(rows, np.int64), np.zeros(rows, np.bool_))

    def only(self, rows: NDArray[np.bool_]) -> Advice:
        """The advice of those of the rows (N,) that have any, and none for the others, in arrays of its own."""
        valid, none = self.valid & rows, Advice.none(*self.probabilities.shape)
        return Advice(
            np.where(valid[:, None], self.probabilities, none.probabilities),
            np.where(valid, self.confidence, none.confidence),
            np.where(valid, self.age, none.age),
            valid,
        )

    def packed(self) -> NDArray[np.float32]:
        """As one observation (N, A + 3) float32: the probabilities, the confidence, the age, and 1 where valid."""
        told = (self.confidence, self.age, self.valid)
        return np.concatenate([self.probabilities, np.stack(told, -1)], -1, dtype=np.float32)


class Adviser(Protocol):
    """Whoever advises: a language model, rules, a planner. It never steps the world, and returns at once."""

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """Advice for the present scene of every row.

        Args:
            env: The world, to describe rows of (`BatchEnv.describe`); it is not stepped.
            observations: (N, ...), the present ones.
            infos: That came with them.
            starts: (N,) bool, the rows that an episode has just begun in: older advice is not about them.
        """
        ...


class Advised(VectorWrapper):  # its generics differ between Gymnasium's versions
    """A world whose observations hold an adviser's advice.

    The observation is a Dict: ``"advice"``, `Advice.packed`, beside the world's own Dict, or beside
    ``"observation"`` where that is none. The state is the world's, its autoreset mode too. In mode ``same_step`` the
    last observation of an ended row holds no advice: its scene is gone when the adviser is asked.

    Args:
        env: With Discrete actions.
        adviser: Is asked at each reset and step.

    Attributes:
        silent: Where True the adviser is not asked, and there is no advice.

    Raises:
        ValueError: for a world without Discrete actions, or one that observes an ``"advice"`` already.
    """

    env: BatchEnv

    def __init__(self, env: BatchEnv, adviser: Adviser) -> None:
        super().__init__(env)
        self.adviser, self.silent = adviser, False
        self.single_observation_space = advised_space(env.single_observation_space, env.single_action_space)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._ended = np.zeros(env.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Any | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Infos]:
        """See `BatchEnv.reset`."""
        observations, infos = self.env.reset(seed=seed, options=options)
        starts = np.asarray(options["reset_mask"]) if options else np.ones(self.num_envs, np.bool_)
        self._ended = self._ended & ~starts
        return self._advised(observations, infos, starts), infos

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, Infos]:
        """See `BatchEnv.step`."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended, at_once = terminated | truncated, self.env.autoreset_mode is AutoresetMode.SAME_STEP
        starts, self._ended = ended if at_once else self._ended, ended
        if at_once and "final_obs" in infos:
            infos = {**infos, "final_obs": self._unadvised(infos["final_obs"], ended)}
        return self._advised(observations, infos, starts), rewards, terminated, truncated, infos

    def get_state(self) -> dict[str, NDArray[Any]]:
        """See `BatchEnv.get_state`; advisers keep nothing there."""
        return self.env.get_state()

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """See `BatchEnv.set_state`."""
        self.env.set_state(state)
        self._ended = state["ended"].copy()

    def _advised(self, observations: Any, infos: Infos, starts: NDArray[np.bool_]) -> dict[str, Any]:
        if self.silent:
            advice = self._none(self.num_envs)
        else:
            advice = self.adviser.advise(self.env, observations, infos, starts)
        return beside(observations, advice.packed())

    def _unadvised(self, finals: NDArray[Any], ended: NDArray[np.bool_]) -> NDArray[Any]:
        (nothing,) = self._none(1).packed()
        held = np.full(finals.shape, None, dtype=object)
        for row in np.flatnonzero(ended):
            held[row] = beside(finals[row], nothing.copy())
        return held

    def _none(self, rows: int) -> Advice:
        return Advice.none(rows, int(self.env.single_action_space.n))  # type: ignore[attr-defined]


def beside(observations: Any, advice: Any) -> dict[str, Any]:
    """Observations, or a single one, with packed advice."""
    return {**(observations if isinstance(observations, dict) else {OBSERVATION: observations}), ADVICE: advice}


def bare(observations: Any) -> Any:
    """Observations without the advice: what a world that is not advised gives. Those pass as they are."""
    if not isinstance(observations, dict) or ADVICE not in observations:
        return observations
    if OBSERVATION in observations:
        return observations[OBSERVATION]
    return {name: one for name, one in observations.items() if name != ADVICE}


def bare_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space of what `bare` leaves of a space's observations."""
    if not isinstance(space, spaces.Dict):
        return space
    left = bare(dict(space.spaces))
    return spaces.Dict(left) if isinstance(left, dict) else left


def advised_space(space: spaces.Space[Any], actions: spaces.Space[Any]) -> spaces.Dict:
    """The space of single observations with advice.

    Args:
        space: Of single observations; one with advice passes as it is.
        actions: Of single actions, Discrete.

    Raises:
        ValueError: for other actions, or an observation of that name which is none.
    """
    if not isinstance(actions, spaces.Discrete):
        raise ValueError(f"advice is about Discrete actions, the world has {actions}")
    high = np.r_[np.ones(int(actions.n) + 1), np.inf, 1.0].astype(np.float32)
    advice = spaces.Box(np.zeros_like(high), high)
    if isinstance(space, spaces.Dict) and ADVICE in space.spaces:
        if space.spaces[ADVICE] != advice:
            raise ValueError(f"the observation {ADVICE!r} is {space[ADVICE]}, expected {advice}")
        return space
    return spaces.Dict(beside(dict(space.spaces) if isinstance(space, spaces.Dict) else space, advice))


def words(advice: NDArray[np.float32], names: Sequence[str], attention: float | None = None) -> str:
    """What a picture tells of advice: the action held to be best, how good, its age, and the attention to it.

    Args:
        advice: (A + 3,), packed.
        names: Of the A actions, or none.
        attention: The policy's, in [0, 1].
    """
    if not advice[-1]:
        return "silent"
    best = int(advice[:-3].argmax())
    name = names[best].replace("_", " ").lower() if len(names) else str(best)
    age = f", {advice[-2]:.0f} old" if advice[-2] else ""
    heard = "" if attention is None else f", attention {attention:.0%}"
    return f"{name} {advice[best]:.0%}{age}{heard}"
