"""Shared by the tests of the scenarios: their roads, and where their episodes begin, against highway-env's."""

import gymnasium
import numpy as np
import pytest
from scipy import stats

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import translate
from foveal.envs.driving.traffic import CAR_LENGTH

SAMPLED = (tr.X, tr.Y, tr.HEADING, tr.SPEED, tr.TARGET_SPEED, tr.TIMER, tr.EXPONENT, tr.LANE, tr.TARGET_LANE)


@pytest.fixture(scope="session")
def assert_same_road():
    """The lanes of a road have highway-env's names, order, shapes, limits and rights."""

    def assert_same_road(road, env):
        theirs, lanes = env.unwrapped.road.network.lanes_dict(), road.compiled().lanes
        assert road.names() == list(theirs)
        rng = np.random.default_rng(0)
        for number, lane in enumerate(theirs.values()):
            limit = np.inf if lane.speed_limit is None else lane.speed_limit
            given = (lane.length, lane.width, limit, lane.forbidden, lane.priority)
            ours = lanes[number, [ln.LENGTH, ln.WIDTH, ln.SPEED_LIMIT, ln.FORBIDDEN, ln.PRIORITY]]
            np.testing.assert_allclose(ours, given, rtol=1e-14)
            for along in np.linspace(-CAR_LENGTH, lane.length + CAR_LENGTH, 7):
                across = rng.uniform(-3, 3)
                place = lane.position(along, across)
                np.testing.assert_allclose(ln.from_lane(lanes, number, along, across), place, atol=1e-12)
                np.testing.assert_allclose(ln.heading_at(lanes, number, along), lane.heading_at(along), atol=1e-13)
                there = lane.local_coordinates(place)
                np.testing.assert_allclose(ln.to_lane(lanes, number, *place), there, atol=1e-12)

    return assert_same_road


@pytest.fixture(scope="session")
def assert_spawns_alike():
    """Each vehicle's features, and their number, are distributed as highway-env's (Kolmogorov-Smirnov, Holm)."""

    def assert_spawns_alike(env_id, env, episodes=150, **params):
        world = gymnasium.make_vec(env_id, 3000, **params)
        world.reset(seed=10_000)
        ours = world.get_state()
        traffic, theirs, counts = ours["traffic"], [], []
        for seed in range(episodes):
            env.reset(seed=seed)
            theirs.append(np.full(traffic.shape[1:], np.nan))
            translate(env.unwrapped, world, {"traffic": theirs[-1]})
            counts.append(len(env.unwrapped.road.vehicles))
        assert_alike(world, traffic, ours["count"], np.array(theirs), np.array(counts))

    return assert_spawns_alike


def assert_alike(world, traffic, count, theirs, counts):
    ends = np.array([world.road.number(found) for found in last_lanes(world.road)] + [-1])
    p = {"count": stats.ks_2samp(count, counts).pvalue}
    for i in range(counts.min()):
        mine, reference = traffic[count > i, :, i], theirs[:, :, i]
        assert set(mine[:, tr.KIND]) == set(reference[:, tr.KIND])
        assert i == 0 or set(mine[:, tr.CHANGES_LANES]) == set(reference[:, tr.CHANGES_LANES])
        samples = {f: (mine[:, f], reference[:, f]) for f in SAMPLED if (i, f) != (0, tr.TIMER)}
        samples["end"] = [ends[side[:, tr.ROUTE].astype(int)] for side in (mine, reference)]
        for name, (a, b) in samples.items():
            if a.std() < 1e-9 and b.std() < 1e-9:
                np.testing.assert_allclose(a.mean(), b.mean(), atol=1e-9, err_msg=f"vehicle {i}, {name}")
            else:
                p[i, name] = stats.ks_2samp(a, b).pvalue
    worst = min(p, key=p.get)
    assert p[worst] * len(p) > 1e-3, (worst, p[worst])


def last_lanes(road):
    """A lane that ends where each of the planned routes does, for comparison."""
    for _, destination in road._routes:
        yield next(name for name in road.names() if name[1] == destination)
