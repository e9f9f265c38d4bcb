"""A contact sheet of rooms: ``python -m foveal.envs.objectnav.gallery FILE.jpg [SCENE ...]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.goals import Goals
from foveal.envs.objectnav.kit.dressing import dress
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.rendering.renderer import Renderer
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

ROOMS = (
    "FloorPlan1", "FloorPlan10", "FloorPlan20", "FloorPlan201", "FloorPlan212", "FloorPlan220", "FloorPlan301",
    "FloorPlan320", "FloorPlan402", "FloorPlan425", "FloorPlan_Train1_1", "FloorPlan_Val2_3",
)  # fmt: skip
_EYE_M, _DOWN, _FOV = 1.5, 0.25, 1.2  # of whoever takes the pictures: m, rad, rad
_COLUMNS = 3


def sheet(names: Sequence[str] = ROOMS, height: int = 300) -> NDArray[np.uint8]:
    """One view of each room, from where the most things are in sight.

    Args:
        names: AI2-THOR's scenes.
        height: Of a view, px; it is a third wider.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    views = [_best_view(name, height) for name in names]
    views += [np.full_like(views[0], 255)] * (-len(views) % _COLUMNS)
    rows = [np.concatenate(views[k : k + _COLUMNS], axis=1) for k in range(0, len(views), _COLUMNS)]
    return np.concatenate(rows)


def _best_view(name: str, height: int) -> NDArray[np.uint8]:
    house = thor_rooms.house(name)
    scene, places = dress(house), Goals([house], ()).reachable.positions
    positions = np.repeat(np.column_stack([places, np.full(len(places), _EYE_M)]), 12, axis=0)
    poses = look(positions, np.tile(np.arange(12) * np.pi / 6, len(places)), np.full(len(positions), -_DOWN))
    small = Renderer([scene], Camera.from_vertical_fov(64, 48, _FOV), ("instance", "depth"))
    seen = small.render(np.zeros(len(poses), np.int64), poses)
    variety = [np.unique(image[image > 0]).size for image in seen["instance"]]
    near = (seen["depth"] < 0.8).mean(axis=(1, 2))  # of things that stand in the way
    best = int(np.argmax(variety - 60 * near))
    camera = Camera.from_vertical_fov(height * 4 // 3, height, _FOV)
    image: NDArray[np.uint8] = Renderer([scene], camera, ("rgb",)).render([0], poses[best : best + 1])["rgb"][0]
    return image


if __name__ == "__main__":
    import cv2

    if not sys.argv[1:] or not sys.argv[1].endswith((".jpg", ".png")):
        sys.exit("usage: python -m foveal.envs.objectnav.gallery FILE.jpg [SCENE ...]")
    cv2.imwrite(sys.argv[1], sheet(sys.argv[2:] or ROOMS)[..., ::-1])
