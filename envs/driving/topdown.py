"""The top-down picture of a driving scene: road, vehicles and attention, drawn by OpenCV without a display.

Frames are (H, W, 3) uint8 RGB. Screen x grows to the right and screen y downwards, as the world's x and y do; a point
p of the world lies at ``(p - view.origin) * view.scaling`` pixels from the frame's top left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.recording import HEADS, Annotation, panel
from foveal.envs.scene import Lane, Scene

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

GRASS: Colour = (29, 37, 35)
VERGE: Colour = (36, 45, 42)
SHOULDER: Colour = (58, 63, 71)
ASPHALT: Colour = (47, 51, 59)
MARKING: Colour = (226, 230, 235)
EGO: Colour = (45, 226, 166)
CRASHED: Colour = (235, 68, 72)
SPEEDS: dict[float, Colour] = {
    0.0: (72, 84, 170),
    15.0: (92, 132, 214),
    25.0: (160, 190, 238),
    35.0: (246, 248, 252),
}
"""Colours of the traffic by speed in m/s, linear in between."""

MARKING_WIDTH = 0.2  # m
DASH = 3.0  # m
DASH_PERIOD = 9.0  # m; highway-env's 4.33 m would seem to roll backwards at 30 m/s and 15 frames/s
SHOULDER_WIDTH = 1.3  # m
VERGE_WIDTH = 3.0  # m
PIECE = 40.0  # m, the longest piece of a lane that is drawn or culled as a whole
LINE_WIDTH = 1.6  # m, of an attention line of weight 1
FAINTEST = 0.02  # attention weight below which no line is drawn

_SUPERSAMPLING = 2
_SHIFT = 4  # fractional bits of the coordinates given to OpenCV
_BLEED = 0.7  # px by which OpenCV's antialiased polygons are too wide on each side


@dataclass(frozen=True)
class View:
    """The rectangle of the world that a frame shows.

    Attributes:
        origin: World point at the frame's top left corner, metres.
        scaling: Pixels per metre.
        width: Frame width, pixels.
        height: Frame height, pixels.
    """

    origin: tuple[float, float]
    scaling: float
    width: int
    height: int

    def pixels(self, points: Floats) -> Floats:
        """Screen coordinates (..., 2) of world points (..., 2) in metres; pixel (i, j) covers [j, j+1) x [i, i+1)."""
        return (points - self.origin) * self.scaling

    def sees(self, middle: Floats, reach: Floats | float) -> NDArray[np.bool_]:
        """Which of the boxes with centres (B, 2) and half sizes `reach` (B, 2), in metres, touch the view: (B,)."""
        half = np.array([self.width, self.height]) / (2 * self.scaling)
        return (np.abs(middle - self.origin - half) < half + reach).all(-1)


def view_of(scene: Scene, width: int, height: int, scaling: float, centering: tuple[float, float]) -> View:
    """The view of a camera that follows the ego, which stands at the fraction `centering` of the frame.

    Along an axis in which the whole road fits into the frame the camera stands still, centred on the road: a lane
    change is then a car that moves, not a road that does.
    """
    extent = np.array([width, height]) / scaling
    origin = scene.position[scene.ego] - np.asarray(centering) * extent
    if scene.lanes:
        low, high = _road_of(scene, scaling).bounds
        origin = np.where(high - low <= extent, (low + high - extent) / 2, origin)
    return View((float(origin[0]), float(origin[1])), scaling, width, height)


def draw(
    scene: Scene,
    *,
    width: int = 600,
    height: int = 150,
    scaling: float = 5.5,
    centering: tuple[float, float] = (0.3, 0.5),
    annotation: Annotation | None = None,
) -> Frame:
    """Draw a scene: the picture depends on the arguments alone.

    Args:
        scene: What to draw.
        width: Frame width, pixels.
        height: Frame height, pixels.
        scaling: Pixels per metre.
        centering: Where in the frame the ego stands, as fractions of width and height; see `view_of`.
        annotation: What to tell about the driver: attention as lines under the vehicles, the rest as a panel on top.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    view = view_of(scene, width, height, scaling, centering)
    frame = _ground(scene, view)
    if annotation is not None and annotation.attention is not None:
        draw_attention(frame, scene, annotation.attention, view)
    _draw_vehicles(frame, scene, view)
    if annotation is not None:
        draw_status(frame, scene, annotation)
    return frame


class _Road(NamedTuple):
    """A road as convex quadrilaterals in drawing order."""

    quads: Floats  # (Q, 4, 2) m
    colours: list[Colour]  # Q
    middle: Floats  # (Q, 2) m, of the bounding box
    reach: Floats  # (Q, 2) m, half of the bounding box
    bounds: Floats  # (2, 2) m, corners of the box around all lanes


