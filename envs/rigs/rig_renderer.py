"""What the cameras of a rig see, drawn at once; a picture that a lens bends is put together of straight ones.

Around such a camera up to six straight pictures are drawn, the sides of a cube (those that it sees), as fine as its own
in the middle. A pixel's colour is between the four nearest of theirs, all else is the nearest one's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.rendering.renderer import Moving, Renderer
from foveal.envs.rendering.scene import Scene
from foveal.kernels import kernel, launch
from foveal.optics.camera import Camera
from foveal.optics.rig import RigSpec

Floats = NDArray[np.float64]
Images = dict[str, NDArray[Any]]

_SIDES = np.array(
    [  # x, y and z of a side's camera, in coordinates of the camera itself: ahead, to the right, left, down, up, behind
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
        [[0, 0, 1], [0, 1, 0], [-1, 0, 0]],
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
        [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
    ],
    np.float64,
)
LONGEST_PX = 2048
"""The longest focal length where a lens bends; a side is twice as wide."""
_NOTHING: dict[str, Any] = {"rgb": 0, "depth": np.inf, "instance": -1, "semantic": -1}


class RigRenderer:
    """Draws rows of K views; see `Renderer`.

    The depth of a fisheye, which sees behind itself, is the distance from its centre; of a pinhole it is z-depth. Where
    a lens bends, there are no flow and no normals.

    Args:
        scenes: See `Renderer`.
        rig: K cameras, all of one size; those of "pinhole" without distortion are straight.
        outputs: See `Renderer`.
        skies: See `Renderer`.
    """

    def __init__(self, scenes: Sequence[Scene], rig: RigSpec, outputs: Sequence[str], skies: ArrayLike) -> None:
        self.rig, self.outputs, self._skies = rig, tuple(outputs), np.asarray(skies, np.float64)
        self._sides = None if straight(rig) else Sides.around(rig)
        if self._sides is None:
            cameras = [camera.camera for camera in rig.cameras]
        else:
            cameras, outputs = [self._sides.camera], sorted({*outputs, "depth"})
            if unlike := sorted({*outputs} - {*_NOTHING}):
                raise ValueError(f"{', '.join(unlike)}: rig {rig.name!r} must be of pinholes without distortion")
        self._renderer = Renderer(scenes, cameras, outputs, skies=skies)
        self.lenses = self._renderer.lenses

    def images(self, rows: int) -> Images:
        """Arrays for what is drawn of so many rows, to be given to `render` as `out`."""
        views, height, width = rows * len(self.rig.cameras), self.rig.cameras[0].height, self.rig.cameras[0].width
        drawn = self._renderer.images(0)
        return {
            name: np.empty((views, height, width, *drawn[name].shape[3:]), drawn[name].dtype) for name in self.outputs
        }

    def render(
        self,
        scene: NDArray[np.int64],
        cameras: Floats,
        moving: Moving,
        out: Images,
        before: tuple[Floats, Floats] | None = None,
    ) -> Images:
        """Draw.

        Args:
            scene: (R,) of each row.
            cameras: (R, K, 4, 4) T_world_cam.
            moving: What moves, by row: the groups (R,) of the rows.
            out: Arrays of `images`.
            before: For flow, the cameras (R, K, 4, 4) and what moves (G, A, 4, 4) before.

        Returns:
            `out`: arrays (R K, H, W, ...).
        """
        sides, rows, count = self._sides, len(scene), len(self.rig.cameras)
        if sides is None:
            return self._renderer.render(
                scene.repeat(count),
                cameras.reshape(-1, 4, 4),
                out,
                camera_of_view=np.tile(np.arange(count), rows),
                moving=moving._replace(group=moving.group.repeat(count)),
                before=None if before is None else (before[0].reshape(-1, 4, 4), before[1]),
            )
        drawn = self._renderer.render(
            scene.repeat(len(sides.of)),
            (cameras[:, sides.of] @ sides.T_cam_side).reshape(-1, 4, 4),
            moving=moving._replace(group=moving.group.repeat(len(sides.of))),
        )
        images = {name: image.reshape(rows, -1, *image.shape[3:]) for name, image in drawn.items()}
        depth = images["depth"].take(sides.nearest, 1) * sides.per_depth
        for name, image in out.items():
            of_rows = image.reshape(rows, -1, *image.shape[3:])
            if name == "rgb":
                skies = self._skies[scene]
                launch(blend_views, rows * count, sides.blend, cameras, skies, images[name], depth, of_rows, grain=1)
            elif name == "depth":
                of_rows[:] = depth
            else:
                images[name].take(sides.nearest, 1, of_rows, "clip")
            of_rows[:, sides.blind] = _NOTHING[name]
        return out


class Blend(NamedTuple):
    """What colours are made of, at the P pixels of K cameras.

    Attributes:
        corners: (P, 4) int64, the four nearest pixels of all sides.
        shares: (P, 4) float32 of these.
        rays: (K, P / K, 3) directions in coordinates of the cameras, of length 1.
    """

    corners: NDArray[np.int64]
    shares: NDArray[np.float32]
    rays: Floats


class Sides(NamedTuple):
    """Straight pictures, F around all cameras of a rig, and where in them the cameras' own pixels are.

    Attributes:
        camera: Of each of them, S by S pixels.
        of: (F,) the camera that each is around.
        T_cam_side: (F, 4, 4) from a side's coordinates to its camera's.
        blend: What the colours of the P pixels of all cameras are made of.
        nearest: (P,) int64, the nearest of the F S S pixels of all sides.
        per_depth: (P,) float32, depth in the camera over z-depth in the side, at the nearest pixel.
        blind: (B,) int64, pixels at which the lens shows nothing.
    """

    camera: Camera
    of: NDArray[np.int64]
    T_cam_side: Floats
    blend: Blend
    nearest: NDArray[np.int64]
    per_depth: NDArray[np.float32]
    blind: NDArray[np.int64]

    @classmethod
    def around(cls, rig: RigSpec) -> Sides:
        """The sides that a rig's cameras see; each is a pixel wider than 90 degrees, to either end.

        Raises:
            ValueError: for a focal length beyond `LONGEST_PX`.
        """
        half = math.ceil(rig.K[:, [0, 1], [0, 1]].max())
        if half > LONGEST_PX:
            raise ValueError(f"rig {rig.name!r}: a focal length of {half} px, with a lens at most {LONGEST_PX}")
        size = 2 * half + 2
        camera = Camera(size, size, half, half, half + 0.5, half + 0.5)
        rays = np.stack([camera.rays() for camera in rig.cameras]).reshape(len(rig.cameras), -1, 3)  # (K, H W, 3)
        blind = np.isnan(rays[..., 0])
        rays[blind] = 0, 0, 1
        side = (rays @ _SIDES[:, 2].T).argmax(-1)  # (K, H W)
        of, seen = np.nonzero((side[..., None] == np.arange(len(_SIDES))).any(1))
        turns = _SIDES[seen].swapaxes(1, 2)  # (F, 3, 3)
        numbers = np.zeros((len(rig.cameras), len(_SIDES)), np.int64)
        numbers[of, seen] = np.arange(len(of))
        number = np.take_along_axis(numbers, side, 1).reshape(-1)  # (P,)
        local = np.einsum("pji,pj->pi", turns[number], rays.reshape(-1, 3))
        pixels = camera.project(local).clip(0, size - 1 - 1e-9)
        first = np.floor(pixels).astype(np.int64)
        right, down = (pixels - first).T
        start = (number * size + first[:, 1]) * size + first[:, 0]
        near = np.floor(pixels + 0.5).astype(np.int64)
        local = np.column_stack([(near - (camera.cx, camera.cy)) / half, np.ones(len(near))])
        there = np.einsum("pij,pj->pi", turns[number], local)
        around = np.array([camera.lens == "fisheye" for camera in rig.cameras]).repeat(blind.shape[1])
        T_cam_side = np.tile(np.eye(4), (len(of), 1, 1))
        T_cam_side[:, :3, :3] = turns
        return cls(
            camera=camera,
            of=of,
            T_cam_side=T_cam_side,
            blend=Blend(start[:, None] + (0, 1, size, size + 1), _shares(right, down), rays),
            nearest=(number * size + near[:, 1]) * size + near[:, 0],
            per_depth=np.where(around, np.linalg.norm(there, axis=-1), there[:, 2]).astype(np.float32),
            blind=np.flatnonzero(blind),
        )


@kernel
def blend_views(start, stop, blend, cameras, skies, drawn, depth, out):
    """Row kernel: colours of views, between those of the four nearest pixels; the sky's where nothing is.

    Args:
        start: First view.
        stop: Last one, plus one.
        blend: `Blend`.
        cameras: (R, K, 4, 4) T_world_cam.
        skies: (R, 2, 3) colours at the horizon and above; the sides' own have but one camera's way up.
        drawn: (R, F S S, 3) uint8 of all sides.
        depth: (R, P) float32, inf where nothing is.
        out: Out (R, P, 3) uint8.
    """
    count, pixels = blend.rays.shape[:2]
    for view in range(start, stop):
        r, k = view // count, view % count
        seen, sky, above = drawn[r], skies[r], cameras[r, k, 2]
        for q in range(pixels):
            p = k * pixels + q
            if np.isinf(depth[r, p]):
                ray = blend.rays[k, q]
                up = math.sqrt(max(above[0] * ray[0] + above[1] * ray[1] + above[2] * ray[2], 0.0))
                for i in range(3):
                    out[r, p, i] = np.uint8(sky[0, i] + up * (sky[1, i] - sky[0, i]))
                continue
            at, shares = blend.corners[p], blend.shares[p]
            for i in range(3):
                colour = shares[0] * seen[at[0], i] + shares[1] * seen[at[1], i]
                colour += shares[2] * seen[at[2], i] + shares[3] * seen[at[3], i]
                out[r, p, i] = np.uint8(colour + 0.5)


def straight(rig: RigSpec) -> bool:
    """Whether no lens of a rig bends its picture."""
    return all(camera.lens == "pinhole" and not any(camera.distortion) for camera in rig.cameras)


def _shares(right: Floats, down: Floats) -> NDArray[np.float32]:
    across, along = (np.stack([1 - share, share], -1) for share in (right, down))  # (P, 2)
    return (along[:, :, None] * across[:, None]).reshape(-1, 4).astype(np.float32)
