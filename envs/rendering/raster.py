"""The z-buffer: for every pixel of a view, the nearest face and the inverse of its z-depth.

A face is convex and flat. It covers a pixel if the pixel's centre lies in it, an edge going to the face right of or
below it; so faces that share an edge leave no gap and never both cover a pixel. In a flat face's image the inverse
depth is an affine function of column and row, which follows from its plane alone (Blinn, "Hyperbolic interpolation",
1992); nearer faces have the larger one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.culling import NEAR_M, nearest, open_windows, too_small
from foveal.kernels import inlined, kernel

EDGE_ON_M = 1e-5
"""A face whose plane passes the camera this closely is seen from its edge, and shows nothing."""


FACE_BITS = 20
"""Of a number in the image of faces; above them stands which of the things that move it belongs to, 0 for none."""


class Scratch(NamedTuple):
    """Work space of one thread, and what of a view's drawing its shading needs.

    Attributes:
        points: (3, largest number of vertices of an object) float32: column and row in pixels, and z-depth in m.
        ring: (2, 8) float64: columns and rows of one face's corners.
        sides: (2, 3, 8) float64: of its left and its right edges, a column, its row and columns per row.
        windows: (R + 1, 4) float64, see `culling`; the last one is the whole image.
        screens: (P, 4) float64.
        marks: (5, W) int32, see `shading`.
        poses: (1 + A, 4, 4) float64: T_world_cam, and the camera's pose in the frame of each thing that moves.
        firsts: (1 + A,) int64: the first face of the scene, and of each thing that moves.
    """

    points: NDArray[np.float32]
    ring: NDArray[np.float64]
    sides: NDArray[np.float64]
    windows: NDArray[np.float64]
    screens: NDArray[np.float64]
    marks: NDArray[np.int32]
    poses: NDArray[np.float64]
    firsts: NDArray[np.int64]


@kernel
def clear(scene, pose, lens, inverse, face_of, scratch):
    """Begin a view: nothing is drawn, and the windows of the scene's rooms are open.

    Args:
        scene: `scene.Scene`, alone.
        pose: T_world_cam (4, 4) float64.
        lens: (6,) float64: fx, fy, cx, cy, width, height.
        inverse: Out (H, W) float32: inverse z-depth, 1/m; 0 where nothing is.
        face_of: Out (H, W) int32: face, less the first of its scene, and see `FACE_BITS`; -1 where nothing is.
        scratch: `Scratch`.
    """
    inverse[:] = 0
    face_of[:] = -1
    whole = scratch.windows[len(scratch.windows) - 1]
    whole[0], whole[1], whole[2], whole[3] = -0.5, -0.5, lens[4] - 0.5, lens[5] - 0.5
    open_windows(scene, pose, lens, scratch.windows, scratch.screens)


@kernel
def draw(scene, objects, thing, lens, least_px, inverse, face_of, scratch):
    """Draw objects into a view that has begun.

    Args:
        scene: `scene.Scene`, all of them end to end.
        objects: First and last + 1.
        thing: Whose they are: 0 of the scene itself, n of the n-th thing that moves.
        lens: See `clear`.
        least_px: See `culling.too_small`.
        inverse: See `clear`.
        face_of: Likewise.
        scratch: `Scratch`, with the pose and the first face of the thing.
    """
    pose = scratch.poses[thing]
    code = (thing << FACE_BITS) - scratch.firsts[thing]
    for k in range(objects[0], objects[1]):
        room = scene.objects[k, 5]
        window = scratch.windows[room if room >= 0 else len(scratch.windows) - 1]
        if window[0] > window[2]:
            continue
        depth = nearest(scene.boxes[k], pose, lens, window)
        if depth < 0:
            continue
        vertices = scene.objects[k, 0], scene.objects[k, 1]
        faces = scene.objects[k, 2], scene.objects[k, 3]
        if too_small(scene.boxes[k, 6], depth, lens, least_px):
            vertices, faces = (vertices[1], vertices[1] + 8), (faces[1], faces[1] + scene.objects[k, 4])
        _project(scene.vertices, vertices[0], vertices[1], pose, lens, scratch.points)
        for f in range(faces[0], faces[1]):
            _draw_face(scene, f, code + f, vertices[0], pose, lens, window, inverse, face_of, scratch)


@kernel
def _project(vertices, first, last, pose, lens, points):
    """Columns, rows and z-depths of vertices."""
    ox, oy, oz = np.float32(pose[0, 3]), np.float32(pose[1, 3]), np.float32(pose[2, 3])
    rx, ry, rz = np.float32(pose[0, 0]), np.float32(pose[1, 0]), np.float32(pose[2, 0])
    dx, dy, dz = np.float32(pose[0, 1]), np.float32(pose[1, 1]), np.float32(pose[2, 1])
    fx, fy, fz = np.float32(pose[0, 2]), np.float32(pose[1, 2]), np.float32(pose[2, 2])
    focal_x, focal_y, cx, cy = np.float32(lens[0]), np.float32(lens[1]), np.float32(lens[2]), np.float32(lens[3])
    xs, ys, zs = vertices[0, first:last], vertices[1, first:last], vertices[2, first:last]
    columns, rows, depths = points[0], points[1], points[2]
    for i in range(len(xs)):
        x, y, z = xs[i] - ox, ys[i] - oy, zs[i] - oz
        depth = x * fx + y * fy + z * fz
        inverse = np.float32(1) / depth
        columns[i] = (x * rx + y * ry + z * rz) * focal_x * inverse + cx
        rows[i] = (x * dx + y * dy + z * dz) * focal_y * inverse + cy
        depths[i] = depth


@inlined
def _draw_face(scene, f, code, first, pose, lens, window, inverse, face_of, scratch):
    nx, ny, nz = scene.planes[f, 0], scene.planes[f, 1], scene.planes[f, 2]
    height = nx * pose[0, 3] + ny * pose[1, 3] + nz * pose[2, 3] + scene.planes[f, 3]
    if height <= EDGE_ON_M:  # seen from behind
        return
    points, ring = scratch.points, scratch.ring
    i0, i1 = scene.corners[f, 0] - first, scene.corners[f, 1] - first
    i2, i3 = scene.corners[f, 2] - first, scene.corners[f, 3] - first
    near = np.float32(NEAR_M)
    z0, z1, z2, z3 = points[2, i0], points[2, i1], points[2, i2], points[2, i3]
    if min(min(z0, z1), min(z2, z3)) >= near:
        x0, x1, x2, x3 = points[0, i0], points[0, i1], points[0, i2], points[0, i3]
        y0, y1, y2, y3 = points[1, i0], points[1, i1], points[1, i2], points[1, i3]
        left, right = min(min(x0, x1), min(x2, x3)), max(max(x0, x1), max(x2, x3))
        top, bottom = min(min(y0, y1), min(y2, y3)), max(max(y0, y1), max(y2, y3))
        if not _holds_a_centre(left, top, right, bottom, window):
            return
        ring[0, 0], ring[0, 1], ring[0, 2], ring[0, 3] = x0, x1, x2, x3
        ring[1, 0], ring[1, 1], ring[1, 2], ring[1, 3] = y0, y1, y2, y3
        count = 4
    elif max(max(z0, z1), max(z2, z3)) <= near:
        return
    else:
        count = _cut(scene.vertices, scene.corners[f], pose, lens, ring)
        left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
        for i in range(count):
            left, right = min(left, ring[0, i]), max(right, ring[0, i])
            top, bottom = min(top, ring[1, i]), max(bottom, ring[1, i])
        if not _holds_a_centre(left, top, right, bottom, window):
            return
    # n (o + z ray) + d = 0, so 1 / z = -(n ray) / (n o + d)
    per_column = -(nx * pose[0, 0] + ny * pose[1, 0] + nz * pose[2, 0]) / (height * lens[0])
    per_row = -(nx * pose[0, 1] + ny * pose[1, 1] + nz * pose[2, 1]) / (height * lens[1])
    at_zero = -(nx * pose[0, 2] + ny * pose[1, 2] + nz * pose[2, 2]) / height
    at_zero -= per_column * lens[2] + per_row * lens[3]
    _fill(count, ring, scratch.sides, window, top, bottom, (per_column, per_row, at_zero), code, inverse, face_of)


@inlined
def _holds_a_centre(left, top, right, bottom, window):
    """Whether a rectangle around a face has any pixel's centre within the window."""
    left, top = max(left, window[0]), max(top, window[1])
    right, bottom = min(right, window[2]), min(bottom, window[3])
    return np.ceil(left) <= right and np.ceil(top) <= bottom


