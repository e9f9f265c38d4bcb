"""The network of the worlds of visual search: what the eye sees, where it has looked, and what is sought."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

LEAST_PX = 16
"""Along a side of the retinal image."""


class Retinal(nn.Module):
    """Convolutions over the retinal image, joined with the last fixations, the target and, where told, the items.

    Each part becomes as many features, which are added up: of the retinal image by four convolutions of stride 2, of a
    target's picture by two and a mean over 4 x 4 places, of a target's number by a table, of the others by one layer.

    Args:
        observation_space: Dict with ``retina`` (H, W, C) uint8 and ``fixations``; ``target`` (a picture or Discrete)
            and ``slots`` are read where they are there.
        width: Features.
        channels: Of the first convolution; the others have twice as many.

    Attributes:
        reads: The observations that it needs.

    Raises:
        ValueError: for another space, or a retinal image of less than 16 pixels along a side.
    """

    accepts = "Dict of retina and fixations"

    def __init__(self, observation_space: spaces.Space[Any], *, width: int = 128, channels: int = 16) -> None:
        super().__init__()
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        retina = parts.get("retina")
        if not isinstance(retina, spaces.Box) or len(retina.shape) != 3 or "fixations" not in parts:
            raise ValueError(f"network 'retinal' takes a {self.accepts}, got {observation_space}")
        height, wide, colours = retina.shape
        if min(height, wide) < LEAST_PX:
            raise ValueError(f"retina: {wide} x {height} pixels are too few, {LEAST_PX} are needed along a side")
        self.reads = tuple(name for name in ("retina", "fixations", "target", "slots") if name in parts)
        self.features_dim, twice = width, 2 * channels
        places = math.ceil(height / 16) * math.ceil(wide / 16)
        self.retina = nn.Sequential(
            *_convolution(colours, channels, 5),
            *(layer for inputs in (channels, twice, twice) for layer in _convolution(inputs, twice, 3)),
            nn.Flatten(),
            nn.Linear(twice * places, width),
        )
        self.fixations = nn.Linear(math.prod(parts["fixations"].shape or ()), width)
        self.target = _reader(parts.get("target"), width, channels)
        self.slots = nn.Linear(math.prod(parts["slots"].shape or ()), width) if "slots" in parts else None
        self.output = nn.Linear(width, width)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features (B, `features_dim`) of observations (B, …)."""
        joined = self.retina(_pictures(observations["retina"])) + self.fixations(observations["fixations"].flatten(1))
        if self.target is not None:
            target = observations["target"]
            joined = joined + self.target(_pictures(target) if target.ndim == 4 else target)
        if self.slots is not None:
            joined = joined + self.slots(observations["slots"].flatten(1))
        features: Tensor = torch.relu(self.output(torch.relu(joined)))
        return features


def _convolution(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel, 2, kernel // 2), nn.ReLU()


def _reader(space: spaces.Space[Any] | None, width: int, channels: int) -> nn.Module | None:
    """Of what is told of the target, by its space."""
    if space is None:
        return None
    if isinstance(space, spaces.Discrete):
        return nn.Embedding(int(space.n), width)
    if not isinstance(space, spaces.Box) or len(space.shape) != 3:
        raise ValueError(f"target: must be a picture (H, W, C) or Discrete, got {space}")
    layers = *_convolution(space.shape[2], channels, 3), *_convolution(channels, channels, 3), nn.AdaptiveAvgPool2d(4)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * channels, width))


def _pictures(images: Tensor) -> Tensor:
    """Images (B, H, W, C) uint8 as (B, C, H, W) from 0 to 1."""
    return images.permute(0, 3, 1, 2).float() / 255
