"""How well the rooms' reachable grid agrees with the published one: the overlap (IoU) of every scene, as a table.

Run as a script, it prints medians for the scenes with odd numbers, on which the shells were developed, and for the
even ones, which were held out; and those of plain rooms: boxes as they are, in the floor's box or that of all things.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.house import House, Room
from foveal.envs.objectnav.scenes.polygons import contains
from foveal.envs.objectnav.scenes.thor_shells import walls_around
from foveal.envs.objectnav.scenes.thor_things import things

PUBLISHED = Path(__file__).parents[2] / "data" / "reachable.npz"
RADIUS_M, GRID_M = 0.2, 0.25
KINDS = ("Kitchen", "LivingRoom", "Bedroom", "Bathroom", "RoboTHOR")


def published():
    """Reachable grid points {(x, y)} by scene."""
    with np.load(PUBLISHED, allow_pickle=False) as scenes:
        return {name: set(map(tuple, scenes[name].tolist())) for name in scenes.files}


def reachable(house):
    """Grid points {(x, y)} of the largest part of the grid on which an agent touches neither walls nor things."""
    low, high = (np.round(corner / GRID_M).astype(int) for corner in house.bounds)
    grid = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), -1)  # (X, Y, 2)
    points = grid * GRID_M
    free = np.any([[[contains(room.polygon, p) for p in row] for row in points] for room in house.rooms], axis=0)
    for wall in house.walls:
        start, along = np.array(wall.start), np.subtract(wall.end, wall.start)
        part = np.clip((points - start) @ along / (along @ along), 0, 1)
        free &= np.linalg.norm(points - start - part[..., None] * along, axis=-1) >= RADIUS_M
    for thing in house.things:
        if thing.solid:
            c, s = np.cos(thing.yaw), np.sin(thing.yaw)
            beside = np.abs((points - thing.centre[:2]) @ np.array([[c, -s], [s, c]])) - np.array(thing.size[:2]) / 2
            free &= np.linalg.norm(beside.clip(0), axis=-1) >= RADIUS_M
    parts, count = ndimage.label(free)
    if not count:
        return set()
    largest = 1 + np.argmax(ndimage.sum(free, parts, range(1, count + 1)))
    return set(map(tuple, grid[parts == largest].tolist()))


def overlap(ours, theirs):
    return len(ours & theirs) / len(ours | theirs)


def plain(name):
    """The scene without inference: axis-aligned boxes in the floor's box (RoboTHOR: in the box around all things)."""
    kind, objects = thor_rooms.scene_objects(name)
    inside = tuple(things(objects))
    floors = [found["axisAlignedBoundingBox"] for found in objects if found["objectType"] == "Floor"]
    if floors:
        centre, size = (np.array([floors[0][part][axis] for axis in "xz"]) for part in ("center", "size"))
        low, high = centre - size / 2, centre + size / 2
    else:
        bounds = np.array([thing.bounds for thing in inside])
        low, high = bounds[:, 0, :2].min(0), bounds[:, 1, :2].max(0)
    room = Room("room|1", kind, np.array([low, (high[0], low[1]), high, (low[0], high[1])]))
    boxes = tuple(
        replace(thing, yaw=0.0, size=tuple(thing.bounds[1] - thing.bounds[0])) for thing in inside if thing.solid
    )
    return House(name, (room,), walls_around(room, 2.6), (), boxes)


def held_out(name):
    return int(name.rsplit("_", 1)[-1].removeprefix("FloorPlan")) % 2 == 0


def overlaps(make, scenes):
    """Overlap by scene name for the houses that `make(name)` returns."""
    return {name: overlap(reachable(make(name)), theirs) for name, theirs in scenes.items()}


def kind_of(name):
    return "RoboTHOR" if "_" in name else thor_rooms.scene_objects(name)[0]


def main():
    scenes = published()
    tables = {"plain": overlaps(plain, scenes), "ours": overlaps(thor_rooms.house, scenes)}
    print(f"{'median overlap (IoU)':24}{'plain odd':>12}{'plain even':>12}{'ours odd':>12}{'ours even':>12}")
    for label, kinds in (*((kind, {kind}) for kind in KINDS), ("iTHOR", set(KINDS[:4]))):
        cells = [
            np.median([v for name, v in table.items() if kind_of(name) in kinds and held_out(name) == even])
            for table in tables.values()
            for even in (False, True)
        ]
        print(f"{label:24}" + "".join(f"{cell:12.3f}" for cell in cells))
    print("\nquartiles on the even scenes")
    for label in ("RoboTHOR", "iTHOR"):
        for made, table in tables.items():
            even = [v for name, v in table.items() if held_out(name) and ("_" in name) == (label == "RoboTHOR")]
            told = "".join(f"{quartile:9.3f}" for quartile in np.quantile(even, [0.25, 0.5, 0.75]))
            above = np.mean(np.array(even) >= 0.75)
            print(f"{label:10}{made:6}{told}   {len(even)} scenes, {100 * above:.0f} % of them at 0.75 or more")
    print("\nthe worst of ours")
    for name, value in sorted(tables["ours"].items(), key=lambda item: item[1])[:25]:
        print(f"{name:20} {value:.2f} ({'even' if held_out(name) else 'odd'})")


if __name__ == "__main__":
    main()
