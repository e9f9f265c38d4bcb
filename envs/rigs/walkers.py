"""People of few faces, some 1.7 m tall, in mid-stride or standing.

Frame of a person: x ahead, y left, z up, metres; the origin is on the ground under the middle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foveal.envs.rendering.meshes import Mesh, joined
from foveal.envs.rendering.scene import Material, Part
from foveal.envs.rigs.solids import Floats, block, circle, loft, rectangle

Colour = tuple[float, float, float]


class Clothes(NamedTuple):
    """What a person looks like: height, m, and colours, sRGB in 0..1; `coat` reaches to the knees."""

    height: float
    top: Colour
    legs: Colour
    skin: Colour
    hair: Colour
    coat: bool = False
    bag: Colour | None = None


WARDROBE = (
    Clothes(1.78, (0.18, 0.27, 0.45), (0.16, 0.17, 0.2), (0.83, 0.64, 0.53), (0.2, 0.14, 0.1)),
    Clothes(1.68, (0.74, 0.2, 0.17), (0.2, 0.25, 0.36), (0.87, 0.69, 0.58), (0.36, 0.22, 0.12), bag=(0.3, 0.2, 0.14)),
    Clothes(1.82, (0.88, 0.86, 0.8), (0.35, 0.31, 0.26), (0.5, 0.34, 0.25), (0.08, 0.07, 0.07)),
    Clothes(1.64, (0.62, 0.5, 0.34), (0.14, 0.13, 0.14), (0.86, 0.66, 0.55), (0.6, 0.45, 0.25), coat=True),
    Clothes(1.74, (0.2, 0.42, 0.3), (0.26, 0.28, 0.33), (0.66, 0.47, 0.36), (0.1, 0.08, 0.08), bag=(0.75, 0.5, 0.12)),
    Clothes(1.6, (0.86, 0.68, 0.2), (0.22, 0.28, 0.42), (0.85, 0.67, 0.57), (0.3, 0.18, 0.1)),
    Clothes(1.76, (0.2, 0.2, 0.22), (0.12, 0.12, 0.14), (0.82, 0.62, 0.5), (0.55, 0.54, 0.53), coat=True),
    Clothes(1.7, (0.47, 0.28, 0.52), (0.42, 0.44, 0.5), (0.42, 0.28, 0.2), (0.07, 0.06, 0.06)),
)


def person(clothes: Clothes, *, stride_m: float = 0.34) -> list[Part]:
    """Parts of a person.

    Args:
        clothes: What it looks like.
        stride_m: How far each foot is before or behind the other's middle, m; 0 stands.
    """
    scale = np.diag([1.0, 1.0, clothes.height / 1.72, 1.0])
    scale[0, 0] = scale[1, 1] = 0.4 + 0.6 * scale[2, 2]
    hip = 0.9
    top, cloth = Material("fabric", clothes.top, 0.5), Material("fabric", clothes.legs, 0.5)
    skin, hair = Material("plain", clothes.skin), Material("plain", clothes.hair)
    hem = [_waist(0.22, 0.55), _waist(0.19, 0.95)] if clothes.coat else [_waist(0.18, 0.86)]
    torso = loft([*hem, _waist(0.23, 1.36), _waist(0.1, 1.49)])
    legs, shoes, arms, hands = [], [], [], []
    for side, ahead in ((-1, stride_m / 2), (1, -stride_m / 2)):
        y = 0.09 * side
        foot = _limb((ahead, y, 0.08), 0.055)
        legs.append(loft([foot, _limb((0, y, hip), 0.09)], top=False))
        shoes.append(block((ahead - 0.1, ahead + 0.17), (y - 0.05, y + 0.05), (0.0, 0.09)))
        wrist, shoulder = (-0.8 * ahead + 0.05, 0.29 * side, 0.84), (0.0, 0.23 * side, 1.42)
        arms.append(loft([_limb(wrist, 0.04), _limb(shoulder, 0.055)], top=False))
        hands.append(loft([_limb((*wrist[:2], 0.75), 0.03), _limb(wrist, 0.035)], top=False))
    head = loft([_skull(0.06, 1.46), _skull(0.1, 1.56), _skull(0.105, 1.63)], top=False)
    cap = loft([_skull(0.115, 1.61, -0.012), _skull(0.08, 1.72, -0.012)])
    parts: list[tuple[Mesh, Material]] = [
        (joined([torso, *arms]), top),
        (joined(legs), cloth),
        (joined(shoes), Material("plain", (0.12, 0.1, 0.09))),
        (joined([head, *hands]), skin),
        (cap, hair),
    ]
    if clothes.bag is not None:
        parts.append(
            (block((-0.3, -0.11), (-0.16, 0.16), (1.0, 1.42), bottom=True), Material("fabric", clothes.bag, 0.4))
        )
    return [(mesh, scale, material) for mesh, material in parts]


def _waist(half: float, z: float) -> Floats:
    """A ring around the body, `half` as far to each side."""
    return circle((0.66 * half, half), z, 6)


def _skull(half: float, z: float, x: float = 0.0) -> Floats:
    """A ring around the head, `half` as far to the front and to the back."""
    return circle((half, 0.84 * half), z, 6, (x, 0.0))


def _limb(centre: tuple[float, float, float], half: float) -> Floats:
    """A square ring around a point."""
    x, y, z = centre
    return rectangle((x - half, x + half), (y - half, y + half), z)
