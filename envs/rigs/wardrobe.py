"""All models that a renderer of streets needs, and which of them is what."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from foveal.envs.rendering.scene import Scene
from foveal.envs.rigs.bodies import barrier, bodies, people
from foveal.envs.rigs.courses import COURSES
from foveal.envs.rigs.placing import Wardrobe
from foveal.envs.rigs.street import Street, street


def streets(course: str, numbers: Sequence[int], light: str, density: float) -> tuple[Street, ...]:
    """Streets along a course, by their numbers; worlds in one process share them."""
    return tuple(_street(course, number, _light(light, number), density) for number in numbers)


@lru_cache(maxsize=64)
def _street(course: str, number: int, light: str, density: float) -> Street:
    return street(COURSES[course].lay().scene_lanes(spacing_m=4.0), seed=number, light=light, density=density)


def _light(light: str, number: int) -> str:
    """Of a street by its number."""
    return ("day", "dusk")[number % 2] if light == "mixed" else light


def wardrobe(streets: Sequence[Street], light: str, first: int) -> tuple[list[Scene], Wardrobe]:
    """Models: streets, then what moves in their light; and which is what.

    Args:
        streets: With the numbers from `first` on.
        light: "day", "dusk" or "mixed".
        first: See above.
    """
    lights = ("day", "dusk") if light == "mixed" else (light,)
    models = [street.scene for street in streets]
    firsts: list[list[int]] = [[], [], []]
    for name in lights:
        for kind, new in enumerate((bodies(name), people(name), (barrier(name),))):
            firsts[kind].append(len(models))
            models += [body.scene for body in new]
    vehicles, walkers, barriers = map(np.array, firsts)
    return models, Wardrobe(
        light=np.array([lights.index(_light(light, first + k)) for k in range(len(streets))]),
        vehicles=vehicles,
        vehicle_count=len(bodies(lights[0])),
        walkers=walkers,
        walker_count=len(people(lights[0])),
        barrier=barriers,
    )
