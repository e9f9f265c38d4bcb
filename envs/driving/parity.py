"""How far our worlds are from highway-env's: both stepped from the same state with the same actions.

``python -m foveal.envs.driving.parity docs/parity.json`` compares all of `CASES` and writes what it found.
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
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from foveal import kernels
from foveal.envs.driving.interop import adopt, from_highway_env, lane_numbers, write_vehicle
from foveal.envs.driving.parity_cases import (
    CASES,
    PREPARATIONS,
    Case,
    after_intersection,
    coefficients_kept,
    draw_actions,
    drawn_config,
)
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


@dataclass(frozen=True)
class Episode:
    """One episode of one of highway-env's ids to compare, of at most so many steps."""

    case: Case
    env_id: str
    seed: int
    policy: str
    most: int = 1000

    def actions(self, env: Any) -> NDArray[Any]:
        """The actions (T, ...) for an instance."""
        return draw_actions(from_highway_env(env), self.policy, self.seed, self.most)

    @contextmanager
    def instance(self) -> Iterator[Any]:
        """The highway-env instance, reset and prepared; meanwhile its class has the case's attributes."""
        import highway_env  # noqa: F401 (registers its ids)

        rng = np.random.default_rng([self.seed, 1])
        config = drawn_config(rng) if self.case.config is None else self.case.config
        spec = gymnasium.spec(self.env_id)
        assert isinstance(spec.entry_point, str)
        creator, options = load_env_creator(spec.entry_point), ({"config": dict(config)} if config else {})
        with coefficients_kept(), after_intersection() if self.case.prepare == "intersection" else nullcontext():
            with np.errstate(invalid="ignore"):  # see `step_reference`
                env: Any = creator(**options)
                if spec.max_episode_steps is not None:
                    env = TimeLimit(env, spec.max_episode_steps)
                env.reset(seed=self.seed)
            if self.case.prepare in PREPARATIONS:
                PREPARATIONS[self.case.prepare](env.unwrapped, rng)
            yield env


def run(episode: Episode) -> tuple[Episode, Comparison]:
    """Compare one episode; where it disagrees, see whether highway-env agrees with itself."""
    with episode.instance() as env:
        found = compare(env, episode.actions(env), beyond=episode.case.beyond)
    if not found.agrees:
        found.undetermined = any(_disagrees_with_itself(episode, found.steps, attempt) for attempt in range(4))
    return episode, found


def _disagrees_with_itself(episode: Episode, steps: int, attempt: int) -> bool:
    """Whether two instances drift apart, of which one has positions and headings rounded differently in every step.

    Of vehicles that slip, speeds too. Apart is a tenth of TOLERANCE: what is found with four seeds is a sample.
    """
    rng, result = np.random.default_rng([episode.seed, 2, attempt]), Comparison()
    with episode.instance() as env, episode.instance() as shaken:
        _shake(shaken, rng)
        world = from_highway_env(env)
        for action in episode.actions(env)[:steps]:
            result.add(step_reference(shaken, world, action), step_reference(env, world, action), None, 0)
            _shake(shaken, rng)
    return result.disagreement is not None or max(result.largest.values()) > TOLERANCE / 10


def _shake(env: Any, rng: np.random.Generator) -> None:
    """Change the vehicles of an instance in the last place; an exact zero stays one."""
    for vehicle in env.unwrapped.road.vehicles:
        vehicle.position = vehicle.position * (1 + rng.choice([-1, 1], 2) * 2.0**-52)
        vehicle.heading *= 1 + rng.choice([-1, 1]) * 2.0**-52
        if hasattr(vehicle, "yaw_rate"):  # how tyres slip hangs on neither
            vehicle.speed *= 1 + rng.choice([-1, 1]) * 2.0**-52
            vehicle.yaw_rate += rng.choice([-1, 1]) * 2.0**-52


def grid(*, most_seeds: int = 1000, most_steps: int = 1000, first_seed: int = 0) -> list[Episode]:
    """The episodes of all of `CASES`, with at most so many seeds a case and steps an episode."""
    return [
        Episode(case, env_id, first_seed + seed, policy, min(most_steps, case.steps))
        for case in CASES
        for env_id, seeds in case.seeds.items()
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
        "largest": {name: max((c.largest[name] for c in comparisons if c.agrees), default=0.0) for name in QUANTITIES},
        "disagreements": [_told(e, c) for e, c in found if c.wrong],
        "undetermined": [_told(e, c) for e, c in found if c.undetermined],
    }


