"""The surface of a road as polygons: shoulder, asphalt and markings, and how they are filled in without a display.

Screen x grows to the right and screen y downwards, as the world's x and y do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.overlay import Colour, Frame
from foveal.envs.scene import Lane

Floats = NDArray[np.float64]
Pair = tuple[float, float]

MARKING_WIDTH = 0.2  # m, and at least a pixel
DASH = 3.0  # m
DASH_PERIOD = 9.0  # m; highway-env's 4.33 m would seem to roll backwards at 30 m/s and 15 frames/s
SHOULDER_WIDTH = 1.3  # m
PIECE = 40.0  # m, the longest piece of a lane that is drawn or culled as a whole
SUPERSAMPLING = 2
BLEED = 0.7  # px by which OpenCV's antialiased polygons are too wide on each side

SHOULDER, ASPHALT, MARKING = range(3)
"""Layers of a surface."""

_SHIFT = 4  # fractional bits of the coordinates given to OpenCV
_PROBE = 0.5  # m between the points at which a marking is looked at for lanes that cross it
_OVERLAP = 0.3  # m by which a marking may lie inside another lane
_SHORTEST = 0.5  # m, of a piece of marking


class View(NamedTuple):
    """The rectangle of the world that a frame shows."""

    origin: Pair  # m, the world point at the frame's top left corner
    scaling: float  # px/m
    width: int  # px
    height: int  # px

    def pixels(self, points: Floats) -> Floats:
        """Screen coordinates (..., 2) of world points (..., 2); pixel (i, j) covers [j, j+1) x [i, i+1)."""
        return (points - self.origin) * self.scaling

    def sees(self, middle: Floats, reach: Floats) -> NDArray[np.bool_]:
        """Which boxes (B,) with centres and half sizes (B, 2), in metres, touch the view."""
        half = np.array([self.width, self.height]) / (2 * self.scaling)
        return np.asarray((np.abs(middle - self.origin - half) < half + reach).all(-1))


class Surface(NamedTuple):
    """A road as convex quadrilaterals in drawing order."""

    quads: Floats  # (Q, 4, 2) m
    layer: NDArray[np.int64]  # (Q,) SHOULDER, ASPHALT or MARKING
    middle: Floats  # (Q, 2) m, of the bounding box
    reach: Floats  # (Q, 2) m, half of the bounding box
    bounds: Floats  # (2, 2) m, corners of the box around all lanes

    def paint(self, canvas: Frame, view: View, colours: Sequence[Colour | None]) -> None:
        """Paint the layers on a canvas (H, W, 3), each in its colour or not at all; in place."""
        shown = np.array([colour is not None for colour in colours])
        seen = np.flatnonzero(view.sees(self.middle, self.reach) & shown[self.layer])
        fill(canvas, view.pixels(self.quads[seen]), [colours[layer] or (0, 0, 0) for layer in self.layer[seen]])


LanesKey = tuple[tuple[bytes, float, tuple[str, str]], ...]


def key_of(lanes: tuple[Lane, ...]) -> LanesKey:
    """The lanes' content, hashable: caches hold though a world may build its lanes anew for every scene."""
    return tuple((np.asarray(lane.centre, np.float64).tobytes(), lane.width_m, lane.lines) for lane in lanes)


@lru_cache(maxsize=16)
def surface_of(lanes: LanesKey, scaling: float) -> Surface:
    """The surface of these lanes (at least one), with markings to be seen at `scaling` pixels a metre.

    Where a marking would run across another lane, as in the middle of a crossing, there is none.
    """
    centres = [_split(np.frombuffer(lane[0]).reshape(-1, 2)) for lane in lanes]
    layers: list[tuple[int, Floats]] = []
    for layer, margin in ((SHOULDER, SHOULDER_WIDTH), (ASPHALT, 0.0)):
        for centre, (_, width_m, _) in zip(centres, lanes, strict=True):
            layers.append((layer, ribbon(centre, -width_m / 2 - margin, width_m / 2 + margin)))
    edges = []
    paths = [(centre, lane[1]) for centre, lane in zip(centres, lanes, strict=True)]
    for number, (centre, (_, width_m, lines)) in enumerate(zip(centres, lanes, strict=True)):
        for side, line in zip((-width_m / 2, width_m / 2), lines, strict=True):
            edges.append(centre + side * _normals(centre))
            if line != "none":
                free = _free(centre, side, paths[:number] + paths[number + 1 :])
                layers.append((MARKING, _marking(centre, side, line == "striped", scaling, free)))
    quads, corners = np.concatenate([layer for _, layer in layers]), np.concatenate(edges)
    names = np.array([name for name, layer in layers for _ in layer])
    low, high, bounds = quads.min(1), quads.max(1), np.stack([corners.min(0), corners.max(0)])
    return Surface(quads, names, (low + high) / 2, (high - low) / 2, bounds)


