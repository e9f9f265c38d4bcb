"""The clairvoyant planner: its plans come true, and with room for all branches they are the best there are."""

import itertools

import gymnasium
import numpy as np
import pytest

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.planner import Planner

FAST = "foveal/HighwayFast-v0"


def world(env_id=FAST, rows=1, **params):
    return gymnasium.make_vec(env_id, num_envs=rows, autoreset_mode="disabled", **params)


def play(env, actions):
    return [env.step(np.array([action]))[1:4] for action in actions]


@pytest.mark.parametrize("env_id", [FAST, "foveal/Merge-v0"])
def test_a_plan_comes_true(env_id):
    env = world(env_id)
    planner = Planner(env, branches=100)
    for seed in range(3):
        env.reset(seed=seed)
        before = env.get_state()
        plan = planner.plan(env)
        assert all(np.array_equal(before[name], array) for name, array in env.get_state().items())
        played = play(env, plan.actions)
        assert [float(rewards[0]) for rewards, _, _ in played] == plan.rewards.tolist()
        assert not any((terminated | truncated)[0] for _, terminated, truncated in played[:-1])
        assert (bool(played[-1][1][0]), bool(played[-1][2][0])) == (plan.terminated, plan.truncated)


def test_with_room_for_all_branches_it_is_the_best_of_all():
    horizon = 4
    env = world(vehicles_density=3.0)
    env.reset(seed=5)
    start = env.get_state()
    totals = []
    for actions in itertools.product(range(5), repeat=horizon):
        env.set_state(start)
        total = 0.0
        for action in actions:
            _, rewards, terminated, truncated, _ = env.step(np.array([action]))
            total += rewards[0]
            if terminated[0] or truncated[0]:
                break
        totals.append(total)
    env.set_state(start)
    plan = Planner(env, branches=5**horizon, twins=5**horizon).plan(env, horizon=horizon)
    assert plan.rewards.sum() == pytest.approx(max(totals), abs=1e-12)


def test_it_beats_the_driver_who_brakes():
    env = world()
    planner = Planner(env, branches=320)
    for seed in range(3):
        env.reset(seed=seed)
        planned = planner.plan(env).rewards.sum()
        env.reset(seed=seed)
        braking, ended = 0.0, False
        while not ended:
            _, rewards, terminated, truncated, _ = env.step(np.array([4]))
            braking, ended = braking + rewards[0], bool(terminated[0] | truncated[0])
        assert planned > braking + 2


def test_any_row_may_be_planned_for():
    env = world(rows=3)
    env.reset(seed=0)
    alone = world()
    alone.reset(seed=2)
    planner = Planner(env, branches=50)
    assert planner.plan(env, 2, horizon=5).actions.tolist() == planner.plan(alone, horizon=5).actions.tolist()


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(ValueError, match="discrete actions"):
        Planner(world("foveal/Merge-v0", action="Continuous"))
    with pytest.raises(ValueError, match="branches=4"):
        Planner(world(), branches=4)
