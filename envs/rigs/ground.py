"""What lies on the ground: asphalt, markings, kerbs, pavements, and the land around.

Faces are gathered by cells of a grid, so that what is far from a view is passed over at once. All faces of one level
share texture coordinates that follow the world's axes: where strips of neighbouring lanes overlap, nothing shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.meshes import Mesh
from foveal.envs.rigs.kerbs import Clearance, Kerb, Track, corners_of, left_of, resampled, tangents
from foveal.envs.rigs.solids import panels

Floats = NDArray[np.float64]
Cell = tuple[int, int]
Quads = dict[Cell, list[Floats]]

CELL_M = 24.0

MARKING_Z, KERB_Z, LAND_Z = 0.015, 0.14, -0.04
"""Heights above the asphalt, m."""

MARKING_M = 0.18
"""Width of a line."""

DASH_M, PERIOD_M = 3.0, 9.0
"""Length of a dash, and from one to the next."""

KERBSTONE_M = 0.3


def cell_of(point: Floats) -> Cell:
    """The cell that holds a point (2,) or (3,)."""
    return int(np.floor(point[0] / CELL_M)), int(np.floor(point[1] / CELL_M))


def meshes_of(quads: Quads) -> dict[Cell, Mesh]:
    """The quadrilaterals of each cell as one mesh."""
    return {cell: panels(faces) for cell, faces in sorted(quads.items())}


def _put(quads: Quads, corners: Sequence[Floats], z: float | Sequence[float]) -> None:
    flat = np.asarray(corners)
    quads[cell_of(flat.mean(0))].append(np.column_stack([flat, np.broadcast_to(z, len(flat))]))


def _strip(quads: Quads, right: Floats, left: Floats, z: float) -> None:
    """Faces between two lines (P, 2) that run side by side; where the left one runs back, it is drawn together."""
    for k in range(len(right) - 1):
        corners = [right[k], right[k + 1], left[k + 1], left[k]]
        if (left[k + 1] - left[k]) @ (right[k + 1] - right[k]) <= 1e-3:
            middle = (left[k] + left[k + 1]) / 2
            corners = [right[k], right[k + 1], middle, middle]
        if _area(corners) > 1e-3:
            _put(quads, corners, z)


def _area(corners: Sequence[Floats]) -> float:
    a, b, c, d = corners
    one, other = c - a, d - b
    return float(one[0] * other[1] - one[1] * other[0]) / 2


def asphalt(tracks: Sequence[Track], clearance: Clearance, offset_m: float) -> Quads:
    """Lanes, and `offset_m` around all of them."""
    quads: Quads = defaultdict(list)
    for track in tracks:
        normal = left_of(tangents(track.centre))
        picked = corners_of(track.centre, normal)
        sides = []
        for side in (-1, 1):
            probes = [track.centre + side * normal * (track.half + d) for d in (0.3, 0.5 * offset_m, offset_m)]
            bare = np.max([clearance(probe) for probe in probes], axis=0) > 0.02
            widths = [track.half + (offset_m + 0.02 if bare[a : b + 1].any() else 0.02) for a, b in pairwise(picked)]
            sides.append(widths)
        for k, (a, b) in enumerate(pairwise(picked)):
            right = [track.centre[i] - normal[i] * sides[0][k] for i in (a, b)]
            left = [track.centre[i] + normal[i] * sides[1][k] for i in (a, b)]
            _put(quads, [right[0], right[1], left[1], left[0]], 0.0)
        for end, sign in ((0, -1), (-1, 1)):
            ahead = sign * np.array([normal[end][1], -normal[end][0]])
            reach = track.half + offset_m
            if clearance((track.centre[end] + ahead * reach)[None])[0] > 0.02:
                _cap(quads, track.centre[end], ahead, reach)
    return quads


def _cap(quads: Quads, centre: Floats, ahead: Floats, reach: float) -> None:
    """Half a disc before a lane's end, a little larger than the circle."""
    aside = left_of(ahead)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 7)
    rim = centre + reach * 1.035 * (np.cos(angles)[:, None] * ahead + np.sin(angles)[:, None] * aside)
    for k in (0, 2, 4):
        _put(quads, [centre, rim[k], rim[k + 1], rim[k + 2]], 0.0)


