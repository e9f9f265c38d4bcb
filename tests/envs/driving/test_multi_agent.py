"""Several egos as PettingZoo's agents: its own test, and each one's reward and ending."""

import warnings

import numpy as np
import pytest

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.driving.multi_agent import parallel_env

pettingzoo = pytest.importorskip("pettingzoo", reason="PettingZoo is not installed (pip install foveal[pettingzoo])")


@pytest.mark.parametrize("action", ["DiscreteMeta", "Continuous", "Discrete"])
@pytest.mark.parametrize("egos", [1, 2, 4])
def test_passes_pettingzoos_own_test(egos, action):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports its games by a way that it deprecates
        from pettingzoo.test import parallel_api_test
    parallel_api_test(parallel_env("foveal/Intersection-v0", controlled_vehicles=egos, action=action), num_cycles=40)


def test_an_agent_ends_by_itself_and_the_others_go_on():
    env, ended = parallel_env("foveal/Intersection-v0", controlled_vehicles=3, duration=20.0), 0
    for seed in range(15):
        env.reset(seed=seed)
        gone = []
        while env.agents:
            before = list(env.agents)
            observations, rewards, terminations, truncations, infos = env.step(dict.fromkeys(before, 1))
            for each in (observations, rewards, terminations, truncations, infos):
                assert list(each) == before
            assert all(type(reward) is float for reward in rewards.values())
            assert all(observations[agent] in env.observation_space(agent) for agent in before)
            gone += [agent for agent in before if terminations[agent] or truncations[agent]]
            assert env.agents == [agent for agent in before if agent not in gone]
            ended += 0 < len(env.agents) < 3
        assert sorted(gone) == env.possible_agents
    assert ended > 5


def test_rewards_are_those_of_the_row_and_the_seed_decides():
    env, again = (parallel_env("foveal/Intersection-v0", controlled_vehicles=2) for _ in range(2))
    one, two = env.reset(seed=3)[0], again.reset(seed=3)[0]
    while env.agents:
        np.testing.assert_equal(one, two)
        one, two = env.step(dict.fromkeys(env.agents, 2))[0], again.step(dict.fromkeys(again.agents, 2))[0]
    assert again.agents == []


def test_frames_and_masks():
    env = parallel_env("foveal/Intersection-v0", controlled_vehicles=2, render_mode="rgb_array")
    _, infos = env.reset(seed=0)
    assert env.render().shape == (600, 600, 3)
    assert infos["ego_1"]["action_mask"].tolist() == [1, 1, 0]  # at the highest speed
    assert env.metadata["name"] == "Intersection-v0"
    env.close()


def test_a_world_without_several_egos_says_so():
    with pytest.raises(ValueError, match="Merge-v0 has no egos"):
        parallel_env("foveal/Merge-v0")
