"""The photometric error: hand-worked cases, and kernels that give what PyTorch makes of the formula."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.vision.depth.photometric import ALPHA, photometric, ssim


def flat(value, *shape):
    return torch.full(shape, value, dtype=torch.float64)


def by_formula(a, b, alpha=ALPHA):
    return (alpha * ((1 - ssim(a, b)) / 2).clamp(0, 1) + (1 - alpha) * (a - b).abs()).mean(-3)


def test_similarity_of_even_images_is_that_of_their_brightness():
    a, b = flat(0.2, 3, 4, 5), flat(0.6, 3, 4, 5)
    torch.testing.assert_close(ssim(a, b), flat((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4), 3, 4, 5))
    torch.testing.assert_close(ssim(a, a), flat(1.0, 3, 4, 5))
    expected = 0.85 * (1 - 0.2401 / 0.4001) / 2 + 0.15 * 0.4
    torch.testing.assert_close(photometric(a, b), flat(expected, 4, 5))
    torch.testing.assert_close(photometric(a, b, alpha=0), flat(0.4, 4, 5))


def test_similarity_is_of_windows_of_three_and_mirrored_beyond_the_edge():
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 5, 6, dtype=torch.float64)
    for v, u in ((2, 3), (0, 0), (4, 2)):
        rows, columns = ([abs(x) if x < n else 2 * n - 2 - x for x in range(i - 1, i + 2)] for i, n in ((v, 5), (u, 6)))
        x, y = (image[0][rows][:, columns] for image in (a, b))
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        above = (2 * x.mean() * y.mean() + 1e-4) * (2 * covariance + 9e-4)
        below = (x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (x.var(correction=0) + y.var(correction=0) + 9e-4)
        torch.testing.assert_close(ssim(a, b)[0, v, u], above / below)


def test_an_inverted_image_is_as_unlike_as_can_be():
    board = (torch.arange(4)[:, None] + torch.arange(4)).remainder(2).double()[None]
    assert (ssim(board, 1 - board) < -0.9).all()
    assert (photometric(board, 1 - board) <= 1).all()


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.integers(1, 3), max_size=2),
    st.integers(1, 4),
    st.integers(2, 9),
    st.integers(2, 9),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_errors_and_gradients_are_those_of_the_formula(leading, channels, height, width, alpha, seed):
    torch.manual_seed(seed)
    shape = (*leading, channels, height, width)
    a, b = (torch.rand(shape, dtype=torch.float64).round(decimals=1).requires_grad_() for _ in range(2))
    weights = torch.randn(*leading, height, width, dtype=torch.float64)
    errors, expected = photometric(a, b, alpha), by_formula(a, b, alpha)
    torch.testing.assert_close(errors, expected)
    gradients, wanted = (torch.autograd.grad((x * weights).sum(), (a, b)) for x in (errors, expected))
    # where SSIM is 1 a bound is reached, and of its two slopes rounding takes either; there they are next to nothing
    torch.testing.assert_close(gradients, wanted, rtol=1e-5, atol=1e-7)


def test_single_precision_is_near():
    torch.manual_seed(2)
    a = torch.rand(2, 3, 12, 20)
    b = (a + 0.1 * torch.rand(2, 3, 12, 20)).clamp(max=1)
    errors = photometric(a, b)
    assert errors.dtype == torch.float32
    torch.testing.assert_close(errors.double(), by_formula(a.double(), b.double()), rtol=0, atol=1e-5)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(1)
    a, b = torch.rand(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(photometric, (a, b))
    assert torch.autograd.gradcheck(lambda x: photometric(x.mT, b.detach().mT), (a,))


def test_half_precision_goes_by_the_formula():
    a, b = torch.rand(2, 3, 6, 7).to(torch.bfloat16)
    torch.testing.assert_close(photometric(a, b), by_formula(a, b))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="must be alike"):
        photometric(torch.ones(3, 4, 5), torch.ones(3, 4, 6))
    with pytest.raises(ValueError, match="at least 2"):
        photometric(torch.ones(3, 1, 5), torch.ones(3, 1, 5))
    with pytest.raises(ValueError, match="at least 2"):
        ssim(torch.ones(3, 1, 5), torch.ones(3, 1, 5))
