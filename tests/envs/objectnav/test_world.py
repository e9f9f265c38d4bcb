"""The ObjectNav task: rewards, ends, infos, sources of houses, pictures."""

import gymnasium
import numpy as np
import pytest

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.objectnav.expert import END, MOVE_AHEAD, ROTATE_LEFT
from foveal.envs.objectnav.world import ObjectNav

FEW = {"scenes": "ithor", "split": "val", "houses": 4}


def world(rows=8, **params):
    return ObjectNav(rows, autoreset_mode="disabled", **{**FEW, "rgb": False, **params})


def drive(env, row, actions):
    """What one row gets for some actions, the others turning."""
    got = []
    for action in actions:
        all_actions = np.full(env.num_envs, ROTATE_LEFT)
        all_actions[row] = action
        got.append(env.step(all_actions))
        if got[-1][2][row] or got[-1][3][row]:
            break
    return got


@pytest.mark.parametrize("shaping", ["best", "difference"])
def test_the_expert_is_paid_for_every_metre_and_for_success(shaping):
    for row in range(8):
        env = world(shaping=shaping)
        env.reset(seed=3)
        actions = env.expert_actions(row)
        start = env.describe([row])[0]
        got = drive(env, row, actions)
        _, _, terminated, _, infos = got[-1]
        assert terminated[row] and infos["success"][row]
        total = sum(step[1][row] for step in got)
        gained = infos["start_distance"][row] - (infos["distance_to_goal"][row] if shaping == "difference" else 0)
        assert total <= 10 - 0.01 * len(actions) + infos["start_distance"][row] + 1e-9
        if shaping == "difference":
            assert total == pytest.approx(10 - 0.01 * len(actions) + gained, abs=1e-6)
        assert start.goal == env.params.categories[infos["goal"][row]]


@pytest.mark.parametrize("failure", [0.0, -3.0])
def test_end_elsewhere_ends_without_success(failure):
    env = world(16, failure_reward=failure)
    env.reset(seed=0)
    *_, infos = env.step(np.full(16, ROTATE_LEFT))
    assert (infos["rewards"]["success"] == 0).all()
    _, rewards, terminated, truncated, infos = env.step(np.full(16, END))
    assert terminated.all() and not truncated.any()
    assert not infos["success"].any() and (rewards == failure - 0.01).all() and (infos["spl"] == 0).all()


def test_a_bump_moves_nothing_and_counts():
    env = world(1, gps_compass=True)
    observations, _ = env.reset(seed=4)
    for _ in range(60):
        before = observations["gps_compass"].copy()
        observations, _, _, _, infos = env.step(np.array([MOVE_AHEAD]))
        if infos["collisions"][0]:
            break
    assert infos["collisions"][0] == 1 and env.collided[0]
    np.testing.assert_array_equal(observations["gps_compass"], before)
    assert infos["path_length"][0] == pytest.approx(np.hypot(*before[0, :2]), abs=1e-6)


def test_depth_is_how_far_the_way_is():
    env = world(1, start_tilt=0, width=33, height=33)
    seen, _ = env.reset(seed=4)
    before = seen["depth"][0, 16, 16]
    after, _, _, _, infos = env.step(np.array([MOVE_AHEAD]))
    assert infos["collisions"][0] == 0
    assert before - after["depth"][0, 16, 16] == pytest.approx(0.25, abs=0.02)


def test_starts_are_as_far_as_is_asked_for():
    env = world(64, start_distances=(2.0, 3.0))
    _, infos = env.reset(seed=0)
    assert (infos["start_distance"] >= 2).all() and (infos["start_distance"] <= 3).all()
    assert (infos["distance_bin"] == 2 - (infos["start_distance"] < 3)).all() and len(set(infos["house"])) > 2


def test_looks_are_those_of_the_house_whatever_stands_beside_it():
    alone = ObjectNav(1, **{**FEW, "houses": 1}).renderer
    among = ObjectNav(1, **FEW).renderer
    pose = ObjectNav(1, **FEW)
    pose.reset(seed=0)
    poses = pose.poses(np.arange(1))
    np.testing.assert_array_equal(alone.render([0], poses)["rgb"], among.render([0], poses)["rgb"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scenes": "nowhere.json"}, "scenes='nowhere.json': no such file"),
        ({"scenes": "robotor"}, "did you mean 'robothor'"),
        ({"scenes": "procedural", "houses": 0}, "houses=0: procedural houses are endless"),
        ({"first_house": 400}, "first_house=400"),
        ({"categories": ("Mug", "Mug")}, "each only once"),
        ({"categories": ("Mugg",)}, "categories="),
        ({"start_distances": (5.0, 5.0)}, "must be increasing"),
        ({"start_distances": (900.0, 999.0)}, "in none of 4 houses"),
        ({"rgb": False, "depth": False}, "one of them must be True"),
        ({"guide": True, "backend": "ai2thor"}, "guide=True: the guide knows the way only with backend='native'"),
    ],
)
def test_bad_input_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        ObjectNav(1, **{**FEW, **params})


def test_procedural_houses_and_a_picture():
    env = gymnasium.make("foveal/ObjectNav-v0", scenes="procedural", houses=2, rooms=3, render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert frame.shape == (240, 880, 3) and len(np.unique(frame.reshape(-1, 3), axis=0)) > 500


@pytest.mark.parametrize("shaping", ["best", "difference"])
def test_whoever_walks_into_a_pocket_is_measured_there_too(shaping):
    """Continuous moves lead where the lattice of distances does not reach; the way back is counted then."""
    env = ObjectNav(
        64, rgb=False, depth=False, gps_compass=True, scenes="ithor", split="test", houses=6, shaping=shaping
    )
    env.reset(seed=0)
    random = np.random.default_rng(0)
    for _ in range(250):
        _, rewards, _, _, infos = env.step(random.choice([MOVE_AHEAD, MOVE_AHEAD, ROTATE_LEFT], size=64))
        assert np.isfinite(rewards).all() and np.isfinite(infos["distance_to_goal"]).all()
