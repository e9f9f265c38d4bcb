"""Memories, and the sequences they learn from: nothing leaks, and stepping is what learning sees."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import make_vec, spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.agent import Agent, load_agent
from foveal.agents.evaluation import evaluate
from foveal.agents.memory import GRU, make_memory
from foveal.agents.ppo import PPO
from foveal.agents.rollouts import make_world
from foveal.agents.training import train
from foveal.envs.batch import BatchEnv
from foveal.envs.params import Params

CORRIDOR = "test/Corridor-v0"


@pytest.fixture(scope="module")
def recurrent(small):
    return dataclasses.replace(small, memory="gru", memory_options={"width": 8})


def sequence(rows, steps, seed=0, inputs=5):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, steps, inputs, generator=generator),
        torch.rand(rows, steps, generator=generator) < 0.3,
        torch.randn(rows, 4, generator=generator),
    )


@given(rows=st.integers(1, 5), steps=st.integers(1, 12), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_a_gru_is_torchs_between_resets(rows, steps, seed):
    torch.manual_seed(seed)
    ours, theirs = GRU(5, width=4), torch.nn.GRU(5, 4, batch_first=True)
    with torch.no_grad():
        for name, layer in (("ih", ours.input), ("hh", ours.recurrent)):
            getattr(theirs, f"weight_{name}_l0").copy_(layer.weight)
            getattr(theirs, f"bias_{name}_l0").copy_(layer.bias)
    features, starts, state = sequence(rows, steps, seed)
    outputs, last = ours(features, starts, state)
    for row in range(rows):
        hidden = state[None, row : row + 1]
        for t in range(steps):
            if starts[row, t]:
                hidden = torch.zeros_like(hidden)
            expected, hidden = theirs(features[row : row + 1, t : t + 1], hidden)
            torch.testing.assert_close(outputs[row, t], expected[0, 0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(last[row], hidden[0, 0], atol=1e-6, rtol=1e-5)


def test_no_gradient_passes_the_start_of_an_episode():
    torch.manual_seed(0)
    memory = make_memory("gru", 5, {"width": 4})
    features, _, state = sequence(2, 6)
    starts = torch.zeros(2, 6, dtype=torch.bool)
    starts[0, 3] = True
    features.requires_grad_()
    state.requires_grad_()
    outputs, _ = memory(features, starts, state)
    outputs[:, 3:].sum().backward()
    assert features.grad[0, :3].abs().max() == 0
    assert state.grad[0].abs().max() == 0
    assert features.grad[0, 3:].abs().min() > 0
    assert features.grad[1].abs().min() > 0
    assert state.grad[1].abs().min() > 0


def test_memories_refuse():
    with pytest.raises(ValueError, match="unknown memory 'gro'; did you mean 'gru'"):
        make_memory("gro", 5)
    with pytest.raises(ValueError, match="memory 'none' has no option 'width'; it takes none"):
        make_memory("none", 5, {"width": 3})
    with pytest.raises(ValueError, match=r"width=0: must be a whole number in \[1, 4096\]"):
        make_memory("gru", 5, {"width": 0})


def test_a_policy_with_memory_wants_sequences(recurrent):
    learner = PPO(recurrent, make_vec(CORRIDOR, 16))
    with pytest.raises(ValueError, match="a policy with a memory needs the sequences"):
        learner.policy(learner.collector.observations)


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_learning_sees_what_acting_saw(mode, recurrent):
    """The first minibatch's ratios are 1 and its values the old ones, across resets and from rollout to rollout."""
    told = []

    def look(minibatch, output):
        log_probs = output.distribution.log_prob(minibatch.actions)
        told.append(((log_probs - minibatch.log_probs).abs().max(), (output.values - minibatch.values).abs().max()))
        return {}

    config = dataclasses.replace(recurrent, minibatches=1, epochs=1, rollout_steps=23)
    learner = PPO(config, make_vec(CORRIDOR, 16, autoreset_mode=mode, limit=5), [look])
    for _ in range(3):
        learner.learn()
        assert learner.collector.rollout.starts.any()
    assert max(max(pair).item() for pair in told) < 1e-5


