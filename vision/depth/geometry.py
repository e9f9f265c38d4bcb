"""Geometry between the cameras of a rig, with gradients: back-projection, the shared cylinder, and warping.

Frames, units and pixel centres are those of `foveal.optics`. Leading dimensions broadcast throughout. Cameras are
pinholes without skew.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CENTRE = (0.0, 0.0, 1.5)
"""Where the cylinder's axis is, and its height 0, in rig coordinates, m."""

NEAREST_M = 1e-3
"""Points nearer than this to a camera's plane, or to the cylinder's axis, are taken to be on it."""


def backproject(depth: Tensor, K: Tensor) -> Tensor:
    """Points (..., H, W, 3) in camera coordinates, m, of z-depths (..., H, W), m.

    p = D(u, v) K^-1 (u, v, 1). Source: the pinhole camera.

    Args:
        depth: (..., H, W) floating-point.
        K: (..., 3, 3) px.

    Raises:
        ValueError: for shapes that do not fit, no floating-point numbers, or a K that is no pinhole's.
    """
    check_depth(depth)
    check_intrinsics(K)
    height, width = depth.shape[-2:]
    u, v = (torch.arange(n, dtype=depth.dtype, device=depth.device) for n in (width, height))
    rays_x = (u - K[..., 0, 2, None]) / K[..., 0, 0, None]  # (..., W)
    rays_y = (v - K[..., 1, 2, None]) / K[..., 1, 1, None]  # (..., H)
    x, y = rays_x[..., None, :] * depth, rays_y[..., None] * depth
    return torch.stack([x, y, depth.expand_as(x)], -1)


def transform(T: Tensor, points: Tensor) -> Tensor:
    """Points (..., H, W, 3) moved by transforms (..., 4, 4).

    Raises:
        ValueError: for shapes that do not fit.
    """
    check_transforms(T)
    return points @ T[..., None, :3, :3].mT + T[..., None, None, :3, 3]


def rig_points(depth: Tensor, K: Tensor, T_rig_cam: Tensor) -> Tensor:
    """Points (..., H, W, 3) in rig coordinates, m, of z-depths (..., H, W), m; see `backproject`."""
    return transform(T_rig_cam, backproject(depth, K))


