"""Code usage: how many codes a filter lives on, over many samples and in each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class CodeUsage(NamedTuple):
    """How a filter uses its K codes over a set of samples.

    Attributes:
        histogram: (K,) float64, the mean probability of each code; sums to 1.
        effective: exp(H(mean p)), the number of codes in use, from 1 (collapsed) to K (all alike).
        effective_per_sample: Mean over samples of exp(H(p)), the number of codes mixed in one, from 1 to `effective`.
        dead: Share of codes with a mean probability below the bound.
    """

    histogram: Tensor
    effective: float
    effective_per_sample: float
    dead: float


def code_usage(probabilities: Tensor, dead_below: float = 0.01) -> CodeUsage:
    """Measure usage; gather the probabilities in evaluation mode, where they are those that mix the codes.

    Source: the exponential of Shannon's entropy as an effective number is Hill's number of order 1 (Hill,
    "Diversity and evenness", Ecology 54, 1973), in language models the perplexity.

    Args:
        probabilities: (..., K) of at least one sample; each is divided by its sum (`CodebookFilter`'s top k keep
            less than 1).
        dead_below: Bound of a dead code, as a share of the uniform probability 1/K.

    Raises:
        ValueError: for no samples or codes, or a sample with a negative or not finite number, or without any
            probability.
    """
    samples = probabilities.detach().double()
    if samples.ndim == 0 or samples.numel() == 0:
        raise ValueError(f"probabilities of shape {tuple(samples.shape)}: must be (..., codes), of one sample or more")
    samples = samples.flatten(0, -2) if samples.ndim > 1 else samples[None]  # (B, K)
    sums = samples.sum(-1, keepdim=True)
    if not (torch.isfinite(samples).all() and (samples >= 0).all() and (sums > 0).all()):
        raise ValueError("probabilities must be finite and not negative, with a positive sum in each sample")
    samples = samples / sums
    histogram = samples.mean(0)
    return CodeUsage(
        histogram,
        effective_number(histogram).item(),
        effective_number(samples).mean().item(),
        (histogram < dead_below / len(histogram)).double().mean().item(),
    )


def effective_number(distributions: Tensor) -> Tensor:
    """exp(H(p)) (...) of distributions (..., K), H in nats: n for a uniform one over n of the K."""
    return torch.special.entr(distributions).sum(-1).exp()
