"""Plain descriptions of one row of a world, for whoever draws it or talks about it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lane:
    """A lane's centre line and markings.

    Attributes:
        centre: (P, 2) float64, metres, world frame: points along the centre line in the driving direction.
        width_m: Width in metres.
        lines: The markings on the left and on the right side (seen along the driving direction, y pointing right):
            ``"none"``, ``"striped"`` or ``"continuous"``.
    """

    centre: NDArray[np.float64]
    width_m: float
    lines: tuple[str, str] = ("striped", "striped")


MEASURES = (
    "time_to_collision",  # s, along the ego's lane: of whichever of the two follows the other
    "time_to_collision_2d",  # s, of the two rectangles at their present velocities
    "time_headway",  # s, front to front along the ego's lane, of the one that follows
    "deceleration_to_avoid",  # m/s^2, that the one that follows needs
    "distance",  # m, between the rectangles
    "time_to_conflict",  # s, of the ego to the point where the two paths meet
    "time_to_conflict_other",  # s, of the other
    "conflict_difference",  # s, the other's less the ego's
)
"""Measures of a neighbour's risk; see `foveal.envs.driving.surrogates`. Never is 1000 s, nobody is 1000 m away."""
SLOTS = tuple(f"{where} {side}" for where in ("ahead", "behind") for side in ("left", "same", "right"))
"""Around the ego, by lane."""


@dataclass(frozen=True)
class SceneRisk:
    """How near the ego is to a crash.

    Attributes:
        each: (V, 8) float32, `MEASURES` of each vehicle.
        worst: (8,) float32, over all of them.
        slots: (6, 3) float32, of the nearest in each of `SLOTS`: gap m, closing speed m/s, time to collision s.
        key: The scene in bins; see `foveal.envs.driving.risk.scene_key`.
    """

    each: NDArray[np.float32]
    worst: NDArray[np.float32]
    slots: NDArray[np.float32]
    key: int


@dataclass(frozen=True)
class Scene:
    """One row of a driving world at one moment.

    World frame of the driving suite: metres, x along the road, y to the driver's right (highway-env's convention);
    headings in radians from +x towards +y. Vehicle order is the world's own; vehicle ``ego`` is the controlled one.

    Attributes:
        time_s: Time since the episode began, seconds.
        position: (V, 2) float64, vehicle centres, metres.
        heading: (V,) float64, radians.
        speed: (V,) float64, metres per second.
        size: (V, 2) float64, length and width, metres.
        lane: (V,) int64, index into `lanes` of the closest lane.
        target_lane: (V,) int64, the lane each vehicle steers for.
        crashed: (V,) bool.
        ego: Index of the controlled vehicle.
        observed: (S,) int64, the vehicle in each slot of the observation (slot 0 is the ego), -1 for an empty slot.
        lanes: The road.
        kind: What each of the V is: ``"vehicle"``, ``"obstacle"`` or ``"landmark"`` (a goal); empty: all are vehicles.
        risk: Where the world measures it; not of traced substeps.
    """

    time_s: float
    position: NDArray[np.float64]
    heading: NDArray[np.float64]
    speed: NDArray[np.float64]
    size: NDArray[np.float64]
    lane: NDArray[np.int64]
    target_lane: NDArray[np.int64]
    crashed: NDArray[np.bool_]
    ego: int
    observed: NDArray[np.int64]
    lanes: tuple[Lane, ...]
    kind: tuple[str, ...] = ()
    risk: SceneRisk | None = None


def between(before: Scene, after: Scene, part: float) -> Scene:
    """A scene between two substeps, for the eye: what moves has gone `part` of its way, in [0, 1]."""
    turn = (after.heading - before.heading + np.pi) % (2 * np.pi) - np.pi
    return dataclasses.replace(
        before,
        time_s=before.time_s + part * (after.time_s - before.time_s),
        position=before.position + part * (after.position - before.position),
        heading=before.heading + part * turn,
        speed=before.speed + part * (after.speed - before.speed),
        observed=after.observed,
    )
