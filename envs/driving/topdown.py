"""The top-down picture of a driving scene: road, vehicles and attention, drawn by OpenCV without a display.

Frames are (H, W, 3) uint8 RGB. Screen x grows to the right and screen y downwards, as the world's x and y do;
a world point p lies at ``(p - view.origin) * view.scaling`` pixels from the frame's top left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.overlay import HEADS, Annotation, Colour, Frame, panel
from foveal.envs.scene import Lane, Scene

Floats = NDArray[np.float64]
Coats = NDArray[np.float32]
Pair = tuple[float, float]

GRASS: Colour = (25, 36, 33)
GRASS_BAND: Colour = (29, 42, 38)
SHOULDER: Colour = (58, 63, 71)
ASPHALT: Colour = (47, 51, 59)
MARKING: Colour = (226, 230, 235)
EGO: Colour = (45, 226, 166)
CRASHED: Colour = (235, 68, 72)
SPEEDS = {0.0: (72, 84, 170), 15.0: (92, 132, 214), 25.0: (160, 190, 238), 35.0: (246, 248, 252)}
"""Colours of the traffic by speed in m/s, linear in between."""

MARKING_WIDTH = 0.2  # m
DASH = 3.0  # m
DASH_PERIOD = 9.0  # m; highway-env's 4.33 m would seem to roll backwards at 30 m/s and 15 frames/s
SHOULDER_WIDTH = 1.3  # m
BAND_PERIOD = 12.0  # m
PIECE = 40.0  # m, the longest piece of a lane that is drawn or culled as a whole
MARGIN = 1.3  # m around a vehicle for its shadow
LINE_WIDTH = 1.6  # m, of an attention line of weight 1
GLOW = 0.35  # m, spread of its glow
FAINTEST = 0.02  # attention weight below which no line is drawn

_SUPERSAMPLING = 2
_FINE = 4  # a vehicle is painted this much finer than its sprite
_SHIFT = 4  # fractional bits of the coordinates given to OpenCV
_BLEED = 0.7  # px by which OpenCV's antialiased polygons are too wide on each side


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


def view_of(scene: Scene, width: int, height: int, scaling: float, centering: Pair) -> View:
    """The view of a camera that follows the ego, which stands at the fraction `centering` of the frame.

    Along an axis in which the whole road fits into the frame the camera stands still, centred on the road: a
    lane change is then a car that moves, not a road that does. The camera moves in steps of half a pixel.
    """
    extent = np.array([width, height]) / scaling
    origin = scene.position[scene.ego] - np.asarray(centering) * extent
    if scene.lanes:
        low, high = _road(_key(scene.lanes), scaling).bounds
        origin = np.where(high - low <= extent, (low + high - extent) / 2, origin)
    x, y = np.round(origin * scaling * _SUPERSAMPLING) / (scaling * _SUPERSAMPLING)
    return View((float(x), float(y)), scaling, width, height)


def draw(
    scene: Scene,
    *,
    width: int = 600,
    height: int = 150,
    scaling: float = 5.5,
    centering: Pair = (0.3, 0.5),
    annotation: Annotation | None = None,
) -> Frame:
    """Draw a scene; the picture depends on the arguments alone.

    Args:
        scene: What to draw.
        width: Frame width, pixels.
        height: Frame height, pixels.
        scaling: Pixels per metre.
        centering: Where in the frame the ego stands, as fractions of width and height; see `view_of`.
        annotation: The policy's attention becomes lines under the vehicles, the rest a panel along the top.

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


_LanesKey = tuple[tuple[bytes, float, tuple[str, str]], ...]


def _key(lanes: tuple[Lane, ...]) -> _LanesKey:
    """The lanes' content, hashable: caches hold though a world may build its lanes anew for every scene."""
    return tuple((np.asarray(lane.centre, np.float64).tobytes(), lane.width_m, lane.lines) for lane in lanes)


@lru_cache(maxsize=8)
def _road(lanes: _LanesKey, scaling: float) -> _Road:
    centres = [_split(np.frombuffer(lane[0]).reshape(-1, 2)) for lane in lanes]
    layers: list[tuple[Colour, Floats]] = []
    for colour, margin in ((SHOULDER, SHOULDER_WIDTH), (ASPHALT, 0.0)):
        for centre, (_, width_m, _) in zip(centres, lanes, strict=True):
            layers.append((colour, _ribbon(centre, -width_m / 2 - margin, width_m / 2 + margin)))
    edges = []
    for centre, (_, width_m, lines) in zip(centres, lanes, strict=True):
        for side, line in zip((-width_m / 2, width_m / 2), lines, strict=True):
            edges.append(centre + side * _normals(centre))
            if line != "none":
                layers.append((MARKING, _marking(centre, side, line == "striped", scaling)))
    quads, corners = np.concatenate([layer for _, layer in layers]), np.concatenate(edges)
    colours = [colour for colour, layer in layers for _ in layer]
    low, high, bounds = quads.min(1), quads.max(1), np.stack([corners.min(0), corners.max(0)])
    return _Road(quads, colours, (low + high) / 2, (high - low) / 2, bounds)


