"""LaneKeeping: hold a car whose tyres slip on the middle of a winding lane.

## Description
The ego's wheels are steered at constant speed; it starts beside the middle of a straight lane that leads to a swinging
one, and from where it leaves the first it is to keep to the second. Behaviour is that of highway-env 1.12's
``lane-keeping-v0``.

## Action space
``Box`` (1,) float32 in [-1, 1]: the steering angle, of `action_steering`, to the right.

## Observation space
``Dict`` of "state", "derivative" and "reference_state", each ``Box`` (4, 1) float64: y, heading, lateral speed and yaw
rate of the ego; their rates of change; and place and heading of the lane's middle beside the ego, and zeros. The first
two have uniform noise, up to `state_noise` and `derivative_noise` either way. A step shows what is there when its
steering has been set but no time has passed; the reward is that of its end.

## Rewards
1 - (offset from the middle of the lane / its width)^2.

## Starting state
4 m left of the straight lane's middle, at 8.3 m/s along it.

## Episode end
Truncated after `duration`.

## Arguments
The fields of `LaneKeepingParams`.

## Version history
* v0: highway-env 1.12's rules.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from foveal.envs.driving import lanes as ln
from foveal.envs.driving.lanes import from_lane, heading_at, is_on, to_lane
from foveal.envs.driving.observations.attributes import ATTRIBUTES
from foveal.envs.driving.observations.params import OBSERVATIONS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenario import Scenario, ScenarioParams, worlds
from foveal.envs.driving.spawning import enter
from foveal.envs.driving.traffic import TARGET_LANE, X, Y
from foveal.envs.params import param
from foveal.kernels import kernel

WIDTH = 10.0  # m
TERMS = ("lane_centering_reward",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneKeepingParams(ScenarioParams):
    """Parameters of lane keeping, named as in highway-env 1.12."""

    state_noise: float = param(0.05, "largest noise of the state [m, rad, m/s, rad/s]", low=0, high=10)
    derivative_noise: float = param(0.05, "largest noise of the derivative [m/s, rad/s, ...]", low=0, high=10)
    duration: float = param(20.0, "time limit [s]", low=0.01, high=1e6)
    simulation_frequency: int = param(10, "substeps [1/s]", low=1, high=200)
    policy_frequency: int = param(10, "decisions [1/s]", low=1, high=200)
    connected_lanes: bool = param(False, "vehicles see neighbours on lanes that follow and lead to theirs too")
    action: str = param("Continuous", "kind of action", choices=("Continuous", "Discrete"))
    action_longitudinal: bool = param(False, "speed is the agent's to choose")
    action_steering: float = param(np.pi / 3, "largest steering angle of a continuous action [rad]", low=0, high=1.5)
    action_dynamical: bool = param(True, "tyres slip, where wheels are steered")
    observation: str = param("Attributes", "kind of observation", choices=("Attributes", *OBSERVATIONS))
    observation_attributes: tuple[str, ...] = param(
        ATTRIBUTES, "what Attributes show", choices=ATTRIBUTES, items=(1, len(ATTRIBUTES))
    )
    screen_height: int = param(250, "frame height [px]", low=16, high=4096)
    scaling: float = param(7.0, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.4, 0.5), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.observation == "Attributes" and not self.action_dynamical:
            raise ValueError("observation='Attributes': needs tyres that slip, not action_dynamical=False")


def lay(p: LaneKeepingParams) -> Road:
    """A straight lane down to a swinging one."""
    road = Road()
    road.sine("a", "b", (0.0, 0.0), (500.0, 0.0), 5.0, 2 * np.pi / 100, 0.0, width=WIDTH)
    road.straight("c", "d", (50.0, 50.0), (115.0, 15.0), width=WIDTH)
    stop = (115.0 + 20, 15 + 20 * (15 - 50) / (115 - 50))
    road.straight("d", "a", (115.0, 15.0), stop, width=WIDTH, lines=("none", "striped"))
    return road


class Rules(NamedTuple):
    """What the kernels below need to know."""

    straight: int
    swinging: int


def rules(p: LaneKeepingParams, road: Road) -> Rules:
    """The rules by these parameters."""
    return Rules(road.number(("c", "d", 0)), road.number(("a", "b", 0)))


@kernel
def spawn_rows(start, stop, rows, drive, rules):
    """Row kernel: the ego, which is to keep to the straight lane."""
    for k in range(start, stop):
        r = rows[k]
        x, y = from_lane(drive.lanes, rules.straight, 50.0, -4.0)
        heading = heading_at(drive.lanes, rules.straight, 0.0)
        drive.egos[r, 0] = ego = enter(drive, r, drive.ego_kind, x, y, heading, 8.3)
        drive.traffic[r, TARGET_LANE, ego] = rules.straight


@kernel
def switch_rows(start, stop, rows, drive, rules):
    """Row kernel: an ego that has left the straight lane is to keep to the other from now on."""
    for k in range(start, stop):
        r = rows[k]
        t, ego = drive.traffic[r], drive.egos[r, 0]
        along, across = to_lane(drive.lanes, rules.straight, t[X, ego], t[Y, ego])
        if not is_on(drive.lanes, rules.straight, along, across, 0.0):
            t[TARGET_LANE, ego] = rules.swinging


@kernel
def judge_rows(start, stop, rows, meta, drive, rules):
    """Row kernel: reward and end."""
    for k in range(start, stop):
        r = rows[k]
        t, ego = drive.traffic[r], drive.egos[r, 0]
        lane = int(t[TARGET_LANE, ego])
        _, across = to_lane(drive.lanes, lane, t[X, ego], t[Y, ego])
        offset = across / drive.lanes[lane, ln.WIDTH]
        drive.outcome.terms[r, 0] = drive.outcome.rewards[r] = 1 - offset * offset
        drive.outcome.terminated[r] = False


LaneKeeping, LaneKeepingEnv = worlds(
    Scenario(
        name="LaneKeeping",
        params=LaneKeepingParams,
        lay=lay,
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 1,
        start=("c", "d", 0),
        before=switch_rows,
        observes_first=True,
        gaps=True,
    ),
    __name__,
    __doc__,
)
