"""The top-down picture of a driving scene: road, vehicles and attention, drawn by OpenCV without a display.

Frames are (H, W, 3) uint8 RGB. Screen x grows to the right and screen y downwards, as the world's x and y do;
a world point p lies at ``(p - view.origin) * view.scaling`` pixels from the frame's top left corner.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.sprites import EGO, MARGIN, barrier, car, goal, stamp
from foveal.envs.driving.surface import (
    SUPERSAMPLING,
    Floats,
    LanesKey,
    Pair,
    View,
    fill,
    key_of,
    ribbon,
    surface_of,
)
from foveal.envs.overlay import HEADS, Annotation, Colour, Frame, panel
from foveal.envs.scene import Scene

GRASS: Colour = (25, 36, 33)
GRASS_BAND: Colour = (29, 42, 38)
SHOULDER: Colour = (58, 63, 71)
ASPHALT: Colour = (47, 51, 59)
MARKING: Colour = (226, 230, 235)
CRASHED: Colour = (235, 68, 72)
SPEEDS = {0.0: (72, 84, 170), 15.0: (92, 132, 214), 25.0: (160, 190, 238), 35.0: (246, 248, 252)}
"""Colours of the traffic by speed in m/s, linear in between."""

BAND_PERIOD = 12.0  # m
LINE_WIDTH = 1.6  # m, of an attention line of weight 1
GLOW = 0.35  # m, spread of its glow
FAINTEST = 0.02  # attention weight below which no line is drawn


def view_of(scene: Scene, width: int, height: int, scaling: float, centering: Pair) -> View:
    """The view of a camera that follows the ego, which stands at the fraction `centering` of the frame.

    Along an axis in which the whole road fits into the frame the camera stands still, centred on the road: a
    lane change is then a car that moves, not a road that does. The camera moves in steps of half a pixel.
    """
    extent = np.array([width, height]) / scaling
    origin = scene.position[scene.ego] - np.asarray(centering) * extent
    if scene.lanes:
        low, high = surface_of(key_of(scene.lanes), scaling).bounds
        origin = np.where(high - low <= extent, (low + high - extent) / 2, origin)
    x, y = np.round(origin * scaling * SUPERSAMPLING) / (scaling * SUPERSAMPLING)
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
    _draw_things(frame, scene, view)
    if annotation is not None:
        draw_status(frame, scene, annotation)
    return frame


def _ground(scene: Scene, view: View) -> Frame:
    """The surroundings and the road (H, W, 3), cut from a larger patch that later frames use again."""
    import cv2

    s = SUPERSAMPLING
    w, h = view.width * s, view.height * s
    step_x, step_y = min(w, 1024), max(h // 4, 1)  # cars drive along x more than along y
    left, top = (round(o * view.scaling * s) for o in view.origin)
    x, y = left % step_x, top % step_y
    patch = _patch(key_of(scene.lanes), view.scaling, left - x, top - y, w + step_x, h + step_y)
    area = cv2.resize(patch[y : y + h, x : x + w], (view.width, view.height), interpolation=cv2.INTER_AREA)
    return np.asarray(area, np.uint8)


@lru_cache(maxsize=3)
def _patch(lanes: LanesKey, scaling: float, left: int, top: int, width: int, height: int) -> Frame:
    """Surroundings and road (height, width, 3) from (left, top) on, all in supersampled pixels."""
    import cv2

    fine = scaling * SUPERSAMPLING
    view = View((left / fine, top / fine), fine, width, height)
    canvas = np.empty((height, width, 3), np.uint8)
    cv2.rectangle(canvas, (0, 0), (width, height), GRASS, cv2.FILLED)
    bands = _bands(view)
    fill(canvas, view.pixels(bands), [GRASS_BAND] * len(bands))
    if lanes:
        surface_of(lanes, scaling).paint(canvas, view, (SHOULDER, ASPHALT, MARKING))
    return canvas


def _bands(view: View) -> Floats:
    """Diagonal bands (B, 4, 2) of the surroundings: fixed in the world, so that motion shows."""
    (left, top), bottom = view.origin, view.origin[1] + view.height / view.scaling
    right, half = left + view.width / view.scaling, BAND_PERIOD / 2
    starts = np.arange(np.floor((left + top) / BAND_PERIOD), (right + bottom) / BAND_PERIOD) * BAND_PERIOD
    shape = np.array([[-top, top], [half - top, top], [half - bottom, bottom], [-bottom, bottom]])
    return shape + np.stack([starts, np.zeros_like(starts)], -1)[:, None]


def _draw_things(frame: Frame, scene: Scene, view: View) -> None:
    """Draw what is in view: goals, then barriers, then vehicles, the ego last."""
    seen = view.sees(scene.position, np.hypot(*scene.size.T)[:, None] / 2 + MARGIN)
    seen[scene.ego] = True
    rank = {"landmark": 0, "obstacle": 1, "vehicle": 2}
    kinds = scene.kind or ("vehicle",) * len(seen)
    order = sorted(np.flatnonzero(seen).tolist(), key=lambda i: (i == scene.ego, rank[kinds[i]]))
    for index in order:
        length, width = scene.size[index].tolist()
        if kinds[index] == "landmark":
            sprite = goal(length, width, view.scaling)
        elif kinds[index] == "obstacle":
            sprite = barrier(length, width, view.scaling)
        else:
            is_ego = bool(index == scene.ego)
            colour = CRASHED if scene.crashed[index] else EGO if is_ego else _speed_colour(scene.speed[index])
            sprite = car(length, width, colour, view.scaling, is_ego)
        stamp(frame, sprite, view.pixels(scene.position[index]), float(scene.heading[index]))


def _speed_colour(speed: float) -> Colour:
    """Colour of a vehicle of the traffic, in steps of 1 m/s (each step is one sprite)."""
    r, g, b = (round(np.interp(round(speed), list(SPEEDS), stops)) for stops in zip(*SPEEDS.values(), strict=True))
    return r, g, b


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
            quads = view.pixels(ribbon(line, -half, half))
            strength = 0.35 + 0.65 * weight**0.5
            tint = tuple(round(channel * strength) for channel in (*HEADS[head % len(HEADS)], 255))
            fill(layer, quads, [tint] * len(quads))
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
    """Draw the panel: action, advice, speed, reward so far, time, and the colours of the heads; in place."""
    speed = float(scene.speed[scene.ego])
    items = [("action", annotation.action.replace("_", " ").lower())] if annotation.action else []
    items += [("", f"teacher: {annotation.teacher}")] if annotation.teacher else []
    items += [
        ("speed", f"{speed:.1f} m/s"),
        ("return", f"{annotation.reward:.2f}"),
        ("time", f"{scene.time_s:.1f} s"),
    ]
    heads = 0 if annotation.attention is None else len(np.atleast_2d(annotation.attention))
    names = ["attention"] if heads == 1 else [f"head {head + 1}" for head in range(heads)]
    panel(frame, items, [(name, HEADS[head % len(HEADS)]) for head, name in enumerate(names)])
