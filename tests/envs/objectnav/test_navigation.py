import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from foveal.envs.objectnav.navigation import (
    OFFSETS,
    SPACING_M,
    distances,
    explore,
    measure,
    places,
    refine,
    shortest_path,
)
from foveal.envs.objectnav.obstacles import LOCOBOT, TALL, survey
from foveal.envs.objectnav.scenes import thor_rooms
from foveal.envs.objectnav.scenes.house import House, Opening, Start
from foveal.kernels import launch

DATA = Path(__file__).parents[2] / "data"


def lattices(*houses):
    obstacles = survey(houses)
    coarse = explore(houses, obstacles)
    return obstacles, coarse, refine(houses, obstacles, coarse)


def graph(lattice):
    """The edges of a lattice as SciPy wants them."""
    row, k = np.nonzero(lattice.neighbours >= 0)
    length = lattice.spacing * np.hypot(*OFFSETS[k].T)
    return csr_array((length, (row, lattice.neighbours[row, k])), shape=(len(lattice.positions),) * 2)


def at(obstacles, lattice, field, points, house=0):
    points = np.asarray(points, float).reshape(-1, 2)
    out = np.empty(len(points))
    rows = np.full(len(points), house), field, np.zeros(len(points), np.int64)
    launch(measure, len(points), obstacles, lattice, *rows, points, out)
    return out


def only(lattice, house, goal):
    """Goals: the one position."""
    near = np.linalg.norm(lattice.positions[lattice.of(house)] - goal, axis=1)
    assert near.min() < 1e-6
    return near < 1e-6


def test_reachable_is_what_moves_of_a_quarter_metre_lead_to(build):
    table = build.thing("table", 2, 2, 0, 1, 1, 0.8)
    _, lattice, _ = lattices(build.two_rooms(table, start=Start((1.0, 1.0, 0.0), 0.0)))
    x = lattice.positions[:, 0]
    # A room of 4 × 4 m has 15 × 15 points 0.25 m from the walls; the table takes 5 × 5 and no corner; the other room
    # 11 × 15, and points in the doorway stand at y = 1.75, 2, 2.25.
    assert ((x < 3.9).sum(), (x > 4.1).sum(), (x == 4).sum()) == (200, 165, 3)
    assert np.allclose(lattice.positions / 0.25, np.rint(lattice.positions / 0.25))
    lengths = np.abs(graph(lattice)[:, :]).data
    assert lengths.min() == 0.25


def test_what_a_closed_door_parts_is_not_reachable(build):
    east = Start((5.0, 1.0, 0.0), 0.0)
    for start, low, high in ((east, 4, 7), (None, 0, 4), (Start((9.0, 9.0, 0.0), 0.0), 0, 4)):
        _, lattice, _ = lattices(build.two_rooms(openness=0.0, start=start))
        x = lattice.positions[:, 0]
        assert low < x.min() and x.max() < high


def test_the_largest_part_is_looked_for_indoors(build):
    # Two rooms at the ends of a diagonal: most of the house's bounds is outside, and the door there leads nowhere.
    (small, small_walls), (large, large_walls) = build.room("a", 0, 0, 2, 2), build.room("b", 6, 6, 9, 9)
    door = Opening("d", "door", ("b|W", None), ("b", None), (1, 2), (0, 2))
    _, coarse, fine = lattices(House("corners", (small, large), (*small_walls, *large_walls), (door,), ()))
    for lattice in (coarse, fine):
        assert (lattice.positions > 6).all() and (lattice.positions < 9).all()
    assert len(coarse.positions) == 11 * 11


def test_lattices_pass_through_the_start(build):
    _, coarse, fine = lattices(build.two_rooms(start=Start((1.1, 1.07, 0.0), 0.0)))
    for lattice in (coarse, fine):
        assert np.allclose(np.remainder(lattice.positions - (1.1, 1.07) + 0.01, lattice.spacing), 0.01)


def test_a_fine_lattice_holds_the_reachable_positions(build):
    houses = [build.random_house(seed) for seed in range(20)]
    _, coarse, fine = lattices(*houses)
    for house in range(len(houses)):
        points = coarse.positions[coarse.of(house)]
        found = places(fine, house, points)
        assert (found >= 0).all()
        assert np.allclose(fine.positions[fine.of(house)][found], points)


def test_a_house_where_nobody_can_stand_has_no_positions(build):
    full = build.two_rooms(build.thing("pile", 3.5, 2, 0, 7, 4, 1))
    _, coarse, fine = lattices(full, build.two_rooms())
    assert coarse.starts[1] == fine.starts[1] == 0 and np.isnan(coarse.anchors[0]).all()
    assert len(distances(fine, 0, np.zeros(0, bool))) == 0
    assert len(coarse.positions) > 300


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_are_dijkstras(build, seed):
    obstacles, _, lattice = lattices(build.random_house(seed))
    rng = np.random.default_rng(seed)
    goals = rng.random(len(lattice.positions)) < 0.01
    if not goals.any():
        return
    edges = graph(lattice)
    assert (edges != edges.T).nnz == 0  # whoever can go can come back
    found = distances(lattice, 0, goals)
    theirs = dijkstra(edges, indices=np.nonzero(goals)[0], min_only=True)
    assert np.allclose(found, theirs, atol=1e-6, rtol=1e-6)
    assert np.allclose(at(obstacles, lattice, found, lattice.positions), found, atol=1e-6)  # float32 on the way


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_distances_are_a_metric_and_no_shorter_than_a_straight_line(build, seed):
    _, _, lattice = lattices(build.random_house(seed))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, max(len(lattice.positions), 1), 6)
    if not len(lattice.positions):
        return
    every = np.stack([distances(lattice, 0, only(lattice, 0, lattice.positions[p]))[chosen] for p in chosen])
    straight = np.linalg.norm(lattice.positions[chosen][:, None] - lattice.positions[chosen], axis=2)
    assert np.allclose(every, every.T, atol=1e-5)
    assert (every >= straight - 1e-5).all()
    assert (every[:, None] <= every[:, :, None] + every[None] + 1e-5).all()


