"""Streets: the lanes of a road of the driving suite with all that stands along them, as a scene to be drawn.

World frame: right-handed, z up, metres; its x is that of the driving suite and its y the negative of that one's, which
points to the right of x. A heading of the driving suite is the negative of a yaw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.scene import Material, Part, Scene
from foveal.envs.rigs import ground
from foveal.envs.rigs.classes import GROUND, MARKING, PAVEMENT, ROAD
from foveal.envs.rigs.illumination import light_named, sky
from foveal.envs.rigs.kerbs import Clearance, Kerb, Track, kerbs, resampled, tangents, tracks_of
from foveal.envs.rigs.roadside import FOOTPATH_M, PAVEMENT_M, SHOULDER_M, Roadside
from foveal.envs.rigs.sections import Thing, assembled
from foveal.envs.scene import Lane

Floats = NDArray[np.float64]

_ISLAND_M2 = 2600.0
"""Land that roads go around and that is smaller is a lawn."""

_BEYOND_M = 40.0
"""How far the road goes on where the lanes end."""

_LAND_M = 30.0
"""How far the land reaches beyond the lanes."""

_LIGHTEL_M = 0.7


class Street(NamedTuple):
    """A street.

    Attributes:
        scene: All that stands still, in the world frame.
        objects: How many things stand in it: buildings, trees, signs, posts, parked vehicles, people.
        sky: (2, 3) sRGB in 0..255: at the horizon, and straight up.
        footpaths: Polylines (P, 2) m in the world frame on which people may walk.
    """

    scene: Scene
    objects: int
    sky: NDArray[np.float64]
    footpaths: tuple[Floats, ...]


def street(
    lanes: Sequence[Lane], *, seed: int, light: str = "day", density: float = 1.0, first_instance: int = 256
) -> Street:
    """Build a street.

    Args:
        lanes: The road, in the frame of the driving suite.
        seed: At least 0; the same lanes and seed give the same street, by day and at dusk.
        light: "day" or "dusk".
        density: How much stands on pavements and shoulders, in 0..2; 1 is usual, 0 leaves buildings and gardens.
        first_instance: Instance id of the road; of markings, pavements and land the three next ones, then of things.

    Raises:
        ValueError: Something is out of range, or there are no lanes.
    """
    own_light = light_named(light)
    if not (np.isfinite(density) and 0 <= density <= 2):
        raise ValueError(f"density={density}: must be in 0..2")
    if seed < 0:
        raise ValueError(f"seed={seed}: must be at least 0")
    if first_instance < 0:
        raise ValueError(f"first_instance={first_instance}: must be at least 0")
    tracks = tracks_of(lanes)
    tracks += _beyond(tracks, Clearance(tracks))
    clearance = Clearance(tracks)
    rng = np.random.default_rng([seed, 20261130])
    edges = kerbs(tracks, clearance, SHOULDER_M)
    roadside = Roadside(clearance, rng, lit=own_light.lit, density=density)
    widths = []
    for kerb in edges:
        island = 0 < kerb.island_m2 < _ISLAND_M2
        width = ground.pavement_widths(kerb, clearance, SHOULDER_M, 0.0 if island else PAVEMENT_M)
        widths.append(width)
        if island:
            roadside.lawn(kerb)
        else:
            roadside.line(kerb, width >= PAVEMENT_M - 0.3)
    azimuth = float(rng.uniform(0, 2 * np.pi))
    things = [
        Thing(parts, semantic, first_instance + number, casts=False)
        for number, (semantic, layers) in enumerate(_surfaces(tracks, clearance, edges, widths))
        for parts in layers.values()
    ]
    things += [thing._replace(instance=first_instance + 4 + number) for number, thing in enumerate(roadside.things)]
    scene = assembled(things, _LIGHTEL_M, own_light, azimuth)
    return Street(scene, len(roadside.things), sky(own_light), _footpaths(edges, widths))


def _beyond(tracks: Sequence[Track], clearance: Clearance) -> list[Track]:
    """Lanes that go on straight where the road ends."""
    more = []
    for track in tracks:
        along = tangents(track.centre)
        for end, ahead in ((0, -along[0]), (-1, along[-1])):
            if clearance((track.centre[end] + ahead * (track.half + 5.0))[None])[0] < 4.0:
                continue
            line = track.centre[end] + ahead * np.arange(0.0, _BEYOND_M + 1)[:, None]
            more.append(track._replace(centre=line[::-1] if end == 0 else line))
    return more


def _footpaths(edges: Sequence[Kerb], widths: Sequence[Floats]) -> tuple[Floats, ...]:
    """Lines in the middle of the pavements, where these are wide enough."""
    paths = []
    for kerb, width in zip(edges, widths, strict=True):
        fits = width >= FOOTPATH_M + 0.5
        line = kerb.line + kerb.away * FOOTPATH_M
        edges_of = np.flatnonzero(np.diff(np.concatenate([[0], fits.astype(np.int64), [0]])))
        for a, b in zip(edges_of[::2], edges_of[1::2], strict=True):
            if b - a > 8:
                paths.append(resampled(line[a:b], 2.0))
    return tuple(paths)


_ASPHALT = Material("roadway", (0.36, 0.36, 0.37), 14.0)
_PAINT = Material("concrete", (0.86, 0.85, 0.81), 3.0)
_SLABS = Material("paving", (0.56, 0.54, 0.51), 6.0)
_STONE = Material("concrete", (0.66, 0.65, 0.62), 3.0)
_MEADOW = Material("meadow", (0.36, 0.4, 0.22), 11.0)

Layers = dict[ground.Cell, list[Part]]


def _surfaces(
    tracks: Sequence[Track], clearance: Clearance, edges: Sequence[Kerb], widths: Sequence[Floats]
) -> list[tuple[int, Layers]]:
    """Road, markings, pavements and land: a class, and parts by cell."""
    centres = np.concatenate([track.centre for track in tracks])
    slabs: Layers = {}
    for kerb, width in zip(edges, widths, strict=True):
        for quads, material in ((ground.paving(kerb, width), _SLABS), (ground.kerbstones(kerb), _STONE)):
            for cell, parts in _layer(quads, material).items():
                slabs.setdefault(cell, []).extend(parts)
    return [
        (ROAD, _layer(ground.asphalt(tracks, clearance, SHOULDER_M), _ASPHALT)),
        (MARKING, _layer(ground.markings(tracks), _PAINT)),
        (PAVEMENT, slabs),
        (GROUND, _layer(ground.land(clearance, centres.min(0), centres.max(0), _LAND_M), _MEADOW)),
    ]


def _layer(quads: ground.Quads, material: Material) -> Layers:
    return {cell: [(mesh, np.eye(4), material)] for cell, mesh in ground.meshes_of(quads).items()}
