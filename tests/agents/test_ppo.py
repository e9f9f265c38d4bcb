"""The learner on a corridor small enough to know everything about it.

Run as a script it trains there (``python test_ppo.py RUN_DIR``), so that tests can kill it.
"""

import dataclasses
import json
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from foveal.agents import runs
from foveal.agents.gae import Collector
from foveal.agents.policies import Categorical, Gaussian, PolicyOutput
from foveal.agents.ppo import PPO, PPOConfig, train, value_loss
from foveal.agents.runs import RunError
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.envs.params import Params, param

LEFT, RIGHT = 0, 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorridorParams(Params):
    cells: int = param(7, "cells [1]", low=3, high=100)
    limit: int = param(20, "time limit [steps]", low=1, high=1000)


class Corridor(BatchEnv):
    """Walk left (0) or right (1): the left end pays 0.2, the right end 1; either terminates, `limit` truncates.

    Observation (3, 4): the ego ``[1, place, time, mark]``, the right end ``[1, 1, 0, 0]`` and an absent entity. The
    mark, drawn at the start of each episode, means nothing.
    """

    Params = CorridorParams

    def _spaces(self):
        return spaces.Box(-1.0, 1.0, (3, 4), np.float32), spaces.Discrete(2)

    def _allocate(self):
        self._cell, self._mark = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs)
        return {"cell": self._cell, "mark": self._mark}

    def _spawn(self, rows):
        for row in rows:
            generator = np.random.default_rng((self._seed[row], self._episode[row]))
            self._cell[row] = generator.integers(1, self.params.cells - 1)
            self._mark[row] = generator.uniform(-1, 1)
        self._observe(rows)

    def _advance(self, actions):
        rows = np.flatnonzero(self._active)
        self._cell[rows] += np.where(actions[rows] == RIGHT, 1, -1)
        ends = self._cell[rows] == 0, self._cell[rows] == self.params.cells - 1
        self._rewards[rows] = 0.2 * ends[0] + ends[1]
        self._terminated[rows] = ends[0] | ends[1]
        self._truncated[rows] = ~self._terminated[rows] & (self._elapsed[rows] >= self.params.limit)
        self._observe(rows)

    def _observe(self, rows):
        self._observations[rows] = 0
        self._observations[rows, 0] = np.stack(
            [
                np.ones(len(rows)),
                2 * self._cell[rows] / (self.params.cells - 1) - 1,
                self._elapsed[rows] / self.params.limit,
                self._mark[rows],
            ],
            -1,
        )
        self._observations[rows, 1, :2] = 1


if "test/Corridor-v0" not in gymnasium.registry:
    gymnasium.register("test/Corridor-v0", vector_entry_point=Corridor)

SMALL = PPOConfig(
    env_id="test/Corridor-v0",
    num_envs=16,
    rollout_steps=8,
    total_steps=16 * 8 * 12,
    epochs=2,
    minibatches=2,
    network="mlp",
    network_sizes={"width": 16, "layers": 1},
    checkpoint_steps=16 * 8 * 3,
    torch_threads=1,
    tensorboard=False,
)
LONG = dataclasses.replace(SMALL, total_steps=16 * 8 * 80, checkpoint_steps=16 * 8 * 4)


def final_arrays(run_dir):
    return runs.Run(run_dir).load().arrays


def assert_same_run(one, other):
    """Same last checkpoint bit for bit, and the same metrics apart from the clock's."""
    ours, theirs = final_arrays(one), final_arrays(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name, strict=True)
    tables = [runs.read_metrics(path / "metrics.csv") for path in (one, other)]
    for row in tables[0] + tables[1]:
        del row["seconds"], row["steps_per_second"]
    assert tables[0] == tables[1]


# Generalised advantage estimation


class Scripted:
    """A policy whose actions and values are fixed, irregular functions of the observation."""

    def __call__(self, observations):
        logits = torch.where(self.right(observations)[:, None] == torch.arange(2), 0.0, -torch.inf)
        return PolicyOutput(Categorical(logits), self.values(observations), observations)

    def right(self, observations):
        ego = observations[:, 0].double()
        return (torch.sin(31 * ego[:, 1] + 57 * ego[:, 2] + 91 * ego[:, 3]) > 0).long()

    def values(self, observations):
        ego = observations[:, 0].double()
        return torch.cos(3 * ego[:, 1] + 5 * ego[:, 2] + 7 * ego[:, 3]).float()


