"""Fixations on targets, on hand-worked cases."""

import numpy as np
import pytest

from foveal.vision.gaze.fixations import (
    cumulative,
    first_on_target,
    probability_mismatch,
    saccade_sizes,
    scanpath_ratio,
    tfp_auc,
)


def test_the_first_fixation_on_the_target_counts():
    assert first_on_target([False, False, True, False, True]) == 2
    assert first_on_target([True, False]) == 0 and first_on_target([False]) == -1 and first_on_target([]) == -1


def test_cumulative_performance():
    np.testing.assert_allclose(cumulative([0, 1, 3, -1], 4), [0.5, 0.5, 0.75, 0.75])
    assert tfp_auc([0, 1, 3, -1], 4) == 2.5
    assert probability_mismatch([0, 1, 3, -1], [1, 1, 1, 1], 4) == pytest.approx(0.5 + 0.5 + 0.25 + 0.25)
    assert probability_mismatch([2, 1], [1, 2]) == 0


def test_chance_without_replacement_is_a_line():
    rng = np.random.default_rng(0)
    first = rng.permuted(np.tile(np.arange(1, 7), (4000, 1)), axis=1)[:, 0]
    np.testing.assert_allclose(cumulative(first, 6), np.arange(1, 7) / 6, atol=0.03)


def test_the_scanpath_ratio_is_how_straight_the_way_was():
    assert scanpath_ratio([[0, 0], [3, 4]], [3, 4]) == 1
    assert scanpath_ratio([[0, 0], [3, 0], [3, 4]], [3, 4]) == pytest.approx(5 / 7)
    assert scanpath_ratio([[0, 0], [3, 0]], [6, 0]) == 1  # it stops within the target, before its middle


def test_saccade_sizes_of_all_paths():
    np.testing.assert_allclose(saccade_sizes([[[0, 0], [3, 4], [3, 5]], [[1, 1]], [[0, 0], [0, 2]]]), [5, 1, 2])
    assert saccade_sizes([]).size == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cumulative([], 3), "not empty"),
        (lambda: cumulative([1], 0), "most=0"),
        (lambda: scanpath_ratio([[0, 0]], [1, 1]), "length 0"),
        (lambda: scanpath_ratio([[0, 0], [1, 1]], [1]), r"target \(1,\)"),
        (lambda: saccade_sizes([[1, 2]]), r"must be \(T, 2\)"),
        (lambda: saccade_sizes([[[1, np.nan]]]), "finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
