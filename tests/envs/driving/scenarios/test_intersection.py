"""The intersection's road, traffic that comes and goes, rewards and endings; its rules are compared in test_parity."""

import gymnasium
import numpy as np
import pytest
from highway_env.envs.intersection_env import IntersectionEnv
from scipy import stats

from foveal.envs.driving import comparison, parity
from foveal.envs.driving import lanes as ln
from foveal.envs.driving import traffic as tr
from foveal.envs.driving.interop import from_highway_env, params_of
from foveal.envs.driving.parity_cases import CASES, coefficients_kept
from foveal.envs.driving.parity_recordings import load, record, replay
from foveal.envs.driving.scenarios.crossing import ARMS, lay_crossing, route
from foveal.envs.driving.scenarios.intersection import MOST, Intersection

ALPHA = 1e-3


@pytest.fixture(autouse=True)
def _coefficients():
    """Making an intersection environment rewrites IDMVehicle's class attributes for the whole process."""
    with coefficients_kept():
        yield


def vehicles(world, feature):
    """A feature of all vehicles that are there, in one row after the other."""
    state = world.get_state()
    return np.concatenate([t[feature, :n] for t, n in zip(state["traffic"], state["count"], strict=True)])


def world(rows=1, **params):
    made = gymnasium.make_vec("foveal/Intersection-v0", num_envs=rows, autoreset_mode="disabled", **params)
    made.reset(seed=0)
    return made


# Road


def test_lanes_are_highway_envs():
    road, theirs = lay_crossing(), IntersectionEnv().road.network
    names, lanes = road.names(), road.compiled().lanes
    assert names == list(theirs.lanes_dict())
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        lane = theirs.get_lane(name)
        assert lanes[number, ln.PRIORITY] == lane.priority and lanes[number, ln.SPEED_LIMIT] == lane.speed_limit
        assert lanes[number, ln.LENGTH] == pytest.approx(lane.length, abs=1e-12)
        for along, across in rng.uniform([-5, -2], [lane.length + 5, 2], (5, 2)):
            np.testing.assert_allclose(ln.from_lane(lanes, number, along, across), lane.position(along, across))
            assert ln.heading_at(lanes, number, along) == pytest.approx(lane.heading_at(along))


def test_routes_are_highway_envs():
    road, env = lay_crossing(), IntersectionEnv()
    for begin in range(ARMS):
        for end in range(ARMS):
            vehicle = env.road.vehicles[0]
            vehicle.lane_index = (f"o{begin}", f"ir{begin}", 0)
            vehicle.plan_route_to(f"o{end}")
            assert road.find_route(vehicle.route) == (route(begin, end), 0)


# Traffic


def starts(rows=2000, **params):
    made = world(rows, **params)
    t, egos = made.get_state()["traffic"], made.get_state()["egos"][:, 0]
    ego = t[np.arange(rows), :, egos]
    return {
        "count": made.get_state()["count"].astype(float),
        "ego_y": ego[:, tr.Y],
        **{name: vehicles(made, feature) for name, feature in (("x", tr.X), ("y", tr.Y), ("speed", tr.SPEED))},
        "exponent": vehicles(made, tr.EXPONENT)[vehicles(made, tr.KIND) == tr.IDM],
        "target_speed": vehicles(made, tr.TARGET_SPEED),
    }


def test_starts_are_distributed_as_highway_envs():
    env, found = IntersectionEnv(config={"neighbour_vehicles_connected_lanes": True}), []
    for seed in range(120):
        env.reset(seed=seed)
        found.append(from_highway_env(env).get_state())
    counts = np.array([state["count"][0] for state in found])
    columns = np.concatenate([s["traffic"][0][:, :n] for s, n in zip(found, counts, strict=True)], axis=1)
    theirs = {
        "count": counts.astype(float),
        "ego_y": np.array([s["traffic"][0][tr.Y, s["egos"][0, 0]] for s in found]),
        **{name: columns[f] for name, f in (("x", tr.X), ("y", tr.Y), ("speed", tr.SPEED))},
        "exponent": columns[tr.EXPONENT, columns[tr.KIND] == tr.IDM],
        "target_speed": columns[tr.TARGET_SPEED],
    }
    ours = starts()
    p = {name: stats.ks_2samp(ours[name], theirs[name]).pvalue for name in theirs}
    assert min(p.values()) > ALPHA / len(p), p


