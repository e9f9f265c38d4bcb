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

    A slope by which times change by less than a billionth of them is rounding and counts as 0: an `asymmetry_index`
    would take it for one.
    """
    levels, groups = _by_size(set_sizes, times_ms)
    means = np.array([group.mean() for group in groups])
    drawn = _drawn_means(groups, resamples, seed)
    fitted, intercept = _lines(levels, means[:, None])
    low, high = np.percentile(_lines(levels, drawn)[0], [2.5, 97.5])
    return Slope(float(fitted[0]), float(intercept[0]), float(low), float(high))


def slope_samples(
    set_sizes: ArrayLike, times_ms: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> NDArray[np.float64]:
    """The slope as `slope` has it, and behind it those of resamples: (1 + resamples,) ms per item.

    Of two searches the differences of such lists give the interval of how much steeper one of them is.
    """
    levels, groups = _by_size(set_sizes, times_ms)
    means = np.array([group.mean() for group in groups])[:, None]
    found: NDArray[np.float64] = _lines(levels, np.concatenate([means, _drawn_means(groups, resamples, seed)], 1))[0]
    return found


def _by_size(set_sizes: ArrayLike, times_ms: ArrayLike) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The set sizes (K,), and the times of each."""
    sizes, times = np.asarray(set_sizes, np.float64), np.asarray(times_ms, np.float64)
    if sizes.shape != times.shape or sizes.ndim != 1 or not np.isfinite(times).all():
        raise ValueError(f"set sizes {sizes.shape}, times {times.shape}: must be (T,) both, and finite")
    levels = np.unique(sizes)
    if levels.size < 2:
        raise ValueError(f"set sizes {levels.tolist()}: a slope needs two of them")
    return levels, [times[sizes == level] for level in levels]


def _drawn_means(groups: list[NDArray[np.float64]], resamples: int, seed: int) -> NDArray[np.float64]:
    """Means (K, resamples) of trials drawn anew within each set size."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.choice(group, (resamples, group.size)).mean(1) for group in groups])


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


def _lines(levels: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slope and intercept (2, R) of the lines through means (K, R) of levels (K,)."""
    fitted = np.polyfit(levels, means, 1)
    fitted[0, np.abs(fitted[0]) * np.ptp(levels) < 1e-9 * np.abs(means).max(0)] = 0.0
    return np.asarray(fitted)
