"""Where in the world everything is that moves: vehicles, what blocks the road, walkers, and the rig with its cameras.

The driving frame has y to the right of x; the world's is right-handed with z up: (x, y) there is (x, -y, 0) here, and
headings turn the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.kernels import kernel
from foveal.rng import normal, uniform

AXLE_M = 1.4
"""How far the middle of the rear axle, the origin of a rig, is behind a car's middle."""
STEP_M = 0.5
"""Between the points of a footpath."""
PACE = (0.9, 1.7)
"""Slowest and fastest walkers, m/s."""

_LOOKS, _WALKS, _CAMERAS = 1 << 40, 2 << 40, 3 << 40
"""Where in an episode's stream the numbers are drawn from: far beyond those of the traffic."""


class Paths(NamedTuple):
    """Footpaths of S streets, P in all.

    Attributes:
        points: (Q, 2) m in the world's frame, `STEP_M` apart along a path.
        firsts: (P + 1,) the first point of each path, and how many there are.
        of_street: (S + 1,) the first path of each street, and how many there are.
    """

    points: NDArray[np.float64]
    firsts: NDArray[np.int64]
    of_street: NDArray[np.int64]


class Wardrobe(NamedTuple):
    """Which of a renderer's scenes is what.

    Attributes:
        light: (S,) of each street, 0 or 1.
        vehicles: (2,) by light, the first one; so are the others.
        vehicle_count: How many.
        walkers: (2,) the first one.
        walker_count: How many.
        barrier: (2,).
    """

    light: NDArray[np.int64]
    vehicles: NDArray[np.int64]
    vehicle_count: int
    walkers: NDArray[np.int64]
    walker_count: int
    barrier: NDArray[np.int64]


class Placed(NamedTuple):
    """Where everything is, for N rows with C columns of traffic, W walkers and K cameras.

    Attributes:
        street: (N,).
        looks: (N, C + W) int64 which of the renderer's scenes; -1: nothing is there, or it is the ego.
        things: (N, C + W, 4, 4) T_world_thing.
        rig: (N, 4, 4) T_world_rig.
        cameras: (N, K, 4, 4) T_world_cam, as it truly is.
    """

    street: NDArray[np.int64]
    looks: NDArray[np.int64]
    things: NDArray[np.float64]
    rig: NDArray[np.float64]
    cameras: NDArray[np.float64]

    @classmethod
    def of(cls, rows: int, things: int, cameras: int) -> Placed:
        """Nothing anywhere."""
        poses = (np.tile(np.eye(4), (*shape, 1, 1)) for shape in ((rows, things), (rows,), (rows, cameras)))
        return cls(np.zeros(rows, np.int64), np.full((rows, things), -1), *poses)


class Mounts(NamedTuple):
    """What an episode makes of N rows' K cameras.

    Attributes:
        pose: (N, K, 4, 4) T_rig_cam, as it truly is.
        gain: (N, K, 3) by which light is multiplied.
        valid: (N, K) int8, 0 for a camera that fails.
    """

    pose: NDArray[np.float64]
    gain: NDArray[np.float64]
    valid: NDArray[np.int8]

    @classmethod
    def of(cls, rows: int, T_rig_cam: NDArray[np.float64]) -> Mounts:
        """Cameras without fault, of a rig (K, 4, 4)."""
        count = len(T_rig_cam)
        return cls(np.tile(T_rig_cam, (rows, 1, 1, 1)), np.ones((rows, count, 3)), np.ones((rows, count), np.int8))


class Faults(NamedTuple):
    """How cameras differ from what they should be; see the parameters of the same names. Turns in rad."""

    exposure: float
    white_balance: float
    calibration_angle: float
    calibration_shift: float
    dropped: float


