"""Depth as an observation: the world's own, the same with errors, or a network's."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from foveal.vision.wrappers.depth_noise import FAR_M, DepthNoise
from foveal.vision.wrappers.observation import (
    Arrays,
    Moments,
    Perceived,
    VectorPerceived,
    box_of,
    check_finite,
    image_of,
    observed,
    perceived,
)

SOURCES = ("oracle", "noisy", "model:PATH")


def DepthObservation(
    env: Any,
    source: str = "oracle",
    key: str = "depth",
    *,
    truth: str = "depth",
    far_m: float | None = None,
    noise: DepthNoise | None = None,
    K: ArrayLike | None = None,
    T_rig_cam: ArrayLike | None = None,
) -> Perceived | VectorPerceived:
    """The environment with depth among its observations.

    Depth is z-depth in metres, float32 (H, W), or (C, H, W) of C cameras, in [0, far_m]; 0 where there is none.

    Args:
        env: A `gymnasium.Env` or a `gymnasium.vector.VectorEnv` that observes a Dict.
        source: Where depth comes from: ``"oracle"`` is the world's own, ``"noisy"`` the same with errors,
            ``"model:PATH"`` what a network (`foveal.vision.depth.models`) makes of the observation ``"rgb"``. Cameras
            that an observation ``"valid"`` says are down have depth 0 in the last two.
        key: Name of the new observation; one of that name is replaced.
        truth: Name of the world's own depth, for the first two sources.
        far_m: Where depth ends, metres: what is farther is told to be there. None: where the world's own does, or 80.
        noise: Errors, of source ``"noisy"``; None: `DepthNoise`'s defaults.
        K: For a network, (3, 3) or (C, 3, 3) intrinsics in pixels, where the world observes no ``"K"``.
        T_rig_cam: For a network, (4, 4) or (C, 4, 4) from camera to rig coordinates, where the world observes none.
            None: the identity, where there is a single camera.

    Raises:
        ValueError: for another source (naming the nearest), a world without what the source needs, a model of another
            rig (where its first observation comes, if the world observes its rig), and when images are not finite.
        OSError: where the model has no file.
    """
    space = observed(env)
    if source.startswith("model:"):
        if noise is not None:
            raise ValueError(f"noise={noise}: is for source='noisy', not {source!r}")
        rig = {"K": K, "T_rig_cam": T_rig_cam}
        return perceived(env, Estimated(source.removeprefix("model:"), space, key, far_m, rig))
    if source not in SOURCES:
        near = get_close_matches(source, SOURCES, n=1, cutoff=0.0)[0]
        raise ValueError(f"source={source!r}: must be 'oracle', 'noisy' or 'model:PATH'; did you mean {near!r}?")
    if noise is not None and source != "noisy":
        raise ValueError(f"noise={noise}: is for source='noisy', not {source!r}")
    if noise is None and source == "noisy":
        noise = DepthNoise()
    return perceived(env, Measured(space, key, truth, far_m, noise))


class Measured:
    """The world's own depth, within its range, with or without errors: see `DepthObservation`.

    Args:
        space: Of single observations.
        key: Of the depth that is given.
        truth: Of the depth that is read.
        far_m: Where depth ends; None: where the world's does, or `FAR_M`.
        noise: Or None.
    """

    told: tuple[str, ...] = ()

    def __init__(self, space: spaces.Dict, key: str, truth: str, far_m: float | None, noise: DepthNoise | None) -> None:
        if truth not in space.spaces:
            raise ValueError(
                f"source={'oracle' if noise is None else 'noisy'!r}: the world observes no {truth!r}; switch it on "
                f"(depth=True), name it (truth=…), or take source='model:PATH'; it observes {', '.join(space.spaces)}"
            )
        box = box_of(space, truth, (2, 3), "depth (H, W) or (C, H, W)")
        own = float(box.high.max())
        self.far_m = depth_range(far_m, own if np.isfinite(own) else FAR_M)
        self.noise, self._key, self._truth = noise, key, truth
        self._valid = noise is not None and "valid" in space.spaces and len(box.shape) == 3
        self.reads: tuple[str, ...] = (truth, "valid") if self._valid else (truth,)
        self.gives: Mapping[str, spaces.Space[Any]] = {key: spaces.Box(0, self.far_m, box.shape, np.float32)}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        depth = seen[self._truth]
        if np.isnan(depth).any():  # infinite ones are far away
            check_finite(self._truth, depth)
        depth = np.clip(depth.astype(np.float32, copy=False), 0, np.float32(self.far_m))
        if self.noise is not None:
            depth = self.noise.add(depth, moments, self.far_m, zlib.crc32(self._key.encode()))
        if self._valid:
            depth[seen["valid"] == 0] = 0
        return {self._key: depth}


class Estimated:
    """What a surround depth network makes of pictures: see `DepthObservation`.

    The network sees the cameras of a row together, and all rows in one pass. The rig that a world observes is compared
    with the network's where an episode begins.

    Args:
        path: Of the network, see `foveal.vision.depth.models`.
        space: Of single observations.
        key: Of the depth that is given.
        far_m: Where depth ends; None: `FAR_M`.
        rig: ``K`` (3, 3) or (C, 3, 3) and ``T_rig_cam`` (4, 4) or (C, 4, 4), where the world observes none.
    """

    told: tuple[str, ...] = ()

    def __init__(
        self, path: str, space: spaces.Dict, key: str, far_m: float | None, rig: Mapping[str, ArrayLike | None]
    ) -> None:
        from foveal.vision.depth.models import load

        box = image_of(space, "rgb")
        if box.dtype != np.uint8:
            raise ValueError(f"the observation 'rgb' is {box}: must be of uint8 for source='model:{path}'")
        *cameras, height, width, _ = box.shape
        self.model, self.far_m, self._key, self._cameras = load(path), depth_range(far_m, FAR_M), key, tuple(cameras)
        of_model, of_world = (len(self.model.K), *self.model.size), (*(cameras or (1,)), height, width)
        if of_model != of_world:
            raise ValueError(
                f"source='model:{path}': the model is for (cameras, height, width) {of_model}, 'rgb' has {of_world}"
            )
        self._rig = {name: self._given(name, one, cameras) for name, one in rig.items() if name not in space.spaces}
        self._valid = "valid" in space.spaces and bool(cameras)
        self.reads: tuple[str, ...] = ("rgb", *(name for name in rig if name in space.spaces))
        self.reads += ("valid",) if self._valid else ()
        self.gives: Mapping[str, spaces.Space[Any]] = {key: spaces.Box(0, self.far_m, box.shape[:-1], np.float32)}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        from foveal.vision.depth.models import check_rig, predict

        rows, (cameras, *size) = len(moments), (len(self.model.K), *self.model.size)
        rig = {
            name: self._rig[name] if name in self._rig else np.asarray(seen[name]).reshape(rows, cameras, side, side)
            for name, side in (("K", 3), ("T_rig_cam", 4))
        }
        for row in np.flatnonzero(moments[:, 2] == 0):
            K, T_rig_cam = (one[row] if one.ndim == 4 else one for one in rig.values())
            check_rig(self.model, K, T_rig_cam, (size[0], size[1]))
        valid = seen["valid"] != 0 if self._valid else None
        images = seen["rgb"].reshape(rows, cameras, *size, 3)
        depth = np.asarray(predict(self.model.net, images, rig["K"], rig["T_rig_cam"], valid))
        if not np.isfinite(depth).all():
            raise ValueError("the model's depth of these images is not finite")
        depth = np.clip(depth, 0, np.float32(self.far_m))
        if valid is not None:
            depth[~valid] = 0
        return {self._key: depth.reshape(rows, *self._cameras, *size)}

    def _given(self, name: str, one: ArrayLike | None, cameras: list[int]) -> NDArray[np.float64]:
        side = 3 if name == "K" else 4
        if one is None:
            if name == "K" or cameras:
                raise ValueError(f"the world observes no {name!r}, which the model needs: give {name}=...")
            one = np.eye(4)
        matrices = np.asarray(one, np.float64)
        if matrices.shape not in {(side, side), (*cameras, side, side)} or not np.isfinite(matrices).all():
            raise ValueError(f"{name} of shape {matrices.shape}: must be {(*cameras, side, side)}, and finite")
        return np.broadcast_to(matrices, (*(cameras or (1,)), side, side))


def depth_range(far_m: float | None, default_m: float) -> float:
    """Where depth ends, metres.

    Raises:
        ValueError: unless it is a positive number.
    """
    far = default_m if far_m is None else far_m
    if not 0 < far < np.inf:
        raise ValueError(f"far_m={far_m}: must be a positive number")
    return float(far)
