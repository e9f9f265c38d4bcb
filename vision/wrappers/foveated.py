"""Pictures as an eye sees them: sharp where it looks, coarser outwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from foveal.optics.eye import Eye, foveate, pyramid
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


def FoveatedObservation(
    env: Any, eye: Eye, *, fixation: ArrayLike | str | None = None, key: str = "rgb", into: str | None = None
) -> Perceived | VectorPerceived:
    """The environment with pictures that are seen by an eye, each pixel in its place; see `foveal.optics.eye`.

    Args:
        env: A `gymnasium.Env` or a `gymnasium.vector.VectorEnv` that observes a Dict.
        eye: How resolution falls.
        fixation: Where it looks, x (right) and y (down) in pixels: (2,) or, for C cameras, (C, 2); or the name of the
            observation, or else of the info, that says so at each step. None: the middle of each picture. Rows that
            have no such info look there too; fixations beyond the edge are moved to it.
        key: Name of the pictures: (H, W, 3) or (C, H, W, 3), uint8 or floating-point numbers.
        into: Name under which what is seen is observed, of the same shape and kind; None: instead of the pictures.

    Raises:
        ValueError: for observations or fixations of another shape, a fixation outside the picture, an info that is
            missing, and when pictures or observed fixations are not finite.
    """
    return perceived(env, Foveated(observed(env), eye, fixation, key, into or key))


class Foveated:
    """See `FoveatedObservation`; `space` is that of single observations."""

    def __init__(self, space: spaces.Dict, eye: Eye, fixation: ArrayLike | str | None, key: str, into: str) -> None:
        box = image_of(space, key)
        self.eye, self._key, self._into, self._box = eye, key, into, box
        height, width = box.shape[-3:-1]
        self._corner = np.array([width - 1.0, height - 1.0])
        self._cameras = box.shape[:-3]
        self._from = fixation if isinstance(fixation, str) else None
        self._fixation = self._checked(None if isinstance(fixation, str) else fixation)
        observes = self._from is not None and self._from in space.spaces
        if self._from is not None and observes:
            given = box_of(space, self._from, (1, 2), "a point (2,), or one for each camera (C, 2)")
            self._check_shape(self._from, given.shape)
        self.reads: tuple[str, ...] = (key, self._from) if self._from is not None and observes else (key,)
        self.told: tuple[str, ...] = (self._from,) if self._from is not None and not observes else ()
        self.gives: Mapping[str, spaces.Space[Any]] = {into: box}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        images = seen[self._key]
        check_finite(self._key, images)
        *rows, height, width, _ = images.shape
        planes = np.ascontiguousarray(np.moveaxis(images, -1, -3)).reshape(-1, height, width)  # (N C 3, H, W)
        points = self._points(seen, tuple(rows)).reshape(-1, 2).repeat(3, 0)  # (N C 3, 2)
        sharp = foveate(pyramid(planes, self.eye.levels), points, self.eye)
        sharp = np.moveaxis(sharp.reshape(*rows, 3, height, width), -3, -1)
        if images.dtype == np.uint8:
            sharp = np.rint(sharp)
        return {self._into: np.clip(sharp, self._box.low, self._box.high).astype(images.dtype)}

    def _points(self, seen: Arrays, rows: tuple[int, ...]) -> NDArray[np.float64]:
        """Fixations (N, 2) or (N, C, 2)."""
        if self._from is None:
            return np.broadcast_to(self._fixation, (*rows, 2))
        given = np.asarray(seen[self._from], np.float64)
        if self._from in self.told:
            self._check_shape(self._from, given.shape[1:])
            given = np.where(np.isnan(given), self._corner / 2, given)
        check_finite(self._from, given)
        if len(rows) == 2 and given.ndim == 2:
            given = given[:, None]
        return np.broadcast_to(given.clip(0, self._corner), (*rows, 2))

    def _checked(self, fixation: ArrayLike | None) -> NDArray[np.float64]:
        if fixation is None:
            return self._corner / 2
        points = np.asarray(fixation, np.float64)
        self._check_shape("fixation", points.shape)
        if not ((points >= 0) & (points <= self._corner)).all():
            raise ValueError(f"fixation={points.tolist()}: must be in the picture, to {self._corner.tolist()}")
        return points

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if shape not in {(2,), (*self._cameras, 2)}:
            valid = "(2,)" if not self._cameras else f"(2,) or {(*self._cameras, 2)}"
            raise ValueError(f"{name} of shape {shape}: must be {valid}, x and y in pixels")
