"""Parameters of object navigation."""

from __future__ import annotations

import dataclasses
import math

from foveal.envs.objectnav.types import OBJECTS
from foveal.envs.params import Params, param

SPLITS = ("train", "val", "test")
HABITAT_2022 = (
    "AlarmClock", "Apple", "BaseballBat", "BasketBall", "Bed", "Bowl", "Chair", "GarbageCan", "HousePlant", "Laptop",
    "Mug", "Sofa", "SprayBottle", "Television", "Toilet", "Vase",
)  # fmt: skip
"""The 16 categories of procthor-rl's ``robothor_habitat2022``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectNavParams(Params):
    """Where, for what, with which eyes and for which reward. Defaults are those of procthor-rl and its LoCoBot."""

    scenes: str = param("ithor", "houses: ithor, robothor, procedural, some joined by +, or a house file's path")
    split: str = param("train", "part of the houses", choices=SPLITS)
    houses: int = param(20, "how many of each at most, 0: all there are [1]", low=0, high=100_000)
    first_house: int = param(0, "the first of them [1]", low=0, high=2**31 - 1)
    rooms: int = param(0, "procedural: rooms of a house, 0: from 1 to 8 [1]", low=0, high=8)
    palette: str = param("train", "materials and colours", choices=("train", "held_out"))
    models: str = param("", "folder with furniture of Sweet Home 3D (.sh3f) to take shapes from, where one fits")
    backend: str = param("native", "who simulates", choices=("native", "ai2thor"))
    categories: tuple[str, ...] = param(HABITAT_2022, "what may have to be found", choices=OBJECTS, items=(1, 200))
    success_distance: float = param(1.0, "how near the thing must be, to its surface [m]", low=0.1, high=10)
    start_distances: tuple[float, ...] = param(
        (0.0, 1000.0), "least and greatest geodesic distance from start to goal [m]", low=0, high=1000, items=(2, 2)
    )
    start_tilt: int = param(0, "looks up from the horizon at the start [30 deg]", low=-1, high=1)
    duration: int = param(500, "time limit [actions]", low=1, high=100_000)

    width: int = param(64, "of the images [px]", low=8, high=2048)
    height: int = param(64, "of the images [px]", low=8, high=2048)
    vertical_fov: float = param(math.radians(63.453), "of the camera [rad]", low=0.2, high=2.5)
    camera_height: float = param(0.8698, "above the floor [m]", low=0.1, high=2.5)
    rgb: bool = param(True, "observe colours")
    depth: bool = param(True, "observe depth [m]")
    semantic: bool = param(False, "observe types (foveal.envs.objectnav.types)")
    gps_compass: bool = param(False, "observe the place and the heading, as seen from the start [m, rad]")

    guide: bool = param(False, "observe what a guide that knows the way would do: to learn from, not to act on")

    step_reward: float = param(-0.01, "reward for every action [1]", low=-100, high=100)
    success_reward: float = param(10.0, "reward for ending at the goal [1]", low=-1000, high=1000)
    failure_reward: float = param(0.0, "reward for ending elsewhere [1]", low=-1000, high=1000)
    shaping_reward: float = param(1.0, "reward for coming nearer [1/m]", low=-100, high=100)
    shaping: str = param("best", "nearer than ever before, or than one action ago", choices=("best", "difference"))
    shaping_distance: str = param(
        "geodesic", "along the shortest path, or straight, as procthor-rl has it", choices=("geodesic", "straight")
    )
    expert: bool = param(False, "infos tell of the shortest action sequence at an episode's end, and SEL")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"categories={self.categories}: each only once")
        if not self.start_distances[0] < self.start_distances[1]:
            raise ValueError(f"start_distances={self.start_distances}: must be increasing")
        if self.guide and self.backend != "native":
            raise ValueError(f"guide=True: the guide knows the way only with backend='native', not {self.backend!r}")
        if not (self.rgb or self.depth or self.semantic or self.gps_compass):
            raise ValueError("rgb, depth, semantic, gps_compass: one of them must be True")
