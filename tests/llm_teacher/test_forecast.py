import numpy as np
import pytest

from foveal.envs.driving import traffic as tr
from foveal.llm_teacher.forecast import Junction, Road, drive

PLANS = (
    ("IDLE", "IDLE", "IDLE", "IDLE"),
    ("FASTER", "IDLE", "SLOWER", "SLOWER"),
    ("SLOWER", "FASTER", "FASTER", "IDLE"),
)


@pytest.mark.parametrize(("name", "within"), [("highway", 1.5), ("left turn", 1.0)])
@pytest.mark.parametrize("plan", PLANS)
def test_the_ego_gets_as_far_as_the_forecast_says(world_of, name, within, plan):
    """The world's substeps of 1/15 s lag behind the exact solution by some tenths of a metre."""
    empty = {"vehicles_count": 0} if name == "highway" else {"oncoming_density": 0.0}
    world = world_of(name, rows=1, **empty)
    _, infos = world.reset(seed=2)
    speeds = np.array(world.params.action_target_speeds, np.float32)
    driven = drive(np.array([plan]), infos["speed"].astype(np.float32), speeds, substeps=4)
    far = 0.0
    for second, action in enumerate(plan, 1):
        start = world.describe([0])[0].position[0]
        world.step(np.array([world.action_names.index(action)]))
        far += np.linalg.norm(world.describe([0])[0].position[0] - start)
        assert abs(driven[0, 0, 4 * second - 1] - far) < within


def test_plans_do_not_lead_off_the_road_and_all_begin_somehow(world_of):
    world = world_of("highway", rows=30, lanes_count=2)
    _, infos = world.reset(seed=0)
    road = Road(world)
    values = road.values(world, infos)
    assert np.isfinite(values).any(1).all()
    lanes = np.array([scene.lane[scene.ego] for scene in world.describe(range(30))])
    left = (road.shift.min(1) == -1) & (road.shift.max(1) == 0)
    assert (np.isneginf(values[:, left]) == (lanes == 0)[:, None]).all()
    assert set(road.first) == set(range(5))


def test_nearer_is_worth_less(world_of):
    """The car ahead at one distance after the other: the nearer it is, the less it is worth to stay on the lane."""
    world = world_of("highway", rows=1, lanes_count=1, vehicles_count=1)
    _, infos = world.reset(seed=0)
    road, worth = Road(world), []
    stay = [tuple(plan) for plan in road.plans].index(("IDLE",) * 5)
    for gap in (200.0, 40.0, 20.0, 8.0):
        state = world.get_state()
        state["traffic"][0, tr.X, 1] = state["traffic"][0, tr.X, 0] + gap
        world.set_state(state)
        worth.append(road.values(world, infos)[0, stay])
    assert worth[0] >= worth[1] > worth[2] > worth[3]


def test_a_stop_is_always_among_the_plans_before_a_junction(world_of):
    world = world_of("left turn", rows=40, oncoming_density=30.0)
    _, infos = world.reset(seed=0)
    junction = Junction(world)
    values = junction.values(world, infos)
    assert values.max() <= 0
    assert (values.max(1) > -1000).all()  # a plan without a clash


def test_what_cannot_be_seen_in_a_row_is_nan(world_of):
    world = world_of("left turn", rows=6)
    world.reset(seed=0)
    x = world.vehicle_features((tr.X,))[:, 0]
    for row, scene in enumerate(world.describe(range(6))):
        assert np.sort(x[row][np.isfinite(x[row])]).tolist() == np.sort(scene.position[:, 0]).tolist()
        assert x[row, world.ego_columns()[row]] == scene.position[scene.ego, 0]
