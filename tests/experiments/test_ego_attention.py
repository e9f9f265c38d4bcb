"""The experiment on ego-attention, end to end through the command line at its smallest, and the command itself."""

import json
import re
import shutil

import pytest

from foveal.cli import main
from foveal.commands.experiment import scripts
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.experiments import ego_attention


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of a smoke run."""
    out = tmp_path_factory.mktemp("smoke")
    assert main(["experiment", "ego_attention", "--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_smoke_leaves_a_page_with_all_claims_undetermined(smoke):
    found = json.loads((smoke / "ego_attention" / "result.json").read_text())
    assert found["complete"] and found["spent"]["cells"] == 12
    assert [one["name"] for one in found["claims"]] == [claim.name for claim in ego_attention.CLAIMS]
    assert {one["verdict"] for one in found["claims"]} == {"undetermined"}
    text = (smoke / "ego_attention.md").read_text()
    assert all(f"({path})" in text for path in ("ego_attention/claims.png", "ego_attention/curves.png"))
    assert (smoke / "ego_attention" / "curves.png").stat().st_size > 10_000


def test_attention_alone_is_indifferent_to_the_order(smoke):
    def lost(variant):
        record = json.loads((smoke / "ego_attention" / "cells" / f"{variant}-sorted-000.json").read_text())
        return record["measured"]["lost when reordered"]

    assert len(lost("mlp")) == 16 and any(lost("mlp"))
    assert sum(map(abs, lost("attention"))) < sum(map(abs, lost("mlp")))


def test_a_second_call_does_nothing_again(smoke, capsys):
    cells = smoke / "ego_attention" / "cells"
    before = {path: path.stat().st_mtime_ns for path in cells.iterdir()}
    assert main(["experiment", "ego_attention", "--preset", "smoke", "--out", str(smoke)]) == 0
    assert {path: path.stat().st_mtime_ns for path in cells.iterdir()} == before
    out, error = capsys.readouterr()
    assert error == "" and f"saved {smoke / 'ego_attention.md'}" in out and "fewer than 10 seeds" in out


def test_cells_of_another_preset_are_refused_in_one_line(smoke, tmp_path, capsys):
    shutil.copytree(smoke, tmp_path / "copy")
    words = ["experiment", "ego_attention", "--max-minutes", "0", "--out", str(tmp_path / "copy")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "attention-nearest-000.json" in error and "another configuration" in error


def test_without_a_name_the_experiments_are_listed(capsys):
    assert main(["experiment"]) == 0
    assert re.search("^ego_attention +Does ego-attention drive better", capsys.readouterr().out, re.M)
    assert all(line.endswith((".", "?")) for line in scripts().values())


@pytest.mark.parametrize(
    "words, told",
    [
        ("ego_atention", "unknown experiment 'ego_atention'; did you mean 'ego_attention'?"),
        ("grid", "unknown experiment 'grid'"),
        ("ego_attention --preset smok", "invalid choice 'smok'"),
        ("ego_attention --preest smoke", "unknown option '--preest'; did you mean '--preset'?"),
        ("ego_attention --seed-offset -1", "--seed-offset -1: must be in [0, 1048576)"),
        ("ego_attention --workers 0", "--workers 0: must be in [1, 1024]"),
        ("ego_attention --max-minutes nan", "--max-minutes nan: must be in [0, 1000000)"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", *words.split()]) == 2
    out, error = capsys.readouterr()
    assert told in error and error.startswith("foveal: ") and error.count("\n") == 1
    assert out == "" and list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_gets_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["experiment", "ego_attention", "--preset", "smoke", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_all_seeds_of_evaluation_are_held_out_and_fresh():
    tuned_on = EVALUATION_SEEDS + 1000
    assert tuned_on < ego_attention.FIRST_EPISODE
    for test in ego_attention.SETTINGS.values():
        assert set(test) == {"train", "denser", "reordered"}
