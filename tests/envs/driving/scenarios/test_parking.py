"""Parking: the car park and its starts against highway-env's, goals, walls, and hindsight experience replay."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from highway_env.envs import parking_env as reference
from scipy import stats

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.parking import Parking, ParkingParams, lay

ALPHA = 1e-3


def test_spaces_walls_and_goal_are_highway_envs():
    env = reference.ParkingEnv()
    env.reset(seed=0)
    road = lay(ParkingParams())
    assert road.names() == list(env.road.network.lanes_dict())
    for drawn, lane in zip(road.scene_lanes(), env.road.network.lanes_list(), strict=True):
        np.testing.assert_array_equal(drawn.centre, [lane.start, lane.end])
    world = Parking(1)
    world.reset(seed=0)
    scene = world.describe([0])[0]
    assert scene.kind == ("vehicle", "landmark", *["obstacle"] * 4)
    for place, wall in enumerate(env.road.objects[1:], 2):
        np.testing.assert_array_equal(scene.position[place], wall.position)
        assert scene.heading[place] == wall.heading and tuple(scene.size[place]) == (wall.LENGTH, wall.WIDTH)
    assert tuple(scene.size[1]) == (2, 2) and abs(scene.position[1, 1]) == 14


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (reference.ParkingEnv, {}),
        (reference.ParkingEnvActionRepeat, {"policy_frequency": 1, "duration": 20.0}),
        (reference.ParkingEnvParkedVehicles, {"vehicles_count": 10}),
    ],
)
def test_parameters_are_those_of_highway_envs_ids(kind, params):
    skipped = {"screen_height", "observation_normalize"}  # taller, and not read by this observation
    translated = dataclasses.asdict(ParkingParams(**params_of(kind())))
    ours = dataclasses.asdict(ParkingParams(**params))
    assert {k: v for k, v in ours.items() if k not in skipped} == {
        k: v for k, v in translated.items() if k not in skipped
    }


def test_spawns_as_highway_env_does():
    env, rows = reference.ParkingEnv(config={"vehicles_count": 5}), []
    for seed in range(300):
        env.reset(seed=seed)
        parked = sorted(vehicle.position[0] * 100 + vehicle.position[1] for vehicle in env.road.vehicles[1:])
        rows.append([env.vehicle.heading, *env.vehicle.goal.position, env.vehicle.goal.heading, *parked])
    world = Parking(2000, vehicles_count=5)
    world.reset(seed=1)
    t = world.get_state()["traffic"]
    assert (t[:, [tr.X, tr.Y, tr.SPEED], 0] == 0).all()
    parked = np.sort(t[:, tr.X, 1:6] * 100 + t[:, tr.Y, 1:6])
    ours = np.column_stack([t[:, tr.HEADING, 0], t[:, tr.X, 6], t[:, tr.Y, 6], t[:, tr.HEADING, 6], parked])
    p = [stats.ks_2samp(a, b).pvalue for a, b in zip(ours.T, np.array(rows).T, strict=True)]
    assert min(p) > ALPHA / len(p), p


def test_every_space_but_the_egos_holds_the_goal_or_a_car():
    world = Parking(50, vehicles_count=26)
    world.reset(seed=3)
    t = world.get_state()["traffic"]
    taken = np.sort(t[:, tr.LANE, :28], axis=1)  # the ego's, 26 cars' and the goal's
    np.testing.assert_array_equal(taken, np.tile(np.arange(28), (50, 1)))


def test_the_reward_is_that_of_the_observed_goals():
    world = Parking(6, reward_weights=(1, 0.3, 0.1, 0.2, 0.02, 0.02))
    rng = np.random.default_rng(0)
    world.reset(seed=0)
    env = reference.ParkingEnv(config={"reward_weights": [1, 0.3, 0.1, 0.2, 0.02, 0.02]})
    for _ in range(20):
        observations, rewards, terminated, _, infos = world.step(rng.uniform(-1, 1, (6, 2)).astype(np.float32))
        if terminated.any():
            break
        goals = observations["achieved_goal"], observations["desired_goal"]
        np.testing.assert_array_equal(world.compute_reward(*goals, infos), rewards)
        theirs = [env.compute_reward(a, b, {}) for a, b in zip(*goals, strict=True)]
        np.testing.assert_allclose(rewards, theirs, rtol=1e-12)
        np.testing.assert_array_equal(observations["observation"], observations["achieved_goal"])
    single = gymnasium.make("foveal/Parking-v0").unwrapped
    reward = single.compute_reward(goals[0][0], goals[1][0], {})
    assert type(reward) is float
    with pytest.raises(ValueError, match=r"\(6, 5\)"):
        world.compute_reward(goals[0][:, :5], goals[1][:, :5], {})


def test_only_parking_has_a_reward_to_compute():
    for env_id in ("foveal/Racetrack-v0", "foveal/LaneKeeping-v0", "foveal/Merge-v0"):
        assert not hasattr(gymnasium.make(env_id).unwrapped, "compute_reward")
        assert not hasattr(gymnasium.make_vec(env_id), "compute_reward")


def test_at_the_goal_the_episode_ends_with_success():
    world = Parking(3)
    world.reset(seed=4)
    state = world.get_state()
    t, goal = state["traffic"], 1
    for feature in (tr.X, tr.Y, tr.HEADING):
        t[:, feature, 0] = t[:, feature, goal]
    world.set_state(state)
    _, rewards, terminated, _, infos = world.step(np.zeros((3, 2), np.float32))
    assert terminated.all() and infos["is_success"].all() and (rewards > -1e-6).all()


def test_a_wall_stops_a_car_and_ends_the_episode():
    env = gymnasium.make("foveal/Parking-v0", action_steering=0.0)
    _, _ = env.reset(seed=0)
    terminated, steps = False, 0
    while not terminated:
        observation, reward, terminated, truncated, info = env.step(np.array([1, 0], np.float32))
        steps += 1
        assert not truncated and steps < 60
    assert info["crashed"] and not info["is_success"] and reward < -5
    assert np.abs(observation["observation"][:2] * 100).max() < 36


@pytest.mark.parametrize("speeds", [(20.0, 25.0, 30.0), (-30.0, 0.0, 30.0), (100.0, 200.0)])
@pytest.mark.parametrize("frequency", [1, 2, 15])
def test_bounds_hold_where_long_substeps_overshoot_the_target_speed(speeds, frequency):
    world = Parking(
        16, action="DiscreteMeta", action_target_speeds=speeds, simulation_frequency=frequency, policy_frequency=1,
        duration=30.0, add_walls=False, autoreset_mode="disabled", max_episode_steps=20,
    )  # fmt: skip
    world.reset(seed=0)
    world.action_space.seed(0)
    for _ in range(20):
        assert world.observation_space.contains(world.step(world.action_space.sample())[0])
        if (world._terminated | world._truncated).any():
            break


def test_bounds_are_finite_and_hold_at_full_speed():
    env = gymnasium.make("foveal/Parking-v0", add_walls=False, duration=30.0, action_acceleration=50.0)
    observed, _ = env.reset(seed=0)
    fastest, truncated = 0.0, False
    while not truncated:
        observed, *_, truncated, info = env.step(np.array([1, 0], np.float32))
        assert env.observation_space.contains(observed)
        fastest = max(fastest, info["speed"])
    assert 40 < fastest < 44
    assert all(box.is_bounded("both") for box in env.observation_space.values())


def test_impossible_goals_are_refused():
    with pytest.raises(ValueError, match="observation_scales"):
        Parking(1, observation_features=("x", "y"))
    with pytest.raises(ValueError, match="heading"):
        Parking(1, observation_features=("heading",), observation_scales=(1.0,))
    world = Parking(2, observation_features=("presence", "y"), observation_scales=(1.0, 10.0))
    world.reset(seed=0)
    assert world.single_observation_space["desired_goal"].shape == (2,)
    assert (np.abs(world._observations["desired_goal"]) == [1, 1.4]).all()


def test_learns_by_hindsight_with_sb3():
    from stable_baselines3 import SAC, HerReplayBuffer

    env = gymnasium.make("foveal/Parking-v0", duration=8.0)
    model = SAC(
        "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, learning_starts=100, batch_size=32, seed=0,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        policy_kwargs={"net_arch": [16]}, buffer_size=2000, device="cpu",
    )  # fmt: skip
    model.learn(300)
    assert model.num_timesteps == 300 and model._n_updates > 100
    sample = model.replay_buffer.sample(64)
    goals = (part.numpy() for part in (sample.next_observations["achieved_goal"], sample.observations["desired_goal"]))
    expected = env.unwrapped.compute_reward(*goals, None)
    np.testing.assert_array_less(sample.rewards.numpy()[:, 0], expected + 1e-5)  # a crash costs besides
