"""The TopDown observation: a stack of images of the road from above, drawn by kernels.

Comparable with highway-env 1.12's ``GrayscaleObservation`` in what it shows, not pixel by pixel: the road is drawn
once, antialiased, into a map from which every frame is sampled between pixels, and vehicles lie where they are to a
fraction of a pixel.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.surface import SUPERSAMPLING, LanesKey, View, key_of, surface_of
from foveal.envs.driving.traffic import COS, CRASHED, KIND, LANDMARK, LENGTH, OBSTACLE, SIN, WIDTH, X, Y
from foveal.envs.overlay import Colour
from foveal.kernels import inlined, kernel, launch

GROUND, ASPHALT, LINE = (0, 0, 0), (70, 70, 70), (160, 160, 160)
SHADES: dict[str, tuple[Colour, int]] = {
    "ego": ((45, 226, 166), 255),
    "vehicle": ((110, 150, 235), 210),
    "crashed": ((235, 68, 72), 180),
    "obstacle": ((240, 160, 50), 160),
    "landmark": ((70, 120, 220), 100),
}
"""Colour and shade of gray of what stands on the road."""
_EGO, _VEHICLE, _CRASHED, _OBSTACLE, _LANDMARK = range(5)

MOST_PIXELS = 2**24  # of a map; that of a larger road is coarser than the image
FRACTION = 1 << 16
FAR = 1e6  # px
_MARGIN = 2.0  # px of ground around the road


class Camera(NamedTuple):
    """How images are drawn, as kernels read it."""

    road: NDArray[np.uint8]  # (C, h x w) the map; its border is ground
    map_width: int  # px, w
    x: float  # m, the world point at the map's top left corner
    y: float  # m
    map_scaling: float  # px/m, of the map
    scaling: float  # px/m, of the image
    across: float  # px, where the ego stands
    down: float  # px
    turns: bool
    shades: NDArray[np.float32]  # (5, C)


class TopDown:
    """Images (E, stack x C, H, W) uint8 of E egos, (stack x C, H, W) of a single one; C is 1, or 3 for RGB.

    The last image of the stack is the latest; at an episode's start all are the first one. World x points right and y
    down, or where it `turns`, the ego heads right.

    Args:
        sight: What there is to be seen.
        lanes: The road, as `foveal.envs.driving.surface.key_of` gives it.
        width: Pixels.
        height: Pixels.
        stack: Images in a stack.
        gray: One channel; else red, green and blue.
        scaling: Pixels per metre.
        centering: Where the ego stands, of width and height.
        turns: The image turns with the ego.
    """

    observed = None

    def __init__(
        self,
        sight: Sight,
        lanes: LanesKey,
        *,
        width: int = 84,
        height: int = 84,
        stack: int = 4,
        gray: bool = True,
        scaling: float = 1.75,
        centering: tuple[float, float] = (0.3, 0.5),
        turns: bool = False,
    ) -> None:
        self._sight = sight
        road, (x, y), map_scaling = road_map(lanes, scaling, gray)
        self._camera = Camera(
            road=road.reshape(len(road), -1),
            map_width=road.shape[2],
            x=x,
            y=y,
            map_scaling=map_scaling,
            scaling=scaling,
            across=centering[0] * width,
            down=centering[1] * height,
            turns=turns,
            shades=np.array([[one] if gray else colour for colour, one in SHADES.values()], np.float32),
        )
        rows, egos = sight.egos.shape
        image = (stack * len(road), height, width)
        self.space = spaces.Box(0, 255, image if egos == 1 else (egos, *image), np.uint8)
        self.array = np.zeros((rows, *self.space.shape), np.uint8)
        self._frames = self.array.reshape(rows, egos, stack, len(road), height, width)
        self.memory = {"images": self.array}

    @classmethod
    def from_params(cls, p: ObservationParams, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        return cls(
            sight,
            key_of(road.scene_lanes()),
            width=p.observation_width,
            height=p.observation_height,
            stack=p.observation_stack,
            gray=p.observation_gray,
            scaling=p.observation_scaling,
            centering=(p.observation_centering[0], p.observation_centering[1]),
            turns=p.observation_turns,
        )

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Add an image of these rows to their stacks."""
        launch(draw_rows, rows.size, rows, self._sight, self._camera, False, self._frames)

    def begin(self, rows: NDArray[np.int64]) -> None:
        """Fill the stacks of these rows with their first image."""
        launch(draw_rows, rows.size, rows, self._sight, self._camera, True, self._frames)

    def recall(self, rows: NDArray[np.int64]) -> None:
        """The images themselves are what is remembered."""