def _marking(centre: Floats, side: float, striped: bool, scaling: float) -> Floats:
    """Quadrilaterals (M, 4, 2) of the line `side` metres to the right of a centre line (P, 2)."""
    bleed = _BLEED / (_SUPERSAMPLING * scaling)
    half = max(MARKING_WIDTH / 2, 0.65 / scaling) - bleed
    if not striped:
        return _ribbon(centre, side - half, side + half)
    along = _arc_length(centre)
    starts = np.arange(0.0, along[-1] - DASH / 2, DASH_PERIOD)
    ends = np.minimum(starts + DASH, along[-1]) - bleed
    left, right = (centre + offset * _normals(centre) for offset in (side - half, side + half))
    corners = ((left, starts + bleed), (left, ends), (right, ends), (right, starts + bleed))
    return np.stack([_at(line, along, s) for line, s in corners], 1)


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


def _ribbon(line: Floats, left: float | Floats, right: float | Floats) -> Floats:
    """Quadrilaterals (P - 1, 4, 2) between two offsets to the right, numbers or (P, 1), of a line (P, 2)."""
    normals = _normals(line)
    a, b = line + left * normals, line + right * normals
    return np.stack([a[:-1], a[1:], b[1:], b[:-1]], 1)


def _fill(image: Frame, quads: Floats, colours: Sequence[tuple[int, ...]]) -> None:
    """Fill convex polygons (Q, 4, 2), in pixels, one after another, antialiased."""
    import cv2

    fixed = np.round((quads - 0.5) * (1 << _SHIFT)).astype(np.int32)  # OpenCV counts from pixel centres
    for quad, colour in zip(fixed, colours, strict=True):
        cv2.fillConvexPoly(image, quad, colour, cv2.LINE_AA, _SHIFT)


