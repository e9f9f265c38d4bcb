"""Stimuli: what is drawn, measured against the stated geometry."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.visual_search.paradigms import CONDITIONS, FORMS, PX_PER_DEG, Condition, Look, Paradigm
from foveal.envs.visual_search.stimuli import Stimuli

GEOMETRY = {  # field, grid, cell px, box px, jitter px, set sizes, background: Gupta et al. 2021, their generators
    "curve_in_lines": (339, 6, 56, 48, 8, (8, 16, 32), 0),
    "lighting_vertical": (198, 4, 49, 31, 18, (1, 6, 12), 27),
    "noncross_in_crosses": (615, 3, 205, 177, 27, (3, 6, 9), 255),
    "t_in_ls": (615, 3, 205, 177, 27, (3, 6, 9), 255),
    "tilted_in_vertical": (339, 4, 84, 69, 15, (1, 4, 8, 12), 255),
    "vertical_in_mixed": (339, 4, 84, 69, 15, (1, 4, 8, 12), 255),
}


def ink(stimuli, image):
    """How much of each pixel is covered, in [0, 1]: of forms of one colour."""
    background = float(stimuli.condition.paradigm.background)
    return (image.astype(float) - background) / (255 - 2 * background if background in (0, 255) else 1)


def moments(cover):
    """Area, middle x and y, the axis's turn from vertical (clockwise, degrees), and length and width of a bar."""
    y, x = np.mgrid[: cover.shape[0], : cover.shape[1]]
    area = cover.sum()
    cx, cy = (cover * x).sum() / area, (cover * y).sum() / area
    spread = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=cover.ravel(), ddof=0)
    values, axes = np.linalg.eigh(spread)
    long = axes[:, 1] * (1 if axes[1, 1] <= 0 else -1)  # upwards
    length, width = np.sqrt(12 * values[::-1] - 1)  # a pixel's own spread is 1 / 12
    return area, cx, cy, math.degrees(math.atan2(long[0], -long[1])), length, width


def alone(form, **pose):
    """A condition with one item of a form in the middle of a field."""
    look = Look(form, **pose)
    return Stimuli(Condition(Paradigm(240, 1, 240, 240, 1, (1,)), look, (look,)))


@pytest.mark.parametrize("name", GEOMETRY)
def test_fields_grids_and_sizes_are_the_stated_ones(name):
    p = CONDITIONS[name].paradigm
    assert (p.field_px, p.grid, p.cell_px, p.box_px, p.jitter_px, p.set_sizes, p.background) == GEOMETRY[name]
    picture = Stimuli(name).draw(Stimuli(name).make([0]))
    assert picture.shape == (1, p.field_px, p.field_px) and picture[0, 0, 0] == p.background


@pytest.mark.parametrize(("form", "length", "width"), [("line", 1.2, 0.2), ("bar", 2.0, 0.3)])
@pytest.mark.parametrize("turn", [0.0, -20.0, 45.0, 80.0])
def test_bars_have_their_length_width_and_angle(form, length, width, turn):
    stimuli = alone(form, poses=((turn, False),))
    area, cx, cy, angle, long, wide = moments(ink(stimuli, stimuli.draw(stimuli.make([0]))[0]))
    assert area == pytest.approx(length * width * PX_PER_DEG**2, rel=0.02)
    assert (cx, cy) == pytest.approx((119.5, 119.5), abs=0.05)
    assert angle == pytest.approx(turn, abs=0.3)
    assert (long, wide) == pytest.approx((length * PX_PER_DEG, width * PX_PER_DEG), abs=0.4)


def test_curves_lie_on_a_circle_of_one_degree_over_their_extent():
    stimuli = alone("curve")
    cover = ink(stimuli, stimuli.draw(stimuli.make([0]))[0])
    y, x = np.nonzero(cover > 0.5)
    x, y = (x - 119.5) / PX_PER_DEG + (1 + math.cos(0.65)) / 2, (y - 119.5) / PX_PER_DEG
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    assert radius.min() == pytest.approx(1 - 1 / 12, abs=0.03) and radius.max() == pytest.approx(1 + 1 / 12, abs=0.03)
    assert np.ptp(angle) == pytest.approx(1.3, abs=0.04)
    assert cover.sum() / PX_PER_DEG**2 == pytest.approx(1.3 / 6, rel=0.01)


