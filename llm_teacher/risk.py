"""A scene in words: how near the ego is to a crash, and what it can do.

The words are few (`VOCABULARY`), the numbers are bins, the neighbours have the names of their places: the same scene
gives the same text, and scenes that differ by less than a bin do too. Nothing that a stranger wrote gets into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.controls import META_ACTIONS
from foveal.envs.driving.risk import CLOSING_EDGES, GAP_EDGES, SPEED_BIN, TTC_EDGES
from foveal.envs.driving.surrogates import FAR, NEVER
from foveal.envs.params import did_you_mean
from foveal.envs.scene import MEASURES, SLOTS, Scene

MAX_LENGTH = 2400  # characters of a text
PATHS = ("oncoming", "crossing left", "crossing right", "merging")
"""Those whose path meets the ego's, by where they come from."""
ORDER = ("first", "second", "third")
"""Of those of a path, by when they are at the conflict point; later ones are left out."""
CLOSING = ("drawing away", "same speed", "closing", "closing fast")
HEADWAY_EDGES = np.array([0.5, 1.0, 1.5, 2.0])  # s, bumper to bumper
TIME_EDGES = np.array([1.0, 2.0, 3.0, 5.0, 8.0])  # s, to a conflict point
DIFFERENCE_EDGES = np.array([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0])  # s; -5, 1 and 5 part the bands of the scene key
PASSING = (
    "passes over 5 s before you",
    "passes 3 to 5 s before you",
    "passes 1 to 3 s before you",
    "meets you there",
    "passes 1 to 3 s after you",
    "passes 3 to 5 s after you",
    "passes over 5 s after you",
)
_STANDING = 0.5  # m/s, below which one stands still
_CONFLICT = [MEASURES.index(name) for name in ("time_to_conflict", "time_to_conflict_other")]
NUMBERS = 2 + 2 * len(SLOTS) + len(PATHS) * len(ORDER)
"""How many numbers `to_numbers` gives."""


def to_text(scene: Scene, actions: Sequence[str]) -> str:
    """The scene in words, a line for the ego, each slot, each path that meets the ego's, and the actions.

    Args:
        scene: Of a world made with ``risk=True``.
        actions: Names of those that can be taken, of `META_ACTIONS`.

    Returns:
        At most `MAX_LENGTH` characters, of the words of `VOCABULARY` and numbers; see `is_scene_text`.

    Raises:
        ValueError: for a scene without risk, no action, one twice, or one of another name.
    """
    actions = _checked(actions)
    if scene.risk is None:
        raise ValueError("the scene has no risk: make the world with risk=True")
    risk, ego = scene.risk, scene.ego
    speed = float(np.nan_to_num(np.clip(scene.speed[ego], -99, 99)))
    sides = [name for bit, name in ((1, "left"), (2, "right")) if risk.key & bit]
    lines = [f"ego: speed {_speed(speed)}, lanes beside: {' and '.join(sides) or 'none'}"]
    for name, (gap, closing, ttc) in zip(SLOTS, risk.slots, strict=True):
        if not gap < FAR or gap <= 0:
            lines.append(f"{name}: {'beside you' if gap <= 0 else 'nobody'}")
            continue
        stands = name.startswith("ahead") and speed > _STANDING and abs(speed - closing) < _STANDING
        how = "standing still" if stands else CLOSING[_bin(closing, CLOSING_EDGES)]
        crash = "" if ttc >= NEVER else f", collision in {_range(ttc, TTC_EDGES, 's')}"
        seconds = _range(gap / speed, HEADWAY_EDGES, "s") if name == "ahead same" and speed > _STANDING else ""
        headway = f", headway {seconds}" if seconds else ""
        lines.append(f"{name}: gap {_range(gap, GAP_EDGES, 'm')}{headway}, {how}{crash}")
    for path, meetings in zip(PATHS, _meetings(scene), strict=True):
        named = zip(ORDER, meetings, strict=False)
        lines += [f"{path} {order}: {_meeting(*meeting)}" for order, meeting in named]
    lines.append(f"actions: {', '.join(actions)}")
    return "\n".join(lines)


