"""The batch contract: where episodes end, in all three autoreset modes."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec
from gymnasium.envs.registration import load_env_creator
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from foveal.envs.registration import WORLDS

MODES = [mode.name.lower() for mode in AutoresetMode]
SEED = 2024
SHORT = 6  # a step limit within which some episodes end by themselves and some by the limit


def present(infos):
    """A batched info with 0 wherever its mask says that a row lacks the entry."""
    kept = {}
    for key, value in infos.items():
        mask = infos.get(f"_{key}")
        if isinstance(value, dict):
            kept[key] = present(value)
        elif mask is None or value.dtype == object:
            kept[key] = value
        else:
            kept[key] = np.where(mask.reshape(-1, *[1] * (value.ndim - 1)), value, value.dtype.type(0))
    return kept


@pytest.mark.parametrize("mode", MODES)
def test_every_autoreset_mode_plays_the_same_episodes(env_id, mode, single_episodes, batch_episodes, assert_same):
    env = make_vec(env_id, 6, autoreset_mode=mode, max_episode_steps=SHORT)
    rows = batch_episodes(env, list(range(SEED, SEED + 6)), 3)
    assert {(e.terminated, e.truncated) for row in rows for e in row} >= {(False, True)}
    for row, seed in zip(rows, range(SEED, SEED + 6), strict=True):
        assert_same(row, single_episodes(gymnasium.make(env_id, max_episode_steps=SHORT), seed, 3))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [2, None])
def test_equals_gymnasiums_sync_vector_env(env_id, mode, limit, batch_act, assert_same):
    ours = make_vec(env_id, 5, autoreset_mode=mode, max_episode_steps=limit)
    theirs = SyncVectorEnv(
        [lambda: gymnasium.make(env_id, max_episode_steps=limit)] * 5, autoreset_mode=AutoresetMode[mode.upper()]
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=SEED), theirs.reset(seed=SEED))
    endings, step, last = 0, 0, 14
    while step < last:
        *ours_out, ours_infos = ours.step(batch_act(ours, step))
        *theirs_out, theirs_infos = theirs.step(batch_act(ours, step))
        assert_same(ours_out, theirs_out)
        assert_same(present(ours_infos), theirs_infos)
        ended = ours_out[2] | ours_out[3]
        endings += ended.sum()
        step += 1
        if step == last and endings == 0:  # some worlds have long episodes
            last = min(last + 14, 1000)
        if mode == "disabled" and ended.any():
            a, b = (env.reset(options={"reset_mask": ended.copy()}) for env in (ours, theirs))
            assert_same((a[0], present(a[1])), b)
    assert endings > 0


def test_autoreset_mode_is_the_enum_on_the_instance_alone(env_id):
    before = copy.deepcopy(load_env_creator(WORLDS[env_id].batch).metadata)
    for mode in AutoresetMode:
        for given_mode in (mode, mode.name.lower(), mode.value):
            env = make_vec(env_id, autoreset_mode=given_mode)
            assert env.autoreset_mode is mode and env.metadata["autoreset_mode"] is mode
    assert make_vec(env_id).autoreset_mode is AutoresetMode.NEXT_STEP
    assert type(env).metadata == before and "autoreset_mode" not in before
    assert "autoreset_mode" not in gymnasium.make(env_id).metadata


def test_the_action_of_a_reset_step_is_ignored(env_id, act, assert_same):
    a, b = make_vec(env_id, 2, max_episode_steps=1), make_vec(env_id, 2, max_episode_steps=1)
    space, outs = a.single_action_space, []
    for env, number in ((a, 1), (b, 2)):
        env.reset(seed=SEED)
        env.step(np.stack([act(space, 0, 0, 0)] * 2))
        outs.append(env.step(np.stack([act(space, number, 1, k) for k in range(2)])))
    assert_same(outs[0], outs[1])
    assert_same(a.get_state(), b.get_state())


def test_disabled_refuses_to_step_an_ended_row(env_id, batch_act, assert_same, play):
    env = make_vec(env_id, 3, autoreset_mode="disabled", max_episode_steps=2)
    env.reset(seed=SEED)
    play(env, 1)
    env.reset(options={"reset_mask": np.array([False, True, False])})
    play(env, 1)
    before = env.get_state()
    with pytest.raises(ResetNeeded, match=r"rows \[0, 2\] have ended"):
        env.step(batch_act(env, 2))
    assert_same(env.get_state(), before)


def test_stepping_before_reset_is_refused(env_id, batch_act):
    env = make_vec(env_id, 2)
    with pytest.raises(ResetNeeded):
        env.step(batch_act(env, 0))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded):
        env.step(batch_act(env, 0))


@pytest.mark.parametrize("limit", [1, 3])
def test_the_step_limit_truncates_at_that_step(env_id, limit, batch_episodes):
    rows = batch_episodes(make_vec(env_id, 6, max_episode_steps=limit), list(range(6)), 2)
    for episode in (episode for row in rows for episode in row):
        assert len(episode.rewards) <= limit
        assert episode.truncated == (len(episode.rewards) == limit)
