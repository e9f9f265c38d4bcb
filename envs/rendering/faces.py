"""Faces of a scene before they are packed: triangles joined to quadrilaterals, and what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.meshes import Mesh
from foveal.kernels import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_AREA_M2 = 1e-10
"""Faces below it are left out."""

MOST_LIGHTELS = 64
"""Along one side of a face."""

_SMOOTH = 0.55
"""Cosine of the angle (57 degrees) up to which neighbouring faces are shaded as one rounded surface."""


class Faces(NamedTuple):
    """Triangles or convex quadrilaterals in world coordinates.

    Attributes:
        vertices: (V, 3) m.
        corners: (F, 4) vertices, counter-clockwise from outside; a triangle has its last one twice.
        uv: (F, 3, 2) texture coordinates of the first three corners, m.
        material: (F,).
    """

    vertices: Floats
    corners: Integers
    uv: Floats
    material: Integers

    @classmethod
    def joined(cls, pieces: Sequence[Faces]) -> Faces:
        """All pieces as one."""
        firsts = np.cumsum([0, *(len(piece.vertices) for piece in pieces[:-1])])
        return cls(
            np.concatenate([piece.vertices for piece in pieces]),
            np.concatenate([piece.corners + first for piece, first in zip(pieces, firsts, strict=True)]),
            np.concatenate([piece.uv for piece in pieces]),
            np.concatenate([piece.material for piece in pieces]),
        )

    def crosses(self) -> Floats:
        """Normals (F, 3), as long as twice the faces' areas."""
        a, b, c, d = (self.vertices[self.corners[:, i]] for i in range(4))
        return cross(c - a, d - b)  # for a triangle, d = c, the same as (b - a) x (c - a)

    def areas(self) -> Floats:
        """Areas (F,), m^2."""
        return np.asarray(np.linalg.norm(self.crosses(), axis=-1) / 2)


def cross(a: Floats, b: Floats) -> Floats:
    """Cross products (..., 3); NumPy's own takes several times as long for few."""
    ax, ay, az, bx, by, bz = a[..., 0], a[..., 1], a[..., 2], b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], -1)


def faces_of(mesh: Mesh, pose: Floats, material: int) -> Faces:
    """A mesh in the world, without its triangles that have no area; a mirroring pose keeps the outside outside."""
    vertices = mesh.vertices @ pose[:3, :3].T + pose[:3, 3]
    corners, uv = np.asarray(mesh.faces, np.int64), np.asarray(mesh.uv, np.float64)
    if np.linalg.det(pose[:3, :3]) < 0:
        corners, uv = corners[::-1, [0, 2, 1]], uv[::-1, [0, 2, 1]]
    faces = Faces(vertices, corners[:, [0, 1, 2, 2]], uv, np.full(len(corners), material))
    keep = faces.areas() > LEAST_AREA_M2
    return faces._replace(corners=faces.corners[keep], uv=uv[keep], material=faces.material[keep])


def joined_pairs(faces: Faces) -> Faces:
    """Triangles that stand next to each other and make up one flat convex quadrilateral, as one."""
    corners, keep = faces.corners.copy(), np.ones(len(faces.corners), np.bool_)
    _join(faces.vertices, corners, faces.uv, faces.material, keep)
    return faces._replace(corners=corners[keep], uv=faces.uv[keep], material=faces.material[keep])


@kernel
def _join(vertices, corners, uv, material, keep):
    """A fan's two triangles (a, b, c), (a, c, d) become (a, b, c, d) in the first one's place."""
    f = 0
    while f + 1 < len(corners):
        a, b, c, d = corners[f, 0], corners[f, 1], corners[f, 2], corners[f + 1, 2]
        fan = corners[f + 1, 0] == a and corners[f + 1, 1] == c and material[f] == material[f + 1] and d != b
        if fan and _flat_and_convex(vertices, a, b, c, d) and _one_texture(vertices, uv, f, a, b, c, d):
            corners[f, 3] = d
            keep[f + 1] = False
            f += 1
        f += 1


@kernel
def _flat_and_convex(vertices, a, b, c, d):
    nx, ny, nz = _cross(vertices, a, b, c)
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    off = 0.0
    for i in range(3):
        off += (nx, ny, nz)[i] * (vertices[d, i] - vertices[a, i])
    if not abs(off) <= 1e-6 * length**1.5:  # height above the plane against the face's size
        return False
    smallest = 1e-9 * length * length
    for p, q, r in ((b, c, d), (c, d, a), (d, a, b)):
        mx, my, mz = _cross(vertices, p, q, r)
        if mx * nx + my * ny + mz * nz <= smallest:
            return False
    return True


