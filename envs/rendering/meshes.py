"""Triangle meshes of plain shapes, with texture coordinates in metres along the surface.

Faces run counter-clockwise seen from outside. Triangles that make up one flat convex quadrilateral stand next to
each other: the scene draws such a pair as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.obj import load_obj as read_obj
from foveal.envs.rendering.polygons import triangulate

Floats = NDArray[np.float64]


class Mesh(NamedTuple):
    """Triangles of a surface.

    Attributes:
        vertices: (V, 3) float64 m.
        faces: (F, 3) int64, counter-clockwise seen from outside.
        uv: (F, 3, 2) float64, texture coordinates of the faces' corners, m along the surface.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats


def _of_quads(vertices: ArrayLike, quads: ArrayLike, uv: ArrayLike) -> Mesh:
    """Quadrilaterals (Q, 4), with uv (Q, 4, 2), as pairs of triangles."""
    quads, uv = np.asarray(quads, np.int64).reshape(-1, 4), np.asarray(uv, np.float64).reshape(-1, 4, 2)
    halves = [[0, 1, 2], [0, 2, 3]]
    return Mesh(np.asarray(vertices, np.float64), quads[:, halves].reshape(-1, 3), uv[:, halves].reshape(-1, 3, 2))


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """Several meshes as one."""
    vertices, faces, uv, first = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], [np.zeros((0, 3, 2))], 0
    for mesh in meshes:
        vertices.append(mesh.vertices)
        faces.append(mesh.faces + first)
        uv.append(mesh.uv)
        first += len(mesh.vertices)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uv))


def moved(mesh: Mesh, transform: ArrayLike) -> Mesh:
    """The mesh moved by a rigid transform (4, 4)."""
    transform = np.asarray(transform, np.float64)
    return mesh._replace(vertices=mesh.vertices @ transform[:3, :3].T + transform[:3, 3])


def flipped(mesh: Mesh) -> Mesh:
    """The same surface seen from its other side."""
    turned = [0, 2, 1]
    return mesh._replace(faces=mesh.faces[::-1, turned], uv=mesh.uv[::-1, turned])  # pairs stay fans


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name}={value}: must be a positive number of metres")


def box(size: ArrayLike) -> Mesh:
    """A box around the origin, of `size` (3,) m along x, y and z."""
    x, y, z = (float(s) for s in np.asarray(size, np.float64))
    _positive(x=x, y=y, z=z)
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - 0.5
    quads = [[0, 1, 5, 4], [3, 2, 6, 7], [1, 3, 7, 5], [2, 0, 4, 6], [4, 5, 7, 6], [2, 3, 1, 0]]
    spans = [(x, z), (x, z), (y, z), (y, z), (x, y), (x, y)]
    uv = np.array([[[0, 0], [w, 0], [w, h], [0, h]] for w, h in spans])
    return _of_quads(corners * (x, y, z), quads, uv)


def quad(width: float, height: float) -> Mesh:
    """A rectangle around the origin in the x-y plane that faces +z; m."""
    _positive(width=width, height=height)
    x, y = width / 2, height / 2
    uv = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    return _of_quads([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]], [0, 1, 2, 3], uv)


def polygon(points: ArrayLike) -> Mesh:
    """A simple polygon `points` (P, 2) m, counter-clockwise, in the x-y plane, facing +z (clockwise: -z)."""
    points = np.asarray(points, np.float64)
    faces = triangulate(points)
    return Mesh(np.column_stack([points, np.zeros(len(points))]), faces, points[faces])


