"""The highway: drive fast, keep right, do not crash."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Infos, Rows, SingleEnv
from foveal.envs.driving.collisions import collide
from foveal.envs.driving.drivers import decide
from foveal.envs.driving.motion import advance, settle, speed_to_index
from foveal.envs.driving.observations import Observation, begin, make_observation, memory, recall
from foveal.envs.driving.observations.params import ObservationParams
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.observations.straight import is_straight, kinematics_space, observe_kinematics
from foveal.envs.driving.options import DrivingParams
from foveal.envs.driving.roads import Network, Road
from foveal.envs.driving.simulation import REWARD_TERMS, Outcome, Rules, Simulation
from foveal.envs.driving.straight import (
    LANE_WIDTH,
    MAX_LANES,
    ROAD_LENGTH,
    allocate_ranks,
    on_lane,
    rank,
    reachable,
)
from foveal.envs.driving.temperaments import choose_driver, set_exponent, shares
from foveal.envs.driving.traffic import (
    CHECKS_COLLISIONS,
    COS,
    CRASHED,
    FEATURES,
    HEADING,
    LANE,
    NETWORK_FEATURES,
    PUSH_X,
    PUSH_Y,
    PUSHED,
    ROUTE,
    SPEED,
    SPEED_INDEX,
    TARGET_LANE,
    TARGET_SPEED,
    TIMER,
    TRACED,
    X,
    Y,
    allocate,
)
from foveal.envs.driving.world import DrivingWorld
from foveal.envs.params import param
from foveal.envs.rng import uniform
from foveal.envs.scene import Lane
from foveal.kernels import kernel, launch

SPEED_LIMIT = 30.0  # m/s
LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = range(5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HighwayParams(ObservationParams, DrivingParams):
    """Parameters of the highway, named as in highway-env 1.12 where it has them (nested keys get a prefix)."""

    lanes_count: int = param(4, "lanes [1]", low=1, high=MAX_LANES)
    vehicles_count: int = param(50, "other vehicles [1]", low=0, high=1000)
    initial_lane_id: int | None = param(None, "lane the ego starts in, random if None [1]", low=0, high=MAX_LANES - 1)
    duration: float = param(40.0, "time limit [s]", low=0.01, high=1e5)
    ego_spacing: float = param(2.0, "room before the ego at the start, relative to the usual [1]", low=0.1, high=100)
    vehicles_density: float = param(1.0, "traffic density [1]", low=0.05, high=5)
    simulation_frequency: int = param(15, "substeps [1/s]", low=1, high=200)
    policy_frequency: int = param(1, "decisions [1/s]", low=1, high=200)
    collision_reward: float = param(-1.0, "reward for a crash [1]", low=-100, high=100)
    right_lane_reward: float = param(0.1, "reward on the rightmost lane, 0 on the left [1]", low=-100, high=100)
    high_speed_reward: float = param(0.4, "reward at the top of reward_speed_range [1]", low=-100, high=100)
    reward_speed_range: tuple[float, ...] = param(
        (20.0, 30.0), "speeds of no and of full reward [m/s]", low=-1000, high=1000, items=(2, 2)
    )
    normalize_reward: bool = param(True, "map the reward to [0, 1]")
    offroad_terminal: bool = param(False, "end the episode when the ego leaves the road")
    traffic_collisions: bool = param(True, "other vehicles collide with each other too")
    action_target_speeds: tuple[float, ...] = param(
        (20.0, 25.0, 30.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    screen_width: int = param(600, "frame width [px]", low=16, high=4096)
    screen_height: int = param(150, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.5, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.3, 0.5), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.simulation_frequency < self.policy_frequency:
            raise ValueError(
                f"simulation_frequency={self.simulation_frequency}: must be at least "
                f"policy_frequency={self.policy_frequency}"
            )
        if self.initial_lane_id is not None and self.initial_lane_id >= self.lanes_count:
            raise ValueError(f"initial_lane_id={self.initial_lane_id}: must be in [0, {self.lanes_count - 1}]")
        if not self.reward_speed_range[0] < self.reward_speed_range[1]:
            raise ValueError(f"reward_speed_range={self.reward_speed_range}: must be increasing")
        steps = np.diff(self.action_target_speeds)
        if not (steps > 0).all() or not np.allclose(steps, steps[0]):
            raise ValueError(f"action_target_speeds={self.action_target_speeds}: must be increasing and evenly spaced")
        if self.normalize_reward and not self.high_speed_reward + self.right_lane_reward - self.collision_reward > 1e-6:
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


@kernel
def spawn_rows(start, stop, rows, seeds, episodes, sim):
    """Row kernel: place the ego, then each other vehicle ahead of all before it, and observe."""
    rules = sim.rules
    crowd = np.exp(-5 / 40 * rules.lanes)
    for k in range(start, stop):
        r = rows[k]
        t = sim.traffic[r]
        sim.time[r] = 0.0
        for i in range(t.shape[1]):
            draws = 4 * i
            lane = int(uniform(seeds[r], episodes[r], draws) * rules.lanes)
            if i == 0:
                lane = lane if rules.initial_lane < 0 else rules.initial_lane
                speed, spacing = 25.0, rules.ego_spacing
            else:
                speed = SPEED_LIMIT * (0.7 + 0.1 * uniform(seeds[r], episodes[r], draws + 1))
                spacing = rules.traffic_spacing
            offset = spacing * (12 + speed) * crowd
            x = 3 * offset if i == 0 else t[X, i - 1]
            x += offset * (0.9 + 0.2 * uniform(seeds[r], episodes[r], draws + 2))
            place(t, i, x, lane, speed)
            t[CHECKS_COLLISIONS, i] = 1.0 if i == 0 or rules.traffic_collisions else 0.0
            set_exponent(t, i, uniform(seeds[r], episodes[r], draws + 3))
            if i > 0 and rules.shares[0] < 1.0:
                choose_driver(t, i, rules.shares, seeds[r], episodes[r])
        t[TARGET_SPEED, 0] = sim.target_speeds[speed_to_index(t[SPEED, 0], sim.target_speeds)]
        settle(t, rules.lanes)
        finish(sim, r)


@kernel
def place(t, i, x, lane, speed):
    """Put vehicle `i` on the middle of a lane, driving along it, with a fresh mind."""
    t[X, i], t[Y, i], t[HEADING, i], t[SPEED, i] = x, LANE_WIDTH * lane, 0.0, speed
    t[LANE, i] = t[TARGET_LANE, i] = lane
    t[TARGET_SPEED, i] = speed
    t[TIMER, i] = ((t[X, i] + t[Y, i]) * np.pi) % 1.0
    t[CRASHED, i] = t[PUSHED, i] = 0.0
    t[PUSH_X, i] = t[PUSH_Y, i] = 0.0


@kernel
def step_rows(start, stop, active, actions, trace_slot, trace, sim):
    """Row kernel: act, simulate the substeps, reward and observe."""
    rules = sim.rules
    for r in range(start, stop):
        if not active[r]:
            continue
        t, ranks = sim.traffic[r], sim.ranks[r]
        sim.time[r] += rules.step_time
        act(t, actions[r], rules.lanes, sim.target_speeds)
        for frame in range(rules.frames):
            decide(t, ranks, sim.nearest[r], rules.lanes, SPEED_LIMIT)
            advance(t, rules.dt, rules.lanes)
            rank(t, ranks, rules.lanes)
            collide(t, ranks, rules.dt)
            if trace_slot[r] >= 0:
                keep(t, trace[trace_slot[r], frame])
        finish(sim, r)
        off_road = not on_lane(t[X, 0], t[Y, 0], t[LANE, 0])
        sim.outcome.terminated[r] = t[CRASHED, 0] != 0 or (rules.offroad_terminal and off_road)
        sim.outcome.truncated[r] = sim.time[r] >= rules.duration


@kernel
def restore_rows(start, stop, sim):
    """Row kernel: recompute what follows from the state."""
    for r in range(start, stop):
        settle(sim.traffic[r], sim.rules.lanes)
        finish(sim, r)


@kernel
def finish(sim, r):
    """Rank the vehicles of row `r`, and write its reward, its observation and what the ego may do."""
    t, lanes = sim.traffic[r], sim.rules.lanes
    rank(t, sim.ranks[r], lanes)
    reward(t, r, sim.rules, sim.outcome)
    if sim.rules.kinematics:
        observe_kinematics(t, lanes, sim.rules.see_behind, sim.outcome.observations[r], sim.outcome.observed[r])
    enable(t, lanes, sim.target_speeds, sim.outcome.able[r])
    if t.shape[0] > SPEED_INDEX:  # what reads any road expects these
        t[ROUTE] = -1.0
        t[SPEED_INDEX, 0] = speed_to_index(t[TARGET_SPEED, 0], sim.target_speeds)


@kernel
def enable(t, lanes, speeds, able):
    """Write which meta-actions (5,) of the ego are not in vain."""
    lane = t[LANE, 0]
    able[IDLE] = True
    able[LANE_LEFT] = lane > 0 and reachable(t[X, 0], t[Y, 0], lane - 1)
    able[LANE_RIGHT] = lane < lanes - 1 and reachable(t[X, 0], t[Y, 0], lane + 1)
    able[FASTER] = t[TARGET_SPEED, 0] < speeds[speeds.size - 1]
    able[SLOWER] = t[TARGET_SPEED, 0] > speeds[0]


@kernel
def act(t, action, lanes, speeds):
    """Apply a meta-action to the ego's target lane or target speed."""
    if action in (FASTER, SLOWER):
        index = speed_to_index(t[SPEED, 0], speeds) + (1 if action == FASTER else -1)
        t[TARGET_SPEED, 0] = speeds[min(max(index, 0), speeds.size - 1)]
    elif action != IDLE:
        lane = t[TARGET_LANE, 0] + (1 if action == LANE_RIGHT else -1)
        lane = min(max(lane, 0), lanes - 1)
        if reachable(t[X, 0], t[Y, 0], lane):
            t[TARGET_LANE, 0] = lane


@kernel
def reward(t, r, rules, outcome):
    """Write the reward of row `r` and its terms."""
    low, high = rules.speed_range
    pace = (t[SPEED, 0] * t[COS, 0] - low) / (high - low)
    terms = outcome.terms[r]
    terms[0] = t[CRASHED, 0]
    terms[1] = t[TARGET_LANE, 0] / max(rules.lanes - 1, 1)
    terms[2] = min(max(pace, 0.0), 1.0)
    terms[3] = 1.0 if on_lane(t[X, 0], t[Y, 0], t[LANE, 0]) else 0.0
    collision, right, fast = rules.weights
    total = collision * terms[0] + right * terms[1] + fast * terms[2]
    if rules.normalize:
        total = (total - collision) / (fast + right - collision)
    outcome.rewards[r] = total * terms[3]


@kernel
def keep(t, frame):
    """Write the TRACED features of every vehicle into one substep's record (V, T)."""
    for i in range(t.shape[1]):
        for k, feature in enumerate(TRACED):
            frame[i, k] = t[feature, i]