@pytest.mark.parametrize("mode", ["same_step", "disabled"])
def test_episodes_and_values_are_those_of_next_step(mode, recurrent):
    """Row by row, transition by transition, with memory: the autoreset mode changes nothing but where steps lie."""

    def transitions(mode):
        env = make_vec(CORRIDOR, 6, autoreset_mode=mode, limit=5)
        learner = PPO(dataclasses.replace(recurrent, num_envs=6, rollout_steps=40), env)
        with torch.no_grad():
            learner.policy.policy_head.weight.zero_()
            learner.policy.policy_head.bias.copy_(torch.tensor([-50.0, 50.0]))  # sampling draws differ between modes
        roll, _ = learner.collector.collect(learner.policy, learner.generator)
        names = ("values", "next_values", "rewards", "terminated", "truncated", "starts")
        return [[getattr(roll, name)[:, row][roll.valid[:, row]][:20] for name in names] for row in range(6)]

    for ours, theirs in zip(transitions(mode), transitions("next_step"), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_minibatches_are_whole_rows_without_autoresets(recurrent):
    learner = PPO(recurrent, make_vec(CORRIDOR, 16, limit=3))
    rollout, _ = learner.collector.collect(learner.policy, learner.generator)
    advantages = rollout.advantages(0.9, 0.9)
    parts = list(rollout.minibatches(advantages, 3, torch.Generator().manual_seed(0)))
    places = torch.cat([part.places for part in parts])
    assert torch.equal(places.sort().values, rollout.valid.flatten().nonzero()[:, 0])
    assert not rollout.valid.all()
    for part in parts:
        steps, rows = rollout.valid.shape
        share = part.places % rows
        assert torch.equal(part.sequences.state, rollout.state[share.unique_consecutive()])
        wanted = part.perceived[part.sequences.wanted.flatten()]
        assert torch.equal(wanted, rollout.perceived.flatten(0, 1)[part.places])
        assert torch.equal(part.returns, (advantages + rollout.values).flatten()[part.places])
        assert len(part.perceived) % steps == 0


def test_training_with_a_memory_resumes_bit_for_bit(recurrent, tmp_path):
    config = dataclasses.replace(recurrent, filter="codebook", filter_options={"codes": 8, "code_dim": 3})
    whole = train(config, tmp_path / "whole", progress=False)
    stopped = dataclasses.replace(config, max_seconds=0.0)
    train(stopped, tmp_path / "parts", progress=False)
    for _ in range(config.updates):
        train(stopped, tmp_path / "parts", resume=True, progress=False)
    ours, theirs = (load_agent(path).policy.state_dict() for path in (whole, tmp_path / "parts"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_agent_remembers_until_it_begins_anew(recurrent):
    world = make_world(CORRIDOR, 3, {})
    policy = recurrent.make_policy(world.single_observation_space, world.single_action_space)
    agent = Agent(policy, recurrent, world)
    observations, _ = world.reset(seed=0)
    first = agent(observations)[1]["value"]
    second = agent(observations)[1]["value"]
    assert (first != second).all()
    third = agent(observations, starts=np.array([True, False, False]))[1]["value"]
    assert third[0] == first[0]
    assert (third[1:] != first[1:]).all()
    with pytest.raises(ValueError, match=r"observations of 2 rows, but the agent remembers 3: begin\(\) first"):
        agent(observations[:2])
    agent.begin()
    np.testing.assert_array_equal(agent(observations[:2])[1]["value"], first[:2])


def test_evaluation_hangs_on_no_batch_size(recurrent, tmp_path):
    agent = load_agent(train(recurrent, tmp_path / "run", progress=False))
    told = [evaluate(CORRIDOR, agent, episodes=12, num_envs=rows).per_episode["return"] for rows in (12, 5)]
    np.testing.assert_array_equal(*told)


def test_a_step_hangs_on_nothing_later():
    memory = GRU(5, width=4)
    features, starts, state = sequence(3, 7)
    base, _ = memory(features, starts, state)
    changed = features.clone()
    changed[:, 4:] += 1
    other, _ = memory(changed, starts, state)
    assert torch.equal(base[:, :4], other[:, :4])
    assert not torch.equal(base[:, 4:], other[:, 4:])


class Recall(BatchEnv):
    """A cue, -1 or 1, is shown at the start alone; after three steps that show nothing, its sign must be told."""

    Params = Params

    def _spaces(self):
        return spaces.Box(-1.0, 1.0, (2,), np.float32), spaces.Discrete(2)

    def _allocate(self):
        self._cue = np.zeros(self.num_envs)
        return {"cue": self._cue}

    def _spawn(self, rows):
        for row in rows:
            self._cue[row] = np.random.default_rng((self._seed[row], self._episode[row])).choice([-1, 1])
        self._observations[rows] = np.column_stack([self._cue[rows], np.zeros(rows.size)])

    def _advance(self, actions):
        rows = np.flatnonzero(self._active)
        done = self._elapsed[rows] >= 4
        self._terminated[rows] = done
        self._rewards[rows] = done & (actions[rows] == (self._cue[rows] > 0))
        self._observations[rows] = np.column_stack([np.zeros(rows.size), self._elapsed[rows] / 4])


@pytest.mark.parametrize(("memory", "low", "high"), [("gru", 0.9, 1.0), ("none", 0.3, 0.7)])
def test_only_a_memory_solves_recall(memory, low, high, small):
    sizes = {"num_envs": 64, "rollout_steps": 16, "total_steps": 64 * 16 * 30}
    config = dataclasses.replace(small, memory=memory, learning_rate=0.01, **sizes)
    learner = PPO(config, Recall(64))
    returns = [learner.learn()["return_mean"] for _ in range(30)]
    assert low <= np.mean(returns[-5:]) <= high