def _ground(scene: Scene, view: View) -> Frame:
    """The surroundings and the road (H, W, 3), cut from a larger patch that later frames use again."""
    import cv2

    s = _SUPERSAMPLING
    w, h = view.width * s, view.height * s
    step_x, step_y = min(w, 1024), max(h // 4, 1)  # cars drive along x more than along y
    left, top = (round(o * view.scaling * s) for o in view.origin)
    x, y = left % step_x, top % step_y
    patch = _patch(_key(scene.lanes), view.scaling, left - x, top - y, w + step_x, h + step_y)
    area = cv2.resize(patch[y : y + h, x : x + w], (view.width, view.height), interpolation=cv2.INTER_AREA)
    return np.asarray(area, np.uint8)


@lru_cache(maxsize=3)
def _patch(lanes: _LanesKey, scaling: float, left: int, top: int, width: int, height: int) -> Frame:
    """Surroundings and road (height, width, 3) from (left, top) on, all in supersampled pixels."""
    import cv2

    fine = scaling * _SUPERSAMPLING
    view = View((left / fine, top / fine), fine, width, height)
    canvas = np.empty((height, width, 3), np.uint8)
    cv2.rectangle(canvas, (0, 0), (width, height), GRASS, cv2.FILLED)
    bands = _bands(view)
    _fill(canvas, view.pixels(bands), [GRASS_BAND] * len(bands))
    if lanes:
        road = _road(lanes, scaling)
        seen = np.flatnonzero(view.sees(road.middle, road.reach))
        _fill(canvas, view.pixels(road.quads[seen]), [road.colours[i] for i in seen])
    return canvas


def _bands(view: View) -> Floats:
    """Diagonal bands (B, 4, 2) of the surroundings: fixed in the world, so that motion shows."""
    (left, top), bottom = view.origin, view.origin[1] + view.height / view.scaling
    right, half = left + view.width / view.scaling, BAND_PERIOD / 2
    starts = np.arange(np.floor((left + top) / BAND_PERIOD), (right + bottom) / BAND_PERIOD) * BAND_PERIOD
    shape = np.array([[-top, top], [half - top, top], [half - bottom, bottom], [-bottom, bottom]])
    return shape + np.stack([starts, np.zeros_like(starts)], -1)[:, None]


def _draw_vehicles(frame: Frame, scene: Scene, view: View) -> None:
    """Draw the vehicles in view, the ego last."""
    seen = view.sees(scene.position, np.hypot(*scene.size.T)[:, None] / 2 + MARGIN)
    seen[scene.ego] = False
    for index in [*np.flatnonzero(seen), scene.ego]:
        is_ego = bool(index == scene.ego)
        colour = CRASHED if scene.crashed[index] else EGO if is_ego else _speed_colour(scene.speed[index])
        length, width = scene.size[index].tolist()
        sprite = _sprite(length, width, colour, view.scaling, is_ego)
        _stamp(frame, *sprite, view.pixels(scene.position[index]), float(scene.heading[index]))


def _speed_colour(speed: float) -> Colour:
    """Colour of a vehicle of the traffic, in steps of 1 m/s (each step is one sprite)."""
    r, g, b = (round(np.interp(round(speed), list(SPEEDS), stops)) for stops in zip(*SPEEDS.values(), strict=True))
    return r, g, b


@lru_cache(maxsize=512)
def _sprite(length: float, width: float, colour: Colour, scaling: float, is_ego: bool) -> tuple[Frame, Frame]:
    """A vehicle heading right, supersampled: (h, w, 3) colour times opacity, and 255 minus opacity.

    The ego glows, the others cast a shadow.
    """
    paint, halo = _car(length, width, scaling)
    opacity = paint[..., 4:]
    around = (1 - opacity) * halo * (0.85 if is_ego else 0.5)
    light = paint[..., :3] + paint[..., 3:4] * np.array(colour) + around * np.array(EGO if is_ego else (0, 0, 0))
    shade = np.repeat(255 * (1 - opacity - around), 3, -1)
    return light.clip(0, 255).round().astype(np.uint8), shade.round().astype(np.uint8)


@lru_cache(maxsize=128)
def _car(length: float, width: float, scaling: float) -> tuple[Coats, Coats]:
    """Paint a car heading right, and its halo.

    Returns:
        (h, w, 5): fixed red, green and blue, share of the car's own colour, opacity. (h, w, 1): the halo.
    """
    import cv2

    fine = scaling * _SUPERSAMPLING * _FINE  # px/m
    h, w = (2 * int(np.ceil((side / 2 + MARGIN) * scaling * _SUPERSAMPLING)) for side in (width, length))
    paint = np.zeros((h * _FINE, w * _FINE, 5), np.float32)

    def shape(rear: float, front: float, breadth: float, middle: float = 0.0, bends: Pair = (7, 5)) -> Coats:
        """Coverage of a rounded box, in fractions of length and width from the middle of the car."""
        u = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 65))
        half = (1 - np.abs(u) ** np.where(u < 0, *bends)) ** 0.45 * breadth / 2
        x = (rear + front) / 2 + u * (front - rear) / 2
        outline = np.concatenate([np.stack([x, middle + half], 1), np.stack([x, middle - half], 1)[::-1]])
        pixels = outline * (length, width) * fine + np.array([w, h]) * _FINE / 2 - 0.5
        mask = np.zeros(paint.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(pixels * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_8, _SHIFT)
        return (mask / 255)[..., None].astype(np.float32)

    def lay(mask: Coats, tint: Colour = (0, 0, 0), own: float | Coats = 0.0) -> None:
        """Lay a coat over the paint: a fixed tint plus a share of the car's own colour."""
        paint[...] *= 1 - mask
        paint[..., :3] += mask * np.array(tint, np.float32)
        paint[..., 3:4] += mask * own
        paint[..., 4:] += mask

    hull = shape(-0.5, 0.5, 1.0, bends=(9, 5))
    across = np.abs(np.linspace(-1, 1, h * _FINE))[:, None, None] * (h / (width * fine / _FINE))
    lay(hull, own=(1.0 - 0.3 * across**3).clip(0, 1).astype(np.float32))
    lay(shape(-0.36, 0.22, 0.86, bends=(6, 4)), tint=(17, 22, 31))
    lay(shape(-0.25, 0.08, 0.76), tint=(10, 10, 10), own=1.0)
    for side in (-0.34, 0.34):
        lay(shape(0.43, 0.5, 0.24, side, bends=(3, 3)) * hull, tint=(255, 248, 220))
        lay(shape(-0.5, -0.455, 0.26, side, bends=(3, 3)) * hull, tint=(225, 38, 44))
    halo = cv2.GaussianBlur(hull[..., 0], (0, 0), 0.32 * fine)[..., None]
    small = np.concatenate([paint, halo], -1).reshape(h, _FINE, w, _FINE, 6).mean((1, 3))
    return small[..., :5], small[..., 5:]


def _stamp(frame: Frame, light: Frame, shade: Frame, centre: Floats, heading: float) -> None:
    """Lay a sprite over the frame, turned by `heading`, its middle at `centre` (2,) in pixels."""
    import cv2

    h, w = light.shape[:2]
    cos, sin, s = np.cos(heading), np.sin(heading), _SUPERSAMPLING
    reach = np.array([abs(cos) * w + abs(sin) * h, abs(sin) * w + abs(cos) * h]) / (2 * s)
    x0, y0 = np.maximum(np.floor(centre - reach), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(centre + reach), frame.shape[1::-1]).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        return
    turn = np.array([[cos, sin], [-sin, cos]]) * s
    shift = turn @ (np.array([x0, y0]) + 0.5 - centre) + np.array([w, h]) / 2 - 0.5
    matrix, size, patch = np.column_stack([turn, shift]), (x1 - x0, y1 - y0), frame[y0:y1, x0:x1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(shade, matrix, size, flags=flags, borderValue=(255, 255, 255))
    cv2.multiply(patch, turned, dst=patch, scale=1 / 255)
    turned = cv2.warpAffine(light, matrix, size, flags=flags, borderValue=(0, 0, 0))
    cv2.add(patch, turned, dst=patch)


def draw_attention(frame: Frame, scene: Scene, weights: NDArray[np.floating], view: View) -> None:
    """Draw glowing lines from the ego to the vehicles it attends to, as wide as the weight; in place.

    Args:
        frame: (H, W, 3) uint8 RGB.
        scene: The scene whose `observed` says which vehicle stands in which slot.
        weights: (S,) or (heads, S), in [0, 1]. The ego's own is shown as a ring; empty slots are skipped.
        view: Where the frame lies in the world.

    Raises:
        ValueError: for weights of another shape, or not finite.
    """
    import cv2

    weights = np.atleast_2d(weights)
    if weights.ndim != 2 or weights.shape[1] != scene.observed.size or not np.isfinite(weights).all():
        raise ValueError(f"attention must be finite, (heads, {scene.observed.size}), got {weights.shape}")
    layer = np.zeros((*frame.shape[:2], 4), np.uint8)  # colour times opacity, opacity
    for head, per_slot in enumerate(weights):
        bend = 2 * head / (len(weights) - 1) - 1 if len(weights) > 1 else -0.7  # heads fan out
        for slot in np.argsort(per_slot):
            index, weight = int(scene.observed[slot]), float(per_slot[slot])
            if index < 0 or weight < FAINTEST:
                continue
            line, half = _path(scene, index, head, bend, weight * LINE_WIDTH / 2)
            quads = view.pixels(_ribbon(line, -half, half))
            strength = 0.35 + 0.65 * weight**0.5
            tint = tuple(round(channel * strength) for channel in (*HEADS[head % len(HEADS)], 255))
            _fill(layer, quads, [tint] * len(quads))
    light, shade = cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), cv2.bitwise_not(cv2.extractChannel(layer, 3))
    quarter = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    glow = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), GLOW * view.scaling / 4), frame.shape[1::-1])
    cv2.addWeighted(frame, 1.0, glow, 0.8, 0.0, dst=frame)
    cv2.multiply(frame, cv2.cvtColor(shade, cv2.COLOR_GRAY2RGB), dst=frame, scale=1 / 255)
    cv2.add(frame, light, dst=frame)


