"""The right of way against highway-env's ``RegulatedRoad``, on states of all sorts."""

import numpy as np
import pytest
from highway_env.envs.intersection_env import ContinuousIntersectionEnv, IntersectionEnv
from highway_env.road.regulation import RegulatedRoad

from foveal.envs.driving import regulation
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import from_highway_env
from foveal.envs.driving.parity_cases import coefficients_kept

EGOS = {
    "follows its route": (IntersectionEnv, {}),
    "steered": (ContinuousIntersectionEnv, {"dynamical": False}),
    "slipping": (ContinuousIntersectionEnv, {}),
}


def instance(kind, action, seed):
    """A junction with vehicles wherever they may get to: off their lanes, standing, too fast, crashed, about to."""
    config = kind.default_config()
    env = kind(config={"initial_vehicle_count": 16, "action": {**config["action"], **action}})
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for v in env.road.vehicles:
        v.position = v.position + rng.normal(0, 6, 2) * (rng.random() < 0.5)
        v.heading += rng.normal(0, 0.6) * (rng.random() < 0.5)
        v.speed *= rng.choice([1.0, 1.0, 0.0, -0.5, 6.0])
        v.crashed = bool(rng.random() < 0.1)
        v.impact = rng.normal(0, 1, 2) if rng.random() < 0.2 else None
        v.on_state_update()
        if getattr(v, "route", None) and rng.random() < 0.3:
            v.route.pop(0)
    ego = env.vehicle
    ego.action = {"steering": rng.uniform(-1, 1), "acceleration": rng.uniform(-5, 5)}
    if hasattr(ego, "lateral_speed"):
        ego.speed, ego.lateral_speed, ego.yaw_rate = rng.uniform(6, 12), rng.normal(), rng.normal()
    return env


@pytest.fixture(autouse=True)
def _coefficients():
    with coefficients_kept():
        yield


@pytest.mark.parametrize("ego", EGOS)
def test_the_same_vehicles_yield(ego):
    yielded = conflicts = 0
    for seed in range(10):
        env = instance(*EGOS[ego], seed)
        world = from_highway_env(env)
        drive, vehicles, times = world._drive, env.road.vehicles, np.arange(0.25, 3, 0.25)
        for _ in range(2):  # the second time, those who yielded may go on
            t, predicted, count = drive.traffic[0], drive.predicted[0], drive.vehicles[0]
            before = t.copy()
            for i, vehicle in enumerate(vehicles):
                places, headings = vehicle.predict_trajectory_constant_speed(times)
                regulation.predict(t, drive.lanes, drive.graph, i, predicted[i])
                np.testing.assert_allclose(predicted[i, :, :2], places, atol=1e-9)
                np.testing.assert_allclose(predicted[i, :, 2:].T, [np.cos(headings), np.sin(headings)], atol=1e-9)
            np.testing.assert_array_equal(t, before)
            for i in range(count):
                for j in range(i + 1, count):
                    if np.linalg.norm((predicted[i] - predicted[j])[:, :2], axis=1).min() > 12:
                        continue  # theirs takes long
                    theirs = bool(RegulatedRoad.is_conflict_possible(vehicles[i], vehicles[j]))
                    assert regulation.conflict(predicted[i], predicted[j]) == theirs, (seed, i, j)
                    first = RegulatedRoad.respect_priorities(vehicles[i], vehicles[j]) is vehicles[i]
                    assert regulation.who_yields(t, drive.lanes, i, j) == (i if first else j)
                    conflicts += theirs
            env.road.enforce_road_rules()
            regulation.regulate(t, drive.lanes, drive.graph, count, predicted)
            flags = [bool(getattr(v, "is_yielding", False)) for v in vehicles]
            assert t[tr.YIELDING, :count].astype(bool).tolist() == flags
            assert t[tr.TARGET_SPEED, :count].tolist() == [getattr(v, "target_speed", 0.0) for v in vehicles]
            yielded += sum(flags)
    assert yielded > 5 and conflicts > 8


def test_rectangles_between_the_axes_are_looked_at_as_a_mirror_image():
    """The reference's own way: of two cars 3 m apart at 45 degrees it says that they touch, of two at 0 degrees not."""
    from highway_env.utils import rotated_rectangles_intersect

    def both(x, y, heading):
        mine, theirs = np.array([0.0, 0.0, 1.0, 0.0]), np.array([x, y, np.cos(heading), np.sin(heading)])
        mine[2:] = theirs[2:]
        ours = regulation.reaches_into(mine, theirs) or regulation.reaches_into(theirs, mine)
        return ours, rotated_rectangles_intersect(((0.0, 0.0), 7.5, 1.8, heading), ((x, y), 7.5, 1.8, heading))

    beside = np.array([-np.sin(np.pi / 4), np.cos(np.pi / 4)]) * 3.0
    assert both(*beside, np.pi / 4) == (True, True)
    assert both(0.0, 3.0, 0.0) == (False, False)
