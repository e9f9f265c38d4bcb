"""How far our highway is from highway-env: both stepped from the same state with the same actions.

``python -m foveal.envs.driving.parity docs/parity.json`` compares all of `CASES` and writes what it found;
``--record FILE.npz`` keeps some of the reference's episodes instead.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal import kernels
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.interop import from_highway_env, highway_params
from foveal.envs.driving.traffic import FEATURES

TOLERANCE = 1e-6
QUANTITIES = ("x", "y", "heading", "speed", "timer", "target_speed", "push", "observation", "reward")
FLAGS = ("lane", "target_lane", "crashed", "pushed", "terminated", "truncated")
POLICIES = {
    "random": (0.2, 0.2, 0.2, 0.2, 0.2),
    "calm": (0.15, 0.1, 0.15, 0.05, 0.55),  # lives longer
    **{name: tuple(float(k == action) for k in range(5)) for action, name in enumerate(Highway.action_names)},
}
"""Probabilities of the five meta-actions."""

Snapshot = dict[str, NDArray[Any]]
"""QUANTITIES and FLAGS after a step: (V,) a vehicle, but timer (V - 1,), push (V, 2), observation (S, 5)."""


@dataclass
class Comparison:
    """What one episode showed, up to the first disagreement: from there the two are different episodes.

    Attributes:
        steps: Steps compared.
        vehicle_steps: Vehicles times substeps compared.
        lane_changes: How often a vehicle's closest lane changed from one step to the next.
        crashes: Vehicles crashed at the end.
        ended: Whether the episode ended by itself.
        largest: Largest absolute difference of each of QUANTITIES, in m, rad, m/s and s.
        disagreement: The first of FLAGS that differed, in words, or None.
    """

    steps: int = 0
    vehicle_steps: int = 0
    lane_changes: int = 0
    crashes: int = 0
    ended: bool = False
    largest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0.0))
    disagreement: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether no flag differed, and no quantity by more than TOLERANCE."""
        return self.disagreement is None and max(self.largest.values()) <= TOLERANCE

    def add(self, ours: Snapshot, theirs: Snapshot, before: Snapshot | None, substeps: int) -> None:
        """Take one more step into account."""
        self.steps += 1
        self.vehicle_steps += theirs["x"].size * substeps
        self.crashes = int(theirs["crashed"].sum())
        self.ended = bool(theirs["terminated"] or theirs["truncated"])
        if before is not None:
            self.lane_changes += int((theirs["lane"] != before["lane"]).sum())
        for name in QUANTITIES:
            difference = np.abs(np.subtract(ours[name], theirs[name], dtype=np.float64))
            largest = float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))
            self.largest[name] = max(self.largest[name], largest)
        for name in FLAGS:
            differ = np.flatnonzero(ours[name] != theirs[name])
            if differ.size and self.disagreement is None:
                us, them = (np.ravel(side[name])[differ].astype(int).tolist() for side in (ours, theirs))
                self.disagreement = f"step {self.steps}: {name}{differ.tolist()} is {us}, there {them}"


def compare(env: Any, actions: Iterable[int], *, beyond: int = 0) -> Comparison:
    """Step a highway-env instance and its translation side by side, until the episode ends or they disagree.

    Args:
        env: A live ``highway-v0`` or ``highway-fast-v0`` instance, already reset; it is stepped.
        actions: Meta-actions, at most so many steps.
        beyond: Steps to go on for, in both, after the episode's end.
    """
    world = from_highway_env(env)
    return compare_steps(world, ((action, step_reference(env, action)) for action in actions), beyond)


def compare_steps(world: Highway, reference: Iterable[tuple[int, Snapshot]], beyond: int = 0) -> Comparison:
    """Step a one-row world beside the reference's (action, snapshot after it), live or recorded."""
    result, before = Comparison(), None
    substeps = world.params.simulation_frequency // world.params.policy_frequency
    for action, theirs in reference:
        result.add(step_ours(world, action), theirs, before, substeps)
        before = theirs
        beyond -= result.ended
        if result.disagreement or beyond < 0:
            break
    return result


