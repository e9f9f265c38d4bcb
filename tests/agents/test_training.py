"""Trainings in the corridor: what they learn, and that they go on bit for bit.

Run as a script it trains there (``python test_training.py RUN_DIR``), so that tests can kill it.
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

import numpy as np
import pytest
import torch
from gymnasium import make_vec

from foveal.agents.agent import load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.metrics import read_metrics
from foveal.agents.ppo import PPO
from foveal.agents.runs import Run
from foveal.agents.training import train
from foveal.envs.batch import EVALUATION_SEEDS

CORRIDOR = "test/Corridor-v0"


def lengthened(config):
    """The same, so long that it can be killed on the way."""
    return dataclasses.replace(config, total_steps=16 * 8 * 80, checkpoint_steps=16 * 8 * 4)


def final_arrays(run_dir):
    return Run(run_dir).load().arrays


def assert_same_run(one, other):
    """Same last checkpoint bit for bit, and the same metrics apart from the clock's."""
    ours, theirs = final_arrays(one), final_arrays(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name, strict=True)
    tables = [read_metrics(path / "metrics.csv") for path in (one, other)]
    for row in tables[0] + tables[1]:
        del row["seconds"], row["steps_per_second"]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("network", ["mlp", "attention"])
def test_learns_the_corridor_to_its_optimum(tmp_path, network):
    """Going right from everywhere: return 1 from every start, by the shortest way."""
    config = PPOConfig(
        env_id=CORRIDOR,
        num_envs=64,
        rollout_steps=16,
        total_steps=30_000,
        learning_rate=3e-3,
        gamma=0.95,
        network=network,
        network_options={"width": 32},
        torch_threads=1,
        tensorboard=False,
    )
    agent = load_agent(train(config, tmp_path / "run", progress=False))
    env = make_vec(CORRIDOR, 50, autoreset_mode="disabled")
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


def test_values_are_discounted_returns(tmp_path, small):
    config = dataclasses.replace(small, num_envs=64, total_steps=40_000, learning_rate=5e-3, gamma=0.8, seed=1)
    config = dataclasses.replace(config, network_options={"width": 64}, epochs=4)
    agent = load_agent(train(config, tmp_path / "run", progress=False))
    env = make_vec(CORRIDOR, 200)
    observations, _ = env.reset(seed=0)
    distance = 6 - np.rint((observations[:, 0, 1] + 1) * 3)
    np.testing.assert_allclose(agent(observations)[1]["value"], 0.8 ** (distance - 1), atol=0.1)


# Determinism, stopping and going on