def wall_with_holes(width: float, height: float, holes: Sequence[tuple[float, float, float, float]] = ()) -> Mesh:
    """A wall from the origin along x, upright in the x-z plane, that faces +y.

    Args:
        width: m along x.
        height: m along z.
        holes: (x from, x to, z from, z to) m of rectangles that are cut out; they may overlap and reach over edges.
    """
    _positive(width=width, height=height)
    cuts = np.clip(np.asarray(holes, np.float64).reshape(-1, 4), 0, [width, width, height, height])
    cuts = cuts[(cuts[:, 0] < cuts[:, 1]) & (cuts[:, 2] < cuts[:, 3])]
    columns = np.unique([0.0, width, *cuts[:, :2].ravel()])
    corners: list[list[float]] = []
    for left, right in pairwise(columns):
        bottom = 0.0
        across = cuts[(cuts[:, 0] < right) & (cuts[:, 1] > left)]
        for low, top in (*across[np.argsort(across[:, 2])][:, 2:], (height, height)):
            if low > bottom:
                corners += [[right, 0, bottom], [left, 0, bottom], [left, 0, low], [right, 0, low]]
            bottom = max(bottom, top)
    vertices = np.asarray(corners, np.float64).reshape(-1, 3)
    uv = np.stack([-vertices[:, 0], vertices[:, 2]], -1)
    return _of_quads(vertices, np.arange(len(vertices)), uv)


def cylinder(radius: float, height: float, sides: int = 12) -> Mesh:
    """A cylinder around the origin that stands along z; m."""
    return frustum(radius, radius, height, sides)


def frustum(bottom: float, top: float, height: float, sides: int = 12, *, closed: bool = True) -> Mesh:
    """A cone, cut off, around the origin, that stands along z.

    Args:
        bottom: Radius below, m; 0 for a tip.
        top: Radius above, m; 0 for a tip.
        height: m.
        sides: Of the polygon that stands for a circle.
        closed: Whether it has its two end faces.
    """
    _positive(height=height, radius=max(bottom, top))
    return _revolved([(bottom, -height / 2), (top, height / 2)], sides, closed)


def ellipsoid(size: ArrayLike, sides: int = 10, rings: int = 6) -> Mesh:
    """An ellipsoid around the origin, of `size` (3,) m across, with `sides` around z and `rings` between the poles."""
    size = np.asarray(size, np.float64)
    _positive(x=size[0], y=size[1], z=size[2])
    angles = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    profile = [(float(np.cos(a)) / 2 if 0 < i < rings else 0.0, float(np.sin(a)) / 2) for i, a in enumerate(angles)]
    mesh = _revolved(profile, sides, closed=False)
    return mesh._replace(vertices=mesh.vertices * size, uv=mesh.uv * size.mean())


def _revolved(profile: Sequence[tuple[float, float]], sides: int, closed: bool) -> Mesh:
    """The surface that (radius, height) pairs, from the bottom up, leave behind when turned around z."""
    if sides < 3:
        raise ValueError(f"sides={sides}: must be at least 3")
    angles = np.arange(sides) * (2 * np.pi / sides)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    chord = 2 * np.sin(np.pi / sides)
    rings = [np.column_stack([r * circle, np.full(sides, z)]) for r, z in profile]
    vertices = np.concatenate(rings)
    faces: list[tuple[int, int, int]] = []
    uv: list[list[tuple[float, float]]] = []
    v = 0.0
    widest = max(r for r, _ in profile)
    for ring, ((r0, z0), (r1, z1)) in enumerate(pairwise(profile)):
        v_top = v + float(np.hypot(r1 - r0, z1 - z0))
        for side in range(sides):
            a, b = ring * sides + side, ring * sides + (side + 1) % sides
            c, d = b + sides, a + sides
            middle = (side + 0.5) * chord * widest
            low, high = r0 * chord / 2, r1 * chord / 2
            corners = [(middle - low, v), (middle + low, v), (middle + high, v_top), (middle - high, v_top)]
            if r0 > 0:
                faces.append((a, b, c))
                uv.append(corners[:3])
            if r1 > 0:
                faces.append((a, c, d))
                uv.append([corners[0], corners[2], corners[3]])
        v = v_top
    side_mesh = Mesh(vertices, np.asarray(faces, np.int64), np.asarray(uv, np.float64))
    if not closed:
        return side_mesh
    ends = [side_mesh]
    for (radius, z), flip in ((profile[0], True), (profile[-1], False)):
        if radius > 0:
            cap = polygon(radius * circle)
            cap = cap._replace(vertices=cap.vertices + np.array([0, 0, z]))
            ends.append(flipped(cap) if flip else cap)
    return joined(ends)


def load_obj(path: str, max_faces: int | None = None) -> Mesh:
    """The surface of a Wavefront OBJ file, in the file's units and axes; see `obj.load_obj`."""
    return Mesh(*read_obj(path, max_faces))
