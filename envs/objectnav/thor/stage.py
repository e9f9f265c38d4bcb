"""Where an agent is, and what it can do and see from there: a place under some settings.

Poses are in our frame (`house`), but for their angles, which are AI2-THOR's: degrees, rotation clockwise from +y, and
horizon, down from level.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.navigation import Lattice, distances, explore, refine, shortest_path
from foveal.envs.objectnav.obstacles import footprints, in_the_way, is_clear, squared_gap_to_point, survey
from foveal.envs.objectnav.sights import Instances, sights_of
from foveal.envs.objectnav.thor.place import Place
from foveal.envs.objectnav.thor.settings import Settings
from foveal.envs.objectnav.visibility import Eye, find, success_positions
from foveal.envs.rendering.renderer import Renderer
from foveal.kernels import launch
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

Point = tuple[float, float]

FAR_M = 20.0
"""Where depth ends: AI2-THOR's far plane."""


class Pose(NamedTuple):
    """Where an agent is and where it looks.

    Attributes:
        x: m.
        y: m.
        rotation: Clockwise from +y, degrees in [0, 360).
        horizon: Down, degrees.
        standing: Whether it does not crouch.
    """

    x: float
    y: float
    rotation: float = 0.0
    horizon: float = 0.0
    standing: bool = True


