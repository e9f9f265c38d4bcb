"""Bilateral filters: with fixed widths, and with widths that a tiny attention network reads from the picture.

Images are (B, C, H, W) in floating-point numbers. A filtered pixel is the mean of those about it, each with the weight

    exp(-dx² / 2 σx² - dy² / 2 σy² - |x_i - x_j|² / 2 σr²)

where the last distance is Euclidean over the channels: near in place and alike in colour. Source: Tomasi and Manduchi,
"Bilateral filtering for gray and color images" (ICCV 1998), there with σx = σy; with widths for each pixel it is the
filter of Filter2Noise (Sun et al., arXiv:2504.13519v1).

Filter2Noise's network, losses and constants are written from their formulas. Where those leave a choice it is ours:
attention without residuals and scaled by the root of its width, means of absolute differences for norms, pictures in
[0, 1], a window of fixed size, Adam, and the wider Gaussian of the edge loss (its window of 7, its narrower σ of 9 and
its weight of 350 are the project's).
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDEST, NARROWEST = 6.0, 1e-6
"""What the network says of widths is in (1e-6, 6 + 1e-6]."""
EDGE_WINDOW, EDGE_SIGMAS, EDGE_WEIGHT = 7, (9.0, 10.0), 350.0


class Widths(NamedTuple):
    """Standard deviations of a bilateral filter: numbers, or tensors that broadcast to (B, 1, H, W); all positive.

    Attributes:
        x_px: σx, pixels.
        y_px: σy, pixels.
        values: σr, in the images' own unit.
    """

    x_px: float | Tensor
    y_px: float | Tensor
    values: float | Tensor


def bilateral(images: Tensor, widths: Widths, radius: int) -> Tensor:
    """Filtered images (B, C, H, W); gradients reach the images and the widths.

    Beyond the edge there is nothing: the mean is over those pixels of the window that are in the picture.

    Args:
        images: (B, C, H, W).
        widths: Of the weights.
        radius: The window is 2 radius + 1 pixels wide and high.

    Raises:
        ValueError: for another shape, no floating-point numbers, a radius below 1 or widths that are not positive.
    """
    _check(images)
    if radius < 1:
        raise ValueError(f"radius={radius}: must be at least 1")
    falls = []
    for name, width in zip(widths._fields, widths, strict=True):
        sigma = torch.as_tensor(width, dtype=images.dtype, device=images.device)
        if not (sigma > 0).all():
            raise ValueError(f"widths.{name}: must be positive everywhere")
        falls.append(-0.5 / sigma.square())
    height, width = images.shape[-2:]
    padded = F.pad(images, [radius] * 4)
    inside = F.pad(images.new_ones(1, 1, height, width), [radius] * 4)
    total, norm = torch.zeros_like(images), torch.zeros_like(images[:, :1])
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            window = (..., slice(radius + dy, radius + dy + height), slice(radius + dx, radius + dx + width))
            other = padded[window]
            apart = (other - images).square().sum(1, keepdim=True)
            weight = torch.exp(apart * falls[2] + (dx * dx * falls[0] + dy * dy * falls[1])) * inside[window]
            total, norm = total + weight * other, norm + weight
    return total / norm  # the pixel itself has weight 1


class AttentionBilateral(nn.Module):
    """A bilateral filter whose widths a small network says, for each patch of the picture.

    Patches are flattened; attention between them makes features, a second attention features of widths; a layer norm
    and a linear layer make three numbers z, and the widths are ``min(softplus(z), 6) + 1e-6``, the same within a
    patch. Source: Filter2Noise; with patches of 8 and one channel a stage has its 1.8 thousand weights.

    Args:
        channels: C of the images, which are in [0, 1].
        patch: Width and height of the patches, pixels; pictures are continued by their last pixels to whole ones.
        width: Of the attention.
        radius: The window is 2 radius + 1 pixels wide. The original's is as wide as its widest σ asks, at most 7.
        stages: How often the picture is filtered, each time by a network of its own.

    Raises:
        ValueError: for an argument below 1.
    """

    def __init__(self, channels: int = 3, patch: int = 8, width: int = 8, radius: int = 3, stages: int = 1) -> None:
        super().__init__()
        self.config = {"channels": channels, "patch": patch, "width": width, "radius": radius, "stages": stages}
        for name, value in self.config.items():
            if value < 1:
                raise ValueError(f"{name}={value}: must be at least 1")
        self.stages = nn.ModuleList(_WidthsOfPatches(channels * patch**2, width) for _ in range(stages))

    def widths(self, images: Tensor, stage: int = 0) -> Tensor:
        """Of the images (B, C, H, W) that a stage is given, σx, σy (pixels) and σr: (B, 3, H, W)."""
        _check(images)
        if images.shape[1] != self.config["channels"]:
            raise ValueError(f"images with {images.shape[1]} channels: must have {self.config['channels']}")
        patch, (height, width) = self.config["patch"], images.shape[-2:]
        padded = F.pad(images, (0, -width % patch, 0, -height % patch), mode="replicate")
        across = padded.shape[-1] // patch
        patches = F.unfold(padded, patch, stride=patch).transpose(1, 2)  # (B, T, C p²)
        sigmas = self.stages[stage](patches).transpose(1, 2).unflatten(-1, (-1, across))  # (B, 3, H / p, W / p)
        return sigmas.repeat_interleave(patch, -2).repeat_interleave(patch, -1)[..., :height, :width]

    def forward(self, images: Tensor) -> Tensor:
        """Filtered images, as many (B, C, H, W)."""
        for stage in range(len(self.stages)):
            images = bilateral(images, Widths(*self.widths(images, stage).split(1, 1)), self.config["radius"])
        return images


class _WidthsOfPatches(nn.Module):
    """Patches (B, T, F) to widths (B, T, 3)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.look, self.judge = nn.Linear(features, 3 * width), nn.Linear(width, 3 * width)
        self.norm, self.say = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, patches: Tensor) -> Tensor:
        for layer in (self.look, self.judge):
            patches = F.scaled_dot_product_attention(*layer(patches).chunk(3, -1))
        return F.softplus(self.say(self.norm(patches))).clamp(max=WIDEST) + NARROWEST


