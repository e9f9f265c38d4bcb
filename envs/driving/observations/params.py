"""The parameters of every kind of observation."""

from __future__ import annotations

import dataclasses
import math

from foveal.envs.params import Params, param

OBSERVATIONS = ("Kinematics", "OccupancyGrid", "TimeToCollision", "Exit", "Lidar", "TopDown", "Tuple")
"""Those that any world may have."""
FEATURELESS = ("TimeToCollision", "Lidar", "TopDown")
"""Those that do not read `observation_features`."""
FEATURES = (
    "presence", "x", "y", "vx", "vy", "heading", "cos_h", "sin_h", "cos_d", "sin_d", "long_off", "lat_off", "ang_off",
)  # fmt: skip
"""Whether there is one [1]; place [m] and velocity [m/s], relative to the ego's where not absolute; heading [rad],
its cosine and sine; direction of the destination; place along and across the own lane [m] and heading to it [rad]."""
GRID_FEATURES = (*FEATURES, "on_road")
"""Of an OccupancyGrid; the last says where lanes are."""
MOST_CELLS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservationParams(Params):
    """What the ego observes; named as in highway-env 1.12, with a prefix."""

    observation: str = param("Kinematics", "kind of observation", choices=OBSERVATIONS)
    observation_features: tuple[str, ...] = param(
        ("presence", "x", "y", "vx", "vy"), "what is observed", choices=GRID_FEATURES, items=(1, len(GRID_FEATURES))
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
    observation_grid_size: tuple[float, ...] = param(
        (-27.5, 27.5, -27.5, 27.5), "lowest and highest x, then y, of a grid, from the ego [m]",
        low=-100, high=100, items=(4, 4),
    )  # fmt: skip
    observation_grid_step: tuple[float, ...] = param(
        (5.0, 5.0), "size of a grid's cells, in x and y [m]", low=0.5, high=50, items=(2, 2)
    )
    observation_align_to_vehicle_axes: bool = param(False, "a grid turns with the ego")
    observation_as_image: bool = param(False, "a grid in whole numbers from 0 to 255")

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.observation_range_y < 0.1:
            raise ValueError(f"observation_range_y={self.observation_range_y}: must be 0 or at least 0.1")
        kinds = set(self.observation_tuple if self.observation == "Tuple" else (self.observation,))
        if "on_road" in self.observation_features and kinds - {"OccupancyGrid", *FEATURELESS}:
            raise ValueError(f"observation_features={self.observation_features}: 'on_road' is of a grid only")
        if "OccupancyGrid" not in kinds:
            return
        for cells in self.observation_grid_cells:
            if not 1 <= cells <= MOST_CELLS:
                raise ValueError(
                    f"observation_grid_size={self.observation_grid_size}: must hold 1 to {MOST_CELLS} cells of "
                    f"observation_grid_step={self.observation_grid_step} along each axis, holds {cells}"
                )

    @property
    def observation_grid_cells(self) -> tuple[int, int]:
        """Cells of a grid along x and y."""
        size, (x, y) = self.observation_grid_size, self.observation_grid_step
        return math.floor((size[1] - size[0]) / x), math.floor((size[3] - size[2]) / y)
