"""Rigs to start from: two cars with six cameras, one with four fisheyes, and rooms with a ring of cameras.

They are like the rigs they are named after, not their calibration; each function says what its numbers are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from foveal.optics.rig import Floats, RigCamera, RigSpec, mount

_NUSCENES = (  # name, position [m], yaw [degrees], focal length [px], column of the principal point [px]
    ("front", (1.70, 0.02, 1.51), 0.3, 1266.4, 793.0),
    ("front_left", (1.52, 0.49, 1.51), 55.2, 1272.6, 801.0),
    ("back_left", (1.04, 0.48, 1.59), 108.6, 1256.7, 768.0),
    ("back", (0.03, 0.00, 1.58), 179.9, 809.2, 805.0),
    ("back_right", (1.01, -0.48, 1.56), -110.8, 1259.5, 784.0),
    ("front_right", (1.55, -0.49, 1.50), -56.4, 1260.8, 785.0),
)


def nuscenes_like() -> RigSpec:
    """Six cameras of 1600 by 900 pixels at 12 Hz, five of 65 degrees and one of 89 to the back.

    Positions, yaws and focal lengths are those of one car of nuScenes, rounded to 1 cm, 0.1
    degrees and 0.1 pixels; pitch and roll, within a degree there, are 0. The principal points' columns are the ones
    nearest to the middle with which neighbours overlap as they do there: from front to the left and round 9.3, 12.3,
    4.6, 8.5, 10.4 and 7.7 degrees. The rows are the middle. Origin: the rear axle, on the ground.
    """
    cameras = [
        RigCamera(name, 1600, 900, _matrix(focal, column, 449.5), mount(position, math.radians(yaw)), rate_hz=12.0)
        for name, position, yaw, focal, column in _NUSCENES
    ]
    return RigSpec("nuscenes-like", tuple(cameras))


def ddad_like() -> RigSpec:
    """Six cameras of 1936 by 1216 pixels at 10 Hz, one every 60 degrees, of 48 degrees to the front and 80 elsewhere.

    Size, rate and spacing are those of DDAD (README of TRI-ML/DDAD), the field of view to the front is about its; the
    other fields and all positions, on a circle of 0.6 m radius, are ours. Origin: the rear axle, on the ground.
    """
    names = ("front", "front_left", "back_left", "back", "back_right", "front_right")
    cameras = []
    for number, name in enumerate(names):
        yaw = math.radians(60 * number)
        focal = 1936 / 2 / math.tan(math.radians(80 if number else 48) / 2)
        pose = mount((1.0 + 0.6 * math.cos(yaw), 0.6 * math.sin(yaw), 1.6), yaw)
        cameras.append(RigCamera(name, 1936, 1216, _matrix(focal, 967.5, 607.5), pose))
    return RigSpec("ddad-like", tuple(cameras))


def fisheye_four() -> RigSpec:
    """Four fisheyes of 1280 by 960 pixels at 30 Hz, 190 degrees wide, low on a car and tilted down by 20 degrees.

    The usual layout for parking, in bumpers and mirrors; the numbers are ours. Equidistant, without distortion.
    Origin: the rear axle, on the ground.
    """
    places = {"front": (3.7, 0.0, 0.7), "left": (2.0, 1.0, 1.0), "back": (-1.0, 0.0, 0.9), "right": (2.0, -1.0, 1.0)}
    K = _matrix(640 / math.radians(95), 639.5, 479.5)
    cameras = [
        RigCamera(name, 1280, 960, K, mount(position, number * math.pi / 2, math.radians(-20)), "fisheye", rate_hz=30.0)
        for number, (name, position) in enumerate(places.items())
    ]
    return RigSpec("fisheye-four", tuple(cameras))


def room_ring(count: int = 5) -> RigSpec:
    """Cameras of 960 by 720 pixels at 30 Hz on a ring round a room, of 90 degrees, looking at its middle.

    Radius 5 m, height 3 m, pitch -35 degrees: as in Active3DPose (ICLR 2023, arXiv:2303.03767). Origin: the middle,
    on the floor.

    Args:
        count: N cameras, evenly spaced.

    Raises:
        ValueError: for other than 1 to 64.
    """
    if not 1 <= count <= 64:
        raise ValueError(f"count={count}: must be in [1, 64]")
    cameras = []
    for number in range(count):
        at = 2 * math.pi * number / count
        pose = mount((5 * math.cos(at), 5 * math.sin(at), 3), at + math.pi, math.radians(-35))
        cameras.append(RigCamera(f"camera_{number}", 960, 720, _matrix(480.0, 479.5, 359.5), pose, rate_hz=30.0))
    return RigSpec(f"room-ring-{count}", tuple(cameras))


PRESETS: dict[str, Callable[[], RigSpec]] = {
    "nuscenes-like": nuscenes_like,
    "ddad-like": ddad_like,
    "fisheye-four": fisheye_four,
    "room-ring-5": room_ring,
}
"""By name; room-ring-N is one for every N."""


def preset(name: str) -> RigSpec:
    """The preset of a name.

    Raises:
        KeyError: where there is none.
        ValueError: for a ring of too many cameras.
    """
    if ring := re.fullmatch(r"room-ring-(\d{1,4})", name):
        return room_ring(int(ring[1]))
    return PRESETS[name]()


def _matrix(focal: float, column: float, row: float) -> Floats:
    return np.array([[focal, 0, column], [0, focal, row], [0, 0, 1]])
