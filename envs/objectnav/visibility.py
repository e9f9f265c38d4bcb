"""What is seen from where: rays between a camera and points of a thing's surface.

A thing is its box, and points lie on the box's faces in a fixed density. It is visible if one of them, on a face turned
to the camera, is within the view and the straight line to it is free. (In AI2-THOR it is visible if a ray reaches one
of some points that were placed on it by hand.) What hides is walls without their openings, and other things' boxes;
but a box that holds the camera, or the point at some depth, hides nothing from it, as it must be hollow there: pillows
lie in a sofa's box, chairs stand in a table's. What lies in a closed container is not visible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.obstacles import squared_gap_to_point
from foveal.envs.objectnav.sights import (
    COS,
    HALF_DEPTH,
    HALF_HEIGHT,
    HALF_WIDTH,
    SEALED,
    SIN,
    Sights,
    X,
    Y,
    Z,
)
from foveal.kernels import kernel, launch

DENSITY_M = 0.04
"""Distance of neighbouring points on a face."""
MOST_POINTS = 10
"""Along one edge: on faces longer than 0.4 m points lie further apart."""
CONTACT_M = 0.005
"""A box that a ray enters no earlier before its end does not hide that: things touch."""
HELD_M = 0.03
"""How deep a point must be in a box to be held by it, and not just stand on it."""


class Eye(NamedTuple):
    """A pinhole camera on an agent; the default is AI2-THOR's LoCoBot.

    Attributes:
        height: m above the floor.
        tan_x: Tangent of half the horizontal field of view.
        tan_y: Tangent of half the vertical one.
    """

    height: float = 0.8698
    tan_x: float = math.tan(math.radians(63.453) / 2) * 4 / 3
    tan_y: float = math.tan(math.radians(63.453) / 2)


LOCOBOT_EYE = Eye()
PITCHES = (0.0, math.radians(-30), math.radians(30))
"""A level look, one look down and one up."""


@kernel
def is_visible(sights, thing, x, y, z, yaw, pitch, tan_x, tan_y):
    """Whether a thing (a row of `sights.boxes` within reach) is visible to a camera.

    The camera is at (x, y, z) m; at yaw 0 it looks along +y, counter-clockwise is positive; at a positive pitch it
    looks up. `tan_x` and `tan_y` are the tangents of half its fields of view.
    """
    if sights.boxes[thing, SEALED] > 0:
        return False
    cos_yaw, sin_yaw, cos_pitch, sin_pitch = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    if _out_of_view(sights.boxes, thing, x, y, z, cos_yaw, sin_yaw, cos_pitch, sin_pitch, tan_x, tan_y):
        return False
    last = np.int64(-1)
    for k in range(_points(sights.boxes, thing)):
        seen, dx, dy, dz = _point(sights.boxes, thing, k, x, y, z)
        if seen and _in_view(dx, dy, dz, cos_yaw, sin_yaw, cos_pitch, sin_pitch, tan_x, tan_y):
            last = _blocker(sights, thing, last, x, y, z, dx, dy, dz)
            if last < 0:
                return True
    return False


@kernel
def is_visible_in_some(sights, thing, x, y, z, views, tan_x, tan_y):
    """Whether a thing is visible in one of some `views`: (V, 4) cosine and sine of yaw, and of pitch."""
    if sights.boxes[thing, SEALED] > 0:
        return False
    last = np.int64(-1)
    for k in range(_points(sights.boxes, thing)):
        seen, dx, dy, dz = _point(sights.boxes, thing, k, x, y, z)
        if not seen:
            continue
        for v in range(views.shape[0]):
            if _in_view(dx, dy, dz, views[v, 0], views[v, 1], views[v, 2], views[v, 3], tan_x, tan_y):
                last = _blocker(sights, thing, last, x, y, z, dx, dy, dz)
                if last < 0:
                    return True
                break
    return False


@kernel
def _along(half):
    """Points along an edge of length 2 · half."""
    return min(max(np.int64(round(2.0 * half / DENSITY_M)), 1), MOST_POINTS)


@kernel
def _points(boxes, thing):
    """Points on three faces of a box, of which the camera is in front of some."""
    width, depth, height = (
        _along(boxes[thing, HALF_WIDTH]),
        _along(boxes[thing, HALF_DEPTH]),
        _along(boxes[thing, HALF_HEIGHT]),
    )
    return width * depth + width * height + depth * height


@kernel
def _point(boxes, thing, k, x, y, z):
    """The k-th point, on the face nearest to the camera: whether that is turned to it, and the way there, m."""
    cos, sin = boxes[thing, COS], boxes[thing, SIN]
    half_x, half_y, half_z = boxes[thing, HALF_WIDTH], boxes[thing, HALF_DEPTH], boxes[thing, HALF_HEIGHT]
    width, depth, height = _along(half_x), _along(half_y), _along(half_z)
    x, y, z = x - boxes[thing, X], y - boxes[thing, Y], z - boxes[thing, Z]
    x, y = x * cos + y * sin, y * cos - x * sin  # of the camera, in the box's frame
    if k < width * depth:
        seen = abs(z) > half_z
        to_x = half_x * ((2 * (k % width) + 1) / width - 1.0)
        to_y = half_y * ((2 * (k // width) + 1) / depth - 1.0)
        to_z = math.copysign(half_z, z)
    elif k < width * depth + width * height:
        k -= width * depth
        seen = abs(y) > half_y
        to_x = half_x * ((2 * (k % width) + 1) / width - 1.0)
        to_y = math.copysign(half_y, y)
        to_z = half_z * ((2 * (k // width) + 1) / height - 1.0)
    else:
        k -= width * depth + width * height
        seen = abs(x) > half_x
        to_x = math.copysign(half_x, x)
        to_y = half_y * ((2 * (k % depth) + 1) / depth - 1.0)
        to_z = half_z * ((2 * (k // depth) + 1) / height - 1.0)
    dx, dy = to_x - x, to_y - y
    return seen, dx * cos - dy * sin, dy * cos + dx * sin, to_z - z


@kernel
def _in_view(dx, dy, dz, cos_yaw, sin_yaw, cos_pitch, sin_pitch, tan_x, tan_y):
    right, up, depth = _as_seen(dx, dy, dz, cos_yaw, sin_yaw, cos_pitch, sin_pitch)
    return depth > 0 and abs(right) <= tan_x * depth and abs(up) <= tan_y * depth


@kernel
def _as_seen(dx, dy, dz, cos_yaw, sin_yaw, cos_pitch, sin_pitch):
    """A way in the camera's frame: right, up and ahead."""
    ahead = dy * cos_yaw - dx * sin_yaw
    up, depth = dz * cos_pitch - ahead * sin_pitch, ahead * cos_pitch + dz * sin_pitch
    return dx * cos_yaw + dy * sin_yaw, up, depth


