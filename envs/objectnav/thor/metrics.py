"""Metrics of paths under the names of `ai2thor.util.metrics`, for either controller, AI2-THOR's or ours.

A point is a dict of x, y and z in m, a path a sequence of points. SPL is that of Anderson et al., "On Evaluation of
Embodied Navigation Agents" (arXiv 1807.06757, eq. 1).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from foveal.envs.objectnav.metrics import spl

Point = Mapping[str, float]


def vector_distance(v0: Point, v1: Point) -> float:
    """Distance of two points, m."""
    return math.dist([v0[axis] for axis in "xyz"], [v1[axis] for axis in "xyz"])


def path_distance(path: Sequence[Point]) -> float:
    """Length of a path, m."""
    return sum(vector_distance(start, end) for start, end in pairwise(path))


def compute_single_spl(path: Sequence[Point], shortest_path: Sequence[Point], successful_path: bool) -> float:
    """SPL of one episode; where both paths have no length, 1 if it was successful."""
    return float(spl(float(successful_path == 1), path_distance(shortest_path), path_distance(path)))


def compute_spl(episodes_with_golden: Sequence[Mapping[str, Any]]) -> float:
    """Mean SPL of episodes with "path", "shortest_path" (as of `get_shortest_path_to_object`) and "success"."""
    if not episodes_with_golden:
        raise ValueError("episodes_with_golden: must hold at least one episode")
    values = [
        compute_single_spl(episode["path"], episode["shortest_path"], episode["success"])
        for episode in episodes_with_golden
    ]
    return sum(values) / len(values)


def get_shortest_path_to_object(
    controller: Any, object_id: str, initial_position: Point, initial_rotation: Point | None = None
) -> list[dict[str, float]]:
    """The corners of the shortest path to an object.

    Args:
        controller: AI2-THOR's or ours, in the scene.
        object_id: Which object.
        initial_position: Where the path starts.
        initial_rotation: How the agent is turned there, as {x, y, z} in degrees.

    Raises:
        ValueError: Where there is none.
    """
    return _corners(
        controller, f"object {object_id!r}", initial_rotation, None,
        action="GetShortestPath", objectId=object_id, position=initial_position,
    )  # fmt: skip


def get_shortest_path_to_object_type(
    controller: Any,
    object_type: str,
    initial_position: Point,
    initial_rotation: Point | None = None,
    allowed_error: float | None = None,
) -> list[dict[str, float]]:
    """The corners of the shortest path to an object of a type; see `get_shortest_path_to_object`.

    `allowed_error` (m) is by how much AI2-THOR may miss the ends; None leaves it to AI2-THOR.
    """
    return _corners(
        controller, f"object type {object_type!r}", initial_rotation, allowed_error,
        action="GetShortestPath", objectType=object_type, position=initial_position,
    )  # fmt: skip


def get_shortest_path_to_point(
    controller: Any, initial_position: Point, target_position: Point, allowed_error: float | None = None
) -> list[dict[str, float]]:
    """The corners of the shortest path to a point; see `get_shortest_path_to_object_type`."""
    return _corners(
        controller, f"point {dict(target_position)}", None, allowed_error,
        action="GetShortestPathToPoint", position=initial_position, **{axis: target_position[axis] for axis in "xyz"},
    )  # fmt: skip


def get_episodes_with_shortest_paths(controller: Any, episodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copies of the episodes with their "shortest_path".

    Args:
        controller: Is reset to each episode's scene.
        episodes: Each with "scene", "initial_position", "initial_rotation", and "target_object_id" or
            "target_object_type".

    Raises:
        ValueError: Where there is no path.
    """
    found = copy.deepcopy([dict(episode) for episode in episodes])
    for episode in found:
        controller.reset(episode["scene"])
        start = episode["initial_position"], episode["initial_rotation"]
        if "target_object_id" in episode:
            path = get_shortest_path_to_object(controller, episode["target_object_id"], *start)
        else:
            path = get_shortest_path_to_object_type(controller, episode["target_object_type"], *start)
        episode["shortest_path"] = path
    return found


def _corners(
    controller: Any, target: str, rotation: Point | None, allowed_error: float | None, **call: Any
) -> list[dict[str, float]]:
    if rotation is not None:
        call["rotation"] = dict(rotation)
    if allowed_error is not None:
        call["allowedError"] = allowed_error
    event = controller.step(call)
    if not event.metadata["lastActionSuccess"]:
        raise ValueError(f"Unable to find shortest path to {target}: {event.metadata['errorMessage']}")
    corners: list[dict[str, float]] = event.metadata["actionReturn"]["corners"]
    return corners
