"""The evaluation suites: what counts as success, who is compared, and what the command prints and saves."""

import json

import numpy as np
import pytest

from foveal.agents import suites
from foveal.agents.drivers import DRIVERS
from foveal.cli import main
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.registration import WORLDS


def episodes(**columns):
    told = {"collision": 0.0, "terminated": 0.0, "speed": 25.0, "length": 40.0, **columns}
    return {name: np.atleast_1d(np.asarray(value, float)) for name, value in told.items()}


def test_success_is_progress_without_a_crash():
    by_name = {setting.name: setting for setting in suites.SUITES["tell-drive"]}
    highway, turn = by_name["highway, density 1"], by_name["left turn, 20 cars/min"]
    assert highway.success(episodes(), 1.0).all()
    assert not highway.success(episodes(speed=20.0), 1.0).any(), "who crawls fails"
    assert not highway.success(episodes(speed=30.0, length=20), 1.0).any()
    assert not highway.success(episodes(collision=1.0, terminated=1.0), 1.0).any()
    assert turn.success(episodes(terminated=1.0, length=6), 1.0).all()
    assert not turn.success(episodes(length=25), 1.0).any(), "who waits for ever fails"
    assert not turn.success(episodes(terminated=1.0, collision=1.0), 1.0).any()


def test_the_suites_are_three_tasks_at_three_densities_and_the_one_of_dilu():
    assert [setting.env_id for setting in suites.SUITES["tell-drive"]] == [
        *["foveal/LeftTurn-v0"] * 3, *["foveal/Merge-v0"] * 3, *["foveal/Highway-v0"] * 3
    ]  # fmt: skip
    for setting in (setting for suite in suites.SUITES.values() for setting in suite):
        assert setting.env_id in WORLDS and set(setting.drivers) <= set(DRIVERS)
    (dilu,) = suites.SUITES["dilu"]
    assert len(dilu.row_seeds(1000, EVALUATION_SEEDS)) == 17 and min(dilu.row_seeds(1000, EVALUATION_SEEDS)) > 2**31


def test_a_row_for_every_driver_agent_and_the_planner():
    (dilu,) = suites.SUITES["dilu"]
    agents = [("mine", lambda observations: np.full(len(observations), 4))]
    rows = {row.agent: row for row in suites.run([dilu], agents, episodes=17, planned=4, branches=1024)}
    assert rows.keys() == {*dilu.drivers, "mine", "planner"}
    assert rows["mine"].returns == rows["slowest"].returns and rows["mine"].optimality == pytest.approx(0)
    assert rows["planner"].optimality == pytest.approx(100) and rows["planner"].episodes == 4
    assert rows["planner"].success.mean >= 0.75 > rows["slowest"].success.mean  # one crashes in its second step
    assert all(0 <= row.ttc_s.mean <= 10 and 0 <= row.collision.mean <= 1 for row in rows.values())


def test_the_command_prints_and_saves(tmp_path, capsys):
    saved = tmp_path / "suite.json"
    assert main(["eval", "--suite", "dilu", "--planned", "0", "--out", str(saved)]) == 0
    out = capsys.readouterr().out
    assert "at least 400 m" in out and "idm-mobil" in out and "planner" not in out
    told = json.loads(saved.read_text())
    assert {row["agent"] for row in told["rows"]} == {"random", "idle", "slowest", "idm-mobil"} and told["versions"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--suite tel-drive", "unknown suite 'tel-drive'; did you mean 'tell-drive'?"),
        ("--suite dilu --planned -1", "--planned -1: must be at least 0"),
        ("--suite dilu --set lanes_count=3", "leave out --env and --set"),
        ("--suite dilu keep-left", "unknown agent 'keep-left'"),
    ],
)
def test_bad_input_gets_one_line(words, message, capsys):
    assert main(["eval", *words.split()]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
