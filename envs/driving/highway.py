"""The highway: drive fast, keep right, do not crash."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Infos, Rows
from foveal.envs.driving.observations import Observation, begin, make_observation, memory, recall
from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.observations.straight import is_straight, kinematics_space
from foveal.envs.driving.options import DrivingParams
from foveal.envs.driving.roads import Network, Road
from foveal.envs.driving.simulation import (
    REWARD_TERMS,
    SPEED_LIMIT,
    Outcome,
    Rules,
    Simulation,
    restore_rows,
    spawn_rows,
    step_rows,
)
from foveal.envs.driving.straight import LANE_WIDTH, MAX_LANES, ROAD_LENGTH, allocate_ranks
from foveal.envs.driving.temperaments import shares
from foveal.envs.driving.traffic import CRASHED, FEATURES, LANE, NETWORK_FEATURES, SPEED, TARGET_LANE, allocate
from foveal.envs.driving.world import DrivingWorld
from foveal.envs.params import param
from foveal.envs.scene import Lane
from foveal.envs.single import SingleEnv
from foveal.kernels import launch


@dataclasses.dataclass(frozen=True, kw_only=True)
class HighwayParams(ObservationParams, DrivingParams):
    """Parameters of the highway, named as in highway-env 1.12 where it has them (nested keys get a prefix)."""

    lanes_count: int = param(4, "lanes [1]", low=1, high=MAX_LANES)
    vehicles_count: int = param(50, "other vehicles [1]", low=0, high=1000)
    initial_lane_id: int | None = param(None, "lane the ego starts in, random if None [1]", low=0, high=MAX_LANES - 1)
    duration: float = param(40.0, "time limit [s]", low=0.01, high=1e5)
    ego_spacing: float = param(2.0, "room before the ego at the start, relative to the usual [1]", low=0.1, high=100)
    vehicles_density: float = param(1.0, "traffic density [1]", low=0.05, high=5)
    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=100)
    right_lane_reward: float = param(0.1, "reward on the rightmost lane, 0 on the left [1]", low=-100, high=100)
    high_speed_reward: float = param(0.4, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (20.0, 30.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )
    normalize_reward: bool = param(True, "map the reward to [0, 1]")
    offroad_terminal: bool = param(False, "end the episode when the ego leaves the road")
    traffic_collisions: bool = param(True, "other vehicles collide with each other too")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial_lane_id is not None and self.initial_lane_id >= self.lanes_count:
            raise ValueError(f"initial_lane_id={self.initial_lane_id}: must be in [0, {self.lanes_count - 1}]")
        best = self.high_speed_reward + self.right_lane_reward
        if self.normalize_reward and not best - self.collision_reward > 1e-6:
            raise ValueError(
                f"collision_reward={self.collision_reward}: must be below high_speed_reward + right_lane_reward "
                "where normalize_reward"
            )


class Highway(DrivingWorld):
    """N highways at once; see `HighwayEnv` for the world and `BatchEnv` for the batch."""

    Params = HighwayParams
    action_names = ("LANE_LEFT", "IDLE", "LANE_RIGHT", "FASTER", "SLOWER")
    params: HighwayParams

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p, rows = self.params, self.num_envs
        self.metadata["render_fps"] = p.policy_frequency
        columns = p.vehicles_count + 1
        features = len(FEATURES) if p.traffic[0] == sum(p.traffic) else len(FEATURES) + len(NETWORK_FEATURES)
        self._traffic = allocate(rows, columns, features)
        self._seen: Observation | None = None
        self._plain = is_straight(p) and not (p.risk or p.cost or p.reward != "default")
        if self._plain:  # nothing reads the road as a network
            return kinematics_space(p.observation_vehicles_count), spaces.Discrete(5)
        road, network = _laid(p.lanes_count)
        self._sight = Sight(
            traffic=self._traffic,
            vehicles=np.full(rows, columns),
            egos=np.zeros((rows, 1), np.int64),
            clock=self._elapsed,
            seed=self._seed,
            episode=self._episode,
            steps=self._elapsed,
            lanes=network.lanes,
            graph=network.graph,
            speeds=np.array(p.action_target_speeds),
            objects=columns,
        )
        if is_straight(p):
            return kinematics_space(p.observation_vehicles_count), spaces.Discrete(5)
        self._seen = make_observation(p, self._sight, road, ("0", "1", 0))
        return self._seen.space, spaces.Discrete(5)

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p, rows = self.params, self.num_envs
        frames = p.simulation_frequency // p.policy_frequency
        self._rules = Rules(
            lanes=p.lanes_count,
            frames=frames,
            dt=1 / p.simulation_frequency,
            step_time=1 / p.policy_frequency,
            duration=p.duration,
            initial_lane=-1 if p.initial_lane_id is None else p.initial_lane_id,
            ego_spacing=p.ego_spacing,
            traffic_spacing=1 / p.vehicles_density,
            traffic_collisions=p.traffic_collisions,
            kinematics=self._seen is None,
            see_behind=p.observation_see_behind,
            offroad_terminal=p.offroad_terminal,
            normalize=p.normalize_reward,
            weights=(p.collision_reward, p.right_lane_reward, p.high_speed_reward),
            speed_range=(p.reward_speed_range[0], p.reward_speed_range[1]),
            shares=shares(p.traffic),
        )
        self._time = np.zeros(rows)
        if self._seen is not None:
            self._observations = self._seen.array
        observations = self._observations if self._seen is None else np.zeros((rows, 0, 0), np.float32)
        self._outcome = Outcome(
            observations,
            np.full(observations.shape[:2], -1, np.int64),
            self._rewards,
            np.zeros((rows, len(REWARD_TERMS))),
            np.zeros((rows, len(self.action_names)), np.bool_),
            self._terminated,
            self._truncated,
        )
        self._simulation = Simulation(
            traffic=self._traffic,
            ranks=allocate_ranks(rows, p.vehicles_count + 1),
            nearest=np.zeros((rows, MAX_LANES + 2), np.int64),
            time=self._time,
            target_speeds=np.array(p.action_target_speeds),
            rules=self._rules,
            outcome=self._outcome,
        )
        self._allocate_trace(frames, self._rules.step_time)
        state = {"traffic": self._traffic, "time": self._time}
        if self._seen is not None:
            state |= memory(self._seen)
        if not self._plain:
            observed = self._outcome.observed[:, None] if self._seen is None else self._seen.observed
            state |= self._equip(p.lanes_count, p.observation_vehicles_count, observed)
        return state

    def _spawn(self, rows: Rows) -> None:
        launch(spawn_rows, rows.size, rows, self._seed, self._episode, self._simulation)
        if self._seen is not None:
            begin(self._seen, rows)
        self._assess(rows, begun=True)

    def _advance(self, actions: NDArray[Any]) -> None:
        self._note_trace()
        launch(step_rows, self.num_envs, self._active, actions, self._trace_slot, self._trace, self._simulation)
        if not self._plain:
            rows = np.flatnonzero(self._active)
            if self._seen is not None:
                self._seen.observe(rows)
            self._assess(rows)

    def _restored(self) -> None:
        launch(restore_rows, self.num_envs, self._simulation)
        rows = np.arange(self.num_envs)
        if self._seen is not None:
            recall(self._seen, rows)
        self._assess(rows, restored=True)

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        for feature in (LANE, TARGET_LANE):
            lanes = state["traffic"][:, feature]
            if not np.isin(lanes, np.arange(self.params.lanes_count)).all():
                raise ValueError(f"state['traffic']: {FEATURES[feature]} must be in [0, {self.params.lanes_count - 1}]")

    def _info(self) -> Infos:
        terms = self._outcome.terms
        return {
            "speed": self._traffic[:, SPEED, 0],
            "crashed": self._traffic[:, CRASHED, 0] != 0,
            "rewards": {name: terms[:, k] for k, name in enumerate(REWARD_TERMS)},
            "action_mask": self._outcome.able,
            **self._assessment(),
        }

    def _present(self, row: int) -> tuple[NDArray[np.int64], int, NDArray[np.int64]]:
        observed = self._outcome.observed if self._seen is None else self._seen.observed
        slots = np.zeros(0, np.int64) if observed is None else observed[row].reshape(-1).copy()
        return np.arange(self._traffic.shape[2]), 0, slots

    def _lanes(self) -> tuple[Lane, ...]:
        return _road(self.params.lanes_count)


class HighwayEnv(SingleEnv):
    """Drive on a straight highway among other cars.

    ## Description
    The ego follows lanes and target speeds; the action changes them. Other cars follow the Intelligent Driver Model
    along the lane and MOBIL across lanes. Behaviour is that of highway-env 1.12's ``highway-v0``, step by step and to
    1e-6 (see ``docs/parity.md``); ``foveal/HighwayFast-v0`` is its ``highway-fast-v0``.

    ## Action space
    ``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``. An action holds for
    ``1 / policy_frequency`` seconds. Lane changes off the road and speeds beyond the ends of `action_target_speeds`
    have no effect.

    ## Observation space
    By `observation`. The default, Kinematics, is a ``Box`` (observation_vehicles_count, 5) float32. Row 0 is the ego
    (absolute), the others are the nearest vehicles along the road, nearest first (relative to the ego); absent ones
    are zero.

    | column | feature | min | max | unit of 1.0 |
    |---|---|---|---|---|
    | 0 | presence | 0 | 1 | present |
    | 1 | x, along the road | -1 | 1 | 200 m |
    | 2 | y, to the right | -1 | 1 | road width |
    | 3 | vx | -1 | 1 | 80 m/s |
    | 4 | vy | -1 | 1 | 80 m/s |

    ## Rewards
    ``collision_reward`` x crashed + ``right_lane_reward`` x lane / (lanes - 1) + ``high_speed_reward`` x forward speed
    within `reward_speed_range`, mapped to [0, 1] where `normalize_reward`, and 0 off the road. The unweighted terms
    are ``info["rewards"]``.

    ## Starting state
    The ego at 25 m/s on a random lane; the others ahead of it, spaced by speed and `vehicles_density`, at 21-24 m/s.

    ## Episode end
    Terminated by a crash of the ego, or off the road where `offroad_terminal`; truncated after `duration` seconds.

    ## Arguments
    The fields of `HighwayParams`; ``gymnasium.make_vec`` gives the batch, `Highway`.

    ## Version history
    * v0: highway-env 1.12's rules.
    """

    world = Highway


@lru_cache(maxsize=4)
def _laid(lanes: int) -> tuple[Road, Network]:
    """The road, for observations that work on any."""
    road = Road()
    road.parallel("0", "1", lanes, (0.0, 0.0), (ROAD_LENGTH, 0.0), width=LANE_WIDTH, speed_limit=SPEED_LIMIT)
    return road, road.compiled()


def _road(lanes: int) -> tuple[Lane, ...]:
    ends = np.array([[0.0, 0.0], [ROAD_LENGTH, 0.0]])
    return tuple(
        Lane(
            centre=ends + np.array([0.0, LANE_WIDTH * lane]),
            width_m=LANE_WIDTH,
            lines=("continuous" if lane == 0 else "striped", "continuous" if lane == lanes - 1 else "none"),
        )
        for lane in range(lanes)
    )
