"""What is compared with highway-env: kinds of instances, and how each is brought into a state worth comparing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.driving.controls import META_ACTIONS
from foveal.envs.driving.world import DrivingWorld

_CALM = {"LANE_LEFT": 0.15, "IDLE": 0.1, "LANE_RIGHT": 0.15, "FASTER": 0.05, "SLOWER": 0.55}  # lives longer
POLICIES = ("random", "calm", "full", *META_ACTIONS)
"""Ways to act: at random; more carefully; as hard as can be; and always the same meta-action."""


def draw_actions(world: DrivingWorld, policy: str, seed: int, count: int) -> NDArray[Any]:
    """So many actions (T, ...) of one row; "calm" steers little where wheels are steered, "full" as far as they go."""
    rng, space = np.random.default_rng([seed, 0]), world.single_action_space
    if isinstance(space, spaces.Box):
        actions = rng.uniform(-1, 1, (count, *space.shape)) * (0.2 if policy == "calm" else 1.0)
        actions = np.ones_like(actions) if policy == "full" else actions
        return actions.astype(np.float32)  # in which highway-env goes on reckoning
    assert isinstance(space, (spaces.Discrete, spaces.MultiDiscrete))
    each = int(space.n) if isinstance(space, spaces.Discrete) else int(space.nvec[0])
    weights = np.ones(each)
    if policy != "random":
        named = _CALM if policy == "calm" else {policy: 1.0}
        weights = np.array([named.get(name, 0.0) for name in world.action_names])
        if policy == "calm" and not weights.any():  # a grid of steering angles
            weights = np.where(np.arange(weights.size) == weights.size // 2, weights.size, 1.0)
    return rng.choice(each, size=(count, *(space.shape or ())), p=weights / weights.sum())


@dataclass(frozen=True)
class Case:
    """A kind of highway-env instance, and how often it is compared.

    Attributes:
        name: What is special about it.
        config: highway-env's configuration where it differs from the default; None draws one from the seed.
        seeds: Number of seeds in the full grid of each of highway-env's ids.
        policies: Names from POLICIES; one episode per seed and policy.
        prepare: Name of a function of PREPARATIONS that changes the instance after its reset, or "".
        beyond: Steps to go on for after the episode's end.
        steps: Most steps of an episode, where no rule ends it.
    """

    name: str
    config: dict[str, Any] | None
    seeds: dict[str, int]
    policies: tuple[str, ...] = ("random", "calm")
    prepare: str = ""
    beyond: int = 0
    steps: int = 1000


def _speeds(*speeds: float) -> dict[str, Any]:
    return {"action": {"type": "DiscreteMetaAction", "target_speeds": list(speeds)}}


def _seen(count: int, behind: bool = False) -> dict[str, Any]:
    return {"observation": {"type": "Kinematics", "vehicles_count": count, "see_behind": behind}}


def _others(kind: str) -> dict[str, Any]:
    return {"other_vehicles_type": f"highway_env.vehicle.behavior.{kind}Vehicle"}


def _lidar(**settings: Any) -> dict[str, Any]:
    return {"observation": {"type": "LidarObservation", **settings}}


def _kinematics(*features: str, **settings: Any) -> dict[str, Any]:
    named = {"features": list(features)} if features else {}
    return {"observation": {"type": "Kinematics", **named, **settings}}


def _grid(**changes: Any) -> dict[str, Any]:
    return {"observation": {"type": "OccupancyGrid", **changes}}


def _steered(**changes: Any) -> dict[str, Any]:
    return {"action": {"type": "ContinuousAction", **changes}}


def _highways(default: int, fast: int) -> dict[str, int]:
    return {"highway-v0": default, "highway-fast-v0": fast}


_BOTH = {
    "observation": {
        "type": "TupleObservation",
        "observation_configs": [{"type": "Kinematics", "vehicles_count": 7}, {"type": "LidarObservation", "cells": 9}],
    }
}
_FEW = {"vehicles_count": 20}
_RANGES = {"x": [-60, 60], "y": [-12, 12], "vx": [-15, 15], "vy": [-5, 5]}
_POSE = ("presence", "heading", "cos_h", "sin_h", "x", "y", "long_off", "lat_off", "ang_off", "cos_d", "sin_d")
_TRACKS = tuple(f"racetrack{kind}-v{version}" for kind in ("", "-large", "-oval") for version in (0, 1))
_OVALS = {"racetrack-oval-v0": 8, "racetrack-oval-v1": 8}
_WILD = {"other_vehicles": 8, "terminate_off_road": False, "duration": 15}
_DISCRETE = {"action": {"type": "DiscreteAction", "actions_per_axis": 5}}
_DISCRETE_SLIP = {"action": {**_DISCRETE["action"], "longitudinal": False, "dynamical": True}}
_MAP = _grid(
    features=["presence", "vx", "vy", "x", "y", "heading", "cos_h", "sin_d", "lat_off", "ang_off", "on_road"],
    grid_size=[[-25, 25], [-20, 30]], grid_step=[5, 4], features_range={"vx": [-20, 20], "vy": [-20, 20]}, clip=False,
)  # fmt: skip
_IMAGE = _grid(as_image=True, align_to_vehicle_axes=True, grid_step=[2.5, 2.5], grid_size=[[-30, 50], [-20, 20]])
_GOALS = {"reward_weights": [0.5, 0.5, 0.1, 0.1, 0.1, 0.1], "vehicles_count": 3, "collision_reward": -2}
_SILENT = {"state_noise": 0, "derivative_noise": 0}
_FAST = {"simulation_frequency": 30, "policy_frequency": 7}
_REWARDS = {"collision_reward": -3, "right_lane_reward": 0.7, "reward_speed_range": [15, 35], **_FEW}
_MERGE = {"lanes_count": 4, "vehicles_count": 12, "converge_merge_length": 120, "merging_speed_reward": 0}
_ROUNDABOUTS = ("roundabout-generic-v0", "roundabout-generic-v1")
_MANY = {"vehicles_count": 15, "incoming_vehicle_destination": 1}
_PLAIN = {"observation": {"type": "Kinematics"}, "normalize_reward": False}
_COLLISIONS = {"observation": {"type": "TimeToCollision", "horizon": 7}, "policy_frequency": 3}
_COLLIDING = ("roundabout-v1", "u-turn-v1", "two-way-v0", "exit-v1", "merge-v1")
_SPEEDS = ("IDLE", "FASTER", "SLOWER")
_FOUR = {"controlled_vehicles": 4, "destination": None, "offroad_terminal": True}
_CROWD = {"initial_vehicle_count": 20, "spawn_probability": 1.0, "duration": 20}
_OTHERWISE = {
    "destination": "o2", "normalize_reward": True, "simulation_frequency": 10, "policy_frequency": 2,
    "reward_speed_range": [2, 8], "collision_reward": -2, "high_speed_reward": 0.3, "arrived_reward": 2,
}  # fmt: skip
CASES = (
    Case("defaults", {}, _highways(50, 60), ("random",)),
    Case("defaults, one action", {}, _highways(6, 50), ("calm", *META_ACTIONS)),
    Case("1 lane", {"lanes_count": 1}, _highways(1, 5)),
    Case("2 lanes", {"lanes_count": 2}, _highways(1, 5)),
    Case("3 lanes", {"lanes_count": 3}, _highways(3, 5)),
    Case("6 lanes", {"lanes_count": 6}, _highways(3, 15)),
    Case("32 lanes", {"lanes_count": 32}, _highways(0, 5)),
    Case("no traffic", {"vehicles_count": 0}, _highways(3, 3)),
    Case("10 vehicles", {"vehicles_count": 10}, _highways(10, 10)),
    Case("30 vehicles", {"vehicles_count": 30}, _highways(5, 5)),
    Case("80 vehicles", {"vehicles_count": 80, "duration": 15}, _highways(2, 3)),
    Case("5 Hz", {"simulation_frequency": 5}, _highways(5, 0)),
    Case("30 Hz", {"simulation_frequency": 30, **_FEW}, _highways(5, 5)),
    Case("policy 5 Hz", {"policy_frequency": 5, **_FEW}, _highways(5, 10)),
    Case("policy 4 Hz of 15 Hz", {"policy_frequency": 4, "simulation_frequency": 15, **_FEW}, _highways(2, 5)),
    Case("density 2", {"vehicles_density": 2}, _highways(3, 15)),
    Case("density 0.05, on beyond the road", {"vehicles_density": 0.05, "vehicles_count": 30}, _highways(5, 5)),
    Case("offroad_terminal, skidding", {"offroad_terminal": True, **_FEW}, _highways(8, 15), prepare="skidding"),
    Case("normalize_reward off", {"normalize_reward": False, **_FEW}, _highways(3, 15)),
    Case("other rewards", _REWARDS, _highways(3, 10)),
    Case("target speeds 0 to 30", {**_speeds(0, 5, 10, 15, 20, 25, 30), **_FEW}, _highways(4, 15)),
    Case("target speeds 20 to 50", {**_speeds(20, 35, 50), **_FEW}, _highways(3, 5)),
    Case("target speeds -10 to 10", {**_speeds(-10, 0, 10), **_FEW}, _highways(3, 5)),
    Case("2 observed", {**_seen(2), **_FEW}, _highways(2, 5)),
    Case("15 observed, behind too", {**_seen(15, True), **_FEW}, _highways(3, 15)),
    Case("40 observed of 21", {**_seen(40), **_FEW}, _highways(2, 5)),
    Case("initial_lane_id 2, ego_spacing 0.5", {"initial_lane_id": 2, "ego_spacing": 0.5, **_FEW}, _highways(4, 10)),
    Case("from mid-episode", _FEW, _highways(5, 15), prepare="mid-episode"),
    Case("coefficients of each instance", _FEW, _highways(8, 15), prepare="coefficients"),
    Case("after an intersection environment", _FEW, _highways(5, 15), prepare="intersection"),
    Case("skidding", _FEW, _highways(10, 10), prepare="skidding", beyond=5),
    Case("a wreck ahead", _FEW, _highways(10, 5), prepare="wreck", beyond=5),
    Case("equal positions, speeds and timers", {"lanes_count": 5, **_FEW}, _highways(8, 15), prepare="ties"),
    Case("at the road's end", _FEW, _highways(4, 4), prepare="road's end"),
    Case("past the episode's end", {"duration": 8, **_FEW}, _highways(6, 15), ("random", "FASTER"), beyond=15),
    Case("drawn configurations", None, _highways(20, 60), beyond=3),
    *(
        Case(f"{kind} drivers", _others(kind), {"merge-v0": 10, "merge-v1": 30, "highway-fast-v0": 30, "highway-v0": 1})
        for kind in ("Linear", "Aggressive", "Defensive")
    ),
    Case("defaults", {}, {"merge-v0": 30, "merge-v1": 30}, ("random", "calm", *META_ACTIONS)),
    Case("defaults", {}, {"merge-generic-v0": 30, "merge-generic-v1": 30}),
    Case("4 lanes, 12 cars", _MERGE, {"merge-generic-v1": 30}),
    Case("Lidar", _lidar(), {"merge-v1": 30, "highway-fast-v0": 30}),
    Case(
        "Lidar, 64 beams of 150 m in metres",
        _lidar(cells=64, maximum_range=150, normalize=False),
        {"merge-v0": 5, "merge-v1": 5, "highway-v0": 3, "highway-fast-v0": 10},
    ),
    Case(
        "Lidar, 5 beams, skidding",
        {**_lidar(cells=5, maximum_range=20), **_FEW},
        _highways(3, 10),
        prepare="skidding",
        beyond=5,
    ),
    Case("Kinematics and Lidar", _BOTH, {"merge-v1": 5, "highway-fast-v0": 10}),
    Case("TimeToCollision", {"observation": {"type": "TimeToCollision"}, **_FEW}, _highways(3, 30)),
    Case("OccupancyGrid", {"observation": {"type": "OccupancyGrid"}, **_FEW}, _highways(3, 30)),
    Case("absolute", {**_kinematics(absolute=True), **_FEW}, _highways(3, 30)),
    Case("other features", {**_kinematics(*_POSE), **_FEW}, _highways(3, 30)),
    Case(
        "other features in metres, skidding",
        {**_kinematics(*_POSE, normalize=False, see_behind=True), **_FEW},
        _highways(3, 10),
        prepare="skidding",
    ),
    Case("other ranges", {**_kinematics(features_range=_RANGES), **_FEW}, _highways(3, 10)),
    Case("other ranges, not clipped", {**_kinematics(features_range=_RANGES, clip=False), **_FEW}, _highways(0, 10)),
    Case("defaults", {}, dict.fromkeys(("roundabout-v0", "roundabout-v1"), 30), ("random", "calm", *META_ACTIONS)),
    Case("defaults", {}, dict.fromkeys(_ROUNDABOUTS, 30), ("random", "calm")),
    Case("3 lanes, 30 m", {"roundabout_radius": 30, "roundabout_lanes": 3, **_MANY}, dict.fromkeys(_ROUNDABOUTS, 10)),
    Case("1 lane, 12.5 m", {"roundabout_radius": 12.5, "roundabout_lanes": 1}, dict.fromkeys(_ROUNDABOUTS, 10)),
    Case("defaults", {}, dict.fromkeys(("u-turn-v0", "u-turn-v1"), 30), ("random", "calm", *META_ACTIONS)),
    Case("Kinematics, normalize_reward off", _PLAIN, {"u-turn-v1": 10, "exit-v1": 10}),
    Case("Kinematics", {"observation": {"type": "Kinematics"}}, {"two-way-v0": 10}, steps=15),
    Case("TimeToCollision, 3 Hz", _COLLISIONS, dict.fromkeys(_COLLIDING, 10), steps=45),
    Case("defaults", {}, {"two-way-v0": 30}, ("random", "calm", *META_ACTIONS), steps=15),
    Case("defaults", {}, dict.fromkeys(("exit-v0", "exit-v1"), 30), ("random", "calm", *META_ACTIONS)),
    Case(
        "Continuous, Kinematics", {"action": {"type": "ContinuousAction"}, **_PLAIN}, {"u-turn-v1": 10, "exit-v1": 10}
    ),
    Case("Continuous, slipping", {"action": {"type": "ContinuousAction", "dynamical": True}}, {"exit-v1": 10}),
    Case("Discrete", {"action": {"type": "DiscreteAction"}, "lane_change_reward": 0}, {"roundabout-v1": 10}),
    Case("3 lanes, sparse", {"lanes_count": 3, "vehicles_density": 0.5}, {"exit-v0": 10, "exit-v1": 10}),
    Case("racetracks", {}, dict.fromkeys(_TRACKS, 30)),
    Case("racetracks, off the road in traffic", _WILD, dict.fromkeys(_TRACKS, 8), ("random", "calm", "full")),
    Case("racetracks, on a grid of actions", {**_WILD, **_DISCRETE, **_MAP}, dict.fromkeys(_TRACKS, 4)),
    Case("racetracks, as an image", {**_WILD, **_steered(), **_IMAGE}, dict.fromkeys(_TRACKS, 4)),
    Case("racetracks, slipping", {**_WILD, **_steered(dynamical=True)}, dict.fromkeys(_TRACKS, 4), ("calm",)),
    Case("racetracks, kinematics", {**_WILD, **_seen(4, True)}, dict.fromkeys(_TRACKS, 4), ("calm",)),
    Case("oval, blocked", {**_WILD, "block_lane": True, "force_decision": True, "no_lanes": 4, "length": 130}, _OVALS),
    Case("oval, two lanes", {**_WILD, "no_lanes": 2, "length": 60}, _OVALS),
    Case("large, 20 m/s", {**_WILD, "speed_limit": 20}, {"racetrack-large-v1": 8}),
    Case("parking", {}, {"parking-v0": 30, "parking-ActionRepeat-v0": 30}, ("random", "calm", "full")),
    Case("parking, parked cars", {}, {"parking-parked-v0": 30}),
    Case("parking, full", {"vehicles_count": 26}, {"parking-v0": 4}),
    Case("parking, no walls", {"add_walls": False, "duration": 30}, {"parking-v0": 10}, ("random", "calm", "full")),
    Case("parking, slipping", {**_steered(dynamical=True), "duration": 20}, {"parking-v0": 8}, ("calm", "full")),
    Case("parking, other goals", {**_DISCRETE, **_GOALS, "success_goal_reward": 0.2}, {"parking-v0": 8}),
    Case("lane keeping", _SILENT, {"lane-keeping-v0": 30}, ("random", "calm", "full")),
    Case("lane keeping, throttle", {**_SILENT, **_steered(dynamical=True)}, {"lane-keeping-v0": 8}, ("calm", "full")),
    Case("lane keeping, discrete", {**_SILENT, **_DISCRETE_SLIP, **_FAST}, {"lane-keeping-v0": 8}),
    Case("defaults", {}, {"intersection-v0": 30, "intersection-v2": 30}, ("random", "calm", *_SPEEDS)),
    Case("defaults", {}, {"intersection-v1": 30}),
    Case("defaults", {}, {"intersection-multi-agent-v0": 30, "intersection-multi-agent-v2": 30}, ("random", "FASTER")),
    Case("four egos, anywhere", _FOUR, {"intersection-multi-agent-v2": 30}, beyond=3),
    Case("a crowd that comes and goes", _CROWD, {"intersection-v0": 10, "intersection-v2": 10}, beyond=20),
    Case("other settings, from mid-episode", _OTHERWISE, {"intersection-v2": 15}, prepare="mid-episode"),
    Case("other settings", _OTHERWISE, {"intersection-v1": 10}),
)


def drawn_config(rng: np.random.Generator) -> dict[str, Any]:
    """A highway-env configuration drawn at random."""
    lanes, seen, behind, normalize, offroad = rng.integers([1, 2, 0, 0, 0], [9, 12, 2, 2, 2]).tolist()
    return {
        "lanes_count": lanes,
        "vehicles_count": int(rng.integers(25)),
        "initial_lane_id": None if rng.random() < 0.5 else int(rng.integers(lanes)),
        "duration": rng.uniform(5, 20),
        "ego_spacing": rng.uniform(0.3, 3),
        "vehicles_density": rng.uniform(0.5, 3),
        "simulation_frequency": int(rng.integers(4, 20)),
        "policy_frequency": int(rng.integers(1, 4)),
        "collision_reward": rng.uniform(-5, 0),
        "right_lane_reward": rng.uniform(0, 1),
        "high_speed_reward": rng.uniform(0.1, 1),
        "normalize_reward": bool(normalize),
        "offroad_terminal": bool(offroad),
        **_seen(seen, bool(behind)),
        **_speeds(*np.linspace(rng.uniform(5, 20), rng.uniform(21, 35), int(rng.integers(2, 6))).tolist()),
    }


def _drive_on(env: Any, rng: np.random.Generator) -> None:
    weights = np.array([_CALM[name] for name in env.action_type.actions.values()])
    for action in rng.choice(weights.size, size=5, p=weights / weights.sum()):
        if not env.vehicle.crashed:
            env.step(int(action))


def _change_coefficients(env: Any, rng: np.random.Generator) -> None:
    for v in env.road.vehicles[1:]:
        v.COMFORT_ACC_MAX, v.COMFORT_ACC_MIN, v.ACC_MAX = rng.uniform([1, -8, 3], [6, -2, 9])
        v.DISTANCE_WANTED, v.TIME_WANTED, v.DELTA = rng.uniform([6, 0.5, 2], [12, 2, 6])
        v.POLITENESS, v.LANE_CHANGE_DELAY = rng.choice([0.0, rng.uniform(0, 1)]), rng.uniform(0.2, 2)
        v.LANE_CHANGE_MIN_ACC_GAIN, v.LANE_CHANGE_MAX_BRAKING_IMPOSED = rng.uniform([-0.1, 0.5], [0.5, 4])


def _skid(env: Any, rng: np.random.Generator) -> None:
    for v in env.road.vehicles:
        v.heading, v.speed = rng.normal(0, 0.6), v.speed * rng.uniform(-0.2, 1.8)
        v.position[1] += rng.uniform(-2.5, 2.5)
        v.on_state_update()


def _wreck(env: Any, rng: np.random.Generator) -> None:
    vehicle = env.road.vehicles[rng.integers(3, 12)]
    vehicle.crashed, vehicle.speed = True, 0.0


def _tie(env: Any, rng: np.random.Generator) -> None:
    sides = rng.permuted(np.tile([0.0, 8.0, 14.0], (len(env.road.vehicles), 1)), axis=1)  # 14: on two lanes
    for place, v in enumerate(env.road.vehicles):
        v.position[:] = 200.0 + 20 * (place // 3), sides[place // 3, place % 3]
        v.speed, v.DELTA, v.timer = 22.0 + rng.integers(3), 4.0, 0.9375
        v.on_state_update()
        v.target_lane_index = v.lane_index


def _go_to_the_end(env: Any, _: np.random.Generator) -> None:
    shift = 9900 - env.vehicle.position[0]
    for v in env.road.vehicles:
        v.position[0] += shift
        v.on_state_update()


PREPARATIONS = {
    "mid-episode": _drive_on,
    "coefficients": _change_coefficients,
    "skidding": _skid,
    "wreck": _wreck,
    "ties": _tie,
    "road's end": _go_to_the_end,
}


@contextmanager
def after_intersection() -> Iterator[None]:
    """Within, ``IDMVehicle`` has the class attributes that making an intersection environment leaves."""
    from highway_env.envs.intersection_env import IntersectionEnv

    with coefficients_kept():
        IntersectionEnv()
        yield


@contextmanager
def coefficients_kept() -> Iterator[None]:
    """Afterwards ``IDMVehicle`` has the class attributes again that it had before."""
    from highway_env.vehicle.behavior import IDMVehicle

    names = ("DISTANCE_WANTED", "COMFORT_ACC_MAX", "COMFORT_ACC_MIN")
    kept = {name: getattr(IDMVehicle, name) for name in names}
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(IDMVehicle, name, value)
