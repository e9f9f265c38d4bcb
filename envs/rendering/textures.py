"""Procedural textures that tile, made once from fixed seeds, with a chain of ever smaller copies (mip levels).

A texture multiplies its material's colour in linear light; its mean is 1, so that the colour stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.lanes import packed

Floats = NDArray[np.float64]

SIZE = 256
"""Texels along each side of the finest level."""

LEVELS = 9
"""256, 128, ..., 1."""

ONE = 4096
"""What 1.0 is in a channel."""


def _grid() -> tuple[Floats, Floats]:
    """Coordinates (SIZE, SIZE) of texel centres in [0, 1): v, which runs upwards, then u."""
    steps = (np.arange(SIZE) + 0.5) / SIZE
    v, u = np.meshgrid(steps, steps, indexing="ij")
    return v, u


def _noise(rng: np.random.Generator, slope: float, stretch: float = 1.0, low: float = 1.0) -> Floats:
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


def _grey(values: Floats) -> Floats:
    return np.repeat(values[..., None], 3, -1)


def _cells(rng: np.random.Generator, rows: int, columns: int, shift: float) -> tuple[Floats, Floats, Floats]:
    """Bricks: a random number of each (SIZE, SIZE), and the distance to its edge along v and along u, in tiles."""
    v, u = _grid()
    row = np.floor(v * rows).astype(np.int64)
    along = (u * columns + shift * row) % columns
    column = np.floor(along).astype(np.int64)
    number = rng.random((rows, columns))[row, column]
    to_v = np.abs((v * rows + 0.5) % 1 - 0.5) / rows
    to_u = np.abs((along + 0.5) % 1 - 0.5) / columns
    return number, to_v, to_u


def _seams(distance: Floats, width: float) -> Floats:
    """1 on a seam, 0 away from it."""
    return np.clip(1.5 - distance / width, 0, 1)


def _wood(rng: np.random.Generator) -> Floats:
    v, _ = _grid()
    bend = _noise(rng, 2.2, 6, 2) * 0.035
    rings = np.sin(2 * np.pi * (7 * (v + bend)))
    value = 1 + 0.09 * rings + 0.06 * _noise(rng, 0.7, 14, 6) + 0.04 * _noise(rng, 1.5, 3)
    return np.stack([value, value**1.25, value**1.5], -1)


def _planks(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = _cells(rng, 8, 2, 0.63)
    grain = np.zeros((SIZE, SIZE))
    for plank in range(4):  # the grain of a plank does not go on in the next
        own = _noise(rng, 1.1, 9, 4)
        grain = np.where(np.floor(number * 997) % 4 == plank, own, grain)
    value = 1 + 0.34 * (number - 0.5) + 0.065 * grain + 0.03 * _noise(rng, 0.5, 6)
    value *= 1 - 0.5 * np.maximum(_seams(to_v, 0.0035), _seams(to_u, 0.0035))
    return np.stack([value, value**1.15, value**1.3], -1)


def _parquet(rng: np.random.Generator) -> Floats:
    v, u = _grid()
    blocks = 4
    turned = (np.floor(v * blocks) + np.floor(u * blocks)) % 2 == 1
    across, along = np.where(turned, u, v), np.where(turned, v, u)
    strip = np.floor(across * blocks * 4).astype(np.int64)
    block = np.floor(along * blocks).astype(np.int64)
    number = rng.random((16, 4, 2))[strip, block, turned.astype(np.int64)]
    grain = np.where(turned, _noise(rng, 1.0, 8, 4).T, _noise(rng, 1.0, 8, 4))
    to_strip = np.abs((across * 16 + 0.5) % 1 - 0.5) / 16
    to_block = np.abs((along * 4 + 0.5) % 1 - 0.5) / 4
    value = 1 + 0.3 * (number - 0.5) + 0.06 * grain
    value *= 1 - 0.4 * np.maximum(_seams(to_strip, 0.003), _seams(to_block, 0.003))
    return np.stack([value, value**1.15, value**1.3], -1)


def _tile(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = _cells(rng, 4, 4, 0.0)
    seam = np.maximum(_seams(to_v, 0.006), _seams(to_u, 0.006))
    value = 1 + 0.07 * (number - 0.5) + 0.025 * _noise(rng, 1.6)
    return _grey(value * (1 - 0.33 * seam))


def _brick(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = _cells(rng, 8, 4, 0.5)
    mortar = np.maximum(_seams(to_v, 0.009), _seams(to_u, 0.009))[..., None]
    value = 0.95 + 0.45 * (number - 0.5) + 0.1 * _noise(rng, 0.8)
    brick = np.stack([value, value * (0.97 + 0.1 * number), value], -1)
    return brick * (1 - mortar) + np.array([1.15, 1.75, 2.0]) * (1 + 0.08 * _grey(_noise(rng, 0.5))) * mortar


def _carpet(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.13 * _noise(rng, 0.25, 1, 20) + 0.05 * _noise(rng, 1.4))


def _plaster(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.022 * _noise(rng, 0.6, 1, 12) + 0.006 * _noise(rng, 1.2, 1, 3))


def _fabric(rng: np.random.Generator) -> Floats:
    v, u = _grid()
    weave = np.sin(2 * np.pi * 32 * u) * np.sin(2 * np.pi * 32 * v)
    threads = 0.05 * _noise(rng, 0.4, 10, 8) + 0.05 * _noise(rng, 0.4, 10, 8).T
    return _grey(1 + 0.1 * weave + threads + 0.03 * _noise(rng, 1.5))


def _marble(rng: np.random.Generator) -> Floats:
    v, u = _grid()
    veins = np.abs(np.sin(2 * np.pi * (u + 2 * v) + 1.6 * _noise(rng, 1.9)))
    value = 1 - 0.3 * np.exp(-veins * 9) + 0.05 * _noise(rng, 1.8) + 0.01 * _noise(rng, 0.3)
    return np.stack([value, value**0.98, value**0.94], -1)


def _granite(rng: np.random.Generator) -> Floats:
    speck = _noise(rng, 0.35, 1, 14)
    return _grey(1 + 0.22 * np.tanh(speck) + 0.06 * _noise(rng, 1.3))


def _metal(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.05 * _noise(rng, 0.4, 24, 4) + 0.02 * _noise(rng, 1.8))


def _leather(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.09 * np.tanh(_noise(rng, 0.9, 1, 24)) + 0.04 * _noise(rng, 1.6))


def _grass(rng: np.random.Generator) -> Floats:
    blades, patches = _noise(rng, 0.35, 0.4, 10), _noise(rng, 1.6)
    value = np.clip(1 + 0.26 * blades + 0.13 * patches, 0.2, None)
    return np.stack([value * (1 + 0.1 * patches), value, value * 0.9], -1)


def _leaves(rng: np.random.Generator) -> Floats:
    return _grey(np.clip(1 + 0.4 * np.tanh(_noise(rng, 1.0, 1, 12)), 0.2, None))


def _asphalt(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.18 * _noise(rng, 0.15, 1, 30) + 0.07 * _noise(rng, 1.5))


def _concrete(rng: np.random.Generator) -> Floats:
    return _grey(1 + 0.05 * _noise(rng, 0.6, 1, 6) + 0.06 * _noise(rng, 1.7))


def _checker(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = _cells(rng, 4, 4, 0.0)
    v, u = _grid()
    dark = (np.floor(v * 4) + np.floor(u * 4)) % 2
    seam = np.maximum(_seams(to_v, 0.004), _seams(to_u, 0.004))
    value = np.where(dark == 1, 0.35, 1.6) * (1 + 0.08 * (number - 0.5)) + 0.03 * _noise(rng, 1.6)
    return _grey(value * (1 - 0.2 * seam))


def _stripes(rng: np.random.Generator) -> Floats:
    _, u = _grid()
    band = np.where((u * 8) % 1 < 0.5, 1.12, 0.88)
    return _grey(band + 0.02 * _noise(rng, 0.8))


def _books(rng: np.random.Generator) -> Floats:
    v, u = _grid()
    edges = np.concatenate([[0.0], np.cumsum(rng.uniform(0.02, 0.06, 40))])
    edges = edges[edges < 0.97]
    book = np.searchsorted(edges, u, "right") - 1
    colours = rng.uniform(0.25, 1.9, (len(edges), 3))
    gap = np.abs(u - edges[book]) < 0.004
    top = v > rng.uniform(0.75, 0.97, len(edges))[book]
    return np.where((gap | top)[..., None], 0.15, colours[book])


def _blocks(rng: np.random.Generator, count: int, least: int, most: int) -> Floats:
    """Rectangles of random sizes and grey values (SIZE, SIZE), those behind covered, 0 where there is none."""
    value = np.zeros((SIZE, SIZE))
    for _ in range(count):
        rows, columns = rng.integers(least, most + 1, 2)
        own = np.zeros((SIZE, SIZE), np.bool_)
        own[:rows, :columns] = True
        value[np.roll(own, rng.integers(0, SIZE, 2), (0, 1))] = rng.uniform(-1, 1)
    return value


def _roadway(rng: np.random.Generator) -> Floats:
    """Asphalt that was mended: patches and sealed seams, stains, and unevenness of every size; a tile of some 16 m."""
    v, u = _grid()
    patches = _blocks(rng, 9, 16, 76)
    edges = np.maximum(*(np.abs(patches - np.roll(patches, 1, axis)) for axis in (0, 1))) > 0
    value = 1 + 0.11 * _noise(rng, 0.9, 1, 2) + 0.05 * _noise(rng, 0.2, 1, 40) + 0.26 * patches
    wander = 0.012 * _noise(rng, 1.6)
    for line in (u + wander - 0.31, v + wander.T - 0.62):
        value -= 0.4 * _seams(np.abs((line + 0.5) % 1 - 0.5), 0.004)
    stains = np.clip(_noise(rng, 1.5, 1, 3) - 1.2, 0, 1.5)
    return _grey(np.clip(value * (1 - 0.3 * stains) - 0.22 * edges, 0.3, None))


def _paving(rng: np.random.Generator) -> Floats:
    """Slabs that differ from each other, some replaced; a tile of some 6 m."""
    number, to_v, to_u = _cells(rng, 8, 8, 0.5)
    seam = np.maximum(_seams(to_v, 0.006), _seams(to_u, 0.006))
    value = 1 + 0.42 * (number - 0.5) + 0.09 * _noise(rng, 1.1, 1, 2) + 0.03 * _noise(rng, 0.3, 1, 30)
    value = np.where(number > 0.94, 0.72 * value, value)
    return _grey(np.clip(value * (1 - 0.45 * seam), 0.2, None))


def _foliage(rng: np.random.Generator) -> Floats:
    """Leaves in clumps of all sizes."""
    clumps, leaves = _noise(rng, 1.1, 1, 3), _noise(rng, 0.7, 1, 16)
    value = np.clip(1 + 0.34 * np.tanh(clumps) + 0.26 * np.tanh(leaves), 0.15, None)
    return np.stack([value * (1 + 0.08 * np.tanh(clumps)), value, value**1.3], -1)


def _meadow(rng: np.random.Generator) -> Floats:
    """Grass, trodden and dry in places."""
    dry = np.clip(_noise(rng, 1.3, 1, 2), -1, 2)
    value = np.clip(1 + 0.16 * _noise(rng, 0.9, 1, 3) + 0.12 * _noise(rng, 0.3, 0.5, 24) + 0.12 * dry, 0.2, None)
    return np.stack([value * (1 + 0.16 * dry), value, value * (0.92 - 0.05 * dry)], -1)


_BAYS = 4
"""Windows along each side of a facade's tile."""

