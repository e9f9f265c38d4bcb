"""What all driving worlds share: scenes of their present and of traced substeps, and the picture from above."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos, Rows
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.rewards import Costs, Rewards
from foveal.envs.driving.risk import Risk
from foveal.envs.overlay import Annotation
from foveal.envs.scene import Lane, Scene, between

_OBJECTS = {tr.OBSTACLE: "obstacle", tr.LANDMARK: "landmark"}


class DrivingWorld(BatchEnv):
    """N rows of traffic as one array; a subclass steps it, and says in `_present` what a row shows."""

    _traffic: NDArray[np.float64]  # (N, K, C)
    _time: NDArray[np.float64]  # (N,) s since the episode began
    _sight: Sight
    _risk: Risk | None = None
    _risk_described: Risk | None = None
    _costs: Costs | None = None
    _other_rewards: Rewards | None = None

    @abstractmethod
    def _present(self, row: int) -> tuple[NDArray[np.int64], int, NDArray[np.int64]]:
        """The columns of a row's traffic that are there, the ego's, and the one in each slot of the observation."""

    @abstractmethod
    def _lanes(self) -> tuple[Lane, ...]:
        """The lanes, as they are drawn."""

    def _ego_columns(self) -> NDArray[np.int64]:
        """The column (N,) of each row's first ego."""
        return np.zeros(self.num_envs, np.int64)

    def ego_features(self, features: Sequence[int]) -> NDArray[np.float64]:
        """Features (N, F) of each row's first ego, by their numbers in `foveal.envs.driving.traffic`."""
        rows = np.arange(self.num_envs)[:, None]
        return self._traffic[rows, np.array(features), self._ego_columns()[:, None]]

    def ego_columns(self) -> NDArray[np.int64]:
        """The column (N,) of each row's first ego in `vehicle_features`."""
        return self._ego_columns().copy()

    def vehicle_features(self, features: Sequence[int]) -> NDArray[np.float64]:
        """Features (N, F, C) of all vehicles and objects, by their numbers in `foveal.envs.driving.traffic`.

        NaN where a column is empty. Needs ``risk=True``, or another parameter that makes a highway read as a road.
        """
        column = np.arange(self._traffic.shape[2])
        there = (column < self._sight.vehicles[:, None]) | (column >= self._sight.objects)  # (N, C)
        return np.where(there[:, None], self._traffic[:, np.array(features)], np.nan)

    def _equip(self, lane_count: int, slots: int, observed: NDArray[np.int64] | None) -> dict[str, NDArray[Any]]:
        """Make what the parameters ask for of risk, costs and rewards; returns the state of it.

        Args:
            lane_count: L.
            slots: S, of the observation.
            observed: (N, E, S) who is in which slot, or None.
        """
        p: Any = self.params
        self._risk = self._risk_described = self._costs = self._other_rewards = None
        if p.risk:
            self._risk = Risk(self._sight, lane_count, slots, observed)
            # Apart, for scenes: what an info views must hold until the next step.
            self._risk_described = Risk(self._sight, lane_count, slots, observed)
        if p.cost:
            self._costs = Costs(p.cost_headway, self._sight)
        if p.reward == "default":
            return {}
        self._other_rewards = Rewards(p, self._sight, self._rewards, self._terminated)
        return {"progress": self._other_rewards.state}

    @property
    def _assesses(self) -> bool:
        """Whether the parameters ask for anything of it."""
        return self._risk is not None or self._costs is not None or self._other_rewards is not None

    def _assess(self, rows: Rows, *, begun: bool = False, restored: bool = False) -> None:
        """Judge these rows by what the parameters ask for: of their last step, or as they begin or were restored."""
        if self._other_rewards is not None and begun:
            self._other_rewards.begin(rows)
        elif self._other_rewards is not None and not restored:
            self._other_rewards.judge(rows)
        if self._costs is not None:
            self._costs.judge(rows)
        if self._risk is not None:
            self._risk.measure(rows)

    def _assessment(self) -> Infos:
        """What infos tell of it."""
        info: Infos = {}
        if self._other_rewards is not None:
            info["rewards"] = self._other_rewards.info()
        if self._costs is not None:
            info["cost"] = self._costs.info()
        if self._risk is not None:
            info["risk"] = self._risk.info()
        return info

    def _allocate_trace(self, frames: int, step_time: float) -> None:
        """Room for the substeps of the traced rows: `frames` of them in `step_time` seconds."""
        traced = self.trace_rows.size
        self._trace_slot = np.full(self.num_envs, -1, np.int64)
        self._trace_slot[self.trace_rows] = np.arange(traced)
        self._trace = np.zeros((traced, frames, self._traffic.shape[2], len(tr.TRACED)))
        self._trace_times = np.linspace(0, step_time, frames + 1)[1:]
        self._trace_begin: list[tuple[float, Any] | None] = [None] * traced

    def _note_trace(self) -> None:
        """Note what a step of the traced rows begins with; to be called before it."""
        for slot, row in enumerate(self.trace_rows):
            self._trace_begin[slot] = (float(self._time[row]), self._present(row)) if self._active[row] else None

    def describe(self, rows: Sequence[int]) -> list[Scene]:
        """See `BatchEnv.describe`."""
        scenes, checked = [], self._check_rows(rows)
        if self._risk_described is not None:
            self._risk_described.measure(checked)
        for r in checked.tolist():
            present = self._present(r)
            scene = self._scene(self._traffic[r, tr.TRACED].T, float(self._time[r]), present)
            if self._risk_described is not None:
                scene = dataclasses.replace(scene, risk=self._risk_described.scene(r, present[0]))
            scenes.append(scene)
        return scenes

    def trace(self, row: int) -> list[Scene]:
        """See `BatchEnv.trace`."""
        slot = self._trace_slot[self._check_rows([row])[0]]
        if slot < 0:
            raise ValueError(f"row {row} is not traced: trace_rows={self.trace_rows.tolist()}")
        if (begin := self._trace_begin[slot]) is None:
            return []
        return [
            self._scene(state, begin[0] + time, begin[1])
            for state, time in zip(self._trace[slot], self._trace_times.tolist(), strict=True)
        ]

    def _scene(self, state: NDArray[np.float64], time: float, present: Any) -> Scene:
        """The scene of one row's tr.TRACED features (C, T)."""
        columns, ego, observed = present
        x, y, heading, speed, lane, target_lane, crashed, length, width, kind = state[columns].T.copy()
        place_of = {int(column): place for place, column in enumerate(columns)}
        return Scene(
            time_s=time,
            position=np.stack([x, y], axis=-1),
            heading=heading,
            speed=speed,
            size=np.stack([length, width], axis=-1),
            lane=lane.astype(np.int64),
            target_lane=target_lane.astype(np.int64),
            crashed=crashed.astype(np.bool_),
            ego=place_of[int(ego)],
            observed=np.array([place_of.get(int(column), -1) for column in observed], np.int64),
            lanes=self._lanes(),
            kind=tuple(_OBJECTS.get(int(k), "vehicle") for k in kind),
        )

    @property
    def frame_rate(self) -> float:
        """See `BatchEnv.frame_rate`: substeps per second."""
        p: Any = self.params
        return float(p.simulation_frequency)

    def between(self, before: Scene, after: Scene, part: float) -> Scene:
        """See `BatchEnv.between`."""
        return between(before, after, part)

    def draw(self, scene: Scene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: the road from above, `screen_width` x `screen_height` pixels times `zoom`."""
        from foveal.envs.driving import topdown

        p: Any = self.params
        return topdown.draw(
            scene,
            width=round(p.screen_width * zoom),
            height=round(p.screen_height * zoom),
            scaling=p.scaling * zoom,
            centering=p.centering_position,
            annotation=annotation,
        )
