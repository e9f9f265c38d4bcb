"""How fast the driving worlds step, beside highway-env and EnvPool on the same machine in the same run.

All contenders drive with random actions, and finished episodes begin anew. Only simulated steps count: a
call that merely restarts a row (Gymnasium's and EnvPool's next-step autoreset) is no step, but its time
counts. The repeats of all contenders are interleaved, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np

from foveal.agents.evaluation import provenance
from foveal.envs.batch import BatchEnv
from foveal.kernels import thread_count

WORLDS = {"foveal/Highway-v0": "highway-v0", "foveal/HighwayFast-v0": "highway-fast-v0"}
"""Our id to highway-env's, which is EnvPool's too."""

BATCHES = (16, 64, 256, 1024, 4096)

_START = """
import time
begin = time.perf_counter()
import gymnasium, numpy, foveal
env = gymnasium.make_vec("foveal/Highway-v0", num_envs=256)
env.reset(seed=0)
env.step(numpy.ones(256, int))
print(time.perf_counter() - begin)
"""

Report = dict[str, Any]
Step = Callable[[], int]
"""Steps every row once; returns how many of them simulated, rather than only began anew."""


def driving(*, rows: int = 256, repeat: int = 5, seconds: float = 2.0) -> Report:
    """Measure everything.

    Args:
        rows: Rows of a batch; highway-env has one.
        repeat: Interleaved repeats.
        seconds: Length of each repeat.

    Returns:
        Plain numbers and words: ``worlds`` (id -> contender -> steps/s), ``batches`` (id -> rows -> µs per
        row and step), ``state_bytes`` (id -> bytes of 4,096 rows), ``start_seconds`` (with an empty cache of
        kernels and with a filled one, from the import to the first step done), and what they were measured
        with.
    """
    report: Report = {
        **provenance(),
        "threads": thread_count(),
        "rows": rows,
        "repeat": repeat,
        "seconds": seconds,
        "start_seconds": _start_seconds(),
    }
    report["versions"] |= {name: version(name) for name in ("highway-env", "envpool") if _installed(name)}
    report["worlds"] = {env_id: _side_by_side(env_id, rows, repeat, seconds) for env_id in WORLDS}
    report["batches"] = {env_id: _by_batch(env_id, seconds) for env_id in WORLDS}
    report["state_bytes"] = {env_id: _state_bytes(env_id) for env_id in WORLDS}
    return report


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """A report as tables: title, column titles and rows of text."""
    versions = ", ".join(f"{name} {found}" for name, found in report["versions"].items())
    machine = f"{report['processor']}, {report['cores']} cores, {report['threads']} threads; {versions}"
    how = f"{report['rows']} rows, random actions, median of {report['repeat']} x {report['seconds']:g} s"
    speeds = []
    for env_id, found in report["worlds"].items():
        ours = found["foveal"]["median"]
        for name, rate in found.items():
            digits = 0 if rate["median"] > 100 else 1
            median, low, high = (f"{rate[key]:,.{digits}f}" for key in ("median", "low", "high"))
            ratio = "" if name == "foveal" else f"{ours / rate['median']:,.1f}x"
            speeds.append([env_id, name, median, f"{low} to {high}", ratio])
    batches = [
        [env_id, *(f"{us:.2f}" for us in found.values()), f"{report['state_bytes'][env_id] / 1e6:.1f}"]
        for env_id, found in report["batches"].items()
    ]
    start = report["start_seconds"]
    return [
        (
            f"{machine}\n{how}",
            ["world", "contender", "steps/s", "range", "foveal is faster by"],
            speeds,
        ),
        (
            "µs per row and step by rows, and the size of a state of 4,096 rows",
            ["world", *(f"{rows} rows" for rows in BATCHES), "state [MB]"],
            batches,
        ),
        (
            "from the import to the first step done",
            ["kernels", "seconds"],
            [["compiled", f"{start['cold']:.1f}"], ["from the cache", f"{start['warm']:.1f}"]],
        ),
    ]


def _side_by_side(env_id: str, rows: int, repeat: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Steps per second of each contender in a world."""
    contenders: dict[str, Step] = {"foveal": _foveal(env_id, rows)}
    if _installed("envpool"):
        contenders["EnvPool"] = _envpool(WORLDS[env_id], rows)
    contenders["highway-env, 1 row"] = _highway_env(WORLDS[env_id])
    for step in contenders.values():
        step()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repeat):
        print(f"{env_id}: repeat {number + 1} of {repeat}", file=sys.stderr)
        for name, step in contenders.items():
            rates[name].append(_rate(step, seconds))
    return {
        name: {"median": statistics.median(each), "low": min(each), "high": max(each), "repeats": each}
        for name, each in rates.items()
    }


def _by_batch(env_id: str, seconds: float) -> dict[int, float]:
    """µs per row and step for each of `BATCHES`."""
    print(f"{env_id}: {BATCHES[0]} to {BATCHES[-1]} rows", file=sys.stderr)
    found = {}
    for rows in BATCHES:
        step = _foveal(env_id, rows)
        step()
        found[rows] = 1e6 / _rate(step, seconds)
    return found


def _rate(step: Step, seconds: float) -> float:
    """Simulated steps per second."""
    steps, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds or not steps:
        steps += step()
    return steps / elapsed


def _foveal(env_id: str, rows: int) -> Step:
    env = gymnasium.make_vec(env_id, num_envs=rows)
    env.reset(seed=0)
    return _batched(env, rows, np.int64)


def _envpool(task: str, rows: int) -> Step:
    import envpool

    env = envpool.make_gymnasium(task, num_envs=rows, num_threads=thread_count(), seed=0)
    env.reset()
    return _batched(env, rows, np.int32)


def _batched(env: Any, rows: int, dtype: type) -> Step:
    """Steps of a batch that restarts an ended row in the step after."""
    actions: np.ndarray[Any, Any] = _actions((64, rows)).astype(dtype)
    count, ended = 0, np.zeros(rows, np.bool_)

    def step() -> int:
        nonlocal count, ended
        _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
        simulated = rows - int(ended.sum())
        count, ended = count + 1, terminated | truncated
        return simulated

    return step


def _highway_env(task: str) -> Step:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that newer versions of its ids exist
        import highway_env  # noqa: F401

        env = gymnasium.make(task)
    env.reset(seed=0)
    actions = _actions((4096,)).tolist()
    count = 0

    def step() -> int:
        nonlocal count
        _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
        count += 1
        if terminated or truncated:
            env.reset()
        return 1

    return step


def _actions(shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(0).integers(5, size=shape)


def _state_bytes(env_id: str) -> int:
    env = gymnasium.make_vec(env_id, num_envs=BATCHES[-1])
    assert isinstance(env, BatchEnv)
    return sum(array.nbytes for array in env.get_state().values())


def _start_seconds() -> dict[str, float]:
    """Seconds until a fresh process has stepped, with an empty and with a filled cache of kernels."""
    print("start with an empty and with a filled cache", file=sys.stderr)
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "FOVEAL_CACHE_DIR": cache}
        runs = [
            subprocess.run([sys.executable, "-c", _START], env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return {name: float(run.stdout) for name, run in zip(("cold", "warm"), runs, strict=True)}


def _installed(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None
