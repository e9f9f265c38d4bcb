"""Procedural textures that tile, made once from fixed seeds, with a chain of ever smaller copies (mip levels).

A texture multiplies its material's colour in linear light; its mean is 1, so that the colour stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering import facades
from foveal.envs.rendering.lanes import packed
from foveal.envs.rendering.patterns import SIZE, Floats, blocks, cells, grey, grid, noise, seams

LEVELS = 9
"""256, 128, ..., 1."""

ONE = 4096
"""What 1.0 is in a channel."""


def _wood(rng: np.random.Generator) -> Floats:
    v, _ = grid()
    bend = noise(rng, 2.2, 6, 2) * 0.035
    rings = np.sin(2 * np.pi * (7 * (v + bend)))
    value = 1 + 0.09 * rings + 0.06 * noise(rng, 0.7, 14, 6) + 0.04 * noise(rng, 1.5, 3)
    return np.stack([value, value**1.25, value**1.5], -1)


def _planks(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = cells(rng, 8, 2, 0.63)
    grain = np.zeros((SIZE, SIZE))
    for plank in range(4):  # the grain of a plank does not go on in the next
        own = noise(rng, 1.1, 9, 4)
        grain = np.where(np.floor(number * 997) % 4 == plank, own, grain)
    value = 1 + 0.34 * (number - 0.5) + 0.065 * grain + 0.03 * noise(rng, 0.5, 6)
    value *= 1 - 0.5 * np.maximum(seams(to_v, 0.0035), seams(to_u, 0.0035))
    return np.stack([value, value**1.15, value**1.3], -1)


def _parquet(rng: np.random.Generator) -> Floats:
    v, u = grid()
    blocks = 4
    turned = (np.floor(v * blocks) + np.floor(u * blocks)) % 2 == 1
    across, along = np.where(turned, u, v), np.where(turned, v, u)
    strip = np.floor(across * blocks * 4).astype(np.int64)
    block = np.floor(along * blocks).astype(np.int64)
    number = rng.random((16, 4, 2))[strip, block, turned.astype(np.int64)]
    grain = np.where(turned, noise(rng, 1.0, 8, 4).T, noise(rng, 1.0, 8, 4))
    to_strip = np.abs((across * 16 + 0.5) % 1 - 0.5) / 16
    to_block = np.abs((along * 4 + 0.5) % 1 - 0.5) / 4
    value = 1 + 0.3 * (number - 0.5) + 0.06 * grain
    value *= 1 - 0.4 * np.maximum(seams(to_strip, 0.003), seams(to_block, 0.003))
    return np.stack([value, value**1.15, value**1.3], -1)


def _tile(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = cells(rng, 4, 4, 0.0)
    seam = np.maximum(seams(to_v, 0.006), seams(to_u, 0.006))
    value = 1 + 0.07 * (number - 0.5) + 0.025 * noise(rng, 1.6)
    return grey(value * (1 - 0.33 * seam))


def _brick(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = cells(rng, 8, 4, 0.5)
    mortar = np.maximum(seams(to_v, 0.009), seams(to_u, 0.009))[..., None]
    value = 0.95 + 0.45 * (number - 0.5) + 0.1 * noise(rng, 0.8)
    brick = np.stack([value, value * (0.97 + 0.1 * number), value], -1)
    return brick * (1 - mortar) + np.array([1.15, 1.75, 2.0]) * (1 + 0.08 * grey(noise(rng, 0.5))) * mortar


def _carpet(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.13 * noise(rng, 0.25, 1, 20) + 0.05 * noise(rng, 1.4))


def _plaster(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.022 * noise(rng, 0.6, 1, 12) + 0.006 * noise(rng, 1.2, 1, 3))


def _fabric(rng: np.random.Generator) -> Floats:
    v, u = grid()
    weave = np.sin(2 * np.pi * 32 * u) * np.sin(2 * np.pi * 32 * v)
    threads = 0.05 * noise(rng, 0.4, 10, 8) + 0.05 * noise(rng, 0.4, 10, 8).T
    return grey(1 + 0.1 * weave + threads + 0.03 * noise(rng, 1.5))


def _marble(rng: np.random.Generator) -> Floats:
    v, u = grid()
    veins = np.abs(np.sin(2 * np.pi * (u + 2 * v) + 1.6 * noise(rng, 1.9)))
    value = 1 - 0.3 * np.exp(-veins * 9) + 0.05 * noise(rng, 1.8) + 0.01 * noise(rng, 0.3)
    return np.stack([value, value**0.98, value**0.94], -1)


def _granite(rng: np.random.Generator) -> Floats:
    speck = noise(rng, 0.35, 1, 14)
    return grey(1 + 0.22 * np.tanh(speck) + 0.06 * noise(rng, 1.3))


def _metal(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.05 * noise(rng, 0.4, 24, 4) + 0.02 * noise(rng, 1.8))


def _leather(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.09 * np.tanh(noise(rng, 0.9, 1, 24)) + 0.04 * noise(rng, 1.6))


def _grass(rng: np.random.Generator) -> Floats:
    blades, patches = noise(rng, 0.35, 0.4, 10), noise(rng, 1.6)
    value = np.clip(1 + 0.26 * blades + 0.13 * patches, 0.2, None)
    return np.stack([value * (1 + 0.1 * patches), value, value * 0.9], -1)


def _leaves(rng: np.random.Generator) -> Floats:
    return grey(np.clip(1 + 0.4 * np.tanh(noise(rng, 1.0, 1, 12)), 0.2, None))


def _asphalt(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.18 * noise(rng, 0.15, 1, 30) + 0.07 * noise(rng, 1.5))


def _concrete(rng: np.random.Generator) -> Floats:
    return grey(1 + 0.05 * noise(rng, 0.6, 1, 6) + 0.06 * noise(rng, 1.7))


def _checker(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = cells(rng, 4, 4, 0.0)
    v, u = grid()
    dark = (np.floor(v * 4) + np.floor(u * 4)) % 2
    seam = np.maximum(seams(to_v, 0.004), seams(to_u, 0.004))
    value = np.where(dark == 1, 0.35, 1.6) * (1 + 0.08 * (number - 0.5)) + 0.03 * noise(rng, 1.6)
    return grey(value * (1 - 0.2 * seam))


def _stripes(rng: np.random.Generator) -> Floats:
    _, u = grid()
    band = np.where((u * 8) % 1 < 0.5, 1.12, 0.88)
    return grey(band + 0.02 * noise(rng, 0.8))


def _books(rng: np.random.Generator) -> Floats:
    v, u = grid()
    edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.02, 0.06, 40))])
    edges = edges[edges < 0.97]
    book = np.searchsorted(edges, u, "right") - 1
    colours = rng.uniform(0.25, 1.9, (len(edges), 3))
    gap = np.abs(u - edges[book]) < 0.004
    top = v > rng.uniform(0.75, 0.97, len(edges))[book]
    return np.where((gap | top)[..., None], 0.15, colours[book])


def _roadway(rng: np.random.Generator) -> Floats:
    """Asphalt that was mended: patches and sealed seams, stains, and unevenness of every size; a tile of some 16 m."""
    v, u = grid()
    patches = blocks(rng, 9, 16, 76)
    edges = np.maximum(*(np.abs(patches - np.roll(patches, 1, axis)) for axis in (0, 1))) > 0
    value = 1 + 0.11 * noise(rng, 0.9, 1, 2) + 0.05 * noise(rng, 0.2, 1, 40) + 0.26 * patches
    wander = 0.012 * noise(rng, 1.6)
    for line in (u + wander - 0.31, v + wander.T - 0.62):
        value -= 0.4 * seams(np.abs((line + 0.5) % 1 - 0.5), 0.004)
    stains = np.clip(noise(rng, 1.5, 1, 3) - 1.2, 0, 1.5)
    return grey(np.clip(value * (1 - 0.3 * stains) - 0.22 * edges, 0.3, None))


def _paving(rng: np.random.Generator) -> Floats:
    """Slabs that differ from each other, some replaced; a tile of some 6 m."""
    number, to_v, to_u = cells(rng, 8, 8, 0.5)
    seam = np.maximum(seams(to_v, 0.006), seams(to_u, 0.006))
    value = 1 + 0.42 * (number - 0.5) + 0.09 * noise(rng, 1.1, 1, 2) + 0.03 * noise(rng, 0.3, 1, 30)
    value = np.where(number > 0.94, 0.72 * value, value)
    return grey(np.clip(value * (1 - 0.45 * seam), 0.2, None))


def _foliage(rng: np.random.Generator) -> Floats:
    """Leaves in clumps of all sizes."""
    clumps, leaves = noise(rng, 1.1, 1, 3), noise(rng, 0.7, 1, 16)
    value = np.clip(1 + 0.34 * np.tanh(clumps) + 0.26 * np.tanh(leaves), 0.15, None)
    return np.stack([value * (1 + 0.08 * np.tanh(clumps)), value, value**1.3], -1)


def _meadow(rng: np.random.Generator) -> Floats:
    """Grass, trodden and dry in places."""
    dry = np.clip(noise(rng, 1.3, 1, 2), -1, 2)
    value = np.clip(1 + 0.16 * noise(rng, 0.9, 1, 3) + 0.12 * noise(rng, 0.3, 0.5, 24) + 0.12 * dry, 0.2, None)
    return np.stack([value * (1 + 0.16 * dry), value, value * (0.92 - 0.05 * dry)], -1)


_MAKERS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "wood": _wood,
    "planks": _planks,
    "parquet": _parquet,
    "tile": _tile,
    "brick": _brick,
    "carpet": _carpet,
    "plaster": _plaster,
    "fabric": _fabric,
    "marble": _marble,
    "granite": _granite,
    "metal": _metal,
    "leather": _leather,
    "grass": _grass,
    "leaves": _leaves,
    "asphalt": _asphalt,
    "concrete": _concrete,
    "checker": _checker,
    "stripes": _stripes,
    "books": _books,
    "roadway": _roadway,
    "paving": _paving,
    "foliage": _foliage,
    "meadow": _meadow,
    "rendered front": facades.rendered_front,
    "brick front": facades.brick_front,
    "office front": facades.office_front,
    "shop front": facades.shop_front,
    "entrance": facades.entrance,
}

NAMES = tuple(_MAKERS)
"""All textures; "plain" is none. Wood's grain, planks and rows of bricks run along u; v points up."""

TEXELS = sum((SIZE >> level) ** 2 for level in range(LEVELS))
"""Of one texture with all its levels."""


def texture(name: str) -> Floats:
    """The finest level (SIZE, SIZE, 3) of a texture, linear, of mean 1; its first row is v = 0."""
    if name not in _MAKERS:
        raise ValueError(f"texture {name!r}: must be 'plain' or one of {', '.join(NAMES)}")
    made = _MAKERS[name](np.random.default_rng([20231104, NAMES.index(name)]))
    made = np.clip(made, 0, None)
    return np.asarray(made / made.mean())


@lru_cache(maxsize=1)
def atlas() -> NDArray[np.int64]:
    """All textures (len(NAMES) * TEXELS,), in the order of `NAMES`, each from its coarsest level on, as `lanes`."""
    parts = []
    for name in NAMES:
        level = texture(name)
        for _ in range(LEVELS):
            parts.append(packed(level, ONE).ravel())
            half = len(level) // 2
            if half:
                level = level.reshape(half, 2, half, 2, 3).mean((1, 3))
        parts[-LEVELS:] = parts[: -LEVELS - 1 : -1]
    table = np.concatenate(parts)
    table.setflags(write=False)
    return table
