"""The surround depth network: one small encoder for all cameras of a rig, mixed by cylinder attention, one decoder.

Source: CylinderDepth (Abualhanud et al., arXiv:2511.16428): the two passes of the decoder, the mixing and the depth
head. The encoder and the decoder are ours, made for a processor without a graphics card.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.vision.depth.cylinder import CylinderAttention, Mixing, ego_rays
from foveal.vision.depth.geometry import NEAREST_M, at_stride, check_intrinsics, check_transforms, rig_points
from foveal.vision.depth.weights import Reach, SparseWeights

Positions = Literal["predicted", "range", "true"]

FIRST_M = 12.0
"""About what an untrained network gives, m, before the normalisation by focal length, if it is in range."""
MIDDLE, SPREAD = 0.45, 0.25
"""Of images in [0, 1], which are brought to about zero and one."""


@dataclass(frozen=True)
class DepthConfig:
    """What a surround depth network is.

    Attributes:
        mixing: "none": no mixing block at all; or the block's weights, see `CylinderAttention`.
        positions: Where tokens are put on the cylinder, for weights that need it:
            "predicted": by a first pass of the decoder, without mixing between tokens.
            "range": at a constant distance along their rays.
            "true": by depths that are given.
        range_m: That distance, m.
        sigma_deg: See `weights.Reach`.
        cutoff_deg: See `weights.Reach`.
        heads: Of learned mixing.
        ray_codes: Of learned mixing, see `CylinderAttention`.
        nearest_m: Of depths, before the normalisation by focal length, m.
        farthest_m: Likewise.
        fx_ref: Focal length at which the normalisation is 1, px: depth is multiplied by fx / fx_ref. That of the front
            camera of `rig_presets.nuscenes_like` at 160 pixels width; of other sizes, it is to be scaled along.
        channels: Of features at strides 2, 4, 8 and 16.
        stride: Of the tokens that are mixed, px: 4, 8 or 16.
        leak: Slope below 0 of the last activation. At 0 all of its features may fall silent early in training without
            truth, for good: the network then tells one depth for everything.
    """

    mixing: Literal["none"] | Mixing = "cylinder"
    positions: Positions = "predicted"
    range_m: float = 20.0
    sigma_deg: float = Reach.sigma_deg
    cutoff_deg: float = Reach.cutoff_deg
    heads: int = 4
    ray_codes: bool = False
    nearest_m: float = 1.0
    farthest_m: float = 80.0
    fx_ref: float = 126.64
    channels: tuple[int, int, int, int] = (24, 40, 64, 96)
    stride: int = 8
    leak: float = 0.1

    def __post_init__(self) -> None:
        for name, choices in (("mixing", ("none", *get_args(Mixing))), ("positions", get_args(Positions))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}: must be one of {', '.join(choices)}")
        for name in ("range_m", "sigma_deg", "cutoff_deg", "nearest_m", "farthest_m", "fx_ref"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"{name}={value!r}: must be a positive number")
        if isinstance(self.leak, bool) or not isinstance(self.leak, int | float) or not 0 <= self.leak < 1:
            raise ValueError(f"leak={self.leak!r}: must be in [0, 1)")
        if self.farthest_m <= self.nearest_m:
            raise ValueError(f"farthest_m={self.farthest_m}: must be greater than nearest_m={self.nearest_m}")
        if len(self.channels) != 4 or not all(type(c) is int and 8 <= c <= 1024 and c % 8 == 0 for c in self.channels):
            raise ValueError(f"channels={self.channels}: must be four multiples of 8, up to 1024")
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.stride not in (4, 8, 16):
            raise ValueError(f"stride={self.stride!r}: must be 4, 8 or 16")
        if type(self.heads) is not int or self.heads < 1 or self.channels[self.level] % self.heads:
            raise ValueError(f"heads={self.heads!r}: must divide {self.channels[self.level]}, the channels of a token")
        if self.ray_codes and self.mixing != "learned":
            raise ValueError(f"ray_codes=True: only learned mixing has them, not {self.mixing!r}")

    @property
    def level(self) -> int:
        """Which of `channels` the tokens have."""
        return (4, 8, 16).index(self.stride) + 1

    @property
    def two_passes(self) -> bool:
        """Whether the decoder runs twice: where positions are predicted and weights need them."""
        return self.mixing in ("cylinder", "permuted") and self.positions == "predicted"

    def to_json(self) -> dict[str, Any]:
        """As what JSON can hold."""
        return asdict(self) | {"channels": list(self.channels)}

    @classmethod
    def from_json(cls, record: Any) -> DepthConfig:
        """What `to_json` gave.

        Raises:
            ValueError: for anything else, naming the field.
        """
        if not isinstance(record, dict):
            raise ValueError("depth configuration: must be an object")
        for name in record:
            if name not in {f.name for f in fields(cls)}:
                raise ValueError(f"{str(name)[:64]}: is no field of a depth configuration")
        channels = record.get("channels", cls.channels)
        if not isinstance(channels, Sequence):
            raise ValueError(f"channels={channels!r}: must be four numbers")
        return cls(**record | {"channels": tuple(channels)})


class Depths(NamedTuple):
    """What the network sees.

    Attributes:
        depth: (B, N, H, W) z-depth, m, float32.
        disparity: (B, N, H, W) 1/m, of the depth before the normalisation by focal length.
        first: (B, N, H, W) depth of the first pass, m; None where there is but one pass.
    """

    depth: Tensor
    disparity: Tensor
    first: Tensor | None


class SurroundDepth(nn.Module):
    """Depth of all images of a rig: encoder, mixing of the tokens of all cameras, decoder.

    The encoder runs once. Where positions are predicted, the decoder runs first on tokens that are mixed each with
    itself alone; its depth, with gradients, puts the tokens on the cylinder.

    Args:
        config: What the network is.
        adjacent: (N, N) bool, which cameras are adjacent; see `weights.adjacent_cameras`.
    """

    stride = 16
    """Height and width must be multiples of it, px."""

    def __init__(self, config: DepthConfig, adjacent: Tensor) -> None:
        super().__init__()
        self.config, self.cameras = config, len(adjacent)
        self.encoder = Encoder(config.channels, config.level)
        self.decoder = Decoder(config)
        self.mixer = None
        if config.mixing != "none":
            self.mixer = CylinderAttention(
                config.channels[config.level],
                adjacent,
                weights=config.mixing,
                reach=Reach(config.sigma_deg, config.cutoff_deg),
                heads=config.heads,
                ray_codes=config.ray_codes,
            )

    def forward(
        self,
        rgb: Tensor,
        K: Tensor,
        T_rig_cam: Tensor,
        valid: Tensor | None = None,
        depth: Tensor | None = None,
        mirrored: Tensor | None = None,
    ) -> Depths:
        """Depths of images.

        Args:
            rgb: (B, N, 3, H, W) float32 in [0, 1].
            K: (N, 3, 3) or (B, N, 3, 3) px.
            T_rig_cam: (N, 4, 4) or (B, N, 4, 4).
            valid: (B, N) bool, false of a camera that gives no picture: its tokens mix with no others. None: all do.
            depth: (B, N, H, W) true depth, m, inf where there is nothing; for positions that are "true".
            mirrored: (B, N) bool, images that the network sees left to right, for augmentation; what comes out is
                turned back. None: no image.

        Raises:
            ValueError: for shapes that do not fit, or what the configuration needs and does not get.
        """
        K, T_rig_cam = self._checked(rgb, K, T_rig_cam, valid, depth)
        valid = None if valid is None or valid.all() else valid
        shown, K_shown = (rgb - MIDDLE) / SPREAD, K
        if mirrored is not None:
            shown, K_shown = _turned(shown, mirrored), _turned_camera(K, mirrored, rgb.shape[-1])
        rays = camera_rays(K_shown, (rgb.shape[-2], rgb.shape[-1]))
        *skips, features = self.encoder(torch.cat([shown, rays], 2).flatten(0, 1))
        tokens, focal = features.unflatten(0, rgb.shape[:2]), K[..., 0, 0, None, None] / self.config.fx_ref

        def decode(tokens: Tensor) -> Tensor:
            disparity: Tensor = self.decoder(tokens.flatten(0, 1), skips).unflatten(0, rgb.shape[:2])
            return disparity if mirrored is None else _turned(disparity, mirrored)

        first = None
        if self.mixer is not None:
            if self.config.two_passes:
                depth = first = focal / decode(self.mixer(tokens, _each_itself(tokens)))
            with torch.autocast(rgb.device.type, enabled=False):
                weights, codes = self._placed(rgb.shape, depth, K, T_rig_cam, valid, mirrored)
            tokens = self.mixer(tokens, weights, codes, valid)
        disparity = decode(tokens)
        return Depths(focal / disparity, disparity, first)

    def _placed(
        self,
        shape: torch.Size,
        depth: Tensor | None,
        K: Tensor,
        T_rig_cam: Tensor,
        valid: Tensor | None,
        mirrored: Tensor | None,
    ) -> tuple[SparseWeights | None, Tensor | None]:
        """What tokens of images of a shape are mixed by: weights on the cylinder, codes of their rays, or neither."""
        config, mixer = self.config, self.mixer
        stride = config.stride
        if mixer is None or not (config.ray_codes or mixer.weights in ("cylinder", "permuted")):
            return None, None
        if config.ray_codes or config.positions == "range":
            K_tokens = at_stride(K.new_ones(shape[-2:]), K, stride)[1]
            rays = ego_rays(K_tokens, T_rig_cam, (shape[-2] // stride, shape[-1] // stride))
            points = T_rig_cam[..., None, None, :3, 3] + config.range_m * rays[..., :3]
        else:
            assert depth is not None  # as `_checked` saw to
            known = depth.nan_to_num(nan=config.farthest_m).clamp(NEAREST_M, config.farthest_m)
            rays, points = None, rig_points(*at_stride(known, K, stride), T_rig_cam)
        if mirrored is not None:  # tokens stay as they were shown
            points = _turned(points, mirrored, dim=-2)
            rays = None if rays is None else _turned(rays, mirrored, dim=-2)
        if config.ray_codes:
            return None, rays
        if valid is not None:  # a permuted camera's tokens have the place of another's
            valid = valid[:, mixer.order.argsort(), None, None].expand(points.shape[:-1])
        return mixer.weigh(points, valid), None

    def _checked(
        self, rgb: Tensor, K: Tensor, T_rig_cam: Tensor, valid: Tensor | None, depth: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """K (B, N, 3, 3) and T_rig_cam (B, N, 4, 4), where all fits."""
        if rgb.ndim != 5 or rgb.shape[1:3] != (self.cameras, 3) or not rgb.is_floating_point():
            raise ValueError(f"rgb {tuple(rgb.shape)} of {rgb.dtype}: must be (B, {self.cameras}, 3, H, W), float")
        batch, cameras, _, height, width = rgb.shape
        if height % self.stride or width % self.stride or not height or not width:
            raise ValueError(f"images of {height} x {width}: height and width must be multiples of {self.stride}")
        check_intrinsics(K)
        check_transforms(T_rig_cam)
        for name, given, side in (("K", K, 3), ("T_rig_cam", T_rig_cam, 4)):
            if given.shape not in ((cameras, side, side), (batch, cameras, side, side)):
                raise ValueError(f"{name} {tuple(given.shape)}: must be ({cameras}, {side}, {side}), or so per rig")
        if valid is not None and (valid.shape != (batch, cameras) or valid.dtype != torch.bool):
            raise ValueError(f"valid {tuple(valid.shape)} of {valid.dtype}: must be ({batch}, {cameras}) bool")
        needed = self.config.positions == "true" and self.config.mixing in ("cylinder", "permuted")
        if needed and (depth is None or depth.shape != (batch, cameras, height, width)):
            shape = None if depth is None else tuple(depth.shape)
            raise ValueError(f"depth {shape}: positions='true' needs ({batch}, {cameras}, {height}, {width})")
        return K.expand(batch, -1, -1, -1), T_rig_cam.expand(batch, -1, -1, -1)


class Encoder(nn.Module):
    """Features of images at strides 2 and up, and tokens that know their surroundings.

    Residual blocks without a norm at strides 4, 8 and 16; what is seen at 16, and the mean of it, is added to the
    tokens.

    Args:
        channels: At strides 2, 4, 8 and 16.
        level: Which of them the tokens are at.
    """

    def __init__(self, channels: tuple[int, int, int, int], level: int) -> None:
        super().__init__()
        self.level = level
        self.stem = nn.Conv2d(3 + 2, channels[0], 3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), *(Residual(b) for _ in range(blocks)))
            for a, b, blocks in zip(channels, channels[1:], (1, 2, 2), strict=False)
        )
        self.whole = nn.Linear(channels[3], channels[3])
        self.down = nn.ModuleList(nn.Conv2d(channels[k + 1], channels[k], 1) for k in range(level, 3))
        self.join = nn.ModuleList(Residual(channels[k]) for k in range(level, 3))
        begin(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features (M, C_l, H / s, W / s) of images and rays (M, 5, H, W), the tokens last, the finest first."""
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        features = [x]
        for stage in self.stages:
            x = stage(F.relu(x))
            features.append(x)
        x = x + self.whole(F.relu(x).mean((2, 3)))[..., None, None]
        for k in range(2, self.level - 1, -1):
            x = features[k] + F.interpolate(self.down[k - self.level](F.relu(x)), scale_factor=2.0, mode="nearest")
            x = self.join[k - self.level](x)
        return [*features[: self.level], x]


