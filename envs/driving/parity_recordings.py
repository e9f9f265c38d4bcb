"""Recorded episodes of highway-env, to compare with where there is no time to run it.

``python -m foveal.envs.driving.parity_recordings FILE.npz`` makes them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.comparison import (
    FLAGS,
    OF_ALL,
    QUANTITIES,
    Comparison,
    Snapshot,
    alone,
    compare_steps,
    step_reference,
)
from foveal.envs.driving.migration import name_of, world_named
from foveal.envs.driving.parity import Episode, grid, provenance, run

Recording = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What `load` returns: facts, and arrays by name."""


def record(episodes: list[Episode], path: Path) -> None:
    """Write trajectories of the reference to a compressed .npz without pickles.

    ``meta`` is JSON; episode k has the arrays ``k/state/NAME``, the state to start from, ``k/actions`` (T, ...), and
    ``k/NAME`` (T, ...) for QUANTITIES and FLAGS. Where vehicles come and go there are ``k/count`` (T,), how many of the
    V columns count, and ``k/entered`` (T, K, M), the newcomers' columns, NaN for none.
    """
    meta: dict[str, Any] = {**provenance(), "episodes": []}
    arrays: dict[str, NDArray[Any]] = {}
    for k, episode in enumerate(episodes):
        with episode.instance() as env:
            world, actions, snapshots = alone(env), episode.actions(env), []
            arrays |= {f"{k}/state/{name}": array for name, array in world.get_state().items()}
            name = f"{episode.env_id}, {episode.case.name}, {episode.policy}, seed {episode.seed}"
            params = {**asdict(world.params), "max_episode_steps": world.max_episode_steps}
            meta["episodes"].append({"name": name, "world": name_of(env), "params": params})
            for action in actions:
                snapshots.append(step_reference(env, world, action))
                if snapshots[-1]["terminated"] or snapshots[-1]["truncated"]:
                    break
        arrays[f"{k}/actions"] = actions[: len(snapshots)]
        counts = [snapshot["x"].size for snapshot in snapshots]
        entered = [snapshot["entered"] for snapshot in snapshots]
        if len(set(counts)) > 1 or any(one.size for one in entered):
            arrays[f"{k}/count"] = np.array(counts)
            arrays[f"{k}/entered"] = _padded([one.T for one in entered], np.nan).swapaxes(1, 2)
        for name in QUANTITIES:
            arrays[f"{k}/{name}"] = _padded([snapshot[name] for snapshot in snapshots], np.nan)
        for name in FLAGS:
            arrays[f"{k}/{name}"] = _padded([snapshot[name] for snapshot in snapshots], 0).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]


def _padded(parts: list[NDArray[Any]], filling: float) -> NDArray[Any]:
    """Arrays as one, the first axis of each filled up to the longest."""
    longest = max(map(len, parts)) if parts[0].ndim else 0
    missing = [((0, longest - len(part)), *[(0, 0)] * (part.ndim - 1)) if part.ndim else () for part in parts]
    return np.array(
        [np.pad(part, m, constant_values=filling) if m else part for part, m in zip(parts, missing, strict=True)]
    )


def load(path: Path) -> Recording:
    """Read what `record` wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("meta"))), arrays


def replay(recording: Recording, k: int) -> Comparison:
    """Step our world from recorded episode k's first state, beside the recording."""
    meta, arrays = recording
    episode = meta["episodes"][k]
    world = world_named(episode["world"])(1, **episode["params"])
    world.reset(seed=0)
    world.set_state({name: arrays[f"{k}/state/{name}"] for name in world.get_state()})
    steps = ((action, _snapshot(arrays, k, step)) for step, action in enumerate(arrays[f"{k}/actions"]))
    return compare_steps(world, steps)


def _snapshot(arrays: dict[str, NDArray[Any]], k: int, step: int) -> Snapshot:
    taken = {name: arrays[f"{k}/{name}"][step] for name in (*QUANTITIES, *FLAGS)}
    if f"{k}/count" in arrays:
        count, entered = arrays[f"{k}/count"][step], arrays[f"{k}/entered"][step]
        taken = {name: value if name in OF_ALL else value[:count] for name, value in taken.items()}
        taken["entered"] = entered[:, ~np.isnan(entered).any(0)]
    return taken


def main(arguments: list[str]) -> None:
    """Record an episode of each case, 25 steps at most, where highway-env agrees with itself."""
    chosen = grid(most_seeds=1, most_steps=25, first_seed=1000)
    chosen = [e for e in chosen if e.policy != "random" or "calm" not in e.case.policies]
    record([e for e in chosen if not run(e)[1].undetermined], Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
