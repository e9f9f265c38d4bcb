"""Drawing: antialiased strokes, by how much of each pixel they cover."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.visual_search.displays import Cast
from foveal.envs.visual_search.paradigms import ARC, BAR, FORMS, GREY_STEPS, SHADED, place
from foveal.kernels import inlined, kernel


class Brush(NamedTuple):
    """The strokes of a cast, as a kernel draws them.

    Attributes:
        first: (K + 1,) where the strokes of each look begin.
        kind: (S,) `BAR`, `ARC`, `DISC` or `SHADED`.
        shape: (S, 5) middle x and y, and the three numbers of a `Stroke`, degrees and rad.
        turn: (S,) rad, of an arc's middle, or of what a shaded disc's top was.
        colour: (S, 3) uint8.
    """

    first: NDArray[np.int64]
    kind: NDArray[np.int64]
    shape: NDArray[np.float64]
    turn: NDArray[np.float64]
    colour: NDArray[np.uint8]


def brush_for(cast: Cast, grey: bool = False) -> Brush:
    """The strokes of a cast, with its colours or as grey as they are bright (ITU-R BT.601)."""
    forms = list(FORMS.values())
    looks = list(zip(cast.form, cast.turn, cast.mirrored, cast.colour, strict=True))
    placed = [[place(stroke, math.degrees(turn), bool(m)) for stroke in forms[form]] for form, turn, m, _ in looks]
    turns = [turn + math.pi * bool(m) for (_, turn, m, _), strokes in zip(looks, placed, strict=True) for _ in strokes]
    colours = np.array([colour for (*_, colour), strokes in zip(looks, placed, strict=True) for _ in strokes])
    if grey:
        colours = np.repeat(np.rint(colours @ [0.299, 0.587, 0.114])[:, None], 3, 1).astype(np.uint8)
    strokes = [stroke for one in placed for stroke in one]
    return Brush(
        np.cumsum([0, *map(len, placed)]),
        np.array([stroke[0] for stroke in strokes]),
        np.array([stroke[1:] for stroke in strokes]),
        np.array(turns),
        colours,
    )


@inlined
def _overlap(distance, half):
    """How much of a pixel of width 1 at a distance from the middle of a strip of a half width is in it."""
    return max(0.0, min(distance + 0.5, half) - max(distance - 0.5, -half))


@inlined
def _wrapped(angle):
    """An angle in [-pi, pi)."""
    return angle - 2 * math.pi * math.floor(angle / (2 * math.pi) + 0.5)


@inlined
def _coverage(kind, dx, dy, a, b, angle, turn, cos, sin):
    """How much of a pixel at (dx, dy) from a stroke's middle it covers; lengths in pixels."""
    if kind == BAR:
        across, along = dx * cos + dy * sin, dy * cos - dx * sin
        return _overlap(abs(across), b / 2) * _overlap(abs(along), a / 2)
    radius = math.sqrt(dx * dx + dy * dy)
    if kind != ARC:
        return min(max(a + 0.5 - radius, 0.0), 1.0)
    covered = _overlap(abs(radius - a), b / 2)
    if covered > 0.0 and angle < 2 * math.pi:
        beyond = abs(_wrapped(math.atan2(dy, dx) - turn)) - angle / 2
        covered *= min(max(0.5 - beyond * a, 0.0), 1.0)
    return covered


@kernel
def draw_rows(start, stop, rows, sizes, look, places, brush, background, px_per_deg, images):
    """Draw the items of each of `rows` (display `rows[i]` into image `i`) onto a background.

    Where strokes of an item overlap, the one counts that differs more from the background.
    """
    height, width, channels = images.shape[1:]
    for i in range(start, stop):
        row, image = rows[i], images[i]
        image[:] = background
        for item in range(sizes[row]):
            which = look[row, item]
            x0 = places[row, item, 0] * px_per_deg + (width - 1) / 2.0
            y0 = places[row, item, 1] * px_per_deg + (height - 1) / 2.0
            for s in range(brush.first[which], brush.first[which + 1]):
                _stroke(image, brush, s, x0, y0, background, px_per_deg, channels)


@kernel
def _stroke(image, brush, s, x0, y0, background, px_per_deg, channels):
    height, width = image.shape[:2]
    kind, angle, turn = brush.kind[s], brush.shape[s, 4], brush.turn[s]
    x, y = x0 + brush.shape[s, 0] * px_per_deg, y0 + brush.shape[s, 1] * px_per_deg
    a, b = brush.shape[s, 2] * px_per_deg, brush.shape[s, 3] * px_per_deg
    cos, sin = math.cos(angle), math.sin(angle)
    if kind == BAR:
        reach_x, reach_y = (abs(sin) * a + abs(cos) * b) / 2, (abs(cos) * a + abs(sin) * b) / 2
    else:
        reach_x = reach_y = a + (b / 2 if kind == ARC else 0.0)
    up_x, up_y = -math.sin(turn), math.cos(turn)  # towards the bright side of a shaded disc, of which b is a step
    for v in range(max(0, math.floor(y - reach_y)), min(height, math.ceil(y + reach_y) + 1)):
        for u in range(max(0, math.floor(x - reach_x)), min(width, math.ceil(x + reach_x) + 1)):
            covered = _coverage(kind, u - x, v - y, a, b, angle, turn, cos, sin)
            if covered <= 0.0:
                continue
            step = math.floor(((u - x) * up_x + (v - y) * up_y + a) / b + 1e-6)
            for c in range(channels):
                colour = float(brush.colour[s, c])
                if kind == SHADED:
                    colour = min(max(step, 0), GREY_STEPS - 1) * 255.0 / (GREY_STEPS - 1)
                value = math.floor(background + (colour - background) * covered + 0.5)
                if abs(value - background) > abs(image[v, u, c] - background):
                    image[v, u, c] = value