@kernel
def _cut(vertices, corners, pose, lens, ring):
    """The part of a face beyond the near plane into `ring`; how many corners it has."""
    count = 0
    for k in range(4):
        ax, ay, az = _seen(vertices, corners[k], pose)
        bx, by, bz = _seen(vertices, corners[(k + 1) % 4], pose)
        if az >= NEAR_M:
            ring[0, count], ring[1, count] = lens[0] * ax / az + lens[2], lens[1] * ay / az + lens[3]
            count += 1
        if (az >= NEAR_M) != (bz >= NEAR_M):
            if az > bz:  # the neighbour that shares this edge runs along it the other way
                ax, ay, az, bx, by, bz = bx, by, bz, ax, ay, az
            share = (NEAR_M - az) / (bz - az)
            x, y = ax + share * (bx - ax), ay + share * (by - ay)
            ring[0, count], ring[1, count] = lens[0] * x / NEAR_M + lens[2], lens[1] * y / NEAR_M + lens[3]
            count += 1
    return count


@inlined
def _seen(vertices, i, pose):
    """A vertex in camera coordinates."""
    x, y, z = vertices[0, i] - pose[0, 3], vertices[1, i] - pose[1, 3], vertices[2, i] - pose[2, 3]
    return (
        x * pose[0, 0] + y * pose[1, 0] + z * pose[2, 0],
        x * pose[0, 1] + y * pose[1, 1] + z * pose[2, 1],
        x * pose[0, 2] + y * pose[1, 2] + z * pose[2, 2],
    )


