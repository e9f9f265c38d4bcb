"""The visual policy on object navigation: what it is made of, what it keeps, and that it learns."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

import foveal  # noqa: F401
from foveal.agents.agent import Agent, load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import evaluate
from foveal.agents.files import RunError
from foveal.agents.goal_vision import GoalVision
from foveal.agents.memory import Sequences
from foveal.agents.ppo import PPO
from foveal.agents.priors import load_prior
from foveal.agents.rollouts import make_world
from foveal.agents.tensors import to_tensors
from foveal.agents.training import train
from foveal.envs.objectnav.params import HABITAT_2022
from foveal.envs.objectnav.types import TYPES, type_id

WORLD = "foveal/ObjectNav-v0"
ROOMS = {"scenes": "procedural", "houses": 1, "rooms": 1, "width": 32, "height": 32}


@pytest.fixture(scope="module")
def config():
    return PPOConfig(
        env_id=WORLD,
        env_params={**ROOMS, "guide": True},
        num_envs=4,
        rollout_steps=6,
        total_steps=4 * 6 * 4,
        epochs=1,
        minibatches=2,
        gamma=0.99,
        network="goal_vision",
        network_options={"encoder": "random"},
        filter="codebook",
        memory="gru",
        memory_options={"width": 16},
        tensorboard=False,
    )


@pytest.fixture(scope="module")
def world(config):
    return make_world(WORLD, 4, config.env_params)


def test_features_are_the_papers(world):
    torch.manual_seed(0)
    network = GoalVision(world.single_observation_space, encoder="random")
    assert network.features_dim == 7 * 7 * 32 + 6 == 1574
    seen = to_tensors(world.reset(seed=0)[0])
    perceived = network.perceive(seen)
    assert perceived["places"].shape == (4, 49, 64)
    assert perceived.keys() == {"places", "goal", "last_action", "guide"}
    features = network(perceived)
    assert features.shape == (4, 1574)
    tiled = network.goal(seen["goal"])[:, :, None, None].expand(-1, -1, 7, 7)
    weights = torch.cat([network.join_map.weight, network.join_goal.weight], 1)[:, :, None, None]
    places = perceived["places"].unflatten(1, (7, 7))
    torch.testing.assert_close(places.permute(0, 3, 1, 2), network.encoder(seen))
    compressed = torch.relu(network.compress(places)).permute(0, 3, 1, 2)
    joined = torch.relu(torch.conv2d(torch.cat([compressed, tiled], 1), weights, network.join_map.bias))
    expected = network.combine(joined.permute(0, 2, 3, 1)).flatten(1)
    torch.testing.assert_close(features[:, :1568], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features[:, 1568:], network.last_action(seen["last_action"]))


def test_the_goals_own_channels():
    """With names, the layer that joins is handed what a map of types tells of the goal's own type."""
    names = ("Bed", "Mug")
    world = make_world(WORLD, 4, {**ROOMS, "width": 64, "height": 64, "semantic": True, "categories": names})
    network = GoalVision(world.single_observation_space, encoder="true_types", names=",".join(names))
    seen, heard = to_tensors(world.reset(seed=0)[0]), []
    network.join_map.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    perceived = network.perceive(seen)
    network(perceived)
    for row, goal in enumerate(seen["goal"].tolist()):
        channels = [type_id(names[goal]), len(TYPES) + type_id(names[goal])]
        assert torch.equal(heard[0][row, :, -2:], perceived["places"][row][:, channels])


def test_what_promises_the_goal():
    """With a prior, it is handed how much of what promises the goal is at each place."""
    world = make_world(WORLD, 4, {**ROOMS, "width": 64, "height": 64, "semantic": True})
    names = ",".join(HABITAT_2022)
    network = GoalVision(world.single_observation_space, encoder="true_types", names=names, prior="counts")
    seen, heard = to_tensors(world.reset(seed=0)[0]), []
    network.join_map.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    perceived = network.perceive(seen)
    network(perceived)
    weights = torch.from_numpy(load_prior("counts").weights)[seen["goal"]]
    expected = torch.einsum("bpt,bt->bp", perceived["places"][..., : len(TYPES)], weights)
    torch.testing.assert_close(heard[0][..., -1], expected)
    for options in ({"prior": "counts"}, {"prior": "counts", "names": names, "encoder": "random"}):
        with pytest.raises(ValueError, match=r"prior='counts': needs names|channels"):
            GoalVision(world.single_observation_space, **{"encoder": "true_types", **options})


