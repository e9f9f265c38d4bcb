import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foveal.envs.objectnav.procedural import floorplans, shell
from foveal.envs.objectnav.procedural.assets import Asset
from foveal.envs.objectnav.procedural.placing import Floor, _complement, overlaps, rectangles
from foveal.envs.objectnav.procedural.surfaces import boards, shelf_heights

from .walking import within

lengths = st.integers(1, 400).map(lambda n: n / 100)
points = st.tuples(st.integers(-500, 500), st.integers(-500, 500)).map(lambda p: (p[0] / 100, p[1] / 100))


@given(points, points, lengths, lengths, st.integers(0, 3))
def test_turned_rectangles_are_turned_points(origin, low, width, depth, turn):
    high = (low[0] + width, low[1] + depth)
    x0, y0, x1, y1 = rectangles(np.array(origin), turn, low, high)
    cos, sin = round(np.cos(turn * np.pi / 2)), round(np.sin(turn * np.pi / 2))
    corners = np.array([low, high]) @ np.array([[cos, sin], [-sin, cos]]) + origin
    np.testing.assert_allclose([x0, y0], corners.min(0))
    np.testing.assert_allclose([x1, y1], corners.max(0))


@given(st.lists(st.tuples(points, lengths, lengths), min_size=1, max_size=5))
def test_rectangles_overlap_where_their_intervals_do(boxes):
    some = np.array([(x, y, x + w, y + h) for (x, y), w, h in boxes])
    for i, hit in enumerate(overlaps(some[:1], some[1:])):
        a = some[i]
        assert hit == any(min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1]) for b in some[1:])


def test_what_is_not_floor_is_covered_and_floor_is_not():
    rng = np.random.default_rng(0)
    for seed in range(20):
        for room in shell.build(floorplans.draw(np.random.default_rng(seed)), "train", rng).rooms:
            low, high = room.polygon.min(0) - 0.9, room.polygon.max(0) + 0.9
            at = low + rng.random((200, 2)) * (high - low)
            covered = overlaps(np.concatenate([at - 1e-6, at + 1e-6], 1), _complement(room.polygon))
            np.testing.assert_array_equal(covered, ~within(at, room.polygon))


def test_what_would_shut_off_a_door_is_refused_and_changes_nothing():
    built = shell.build(floorplans.draw(np.random.default_rng(3), (2, 2)), "train", np.random.default_rng(3))
    room = built.rooms[0]
    floor = Floor(
        room, [w for w in built.walls if w.room == room.id], [o for o in built.openings if room.id in o.rooms]
    )
    before = floor.solids.copy()
    everything = np.concatenate([floor.low, floor.high])[None]
    assert not floor.take(everything, None)
    assert floor.refusals == 1
    np.testing.assert_array_equal(floor.solids, before)


def test_places_along_walls_have_their_backs_to_a_wall():
    for seed in range(10):
        built = shell.build(floorplans.draw(np.random.default_rng(seed)), "train", np.random.default_rng(seed))
        for room in built.rooms:
            floor = Floor(room, [w for w in built.walls if w.room == room.id], built.openings)
            places = floor.along_walls(0.6, 0.4, 0.5, tall=True, corner=False)
            assert len(places.turn)
            body = rectangles(places.origin, places.turn, (0.0, 0.0), (0.6, 0.4))
            behind = rectangles(places.origin, places.turn, (0.0, -0.05), (0.6, 0.0))
            corners = np.stack([body[:, [0, 1]], body[:, [2, 3]], body[:, [0, 3]], body[:, [2, 1]]], 1)
            assert within(corners.reshape(-1, 2), room.polygon).all()
            assert overlaps(behind, floor.solids).all()


@given(st.floats(0.3, 2.5))
def test_shelves_are_evenly_spaced_up_to_the_top(height):
    heights = shelf_heights(height)
    assert heights[-1] == round(height, 3)
    steps = np.diff([0.0, *heights])
    assert np.ptp(steps) < 0.003


@given(st.sampled_from(["Bed", "Sofa", "SideTable", "ShelvingUnit", "Toilet"]), lengths, lengths, lengths)
def test_boards_lie_within_their_model(kind, width, depth, height):
    asset = Asset("a", kind, (width, depth, height), False, False)
    for board in boards(asset):
        assert -width / 2 <= board.low[0] < board.high[0] <= width / 2
        assert -depth / 2 <= board.low[1] < board.high[1] <= depth / 2
        assert 0 < board.height <= height + 5e-4