def _road_of(scene: Scene, scaling: float) -> _Road:
    """The road of a scene, cached by content: a world may build its lanes anew for every scene."""
    key = tuple((np.asarray(lane.centre, np.float64).tobytes(), lane.width_m, lane.lines) for lane in scene.lanes)
    return _road(key, scaling)


@lru_cache(maxsize=8)
def _road(lanes: tuple[tuple[bytes, float, tuple[str, str]], ...], scaling: float) -> _Road:
    centres = [_split(np.frombuffer(lane[0]).reshape(-1, 2)) for lane in lanes]
    layers: list[tuple[Colour, Floats]] = []
    for colour, margin in ((VERGE, VERGE_WIDTH), (SHOULDER, SHOULDER_WIDTH), (ASPHALT, 0.0)):
        for centre, (_, width_m, _) in zip(centres, lanes, strict=True):
            layers.append((colour, _ribbon(centre, -width_m / 2 - margin, width_m / 2 + margin)))
    edges = []
    for centre, (_, width_m, lines) in zip(centres, lanes, strict=True):
        for side, line in zip((-width_m / 2, width_m / 2), lines, strict=True):
            edges.append(_offset(centre, side))
            if line != "none":
                layers.append((MARKING, _marking(centre, side, line == "striped", scaling)))
    quads = np.concatenate([layer for _, layer in layers])
    colours = [colour for colour, layer in layers for _ in layer]
    low, high, corners = quads.min(1), quads.max(1), np.concatenate(edges)
    return _Road(quads, colours, (low + high) / 2, (high - low) / 2, np.stack([corners.min(0), corners.max(0)]))


def _marking(centre: Floats, side: float, striped: bool, scaling: float) -> Floats:
    """Quadrilaterals (M, 4, 2) of the line `side` metres to the right of a centre line (P, 2)."""
    bleed = _BLEED / (_SUPERSAMPLING * scaling)
    half = max(MARKING_WIDTH / 2, 0.55 / scaling) - bleed
    if not striped:
        return _ribbon(centre, side - half, side + half)
    along = _arc_length(centre)
    starts = np.arange(0.0, along[-1] - DASH / 2, DASH_PERIOD)
    ends = np.minimum(starts + DASH, along[-1])
    left, right = _offset(centre, side - half), _offset(centre, side + half)
    corners = ((left, starts + bleed), (left, ends - bleed), (right, ends - bleed), (right, starts + bleed))
    return np.stack([_at(line, along, s) for line, s in corners], 1)


def _arc_length(line: Floats) -> Floats:
    """Distance (P,) along a polyline (P, 2), metres."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _at(line: Floats, along: Floats, s: Floats) -> Floats:
    """Points (S, 2) at the distances s (S,) of a polyline (P, 2) whose points lie at the distances `along` (P,)."""
    return np.stack([np.interp(s, along, line[:, 0]), np.interp(s, along, line[:, 1])], -1)


def _split(line: Floats) -> Floats:
    """The polyline (P, 2) with points added until no piece is longer than `PIECE`."""
    along = _arc_length(line)
    counts = np.ceil(np.diff(along) / PIECE).astype(int)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(along, along[1:], counts, strict=False)]
    return _at(line, along, np.concatenate([*pieces, along[-1:]]))


def _offset(line: Floats, offset: float | Floats) -> Floats:
    """A polyline (P, 2) moved to its right (clockwise on the screen) by `offset`, a number or (P, 1)."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    return line + offset * np.stack([-tangent[:, 1], tangent[:, 0]], -1)


def _ribbon(line: Floats, left: float | Floats, right: float | Floats) -> Floats:
    """Quadrilaterals (P - 1, 4, 2) between two offsets of a polyline (P, 2)."""
    a, b = _offset(line, left), _offset(line, right)
    return np.stack([a[:-1], a[1:], b[1:], b[:-1]], 1)


def _fill(image: Frame, quads: Floats, colours: list[tuple[int, ...]]) -> None:
    """Fill convex polygons (Q, 4, 2), in pixels, one after another, antialiased."""
    import cv2

    fixed = np.round((quads - 0.5) * (1 << _SHIFT)).astype(np.int32)  # OpenCV puts pixel centres on whole numbers
    for quad, colour in zip(fixed, colours, strict=True):
        cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)


