"""Light on a scene's faces, worked out once: lamps with soft shadows, and light from everywhere.

The latter is dimmed where other surfaces are near (ambient occlusion). Both look at a field of distances to the nearest
surface, on a grid of voxels: along the normal for the occlusion (Evans, "Fast approximations for global illumination on
dynamic scenes", SIGGRAPH course 2006), and towards the lamp for the shadow, whose softness comes from how closely the
ray passes by (Quilez, "Soft shadows in raymarched SDFs", 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.faces import Faces, Frames
from foveal.envs.rendering.lanes import TOP, pack
from foveal.kernels import inlined, kernel, launch

ONE = 4096
"""What 1.0 is in a channel, of light times colour."""

_VOXEL_M = 0.05
_MOST_VOXELS = 1_500_000
_FAR = np.float32(1.5)
"""m, the largest distance in the field."""

_TAPS = 5
_SHARPNESS = 16.0
"""Of shadows: the inverse of the angle, rad, under which a ray may pass by and is not dimmed."""

_STEPS = 40
_FAINTEST = 0.004
"""A lamp from which less than this arrives is left out."""

_CLEAR_M = 0.3
"""Around a lamp: its own shade casts no shadow."""


class Lamp(NamedTuple):
    """A point light: position, m; colour, linear; what falls on a surface that faces it 1 m away."""

    position: tuple[float, float, float]
    colour: tuple[float, float, float]
    strength: float


def bake(
    faces: Faces,
    frame: Frames,
    normals: NDArray[np.float64],
    colours: NDArray[np.float64],
    glows: NDArray[np.float64],
    solid: NDArray[np.bool_],
    lamps: Sequence[Lamp],
    ambient: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> NDArray[np.int64]:
    """Light at the lightels of all faces.

    Args:
        faces: F faces.
        frame: Where their lightels are.
        normals: (F, 4, 3) at their corners.
        colours: (F, 3) their own, linear: lightels hold the light that they send on.
        glows: (F,) light they give off; above 0, nothing else counts.
        solid: (F,) whether a face keeps light off others.
        lamps: Point lights.
        ambient: Light from everywhere on what faces up and down, linear.

    Returns:
        (L,) int64 as `lanes`.
    """
    low, voxel, field = _field(faces, solid)
    table = np.array([[*lamp.position, *(lamp.strength * np.array(lamp.colour))] for lamp in lamps]).reshape(-1, 6)
    lightels = np.zeros(int(frame.counts.prod(1).sum()), np.int64)
    points = np.ascontiguousarray(faces.vertices[faces.corners])
    launch(
        _bake,
        len(faces.corners),
        points,
        normals,
        frame.origins,
        frame.axes,
        frame.counts,
        frame.first,
        colours,
        glows,
        solid,
        field,
        low,
        voxel,
        table,
        np.array(ambient),
        lightels,
    )
    return lightels


def _field(faces: Faces, solid: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float, NDArray[np.float32]]:
    """Lowest voxel's centre (3,) m, size of a voxel in m, and distances (X, Y, Z) m to the nearest solid face."""
    points = np.ascontiguousarray(faces.vertices[faces.corners][solid])
    low, high = points.min((0, 1)), points.max((0, 1))
    voxel = _VOXEL_M
    while (np.ceil((high - low) / voxel) + 7).prod() > _MOST_VOXELS:
        voxel *= 1.05
    low = low - 3 * voxel
    shape = tuple(int(n) for n in np.ceil((high - low) / voxel) + 4)
    field = np.full(shape, _FAR, np.float32)
    _occupy(points, low, voxel, field)
    _spread(field, voxel)
    return low, voxel, field


