"""What stops whoever walks: the obstacles of many houses as flat arrays, and whether a straight move is clear.

An agent is a disc, an obstacle a rectangle on the floor that may be turned; a wall is one without depth. A move is
clear if the disc touches nothing from its first point to its last, and is made as a whole or not at all: AI2-THOR casts
the agent's capsule ahead in the same way, and nothing slides along walls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.scenes.house import House, Opening, Thing, Wall
from foveal.kernels import kernel, launch

X, Y, COS, SIN, HALF_WIDTH, HALF_DEPTH = range(6)
"""Features of an obstacle: centre m, direction of its width, half sizes m."""

LEFT, BOTTOM, COLUMNS, ROWS, FIRST = range(5)
"""Features of a house: lowest corner m of its cells, how many there are along x and y, and the number of the first."""

CELL_M = 0.25
PIECE_M = 0.25
"""Longest piece of a move that is tested at once; a cell lists what such a piece may touch whose middle lies in it."""
MOVE_M = 0.25
HEADINGS = 12
"""Headings are whole numbers of turns by 30° to the left from +y."""
_AHEAD = np.round([(-math.sin(k * math.pi / 6), math.cos(k * math.pi / 6)) for k in range(HEADINGS)], 15)

TOUCH_M = 1e-9
"""What may be missing of the radius: positions sum up many moves."""


class Body(NamedTuple):
    """What walks, m.

    Attributes:
        radius: Of the disc.
        height: What begins above it stops nobody.
        step: What ends below it stops nobody.
    """

    radius: float
    height: float
    step: float = 0.03


LOCOBOT = Body(radius=0.175, height=0.9)
"""AI2-THOR's LoCoBot, by its capsule; also the radius at which RoboTHOR's reachable positions agree best with ours."""
TALL = Body(radius=0.2, height=1.8)
"""AI2-THOR's default agent; the same holds for iTHOR's."""


class Obstacles(NamedTuple):
    """The obstacles of H houses, with a grid of cells that list what is near.

    Attributes:
        houses: (H, 5) float64, see `LEFT`.
        boxes: (B, 6) float64, see `X`; of all houses.
        starts: (C + 1,) int64, where each cell's obstacles begin in `near`.
        near: (L,) int32 rows of `boxes`.
        radius: m, of the disc that moves.
    """

    houses: NDArray[np.float64]
    boxes: NDArray[np.float64]
    starts: NDArray[np.int64]
    near: NDArray[np.int32]
    radius: float


def survey(houses: Sequence[House], body: Body = LOCOBOT) -> Obstacles:
    """The obstacles of some houses, by the cells they are near to; kernels address a house by its place in them."""
    features, boxes, counts, near = [], [], [], []
    first_cell = first_box = 0
    reach = body.radius + PIECE_M / 2 + CELL_M / math.sqrt(2)  # from a cell's centre
    for house in houses:
        lowest, highest = house.bounds
        columns, rows = (np.ceil((highest - lowest) / CELL_M - 1e-9).astype(int)).tolist()
        own = footprints(house, body)
        listed = np.empty((rows * columns, len(own)), bool)
        launch(_list_near, len(listed), own, lowest, columns, reach, listed)
        features.append((lowest[0], lowest[1], columns, rows, first_cell))
        boxes.append(own)
        counts.append(listed.sum(1))
        near.append(np.nonzero(listed)[1] + first_box)
        first_cell += len(listed)
        first_box += len(own)
    return Obstacles(
        houses=np.array(features, float).reshape(-1, 5),
        boxes=np.concatenate([np.empty((0, 6)), *boxes]),
        starts=np.concatenate([[0], *counts]).cumsum().astype(np.int64),
        near=np.concatenate([np.empty(0), *near]).astype(np.int32),
        radius=body.radius,
    )


def footprints(house: House, body: Body = LOCOBOT) -> NDArray[np.float64]:
    """(B, 6) float64: solid things at the body's height, and walls without the doorways between rooms."""
    rows = []
    for thing in in_the_way(house, body):
        width, depth, _ = thing.size
        x, y, _ = thing.centre
        rows.append((x, y, math.cos(thing.yaw), math.sin(thing.yaw), width / 2, depth / 2))
    doorways = [opening for opening in house.openings if _is_doorway(opening, body)]
    for wall in house.walls:
        for low, high in _between(wall_holes(house, wall, doorways), wall_length(wall)):
            (x, y), (cos, sin) = wall_point(wall, (low + high) / 2), wall_direction(wall)
            rows.append((x, y, cos, sin, (high - low) / 2, 0.0))
    return np.array(rows, float).reshape(-1, 6)


