"""What the cameras of a rig see: fields of view, sectors of the horizon, overlaps, blind sectors, baselines.

Azimuths are radians about the rig's z, counter-clockwise seen from above, 0 forward. What is said of the horizon is so
for things far away: the cameras' distances from each other do not count there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from foveal.optics.rig import Floats, Mask, RigCamera, RigSpec, orientation

_ARC_STEPS = 3600
_SLIVER = 1e-6
"""Width of a gap that is rounding, rad."""


def fields_of_view(camera: RigCamera) -> tuple[float, float]:
    """Horizontal and vertical field of view, rad, between the outer edges of the principal point's row and column."""
    whole, ahead = replace(camera, mask=None), np.array([0.0, 0, 1])
    across, down = (_arcs(whole.sees, ahead, np.array(side)) for side in ((-1.0, 0, 0), (0, 1.0, 0)))
    return float(np.diff(across).sum()), float(np.diff(down).sum())


def horizon(camera: RigCamera) -> Floats:
    """Sectors (k, 2) of the horizon that a camera sees: from and to, azimuths in [-pi, pi], rad.

    One that reaches over the back is in two parts. A camera that looks too far down sees none.
    """
    yaw = orientation(camera.T_rig_cam)[0]
    to_camera = camera.T_rig_cam[:3, :3].T
    ahead = to_camera @ (math.cos(yaw), math.sin(yaw), 0)
    left = to_camera @ (-math.sin(yaw), math.cos(yaw), 0)
    arcs = _arcs(camera.sees, ahead, left) + yaw
    parts = np.concatenate([arcs, arcs - 2 * math.pi, arcs + 2 * math.pi]).clip(-math.pi, math.pi)
    return parts[np.diff(parts)[:, 0] > 0]


def overlaps(rig: RigSpec) -> Floats:
    """(N, N) how much of the horizon two cameras both see, rad; on the diagonal what each sees."""
    sectors = [horizon(camera) for camera in rig.cameras]
    return np.array([[_shared(one, other) for other in sectors] for one in sectors])


def neighbours(rig: RigSpec) -> list[tuple[int, int]]:
    """Pairs of cameras next to each other in yaw, all the way round, counter-clockwise from the first camera."""
    yaw = np.array([orientation(pose)[0] for pose in rig.T_rig_cam])
    turns = np.round((yaw - yaw[0]) / (2 * math.pi) % 1, 9) % 1
    order = np.argsort(turns, kind="stable").tolist()
    pairs = list(zip(order, order[1:] + order[:1], strict=True))
    return pairs[: len(pairs) if len(pairs) > 2 else len(pairs) - 1]


def baselines(rig: RigSpec) -> Floats:
    """(N, N) distances between the optical centres, m."""
    centres = rig.T_rig_cam[:, :3, 3]
    return np.asarray(np.linalg.norm(centres[:, None] - centres, axis=-1))


def blind_sectors(rig: RigSpec) -> Floats:
    """Sectors (k, 2) of the horizon that no camera sees, rad: from an azimuth in [-pi, pi) to a greater one.

    One over the back is in one part, and ends beyond pi.
    """
    seen = np.concatenate([horizon(camera) for camera in rig.cameras] + [np.full((1, 2), math.pi)])
    blind, reached = [], -math.pi
    for start, stop in seen[seen[:, 0].argsort()]:
        if start - reached > _SLIVER:
            blind.append([reached, start])
        reached = max(reached, stop)
    if len(blind) > 1 and blind[0][0] == -math.pi and blind[-1][1] == math.pi:
        blind[-1][1] = blind.pop(0)[1] + 2 * math.pi
    return np.array(blind).reshape(-1, 2)


def _arcs(sees: Callable[[Floats], Mask], ahead: Floats, aside: Floats) -> Floats:
    """Arcs (k, 2) of a circle that are seen, in [-pi, pi], rad; 0 is ahead, pi / 2 aside.

    What is narrower than a tenth of a degree may be missed; the ends are exact.
    """

    def seen(angles: Floats) -> Mask:
        return sees(np.cos(angles)[..., None] * ahead + np.sin(angles)[..., None] * aside)

    angles = np.linspace(-math.pi, math.pi, _ARC_STEPS + 1)
    at = seen(angles)
    change = np.flatnonzero(at[1:] != at[:-1])
    low, high, before = angles[change], angles[change + 1], at[change]
    for _ in range(40):
        middle = (low + high) / 2
        same = seen(middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    ends = [*[-math.pi] * bool(at[0]), *((low + high) / 2), *[math.pi] * bool(at[-1])]
    return np.array(ends).reshape(-1, 2)


def _shared(one: Floats, other: Floats) -> float:
    start = np.maximum(one[:, None, 0], other[:, 0])
    stop = np.minimum(one[:, None, 1], other[:, 1])
    return float((stop - start).clip(min=0).sum())
