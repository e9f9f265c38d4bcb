"""What stands on pavements: trees, hedges, lamp posts, signs, bollards, bins, benches.

Frame of a thing: x along the kerb, y away from the road, z up, metres; the origin is on the pavement under it.
"""

from __future__ import annotations

import numpy as np

from foveal.envs.rendering.meshes import Mesh, frustum, joined, moved
from foveal.envs.rendering.scene import Material, Part
from foveal.envs.rigs.solids import Floats, block, circle, faceted, loft
from foveal.optics.transforms import place

LAMP_HEIGHT_M = 5.6

_BARK = Material("foliage", (0.32, 0.25, 0.2), 2.0)
_IRON = Material("plain", (0.2, 0.23, 0.23))
_STEEL = Material("plain", (0.5, 0.51, 0.53))
_LEAVES = ((0.23, 0.36, 0.15), (0.3, 0.4, 0.16), (0.19, 0.32, 0.2), (0.4, 0.42, 0.17), (0.5, 0.36, 0.14))


def tree(rng: np.random.Generator) -> list[Part]:
    """A trunk and one or two crowns, at most 2 m to each side."""
    colour = np.clip(np.array(_LEAVES[rng.choice(5, p=[0.3, 0.25, 0.25, 0.12, 0.08])]) * rng.uniform(0.85, 1.15), 0, 1)
    leaves = Material("foliage", (float(colour[0]), float(colour[1]), float(colour[2])), 2.6)
    radius, clear, tall = rng.uniform(1.3, 1.85), rng.uniform(2.1, 2.6), rng.uniform(2.4, 4.2)
    trunk = loft([circle((0.16, 0.16), 0.0, 5), circle((0.11, 0.11), clear + 0.5, 5)], top=False)
    crowns = [_crown(rng, radius, clear, tall)]
    if rng.random() < 0.4:
        crowns = [_crown(rng, radius, clear, 0.6 * tall), _crown(rng, 0.68 * radius, clear + 0.5 * tall, 0.55 * tall)]
    return [(trunk, np.eye(4), _BARK), (joined(crowns), place((0, 0, 0), rng.uniform(0, 6)), leaves)]


def _crown(rng: np.random.Generator, radius: float, low: float, tall: float) -> Mesh:
    """Rings of parallel sides, so that the faces between them are flat."""
    rings = []
    for share, width in ((0.0, 0.45), (0.28, 0.97), (0.66, 0.86), (1.0, 0.3)):
        own = radius * width * rng.uniform(0.9, 1.0)
        shift = rng.normal(0, 0.05 * radius, 2)
        rings.append(circle((own, own), low + share * tall, 6, (float(shift[0]), float(shift[1]))))
    return loft(rings, bottom=True)


def hedge(length: float, rng: np.random.Generator) -> list[Part]:
    """A hedge along x."""
    half, height = length / 2, float(rng.uniform(1.0, 1.7))
    return [
        (block((-half, half), (-0.4, 0.4), (0, height)), np.eye(4), Material("foliage", _LEAVES[rng.integers(3)], 2.2))
    ]


def _post(radius: float, top: float) -> list[Mesh]:
    """The four sides of a post, each a part of its own.

    The median size of a thing's parts says from how far away it is drawn as a box: that of a post with plates should
    follow from the post, not from the plates.
    """
    ring = circle((radius, radius), 0.0, 4)
    return [
        faceted([ring[k], ring[(k + 1) % 4], ring[(k + 1) % 4] + [0, 0, top], ring[k] + [0, 0, top]], [(0, 1, 2, 3)])
        for k in range(4)
    ]


def lamp_post(*, lit: bool) -> list[Part]:
    """A post with an arm over the road and a lamp under its end."""
    top = LAMP_HEIGHT_M
    arm = block((-0.045, 0.045), (-1.3, 0.05), (top - 0.06, top + 0.04), bottom=True)
    head = block((-0.16, 0.16), (-1.75, -1.05), (top - 0.06, top + 0.08))
    x, y, z = 0.15, (-1.72, -1.08), top - 0.07
    glass = faceted([[-x, y[0], z], [-x, y[1], z], [x, y[1], z], [x, y[0], z]], [(0, 1, 2, 3)])
    here = np.eye(4)
    light = Material("plain", (1.0, 0.86, 0.6), 1.0, 2.2 if lit else 0.35)
    sides = [(side, here, _IRON) for side in _post(0.1, top)]
    return [*sides, (joined([arm, head]), here, _IRON), (glass, here, light)]


_RED, _BLUE = Material("plain", (0.78, 0.1, 0.09)), Material("plain", (0.1, 0.28, 0.62))
_WHITE, _YELLOW = Material("plain", (0.93, 0.93, 0.91)), Material("plain", (0.95, 0.76, 0.12))
_BLACK = Material("plain", (0.1, 0.1, 0.1))