def diagonals(images: Tensor) -> tuple[Tensor, Tensor]:
    """Two pictures of half the size: of each block of 2 by 2 pixels the mean of one diagonal, and of the other.

    Source: Mansour and Heckel, "Zero-Shot Noise2Noise" (CVPR 2023, arXiv:2303.11253), the pair downsampler.

    Args:
        images: (B, C, H, W), H and W even.
    """
    a, b, c, d = _blocks(images)
    return (a + d) / 2, (b + c) / 2


def shuffled(images: Tensor) -> Tensor:
    """Images (B, C, H, W), H and W even, in which each block of 2 by 2 has its two most similar pixels exchanged.

    What differs little in place and value differs by noise most of all; Filter2Noise calls this Euclidean local
    shuffle.
    """
    blocks = torch.stack(_blocks(images), -1)  # (B, C, H / 2, W / 2, 4)
    pairs = list(combinations(range(4), 2))
    apart = torch.stack([(blocks[..., p] - blocks[..., q]).square().sum(1) for p, q in pairs], -1)
    orders = torch.arange(4, device=images.device).repeat(len(pairs), 1)
    for order, (p, q) in zip(orders, pairs, strict=True):
        order[p], order[q] = q, p
    order = orders[apart.argmin(-1)][:, None].expand_as(blocks)
    return F.pixel_shuffle(blocks.gather(-1, order).movedim(-1, 2).flatten(1, 2), 2)


