"""The exit: its road and spawns are highway-env's; reaching it."""

import gymnasium
import numpy as np
import pytest
from highway_env.envs.exit_env import ConnectedLaneExitEnv

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.exit import Exit, ExitParams, lay


@pytest.mark.parametrize("lanes", [2, 6, 7])
def test_the_road_is_highway_envs(lanes, assert_same_road):
    assert_same_road(lay(ExitParams(lanes_count=lanes)), ConnectedLaneExitEnv(config={"lanes_count": lanes}))


def test_spawns_as_highway_env_does(assert_spawns_alike):
    assert_spawns_alike("foveal/Exit-v0", ConnectedLaneExitEnv(), 100)


def test_spawns_far_beyond_the_exit_as_highway_env_does(assert_spawns_alike):
    sparse = {"lanes_count": 2, "vehicles_density": 0.3, "vehicles_count": 14, "ego_spacing": 1.0}
    assert_spawns_alike("foveal/Exit-v0", ConnectedLaneExitEnv(config=sparse), 60, **sparse)


def test_nobody_starts_on_the_left_lane_but_the_ego():
    world = Exit(100)
    world.reset(seed=0)
    lanes = world.get_state()["traffic"][:, tr.LANE]
    assert (lanes[:, 0] == 0).all()
    assert set(np.unique(lanes[:, 1:])) == {1, 2, 3, 4, 5}


def test_the_way_out_is_rewarded_once_it_is_steered_for():
    world = Exit(1, vehicles_count=0, normalize_reward=False, high_speed_reward=0.0, duration=60.0)  # alone
    world.reset(seed=0)
    reached, observed, roads = [], [], []
    for _ in range(26):
        observation, reward, terminated, *_ = world.step(np.array([2]))
        assert not terminated[0]
        reached.append(reward[0])
        observed.append(observation[0, 0, 1] * 200)
        roads.append(world.road.names()[int(world.get_state()["traffic"][0, tr.LANE, 0])][:2])
    first = reached.index(1.0)
    assert -30 < observed[first] < 100 and set(reached[first:]) == {1.0}
    assert list(dict.fromkeys(roads)) == [("0", "1"), ("1", "2"), ("2", "exit")]


def test_defaults_are_highway_envs_but_for_the_picture():
    ours = gymnasium.make_vec("foveal/Exit-v0").params
    theirs = params_of(ConnectedLaneExitEnv())
    differ = {n for n, v in theirs.items() if getattr(ours, n) != v}
    assert differ == {"screen_width", "screen_height", "centering_position"}


def test_a_crash_must_be_worse_than_the_goal():
    with pytest.raises(ValueError, match=r"^collision_reward="):
        Exit(1, goal_reward=0.0)
