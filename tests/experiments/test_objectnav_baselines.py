"""The tables of object navigation's page, as small as they come."""

import numpy as np
import pytest

from foveal.envs.objectnav.world import ObjectNav
from foveal.experiments import objectnav_baselines as baselines

FEW = {"scenes": "ithor", "split": "val", "houses": 2}


def test_the_expert_finds_all_there_is_to_be_found():
    one = baselines.reach(FEW, starts=2)
    tasks = ObjectNav(1, **FEW, rgb=False).tasks
    assert (one.rooms, one.tasks, one.runs) == (2, tasks.house.size, 2 * tasks.house.size)
    assert one.found == one.runs and one.empty == []
    assert one.bins.sum() == pytest.approx(1) and (one.bins >= 0).all()


def test_what_is_hidden_and_rooms_without_a_task_are_told():
    # FloorPlan22's mug stands in a closed cabinet; FloorPlan222 has no mug.
    params = {"scenes": "ithor", "split": "val", "houses": 0, "categories": ("Mug", "Bed")}
    one = baselines.reach(params, starts=1)
    assert ("FloorPlan22", "Mug", True) in one.hidden and "FloorPlan22" in one.empty and "FloorPlan222" in one.empty
    told = baselines.reach_table({("ithor", "val"): one})
    assert (
        "In closed containers (2): Mug in FloorPlan22" in told and f"| ithor val | 20 | {20 - len(one.empty)} |" in told
    )


def test_starts_are_binned_as_they_are_drawn():
    world = ObjectNav(4000, **FEW, rgb=False, depth=False, gps_compass=True)
    _, infos = world.reset(seed=0)
    drawn = np.bincount(infos["distance_bin"], minlength=4) / 4000
    np.testing.assert_allclose(baselines.start_bins(world.tasks), drawn, atol=0.03)


def test_all_tables_are_printed_and_saved(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(baselines, "FAMILIES", {"ithor": ("val",)})
    monkeypatch.setattr(baselines, "SETTINGS", {"small": {**FEW, "duration": 40}})
    real = baselines.reach
    monkeypatch.setattr(baselines, "reach", lambda params, starts: real({**params, "houses": 1}, starts))
    monkeypatch.setattr(baselines, "houses_table", lambda: "")
    told = baselines.main(baselines.Options(episodes=6, starts=1, out=tmp_path / "new" / "tables.md"))
    assert capsys.readouterr().out == told + "\n"
    assert (tmp_path / "new" / "tables.md").read_text() == told
    for agent in baselines.AGENTS:
        assert told.count(f"| {agent} |") == 2
    lines = told.splitlines()
    head = next(line for line in lines if line.startswith("| agent |"))
    assert head.count("|") == next(line for line in lines if line.startswith("| oracle | 100.0 [61.0, 100.0] |")).count(
        "|"
    )


def test_procedural_houses_are_measured():
    rows = baselines.houses_table(count=1).splitlines()[2:]
    floors = [float(row.split("|")[2]) for row in rows]
    assert [int(row.split("|")[1]) for row in rows] == [1, 2, 3, 5, 8]
    assert floors[0] < floors[3] < floors[4] and all(float(row.split("|")[3]) > 5 for row in rows)
