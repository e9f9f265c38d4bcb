"""Scenarios that cannot be driven are refused when they are built."""

import pytest

from foveal.envs.driving.highway import Highway
from foveal.envs.driving.scenario import STARTS_TRIED, worlds
from foveal.envs.driving.scenarios.left_turn import LeftTurn
from foveal.envs.driving.scenarios.merge import Merge
from foveal.envs.driving.soundness import check_start_apart
from foveal.envs.driving.spawning import enter_on_lane
from foveal.envs.driving.traffic import IDM


def changed(world, **fields):
    """A world like another, but for some of its scenario's parts."""
    return worlds(world.scenario._replace(**fields), __name__, None)[0]


def torn(p):
    road = Merge.scenario.lay(p)
    road.straight("d", "e", (600, 30), (700, 30))
    return road


def test_a_road_that_begins_elsewhere_is_refused_by_name():
    with pytest.raises(ValueError, match=r"lay: road 'c' to 'd' ends .* m from where road 'd' to 'e' begins"):
        changed(Merge, lay=torn)(1)
    changed(Merge, lay=torn, gaps=True)(1)


def bumper_to_bumper(start, stop, rows, drive, rules):
    for row in rows[start:stop]:
        drive.egos[row, 0] = enter_on_lane(drive, row, drive.ego_kind, 0, 20.0, 20.0)
        enter_on_lane(drive, row, IDM, 0, 20.0 + 5.01 - 0.02 * (drive.seed[row] == 5), 20.0)


def test_vehicles_that_overlap_at_the_start_of_one_episode_are_refused_by_place():
    with pytest.raises(ValueError, match=r"spawn: vehicle 0 at \(20.0, 0.0\) m overlaps vehicle 1 at \(25.0, 0.0\) m"):
        changed(Merge, overlaps=False, spawn=bumper_to_bumper)(1)
    changed(Merge, spawn=bumper_to_bumper)(1)


def test_what_is_tried_leaves_no_trace():
    tried, untried = LeftTurn(3), changed(LeftTurn, overlaps=True)(3)
    for world in (tried, untried):
        world.reset(seed=7)
    for name, array in tried.get_state().items():
        assert (array == untried.get_state()[name]).all(), name


@pytest.mark.parametrize("density", [0.0, 30.0])
def test_the_left_turn_starts_apart_at_any_density(density):
    for seed in range(0, 200, STARTS_TRIED):
        world = LeftTurn(STARTS_TRIED, oncoming_density=density, cross_density=density)
        world.reset(seed=seed)
        state = world.get_state()
        for traffic, count in zip(state["traffic"], state["count"], strict=True):
            check_start_apart(traffic, count, world.capacity)


@pytest.mark.parametrize("world", [Highway, Merge])
def test_a_policy_frequency_that_does_not_divide_is_refused(world):
    with pytest.raises(ValueError, match="policy_frequency=4: must divide simulation_frequency=15"):
        world(1, policy_frequency=4, simulation_frequency=15)
    world(1, policy_frequency=4, simulation_frequency=15, uneven_frequencies=True)
