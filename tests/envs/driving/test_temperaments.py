"""Kinds of other drivers: coefficients and distributions against highway-env's, shares, and translation."""

from typing import Any

import numpy as np
import pytest
from highway_env.envs.highway_env import HighwayEnvFast
from highway_env.envs.merge_env import MergeEnv
from highway_env.vehicle import behavior
from scipy import stats

from foveal.envs.driving import comparison, parity, traffic
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.interop import from_highway_env, params_of
from foveal.envs.driving.scenarios.merge import Merge
from foveal.envs.driving.temperaments import DRIVERS, pick, shares

CLASSES = ("IDMVehicle", "LinearVehicle", "AggressiveVehicle", "DefensiveVehicle")
GAINS = [traffic.LINEAR_SPEED, traffic.LINEAR_CLOSING, traffic.LINEAR_GAP]
STEERING = [traffic.LINEAR_HEADING, traffic.LINEAR_LATERAL]


def only(k: int) -> tuple[float, ...]:
    return tuple(float(k == other) for other in range(4))


def other_type(name: str) -> dict[str, str]:
    return {"other_vehicles_type": f"highway_env.vehicle.behavior.{name}"}


@pytest.mark.parametrize("k", range(1, 4))
def test_coefficients_are_those_of_the_class(k: int) -> None:
    world, theirs = Merge(3, traffic=only(k)), getattr(behavior, CLASSES[k])
    world.reset(seed=0)
    t = world.get_state()["traffic"][:, :, 1:5]
    assert (t[:, traffic.KIND] == traffic.LINEAR).all()
    names = {
        traffic.TIME_GAP: "TIME_WANTED",
        traffic.MIN_GAIN: "LANE_CHANGE_MIN_ACC_GAIN",
        traffic.JAM_DISTANCE: "DISTANCE_WANTED",
        traffic.MAX_ACCELERATION: "ACC_MAX",
    }
    for feature, name in names.items():
        np.testing.assert_allclose(t[:, feature], getattr(theirs, name))
    np.testing.assert_allclose(t[0][GAINS, 0], theirs.ACCELERATION_PARAMETERS)
    np.testing.assert_allclose(t[0][STEERING, 0], theirs.STEERING_PARAMETERS)


@pytest.mark.parametrize("k", range(1, 4))
def test_gains_on_the_highway_are_drawn_as_highway_env_does(k: int) -> None:
    """Of aggressive and defensive drivers too, from the linear one's range."""
    world = Highway(400, traffic=only(k), vehicles_count=20)
    world.reset(seed=3)
    features = [*GAINS, *STEERING, traffic.EXPONENT]
    ours = world.get_state()["traffic"][:, features, 1:].transpose(1, 0, 2).reshape(len(features), -1)
    env, rows = HighwayEnvFast(config=other_type(CLASSES[k])), []
    for seed in range(60):
        env.reset(seed=seed)
        rows += [[*v.ACCELERATION_PARAMETERS, *v.STEERING_PARAMETERS, v.DELTA] for v in env.road.vehicles[1:]]
    for mine, theirs in zip(ours, np.array(rows).T, strict=True):
        assert stats.ks_2samp(mine, theirs).pvalue > 1e-3 / len(features)
    assert np.abs(np.corrcoef(ours) - np.eye(len(features))).max() < 0.05


@pytest.mark.parametrize("kind", [Highway, Merge])
def test_shares_are_kept_and_each_vehicle_is_drawn_apart(kind: type[Any]) -> None:
    world = kind(500, traffic=(2.0 / 4, 1.0 / 4, 1.0 / 4, 0.0))
    world.reset(seed=0)
    t = world.get_state()["traffic"]
    t = t[:, :, 1 : 5 if kind is Merge else None]
    linear = t[:, traffic.KIND] == traffic.LINEAR
    cautious = linear & (t[:, traffic.MIN_GAIN] == 1.0)
    assert (t[:, traffic.TIME_GAP][linear] == 2.5).all() and (t[:, traffic.TIME_GAP][~linear] == 1.5).all()
    for found, share in ((linear, 0.5), (cautious, 0.25)):
        assert abs(found.mean() - share) < 4 * np.sqrt(share * (1 - share) / found.size)
    assert abs(np.corrcoef(linear[:, 0], linear[:, 1])[0, 1]) < 0.2
    assert (world.get_state()["traffic"][:, traffic.KIND, 0] == traffic.EGO).all()


