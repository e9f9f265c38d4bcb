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
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from foveal import kernels
from foveal.envs.driving.comparison import QUANTITIES, TOLERANCE, Comparison, compare, step_reference
from foveal.envs.driving.interop import from_highway_env
from foveal.envs.driving.parity_cases import (
    CASES,
    PREPARATIONS,
    Case,
    after_intersection,
    coefficients_kept,
    draw_actions,
    drawn_config,
)


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
