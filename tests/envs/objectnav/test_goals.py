import math

import numpy as np
import pytest

from foveal.envs.objectnav.expert import END, LOOK_DOWN, LOOK_UP, MOVE_AHEAD, ROTATE_LEFT, ROTATE_RIGHT, TURN
from foveal.envs.objectnav.goals import Goals
from foveal.envs.objectnav.obstacles import HEADINGS, move_ahead
from foveal.envs.objectnav.procedural import houses as procedural
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.visibility import is_found


def replay(goals, house, category, position, heading, actions, tilt=0):
    """Carry out actions; the positions passed, and whether the last one finds."""
    x, y = position
    way = [(x, y)]
    for action in actions[:-1]:
        if action == MOVE_AHEAD:
            x, y, moved = move_ahead(goals.obstacles, house, x, y, heading)
            assert moved
            way.append((x, y))
        heading = (heading + {ROTATE_LEFT: 1, ROTATE_RIGHT: -1}.get(action, 0)) % HEADINGS
        tilt += {LOOK_UP: 1, LOOK_DOWN: -1}.get(action, 0)
    assert actions[-1] == END and abs(tilt) <= 1
    camera = x, y, goals.eye.height, heading * TURN, tilt * TURN, goals.eye.tan_x, goals.eye.tan_y
    return np.array(way), is_found(goals.sights, goals.instances, house, category, *camera)


def goal_houses(build, count, pieces=18):
    """Houses full of boxes, the first two of which are to be found."""
    houses = []
    for seed in range(count):
        house = build.random_house(seed, pieces)
        goals = [thing.__class__(**{**vars(thing), "type": "Goal"}) for thing in house.things[:2]]
        houses.append(house.__class__(house.name, house.rooms, house.walls, (), (*goals, *house.things[2:])))
    return houses


def test_the_expert_finds_it_from_every_start(build):
    goals = Goals(goal_houses(build, 12), ["Goal"])
    rng = np.random.default_rng(0)
    tried = moved = straight = 0
    for house in range(12):
        starts, far = goals.starts(house, 0)
        for k in rng.permutation(len(starts))[:30]:
            heading = int(rng.integers(HEADINGS))
            actions = goals.shortest_actions(house, 0, tuple(starts[k]), heading)
            assert actions is not None
            way, found = replay(goals, house, 0, starts[k], heading, actions)
            assert found
            tried, moved, straight = tried + 1, moved + 0.25 * (len(way) - 1), straight + far[k]
    assert tried > 200 and 0.95 < moved / straight < 1.2


def test_the_expert_finds_every_target_of_real_rooms_and_procedural_houses():
    rooms = ["FloorPlan1", "FloorPlan203", "FloorPlan310", "FloorPlan420", "FloorPlan_Train3_2", "FloorPlan_Val1_3"]
    houses = [*map(thor_rooms.house, rooms), procedural.house(0, rooms=4)]
    types = [
        "Apple",
        "Bed",
        "Bowl",
        "Chair",
        "GarbageCan",
        "HousePlant",
        "Laptop",
        "Mug",
        "Sofa",
        "Television",
        "Toilet",
    ]
    goals = Goals(houses, types)
    rng = np.random.default_rng(0)
    targets = 0
    for house in range(len(houses)):
        for category in range(len(types)):
            starts, _ = goals.starts(house, category)
            for k in rng.permutation(len(starts))[:4]:
                heading, tilt = int(rng.integers(HEADINGS)), int(rng.integers(-1, 2))
                actions = goals.shortest_actions(house, category, tuple(starts[k]), heading, tilt)
                assert actions is not None
                assert replay(goals, house, category, starts[k], heading, actions, tilt)[1]
            targets += len(starts) > 0
    assert targets >= 25


