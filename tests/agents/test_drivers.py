"""The rule-based drivers: their formulas, their choices in scenes made by hand, their rank on the road."""

import gymnasium
import numpy as np
import pytest
from highway_env.road.road import Road, RoadNetwork
from highway_env.vehicle.behavior import IDMVehicle

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.drivers import (
    DRIVERS,
    EXPLORERS,
    FASTER,
    IDLE,
    LANE_LEFT,
    LANE_RIGHT,
    SLOWER,
    RoadDriver,
    idm,
    make_driver,
)
from foveal.agents.evaluation import evaluate

FAST = "foveal/HighwayFast-v0"
LANES = 3


def _driver(name, **params):
    return make_driver(name, gymnasium.make_vec(FAST, num_envs=1, **{"lanes_count": LANES, **params}))


def _seen(lane, speed, *others, drift=0.0):
    """One row's observation (1, 5, 5): the ego, then others as (gap m, lane, speed m/s)."""
    observation = np.zeros((1, 5, 5), np.float32)
    observation[0, 0] = [1, 0.5, lane / LANES, speed / 80, drift / 80]
    for slot, (gap, other_lane, other_speed) in enumerate(others, start=1):
        observation[0, slot] = [
            1,
            gap / 200,
            (other_lane - lane) / LANES,
            (other_speed - speed) / 80,
            -drift / 80,
        ]
    return observation


@pytest.mark.parametrize("name", [name for name in DRIVERS if name not in EXPLORERS])
@pytest.mark.parametrize("rows", [1, 5])
def test_actions_are_in_the_action_space_and_rows_are_independent(name, rows):
    env = gymnasium.make_vec("foveal/LeftTurn-v0" if name == "gap-acceptance" else FAST, num_envs=rows)
    driver = make_driver(name, env)
    observations, _ = env.reset(seed=0)
    for _ in range(40):
        actions = driver(observations)
        assert env.action_space.contains(actions)
        if name != "random":
            alone = np.concatenate([driver(observations[row : row + 1]) for row in range(rows)])
            np.testing.assert_array_equal(actions, alone)
        observations, *_ = env.step(actions)


