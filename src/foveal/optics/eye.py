"""The foveated eye: what is seen of a picture when a point of it is fixated.

Resolution falls with eccentricity e as 1 / (1 + e / e2): cortical magnification, where e2 is the eccentricity at which
half of the fovea's is left (Strasburger, Rentschler and Jüttner, Journal of Vision 11, 2011; 2.3 degrees in Geisler
and Perry, "A real-time foveated multiresolution system", SPIE 3299, 1998). So a point is
seen at level log2(1 + e / e2) of a Gaussian pyramid, between two of its levels as their mixture.

The pyramid is kept at full resolution: level k is level k - 1 blurred by Burt and Adelson's kernel (1, 4, 6, 4, 1) / 16
(IEEE Transactions on Communications 31, 1983) with holes of 2^(k - 1), which is that pyramid before it is thinned out.
Beyond the edge every level goes on with its nearest pixel. Points are pixels, x right and y down, with pixel centres at
whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.kernels import inlined, kernel, launch

Floats = NDArray[np.float32]
MOST_LEVELS = 8


@dataclass(frozen=True)
class Eye:
    """How resolution falls with eccentricity.

    Attributes:
        px_per_deg: Pixels per degree of visual angle.
        e2_deg: Eccentricity at which resolution is half that of the fovea, degrees.
        levels: Of the pyramid, the picture itself among them; beyond the last nothing gets coarser.

    Raises:
        ValueError: for values that are not positive, or other than 2 to 8 levels.
    """

    px_per_deg: float
    e2_deg: float = 2.3
    levels: int = 5

    def __post_init__(self) -> None:
        for name in ("px_per_deg", "e2_deg"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must be a positive number")
        if not 2 <= self.levels <= MOST_LEVELS:
            raise ValueError(f"levels={self.levels}: must be in [2, {MOST_LEVELS}]")

    def level(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """The level at which a point (x, y) pixels from the fixation is seen."""
        eccentricity = np.hypot(x, y) / self.px_per_deg
        return np.minimum(np.log2(1 + eccentricity / self.e2_deg), self.levels - 1)

    def mixture(self, width: int, height: int) -> tuple[NDArray[np.uint8], Floats]:
        """Of a retinal image whose middle, column width // 2 and row height // 2, is the fixation: level and share.

        Returns:
            (H, W) the finer of the two levels that are mixed at each pixel, and (H, W) the coarser one's share.
        """
        x, y = np.meshgrid(np.arange(width) - width // 2, np.arange(height) - height // 2)
        level = self.level(x, y)
        finer = np.minimum(np.floor(level), self.levels - 2)
        return finer.astype(np.uint8), (level - finer).astype(np.float32)


def pyramid(images: NDArray[Any], levels: int) -> Floats:
    """The levels of pictures, all at full resolution.

    Args:
        images: (N, H, W), of any dtype.
        levels: L, the picture itself among them.

    Returns:
        (N, H, W, L) float32.

    Raises:
        ValueError: for another shape, or other than 1 to 8 levels.
    """
    if images.ndim != 3 or not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"images {images.shape}, levels={levels}: must be (N, H, W), and in [1, {MOST_LEVELS}]")
    stack = np.empty((*images.shape, levels), np.float32)
    scratch = np.empty((len(images), 2, *images.shape[1:]), np.float32)
    launch(blur_rows, len(images), images, scratch, stack, grain=1)
    return stack


def foveate(stack: NDArray[Any], fixations: ArrayLike, eye: Eye) -> Floats:
    """The pictures as they are seen, each pixel in its place.

    Args:
        stack: (N, H, W, L) from `pyramid`.
        fixations: (N, 2) x and y, pixels.
        eye: With as many levels.

    Returns:
        (N, H, W) float32.

    Raises:
        ValueError: for shapes that do not fit, or a fixation that is not finite.
    """
    fixations = _fixations(stack, fixations)
    _same_levels(stack, eye)
    height, width = stack.shape[1:3]
    x = np.arange(width) - fixations[:, 0, None, None]
    level = eye.level(x, np.arange(height)[:, None] - fixations[:, 1, None, None])  # (N, H, W)
    finer = np.minimum(np.floor(level), eye.levels - 2).astype(np.int64)[..., None]
    share = (level[..., None] - finer).astype(np.float32)
    low, high = (np.take_along_axis(stack, finer + step, -1).astype(np.float32) for step in (0, 1))
    seen: Floats = (low + share * (high - low))[..., 0]
    return seen


def retina(stack: NDArray[Any], fixations: ArrayLike, eye: Eye, size: int) -> NDArray[np.uint8]:
    """Retinal images: the surroundings of the fixations, coarser outwards.

    Args:
        stack: (N, H, W, L) from `pyramid`, in [0, 255].
        fixations: (N, 2) x and y, pixels; they are rounded to whole ones.
        eye: With as many levels.
        size: Width and height, pixels.

    Returns:
        (N, size, size) uint8; the fixation is in column and row size // 2.

    Raises:
        ValueError: as `foveate`, or for a size that is not in [1, 4096].
    """
    fixations = _fixations(stack, fixations)
    _same_levels(stack, eye)
    if not 1 <= size <= 4096:
        raise ValueError(f"size={size}: must be in [1, 4096]")
    images = np.empty((len(stack), size, size), np.uint8)
    rows = np.arange(len(stack))
    launch(retina_rows, len(stack), rows, stack, np.rint(fixations).astype(np.int64), *eye.mixture(size, size), images)
    return images


def glimpses(images: NDArray[Any], fixations: ArrayLike, size: int, scales: int) -> Floats:
    """Multi-scale glimpses: windows about the fixation, each twice as wide as the one before and as many pixels.

    Source: Mnih et al., "Recurrent models of visual attention" (NeurIPS 2014, arXiv:1406.6247).

    Args:
        images: (N, H, W), of any dtype.
        fixations: (N, 2) x and y, pixels; they are rounded to whole ones, which is the pixel below and to the right
            of each window's middle.
        size: Width and height of a glimpse, pixels; even.
        scales: K windows; a pixel of window k is the mean of 2^k by 2^k.

    Returns:
        (N, K, size, size) float32.

    Raises:
        ValueError: for shapes that do not fit, a fixation that is not finite, or a size or scales out of range.
    """
    fixations = _fixations(images, fixations)
    if size % 2 or not 2 <= size <= 1024 or not 1 <= scales <= MOST_LEVELS:
        raise ValueError(f"size={size}, scales={scales}: must be even in [2, 1024], and in [1, {MOST_LEVELS}]")
    seen = np.empty((len(images), scales, size, size), np.float32)
    launch(glimpse_rows, len(images), images, np.rint(fixations).astype(np.int64), seen, grain=1)
    return seen


def pooling_window(eccentricity_deg: ArrayLike, layer: int) -> NDArray[np.int64]:
    """Width of the window of eccNET's pooling layers at an eccentricity, pixels of what the layer pools.

    ``r = 2 + round(η (e - 4) d)`` beyond 4 degrees, where d is the layer's pixels per degree, of 30 in the picture.
    Source: Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953), with the values of its published
    code.

    Args:
        eccentricity_deg: Degrees.
        layer: 1 to 5.

    Raises:
        ValueError: for another layer, or an eccentricity below 0.
    """
    if layer not in range(1, 6):
        raise ValueError(f"layer={layer}: must be in [1, 5]")
    eccentricity = np.asarray(eccentricity_deg, np.float64)
    if not (eccentricity >= 0).all():
        raise ValueError(f"eccentricity_deg={eccentricity_deg!r}: must be at least 0")
    px_per_deg = round(30 / 2 ** (layer - 1))
    slope = (0.0, 0.0, 0.07, 0.16, 0.32)[layer - 1]
    return 2 + np.rint(slope * np.maximum(eccentricity - FOVEA_DEG, 0) * px_per_deg).astype(np.int64)


FOVEA_DEG = 4.0
"""Eccentricity up to which eccNET's windows are as small as in the middle."""


