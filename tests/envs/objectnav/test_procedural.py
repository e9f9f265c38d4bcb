import hashlib
import random
from itertools import pairwise

import numpy as np
import pytest

from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.procedural.assets import KINDS, SPLITS, catalogue
from foveal.envs.objectnav.procedural.surfaces import SURFACES, Surface, shelf_heights

from .walking import reachable, within

TOLERANCE_M = 0.002


def area(polygon):
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def room_of(house, thing):
    number = thing.id.split("|")[1]
    return next(room for room in house.rooms if room.id == f"room|{number}")


@pytest.fixture(scope="module")
def houses():
    made = [procedural.house(seed) for seed in range(60)]
    made += [procedural.house(seed, split) for split in ("val", "test") for seed in range(20)]
    return made + [procedural.house(seed, rooms=rooms) for rooms in (7, 8, 10) for seed in range(2)]


def test_rooms_are_counter_clockwise_and_apart(houses):
    for house in houses:
        low, high = house.bounds
        grid = np.stack(np.meshgrid(*(np.arange(a + 0.05, b, 0.2) for a, b in zip(low, high, strict=True))), -1)
        points = grid.reshape(-1, 2)
        owners = sum(within(points, room.polygon).astype(int) for room in house.rooms)
        assert owners.max() == 1
        for room in house.rooms:
            assert room.kind in KINDS
            assert area(room.polygon) > 2.5
            steps = np.roll(room.polygon, -1, 0) - room.polygon
            assert ((steps != 0).sum(1) == 1).all()


def test_walls_run_along_their_rooms_outline(houses):
    for house in houses:
        for room in house.rooms:
            walls = [wall for wall in house.walls if wall.room == room.id]
            for wall, after in zip(walls, [*walls[1:], walls[0]], strict=True):
                assert wall.end == after.start
                a, b = np.array(wall.start), np.array(wall.end)
                left = (a + b) / 2 + 0.01 * np.array([a[1] - b[1], b[0] - a[0]]) / np.abs(b - a).sum()
                assert within(left[None], room.polygon)[0]
            corners = {wall.start for wall in walls}
            assert {tuple(corner) for corner in room.polygon.tolist()} <= corners
            total = sum(np.abs(np.subtract(wall.end, wall.start)).sum() for wall in walls)
            assert total == pytest.approx(np.abs(np.roll(room.polygon, -1, 0) - room.polygon).sum())


def test_openings_lie_in_their_walls_and_apart(houses):
    for house in houses:
        walls = {wall.id: wall for wall in house.walls}
        assert sum(opening.rooms[1] is None and opening.kind == "door" for opening in house.openings) == 1
        for opening in house.openings:
            wall = walls[opening.walls[0]]
            length = np.abs(np.subtract(wall.end, wall.start)).sum()
            assert wall.room == opening.rooms[0]
            assert 0 <= opening.along[0] < opening.along[1] <= length + 1e-9
            assert 0 <= opening.heights[0] < opening.heights[1] <= wall.height
            if opening.walls[1] is None:
                assert opening.rooms[1] is None
            else:
                behind = walls[opening.walls[1]]
                assert (behind.start, behind.end, behind.room) == (wall.end, wall.start, opening.rooms[1])
        by_wall = {}
        for opening in house.openings:
            by_wall.setdefault(opening.walls[0], []).append(opening.along)
        for spans in by_wall.values():
            ordered = sorted(spans)
            assert all(a[1] < b[0] for a, b in pairwise(ordered))


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.11, 0.19)])
def test_every_room_and_everything_on_the_floor_can_be_walked_to(houses, offset):
    for house in houses:
        points = reachable(house, offset)
        for room in house.rooms:
            assert within(points, room.polygon).sum() >= 5, (house.name, room.id)
        for thing in house.things:
            if thing.parent is None and thing.solid:
                low, high = thing.bounds
                mine = points[within(points, room_of(house, thing).polygon)]
                away = np.maximum(np.maximum(low[:2] - mine, mine - high[:2]), 0)
                assert np.hypot(*away.T).min() < 0.63, (house.name, thing.id)


def test_things_lie_in_their_rooms(houses):
    for house in houses:
        for thing in house.things:
            low, high = thing.bounds
            polygon = room_of(house, thing).polygon
            corners = np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])
            if thing.parent is None:
                assert within(corners, polygon).all(), (house.name, thing.id)
                if thing.solid:
                    assert low[2] == pytest.approx(0.0, abs=TOLERANCE_M)
            assert high[2] < house.walls[0].height


