"""Camera rigs: cameras that keep their places to each other.

Rig frame: right-handed, x forward, y left, z up, metres. Camera frame: OpenCV's, x right, y down, z forward.
`T_rig_cam` maps camera coordinates to rig coordinates. What a rig sees is told by `foveal.optics.coverage`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.optics.camera import COEFFICIENTS, Camera, Lens, out_of_lens, through_lens
from foveal.optics.transforms import look, place

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_CAMERAS = 512
FARTHEST_M = 50.0
"""From the rig's origin; a camera beyond is taken for one given in millimetres."""
SLACK = 1e-4
"""By which R Rᵀ may differ from the identity in any number."""


@dataclass(frozen=True, eq=False)
class RigCamera:
    """One camera of a rig.

    Attributes:
        name: Unlike those of the others.
        width: Pixels.
        height: Pixels.
        K: (3, 3) its matrix, pixels: focal lengths and principal point, no skew; pixel centres at whole numbers.
        T_rig_cam: (4, 4) maps camera coordinates to rig coordinates, m.
        lens: "pinhole" or "fisheye".
        distortion: Coefficients in OpenCV's order (`through_lens`); none is none.
        rate_hz: Pictures a second.
        mask: (H, W) False where the picture is of no use, such as on the car's own body; None is all of use.

    Raises:
        ValueError: one line with the camera's name, for anything that cannot be, and a position that looks like
            millimetres.
    """

    name: str
    width: int
    height: int
    K: Floats
    T_rig_cam: Floats
    lens: Lens = "pinhole"
    distortion: tuple[float, ...] = ()
    rate_hz: float = 10.0
    mask: Mask | None = None

    def __post_init__(self) -> None:
        _check_name(self.name, "a camera's name")
        try:
            self._check()
        except ValueError as error:
            raise ValueError(f"camera {self.name!r}: {error}") from None

    def _check(self) -> None:
        for size in ("width", "height"):
            if not isinstance(getattr(self, size), (int, np.integer)) or isinstance(getattr(self, size), bool):
                raise ValueError(f"{size}={getattr(self, size)!r}: must be a whole number")
        for name, side in (("K", 3), ("T_rig_cam", 4)):
            object.__setattr__(self, name, _matrix(name, getattr(self, name), side))
        self._check_intrinsics()
        _check_pose(self.T_rig_cam)
        object.__setattr__(self, "distortion", _coefficients(self.lens, self.distortion))
        if not 0 < self.rate_hz <= 10_000:
            raise ValueError(f"rate_hz={self.rate_hz!r}: must be in (0, 10000]")
        if self.mask is not None:
            object.__setattr__(self, "mask", _checked_mask(self.mask, (self.height, self.width)))

    def _check_intrinsics(self) -> None:
        if abs(np.linalg.det(self.K)) < 1e-9:
            raise ValueError("K: is singular")
        if self.K[0, 1] or self.K[1, 0]:
            raise ValueError(f"K: has a skew of {self.K[0, 1]:g}, {self.K[1, 0]:g}; must have none")
        camera = self.camera
        if not (-0.5 <= camera.cx <= self.width - 0.5 and -0.5 <= camera.cy <= self.height - 0.5):
            point, size = f"({camera.cx:g}, {camera.cy:g})", f"{self.width} x {self.height}"
            raise ValueError(
                f"K: its principal point {point} is outside of the picture of {size}; is K of another size?"
            )

    @property
    def camera(self) -> Camera:
        """The ideal pinhole camera of this matrix, without the lens."""
        (fx, _, cx), (_, fy, cy) = self.K[:2].tolist()
        return Camera(int(self.width), int(self.height), fx, fy, cx, cy)

    def project(self, points: ArrayLike) -> Floats:
        """Pixels (..., 2), column and row, of points (..., 3) in camera coordinates; NaN where there is no image."""
        return through_lens(points, self.lens, self.distortion) * self.K[[0, 1], [0, 1]] + self.K[:2, 2]

    def rays(self) -> Floats:
        """Directions (H, W, 3) of length 1 through the pixel centres, in camera coordinates; NaN: there is none."""
        pixels = np.stack(np.meshgrid(np.arange(self.width), np.arange(self.height)), -1)
        return out_of_lens((pixels - self.K[:2, 2]) / self.K[[0, 1], [0, 1]], self.lens, self.distortion)

    def sees(self, points: ArrayLike) -> Mask:
        """Whether points (..., 3) in camera coordinates are in the picture, where the mask lets it count."""
        pixels = self.project(points)
        with np.errstate(invalid="ignore"):
            inside = np.asarray(((pixels >= -0.5) & (pixels < (self.width - 0.5, self.height - 0.5))).all(-1))
        if self.mask is not None:
            column, row = np.floor(pixels[inside] + 0.5).astype(np.int64).T
            inside[inside] = self.mask[row, column]
        return inside

    def scaled(self, width: int, height: int) -> RigCamera:
        """The same camera with another number of pixels for the same picture; the mask's nearest ones are taken."""
        ratio = np.array([width / self.width, height / self.height])
        K = self.K.copy()
        K[[0, 1], [0, 1]] *= ratio
        K[:2, 2] = (K[:2, 2] + 0.5) * ratio - 0.5
        mask = self.mask
        if mask is not None:
            rows, columns = (
                (np.arange(new) + 0.5) * old // new for new, old in zip((height, width), mask.shape, strict=True)
            )
            mask = mask[np.ix_(rows.astype(np.int64), columns.astype(np.int64))]
        return replace(self, width=width, height=height, K=K, mask=mask)


