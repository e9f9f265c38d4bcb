"""The racetrack: its courses and starts against highway-env's, its obstacles, its rewards and endings."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from highway_env.envs import racetrack_env as reference
from highway_env.road.lane import CircularLane, LineType
from scipy import stats

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import params_of
from foveal.envs.driving.scenarios.racetrack import Racetrack, RacetrackParams, blocks, lay

COURSES = {
    "standard": (reference.RacetrackEnv, {}, {"track": "standard"}),
    "large": (reference.RacetrackEnvLarge, {"speed_limit": 12.0}, {"track": "large", "speed_limit": 12.0}),
    "oval": (reference.RacetrackEnvOval, {}, {"track": "oval"}),
    "oval of 2": (
        reference.RacetrackEnvOval,
        {"no_lanes": 2, "length": 133},
        {"track": "oval", "no_lanes": 2, "length": 133.0},
    ),
    "oval of 6": (reference.RacetrackEnvOval, {"no_lanes": 6}, {"track": "oval", "no_lanes": 6}),
}
LINES = {LineType.NONE: "none", LineType.STRIPED: "striped", LineType.CONTINUOUS: "continuous"}
ALPHA = 1e-3


@pytest.mark.parametrize("name", COURSES)
def test_the_course_is_highway_envs_lane_by_lane(name):
    kind, config, params = COURSES[name]
    env, road = kind(config=config), lay(RacetrackParams(**params))
    theirs, lanes = env.road.network.lanes_dict(), road.compiled().lanes
    assert road.names() == list(theirs)
    for number, ((index, lane), drawn) in enumerate(zip(theirs.items(), road.scene_lanes(), strict=True)):
        assert drawn.lines == tuple(LINES[line] for line in lane.line_types), index
        ours = lanes[number]
        assert (ours[ln.KIND] == ln.CIRCULAR) == isinstance(lane, CircularLane)
        assert (ours[ln.WIDTH], ours[ln.SPEED_LIMIT]) == (lane.width, lane.speed_limit)
        np.testing.assert_allclose(ours[ln.LENGTH], lane.length, rtol=1e-14)
        for along in np.linspace(-5, lane.length + 5, 7):
            np.testing.assert_allclose(ln.from_lane(lanes, number, along, 1.5), lane.position(along, 1.5), atol=1e-12)


def test_parameters_are_those_of_highway_envs_ids():
    pictures = {"screen_width", "screen_height", "scaling", "centering_position"}
    for kind, params in (
        (reference.ConnectedLaneRacetrackEnv, {}),
        (reference.RacetrackEnv, {"connected_lanes": False}),
    ):
        translated = dataclasses.asdict(RacetrackParams(**params_of(kind())))
        ours = dataclasses.asdict(RacetrackParams(**params))
        assert {k: v for k, v in ours.items() if k not in pictures} == {
            k: v for k, v in translated.items() if k not in pictures
        }


@pytest.mark.parametrize(
    "block", [{"block_lane": True}, {"force_decision": True}, {"block_lane": True, "force_decision": True}]
)
def test_road_blocks_stand_where_highway_envs_do(block):
    env = reference.RacetrackEnvOval(config={**block, "length": 120})
    env.reset(seed=0)
    expected = [tuple(thing.position.tolist()) for thing in env.road.objects]
    assert blocks(RacetrackParams(track="oval", length=120.0, **block)) == expected
    world = Racetrack(2, track="oval", length=120.0, **block)
    world.reset(seed=0)
    scene = world.describe([1])[0]
    assert [tuple(p) for p, kind in zip(scene.position, scene.kind, strict=True) if kind == "obstacle"] == expected


def starts(traffic, count):
    """Place along and number of the lane, and speed, of the ego; of the first other; of all; and how many there are."""
    present = np.arange(traffic.shape[2]) < count[:, None]
    return {
        "ego x": traffic[:, tr.X, 0], "ego y": traffic[:, tr.Y, 0], "first x": traffic[:, tr.X, 1],
        "first speed": traffic[:, tr.SPEED, 1], "x": traffic[:, tr.X][present], "y": traffic[:, tr.Y][present],
        "speed": traffic[:, tr.SPEED][present], "count": count, "timer": traffic[:, tr.TIMER, 1],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["standard", "large", "oval"])
def test_spawns_as_highway_env_does(name):
    kind, config, params = COURSES[name]
    env = kind(config={**config, "other_vehicles": 6})
    rows, count = np.zeros((300, len(tr.FEATURES), 7)), np.zeros(300, int)
    for seed in range(300):
        env.reset(seed=seed)
        count[seed] = len(env.road.vehicles)
        for i, vehicle in enumerate(env.road.vehicles):
            rows[seed, [tr.X, tr.Y], i] = vehicle.position
            rows[seed, tr.SPEED, i], rows[seed, tr.TIMER, i] = vehicle.speed, getattr(vehicle, "timer", 0)
            assert i == 0 or (vehicle.target_speed, vehicle.DELTA) == (vehicle.speed, 4.0)
    theirs = starts(rows, count)
    world = Racetrack(2000, other_vehicles=6, **params)
    world.reset(seed=77)
    state = world.get_state()
    ours = starts(state["traffic"], state["count"])
    p = {key: stats.ks_2samp(ours[key], theirs[key]).pvalue for key in theirs if np.ptp(theirs[key]) > 0}
    assert len(p) >= 8 and min(p.values()) > ALPHA / len(p), p
    others = state["traffic"][:, :, 1:]
    assert (others[:, tr.EXPONENT][others[:, tr.X] != 0] == 4).all()


def test_no_others_and_one_other():
    for others, counts in ((0, {1}), (1, {2}), (3, {2, 3, 4})):
        world = Racetrack(60, other_vehicles=others)
        world.reset(seed=0)
        assert set(world.get_state()["count"].tolist()) <= counts


def test_the_reward_is_of_the_middle_and_of_small_actions():
    env = gymnasium.make("foveal/Racetrack-v0", other_vehicles=0)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(np.zeros(1, np.float32))
    assert np.isclose(reward, 1.0) and not terminated
    assert np.isclose(info["rewards"]["lane_centering_reward"], 1) and info["rewards"]["on_road_reward"] == 1
    _, reward, _, _, info = env.step(np.ones(1, np.float32))
    assert info["rewards"]["action_reward"] == 1 and reward < 0.9


def test_the_size_of_a_discrete_action_is_its_number_as_in_highway_env():
    env = gymnasium.make("foveal/Racetrack-v0", action="Discrete", action_per_axis=7)
    env.reset(seed=0)
    assert env.action_space.n == 7
    assert env.step(5)[4]["rewards"]["action_reward"] == 5


def test_off_the_road_ends_or_earns_nothing():
    steer = np.ones(1, np.float32)
    env = gymnasium.make("foveal/Racetrack-v0")
    env.reset(seed=0)
    ended = False
    for _ in range(60):
        _, reward, ended, _, info = env.step(steer)
        if ended:
            break
    assert ended and reward == 0 and info["rewards"]["on_road_reward"] == 0
    env = gymnasium.make("foveal/Racetrack-v0", terminate_off_road=False, duration=6.0, other_vehicles=0)
    env.reset(seed=0)
    rewards = [env.step(steer) for _ in range(30)]
    assert rewards[-1][3] and not any(out[2] for out in rewards) and min(out[1] for out in rewards) == 0


def test_an_ego_that_follows_lanes_goes_round():
    """highway-env has no meta-actions here: its constructor fails."""
    world = Racetrack(4, action="DiscreteMeta", action_longitudinal=True, other_vehicles=0, duration=60.0)
    world.reset(seed=0)
    lanes = set()
    for _ in range(290):
        _, _, terminated, _, _ = world.step(np.full(4, world.action_names.index("FASTER")))
        assert not terminated.any()
        lanes |= set(world.get_state()["traffic"][:, tr.LANE, 0].astype(int))
    roads = {world.road.names()[lane][:2] for lane in lanes}
    assert roads == {name[:2] for name in world.road.names()}
    with pytest.raises(AttributeError, match="make_on_lane"):
        reference.RacetrackEnv(config={"action": {"type": "DiscreteMetaAction"}})


STEER, GRID = {"type": "ContinuousAction"}, {"type": "OccupancyGrid"}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"action": {**STEER, "speed_range": [0, 10]}}, "action.speed_range"),
        ({"action": {**STEER, "clip": False}}, "action.clip"),
        ({"action": {**STEER, "steering_range": [-0.5, 0.6]}}, "action.steering_range"),
        ({"action": {**STEER, "acceleration_range": [0, 5]}}, "action.acceleration_range"),
        ({"observation": {**GRID, "features_range": {"vx": [-5, 5]}}}, "features_range without 'vy'"),
        ({"observation": {**GRID, "features_range": {"vx": [-5, 5], "vy": [-5, 5], "x": [-9, 9]}}}, "features_range.x"),
        ({"controlled_vehicles": 2}, "controlled_vehicles"),
    ],
)
def test_a_setting_that_cannot_be_translated_is_named(config, named):
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        params_of(reference.RacetrackEnv(config=config))


def test_continuous_and_discrete_actions_are_translated():
    ranges = {"acceleration_range": [-3, 3], "steering_range": [-0.5, 0.5], "longitudinal": True, "dynamical": True}
    for theirs, ours in (("ContinuousAction", "Continuous"), ("DiscreteAction", "Discrete")):
        translated = RacetrackParams(**params_of(reference.RacetrackEnv(config={"action": {"type": theirs, **ranges}})))
        assert (translated.action, translated.action_acceleration, translated.action_steering) == (ours, 3.0, 0.5)
        assert translated.action_longitudinal and translated.action_lateral and translated.action_dynamical
