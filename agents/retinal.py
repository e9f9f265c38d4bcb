"""The network of the worlds of visual search: what the eye sees, where it has looked, and what is sought."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

LEAST_PX = 16
"""Along a side of the retinal image."""
_HALF = 0.05  # contrast to which the response is half of the greatest one
_SEEN = 8  # features of what is seen at a place


class Retinal(nn.Module):
    """Convolutions over the retinal image, joined with the last fixations, the target and, where told, the items.

    Each part becomes as many features, which are added up: of a target's picture by two convolutions of stride 2 and a
    mean over 4 x 4 places, of a target's number by a table, of fixations and items by one layer. The retinal image is
    read in three ways behind two convolutions of stride 2: by two more of them and a layer over all that is left, which
    knows where on the retina things are; by one and the maximum over the image, which knows only that they are there,
    and learns that from wherever they were; and by `Places`, which knows where in the picture they are.

    Args:
        observation_space: Dict with ``retina`` (H, W, C) uint8 and ``fixations``; ``target`` (a picture or Discrete)
            and ``slots`` are read where they are there.
        width: Features.
        channels: Of the first convolution; the others have twice as many.
        places: Along a side of the picture.
        view: Pictures that the retinal image is wide, to begin with: learning corrects it.

    Attributes:
        reads: The observations that it needs.

    Raises:
        ValueError: for another space, a retinal image of less than 16 pixels along a side, or a view that is not
            positive.
    """

    accepts = "Dict of retina and fixations"

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        width: int = 128,
        channels: int = 16,
        places: int = 8,
        view: float = 1.5,
    ) -> None:
        super().__init__()
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        retina = parts.get("retina")
        if not isinstance(retina, spaces.Box) or len(retina.shape) != 3 or "fixations" not in parts:
            raise ValueError(f"network 'retinal' takes a {self.accepts}, got {observation_space}")
        height, wide, colours = retina.shape
        if min(height, wide) < LEAST_PX:
            raise ValueError(f"retina: {wide} x {height} pixels are too few, {LEAST_PX} are needed along a side")
        if view <= 0:
            raise ValueError(f"view={view}: must be a positive number")
        self.reads = tuple(name for name in ("retina", "fixations", "target", "slots") if name in parts)
        self.features_dim, twice = width, 2 * channels
        coarse = math.ceil(height / 16) * math.ceil(wide / 16)
        self.fine = nn.Sequential(*_convolution(colours, channels, 5), *_convolution(channels, twice, 3))
        self.retina = nn.Sequential(
            *_convolution(twice, twice, 3),
            *_convolution(twice, twice, 3),
            nn.Flatten(),
            nn.Linear(twice * coarse, width),
        )
        self.anywhere = nn.Sequential(
            nn.Conv2d(twice, twice, 3, 1, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(twice, width)
        )
        self.places = Places(twice, places, width, view)
        self.fixations = nn.Linear(math.prod(parts["fixations"].shape or ()), width)
        self.target = _reader(parts.get("target"), width, channels)
        self.slots = nn.Linear(math.prod(parts["slots"].shape or ()), width) if "slots" in parts else None
        self.output = nn.Linear(width, width)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight, math.sqrt(2))
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features (B, `features_dim`) of observations (B, …)."""
        fixations = observations["fixations"]
        fine = self.fine(_contrasts(_pictures(observations["retina"])))
        joined = self.retina(fine) + self.anywhere(fine) + self.places(fine, fixations)
        joined = joined + self.fixations(fixations.flatten(1))
        if self.target is not None:
            target = observations["target"]
            joined = joined + self.target(_pictures(target) if target.ndim == 4 else target)
        if self.slots is not None:
            joined = joined + self.slots(observations["slots"].flatten(1))
        features: Tensor = torch.relu(self.output(torch.relu(joined)))
        return features


class Places(nn.Module):
    """What is seen at a grid of places of the picture, wherever the eye looks, and which of them it has looked at.

    What the retina shows moves with the eye, while actions and memory are about places of the picture. So the retinal
    map is read off between its points where the places are, from the last fixation on, and as 0 where it does not
    reach; the reading is that of Jaderberg et al., "Spatial transformer networks" (2015, arXiv:1506.02025), equation 5.

    Args:
        channels: C of the map.
        side: Places along a side of the picture, P.
        width: Features.
        view: Pictures that the map is wide and high at first.
    """

    at: Tensor

    def __init__(self, channels: int, side: int, width: int, view: float) -> None:
        super().__init__()
        self.side = side
        self.view = nn.Parameter(torch.full((2,), view))
        self.seen = nn.Conv2d(channels, _SEEN, 3, 1, 1)
        self.output = nn.Linear((_SEEN + 1) * side * side, width)
        at = (torch.arange(side) + 0.5) / side * 2 - 1
        self.register_buffer("at", torch.stack(torch.meshgrid(at, at, indexing="xy"), -1), persistent=False)

    def forward(self, seen: Tensor, fixations: Tensor) -> Tensor:
        """Features (B, `width`) of a retinal map (B, C, H, W) and fixations (B, K, 3), the present one first."""
        away = self.at - fixations[:, :, None, None, :2]  # (B, K, P, P, 2) half pictures
        there = functional.grid_sample(self.seen(seen).float(), away[:, 0] / self.view, align_corners=False)
        near = (1 - away.abs() * self.side / 2).clamp(min=0).prod(-1)  # 1 at a place, 0 at its neighbours
        looked = (near * fixations[:, :, None, None, 2]).amax(1)
        features: Tensor = self.output(torch.cat([torch.relu(there).flatten(1), looked.flatten(1)], 1))
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


def _contrasts(images: Tensor) -> Tensor:
    """Images (B, C, H, W) less their mean colours, c, as c / (|c| + 0.05): what is faint from afar is to tell, too.

    Source: Naka and Rushton, "S-potentials from colour units in the retina of fish" (Journal of Physiology 185, 1966).
    """
    centred = images - images.mean((2, 3), keepdim=True)
    return centred.div_(centred.abs().add_(_HALF))
