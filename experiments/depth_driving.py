"""How one drives by a network's depth: the agent that comes with the package, in streets that nobody has trained in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from foveal.agents.evaluation import first_episodes
from foveal.agents.pretrained import pretrained
from foveal.agents.rollouts import make_world
from foveal.vision.depth.clips import Clips
from foveal.vision.depth.models import DepthModel, save
from foveal.vision.depth.network import SurroundDepth
from foveal.vision.wrappers import DepthObservation, VectorPerceived
from foveal.vision.wrappers.observation import Arrays, Moments

WORLD = "foveal/SurroundRig-v0"
HALF = 2
"""How many pixels of a network's depth one of the agent's is wide and high."""


class Halved:
    """The percept by which depth and cameras are of half the size; each pixel is the mean of four.

    Args:
        space: Of single observations, with ``depth`` (C, H, W) and ``K`` (C, 3, 3).
    """

    reads, told = ("depth", "K"), ()

    def __init__(self, space: spaces.Dict) -> None:
        depth: Any = space["depth"]
        cameras, height, width = depth.shape
        shape = (cameras, height // HALF, width // HALF)
        self.gives = {"depth": spaces.Box(0, float(depth.high.max()), shape, np.float32), "K": space["K"]}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        depth, K = seen["depth"], seen["K"].copy()
        rows, cameras, height, width = depth.shape
        K[..., :2, 2] += 0.5  # pixel centres are at whole numbers
        K[..., :2, :] /= HALF
        K[..., :2, 2] -= 0.5
        blocks = depth.reshape(rows, cameras, height // HALF, HALF, width // HALF, HALF)
        return {"depth": blocks.mean((3, 5)), "K": K}


def driven(net: SurroundDepth, clips: Clips, *, episodes: int, seed: int, **params: Any) -> dict[str, Any]:
    """What the agent does by a network's depth.

    Args:
        net: Trained for the rig of `clips`.
        clips: Of its rig and size.
        episodes: How many, each of a seed of its own.
        seed: The first one.
        **params: Of the world.

    Returns:
        Of each episode, as lists: ``arrived``, ``collided`` (0 or 1) and ``return``.
    """
    height, width = clips.rgb.shape[2:4]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save(DepthModel(net, clips.K, clips.T_rig_cam, (height, width)), path)
        world = make_world(WORLD, episodes, {"width": width, "height": height, "depth": False, **params})
        env: Any = DepthObservation(world, f"model:{path}")
    env = VectorPerceived(env, Halved(env.single_observation_space))
    found = first_episodes(env, pretrained(WORLD), seed)
    return {
        "arrived": found["success"].tolist(),
        "collided": found["collision"].tolist(),
        "return": found["return"].tolist(),
    }
