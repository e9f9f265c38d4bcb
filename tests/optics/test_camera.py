import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.optics.camera import Camera, through_lens

CAMERAS = st.builds(
    Camera,
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(1, 500),
    st.floats(1, 500),
    st.floats(-50, 50),
    st.floats(-50, 50),
)


@given(CAMERAS, st.integers(0, 2**32 - 1))
def test_project_undoes_unproject(camera, seed):
    depth = np.random.default_rng(seed).uniform(0.01, 100, (camera.height, camera.width))
    points = camera.unproject(depth)
    np.testing.assert_array_equal(points[..., 2], depth)
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    np.testing.assert_allclose(camera.project(points), np.stack([columns, rows], -1), atol=1e-9)


def test_unproject_takes_a_batch():
    camera = Camera.from_vertical_fov(6, 4, 1.0)
    depth = np.random.default_rng(0).uniform(1, 2, (3, 2, 4, 6))
    np.testing.assert_array_equal(camera.unproject(depth)[1, 1], camera.unproject(depth[1, 1]))
    with pytest.raises(ValueError, match=r"depth of shape \(6, 4\): must end in \(4, 6\)"):
        camera.unproject(np.ones((6, 4)))


def test_field_of_view_spans_the_outer_edges():
    camera = Camera.from_vertical_fov(80, 60, np.radians(63.453))
    top, bottom = ((row - camera.cy) / camera.fy for row in (-0.5, 59.5))
    assert np.degrees(np.arctan(bottom) - np.arctan(top)) == pytest.approx(63.453)
    assert camera.cx == 39.5 and camera.fx == camera.fy


@pytest.mark.parametrize("change", [{"width": 0}, {"height": 9000}, {"fx": 0.0}, {"fy": np.nan}, {"cx": np.inf}])
def test_impossible_cameras(change):
    good = {"width": 4, "height": 4, "fx": 4.0, "fy": 4.0, "cx": 1.5, "cy": 1.5}
    with pytest.raises(ValueError, match=next(iter(change))):
        Camera(**(good | change))
    with pytest.raises(ValueError, match="fov"):
        Camera.from_vertical_fov(4, 4, np.pi)


COEFFICIENTS = st.floats(-0.05, 0.05)


@given(
    st.sampled_from([("pinhole", 0), ("pinhole", 4), ("pinhole", 5), ("pinhole", 8), ("fisheye", 0), ("fisheye", 4)]),
    st.tuples(*[COEFFICIENTS] * 8),
    st.integers(0, 2**32 - 1),
)
def test_lenses_are_those_of_opencv(model, coefficients, seed):
    lens, count = model
    bend = np.array(coefficients[:count])
    points = np.random.default_rng(seed).uniform((-1, -1, 1), (1, 1, 2), (20, 3))
    none, K = np.zeros(3), np.eye(3)
    if lens == "fisheye":
        expected, _ = cv2.fisheye.projectPoints(points[:, None], none, none, K, bend if count else np.zeros(4))
    else:
        expected, _ = cv2.projectPoints(points, none, none, K, bend)
    plane = through_lens(points, lens, tuple(bend))
    kept = np.isfinite(plane[:, 0])
    np.testing.assert_allclose(plane[kept], expected[:, 0][kept], atol=1e-9)
    assert kept.all() or abs(bend).max() > 0.01  # weak ones do not fold


def test_where_a_lens_has_no_image():
    assert np.isnan(through_lens([[0, 0, -1], [1, 0, 0]], "pinhole")).all()
    np.testing.assert_allclose(
        through_lens([[0, 0, 1], [1, 0, 0], [1, 0, -1]], "fisheye")[:, 0], np.pi * np.array([0, 0.5, 0.75])
    )
    assert np.isnan(through_lens([2, 0, 1], "pinhole", (-0.1, 0, 0, 0))).all()  # folds at 1 / sqrt(0.3) = 1.83
    assert np.isfinite(through_lens([1.8, 0, 1], "pinhole", (-0.1, 0, 0, 0))).all()
    assert through_lens(np.ones((2, 3, 3)), "pinhole").shape == (2, 3, 2)
