"""Agents that come with the package, for the worlds that take long to learn in.

An agent is two files in `encoders.WEIGHTS`: what it learnt (safetensors; a frozen encoder's weights are files of their
own) and a card (JSON) with its hash, its configuration and how it was made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import safetensors.torch
import torch

from foveal.agents.agent import Agent
from foveal.agents.config import PPOConfig
from foveal.agents.encoders import WEIGHTS, shipped
from foveal.agents.policies import learnt
from foveal.agents.rollouts import make_world
from foveal.envs.params import did_you_mean
from foveal.files import replace_file

PRETRAINED = {"foveal/ObjectNav-v0": "objectnav", "foveal/SurroundRig-v0": "surround"}
"""The name of the agent for each world that has one; made by ``foveal.experiments.NAME_agent``."""


def pretrained(env_id: str, *, seed: int = 0) -> Agent:
    """The agent that comes with the package for a world; its configuration names houses that it has not seen.

    It acts as it did when it was saved: with the likeliest actions alone, the one in houses goes round in circles.

    Args:
        env_id: The world.
        seed: Of the sampling.

    Raises:
        ValueError: for a world without one, and where its files are not those that were made.
    """
    if env_id not in PRETRAINED:
        raise ValueError(f"no agent comes with {env_id}{did_you_mean(env_id, list(PRETRAINED))}")
    name = PRETRAINED[env_id]
    weights, card = shipped(name), json.loads((WEIGHTS / f"{name}.json").read_text())
    config = dataclasses.replace(PPOConfig.from_dict(card["config"]), env_params=card["world"])
    world = make_world(env_id, 1, config.env_params)
    policy = config.make_policy(world.single_observation_space, world.single_action_space)
    ours = learnt(policy)
    if ours.keys() != weights.keys():
        raise ValueError(f"{name}.safetensors and the configuration in {name}.json are of different policies")
    with torch.no_grad():
        for part, tensor in weights.items():
            ours[part].copy_(tensor)
    return Agent(policy, config, world, greedy=card.get("greedy", False), seed=seed)


def save_pretrained(agent: Agent, world: dict[str, Any], facts: dict[str, Any]) -> int:
    """Write an agent's two files.

    Args:
        agent: A trained one.
        world: Parameters of the world in which it is to be shown.
        facts: What else its card says.

    Returns:
        Bytes of its weights, which are rounded to float16.
    """
    name = PRETRAINED[agent.config.env_id]
    weights = {part: tensor.half().contiguous() for part, tensor in learnt(agent.policy).items()}
    data = safetensors.torch.save(weights)
    card = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "config": dataclasses.asdict(agent.config),
        "world": world,
        "greedy": agent.greedy,
        **facts,
    }
    replace_file(WEIGHTS / f"{name}.safetensors", data)
    replace_file(WEIGHTS / f"{name}.json", (json.dumps(card, indent=2) + "\n").encode())
    return len(data)
