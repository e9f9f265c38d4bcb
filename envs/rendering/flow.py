"""Optical flow: where in the image what a pixel shows was before, from its depth and two poses of camera and thing.

Where nothing is, the sky is infinitely far, and only the camera's turn counts.
"""

from __future__ import annotations

import numpy as np

from foveal.envs.rendering.culling import NEAR_M
from foveal.envs.rendering.raster import FACE_BITS
from foveal.kernels import kernel


@kernel
def flow(poses, before, lens, inverse, face_of, image):
    """Fill one view's flow.

    Args:
        poses: (1 + A, 4, 4) the camera's pose in the frame of the world and of each thing that moves.
        before: (1 + A, 4, 4) the same before.
        lens: (6,) fx, fy, cx, cy, width, height.
        inverse: (H, W) inverse z-depth, 1/m; 0 where nothing is.
        face_of: (H, W) see `raster.clear`.
        image: Out (H, W, 2) float32: its column and row before less those now, px; 0 for what was behind the camera.
    """
    height, width = face_of.shape
    for row in range(height):
        y = (row - lens[3]) / lens[1]
        for column in range(width):
            x, code = (column - lens[2]) / lens[0], face_of[row, column]
            thing = code >> FACE_BITS if code >= 0 else 0
            now, then = poses[thing], before[thing]
            near = float(inverse[row, column])
            # everything times the inverse depth, so that the sky is no exception
            px = now[0, 0] * x + now[0, 1] * y + now[0, 2] + near * (now[0, 3] - then[0, 3])
            py = now[1, 0] * x + now[1, 1] * y + now[1, 2] + near * (now[1, 3] - then[1, 3])
            pz = now[2, 0] * x + now[2, 1] * y + now[2, 2] + near * (now[2, 3] - then[2, 3])
            depth = px * then[0, 2] + py * then[1, 2] + pz * then[2, 2]
            if depth <= NEAR_M * near or depth <= 0:
                image[row, column, 0] = image[row, column, 1] = np.float32(0)
                continue
            across = (px * then[0, 0] + py * then[1, 0] + pz * then[2, 0]) / depth
            down = (px * then[0, 1] + py * then[1, 1] + pz * then[2, 1]) / depth
            image[row, column, 0] = np.float32(lens[0] * across + lens[2] - column)
            image[row, column, 1] = np.float32(lens[1] * down + lens[3] - row)
