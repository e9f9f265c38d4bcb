"""Where a street's lanes end: how far places are from them, and the kerb lines around all of them.

World frame: x as in the driving suite, y to the left of it (the driving suite's y negated), metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.scene import Lane

Floats = NDArray[np.float64]

_DENSE_M = 0.25
"""Distance of the points that stand for a centre line: distances to it are off by no more than 4 mm at 2 m."""

_STEP_M = 1.0
"""Distance of the points of kerb lines."""

_SAME_M = 0.45
"""Points of kerb lines that are closer than this are the same."""


class Track(NamedTuple):
    """A lane in the world frame.

    Attributes:
        centre: (P, 2) m, in the driving direction, at most 1 m apart.
        half: Half its width, m.
        lines: Markings on the left and on the right, as in `foveal.envs.scene.Lane`.
    """

    centre: Floats
    half: float
    lines: tuple[str, str]


def tracks_of(lanes: Sequence[Lane]) -> list[Track]:
    """The lanes in the world frame, finely divided.

    Raises:
        ValueError: For no lanes, or one that is no line.
    """
    if not lanes:
        raise ValueError("a street needs at least one lane")
    tracks = []
    for number, lane in enumerate(lanes):
        centre = np.asarray(lane.centre, np.float64)
        if centre.ndim != 2 or centre.shape[1] != 2 or len(centre) < 2 or not np.isfinite(centre).all():
            raise ValueError(f"lane {number}: its centre must be (P, 2) finite numbers with P >= 2")
        line = resampled(centre * [1.0, -1.0], _STEP_M)
        if len(line) < 2:
            raise ValueError(f"lane {number}: its centre must be longer than 0 m")
        tracks.append(Track(line, float(lane.width_m) / 2, lane.lines))
    return tracks


def resampled(line: Floats, step_m: float) -> Floats:
    """Points (Q, 2) evenly along a polyline (P, 2), both ends kept, at most `step_m` apart."""
    along = along_of(line)
    if along[-1] < 1e-6:
        return line[:1]
    places = np.linspace(0, along[-1], max(2, int(np.ceil(along[-1] / step_m - 1e-9)) + 1))
    return np.column_stack([np.interp(places, along, line[:, axis]) for axis in range(2)])


def along_of(line: Floats) -> Floats:
    """How far along a polyline (P, 2) its points are: (P,) m."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])


def tangents(line: Floats) -> Floats:
    """Unit tangents (P, 2) of a polyline at its points."""
    slope = np.gradient(line, axis=0)
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12))


def left_of(directions: Floats) -> Floats:
    """Directions (..., 2) turned by a right angle to the left."""
    return np.stack([-directions[..., 1], directions[..., 0]], -1)


class Clearance:
    """How far places are from all lanes.

    A lane reaches half its width around its centre line, rounded at both ends.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        from scipy.spatial import cKDTree

        halves = sorted({track.half for track in tracks})
        self._trees = [
            (cKDTree(np.concatenate([resampled(t.centre, _DENSE_M) for t in tracks if t.half == half])), half)
            for half in halves
        ]

    def __call__(self, points: ArrayLike, most_m: float = 60.0) -> Floats:
        """Distances (P,) m of points (P, 2) from the nearest lane's edge, negative on it; inf above `most_m`."""
        places = np.asarray(points, np.float64).reshape(-1, 2)
        distances = [tree.query(places, distance_upper_bound=most_m + half)[0] - half for tree, half in self._trees]
        return np.asarray(np.min(distances, axis=0))


class Kerb(NamedTuple):
    """A line along which the lanes' side ends; the road is on its right, what is beside the road on its left.

    Attributes:
        line: (P, 2) m, some 1 m apart; of a closed one the last point is the first.
        away: (P, 2) unit vectors to its left.
        closed: Whether it comes back to its start.
    """

    line: Floats
    away: Floats
    closed: bool

    @property
    def length(self) -> float:
        """Metres."""
        return float(along_of(self.line)[-1])

    @property
    def island_m2(self) -> float:
        """Area that it goes around, m^2; 0 if it goes around the road instead, or is open."""
        if not self.closed:
            return 0.0
        x, y = (self.line - self.line[0]).T
        return max(0.0, float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2))


