"""Guidance: its losses by the definitions, its effects on a learner in the corridor, and that a run resumes."""

import dataclasses
import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import make_vec
from hypothesis import given
from hypothesis import strategies as st

from foveal.agents.agent import load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.guidance import (
    LEAST,
    LEAST_TRUST,
    PRESETS,
    Guidance,
    Said,
    evidence,
    imitation_loss,
    log_prior,
    pulls,
    said_in,
    shaping,
    trust_after,
    weight_after,
)
from foveal.agents.metrics import read_metrics
from foveal.agents.ppo import PPO
from foveal.agents.runs import Run
from foveal.agents.training import train
from foveal.envs.advice import ADVICE, OBSERVATION, Advice, Advised
from foveal.envs.batch import EVALUATION_SEEDS

CORRIDOR = "test/Corridor-v0"
LEFT, RIGHT = 0, 1


class Always:
    """Advises one action, in some rows only."""

    def __init__(self, action, confidence=1.0, rows=slice(None)):
        self.action, self.confidence, self.rows, self.asked = action, confidence, rows, 0

    def advise(self, env, observations, infos, starts):
        self.asked += 1
        advice = Advice.none(env.num_envs, 2)
        advice.probabilities[self.rows] = np.eye(2)[self.action]
        advice.confidence[self.rows], advice.valid[self.rows] = self.confidence, True
        return advice

    def counters(self):
        return {"asked": self.asked}


def guided(small, **changes):
    return dataclasses.replace(small, **{"imitation_coef": 1.0, "imitation_coef_end": 1.0, **changes})


def learner_of(config, adviser):
    return PPO(config, Advised(make_vec(config.env_id, config.num_envs, **config.env_params), adviser))


def minibatch_of(learner):
    rollout, _ = learner.collector.collect(learner.policy, learner.generator)
    advantages = rollout.advantages(0.9, 0.9)
    return rollout, advantages, next(rollout.minibatches(advantages, 1, torch.Generator().manual_seed(0)))


# What is said


def test_a_guide_is_advice_without_doubt():
    perceived = {"guide": torch.tensor([3, 1])}
    said = said_in(perceived, 3, start=1)
    assert said.probabilities.tolist() == [[0, 0, 1], [1, 0, 0]] and said.weights.tolist() == [1, 1]
    packed = Advice(said.probabilities.numpy(), np.ones(2), np.zeros(2), np.ones(2)).packed()
    same = said_in({ADVICE: torch.tensor(packed)}, 3, start=1)
    assert torch.equal(same.probabilities, said.probabilities) and torch.equal(same.weights, said.weights)
    with pytest.raises(RunError, match=r"imitation needs a world that observes a guide .* or that an adviser"):
        said_in(torch.zeros(2, 3), 3)


def test_imitation_is_the_weighted_divergence(small):
    advice = Always(RIGHT, 0.25, slice(0, 8))
    learner = learner_of(guided(small), advice)
    _, _, minibatch = minibatch_of(learner)
    output = learner.policy(minibatch.perceived)
    told = minibatch.places % 16 < 8
    expected = -(0.25 * output.distribution.logits[:, RIGHT] * told).mean()  # KL of a sure adviser
    torch.testing.assert_close(imitation_loss(minibatch, output), expected)


def test_the_derivative_of_the_divergence_is_minus_the_pull(small):
    probabilities, logits = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.3, -1.0, 0.5]], requires_grad=True)
    log_probs = logits.log_softmax(-1)
    divergence = (torch.xlogy(probabilities, probabilities) - probabilities * log_probs).sum()
    (gradient,) = torch.autograd.grad(divergence, logits)
    for action in range(3):
        pull = pulls(Said(probabilities, torch.ones(1)), torch.tensor([action]), log_probs.detach()[:, action])
        torch.testing.assert_close(pull, -gradient[:, action])


def test_the_gate_leaves_out_what_the_outcome_speaks_against(small):
    learner = learner_of(guided(small), Always(RIGHT))
    _, _, minibatch = minibatch_of(learner)
    output = learner.policy(minibatch.perceived)
    well = torch.where(minibatch.actions == RIGHT, 1.0, -1.0)  # going right turns out well
    whole = imitation_loss(minibatch, output)
    assert imitation_loss(minibatch._replace(advantages=well), output, gate=True) == whole
    assert imitation_loss(minibatch._replace(advantages=-well), output, gate=True) == 0
    own = minibatch._replace(advantages=-well, own=torch.zeros_like(minibatch.own))  # what an adviser did tells nothing
    assert imitation_loss(own, output, gate=True) == whole


def test_a_prior_multiplies(small):
    learner = learner_of(guided(small), Always(RIGHT, 0.5))
    seen = learner.collector.observations
    before = learner.policy(seen).distribution.logits.exp()
    learner.policy.prior = 2.0
    after = learner.policy(seen).distribution.logits.exp()
    expected = before * torch.tensor([LEAST, 1 + LEAST])  # to the power 2 * 0.5
    torch.testing.assert_close(after, expected / expected.sum(-1, keepdim=True))
    silent = log_prior(Said(torch.full((3, 2), 0.5), torch.zeros(3)))
    assert (silent == 0).all()


