"""Statistics against closed forms, scipy and simulation; and the rule that turns them into verdicts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foveal.experiments import claims
from foveal.experiments.claims import (
    Claim,
    bca_interval,
    holm,
    interquartile_mean,
    judge,
    p_value,
    probability_of_improvement,
    t_interval,
    two_way_interval,
)
from foveal.experiments.grid import Cell, Results

SAMPLES = np.array([0.3, 1.9, -0.4, 1.1, 0.8, 2.5, 0.1, 0.9, 1.4, 0.2])


def results_of(rows, missing=0):
    """Results of rows: name -> one value, or list, for each seed."""
    records = {
        Cell(row, "", seed): {"measured": {"score": value}, "seconds": 1.0}
        for row, values in rows.items()
        for seed, value in enumerate(values)
    }
    return Results([*records, *(Cell("late", "", seed) for seed in range(missing))], records)


def claim(name="claim", variants=("a", "b"), **changes):
    return Claim(name=name, estimand="score", variants=variants, metric="score", **changes)


def verdicts(declared, rows, missing=0):
    return [finding.verdict for finding in judge(declared, results_of(rows, missing))]


numbers = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=30)


@settings(deadline=None)
@given(numbers.filter(lambda x: np.std(x) > 0.01), st.floats(-100, 100))
def test_the_t_interval_and_its_p_value_are_those_of_the_t_test(values, bound):
    test = stats.ttest_1samp(values, bound)
    interval, note = t_interval(np.array(values))
    assert note == ""
    assert interval(0.95) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert p_value(interval, bound) == pytest.approx(max(test.pvalue, 1e-12), rel=1e-6)


def test_bca_is_that_of_scipy_at_any_level_and_its_p_value_agrees():
    interval, note = bca_interval(SAMPLES)
    for level in (0.9, 0.95, 0.99):
        found = stats.bootstrap(
            (SAMPLES,), np.mean, n_resamples=9999, confidence_level=level, rng=np.random.default_rng(0)
        ).confidence_interval
        assert interval(level) == pytest.approx((found.low, found.high))
    p = p_value(interval, 0.3001)
    assert interval(1 - 1.2 * p)[0] > 0.3001 > interval(1 - 0.8 * p)[0] and note == ""


def test_where_bca_is_degenerate_the_t_interval_stands_in_and_says_so():
    interval, note = bca_interval(np.full(10, 2.0))
    assert interval(0.95) == (2, 2) and "t interval" in note
    (finding,) = judge([claim(rule="bca")], results_of({"a": [3.0] * 10, "b": [1.0] * 10}))
    assert finding.verdict == "holds" and "t interval" in finding.note


def test_the_two_way_bootstrap_has_the_variance_of_two_crossed_effects():
    rng = np.random.default_rng(3)
    seeds, episodes = rng.normal(size=10), rng.normal(size=40)
    interval, _ = two_way_interval(1 + seeds[:, None] + episodes[None, :], 40_000)
    error = np.sqrt(seeds.var(ddof=1) / 10 + episodes.var(ddof=1) / 40)
    low, high = interval(0.95)
    assert (high - low) / 2 == pytest.approx(error * stats.t.ppf(0.975, 9), rel=0.02)
    assert (high + low) / 2 == pytest.approx(1 + seeds.mean() + episodes.mean())


def test_the_two_way_bootstrap_needs_episodes():
    with pytest.raises(ValueError, match="lists of 2 numbers"):
        two_way_interval(SAMPLES)


def covered(make, truth, runs):
    """The share of 95 % intervals that have the truth in them."""
    intervals = (make(run) for run in range(runs))
    return np.mean([low <= truth <= high for low, high in intervals])


def test_t_intervals_of_ten_seeds_cover_what_they_say():
    def normal(run):
        return t_interval(np.random.default_rng(run).normal(3, 2, 10))[0](0.95)

    def skewed(run):
        return t_interval(np.random.default_rng(run).exponential(1, 10))[0](0.95)

    assert covered(normal, 3, 2000) == pytest.approx(0.95, abs=0.015)
    assert 0.87 < covered(skewed, 1, 2000) < 0.94  # far from normal: differences of two like rows are not


def test_bca_covers_nearly_what_it_says_with_30_seeds_and_less_with_10(monkeypatch):
    monkeypatch.setattr(claims, "RESAMPLES", 999)

    def of(seeds):
        return lambda run: bca_interval(np.random.default_rng(run).normal(3, 2, seeds))[0](0.95)

    assert covered(of(30), 3, 400) == pytest.approx(0.94, abs=0.025)
    assert 0.85 < covered(of(10), 3, 400) < 0.94


def test_two_way_intervals_cover_at_least_what_they_say():
    def crossed(run):
        rng = np.random.default_rng(run)
        parts = rng.normal(0, 1, (10, 1)) + rng.normal(0, 2, (1, 60)) + rng.normal(0, 3, (10, 60))
        return two_way_interval(parts, 1000)[0](0.95)

    assert 0.94 < covered(crossed, 0, 500) < 0.99


def test_holm_by_hand():
    # 0.05/4 = 0.0125 >= 0.005; 0.05/3 = 0.0167 >= 0.01; 0.05/2 = 0.025 < 0.03, and there it stops
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert holm([]) == [] and holm([0.2]) == [0.05]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_the_smallest_and_no_more_than_no_correction_would(ps):
    levels = holm(ps)
    rejected = [p <= level for p, level in zip(ps, levels, strict=True)]
    count = sum(rejected)
    assert all(0.05 / len(ps) <= level <= 0.05 for level in levels)
    assert sorted(ps)[:count] == sorted(p for p, yes in zip(ps, rejected, strict=True) if yes)
    assert (count == 0) == (min(ps) > 0.05 / len(ps))


A, B = (5 + SAMPLES).tolist(), [4.0] * 10  # the difference is 1.88 with a standard error of 0.28


@pytest.mark.parametrize(
    "changes, verdict",
    [
        ({}, "holds"),
        ({"bound": 1.8}, "undetermined"),
        ({"bound": 3.0}, "refuted"),
        ({"direction": "below"}, "refuted"),
        ({"direction": "below", "bound": 3.0}, "holds"),
        ({"direction": "within", "bound": 3.0}, "holds"),
        ({"direction": "within", "bound": 2.0}, "undetermined"),
        ({"direction": "within", "bound": 1.0}, "refuted"),
        ({"rule": "bca"}, "holds"),
        ({"variants": ("a",), "bound": 5.0}, "holds"),
        ({"variants": ("a", "b", "b", "a"), "bound": 2.2}, "holds"),  # twice the difference, 3.76
    ],
)
def test_verdicts(changes, verdict):
    (finding,) = judge([claim(**changes)], results_of({"a": A, "b": B}))
    assert finding.verdict == verdict and finding.n == 10 and finding.level == pytest.approx(0.95)
    assert finding.ci_low < finding.value < finding.ci_high


def test_seeds_are_paired():
    """The same seeds in both rows make a difference certain that is small beside their spread."""
    shared = np.linspace(-50, 50, 12)
    assert verdicts([claim()], {"a": (shared + SAMPLES.mean() + np.sin(shared)).tolist(), "b": shared.tolist()}) == [
        "holds"
    ]


def test_episodes_are_paired_too():
    rng = np.random.default_rng(0)
    episodes = rng.normal(0, 30, 50)
    ours = episodes + rng.normal(1, 0.1, (10, 50))
    rows = {"a": ours.tolist(), "b": np.tile(episodes, (10, 1)).tolist()}
    (finding,) = judge([claim(rule="two-way")], results_of(rows))
    assert finding.verdict == "holds" and finding.value == pytest.approx(1, abs=0.05)
    rows["b"][3] = rows["b"][3][:-1]
    with pytest.raises(ValueError, match="lists of different lengths in 'score'"):
        judge([claim(rule="two-way")], results_of(rows))


def test_few_seeds_and_missing_cells_leave_everything_undetermined():
    (few,) = judge([claim()], results_of({"a": A[:9], "b": B[:9]}))
    assert few.verdict == "undetermined" and few.note == "fewer than 10 seeds" and few.ci_low > 0
    (partial,) = judge([claim()], results_of({"a": A, "b": B}, missing=1))
    assert partial.verdict == "undetermined" and partial.note == "cells are missing"
    (single,) = judge([claim()], results_of({"a": A[:1], "b": B[:1]}))
    assert (single.value, single.ci_low, single.ci_high, single.n) == (None, None, None, 1)
    assert single.verdict == "undetermined" and single.note == "fewer than 10 seeds"


def test_claims_of_a_page_are_corrected_together():
    """What holds by itself need not among ten."""
    weak = {"a": (4.7 + SAMPLES - SAMPLES.mean()).tolist(), "b": [4.0] * 10}
    (alone,) = judge([claim()], results_of(weak))
    among = judge([claim(str(number)) for number in range(10)], results_of(weak))
    assert alone.verdict == "holds" and 0.005 < alone.p < 0.05
    assert {finding.verdict for finding in among} == {"undetermined"}
    assert {finding.level for finding in among} == {1 - 0.005}
    assert all(finding.ci_low < 0 < finding.ci_high for finding in among)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.sampled_from(["above", "below", "within"])), min_size=1, max_size=6))
def test_a_verdict_and_its_interval_never_disagree(given_claims):
    declared = [
        claim(str(number), bound=abs(bound) + 0.01 if direction == "within" else bound, direction=direction)
        for number, (bound, direction) in enumerate(given_claims)
    ]
    for finding in judge(declared, results_of({"a": A, "b": B})):
        excluded = all(edge < finding.ci_low or edge > finding.ci_high for edge in finding.claim.edges)
        assert (finding.verdict != "undetermined") == excluded


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"variants": ("a", "b", "c")}, "compares 1, 2 or 4 rows, not 3"),
        ({"direction": "over"}, "direction='over'"),
        ({"rule": "percentile"}, "rule='percentile': must be one of t, bca, two-way"),
        ({"bound": float("nan")}, "bound=nan"),
        ({"direction": "within"}, "a margin positive"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        claim(**changes)


def test_unknown_rows_and_metrics_are_named():
    results = results_of({"attention": A, "mlp": B})
    with pytest.raises(ValueError, match="unknown row 'atention'; did you mean 'attention'"):
        judge([claim(variants=("atention", "mlp"))], results)
    with pytest.raises(ValueError, match="unknown metric 'scroe'; did you mean 'score'"):
        results.values("mlp", "scroe")


@settings(deadline=None)
@given(numbers, numbers)
def test_probability_of_improvement_is_mann_and_whitneys_u(ours, theirs):
    u = stats.mannwhitneyu(ours, theirs).statistic
    expected = u / (len(ours) * len(theirs))
    assert probability_of_improvement(np.array(ours), np.array(theirs)) == pytest.approx(expected)


def test_the_interquartile_mean_leaves_the_outer_quarters_out():
    assert interquartile_mean(np.array([-1000.0, 1, 2, 3, 4, 5, 6, 9000])) == 3.5
