import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from foveal.envs.driving import sprites, surface, topdown
from foveal.envs.overlay import HEADS, Annotation
from foveal.envs.scene import Lane, Scene

SIZE = {"width": 600, "height": 150, "scaling": 5.5}


def straight(lanes=4, length=1000.0):
    return tuple(
        Lane(
            np.array([[0.0, 4.0 * i], [length, 4.0 * i]]),
            4.0,
            ("striped" if i else "continuous", "none" if i < lanes - 1 else "continuous"),
        )
        for i in range(lanes)
    )


def scene_of(positions, headings=None, crashed=None, observed=None, lanes=None, speeds=None):
    n = len(positions)
    zeros = np.zeros(n, np.int64)
    return Scene(
        time_s=3.0,
        position=np.array(positions, float),
        heading=np.zeros(n) if headings is None else np.array(headings, float),
        speed=np.full(n, 25.0) if speeds is None else np.array(speeds, float),
        size=np.tile([5.0, 2.0], (n, 1)),
        lane=zeros,
        target_lane=zeros,
        crashed=np.zeros(n, bool) if crashed is None else np.array(crashed),
        ego=0,
        observed=np.arange(n) if observed is None else np.array(observed),
        lanes=straight() if lanes is None else lanes,
    )


def near(frame, colour, tolerance=60):
    """Where a frame has about this colour."""
    return np.abs(frame.astype(int) - colour).max(-1) <= tolerance


def box(mask):
    """Left, top, right and bottom edge of a mask, in pixels."""
    y, x = np.nonzero(mask)
    return x.min(), y.min(), x.max() + 1, y.max() + 1


def changed(with_, without):
    return np.abs(with_.astype(int) - without).max(-1)


@pytest.mark.parametrize(("width", "height"), [(600, 150), (1200, 300), (333, 77), (64, 64), (16, 16)])
def test_frame_has_the_asked_shape(width, height):
    note = Annotation("LANE_LEFT", 1.5, np.array([[0.5, 0.5], [0.1, 0.9]]))
    frame = topdown.draw(scene_of([[100, 4], [120, 8]]), width=width, height=height, scaling=5.5, annotation=note)
    assert frame.shape == (height, width, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable


@pytest.mark.parametrize("scaling", [5.5, 11.0])
@pytest.mark.parametrize("heading", [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_ego_lies_where_the_geometry_says(heading, scaling):
    scene = scene_of([[203.37, 4.21]], [heading])
    view = topdown.view_of(scene, 1200, 300, scaling, (0.3, 0.5))
    body = near(topdown.draw(scene, width=1200, height=300, scaling=scaling), topdown.EGO)
    half = np.array([2.5, 1.0] if abs(np.cos(heading)) > 0.5 else [1.0, 2.5])
    low, high = view.pixels(np.array([scene.position[0] - half, scene.position[0] + half]))
    np.testing.assert_allclose(box(body), [*low, *high], atol=1.0)


def test_ego_stands_where_centering_says():
    scene = scene_of([[500.0, 4.0]])
    for fraction in (0.3, 0.7):
        left, _, right, _ = box(near(topdown.draw(scene, **SIZE, centering=(fraction, 0.5)), topdown.EGO))
        assert (left + right) / 2 == pytest.approx(600 * fraction, abs=1)


def test_camera_stands_still_across_a_road_that_fits_and_follows_on_one_that_does_not():
    views = [topdown.view_of(scene_of([[500.0, y]]), 600, 150, 5.5, (0.3, 0.5)) for y in (0.0, 12.0)]
    assert views[0] == views[1]
    wide = straight(12)
    views = [topdown.view_of(scene_of([[500.0, y]], lanes=wide), 600, 150, 5.5, (0.3, 0.5)) for y in (0.0, 12.0)]
    assert views[1].origin[1] - views[0].origin[1] == pytest.approx(12.0, abs=0.1)


def test_positive_heading_turns_clockwise_on_the_screen():
    body = near(topdown.draw(scene_of([[200.0, 6.0]], [0.5]), **SIZE), topdown.EGO)
    y, x = np.nonzero(body)
    assert np.polyfit(x, y, 1)[0] == pytest.approx(np.tan(0.5), abs=0.15)


def test_other_vehicles_lie_where_the_geometry_says():
    scene = scene_of([[200.0, 0.0], [230.4, 8.3]], [0.0, 0.7], [False, True])
    y, x = np.nonzero(near(topdown.draw(scene, **SIZE), topdown.CRASHED))
    view = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5))
    middle = view.pixels(scene.position[1])
    assert np.abs([(x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2] - middle).max() < 1


def test_crashed_vehicles_are_red_and_only_they():
    positions = [[200.0, 0.0], [215.0, 4.0], [230.0, 8.0]]
    calm = topdown.draw(scene_of(positions), **SIZE)
    assert not near(calm, topdown.CRASHED, 30).any()
    crash = topdown.draw(scene_of(positions, crashed=[True, True, False]), **SIZE)
    left, _, right, _ = box(near(crash, topdown.CRASHED, 40))
    assert right - left == pytest.approx((15 + 5) * 5.5, abs=2)
    assert not near(crash, topdown.EGO, 20).any()


def test_traffic_is_coloured_by_speed():
    assert topdown._speed_colour(0.0) == topdown.SPEEDS[0.0]
    assert topdown._speed_colour(99.0) == topdown.SPEEDS[35.0]
    brightness = [sum(topdown._speed_colour(speed)) for speed in range(0, 36, 5)]
    assert brightness == sorted(brightness)


def dashes(x):
    """Brightness along the first striped line, 2 m to the right of the first lane's centre."""
    scene = scene_of([[x, 12.0]])
    view = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5))
    row = int(view.pixels(np.array([0.0, 2.0]))[1])
    return topdown.draw(scene, **SIZE)[row].astype(float).sum(-1), view


