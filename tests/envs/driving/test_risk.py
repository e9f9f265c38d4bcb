"""Risk: measures against closed forms and a finely stepped world, the slots, the key, and infos that keep promises."""

import itertools
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.envs.driving import risk, surrogates, traffic
from foveal.envs.driving.collisions import corners
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.navigation import settle
from foveal.envs.driving.observations.sight import Sight
from foveal.envs.driving.paths import conflict_points
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenarios.merge import Merge
from foveal.envs.driving.surrogates import FAR, MAX_DRAC, NEVER
from foveal.envs.scene import MEASURES, SLOTS

usual = settings(deadline=None, derandomize=True, max_examples=200)
SPEEDS = np.array([20.0, 25.0, 30.0])


def cars(*places: tuple[float, float, float, float]) -> np.ndarray:
    """One row's traffic (K, V) of cars (x, y, heading, speed)."""
    t = traffic.allocate(1, len(places), len(traffic.FEATURES) + len(traffic.NETWORK_FEATURES))[0]
    t[[traffic.X, traffic.Y, traffic.HEADING, traffic.SPEED]] = np.array(places).T
    t[traffic.COS], t[traffic.SIN] = np.cos(t[traffic.HEADING]), np.sin(t[traffic.HEADING])
    t[traffic.ROUTE] = -1
    return t


def risk_of(road: Road, *places: tuple[float, float, float, float], **features: list[float]) -> risk.Risk:
    """The risk of the first of these cars on a road."""
    network, t = road.compiled(), cars(*places)
    for name, values in features.items():
        t[(*traffic.FEATURES, *traffic.NETWORK_FEATURES).index(name)] = values
    along = np.full((len(places), network.lane_count), np.nan)
    for i in range(len(places)):
        settle(t, along, network.lanes, network.graph, i)
    zero = np.zeros(1, np.int64)
    sight = Sight(
        t[None],
        zero + len(places),
        zero[:, None],
        zero,
        zero,
        zero,
        zero,
        network.lanes,
        network.graph,
        SPEEDS,
        len(places),
    )
    measured = risk.Risk(sight, network.lane_count, len(places), None)
    measured.measure(np.arange(1))
    return measured


def straight(lanes: int = 3) -> Road:
    road = Road()
    road.parallel("a", "b", lanes, (0.0, 0.0), (500.0, 0.0), speed_limit=30.0)
    return road


def crossing() -> Road:
    """Two lanes that cross at right angles at (100, 0): 100 m along the first, 60 m along the second."""
    road = Road()
    road.straight("a", "b", (0.0, 0.0), (200.0, 0.0), speed_limit=20.0)
    road.straight("c", "d", (100.0, -60.0), (100.0, 90.0), speed_limit=20.0)
    return road


# Formulas


def test_two_cars_on_a_line() -> None:
    """Bumper to bumper 35 m, 10 m/s nearer each second, the follower at 30 m/s."""
    found = risk_of(straight(), (100.0, 4.0, 0.0, 30.0), (140.0, 4.0, 0.0, 20.0)).info()["row"][0]
    expected = {
        "time_to_collision": 3.5,
        "time_to_collision_2d": 3.5,
        "time_headway": 40 / 30,
        "deceleration_to_avoid": 100 / 70,
        "distance": 35.0,
        "conflict_difference": NEVER,
    }
    assert {name: found[MEASURES.index(name)] for name in expected} == pytest.approx(expected)


def test_the_deceleration_to_avoid_just_avoids() -> None:
    gap, closing = 35.0, 10.0
    braking = surrogates.deceleration_to_avoid(gap, closing)
    assert closing - braking * (closing / braking) == 0
    assert closing * closing / (2 * braking) == pytest.approx(gap)
    assert surrogates.deceleration_to_avoid(gap, -1.0) == 0
    assert surrogates.deceleration_to_avoid(0.0, 1.0) == MAX_DRAC


