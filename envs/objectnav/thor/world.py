"""Object navigation in the real AI2-THOR: the task of `world`, played through a Controller, one for each row.

What AI2-THOR has holds: its rooms as they are, its LoCoBot, its idea of what is visible (`success_distance` is its
`visibilityDistance`), and its geodesic distance, that of the shortest path to where a thing is visible. Motion has no
noise. A row's start is drawn from what its Controller calls reachable.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.envs.batch import Rows
from foveal.envs.objectnav.episodes import ACTIONS, STEP, SUCCESS
from foveal.envs.objectnav.episodes import SHAPING as NEARER
from foveal.envs.objectnav.expert import END, HIGHEST, LOOK_DOWN, LOOK_UP, LOWEST, MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT
from foveal.envs.objectnav.obstacles import HEADINGS, MOVE_M
from foveal.envs.objectnav.scenes.house_files import read_houses
from foveal.envs.objectnav.scenes.sources import room_names
from foveal.envs.objectnav.tasks import Tasks
from foveal.envs.objectnav.thor import metrics as thor_metrics
from foveal.envs.objectnav.thor import real as thor_real
from foveal.envs.objectnav.types import type_id
from foveal.envs.objectnav.views import HEIGHT, WIDTH, IndoorScene, coloured
from foveal.envs.objectnav.visibility import LOCOBOT_EYE
from foveal.envs.objectnav.world import RATE, ObjectNav
from foveal.envs.overlay import Annotation, panel

TURN_DEG = 30
_TRIES = 200
"""Starts that are drawn before an episode is given up."""


@dataclass(frozen=True)
class ThorScene(IndoorScene):
    """One row at one moment, with what it sees: its house cannot be drawn again.

    Attributes:
        frame: (H, W, 3) uint8.
        depth: (H, W) float32 m, if it is observed.
    """

    frame: NDArray[np.uint8] | None = None
    depth: NDArray[np.float32] | None = None


class ThorObjectNav(ObjectNav):
    """N episodes in N AI2-THORs; see the module, and `world`."""

    def _build(self) -> None:
        p = self.params
        if p.expert or p.camera_height != LOCOBOT_EYE.height or p.shaping_distance != "geodesic":
            raise ValueError(
                "backend='ai2thor': has no expert, the LoCoBot's camera_height, and geodesic distance only"
            )
        self._names = _scenes(p.scenes, p.split, p.first_house, p.houses)
        houses, categories = len(self._names), len(p.categories)
        nothing = np.empty(0, np.int64)
        self.tasks = Tasks(
            nothing, np.repeat(np.arange(houses), categories), np.tile(np.arange(categories), houses), nothing, nothing,
            np.empty((0, 2)), np.empty(0), nothing,
        )  # fmt: skip
        self._reachable: dict[int, list[dict[str, float]]] = {}
        self._controllers: list[Any] = []
        try:
            while len(self._controllers) < self.num_envs:
                self._controllers.append(self._controller())
        except BaseException:
            self.close_extras()
            raise
        self._entered = [-1] * self.num_envs

    def _controller(self) -> Any:
        p = self.params
        return thor_real.controller(
            scene=self._names[0], agentMode="locobot", applyActionNoise=False, width=p.width, height=p.height,
            fieldOfView=math.degrees(p.vertical_fov), visibilityDistance=p.success_distance, gridSize=MOVE_M,
            snapToGrid=False, rotateStepDegrees=TURN_DEG, renderDepthImage=p.depth,
            renderInstanceSegmentation=p.semantic,
        )  # fmt: skip

    def close_extras(self, **_: Any) -> None:
        """End the AI2-THORs."""
        for controller in self._controllers:
            controller.stop()

    # Episodes

    def _spawn(self, rows: Rows) -> None:
        for row in rows.tolist():
            self._begin_row(row)
            if row in self._trails:
                self._trails[row].clear()
        self._observe(rows)

    def _begin_row(self, row: int) -> None:
        """Draw a house, a category that is in it and a start, each evenly, until one has a path and no success."""
        p, rng = self.params, np.random.default_rng([int(self._seed[row]), int(self._episode[row])])
        for _ in range(_TRIES):
            house = int(rng.integers(len(self._names)))
            self._enter(row, house)
            present = {found["objectType"] for found in self._controllers[row].last_event.metadata["objects"]}
            there = [number for number, name in enumerate(p.categories) if name in present]
            if not there:
                continue
            task = house * len(p.categories) + int(rng.choice(there))
            place, heading = self._reachable[house][rng.integers(len(self._reachable[house]))], rng.integers(HEADINGS)
            self._restart(row, task, (place["x"], place["z"]), int(heading))
            if not self._stand(row):
                continue
            far = self._left(row)
            if max(p.start_distances[0], 1e-6) <= far <= p.start_distances[1] and not self._is_found(row):
                self._walks.shortest[row] = self._walks.left[row] = self._walks.gauge[row] = far
                return
        raise ValueError(
            f"scenes={p.scenes!r}: no start was found in {_TRIES} tries that categories and distances allow"
        )

    def _enter(self, row: int, house: int) -> None:
        controller = self._controllers[row]
        if self._entered[row] != house:
            controller.reset(self._names[house])
            self._entered[row] = house
            if house not in self._reachable:
                self._reachable[house] = controller.step(action="GetReachablePositions").metadata["actionReturn"]

    def _restart(self, row: int, task: int, position: tuple[float, float], heading: int) -> None:
        w = self._walks
        for array in w:
            array[row] = 0
        w.task[row], w.moved[row], w.tilt[row] = task, -1, self._rules.tilt
        w.position[row] = w.start[row] = position
        w.heading[row] = w.start_heading[row] = heading

    def _stand(self, row: int) -> bool:
        """Put the row's agent where its state says."""
        w, height = self._walks, self._controllers[row].last_event.metadata["agent"]["position"]["y"]
        event = self._controllers[row].step(
            action="Teleport",
            position={"x": float(w.position[row, 0]), "y": height, "z": float(w.position[row, 1])},
            rotation={"x": 0, "y": float(-TURN_DEG * w.heading[row] % 360), "z": 0},
            horizon=float(-TURN_DEG * w.tilt[row]),
        )
        return bool(event.metadata["lastActionSuccess"])

    def _restored(self) -> None:
        for row in range(self.num_envs):
            self._enter(row, int(self.tasks.house[self._walks.task[row]]))
            self._stand(row)
        super()._restored()

    def _targets(self, row: int) -> list[dict[str, Any]]:
        goal = self._goal(row)
        objects = self._controllers[row].last_event.metadata["objects"]
        return [found for found in objects if found["objectType"] == goal]

    def _goal(self, row: int) -> str:
        return self.params.categories[self.tasks.category[self._walks.task[row]]]

    def _is_found(self, row: int) -> bool:
        return any(found["visible"] for found in self._targets(row))

    def _left(self, row: int) -> float:
        """Geodesic distance m to where one of the targets is visible; inf without a path."""
        controller, shortest = self._controllers[row], math.inf
        position = dict(controller.last_event.metadata["agent"]["position"])
        for target in self._targets(row):
            try:
                path = thor_metrics.get_shortest_path_to_object(controller, target["objectId"], position)
            except ValueError:
                continue
            shortest = min(shortest, thor_metrics.path_distance(path))
        return shortest

    def _advance(self, actions: NDArray[Any]) -> None:
        rows = np.flatnonzero(self._active)
        for row in rows.tolist():
            if row in self._trails:
                self._trails[row].append((self._walks.position[row, 0], self._walks.position[row, 1]))
            self._act(row, int(actions[row]))
        self._truncated[rows] = self._elapsed[rows] >= self.params.duration
        self._observe(rows)

    def _act(self, row: int, action: int) -> None:
        w, rules = self._walks, self._rules
        w.last[row], w.collided[row] = action + 1, False
        if action == MOVE_AHEAD:
            self._move(row)
        elif action in (ROTATE_LEFT, ROTATE_RIGHT):
            w.heading[row] = (w.heading[row] + (1 if action == ROTATE_LEFT else -1)) % HEADINGS
            self._controllers[row].step(action=ACTIONS[action])
        elif action in (LOOK_UP, LOOK_DOWN):
            tilt = w.tilt[row] + (1 if action == LOOK_UP else -1)
            if LOWEST <= tilt <= HIGHEST:
                w.tilt[row] = tilt
                self._controllers[row].step(action=ACTIONS[action])
        w.success[row] = action == END and self._is_found(row)
        self._terminated[row] = action == END
        nearer = w.gauge[row] - w.left[row]
        terms = self._terms[row]
        at_the_end = rules.success if w.success[row] else rules.failure
        terms[STEP], terms[SUCCESS] = rules.step, at_the_end if action == END else 0.0
        terms[NEARER] = rules.shaping * (max(nearer, 0.0) if rules.best else nearer)
        w.gauge[row] = min(w.gauge[row], w.left[row]) if rules.best else w.left[row]
        self._rewards[row] = terms.sum()

    def _move(self, row: int) -> None:
        w, event = self._walks, self._controllers[row].step(action=ACTIONS[MOVE_AHEAD])
        if not event.metadata["lastActionSuccess"]:
            w.collided[row] = True
            w.collisions[row] += 1
            return
        place = event.metadata["agent"]["position"]
        w.path[row] += math.dist(w.position[row], (place["x"], place["z"]))
        w.position[row] = place["x"], place["z"]
        w.moves[row] += 1
        if w.moved[row] >= 0:
            turns = abs(w.heading[row] - w.moved[row])
            w.turned[row] += math.radians(TURN_DEG) * min(turns, HEADINGS - turns)
        w.moved[row] = w.heading[row]
        w.left[row] = self._left(row)

    # Pictures

    def _render(self, rows: Rows) -> dict[str, NDArray[Any]]:
        events = [self._controllers[row].last_event for row in rows.tolist()]
        images: dict[str, NDArray[Any]] = {}
        if self.params.rgb:
            images["rgb"] = np.stack([event.frame for event in events])
        if self.params.depth:
            images["depth"] = np.stack([event.depth_frame for event in events])
        if self.params.semantic:
            images["semantic"] = np.zeros((len(events), self.params.height, self.params.width), np.int32)
            for image, event in zip(images["semantic"], events, strict=True):
                for name, mask in event.class_masks.items():
                    image[mask] = type_id(name)
        return images

    def _scene(self, row: int) -> ThorScene:
        w, event = self._walks, self._controllers[row].last_event
        position = (float(w.position[row, 0]), float(w.position[row, 1]))
        return ThorScene(
            time_s=float(self._elapsed[row]) / RATE,
            house=int(self.tasks.house[w.task[row]]),
            goal=self._goal(row),
            position=position,
            yaw=float(np.radians(TURN_DEG) * w.heading[row]),
            pitch=float(np.radians(TURN_DEG) * w.tilt[row]),
            trail=np.array([*self._trails.get(row, []), position]),
            way=np.empty((0, 2)),
            success=bool(w.success[row]),
            frame=event.frame.copy(),
            depth=event.depth_frame.copy() if self.params.depth else None,
        )

    def draw(self, scene: IndoorScene, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """See `BatchEnv.draw`: what the agent sees, and how far it is."""
        import cv2

        assert isinstance(scene, ThorScene)
        assert scene.frame is not None
        views = [scene.frame] if scene.depth is None else [scene.frame, coloured(scene.depth)]
        size = round(WIDTH * zoom), round(HEIGHT * zoom)
        drawn = np.concatenate([cv2.resize(view, size, interpolation=cv2.INTER_NEAREST) for view in views], axis=1)
        frame = np.ascontiguousarray(drawn, np.uint8)
        panel(frame, [("goal", scene.goal), ("time", f"{round(scene.time_s, 1):g} s")])
        return frame


def _scenes(scenes: str, split: str, first: int, count: int) -> list[Any]:
    """What Controllers are reset to: names, or houses as a file has them."""
    stop = first + count if count else None
    found: list[Any]
    if scenes in ("ithor", "robothor"):
        found = list(room_names(scenes, split)[first:stop])
    elif scenes == "procedural":
        raise ValueError("scenes='procedural', backend='ai2thor': must be ithor, robothor or a file of ProcTHOR houses")
    else:
        found = list(itertools.islice(read_houses(scenes).data(), first, stop))
    if not found:
        raise ValueError(f"scenes={scenes!r}, split={split!r}: has no houses from first_house={first} on")
    return found
