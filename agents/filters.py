"""Filters: modules between the features and the memory of a policy, (..., width) to (..., width), by name.

The codebook of `foveal.agents.codebook` does several things at once: it drops features, squeezes them to a few
numbers, is nonlinear, keeps these numbers in a convex hull, and adds parameters. Each control here does some of
them, so that a difference between two filters has one reading:

============  =========  ===================  ====================================================================
name          numbers    parameters, W=1574   against the codebook it tells
============  =========  ===================  ====================================================================
none          W                            0  whether a filter is of use
dropout       W                            0  whether the noise is enough
layer_norm    W                        3,148  whether scaling is enough
neck          10                      33,064  whether squeezing is enough: the same rank, linear, without codes
twin          10                     423,074  whether the softmax matters: the same weights, ReLU in its place
wide          K - 1                  807,718  whether the neck matters: the same softmax, not squeezed to 10 numbers
attention     10                     422,212  whether mixing by attention does as well at this size and neck
vq            log2 K bit              33,064  whether one code, the nearest, does as well as a mixture
codebook      10                     423,074
============  =========  ===================  ====================================================================

"Numbers" is the dimension of what the output depends on. Dropout is on in the codebook, `twin` and `wide`: set it to
0, or to the same, in all three. A filter with codes has ``code_probabilities(features)`` and takes
``return_codes=True`` (codebook, wide, vq). One with a loss of its own has ``auxiliary_loss()`` (vq), which
`auxiliary_losses` gathers.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foveal.agents.codebook import (
    LARGEST_CODE,
    MOST_CODES,
    CodebookFilter,
    check_count,
    check_dropout,
    check_features,
)
from foveal.agents.options import Option, check_options

MOST_TOKENS = 256


def identity_filter(width: int) -> nn.Module:
    """Nothing: the policy as it is without a filter. No parameters."""
    return nn.Identity()


def dropout_filter(width: int, *, dropout: float = 0.1) -> nn.Module:
    """Features dropped in training as the codebook drops probabilities: noise without a bottleneck. No parameters.

    Raises:
        ValueError: for a share outside [0, 1).
    """
    check_dropout(dropout)
    return nn.Dropout(dropout)


def layer_norm_filter(width: int) -> nn.Module:
    """Features centred and scaled, per sample: bounded without codes. 3,148 parameters for width 1574."""
    return nn.LayerNorm(width)


def neck_filter(width: int, *, code_dim: int = 10) -> nn.Module:
    """Linear to D numbers and linear back: the codebook's bottleneck without codes or any nonlinearity.

    33,064 parameters for width 1574 and D = 10.

    Raises:
        ValueError: for D out of range.
    """
    check_count("code_dim", code_dim, LARGEST_CODE)
    return nn.Sequential(nn.Linear(width, code_dim), nn.Linear(code_dim, width))


def twin_filter(width: int, *, codes: int = 256, code_dim: int = 10, dropout: float = 0.1) -> nn.Module:
    """The codebook's twin: the same weights and dropout with a ReLU for the softmax, an ordinary MLP.

    ``Linear(Linear(dropout(relu(Linear(relu(E))))))``, the middle one without bias. It controls for parameters,
    depth and the neck of D numbers; what is left is that the codebook's K weights are positive and sum to 1.

    423,074 parameters for width 1574, K = 256 and D = 10, as many as the codebook for any sizes.

    Raises:
        ValueError: for a number out of range.
    """
    check_count("codes", codes, MOST_CODES)
    check_count("code_dim", code_dim, LARGEST_CODE)
    check_dropout(dropout)
    return nn.Sequential(
        nn.ReLU(),
        nn.Linear(width, codes),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(codes, code_dim, bias=False),
        nn.Linear(code_dim, width),
    )


class WideFilter(nn.Module):
    """The codebook without its neck: ``Linear(dropout(softmax(Linear(relu(E)))))``, codes as wide as the features.

    It controls for the D numbers: the same softmax and the same dropout, but the K probabilities, which have
    K - 1 degrees of freedom, reach the output. 807,718 parameters for width 1574 and K = 256.

    Args:
        width: Features W in and out.
        codes: Units K of the softmax.
        dropout: Share of the probabilities dropped in training.

    Raises:
        ValueError: for a number out of range.
    """

    def __init__(self, width: int, *, codes: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        check_count("codes", codes, MOST_CODES)
        check_dropout(dropout)
        self.width, self.dropout = width, dropout
        self.scores, self.output = nn.Linear(width, codes), nn.Linear(codes, width)

    def forward(self, features: Tensor, return_codes: bool = False) -> Any:
        """Filtered features (..., W) of features (..., W), and probabilities (..., K) before dropout on request."""
        probabilities = self.code_probabilities(features)
        filtered = self.output(F.dropout(probabilities, self.dropout, self.training))
        return (filtered, probabilities) if return_codes else filtered

    def code_probabilities(self, features: Tensor) -> Tensor:
        """The softmax (..., K) of features (..., W)."""
        check_features(features, self.width)
        probabilities: Tensor = self.scores(features.relu()).softmax(-1)
        return probabilities


class AttentionFilter(nn.Module):
    """A self-attention bottleneck: pieces of the features attend to each other, then D numbers, then linear back.

    The features have no tokens of their own, so they are cut, in order, into T pieces as equal as can be; each
    has its own linear embedding, since a place in a flat vector has its own meaning. One layer of multi-head
    self-attention with a residual, then all pieces are squeezed to D numbers, so that the bottleneck is the
    codebook's. It controls for input-dependent mixing as such, at the same size and the same neck.

    422,212 parameters for width 1574 and the defaults, 0.2 % fewer than the codebook; some 3 times its arithmetic.

    Source of the attention: Vaswani et al., "Attention is all you need" (2017, arXiv:1706.03762), section 3.2.

    Args:
        width: Features W in and out.
        tokens: Pieces T, at most W and 256.
        units: Units U of a piece.
        heads: Attention heads; must divide `units`.
        code_dim: Numbers D in the neck.

    Raises:
        ValueError: for a number out of range, or heads that do not divide the units.
    """

    def __init__(self, width: int, *, tokens: int = 8, units: int = 172, heads: int = 4, code_dim: int = 10) -> None:
        super().__init__()
        check_count("tokens", tokens, min(width, MOST_TOKENS))
        check_count("units", units, LARGEST_CODE)
        check_count("heads", heads, units)
        check_count("code_dim", code_dim, LARGEST_CODE)
        if units % heads:
            raise ValueError(f"heads={heads}: must divide units={units}")
        self.width, self.heads = width, heads
        self.embeddings = nn.ModuleList(nn.Linear(size, units) for size in _pieces(width, tokens))
        self.queries_keys_values = nn.Linear(units, 3 * units)
        self.combine = nn.Linear(units, units)
        self.neck = nn.Linear(tokens * units, code_dim)
        self.output = nn.Linear(code_dim, width)

    def forward(self, features: Tensor) -> Tensor:
        """Filtered features (..., W) of features (..., W)."""
        check_features(features, self.width)
        pieces = features.relu().split(_pieces(self.width, len(self.embeddings)), -1)
        tokens = torch.stack([embed(piece) for embed, piece in zip(self.embeddings, pieces, strict=True)], -2)
        projected = self.queries_keys_values(tokens).unflatten(-1, (3, self.heads, -1))  # (..., T, 3, H, U/H)
        query, key, value = (x.transpose(-2, -3) for x in projected.unbind(-3))  # (..., H, T, U/H)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(-2, -3).flatten(-2)  # (..., T, U)
        tokens = tokens + self.combine(attended)
        filtered: Tensor = self.output(self.neck(tokens.flatten(-2)))
        return filtered


def _pieces(width: int, count: int) -> list[int]:
    """Sizes of `count` pieces of `width`, the larger first."""
    return [width // count + (i < width % count) for i in range(count)]


class VQFilter(nn.Module):
    """The nearest of K codes in place of a mixture: ``Linear(quantise(Linear(relu(E))))``, straight-through.

    It controls for the mixture: one code for each input, so that the output takes K values at most. The codes
    follow the inputs by exponential moving averages in training mode and where gradients are on, that is, in
    updates and not in rollouts; `auxiliary_loss` pulls the inputs towards the codes.

    33,064 parameters for width 1574 and D = 10, and 2,560 numbers in codes that no gradient moves.

    Source: van den Oord et al., "Neural discrete representation learning" (2017, arXiv:1711.00937), equation 3
    and appendix A.1, which have commitment 0.25 and decay 0.99; the quantiser is vector-quantize-pytorch's.

    Args:
        width: Features W in and out.
        codes: Codes K.
        code_dim: Numbers D in a code.
        commitment: Weight of the commitment loss.
        decay: Of the moving averages, in (0, 1).

    Raises:
        ValueError: for a number out of range.
        ImportError: where vector-quantize-pytorch is not installed.
    """

    def __init__(
        self, width: int, *, codes: int = 256, code_dim: int = 10, commitment: float = 0.25, decay: float = 0.99
    ) -> None:
        super().__init__()
        check_count("codes", codes, MOST_CODES)
        check_count("code_dim", code_dim, LARGEST_CODE)
        if not 0 <= commitment < math.inf:
            raise ValueError(f"commitment={commitment!r}: must be finite and not negative")
        if not 0 < decay < 1:
            raise ValueError(f"decay={decay!r}: must be in (0, 1)")
        quantizer = _vector_quantizer()  # after the checks, which `check_filter` wants without the package too
        self.width, self.code_count = width, codes
        self.input, self.output = nn.Linear(width, code_dim), nn.Linear(code_dim, width)
        self.quantizer = quantizer(code_dim, codes, commitment_weight=commitment, decay=decay, rotation_trick=False)
        self._loss: Tensor | None = None

    def forward(self, features: Tensor, return_codes: bool = False) -> Any:
        """Filtered features (..., W) of features (..., W), and one-hot codes (..., K) on request."""
        codes, places = self._quantize(features)
        filtered = self.output(codes)
        return (filtered, self._one_hot(places, features.dtype)) if return_codes else filtered

    def code_probabilities(self, features: Tensor) -> Tensor:
        """One-hot (..., K), the code taken for each of features (..., W); no code is moved."""
        with torch.no_grad():
            return self._one_hot(self._quantize(features)[1], features.dtype)

    def auxiliary_loss(self) -> Tensor:
        """The weighted commitment loss () of the last `forward` with gradients in training mode, taken once; else 0."""
        loss, self._loss = self._loss, None
        return self.output.weight.new_zeros(()) if loss is None else loss

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loss": None}  # a loss belongs to its graph, which is neither copied nor pickled

    def _quantize(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (..., D) and their numbers (...) for features (..., W)."""
        check_features(features, self.width)
        numbers = self.input(features.relu())
        learning = self.training and torch.is_grad_enabled()
        flat = numbers.reshape(-1, numbers.shape[-1])  # (B, D)
        codes, places, loss = self.quantizer(flat, freeze_codebook=not learning)
        if learning:
            self._loss = loss
        return codes.reshape(numbers.shape), places.reshape(numbers.shape[:-1])

    def _one_hot(self, places: Tensor, dtype: torch.dtype) -> Tensor:
        return F.one_hot(places, self.code_count).to(dtype)


