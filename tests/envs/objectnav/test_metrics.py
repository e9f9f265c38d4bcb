"""Metrics of navigation against their definitions, at the edges too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.objectnav.metrics import curvature, sel, soft_spl, spl

metres = st.floats(0, 1e3)


@given(st.booleans(), metres, metres, metres)
def test_shares_are_in_the_unit_interval_and_success_is_never_exceeded(success, left, shortest, path):
    assert 0 <= spl(success, shortest, path) <= success
    assert 0 <= sel(success, shortest, path) <= success
    assert 0 <= soft_spl(left, shortest, path) <= 1


def test_values():
    np.testing.assert_allclose(spl([1, 1, 0], [4, 4, 4], [4, 8, 4]), [1, 0.5, 0])
    np.testing.assert_allclose(soft_spl([0, 2, 8], [4, 4, 4], [4, 4, 4]), [1, 0.5, 0])
    np.testing.assert_allclose(soft_spl([0, 2, 8], [4, 4, 4], [8, 8, 8]), [0.5, 0.25, 0])
    np.testing.assert_allclose(sel([1, 1], [10, 10], [10, 40]), [1, 0.25])


def test_a_start_at_the_goal_counts_for_whoever_stays():
    np.testing.assert_allclose(spl([1, 1], [0, 0], [0, 1]), [1, 0])
    np.testing.assert_allclose(soft_spl([0, 1], [0, 0], [0, 1]), [1, 0])


def test_curvature_of_a_line_a_square_and_a_circle():
    assert curvature([[0, 0], [1, 0], [1, 0], [2, 0]]) == 0
    assert curvature([[0, 0], [1, 0]]) == 0
    assert curvature([[0, 0], [2, 0], [2, 2], [0, 2]]) == pytest.approx(np.pi / 2 / 2)
    angles = np.linspace(0, np.pi, 200)
    assert curvature(3 * np.column_stack([np.cos(angles), np.sin(angles)])) == pytest.approx(1 / 3, rel=1e-3)
