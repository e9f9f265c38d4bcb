"""The rig's motion: rigid, bounded, as Rodrigues has it, and handed on to every camera."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.vision.depth.geometry import relative_pose
from foveal.vision.depth.pose import FIRST_M, MOST_M, PoseNetwork, motion, rig_motion

from .rigs import nuscenes

numbers = st.floats(-6, 6, allow_nan=False)
vectors = st.tuples(numbers, numbers, numbers).map(lambda v: torch.tensor(v, dtype=torch.float64))


@settings(deadline=None)
@given(vectors, vectors, st.sampled_from([1.0, 1e-2, 1e-5, 0.0]))
def test_motion_is_the_exponential_of_its_axis_and_bounded(turn, shift, size):
    T = motion(size * turn, shift)
    x, y, z = (size * turn).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    torch.testing.assert_close(T[:3, :3], torch.linalg.matrix_exp(cross), atol=1e-9, rtol=0)
    torch.testing.assert_close(T[:3, 3], shift.clamp(-MOST_M, MOST_M))
    assert T[3].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("size", [0.0, 1e-8, 1e-3, 1.0])
def test_gradients_of_a_motion_are_right_also_about_nothing(size):
    turn = size * torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64)
    shift = torch.tensor([[0.1, 0.2, -0.3]], dtype=torch.float64)
    inputs = (turn.requires_grad_(), shift.requires_grad_())
    assert torch.autograd.gradcheck(motion, inputs, eps=1e-7, atol=1e-5)


def test_all_cameras_move_as_one_rig():
    _, E = nuscenes(90, 160, square=True)
    M = motion(torch.tensor([0.0, 0.0, 0.1]).double(), torch.tensor([0.9, 0.1, 0.0]).double())
    front = relative_pose(E[0], E[0], M)
    torch.testing.assert_close(rig_motion(front, E[0]), M)
    for camera in range(6):
        torch.testing.assert_close(rig_motion(relative_pose(E[camera], E[camera], M), E[camera]), M)


def test_network_learns_how_far_a_picture_is_shifted():
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    world = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 30, generator=generator), scale_factor=4.0)[0]
    net = PoseNetwork((16, 16, 32))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(150):
        shifts = torch.randint(-3, 4, (16,), generator=generator).tolist()
        target = torch.stack([world[:, :, 20:84]] * 16)
        source = torch.stack([world[:, :, 20 + s : 84 + s] for s in shifts])
        loss = (net(target, source)[:, 0, 3] - 0.3 * torch.tensor(shifts)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert math.sqrt(loss.item()) < 0.15  # of a deviation of 0.6


def test_an_untrained_network_drives_forward():
    torch.manual_seed(0)
    T = PoseNetwork()(torch.rand(4, 3, 96, 160), torch.rand(4, 3, 96, 160))
    assert ((T[:, 2, 3] - FIRST_M).abs() < 0.1).all() and (T[:, :2, 3].abs() < 0.1).all()
    assert ((T[:, :3, :3] - torch.eye(3)).abs() < 0.01).all()


def test_what_does_not_fit_is_refused():
    net = PoseNetwork()
    with pytest.raises(ValueError, match=r"images \(1, 3, 32, 32\) and \(1, 3, 32, 64\): must be alike"):
        net(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 64))
    with pytest.raises(ValueError, match="must be alike"):
        net(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"transform of shape \(3, 3\)"):
        rig_motion(torch.eye(3), torch.eye(4))
