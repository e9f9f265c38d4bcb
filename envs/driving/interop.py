"""Live instances of highway-env as rows of our worlds, in exactly their state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.migration import WORLDS, name_of, params_from_config, world_named
from foveal.envs.driving.scenario import ScenarioWorld
from foveal.envs.driving.world import DrivingWorld

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
KINDS = {
    "MDPVehicle": tr.EGO,
    "LinearVehicle": tr.LINEAR,
    "IDMVehicle": tr.IDM,
    "BicycleVehicle": tr.SLIPPING,
    "Vehicle": tr.STEERED,
    "Obstacle": tr.OBSTACLE,
    "Landmark": tr.LANDMARK,
}
"""highway-env's classes, each before those it derives from."""


def from_highway_env(env: Any, **options: Any) -> DrivingWorld:
    """A world with the configuration and the exact state of live highway-env instances.

    Args:
        env: A highway-env instance (wrapped or not, already reset), or a sequence of them with equal configurations,
            one a row. A `TimeLimit` around it is translated too, as ``max_episode_steps``.
        **options: `BatchEnv` arguments such as ``autoreset_mode``, or parameters that are to be others.

    Returns:
        A world with as many rows, as if it had been stepped this far itself. A later reset spawns from our own random
        stream, seeded with 0.

    Raises:
        ValueError: naming the setting that cannot be translated.
    """
    wrapped = env if isinstance(env, Sequence) else [env]
    params = _arguments(wrapped[0])
    for other in wrapped[1:]:
        if _arguments(other) != params:
            raise ValueError("the highway-env instances have different configurations")
    envs = [one.unwrapped for one in wrapped]
    world: Any = world_named(name_of(envs[0]))(len(envs), **{**params, **options})
    world.reset(seed=0)
    state = world.get_state()
    for row, one in enumerate(envs):
        translate(one, world, {name: array[row] for name, array in state.items() if name != "time"})
        time = one.time or one.steps / one.config["simulation_frequency"]  # lane keeping does not count its time
        state["time"][row] = time
        state["elapsed"][row] = round(time * one.config["policy_frequency"])
        if "count" in state:
            _count(one, state, row)
    world.set_state(state)
    translated: DrivingWorld = world
    return translated


def params_of(env: Any) -> dict[str, Any]:
    """Our parameters for a highway-env instance, as keyword arguments.

    Raises:
        ValueError: naming the setting that cannot be translated.
    """
    env = env.unwrapped
    world = world_named(name_of(env))
    params = params_from_config(env.config, world) | WORLDS[name_of(env)][1]
    if world is Highway:
        params["traffic_collisions"] = any(v.check_collisions for v in env.road.vehicles[1:])
    return params


def _arguments(env: Any) -> dict[str, Any]:
    """Parameters and step limit; highway-env's own time limits are in its configuration, this one is Gymnasium's."""
    params = params_of(env)
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            return params | {"max_episode_steps": env._max_episode_steps}
        env = env.env
    return params


def lane_numbers(env: Any, world: DrivingWorld) -> dict[Any, int]:
    """Our number of each lane of a highway-env instance, by its index.

    Raises:
        ValueError: where the roads differ.
    """
    theirs = list(env.road.network.lanes_dict())
    if isinstance(world, ScenarioWorld) and [tuple(name) for name in theirs] != world.road.names():
        raise ValueError(f"the road of {type(env).__name__} is not that of {type(world).__name__}")
    return {name: number for number, name in enumerate(theirs)}


def translate(env: Any, world: DrivingWorld, row: dict[str, NDArray[Any]]) -> None:
    """Write the vehicles of a live instance into one row of a world's state; derived features stay as they are."""
    t, vehicles = row["traffic"], env.road.vehicles
    numbers = lane_numbers(env, world)
    if isinstance(world, Highway):
        if vehicles[0] is not env.vehicle:
            raise ValueError("the controlled vehicle must be the first on the road")
        if len(vehicles) != t.shape[1]:
            raise ValueError(f"{len(vehicles)} vehicles are on the road, vehicles_count says {t.shape[1] - 1} + 1")
    if isinstance(world, ScenarioWorld) and len(vehicles) > world.capacity:
        raise ValueError(f"{len(vehicles)} vehicles are on the road, there is room for {world.capacity}")
    for i, vehicle in enumerate(vehicles):
        write_vehicle(t, i, vehicle, world, numbers)
    if isinstance(world, ScenarioWorld):
        for place, thing in enumerate(env.road.objects):
            _write_body(t, world.capacity + place, thing, numbers)
        if "LaneKeepingEnv" in [base.__name__ for base in type(env).__mro__]:
            kept = [number for name, number in numbers.items() if env.road.network.get_lane(name) is env.lane]
            t[tr.TARGET_LANE, vehicles.index(env.vehicle)] = kept[0]


