"""Drives through generated streets as clips: what networks of depth are trained and tested on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rigs.world import SurroundRig
from foveal.vision.depth.clips import Clips

WARM_UP = 5
"""Steps before a clip begins, so that cars have found their distances."""


def drive(clips: int, steps: int, *, seed: int, rows: int = 8, far: float = np.inf, **params: Any) -> Clips:
    """Ride along in street after street.

    Args:
        clips: How many; each begins in another place, among other cars.
        steps: Moments of each.
        seed: Of the first one's row.
        rows: How many are driven at once; changes nothing.
        far: Depths from here on count as nothing there (inf), m; at most the world's own `far`.
        **params: Of the world (`foveal.envs.rigs.params`), such as course, streets, size and the cameras' faults.

    Returns:
        The clips, in the order of their seeds.
    """
    settings: dict[str, Any] = {"ride": True, "simulation_frequency": 20, "policy_frequency": 10} | params
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("rgb", "depth", "ego_motion", "valid")}
    geometry: dict[str, NDArray[Any]] = {}
    for begin in range(0, clips, rows):
        world = SurroundRig(min(rows, clips - begin), autoreset_mode="disabled", **settings)
        looking_on = np.zeros(world.num_envs, np.int64)
        seen, _ = world.reset(seed=seed + begin)
        moments: dict[str, list[NDArray[Any]]] = {name: [] for name in parts}
        for step in range(WARM_UP + steps):
            if step >= WARM_UP:
                for name, kept in moments.items():
                    kept.append(seen[name])
            if step < WARM_UP + steps - 1:
                seen = world.step(looking_on)[0]
        for name, kept in moments.items():
            stacked = np.stack(kept, 1)  # (rows, steps, ...)
            parts[name].append(stacked.reshape(-1, *stacked.shape[2:]))
        geometry = {name: seen[name][0].astype(np.float64) for name in ("K", "T_rig_cam")}
        limit = min(far, world.params.far)
    first = np.arange(clips * steps) % steps == 0
    arrays = {name: np.concatenate(kept) for name, kept in parts.items()}
    depth = np.where(arrays["depth"] >= limit, np.float32(np.inf), arrays["depth"])
    motion = orthonormal(arrays["ego_motion"].astype(np.float64))
    motion[first] = np.eye(4)
    return Clips(
        arrays["rgb"], depth, geometry["K"], orthonormal(geometry["T_rig_cam"]), motion, first, arrays["valid"] != 0
    )


def orthonormal(T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Transforms (..., 4, 4) whose rotations are what is nearest to them: single precision took some digits."""
    left, _, right = np.linalg.svd(T[..., :3, :3])
    exact = T.copy()
    exact[..., :3, :3] = left @ right
    return exact


def joined(several: list[Clips]) -> Clips:
    """Clips of one rig, one after the other."""
    depths = [clips.depth for clips in several if clips.depth is not None]
    depth = np.concatenate(depths) if len(depths) == len(several) else None
    return several[0]._replace(
        rgb=np.concatenate([clips.rgb for clips in several]),
        depth=depth,
        ego_motion=np.concatenate([clips.ego_motion for clips in several]),
        first=np.concatenate([clips.first for clips in several]),
        valid=np.concatenate([clips.valid for clips in several]),
    )
