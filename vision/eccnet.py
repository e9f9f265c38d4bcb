"""eccNET: where in a picture is what looks like the target, seen by a network whose pooling grows with eccentricity.

A network of five blocks of convolutions sees the picture, with the fixation in its middle, and the target alone. For
each of the last three blocks, the target's features are the kernel that is moved over the picture's; the three maps
that come out, each from 0 to 1, are added with their greatest values as weights, and sharpened by differences of
Gaussians. The picture's features are brought to a sixteenth of its size, the target's to a thirty-second of its own.

Source: Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953), after their published code; without
eccentricity and by the last block alone it is IVSN (Zhang et al., Nature Communications 9, 2018).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.vision.eye import EccentricPool2d

SMALL = ((16,), (24,), (32, 32), (48, 48), (64, 64))
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
STRIDE = 16
"""Pixels of the picture for each of the map."""

_VGG_MEAN, _VGG_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of the convolutions among torchvision's layers
_MOST_BYTES = 2**30


class Blocks(nn.Module):
    """Five blocks of 3 x 3 convolutions with ReLU, between which pooling halves the size.

    Args:
        widths: Of the convolutions in each block.
        channels: Of the pictures: 1 or 3.
        pooling: ``"eccentric"``: averages over windows that grow with the distance from the middle; ``"average"``,
            ``"max"``: over 2 x 2.
        mean: Of each channel, in [0, 1], which is taken away.
        std: By which it is divided.

    Raises:
        ValueError: for other than five blocks, another pooling, or means that are not as many as channels.
    """

    def __init__(
        self,
        widths: tuple[tuple[int, ...], ...] = SMALL,
        *,
        channels: int = 1,
        pooling: Literal["eccentric", "average", "max"] = "eccentric",
        mean: tuple[float, ...] = (0.5,),
        std: tuple[float, ...] = (0.25,),
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        if len(widths) != 5 or not all(widths):
            raise ValueError(f"widths={widths}: must be five blocks")
        if len(mean) != channels or len(std) != channels:
            raise ValueError(f"mean={mean}, std={std}: must be of {channels} channels")
        self.channels, inputs = channels, channels
        blocks = []
        for block in widths:
            layers: list[nn.Module] = []
            for width in block:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)
        self.pools = nn.ModuleList(_pooling(pooling, layer) for layer in range(1, 5))
        self.shrink = F.max_pool2d if pooling == "max" else F.avg_pool2d

    def forward(self, images: Tensor) -> list[Tensor]:
        """What each of the five blocks makes of images (B, C, H, W) in [0, 1]: (B, W_l, H / 2^l, W / 2^l), l = 0 … 4.

        Raises:
            ValueError: for another shape.
        """
        if images.ndim != 4 or images.shape[1] != self.channels or min(images.shape[-2:]) < STRIDE:
            shape = f"(B, {self.channels}, H, W), H and W at least {STRIDE}"
            raise ValueError(f"images {tuple(images.shape)}: must be {shape}")
        features = (images - self.mean) / self.std
        out = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            out.append(features)
            if number < len(self.pools):
                features = self.pools[number](features)
        return out

    def maps(self, images: Tensor, last: int, *, coarser: bool = False) -> list[Tensor]:
        """The last blocks' features (B, W_l, H / 16, W / 16), all of one size.

        Args:
            images: (B, C, H, W) in [0, 1].
            last: How many blocks.
            coarser: Of half that size, as the target's are.
        """
        found = []
        for number, features in list(enumerate(self(images)))[-last:]:
            steps = 4 - number + coarser
            for _ in range(steps):
                features = self.shrink(features, 2, ceil_mode=True)
            found.append(features)
        return found


class EccNet(nn.Module):
    """Where to look next.

    Args:
        blocks: The network that sees.
        last: How many of its last blocks are compared: 3 in eccNET, 1 in IVSN.
        sharpening: Side [px of the map] and standard deviation of the narrow and of the wide Gaussian; with a deviation
            of 0 it is the binomial of that side, as OpenCV has it up to 5.
        passes: How often the difference is added.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        blocks: Blocks,
        *,
        last: int = 3,
        sharpening: tuple[tuple[int, float], tuple[int, float]] = ((3, 1.0), (5, 3.0)),
        passes: int = 3,
    ) -> None:
        super().__init__()
        if not 1 <= last <= 5 or passes < 0 or any(side < 1 or side % 2 == 0 or s < 0 for side, s in sharpening):
            raise ValueError(
                f"last={last}, passes={passes}, sharpening={sharpening}: must be in [1, 5], at least 0, and odd sides"
            )
        self.blocks, self.last, self.sharpening, self.passes = blocks, last, sharpening, passes

    @torch.no_grad()
    def forward(self, views: Tensor, targets: Tensor) -> Tensor:
        """Priorities (B, H / 16, W / 16) in [0, 1] before they are sharpened.

        Args:
            views: (B, C, H, W) in [0, 1], with the fixation in the middle.
            targets: (B, C, h, w), what is sought.

        Raises:
            ValueError: for shapes that do not fit.
        """
        if len(views) != len(targets):
            raise ValueError(f"{len(views)} views, but {len(targets)} targets")
        seen, sought = self.blocks.maps(views, self.last), self.blocks.maps(targets, self.last, coarser=True)
        found, weights = [], []
        for features, kernel in zip(seen, sought, strict=True):
            match = correlated(features, kernel)
            low, high = match.amin((1, 2), keepdim=True), match.amax((1, 2), keepdim=True)
            found.append((match - low) / (high - low).clamp(min=1e-12))
            weights.append(high.clamp(min=0))
        total = sum(weights)
        assert isinstance(total, Tensor)
        priority = sum(
            one * torch.where(total > 0, weight / total.clamp(min=1e-12), 1 / len(weights))
            for one, weight in zip(found, weights, strict=True)
        )
        assert isinstance(priority, Tensor)
        for _ in range(self.passes):
            narrow, wide = (_gaussian(priority, side, sigma) for side, sigma in self.sharpening)
            priority = priority + narrow - wide
        return priority