FACADE_WINDOW = 0.26, 0.74, 0.24, 0.8
"""Where in its bay a facade's window is: from and to along u, from and to along v, as shares of the bay."""


def _facade(rng: np.random.Generator, wall: Floats, frame: float, shutters: float) -> Floats:
    """Windows in a wall (SIZE, SIZE, 3), each of its own; `shutters` is the share of those that have some."""
    v, u = _grid()
    bay = np.floor(v * _BAYS).astype(np.int64), np.floor(u * _BAYS).astype(np.int64)
    x, y = (u * _BAYS) % 1, (v * _BAYS) % 1
    left, right, low, high = FACADE_WINDOW
    inside = (x > left) & (x < right) & (y > low) & (y < high)
    bars = (np.abs(x - 0.5) < 0.022) | (np.abs(y - 0.62) < 0.02)
    rim = (x > left - 0.045) & (x < right + 0.045) & (y > low - 0.045) & (y < high + 0.045) & ~inside
    sill = (x > left - 0.07) & (x < right + 0.07) & (y > low - 0.09) & (y < low - 0.045)
    sky, curtain = rng.random((2, _BAYS, _BAYS))
    glass = 0.16 + 0.3 * sky[bay] * (y - low) / (high - low)
    panes = np.stack([0.8 * glass, glass, 1.25 * glass], -1)
    drawn = (curtain[bay] > 0.55) & (np.abs(x - 0.5) > 0.24 - 0.22 * (curtain[bay] - 0.55))
    panes = np.where(drawn[..., None], np.array([0.85, 0.8, 0.7]) * (0.6 + 0.5 * curtain[bay])[..., None], panes)
    picture = np.where(inside[..., None], np.where(bars[..., None], frame, panes), wall)
    picture = np.where(rim[..., None], frame, picture)
    beside = (np.abs(x - 0.5) > 0.285) & (np.abs(x - 0.5) < 0.43) & (y > low) & (y < high)
    beside &= rng.random((_BAYS, _BAYS))[bay] < shutters
    slats = 0.5 + 0.12 * (np.floor(y * 22) % 2)
    picture = np.where(beside[..., None], np.stack([0.6 * slats, slats, 0.7 * slats], -1), picture)
    picture = np.where(sill[..., None], 0.6, picture)
    shade = (x > left) & (x < right) & (y > high - 0.05) & (y < high)
    return np.asarray(np.where(shade[..., None], 0.6 * picture, picture))


