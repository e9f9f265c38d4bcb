"""The script that makes the encoders' weights, from frames to a table, as small as there is."""

import json

import gymnasium as gym
import numpy as np
import pytest
import torch

from foveal.agents.encoders import make_encoder
from foveal.envs.objectnav.types import TYPES
from foveal.experiments import encoder_weights
from foveal.experiments.encoder_weights import frames_of, main

SMALL = ["--ithor-houses", "4", "--procedural-houses", "1", "--held-out-houses", "3"]
SMALL += ["--frames", "1024", "--held-out-frames", "1024", "--steps", "20", "--batch", "32"]


@pytest.fixture(scope="module")
def frames():
    return frames_of("val", {"ithor": 4}, 256, seed=0)


def test_what_is_said_of_frames(frames):
    """The shares of types and their nearest points are those of the images that one sees oneself."""
    env = gym.make_vec("foveal/ObjectNav-v0", num_envs=256, split="val", houses=4, semantic=True)
    observations, _ = env.reset(seed=0)
    assert np.array_equal(frames.rgb, observations["rgb"])
    for row in range(0, 256, 50):
        for number in range(len(TYPES)):
            here = observations["semantic"][row] == number
            assert np.isclose(frames.shares[row, number], here.mean())
            nearest = observations["depth"][row][here].min() if here.any() else np.inf
            assert np.isclose(frames.nearest[row, number], nearest, rtol=1e-3)


def test_frames_come_from_their_seed(frames):
    again, other = (frames_of("val", {"ithor": 4}, 256, seed=seed) for seed in (0, 1))
    assert np.array_equal(again.rgb, frames.rgb) and not np.array_equal(other.rgb, frames.rgb)


def test_weights_are_made_and_probed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(encoder_weights, "WEIGHTS", tmp_path)
    monkeypatch.setattr("foveal.agents.encoders.WEIGHTS", tmp_path)
    threads = torch.get_num_threads()
    try:
        main(["rooms", "types", "--probe", *SMALL])
    finally:
        torch.set_num_threads(threads)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert {"rooms", "types", "random", "nothing"} <= {line.split("|")[1].strip() for line in table}
    for name in ("rooms", "types"):
        card = json.loads((tmp_path / f"{name}.json").read_text())
        assert card["steps"] == 20 and card["losses"][-1]["train"] < card["losses"][0]["train"]
        images = {"rgb": torch.zeros(1, 64, 64, 3, dtype=torch.uint8), "depth": torch.ones(1, 64, 64)}
        assert make_encoder(name, encoder_weights._space())(images).shape == (1, 64, 7, 7)


def test_bad_names(capsys):
    with pytest.raises(SystemExit):
        main(["romos"])
    assert "did you mean 'rooms'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])
    assert "say what to train" in capsys.readouterr().err