def correlated(features: Tensor, kernels: Tensor) -> Tensor:
    """Features (B, C, H, W) each correlated with its own kernel (B, C, h, w), zeros beyond the edge: (B, H, W)."""
    count, channels, height, width = kernels.shape
    before = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)
    padded = F.pad(features, before)
    folded = F.conv2d(padded.reshape(1, count * channels, *padded.shape[-2:]), kernels, groups=count)
    return folded[0]


def vgg16(path: Path, pooling: Literal["eccentric", "average", "max"] = "eccentric") -> Blocks:
    """VGG16's convolutions with the ImageNet weights of a file of yours.

    Args:
        path: A ``.safetensors`` file, or torchvision's ``.pth``, of which nothing but tensors is read.
        pooling: See `Blocks`.

    Raises:
        ValueError: for a file that is too large, unreadable or of another network; it says why.
    """
    blocks = Blocks(VGG16, channels=3, pooling=pooling, mean=_VGG_MEAN, std=_VGG_STD)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("more than 1 GiB")
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            theirs = load_file(path)
        else:
            theirs = torch.load(path, weights_only=True, map_location="cpu")
        ours = blocks.state_dict()
        names = [f"features.{place}.{part}" for place in _VGG_PLACES for part in ("weight", "bias")]
        features = [theirs.get(name, torch.empty(0)) for name in names]
        if any(one.shape != other.shape for one, other in zip(features, ours.values(), strict=True)):
            raise ValueError("not the 13 convolutions of VGG16, as features.0.weight, features.0.bias, …")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # whatever torch and safetensors make of a broken file
        raise ValueError(f"{path}: {error}".splitlines()[0]) from None
    blocks.load_state_dict(dict(zip(ours, features, strict=True)))
    return blocks.eval()


def _pooling(kind: str, layer: int) -> nn.Module:
    if kind == "eccentric":
        return EccentricPool2d(layer)
    if kind not in ("average", "max"):
        raise ValueError(f"pooling={kind!r}: must be 'eccentric', 'average' or 'max'")
    return nn.AvgPool2d(2) if kind == "average" else nn.MaxPool2d(2)


def _gaussian(maps: Tensor, side: int, sigma: float) -> Tensor:
    """Maps (B, H, W) blurred by a Gaussian of a side; beyond the edge they are mirrored without the edge itself."""
    if sigma:
        weights = [math.exp(-((k - side // 2) ** 2) / (2 * sigma**2)) for k in range(side)]
    else:
        weights = [float(math.comb(side - 1, k)) for k in range(side)]
    line = torch.tensor(weights, dtype=maps.dtype, device=maps.device) / sum(weights)
    margin = side // 2
    mode = "reflect" if margin < min(maps.shape[-2:]) else "replicate"
    padded = F.pad(maps[:, None], (margin,) * 4, mode=mode)
    blurred = F.conv2d(F.conv2d(padded, line.reshape(1, 1, 1, -1)), line.reshape(1, 1, -1, 1))
    return blurred[:, 0]