def fill(image: Frame, quads: Floats, colours: Sequence[tuple[int, ...]]) -> None:
    """Fill convex polygons (Q, 4, 2), in pixels, one after another, antialiased."""
    import cv2

    fixed = np.round((quads - 0.5) * (1 << _SHIFT)).astype(np.int32)  # OpenCV counts from pixel centres
    for quad, colour in zip(fixed, colours, strict=True):
        cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)


def ribbon(line: Floats, left: float | Floats, right: float | Floats) -> Floats:
    """Quadrilaterals (P - 1, 4, 2) between two offsets to the right, numbers or (P, 1), of a line (P, 2)."""
    normals = _normals(line)
    return _between(line + left * normals, line + right * normals)


def _between(left: Floats, right: Floats) -> Floats:
    return np.stack([left[:-1], left[1:], right[1:], right[:-1]], 1)


def _marking(centre: Floats, side: float, striped: bool, scaling: float, free: Sequence[Pair]) -> Floats:
    """Quadrilaterals (M, 4, 2) of the line `side` metres to the right of a centre line (P, 2), where it is `free`."""
    bleed = BLEED / (SUPERSAMPLING * scaling)
    half = max(MARKING_WIDTH / 2, 0.65 / scaling) - bleed
    along = _arc_length(centre)
    left, right = (centre + offset * _normals(centre) for offset in (side - half, side + half))
    pieces = [np.zeros((0, 4, 2))]
    for begin, end in free:
        if not striped:
            s = np.concatenate([[begin], along[(begin < along) & (along < end)], [end]])
            pieces.append(_between(_at(left, along, s), _at(right, along, s)))
            continue
        starts = np.arange(0.0, along[-1] - DASH / 2, DASH_PERIOD)
        ends = np.minimum(np.minimum(starts + DASH, along[-1]), end)
        starts = np.maximum(starts, begin)
        long = ends - starts > _SHORTEST
        first, last = starts[long] + bleed, ends[long] - bleed
        corners = ((left, first), (left, last), (right, last), (right, first))
        pieces.append(np.stack([_at(line, along, s) for line, s in corners], 1))
    return np.concatenate(pieces)


def _free(centre: Floats, side: float, others: Sequence[tuple[Floats, float]]) -> list[Pair]:
    """From where to where, along a centre line, no other lane (centre line, width) lies under the line beside it."""
    along = _arc_length(centre)
    edge = centre + side * _normals(centre)
    near = [
        (other, width / 2 - _OVERLAP)
        for other, width in others
        if (edge.max(0) > other.min(0) - width / 2 + _OVERLAP).all()
        and (edge.min(0) < other.max(0) + width / 2 - _OVERLAP).all()
    ]
    if not near:
        return [(0.0, float(along[-1]))]
    s = np.linspace(0, along[-1], int(along[-1] / _PROBE) + 2)
    points = _at(edge, along, s)
    taken = np.any([_distance(points, other, reach) < reach for other, reach in near], 0)
    turns = np.flatnonzero(np.diff(np.concatenate([[True], taken, [True]]).astype(int)))
    runs = zip(turns[::2], turns[1::2] - 1, strict=True)
    return [(float(s[a]), float(s[b])) for a, b in runs if s[b] - s[a] > _SHORTEST]


def _distance(points: Floats, line: Floats, reach: float) -> Floats:
    """How far points (M, 2) are from a polyline (P, 2), metres; inf where surely further than `reach`."""
    close = np.flatnonzero(((points > line.min(0) - reach) & (points < line.max(0) + reach)).all(1))
    distance = np.full(len(points), np.inf)
    if close.size:
        steps = np.diff(line, axis=0)
        from_start = points[close, None] - line[:-1]  # (C, P - 1, 2)
        share = ((from_start * steps).sum(-1) / np.maximum((steps**2).sum(-1), 1e-12)).clip(0, 1)
        distance[close] = np.sqrt(((from_start - share[..., None] * steps) ** 2).sum(-1)).min(1)
    return distance


def _arc_length(line: Floats) -> Floats:
    """Distance (P,) along a polyline (P, 2), metres."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _at(line: Floats, along: Floats, s: Floats) -> Floats:
    """Points (S, 2) at the distances s (S,) along a polyline (P, 2) whose own points lie at `along` (P,)."""
    return np.stack([np.interp(s, along, line[:, 0]), np.interp(s, along, line[:, 1])], -1)


def _split(line: Floats) -> Floats:
    """The polyline (P, 2) with points added until no piece is longer than `PIECE`."""
    along = _arc_length(line)
    counts = np.ceil(np.diff(along) / PIECE).astype(int)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(along, along[1:], counts, strict=False)]
    return _at(line, along, np.concatenate([*pieces, along[-1:]]))


def _normals(line: Floats) -> Floats:
    """Unit vectors (P, 2) to the right of a polyline (P, 2) (clockwise on the screen) at its points."""
    ahead = np.concatenate([line[1:], line[-1:]]) - np.concatenate([line[:1], line[:-1]])
    length = np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)
    return np.stack([-ahead[:, 1], ahead[:, 0]], -1) / length[:, None]
