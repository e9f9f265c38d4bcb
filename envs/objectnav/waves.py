"""Steps over the free cells of a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import kernel


def wave(goal: tuple[int, int], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many steps, diagonal ones too, each cell is from a goal over free cells.

    Args:
        goal: Row and column.
        free: (R, C).

    Returns:
        (R, C); inf where there is no way.
    """
    far = np.full(free.shape, np.inf)
    _spread(int(goal[0]), int(goal[1]), free, far, np.empty((free.size + 1, 2), np.int32))
    return far


@kernel
def _spread(row, column, free, far, queue):
    """Breadth first search; `queue` is room for all cells."""
    far[row, column] = 0.0
    queue[0, 0], queue[0, 1] = row, column
    first, last = 0, 1
    while first < last:
        row, column = np.int64(queue[first, 0]), np.int64(queue[first, 1])
        first += 1
        for i in range(max(row - 1, 0), min(row + 2, free.shape[0])):
            for j in range(max(column - 1, 0), min(column + 2, free.shape[1])):
                if free[i, j] and far[i, j] == np.inf:
                    far[i, j] = far[row, column] + 1
                    queue[last, 0], queue[last, 1] = i, j
                    last += 1
