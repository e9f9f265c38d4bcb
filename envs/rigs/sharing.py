"""How many other cameras of a rig see what a pixel shows: projected into each, and not hidden there."""

from __future__ import annotations

import numpy as np

from foveal.envs.rendering.renderer import relative
from foveal.kernels import kernel

TOLERANCE = 0.05
"""By which share of its depth a point may be behind what the other camera sees there."""


@kernel
def share_rows(start, stop, rows, cameras, lenses, depth, valid, between, out):
    """Row kernel: count.

    Args:
        start: First entry of `rows`.
        stop: Last entry, plus one.
        rows: (R,).
        cameras: (N, K, 4, 4) T_world_cam.
        lenses: (K, 6) fx, fy, cx, cy, width, height.
        depth: (R, K, H, W) z-depth, m, inf where nothing is.
        valid: (N, K) int8: a camera that fails sees nothing.
        between: (N, K, K, 4, 4) scratch: T_other_cam.
        out: Out (R, K, H, W) uint8; 0 where nothing is.
    """
    count, height, width = depth.shape[1], depth.shape[2], depth.shape[3]
    for k in range(start, stop):
        r = rows[k]
        for a in range(count):
            for b in range(count):
                relative(cameras[r, b], cameras[r, a], between[r, a, b])
        for a in range(count):
            for row in range(height):
                y = (row - lenses[a, 3]) / lenses[a, 1]
                for column in range(width):
                    x, z = (column - lenses[a, 2]) / lenses[a, 0], float(depth[k, a, row, column])
                    seen = 0
                    if z < np.inf and valid[r, a] != 0:
                        for b in range(count):
                            if b != a and valid[r, b] != 0:
                                seen += _sees(between[r, a, b], lenses[b], depth[k, b], x * z, y * z, z)
                    out[k, a, row, column] = np.uint8(seen)


@kernel
def _sees(pose, lens, depth, x, y, z):
    """Whether a camera sees a point that is given in the coordinates of another one: 0 or 1."""
    there = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
    if there <= 0.05:
        return 0
    column = lens[0] * (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / there + lens[2]
    row = lens[1] * (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / there + lens[3]
    if not (-0.5 < column < lens[4] - 0.5 and -0.5 < row < lens[5] - 0.5):
        return 0
    nearest = float(depth[int(row + 0.5), int(column + 0.5)])
    return 1 if there <= nearest * (1 + TOLERANCE) else 0