def test_degenerate_measures_are_finite() -> None:
    assert surrogates.time_to_collision(10.0, 0.0) == surrogates.time_to_collision(10.0, -5.0) == NEVER
    assert surrogates.time_to_collision(10.0, 1e-300) == NEVER
    assert surrogates.time_to_collision(0.0, -5.0) == 0
    assert surrogates.time_headway(10.0, 0.0) == surrogates.time_headway(10.0, -3.0) == NEVER
    assert surrogates.time_to_point(10.0, 0.0, 3.0, 20.0) == NEVER
    assert surrogates.time_to_point(-1.0, 5.0, 3.0, 20.0) == 0


def test_time_to_a_point_in_closed_form() -> None:
    point = surrogates.time_to_point
    assert point(60.0, 12.0, 0.0, 20.0) == 5
    assert point(42.0, 10.0, 2.0, 99.0) == pytest.approx((math.sqrt(100 + 4 * 42) - 10) / 2)
    assert point(100.0, 10.0, 2.0, 20.0) == pytest.approx(5 + 25 / 20)  # 75 m up to the cap, 25 m at it
    assert point(100.0, 30.0, 2.0, 20.0) == pytest.approx(100 / 30)  # beyond the cap already
    assert point(24.0, 10.0, -2.0, 20.0) == pytest.approx((10 - math.sqrt(100 - 96)) / 2)
    assert point(25.1, 10.0, -2.0, 20.0) == NEVER  # it stops after 25 m


@usual
@given(st.floats(0.5, 150), st.floats(0.1, 30), st.floats(-6, 6), st.floats(1, 40))
def test_time_to_a_point_is_that_of_fine_steps(distance: float, speed: float, acceleration: float, cap: float) -> None:
    expected = surrogates.time_to_point(distance, speed, acceleration, cap)
    dt, travelled, v, time = 1e-3, 0.0, speed, 0.0
    while travelled < distance and v > 0 and time < 60:
        faster = v + acceleration * dt
        after = min(faster, cap) if acceleration > 0 and v < cap else v if acceleration > 0 else faster
        travelled, v, time = travelled + (v + after) / 2 * dt, after, time + dt
    if travelled >= distance:
        slack = 3 * dt + (1e-5 / max(v, 1e-3) if acceleration < 0 else 0)  # slow at the point: the sum's error counts
        assert abs(time - expected) <= slack + abs(acceleration) * dt
    else:
        assert expected > 59 or distance - travelled < 0.05


PLACES = st.tuples(st.floats(-40, 40), st.floats(-15, 15), st.floats(-4, 4), st.floats(-10, 35))


@usual
@given(PLACES, PLACES, st.floats(2, 12), st.floats(0.5, 3))
def test_rectangles_meet_when_fine_steps_say_so(a: Any, b: Any, length: float, width: float) -> None:
    """The first overlap found by steps of 1 ms is within a step of the closed form."""
    t = cars(a, b)
    t[traffic.LENGTH, 1], t[traffic.WIDTH, 1] = length, width
    expected, dt, horizon = surrogates.rectangles_meet(t, 0, 1), 1e-3, 4000
    velocity = t[traffic.SPEED] * np.stack([t[traffic.COS], t[traffic.SIN]])
    start, first = t[[traffic.X, traffic.Y]].copy(), None
    for step in range(horizon):
        t[[traffic.X, traffic.Y]] = start + velocity * (step * dt)
        if surrogates.overlap(t, 0, 1):
            first = step * dt
            break
    if first is not None:
        assert first - dt - 1e-9 <= expected <= first + 1e-9
    elif expected < horizon * dt - dt:  # a graze between two steps
        t[[traffic.X, traffic.Y]] = start + velocity * expected
        assert surrogates.rectangle_distance(t, 0, 1) < 1e-6


@usual
@given(PLACES, PLACES)
def test_the_distance_of_rectangles_is_that_of_their_outlines(a: Any, b: Any) -> None:
    t = cars(a, b)
    found, apart = surrogates.rectangle_distance(t, 0, 1), surrogates.rectangle_distance(t, 1, 0)
    outlines = []
    for i in range(2):
        points = np.array(corners(t, i))
        share = np.linspace(0, 1, 200)[:, None, None]
        outlines.append((points + share * (np.roll(points, -1, axis=0) - points)).reshape(-1, 2))
    nearest = np.sqrt(((outlines[0][:, None] - outlines[1][None]) ** 2).sum(-1).min())
    assert found == pytest.approx(apart, abs=1e-9)
    assert (found == 0 and surrogates.overlap(t, 0, 1)) or nearest - 0.03 <= found <= nearest + 1e-9


