"""Finding a place: rectangles on a room's floor, tested by the thousand, and what can still be walked afterwards.

A rectangle is (x0, y0, x1, y1) in m. A turn is a number of quarter turns counter-clockwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.envs.objectnav.procedural.assets import Asset
from foveal.envs.objectnav.scenes.house import Opening, Room, Wall

WALL_GAP_M = 0.01
"""Between a wall and what stands against it."""
DOOR_CLEARANCE_M = 0.8
"""Depth of the floor kept free on both sides of a door."""
OPEN_CLEARANCE_M = 0.35
"""Likewise along the whole of an open wall."""
WALKER_M = 0.325
"""Half the side of the square that has to fit wherever one is to walk: an agent of radius 0.2 m on a grid of 0.25 m is
never further than 0.125 m from a point of the grid along x or y, wherever the grid's origin lies.
"""
REACH_M = 0.47
"""From where one can stand to what one stands straight before, at most. From the grid's nearest point, up to 0.125 m
further along x and y, a camera 0.87 m above the floor is still within 1 m of what is 0.1 m high.
"""

_PITCH_M = 0.125  # of the raster on which walking is tested
_STEP_M = 0.1  # between places that are tried along a wall
_LATTICE_M = 0.2  # and in the middle of a room
_LEAST_FLOOR = 8  # cells of the raster that have to stay walkable
_ALONG = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.float64)  # by turn: a thing's right, and the way its wall runs
_INTO = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)], np.float64)  # by turn: its front

Vector = NDArray[np.float64]
Corner = Vector | tuple[float, float]
Cells = tuple[slice, slice]
_BESIDE = np.array([REACH_M, _PITCH_M / 2])


class Placed(NamedTuple):
    """A thing that has its place.

    Attributes:
        asset: Its model; the size is that of its box as it stands or lies.
        centre: (x, y, z) m.
        turn: Quarter turns counter-clockwise.
        on: Index among the room's things of what it lies on, None for the floor and walls.
        hangs: Whether on a wall.
    """

    asset: Asset
    centre: tuple[float, float, float]
    turn: int
    on: int | None = None
    hangs: bool = False

    @property
    def bottom(self) -> float:
        """Its underside, m above the floor."""
        return self.centre[2] - self.asset.size[2] / 2

    @property
    def top(self) -> float:
        """Its upper side, m above the floor."""
        return self.centre[2] + self.asset.size[2] / 2

    @property
    def rectangle(self) -> Vector:
        """(4,) m, of its box seen from above."""
        width, depth, _ = self.asset.size
        half = np.array([depth, width] if self.turn % 2 else [width, depth]) / 2
        return np.concatenate([np.array(self.centre[:2]) - half, np.array(self.centre[:2]) + half])


class Places(NamedTuple):
    """N places for something: origin (N, 2) m of its own frame (back left corner), and turn (N,)."""

    origin: Vector
    turn: NDArray[np.int64]


def rectangles(origin: Vector, turn: NDArray[np.int64] | int, low: Corner, high: Corner) -> Vector:
    """Rectangles (..., 4) in the room of those from low to high (..., 2) in a frame at origin (..., 2), turned."""
    along, into = _ALONG[turn], _INTO[turn]
    low, high = np.asarray(low), np.asarray(high)
    a = origin + low[..., :1] * along + low[..., 1:] * into
    b = origin + high[..., :1] * along + high[..., 1:] * into
    return np.concatenate([np.minimum(a, b), np.maximum(a, b)], -1)


def overlaps(some: Vector, others: Vector) -> NDArray[np.bool_]:
    """Which of some (N, 4) overlap any of the others (M, 4)."""
    x0, y0, x1, y1 = (some[:, i, None] for i in range(4))
    hit = (x0 < others[:, 2]) & (others[:, 0] < x1) & (y0 < others[:, 3]) & (others[:, 1] < y1)
    return np.asarray(hit.any(-1))


class Floor:
    """A room's floor while things are put on it.

    Attributes:
        solids: (M, 4) of what is not floor or is taken.
        kept: (K, 4) of what stays free to walk: before doors and before furniture.
        windows: (W, 4) of what stays free of tall things.
        refusals: How often a place was refused because it would have shut something off.
    """

    def __init__(self, room: Room, walls: list[Wall], openings: list[Opening]) -> None:
        self.low, self.high = room.polygon.min(0), room.polygon.max(0)
        ends = np.roll(room.polygon, -1, 0)
        self._start = room.polygon
        self._length = np.abs(ends - room.polygon).sum(1)
        self._turn = np.array([turn_of(a, b) for a, b in zip(room.polygon, ends, strict=True)])
        self.solids = _complement(room.polygon)
        self.kept, self.windows = np.empty((0, 4)), np.empty((0, 4))
        self.refusals = 0
        self._standing: list[tuple[Cells, Cells]] = []
        shape = np.ceil((self.high - self.low) / _PITCH_M).astype(int)
        self._blocked = np.zeros((shape[0], shape[1]), bool)
        for solid in self.solids:
            self._blocked[self._cells(solid, WALKER_M)] = True
        by_id = {wall.id: wall for wall in walls}
        doors = []
        for opening in openings:
            for name in opening.walls:
                if name in by_id:
                    doors += self._keep_free(by_id[name], opening, reverse=name != opening.walls[0])
        self._doors = tuple(np.array(doors).T) if doors else None

    def _keep_free(self, wall: Wall, opening: Opening, reverse: bool) -> list[tuple[int, int]]:
        start, turn = np.array(wall.start), turn_of(wall.start, wall.end)
        along = opening.along
        if reverse:
            along = (wall_length(wall) - along[1], wall_length(wall) - along[0])
        if opening.kind == "window":
            self.windows = np.vstack([self.windows, rectangles(start, turn, (along[0], 0.0), (along[1], 0.3))])
            return []
        middle = (along[0] + along[1]) / 2
        half = min((along[1] - along[0]) / 2, 1.0)
        zones = [rectangles(start, turn, (middle - half, 0.0), (middle + half, DOOR_CLEARANCE_M))]
        if opening.asset is None:
            zones.append(rectangles(start, turn, (along[0], 0.0), (along[1], OPEN_CLEARANCE_M)))
        self.kept = np.vstack([self.kept, *zones])
        point = start + middle * _ALONG[turn] + DOOR_CLEARANCE_M / 2 * _INTO[turn]
        cell = ((point - self.low) / _PITCH_M).astype(int)
        return [(int(cell[0]), int(cell[1]))]

    def _cells(self, rectangle: Vector, margin: float | Vector) -> Cells:
        """Cells of the raster whose centres lie inside a rectangle grown by a margin, one or along x and y."""
        first = np.ceil((rectangle[:2] - margin - self.low) / _PITCH_M - 0.5).astype(int).clip(0)
        last = np.floor((rectangle[2:] + margin - self.low) / _PITCH_M - 0.5).astype(int).clip(-1) + 1
        return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))

    def along_walls(self, width: float, depth: float, front: float, tall: bool, corner: bool) -> Places:
        """Free places with the back to a wall, all of them or only those at a wall's ends.

        Args:
            width: m, along the wall.
            depth: m, into the room.
            front: m, beyond its depth that have to be free of solids.
            tall: Whether it would hide a window.
            corner: Whether to stand at an end of a wall only.
        """
        origins, turns = [], []
        for start, length, turn in zip(self._start, self._length, self._turn, strict=True):
            room = length - width - 2 * WALL_GAP_M
            if room < 0:
                continue
            offsets = np.array([0.0, room]) if corner else np.linspace(0.0, room, int(room / _STEP_M) + 2)
            origins.append(start + (offsets + WALL_GAP_M)[:, None] * _ALONG[turn] + WALL_GAP_M * _INTO[turn])
            turns.append(np.full(len(offsets), turn))
        if not origins:
            return Places(np.empty((0, 2)), np.empty(0, np.int64))
        return self._free(np.concatenate(origins), np.concatenate(turns), width, depth, front, tall, 0.0)

    def in_the_middle(self, width: float, depth: float, margin: float) -> Places:
        """Free places that have a margin (m) of floor all around, in any turn."""
        grid = np.stack(
            np.meshgrid(*(np.arange(a, b, _LATTICE_M) for a, b in zip(self.low, self.high, strict=True))), -1
        )
        points = grid.reshape(-1, 2)
        turns = np.repeat(np.arange(4), len(points))
        return self._free(np.tile(points, (4, 1)), turns, width, depth, 0.0, False, margin)

    def _free(
        self,
        origin: Vector,
        turn: NDArray[np.int64],
        width: float,
        depth: float,
        front: float,
        tall: bool,
        margin: float,
    ) -> Places:
        body = rectangles(origin, turn, (0.0, 0.0), (width, depth))
        around = rectangles(origin, turn, (-margin, -margin), (width + margin, depth + front + margin))
        taken = overlaps(around, self.solids)
        kept = np.vstack([self.kept, self.windows]) if tall else self.kept
        if len(kept):
            taken |= overlaps(body, kept)
        return Places(origin[~taken], turn[~taken])

    def take(self, bodies: Vector, front: Vector | None) -> bool:
        """Put bodies (B, 4) on the floor unless they shut off a door, anything that stands here, or themselves.

        Args:
            bodies: Each on its own, with free floor between them.
            front: (4,) to be kept free from now on.

        Returns:
            Whether they stand now; if not, nothing has changed.
        """
        blocked = self._blocked.copy()
        for body in bodies:
            blocked[self._cells(body, WALKER_M)] = True
        standing = self._standing + [(self._cells(body, _BESIDE), self._cells(body, _BESIDE[::-1])) for body in bodies]
        if not self._walkable(blocked, standing):
            self.refusals += 1
            return False
        self._blocked, self._standing = blocked, standing
        self.solids = np.vstack([self.solids, bodies])
        if front is not None:
            self.kept = np.vstack([self.kept, front])
        return True

    def _walkable(self, blocked: NDArray[np.bool_], standing: list[tuple[Cells, Cells]]) -> bool:
        labels, count = ndimage.label(~blocked)
        if not count or self._doors is None:
            return False
        at_doors = labels[self._doors]
        if at_doors[0] == 0 or (at_doors != at_doors[0]).any():
            return False
        floor = labels == at_doors[0]
        return int(floor.sum()) >= _LEAST_FLOOR and all(
            floor[beside].any() or floor[before].any() for beside, before in standing
        )


def turn_of(start: tuple[float, float] | Vector, end: tuple[float, float] | Vector) -> int:
    """The turn of what stands with its back to a wall that runs from start to end along x or y."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    return (0 if dx > 0 else 2) if abs(dx) > abs(dy) else (1 if dy > 0 else 3)