def noise_loss(net: nn.Module, images: Tensor, edge_weight: float = EDGE_WEIGHT) -> Tensor:
    """How well a filter f fits noisy images x alone, without clean ones: Filter2Noise's losses.

    With the `diagonals` D1 and D2, what is `shuffled` s, and means of absolute differences,

        (|f(s(D1 x)) - f(s(D2 x))| + ½ Σk |f(s(Dk x)) - Dk f(x)| + |D1 f(x) - D2 f(x)|) / 3 + λ ||G x| - |G f(x)||

    where G is the difference of two Gaussians. The first three are least for a filter that makes everything even,
    the last keeps it from that: differences of means over a window, which noise hardly moves.

    Args:
        net: From (B, C, H, W) to as many.
        images: (B, C, H, W), H and W at least 4; what is over whole blocks of 4 is cut off.
        edge_weight: λ.
    """
    _check(images)
    images = images[..., : images.shape[-2] // 4 * 4, : images.shape[-1] // 4 * 4]
    whole = net(images)
    small = [net(shuffled(half)) for half in diagonals(images)]
    halves = diagonals(whole)
    between = (small[0] - small[1]).abs().mean() + (halves[0] - halves[1]).abs().mean()
    across = sum(((a - b).abs().mean() for a, b in zip(small, halves, strict=True)), images.new_zeros(())) / 2
    edges = (_edges(images).abs() - _edges(whole).abs()).abs().mean()
    return (between + across) / 3 + edge_weight * edges


def fit(
    net: nn.Module,
    images: Tensor,
    steps: int = 200,
    rate: float = 1e-2,
    batch: int = 4,
    edge_weight: float = EDGE_WEIGHT,
    seed: int = 0,
) -> list[float]:
    """Train a filter on noisy images; the losses of the steps.

    Args:
        net: In place; see `noise_loss`.
        images: (B, C, H, W), in [0, 1].
        steps: Of Adam.
        rate: Its learning rate.
        batch: Images of a step, drawn evenly.
        edge_weight: See `noise_loss`.
        seed: Decides which. The first weights are those that `net` has.
    """
    _check(images)
    drawn = torch.Generator().manual_seed(seed)
    adam, losses = torch.optim.Adam(net.parameters(), rate), []
    for _ in range(steps):
        chosen = torch.randint(len(images), (min(batch, len(images)),), generator=drawn)
        loss = noise_loss(net, images[chosen], edge_weight)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses


def save(net: AttentionBilateral, path: str | Path) -> None:
    """Write a filter as a safetensors file, with what it was made with."""
    from safetensors.torch import save_file

    save_file(
        {name: one.contiguous() for name, one in net.state_dict().items()}, path, {"config": json.dumps(net.config)}
    )


def load(path: str | Path) -> AttentionBilateral:
    """Read what `save` wrote.

    Raises:
        ValueError: naming the file, where it is none, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            net = AttentionBilateral(**json.loads((file.metadata() or {})["config"]))
            net.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: must be a filter that foveal.vision.denoise.save wrote ({error})") from error
    return net.eval()


def _blocks(images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each block of 2 by 2 the pixels above left, above right, below left and below right."""
    return images[..., ::2, ::2], images[..., ::2, 1::2], images[..., 1::2, ::2], images[..., 1::2, 1::2]


def _edges(images: Tensor) -> Tensor:
    """Differences of two Gaussian means over a window; the picture goes on with its last pixels."""
    half = EDGE_WINDOW // 2
    place = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    padded = F.pad(images, [half] * 4, mode="replicate").flatten(0, 1)[:, None]
    means = []
    for sigma in EDGE_SIGMAS:
        line = torch.exp(-0.5 * (place / sigma).square())
        kernel = torch.outer(line, line) / line.sum().square()
        means.append(F.conv2d(padded, kernel[None, None]))
    return (means[0] - means[1]).view_as(images)


def _check(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point() or min(images.shape) < 1:
        raise ValueError(
            f"images {tuple(images.shape)} of {images.dtype}: must be (B, C, H, W) of floating-point numbers"
        )