@kernel
def _one_texture(vertices, uv, f, a, b, c, d):
    """Whether both triangles' texture coordinates are the same affine function of the place."""
    if uv[f, 0, 0] != uv[f + 1, 0, 0] or uv[f, 0, 1] != uv[f + 1, 0, 1]:
        return False
    if uv[f, 2, 0] != uv[f + 1, 1, 0] or uv[f, 2, 1] != uv[f + 1, 1, 1]:
        return False
    nx, ny, nz = _cross(vertices, a, b, c)
    square = nx * nx + ny * ny + nz * nz
    # d = a + p (b - a) + q (c - a)
    px, py, pz = _cross(vertices, a, d, c)
    qx, qy, qz = _cross(vertices, a, b, d)
    p = (px * nx + py * ny + pz * nz) / square
    q = (qx * nx + qy * ny + qz * nz) / square
    for i in range(2):
        there = uv[f, 0, i] + p * (uv[f, 1, i] - uv[f, 0, i]) + q * (uv[f, 2, i] - uv[f, 0, i])
        if abs(there - uv[f + 1, 2, i]) > 1e-4:
            return False
    return True


@kernel
def _cross(vertices, a, b, c):
    """(b - a) x (c - a)."""
    ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
    vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


class Frames(NamedTuple):
    """What is measured on faces.

    Attributes:
        planes: (F, 4) outward unit normal and offset, n p + d = 0.
        uv: (F, 2, 4) texture coordinates, m, as affine functions of the place.
        stretch: (F,) metres of texture per metre of surface.
        st: (F, 2, 4) light coordinates, in lightels, as affine functions of the place.
        origins: (F, 3) m, where both are 0.
        axes: (F, 2, 3) m, from one lightel to the next along each.
        counts: (F, 2) lightels along each, at least 2.
        first: (F,) index of the first lightel: rows along s, one after the other along t.
    """

    planes: Floats
    uv: Floats
    stretch: Floats
    st: Floats
    origins: Floats
    axes: Floats
    counts: Integers
    first: Integers


def frames(faces: Faces, lightel_m: Floats) -> Frames:
    """See `Frames`; lightels at most `lightel_m` (F,) apart stand on a grid over the rectangle around a face."""
    points = faces.vertices[faces.corners]  # (F, 4, 3)
    crosses = faces.crosses()
    normals = crosses / np.linalg.norm(crosses, axis=-1, keepdims=True)
    planes = np.column_stack([normals, -np.einsum("fi,fki->f", normals, points) / 4])
    uv = _affine(points, faces.uv)
    gradients = np.linalg.norm(uv[..., :3], axis=-1)
    edges = points[:, 1:3] - points[:, :2]
    longer = np.linalg.norm(edges, axis=-1).argmax(1)
    along = edges[np.arange(len(edges)), longer]
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    units = np.stack([along, cross(normals, along)], 1)  # (F, 2, 3)
    reach = np.einsum("fai,fki->fak", units, points)
    low, extent = reach.min(-1), np.maximum(np.ptp(reach, axis=-1), 1e-4)
    counts = np.clip(np.ceil(extent / lightel_m[:, None]).astype(np.int64) + 1, 2, MOST_LIGHTELS)
    steps = extent / (counts - 1)
    st = np.concatenate([units, -low[..., None]], -1) / steps[..., None]
    height = -planes[:, 3:]
    origins = normals * height + np.einsum("fa,fai->fi", low, units)
    sizes = counts.prod(1)
    first = np.cumsum(sizes) - sizes
    return Frames(planes, uv, gradients.max(1), st, origins, units * steps[..., None], counts, first)


def _affine(points: Floats, values: Floats) -> Floats:
    """Functions (F, 2, 4) of the place, constant along the normal, with given values (F, 3, 2) at three corners."""
    first, second = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    normal = cross(first, second)
    square = (normal**2).sum(-1)[:, None]
    over_first, over_second = cross(second, normal) / square, cross(normal, first) / square
    slopes = [
        (values[:, 1, i] - values[:, 0, i])[:, None] * over_first
        + (values[:, 2, i] - values[:, 0, i])[:, None] * over_second
        for i in range(2)
    ]
    slope = np.stack(slopes, 1)  # (F, 2, 3)
    offset = values[:, 0] - np.einsum("fai,fi->fa", slope, points[:, 0])
    return np.concatenate([slope, offset[..., None]], -1)


def smooth_normals(faces: Faces) -> Floats:
    """Normals (F, 4, 3) at the corners: the mean over the faces that meet there at a small angle."""
    crosses = faces.crosses()
    flat = faces.corners.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(len(faces.vertices) + 1))
    normals = np.zeros((len(faces.corners), 4, 3))
    _average(crosses, faces.corners, order // 4, starts, normals)
    return normals


@kernel
def _average(crosses, corners, meeting, starts, normals):
    for f in range(len(corners)):
        ax, ay, az = crosses[f, 0], crosses[f, 1], crosses[f, 2]
        own = np.sqrt(ax * ax + ay * ay + az * az)
        for k in range(4):
            x, y, z = 0.0, 0.0, 0.0
            for i in range(starts[corners[f, k]], starts[corners[f, k] + 1]):
                bx, by, bz = crosses[meeting[i], 0], crosses[meeting[i], 1], crosses[meeting[i], 2]
                if ax * bx + ay * by + az * bz > _SMOOTH * own * np.sqrt(bx * bx + by * by + bz * bz):
                    x, y, z = x + bx, y + by, z + bz
            length = np.sqrt(x * x + y * y + z * z)
            normals[f, k, 0], normals[f, k, 1], normals[f, k, 2] = x / length, y / length, z / length
