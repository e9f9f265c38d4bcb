"""Practice: scenes as a student meets them, and what came of what was done in them, to be remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv
from foveal.llm_teacher.heuristics import RuleTeacher
from foveal.llm_teacher.memory import Case, Memory
from foveal.llm_teacher.prompts import allowed_actions
from foveal.llm_teacher.risk import to_numbers, to_text

SLOW = 20.0
"""Mean speed below which a safe episode counts as slow where the world does not tell of success; m/s."""


class Moment(NamedTuple):
    """Before a decision of all N rows.

    Attributes:
        infos: The world's.
        ended: (N,) bool, rows whose episode has just ended: `infos` tell how, and what they do now does nothing.
        actions: (N,) int64, which are taken next.
        advised: (N,) int64, which the rule teacher would take.
    """

    infos: dict[str, Any]
    ended: NDArray[np.bool_]
    actions: NDArray[np.int64]
    advised: NDArray[np.int64]


def practise(env: BatchEnv, *, steps: int, seed: int = 0) -> Iterator[Moment]:
    """Drive as somebody who learns: the world stands at each moment until the next one is asked for.

    A student is anywhere between one that knows nothing and a good one: half of the rows are driven at random, the
    others by the rule teacher with a random action in ten.

    Args:
        env: With ``risk=True``, in autoreset mode ``next_step``.
        steps: Of all rows.
        seed: Of the episodes and of the random actions.
    """
    world, rows = env.unwrapped, env.num_envs
    rules, random = RuleTeacher(world), np.random.default_rng(seed)
    observations, infos = env.reset(seed=seed)
    starts, ended = np.ones(rows, np.bool_), np.zeros(rows, np.bool_)
    for _ in range(steps):
        advised = rules.advise(world, observations, infos, starts).probabilities.argmax(1)
        astray = (np.arange(rows) % 2 == 0) | (random.random(rows) < 0.1)
        actions = np.where(astray, random.integers(len(world.action_names), size=rows), advised)
        yield Moment(infos, ended, actions, advised)
        observations, _, terminated, truncated, infos = env.step(actions)
        starts, ended = ended, terminated | truncated  # the step after an end begins an episode


def remember(env: BatchEnv, memory: Memory, *, episodes: int, seed: int = 0) -> dict[str, int]:
    """Practise, and keep what was done in a memory: whole episodes that went well or slowly; of a crash, the mistake.

    What had been right instead of a mistake is what the rule teacher advised there; see `Memory.reflect`.

    Args:
        env: As `practise` takes it.
        memory: Is added to.
        episodes: How many at least; those that end last together are all counted.
        seed: See `practise`.

    Returns:
        How many episodes ended how.
    """
    world, rows = env.unwrapped, env.num_envs
    came: dict[str, int] = dict.fromkeys(("success", "slow", "crash"), 0)
    driven: list[list[tuple[Case, str]]] = [[] for _ in range(rows)]
    speeds = np.zeros((2, rows))  # sum, count
    for moment in practise(env, steps=1_000_000, seed=seed):
        speeds += np.stack([moment.infos["speed"], np.ones(rows)]) * ~moment.ended
        for row in np.flatnonzero(moment.ended).tolist():
            outcome = _outcome(moment.infos, row, speeds[0, row] / max(1.0, speeds[1, row]))
            came[outcome] += 1
            _keep(memory, driven[row], outcome)
            driven[row], speeds[:, row] = [], 0.0
        if sum(came.values()) >= episodes:
            break
        going = np.flatnonzero(~moment.ended).tolist()
        names = world.action_names
        for row, scene in zip(going, world.describe(going), strict=True):
            text = to_text(scene, allowed_actions(scene.risk.key, names))
            case = Case(text, tuple(to_numbers(scene).tolist()), names[moment.actions[row]], "success")
            driven[row].append((case, names[moment.advised[row]]))
    return came


def _outcome(infos: dict[str, Any], row: int, speed: float) -> str:
    """What came of an episode that has ended."""
    if infos["crashed"][row]:
        return "crash"
    told = infos.get("is_success")
    return "success" if (speed >= SLOW if told is None else told[row]) else "slow"


def _keep(memory: Memory, driven: list[tuple[Case, str]], outcome: str) -> None:
    """Add what is to be learnt of an episode."""
    cases = [case for case, _ in driven]
    if outcome == "crash":
        better = {id(case): advised for case, advised in driven}
        memory.reflect(cases, lambda case: (better[id(case)], f"the rules say {better[id(case)]} here"))
    else:
        memory.add(*(replace(case, outcome=outcome) for case in cases))
