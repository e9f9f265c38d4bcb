"""The foveated eye for networks: the twin of `foveal.optics.eye`, with gradients, and eccNET's pooling.

Images are (B, C, H, W); fixations (B, 2) x and y in pixels, x right and y down, pixel centres at whole numbers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.optics.eye import MOST_LEVELS, Eye, pooling_window

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def pyramid(images: Tensor, levels: int) -> Tensor:
    """The levels (L, B, C, H, W) of images (B, C, H, W), all at full resolution; see `foveal.optics.eye.pyramid`.

    Raises:
        ValueError: for another shape, no floating-point numbers, or other than 1 to 8 levels.
    """
    _check(images)
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"levels={levels}: must be in [1, {MOST_LEVELS}]")
    planes = [images]
    for level in range(1, levels):
        planes.append(_blurred(planes[-1], 1 << (level - 1)))
    return torch.stack(planes)


def foveate(images: Tensor, fixations: Tensor, eye: Eye) -> Tensor:
    """Images (B, C, H, W) as they are seen, each pixel in its place; see `foveal.optics.eye.foveate`.

    Gradients reach the images and, where resolution changes with eccentricity, the fixations.

    Raises:
        ValueError: for shapes that do not fit, or no floating-point numbers.
    """
    _check(images, fixations)
    planes = pyramid(images, eye.levels)
    height, width = images.shape[-2:]
    x = torch.arange(width, dtype=images.dtype, device=images.device) - fixations[:, :1]  # (B, W)
    y = torch.arange(height, dtype=images.dtype, device=images.device) - fixations[:, 1:]  # (B, H)
    square = x[:, None, :] ** 2 + y[:, :, None] ** 2
    far = square.clamp(min=torch.finfo(images.dtype).tiny).sqrt() / eye.px_per_deg  # (B, H, W)
    level = torch.log2(1 + far / eye.e2_deg).clamp(max=eye.levels - 1)[:, None]  # (B, 1, H, W)
    weights = [(1 - (level - k).abs()).clamp(min=0) for k in range(eye.levels)]
    seen: Tensor = sum(weight * plane for weight, plane in zip(weights, planes, strict=True))
    return seen


def glimpses(images: Tensor, fixations: Tensor, size: int, scales: int) -> Tensor:
    """Windows (B, K, C, size, size) about the fixations, each twice as wide; see `foveal.optics.eye.glimpses`.

    Raises:
        ValueError: for shapes that do not fit, no floating-point numbers, or a size or scales out of range.
    """
    _check(images, fixations)
    if size % 2 or not 2 <= size <= 1024 or not 1 <= scales <= MOST_LEVELS:
        raise ValueError(f"size={size}, scales={scales}: must be even in [2, 1024], and in [1, {MOST_LEVELS}]")
    height, width = images.shape[-2:]
    at = fixations.detach().round().long()
    rows = torch.arange(len(images), device=images.device)[:, None, None]
    seen = []
    for scale in range(scales):
        half = size << scale >> 1
        offsets = torch.arange(-half, half, device=images.device)
        x = (at[:, :1] + offsets).clamp(0, width - 1)[:, None, :]
        y = (at[:, 1:] + offsets).clamp(0, height - 1)[:, :, None]
        window = images.movedim(1, -1)[rows, y, x].movedim(-1, 1)  # (B, C, size 2^k, size 2^k)
        seen.append(F.avg_pool2d(window, 1 << scale))
    return torch.stack(seen, 1)


class EccentricPool2d(nn.Module):
    """eccNET's pooling: averages over windows that grow with the distance from the middle, at a stride of 2.

    An output pixel at eccentricity e is the mean over a window about the 2 x 2 pixels that ordinary pooling takes, as
    wide as `foveal.optics.eye.pooling_window` says of e rounded up to whole degrees; of an odd one the extra pixel is
    to the right and below. Beyond the edge the input goes on with its nearest pixel.

    Source: Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953); the fixation is in the
    middle of the input.

    Args:
        layer: 1 to 5: which of VGG16's pooling layers, at 30 px per degree of the picture.
        stride: 2; or 1, to stand before a layer that has a stride of 2 itself: windows are narrower by one, so that
            both together see as far as the pooling.

    Raises:
        ValueError: for another layer or stride.
    """

    def __init__(self, layer: int, stride: int = 2) -> None:
        super().__init__()
        pooling_window(0.0, layer)  # checks it
        if stride not in (1, 2):
            raise ValueError(f"stride={stride}: must be 1 or 2")
        self.layer, self.stride, self.px_per_deg = layer, stride, round(30 / 2 ** (layer - 1))

    def windows(self, height: int, width: int, middle: tuple[float, float] | None = None) -> Tensor:
        """Of an input (…, height, width), the window of each output pixel int64.

        Args:
            height: Of the input.
            width: Of it.
            middle: Where the fixation is: pixels of the input to the left of it, and above; None: half of them.
        """
        s, (x, y) = self.stride, middle or (width / 2, height / 2)
        across, down = (
            ((torch.arange(n // s, dtype=torch.float64) + 0.5) * s - at) / self.px_per_deg
            for n, at in ((width, x), (height, y))
        )
        whole = torch.hypot(*torch.meshgrid(down, across, indexing="ij")).ceil()
        return torch.from_numpy(pooling_window(whole.numpy(), self.layer)) - (2 - s)

    def forward(self, features: Tensor, middle: tuple[float, float] | None = None) -> Tensor:
        """Pooled features (B, C, H // stride, W // stride) of (B, C, H, W), H and W at least 2; see `windows`."""
        _check(features)
        s = self.stride
        height, width = (n // s * s for n in features.shape[-2:])
        features, windows = features[..., :height, :width], self.windows(height, width, middle).to(features.device)
        if (windows == s).all():  # as it is in the first two layers, which have the most pixels
            return F.avg_pool2d(features, s)
        pooled = features.new_zeros(*features.shape[:2], height // s, width // s)
        for window in windows.unique().tolist():
            before = (window - s) // 2
            after = window - s - before
            padded = F.pad(features, (before, after, before, after), mode="replicate")
            pooled = torch.where(windows == window, F.avg_pool2d(padded, window, s), pooled)
        return pooled

    def extra_repr(self) -> str:
        """See `torch.nn.Module.extra_repr`."""
        return f"layer={self.layer}"


def _blurred(images: Tensor, hole: int) -> Tensor:
    """Blurred once more, by a kernel with holes."""
    channels = images.shape[1]
    kernel = torch.tensor(_BINOMIAL, dtype=images.dtype, device=images.device)
    across, down = kernel.expand(channels, 1, 1, 5), kernel.reshape(5, 1).expand(channels, 1, 5, 1)
    margin = 2 * hole
    images = F.conv2d(_extended(images, (margin, 0)), across, dilation=(1, hole), groups=channels)
    return F.conv2d(_extended(images, (0, margin)), down, dilation=(hole, 1), groups=channels)


def _extended(images: Tensor, margin: tuple[int, int]) -> Tensor:
    """Continued beyond the edges by so many pixels to each side, and above and below."""
    (x, y), (height, width) = margin, images.shape[-2:]
    across = torch.arange(-x, width + x, device=images.device).clamp(0, width - 1)
    down = torch.arange(-y, height + y, device=images.device).clamp(0, height - 1)
    return images[..., down[:, None], across]


def _check(images: Tensor, fixations: Any = None) -> None:
    if images.ndim != 4 or not images.is_floating_point() or min(images.shape[-2:]) < 2:
        raise ValueError(
            f"images {tuple(images.shape)} of {images.dtype}: must be (B, C, H, W) of floating-point numbers, "
            "H and W at least 2"
        )
    if fixations is not None and tuple(fixations.shape) != (len(images), 2):
        raise ValueError(f"fixations of shape {tuple(fixations.shape)}: must be ({len(images)}, 2)")
