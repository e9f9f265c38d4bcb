"""What of a scene a view cannot show: objects outside its pyramid, rooms that no portal opens to, details too small.

A window is a rectangle of the image (left, top, right, bottom), pixels, with the edges of its outer pixels half a
pixel outside their centres. A room is seen through a window: the whole image for the camera's own, and for others the
least rectangle around the portals that lead there, each cut by the window of the room before (Luebke and Georges,
"Portals and mirrors: simple, fast evaluation of potentially visible sets", I3D 1995).
"""

from __future__ import annotations

import numpy as np

from foveal.kernels import kernel

NEAR_M = 0.02
"""What is nearer to the camera's plane is not drawn."""

_MARGIN_PX = 0.5
"""Around a portal, for the rounding of its walls' corners."""


@kernel
def open_windows(scene, pose, lens, windows, screens):
    """Fill the rooms' `windows` (R, 4) of one view; one that is not seen gets an empty window (left > right).

    Args:
        scene: `scene.Scene`.
        pose: T_world_cam (4, 4).
        lens: (6,) fx, fy, cx, cy, width, height.
        windows: Out.
        screens: Scratch (P, 4): where in the image the portals are.
    """
    width, height = lens[4], lens[5]
    own = _room_at(scene.room_edges, pose[0, 3], pose[1, 3], pose[2, 3])
    for room in range(scene.room_count[0]):
        windows[room, 0], windows[room, 1], windows[room, 2], windows[room, 3] = np.inf, np.inf, -np.inf, -np.inf
        if own < 0 or room == own:
            windows[room, 0], windows[room, 1], windows[room, 2], windows[room, 3] = (
                -0.5,
                -0.5,
                width - 0.5,
                height - 0.5,
            )
    if own < 0:
        return
    for portal in range(len(scene.portals)):
        _project(scene.portals[portal], pose, lens, screens[portal])
    wider = True
    while wider:  # ends: windows only grow, and their sides are sides of portals
        wider = False
        for portal in range(len(scene.portals)):
            one, other = scene.portal_rooms[portal, 0], scene.portal_rooms[portal, 1]
            wider |= _open(windows[one], windows[other], screens[portal])
            wider |= _open(windows[other], windows[one], screens[portal])


@kernel
def _room_at(edges, x, y, z):
    """The room that holds the point, -1 for none: a ray along its floor crosses the edges an odd number of times."""
    e = 0
    while e < len(edges):
        room, inside = edges[e, 4], False
        while e < len(edges) and edges[e, 4] == room:
            x0, y0, x1, y1 = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
            if (x0 > x) != (x1 > x) and y < y0 + (y1 - y0) * (x - x0) / (x1 - x0):
                inside = not inside
            e += 1
        if inside and edges[e - 1, 5] <= z <= edges[e - 1, 6]:
            return int(room)
    return -1


@kernel
def _project(corners, pose, lens, screen):
    """The least window around a portal: all of the image if it reaches behind the camera, empty if it lies there."""
    screen[0], screen[1], screen[2], screen[3] = np.inf, np.inf, -np.inf, -np.inf
    behind = 0
    for k in range(4):
        x, y, z = corners[k, 0] - pose[0, 3], corners[k, 1] - pose[1, 3], corners[k, 2] - pose[2, 3]
        depth = x * pose[0, 2] + y * pose[1, 2] + z * pose[2, 2]
        if depth < NEAR_M:
            behind += 1
            continue
        column = lens[0] * (x * pose[0, 0] + y * pose[1, 0] + z * pose[2, 0]) / depth + lens[2]
        row = lens[1] * (x * pose[0, 1] + y * pose[1, 1] + z * pose[2, 1]) / depth + lens[3]
        screen[0], screen[1] = min(screen[0], column - _MARGIN_PX), min(screen[1], row - _MARGIN_PX)
        screen[2], screen[3] = max(screen[2], column + _MARGIN_PX), max(screen[3], row + _MARGIN_PX)
    if 0 < behind < 4:
        screen[0], screen[1], screen[2], screen[3] = -np.inf, -np.inf, np.inf, np.inf


@kernel
def _open(here, there, screen):
    """Widen `there` by what is seen of it from `here`; whether it grew."""
    left, top = max(here[0], screen[0]), max(here[1], screen[1])
    right, bottom = min(here[2], screen[2]), min(here[3], screen[3])
    if left > right or top > bottom:
        return False
    wider = left < there[0] or top < there[1] or right > there[2] or bottom > there[3]
    there[0], there[1] = min(there[0], left), min(there[1], top)
    there[2], there[3] = max(there[2], right), max(there[3], bottom)
    return wider


@kernel
def nearest(box, pose, lens, window):
    """z-depth, m, of the nearest point that an object's box may have in a window; below 0 if it has none there."""
    x, y, z = (box[0] + box[3]) / 2 - pose[0, 3], (box[1] + box[4]) / 2 - pose[1, 3], (box[2] + box[5]) / 2 - pose[2, 3]
    hx, hy, hz = (box[3] - box[0]) / 2, (box[4] - box[1]) / 2, (box[5] - box[2]) / 2
    depth = x * pose[0, 2] + y * pose[1, 2] + z * pose[2, 2]
    reach = hx * abs(pose[0, 2]) + hy * abs(pose[1, 2]) + hz * abs(pose[2, 2])
    if depth + reach < NEAR_M:
        return -1.0
    for side in range(4):  # planes through the camera and the window's sides; their normals point inside
        axis = side & 1
        sign = 1.0 if side < 2 else -1.0
        slope = sign * (window[side] - lens[2 + axis]) / lens[axis]
        nx = sign * pose[0, axis] - slope * pose[0, 2]
        ny = sign * pose[1, axis] - slope * pose[1, 2]
        nz = sign * pose[2, axis] - slope * pose[2, 2]
        if nx * x + ny * y + nz * z + hx * abs(nx) + hy * abs(ny) + hz * abs(nz) < 0:
            return -1.0
    return max(depth - reach, NEAR_M)


@kernel
def too_small(detail, depth, lens, least_px):
    """Whether an object's parts would be so small that the box around it is drawn in their place.

    Args:
        detail: Size of its parts, m.
        depth: z-depth of its nearest point, m.
        lens: See `open_windows`.
        least_px: Size in pixels from which on parts are drawn.
    """
    return detail * max(lens[0], lens[1]) < least_px * depth
