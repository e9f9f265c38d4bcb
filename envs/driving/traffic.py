"""The vehicles of N rows as one array of features.

Traffic is a float64 array (N, K, V): K features of V vehicles in each of N rows, vehicle 0 being the ego. Everything a
driver is made of lives there per vehicle; nothing is a class attribute. Kernels take one row ``t`` (K, V) and write
``t[SPEED, i]`` for the speed of vehicle ``i``. Worlds on a road network (`foveal.envs.driving.navigation`) have more
vehicles or fewer from moment to moment, and `NETWORK_FEATURES` beside the common ones.

World frame: x along the road, y to the right, metres; headings in radians from +x towards +y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import inlined, kernel

CAR_LENGTH = 5.0  # m
CAR_WIDTH = 2.0  # m
MAX_SPEED = 40.0  # m/s, forwards and backwards
NEIGHBOUR_MARGIN = 1.0  # m: a vehicle counts as on every lane whose edge it is this near to

FEATURES = (
    "x",  # m
    "y",  # m
    "heading",  # rad
    "speed",  # m/s
    "lane",  # the closest one
    "target_lane",  # the one steered for
    "target_speed",  # m/s
    "timer",  # s since the last lane-change decision
    "crashed",  # 0 or 1
    "pushed",  # 1: an impact waits to be applied
    "push_x",  # m, the impact
    "push_y",  # m
    "checks_collisions",  # 0 or 1
    "kind",  # one of KINDS
    "length",  # m
    "width",  # m
    # The driver: the Intelligent Driver Model and MOBIL
    "comfort_acceleration",  # m/s^2
    "comfort_deceleration",  # m/s^2, positive
    "jam_distance",  # m, centre to centre
    "time_gap",  # s
    "exponent",  # of the speed ratio
    "max_acceleration",  # m/s^2, both signs
    "politeness",  # in [0, 1]
    "min_gain",  # m/s^2 that a lane change must bring
    "max_imposed_braking",  # m/s^2, positive
    "decision_delay",  # s between lane-change decisions
    # Derived within a substep
    "cos",  # of the heading
    "sin",  # of the heading
    "acceleration",  # m/s^2
    "slip_sin",  # sine of the slip angle
    "gap",  # m to the leader on the own lane, centre to centre; FAR without one
    "closing",  # m/s, closing speed to it along the own heading
)
(
    X, Y, HEADING, SPEED, LANE, TARGET_LANE, TARGET_SPEED, TIMER, CRASHED, PUSHED, PUSH_X, PUSH_Y, CHECKS_COLLISIONS,
    KIND, LENGTH, WIDTH,
    COMFORT_ACCELERATION, COMFORT_DECELERATION, JAM_DISTANCE, TIME_GAP, EXPONENT, MAX_ACCELERATION, POLITENESS,
    MIN_GAIN, MAX_IMPOSED_BRAKING, DECISION_DELAY, COS, SIN, ACCELERATION, SLIP_SIN,
    GAP, CLOSING,
) = range(len(FEATURES))  # fmt: skip

NETWORK_FEATURES = (
    "route",  # number of the planned route, -1 for none
    "stage",  # how many of its stages are left behind
    "changes_lanes",  # 0 or 1
    "speed_index",  # of an ego's target speed
    "yielding",  # 0 or 1
    "yield_timer",  # regulations since it began to yield
    "steering",  # rad, of the front wheels, where an action sets it
    "lateral_speed",  # m/s, of a vehicle that slips
    "yaw_rate",  # rad/s
    "linear_speed",  # 1/s, of the linear driver, on the difference to its target speed
    "linear_closing",  # 1/s, on the closing speed
    "linear_gap",  # 1/s^2, on the gap that is missing
    "linear_heading",  # 1/s, on the heading's difference to the lane's
    "linear_lateral",  # 1/s^2, on the distance to the lane's centre
)
(
    ROUTE, STAGE, CHANGES_LANES, SPEED_INDEX, YIELDING, YIELD_TIMER, STEERING, LATERAL_SPEED, YAW_RATE,
    LINEAR_SPEED, LINEAR_CLOSING, LINEAR_GAP, LINEAR_HEADING, LINEAR_LATERAL,
) = range(len(FEATURES), len(FEATURES) + len(NETWORK_FEATURES))  # fmt: skip

KINDS = ("ego", "idm", "linear", "steered", "slipping", "obstacle", "landmark")
"""What a column is: an ego that follows lanes and target speeds; traffic that drives by IDM and MOBIL, or by linear
rules; a vehicle whose wheels are steered directly, without and with slipping tyres; and what does not move."""
EGO, IDM, LINEAR, STEERED, SLIPPING, OBSTACLE, LANDMARK = range(len(KINDS))

TRACED = (X, Y, HEADING, SPEED, LANE, TARGET_LANE, CRASHED, LENGTH, WIDTH, KIND)
"""What is kept of each substep of a traced row."""

DRIVER_DEFAULTS = {
    COMFORT_ACCELERATION: 3.0,
    COMFORT_DECELERATION: 5.0,
    JAM_DISTANCE: 5.0 + CAR_LENGTH,
    TIME_GAP: 1.5,
    EXPONENT: 4.0,
    MAX_ACCELERATION: 6.0,
    POLITENESS: 0.0,
    MIN_GAIN: 0.2,
    MAX_IMPOSED_BRAKING: 2.0,
    DECISION_DELAY: 1.0,
}
"""IDM and MOBIL coefficients of highway-env 1.12's ``IDMVehicle``."""


def allocate(rows: int, vehicles: int, features: int = len(FEATURES)) -> NDArray[np.float64]:
    """Zeroed traffic (rows, features, vehicles): cars with default drivers, vehicle 0 the ego."""
    traffic = np.zeros((rows, features, vehicles))
    for feature, value in {**DRIVER_DEFAULTS, KIND: IDM, LENGTH: CAR_LENGTH, WIDTH: CAR_WIDTH}.items():
        traffic[:, feature] = value
    traffic[:, KIND, 0] = EGO
    return traffic


@kernel
def wrap_to_pi(angle):
    """The angle in [-pi, pi), with the rounding of ``(angle + pi) % (2 pi) - pi``."""
    shifted = angle + np.pi
    if 0.0 <= shifted < 2 * np.pi:
        return shifted - np.pi
    return shifted % (2 * np.pi) - np.pi


@kernel
def not_zero(value):
    """`value`, or 0.01 of its sign where it is smaller than that."""
    if abs(value) > 1e-2:
        return value
    return 1e-2 if value >= 0 else -1e-2


@inlined
def closing_speed(t, i, front):
    """Closing speed, m/s, of vehicle `i` to `front`, along the heading of `i`."""
    x = t[SPEED, i] * t[COS, i] - t[SPEED, front] * t[COS, front]
    y = t[SPEED, i] * t[SIN, i] - t[SPEED, front] * t[SIN, front]
    return x * t[COS, i] + y * t[SIN, i]
