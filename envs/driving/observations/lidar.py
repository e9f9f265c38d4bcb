"""The Lidar observation: how far it is to the nearest thing in each direction, and how fast that goes away.

Source: highway-env 1.12, `envs/common/observation.py` (``LidarObservation``) and `utils.py` (``distance_to_rect``).
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.traffic import COS, KIND, LANDMARK, LENGTH, SIN, SPEED, WIDTH, X, Y
from foveal.kernels import inlined, kernel, launch

LONGEST = 100.0  # m: nothing on a road is longer; what an ego stands inside of begins at most so far behind it


class Beams(NamedTuple):
    """The beams as kernels read them."""

    directions: NDArray[np.float64]  # (B, 2) unit vectors
    angle: float  # rad between two of them
    reach: float  # m
    unit: float  # what distances, m, and speeds, m/s, are divided by


class Lidar:
    """Observations (E, B, 2) float32 of E egos, (B, 2) of a single one.

    Beam b points into the direction b x 2 pi / B, from +x towards +y, whatever the ego's heading. Column 0 is the
    distance to the nearest vehicle or obstacle there, column 1 the speed at which
    that moves away along the beam, m/s. A beam that meets nothing has the range in both columns. A thing counts in the
    beam of its centre too, from its centre less half its width. Landmarks are not seen.

    Args:
        sight: What there is to be seen.
        cells: Beams B.
        maximum_range: Metres; what has its centre further away is not seen.
        normalize: Divide both columns by the range.
    """

    observed = None

    def __init__(self, sight: Sight, *, cells: int = 16, maximum_range: float = 60.0, normalize: bool = True) -> None:
        self._sight = sight
        rows, egos = sight.egos.shape
        angle = 2 * np.pi / cells
        around = np.arange(cells) * angle
        unit = maximum_range if normalize else 1.0
        self._beams = Beams(np.stack([np.cos(around), np.sin(around)], 1), angle, maximum_range, unit)
        shape = (cells, 2) if egos == 1 else (egos, cells, 2)
        low = np.broadcast_to(np.array([-LONGEST / unit, -np.inf], np.float32), shape)
        high = np.broadcast_to(np.array([maximum_range / unit, np.inf], np.float32), shape)
        self.space = spaces.Box(low, high, dtype=np.float32)
        self.array = np.zeros((rows, *shape), np.float32)

    @classmethod
    def from_params(cls, p: ObservationParams, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        return cls(
            sight,
            cells=p.observation_cells,
            maximum_range=p.observation_maximum_range,
            normalize=p.observation_normalize,
        )

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        array = self.array.reshape(*self._sight.egos.shape, -1, 2)  # (N, E, B, 2), of a single ego too
        launch(observe_rows, rows.size, rows, self._sight, self._beams, array)


@kernel
def observe_rows(start, stop, rows, sight, beams, array):
    """Row kernel: write the observations (E, B, 2) of each row."""
    for k in range(start, stop):
        r = rows[k]
        t, count = sight.traffic[r], sight.vehicles[r]
        for e in range(sight.egos.shape[1]):
            ego, echoes = sight.egos[r, e], array[r, e]
            echoes[:] = beams.reach
            for i in range(t.shape[1]):
                if i != ego and not count <= i < sight.objects and t[KIND, i] != LANDMARK:
                    scan(t, ego, i, beams, echoes)
            for b in range(echoes.shape[0]):
                echoes[b, 0] /= beams.unit
                echoes[b, 1] /= beams.unit


@kernel
def scan(t, ego, i, beams, echoes):
    """Take one thing into account: in the beam of its centre, then in those of its corners and between them."""
    dx, dy = t[X, i] - t[X, ego], t[Y, i] - t[Y, ego]
    away = math.sqrt(dx * dx + dy * dy)
    if away > beams.reach:
        return
    vx = t[SPEED, i] * t[COS, i] - t[SPEED, ego] * t[COS, ego]
    vy = t[SPEED, i] * t[SIN, i] - t[SPEED, ego] * t[SIN, ego]
    half = beams.angle / 2
    note(beams, echoes, beam_at(math.atan2(dy, dx) + half, beams), away - t[WIDTH, i] / 2, vx, vy)
    length, width, cos, sin = t[LENGTH, i] / 2, t[WIDTH, i] / 2, t[COS, i], t[SIN, i]
    least, most = np.inf, -np.inf
    for corner in range(4):
        along, across = (length if corner >= 2 else -length), (width if corner in (1, 2) else -width)
        x = cos * along - sin * across + t[X, i] - t[X, ego]
        y = sin * along + cos * across + t[Y, i] - t[Y, ego]
        angle = math.atan2(y, x) + half
        least, most = min(least, angle), max(most, angle)
    if least < -np.pi / 2 and most > np.pi / 2:  # it lies across the direction in which angles wrap
        least, most = most, least + 2 * np.pi
    first, last = beam_at(least, beams), beam_at(most, beams)
    cells = echoes.shape[0]
    for n in range(last - first + 1 if first < last else cells - first + last + 1):
        b = (first + n) % cells
        note(beams, echoes, b, distance_to(dx, dy, length, width, cos, sin, beams, b), vx, vy)


@inlined
def note(beams, echoes, b, distance, vx, vy):
    """Keep an echo in beam `b` if it is as near as what is known there."""
    if distance <= echoes[b, 0]:
        echoes[b, 0] = distance
        echoes[b, 1] = vx * beams.directions[b, 0] + vy * beams.directions[b, 1]


@inlined
def beam_at(angle, beams):
    """The beam whose sector an angle lies in that is measured from the edge of the first one's."""
    return math.floor(angle / beams.angle) % beams.directions.shape[0]


@kernel
def distance_to(dx, dy, length, width, cos, sin, beams, b):
    """Metres from the ego along beam `b` to a rectangle (dx, dy) away with these half sides; inf where it misses.

    Negative where the ego stands inside.
    """
    bx, by = beams.directions[b, 0], beams.directions[b, 1]
    low, high = span(dx * cos + dy * sin, length, bx * cos + by * sin)
    low_across, high_across = span(dy * cos - dx * sin, width, by * cos - bx * sin)
    low, high = max(low, low_across), min(high, high_across)
    if low <= high and low <= beams.reach and high >= 0.0:
        return low
    return np.inf


@kernel
def span(middle, half, rate):
    """Where a beam that advances by `rate` a metre enters and leaves the strip within `half` of `middle`."""
    if rate == 0.0:
        inside = abs(middle) < half
        return (-np.inf if inside else np.inf), np.inf
    near, far = (middle - half) / rate, (middle + half) / rate
    return (near, far) if rate > 0.0 else (far, near)