# Crossings


def test_crossing_at_right_angles() -> None:
    """40 m to go at 10 m/s, and 45 m to go at 15 m/s: the other is there a second earlier, and they do not touch."""
    found = risk_of(crossing(), (60.0, 0.0, 0.0, 10.0), (100.0, -45.0, np.pi / 2, 15.0)).info()
    row = dict(zip(MEASURES, found["row"][0], strict=True))
    times = [row[name] for name in ("time_to_conflict", "time_to_conflict_other", "conflict_difference")]
    assert times == pytest.approx([4.0, 3.0, -1.0], abs=1e-6)
    assert row["time_to_collision"] == row["time_to_collision_2d"] == row["time_headway"] == NEVER
    both = risk_of(crossing(), (60.0, 0.0, 0.0, 10.0), (100.0, -40.0, np.pi / 2, 10.0)).info()["row"][0]
    assert both[risk.TTCP_DIFFERENCE] == pytest.approx(0, abs=1e-6)
    assert both[risk.TTC_2D] == pytest.approx((40 - 3.5) / 10)  # each 2.5 m long before the other's 1 m


def test_a_crossing_with_accelerations_and_a_speed_limit() -> None:
    places = (60.0, 0.0, 0.0, 10.0), (100.0, -45.0, np.pi / 2, 15.0)
    found = risk_of(crossing(), *places, acceleration=[-2.0, 5.0]).info()["row"][0]
    assert found[risk.TTCP] == NEVER  # it stops after 25 m
    assert found[risk.TTCP_OTHER] == pytest.approx(1 + (45 - 17.5) / 20)  # 17.5 m up to 20 m/s, the lane's limit


def test_who_has_passed_conflicts_no_more() -> None:
    for places in (((110.0, 0.0, 0.0, 10.0), (100.0, -45.0, np.pi / 2, 15.0)),
                   ((60.0, 0.0, 0.0, 10.0), (100.0, 5.0, np.pi / 2, 15.0))):  # fmt: skip
        assert risk_of(crossing(), *places).info()["row"][0, risk.TTCP_DIFFERENCE] == NEVER


def test_two_lanes_that_come_together_conflict_where_they_do() -> None:
    road = Road()
    road.straight("a", "m", (0.0, 0.0), (100.0, 0.0))
    road.straight("r", "m", (20.0, 60.0), (100.0, 0.0))  # 100 m long
    road.straight("m", "z", (100.0, 0.0), (300.0, 0.0))
    found = risk_of(road, (50.0, 0.0, 0.0, 10.0), (60.0, 30.0, -math.atan2(60, 80), 20.0)).info()["row"][0]
    times = found[[risk.TTCP, risk.TTCP_OTHER, risk.TTCP_DIFFERENCE]]
    np.testing.assert_allclose(times, [5.0, 2.5, -2.5], atol=1e-5)


def test_lanes_from_one_point_and_lanes_in_a_row_do_not_conflict() -> None:
    road = Road()
    road.straight("a", "b", (0.0, 0.0), (50.0, 0.0))
    road.straight("a", "c", (0.0, 0.0), (40.0, 30.0))
    road.straight("b", "d", (50.0, 0.0), (90.0, 30.0))
    road.arc("b", "e", (50.0, -20.0), 20.0, np.pi / 2, 0.0, clockwise=False)
    network = road.compiled()
    assert np.isnan(conflict_points(network.lanes, network.lane_count)).all()


def test_a_curve_crosses_a_straight_lane_where_geometry_says() -> None:
    road = Road()
    road.straight("a", "b", (-30.0, 0.0), (30.0, 0.0))
    road.arc("c", "d", (0.0, -10.0), 20.0, 0.0, np.pi)  # through y = 0 at x = +-sqrt(300)
    network = road.compiled()
    along, on_arc = conflict_points(network.lanes, network.lane_count)[0, 1]
    assert (along, on_arc) == pytest.approx((30 - math.sqrt(300), 20 * (np.pi - np.pi / 6)), abs=0.02)


