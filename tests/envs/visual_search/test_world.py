"""Visual search: what an episode is, beyond the batch contract."""

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.evaluation import evaluate
from foveal.envs.visual_search.gaze import ABSENT, BASE_S, FIXATION_S, PRESENT
from foveal.envs.visual_search.paradigms import CONDITIONS, FORMS
from foveal.optics.eye import Eye, foveate, pyramid

ID = "foveal/VisualSearch-v0"


def world(rows=4, **params):
    env = make_vec(ID, rows, **params)
    return env, *env.reset(seed=11)


def to_target(env):
    """The item that is the target in each row, and any where there is none."""
    return np.maximum(env.displays.target, 0)


def test_the_eye_begins_in_the_middle_and_goes_to_the_item():
    env, seen, infos = world()
    np.testing.assert_array_equal(seen["fixations"][:, 0], [[0, 0, 1]] * 4)
    assert (seen["fixations"][:, 1:] == 0).all() and (infos["fixated"][:, 1:] == -2).all()
    seen, _, _, _, infos = env.step(np.full(4, 1))
    half = env.stimuli.condition.paradigm.field_deg / 2
    np.testing.assert_allclose(seen["fixations"][:, 0, :2] * half, env.displays.place[:, 1], atol=1e-6)
    np.testing.assert_array_equal(seen["fixations"][:, 1], [[0, 0, 1]] * 4)
    np.testing.assert_array_equal(infos["fixated"][:, 1], env.displays.cell[:, 1])
    np.testing.assert_allclose(infos["amplitude"], np.linalg.norm(env.displays.place[:, 1], axis=1))


def test_the_retina_shows_the_display_as_it_is_seen_from_there():
    env, *_ = world(condition="curve_in_lines", view_deg=12.0, size=96)
    seen, *_ = env.step(np.full(4, 2))
    pictures = env.stimuli.draw(env.displays)
    at = np.rint(env.displays.place[:, 2] * env.stimuli.px_per_deg + (env.stimuli.px - 1) / 2).astype(int)
    theirs = foveate(pyramid(pictures, 5), at, Eye(8.0))
    for row, (x, y) in enumerate(at):
        low, high = np.maximum(0, [x - 48, y - 48]), np.minimum(env.stimuli.px, [x + 48, y + 48])
        ours = seen["retina"][row, low[1] - y + 48 : high[1] - y + 48, low[0] - x + 48 : high[0] - x + 48, 0]
        assert np.abs(ours - theirs[row, low[1] : high[1], low[0] : high[0]]).max() < 1.6


@pytest.mark.parametrize("answer", [PRESENT, ABSENT])
def test_answers_end_the_episode_and_are_right_or_wrong(answer):
    env, _, infos = world(64)
    present = env.displays.target >= 0
    assert 10 < present.sum() < 54
    np.testing.assert_array_equal(infos["target_present"], present)
    env.step(np.zeros(64, int))
    action = env.single_action_space.n - (2 if answer == PRESENT else 1)
    _, rewards, terminated, truncated, infos = env.step(np.full(64, action))
    assert terminated.all() and not truncated.any()
    right = present if answer == PRESENT else ~present
    np.testing.assert_array_equal(infos["correct"], right)
    np.testing.assert_array_equal(rewards, np.where(right, 1.0, -1.0))
    np.testing.assert_allclose(infos["reaction_time"], BASE_S + FIXATION_S)


def test_when_time_is_up_it_is_wrong():
    env, *_ = world(duration=3, history=2)
    for _ in range(3):
        _, rewards, terminated, truncated, infos = env.step(np.zeros(4, int))
    assert truncated.all() and not terminated.any() and not infos["correct"].any()
    np.testing.assert_allclose(rewards, -1.02)


def test_saccades_take_their_time_on_request():
    env, *_ = world(saccade_durations=True)
    *_, infos = env.step(np.full(4, 1))
    far = np.linalg.norm(env.displays.place[:, 1], axis=1)
    np.testing.assert_allclose(infos["reaction_time"], BASE_S + FIXATION_S + 0.021 + 0.0022 * far)


def test_items_that_are_not_there_are_not_looked_at():
    env, *_ = world(set_size=3, grid=3)
    assert env.single_action_space.n == 3 + 2
    env, *_ = world(64, condition="curve_in_lines")
    _, _, _, _, infos = env.step(np.full(64, 31))
    few = env.displays.size < 32
    assert few.any() and (infos["amplitude"][few] == 0).all() and (infos["amplitude"][~few] > 0).all()