def write_vehicle(t: NDArray[Any], i: int, vehicle: Any, world: DrivingWorld, numbers: dict[Any, int]) -> None:
    """Write one vehicle of a live instance into column `i` of a row's traffic; `numbers` as of `lane_numbers`."""
    _write_body(t, i, vehicle, numbers)
    _write_mind(t, i, vehicle, world, numbers)


def adopt(world: DrivingWorld, column: NDArray[Any]) -> None:
    """Put a vehicle (K,), as `write_vehicle` writes it, last on the road of a world of one row."""
    state = world.get_state()
    state["traffic"][0, :, state["count"][0]] = column
    state["count"][0] += 1
    world.set_state(state)


def _count(env: Any, state: dict[str, NDArray[Any]], row: int) -> None:
    """Which columns are there and which are the egos', and the regulation's clock."""
    vehicles = env.road.vehicles
    state["count"][row] = len(vehicles)
    state["egos"][row] = [vehicles.index(ego) for ego in env.controlled_vehicles]
    state["clock"][row] = getattr(env.road, "steps", env.steps)


def _write_body(t: NDArray[Any], i: int, thing: Any, numbers: dict[Any, int]) -> None:
    t[:, i] = 0.0
    t[tr.X, i], t[tr.Y, i] = thing.position
    t[tr.HEADING, i], t[tr.SPEED, i] = thing.heading, thing.speed
    t[tr.LANE, i] = numbers[thing.lane_index]
    t[tr.CRASHED, i], t[tr.CHECKS_COLLISIONS, i] = thing.crashed, thing.check_collisions
    t[tr.LENGTH, i], t[tr.WIDTH, i] = thing.LENGTH, thing.WIDTH
    bases = [base.__name__ for base in type(thing).__mro__]
    t[tr.KIND, i] = next(number for name, number in KINDS.items() if name in bases)


def _write_mind(t: NDArray[Any], i: int, vehicle: Any, world: DrivingWorld, numbers: dict[Any, int]) -> None:
    for feature, value in tr.DRIVER_DEFAULTS.items():
        t[feature, i] = value
    t[tr.TARGET_LANE, i] = numbers[tuple(getattr(vehicle, "target_lane_index", vehicle.lane_index))]
    t[tr.TARGET_SPEED, i] = getattr(vehicle, "target_speed", 0.0)
    if vehicle.impact is not None:
        t[tr.PUSHED, i] = 1
        t[tr.PUSH_X, i], t[tr.PUSH_Y, i] = vehicle.impact
    if t[tr.KIND, i] in (tr.IDM, tr.LINEAR):
        _write_driver(t, i, vehicle, isinstance(world, ScenarioWorld))
    if isinstance(world, ScenarioWorld):
        _write_journey(t, i, vehicle, world)


def _write_driver(t: NDArray[Any], i: int, vehicle: Any, any_kind: bool) -> None:
    """The coefficients of one vehicle, read from the instance: other environments change its class."""
    linear = t.shape[0] > tr.LINEAR_LATERAL
    if not any_kind and not (vehicle.enable_lane_change and (linear or t[tr.KIND, i] == tr.IDM)):
        raise ValueError("highway-env's enable_lane_change=False, or a linear vehicle alone, cannot be translated")
    t[tr.TIMER, i] = vehicle.timer
    for feature, name in DRIVER_ATTRIBUTES.items():
        t[feature, i] = math.fabs(getattr(vehicle, name)) if name == "COMFORT_ACC_MIN" else getattr(vehicle, name)
    if any_kind:
        t[tr.CHANGES_LANES, i] = vehicle.enable_lane_change
    if t[tr.KIND, i] == tr.LINEAR:
        t[[tr.LINEAR_SPEED, tr.LINEAR_CLOSING, tr.LINEAR_GAP], i] = vehicle.ACCELERATION_PARAMETERS
        t[[tr.LINEAR_HEADING, tr.LINEAR_LATERAL], i] = vehicle.STEERING_PARAMETERS


def _write_journey(t: NDArray[Any], i: int, vehicle: Any, world: ScenarioWorld) -> None:
    """Route, regulation, tyres and what the last action set."""
    route = getattr(vehicle, "route", None)
    t[[tr.ROUTE, tr.STAGE], i] = world.road.find_route(route) if route else (-1, 0)
    t[tr.SPEED_INDEX, i] = getattr(vehicle, "speed_index", 0)
    t[tr.YIELDING, i], t[tr.YIELD_TIMER, i] = getattr(vehicle, "is_yielding", 0), getattr(vehicle, "yield_timer", 0)
    t[tr.STEERING, i], t[tr.ACCELERATION, i] = vehicle.action["steering"], vehicle.action["acceleration"]
    t[tr.LATERAL_SPEED, i], t[tr.YAW_RATE, i] = getattr(vehicle, "lateral_speed", 0), getattr(vehicle, "yaw_rate", 0)
