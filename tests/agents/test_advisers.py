"""Advisers that need no model: that they keep the protocol, know the future or do not, and are as wrong as is asked."""

import numpy as np
import pytest
from gymnasium import make_vec
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.advisers import Degraded, Driven, Marginal, Planned, Shuffled, drawn
from foveal.agents.drivers import make_driver
from foveal.envs.advice import ADVICE, Advice, Advised

LEFT_TURN, HIGHWAY = "foveal/LeftTurn-v0", "foveal/HighwayFast-v0"
DENSE = {"oncoming_density": 20.0}


def advised(adviser, world=LEFT_TURN, rows=6, seed=3, steps=0, **params):
    env = Advised(make_vec(world, num_envs=rows, **params), adviser)
    observations, _ = env.reset(seed=seed)
    seen = [observations[ADVICE]]
    for _ in range(steps):
        observations, *_ = env.step(seen[-1][:, :-3].argmax(1))
        seen.append(observations[ADVICE])
    return env, np.stack(seen)


def test_all_are_distributions_of_full_confidence():
    for adviser in (Planned(horizon=3), Driven("gap-acceptance"), Marginal(), Marginal([1, 2, 3], sure=True)):
        _, told = advised(adviser, steps=2)
        assert told.dtype == np.float32 and told.shape == (3, 6, 6)
        np.testing.assert_allclose(told[..., :3].sum(-1), 1, rtol=1e-6)
        assert (told[..., 3] == 1).all() and (told[..., 4] == 0).all() and (told[..., 5] == 1).all()


def test_the_planner_gets_through_where_going_on_crashes():
    def ends(choose, rows=24):
        env = make_vec(LEFT_TURN, num_envs=rows, **DENSE)
        observations, infos = env.reset(seed=11)
        done, crashed = np.zeros(rows, bool), np.zeros(rows, bool)
        while not done.all():
            observations, _, terminated, truncated, infos = env.step(choose(env, observations, infos))
            crashed |= ~done & terminated & infos["crashed"]
            done |= terminated | truncated
        return crashed.mean()

    planner = Planned(horizon=6)
    planned = ends(lambda env, seen, infos: planner.advise(env, seen, infos, None).probabilities.argmax(1))
    assert planned < 0.05 and ends(lambda env, seen, infos: np.full(env.num_envs, 2)) > 0.25


def test_the_planners_advice_is_worth_what_it_says():
    """An action's gain is the return of some way that begins with it: played, the best is what is found."""
    env = make_vec(LEFT_TURN, num_envs=3, **DENSE)
    env.reset(seed=5)
    for _ in range(2):
        env.step(np.zeros(3, int))
    planner = Planned(horizon=4, gamma=0.9)
    gains = planner.gains(env, env.get_state())
    state, best = env.get_state(), np.full((3, 3), -np.inf)
    for first in range(3):
        for second in range(3):
            env.set_state(state)
            total, alive = np.zeros(3), np.ones(3, bool)
            for step in range(4):
                _, rewards, terminated, truncated, _ = env.step(np.full(3, second if step else first))
                total += np.where(alive, 0.9**step * rewards, 0)
                alive &= ~(terminated | truncated)
            best[:, first] = np.maximum(best[:, first], total)
    np.testing.assert_allclose(gains, best)


def test_a_planner_leaves_the_world_alone_and_its_rows_do_not_matter():
    whole, told = advised(Planned(horizon=3), rows=5, steps=3, risk=True)
    before = whole.get_state()
    whole.adviser.advise(whole.env, None, {}, np.zeros(5, bool))
    for name, array in whole.get_state().items():
        np.testing.assert_array_equal(array, before[name])
    _, few = advised(Planned(horizon=3), rows=2, steps=3)
    np.testing.assert_array_equal(told[:, :2], few)


def test_a_planner_advises_on_a_share_of_the_scenes():
    _, told = advised(Planned(horizon=1, share=0.3), HIGHWAY, rows=40, steps=10)
    assert 0.2 < told[..., -1].mean() < 0.4
    silent = told[told[..., -1] == 0]
    np.testing.assert_array_equal(silent, np.broadcast_to(Advice.none(1, 5).packed(), silent.shape))


