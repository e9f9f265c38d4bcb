"""What depth on clips is measured by: errors, agreement between cameras, scale, and the same when blurred."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from foveal.vision.depth.clips import Clips
from foveal.vision.depth.metrics import Consistency, DepthErrors, Scaling, consistency, depth_errors, overlap
from foveal.vision.depth.network import SurroundDepth
from foveal.vision.depth.weights import adjacent_cameras

NEAR_M, RANGE_M = 4.0, (1e-3, 80.0)
BLUR_PX = 3.0


def measure(net: SurroundDepth, clips: Clips) -> dict[str, Any]:
    """Errors of a network's depth on clips, and of what its cameras tell of the same points."""
    predicted, truth = estimate(net, clips), _truth(clips)
    K, T = torch.from_numpy(clips.K), torch.from_numpy(clips.T_rig_cam)
    shared = overlap(truth, K, T, _adjacent(clips), occlusion_tolerance=0.05)
    errors, agree = accuracy(predicted, clips), agreement(predicted, clips)
    blurred = blur(predicted)
    blurred_agree = agreement(blurred, clips).overall()["abs_rel"]
    known = _in_range(truth) & _valid(clips)
    scale = float((predicted[known].double().median() / truth[known].double().median()).log())
    return {
        "abs_rel": errors.overall()["abs_rel"],
        "rmse": errors.overall()["rmse"],
        "within": errors.overall()["within_1"],
        "camera_abs_rel": errors.per_camera()["abs_rel"].tolist(),
        "shared_abs_rel": accuracy(predicted, clips, scaling="shared_median").overall()["abs_rel"],
        "image_abs_rel": accuracy(predicted, clips, scaling="image_median").overall()["abs_rel"],
        "overlap_abs_rel": accuracy(predicted, clips, shared).overall()["abs_rel"],
        "far_abs_rel": accuracy(predicted, clips, truth > NEAR_M).overall()["abs_rel"],
        "consistency": agree.overall()["abs_rel"],
        "camera_consistency": agree.per_camera()["abs_rel"].tolist(),
        "gap": agree.overall()["gap_m"],
        "log_consistency": math.log(agree.overall()["abs_rel"]),
        "blur_gain": math.log(blurred_agree / agree.overall()["abs_rel"]),
        "blurred_abs_rel": accuracy(blurred, clips).overall()["abs_rel"],
        "blurred_consistency": blurred_agree,
        "log_scale": scale,
        "scale_error": abs(scale),
        "scale": math.exp(scale),
    }


def accuracy(
    predicted: Tensor, clips: Clips, counted: Tensor | None = None, scaling: Scaling = "metric"
) -> DepthErrors:
    """Errors of depths (T, N, H, W) of clips, of cameras that work and pixels that count."""
    valid = _valid(clips)
    return depth_errors(predicted, _truth(clips), valid if counted is None else valid & counted, scaling=scaling)


def agreement(predicted: Tensor, clips: Clips) -> Consistency:
    """How far the cameras of clips disagree by depths (T, N, H, W)."""
    truth = _truth(clips)
    K, T = torch.from_numpy(clips.K), torch.from_numpy(clips.T_rig_cam)
    return consistency(predicted, truth, K, T, _adjacent(clips), _in_range(truth) & _valid(clips))


def estimate(net: SurroundDepth, clips: Clips, batch: int = 4) -> Tensor:
    """What a network makes of clips (T, N, H, W), m; one whose positions are true is told the depths of the clips."""
    assert clips.depth is not None
    K, T = torch.from_numpy(clips.K).float(), torch.from_numpy(clips.T_rig_cam).float()
    parts = []
    for first in range(0, len(clips.rgb), batch):
        rgb, valid, truth = (
            torch.from_numpy(array[first : first + batch]) for array in (clips.rgb, clips.valid, clips.depth)
        )
        with torch.inference_mode():
            parts.append(net(rgb.movedim(-1, -3).float() / 255, K, T, valid, truth).depth)
    return torch.cat(parts)


def blur(depth: Tensor) -> Tensor:
    """Depths (F, N, H, W) whose logarithms went through a Gaussian of `BLUR_PX`."""
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(np.exp(gaussian_filter(np.log(depth.numpy()), BLUR_PX, axes=(2, 3), mode="nearest")))


def _truth(clips: Clips) -> Tensor:
    assert clips.depth is not None
    return torch.from_numpy(clips.depth)


def _valid(clips: Clips) -> Tensor:
    """(T, N, H, W), all of a camera that works."""
    return torch.from_numpy(clips.valid)[..., None, None].expand(_truth(clips).shape)


def _adjacent(clips: Clips) -> Tensor:
    return adjacent_cameras(torch.from_numpy(clips.K), torch.from_numpy(clips.T_rig_cam), clips.rgb.shape[2:4])


def _in_range(truth: Tensor) -> Tensor:
    return (truth > RANGE_M[0]) & (truth < RANGE_M[1])
