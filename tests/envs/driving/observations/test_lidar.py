"""The Lidar observation against highway-env's own, on traffic drawn at random and on what is special."""

from types import SimpleNamespace

import numpy as np
import pytest
from highway_env.envs.common.observation import LidarObservation
from highway_env.vehicle.kinematics import Vehicle
from highway_env.vehicle.objects import Landmark, Obstacle

from foveal.envs.driving import traffic as tr
from foveal.envs.driving.observations.lidar import Lidar
from foveal.envs.driving.observations.sight import Sight

KINDS = {Vehicle: tr.IDM, Obstacle: tr.OBSTACLE, Landmark: tr.LANDMARK}


def sight_of(vehicles, objects, egos=(0,)):
    """One row with exactly these vehicles and objects, and a column between them where nothing is."""
    things = [*vehicles, None, *objects]
    t = tr.allocate(1, len(things), len(tr.FEATURES))
    for i, thing in enumerate(things):
        if thing is not None:
            t[0, [tr.X, tr.Y], i] = thing.position
            t[0, tr.HEADING, i], t[0, tr.SPEED, i] = thing.heading, thing.speed
            t[0, [tr.COS, tr.SIN], i] = np.cos(thing.heading), np.sin(thing.heading)
            t[0, [tr.LENGTH, tr.WIDTH], i] = thing.LENGTH, thing.WIDTH
            t[0, tr.KIND, i] = KINDS[type(thing)]
    nothing, count = np.zeros(1, np.int64), np.array([len(vehicles)])
    none = np.zeros((0, 0))
    objects_from = len(vehicles) + 1
    return Sight(
        t, count, np.array([egos]), nothing, nothing, nothing, nothing, none, nothing, np.zeros(3), objects_from
    )  # fmt: skip


def theirs(vehicles, objects, observer=0, **settings):
    env = SimpleNamespace(road=SimpleNamespace(vehicles=vehicles, objects=objects), vehicle=vehicles[observer])
    return LidarObservation(env, **settings).observe()


def ours(vehicles, objects, **settings):
    lidar = Lidar(sight_of(vehicles, objects), **settings)
    lidar.observe(np.array([0]))
    assert lidar.space.contains(lidar.array[0])
    return lidar.array[0]


def thing(kind, position, heading=0.0, speed=0.0, size=None):
    made = kind(None, np.array(position, float), heading, speed)
    if size is not None:
        made.LENGTH, made.WIDTH = size
    return made


def drawn(rng):
    """An ego and things around it, some of them on top of it."""
    vehicles = [
        thing(Vehicle, rng.normal(0, 25, 2), rng.uniform(-7, 7), rng.uniform(-10, 40))
        for _ in range(rng.integers(1, 9))
    ]
    objects = [
        thing(rng.choice([Obstacle, Landmark]), rng.normal(0, 20, 2), rng.uniform(-4, 4), 0.0, rng.uniform(0.5, 40, 2))
        for _ in range(rng.integers(5))
    ]
    return vehicles, objects


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cells": 64, "maximum_range": 150.0},
        {"cells": 5, "maximum_range": 20.0, "normalize": False},
        {"cells": 1},
        {"cells": 2, "normalize": False},
    ],
)
def test_equals_highway_envs(settings):
    rng = np.random.default_rng(len(str(settings)))
    for _ in range(200):
        vehicles, objects = drawn(rng)
        np.testing.assert_allclose(
            ours(vehicles, objects, **settings), theirs(vehicles, objects, **settings), atol=1e-6
        )


def test_equals_highway_envs_along_the_axes():
    """Cars on lanes: beams are parallel to their sides, and corners lie at equal angles."""
    for heading in (0.0, np.pi / 2, np.pi):
        for x, y in ((20, 0), (-20, 0), (0, 12), (0, -12), (30, 4), (-30, -4), (7, 4), (3, 0)):
            pair = [thing(Vehicle, (100, 4), 0.0, 25.0), thing(Vehicle, (100 + x, 4 + y), heading, 20.0)]
            np.testing.assert_allclose(ours(pair, []), theirs(pair, []), atol=1e-6, err_msg=f"{x, y, heading}")


def test_a_beam_tells_distance_and_closing_speed():
    pair = [thing(Vehicle, (0, 0), 0.0, 25.0), thing(Vehicle, (32.5, 0), 0.0, 20.0)]
    beams = ours(pair, [], normalize=False)
    assert beams[0].tolist() == [30.0, -5.0]
    assert (beams[2:15] == 60).all()  # nothing there: the range in both columns, as in highway-env
    np.testing.assert_allclose(ours(pair, []), beams / 60, rtol=1e-6)


def test_landmarks_are_not_seen():
    ego, place = thing(Vehicle, (0, 0)), (10, 0)
    assert (ours([ego], [thing(Landmark, place)]) == 1).all()
    assert ours([ego], [thing(Obstacle, place)])[0, 0] == pytest.approx(9 / 60)


def test_what_an_ego_stands_in_begins_behind_it():
    wall = thing(Obstacle, (0, 0), 0.0, 0.0, (70.0, 1.0))
    beams = ours([thing(Vehicle, (30, 0))], [wall], normalize=False)
    assert beams[0, 0] == pytest.approx(-65.0)


def test_each_ego_sees_for_itself():
    rng = np.random.default_rng(3)
    vehicles, objects = drawn(rng)
    vehicles += drawn(rng)[0]
    lidar = Lidar(sight_of(vehicles, objects, (0, 1)), cells=8)
    lidar.observe(np.array([0]))
    assert lidar.array.shape == (1, 2, 8, 2) and lidar.space.shape == (2, 8, 2)
    for ego in range(2):
        np.testing.assert_allclose(lidar.array[0, ego], theirs(vehicles, objects, ego, cells=8), atol=1e-6)
