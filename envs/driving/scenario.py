"""Scenarios: a road, its traffic, and what is rewarded, made into a world.

A scenario is a frozen `ScenarioParams` dataclass; `lay`, which lays the road; `spawn`, a row kernel that places the
vehicles of a new episode; and `judge`, a row kernel that rewards and ends. `worlds` makes the batched and the single
world of them; ``docs/scenarios.md`` shows one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Infos, Rows
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.controls import ACTIONS, Controls, able_rows
from foveal.envs.driving.network import Drive, Outcome, Timing, act_rows, step_rows
from foveal.envs.driving.observations import begin, make_observation, memory, recall
from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.options import DrivingParams
from foveal.envs.driving.regulation import FREQUENCY as REGULATIONS
from foveal.envs.driving.regulation import TIMES
from foveal.envs.driving.roads import Name, Network, Road
from foveal.envs.driving.soundness import check_roads_meet, check_start_apart
from foveal.envs.driving.spawning import clear_rows, settle_rows
from foveal.envs.driving.temperaments import shares
from foveal.envs.driving.world import DrivingWorld
from foveal.envs.params import param
from foveal.envs.scene import Lane
from foveal.envs.single import SingleEnv
from foveal.kernels import LIGHT, launch

MOST = 1e9  # in place of no limit
STARTS_TRIED = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScenarioParams(ObservationParams, DrivingParams):
    """What every scenario has; named as in highway-env 1.12 where it has it (nested keys get a prefix)."""

    duration: float = param(MOST, "time limit [s]", low=0.01, high=MOST)
    connected_lanes: bool = param(True, "vehicles see neighbours on lanes that follow and lead to theirs too")
    action: str = param("DiscreteMeta", "kind of action", choices=ACTIONS)
    action_longitudinal: bool = param(True, "speed is the agent's to choose")
    action_lateral: bool = param(True, "lane, or steering, is the agent's to choose")
    action_acceleration: float = param(5.0, "largest acceleration of a continuous action [m/s^2]", low=0, high=50)
    action_steering: float = param(np.pi / 4, "largest steering angle of a continuous action [rad]", low=0, high=1.5)
    action_per_axis: int = param(3, "steps of each axis of a discrete action [1]", low=2, high=64)
    action_dynamical: bool = param(False, "tyres slip, where wheels are steered")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.action_longitudinal or self.action_lateral):
            raise ValueError("action_longitudinal and action_lateral: one of them must be True")


class Scenario(NamedTuple):
    """What a world on a road network is made of.

    Attributes:
        name: Of the batched world; the single one has "Env" behind it.
        params: Class of the parameters.
        lay: Lays the road and plans its routes.
        rules: The numbers that `spawn` and `judge` need: a NamedTuple of them, from parameters and road.
        spawn: Row kernel ``(start, stop, rows, drive, rules)``: places the vehicles of new episodes by `enter`.
        judge: Row kernel ``(start, stop, rows, meta, drive, rules)``: writes `Outcome`. The time limit is the world's.
        terms: Names of the reward's terms.
        vehicles: Most vehicles that are there at once, egos included.
        objects: Road objects: how many, or how many by the parameters.
        start: The lane an ego starts on, or which by the parameters.
        after: Row kernel ``(start, stop, rows, drive, rules)`` run between two steps: traffic that comes and goes. It
            runs at the beginning of the second one, so that until then the state is the one that was observed.
        regulated: Whether vehicles yield by the priorities of their lanes.
        notes: How many numbers a row `judge` writes into `Outcome.notes`.
        info: From the world's arrays, what an info holds beside what all have: name -> array (N, ...).
        before: Row kernel ``(start, stop, rows, drive, rules)`` run before each step.
        observes_first: Whether a step shows what is there when the action has been taken but no time has passed.
        gaps: Whether a road may end far from where the next one begins; refused otherwise.
        overlaps: Whether vehicles may overlap at the start; refused otherwise.
    """

    name: str
    params: type[Any]
    lay: Callable[[Any], Road]
    rules: Callable[[Any, Road], Any]
    spawn: Callable[..., None]
    judge: Callable[..., None]
    terms: tuple[str, ...]
    vehicles: Callable[[Any], int]
    start: Name | Callable[[Any], Name]
    objects: int | Callable[[Any], int] = 0
    after: Callable[..., None] | None = None
    regulated: bool = False
    notes: int = 0
    info: Callable[[Drive], Infos] | None = None
    before: Callable[..., None] | None = None
    observes_first: bool = False
    gaps: bool = False
    overlaps: bool = False


class ScenarioWorld(DrivingWorld):
    """N rows of a scenario; see `DrivingWorld` and `BatchEnv`.

    Attributes:
        road: As it was laid.
        rules: What `Scenario.rules` made of it and of the parameters.
        capacity: Most vehicles that are there at once.
        idle: The action of one ego that changes nothing, or least.
    """

    scenario: ClassVar[Scenario]
    params: Any
    road: Road
    rules: Any
    capacity: int
    idle: NDArray[Any]

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p, scenario, rows = self.params, self.scenario, self.num_envs
        self.metadata["render_fps"] = p.policy_frequency
        self.road = scenario.lay(p)
        self.rules = scenario.rules(p, self.road)
        network, self._drawn = self.road.compiled(), self.road.scene_lanes()
        if not scenario.gaps:
            check_roads_meet(self.road.names(), network)
        self.capacity = vehicles = scenario.vehicles(p)
        columns = vehicles + (scenario.objects(p) if callable(scenario.objects) else scenario.objects)
        egos = getattr(p, "controlled_vehicles", 1)
        self._controls = Controls(
            p.action,
            egos,
            longitudinal=p.action_longitudinal,
            lateral=p.action_lateral,
            acceleration=p.action_acceleration,
            steering=p.action_steering,
            per_axis=p.action_per_axis,
        )
        self.action_names, self.idle = self._controls.names, self._controls.idle
        self._traffic = tr.allocate(rows, columns, len(tr.FEATURES) + len(tr.NETWORK_FEATURES))
        self._count, self._draws, self._clock = (np.zeros(rows, np.int64) for _ in range(3))
        self._egos, self._time = np.zeros((rows, egos), np.int64), np.zeros(rows)
        self._able, self._due = np.zeros((rows, egos, 5), np.bool_), np.zeros(rows, np.bool_)
        self._given = np.zeros((rows, int(np.prod(self._controls.space.shape or ()))))
        speeds = np.array(p.action_target_speeds)
        self._sight = Sight(
            self._traffic, self._count, self._egos, self._clock, self._seed, self._episode, self._elapsed,
            network.lanes, network.graph, speeds, vehicles,
        )  # fmt: skip
        start = scenario.start(p) if callable(scenario.start) else scenario.start
        self._seen = make_observation(p, self._sight, self.road, start)
        self._drive = self._drives(network)
        return self._seen.space, self._controls.space

    def _drives(self, network: Network) -> Drive:
        """All that the row kernels work on."""
        p, scenario = self.params, self.scenario
        (rows, _, columns), egos = self._traffic.shape, self._egos.shape[1]
        observed = self._seen.observed
        steered = tr.SLIPPING if p.action_dynamical else tr.STEERED
        return Drive(
            traffic=self._traffic,
            along=np.full((rows, columns, network.lane_count), np.nan),
            vehicles=self._count,
            egos=self._egos,
            time=self._time,
            clock=self._clock,
            seed=self._seed,
            episode=self._episode,
            draws=self._draws,
            observed=np.zeros((rows, egos, 0), np.int64) if observed is None else observed,
            predicted=np.zeros((rows, columns if scenario.regulated else 0, TIMES, 4)),
            given=self._given,
            lanes=network.lanes,
            graph=network.graph,
            speeds=self._sight.speeds,
            objects=self.capacity,
            ego_kind=tr.EGO if self._controls.meta else steered,
            shares=shares(p.traffic),
            timing=Timing(
                frames=p.simulation_frequency // p.policy_frequency,
                dt=1 / p.simulation_frequency,
                step_time=1 / p.policy_frequency,
                regulation=_regulation(p.simulation_frequency) if scenario.regulated else 0,
                connected=p.connected_lanes,
                acted=scenario.observes_first,
            ),
            outcome=Outcome(
                self._rewards,
                np.zeros((rows, len(scenario.terms))),
                self._terminated,
                agents_rewards=np.zeros((rows, egos)),
                agents_terminated=np.zeros((rows, egos), np.bool_),
                notes=np.zeros((rows, scenario.notes)),
            ),
        )

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p, self._observations = self.params, self._seen.array
        self._allocate_trace(self._drive.timing.frames, self._drive.timing.step_time)
        self._traced = np.array(tr.TRACED)
        lanes = self._drive.along.shape[2]
        state = {
            **self._equip(lanes, p.observation_vehicles_count, self._seen.observed),
            "traffic": self._traffic,
            "count": self._count,
            "egos": self._egos,
            "time": self._time,
            "clock": self._clock,
            "draws": self._draws,
            **memory(self._seen),
        }
        if not self.scenario.overlaps:
            self._try_starts()
        return state if self.scenario.after is None else state | {"due": self._due}

    def _try_starts(self) -> None:
        """Refuse a scenario whose vehicles overlap at the start, as far as a few episodes show."""
        row, drive = np.zeros(1, np.int64), self._drive
        self._episode[0] = 0
        for seed in range(STARTS_TRIED):
            self._seed[0] = seed
            self._place(row)
            check_start_apart(drive.traffic[0], int(drive.vehicles[0]), drive.objects)
        self._seed[0], self._episode[0] = 0, -1

    def _place(self, rows: Rows) -> None:
        launch(clear_rows, rows.size, rows, self._drive, grain=LIGHT)
        launch(self.scenario.spawn, rows.size, rows, self._drive, self.rules)

    def _spawn(self, rows: Rows) -> None:
        self._given[rows] = 0.0
        self._due[rows] = False
        self._place(rows)
        begin(self._seen, rows)
        self._judge(rows, np.ones_like(self._egos))
        self._assess(rows, begun=True)

    def _advance(self, actions: NDArray[Any]) -> None:
        rows = np.flatnonzero(self._active)
        self.come_and_go(rows)
        self._note_trace()
        meta, controls = self._controls.split(actions)
        self._given[...] = actions.reshape(self._given.shape)
        drive, scenario = self._drive, self.scenario
        if scenario.before is not None:
            launch(scenario.before, rows.size, rows, drive, self.rules, grain=LIGHT)
        if scenario.observes_first:
            launch(act_rows, rows.size, rows, meta, controls, drive, grain=LIGHT)
            self._seen.observe(rows)
        launch(step_rows, rows.size, rows, meta, controls, self._trace_slot, self._trace, self._traced, drive)
        if not scenario.observes_first:
            self._seen.observe(rows)
        self._judge(rows, meta)
        self._assess(rows)
        self._due[rows] = True

    def come_and_go(self, rows: Rows) -> None:
        """Let vehicles come and go before the next step, in those of `rows` where they have not yet."""
        if self.scenario.after is None:
            return
        due = rows[self._due[rows]]
        launch(self.scenario.after, due.size, due, self._drive, self.rules)
        self._due[due] = False

    def _judge(self, rows: Rows, meta: NDArray[np.int64]) -> None:
        """Reward these rows and say which have ended."""
        launch(self.scenario.judge, rows.size, rows, meta, self._drive, self.rules, grain=LIGHT)
        self._truncated[rows] = self._time[rows] >= self.params.duration
        if self._controls.meta:
            drive = self._drive
            last = drive.speeds.size - 1
            launch(able_rows, rows.size, rows, drive.traffic, drive.egos, drive.lanes, last, self._able, grain=LIGHT)

    def _restored(self) -> None:
        rows = np.arange(self.num_envs)
        launch(settle_rows, rows.size, rows, self._drive)
        recall(self._seen, rows)
        self._judge(rows, np.ones_like(self._egos))
        self._assess(rows, restored=True)

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        lanes, columns = self._drive.along.shape[2], self._drive.objects
        for feature in (tr.LANE, tr.TARGET_LANE):
            if not np.isin(state["traffic"][:, feature], np.arange(lanes)).all():
                raise ValueError(f"state['traffic']: {tr.FEATURES[feature]} must be in [0, {lanes - 1}]")
        if not ((state["count"] >= 1) & (state["count"] <= columns)).all():
            raise ValueError(f"state['count'] must be in [1, {columns}]")
        if not ((state["egos"] >= 0) & (state["egos"] < state["count"][:, None])).all():
            raise ValueError("state['egos'] must be columns of vehicles that are there")

    def _ego_columns(self) -> NDArray[np.int64]:
        return self._egos[:, 0]

    def _info(self) -> Infos:
        terms = self._drive.outcome.terms
        speed, crashed = self.ego_features((tr.SPEED, tr.CRASHED)).T.copy()
        info: Infos = {
            "speed": speed,
            "crashed": crashed != 0,
            "rewards": {name: terms[:, k] for k, name in enumerate(self.scenario.terms)},
            **self._assessment(),
        }
        if self._controls.meta:
            info["action_mask"] = self._controls.mask(self._able)
        if self.scenario.info is not None:
            info |= self.scenario.info(self._drive)
        return info

    def _present(self, row: int) -> tuple[NDArray[np.int64], int, NDArray[np.int64]]:
        objects = np.arange(self._drive.objects, self._traffic.shape[2])
        columns = np.concatenate([np.arange(self._count[row]), objects])
        observed = self._seen.observed
        slots = np.zeros(0, np.int64) if observed is None else observed[row, 0].copy()
        return columns, int(self._egos[row, 0]), slots

    def _lanes(self) -> tuple[Lane, ...]:
        return self._drawn


def worlds(
    scenario: Scenario,
    module: str,
    page: str | None,
    bases: tuple[type[ScenarioWorld], type[SingleEnv]] = (ScenarioWorld, SingleEnv),
) -> tuple[type[ScenarioWorld], type[SingleEnv]]:
    """The batched and the single world of a scenario.

    Args:
        scenario: What they are made of.
        module: Name of the module that will hold them under `Scenario.name` and, with "Env" behind it, the single one;
            they pickle by it.
        page: Their documentation.
        bases: What they derive from, where a scenario adds methods of its own.
    """
    batch = type(
        scenario.name,
        (bases[0],),
        {"scenario": scenario, "Params": scenario.params, "__module__": module, "__doc__": page},
    )
    single = type(f"{scenario.name}Env", (bases[1],), {"world": batch, "__module__": module, "__doc__": page})
    return batch, single


def _regulation(simulation_frequency: int) -> int:
    return int(1 / (1 / simulation_frequency) / REGULATIONS)