def test_cells_and_points_are_looked_at_too():
    env, *_ = world(actions="cells")
    *_, infos = env.step(np.arange(4))
    np.testing.assert_array_equal(infos["fixated"][:, 1], np.arange(4))
    env, *_ = world(actions="continuous")
    points = np.array([[0.5, -0.5, 0], [1, 1, 0.2], [0, 0, 1], [0, 0, -1]], np.float32)
    seen, _, terminated, _, infos = env.step(points)
    np.testing.assert_allclose(seen["fixations"][:2, 0, :2], points[:2, :2])
    np.testing.assert_array_equal(terminated, [False, False, True, True])
    np.testing.assert_array_equal(infos["answer"], [0, 0, PRESENT, ABSENT])


def test_on_target_is_told_where_the_target_is():
    env, *_ = world(64)
    *_, infos = env.step(to_target(env))
    np.testing.assert_array_equal(infos["on_target"], env.displays.target >= 0)


@pytest.mark.parametrize(("kind", "left"), [("none", 1.0), ("decaying", 0.4), ("infinite", 0.0)])
def test_what_was_fixated_fades(kind, left):
    """From the upper left item, the middle one of nine: its contrast after it was looked at and left."""
    env, *_ = world(1, set_size=9, inhibition=kind, inhibition_decay=0.6, e2_deg=1000.0, view_deg=41.0, actions="cells")
    before, *_ = env.step(np.array([0]))
    env.step(np.array([4]))
    after, *_ = env.step(np.array([0]))
    cell = slice(64 + 13, 64 + 29)  # 3.1 px a degree; a cell is 6.8 degrees away and as wide
    contrast = [255 - seen["retina"][0, cell, cell, 0].astype(float).min() for seen in (before, after)]
    assert contrast[0] > 200
    assert contrast[1] / contrast[0] == pytest.approx(left, abs=0.03)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_nothing_but_the_display_tells_whether_there_is_a_target(condition):
    """Observed before anything is seen: what is told of the target does not hang on its presence."""
    env, seen, _ = world(400, condition=condition, size=16, slots=True, recognition_deg=0.0)
    present = env.displays.target >= 0
    for part in (seen["target"].reshape(400, -1), seen["slots"][:, :, 3:].reshape(400, -1)):
        kinds, which = np.unique(part, axis=0, return_inverse=True)
        for kind in range(len(kinds)):
            share = present[which == kind].mean()
            assert abs(share - 0.5) < 4 * 0.5 / np.sqrt((which == kind).sum())


def test_slots_tell_what_has_been_recognised():
    env, seen, _ = world(64, slots=True, recognition_deg=1.0, target="none")
    assert "target" not in seen and set(np.unique(seen["slots"][..., 0])) == {0, 1}
    seen, *_ = env.step(to_target(env))
    known = seen["slots"][np.arange(64), to_target(env), 4]
    np.testing.assert_array_equal(known, np.where(env.displays.target >= 0, 1, -1))


@pytest.mark.parametrize("target", ["category", "text"])
def test_targets_can_be_told_by_number(target):
    _, seen, _ = world(target=target, condition="t_in_ls")
    names = list(FORMS) if target == "category" else list(CONDITIONS)
    assert names[seen["target"][0]] == ("T" if target == "category" else "t_in_ls")


def test_colours_are_seen_on_request():
    _, seen, _ = world(condition="conjunction", colour=True)
    assert seen["retina"].shape == (4, 128, 128, 3) and (seen["retina"][..., 0] != seen["retina"][..., 1]).any()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"set_size": 10}, r"set_sizes=\(10,\): must be in \[1, 9\]"),
        ({"cell_deg": 2.0}, "items of 5.9 degrees do not fit into cells of 2"),
        ({"history": 40}, "history=40"),
        ({"view_deg": 0.1}, "px_per_deg"),
        ({"condition": "t_in_l"}, "condition='t_in_l'"),
    ],
)
def test_impossible_displays_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make(ID, **params)


def test_points_outside_the_field_or_nan_are_refused():
    env, *_ = world(actions="continuous")
    for bad in (np.nan, 1.5):
        with pytest.raises(ValueError, match="actions out of range"):
            env.step(np.array([[bad, 0, 0]] * 4, np.float32))


def test_evaluation_tells_times_by_set_size():
    found = evaluate(ID, "random", episodes=60, seed=2**31, set_size=0, size=16)
    told = found.per_episode
    assert set(told["set_size"]) == {3, 6, 9} and found.metrics["reaction_time"].mean > BASE_S
    np.testing.assert_allclose(told["reaction_time"], BASE_S + FIXATION_S * told["saccades"])
    assert 0 < told["success"].mean() < 1 and set(told["target_present"]) == {0, 1}
