"""Textures of facades: walls with windows, offices, shops, entrances; a tile is some bays wide and a storey high."""

from __future__ import annotations

import numpy as np

from foveal.envs.rendering.patterns import Floats, blocks, cells, grey, grid, noise, seams

_BAYS = 4
"""Windows along each side of a facade's tile."""

FACADE_WINDOW = 0.26, 0.74, 0.24, 0.8
"""Where in its bay a facade's window is: from and to along u, from and to along v, as shares of the bay."""


def _facade(rng: np.random.Generator, wall: Floats, frame: float, shutters: float) -> Floats:
    """Windows in a wall (SIZE, SIZE, 3), each of its own; `shutters` is the share of those that have some."""
    v, u = grid()
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
    return np.asarray(1 + 0.07 * noise(rng, 1.2, 1, 2) + 0.05 * noise(rng, 0.8, 0.2, 4) + 0.03 * noise(rng, 0.3))


def rendered_front(rng: np.random.Generator) -> Floats:
    """Plaster with courses, and windows."""
    v, _ = grid()
    course = 1 - 0.22 * seams(np.abs((v * _BAYS + 0.5) % 1 - 0.5) / _BAYS, 0.008)
    return _facade(rng, grey(1.25 * _stained(rng) * course), 1.5, 0.45)


def brick_front(rng: np.random.Generator) -> Floats:
    """Bricks, and windows."""
    number, to_v, to_u = cells(rng, 48, 24, 0.5)
    mortar = np.maximum(seams(to_v, 0.0025), seams(to_u, 0.0025))[..., None]
    value = (1.2 + 0.5 * (number - 0.5)) * _stained(rng)
    brick = np.stack([value, value * (0.95 + 0.1 * number), value], -1)
    return _facade(rng, brick * (1 - 0.6 * mortar) + np.array([1.2, 1.6, 1.8]) * 0.6 * mortar, 2.1, 0.0)


def office_front(rng: np.random.Generator) -> Floats:
    """Ribbons of glass between bands of concrete."""
    v, u = grid()
    x, y = (u * _BAYS * 2) % 1, (v * _BAYS) % 1
    bay = np.floor(v * _BAYS).astype(np.int64), np.floor(u * _BAYS * 2).astype(np.int64)
    number = rng.random((_BAYS, 2 * _BAYS))[bay]
    glass = (y > 0.3) & (y < 0.86)
    pane = 0.24 + 0.5 * number**2 + 0.22 * y
    panes = np.stack([0.72 * pane, 0.92 * pane, 1.15 * pane], -1)
    blind = np.where(((number > 0.6) & (y > 0.95 - 0.5 * number))[..., None], [1.0, 0.97, 0.9], panes)
    mullion = np.minimum(x, 1 - x) < 0.05
    wall = grey(1.5 * _stained(rng))
    return np.where(glass[..., None], np.where(mullion[..., None], 0.5, blind), wall)


def shop_front(rng: np.random.Generator) -> Floats:
    """Four shops side by side, a storey high: glass over a plinth, a door, a board with letters above."""
    v, u = grid()
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
    things = blocks(rng, 60, 6, 22)
    pane = (0.35 + 0.28 * np.abs(things) * (v < 0.5) + 0.3 * v)[..., None] * np.array([0.85, 1.0, 1.1])
    door = (np.abs(x - 0.78) < 0.13) & (v > 0.02) & (v < 0.7)
    bars = (np.abs(x - 0.6) < 0.015) | (np.abs(np.abs(x - 0.78) - 0.12) < 0.015)
    picture = np.where(glass[..., None], np.where(bars[..., None], 0.4, pane), grey(1.3 * _stained(rng)))
    picture = np.where(
        door[..., None],
        np.where((np.abs(x - 0.78) < 0.08)[..., None] & (v > 0.1)[..., None], 0.7 * pane, 0.35),
        picture,
    )
    picture = np.where(board[..., None], colours, picture)
    return np.where(letters[..., None], 2.4, picture)


def entrance(rng: np.random.Generator) -> Floats:
    """A ground floor of four bays of coursed stone: windows, and a door with steps in the second."""
    v, u = grid()
    bay, x = np.floor(u * _BAYS).astype(np.int64), (u * _BAYS) % 1
    number, to_v, to_u = cells(rng, 6, 16, 0.5)
    joint = np.maximum(seams(to_v, 0.007), 0.6 * seams(to_u, 0.004))
    wall = grey(1.3 * (1 + 0.14 * (number - 0.5)) * _stained(rng) * (1 - 0.3 * joint))
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
