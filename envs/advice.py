"""Advice on what to do next: arrays that cross from whoever advises to whoever learns."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv


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