def _vector_quantizer() -> Any:
    """The package's class; it is imported on the CPU, whatever device `check_filter` builds on."""
    try:
        with torch.device("cpu"):
            from vector_quantize_pytorch import VectorQuantize
    except ImportError as error:
        raise ImportError("filter 'vq' needs vector-quantize-pytorch: pip install 'foveal[vq]'") from error
    return VectorQuantize


FILTERS: dict[str, Callable[..., nn.Module]] = {
    "none": identity_filter,
    "dropout": dropout_filter,
    "layer_norm": layer_norm_filter,
    "neck": neck_filter,
    "twin": twin_filter,
    "wide": WideFilter,
    "attention": AttentionFilter,
    "vq": VQFilter,
    "codebook": CodebookFilter,
}
"""Filters by name: each is made of a width, and of options by keyword."""


def check_filter(name: str, options: Mapping[str, Option]) -> None:
    """Refuse options that the filter of this name does not take; what depends on the width `make_filter` refuses.

    A filter whose package is missing passes: its options may be right.

    Raises:
        ValueError: for an unknown filter or option (it names the nearest), or for a value of another type or
            out of range.
    """
    checked = check_options("filter", FILTERS, name, options, MOST_CODES)
    # Ranges are checked where they are used, in the constructors; the meta device allocates and draws nothing.
    with contextlib.suppress(ImportError), torch.device("meta"):
        FILTERS[name](LARGEST_CODE, **checked)


def make_filter(name: str, width: int, options: Mapping[str, Option] | None = None) -> nn.Module:
    """Build the filter of this name; its first weights come from torch's global generator.

    Args:
        name: A key of `FILTERS`.
        width: Features W in and out.
        options: Options that differ from the filter's defaults.

    Raises:
        ValueError: for what `check_filter` refuses, or options that do not fit the width.
        ImportError: where the filter's package is not installed; it names the extra.
    """
    check_filter(name, options or {})
    check_count("width", width)
    return FILTERS[name](width, **(options or {}))


def auxiliary_losses(module: nn.Module) -> dict[str, Tensor]:
    """The sum of the losses of all filters in `module` since they were last asked, as the learner's extra losses.

    Returns:
        ``{"auxiliary_loss": scalar}``, or nothing where no part of the module has such a loss.
    """
    losses = [part.auxiliary_loss() for part in module.modules() if isinstance(part, VQFilter)]
    return {"auxiliary_loss": torch.stack(losses).sum()} if losses else {}
