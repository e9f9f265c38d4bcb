"""Plane polygons as corners (P, 2), m, the first not repeated: area, containment, crossing sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from foveal.envs.objectnav.scenes.house import Vector


def area(polygon: Vector) -> float:
    """Signed area, m2: positive when counter-clockwise (the shoelace formula)."""
    following = np.roll(polygon, -1, axis=0)
    return float(np.sum(polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]) / 2)


def contains(polygon: Vector, point: ArrayLike) -> bool:
    """Whether a ray from the point (2,) towards +x crosses an odd number of sides."""
    x, y = np.asarray(point, float)
    a, b = polygon, np.roll(polygon, -1, axis=0)
    across = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(across, b[:, 1] - a[:, 1], 1.0)
    return bool(np.sum(across & (x < (b[:, 0] - a[:, 0]) * (y - a[:, 1]) / rise + a[:, 0])) % 2)


def crosses_itself(polygon: Vector) -> bool:
    """Whether two sides cross, at an inner point of both."""
    a, b = polygon, np.roll(polygon, -1, axis=0)

    def side(p: Vector, q: Vector, r: Vector) -> Vector:
        """Sign of the turn p-q-r for all pairs: 0 where the three lie (nearly) on a line."""
        turn = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.where(np.abs(turn) < 1e-9, 0.0, np.sign(turn))

    first, second = (a[:, None], b[:, None]), (a[None], b[None])
    apart = side(*first, second[0]) * side(*first, second[1]) < 0
    return bool(np.any(apart & (side(*second, first[0]) * side(*second, first[1]) < 0)))
