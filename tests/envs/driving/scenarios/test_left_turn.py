"""The left turn's conflict point, streams, rewards and endings."""

import gymnasium
import numpy as np
import pytest
from scipy import stats

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.scenarios.crossing import route
from foveal.envs.driving.scenarios.left_turn import APART, BEYOND, NORTH, SOUTH, LeftTurn

ALPHA = 1e-3
SLOWER, IDLE, FASTER = range(3)


def world(rows=1, **params):
    made = gymnasium.make_vec("foveal/LeftTurn-v0", num_envs=rows, autoreset_mode="disabled", **params)
    made.reset(seed=0)
    return made


def gap_acceptance(made):
    """Cross where nobody will be at the conflict point at the same time, else stop before the junction."""
    state, rules = made.get_state(), made.rules
    t, there = state["traffic"], np.arange(state["traffic"].shape[2]) < state["count"][:, None]
    oncoming = there & (t[:, tr.ROUTE] == route(NORTH, SOUTH))
    times = np.where(oncoming, (rules.conflict[1] - t[:, tr.Y]) / np.maximum(t[:, tr.SPEED], 1.0), np.inf)
    way = made._info()["distance_to_conflict"]
    mine = np.maximum(way, 0) / 9 + (9 - t[:, tr.SPEED, 0]) / 9
    taken = ((times > mine[:, None] - 1.8) & (times < mine[:, None] + 2.2)).any(1)
    return np.where(taken & (way > 16), SLOWER, FASTER)


def drive(made, action):
    """Total reward, whether each row's ego got through, and whether it crashed, in one episode of each row."""
    rows = made.num_envs
    total, through, crashed, live = np.zeros(rows), np.zeros(rows, bool), np.zeros(rows, bool), np.ones(rows, bool)
    while live.any():
        actions = action(made) if callable(action) else np.full(rows, action)
        _, reward, terminated, truncated, info = made.step(actions)
        total += np.where(live, reward, 0.0)
        through |= live & info["is_success"]
        crashed |= live & info["crashed"]
        live &= ~(terminated | truncated)
        state = made.get_state()
        state["ended"][:] = False
        made.set_state(state)
    return total, through, crashed


def at(made, lane, along, **features):
    state, number = made.get_state(), made.road.number(lane)
    lanes, t = made._drive.lanes, state["traffic"][0]
    t[[tr.X, tr.Y], 0] = ln.from_lane(lanes, number, along, 0.0)
    t[tr.HEADING, 0], t[[tr.LANE, tr.TARGET_LANE], 0] = ln.heading_at(lanes, number, along), number
    for name, value in features.items():
        t[tr.FEATURES.index(name), 0] = value
    made.set_state(state)
    return made


def test_the_conflict_point_is_where_the_turn_crosses_the_oncoming_lane():
    made = world()
    rules, lanes = made.rules, made._drive.lanes
    oncoming = made.road.number(("ir2", "il0", 0))
    assert ln.to_lane(lanes, rules.turn, *rules.conflict) == pytest.approx((rules.conflict_along, 0), abs=1e-9)
    assert ln.to_lane(lanes, oncoming, *rules.conflict)[1] == pytest.approx(0, abs=1e-9)
    assert rules.conflict == pytest.approx((-2, 11 - np.sqrt(88)))


def test_the_way_to_the_conflict_point_counts_down_by_what_is_driven():
    made = world(oncoming_density=0)
    way, speeds = [made._info()["distance_to_conflict"][0]], []
    while not made._terminated[0]:
        *_, info = made.step(np.array([IDLE]))
        way.append(info["distance_to_conflict"][0])
        speeds.append(info["speed"][0])
    assert 30 < way[0] - made.rules.conflict_along < 50 and way[-1] <= -BEYOND and info["is_success"][0]
    np.testing.assert_allclose(-np.diff(way), 9.0, atol=0.4)


@pytest.mark.parametrize(
    ("lane", "along", "expected"),
    [(("o0", "ir0", 0), 90.0, 20.48), (("ir0", "il1", 0), 10.48, 0.0), (("il1", "e1", 0), 1.0, -10.94)],
)
def test_way_on_each_lane(lane, along, expected):
    made = at(world(oncoming_density=0), lane, along)
    assert made._info()["distance_to_conflict"][0] == pytest.approx(expected, abs=0.01)
    assert made._info()["is_success"][0] == (expected < -BEYOND) == made._terminated[0]


