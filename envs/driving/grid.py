"""The grid over a road that tells which lanes are near a place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.kernels import kernel

CELL = 4.0  # m: side of a cell


def lanes_by_cell(lanes: NDArray[np.float64], count: int) -> tuple[list[list[int]], tuple[int, int, int, int, int]]:
    """Which lanes come within `reach` metres (L1, in their own coordinates) of each cell, and the grid itself.

    The L1 distance to a lane is at least the way to its centre line as the crow flies; beyond the ends of a sine lane,
    whose continuation swings, that way is up to 1 + amplitude x pulsation times as long.
    """
    reach = int(np.ceil(lanes[:count, ln.WIDTH].max() / 2 + 1 + ln.OVERHANG))
    paths = []
    for lane in range(count):
        along = np.linspace(0, lanes[lane, ln.LENGTH], int(lanes[lane, ln.LENGTH] / 0.5) + 2)
        paths.append(np.array([ln.from_lane(lanes, lane, s, 0.0) for s in along]))
    corners = np.concatenate(paths)
    low = np.floor(corners.min(0) - reach)
    columns, rows = np.ceil((corners.max(0) + reach - low) / CELL).astype(int)
    near = np.zeros((columns * rows, count), np.bool_)
    for lane, path in enumerate(paths):
        swing = 1 + abs(lanes[lane, ln.AMPLITUDE] * lanes[lane, ln.PULSATION])
        _mark(path, reach * swing + 0.5 * swing, low, columns, rows, near, lane)
    return [np.flatnonzero(cell).tolist() for cell in near], (int(low[0]), int(low[1]), columns, rows, reach)


@kernel
def _mark(path, reach, low, columns, rows, near, lane):
    """Mark the cells that come within `reach` metres of a point of `path`."""
    far = reach + CELL * 0.75  # to a cell's centre; its corners are 0.71 cells away from there
    for k in range(path.shape[0]):
        x, y = path[k, 0] - low[0], path[k, 1] - low[1]
        for column in range(max(int((x - far) / CELL), 0), min(int((x + far) / CELL) + 1, columns)):
            for row in range(max(int((y - far) / CELL), 0), min(int((y + far) / CELL) + 1, rows)):
                dx, dy = (column + 0.5) * CELL - x, (row + 0.5) * CELL - y
                if dx * dx + dy * dy <= far * far:
                    near[row * columns + column, lane] = True