def project(points: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Where points are seen.

    Args:
        points: (..., H, W, 3) in camera coordinates, m.
        K: (..., 3, 3) px.

    Returns:
        Pixels (..., H, W, 2), column and row; and whether points are in front of the camera (..., H, W). Of the others
        the pixels are finite, and mean nothing.
    """
    check_intrinsics(K)
    in_front = points[..., 2] > NEAREST_M
    plane = points[..., :2] / torch.where(in_front, points[..., 2], 1)[..., None]
    focal, middle = K[..., [0, 1], [0, 1]], K[..., :2, 2]
    return plane * focal[..., None, None, :] + middle[..., None, None, :], in_front


def invert(T: Tensor) -> Tensor:
    """The inverse (..., 4, 4) of rigid transforms."""
    check_transforms(T)
    turn = T[..., :3, :3].mT
    return torch.cat([torch.cat([turn, -turn @ T[..., :3, 3:]], -1), T[..., 3:, :]], -2)


def relative_pose(T_rig_source: Tensor, T_rig_target: Tensor, motion: Tensor | None = None) -> Tensor:
    """T_source_target (..., 4, 4): from coordinates of the target camera to those of the source camera.

    The same camera at another time, another camera at the same time, and another camera at another time are one
    formula: E_source^-1 M E_target. Of a motion T_0 that camera 0 sees (from its coordinates at the target's time to
    those at the source's), M = E_0 T_0 E_0^-1, with which all cameras move as one rig.

    Args:
        T_rig_source: (..., 4, 4), E_source.
        T_rig_target: (..., 4, 4), E_target.
        motion: M (..., 4, 4), from rig coordinates at the target's time to those at the source's; None: same time.
    """
    return invert(T_rig_source) @ (T_rig_target if motion is None else motion @ T_rig_target)


def on_cylinder(points: Tensor, centre: tuple[float, float, float] = CENTRE) -> tuple[Tensor, Tensor]:
    """Where points are seen on an upright cylinder of radius 1 m, from its middle.

    theta = atan2(y, x), h = z / hypot(x, y), of points less `centre`: h is the tangent of the elevation. Of another
    radius h is a multiple, and in degrees, as `weights.Reach` has them, distances are the same.

    Source: CylinderDepth (Abualhanud et al., arXiv:2511.16428), cylindrical projection.

    Args:
        points: (..., 3) in rig coordinates, m.
        centre: In rig coordinates, m.

    Returns:
        Angle in [-pi, pi] rad and height m (..., 2); and whether they are defined (...): of a point on the axis both
        are 0, without a gradient.
    """
    x, y, z = (points - points.new_tensor(centre)).unbind(-1)
    defined = x.square() + y.square() > NEAREST_M**2
    x, y, z = torch.where(defined, x, 1), torch.where(defined, y, 0), torch.where(defined, z, 0)
    return torch.stack([torch.atan2(y, x), z / torch.hypot(x, y)], -1), defined


def at_stride(depth: Tensor, K: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Depths (..., H / stride, W / stride) and their K, as tokens of that stride see them: resized bilinearly.

    Pixel centres are at whole numbers, so that a principal point c becomes (c + 0.5) / stride - 0.5.

    Raises:
        ValueError: for a stride that does not divide height and width.
    """
    check_depth(depth)
    check_intrinsics(K)
    height, width = depth.shape[-2:]
    if stride < 1 or height % stride or width % stride:
        raise ValueError(f"stride={stride}: must divide height {height} and width {width}")
    flat = depth.reshape(-1, 1, height, width)
    small = F.interpolate(flat, size=(height // stride, width // stride), mode="bilinear", align_corners=False)
    scaled = K.clone()
    scaled[..., :2, :] /= stride
    scaled[..., :2, 2] += 0.5 / stride - 0.5
    return small.reshape(*depth.shape[:-2], *small.shape[-2:]), scaled


class Warped(NamedTuple):
    """What a target camera would see, by another camera's image.

    Attributes:
        image: (..., C, H, W) on the target's grid; it means something only where `valid`.
        in_front: (..., H, W) bool: the target's point is in front of the source camera.
        in_view: (..., H, W) bool: its pixel is in the source's image (only where `in_front`).
    """

    image: Tensor
    in_front: Tensor
    in_view: Tensor

    @property
    def valid(self) -> Tensor:
        """(..., H, W) bool: in front and in view. Occlusion is not tested."""
        return self.in_front & self.in_view


def warp(source: Tensor, depth: Tensor, K_source: Tensor, K_target: Tensor, T_source_target: Tensor) -> Warped:
    """The source's image sampled where the target's pixels are seen: bilinearly, beyond the edge its nearest pixel.

    A pixel is in view if it is less than half a pixel beyond the outermost centres.

    Source: Zhou et al., "Unsupervised Learning of Depth and Ego-Motion from Video" (CVPR 2017), equation 2.

    Args:
        source: Image (..., C, h, w) of the source camera, floating-point.
        depth: (..., H, W) z-depth of the target camera, m.
        K_source: (..., 3, 3) px.
        K_target: (..., 3, 3) px.
        T_source_target: (..., 4, 4), see `relative_pose`.

    Raises:
        ValueError: for shapes that do not fit, or no floating-point numbers.
    """
    if source.ndim < 3 or not source.is_floating_point():
        raise ValueError(f"source {tuple(source.shape)} of {source.dtype}: must be (..., C, h, w), floating-point")
    pixels, in_front = project(transform(T_source_target, backproject(depth, K_target)), K_source)
    size = pixels.new_tensor([source.shape[-1], source.shape[-2]])
    in_view = ((pixels > -0.5) & (pixels < size - 0.5)).all(-1) & in_front
    return Warped(sample(source, pixels, size), in_front, in_view)


def sample(source: Tensor, pixels: Tensor, size: Tensor) -> Tensor:
    """Images (..., C, h, w) of a size (2,) at pixels (..., H, W, 2): (..., C, H, W), bilinear, the edge repeated."""
    leading = torch.broadcast_shapes(source.shape[:-3], pixels.shape[:-3])
    images = source.expand(*leading, *source.shape[-3:]).reshape(-1, *source.shape[-3:])
    places = ((2 * pixels + 1) / size - 1).expand(*leading, *pixels.shape[-3:]).reshape(-1, *pixels.shape[-3:])
    seen = F.grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.reshape(*leading, *seen.shape[-3:])


def check_depth(depth: Tensor) -> None:
    """Raises ValueError unless depths are (..., H, W) floating-point."""
    if depth.ndim < 2 or not depth.is_floating_point():
        raise ValueError(f"depth {tuple(depth.shape)} of {depth.dtype}: must be (..., H, W), floating-point")


def check_intrinsics(K: Tensor) -> None:
    """Raises ValueError unless K is (..., 3, 3), with positive focal lengths, no skew and a last row of (0, 0, 1)."""
    if K.shape[-2:] != (3, 3) or not K.is_floating_point():
        raise ValueError(f"K {tuple(K.shape)} of {K.dtype}: must be (..., 3, 3), floating-point")
    given = K.detach()
    if not (given[..., [0, 1], [0, 1]] > 0).all() or not torch.isfinite(given).all():
        raise ValueError("K: focal lengths must be positive, and all of it finite")
    if given[..., [0, 1, 2, 2], [1, 0, 0, 1]].any() or (given[..., 2, 2] != 1).any():
        raise ValueError("K: must have no skew, and (0, 0, 1) for its last row")


def check_transforms(T: Tensor) -> None:
    """Raises ValueError unless transforms are (..., 4, 4)."""
    if T.shape[-2:] != (4, 4):
        raise ValueError(f"transform of shape {tuple(T.shape)}: must be (..., 4, 4)")
