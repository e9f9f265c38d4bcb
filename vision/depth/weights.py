"""Weights between the tokens of a rig's cameras, from where their points lie on a shared cylinder; nothing is learned.

Only pairs of tokens within the cut-off are kept, and only cameras that are adjacent are compared, one pair of cameras
after the other: for N tokens in all, no array of N x N is ever made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from foveal.vision.depth.geometry import CENTRE, check_intrinsics, check_transforms, on_cylinder

_SLACK = 1e-5
"""What rounding may do to the cosine of an angle between two directions."""


@dataclass(frozen=True)
class Reach:
    """How far weights reach on the cylinder: w = exp(-m^2 / 2) up to the cut-off, m in standard deviations.

    Source: CylinderDepth (arXiv:2511.16428), its defaults Sigma = 0.002 I on a radius of 1, tau = 1.2.

    Attributes:
        sigma_deg: Standard deviation, along the angle and, of the elevation's tangent, along the height.
        cutoff_deg: Greatest distance that has a weight: tau sigma.
    """

    sigma_deg: float = math.degrees(math.sqrt(0.002))  # 2.56
    cutoff_deg: float = 1.2 * math.degrees(math.sqrt(0.002))  # 3.07

    def __post_init__(self) -> None:
        for name in ("sigma_deg", "cutoff_deg"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value}: must be a positive number")

    @classmethod
    def of_pitches(cls, sigma: float, cutoff: float, pitch_deg: float) -> Reach:
        """The reach of a standard deviation and a cut-off that are given in token pitches; see `token_pitch_deg`."""
        return cls(sigma * pitch_deg, cutoff * pitch_deg)

    def in_pitches(self, pitch_deg: float) -> tuple[float, float]:
        """Standard deviation and cut-off in token pitches; a cut-off below 1 mixes hardly within an image."""
        return self.sigma_deg / pitch_deg, self.cutoff_deg / pitch_deg


def token_pitch_deg(K: Tensor, width: int, stride: int) -> float:
    """What a token spans on average, in deg: the horizontal field of view over the number of tokens in a row.

    Args:
        K: (3, 3) px of the image.
        width: Of it, px.
        stride: Of the tokens, px.
    """
    check_intrinsics(K)
    focal, middle = float(K[0, 0]), float(K[0, 2])
    fov = math.atan((width - 0.5 - middle) / focal) + math.atan((middle + 0.5) / focal)
    return math.degrees(fov) * stride / width


def adjacent_cameras(K: Tensor, T_rig_cam: Tensor, size: tuple[int, int], margin_deg: float = 10.0) -> Tensor:
    """Which cameras may see the same (N, N) bool: symmetric, false on the diagonal.

    They do if their fields of view overlap in azimuth, taken as wide to both sides of the optical axis as the pixel
    farthest from it, or miss each other by less than a margin; the margin is for near points, which two cameras see
    from different places.

    Args:
        K: (N, 3, 3) px.
        T_rig_cam: (N, 4, 4).
        size: Height and width, px.
        margin_deg: Gap that still counts.

    Raises:
        ValueError: for shapes that do not fit.
    """
    check_intrinsics(K)
    check_transforms(T_rig_cam)
    if K.ndim != 3 or T_rig_cam.shape != (len(K), 4, 4):
        raise ValueError(f"K {tuple(K.shape)}, T_rig_cam {tuple(T_rig_cam.shape)}: must be (N, 3, 3), (N, 4, 4)")
    height, width = size
    u, v = torch.meshgrid(torch.linspace(-0.5, width - 0.5, 33), torch.linspace(-0.5, height - 0.5, 33), indexing="xy")
    pixels = torch.stack([u, v, torch.ones_like(u)], -1).to(K)  # (33, 33, 3)
    rays = torch.einsum("nij,njk,hwk->nhwi", T_rig_cam[:, :3, :3], torch.linalg.inv(K), pixels)
    axes = torch.atan2(T_rig_cam[:, 1, 2], T_rig_cam[:, 0, 2])
    half = wrapped(torch.atan2(rays[..., 1], rays[..., 0]) - axes[:, None, None]).abs().amax((1, 2))
    gap = wrapped(axes[:, None] - axes).abs() - half[:, None] - half
    near = (gap < math.radians(margin_deg)) & ~torch.eye(len(K), dtype=torch.bool, device=K.device)
    return near | near.mT  # rounding may differ


class SparseWeights(NamedTuple):
    """Rows of weights that sum to one, of tokens numbered through batch, cameras, rows and columns: compressed rows.

    Attributes:
        columns: (E,) int64, the token that is weighed; ascending in a row.
        offsets: (T + 1,) int64, where each token's row begins and the last one ends.
        values: (E,), with gradients.
    """

    columns: Tensor
    offsets: Tensor
    values: Tensor

    @property
    def rows(self) -> Tensor:
        """(E,) int64, the token that each weight's sum is for."""
        tokens = torch.arange(len(self.offsets) - 1, device=self.offsets.device)
        return tokens.repeat_interleave(self.offsets.diff())

    def apply(self, values: Tensor) -> Tensor:
        """Weighted sums (T, C) of the tokens' values (T, C)."""
        if len(values) != len(self.offsets) - 1:
            raise ValueError(f"values of shape {tuple(values.shape)}: must be ({len(self.offsets) - 1}, C)")
        weights = self.values.to(values.dtype)
        return F.embedding_bag(
            self.columns, values, self.offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
        )


