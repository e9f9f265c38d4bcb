"""Distributions over actions, from which a policy draws."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Categorical(NamedTuple):
    """Distributions over K discrete actions.

    Attributes:
        logits: (B, K) log-probabilities, normalised.
        start: The first action's number.
    """

    logits: Tensor
    start: int = 0

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw actions (B,) int64."""
        return torch.multinomial(self.logits.exp(), 1, generator=generator)[:, 0] + self.start

    def mode(self) -> Tensor:
        """The likeliest actions (B,) int64."""
        return self.logits.argmax(-1) + self.start

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities (B,) of actions (B,)."""
        return self.logits.gather(-1, (actions - self.start)[:, None])[:, 0]

    def entropy(self) -> Tensor:
        """Entropies (B,), nats."""
        return -(self.logits.exp() * self.logits).sum(-1)


class Gaussian(NamedTuple):
    """Diagonal Gaussians over continuous actions; the learner clips what it sends to the world, not these.

    Attributes:
        mean: (B, ...) means.
        log_std: (...) logarithms of the standard deviations.
    """

    mean: Tensor
    log_std: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw actions (B, ...)."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return self.mean + noise * self.log_std.exp()

    def mode(self) -> Tensor:
        """The likeliest actions (B, ...)."""
        return self.mean

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-densities (B,) of actions (B, ...)."""
        normal = ((actions - self.mean) / self.log_std.exp()) ** 2 / 2 + self.log_std + math.log(2 * math.pi) / 2
        return -normal.flatten(1).sum(-1)

    def entropy(self) -> Tensor:
        """Entropies (B,), nats."""
        entropy = (self.log_std + (1 + math.log(2 * math.pi)) / 2).sum()
        return entropy.expand(self.mean.shape[0])