@dataclass(frozen=True, eq=False)
class RigSpec:
    """Cameras that keep their places to each other.

    Attributes:
        name: What the rig is called.
        cameras: N, in the order in which arrays have them.

    Raises:
        ValueError: for no cameras, more than 512, or two of one name.
    """

    name: str
    cameras: tuple[RigCamera, ...]

    def __post_init__(self) -> None:
        _check_name(self.name, "a rig's name")
        object.__setattr__(self, "cameras", tuple(self.cameras))
        if not 1 <= len(self.cameras) <= MOST_CAMERAS:
            raise ValueError(f"rig {self.name!r}: has {len(self.cameras)} cameras, must have 1 to {MOST_CAMERAS}")
        names = [camera.name for camera in self.cameras]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"rig {self.name!r}: {names.count(name)} cameras are called {name!r}")

    @property
    def K(self) -> Floats:
        """(N, 3, 3) the cameras' matrices, pixels."""
        return np.stack([camera.K for camera in self.cameras])

    @property
    def T_rig_cam(self) -> Floats:
        """(N, 4, 4) from camera to rig coordinates, m."""
        return np.stack([camera.T_rig_cam for camera in self.cameras])

    def scaled(self, width: int, height: int) -> RigSpec:
        """The same rig with pictures of another size, pixels."""
        return replace(self, cameras=tuple(camera.scaled(width, height) for camera in self.cameras))


def mount(position: ArrayLike, yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """T_rig_cam (4, 4) of a camera.

    Args:
        position: (3,) m, of the optical centre.
        yaw: rad, counter-clockwise seen from above; 0 looks along x.
        pitch: rad, up is positive.
        roll: rad, about the optical axis; positive lowers the camera's right side.
    """
    return look(position, yaw - math.pi / 2, pitch) @ place(yaw=roll)


def orientation(T_rig_cam: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a camera as `mount` takes them, rad; one that looks straight up or down has no roll."""
    turn = T_rig_cam[:3, :3]
    x, y, z = turn[:, 2]
    pitch = math.atan2(z, math.hypot(x, y))
    if math.hypot(x, y) < 1e-6:
        return math.atan2(turn[0, 0], -turn[1, 0]), pitch, 0.0
    yaw = math.atan2(y, x)
    rolled = mount((0, 0, 0), yaw, pitch)[:3, :3].T @ turn
    return yaw, pitch, math.atan2(rolled[1, 0], rolled[0, 0])


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isprintable() or name != name.strip():
        raise ValueError(f"{str(name)[:64]!r}: {what} must be 1 to 64 printable characters")


def _matrix(name: str, value: Any, side: int) -> Floats:
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be {side} by {side} numbers") from None
    if matrix.shape != (side, side):
        raise ValueError(f"{name} of shape {matrix.shape}: must be ({side}, {side})")
    if not (np.abs(matrix) < 1e9).all():
        raise ValueError(f"{name}: must be finite, and below 1e9")
    if not (matrix[-1] == [0] * (side - 1) + [1]).all():
        raise ValueError(f"{name}: its last row must be {' '.join('0' * (side - 1))} 1")
    matrix.flags.writeable = False
    return matrix


def _check_pose(T_rig_cam: Floats) -> None:
    turn, position = T_rig_cam[:3, :3], T_rig_cam[:3, 3]
    if (off := np.abs(turn @ turn.T - np.eye(3)).max()) > SLACK:
        raise ValueError(f"T_rig_cam: its rotation is not orthonormal (R R' is off by {off:.2g}, more than {SLACK:g})")
    if np.linalg.det(turn) < 0:
        raise ValueError("T_rig_cam: its rotation is left-handed (its determinant is -1)")
    if (far := np.linalg.norm(position)) > FARTHEST_M:
        where = f"{far:.4g} m from the rig's origin, more than {FARTHEST_M:g} m"
        raise ValueError(f"T_rig_cam: its position is {where}; are these millimetres?")


def _coefficients(lens: Any, distortion: Any) -> tuple[float, ...]:
    if lens not in get_args(Lens):
        raise ValueError(f"lens={lens!r}: must be one of {', '.join(get_args(Lens))}")
    try:
        coefficients = tuple(float(number) for number in distortion)
    except (TypeError, ValueError):
        raise ValueError(f"distortion={distortion!r}: must be numbers") from None
    counts = COEFFICIENTS[lens]
    if len(coefficients) not in counts:
        raise ValueError(f"distortion: has {len(coefficients)} numbers, a {lens} has {', '.join(map(str, counts))}")
    if not np.isfinite(coefficients).all():
        raise ValueError("distortion: must be finite")
    return coefficients


def _checked_mask(mask: Any, shape: tuple[int, int]) -> Mask:
    checked: Mask = np.array(mask)
    if checked.dtype != np.bool_ or checked.shape != shape:
        raise ValueError(
            f"mask {checked.dtype} of shape {checked.shape}: must be bool of shape {shape}, as the picture"
        )
    if not checked.any():
        raise ValueError("mask: leaves nothing of the picture")
    checked.flags.writeable = False
    return checked
