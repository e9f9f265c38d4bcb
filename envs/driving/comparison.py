"""Comparisons: one of our worlds and a highway-env instance, stepped from the same state with the same actions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.interop import adopt, from_highway_env, lane_numbers, write_vehicle
from foveal.envs.driving.scenario import ScenarioWorld
from foveal.envs.driving.traffic import FEATURES, IDM, LINEAR, NETWORK_FEATURES
from foveal.envs.driving.world import DrivingWorld

TOLERANCE = 1e-6
QUANTITIES = ("x", "y", "heading", "speed", "timer", "target_speed", "push", "observation", "reward")
FLAGS = ("lane", "target_lane", "crashed", "pushed", "terminated", "truncated")
OF_ALL = ("observation", "reward", "terminated", "truncated")
Snapshot = dict[str, NDArray[Any]]
"""QUANTITIES and FLAGS after a step: (V,) a vehicle, but OF_ALL, and push (V, 2). The reward of several egos is
followed by each one's. The reference's has "entered" too: the vehicles (K, M) that came after it was observed and
rewarded, and are not among the V."""


@dataclass
class Comparison:
    """What one episode showed, up to the first disagreement: from there the two are different episodes.

    Attributes:
        steps: Steps compared.
        vehicle_steps: Vehicles times substeps compared.
        lane_changes: How often a vehicle's closest lane changed from one step to the next.
        crashes: Vehicles crashed at the end.
        ended: Whether the episode ended by itself.
        largest: Largest absolute difference of each of QUANTITIES, in m, rad, m/s and s; of an observation beyond 1,
            relative to that.
        disagreement: The first of FLAGS that differed, in words, or None.
        undetermined: Whether highway-env disagrees with itself as much, once it is changed in the last place.
    """

    steps: int = 0
    vehicle_steps: int = 0
    lane_changes: int = 0
    crashes: int = 0
    ended: bool = False
    largest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0.0))
    disagreement: str | None = None
    undetermined: bool = False

    @property
    def agrees(self) -> bool:
        """Whether no flag differed, and no quantity by more than TOLERANCE."""
        return self.disagreement is None and max(self.largest.values()) <= TOLERANCE

    @property
    def wrong(self) -> bool:
        """Whether they disagree on what highway-env determines."""
        return not (self.agrees or self.undetermined)

    def add(self, ours: Snapshot, theirs: Snapshot, before: Snapshot | None, substeps: int) -> None:
        """Take one more step into account."""
        self.steps += 1
        self.vehicle_steps += theirs["x"].size * substeps
        self.crashes = int(theirs["crashed"].sum())
        self.ended = bool(theirs["terminated"] or theirs["truncated"])
        if before is not None and before["lane"].size == theirs["lane"].size:
            self.lane_changes += int((theirs["lane"] != before["lane"]).sum())
        if ours["x"].size != theirs["x"].size:
            self.disagreement = f"step {self.steps}: {ours['x'].size} vehicles, there {theirs['x'].size}"
            return
        for name in QUANTITIES:
            difference = np.abs(np.subtract(np.ravel(ours[name]), np.ravel(theirs[name]), dtype=np.float64))
            if name == "observation":  # float32, which is coarser than TOLERANCE from 16 on
                difference = difference / np.maximum(1.0, np.abs(np.ravel(theirs[name])))
            largest = float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))
            self.largest[name] = max(self.largest[name], largest)
        for name in FLAGS:
            differ = np.flatnonzero(ours[name] != theirs[name])
            if differ.size and self.disagreement is None:
                us, them = (np.ravel(side[name])[differ].astype(int).tolist() for side in (ours, theirs))
                self.disagreement = f"step {self.steps}: {name}{differ.tolist()} is {us}, there {them}"


def compare(env: Any, actions: NDArray[Any], *, beyond: int = 0) -> Comparison:
    """Step a highway-env instance and its translation side by side, until the episode ends or they disagree.

    Args:
        env: A live highway-env instance, already reset; it is stepped.
        actions: (T, ...), at most so many steps.
        beyond: Steps to go on for, in both, after the episode's end.
    """
    world = alone(env)
    return compare_steps(world, ((action, step_reference(env, world, action)) for action in actions), beyond)


def compare_steps(world: DrivingWorld, reference: Iterable[tuple[Any, Snapshot]], beyond: int = 0) -> Comparison:
    """Step a one-row world beside the reference's (action, snapshot after it), live or recorded."""
    result, before = Comparison(), None
    params: Any = world.params
    substeps = params.simulation_frequency // params.policy_frequency
    for action, theirs in reference:
        result.add(step_ours(world, action), theirs, before, substeps)
        for column in np.transpose(theirs.get("entered", ())):
            adopt(world, column)
        before = theirs
        beyond -= result.ended
        if result.disagreement or beyond < 0:
            break
    return result


