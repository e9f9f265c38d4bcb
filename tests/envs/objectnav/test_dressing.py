"""Dressing: which way things face, what is let into what, and what a dressed house shows."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from foveal.envs.objectnav.kit.dressing import dress
from foveal.envs.objectnav.kit.fitted_boxes import drawn_boxes
from foveal.envs.objectnav.kit.fittings import counter_body, counter_parts, fronts_only, ovens
from foveal.envs.objectnav.kit.fronts import contains, faced, room_of, turned
from foveal.envs.objectnav.kit.palettes import ROLES, drawn, named
from foveal.envs.objectnav.scenes.house import House, Opening, Room, Thing, Wall
from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.rendering.renderer import Renderer
from foveal.optics.camera import Camera
from foveal.optics.transforms import look


def two_rooms(*things: Thing, openness: float = 1.0) -> House:
    """Kitchen [0, 4] x [0, 4] and bedroom [4, 8] x [0, 4] with a door between them and a window in the west."""
    rooms, walls = [], []
    for number, (kind, left) in enumerate((("Kitchen", 0.0), ("Bedroom", 4.0))):
        corners = [(left, 0.0), (left + 4, 0.0), (left + 4, 4.0), (left, 4.0)]
        rooms.append(Room(f"room|{number}", kind, np.array(corners)))
        sides = zip(corners, corners[1:] + corners[:1], strict=True)
        walls += [Wall(f"wall|{number}|{k}", f"room|{number}", a, b) for k, (a, b) in enumerate(sides)]
    door = Opening(
        "door", "door", ("wall|0|1", "wall|1|3"), ("room|0", "room|1"), (1.5, 2.5), (0.0, 2.0), openness=openness
    )
    window = Opening("window", "window", ("wall|0|3", None), ("room|0", None), (1.0, 3.0), (0.8, 2.0))
    return House("two rooms", tuple(rooms), tuple(walls), (door, window), things)


def table(x: float, y: float) -> Thing:
    return Thing("table", "DiningTable", (x, y, 0.4), (1.0, 1.0, 0.8), asset="Table_1")


def seen(house: House, position: tuple[float, float, float], yaw: float, output: str = "semantic") -> np.ndarray:
    camera = Camera.from_vertical_fov(48, 48, 1.1)
    renderer = Renderer([dress(house)], camera, (output,))
    return renderer.render([0], look(position, yaw, 0.0)[None])[output][0]


def test_a_fitted_cabinet_looks_away_from_its_wall():
    cabinet = Thing("c", "Cabinet", (0.2, 2.0, 1.8), (0.4, 0.5, 0.7))
    (found,) = faced(two_rooms(cabinet))
    assert found.yaw == pytest.approx(-pi / 2)  # forward is +x
    assert found.size == (0.5, 0.4, 0.7)
    assert np.allclose(found.bounds, cabinet.bounds)


def test_a_model_keeps_its_front():
    cabinet = Thing("f", "Fridge", (0.4, 2.0, 0.9), (0.8, 0.8, 1.8), yaw=1.0, asset="Fridge_1")
    assert faced(two_rooms(cabinet)) == (cabinet,)


def test_furniture_that_looks_at_a_wall_is_turned_round():
    shelves = Thing("s", "ShelvingUnit", (2.0, 3.8, 0.8), (1.0, 0.4, 1.6), asset="Shelving_Unit_1")
    (found,) = faced(two_rooms(shelves))
    assert abs(found.yaw) == pytest.approx(pi)


def test_a_mirror_looks_away_from_its_wall():
    mirror = Thing("m", "Mirror", (7.97, 2.0, 1.5), (0.04, 0.8, 1.0))
    (found,) = faced(two_rooms(mirror))
    assert found.yaw == pytest.approx(pi / 2)
    assert found.size == (0.8, 0.04, 1.0)


def test_a_drawer_faces_as_its_dresser():
    dresser = Thing("d", "Dresser", (6.0, 3.7, 0.5), (1.0, 0.5, 1.0), yaw=-pi, asset="Dresser_1")
    drawer = Thing("k", "Drawer", (6.0, 3.65, 0.5), (0.9, 0.4, 0.2), parent="d")
    assert abs(faced(two_rooms(dresser, drawer))[1].yaw) == pytest.approx(pi)
    assert fronts_only(drawer, (dresser, drawer)) is dresser


def test_a_bed_has_its_head_where_the_pillows_are():
    bed = Thing("b", "Bed", (6.0, 1.0, 0.5), (1.5, 2.0, 1.0), asset="Bed_1")
    pillow = Thing("p", "Pillow", (6.0, 0.3, 0.6), (0.5, 0.4, 0.1), parent="b", pickupable=True)
    assert abs(faced(two_rooms(bed, pillow))[0].yaw) == pytest.approx(pi)
    assert faced(two_rooms(bed, replace(pillow, centre=(6.0, 1.7, 0.6))))[0].yaw == 0.0


def test_quarter_turns_keep_the_box():
    thing = Thing("t", "Sofa", (1.0, 2.0, 0.4), (2.0, 0.9, 0.8), yaw=0.3)
    for quarters in range(-4, 5):
        assert np.allclose(turned(thing, quarters).bounds, thing.bounds)
        assert -pi <= turned(thing, quarters).yaw < pi


def test_a_sink_is_let_into_its_counter():
    counter = Thing("c", "CounterTop", (1.0, 0.3, 0.9), (2.0, 0.6, 0.02))
    sink = Thing("s", "Sink", (1.0, 0.3, 0.8), (0.5, 0.4, 0.2))
    whole, cut = counter_parts(counter, [counter]), counter_parts(counter, [counter, sink])
    area = [sum((p.high[0] - p.low[0]) * (p.high[1] - p.low[1]) for p in parts) for parts in (whole, cut)]
    assert area[0] == pytest.approx(1.2)
    assert area[1] == pytest.approx(1.2 - 0.81 * 0.5 * 0.4)
    body = counter_body(counter, [counter, sink])
    assert body is not None
    under = [part for part in body.parts if part.low[0] < 0 < part.high[0] and part.low[1] < 0 < part.high[1]]
    assert [part.high[2] for part in under] == [pytest.approx(0.7)]


def test_a_counter_s_body_stays_behind_its_cabinets():
    counter = Thing("c", "CounterTop", (1.0, 0.3, 0.9), (2.0, 0.6, 0.02))
    cabinet = Thing("k", "Cabinet", (1.0, 0.25, 0.5), (0.5, 0.5, 0.7))
    assert fronts_only(cabinet, (counter, cabinet)) is counter
    body = counter_body(counter, (counter, cabinet))
    assert body is not None
    assert max(part.high[1] for part in body.parts) + 0.3 < 0.5  # the cabinet's front is at y = 0.5


def test_burners_get_a_stove_unless_a_counter_holds_them():
    spots = [(1.0, 0.2), (1.4, 0.2), (1.0, 0.5), (1.4, 0.5)]
    burners = tuple(Thing(f"b{x}{y}", "StoveBurner", (x, y, 0.92), (0.2, 0.2, 0.02)) for x, y in spots)
    (stove,) = ovens(two_rooms(*burners))
    assert stove.box.yaw == 0.0 and stove.box.size[2] == pytest.approx(0.91)
    counter = Thing("c", "CounterTop", (1.2, 0.3, 0.9), (2.0, 0.6, 0.02))
    assert ovens(two_rooms(counter, *burners)) == []


def test_palettes_are_apart_and_drawn_by_seed():
    for role, made in ROLES.items():
        assert not set(made.train.split()) & set(made.held_out.split()), role
    colours = {drawn("wall", "room", seed, "train").colour for seed in range(40)}
    held_out = {drawn("wall", "room", seed, "held_out").colour for seed in range(40)}
    assert len(colours) > 5 and len(held_out) > 2 and not colours & held_out
    assert drawn("wall", "room", 3, "train") == drawn("wall", "room", 3, "train")


def test_materials_by_name():
    assert named("DarkWoodFloor2", "wall", "train").texture == "planks"
    assert named("RedBrick", "wall", "train").texture == "brick"
    assert named("xyz", "wall", "train").texture == "plaster"
    white, black = (sum(named(f"{word}Marble", "wall", "train").colour) for word in ("White", "Black"))
    assert white > 2.5 and black < 0.8
    red, green, _ = named("DrywallGreen", "wall", "train").colour
    assert green > red
    assert sum(named("DarkTiles", "wall", "train").colour) < sum(named("Tiles", "wall", "train").colour)


def test_points_in_rooms():
    house = two_rooms()
    assert [room_of(point, house.rooms) for point in ((1.0, 1.0), (5.0, 1.0), (9.0, 1.0))] == [0, 1, -1]
    corner = np.array([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], np.float64)
    assert contains(corner, (0.5, 1.5)) and not contains(corner, (1.5, 1.5))


def test_one_scene_per_seed_and_palette():
    house = two_rooms(table(2.0, 2.0))
    first, again, other, held_out = dress(house, 1), dress(house, 1), dress(house, 2), dress(house, 1, "held_out")
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for scene in (other, held_out):
        assert any(a.shape != b.shape or (a != b).any() for a, b in zip(first, scene, strict=True))
        assert np.array_equal(first.corners, scene.corners)
        assert np.array_equal(first.vertices, scene.vertices)
    with pytest.raises(ValueError, match="palette must be 'train' or 'held_out', got 'test'"):
        dress(house, palette="test")  # type: ignore[arg-type]


def test_ids_of_things_and_structure():
    house = two_rooms(replace(table(2.0, 2.0), id="a"), Thing("b", "Spaceship", (1.0, 1.0, 0.5), (0.3, 0.3, 1.0)))
    objects = dress(house).objects
    instances, semantics = objects[:, 6].tolist(), objects[:, 7].tolist()
    assert instances == sorted(set(instances)) and instances[:2] == [1, 2]
    assert [TYPES[number] for number in semantics[:2]] == ["DiningTable", "Other"]
    counts = {name: semantics.count(type_id(name)) for name in ("Floor", "Ceiling", "Wall", "Door", "WindowPane")}
    assert counts == {"Floor": 2, "Ceiling": 2, "Wall": 8, "Door": 1, "WindowPane": 1}


def test_a_camera_sees_what_stands_before_it():
    apple = Thing("a", "Apple", (2.0, 3.0, 1.0), (0.4, 0.4, 0.4))
    image = seen(two_rooms(apple), (2.0, 1.0, 1.0), 0.0)
    assert image[24, 24] == type_id("Apple")
    assert image[0, 24] in (type_id("Wall"), type_id("Ceiling")) and image[47, 24] == type_id("Floor")
    assert (image > 0).all()  # the shell has no gaps


def test_a_door_is_seen_through_when_open_and_hides_when_closed():
    fridge = Thing("f", "Fridge", (6.0, 2.0, 0.9), (0.8, 0.8, 1.8), asset="Fridge_1")
    for openness, expected in ((1.0, "Fridge"), (0.0, "Door")):
        image = seen(two_rooms(fridge, openness=openness), (2.0, 2.0, 1.0), -pi / 2)
        assert image[24, 24] == type_id(expected)


def test_a_window_shows_a_bright_pane():
    house = two_rooms()
    assert seen(house, (2.0, 1.6, 1.2), pi / 2)[24, 24] == type_id("WindowPane")
    rgb = seen(house, (2.0, 1.6, 1.2), pi / 2, "rgb")
    assert rgb[24, 24].min() > 180


def test_a_sink_stays_within_its_counter():
    counter = Thing("c", "CounterTop", (1.0, 0.3, 0.9), (2.0, 0.6, 0.02), yaw=pi / 2)
    sink = Thing("s", "Sink", (1.25, 0.3, 0.8), (0.5, 0.5, 0.2))
    (found,) = drawn_boxes(sink, two_rooms(counter, sink), (counter, sink))
    assert found.size == pytest.approx((0.23, 0.5, 0.2))
    assert found.centre == pytest.approx((1.115, 0.3, 0.8))


def test_a_window_around_a_corner_is_two():
    window = Thing("w", "Window", (1.3, 1.3, 1.5), (2.6, 2.6, 1.0))
    boxes = drawn_boxes(window, two_rooms(window), (window,))
    assert sorted(box.yaw for box in boxes) == pytest.approx([-pi / 2, 0.0])  # looks east, looks north
    assert all(box.size == pytest.approx((2.6, 0.1, 1.0)) for box in boxes)


def test_a_television_without_a_stand_hangs_on_its_wall():
    television = Thing("t", "Television", (2.0, 3.7, 1.5), (1.0, 0.4, 0.6), yaw=-pi, asset="Television_1")
    (found,) = drawn_boxes(television, two_rooms(television), (television,))
    assert found.yaw == pytest.approx(-pi) and found.centre[1] == pytest.approx(3.85)
    standing = replace(television, parent="stand")
    assert drawn_boxes(standing, two_rooms(standing), (standing,)) == [standing]