@kernel
def _fill(count, ring, sides, window, top, bottom, plane, code, inverse, face_of):
    """Go through the rows of a convex face, whose corners run counter-clockwise in the image as it is seen."""
    lefts = rights = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        ax, ay, bx, by = ring[0, i], ring[1, i], ring[0, j], ring[1, j]
        if by > ay:  # downwards: the face lies to the right
            sides[0, 0, lefts], sides[0, 1, lefts], sides[0, 2, lefts] = ax, ay, (bx - ax) / (by - ay)
            lefts += 1
        elif ay > by:
            sides[1, 0, rights], sides[1, 1, rights], sides[1, 2, rights] = bx, by, (ax - bx) / (ay - by)
            rights += 1
    first = int(np.ceil(max(top, window[1], 0.0)))
    last = int(np.ceil(min(bottom, window[3] + 1, float(inverse.shape[0])))) - 1
    leftmost = max(np.ceil(window[0]), 0.0)
    rightmost = min(np.floor(window[2]) + 1, float(inverse.shape[1]))
    slope = np.float32(plane[0])
    for row in range(first, last + 1):
        left, right = leftmost, rightmost
        for i in range(lefts):
            left = max(left, sides[0, 0, i] + (row - sides[0, 1, i]) * sides[0, 2, i])
        for i in range(rights):
            right = min(right, sides[1, 0, i] + (row - sides[1, 1, i]) * sides[1, 2, i])
        if not left < right:
            continue
        start, stop = int(np.ceil(left)), int(np.ceil(right))
        _span(inverse[row], face_of[row], start, stop, slope, np.float32(plane[2] + plane[1] * row), code)


@inlined
def _span(inverse, face_of, start, stop, slope, offset, code):
    for k in range(stop - start):
        column = np.uint64(start + k)  # unsigned and branchless: vector code
        before = inverse[column]
        value = offset + slope * np.float32(np.int32(start + k))
        nearer = value > before
        inverse[column] = value if nearer else before
        face_of[column] = np.int32(code) if nearer else face_of[column]
