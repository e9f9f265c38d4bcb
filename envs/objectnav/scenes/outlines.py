"""Rectilinear floors: a box with rectangles cut off it, traced as one polygon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from foveal.envs.objectnav.scenes.house import Vector

Rectangle = tuple[float, float, float, float]
"""Low x, low y, high x, high y, m."""


def outline(box: Rectangle, cuts: Sequence[Rectangle]) -> Vector:
    """Corners (P, 2), counter-clockwise, of the largest connected part of the box outside all cuts."""
    xs = np.unique([box[0], box[2], *(np.clip(cut[i], box[0], box[2]) for cut in cuts for i in (0, 2))])
    ys = np.unique([box[1], box[3], *(np.clip(cut[i], box[1], box[3]) for cut in cuts for i in (1, 3))])
    x, y = np.meshgrid((xs[:-1] + xs[1:]) / 2, (ys[:-1] + ys[1:]) / 2, indexing="ij")
    kept = np.ones(x.shape, bool)
    for cut in cuts:
        kept &= ~((cut[0] < x) & (x < cut[2]) & (cut[1] < y) & (y < cut[3]))
    parts, count = ndimage.label(kept)
    areas = ndimage.sum(np.outer(np.diff(xs), np.diff(ys)), parts, range(1, count + 1))
    part = ndimage.binary_fill_holes(parts == 1 + np.argmax(areas))
    corners = [(int(i), int(j)) for i, j in _boundary(part)]
    return np.array([(xs[i], ys[j]) for i, j in corners])


def _boundary(cells: np.ndarray) -> list[tuple[int, int]]:
    """Grid points at which the outline of the marked cells (I, J) turns, counter-clockwise."""
    padded = np.pad(cells, 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, j in np.argwhere(cells).tolist():
        corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1), (i, j)]
        beyond = [padded[i + 1, j], padded[i + 2, j + 1], padded[i + 1, j + 2], padded[i, j + 1]]
        for start, end, filled in zip(corners[:-1], corners[1:], beyond, strict=True):
            if not filled:
                following.setdefault(start, []).append(end)
    point = min(following)
    path, heading = [point], (1, 0)
    while True:
        ends = following[point]
        # Where two cells meet at a corner only, turn left: the outline stays one loop around edge-connected cells.
        end = max(ends, key=lambda q: heading[0] * (q[1] - point[1]) - heading[1] * (q[0] - point[0]))
        ends.remove(end)
        turned = (end[0] - point[0], end[1] - point[1])
        if turned == heading and len(path) > 1:
            path[-1] = end
        else:
            path.append(end)
        point, heading = end, turned
        if point == path[0]:
            return path[:-1]
