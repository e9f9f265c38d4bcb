"""Parts: the boxes and turned solids that a kit is made of, in the frame of the object's box.

Frame of an object: x right, y forward, z up, metres; the origin is the middle of the bottom of its box, so that the box
is [-width/2, width/2] x [-depth/2, depth/2] x [0, height].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Span = tuple[float, float]
Vector3 = tuple[float, float, float]
Rectangle = tuple[float, float, float, float]
Profile = tuple[tuple[float, float], ...]

WHOLE: Rectangle = (0.0, 0.0, 1.0, 1.0)

# Profiles of turned solids from the bottom up: (radius, height), as shares of the box. A hollow one comes down inside.
CYLINDER: Profile = ((1, 0), (1, 1))
BALL: Profile = ((0, 0), (0.71, 0.15), (1, 0.5), (0.71, 0.85), (0, 1))
DOME: Profile = ((1, 0), (0.9, 0.5), (0.5, 0.87), (0, 1))
BUCKET: Profile = ((0.75, 0), (1, 1), (0.9, 1), (0.68, 0.08), (0, 0.08))
SHADE: Profile = ((1, 0), (0.62, 1))


class Part(NamedTuple):
    """One solid.

    Attributes:
        role: What it is made of: a name in `palettes.ROLES`.
        low: Lowest corner of its box, m.
        high: Highest corner, m.
        profile: Of a solid turned about `axis`: (radius, height) pairs from its start along the axis, as shares of the
            box. None for a block.
        axis: 0, 1, 2 for x, y, z: along it a block goes from `start` to `end`, and a turned solid stands.
        start: Of a block: the rectangle (u0, v0, u1, v1) at the axis's low end, as shares of the box; u and v are the
            two axes that follow `axis` in the cycle x, y, z.
        end: The rectangle at the high end. Unequal rectangles taper or lean.
        sides: Of a turned solid.
    """

    role: str
    low: Vector3
    high: Vector3
    profile: Profile | None = None
    axis: int = 2
    start: Rectangle = WHOLE
    end: Rectangle = WHOLE
    sides: int = 8


Kit = Callable[[float, float, float], list[Part]]
"""Parts for a box of a given width, depth and height (m)."""


def block(
    role: str, x: Span, y: Span, z: Span, *, start: Rectangle = WHOLE, end: Rectangle = WHOLE, axis: int = 2
) -> Part:
    """A box over three spans, tapering along `axis` from rectangle `start` to `end`."""
    return Part(role, (x[0], y[0], z[0]), (x[1], y[1], z[1]), axis=axis, start=start, end=end)


def turned(role: str, x: Span, y: Span, z: Span, profile: Profile = CYLINDER, *, axis: int = 2, sides: int = 8) -> Part:
    """A solid turned about the middle of the box over three spans, round if the box is."""
    return Part(role, (x[0], y[0], z[0]), (x[1], y[1], z[1]), profile, axis=axis, sides=sides)


def around(middle: float, extent: float) -> Span:
    """The span of a given extent (m) about a middle."""
    return middle - extent / 2, middle + extent / 2


def thickness(extent: float, share: float, least: float, most: float) -> float:
    """A share of an extent within [least, most] m, but never more than 0.45 of the extent."""
    return min(max(share * extent, least), most, 0.45 * extent)


def legs(role: str, width: float, depth: float, z: Span, thick: float) -> list[Part]:
    """Four posts at the corners of a rectangle around the origin."""
    thick = min(thick, 0.45 * width, 0.45 * depth)
    ends_x = (-width / 2, -width / 2 + thick), (width / 2 - thick, width / 2)
    ends_y = (-depth / 2, -depth / 2 + thick), (depth / 2 - thick, depth / 2)
    return [block(role, x, y, z) for x in ends_x for y in ends_y]


def frame(role: str, x: Span, y: Span, z: Span, rim: float) -> list[Part]:
    """Four bars around a rectangle in the x-z plane."""
    rim = min(rim, 0.4 * (x[1] - x[0]), 0.4 * (z[1] - z[0]))
    inner = (z[0] + rim, z[1] - rim)
    return [
        block(role, x, y, (z[0], inner[0])),
        block(role, x, y, (inner[1], z[1])),
        block(role, (x[0], x[0] + rim), y, inner),
        block(role, (x[1] - rim, x[1]), y, inner),
    ]


def basin(role: str, width: float, depth: float, z: Span, rim: float, floor: float) -> list[Part]:
    """A trough open above: four sides `rim` thick around a bottom `floor` thick."""
    rim = min(rim, 0.3 * width, 0.3 * depth)
    x, y = around(0, width), around(0, depth)
    return [
        block(role, (x[0], x[0] + rim), y, z),
        block(role, (x[1] - rim, x[1]), y, z),
        block(role, (x[0] + rim, x[1] - rim), (y[0], y[0] + rim), z),
        block(role, (x[0] + rim, x[1] - rim), (y[1] - rim, y[1]), z),
        block(role, (x[0] + rim, x[1] - rim), (y[0] + rim, y[1] - rim), (z[0], z[0] + floor)),
    ]


def volume(part: Part) -> float:
    """Volume of a part's box, m³."""
    width, depth, height = (high - low for low, high in zip(part.low, part.high, strict=True))
    return width * depth * height


def permuted(part: Part, order: tuple[int, int, int], shift: Vector3) -> Part:
    """A part whose axis k becomes axis order[k] of the new frame, moved by `shift`."""
    old = [order.index(new) for new in range(3)]
    low, high = (
        (corner[old[0]] + shift[0], corner[old[1]] + shift[1], corner[old[2]] + shift[2])
        for corner in (part.low, part.high)
    )
    axis = order[part.axis]
    start, end = part.start, part.end
    if order[(part.axis + 1) % 3] != (axis + 1) % 3:  # an odd permutation swaps the two other axes
        start = (start[1], start[0], start[3], start[2])
        end = (end[1], end[0], end[3], end[2])
    return part._replace(low=low, high=high, axis=axis, start=start, end=end)


def lying(kit: Kit) -> Kit:
    """A kit of a long flat thing (longest along y, thinnest along z), turned to how its box lies or stands."""

    def turned_to_box(width: float, depth: float, height: float) -> list[Part]:
        size = (width, depth, height)
        middle, longest, thinnest = 0, 1, 2
        if not width <= depth >= height or height > min(width, depth):
            thinnest, middle, longest = sorted(range(3), key=lambda axis: (size[axis], -axis))
        order = (middle, longest, thinnest)
        # The kit's origin is the middle of the bottom of its own box; ours is that of the thing's.
        shift = [0.0, 0.0, 0.0]
        shift[2] += height / 2
        shift[thinnest] -= size[thinnest] / 2
        return [
            permuted(part, order, (shift[0], shift[1], shift[2]))
            for part in kit(size[middle], size[longest], size[thinnest])
        ]

    return turned_to_box


def standing(kit: Kit) -> Kit:
    """A kit of a thing longest along z, turned to how its box lies."""

    def turned_to_box(width: float, depth: float, height: float) -> list[Part]:
        if height >= max(width, depth):
            return kit(width, depth, height)
        size = (width, depth, height)
        order = (0, 2, 1) if depth >= width else (2, 1, 0)
        across = [size[order[axis]] for axis in range(3)]
        shift = [0.0, 0.0, height / 2]
        shift[order[2]] -= across[2] / 2
        return [permuted(part, order, (shift[0], shift[1], shift[2])) for part in kit(*across)]

    return turned_to_box