def _path(scene: Scene, index: int, head: int, bend: float, half: float) -> tuple[Floats, float | Floats]:
    """The line (P, 2) to a vehicle, or the ring around the ego, and half its width: a number or (P, 1)."""
    start, end = scene.position[scene.ego], scene.position[index]
    if index == scene.ego:
        angle = np.linspace(0, 2 * np.pi, 33)
        radius = scene.size[index].max() / 2 + 0.7 + 0.5 * head
        return start + radius * np.stack([np.cos(angle), np.sin(angle)], -1), 0.4 * half
    along = np.linspace(0, 1, 13)[:, None]
    dx, dy = end - start
    control = (start + end) / 2 + 0.12 * bend * np.array([-dy, dx])  # of a quadratic Bezier curve
    line = (1 - along) ** 2 * start + 2 * along * (1 - along) * control + along**2 * end
    return line, half * (0.4 + 0.6 * along)


def draw_status(frame: Frame, scene: Scene, annotation: Annotation) -> None:
    """Draw the panel: action, speed, reward so far, time, and the colours of the heads; in place."""
    speed = float(scene.speed[scene.ego])
    items = [("action", annotation.action.replace("_", " ").lower())] if annotation.action else []
    items += [
        ("speed", f"{speed:.1f} m/s"),
        ("return", f"{annotation.reward:.2f}"),
        ("time", f"{scene.time_s:.1f} s"),
    ]
    heads = 0 if annotation.attention is None else len(np.atleast_2d(annotation.attention))
    names = ["attention"] if heads == 1 else [f"head {head + 1}" for head in range(heads)]
    panel(frame, items, [(name, HEADS[head % len(HEADS)]) for head, name in enumerate(names)])