@lru_cache(maxsize=4)
def road_map(lanes: LanesKey, scaling: float, gray: bool) -> tuple[NDArray[np.uint8], tuple[float, float], float]:
    """The road from above, drawn once.

    Args:
        lanes: At least one.
        scaling: px/m; the map's is lower where it would have more than `MOST_PIXELS`.
        gray: One channel; else red, green and blue.

    Returns:
        (C, h, w), the world point at its top left corner, metres, and its scale, px/m.
    """
    import cv2

    low, high = surface_of(lanes, scaling).bounds
    scaling = min(scaling, math.sqrt(MOST_PIXELS / float(np.prod(high - low + 1))))
    surface = surface_of(lanes, scaling)
    left, top = (low - (_MARGIN + 1) / scaling).tolist()
    width, height = np.ceil((high - low) * scaling + 2 * (_MARGIN + 1)).astype(int).tolist()
    road = np.empty((1 if gray else 3, height, width), np.uint8)
    fine, step = scaling * SUPERSAMPLING, 4096
    for begin in range(0, width, step):
        size = min(step, width - begin)
        view = View((left + begin / scaling, top), fine, size * SUPERSAMPLING, height * SUPERSAMPLING)
        canvas = np.zeros((view.height, view.width, 3), np.uint8)
        surface.paint(canvas, view, (None, ASPHALT, LINE))
        piece = cv2.resize(canvas, (size, height), interpolation=cv2.INTER_AREA)
        road[:, :, begin : begin + size] = np.moveaxis(piece, -1, 0)[: len(road)]
    return road, (left, top), scaling


@kernel
def draw_rows(start, stop, rows, sight, camera, first, frames):
    """Row kernel: draw an image (C, H, W) of each row and put it last in its stack, or everywhere where `first`."""
    for k in range(start, stop):
        r = rows[k]
        for e in range(sight.egos.shape[1]):
            stack = frames[r, e]
            last = stack.shape[0] - 1
            for n in range(0 if first else last):
                copy(stack[n + 1], stack[n])
            image, t, ego = stack[last], sight.traffic[r], sight.egos[r, e]
            if camera.turns or camera.map_scaling != camera.scaling:
                sample(t, ego, camera, image)
            else:
                cut(t, ego, camera, image)
            draw_things(t, sight.vehicles[r], sight.objects, ego, camera, image)
            for n in range(last if first else 0):
                copy(image, stack[n])


@kernel
def copy(source, target):
    """Copy an image (C, H, W)."""
    for c in range(source.shape[0]):
        for i in range(source.shape[1]):
            from_row, to_row = source[c, i], target[c, i]
            for j in range(from_row.size):
                to_row[j] = from_row[j]


@kernel
def cut(t, ego, camera, image):
    """Draw the road where image and map have the same scale and axes: every pixel has the same four weights."""
    height, width = image.shape[1], image.shape[2]
    map_width, map_height = camera.map_width, camera.road.shape[1] // camera.map_width
    left = (t[X, ego] - camera.x) * camera.map_scaling - camera.across
    top = (t[Y, ego] - camera.y) * camera.map_scaling - camera.down
    # A lost vehicle may be anywhere; the map ends in ground on all sides.
    left = min(max(left, -1.0 - width), 1.0 + map_width)
    top = min(max(top, -1.0 - height), 1.0 + map_height)
    column, line = math.floor(left), math.floor(top)
    right, below = np.float32(left - column), np.float32(top - line)
    one = np.float32(1.0)
    a, b, c, d = (one - below) * (one - right), (one - below) * right, below * (one - right), below * right
    begin = min(max(-column, 0), width)
    end = max(min(map_width - 1 - column, width), begin)
    for channel in range(image.shape[0]):
        road = camera.road[channel]
        ground = road[0]
        for i in range(height):
            at, pixels = line + i, image[channel, i]
            if at < 0 or at >= map_height - 1:
                pixels[:] = ground
                continue
            pixels[:begin] = ground
            pixels[end:] = ground
            upper, lower = road[at * map_width + column + begin :], road[(at + 1) * map_width + column + begin :]
            for j in range(end - begin):
                value = a * np.float32(upper[j]) + b * np.float32(upper[j + 1])
                value += c * np.float32(lower[j]) + d * np.float32(lower[j + 1])
                pixels[begin + j] = np.uint8(value + np.float32(0.5))


