"""Search times: from fixations to milliseconds, slopes over set size, and the asymmetry of a pair of searches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MS_PER_FIXATION, MS_BEFORE = 252.359, 376.271
"""Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953) and its published code."""


class Slope(NamedTuple):
    """How search times grow with the number of items.

    Attributes:
        slope: ms per item.
        intercept: ms.
        low: Lower end of the slope's 95 % interval.
        high: Upper end.
    """

    slope: float
    intercept: float
    low: float
    high: float


class Correlation(NamedTuple):
    """Agreement of two lists: Pearson's r, and Spearman's of the ranks; NaN where one is constant."""

    linear: float
    rank: float


def reaction_ms(saccades: ArrayLike) -> NDArray[np.float64]:
    """Reaction times, ms, of searches that took so many saccades: 252.359 ms each, and 376.271 ms."""
    return np.asarray(saccades, np.float64) * MS_PER_FIXATION + MS_BEFORE


def slope(set_sizes: ArrayLike, times_ms: ArrayLike, *, resamples: int = 2000, seed: int = 0) -> Slope:
    """The least-squares line through the mean times of each set size, with a bootstrap interval over trials.

    Args:
        set_sizes: (T,) items in each trial.
        times_ms: (T,) its reaction time.
        resamples: Of the trials, drawn within each set size; the interval is the percentiles' 95 %.
        seed: Of the draws.

    Raises:
        ValueError: for shapes that do not fit, times that are not finite, or fewer than two set sizes.
    """
    sizes, times = np.asarray(set_sizes, np.float64), np.asarray(times_ms, np.float64)
    if sizes.shape != times.shape or sizes.ndim != 1 or not np.isfinite(times).all():
        raise ValueError(f"set sizes {sizes.shape}, times {times.shape}: must be (T,) both, and finite")
    levels = np.unique(sizes)
    if levels.size < 2:
        raise ValueError(f"set sizes {levels.tolist()}: a slope needs two of them")
    rng = np.random.default_rng(seed)
    groups = [times[sizes == level] for level in levels]
    means = np.array([group.mean() for group in groups])
    drawn = np.stack(
        [rng.choice(group, (resamples, group.size)).mean(1) for group in groups], -1
    )  # (resamples, levels)
    fitted, intercept = np.polyfit(levels, means, 1)
    low, high = np.percentile(np.polyfit(levels, drawn.T, 1)[0], [2.5, 97.5])
    return Slope(float(fitted), float(intercept), float(low), float(high))


def asymmetry_index(hard: float, easy: float) -> float:
    """(H - L) / (H + L) of the slopes of the search that is harder and the one that is easier for humans.

    Slopes below 0 count as 0; of two such it is 0. It saturates at 1 or -1 as soon as one of them is 0.

    Source: Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953).
    """
    hard, easy = max(hard, 0.0), max(easy, 0.0)
    return (hard - easy) / (hard + easy) if hard + easy > 0 else 0.0


def correlation(ours: ArrayLike, theirs: ArrayLike) -> Correlation:
    """How well slopes (K,) agree with others (K,).

    Raises:
        ValueError: for shapes that do not fit, or fewer than three.
    """
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < 3:
        raise ValueError(f"slopes {a.shape} and {b.shape}: must be (K,) both, with three or more")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(np.nan, np.nan)
    from scipy.stats import pearsonr, spearmanr

    return Correlation(float(pearsonr(a, b).statistic), float(spearmanr(a, b).statistic))