def test_stripes_lie_in_the_world_and_scroll_with_the_ego():
    for x in (300.0, 303.3, 341.7):
        line, view = dashes(x)
        world = view.origin[0] + (np.arange(600) + 0.5) / view.scaling
        phase = world % surface.DASH_PERIOD
        inside = (phase > 0.3) & (phase < surface.DASH - 0.3)
        outside = (phase > surface.DASH + 0.3) & (phase < surface.DASH_PERIOD - 0.3)
        assert line[inside].min() > 1.5 * line[outside].max()
    before, after = dashes(300.0)[0], dashes(302.0)[0]  # 2 m are 11 pixels
    np.testing.assert_allclose(after[:-11], before[11:], atol=2)


def test_continuous_lines_have_no_gap():
    scene = scene_of([[300.0, 6.0]])
    view = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5))
    row = int(view.pixels(np.array([0.0, -2.0]))[1])
    line = topdown.draw(scene, **SIZE)[row - 1 : row + 2].astype(float).sum((0, 2))
    assert line.min() > 0.95 * line.max()


def test_the_picture_does_not_depend_on_what_was_drawn_before():
    scene = scene_of([[300.0, 4.0], [310.0, 8.0]], [0.1, 0.0])
    first = topdown.draw(scene, **SIZE)
    for x in (0.0, 450.0, 900.0):
        topdown.draw(scene_of([[x, 0.0]]), **SIZE)
    np.testing.assert_array_equal(topdown.draw(scene, **SIZE), first)
    for cached in (topdown._patch, surface.surface_of, sprites.car, sprites._car):
        cached.cache_clear()
    np.testing.assert_array_equal(topdown.draw(scene, **SIZE), first)
    first[:] = 0  # the caller's own
    assert topdown.draw(scene, **SIZE).any()


def test_what_is_out_of_view_is_not_drawn(monkeypatch):
    filled, stamped = [], []
    fill, stamp = surface.fill, topdown.stamp
    monkeypatch.setattr(
        surface,
        "fill",
        lambda image, quads, colours: (filled.append(len(quads)), fill(image, quads, colours)),
    )
    monkeypatch.setattr(topdown, "stamp", lambda *args: (stamped.append(args), stamp(*args)))
    here = straight(length=400.0)
    far = tuple(
        Lane(lane.centre + np.array([0.0, 5000.0 + 50 * i]), 4.0, lane.lines) for i in range(20) for lane in here
    )
    counts = []
    for lanes in (here, here + far):
        filled.clear()
        topdown._patch.cache_clear()
        topdown.draw(scene_of([[200.0, 0.0], [200.0, 5000.0]], lanes=lanes), **SIZE, centering=(0.3, 0.1))
        counts.append(sum(filled))
    assert len(stamped) == 2  # the ego, twice
    assert 0 < counts[1] <= 1.5 * counts[0]