class Decoder(nn.Module):
    """Disparity of tokens, by way of ever finer features."""

    WIDTHS = (16, 32, 48)
    """Channels at strides 2, 4 and 8."""

    def __init__(self, config: DepthConfig) -> None:
        super().__init__()
        widths = [*self.WIDTHS[: config.level], config.channels[config.level]]
        finer = range(config.level - 1, -1, -1)
        self.up = nn.ModuleList(nn.Conv2d(widths[k + 1], widths[k], 1) for k in finer)
        self.lateral = nn.ModuleList(nn.Conv2d(config.channels[k], widths[k], 1) for k in finer)
        self.blend = nn.ModuleList(nn.Conv2d(widths[k], widths[k], 3, padding=1) for k in finer)
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.leak = config.leak
        self.least, self.most = 1 / config.farthest_m, 1 / config.nearest_m
        inside = config.nearest_m < FIRST_M < config.farthest_m
        first = FIRST_M if inside else math.sqrt(config.nearest_m * config.farthest_m)
        share = (1 / first - self.least) / (self.most - self.least)
        self.start = math.log(share / (1 - share))
        begin(self)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, tokens: Tensor, skips: list[Tensor]) -> Tensor:
        """Disparity (M, H, W), 1/m, float32, of tokens (M, C, h, w) and the encoder's finer features."""
        x = tokens
        for up, lateral, blend, skip in zip(self.up, self.lateral, self.blend, reversed(skips), strict=True):
            x = F.interpolate(up(F.relu(x)), scale_factor=2.0, mode="nearest") + lateral(F.relu(skip))
            x = x + blend(F.relu(x))
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would have steps of 1 % in depth
            share = torch.sigmoid(self.head(F.leaky_relu(x, self.leak).float()) + self.start)
        share = F.interpolate(share, scale_factor=2.0, mode="bilinear", align_corners=False).squeeze(1)
        disparity: Tensor = self.least + (self.most - self.least) * share
        return disparity


