"""The Attributes observation: lateral state, its derivative and the state to be held, as control theory wants them.

Source: highway-env 1.12, `envs/lane_keeping_env.py` and `envs/common/observation.py` (``AttributesObservation``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.dynamics import AXLE, FRICTION, INERTIA, MAX_YAW_RATE, derivative
from foveal.envs.driving.lanes import heading_at, to_lane
from foveal.envs.driving.motion import fastest
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.roads import Name, Road
from foveal.envs.driving.traffic import (
    ACCELERATION,
    HEADING,
    LATERAL_SPEED,
    SPEED,
    STEERING,
    TARGET_LANE,
    YAW_RATE,
    X,
    Y,
)
from foveal.kernels import LIGHT, kernel, launch
from foveal.rng import uniform

ATTRIBUTES = ("state", "derivative", "reference_state")
FARTHEST_START = 1000.0  # m from the world's origin
_NOISE = 1 << 41  # where the noise begins in the episode's random stream


class Noise(NamedTuple):
    """Half the width of the uniform noise on each entry."""

    state: float
    derivative: float


class Attributes:
    """Observations {name: (4, 1) float64} of a single row: y, heading, lateral speed and yaw rate, in SI units.

    "state" and its "derivative" have noise; "reference_state" is the place and heading on the target lane's centre
    that the ego ought to have, and zeros. Bounds are what the time limit lets the tyre model reach.

    Args:
        sight: What there is to be seen.
        attributes: Names from `ATTRIBUTES`.
        noise: Half the width of the noise.
        high: Largest absolute value of the entries of each of `ATTRIBUTES`, (3, 4).
    """

    def __init__(self, sight: Sight, attributes: Sequence[str], noise: Noise, high: NDArray[np.float64]) -> None:
        self._sight, self._noise = sight, noise
        self._arrays = {name: np.zeros((len(sight.vehicles), 4, 1)) for name in ATTRIBUTES}
        bounds = dict(zip(ATTRIBUTES, high[:, :, None], strict=True))
        self.space = spaces.Dict({name: spaces.Box(-bounds[name], bounds[name], dtype=float) for name in attributes})
        self.array = {name: self._arrays[name] for name in attributes}
        self.observed = None

    @classmethod
    def from_params(cls, p: Any, sight: Sight, road: Road, start: Name) -> Self:
        """See `foveal.envs.driving.observations.Observation`."""
        noise = Noise(p.state_noise, p.derivative_noise)
        lasts, dt = p.duration + 2 / p.policy_frequency, 1 / p.simulation_frequency
        return cls(sight, p.observation_attributes, noise, _bounds(lasts, dt, fastest(p), noise))

    def observe(self, rows: NDArray[np.int64]) -> None:
        """Write the observations of these rows into `array`."""
        launch(observe_rows, rows.size, rows, self._sight, self._noise, *self._arrays.values(), grain=LIGHT)


def _bounds(lasts: float, dt: float, speed: float, noise: Noise) -> NDArray[np.float64]:
    """Largest absolute entries (3, 4) after `lasts` s at no more than `speed`, by the tyre model's largest rates."""
    force = 4 * FRICTION * (np.pi / 2 + np.pi)  # N, of both tyres: arc tangents lie within pi
    yaw_rate = MAX_YAW_RATE + dt * (AXLE / INERTIA * force + 4 * MAX_YAW_RATE)
    sliding = force + yaw_rate * speed
    lateral = sliding * lasts
    place, heading = FARTHEST_START + (speed + lateral) * lasts, 2 * np.pi + yaw_rate * lasts
    state = np.array([place, heading, lateral, yaw_rate]) + noise.state
    rates = [speed + lateral, yaw_rate, sliding + 2 * lateral, AXLE / INERTIA * force + 2 * yaw_rate]
    reference = [4 * place, 2 * np.pi, 1.0, 1.0]  # the last two are 0, but checkers refuse a space without extent
    return np.array([state, np.array(rates) + noise.derivative, reference])


@kernel
def observe_rows(start, stop, rows, sight, noise, states, derivatives, references):
    """Row kernel: write the attributes (4, 1) of each row's ego."""
    for k in range(start, stop):
        r = rows[k]
        t, ego = sight.traffic[r], sight.egos[r, 0]
        x, y, heading = t[X, ego], t[Y, ego], t[HEADING, ego]
        lateral, yaw_rate = t[LATERAL_SPEED, ego], t[YAW_RATE, ego]
        rates = derivative(heading, t[SPEED, ego], lateral, yaw_rate, t[STEERING, ego], t[ACCELERATION, ego])
        lane = int(t[TARGET_LANE, ego])
        along, across = to_lane(sight.lanes, lane, x, y)
        state, rate, reference = states[r], derivatives[r], references[r]
        state[0, 0], state[1, 0], state[2, 0], state[3, 0] = y, heading, lateral, yaw_rate
        rate[0, 0], rate[1, 0], rate[2, 0], rate[3, 0] = rates[1], rates[2], rates[4], rates[5]
        reference[0, 0], reference[1, 0] = y - across, heading_at(sight.lanes, lane, along)
        for n in range(4):
            draw = _NOISE + sight.steps[r] * 8 + n
            state[n, 0] += noise.state * (2 * uniform(sight.seed[r], sight.episode[r], draw) - 1)
            rate[n, 0] += noise.derivative * (2 * uniform(sight.seed[r], sight.episode[r], draw + 4) - 1)
