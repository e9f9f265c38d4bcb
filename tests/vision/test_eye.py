"""The eye for networks: equal to its twin in NumPy, with the right gradients; and eccNET's pooling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.optics import eye as optics
from foveal.vision.eye import EccentricPool2d, foveate, glimpses, pyramid

EYE = optics.Eye(6.0, e2_deg=1.5, levels=4)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 40, 48)).astype(np.uint8)
IMAGES = torch.from_numpy(PICTURES).double()[:, None]


def test_the_pyramid_equals_its_twin():
    theirs = np.moveaxis(optics.pyramid(PICTURES, 5), -1, 0)
    np.testing.assert_allclose(pyramid(IMAGES, 5)[:, :, 0].numpy(), theirs, rtol=1e-5, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-20, 70), st.floats(-20, 70)), min_size=3, max_size=3))
def test_what_is_seen_equals_its_twin(points):
    theirs = optics.foveate(optics.pyramid(PICTURES, 4), points, EYE)
    ours = foveate(IMAGES, torch.tensor(points, dtype=torch.float64), EYE)[:, 0]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-2)


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(-20, 70), st.integers(-20, 70)), st.integers(1, 5), st.integers(1, 4))
def test_glimpses_equal_their_twin(point, half, scales):
    theirs = optics.glimpses(PICTURES, [point] * 3, 2 * half, scales)
    ours = glimpses(IMAGES, torch.tensor([point] * 3).double(), 2 * half, scales)[:, :, 0]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5)


def test_channels_are_seen_apart():
    images = torch.cat([IMAGES, 255 - IMAGES], 1)
    points = torch.tensor([[3.0, 4.0]] * 3).double()
    seen = foveate(images, points, EYE)
    torch.testing.assert_close(seen[:, 1:], 255 - seen[:, :1])
    assert glimpses(images, points, 4, 2).shape == (3, 2, 2, 4, 4)


def test_gradients_are_those_of_finite_differences():
    images = torch.rand(2, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    points = torch.tensor([[2.3, 3.4], [4.1, 1.7]], dtype=torch.float64, requires_grad=True)
    eye = optics.Eye(1.3, e2_deg=1.1, levels=3)
    assert torch.autograd.gradcheck(lambda a, b: foveate(a, b, eye), (images, points), eps=1e-7, atol=1e-5)
    assert torch.autograd.gradcheck(lambda a: glimpses(a, points.detach(), 4, 2), (images,))
    assert torch.autograd.gradcheck(
        EccentricPool2d(5), (torch.rand(1, 2, 24, 20, dtype=torch.float64).requires_grad_(),)
    )


def test_looking_exactly_at_a_pixel_has_a_gradient():
    points = torch.tensor([[2.0, 3.0]] * 3, dtype=torch.float64, requires_grad=True)
    foveate(IMAGES, points, EYE).square().sum().backward()
    assert torch.isfinite(points.grad).all() and (points.grad != 0).any()


@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
def test_pooling_is_the_mean_over_the_stated_windows(layer):
    pool = EccentricPool2d(layer)
    size = 2 * 8 * pool.px_per_deg if layer > 2 else 24
    features = torch.rand(1, 1, size, size + 4, dtype=torch.float64)
    pooled, windows = pool(features)[0, 0], pool.windows(size, size + 4)
    assert pooled.shape == windows.shape == (size // 2, size // 2 + 2)
    if layer < 3:
        torch.testing.assert_close(pooled, torch.nn.functional.avg_pool2d(features, 2)[0, 0])
        return
    assert windows.max() > 3 and windows[size // 4, size // 4 + 1] == 2
    wide = torch.nn.functional.pad(features, (10, 10, 10, 10), mode="replicate")[0, 0]
    for v, u in ((0, 0), (size // 4, 3), (size // 2 - 1, size // 2), (size // 4, size // 4)):
        r = int(windows[v, u])
        eccentricity = np.hypot(v - (size // 2 - 1) / 2, u - (size // 2 + 1) / 2) * 2 / pool.px_per_deg
        assert r == optics.pooling_window(np.ceil(eccentricity), layer)
        top, left = 10 + 2 * v - (r - 2) // 2, 10 + 2 * u - (r - 2) // 2
        torch.testing.assert_close(pooled[v, u], wide[top : top + r, left : left + r].mean())


def test_pooling_keeps_a_flat_field():
    assert torch.allclose(EccentricPool2d(4)(torch.full((1, 3, 60, 60), 2.5)), torch.tensor(2.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pyramid(torch.zeros(4, 4), 2), "must be .B, C, H, W."),
        (lambda: pyramid(torch.zeros(1, 1, 4, 4).int(), 2), "floating-point"),
        (lambda: pyramid(torch.zeros(1, 1, 4, 4), 0), "levels=0"),
        (lambda: foveate(torch.zeros(2, 1, 4, 4), torch.zeros(1, 2), EYE), r"must be \(2, 2\)"),
        (lambda: glimpses(torch.zeros(2, 1, 4, 4), torch.zeros(2, 2), 3, 1), "size=3"),
        (lambda: EccentricPool2d(0), "layer=0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
