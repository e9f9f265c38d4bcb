import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import make_vec

from foveal.agents.distributions import Categorical
from foveal.agents.policies import PolicyOutput
from foveal.agents.rollouts import Collector

CORRIDOR = "test/Corridor-v0"


class Scripted:
    """A policy whose actions and values are fixed, irregular functions of the observation."""

    def perceive(self, observations):
        return observations

    def __call__(self, observations, sequences):
        logits = torch.where(self.right(observations)[:, None] == torch.arange(2), 0.0, -torch.inf)
        return PolicyOutput(Categorical(logits), self.values(observations), observations, sequences.state)

    def right(self, observations):
        ego = observations[:, 0].double()
        return (torch.sin(31 * ego[:, 1] + 57 * ego[:, 2] + 91 * ego[:, 3]) > 0).long()

    def values(self, observations, sequences=None):
        ego = observations[:, 0].double()
        return torch.cos(3 * ego[:, 1] + 5 * ego[:, 2] + 7 * ego[:, 3]).float()


def slow_episodes(seed, steps, limit):
    """What a row does in its first `steps` transitions: (observation, action, reward, terminated, truncated, next)."""
    policy, env = Scripted(), make_vec(CORRIDOR, 1, autoreset_mode="disabled", limit=limit)
    observation, _ = env.reset(seed=seed)
    transitions = []
    while len(transitions) < steps:
        action = policy.right(torch.tensor(observation)).numpy()
        after, reward, terminated, truncated, _ = env.step(action)
        transitions.append((observation, action[0], reward[0], terminated[0], truncated[0], after))
        observation = env.reset()[0] if terminated[0] or truncated[0] else after
    return transitions


def slow_advantages(transitions, gamma, gae_lambda):
    """The definition, as a sum forwards from each transition to where its episode ends or the data do."""
    policy = Scripted()
    deltas = []
    for observation, _, reward, terminated, _, after in transitions:
        value, following = (policy.values(torch.tensor(o)).double().item() for o in (observation, after))
        deltas.append(reward + (0.0 if terminated else gamma * following) - value)
    advantages = []
    for t in range(len(transitions)):
        total, weight = 0.0, 1.0
        for delta, (_, _, _, terminated, truncated, _) in zip(deltas[t:], transitions[t:], strict=True):
            total += weight * delta
            weight *= gamma * gae_lambda
            if terminated or truncated:
                break
        advantages.append(total)
    return advantages


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize("copy", [True, False])
def test_gae_is_the_slow_loops_in_every_autoreset_mode(mode, copy):
    gamma, gae_lambda, steps, limit = 0.9, 0.8, 37, 5
    env = make_vec(CORRIDOR, 9, autoreset_mode=mode, copy=copy, limit=limit)
    rollout, told = Collector(env, steps, seed=5).collect(Scripted(), torch.Generator())
    advantages = rollout.advantages(gamma, gae_lambda)
    episodes, returns = 0, 0.0
    for row in range(9):
        valid = rollout.valid[:, row]
        transitions = slow_episodes(5 + row, int(valid.sum()), limit)
        seen, actions, rewards, terminated, truncated, _ = zip(*transitions, strict=True)
        np.testing.assert_array_equal(rollout.perceived[valid, row], np.concatenate(seen))
        np.testing.assert_array_equal(rollout.actions[valid, row], actions)
        np.testing.assert_allclose(rollout.rewards[valid, row], rewards)
        np.testing.assert_array_equal(rollout.terminated[valid, row], terminated)
        np.testing.assert_array_equal(rollout.truncated[valid, row], truncated)
        expected = slow_advantages(transitions, gamma, gae_lambda)
        np.testing.assert_allclose(advantages[valid, row], expected, rtol=1e-4, atol=1e-5)
        assert any(terminated)
        assert any(truncated)
        resets = sum(terminated[:-1]) + sum(truncated[:-1])
        ended_last = terminated[-1] or truncated[-1]
        if mode == "next_step":
            assert steps - len(transitions) in (resets, resets + ended_last)
        else:
            assert len(transitions) == steps
        episodes += resets + ended_last
        returns += sum(r for r, ended in zip(rewards, terminated, strict=True) if ended)
    assert told["episodes"] == episodes
    assert told["return_mean"] == pytest.approx(returns / episodes)


def test_rollouts_go_on_where_the_last_one_ended():
    env = [make_vec(CORRIDOR, 4, limit=5) for _ in range(2)]
    long, _ = Collector(env[0], 30, seed=0).collect(Scripted(), torch.Generator())
    short = Collector(env[1], 15, seed=0)
    for half in (slice(0, 15), slice(15, 30)):
        part, _ = short.collect(Scripted(), torch.Generator())
        for field in dataclasses.fields(part):
            if field.name == "state":  # of the first step, and empty
                continue
            ours, theirs = getattr(part, field.name), getattr(long, field.name)[half]
            assert torch.equal(ours, theirs), field.name


def test_autoresets_are_in_no_minibatch():
    env = make_vec(CORRIDOR, 8, limit=3)
    rollout, _ = Collector(env, 20, seed=0).collect(Scripted(), torch.Generator())
    advantages = rollout.advantages(0.9, 0.9)
    parts = list(rollout.minibatches(advantages, 3, torch.Generator().manual_seed(0)))
    places = torch.cat([part.places for part in parts])
    assert len(parts) == 3
    assert torch.equal(places.sort().values, rollout.valid.flatten().nonzero()[:, 0])
    assert not rollout.valid.all()
    for part in parts:
        assert torch.equal(part.perceived, rollout.perceived.flatten(0, 1)[part.places])
        assert torch.equal(part.returns, (advantages + rollout.values).flatten()[part.places])
        torch.testing.assert_close(part.advantages.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
        torch.testing.assert_close(part.advantages.std(correction=0), torch.tensor(1.0))
