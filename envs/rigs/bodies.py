"""What moves in a street: vehicles, people and barriers, each a scene of one object in its own frame.

Frame of a body: x ahead, y left, z up, metres; the origin is on the ground under its middle. Its light does not depend
on its heading.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from foveal.envs.rendering.meshes import Mesh, joined
from foveal.envs.rendering.scene import Material, Part, Scene, SceneBuilder
from foveal.envs.rigs.classes import BARRIER, PERSON, VEHICLE
from foveal.envs.rigs.illumination import light_named, shine_evenly
from foveal.envs.rigs.solids import block, panels
from foveal.envs.rigs.vehicles import Colour, vehicle
from foveal.envs.rigs.walkers import WARDROBE, person


class Body(NamedTuple):
    """Something that moves: its name, and a scene of one object of instance 0."""

    name: str
    scene: Scene


FLEET: tuple[tuple[str, str, Colour, Colour | None, bool], ...] = (
    ("white saloon", "saloon", (0.88, 0.88, 0.86), None, False),
    ("silver saloon", "saloon", (0.62, 0.64, 0.66), None, False),
    ("black saloon", "saloon", (0.1, 0.1, 0.12), None, False),
    ("blue saloon", "saloon", (0.12, 0.24, 0.5), None, False),
    ("taxi", "saloon", (0.93, 0.72, 0.1), (0.12, 0.12, 0.13), True),
    ("cream taxi", "estate", (0.9, 0.86, 0.7), None, True),
    ("red hatchback", "hatchback", (0.68, 0.1, 0.09), None, False),
    ("teal hatchback", "hatchback", (0.1, 0.42, 0.44), None, False),
    ("orange hatchback", "hatchback", (0.86, 0.4, 0.1), None, False),
    ("grey estate", "estate", (0.36, 0.38, 0.41), None, False),
    ("green estate", "estate", (0.13, 0.3, 0.2), None, False),
    ("burgundy estate", "estate", (0.38, 0.08, 0.12), None, False),
    ("white SUV", "suv", (0.86, 0.86, 0.85), None, False),
    ("navy SUV", "suv", (0.1, 0.14, 0.26), None, False),
    ("bronze SUV", "suv", (0.48, 0.38, 0.27), None, False),
    ("white van", "van", (0.9, 0.9, 0.88), None, False),
    ("post van", "van", (0.93, 0.75, 0.12), (0.75, 0.12, 0.1), False),
    ("blue van", "van", (0.16, 0.3, 0.55), (0.9, 0.9, 0.9), False),
    ("silver minibus", "minibus", (0.66, 0.67, 0.68), None, False),
    ("ambulance", "minibus", (0.92, 0.91, 0.88), (0.8, 0.14, 0.1), False),
    ("red pickup", "pickup", (0.6, 0.12, 0.1), None, False),
    ("grey pickup", "pickup", (0.4, 0.42, 0.44), None, False),
)
"""(name, shape, paint, band, taxi sign) of the vehicles there are."""


@cache
def bodies(light: str) -> tuple[Body, ...]:
    """Vehicles, all exactly 5.0 m long and 2.0 m wide.

    Args:
        light: "day" or "dusk".

    Raises:
        ValueError: For another light.
    """
    lit = light_named(light).lit
    return tuple(
        Body(name, _scene(vehicle(kind, paint, lit=lit, band=band, sign=sign), light, VEHICLE))
        for name, kind, paint, band, sign in FLEET
    )


@cache
def people(light: str) -> tuple[Body, ...]:
    """Walkers, some 1.7 m tall; see `bodies`."""
    light_named(light)
    return tuple(
        Body(f"walker {number}", _scene(person(clothes), light, PERSON)) for number, clothes in enumerate(WARDROBE)
    )


@cache
def barrier(light: str) -> Body:
    """An obstacle that blocks a lane, 2.0 m x 2.0 m; see `bodies`."""
    return Body("barrier", _scene(_barrier_parts(lit=light_named(light).lit), light, BARRIER))


def _barrier_parts(*, lit: bool) -> list[Part]:
    """A concrete foot with boards in red and white on all four sides, and a lamp on top."""
    here = np.eye(4)
    ends = [(at - 0.05, at + 0.05) for at in (-0.85, 0.85)]
    boards = [(turn, low, low + 0.32) for low in (0.4, 0.84) for turn in range(4)]
    return [
        (block((-1, 1), (-1, 1), (0, 0.28)), here, Material("concrete", (0.6, 0.59, 0.57), 1.5)),
        (joined([block(x, y, (0.28, 1.25)) for x in ends for y in ends]), here, Material("plain", (0.45, 0.46, 0.48))),
        (joined([_stripes(0, *board) for board in boards]), here, Material("plain", (0.82, 0.12, 0.1))),
        (joined([_stripes(1, *board) for board in boards]), here, Material("plain", (0.92, 0.91, 0.88))),
        (
            block((-0.09, 0.09), (-0.94, -0.76), (1.16, 1.36)),
            here,
            Material("plain", (1.0, 0.62, 0.1), 1.0, 1.5 if lit else 0.0),
        ),
    ]


def _stripes(first: int, turn: int, low: float, high: float, count: int = 6, slant: float = 0.16) -> Mesh:
    """Every other slanted stripe, from the `first` on, of a board on the side that faces x, turned by right angles."""
    below = np.linspace(-0.96, 0.96, count + 1)
    above = np.concatenate([below[:1], below[1:-1] + slant, below[-1:]])
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
    quads = []
    for k in range(first, count, 2):
        y, z = np.array([below[k], below[k + 1], above[k + 1], above[k]]), [low, low, high, high]
        quads.append(np.column_stack([0.96 * cos - y * sin, 0.96 * sin + y * cos, z]))
    return panels(quads)


def _scene(parts: Sequence[Part], light: str, semantic: int) -> Scene:
    builder = SceneBuilder(lightel_m=0.5)
    shine_evenly(builder, light_named(light))
    builder.add(parts, instance=0, semantic=semantic)
    return builder.build()