def step_reference(env: Any, action: int) -> Snapshot:
    """Step a highway-env instance, and take down what came of it."""
    observation, reward, terminated, truncated, _ = env.step(int(action))
    vehicles = env.unwrapped.road.vehicles
    scalars = ("heading", "speed", "target_speed", "crashed")
    return {
        **dict(zip("xy", np.array([v.position for v in vehicles]).T, strict=True)),
        **{name: np.array([getattr(v, name) for v in vehicles]) for name in scalars},
        "lane": np.array([v.lane_index[2] for v in vehicles]),
        "target_lane": np.array([v.target_lane_index[2] for v in vehicles]),
        "timer": np.array([v.timer for v in vehicles[1:]]),
        "pushed": np.array([v.impact is not None for v in vehicles]),
        "push": np.array([np.zeros(2) if v.impact is None else v.impact for v in vehicles]),
        "observation": observation,
        "reward": np.asarray(reward, np.float64),
        "terminated": np.asarray(bool(terminated)),
        "truncated": np.asarray(bool(truncated)),
    }


def step_ours(world: Highway, action: int) -> Snapshot:
    """Step a one-row world, past an episode's end too, and take down what came of it."""
    state = world.get_state()
    if state["ended"].any():
        state["ended"][:] = False
        world.set_state(state)
    observations, rewards, terminated, truncated, _ = world.step(np.array([action]))
    traffic = dict(zip(FEATURES, world.get_state()["traffic"][0], strict=True))
    pushed = traffic["pushed"] != 0
    return {
        **traffic,
        "timer": traffic["timer"][1:],
        "crashed": traffic["crashed"] != 0,
        "pushed": pushed,
        "push": np.where(pushed, [traffic["push_x"], traffic["push_y"]], 0.0).T,
        "observation": observations[0],
        "reward": rewards[0],
        "terminated": terminated[0],
        "truncated": truncated[0],
    }


@dataclass(frozen=True)
class Case:
    """A kind of highway-env instance, and how often it is compared.

    Attributes:
        name: What is special about it.
        config: highway-env's configuration where it differs from the default; None draws one from the seed.
        seeds: Number of seeds of ``highway-v0`` and of ``highway-fast-v0`` in the full grid.
        policies: Names from POLICIES; one episode per seed and policy.
        prepare: Name of a function of PREPARATIONS that changes the instance after its reset, or "".
        beyond: Steps to go on for after the episode's end.
    """

    name: str
    config: dict[str, Any] | None
    seeds: tuple[int, int]
    policies: tuple[str, ...] = ("random", "calm")
    prepare: str = ""
    beyond: int = 0


def _speeds(*speeds: float) -> dict[str, Any]:
    return {"action": {"type": "DiscreteMetaAction", "target_speeds": list(speeds)}}


def _seen(count: int, behind: bool = False) -> dict[str, Any]:
    return {"observation": {"type": "Kinematics", "vehicles_count": count, "see_behind": behind}}


