"""The U-turn: its road and spawns are highway-env's."""

import gymnasium
import numpy as np
import pytest
from highway_env.envs.u_turn_env import ConnectedLaneUTurnEnv

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.u_turn import UTurn, UTurnParams, lay


def test_the_road_is_highway_envs(assert_same_road):
    assert_same_road(lay(UTurnParams()), ConnectedLaneUTurnEnv())


def test_spawns_as_highway_env_does(assert_spawns_alike):
    assert_spawns_alike("foveal/UTurn-v0", ConnectedLaneUTurnEnv())


def test_only_the_first_car_has_an_exponent_of_its_own():
    world = UTurn(50)
    world.reset(seed=0)
    exponents = world.get_state()["traffic"][:, tr.EXPONENT]
    assert np.unique(exponents[:, 1]).size == 50
    assert (exponents[:, 2:] == 4).all()


def test_defaults_are_highway_envs():
    ours = gymnasium.make_vec("foveal/UTurn-v0").params
    theirs = params_of(ConnectedLaneUTurnEnv())
    assert {n: v for n, v in theirs.items() if getattr(ours, n) != v} == {"scaling": 5.5}


def test_the_right_lane_is_rewarded_under_the_name_of_the_left():
    world = UTurn(1, normalize_reward=False, left_lane_reward=3.0, high_speed_reward=0.0)
    world.reset(seed=0)
    state = world.get_state()
    state["traffic"][0, tr.Y, 0] += 4
    world.set_state(state)
    assert world._rewards[0] == 3.0


def test_off_the_road_there_is_no_reward():
    world = UTurn(1)
    world.reset(seed=0)
    state = world.get_state()
    state["traffic"][0, tr.Y, 0] += 40
    world.set_state(state)
    assert world._rewards[0] == 0


def test_a_crash_must_be_worse_than_the_best():
    with pytest.raises(ValueError, match=r"^collision_reward="):
        UTurn(1, collision_reward=0.5)
