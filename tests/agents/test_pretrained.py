"""Agents that come with the package: written, read, and refused."""

import json

import numpy as np
import pytest
import torch

from foveal.agents.agent import Agent
from foveal.agents.config import PPOConfig
from foveal.agents.encoders import WEIGHTS
from foveal.agents.policies import learnt
from foveal.agents.pretrained import PRETRAINED, pretrained, save_pretrained
from foveal.agents.rollouts import make_world

WORLD = "foveal/ObjectNav-v0"


@pytest.fixture
def agent():
    config = PPOConfig(
        env_id=WORLD,
        env_params={"houses": 1},
        network="goal_vision",
        network_options={"encoder": "random"},
        memory="gru",
        memory_options={"width": 8},
    )
    world = make_world(WORLD, 1, config.env_params)
    return Agent(config.make_policy(world.single_observation_space, world.single_action_space), config, world)


def test_what_is_written_is_read(agent, tmp_path, monkeypatch):
    """But for rounding; without the encoder's weights, which are files of their own."""
    for where in ("pretrained", "encoders"):
        monkeypatch.setattr(f"foveal.agents.{where}.WEIGHTS", tmp_path)
    size = save_pretrained(agent, {"houses": 2, "split": "val"}, {"seconds": 1})
    assert size == (tmp_path / "objectnav.safetensors").stat().st_size
    again = pretrained(WORLD)
    assert again.config.env_params == {"houses": 2, "split": "val"}
    ours, theirs = learnt(agent.policy), learnt(again.policy)
    assert not any("encoder" in name for name in ours)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, atol=1e-3, rtol=1e-3)
    path = tmp_path / "objectnav.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match=r"not the file that objectnav\.json describes"):
        pretrained(WORLD)


def test_other_worlds_have_none():
    with pytest.raises(ValueError, match="did you mean 'foveal/ObjectNav-v0'"):
        pretrained("foveal/ObjectNav-v1")


def test_the_card_of_what_is_shipped():
    for name in PRETRAINED.values():
        card = json.loads((WEIGHTS / f"{name}.json").read_text())
        assert {"sha256", "config", "world", "seconds", "commit", "versions", "cores"} <= card.keys()
        learnt_in, shown_in = card["config"]["env_params"], card["world"]
        held_out = {"objectnav": ("split", "train", "test"), "surround": ("first_street", 0, 1000)}
        field, usual, other = held_out[name]
        assert learnt_in.get(field, usual) == usual and shown_in[field] == other
        assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 6e6


def test_it_finds_things_in_rooms_that_it_has_not_seen():
    from foveal.agents.evaluation import evaluate

    agent = pretrained(WORLD)
    found = evaluate(WORLD, agent, episodes=48, num_envs=48, **{**agent.config.env_params, "duration": 200})
    assert found.metrics["success"].mean > 0.3
    assert np.isfinite(found.per_episode["spl"]).all()