def _ground(scene: Scene, view: View) -> Frame:
    """The surroundings and the road (H, W, 3)."""
    import cv2

    s = _SUPERSAMPLING
    canvas = np.empty((view.height * s, view.width * s, 3), np.uint8)
    canvas[:] = GRASS
    if scene.lanes:
        road = _road_of(scene, view.scaling)
        seen = np.flatnonzero(view.sees(road.middle, road.reach))
        _fill(canvas, view.pixels(road.quads[seen]) * s, [road.colours[i] for i in seen])
    return cv2.resize(canvas, (view.width, view.height), interpolation=cv2.INTER_AREA)


def _draw_vehicles(frame: Frame, scene: Scene, view: View) -> None:
    """Draw the vehicles in view, the ego last."""
    seen = view.sees(scene.position, np.hypot(*scene.size.T)[:, None] / 2 + _MARGIN)
    seen[scene.ego] = False
    for index in [*np.flatnonzero(seen), scene.ego]:
        is_ego = index == scene.ego
        colour = CRASHED if scene.crashed[index] else EGO if is_ego else _speed_colour(scene.speed[index])
        length, width = scene.size[index]
        sprite = _sprite(float(length), float(width), colour, view.scaling, is_ego)
        _stamp(frame, sprite, view.pixels(scene.position[index]), float(scene.heading[index]))


def _speed_colour(speed: float) -> Colour:
    """Colour of a vehicle of the traffic, in steps of 1 m/s (each step is one sprite)."""
    stops = np.array(list(SPEEDS.values()), float)  # (stops, 3)
    r, g, b = (round(float(np.interp(round(float(speed)), list(SPEEDS), channel))) for channel in stops.T)
    return r, g, b


_MARGIN = 1.2  # m around a vehicle for its shadow
_FINE = 4  # a sprite is painted this much finer than it is kept


class _Sprite(NamedTuple):
    """A vehicle heading to the right at `_SUPERSAMPLING` times the frame's resolution."""

    light: Frame  # (h, w, 3), colour times opacity
    shade: Frame  # (h, w, 3), 255 minus opacity


@lru_cache(maxsize=512)
def _sprite(length: float, width: float, colour: Colour, scaling: float, is_ego: bool) -> _Sprite:
    """Paint a vehicle of `length` and `width` metres."""
    import cv2

    fine = scaling * _SUPERSAMPLING * _FINE  # px/m
    shape = [2 * int(np.ceil((extent / 2 + _MARGIN) * scaling * _SUPERSAMPLING)) * _FINE for extent in (width, length)]
    body = np.array(colour, float)

    def hull(rear: float, front: float, breadth: float, roundness: tuple[float, float]) -> Floats:
        """Coverage of a rounded shape from `rear` to `front`, as fractions of the length, 0 in the middle."""
        u = np.linspace(-1.0, 1.0, 65)
        half = (1 - np.abs(u) ** np.where(u < 0, *roundness)) ** 0.45 * breadth / 2
        x = ((rear + front) / 2 + u * (front - rear) / 2) * length
        points = np.concatenate([np.stack([x, half * width], 1), np.stack([x, -half * width], 1)[::-1]])
        mask = np.zeros(shape, np.uint8)
        pixels = points * fine + np.array(shape[::-1]) / 2 - 0.5
        cv2.fillPoly(mask, [np.round(pixels * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
        return mask / 255.0

    paint, opacity = np.zeros((*shape, 3)), np.zeros(shape)

    def lay(mask: Floats, tint: NDArray[np.float64]) -> None:
        paint[:] = paint * (1 - mask[..., None]) + mask[..., None] * tint
        opacity[:] = opacity * (1 - mask) + mask

    silhouette = hull(-0.5, 0.5, 1.0, (9.0, 5.0))
    sigma = (0.42 if is_ego else 0.3) * fine
    halo = cv2.GaussianBlur(silhouette, (0, 0), sigma)
    lay(halo * (0.75 if is_ego else 0.55), body * 0.9 if is_ego else np.zeros(3))
    across = np.abs(np.arange(shape[0]) - shape[0] / 2 + 0.5)[:, None, None] / (width / 2 * fine)
    lay(silhouette, body * (1.04 - 0.26 * across**2.5).clip(0, 1.1))
    lay(hull(-0.34, 0.2, 0.86, (6.0, 4.0)), np.array([17.0, 22.0, 31.0]))
    lay(hull(-0.235, 0.075, 0.74, (7.0, 5.0)), body * 1.06 + 8)
    for side in (-1, 1):
        ...
    small = [cv2.resize(image, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA) for image in (paint, opacity)]
    light = small[0].clip(0, 255).round().astype(np.uint8)
    shade = np.repeat((255 * (1 - small[1])).round().astype(np.uint8)[..., None], 3, -1)
    return _Sprite(light, shade)
