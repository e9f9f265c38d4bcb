"""Code usage at distributions whose numbers are known in closed form."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.agents.code_usage import code_usage, effective_number
from foveal.agents.codebook import CodebookFilter


def test_all_codes_alike():
    usage = code_usage(torch.full((5, 8), 1 / 8))
    torch.testing.assert_close(usage.histogram, torch.full((8,), 1 / 8, dtype=torch.float64))
    assert usage.effective == pytest.approx(8) and usage.effective_per_sample == pytest.approx(8)
    assert usage.dead == 0


def test_each_sample_its_own_code():
    usage = code_usage(torch.eye(6))
    assert usage.effective == pytest.approx(6) and usage.effective_per_sample == pytest.approx(1)
    assert usage.dead == 0


def test_collapsed():
    usage = code_usage(torch.eye(10)[[3]].expand(7, 10))
    assert usage.effective == usage.effective_per_sample == pytest.approx(1)
    assert usage.dead == pytest.approx(0.9)
    assert usage.histogram.argmax() == 3


def test_a_mixed_case_by_hand():
    """Two samples over four codes: (1/2, 1/2, 0, 0) and (1/2, 0, 1/2, 0), so the mean is (1/2, 1/4, 1/4, 0)."""
    usage = code_usage(torch.tensor([[[0.5, 0.5, 0, 0]], [[0.5, 0, 0.5, 0]]]))
    assert usage.histogram.tolist() == [0.5, 0.25, 0.25, 0]
    assert usage.effective == pytest.approx(math.exp(1.5 * math.log(2)))
    assert usage.effective_per_sample == pytest.approx(2)
    assert usage.dead == 0.25


def test_dead_is_below_a_share_of_uniform():
    rare = torch.tensor([0.6, 0.38, 0.02])
    assert code_usage(rare, dead_below=0.05).dead == 0  # 0.05 / 3 < 0.02
    assert code_usage(rare, dead_below=0.07).dead == pytest.approx(1 / 3)


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5), min_size=1, max_size=9),
    st.floats(0.125, 8, width=32),
)
def test_bounds_and_scale(rows, scale):
    rows = torch.tensor(rows, dtype=torch.float64) + torch.tensor([1e-3, 0, 0, 0, 0])
    usage = code_usage(rows)
    assert usage.histogram.sum().item() == pytest.approx(1)
    # The entropy is concave: that of the mean is no less than the mean of entropies
    per_sample = effective_number(rows / rows.sum(-1, keepdim=True))
    assert 1 - 1e-9 <= per_sample.log().mean().exp().item() <= usage.effective + 1e-9 <= 5 + 1e-6
    scaled = code_usage(rows * scale)
    torch.testing.assert_close(scaled.histogram, usage.histogram)
    assert scaled.effective == pytest.approx(usage.effective)


def test_of_a_top_k_codebook():
    torch.manual_seed(0)
    net = CodebookFilter(6, codes=20, indexing="topk", top_k=4).eval()
    usage = code_usage(net.code_probabilities(torch.randn(50, 6)))
    assert 1 < usage.effective_per_sample <= 4 and usage.effective <= 20


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (torch.zeros(0, 4), r"shape \(0, 4\)"),
        (torch.tensor(1.0), r"shape \(\)"),
        (torch.tensor([[0.5, -0.5]]), "not negative"),
        (torch.tensor([[0.5, torch.nan]]), "finite"),
        (torch.tensor([[0.0, 0.0], [1.0, 0.0]]), "positive sum"),
    ],
)
def test_refuses(probabilities, message):
    with pytest.raises(ValueError, match=message):
        code_usage(probabilities)