def in_the_way(house: House, body: Body = LOCOBOT) -> list[Thing]:
    """The solid things at the body's height, which come first among the `footprints`."""
    found = []
    for thing in house.things:
        low = thing.centre[2] - thing.size[2] / 2
        if thing.solid and low < body.height and low + thing.size[2] > body.step:
            found.append(thing)
    return found


def _is_doorway(opening: Opening, body: Body) -> bool:
    low, high = opening.heights
    closed = opening.kind == "window" or (opening.kind == "door" and opening.openness <= 0)
    return not closed and None not in opening.rooms and low <= body.step and high >= body.height


def _between(holes: Iterable[tuple[float, float]], length: float) -> list[tuple[float, float]]:
    """What holes leave of [0, length]."""
    rest, begin = [], 0.0
    for low, high in [*sorted(holes), (length, length)]:
        if low > begin + 1e-9:
            rest.append((begin, min(low, length)))
        begin = max(begin, high)
    return rest


def wall_length(wall: Wall) -> float:
    """Length of a wall, m."""
    return math.dist(wall.start, wall.end)


def wall_direction(wall: Wall) -> tuple[float, float]:
    """Unit vector from a wall's start to its end."""
    length = wall_length(wall)
    return (wall.end[0] - wall.start[0]) / length, (wall.end[1] - wall.start[1]) / length


def wall_point(wall: Wall, along: float) -> tuple[float, float]:
    """The point `along` m from a wall's start."""
    cos, sin = wall_direction(wall)
    return wall.start[0] + along * cos, wall.start[1] + along * sin


def wall_holes(house: House, wall: Wall, openings: Iterable[Opening]) -> list[tuple[float, float]]:
    """From where to where, m along the wall, each of the openings that pierces it does, in their order.

    An opening is measured along its first wall: on the one behind it lie the feet of its ends.
    """
    holes = []
    for opening in openings:
        if wall.id not in opening.walls:
            continue
        measured = next(candidate for candidate in house.walls if candidate.id == opening.walls[0])
        cos, sin = wall_direction(wall)
        ends = [
            (x - wall.start[0]) * cos + (y - wall.start[1]) * sin
            for x, y in (wall_point(measured, along) for along in opening.along)
        ]
        holes.append((min(ends), max(ends)))
    return holes


