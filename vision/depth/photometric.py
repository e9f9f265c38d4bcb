"""How unlike two images are at each pixel, and in which direction each of its colours would have to change.

On a processor both come from compiled kernels, value and gradients in one pass over the images each; elsewhere
PyTorch differentiates the same formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from foveal.kernels import inlined, kernel, launch

ALPHA = 0.85
"""Share of SSIM in the photometric error."""

_C1, _C2 = 0.01**2, 0.03**2


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (..., C, H, W) in [-1, 1] of images (..., C, H, W), over windows of 3 x 3, mirrored beyond.

    Source: Wang et al. (IEEE TIP 13, 2004), equation 13, C1 = 0.01^2, C2 = 0.03^2; means over the window instead of
    Gaussian ones, as Godard et al. (CVPR 2017) have it.

    Raises:
        ValueError: for images that are not alike, or smaller than 2 x 2.
    """
    _check_images(a, b)
    mean_a, mean_b, square_a, square_b, product = (_window_mean(x) for x in (a, b, a * a, b * b, a * b))
    var_a, var_b, covariance = square_a - mean_a**2, square_b - mean_b**2, product - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return above / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2))


def photometric(a: Tensor, b: Tensor, alpha: float = ALPHA) -> Tensor:
    """Error (..., H, W) of images (..., C, H, W): alpha (1 - SSIM) / 2 + (1 - alpha) |a - b|, mean over the channels.

    Source: Godard et al., "Monodepth2" (ICCV 2019), section 3.1; (1 - SSIM) / 2 is kept in [0, 1].

    Raises:
        ValueError: as `ssim`.
    """
    _check_images(a, b)
    if a.device.type == "cpu" and a.dtype in (torch.float32, torch.float64):
        error: Tensor = _Photometric.apply(a, b, alpha)
        return error
    unlike = ((1 - ssim(a, b)) / 2).clamp(0, 1)
    return (alpha * unlike + (1 - alpha) * (a - b).abs()).mean(-3)


