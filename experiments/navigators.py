"""What is measured of agents that look for things: held-out episodes, what they adapt to, and what can be read off."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.agents.agent import Agent
from foveal.agents.code_usage import code_usage
from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import evaluate
from foveal.agents.ppo import PPO
from foveal.agents.probes import Labels, label, probe
from foveal.agents.rollouts import make_world
from foveal.agents.tensors import to_tensors
from foveal.envs.batch import EVALUATION_SEEDS

WORLD = "foveal/ObjectNav-v0"
FIRST_EPISODE = EVALUATION_SEEDS + 2_000_000
ROWS = 64


class Seen(NamedTuple):
    """What a policy makes of B frames.

    Attributes:
        before: (B, W) float32, features before the filter.
        behind: (B, W) float32, behind it.
        codes: (B, K) float32 probabilities; K is 0 for a filter without codes.
        labels: What is true of the frames.
    """

    before: NDArray[np.float32]
    behind: NDArray[np.float32]
    codes: NDArray[np.float32]
    labels: Labels


def test(agent: Agent, episodes: int, world: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """An episode of each of the held-out seeds, the same for all agents: measures (E,) by name."""
    return evaluate(WORLD, agent, episodes=episodes, num_envs=ROWS, seed=FIRST_EPISODE, **world).per_episode


def tune(agent: Agent, config: PPOConfig) -> Agent:
    """Train only what is before the filter on, as in the paper's transfer to Habitat.

    Args:
        agent: It stays as it is.
        config: Of the training that goes on: its world, steps and learning rate.

    Returns:
        Another agent, with the same filter, memory and heads.
    """
    world = make_world(WORLD, config.num_envs, config.env_params)
    learner = PPO(config, world)
    learner.policy.load_state_dict(agent.policy.state_dict())
    for part in (learner.policy.filter, learner.policy.memory, learner.policy.policy_head):
        part.requires_grad_(False)
    for _ in range(config.updates):
        learner.learn()
    return Agent(learner.policy, config, world, greedy=False)


def read(agent: Agent, world: dict[str, Any], count: int) -> dict[str, float]:
    """Linear read-outs before and behind the filter, trained in train houses and judged in test houses.

    Args:
        agent: With a feature network and a filter.
        world: Parameters of the world; the splits are set here.
        count: Frames of each of `ROWS` rows.

    Returns:
        By name: the areas under the curve and explained variances (`foveal.agents.probes`) before the filter, what they
        change by behind it, and the effective number of codes (0 without any).
    """
    train, held_out = (frames(agent, {**world, "split": split}, count) for split in ("train", "test"))
    apart = held_out.labels._replace(house=held_out.labels.house + train.labels.house.max() + 1)
    before = probe(train.before, train.labels, held_out.before, apart)
    behind = probe(train.behind, train.labels, held_out.behind, apart)
    found: dict[str, float] = {}
    for name, field in (("presence", "presence"), ("goal in view", "goal_visible"), ("distance", "goal_distance")):
        first, second = (float(getattr(scores, field).value) for scores in (before, behind))
        found |= {f"{name}, before": first, f"{name}, behind - before": second - first}
    codes = torch.from_numpy(held_out.codes)
    return {**found, "effective codes": float(code_usage(codes).effective) if codes.numel() else 0.0}


@torch.no_grad()
def frames(agent: Agent, world: dict[str, Any], count: int) -> Seen:
    """What a policy makes of frames along random walks, `count` in each of `ROWS` rows."""
    env = make_world(WORLD, ROWS, {**world, "semantic": True})
    observations, _ = env.reset(seed=FIRST_EPISODE)
    random, policy = np.random.default_rng(0), agent.policy
    asked = getattr(policy.filter, "code_probabilities", None)
    parts: list[list[NDArray[Any]]] = [[], [], []]
    labels: list[Labels] = []
    for _ in range(count):
        for _ in range(4):  # frames that are alike say little
            observations, *_, infos = env.step(random.integers(0, 5, ROWS))
        features = policy.actor_features(policy.perceive(to_tensors(observations)))
        codes = features[:, :0] if asked is None else asked(features)
        for part, one in zip(parts, (features, policy.filter(features), codes), strict=True):
            part.append(one.numpy().copy())
        labels.append(label(env, observations, infos))
    whole = Labels(*(np.concatenate(column) for column in zip(*labels, strict=True)))
    before, behind, used = (np.concatenate(part) for part in parts)
    return Seen(before, behind, used, whole)
