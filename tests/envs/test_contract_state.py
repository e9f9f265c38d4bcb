"""The batch contract: copies and views of what is handed out, saved and restored states, copied and pickled worlds."""

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

SEED = 2024
SHORT = 6  # a step limit within which some episodes end by themselves and some by the limit


def scribble(handed_out):
    """Overwrite everything in what an environment handed out."""
    if isinstance(handed_out, dict):
        handed_out = list(handed_out.values())
    if isinstance(handed_out, (list, tuple)):
        for part in handed_out:
            scribble(part)
    elif isinstance(handed_out, np.ndarray):
        handed_out[...] = 1


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_copies_may_be_overwritten(env_id, mode, batch_act, assert_same):
    kept, scribbled = (make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=2) for _ in range(2))
    assert_same(kept.reset(seed=SEED), scribbled.reset(seed=SEED))
    for step in range(6):
        expected, ours = kept.step(batch_act(kept, step)), scribbled.step(batch_act(kept, step))
        assert_same(ours, expected)
        scribble(ours)
        scribble(scribbled.get_state())
    assert_same(scribbled.get_state(), kept.get_state())


def test_copies_outlive_later_steps(env_id, batch_act, assert_same, play):
    env = make_vec(env_id, 3, max_episode_steps=2)
    env.reset(seed=SEED)
    out = env.step(batch_act(env, 0))
    before = copy.deepcopy(out)
    play(env, 4, start=1)
    assert_same(out, before)


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_views_show_the_same_until_the_next_step(env_id, mode, batch_act, assert_same, arrays):
    copies = make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=3)
    views = make_vec(env_id, 3, autoreset_mode=mode, max_episode_steps=3, copy=False)
    first = views.reset(seed=SEED)[0]
    assert_same(first, copies.reset(seed=SEED)[0])
    for step in range(8):
        out = views.step(batch_act(views, step))
        assert_same(out, copies.step(batch_act(views, step)))
        assert all(np.shares_memory(a, b) for a, b in zip(arrays(out[0]), arrays(first), strict=True))


def test_the_single_form_always_copies(env_id, act):
    with pytest.raises(TypeError, match="copy"):
        gymnasium.make(env_id, copy=False)
    env = gymnasium.make(env_id)
    first, info = env.reset(seed=SEED)
    kept = copy.deepcopy((first, info))
    env.step(act(env.action_space, 0, 0, 0))
    np.testing.assert_equal(first, kept[0])
    np.testing.assert_equal(info, kept[1])


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_a_restored_state_goes_on_bit_for_bit(env_id, mode, assert_same, play, assert_same_scene):
    def new():
        return make_vec(env_id, 20, autoreset_mode=mode, max_episode_steps=SHORT)

    env = new()
    env.reset(seed=SEED)
    play(env, 4)
    saved, scenes = env.get_state(), env.describe(range(20))
    expected = play(env, 2 * SHORT, start=4)
    final = env.get_state()
    other, used = new(), new()
    used.reset(seed=9)
    play(used, 3)
    for target in (env, other, used):
        target.set_state(saved)
        assert_same(target.get_state(), saved)
        for scene, other in zip(target.describe(range(20)), scenes, strict=True):
            assert_same_scene(scene, other)
        assert_same(play(target, 2 * SHORT, start=4), expected)
        assert_same(target.get_state(), final)


def broken_states(state):
    """(what is wrong, the state) for every way a saved state can be unusable."""
    name = next(name for name, array in state.items() if array.dtype == np.float64)

    def changed(key, array):
        return {**state, key: array}

    nan = state[name].copy()
    nan.flat[-1] = np.nan
    yield name, changed(name, nan)
    yield name, changed(name, np.where(np.isnan(nan), np.inf, nan))
    yield name, changed(name, state[name].astype(np.longdouble))
    yield name, changed(name, state[name][:-1])
    yield name, {key: array for key, array in state.items() if key != name}
    yield "stranger", changed("stranger", np.zeros(3))
    yield "seed", changed("seed", -1 - state["seed"])
    yield "episode", changed("episode", state["episode"] - 1000)
    yield "elapsed", changed("elapsed", -1 - state["elapsed"])


def test_an_unusable_state_is_refused_and_changes_nothing(env_id, assert_same, play):
    env = make_vec(env_id, 3)
    env.reset(seed=SEED)
    play(env, 2)
    before = env.get_state()
    for wrong, state in broken_states(before):
        with pytest.raises(ValueError, match=wrong):
            env.set_state(state)
        assert_same(env.get_state(), before)
    expected = copy.deepcopy(env)
    assert_same(play(env, 2), play(expected, 2))


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_made_mid_episode_goes_on_alike_and_apart(env_id, clone, assert_same, play):
    env = make_vec(env_id, 3, max_episode_steps=SHORT, trace_rows=(1,))
    env.reset(seed=SEED)
    play(env, 2)
    twin, rested = clone(env), clone(env)
    assert twin.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    expected = play(env, 8, start=2)
    assert_same(play(twin, 8, start=2), expected)
    assert_same(play(rested, 8, start=2), expected)


def test_the_single_form_pickles(env_id, act, assert_same):
    env = gymnasium.make(env_id)
    env.reset(seed=SEED)
    twin = pickle.loads(pickle.dumps(env))
    action = act(env.action_space, 0, 0, 0)
    assert_same(twin.step(action), env.step(action))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_runs_in_workers(env_id, context, assert_same, play):
    """A spawned worker knows nothing of foveal: the id brings the import with it."""
    number = 3 if context == "fork" else 1
    fns = [lambda: gymnasium.make(f"foveal:{env_id}", max_episode_steps=2)] * number
    sync, workers = SyncVectorEnv(fns), AsyncVectorEnv(fns, context=context)
    try:
        assert_same(workers.reset(seed=SEED), sync.reset(seed=SEED))
        assert_same(play(workers, 4), play(sync, 4))
    finally:
        workers.close()
