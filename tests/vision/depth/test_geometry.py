"""Back-projection, the cylinder and warps: equal to `foveal.optics`, right on hand-worked cases and in gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.optics import transforms
from foveal.optics.camera import Camera
from foveal.vision.depth.geometry import (
    at_stride,
    backproject,
    invert,
    on_cylinder,
    project,
    relative_pose,
    rig_points,
    transform,
    warp,
)

K = torch.tensor([[4.0, 0, 2], [0, 5, 1.5], [0, 0, 1]], dtype=torch.float64)
EYE = torch.eye(4, dtype=torch.float64)


def moved(x=0.0, y=0.0, z=0.0):
    T = EYE.clone()
    T[:3, 3] = torch.tensor([x, y, z])
    return T


@given(st.integers(0, 2**32 - 1))
def test_points_equal_those_of_optics(seed):
    rng = np.random.default_rng(seed)
    camera = Camera(6, 4, *rng.uniform(2, 9, 2), *rng.uniform(0, 5, 2))
    k = torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], dtype=torch.float64)
    depth = rng.uniform(0.1, 50, (3, 4, 6))
    pose = transforms.look(rng.normal(size=(3, 3)), rng.uniform(-3, 3, 3), rng.uniform(-1, 1, 3))
    points = rig_points(torch.from_numpy(depth), k, torch.from_numpy(pose))
    np.testing.assert_allclose(points, transforms.apply(pose[:, None, None], camera.unproject(depth)), atol=1e-9)
    np.testing.assert_allclose(invert(torch.from_numpy(pose)), transforms.invert(pose), atol=1e-12)
    pixels, in_front = project(backproject(torch.from_numpy(depth), k), k)
    np.testing.assert_allclose(pixels, camera.project(camera.unproject(depth)), atol=1e-9)
    assert in_front.all()


def test_cameras_broadcast_over_a_batch_of_rigs():
    depth = torch.rand(2, 3, 4, 6, dtype=torch.float64) + 1
    poses = torch.stack([moved(x=float(n)) for n in range(3)])
    points = rig_points(depth, K.expand(3, 3, 3), poses)
    assert points.shape == (2, 3, 4, 6, 3)
    torch.testing.assert_close(points[1, 2], rig_points(depth[1, 2], K, poses[2]))


def test_where_points_are_on_the_cylinder():
    points = torch.tensor(
        [[2.0, 0, 1.5], [0, 4, 3.5], [-3, 0, -1.5], [0, 0, 9]], dtype=torch.float64, requires_grad=True
    )
    places, defined = on_cylinder(points)
    expected = [[0, 0], [math.pi / 2, 0.5], [math.pi, -1], [0, 0]]
    torch.testing.assert_close(places, torch.tensor(expected, dtype=torch.float64))
    assert defined.tolist() == [True, True, True, False]
    places.sum().backward()
    assert torch.isfinite(points.grad).all() and not points.grad[3].any()


def test_a_place_on_the_cylinder_is_that_of_the_whole_ray_from_its_middle():
    middle, ray = torch.tensor([1.0, 2, 3]), torch.tensor([0.3, -0.4, 0.2])
    near, far = (on_cylinder(middle + s * ray, (1, 2, 3))[0] for s in (1, 20))
    torch.testing.assert_close(near, far)


def test_at_a_stride_tokens_look_where_the_middles_of_their_pixels_do():
    depth = torch.arange(8.0, dtype=torch.float64).expand(3, 4, 8)  # u
    small, k = at_stride(depth, K, 4)
    assert small.shape == (3, 1, 2)
    torch.testing.assert_close(small[0, 0], torch.tensor([1.5, 5.5], dtype=torch.float64))
    rays = backproject(torch.ones(1, 2, dtype=torch.float64), k)[0]
    full = backproject(torch.ones(4, 8, dtype=torch.float64), K)
    torch.testing.assert_close(rays, full.reshape(4, 2, 4, 3).mean((0, 2)))
    with pytest.raises(ValueError, match="stride=3: must divide height 4 and width 8"):
        at_stride(depth, K, 3)


def test_a_warp_to_itself_is_the_image():
    image, depth = torch.rand(2, 3, 4, 5, dtype=torch.float64), torch.rand(2, 4, 5, dtype=torch.float64) + 1
    seen = warp(image, depth, K, K, EYE)
    torch.testing.assert_close(seen.image, image)
    assert seen.valid.all()


def test_a_step_aside_shifts_the_image_by_its_parallax():
    image = torch.rand(1, 4, 6, dtype=torch.float64)
    depth = torch.full((4, 6), 2.0, dtype=torch.float64)
    seen = warp(image, depth, K, K, relative_pose(moved(x=-1.0), EYE))  # 1 m to the left: f / z = 2 px to the right
    torch.testing.assert_close(seen.image[..., :4], image[..., 2:])
    assert seen.valid[:, :4].all() and not seen.valid[:, 4:].any() and seen.in_front.all()
    half = warp(image, 2 * depth, K, K, moved(x=0.5))
    torch.testing.assert_close(half.image[..., :-1], (image[..., 1:] + image[..., :-1]) / 2)


def test_points_behind_the_source_are_not_seen():
    image, depth = torch.rand(1, 4, 5, dtype=torch.float64), torch.full((4, 5), 2.0, dtype=torch.float64)
    depth[0, 0] = 9
    seen = warp(image, depth, K, K, moved(z=-5.0))
    assert seen.in_front.sum() == 1 and seen.in_front[0, 0]
    assert torch.isfinite(seen.image).all() and not seen.in_view[1:].any()


def test_the_pose_of_another_camera_at_another_time_goes_through_the_rig():
    left, right = moved(y=1.0), moved(y=-1.0) @ torch.diag(torch.tensor([-1.0, -1, 1, 1]).double())
    onwards = moved(x=-2.0)  # the rig has gone 2 m ahead: what stands still has come nearer
    T = relative_pose(left, right, onwards)
    point = torch.tensor([[[3.0, 4, 5]]]).double()
    world = transform(right, point)
    torch.testing.assert_close(transform(left, transform(T, point)), world - torch.tensor([2.0, 0, 0]).double())
    torch.testing.assert_close(relative_pose(left, left), EYE)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    depth = (torch.rand(3, 4, dtype=torch.float64) + 2).requires_grad_()
    image = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    T = moved(0.13, -0.07, 0.11).requires_grad_()
    assert torch.autograd.gradcheck(lambda d, t: on_cylinder(rig_points(d, K, t))[0], (depth, T))
    assert torch.autograd.gradcheck(lambda i, d, t: warp(i, d, K, K, t).image, (image, depth, T))
    assert torch.autograd.gradcheck(lambda p: project(p, K)[0], (backproject(depth.detach(), K).requires_grad_(),))
    assert torch.autograd.gradcheck(lambda d: at_stride(d, K, 1)[0] * d.mean(), (depth,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": torch.ones(3)}, "depth"),
        ({"depth": torch.ones(3, 4, dtype=torch.int64)}, "depth"),
        ({"K": torch.eye(2)}, r"K \(2, 2\)"),
        ({"K": -torch.eye(3)}, "focal lengths must be positive"),
        ({"K": torch.full((3, 3), torch.nan)}, "focal lengths must be positive"),
        ({"K": torch.tensor([[1.0, 0.1, 0], [0, 1, 0], [0, 0, 1]])}, "no skew"),
        ({"T_rig_cam": torch.eye(3)}, r"transform of shape \(3, 3\)"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    good = {"depth": torch.ones(3, 4), "K": torch.eye(3), "T_rig_cam": torch.eye(4)}
    with pytest.raises(ValueError, match=message):
        rig_points(**(good | change))
    with pytest.raises(ValueError, match="source"):
        warp(torch.ones(3, 4), torch.ones(3, 4), torch.eye(3), torch.eye(3), torch.eye(4))
