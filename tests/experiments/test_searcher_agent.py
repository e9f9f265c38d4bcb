"""The script that trains the searchers, as small as there is, and the arithmetic of its table."""

import dataclasses
import math

import numpy as np
import pytest

from foveal.experiments import searcher_agent
from foveal.experiments.searcher_agent import STAGES, STEPS, main, measured, table


def trials(*rows):
    """Trials (set size, target present, right, reaction time in s)."""
    names = ("set_size", "target_present", "success", "reaction_time")
    return dict(zip(names, np.array(rows, np.float64).T, strict=True))


TRIALS = trials(
    (3, 1, 1, 0.50), (3, 1, 1, 0.70), (6, 1, 1, 0.66), (6, 1, 0, 9.00),  # 600 and 660 ms: 20 ms per item
    (3, 0, 1, 0.80), (6, 0, 1, 0.90), (6, 0, 1, 1.00), (3, 0, 0, 9.00), (6, 0, 1, 0.95),  # 800 and 950 ms: 50
)  # fmt: skip


def test_only_right_answers_count_for_slopes_and_all_for_errors():
    found = measured(TRIALS)
    assert found.present.slope == pytest.approx(20) and found.present.intercept == pytest.approx(540)
    assert found.absent.slope == pytest.approx(50) and found.absent.intercept == pytest.approx(650)
    assert found.misses.mean == pytest.approx(1 / 4) and found.false_alarms.mean == pytest.approx(1 / 5)
    assert found.misses.low < 1 / 4 < found.misses.high


def test_a_ratio_needs_a_present_slope_above_0():
    """Of 500 and 700 ms at three items either may be drawn alone, so that the slope's interval reaches below 0."""
    assert measured(TRIALS).present.low < 0 and math.isnan(measured(TRIALS).ratio)
    even = trials((3, 1, 1, 0.60), (6, 1, 1, 0.66), (3, 0, 1, 0.80), (6, 0, 1, 0.95))
    assert measured(even).ratio == pytest.approx(2.5)
    flat = trials((3, 1, 1, 0.60), (6, 1, 1, 0.60 + 1e-12), (3, 0, 1, 0.80), (6, 0, 1, 0.95))
    assert math.isnan(measured(flat).ratio)


def test_who_always_says_the_same_has_no_slopes_for_the_other():
    found = measured(trials((3, 1, 1, 0.4), (6, 1, 1, 0.4), (3, 0, 0, 0.4), (6, 0, 0, 0.4)))
    assert found.present.slope == pytest.approx(0) and math.isnan(found.absent.slope)
    assert found.misses.mean == 0 and found.false_alarms.mean == 1 and math.isnan(found.ratio)


def test_the_table_tells_all_of_it():
    even = measured(trials((3, 1, 1, 0.60), (6, 1, 1, 0.66), (3, 0, 1, 0.80), (6, 0, 1, 0.95)))
    row = table({"feature": even}).splitlines()[-1]
    assert row.startswith("| feature | 20.0 (20.0 to 20.0) | 50.0 (50.0 to 50.0) | 2.50 | 0.0 % (0.0 to ")


def test_the_eye_is_the_same_in_the_end():
    assert STAGES[-1][1] == {} and all(len(steps) == len(STAGES) for steps in STEPS.values())


def test_it_trains_all_three_goes_on_and_tells(tmp_path, monkeypatch, capsys):
    """A second run finds everything done, and prints the same."""
    small = {"num_envs": 4, "rollout_steps": 8, "minibatches": 2}
    seen = {"network_options": {"width": 8, "channels": 4, "places": 5}, "memory_options": {"width": 8}}
    stages = [(dataclasses.replace(config, **small, **seen), eye) for config, eye in STAGES]
    monkeypatch.setattr(searcher_agent, "STAGES", stages)
    monkeypatch.setattr(searcher_agent, "STEPS", dict.fromkeys(STEPS, (64, 32, 32, 32)))
    monkeypatch.setattr(searcher_agent, "EPISODES", 40)
    main([str(tmp_path / "run")])
    printed = capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").iterdir()} == set(STEPS)
    assert {path.name for path in (tmp_path / "run" / "feature").iterdir()} == {"0", "1", "2", "3"}
    assert "2_in_5s: 160 steps in 0 minutes" in printed and printed.count("| 2_in_5s |") == 1
    main([str(tmp_path / "run")])
    assert capsys.readouterr().out == printed
