"""The KinematicsGoal observation: what the ego is, and what it should become, as goal-conditioned learners want it.

Source: highway-env 1.12, `envs/common/observation.py` (``KinematicsGoalObservation``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.motion import fastest
from foveal.envs.driving.observations.kinematics import place_or_velocity
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.traffic import COS, SIN
from foveal.kernels import LIGHT, kernel, launch

FEATURES = ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h")
MOST_AWAY = 200.0  # m from the world's origin where an ego begins; what collisions may push it in all


class KinematicsGoal:
    """Observations {"observation", "achieved_goal", "desired_goal"}, each (F,) float64 of a single row.

    The first two are the ego's features and the third those of the goal, which is the first road object; all in the
    world frame and divided by their scales. Bounds are what the time limit and the speed limit let the ego reach.

    Args:
        sight: What there is to be seen.
        features: Names from `FEATURES`.
        scales: What each feature is divided by.
        fastest: m/s that the ego can reach.
        furthest: m from the world's origin that it can reach along each axis.
    """

    def __init__(
        self, sight: Sight, features: Sequence[str], scales: Sequence[float], *, fastest: float, furthest: float
    ) -> None:
        self._sight = sight
        self._features = np.array([FEATURES.index(name) for name in features])
        self._scales = np.array(scales, np.float64)
        bounds = dict.fromkeys(("x", "y"), furthest) | dict.fromkeys(("vx", "vy"), fastest)
        high = np.array([bounds.get(name, 1.0) for name in features]) / self._scales
        low = np.where(np.array(features) == "presence", 0.0, -high)
        names = ("observation", "achieved_goal", "desired_goal")
        self.space = spaces.Dict({name: spaces.Box(low, high, dtype=np.float64) for name in names})
        self.array = {name: np.zeros((len(sight.vehicles), len(features))) for name in names}
        self.observed = None

    @classmethod
    def from_params(cls, p: Any, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        most = fastest(p)
        lasts = p.duration + 2 / p.policy_frequency
        return cls(
            sight,
            p.observation_features,
            p.observation_scales,
            fastest=most,
            furthest=MOST_AWAY + 2 * most * lasts,
        )

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        ego, achieved, goal = self.array.values()
        launch(
            observe_rows, rows.size, rows, self._sight, self._features, self._scales, ego, achieved, goal, grain=LIGHT
        )


@kernel
def observe_rows(start, stop, rows, sight, features, scales, ego, achieved, goal):
    """Row kernel: write the three vectors (F,) of each row."""
    for k in range(start, stop):
        r = rows[k]
        t = sight.traffic[r]
        for f in range(features.size):
            ego[r, f] = achieved[r, f] = feature(t, sight.egos[r, 0], features[f]) / scales[f]
            goal[r, f] = feature(t, sight.objects, features[f]) / scales[f]


@kernel
def feature(t, i, name):
    """One feature, by its place in FEATURES, of vehicle or object `i` in the world frame."""
    if name == 0:
        return 1.0
    if name <= 4:
        return place_or_velocity(t, i, name)
    return t[COS, i] if name == 5 else t[SIN, i]
