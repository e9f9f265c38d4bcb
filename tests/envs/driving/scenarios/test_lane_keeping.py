"""Lane keeping: the tyre model, the road, noise, and the order of a step, against highway-env's."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit
from highway_env.envs.lane_keeping_env import LaneKeepingEnv
from highway_env.vehicle.dynamics import BicycleVehicle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foveal.envs.driving import dynamics
from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import from_highway_env, params_of
from foveal.envs.driving.scenarios.lane_keeping import LaneKeeping, LaneKeepingParams, lay

FEATURES = len(tr.FEATURES) + len(tr.NETWORK_FEATURES)
SPEEDS = st.one_of(st.sampled_from([0.0, 0.5, 1.0, -1.0, 8.3, 40.0]), st.floats(-45, 45))


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    heading=st.floats(-7, 7),
    speed=SPEEDS,
    lateral=st.floats(-6, 6),
    yaw_rate=st.floats(-8, 8),
    steering=st.floats(-1.7, 1.7),
    acceleration=st.floats(-9, 9),
    dt=st.sampled_from([1 / 15, 0.1, 1 / 200]),
)
def test_a_slipping_car_moves_as_highway_envs(heading, speed, lateral, yaw_rate, steering, acceleration, dt):
    car = BicycleVehicle(None, [3.0, -2.0], heading, speed)
    car.lateral_speed, car.yaw_rate = lateral, yaw_rate
    car.action = {"steering": steering, "acceleration": acceleration}
    rates = dynamics.derivative(heading, speed, lateral, yaw_rate, steering, acceleration)
    np.testing.assert_allclose(rates, car.derivative[:, 0], rtol=1e-12, atol=1e-12)
    t = np.zeros((FEATURES, 1))
    for feature, value in (
        (tr.X, 3.0), (tr.Y, -2.0), (tr.HEADING, heading), (tr.SPEED, speed), (tr.LATERAL_SPEED, lateral),
        (tr.YAW_RATE, yaw_rate), (tr.STEERING, steering), (tr.ACCELERATION, acceleration),
    ):  # fmt: skip
        t[feature, 0] = value
    before = car.state[:, 0].copy()
    for _ in range(3):
        car.action["acceleration"] = acceleration  # the speed limit is the world's, not the tyre model's
        BicycleVehicle.clip_actions(car)
        t[tr.ACCELERATION, 0] = car.action["acceleration"]
        dynamics.slide(t, 0, dt)
        car.step(dt)
        state = t[[tr.X, tr.Y, tr.HEADING, tr.SPEED, tr.LATERAL_SPEED, tr.YAW_RATE], 0]
        np.testing.assert_allclose(state, car.state[:, 0], rtol=1e-6, atol=1e-6)
    assert abs(speed) < 1e-6 or not np.array_equal(before, car.state[:, 0])


def test_the_road_is_highway_envs():
    env = LaneKeepingEnv()
    env.reset(seed=0)
    road = lay(LaneKeepingParams())
    lanes = road.compiled().lanes
    assert road.names() == list(env.road.network.lanes_dict())
    for number, lane in enumerate(env.road.network.lanes_list()):
        for along in np.linspace(0, lane.length, 9):
            np.testing.assert_allclose(ln.from_lane(lanes, number, along, 2.0), lane.position(along, 2.0), atol=1e-12)
            np.testing.assert_allclose(ln.heading_at(lanes, number, along), lane.heading_at(along), atol=1e-15)


def test_parameters_are_those_of_highway_envs_id_but_for_its_time_limit():
    assert LaneKeepingParams(**params_of(LaneKeepingEnv())) == LaneKeepingParams(duration=1e6)


def test_a_step_limit_around_highway_env_is_translated():
    env = TimeLimit(LaneKeepingEnv(config={"simulation_frequency": 30, "policy_frequency": 7}), 4)
    env.reset(seed=3)
    env.step(env.action_space.sample())
    world = from_highway_env(env)
    assert world.max_episode_steps == 4 and from_highway_env(env.unwrapped).max_episode_steps is None
    assert [bool(world.step(np.zeros((1, 1), np.float32))[3][0]) for _ in range(3)] == [False, False, True]


def test_two_hundred_steps_then_the_end_as_the_registered_id_has():
    assert gymnasium.spec("lane-keeping-v0").max_episode_steps == 200
    env = gymnasium.make("foveal/LaneKeeping-v0")
    env.reset(seed=0)
    outs = [env.step(np.zeros(1, np.float32)) for _ in range(200)]
    assert [out[3] for out in outs] == [False] * 199 + [True] and not any(out[2] for out in outs)


def test_equals_highway_env_once_its_noise_is_replayed():
    env = LaneKeepingEnv()
    env.reset(seed=3)
    world, rng, actions = from_highway_env(env), copy.deepcopy(env.np_random), np.random.default_rng(0)
    quiet = LaneKeeping(1, state_noise=0.0, derivative_noise=0.0)
    quiet.reset(seed=0)
    quiet.set_state(world.get_state())
    for _ in range(120):
        action = actions.uniform(-0.3, 0.3, 1).astype(np.float32)
        theirs = env.step(action)
        ours = quiet.step(action[None])
        noise = {name: rng.uniform(-0.05, 0.05, (4, 1)) for name in ("state", "derivative")}
        for name, observed in theirs[0].items():
            np.testing.assert_allclose(ours[0][name][0] + noise.get(name, 0), observed, atol=1e-9)
        assert np.isclose(ours[1][0], theirs[1], atol=1e-9)


def test_our_noise_is_uniform_new_in_each_step_and_the_rows_own():
    loud, quiet = LaneKeeping(300), LaneKeeping(300, state_noise=0.0, derivative_noise=0.0)
    observed, silent = [loud.reset(seed=0)[0]], [quiet.reset(seed=0)[0]]
    for _ in range(5):
        observed.append(loud.step(np.zeros((300, 1), np.float32))[0])
        silent.append(quiet.step(np.zeros((300, 1), np.float32))[0])
    noise = np.array(
        [[a[name] - b[name] for name in ("state", "derivative")] for a, b in zip(observed, silent, strict=True)]
    )
    assert stats.kstest(noise.ravel(), stats.uniform(-0.05, 0.1).cdf).pvalue > 1e-3
    assert np.unique(noise.round(12)).size > 0.999 * noise.size
    assert all((a["reference_state"] == b["reference_state"]).all() for a, b in zip(observed, silent, strict=True))


def test_a_step_shows_its_steering_but_not_its_motion():
    quiet = LaneKeeping(1, state_noise=0.0, derivative_noise=0.0)
    first, _ = quiet.reset(seed=0)
    second = quiet.step(np.full((1, 1), 0.5, np.float32))[0]
    np.testing.assert_array_equal(second["state"], first["state"])
    assert (second["derivative"][0, 2:] != first["derivative"][0, 2:]).all()
    third = quiet.step(np.zeros((1, 1), np.float32))[0]
    assert (third["state"] != first["state"]).all()


def test_the_lane_to_keep_to_changes_once_the_first_is_left():
    env = LaneKeepingEnv(config={"state_noise": 0, "derivative_noise": 0})
    env.reset(seed=0)
    world = from_highway_env(env)
    changed = False
    for _ in range(60):
        env.step(np.array([0.02], np.float32))
        world.step(np.array([[0.02]], np.float32))
        kept = world.road.names()[int(world.get_state()["traffic"][0, tr.TARGET_LANE, 0])]
        assert env.lane is env.road.network.get_lane(kept)
        changed |= kept == ("a", "b", 0)
    assert changed
    late = from_highway_env(env)
    assert late.get_state()["traffic"][0, tr.TARGET_LANE, 0] == world.get_state()["traffic"][0, tr.TARGET_LANE, 0]
    assert np.isclose(late.get_state()["time"][0], 6.0)


def test_attributes_need_tyres_that_slip():
    with pytest.raises(ValueError, match="action_dynamical"):
        LaneKeeping(1, action_dynamical=False)
    world = LaneKeeping(1, observation_attributes=("reference_state",))
    assert list(world.single_observation_space) == ["reference_state"]
    assert LaneKeeping(1, action_dynamical=False, observation="Kinematics").single_observation_space.shape == (5, 5)
