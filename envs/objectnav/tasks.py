"""What may have to be done in some houses: every house's categories, and from where each may begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.goals import Goals


class Tasks(NamedTuple):
    """T tasks: to find a thing of a category in a house.

    Attributes:
        first: (H + 1,) int64, where each house's tasks begin; a house may have none.
        house: (T,) int64.
        category: (T,) int64.
        offset: (T,) int64, where its distances begin in `Goals.field`.
        starts: (T + 1,) int64, where each task's starts begin below.
        position: (S, 2) float64 m.
        distance: (S,) float64 m, geodesic.
        useful: (U,) int64, the houses that have tasks.
    """

    first: NDArray[np.int64]
    house: NDArray[np.int64]
    category: NDArray[np.int64]
    offset: NDArray[np.int64]
    starts: NDArray[np.int64]
    position: NDArray[np.float64]
    distance: NDArray[np.float64]
    useful: NDArray[np.int64]


def tasks_of(goals: Goals, distances: Sequence[float]) -> Tasks:
    """All tasks whose start is within `distances` (least, greatest) m of the goal along the shortest path.

    A category counts in a house if it can be found from a reachable position. Starts lie on reachable positions;
    those from where it is found at once are left out.

    Raises:
        ValueError: where no house has any.
    """
    houses, categories = goals.offsets.shape
    first, house, category, positions, lengths = [0], [], [], [np.empty((0, 2))], [np.empty(0)]
    for h in range(houses):
        for c in range(categories):
            if not goals.instances.of(h, c).size:
                continue
            position, far = goals.starts(h, c)
            chosen = (far >= distances[0]) & (far <= distances[1])
            if chosen.any():
                house.append(h)
                category.append(c)
                positions.append(position[chosen])
                lengths.append(far[chosen].astype(np.float64))
        first.append(len(house))
    if not house:
        raise ValueError(
            f"categories, start_distances={tuple(distances)}: in none of {houses} houses can any be found from there"
        )
    counts = [len(one) for one in positions]
    numbers = np.array(house, np.int64), np.array(category, np.int64)
    return Tasks(
        first=np.array(first, np.int64),
        house=numbers[0],
        category=numbers[1],
        offset=goals.offsets[numbers].astype(np.int64),
        starts=np.cumsum(counts, dtype=np.int64),
        position=np.concatenate(positions),
        distance=np.concatenate(lengths),
        useful=np.unique(numbers[0]),
    )