@kernel
def _occupy(points, low, voxel, field):
    """Distance 0 in all voxels that faces pass through."""
    for f in range(len(points)):
        across = down = 0.0
        for i in range(3):
            across += max((points[f, 1, i] - points[f, 0, i]) ** 2, (points[f, 2, i] - points[f, 3, i]) ** 2)
            down += max((points[f, 3, i] - points[f, 0, i]) ** 2, (points[f, 2, i] - points[f, 1, i]) ** 2)
        columns = min(int(np.sqrt(across) / (0.7 * voxel)) + 2, 4096)
        rows = min(int(np.sqrt(down) / (0.7 * voxel)) + 2, 4096)
        for row in range(rows):
            b = row / (rows - 1)
            for column in range(columns):
                a = column / (columns - 1)
                w0, w1, w2, w3 = (1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b
                x = w0 * points[f, 0, 0] + w1 * points[f, 1, 0] + w2 * points[f, 2, 0] + w3 * points[f, 3, 0]
                y = w0 * points[f, 0, 1] + w1 * points[f, 1, 1] + w2 * points[f, 2, 1] + w3 * points[f, 3, 1]
                z = w0 * points[f, 0, 2] + w1 * points[f, 1, 2] + w2 * points[f, 2, 2] + w3 * points[f, 3, 2]
                i = int((x - low[0]) / voxel + 0.5)
                j = int((y - low[1]) / voxel + 0.5)
                k = int((z - low[2]) / voxel + 0.5)
                field[i, j, k] = 0


@kernel
def _spread(field, voxel):
    """Distances by two sweeps over all voxels, each looking at half its neighbours (a chamfer transform)."""
    nx, ny, nz = field.shape
    for sweep in range(2):
        step = 1 - 2 * sweep
        for i in range(nx) if sweep == 0 else range(nx - 1, -1, -1):
            for j in range(ny) if sweep == 0 else range(ny - 1, -1, -1):
                for di in range(-1, 1):
                    for dj in range(-1, 2 if di < 0 else 1):
                        u, v = i + di * step, j + dj * step
                        if (di == 0 and dj == 0) or u < 0 or u >= nx or v < 0 or v >= ny:
                            continue
                        flat = np.float32(voxel * np.sqrt(float(di * di + dj * dj)))
                        slant = np.float32(voxel * np.sqrt(float(di * di + dj * dj + 1)))
                        for k in range(1, nz - 1):
                            near = min(field[u, v, k - 1], field[u, v, k + 1]) + slant
                            field[i, j, k] = min(field[i, j, k], near, field[u, v, k] + flat)
                straight = np.float32(voxel)
                for k in range(1, nz):
                    field[i, j, k] = min(field[i, j, k], field[i, j, k - 1] + straight)
                for k in range(nz - 2, -1, -1):
                    field[i, j, k] = min(field[i, j, k], field[i, j, k + 1] + straight)


@inlined
def _distance(field, low, voxel, x, y, z):
    """The field between the voxels' centres; beyond its edge, that at the edge and the way there."""
    fx, fy, fz = (x - low[0]) / voxel, (y - low[1]) / voxel, (z - low[2]) / voxel
    gx = min(max(fx, 0.0), field.shape[0] - 1.001)
    gy = min(max(fy, 0.0), field.shape[1] - 1.001)
    gz = min(max(fz, 0.0), field.shape[2] - 1.001)
    outside = voxel * (abs(fx - gx) + abs(fy - gy) + abs(fz - gz))
    i, j, k = int(gx), int(gy), int(gz)
    a, b, c = gx - i, gy - j, gz - k
    low_low = field[i, j, k] * (1 - c) + field[i, j, k + 1] * c
    low_high = field[i, j + 1, k] * (1 - c) + field[i, j + 1, k + 1] * c
    high_low = field[i + 1, j, k] * (1 - c) + field[i + 1, j, k + 1] * c
    high_high = field[i + 1, j + 1, k] * (1 - c) + field[i + 1, j + 1, k + 1] * c
    return (low_low * (1 - b) + low_high * b) * (1 - a) + (high_low * (1 - b) + high_high * b) * a + outside


@kernel
def _openness(field, low, voxel, x, y, z, nx, ny, nz):
    """How much of the light from everywhere arrives, in (0, 1]."""
    blocked, weight = 0.0, 1.0
    height = 0.08
    for _ in range(_TAPS):
        there = _distance(field, low, voxel, x + nx * height, y + ny * height, z + nz * height)
        blocked += weight * max(height - 0.6 * voxel - there, 0.0) / height
        weight *= 0.8
        height *= 1.8
    return np.exp(-0.6 * blocked)


@kernel
def _lit(field, low, voxel, x, y, z, lamp):
    """How much of a lamp's light arrives, in [0, 1]."""
    dx, dy, dz = lamp[0] - x, lamp[1] - y, lamp[2] - z
    distance = np.sqrt(dx * dx + dy * dy + dz * dz)
    lit, along = 1.0, 2.0 * voxel
    for _ in range(_STEPS):
        if along >= distance - _CLEAR_M:
            break
        share = along / distance
        there = _distance(field, low, voxel, x + dx * share, y + dy * share, z + dz * share)
        lit = min(lit, _SHARPNESS * (there + 0.3 * voxel) / along)
        if lit < 0.02:
            return 0.0
        along += max(0.8 * there, 0.7 * voxel)
    return lit * lit * (3 - 2 * lit)


@kernel
def _bake(
    start,
    stop,
    points,
    normals,
    origins,
    axes,
    counts,
    first,
    colours,
    glows,
    solid,
    field,
    low,
    voxel,
    lamps,
    ambient,
    lightels,
):
    top = float(TOP)
    for f in range(start, stop):
        for t in range(counts[f, 1]):
            for s in range(counts[f, 0]):
                index = first[f] + t * counts[f, 0] + s
                x = origins[f, 0] + s * axes[f, 0, 0] + t * axes[f, 1, 0]
                y = origins[f, 1] + s * axes[f, 0, 1] + t * axes[f, 1, 1]
                z = origins[f, 2] + s * axes[f, 0, 2] + t * axes[f, 1, 2]
                red = green = blue = glows[f]
                if glows[f] == 0:
                    nx, ny, nz = _normal(points[f], normals[f], x, y, z)
                    red, green, blue = _light(field, low, voxel, x, y, z, nx, ny, nz, lamps, ambient, solid[f])
                red, green, blue = red * colours[f, 0], green * colours[f, 1], blue * colours[f, 2]
                lightels[index] = pack(min(red * ONE, top), min(green * ONE, top), min(blue * ONE, top))


@kernel
def _normal(corners, normals, x, y, z):
    """The corners' normals, the nearer ones counting more."""
    nx = ny = nz = 0.0
    for k in range(4):
        square = (corners[k, 0] - x) ** 2 + (corners[k, 1] - y) ** 2 + (corners[k, 2] - z) ** 2
        weight = 1 / (square * square + 1e-12)
        nx, ny, nz = nx + weight * normals[k, 0], ny + weight * normals[k, 1], nz + weight * normals[k, 2]
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
    return nx / length, ny / length, nz / length


@kernel
def _light(field, low, voxel, x, y, z, nx, ny, nz, lamps, ambient, solid):
    openness, out = 0.8, 4 * voxel  # of a box: not dimmed by the parts that it stands for
    if solid:
        openness, out = _openness(field, low, voxel, x, y, z, nx, ny, nz), 0.7 * voxel
    up = 0.5 + 0.5 * nz
    red = openness * (ambient[0, 0] * up + ambient[1, 0] * (1 - up))
    green = openness * (ambient[0, 1] * up + ambient[1, 1] * (1 - up))
    blue = openness * (ambient[0, 2] * up + ambient[1, 2] * (1 - up))
    for lamp in lamps:
        dx, dy, dz = lamp[0] - x, lamp[1] - y, lamp[2] - z
        square = dx * dx + dy * dy + dz * dz
        facing = (nx * dx + ny * dy + nz * dz) / np.sqrt(square + 1e-9)
        arriving = facing / (0.25 + square)
        if arriving * max(lamp[3], lamp[4], lamp[5]) < _FAINTEST:
            continue
        arriving *= _lit(field, low, voxel, x + nx * out, y + ny * out, z + nz * out, lamp)
        arriving *= 0.4 + 0.6 * openness  # a corner gets less light back from around it, too
        red, green, blue = red + arriving * lamp[3], green + arriving * lamp[4], blue + arriving * lamp[5]
    return red, green, blue
