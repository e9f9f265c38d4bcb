"""The OccupancyGrid observation: a map of the ego's surroundings, one layer a feature.

Source: highway-env 1.12, `envs/common/observation.py` (``OccupancyGridObservation``).

The layer "on_road" marks the cells of points that lie a grid step apart on the centre lines of all lanes. They are
counted from 100 m before the place that the ego has along each lane, so they move with it and cannot be laid once and
for all; but only those are laid that the grid can hold, which a bound on their distance along the lane tells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import CIRCULAR, POLYLINE, SINE, from_lane, to_lane
from foveal.envs.driving.observations.kinematics import Choice, feature
from foveal.envs.driving.observations.params import GRID_FEATURES
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.traffic import COS, SIN, X, Y
from foveal.envs.params import did_you_mean
from foveal.kernels import kernel, launch

PERCEPTION = 100.0  # m along each lane, either way, within which the road is seen
ON_ROAD = 13  # place of "on_road" in GRID_FEATURES
_UNIT = ("presence", "cos_h", "sin_h", "cos_d", "sin_d", "on_road")


class Grid(NamedTuple):
    """Where the cells are, as kernels read it."""

    low_x: float  # m, from the ego
    low_y: float
    step_x: float  # m
    step_y: float
    spacing: float  # m between the points of a lane
    reach: float  # m from the ego to the furthest corner
    aligned: bool
    image: bool
    lanes: int


class OccupancyGrid:
    """Observations (E, F, X, Y) of E egos, (F, X, Y) of a single one: F features in cells along x and y.

    A cell holds the feature of the vehicle in it, of several the first in list order, and 0 where there is none. Places
    and velocities are relative to the ego's, and velocities are scaled.

    Args:
        sight: What there is to be seen.
        lanes: How many lanes there are.
        features: Names from `GRID_FEATURES`.
        size: Lowest and highest x, then y, metres from the ego.
        step: Size of a cell along x and y, metres.
        range_vx: m/s that is mapped to 1.
        range_vy: m/s that is mapped to 1.
        aligned: The axes are the ego's (x ahead), not the world's.
        clip: Clip values to [-1, 1].
        as_image: uint8, with [-1, 1] mapped to [0, 255] and 0 for nothing.

    Raises:
        ValueError: for an unknown feature (it names the nearest).
    """

    def __init__(
        self,
        sight: Sight,
        lanes: int,
        *,
        features: Sequence[str] = ("presence", "vx", "vy", "on_road"),
        size: Sequence[float] = (-27.5, 27.5, -27.5, 27.5),
        step: Sequence[float] = (5.0, 5.0),
        range_vx: float = 80.0,
        range_vy: float = 80.0,
        aligned: bool = False,
        clip: bool = True,
        as_image: bool = False,
    ) -> None:
        for name in features:
            if name not in GRID_FEATURES:
                raise ValueError(f"unknown observation feature {name!r}{did_you_mean(name, list(GRID_FEATURES))}")
        rows, egos = sight.egos.shape
        reaches = {"vx": range_vx, "vy": range_vy}
        self._sight = sight
        self._choice = Choice(
            features=np.array([GRID_FEATURES.index(name) for name in features]),
            ranges=np.array([(-reaches.get(name, np.nan), reaches.get(name, np.nan)) for name in features]),
            absolute=False,
            clip=clip or as_image,
            see_behind=True,
            intentions=True,
            shuffled=False,
            exit_lane=-1,
        )
        low_x, high_x, low_y, high_y = map(float, size)
        step_x, step_y = map(float, step)
        self._grid = Grid(
            low_x=low_x,
            low_y=low_y,
            step_x=step_x,
            step_y=step_y,
            spacing=min(step_x, step_y),
            reach=math.hypot(max(abs(low_x), abs(high_x)), max(abs(low_y), abs(high_y))) + 1e-6,
            aligned=aligned,
            image=as_image,
            lanes=lanes,
        )
        cells = math.floor((high_x - low_x) / step_x), math.floor((high_y - low_y) / step_y)
        shape = (*((egos,) if egos > 1 else ()), len(features), *cells)
        self.space = _space(features, shape, clip, as_image)
        self.array: NDArray[Any] = np.zeros((rows, *shape), self.space.dtype)
        self.observed = None

    @classmethod
    def from_params(cls, p: Any, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        return cls(
            sight,
            len(road.names()),
            features=p.observation_features,
            size=p.observation_grid_size,
            step=p.observation_grid_step,
            range_vx=p.observation_range_vx,
            range_vy=p.observation_range_vy,
            aligned=p.observation_align_to_vehicle_axes,
            clip=p.observation_clip,
            as_image=p.observation_as_image,
        )

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        array = self.array.reshape(*self._sight.egos.shape, *self.array.shape[-3:])  # (N, E, F, X, Y), of one ego too
        launch(observe_rows, rows.size, rows, self._sight, self._choice, self._grid, array)


def _space(features: Sequence[str], shape: tuple[int, ...], clip: bool, as_image: bool) -> spaces.Box:
    if as_image:
        return spaces.Box(0, 255, shape, np.uint8)
    high = np.array([1.0 if name in _UNIT or clip else np.inf for name in features])
    low = np.where(np.isin(features, ("presence", "on_road")), 0.0, -high)
    low, high = (np.broadcast_to(bound[:, None, None], shape).astype(np.float32) for bound in (low, high))
    return spaces.Box(low, high)


@kernel
def observe_rows(start, stop, rows, sight, choice, grid, array):
    """Row kernel: write the observations (E, F, X, Y) of each row."""
    for k in range(start, stop):
        r = rows[k]
        t = sight.traffic[r]
        for e in range(sight.egos.shape[1]):
            ego, cells = sight.egos[r, e], array[r, e]
            cells[:] = 0
            for i in range(sight.vehicles[r] - 1, -1, -1):  # of several in one cell the first in the list stays
                fill(t, sight, ego, i, choice, grid, cells)
            for f in range(choice.features.size):
                if choice.features[f] == ON_ROAD:
                    pave(t, sight.lanes, ego, grid, cells[f])


@kernel
def fill(t, sight, ego, i, choice, grid, cells):
    """Write what the ego sees of vehicle `i` into its cell (F, X, Y)."""
    column, line = cell_of(t, ego, t[X, i] - t[X, ego], t[Y, i] - t[Y, ego], grid)
    if not (0 <= column < cells.shape[1] and 0 <= line < cells.shape[2]):
        return
    for f in range(choice.features.size):
        name = choice.features[f]
        if name == ON_ROAD:
            continue
        value = 0.0
        if i != ego or not 1 <= name <= 4:
            value = feature(t, sight.lanes, sight.graph, ego, i, name, choice)
        low, high = choice.ranges[f, 0], choice.ranges[f, 1]
        if low == low:
            value = -1 + (value - low) * 2 / (high - low)
        if choice.clip:
            value = min(max(value, -1.0), 1.0)
        cells[f, column, line] = math.floor((value + 1) / 2 * 255) if grid.image else value


@kernel
def cell_of(t, ego, x, y, grid):
    """The cell of a place (x, y), metres from the ego; it may lie beyond the grid."""
    if grid.aligned:
        cos, sin = t[COS, ego], t[SIN, ego]
        x, y = cos * x + sin * y, cos * y - sin * x
    return math.floor((x - grid.low_x) / grid.step_x), math.floor((y - grid.low_y) / grid.step_y)


@kernel
def pave(t, lanes, ego, grid, cells):
    """Mark the cells (X, Y) in which there are points of lanes."""
    for lane in range(grid.lanes):
        here, across = to_lane(lanes, lane, t[X, ego], t[Y, ego])
        window, period = window_of(lanes, lane, here, across, grid.reach)
        if window < 0:
            continue
        # As numpy.arange counts: its step is the difference of its first two values.
        first = here - PERCEPTION
        step = (first + grid.spacing) - first
        count = math.ceil(((here + PERCEPTION) - first) / grid.spacing)
        length = lanes[lane, ln.LENGTH]
        if first < 0:  # points before the lane's start are put there, those beyond its end at the end
            mark(t, lanes, ego, lane, 0.0, grid, cells)
        if first + (count - 1) * step > length:
            mark(t, lanes, ego, lane, length, grid, cells)
        for turn in range(-1 if period > 0 else 0, 2 if period > 0 else 1):
            low = max(here + turn * period - window, 0.0)
            high = min(here + turn * period + window, length)
            last = min(math.ceil((high - first) / step), count - 1)
            for n in range(max(math.floor((low - first) / step), 0), last + 1):
                along = first + n * step
                if 0 <= along <= length:
                    mark(t, lanes, ego, lane, along, grid, cells)


@kernel
def window_of(lanes, lane, here, across, reach):
    """How far along the lane, either way from the ego's place on it, points may lie within `reach` of the ego.

    It is negative where none do. The second number is the lane's circumference, m, if other windows lie that far away:
    an angle of a circle is known up to whole turns.
    """
    g = lanes[lane]
    kind = g[ln.KIND]
    if kind == POLYLINE:
        return 2 * PERCEPTION, 0.0
    if kind == CIRCULAR:
        radius, away = g[ln.RADIUS], g[ln.RADIUS] - g[ln.TURN] * across
        if abs(across) > reach:
            return -1.0, 0.0
        cos = (away * away + radius * radius - reach * reach) / max(2 * away * radius, 1e-9)
        if cos <= -1:
            return 4 * np.pi * radius, 0.0
        return radius * math.acos(min(cos, 1.0)) + 1e-6, 2 * np.pi * radius
    beside = abs(across)
    if kind == SINE:
        swing = g[ln.AMPLITUDE] * math.sin(g[ln.PULSATION] * here + g[ln.PHASE])
        beside = max(abs(across + swing) - abs(g[ln.AMPLITUDE]), 0.0)
    if beside > reach:
        return -1.0, 0.0
    return math.sqrt(reach * reach - beside * beside) + 1e-6, 0.0


@kernel
def mark(t, lanes, ego, lane, along, grid, cells):
    """Mark the cell of a point on a lane's centre line."""
    x, y = from_lane(lanes, lane, along, 0.0)
    column, line = cell_of(t, ego, x - t[X, ego], y - t[Y, ego], grid)
    if 0 <= column < cells.shape[0] and 0 <= line < cells.shape[1]:
        cells[column, line] = 255 if grid.image else 1
