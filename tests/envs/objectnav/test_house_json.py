import copy
import gzip
import json
import math
import re
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.objectnav.scenes import house_files, thor_rooms
from foveal.envs.objectnav.scenes.house import House, Opening, Room, Start, Thing, Wall
from foveal.envs.objectnav.scenes.house_files import read_houses
from foveal.envs.objectnav.scenes.house_json import house_from_json, house_to_json


def xyz(x, y, z):
    return {"x": x, "y": y, "z": z}


def wall(room, x0, z0, x1, z1, height=2.6):
    low_high = f"{min(x0, x1):.2f}|{min(z0, z1):.2f}|{max(x0, x1):.2f}|{max(z0, z1):.2f}"
    corners = [xyz(x0, 0, z0), xyz(x1, 0, z1), xyz(x0, height, z0), xyz(x1, height, z1)]
    room_id = room if room == "exterior" else f"room|{room}"
    return {"id": f"wall|{room}|{low_high}", "roomId": room_id, "polygon": corners, "material": {"name": "PureWhite"}}


def procthor():
    """A house as ProcTHOR writes them: two rooms, clockwise walls, their outsides, models without sizes."""
    west, east = [(0, 0), (0, 4), (3, 4), (3, 0)], [(3, 0), (3, 4), (5, 4), (5, 0)]
    sides = lambda p: zip(p, p[1:] + p[:1], strict=True)  # noqa: E731
    walls = [wall(room, *a, *b) for room, polygon in (("2", west), ("3", east)) for a, b in sides(polygon)]
    walls += [wall("exterior", 3, 0, 0, 0), wall("exterior", 0, 0, 0, 4)]
    door = {
        "id": "door|2|3", "assetId": "Doorway_10", "openable": True, "openness": 1,
        "room0": "room|2", "room1": "room|3",
        "wall0": "wall|2|3.00|0.00|3.00|4.00", "wall1": "wall|3|3.00|0.00|3.00|4.00",
        "holePolygon": [xyz(0.5, 0, 0), xyz(1.5, 2.1, 0)], "assetPosition": xyz(1, 1, 0),
    }  # fmt: skip
    window = {
        "id": "window|2|0", "assetId": "Window_Hung_32x60", "room0": "room|2", "room1": "room|2",
        "wall0": "wall|2|0.00|0.00|0.00|4.00", "wall1": "wall|exterior|0.00|0.00|0.00|4.00",
        "boundingBox": {"min": xyz(0.25, 0.5, 0), "max": xyz(1.0, 2.0, 0)},
    }  # fmt: skip
    mug = {"id": "Mug|surface|2|1", "assetId": "Mug_1", "position": xyz(1, 0.9, 1), "rotation": xyz(0, 30, 0)}
    table = {
        "id": "DiningTable|2|0", "assetId": "Dining_Table_7_1", "position": xyz(1, 0.4, 1), "rotation": xyz(0, 90, 0),
        "kinematic": True, "material": None, "children": [mug],
    }  # fmt: skip
    agent = {"position": xyz(1.5, 0.95, 3), "rotation": xyz(0, 90, 0), "horizon": 30}
    return {
        "rooms": [
            {"id": f"room|{i}", "roomType": kind, "floorMaterial": {"name": "Wood"}, "ceilings": [], "children": [],
             "floorPolygon": [xyz(x, 0, z) for x, z in polygon]}
            for i, kind, polygon in ((2, "Kitchen", west), (3, "Bedroom", east))
        ],
        "walls": walls, "doors": [door], "windows": [window], "objects": [table],
        "proceduralParameters": {"lights": [], "skyboxId": "Sky1"},
        "metadata": {"schema": "1.0.0", "agent": agent},
    }  # fmt: skip


