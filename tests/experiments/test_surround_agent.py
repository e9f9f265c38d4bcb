"""The script that trains the driver by depth, as small as there is, and the rule that teaches it."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.agents.drivers import FASTER, IDLE, LANE_LEFT, SLOWER
from foveal.agents.evaluation import Estimate
from foveal.agents.pretrained import PRETRAINED
from foveal.agents.rollouts import make_world
from foveal.agents.tensors import to_tensors
from foveal.experiments import surround_agent
from foveal.experiments.gap_finder import RANGES, GapFinder
from foveal.experiments.surround_agent import (
    BARE,
    FIRST_EPISODE,
    KNOWER,
    PIONEER,
    SEEN,
    STUDENT,
    TOLD,
    WORLD,
    Knowing,
    evaluate,
    imitated,
    main,
    table,
)
from foveal.vision.depth.models import SHIPPED

SPEEDS = (0.0, 4.0, 8.0, 12.0)
SMALL = {**SEEN, "width": 40, "height": 24, "streets": 1, "density": 0.0, "walkers": 0}


def state(*others, y=4.0, speed=8.0, drift=0.0):
    """An ego on the right lane and others (ahead m, y m, speed m/s), as the world tells of them."""
    rows = np.zeros((1, 6, 5), np.float32)
    rows[0, 0] = (1, 0, y, speed, drift)
    for k, (ahead, other_y, other_speed) in enumerate(others, 1):
        rows[0, k] = (1, ahead, other_y - y, other_speed - speed, -drift)
    return rows / np.array([1, *RANGES.values()], np.float32)


def chosen(*others, sees_behind=True, **ego):
    return GapFinder(SPEEDS, sees_behind)(state(*others, **ego))[0]


@given(ahead=st.floats(-90, 90), speed=st.floats(0, 12), ego=st.sampled_from(SPEEDS))
def test_the_rule_enters_only_where_there_is_room(ahead, speed, ego):
    closing = max(0.0, 0.5 * (ego - speed) if ahead > 0 else 1.5 * (speed - ego))
    if abs(abs(ahead) - 7.5 - closing) < 0.01:
        return  # to the rounding of what is told
    room = abs(ahead) >= 7.5 + closing
    assert (chosen((ahead, 0.0, speed), (60, 4.0, 0.0), speed=ego) == LANE_LEFT) == room


def test_the_rule_waits_for_who_comes_from_behind_unless_it_does_not_look():
    comes = (-12.0, 0.0, 12.0)
    assert chosen(comes, (60, 4.0, 0.0)) != LANE_LEFT
    assert chosen(comes, (60, 4.0, 0.0), sees_behind=False) == LANE_LEFT


def test_the_rule_stops_before_what_blocks_the_lane_and_follows_on_the_other():
    full = [(ahead, 0.0, 8.0) for ahead in (-14.0, -2.0, 10.0)]
    assert chosen(*full, (20.0, 4.0, 0.0)) == SLOWER
    assert chosen((10.0, 0.0, 4.0), y=0.0) == SLOWER
    assert chosen(y=0.0) == FASTER
    assert chosen(y=3.0, drift=-1.0) == IDLE  # under way


def test_the_rule_arrives_and_who_does_not_look_behind_collides():
    """In the world itself; so the task asks for views to the back, and can be done."""

    def driven(driver):
        return evaluate(lambda seen: driver(seen["state"]), episodes=128, **BARE, **TOLD)

    assert driven(GapFinder(SPEEDS))["success"].mean >= 0.95
    assert driven(GapFinder(SPEEDS, sees_behind=False))["collision"].mean >= 0.08
    assert driven(lambda states: np.full(len(states), IDLE))["collision"].mean == 1.0


def test_without_depth_everything_is_far_away():
    shown = []

    def look(seen):
        shown.append((seen["depth"].min(), seen["depth"].max()))
        return np.full(len(seen["depth"]), IDLE)

    evaluate(look, "none", episodes=2, **SMALL)
    evaluate(look, episodes=2, **SMALL)
    assert shown[0] == (80.0, 80.0) and shown[-1][0] < 20.0


def test_depth_of_a_network_that_sees_twice_as_much_is_halved():
    shapes = []

    def look(seen):
        shapes.append((seen["depth"].shape, seen["K"][0, 0, 0, 2]))
        return np.full(len(seen["depth"]), IDLE)

    short = {"duration": 2.0, "streets": 1, "width": 160, "height": 96}
    evaluate(look, f"model:{SHIPPED}", episodes=2, depth=False, **short)
    assert {shape for shape, _ in shapes} == {(2, 6, 48, 80)} and shapes[0][1] == pytest.approx(39, abs=1)


def test_a_file_that_is_no_network_is_refused_before_anyone_drives():
    with pytest.raises(OSError, match="nothing"):
        surround_agent.test(lambda seen: pytest.fail("drives"), ["nothing.safetensors"])


def test_a_student_does_as_it_is_told():
    config = dataclasses.replace(
        STUDENT, env_params=SMALL, num_envs=8, rollout_steps=8, total_steps=8 * 8 * 6, minibatches=2,
        network_options={"width": 32, "channels": 4}, memory="none", memory_options={}, learning_rate=1e-2,
    )  # fmt: skip
    policy = imitated(config, Knowing(lambda states: np.full(len(states), FASTER)))
    seen = to_tensors(make_world(WORLD, 4, SMALL).reset(seed=FIRST_EPISODE)[0])
    assert (policy(seen).distribution.logits.exp()[:, FASTER] > 0.9).all()


def test_the_table_tells_rates_and_returns():
    half = Estimate(0.5, 0.4, 0.6)
    row = table({"a driver": {"success": half, "collision": half, "return": Estimate(1.234, -1, 2)}}).splitlines()[-1]
    assert row == "| a driver | 50.0 % (40.0 to 60.0) | 50.0 % (40.0 to 60.0) | 1.23 (-1.00 to 2.00) |"


def test_it_trains_all_three_ships_and_tells(tmp_path, monkeypatch, capsys):
    """A second run finds everything done, and prints the same."""
    monkeypatch.setattr("foveal.agents.pretrained.WEIGHTS", tmp_path)
    monkeypatch.setattr("foveal.agents.encoders.WEIGHTS", tmp_path)
    monkeypatch.setitem(PRETRAINED, WORLD, "surround")
    small = {"num_envs": 4, "rollout_steps": 8, "total_steps": 64, "minibatches": 2}
    seen = {"env_params": SMALL, "network_options": {"width": 16, "channels": 4}, "memory_options": {"width": 8}}
    monkeypatch.setattr(surround_agent, "KNOWER", dataclasses.replace(KNOWER, **small))
    monkeypatch.setattr(surround_agent, "STUDENT", dataclasses.replace(STUDENT, **small, **seen))
    monkeypatch.setattr(surround_agent, "PIONEER", dataclasses.replace(PIONEER, **small, **seen))
    monkeypatch.setattr(surround_agent, "SEEN", SMALL)
    monkeypatch.setattr(surround_agent, "EPISODES", 4)
    monkeypatch.setattr(surround_agent, "SOURCES", {name: surround_agent.SOURCES[name] for name in ("oracle", "none")})
    monkeypatch.setattr(surround_agent, "SHOWN", {"first_street": 1000, "duration": 2.0})
    main([str(tmp_path / "run")])
    printed = capsys.readouterr().out
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"knower.safetensors", "student.safetensors", "pioneer.safetensors"}
    card = json.loads((tmp_path / "surround.json").read_text())
    assert card["config"]["network"] == "rig_vision" and card["world"]["first_street"] == 1000
    assert "| the rule |" in printed and "| PPO on depth |" in printed and "| oracle |" in printed
    main([str(tmp_path / "run")])
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("arguments", [[], ["run", "--test"]])
def test_it_asks_where_to_train(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "say where to train, or --test" in capsys.readouterr().err
