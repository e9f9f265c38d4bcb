"""Pictures of an episode: what the agent sees, how far it is, and the house from above, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.sights import SUCCESS_M
from foveal.envs.overlay import Annotation, Frame, panel

HEIGHT, WIDTH = 240, 320
"""Of the two views at zoom 1, px; the plan is as high, and as wide as it is high."""

_DEPTH_M = 6.0  # from where on the depth's colour stays the same
_PAPER, _INK, _WALL, _DOOR = (246, 244, 240), (70, 70, 78), (52, 54, 62), (206, 168, 110)
_FLOORS = {"Kitchen": (240, 222, 196), "LivingRoom": (214, 228, 210), "Bedroom": (214, 220, 238)}
_FLOORS |= {"Bathroom": (206, 230, 236)}
_THING, _EDGE, _GOAL = (196, 190, 184), (140, 134, 128), (230, 92, 70)
_TRAIL, _WAY, _AGENT = (46, 110, 190), (96, 160, 90), (28, 70, 140)
Points = NDArray[np.float64] | tuple[float, ...]

_BITS = 4  # binary places of a pixel in which OpenCV draws


@dataclass(frozen=True)
class IndoorScene:
    """One row of object navigation at one moment; world frame as in `house`.

    Attributes:
        time_s: Actions so far, in seconds of a video.
        house: Which of the world's.
        goal: Category.
        position: (x, y) m.
        yaw: rad, 0 looks along +y, counter-clockwise.
        pitch: rad, up is positive.
        trail: (T, 2) m, where a traced row's agent has been; its present place last.
        way: (K, 2) m, corners of the shortest path to where the goal can be found.
        success: Whether the episode has ended there.
    """

    time_s: float
    house: int
    goal: str
    position: tuple[float, float]
    yaw: float
    pitch: float
    trail: NDArray[np.float64]
    way: NDArray[np.float64]
    success: bool = False


def draw(
    house: House,
    scene: IndoorScene,
    rgb: Frame,
    depth: NDArray[np.float32],
    half_view: float,
    annotation: Annotation | None = None,
) -> Frame:
    """The three pictures in a row.

    Args:
        house: Where.
        scene: What.
        rgb: (H, W, 3) uint8, what the agent sees.
        depth: (H, W) float32 m.
        half_view: Half the horizontal field of view, rad.
        annotation: What is noted of the policy; its attention is shown in place of depth.

    Returns:
        (H, 2 W + H, 3) uint8.
    """
    above = plan(house, scene, rgb.shape[0], half_view)
    attention = None if annotation is None else annotation.attention
    views = [rgb, coloured(depth)] if attention is None else [lit(rgb, weights) for weights in attention]
    frame = np.concatenate([*views, above], axis=1)
    items = [("goal", scene.goal), ("time", f"{round(scene.time_s, 1):g} s")]
    if annotation is not None and annotation.action:
        items = [items[0], ("action", annotation.action), ("return", f"{annotation.reward:.2f}")]
    if annotation is not None and annotation.teacher:
        items.append(("", f"teacher: {annotation.teacher}"))
    if scene.success:
        items.append(("", "found"))
    panel(frame, items)
    frame[:, -above.shape[1] :] = above  # which the panel would darken
    return frame


def lit(rgb: Frame, weights: NDArray[np.floating[Any]]) -> Frame:
    """An image (H, W, 3) uint8, bright where the weights (h, w) in [0, 1] of its parts are high, and dark elsewhere."""
    import cv2

    height, width = rgb.shape[:2]
    light = cv2.resize(np.asarray(weights, np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    glow = np.array([255.0, 196.0, 84.0]) * (0.35 * light[..., None])
    return (rgb * (0.3 + 0.6 * light[..., None]) + glow).clip(0, 255).astype(np.uint8)


def coloured(depth: NDArray[np.float32]) -> Frame:
    """Depth (H, W) m as (H, W, 3) uint8 colours: the nearer the brighter."""
    import cv2

    near = 255 * (1 - np.clip(depth / _DEPTH_M, 0, 1))
    return np.ascontiguousarray(cv2.applyColorMap(near.astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1])


def plan(house: House, scene: IndoorScene, size: int, half_view: float) -> Frame:
    """The house from above (size, size, 3), with the agent, its view, its way and the goals."""
    import cv2

    frame, sheet = _drawn_plan(house, size), _Sheet(house, size)
    for thing in house.things:
        if thing.type == scene.goal:
            footprint = _corners(thing.centre, thing.size, thing.yaw)
            sheet.line(frame, _around(footprint, SUCCESS_M), _GOAL, 1)
            sheet.fill(frame, footprint, _GOAL, _INK)
            sheet.circle(frame, thing.centre[:2], 0.1, _GOAL)
    sheet.line(frame, scene.way, _WAY, 2)
    sheet.line(frame, scene.trail, _TRAIL, 2)
    x, y = scene.position
    edges = scene.yaw + np.linspace(-half_view, half_view, 9)
    cone = np.column_stack([x - 1.2 * np.sin(edges), y + 1.2 * np.cos(edges)])
    seen = frame.copy()
    sheet.fill(seen, np.vstack([[x, y], cone]), _AGENT)
    frame = np.asarray(cv2.addWeighted(seen, 0.3, frame, 0.7, 0), np.uint8)
    sheet.circle(frame, scene.trail[0], 0.08, _TRAIL)
    sheet.circle(frame, scene.position, 0.2, _AGENT)
    return frame


def _drawn_plan(house: House, size: int) -> Frame:
    """The house without anybody in it."""
    frame, sheet = np.full((size, size, 3), _PAPER, np.uint8), _Sheet(house, size)
    for room in house.rooms:
        sheet.fill(frame, room.polygon, _FLOORS.get(room.kind, (228, 226, 222)))
    for thing in sorted(house.things, key=lambda thing: thing.centre[2] + thing.size[2] / 2):
        if thing.centre[2] - thing.size[2] / 2 < 1.8:
            sheet.fill(frame, _corners(thing.centre, thing.size, thing.yaw), _THING, _EDGE)
    for wall in house.walls:
        sheet.line(frame, np.array([wall.start, wall.end]), _WALL, 3)
    walls = {wall.id: wall for wall in house.walls}
    for opening in house.openings:
        wall = walls[opening.walls[0]]
        start, end = np.array(wall.start), np.array(wall.end)
        ends = start + np.outer(opening.along, (end - start) / np.linalg.norm(end - start))
        sheet.line(frame, ends, (150, 190, 220) if opening.kind == "window" else _DOOR, 3)
    return frame


def _corners(centre: tuple[float, float, float], size: tuple[float, float, float], yaw: float) -> NDArray[np.float64]:
    """The footprint (4, 2) m of a box."""
    right, ahead = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    return np.array(centre[:2]) + signs[:, :1] * size[0] * right + signs[:, 1:] * size[1] * ahead


def _around(corners: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """The closed line (K + 1, 2) m at that distance from a box's footprint (4, 2)."""
    angles = np.linspace(0, 2 * np.pi, 49)
    out = np.column_stack([np.cos(angles), np.sin(angles)])
    return corners[np.argmax(corners @ out.T, axis=0)] + margin * out  # by direction, the farthest corner and beyond


