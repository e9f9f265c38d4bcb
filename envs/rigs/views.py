"""Pictures of a ride: what each camera sees, how far that is, and the road from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.overlay import Annotation, Frame
from foveal.envs.scene import Scene
from foveal.optics.rig import RigSpec, orientation

_NEAR_M = 2.0
"""Depth of the brightest colour, m."""


@dataclass(frozen=True)
class RigScene(Scene):
    """One row at one moment; the cameras and the street follow from the two numbers.

    Attributes:
        seed: Of the row.
        episode: Its number.
    """

    seed: int = 0
    episode: int = 0


def draw(
    scene: RigScene,
    images: dict[str, NDArray[Any]],
    rig: RigSpec,
    params: Any,
    zoom: float,
    annotation: Annotation | None,
) -> Frame:
    """All pictures of a moment in one.

    Args:
        scene: The moment.
        images: rgb (K, H, W, 3) uint8 and depth (K, H, W) float32 m.
        rig: Whose cameras they are.
        params: Of the world, for the picture from above.
        zoom: Of that picture.
        annotation: What is noted of the policy.

    Returns:
        (height, width, 3) uint8: the views in rows of `across`, then depth, then the road.
    """
    from foveal.envs.driving import topdown

    rows = [np.concatenate(row, 1) for row in arranged(rig, list(images["rgb"]))]
    width = max(row.shape[1] for row in rows)
    depth = [coloured(each, params.far) for each in images["depth"]]
    far = np.concatenate([each for row in arranged(rig, depth, around=True) for each in row], 1)
    above = topdown.draw(
        scene,
        width=width,
        height=round(params.screen_height * zoom),
        scaling=params.scaling * zoom,
        centering=params.centering_position,
        annotation=annotation,
    )
    strips = [_widened(row, width) for row in rows] + [_shrunk(far, width), above]
    return np.concatenate(strips)


def arranged(rig: RigSpec, pictures: Sequence[Any], around: bool = False) -> list[list[Any]]:
    """One picture a camera in rows of `across`: those that look ahead from the left to the right, then the others.

    Args:
        rig: K cameras.
        pictures: K.
        around: In one row instead, from the back over the left to the right and the back.
    """
    yaws = np.array([orientation(pose)[0] for pose in rig.T_rig_cam])
    if around:
        return [[pictures[k] for k in np.argsort(-yaws, kind="stable")]]
    ahead = np.abs(yaws) < np.radians(90)
    front = [k for k in np.argsort(-yaws, kind="stable") if ahead[k]]
    back = [k for k in np.argsort(-(yaws % (2 * np.pi)), kind="stable") if not ahead[k]][::-1]
    order = [*front, *back]
    row = across(rig)
    return [[pictures[k] for k in order[first : first + row]] for first in range(0, len(order), row)]


def across(rig: RigSpec) -> int:
    """How many views are shown in a row: three, but two of two or four."""
    count = len(rig.cameras)
    return 2 if count == 4 else min(count, 3)


def coloured(depth: NDArray[np.floating[Any]], far: float) -> Frame:
    """Depth (H, W) m as (H, W, 3) uint8 colours, by its logarithm: the nearer the brighter, from `far` on black."""
    import cv2

    share = 1 - np.log(np.clip(depth, _NEAR_M, far) / _NEAR_M) / np.log(far / _NEAR_M)
    return np.ascontiguousarray(cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1])


def _widened(row: Frame, width: int) -> Frame:
    """A row of fewer pictures, in the middle of a wider one."""
    left = (width - row.shape[1]) // 2
    return np.pad(row, ((0, 0), (left, width - row.shape[1] - left), (0, 0)))


def _shrunk(row: Frame, width: int) -> Frame:
    import cv2

    height = max(1, round(row.shape[0] * width / row.shape[1]))
    return np.asarray(cv2.resize(row, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
