"""The OccupancyGrid against highway-env's, with the ego and others put anywhere on the racetracks."""

import numpy as np
import pytest
from highway_env.envs.racetrack_env import RacetrackEnv, RacetrackEnvLarge, RacetrackEnvOval
from highway_env.road.lane import SineLane
from highway_env.road.road import Road, RoadNetwork
from highway_env.vehicle.kinematics import Vehicle

from foveal.envs.driving import roads
from foveal.envs.driving.interop import from_highway_env
from foveal.envs.driving.observations import occupancy_grid
from foveal.envs.driving.scenarios.racetrack import Racetrack

EVERY = ["presence", "x", "y", "vx", "vy", "heading", "cos_h", "sin_h", "cos_d", "long_off", "lat_off", "on_road"]
GRIDS = {
    "default of the racetrack": {},
    "default of the grid": {"observation": {"type": "OccupancyGrid"}},
    "steps that divide the reach": {
        "observation": {"type": "OccupancyGrid", "grid_size": [[-25, 25], [-25, 25]], "grid_step": [5, 5]}
    },
    "wide, aligned, every feature, not clipped": {
        "observation": {
            "type": "OccupancyGrid", "features": EVERY, "clip": False, "align_to_vehicle_axes": True,
            "grid_size": [[-20, 90], [-40, 35]], "grid_step": [4, 2.5],
            "features_range": {"vx": [-9, 9], "vy": [-7, 7]},
        }
    },
    "image": {"observation": {"type": "OccupancyGrid", "features": EVERY, "as_image": True, "grid_step": [2, 2]}},
    "the ego outside": {
        "observation": {"type": "OccupancyGrid", "grid_size": [[10, 40], [-50, -8]], "grid_step": [3, 7]}
    },
}  # fmt: skip


def strewn(env, rng):
    """Put the vehicles of an instance anywhere, some close together.

    On the middle of a lane and along it a point may lie on the border of two cells, where rounding decides; so that is
    done only on lanes along x, on which all is exact.
    """
    lanes = env.road.network.lanes_list()
    for k, vehicle in enumerate(env.road.vehicles):
        lane = lanes[rng.integers(len(lanes))]
        exact = rng.random() < 0.5 and getattr(lane, "heading", None) == 0
        along, across = rng.uniform(-30, lane.length + 30), 0.0 if exact else rng.normal(0, 8)
        vehicle.position = lane.position(along, across)
        if k % 2:
            vehicle.position = env.road.vehicles[k - 1].position + rng.normal(0, 4, 2)
        vehicle.heading = 0.0 if exact else lane.heading_at(along) + rng.uniform(-4, 4)
        vehicle.speed = rng.uniform(-10, 30)
        vehicle.on_state_update()


@pytest.mark.parametrize("kind", [RacetrackEnv, RacetrackEnvLarge, RacetrackEnvOval])
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_equals_highway_envs(kind, name):
    rng, envs, expected = np.random.default_rng(5), [], []
    for seed in range(12):
        env = kind(config={"other_vehicles": 8, **GRIDS[name]})
        env.reset(seed=seed)
        strewn(env, rng)
        envs.append(env)
        expected.append(env.observation_type.observe())
    world = from_highway_env(envs)
    ours = world._observations
    assert ours.dtype == expected[0].dtype and ours.shape[1:] == expected[0].shape
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)
    assert np.count_nonzero(ours[:, -1]) > 50


def test_of_several_in_a_cell_the_first_in_the_list_is_seen():
    world = Racetrack(
        1, other_vehicles=3, observation_features=("presence", "vx"), observation_align_to_vehicle_axes=False
    )
    world.reset(seed=0)
    state = world.get_state()
    while state["count"][0] < 3:
        world.reset()
        state = world.get_state()
    t = state["traffic"][0]
    t[0, 1:3], t[1, 1:3] = t[0, 0] + 8, t[1, 0] + 2
    t[3, :3], t[2, :3] = (0.0, 40.0, -40.0), 0.0
    world.set_state(state)
    cells = world._observations[0]
    assert cells[0].sum() == state["count"][0] - 1 and cells[0, 8, 6] == 1
    assert cells[1, 8, 6] == 0.5 and cells[1, 6, 6] == 0


class _Scene:
    def __init__(self, road):
        self.road, self.vehicle = road, road.vehicles[0]


@pytest.mark.parametrize("aligned", [False, True])
def test_the_road_layer_on_a_swinging_lane(aligned):
    """Ahead, beside and far from a sine lane, which bounds distances otherwise than a straight one."""
    from highway_env.envs.common.observation import OccupancyGridObservation

    ours, theirs = roads.Road(), RoadNetwork()
    ours.sine("a", "b", (10.0, 5.0), (200.0, 60.0), 6.0, 0.2, 0.4)
    theirs.add_lane("a", "b", SineLane([10.0, 5.0], [200.0, 60.0], 6.0, 0.2, 0.4))
    lanes, rng = ours.compiled().lanes, np.random.default_rng(1)
    world = Racetrack(1)  # for its arrays
    world.reset(seed=0)
    t = world.get_state()["traffic"][0]
    size = [[-15, 15], [-15, 15]]
    seen = occupancy_grid.OccupancyGrid(
        world._sight, 1, features=("on_road",), size=(-15, 15, -15, 15), step=(1, 2), aligned=aligned
    )
    marked = 0
    for _ in range(300):
        road = Road(theirs)
        x, y, heading = rng.uniform(-20, 230), rng.uniform(-40, 90), rng.uniform(-4, 4)
        road.vehicles.append(Vehicle(road, [x, y], heading, 5.0))
        reference = OccupancyGridObservation(
            _Scene(road), features=["on_road"], grid_size=size, grid_step=[1, 2], align_to_vehicle_axes=aligned
        ).observe()
        t[0, 0], t[1, 0] = x, y
        t[occupancy_grid.COS, 0], t[occupancy_grid.SIN, 0] = np.cos(heading), np.sin(heading)
        cells = np.zeros(seen.array.shape[-2:], np.float32)
        occupancy_grid.pave(t, lanes, 0, seen._grid, cells)
        np.testing.assert_array_equal(cells, reference[0])
        marked += np.count_nonzero(cells)
    assert marked > 500
