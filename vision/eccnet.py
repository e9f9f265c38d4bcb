"""eccNET: where in a picture is what looks like the target, seen by a network whose pooling grows with eccentricity.

A network of five blocks of convolutions sees the picture, with the fixation in its middle, and the target alone. For
each of the last three blocks, the target's features are the kernel that is moved over the picture's; the three maps
that come out, each from 0 to 1, are added with their greatest values as weights, and sharpened by differences of
Gaussians. The picture's features are brought to a sixteenth of its size, the target's to a thirty-second of its own.

`centred_search` is our own rule: features are told from what is common in the picture, its mean, which is taken
away from both; the three maps count alike, and nothing is sharpened. It was chosen on the first three experiments of
the paper (`foveal experiment search_asymmetry`).

Source: Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953), after their published code; without
eccentricity and by the last block alone it is IVSN (Zhang et al., Nature Communications 9, 2018).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.vision.backbones import Backbone, Middle


class EccNet(nn.Module):
    """Where to look next.

    Args:
        blocks: The network that sees.
        last: How many of its last blocks are compared: 3 in eccNET, 1 in IVSN.
        sharpening: Side [px of the map] and standard deviation of the narrow and of the wide Gaussian; with a deviation
            of 0 it is the binomial of that side, as OpenCV has it up to 5.
        passes: How often the difference is added.
        centred: Take the picture's mean features away from its own and from the target's.
        weighted: Add maps with their greatest values as weights; else they count alike.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        blocks: Backbone,
        *,
        last: int = 3,
        sharpening: tuple[tuple[int, float], tuple[int, float]] = ((3, 1.0), (5, 3.0)),
        passes: int = 3,
        centred: bool = False,
        weighted: bool = True,
    ) -> None:
        super().__init__()
        if not 1 <= last <= 5 or passes < 0 or any(side < 1 or side % 2 == 0 or s < 0 for side, s in sharpening):
            raise ValueError(
                f"last={last}, passes={passes}, sharpening={sharpening}: must be in [1, 5], at least 0, and odd sides"
            )
        self.blocks, self.last, self.sharpening, self.passes = blocks, last, sharpening, passes
        self.centred, self.weighted = centred, weighted

    @torch.no_grad()
    def forward(self, views: Tensor, targets: Tensor, middle: Middle = None) -> Tensor:
        """Priorities (B, H / 16, W / 16) in [0, 1] before they are sharpened.

        Args:
            views: (B, C, H, W) in [0, 1].
            targets: (B, C, h, w), what is sought.
            middle: Where the fixation is: pixels to the left of it, and above; None: in the middle.

        Raises:
            ValueError: for shapes that do not fit.
        """
        if len(views) != len(targets):
            raise ValueError(f"{len(views)} views, but {len(targets)} targets")
        seen = self.blocks.maps(views, self.last, middle)
        sought = self.blocks.maps(targets, self.last, coarser=True)
        found, weights = [], []
        for features, kernel in zip(seen, sought, strict=True):
            mean = features.mean((2, 3), keepdim=True) if self.centred else 0.0
            match = correlated(features - mean, kernel - mean)
            low, high = match.amin((1, 2), keepdim=True), match.amax((1, 2), keepdim=True)
            found.append((match - low) / (high - low).clamp(min=1e-12))
            weights.append(high.clamp(min=0) if self.weighted else torch.ones_like(high))
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


def centred_search(blocks: Backbone) -> EccNet:
    """A network that searches by our own rule; see above."""
    return EccNet(blocks, passes=0, centred=True, weighted=False).eval()


def correlated(features: Tensor, kernels: Tensor) -> Tensor:
    """Features (B, C, H, W) each correlated with its own kernel (B, C, h, w), zeros beyond the edge: (B, H, W)."""
    count, channels, height, width = kernels.shape
    before = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)
    padded = F.pad(features, before)
    folded = F.conv2d(padded.reshape(1, count * channels, *padded.shape[-2:]), kernels, groups=count)
    return folded[0]


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
