"""A picture of what six cameras see: by day on the avenue, and at dusk on the bend.

python -m foveal.envs.rigs.gallery surround.webp
"""

from __future__ import annotations

import sys

import numpy as np

from foveal.envs.overlay import Frame
from foveal.envs.rigs.world import SurroundRig

SHOWN = (("avenue", "day", 2**31 + 5), ("bend", "dusk", 2**31 + 7))
"""Course, light and seed."""
STEPS = 5


def sheet() -> Frame:
    """Frames of all that is `SHOWN`, one below the other."""
    frames = []
    for course, light, seed in SHOWN:
        world = SurroundRig(1, course=course, light=light, screen_height=110)
        world.reset(seed=seed)
        for _ in range(STEPS):
            world.step(world.idle[None])
        frames.append(world.draw(world.describe([0])[0]))
    return np.concatenate(frames)


if __name__ == "__main__":
    import cv2

    if len(sys.argv) != 2 or not sys.argv[1].endswith((".jpg", ".png", ".webp")):
        sys.exit("usage: python -m foveal.envs.rigs.gallery FILE.webp")
    cv2.imwrite(sys.argv[1], sheet()[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 88])
