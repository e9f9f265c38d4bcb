"""The light of a street: sun, sky and lamps by day and at dusk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.scene import SceneBuilder

Colour = tuple[float, float, float]

_SUN_M = 5000.0
"""Distance of the point light that stands for the sun; a street is some 100 m wide."""


LAMPLIGHT: Colour = (1.0, 0.8, 0.52)
"""Of street lamps, sRGB in 0..1."""


class Light(NamedTuple):
    """Light from outside.

    Attributes:
        elevation_deg: Of the sun.
        sun: Its colour, sRGB in 0..1.
        strength: What falls of it on a surface that faces it.
        above: Light from everywhere on what faces up, linear.
        below: The same on what faces down.
        horizon: Colour of the sky, sRGB in 0..255.
        zenith: The same straight up.
        lit: Whether lamps and windows are lit.
    """

    elevation_deg: float
    sun: Colour
    strength: float
    above: Colour
    below: Colour
    horizon: Colour
    zenith: Colour
    lit: bool


LIGHTS = {
    "day": Light(
        40.0, (1.0, 0.96, 0.88), 1.45, (0.7, 0.76, 0.86), (0.4, 0.385, 0.36), (206, 219, 232), (104, 150, 205), False
    ),
    "dusk": Light(
        9.0, (1.0, 0.66, 0.4), 0.62, (0.2, 0.23, 0.33), (0.13, 0.12, 0.13), (233, 164, 118), (52, 66, 112), True
    ),
}
"""Light by name."""


def light_named(name: str) -> Light:
    """One of `LIGHTS`.

    Raises:
        ValueError: For another name.
    """
    if name not in LIGHTS:
        raise ValueError(f"light={name!r}: must be one of {', '.join(LIGHTS)}")
    return LIGHTS[name]


def shine(builder: SceneBuilder, light: Light, azimuth: float) -> None:
    """Put sun and sky over a scene.

    Args:
        builder: Of a scene around the origin.
        light: Which.
        azimuth: rad, of the sun, counter-clockwise from x.
    """
    elevation = np.radians(light.elevation_deg)
    level = np.cos(elevation)
    sun = _SUN_M * np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])
    builder.light(sun, light.sun, _SUN_M**2 * light.strength)
    builder.ambient(light.above, light.below)


def shine_evenly(builder: SceneBuilder, light: Light) -> None:
    """Put a sky over what turns: its light does not depend on the heading."""
    share = 0.3 + 0.5 * float(np.sin(np.radians(light.elevation_deg)))
    builder.light((0.0, 0.0, _SUN_M), light.sun, _SUN_M**2 * light.strength * share)
    lift = 0.35 * light.strength  # what the sun adds to upright faces on the average over all headings
    sky = np.array(light.sun) ** 2.2 * lift
    low = tuple(float(c) for c in np.array(light.below) + sky)
    high = tuple(float(c) for c in np.array(light.above) + 0.5 * sky)
    builder.ambient((high[0], high[1], high[2]), (low[0], low[1], low[2]))


def sky(light: Light) -> NDArray[np.float64]:
    """Colours (2, 3), sRGB in 0..255: at the horizon, and straight up."""
    return np.array([light.horizon, light.zenith], np.float64)
