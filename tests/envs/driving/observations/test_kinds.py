"""Every kind of observation keeps the batch contract, in worlds with kernels of their own and in scenarios."""

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec, spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from foveal.envs.driving.highway import Highway

IDS = ("foveal/HighwayFast-v0", "foveal/Merge-v0")
SMALL = {"observation_width": 24, "observation_height": 16, "observation_stack": 3}
KINDS = {
    "Lidar": {"observation": "Lidar"},
    "TopDown": {"observation": "TopDown", **SMALL},
    "Tuple": {"observation": "Tuple", "observation_tuple": ("TopDown", "Kinematics", "Lidar", "TopDown"), **SMALL},
    "TimeToCollision": {"observation": "TimeToCollision"},
    "OccupancyGrid": {"observation": "OccupancyGrid"},
    "shuffled": {"observation_order": "shuffled", "observation_vehicles_count": 6},
    "absolute": {"observation_absolute": True, "observation_features": ("x", "heading", "lat_off", "presence")},
}


@pytest.fixture(params=IDS)
def env_id(request):
    return request.param


@pytest.fixture(params=KINDS)
def params(request):
    return KINDS[request.param]


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_every_autoreset_mode_plays_the_same_episodes(
    env_id, params, mode, single_episodes, batch_episodes, assert_same
):
    rows = batch_episodes(make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=4, **params), [5, 6, 7], 2)
    for row, seed in zip(rows, (5, 6, 7), strict=True):
        assert_same(row, single_episodes(gymnasium.make(env_id, max_episode_steps=4, **params), seed, 2))


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_equals_gymnasiums_sync_vector_env(env_id, params, mode, batch_act, assert_same):
    ours = make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=3, **params)
    fns = [lambda: gymnasium.make(env_id, max_episode_steps=3, **params)] * 3
    theirs = SyncVectorEnv(fns, autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space
    assert_same(ours.reset(seed=9)[0], theirs.reset(seed=9)[0])
    for step in range(7):
        out, expected = ours.step(batch_act(ours, step)), theirs.step(batch_act(ours, step))
        assert_same(out[:4], expected[:4])
        if (ended := out[2] | out[3]).any():
            if mode is AutoresetMode.SAME_STEP:
                assert_same(out[4]["final_obs"], expected[4]["final_obs"])
            elif mode is AutoresetMode.DISABLED:
                options = {"reset_mask": ended}
                assert_same(ours.reset(options=dict(options))[0], theirs.reset(options=dict(options))[0])


def test_a_restored_state_goes_on_bit_for_bit(env_id, params, assert_same, play):
    env, other = (make_vec(env_id, 4, max_episode_steps=6, **params) for _ in range(2))
    env.reset(seed=2), other.reset(seed=77)
    play(env, 3), play(other, 2)
    saved = env.get_state()
    expected = play(env, 8, start=3)
    for target in (env, other):
        target.set_state(saved)
        assert_same(target.get_state(), saved)
        assert_same(play(target, 8, start=3), expected)


def test_views_show_the_same_as_copies(env_id, params, batch_act, assert_same, arrays):
    copies, views = (make_vec(env_id, 3, max_episode_steps=3, copy=copy, **params) for copy in (True, False))
    first = views.reset(seed=2)[0]
    assert_same(first, copies.reset(seed=2)[0])
    for step in range(5):
        out = views.step(batch_act(views, step))
        assert_same(out, copies.step(batch_act(views, step)))
        assert all(np.shares_memory(a, b) for a, b in zip(arrays(out[0]), arrays(first), strict=True))


@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")  # of speeds, and of places that are not mapped
def test_passes_gymnasiums_checker(env_id, params):
    check_env(gymnasium.make(env_id, **params).unwrapped, skip_render_check=True)


def test_results_depend_on_no_thread_count(env_id, params, assert_same, monkeypatch, play):
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("FOVEAL_THREADS", threads)
        env = make_vec(env_id, 32, **params)
        results.append([env.reset(seed=3), play(env, 3)])
    assert_same(results[1], results[0])


def test_a_tuple_shows_what_each_of_its_kinds_does(env_id, play):
    kinds = ("Kinematics", "Lidar", "TopDown")
    together = make_vec(env_id, 2, observation="Tuple", observation_tuple=kinds, **SMALL)
    alone = [make_vec(env_id, 2, observation=kind, **SMALL) for kind in kinds]
    assert isinstance(together.single_observation_space, spaces.Tuple)
    for env in (together, *alone):
        env.reset(seed=4)
    for step in range(3):
        parts = play(together, 1, start=step)[0][0]
        for part, env in zip(parts, alone, strict=True):
            np.testing.assert_array_equal(part, play(env, 1, start=step)[0][0])
    assert together.describe([0])[0].observed.size == 5


def test_the_highways_own_kernel_equals_the_general_one():
    """A range that differs in nothing but the way it is given leads to the other code."""
    general = Highway(8, observation_range_y=4.0 * 4, observation_vehicles_count=9)
    own = Highway(8, observation_vehicles_count=9)
    assert general._seen is not None and own._seen is None
    general.reset(seed=0), own.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.integers(5, size=8)
        ours, theirs = general.step(actions), own.step(actions)
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
        np.testing.assert_array_equal(ours[1], theirs[1])
        np.testing.assert_array_equal(general.describe([3])[0].observed, own.describe([3])[0].observed)
