"""Buildings of few faces: a storey of shops or an entrance, floors of windows above, a flat or a pitched roof.

Frame of a building: x to the right seen from inside, along its front; y into the building; z up; metres. The origin is
on the ground in the middle of its front, which faces -y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foveal.envs.rendering.facades import FACADE_WINDOW
from foveal.envs.rendering.meshes import Mesh, joined
from foveal.envs.rendering.scene import Material, Part
from foveal.envs.rigs.solids import Floats, block, faceted, panels

Colour = tuple[float, float, float]

_RENDERED = (
    (0.83, 0.76, 0.62), (0.78, 0.6, 0.46), (0.72, 0.72, 0.68), (0.62, 0.68, 0.66), (0.8, 0.68, 0.44), (0.67, 0.5, 0.44),
    (0.74, 0.78, 0.8), (0.86, 0.82, 0.74),
)  # fmt: skip
_BRICK = ((0.6, 0.36, 0.28), (0.66, 0.46, 0.34), (0.5, 0.33, 0.29), (0.72, 0.6, 0.46))
_OFFICE = ((0.58, 0.59, 0.6), (0.52, 0.55, 0.58), (0.64, 0.6, 0.55))
_ROOFS = ((0.5, 0.25, 0.18), (0.32, 0.31, 0.33), (0.42, 0.3, 0.24))
_CLOTHS = ((0.62, 0.16, 0.14), (0.15, 0.36, 0.28), (0.18, 0.28, 0.5), (0.85, 0.8, 0.68), (0.8, 0.52, 0.16))

_STYLES = (("rendered front", _RENDERED, 0.55), ("brick front", _BRICK, 0.3), ("office front", _OFFICE, 0.15))
"""Texture of the floors with windows, colours, and how often."""

_TILE = 4
"""Bays and storeys of a facade's texture."""


class Plan(NamedTuple):
    """A building.

    Attributes:
        width: Along the front, m.
        depth: m.
        storeys: Above the ground floor.
        storey: Height of one, m.
        ground: Height of the ground floor, m.
        style: Texture of the floors above.
        wall: Colour, sRGB in 0..1.
        shops: Whether the ground floor has shops.
        roof: Height of a pitched roof, m; 0 for a flat one.
        roof_colour: sRGB in 0..1.
        awning: Colour of an awning; None for none.
        balconies: Whether it has some.
        start: (bays, storeys) at which its facade begins in the texture.
    """

    width: float
    depth: float
    storeys: int
    storey: float
    ground: float
    style: str
    wall: Colour
    shops: bool
    roof: float
    roof_colour: Colour
    awning: Colour | None
    balconies: bool
    start: tuple[int, int]

    @property
    def eaves(self) -> float:
        """Height of the walls, m."""
        return self.ground + self.storeys * self.storey


def plan(rng: np.random.Generator, width: float, depth: float) -> Plan:
    """A building of some kind, `width` m along its front and `depth` m deep."""
    style, colours, _ = _STYLES[rng.choice(len(_STYLES), p=[share for _, _, share in _STYLES])]
    office = style == "office front"
    shops = bool(rng.random() < 0.5) and not office
    wall = np.clip(np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.9, 1.08), 0, 1)
    return Plan(
        width,
        depth,
        int(rng.integers(2, 5) if office else rng.integers(1, 4)),
        float(rng.uniform(2.9, 3.4)),
        float(rng.uniform(3.4, 4.0)),
        style,
        (float(wall[0]), float(wall[1]), float(wall[2])),
        shops,
        0.0 if office or rng.random() < 0.35 else float(rng.uniform(1.8, 3.2)),
        _ROOFS[rng.integers(len(_ROOFS))],
        _CLOTHS[rng.integers(len(_CLOTHS))] if shops and rng.random() < 0.6 else None,
        bool(style == "rendered front" and rng.random() < 0.35),
        (int(rng.integers(_TILE)), int(rng.integers(_TILE))),
    )


def building(of: Plan, rng: np.random.Generator, *, lit: bool) -> list[Part]:
    """Its parts; `lit`: some of its windows are, which `rng` decides."""
    here, half = np.eye(4), of.width / 2
    upper = Material(of.style, of.wall)
    stone = 0.35 * np.array(of.wall) + 0.65 * np.array([0.62, 0.6, 0.57])  # of its own, that glass be not brown
    lower = Material("shop front" if of.shops else "entrance", (float(stone[0]), float(stone[1]), float(stone[2])))
    right, left = np.array([half, 0.0]), np.array([-half, 0.0])
    back_right, back_left = np.array([half, of.depth]), np.array([-half, of.depth])
    parts: list[Part] = [
        (_windows(of, left, right), here, upper),
        (_ground_floor(of, left, right), here, lower),
        (joined([_windows(of, a, b, whole=True) for a, b in ((right, back_right), (back_left, left))]), here, upper),
        (_windows(of, back_right, back_left, whole=True), here, upper),
        *_roof(of, upper),
    ]
    if of.awning is not None:
        parts.append((_awning(of), here, Material("plain", of.awning)))
    if of.balconies:
        parts.append((_balconies(of), here, Material("plain", (0.34, 0.34, 0.36))))
    if lit and (panes := _lit_panes(of, rng)) is not None:
        parts.append((panes, here, Material("plain", (1.0, 0.8, 0.5), 1.0, 0.85)))
    return parts