def _stained(rng: np.random.Generator) -> Floats:
    """How bright a wall is that the rain has run down: streaks below sills, and clouds."""
    return np.asarray(1 + 0.07 * _noise(rng, 1.2, 1, 2) + 0.05 * _noise(rng, 0.8, 0.2, 4) + 0.03 * _noise(rng, 0.3))


def _rendered_front(rng: np.random.Generator) -> Floats:
    v, _ = _grid()
    course = 1 - 0.22 * _seams(np.abs((v * _BAYS + 0.5) % 1 - 0.5) / _BAYS, 0.008)
    return _facade(rng, _grey(1.25 * _stained(rng) * course), 1.5, 0.45)


def _brick_front(rng: np.random.Generator) -> Floats:
    number, to_v, to_u = _cells(rng, 48, 24, 0.5)
    mortar = np.maximum(_seams(to_v, 0.0025), _seams(to_u, 0.0025))[..., None]
    value = (1.2 + 0.5 * (number - 0.5)) * _stained(rng)
    brick = np.stack([value, value * (0.95 + 0.1 * number), value], -1)
    return _facade(rng, brick * (1 - 0.6 * mortar) + np.array([1.2, 1.6, 1.8]) * 0.6 * mortar, 2.1, 0.0)


def _office_front(rng: np.random.Generator) -> Floats:
    """Ribbons of glass between bands of concrete."""
    v, u = _grid()
    x, y = (u * _BAYS * 2) % 1, (v * _BAYS) % 1
    bay = np.floor(v * _BAYS).astype(np.int64), np.floor(u * _BAYS * 2).astype(np.int64)
    number = rng.random((_BAYS, 2 * _BAYS))[bay]
    glass = (y > 0.3) & (y < 0.86)
    pane = 0.24 + 0.5 * number**2 + 0.22 * y
    panes = np.stack([0.72 * pane, 0.92 * pane, 1.15 * pane], -1)
    blind = np.where(((number > 0.6) & (y > 0.95 - 0.5 * number))[..., None], [1.0, 0.97, 0.9], panes)
    mullion = np.minimum(x, 1 - x) < 0.05
    wall = _grey(1.5 * _stained(rng))
    return np.where(glass[..., None], np.where(mullion[..., None], 0.5, blind), wall)