def test_boxes_do_not_overlap(houses):
    for house in houses:
        names = {thing.id: index for index, thing in enumerate(house.things)}
        low, high = (np.array(part) for part in zip(*(thing.bounds for thing in house.things), strict=True))
        depth = (np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])).min(-1)
        np.fill_diagonal(depth, 0.0)
        for child, parent in ((i, names[thing.parent]) for i, thing in enumerate(house.things) if thing.parent):
            depth[child, parent] = depth[parent, child] = 0.0
        i, j = np.unravel_index(depth.argmax(), depth.shape)
        assert depth[i, j] < TOLERANCE_M, (house.name, house.things[i].id, house.things[j].id)


def test_parents_come_first_and_bear_what_lies_on_them(houses):
    for house in houses:
        seen = {}
        for thing in house.things:
            if thing.parent is not None and thing.solid:
                parent = seen[thing.parent]
                low, high = thing.bounds
                parent_low, parent_high = parent.bounds
                assert (low[:2] >= parent_low[:2] - TOLERANCE_M).all(), (house.name, thing.id)
                assert (high[:2] <= parent_high[:2] + TOLERANCE_M).all(), (house.name, thing.id)
                surface = SURFACES.get(parent.type, Surface())
                levels = [min(surface.height * parent.size[2], surface.most)]
                if parent.type == "ShelvingUnit":
                    levels = shelf_heights(parent.size[2])
                assert min(abs(low[2] - parent_low[2] - level) for level in levels) < TOLERANCE_M
            seen[thing.id] = thing
        assert len(seen) == len(house.things)


def test_the_floor_before_doors_is_free(houses):
    for house in houses:
        walls = {wall.id: wall for wall in house.walls}
        for opening in house.openings:
            if opening.kind == "window":
                continue
            wall = walls[opening.walls[0]]
            a, b = np.array(wall.start), np.array(wall.end)
            step = (b - a) / np.abs(b - a).sum()
            middle = a + step * sum(opening.along) / 2
            into = np.array([-step[1], step[0]])
            for side in (into, -into) if opening.walls[1] else (into,):
                way = middle + side * np.linspace(0.02, 0.75, 20)[:, None]
                for thing in house.things:
                    low, high = thing.bounds
                    if low[2] < 1.8:
                        assert not ((way > low[:2]) & (way < high[:2])).all(1).any(), (house.name, thing.id)


def test_models_belong_to_the_split(houses):
    for house in houses:
        allowed = {asset.name for assets in catalogue(house.split).values() for asset in assets}
        assert {thing.asset for thing in house.things} <= allowed
        assert {opening.asset for opening in house.openings if opening.asset} <= allowed


def test_splits_share_only_what_belongs_to_none():
    names = {split: {a.name for assets in catalogue(split).values() for a in assets} for split in SPLITS}
    shared = names["train"] & names["val"]
    assert shared == names["train"] & names["test"] == names["val"] & names["test"]
    assert len(shared) < 0.12 * len(names["train"])


def states():
    return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


def test_the_same_seed_gives_the_same_house_whatever_was_drawn_before():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = states()
    first = procedural.house(5)
    assert states() == before
    procedural.house(6)
    random.random()
    second = procedural.house(5)
    assert repr(second) == repr(first)
    assert repr(procedural.house(6).things) != repr(first.things)
    assert repr(procedural.house(5, "val").things) != repr(first.things)


def test_a_digest_says_when_houses_change():
    digest = hashlib.sha256()
    for seed, split in enumerate(SPLITS):
        house = procedural.house(seed, split, rooms=4)
        digest.update(repr((house.rooms, house.walls, house.openings, house.things)).encode())
    assert digest.hexdigest()[:16] == "415c3d2b14ec1036"


def test_the_number_of_rooms_is_as_asked():
    for rooms in (1, 2, 3, 4, 5, 6, 7, 8, 10):
        assert len(procedural.house(1, rooms=rooms).rooms) == rooms
    assert all(3 <= len(procedural.house(seed, rooms=(3, 5)).rooms) <= 5 for seed in range(8))
    assert len({len(procedural.house(seed).rooms) for seed in range(25)}) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1 is negative"),
        ({"seed": 0, "split": "dev"}, "split 'dev' is none of train, val, test"),
        (
            {"seed": 0, "rooms": 9},
            "rooms 9 to 9: no floor plan has so many; there are plans of 1, 2, 3, 4, 5, 6, 7, 8, 10",
        ),
        ({"seed": 0, "rooms": (5, 2)}, "rooms 5 to 2"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        procedural.house(**arguments)
