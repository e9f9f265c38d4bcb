"""How fast the driving worlds step, beside highway-env and EnvPool on the same machine in the same run.

All contenders drive with the same kind of actions, and finished episodes begin anew: ``random`` ones, and ``calm``
ones, with which episodes last longer (mostly braking where lanes are followed; straight on where wheels are steered).
Worlds are set to the rules of EnvPool's v0 tasks: neighbours on a vehicle's own lane only. Only simulated steps count:
a call that merely restarts a row (Gymnasium's and EnvPool's next-step autoreset) is no step, but its time
counts. The repeats of all contenders are interleaved, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from foveal.agents.evaluation import provenance
from foveal.envs.batch import BatchEnv
from foveal.kernels import thread_count


class Task(NamedTuple):
    """A world, its parameters, and its id with highway-env, which is EnvPool's too."""

    env_id: str
    peer: str
    params: dict[str, Any]

    @property
    def name(self) -> str:
        """The world, and what of its parameters tells tasks apart."""
        track = self.params.get("track")
        return f"{self.env_id}, {track}" if track else self.env_id


_V0 = {"connected_lanes": False}
HIGHWAYS = (Task("foveal/Highway-v0", "highway-v0", {}), Task("foveal/HighwayFast-v0", "highway-fast-v0", {}))
ALL = (
    *HIGHWAYS,
    Task("foveal/Merge-v0", "merge-v0", _V0),
    Task("foveal/Roundabout-v0", "roundabout-v0", _V0),
    Task("foveal/Intersection-v0", "intersection-v0", _V0),
    Task("foveal/Exit-v0", "exit-v0", _V0),
    Task("foveal/TwoWay-v0", "two-way-v0", _V0),
    Task("foveal/UTurn-v0", "u-turn-v0", _V0),
    Task("foveal/Racetrack-v0", "racetrack-v0", _V0),
    Task("foveal/Racetrack-v0", "racetrack-large-v0", {**_V0, "track": "large"}),
    Task("foveal/Racetrack-v0", "racetrack-oval-v0", {**_V0, "track": "oval"}),
    Task("foveal/Parking-v0", "parking-v0", {}),
    Task("foveal/LaneKeeping-v0", "lane-keeping-v0", {}),
)
DRIVING = ("random", "calm")
"""Kinds of actions."""

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

PEERS = ("EnvPool", "highway-env, 1 row")
Report = dict[str, Any]
Step = Callable[[], int]
"""Steps every row once; returns how many of them simulated, rather than only began anew."""


