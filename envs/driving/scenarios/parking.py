"""Parking: drive a car into a given space and come to rest there, the right way round.

## Description
A car park of two rows of fourteen spaces; the ego's wheels and throttle are its own. Behaviour is that of highway-env
1.12's ``parking-v0``, with ``vehicles_count=10`` of ``parking-parked-v0``, and with ``policy_frequency=1`` and
``duration=20`` of ``parking-ActionRepeat-v0``. For goal-conditioned learners, such as Stable-Baselines3's hindsight
experience replay, `compute_reward` tells what any goal would have been worth.

## Action space
``Box`` (2,) float32 in [-1, 1]: acceleration, of `action_acceleration`, and steering angle to the right, of
`action_steering`.

## Observation space
``Dict`` of "observation", "achieved_goal" and "desired_goal", each ``Box`` (6,) float64: x, y, vx, vy and cosine and
sine of the heading, over `observation_scales`. The first two are the ego's and equal, the third the goal's.

## Rewards
-sqrt(sum of ``reward_weights`` x absolute differences of achieved and desired goal) + ``collision_reward`` x crashed.

## Starting state
The ego at rest in the middle, with any heading; the goal is any other space, and ``vehicles_count`` cars are parked in
others. Walls surround it all (`add_walls`).

## Episode end
Terminated by a crash, or when the sum's root is below ``success_goal_reward``. Truncated after `duration`.

## Arguments
The fields of `ParkingParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from foveal.envs.batch import Infos
from foveal.envs.driving.controls import ACTIONS
from foveal.envs.driving.lanes import from_lane, heading_at
from foveal.envs.driving.observations.goal import FEATURES
from foveal.envs.driving.observations.params import GRID_FEATURES, OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import Scenario, ScenarioParams, ScenarioWorld, worlds
from foveal.envs.driving.spawning import draw, enter, enter_on_lane, put_object
from foveal.envs.driving.traffic import COS, CRASHED, LANDMARK, LANE, OBSTACLE, SIN, SPEED, STEERED, X, Y
from foveal.envs.params import param
from foveal.envs.single import SingleEnv
from foveal.kernels import kernel

SPACES = 14  # in each of two rows
WIDTH, LENGTH = 4.0, 8.0  # m, of a space
ASIDE = 10.0  # m from the middle to the rows
WALLS = ((0.0, -21.0, 0.0, 70.0), (0.0, 21.0, 0.0, 70.0), (-35.0, 0.0, np.pi / 2, 42.0), (35.0, 0.0, np.pi / 2, 42.0))
"""x, y [m], heading [rad] and length [m]; they are 1 m thick."""
SCALES = (100.0, 100.0, 5.0, 5.0, 1.0, 1.0)  # of the reward's x, y, vx, vy, cosine and sine
TERMS = ("goal_reward", "collision_reward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParkingParams(ScenarioParams):
    """Parameters of the car park, named as in highway-env 1.12."""

    reward_weights: tuple[float, ...] = param(
        (1.0, 0.3, 0.0, 0.0, 0.02, 0.02), "weights of the goal's features [1]", low=0, high=100, items=(6, 6)
    )
    success_goal_reward: float = param(0.12, "how far a reward may be below 0 for success [1]", low=0, high=100)
    collision_reward: float = param(-5.0, "reward for a crash [1]", low=-100, high=100)
    vehicles_count: int = param(0, "parked cars [1]", low=0, high=2 * SPACES - 2)
    add_walls: bool = param(True, "walls around the car park")
    duration: float = param(100.0, "time limit [s]", low=0.01, high=1e9)
    policy_frequency: int = param(5, "decisions [1/s]", low=1, high=200)
    connected_lanes: bool = param(False, "vehicles see neighbours on lanes that follow and lead to theirs too")
    action: str = param("Continuous", "kind of action", choices=ACTIONS)
    observation: str = param("KinematicsGoal", "kind of observation", choices=("KinematicsGoal", *OBSERVATIONS))
    observation_features: tuple[str, ...] = param(
        ("x", "y", "vx", "vy", "cos_h", "sin_h"), "what is observed",
        choices=GRID_FEATURES, items=(1, len(GRID_FEATURES)),
    )  # fmt: skip
    observation_scales: tuple[float, ...] = param(
        SCALES, "what each feature of a KinematicsGoal is divided by [its unit]", low=0.01, high=1e6,
        items=(1, len(FEATURES)),
    )  # fmt: skip
    screen_height: int = param(320, "frame height [px]", low=16, high=4096)
    scaling: float = param(7.0, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.5, 0.5), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.observation == "KinematicsGoal":
            if unknown := set(self.observation_features) - set(FEATURES):
                raise ValueError(f"observation_features: a KinematicsGoal has no {sorted(unknown)[0]!r}")
            if len(self.observation_features) != len(self.observation_scales):
                raise ValueError(
                    f"observation_scales={self.observation_scales}: must have one for each of "
                    f"observation_features={self.observation_features}"
                )


def lay(p: ParkingParams) -> Road:
    """Two rows of spaces, into which one drives from the middle."""
    road, lines = Road(), ("continuous", "continuous")
    for k in range(SPACES):
        x = (k + 1 - SPACES // 2) * WIDTH - WIDTH / 2
        road.straight("a", "b", (x, ASIDE), (x, ASIDE + LENGTH), width=WIDTH, lines=lines)
        road.straight("b", "c", (x, -ASIDE), (x, -ASIDE - LENGTH), width=WIDTH, lines=lines)
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    parked: int
    walls: bool
    weights: NDArray[np.float64]  # (6,) over their scales
    collision: float
    success: float


def rules(p: ParkingParams, road: Road) -> Rules:
    """The rules by these parameters."""
    weights = np.array(p.reward_weights)
    return Rules(p.vehicles_count, p.add_walls, weights, p.collision_reward, p.success_goal_reward)


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, its goal, parked cars, and walls."""
    lanes = drive.lanes
    for k in range(start, stop):
        r = rows[k]
        drive.egos[r, 0] = ego = enter(drive, r, drive.ego_kind, 0.0, 0.0, 2 * np.pi * draw(drive, r), 0.0)
        taken = np.int64(1) << np.int64(drive.traffic[r, LANE, ego])  # a bit for each space
        goal = free_space(drive, r, taken)
        taken |= np.int64(1) << goal
        x, y = from_lane(lanes, goal, LENGTH / 2, 0.0)
        put_object(drive, r, 0, LANDMARK, x, y, heading_at(lanes, goal, LENGTH / 2), 2.0, 2.0)
        for _ in range(rules.parked):
            space = free_space(drive, r, taken)
            taken |= np.int64(1) << space
            enter_on_lane(drive, r, STEERED, space, LENGTH / 2, 0.0)
        if rules.walls:
            for n in range(len(WALLS)):
                x, y, heading, length = WALLS[n]
                put_object(drive, r, 1 + n, OBSTACLE, x, y, heading, length, 1.0)


