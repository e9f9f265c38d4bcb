"""Attention across the cameras of a rig: by fixed weights on a shared cylinder, its controls, or learned.

Source: CylinderDepth (Abualhanud et al., arXiv:2511.16428), from its formulas.
"""

from __future__ import annotations

import itertools
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.vision.depth.weights import Reach, SparseWeights, check_adjacent, cylinder_weights

Mixing = Literal["cylinder", "identity", "uniform", "permuted", "learned"]

MOST_PERMUTED = 8
"""Cameras whose permutations are all tried."""


class CylinderAttention(nn.Module):
    """A block that mixes the features of all cameras: x' = x + W V(LN(x)), x'' = x' + MLP(LN(x')).

    Before and after it stands a linear map per token (the source's separable 1 x 1 convolutions), here the identity at
    first. V and the MLP are learned, W is not, except where it is "learned".

    Args:
        channels: Of the features, C.
        adjacent: (N, N) bool, which cameras are adjacent; see `weights.adjacent_cameras`.
        weights: What W is:
            "cylinder": Gaussian weights on the cylinder; see `weights.cylinder_weights`.
            "identity": each token itself.
            "uniform": all tokens of the camera and of adjacent ones alike.
            "permuted": those of the cylinder, between the wrong cameras; see `estranging`.
            "learned": softmax(Q K^T / sqrt(d)) over all tokens of the camera and of adjacent ones.
        reach: Of weights on the cylinder; None: the source's.
        heads: Of learned attention.
        ray_codes: Add to what Q and K are made of a linear map of each token's ray in rig coordinates.
        mlp_ratio: Width of the MLP over C.

    Raises:
        ValueError: for another name, or numbers that do not fit.
    """

    adjacent: Tensor
    order: Tensor

    def __init__(
        self,
        channels: int,
        adjacent: Tensor,
        *,
        weights: Mixing = "cylinder",
        reach: Reach | None = None,
        heads: int = 4,
        ray_codes: bool = False,
        mlp_ratio: int = 4,
    ) -> None:
        super().__init__()
        check_adjacent(adjacent)
        if weights not in get_args(Mixing):
            raise ValueError(f"weights={weights!r}: must be one of {', '.join(get_args(Mixing))}")
        if ray_codes and weights != "learned":
            raise ValueError(f"ray_codes=True: only learned weights have them, not {weights!r}")
        self.weights, self.reach, self.channels = weights, reach or Reach(), channels
        self.before, self.after = _identity(channels), _identity(channels)
        self.norm_value, self.norm_mlp = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.value = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_ratio * channels), nn.GELU(), nn.Linear(mlp_ratio * channels, channels)
        )
        self.learned = LearnedWeights(channels, heads, ray_codes) if weights == "learned" else None
        order = estranging(adjacent) if weights == "permuted" else torch.arange(len(adjacent))
        self.register_buffer("adjacent", adjacent.clone(), persistent=False)
        self.register_buffer("order", order, persistent=False)

    def weigh(self, points: Tensor, valid: Tensor | None = None) -> SparseWeights | None:
        """W of tokens whose points (B, N, h, w, 3) are given, m in rig coordinates; None where W needs no points.

        Where depth does not change it need be made only once.

        Args:
            points: See `weights.cylinder_weights`.
            valid: Likewise.
        """
        if self.weights not in ("cylinder", "permuted"):
            return None
        return cylinder_weights(points, self.adjacent, self.reach, valid=valid)

    def forward(
        self,
        features: Tensor,
        weights: SparseWeights | None = None,
        rays: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        """Mixed features (B, N, C, h, w).

        Args:
            features: (B, N, C, h, w) floating-point.
            weights: What `weigh` gave for these tokens; it knows which of them are valid.
            rays: (B, N, h, w, 6) if there are ray codes: see `ego_rays`.
            valid: (B, N) bool, false of a camera that "uniform" and "learned" weights leave alone. None: all count.

        Raises:
            ValueError: for shapes that do not fit, or what W needs and does not get.
        """
        if features.ndim != 5 or features.shape[1:3] != (len(self.adjacent), self.channels):
            expected = f"(B, {len(self.adjacent)}, {self.channels}, h, w)"
            raise ValueError(f"features of shape {tuple(features.shape)}: must be {expected}")
        tokens: Tensor = self.before(features.flatten(3).mT)  # (B, N, M, C)
        tokens = tokens + self._mixed(self.norm_value(tokens), weights, rays, valid)
        tokens = tokens + self.mlp(self.norm_mlp(tokens))
        mixed: Tensor = self.after(tokens)
        return mixed.mT.reshape(features.shape)

    def _mixed(
        self, tokens: Tensor, weights: SparseWeights | None, rays: Tensor | None, valid: Tensor | None = None
    ) -> Tensor:
        """W V of normalised tokens (B, N, M, C)."""
        values: Tensor = self.value(tokens)
        if self.weights == "identity":
            return values
        if self.weights == "uniform":
            group = _groups(self.adjacent, valid)
            share = (group / group.sum(-1, keepdim=True)).to(values.dtype)
            return (share @ values.mean(2))[:, :, None].expand_as(values)
        if self.learned is not None:
            mixed: Tensor = self.learned(tokens, values, self.adjacent, rays, valid)
            return mixed
        if weights is None:
            raise ValueError(f"weights={self.weights!r}: needs what `weigh` gives of the tokens' points")
        # of a permutation p, camera a gets from b what p(a) gets from p(b)
        permuted = values[:, self.order.argsort()].flatten(0, 2)
        return weights.apply(permuted).reshape(values.shape)[:, self.order]

    def extra_repr(self) -> str:
        """See `torch.nn.Module.extra_repr`."""
        return f"weights={self.weights!r}, reach={self.reach}"


class LearnedWeights(nn.Module):
    """Learned attention of each camera's tokens to all of its own and of adjacent cameras; see `CylinderAttention`."""

    def __init__(self, channels: int, heads: int, ray_codes: bool) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(f"heads={heads}: must divide channels={channels}")
        self.heads = heads
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.code = nn.Linear(6, channels) if ray_codes else None

    def forward(
        self,
        tokens: Tensor,
        values: Tensor,
        adjacent: Tensor,
        rays: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        """Mixed values (B, N, M, C) of tokens and values (B, N, M, C); rays (B, N, h, w, 6), valid (B, N)."""
        if self.code is not None:
            if rays is None or rays.shape[-1] != 6 or rays.flatten(2, -2).shape[:3] != tokens.shape[:3]:
                shape = None if rays is None else tuple(rays.shape)
                raise ValueError(f"rays {shape}: must be (B, N, h, w, 6) of these tokens, see `ego_rays`")
            tokens = tokens + self.code(rays.flatten(2, -2))
        queries, keys, values = (self._heads(x) for x in (self.query(tokens), self.key(tokens), values))
        mixed, counted = [], None if valid is None else _groups(adjacent, valid)
        for camera, neighbours in enumerate(adjacent):
            seen = [camera, *(int(b) for b in neighbours.nonzero() if b != camera)]
            key, value = (x[:, seen].transpose(1, 2).flatten(2, 3) for x in (keys, values))  # (B, H, S M, C / H)
            mask = None  # (B, 1, 1, S M)
            if counted is not None:
                mask = counted[:, camera, seen].repeat_interleave(tokens.shape[2], -1)[:, None, None]
            mixed.append(F.scaled_dot_product_attention(queries[:, camera], key, value, mask).transpose(1, 2))
        return torch.stack(mixed, 1).flatten(3)  # (B, N, M, C)

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(2, 3)  # (B, N, H, M, C / H)


def ego_rays(K: Tensor, T_rig_cam: Tensor, size: tuple[int, int]) -> Tensor:
    """Pluecker coordinates (..., h, w, 6) of tokens' rays in rig coordinates: unit direction d and moment o x d, m.

    Args:
        K: (..., 3, 3) px of the tokens' grid; see `geometry.at_stride`.
        T_rig_cam: (..., 4, 4).
        size: Height and width, tokens.
    """
    v, u = torch.meshgrid(*(torch.arange(n, dtype=K.dtype, device=K.device) for n in size), indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], -1)
    turn = (T_rig_cam[..., :3, :3] @ torch.linalg.inv(K))[..., None, :, :]
    directions = F.normalize(pixels @ turn.mT, dim=-1)
    origins = T_rig_cam[..., None, None, :3, 3].expand_as(directions)
    return torch.cat([directions, torch.linalg.cross(origins, directions)], -1)


def estranging(adjacent: Tensor) -> Tensor:
    """The permutation (N,) of cameras that leaves the fewest adjacent pairs adjacent.

    Of equals an odd one, which cannot merely turn a ring of three, then the one with the fewest fixed cameras.

    Raises:
        ValueError: for other than 2 to 8 cameras.
    """
    count = len(adjacent)
    if not 2 <= count <= MOST_PERMUTED:
        raise ValueError(f"{count} cameras: only 2 to {MOST_PERMUTED} can be permuted")
    pairs = adjacent.cpu().numpy() & ~np.eye(count, dtype=bool)
    orders = np.array(list(itertools.permutations(range(count))))  # (N!, N)
    kept = (pairs[orders[:, :, None], orders[:, None, :]] & pairs).sum((1, 2))
    upper = np.triu(np.ones((count, count), bool), 1)
    even = ((orders[:, :, None] > orders[:, None, :]) & upper).sum((1, 2)) % 2 == 0
    fixed = (orders == np.arange(count)).sum(1)
    return torch.from_numpy(orders[np.lexsort((fixed, even, kept))[0]]).to(adjacent.device)


def _groups(adjacent: Tensor, valid: Tensor | None) -> Tensor:
    """Which cameras mix (..., N, N) bool: each with itself, and adjacent ones if both are valid (B, N)."""
    itself = torch.eye(len(adjacent), dtype=torch.bool, device=adjacent.device)
    if valid is not None:
        adjacent = adjacent & valid[:, :, None] & valid[:, None]
    return adjacent | itself


def _identity(channels: int) -> nn.Linear:
    layer = nn.Linear(channels, channels)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
