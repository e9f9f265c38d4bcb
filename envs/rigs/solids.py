"""Meshes of few flat faces: what streets, vehicles and people are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.faces import cross
from foveal.envs.rendering.meshes import Mesh

Floats = NDArray[np.float64]

_LEVEL = 0.9
"""Cosine of the slope up to which a face counts as level: its texture lies along x and y."""


def faceted(vertices: ArrayLike, polygons: Sequence[Sequence[int]]) -> Mesh:
    """Flat convex faces; texture coordinates are metres in the mesh's frame, so that faces of one plane share them.

    Args:
        vertices: (V, 3) m.
        polygons: Corners of each face, counter-clockwise seen from outside.
    """
    points = np.asarray(vertices, np.float64)
    triangles = np.array(
        [(face[0], face[k], face[k + 1]) for face in polygons for k in range(1, len(face) - 1)], np.int64
    ).reshape(-1, 3)
    first = np.array([face[:3] for face in polygons for _ in range(len(face) - 2)], np.int64).reshape(-1, 3)
    a, b, c = (points[first[:, k]] for k in range(3))
    normals = cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    level = np.abs(normals[:, 2:]) > _LEVEL
    along = np.where(level, [1.0, 0.0, 0.0], np.stack([-normals[:, 1], normals[:, 0], 0 * normals[:, 0]], -1))
    along /= np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-12)
    up = np.where(level, [0.0, 1.0, 0.0], cross(normals, along))
    corners = points[triangles]  # (F, 3, 3)
    uv = np.stack([np.einsum("fki,fi->fk", corners, along), np.einsum("fki,fi->fk", corners, up)], -1)
    return Mesh(points, triangles, uv)


def loft(rings: Sequence[ArrayLike], *, top: bool = True, bottom: bool = False) -> Mesh:
    """The surface through rings of N corners each.

    Args:
        rings: (N, 3) m each, from below upwards, counter-clockwise seen from above.
        top: Whether the last ring is filled.
        bottom: Whether the first ring is filled.
    """
    corners = [np.asarray(ring, np.float64) for ring in rings]
    count = len(corners[0])
    faces: list[Sequence[int]] = [
        (
            ring * count + k,
            ring * count + (k + 1) % count,
            (ring + 1) * count + (k + 1) % count,
            (ring + 1) * count + k,
        )
        for ring in range(len(corners) - 1)
        for k in range(count)
    ]
    if top:
        faces.append(range((len(corners) - 1) * count, len(corners) * count))
    if bottom:
        faces.append(range(count - 1, -1, -1))
    return faceted(np.concatenate(corners), faces)


def rectangle(x: tuple[float, float], y: tuple[float, float], z: float) -> Floats:
    """A level ring (4, 3): front right, front left, rear left, rear right, where x is ahead and y left."""
    return np.array([[x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z], [x[0], y[0], z]])


def circle(radii: tuple[float, float], z: float, sides: int, centre: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """A level ring (sides, 3) on an ellipse of `radii` (x, y) m."""
    angles = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    x, y = centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)
    return np.column_stack([x, y, np.full(sides, z)])


def block(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], *, bottom: bool = False) -> Mesh:
    """A box over three spans, open below unless `bottom`."""
    return loft([rectangle(x, y, z[0]), rectangle(x, y, z[1])], bottom=bottom)


def panel(corners: ArrayLike, across: tuple[float, float], up: tuple[float, float], lift_m: float = 0.012) -> Floats:
    """A rectangle on a quadrilateral face.

    Args:
        corners: (4, 3) m of the face, counter-clockwise from outside, the first two of them below.
        across: From where to where, as shares of the way from the first to the second corner.
        up: The same, from below to above.
        lift_m: How far it stands off.

    Returns:
        Its corners (4, 3) m, in the same order.
    """
    a, b, c, d = np.asarray(corners, np.float64)
    normal = cross(c - a, d - b)
    normal /= np.linalg.norm(normal)
    places = ((across[0], up[0]), (across[1], up[0]), (across[1], up[1]), (across[0], up[1]))
    points = [(1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c) for s, t in places]
    return np.asarray(np.array(points) + lift_m * normal)


def panels(quads: Sequence[Floats]) -> Mesh:
    """Quadrilaterals (4, 3) m as one mesh."""
    return faceted(np.concatenate(quads), [range(4 * k, 4 * k + 4) for k in range(len(quads))])
