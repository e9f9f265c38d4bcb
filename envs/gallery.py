"""One picture of many worlds: a frame of each, under its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from foveal.envs.overlay import Colour, Frame, write
from foveal.envs.registration import WORLDS

WIDTH = 640  # px, of a world's frame
GAP = 14  # px
TITLE = 34  # px, height of a title
BACKGROUND: Colour = (14, 17, 22)
_SEED, _STEPS = 5, 3


def contact_sheet(ids: Sequence[str] | None = None, *, columns: int = 3, width: int = WIDTH) -> Frame:
    """Draw each world some steps into an episode, in columns of about equal height.

    Args:
        ids: Worlds; None for all that are registered.
        columns: How many there are side by side.
        width: Of each frame, pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    frames = {env_id: frame_of(env_id, width) for env_id in (WORLDS if ids is None else ids)}
    return arranged(frames, columns)


def frame_of(env_id: str, width: int = WIDTH) -> Frame:
    """A frame (H, width, 3) of a world some steps into an episode."""
    import cv2

    env: Any = gymnasium.make_vec(env_id, num_envs=1)
    env.reset(seed=_SEED)
    scene, names = env.describe([0])[0], list(env.action_names)
    for _ in range(_STEPS if "IDLE" in names else 0):
        *_, terminated, _, _ = env.step(np.full(env.action_space.shape, names.index("IDLE")))
        if terminated.any():  # a wreck shows nothing of the world
            break
        scene = env.describe([0])[0]
    frame = env.draw(scene, zoom=width / env.draw(scene).shape[1])
    return np.asarray(cv2.resize(frame, (width, frame.shape[0])), np.uint8)  # a frame of several parts rounds each


def arranged(frames: Mapping[str, Frame], columns: int = 3) -> Frame:
    """Frames of one width, each under its title, the next one always in the shortest column.

    Raises:
        ValueError: for no frames, or frames of different widths.
    """
    if len(widths := {frame.shape[1] for frame in frames.values()}) != 1:
        raise ValueError(f"frames must be of one width, they have {sorted(widths)}")
    width, columns = widths.pop(), min(columns, len(frames))
    heights, places = [GAP] * columns, {}
    for title, frame in frames.items():
        column = int(np.argmin(heights))
        places[title] = (heights[column], GAP + column * (width + GAP))
        heights[column] += TITLE + frame.shape[0] + GAP
    sheet = np.full((max(heights), GAP + columns * (width + GAP), 3), BACKGROUND, np.uint8)
    for title, frame in frames.items():
        y, x = places[title]
        write(sheet, title, x + 2, y + round(0.68 * TITLE), (240, 243, 246), round(0.52 * TITLE), 600)
        sheet[y + TITLE : y + TITLE + frame.shape[0], x : x + width] = frame
    return sheet
