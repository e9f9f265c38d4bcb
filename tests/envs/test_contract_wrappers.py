"""The batch contract: Gymnasium's vector wrappers work as over its own vector environments."""

import gymnasium
import numpy as np
from gymnasium import make_vec
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, NormalizeReward, RecordEpisodeStatistics

SEED = 2024
SHORT = 6  # a step limit within which some episodes end by themselves and some by the limit


def test_episode_statistics_equal_those_over_sync_vector_env(env_id, play):
    ours = RecordEpisodeStatistics(make_vec(env_id, 4, max_episode_steps=SHORT))
    fns = [lambda: gymnasium.make(env_id, max_episode_steps=SHORT)] * 4
    theirs = RecordEpisodeStatistics(SyncVectorEnv(fns))
    ours.reset(seed=SEED), theirs.reset(seed=SEED)
    play(ours, 3 * SHORT), play(theirs, 3 * SHORT)
    assert len(ours.return_queue) > 4
    assert list(ours.return_queue) == list(theirs.return_queue)
    assert list(ours.length_queue) == list(theirs.length_queue)


def test_infos_turn_into_a_list(env_id):
    env = DictInfoToList(make_vec(env_id, 3))
    _, infos = env.reset(seed=SEED)
    singles = [gymnasium.make(env_id).reset(seed=SEED + row)[1] for row in range(3)]
    np.testing.assert_equal(infos, singles)


def test_rewards_normalise(env_id, play):
    env, plain = NormalizeReward(make_vec(env_id, 4)), make_vec(env_id, 4)
    env.reset(seed=SEED), plain.reset(seed=SEED)
    ours = [out[1] for out in play(env, 10)]
    raw = [out[1] for out in play(plain, 10)]
    assert np.isfinite(ours).all() and not np.array_equal(ours, raw)


def test_make_vec_sync_works_too(env_id, play):
    env = make_vec(env_id, num_envs=2, vectorization_mode="sync")
    assert isinstance(env, SyncVectorEnv)
    env.reset(seed=SEED)
    play(env, 2)