class Stage:
    """A place with an agent's body, eye and grid.

    Attributes:
        place: Where.
        settings: How.
        start: The pose at the beginning: the house's start, else the reachable position nearest to their middle.
    """

    def __init__(self, place: Place, settings: Settings) -> None:
        self.place, self.settings = place, settings
        house, agent = place.house, settings.agent
        self._obstacles = survey([house], agent.body)
        self._lattice = explore([house], self._obstacles, settings.gridSize)
        things = len(place.things)
        self._sights = sights_of([dataclasses.replace(house, things=place.things)], settings.visibilityDistance)
        each = np.arange(things + 1)
        self._instances = Instances(each[None].astype(np.int64), each[:-1].astype(np.int32))
        self._found: dict[tuple[int, ...], NDArray[np.float32]] = {}
        self.start = self._start()

    def _start(self) -> Pose:
        positions, given = self._lattice.positions, self.place.house.start
        if not len(positions):
            raise ValueError(f"{self.place.name}: there is no room for an agent to stand")
        if given is not None and self.is_clear(given.position[:2], given.position[:2]):
            turned = -math.degrees(given.yaw) % 360
            low, high = self.settings.horizons
            return Pose(*given.position[:2], turned, min(max(math.degrees(given.horizon), low), high))
        middle = np.argmin(np.linalg.norm(positions - positions.mean(0), axis=1))
        return Pose(*positions[middle].tolist())

    # Walking

    def is_clear(self, start: Point, end: Point) -> bool:
        """Whether the body can be moved straight from one point to the other; from a point to itself: stand there."""
        low, high = self.place.house.bounds
        is_inside = bool((low <= end).all() and (end <= high).all())  # else a way may have more pieces than fit
        return is_inside and bool(is_clear(self._obstacles, 0, *start, *end))

    def blocker(self, start: Point, end: Point) -> int | None:
        """Which thing is most in the way of a move, by its number; None: a wall, or where the house ends."""
        body, house = self.settings.agent.body, self.place.house
        boxes = footprints(house, body)
        way = [(start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])) for t in np.linspace(0, 1, 11)]
        gaps = [min(squared_gap_to_point(box, *point) for point in way) for box in boxes]
        things = in_the_way(house, body)
        nearest = int(np.argmin(gaps)) if gaps else len(things)
        return house.things.index(things[nearest]) if nearest < len(things) else None

    def snapped(self, point: Point) -> Point:
        """The grid's point nearest to a point."""
        x, y = self._lattice.anchors[0].tolist()
        grid = self.settings.gridSize
        return x + round((point[0] - x) / grid) * grid, y + round((point[1] - y) / grid) * grid

    def reachable(self, grid: float) -> NDArray[np.float64]:
        """(P, 2) m, the reachable positions on a grid."""
        if grid == self.settings.gridSize:
            return self._lattice.positions
        return explore([self.place.house], self._obstacles, grid).positions

    @cached_property
    def _fine(self) -> Lattice:
        return refine([self.place.house], self._obstacles, self._lattice)

    def way_to_see(self, start: Point, things: tuple[int, ...]) -> NDArray[np.float64]:
        """The corners (K, 2) m of the shortest path to where one of some things is visible; K is 0 if there is none."""
        if things not in self._found:
            eye = self._eye(True)
            rows = np.array(things, np.int32)
            self._found[things] = distances(
                self._fine, 0, success_positions(self._sights, rows, self._fine.positions, eye)
            )
        return shortest_path(self._obstacles, self._fine, 0, self._found[things], 0, start)

    def way_to(self, start: Point, end: Point, error: float) -> NDArray[np.float64]:
        """The corners (K, 2) m of the shortest path to a point, or to the reachable one within `error` m of it."""
        if self.is_clear(start, end):
            return np.array([start, end])
        positions = self._fine.positions
        gaps = np.linalg.norm(positions - end, axis=1)
        goals = gaps < 2 * self._fine.spacing
        goals[goals] = [self.is_clear((x, y), end) for x, y in positions[goals].tolist()]
        if not goals.any():
            nearest = int(np.argmin(gaps))
            goals[nearest] = gaps[nearest] <= error
            end = (float(positions[nearest, 0]), float(positions[nearest, 1]))
        corners = shortest_path(self._obstacles, self._fine, 0, distances(self._fine, 0, goals), 0, start)
        return np.vstack([corners, [end]]) if len(corners) and math.dist(corners[-1], end) > 1e-6 else corners

    # Seeing

    def _eye(self, standing: bool) -> Eye:
        s = self.settings
        half = math.tan(math.radians(s.fov) / 2)
        return Eye(s.agent.standing if standing else s.agent.crouching, half * s.width / s.height, half)

    def camera(self, pose: Pose) -> tuple[float, float, float]:
        """Where the camera is (x, y, z), m."""
        return pose.x, pose.y, self._eye(pose.standing).height

    def visible(self, pose: Pose) -> NDArray[np.bool_]:
        """(T,) which of the place's things are within `visibilityDistance` and in view (`foveal…visibility`)."""
        count = len(self.place.things)
        seen = np.empty(count, bool)
        launch(
            find, count, self._sights, self._instances, self._eye(pose.standing), np.zeros(count, np.int64),
            np.arange(count), np.full((count, 2), pose[:2]), np.full(count, -math.radians(pose.rotation)),
            np.full(count, -math.radians(pose.horizon)), seen,
        )  # fmt: skip
        return seen

    @cached_property
    def _renderer(self) -> Renderer:
        s = self.settings
        wanted = {
            "rgb": s.renderImage,
            "depth": s.renderDepthImage,
            "instance": s.renderInstanceSegmentation or s.renderSemanticSegmentation,
            "semantic": s.renderInstanceSegmentation or s.renderSemanticSegmentation,
        }
        camera = Camera.from_vertical_fov(s.width, s.height, math.radians(s.fov))
        return Renderer([self.place.scene], camera, [name for name, is_wanted in wanted.items() if is_wanted])

    def images(self, pose: Pose) -> dict[str, NDArray[Any]]:
        """What the settings ask to be rendered: "rgb", "depth" (m, at most `FAR_M`), "instance" and "semantic"."""
        s = self.settings
        if not (s.renderImage or s.renderDepthImage or s.renderInstanceSegmentation or s.renderSemanticSegmentation):
            return {}
        turned = -math.radians(pose.rotation), -math.radians(pose.horizon)
        images = self._renderer.render([0], look(self.camera(pose), *turned)[None])
        if "depth" in images:
            np.minimum(images["depth"], FAR_M, out=images["depth"])
        return {name: image[0] for name, image in images.items()}
