"""Measures of depth: how near to the truth it is, and how well the cameras of a rig agree with each other.

Depths are (F, N, H, W) of F moments and N cameras, metres. A measure is a mean over the pixels of an image; over a
drive it is averaged over the moments of each camera, then over the cameras, as SurroundDepth (Wei et al.,
arXiv:2204.03636) and its kin have it. Pixels count where the truth is finite, in range and not masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, get_args

import torch
from torch import Tensor

from foveal.vision.depth.geometry import backproject, check_intrinsics, check_transforms, invert, project, transform
from foveal.vision.depth.weights import check_adjacent

Scaling = Literal["metric", "shared_median", "image_median"]


@dataclass(frozen=True)
class DepthErrors:
    """Errors of d against g, each of every image (F, N), NaN of one in which no pixel counts.

    Source: Eigen et al., "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network" (NeurIPS 2014),
    section 4.

    Attributes:
        abs_rel: Mean of |d - g| / g.
        sq_rel: Mean of (d - g)^2 / g, m.
        rmse: Root of the mean of (d - g)^2, m.
        rmse_log: Root of the mean of (ln d - ln g)^2.
        within_1: Share of pixels with max(d / g, g / d) < 1.25.
        within_2: Likewise below 1.25^2.
        within_3: Likewise below 1.25^3.
    """

    abs_rel: Tensor
    sq_rel: Tensor
    rmse: Tensor
    rmse_log: Tensor
    within_1: Tensor
    within_2: Tensor
    within_3: Tensor

    def per_camera(self) -> dict[str, Tensor]:
        """By name, the mean (N,) over each camera's images with pixels that count; NaN of a camera without any."""
        return {f.name: getattr(self, f.name).nanmean(0) for f in fields(self)}

    def overall(self) -> dict[str, float]:
        """By name, the mean over the cameras of `per_camera`, without those that are NaN."""
        return {name: float(values.nanmean()) for name, values in self.per_camera().items()}


@dataclass(frozen=True)
class Consistency(DepthErrors):
    """How far cameras and their neighbours disagree on the points that both see.

    The errors are of the neighbour's distance d against the camera's own g, of points from the rig's origin.

    Attributes:
        gap_m: Mean distance between the two points, m.
        close: Share of pixels whose two points are less apart than 5 % of the camera's own distance.
    """

    gap_m: Tensor
    close: Tensor


def depth_errors(
    predicted: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    *,
    scaling: Scaling = "metric",
    range_m: tuple[float, float] = (1e-3, 80.0),
) -> DepthErrors:
    """Errors of depths (F, N, H, W), m.

    Predictions are scaled, then clipped to the range. Scales are medians of the truth over medians of predictions, of
    the pixels that count: "metric": none. "image_median": of each image, which forgives that cameras differ in scale.
    "shared_median": of all images of a moment together, which does not.

    Source: of the scales Zhou et al. (CVPR 2017) per image, FSM (Guizilini et al., arXiv:2104.00152) shared.

    Args:
        predicted: (F, N, H, W).
        truth: (F, N, H, W); not finite where unknown.
        mask: (F, N, H, W) bool, which pixels count, as `overlap` for those that two cameras see; None: all.
        scaling: See above.
        range_m: Truths that count, ends apart; 80 m is nuScenes's cap, 200 m DDAD's.

    Raises:
        ValueError: for shapes that do not fit, an unknown scaling or an empty range, predictions that are not finite
            and positive where they count, or no pixel that counts.
    """
    least, most = range_m
    if scaling not in get_args(Scaling):
        raise ValueError(f"scaling={scaling!r}: must be one of {', '.join(get_args(Scaling))}")
    if not 0 < least < most:
        raise ValueError(f"range_m={range_m}: must be positive, the first below the second")
    counted = _counted(predicted, truth, mask, least, most)
    predicted, truth = predicted.double(), truth.double()
    if scaling != "metric":
        first = 2 if scaling == "image_median" else 1
        predicted = predicted * _median(truth, counted, first) / _median(predicted, counted, first)

    def errors(d: Tensor, g: Tensor, counted: Tensor) -> tuple[Tensor, ...]:
        def mean(values: Tensor) -> Tensor:
            return torch.where(counted, values, 0).sum((2, 3)) / counted.sum((2, 3))

        return _errors(torch.where(counted, d, 1), torch.where(counted, g, 1), mean)

    return DepthErrors(*_by_moment(errors, predicted.clamp(least, most), truth, counted))


