"""How an ego is driven: meta-actions, or acceleration and steering, as numbers or on a grid.

Source: highway-env 1.12, `envs/common/action.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.conduct import FASTER, IDLE, LANE_LEFT, LANE_RIGHT, SLOWER
from foveal.envs.driving.lanes import is_reachable
from foveal.envs.driving.traffic import LANE, SPEED_INDEX, X, Y
from foveal.kernels import kernel

ACTIONS = ("DiscreteMeta", "Continuous", "Discrete")
META_ACTIONS = ("LANE_LEFT", "IDLE", "LANE_RIGHT", "FASTER", "SLOWER")
_ALONG, _ACROSS = (SLOWER, IDLE, FASTER), (LANE_LEFT, IDLE, LANE_RIGHT)


class Controls:
    """One kind of action, for E egos.

    Args:
        kind: One of `ACTIONS`.
        egos: E.
        longitudinal: Speed is the agent's to choose.
        lateral: Lane or steering is the agent's to choose.
        acceleration: Largest acceleration, m/s^2, of either sign.
        steering: Largest steering angle, rad, of either sign.
        per_axis: Steps of each axis of "Discrete".
    """

    def __init__(
        self,
        kind: str,
        egos: int = 1,
        *,
        longitudinal: bool = True,
        lateral: bool = True,
        acceleration: float = 5.0,
        steering: float = np.pi / 4,
        per_axis: int = 3,
    ) -> None:
        self.meta = kind == "DiscreteMeta"
        self._egos = egos
        self._scale = np.array([acceleration, steering], np.float32)
        self._axes = [axis for axis, used in enumerate((longitudinal, lateral)) if used]
        self._table: NDArray[Any] | None = None
        if self.meta:
            chosen = range(5) if longitudinal and lateral else _ALONG if longitudinal else _ACROSS
            self._table = np.array(chosen, np.int64)
            self.names = tuple(META_ACTIONS[action] for action in chosen)
        elif kind == "Discrete":
            steps = np.linspace(np.float32(-1), np.float32(1), per_axis, dtype=np.float32)
            self._table = np.array(list(itertools.product(*[steps] * len(self._axes))))
            self.names = tuple("/".join(f"{value:+.2g}" for value in row) for row in self._table)
        else:
            self.names = tuple(name for name, used in (("acceleration", longitudinal), ("steering", lateral)) if used)

    @property
    def space(self) -> spaces.Space[Any]:
        """The single action space: Discrete, or Box in [-1, 1]; with several egos one entry each."""
        if self._table is None:
            shape = (len(self._axes),) if self._egos == 1 else (self._egos, len(self._axes))
            return spaces.Box(-1.0, 1.0, shape, np.float32)
        if self._egos == 1:
            return spaces.Discrete(len(self._table))
        return spaces.MultiDiscrete([len(self._table)] * self._egos)

    @property
    def idle(self) -> NDArray[Any]:
        """The action of one ego that changes nothing, or, on a grid without zero, least."""
        if self._table is None:
            return np.zeros(len(self._axes), np.float32)
        least = np.argmin(np.abs(self._table - IDLE if self.meta else np.abs(self._table).sum(1)))
        return np.asarray(least)

    def split(self, actions: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Meta-actions (N, E) and acceleration and steering (N, E, 2) of a batch of actions."""
        rows = len(actions)
        meta, controls = np.full((rows, self._egos), IDLE), np.zeros((rows, self._egos, 2))
        if self.meta:
            assert self._table is not None
            return self._table[actions].reshape(rows, self._egos), controls
        values = actions if self._table is None else self._table[actions]
        scale = self._scale[self._axes]  # float32, and mapped in this order: so highway-env rounds
        controls[:, :, self._axes] = -scale + (values.reshape(rows, self._egos, -1) + 1) * (2 * scale) / 2
        return meta, controls

    def mask(self, able: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which actions would change something, (N, A), or (N, E, A) of several egos; of meta-actions: (N, E, 5)."""
        assert self._table is not None
        return able[:, 0, self._table] if self._egos == 1 else able[:, :, self._table]


@kernel
def able_rows(start, stop, rows, traffic, egos, lanes, last_speed, able):
    """Row kernel: which meta-actions (5,) of each ego are not in vain."""
    for k in range(start, stop):
        r = rows[k]
        t = traffic[r]
        for e in range(egos.shape[1]):
            ego, may = egos[r, e], able[r, e]
            lane = int(t[LANE, ego])
            place, siblings = lanes[lane, ln.PLACE], lanes[lane, ln.SIBLINGS]
            may[IDLE] = True
            may[LANE_LEFT] = place > 0 and is_reachable(lanes, lane - 1, t[X, ego], t[Y, ego])
            may[LANE_RIGHT] = place < siblings - 1 and is_reachable(lanes, lane + 1, t[X, ego], t[Y, ego])
            may[FASTER] = t[SPEED_INDEX, ego] < last_speed
            may[SLOWER] = t[SPEED_INDEX, ego] > 0
