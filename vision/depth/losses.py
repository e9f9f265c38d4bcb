"""Losses of depth without truth: what one camera sees must explain what another, or the same one later, does.

All warps are one function, `reproject`: to a source at another time, of another camera, or both (see
`geometry.relative_pose`). Losses are means over the pixels that count, and 0 where none does. Images lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from foveal.vision.depth.geometry import backproject, check_depth, invert, transform, warp
from foveal.vision.depth.photometric import photometric

_UNSEEN = 1e3
"""An error that no valid pixel has."""


@dataclass(frozen=True)
class LossWeights:
    """Of the sum of losses.

    Source: CylinderDepth (arXiv:2511.16428), for nuScenes; for DDAD `reconstruction` is 0.2.
    """

    temporal: float = 1.0
    spatial: float = 0.03
    spatio_temporal: float = 0.1
    smoothness: float = 0.1
    depth: float = 0.001
    reconstruction: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}={value}: must be at least 0, and finite")


class Reprojection(NamedTuple):
    """A target image as a source explains it.

    Attributes:
        image: (..., C, H, W).
        error: (..., H, W), `photometric` to the target.
        valid: (..., H, W) bool: the source sees the target's point, occlusion apart.
    """

    image: Tensor
    error: Tensor
    valid: Tensor


def align_intensity(image: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The image (..., C, H, W), shifted and scaled to the target's mean and deviation per channel over valid pixels.

    Source: as in CylinderDepth (arXiv:2511.16428) between cameras.

    Args:
        image: (..., C, H, W).
        target: (..., C, H, W).
        valid: (..., H, W) bool, the overlap.
    """
    inside = valid[..., None, :, :].to(image.dtype)
    count = inside.sum((-2, -1), keepdim=True).clamp(min=1)

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (x * inside).sum((-2, -1), keepdim=True) / count
        variance = ((x - mean).square() * inside).sum((-2, -1), keepdim=True) / count
        return mean, (variance + 1e-8).sqrt()

    (mean, deviation), (aim, spread) = moments(image), moments(target)
    return (image - mean) / deviation * spread + aim


def reproject(
    target: Tensor,
    source: Tensor,
    depth: Tensor,
    K_source: Tensor,
    K_target: Tensor,
    T_source_target: Tensor,
    *,
    mask: Tensor | None = None,
    align: bool = False,
) -> Reprojection:
    """The target as seen in the source by the target's depth, and how far that is from it.

    Args:
        target: (..., C, H, W).
        source: (..., C, h, w), of another time, camera or both.
        depth: (..., H, W), the target's, m.
        K_source: (..., 3, 3) px.
        K_target: (..., 3, 3) px.
        T_source_target: (..., 4, 4), see `geometry.relative_pose`.
        mask: (..., h, w) bool, what of the source may be looked at (not the car's own body); None: all.
        align: First `align_intensity`, between cameras that expose differently.
    """
    looked = source
    if mask is not None:
        looked = torch.cat([source, mask[..., None, :, :].to(source.dtype).expand(*source.shape[:-3], 1, -1, -1)], -3)
    warped = warp(looked, depth, K_source, K_target, T_source_target)
    image, valid = warped.image[..., : source.shape[-3], :, :], warped.valid
    if mask is not None:
        valid = valid & (warped.image[..., -1, :, :] > 0.999)
    if align:
        image = align_intensity(image, target, valid)
    return Reprojection(image, photometric(image, target), valid)