# Slots and key


def test_slots_hold_the_nearest_by_lane() -> None:
    """Ego in the middle: ahead left 20 m on, ahead same 30 and 60, behind right 15 back; the obstacle counts too."""
    places = [(100, 4, 0, 25), (120, 0, 0, 20), (130, 4, 0, 20), (160, 4, 0, 1), (85, 8, 0, 30), (60, 4, 0, 0)]
    found = risk_of(straight(), *places, kind=[0, 1, 1, 1, 1, traffic.OBSTACLE]).info()["slots"][0]
    nobody = [FAR, 0, NEVER]
    expected = [[15, 5, 3], [25, 5, 5], nobody, nobody, [35, -25, NEVER], [10, 5, 2]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert SLOTS == ("ahead left", "ahead same", "ahead right", "behind left", "behind same", "behind right")


def test_a_slot_reaches_over_the_end_of_its_lane_and_back() -> None:
    road = Road()
    for name, x in (("ab", 0.0), ("bc", 50.0), ("cd", 100.0), ("de", 150.0)):
        road.parallel(name[0], name[1], 2, (x, 0.0), (x + 50, 0.0))
    found = risk_of(road, (60.0, 0.0, 0.0, 20.0), (160.0, 0.0, 0.0, 10.0), (40.0, 4.0, 0.0, 25.0)).info()["slots"][0]
    np.testing.assert_allclose(found[1], [95, 10, 9.5], rtol=1e-6)
    np.testing.assert_allclose(found[5], [15, 5, 3], rtol=1e-6)


def test_who_is_alongside_leaves_no_gap() -> None:
    found = risk_of(straight(), (100.0, 4.0, 0.0, 25.0), (103.0, 8.0, 0.0, 20.0)).info()["slots"][0]
    np.testing.assert_array_equal(found[2], [0, 5, 0])


def test_the_key_says_what_its_table_says() -> None:
    places = [(100, 4, 0, 24.9), (120, 0, 0, 20), (130, 4, 0, 20), (85, 8, 0, 30)]
    key = int(risk_of(straight(), *places, target_speed=[20, 0, 0, 0]).info()["key"][0])
    assert key & 3 == 3 and key >> 2 & 15 == int(24.9 / 2.5)
    assert key >> 6 & 31 == 1 + 2 + 4 + 8  # at the lowest speed already
    assert key >> 11 & 3 == 0
    slots = [(key >> (13 + 7 * k) & 7, key >> (16 + 7 * k) & 3, key >> (18 + 7 * k) & 3) for k in range(6)]
    nobody = (7, 1, 3)
    assert slots == [(2, 2, 2), (3, 2, 3), nobody, nobody, nobody, (2, 3, 1)]
    assert key < 1 << 55
    left_lane = int(risk_of(straight(), (100, 0, 0, 25)).info()["key"][0])
    assert left_lane & 3 == 2 and left_lane >> 6 & 5 == 4


def test_equal_scenes_have_equal_keys_wherever_they_are() -> None:
    keys = {int(risk_of(straight(), (x, 4, 0, 25), (x + 31, 4, 0, 20)).info()["key"][0]) for x in (60.0, 100.5, 333.0)}
    assert len(keys) == 1
    bands = [int(risk_of(crossing(), (100 - gap, 0, 0, 10), (100, -40, np.pi / 2, 10)).info()["key"][0]) >> 11 & 3
             for gap in (40.0, 20.0, 95.0, 1.0)]  # fmt: skip
    assert bands == [3, 1, 2, 1]


# In worlds


ALL = {"risk": True, "cost": True, "reward": "progress"}
WORLDS = {"Highway": (Highway, {"vehicles_count": 15, "simulation_frequency": 5}), "Merge": (Merge, {})}


def flat(info: dict[str, Any]) -> list[np.ndarray]:
    return [leaf for value in info.values() for leaf in (flat(value) if isinstance(value, dict) else [value])]


@pytest.mark.parametrize("name", WORLDS)
def test_infos_are_finite_and_rows_know_nothing_of_each_other(name: str) -> None:
    kind, params = WORLDS[name]
    many, few = (kind(n, max_episode_steps=7, **ALL, **params) for n in (40, 2))
    many.reset(seed=3), few.reset(seed=3)
    for step in range(16):
        actions = (np.arange(40) + step) % 5
        ours, theirs = many.step(actions), few.step(actions[:2])
        for a, b in zip(flat(ours[4]), flat(theirs[4]), strict=True):
            assert np.isfinite(a).all()
            np.testing.assert_array_equal(a[:2], b)
    found = ours[4]["risk"]
    assert {key: array.shape[1:] for key, array in found.items() if key[0] != "_"} == {
        "neighbours": (5, 8), "row": (8,), "slots": (6, 3), "key": ()
    }  # fmt: skip
    assert found["key"].dtype == np.uint64 and found["slots"].dtype == np.float32


@pytest.mark.parametrize("name", WORLDS)
def test_the_worst_is_the_worst_of_each(name: str) -> None:
    kind, params = WORLDS[name]
    world = kind(20, risk=True, observation_vehicles_count=30, observation_see_behind=True, **params)
    world.reset(seed=0)
    for _ in range(4):
        _, _, _, _, info = world.step(np.arange(20) % 5)
        neighbours, row = info["risk"]["neighbours"], info["risk"]["row"]
        for scene, each, worst in zip(world.describe(range(20)), neighbours, row, strict=True):
            assert scene.risk is not None
            np.testing.assert_array_equal(scene.risk.worst, worst)
            np.testing.assert_array_equal(scene.risk.each[scene.observed[scene.observed >= 0]],
                                          each[scene.observed >= 0])  # fmt: skip
            np.testing.assert_array_equal(scene.risk.each[:, :3].min(0), worst[:3])
            assert scene.risk.each[:, 3].max() == worst[3] and scene.risk.each[:, 4].min() == worst[4]


def test_a_crash_is_seen_coming() -> None:
    """Where the 2D time to collision is short and both go straight on, they crash about then."""
    world = Highway(200, risk=True, policy_frequency=5, simulation_frequency=15, vehicles_count=10)
    world.reset(seed=0)
    seen = 0
    last = np.full(200, NEVER)
    for _ in range(100):
        _, _, terminated, _, info = world.step(np.full(200, 3))
        seen += int((last[terminated] < 1.0).sum())
        last = np.where(terminated, NEVER, info["risk"]["row"][:, risk.TTC_2D])
        assert (last[~terminated] >= 0).all()
    assert seen > 20


@pytest.mark.parametrize(("name", "reward"), list(itertools.product(WORLDS, ("progress", "route"))))
def test_a_restored_state_goes_on_alike(name: str, reward: str) -> None:
    kind, params = WORLDS[name]
    one, other = (kind(6, **{**ALL, "reward": reward}, **params) for _ in range(2))
    one.reset(seed=5)
    for step in range(3):
        one.step((np.arange(6) + step) % 5)
    other.set_state(one.get_state())
    for step in range(4):
        ours, theirs = (world.step((np.arange(6) * step) % 5) for world in (one, other))
        np.testing.assert_array_equal(ours[1], theirs[1])
        for a, b in zip(flat(ours[4]), flat(theirs[4]), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("env_id", ["foveal/HighwayFast-v0", "foveal/Merge-v0"])
def test_the_single_form_has_it_too(env_id: str) -> None:
    env = gymnasium.make(env_id, **ALL)
    check_env(env.unwrapped, skip_render_check=True)
    _, info = env.reset(seed=1)
    assert type(info["risk"]["key"]) is int and info["risk"]["slots"].shape == (6, 3)
    assert set(info["cost"]) == {"crash", "off_road", "headway"}
    assert env.unwrapped.batch.trace_rows.size == 0


def test_without_it_nothing_is_told() -> None:
    world = Merge(2)
    _, info = world.reset(seed=0)
    assert not {"risk", "cost"} & info.keys() and world.describe([0])[0].risk is None