class _Sheet:
    """Where a house's metres lie on a square of `size` pixels."""

    def __init__(self, house: House, size: int) -> None:
        low, high = house.bounds
        self.scale = 0.92 * size / float(max(high - low))
        self.middle, self.size = (low + high) / 2, size
        self.thick = max(1, round(size / 240))

    def pixels(self, points: Points) -> NDArray[np.int32]:
        """Points (..., 2) m in OpenCV's fractions of pixels."""
        place = (np.asarray(points) - self.middle) * (self.scale, -self.scale) + self.size / 2 - 0.5
        return np.asarray(np.rint(place * 2**_BITS), np.int32)

    def fill(self, frame: Frame, points: Points, colour: tuple[int, ...], edge: tuple[int, ...] = ()) -> None:
        import cv2

        corners = self.pixels(points)
        cv2.fillPoly(frame, [corners], colour, cv2.LINE_AA, _BITS)
        if edge:
            cv2.polylines(frame, [corners], True, edge, self.thick, cv2.LINE_AA, _BITS)

    def line(self, frame: Frame, points: Points, colour: tuple[int, ...], width: int) -> None:
        import cv2

        if len(points) > 1:
            cv2.polylines(frame, [self.pixels(points)], False, colour, width * self.thick, cv2.LINE_AA, _BITS)

    def circle(self, frame: Frame, centre: Points, radius: float, colour: tuple[int, ...]) -> None:
        """A disc."""
        import cv2

        place, far = self.pixels(centre), round(radius * self.scale * 2**_BITS)
        cv2.circle(frame, (int(place[0]), int(place[1])), far, colour, -1, cv2.LINE_AA, _BITS)
