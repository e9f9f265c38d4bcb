"""A scene as plain triangles, for other programs: ray casters, viewers, collision tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.rendering.culling import nearest, too_small
from foveal.envs.rendering.renderer import LEAST_PX
from foveal.envs.rendering.scene import Scene
from foveal.optics.camera import Camera


class Triangles(NamedTuple):
    """Triangles of a scene: vertices (V, 3) float64 m, faces (T, 3) int64, instance and semantic ids (T,) int32."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    instance: NDArray[np.int32]
    semantic: NDArray[np.int32]


def triangles(
    scene: Scene,
    camera: Camera | None = None,
    T_world_cam: NDArray[np.float64] | None = None,
    least_px: float = LEAST_PX,
) -> Triangles:
    """All objects of a scene, with the level of detail that a view of it shows.

    Args:
        scene: The scene.
        camera: Of the view; None for every part of every object.
        T_world_cam: (4, 4) its pose.
        least_px: As the renderer's.
    """
    keep = np.zeros(len(scene.corners), np.bool_)
    for box, (_, _, first, last, stand_in, *_) in zip(scene.boxes, scene.objects, strict=True):
        as_box = False
        if camera is not None and T_world_cam is not None:
            lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height], np.float64)
            window = np.array([-0.5, -0.5, camera.width - 0.5, camera.height - 0.5])
            depth = nearest(box, np.asarray(T_world_cam, np.float64), lens, window)
            as_box = depth > 0 and bool(too_small(box[6], depth, lens, least_px))
        keep[last : last + stand_in] = as_box
        keep[first:last] = not as_box
    corners = scene.corners[keep].astype(np.int64)
    halves = corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    proper = halves[:, 1] != halves[:, 2]
    objects = scene.objects[np.repeat(scene.tables[keep, 0], 2)[proper]]
    return Triangles(scene.vertices.T.astype(np.float64), halves[proper], objects[:, 6], objects[:, 7])
