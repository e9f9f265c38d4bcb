"""What a careful driver goes by: rules in words for a prompt, and a teacher that follows them without a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.advice import Advice
from foveal.envs.batch import BatchEnv
from foveal.envs.driving.world import DrivingWorld
from foveal.llm_teacher.forecast import Junction, Road, forecast_for

HEADWAY = 1.5  # s
DILU_GAP = 25.0  # m
DANGER_S = 1.0  # s of difference, either way


class Heuristic(NamedTuple):
    """A rule of driving.

    Attributes:
        name: What it is called.
        text: The rule, for a prompt.
        source: Where its numbers are from.
        followed: Whether `RuleTeacher` follows it; else it is for models only.
    """

    name: str
    text: str
    source: str
    followed: bool


_SET = "set on training seeds of the tell-drive suite"
HEURISTICS = (
    Heuristic(
        "look ahead",
        f"Think {Road.HORIZON} s ahead: suppose that everybody keeps their lane and does not drive into the car ahead.",
        f"{_SET}; how cars follow: Intelligent Driver Model (Treiber et al. 2000), constants of highway-env 1.12",
        True,
    ),
    Heuristic(
        "room",
        f"Never choose an action after which a car ahead on your lane comes nearer than {Road.ROOM:g} m.",
        _SET,
        True,
    ),
    Heuristic(
        "headway",
        f"Keep {HEADWAY:g} s behind the car ahead, except while you pass it.",
        "the Intelligent Driver Model's T in highway-env 1.12 (vehicle/behavior.py)",
        False,
    ),
    Heuristic(
        "lane gap",
        f"Change lane into a gap with {DILU_GAP:g} m ahead; with less only if nobody there closes in on you.",
        "DiLu (arXiv 2309.16292), the safe gap of its example",
        False,
    ),
    Heuristic(
        "follower",
        f"Change lane only if whoever is behind there stays {Road.ROOM_BEHIND:g} m away from you without braking.",
        f"{_SET}; the criterion is MOBIL's (Kesting et al. 2007, eq. 2) with no braking imposed",
        True,
    ),
    Heuristic(
        "escape",
        "Leave a lane that is about to be blocked while the one beside it is open; do not wait until you are shut in.",
        "cost of nearness over all plans, no number",
        True,
    ),
    Heuristic(
        "no weaving",
        f"A lane change must be worth it: it counts as much as {Road.CHANGE_COSTS:g} m/s of speed.",
        _SET,
        True,
    ),
    Heuristic(
        "progress",
        "Of the safe actions take the one that brings you on fastest; do not crawl where the road is free.",
        "the suite's rule of success",
        True,
    ),
    Heuristic(
        "ramp",
        "On a ramp, match the speed of the stream and enter the first gap; the ramp ends at an obstacle.",
        "foveal/Merge-v0",
        True,
    ),
    Heuristic(
        "yield",
        f"At a crossing, let whoever passes less than {Junction.EARLIER:g} s before you come or {Junction.LATER:g} s "
        f"after you leave go first; brake early rather than late. A difference within {DANGER_S:g} s is danger.",
        f"{_SET}; danger: the band of the public code of Actor-Reasoner (arXiv 2503.00502)",
        True,
    ),
    Heuristic(
        "gap",
        "If no safe gap comes now, slow down so that you arrive, rolling, when the next one does.",
        "sequences of three decisions, no number",
        True,
    ),
    Heuristic(
        "commit",
        f"Once you are within {Junction.BEFORE:g} m of the conflict point do not stop on it: drive on.",
        _SET,
        True,
    ),
)
"""In the order of a prompt. `foveal.llm_teacher.forecast` has the numbers of those that `RuleTeacher` follows."""


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