@kernel
def free_space(drive, r, taken):
    """Any of the spaces that are not taken."""
    free = 0
    for space in range(2 * SPACES):
        free += 1 - ((taken >> space) & 1)
    left = np.int64(free * draw(drive, r))
    for space in range(2 * SPACES):
        if (taken >> space) & 1 == 0:
            if left == 0:
                return np.int64(space)
            left -= 1
    return np.int64(0)


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    for k in range(start, stop):
        r = rows[k]
        t, ego, goal, terms = drive.traffic[r], drive.egos[r, 0], drive.objects, drive.outcome.terms[r]
        far = 0.0
        for n in range(6):
            far += rules.weights[n] * abs(goal_feature(t, ego, n) / SCALES[n] - goal_feature(t, goal, n) / SCALES[n])
        terms[0] = -math.sqrt(far)
        terms[1] = t[CRASHED, ego]
        drive.outcome.rewards[r] = terms[0] + rules.collision * terms[1]
        drive.outcome.terminated[r] = t[CRASHED, ego] != 0 or terms[0] > -rules.success


@kernel
def goal_feature(t, i, n):
    """x, y, vx, vy, cosine and sine of the heading of vehicle or object `i`."""
    if n < 2:
        return t[X, i] if n == 0 else t[Y, i]
    if n < 4:
        return t[SPEED, i] * (t[COS, i] if n == 2 else t[SIN, i])
    return t[COS, i] if n == 4 else t[SIN, i]


class GoalWorld(ScenarioWorld):
    """A world with a goal; see `compute_reward`."""

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """What a goal would be worth, a crash left aside.

        Args:
            achieved_goal: (..., 6) as in the observation.
            desired_goal: (..., 6).
            info: Not used.

        Returns:
            Rewards (...), float64; a float for a single pair.
        """
        apart = np.abs(np.asarray(achieved_goal, np.float64) - desired_goal)
        if apart.shape[-1:] != (len(SCALES),):
            raise ValueError(f"goals have shape {apart.shape}, expected (..., {len(SCALES)})")
        far = sum(weight * apart[..., n] for n, weight in enumerate(self.params.reward_weights))
        rewards = -np.sqrt(far)
        return float(rewards) if rewards.ndim == 0 else rewards

    def _info(self) -> Infos:
        success = self._drive.outcome.terms[:, 0] > -self.params.success_goal_reward
        return {**super()._info(), "is_success": success}


class GoalEnv(SingleEnv):
    """A single environment with a goal."""

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """See `GoalWorld.compute_reward`."""
        return cast(GoalWorld, self.batch).compute_reward(achieved_goal, desired_goal, info)


Parking, ParkingEnv = worlds(
    Scenario(
        name="Parking",
        params=ParkingParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 1 + p.vehicles_count,
        objects=lambda p: 5 if p.add_walls else 1,
        start=("a", "b", 0),
        gaps=True,
    ),
    __name__,
    __doc__,
    bases=(GoalWorld, GoalEnv),
)