class _Photometric(torch.autograd.Function):
    """`photometric` by kernels; differentiable once."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, alpha: float) -> Tensor:
        images = [np.ascontiguousarray(x.detach().numpy()).reshape(-1, *x.shape[-3:]) for x in (a, b)]
        count, channels, height, width = images[0].shape
        numbers = np.array([alpha / 2, 1 - alpha, _C1, _C2, 1 / 9, 1 / channels, 1, 2], images[0].dtype)
        error = np.empty((count, height, width), numbers.dtype)
        learning = any(ctx.needs_input_grad)
        slopes = np.empty((4, *images[0].shape) if learning else (4, 0, 0, 0, 0), numbers.dtype)
        rows = np.empty((count, 5, width + 2), numbers.dtype)
        launch(compare_rows, count, *images, numbers, rows, error, slopes, grain=4)
        if learning:
            ctx.kept = images, numbers, rows, slopes
        return torch.from_numpy(error).reshape(*a.shape[:-3], height, width)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        images, numbers, rows, slopes = ctx.kept
        of_error = np.ascontiguousarray(gradient.numpy()).reshape(-1, *gradient.shape[-2:])
        of_images = np.empty_like(images[0]), np.empty_like(images[1])
        launch(spread_rows, len(of_error), *images, numbers, rows, slopes, of_error, *of_images, grain=4)
        a, b = (torch.from_numpy(x).reshape(*gradient.shape[:-2], *x.shape[-3:]) for x in of_images)
        return a, b, None


@kernel
def compare_rows(start, stop, a, b, numbers, sums, error, slopes):
    """Row kernel: errors of images, and how they change with what SSIM is made of.

    Args:
        start: First image.
        stop: Last one, plus one.
        a: (M, C, H, W) float32 or float64.
        b: (M, C, H, W).
        numbers: (8,) alpha / 2, 1 - alpha, C1, C2, 1 / 9, 1 / C, 1 and 2, of the images' type.
        sums: (M, 5, W + 2) scratch: sums over three rows of a, b, a a, b b and a b, with a mirrored column each side.
        error: Out (M, H, W).
        slopes: Out (4, M, C, H, W): change of a pixel's error with the window's mean of a, of b, of a a (and b b), and
            of a b; (4, 0, ...): not wanted.
    """
    channels, height, width = a.shape[1], a.shape[2], a.shape[3]
    share, rest, ninth = numbers[0], numbers[1], numbers[4]
    per_channel, one, two = numbers[5], numbers[6], numbers[7]
    zero = one - one  # of the images' type: a literal would turn the loops to double precision
    for m in range(start, stop):
        error[m] = zero
        own = sums[m]
        for c in range(channels):
            for row in range(height):
                _sum_three(a[m, c], b[m, c], row, own)
                out, plane_a, plane_b = error[m, row], a[m, c, row], b[m, c, row]
                for x in range(width):
                    like = _likeness(own, x, numbers)[0]
                    unlike = share * (one - like)
                    bounded = min(max(unlike, zero), two * share)
                    out[x] += (bounded + rest * abs(plane_a[x] - plane_b[x])) * per_channel
                if slopes.shape[1] == 0:
                    continue
                by_a, by_b = slopes[0, m, c, row], slopes[1, m, c, row]
                by_square, by_product = slopes[2, m, c, row], slopes[3, m, c, row]
                for x in range(width):
                    like, mean_a, mean_b, light, texture, light_norm, texture_norm, below = _likeness(own, x, numbers)
                    unlike = share * (one - like)
                    slope = -share * per_channel * ninth if zero <= unlike <= two * share else zero
                    cross = two * (texture - light) * below
                    along = two * like * (texture_norm - light_norm) * below
                    by_a[x] = slope * (cross * mean_b - along * mean_a)
                    by_b[x] = slope * (cross * mean_a - along * mean_b)
                    by_square[x] = -slope * like * light_norm * below
                    by_product[x] = slope * two * light * below


@inlined
def _likeness(sums, x, numbers):
    """SSIM of the window around a column, and what it is made of."""
    c1, c2, ninth, one, two = numbers[2], numbers[3], numbers[4], numbers[6], numbers[7]
    mean_a = (sums[0, x] + sums[0, x + 1] + sums[0, x + 2]) * ninth
    mean_b = (sums[1, x] + sums[1, x + 1] + sums[1, x + 2]) * ninth
    square_a = (sums[2, x] + sums[2, x + 1] + sums[2, x + 2]) * ninth
    square_b = (sums[3, x] + sums[3, x + 1] + sums[3, x + 2]) * ninth
    product = (sums[4, x] + sums[4, x + 1] + sums[4, x + 2]) * ninth
    both, squares = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    light, texture = two * both + c1, two * (product - both) + c2
    light_norm, texture_norm = squares + c1, square_a + square_b - squares + c2
    below = one / (light_norm * texture_norm)
    return light * texture * below, mean_a, mean_b, light, texture, light_norm, texture_norm, below


@kernel
def _sum_three(a, b, row, sums):
    """Sums over the rows around one, and a mirrored column on each side."""
    height, width = a.shape
    up, down = row - 1 if row > 0 else 1, row + 1 if row + 1 < height else height - 2
    a0, a1, a2, b0, b1, b2 = a[up], a[row], a[down], b[up], b[row], b[down]
    for x in range(width):
        sums[0, x + 1] = a0[x] + a1[x] + a2[x]
        sums[1, x + 1] = b0[x] + b1[x] + b2[x]
        sums[2, x + 1] = a0[x] * a0[x] + a1[x] * a1[x] + a2[x] * a2[x]
        sums[3, x + 1] = b0[x] * b0[x] + b1[x] * b1[x] + b2[x] * b2[x]
        sums[4, x + 1] = a0[x] * b0[x] + a1[x] * b1[x] + a2[x] * b2[x]
    for k in range(5):
        sums[k, 0], sums[k, width + 1] = sums[k, 2], sums[k, width - 1]


@kernel
def spread_rows(start, stop, a, b, numbers, sums, slopes, of_error, of_a, of_b):
    """Row kernel: gradients of images by those of their errors, every window's share to all of its pixels.

    Args:
        start: First image.
        stop: Last one, plus one.
        a: See `compare_rows`.
        b: Likewise.
        numbers: Likewise.
        sums: (M, 5, W + 2) scratch.
        slopes: Likewise.
        of_error: (M, H, W).
        of_a: Out (M, C, H, W).
        of_b: Out (M, C, H, W).
    """
    channels, height, width = a.shape[1], a.shape[2], a.shape[3]
    flat, two = numbers[1] * numbers[5], numbers[7]
    zero = two - two
    for m in range(start, stop):
        own, gradient = sums[m], of_error[m]
        for c in range(channels):
            for row in range(height):
                for k in range(4):
                    _gather_three(slopes[k, m, c], gradient, row, own[k])
                plane_a, plane_b, out_a, out_b = a[m, c, row], b[m, c, row], of_a[m, c, row], of_b[m, c, row]
                upright = gradient[row]
                for x in range(width):
                    by_a = own[0, x] + own[0, x + 1] + own[0, x + 2]
                    by_b = own[1, x] + own[1, x + 1] + own[1, x + 2]
                    by_square = two * (own[2, x] + own[2, x + 1] + own[2, x + 2])
                    by_product = own[3, x] + own[3, x + 1] + own[3, x + 2]
                    step = flat * upright[x]
                    side = step if plane_a[x] > plane_b[x] else (-step if plane_a[x] < plane_b[x] else zero)
                    out_a[x] = by_a + plane_a[x] * by_square + plane_b[x] * by_product + side
                    out_b[x] = by_b + plane_b[x] * by_square + plane_a[x] * by_product - side
                for end in range(2):  # the mirrored columns
                    x, outer = (1, 1) if end == 0 else (width - 2, width)
                    out_a[x] += own[0, outer] + plane_a[x] * two * own[2, outer] + plane_b[x] * own[3, outer]
                    out_b[x] += own[1, outer] + plane_b[x] * two * own[2, outer] + plane_a[x] * own[3, outer]


@kernel
def _gather_three(slopes, gradient, row, sums):
    """Sums, over the windows of the rows that a row is in, of slopes times gradients; mirrored rows count twice."""
    height, width = slopes.shape
    sums[:] = 0
    for near in range(max(row - 1, 0), min(row + 2, height)):
        times = 1 + (near == 0 and row == 1) + (near == height - 1 and row == height - 2)
        for _ in range(times):
            for x in range(width):
                sums[x + 1] += slopes[near, x] * gradient[near, x]


def _window_mean(x: Tensor) -> Tensor:
    """Means over 3 x 3 pixels, by sums along each axis: a pooling layer takes several times as long for one channel."""
    padded = F.pad(x.reshape(-1, 1, *x.shape[-2:]), (1, 1, 1, 1), mode="reflect")
    rows = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    return ((rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]) / 9).reshape(x.shape)


def _check_images(a: Tensor, b: Tensor) -> None:
    alike = a.shape == b.shape and a.dtype == b.dtype and a.is_floating_point()
    if not alike or a.ndim < 3 or min(a.shape[-2:]) < 2:
        raise ValueError(
            f"images {tuple(a.shape)} of {a.dtype} and {tuple(b.shape)} of {b.dtype}: must be alike (..., C, H, W), "
            "floating-point, H and W at least 2"
        )
