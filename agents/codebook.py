"""The codebook filter: features squeezed through a mixture of a few learned codes."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.envs.params import did_you_mean

KINDS = ("learned", "random", "binary")
INDEXINGS = ("softmax", "topk", "gumbel")
MOST_CODES, LARGEST_CODE = 65_536, 4096


class CodebookFilter(nn.Module):
    """Features through a mixture of codes: ``Linear(dropout(softmax(Linear(relu(E)))) @ codes)``, no residual.

    Whatever K is, the mixture is D numbers and the output an affine image of them: over any set of inputs,
    outputs minus the bias have rank D or less. K shapes only how the D numbers depend on the features: without
    dropout they lie in the convex hull of the codes. The controls of `foveal.agents.filters` take this apart.

    In training, dropout strikes the *probabilities*, and those that are left are divided by 1 - dropout and not
    normalised: their sum is 1 in expectation only, so the mixture is not convex. In evaluation nothing is random.

    Parameters: 423,074 for width 1574, K = 256 and D = 10; ``width * K + K + K * D + D * width + width``.

    Source: Eftekhar et al., "Selective visual representations improve convergence and generalization for
    embodied AI" (ICLR 2024, arXiv:2311.04193), section 3. The order of dropout, the top k and Gumbel indexing
    (which has no dropout) and the frozen codes are those of the authors' procthor-rl (``models/resnet_gru.py``);
    there Gumbel indexing is random in evaluation too. The straight-through Gumbel estimator is that of Jang
    et al. (2017, arXiv:1611.01144), section 2.2.

    Args:
        width: Features W in and out.
        codes: Codes K, at most 65,536.
        code_dim: Numbers D in a code, at most 4096.
        dropout: Share of the probabilities dropped in training, in [0, 1); not with Gumbel indexing.
        kind: ``"learned"``; ``"random"``, N(0, 1) as drawn and never trained; ``"binary"``, the signs of such
            (a sign passes no gradient, so these are not trained either).
        indexing: ``"softmax"``; ``"topk"``, the largest probabilities after dropout, not normalised; ``"gumbel"``,
            one code, drawn by its probability in training and the likeliest in evaluation, the gradient passed
            straight to the softmax.
        top_k: Probabilities that ``"topk"`` keeps.
        temperature: Of the softmax through which the gradient of ``"gumbel"`` goes.

    Attributes:
        codes: (K, D) float, a parameter or a buffer.

    Raises:
        ValueError: for an unknown kind or indexing, a number out of range, or ``top_k > codes`` with ``"topk"``.
    """

    codes: Tensor

    def __init__(
        self,
        width: int,
        *,
        codes: int = 256,
        code_dim: int = 10,
        dropout: float = 0.1,
        kind: str = "learned",
        indexing: str = "softmax",
        top_k: int = 16,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        check_count("width", width)
        check_count("codes", codes, MOST_CODES)
        check_count("code_dim", code_dim, LARGEST_CODE)
        check_dropout(dropout)
        for name, value, valid in (("kind", kind, KINDS), ("indexing", indexing, INDEXINGS)):
            if value not in valid:
                raise ValueError(f"unknown {name} of codebook {value!r}{did_you_mean(str(value), list(valid))}")
        check_count("top_k", top_k, codes if indexing == "topk" else None)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature!r}: must be positive and finite")
        self.width, self.dropout, self.kind, self.indexing = width, dropout, kind, indexing
        self.top_k, self.temperature = top_k, temperature
        self.scores = nn.Linear(width, codes)
        drawn = torch.randn(codes, code_dim)
        if kind == "learned":
            self.codes = nn.Parameter(drawn)
        else:
            self.register_buffer("codes", drawn if kind == "random" else torch.where(drawn > 0, 1.0, -1.0))
        self.output = nn.Linear(code_dim, width)
        self.register_load_state_dict_pre_hook(_check_loaded_codes)

    def forward(self, features: Tensor, return_codes: bool = False) -> Any:
        """Filtered features (..., W) of features (..., W), and what `code_probabilities` says (..., K) on request.

        In training, Gumbel indexing and dropout draw from torch's global generator.

        Raises:
            ValueError: for features or codes of another width.
        """
        self._check_codes(self.codes)
        probabilities = self._probabilities(features)
        weights = probabilities
        if self.indexing != "gumbel":
            weights = self._keep(F.dropout(probabilities, self.dropout, self.training))
        filtered = self.output(weights @ self.codes)
        return (filtered, self._keep(probabilities)) if return_codes else filtered

    def code_probabilities(self, features: Tensor) -> Tensor:
        """Weights (..., K) that mix the codes where nothing is dropped, for features (..., W).

        They sum to 1, with ``"topk"`` to 1 or less; with ``"gumbel"`` one is 1 and the others 0.

        Raises:
            ValueError: for features of another width.
        """
        return self._keep(self._probabilities(features))

    def _probabilities(self, features: Tensor) -> Tensor:
        check_features(features, self.width)
        scores: Tensor = self.scores(features.relu())
        if self.indexing != "gumbel":
            return scores.softmax(-1)
        if self.training:
            scores = scores - torch.empty_like(scores).exponential_().log()  # the Gumbel distribution's noise
        soft = (scores / self.temperature).softmax(-1)
        hard = F.one_hot(scores.argmax(-1), scores.shape[-1]).to(soft.dtype)
        return hard + (soft - soft.detach())  # the difference is exactly 0 and carries the gradient

    def _keep(self, probabilities: Tensor) -> Tensor:
        if self.indexing != "topk":
            return probabilities
        values, places = probabilities.topk(self.top_k, -1)
        return torch.zeros_like(probabilities).scatter(-1, places, values)

    def _check_codes(self, codes: Tensor) -> None:
        expected = self.scores.out_features, self.output.in_features
        if codes.shape != expected:
            raise ValueError(f"codes of shape {tuple(codes.shape)}: this codebook's have {expected}")


def _check_loaded_codes(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if prefix + "codes" in state:
        assert isinstance(module, CodebookFilter)
        module._check_codes(state[prefix + "codes"])


def check_count(name: str, value: int, largest: int | None = None) -> None:
    """Refuse what is not a whole number from 1 to `largest`.

    Raises:
        ValueError: naming `name`, the value and what is valid.
    """
    if type(value) is not int or value < 1 or (largest is not None and value > largest):
        valid = "at least 1" if largest is None else f"in [1, {largest}]"
        raise ValueError(f"{name}={value!r}: must be a whole number {valid}")


def check_dropout(dropout: float) -> None:
    """Refuse a share that is not in [0, 1).

    Raises:
        ValueError: naming it.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout!r}: must be in [0, 1)")


def check_features(features: Tensor, width: int) -> None:
    """Refuse features whose last axis is not `width` long.

    Raises:
        ValueError: naming their shape.
    """
    if features.ndim == 0 or features.shape[-1] != width:
        raise ValueError(f"features of shape {tuple(features.shape)}: the filter takes (..., {width})")
