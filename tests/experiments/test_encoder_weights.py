"""The script that makes the encoders' weights, from frames to a table, as small as there is."""

import json

import gymnasium as gym
import numpy as np
import pytest
import torch

from foveal.agents.encoders import make_encoder
from foveal.experiments import encoder_weights
from foveal.experiments.encoder_weights import frames_of, main

SMALL = ["--ithor-houses", "4", "--robothor-houses", "1", "--procedural-houses", "1", "--held-out-houses", "3"]
SMALL += ["--frames", "1024", "--held-out-frames", "1024", "--steps", "20", "--batch", "32"]


@pytest.fixture(scope="module")
def frames():
    return frames_of("val", {"ithor": 4}, 256, seed=0)


def test_what_is_said_of_frames(frames):
    """Frames are those that one sees oneself."""
    env = gym.make_vec("foveal/ObjectNav-v0", num_envs=256, split="val", houses=4, semantic=True)
    observations, _ = env.reset(seed=0)
    assert np.array_equal(frames.rgb, observations["rgb"]) and np.array_equal(frames.semantic, observations["semantic"])
    assert np.allclose(frames.depth, observations["depth"], rtol=1e-3)
    assert frames.labels.present.any(1).mean() > 0.9


def test_variation_keeps_what_is_where(frames):
    """Half of the frames are mirrored, all their images alike."""
    images = frames.images(np.arange(256))
    torch.manual_seed(0)
    varied = encoder_weights._varied(images)
    mirrored = ~(varied["depth"] == images["depth"]).flatten(1).all(1)
    assert 90 < mirrored.sum() < 166
    for name in ("depth", "semantic"):
        assert torch.equal(varied[name][mirrored], images[name][mirrored].flip(2))
        assert torch.equal(varied[name][~mirrored], images[name][~mirrored])


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
        encoder = make_encoder(name, encoder_weights._space())
        assert encoder(images).shape == (1, encoder.channels, 7, 7)


def test_bad_names(capsys):
    with pytest.raises(SystemExit):
        main(["romos"])
    assert "did you mean 'rooms'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])
    assert "say what to train" in capsys.readouterr().err
