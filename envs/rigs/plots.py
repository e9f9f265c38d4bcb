"""Plots of land for buildings: rectangles behind the pavement that keep off each other and off all lanes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rigs.kerbs import Clearance, Kerb, along_of

Floats = NDArray[np.float64]

_SMALLEST_M = 6.0
"""Width and depth of the smallest building."""


class Plot(NamedTuple):
    """A rectangle of land.

    Attributes:
        corners: (4, 2) m: the front's two, then those behind, counter-clockwise.
        middle: (2,) m, of its front.
        away: (2,) unit vector from the road into it.
        width: Along the road, m.
        depth: m.
    """

    corners: Floats
    middle: Floats
    away: Floats
    width: float
    depth: float


class Plots:
    """All plots of a street so far.

    Args:
        clearance: Of the street's lanes.
        setback_m: From a kerb to a building's front.
        clear_m: From any lane to any point of a building, at least.
    """

    def __init__(self, clearance: Clearance, setback_m: float, clear_m: float) -> None:
        self._clearance, self._setback, self._clear = clearance, setback_m, clear_m
        self._corners = np.zeros((0, 4, 2))

    def take(self, kerb: Kerb, start_m: float, width: float, depth: float) -> Plot | None:
        """Take a plot that begins `start_m` along a kerb, smaller than wished if it has to be; None if none fits."""
        for size in ((width, depth), (8.0, depth), (8.0, _SMALLEST_M), (_SMALLEST_M, _SMALLEST_M)):
            plot = self._rectangle(kerb, start_m, *size)
            if plot is not None and self._is_free(plot.corners):
                self._corners = np.concatenate([self._corners, plot.corners[None]])
                return plot
        return None

    def within(self, spots: Floats, margin_m: float) -> NDArray[np.bool_]:
        """Which points (P, 2) are in a plot, or less than `margin_m` from one."""
        inside = np.ones((len(spots), len(self._corners)), np.bool_)
        for corner in (1, 3):
            side = self._corners[:, corner] - self._corners[:, 0]
            length = np.linalg.norm(side, axis=1)
            along = ((spots[:, None] - self._corners[:, 0]) * (side / length[:, None])).sum(-1)
            inside &= (along > -margin_m) & (along < length + margin_m)
        return np.asarray(inside.any(1))

    def _rectangle(self, kerb: Kerb, start_m: float, width: float, depth: float) -> Plot | None:
        """Behind all of the kerb between two of its points, parallel to the chord between them."""
        along = along_of(kerb.line)
        if start_m + width > along[-1]:
            return None
        inside = kerb.line[(along > start_m) & (along < start_m + width)]
        ends = [[np.interp(s, along, kerb.line[:, axis]) for axis in (0, 1)] for s in (start_m, start_m + width)]
        chord = np.subtract(ends[1], ends[0])
        length = float(np.linalg.norm(chord))
        if length < 0.8 * width:
            return None
        ahead = chord / length
        away = np.array([-ahead[1], ahead[0]])
        bulge = float(((inside - ends[0]) @ away).max(initial=0.0))
        middle = np.mean(ends, axis=0) + away * (bulge + self._setback)
        half = length / 2
        corners = middle + np.array([[-half, 0], [half, 0], [half, depth], [-half, depth]]) @ np.stack([ahead, away])
        return Plot(corners, middle, away, length, depth)

    def _is_free(self, corners: Floats) -> bool:
        a, b, _, d = corners
        u, v = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
        filled = a + u.reshape(-1, 1) * (b - a) + v.reshape(-1, 1) * (d - a)
        if self._clearance(filled, 30.0).min() < self._clear:
            return False
        near = np.linalg.norm(self._corners[:, 0] - a, axis=1) < 60.0
        return not any(_overlap(corners, other) for other in self._corners[near])


def _overlap(one: Floats, other: Floats) -> bool:
    """Whether two rectangles (4, 2) overlap: the direction of no side separates them."""
    for corners in (one, other):
        for side in (corners[1] - corners[0], corners[3] - corners[0]):
            p, q = one @ side, other @ side
            slack = 0.02 * float(np.linalg.norm(side))
            if p.max() <= q.min() + slack or q.max() <= p.min() + slack:
                return False
    return True
