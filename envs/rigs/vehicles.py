"""Cars and vans of few faces, all 5.0 m long and 2.0 m wide: what the driving engine collides.

Frame of a vehicle: x ahead, y left, z up, metres; the origin is on the ground under its middle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foveal.envs.rendering.meshes import Mesh, joined
from foveal.envs.rendering.scene import Material, Part
from foveal.envs.rigs.solids import Floats, block, faceted, loft, panel, panels, rectangle

LENGTH_M, WIDTH_M = 5.0, 2.0

Colour = tuple[float, float, float]
Span = tuple[float, float]

_GLASS = Material("plain", (0.13, 0.17, 0.21))
_RUBBER = Material("plain", (0.07, 0.07, 0.075))
_HUB = Material("plain", (0.58, 0.59, 0.61))
_TRIM = Material("plain", (0.1, 0.1, 0.11))
_PLATE = Material("plain", (0.9, 0.88, 0.72))
_SHADE = Material("plain", (0.13, 0.13, 0.14))


class Shape(NamedTuple):
    """A vehicle's outline, m.

    Attributes:
        nose: Height of the bonnet's front edge.
        tail: Height of the body's rear edge.
        roof: Height of the roof.
        screen: x of the windscreen's foot and of its top.
        rear: x of the rear window's foot and of its top.
        panes: Side windows, as shares of the cabin's length from the front.
        floor: Height of the sills.
        wheel: Radius of the wheels.
        bed: Whether it carries an open bed behind the cabin.
    """

    nose: float
    tail: float
    roof: float
    screen: Span
    rear: Span
    panes: tuple[Span, ...]
    floor: float = 0.3
    wheel: float = 0.33
    bed: bool = False


SHAPES = {
    "saloon": Shape(0.78, 0.98, 1.45, (1.05, 0.35), (-2.0, -1.25), ((0.2, 0.5), (0.54, 0.84))),
    "hatchback": Shape(0.82, 0.98, 1.5, (1.2, 0.5), (-2.35, -1.95), ((0.17, 0.48), (0.52, 0.88))),
    "estate": Shape(0.8, 0.98, 1.52, (1.1, 0.4), (-2.42, -2.15), ((0.16, 0.42), (0.45, 0.69), (0.72, 0.93))),
    "suv": Shape(0.98, 1.1, 1.78, (1.1, 0.55), (-2.42, -2.2), ((0.14, 0.43), (0.46, 0.71), (0.74, 0.93)), 0.38, 0.38),
    "van": Shape(1.05, 1.2, 2.15, (1.85, 1.2), (-2.46, -2.38), ((0.1, 0.3),), 0.34, 0.35),
    "minibus": Shape(
        1.02,
        1.15,
        2.05,
        (1.9, 1.3),
        (-2.46, -2.36),
        ((0.1, 0.28), (0.31, 0.51), (0.54, 0.74), (0.77, 0.95)),
        0.34,
        0.35,
    ),
    "pickup": Shape(0.98, 1.02, 1.75, (1.1, 0.55), (-0.75, -0.6), ((0.2, 0.5), (0.55, 0.88)), 0.4, 0.38, bed=True),
}
"""Outlines by name."""


def vehicle(kind: str, colour: Colour, *, lit: bool, band: Colour | None = None, sign: bool = False) -> list[Part]:
    """Parts of a vehicle.

    Args:
        kind: One of `SHAPES`.
        colour: Of its paint, sRGB in 0..1.
        lit: Whether its lamps are.
        band: Colour of a stripe along its sides; None for none.
        sign: Whether it has a taxi's sign on its roof.
    """
    shape, paint = SHAPES[kind], Material("plain", colour)
    rings = _body(shape)
    cabin = _cabin(shape, rings[2])
    here = np.eye(4)
    body = [loft(rings), loft(cabin)]
    if shape.bed:
        body.append(block((-2.42, -0.85), (-0.9, 0.9), (shape.tail - 0.02, shape.tail + 0.02)))
    parts: list[Part] = [
        (joined(body), here, paint),
        (_windows(shape, cabin), here, _GLASS),
        (_tyres(shape.wheel), here, _RUBBER),
        (_hubs(shape.wheel), here, _HUB),
        *_lamps(rings, lit=lit),
        (
            panels([np.array([[2.4, -0.95, 0.02], [2.4, 0.95, 0.02], [-2.4, 0.95, 0.02], [-2.4, -0.95, 0.02]])]),
            here,
            _SHADE,
        ),
    ]
    if band is not None:
        sides = _sides(rings[1], rings[2])
        stripe = panels([panel(sides[k], (0.03, 0.97), (0.35, 0.75)) for k in (1, 3)])
        parts.append((stripe, here, Material("plain", band)))
    if sign:
        middle = (shape.screen[1] + shape.rear[1]) / 2 + 0.3
        glass = Material("plain", (0.98, 0.93, 0.7), 1.0, 1.0 if lit else 0.0)
        parts.append(
            (block((middle - 0.09, middle + 0.09), (-0.3, 0.3), (shape.roof - 0.02, shape.roof + 0.16)), here, glass)
        )
    return parts


def _body(shape: Shape) -> list[Floats]:
    """Rings from the sills to the bonnet and the boot's lid."""
    half = LENGTH_M / 2
    shoulder = rectangle((0.06 - half, half - 0.09), (-0.95, 0.95), shape.tail)
    shoulder[:2, 2] = shape.nose
    return [
        rectangle((0.08 - half, half - 0.1), (-0.93, 0.93), shape.floor),
        rectangle((-half, half), (-0.985, 0.985), shape.floor + 0.24),
        shoulder,
    ]


