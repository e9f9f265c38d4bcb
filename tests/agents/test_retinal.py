"""The network of visual search: it reads what is there, and learns to tell what is fixated."""

import numpy as np
import pytest
import torch
from gymnasium import make_vec, spaces

from foveal.agents import retinal
from foveal.agents.config import PPOConfig
from foveal.agents.ppo import PPO
from foveal.agents.retinal import Places, Retinal
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


def test_a_view_is_positive():
    space = make_vec("foveal/VisualSearch-v0", 1).single_observation_space
    with pytest.raises(ValueError, match=r"view=0.0: must be a positive number"):
        Retinal(space, view=0.0)


@pytest.mark.parametrize("view", [1.0, 1.5])
@pytest.mark.parametrize("gaze", [(0.0, 0.0), (0.4, -0.4), (-0.4, 0.0)])
def test_places_stay_where_they_are_in_the_picture(view, gaze):
    """What is at the fourth place of the second row is read there, from wherever one looks."""
    places = Places(1, 5, 9 * 25, view)
    with torch.no_grad():
        places.seen.weight.zero_()[:, :, 1, 1] = 1.0
        places.output.weight.copy_(torch.eye(9 * 25))
        for layer in (places.seen, places.output):
            layer.bias.zero_()
    middles = (torch.arange(40) + 0.5) / 40 * 2 - 1  # of the map's points, half maps
    x, y = torch.meshgrid(middles * view + gaze[0], middles * view + gaze[1], indexing="xy")
    seen = torch.exp(-((x - 0.4) ** 2 + (y + 0.4) ** 2) / 0.04)[None, None]
    fixations = torch.tensor([[[*gaze, 1.0], [-0.8, 0.8, 1.0], [0.8, 0.8, 0.0]]])
    read = places(seen, fixations).unflatten(1, (9, 5, 5))[0]
    expected = torch.zeros(5, 5)
    expected[1, 3] = 1.0
    for one in read[:8]:
        torch.testing.assert_close(one, expected, atol=0.1, rtol=0)
    looked = torch.zeros(5, 5)
    looked[4, 0] = looked[round(2 + 2.5 * gaze[1]), round(2 + 2.5 * gaze[0])] = 1.0
    torch.testing.assert_close(read[8], looked)


def test_beyond_the_retina_nothing_is_read():
    places = Places(1, 3, 9 * 9, 0.5)
    with torch.no_grad():
        places.output.weight.copy_(torch.eye(9 * 9))
        places.output.bias.zero_()
    fixations = torch.tensor([[[2 / 3, 2 / 3, 1.0]]])
    read = places(torch.rand(1, 1, 8, 8), fixations).unflatten(1, (9, 3, 3))[0, :8]
    assert (read[:, 2, 2] != 0).any() and (read[:, :2] == 0).all() and (read[:, :, :2] == 0).all()


def test_what_is_anywhere_is_read_alike_wherever_it_is():
    space = make_vec("foveal/VisualSearch-v0", 1, size=64).single_observation_space
    network = Retinal(space, width=16, channels=4)
    images = torch.zeros(2, 64, 64, 1, dtype=torch.uint8)
    item = torch.randint(0, 255, (6, 6, 1), dtype=torch.uint8)
    images[0, 20:26, 20:26] = images[1, 32:38, 24:30] = item  # apart by multiples of the convolutions' strides
    one, other = network.anywhere(network.fine(images.permute(0, 3, 1, 2) / 255))
    torch.testing.assert_close(one, other)
    assert network.anywhere(network.fine(torch.zeros(1, 1, 64, 64)))[0].sub(one).abs().max() > 1e-3


def test_what_is_faint_is_told_as_well_as_what_is_bright():
    """A tenth of the contrast gives more than a tenth of the response, and an even picture gives none."""
    images = torch.zeros(3, 1, 16, 16)
    images[1, 0, :8], images[2, 0, :8] = 0.1, 1.0
    even, faint, bright = retinal._contrasts(images)
    assert (even == 0).all()
    torch.testing.assert_close(faint[0, :, 0], torch.tensor([0.5] * 8 + [-0.5] * 8))
    torch.testing.assert_close(bright[0, :, 0], torch.tensor([10 / 11] * 8 + [-10 / 11] * 8))


def test_its_features_do_not_hang_on_the_batch():
    env = make_vec("foveal/VisualSearch-v0", 4, size=32)
    network = Retinal(env.single_observation_space, width=16, channels=4)
    seen = to_tensors(env.reset(seed=1)[0])
    alone = network({name: one[2:3] for name, one in seen.items()})
    torch.testing.assert_close(alone[0], network(seen)[2])
