"""Claims: what a page asserts, declared before the runs, and the rule by which the numbers decide.

A claim compares rows of a grid by their paired differences over seeds. It *holds* when the interval of the mean
difference lies wholly on the claimed side of the bound, is *refuted* when it lies wholly on the other, and is
*undetermined* otherwise, or where a row has fewer than `LEAST_SEEDS` seeds, or while cells are missing (whoever
looks at every seed as it comes, and stops when it looks good, finds what he likes).

Holm's step-down procedure (Holm 1979, Scandinavian Journal of Statistics 6, p. 65) keeps the chance of any wrong
verdict on a page at `ALPHA`: its thresholds set each claim's confidence level. A claim's p-value is one minus the
highest level at which its interval still excludes the bound, so that it and the interval never disagree: for ``"t"`` it
is that of the paired t test. A permutation test of signs would assume symmetry instead of normality, but with 10 seeds
its smallest p-value is 2/1024, and on a page of more than 25 claims none could ever hold.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from foveal.experiments.grid import Results

ALPHA = 0.05
LEAST_SEEDS = 10
RESAMPLES = 9999
WEIGHTS = {1: (1,), 2: (1, -1), 4: (1, -1, -1, 1)}

Verdict = Literal["holds", "refuted", "undetermined"]

Interval = Callable[[float], tuple[float, float]]
"""Confidence level -> lower and upper end."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An assertion about rows of a grid.

    Attributes:
        name: What it is called, once on a page.
        estimand: In words, with the unit: what `value` estimates.
        variants: Rows: one, for its mean; two, for the first minus the second; or four (a, b, c, d), for
            (a - b) - (c - d).
        metric: What of a cell is compared; of a list (of episodes, say) the mean.
        bound: What the estimand is claimed to be beyond, or for ``"within"`` the margin around zero.
        direction: ``"above"`` or ``"below"`` the bound, or ``"within"``: equivalent, no further than the margin from
            zero either way. The latter is two one-sided t tests (Schuirmann 1987, Journal of Pharmacokinetics and
            Biopharmaceutics 15, p. 657), each at half of alpha: the two-sided interval must lie within the margin.
        rule: How the interval is made: see `t_interval`, `bca_interval` and, for metrics that are lists over the same
            episodes, houses or stimuli in every cell, `two_way_interval`.

    Raises:
        ValueError: for a value that is not one of these.
    """

    name: str
    estimand: str
    variants: tuple[str, ...]
    metric: str
    bound: float = 0.0
    direction: Literal["above", "below", "within"] = "above"
    rule: Literal["t", "bca", "two-way"] = "t"

    def __post_init__(self) -> None:
        if len(self.variants) not in WEIGHTS:
            raise ValueError(f"claim {self.name!r}: compares 1, 2 or 4 rows, not {len(self.variants)}")
        if self.direction not in ("above", "below", "within"):
            raise ValueError(f"claim {self.name!r}: direction={self.direction!r}: must be above, below or within")
        if self.rule not in RULES:
            raise ValueError(f"claim {self.name!r}: rule={self.rule!r}: must be one of {', '.join(RULES)}")
        if not math.isfinite(self.bound) or (self.direction == "within" and self.bound <= 0):
            raise ValueError(f"claim {self.name!r}: bound={self.bound}: must be finite, and a margin positive")

    @property
    def edges(self) -> tuple[float, ...]:
        """Where the claimed values end."""
        return (-self.bound, self.bound) if self.direction == "within" else (self.bound,)

    def contrasts(self, results: Results) -> NDArray[np.float64]:
        """Seed by seed what the claim is about: (S,), or (S, E) for lists under the rule ``"two-way"``.

        Only seeds that all of its rows have finished count.

        Raises:
            ValueError: for an unknown row or metric, or lists of unequal lengths where episodes must match.
        """
        rows = [results.by_seed(row, self.metric) for row in self.variants]
        seeds = sorted(set.intersection(*(set(row) for row in rows)))
        pair = np.asarray if self.rule == "two-way" else np.mean
        weights = WEIGHTS[len(rows)]
        try:
            return np.array([sum(w * pair(row[s]) for w, row in zip(weights, rows, strict=True)) for s in seeds])
        except ValueError:
            raise ValueError(f"claim {self.name!r}: cells have lists of different lengths in {self.metric!r}") from None


@dataclass(frozen=True)
class Finding:
    """What the numbers say of a claim.

    Attributes:
        claim: The claim.
        value: The estimate; None without two seeds.
        ci_low: Lower end of its interval at `level`.
        ci_high: Upper end.
        level: Of confidence, after Holm's correction.
        p: Two-sided p-value against the bound, before the correction.
        n: Seeds that were compared.
        improvement: Of two rows, how likely a run of the first has more of the metric than one of the second.
        verdict: ``"holds"``, ``"refuted"`` or ``"undetermined"``.
        note: What else to know; may be empty.
    """

    claim: Claim
    value: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    p: float
    n: int
    improvement: float | None
    verdict: Verdict
    note: str

    def as_json(self) -> dict[str, Any]:
        """Everything, as one flat mapping."""
        return {**vars(self.claim), **{name: value for name, value in vars(self).items() if name != "claim"}}


def judge(claims: Sequence[Claim], results: Results) -> list[Finding]:
    """Decide all claims of a page together.

    Raises:
        ValueError: for a claim about an unknown row or metric.
    """
    tests = [_test(claim, results) for claim in claims]
    levels = holm([p for *_, p in tests])
    return [_finding(claim, results, *test, alpha) for claim, test, alpha in zip(claims, tests, levels, strict=True)]


def _test(claim: Claim, results: Results) -> tuple[NDArray[np.float64], Interval | None, str, float]:
    """Differences, their interval where there is one, a note, and the p-value: 1 where nothing may be decided."""
    samples = claim.contrasts(results)
    if len(samples) < 2:
        return samples, None, f"fewer than {LEAST_SEEDS} seeds", 1.0
    interval, note = RULES[claim.rule](samples)
    if len(samples) < LEAST_SEEDS:
        return samples, interval, f"fewer than {LEAST_SEEDS} seeds", 1.0
    if not results.complete:
        return samples, interval, "cells are missing", 1.0
    return samples, interval, note, max(p_value(interval, edge) for edge in claim.edges)


def _finding(
    claim: Claim,
    results: Results,
    samples: NDArray[np.float64],
    interval: Interval | None,
    note: str,
    p: float,
    alpha: float,
) -> Finding:
    value = low = high = improvement = None
    verdict: Verdict = "undetermined"
    if interval is not None:
        value, (low, high) = float(samples.mean()), interval(1 - alpha)
        if p <= alpha:
            verdict = _verdict(claim, low, high)
    if len(claim.variants) == 2 and len(samples) >= LEAST_SEEDS:
        improvement = probability_of_improvement(*(results.values(row, claim.metric) for row in claim.variants))
    return Finding(claim, value, low, high, 1 - alpha, p, len(samples), improvement, verdict, note)


def _verdict(claim: Claim, low: float, high: float) -> Verdict:
    above, below = low > claim.edges[-1], high < claim.edges[0]
    if claim.direction == "within":
        inside = claim.edges[0] < low and high < claim.edges[1]
        return "holds" if inside else "refuted" if above or below else "undetermined"
    claimed, other = (above, below) if claim.direction == "above" else (below, above)
    return "holds" if claimed else "refuted" if other else "undetermined"


def holm(ps: Sequence[float], alpha: float = ALPHA) -> list[float]:
    """The level of significance at which each of m hypotheses is tested: alpha / m for the smallest p-value, and so on.

    A hypothesis is rejected when its p-value is at most its level. From the first that is not on, all share its level,
    at which none of them is rejected (Holm 1979).
    """
    levels, stopped = [0.0] * len(ps), None
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        level = alpha / (len(ps) - rank) if stopped is None else stopped
        levels[place] = level
        if ps[place] > level:
            stopped = level
    return levels


def p_value(interval: Interval, bound: float) -> float:
    """Two-sided p-value: one minus the highest level at which the interval excludes the bound, by bisection.

    Between 1e-12 and 1, to 1e-10 of itself.
    """
    low, high = math.log(1e-12), 0.0
    for _ in range(40):
        middle = (low + high) / 2
        below, above = interval(1 - math.exp(middle))
        if below <= bound <= above:
            low = middle
        else:
            high = middle
    return math.exp(high)


def t_interval(samples: NDArray[np.float64]) -> tuple[Interval, str]:
    """Student's t interval of the mean of (S,) differences: exact for normal ones."""
    return _student(float(samples.mean()), float(stats.sem(samples)), len(samples) - 1), ""