def test_lanes_may_bend():
    angle = np.linspace(0, 2 * np.pi, 60)
    ring = np.stack([20 * np.cos(angle), 20 * np.sin(angle)], -1)
    scene = scene_of([[20.0, 0.0]], [np.pi / 2], lanes=(Lane(ring, 4.0, ("continuous", "continuous")),))
    frame = topdown.draw(scene, width=300, height=300, scaling=5.5)
    asphalt = near(frame, topdown.ASPHALT, 3)
    y, x = np.nonzero(asphalt)
    radius = np.hypot(x + 0.5 - 150, y + 0.5 - 150) / 5.5
    assert np.percentile(radius, [2, 98]) == pytest.approx([18, 22], abs=0.4)
    assert np.histogram(np.arctan2(y - 150, x - 150), bins=36)[0].min() > 0


def test_a_scene_without_lanes_can_be_drawn():
    frame = topdown.draw(scene_of([[0.0, 0.0]], lanes=()), **SIZE)
    assert near(frame, topdown.EGO).any()


def attention_change(weights, observed=(0, 1, 2), positions=((200.0, 6.0), (240.0, 6.0), (240.0, 14.0))):
    """How much each pixel changes (H, W) when attention is drawn."""
    scene = scene_of(positions, observed=observed)
    frame = topdown.draw(scene, **SIZE)
    marked = frame.copy()
    topdown.draw_attention(marked, scene, np.array(weights), topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5)))
    return changed(marked, frame)


def test_attention_lines_are_as_wide_as_the_weight():
    widths = [np.count_nonzero(attention_change([0.0, weight, 0.0])[:, 290] > 60) for weight in (0.0, 0.2, 0.5, 1.0)]
    assert widths[0] == 0
    assert widths[0] < widths[1] < widths[2] < widths[3]


def test_attention_reaches_from_the_ego_to_the_vehicle_in_the_slot():
    left, _, right, _ = box(attention_change([0.0, 0.8, 0.0]) > 60)
    assert left == pytest.approx(180, abs=3)
    assert right == pytest.approx(180 + 40 * 5.5, abs=3)
    swapped = attention_change([0.0, 0.8, 0.0], observed=(0, 2, 1))
    np.testing.assert_array_equal(swapped, attention_change([0.0, 0.0, 0.8]))


def test_empty_slots_are_skipped():
    assert not attention_change([0.0, 0.0, 0.9], observed=(0, 1, -1)).any()


def test_attention_to_oneself_is_a_ring():
    ring = attention_change([0.9, 0.0, 0.0]) > 60
    left, top, right, bottom = box(ring)
    assert (left + right) / 2 == pytest.approx(180, abs=1)
    assert right - left == pytest.approx(bottom - top, abs=1)
    assert not ring[(top + bottom) // 2, 175:185].any()


def test_heads_have_their_own_hues():
    scene = scene_of([[200.0, 6.0], [240.0, 2.0], [240.0, 10.0]])
    for head in range(2):
        weights = np.zeros((2, 3))
        weights[head, 1] = 1.0
        frame = topdown.draw(scene, **SIZE, annotation=Annotation(attention=weights))
        assert near(frame[30:], HEADS[head], 12).any()
        assert not near(frame[30:], HEADS[1 - head], 12).any()


@pytest.mark.parametrize("weights", [[0.5, 0.5], [[[0.2, 0.3, 0.5]]], [0.1, np.nan, 0.2]])
def test_bad_attention_is_refused(weights):
    with pytest.raises(ValueError, match="attention must be finite"):
        attention_change(weights)


def test_vehicles_hide_the_lines_beneath_them():
    scene = scene_of([[200.0, 6.0], [240.0, 6.0]])
    frame = topdown.draw(scene, **SIZE, annotation=Annotation(attention=np.array([0.0, 1.0])))
    view = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5))
    x, y = view.pixels(scene.position[1]).astype(int)
    np.testing.assert_array_equal(frame[y, x], topdown.draw(scene, **SIZE)[y, x])


@pytest.mark.parametrize(("width", "height"), [(600, 150), (1200, 300), (300, 80), (900, 620)])
def test_the_panel_stays_at_the_top(width, height):
    scene = scene_of([[200.0, 6.0]])
    size = {"width": width, "height": height, "scaling": 5.5}
    marked = topdown.draw(scene, **size, annotation=Annotation("LANE_LEFT", 3.2))
    _, top, _, bottom = box(changed(marked, topdown.draw(scene, **size)) > 0)
    assert top == 0
    assert bottom <= max(20, 0.15 * height)
    assert near(marked[:bottom], (240, 243, 246), 10).any()


def test_drawing_needs_no_display_and_importing_needs_no_opencv():
    code = """
import sys
from foveal.envs.driving import sprites, surface, topdown
assert not {"cv2", "pygame", "matplotlib", "torch"} & set(sys.modules), sorted(sys.modules)
sys.path.insert(0, sys.argv[1])
import test_topdown
assert test_topdown.topdown.draw(test_topdown.scene_of([[100.0, 4.0]])).any()
assert "pygame" not in sys.modules
"""
    bare = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    subprocess.run([sys.executable, "-c", code, os.path.dirname(__file__)], env=bare, check=True)


