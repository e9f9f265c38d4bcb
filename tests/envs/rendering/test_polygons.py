import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.rendering.polygons import triangulate


def areas(points, faces):
    a, b, c = (points[faces[:, i]] for i in range(3))
    u, v = b - a, c - a
    return (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2


@given(st.integers(4, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_star_shaped_polygons(count, seed, clockwise):
    """Corners at growing angles around a centre make a simple polygon, however far away each one is."""
    rng = np.random.default_rng(seed)
    angles = (np.arange(count) + rng.uniform(0.1, 0.9, count)) * (2 * np.pi / count)
    radii = rng.uniform(0.2, 3, count)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], -1)
    if clockwise:
        points = points[::-1]
    faces = triangulate(points)
    x, y = points.T
    area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    assert (np.sign(areas(points, faces)) == np.sign(area)).all()
    assert areas(points, faces).sum() == pytest.approx(area)
    assert len(faces) == count - 2


def test_corners_on_straight_lines():
    points = np.array([(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)], float)
    faces = triangulate(points)
    assert areas(points, faces).sum() == pytest.approx(3)
    assert (areas(points, faces) > 0).all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0), (1, 0)], "P >= 3"),
        ([(0, 0), (1, 0), (np.nan, 1)], "finite"),
        ([(0, 0), (1, 0), (2, 0)], "without area"),
        ([(0, 0), (2, 2), (2, 0), (0, 1)], "cuts itself"),
    ],
)
def test_what_is_no_polygon(points, message):
    with pytest.raises(ValueError, match=message):
        triangulate(points)


def test_a_corner_on_the_diagonal_of_an_ear():
    """It lies on the cut but for rounding: that ear must stay."""
    room = 1.74 * np.array([(2, 0), (3, 0), (3, 1), (5, 1), (5, 3), (2, 3)])
    covered = areas(room, triangulate(room))
    assert (covered > 0).all() and np.isclose(covered.sum(), 7 * 1.74**2)
