"""Light worked out section by section.

`SceneBuilder` looks for shadows on a grid of so many voxels for all of a scene; a whole street's would be coarser than
a car. Sections of some 80 m, each with its neighbours' shadow casters around it, have voxels of some 0.5 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.meshes import Mesh, joined, moved
from foveal.envs.rendering.scene import Material, Part, Scene, SceneBuilder
from foveal.envs.rigs.illumination import LAMPLIGHT, Light, shine

Floats = NDArray[np.float64]

_SECTION_M = 80.0
_SHADOW_M = 14.0
"""From how far outside a section, towards the sun, things throw shadows into it."""

_LAMP_M = 20.0
"""From how far outside a section lamps shine into it."""

_CASTER = Material("plain", (0.5, 0.5, 0.5), 1.0, 1.0)
"""Glows, so that no light is worked out for it."""


class Thing(NamedTuple):
    """An object of the scene.

    Attributes:
        parts: In the world frame.
        semantic: Class.
        instance: Id.
        lamps: Point lights that it carries: position (3,) m, strength.
        casts: Whether it throws shadows into other sections.
    """

    parts: Sequence[Part]
    semantic: int
    instance: int = 0
    lamps: tuple[tuple[Floats, float], ...] = ()
    casts: bool = True


def assembled(things: Sequence[Thing], lightel_m: float, light: Light, azimuth: float) -> Scene:
    """A scene of all things.

    Args:
        things: At least one.
        lightel_m: See `SceneBuilder`.
        light: From outside.
        azimuth: rad, of the sun, counter-clockwise from x.
    """
    wholes = [joined([moved(mesh, pose) for mesh, pose, _ in thing.parts]) for thing in things]
    lows, highs = (np.array([end(mesh.vertices, axis=0)[:2] for mesh in wholes]) for end in (np.min, np.max))
    casts = np.array([thing.casts for thing in things])
    towards = _SHADOW_M * np.array([np.cos(azimuth), np.sin(azimuth)])
    lamps = [lamp for thing in things for lamp in thing.lamps]
    pieces = []
    for section in _split(np.arange(len(things)), (lows + highs) / 2):
        low, high = lows[section].min(0) + np.minimum(towards, 0), highs[section].max(0) + np.maximum(towards, 0)
        near = casts & (highs > low).all(1) & (lows < high).all(1)
        near[section] = False
        builder = SceneBuilder(lightel_m)
        shine(builder, light, azimuth)
        for position, strength in lamps:
            if ((position[:2] > low - _LAMP_M) & (position[:2] < high + _LAMP_M)).all():
                builder.light(position, LAMPLIGHT, strength)
        for number in section:
            builder.add(things[number].parts, instance=things[number].instance, semantic=things[number].semantic)
        for number in np.flatnonzero(near):
            builder.add([(_plain(wholes[number]), np.eye(4), _CASTER)], instance=0, semantic=0)
        pieces.append(_first(builder.build(), len(section)))
    return _all(pieces)


def _plain(mesh: Mesh) -> Mesh:
    """A mesh whose texture does not matter: its pairs of triangles may be joined."""
    return mesh._replace(uv=np.zeros_like(mesh.uv))


def _split(numbers: NDArray[np.int64], middles: Floats) -> list[NDArray[np.int64]]:
    """Equal pieces along the longer side, and so on until none is longer than `_SECTION_M`."""
    low, extent = middles[numbers].min(0), np.ptp(middles[numbers], axis=0)
    axis = int(np.argmax(extent))
    count = int(np.ceil(extent[axis] / _SECTION_M))
    if count <= 1:
        return [numbers]
    piece = np.minimum((middles[numbers, axis] - low[axis]) * count / extent[axis], count - 1).astype(np.int64)
    return [part for k in np.unique(piece) for part in _split(numbers[piece == k], middles)]


def _first(scene: Scene, count: int) -> Scene:
    """The first `count` objects of a scene without rooms; all its arrays are in the objects' order."""
    last = scene.objects[count - 1]
    vertices, faces = int(last[1]) + (8 if last[4] else 0), int(last[3] + last[4])
    lightels = int(scene.tables[faces, 2]) if faces < len(scene.tables) else len(scene.lightels)
    return scene._replace(
        vertices=scene.vertices[:, :vertices],
        planes=scene.planes[:faces],
        corners=scene.corners[:faces],
        surfaces=scene.surfaces[:faces],
        tables=scene.tables[:faces],
        lightels=scene.lightels[:lightels],
        boxes=scene.boxes[:count],
        objects=scene.objects[:count],
    )


def _all(pieces: Sequence[Scene]) -> Scene:
    """Scenes without rooms as one."""
    vertices = np.cumsum([0, *(piece.vertices.shape[1] for piece in pieces)])
    faces = np.cumsum([0, *(len(piece.planes) for piece in pieces)])
    lightels = np.cumsum([0, *(len(piece.lightels) for piece in pieces)])
    things = np.cumsum([0, *(len(piece.objects) for piece in pieces)])
    corners, tables, objects = [], [], []
    for k, piece in enumerate(pieces):
        corners.append(piece.corners + vertices[k])
        tables.append(piece.tables + np.array([things[k], 0, lightels[k], 0, 0]))
        objects.append(piece.objects + np.array([vertices[k]] * 2 + [faces[k]] * 2 + [0] * 4))
    scene = pieces[0]._replace(
        vertices=np.ascontiguousarray(np.concatenate([piece.vertices for piece in pieces], 1)),
        planes=np.concatenate([piece.planes for piece in pieces]),
        corners=np.concatenate(corners).astype(np.int32),
        surfaces=np.concatenate([piece.surfaces for piece in pieces]),
        tables=np.concatenate(tables).astype(np.int32),
        lightels=np.concatenate([piece.lightels for piece in pieces]),
        boxes=np.concatenate([piece.boxes for piece in pieces]),
        objects=np.concatenate(objects).astype(np.int32),
    )
    for array in scene:
        array.setflags(write=False)
    return scene
