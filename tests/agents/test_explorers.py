"""Agents of object navigation without learning: what they find, and what they need."""

import gymnasium
import numpy as np
import pytest

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.drivers import EXPLORERS, make_driver
from foveal.agents.evaluation import evaluate
from foveal.agents.explorers import Frontier
from foveal.agents.priors import PRIORS, load_prior
from foveal.envs.objectnav.params import HABITAT_2022
from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.objectnav.whereabouts import Whereabouts

ROOMS = {"scenes": "ithor", "split": "val", "houses": 4, "rgb": False, "semantic": True, "gps_compass": True}


def found(name, episodes=24, **params):
    return evaluate("foveal/ObjectNav-v0", name, episodes=episodes, seed=0, **{**ROOMS, **params}).per_episode


def test_the_oracle_always_succeeds_by_the_expert_s_way():
    told = found("oracle", expert=True)
    assert told["success"].all() and told["sel"].min() == 1
    assert (told["spl"] > 0.4).all() and told["collisions"].sum() == 0


def test_who_ends_where_that_succeeds_is_no_worse_than_who_ends_by_its_own_rule():
    for name in ("random", "bounce"):
        own, oracle = found(name)["success"].mean(), found(f"{name}-oracle-stop")["success"].mean()
        assert own <= oracle > 0.3
        assert own < oracle or name == "bounce"  # which ends where it sees the goal near enough


def test_the_frontier_explorer_looks_through_a_house_and_goes_to_what_it_sees():
    far = {"scenes": "procedural", "split": "train", "houses": 1, "rooms": 4, "start_distances": (4.0, 1000.0)}
    told, bounced = (found(name, 16, **far) for name in ("frontier", "bounce-oracle-stop"))
    assert told["success"].mean() >= 0.75 > 0.5 > bounced["success"].mean()
    assert told["spl"].mean() > 0.3 and told["collisions"].mean() < 25


def test_the_frontier_explorer_faces_a_goal_beside_it():
    """Starts within two metres in small rooms: some turns and looks, no search."""
    told = found("frontier", 16, start_distances=(0.0, 2.0))
    assert told["success"].mean() >= 0.8 and np.median(told["length"]) <= 20


def test_a_prior_draws_to_what_promises_the_goal():
    env = gymnasium.make_vec("foveal/ObjectNav-v0", num_envs=4, **ROOMS)
    (observations, _), goals = env.reset(seed=3), env.params.categories
    nothing = Whereabouts(goals, np.zeros((len(goals), len(TYPES))), "nothing")
    drawn, plain = Frontier(env, 0, prior=nothing), Frontier(env, 0)
    for _ in range(20):
        actions = plain(observations)
        np.testing.assert_array_equal(drawn(observations), actions)
        observations, *_ = env.step(actions)
    weights = np.zeros((len(goals), len(TYPES)), np.float32)
    weights[:, type_id("Wall")] = 0.5
    walls = Frontier(env, 0, prior=Whereabouts(goals, weights, "walls"))
    observations, _ = env.reset(seed=4)
    walls(observations)
    assert (observations["semantic"] == type_id("Wall")).any((1, 2)).all()
    assert set(np.unique(walls.promised).tolist()) == {0.0, 0.5} and (walls.promised > 0).any((1, 2)).all()
    row = int(np.flatnonzero(~walls.goals.any((1, 2)))[0])
    nearer = walls._promise(row)
    assert nearer.max() == 0.5 * Frontier.PROMISE_M / Frontier.CELL_M
    assert (nearer > 0).sum() > (walls.promised[row] > 0).sum()  # what is beside it too


def test_the_priors_that_come_along_know_of_all_goals():
    for name in PRIORS:
        found = load_prior(name)
        assert found.goals == HABITAT_2022 and (found.weights.max(1) == 1).all() and found.source
    assert load_prior("counts").of(["Mug"])[0, type_id("Bed")] < load_prior("counts").of(["Mug"])[0, type_id("Cabinet")]
    with pytest.raises(ValueError, match="unknown prior 'count'; did you mean 'counts'"):
        load_prior("count")


@pytest.mark.parametrize("name", EXPLORERS)
def test_actions_are_in_the_action_space(name):
    env = gymnasium.make_vec("foveal/ObjectNav-v0", num_envs=3, **ROOMS)
    driver, (observations, _) = make_driver(name, env), env.reset(seed=1)
    for _ in range(12):
        actions = driver(observations)
        assert env.action_space.contains(np.asarray(actions))
        observations, *_ = env.step(actions)


def test_other_worlds_and_missing_observations_are_refused():
    with pytest.raises(ValueError, match="'bounce' needs a world of object navigation"):
        make_driver("bounce", gymnasium.make_vec("foveal/HighwayFast-v0", num_envs=1))
    blind = gymnasium.make_vec("foveal/ObjectNav-v0", num_envs=1, **{**ROOMS, "semantic": False})
    with pytest.raises(ValueError, match="'bounce' needs the observation 'semantic'"):
        make_driver("bounce", blind)
    make_driver("bounce-oracle-stop", blind)