def alone(env: Any) -> DrivingWorld:
    """The translation of a live instance to be stepped beside it: nobody comes but whom it adopts."""
    spawns = "spawn_probability" in env.unwrapped.config
    return from_highway_env(env, **({"spawn_probability": 0.0} if spawns else {}))


def step_reference(env: Any, world: DrivingWorld, action: Any) -> Snapshot:
    """Step a highway-env instance, and take down what came of it; lanes are numbered as `world`'s."""
    known = list(env.unwrapped.road.vehicles)
    several = isinstance(env.unwrapped.action_space, gymnasium.spaces.Tuple)
    with np.errstate(invalid="ignore"):  # it casts NaN to uint8 in an OccupancyGrid as an image
        observation, reward, terminated, truncated, info = env.step(tuple(action) if several else action)
    env = env.unwrapped
    numbers = lane_numbers(env, world)
    vehicles = [v for v in env.road.vehicles if v in known]
    newcomers = [v for v in env.road.vehicles if v not in known]
    entered = np.zeros((len(FEATURES) + len(NETWORK_FEATURES), len(newcomers)))
    for i, vehicle in enumerate(newcomers):
        write_vehicle(entered, i, vehicle, world, numbers)
    return {
        "entered": entered,
        **dict(zip("xy", np.array([v.position for v in vehicles]).T, strict=True)),
        **{name: np.array([getattr(v, name) for v in vehicles]) for name in ("heading", "speed", "crashed")},
        "target_speed": np.array([getattr(v, "target_speed", 0.0) for v in vehicles]),
        "lane": np.array([numbers[v.lane_index] for v in vehicles]),
        "target_lane": np.array([numbers[tuple(getattr(v, "target_lane_index", v.lane_index))] for v in vehicles]),
        "timer": np.array([0.0 if v in env.controlled_vehicles else getattr(v, "timer", 0.0) for v in vehicles]),
        "pushed": np.array([v.impact is not None for v in vehicles]),
        "push": np.array([np.zeros(2) if v.impact is None else v.impact for v in vehicles]),
        "observation": _flat(observation),
        "reward": np.append(reward, info["agents_rewards"] if several else ()),
        "terminated": np.asarray(bool(terminated)),
        "truncated": np.asarray(bool(truncated)),
    }


def step_ours(world: DrivingWorld, action: Any) -> Snapshot:
    """Step a one-row world, past an episode's end too, and take down what came of it."""
    state = world.get_state()
    if state["ended"].any():
        state["ended"][:] = False
        world.set_state(state)
    actions = np.asarray(action)[None]
    observations, rewards, terminated, truncated, infos = world.step(actions.astype(world.action_space.dtype))
    if isinstance(world, ScenarioWorld):
        world.come_and_go(np.arange(1))
    state = world.get_state()
    egos = state["egos"].shape[1] if "egos" in state else 1
    features = state["traffic"][0][:, : state["count"][0] if "count" in state else None]
    traffic = dict(zip((*FEATURES, *NETWORK_FEATURES), features, strict=False))
    pushed = traffic["pushed"] != 0
    has_timer = (traffic["kind"] == IDM) | (traffic["kind"] == LINEAR)
    follows = traffic["kind"] <= LINEAR
    return {
        **traffic,
        "timer": np.where(has_timer, traffic["timer"], 0.0),
        "target_lane": np.where(follows, traffic["target_lane"], traffic["lane"]),
        "crashed": traffic["crashed"] != 0,
        "pushed": pushed,
        "push": np.where(pushed, [traffic["push_x"], traffic["push_y"]], 0.0).T,
        "observation": _flat(observations, 0),
        "reward": np.append(rewards[0], infos["agents_rewards"][0] if egos > 1 else ()),
        "terminated": terminated[0],
        "truncated": truncated[0],
    }


def _flat(observation: Any, row: int | None = None) -> NDArray[Any]:
    """An observation, or a row of batched ones; the parts of a dict (in alphabetical order) or a tuple as one (M,)."""
    if isinstance(observation, dict):
        observation = tuple(observation[name] for name in sorted(observation))
    if isinstance(observation, tuple):
        return np.concatenate([np.ravel(_flat(part, row)) for part in observation])
    return np.ravel(observation if row is None else observation[row])
