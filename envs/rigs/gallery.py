"""A picture of what the cameras of a rig see: by day on the avenue, and at dusk on the bend.

python -m foveal.envs.rigs.gallery surround.webp
python -m foveal.envs.rigs.gallery fisheyes.webp fisheye-four
"""

from __future__ import annotations

import sys

import numpy as np

from foveal.envs.overlay import Frame
from foveal.envs.rigs.world import SurroundRig

SHOWN = (("avenue", "day", 2**31 + 5), ("bend", "dusk", 2**31 + 7))
"""Course, light and seed."""
STEPS = 5


def sheet(rig: str) -> Frame:
    """Frames of all that is `SHOWN`, one below the other."""
    frames = []
    for course, light, seed in SHOWN:
        world = SurroundRig(1, rig=rig, course=course, light=light, screen_height=110)
        world.reset(seed=seed)
        for _ in range(STEPS):
            world.step(world.idle[None])
        frames.append(world.draw(world.describe([0])[0]))
    return np.concatenate(frames)


if __name__ == "__main__":
    import cv2

    if len(sys.argv) not in (2, 3) or not sys.argv[1].endswith((".jpg", ".png", ".webp")):
        sys.exit("usage: python -m foveal.envs.rigs.gallery FILE.webp [RIG]")
    rig = sys.argv[2] if len(sys.argv) == 3 else "nuscenes-like"
    cv2.imwrite(sys.argv[1], sheet(rig)[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 88])