def _shop_front(rng: np.random.Generator) -> Floats:
    """Four shops side by side, a storey high: glass over a plinth, a door, a board with letters above."""
    v, u = _grid()
    shop, x = np.floor(u * _BAYS).astype(np.int64), (u * _BAYS) % 1
    colours = np.array([[1.1, 0.35, 0.3], [0.3, 0.7, 0.5], [0.35, 0.5, 1.1], [1.5, 1.15, 0.45]])[shop]
    board = (v > 0.8) & (v < 0.95)
    letters = (
        board
        & (v > 0.83)
        & (v < 0.92)
        & (np.abs(x - 0.5) < 0.34)
        & (rng.random(128)[(u * 127).astype(np.int64)] > 0.45)
    )
    glass = (v > 0.14) & (v < 0.76) & (np.minimum(x, 1 - x) > 0.06)
    things = _blocks(rng, 60, 6, 22)
    pane = (0.35 + 0.28 * np.abs(things) * (v < 0.5) + 0.3 * v)[..., None] * np.array([0.85, 1.0, 1.1])
    door = (np.abs(x - 0.78) < 0.13) & (v > 0.02) & (v < 0.7)
    bars = (np.abs(x - 0.6) < 0.015) | (np.abs(np.abs(x - 0.78) - 0.12) < 0.015)
    picture = np.where(glass[..., None], np.where(bars[..., None], 0.4, pane), _grey(1.3 * _stained(rng)))
    picture = np.where(
        door[..., None],
        np.where((np.abs(x - 0.78) < 0.08)[..., None] & (v > 0.1)[..., None], 0.7 * pane, 0.35),
        picture,
    )
    picture = np.where(board[..., None], colours, picture)
    return np.where(letters[..., None], 2.4, picture)


