"""OAT's five parts of behaviour, on hand-worked cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.vision.gaze.behaviour import Behaviour, behaviour, behavioural_difference, mean_behaviour


def test_search_refixation_and_revisit_by_hand():
    # runs: a (2), b, a, c (3): three are first visits, one returns, and 1 + 2 stay
    assert behaviour("aabaccc", "c") == Behaviour(1.0, 7.0, 3 / 7, 3 / 7, 1 / 7)
    assert behaviour("a", "b") == Behaviour(0.0, 1.0, 1.0, 0.0, 0.0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_the_shares_add_up_to_all(string):
    found = behaviour(string, 0)
    assert found.search + found.refixation + found.revisit == pytest.approx(1)
    assert min(found) >= 0 and found.length == len(string)


def test_the_difference_is_the_mean_share_of_the_humans():
    humans, model = Behaviour(0.8, 5.0, 0.5, 0.3, 0.2), Behaviour(0.4, 10.0, 0.5, 0.6, 0.1)
    assert behavioural_difference(model, humans) == pytest.approx((0.5 + 1 + 0 + 1 + 0.5) / 5)
    assert behavioural_difference(humans, humans) == 0
    assert mean_behaviour([humans, model]) == pytest.approx((0.6, 7.5, 0.5, 0.45, 0.15))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="empty"):
        behaviour("", "a")
    with pytest.raises(ValueError, match="no scanpaths"):
        mean_behaviour([])
    with pytest.raises(ValueError, match="the humans' revisit is 0"):
        behavioural_difference(behaviour("a", "a"), Behaviour(1, 1, 1, 1, 0))