def test_shaping_adds_nothing_to_an_episode_but_its_last_potential(small):
    """γ^k-weighted over an episode, γΦ' - Φ telescopes: to 0 where it terminates, to γ^T Φ(T) elsewhere."""
    gamma, coef = 0.9, 3.0
    learner = learner_of(dataclasses.replace(small, rollout_steps=40, env_params={"limit": 9}), Always(RIGHT))
    rollout, _, _ = minibatch_of(learner)
    added = shaping(rollout, gamma, coef, 2)
    whole = 0
    for row in range(16):
        begin = 0
        for t in range(40):
            if not (rollout.terminated[t, row] or rollout.truncated[t, row]):
                continue
            steps = torch.arange(begin, t + 1)[rollout.valid[begin : t + 1, row]]
            total = sum(gamma**k * added[step, row].item() for k, step in enumerate(steps))
            last = 0.0 if rollout.terminated[t, row] else coef * (rollout.actions[t, row] == RIGHT).item()
            assert total == pytest.approx(gamma ** len(steps) * last, abs=1e-5)
            begin, whole = t + 1, whole + 1
    assert whole > 20 and added.abs().max() > 1


# Trust


@given(st.floats(0.01, 1), st.floats(-100, 100), st.floats(0.01, 2))
def test_trust_stays_in_bounds_and_goes_where_the_evidence_points(trust, found, rate):
    after = trust_after(trust, found, rate)
    assert LEAST_TRUST <= after <= 1
    assert after >= trust if found >= -1 else after <= trust
    assert after <= trust or found > 1


@given(st.floats(1e-3, 1e3), st.floats(0, 10), st.floats(0.01, 1))
def test_a_weight_is_steered_to_the_target(weight, divergence, target):
    after = weight_after(weight, divergence, target)
    assert 1e-3 <= after <= 1e3
    assert after >= weight if divergence >= target else after <= weight


def test_evidence_tells_good_advice_from_bad(small):
    for action, sign in ((RIGHT, 1), (LEFT, -1)):
        rollout, _, _ = minibatch_of(learner_of(small, Always(action)))
        well = torch.where(rollout.actions == RIGHT, 1.0, -1.0)  # going right turns out well
        assert sign * evidence(rollout, well, 2) > 5
    rollout.own[:] = 0  # what the adviser did tells nothing
    assert evidence(rollout, well, 2) == 0


def test_bad_advice_loses_its_weight(small):
    """To the left is where the return is 0.2, to the right where it is 1."""
    sizes = {"num_envs": 64, "rollout_steps": 16, "total_steps": 64 * 16 * 40, "learning_rate": 0.005}
    config = guided(small, imitation_coef=0.3, imitation_coef_end=0.3, **sizes)
    adaptive, fixed = (
        [learner.learn() for _ in range(20)][-1]
        for learner in (learner_of(dataclasses.replace(config, trust_rate=rate), Always(LEFT)) for rate in (0.3, 0.0))
    )
    assert adaptive["trust"] < 0.05 and fixed["trust"] == 1
    assert adaptive["advice_followed"] < 0.6 < 0.8 < fixed["advice_followed"]


def test_a_target_divergence_is_approached(small):
    config = guided(small, imitation_target_kl=0.2, imitation_coef=0.01, imitation_coef_end=0.01)
    learner = learner_of(dataclasses.replace(config, total_steps=16 * 8 * 40), Always(LEFT))
    measured = [learner.learn() for _ in range(40)]
    weights = [row["trust"] for row in measured]
    assert max(weights) > 10  # so little weight was not enough against the reward
    late = [row["imitation_loss"] / (0.01 * row["trust"]) for row in measured[-5:]]
    assert 0.05 < np.mean(late) < 0.8


# Schedules


def test_coefficients_go_from_start_to_end(small):
    config = guided(small, imitation_coef=10.0, imitation_coef_end=0.1, guidance_part=0.5)  # of 12 updates
    linear, exponential = (
        [
            Guidance(dataclasses.replace(config, guidance_decay=decay)).coefficients(k)["imitation_coef"]
            for k in range(8)
        ]
        for decay in ("linear", "exponential")
    )
    assert linear[:3] == pytest.approx([10, 8.35, 6.7]) and linear[6:] == [0, 0]
    assert exponential[3] == pytest.approx(1.0) and exponential[6:] == [0, 0]
    half = Guidance(config)
    half.trust = 0.5
    assert half.coefficients(0)["imitation_coef"] == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"guidance_decay": "cubic"}, "guidance_decay='cubic': must be one of 'linear', 'exponential'"),
        ({"imitation_coef": 1.0, "guidance_decay": "exponential"}, "imitation_coef_end=0.0: both must be positive"),
        ({"guidance_part": 0.0}, r"guidance_part=0.0: must be in \[0.001, 1\]"),
        ({"trust_rate": 1.0, "imitation_target_kl": 1.0}, "choose one"),
    ],
)
def test_configurations_refuse(values, message):
    with pytest.raises(ValueError, match=message):
        PPOConfig(**values)


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_configurations(name):
    assert PPOConfig(**PRESETS[name]).imitation_coef > 0


