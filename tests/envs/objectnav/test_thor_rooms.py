import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from foveal.envs.objectnav.procedural.assets import package_folder
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.counters import straightened
from foveal.envs.objectnav.scenes.house import Thing
from foveal.envs.objectnav.scenes.outlines import outline
from foveal.envs.objectnav.scenes.partitions import APARTMENT, partitions
from foveal.envs.objectnav.scenes.polygons import area, contains, crosses_itself

from . import overlap

ALL = thor_rooms.names("ithor") + thor_rooms.names("robothor")


@pytest.fixture(scope="module")
def houses():
    return {name: thor_rooms.house(name) for name in ALL}


def test_splits_are_the_usual_ones():
    sizes = {split: len(thor_rooms.names("ithor", split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 80, "val": 20, "test": 20}
    assert [len(thor_rooms.names("robothor", split)) for split in ("train", "val", "test")] == [60, 15, 0]
    assert thor_rooms.names("ithor", "val")[:6] == (*(f"FloorPlan{i}" for i in range(21, 26)), "FloorPlan221")
    assert len(set(ALL)) == 195


def test_scenes_are_named_by_the_assets_that_stand_in_them():
    """The metadata has no names: of all ways to give its lists the names, ours fits procthor's asset database best."""
    database = json.loads((package_folder() / "databases" / "asset-database.json").read_text("utf-8"))
    entries = [entry for kind in database.values() for entry in kind]
    known = {entry["assetId"] for entry in entries}
    listed = {name: {e["assetId"] for e in entries if name in (e.get("scenes") or ())} for name in ALL}
    standing = {name: {o["assetId"] for o in thor_rooms.scene_objects(name)[1]} & known for name in ALL}
    groups = [ALL[start : start + 30] for start in range(0, 120, 30)] + [ALL[120:]]
    for group in groups:
        alike = np.array([[len(standing[a] & listed[b]) / len(standing[a] | listed[b]) for b in group] for a in group])
        rows, columns = linear_sum_assignment(-alike)
        assert (rows == columns).all()
        np.testing.assert_array_equal(np.diag(alike), 1.0)  # the very same assets
        assert (alike - 2 * np.eye(len(group))).max() < 0.6  # and no other scene has nearly the same


@pytest.mark.parametrize("name", ["FloorPlan31", "FloorPlan0", "floorplan1", "FloorPlan_Train13_1", "FloorPlan01", ""])
def test_unknown_scene_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"no scene {name!r}")):
        thor_rooms.house(name)


def test_unknown_family_and_split_are_refused():
    with pytest.raises(ValueError, match="family must be"):
        thor_rooms.names("procthor")
    with pytest.raises(ValueError, match="split must be"):
        thor_rooms.names("ithor", "minival")


def test_every_house_is_whole(houses):
    for name, house in houses.items():
        (room,) = house.rooms
        assert area(room.polygon) > 2 and not crosses_itself(room.polygon), name
        assert {wall.room for wall in house.walls} == {room.id}
        assert house.split == thor_rooms.split_of(name) and house.name == name
        seen: set[str] = set()
        for thing in house.things:
            assert thing.parent is None or thing.parent in seen, (name, thing.id)
            assert thing.id not in seen and np.isfinite([*thing.centre, *thing.size, thing.yaw]).all()
            assert min(thing.size) >= 0 and -np.pi <= thing.yaw <= np.pi
            seen.add(thing.id)


def test_things_stand_in_their_rooms(houses):
    """All but a few middles of what can be picked up lie within the walls."""
    outside = total = 0
    for house in houses.values():
        for thing in house.things:
            if thing.pickupable:
                total += 1
                outside += not contains(house.rooms[0].polygon, thing.centre[:2])
    assert total > 3000 and outside < 0.005 * total


def test_boxes_are_those_of_the_metadata():
    """In every scene: the axis-aligned box around our upright one is THOR's, but for tilted things."""
    off = []
    for name in ALL[::7]:
        _, objects = thor_rooms.scene_objects(name)
        made = {thing.id: thing for thing in thor_rooms.house(name).things}
        for found in objects:
            thing = made.get(found["objectId"])
            angles = [abs((found["rotation"][axis] + 45) % 90 - 45) for axis in "xz"]
            split = f"{found['objectId']}|1" in made
            if thing and max(angles) < 1 and not split and abs(np.sin(2 * thing.yaw)) < 0.02:
                size = [found["axisAlignedBoundingBox"]["size"][axis] for axis in "xzy"]
                off.append(np.abs(thing.bounds[1] - thing.bounds[0] - size).max())
    assert len(off) > 800 and np.quantile(off, 0.95) < 0.05


def test_windows_are_holes_in_walls(houses):
    openings = [(house, opening) for house in houses.values() for opening in house.openings]
    windows = sum(thing.type == "Window" for house in houses.values() for thing in house.things)
    assert len(openings) > 0.9 * windows
    for house, opening in openings:
        wall = next(wall for wall in house.walls if wall.id == opening.walls[0])
        length = np.hypot(*np.subtract(wall.end, wall.start))
        assert 0 <= opening.along[0] < opening.along[1] <= length + 1e-9
        assert 0 <= opening.heights[0] < opening.heights[1] <= wall.height


