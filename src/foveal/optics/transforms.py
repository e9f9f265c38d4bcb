"""Rigid transforms as (..., 4, 4) matrices: `T_world_cam` maps homogeneous camera coordinates to world coordinates.

World frame: right-handed, z up, metres. Camera frame: OpenCV's, x right, y down, z forward.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def look(position: ArrayLike, yaw: ArrayLike, pitch: ArrayLike) -> Floats:
    """Poses of cameras that stand upright.

    Args:
        position: (..., 3) m, of the optical centre.
        yaw: (...) rad, counter-clockwise seen from above; 0 looks along +y.
        pitch: (...) rad, up is positive.

    Returns:
        T_world_cam (..., 4, 4).
    """
    position = np.asarray(position, np.float64)
    shape = np.broadcast_shapes(position.shape[:-1], np.shape(yaw), np.shape(pitch))
    yaw, pitch = np.broadcast_to(yaw, shape), np.broadcast_to(pitch, shape)
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    transform = np.zeros((*shape, 4, 4))
    transform[..., 0, 0], transform[..., 1, 0] = cos_yaw, sin_yaw
    forward = np.stack([-sin_yaw * cos_pitch, cos_yaw * cos_pitch, sin_pitch], -1)
    transform[..., :3, 1] = np.cross(forward, transform[..., :3, 0])
    transform[..., :3, 2] = forward
    transform[..., :3, 3] = position
    transform[..., 3, 3] = 1
    return transform


def place(position: ArrayLike = (0, 0, 0), yaw: float = 0, pitch: float = 0, roll: float = 0) -> Floats:
    """Pose (4, 4) of a thing: first rolled about its y, then pitched about its x, then yawed about z, then moved.

    Args:
        position: (3,) m.
        yaw: rad, counter-clockwise seen from above.
        pitch: rad, about x.
        roll: rad, about y.
    """
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    transform = np.eye(4)
    transform[:3, :3] = about_z @ about_x @ about_y
    transform[:3, 3] = position
    return transform


def apply(transform: Floats, points: ArrayLike) -> Floats:
    """Points (..., 3) moved by transforms that broadcast: (..., 4, 4)."""
    turned = np.einsum("...ij,...j->...i", transform[..., :3, :3], np.asarray(points, np.float64))
    return np.asarray(turned + transform[..., :3, 3])


def invert(transform: Floats) -> Floats:
    """The inverse (..., 4, 4) of rigid transforms."""
    turn = np.swapaxes(transform[..., :3, :3], -1, -2)
    inverse = np.zeros_like(transform)
    inverse[..., :3, :3] = turn
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", turn, transform[..., :3, 3])
    inverse[..., 3, 3] = 1
    return inverse
