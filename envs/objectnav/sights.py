"""What can be seen in some houses and what may hide it, as flat arrays: the boxes of things and the pieces of walls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.obstacles import squared_gap_to_point, wall_direction, wall_holes, wall_length, wall_point
from foveal.envs.objectnav.scenes.house import House, Thing, Wall
from foveal.kernels import kernel, launch

X, Y, COS, SIN, HALF_WIDTH, HALF_DEPTH, Z, HALF_HEIGHT, SEALED = range(9)
"""Features of a box; the first six are an obstacle's (`obstacles`), the last: whether a closed container holds it."""

CONTAINERS = frozenset({"Box", "Cabinet", "Drawer", "Fridge", "LaundryHamper", "Microwave", "Safe"})
"""Types that hide what is in them while they are closed."""

TRANSPARENT = frozenset({"Floor", "ShowerGlass", "Window"})
"""Types that hide nothing."""

SUCCESS_M = 1.0
"""How near a target must be (RoboTHOR Challenge 2021; ObjectNav Revisited, arXiv 2006.13171)."""


class Sights(NamedTuple):
    """What can be seen and what hides it in H houses.

    Attributes:
        boxes: (B, 9) float64, see `X`: a house's things in their order, then pieces of its walls.
        first: (H + 1,) int64, where each house's things begin in `boxes`.
        starts: (B + 1,) int64, where in `near` each box's list begins.
        near: (L,) int32 boxes that may hide one from a camera within `reach` of it.
        reach: m, horizontally, from the camera to the box; of things farther away nothing may be asked.
    """

    boxes: NDArray[np.float64]
    first: NDArray[np.int64]
    starts: NDArray[np.int64]
    near: NDArray[np.int32]
    reach: float


class Instances(NamedTuple):
    """The things of C categories in H houses; of category c in house h: `boxes[starts[h, c]:starts[h, c + 1]]`.

    Attributes:
        starts: (H, C + 1) int64.
        boxes: (T,) int32 rows of `Sights.boxes`.
    """

    starts: NDArray[np.int64]
    boxes: NDArray[np.int32]

    def of(self, house: int, category: int) -> NDArray[np.int32]:
        """The rows of `Sights.boxes` of a house's things of a category."""
        return self.boxes[self.starts[house, category] : self.starts[house, category + 1]]


def sights_of(houses: Sequence[House], reach: float = SUCCESS_M) -> Sights:
    """What can be seen in some houses from no farther than `reach` m away."""
    boxes, first, counts, near = [np.empty((0, 9))], [0], [np.zeros(1, np.int64)], [np.empty(0, np.int64)]
    for house in houses:
        walls = [piece for wall in house.walls for piece in _wall_boxes(house, wall)]
        rows = np.array([*_thing_boxes(house), *walls], float).reshape(-1, 9)
        hides = np.ones(len(rows), bool)
        hides[: len(house.things)] = [thing.type not in TRANSPARENT for thing in house.things]
        listed = np.zeros((len(rows), len(rows)), bool)
        launch(_list_near, len(house.things), rows, reach, hides, listed)
        boxes.append(rows)
        counts.append(listed.sum(1))
        near.append(np.nonzero(listed)[1] + first[-1])
        first.append(first[-1] + len(rows))
    return Sights(
        boxes=np.concatenate(boxes),
        first=np.array(first, np.int64),
        starts=np.concatenate(counts).cumsum().astype(np.int64),
        near=np.concatenate(near).astype(np.int32),
        reach=reach,
    )


def instances_of(houses: Sequence[House], sights: Sights, categories: Sequence[str]) -> Instances:
    """Where the things of some types are among the boxes."""
    starts: list[list[int]] = []
    boxes: list[int] = []
    for house, first in zip(houses, sights.first, strict=False):
        ends = [len(boxes)]
        for category in categories:
            boxes += [int(first) + k for k, thing in enumerate(house.things) if thing.type == category]
            ends.append(len(boxes))
        starts.append(ends)
    return Instances(np.array(starts, np.int64).reshape(-1, len(categories) + 1), np.array(boxes, np.int32))


def _thing_boxes(house: House) -> list[tuple[float, ...]]:
    named = {thing.id: thing for thing in house.things}
    return [
        (
            *(thing.centre[0], thing.centre[1], math.cos(thing.yaw), math.sin(thing.yaw)),
            *(thing.size[0] / 2, thing.size[1] / 2, thing.centre[2], thing.size[2] / 2),
            float(_is_sealed(thing, named)),
        )
        for thing in house.things
    ]


def _is_sealed(thing: Thing, named: dict[str, Thing]) -> bool:
    """Whether a thing, or what holds it, lies in (not on top of) a closed container."""
    seen = {thing.id}
    while thing.parent in named and thing.parent not in seen:
        holder = named[thing.parent]
        inside = thing.centre[2] < holder.centre[2] + holder.size[2] / 2
        if inside and holder.type in CONTAINERS and holder.openness <= 0:
            return True
        seen.add(holder.id)
        thing = holder
    return False


def _wall_boxes(house: House, wall: Wall) -> list[tuple[float, ...]]:
    """A wall's pieces beside, below and above its holes; one sees through windows and doors that are not closed."""
    openings = [hole for hole in house.openings if hole.kind != "door" or hole.openness > 0]
    holes = wall_holes(house, wall, openings)
    heights = [opening.heights for opening in openings if wall.id in opening.walls]
    cos, sin = wall_direction(wall)
    pieces, begin = [], 0.0
    for (low, high), (bottom, top) in sorted(zip(holes, heights, strict=True)):
        pieces += [(begin, low, 0.0, wall.height), (low, high, 0.0, bottom), (low, high, top, wall.height)]
        begin = max(begin, high)
    pieces.append((begin, wall_length(wall), 0.0, wall.height))
    return [
        (*wall_point(wall, (a + b) / 2), cos, sin, (b - a) / 2, 0.0, (bottom + top) / 2, (top - bottom) / 2, 0.0)
        for a, b, bottom, top in pieces
        if b - a > 1e-9 and top - bottom > 1e-9
    ]


@kernel
def _list_near(start, stop, boxes, reach, hides, listed):
    for b in range(start, stop):
        width, depth = boxes[b, HALF_WIDTH], boxes[b, HALF_DEPTH]
        farthest = reach + math.sqrt(width * width + depth * depth)
        for other in range(boxes.shape[0]):
            near = squared_gap_to_point(boxes[other], boxes[b, X], boxes[b, Y]) <= farthest * farthest
            listed[b, other] = near and hides[other] and other != b
