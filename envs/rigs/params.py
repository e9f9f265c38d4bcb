"""Parameters of a car with cameras in a street."""

from __future__ import annotations

import dataclasses

from foveal.envs.driving.scenario import ScenarioParams
from foveal.envs.params import param
from foveal.envs.rigs.courses import COURSES

LIGHTS = ("day", "dusk", "mixed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurroundRigParams(ScenarioParams):
    """Where one drives, among whom, with which cameras, and what is rewarded."""

    course: str = param("avenue", "the road", choices=tuple(COURSES))
    ride: bool = param(False, "look on while the car follows its lane; else drive")
    blocked: bool = param(True, "avenue, bend: something blocks the own lane, where one drives")
    streets: int = param(2, "different streets along the road [1]", low=1, high=256)
    first_street: int = param(0, "the first of them [1]", low=0, high=2**31 - 1)
    light: str = param("day", "light; mixed: every other street at dusk", choices=LIGHTS)
    density: float = param(1.0, "how much stands in a street, of what is usual [1]", low=0, high=2)
    vehicles_count: int = param(24, "most other cars [1]", low=0, high=100)
    walkers: int = param(12, "people who walk [1]", low=0, high=100)
    gap: float = param(14.0, "avenue, bend: mean gap between cars beyond the least one, 6 m [m]", low=1, high=200)
    duration: float = param(30.0, "time limit [s]", low=0.01, high=1e9)
    policy_frequency: int = param(5, "decisions [1/s]", low=1, high=200)
    action_target_speeds: tuple[float, ...] = param(
        (0.0, 4.0, 8.0, 12.0), "evenly spaced speeds of the ego [m/s]", low=-1000, high=1000, items=(2, 32)
    )

    rig: str = param("nuscenes-like", "cameras: a preset of foveal.optics.rig_presets, or a file")
    width: int = param(80, "of the images [px]", low=8, high=2048)
    height: int = param(48, "of the images [px]", low=8, high=2048)
    far: float = param(80.0, "where depth ends [m]", low=1, high=1000)
    rgb: bool = param(True, "observe colours")
    depth: bool = param(True, "observe z-depth [m]")
    geometry: bool = param(True, "observe K, T_rig_cam, ego_motion and which cameras are valid")
    semantic: bool = param(False, "observe classes (foveal.envs.rigs.classes)")
    instance: bool = param(False, "observe which thing is seen")
    flow: bool = param(False, "observe where what is seen was a step ago [px]")
    overlap: bool = param(False, "observe how many other cameras see the same")
    state: bool = param(False, "observe the vehicles around, as the driving suite does: to learn from")
    exposure: float = param(0.0, "standard deviation of the cameras' exposures [stops]", low=0, high=3)
    white_balance: float = param(0.0, "standard deviation of their colours' gains [1]", low=0, high=0.5)
    calibration_angle: float = param(0.0, "standard deviation of a camera's turn about each axis [deg]", low=0, high=20)
    calibration_shift: float = param(0.0, "standard deviation of its place along each axis [m]", low=0, high=1)
    dropped: float = param(0.0, "probability that one of the cameras fails for an episode [1]", low=0, high=1)

    collision_reward: float = param(-5.0, "reward for a crash [1]", low=-1000, high=1000)
    arrival_reward: float = param(5.0, "reward for being past what blocks the lane [1]", low=-1000, high=1000)
    progress_reward: float = param(0.1, "reward at the highest target speed along the lane [1]", low=-100, high=100)
    time_reward: float = param(-0.02, "reward for each step [1]", low=-100, high=100)

    screen_width: int = param(960, "frame width [px]", low=48, high=4096)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.rgb or self.depth or self.semantic or self.state):
            raise ValueError("rgb, depth, semantic, state: one of them must be True")