@kernel
def _list_near(start, stop, boxes, lowest, columns, reach, listed):
    for cell in range(start, stop):
        x = lowest[0] + (cell % columns + 0.5) * CELL_M
        y = lowest[1] + (cell // columns + 0.5) * CELL_M
        for b in range(boxes.shape[0]):
            listed[cell, b] = squared_gap_to_point(boxes[b], x, y) <= reach * reach


@kernel
def squared_gap_to_point(box, x, y):
    """Squared distance m² from a rectangle to a point; 0 inside."""
    x, y = x - box[X], y - box[Y]
    along = max(abs(x * box[COS] + y * box[SIN]) - box[HALF_WIDTH], 0.0)
    across = max(abs(y * box[COS] - x * box[SIN]) - box[HALF_DEPTH], 0.0)
    return along * along + across * across


@kernel
def is_clear(obstacles, house, x0, y0, x1, y1):
    """Whether the disc may be swept from (x0, y0) to (x1, y1) m; from a point to itself, whether it may be there.

    Nothing is clear outside the house's bounds.
    """
    left, bottom = obstacles.houses[house, LEFT], obstacles.houses[house, BOTTOM]
    columns, rows, first = (
        obstacles.houses[house, COLUMNS],
        obstacles.houses[house, ROWS],
        obstacles.houses[house, FIRST],
    )
    length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
    pieces = max(1, math.ceil(length / PIECE_M - 1e-9))
    dx, dy, half = (x1 - x0) / pieces / 2, (y1 - y0) / pieces / 2, length / pieces / 2
    radius = obstacles.radius - TOUCH_M
    for piece in range(pieces):
        x, y = x0 + (2 * piece + 1) * dx, y0 + (2 * piece + 1) * dy
        column, row = (x - left) / CELL_M, (y - bottom) / CELL_M
        if not (0.0 <= column < columns and 0.0 <= row < rows):  # a NaN must not become a whole number
            return False
        cell = np.int64(first + math.floor(row) * columns + math.floor(column))
        for k in range(obstacles.starts[cell], obstacles.starts[cell + 1]):
            if _touches(obstacles.boxes, obstacles.near[k], x, y, dx, dy, half, radius):
                return False
    return True


@kernel
def _touches(boxes, b, x, y, dx, dy, half, radius):
    """Whether a rectangle is nearer than the radius to the piece from (x, y) - (dx, dy) to (x, y) + (dx, dy)."""
    x, y = x - boxes[b, X], y - boxes[b, Y]
    cos, sin, width, depth = boxes[b, COS], boxes[b, SIN], boxes[b, HALF_WIDTH], boxes[b, HALF_DEPTH]
    x, y = x * cos + y * sin, y * cos - x * sin
    along, across = max(abs(x) - width, 0.0), max(abs(y) - depth, 0.0)
    gap = along * along + across * across  # of the middle
    if gap >= (radius + half) * (radius + half):
        return False
    if gap < radius * radius:
        return True
    dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
    if _crosses(x, y, dx, dy, width, depth):
        return True
    # Apart, two convex shapes are nearest at a corner of one of them.
    for side in (-1.0, 1.0):
        along, across = max(abs(x + side * dx) - width, 0.0), max(abs(y + side * dy) - depth, 0.0)
        if along * along + across * across < radius * radius:
            return True
        for end in (-1.0, 1.0):
            to_x, to_y = side * width - x, end * depth - y
            t = min(max((to_x * dx + to_y * dy) / max(half * half, 1e-300), -1.0), 1.0)
            if (to_x - t * dx) ** 2 + (to_y - t * dy) ** 2 < radius * radius:
                return True
    return False


@kernel
def _crosses(x, y, dx, dy, width, depth):
    """Whether the piece around (x, y) enters the rectangle [-width, width] × [-depth, depth] (separating axes)."""
    if abs(x) > width + abs(dx) or abs(y) > depth + abs(dy):
        return False
    return abs(x * dy - y * dx) <= width * abs(dy) + depth * abs(dx)


@kernel
def try_moves(start, stop, obstacles, house, origin, target, clear):
    """Row kernel: whether each straight move is clear.

    Args:
        start: First row.
        stop: Past the last row.
        obstacles: `Obstacles`.
        house: (N,) int64.
        origin: (N, 2) m.
        target: (N, 2) m.
        clear: (N,) bool, written.
    """
    for i in range(start, stop):
        clear[i] = is_clear(obstacles, house[i], origin[i, 0], origin[i, 1], target[i, 0], target[i, 1])


@kernel
def move_ahead(obstacles, house, x, y, heading):
    """Where MoveAhead leads from (x, y) m: MOVE_M further in one of the 12 headings, or nowhere."""
    to_x, to_y = x + MOVE_M * _AHEAD[heading, 0], y + MOVE_M * _AHEAD[heading, 1]
    if is_clear(obstacles, house, x, y, to_x, to_y):
        return to_x, to_y, True
    return x, y, False