@kernel
def _out_of_view(boxes, thing, x, y, z, cos_yaw, sin_yaw, cos_pitch, sin_pitch, tan_x, tan_y):
    """Whether the sphere around a box is: most are, and that is quickly told."""
    half_x, half_y, half_z = boxes[thing, HALF_WIDTH], boxes[thing, HALF_DEPTH], boxes[thing, HALF_HEIGHT]
    radius = math.sqrt(half_x * half_x + half_y * half_y + half_z * half_z)
    dx, dy, dz = boxes[thing, X] - x, boxes[thing, Y] - y, boxes[thing, Z] - z
    right, up, depth = _as_seen(dx, dy, dz, cos_yaw, sin_yaw, cos_pitch, sin_pitch)
    aside = abs(right) - tan_x * depth > radius * math.sqrt(1.0 + tan_x * tan_x)
    return aside or depth < -radius or abs(up) - tan_y * depth > radius * math.sqrt(1.0 + tan_y * tan_y)


@kernel
def _blocker(sights, thing, last, x, y, z, dx, dy, dz):
    """A box between the camera and the end of the ray (dx, dy, dz), or -1; the last ray's is asked first."""
    if last >= 0 and _blocks(sights.boxes, last, x, y, z, dx, dy, dz):
        return last
    for k in range(sights.starts[thing], sights.starts[thing + 1]):
        box = np.int64(sights.near[k])
        if _blocks(sights.boxes, box, x, y, z, dx, dy, dz):
            return box
    return np.int64(-1)


