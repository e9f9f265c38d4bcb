"""Observations through a bilateral filter, of fixed widths or of widths that a fitted network says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from foveal.vision.wrappers.observation import (
    Arrays,
    Moments,
    Perceived,
    VectorPerceived,
    box_of,
    check_finite,
    observed,
    perceived,
)

if TYPE_CHECKING:
    from foveal.vision.denoise import AttentionBilateral

FILTERS = ("bilateral", "attention")


def DenoisedObservation(
    env: Any,
    filter: str = "bilateral",
    *,
    key: str = "rgb",
    into: str | None = None,
    sigma_px: float = 1.5,
    sigma_values: float = 0.2,
    radius: int = 3,
    net: AttentionBilateral | str | Path | None = None,
) -> Perceived | VectorPerceived:
    """The environment with a picture, or depth, that has been filtered; see `foveal.vision.denoise`.

    The filters work on values from 0 to 1, the lowest and the highest of the observation's space.

    Args:
        env: A `gymnasium.Env` or a `gymnasium.vector.VectorEnv` that observes a Dict.
        filter: ``"bilateral"`` has fixed widths; those of ``"attention"`` a network says.
        key: Name of the observation: pictures (H, W, 3) or (C, H, W, 3), or depth (H, W) or (C, H, W).
        into: Name under which what is filtered is observed, of the same shape and kind; None: instead of it.
        sigma_px: Of ``"bilateral"``, the width in place, pixels.
        sigma_values: Of ``"bilateral"``, the width in values, of 1.
        radius: Of ``"bilateral"``, the window is 2 radius + 1 pixels wide.
        net: Of ``"attention"``, the network or the file of one (`foveal.vision.denoise.save`), made for as many
            channels: 3 for pictures, 1 for depth. `foveal.vision.denoise.fit` fits it on noisy images alone.

    Raises:
        ValueError: for another filter, a world without the observation or whose bounds are not finite, a width or
            radius out of range, a missing or foreign network, and when observations are not finite.
    """
    space = observed(env)
    if filter not in FILTERS:
        raise ValueError(f"filter={filter!r}: must be one of {', '.join(map(repr, FILTERS))}")
    if (net is None) != (filter == "bilateral"):
        raise ValueError(
            f"filter={filter!r}, net={net!r}: the filter 'attention' needs a network, 'bilateral' takes none"
        )
    if net is None:
        return perceived(env, Denoised(space, key, into or key, (sigma_px, sigma_values, radius)))
    if isinstance(net, (str, Path)):
        from foveal.vision.denoise import load

        net = load(net)
    return perceived(env, Denoised(space, key, into or key, net))


class Denoised:
    """See `DenoisedObservation`.

    Args:
        space: Of single observations.
        key: Of what is filtered.
        into: Of what is given.
        by: (width in place px, width in values, radius px) of a bilateral filter, or the network of one.
    """

    told: tuple[str, ...] = ()

    def __init__(
        self, space: spaces.Dict, key: str, into: str, by: tuple[float, float, int] | AttentionBilateral
    ) -> None:
        box = box_of(space, key, (2, 3, 4), "a picture (H, W, 3), depth (H, W), or those of C cameras")
        if not np.isfinite(box.low).all() or not np.isfinite(box.high).all():
            raise ValueError(f"the observation {key!r} is {box}: must have finite bounds")
        self._low, self._high = float(box.low.min()), float(box.high.max())
        self._colours = box.shape[-1] == 3
        if not self._colours and len(box.shape) == 4:
            raise ValueError(f"the observation {key!r} is {box}: must be pictures (C, H, W, 3)")
        self._box, self._key, self._into, self.by = box, key, into, by
        if isinstance(by, tuple):
            for name, value in zip(("sigma_px", "sigma_values", "radius"), by, strict=True):
                if not 0 < value < np.inf:
                    raise ValueError(f"{name}={value}: must be a positive number")
        elif by.config["channels"] != (3 if self._colours else 1):
            raise ValueError(
                f"net is for {by.config['channels']} channels, the observation {key!r} has {3 if self._colours else 1}"
            )
        self.reads: tuple[str, ...] = (key,)
        self.gives: Mapping[str, spaces.Space[Any]] = {into: box}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        import torch

        from foveal.vision.denoise import Widths, bilateral

        images = seen[self._key]
        check_finite(self._key, images)
        span = self._high - self._low
        values = torch.from_numpy(((images.astype(np.float32) - self._low) / span).reshape(-1, *self._pixels))
        values = values.movedim(-1, 1).contiguous()  # (N C, 3 or 1, H, W)
        with torch.inference_mode():
            if isinstance(self.by, tuple):
                sigma_px, sigma_values, radius = self.by
                values = bilateral(values, Widths(sigma_px, sigma_px, sigma_values), radius)
            else:
                values = self.by(values)
        filtered = values.movedim(1, -1).numpy().reshape(images.shape) * span + self._low
        if np.issubdtype(images.dtype, np.integer):
            filtered = np.rint(filtered)
        return {self._into: np.clip(filtered, self._box.low, self._box.high).astype(images.dtype)}

    @property
    def _pixels(self) -> tuple[int, ...]:
        """(H, W, 3) or (H, W, 1)."""
        return self._box.shape[-3:] if self._colours else (*self._box.shape[-2:], 1)