def test_one_can_walk_where_one_can_in_ai2thor(houses):
    """The overlap with the published reachable grid; on the even scenes, on which the shells were not developed."""
    scenes = {name: theirs for name, theirs in overlap.published().items() if overlap.held_out(name)}
    ours = overlap.overlaps(houses.get, scenes)
    for kinds, least in (({"Kitchen"}, 0.75), ({"LivingRoom", "Bedroom", "Bathroom"}, 0.8), ({"RoboTHOR"}, 0.9)):
        values = [value for name, value in ours.items() if overlap.kind_of(name) in kinds]
        assert np.median(values) > least
    assert np.median([value for name, value in ours.items() if "_" not in name]) > 0.82
    assert min(ours.values()) > 0.4


def test_inner_walls_are_shared_by_the_furnishings_of_a_plan(houses):
    inner = [[w for w in houses[f"FloorPlan_Train3_{i}"].walls if "inner" in w.id] for i in range(1, 6)]
    assert inner[0] and all(walls == inner[0] for walls in inner)
    fronts = {(wall.start, wall.end) for wall in inner[0]}
    assert fronts == {(end, start) for start, end in fronts}  # seen from both sides


def test_the_apartment_is_where_its_outermost_paintings_hang(houses):
    bounds = np.array([t.bounds for name in ALL[120:] for t in houses[name].things if t.type == "Painting"])
    np.testing.assert_allclose([*bounds[:, 0, :2].min(0), *bounds[:, 1, :2].max(0)], APARTMENT, atol=0.02)


def painting(x, y, yaw, width=1.0):
    return Thing(f"Painting|{x}|{y}", "Painting", (x, y, 1.5), (width, 0.04, 0.6), yaw)


def test_a_wall_stands_behind_paintings_and_reaches_its_neighbour():
    north = [painting(4.0, -3.0, 0.0), painting(5.5, -2.9, np.pi)]  # on both sides of one wall
    east = [painting(6.52, -3.6, -np.pi / 2)]
    (ax, x, *x_range), (ay, y, *y_range) = partitions([*north, *east, painting(3.0, -1.02, np.pi)])
    assert (ax, ay) == (0, 1)
    assert x == pytest.approx(6.5) and y == pytest.approx(-2.95)
    assert y_range == pytest.approx([3.35, 6.5]) and x_range == pytest.approx([-4.9, -2.95])


cuts = st.lists(
    st.tuples(*[st.integers(0, 8)] * 4).map(lambda c: (c[0], c[1], c[0] + c[2] + 1, c[1] + c[3] + 1)), max_size=4
)


@given(cuts)
def test_an_outline_goes_round_what_the_cuts_leave(cut):
    cells = np.ones((10, 10), bool)
    for x0, y0, x1, y1 in cut:
        cells[x0:x1, y0:y1] = False
    parts, count = ndimage.label(cells)
    if not count:
        return
    polygon = outline((0.0, 0.0, 10.0, 10.0), cut)
    whole = ndimage.binary_fill_holes(parts == 1 + np.argmax(ndimage.sum(cells, parts, range(1, count + 1))))
    assert area(polygon) == pytest.approx(whole.sum())
    inside = [[contains(polygon, (i + 0.5, j + 0.5)) for j in range(10)] for i in range(10)]
    assert np.array_equal(inside, whole)


def counter(size, things=()):
    top = Thing("CounterTop|1", "CounterTop", (size[0] / 2, size[1] / 2, 0.9), (*size, 0.04))
    return straightened([top, *things])


def cabinet(x, y):
    return Thing(f"Cabinet|{x}|{y}", "Cabinet", (x, y, 0.4), (0.5, 0.5, 0.8), parent="CounterTop|1")


def test_a_counter_round_a_corner_leaves_the_floor_before_it_free():
    legs = [cabinet(0.3, y) for y in (0.3, 1.0, 2.5)] + [cabinet(x, 0.3) for x in (1.2, 2.0, 2.7)]
    parts = [thing for thing in counter((3.0, 3.0), legs) if thing.type == "CounterTop"]
    assert [part.id for part in parts] == ["CounterTop|1", "CounterTop|1|1"]
    covered = sum(part.size[0] * part.size[1] for part in parts)
    assert covered == pytest.approx(0.6 * 3.0 + 0.6 * 2.4)
    for leg in legs:
        assert any(
            (part.bounds[0][:2] <= leg.centre[:2]).all() and (leg.centre[:2] <= part.bounds[1][:2]).all()
            for part in parts
        )


def test_a_straight_counter_stays_as_it_is():
    for legs in ([], [cabinet(0.3, 0.3), cabinet(2.0, 0.3)], [cabinet(1.5, 1.5)]):
        size = (3.0, 0.65) if len(legs) == 2 else (3.0, 3.0)
        assert [t.size[:2] for t in counter(size, legs) if t.type == "CounterTop"] == [size]
