"""What textures are made of: noise, cells, seams and blocks, all of which tile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZE = 256
"""Texels along each side of the finest level."""


def grid() -> tuple[Floats, Floats]:
    """Coordinates (SIZE, SIZE) of texel centres in [0, 1): v, which runs upwards, then u."""
    steps = (np.arange(SIZE) + 0.5) / SIZE
    v, u = np.meshgrid(steps, steps, indexing="ij")
    return v, u


def noise(rng: np.random.Generator, slope: float, stretch: float = 1.0, low: float = 1.0) -> Floats:
    """Noise (SIZE, SIZE) of mean 0 and deviation 1 that tiles: its amplitude falls as frequency ** -slope.

    Args:
        rng: Where it comes from.
        slope: 0 is white, 1 pink, 2 brown.
        stretch: How many times longer its features are along u than along v.
        low: Frequency (per tile) below which it falls no more.
    """
    fv, fu = np.fft.fftfreq(SIZE, 1 / SIZE)[:, None], np.fft.rfftfreq(SIZE, 1 / SIZE)[None]
    frequency = np.hypot(fv, fu * stretch)
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE)))
    spectrum *= np.maximum(frequency, low) ** -slope * (frequency > 0)
    noise = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return np.asarray(noise / noise.std())


def grey(values: Floats) -> Floats:
    """Values (...) as red, green and blue (..., 3)."""
    return np.repeat(values[..., None], 3, -1)


def cells(rng: np.random.Generator, rows: int, columns: int, shift: float) -> tuple[Floats, Floats, Floats]:
    """Bricks: a random number of each (SIZE, SIZE), and the distance to its edge along v and along u, in tiles."""
    v, u = grid()
    row = np.floor(v * rows).astype(np.int64)
    along = (u * columns + shift * row) % columns
    column = np.floor(along).astype(np.int64)
    number = rng.random((rows, columns))[row, column]
    to_v = np.abs((v * rows + 0.5) % 1 - 0.5) / rows
    to_u = np.abs((along + 0.5) % 1 - 0.5) / columns
    return number, to_v, to_u


def seams(distance: Floats, width: float) -> Floats:
    """1 on a seam, 0 away from it."""
    return np.clip(1.5 - distance / width, 0, 1)


def blocks(rng: np.random.Generator, count: int, least: int, most: int) -> Floats:
    """Rectangles of random sizes and grey values (SIZE, SIZE), those behind covered, 0 where there is none."""
    value = np.zeros((SIZE, SIZE))
    for _ in range(count):
        rows, columns = rng.integers(least, most + 1, 2)
        own = np.zeros((SIZE, SIZE), np.bool_)
        own[:rows, :columns] = True
        value[np.roll(own, rng.integers(0, SIZE, 2), (0, 1))] = rng.uniform(-1, 1)
    return value
