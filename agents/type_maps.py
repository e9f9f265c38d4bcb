"""Encoders whose map says, place by place, which types of things are there and which of them are near.

Two of them give the same map: one knows the types by looking, with a network that we trained; the other is told by the
observation `semantic`, and is the upper bound of what seeing can bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from foveal.agents.encoder import SIDE, Encoder
from foveal.envs.objectnav.types import TYPES

PIXELS = 64
"""Height and width of the images."""
BLOCKS = 16
"""Along a side of the image, each of 4 by 4 pixels: types are told for blocks, and summed up for the 7 by 7 places."""
NEAR_M = 2.0
"""What is farther off counts as far."""
GAIN = 10.0
"""Of the map: a thing that fills a tenth of a place counts 1."""
FAR_M = 8.0
"""Beyond, depth is all the same."""
CHANNELS = 2 * len(TYPES) + 1


def type_map(shares: Tensor, depth: Tensor) -> Tensor:
    """The map of what is where.

    Args:
        shares: (B, 256, T), of each block, row by row, that each of `TYPES` fills.
        depth: (B, 64, 64) m.

    Returns:
        (B, 2 T + 1, 7, 7): each type's share of a place, times `GAIN`; the same of what is near, weighted by nearness,
        from 1 at the camera to 0 at `NEAR_M`; and the place's mean depth in units of 5 m.
    """
    blocks = _blocks(depth)
    near = (1 - blocks / NEAR_M).clamp_(min=0).mean(-1)  # (B, 256)
    places = _places()  # (49, 256)
    weights = torch.stack([torch.ones_like(near), near], 1)[:, :, None] * (GAIN * places)  # (B, 2, 49, 256)
    told = (weights.flatten(1, 2) @ shares).unflatten(1, (2, -1)).transpose(2, 3).flatten(1, 2)  # (B, 2 T, 49)
    far = blocks.clamp(max=FAR_M).mean(-1) @ places.T / 5
    return torch.cat([told, far[:, None]], 1).unflatten(-1, (SIDE, SIDE))


def true_shares(semantic: Tensor) -> Tensor:
    """The share (B, 256, T) float32 of each block that each type fills, of type numbers (B, 64, 64) uint8."""
    blocks = _blocks(semantic).long()
    counts = torch.zeros(*blocks.shape[:2], len(TYPES))
    return counts.scatter_add_(2, blocks, torch.full((1,), 1 / blocks.shape[2]).expand_as(blocks))


def _blocks(image: Tensor) -> Tensor:
    blocks = image.unflatten(2, (BLOCKS, -1)).unflatten(1, (BLOCKS, -1))  # (B, 16, 4, 16, 4)
    return blocks.transpose(2, 3).flatten(3).flatten(1, 2)  # (B, 256, 16)


@cache
def _places() -> Tensor:
    """How much each block counts in each place (49, 256): places average the blocks that overlap them."""
    eye = torch.eye(BLOCKS**2).view(BLOCKS**2, 1, BLOCKS, BLOCKS)
    return F.adaptive_avg_pool2d(eye, SIDE).flatten(1).T.contiguous()


class TrueTypes(Encoder):
    """Told which types are where; see `type_map`.

    Args:
        observation_space: Dict with semantic and depth, of 64 x 64 pixels.
    """

    needs = ("semantic", "depth")
    channels = CHANNELS

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space)
        _check_size(observation_space)
        self.freeze()

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """See `Encoder.encode`."""
        return type_map(true_shares(images["semantic"]), images["depth"])


class SeenTypes(Encoder):
    """Says which types are where from colours and depth; see `type_map`.

    A small U-shaped network (after Ronneberger et al., MICCAI 2015, arXiv:1505.04597): three convolutions down to
    8 x 8, two there that look around, and one back at 16 x 16, where every block's types are told; 25 M
    multiply-adds.

    Args:
        observation_space: Dict with rgb and depth, of 64 x 64 pixels.
    """

    channels = CHANNELS

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space)
        _check_size(observation_space)
        self.down2, self.down4 = nn.Conv2d(4, 24, 4, 2, 1), nn.Conv2d(24, 48, 4, 2, 1)
        self.down8, self.deep = nn.Conv2d(48, 64, 3, 2, 1), nn.Conv2d(64, 96, 3, 1, 1)
        self.wide = nn.Conv2d(96, 96, 3, 1, 2, dilation=2)
        self.back, self.joined, self.names = (
            nn.Conv2d(96, 48, 1),
            nn.Conv2d(48, 64, 3, 1, 1),
            nn.Conv2d(64, len(TYPES), 1),
        )
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor([1 / 128] * 3 + [1 / 4]).view(1, 4, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def logits(self, images: Mapping[str, Tensor]) -> Tensor:
        """Of each type in each block (B, 256, T)."""
        depth = images["depth"].clamp(max=FAR_M).unsqueeze(-1)
        seen = torch.cat([images["rgb"], depth], -1).permute(0, 3, 1, 2) * self.scale - 1
        quarter = F.relu(self.down4(F.relu(self.down2(seen))))
        deep = F.relu(self.wide(F.relu(self.deep(F.relu(self.down8(quarter))))))
        joined = F.relu(quarter + F.interpolate(self.back(deep), scale_factor=2))
        logits: Tensor = self.names(F.relu(self.joined(joined)))
        return logits.permute(0, 2, 3, 1).flatten(1, 2)

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """See `Encoder.encode`."""
        return type_map(self.logits(images).softmax(-1), images["depth"])


def _check_size(space: Any) -> None:
    size = space["depth"].shape
    if size != (PIXELS, PIXELS):
        raise ValueError(f"types are told of images of {PIXELS} x {PIXELS} pixels, got {size[1]} x {size[0]}")