def overlap(
    truth: Tensor, K: Tensor, T_rig_cam: Tensor, adjacent: Tensor, occlusion_tolerance: float | None = None
) -> Tensor:
    """Pixels (F, N, H, W) whose true points lie in the image of an adjacent camera.

    Args:
        truth: (F, N, H, W) m; not finite where unknown.
        K: (N, 3, 3) or (F, N, 3, 3) px.
        T_rig_cam: (N, 4, 4) or (F, N, 4, 4).
        adjacent: (N, N) bool.
        occlusion_tolerance: How far the neighbour's true depth may differ from the point's, relative to it; beyond that
            something hides it. None: not tested, as in CylinderDepth's measure, which has laser points only.
    """
    K, T_rig_cam = _expanded(truth, K, T_rig_cam, adjacent)
    seen = torch.zeros_like(truth, dtype=torch.bool)
    for a, b in adjacent.nonzero().tolist():
        if a != b:
            seen[:, a] |= _correspondence(truth, K, T_rig_cam, a, b, occlusion_tolerance)[0]
    return seen


def consistency(
    predicted: Tensor,
    truth: Tensor,
    K: Tensor,
    T_rig_cam: Tensor,
    adjacent: Tensor,
    mask: Tensor | None = None,
    *,
    occlusion_tolerance: float | None = 0.05,
) -> Consistency:
    """Cross-view consistency of predicted depths (F, N, H, W), m.

    For each pixel of a camera whose true point an adjacent one sees: the predicted depth of the pixel, and that of the
    neighbour's pixel nearest to where the true point is seen, are turned into points in rig coordinates, the latter
    along the ray of the true point. Their distances from the rig's origin are compared. Truth serves for correspondence
    only, so that a wrong depth can be consistent. A pixel counts once for each neighbour that sees it.

    Source: CylinderDepth (arXiv:2511.16428), its consistency measure, which adds the errors of the two neighbours.

    Args:
        predicted: (F, N, H, W).
        truth: (F, N, H, W); not finite where unknown.
        K: As `overlap`.
        T_rig_cam: As `overlap`.
        adjacent: As `overlap`.
        mask: (F, N, H, W) bool, which pixels count, in both images; None: all.
        occlusion_tolerance: As `overlap`.

    Raises:
        ValueError: for shapes that do not fit, predictions that are not finite and positive where they count, or no
            pixel that two cameras see.
    """
    counted = _counted(predicted, truth, mask, 0.0, float("inf"))
    K, T_rig_cam = _expanded(truth, K, T_rig_cam, adjacent)

    def errors(d: Tensor, g: Tensor, counted: Tensor, K: Tensor, T: Tensor) -> tuple[Tensor, ...]:
        own, theirs, camera = _pairs(d, g, counted, K, T, adjacent, occlusion_tolerance)

        def mean(values: Tensor) -> Tensor:
            return (camera.bincount(values, len(adjacent)) / camera.bincount(minlength=len(adjacent)))[None]

        distance, gap = own.norm(dim=-1), (own - theirs).norm(dim=-1)
        more = mean(gap), mean((gap < 0.05 * distance).double())
        return *_errors(theirs.norm(dim=-1), distance, mean), *more

    found = Consistency(*_by_moment(errors, predicted.double(), truth, counted, K, T_rig_cam))
    if found.gap_m.isnan().all():
        raise ValueError("no pixel that counts is seen by two adjacent cameras")
    return found


