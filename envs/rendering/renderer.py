"""The renderer: views of scenes in, images out, all in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.raster import Scratch, draw
from foveal.envs.rendering.scene import Scene
from foveal.envs.rendering.shading import Images, shade, tone_curve
from foveal.envs.rendering.textures import atlas
from foveal.kernels import kernel, launch, thread_count
from foveal.optics.camera import Camera

_KINDS = {"rgb": (np.uint8, 3), "depth": (np.float32, 0), "instance": (np.int32, 0), "semantic": (np.int32, 0)}
_KINDS["normal"] = (np.float32, 3)

LEAST_PX = 2.0
"""Objects whose parts would be smaller than this many pixels are drawn as boxes."""


class Renderer:
    """Draws M views at once; a view's images depend on its scene and pose alone.

    Args:
        scenes: At least one; shared by any number of views. Several are copied into one array of each kind.
        camera: Of all views.
        outputs: Which images: of "rgb" (H, W, 3) uint8 sRGB; "depth" (H, W) float32 z-depth in m, inf where nothing is;
            "instance" and "semantic" (H, W) int32, -1 where nothing is; "normal" (H, W, 3) float32, the surface's
            normal in the world's frame, 0 where nothing is.
        views: M, how many views a call of `render` draws (rows times cameras); None: as many as it is given.
        least_px: Objects whose parts would be smaller than so many pixels are drawn as boxes; 0: never.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        camera: Camera,
        outputs: Sequence[str] = ("rgb", "depth", "instance"),
        views: int | None = None,
        least_px: float = LEAST_PX,
    ) -> None:
        unknown = [name for name in outputs if name not in _KINDS]
        if unknown or not outputs:
            raise ValueError(f"outputs={tuple(outputs)}: must be some of {', '.join(_KINDS)}")
        if not scenes:
            raise ValueError("a renderer needs at least one scene")
        if not least_px >= 0:
            raise ValueError(f"least_px={least_px}: must be at least 0")
        self.camera, self.outputs, self.views = camera, tuple(outputs), views
        self._least_px = float(least_px)
        self._lens = np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height], np.float64)
        self._scenes, self._extents = _stacked(scenes)
        self._tones = tone_curve()
        most = max(int(np.diff(scene.objects[:, :2]).max()) for scene in scenes)
        self._most = max(most, 8), max(int(s.room_count[0]) for s in scenes), max(len(s.portals) for s in scenes)

    def render(
        self, scene_of_view: ArrayLike, T_world_cam: ArrayLike, out: dict[str, NDArray[Any]] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Draw.

        Args:
            scene_of_view: (M,) which of the scenes each view shows.
            T_world_cam: (M, 4, 4) poses of its camera.
            out: Arrays to draw into, as an earlier call returned them.

        Returns:
            An array (M, H, W) or (M, H, W, 3) for each output.
        """
        scene_of_view = np.ascontiguousarray(scene_of_view)
        if scene_of_view.dtype.kind not in "iu" and scene_of_view.size:
            raise ValueError(f"scene_of_view of type {scene_of_view.dtype}: must be whole numbers")
        scene_of_view = scene_of_view.astype(np.int64)
        poses = np.ascontiguousarray(T_world_cam, np.float64)
        count = len(scene_of_view) if scene_of_view.ndim == 1 else -1
        if count < 0 or poses.shape != (count, 4, 4) or (self.views is not None and count != self.views):
            views = "M" if self.views is None else self.views
            raise ValueError(
                f"scenes of shape {scene_of_view.shape} and poses of shape {poses.shape}: "
                f"must be ({views},) and ({views}, 4, 4)"
            )
        scenes = len(self._extents)
        if count and not (scene_of_view.min() >= 0 and scene_of_view.max() < scenes):
            raise ValueError(f"scene {scene_of_view.min()} to {scene_of_view.max()}: there are {scenes}")
        if not np.isfinite(poses).all():
            raise ValueError("T_world_cam: must be finite")
        images = self.images(count) if out is None else self._checked(out, count)
        drawn = Images(*(images[name] if name in images else self._empty(name) for name in Images._fields))
        threads = max(1, min(thread_count(), count))
        height, width = self.camera.height, self.camera.width
        vertices, rooms, portals = self._most
        launch(
            _render,
            threads,
            threads,
            scene_of_view,
            poses,
            self._scenes,
            self._extents,
            self._lens,
            self._least_px,
            np.empty((threads, height, width), np.float32),
            np.empty((threads, height, width), np.int32),
            Scratch(
                np.empty((threads, 3, vertices), np.float32),
                np.empty((threads, 2, 8)),
                np.empty((threads, 2, 3, 8)),
                np.empty((threads, rooms + 1, 4)),
                np.empty((threads, portals, 4)),
                np.empty((threads, 5, width), np.int32),
            ),
            drawn,
            atlas(),
            self._tones,
            grain=1,
        )
        return images

    def images(self, count: int) -> dict[str, NDArray[Any]]:
        """Arrays for the outputs of `count` views, to be given to `render` as `out`."""
        return {name: np.empty(self._shape(name, count), _KINDS[name][0]) for name in self.outputs}

    @property
    def nbytes(self) -> int:
        """Bytes of what it draws from: scenes and textures."""
        return sum(array.nbytes for array in self._scenes) + atlas().nbytes

    def _shape(self, name: str, count: int) -> tuple[int, ...]:
        channels = (_KINDS[name][1],) if _KINDS[name][1] else ()
        return (count, self.camera.height, self.camera.width, *channels)

    def _empty(self, name: str) -> NDArray[Any]:
        return np.empty(self._shape(name, 0), _KINDS[name][0])

    def _checked(self, out: dict[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
        for name in self.outputs:
            array, shape = out.get(name), self._shape(name, count)
            if array is None or array.shape != shape or array.dtype != _KINDS[name][0] or not array.flags.c_contiguous:
                what = "missing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise ValueError(f"out[{name!r}]: {what}, must be contiguous {_KINDS[name][0].__name__} of {shape}")
        return {name: out[name] for name in self.outputs}


def _stacked(scenes: Sequence[Scene]) -> tuple[Scene, NDArray[np.int64]]:
    """All scenes' arrays end to end, and (S, 2, 12) where each scene's begin and end."""
    axes = [1 if name == "vertices" else 0 for name in Scene._fields]
    lengths = np.array([[scene[field].shape[axis] for field, axis in enumerate(axes)] for scene in scenes])
    ends = np.cumsum(lengths, 0)
    arrays: list[NDArray[Any]] = []
    for field, axis in enumerate(axes):
        parts = [scene[field] for scene in scenes]
        arrays.append(np.concatenate(parts, axis) if len(parts) > 1 else parts[0].view())
        arrays[-1].setflags(write=False)  # to Numba a type of its own
    return Scene(*arrays), np.stack([ends - lengths, ends], 1)


@kernel
def _render(
    start, stop, threads, scene_of_view, poses, scenes, extents, lens, least_px, inverse, face_of, scratch, images,
    atlas, tones,
):  # fmt: skip
    """Thread i of so many draws the i-th piece of the views, in work space of its own."""
    for thread in range(start, stop):
        own = Scratch(
            scratch.points[thread],
            scratch.ring[thread],
            scratch.sides[thread],
            scratch.windows[thread],
            scratch.screens[thread],
            scratch.marks[thread],
        )
        views = len(scene_of_view)
        for view in range(views * thread // threads, views * (thread + 1) // threads):
            scene = _of(scenes, extents[scene_of_view[view]])
            draw(scene, poses[view], lens, least_px, inverse[thread], face_of[thread], own)
            shade(scene, poses[view], lens, inverse[thread], face_of[thread], view, images, atlas, tones, own.marks)


@kernel
def _of(scenes, extent):
    """One scene out of all."""
    a, b = extent[0], extent[1]
    return Scene(
        scenes.vertices[:, a[0] : b[0]],
        scenes.planes[a[1] : b[1]],
        scenes.corners[a[2] : b[2]],
        scenes.surfaces[a[3] : b[3]],
        scenes.tables[a[4] : b[4]],
        scenes.lightels[a[5] : b[5]],
        scenes.boxes[a[6] : b[6]],
        scenes.objects[a[7] : b[7]],
        scenes.room_edges[a[8] : b[8]],
        scenes.portals[a[9] : b[9]],
        scenes.portal_rooms[a[10] : b[10]],
        scenes.room_count[a[11] : b[11]],
    )