def test_around_a_corner_the_way_is_near_the_exact_one(build):
    # A wall-like box from the south wall up to y = 2; the taut string runs to the disc's circle around its corner.
    house = build.two_rooms(build.thing("screen", 2, 1, 0, 1e-6, 2, 2.0))
    obstacles, _, lattice = lattices(house)
    start, goal = np.array([1.0, 0.5]), np.array([3.0, 0.5])
    exact = 2 * taut(start, np.array([2.0, 2.0]), LOCOBOT.radius)
    field = distances(lattice, 0, only(lattice, 0, goal))
    assert exact < at(obstacles, lattice, field, start)[0] < 1.04 * exact
    path = shortest_path(obstacles, lattice, 0, field, 0, tuple(start))
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    assert np.allclose(path[[0, -1]], [start, goal]) and exact < length < 1.04 * exact


def taut(point, corner, radius):
    """Length of the string from a point over a quarter of the circle around a corner to its highest point."""
    away = corner - point
    distance = math.hypot(*away)
    tangent = math.sqrt(distance**2 - radius**2)
    # Angle at the corner between the way to the point and the tangent's foot; the rest up to the top is arc.
    turned = math.acos(radius / distance)
    to_point = math.atan2(-away[1], -away[0]) % (2 * math.pi)
    return tangent + radius * (to_point - turned - math.pi / 2)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_between_positions_a_distance_is_near_that_of_a_much_finer_lattice(build, seed):
    house = build.random_house(seed, pieces=6)
    obstacles, coarse, lattice = lattices(house)
    rng = np.random.default_rng(seed)
    if not len(coarse.positions):
        return
    goal = coarse.positions[rng.integers(len(coarse.positions))]
    field = distances(lattice, 0, only(lattice, 0, goal))
    points = lattice.positions[rng.integers(0, len(lattice.positions), 100)] + rng.uniform(-0.05, 0.05, (100, 2))
    found = at(obstacles, lattice, field, points)
    told = np.isfinite(found)
    straight = np.linalg.norm(points - goal, axis=1)
    assert told.mean() > 0.5 and (found >= straight - 1e-5).all()
    for point, distance in zip(points[told], found[told], strict=True):
        path = shortest_path(obstacles, lattice, 0, field, 0, tuple(point))
        length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        assert np.allclose(path[0], point) and np.allclose(path[-1], goal, atol=1e-6)
        assert length <= distance + 1e-5


def test_a_distance_never_passes_through_a_wall(build):
    obstacles, _, lattice = lattices(build.two_rooms())
    field = distances(lattice, 0, only(lattice, 0, (4.5, 0.5)))
    # Beside the wall, a metre from the goal as the crow flies: the way leads through the door.
    assert at(obstacles, lattice, field, [(3.7, 0.5)])[0] > 2.2
    assert np.isinf(at(obstacles, lattice, field, [(-5, 0), (math.nan, 0)])).all()


def test_what_is_found_does_not_depend_on_the_other_houses(build):
    houses = [build.random_house(seed) for seed in range(4)]
    _, coarse, fine = lattices(*houses)
    for house in range(4):
        _, alone, alone_fine = lattices(houses[house])
        assert np.array_equal(alone.positions, coarse.positions[coarse.of(house)])
        goals = np.arange(len(alone_fine.positions)) % 50 == 0
        assert np.array_equal(distances(alone_fine, 0, goals), distances(fine, house, goals))


def test_goals_of_the_wrong_length_are_refused(build):
    _, _, lattice = lattices(build.two_rooms())
    with pytest.raises(ValueError, match="goals: must be one bool for each of the house's positions"):
        distances(lattice, 0, np.ones(3, bool))


def test_no_goal_is_infinitely_far(build):
    obstacles, _, lattice = lattices(build.two_rooms())
    nowhere = distances(lattice, 0, np.zeros(len(lattice.positions), bool))
    assert np.isinf(nowhere).all()
    assert shortest_path(obstacles, lattice, 0, nowhere, 0, (1.0, 1.0)).shape == (0, 2)


def test_reachable_positions_are_much_like_the_published_ones():
    published = np.load(DATA / "reachable.npz")
    for family, body, least in (("ithor", TALL, 0.8), ("robothor", LOCOBOT, 0.93)):
        names = [name for name in thor_rooms.names(family) if name in published.files]
        houses = [thor_rooms.house(name) for name in names]
        lattice = explore(houses, survey(houses, body))
        overlaps = []
        for number, name in enumerate(names):
            points = np.rint(lattice.positions[lattice.of(number)] / SPACING_M).astype(int)
            ours, theirs = ({tuple(point) for point in grid.tolist()} for grid in (points, published[name]))
            overlaps.append(len(ours & theirs) / len(ours | theirs))
        assert np.median(overlaps) > least, family
