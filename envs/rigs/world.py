"""SurroundRig: drive, or ride along, in a street that six cameras on the car see.

# Description

A car in the traffic of the driving suite, seen from inside: cameras look to all sides, and what they see is drawn in
three dimensions (`foveal.envs.rendering`), with exact depth, identities, flow and overlaps. On the avenue and the bend
something blocks the own lane; the task is to get past it through a gap in the traffic on the lane beside. Which gap is
wide enough is seen by the cameras to the side and to the back.

# Actions

``Discrete(5)``: 0 ``LANE_LEFT``, 1 ``IDLE``, 2 ``LANE_RIGHT``, 3 ``FASTER``, 4 ``SLOWER``, or the driving suite's other
kinds. With ``ride=True`` ``Discrete(1)``: one looks on.

# Observations

A dict of what the parameters ask for, of K cameras:

| name | | range |
|---|---|---|
| rgb | (K, height, width, 3) uint8 | |
| depth | (K, height, width) float32 m, z-depth, of a fisheye distance; `far` where nothing is, or beyond | 0 to `far` |
| K | (K, 3, 3) float32 px | |
| T_rig_cam | (K, 4, 4) float32: camera to rig coordinates, as the rig is said to be | |
| ego_motion | (4, 4) float32: rig coordinates now to rig coordinates a step ago | |
| valid | (K,) int8: 0 for a camera that fails | |
| semantic | (K, height, width) uint8, `foveal.envs.rigs.classes.CLASSES` | |
| instance | (K, height, width) int32: 0 nothing, then vehicles and walkers, from 256 on what stands | |
| flow | (K, height, width, 2) float32 px: column and row of the same a step ago, less those now | ±10000 |
| overlap | (K, height, width) uint8: how many other cameras see the same | |
| state | what the driving suite's observation of these parameters is | |

Rig frame: x forward, y left, z up, m, from the middle of the rear axle on the ground. Cameras are OpenCV's.

# Rewards

``collision_reward`` for a crash, ``arrival_reward`` for being 15 m past what blocks the lane, ``progress_reward`` times
the speed along the lane over the highest target speed, and ``time_reward`` for each step.

# Starts and ends

The ego drives at 8 m/s; street, traffic, gaps and what the cameras are like are drawn anew. Terminated by a crash or by
arrival; truncated after `duration`.

# Arguments

The fields of `SurroundRigParams`.

# Versions

v0: first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import Rows
from foveal.envs.driving.scenario import Scenario, ScenarioWorld, worlds
from foveal.envs.overlay import Annotation
from foveal.envs.rendering.renderer import Moving
from foveal.envs.rigs.classes import CLASSES
from foveal.envs.rigs.courses import COURSES
from foveal.envs.rigs.params import SurroundRigParams
from foveal.envs.rigs.photography import expose
from foveal.envs.rigs.placing import Faults, Mounts, Placed, mount_rows, paths, place_rows, rig_poses
from foveal.envs.rigs.rig_renderer import RigRenderer, straight
from foveal.envs.rigs.sharing import share_rows
from foveal.envs.rigs.street import Street
from foveal.envs.rigs.traffic import TERMS, blocks, judge_rows, rules, spawn_rows
from foveal.envs.rigs.views import RigScene, across, draw
from foveal.envs.rigs.wardrobe import streets, wardrobe
from foveal.envs.single import SingleEnv
from foveal.kernels import launch
from foveal.optics.rig import FARTHEST_M, RigSpec
from foveal.optics.rig_files import load_rig
from foveal.optics.rig_presets import PRESETS, preset
from foveal.optics.transforms import invert

Images = dict[str, NDArray[Any]]
_DRAWN = ("rgb", "depth", "semantic", "instance", "flow")
_MOST_INSTANCES = 2**31 - 1
FARTHEST_PX = 1e4
"""Where flow ends, either way."""


class RigWorld(ScenarioWorld):
    """N cars with cameras; see the module, and `ScenarioWorld`.

    Attributes:
        rig: The cameras, at the size of the observations.
        streets: Shared by all rows.
        renderer: Draws what the cameras see.
    """

    params: SurroundRigParams
    rig: RigSpec
    streets: tuple[Street, ...]
    renderer: RigRenderer

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p = self.params
        state, actions = super()._spaces()
        self.rig = rig_of(p.rig, p.width, p.height)
        if p.overlap and not straight(self.rig):
            raise ValueError(f"overlap=True: rig={p.rig!r} must be of pinholes without distortion")
        self._images = [name for name in _DRAWN if getattr(p, name)]
        if p.overlap and "depth" not in self._images:
            self._images.append("depth")
        self._screens: dict[tuple[int, int], RigRenderer] = {}
        if self._images:
            self._dress()
            self.renderer = self._renderer(self.rig, self._images)
        cameras = len(self.rig.cameras)
        image = (cameras, p.height, p.width)
        parts: dict[str, spaces.Space[Any]] = {
            "rgb": spaces.Box(0, 255, (*image, 3), np.uint8),
            "depth": spaces.Box(0, p.far, image, np.float32),
            "semantic": spaces.Box(0, len(CLASSES) - 1, image, np.uint8),
            "instance": spaces.Box(0, _MOST_INSTANCES, image, np.int32),
            "flow": spaces.Box(-FARTHEST_PX, FARTHEST_PX, (*image, 2), np.float32),
            "overlap": spaces.Box(0, cameras - 1, image, np.uint8),
            "state": state,
        }
        seen = {name: space for name, space in parts.items() if getattr(p, name)}
        if p.geometry:
            seen["K"] = spaces.Box(-1.0, 1e6, (cameras, 3, 3), np.float32)
            seen["T_rig_cam"] = spaces.Box(-FARTHEST_M, FARTHEST_M, (cameras, 4, 4), np.float32)
            seen["ego_motion"] = spaces.Box(-FARTHEST_M, FARTHEST_M, (4, 4), np.float32)
            seen["valid"] = spaces.Box(0, 1, (cameras,), np.int8)
        if p.ride:
            self.action_names, actions = ("look on",), spaces.Discrete(1)
        return spaces.Dict(seen), actions

    def _dress(self) -> None:
        """Make what is drawn, and all rows share: streets, and what moves in them."""
        p = self.params
        self.streets = streets(p.course, range(p.first_street, p.first_street + p.streets), p.light, p.density)
        models, self._wardrobe = wardrobe(self.streets, p.light, p.first_street)
        self._paths = paths([street.footpaths for street in self.streets])
        self._models = tuple(models)
        self._skies = np.stack([street.sky for street in self.streets])
        self._skies = np.concatenate([self._skies, np.zeros((len(models) - len(self.streets), 2, 3))])

    def _renderer(self, rig: RigSpec, outputs: Sequence[str]) -> RigRenderer:
        return RigRenderer(self._models, rig, outputs, self._skies)

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p, rows, cameras = self.params, self.num_envs, len(self.rig.cameras)
        seen = self._observations
        state = super()._allocate()  # which puts the driving suite's observation in its place
        if p.state:
            seen["state"] = self._observations
        self._observations = seen
        columns = self._traffic.shape[2]
        things = columns + p.walkers
        self._past, self._past_time = np.zeros((rows, 3, columns)), np.zeros(rows)
        self._now, self._before = (Placed.of(rows, things, cameras) for _ in range(2))
        self._mounts = Mounts.of(rows, self.rig.T_rig_cam)
        self._faults = Faults(
            p.exposure, p.white_balance, math.radians(p.calibration_angle), p.calibration_shift, p.dropped
        )
        self._ids = np.tile(np.arange(1, things + 1, dtype=np.int32), (rows, 1))
        self._objects = np.full(rows, int(blocks(p)))
        self._tables = np.zeros((rows * cameras, 3, 256), np.uint8)
        self._between = np.zeros((rows if p.overlap else 0, cameras, cameras, 4, 4))
        if p.geometry:
            seen["K"][:], seen["T_rig_cam"][:] = self.rig.K, self.rig.T_rig_cam
        return state | {"past": self._past, "past_time": self._past_time}

    def _spawn(self, rows: Rows) -> None:
        super()._spawn(rows)
        launch(mount_rows, rows.size, rows, self._seed, self._episode, self.rig.T_rig_cam, self._faults, self._mounts)
        self._remember(rows)
        self._look(rows)

    def _advance(self, actions: NDArray[Any]) -> None:
        rows = np.flatnonzero(self._active)
        self._remember(rows)
        if self.params.ride:
            actions = np.tile(self.idle, (self.num_envs, *[1] * np.ndim(self.idle)))
        super()._advance(actions)
        self._look(rows)

    def _restored(self) -> None:
        super()._restored()
        rows = np.arange(self.num_envs)
        launch(mount_rows, rows.size, rows, self._seed, self._episode, self.rig.T_rig_cam, self._faults, self._mounts)
        self._look(rows)

    def _remember(self, rows: Rows) -> None:
        """Keep where everything is now, for what is told of the step after it."""
        self._past[rows], self._past_time[rows] = self._traffic[rows, :3], self._time[rows]

    def _look(self, rows: Rows) -> None:
        """Write what these rows' cameras see."""
        p, seen, whole = self.params, self._observations, rows.size == self.num_envs
        if p.geometry:
            before, now = (rig_poses(places, self._egos[:, 0])[rows] for places in (self._past, self._traffic))
            seen["ego_motion"][rows], seen["valid"][rows] = invert(before) @ now, self._mounts.valid[rows]
        if not self._images or not rows.size:
            return
        self._put(rows, self._past, self._past_time, self._before)
        self._put(rows, np.ascontiguousarray(self._traffic[:, :3]), self._time, self._now)
        views = rows.size * len(self.rig.cameras)
        observed = {  # what is drawn straight into
            name: seen[name].reshape(views, *seen[name].shape[2:])
            for name in self._images
            if whole and name in seen and name != "semantic"
        }
        images = self._render(rows, self.renderer.images(rows.size) | observed)
        self._finish(rows, images)
        for name, image in images.items():
            if name in seen and name not in observed:
                seen[name][rows] = image.reshape(rows.size, -1, *image.shape[1:])

    def _put(self, rows: Rows, places: NDArray[np.float64], time: NDArray[np.float64], placed: Placed) -> None:
        """Write where everything is in these rows."""
        launch(
            place_rows, rows.size, rows, self._seed, self._episode, places, time, self._count, self._objects,
            self._egos, self._paths, self._wardrobe, self._mounts, placed,
        )  # fmt: skip

    def _render(self, rows: Rows, out: Images) -> Images:
        """What the renderer draws of these rows, as views (R x K, ...)."""
        now, before = self._now, self._before
        moving = Moving(np.arange(rows.size), now.looks[rows], now.things[rows], self._ids[rows])
        flow = (before.cameras[rows], before.things[rows]) if self.params.flow else None
        return self.renderer.render(now.street[rows], now.cameras[rows], moving, out, flow)

    def _finish(self, rows: Rows, images: Images) -> None:
        """Make of what was drawn what the cameras hand out."""
        p, mounts, seen = self.params, self._mounts, self._observations
        valid = mounts.valid[rows].reshape(-1)
        failing = np.flatnonzero(valid == 0)
        if "rgb" in images:
            gain = mounts.gain[rows].reshape(-1, 3)
            launch(expose, valid.size, gain, valid, images["rgb"], self._tables)
        if p.overlap:
            depth = images["depth"].reshape(rows.size, -1, p.height, p.width)
            overlap = np.empty(depth.shape, np.uint8)
            launch(
                share_rows, rows.size, rows, self._now.cameras, self.renderer.lenses, depth, mounts.valid,
                self._between, overlap, grain=1,
            )  # fmt: skip
            seen["overlap"][rows] = overlap
        if "depth" in images:
            np.minimum(images["depth"], np.float32(p.far), out=images["depth"])
            images["depth"][failing] = p.far
        for name in {"semantic", "instance"} & images.keys():
            np.maximum(images[name], 0, out=images[name])
            images[name][failing] = 0
        if "flow" in images:
            np.clip(images["flow"], -FARTHEST_PX, FARTHEST_PX, out=images["flow"])
            images["flow"][failing] = 0

    # Pictures

    def describe(self, rows: Sequence[int]) -> list[Any]:
        """See `BatchEnv.describe`."""
        moments = self.moments[self._check_rows(rows), :2].tolist()
        return [self._inside(scene, *moment) for scene, moment in zip(super().describe(rows), moments, strict=True)]

    def _note_trace(self) -> None:
        super()._note_trace()
        self._trace_moments = self.moments[self.trace_rows, :2].tolist()

    def trace(self, row: int) -> list[Any]:
        """See `BatchEnv.trace`."""
        scenes = super().trace(row)
        return [self._inside(scene, *self._trace_moments[self._trace_slot[row]]) for scene in scenes]

    def _inside(self, scene: Any, seed: int, episode: int) -> RigScene:
        shallow = {field.name: getattr(scene, field.name) for field in dataclasses.fields(scene)}
        return RigScene(**shallow, seed=seed, episode=episode)

    def draw(self, scene: Any, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: what the cameras see, how far it is, and the road from above."""
        width = round(self.params.screen_width * zoom) // across(self.rig)
        height = round(width * self.params.height / self.params.width)
        return draw(scene, self.views(scene, width, height), self.rig, self.params, zoom, annotation)

    def views(self, scene: RigScene, width: int, height: int) -> Images:
        """What the cameras see in a scene: rgb (K, height, width, 3) uint8, and depth (K, height, width) float32 m."""
        if not hasattr(self, "streets"):
            self._dress()
        if (width, height) not in self._screens:
            self._screens[width, height] = self._renderer(self.rig.scaled(width, height), ("rgb", "depth"))
        count, columns = len(self.rig.cameras), self._traffic.shape[2]
        vehicles = sum(kind == "vehicle" for kind in scene.kind)
        places = np.zeros((1, 3, columns))
        at = np.concatenate([np.arange(vehicles), np.arange(self.capacity, columns)])
        places[0][:, at] = np.column_stack([scene.position, scene.heading]).T
        row, seed, episode = np.zeros(1, np.int64), np.array([scene.seed]), np.array([scene.episode])
        mounts, placed = Mounts.of(1, self.rig.T_rig_cam), Placed.of(1, self._ids.shape[1], count)
        launch(mount_rows, 1, row, seed, episode, self.rig.T_rig_cam, self._faults, mounts)
        launch(
            place_rows, 1, row, seed, episode, places, np.array([scene.time_s]), np.array([vehicles]),
            self._objects[:1], np.array([[scene.ego]]), self._paths, self._wardrobe, mounts, placed,
        )  # fmt: skip
        screen, moving = self._screens[width, height], Moving(row, placed.looks, placed.things, self._ids[:1])
        images = screen.render(placed.street, placed.cameras, moving, screen.images(1))
        launch(expose, count, mounts.gain[0], mounts.valid[0], images["rgb"], np.zeros((count, 3, 256), np.uint8))
        np.minimum(images["depth"], np.float32(self.params.far), out=images["depth"])
        return images


def rig_of(name: str, width: int, height: int) -> RigSpec:
    """A rig by the name of a preset or of a file, with pictures of one size.

    Raises:
        ValueError: where there is none.
    """
    try:
        rig = load_rig(name) if Path(name).suffix else preset(name)
    except (KeyError, OSError):
        raise ValueError(f"rig={name!r}: neither a preset ({', '.join(PRESETS)}, room-ring-N) nor a file") from None
    return rig.scaled(width, height)


SurroundRig, SurroundRigEnv = worlds(
    Scenario(
        name="SurroundRig",
        params=SurroundRigParams,
        lay=lambda p: COURSES[p.course].lay(),
        rules=rules,
        spawn=spawn_rows,
        judge=judge_rows,
        terms=TERMS,
        vehicles=lambda p: 1 + p.vehicles_count,
        objects=lambda p: int(blocks(p)),
        start=lambda p: COURSES[p.course].start,
        info=lambda drive: {"success": drive.outcome.terms[:, TERMS.index("arrival_reward")] != 0},
        gaps=True,
        overlaps=True,
    ),
    __name__,
    __doc__,
    (RigWorld, SingleEnv),
)
