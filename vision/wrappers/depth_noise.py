"""Errors of depth, every row's by its own seed, episode and step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import kernel, launch
from foveal.rng import normal, philox, uniform
from foveal.vision.wrappers.observation import Moments

Floats = NDArray[np.float32]
_ZERO, _ONE, _MINUS_TWO = np.float32(0), np.float32(1), np.float32(-2)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_OF_32_BITS, _TURN_OF_32_BITS = np.float32(2.0**-32), np.float32(2 * math.pi * 2.0**-32)
FAR_M = 80.0
"""Where depth ends in a world that does not say."""


@dataclass(frozen=True)
class DepthNoise:
    """Errors of depth. In this order: blur, a factor for each image, noise of pixels, range, holes.

    The factor of a camera is ``exp(scale_sigma (√(1 - ι) z_rig + √ι z_camera))`` with standard normal z and
    ι = `inconsistency`. Its distribution is log-normal with the same parameters whatever ι is, so that ι moves
    disagreement between cameras (from one factor for the whole rig, 0, to one for each camera, 1) and leaves each
    pixel's distribution of errors, hence every expected error of single images, exactly where it was.

    Each kind of error has random numbers of its own: to change one parameter leaves the draws of the others.

    Attributes:
        relative_sigma: Of each pixel's relative error: depth times 1 + σ z.
        additive_sigma_m: Of each pixel's absolute error, metres.
        scale_sigma: Of the logarithm of the factors.
        inconsistency: ι in [0, 1]: the part of that logarithm's variance which each camera has for itself.
        scale_per: When new factors are drawn, at each ``"step"`` or ``"episode"``.
        blur_px: Standard deviation of a Gaussian blur, pixels: edges bleed.
        dropped: Probability that a patch has no depth, which is told as 0.
        patch_px: Width and height of the patches, pixels.

    Raises:
        ValueError: naming a value out of range.
    """

    relative_sigma: float = 0.05
    additive_sigma_m: float = 0.0
    scale_sigma: float = 0.1
    inconsistency: float = 0.0
    scale_per: str = "step"
    blur_px: float = 0.0
    dropped: float = 0.0
    patch_px: int = 8

    def __post_init__(self) -> None:
        for name in ("relative_sigma", "additive_sigma_m", "scale_sigma", "blur_px"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0, and finite")
        for name in ("inconsistency", "dropped"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        if self.scale_per not in ("step", "episode"):
            raise ValueError(f"scale_per={self.scale_per!r}: must be 'step' or 'episode'")
        if self.patch_px < 1:
            raise ValueError(f"patch_px={self.patch_px}: must be at least 1")

    def add(self, depth: Floats, moments: Moments, far_m: float = FAR_M, salt: int = 0) -> Floats:
        """Depth with errors.

        Args:
            depth: (N, H, W), or (N, C, H, W) of rigs, z-depth m.
            moments: (N, 3): seed, episode and step; they decide the errors of a row.
            far_m: Where depth ends.
            salt: Tells apart what has the same moments; below 2^32.

        Returns:
            As many float32, in [0, far_m].
        """
        noisy = np.array(depth, np.float32, order="C")
        if self.blur_px:
            from scipy.ndimage import gaussian_filter

            noisy = gaussian_filter(noisy, self.blur_px, mode="nearest", axes=(-2, -1))
        sizes = _Sizes(
            np.float32(self.relative_sigma),
            np.float32(self.additive_sigma_m),
            self.scale_sigma * math.sqrt(1 - self.inconsistency),
            self.scale_sigma * math.sqrt(self.inconsistency),
            self.scale_per == "episode",
            float(self.dropped),
            self.patch_px,
            np.float32(far_m),
        )
        height, width = depth.shape[-2:]
        images = noisy.reshape(len(noisy), math.prod(depth.shape[1:-2]), height * width)
        noise = np.empty((len(noisy), -(-height * width // 4) * 4), np.float32)
        launch(spoil_rows, len(images), np.asarray(moments, np.int64), salt, sizes, width, noise, images, grain=1)
        return noisy


class _Sizes(NamedTuple):
    """`DepthNoise`, and where depth ends; the logarithm of a factor has a part of the rig and one of the camera."""

    relative: np.float32
    additive: np.float32
    of_rig: float
    of_camera: float
    per_episode: bool
    dropped: float
    patch: int
    far: np.float32


@kernel
def spoil_rows(start, stop, moments, salt, sizes, width, noise, depth):
    """Row kernel: add all errors but the blur.

    Args:
        start: First row.
        stop: Last one, plus one.
        moments: (N, 3) int64.
        salt: See `DepthNoise.add`.
        sizes: `_Sizes`.
        width: Of the images, pixels.
        noise: (N, ...) float32 scratch, as many as an image has pixels, or up to three more.
        depth: (N, C, H W) float32, in and out.
    """
    for r in range(start, stop):
        seed, episode, step = moments[r]
        factors = _key(seed, episode, 0 if sizes.per_episode else step, salt, 0)
        relative, additive = _key(seed, episode, step, salt, 1), _key(seed, episode, step, salt, 2)
        holes = _key(seed, episode, step, salt, 3)
        of_rig = sizes.of_rig * normal(factors, 0, 0)
        for c in range(depth.shape[1]):
            image = depth[r, c]
            factor = np.float32(math.exp(of_rig + sizes.of_camera * normal(factors, 0, 2 + 2 * c)))
            for i in range(image.size):
                image[i] *= factor
            if sizes.relative:
                _draw(relative, c, noise[r])
                for i in range(image.size):
                    image[i] *= _ONE + sizes.relative * noise[r, i]
            if sizes.additive:
                _draw(additive, c, noise[r])
                for i in range(image.size):
                    image[i] += sizes.additive * noise[r, i]
            for i in range(image.size):
                image[i] = min(max(image[i], _ZERO), sizes.far)
            if sizes.dropped:
                _pierce(holes, c, sizes, width, image)


@kernel
def _key(seed, episode, step, salt, kind):
    """A key of the random numbers of one kind of error at one moment."""
    of_moment, _ = philox(np.uint64(seed), np.uint64(step), np.uint64(episode))
    key, _ = philox(of_moment, np.uint64(salt), np.uint64(kind))
    return key


@kernel
def _draw(key, camera, out):
    """Fill an array, a multiple of four long, with numbers of mean 0 and standard deviation 1; see `rng.normal`."""
    for i in range(0, out.size, 4):
        bits = philox(key, np.uint64(i), np.uint64(camera))
        for k in range(2):
            radius = math.sqrt(_MINUS_TWO * math.log((np.float32(bits[k] & _LOW) + _ONE) * _OF_32_BITS))
            turn = np.float32(bits[k] >> _SHIFT) * _TURN_OF_32_BITS
            out[i + 2 * k], out[i + 2 * k + 1] = radius * math.cos(turn), radius * math.sin(turn)


@kernel
def _pierce(key, camera, sizes, width, image):
    """Make holes in an image."""
    rows, number = image.size // width, 0
    for top in range(0, rows, sizes.patch):
        for left in range(0, width, sizes.patch):
            if uniform(key, camera, number) < sizes.dropped:
                for y in range(top, min(top + sizes.patch, rows)):
                    image[y * width + left : y * width + min(left + sizes.patch, width)] = _ZERO
            number += 1
