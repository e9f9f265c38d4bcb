"""The foveated eye, in closed form and in invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.optics.eye import Eye, foveate, glimpses, pooling_window, pyramid, retina

EYE = Eye(8.0, e2_deg=2.0)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (4, 60, 70)).astype(np.uint8)


def test_resolution_is_halved_at_e2_and_again_at_three_times_that():
    np.testing.assert_allclose(EYE.level([0, 16, 48, 112], 0), [0, 1, 2, 3])
    assert EYE.level(1e9, 0) == EYE.levels - 1
    assert EYE.level(3.0, 4.0) == EYE.level(5.0, 0.0)


def test_the_pyramid_is_burt_and_adelsons_before_it_is_thinned_out(pictures):
    """Blurred and thinned out by the plain way, away from the edges."""
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    level = pictures[0].astype(float)
    stack = pyramid(pictures, 4)
    for k in range(1, 4):
        for axis in range(2):
            level = np.apply_along_axis(np.convolve, axis, level, kernel, "same")
        level = level[::2, ::2]
        ours = stack[0, :: 2**k, :: 2**k, k]
        inner = (slice(3, -3),) * 2
        np.testing.assert_allclose(ours[inner], level[inner], rtol=1e-5, atol=1e-3)
    impulse = np.zeros((1, 129, 129), np.uint8)
    impulse[0, 64, 64] = 255
    x = np.arange(129) - 64
    for k, plane in enumerate(np.moveaxis(pyramid(impulse, 5)[0], -1, 0)):
        assert plane.sum() == pytest.approx(255, rel=1e-5), "light is neither lost nor made"
        assert (plane.sum(0) * x**2).sum() / 255 == pytest.approx((4**k - 1) / 3, rel=1e-4), "the variance of level k"


def test_a_flat_field_stays_flat_wherever_one_looks():
    flat = pyramid(np.full((2, 40, 50), 77, np.uint8), 5)
    np.testing.assert_allclose(foveate(flat, [(3, 4), (49, 39)], EYE), 77, rtol=1e-6)
    assert (retina(flat, [(3, 4), (-20, 90)], EYE, 64) == 77).all()


def test_contrast_falls_from_level_to_level(pictures):
    spread = pyramid(pictures, 5).std((1, 2))
    assert (np.diff(spread, axis=1) < 0).all()


def test_what_is_fixated_is_seen_as_it_is_and_the_rest_is_a_mixture_of_two_levels(pictures):
    stack = pyramid(pictures, 5)
    seen = foveate(stack, [(20, 30)] * 4, EYE)
    np.testing.assert_allclose(seen[:, 30, 20], pictures[:, 30, 20], rtol=1e-6)
    np.testing.assert_allclose(seen[:, 30, 36], stack[:, 30, 36, 1], rtol=1e-6)  # 2 degrees to the right
    level = float(EYE.level(24, 7))
    share = level - 1
    mixed = (1 - share) * stack[:, 37, 44, 1] + share * stack[:, 37, 44, 2]
    np.testing.assert_allclose(seen[:, 37, 44], mixed, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(x=st.integers(-30, 100), y=st.integers(-30, 90), size=st.integers(1, 80))
def test_a_retinal_image_is_a_window_on_what_is_seen(pictures, x, y, size):
    stack = pyramid(pictures, 5)
    image = retina(stack, [(x, y)] * 4, EYE, size)
    seen = foveate(stack, [(x, y)] * 4, EYE)
    at_y, at_x = np.arange(size) + y - size // 2, np.arange(size) + x - size // 2
    rows, columns = np.flatnonzero((at_y >= 0) & (at_y < 60)), np.flatnonzero((at_x >= 0) & (at_x < 70))
    theirs = seen[np.ix_(range(4), at_y[rows], at_x[columns])]
    assert np.abs(image[np.ix_(range(4), rows, columns)] - theirs).max(initial=0) <= 0.5 + 1e-3


def test_beyond_the_edge_every_level_goes_on_as_it_ends(pictures):
    stack = pyramid(pictures, 5)
    eye = Eye(8.0, e2_deg=1e6)  # sees everything sharply
    image = retina(stack, [(0, 0)] * 4, eye, 20)
    np.testing.assert_array_equal(image[:, :11, :11], np.broadcast_to(pictures[:, :1, :1], (4, 11, 11)))


def test_glimpses_are_means_over_ever_larger_blocks(pictures):
    seen = glimpses(pictures, [(35, 30)] * 4, 4, 3)
    assert seen.shape == (4, 3, 4, 4)
    for k in range(3):
        step = 2**k
        window = pictures[:, 30 - 2 * step : 30 + 2 * step, 35 - 2 * step : 35 + 2 * step].astype(float)
        np.testing.assert_allclose(seen[:, k], window.reshape(4, 4, step, 4, step).mean((2, 4)), rtol=1e-6)
    np.testing.assert_allclose(glimpses(pictures, [(-90, -90)] * 4, 4, 2)[:, 0, 0, 0], pictures[:, 0, 0])


def test_pooling_windows_are_those_of_eccnet():
    beyond = np.arange(5, 14)
    assert pooling_window(beyond, 3).tolist() == [3, 3, 4, 4, 5, 5, 6, 6, 7]
    assert pooling_window(beyond, 4).tolist() == [3, 3, 4, 5, 5, 6, 6, 7, 8]
    assert pooling_window(beyond, 5).tolist() == [3, 3, 4, 5, 5, 6, 6, 7, 8]
    for layer in range(1, 6):
        assert (pooling_window(beyond if layer < 3 else np.linspace(0, 4, 9), layer) == 2).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Eye(0.0), "px_per_deg=0.0"),
        (lambda: Eye(8.0, e2_deg=float("nan")), "e2_deg=nan"),
        (lambda: Eye(8.0, levels=9), "levels=9"),
        (lambda: pyramid(np.zeros((4, 4)), 3), r"images \(4, 4\)"),
        (lambda: foveate(np.zeros((1, 4, 4, 3)), [(0, 0)], EYE), "the eye's levels"),
        (lambda: foveate(np.zeros((1, 4, 4, 5)), [(0, np.nan)], EYE), "finite"),
        (lambda: foveate(np.zeros((1, 4, 4, 5)), [(0, 0)] * 2, EYE), r"must be \(1, 2\)"),
        (lambda: retina(np.zeros((1, 4, 4, 5)), [(0, 0)], EYE, 0), "size=0"),
        (lambda: glimpses(np.zeros((1, 4, 4)), [(0, 0)], 5, 1), "size=5"),
        (lambda: pooling_window(-1.0, 3), "at least 0"),
        (lambda: pooling_window(1.0, 6), "layer=6"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
