"""Bilateral filters: equal to loops and to OpenCV, with the right gradients; and the network that fits itself."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.vision.denoise import (
    AttentionBilateral,
    Widths,
    bilateral,
    diagonals,
    fit,
    load,
    noise_loss,
    save,
    shuffled,
)

widths = st.floats(0.3, 4.0)


def pictures(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 1, shape))


def scene(seed=0, count=1, size=32):
    """Clean pictures of bars and discs with soft shades, (count, 1, size, size) in [0, 1]."""
    drawn = np.random.default_rng(seed)
    v, u = np.mgrid[:size, :size] / size
    made = []
    for _ in range(count):
        image = 0.2 + 0.2 * u * drawn.uniform(-1, 1) + 0.2 * v * drawn.uniform(-1, 1)
        for _ in range(3):
            x, y, r = drawn.uniform(0.1, 0.9), drawn.uniform(0.1, 0.9), drawn.uniform(0.1, 0.3)
            image = np.where(np.hypot(u - x, v - y) < r, drawn.uniform(0, 1), image)
        made.append(image)
    return torch.from_numpy(np.stack(made)[:, None].clip(0, 1)).float()


def by_loops(images, sigmas, radius):
    """The formula, pixel by pixel; sigmas (B, 3, H, W)."""
    out = np.zeros_like(images)
    batch, _, height, width = images.shape
    for b, y, x in np.ndindex(batch, height, width):
        sx, sy, sr = sigmas[b, :, y, x]
        total, norm = 0.0, 0.0
        for v in range(max(0, y - radius), min(height, y + radius + 1)):
            for u in range(max(0, x - radius), min(width, x + radius + 1)):
                apart = ((images[b, :, y, x] - images[b, :, v, u]) ** 2).sum()
                weight = math.exp(-((u - x) ** 2) / (2 * sx**2) - (v - y) ** 2 / (2 * sy**2) - apart / (2 * sr**2))
                total, norm = total + weight * images[b, :, v, u], norm + weight
        out[b, :, y, x] = total / norm
    return out


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(1, 4))
def test_a_filter_equals_its_formula(seed, channels, height, width, radius):
    images = pictures(2, channels, height, width, seed=seed)
    sigmas = pictures(2, 3, height, width, seed=seed + 1) * 3 + 0.1
    ours = bilateral(images, Widths(*sigmas.split(1, 1)), radius)
    np.testing.assert_allclose(ours.numpy(), by_loops(images.numpy(), sigmas.numpy(), radius), rtol=1e-9)


def test_a_filter_equals_opencvs():
    """Within a picture of one channel, where its distance is ours; its window is round, the corners weigh nothing."""
    import cv2

    image = pictures(1, 1, 24, 30).float()
    theirs = cv2.bilateralFilter(image[0, 0].numpy(), d=13, sigmaColor=0.3, sigmaSpace=1.5)
    ours = bilateral(image, Widths(1.5, 1.5, 0.3), 6)[0, 0]
    np.testing.assert_allclose(ours[6:-6, 6:-6], theirs[6:-6, 6:-6], atol=2e-4)


@settings(max_examples=20, deadline=None)
@given(widths, widths, widths, st.integers(1, 4), st.integers(0, 99))
def test_a_filter_makes_means(x, y, values, radius, seed):
    images = pictures(1, 3, 9, 8, seed=seed)
    seen = bilateral(images, Widths(x, y, values), radius)
    for channel in range(3):
        assert images[:, channel].min() - 1e-9 <= seen[:, channel].min()
        assert seen[:, channel].max() <= images[:, channel].max() + 1e-9
    even = torch.full_like(images, 0.3)
    torch.testing.assert_close(bilateral(even, Widths(x, y, values), radius), even)
    flipped = bilateral(images.flip(-1), Widths(x, y, values), radius).flip(-1)
    torch.testing.assert_close(flipped, seen)


def test_wide_values_leave_a_gaussian_and_narrow_ones_the_picture():
    images = pictures(1, 1, 9, 9)
    blurred = bilateral(images, Widths(1.0, 1.0, 1e6), 4)[0, 0, 4, 4]
    place = torch.exp(-0.5 * torch.arange(-4.0, 5).double() ** 2)
    kernel = torch.outer(place, place)
    torch.testing.assert_close(blurred, (kernel * images[0, 0]).sum() / kernel.sum())
    torch.testing.assert_close(bilateral(images, Widths(2.0, 2.0, 1e-6), 3), images)


def test_an_edge_stays():
    step = torch.zeros(1, 1, 8, 10)
    step[..., 5:] = 1
    torch.testing.assert_close(bilateral(step, Widths(2.0, 2.0, 0.1), 3), step, atol=1e-6, rtol=0)
    assert bilateral(step, Widths(2.0, 2.0, 10.0), 3)[0, 0, 4, 4] > 0.3


def test_gradients_are_those_of_finite_differences():
    images = pictures(1, 2, 4, 5).requires_grad_()
    sigmas = (pictures(3, 1, 1, 4, 5, seed=1) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, s: bilateral(a, Widths(*s), 2), (images, sigmas))
    torch.manual_seed(0)
    net = AttentionBilateral(1, patch=4, width=4, radius=1, stages=2).double()
    weights = tuple(net.parameters())
    assert torch.autograd.gradcheck(lambda a, *_: net(a), (pictures(1, 1, 8, 6).requires_grad_(), *weights))


@pytest.mark.parametrize(
    ("images", "sigmas", "radius", "said"),
    [
        (torch.rand(3, 4, 4), (1.0, 1.0, 1.0), 1, r"images \(3, 4, 4\) of torch.float32: must be \(B, C, H, W\)"),
        (torch.ones(1, 1, 4, 4, dtype=torch.uint8), (1.0, 1.0, 1.0), 1, "of torch.uint8: must be"),
        (torch.rand(1, 1, 4, 4), (1.0, 1.0, 1.0), 0, "radius=0: must be at least 1"),
        (torch.rand(1, 1, 4, 4), (1.0, 0.0, 1.0), 1, "widths.y_px: must be positive everywhere"),
        (torch.rand(1, 1, 4, 4), (1.0, 1.0, torch.full((1, 1, 4, 4), math.nan)), 1, "widths.values: must be positive"),
    ],
)
def test_bad_input_is_named(images, sigmas, radius, said):
    with pytest.raises(ValueError, match=said):
        bilateral(images, Widths(*sigmas), radius)


def test_the_network_is_as_small_as_its_source_says():
    assert sum(weight.numel() for weight in AttentionBilateral(1).parameters()) == 1819  # "1.8k"
    assert sum(weight.numel() for weight in AttentionBilateral(1, stages=2).parameters()) == 2 * 1819  # "3.6k"


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 20), st.integers(3, 20), st.integers(1, 3))
def test_widths_are_of_patches_and_in_their_range(height, width, channels):
    torch.manual_seed(0)
    net = AttentionBilateral(channels, patch=4)
    sigmas = net.widths(torch.rand(2, channels, height, width))
    assert sigmas.shape == (2, 3, height, width)
    assert sigmas.min() > 1e-6 and sigmas.max() <= 6 + 1e-6
    for v in range(0, height, 4):
        for u in range(0, width, 4):
            patch = sigmas[..., v : v + 4, u : u + 4]
            assert (patch == patch[..., :1, :1]).all()


def test_images_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    net, images = AttentionBilateral(3), torch.rand(4, 3, 16, 24)
    torch.testing.assert_close(net(images)[2:3], net(images[2:3]))
    with pytest.raises(ValueError, match="images with 1 channels: must have 3"):
        net(images[:, :1])
    with pytest.raises(ValueError, match="patch=0: must be at least 1"):
        AttentionBilateral(patch=0)


def test_diagonals_by_hand():
    one, other = diagonals(torch.tensor([[[[1.0, 2, 5, 6], [3, 4, 7, 9]]]]))
    assert one.tolist() == [[[[2.5, 7]]]] and other.tolist() == [[[[2.5, 6.5]]]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(1, 3))
def test_a_shuffle_exchanges_the_two_most_similar_pixels_of_each_block(seed, channels):
    images = pictures(2, channels, 6, 4, seed=seed)
    found = shuffled(images)
    for b, v, u in np.ndindex(2, 3, 2):
        block = images[b, :, 2 * v : 2 * v + 2, 2 * u : 2 * u + 2].reshape(channels, 4).T
        after = found[b, :, 2 * v : 2 * v + 2, 2 * u : 2 * u + 2].reshape(channels, 4).T
        pairs = [(p, q) for p in range(4) for q in range(p + 1, 4)]
        p, q = min(pairs, key=lambda pair: float((block[pair[0]] - block[pair[1]]).square().sum()))
        expected = block.clone()
        expected[[p, q]] = block[[q, p]]
        assert torch.equal(after, expected)


def test_the_losses_are_zero_for_even_pictures_and_hold_on_to_edges():
    even = torch.full((1, 1, 8, 8), 0.4)
    assert noise_loss(torch.nn.Identity(), even) == pytest.approx(0, abs=1e-4)
    clean = scene()
    mean = lambda x: x * 0 + x.mean()  # noqa: E731
    assert noise_loss(mean, clean, 0.0) < noise_loss(torch.nn.Identity(), clean, 0.0)
    assert noise_loss(mean, clean) > noise_loss(torch.nn.Identity(), clean)


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_a_network_fitted_on_noisy_pictures_alone_denoises_others(sigma):
    """It never sees a clean picture, nor those it is tested on; the margin is over what is given to it."""
    clean = scene(count=10)
    noisy = (clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    torch.manual_seed(0)
    net = AttentionBilateral(1)
    before = noise_loss(net, noisy[:6]).item()
    fit(net, noisy[:6], steps=120, seed=2)
    assert noise_loss(net, noisy[:6]).item() < before
    with torch.no_grad():
        gain_db = 10 * torch.log10((noisy - clean)[6:].square().mean() / (net(noisy[6:]) - clean[6:]).square().mean())
    assert gain_db > 4


def test_fitting_is_decided_by_its_seed():
    images, losses = pictures(6, 1, 8, 8).float(), []
    for seed in (3, 3, 4):
        torch.manual_seed(0)
        losses.append(fit(AttentionBilateral(1, radius=1), images, steps=3, batch=2, seed=seed))
    assert losses[0] == losses[1] != losses[2]


def test_a_filter_is_saved_and_loaded(tmp_path):
    torch.manual_seed(0)
    net, images = AttentionBilateral(1, patch=4, width=4, radius=2, stages=2), torch.rand(1, 1, 8, 8)
    save(net, tmp_path / "filter.safetensors")
    other = load(tmp_path / "filter.safetensors")
    assert torch.equal(other(images), net(images)) and not other.training
    (tmp_path / "other").write_text("no filter")
    for name in ("other", "none"):
        with pytest.raises(ValueError, match=rf"{name}: must be a filter that foveal.vision.denoise.save wrote"):
            load(tmp_path / name)
