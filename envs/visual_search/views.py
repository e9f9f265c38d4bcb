"""Pictures of a search: what is searched, with the fixations so far, and how it is seen from the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.overlay import Annotation, Frame, panel
from foveal.optics.eye import Eye, foveate, pyramid

_PATH, _START, _TARGET, _GOOD, _BAD = (255, 150, 60), (86, 160, 242), (70, 190, 110), (70, 190, 110), (235, 80, 80)
_BITS = 4  # binary places of a pixel in which OpenCV draws


@dataclass(frozen=True)
class SearchScene:
    """One row of a search at one moment.

    Attributes:
        time_s: Fixations so far, in seconds.
        picture: What the world makes the picture of.
        items: How many things are in it.
        sought: What is, in words.
        fixations: (K, 2) degrees from the picture's middle, x right and y down.
        gaze: (2,) likewise, where the eye is: at the last fixation, or on its way from there.
        targets: (T, 2, 2) upper left and lower right corners of what is sought, degrees.
        answer: 1 present, -1 absent, 0 none yet.
        correct: Whether the answer is right.
    """

    time_s: float
    picture: Any
    items: int
    sought: str
    fixations: NDArray[np.float64]
    gaze: NDArray[np.float64]
    targets: NDArray[np.float64]
    answer: int
    correct: bool


def draw(
    picture: Frame, px_per_deg: float, scene: SearchScene, e2_deg: float, annotation: Annotation | None = None
) -> Frame:
    """The two pictures in a row under a line of text.

    Args:
        picture: (H, W, 3) uint8.
        px_per_deg: Of it.
        scene: What.
        e2_deg: Of the eye.
        annotation: What is noted of the policy.

    Returns:
        (H', W', 3) uint8.
    """
    height, width = picture.shape[:2]
    middle = (np.array([width, height]) - 1) / 2
    planes = pyramid(np.moveaxis(picture, -1, 0), 5)  # (3, H, W, L)
    gaze = scene.gaze * px_per_deg + middle
    seen = foveate(planes, np.tile(gaze, (3, 1)), Eye(px_per_deg, e2_deg))
    views = [picture.copy(), np.ascontiguousarray(np.moveaxis(np.rint(seen), 0, -1).astype(np.uint8))]
    _mark(views[0], scene, px_per_deg, middle)
    _ring(views[1], gaze, 0.02 * height, _PATH, max(1, height // 240))
    gap = np.full((height, max(2, height // 90), 3), 24, np.uint8)
    frame = np.concatenate([views[0], gap, views[1]], axis=1)
    strip = np.full((max(22, frame.shape[1] // 25), frame.shape[1], 3), 24, np.uint8)
    frame = np.concatenate([strip, frame])
    _tell(frame, scene, annotation)
    return frame


def _mark(frame: Frame, scene: SearchScene, px_per_deg: float, middle: NDArray[np.float64]) -> None:
    """The scanpath, and where the targets are."""
    import cv2

    height = frame.shape[0]
    thick = max(1, round(height / 180))
    for corners in scene.targets:
        low, high = np.rint((corners * px_per_deg + middle) * 2**_BITS).astype(int).tolist()
        cv2.rectangle(frame, low, high, _TARGET, thick, cv2.LINE_AA, _BITS)
    points = np.vstack([scene.fixations, scene.gaze]) * px_per_deg + middle
    line = np.rint(points * 2**_BITS).astype(np.int32)
    cv2.polylines(frame, [line], False, _PATH, thick, cv2.LINE_AA, _BITS)
    for number, point in enumerate(points[:-1]):
        _ring(frame, point, 0.012 * height, _PATH if number else _START, -1)
    _ring(frame, points[-1], 0.024 * height, _PATH, thick)


def _ring(frame: Frame, at: NDArray[np.float64], radius: float, colour: tuple[int, int, int], thick: int) -> None:
    import cv2

    x, y = np.rint(at * 2**_BITS).astype(int).tolist()
    cv2.circle(frame, (x, y), round(radius * 2**_BITS), colour, thick, cv2.LINE_AA, _BITS)


def _tell(frame: Frame, scene: SearchScene, annotation: Annotation | None) -> None:
    items = [("sought", scene.sought), ("items", str(scene.items)), ("fixations", str(len(scene.fixations)))]
    if annotation is not None and annotation.action:
        items += [("action", annotation.action), ("return", f"{annotation.reward:.2f}")]
    if annotation is not None and annotation.teacher:
        items.append(("", f"teacher: {annotation.teacher}"))
    legend = []
    if scene.answer:
        said = "present" if scene.answer > 0 else "absent"
        legend = [(f"says {said}: {'right' if scene.correct else 'wrong'}", _GOOD if scene.correct else _BAD)]
    panel(frame, items, legend)
