"""Pictures of a search: the display with the fixations so far, and how it is seen from the last one, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.envs.overlay import Annotation, Frame, panel
from foveal.envs.visual_search.displays import Displays
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.optics.eye import Eye, foveate, pyramid

PX = 360
"""Width of each picture at zoom 1."""

_PATH, _START, _TARGET, _GOOD, _BAD = (255, 150, 60), (86, 160, 242), (70, 190, 110), (70, 190, 110), (235, 80, 80)
_BITS = 4  # binary places of a pixel in which OpenCV draws
_STRIP = 28  # px at zoom 1, above the pictures


@dataclass(frozen=True)
class SearchScene:
    """One row of visual search at one moment.

    Attributes:
        time_s: Fixations so far, in seconds.
        display: Of that row alone.
        fixations: (K, 2) degrees from the field's middle, x right and y down.
        gaze: (2,) likewise, where the eye is: at the last fixation, or on its way from there.
        target: Its place, degrees; None: there is none.
        answer: 1 present, -1 absent, 0 none yet.
        correct: Whether the answer is right.
    """

    time_s: float
    display: Displays
    fixations: NDArray[np.float64]
    gaze: NDArray[np.float64]
    target: tuple[float, ...] | None
    answer: int
    correct: bool


def draw(stimuli: Stimuli, scene: SearchScene, e2_deg: float, annotation: Annotation | None, zoom: float) -> Frame:
    """The two pictures in a row under a line of text.

    Args:
        stimuli: That the display is of.
        scene: What.
        e2_deg: Of the eye.
        annotation: What is noted of the policy.
        zoom: Of the size.

    Returns:
        (H, W, 3) uint8.
    """
    px, strip = round(PX * zoom), round(_STRIP * zoom)
    field = stimuli.condition.paradigm.field_deg
    pen = Stimuli(stimuli.condition, px_per_deg=px / field, colour=True)
    sharp = pen.draw(scene.display)[0]
    planes = pyramid(np.moveaxis(sharp, -1, 0), 5)  # (3, H, W, L)
    fixation = scene.gaze * pen.px_per_deg + (pen.px - 1) / 2
    seen = foveate(planes, np.tile(fixation, (3, 1)), Eye(pen.px_per_deg, e2_deg))
    views = [sharp.copy(), np.ascontiguousarray(np.moveaxis(np.rint(seen), 0, -1).astype(np.uint8))]
    _mark(views[0], scene, pen)
    _ring(views[1], fixation, 0.02 * px, _PATH, max(1, px // 240))
    gap = np.full((px, max(2, px // 90), 3), 24, np.uint8)
    frame = np.concatenate([views[0], gap, views[1]], axis=1)
    frame = np.concatenate([np.full((strip, frame.shape[1], 3), 24, np.uint8), frame])
    _tell(frame, scene, annotation)
    return frame


def _mark(frame: Frame, scene: SearchScene, pen: Stimuli) -> None:
    """The scanpath, and where the target is."""
    import cv2

    thick, scale = max(1, round(pen.px / 180)), pen.px_per_deg
    points = np.vstack([scene.fixations, scene.gaze]) * scale + (pen.px - 1) / 2
    if scene.target is not None:
        half = pen.condition.paradigm.box_px / 60 * scale
        corner = np.array(scene.target) * scale + (pen.px - 1) / 2
        low, high = (np.rint((corner + sign * half) * 2**_BITS).astype(int).tolist() for sign in (-1, 1))
        cv2.rectangle(frame, low, high, _TARGET, thick, cv2.LINE_AA, _BITS)
    line = np.rint(points * 2**_BITS).astype(np.int32)
    cv2.polylines(frame, [line], False, _PATH, thick, cv2.LINE_AA, _BITS)
    for number, point in enumerate(points[:-1]):
        _ring(frame, point, 0.012 * pen.px, _PATH if number else _START, -1)
    _ring(frame, points[-1], 0.024 * pen.px, _PATH, thick)


def _ring(frame: Frame, at: NDArray[np.float64], radius: float, colour: tuple[int, int, int], thick: int) -> None:
    import cv2

    x, y = np.rint(at * 2**_BITS).astype(int).tolist()
    cv2.circle(frame, (x, y), round(radius * 2**_BITS), colour, thick, cv2.LINE_AA, _BITS)


def _tell(frame: Frame, scene: SearchScene, annotation: Annotation | None) -> None:
    items = [("items", str(int(scene.display.size[0]))), ("fixations", str(len(scene.fixations)))]
    if annotation is not None and annotation.action:
        items += [("action", annotation.action), ("return", f"{annotation.reward:.2f}")]
    if annotation is not None and annotation.teacher:
        items.append(("", f"teacher: {annotation.teacher}"))
    legend = []
    if scene.answer:
        said = "present" if scene.answer > 0 else "absent"
        legend = [(f"says {said}: {'right' if scene.correct else 'wrong'}", _GOOD if scene.correct else _BAD)]
    panel(frame, items, legend)
