"""Similarity of scanpaths, on hand-worked cases and against plain definitions."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.vision.gaze.scanpaths import (
    Screen,
    alignment,
    edit_distance,
    multimatch,
    sbtde,
    scan_match,
    sequence_score,
    time_delay,
)

strings = st.text("abc", max_size=6)


def plain_edit_distance(a, b):
    @functools.cache
    def far(i, j):
        if not i or not j:
            return i + j
        return min(far(i - 1, j) + 1, far(i, j - 1) + 1, far(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return far(len(a), len(b))


@given(strings, strings)
def test_edit_distances_are_levenshteins(a, b):
    assert edit_distance(a, b) == plain_edit_distance(a, b)


def test_edit_distances_of_known_words_and_of_numbers():
    assert edit_distance("kitten", "sitting") == 3 and edit_distance("", "abc") == 3
    assert edit_distance([1, 2, 3], np.array([2, 3, 4])) == 2


@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(-2, 0))
def test_alignments_are_the_best_there_are(scores, gap):
    @functools.cache
    def best(i, j):
        if i == len(scores) or j == 3:
            return gap * (len(scores) - i + 3 - j)
        return max(scores[i][j] + best(i + 1, j + 1), gap + best(i + 1, j), gap + best(i, j + 1))

    assert alignment(scores, gap) == best(0, 0)


def test_sequence_scores():
    assert sequence_score("abc", "abc") == 1 and sequence_score("abc", "xyz") == 0
    assert sequence_score("abcd", "acd") == 0.75 and sequence_score("ab", "ba") == 0.5
    assert sequence_score(["mug", "table"], ["mug", "sink", "table"]) == pytest.approx(2 / 3)
    assert sequence_score("", "a") == 0


@given(strings, st.text("abc", min_size=1, max_size=6))
def test_sequence_scores_lie_between_none_and_all(a, b):
    assert 0 <= sequence_score(a, b) == sequence_score(b, a) <= 1


def test_scan_match_by_hand():
    screen = Screen(120, 80, threshold=3.0)  # bins of 10 x 10
    path = [[5, 5], [35, 5]]
    assert scan_match(path, path, screen) == 1
    near = [[15, 5], [35, 5]]  # one bin off, once: (2 + 3) / (3 * 2)
    assert scan_match(path, near, screen) == pytest.approx(5 / 6)
    far = [[115, 75], [115, 75]]  # beyond the threshold: gaps are better
    assert scan_match(path, far, screen) == 0
    assert scan_match(path, [[5, 5]], screen) == 0.5
    assert scan_match([[120, 80]], [[119, 79]], screen) == 1  # the far edge belongs to the last bin


def test_scan_match_counts_time_where_it_is_told():
    screen = Screen(120, 80, threshold=3.0)
    a, b = [[5, 5], [65, 5]], [[5, 5], [65, 5]]
    assert scan_match(a, b, screen, durations_ms=([200, 200], [200, 200])) == 1
    assert scan_match(a, b, screen, durations_ms=([400, 200], [200, 200])) == pytest.approx(8 / 12)
    assert scan_match(a, b, screen, durations_ms=([10, 10], [50, 74])) == 1


def test_time_delay_by_hand():
    one, other = [[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]
    # k = 1: (0, 0) is 0 and (1, 0) 1 away from the nearest; k = 2: the pairs are 1 apart, by 2
    assert time_delay(one, other) == pytest.approx((math.exp(-0.5) + math.exp(-0.5)) / 2)
    assert time_delay(one, one) == 1 and time_delay(np.array(one) * 7, np.array(other) * 7, 7) == time_delay(one, other)


def test_sbtde_by_hand():
    # k = 1: a is there, c is not; k = 2: "ac" is one letter from "ab", by 2
    assert sbtde("ac", "ab") == pytest.approx((math.exp(-0.5) + math.exp(-0.5)) / 2)
    assert sbtde("abcab", "abcab") == 1 > sbtde("abcab", "cccc") > 0


def test_multimatch_is_the_packages():
    pytest.importorskip("multimatch_gaze", reason="multimatch-gaze (extra gaze) is not installed")
    path = [[10, 10, 0.2], [200, 50, 0.3], [400, 300, 0.25], [100, 300, 0.2]]
    assert multimatch(path, path, 640, 480) == pytest.approx((1, 1, 1, 1, 1))
    other = [[600, 400, 0.9], [30, 440, 0.1], [320, 10, 0.8]]
    found = multimatch(path, other, 640, 480)
    assert all(0 <= value < 1 for value in found) and found == pytest.approx(multimatch(other, path, 640, 480))
    with pytest.raises(ValueError, match="T at least 3"):
        multimatch(path[:2], path, 640, 480)


def test_multimatch_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "multimatch_gaze", None)
    with pytest.raises(ImportError, match=r"pip install 'foveal\[gaze\]'"):
        multimatch([[0, 0, 1]] * 3, [[0, 0, 1]] * 3, 10, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sequence_score("", ""), "empty"),
        (lambda: sbtde("", "a"), "empty"),
        (lambda: time_delay([[0, 0]], [[0, 0, 0]]), "must be .T, 2."),
        (lambda: scan_match([[130, 5]], [[5, 5]], Screen(120, 80)), "off a screen of 120 x 80"),
        (lambda: scan_match([[1, 5]], [[5, 5]], Screen(9, 9), durations_ms=([1, 2], [1])), "durations of shape"),
        (lambda: alignment([1, 2]), "must be .M, N."),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
