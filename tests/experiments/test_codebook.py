"""The codebook experiment: what a cell measures is all that its claims and tables ask for, and a page comes of it."""

import dataclasses

import numpy as np
import pytest

from foveal.experiments.claims import judge
from foveal.experiments.codebook import CLAIMS, COLUMNS, EXPERIMENT, FEWER, PRESETS, SETTINGS, VARIANTS
from foveal.experiments.grid import Cell

CELLS = [Cell("codebook", "rooms", 0), Cell("none", "houses", 0)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Two cells of the smoke preset, measured."""
    few = {
        f"{variant}/{setting}": 0
        for variant in VARIANTS
        for setting in SETTINGS
        if Cell(variant, setting, 0) not in CELLS
    }
    grid = dataclasses.replace(EXPERIMENT.grid("smoke", tmp_path_factory.mktemp("out")), fewer=few)
    grid.work()
    assert not grid.failed()
    return grid


def test_cells_measure_all_that_is_asked_for(grid):
    results = grid.results()
    asked = {*COLUMNS, *(claim.metric for claim in CLAIMS)}
    assert asked <= results.records[CELLS[0]]["measured"].keys()
    transfers = {name for name in asked if name.startswith("success, ")} - {"success, near", "success, far"}
    assert asked - transfers <= results.records[CELLS[1]]["measured"].keys()
    success = results.by_seed("codebook/rooms", "success")[0]
    assert success.shape == (PRESETS["smoke"].episodes,) and set(success) <= {0.0, 1.0}
    assert 1 <= results.values("codebook/rooms", "effective codes")[0] <= 256
    assert results.values("none/houses", "effective codes") == [0]
    assert results.values("none/houses", "presence, behind - before") == [0]


def test_a_page_comes_of_it(grid, tmp_path):
    experiment = dataclasses.replace(EXPERIMENT, claims=tuple(c for c in CLAIMS if c.variants == ("codebook/rooms",)))
    findings, page = experiment.report("smoke", grid, tmp_path)
    assert len(findings) == 3 and all(finding.verdict == "undetermined" for finding in findings)
    assert "none, houses" in page.read_text()


def test_claims_compare_rows_of_ten_seeds(tmp_path):
    grid = EXPERIMENT.grid("standard", tmp_path)
    seeds = {row: sum(cell.row == row for cell in grid.cells()) for row in {cell.row for cell in grid.cells()}}
    assert all(seeds[row] >= 10 for claim in CLAIMS for row in claim.variants)
    assert set(seeds.values()) == {2, 5, 10} and not {row for row, count in FEWER.items() if count == 0} & seeds.keys()
    assert judge(CLAIMS, dataclasses.replace(grid.results(), records={}))[0].verdict == "undetermined"


def test_everything_else_is_alike():
    for variant in VARIANTS.values():
        assert variant.keys() <= {"filter", "filter_options"}
    assert np.all([setting.keys() == {"world", "encoder"} for setting in SETTINGS.values()])
