"""What a scenario must hold before anything drives in it: roads that meet, vehicles that start apart."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.collisions import separating_axes
from foveal.envs.driving.roads import Name, Network

REACH = 8.0
"""Metres from where a lane ends to where the next begins, at most: two lanes' width (highway-env's have up to 5.6)."""


def check_roads_meet(names: list[Name], network: Network) -> None:
    """Refuse a road that goes on, at a node, to roads that all begin elsewhere.

    Args:
        names: Of the lanes, by their numbers.
        network: The road as kernels read it.

    Raises:
        ValueError: naming the two roads and the metres between them.
    """
    begins, ends = defaultdict(list), defaultdict(list)
    for number, name in enumerate(names):
        begins[name[:2]].append(ln.from_lane(network.lanes, number, 0.0, 0.0))
        ends[name[:2]].append(ln.from_lane(network.lanes, number, network.lanes[number, ln.LENGTH], 0.0))
    for road in begins:
        for following in begins:
            if road[1] != following[0]:
                continue
            apart = np.array(ends[road])[:, None] - np.array(begins[following])  # (lanes, lanes, 2)
            nearest = float(np.linalg.norm(apart, axis=2).min())
            if nearest > REACH:
                raise ValueError(
                    f"lay: road {road[0]!r} to {road[1]!r} ends {nearest:.1f} m from where road {following[0]!r} to "
                    f"{following[1]!r} begins, must be at most {REACH:g} m (Scenario.gaps=True allows it)"
                )


def check_start_apart(traffic: NDArray[np.float64], count: int, objects: int) -> None:
    """Refuse vehicles that overlap one another, or an obstacle, where they start.

    Args:
        traffic: (K, V) float64, a row's vehicles and road objects by feature.
        count: How many vehicles there are.
        objects: The first column of the road objects.

    Raises:
        ValueError: naming the two columns and where they are.
    """
    things = [*range(count), *(k for k in range(objects, traffic.shape[1]) if traffic[tr.KIND, k] == tr.OBSTACLE)]
    for i, j in combinations(things, 2):
        if i < count and separating_axes(traffic, i, j, 0.0, 0.0)[0]:
            (x, y), (other_x, other_y) = traffic[tr.X : tr.Y + 1, [i, j]].T
            raise ValueError(
                f"spawn: vehicle {i} at ({x:.1f}, {y:.1f}) m overlaps {'vehicle' if j < count else 'obstacle'} {j} at "
                f"({other_x:.1f}, {other_y:.1f}) m (Scenario.overlaps=True allows it)"
            )
