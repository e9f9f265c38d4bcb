"""The renderer: views of scenes in, images out, all in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.flow import flow
from foveal.envs.rendering.raster import FACE_BITS, Scratch, clear, draw
from foveal.envs.rendering.scene import Scene
from foveal.envs.rendering.shading import BACKGROUND, Images, shade, tone_curve
from foveal.envs.rendering.textures import atlas
from foveal.kernels import kernel, launch, thread_count
from foveal.optics.camera import Camera

_KINDS = {"rgb": (np.uint8, 3), "depth": (np.float32, 0), "instance": (np.int32, 0), "semantic": (np.int32, 0)}
_KINDS |= {"normal": (np.float32, 3), "flow": (np.float32, 2)}

LEAST_PX = 2.0
"""Objects whose parts would be smaller than this many pixels are drawn as boxes."""


class Moving(NamedTuple):
    """Things that move, in G groups of A: what stands in a group is seen by all views of it (the cameras of one row).

    Attributes:
        group: (M,) int64, which group a view shows.
        scene: (G, A) int64, which of the renderer's scenes a thing is, in a frame of its own; -1: there is none.
        T_world_thing: (G, A, 4, 4) its pose.
        instance: (G, A) int32, its id in the instance image.
    """

    group: NDArray[np.int64]
    scene: NDArray[np.int64]
    T_world_thing: NDArray[np.float64]
    instance: NDArray[np.int32]

    @classmethod
    def none(cls, views: int) -> Moving:
        """One empty group for all views."""
        nothing = np.zeros((1, 0))
        return cls(
            np.zeros(views, np.int64), nothing.astype(np.int64), np.zeros((1, 0, 4, 4)), nothing.astype(np.int32)
        )


class Renderer:
    """Draws M views at once; a view's images depend on its scene, its pose and what moves in it alone.

    Args:
        scenes: At least one; shared by any number of views. Several are copied into one array of each kind.
        camera: Of all views, or several of one size, of which each view has one.
        outputs: Which images: of "rgb" (H, W, 3) uint8 sRGB; "depth" (H, W) float32 z-depth in m, inf where nothing is;
            "instance" and "semantic" (H, W) int32, -1 where nothing is; "normal" (H, W, 3) float32, the surface's
            normal in the world's frame, 0 where nothing is; "flow" (H, W, 2) float32, see `flow`.
        views: M, how many views a call of `render` draws (rows times cameras); None: as many as it is given.
        least_px: Objects whose parts would be smaller than so many pixels are drawn as boxes; 0: never.
        skies: (S, 2, 3) sRGB in 0..255 behind each scene: at the horizon, and straight up; None: overcast.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        camera: Camera | Sequence[Camera],
        outputs: Sequence[str] = ("rgb", "depth", "instance"),
        views: int | None = None,
        least_px: float = LEAST_PX,
        skies: ArrayLike | None = None,
    ) -> None:
        unknown = [name for name in outputs if name not in _KINDS]
        if unknown or not outputs:
            raise ValueError(f"outputs={tuple(outputs)}: must be some of {', '.join(_KINDS)}")
        if not scenes:
            raise ValueError("a renderer needs at least one scene")
        if not least_px >= 0:
            raise ValueError(f"least_px={least_px}: must be at least 0")
        cameras = (camera,) if isinstance(camera, Camera) else tuple(camera)
        if len({(one.width, one.height) for one in cameras}) != 1:
            raise ValueError(f"{len(cameras)} cameras: must be at least one, all of one size")
        self.camera, self.outputs, self.views = cameras[0], tuple(outputs), views
        self._least_px = float(least_px)
        self.lenses = np.array([(c.fx, c.fy, c.cx, c.cy, c.width, c.height) for c in cameras], np.float64)
        self._scenes, self._extents = _stacked(scenes)
        self._tones = tone_curve()
        overcast = np.tile(np.array(BACKGROUND, np.float64), (len(scenes), 2, 1))
        self._skies = overcast if skies is None else np.ascontiguousarray(skies, np.float64)
        if self._skies.shape != overcast.shape or not ((self._skies >= 0) & (self._skies <= 255)).all():
            raise ValueError(f"skies of shape {self._skies.shape}: must be {overcast.shape}, in 0..255")
        if (faces := int(np.diff(self._extents[:, :, 1]).max())) > 1 << FACE_BITS:
            raise ValueError(f"a scene of {faces} faces: must have at most {1 << FACE_BITS}")
        most = max(int(np.diff(scene.objects[:, :2]).max()) for scene in scenes)
        self._most = max(most, 8), max(int(s.room_count[0]) for s in scenes), max(len(s.portals) for s in scenes)

    def render(
        self,
        scene_of_view: ArrayLike,
        T_world_cam: ArrayLike,
        out: dict[str, NDArray[Any]] | None = None,
        *,
        camera_of_view: ArrayLike | None = None,
        moving: Moving | None = None,
        before: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Draw.

        Args:
            scene_of_view: (M,) which of the scenes each view shows.
            T_world_cam: (M, 4, 4) poses of its camera.
            out: Arrays to draw into, as an earlier call returned them.
            camera_of_view: (M,) which of the cameras it has; None: the first.
            moving: What moves; None: nothing.
            before: For flow, the poses of the cameras (M, 4, 4) and of what moves (G, A, 4, 4) before; None: as now.

        Returns:
            An array (M, H, W), (M, H, W, 2) or (M, H, W, 3) for each output.
        """
        scene_of_view, poses, cameras = self._checked_views(scene_of_view, T_world_cam, camera_of_view)
        count = len(poses)
        moving = Moving.none(count) if moving is None else self._checked_moving(moving, count)
        images = self.images(count) if out is None else self._checked(out, count)
        drawn = Images(*(images[name] if name in images else self._empty(name) for name in Images._fields))
        earlier = tuple(
            now if before is None else np.ascontiguousarray(then, np.float64).reshape(now.shape)
            for now, then in zip((poses, moving.T_world_thing), before or (None, None), strict=True)
        )
        threads = max(1, min(thread_count(), count))
        height, width = self.camera.height, self.camera.width
        launch(
            _render,
            threads,
            threads,
            (scene_of_view, poses, cameras, moving, *earlier),
            self._scenes,
            self._extents,
            self.lenses,
            self._least_px,
            np.empty((threads, height, width), np.float32),
            np.empty((threads, height, width), np.int32),
            self._scratch(threads, moving.scene.shape[1]),
            np.empty((threads, 1 + moving.scene.shape[1], 4, 4)),
            drawn,
            atlas(),
            self._tones,
            self._skies,
            grain=1,
        )
        return images

    def _checked_views(
        self, scene_of_view: ArrayLike, T_world_cam: ArrayLike, camera_of_view: ArrayLike | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        scene_of_view = _whole_numbers("scene_of_view", scene_of_view)
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
        cameras = np.zeros(count, np.int64) if camera_of_view is None else _whole_numbers("cameras", camera_of_view)
        if cameras.shape != (count,) or not ((cameras >= 0) & (cameras < len(self.lenses))).all():
            raise ValueError(f"cameras {cameras.shape}: must be ({count},), in [0, {len(self.lenses) - 1}]")
        return scene_of_view, poses, cameras

    def _scratch(self, threads: int, things: int) -> Scratch:
        """Work space of all threads."""
        vertices, rooms, portals = self._most
        return Scratch(
            np.empty((threads, 3, vertices), np.float32),
            np.empty((threads, 2, 8)),
            np.empty((threads, 2, 3, 8)),
            np.empty((threads, rooms + 1, 4)),
            np.empty((threads, portals, 4)),
            np.empty((threads, 5, self.camera.width), np.int32),
            np.empty((threads, 1 + things, 4, 4)),
            np.empty((threads, 1 + things), np.int64),
        )

    def _checked_moving(self, moving: Moving, count: int) -> Moving:
        group, scene = _whole_numbers("moving.group", moving.group), _whole_numbers("moving.scene", moving.scene)
        poses = np.ascontiguousarray(moving.T_world_thing, np.float64)
        instance = np.ascontiguousarray(moving.instance, np.int32)
        fits = group.shape == (count,) and scene.ndim == 2 and instance.shape == scene.shape
        if not fits or poses.shape != (*scene.shape, 4, 4):
            shapes = ", ".join(str(part.shape) for part in (group, scene, poses, instance))
            raise ValueError(f"moving of shapes {shapes}: must be ({count},), (G, A), (G, A, 4, 4), (G, A)")
        if scene.shape[1] >= 1 << (31 - FACE_BITS):
            raise ValueError(f"{scene.shape[1]} things move: must be fewer than {1 << (31 - FACE_BITS)}")
        if count and not ((group >= 0) & (group < len(scene))).all():
            raise ValueError(f"moving.group: must be in [0, {len(scene) - 1}]")
        if not ((scene >= -1) & (scene < len(self._extents))).all():
            raise ValueError(f"moving.scene: must be in [-1, {len(self._extents) - 1}]")
        if not np.isfinite(poses).all():
            raise ValueError("moving.T_world_thing: must be finite")
        return Moving(group, scene, poses, instance)

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


def _whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    given = np.ascontiguousarray(values)
    if given.dtype.kind not in "iu" and given.size:
        raise ValueError(f"{name} of type {given.dtype}: must be whole numbers")
    return given.astype(np.int64)


def _stacked(scenes: Sequence[Scene]) -> tuple[Scene, NDArray[np.int64]]:
    """All scenes' arrays end to end, and (S, 2, 12) where each scene's begin and end.

    What points into vertices, faces, lightels and objects points into those of all scenes; rooms are their scene's.
    """
    axes = [1 if name == "vertices" else 0 for name in Scene._fields]
    lengths = np.array([[scene[field].shape[axis] for field, axis in enumerate(axes)] for scene in scenes])
    ends = np.cumsum(lengths, 0)
    firsts = ends - lengths
    arrays: list[NDArray[Any]] = []
    for field, axis in enumerate(axes):
        parts = [_shifted(scene, field, first) for scene, first in zip(scenes, firsts, strict=True)]
        arrays.append(np.concatenate(parts, axis) if len(parts) > 1 else parts[0].view())
        arrays[-1].setflags(write=False)  # to Numba a type of its own
    return Scene(*arrays), np.stack([firsts, ends], 1)


def _shifted(scene: Scene, field: int, first: NDArray[np.int64]) -> NDArray[Any]:
    """One array of a scene whose arrays begin at `first` (12,) among those of all."""
    vertex, face, lightel, thing = (
        int(first[Scene._fields.index(name)]) for name in ("vertices", "planes", "lightels", "objects")
    )
    shifts = {
        "corners": [vertex] * 4,
        "tables": [thing, 0, lightel, 0, 0],
        "objects": [vertex, vertex, face, face, 0, 0, 0, 0],
    }
    array: NDArray[Any] = scene[field]
    shift = shifts.get(Scene._fields[field])
    return array if shift is None or not first.any() else array + np.array(shift, array.dtype)


@kernel
def _render(
    start, stop, threads, views, scenes, extents, lenses, least_px, inverse, face_of, scratch, before, images, atlas,
    tones, skies,
):  # fmt: skip
    """Thread i of so many draws the i-th piece of the views, in work space of its own."""
    scene_of_view, poses, cameras, moving, poses_before, things_before = views
    for thread in range(start, stop):
        own = Scratch(
            scratch.points[thread],
            scratch.ring[thread],
            scratch.sides[thread],
            scratch.windows[thread],
            scratch.screens[thread],
            scratch.marks[thread],
            scratch.poses[thread],
            scratch.firsts[thread],
        )
        near, faces = inverse[thread], face_of[thread]
        count = len(scene_of_view)
        for view in range(count * thread // threads, count * (thread + 1) // threads):
            which, lens, group = scene_of_view[view], lenses[cameras[view]], moving.group[view]
            extent = extents[which]
            _copy(poses[view], own.poses[0])
            own.firsts[0] = extent[0, _FACES]
            clear(_of(scenes, extent), poses[view], lens, near, faces, own)
            draw(scenes, (extent[0, _OBJECTS], extent[1, _OBJECTS]), 0, lens, least_px, near, faces, own)
            for k in range(moving.scene.shape[1]):
                body = moving.scene[group, k]
                if body >= 0:
                    extent = extents[body]
                    relative(moving.T_world_thing[group, k], poses[view], own.poses[1 + k])
                    own.firsts[1 + k] = extent[0, _FACES]
                    objects = extent[0, _OBJECTS], extent[1, _OBJECTS]
                    draw(scenes, objects, 1 + k, lens, least_px, near, faces, own)
            shade(scenes, lens, near, faces, view, images, atlas, tones, own, moving.instance[group], skies[which])
            if len(images.flow):
                _copy(poses_before[view], before[thread, 0])
                for k in range(moving.scene.shape[1]):
                    relative(things_before[group, k], poses_before[view], before[thread, 1 + k])
                flow(own.poses, before[thread], lens, near, faces, images.flow[view])


_FACES, _OBJECTS = Scene._fields.index("planes"), Scene._fields.index("objects")


@kernel
def relative(T_world_thing, T_world_cam, out):
    """T_thing_cam (4, 4): a camera's pose in the frame of a thing."""
    for i in range(3):
        for j in range(4):
            total = 0.0
            for k in range(3):
                there = T_world_cam[k, j] - (T_world_thing[k, 3] if j == 3 else 0.0)
                total += T_world_thing[k, i] * there
            out[i, j] = total
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = 0.0, 0.0, 0.0, 1.0


@kernel
def _copy(pose, out):
    for i in range(4):
        for j in range(4):
            out[i, j] = pose[i, j]


@kernel
def _of(scenes, extent):
    """What of one scene's rooms is asked for."""
    a, b = extent[0], extent[1]
    return Scene(
        scenes.vertices,
        scenes.planes,
        scenes.corners,
        scenes.surfaces,
        scenes.tables,
        scenes.lightels,
        scenes.boxes,
        scenes.objects,
        scenes.room_edges[a[8] : b[8]],
        scenes.portals[a[9] : b[9]],
        scenes.portal_rooms[a[10] : b[10]],
        scenes.room_count[a[11] : b[11]],
    )
