"""How well an episode of object navigation went, from its success, the way it took and the way it could have taken.

Sources: Anderson et al., "On Evaluation of Embodied Navigation Agents" (arXiv 1807.06757, eq. 1) for SPL; Habitat's
`nav.py` for SoftSPL; Eftekhar et al., "Selective Visual Representations" (arXiv 2311.04193) for SEL and curvature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def spl(success: ArrayLike, shortest: ArrayLike, path: ArrayLike) -> Array:
    """Success weighted by path length: S l / max(l, p).

    Args:
        success: (N,) 0 or 1.
        shortest: (N,) m, the geodesic distance from the start to the nearest place of success.
        path: (N,) m, the way that was gone.

    Returns:
        (N,) in [0, 1]; where the start was a place of success, 1 for whoever stayed there.
    """
    return np.asarray(success, np.float64) * _share(shortest, path)


def soft_spl(left: ArrayLike, shortest: ArrayLike, path: ArrayLike) -> Array:
    """SPL with progress in place of success: max(0, 1 - d / l) l / max(l, p).

    Args:
        left: (N,) m, geodesic distance from the end to the nearest place of success.
        shortest: (N,) m.
        path: (N,) m.

    Returns:
        (N,) in [0, 1].
    """
    left, shortest = np.asarray(left, np.float64), np.asarray(shortest, np.float64)
    near = np.minimum(left, shortest)  # whoever is farther off than at the start has made no progress
    progress = np.where(shortest > 0, 1 - near / np.where(shortest > 0, shortest, 1), left <= 0)
    return progress * _share(shortest, path)


def sel(success: ArrayLike, expert: ArrayLike, length: ArrayLike) -> Array:
    """Success weighted by episode length: S w / max(w, e).

    Args:
        success: (N,) 0 or 1.
        expert: (N,) actions of an expert that knows the house, End included.
        length: (N,) actions taken.

    Returns:
        (N,) in [0, 1].
    """
    return np.asarray(success, np.float64) * _share(expert, length)


def curvature(points: ArrayLike) -> float:
    """Mean curvature of a path, 1/m: 0 for a straight one, the more the less smooth it is.

    Each corner counts the angle that it turns by over the mean length of its two sides. Turning on the spot counts
    with the next move.

    Args:
        points: (T, 2) m, where the agent stood; repeated places count once.
    """
    places = np.asarray(points, np.float64)
    steps = np.diff(places, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    steps, lengths = steps[lengths > 1e-9], lengths[lengths > 1e-9]
    if len(steps) < 2:
        return 0.0
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs((np.diff(headings) + np.pi) % (2 * np.pi) - np.pi)
    return float(np.mean(turns / ((lengths[:-1] + lengths[1:]) / 2)))


def _share(least: ArrayLike, taken: ArrayLike) -> Array:
    """The least that was needed as a share of what was taken; 1 where neither was anything."""
    least, taken = np.asarray(least, np.float64), np.asarray(taken, np.float64)
    most = np.maximum(least, taken)
    return np.where(most > 0, least / np.where(most > 0, most, 1), 1.0)
