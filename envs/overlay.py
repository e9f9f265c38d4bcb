"""What a picture tells beside the scene: the annotation of a frame, the panel along its top, a banner across it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Colour = tuple[int, int, int]

HEADS: tuple[Colour, ...] = ((255, 196, 77), (86, 204, 242), (255, 110, 199), (182, 146, 255))
"""RGB of the attention heads."""


@dataclass(frozen=True)
class Annotation:
    """What a picture tells about the policy, beside the scene.

    Attributes:
        action: Name of the action under way, or None.
        reward: Sum of the episode's rewards so far.
        attention: (S,) or (heads, S) weights over the slots of `Scene.observed`; of policies that see images (2, h, w)
            over the image, before and behind their filter; or None.
        teacher: What a teacher advises, in words, or None.
    """

    action: str | None = None
    reward: float = 0.0
    attention: NDArray[np.floating[Any]] | None = None
    teacher: str | None = None


@cache
def _font() -> Any:
    import cv2

    return cv2.FontFace("sans")


def write(frame: Frame, text: str, x: int, y: int, colour: Colour, size: int, weight: int = 400) -> None:
    """Write a line of text, its baseline at (x, y) pixels; in place.

    Args:
        frame: (H, W, 3) uint8 RGB.
        text: The line.
        x: Pixels.
        y: Pixels.
        colour: RGB.
        size: Of the letters, pixels.
        weight: 400 is normal, 600 bold.
    """
    import cv2

    cv2.putText(frame, text, (x, y), colour, _font(), size, weight)


def text_width(text: str, size: int, weight: int = 400) -> int:
    """How wide `write` writes a line of text, pixels."""
    import cv2

    return int(cv2.getTextSize((0, 0), text, (0, 0), _font(), size, weight)[2])


def banner(frame: Frame, title: str, lines: Sequence[str] = ()) -> None:
    """Write a title and lines across the middle of a frame that steps back behind them; in place.

    Args:
        frame: (H, W, 3) uint8 RGB.
        title: One line, large.
        lines: Lines below it, smaller, and as small as they need to be to fit.
    """
    height, width = frame.shape[:2]
    small = int(np.clip(min(0.065 * height, width / 48), 10, 22))  # px, of the letters
    widest = max((text_width(line, small) for line in lines), default=0)
    small = min(small, small * (width - small) // max(widest, 1))
    large, leading = 2 * small, round(1.7 * small)
    y = (height - leading * len(lines)) // 2 + small // 2  # baseline of the title
    top, bottom = y - 2 * large, y + leading * len(lines) + large
    away = np.maximum(top - np.arange(height), np.arange(height) - bottom) / large  # from the text, 0 and less: behind
    frame[...] = frame * (0.2 + 0.5 * np.clip(away, 0, 1))[:, None, None]
    write(frame, title, (width - text_width(title, large, 600)) // 2, y, (240, 243, 246), large, 600)
    for number, line in enumerate(lines, 1):
        x = (width - text_width(line, small)) // 2
        write(frame, line, x, y + round((number + 0.15) * leading), (178, 186, 196), small)


def panel(
    frame: Frame, items: Sequence[tuple[str, str]], legend: Sequence[tuple[str, Colour]] = (), shade: float = 0.5
) -> None:
    """Draw a line of labelled values along a frame's top, and coloured keys at its right end; in place.

    What does not fit is left out: first the labels, then the keys, then the last values.

    Args:
        frame: (H, W, 3) uint8 RGB.
        items: (label, value) pairs.
        legend: (label, RGB) pairs.
        shade: How much darker the frame gets behind it, in [0, 1].
    """
    import cv2

    height, width = frame.shape[:2]
    size = int(np.clip(min(0.075 * height, width / 52), 10, 28))  # px, of the letters
    strip = frame[: 2 * size]
    fade = np.clip((2 * size - np.arange(len(strip))) / size, 0, 1)[:, None, None]
    strip[...] = strip * (1 - shade * fade)

    def put(text: str, x: int, colour: Colour, weight: int) -> None:
        write(frame, text, x, round(1.45 * size), colour, size, weight)

    gap, right = size // 2, width - size
    steps = [-(-text_width(value, size, 600) // size) for _, value in items]  # whole letters, lest the panel jitter
    wide = [step * size + 2 * gap for step in steps]
    keys = sum(text_width(label, size) + 2 * size + gap for label, _ in legend)
    labels = [text_width(label, size) + gap for label, _ in items]
    if size + sum(wide) + sum(labels) + keys > width:
        labels = [0] * len(items)
    if size + sum(wide) + keys <= width:
        for label, colour in reversed(legend):
            right -= text_width(label, size)
            put(label, right, (190, 197, 206), 400)
            dot = ((right - size // 2 - 2) * 16, round(1.08 * size * 16))
            cv2.circle(frame, dot, round(0.28 * size * 16), colour, cv2.FILLED, cv2.LINE_AA, shift=4)
            right -= 2 * size + gap
    x = size
    for (label, value), span, room in zip(items, wide, labels, strict=True):
        if x + room + span > right + 2 * gap:
            break
        if room:
            put(label, x, (150, 158, 168), 400)
        put(value, x + room, (240, 243, 246), 600)
        x += room + span
