"""Lanes and roads: geometry against highway-env's lanes, the grid of near lanes, routes, and what is refused."""

import math

import numpy as np
import pytest
from highway_env.road.lane import CircularLane, SineLane, StraightLane
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.navigation import settle
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenarios import exit as exit_scenario
from foveal.envs.driving.scenarios import merge, roundabout
from foveal.envs.driving.scenarios.crossing import lay_crossing

usual = settings(deadline=None, derandomize=True, max_examples=100)
metres = st.floats(-200, 200)
points = st.tuples(metres, metres)


def check(name, road, theirs, place):
    lanes, number = road.compiled().lanes, road.number(name)
    ours = ln.to_lane(lanes, number, *place)
    np.testing.assert_allclose(ours, theirs.local_coordinates(np.array(place)), atol=1e-9)
    np.testing.assert_allclose(ln.heading_at(lanes, number, ours[0]), theirs.heading_at(ours[0]), atol=1e-12)
    np.testing.assert_allclose(ln.from_lane(lanes, number, *ours), theirs.position(*ours), atol=1e-9)
    assert lanes[number, ln.LENGTH] == pytest.approx(theirs.length, abs=1e-12)


@usual
@given(start=points, angle=st.floats(-math.pi, math.pi), length=st.floats(1, 300), place=points)
def test_a_straight_lane_is_highway_envs(start, angle, length, place):
    stop = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
    road = Road()
    check(road.straight("a", "b", start, stop), road, StraightLane(start, stop), place)


@usual
@given(
    start=points, length=st.floats(5, 300), swing=st.tuples(*[st.floats(-3, 3)] * 3), place=points,
    angle=st.floats(-math.pi, math.pi),
)  # fmt: skip
def test_a_sine_lane_is_highway_envs(start, length, swing, place, angle):
    stop = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
    road = Road()
    check(road.sine("a", "b", start, stop, *swing), road, SineLane(start, stop, *swing), place)


@usual
@given(
    centre=points, radius=st.floats(2, 100), begin=st.floats(-3, 3), turn=st.floats(0.05, 3), place=points,
    clockwise=st.booleans(),
)  # fmt: skip
def test_an_arc_is_highway_envs(centre, radius, begin, turn, place, clockwise):
    end = begin + turn if clockwise else begin - turn
    road = Road()
    theirs = CircularLane(centre, radius, begin, end, clockwise)
    check(road.arc("a", "b", centre, radius, begin, end, clockwise=clockwise), road, theirs, place)


@usual
@given(
    corners=st.lists(st.tuples(st.floats(3, 60), st.floats(-1.2, 1.2)), min_size=1, max_size=6),
    along=st.floats(0, 1), across=st.floats(-1, 1),
)  # fmt: skip
def test_a_polyline_gives_back_what_lies_near_it(corners, along, across):
    """Pieces turn by up to 1.2 rad; within a metre of them, but near a corner, local coordinates are those put in."""
    steps = np.cumsum([[length * math.cos(turn), length * math.sin(turn)] for length, turn in corners], axis=0)
    road = Road()
    number = road.number(road.polyline("a", "b", [(0.0, 0.0), *map(tuple, steps.tolist())]))
    lanes = road.compiled().lanes
    ends = np.concatenate([[0.0], np.cumsum([length for length, _ in corners])])
    assert lanes[number, ln.LENGTH] == pytest.approx(ends[-1])
    place = along * ends[-1]
    if np.abs(ends[1:-1] - place).min(initial=np.inf) < 2.0:
        return
    x, y = ln.from_lane(lanes, number, place, across)
    np.testing.assert_allclose(ln.to_lane(lanes, number, x, y), (place, across), atol=1e-9)


ROADS = {
    "merge": merge.lay(merge.MergeParams()),
    "roundabout": roundabout.lay(roundabout.RoundaboutParams()),
    "exit": exit_scenario.lay(exit_scenario.ExitParams()),
    "intersection": lay_crossing(),
}


@pytest.mark.parametrize("name", ROADS)
def test_the_grid_leaves_out_no_lane_that_counts(name):
    """Closest lane, and the lanes a car is on, are those that a search over all lanes finds."""
    network, rng = ROADS[name].compiled(), np.random.default_rng(1)
    count = network.lane_count
    t = tr.allocate(1, 1, len(tr.FEATURES) + len(tr.NETWORK_FEATURES))[0]
    for _ in range(400):
        lane = rng.integers(count)
        along = rng.uniform(-8, network.lanes[lane, ln.LENGTH] + 8)
        x, y = ln.from_lane(network.lanes, lane, along, rng.normal(0, 6))
        heading = rng.uniform(-np.pi, np.pi)
        t[[tr.X, tr.Y, tr.HEADING], 0] = x, y, heading
        found = np.zeros((1, count))
        settle(t, found, network.lanes, network.graph, 0)
        local = [ln.to_lane(network.lanes, other, x, y) for other in range(count)]
        away = [
            ln.distance(network.lanes, other, *local[other])
            + abs(tr.wrap_to_pi(heading - ln.heading_at(network.lanes, other, local[other][0])))
            for other in range(count)
        ]
        assert t[tr.LANE, 0] == np.argmin(away)
        on = [ln.is_on(network.lanes, other, *local[other], tr.NEIGHBOUR_MARGIN) for other in range(count)]
        assert np.array_equal(~np.isnan(found[0]), on)
        np.testing.assert_array_equal(found[0][on], [local[other][0] for other in np.flatnonzero(on)])


def test_routes_are_the_shortest_ones():
    road = ROADS["intersection"]
    number = road.route(("o0", "ir0", 0), "o1")
    assert road.find_route([("o0", "ir0", 0), ("ir0", "il1", None), ("il1", "o1", None)]) == (number, 0)
    assert road.find_route([("il1", "o1", None)])[1] == 2
    lone = Road()
    lane = lone.straight("a", "b", (0, 0), (9, 0))
    with pytest.raises(ValueError, match="no route"):
        lone.route(lane, "z")


@pytest.mark.parametrize(
    ("lay", "message"),
    [
        (lambda road: road.straight("a", "b", (0, 0), (0, 0)), "length 0.0 m"),
        (lambda road: road.straight("a", "b", (0, 0), (9, 0), width=0.1), "width 0.1 m"),
        (lambda road: road.straight("a", "b", (0, 0), (9, 0), speed_limit=-1), "speed_limit -1 m/s"),
        (lambda road: road.straight("a", "b", (0, 0), (9, 0), lines=("dashed", "none")), "must be 'none', 'striped'"),
        (lambda road: road.arc("a", "b", (0, 0), 9, 0, -1), "length -9"),
        (lambda road: road.polyline("a", "b", [(0, 0)]), "at least two points"),
        (lambda road: road.number(("a", "b", 3)), "no lane"),
        (lambda road: road.compiled(), "at least one lane"),
    ],
)
def test_what_makes_no_road_is_refused_by_name(lay, message):
    with pytest.raises(ValueError, match=message):
        lay(Road())


def test_an_unknown_option_of_a_lane_is_named():
    with pytest.raises(TypeError, match="unknown option 'widht' of a lane; did you mean 'width'"):
        Road().straight("a", "b", (0, 0), (9, 0), widht=3)
