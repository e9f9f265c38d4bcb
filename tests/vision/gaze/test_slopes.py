"""Search times, on hand-worked cases and on the published figures."""

import numpy as np
import pytest

from foveal.envs.visual_search.paradigms import CONDITIONS
from foveal.vision.gaze.humans import HUMANS, PAIRS
from foveal.vision.gaze.slopes import asymmetry_index, correlation, reaction_ms, slope

ECCNET = (0.00, 4.43, 0.00, 8.09, 32.7, 97.0, 11.7, 99.3, 100.4, 0.00, 1.62, 13.9)
"""Slopes of the published model, from its published fixations, in the order of `HUMANS`."""


def test_the_humans_are_those_of_our_conditions_in_pairs():
    assert [name for pair in PAIRS for name in pair] == list(HUMANS) == list(CONDITIONS)[:12]
    assert all(HUMANS[easy].slope < HUMANS[hard].slope for easy, hard in PAIRS)


def test_asymmetry_indices_are_the_published_ones():
    humans = [asymmetry_index(HUMANS[hard].slope, HUMANS[easy].slope) for easy, hard in PAIRS]
    np.testing.assert_allclose(humans, [0.81, 0.70, 0.36, 0.40, 0.61, 0.50], atol=0.005)
    assert np.mean(humans) == pytest.approx(0.564, abs=0.001)
    model = dict(zip(HUMANS, ECCNET, strict=True))
    theirs = [asymmetry_index(model[hard], model[easy]) for easy, hard in PAIRS]
    np.testing.assert_allclose(theirs, [1.0, 1.0, 0.50, 0.79, -1.0, 0.79], atol=0.005)
    assert np.mean(theirs) == pytest.approx(0.513, abs=0.001)


def test_the_published_model_correlates_with_humans_as_published():
    found = correlation(ECCNET, [human.slope for human in HUMANS.values()])
    assert found.linear == pytest.approx(0.40, abs=0.005) and -1 < found.rank < 1
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx((-1, -1))
    assert correlation([1, 10, 100], [1, 2, 3]).rank == 1 > correlation([1, 10, 100], [1, 2, 3]).linear
    assert np.isnan(correlation([1, 1, 1], [1, 2, 3])).all()


def test_an_asymmetry_index_saturates():
    assert asymmetry_index(5, -3) == 1 and asymmetry_index(-3, 5) == -1 and asymmetry_index(-1, -2) == 0
    assert asymmetry_index(3, 1) == 0.5


def test_reaction_times_lie_on_the_stated_line():
    np.testing.assert_allclose(reaction_ms([0, 1, 3]), [376.271, 628.63, 1133.348])


def test_a_slope_is_that_of_the_line_through_the_means():
    sizes, times = [3, 3, 6, 6, 9, 9, 9], [100, 200, 240, 240, 330, 330, 330]
    found = slope(sizes, times)
    assert (found.slope, found.intercept) == (pytest.approx(30.0), pytest.approx(60.0))  # through 150, 240, 330
    assert found.low < 30 < found.high and found == slope(sizes, times)


@pytest.mark.parametrize("sizes", [(3, 6, 9), (1, 4, 8, 12), (1, 6, 12), (8, 16, 32)])
def test_a_slope_of_nothing_but_rounding_is_none(sizes):
    """Else the index of a pair would tell by its sign which of them rounds up."""
    items, (one, other) = np.repeat(sizes, 30), reaction_ms([1, 2])
    flat = slope(items, np.full(items.size, one))
    assert (flat.slope, flat.low, flat.high) == (0, 0, 0) and flat.intercept == pytest.approx(one)
    balanced = slope(items, np.concatenate([np.roll(np.tile([one, other, one], 10), k) for k in range(len(sizes))]))
    assert balanced.slope == 0 and balanced.low < 0 < balanced.high
    assert asymmetry_index(flat.slope, balanced.slope) == asymmetry_index(-3.88, flat.slope) == 0
    steep = slope(items, one + 1e-4 * items)
    assert steep.slope == pytest.approx(1e-4, rel=1e-5)


def test_its_interval_covers_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    sizes = np.repeat([3, 6, 9], 40)
    for _ in range(200):
        found = slope(sizes, 20 * sizes + rng.normal(0, 100, sizes.size), resamples=400)
        hits += found.low <= 20 <= found.high
    assert 180 <= hits <= 198


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slope([3, 6], [1.0]), "must be .T,. both"),
        (lambda: slope([3, 6], [1.0, np.nan]), "finite"),
        (lambda: slope([3, 3], [1.0, 2.0]), "needs two"),
        (lambda: correlation([1, 2], [1, 2]), "three or more"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