def _pairs(
    predicted: Tensor,
    truth: Tensor,
    counted: Tensor,
    K: Tensor,
    T_rig_cam: Tensor,
    adjacent: Tensor,
    tolerance: float | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Points (P, 3) in rig coordinates that a camera and a neighbour tell of a moment (1, N, ...); its number (P,)."""
    own, theirs = [predicted.new_empty(0, 3)], [predicted.new_empty(0, 3)]
    cameras = [adjacent.new_empty(0, dtype=torch.int64)]
    points = transform(T_rig_cam[0], backproject(predicted[0], K[0]))  # (N, H, W, 3)
    for a, b in adjacent.nonzero().tolist():
        if a == b:
            continue
        seen, pixels, nearest = _correspondence(truth, K, T_rig_cam, a, b, tolerance)
        seen = seen & counted[:, a]
        v, u = nearest[seen].flip(-1).unbind(-1)
        seen[seen.clone()] = kept = counted[0, b, v, u]
        v, u = v[kept], u[kept]
        rays = (pixels[seen] - K[0, b, :2, 2]) / K[0, b][[0, 1], [0, 1]]
        local = torch.cat([rays, torch.ones_like(rays[:, :1])], -1) * predicted[0, b, v, u, None]
        own.append(points[a][seen[0]])
        theirs.append(transform(T_rig_cam[0, b], local[None])[0])
        cameras.append(torch.full_like(u, a))
    return torch.cat(own), torch.cat(theirs), torch.cat(cameras)


def _correspondence(
    truth: Tensor, K: Tensor, T_rig_cam: Tensor, a: int, b: int, tolerance: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Whether camera b sees the true points of camera a's pixels (F, H, W), where, and at which pixel (F, H, W, 2)."""
    height, width = truth.shape[-2:]
    known, known_there = (torch.isfinite(truth[:, k]) & (truth[:, k] > 0) for k in (a, b))
    depth = torch.where(known, truth[:, a], 1).double()
    points = transform(invert(T_rig_cam[:, b]) @ T_rig_cam[:, a], backproject(depth, K[:, a]))
    pixels, in_front = project(points, K[:, b])
    size = pixels.new_tensor([width, height])
    seen = known & in_front & ((pixels > -0.5) & (pixels < size - 0.5)).all(-1)
    nearest = torch.where(seen[..., None], pixels, 0).round().long().clamp(min=0)
    nearest = torch.minimum(nearest, size.long() - 1)
    if tolerance is not None:
        row = torch.arange(len(truth), device=truth.device)[:, None, None]
        u, v = nearest.unbind(-1)
        there = torch.where(known_there, truth[:, b], torch.inf).double()[row, v, u]
        seen = seen & ((there - points[..., 2]).abs() <= tolerance * points[..., 2])
    return seen, pixels, nearest


def _by_moment(errors: Callable[..., tuple[Tensor, ...]], *arrays: Tensor) -> tuple[Tensor, ...]:
    """Errors (F, N) of arrays (F, ...), one moment after the other: what is made of one stays in the cache."""
    moments = [errors(*(array[f : f + 1] for array in arrays)) for f in range(len(arrays[0]))]
    return tuple(torch.cat(parts) for parts in zip(*moments, strict=True))


def _errors(d: Tensor, g: Tensor, mean: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
    """`DepthErrors` of d against g, by the mean over the pixels of each image."""
    square, logarithm, ratio = (d - g).square(), (d.log() - g.log()).square(), torch.maximum(d / g, g / d)
    return (
        mean((d - g).abs() / g),
        mean(square / g),
        mean(square).sqrt(),
        mean(logarithm).sqrt(),
        *(mean((ratio < 1.25**k).double()) for k in (1, 2, 3)),
    )


def _median(values: Tensor, counted: Tensor, first: int) -> Tensor:
    """Medians over the dimensions from `first` on, which stay as 1, of the pixels that count; infinite of none."""
    shape = values.shape[:first]
    ordered = torch.where(counted, values, torch.inf).flatten(first).sort(-1).values
    count = counted.flatten(first).sum(-1, keepdim=True)
    low, high = (ordered.gather(-1, (count - k).clamp(min=0) // 2) for k in (1, 0))
    return ((low + high) / 2).reshape(*shape, *[1] * (4 - first))


def _counted(predicted: Tensor, truth: Tensor, mask: Tensor | None, least: float, most: float) -> Tensor:
    """Which pixels count, of depths that are checked."""
    if truth.ndim != 4 or predicted.shape != truth.shape or (mask is not None and mask.shape != truth.shape):
        shapes = [None if x is None else tuple(x.shape) for x in (predicted, truth, mask)]
        raise ValueError(f"predicted, truth, mask of shapes {shapes}: must be alike (F, N, H, W)")
    counted = torch.isfinite(truth) & (truth > least) & (truth < most)
    if mask is not None:
        counted = counted & mask
    if not counted.any():
        raise ValueError("no pixel counts: the truth is nowhere known, in range and not masked")
    bad = counted & ~(torch.isfinite(predicted) & (predicted > 0))
    if bad.any():
        frame, camera = bad.nonzero()[0, :2].tolist()
        raise ValueError(
            f"predicted: {int(bad.sum())} pixels that count are not finite and positive, the first in frame {frame} of "
            f"camera {camera}"
        )
    return counted


def _expanded(truth: Tensor, K: Tensor, T_rig_cam: Tensor, adjacent: Tensor) -> tuple[Tensor, Tensor]:
    """K (F, N, 3, 3) and T_rig_cam (F, N, 4, 4), float64, checked."""
    check_adjacent(adjacent)
    check_intrinsics(K)
    check_transforms(T_rig_cam)
    if truth.ndim != 4 or len(adjacent) != truth.shape[1]:
        raise ValueError(f"truth {tuple(truth.shape)}: must be (F, {len(adjacent)}, H, W)")
    return K.double().expand(*truth.shape[:2], 3, 3), T_rig_cam.double().expand(*truth.shape[:2], 4, 4)
