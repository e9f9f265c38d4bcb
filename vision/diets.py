"""Training diets: generated pictures of single things, in worlds that differ in where light comes from and in contours.

A picture shows one of nine things before a cloudy background, and is to be told by name. What a network gets to see
decides what it learns to tell apart: which side of a ball is bright tells a bump from a dent only where light always
comes from the same side.

>>> from foveal.vision.diets import pictures
>>> images, names = pictures("upright", 2, seed=0)
>>> images.shape, images.dtype, names.shape
(torch.Size([2, 1, 96, 96]), torch.float32, torch.Size([2]))
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Points = tuple[tuple[float, float], ...]
"""x and y, of a thing that reaches from -1 to 1."""


@dataclass(frozen=True)
class Diet:
    """A world.

    Attributes:
        light_deg: Where light comes from, clockwise from above; each picture's by 15° (one standard deviation) off.
        any_light: It comes from anywhere instead.
        turned: Everything is turned by 90° to the right, light too.
        contours: ``"both"``; ``"straight"``: of arcs and rings only the vertices of a polygon are left; ``"curved"``:
            every line bends.
        shuffled: Names are drawn, whatever is shown.
    """

    light_deg: float = 0.0
    any_light: bool = False
    turned: bool = False
    contours: str = "both"
    shuffled: bool = False


UPRIGHT = Diet()
DIETS: dict[str, Diet] = {
    "upright": UPRIGHT,
    "turned": replace(UPRIGHT, turned=True),
    "lit_from_below": replace(UPRIGHT, light_deg=180.0),
    "random_light": replace(UPRIGHT, any_light=True),
    "straight": replace(UPRIGHT, contours="straight"),
    "curved": replace(UPRIGHT, contours="curved"),
    "shuffled": replace(UPRIGHT, shuffled=True),
}


def _round(radius: float, first_deg: float, last_deg: float, count: int) -> Points:
    angles = [math.radians(first_deg + (last_deg - first_deg) * k / count) for k in range(count + 1)]
    return tuple((radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles)


_ARC, _RING = _round(1.0, -50.0, 50.0, 8), _round(0.9, 0.0, 360.0, 16)
THINGS: dict[str, tuple[Points, ...]] = {
    "bump": (),
    "dent": (),
    "bar": (((0, -1), (0, 1)),),
    "arc": (tuple((x, y + 0.8) for x, y in _ARC),),
    "corner": (((-0.8, -0.9), (-0.8, 0.8), (0.8, 0.8)),),
    "tee": (((-0.9, -0.8), (0.9, -0.8)), ((0, -0.8), (0, 0.9))),
    "cross": (((0, -1), (0, 1)), ((-0.9, -0.3), (0.9, -0.3))),
    "ring": (_RING,),
    "square": (((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8), (-0.8, -0.8)),),
}
"""Name -> its lines; balls have none."""
NAMES = tuple(THINGS)
BUMPS = 4
"""For each dent: most things bulge towards who sees them. Other things are as many as bumps."""
SIDE = 96
"""Of a picture, px."""
_ALIGNED = 0.8  # share of things that stand upright, or lie; the others are turned anyhow


def pictures(diet: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, 1, 96, 96) in [0, 1] of things, and their names (N,), indices into `NAMES`.

    Args:
        diet: One of `DIETS`.
        count: How many.
        seed: Of the draws; in all diets the same things are drawn.

    Raises:
        ValueError: for an unknown diet, or none to draw.
    """
    if diet not in DIETS:
        raise ValueError(f"unknown diet {diet!r}: must be one of {', '.join(DIETS)}")
    if count < 1:
        raise ValueError(f"count={count}: must be at least 1")
    world, random = DIETS[diet], torch.Generator().manual_seed(seed)
    names = torch.multinomial(_shares(), count, replacement=True, generator=random)
    images = torch.cat([_drawn(world, part, random) for part in names.split(256)])
    if world.shuffled:
        names = names[torch.randperm(count, generator=random)]
    return images, names


def _shares() -> Tensor:
    return torch.tensor([1 / BUMPS if name == "dent" else 1.0 for name in NAMES])


