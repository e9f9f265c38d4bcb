"""Worlds whose observations hold advice."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from foveal.envs.advice import ADVICE, OBSERVATION, Advice, Advised, advised_space, bare, bare_space, words

WORLD = "foveal/HighwayFast-v0"
SHORT = 4  # a step limit, so that rows end


class Counting:
    """Advises the action of the number of steps since the row's start, and notes what it was told."""

    def __init__(self):
        self.begun, self.starts = None, []

    def advise(self, env, observations, infos, starts):
        self.starts.append(starts.copy())
        self.begun = np.where(starts, 0, 0 if self.begun is None else self.begun + 1)
        advice = Advice.none(env.num_envs, 5)
        advice.probabilities[:] = np.eye(5)[self.begun % 5]
        advice.confidence[:], advice.age[:], advice.valid[:] = 0.5, self.begun, True
        return advice


def made(rows=3, adviser=None, **options):
    return Advised(gym.make_vec(WORLD, rows, max_episode_steps=SHORT, **options), adviser or Counting())


def test_observations_are_in_their_space_and_hold_the_advice():
    env = made()
    observations, infos = env.reset(seed=0)
    assert observations in env.observation_space and "speed" in infos
    for step in range(1, 3):
        observations, *_ = env.step(np.ones(3, np.int64))
        assert observations in env.observation_space
        np.testing.assert_array_equal(observations[ADVICE][:, :5].argmax(1), step)
        np.testing.assert_array_equal(observations[ADVICE][:, 5:], [[0.5, step, 1]] * 3)


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize("copy", [True, False])
def test_the_episodes_are_the_worlds_and_the_adviser_knows_where_they_begin(mode, copy):
    env, plain = made(autoreset_mode=mode, copy=copy), gym.make_vec(WORLD, 3, max_episode_steps=SHORT)
    ours, theirs = env.reset(seed=7)[0], plain.reset(seed=7)[0]
    for step in range(3 * SHORT):
        if mode == "next_step":
            np.testing.assert_array_equal(ours[OBSERVATION], theirs)
            theirs = plain.step(np.zeros(3, np.int64))[0]
        ours, _, terminated, truncated, infos = env.step(np.zeros(3, np.int64))
        ended = terminated | truncated
        if mode == "disabled" and ended.any():
            ours, _ = env.reset(options={"reset_mask": ended})
        if mode == "same_step" and ended.any():
            for row in range(3):
                final = infos["final_obs"][row]
                assert (final is None) != ended[row]
                assert final is None or (final in env.single_observation_space and final[ADVICE][-1] == 0)
        begun = env.env.moments[:, 2] == 0
        np.testing.assert_array_equal(env.adviser.starts[-1], begun, err_msg=f"{mode}, step {step}")
        np.testing.assert_array_equal(ours[ADVICE][:, 6] == 0, begun)


def test_state_is_the_worlds_and_starts_are_known_after_a_restoration():
    env, other = made(), made()
    env.reset(seed=1), other.reset(seed=2)
    for _ in range(SHORT):
        env.step(np.full(3, 4))
    assert env._ended.any()
    state = env.get_state()
    assert state.keys() == env.env.get_state().keys()
    other.set_state(state)
    one, two = env.step(np.full(3, 1)), other.step(np.full(3, 1))
    np.testing.assert_array_equal(one[0][OBSERVATION], two[0][OBSERVATION])
    np.testing.assert_array_equal(env.adviser.starts[-1], other.adviser.starts[-1])


def test_silence_is_no_advice_and_asks_nobody():
    env = made()
    env.silent = True
    observations, _ = env.reset(seed=0)
    assert env.adviser.starts == []
    np.testing.assert_array_equal(observations[ADVICE], Advice.none(3, 5).packed())


def test_a_dict_keeps_its_names_and_bare_undoes_it():
    space = spaces.Dict(goal=spaces.Discrete(3))
    told = advised_space(space, spaces.Discrete(4))
    assert set(told) == {"goal", ADVICE} and told[ADVICE].shape == (7,)
    assert advised_space(told, spaces.Discrete(4)) is told
    assert bare_space(told) == space and bare_space(space) == space
    box = spaces.Box(-1, 1, (2,))
    assert bare_space(advised_space(box, spaces.Discrete(2))) == box
    assert bare({"goal": 1, ADVICE: 2}) == {"goal": 1} and bare({OBSERVATION: 3, ADVICE: 2}) == 3 and bare(5) == 5


def test_refuses():
    with pytest.raises(ValueError, match="advice is about Discrete actions, the world has Box"):
        advised_space(spaces.Box(0, 1, (2,)), spaces.Box(0, 1, (2,)))
    with pytest.raises(ValueError, match="the observation 'advice' is Discrete"):
        advised_space(spaces.Dict(advice=spaces.Discrete(3)), spaces.Discrete(2))


def test_no_two_moments_are_alike():
    env = gym.make_vec(WORLD, 3, max_episode_steps=SHORT)
    env.reset(seed=5)
    seen = [env.moments]
    for _ in range(2 * SHORT):
        env.step(np.zeros(3, np.int64))
        seen.append(env.moments)
    moments = np.concatenate(seen)
    assert len(np.unique(moments, axis=0)) == len(moments) and set(moments[:, 0]) == {5, 6, 7}


def test_words_of_advice():
    names, sure = ("SLOWER", "LANE_LEFT"), np.array([0.25, 0.75, 0.5, 0, 1], np.float32)
    assert words(sure, names) == "lane left 75%"
    assert words(sure, (), 0.123) == "1 75%, attention 12%"
    assert words(np.array([0.75, 0.25, 0.5, 3, 1], np.float32), names, 0.5) == "slower 75%, 3 old, attention 50%"
    assert words(Advice.none(1, 2).packed()[0], names) == "silent"