def slow_episodes(seed, steps, limit):
    """What a row does in its first `steps` transitions: (observation, action, reward, terminated, truncated, next)."""
    policy, env = Scripted(), Corridor(1, autoreset_mode="disabled", limit=limit)
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
    env = Corridor(9, autoreset_mode=mode, copy=copy, limit=limit)
    rollout, told = Collector(env, steps, seed=5).collect(Scripted(), torch.Generator())
    advantages = rollout.advantages(gamma, gae_lambda)
    episodes, returns = 0, 0.0
    for row in range(9):
        valid = rollout.valid[:, row]
        transitions = slow_episodes(5 + row, int(valid.sum()), limit)
        seen, actions, rewards, terminated, truncated, _ = zip(*transitions, strict=True)
        np.testing.assert_array_equal(rollout.observations[valid, row], np.concatenate(seen))
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
    env = [Corridor(4, limit=5) for _ in range(2)]
    long, _ = Collector(env[0], 30, seed=0).collect(Scripted(), torch.Generator())
    short = Collector(env[1], 15, seed=0)
    for half in (slice(0, 15), slice(15, 30)):
        part, _ = short.collect(Scripted(), torch.Generator())
        for field in dataclasses.fields(part):
            ours, theirs = getattr(part, field.name), getattr(long, field.name)[half]
            assert torch.equal(ours, theirs), field.name


