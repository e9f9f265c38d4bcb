"""The pinhole camera, and what a lens makes of it: pixel centres at whole numbers, x right, y down, z forward.

These are OpenCV's conventions, and so are the orders of distortion coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Lens = Literal["pinhole", "fisheye"]
COEFFICIENTS: dict[Lens, tuple[int, ...]] = {"pinhole": (0, 4, 5, 8), "fisheye": (0, 4)}
"""How many distortion coefficients a lens may have."""


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


def through_lens(directions: ArrayLike, lens: Lens, distortion: tuple[float, ...] = ()) -> Floats:
    """Where a lens puts directions in the plane at z = 1, before the camera's matrix makes pixels of it.

    A pinhole's distortion is Brown's (k1, k2, p1, p2[, k3[, k4, k5, k6]]), with k4 to k6 in the denominator; a
    fisheye's image is θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸) from the middle, θ being the angle to the axis (Kannala and
    Brandt, IEEE TPAMI 28, 2006). Both are OpenCV's models; they are trusted up to where the image first folds back.

    Args:
        directions: (..., 3) in camera coordinates, of any length but 0.
        lens: Which.
        distortion: As many coefficients as `COEFFICIENTS` allows.

    Returns:
        (..., 2) x and y; NaN for directions of which there is no image: for a pinhole those behind it, and for both
        those beyond the fold.
    """
    x, y, z = np.moveaxis(np.asarray(directions, np.float64), -1, 0)
    across = np.hypot(x, y)
    angle = np.arctan2(across, z)
    with np.errstate(all="ignore"):  # beyond the fold
        radius = _radius(angle, lens, distortion)
        plane = np.stack([x, y], -1) * np.where(across > 0, radius / across, 1.0)[..., None]
        if lens == "pinhole" and distortion:
            plane += _tangential(x / z, y / z, distortion[2], distortion[3])
    plane[angle >= _fold(lens, distortion)] = np.nan
    return np.asarray(plane)


def out_of_lens(plane: ArrayLike, lens: Lens, distortion: tuple[float, ...] = ()) -> Floats:
    """Directions that a lens puts at places in the plane at z = 1: the inverse of `through_lens`, by Newton's method.

    Args:
        plane: (..., 2) x and y, before the camera's matrix.
        lens: Which.
        distortion: As many coefficients as `COEFFICIENTS` allows.

    Returns:
        (..., 3) in camera coordinates, of length 1; NaN where the lens puts none.
    """
    plane = np.asarray(plane, np.float64)
    angles = np.linspace(0, _fold(lens, distortion), _SAMPLES, endpoint=False)
    spread = angles if lens == "fisheye" else np.tan(angles)
    distance = np.hypot(*np.moveaxis(plane, -1, 0))
    with np.errstate(all="ignore"):
        share = np.interp(distance, _radius(angles, lens, distortion), spread, right=np.nan) / distance
        at = plane * np.where(distance > 0, share, 1.0)[..., None]
        for _ in range(_NEWTON_STEPS if distortion else 0):
            image, (by_x, by_y) = _spread_image(at, lens, distortion), _slopes(at, lens, distortion)
            x, y = np.moveaxis(plane - image, -1, 0)
            area = by_x[..., 0] * by_y[..., 1] - by_x[..., 1] * by_y[..., 0]
            step = np.stack([x * by_y[..., 1] - y * by_y[..., 0], y * by_x[..., 0] - x * by_x[..., 1]], -1)
            at = at + step / area[..., None]
        rays = _spread_rays(at, lens)
        rays[~(np.abs(through_lens(rays, lens, distortion) - plane) < _EXACT).all(-1)] = np.nan
    return rays


def _spread_rays(at: Floats, lens: Lens) -> Floats:
    """Directions (..., 3) of length 1 from where they are without distortion: angles of a fisheye, else the plane."""
    if lens == "pinhole":
        rays = np.concatenate([at, np.ones_like(at[..., :1])], -1)
        return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))
    angle = np.hypot(at[..., :1], at[..., 1:])
    return np.concatenate([at * np.sinc(angle / math.pi), np.cos(angle)], -1)


def _spread_image(at: Floats, lens: Lens, distortion: tuple[float, ...]) -> Floats:
    return through_lens(_spread_rays(at, lens), lens, distortion)


def _slopes(at: Floats, lens: Lens, distortion: tuple[float, ...]) -> list[Floats]:
    """Change (..., 2) of the image with x and with y."""
    steps = np.array([[_STEP, 0], [0, _STEP]])
    ahead, behind = ([_spread_image(at + side * step, lens, distortion) for step in steps] for side in (1, -1))
    return [(a - b) / (2 * _STEP) for a, b in zip(ahead, behind, strict=True)]


def _radius(angle: Floats, lens: Lens, distortion: tuple[float, ...]) -> Floats:
    """How far from the middle of the plane the image is of a direction at an angle to the axis."""
    if lens == "fisheye":
        return np.asarray(angle * np.polyval((*distortion[::-1], 1.0), angle**2))
    plane = np.tan(np.minimum(angle, _STEEPEST))
    k1, k2, _, _, k3, *rest = (*distortion, *[0.0] * 5)[: max(5, len(distortion))]
    return np.asarray(plane * np.polyval((k3, k2, k1, 1.0), plane**2) / np.polyval((*rest[::-1], 1.0), plane**2))


def _tangential(x: Floats, y: Floats, p1: float, p2: float) -> Floats:
    squared = x**2 + y**2
    return np.stack([2 * p1 * x * y + p2 * (squared + 2 * x**2), p1 * (squared + 2 * y**2) + 2 * p2 * x * y], -1)


_STEEPEST = math.radians(89.95)
_SAMPLES, _NEWTON_STEPS, _STEP = 4096, 8, 1e-6
_EXACT = 1e-7
"""How near the image of a direction must come to a place, in units of the plane."""


def _fold(lens: Lens, distortion: tuple[float, ...]) -> float:
    """The angle to the axis at which the image ends, to 0.05 degrees."""
    end = math.pi if lens == "fisheye" else _STEEPEST
    if not distortion:
        return end
    angles = np.linspace(0, end, round(math.degrees(end) / 0.05))
    with np.errstate(all="ignore"):
        growing = np.diff(_radius(angles, lens, distortion)) > 0
    return end if growing.all() else float(angles[growing.argmin()])