def test_same_seed_same_weights(tmp_path, small):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(small, tmp_path / "one", progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.random.seed(3)  # noqa: NPY002
    train(small, tmp_path / "two", progress=False)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    train(dataclasses.replace(small, seed=1), tmp_path / "three", progress=False)
    name = "policy/policy_head.weight"
    assert not np.array_equal(final_arrays(tmp_path / "one")[name], final_arrays(tmp_path / "three")[name])


def test_saving_or_stopping_changes_nothing(tmp_path, small):
    train(small, tmp_path / "unbroken", progress=False)
    often = dataclasses.replace(small, checkpoint_steps=1, max_seconds=0.0)
    train(often, tmp_path / "broken", progress=False)
    for _ in range(small.updates - 1):
        assert Run(tmp_path / "broken").load().facts["step"] < small.total_steps
        train(often, tmp_path / "broken", resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", tmp_path / "broken")


def test_kill_and_resume_gives_the_unbroken_runs_weights(tmp_path, small):
    config = lengthened(small)
    train(config, tmp_path / "unbroken", progress=False)
    run_dir, moments = tmp_path / "killed", random.Random()
    for resume in ([], ["resume"]):
        before = saved_steps(run_dir)
        process = subprocess.Popen([sys.executable, __file__, str(run_dir), *resume])
        target = moments.randint(2, 6)
        while max(saved_steps(run_dir), default=0) < max(before, default=0) + target * config.checkpoint_steps:
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        assert process.wait() == -signal.SIGKILL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kill may have left a checkpoint that is not in the manifest yet
        train(config, run_dir, resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", run_dir)


def saved_steps(run_dir):
    """Steps of the checkpoints in the manifest."""
    manifest = run_dir / "manifest.json"
    if not manifest.exists():
        return set()
    return {int(name.removeprefix("step-")) for name in json.loads(manifest.read_text())["checkpoints"]}


def test_a_resumed_run_that_is_complete_stays_as_it_is(tmp_path, small):
    train(small, tmp_path / "run", progress=False)
    before = final_arrays(tmp_path / "run")
    train(small, tmp_path / "run", resume=True, progress=False)
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
    world = make_vec(config.env_id, 3)
    observations, _ = world.reset(seed=EVALUATION_SEEDS)
    actions, told = load_agent(tmp_path / "broken")(observations)
    world.step(actions)
    assert told["attention"].shape == (3, 2, 5)


def test_resume_refuses_another_configuration(tmp_path, small):
    train(small, tmp_path / "run", progress=False)
    with pytest.raises(RunError, match=rf"cannot resume with gamma=0\.5, the run has {small.gamma}"):
        train(dataclasses.replace(small, gamma=0.5), tmp_path / "run", resume=True, progress=False)


# What goes wrong in the middle


def at_update(config, number, do):
    """An extra loss that does something once, in the middle of an update."""
    calls = []

    def hook(minibatch, output):
        calls.append(1)
        if len(calls) == number * config.epochs * config.minibatches - 1:
            do()
        return {}

    return hook


@pytest.fixture
def interruptible():
    """Ctrl-C as in a terminal, though a background job of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_a_checkpoint_and_says_where(tmp_path, small, interruptible):
    train(small, tmp_path / "unbroken", progress=False)
    hook = at_update(small, 5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match=rf"stopped at step {5 * 128}; the checkpoint is {tmp_path}.*000640"):
        train(small, tmp_path / "run", progress=False, extra_losses=[hook])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(small, tmp_path / "run", resume=True, progress=False)
    assert_same_run(tmp_path / "unbroken", tmp_path / "run")


def test_a_loss_that_is_not_finite_is_refused(tmp_path, small):
    broken = []
    hook = at_update(small, 5, lambda: broken.append(1))

    def loss(minibatch, output):
        hook(minibatch, output)
        return {"teacher": output.values.mean() * (math.nan if broken else 0.0)}

    with pytest.raises(RunError, match=r"not finite after step 512: grad_norm=nan, teacher=nan; the last good.*000384"):
        train(small, tmp_path / "run", progress=False, extra_losses=[loss])
    load_agent(tmp_path / "run")


def test_a_full_disk_costs_no_checkpoint(tmp_path, small):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    hook = at_update(small, 5, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1])))
    try:
        with pytest.raises(RunError) as caught:
            train(small, tmp_path / "run", progress=False, extra_losses=[hook])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "File too large; the last good checkpoint is" in str(caught.value)
    assert "step-000000384" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run/checkpoints").glob(".*"))
    train(small, tmp_path / "run", resume=True, progress=False)


def test_a_vanished_folder_is_told(tmp_path, small):
    hook = at_update(small, 5, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(RunError, match=r"cannot write .*No such file or directory.*; no checkpoint is left"):
        train(small, tmp_path / "run", progress=False, extra_losses=[hook])


# What is told on the way


def test_tensorboard_and_progress(tmp_path, capfd, small):
    threads = torch.get_num_threads()
    train(dataclasses.replace(small, tensorboard=True), tmp_path / "run")
    assert torch.get_num_threads() == threads
    assert "1,536 of 1,536 steps" in capfd.readouterr().err
    assert list((tmp_path / "run/tensorboard").glob("events.*"))
    assert (tmp_path / "run/curve.png").stat().st_size > 10_000


def test_tensorboard_reads_what_we_write(tmp_path, small):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    config = dataclasses.replace(small, tensorboard=True)
    train(dataclasses.replace(config, max_seconds=0.0), tmp_path / "run", progress=False)
    train(config, tmp_path / "run", resume=True, progress=False)
    board = EventAccumulator(str(tmp_path / "run/tensorboard"))
    board.Reload()
    rows = read_metrics(tmp_path / "run/metrics.csv")
    told = [(event.step, event.value) for event in board.Scalars("entropy")]
    assert [step for step, _ in told] == [int(row["step"]) for row in rows]
    np.testing.assert_allclose([value for _, value in told], [float(row["entropy"]) for row in rows], rtol=1e-5)


def test_tensorboard_in_a_vanished_folder(tmp_path, small):
    hook = at_update(small, 5, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(RunError, match="No such file or directory"):
        train(dataclasses.replace(small, tensorboard=True), tmp_path / "run", progress=False, extra_losses=[hook])


# What is refused before


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
def test_training_refuses(tmp_path, values, message, small):
    with pytest.raises(RunError, match=message):
        train(dataclasses.replace(small, **values), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_tampered_learner_state_is_refused(tmp_path, small):
    run = Run(train(small, tmp_path / "run", progress=False))
    checkpoint = run.load()
    for name, array in [
        ("env/cell", np.full(16, np.nan)),
        ("observations", checkpoint.arrays["observations"] * np.nan),
    ]:
        learner = PPO(small, make_vec(CORRIDOR, 16))
        with pytest.raises(RunError, match=name):
            learner.restore({**checkpoint.arrays, name: array}, "here")


if __name__ == "__main__":
    from conftest import SMALL  # stands beside this script, and registers the corridor

    os.environ.pop("PYTEST_CURRENT_TEST", None)
    train(lengthened(SMALL), Path(sys.argv[1]), resume="resume" in sys.argv, progress=False)


def test_a_training_starts_from_another_agent(tmp_path, small):
    """The first checkpoint holds the other's weights; a policy of another shape is refused by name."""
    first = train(small, tmp_path / "first", progress=False)
    again = dataclasses.replace(small, seed=1, total_steps=small.num_envs * small.rollout_steps)
    train(again, tmp_path / "again", start=load_agent(first), progress=False)
    start, trained = Run(tmp_path / "again").load("step-000000000").arrays, final_arrays(first)
    weights = [name for name in start if name.startswith("policy/")]
    assert weights and all(np.array_equal(start[name], trained[name]) for name in weights)
    other = dataclasses.replace(again, network_options={"width": 64})
    with pytest.raises(RunError, match=r"this policy has shape .*, the other"):
        train(other, tmp_path / "other", start=load_agent(first), progress=False)
