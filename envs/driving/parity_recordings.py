"""Recorded episodes of highway-env, to compare with where there is no time to run it.

``python -m foveal.envs.driving.parity_recordings FILE.npz`` makes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving.interop import from_highway_env, params_of
from foveal.envs.driving.migration import name_of, world_named
from foveal.envs.driving.parity import (
    FLAGS,
    QUANTITIES,
    Comparison,
    Episode,
    compare_steps,
    grid,
    provenance,
    step_reference,
)

Recording = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What `load` returns: facts, and arrays by name."""


def record(episodes: list[Episode], path: Path) -> None:
    """Write trajectories of the reference to a compressed .npz without pickles.

    ``meta`` is JSON; episode k has the arrays ``k/state/NAME``, the state to start from, ``k/actions`` (T, ...), and
    ``k/NAME`` (T, ...) for QUANTITIES and FLAGS.
    """
    meta: dict[str, Any] = {**provenance(), "episodes": []}
    arrays: dict[str, NDArray[Any]] = {}
    for k, episode in enumerate(episodes):
        with episode.instance() as env:
            world, actions, snapshots = from_highway_env(env), episode.actions(env), []
            arrays |= {f"{k}/state/{name}": array for name, array in world.get_state().items()}
            name = f"{episode.env_id}, {episode.case.name}, {episode.policy}, seed {episode.seed}"
            meta["episodes"].append({"name": name, "world": name_of(env), "params": params_of(env)})
            for action in actions:
                snapshots.append(step_reference(env, world, action))
                if snapshots[-1]["terminated"] or snapshots[-1]["truncated"]:
                    break
        arrays[f"{k}/actions"] = actions[: len(snapshots)]
        for name in QUANTITIES:
            arrays[f"{k}/{name}"] = np.array([snapshot[name] for snapshot in snapshots])
        for name in FLAGS:
            arrays[f"{k}/{name}"] = np.array([snapshot[name] for snapshot in snapshots], np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]


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
    names = (*QUANTITIES, *FLAGS)
    steps = (
        (action, {name: arrays[f"{k}/{name}"][step] for name in names})
        for step, action in enumerate(arrays[f"{k}/actions"])
    )
    return compare_steps(world, steps)


def main(arguments: list[str]) -> None:
    """Record an episode of each case, 25 steps at most."""
    chosen = grid(most_seeds=1, most_steps=25, first_seed=1000)
    record([e for e in chosen if e.policy != "random" or "calm" not in e.case.policies], Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