@kernel
def sample(t, ego, camera, image):
    """Draw the road at any scale and angle: between the four nearest pixels of the map, in whole numbers."""
    road, width = camera.road, camera.map_width
    step = camera.map_scaling / camera.scaling
    cos, sin = (t[COS, ego] * step, t[SIN, ego] * step) if camera.turns else (step, 0.0)
    x = (t[X, ego] - camera.x) * camera.map_scaling - 0.5
    y = (t[Y, ego] - camera.y) * camera.map_scaling - 0.5
    # A lost vehicle may be anywhere; places on the map are whole numbers of 1 / FRACTION pixels.
    x, y = min(max(x, -FAR), FAR), min(max(y, -FAR), FAR)
    step_x, step_y = int(cos * FRACTION), int(sin * FRACTION)
    most_x, most_y = (width - 1) * FRACTION - 1, (road.shape[1] // width - 1) * FRACTION - 1
    for channel in range(image.shape[0]):
        pixels = road[channel]
        for i in range(image.shape[1]):
            down, ahead, line = i + 0.5 - camera.down, 0.5 - camera.across, image[channel, i]
            at_x = int((x + ahead * cos - down * sin) * FRACTION)
            at_y = int((y + ahead * sin + down * cos) * FRACTION)
            for j in range(line.size):
                inside_x, inside_y = min(max(at_x, 0), most_x), min(max(at_y, 0), most_y)
                right, below = (inside_x >> 8) & 255, (inside_y >> 8) & 255
                place = np.uint64((inside_y >> 16) * width + (inside_x >> 16))  # unsigned: not from the end
                under = place + np.uint64(width)
                upper = np.int64(pixels[place]) * (256 - right) + np.int64(pixels[place + np.uint64(1)]) * right
                lower = np.int64(pixels[under]) * (256 - right) + np.int64(pixels[under + np.uint64(1)]) * right
                line[j] = np.uint8((upper * (256 - below) + lower * below + 32768) >> 16)
                at_x += step_x
                at_y += step_y


@kernel
def draw_things(t, count, objects, ego, camera, image):
    """Draw landmarks, then obstacles, then vehicles in list order, the ego last."""
    for kind in (LANDMARK, OBSTACLE):
        for i in range(objects, t.shape[1]):
            if t[KIND, i] == kind:
                draw_box(t, i, ego, camera, camera.shades[_OBSTACLE if kind == OBSTACLE else _LANDMARK], image)
    for i in range(count):
        if i != ego:
            draw_box(t, i, ego, camera, camera.shades[_CRASHED if t[CRASHED, i] != 0 else _VEHICLE], image)
    draw_box(t, ego, ego, camera, camera.shades[_EGO], image)


@kernel
def draw_box(t, i, ego, camera, shade, image):
    """Lay a rectangle over the image; pixels that it covers in part are blended."""
    x, y = (t[X, i] - t[X, ego]) * camera.scaling, (t[Y, i] - t[Y, ego]) * camera.scaling
    cos, sin = t[COS, i], t[SIN, i]
    if camera.turns:
        c, s = t[COS, ego], t[SIN, ego]
        x, y = x * c + y * s, y * c - x * s
        cos, sin = cos * c + sin * s, sin * c - cos * s
    x, y = x + camera.across - 0.5, y + camera.down - 0.5
    length, width = t[LENGTH, i] / 2 * camera.scaling, t[WIDTH, i] / 2 * camera.scaling
    reach_x, reach_y = abs(cos) * length + abs(sin) * width + 1.0, abs(sin) * length + abs(cos) * width + 1.0
    if not (abs(x) < 1e6 and abs(y) < 1e6):
        return
    for row in range(max(math.ceil(y - reach_y), 0), min(math.floor(y + reach_y) + 1, image.shape[1])):
        for column in range(max(math.ceil(x - reach_x), 0), min(math.floor(x + reach_x) + 1, image.shape[2])):
            ahead = (column - x) * cos + (row - y) * sin
            beside = (row - y) * cos - (column - x) * sin
            cover = overlap(ahead, length) * overlap(beside, width)
            if cover > 0.0:
                for channel in range(image.shape[0]):
                    before = np.float64(image[channel, row, column])
                    image[channel, row, column] = np.uint8(before + cover * (shade[channel] - before) + 0.5)


@inlined
def overlap(middle, half):
    """How much of a pixel around `middle` lies within `half` of 0, along one axis, in pixels."""
    return max(min(half, middle + 0.5) - max(-half, middle - 0.5), 0.0)
