"""Memories: what a policy keeps from one step of an episode to the next.

A *memory* is a module on sequences: it maps features (N, T, E) and a state (N, ``state_dim``) to outputs (N, T,
``features_dim``) and the state after the last step. Where an episode starts, nothing of what was before is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from foveal.agents.options import Options, build


class Sequences(NamedTuple):
    """How a batch of N * T steps lies in time: T consecutive steps of each of N rows, row after row.

    Attributes:
        state: (N, S) float32, the memory before the first step.
        starts: (N, T) bool, the steps that an episode starts with.
        wanted: (N, T) bool, the steps whose outputs are wanted; the others are only remembered.
    """

    state: Tensor
    starts: Tensor
    wanted: Tensor

    @classmethod
    def step(cls, state: Tensor, starts: Tensor) -> Sequences:
        """A single step of rows with this memory (N, S), some of which start an episode (N,)."""
        return cls(state, starts[:, None], torch.ones_like(starts[:, None]))


class GRU(nn.Module):
    """Gated recurrent unit, the memory of the embodied-codebook paper.

    ``h' = (1 - z) n + z h`` with ``r, z = sigmoid(W x + U h)`` and ``n = tanh(W x + r (U h))``. Source: Cho et al.,
    "Learning phrase representations using RNN encoder-decoder" (2014, arXiv:1406.1078), equations 5 to 8, with the
    reset gate behind the product, as cuDNN and `torch.nn.GRU` have it; h starts as 0. Steps of a sequence that need
    no state are computed at once, so a sequence costs little more than its single steps.

    Args:
        inputs: Features E.
        width: Units, and features that come out.
    """

    def __init__(self, inputs: int, *, width: int = 128) -> None:
        super().__init__()
        self.features_dim = self.state_dim = width
        self.input = nn.Linear(inputs, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        for layer in (self.input, self.recurrent):
            for gate in layer.weight.chunk(3):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor, starts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (N, T, H) and the last state (N, H) of features (N, T, E), starts (N, T) and a state (N, H)."""
        given = self.input(features).float().unbind(1)  # T times (N, 3 H); what is kept is of full precision
        kept = (~starts).to(state.dtype)[..., None].unbind(1)  # T times (N, 1)
        outputs = []
        for step, keep in zip(given, kept, strict=True):
            state = self._step(step, state * keep)
            outputs.append(state)
        return torch.stack(outputs, 1), state

    def _step(self, given: Tensor, state: Tensor) -> Tensor:
        width = self.features_dim
        recalled = self.recurrent(state).float()
        reset, update = torch.sigmoid(given[:, : 2 * width] + recalled[:, : 2 * width]).chunk(2, -1)
        new = torch.tanh(torch.addcmul(given[:, 2 * width :], reset, recalled[:, 2 * width :]))
        return torch.lerp(new, state, update)


MEMORIES: dict[str, Callable[..., nn.Module | None]] = {"none": lambda inputs: None, "gru": GRU}
"""Memories by name; their options are their keyword arguments."""


def make_memory(name: str, inputs: int, options: Options | None = None) -> Any:
    """Build the memory of this name for features (..., inputs); None for "none".

    Raises:
        ValueError: for an unknown name or option (it names the nearest), or a number out of range.
    """
    return build("memory", MEMORIES, name, options, inputs)