class Residual(nn.Module):
    """Features, and what two convolutions make of them, times a gain that is learnt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.gain = nn.Parameter(torch.tensor(0.3))  # without a norm, so that sums of blocks stay small

    def forward(self, x: Tensor) -> Tensor:
        """Features (M, C, h, w) of features (M, C, h, w)."""
        return x + self.gain * self.second(F.relu(self.first(F.relu(x))))


def begin(module: nn.Module) -> None:
    """Weights to begin with; features keep their size from ReLU to ReLU by them: He et al. (ICCV 2015), equation 10."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def camera_rays(K: Tensor, size: tuple[int, int]) -> Tensor:
    """Rays of pixels in camera coordinates, x / z and y / z (..., 2, H, W), of K (..., 3, 3) px."""
    v, u = (torch.arange(n, dtype=K.dtype, device=K.device) for n in size)
    x = (u - K[..., 0, 2, None]) / K[..., 0, 0, None]
    y = (v - K[..., 1, 2, None]) / K[..., 1, 1, None]
    return torch.stack([x[..., None, :].expand(*x.shape[:-1], *size), y[..., None].expand(*y.shape[:-1], *size)], -3)


def _turned(x: Tensor, mirrored: Tensor, dim: int = -1) -> Tensor:
    """What is given (B, N, ...), left to right along a dimension where `mirrored` (B, N)."""
    return torch.where(mirrored.reshape(*mirrored.shape, *[1] * (x.ndim - 2)), x.flip(dim), x)


def _turned_camera(K: Tensor, mirrored: Tensor, width: int) -> Tensor:
    """K (B, N, 3, 3) of images that are left to right where `mirrored` (B, N)."""
    turned = K.clone()
    turned[..., 0, 2] = width - 1 - K[..., 0, 2]
    return torch.where(mirrored[..., None, None], turned, K)


def _each_itself(tokens: Tensor) -> SparseWeights:
    """Weights by which each of the tokens (B, N, C, h, w) is mixed with itself alone."""
    count = tokens.shape[:2].numel() * tokens.shape[-2:].numel()
    numbers = torch.arange(count + 1, device=tokens.device)
    return SparseWeights(numbers[:-1], numbers, tokens.new_ones(count))