def bca_interval(samples: NDArray[np.float64]) -> tuple[Interval, str]:
    """Bias-corrected and accelerated bootstrap of the mean of (S,) differences (Efron 1987, JASA 82, p. 171).

    It follows skewness, but with few seeds is too narrow: see the simulation in ``tests/experiments/test_claims.py``.
    Where all resamples agree or the acceleration is 0/0 it is degenerate, and the t interval stands in.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate data, which we look for ourselves
        rng = np.random.default_rng(0)
        drawn = stats.bootstrap((samples,), np.mean, n_resamples=RESAMPLES, method="BCa", rng=rng)
        if not np.isfinite(drawn.confidence_interval).all():
            return t_interval(samples)[0], "BCa is degenerate here: t interval"

    def interval(level: float) -> tuple[float, float]:
        found = stats.bootstrap(
            (samples,), np.mean, n_resamples=0, method="BCa", confidence_level=level, bootstrap_result=drawn
        ).confidence_interval
        return float(found.low), float(found.high)

    return interval, ""


def two_way_interval(samples: NDArray[np.float64], resamples: int = 4000) -> tuple[Interval, str]:
    """Interval of the mean of (S, E) differences whose seeds and episodes (houses, stimuli) are both drawn anew.

    The pigeonhole bootstrap (Owen 2007, Annals of Applied Statistics 1, p. 386): seeds and episodes are resampled
    independently, and a resample takes the cells in which those meet. It counts the part that is neither the seed's
    nor the episode's up to three times, so it is cautious. S - 1 seeds and E - 1 episodes are drawn, which makes the
    other two parts of the variance unbiased (Rao and Wu 1988, JASA 83, p. 231). Its standard error goes into a t
    interval with one degree of freedom less than there are seeds, or episodes if those are fewer: percentiles of so
    few are too narrow.

    Raises:
        ValueError: for samples that have no episodes, or a single one.
    """
    if samples.ndim != 2 or samples.shape[1] < 2:
        raise ValueError(f"the rule 'two-way' needs lists of 2 numbers or more in every cell, got {samples.shape}")
    rng = np.random.default_rng(0)
    seeds, episodes = (rng.multinomial(n - 1, np.full(n, 1 / n), resamples) / (n - 1) for n in samples.shape)
    means = ((seeds @ samples) * episodes).sum(1)  # (B, S) @ (S, E) -> (B, E) -> (B,)
    return _student(float(samples.mean()), float(means.std(ddof=1)), min(samples.shape) - 1), ""


RULES: dict[str, Callable[[NDArray[np.float64]], tuple[Interval, str]]] = {
    "t": t_interval,
    "bca": bca_interval,
    "two-way": two_way_interval,
}
"""How intervals are made: differences -> the interval for each level, and a note."""


def _student(centre: float, error: float, freedom: int) -> Interval:
    def interval(level: float) -> tuple[float, float]:
        margin = error * float(stats.t.isf((1 - level) / 2, freedom)) if error else 0.0
        return centre - margin, centre + margin

    return interval


def interquartile_mean(values: NDArray[np.float64]) -> float:
    """Mean of (S,) values without the lowest and the highest quarter.

    Source: Agarwal et al. 2021 (arXiv:2108.13264), section 4.3.
    """
    return float(stats.trim_mean(values, 0.25))


def probability_of_improvement(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """How likely a run of ours (S,) beats one of theirs (T,), a tie being half: Mann and Whitney's U / (S T).

    Source: Agarwal et al. 2021 (arXiv:2108.13264), section 4.3.
    """
    return float((np.sign(ours[:, None] - theirs[None, :]) / 2 + 0.5).mean())