def cylinder_weights(
    points: Tensor,
    adjacent: Tensor,
    reach: Reach | None = None,
    *,
    centre: tuple[float, float, float] = CENTRE,
    valid: Tensor | None = None,
) -> SparseWeights:
    """Weights between tokens of the same camera and of adjacent ones; see `Reach`, `geometry.on_cylinder`.

    m^2 = (dtheta^2 + dh^2) / sigma^2, dtheta wrapped to [-pi, pi). Gradients reach the points; which pairs are within
    the cut-off is taken as given. A token without a valid point has only itself.

    Source: CylinderDepth (arXiv:2511.16428), from its formulas.

    Args:
        points: (B, N, h, w, 3) in rig coordinates, m.
        adjacent: (N, N) bool, symmetric; a camera's own tokens are always among the neighbours.
        reach: None: that of the source.
        centre: Of the cylinder, in rig coordinates, m.
        valid: (B, N, h, w) bool; None: all are.

    Raises:
        ValueError: for shapes that do not fit, or points that are not finite.
    """
    check_adjacent(adjacent)
    _check_points(points, adjacent, valid)
    reach = reach or Reach()
    places, defined = on_cylinder(points, centre)
    places = places.flatten(2, 3)  # (B, N, M, 2)
    usable = (defined if valid is None else defined & valid).flatten(2)  # (B, N, M)
    first, second = _candidates(places.detach(), usable, adjacent, math.radians(reach.cutoff_deg))
    flat = places.reshape(-1, 2)
    apart = flat[first] - flat[second]
    apart = torch.stack([wrapped(apart[:, 0]), apart[:, 1]], -1) / math.radians(reach.sigma_deg)
    square = apart.square().sum(-1)
    near = square.detach() <= (reach.cutoff_deg / reach.sigma_deg) ** 2
    return _rows(first[near], second[near], torch.exp(-square[near] / 2), len(flat))


def wrapped(angle: Tensor) -> Tensor:
    """Angles in [-pi, pi), rad."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def check_adjacent(adjacent: Tensor) -> None:
    """Raises ValueError unless `adjacent` is (N, N) bool and symmetric."""
    if adjacent.ndim != 2 or adjacent.dtype != torch.bool or not torch.equal(adjacent, adjacent.mT):
        raise ValueError(f"adjacent {tuple(adjacent.shape)} of {adjacent.dtype}: must be (N, N) bool, symmetric")


def _candidates(places: Tensor, usable: Tensor, adjacent: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Pairs of tokens, the first below the second, among them all that are closer than a radius on the cylinder.

    The angle between two directions is at most their distance on the cylinder (ds^2 = cos^2(e) dtheta^2 + de^2, and the
    elevation e changes less than its tangent), so the product of two unit vectors is enough to look.
    """
    cameras, tokens = usable.shape[1:]
    angle, height = places.unbind(-1)
    directions = torch.stack([angle.cos(), angle.sin(), height], -1)
    directions = F.normalize(directions, dim=-1) * usable[..., None]  # (B, N, M, 3)
    least = math.cos(min(radius, math.pi)) - _SLACK
    a, b = (adjacent | torch.eye(cameras, dtype=torch.bool, device=adjacent.device)).triu().nonzero(as_tuple=True)
    blocks = [directions[:, i] @ directions[:, j].mT >= least for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    pair, row, i, j = torch.stack(blocks).nonzero(as_tuple=True)  # (P, B, M, M)
    first = (row * cameras + a[pair]) * tokens + i
    second = (row * cameras + b[pair]) * tokens + j
    flat = usable.flatten()
    keep = (first < second) & flat[first] & flat[second]
    return first[keep], second[keep]


def _rows(first: Tensor, second: Tensor, weights: Tensor, tokens: int) -> SparseWeights:
    """Rows that sum to one of pairs' weights, which count both ways, and of 1 for each token itself."""
    itself = torch.arange(tokens, device=first.device)
    rows, columns = torch.cat([first, second, itself]), torch.cat([second, first, itself])
    order = torch.argsort(rows * tokens + columns)
    rows, columns = rows[order], columns[order]
    values = torch.cat([weights, weights, weights.new_ones(tokens)])[order]
    sums = values.new_zeros(tokens).index_add(0, rows, values)
    offsets = F.pad(torch.bincount(rows, minlength=tokens).cumsum(0), (1, 0))
    return SparseWeights(columns, offsets, values / sums[rows])


def _check_points(points: Tensor, adjacent: Tensor, valid: Tensor | None) -> None:
    if points.ndim != 5 or points.shape[1] != len(adjacent) or points.shape[-1] != 3 or not points.is_floating_point():
        raise ValueError(
            f"points {tuple(points.shape)} of {points.dtype}: must be (B, {len(adjacent)}, h, w, 3), floating-point"
        )
    if valid is not None and (valid.shape != points.shape[:-1] or valid.dtype != torch.bool):
        raise ValueError(f"valid {tuple(valid.shape)} of {valid.dtype}: must be {tuple(points.shape[:-1])} bool")
    if not torch.isfinite(points).all():
        raise ValueError("points: must be finite; put any number where `valid` is false")
