"""The Tuple observation: several kinds at once.

Source: highway-env 1.12, `envs/common/observation.py` (``TupleObservation``), whose kinds have settings of their own;
here kinds that share a parameter share its value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving import observations
from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road


class Several:
    """A tuple of what each of its kinds shows; who is in which slot is told by the first that knows."""

    def __init__(self, kinds: Sequence[observations.Observation]) -> None:
        self._kinds = tuple(kinds)
        self.space = spaces.Tuple([kind.space for kind in kinds])
        self.array = tuple(kind.array for kind in kinds)
        self.observed = next((kind.observed for kind in kinds if kind.observed is not None), None)
        self.memory: dict[str, NDArray[Any]] = {
            f"{name}_{place}": array
            for place, kind in enumerate(kinds)
            for name, array in observations.memory(kind).items()
        }

    @classmethod
    def from_params(cls, p: ObservationParams, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        alone = [dataclasses.replace(p, observation=name) for name in p.observation_tuple]
        return cls([observations.make_observation(one, sight, road, start) for one in alone])

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        for kind in self._kinds:
            kind.observe(rows)

    def begin(self, rows: NDArray[np.int64]) -> None:
        """See `foveal.envs.driving.observations`."""
        for kind in self._kinds:
            observations.begin(kind, rows)

    def recall(self, rows: NDArray[np.int64]) -> None:
        """See `foveal.envs.driving.observations`."""
        for kind in self._kinds:
            observations.recall(kind, rows)