def _disc(radius: float, sides: int, x: float, turn: float = 0.0) -> Mesh:
    """A polygon that faces -x, around z = 2.35 m."""
    angles = turn + np.arange(sides) * (2 * np.pi / sides)
    points = np.column_stack([np.full(sides, x), -radius * np.cos(angles), 2.35 + radius * np.sin(angles)])
    return faceted(points, [range(sides)])


def _bar(across: float, up: float) -> Mesh:
    """A rectangle of half sizes `across` and `up` that faces -x, around z = 2.35 m, before the discs."""
    y, z, x = across, (2.35 - up, 2.35 + up), -0.07
    return faceted([[x, y, z[0]], [x, -y, z[0]], [x, -y, z[1]], [x, y, z[1]]], [(0, 1, 2, 3)])


SIGNS: tuple[tuple[tuple[Mesh, Material], ...], ...] = (
    ((_disc(0.42, 8, -0.05, np.pi / 8), _RED), (_bar(0.26, 0.09), _WHITE)),
    ((_disc(0.42, 10, -0.05), _RED), (_disc(0.31, 10, -0.06), _WHITE), (_bar(0.14, 0.12), _BLACK)),
    ((_disc(0.48, 3, -0.05, np.pi / 2), _RED), (_disc(0.3, 3, -0.06, np.pi / 2), _WHITE)),
    ((_disc(0.42, 10, -0.05), _BLUE), (_bar(0.07, 0.25), _WHITE)),
    ((_disc(0.45, 4, -0.05, np.pi / 4), _BLUE), (_bar(0.12, 0.2), _WHITE)),
    ((_disc(0.46, 4, -0.05), _WHITE), (_disc(0.34, 4, -0.06), _YELLOW)),
)
"""Plates of signs: stop, limit, warning, direction, parking, priority."""


def sign(kind: int) -> list[Part]:
    """A traffic sign that faces -x, with the `kind`-th of the `SIGNS`."""
    here = np.eye(4)
    back = block((-0.02, 0.02), (-0.28, 0.28), (2.07, 2.63), bottom=True)
    plates = [(mesh, here, material) for mesh, material in SIGNS[kind]]
    return [*[(side, here, _STEEL) for side in _post(0.04, 2.7)], (back, here, _STEEL), *plates]


def bollard() -> list[Part]:
    """A short post with a white ring."""
    here = np.eye(4)
    post = loft([circle((0.09, 0.09), 0.0, 5), circle((0.09, 0.09), 0.95, 5)])
    ring = loft([circle((0.1, 0.1), 0.7, 5), circle((0.1, 0.1), 0.82, 5)], top=False)
    return [(post, here, _IRON), (ring, here, _WHITE)]


def bin_of(rng: np.random.Generator) -> list[Part]:
    """A litter bin."""
    colour = ((0.16, 0.34, 0.22), (0.75, 0.42, 0.1), (0.3, 0.32, 0.35))[rng.integers(3)]
    here = np.eye(4)
    body = loft([circle((0.2, 0.2), 0.0, 6), circle((0.26, 0.26), 0.85, 6)], top=False)
    lid = loft([circle((0.29, 0.29), 0.85, 6), circle((0.2, 0.2), 1.0, 6)])
    return [(body, here, Material("plain", colour)), (lid, here, _IRON)]


def bench() -> list[Part]:
    """A bench along x with its back to the road."""
    here, wood = np.eye(4), Material("wood", (0.5, 0.34, 0.2), 1.0)
    seat = block((-0.85, 0.85), (-0.2, 0.25), (0.4, 0.47), bottom=True)
    back = block((-0.85, 0.85), (-0.28, -0.21), (0.5, 0.9), bottom=True)
    legs = joined([block((x - 0.05, x + 0.05), (-0.27, 0.22), (0, 0.4)) for x in (-0.65, 0.65)])
    return [(seat, here, wood), (back, here, wood), (legs, here, _IRON)]


def kiosk(rng: np.random.Generator) -> list[Part]:
    """A round pillar with posters and a small roof."""
    here = np.eye(4)
    pillar = loft([circle((0.55, 0.55), 0.0, 8), circle((0.55, 0.55), 2.5, 8)], top=False)
    roof = moved(frustum(0.68, 0.1, 0.5, 8, closed=False), place((0, 0, 2.72)))
    posters = faceted(*_posters(rng))
    return [
        (pillar, here, Material("concrete", (0.62, 0.62, 0.58), 2.0)),
        (roof, here, Material("plain", (0.2, 0.34, 0.28))),
        (posters, here, Material("books", (0.58, 0.55, 0.5), 1.6)),
    ]


def _posters(rng: np.random.Generator) -> tuple[Floats, list[range]]:
    angles = (np.arange(9) + 0.5) * (np.pi / 4)
    points, faces = [], []
    for k in rng.permutation(8)[:5]:
        a, b = (0.56 * np.array([np.cos(angle), np.sin(angle)]) for angle in (angles[k], angles[k + 1]))
        points += [[*a, 0.6], [*b, 0.6], [*b, 2.0], [*a, 2.0]]
        faces.append(range(len(points) - 4, len(points)))
    return np.array(points), faces
