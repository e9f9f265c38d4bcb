"""The script that makes the small networks: what it writes is what is read, and it learns."""

import json

import pytest
import torch

from foveal.experiments import diet_networks
from foveal.experiments.diet_networks import Settings, make, trained
from foveal.vision import backbones
from foveal.vision.backbones import SEEDS, SMALL, WEIGHTS, small
from foveal.vision.diets import DIETS

TINY = Settings(pictures=64, held_out=64, steps=3, batch=16)


def test_files_are_read_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.setattr(diet_networks, "WEIGHTS", tmp_path)
    monkeypatch.setattr(backbones, "WEIGHTS", tmp_path)
    shares = make("turned", 2, TINY)
    told = json.loads((tmp_path / "turned.json").read_text())
    assert told["right"] == shares and told["steps"] == 3 and told["diet"] == "turned" and "commit" in told
    network, _ = trained("turned", 1, TINY)
    for ours, theirs in zip(network.state_dict().values(), small("turned", 1).state_dict().values(), strict=True):
        assert torch.equal(ours.half().float(), theirs)


def test_what_is_shipped_says_how_it_was_made_and_is_small():
    for diet in DIETS:
        told = json.loads((WEIGHTS / f"{diet}.json").read_text())
        assert told["diet"] == diet and len(told["right"]) == SEEDS[diet]
        assert {name: told[name] for name in vars(Settings())} == vars(Settings())
        assert (WEIGHTS / f"{diet}.safetensors").stat().st_size < 1_500_000
        chance = 1 / 9
        assert all(share < 2 * chance if diet == "shuffled" else share > 0.6 for share in told["right"])
    assert len(SMALL) == 5


def test_unknown_diets_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        diet_networks.main(["fish", "upright"])
    assert ended.value.code == 2 and "unknown diet fish: must be of upright" in capsys.readouterr().err
