import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.optics.camera import Camera, out_of_lens, through_lens

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


@given(st.lists(st.floats(-0.3, 0.3), min_size=5, max_size=5), st.booleans(), st.integers(0, 2**32 - 1))
def test_out_of_a_lens_undoes_through_it(bend, fisheye, seed):
    lens, distortion = (
        ("fisheye", tuple(np.array(bend[:4]) / 10)) if fisheye else ("pinhole", (*bend[:2], 0, 0, bend[4]))
    )
    random = np.random.default_rng(seed)
    angle, turn = random.uniform(0, 2.0 if fisheye else 1.2, 200), random.uniform(0, 2 * np.pi, 200)
    rays = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1)
    plane = through_lens(rays, lens, distortion)
    seen = ~np.isnan(plane).any(-1)
    found = out_of_lens(plane, lens, distortion)
    assert np.isnan(found[~seen]).all()
    lost = np.isnan(found[seen]).any(-1)
    assert lost.mean() < 0.05  # some next to the fold
    np.testing.assert_allclose(found[seen][~lost], rays[seen][~lost], atol=1e-3)
    np.testing.assert_allclose(through_lens(found[seen][~lost], lens, distortion), plane[seen][~lost], atol=1e-7)


def test_out_of_a_lens_is_what_opencv_undistorts():
    plane = np.random.default_rng(0).uniform(-0.3, 0.3, (50, 2))
    distortion = (-0.1, 0.03, 0.001, -0.002, -0.01)
    expected = cv2.undistortPoints(plane[:, None], np.eye(3), np.array(distortion))[:, 0]  # in but five steps
    found = out_of_lens(plane, "pinhole", distortion)
    np.testing.assert_allclose(found[:, :2] / found[:, 2:], expected, atol=1e-5)
    bend = np.array([0.05, -0.02, 0.003, 0.0])
    expected = cv2.fisheye.undistortPoints(plane[:, None], np.eye(3), bend)[:, 0]
    found = out_of_lens(plane, "fisheye", tuple(bend))
    np.testing.assert_allclose(found[:, :2] / found[:, 2:], expected, atol=1e-6)


def test_where_a_lens_puts_nothing_there_is_no_direction():
    assert np.isnan(out_of_lens([4.0, 0], "fisheye")).all()
    assert np.isnan(out_of_lens([1.3, 0], "pinhole", (-0.1, 0, 0, 0))).all()  # its image ends at 1.22
    np.testing.assert_allclose(out_of_lens([[0, 0], [np.pi / 2, 0]], "fisheye"), [[0, 0, 1], [1, 0, 0]], atol=1e-12)