@pytest.mark.parametrize(
    ("form", "row", "columns"),
    [("cross", 3.5, (0.0, 5.5)), ("non-cross", 3.5, (0.0, 3.0)), ("non-cross", 6.5, (2.5, 5.5)), ("T", 0.5, (0, 5.5)),
     ("L", 9.5, (0.0, 5.5))],
)  # fmt: skip
def test_letters_and_crosses_have_their_bars_in_place(form, row, columns):
    stimuli = alone(form)
    cover = ink(stimuli, stimuli.draw(stimuli.make([0]))[0])
    top = 119.5 - 5.5 / 2 * PX_PER_DEG
    inked = np.flatnonzero(cover[round(top + row * 0.55 * PX_PER_DEG)] > 0.5)
    low, high = ((inked[[0, -1]] - top) / PX_PER_DEG).tolist()
    assert (low, high) == pytest.approx(columns, abs=0.3)  # half a stem where a half bar ends in it


def test_balls_go_in_sixteen_steps_from_black_to_white():
    look = Look("ball")
    stimuli = Stimuli(Condition(Paradigm(60, 1, 60, 31, 30, (1,), 27), look, (look,)))
    picture = stimuli.draw(stimuli.make([3]))[0]
    x, y = (np.rint(stimuli.make([3]).place[0, 0] * PX_PER_DEG + 29.5)).astype(int)
    column = picture[y - 14 : y + 15, x].astype(int)
    np.testing.assert_array_equal(column, [17 * (row // 2) for row in range(1, 30)])
    assert (picture != 27).sum() == pytest.approx(math.pi * 15.3**2, rel=0.03)


@pytest.mark.parametrize("name", CONDITIONS)
def test_items_stand_in_cells_of_their_own_with_jitter_over_whole_pixels(name):
    stimuli = Stimuli(name)
    p = stimuli.condition.paradigm
    made = stimuli.make(np.arange(400))
    there = np.arange(stimuli.most) < made.size[:, None]
    assert set(made.size) == set(p.set_sizes)
    for cells, count in zip(made.cell, made.size, strict=True):
        assert np.unique(cells[:count]).size == count and 0 <= cells[:count].min() <= cells[:count].max() < p.grid**2
    corners = made.place * PX_PER_DEG + (p.field_px - p.box_px) / 2
    at = np.stack([made.cell % p.grid, made.cell // p.grid], -1)
    jitter = (corners - at * p.cell_px)[there]
    np.testing.assert_allclose(jitter, np.rint(jitter), atol=1e-9)
    assert set(np.rint(jitter).astype(int).ravel()) == set(range(p.jitter_px))
    np.testing.assert_array_equal(stimuli.cell_at(made.place[there]), made.cell[there])


@pytest.mark.parametrize("name", CONDITIONS)
def test_one_item_is_the_target_and_looks_like_it(name):
    stimuli = Stimuli(name)
    made, targets = stimuli.make(np.arange(1500)), len(stimuli.condition.target.poses)
    there = np.arange(stimuli.most) < made.size[:, None]
    assert (((made.look < targets) & there).sum(1) == 1).all()
    np.testing.assert_array_equal(made.look[np.arange(1500), made.target], made.sought)
    assert set(made.look[there]) == set(range(len(stimuli.cast.form)))
    assert set(made.target) == set(range(stimuli.most)), "which slot it has tells nothing"


def test_mixed_distractors_differ_as_long_as_they_can():
    stimuli = Stimuli("vertical_in_mixed", set_sizes=(12,))
    made = stimuli.make(np.arange(200))
    for looks in made.look:
        others = looks[looks > 0] - 1
        assert len(set(others[:8])) == 8 and len(set(others[8:])) == 3
    assert len({tuple(looks) for looks in made.look}) == 200


def test_the_light_comes_from_where_it_is_said_to():
    for name, side in (
        ("lighting_vertical", (0, -1)),
        ("bottom_lit_in_top_lit", (0, 1)),
        ("lighting_horizontal", (-1, 0)),
    ):
        stimuli = Stimuli(name, set_sizes=(6,))
        made = stimuli.make([1])
        picture = stimuli.draw(made)[0].astype(int)
        for item in range(6):
            x, y = np.rint(made.place[0, item] * PX_PER_DEG + 98.5).astype(int)
            dx, dy = 10 * np.array(side)
            brighter = picture[y + dy, x + dx] - picture[y - dy, x - dx]
            assert (brighter > 100) if item == made.target[0] else (brighter < -100)


def test_displays_hang_on_their_seed_alone_and_targets_may_be_absent():
    stimuli = Stimuli("conjunction", present=0.5)
    many, some = stimuli.make(np.arange(2000)), stimuli.make([7, 3])
    for array, other in zip(many, some, strict=True):
        np.testing.assert_array_equal(array[[7, 3]], other)
    assert np.mean(many.target >= 0) == pytest.approx(0.5, abs=0.05)
    absent = many.target < 0
    assert (many.look[absent] >= 1).sum() == many.size[absent].sum()
    reds = (stimuli.cast.colour[many.look] == (220, 40, 40)).all(-1) & (np.arange(18) < many.size[:, None])
    share = reds.sum(1)[absent & (many.size == 12)]
    assert (share == 6).all(), "half of the distractors of a conjunction share its colour"


def test_pictures_at_another_scale_are_the_same_picture():
    fine, coarse = Stimuli("2_in_5s"), Stimuli("2_in_5s", px_per_deg=PX_PER_DEG / 2)
    made = fine.make([5])
    halved = fine.draw(made)[0].reshape(225, 2, 225, 2).mean((1, 3))
    assert np.abs(halved - coarse.draw(made)[0]).max() < 40 and np.abs(halved - coarse.draw(made)[0]).mean() < 0.5


def test_grey_is_as_bright_as_the_colours():
    coloured, grey = Stimuli("feature", colour=True), Stimuli("feature")
    made = coloured.make([0])
    bright = coloured.draw(made) @ [0.299, 0.587, 0.114]
    assert np.abs(bright - grey.draw(made)).max() < 1.5


def test_every_form_is_used_and_what_does_not_fit_into_its_box_is_refused():
    with pytest.raises(ValueError, match=r"'bar' of 2 degrees does not fit into a box of 1.97"):
        Condition(Paradigm(60, 1, 60, 59, 1, (1,)), Look("ball"), (Look("bar"),))
    assert set(FORMS) == {look.form for c in CONDITIONS.values() for look in (c.target, *c.distractors)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"set_sizes": (10,)}, "must be in .1, 9., the cells of a grid of 3"),
        ({"set_sizes": (0,)}, "set_sizes"),
        ({"cell_deg": 3.0}, "items of 5.9 degrees do not fit into cells of 3"),
        ({"cell_deg": -1.0}, "cell_deg=-1.0"),
        ({"cell_deg": math.nan}, "cell_deg=nan"),
        ({"grid": 65}, "grid=65"),
        ({"present": 1.5}, "present=1.5"),
        ({"px_per_deg": 0.0}, "px_per_deg=0.0"),
        ({"px_per_deg": 1000.0}, "px_per_deg=1000.0"),
    ],
)
def test_impossible_displays_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Stimuli("t_in_ls", **options)


def test_an_unknown_condition_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"t_in_l'; did you mean 't_in_ls'"):
        Stimuli("t_in_l")


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(CONDITIONS)), grid=st.integers(1, 9), spare=st.floats(0, 3), seed=st.integers(0, 2**62),
    px_per_deg=st.floats(2, 12), data=st.data(),
)  # fmt: skip
def test_any_grid_and_set_size_is_drawn_within_its_cells(name, grid, spare, seed, px_per_deg, data):
    size = data.draw(st.integers(1, grid**2))
    cell = CONDITIONS[name].paradigm.box_px / PX_PER_DEG + spare
    stimuli = Stimuli(name, set_sizes=(size,), grid=grid, cell_deg=math.ceil(cell * 30) / 30, px_per_deg=px_per_deg)
    made = stimuli.make([seed])
    assert made.size[0] == size and np.unique(made.cell[0]).size == size
    picture = stimuli.draw(made)[0]
    middles = (np.arange(stimuli.px) - (stimuli.px - 1) / 2) / px_per_deg
    cells = stimuli.cell_at(np.stack(np.meshgrid(middles, middles), -1))
    empty = ~np.isin(cells, made.cell[0])
    grown = np.pad(empty, 2, constant_values=True)  # what is blurred over an edge stays within two pixels of it
    far = np.min([grown[a : a + stimuli.px, b : b + stimuli.px] for a in range(5) for b in range(5)], axis=0)
    assert (picture[far] == stimuli.condition.paradigm.background).all()
