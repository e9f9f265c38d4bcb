"""Pages: what an experiment found, as ``result.json`` for programs, and in Markdown for people."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from foveal.agents.evaluation import provenance
from foveal.experiments.claims import LEAST_SEEDS, Finding, interquartile_mean, t_interval
from foveal.experiments.figures import save_figure
from foveal.experiments.grid import Budget, Results
from foveal.files import replace_file

LEAST_FOR_INTERVALS = 5
"""Seeds: below them a row shows no interval, which would be worth little."""

_SIGNS = {"above": "> ", "below": "< ", "within": "within ±"}


def result(
    name: str, preset: str, results: Results, budget: Budget, findings: Sequence[Finding], columns: Mapping[str, str]
) -> dict[str, Any]:
    """Everything that a page tells, as JSON: claims, rows, what was planned and spent, and what it was made with.

    Args:
        name: Of the experiment.
        preset: Of its budget.
        results: Of its cells.
        budget: That they had.
        findings: Of all of its claims.
        columns: Metric -> heading, of those to tell.
    """
    made_with = Counter(_made_with(record) for record in results.records.values())
    return {
        "experiment": name,
        "preset": preset,
        "seeds": sorted({cell.seed for cell in results.planned}),
        "complete": results.complete,
        "claims": [finding.as_json() for finding in findings],
        "rows": {row: {metric: summary(results.values(row, metric)) for metric in columns} for row in results.rows},
        "planned": {"cells": len(results.planned), "core_hours": budget.core_hours},
        "spent": {
            "cells": len(results.records),
            "core_hours": round(results.spent("core_seconds"), 3),
            "hours": round(results.spent("seconds"), 3),
        },
        "cells_made_with": [{**json.loads(made), "cells": count} for made, count in made_with.most_common()],
        **provenance(),
    }


def summary(values: NDArray[np.float64]) -> dict[str, Any]:
    """Of (S,) values: ``n`` and ``mean``, and where there are enough its 95 % t interval and the interquartile mean."""
    low, high = t_interval(values)[0](0.95) if len(values) >= LEAST_FOR_INTERVALS else (None, None)
    return {
        "n": len(values),
        "mean": float(values.mean()) if len(values) else None,
        "ci_low": low,
        "ci_high": high,
        "iqm": interquartile_mean(values) if len(values) >= LEAST_SEEDS else None,
    }


def write_page(
    folder: Path, template: str, found: Mapping[str, Any], columns: Mapping[str, str], figures: Mapping[str, Figure]
) -> Path:
    """Write ``NAME.md``, and in the folder ``NAME`` beside it ``result.json`` and the figures.

    Args:
        folder: Where; made when needed.
        template: The page, in which ``$claims``, ``$rows``, ``$cost`` and ``$command`` stand for what is found, and
            ``$figure_NAME`` for a figure's path.
        found: See `result`.
        columns: Metric -> heading.
        figures: By name.

    Returns:
        The page's path.

    Raises:
        OSError: where it cannot be written.
        ValueError: for a template that names something else.
    """
    name = str(found["experiment"])
    (folder / name).mkdir(parents=True, exist_ok=True)
    words = {"claims": claims_table(found), "rows": rows_table(found, columns), "cost": cost(found)}
    words["command"] = f"foveal experiment {name} --preset {found['preset']}"
    if found["seeds"][0]:
        words["command"] += f" --seed-offset {found['seeds'][0]}"
    for figure_name, figure in figures.items():
        save_figure(figure, folder / name / f"{figure_name}.png")
        words[f"figure_{figure_name}"] = f"{name}/{figure_name}.png"
    try:
        text = string.Template(template).substitute(words)
    except KeyError as error:
        raise ValueError(f"the page of {name} names ${error.args[0]}; there are ${', $'.join(words)}") from None
    replace_file(folder / name / "result.json", (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())
    page = folder / f"{name}.md"
    replace_file(page, text.encode())
    return page


def claims_table(found: Mapping[str, Any]) -> str:
    """The claims with their verdicts, as Markdown."""
    rows = []
    for claim in found["claims"]:
        bound = f"{_SIGNS[claim['direction']]}{claim['bound']:g}"
        value = _interval(claim["value"], claim["ci_low"], claim["ci_high"])
        verdict = f"**{claim['verdict']}**" + (f" ({claim['note']})" if claim["note"] else "")
        better = "" if claim["improvement"] is None else f"{claim['improvement']:.2f}"
        level = f"{100 * claim['level']:.3g} %, {claim['rule']}"
        rows.append([claim["name"], claim["estimand"], bound, value, level, better, str(claim["n"]), verdict])
    titles = [
        "claim",
        "estimand",
        "claimed",
        "estimate [interval]",
        "level, rule",
        "P(first > second)",
        "seeds",
        "verdict",
    ]
    return markdown(titles, rows)


def rows_table(found: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    """A row for each variant and setting: mean [95 % interval] of each metric, as Markdown."""
    lead = next(iter(columns))
    rows = []
    for row, metrics in found["rows"].items():
        iqm = metrics[lead]["iqm"]
        told = [_interval(one["mean"], one["ci_low"], one["ci_high"]) for one in (metrics[key] for key in columns)]
        seeds = max(metrics[key]["n"] for key in columns)
        rows.append([row.replace("/", ", ", 1), str(seeds), *told, "" if iqm is None else f"{iqm:.4g}"])
    return markdown(["", "seeds", *columns.values(), f"{columns[lead]}, interquartile mean"], rows)


def cost(found: Mapping[str, Any]) -> str:
    """What was planned and spent, and with what, as a paragraph."""
    planned, spent = found["planned"], found["spent"]
    told = [
        f"Planned: {planned['cells']} cells, {planned['core_hours']:g} core-hours. Spent: {spent['cells']} cells, "
        f"{spent['core_hours']:.2g} core-hours ({spent['hours']:.2g} h of cells)."
    ]
    if not found["complete"]:
        told.insert(0, "**Unfinished: some cells are missing, and every verdict waits for them.**")
    for made in found["cells_made_with"]:
        versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
        told.append(
            f"{made['cells']} cells at commit `{made['commit'] or 'unknown'}` on {made['cores']} cores "
            f"({made['processor']}); {versions}."
        )
    return "\n".join(told)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _made_with(record: Mapping[str, Any]) -> str:
    return json.dumps({name: record[name] for name in ("commit", "versions", "cores", "processor")}, sort_keys=True)
