import dataclasses
import itertools

import numpy as np
import pytest
import torch
from gymnasium import make_vec
from gymnasium.vector import AutoresetMode

from foveal.agents.distributions import Gaussian
from foveal.agents.ppo import PPO, value_loss

CORRIDOR = "test/Corridor-v0"
LEFT = 0


@pytest.mark.parametrize("network", ["mlp", "attention"])
def test_ratio_is_exactly_one_before_the_first_update(network, small):
    differences = []

    def look(minibatch, output):
        log_probs = output.distribution.log_prob(minibatch.actions)
        differences.append((log_probs - minibatch.log_probs).abs().max().item())
        return {}

    config = dataclasses.replace(small, network=network, network_options={}, num_envs=64)
    PPO(config, make_vec(CORRIDOR, 64), [look]).learn()
    assert differences[0] == 0.0
    assert min(differences[1:]) > 0.0


def test_every_minibatch_sees_the_weights_of_the_step_before(small):
    """In mixed precision too, where rounded weights must not outlive a step."""
    seen = []

    def look(minibatch, output):
        with torch.no_grad():
            seen.append(learner.policy(probe).distribution.logits.clone())
        return {}

    learner = PPO(dataclasses.replace(small, mixed_precision=True, learning_rate=0.1), make_vec(CORRIDOR, 16), [look])
    probe = learner.collector.observations.clone()
    learner.learn()
    assert len(seen) > 2 and all((one != other).any() for one, other in itertools.pairwise(seen))


def test_first_policy_gradient_is_the_plain_one(small):
    """Where the ratio is 1, PPO's gradient is that of the advantage-weighted log-likelihood."""
    learner = PPO(small, make_vec(CORRIDOR, 16))
    rollout, _ = learner.collector.collect(learner.policy, learner.generator)
    advantages = rollout.advantages(small.gamma, small.gae_lambda)
    minibatch = next(rollout.minibatches(advantages, 1, torch.Generator()))
    output = learner.policy(minibatch.perceived)
    chosen = output.distribution.logits[torch.arange(len(minibatch.places)), minibatch.actions]
    plain = torch.autograd.grad(-(chosen * minibatch.advantages).mean(), learner.policy.policy_head.weight)[0]
    free = dataclasses.replace(small, max_grad_norm=1e6, learning_rate=0.0)
    learner.config = free
    learner._improve(minibatch, entropy_coef=0.0)
    torch.testing.assert_close(learner.policy.policy_head.weight.grad, plain)


def test_value_loss():
    values, old, returns = torch.tensor([1.0, 1.0, 0.1]), torch.tensor([0.0, 0.9, 0.0]), torch.ones(3)
    assert value_loss(values, old, returns, clip=0).item() == pytest.approx((0 + 0 + 0.81) / 6)
    assert value_loss(values, old, returns, clip=0.2).item() == pytest.approx((0.64 + 0 + 0.81) / 6)


def test_schedules_run_to_their_ends(small):
    config = dataclasses.replace(small, learning_rate=0.01, learning_rate_end=0.001)
    learner = PPO(config, make_vec(CORRIDOR, 16))
    rates = [learner.learn()["learning_rate"] for _ in range(config.updates)]
    np.testing.assert_allclose(rates, 0.01 - 0.009 * np.arange(12) / 12)
    assert learner.step_count == config.total_steps


def test_extra_losses_are_learned_and_told(small):
    """A pull towards always going left beats the reward where it is strong."""

    def pull(minibatch, output):
        return {"pull": -10 * output.distribution.logits[:, LEFT].mean()}

    config = dataclasses.replace(small, learning_rate=0.01)
    learner = PPO(config, make_vec(CORRIDOR, 16), [pull])
    metrics = [learner.learn() for _ in range(12)]
    assert metrics[-1]["pull"] < 0.1 * metrics[0]["pull"]
    distribution = learner.policy(learner.collector.observations).distribution
    assert (distribution.mode() == LEFT).all()


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_learns_in_gymnasiums_own_vector_environments(mode, env_id, small):
    env = make_vec(
        env_id,
        16,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        max_episode_steps=11,
    )
    learner = PPO(small, env)
    metrics = [learner.learn() for _ in range(3)]
    assert all(row["episodes"] for row in metrics[1:])
    assert max(row["length_mean"] for row in metrics[1:]) <= 11
    if env_id == "Pendulum-v1":
        assert isinstance(learner.policy(learner.collector.observations).distribution, Gaussian)
        assert metrics[1]["length_mean"] == 11
    env.close()