# Learning


@pytest.mark.parametrize("way", ["imitation", "prior", "guided_share"])
def test_advice_against_the_reward_is_followed(way, small):
    """Which it would not be without guidance: right is where the reward is."""
    name, coef = {
        "imitation": ("imitation_coef", 10.0),
        "prior": ("prior_coef", 3.0),
        "guided_share": ("guided_share", 1.0),
    }[way]
    learner = learner_of(dataclasses.replace(small, **{name: coef, f"{name}_end": coef}), Always(LEFT))
    measured = [learner.learn() for _ in range(6)]
    actions = learner.collector.rollout.actions[learner.collector.rollout.valid]
    assert (actions == LEFT).float().mean() > 0.7
    if way != "guided_share":
        assert measured[-1]["advice_followed"] > 0.7
    else:
        assert measured[-1]["advice_followed"] is None and measured[-1]["episodes"] == 0


def test_rows_without_advice_are_the_policys_own(small):
    learner = learner_of(guided(small), Always(LEFT, rows=slice(0, 4)))
    rollout, _ = learner.collector.collect(learner.policy, learner.generator, guided=8)
    assert (rollout.own[:, :4] == 0).all() and (rollout.own[:, 4:] == 1).all()
    assert (rollout.actions[:, :4] == LEFT).all() and (rollout.actions[:, 4:] == RIGHT).any()


def test_advice_that_is_only_heard_changes_nothing_of_another_network(small, tmp_path):
    """The same bits as without an adviser, where the network does not hear and no coefficient is set."""
    plain = Run(train(small, tmp_path / "plain", progress=False)).load().arrays
    told = Run(train(small, tmp_path / "told", progress=False, adviser=Always(LEFT))).load().arrays
    for name, array in plain.items():
        if name != "observations":
            np.testing.assert_array_equal(told[name], array, err_msg=name)
    np.testing.assert_array_equal(told[f"observations/{OBSERVATION}"], plain["observations"])


@pytest.mark.parametrize("network", ["mlp", "tell_drive"])
def test_a_run_with_an_adviser_resumes_bit_for_bit_and_plays_alone(network, small, tmp_path):
    options = {"network": network, "network_options": {"width": 16}, "guidance_part": 0.6, "trust_rate": 0.1}
    config = guided(small, **options, shaping_coef=0.5, prior_coef=1.0)
    train(config, tmp_path / "unbroken", progress=False, adviser=Always(RIGHT))
    broken = dataclasses.replace(config, max_seconds=0.0)
    train(broken, tmp_path / "broken", progress=False, adviser=Always(RIGHT))
    for _ in range(config.updates - 1):
        train(broken, tmp_path / "broken", progress=False, adviser=Always(RIGHT), resume=True)
    ours, theirs = (Run(tmp_path / name).load().arrays for name in ("unbroken", "broken"))
    assert ours.keys() == theirs.keys() and "trust" in ours
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    rows = read_metrics(tmp_path / "unbroken/metrics.csv")
    assert [row["advice_share"] == "1" for row in rows] == [True] * 8 + [False] * 4  # silent after 0.6 of 12 updates
    assert float(rows[-1]["adviser_asked"]) < 16 * 8
    assert bool(rows[0]["teacher_attention"]) == (network == "tell_drive") and rows[-1]["teacher_attention"] == ""
    agent, env = load_agent(tmp_path / "unbroken"), make_vec(CORRIDOR, 5)
    observations, _ = env.reset(seed=EVALUATION_SEEDS)
    actions, told = agent(observations)
    assert env.action_space.contains(actions) and math.isfinite(told["value"].sum())


def test_an_agent_plays_with_a_teacher_too(small, tmp_path):
    config = guided(small, network="tell_drive", network_options={"width": 16})
    agent = load_agent(train(config, tmp_path / "run", progress=False, adviser=Always(RIGHT)))
    env = Advised(gym.make_vec(CORRIDOR, 4), Always(RIGHT))
    observations, _ = env.reset(seed=EVALUATION_SEEDS)
    actions, told = agent(observations)
    assert actions.shape == (4,) and told["attention"].shape == (4, 2, 3)
    alone = agent(observations[OBSERVATION])[1]["attention"]
    assert not np.array_equal(alone, told["attention"])
    np.testing.assert_allclose(told["attention"].sum(2).mean(1) + told["teacher"], 1, atol=1e-5)
