"""The network of cars with cameras: what each camera sees, where it looks from, and how the car moves."""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

IMAGES = ("depth", "rgb", "rgb+depth")
FUSIONS = ("concatenate", "attention")
MOST_PX = (48, 80)
"""Height and width up to which images are read as they are; larger ones are made smaller."""
PATCH, STRIDE = 4, 8  # px of a token, and of a place of the last map
LEAST_PX = 16
_NEAREST_M, _NOWHERE_M = 0.5, 80.0  # depths below and of the first are alike; where there is none, it is far
_MIDDLE = math.log(10.0)  # of the logarithm of depths in a street
_HALF_M = 8.0  # places are told as x / (|x| + 8 m), finely nearby and coarsely far away
_GEOMETRY = ("K", "T_rig_cam", "ego_motion", "valid")


class RigVision(nn.Module):
    """One small network looks through all cameras; what they see is joined, and how the car moves with it.

    An image, area-averaged to at most 48 x 80 pixels, is cut into patches of 4 x 4. Each is told where it is: its ray
    in rig coordinates as Plücker has it, direction and moment (after Sitzmann et al., "Light field networks", NeurIPS
    2021, arXiv:2106.02634, section 3), and, of depth, the place that it shows. So the same weights serve cameras of any
    place and focal length. Depth goes in by its logarithm, of which a wrong scale is a shift. A convolution of stride 2
    and a layer over all that is left make a camera's view; views are put side by side, or attended to by a query of the
    car's motion. A camera that fails has no influence, whatever it shows.

    Args:
        observation_space: Dict with ``depth`` (C, H, W) m, 0 where there is none, ``rgb`` (C, H, W, 3) uint8, or both;
            ``K`` (C, 3, 3), ``T_rig_cam`` (C, 4, 4), ``ego_motion`` (4, 4) and ``valid`` (C,).
        images: What it reads: ``"depth"``, ``"rgb"`` or ``"rgb+depth"``.
        fusion: ``"concatenate"``: views side by side, in the cameras' order; ``"attention"``: a weighted sum of them,
            for rigs whose cameras may be in any order.
        width: Features.
        channels: Of a patch; a place of the last map has twice as many.
        heads: Of the attention; must divide `width`.

    Attributes:
        reads: The observations that it needs.

    Raises:
        ValueError: for another space, images of less than 16 pixels along a side, unknown images or fusion, or heads
            that do not divide the width.
    """

    accepts = "Dict of depth or rgb of C cameras, K, T_rig_cam, ego_motion and valid"

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        images: str = "depth",
        fusion: str = "concatenate",
        width: int = 128,
        channels: int = 16,
        heads: int = 4,
    ) -> None:
        super().__init__()
        for what, value, valid in (("images", images, IMAGES), ("fusion", fusion, FUSIONS)):
            if value not in valid:
                raise ValueError(f"{what}={value!r}: must be one of {', '.join(map(repr, valid))}")
        if width % heads:
            raise ValueError(f"heads={heads}: must divide width={width}")
        self.images = tuple(images.split("+"))
        self.reads = (*self.images, *_GEOMETRY)
        cameras, self._height, self._width = _shape(observation_space, self.reads)
        self._size = tuple(
            min(side, most) // STRIDE * STRIDE for side, most in zip((self._height, self._width), MOST_PX, strict=True)
        )
        self.features_dim, self.heads, twice = width, heads, 2 * channels
        places = self._size[0] // STRIDE * (self._size[1] // STRIDE)
        inputs = sum({"depth": 1, "rgb": 3}[name] for name in self.images) * PATCH**2
        self.patches = nn.Linear(inputs + (9 if "depth" in self.images else 6), channels)
        self.map = nn.Conv2d(channels, twice, 3, STRIDE // PATCH, 1)
        self.view = nn.Linear(twice * places, width)
        self.motion = nn.Linear(3, width)
        self.query, self.key, self.value = (
            nn.Linear(width, width, bias=False) if fusion == "attention" else None for _ in range(3)
        )
        self.join = nn.Linear(width if fusion == "attention" else cameras * width, width)
        self.output = nn.Linear(width, width)
        nn.init.orthogonal_(self.map.weight, math.sqrt(2))
        nn.init.zeros_(self.map.bias)  # type: ignore[arg-type]

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Features (B, `features_dim`) of observations (B, ...)."""
        views, motion, there = self._views(observations)
        if self.value is not None:
            values = self._split(self.value(views))  # (B, heads, C, D)
            joined = (self._weights(views, motion, there)[..., None] * values).sum(2).flatten(1)  # (B, W)
        else:
            joined = views.flatten(1)  # (B, C * W)
        features: Tensor = torch.relu(self.output(torch.relu(self.join(joined) + motion)))
        return features

    def camera_weights(self, observations: dict[str, Tensor]) -> Tensor:
        """Weights (B, heads, C) of the attention over cameras, of ``fusion="attention"``; 0 for those that fail."""
        return self._weights(*self._views(observations))

    def _views(self, observations: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What cameras see (B, C, W), 0 for those that fail, the car's motion (B, W), and which are there (B, C)."""
        there = observations["valid"] > 0
        patches = torch.relu(self.patches(self._patches(observations)))  # (B, C, h, w, K)
        seen = torch.relu(self.map(patches.flatten(0, 1).permute(0, 3, 1, 2)))  # (B C, 2 K, h / 2, w / 2)
        views = torch.relu(self.view(seen.flatten(1))).unflatten(0, there.shape).masked_fill(~there[..., None], 0.0)
        moved = observations["ego_motion"].float()
        return views, self.motion(torch.stack([moved[:, 0, 3], moved[:, 1, 3], moved[:, 1, 0]], 1)), there

    def _patches(self, observations: dict[str, Tensor]) -> Tensor:
        """What patches show, and where they are: (B, C, h, w, I)."""
        shown: list[Tensor] = []
        pose = observations["T_rig_cam"].float()
        rays, centres = self._rays(observations["K"].float(), pose), pose[:, :, None, None, :3, 3]
        ways = rays / rays.square().sum(-1, keepdim=True).sqrt()
        where = [ways, torch.linalg.cross(centres.expand_as(ways), ways)]
        if "rgb" in self.images:
            rgb = observations["rgb"].flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - 0.5
            shown.append(self._cut(rgb, rays))
        if "depth" in self.images:
            depth = observations["depth"].float().flatten(0, 1)[:, None]
            logarithm = torch.where(depth > 0, depth, _NOWHERE_M).clamp_(min=_NEAREST_M).log_().sub_(_MIDDLE)
            shown.append(self._cut(logarithm, rays))
            places = centres + rays * shown[-1].mean(-1, keepdim=True).add_(_MIDDLE).exp_()
            where.append(places / (places.abs() + _HALF_M))
        return torch.cat(shown + where, -1)

    def _cut(self, images: Tensor, rays: Tensor) -> Tensor:
        """Patches (B, C, h, w, K * 16) of images (B C, K, H, W), made as large as is read."""
        rows, cameras, high, wide, _ = rays.shape
        if images.shape[-2:] != self._size:
            images = functional.interpolate(images, self._size, mode="area")
        cut = images.reshape(rows, cameras, -1, high, PATCH, wide, PATCH)
        return cut.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)

    def _rays(self, K: Tensor, pose: Tensor) -> Tensor:
        """Through the patches' middles, in rig coordinates, of z-depth 1: (B, C, h, w, 3)."""
        (high, wide), rotation = (side // PATCH for side in self._size), pose[:, :, None, None, :3, :3]
        u = (torch.arange(wide, device=K.device) + 0.5) * (self._width / wide) - 0.5  # pixel centres at whole numbers
        v = (torch.arange(high, device=K.device) + 0.5) * (self._height / high) - 0.5
        x = ((u - K[:, :, 0, 2, None]) / K[:, :, 0, 0, None])[:, :, None, :, None]  # (B, C, 1, w, 1)
        y = ((v - K[:, :, 1, 2, None]) / K[:, :, 1, 1, None])[:, :, :, None, None]  # (B, C, h, 1, 1)
        return rotation[..., 0] * x + rotation[..., 1] * y + rotation[..., 2]

    def _weights(self, views: Tensor, motion: Tensor, there: Tensor) -> Tensor:
        assert self.query is not None and self.key is not None
        query, key = self._split(self.query(torch.relu(motion))[:, None]), self._split(self.key(views))
        scores = (query * key).sum(-1) / math.sqrt(key.shape[-1])  # (B, heads, C)
        mask = there[:, None]
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        return torch.where(mask, weights, 0.0)  # of no camera at all, too

    def _split(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, C, H * D) -> (B, H, C, D)


def _shape(space: spaces.Space[Any], reads: tuple[str, ...]) -> tuple[int, int, int]:
    """Cameras, height and width of the images that are read.

    Raises:
        ValueError: where something that is read is missing, or of another shape.
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    shapes = {name: parts[name].shape or () for name in reads if isinstance(parts.get(name), spaces.Box)}
    if len(shapes) < len(reads):
        raise ValueError(f"network 'rig_vision' takes a {RigVision.accepts}, and reads {', '.join(reads)}; got {space}")
    image = shapes[reads[0]][:3]
    if len(image) < 3:
        raise ValueError(f"{reads[0]}: must be images (C, H, W) or (C, H, W, 3), got {parts[reads[0]]}")
    cameras, height, width = image
    expected = {"depth": image, "rgb": (*image, 3), "K": (cameras, 3, 3), "T_rig_cam": (cameras, 4, 4)}
    expected |= {"ego_motion": (4, 4), "valid": (cameras,)}
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise ValueError(f"{name}: must have shape {expected[name]}, got {shape}")
    if min(height, width) < LEAST_PX:
        raise ValueError(f"images: {width} x {height} pixels are too few, {LEAST_PX} are needed along a side")
    return cameras, height, width
