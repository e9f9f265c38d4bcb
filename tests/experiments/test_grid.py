"""Grids: in what order, that no cell is done twice or lost, and what files from elsewhere do to them."""

import dataclasses
import importlib.util
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.experiments.grid import Budget, Cell, Grid, GridError, checked, hash_of

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture
def toy():
    """The program's module."""
    spec = importlib.util.spec_from_file_location("toy", TOY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(folder, seconds, workers=1):
    command = [sys.executable, str(TOY), str(folder), str(seconds), str(workers)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def attempts(folder):
    """Cells in the order in which they were begun."""
    log = folder / "log"
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_variant_has_one_seed_before_any_has_a_second(tmp_path, toy):
    grid = toy.grid(tmp_path, 0)
    grid.work()
    assert attempts(tmp_path) == [f"{v}, seed {s}" for s in range(3) for v in ("a", "bb")]
    assert grid.results().complete
    assert grid.results().values("bb", "score").tolist() == [2, 3, 4]


def test_settings_come_before_seeds_and_name_rows():
    grid = Grid({"a": {}, "b": {}}, {"x": {}, "y": {}}, Budget(seeds=2, core_hours=0), dict, Path("cells"), 100)
    assert grid.cells()[:5] == [
        *(Cell("a", "x", 100), Cell("b", "x", 100), Cell("a", "y", 100), Cell("b", "y", 100)),
        Cell("a", "x", 101),
    ]
    assert grid.cells()[0].row == "a/x" and grid.path(grid.cells()[0]).name == "a-x-100.json"


def test_rows_may_have_fewer_seeds_or_none():
    fewer = {"a/y": 1, "b/x": 0}
    grid = Grid({"a": {}, "b": {}}, {"x": {}, "y": {}}, Budget(seeds=2, core_hours=0), dict, Path("cells"), 100, fewer)
    assert [(cell.row, cell.seed) for cell in grid.cells()] == [
        *(("a/x", 100), ("a/y", 100), ("b/y", 100)),
        *(("a/x", 101), ("b/y", 101)),
    ]


def test_a_finished_cell_tells_what_made_it(tmp_path, toy):
    grid = toy.grid(tmp_path, 0.2)
    cell = grid.cells()[0]
    grid.work(max_minutes=0)
    assert attempts(tmp_path) == []
    grid.work(max_minutes=0.003)
    assert attempts(tmp_path) == [str(cell)]
    record = json.loads(grid.path(cell).read_text())
    assert record["configuration"] == grid.configuration(cell)
    assert record["hash"] == hash_of(grid.configuration(cell))
    assert record["measured"] == {"score": 1} and 0.2 <= record["seconds"] < 5 and record["core_seconds"] < 5
    assert {"commit", "versions", "cores"} <= set(record)
    assert {path.name for path in grid.folder.iterdir()} == {"a-000.json"}


def test_killed_in_the_middle_of_a_cell_it_goes_on_from_there(tmp_path, toy):
    process = start(tmp_path, 0.5)
    wait_for(lambda: len(attempts(tmp_path)) == 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    grid = toy.grid(tmp_path, 0.5)
    before = {path: path.read_bytes() for path in grid.folder.glob("*.json")}
    assert len(before) == 2
    grid.work()
    begun = attempts(tmp_path)
    assert begun[2] == begun[3] and len(begun) == 7 and grid.results().complete
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not list(grid.folder.glob("*.claim"))


def test_ctrl_c_tells_how_to_go_on_in_one_line(tmp_path):
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        process = start(folder, 0.5, workers)
        wait_for(lambda folder=folder: len(attempts(folder)) >= 3)
        subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)  # as a terminal does: to all of them
        _, told = process.communicate()
        assert process.returncode == 130
        *_, last = told.splitlines()
        assert last.startswith("stopped; ") and "of 6 cells are finished, and the same command goes on" in last
        assert "Traceback" not in told


def test_two_workers_share_the_cells(tmp_path, toy):
    process = start(tmp_path, 0.3, workers=2)
    assert process.wait() == 0, process.communicate()
    process.communicate()
    begun = attempts(tmp_path)
    assert sorted(begun) == sorted(str(cell) for cell in toy.grid(tmp_path, 0.3).cells())
    assert len({line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}) == 2
    assert toy.grid(tmp_path, 0.3).results().complete


def test_workers_do_not_try_again_what_another_has_failed_at(tmp_path, toy):
    process = start(tmp_path, -1, workers=2)  # nobody can sleep that long
    _, told = process.communicate()
    assert process.returncode == 0 and told.count("failed, ValueError: sleep length must be non-negative") == 6
    grid = toy.grid(tmp_path, -1)
    assert sorted(attempts(tmp_path)) == sorted(str(cell) for cell in grid.cells()) == sorted(map(str, grid.failed()))


def test_two_runs_of_a_grid_never_do_the_same_cell(tmp_path, toy):
    others = [start(tmp_path, 0.2), start(tmp_path, 0.2)]
    for process in others:
        process.communicate()
    assert sorted(attempts(tmp_path)) == sorted(str(cell) for cell in toy.grid(tmp_path, 0.2).cells())


@pytest.mark.parametrize("torn", [b"", b'{"format": 1, "config', b"[]", b"\xff\xfe", b'{"format":1}'])
def test_a_torn_cell_is_done_anew(tmp_path, toy, torn, capsys):
    grid = toy.grid(tmp_path, 0)
    grid.work()
    path = grid.path(grid.cells()[1])
    whole = json.loads(path.read_bytes())
    path.write_bytes(torn)
    grid.work()
    assert attempts(tmp_path)[6:] == ["bb, seed 0"]
    assert json.loads(path.read_bytes())["measured"] == whole["measured"]
    assert capsys.readouterr().err.count("bb-000.json is torn or not ours: bb, seed 0 counts as not done") == 1


def test_a_configuration_that_was_altered_by_hand_does_not_pass(tmp_path, toy):
    grid = toy.grid(tmp_path, 0)
    grid.work()
    path = grid.path(grid.cells()[0])
    path.write_text(path.read_text().replace('"variant":"a"', '"variant":"c"'))
    assert len(grid.results().records) == 5


def test_a_cell_of_another_configuration_is_refused(tmp_path, toy):
    toy.grid(tmp_path, 0).work()
    changed = toy.grid(tmp_path, 0.01)
    with pytest.raises(GridError, match=r"a-000\.json.*budget\.seconds: 0 then, 0\.01 now.*--out"):
        changed.work()
    assert len(attempts(tmp_path)) == 6
    renamed = dataclasses.replace(toy.grid(tmp_path, 0), variants={"a": {"layers": 2}, "bb": {}})
    with pytest.raises(GridError, match=r"variant\.layers: only now"):
        renamed.results()


def test_more_seeds_keep_what_is_there(tmp_path, toy):
    grid = toy.grid(tmp_path, 0)
    grid.work()
    dataclasses.replace(grid, budget=dataclasses.replace(grid.budget, seeds=4, core_hours=9)).work()
    assert attempts(tmp_path)[6:] == ["a, seed 3", "bb, seed 3"]


def test_a_cell_that_fails_leaves_the_others_be(tmp_path, toy, capsys):
    broken = [Cell("a", "", 1)]

    def run(cell, budget):
        return {"score": math.nan if cell in broken else 1.0}

    grid = dataclasses.replace(toy.grid(tmp_path, 0), run=run)
    grid.work()
    assert grid.failed() == broken and len(grid.results().records) == 5
    assert "a, seed 1 failed, ValueError: metric 'score' is not finite" in capsys.readouterr().err
    assert "Traceback" in (grid.folder / "a-001.failed.txt").read_text()
    broken.clear()
    grid.work()
    assert grid.failed() == [] and grid.results().complete


def test_names_that_make_the_same_file_are_refused(tmp_path, toy):
    with pytest.raises(GridError, match="too alike"):
        dataclasses.replace(toy.grid(tmp_path, 0), variants={"a b": {}, "a_b": {}}).work()


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), numbers | st.lists(numbers, min_size=1, max_size=4), max_size=4))
def test_what_is_measured_is_json_or_refused(measured):
    if not measured:
        with pytest.raises(ValueError, match="nothing was measured"):
            checked(measured)
    elif all(np.isfinite(value).all() for value in measured.values()):
        assert json.loads(json.dumps(checked(measured), allow_nan=False)) == measured
    else:
        with pytest.raises(ValueError, match="is not finite"):
            checked(measured)


@pytest.mark.parametrize("value", [[], [[1.0]]])
def test_other_shapes_are_refused(value):
    with pytest.raises(ValueError, match="must be a number or a list"):
        checked({"score": value})


def test_numpys_numbers_become_plain_ones():
    plain = checked({"a": np.float32(0.5), "b": np.arange(2), "c": True})
    assert plain == {"a": 0.5, "b": [0, 1], "c": 1} and type(plain["a"]) is float
