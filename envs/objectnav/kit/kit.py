"""The kit: what an object of a type is built of, fitted to its box; and the mesh of a part."""

from __future__ import annotations

import numpy as np

from foveal.envs.objectnav.kit import bath, devices, kitchen, seats, small, tables
from foveal.envs.objectnav.kit.parts import Kit, Part, Vector3, around, block
from foveal.envs.rendering.meshes import Mesh

KITS: dict[str, Kit] = {
    **bath.KITS,
    **devices.KITS,
    **kitchen.KITS,
    **seats.KITS,
    **small.KITS,
    **tables.KITS,
}
"""The kit of each object type that has one."""


def parts(type: str, size: Vector3) -> list[Part]:
    """The parts of an object, within its box; a plain box where the type has no kit.

    Args:
        type: AI2-THOR's object type.
        size: (width, depth, height) m; sides under 2 mm count as 2 mm.
    """
    width, depth, height = (max(float(side), 0.002) for side in size)
    whole = block("plain", around(0, width), around(0, depth), (0, height))
    kit = KITS.get(type)
    made = [] if kit is None else kit(width, depth, height)
    return [part for part in (_clipped(part, whole) for part in made) if part is not None] or [whole]


def _clipped(part: Part, whole: Part) -> Part | None:
    """What of a part lies within the box: all, unless the box is odder than any real object's."""
    x0, y0, z0 = (max(a, b) for a, b in zip(part.low, whole.low, strict=True))
    x1, y1, z1 = (min(a, b) for a, b in zip(part.high, whole.high, strict=True))
    if min(x1 - x0, y1 - y0, z1 - z0) < 1e-5:
        return None
    return part._replace(low=(x0, y0, z0), high=(x1, y1, z1))


def mesh(part: Part) -> Mesh:
    """The part's surface, in the frame of the object; u runs along its grain."""
    return _block(part) if part.profile is None else _turned(part)


def _block(part: Part) -> Mesh:
    low, extent = np.array(part.low), np.array(part.high) - part.low
    u, v = (part.axis + 1) % 3, (part.axis + 2) % 3
    corners = np.zeros((8, 3))  # four at the low end of the axis, counter-clockwise, then four at the high end
    for level, (u0, v0, u1, v1) in enumerate((part.start, part.end)):
        for k, (share_u, share_v) in enumerate(((u0, v0), (u1, v0), (u1, v1), (u0, v1))):
            corner = corners[4 * level + k]
            corner[part.axis], corner[u], corner[v] = level, share_u, share_v
    corners = low + corners * extent
    quads = np.array([[3, 2, 1, 0], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]])
    normals = (part.axis, part.axis, v, u, v, u)
    along = np.argsort(-extent, kind="stable")  # the grain runs along the longest side that a face shows
    uv = np.stack(
        [corners[quad][:, [a for a in along if a != normal]] for quad, normal in zip(quads, normals, strict=True)]
    )
    return _mesh(corners, quads, uv)


def _mesh(vertices: np.ndarray, quads: np.ndarray, uv: np.ndarray) -> Mesh:
    """Quadrilaterals (Q, 4) with uv (Q, 4, 2) as pairs of triangles, without those that have no area."""
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    faces, uv = quads[:, halves].reshape(-1, 3), uv[:, halves].reshape(-1, 3, 2)
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return Mesh(vertices, faces[area > 1e-12], uv[area > 1e-12])


def _turned(part: Part) -> Mesh:
    assert part.profile is not None
    low, extent = np.array(part.low), np.array(part.high) - part.low
    axis, sides = part.axis, part.sides
    u, v = (axis + 1) % 3, (axis + 2) % 3
    profile = np.array(part.profile, np.float64)
    angles = (np.arange(sides) + 0.5) * (2 * np.pi / sides)
    # A polygon reaches the sides of the box where a corner or the middle of an edge lies on the axis: scale to both.
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    circle /= np.abs(circle).max(0)
    shares = np.zeros((len(profile), sides, 3))
    shares[..., axis] = profile[:, 1, None]
    shares[..., [u, v]] = 0.5 + 0.5 * profile[:, 0, None, None] * circle
    vertices = (low + shares * extent).reshape(-1, 3)

    ring = np.arange(sides)
    strip = np.stack([ring, (ring + 1) % sides, (ring + 1) % sides + sides, ring + sides], -1)
    quads = (strip + sides * np.arange(len(profile) - 1)[:, None, None]).reshape(-1, 4)
    radius = (extent[u] + extent[v]) / 4
    length = np.concatenate([[0], np.cumsum(np.hypot(*(np.diff(profile, axis=0) * (radius, extent[axis])).T))])
    around_it = 2 * np.pi * radius / sides * np.stack([ring, ring + 1, ring + 1, ring], -1)  # (sides, 4)
    along_it = np.stack([length[:-1], length[:-1], length[1:], length[1:]], -1)  # (rings - 1, 4)
    uv = np.stack(np.broadcast_arrays(along_it[:, None], around_it[None]), -1).reshape(-1, 4, 2)
    caps = []
    if not np.array_equal(profile[0], profile[-1]):  # else it closes on itself
        caps += [ring[::-1]] if profile[0, 0] > 0 else []
        caps += [ring + sides * (len(profile) - 1)] if profile[-1, 0] > 0 else []
    for cap in caps:
        fan = np.array([[cap[0], cap[k], cap[k + 1], cap[min(k + 2, sides - 1)]] for k in range(1, sides - 1, 2)])
        quads = np.concatenate([quads, fan])
        uv = np.concatenate([uv, vertices[fan][..., [u, v]]])
    return _mesh(vertices, quads, uv)
