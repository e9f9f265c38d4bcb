"""What a careful driver goes by: rules in words for a prompt, and a teacher that follows them without a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.advice import Advice
from foveal.envs.batch import BatchEnv
from foveal.envs.driving.world import DrivingWorld
from foveal.llm_teacher.forecast import forecast_for

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
    """An `Adviser` that follows `HEURISTICS`: it looks a few seconds ahead and takes the best plan's first action.

    How likely it holds an action is a softmax of what the best plan that begins with it is worth; its confidence is
    1 - entropy / log(actions).

    Args:
        env: The world, or one with the same parameters.

    Raises:
        ValueError: for a world that the rules are not about; see `foveal.llm_teacher.forecast.forecast_for`.
    """

    def __init__(self, env: BatchEnv) -> None:
        self._forecast = forecast_for(_driving(env))

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `foveal.envs.advice.Adviser`; observations and starts do not matter."""
        world, first = _driving(env), self._forecast.first
        plans = self._forecast.values(world, infos)  # (N, P)
        worth = np.full((len(plans), len(world.action_names)), -np.inf, np.float32)
        for action in range(worth.shape[1]):
            worth[:, action] = plans[:, first == action].max(1, initial=-np.inf)
        worth = np.where(_possible(world, infos), worth, -np.inf)
        odds = np.exp(worth - worth.max(1, keepdims=True))
        probabilities = odds / odds.sum(1, keepdims=True)
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(1)
        rows, actions = probabilities.shape
        return Advice(
            probabilities=probabilities.astype(np.float32),
            confidence=np.clip(1 - entropy / np.log(actions), 0, 1).astype(np.float32),
            age=np.zeros(rows, np.int64),
            valid=np.ones(rows, np.bool_),
        )


def _possible(env: DrivingWorld, infos: dict[str, Any]) -> NDArray[np.bool_]:
    """Which actions (N, A) there are: all but lane changes to where the world says there is no lane."""
    lateral = np.array([name.startswith("LANE") for name in env.action_names])
    possible: NDArray[np.bool_] = np.asarray(infos["action_mask"]) | ~lateral
    return possible


def _driving(env: BatchEnv) -> DrivingWorld:
    if not isinstance(env, DrivingWorld):
        raise ValueError(f"the rule teacher is about driving worlds, not {type(env).__name__}")
    return env