def test_opencv_draws_polygons_where_we_think():
    """The half-pixel and the bleed that `fill` and `_marking` reckon with."""
    image = np.zeros((40, 40), np.uint8)
    surface.fill(image, np.array([[[10.0, 12.0], [30.0, 12.0], [30.0, 20.0], [10.0, 20.0]]]), [(255,)])
    column = image[:, 20] / 255
    assert (column * (np.arange(40) + 0.5)).sum() / column.sum() == pytest.approx(16, abs=0.2)
    assert column.sum() == pytest.approx(8 + 2 * surface.BLEED, abs=0.4)


def crossing():
    """Two roads across each other, drawn with their ego out of the way."""
    solid = ("continuous", "continuous")
    lines = ([[-30.0, 0.0], [30.0, 0.0]], [[0.0, -30.0], [0.0, 30.0]])
    return tuple(Lane(np.array(line), 6.0, solid) for line in lines)


def test_no_marking_runs_across_a_junction():
    frame = topdown.draw(
        scene_of([[-25.0, 0.0]], lanes=crossing()), width=400, height=400, scaling=6.0, centering=(0.0, 0.5)
    )
    marked = near(frame, topdown.MARKING, 90)
    y, x = (np.nonzero(marked) - np.array([[200], [0]])) / 6.0
    left = (400 / 6.0 - 60) / 2  # the road fits into the frame, which stands still around it
    across, along = np.abs(y), np.abs(x - left - 30)
    inside = (np.minimum(across, along) < 2.3) & (np.maximum(across, along) < 3.4)  # the roads' edges included
    assert marked.sum() > 500 and not inside.any()


def test_a_road_that_goes_on_in_the_next_lane_keeps_its_markings():
    solid = ("continuous", "continuous")
    whole = (Lane(np.array([[0.0, 0.0], [60.0, 0.0]]), 4.0, solid),)
    halves = tuple(Lane(np.array([[a, 0.0], [a + 30.0, 0.0]]), 4.0, solid) for a in (0.0, 30.0))
    frames = [topdown.draw(scene_of([[5.0, 0.0]], lanes=lanes), **SIZE) for lanes in (whole, halves)]
    assert np.count_nonzero(changed(*frames) > 40) < 12


def scene_with(kind, size, heading=0.0):
    scene = scene_of([[200.0, 0.0], [215.0, 4.0]], [0.0, heading])
    return dataclasses.replace(scene, kind=("vehicle", kind), size=np.array([[5.0, 2.0], size]))


def middle_of(frame, scene):
    """The pixels (H, W, 3) within 0.8 m of the second thing."""
    x, y = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5)).pixels(scene.position[1]).astype(int)
    return frame[y - 4 : y + 5, x - 4 : x + 5]


def test_a_barrier_is_striped_and_covers_what_is_beneath():
    scene = scene_with("obstacle", (4.0, 3.0))
    shown = middle_of(topdown.draw(scene, **SIZE), scene)
    assert near(shown, sprites.BARRIER, 40).any() and near(shown, sprites.STRIPE, 40).any()
    assert not near(shown, topdown.ASPHALT, 20).any()


@pytest.mark.parametrize("heading", [0.0, 1.0])
def test_a_goal_is_an_outline_beneath_the_vehicles(heading):
    scene = scene_with("landmark", (6.0, 6.0), heading)
    frame = topdown.draw(scene, **SIZE)
    y, x = np.nonzero(near(frame, sprites.GOAL, 50))
    centre = topdown.view_of(scene, 600, 150, 5.5, (0.3, 0.5)).pixels(scene.position[1])
    reach = 3 * 5.5 * (abs(np.cos(heading)) + abs(np.sin(heading)))
    assert (x.max() - x.min()) / 2 == pytest.approx(reach, abs=2)
    assert [(x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2] == pytest.approx(centre, abs=1.5)
    away = np.array([12.0, 0.0]) if heading == 0 else np.array([0.0, 12.0])
    assert not near(frame[tuple((centre + away)[::-1].astype(int))], sprites.GOAL, 60).any()  # see-through
    over = dataclasses.replace(scene, position=np.array([[215.0, 4.0], [215.0, 4.0]]))
    assert near(middle_of(topdown.draw(over, **SIZE), over), topdown.EGO).mean() > 0.1
