"""The roundabout: its roads and spawns are highway-env's, and its other sizes hold together."""

import gymnasium
import numpy as np
import pytest
from highway_env.envs.roundabout_env import ConnectedLaneRoundaboutEnv, ConnectedLaneRoundaboutGenericEnv

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.roundabout import DESTINATIONS, SAFE, Roundabout, RoundaboutParams, lay
from foveal.envs.driving.scenarios.roundabout_road import NODES


def test_the_road_is_highway_envs(assert_same_road):
    assert_same_road(lay(RoundaboutParams()), ConnectedLaneRoundaboutEnv())


@pytest.mark.parametrize(("radius", "lanes"), [(20, 2), (8, 1), (33.3, 4), (120, 3)])
def test_roads_of_any_size_are_highway_envs(radius, lanes, assert_same_road):
    env = ConnectedLaneRoundaboutGenericEnv(config={"roundabout_radius": radius, "roundabout_lanes": lanes})
    assert_same_road(lay(RoundaboutParams(roundabout_radius=radius, roundabout_lanes=lanes, vehicles_count=5)), env)


def test_spawns_as_highway_env_does(assert_spawns_alike):
    assert_spawns_alike("foveal/Roundabout-v0", ConnectedLaneRoundaboutEnv())
    env = ConnectedLaneRoundaboutEnv(config={"incoming_vehicle_destination": 2})
    assert_spawns_alike("foveal/Roundabout-v0", env, incoming_vehicle_destination=2)


def test_spawns_at_random_places_as_highway_env_does(assert_spawns_alike):
    crowd = {"vehicles_count": 12, "incoming_vehicle_destination": 3}
    assert_spawns_alike("foveal/Roundabout-v0", ConnectedLaneRoundaboutGenericEnv(), vehicles_count=5)
    assert_spawns_alike("foveal/Roundabout-v0", ConnectedLaneRoundaboutGenericEnv(config=crowd), 80, **crowd)


def test_cars_at_random_places_have_room():
    world = Roundabout(200, vehicles_count=60, roundabout_radius=15.0)
    world.reset(seed=0)
    state = world.get_state()
    assert state["count"].min() < 61  # where no place is found, there is no car
    for traffic, count in zip(state["traffic"], state["count"], strict=True):
        places = traffic[[tr.X, tr.Y], :count].T
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e3 * np.eye(count)
        assert apart.min() >= SAFE


def test_the_ego_goes_round_to_the_north_by_itself():
    world = Roundabout(1, vehicles_count=0, duration=60.0, autoreset_mode="disabled")
    world.reset(seed=0)
    lanes = []
    for _ in range(26):
        _, rewards, terminated, *_ = world.step(np.array([1]))
        assert not terminated[0]
        assert rewards[0] == pytest.approx((1 + 0.2 * 0.5) / 1.2)
        lanes.append(world.road.names()[int(world.get_state()["traffic"][0, tr.LANE, 0])])
    roads = list(dict.fromkeys(lane[:2] for lane in lanes))
    assert roads[-1] == ("nxs", "nxr") and ("ee", "nx") in roads


def test_destinations_are_reached_from_every_lane_of_the_ring():
    road = lay(RoundaboutParams())
    ring = [number for number, name in enumerate(road.names()) if name[0] in NODES and name[1] in NODES]
    assert len(ring) == 16
    for name in DESTINATIONS:
        routes = road.routes_to(name)
        assert {list(road._routes)[routes[number]][1] for number in ring} == {name}


def test_defaults_are_highway_envs():
    ours = gymnasium.make_vec("foveal/Roundabout-v0").params
    theirs = params_of(ConnectedLaneRoundaboutEnv())
    assert {n: v for n, v in theirs.items() if getattr(ours, n) != v} == {"scaling": 5.5}


def test_a_crash_must_be_worse_than_speed_is_good():
    with pytest.raises(ValueError, match=r"^collision_reward="):
        Roundabout(1, collision_reward=0.2)
    Roundabout(1, collision_reward=0.2, normalize_reward=False)