def _darker(colour: Colour) -> Colour:
    return 0.85 * colour[0], 0.85 * colour[1], 0.85 * colour[2]


def _bays(of: Plan, length: float) -> int:
    return max(1, round(length / 3.0))


def _facade(a: Floats, b: Floats, z: tuple[float, float], u: tuple[float, float], v: tuple[float, float]) -> Mesh:
    """An upright face from a to b (2,), seen with a on the left, with given texture coordinates in tiles."""
    vertices = np.array([[*a, z[0]], [*b, z[0]], [*b, z[1]], [*a, z[1]]])
    uv = np.array([[u[0], v[0]], [u[1], v[0]], [u[1], v[1]], [u[0], v[1]]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return Mesh(vertices, faces, uv[faces])


def _windows(of: Plan, a: Floats, b: Floats, *, whole: bool = False) -> Mesh:
    """Floors with windows between two corners; `whole`: the ground floor, too."""
    bays = _bays(of, float(np.linalg.norm(b - a)))
    low = -of.ground / of.storey if whole else 0.0
    u = of.start[0] / _TILE, (of.start[0] + bays) / _TILE
    v = (of.start[1] + low) / _TILE, (of.start[1] + of.storeys) / _TILE
    return _facade(a, b, (0.0 if whole else of.ground, of.eaves), u, v)


def _ground_floor(of: Plan, a: Floats, b: Floats) -> Mesh:
    bays = _bays(of, of.width)
    start = of.start[0] if of.shops else 0
    return _facade(a, b, (0.0, of.ground), (start / _TILE, (start + bays) / _TILE), (0.0, 1.0))


def _roof(of: Plan, upper: Material) -> list[Part]:
    half, here = of.width / 2, np.eye(4)
    z, over = of.eaves, 0.35
    if of.roof == 0:
        cornice = block((-half - 0.02, half + 0.02), (-0.25, of.depth), (z - 0.05, z + 0.4), bottom=True)
        return [(cornice, here, Material("concrete", _darker(of.wall), 3.0))]
    ridge, y = z + of.roof, of.depth / 2
    slopes = faceted(
        [
            [-half, -over, z - 0.1], [half, -over, z - 0.1], [half, y, ridge], [-half, y, ridge],
            [half, of.depth + over, z - 0.1], [-half, of.depth + over, z - 0.1],
        ],
        [(0, 1, 2, 3), (4, 5, 3, 2)],
    )  # fmt: skip
    gables = faceted(
        [
            [half, 0, z], [half, of.depth, z], [half, y, ridge], [-half, of.depth, z], [-half, 0, z], [-half, y, ridge],
        ],
        [(0, 1, 2), (3, 4, 5)],
    )  # fmt: skip
    return [
        (slopes, here, Material("brick", of.roof_colour, 3.2)),
        (gables, here, Material("concrete", upper.colour, 4.0)),
    ]


def _awning(of: Plan) -> Mesh:
    """A cloth over the shops' windows."""
    half, low, high = 0.46 * of.width, 0.66 * of.ground, 0.79 * of.ground
    points = [[-half, 0, high], [half, 0, high], [half, -1.1, low], [-half, -1.1, low], [-half, 0, low], [half, 0, low]]
    return faceted(points, [(0, 3, 2, 1), (0, 4, 3), (1, 2, 5)])


def _balconies(of: Plan) -> Mesh:
    """One long balcony on each floor but the topmost."""
    bay = of.width / _bays(of, of.width)
    reach = bay * max(1, _bays(of, of.width) // 2)
    floors = [of.ground + k * of.storey for k in range(max(1, of.storeys - 1))]
    return joined([block((-reach / 2, reach / 2), (-1.0, -0.02), (z - 0.1, z + 0.75), bottom=True) for z in floors])


def _lit_panes(of: Plan, rng: np.random.Generator, most: int = 7) -> Mesh | None:
    """Windows of the front with light behind them."""
    bays, (left, right, low, high) = _bays(of, of.width), FACADE_WINDOW
    if of.style == "office front":
        left, right, low, high = 0.03, 0.47, 0.3, 0.86
    bay, quads = of.width / bays, []
    for number in rng.permutation(bays * of.storeys)[: min(most, max(1, int(0.45 * bays * of.storeys)))]:
        x, z = -of.width / 2 + (number % bays) * bay, of.ground + (number // bays) * of.storey
        for start, end in ((left, 0.5 - 0.022), (0.5 + 0.022, right)) if right > 0.5 else ((left, right),):
            a, b = x + start * bay, x + end * bay
            c, d = z + low * of.storey, z + high * of.storey
            quads.append(np.array([[a, -0.02, c], [b, -0.02, c], [b, -0.02, d], [a, -0.02, d]]))
    if of.shops:
        for k in range(bays):
            a, b = -of.width / 2 + (k + 0.07) * bay, -of.width / 2 + (k + 0.58) * bay
            c, d = 0.16 * of.ground, 0.64 * of.ground
            if rng.random() < 0.5:
                quads.append(np.array([[a, -0.02, c], [b, -0.02, c], [b, -0.02, d], [a, -0.02, d]]))
    return panels(quads) if quads else None