def paths(footpaths: Sequence[Sequence[NDArray[np.float64]]]) -> Paths:
    """Footpaths, a list of polylines (P, 2) m for each street, as `Paths`."""
    points, firsts, of_street = [np.zeros((0, 2))], [0], [0]
    for street in footpaths:
        for line in street:
            along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
            steps = np.arange(0.0, along[-1], STEP_M)
            if steps.size > 1:
                points.append(np.column_stack([np.interp(steps, along, line[:, axis]) for axis in (0, 1)]))
                firsts.append(firsts[-1] + steps.size)
        of_street.append(len(firsts) - 1)
    return Paths(np.concatenate(points), np.array(firsts), np.array(of_street))


def rig_poses(places: NDArray[np.float64], egos: NDArray[np.int64]) -> NDArray[np.float64]:
    """T_world_rig (N, 4, 4) of the egos (N,), of places (N, 3 or more, C): x, y, heading in the driving frame."""
    x, y, heading = np.take_along_axis(places[:, :3], egos[:, None, None], 2)[..., 0].T
    poses = np.tile(np.eye(4), (len(egos), 1, 1))
    cos, sin = np.cos(heading), -np.sin(heading)
    poses[:, 0, 0], poses[:, 0, 1], poses[:, 1, 0], poses[:, 1, 1] = cos, -sin, sin, cos
    poses[:, 0, 3], poses[:, 1, 3] = x - AXLE_M * cos, -y - AXLE_M * sin
    return poses


@kernel
def mount_rows(start, stop, rows, seed, episode, nominal, faults, mounts):
    """Row kernel: draw what an episode makes of the cameras.

    Args:
        start: First entry of `rows`.
        stop: Last entry, plus one.
        rows: (R,).
        seed: (N,).
        episode: (N,).
        nominal: (K, 4, 4) T_rig_cam as it should be.
        faults: `Faults`.
        mounts: Out, `Mounts`.
    """
    count = len(nominal)
    for k in range(start, stop):
        r = rows[k]
        failing = -1
        if uniform(seed[r], episode[r], _CAMERAS) < faults.dropped:
            failing = int(count * uniform(seed[r], episode[r], _CAMERAS + 1))
        for c in range(count):
            first = _CAMERAS + 2 + 20 * c
            mounts.valid[r, c] = np.int8(c != failing)
            _turn(
                nominal[c],
                faults.calibration_angle * normal(seed[r], episode[r], first),
                faults.calibration_angle * normal(seed[r], episode[r], first + 2),
                faults.calibration_angle * normal(seed[r], episode[r], first + 4),
                mounts.pose[r, c],
            )
            stops = faults.exposure * normal(seed[r], episode[r], first + 6)
            for i in range(3):
                shift = faults.calibration_shift * normal(seed[r], episode[r], first + 8 + 2 * i)
                mounts.pose[r, c, i, 3] = nominal[c, i, 3] + shift
                tint = faults.white_balance * normal(seed[r], episode[r], first + 14 + 2 * i)
                mounts.gain[r, c, i] = 2.0**stops * math.exp(tint)


@kernel
def _turn(pose, about_x, about_y, about_z, out):
    """A pose (4, 4) turned about its own x, then y, then z, rad."""
    cx, sx, cy, sy, cz, sz = (
        math.cos(about_x), math.sin(about_x), math.cos(about_y), math.sin(about_y), math.cos(about_z), math.sin(about_z)
    )  # fmt: skip
    for i in range(3):
        x, y, z = pose[i, 0], pose[i, 1], pose[i, 2]
        y, z = y * cx + z * sx, z * cx - y * sx
        x, z = x * cy - z * sy, z * cy + x * sy
        x, y = x * cz + y * sz, y * cz - x * sz
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = x, y, z, pose[i, 3]
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = 0.0, 0.0, 0.0, 1.0


