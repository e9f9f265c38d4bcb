"""The visual encoders by name."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from foveal.agents.encoder import Encoder, pooled
from foveal.agents.options import Options, build
from foveal.agents.type_maps import SeenTypes, TrueTypes
from foveal.vision import efficientnet

WEIGHTS = Path(__file__).parent / "weights"


class RoomsCNN(Encoder):
    """Three convolutions over colours and depth: 3.2 M multiply-adds and a map of just 7 by 7 at 64 x 64 pixels.

    First weights are orthogonal with gain √2, biases 0, as everywhere in `policies`. Colours are divided by 255 and
    depth by 5 m, inside the first convolution's weights: a pass over the images would take as long as a layer.

    Args:
        observation_space: Dict with rgb and depth.
        channels: C.
    """

    def __init__(self, observation_space: spaces.Space[Any], *, channels: int = 64) -> None:
        super().__init__(observation_space)
        self.channels = channels
        self.first = nn.Conv2d(4, 32, 6, stride=4, padding=1)
        self.second = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.third = nn.Conv2d(64, channels, 2)
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor([1 / 255] * 3 + [1 / 5]).view(1, 4, 1, 1), persistent=False)
        for layer in (self.first, self.second, self.third):
            nn.init.orthogonal_(layer.weight, math.sqrt(2))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # as the images lie in memory

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """See `Encoder.encode`."""
        seen = torch.cat([images["rgb"], images["depth"].unsqueeze(-1)], -1).permute(0, 3, 1, 2)  # (B, 4, H, W)
        return self.layers(seen)

    def layers(self, seen: Tensor) -> Tensor:
        """The map of colours (0 to 255) and depth (m) in (B, 4, H, W) float32."""
        first = self.first
        maps = F.relu(F.conv2d(seen, first.weight * self.scale, first.bias, first.stride, first.padding))
        return F.relu(self.third(F.relu(self.second(maps))))


def shipped(name: str) -> dict[str, Tensor]:
    """The weights that we ship under a name, made by `foveal.experiments.encoder_weights`.

    Raises:
        ValueError: where the file is not the one that its JSON describes.
    """
    data = (WEIGHTS / f"{name}.safetensors").read_bytes()
    expected = json.loads((WEIGHTS / f"{name}.json").read_text())["sha256"]
    if hashlib.sha256(data).hexdigest() != expected:
        raise ValueError(f"{name}.safetensors is not the file that {name}.json describes")
    return safetensors.torch.load(data)


class ImageNet(Encoder):
    """EfficientNet-Lite0 with its ImageNet weights, frozen: generic, and full of what no task here asks for.

    The map joins the last layers of strides 8 (40 channels) and 16 (112 channels). Stride 32, where classes are told
    apart, leaves 2 by 2 cells of a frame of 64 pixels: no place for "where".

    Args:
        observation_space: Dict with rgb.
        pixels: Images are brought to this height and width first, if it is not 0.

    Raises:
        ValueError: where the extra `weights` is missing.
    """

    needs = ("rgb",)
    TAPS = {2: 6.0, 4: 4.0}
    """Stages whose outputs are taken, and their standard deviation over photographs, by which they are divided."""
    CHUNK = 16
    """Frames at a time: the wide layers of more leave the processor's cache, and take three times as long."""

    def __init__(self, observation_space: spaces.Space[Any], *, pixels: int = 0) -> None:
        super().__init__(observation_space)
        if pixels and not 32 <= pixels <= 512:
            raise ValueError(f"pixels={pixels}: must be 0 or in [32, 512]")
        model = efficientnet.pretrained().fused()
        self.stem, self.stages, self.pixels = model.stem, model.stages[: max(self.TAPS) + 1], pixels
        self.channels = sum(efficientnet.STAGES[tap].channels for tap in self.TAPS)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.freeze()

    def encode(self, images: Mapping[str, Tensor]) -> Tensor:
        """See `Encoder.encode`."""
        return torch.cat([self._taps(rgb) for rgb in images["rgb"].split(self.CHUNK)])

    def _taps(self, rgb: Tensor) -> Tensor:
        """The map of a few frames (B, H, W, 3) uint8."""
        maps = efficientnet.normalised(rgb)
        if self.pixels and maps.shape[-2:] != (self.pixels, self.pixels):
            maps = F.interpolate(maps, (self.pixels, self.pixels), mode="bilinear", antialias=True)
        maps, taken = self.stem(maps), []
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number in self.TAPS:
                taken.append(pooled(maps) / self.TAPS[number])
        return torch.cat(taken, 1)


def _with_weights(name: str, network: Callable[[spaces.Space[Any]], Encoder]) -> Callable[[spaces.Space[Any]], Encoder]:
    def make(observation_space: spaces.Space[Any]) -> Encoder:
        encoder = network(observation_space)
        encoder.load_state_dict(shipped(name))
        return encoder.freeze()

    return make


def _frozen_cnn(observation_space: spaces.Space[Any], *, channels: int = 64) -> Encoder:
    return RoomsCNN(observation_space, channels=channels).freeze()


ENCODERS: dict[str, Callable[..., Encoder]] = {
    "imagenet": ImageNet,
    "rooms": _with_weights("rooms", RoomsCNN),
    "types": _with_weights("types", SeenTypes),
    "true_types": TrueTypes,
    "cnn": RoomsCNN,
    "random": _frozen_cnn,
}
"""By name: a generic one; a small network that learnt to complete frames of our rooms; one that learnt to tell which
types are where, and the truth about that; the small network trained with the policy, or frozen at random. Options are
their keyword arguments."""


def make_encoder(name: str, observation_space: spaces.Space[Any], options: Options | None = None) -> Encoder:
    """Build the encoder of this name.

    Raises:
        ValueError: for an unknown encoder or option (it names the nearest), a value out of range, a space that lacks
            what the encoder needs, and where its weights are not there.
    """
    encoder: Encoder = build("encoder", ENCODERS, name, options, observation_space)
    return encoder