def test_a_driver_is_followed():
    env, told = advised(Driven("idm-mobil"), HIGHWAY, steps=0)
    driver = make_driver("idm-mobil", env.env)
    observations, *_ = env.step(told[0][:, :5].argmax(1))
    np.testing.assert_array_equal(observations[ADVICE][:, :5].argmax(1), driver(observations["observation"]))


def test_a_marginal_draws_as_often_as_it_says():
    _, told = advised(Marginal([1, 0, 3], sure=True), rows=50, steps=19)
    shares = np.bincount(told[..., :3].argmax(-1).ravel(), minlength=3) / 1000
    np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=0.05)
    _, even = advised(Marginal())
    np.testing.assert_allclose(even[..., :3], 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("kind", ["random", "worst"])
@pytest.mark.parametrize("accuracy", [0.0, 0.3, 1.0])
def test_degraded_advice_has_the_accuracy(kind, accuracy):
    plain = Marginal([0.1, 0.2, 0.3, 0.35, 0.05])
    _, told = advised(Degraded(plain, accuracy, kind=kind), HIGHWAY, rows=200, steps=9)
    chosen = told[..., :5].argmax(-1)
    assert (chosen == 3).mean() == pytest.approx(accuracy, abs=0.06)
    if kind == "worst":
        assert set(np.unique(chosen)) <= {3, 4}
    elif accuracy < 1:
        assert set(np.unique(chosen)) >= {0, 1, 2, 4}
    np.testing.assert_allclose(np.sort(told[..., :5], -1), np.broadcast_to([0.05, 0.1, 0.2, 0.3, 0.35], (10, 200, 5)))


def test_shuffled_advice_is_the_row_befores():
    _, told = advised(Shuffled(Driven("idm-mobil")), HIGHWAY, rows=8)
    _, plain = advised(Driven("idm-mobil"), HIGHWAY, rows=8)
    np.testing.assert_array_equal(told[0, 1:], plain[0, :-1])
    np.testing.assert_array_equal(told[0, 0], plain[0, -1])


def test_errors_come_in_runs():
    adviser = Degraded(Marginal([1, 0, 0, 0, 0]), 0.5, run=4)
    env = make_vec(HIGHWAY, num_envs=100)
    env.reset(seed=0)
    wrong = []
    for _ in range(8):
        wrong.append(adviser.advise(env, None, {}, None).probabilities.argmax(1) != 0)
        env.step(np.full(100, 4))
    wrong = np.stack(wrong)  # all in their first episode: braking from the start
    alive = env.moments[:, 2] == 8
    assert alive.sum() > 50
    assert (wrong[:4, alive] == wrong[0, alive]).all() and (wrong[4:, alive] == wrong[4, alive]).all()
    assert (wrong[0, alive] != wrong[4, alive]).mean() > 0.3


def test_a_degraded_adviser_tells_what_the_other_counts():
    class Counts(Marginal):
        def counters(self):
            return {"asked": 3.0}

    assert Degraded(Counts(), 1.0).counters() == {"asked": 3.0} and Degraded(Marginal(), 1.0).counters() == {}


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, 2**62)] * 3), min_size=1, max_size=20), st.sampled_from(["wrong", "other"]))
def test_draws_hang_on_the_moment_alone(moments, what):
    array = np.array(moments, np.int64)
    numbers = drawn(array, what)
    assert ((numbers >= 0) & (numbers < 1)).all()
    np.testing.assert_array_equal(numbers, [drawn(array[k : k + 1], what)[0] for k in range(len(array))])


def test_draws_are_even_and_unrelated():
    moments = np.stack(np.meshgrid(np.arange(20), np.arange(20), np.arange(20)), -1).reshape(-1, 3)
    one, other = drawn(moments, "wrong"), drawn(moments, "other")
    assert abs(np.histogram(one, 10, (0, 1))[0] / 800 - 1).max() < 0.15
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05 and abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Planned(horizon=0), "horizon=0"),
        (lambda: Planned(share=1.5), "share=1.5"),
        (lambda: Marginal([-1, 2]), "at least 0 and add up"),
        (lambda: Degraded(Marginal(), 1.1), "accuracy=1.1"),
        (lambda: Degraded(Marginal(), 1.0, kind="evil"), "kind='evil': must be one of 'random', 'worst'"),
        (lambda: advised(Marginal([1, 1])), "2 probabilities, but the world has 3 actions"),
        (lambda: advised(Driven("idm-mobi")), "did you mean 'idm-mobil'"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
