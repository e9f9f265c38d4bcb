"""What an ego sees: the kinds of observation, by highway-env's names.

A kind is a class with `from_params`, `space` (of a single row), `array` (N, ...) or a dict or tuple of such, `observe`,
which writes some rows of it, and `observed` (N, E, S), who is in which slot, or None.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.observations.attributes import Attributes
from foveal.envs.driving.observations.goal import KinematicsGoal
from foveal.envs.driving.observations.kinematics import Exit, Kinematics
from foveal.envs.driving.observations.lidar import Lidar
from foveal.envs.driving.observations.occupancy_grid import OccupancyGrid
from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.several import Several
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.observations.time_to_collision import TimeToCollision
from foveal.envs.driving.observations.top_down import TopDown
from foveal.envs.driving.roads import Name, Road


class Observation(Protocol):
    """One kind of observation of N rows."""

    space: spaces.Space[Any]
    array: Any
    observed: NDArray[np.int64] | None

    @classmethod
    def from_params(cls, p: Any, sight: Sight, road: Road, start: Name) -> Self:
        """Make one by the parameters of a world, whose ego starts on this lane of this road."""
        ...

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows."""
        ...


KINDS: dict[str, type[Any]] = {
    "Kinematics": Kinematics,
    "OccupancyGrid": OccupancyGrid,
    "TimeToCollision": TimeToCollision,
    "Exit": Exit,
    "Lidar": Lidar,
    "TopDown": TopDown,
    "Tuple": Several,
    "KinematicsGoal": KinematicsGoal,
    "Attributes": Attributes,
}
"""By name: those of `foveal.envs.driving.observations.params.OBSERVATIONS`, and those of one world only."""


def make_observation(p: ObservationParams, sight: Sight, road: Road, start: Name) -> Observation:
    """The kind of observation that the parameters name."""
    made: Observation = KINDS[p.observation].from_params(p, sight, road, start)
    return made


def begin(kind: Observation, rows: NDArray[np.int64]) -> None:
    """Write the first observations of these rows' episodes."""
    getattr(kind, "begin", kind.observe)(rows)


def recall(kind: Observation, rows: NDArray[np.int64]) -> None:
    """Write the observations of these rows anew, after the world's state was restored."""
    getattr(kind, "recall", kind.observe)(rows)


def memory(kind: Observation) -> dict[str, NDArray[Any]]:
    """The arrays (N, ...) that the world's state must hold for this kind."""
    held: dict[str, NDArray[Any]] = getattr(kind, "memory", {})
    return held
