"""Object navigation: find a thing of a category in a house, by sight, and say so.

# Description

An agent stands somewhere in a house and is told a category, such as "Mug". It sees the house through its camera, walks,
turns and looks up and down, and succeeds by ending the episode where a thing of that category is visible to it and at
most `success_distance` away. The task is that of Batra et al., "ObjectNav Revisited" (arXiv 2006.13171), with the
defaults of procthor-rl: its LoCoBot, actions, categories and reward. Houses are real AI2-THOR rooms in reconstructed
shells (``scenes="ithor"``, ``"robothor"``), procedural ones (``"procedural"``) or a file's (its path).

# Actions

| n | action | |
|---|---|---|
| 0 | MoveAhead | 0.25 m, if the way is free; else nothing moves |
| 1, 2 | RotateLeft, RotateRight | by 30° |
| 3, 4 | LookUp, LookDown | by 30°, between 30° up and 30° down |
| 5 | End | ends the episode |

# Observations

A dict of what the parameters ask for:

| name | | range |
|---|---|---|
| rgb | (height, width, 3) uint8 | |
| depth | (height, width) float32, z-depth m | 0 to 20 |
| semantic | (height, width) uint8, `foveal.envs.objectnav.types.TYPES` | |
| gps_compass | (3,) float32: metres to the right of and ahead of the start, rad turned to the left since | |
| goal | index into `categories` | |
| last_action | one more than the last action; 0 at the start | |
| guide | what one that knows the way would do next: to learn from, not to act on | |

# Rewards

`step_reward` for every action, `success_reward` for success, `failure_reward` (0, as in procthor-rl) for ending
elsewhere, and `shaping_reward` for each metre nearer, by the geodesic distance to the nearest place of success.
`shaping="best"` pays for being nearer than ever before (as procthor-rl does), `"difference"` for being nearer than
before the action. procthor-rl's code measures in a straight line instead, to the thing's centre:
`shaping_distance="straight"`. ``info["rewards"]`` tells the terms.

# Starts and ends

House, category and start are drawn evenly from those that can succeed, are `start_distances` away along the shortest
path and do not succeed at once. An episode is terminated by End and truncated after `duration` actions.

# Infos

``success``, ``spl``, ``soft_spl``, ``distance_to_goal`` m, ``path_length`` m, ``curvature`` 1/m, ``collisions``,
``start_distance`` m and ``distance_bin`` (0: to 1 m, 1: to 3 m, 2: to 6 m, 3: above), ``house``, ``goal``; at the end,
with `expert`, also ``expert_length`` and ``sel``. See `foveal.envs.objectnav.metrics`.

# Backends

``backend="ai2thor"`` plays the same task in the real AI2-THOR, one for each row (`foveal.envs.objectnav.thor.world`);
it needs the extra `thor` and a build (`foveal.envs.objectnav.thor.real`).

# Versions

v0: first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos, Rows
from foveal.envs.objectnav import metrics
from foveal.envs.objectnav.episodes import ACTIONS, TERMS, Rules, act_rows, begin_rows, walks
from foveal.envs.objectnav.expert import TURN
from foveal.envs.objectnav.goals import Goals
from foveal.envs.objectnav.guide import advise_rows
from foveal.envs.objectnav.kit.palettes import Palette
from foveal.envs.objectnav.obstacles import MOVE_M
from foveal.envs.objectnav.params import ObjectNavParams
from foveal.envs.objectnav.scenes.sources import houses_of
from foveal.envs.objectnav.tasks import Tasks, tasks_of
from foveal.envs.objectnav.types import TYPES
from foveal.envs.objectnav.views import HEIGHT, WIDTH, IndoorScene, draw
from foveal.envs.objectnav.visibility import Eye, find
from foveal.envs.overlay import Annotation
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rendering.scene import Scene
from foveal.envs.single import SingleEnv
from foveal.kernels import launch
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

FAR_M = 20.0
"""Where depth ends."""
RATE = 4.0
"""Actions per second of a video."""
BINS_M = (1.0, 3.0, 6.0)
"""Borders of the bins of ``info["distance_bin"]``."""


Source = tuple[str, str, int, int, int]
"""The arguments of `houses_of`."""


class ObjectNav(BatchEnv):
    """N episodes of object navigation; see the module, and `BatchEnv`.

    Attributes:
        houses: All of them, shared by the rows.
        goals: How one moves and succeeds in them.
        tasks: What may have to be done.
        camera: The agents'.
        renderer: Draws what they see.
    """

    Params = ObjectNavParams
    params: ObjectNavParams
    action_names = ACTIONS
    _screen: Renderer | None

    def __new__(cls, *_: Any, **params: Any) -> ObjectNav:
        """With ``backend="ai2thor"``, the same task in the real AI2-THOR."""
        if cls is ObjectNav and params.get("backend") == "ai2thor":
            from foveal.envs.objectnav.thor.world import ThorObjectNav

            return super().__new__(ThorObjectNav)
        return super().__new__(cls)

    def _build(self) -> None:
        """Make what all rows share."""
        p = self.params
        source = (p.scenes, p.split, p.houses, p.first_house, p.rooms)
        self.houses = houses_of(*source)
        self.camera = Camera.from_vertical_fov(p.width, p.height, p.vertical_fov)
        half = math.tan(p.vertical_fov / 2)
        eye = Eye(p.camera_height, half * p.width / p.height, half)
        self.goals, self.tasks = _prepared(source, p.categories, eye, p.success_distance, p.start_distances)
        self._task = self.goals.task
        self._dressed, self._screen = _dressed(source, p.palette, p.models), None
        if self._images:
            self.renderer = Renderer(self._dressed, self.camera, self._images)

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        p = self.params
        self.metadata["render_fps"] = int(RATE)
        self._images = [name for name in ("rgb", "depth", "semantic") if getattr(p, name)]
        self._build()
        image = (p.height, p.width)
        parts: dict[str, spaces.Space[Any]] = {
            "rgb": spaces.Box(0, 255, (*image, 3), np.uint8),
            "depth": spaces.Box(0, FAR_M, image, np.float32),
            "semantic": spaces.Box(0, len(TYPES) - 1, image, np.uint8),
            "gps_compass": spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
        seen = {name: space for name, space in parts.items() if getattr(p, name)}
        seen["goal"] = spaces.Discrete(len(p.categories))
        seen["last_action"] = spaces.Discrete(len(ACTIONS) + 1)
        if p.guide:
            seen["guide"] = spaces.Discrete(len(ACTIONS))
        return spaces.Dict(seen), spaces.Discrete(len(ACTIONS))

    def _allocate(self) -> dict[str, NDArray[Any]]:
        p = self.params
        self._walks = walks(self.num_envs)
        self._terms = np.zeros((self.num_envs, len(TERMS)))
        self._rules = Rules(
            p.step_reward, p.success_reward, p.failure_reward, p.shaping_reward, p.shaping == "best",
            p.shaping_distance == "straight", p.start_tilt,
        )  # fmt: skip
        self._trails: dict[int, list[tuple[float, float]]] = {int(row): [] for row in self.trace_rows}
        return dict(self._walks._asdict())

    def _spawn(self, rows: Rows) -> None:
        launch(begin_rows, rows.size, rows, self._seed, self._episode, self.tasks, self._task, self._rules, self._walks)
        self._terms[rows] = 0.0
        for row in self._trails.keys() & set(rows.tolist()):
            self._trails[row].clear()
        self._observe(rows)

    def _advance(self, actions: NDArray[Any]) -> None:
        rows = np.flatnonzero(self._active)
        for row, trail in self._trails.items():
            trail.append((self._walks.position[row, 0], self._walks.position[row, 1]))
        launch(
            act_rows, rows.size, rows, actions, self.tasks, self._task, self._rules, self._walks, self._terms,
            self._rewards, self._terminated,
        )  # fmt: skip
        self._truncated[rows] = self._elapsed[rows] >= self.params.duration
        self._observe(rows)

    def _restored(self) -> None:
        self._observe(np.arange(self.num_envs))

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        for name, low, high in (
            ("task", 0, self.tasks.house.size - 1), ("heading", 0, 11), ("tilt", -1, 1), ("start_heading", 0, 11),
            ("moved", -1, 11), ("last", 0, len(ACTIONS)),
        ):  # fmt: skip
            if not ((state[name] >= low) & (state[name] <= high)).all():
                raise ValueError(f"state[{name!r}] must be in [{low}, {high}]")

    def _observe(self, rows: Rows) -> None:
        """Write what these rows see."""
        seen, w = self._observations, self._walks
        seen["goal"][rows] = self.tasks.category[w.task[rows]]
        seen["last_action"][rows] = w.last[rows]
        if self.params.gps_compass:
            seen["gps_compass"][rows] = self._place(rows)
        if self.params.guide:
            seen["guide"][rows] = self.guidance(rows)
        if not self._images or not rows.size:
            return
        images = self._render(rows)
        for name in self._images:
            image = images[name]
            if name == "depth":
                np.minimum(image, FAR_M, out=image)
            elif name == "semantic":
                image = np.maximum(image, 0).astype(np.uint8)
            seen[name][rows] = image

    def _render(self, rows: Rows) -> dict[str, NDArray[Any]]:
        """The images that these rows' cameras take."""
        return self.renderer.render(self.tasks.house[self._walks.task[rows]], self.poses(rows))

    def _place(self, rows: Rows) -> NDArray[np.float32]:
        """Where the agents are as seen from their starts: right m, ahead m, rad turned to the left."""
        w, turned = self._walks, self._walks.start_heading[rows] * TURN
        (dx, dy), cos, sin = (w.position[rows] - w.start[rows]).T, np.cos(turned), np.sin(turned)
        left = (w.heading[rows] - w.start_heading[rows]) % 12 * TURN
        left = np.where(left > np.pi, left - 2 * np.pi, left)
        return np.column_stack([dx * cos + dy * sin, dy * cos - dx * sin, left]).astype(np.float32)

    def poses(self, rows: Rows) -> NDArray[np.float64]:
        """The cameras' poses ``T_world_cam`` (R, 4, 4) of some rows."""
        w = self._walks
        position = np.column_stack([w.position[rows], np.full(rows.size, self.params.camera_height)])
        return look(position, w.heading[rows] * TURN, w.tilt[rows] * TURN)

    def _info(self) -> Infos:
        w = self._walks
        success = w.success.astype(np.float64)
        corners = np.maximum(w.moves - 1, 1) * MOVE_M
        info: Infos = {
            "success": w.success,
            "spl": metrics.spl(success, w.shortest, w.path),
            "soft_spl": metrics.soft_spl(w.left, w.shortest, w.path),
            "distance_to_goal": w.left,
            "path_length": w.path,
            "curvature": w.turned / corners,
            "collisions": w.collisions,
            "start_distance": w.shortest,
            "distance_bin": np.digitize(w.shortest, BINS_M),
            "house": self.tasks.house[w.task],
            "goal": self.tasks.category[w.task],
            "rewards": {name: self._terms[:, k] for k, name in enumerate(TERMS)},
        }
        return info | self._compared() if self.params.expert else info

    def _compared(self) -> Infos:
        """The expert's lengths in the episodes that have ended, 0 in the others, and SEL."""
        lengths = np.zeros(self.num_envs, np.int64)
        for row in np.flatnonzero((self._terminated | self._truncated) & (self._elapsed > 0)):
            lengths[row] = len(self.expert_actions(int(row), from_start=True))
        return {"expert_length": lengths, "sel": metrics.sel(self._walks.success, lengths, self._elapsed)}

    def expert_actions(self, row: int, *, from_start: bool = False) -> NDArray[np.int8]:
        """The fewest actions to success from where a row is, or where its episode began; none if there is no way."""
        w, task = self._walks, self._walks.task[row]
        if from_start:
            (x, y), heading, tilt = w.start[row], w.start_heading[row], self.params.start_tilt
        else:
            (x, y), heading, tilt = w.position[row], w.heading[row], w.tilt[row]
        found = self.goals.shortest_actions(
            int(self.tasks.house[task]), int(self.tasks.category[task]), (float(x), float(y)), int(heading), int(tilt)
        )
        return np.zeros(0, np.int8) if found is None else found

    def guidance(self, rows: Rows) -> NDArray[np.int64]:
        """What a guide that knows the way would do next in some rows (R,); see `foveal.envs.objectnav.guide`."""
        advice = np.zeros(self.num_envs, np.int64)
        launch(advise_rows, rows.size, rows, self.tasks, self._task, self._walks, advice)
        return advice[rows]

    @property
    def collided(self) -> NDArray[np.bool_]:
        """Which rows (N,) bumped into something in their last action."""
        return self._walks.collided

    @property
    def tilts(self) -> NDArray[np.int64]:
        """Looks up from the horizon (N,)."""
        return self._walks.tilt

    def found(self) -> NDArray[np.bool_]:
        """In which rows (N,) End would succeed now."""
        w, found = self._walks, np.empty(self.num_envs, np.bool_)
        launch(
            find, self.num_envs, self.goals.sights, self.goals.instances, self.goals.eye, self.tasks.house[w.task],
            self.tasks.category[w.task], w.position, w.heading * TURN, w.tilt * TURN, found,
        )  # fmt: skip
        return found

    # Pictures

    @property
    def frame_rate(self) -> float:
        """See `BatchEnv.frame_rate`."""
        return RATE

    def describe(self, rows: Sequence[int]) -> list[IndoorScene]:
        """See `BatchEnv.describe`."""
        return [self._scene(row) for row in self._check_rows(rows).tolist()]

    def trace(self, row: int) -> list[IndoorScene]:
        """See `BatchEnv.trace`: an action is one substep."""
        if row not in self._trails:
            raise ValueError(f"row {row} is not traced: trace_rows={self.trace_rows.tolist()}")
        return [self._scene(row)] if self._trails[row] else []

    def _scene(self, row: int) -> IndoorScene:
        w = self._walks
        task = int(w.task[row])
        house, category = int(self.tasks.house[task]), int(self.tasks.category[task])
        position = (float(w.position[row, 0]), float(w.position[row, 1]))
        return IndoorScene(
            time_s=float(self._elapsed[row]) / RATE,
            house=house,
            goal=self.params.categories[category],
            position=position,
            yaw=float(w.heading[row]) * TURN,
            pitch=float(w.tilt[row]) * TURN,
            trail=np.array([*self._trails.get(row, []), position]),
            way=self.goals.shortest_path(house, category, position),
            success=bool(w.success[row]),
        )

    def draw(self, scene: IndoorScene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: what the agent sees, how far it is, and the house from above."""
        height, width = round(HEIGHT * zoom), round(WIDTH * zoom)
        camera = Camera.from_vertical_fov(width, height, self.params.vertical_fov)
        if self._screen is None or self._screen.camera != camera:
            self._screen = Renderer(self._dressed, camera, ("rgb", "depth"))
        pose = look((*scene.position, self.params.camera_height), scene.yaw, scene.pitch)
        seen = self._screen.render([scene.house], pose[None])
        half_view = math.atan(math.tan(self.params.vertical_fov / 2) * width / height)
        return draw(self.houses[scene.house], scene, seen["rgb"][0], seen["depth"][0], half_view, annotation)

    def between(self, before: IndoorScene, after: IndoorScene, part: float) -> IndoorScene:
        """See `BatchEnv.between`."""
        turn = (after.yaw - before.yaw + np.pi) % (2 * np.pi) - np.pi
        x, y = (one + part * (other - one) for one, other in zip(before.position, after.position, strict=True))
        return dataclasses.replace(
            before,
            time_s=before.time_s + part * (after.time_s - before.time_s),
            position=(x, y),
            yaw=before.yaw + part * turn,
            pitch=before.pitch + part * (after.pitch - before.pitch),
            trail=np.vstack([before.trail, (x, y)]),
        )


@lru_cache(maxsize=8)
def _prepared(
    source: Source, categories: tuple[str, ...], eye: Eye, reach: float, distances: tuple[float, float]
) -> tuple[Goals, Tasks]:
    """What worlds with the same houses and goals share; nothing in it changes after this."""
    goals = Goals(houses_of(*source), categories, eye=eye, reach=reach)
    return goals, tasks_of(goals, distances)


@lru_cache(maxsize=8)
def _dressed(source: Source, palette: Palette, models: str) -> tuple[Scene, ...]:
    """The houses as they are drawn; each keeps its looks whatever others stand beside it."""
    from foveal.envs.objectnav.kit.dressing import dress
    from foveal.envs.objectnav.kit.sweethome import library

    shapes = library(models) if models else ()
    return tuple(dress(house, palette=palette, models=shapes) for house in houses_of(*source))


class ObjectNavEnv(SingleEnv):
    """One episode of object navigation at a time; see the module."""

    world = ObjectNav
