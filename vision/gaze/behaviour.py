"""How a search behaves: whether it ends on the target, how long it is, and how much of it searches, stays or returns.

Source: Fang et al., "OAT: Object-level attention transformer for gaze scanpath prediction" (ECCV 2024,
arXiv:2407.13335), as in its published code.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np


class Behaviour(NamedTuple):
    """Of one scanpath, or the mean of many.

    Attributes:
        found: The last fixation is on the target: 1, else 0.
        length: Fixations.
        search: Share of them that are the first on an item.
        refixation: Share that stay where the one before was.
        revisit: Share that return to an item.
    """

    found: float
    length: float
    search: float
    refixation: float
    revisit: float


def behaviour(string: Sequence[Any], target: Any) -> Behaviour:
    """Of a scanpath of items.

    Args:
        string: Items, one after the other.
        target: The one that is sought.

    Raises:
        ValueError: for an empty one.
    """
    if not len(string):
        raise ValueError("the scanpath is empty")
    runs = [(item, len(list(run))) for item, run in groupby(string)]
    search, length = len({item for item, _ in runs}), len(string)
    return Behaviour(
        float(string[-1] == target),
        float(length),
        search / length,
        (length - len(runs)) / length,
        (len(runs) - search) / length,
    )


def mean_behaviour(many: Sequence[Behaviour]) -> Behaviour:
    """The mean of some.

    Raises:
        ValueError: for none.
    """
    if not many:
        raise ValueError("there are no scanpaths")
    return Behaviour(*np.mean(np.array(many), axis=0).tolist())


def behavioural_difference(model: Behaviour, humans: Behaviour) -> float:
    """Mean over the five parts of how far the model's is from the humans', as a share of theirs.

    Raises:
        ValueError: where a part of the humans' is 0, of which there are no shares; it names it.
    """
    for name, value in humans._asdict().items():
        if not value:
            raise ValueError(f"the humans' {name} is 0")
    ours, theirs = np.array(model), np.array(humans)
    return float(np.mean(np.abs(ours - theirs) / theirs))
