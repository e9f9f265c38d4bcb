"""The things one may be sent to find in some houses: from where each is found, and how far that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.expert import Task, shortest_actions
from foveal.envs.objectnav.navigation import distances, explore, places, refine, shortest_path
from foveal.envs.objectnav.obstacles import LOCOBOT, Body, survey
from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.sights import SUCCESS_M, instances_of, sights_of
from foveal.envs.objectnav.visibility import LOCOBOT_EYE, Eye, success_positions


class Goals:
    """Everything a kernel needs to move in some houses, to tell success and to measure distances.

    Distances are found at the first question about a house's category, and kept; `prepare` asks it.

    Attributes:
        obstacles: What stops whoever walks in the H houses, in their order.
        reachable: The lattice of 0.25 m, AI2-THOR's reachable positions; episodes start on it.
        lattice: The finer one, on which distances are told.
        sights: What can be seen.
        instances: The things of the C categories, in their order.
        eye: The camera.
        field: (F,) float32 m, geodesic distances of `lattice`'s positions to success, of all houses and categories.
        offsets: (H, C) int64, where each house's and category's begin in `field`.
    """

    def __init__(
        self,
        houses: Sequence[House],
        categories: Sequence[str],
        *,
        body: Body = LOCOBOT,
        eye: Eye = LOCOBOT_EYE,
        reach: float = SUCCESS_M,
    ):
        self.obstacles = survey(houses, body)
        self.reachable = explore(houses, self.obstacles)
        self.lattice = refine(houses, self.obstacles, self.reachable)
        self.sights = sights_of(houses, reach)
        self.instances = instances_of(houses, self.sights, categories)
        self.eye = eye
        starts, count = self.lattice.starts, len(categories)
        self.offsets = starts[:-1, None] * count + np.arange(count) * np.diff(starts)[:, None]
        self.field = np.full(starts[-1] * count, np.inf, np.float32)
        self._fine = [
            places(self.lattice, house, self.reachable.positions[self.reachable.of(house)])
            for house in range(len(houses))
        ]
        self._prepared = np.zeros(self.offsets.shape, bool)

    def prepare(self, house: int, category: int) -> None:
        """See to it that `field` holds the distances of a house's category."""
        if not self._prepared[house, category]:
            things = self.instances.of(house, category)
            positions = self.lattice.positions[self.lattice.of(house)]
            found = success_positions(self.sights, things, positions, self.eye)
            self.distances(house, category)[:] = distances(self.lattice, house, found)
            self._prepared[house, category] = True

    def distances(self, house: int, category: int) -> NDArray[np.float32]:
        """(P,) float32 m, the part of `field` that belongs to a house's category."""
        offset = self.offsets[house, category]
        return self.field[offset : offset + self.lattice.starts[house + 1] - self.lattice.starts[house]]

    def starts(self, house: int, category: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Where an episode may start, and how far it is from there.

        Returns:
            (K, 2) float64 m reachable positions from which success is at least one move away, and (K,) float32 m
            geodesic distances. K is 0 where no reachable position has success: there, nothing is promised.
        """
        self.prepare(house, category)
        far = self.distances(house, category)[self._fine[house]]
        chosen = (far > 0) & (far < np.inf) & (far == 0).any()
        return self.reachable.positions[self.reachable.of(house)][chosen], far[chosen]

    @property
    def task(self) -> Task:
        """What kernels and searches read."""
        return Task(self.obstacles, self.lattice, self.field, self.sights, self.instances, self.eye)

    def shortest_actions(
        self, house: int, category: int, position: tuple[float, float], heading: int, tilt: int = 0
    ) -> NDArray[np.int8] | None:
        """See `expert.shortest_actions`."""
        self.prepare(house, category)
        return shortest_actions(self.task, house, category, self.offsets[house, category], position, heading, tilt)

    def shortest_path(self, house: int, category: int, position: tuple[float, float]) -> NDArray[np.float64]:
        """See `navigation.shortest_path`."""
        self.prepare(house, category)
        return shortest_path(self.obstacles, self.lattice, house, self.field, self.offsets[house, category], position)
