"""Tables of advice made beforehand: the scenes that are met most, and a teacher's answers about them."""

from __future__ import annotations

import time
from typing import NamedTuple

from foveal.envs.batch import BatchEnv
from foveal.envs.scene import Scene
from foveal.llm_teacher.cache import Cache, Table
from foveal.llm_teacher.practice import practise
from foveal.llm_teacher.teacher import Teacher


class Met(NamedTuple):
    """Scenes of one key.

    Attributes:
        key: See `foveal.envs.driving.risk.scene_key`.
        times: How often it was met.
        scene: The first of them.
    """

    key: int
    times: int
    scene: Scene


def meet(env: BatchEnv, *, steps: int, seed: int = 0) -> list[Met]:
    """The scenes that a student meets in a world (`practise`), those met most often first.

    Args:
        env: With ``risk=True``, in autoreset mode ``next_step``.
        steps: Of all rows.
        seed: Of the episodes and of the random actions.
    """
    times: dict[int, int] = {}
    scenes: dict[int, Scene] = {}
    for moment in practise(env, steps=steps, seed=seed):
        keys = moment.infos["risk"]["key"].tolist()
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in times}
        scenes |= dict(zip(new, env.unwrapped.describe(list(new.values())), strict=True))
        for key in keys:
            times[key] = times.get(key, 0) + 1
    order = sorted(times, key=lambda key: (-times[key], key))
    return [Met(key, times[key], scenes[key]) for key in order]


def fill(table: Table, teacher: Teacher, met: list[Met], cache: Cache, *, seconds: float) -> int:
    """Ask about scenes that the table does not have, one after another, until the time is up.

    Args:
        table: Is filled.
        teacher: Whom to ask.
        met: Scenes, the most important first.
        cache: Keeps each answer at once, so that another call goes on from there.
        seconds: To begin questions in, s.

    Returns:
        How many were asked about.

    Raises:
        Exhausted: where a limit of the teacher's is used up.
        Exception: whatever a failing call of the model raises.
    """
    begin, asked = time.monotonic(), 0
    for one in met:
        if one.key in table.answers:
            continue
        if time.monotonic() - begin >= seconds:
            break
        table.answers[one.key] = teacher.ask(one.scene)
        cache.put(table, {one.key: table.answers[one.key]})
        asked += 1
    return asked


def coverage(table: Table, met: list[Met]) -> float:
    """The share of all decisions met whose scene the table has an answer about."""
    known = sum(one.times for one in met if table.answers.get(one.key) is not None)
    return known / sum(one.times for one in met)
