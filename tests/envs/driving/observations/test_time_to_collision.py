"""The TimeToCollision observation: hand-made states, which roads are ahead, and every world and action."""

from itertools import pairwise

import gymnasium
import numpy as np
import pytest
from highway_env.envs.exit_env import ExitEnv
from highway_env.envs.merge_env import MergeEnv
from highway_env.envs.roundabout_env import RoundaboutEnv
from highway_env.envs.two_way_env import TwoWayEnv
from highway_env.envs.u_turn_env import UTurnEnv

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.driving import parity
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.migration import name_of, world_named
from foveal.envs.driving.observations.time_to_collision import in_the_way
from foveal.envs.driving.scenarios.two_way import TwoWay

SCENARIOS = ("Merge", "Roundabout", "UTurn", "TwoWay", "Exit")


@pytest.mark.parametrize("kind", [RoundaboutEnv, TwoWayEnv, UTurnEnv, ExitEnv, MergeEnv])
def test_roads_ahead_are_highway_envs_connected_ones(kind):
    """At random lanes and random stages of random routes."""
    env, world = kind(), world_named(name_of(kind))
    road = world.scenario.lay(world.Params())
    names, network, rng = road.names(), env.road.network, np.random.default_rng(0)
    routes = []
    for start in names:
        for node in sorted({name[1] for name in names}):
            try:
                routes.append((road.route(start, node), start, node))
            except ValueError:
                continue
    compiled = road.compiled()
    t, found = np.zeros((len(tr.FEATURES) + len(tr.NETWORK_FEATURES), 2)), []
    for _ in range(1500):
        number, start, node = routes[rng.integers(len(routes))]
        path = network.shortest_path(start[1], node) or [start[1]]
        stage = int(rng.integers(len(path) + 1))
        left = [start, *((a, b, None) for a, b in pairwise(path))][stage:]
        near = [k for k, name in enumerate(names) if left and name[:2] == left[0][:2]]
        lane = rng.choice(near) if near and rng.random() < 0.5 else rng.integers(len(names))
        other = rng.integers(len(names))
        t[tr.LANE], t[tr.ROUTE, 0], t[tr.STAGE, 0] = (lane, other), number, stage
        theirs = network.is_connected_road(names[lane], names[other], route=left, depth=3)
        assert in_the_way(t, compiled.lanes, compiled.graph, 0, 1) == theirs
        found.append(theirs)
    assert sum(found) > 10


def alone(x, speed, lane_y=4.0):
    """A two-way road with the ego at x = 100 at 25 m/s on the right lane, and one car."""
    world = TwoWay(1)
    world.reset(seed=0)
    state = world.get_state()
    state["count"][0] = 2
    for column, values in enumerate(((100.0, 4.0, 25.0), (x, lane_y, speed))):
        state["traffic"][0, [tr.X, tr.Y, tr.SPEED], column] = values
        state["traffic"][0, tr.HEADING, column] = 0.0
    state["traffic"][0, tr.SPEED_INDEX, 0] = 1
    world.set_state(state)
    return world._observations[0]


def test_a_slower_car_ahead_is_met_sooner_at_a_higher_speed():
    """35 m ahead at 10 m/s, the speeds are 20, 25 and 30 m/s; the cars are 5 m long."""
    grid = alone(135.0, 10.0)
    expected = np.zeros((3, 3, 5), np.float32)
    expected[:, 2] = 1  # no lane there
    expected[0, 1, [3, 4]] = [1, 1]  # 3.5 s; touching at 3 and 4 s
    expected[1, 1, [2, 3]] = [1, 1]  # 2.33 s; touching at 2 and 2.67 s
    expected[2, 1, [1, 2]] = [1, 1]  # 1.75 s; touching at 1.5 and 2 s
    np.testing.assert_array_equal(grid, expected)


def test_a_touch_costs_half():
    """At 20 m/s the centres meet after 2 s, to the cell; the bumpers half a second before and after."""
    grid = alone(120.0, 10.0, lane_y=0.0)
    np.testing.assert_array_equal(grid[0, 0], np.float32([0, 0.5, 1, 0.5, 0]))
    assert (grid[:, 1] == 0).all()


def test_a_faster_car_ahead_is_never_met():
    assert (alone(150.0, 35.0)[:, :2] == 0).all()


def test_beyond_the_slowest_speed_it_repeats():
    world = TwoWay(1)
    world.reset(seed=0)
    for _ in range(4):
        observation, _, terminated, *_ = world.step(np.array([4]))
        assert not terminated[0]
    assert world.get_state()["traffic"][0, tr.SPEED_INDEX, 0] == 0
    np.testing.assert_array_equal(observation[0, 0], observation[0, 1])


@pytest.mark.parametrize("kind", ["Kinematics", "TimeToCollision", "Exit"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_kind_of_observation_in_every_world(name, kind):
    for action in ("DiscreteMeta", "Continuous"):
        env = gymnasium.make_vec(f"foveal/{name}-v0", 4, observation=kind, action=action)
        env.reset(seed=0)
        for step in range(4):
            env.action_space.seed(step)
            assert env.observation_space.contains(env.step(env.action_space.sample())[0])


@pytest.mark.parametrize("env_id", ["roundabout-v1", "u-turn-v1", "two-way-v0", "exit-v1", "merge-v1"])
def test_observes_what_highway_env_does(env_id):
    config = {"observation": {"type": "TimeToCollision", "horizon": 6}, "policy_frequency": 3}
    case = parity.Case("", config, {env_id: 1})
    for seed in range(2):
        _, found = parity.run(parity.Episode(case, env_id, seed, "FASTER", 12))
        assert not found.wrong, found
