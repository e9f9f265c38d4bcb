"""The parameters of every kind of observation."""

from __future__ import annotations

import dataclasses

from foveal.envs.params import Params, param

OBSERVATIONS = ("Kinematics", "TimeToCollision", "Exit", "Lidar", "TopDown", "Tuple")
FEATURES = (
    "presence", "x", "y", "vx", "vy", "heading", "cos_h", "sin_h", "cos_d", "sin_d", "long_off", "lat_off", "ang_off",
)  # fmt: skip
"""Whether there is one [1]; place [m] and velocity [m/s], relative to the ego's where not absolute; heading [rad],
its cosine and sine; direction of the destination; place along and across the own lane [m] and heading to it [rad]."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservationParams(Params):
    """What the ego observes; named as in highway-env 1.12, with a prefix."""

    observation: str = param("Kinematics", "kind of observation", choices=OBSERVATIONS)
    observation_features: tuple[str, ...] = param(
        ("presence", "x", "y", "vx", "vy"), "features of each vehicle", choices=FEATURES, items=(1, len(FEATURES))
    )
    observation_absolute: bool = param(False, "places and velocities as they are, not relative to the ego")
    observation_order: str = param("sorted", "order of the vehicles", choices=("sorted", "shuffled"))
    observation_normalize: bool = param(True, "map the ranges below to [-1, 1]")
    observation_clip: bool = param(True, "clip what is mapped")
    observation_range_x: float = param(200.0, "x, either way [m]", low=0.1, high=1e6)
    observation_range_y: float = param(0.0, "y, either way; 0: the start road's width [m]", low=0, high=1e6)
    observation_range_vx: float = param(80.0, "vx, either way [m/s]", low=0.1, high=1e6)
    observation_range_vy: float = param(80.0, "vy, either way [m/s]", low=0.1, high=1e6)
    observation_intentions: bool = param(False, "observe the others' destinations too")
    observation_vehicles_count: int = param(5, "observed vehicles, the ego included [1]", low=1, high=100)
    observation_see_behind: bool = param(False, "observe vehicles more than 10 m behind too")
    observation_horizon: int = param(10, "how far times to collision look ahead [s]", low=1, high=100)
    observation_cells: int = param(16, "beams of the Lidar [1]", low=1, high=1024)
    observation_maximum_range: float = param(60.0, "range of the Lidar [m]", low=0.1, high=1e4)
    observation_width: int = param(84, "width of the TopDown image [px]", low=8, high=1024)
    observation_height: int = param(84, "height of the TopDown image [px]", low=8, high=1024)
    observation_stack: int = param(4, "TopDown images in a stack, the last one the latest [1]", low=1, high=16)
    observation_gray: bool = param(True, "TopDown images are gray; else red, green and blue")
    observation_scaling: float = param(1.75, "scale of the TopDown image [px/m]", low=0.25, high=50)
    observation_centering: tuple[float, ...] = param(
        (0.3, 0.5), "where the ego stands in the TopDown image [1]", low=0, high=1, items=(2, 2)
    )
    observation_turns: bool = param(False, "the TopDown image turns with the ego, which always heads right")
    observation_tuple: tuple[str, ...] = param(
        ("Kinematics", "Lidar"),
        "kinds of observation in a Tuple",
        choices=tuple(kind for kind in OBSERVATIONS if kind != "Tuple"),
        items=(1, len(OBSERVATIONS)),
    )