def _fixations(stack: NDArray[Any], fixations: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(fixations, np.float64)
    if points.shape != (len(stack), 2) or not np.isfinite(points).all():
        raise ValueError(f"fixations of shape {points.shape}: must be ({len(stack)}, 2), and finite")
    return points


def _same_levels(stack: NDArray[Any], eye: Eye) -> None:
    if stack.ndim != 4 or stack.shape[3] != eye.levels:
        raise ValueError(f"stack of shape {stack.shape}: must be (N, H, W, {eye.levels}), the eye's levels")


@kernel
def blur_rows(start, stop, images, scratch, stack):
    """Fill the levels of some pictures, rounded where they are whole numbers; `scratch` is (N, 2, H, W) float32."""
    height, width, levels = stack.shape[1:]
    half = np.float32(0.5 if stack.itemsize == 1 else 0.0)
    for row in range(start, stop):
        level, across = scratch[row, 0], scratch[row, 1]
        for v in range(height):
            for u in range(width):
                level[v, u] = images[row, v, u]
        for k in range(levels):
            if k:
                hole = 1 << (k - 1)
                for v in range(height):
                    _blur_line(level[v], hole, across[v])
                for v in range(height):
                    up, far_up = max(v - hole, 0), max(v - 2 * hole, 0)
                    down, far_down = min(v + hole, height - 1), min(v + 2 * hole, height - 1)
                    for u in range(width):
                        level[v, u] = _binomial(
                            across[far_up, u], across[up, u], across[v, u], across[down, u], across[far_down, u]
                        )
            for v in range(height):
                for u in range(width):
                    stack[row, v, u, k] = level[v, u] + half


@kernel
def _blur_line(line, hole, blurred):
    width, edge = line.size, min(2 * hole, line.size)
    for u in range(edge, width - edge):
        blurred[u] = _binomial(line[u - 2 * hole], line[u - hole], line[u], line[u + hole], line[u + 2 * hole])
    for k in range(2 * edge):
        u = k if k < edge else width - 1 - (k - edge)
        blurred[u] = _binomial(
            line[max(u - 2 * hole, 0)],
            line[max(u - hole, 0)],
            line[u],
            line[min(u + hole, width - 1)],
            line[min(u + 2 * hole, width - 1)],
        )


@inlined
def _binomial(a, b, c, d, e):
    return (a + e + np.float32(4.0) * (b + d) + np.float32(6.0) * c) * np.float32(1 / 16)


@kernel
def retina_rows(start, stop, rows, stack, fixations, finer, share, images):
    """See `retina`: of each of `rows`, its picture at its fixation into its image."""
    height, width = stack.shape[1:3]
    size_v, size_u = finer.shape
    for i in range(start, stop):
        row = rows[i]
        left, top = fixations[row, 0] - size_u // 2, fixations[row, 1] - size_v // 2
        for v in range(size_v):
            y = min(max(top + v, 0), height - 1)
            for u in range(size_u):
                levels = stack[row, y, min(max(left + u, 0), width - 1)]
                low = np.float32(levels[finer[v, u]])
                high = np.float32(levels[finer[v, u] + 1])
                images[row, v, u] = low + share[v, u] * (high - low) + np.float32(0.5)


@kernel
def glimpse_rows(start, stop, images, fixations, seen):
    """See `glimpses`."""
    height, width = images.shape[1:]
    scales, size = seen.shape[1:3]
    for row in range(start, stop):
        for scale in range(scales):
            step = 1 << scale
            left, top = fixations[row, 0] - size * step // 2, fixations[row, 1] - size * step // 2
            for v in range(size):
                for u in range(size):
                    total = 0.0
                    for y in range(top + v * step, top + (v + 1) * step):
                        for x in range(left + u * step, left + (u + 1) * step):
                            total += images[row, min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
                    seen[row, scale, v, u] = total / (step * step)