def to_numbers(scene: Scene) -> NDArray[np.float32]:
    """The scene as numbers (`NUMBERS`,) in [-1, 1], for `foveal.llm_teacher.memory` to compare by.

    Speed over 40 m/s; per slot nearness 20 / (20 + gap) and, times that, the closing speed over 10 m/s; nearness
    3 / (3 + t) of the ego's least time to a conflict point, and of the times of the first three of each of `PATHS`.
    Far away everything fades to 0, so that sums of differences weigh what is near.

    Raises:
        ValueError: for a scene without risk.
    """
    if scene.risk is None:
        raise ValueError("the scene has no risk: make the world with risk=True")
    gap, closing, _ = scene.risk.slots.astype(np.float64).T
    near = np.where(gap < FAR, 20 / (20 + np.maximum(gap, 0.0)), 0.0)
    meetings = _meetings(scene)
    mine = min((meeting[0] for path in meetings for meeting in path), default=NEVER)
    soon = np.zeros((len(PATHS), len(ORDER)))
    for path, meeting in enumerate(meetings):
        times = [theirs for _, theirs in meeting[: len(ORDER)]]
        soon[path, : len(times)] = [_soon(time) for time in times]
    numbers = np.concatenate([[scene.speed[scene.ego] / 40, _soon(mine)], near, near * closing / 10, soon.ravel()])
    return np.clip(np.nan_to_num(numbers), -1, 1).astype(np.float32)


def is_scene_text(text: str) -> bool:
    """Whether a text is short enough and has no words but those of `to_text`."""
    if len(text) > MAX_LENGTH or not re.fullmatch(r"[A-Za-z0-9_.:,/ \n]*", text):
        return False
    words = re.split(r"[:, \n]+", text.strip())
    return all(word in VOCABULARY or re.fullmatch(r"[0-9]{1,4}(\.[0-9])?", word) for word in words)


def _checked(actions: Sequence[str]) -> Sequence[str]:
    for name in actions:
        if name not in META_ACTIONS:
            raise ValueError(f"unknown action {str(name)[:40]!r}{did_you_mean(str(name)[:40], list(META_ACTIONS))}")
    if not actions or len(set(actions)) < len(actions):
        raise ValueError(f"actions {', '.join(actions) or 'none'}: must be at least one, and each once")
    return actions


def _soon(time: float) -> float:
    return 3 / (3 + max(time, 0.0)) if time < NEVER else 0.0


def _meetings(scene: Scene) -> list[list[tuple[float, float]]]:
    """Of each of `PATHS` the times, s, of the ego and of the other to where they meet, the soonest of these first."""
    assert scene.risk is not None
    found: list[list[tuple[float, float]]] = [[] for _ in PATHS]
    turn = scene.heading - scene.heading[scene.ego]
    ahead, right = np.cos(turn), np.sin(turn)  # of where they drive to, as the ego sees it
    for other, measures in enumerate(scene.risk.each):
        mine, theirs = measures[_CONFLICT].tolist()
        if other != scene.ego and (mine < NEVER or theirs < NEVER):
            path = 0 if ahead[other] < -0.7 else 3 if ahead[other] > 0.7 else 1 if right[other] > 0 else 2
            found[path].append((mine, theirs))
    return [sorted(path, key=lambda times: times[::-1]) for path in found]


def _meeting(mine: float, theirs: float) -> str:
    if theirs >= NEVER:
        return f"stops before the conflict point, you are there in {_range(mine, TIME_EDGES, 's')}"
    there = f"at the conflict point in {_range(theirs, TIME_EDGES, 's')}"
    if mine >= NEVER:
        return f"{there}, you stop before it"
    passing = PASSING[_bin(theirs - mine, DIFFERENCE_EDGES)]
    return f"{there}, you in {_range(mine, TIME_EDGES, 's')}, {passing}"


def _speed(speed: float) -> str:
    if abs(speed) < _STANDING:
        return "0 m/s"
    low = max(np.floor(speed / SPEED_BIN), 0) * SPEED_BIN
    return f"{low:g} to {low + SPEED_BIN:g} m/s"


def _range(value: float, edges: NDArray[np.float64], unit: str) -> str:
    place = _bin(value, edges)
    if place == 0:
        return f"under {edges[0]:g} {unit}"
    if place == len(edges):
        return f"over {edges[-1]:g} {unit}"
    return f"{edges[place - 1]:g} to {edges[place]:g} {unit}"


def _bin(value: float, edges: NDArray[np.float64]) -> int:
    return int(np.searchsorted(edges, value, side="right"))


_WORDS = (
    *SLOTS, *PATHS, *ORDER, *CLOSING, *PASSING, "ego: speed, lanes beside: none", "left and right", "nobody",
    "beside you", "m s m/s", "gap", "standing still", "collision in", "headway",
    "stops before the conflict point, you are there in", "at the conflict point in, you stop before it",
    "under over to", "actions:",
)  # fmt: skip
VOCABULARY = frozenset(META_ACTIONS) | {word for words in _WORDS for word in re.split(r"[:, ]+", words)} - {""}
"""Every word that `to_text` uses; numbers besides."""
