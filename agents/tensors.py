"""Observations as tensors: one tensor, or a dict of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Tensors = Tensor | dict[str, Tensor]


def to_tensors(observations: Any) -> Tensors:
    """Copies (the world may overwrite its own): float32; in a dict, bytes stay bytes and whole numbers become int64."""
    if isinstance(observations, Mapping):
        return {name: torch.tensor(array, dtype=_dtype(array)) for name, array in observations.items()}
    return torch.tensor(observations, dtype=torch.float32)


def each(function: Callable[[Tensor], Tensor], tensors: Tensors) -> Tensors:
    """What a function makes of each tensor."""
    if isinstance(tensors, dict):
        return {name: function(tensor) for name, tensor in tensors.items()}
    return function(tensors)


def write(place: Tensors, where: Any, tensors: Tensors) -> None:
    """``place[where] = tensors``, in each."""
    if isinstance(place, dict):
        assert isinstance(tensors, dict)
        for name, tensor in tensors.items():
            place[name][where] = tensor
    else:
        assert isinstance(tensors, Tensor)
        place[where] = tensors


def rows_of(tensors: Tensors) -> int:
    """Length of the first axis."""
    return len(next(iter(tensors.values())) if isinstance(tensors, dict) else tensors)


def named(tensors: Tensors, name: str) -> dict[str, Tensor]:
    """The single tensors by name: ``name``, or ``name/key`` where they are a dict."""
    return {f"{name}/{key}": one for key, one in tensors.items()} if isinstance(tensors, dict) else {name: tensors}


def _dtype(array: Any) -> torch.dtype:
    kind = np.asarray(array).dtype
    if kind == np.uint8:
        return torch.uint8
    return torch.int64 if np.issubdtype(kind, np.integer) else torch.float32