def _cabin(shape: Shape, deck: Floats) -> list[Floats]:
    """Rings from the deck, a little below its surface, to the roof."""
    slope = (deck[0, 2] - deck[2, 2]) / (deck[0, 0] - deck[2, 0])
    foot = rectangle((shape.rear[0], shape.screen[0]), (-0.93, 0.93), 0.0)
    foot[:, 2] = deck[2, 2] + slope * (foot[:, 0] - deck[2, 0]) - 0.005
    lean = min(0.34 * (shape.roof - shape.tail), 0.2)
    x = shape.rear[1], shape.screen[1]
    eaves = rectangle((x[0], x[1]), (lean - 0.93, 0.93 - lean), shape.roof - 0.07)
    roof = rectangle((x[0] + 0.1, x[1] - 0.12), (lean - 0.83, 0.83 - lean), shape.roof)
    return [foot, eaves, roof]


def _sides(below: Floats, above: Floats) -> list[Floats]:
    """The faces (4, 3) between two rings: front, left, rear, right."""
    return [np.stack([below[k], below[(k + 1) % 4], above[(k + 1) % 4], above[k]]) for k in range(4)]


def _windows(shape: Shape, cabin: list[Floats]) -> Mesh:
    front, left, rear, right = _sides(cabin[0], cabin[1])
    up = 0.1, 0.93
    quads = [panel(front, (0.07, 0.93), up), panel(rear, (0.1, 0.9), (0.2, 0.9))]
    for start, end in shape.panes:
        quads += [panel(left, (start, end), up), panel(right, (1 - end, 1 - start), up)]
    return panels(quads)


_AXLES = tuple((x, side) for x in (1.52, -1.5) for side in (-1.0, 1.0))
"""(x m, side) of each wheel: -1 is the right."""

_OCTAGON = (np.arange(8) + 0.5) * (np.pi / 4)


def _tyres(radius: float) -> Mesh:
    """Discs that face outwards, and what of the treads is seen below the body."""
    meshes = []
    for x, side in _AXLES:
        rim = radius / np.cos(np.pi / 8) * np.stack([np.cos(_OCTAGON), np.sin(_OCTAGON)], -1) + [x, radius]
        outer = np.column_stack([rim[:, 0], np.full(8, side * (WIDTH_M / 2 - 0.01)), rim[:, 1]])
        inner = outer - [0, 0.24 * side, 0]
        treads = [(k, (k + 1) % 8, 8 + (k + 1) % 8, 8 + k) for k in (4, 6)]
        disc = range(7, -1, -1) if side > 0 else range(8)
        faces = [disc, *(face[::-1] if side < 0 else face for face in treads)]
        meshes.append(faceted(np.concatenate([outer, inner]), faces))
    return joined(meshes)


def _hubs(radius: float) -> Mesh:
    quads, reach = [], 0.42 * radius
    for x, side in _AXLES:
        y = side * (WIDTH_M / 2)
        diamond = np.array(
            [[x + reach, y, radius], [x, y, radius + reach], [x - reach, y, radius], [x, y, radius - reach]]
        )
        quads.append(diamond[::-1] if side > 0 else diamond)
    return panels(quads)


def _lamps(rings: list[Floats], *, lit: bool) -> list[Part]:
    """Lights in front and behind, the grille, the bumpers' trim and the plates."""
    here = np.eye(4)
    front, _, rear, _ = _sides(rings[1], rings[2])
    below = _sides(rings[0], rings[1])[0]
    heads = panels([panel(front, span, (0.4, 0.85)) for span in ((0.03, 0.25), (0.75, 0.97))])
    tails = panels([panel(rear, span, (0.45, 0.9)) for span in ((0.02, 0.17), (0.83, 0.98))])
    grille = panels([panel(front, (0.3, 0.7), (0.15, 0.75)), panel(below, (0.12, 0.88), (0.2, 0.7))])
    plates = panels([panel(rear, (0.37, 0.63), (0.3, 0.65)), panel(below, (0.38, 0.62), (0.3, 0.6), 0.02)])
    return [
        (heads, here, Material("plain", (0.95, 0.95, 0.9), 1.0, 1.6 if lit else 0.0)),
        (tails, here, Material("plain", (0.75, 0.06, 0.05), 1.0, 1.2 if lit else 0.0)),
        (grille, here, _TRIM),
        (plates, here, _PLATE),
    ]