def test_those_who_come_later_are_distributed_by_the_rules():
    """Six in ten steps one comes, from arms and to arms at random, at 8 m/s + N(0, 1), 5 m + N(0, 1) down its lane."""
    made = world(1500, initial_vehicle_count=0, spawn_probability=0.6)
    made.step(np.full(1500, 1))
    before = made.get_state()["count"]
    made.come_and_go(np.arange(1500))
    state = made.get_state()
    came = np.flatnonzero(state["count"] > before)
    assert set(state["count"] - before) == {0, 1}
    assert stats.binomtest(came.size, 1500, 0.6).pvalue > ALPHA
    t = state["traffic"][came, :, state["count"][came] - 1]
    assert t[:, tr.ROUTE].max() < 12 and stats.chisquare(np.bincount(t[:, tr.ROUTE].astype(int))).pvalue > ALPHA
    assert stats.kstest(t[:, tr.SPEED] - 8, "norm").pvalue > ALPHA
    assert stats.kstest(111 - np.maximum(abs(t[:, tr.X]), abs(t[:, tr.Y])) - 5, "norm").pvalue > ALPHA
    assert stats.kstest(t[:, tr.EXPONENT] - 3.5, "uniform").pvalue > ALPHA
    assert (t[:, [tr.JAM_DISTANCE, tr.COMFORT_ACCELERATION, tr.COMFORT_DECELERATION]] == [7, 6, 3]).all()


def test_the_ego_has_room_and_nobody_else_comes_close():
    made = world(500, controlled_vehicles=4, initial_vehicle_count=30)
    state = made.get_state()
    for t, n, egos in zip(state["traffic"], state["count"], state["egos"], strict=True):
        places = t[[tr.X, tr.Y], :n].T
        others = np.setdiff1d(np.arange(n), egos)
        assert np.linalg.norm(places[others, None] - places[egos], axis=-1).min(initial=np.inf) >= 20
        assert (t[tr.KIND, egos] == tr.EGO).all() and (t[tr.KIND, others] == tr.IDM).all()


def test_the_columns_suffice_where_nobody_gets_on():
    """Egos that stand, a car a substep wherever there is room, for minutes; and still it is not full."""
    made = world(8, initial_vehicle_count=50, spawn_probability=1.0, policy_frequency=5, simulation_frequency=5)
    most = 0
    for _ in range(400):
        state = made.get_state()
        state["ended"][:] = False
        state["time"][:] = 0.0
        made.set_state(state)
        made.step(np.zeros(8, np.int64))
        most = max(most, int(made.get_state()["count"].max()))
    assert 25 < most < MOST


def test_nobody_comes_where_it_is_full():
    made = world(1, spawn_probability=1.0)
    state = made.get_state()
    state["traffic"][0, :, :] = state["traffic"][0, :, state["egos"][0, 0], None]
    state["traffic"][0, tr.KIND], state["traffic"][0, tr.KIND, 0] = tr.IDM, tr.EGO
    state["traffic"][0, tr.CHECKS_COLLISIONS], state["traffic"][0, tr.ROUTE] = 0.0, 2.0
    state["count"][0], state["egos"][0] = made.capacity, 0
    made.set_state(state)
    made.step(np.array([1]))
    made.come_and_go(np.arange(1))
    assert made.get_state()["count"][0] == made.capacity


def test_who_leaves_is_taken_from_all_arrays():
    """Vehicles keep their order; the ego's column and the observation's slots follow."""
    made = world(32, duration=60.0, connected_lanes=False)
    left = 0
    for _ in range(30):
        made.step(np.full(32, 0))
        before = made.get_state()
        made.come_and_go(np.arange(32))
        after = made.get_state()
        for r in range(32):
            ego = after["egos"][r, 0]
            assert after["traffic"][r, tr.KIND, ego] == tr.EGO
            slots = made._seen.observed[r, 0]
            assert slots[0] == ego and slots.max() < after["count"][r]
            kept, had = (s["traffic"][r, tr.EXPONENT, : s["count"][r]].tolist() for s in (after, before))
            gone = [e for e in had if e not in kept]
            assert [e for e in had if e in kept] == kept[: len(had) - len(gone)]
            left += len(gone)
            assert not after["traffic"][r, :, after["count"][r] : before["count"][r]].any()
        restored = made._drive.along.copy()
        made.set_state(after)
        np.testing.assert_array_equal(restored, made._drive.along)
        state = made.get_state()
        state["ended"][:] = False
        made.set_state(state)
    assert left > 20


# Rewards and endings


def at(made, lane, along, speed=9.0, ego=0, **features):
    """Put an ego on a lane."""
    state, number = made.get_state(), made.road.number(lane)
    lanes, t = made._drive.lanes, state["traffic"][0]
    column = state["egos"][0, ego]
    t[[tr.X, tr.Y], column] = ln.from_lane(lanes, number, along, 0.0)
    t[tr.HEADING, column], t[tr.SPEED, column] = ln.heading_at(lanes, number, along), speed
    t[[tr.LANE, tr.TARGET_LANE], column] = number
    for name, value in features.items():
        t[tr.FEATURES.index(name), column] = value
    made.set_state(state)
    return made


