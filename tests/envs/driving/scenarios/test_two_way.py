"""The two-way road: its road and spawns are highway-env's; its end."""

import gymnasium
import numpy as np
import pytest
from highway_env.envs.two_way_env import TwoWayEnv

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.two_way import TwoWay, TwoWayParams, lay


def test_the_road_is_highway_envs(assert_same_road):
    assert_same_road(lay(TwoWayParams()), TwoWayEnv())


def test_spawns_as_highway_env_does(assert_spawns_alike):
    assert_spawns_alike("foveal/TwoWay-v0", TwoWayEnv())


def test_nobody_else_changes_lanes_and_two_come_the_other_way():
    world = TwoWay(20)
    world.reset(seed=0)
    traffic = world.get_state()["traffic"]
    assert (traffic[:, tr.CHANGES_LANES, 1:] == 0).all()
    assert (traffic[:, tr.LANE, 4:] == world.road.number(("b", "a", 0))).all()
    np.testing.assert_allclose(traffic[:, tr.HEADING, 4:], np.pi)


def test_lasts_fifteen_steps_at_most_as_the_registered_id_does():
    assert gymnasium.spec("two-way-v0").max_episode_steps == 15
    world = TwoWay(20, action_target_speeds=(0.0, 5.0, 10.0))  # too slow to run into anyone
    world.reset(seed=0)
    for step in range(15):
        *_, terminated, truncated, _ = world.step(np.full(20, 4))
        assert not terminated.any()
        assert truncated.all() == truncated.any() == (step == 14)


def test_defaults_are_highway_envs_but_for_the_time_limit_and_the_picture():
    ours = gymnasium.make_vec("foveal/TwoWay-v0").params
    theirs = params_of(TwoWayEnv())
    differ = {n for n, v in theirs.items() if getattr(ours, n) != v}
    assert differ == {"duration", "screen_width", "screen_height", "scaling"}


@pytest.mark.parametrize(("action", "reward"), [(0, 1.0), (1, 0.8), (4, 0.4)])
def test_rewards_speed_and_the_left_lane(action, reward):
    world = TwoWay(1)
    world.reset(seed=0)
    assert world.step(np.array([action]))[1][0] == pytest.approx(reward)