def test_random_draws_every_action_from_its_own_seed():
    env = gymnasium.make_vec(FAST, num_envs=1)
    observations = np.zeros((1000, 5, 5), np.float32)
    first, again, other = (make_driver("random", env, seed=seed)(observations) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and (np.bincount(first, minlength=5) > 150).all()


@pytest.mark.parametrize("rows", [1, 3])
def test_random_acts_in_worlds_whose_observation_is_a_dict(rows):
    env = gymnasium.make_vec("foveal/Parking-v0", num_envs=rows)
    observations, _ = env.reset(seed=0)
    assert env.action_space.contains(make_driver("random", env)(observations))


def test_reading_undoes_the_scaling():
    env = gymnasium.make_vec(FAST, num_envs=8, observation_vehicles_count=6)
    driver = make_driver("idm-mobil", env)
    assert isinstance(driver, RoadDriver)
    observations, _ = env.reset(seed=5)
    for _ in range(6):
        observations, *_ = env.step(np.tile([LANE_LEFT, LANE_RIGHT], 4))
    traffic = driver.read(observations)
    for row, scene in enumerate(env.describe(range(8))):
        there = traffic.present[row]
        others = scene.observed[1:][there]
        along, across = (scene.speed * f(scene.heading) for f in (np.cos, np.sin))
        position = np.stack([traffic.gap[row][there] + scene.position[0, 0], traffic.y[row][there]], axis=-1)
        np.testing.assert_allclose(position, scene.position[others], atol=1e-4)
        np.testing.assert_allclose(traffic.speed[row][there], along[others], atol=1e-4)
        np.testing.assert_allclose(traffic.drift[row][there], across[others], atol=1e-4)
        np.testing.assert_allclose(traffic.ego_y[row], scene.position[0, 1], atol=1e-4)
        np.testing.assert_allclose(traffic.ego_speed[row], along[0], atol=1e-4)


@pytest.mark.parametrize("speed, leader_speed, gap", [(25, 20, 60), (30, 30, 40), (21, 24, 90), (28, 5, 150)])
def test_idm_is_highway_envs(speed, leader_speed, gap):
    road = Road(RoadNetwork.straight_road_network(1, speed_limit=30))
    ego = IDMVehicle(road, [0, 0], speed=speed, target_speed=30)
    leader = IDMVehicle(road, [gap, 0], speed=leader_speed)
    values = [np.array([float(value)]) for value in (speed, gap, leader_speed)]
    assert idm(values[0], 30.0, values[1], values[2])[0] == pytest.approx(ego.acceleration(ego, leader))
    free = idm(values[0], 30.0, np.array([np.inf]), values[2])[0]
    assert free == pytest.approx(ego.acceleration(ego))


@pytest.mark.parametrize(
    "scene, action",
    [
        (_seen(2, 25), FASTER),
        (_seen(2, 30), IDLE),
        (_seen(2, 25, (45, 2, 22), (50, 1, 22)), SLOWER),
        (_seen(0, 25), LANE_RIGHT),
        (_seen(2, 25, (45, 2, 22)), LANE_LEFT),
        (_seen(1, 25, (45, 1, 22), (45, 0, 22), (45, 2, 22)), SLOWER),
        (_seen(1, 25, (45, 1, 22), (-8, 2, 28)), LANE_LEFT),
        (_seen(1, 25, (45, 1, 22), (-8, 2, 28), (3, 0, 25)), SLOWER),
    ],
    ids=[
        "free",
        "fastest",
        "held up",
        "keeps right",
        "overtakes",
        "boxed in",
        "follower right",
        "no way out",
    ],
)
def test_idm_mobil_chooses(scene, action):
    assert _driver("idm-mobil")(scene).tolist() == [action]


def test_idm_mobil_does_not_change_its_mind_between_lanes():
    settled, moving = _seen(1, 25, (45, 1, 22)), _seen(0.9, 25, (45, 1, 22), drift=-3.0)
    assert _driver("idm-mobil")(settled)[0] in (LANE_LEFT, LANE_RIGHT)
    assert _driver("idm-mobil")(moving)[0] not in (LANE_LEFT, LANE_RIGHT)


@pytest.mark.parametrize(
    "scene, action",
    [
        (_seen(1, 20), LANE_RIGHT),
        (_seen(2, 20), SLOWER),
        (_seen(1, 20, (12, 2, 22)), SLOWER),
        (_seen(1, 20, (-6, 2, 22)), SLOWER),
        (_seen(1, 20, (12, 1, 22), (60, 2, 22)), LANE_RIGHT),
    ],
)
def test_keep_right_moves_over_only_where_it_is_clear(scene, action):
    assert _driver("keep-right")(scene).tolist() == [action]


def test_rank_on_the_road():
    """Means over 150 seeds; the gaps are many standard errors wide."""
    on_the_road = ("random", "slowest", "keep-right", "idm-mobil")
    returns = {name: evaluate(FAST, name, episodes=150, seed=0).metrics["return"].mean for name in on_the_road}
    assert returns["random"] < 11 < 19 < returns["slowest"] < returns["keep-right"] < returns["idm-mobil"]


def test_unknown_names_and_foreign_worlds_are_refused():
    env = gymnasium.make_vec(FAST, num_envs=1)
    with pytest.raises(ValueError, match=r"unknown driver 'keepright'; did you mean 'keep-right'\?"):
        make_driver("keepright", env)
    env.action_names = ("LEFT", "RIGHT")
    with pytest.raises(ValueError, match="'slowest' needs the action SLOWER"):
        make_driver("slowest", env)
    with pytest.raises(ValueError, match="'keep-right' needs the actions LANE_LEFT"):
        make_driver("keep-right", env)
    with pytest.raises(ValueError, match="'gap-acceptance' needs a world with a ramp or with a conflict point"):
        make_driver("gap-acceptance", env)


def test_gaps_are_taken_and_waited_for():
    """Of cars that come, those that would be at the conflict point with the ego are let pass."""
    env = gymnasium.make_vec("foveal/LeftTurn-v0", num_envs=1)
    driver, (x, y) = make_driver("gap-acceptance", env), env.rules.conflict
    units = np.array([1, 100, 100, 20, 20, 1, 1])

    def seen(ego_m, ego_speed, *oncoming):
        cars = [(1, x, y + ego_m, 0, -ego_speed, 0, -1), *((1, x, y - far, 0, speed, 0, 1) for far, speed in oncoming)]
        observation = np.zeros((1, 15, 7), np.float32)
        observation[0, : len(cars)] = np.array(cars) / units
        return observation

    slower, _, faster = range(3)
    assert driver(seen(20, 9)) == faster
    assert driver(seen(20, 9, (30, 9))) == slower
    assert driver(seen(45, 9, (45, 9))) == slower
    assert driver(seen(20, 9, (90, 9))) == faster
    assert driver(seen(8, 5, (20, 9))) == faster, "too late to stop"
    assert driver(seen(20, 9, (-15, 9))) == faster, "it has passed"

    successes = [evaluate("foveal/LeftTurn-v0", name, episodes=200, seed=0) for name in ("gap-acceptance", "idle")]
    through = [
        float(np.mean((e.per_episode["terminated"] == 1) & (e.per_episode["collision"] == 0))) for e in successes
    ]
    assert through[0] > through[1]


def test_gaps_beside_the_ramp_are_taken_where_nobody_must_brake_hard():
    env = gymnasium.make_vec("foveal/Merge-v0", num_envs=1, ego_start="ramp", observation_see_behind=True)
    driver = make_driver("gap-acceptance", env)

    def seen(speed, *others):
        cars = [(1, 1, 1, speed / 80, 0), *((1, gap / 200, -0.5, (other - speed) / 80, 0) for gap, other in others)]
        observation = np.zeros((1, 5, 5), np.float32)
        observation[0, : len(cars)] = cars
        return observation

    assert driver(seen(20)) == LANE_LEFT
    assert driver(seen(20, (60, 20), (-60, 20))) == LANE_LEFT
    assert driver(seen(20, (12, 15))) == SLOWER, "it would run into the one ahead"
    assert driver(seen(20, (-12, 28))) == FASTER, "the one behind would have to brake hard"

    outcomes = {
        name: evaluate("foveal/Merge-v0", name, episodes=200, seed=0, ego_start="ramp", vehicles_count=8)
        for name in ("gap-acceptance", "idm-mobil")
    }
    crashes = {name: found.per_episode["collision"].mean() for name, found in outcomes.items()}
    assert crashes["gap-acceptance"] < 0.5 * crashes["idm-mobil"]
