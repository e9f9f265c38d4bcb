"""From highway-env's configurations to our parameters."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from foveal.envs.driving.world import DrivingWorld
from foveal.envs.params import did_you_mean

_SCENARIOS = "foveal.envs.driving.scenarios"
WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "HighwayEnv": ("foveal.envs.driving.highway:Highway", {}),
    "MergeGenericEnv": (f"{_SCENARIOS}.merge:Merge", {"speed_limit": 30.0}),
    "MergeEnv": (f"{_SCENARIOS}.merge:Merge", {}),
    "IntersectionEnv": (f"{_SCENARIOS}.intersection:Intersection", {}),
    "RoundaboutEnv": (f"{_SCENARIOS}.roundabout:Roundabout", {}),
    "UTurnEnv": (f"{_SCENARIOS}.u_turn:UTurn", {}),
    "TwoWayEnv": (f"{_SCENARIOS}.two_way:TwoWay", {"duration": 1e9}),
    "ExitEnv": (f"{_SCENARIOS}.exit:Exit", {}),
    "RacetrackEnvLarge": (f"{_SCENARIOS}.racetrack:Racetrack", {"track": "large"}),
    "RacetrackEnvOval": (f"{_SCENARIOS}.racetrack:Racetrack", {"track": "oval", "speed_limit": 10.0}),
    "RacetrackEnv": (f"{_SCENARIOS}.racetrack:Racetrack", {"track": "standard", "speed_limit": 10.0}),
    "ParkingEnv": (f"{_SCENARIOS}.parking:Parking", {}),
    "LaneKeepingEnv": (f"{_SCENARIOS}.lane_keeping:LaneKeeping", {"duration": 1e6}),
}
"""highway-env's classes of environments (subclasses included): our batched world, and what its rules amount to."""

_KINEMATICS = {
    "features": ("presence", "x", "y", "vx", "vy"), "vehicles_count": 5, "features_range": None, "absolute": False,
    "order": "sorted", "normalize": True, "clip": True, "see_behind": False, "observe_intentions": False,
    "include_obstacles": True,
}  # fmt: skip
_LIDAR = {"cells": 16, "maximum_range": 60.0, "normalize": True}
_GRID = {
    "features": ("presence", "vx", "vy", "on_road"), "grid_size": ((-27.5, 27.5), (-27.5, 27.5)),
    "grid_step": (5.0, 5.0), "features_range": None, "absolute": False, "align_to_vehicle_axes": False, "clip": True,
    "as_image": False,
}  # fmt: skip
_META = {"longitudinal": True, "lateral": True, "target_speeds": (20.0, 25.0, 30.0)}
_CONTINUOUS = {
    "longitudinal": True, "lateral": True, "acceleration_range": (-5.0, 5.0),
    "steering_range": (-np.pi / 4, np.pi / 4), "speed_range": None, "dynamical": False, "clip": True,
}  # fmt: skip
_IMPLIED: dict[str, dict[str, Any]] = {
    "Kinematics": _KINEMATICS,
    "LidarObservation": _LIDAR,
    "ExitObservation": _KINEMATICS,
    "TimeToCollision": {"horizon": 10},
    "OccupancyGrid": _GRID,
    "DiscreteMetaAction": _META,
    "ContinuousAction": _CONTINUOUS,
    "DiscreteAction": {**_CONTINUOUS, "actions_per_axis": 3},
}
"""What highway-env takes where an observation or an action does not say."""

_RENAMED = {
    "neighbour_vehicles_connected_lanes": "connected_lanes",
    "observation.type": "observation",
    "observation.observe_intentions": "observation_intentions",
    "action.type": "action",
    "action.acceleration_range": "action_acceleration",
    "action.steering_range": "action_steering",
    "action.actions_per_axis": "action_per_axis",
    "other_vehicles_type": "traffic",
}
_TYPES = {
    "DiscreteMetaAction": "DiscreteMeta",
    "ContinuousAction": "Continuous",
    "DiscreteAction": "Discrete",
    "LidarObservation": "Lidar",
    "TupleObservation": "Tuple",
    "ExitObservation": "Exit",
    "AttributesObservation": "Attributes",
}
_TEMPERAMENTS = ("IDMVehicle", "LinearVehicle", "AggressiveVehicle", "DefensiveVehicle")
"""In the order of `foveal.envs.driving.temperaments.DRIVERS`."""
_ONLY: dict[str, Any] = {
    "controlled_vehicles": 1,
    "neighbour_vehicles_connected_lanes": False,
    "manual_control": False,
    "lane_change_reward": 0,
    "on_road_reward": 0,
    "observation.include_obstacles": True,
    "observation.flatten": False,
    "action.type": "DiscreteMetaAction",
    "action.longitudinal": True,
    "action.lateral": True,
    "action.clip": True,
    "action.speed_range": None,
    "action.dynamical": False,
    "speed_limit": 10.0,
    "initial_lane_id": None,
    "offroad_terminal": False,
    "collision_reward": 0,
    "right_lane_reward": 0,
    "left_lane_constraint": 1,
    "steering_range": np.deg2rad(45),  # of parking, where nothing reads it
}
"""The only value that can be translated where a world has no parameter for it."""

_PICTURES = {"offscreen_rendering", "show_trajectories", "render_agent", "real_time_rendering"}


def name_of(env: Any) -> str:
    """Which of `WORLDS` a highway-env instance, wrapped or not, or class is.

    Raises:
        ValueError: where it is none of them.
    """
    kind = env if isinstance(env, type) else type(env.unwrapped)
    for base in kind.__mro__:
        if base.__name__ in WORLDS:
            return base.__name__
    raise ValueError(f"{kind.__name__} is none of the worlds here; there are {', '.join(WORLDS)}")


