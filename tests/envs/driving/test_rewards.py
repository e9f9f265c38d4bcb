"""Rewards for progress and for a route: what is paid, and that no trick known to collect rewards beats driving."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from foveal.envs.driving import progress, traffic
from foveal.envs.driving.highway import Highway
from foveal.envs.driving.navigation import settle
from foveal.envs.driving.rewards import PROGRESS_TERMS, ROUTE_TERMS
from foveal.envs.driving.roads import Road
from foveal.envs.driving.scenarios.merge import Merge

REWARDS = ("progress", "route")
LANE_LEFT, IDLE, LANE_RIGHT, FASTER, SLOWER = range(5)


# Progress


def placed(road: Road, x: float, y: float, heading: float, route: int = -1) -> tuple[Any, ...]:
    """One vehicle (its row's traffic) at a place on a road, with the road's arrays."""
    t = traffic.allocate(1, 1, len(traffic.FEATURES) + len(traffic.NETWORK_FEATURES))[0]
    t[[traffic.X, traffic.Y, traffic.HEADING, traffic.ROUTE], 0] = x, y, heading, route
    network = road.compiled()
    settle(t, np.full((1, network.lane_count), np.nan), network.lanes, network.graph, 0)
    return t, network.lanes, network.graph


def come(road: Road, start: tuple[float, float, float], goal: tuple[float, float, float]) -> float:
    """Metres of progress from one place (x, y, heading) to another."""
    lane = int(placed(road, *start)[0][traffic.LANE, 0])
    return progress.advance_on_lanes(*placed(road, *goal), 0, *start[:2], lane)


def bend() -> Road:
    """50 m straight, a quarter circle of 20 m to the right, and 50 m straight on, two lanes."""
    road = Road()
    for place in range(2):
        road.straight("a", "b", (0.0, 4.0 * place), (50.0, 4.0 * place))
        road.arc("b", "c", (50.0, 20.0), 20.0 - 4 * place, -np.pi / 2, 0.0)
        road.straight("c", "d", (70.0 - 4 * place, 20.0), (70.0 - 4 * place, 70.0))
    road.straight("b", "e", (50.0, 0.0), (50.0 + 1e-3, -40.0))  # a fork
    return road


def test_progress_is_metres_along_the_lanes() -> None:
    road, arc = bend(), 10 * np.pi
    assert come(road, (10, 0, 0), (30, 0, 0)) == pytest.approx(20)
    assert come(road, (10, 0.5, 0), (30, 5.0, 0)) == pytest.approx(20)  # a lane change is no way
    assert come(road, (40, 0, 0), (70, 30, np.pi / 2)) == pytest.approx(10 + arc + 10)
    assert come(road, (70, 30, np.pi / 2), (40, 0, 0)) == pytest.approx(-20 - arc)
    assert come(road, (40, 0, 0), (50, -10, -np.pi / 2)) == pytest.approx(20)
    assert come(road, (30, 0, 0), (30, 0.2, 3.0)) == pytest.approx(0)


def test_progress_from_step_to_step_adds_up_to_that_of_the_whole_way() -> None:
    road = bend()
    places = [(20, 0, 0), (45, 3.6, 0.3), (50 + 18 * math.sin(0.6), 20 - 18 * math.cos(0.6), 0.6), (69, 25, 1.6),
              (66, 40, 1.5), (69, 35, 1.6)]  # fmt: skip
    parts = [come(road, a, b) for a, b in itertools.pairwise(places)]
    assert sum(parts) == pytest.approx(30 + 10 * np.pi + 15, abs=5)  # the inner lane of the bend is shorter
    assert parts[-1] < 0


def test_on_a_ring_the_shorter_way_counts() -> None:
    road = Road()
    for k in range(3):
        road.arc("abc"[k], "bca"[k], (0.0, 0.0), 30.0, 2 * np.pi / 3 * k, 2 * np.pi / 3 * (k + 1))

    def at(angle: float) -> tuple[float, float, float]:
        return 30 * math.cos(angle), 30 * math.sin(angle), angle + np.pi / 2

    for angle in np.linspace(0, 2 * np.pi, 25):
        assert come(road, at(angle), at(angle + 0.3)) == pytest.approx(9)
        assert come(road, at(angle + 0.3), at(angle)) == pytest.approx(-9)


def test_what_is_left_of_a_route_and_that_it_is_nowhere_else() -> None:
    road = bend()
    route = road.route(("a", "b", 0), "d")
    assert progress.left_of_route(*placed(road, 10, 0, 0, route), 0) == pytest.approx(90 + 10 * np.pi)
    assert progress.left_of_route(*placed(road, 70, 60, 1.57, route), 0) == pytest.approx(10, abs=0.01)
    assert math.isnan(progress.left_of_route(*placed(road, 50, -20, -1.57, route), 0))


# Tricks, and driving


def returns(world: Any, policy: Any, steps: int, seed: int = 0) -> np.ndarray:
    """Undiscounted returns (N,) of a policy (step, world) -> actions (N, ...), of the first episode."""
    world.reset(seed=seed)
    total, alive = np.zeros(world.num_envs), np.ones(world.num_envs, np.bool_)
    for step in range(steps):
        _, rewards, terminated, truncated, _ = world.step(policy(step, world))
        total += rewards * alive
        alive &= ~(terminated | truncated)
    return total


def always(*action: float) -> Any:
    """The same action in every step and row; several numbers are a continuous one."""

    def policy(_: int, world: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(action, world.action_space.dtype).reshape(world.single_action_space.shape),
                               world.action_space.shape)  # fmt: skip

    return policy


def in_turn(*actions: Any, each: int = 1) -> Any:
    def policy(step: int, world: Any) -> np.ndarray:
        return actions[step // each % len(actions)](step, world)

    return policy


def braked(then: Any, speed: float = 0.3) -> Any:
    """Brake to a low speed, then go on by another policy."""
    begun = {}

    def policy(step: int, world: Any) -> np.ndarray:
        slow = bool((np.abs(ego(world, traffic.SPEED)) <= speed).all())
        begun["now"] = (step > 0 and begun.get("now", False)) or slow
        brake = np.zeros(world.action_space.shape, np.float32)
        brake[:, 0] = -np.clip(ego(world, traffic.SPEED) / (5 * 0.2), -1, 1)
        return then(step, world) if begun["now"] else brake

    return policy


def ego(world: Any, feature: int) -> np.ndarray:
    return world.get_state()["traffic"][:, feature, 0]


CONTINUOUS_TRICKS = {
    "parked": braked(always(0.0, 0.0)),
    "reversing": braked(in_turn(always(-1.0, 0.0), *[always(0.0, 0.0)] * 1000), 0.3),
    "spinning": braked(in_turn(always(0.3, 1.0), always(-0.3, 1.0), each=5)),
    "turning fast": always(0.0, 0.4),
    "weaving": in_turn(always(0.0, 0.06), always(0.0, -0.06), always(0.0, -0.06), always(0.0, 0.06), each=2),
}


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("trick", CONTINUOUS_TRICKS)
def test_with_continuous_actions_driving_beats(trick: str, reward: str) -> None:
    world = Merge(
        60, reward=reward, action="Continuous", policy_frequency=5, autoreset_mode="disabled", max_episode_steps=55
    )
    stepped = RestartingWorld(world)
    plain = returns(stepped, always(0.0, 0.0), 55)
    safe = plain > 30  # where to drive on at 30 m/s meets nobody
    assert safe.sum() > 5
    tricked = returns(stepped, CONTINUOUS_TRICKS[trick], 55)
    assert (tricked[safe] < plain[safe]).all()
    if trick != "weaving":
        assert (tricked < 0.5 * plain[safe].min()).all()


class RestartingWorld:
    """A world in which ended rows stay where they are: their episodes go on unseen."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def step(self, actions: np.ndarray) -> Any:
        state = self._world.get_state()
        if state["ended"].any():
            state["ended"][:] = False
            self._world.set_state(state)
        return self._world.step(np.ascontiguousarray(actions))


META_TRICKS = {
    "slow": (always(SLOWER), {}),
    "weaving": (in_turn(always(LANE_LEFT), always(LANE_RIGHT)), {}),
    "parked": (always(SLOWER), {"action_target_speeds": (0.0, 15.0, 30.0)}),
    "reversing": (always(SLOWER), {"action_target_speeds": (-30.0, 0.0, 30.0)}),
}


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("trick", META_TRICKS)
@pytest.mark.parametrize("kind", [Highway, Merge])
def test_with_meta_actions_driving_beats(kind: type[Any], trick: str, reward: str) -> None:
    policy, params = META_TRICKS[trick]
    alone = {"vehicles_count": 0} if kind is Highway else {}
    world = RestartingWorld(kind(60, reward=reward, autoreset_mode="disabled", **alone, **params))
    plain, tricked = returns(world, always(FASTER), 12), returns(world, policy, 12)
    if trick == "weaving" and kind is Highway:  # it comes as far but for the turns
        assert (tricked <= returns(world, always(IDLE), 12) + 1e-9).all()
    safe = plain > (8 if reward == "progress" else 15)  # where to drive on meets nobody
    assert safe.sum() > 5
    assert (tricked[safe] <= plain[safe]).all() and tricked[safe].mean() < plain[safe].mean()
    if trick in ("parked", "reversing"):
        assert (tricked < 0.6 * plain[safe].min()).all()


def test_the_default_reward_is_what_parking_and_crashing_late_collect() -> None:
    """Why there are other rewards: highway-env's pays standing still nearly as much as driving."""

    def world(reward: str) -> Any:
        speeds = (0.0, 15.0, 30.0)
        return RestartingWorld(Highway(24, reward=reward, vehicles_count=0, action_target_speeds=speeds))

    share = [returns(world(r), always(SLOWER), 20).mean() / returns(world(r), always(FASTER), 20).mean()
             for r in ("default", "progress", "route")]  # fmt: skip
    assert share[0] > 0.6 and share[1] < 0.15 and share[2] < 0.15


# Terms


def test_full_speed_pays_one_and_the_terms_make_the_reward() -> None:
    world = Highway(4, reward="progress", vehicles_count=0, progress_reward=2.0)
    world.reset(seed=0)
    for _ in range(6):
        _, rewards, _, _, info = world.step(np.full(4, FASTER))
    assert [name for name in info["rewards"] if name[0] != "_"] == list(PROGRESS_TERMS)
    np.testing.assert_allclose(rewards, 2.0, atol=1e-3)
    p = world.params
    weights = (p.progress_reward, p.low_speed_reward, p.crash_reward, p.off_road_reward)
    total = sum(w * info["rewards"][name] for w, name in zip(weights, PROGRESS_TERMS, strict=True))
    np.testing.assert_allclose(rewards, total)


def test_a_crash_costs_and_is_told() -> None:
    world = Highway(60, reward="progress", cost=True, vehicles_density=2.0)
    world.reset(seed=0)
    crashes = 0
    for _ in range(10):
        _, rewards, terminated, _, info = world.step(np.full(60, FASTER))
        np.testing.assert_array_equal(info["cost"]["crash"], info["crashed"])
        assert (rewards[terminated] < -8).all()
        crashes += int(terminated.sum())
    assert crashes > 10


def test_off_the_road_nothing_is_paid_and_a_route_ends() -> None:
    off = always(0.0, 0.4)
    for reward in REWARDS:
        world = RestartingWorld(Merge(1, reward=reward, cost=True, action="Continuous", policy_frequency=5))
        world.reset(seed=0)
        for step in range(40):
            _, rewards, terminated, _, info = world.step(off(step, world))
            if info["cost"]["off_road"][0]:
                assert rewards[0] <= 0 and bool(terminated[0]) == (reward == "route" or info["crashed"][0])
                break
        else:
            pytest.fail("it never left the road")


def test_the_route_reward_is_completion_times_factors_plus_the_end() -> None:
    world = Highway(50, reward="route", vehicles_count=20, route_ttc=4.0)
    world.reset(seed=1)
    halved = 0
    for _ in range(12):
        before = world.get_state()["traffic"][:, traffic.X, 0]
        _, rewards, terminated, truncated, info = world.step(np.full(50, FASTER))
        terms = [info["rewards"][name] for name in ROUTE_TERMS]
        np.testing.assert_allclose(rewards, np.prod(terms[:4], axis=0) + terms[4])
        stepped = ~(terminated | truncated) & (world.get_state()["elapsed"] > 1)
        metres = world.get_state()["traffic"][:, traffic.X, 0] - before
        np.testing.assert_allclose(terms[0][stepped], 100 * metres[stepped] / (30 * 40), atol=1e-9)
        halved += int((terms[2] == 0.5).sum())
    assert halved > 5


def test_speeding_and_braking_hard_cost_their_factors() -> None:
    world = Merge(1, reward="route", action="Continuous", policy_frequency=5, progress_speed=20.0, route_overspeed=20.0)
    world.reset(seed=0)  # 30 m/s where 20 are allowed
    _, _, _, _, info = world.step(np.zeros((1, 2), np.float32))
    assert info["rewards"]["speeding_factor"][0] == pytest.approx(0.5)
    assert info["rewards"]["comfort_factor"][0] == 1
    harsh = Merge(1, reward="route", action="Continuous", policy_frequency=5, route_acceleration=4.0)
    harsh.reset(seed=0)
    _, _, _, _, info = harsh.step(np.array([[-1.0, 0.0]], np.float32))
    assert info["rewards"]["comfort_factor"][0] == 0.5


def test_the_headway_cost_is_that_of_the_leader() -> None:
    world = Highway(40, cost=True, risk=True, cost_headway=2.0, vehicles_count=20, vehicles_density=1.5)
    world.reset(seed=0)
    told = 0
    for _ in range(6):
        _, _, _, _, info = world.step(np.full(40, IDLE))
        gap = info["risk"]["slots"][:, 1, 0]
        headway = (gap + 5) / (ego(world, traffic.SPEED) * np.cos(ego(world, traffic.HEADING)))
        clear = (np.abs(headway - 2) > 1e-3) & (gap > 0)
        np.testing.assert_array_equal(info["cost"]["headway"][clear] == 1, headway[clear] < 2)
        told += int(info["cost"]["headway"].sum())
    assert told > 20


# The usual reward


@pytest.mark.parametrize("weights", [{"high_speed_reward": -1.1}, {"collision_reward": 0.5}, {"collision_reward": 9}])
def test_a_normalised_reward_needs_a_crash_to_be_worse_than_the_best(weights):
    with pytest.raises(ValueError, match=r"^collision_reward=.* must be below high_speed_reward \+ right_lane_reward"):
        Highway(1, **weights)
    Highway(1, normalize_reward=False, **weights)