def alike(a, b):
    """Equal, but for 1e-9 in numbers."""
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-9)
    if is_dataclass(a):
        return type(a) is type(b) and all(alike(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return math.isclose(a, b, rel_tol=0, abs_tol=1e-9) if isinstance(a, float) else a == b


def test_a_procthor_house_is_read_in_our_axes():
    house = house_from_json(procthor(), "p")
    west, _ = house.rooms
    np.testing.assert_array_equal(west.polygon, [(3, 0), (3, 4), (0, 4), (0, 0)])
    assert (west.kind, west.floor, len(house.walls)) == ("Kitchen", "Wood", 8)
    door, window = house.openings
    assert (door.kind, door.rooms, door.openness, door.asset) == ("door", ("room|2", "room|3"), 1.0, "Doorway_10")
    assert (window.kind, window.rooms, window.walls[1]) == ("window", ("room|2", None), None)
    table, mug = house.things
    assert (table.type, mug.type, mug.parent, mug.pickupable) == ("DiningTable", "Mug", table.id, True)
    assert table.yaw == pytest.approx(-math.pi / 2) and mug.yaw == pytest.approx(-math.pi / 6)
    assert mug.centre == (1, 1, 0.9) and table.solid and not mug.solid
    assert house.start == Start((1.5, 3.0, 0.0), pytest.approx(-math.pi / 2), pytest.approx(math.pi / 6))


def test_holes_are_where_procthor_measures_them_from_the_walls_first_corner():
    house = house_from_json(procthor())
    walls = {wall.id: wall for wall in house.walls}
    for opening, expected in zip(house.openings, [[(3, 2.5), (3, 3.5)], [(0, 0.25), (0, 1.0)]], strict=True):
        side = walls[opening.walls[0]]
        start, along = np.array(side.start), np.subtract(side.end, side.start)
        ends = [start + along / np.hypot(*along) * at for at in opening.along]
        np.testing.assert_allclose(sorted(map(tuple, ends)), expected, atol=1e-12)


def test_walls_run_with_their_room_to_the_left():
    house = house_from_json(procthor())
    rooms = {room.id: room for room in house.rooms}
    for side in house.walls:
        along = np.subtract(side.end, side.start)
        inward = np.add(side.start, side.end) / 2 + 0.1 * np.array([-along[1], along[0]]) / np.hypot(*along)
        low, high = rooms[side.room].polygon.min(0), rooms[side.room].polygon.max(0)
        assert (low < inward).all() and (inward < high).all()


def test_a_wall_left_open_is_one_opening_between_its_rooms():
    data = procthor()
    for side in data["walls"]:
        side["empty"] = side["id"].endswith("3.00|0.00|3.00|4.00")
    data["doors"] = []
    (opened,) = [opening for opening in house_from_json(data).openings if opening.kind == "open"]
    assert opened.rooms == ("room|2", "room|3") and opened.along == (0.0, 4.0) and opened.heights == (0.0, 2.6)


def test_sizes_in_the_file_serve_models_that_no_database_knows():
    data = procthor()
    data["objects"][0] |= {"assetId": "Mine_1", "objectType": "Bench", "size": xyz(1, 0.5, 0.4)}
    bench = house_from_json(data).things[0]
    assert (bench.type, bench.size, bench.asset) == ("Bench", (1, 0.4, 0.5), "Mine_1")


def test_a_thing_that_lies_on_its_side_has_the_box_it_fills():
    data = procthor()
    data["objects"] = [{"id": "Bat|1", "objectType": "BaseballBat", "size": xyz(0.1, 0.9, 0.1),
                        "position": xyz(1, 0.05, 1), "rotation": xyz(90, 45, 0)}]  # fmt: skip
    (bat,) = house_from_json(data).things
    assert bat.size == pytest.approx((0.1, 0.9, 0.1)) and bat.yaw == pytest.approx(-math.pi / 4)


@pytest.mark.parametrize("name", ["FloorPlan2", "FloorPlan215", "FloorPlan410", "FloorPlan_Val2_3"])
def test_real_rooms_survive_the_round_trip(name):
    house = thor_rooms.house(name)
    assert alike(house_from_json(json.loads(json.dumps(house_to_json(house)))), house)


lengths = st.floats(0.5, 9)
names = st.text("abc|", min_size=1, max_size=6)
maybe = st.none() | names
spots = st.tuples(*[st.floats(-50, 50)] * 3)


@st.composite
def houses(draw):
    width, depth, height = draw(lengths), draw(lengths), draw(st.floats(2, 4))
    x, y = draw(st.floats(-50, 50)), draw(st.floats(-50, 50))
    polygon = np.array([(x, y), (x + width, y), (x + width, y + depth), (x, y + depth)])
    room = Room("r", draw(names), polygon, draw(maybe), draw(maybe))
    ends = [tuple(corner) for corner in polygon.tolist()]
    walls = tuple(
        Wall(f"w{i}", "r", ends[i], ends[(i + 1) % 4], height, draw(maybe)) for i in range(draw(st.integers(0, 4)))
    )
    openings = []
    for i, side in enumerate(walls):
        length = math.dist(side.start, side.end)
        along, heights = (0.1 * length, 0.6 * length), (0.2 * height, draw(st.floats(0.3, 1)) * height)
        kind = draw(st.sampled_from(["door", "window", "open"]))
        openings.append(
            Opening(f"o{i}", kind, (side.id, None), ("r", None), along, heights, draw(st.floats(0, 1)), draw(maybe))
        )
    openings.sort(key=lambda opening: opening.kind == "window")
    things = []
    for i in range(draw(st.integers(0, 5))):
        parent = draw(st.none() | st.sampled_from(things)) if things else None
        size = draw(st.tuples(*[st.floats(0, 5)] * 3))
        flags = {name: draw(st.booleans()) for name in ("pickupable", "moveable", "solid")}
        parent_id, yaw, openness = parent.id if parent else None, draw(st.floats(-3.14, 3.14)), draw(st.floats(0, 1))
        rest = {"material": draw(maybe), "openness": openness, **flags}
        things.append(Thing(f"t{i}", draw(names), draw(spots), size, yaw, draw(maybe), parent_id, **rest))
    start = draw(st.none() | st.builds(Start, spots, st.floats(-3.14, 3.14), st.floats(-1, 1)))
    split = draw(st.sampled_from(["train", "val", "test"]))
    return House(draw(names), (room,), walls, tuple(openings), tuple(things), split, start)


@settings(max_examples=60)
@given(houses())
def test_reading_what_was_written_is_the_identity(house):
    assert alike(house_from_json(json.loads(json.dumps(house_to_json(house)))), house)


def put(data, path, value):
    """`data` with the value at the path; ... removes what is there."""
    data = copy.deepcopy(data)
    at = data
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return data


BAD = {
    "no rooms": ((["rooms"], ...), "house: 'rooms' is missing"),
    "empty rooms": ((["rooms"], []), "rooms: a house has at least one room"),
    "rooms of text": ((["rooms"], "x"), "rooms: must be a list, got 'x'"),
    "no polygon": ((["rooms", 1, "floorPolygon"], ...), "rooms[1]: 'floorPolygon' is missing"),
    "open polygon": ((["rooms", 1, "floorPolygon"], [xyz(0, 0, 0), xyz(1, 0, 1)]), "rooms[1].floorPolygon: encloses"),
    "no area": ((["rooms", 0, "floorPolygon"], [xyz(i, 0, i) for i in range(4)]), "rooms[0].floorPolygon: its area"),
    "bow tie": (
        (["rooms", 0, "floorPolygon"], [xyz(0, 0, 0), xyz(3, 0, 3), xyz(3, 0, 0), xyz(0, 0, 2)]),
        "rooms[0].floorPolygon: its sides cross",
    ),
    "nan": ((["objects", 0, "position", "x"], math.nan), "objects[0].position.x: must be a finite number"),
    "text": ((["objects", 0, "position", "x"], "1"), "objects[0].position.x: must be a number, got '1'"),
    "huge": ((["objects", 0, "position", "x"], 10**400), "objects[0].position.x: must be a finite number"),
    "truth": ((["objects", 0, "position", "x"], True), "objects[0].position.x: must be a number, got True"),
    "unknown model": ((["objects", 0, "assetId"], "Nothing_9"), "objects[0].assetId: procthor's database has no"),
    "no model": ((["objects", 0, "assetId"], ...), "objects[0]: needs 'assetId' or 'size'"),
    "negative size": ((["objects", 0, "size"], xyz(1, -1, 1)), "objects[0].size: must not be negative"),
    "child": ((["objects", 0, "children", 0, "position"], ...), "objects[0].children[0]: 'position' is missing"),
    "lost parent": ((["objects", 0, "parent"], "Sofa|7"), "objects: 'DiningTable|2|0' has the parent 'Sofa|7'"),
    "own parent": ((["objects", 0, "parent"], "DiningTable|2|0"), "objects: 'DiningTable|2|0' lies more than 16"),
    "twice": ((["rooms", 1, "id"], "room|2"), "rooms: 'room|2' stands there twice"),
    "wall of no room": ((["walls", 0, "roomId"], "room|9"), "walls[0].roomId: there is no room 'room|9'"),
    "flat wall": ((["walls", 0, "polygon"], [xyz(0, 0, 0)] * 4), "walls[0].polygon: the wall has no length"),
    "door in no wall": ((["doors", 0, "wall0"], "w"), "doors[0].wall0: there is no wall 'w'"),
    "door beyond": ((["doors", 0, "holePolygon"], [xyz(9, 0, 0), xyz(10, 2, 0)]), "doors[0].holePolygon: the hole"),
    "door's kind": ((["doors", 0, "kind"], ["door"]), "doors[0].kind: must be 'door', 'window' or 'open'"),
    "openness": ((["doors", 0, "openness"], 2), "doors[0].openness: must lie between 0 and 1, got 2"),
    "wall1": ((["doors", 0, "wall1"], []), "doors[0].wall1: must be a name, got a list"),
    "split": ((["split"], {}), "split: must be 'train', 'val' or 'test'"),
    "horizon": ((["metadata", "agent", "horizon"], [3]), "metadata.agent.horizon: must be a number"),
    "material": ((["walls", 0, "material"], 7), "walls[0].material: must be a name, got 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named_in_one_line(case):
    (path, value), message = BAD[case]
    with pytest.raises(ValueError, match=re.escape(f"a.json: {message}")) as error:
        house_from_json(put(procthor(), path, value), "a.json")
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


class Unread(list):
    """A list that must be refused by its length, before anything in it is read."""

    def __iter__(self):
        raise AssertionError("read before it was refused")

    def __getitem__(self, place):
        raise AssertionError("read before it was refused")


def test_too_much_is_refused_unread():
    data = procthor()
    box = {"objectType": "Box", "size": xyz(1, 1, 1), "position": xyz(1, 1, 1)}
    crowd = [box | {"id": f"Box|{i}"} for i in range(10_000)]
    halves = [crowd[0] | {"children": crowd[1:4001]}, crowd[4001] | {"children": crowd[4002:8000]}]
    with pytest.raises(ValueError, match="objects: has 10000 items; at most 5000"):
        house_from_json(data | {"objects": Unread(crowd)})
    with pytest.raises(ValueError, match="objects: more than 5000 objects"):
        house_from_json(data | {"objects": halves})
    with pytest.raises(ValueError, match="rooms: has 201 items"):
        house_from_json(data | {"rooms": Unread(data["rooms"] * 100 + data["rooms"][:1])})
    nested = crowd[0]
    for box in crowd[1:100]:
        nested = box | {"children": [nested]}
    with pytest.raises(ValueError, match="nested deeper than 16 levels"):
        house_from_json(data | {"objects": [nested]})


junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})


@settings(max_examples=300)
@given(st.data())
def test_a_mutated_house_is_read_or_refused_in_one_line(data):
    mutated = procthor()
    for _ in range(data.draw(st.integers(1, 3))):
        at, key = {"house": mutated}, "house"
        while isinstance(at[key], dict | list) and at[key] and (key == "house" or data.draw(st.integers(0, 4))):
            at = at[key]
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        at[key] = data.draw(junk | st.sampled_from([10**400, [[]], {"x": 1}, [procthor()]]))
    try:
        house = house_from_json(mutated, "a.json")
    except ValueError as error:
        assert str(error).startswith("a.json: ") and "\n" not in str(error)
    else:
        assert alike(house_from_json(house_to_json(house)), house)


def test_files_of_one_house_of_a_list_and_of_lines(tmp_path):
    one, two = procthor(), procthor() | {"name": "second"}
    lines = f"{json.dumps(one)}\n\n{json.dumps(two)}\n".encode()
    (tmp_path / "one.json").write_text(json.dumps(one))
    (tmp_path / "list.json").write_text(json.dumps([one, two]))
    (tmp_path / "lines.jsonl").write_bytes(lines)
    (tmp_path / "lines.jsonl.gz").write_bytes(gzip.compress(lines))
    assert [len(read_houses(tmp_path / name)) for name in ("one.json", "list.json", "lines.jsonl")] == [1, 2, 2]
    for name in ("list.json", "lines.jsonl", "lines.jsonl.gz"):
        found = read_houses(tmp_path / name)
        assert [house.name for house in found] == [f"{tmp_path / name}, house 1", "second"]
        assert found[1].name == "second" and len(found) == 2
        with pytest.raises(IndexError, match="has 2 houses, and none in row 2"):
            found[2]


def test_one_row_is_found_without_parsing_the_others(tmp_path):
    path = tmp_path / "many.jsonl.gz"
    path.write_bytes(gzip.compress(b"broken\n" * 20_000 + json.dumps(procthor()).encode() + b"\nbroken\n"))
    assert len(read_houses(path)[20_000].rooms) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'{"rooms": [\n 1,, 2]}', "a.json: line 2, column 4: not JSON: "),
        ("a.json", b"", "a.json: line 1, column 1: not JSON: "),
        ("a.json", b"\xff\xfe\x00\x01", "a.json: not JSON: byte 0 is no UTF-8 text"),
        ("a.json", b'{"name": "NaN",\n "rooms": NaN}', "a.json: line 2, column 11: NaN is no number"),
        ("a.json", b"[" * 100_000, "a.json: not a house: lists and objects are nested too deeply"),
        ("a.json", b'{"rooms": ' + b"9" * 5000 + b"}", "a.json: not a house: "),
        ("a.json", b"3", "a.json, house 1: house: must be an object, got 3"),
        ("a.jsonl", b"{}\n{]\n", "a.jsonl, house 1: house: 'rooms' is missing"),
        ("a.jsonl.gz", b"no gzip", "a.jsonl.gz: is no whole gzip file"),
        ("a.jsonl.gz", gzip.compress(b"{}" * 9999, mtime=0)[:-9], "a.jsonl.gz: is no whole gzip file"),
        (
            "a.jsonl.gz",
            gzip.compress(b" " * (2**20 + 1), mtime=0),
            "a.jsonl.gz: too large: it has a line of more than 1 MB",
        ),
        ("a.jsonl.gz", gzip.compress(b" \n" * 2**21, mtime=0), "a.jsonl.gz: too large: it holds more than"),
        ("a.json", b" " * (2**20 + 1), "a.json: too large: it holds more than 1 MB"),
    ],
)
def test_files_that_hold_no_house(tmp_path, monkeypatch, name, content, message):
    monkeypatch.setattr(house_files, "MOST_BYTES", 2**20)
    monkeypatch.setattr(house_files, "MOST_BYTES_UNPACKED", 2**21)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        list(read_houses(tmp_path / name))
    assert "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pkl: a file of houses ends in \.json"):
        read_houses(tmp_path / "a.pkl")
    with pytest.raises(FileNotFoundError, match=r"a\.json: there is no such file"):
        read_houses(tmp_path / "a.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    try:
        house_from_json(house_files.parse(content, "a.json"), "a.json")
    except ValueError as error:
        assert str(error).startswith("a.json: ") and "\n" not in str(error)