def world_named(name: str) -> type[DrivingWorld]:
    """Our batched world by its name in `WORLDS`."""
    module, _, attribute = WORLDS[name][0].partition(":")
    world: type[DrivingWorld] = getattr(importlib.import_module(module), attribute)
    return world


def params_from_config(config: Mapping[str, Any], world: type[DrivingWorld]) -> dict[str, Any]:
    """Our parameters for a highway-env configuration, as keyword arguments of a world.

    Args:
        config: Merged with the environment's defaults, as ``env.unwrapped.config`` is.
        world: The batched world, such as `foveal.envs.driving.highway.Highway`.

    Raises:
        ValueError: naming the setting that cannot be translated.
    """
    fields = {field.name for field in dataclasses.fields(world.Params)}
    params: dict[str, Any] = {}
    config = _of_each_agent(config) if "controlled_vehicles" in fields else config
    settings = list(_flattened(config))
    for theirs, value in settings:
        ours = _RENAMED.get(theirs, theirs.replace(".", "_"))
        if theirs == "observation.absolute" and value and config["observation"]["type"] == "OccupancyGrid":
            raise ValueError("highway-env's observation.absolute=True cannot be translated: it has no such grid")
        if theirs == "observation.features_range" and "observation_range_x" in fields:
            params |= _ranges(value, dict(settings)["observation.features"], dict(settings)["observation.type"])
        elif ours in fields:
            converted = _converted(theirs, value)
            if params.setdefault(ours, converted) != converted:
                raise ValueError(f"highway-env's {theirs} of several values cannot be translated")
        elif theirs in _PICTURES:
            continue
        elif theirs not in _ONLY:
            raise ValueError(
                f"highway-env's {theirs}={value!r} cannot be translated{did_you_mean(ours, sorted(fields))}"
            )
        elif _plain(value) != _ONLY[theirs]:
            raise ValueError(f"highway-env's {theirs}={value!r} cannot be translated, only {_ONLY[theirs]!r} can")
    if params["simulation_frequency"] % params["policy_frequency"]:
        params["uneven_frequencies"] = True
    return params


def _of_each_agent(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with the observation and the action of each of several agents in place of all of them's."""
    parts = {name: config[name] for name in ("observation", "action")}
    shared = {name: part for name, part in parts.items() if part["type"].startswith("MultiAgent")}
    if config["controlled_vehicles"] > 1 and len(shared) < len(parts):
        raise ValueError(
            f"highway-env's controlled_vehicles={config['controlled_vehicles']} cannot be translated without "
            "MultiAgentObservation and MultiAgentAction"
        )
    return {**config, **{name: part[f"{name}_config"] for name, part in shared.items()}}


def _flattened(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All settings, nested ones as ``observation.type``, with what highway-env takes for those that are not there."""
    for name, value in config.items():
        if name not in ("observation", "action"):
            yield name, value
            continue
        if value["type"] == "TupleObservation":
            parts = value["observation_configs"]
            yield from (("observation.type", value["type"]), ("observation.tuple", [one["type"] for one in parts]))
            for part in parts:
                yield from ((n, v) for n, v in _flattened({"observation": part}) if n != "observation.type")
            continue
        for inner, setting in {"type": None, **_IMPLIED.get(value["type"], {}), **value}.items():
            implied = _IMPLIED.get(value["type"], {}).get(inner)
            yield f"{name}.{inner}", implied if setting is None else setting


def _converted(name: str, value: Any) -> Any:
    if name in ("action.type", "observation.type"):
        return _TYPES.get(value, value)
    if name == "other_vehicles_type":
        return _shares(value)
    if name == "observation.tuple":
        return tuple(_TYPES.get(kind, kind) for kind in value)
    if name == "observation.grid_size":
        return tuple(bound for axis in value for bound in axis)
    if name in ("action.acceleration_range", "action.steering_range"):
        return _either_way(name, value)
    if name == "destination":
        return value or "any"
    return _plain(value)


def _shares(path: str) -> tuple[float, ...]:
    """Our `traffic` for the class that all other vehicles are of."""
    module, _, name = path.rpartition(".")
    if module != "highway_env.vehicle.behavior" or name not in _TEMPERAMENTS:
        raise ValueError(
            f"highway-env's other_vehicles_type={path!r} cannot be translated, only {', '.join(_TEMPERAMENTS)} can"
        )
    return tuple(float(name == other) for other in _TEMPERAMENTS)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def _either_way(name: str, bounds: Any) -> float:
    low, high = bounds
    if low != -high:
        raise ValueError(f"highway-env's {name}={bounds!r} cannot be translated, only a range from -b to b can")
    return float(high)


def _ranges(ranges: Mapping[str, Any] | None, features: Iterable[str], kind: str) -> dict[str, Any]:
    """The ranges of x, y, vx and vy."""
    if ranges is None:
        return {"observation_range_x": 200.0, "observation_range_y": 0.0} | {
            f"observation_range_{name}": 80.0 for name in ("vx", "vy")
        }
    params = {}
    scaled = ("vx", "vy") if kind == "OccupancyGrid" else ("x", "y", "vx", "vy")
    for name in scaled:
        if name in ranges:
            params[f"observation_range_{name}"] = _either_way(f"observation.features_range.{name}", ranges[name])
        elif name in features:
            raise ValueError(f"highway-env's observation.features_range without {name!r} cannot be translated")
    if other := [name for name in ranges if name not in scaled]:
        raise ValueError(f"highway-env's observation.features_range.{other[0]} cannot be translated")
    return params
