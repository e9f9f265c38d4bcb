"""What visual encoders share: images to a map (B, C, 7, 7) float32 of what is where.

An *encoder* is a module with ``channels`` (C), ``frozen``, and ``needs``, the names of the images that it reads: of
"rgb" (B, H, W, 3) uint8, "depth" (B, H, W) float32 m and "semantic" (B, H, W) uint8. Scaling them is its own affair. A
frozen one has no trainable parameters, is in evaluation mode whatever `train` is told, and keeps no graph: its map may
be computed once and stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

SIDE = 7
"""Cells along a side of every map."""
LEAST_PIXELS = 16
"""Along a side of an image."""
_LAYOUTS = {"rgb": ((3,), torch.uint8), "depth": ((), torch.float32), "semantic": ((), torch.uint8)}


class Encoder(nn.Module):
    """What all encoders share; one of them defines `encode`.

    Args:
        observation_space: Of a single row: a Dict with the images that the encoder `needs`.

    Raises:
        ValueError: where the space lacks one of them, their sizes differ, or they are below 16 pixels along a side.
    """

    channels: int
    frozen = False
    needs: tuple[str, ...] = ("rgb", "depth")

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__()
        if not isinstance(observation_space, spaces.Dict):
            raise ValueError(f"encoders take a Dict with {' and '.join(self.needs)}, got {observation_space}")
        for name in self.needs:
            _check_image(name, observation_space.get(name))
        sizes = {observation_space[name].shape[:2] for name in self.needs}  # type: ignore[index]
        if len(sizes) > 1:
            raise ValueError(f"{' and '.join(self.needs)} must have the same size, got {observation_space}")

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """A map (B, C, H', W') of images; `forward` brings it to 7 by 7."""
        raise NotImplementedError

    def forward(self, images: Mapping[str, Tensor]) -> Tensor:
        """Map (B, C, 7, 7) float32 of images.

        Raises:
            ValueError: for an image of another shape or type than the module says.
        """
        for name in self.needs:
            rest, dtype = _LAYOUTS[name]
            image = images[name]
            if image.dim() != 3 + len(rest) or image.shape[3:] != rest or image.dtype != dtype:
                shape = ", ".join(("B", "H", "W", *map(str, rest)))
                raise ValueError(f"{name}: must be ({shape}) {dtype}, got {tuple(image.shape)} {image.dtype}")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return pooled(self.encode(images))

    def freeze(self) -> Self:
        """Train no more: no gradients, evaluation mode for good."""
        self.frozen = True
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """See `nn.Module.train`; nothing happens to a frozen encoder."""
        return super().train(mode and not self.frozen)


def _check_image(name: str, space: spaces.Space[Any] | None) -> None:
    rest, dtype = _LAYOUTS[name]
    if space is None:
        raise ValueError(f"the encoder needs the observation {name!r} (--set {name}=true)")
    shape = space.shape or ()
    if not isinstance(space, spaces.Box) or shape[2:] != rest or len(shape) < 2 or f"torch.{space.dtype}" != str(dtype):
        raise ValueError(f"{name}: must be a Box ({', '.join(('H', 'W', *map(str, rest)))}) {dtype}, got {space}")
    if min(shape[:2]) < LEAST_PIXELS:
        raise ValueError(f"{name}: images of {shape[1]} x {shape[0]} pixels are too small, {LEAST_PIXELS} are needed")


def pooled(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) as (B, C, 7, 7): cells that overlap one of theirs, averaged."""
    return maps if maps.shape[-2:] == (SIDE, SIDE) else F.adaptive_avg_pool2d(maps, SIDE)