@kernel
def _blocks(boxes, b, x, y, z, dx, dy, dz):
    """Whether a ray from outside a box enters it before its end (slab test), and that is not deep inside."""
    cos, sin = boxes[b, COS], boxes[b, SIN]
    half_x, half_y, half_z = boxes[b, HALF_WIDTH], boxes[b, HALF_DEPTH], boxes[b, HALF_HEIGHT]
    x, y, z = x - boxes[b, X], y - boxes[b, Y], z - boxes[b, Z]
    enter, leave = _slab(z, dz, half_z, -math.inf, math.inf)
    if enter > leave:
        return False
    x, y = x * cos + y * sin, y * cos - x * sin
    ahead, aside = dx * cos + dy * sin, dy * cos - dx * sin
    enter, leave = _slab(x, ahead, half_x, enter, leave)
    if enter > leave:
        return False
    enter, leave = _slab(y, aside, half_y, enter, leave)
    if not 0.0 < enter <= leave or enter >= 1.0 - CONTACT_M / math.sqrt(dx * dx + dy * dy + dz * dz):
        return False
    deep = min(half_x - abs(x + ahead), half_y - abs(y + aside), half_z - abs(z + dz))
    return deep < HELD_M


@kernel
def _slab(at, step, half, enter, leave):
    """What of [enter, leave] a ray spends between two planes."""
    if abs(step) < 1e-12:
        return (enter, leave) if abs(at) <= half else (math.inf, -math.inf)
    low, high = (-half - at) / step, (half - at) / step
    return max(enter, min(low, high)), min(leave, max(low, high))


@kernel
def is_found(sights, instances, house, category, x, y, z, yaw, pitch, tan_x, tan_y):
    """Whether End succeeds: a thing of the category within `reach` of (x, y), to its box's footprint, and visible."""
    for k in range(instances.starts[house, category], instances.starts[house, category + 1]):
        thing = instances.boxes[k]
        near = squared_gap_to_point(sights.boxes[thing], x, y) <= sights.reach * sights.reach
        if near and is_visible(sights, thing, x, y, z, yaw, pitch, tan_x, tan_y):
            return True
    return False


@kernel
def find(start, stop, sights, instances, eye, house, category, position, yaw, pitch, found):
    """Row kernel: whether End succeeds.

    Args:
        start: First row.
        stop: Past the last row.
        sights: `Sights`.
        instances: `Instances`.
        eye: `Eye`.
        house: (N,) int64.
        category: (N,) int64.
        position: (N, 2) m, of the agent.
        yaw: (N,) rad.
        pitch: (N,) rad, up is positive.
        found: (N,) bool, written.
    """
    for i in range(start, stop):
        x, y = position[i, 0], position[i, 1]
        found[i] = is_found(
            sights, instances, house[i], category[i], x, y, eye.height, yaw[i], pitch[i], eye.tan_x, eye.tan_y
        )


@kernel
def _find_in_some(start, stop, sights, things, eye, views, positions, found):
    for i in range(start, stop):
        x, y = positions[i, 0], positions[i, 1]
        found[i] = False
        for k in range(things.shape[0]):
            near = squared_gap_to_point(sights.boxes[things[k]], x, y) <= sights.reach * sights.reach
            if near and is_visible_in_some(sights, things[k], x, y, eye.height, views, eye.tan_x, eye.tan_y):
                found[i] = True
                break


def success_positions(
    sights: Sights,
    things: NDArray[np.int32],
    positions: NDArray[np.float64],
    eye: Eye = LOCOBOT_EYE,
    pitches: Sequence[float] = PITCHES,
) -> NDArray[np.bool_]:
    """From which positions End can succeed, in one of 12 headings and some pitches.

    Args:
        sights: Of some houses.
        things: (T,) int32 rows of `sights.boxes`, any of which will do, as `Instances.of` gives them.
        positions: (P, 2) m.
        eye: The camera.
        pitches: rad, up is positive.

    Returns:
        (P,) bool.
    """
    yaw, pitch = (angles.ravel() for angles in np.meshgrid(np.arange(12) * math.pi / 6, pitches, indexing="ij"))
    views = np.stack([np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)], 1)
    found = np.empty(len(positions), bool)
    launch(_find_in_some, len(positions), sights, things, eye, views, positions, found)
    return found
