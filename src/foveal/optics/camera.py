"""The pinhole camera: pixel centres at whole numbers, x right, y down, z forward (OpenCV's convention)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """An ideal pinhole camera.

    Attributes:
        width: Pixels.
        height: Pixels.
        fx: Focal length over the width of a pixel, pixels.
        fy: Likewise over its height.
        cx: Column of the principal point, pixels.
        cy: Its row.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if not 1 <= getattr(self, name) <= 8192:
                raise ValueError(f"{name}={getattr(self, name)}: must lie in 1..8192")
        for name in ("fx", "fy"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name}={getattr(self, name)}: must be a positive number")
        for name in ("cx", "cy"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)}: must be finite")

    @classmethod
    def from_vertical_fov(cls, width: int, height: int, fov: float) -> Camera:
        """A camera with square pixels that looks through the centre of its image.

        Args:
            width: Pixels.
            height: Pixels.
            fov: Vertical field of view, rad, from the upper edge of the first row to the lower one of the last.
        """
        if not 0 < fov < math.pi:
            raise ValueError(f"fov={fov}: must lie between 0 and pi rad")
        focal = height / 2 / math.tan(fov / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    def rays(self) -> Floats:
        """Directions (H, W, 3) through the pixel centres, in camera coordinates, with z = 1."""
        x = (np.arange(self.width) - self.cx) / self.fx
        y = (np.arange(self.height) - self.cy) / self.fy
        return np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width))], -1)

    def project(self, points: ArrayLike) -> Floats:
        """Pixels (..., 2), column and row, of points (..., 3) in camera coordinates.

        A point in the camera's plane has no finite one; one behind it gets the pixel of its mirror image.
        """
        points = np.asarray(points, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = points[..., :2] / points[..., 2:]
        return np.asarray(plane * (self.fx, self.fy) + (self.cx, self.cy))

    def unproject(self, depth: ArrayLike) -> Floats:
        """Points (..., H, W, 3) in camera coordinates of z-depths (..., H, W), m."""
        depth = np.asarray(depth, np.float64)
        if depth.shape[-2:] != (self.height, self.width):
            raise ValueError(f"depth of shape {depth.shape}: must end in ({self.height}, {self.width})")
        return np.asarray(self.rays() * depth[..., None])