def markings(tracks: Sequence[Track]) -> Quads:
    """Lines on both sides of each lane, by their kinds."""
    quads: Quads = defaultdict(list)
    for track in tracks:
        normal = left_of(tangents(track.centre))
        for side, kind in zip((1, -1), track.lines, strict=True):
            if kind == "none":
                continue
            line = track.centre + side * normal * track.half
            for piece in [line] if kind == "continuous" else _dashes(line):
                across = left_of(tangents(piece)) * (MARKING_M / 2)
                picked = corners_of(piece, across * (2 / MARKING_M), CELL_M, 0.02)
                _strip(quads, (piece - across)[picked], (piece + across)[picked], MARKING_Z)
    return quads


def _dashes(line: Floats) -> list[Floats]:
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    fine = resampled(line, 0.5)
    step = length / (len(fine) - 1)
    starts = np.arange(0.5 * (PERIOD_M - DASH_M), length - 1.0, PERIOD_M)
    pieces = [fine[round(s / step) : round((s + DASH_M) / step) + 1] for s in starts]
    return [piece for piece in pieces if len(piece) > 1]


def kerbstones(kerb: Kerb) -> Quads:
    """The upright side that faces the road, and the stones' tops."""
    quads: Quads = defaultdict(list)
    picked = corners_of(kerb.line, kerb.away)
    line, back = kerb.line[picked], (kerb.line + kerb.away * KERBSTONE_M)[picked]
    for a, b in pairwise(line):
        _put(quads, [a, b, b, a], [0.0, 0.0, KERB_Z, KERB_Z])
    _strip(quads, line, back, KERB_Z)
    return quads


def paving(kerb: Kerb, widths: Floats) -> Quads:
    """The pavement behind the kerbstones, as wide as `widths` (P,) m says at each of the kerb's points; 0: none."""
    quads: Quads = defaultdict(list)
    picked = corners_of(kerb.line, kerb.away)
    for a, b in pairwise(picked):
        width = float(widths[a : b + 1].min())
        if width > KERBSTONE_M + 0.2:
            inner = [kerb.line[i] + kerb.away[i] * KERBSTONE_M for i in (a, b)]
            outer = [kerb.line[i] + kerb.away[i] * width for i in (a, b)]
            _strip(quads, np.array(inner), np.array(outer), KERB_Z)
    return quads


def pavement_widths(kerb: Kerb, clearance: Clearance, offset_m: float, width_m: float) -> Floats:
    """How wide (P,) m a pavement may be at each of a kerb's points before it meets the next road; 0: no pavement."""
    widths = np.zeros(len(kerb.line))
    fits = np.ones(len(kerb.line), np.bool_)
    for width in np.arange(0.5, width_m + 1e-9, 0.25):
        fits &= clearance(kerb.line + kerb.away * width) >= offset_m - 0.12
        widths[fits] = width
    return np.where(widths >= 1.5, widths, 0.0)


def land(clearance: Clearance, low: Floats, high: Floats, reach_m: float) -> Quads:
    """Squares of the ground around, as far as `reach_m` from the lanes."""
    quads: Quads = defaultdict(list)
    first, last = cell_of(low - reach_m), cell_of(high + reach_m)
    for i in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            corner = np.array([i, j]) * CELL_M
            if clearance((corner + CELL_M / 2)[None], reach_m + CELL_M)[0] < reach_m + 0.5 * CELL_M:
                square = corner + CELL_M * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
                quads[i, j].append(np.column_stack([square, np.full(4, LAND_Z)]))
    return quads