def test_a_new_episode_draws_anew_whatever_was_before() -> None:
    world = Highway(50, traffic=(0.5, 0.0, 0.0, 0.5), vehicles_count=10)
    world.reset(seed=0)
    first = world.get_state()["traffic"]
    world.reset()
    assert (world.get_state()["traffic"][:, traffic.KIND] != first[:, traffic.KIND]).any()
    world.reset(seed=0)
    np.testing.assert_array_equal(world.get_state()["traffic"][:, traffic.MIN_GAIN], first[:, traffic.MIN_GAIN])
    np.testing.assert_array_equal(world.get_state()["traffic"][:, traffic.KIND], first[:, traffic.KIND])


def test_idm_alone_draws_nothing_more() -> None:
    plain, named = Merge(5), Merge(5, traffic=(1, 0, 0, 0))
    for world in (plain, named):
        world.reset(seed=0)
    assert (plain.get_state()["draws"] == named.get_state()["draws"]).all()
    np.testing.assert_array_equal(plain.get_state()["traffic"], named.get_state()["traffic"])
    assert Highway(1).get_state()["traffic"].shape[1] == len(traffic.FEATURES)


def test_pick_goes_by_the_shares() -> None:
    assert shares((2.0, 1.0, 0.0, 1.0)) == (0.5, 0.75, 0.75)
    found = [DRIVERS[pick(shares((2.0, 1.0, 0.0, 1.0)), number)] for number in (0.0, 0.49, 0.5, 0.74, 0.75, 0.999)]
    assert found == ["idm", "idm", "linear", "linear", "defensive", "defensive"]


@pytest.mark.parametrize("traffic_shares", [(0, 0, 0, 0), (1.5, 0, 0, 0), (1, 0, 0), (-1, 1, 1, 1)])
@pytest.mark.parametrize("kind", [Highway, Merge])
def test_shares_that_are_none_are_refused(kind: type[Any], traffic_shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"^traffic="):
        kind(1, traffic=traffic_shares)


@pytest.mark.parametrize("kind", [HighwayEnvFast, MergeEnv])
@pytest.mark.parametrize("k", range(4))
def test_the_class_of_others_is_translated(kind: type[Any], k: int) -> None:
    assert params_of(kind(config=other_type(CLASSES[k])))["traffic"] == only(k)


def test_another_class_is_named() -> None:
    for path in ("highway_env.vehicle.kinematics.Vehicle", "behavior.IDMVehicle"):
        env = HighwayEnvFast()
        env.config["other_vehicles_type"] = path
        with pytest.raises(ValueError, match="other_vehicles_type"):
            params_of(env)


@pytest.mark.parametrize("env_id", ["merge-v1", "highway-fast-v0"])
def test_linear_drivers_drive_as_highway_env_s(env_id: str) -> None:
    for case in (case for case in parity.CASES if case.name.endswith(" drivers")):
        _, found = parity.run(parity.Episode(case, env_id, 100, "calm"))
        assert found.agrees or found.undetermined, (case.name, found)


def test_skidding_linear_drivers_do_too() -> None:
    """Beside lanes, at any heading and at low speeds, with coefficients of their own."""
    env = HighwayEnvFast(config=other_type("LinearVehicle"))
    for seed in range(8):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for v in env.road.vehicles:
            v.heading, v.speed = rng.normal(0, 0.4), v.speed * rng.uniform(0.0, 1.5)
            v.position[1] += rng.uniform(-2, 2)
            v.POLITENESS = rng.choice([0.0, 0.5])
            v.on_state_update()
        found = comparison.compare(env, rng.integers(0, 5, 8), beyond=3)
        assert found.agrees, (seed, found)


def test_a_linear_vehicle_among_idm_ones_needs_a_world_that_has_them() -> None:
    env = HighwayEnvFast()
    env.reset(seed=0)
    env.road.vehicles[3] = behavior.LinearVehicle.create_from(env.road.vehicles[3])
    with pytest.raises(ValueError, match="linear vehicle"):
        from_highway_env(env)
