"""Held-out evaluation: the first episode of consecutive seeds, with 95 % intervals."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from foveal.agents.drivers import make_driver
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.envs.recording import begin
from foveal.envs.scene import MEASURES
from foveal.files import replace_file

Policy = Callable[[Any], Any]
"""Observations (N, …) to actions (N, …), or to a tuple that begins with them; see `foveal.envs.recording.record`."""

RATES = ("success", "collision")
_WALKED = ("spl", "soft_spl", "sel", "distance_to_goal", "curvature")
SHOWN = ("return", "length", "success", "collision", "speed", *_WALKED, "reaction_time")
_SEARCHED = ("reaction_time", "saccades", "set_size", "target_present")
_AT_THE_END = (*_WALKED, "path_length", "collisions", "distance_bin", *_SEARCHED)
_TOLD_BY = {"collision": "crashed", "speed": "speed"}  # metrics that need an info of the world
_PACKAGES = ("foveal", "gymnasium", "numba", "numpy", "torch")


@dataclass(frozen=True)
class Estimate:
    """A mean over episodes and its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What a policy did in one episode of each of `episodes` seeds.

    Attributes:
        env_id: The world.
        params: Its parameters, where they differ from the id's.
        policy: What the policy is called.
        seed: The first row seed; the others follow it.
        episodes: Number of seeds E.
        per_episode: name -> (E,) float64, in the order of the seeds: ``return``; ``length`` in steps;
            ``success``, 1 where the world says so, or else where the time limit was reached without a crash;
            ``terminated``, 1 where it was not; what object navigation and visual search tell at the end;
            and, where the world reports them, ``collision``, 1 after a crash, ``speed``, the episode's mean in m/s,
            and ``ttc``, its least time to collision in s, all as sampled at the decisions.
        metrics: name -> estimate of the mean of those in `SHOWN`: Wilson's interval for the rates `RATES`,
            Student's t for the others.
    """

    env_id: str
    params: dict[str, Any]
    policy: str
    seed: int
    episodes: int
    per_episode: dict[str, NDArray[np.float64]]
    metrics: dict[str, Estimate]

    def save(self, path: str | Path) -> Path:
        """Write settings, metrics and provenance as JSON, without the single episodes."""
        document = {
            "env_id": self.env_id,
            "params": self.params,
            "policy": self.policy,
            "seed": self.seed,
            "held_out": self.seed >= EVALUATION_SEEDS,
            "episodes": self.episodes,
            "metrics": {name: vars(estimate) for name, estimate in self.metrics.items()},
            **provenance(),
        }
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, (json.dumps(document, indent=2) + "\n").encode())
        return target


def evaluate(
    env_id: str,
    policy: str | Policy,
    *,
    episodes: int = 1000,
    seed: int | Sequence[int] = EVALUATION_SEEDS,
    num_envs: int = 256,
    name: str | None = None,
    **params: Any,
) -> Evaluation:
    """Run a policy for exactly the first episode of each of `episodes` consecutive row seeds.

    Counting each seed once leaves no bias towards short episodes, which taking the first episodes to finish
    would. A deterministic policy gets the same evaluation for any `num_envs`, since rows do not depend on
    each other.

    Args:
        env_id: A registered id.
        policy: A driver's name (see `foveal.agents.drivers.DRIVERS`), or a callable.
        episodes: Number of episodes, at least 2.
        seed: The first row seed, or the seed of each episode.
        num_envs: The most rows at a time.
        name: What to call the policy; by default the driver's name, or the callable's.
        **params: The world's parameters.

    Raises:
        ValueError: for fewer than 2 episodes, an unknown driver, or one that cannot drive this world.
    """
    if episodes < 2:
        raise ValueError(f"episodes={episodes}: an interval needs at least 2")
    if name is None:
        name = policy if isinstance(policy, str) else str(getattr(policy, "__name__", type(policy).__name__))
    rows = min(num_envs, episodes)
    env = gymnasium.make_vec(env_id, num_envs=rows, autoreset_mode=AutoresetMode.NEXT_STEP, copy=False, **params)
    assert isinstance(env, BatchEnv)
    act = make_driver(policy, env) if isinstance(policy, str) else policy
    seeds = list(range(seed, seed + episodes)) if isinstance(seed, int) else [int(one) for one in seed]
    if len(seeds) != episodes:
        raise ValueError(f"{len(seeds)} seeds for {episodes} episodes")
    spare = [max(seeds) + 1 + k for k in range(-episodes % rows)]  # for the rows that are left over
    chunks = [first_episodes(env, act, (seeds + spare)[k : k + rows]) for k in range(0, episodes, rows)]
    env.close()
    per_episode = {key: np.concatenate([chunk[key] for chunk in chunks])[:episodes] for key in chunks[0]}
    return Evaluation(
        env_id=env_id,
        params=params,
        policy=name,
        seed=seeds[0],
        episodes=episodes,
        per_episode=per_episode,
        metrics={key: (rate if key in RATES else mean)(per_episode[key]) for key in SHOWN if key in per_episode},
    )


def first_episodes(env: BatchEnv, act: Policy, seed: int | Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """One episode in every row, seeded as `BatchEnv.reset` takes it: name -> (N,), as in `Evaluation.per_episode`.

    Rows that have ended go on unheeded, so the world must not be one that needs resets, unless it has a single row.
    """
    begin(act)
    observations, infos = env.reset(seed=seed)
    alive = np.ones(env.num_envs, np.bool_)
    totals = {key: np.zeros(env.num_envs) for key in ("return", "length", "success", "terminated")}
    if "risk" in infos:
        totals["ttc"] = np.full(env.num_envs, np.inf)
    at_the_end = [key for key in ("success", *_AT_THE_END) if key in infos]
    totals |= {key: np.zeros(env.num_envs) for key in at_the_end}
    totals |= {key: np.zeros(env.num_envs) for key, told in _TOLD_BY.items() if told in infos}
    while alive.any():
        actions = act(observations)
        observations, rewards, terminated, truncated, infos = env.step(
            actions[0] if isinstance(actions, tuple) else actions
        )
        totals["return"] += np.where(alive, rewards, 0.0)
        totals["length"] += alive
        ended = alive & (terminated | truncated)
        if "success" not in at_the_end:
            totals["success"] += ended & ~terminated
        for key in at_the_end:
            totals[key] = np.where(ended, infos[key], totals[key])
        totals["terminated"] += alive & terminated
        if "ttc" in totals:
            least = infos["risk"]["row"][:, MEASURES.index("time_to_collision_2d")]
            totals["ttc"] = np.where(alive, np.minimum(totals["ttc"], least), totals["ttc"])
        if "collision" in totals:
            totals["collision"] += ended & infos["crashed"]
        if "speed" in totals:
            totals["speed"] += np.where(alive, infos["speed"], 0.0)
        alive &= ~(terminated | truncated)
    if "speed" in totals:
        totals["speed"] /= totals["length"]
    return totals


def mean(values: NDArray[np.float64]) -> Estimate:
    """The mean of (E,) values with Student's t interval."""
    from scipy import stats

    centre, error = float(values.mean()), float(stats.sem(values))
    margin = error * float(stats.t.ppf(0.975, values.size - 1))
    return Estimate(centre, centre - margin, centre + margin)


def rate(values: NDArray[np.float64]) -> Estimate:
    """The share of ones among (E,) zeros and ones, with Wilson's score interval (Wilson 1927)."""
    from scipy import stats

    found = stats.binomtest(int(values.sum()), values.size).proportion_ci(0.95, method="wilson")
    return Estimate(float(values.mean()), float(found.low), float(found.high))


def provenance() -> dict[str, Any]:
    """What a result was made with: commit (None outside a checkout), versions, cores and processor."""
    return {
        "commit": _commit(),
        "versions": {package: installed for package in _PACKAGES if (installed := _version(package))},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
    }


def _commit() -> str | None:
    """The commit of the checkout this file belongs to, with "-dirty" where something differs from it."""
    here = Path(__file__).resolve()
    if not _git(here.parent, "ls-files", here.name):
        return None
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or None


def _git(folder: Path, *command: str) -> str:
    try:
        ran = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