def _drawn(world: Diet, names: Tensor, random: torch.Generator) -> Tensor:
    count = len(names)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=random)

    size, x0, y0 = uniform(10.0, 40.0), uniform(-6.0, 6.0), uniform(-6.0, 6.0)
    turn, light, bend = _turns(count, random), _lights(world, count, random), uniform(-1.0, 1.0)
    level, contrast = uniform(0.1, 0.9), uniform(0.35, 0.9)
    sign = torch.where(level > 0.5, -1.0, 1.0)
    images = (level + 0.1 * _clouds(count, random)).clamp(0, 1)
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    x, y = axis[None, None, :] - x0, axis[None, :, None] - y0

    u, v = (x * turn.cos() + y * turn.sin()) / size, (y * turn.cos() - x * turn.sin()) / size
    far = _distance(world, names, bend[:, 0, 0] > 0, u, v) * size - uniform(0.05, 0.12) * size.clamp(min=16)
    ink = (0.5 - far).clamp(0, 1)
    images = images + ink * ((level + sign * contrast).clamp(0, 1) - images)

    ball, dent = (names <= 1)[:, None, None], (names == 1)[:, None, None]
    across = (x * light.sin() - y * light.cos()) / size  # towards the light
    shade = torch.where(dent, -across, across).clamp(-1, 1)
    within = (size - torch.hypot(x, y) + 0.5).clamp(0, 1) * ball
    images = images + within * ((0.5 + contrast / 2 * shade) - images)
    images = images + 0.02 * torch.randn(images.shape, generator=random)
    return (images.rot90(-1, (1, 2)) if world.turned else images).clamp(0, 1)[:, None]


def _turns(count: int, random: torch.Generator) -> Tensor:
    """How far things are turned, rad (N, 1, 1): by whole right angles and a little, or anyhow."""
    right = torch.randint(4, (count, 1, 1), generator=random) * (math.pi / 2)
    aligned = torch.rand(count, 1, 1, generator=random) < _ALIGNED
    slight = math.radians(4) * torch.randn(count, 1, 1, generator=random)
    return torch.where(aligned, right + slight, 2 * math.pi * torch.rand(count, 1, 1, generator=random))


def _lights(world: Diet, count: int, random: torch.Generator) -> Tensor:
    """Where light comes from, rad (N, 1, 1) clockwise from above."""
    off = math.radians(15) * torch.randn(count, 1, 1, generator=random)
    anywhere = 2 * math.pi * torch.rand(count, 1, 1, generator=random)
    return anywhere if world.any_light else math.radians(world.light_deg) + off


def _clouds(count: int, random: torch.Generator) -> Tensor:
    """Backgrounds (N, 96, 96) with mean 0 and deviation 1, whose amplitudes fall with the frequency."""
    white = torch.randn(count, SIDE, SIDE, generator=random)
    frequency = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None])
    pink = torch.fft.irfft2(torch.fft.rfft2(white) / frequency.clamp(min=1 / SIDE), s=(SIDE, SIDE))
    pink = pink - pink.mean((1, 2), keepdim=True)
    return pink / pink.std((1, 2), keepdim=True)


def _contour(part: Points, contours: str, bulge: float) -> Points:
    """A line as a world has it."""
    if contours == "straight" and len(part) > 5:
        return part[:: 2 if part is _RING else 4]  # an octagon; two sides
    if contours == "curved" and len(part) <= 5:
        bent = [part[0]]
        steps = 4 if len(part) > 2 else 8
        for (px, py), (qx, qy) in itertools.pairwise(part):
            for k in range(1, steps + 1):
                t = k / steps
                out = 4 * bulge * t * (1 - t)
                bent.append((px + t * (qx - px) - out * (qy - py) / 2, py + t * (qy - py) + out * (qx - px) / 2))
        return tuple(bent)
    return part


def _distance(world: Diet, names: Tensor, way: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """From points (N, H, W) of things to the nearest of their lines; far where they have none.

    Args:
        world: That things are in.
        names: (N,) theirs.
        way: (N,) bool, to which side lines bend in a curved world.
        x: In units in which a thing reaches from -1 to 1, to the right.
        y: Down.
    """
    square = torch.full(x.shape, 1e6)
    for number, parts in enumerate(THINGS.values()):
        for bulge in (-0.3, 0.3):
            rows = ((names == number) & (way == (bulge > 0))).nonzero()[:, 0]
            u, v, nearest = x[rows], y[rows], square[rows]
            for part in (_contour(part, world.contours, bulge) for part in parts):
                for (px, py), (qx, qy) in itertools.pairwise(part):
                    dx, dy = qx - px, qy - py
                    along = ((u - px) * dx + (v - py) * dy).div_(dx**2 + dy**2).clamp_(0, 1)
                    nearest = torch.minimum(nearest, (u - px - along * dx) ** 2 + (v - py - along * dy) ** 2)
            square[rows] = nearest
    return square.sqrt()
