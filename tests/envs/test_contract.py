"""What every registered world promises (docs: the batch contract); a new row of `WORLDS` is tested by being there.

Here: the ids, the checkers of others, seeds, and that rows know nothing of each other.
"""

import dataclasses
import pickle
import random
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec, spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from foveal.envs.batch import BatchEnv
from foveal.envs.registration import WORLDS, register_all
from foveal.envs.single import SingleEnv

SEED = 2024
SB3_WARNS = {
    "foveal/Racetrack-v0": (".*is an image.*", ".*for an image.*"),  # it takes a grid's layers for one
    "foveal/SurroundRig-v0": ("Treating image space as channels-last",),  # and the cameras' matrices
}
SHORT = 6  # a step limit within which some episodes end by themselves and some by the limit


def test_registering_again_changes_nothing():
    before = {env_id: gymnasium.registry[env_id] for env_id in WORLDS}
    register_all()
    assert all(gymnasium.registry[env_id] is spec for env_id, spec in before.items())


def test_ids_register_no_step_limit_and_no_wrappers(env_id):
    spec = gymnasium.spec(env_id)
    assert spec.max_episode_steps is None
    assert spec.additional_wrappers == ()


def test_passes_gymnasiums_checker(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(env_id).unwrapped)


def test_passes_sb3s_checker(env_id):
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # SB3 flattens such observations, which is what its own documentation of highway-env does
        warnings.filterwarnings("ignore", ".*has an unconventional shape", UserWarning)
        # and takes any array of three axes, such as a grid of times to collision, for an image
        warnings.filterwarnings("ignore", "(?s).*observation.* is an image|.*minimal resolution", UserWarning)
        for message in SB3_WARNS.get(env_id, ()):
            warnings.filterwarnings("ignore", message, UserWarning)
        env = gymnasium.make(env_id)
        sb3_check_env(env.unwrapped if hasattr(env.unwrapped, "compute_reward") else env)  # it sees no wrapped reward


def test_single_hands_out_builtin_scalars(env_id, act):
    env = gymnasium.make(env_id).unwrapped
    assert isinstance(env, SingleEnv)
    _, info = env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(act(env.action_space, 0, 0, 0))
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    scalars = [v for v in info.values() if not isinstance(v, (dict, np.ndarray))]
    assert scalars and all(type(value) in (float, int, bool) for value in scalars)


def test_spaces_are_true_to_the_rules(env_id):
    env = gymnasium.make(env_id)
    observed = env.observation_space
    for box in (*(observed.values() if isinstance(observed, spaces.Dict) else [observed]), env.action_space):
        if isinstance(box, spaces.Box):
            assert box.is_bounded("both")
    if isinstance(env.action_space, spaces.Box):
        assert (env.action_space.low == -1).all() and (env.action_space.high == 1).all()


def test_spec_survives_json_and_makes_the_same_world(env_id, single_episodes, assert_same):
    env = gymnasium.make(env_id, max_episode_steps=SHORT, **non_defaults(env_id))
    copied = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert copied.unwrapped.batch.params == env.unwrapped.batch.params
    assert_same(single_episodes(copied, SEED, 2), single_episodes(env, SEED, 2))
    assert gymnasium.make(env.spec).unwrapped.batch.params == env.unwrapped.batch.params


def non_defaults(env_id):
    """One changed parameter of a kind that JSON knows, where there is one."""
    for field in dataclasses.fields(make_vec(env_id).params):
        if isinstance(field.default, bool):
            return {field.name: not field.default}
    return {}


def test_make_vec_gives_the_batch_also_for_one_row(env_id, arrays):
    for num_envs in (1, 3):
        env = make_vec(env_id, num_envs)
        assert isinstance(env, BatchEnv) and env.num_envs == num_envs
        assert all(array.shape[0] == num_envs for array in arrays(env.observation_space.sample()))


def test_global_random_state_is_untouched(env_id, play):
    before = pickle.dumps((np.random.get_state(), random.getstate()))  # noqa: NPY002 (it is what must not change)
    env = make_vec(env_id, 4, max_episode_steps=2)
    env.reset()
    env.reset(seed=3)
    play(env, 4)
    gymnasium.make(env_id).reset(seed=5)
    assert pickle.dumps((np.random.get_state(), random.getstate())) == before  # noqa: NPY002


# Seeds and independence


def test_a_row_equals_the_single_environment_with_its_seed(env_id, single_episodes, batch_episodes, assert_same):
    seeds = [7, 3, 7, 2**31 + 5, 4]
    rows = batch_episodes(make_vec(env_id, len(seeds)), seeds, 2)
    for seed in sorted(set(seeds)):
        single = single_episodes(gymnasium.make(env_id), seed, 2)
        for row in (r for r, s in enumerate(seeds) if s == seed):
            assert_same(rows[row], single)


def test_an_int_seed_counts_up_over_the_rows(env_id, assert_same):
    assert_same(make_vec(env_id, 4).reset(seed=SEED), make_vec(env_id, 4).reset(seed=[SEED + i for i in range(4)]))
    assert_same(make_vec(env_id, 4).reset(seed=np.int64(SEED)), make_vec(env_id, 4).reset(seed=np.arange(4) + SEED))


def test_rows_depend_on_neither_number_nor_order(env_id, batch_episodes, assert_same):
    few = batch_episodes(make_vec(env_id, 3, max_episode_steps=SHORT), [5, 6, 7], 2)
    many = batch_episodes(make_vec(env_id, 40, max_episode_steps=SHORT), [*range(100, 137), 7, 6, 5], 2)
    assert_same(few, many[:-4:-1])


def test_results_depend_on_no_thread_count(env_id, assert_same, monkeypatch, play):
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setenv("FOVEAL_THREADS", str(threads))
        env = make_vec(env_id, 64)
        results.append([env.reset(seed=SEED), play(env, SHORT), env.get_state()])
    assert_same(results[1], results[0])
    assert_same(results[2], results[0])


def test_a_later_episode_hangs_on_its_number_alone(env_id, assert_same, play, differ):
    env = make_vec(env_id, 3)
    env.reset(seed=SEED)
    play(env, 3)
    second, _ = env.reset()
    third, _ = env.reset()
    assert differ(second, third)
    env.reset(seed=SEED)
    assert_same(env.reset()[0], second)
    play(env, 1)
    assert_same(env.reset()[0], third)


def test_unseeded_instances_differ(env_id, differ):
    assert differ(make_vec(env_id, 8).reset()[0], make_vec(env_id, 8).reset()[0])


@pytest.mark.parametrize("seed", [None, 50])
def test_masked_reset_touches_only_its_rows(env_id, seed, assert_same, play, pick):
    env, untouched = make_vec(env_id, 4), make_vec(env_id, 4)
    for each in (env, untouched):
        each.reset(seed=SEED)
        play(each, 2)
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask}
    observations, infos = env.reset(seed=seed, options=options)
    assert options == {"reset_mask": mask}
    assert all((infos[key] == mask).all() for key in infos if key.startswith("_"))
    fresh = make_vec(env_id, 4)
    fresh.reset(seed=SEED if seed is None else seed)
    expected = fresh.reset()[0] if seed is None else fresh.reset(seed=seed)[0]
    assert_same(pick(observations, mask), pick(expected, mask))
    ours, theirs = play(env, 1, start=2)[0], play(untouched, 1, start=2)[0]
    for a, b in zip(ours[:4], theirs[:4], strict=True):
        assert_same(pick(a, ~mask), pick(b, ~mask))
