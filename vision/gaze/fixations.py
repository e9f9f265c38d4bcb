"""Fixations on a target: when it is first fixated, how direct the way there was, and how far the eye jumps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEVER = -1


def first_on_target(on_target: ArrayLike) -> int:
    """Index of the first fixation (T,) on the target, 0 being the one that the trial began with; -1: none is."""
    hits = np.flatnonzero(np.asarray(on_target, np.bool_))
    return int(hits[0]) if hits.size else NEVER


def cumulative(first: ArrayLike, most: int) -> NDArray[np.float64]:
    """Share of the trials whose target was fixated by fixation 1, 2, … `most` (most,).

    Args:
        first: (T,) of each trial, `first_on_target`.
        most: How many fixations are looked at.

    Raises:
        ValueError: for no trials, or none to look at.
    """
    index = np.asarray(first, np.int64)
    if index.ndim != 1 or not index.size or most < 1:
        raise ValueError(f"first {index.shape}, most={most}: must be (T,), not empty, and at least 1")
    by = np.arange(1, most + 1)
    return ((index >= 0) & (index <= by[:, None])).mean(1)


def tfp_auc(first: ArrayLike, most: int = 7) -> float:
    """Area under the curve of target-fixation probability: the sum of `cumulative`.

    Source: Chen et al., "COCO-Search18" (Scientific Reports 11, 2021), evaluation; 7 fixations there, of which index 1
    in their count is the given start. Here the start is 0, so hand over indices of theirs as they are.
    """
    return float(cumulative(first, most).sum())


def probability_mismatch(first: ArrayLike, humans: ArrayLike, most: int = 7) -> float:
    """Sum of the absolute differences of two `cumulative` curves. Source: as `tfp_auc`."""
    return float(np.abs(cumulative(first, most) - cumulative(humans, most)).sum())


def scanpath_ratio(path: ArrayLike, target: ArrayLike) -> float:
    """The straight way from the start to the target's middle, over the way of the eye: at most 1.

    Args:
        path: (T, 2) from the start to the fixation on the target, two or more.
        target: (2,) its middle.

    Raises:
        ValueError: for another shape, or a path without a saccade.

    Source: as `tfp_auc`.
    """
    points, goal = _path(path), np.asarray(target, np.float64)
    length = saccade_sizes([points]).sum()
    if goal.shape != (2,) or not length:
        raise ValueError(f"target {goal.shape}, path of length {length:g}: must be (2,), and positive")
    return float(min(1.0, np.linalg.norm(goal - points[0]) / length))


def saccade_sizes(paths: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Distances from each fixation to the next (S,), of all scanpaths (T, 2) one after the other, in their unit."""
    steps = [np.linalg.norm(np.diff(_path(path), axis=0), axis=1) for path in paths]
    return np.concatenate(steps) if steps else np.zeros(0)


def _path(path: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(path, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"a scanpath of shape {points.shape}: must be (T, 2), and finite")
    return points