@pytest.mark.parametrize(
    ("encoder", "names", "told"),
    [
        ("random", ",".join(HABITAT_2022), "of an encoder with 64 channels"),
        ("true_types", "Bed", "1 types for 16 goals"),
        ("true_types", "Mgu", "did you mean 'Mug'"),
    ],
)
def test_names_that_are_refused(encoder, names, told):
    world = make_world(WORLD, 4, {**ROOMS, "width": 64, "height": 64, "semantic": True})
    with pytest.raises(ValueError, match=told):
        GoalVision(world.single_observation_space, encoder=encoder, names=names)


def test_a_frozen_encoder_is_asked_once_and_a_trained_one_learns(config):
    for encoder, kept in (("random", "places"), ("cnn", "rgb")):
        learner = PPO(dataclasses.replace(config, network_options={"encoder": encoder}), make_world(WORLD, 4, ROOMS))
        before = {name: one.clone() for name, one in learner.policy.named_parameters()}
        learner.learn()
        assert kept in learner.collector.rollout.perceived
        moved = {name for name, one in learner.policy.named_parameters() if not torch.equal(one, before[name])}
        assert any("encoder" in name for name in moved) == (encoder == "cnn")
        assert {"filter.codes", "memory.input.weight", "actor_features.goal.weight"} <= moved


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(0, 1, (3,)), "takes a Dict of goal, last_action and images"),
        (spaces.Dict(goal=spaces.Discrete(3)), "needs the observation 'last_action'"),
        (spaces.Dict(goal=spaces.Discrete(3), last_action=spaces.Discrete(7)), "needs the observation 'rgb'"),
    ],
)
def test_refuses(space, message):
    with pytest.raises(ValueError, match=message):
        GoalVision(space, encoder="cnn")


def test_imitation_pulls_towards_the_guide(config):
    """On the same frames again and again, the guide's actions become the likeliest."""
    sizes = {"epochs": 8, "total_steps": 24 * 20}
    alone = dataclasses.replace(config, filter="none", imitation_coef=1.0, imitation_coef_end=1.0, **sizes)
    learner = PPO(alone, make_world(WORLD, 4, config.env_params))
    rollout, _ = learner.collector.collect(learner.policy, learner.generator)
    losses = [learner.update(rollout)["imitation_loss"] for _ in range(12)]
    assert losses[-1] < 0.6 * losses[0]
    blind = PPO(dataclasses.replace(alone, env_params=ROOMS), make_world(WORLD, 4, ROOMS))
    with pytest.raises(RunError, match="imitation needs a world that observes a guide"):
        blind.learn()


def test_guided_rows_do_as_the_guide_does_and_tell_nothing_of_the_policy(config):
    half = dataclasses.replace(config, filter="none", guided_share=0.5, guided_share_end=0.5, imitation_coef_end=1.0)
    learner = PPO(half, make_world(WORLD, 4, config.env_params))
    rollout, metrics = learner.collector.collect(learner.policy, learner.generator, guided=2)
    assert (rollout.own[:, :2] == 0).all() and (rollout.own[:, 2:] == 1).all()
    follows = rollout.actions == rollout.perceived["guide"]
    assert follows[:, :2].all() and not follows[:, 2:].all()
    assert metrics["episodes"] == int((rollout.terminated | rollout.truncated)[:, 2:].sum())
    learner.optimizer.param_groups[0]["lr"] = 0.0
    told = []
    for earned in (0.0, 100.0):  # whatever a guide earns
        rollout.rewards[:, :2] += earned
        advantages = rollout.advantages(half.gamma, half.gae_lambda)
        (whole,) = rollout.minibatches(advantages, 1, torch.Generator().manual_seed(0))
        assert whole.own.sum() == rollout.valid[:, 2:].sum()
        assert whole.advantages[whole.own > 0].mean().abs() < 1e-5
        told.append(learner._improve(whole, 0.0))
    assert told[0]["policy_loss"] == told[1]["policy_loss"] and told[0]["value_loss"] == told[1]["value_loss"]


