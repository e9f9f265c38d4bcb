"""From highway-env's objects to our arrays: its configuration as parameters, a live instance as a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.highway import Highway

DRIVER_ATTRIBUTES = {
    tr.COMFORT_ACCELERATION: "COMFORT_ACC_MAX",
    tr.COMFORT_DECELERATION: "COMFORT_ACC_MIN",
    tr.JAM_DISTANCE: "DISTANCE_WANTED",
    tr.TIME_GAP: "TIME_WANTED",
    tr.EXPONENT: "DELTA",
    tr.MAX_ACCELERATION: "ACC_MAX",
    tr.POLITENESS: "POLITENESS",
    tr.MIN_GAIN: "LANE_CHANGE_MIN_ACC_GAIN",
    tr.MAX_IMPOSED_BRAKING: "LANE_CHANGE_MAX_BRAKING_IMPOSED",
    tr.DECISION_DELAY: "LANE_CHANGE_DELAY",
}
_SAME_NAME = (
    "lanes_count", "vehicles_count", "initial_lane_id", "duration", "ego_spacing", "vehicles_density",
    "simulation_frequency", "policy_frequency", "collision_reward", "right_lane_reward", "high_speed_reward",
    "reward_speed_range", "normalize_reward", "offroad_terminal", "screen_width", "screen_height", "scaling",
)  # fmt: skip
_ONLY = {
    "controlled_vehicles": 1,
    "other_vehicles_type": "highway_env.vehicle.behavior.IDMVehicle",
    "neighbour_vehicles_connected_lanes": False,
    "manual_control": False,
    "lane_change_reward": 0,
    "on_road_reward": 0,
}
_ONLY_OBSERVATION = {
    "type": "Kinematics",
    "features": ["presence", "x", "y", "vx", "vy"],
    "features_range": None,
    "absolute": False,
    "order": "sorted",
    "normalize": True,
    "clip": True,
}
_ONLY_ACTION = {"type": "DiscreteMetaAction", "longitudinal": True, "lateral": True}


def from_highway_env(env: Any, **batch_options: Any) -> Highway:
    """A world with the configuration and the exact state of live highway-env instances.

    Args:
        env: A highway-env ``highway-v0`` or ``highway-fast-v0`` instance (wrapped or not, already reset), or a sequence
            of them with equal configurations, one a row.
        **batch_options: `BatchEnv` arguments such as ``autoreset_mode``.

    Returns:
        A `Highway` with as many rows, as if it had been stepped this far itself. A later reset spawns from our own
        random stream, seeded with 0.

    Raises:
        ValueError: naming the setting that cannot be translated.
    """
    envs = [one.unwrapped for one in (env if isinstance(env, Sequence) else [env])]
    params = highway_params(envs[0])
    for other in envs[1:]:
        if highway_params(other) != params:
            raise ValueError("the highway-env instances have different configurations")
    world = Highway(len(envs), **batch_options, **params)
    world.reset(seed=0)
    state = world.get_state()
    for row, one in enumerate(envs):
        state["traffic"][row] = _row_of(one)
        state["time"][row] = one.time
        state["elapsed"][row] = round(one.time * one.config["policy_frequency"])
    world.set_state(state)
    return world


def highway_params(env: Any) -> dict[str, Any]:
    """The `HighwayParams` of a highway-env instance, as keyword arguments.

    Raises:
        ValueError: naming the setting that cannot be translated.
    """
    config = env.unwrapped.config
    if missing := [name for name in _SAME_NAME if name not in config]:
        raise ValueError(f"{type(env.unwrapped).__name__} is no highway-v0 or highway-fast-v0: no {missing[0]}")
    observation, action = config["observation"], config["action"]
    _only(config, _ONLY, "")
    _only(observation, _ONLY_OBSERVATION, "observation.")
    _only(action, _ONLY_ACTION, "action.")
    params = {name: config[name] for name in _SAME_NAME}
    params["traffic_collisions"] = any(v.check_collisions for v in env.unwrapped.road.vehicles[1:])
    speeds = action.get("target_speeds")
    params["action_target_speeds"] = (20.0, 25.0, 30.0) if speeds is None else tuple(speeds)
    params["observation_vehicles_count"] = observation.get("vehicles_count", 5)
    params["observation_see_behind"] = observation.get("see_behind", False)
    return params


def _only(config: Mapping[str, Any], supported: dict[str, Any], prefix: str) -> None:
    for name, value in supported.items():
        if config.get(name, value) != value:
            raise ValueError(f"highway-env's {prefix}{name}={config[name]!r} cannot be translated, only {value!r} can")


def _row_of(env: Any) -> np.ndarray:
    """The traffic (K, V) of one live instance; derived features stay 0."""
    vehicles = env.road.vehicles
    if vehicles[0] is not env.vehicle:
        raise ValueError("the controlled vehicle must be the first on the road")
    if len(vehicles) != env.config["vehicles_count"] + 1:
        raise ValueError(
            f"{len(vehicles)} vehicles are on the road, vehicles_count says {env.config['vehicles_count']} + 1"
        )
    traffic, _ = tr.allocate(1, len(vehicles))
    t = traffic[0]
    for i, vehicle in enumerate(vehicles):
        t[tr.X, i], t[tr.Y, i] = vehicle.position
        t[tr.HEADING, i], t[tr.SPEED, i] = vehicle.heading, vehicle.speed
        t[tr.LANE, i], t[tr.TARGET_LANE, i] = vehicle.lane_index[2], vehicle.target_lane_index[2]
        t[tr.TARGET_SPEED, i] = vehicle.target_speed
        t[tr.CRASHED, i] = vehicle.crashed
        t[tr.CHECKS_COLLISIONS, i] = vehicle.check_collisions
        if vehicle.impact is not None:
            t[tr.PUSHED, i] = 1
            t[tr.PUSH_X, i], t[tr.PUSH_Y, i] = vehicle.impact
        if i > 0:
            _copy_driver(t, i, vehicle)
    return t


def _copy_driver(t: np.ndarray, i: int, vehicle: Any) -> None:
    """Copy the coefficients of one IDM vehicle, read from the instance: other environments change its class."""
    if not vehicle.enable_lane_change:
        raise ValueError("highway-env's enable_lane_change=False cannot be translated")
    t[tr.TIMER, i] = vehicle.timer
    for feature, name in DRIVER_ATTRIBUTES.items():
        t[feature, i] = math.fabs(getattr(vehicle, name)) if name == "COMFORT_ACC_MIN" else getattr(vehicle, name)
