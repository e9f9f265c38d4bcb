"""Simple polygons cut into triangles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


def triangulate(points: ArrayLike) -> NDArray[np.int64]:
    """Triangles (P - 2 at most, 3) of a simple polygon, which turn as it does: ears are cut off until it is convex.

    Args:
        points: (P, 2), in order, without the first one repeated. Corners on a straight line may lie in between.

    Raises:
        ValueError: The points are no simple polygon with an area.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError(f"a polygon of shape {points.shape}: must be (P, 2) finite numbers with P >= 3")
    corners = [(float(x), float(y)) for x, y in points]
    area = sum(_cross((0.0, 0.0), a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)) / 2
    extent = float(np.ptp(points, axis=0).max())
    if abs(area) <= 1e-9 * extent**2:
        raise ValueError("a polygon without area")
    left = list(range(len(corners)))
    if area < 0:
        left.reverse()
    flat = 1e-12 * extent**2
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3 and not _round(corners, left, flat):
        ear = _ear(corners, left, flat)
        if ear is None:
            raise ValueError("a polygon that cuts itself")
        before, here, after = left[ear - 1], left[ear], left[(ear + 1) % len(left)]
        if _cross(corners[before], corners[here], corners[after]) > flat:
            triangles.append((before, here, after))
        del left[ear]
    fan = [(left[0], left[k], left[k + 1]) for k in range(1, len(left) - 1)]
    triangles += [triangle for triangle in fan if _cross(*(corners[i] for i in triangle)) > flat]
    covered = sum(_cross(*(corners[i] for i in triangle)) for triangle in triangles) / 2
    if abs(covered - abs(area)) > 1e-6 * abs(area):
        raise ValueError("a polygon that cuts itself")
    faces = np.asarray(triangles, np.int64)
    return faces[:, ::-1].copy() if area < 0 else faces


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Twice the area of the triangle, positive if it turns counter-clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _round(corners: list[tuple[float, float]], left: list[int], flat: float) -> bool:
    """Whether what is left is convex and goes around once: then a fan does, whose triangles pair up."""
    points = [corners[i] for i in left]
    turns = zip(points, points[1:] + points[:1], points[2:] + points[:2], strict=True)
    fan = pairwise(points[1:])
    return all(_cross(*turn) > flat for turn in turns) and all(_cross(points[0], b, c) > flat for b, c in fan)


def _ear(corners: list[tuple[float, float]], left: list[int], flat: float) -> int | None:
    """Position of a corner that may go: one on a straight line, or the tip of the fattest triangle without others."""
    best, fattest = None, flat
    for i, here in enumerate(left):
        a, b, c = corners[left[i - 1]], corners[here], corners[left[(i + 1) % len(left)]]
        area = _cross(a, b, c)
        if abs(area) <= flat:
            return i
        if area > fattest and not any(
            _cross(a, b, p) >= -flat and _cross(b, c, p) >= -flat and _cross(c, a, p) >= -flat  # on its border counts
            for p in (corners[j] for j in left)
            if p not in (a, b, c)
        ):
            best, fattest = i, area
    return best