def temporal(seen: Sequence[Reprojection], still: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
    """The least error over the frames before and after, where that is less than the least error of no motion at all.

    Source: Monodepth2, section 3.2: per-pixel minimum, here over the frames that see the point, and auto-masking.

    Args:
        seen: By frame, the target in it; errors (..., H, W).
        still: By frame, `photometric` of the frame itself to the target (..., H, W).
        mask: (..., H, W) bool, which pixels of the target count; None: all.
    """
    if not seen or len(seen) != len(still):
        raise ValueError(
            f"{len(seen)} reprojections, {len(still)} errors of still frames: must be as many, at least one"
        )
    least, valid = _least(seen)
    moved = least.detach() < torch.stack(list(still)).detach().amin(0)
    return masked_mean(least, _counted(valid & moved, mask))


def spatial(seen: Sequence[Reprojection], mask: Tensor | None = None) -> Tensor:
    """The mean error over all pairs of a pixel and a neighbouring camera, of the same time, that sees its point.

    Source: FSM (Guizilini et al., RA-L 2022), spatial photometric term. Pixels that two neighbours see count twice.

    Args:
        seen: By neighbour, the target in it.
        mask: As `temporal`.
    """
    if not seen:
        raise ValueError("no reprojections: must be at least one")
    return masked_mean(*_together(seen, mask))


def spatio_temporal(seen: Sequence[Sequence[Reprojection]], mask: Tensor | None = None) -> Tensor:
    """As `spatial`, of neighbours before and after; of each neighbour the frame with the least error.

    Source: FSM, spatio-temporal photometric term.

    Args:
        seen: By neighbour and frame, the target in it.
        mask: As `temporal`.
    """
    if not seen or not all(seen):
        raise ValueError("no reprojections: must be at least one of each neighbour")
    errors, valid = zip(*(_least(frames) for frames in seen), strict=True)
    return masked_mean(torch.stack(errors), _counted(torch.stack(valid), mask))


def smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Mean of |dx d| exp(-|dx I|) + |dy d| exp(-|dy I|), d disparity over its mean, |dI| the mean over channels.

    Source: Monodepth2, section 3.1.

    Args:
        disparity: (..., H, W), positive.
        image: (..., C, H, W).
    """
    check_depth(disparity)
    if image.shape[-2:] != disparity.shape[-2:] or min(disparity.shape[-2:]) < 2:
        raise ValueError(f"disparity {tuple(disparity.shape)}, image {tuple(image.shape)}: H, W must agree, at least 2")
    relative = disparity / (disparity.mean((-2, -1), keepdim=True) + 1e-7)
    across = relative.diff(dim=-1).abs() * torch.exp(-image.diff(dim=-1).abs().mean(-3))
    down = relative.diff(dim=-2).abs() * torch.exp(-image.diff(dim=-2).abs().mean(-3))
    return across.mean() + down.mean()


def depth_consistency(
    depth: Tensor,
    depth_source: Tensor,
    K_source: Tensor,
    K_target: Tensor,
    T_source_target: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Mean of |D - z|, m: z is the depth in the target camera of the source's own points, where the target's are seen.

    Source: CVCDepth (Ding et al., arXiv:2407.04041), dense depth consistency.

    Args:
        depth: D (..., H, W), the target's, m.
        depth_source: (..., h, w), that of the neighbouring camera, m.
        K_source: (..., 3, 3) px.
        K_target: (..., 3, 3) px.
        T_source_target: (..., 4, 4).
        mask: As `temporal`.
    """
    theirs = transform(invert(T_source_target), backproject(depth_source, K_source))[..., 2]
    warped = warp(theirs[..., None, :, :], depth, K_source, K_target, T_source_target)
    return masked_mean((depth - warped.image.squeeze(-3)).abs(), _counted(warped.valid, mask))


def reconstruction_consistency(
    spatial_seen: Reprojection, seen: Sequence[Reprojection], mask: Tensor | None = None
) -> Tensor:
    """Mean `photometric` error of a neighbour's image of the same time to those before and after, all of them warped.

    Source: CVCDepth, multi-view reconstruction consistency.

    Args:
        spatial_seen: The target in the neighbour at the same time.
        seen: By frame, the target in the neighbour at another time.
        mask: As `temporal`.
    """
    pairs = [
        Reprojection(s.image, photometric(s.image, spatial_seen.image), s.valid & spatial_seen.valid) for s in seen
    ]
    return spatial(pairs, mask)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values where a mask that broadcasts is true; 0, with gradients of 0, where it never is."""
    mask = mask.expand_as(values)
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)


def _least(seen: Sequence[Reprojection]) -> tuple[Tensor, Tensor]:
    """The least error of the valid ones, and whether there is any."""
    errors = torch.stack([torch.where(s.valid, s.error, _UNSEEN) for s in seen]).amin(0)
    return errors, torch.stack([s.valid for s in seen]).any(0)


def _together(seen: Sequence[Reprojection], mask: Tensor | None) -> tuple[Tensor, Tensor]:
    return torch.stack([s.error for s in seen]), _counted(torch.stack([s.valid for s in seen]), mask)


def _counted(valid: Tensor, mask: Tensor | None) -> Tensor:
    return valid if mask is None else valid & mask