def wall_length(wall: Wall) -> float:
    """Length of a wall that runs along x or y, m."""
    return abs(wall.end[0] - wall.start[0]) + abs(wall.end[1] - wall.start[1])


def _complement(polygon: Vector) -> Vector:
    """Rectangles (M, 4) that fill what is not inside a polygon of sides along x and y, to 1 m around it."""
    xs = np.unique(np.concatenate([polygon[:, 0], [polygon[:, 0].min() - 1, polygon[:, 0].max() + 1]]))
    ys = np.unique(np.concatenate([polygon[:, 1], [polygon[:, 1].min() - 1, polygon[:, 1].max() + 1]]))
    x, y = np.meshgrid((xs[1:] + xs[:-1]) / 2, (ys[1:] + ys[:-1]) / 2, indexing="ij")
    # A point is inside if a ray in +x crosses an odd number of the sides along y.
    a, b = polygon, np.roll(polygon, -1, 0)
    upright = a[:, 0] == b[:, 0]
    a, b = a[upright], b[upright]
    between = (np.minimum(a[:, 1], b[:, 1]) < y[..., None]) & (y[..., None] < np.maximum(a[:, 1], b[:, 1]))
    inside = (between & (a[:, 0] > x[..., None])).sum(-1) % 2 == 1
    i, j = np.nonzero(~inside)
    return np.stack([xs[i], ys[j], xs[i + 1], ys[j + 1]], -1)