def test_mixed_precision_changes_the_last_digits_alone(config):
    learner = PPO(dataclasses.replace(config, mixed_precision=True), make_world(WORLD, 4, config.env_params))
    policy, seen = learner.policy.eval(), learner.collector.observations
    step = Sequences.step(learner.collector.memory, learner.collector.starts)
    with torch.no_grad():
        exact = policy(policy.perceive(seen), step)
        with torch.autocast("cpu", torch.bfloat16):
            rough = policy(policy.perceive(seen), step)
    for ours, theirs in ((exact.values, rough.values), (exact.state, rough.state)):
        assert theirs.dtype == torch.float32 and not torch.equal(ours, theirs)
        torch.testing.assert_close(ours, theirs, atol=0.03, rtol=0.05)
    policy.train()
    learner.learn()
    assert all(one.dtype == torch.float32 and one.isfinite().all() for one in learner.policy.parameters())
    assert learner.collector.memory.dtype == torch.float32


def test_steps_equal_the_whole_sequence(config, world):
    torch.manual_seed(0)
    policy = config.make_policy(world.single_observation_space, world.single_action_space).eval()
    observations, _ = world.reset(seed=3)
    state, starts, seen, values = torch.zeros(4, 16), torch.ones(4, dtype=torch.bool), [], []
    with torch.no_grad():
        for _ in range(5):
            seen.append(policy.perceive(to_tensors(observations)))
            output = policy(seen[-1], Sequences.step(state, starts))
            state, starts = output.state, torch.zeros(4, dtype=torch.bool)
            values.append(output.values)
            observations, *_ = world.step(np.zeros(4, np.int64))
        whole = {name: torch.stack([one[name] for one in seen], 1).flatten(0, 1) for name in seen[0]}
        starts = torch.zeros(4, 5, dtype=torch.bool)
        starts[:, 0] = True
        at_once = policy(whole, Sequences(torch.zeros(4, 16), starts, torch.ones_like(starts)))
    torch.testing.assert_close(at_once.values.unflatten(0, (4, 5)), torch.stack(values, 1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(at_once.state, state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("filter", ["none", "codebook"])
def test_saliency_is_where_the_features_come_from(filter, config, world):
    torch.manual_seed(0)
    made = dataclasses.replace(config, filter=filter)
    policy = made.make_policy(world.single_observation_space, world.single_action_space).eval()
    perceived = policy.perceive(to_tensors(world.reset(seed=1)[0]))
    perceived["places"][:, :40] = 0  # nothing is there
    shown = policy.saliency(perceived)
    assert shown.shape == (4, 2, 7, 7) and (shown.flatten(2).amax(-1) == 1).all()
    assert (shown.flatten(2)[..., :40] == 0).all()
    assert torch.equal(shown[:, 0], shown[:, 1]) == (filter == "none")
    agent = Agent(policy, made, world)
    assert "attention" not in agent(world.reset(seed=1)[0])[1]
    agent.explain = True
    assert agent(world.reset(seed=1)[0])[1]["attention"].shape == (4, 2, 7, 7)


def test_a_run_is_evaluated_where_no_guide_is(config, tmp_path):
    agent = load_agent(train(config, tmp_path / "run", progress=False))
    told = evaluate(WORLD, agent, episodes=3, duration=5, **ROOMS)
    assert told.per_episode["length"].max() <= 5
    single = gym.make(WORLD, **ROOMS)
    observation, _ = single.reset(seed=0)
    agent.begin()
    action, _ = agent({name: np.asarray(one)[None] for name, one in observation.items()})
    assert single.action_space.contains(action[0])
