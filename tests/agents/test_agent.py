import dataclasses
import math

import numpy as np
import pytest
import torch
from gymnasium import spaces

from foveal.agents.agent import load_agent
from foveal.agents.files import RunError
from foveal.agents.runs import Run

SPACES = spaces.Box(-1.0, 1.0, (5, 5), np.float32), spaces.Discrete(5)


def test_an_agent_acts(run, config):
    agent = load_agent(run.path)
    observations = np.random.default_rng(0).uniform(-1, 1, (6, 5, 5)).astype(np.float32)
    actions, told = agent(observations)
    assert actions.shape == (6,)
    assert actions.dtype == np.int64
    assert told["value"].shape == (6,)
    assert told["value"].dtype == np.float32
    assert told["attention"].shape == (6, 2, 5)
    agent.explain = True  # as `foveal record` asks for: whoever attends shows that
    np.testing.assert_array_equal(agent(observations)[1]["attention"], told["attention"])
    np.testing.assert_allclose(told["attention"].sum(-1), 1, rtol=1e-5)
    policy = dataclasses.replace(config, seed=200).make_policy(*SPACES)
    with torch.no_grad():
        output = policy(torch.from_numpy(observations))
    np.testing.assert_array_equal(actions, output.distribution.mode())
    np.testing.assert_allclose(told["value"], output.values / (1 - config.gamma), rtol=1e-5)
    assert agent.config == config


def test_an_agent_of_a_named_checkpoint(run):
    observations = np.random.default_rng(0).uniform(-1, 1, (6, 5, 5))
    last, best = load_agent(run.path)(observations)[1], load_agent(run.path, checkpoint="best")(observations)[1]
    by_path = load_agent(run.checkpoints / "step-000000100.safetensors")(observations)[1]
    np.testing.assert_array_equal(best["value"], by_path["value"])
    assert not np.array_equal(best["value"], last["value"])


def test_an_agent_that_samples(run):
    observations = np.zeros((1000, 5, 5), np.float32)
    one, two = (load_agent(run.path, greedy=False, seed=3)(observations)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one)) == 5
    assert len(np.unique(load_agent(run.path)(observations)[0])) == 1


@pytest.mark.parametrize("shape", [(5, 5), (6, 5, 4), (6, 25)])
def test_an_agent_refuses_other_observations(run, shape):
    with pytest.raises(ValueError, match=r"observations have shape .*, expected \(N, 5, 5\)"):
        load_agent(run.path)(np.zeros(shape, np.float32))


def test_the_control_has_no_attention(tmp_path, config):
    config = dataclasses.replace(config, network="mlp")
    run = Run.create(tmp_path / "run", config)
    policy = config.make_policy(*SPACES)
    run.save(0, {f"policy/{name}": tensor.numpy() for name, tensor in policy.state_dict().items()}, {}, None)
    assert load_agent(run.path)(np.zeros((2, 5, 5)))[1].keys() == {"value"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("policy/policy_head.bias"), "array 'policy/policy_head.bias' is missing"),
        (lambda a: a.update({"policy/more": np.zeros(1)}), "array 'policy/more' is foreign"),
        (
            lambda a: a.update({"policy/policy_head.bias": np.zeros(4, np.float32)}),
            r"is float32 \(4,\), expected float32 \(5,\)",
        ),
        (lambda a: a.update({"policy/policy_head.bias": np.zeros(5)}), r"is float64 \(5,\), expected float32"),
        (lambda a: a["policy/policy_head.bias"].fill(math.nan), "array 'policy/policy_head.bias' is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(run, change, message, weights):
    arrays = {name: array.copy() for name, array in weights().items()}
    change(arrays)
    path = run.save(300, arrays, {}, None)
    with pytest.raises(RunError, match=message) as caught:
        load_agent(run.path)
    assert str(path) in str(caught.value)