def test_the_expert_takes_the_fewest_actions(build):
    # 2.45 m ahead of a box whose surface must come within 1 m: six moves, no turn; behind it, six turns more.
    goals = Goals([build.two_rooms(build.thing("a", 2, 3.45, 0.6, 0.4, 0.4, 0.5, kind="Goal"))], ["Goal"])
    assert goals.shortest_actions(0, 0, (2.0, 0.8), 0).tolist() == [MOVE_AHEAD] * 6 + [END]
    away = goals.shortest_actions(0, 0, (2.0, 0.8), 6)
    assert len(away) <= 13 and (away == MOVE_AHEAD).sum() >= 6
    assert goals.shortest_actions(0, 0, (2.0, 2.5), 0).tolist() == [END]
    up = goals.shortest_actions(0, 0, (2.0, 2.5), 0, -1)
    assert len(up) <= 2 and up[-1] == END


def test_through_a_door_and_back(build):
    apple = build.thing("a", 6.5, 0.5, 0.8, 0.1, 0.1, 0.1, kind="Apple")
    mug = build.thing("m", 0.5, 3.5, 0.8, 0.1, 0.1, 0.1, kind="Mug")
    goals = Goals([build.two_rooms(apple, mug)], ["Apple", "Mug", "Vase"])
    for category, start in ((0, (0.5, 3.5)), (1, (6.5, 0.5))):
        starts, far = goals.starts(0, category)
        nearest = np.linalg.norm(starts - start, axis=1).argmin()
        assert far[nearest] > 5
        actions = goals.shortest_actions(0, category, tuple(starts[nearest]), 3)
        way, found = replay(goals, 0, category, starts[nearest], 3, actions)
        door = way[(abs(way[:, 0] - 4) < 0.2)]
        assert found and len(door) and ((door[:, 1] > 1.7) & (door[:, 1] < 2.3)).all()
        path = goals.shortest_path(0, category, tuple(starts[nearest]))
        length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        assert length == pytest.approx(far[nearest], rel=0.02) and length <= far[nearest] + 1e-5
    assert len(goals.starts(0, 2)[0]) == 0 and goals.shortest_actions(0, 2, (1.0, 1.0), 0) is None


def test_starts_do_not_succeed_already_and_can(build):
    goals = Goals(goal_houses(build, 6), ["Goal"])
    for house in range(6):
        starts, far = goals.starts(house, 0)
        assert (far > 0).all() and np.isfinite(far).all() and len(starts) == len(far)
        for start in starts[:20]:
            for heading in range(HEADINGS):
                camera = *start, goals.eye.height, heading * TURN, 0.0, goals.eye.tan_x, goals.eye.tan_y
                assert not is_found(goals.sights, goals.instances, house, 0, *camera)


def test_a_thing_in_a_closed_drawer_gives_no_starts(build):
    drawer = build.thing("d", 2, 2, 0, 0.6, 0.5, 0.8, kind="Drawer")
    key = build.thing("k", 2, 2, 0.3, 0.1, 0.1, 0.05, kind="Goal", parent="d")
    goals = Goals([build.two_rooms(drawer, key)], ["Goal"])
    assert len(goals.starts(0, 0)[0]) == 0
    assert goals.shortest_actions(0, 0, (1.0, 1.0), 0) is None


def test_houses_are_independent(build):
    houses = goal_houses(build, 4)
    together = Goals(houses, ["Box", "Goal"])
    for house in range(4):
        alone = Goals([houses[house]], ["Goal"])
        for ours, theirs in zip(together.starts(house, 1), alone.starts(0, 0), strict=True):
            assert np.array_equal(ours, theirs)
        starts = alone.starts(0, 0)[0]
        for start in starts[:5]:
            ours = together.shortest_actions(house, 1, tuple(start), 5)
            assert np.array_equal(ours, alone.shortest_actions(0, 0, tuple(start), 5))
        assert math.isfinite(together.distances(house, 1).min(initial=0.0))


def test_a_heading_that_is_none_is_refused_and_from_outside_nothing_is_found(build):
    goals = Goals(goal_houses(build, 1), ["Goal"])
    with pytest.raises(ValueError, match="heading=12: must be a whole number from 0 to 11"):
        goals.shortest_actions(0, 0, (1.0, 1.0), 12)
    for outside in ((-3.0, 1.0), (1.0, 99.0), (math.nan, 1.0)):
        assert goals.shortest_actions(0, 0, outside, 0) is None
        assert len(goals.shortest_path(0, 0, outside)) == 0
