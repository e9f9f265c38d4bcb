"""Pages: that every claim is told, with what was planned and spent, and that figures show what they are given."""

import dataclasses
import json
import re

import cv2
import numpy as np
import pytest

from foveal.experiments.claims import Claim
from foveal.experiments.experiment import Experiment
from foveal.experiments.figures import COLOURS, VERDICTS, curves, forest, new_figure, save_figure, seed_dots
from foveal.experiments.grid import Budget
from foveal.experiments.page import markdown, summary, write_page

TITLES = {"": "everywhere"}


def run(cell, budget):
    rng = np.random.default_rng((cell.seed, len(cell.variant)))
    better = 2 if cell.variant == "ours" else 0
    return {
        "score": better + cell.seed + rng.normal(size=20) / 10,
        "steps": [1.0, 2.0, 3.0],
        "curve": [0.0, better + rng.normal() / 10, better],
    }


def figures(results):
    return {
        "dots": seed_dots(results, {"score": "score [1]"}),
        "curves": curves(results, "steps", "curve", xlabel="steps", ylabel="score", titles=TITLES),
    }


def claim(name, **changes):
    return Claim(name=name, estimand=f"of {name} [1]", variants=("ours", "theirs"), metric="score", **changes)


EXPERIMENT = Experiment(
    name="toy",
    variants={"ours": {"layers": 2}, "theirs": {}},
    settings={"": {}},
    presets={"standard": Budget(seeds=10, core_hours=0.5), "smoke": Budget(seeds=2, core_hours=0.1)},
    run=run,
    claims=(
        claim("better", rule="two-way"),
        claim("much better", bound=3.0),
        claim("about two", bound=1.98),
        claim("no different", bound=0.5, direction="within", rule="bca"),
    ),
    columns={"score": "score [1]"},
    figures=figures,
    page="# Toy\n`$command`\n![]($figure_claims)\n$claims\n\n$rows\n\n$cost\n![]($figure_dots)\n![]($figure_curves)\n",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Everything a finished experiment leaves: its folder, findings and the page."""
    out = tmp_path_factory.mktemp("page")
    grid = EXPERIMENT.grid("standard", out)
    grid.work()
    return (out, *EXPERIMENT.report("standard", grid, out))


def test_result_json_has_every_claim_and_its_cost(page):
    out, findings, _ = page
    found = json.loads((out / "toy" / "result.json").read_text(), parse_constant=pytest.fail)
    assert [one["name"] for one in found["claims"]] == [one.name for one in EXPERIMENT.claims]
    assert [one["verdict"] for one in found["claims"]] == ["holds", "refuted", "undetermined", "refuted"]
    for one, finding in zip(found["claims"], findings, strict=True):
        assert {"estimand", "metric", "value", "ci_low", "ci_high", "bound", "direction", "rule", "n"} <= set(one)
        assert one["ci_low"] < one["value"] < one["ci_high"] and one["n"] == 10
        assert one["value"] == finding.value == pytest.approx(2, abs=0.1)
        assert 0.5 < one["improvement"] < 1
    assert found["complete"] and found["preset"] == "standard" and found["seeds"] == list(range(10))
    assert found["planned"] == {"cells": 20, "core_hours": 0.5}
    assert found["spent"]["cells"] == 20 and 0 <= found["spent"]["core_hours"] < 0.1
    assert {"commit", "versions", "cores"} <= set(found)
    assert sum(made["cells"] for made in found["cells_made_with"]) == 20
    ours, theirs = found["rows"]["ours"]["score"], found["rows"]["theirs"]["score"]
    assert ours["n"] == 10 and ours["ci_low"] < ours["mean"] < ours["ci_high"]
    assert ours["mean"] - theirs["mean"] == pytest.approx(found["claims"][0]["value"])


def test_the_page_shows_what_result_json_says(page):
    _, findings, path = page
    text = path.read_text()
    assert text.startswith("# Toy\n`foveal experiment toy --preset standard`\n") and "$" not in text
    for finding in findings:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {finding.claim.name} |")]
        assert f"**{finding.verdict}**" in line and f"{finding.value:.3g} [{finding.ci_low:.3g}" in line
    assert re.search(r"^\| ours \| 10 \| 6\.\d+ \[\d\.\d+, \d\.\d+\] \| 6\.\d+ \|$", text, re.MULTILINE)
    assert "Planned: 20 cells, 0.5 core-hours. Spent: 20 cells" in text and "Unfinished" not in text


def test_figures_on_the_page_are_there_and_not_empty(page):
    out, _, path = page
    names = re.findall(r"!\[\]\((toy/\w+\.png)\)", path.read_text())
    assert len(names) == 3
    for name in names:
        picture = cv2.imread(str(out / name))
        assert picture.shape[0] > 150 and picture.std() > 5


def has_colour(path, colour):
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (abs(picture - wanted).max(-1) < 6).sum() > 20


def test_figures_tell_variants_and_verdicts_apart_by_colour(page, tmp_path):
    out, findings, _ = page
    for name in ("dots", "curves"):
        assert all(has_colour(out / "toy" / f"{name}.png", colour) for colour in COLOURS[:2])
        assert not has_colour(out / "toy" / f"{name}.png", COLOURS[2])
    for finding in findings:
        path = save_figure(forest([finding]), tmp_path / "one.png")
        assert [verdict for verdict, colour in VERDICTS.items() if has_colour(path, colour)] == [finding.verdict]


def test_an_unfinished_page_says_so_and_decides_nothing(tmp_path):
    grid = EXPERIMENT.grid("standard", tmp_path)
    grid.work(max_minutes=0)
    _, path = EXPERIMENT.report("standard", grid, tmp_path)
    assert "Unfinished" in path.read_text()  # without a single cell
    grid.work()
    grid.path(grid.cells()[-1]).unlink()
    findings, path = EXPERIMENT.report("standard", grid, tmp_path)
    assert {finding.verdict for finding in findings} == {"undetermined"}
    assert "Unfinished" in path.read_text() and "Spent: 19 cells" in path.read_text()


def test_other_seeds_are_named_on_the_page(tmp_path):
    grid = EXPERIMENT.grid("smoke", tmp_path, 100)
    grid.work()
    findings, path = EXPERIMENT.report("smoke", grid, tmp_path)
    assert "`foveal experiment toy --preset smoke --seed-offset 100`" in path.read_text()
    assert {finding.note for finding in findings} == {"fewer than 10 seeds"}
    assert json.loads((tmp_path / "toy" / "result.json").read_text())["seeds"] == [100, 101]


def test_a_page_that_names_something_else_is_refused(page, tmp_path):
    found = json.loads((page[0] / "toy" / "result.json").read_text())
    with pytest.raises(ValueError, match=r"the page of toy names \$curve; there are \$claims, .*\$figure_a"):
        write_page(tmp_path, "$curve", found, EXPERIMENT.columns, {"a": new_figure(1, 1)})


def test_claims_about_rows_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match="unknown row 'their'; did you mean 'theirs'"):
        wrong = Claim(name="x", estimand="x", variants=("ours", "their"), metric="score")
        dataclasses.replace(EXPERIMENT, claims=(wrong,))
    with pytest.raises(ValueError, match="two claims are called 'better'"):
        dataclasses.replace(EXPERIMENT, claims=EXPERIMENT.claims + EXPERIMENT.claims[:1])


def test_rows_of_few_seeds_get_no_interval():
    values = np.arange(12.0)
    assert summary(values[:0]) == {"n": 0, "mean": None, "ci_low": None, "ci_high": None, "iqm": None}
    assert summary(values[:4]) == {"n": 4, "mean": 1.5, "ci_low": None, "ci_high": None, "iqm": None}
    five, all_of_them = summary(values[:5]), summary(values)
    assert five["ci_low"] == pytest.approx(2 - 2.776 * np.sqrt(2.5 / 5), abs=1e-3) and five["iqm"] is None
    assert all_of_them["iqm"] == 5.5


def test_a_bar_in_a_cell_does_not_split_it():
    assert markdown(["a|b"], [["c"]]) == "| a\\|b |\n| --- |\n| c |"
