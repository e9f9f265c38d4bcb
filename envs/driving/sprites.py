"""What stands on the road, seen from above: cars, barriers and goals, painted finely once and then stamped."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.surface import SUPERSAMPLING, Floats, Pair
from foveal.envs.overlay import Colour, Frame

Coats = NDArray[np.float32]
Sprite = tuple[Frame, Frame]
"""Heading right, supersampled: (h, w, 3) colour times opacity, and 255 minus opacity."""

EGO: Colour = (45, 226, 166)
BARRIER: Colour = (238, 234, 226)
STRIPE: Colour = (226, 74, 58)
GOAL: Colour = (255, 205, 92)
MARGIN = 1.3  # m around a thing for its shadow
STRIPE_PERIOD = 1.6  # m along a barrier
RIM = 0.22  # m, of a goal's outline

_FINE = 4  # a thing is painted this much finer than its sprite
_SHIFT = 4  # fractional bits of the coordinates given to OpenCV


@lru_cache(maxsize=512)
def car(length: float, width: float, colour: Colour, scaling: float, is_ego: bool) -> Sprite:
    """A car; the ego glows, the others cast a shadow."""
    paint, halo = _car(length, width, scaling)
    return _mixed(paint, halo * (0.85 if is_ego else 0.5), colour, EGO if is_ego else (0, 0, 0))


@lru_cache(maxsize=64)
def barrier(length: float, width: float, scaling: float) -> Sprite:
    """A barrier with slanting stripes, which casts a shadow."""
    canvas = _Canvas(length, width, scaling)
    hull = canvas.box(-0.5, 0.5, 1.0, bends=(24, 24))
    x, y = canvas.metres()
    slanted = (x + y + STRIPE_PERIOD / 4) % STRIPE_PERIOD < STRIPE_PERIOD / 2
    canvas.lay(hull, tint=(120, 116, 112))
    face = canvas.inset(0.12)
    canvas.lay(face, tint=BARRIER)
    canvas.lay(face * slanted[..., None], tint=STRIPE)
    return _mixed(*canvas.shrunk(hull), (0, 0, 0), (0, 0, 0), 0.6)


@lru_cache(maxsize=64)
def goal(length: float, width: float, scaling: float) -> Sprite:
    """A goal: an outline that glows, and an arrow into its direction."""
    canvas = _Canvas(length, width, scaling)
    hull, inner = canvas.inset(0.0), canvas.inset(RIM)
    canvas.lay(hull * 0.16, tint=GOAL)
    canvas.lay(hull - inner, tint=GOAL)
    canvas.lay(canvas.polygon([(-0.18, -0.24), (0.22, 0.0), (-0.18, 0.24), (-0.08, 0.0)]) * 0.8, tint=GOAL)
    return _mixed(*canvas.shrunk(hull), GOAL, GOAL, 0.35)


def stamp(frame: Frame, sprite: Sprite, centre: Floats, heading: float) -> None:
    """Lay a sprite over the frame, turned by `heading`, its middle at `centre` (2,) in pixels."""
    import cv2

    light, shade = sprite
    h, w = light.shape[:2]
    cos, sin, s = np.cos(heading), np.sin(heading), SUPERSAMPLING
    reach = np.array([abs(cos) * w + abs(sin) * h, abs(sin) * w + abs(cos) * h]) / (2 * s)
    x0, y0 = np.maximum(np.floor(centre - reach), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(centre + reach), frame.shape[1::-1]).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        return
    turn = np.array([[cos, sin], [-sin, cos]]) * s
    shift = turn @ (np.array([x0, y0]) + 0.5 - centre) + np.array([w, h]) / 2 - 0.5
    matrix, size, patch = np.column_stack([turn, shift]), (x1 - x0, y1 - y0), frame[y0:y1, x0:x1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(shade, matrix, size, flags=flags, borderValue=(255, 255, 255))
    cv2.multiply(patch, turned, dst=patch, scale=1 / 255)
    turned = cv2.warpAffine(light, matrix, size, flags=flags, borderValue=(0, 0, 0))
    cv2.add(patch, turned, dst=patch)


class _Canvas:
    """Coats of paint on a thing heading right.

    Shapes are masks (h, w, 1) in [0, 1], given in fractions of length and width from the thing's middle; `paint` is
    (h, w, 5): fixed red, green and blue, share of the thing's own colour, opacity.
    """

    def __init__(self, length: float, width: float, scaling: float) -> None:
        self.fine = scaling * SUPERSAMPLING * _FINE  # px/m
        self.size = np.array([length, width])
        self.h, self.w = (
            2 * int(np.ceil((side / 2 + MARGIN) * scaling * SUPERSAMPLING)) * _FINE for side in (width, length)
        )
        self.paint = np.zeros((self.h, self.w, 5), np.float32)

    def box(self, rear: float, front: float, breadth: float, middle: float = 0.0, bends: Pair = (7, 5)) -> Coats:
        """A rounded box; the higher the bends of its rear and front, the sharper its corners."""
        u = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 65))
        half = (1 - np.abs(u) ** np.where(u < 0, *bends)) ** 0.45 * breadth / 2
        x = (rear + front) / 2 + u * (front - rear) / 2
        return self.polygon(np.concatenate([np.stack([x, middle + half], 1), np.stack([x, middle - half], 1)[::-1]]))

    def inset(self, rim: float) -> Coats:
        """The whole thing but for `rim` metres all around."""
        x, y = (0.5 - rim / self.size).clip(0.05)
        return self.polygon([(-x, -y), (x, -y), (x, y), (-x, y)])

    def polygon(self, outline: Floats | list[Pair]) -> Coats:
        """What an outline (P, 2) encloses."""
        import cv2

        pixels = np.asarray(outline) * self.size * self.fine + np.array([self.w, self.h]) / 2 - 0.5
        mask = np.zeros((self.h, self.w), np.uint8)
        cv2.fillPoly(mask, [np.round(pixels * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
        return (mask / 255)[..., None].astype(np.float32)

    def metres(self) -> tuple[Floats, Floats]:
        """Where each pixel (h, w) lies, along and across, from the middle."""
        y, x = np.mgrid[: self.h, : self.w]
        return (x + 0.5 - self.w / 2) / self.fine, (y + 0.5 - self.h / 2) / self.fine

    def lay(self, mask: Coats, tint: Colour = (0, 0, 0), own: float | Coats = 0.0) -> None:
        """Lay a coat over the paint: a fixed tint plus a share of the thing's own colour."""
        self.paint *= 1 - mask
        self.paint[..., :3] += mask * np.array(tint, np.float32)
        self.paint[..., 3:4] += mask * own
        self.paint[..., 4:] += mask

    def shrunk(self, hull: Coats) -> tuple[Coats, Coats]:
        """The paint (h, w, 5) and a soft halo (h, w, 1) around `hull`, at the sprite's resolution."""
        import cv2

        halo = cv2.GaussianBlur(hull[..., 0], (0, 0), 0.32 * self.fine)[..., None]
        coats = np.concatenate([self.paint, halo], -1)
        small = coats.reshape(self.h // _FINE, _FINE, self.w // _FINE, _FINE, 6).mean((1, 3))
        return small[..., :5], small[..., 5:]


@lru_cache(maxsize=128)
def _car(length: float, width: float, scaling: float) -> tuple[Coats, Coats]:
    """The paint of a car, and its halo."""
    canvas = _Canvas(length, width, scaling)
    hull = canvas.box(-0.5, 0.5, 1.0, bends=(9, 5))
    across = np.abs(np.linspace(-1, 1, canvas.h))[:, None, None] * (canvas.h / (width * canvas.fine))
    canvas.lay(hull, own=(1.0 - 0.3 * across**3).clip(0, 1).astype(np.float32))
    canvas.lay(canvas.box(-0.36, 0.22, 0.86, bends=(6, 4)), tint=(17, 22, 31))
    canvas.lay(canvas.box(-0.25, 0.08, 0.76), tint=(10, 10, 10), own=1.0)
    for side in (-0.34, 0.34):
        canvas.lay(canvas.box(0.43, 0.5, 0.24, side, bends=(3, 3)) * hull, tint=(255, 248, 220))
        canvas.lay(canvas.box(-0.5, -0.455, 0.26, side, bends=(3, 3)) * hull, tint=(225, 38, 44))
    return canvas.shrunk(hull)


def _mixed(paint: Coats, halo: Coats, own: Colour, glow: Colour, strength: float = 1.0) -> Sprite:
    """A sprite of paint whose own colour is `own`, around it `halo` times `strength` of the colour `glow`."""
    opacity = paint[..., 4:]
    around = (1 - opacity) * halo * strength
    light = paint[..., :3] + paint[..., 3:4] * np.array(own) + around * np.array(glow)
    shade = np.repeat(255 * (1 - opacity - around), 3, -1)
    return light.clip(0, 255).round().astype(np.uint8), shade.round().astype(np.uint8)
