"""The experiment on asymmetries, end to end through the command line at its smallest, and what it is made of."""

import dataclasses
import json

import pytest

from foveal.agents.search_suite import HELD_OUT, SEARCHES, TUNED
from foveal.cli import main
from foveal.experiments import search_asymmetry
from foveal.experiments.grid import Cell
from foveal.experiments.search_asymmetry import CLAIMS, EXPERIMENT, FEWER, IMAGENET, PRESETS, TITLES, VARIANTS
from foveal.vision.backbones import SEEDS
from foveal.vision.gaze.humans import HUMANS


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of a smoke run of the rows that cost little, and one of a network."""
    out, kept = tmp_path_factory.mktemp("smoke"), {"upright", "pixels", "random", "ideal"}
    claims = tuple(claim for claim in CLAIMS if set(claim.variants) <= kept)
    fewer = {**FEWER, **{row: 0 for row in VARIANTS if row not in kept}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_asymmetry, "EXPERIMENT", dataclasses.replace(EXPERIMENT, claims=claims, fewer=fewer))
        assert main(["experiment", "search_asymmetry", "--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_smoke_leaves_a_page_with_all_claims_undetermined(smoke):
    found = json.loads((smoke / "search_asymmetry" / "result.json").read_text())
    assert found["complete"] and {one["verdict"] for one in found["claims"]} == {"undetermined"}
    text = (smoke / "search_asymmetry.md").read_text()
    assert all(f"(search_asymmetry/{name}.png)" in text for name in ("claims", "slopes", "times", "seeds"))
    assert found["rows"]["random"]["found"]["mean"] == 1 and found["rows"]["pixels"]["signs"]["n"] == 1


def test_a_cell_tells_every_search_and_every_pair():
    measured = search_asymmetry.run(Cell("pixels", "", 0), PRESETS["smoke"])
    assert set(SEARCHES) < set(measured) and set(TITLES.values()) < set(measured)
    assert measured["r"] == 0, "slopes that are all alike agree with none"
    for (easy, hard), title in TITLES.items():
        assert measured[title] == pytest.approx(measured[hard] - measured[easy])
    assert len(measured["times tilted_in_mixed"]) == 4


def test_claims_are_about_what_was_not_tuned_and_rows_have_the_seeds_they_need():
    assert set(TITLES) == {*TUNED, *HELD_OUT} and len(set(TITLES.values())) == len(TITLES)
    tuned = {TITLES[pair] for pair in TUNED}
    assert not [claim for claim in CLAIMS if claim.variants == (IMAGENET,) and claim.metric in tuned]
    for claim in CLAIMS:
        assert all(FEWER.get(row, 10) == 10 for row in claim.variants), claim.name
    for name, diet in search_asymmetry.DIETS.items():
        assert FEWER.get(name, 10) <= SEEDS[diet]


def test_figures_stand_on_humans_that_are_there():
    assert all(name in HUMANS for pair in TUNED for name in pair)
    assert search_asymmetry.FIRST_DISPLAY >= 2**31