def judged(made):
    info = made._info()
    return float(made._rewards[0]), bool(made._terminated[0]), info["rewards"], info["agents_rewards"][0]


@pytest.mark.parametrize(("along", "arrived"), [(24.9, False), (25.1, True)])
def test_arrival(along, arrived):
    reward, ended, terms, _ = judged(at(world(arrived_reward=7.0), ("il1", "o1", 0), along, 8.0))
    assert ended == arrived and reward == pytest.approx(7.0 if arrived else 0.5)
    assert terms["arrived_reward"][0] == arrived and terms["on_road_reward"][0] == 1


def test_a_crash_ends_it_and_off_the_road_there_is_nothing():
    reward, ended, *_ = judged(at(world(), ("o0", "ir0", 0), 30.0, 9.0, crashed=1.0))
    assert ended and reward == -4.0
    for terminal in (False, True):
        made = at(world(offroad_terminal=terminal), ("o0", "ir0", 0), 30.0, 9.0)
        state = made.get_state()
        state["traffic"][0, tr.X, state["egos"][0, 0]] = 30.0
        made.set_state(state)
        reward, ended, terms, _ = judged(made)
        assert reward == 0 and ended == terminal and terms["on_road_reward"][0] == 0


def test_several_egos_share_a_mean_and_have_their_own():
    made = at(world(controlled_vehicles=2), ("il1", "o1", 0), 30.0)
    reward, ended, _, own = judged(at(made, ("o1", "ir1", 0), 30.0, 7.5, ego=1))
    assert own.tolist() == [1.0, 0.25] and reward == pytest.approx(0.625) and not ended
    assert made._info()["agents_terminated"][0].tolist() == [True, False]
    assert judged(at(made, ("il1", "o1", 0), 60.0, ego=1))[1]  # all have arrived
    observations, *_, info = made.step(np.array([[0, 2]]))
    assert observations.shape == (1, 2, 15, 7) and info["action_mask"].shape == (1, 2, 3)
    assert isinstance(made.single_action_space, gymnasium.spaces.MultiDiscrete)


@pytest.mark.parametrize(
    "wrong",
    [{"controlled_vehicles": 5}, {"destination": "o4"}, {"simulation_frequency": 1}, {"spawn_probability": 1.1},
     {"normalize_reward": True, "collision_reward": 1.0}],
)  # fmt: skip
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(ValueError, match=list(wrong)[-1]):
        Intersection.Params.from_kwargs(wrong)


# highway-env


def test_params_are_those_of_the_registered_id():
    env = IntersectionEnv(config={"neighbour_vehicles_connected_lanes": True})
    assert Intersection.Params.from_kwargs(params_of(env)) == Intersection.Params()


def test_several_egos_need_an_action_each():
    with pytest.raises(ValueError, match="controlled_vehicles=2 cannot be translated without MultiAgentObservation"):
        from_highway_env(IntersectionEnv(config={"controlled_vehicles": 2}))


def case_of(env_id):
    return next(case for case in CASES if env_id in case.seeds)


@pytest.mark.parametrize(
    "env_id", ["intersection-v0", "intersection-v1", "intersection-v2", "intersection-multi-agent-v2"]
)
def test_whole_episodes_are_highway_envs(env_id):
    for seed in range(3):
        _, found = parity.run(parity.Episode(case_of(env_id), env_id, seed, "random"))
        assert not found.wrong and found.ended, (seed, found)


def test_recorded_episodes_with_newcomers(tmp_path):
    episodes = [parity.Episode(case_of(i), i, 2, "random") for i in ("intersection-v2", "intersection-multi-agent-v2")]
    record(episodes, tmp_path / "some.npz")
    recording = load(tmp_path / "some.npz")
    for k in range(len(episodes)):
        found = replay(recording, k)
        assert found.agrees and found.ended, found
        came = ~np.isnan(recording[1][f"{k}/entered"]).all((1, 2))
        assert came.sum() > 2


def test_a_vehicle_too_many_is_noticed():
    episode = parity.Episode(case_of("intersection-v2"), "intersection-v2", 0, "IDLE", 5)
    with episode.instance() as env:
        made = comparison.alone(env)
        env.road.vehicles.pop(0)
        found = comparison.compare_steps(made, [(1, comparison.step_reference(env, made, 1))])
    assert "vehicles, there" in found.disagreement
