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

MAX_LENGTH = 2000  # characters of a text
PATHS = ("oncoming", "crossing left", "crossing right", "merging")
"""Those whose path meets the ego's, by where they come from."""
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
_CONFLICT = [MEASURES.index(name) for name in ("time_to_conflict", "time_to_conflict_other", "conflict_difference")]
NUMBERS = 1 + 2 * len(SLOTS) + 3 * len(PATHS)
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
    speed = float(scene.speed[ego])
    sides = [name for bit, name in ((1, "left"), (2, "right")) if risk.key & bit]
    lines = [f"ego: speed {_speed(speed)}, lanes beside: {' and '.join(sides) or 'none'}"]
    for name, (gap, closing, ttc) in zip(SLOTS, risk.slots, strict=True):
        if gap >= FAR:
            lines.append(f"{name}: nobody")
            continue
        stands = name.startswith("ahead") and speed > _STANDING and abs(speed - closing) < _STANDING
        how = "standing still" if stands else CLOSING[_bin(closing, CLOSING_EDGES)]
        crash = "" if ttc >= NEVER else f", collision in {_range(ttc, TTC_EDGES, 's')}"
        seconds = _range(gap / speed, HEADWAY_EDGES, "s") if name == "ahead same" and speed > _STANDING else ""
        headway = f", headway {seconds}" if seconds else ""
        lines.append(f"{name}: gap {_range(gap, GAP_EDGES, 'm')}{headway}, {how}{crash}")
    for name, (mine, theirs, difference) in zip(PATHS, _meetings(scene), strict=True):
        if difference < NEVER:
            lines.append(f"{name}: {_meeting(mine, theirs, difference)}")
    lines.append(f"actions: {', '.join(actions)}")
    return "\n".join(lines)


def to_numbers(scene: Scene) -> NDArray[np.float32]:
    """The scene as numbers (`NUMBERS`,) in [-1, 1], for `foveal.llm_teacher.memory` to compare by.

    Speed over 40 m/s; per slot nearness 20 / (20 + gap) and, times that, the closing speed over 10 m/s; per path of
    `PATHS` the nearness 3 / (3 + t) of both times to the conflict point, and of their difference with its sign.
    Far away everything fades to 0, so that sums of differences weigh what is near.

    Raises:
        ValueError: for a scene without risk.
    """
    if scene.risk is None:
        raise ValueError("the scene has no risk: make the world with risk=True")
    gap, closing, _ = scene.risk.slots.astype(np.float64).T
    near = np.where(gap >= FAR, 0.0, 20 / (20 + gap))
    mine, theirs, difference = _meetings(scene).T
    soon = [np.where(time >= NEVER, 0.0, 3 / (3 + np.abs(time))) for time in (mine, theirs, difference)]
    numbers = np.concatenate(
        [[scene.speed[scene.ego] / 40], near, near * closing / 10, *soon[:2], soon[2] * np.sign(difference)]
    )
    return np.clip(numbers, -1, 1).astype(np.float32)


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


def _meetings(scene: Scene) -> NDArray[np.float64]:
    """Of each of `PATHS` the one nearest in time: (4, 3) s, the ego's and its time to the conflict, the difference."""
    assert scene.risk is not None
    found = np.full((len(PATHS), 3), NEVER)
    turn = scene.heading - scene.heading[scene.ego]
    ahead, right = np.cos(turn), np.sin(turn)  # of where they drive to, as the ego sees it
    for other, measures in enumerate(scene.risk.each):
        mine, theirs, difference = measures[_CONFLICT].tolist()
        if other == scene.ego or difference >= NEVER:
            continue
        path = 0 if ahead[other] < -0.7 else 3 if ahead[other] > 0.7 else 1 if right[other] > 0 else 2
        if abs(difference) < abs(found[path, 2]):
            found[path] = mine, theirs, difference
    return found


def _meeting(mine: float, theirs: float, difference: float) -> str:
    if mine >= NEVER:
        return f"at the conflict point in {_range(theirs, TIME_EDGES, 's')}, you stop before it"
    if theirs >= NEVER:
        return f"stops before the conflict point, you are there in {_range(mine, TIME_EDGES, 's')}"
    there = f"at the conflict point in {_range(theirs, TIME_EDGES, 's')}, you in {_range(mine, TIME_EDGES, 's')}"
    return f"{there}, {PASSING[_bin(difference, DIFFERENCE_EDGES)]}"


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
    *SLOTS, *PATHS, *CLOSING, *PASSING, "ego: speed, lanes beside: none", "left and right", "nobody", "m s m/s",
    "gap", "standing still", "collision in", "headway", "stops before the conflict point, you are there in",
    "at the conflict point in, you stop before it", "under over to", "actions:",
)  # fmt: skip
VOCABULARY = frozenset(META_ACTIONS) | {word for words in _WORDS for word in re.split(r"[:, ]+", words)} - {""}
"""Every word that `to_text` uses; numbers besides."""
