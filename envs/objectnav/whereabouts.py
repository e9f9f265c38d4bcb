"""Whereabouts: what is seen where a thing of some kind is near. A prior on places, for whoever looks for it.

It says for each goal how much the sight of each type of thing promises: counted in houses here, asked of a language
model in `foveal.llm_teacher.whereabouts`. Counts of what stands beside what are those of Kollar and Roy, "Utilizing
object-object and object-scene context when planning to find things" (ICRA 2009); that frontiers near promising things
are gone to first is ESC's use of a language model (Zhou et al. 2023, arXiv:2301.13166).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.documents import read_document, write_document
from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.params import did_you_mean

FORMAT = "foveal-whereabouts"
MAX_BYTES = 5_000_000  # of a file
NEAR_M = 2.0
"""How far what stands beside a thing is from it, between their middles on the floor plan; m."""
PRIOR_COUNT = 10.0
"""Things of a type that the share in all things counts for, so that what is rare promises little."""


@dataclass(frozen=True)
class Whereabouts:
    """How much things promise of goals.

    Attributes:
        goals: Types of things that are looked for, G of them.
        weights: (G, T) float32 in [0, 1], by the numbers of `foveal.envs.objectnav.types`: 0 promises no more than
            anything else does; the most promising type of a goal has 1.
        source: Who says so.

    Raises:
        ValueError: for goals that are no types, or weights of another shape or range.
    """

    goals: tuple[str, ...]
    weights: NDArray[np.float32]
    source: str

    def __post_init__(self) -> None:
        for goal in self.goals:
            if goal not in TYPES:
                raise ValueError(f"unknown type {goal!r}{did_you_mean(goal, list(TYPES))}")
        weights, shape = np.asarray(self.weights, np.float32), (len(self.goals), len(TYPES))
        if weights.shape != shape or not ((weights >= 0) & (weights <= 1)).all():
            raise ValueError(f"weights of whereabouts: must be {shape} numbers in [0, 1]")
        object.__setattr__(self, "weights", weights)

    def of(self, goals: Sequence[str]) -> NDArray[np.float32]:
        """The weights (len(goals), T) of these goals; 0 for those of which nothing is known."""
        found = np.zeros((len(goals), len(TYPES)), np.float32)
        for row, goal in enumerate(goals):
            if goal in self.goals:
                found[row] = self.weights[self.goals.index(goal)]
        return found

    def save(self, path: str | Path) -> Path:
        """Write them as JSON, those above 0.005."""
        told = {
            goal: {TYPES[n]: round(float(row[n]), 2) for n in np.flatnonzero(row >= 0.005)}
            for goal, row in zip(self.goals, self.weights, strict=True)
        }
        return write_document(path, FORMAT, {"source": self.source, "whereabouts": told})

    @classmethod
    def load(cls, path: str | Path) -> Whereabouts:
        """Read what `save` wrote, as data, whoever wrote it.

        Raises:
            ValueError: for a file that is too large, no JSON, of another format or version, or with an entry that is
                none; it names the file and the entry.
            OSError: where there is none.
        """
        document = read_document(Path(path), FORMAT, "table of whereabouts", MAX_BYTES)
        told, source = document.get("whereabouts"), document.get("source")
        if not isinstance(told, dict) or not isinstance(source, str):
            raise ValueError(f"{path}: whereabouts must be an object, source text")
        weights = np.zeros((len(told), len(TYPES)), np.float32)
        for row, (goal, entry) in enumerate(told.items()):
            if not isinstance(entry, dict):
                raise ValueError(f"{path}: {goal[:40]!r}: must be an object")
            for name, value in entry.items():
                if name not in TYPES or type(value) not in (int, float) or not 0 <= value <= 1:
                    raise ValueError(f"{path}: {goal[:40]!r}: {name[:40]!r}: must be a type with a number in [0, 1]")
                weights[row, TYPES.index(name)] = value
        try:
            return cls(tuple(told), weights, source)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def counted(houses: Sequence[House], goals: Sequence[str], *, source: str) -> Whereabouts:
    """How much more often things of a type have a goal near them than anything has, in houses that are known.

    What promises is the share of a type's things that have one of the goal within `NEAR_M`, drawn to the share of all
    things as if there were `PRIOR_COUNT` more of them, less that share. A thing is not beside itself.

    Args:
        houses: Such as those to train in.
        goals: Types that are looked for.
        source: What to call them.
    """
    near = np.zeros((len(goals), len(TYPES)))
    all_of = np.zeros(len(TYPES))
    for house in houses:
        if not house.things:
            continue
        places = np.array([thing.centre[:2] for thing in house.things])
        types = np.array([type_id(thing.type) for thing in house.things])
        all_of += np.bincount(types, minlength=len(TYPES))
        apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        for row, goal in enumerate(goals):
            has = (apart[:, types == type_id(goal)] <= NEAR_M).any(1)
            near[row] += np.bincount(types[has], minlength=len(TYPES))
    usual = near.sum(1, keepdims=True) / max(1.0, all_of.sum())
    share = (near + PRIOR_COUNT * usual) / (all_of + PRIOR_COUNT)
    return Whereabouts(tuple(goals), scaled(share - usual), source)


def scaled(promises: NDArray[Any]) -> NDArray[np.float32]:
    """Promises (G, T), those below 0 as 0, so that the largest of each goal is 1."""
    positive = np.maximum(promises, 0.0)
    most = positive.max(1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(positive, most, out=np.zeros_like(positive), where=most > 0)
    return scaled.astype(np.float32)