_FEW = {"vehicles_count": 20}
_REWARDS = {"collision_reward": -3, "right_lane_reward": 0.7, "reward_speed_range": [15, 35], **_FEW}
CASES = (
    Case("defaults", {}, (50, 60), ("random",)),
    Case("defaults, one action", {}, (6, 50), ("calm", *Highway.action_names)),
    Case("1 lane", {"lanes_count": 1}, (1, 5)),
    Case("2 lanes", {"lanes_count": 2}, (1, 5)),
    Case("3 lanes", {"lanes_count": 3}, (3, 5)),
    Case("6 lanes", {"lanes_count": 6}, (3, 15)),
    Case("32 lanes", {"lanes_count": 32}, (0, 5)),
    Case("no traffic", {"vehicles_count": 0}, (3, 3)),
    Case("10 vehicles", {"vehicles_count": 10}, (10, 10)),
    Case("30 vehicles", {"vehicles_count": 30}, (5, 5)),
    Case("80 vehicles", {"vehicles_count": 80, "duration": 15}, (2, 3)),
    Case("5 Hz", {"simulation_frequency": 5}, (5, 0)),
    Case("30 Hz", {"simulation_frequency": 30, **_FEW}, (5, 5)),
    Case("policy 5 Hz", {"policy_frequency": 5, **_FEW}, (5, 10)),
    Case("policy 4 Hz of 15 Hz", {"policy_frequency": 4, "simulation_frequency": 15, **_FEW}, (2, 5)),
    Case("density 2", {"vehicles_density": 2}, (3, 15)),
    Case("density 0.05, on beyond the road", {"vehicles_density": 0.05, "vehicles_count": 30}, (5, 5)),
    Case("offroad_terminal, skidding", {"offroad_terminal": True, **_FEW}, (8, 15), prepare="skidding"),
    Case("normalize_reward off", {"normalize_reward": False, **_FEW}, (3, 15)),
    Case("other rewards", _REWARDS, (3, 10)),
    Case("target speeds 0 to 30", {**_speeds(0, 5, 10, 15, 20, 25, 30), **_FEW}, (4, 15)),
    Case("target speeds 20 to 50", {**_speeds(20, 35, 50), **_FEW}, (3, 5)),
    Case("target speeds -10 to 10", {**_speeds(-10, 0, 10), **_FEW}, (3, 5)),
    Case("2 observed", {**_seen(2), **_FEW}, (2, 5)),
    Case("15 observed, behind too", {**_seen(15, True), **_FEW}, (3, 15)),
    Case("40 observed of 21", {**_seen(40), **_FEW}, (2, 5)),
    Case("initial_lane_id 2, ego_spacing 0.5", {"initial_lane_id": 2, "ego_spacing": 0.5, **_FEW}, (4, 10)),
    Case("from mid-episode", _FEW, (5, 15), prepare="mid-episode"),
    Case("coefficients of each instance", _FEW, (8, 15), prepare="coefficients"),
    Case("after an intersection environment", _FEW, (5, 15), prepare="intersection"),
    Case("skidding", _FEW, (10, 10), prepare="skidding", beyond=5),
    Case("a wreck ahead", _FEW, (10, 5), prepare="wreck", beyond=5),
    Case("equal positions, speeds and timers", {"lanes_count": 5, **_FEW}, (8, 15), prepare="ties"),
    Case("at the road's end", _FEW, (4, 4), prepare="road's end"),
    Case("past the episode's end", {"duration": 8, **_FEW}, (6, 15), ("random", "FASTER"), beyond=15),
    Case("drawn configurations", None, (20, 60), beyond=3),
)


def _drawn_config(rng: np.random.Generator) -> dict[str, Any]:
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
    for action in rng.choice(5, size=5, p=POLICIES["calm"]):
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
    from highway_env.vehicle.behavior import IDMVehicle

    names = ("DISTANCE_WANTED", "COMFORT_ACC_MAX", "COMFORT_ACC_MIN")
    kept = {name: getattr(IDMVehicle, name) for name in names}
    IntersectionEnv()
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(IDMVehicle, name, value)


@dataclass(frozen=True)
class Episode:
    """One episode to compare, of at most so many steps."""

    case: Case
    fast: bool
    seed: int
    policy: str
    most: int = 1000

    def actions(self) -> list[int]:
        """The meta-actions."""
        chosen = np.random.default_rng([self.seed, 0]).choice(5, size=self.most, p=POLICIES[self.policy])
        return [int(action) for action in chosen]

    @contextmanager
    def instance(self) -> Iterator[Any]:
        """The highway-env instance, reset and prepared; meanwhile its class has the case's attributes."""
        from highway_env.envs.highway_env import HighwayEnv, HighwayEnvFast

        rng = np.random.default_rng([self.seed, 1])
        config = _drawn_config(rng) if self.case.config is None else self.case.config
        with after_intersection() if self.case.prepare == "intersection" else nullcontext():
            env = (HighwayEnvFast if self.fast else HighwayEnv)(config=config)
            env.reset(seed=self.seed)
            if self.case.prepare in PREPARATIONS:
                PREPARATIONS[self.case.prepare](env, rng)
            yield env


def run(episode: Episode) -> tuple[Episode, Comparison]:
    """Compare one episode."""
    with episode.instance() as env:
        return episode, compare(env, episode.actions(), beyond=episode.case.beyond)


def grid(*, most_seeds: int = 1000, most_steps: int = 1000, first_seed: int = 0) -> list[Episode]:
    """The episodes of all of `CASES`, with at most so many seeds a case and steps an episode."""
    return [
        Episode(case, bool(fast), first_seed + seed, policy, most_steps)
        for case in CASES
        for fast, seeds in enumerate(case.seeds)
        for seed in range(min(seeds, most_seeds))
        for policy in case.policies
    ]


def summary(found: list[tuple[Episode, Comparison]]) -> dict[str, Any]:
    """Totals of some comparisons, JSON-ready."""
    comparisons = [comparison for _, comparison in found]
    counts = ("steps", "vehicle_steps", "lane_changes", "crashes", "ended")
    return {
        "seeds": len({episode.seed for episode, _ in found}),
        "episodes": len(found),
        **{name: sum(getattr(c, name) for c in comparisons) for name in counts},
        "largest": {name: max(c.largest[name] for c in comparisons) for name in QUANTITIES},
        "disagreements": [{**asdict(e), **asdict(c)} for e, c in found if not c.agrees],
    }


