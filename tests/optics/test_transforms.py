import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foveal.optics.transforms import apply, invert, look, place

ANGLES = st.floats(-10, 10)
POINTS = st.tuples(*[st.floats(-100, 100)] * 3)


def test_where_a_camera_looks():
    right, down, forward = look((1, 2, 3), 0, 0)[:3, :3].T
    np.testing.assert_allclose([right, down, forward], [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15)
    np.testing.assert_allclose(look((0, 0, 0), np.pi / 2, 0)[:3, 2], [-1, 0, 0], atol=1e-15)  # left
    np.testing.assert_allclose(look((0, 0, 0), 0, np.pi / 2)[:3, 2], [0, 0, 1], atol=1e-15)  # up
    assert look((1, 2, 3), 0, 0)[:3, 3].tolist() == [1, 2, 3]


def test_a_batch_of_cameras():
    poses = look(np.zeros((5, 1, 3)), np.arange(3) * 0.3, 0.1)
    assert poses.shape == (5, 3, 4, 4)
    np.testing.assert_array_equal(poses[4, 2], look((0, 0, 0), 0.6, 0.1))


@given(POINTS, ANGLES, ANGLES, ANGLES, POINTS)
def test_inverse(position, yaw, pitch, roll, point):
    for transform in (place(position, yaw, pitch, roll), look(position, yaw, pitch)):
        np.testing.assert_allclose(np.linalg.det(transform), 1)
        np.testing.assert_allclose(invert(transform) @ transform, np.eye(4), atol=1e-10)
        np.testing.assert_allclose(apply(invert(transform), apply(transform, point)), point, atol=1e-10)


def test_order_of_turns():
    turned = place((0, 0, 5), np.pi / 2, np.pi / 2)
    np.testing.assert_allclose(apply(turned, (0, 1, 0)), (0, 0, 6), atol=1e-12)  # pitched up; yaw leaves it there
    np.testing.assert_allclose(apply(turned, (1, 0, 0)), (0, 1, 5), atol=1e-12)
    np.testing.assert_allclose(apply(place(roll=np.pi / 2), (0, 0, 1)), (1, 0, 0), atol=1e-12)