def kerbs(tracks: Sequence[Track], clearance: Clearance, offset_m: float) -> list[Kerb]:
    """The outline of all that lies within `offset_m` of a lane."""
    pieces: list[Floats] = []
    seen = np.zeros((0, 2))
    for track in tracks:
        for border in _borders(track, offset_m):
            fits = clearance(border) > offset_m - 0.03
            if len(seen):
                fits &= np.array([np.min(((seen - p) ** 2).sum(1)) > _SAME_M**2 for p in border])
            runs = _runs(border, fits)
            pieces += runs
            if runs:
                seen = np.concatenate([seen, *runs])
    return [_smooth(line) for line in _linked(pieces) if len(line) > 3]


def _borders(track: Track, offset_m: float) -> list[Floats]:
    """The outline of one lane: along its left, around its end, back along its right, around its start."""
    along, reach = tangents(track.centre), track.half + offset_m
    left = left_of(along) * reach
    turn = np.linspace(0, np.pi, max(4, int(np.pi * reach / _STEP_M)))[1:-1, None]
    end = track.centre[-1] + np.cos(turn) * left[-1] + np.sin(turn) * along[-1] * reach
    start = track.centre[0] - np.cos(turn) * left[0] - np.sin(turn) * along[0] * reach
    return [track.centre + left, end, (track.centre - left)[::-1], start]


def _runs(points: Floats, fits: NDArray[np.bool_]) -> list[Floats]:
    """Stretches of points that fit."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], fits.astype(np.int64), [0]])))
    return [points[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _linked(pieces: list[Floats], most_m: float = 3.2) -> list[Floats]:
    """Pieces whose ends and starts meet, as whole lines, closed where they can be."""
    left, lines = list(pieces), []
    while left:
        line = [left.pop(0)]
        while left:
            gaps = [float(np.linalg.norm(piece[0] - line[-1][-1])) for piece in left]
            back = float(np.linalg.norm(line[0][0] - line[-1][-1])) if sum(map(len, line)) > 8 else np.inf
            nearest = int(np.argmin(gaps))
            if gaps[nearest] > most_m or back < gaps[nearest]:
                break
            line.append(left.pop(nearest))
        while left:
            gaps = [float(np.linalg.norm(piece[-1] - line[0][0])) for piece in left]
            back = float(np.linalg.norm(line[0][0] - line[-1][-1])) if sum(map(len, line)) > 8 else np.inf
            nearest = int(np.argmin(gaps))
            if gaps[nearest] > most_m or back < gaps[nearest]:
                break
            line.insert(0, left.pop(nearest))
        whole = np.concatenate(line)
        if len(whole) > 8 and np.linalg.norm(whole[0] - whole[-1]) < most_m:
            whole = np.concatenate([whole, whole[:1]])
        lines.append(whole)
    return lines


def _smooth(line: Floats) -> Kerb:
    """A kerb along a line."""
    keep = np.concatenate([[True], np.linalg.norm(np.diff(line, axis=0), axis=1) > 0.15])
    keep[-1] = True
    line = line[keep]
    closed = bool(np.allclose(line[0], line[-1])) and len(line) > 4
    along = tangents(line)
    if closed:
        slope = line[1] - line[-2]
        along[0] = along[-1] = slope / np.linalg.norm(slope)
    return Kerb(line, left_of(along), closed)


def corners_of(line: Floats, away: Floats, most_m: float = 24.0, off_m: float = 0.04) -> NDArray[np.int64]:
    """Which points of a line to keep so that no piece is longer than `most_m` nor bends by more than `off_m`."""
    kept, start = [0], 0
    along = along_of(line)
    for end in range(2, len(line)):
        chord = line[end] - line[start]
        between = line[start + 1 : end] - line[start]
        off = np.abs(chord[0] * between[:, 1] - chord[1] * between[:, 0]) / max(float(np.linalg.norm(chord)), 1e-9)
        if off.max() > off_m or along[end] - along[start] > most_m or away[start] @ away[end] < 0.9:
            kept.append(end - 1)
            start = end - 1
    return np.array([*kept, len(line) - 1])
