"""The network of visual search: it reads what is there, and learns to tell what is fixated."""

import numpy as np
import pytest
import torch
from gymnasium import make_vec, spaces

from foveal.agents.config import PPOConfig
from foveal.agents.ppo import PPO
from foveal.agents.retinal import Retinal
from foveal.agents.rollouts import make_world
from foveal.agents.tensors import to_tensors


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"size": 40, "colour": True, "slots": True},
        {"target": "category"},
        {"target": "none", "actions": "continuous"},
    ],
)
@pytest.mark.parametrize("world", ["VisualSearch", "SceneSearch"])
def test_every_kind_of_observation_is_read(world, params):
    small = {"houses": 2, "views": 3} if world == "SceneSearch" else {}
    env = make_vec(f"foveal/{world}-v0", 3, **params, **small)
    network = Retinal(env.single_observation_space, width=32, channels=4)
    seen = to_tensors(env.reset(seed=0)[0])
    assert set(network.reads) == set(seen)
    features = network(seen)
    assert features.shape == (3, 32)
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_an_agent_learns_whether_what_it_looks_at_is_the_target():
    config = PPOConfig(
        env_id="foveal/VisualSearch-v0",
        env_params={"condition": "large_in_small", "set_size": 1, "grid": 1, "size": 32, "view_deg": 6.0, "duration": 4,
                    "history": 1, "target": "none"},
        num_envs=64,
        rollout_steps=8,
        total_steps=64 * 8 * 16,
        epochs=4,
        minibatches=4,
        learning_rate=3e-3,
        network="retinal",
        network_options={"width": 32, "channels": 8},
        tensorboard=False,
    )  # fmt: skip
    learner = PPO(config, make_world(config.env_id, 64, config.env_params))
    for _ in range(16):
        learner.learn()
    env = make_vec(config.env_id, 256, **config.env_params)
    seen, _ = env.reset(seed=2**31)
    actions = learner.policy(to_tensors(seen)).distribution.mode().numpy()
    *_, infos = env.step(actions)
    answered = infos["answer"] != 0
    assert answered.mean() > 0.5 and infos["correct"][answered].mean() > 0.9


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(0, 1, (3,)), "Dict of retina and fixations"),
        (spaces.Dict(retina=spaces.Box(0, 255, (16, 16, 1), np.uint8)), "Dict of retina and fixations"),
        (
            spaces.Dict(retina=spaces.Box(0, 255, (8, 16, 1), np.uint8), fixations=spaces.Box(-1, 1, (2, 3))),
            "16 x 8 pixels are too few",
        ),
        (
            spaces.Dict(
                retina=spaces.Box(0, 255, (16, 16, 1), np.uint8),
                fixations=spaces.Box(-1, 1, (2, 3)),
                target=spaces.Box(0, 1, (2,)),
            ),
            "must be a picture",
        ),
    ],
)
def test_other_spaces_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        Retinal(space)


def test_its_features_do_not_hang_on_the_batch():
    env = make_vec("foveal/VisualSearch-v0", 4, size=32)
    network = Retinal(env.single_observation_space, width=16, channels=4)
    seen = to_tensors(env.reset(seed=1)[0])
    alone = network({name: one[2:3] for name, one in seen.items()})
    torch.testing.assert_close(alone[0], network(seen)[2])