def test_autoresets_are_in_no_minibatch():
    env = Corridor(8, limit=3)
    rollout, _ = Collector(env, 20, seed=0).collect(Scripted(), torch.Generator())
    advantages = rollout.advantages(0.9, 0.9)
    parts = list(rollout.minibatches(advantages, 3, torch.Generator().manual_seed(0)))
    places = torch.cat([part.places for part in parts])
    assert len(parts) == 3
    assert torch.equal(places.sort().values, rollout.valid.flatten().nonzero()[:, 0])
    assert not rollout.valid.all()
    for part in parts:
        assert torch.equal(part.observations, rollout.observations.flatten(0, 1)[part.places])
        assert torch.equal(part.returns, (advantages + rollout.values).flatten()[part.places])
        torch.testing.assert_close(part.advantages.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
        torch.testing.assert_close(part.advantages.std(correction=0), torch.tensor(1.0))


# The update


@pytest.mark.parametrize("network", ["mlp", "attention"])
def test_ratio_is_exactly_one_before_the_first_update(network):
    differences = []

    def look(minibatch, output):
        log_probs = output.distribution.log_prob(minibatch.actions)
        differences.append((log_probs - minibatch.log_probs).abs().max().item())
        return {}

    config = dataclasses.replace(SMALL, network=network, network_sizes={}, num_envs=64)
    PPO(config, Corridor(64), [look]).learn()
    assert differences[0] == 0.0
    assert min(differences[1:]) > 0.0


def test_first_policy_gradient_is_the_plain_one():
    """Where the ratio is 1, PPO's gradient is that of the advantage-weighted log-likelihood."""
    learner = PPO(SMALL, Corridor(16))
    rollout, _ = learner.collector.collect(learner.policy, learner.generator)
    advantages = rollout.advantages(SMALL.gamma, SMALL.gae_lambda)
    minibatch = next(rollout.minibatches(advantages, 1, torch.Generator()))
    output = learner.policy(minibatch.observations)
    chosen = output.distribution.logits[torch.arange(len(minibatch.places)), minibatch.actions]
    plain = torch.autograd.grad(-(chosen * minibatch.advantages).mean(), learner.policy.policy_head.weight)[0]
    free = dataclasses.replace(SMALL, max_grad_norm=1e6, learning_rate=0.0)
    learner.config = free
    learner._improve(minibatch, entropy_coef=0.0)
    torch.testing.assert_close(learner.policy.policy_head.weight.grad, plain)


def test_value_loss():
    values, old, returns = torch.tensor([1.0, 1.0, 0.1]), torch.tensor([0.0, 0.9, 0.0]), torch.ones(3)
    assert value_loss(values, old, returns, clip=0).item() == pytest.approx((0 + 0 + 0.81) / 6)
    assert value_loss(values, old, returns, clip=0.2).item() == pytest.approx((0.64 + 0 + 0.81) / 6)


def test_schedules_run_to_their_ends():
    config = dataclasses.replace(SMALL, learning_rate=0.01, learning_rate_end=0.001)
    learner = PPO(config, Corridor(16))
    rates = [learner.learn()["learning_rate"] for _ in range(config.updates)]
    np.testing.assert_allclose(rates, 0.01 - 0.009 * np.arange(12) / 12)
    assert learner.step_count == config.total_steps


def test_extra_losses_are_learned_and_told():
    """A pull towards always going left beats the reward where it is strong."""

    def pull(minibatch, output):
        return {"pull": -10 * output.distribution.logits[:, LEFT].mean()}

    config = dataclasses.replace(SMALL, learning_rate=0.01)
    learner = PPO(config, Corridor(16), [pull])
    metrics = [learner.learn() for _ in range(12)]
    assert metrics[-1]["pull"] < 0.1 * metrics[0]["pull"]
    distribution = learner.policy(learner.collector.observations).distribution
    assert (distribution.mode() == LEFT).all()


@pytest.mark.parametrize("mode", list(gymnasium.vector.AutoresetMode))
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_learns_in_gymnasiums_own_vector_environments(mode, env_id):
    env = gymnasium.make_vec(
        env_id,
        16,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        max_episode_steps=11,
    )
    learner = PPO(SMALL, env)
    metrics = [learner.learn() for _ in range(3)]
    assert all(row["episodes"] for row in metrics[1:])
    assert max(row["length_mean"] for row in metrics[1:]) <= 11
    if env_id == "Pendulum-v1":
        assert isinstance(learner.policy(learner.collector.observations).distribution, Gaussian)
        assert metrics[1]["length_mean"] == 11
    env.close()


@pytest.mark.parametrize("network", ["mlp", "attention"])
def test_learns_the_corridor_to_its_optimum(tmp_path, network):
    """Going right from everywhere: return 1 from every start, by the shortest way."""
    config = PPOConfig(
        env_id="test/Corridor-v0",
        num_envs=64,
        rollout_steps=16,
        total_steps=30_000,
        learning_rate=3e-3,
        gamma=0.95,
        network=network,
        network_sizes={"width": 32},
        torch_threads=1,
        tensorboard=False,
    )
    agent = runs.load_agent(train(config, tmp_path / "run", progress=False))
    env = Corridor(50, autoreset_mode="disabled")
    observations, _ = env.reset(seed=EVALUATION_SEEDS)
    way = 6 - np.rint((observations[:, 0, 1] + 1) * 3)
    alive, returns, lengths = np.ones(50, bool), np.zeros(50), np.zeros(50)
    while alive.any():
        actions, told = agent(observations)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        returns += rewards * alive
        lengths += alive
        alive &= ~(terminated | truncated)
        if alive.any() and not alive.all():
            observations, _ = env.reset(options={"reset_mask": terminated | truncated})
    np.testing.assert_array_equal(returns, 1.0)
    np.testing.assert_array_equal(lengths, way)
    assert ("attention" in told) == (network == "attention")


def test_values_are_discounted_returns(tmp_path):
    config = dataclasses.replace(SMALL, num_envs=64, total_steps=40_000, learning_rate=5e-3, gamma=0.8, seed=1)
    config = dataclasses.replace(config, network_sizes={"width": 64}, epochs=4)
    agent = runs.load_agent(train(config, tmp_path / "run", progress=False))
    env = Corridor(200)
    observations, _ = env.reset(seed=0)
    distance = 6 - np.rint((observations[:, 0, 1] + 1) * 3)
    np.testing.assert_allclose(agent(observations)[1]["value"], 0.8 ** (distance - 1), atol=0.1)


# Determinism, stopping and going on


def test_same_seed_same_weights(tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(SMALL, tmp_path / "one", progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.random.seed(3)  # noqa: NPY002
    train(SMALL, tmp_path / "two", progress=False)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    train(dataclasses.replace(SMALL, seed=1), tmp_path / "three", progress=False)
    name = "policy/policy_head.weight"
    assert not np.array_equal(final_arrays(tmp_path / "one")[name], final_arrays(tmp_path / "three")[name])


def test_saving_or_stopping_changes_nothing(tmp_path):
    train(SMALL, tmp_path / "unbroken", progress=False)
    often = dataclasses.replace(SMALL, checkpoint_steps=1, max_seconds=0.0)
    train(often, tmp_path / "broken", progress=False)
    for _ in range(SMALL.updates - 1):
        assert runs.Run(tmp_path / "broken").load().facts["step"] < SMALL.total_steps
        train(often, tmp_path / "broken", resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", tmp_path / "broken")


def test_kill_and_resume_gives_the_unbroken_runs_weights(tmp_path):
    train(LONG, tmp_path / "unbroken", progress=False)
    run_dir, moments = tmp_path / "killed", random.Random()
    for resume in ([], ["resume"]):
        before = saved_steps(run_dir)
        process = subprocess.Popen([sys.executable, __file__, str(run_dir), *resume])
        target = moments.randint(2, 6)
        while max(saved_steps(run_dir), default=0) < max(before, default=0) + target * LONG.checkpoint_steps:
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kill may have left a checkpoint that is not in the manifest yet
        train(LONG, run_dir, resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", run_dir)


def saved_steps(run_dir):
    """Steps of the checkpoints in the manifest."""
    manifest = run_dir / "manifest.json"
    if not manifest.exists():
        return set()
    return {int(name.removeprefix("step-")) for name in json.loads(manifest.read_text())["checkpoints"]}


def test_a_resumed_run_that_is_complete_stays_as_it_is(tmp_path):
    train(SMALL, tmp_path / "run", progress=False)
    before = final_arrays(tmp_path / "run")
    train(SMALL, tmp_path / "run", resume=True, progress=False)
    after = final_arrays(tmp_path / "run")
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_highway_too_goes_on_bit_exactly(tmp_path):
    config = PPOConfig(num_envs=32, rollout_steps=8, total_steps=32 * 8 * 6, tensorboard=False)
    train(config, tmp_path / "unbroken", progress=False)
    broken = dataclasses.replace(config, max_seconds=0.0)
    train(broken, tmp_path / "broken", progress=False)
    train(broken, tmp_path / "broken", resume=True, progress=False)
    train(config, tmp_path / "broken", resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", tmp_path / "broken")
    world = gymnasium.make_vec(config.env_id, 3)
    observations, _ = world.reset(seed=EVALUATION_SEEDS)
    actions, told = runs.load_agent(tmp_path / "broken")(observations)
    world.step(actions)
    assert told["attention"].shape == (3, 2, 5)


def test_resume_refuses_another_configuration(tmp_path):
    train(SMALL, tmp_path / "run", progress=False)
    with pytest.raises(RunError, match=rf"cannot resume with gamma=0\.5, the run has {SMALL.gamma}"):
        train(dataclasses.replace(SMALL, gamma=0.5), tmp_path / "run", resume=True, progress=False)


def at_update(number, do):
    """An extra loss that does something once, in the middle of an update."""
    calls = []

    def hook(minibatch, output):
        calls.append(1)
        if len(calls) == number * SMALL.epochs * SMALL.minibatches - 1:
            do()
        return {}

    return hook


def test_ctrl_c_leaves_a_checkpoint_and_says_where(tmp_path):
    train(SMALL, tmp_path / "unbroken", progress=False)
    hook = at_update(5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=rf"stopped at step {5 * 128}; the checkpoint is {tmp_path}.*000640"):
        train(SMALL, tmp_path / "run", progress=False, extra_losses=[hook])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(SMALL, tmp_path / "run", resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", tmp_path / "run")


def test_a_loss_that_is_not_finite_is_refused(tmp_path):
    broken = []
    hook = at_update(5, lambda: broken.append(1))

    def loss(minibatch, output):
        hook(minibatch, output)
        return {"teacher": output.values.mean() * (math.nan if broken else 0.0)}

    with pytest.raises(RunError, match=r"not finite after step 512: grad_norm=nan, teacher=nan; the last good.*000384"):
        train(SMALL, tmp_path / "run", progress=False, extra_losses=[loss])
    runs.load_agent(tmp_path / "run")


def test_a_full_disk_costs_no_checkpoint(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    hook = at_update(5, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1])))
    try:
        with pytest.raises(RunError) as caught:
            train(SMALL, tmp_path / "run", progress=False, extra_losses=[hook])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large; the last good checkpoint is" in str(caught.value)
    assert "step-000000384" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run/checkpoints").glob(".*"))
    train(SMALL, tmp_path / "run", resume=True, progress=False)


def test_a_vanished_folder_is_told(tmp_path):
    hook = at_update(5, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(RunError, match=r"cannot write .*No such file or directory.*; no checkpoint is left"):
        train(SMALL, tmp_path / "run", progress=False, extra_losses=[hook])


def test_tensorboard_and_progress(tmp_path, capfd):
    threads = torch.get_num_threads()
    train(dataclasses.replace(SMALL, tensorboard=True), tmp_path / "run")
    assert torch.get_num_threads() == threads
    assert "1,536 of 1,536 steps" in capfd.readouterr().err
    assert list((tmp_path / "run/tensorboard").glob("events.*"))
    assert (tmp_path / "run/curve.png").stat().st_size > 10_000


def test_tensorboard_reads_what_we_write(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    config = dataclasses.replace(SMALL, tensorboard=True)
    train(dataclasses.replace(config, max_seconds=0.0), tmp_path / "run", progress=False)
    train(config, tmp_path / "run", resume=True, progress=False)
    board = EventAccumulator(str(tmp_path / "run/tensorboard"))
    board.Reload()
    rows = runs.read_metrics(tmp_path / "run/metrics.csv")
    told = [(event.step, event.value) for event in board.Scalars("entropy")]
    assert [step for step, _ in told] == [int(row["step"]) for row in rows]
    np.testing.assert_allclose([value for _, value in told], [float(row["entropy"]) for row in rows], rtol=1e-5)


def test_tensorboard_in_a_vanished_folder(tmp_path):
    hook = at_update(5, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(RunError, match="No such file or directory"):
        train(dataclasses.replace(SMALL, tensorboard=True), tmp_path / "run", progress=False, extra_losses=[hook])


# The configuration


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"gamma": 1.5}, ValueError, r"gamma=1\.5: must be in \[0, 0\.9999\]"),
        ({"gamma": math.nan}, ValueError, "gamma=nan"),
        ({"num_envs": 0}, ValueError, "num_envs=0"),
        ({"num_envs": 2.0}, TypeError, r"num_envs=2\.0: must be int, got float"),
        ({"num_envs": True}, TypeError, "num_envs=True: must be int, got bool"),
        ({"shared": 1}, TypeError, "shared=1: must be bool"),
        ({"network": "atention"}, ValueError, "did you mean 'attention'"),
        ({"network_sizes": {"head": 2}}, ValueError, "did you mean 'heads'"),
        ({"max_seconds": "1"}, TypeError, "max_seconds='1': must be float"),
        ({"seed": 2**31 // 512, "num_envs": 512}, ValueError, "held out for evaluation"),
        ({"learning_rat": 1e-3}, ValueError, "unknown configuration key 'learning_rat'; did you mean 'learning_rate'"),
        ([], TypeError, "a configuration is a mapping, got list"),
    ],
)
def test_configurations_refuse(values, error, message):
    with pytest.raises(error, match=message):
        PPOConfig.from_dict(values)


def test_the_largest_seed_stays_below_the_held_out_ones():
    config = PPOConfig(seed=2**31 // 512 - 1, num_envs=512)
    assert config.seed * config.num_envs + config.num_envs - 1 == EVALUATION_SEEDS - 1


def test_configurations_survive_json():
    config = dataclasses.replace(SMALL, max_seconds=3, env_params={"limit": 5})
    assert PPOConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"env_id": "foveal/HighwayFst-v0"},
            "unknown world 'foveal/HighwayFst-v0'; did you mean 'foveal/HighwayFast-v0'",
        ),
        ({"env_params": {"cels": 3}}, "test/Corridor-v0: unknown parameter 'cels'; did you mean 'cells'"),
        ({"env_params": {"cells": 1}}, "cells=1: must be in"),
        ({"env_id": "CartPole-v1"}, "CartPole-v1: .*copy"),
    ],
)
def test_training_refuses(tmp_path, values, message):
    with pytest.raises(RunError, match=message):
        train(dataclasses.replace(SMALL, **values), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_tampered_learner_state_is_refused(tmp_path):
    run = runs.Run(train(SMALL, tmp_path / "run", progress=False))
    checkpoint = run.load()
    for name, array in [
        ("env/cell", np.full(16, np.nan)),
        ("observations", checkpoint.arrays["observations"] * np.nan),
    ]:
        learner = PPO(SMALL, Corridor(16))
        with pytest.raises(RunError, match=name):
            learner.restore({**checkpoint.arrays, name: array}, "here")


if __name__ == "__main__":
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    train(LONG, Path(sys.argv[1]), resume="resume" in sys.argv, progress=False)