def driving(*, tasks: Sequence[Task] = HIGHWAYS, rows: int = 256, repeat: int = 5, seconds: float = 2.0) -> Report:
    """Measure everything.

    Args:
        tasks: In which worlds.
        rows: Rows of a batch; highway-env has one.
        repeat: Interleaved repeats.
        seconds: Length of each repeat.

    Returns:
        Plain numbers and words: ``speeds`` (list of task, actions and, by contender, steps/s), ``batches`` (task ->
        rows -> µs per row and step), ``state_bytes`` (task -> bytes of 4,096 rows), ``start_seconds`` (with an empty
        cache of kernels and with a filled one, from the import to the first step done), and what they were measured
        with.
    """
    report = {**made_with(rows, repeat, seconds), "start_seconds": _start_seconds()}
    report["versions"] |= {name: version(name) for name in ("highway-env", "envpool") if installed(name)}
    kinds = DRIVING if len(tasks) > len(HIGHWAYS) else DRIVING[:1]
    report["speeds"] = [
        {"task": task.name, "peer": task.peer, "actions": kind, "by": _side_by_side(task, kind, rows, repeat, seconds)}
        for task in tasks
        for kind in kinds
    ]
    report["batches"] = {task.name: _by_batch(task, seconds) for task in tasks}
    report["state_bytes"] = {task.name: _state_bytes(task) for task in tasks}
    return report


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """A report as tables: title, column titles and rows of text."""
    how = f"{report['rows']} rows, median of {report['repeat']} x {report['seconds']:g} s"
    speeds = []
    for one in report["speeds"]:
        ours = one["by"]["foveal"]["median"]
        row = [one["task"], one["actions"], f"{ours:,.0f}"]
        for name in PEERS:
            found = one["by"].get(name)
            row += ["", ""] if found is None else [_count(found["median"]), f"{ours / found['median']:,.1f}x"]
        speeds.append(row)
    batches = [
        [name, *(f"{us:.2f}" for us in found.values()), f"{report['state_bytes'][name] / 1e6:.1f}"]
        for name, found in report["batches"].items()
    ]
    start = report["start_seconds"]
    return [
        (
            f"{machine(report)}\n{how}; steps/s, and how many times faster foveal is",
            ["world", "actions", "foveal", *(word for name in PEERS for word in (name, "faster"))],
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


def made_with(rows: int, repeat: int, seconds: float) -> Report:
    """What a report begins with: what it was measured with, and how."""
    measured = {"threads": thread_count(), "load": os.getloadavg()[0]}
    return {**provenance(), **measured, "rows": rows, "repeat": repeat, "seconds": seconds}


def machine(report: Report) -> str:
    """What a report was measured with, in words: commit and machine, and below them versions, of peers too."""
    versions = ", ".join(f"{name} {found}" for name, found in (report["versions"] | report.get("peers", {})).items())
    cores = f"{report['cores']} cores, {report['threads']} threads, load {report['load']:.1f}"
    return f"commit {report['commit'] or 'unknown'}; {report['processor']}, {cores}\n{versions}"


def _count(rate: float) -> str:
    return f"{rate:,.0f}" if rate > 100 else f"{rate:,.1f}"


def _side_by_side(task: Task, kind: str, rows: int, repeat: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Steps per second of each contender in a world."""
    contenders: dict[str, Step] = {"foveal": _foveal(task, rows, kind)}
    if installed("envpool"):
        contenders[PEERS[0]] = _envpool(task.peer, rows, kind)
    contenders[PEERS[1]] = _highway_env(task.peer, kind)
    return interleaved(contenders, f"{task.name}, {kind}", repeat, seconds)


def interleaved(contenders: dict[str, Step], what: str, repeat: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Steps per second of each contender: the median, the extremes and all repeats, which they take by turns.

    And ``processors``: how many this process used meanwhile, which tells whether others took some away.
    """
    for step in contenders.values():
        step()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    used: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(repeat):
        print(f"{what}: repeat {number + 1} of {repeat}", file=sys.stderr)
        for name, step in contenders.items():
            begin, begin_used = time.perf_counter(), time.process_time()
            rates[name].append(_rate(step, seconds))
            used[name].append((time.process_time() - begin_used) / (time.perf_counter() - begin))
    return {
        name: {"median": statistics.median(each), "low": min(each), "high": max(each), "repeats": each}
        | {"processors": statistics.median(used[name])}
        for name, each in rates.items()
    }


def threaded(name: str, step: Step) -> dict[str, Step]:
    """The same with one thread and with all, by what to call them."""

    def limited(threads: int) -> Step:
        def run() -> int:
            with _threads(threads):
                return step()

        return run

    counts = sorted({1, thread_count()})
    return {f"{name}, {count} thread{'s'[: count - 1]}": limited(count) for count in counts}


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = os.environ.get("FOVEAL_THREADS")
    os.environ["FOVEAL_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FOVEAL_THREADS"]
        else:
            os.environ["FOVEAL_THREADS"] = before


def _by_batch(task: Task, seconds: float) -> dict[int, float]:
    """µs per row and step for each of `BATCHES`."""
    print(f"{task.name}: {BATCHES[0]} to {BATCHES[-1]} rows", file=sys.stderr)
    found = {}
    for rows in BATCHES:
        step = _foveal(task, rows, DRIVING[0])
        step()
        found[rows] = 1e6 / _rate(step, seconds)
    return found


def _rate(step: Step, seconds: float) -> float:
    """Simulated steps per second."""
    steps, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds or not steps:
        steps += step()
    return steps / elapsed


def _foveal(task: Task, rows: int, kind: str) -> Step:
    env = gymnasium.make_vec(task.env_id, num_envs=rows, **task.params)
    env.reset(seed=0)
    return batched(env, _actions(env.single_action_space, (64, rows), kind))


def _envpool(peer: str, rows: int, kind: str) -> Step:
    import envpool

    env = envpool.make_gymnasium(peer, num_envs=rows, num_threads=thread_count(), seed=0)
    env.reset()
    return batched(env, _actions(env.action_space, (64, rows), kind))


def batched(env: Any, actions: np.ndarray[Any, Any]) -> Step:
    """Steps of a batch that restarts an ended row in the step after, with actions (T, N, ...) over and over."""
    rows = actions.shape[1]
    count, ended = 0, np.zeros(rows, np.bool_)

    def step() -> int:
        nonlocal count, ended
        _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
        simulated = rows - int(ended.sum())
        count, ended = count + 1, terminated | truncated
        return simulated

    return step


def _highway_env(peer: str, kind: str) -> Step:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that newer versions of its ids exist
        import highway_env  # noqa: F401

        env = gymnasium.make(peer)
    env.reset(seed=0)
    actions = _actions(env.action_space, (4096,), kind)
    count = 0

    def step() -> int:
        nonlocal count
        _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
        count += 1
        if terminated or truncated:
            env.reset()
        return 1

    return step


def _actions(space: spaces.Space[Any], shape: tuple[int, ...], kind: str) -> np.ndarray[Any, Any]:
    """Actions of this kind, (*shape, ...)."""
    rng = np.random.default_rng(0)
    if isinstance(space, spaces.Box):
        wide = 1.0 if kind == "random" else 0.0
        return rng.uniform(-wide, wide, (*shape, *space.shape)).astype(np.float32)
    assert isinstance(space, spaces.Discrete)
    weights = np.ones(int(space.n))
    if kind == "calm":  # five meta-actions, of which the last brakes, or three, of which the middle one is to idle
        weights = np.array([0.15, 0.1, 0.15, 0.05, 0.55]) if space.n == 5 else np.array([0.1, 0.8, 0.1])
    return rng.choice(int(space.n), size=shape, p=weights / weights.sum()).astype(np.dtype(space.dtype))


def _state_bytes(task: Task) -> int:
    env = gymnasium.make_vec(task.env_id, num_envs=BATCHES[-1], **task.params)
    assert isinstance(env, BatchEnv)
    return sum(array.nbytes for array in env.get_state().values())


def _start_seconds() -> dict[str, float]:
    """Seconds until a fresh process has stepped, with an empty and with a filled cache of kernels."""
    print("start with an empty and with a filled cache", file=sys.stderr)
    with tempfile.TemporaryDirectory() as cache:
        return {name: float(in_fresh_process(_START, cache)) for name in ("cold", "warm")}


def in_fresh_process(script: str, cache: str) -> str:
    """What a script prints that keeps its kernels in the folder `cache`."""
    environment = {**os.environ, "FOVEAL_CACHE_DIR": cache}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package.replace("-", "_")) is not None