def _entrance(rng: np.random.Generator) -> Floats:
    """A ground floor of four bays of coursed stone: windows, and a door with steps in the second."""
    v, u = _grid()
    bay, x = np.floor(u * _BAYS).astype(np.int64), (u * _BAYS) % 1
    number, to_v, to_u = _cells(rng, 6, 16, 0.5)
    joint = np.maximum(_seams(to_v, 0.007), 0.6 * _seams(to_u, 0.004))
    wall = _grey(1.3 * (1 + 0.14 * (number - 0.5)) * _stained(rng) * (1 - 0.3 * joint))
    window = (np.abs(x - 0.5) < 0.24) & (v > 0.28) & (v < 0.84) & (bay != 1)
    rim = (np.abs(x - 0.5) < 0.29) & (v > 0.23) & (v < 0.89) & (bay != 1)
    pane = np.where(np.abs(x - 0.5) < 0.02, 1.4, 0.2 + 0.25 * v)[..., None] * np.array([0.8, 1.0, 1.2])
    arch = (bay == 1) & (np.abs(x - 0.5) < 0.26) & (v < 0.86)
    leaf = (bay == 1) & (np.abs(x - 0.5) < 0.2) & (v < 0.8)
    wood = np.where((np.abs(x - 0.5) < 0.015) | (np.abs(v - 0.62) < 0.012), 0.12, 0.4)[..., None] * np.array(
        [1.2, 0.7, 0.5]
    )
    picture = np.where((rim | arch)[..., None], 1.7, wall)
    picture = np.where(window[..., None], pane, picture)
    picture = np.where(leaf[..., None], wood, picture)
    return np.where((v < 0.06)[..., None] & ~leaf[..., None], 0.7, picture)


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
    "rendered front": _rendered_front,
    "brick front": _brick_front,
    "office front": _office_front,
    "shop front": _shop_front,
    "entrance": _entrance,
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