def report(found: list[tuple[Episode, Comparison]]) -> dict[str, Any]:
    """What ``docs/parity.json`` holds beside `provenance`: the totals, and the same per configuration."""
    configurations = [
        {"id": ("highway-v0", "highway-fast-v0")[fast], **asdict(case), **summary(mine)}
        for case in CASES
        for fast in (False, True)
        if (mine := [(e, c) for e, c in found if e.case == case and e.fast is fast])
    ]
    return {"tolerance": TOLERANCE, **summary(found), "configurations": configurations}


def provenance() -> dict[str, Any]:
    """Versions, commit and a hash of the kernels' sources."""
    git = ("git", "-C", str(Path(__file__).parent))
    commit, changes = (
        subprocess.run([*git, *command], capture_output=True, text=True).stdout.strip()
        for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
    )
    versions = {name: version(name) for name in ("foveal", "highway-env", "gymnasium", "numpy", "numba")}
    return {
        "versions": {"python": platform.python_version(), **versions},
        "commit": commit + " with changes" * bool(changes),
        "kernels": kernels.source_hash()[:16],
    }


def record(episodes: list[Episode], path: Path) -> None:
    """Write trajectories of the reference to a compressed .npz without pickles.

    ``meta`` is JSON; episode k has the arrays ``k/initial`` (F, V), the state to start from, rows named by
    ``meta["features"]``, ``k/actions`` (T,), and ``k/NAME`` (T, ...) for QUANTITIES and FLAGS.
    """
    features = FEATURES[: FEATURES.index("cos")]  # what follows is derived within a substep
    meta: dict[str, Any] = {**provenance(), "features": features, "episodes": []}
    arrays: dict[str, NDArray[Any]] = {}
    for k, episode in enumerate(episodes):
        with episode.instance() as env:
            state, snapshots = from_highway_env(env).get_state(), []
            for action in episode.actions():
                snapshots.append(step_reference(env, action))
                if snapshots[-1]["terminated"] or snapshots[-1]["truncated"]:
                    break
            name = f"{episode.case.name}, {'fast, ' * episode.fast}{episode.policy}, seed {episode.seed}"
            meta["episodes"].append({"name": name, "params": highway_params(env), "time": state["time"][0]})
        arrays[f"{k}/initial"] = state["traffic"][0, : len(features)]
        arrays[f"{k}/actions"] = np.array(episode.actions()[: len(snapshots)], np.int8)
        for name in QUANTITIES:
            arrays[f"{k}/{name}"] = np.array([snapshot[name] for snapshot in snapshots])
        for name in FLAGS:
            arrays[f"{k}/{name}"] = np.array([snapshot[name] for snapshot in snapshots], np.int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 if anything disagrees."""
    parser = argparse.ArgumentParser(prog="python -m foveal.envs.driving.parity", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, help="write the report to this JSON file")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--quick", action="store_true", help="one seed a case, five steps an episode")
    parser.add_argument("--first-seed", type=int, default=0, help="(0)")
    parser.add_argument("--record", type=Path, metavar="NPZ", help="record reference trajectories instead")
    options = parser.parse_args(arguments)
    if options.record:
        chosen = grid(most_seeds=1, most_steps=25, first_seed=1000)
        record([e for e in chosen if e.policy != "random" or "calm" not in e.case.policies], options.record)
        return 0
    limits = {"most_seeds": 1, "most_steps": 5} if options.quick else {}
    origin = provenance()  # before it can change
    episodes, found, began = grid(first_seed=options.first_seed, **limits), [], time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        for episode, comparison in pool.imap_unordered(run, episodes):
            found.append((episode, comparison))
            if not comparison.agrees:
                print(f"DISAGREE {episode}: {comparison.disagreement} {comparison.largest}", flush=True)
            if len(found) % 25 == 0 or len(found) == len(episodes):
                seconds = time.monotonic() - began
                print(f"{len(found)} of {len(episodes)} episodes, {seconds:.0f} s", flush=True)
    result = {**origin, **report(found)}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "configurations"}, indent=1))
    return 1 if result["disagreements"] else 0


if __name__ == "__main__":
    sys.exit(main())