def report(found: list[tuple[Episode, Comparison]]) -> dict[str, Any]:
    """What ``docs/parity.json`` holds beside `provenance`: the totals, and the same per configuration, in counts."""
    configurations = [
        {"id": env_id, **asdict(case), **_counted(summary(mine))}
        for case in CASES
        for env_id in case.seeds
        if (mine := [(e, c) for e, c in found if e.case == case and e.env_id == env_id])
    ]
    return {"tolerance": TOLERANCE, **summary(found), "configurations": configurations}


def _told(episode: Episode, comparison: Comparison) -> dict[str, Any]:
    named = {"id": episode.env_id, "case": episode.case.name, "seed": episode.seed, "policy": episode.policy}
    return {**named, "step": comparison.steps, "flag": comparison.disagreement, "largest": comparison.largest}


def _counted(totals: dict[str, Any]) -> dict[str, Any]:
    return {name: len(value) if isinstance(value, list) else value for name, value in totals.items()}


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


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 if anything disagrees.

    What has been compared is kept beside the compiled kernels, so that a grid goes on where it stopped as long as no
    kernel has changed.
    """
    parser = argparse.ArgumentParser(prog="python -m foveal.envs.driving.parity", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, help="write the report to this JSON file")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--quick", action="store_true", help="one seed a case, five steps an episode")
    parser.add_argument("--kept", action="store_true", help="report what has been compared before, and run nothing")
    parser.add_argument("--ids", nargs="+", help="highway-env's ids (all)")
    parser.add_argument("--seeds", type=int, default=1000, help="most seeds of a case (as many as it has)")
    parser.add_argument("--first-seed", type=int, default=0, help="(0)")
    options = parser.parse_args(arguments)
    limits = {"most_seeds": 1, "most_steps": 5} if options.quick else {"most_seeds": options.seeds}
    origin, began = provenance(), time.monotonic()  # before it can change
    episodes = grid(first_seed=options.first_seed, **limits)
    if options.ids:
        episodes = [episode for episode in episodes if episode.env_id in options.ids]
    kept = _Kept()
    found = [(episode, comparison) for episode in episodes if (comparison := kept.of(episode)) is not None]
    left = [] if options.kept else [episode for episode in episodes if kept.of(episode) is None]
    print(f"{len(found)} of {len(episodes)} episodes compared before", flush=True)
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        for episode, comparison in pool.imap_unordered(run, left):
            found.append((episode, comparison))
            kept.add(episode, comparison)
            if not comparison.agrees:
                kind = "UNDETERMINED" if comparison.undetermined else "DISAGREE"
                print(f"{kind} {episode}: {comparison.disagreement} {comparison.largest}", flush=True)
            if len(found) % 25 == 0 or len(found) == len(episodes):
                seconds = time.monotonic() - began
                print(f"{len(found)} of {len(episodes)} episodes, {seconds:.0f} s", flush=True)
    result = {**origin, "planned": len(episodes), **report(found)}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "configurations"}, indent=1))
    return 1 if result["disagreements"] else 0


class _Kept:
    """Comparisons by episode, in a file of lines of JSON that belongs to the present kernels."""

    def __init__(self) -> None:
        folder = kernels.cache_folder()
        self._path = None if folder is None else folder / "parity.jsonl"
        self._kept: dict[str, Comparison] = {}
        if self._path is not None and self._path.exists():
            for line in self._path.read_text().splitlines():
                with suppress(ValueError, KeyError, TypeError):  # a torn last line
                    told = json.loads(line)
                    self._kept[told["episode"]] = Comparison(**told["comparison"])

    @staticmethod
    def _key(episode: Episode) -> str:
        return json.dumps(asdict(episode), sort_keys=True)

    def of(self, episode: Episode) -> Comparison | None:
        return self._kept.get(self._key(episode))

    def add(self, episode: Episode, comparison: Comparison) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"episode": self._key(episode), "comparison": asdict(comparison)}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
