import math
import warnings

import numpy as np
import pytest

from foveal.agents.metrics import Metrics, _smoothed, plot_curve, read_metrics

ROW = {"step": 0, "return_mean": None, "episodes": 0, "loss": 0.25}


def test_metrics_go_on_where_the_checkpoint_stands(tmp_path):
    with Metrics(tmp_path, 0, tensorboard=False) as metrics:
        for step in range(10, 60, 10):
            metrics.add({**ROW, "step": step})
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text() + "60,1.0,2")  # torn by a kill
    assert [row["step"] for row in read_metrics(path)] == ["10", "20", "30", "40", "50"]
    with Metrics(tmp_path, 30, tensorboard=False) as metrics:
        metrics.add({**ROW, "step": 40, "loss": 1 / 3})
    assert path.read_text() == ("step,return_mean,episodes,loss\n10,,0,0.25\n20,,0,0.25\n30,,0,0.25\n40,,0,0.333333\n")


def test_the_curve(tmp_path):
    assert plot_curve(tmp_path, "the world") is None
    with Metrics(tmp_path, 0, tensorboard=False) as metrics:
        metrics.add(ROW)
    assert plot_curve(tmp_path, "the world") is None
    with Metrics(tmp_path, 0, tensorboard=False) as metrics:
        for update in range(1, 100):
            metrics.add({**ROW, "step": update * 1000, "return_mean": math.sqrt(update), "episodes": update})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = plot_curve(tmp_path, "the world")
    assert path == tmp_path / "curve.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_smoothing_is_a_centred_mean_that_counts_episodes():
    values, episodes = np.random.default_rng(0).uniform(size=(2, 120))
    smoothed = _smoothed(values, episodes)
    for place, half in ((0, 0), (1, 1), (2, 2), (60, 3), (117, 2), (119, 0)):
        window = slice(place - half, place + half + 1)
        assert smoothed[place] == pytest.approx(np.average(values[window], weights=episodes[window]))
