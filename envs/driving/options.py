"""Parameters that every driving world has: frequencies, the others, rewards, what infos tell on request, the frame."""

from __future__ import annotations

import dataclasses

import numpy as np

from foveal.envs.driving.temperaments import DRIVERS
from foveal.envs.params import Params, param

REWARDS = ("default", "progress", "route")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivingParams(Params):
    """See `foveal.envs.driving.temperaments`, `foveal.envs.driving.rewards` and `foveal.envs.driving.risk`.

    The frequencies, the speeds and the frame are named as in highway-env 1.12.
    """

    simulation_frequency: int = param(15, "substeps [1/s]", low=1, high=200)
    policy_frequency: int = param(1, "decisions [1/s]", low=1, high=200)
    uneven_frequencies: bool = param(
        False, "policy_frequency need not divide simulation_frequency: a decision lasts whole substeps"
    )
    action_target_speeds: tuple[float, ...] = param(
        (20.0, 25.0, 30.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )
    traffic: tuple[float, ...] = param(
        (1.0, 0.0, 0.0, 0.0), f"shares of other drivers: {', '.join(DRIVERS)} [1]", low=0, high=1, items=(4, 4)
    )
    reward: str = param("default", "the world's own reward, or one of progress or of a route", choices=REWARDS)
    progress_reward: float = param(1.0, "progress: reward at progress_speed along the lane [1]", low=-100, high=100)
    progress_speed: float = param(
        0.0, "progress, route: full speed; 0: the highest of action_target_speeds [m/s]", low=0, high=100
    )
    low_speed_reward: float = param(-0.5, "progress: reward for standing still or driving back [1]", low=-100, high=100)
    low_speed: float = param(2.0, "progress: speed along the lane that is not low any more [m/s]", low=0.01, high=100)
    crash_reward: float = param(-10.0, "progress, route: reward for a crash [1]", low=-1000, high=1000)
    off_road_reward: float = param(-1.0, "progress, route: reward for being off the road [1]", low=-1000, high=1000)
    route_length: float = param(
        0.0, "route: length of a whole one; 0: the planned route's, or what duration and full speed allow [m]",
        low=0, high=1e6,
    )  # fmt: skip
    route_overspeed: float = param(
        8.0, "route: speed above the limit at which nothing is paid [m/s]", low=0.1, high=100
    )
    route_ttc: float = param(1.0, "route: time to collision below which half is paid [s]", low=0, high=100)
    route_acceleration: float = param(
        6.0, "route: mean acceleration, either way, beyond which half is paid [m/s^2]", low=0, high=1000
    )
    risk: bool = param(False, "infos and scenes tell of risk")
    cost: bool = param(False, "infos tell of costs")
    cost_headway: float = param(1.0, "time headway below which there is a cost [s]", low=0, high=100)

    screen_width: int = param(600, "frame width [px]", low=16, high=4096)
    screen_height: int = param(150, "frame height [px]", low=16, high=4096)
    scaling: float = param(5.5, "frame scale [px/m]", low=0.1, high=100)
    centering_position: tuple[float, ...] = param(
        (0.3, 0.5), "where the ego stands in the frame, of its width and height [1]", low=0, high=1, items=(2, 2)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not sum(self.traffic) >= 1e-6:
            raise ValueError(f"traffic={self.traffic}: must add up to something")
        for name, least in (("progress_speed", 0.1), ("route_length", 1.0)):
            if 0 < (value := getattr(self, name)) < least:
                raise ValueError(f"{name}={value}: must be 0 or at least {least}")
        speeds = getattr(self, "reward_speed_range", (0.0, 1.0))
        if not speeds[0] < speeds[1]:
            raise ValueError(f"reward_speed_range={speeds}: must be increasing")
        if self.simulation_frequency < self.policy_frequency:
            raise ValueError(
                f"simulation_frequency={self.simulation_frequency}: must be at least "
                f"policy_frequency={self.policy_frequency}"
            )
        if self.simulation_frequency % self.policy_frequency and not self.uneven_frequencies:
            raise ValueError(
                f"policy_frequency={self.policy_frequency}: must divide simulation_frequency="
                f"{self.simulation_frequency} (uneven_frequencies=True allows it, as highway-env does)"
            )
        steps = np.diff(self.action_target_speeds)
        if not (steps > 0).all() or not np.allclose(steps, steps[0]):
            raise ValueError(f"action_target_speeds={self.action_target_speeds}: must be increasing and evenly spaced")
