"""The script that makes the agent for object navigation, as small as there is."""

import dataclasses
import json

import pytest

from foveal.experiments import objectnav_agent
from foveal.experiments.objectnav_agent import FIRST, THEN, WORLD, main


def test_it_trains_twice_ships_and_tells(tmp_path, monkeypatch, capsys):
    """The second training starts from the first; the agent that is written is the one whose table is printed."""
    monkeypatch.setattr("foveal.agents.pretrained.WEIGHTS", tmp_path)
    monkeypatch.setattr("foveal.agents.encoders.WEIGHTS", tmp_path)
    small = {"num_envs": 4, "rollout_steps": 8, "total_steps": 64, "minibatches": 2, "torch_threads": 1}
    seen = {"network_options": {"encoder": "random"}, "memory_options": {"width": 8}}
    for name, config in (("FIRST", FIRST), ("THEN", THEN)):
        world = {**config.env_params, "scenes": "ithor", "houses": 1}
        monkeypatch.setattr(objectnav_agent, name, dataclasses.replace(config, env_params=world, **small, **seen))
    monkeypatch.setattr(objectnav_agent, "EPISODES", 4)
    monkeypatch.setattr(objectnav_agent, "SETTINGS", {"a room": {"split": "test", "houses": 1, "duration": 5}})
    monkeypatch.setattr(objectnav_agent, "WALKERS", ())
    main([str(tmp_path / "run")])
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"first", "then"}
    card = json.loads((tmp_path / "objectnav.json").read_text())
    assert card["config"]["env_id"] == WORLD and len(card["seconds"]) == 2 and "commit" in card
    assert "| pretrained |" in capsys.readouterr().out


def test_it_asks_where_to_train(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "say where to train, or --test" in capsys.readouterr().err