def test_a_crash_is_no_success_and_ends_it():
    made = at(world(oncoming_density=0), ("il1", "e1", 0), 5.0, crashed=1.0, speed=9.0)
    assert made._terminated[0] and not made._info()["is_success"][0]
    assert made._rewards[0] == pytest.approx(-5.0 + 0.1)


def test_to_wait_for_ever_is_worse_than_to_cross_and_to_cross_blindly_worse_than_to_look():
    waited, through, crashed = drive(world(200), SLOWER)
    assert not (through | crashed).any() and waited.max() < 0.2
    blind, through, crashed = drive(world(200), IDLE)
    assert (blind[through] > 3).all() and (blind[crashed] < 0).all() and (through ^ crashed).all()
    looked, through, crashed = drive(world(200), gap_acceptance)
    assert through.mean() > 0.7 and crashed.mean() < 0.03
    assert looked.mean() > blind.mean() + 1 > waited.mean() + 1.5


def test_more_oncoming_cars_make_more_crashes():
    rates = [drive(world(300, oncoming_density=density), IDLE)[2].mean() for density in (0.0, 8.0, 25.0)]
    assert rates[0] == 0 and rates[0] < rates[1] < rates[2]


@pytest.mark.parametrize("density", [6.0, 20.0])
def test_as_many_come_as_the_density_says(density):
    """A stream alone is as dense as it is said to be."""
    rows, steps = 200, 20
    made, came = world(rows, oncoming_density=density, duration=60.0), 0
    for _ in range(steps):
        known = [
            set(t[tr.EXPONENT, :n]) for t, n in zip(*(made.get_state()[k] for k in ("traffic", "count")), strict=True)
        ]
        made.step(np.full(rows, SLOWER))
        made.come_and_go(np.arange(rows))
        state = made.get_state()
        for t, n, old in zip(state["traffic"], state["count"], known, strict=True):
            new = [i for i in range(n) if t[tr.EXPONENT, i] not in old]
            assert all(t[tr.ROUTE, i] == route(NORTH, SOUTH) and 7 <= t[tr.TARGET_SPEED, i] < 10 for i in new)
            came += len(new)
    expected = rows * steps * density / 60
    assert came == pytest.approx(expected, rel=0.1)


def test_streams_at_the_start_are_as_later():
    """As many are on the lane at the start as after half a minute, but for those who others have slowed down."""
    counts = []
    for steps in (0, 30):
        made = world(400, oncoming_density=10.0, duration=60.0)
        for _ in range(steps):
            made.step(np.full(400, SLOWER))
        state, entry = made.get_state(), made.rules.crossing.entries[NORTH]
        there = np.arange(state["traffic"].shape[2]) < state["count"][:, None]
        counts.append(((state["traffic"][:, tr.LANE] == entry) & there).sum(1))
    assert counts[0].mean() == pytest.approx(counts[1].mean(), rel=0.25)
    assert stats.ks_2samp(*counts).pvalue > ALPHA


def test_cross_traffic_keeps_apart_from_the_oncoming():
    made = world(400, cross_density=20.0)
    state = made.get_state()
    for t, n in zip(state["traffic"], state["count"], strict=True):
        ahead = -(t[tr.X, 1:n] * np.cos(t[tr.HEADING, 1:n]) + t[tr.Y, 1:n] * np.sin(t[tr.HEADING, 1:n]))
        times, across = ahead / t[tr.SPEED, 1:n], abs(np.cos(t[tr.HEADING, 1:n])) > 0.5
        apart = abs(times[across][:, None] - times[~across])
        assert apart.min(initial=np.inf) >= APART - 1e-9
    assert set(state["traffic"][:, tr.ROUTE].ravel()) >= {route(1, 3), route(2, 0), route(3, 1)}
    drive(made, SLOWER)
    made.come_and_go(np.arange(400))
    state = made.get_state()
    assert not state["traffic"][:, tr.CRASHED, 1:].any()  # who met all the same is gone


@pytest.mark.parametrize(
    "wrong",
    [{"oncoming_density": -1}, {"cross_density": 31}, {"start_distance": (50.0, 30.0)}, {"collision_reward": 1}],
)
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LeftTurn.Params.from_kwargs(wrong)