@kernel
def place_rows(start, stop, rows, seed, episode, places, time, vehicles, objects, egos, paths, wardrobe, mounts, out):
    """Row kernel: where everything is.

    Args:
        start: First entry of `rows`.
        stop: Last entry, plus one.
        rows: (R,).
        seed: (N,).
        episode: (N,).
        places: (N, 3, C) x, y, heading in the driving frame.
        time: (N,) s.
        vehicles: (N,) how many there are.
        objects: (N,) how many columns from the last one back hold what blocks the road.
        egos: (N, 1).
        paths: `Paths`.
        wardrobe: `Wardrobe`.
        mounts: `Mounts`.
        out: `Placed`.
    """
    streets = len(wardrobe.light)
    for k in range(start, stop):
        r = rows[k]
        street = int(streets * uniform(seed[r], episode[r], _LOOKS))
        out.street[r] = street
        light, ego, columns = wardrobe.light[street], egos[r, 0], places.shape[2]
        for i in range(columns):
            x, y, yaw = places[r, 0, i], -places[r, 1, i], -places[r, 2, i]
            look = -1
            if i < vehicles[r] and i != ego:
                pick = uniform(seed[r], episode[r], _LOOKS + 1 + i)
                look = wardrobe.vehicles[light] + int(wardrobe.vehicle_count * pick)
            elif i >= columns - objects[r]:
                look = wardrobe.barrier[light]
            out.looks[r, i] = look
            _stand(x, y, yaw, out.things[r, i])
        x, y, yaw = places[r, 0, ego], -places[r, 1, ego], -places[r, 2, ego]
        _stand(x - AXLE_M * math.cos(yaw), y - AXLE_M * math.sin(yaw), yaw, out.rig[r])
        for w in range(out.looks.shape[1] - columns):
            at = columns + w
            out.looks[r, at] = _walk(seed[r], episode[r], w, time[r], street, paths, wardrobe, out.things[r, at])
        for c in range(mounts.pose.shape[1]):
            _compose(out.rig[r], mounts.pose[r, c], out.cameras[r, c])


@kernel
def _walk(seed, episode, w, time, street, paths, wardrobe, pose):
    """Walker `w` goes up and down a footpath; which scene he looks like, -1 where there is no path."""
    first, count = paths.of_street[street], paths.of_street[street + 1] - paths.of_street[street]
    index = _WALKS + 4 * w
    _stand(0.0, 0.0, 0.0, pose)
    if count == 0:
        return -1
    path = first + int(count * uniform(seed, episode, index))
    points = paths.firsts[path + 1] - paths.firsts[path]
    length = STEP_M * (points - 1)
    pace = PACE[0] + (PACE[1] - PACE[0]) * uniform(seed, episode, index + 1)
    along = (2 * length * uniform(seed, episode, index + 2) + pace * time) % (2 * length)
    back = along > length
    along = 2 * length - along if back else along
    piece = min(int(along / STEP_M), points - 2)
    a, share = paths.firsts[path] + piece, along / STEP_M - piece
    ax, ay = paths.points[a, 0], paths.points[a, 1]
    dx, dy = paths.points[a + 1, 0] - ax, paths.points[a + 1, 1] - ay
    _stand(ax + share * dx, ay + share * dy, math.atan2(-dy, -dx) if back else math.atan2(dy, dx), pose)
    pick = uniform(seed, episode, index + 3)
    return wardrobe.walkers[wardrobe.light[street]] + int(wardrobe.walker_count * pick)


@kernel
def _stand(x, y, yaw, out):
    """The pose (4, 4) of what stands upright on the ground."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = cos, -sin, 0.0, x
    out[1, 0], out[1, 1], out[1, 2], out[1, 3] = sin, cos, 0.0, y
    out[2, 0], out[2, 1], out[2, 2], out[2, 3] = 0.0, 0.0, 1.0, 0.0
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = 0.0, 0.0, 0.0, 1.0


@kernel
def _compose(a, b, out):
    """One rigid pose (4, 4) after another."""
    for i in range(3):
        for j in range(4):
            total = a[i, 3] if j == 3 else 0.0
            for k in range(3):
                total += a[i, k] * b[k, j]
            out[i, j] = total
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = 0.0, 0.0, 0.0, 1.0
