"""Figures that every page may use: the claims with their intervals, learning curves, and rows seed by seed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from foveal.experiments.claims import Finding, t_interval
from foveal.experiments.grid import Results
from foveal.files import replace_file

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
"""Of variants, in their order: those of Okabe and Ito, which the colour-blind can tell apart."""
LINES = ("-", "--", ":")
"""Of variants whose colours repeat."""
VERDICTS = {"holds": "#1a7f4b", "refuted": "#c0392b", "undetermined": "#64748f"}
_INK, _PALE = "#222222", "#8a8a8a"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure [inch], which needs no display and leaves pyplot's state alone."""
    figure = Figure(figsize=(width, height), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a PNG file in one go."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor="white")
    replace_file(path, picture.getvalue())
    return path


def forest(findings: Sequence[Finding]) -> Figure:
    """The claims of a page: estimate and interval, each on a scale of its own, with the claimed side shaded."""
    figure = new_figure(9.6, 0.4 + 0.78 * len(findings))
    figure.set_layout_engine("none")
    height = 1 / len(findings)
    for place, finding in enumerate(findings):
        axes = figure.add_axes((0.4, 1 - (place + 0.7) * height, 0.38, 0.42 * height))
        _strip(axes, finding)
    return figure


def _strip(axes: Axes, finding: Finding) -> None:
    claim, colour = finding.claim, VERDICTS[finding.verdict]
    axes.set(yticks=[], ylim=(-1, 1))
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.tick_params(axis="x", labelsize=7.5, colors=_PALE, length=2, pad=1.5)
    axes.text(-0.03, 0.75, claim.name, transform=axes.transAxes, ha="right", va="center", weight="bold", color=_INK)
    estimand = textwrap.fill(claim.estimand, 60)
    axes.text(-0.03, 0.35, estimand, transform=axes.transAxes, ha="right", va="top", size=7.5, color=_PALE)
    axes.text(1.03, 0.75, finding.verdict, transform=axes.transAxes, va="center", weight="bold", color=colour)
    if finding.value is None or finding.ci_low is None or finding.ci_high is None:
        axes.text(1.03, 0.2, "no interval yet", transform=axes.transAxes, va="center", size=7.5, color=_PALE)
        axes.set_xticks([])
        return
    told = f"{finding.value:.3g} [{finding.ci_low:.3g}, {finding.ci_high:.3g}]".replace("-", "−")
    axes.text(1.03, 0.2, told, transform=axes.transAxes, va="center", size=7.5, color=_PALE)
    places = [finding.ci_low, finding.ci_high, *claim.edges]
    room = 0.15 * (max(places) - min(places)) or 1.0
    low, high = min(places) - room, max(places) + room
    axes.set_xlim(low, high)
    begin = low if claim.direction == "below" else claim.edges[0]
    end = high if claim.direction == "above" else claim.edges[-1]
    axes.axvspan(begin, end, color="#e6f2ea", linewidth=0)
    for edge in claim.edges:
        axes.axvline(edge, color="#6aa583", linewidth=1)
    axes.plot([finding.ci_low, finding.ci_high], [0, 0], color=colour, linewidth=3, solid_capstyle="round")
    axes.plot([finding.value], [0], "o", color="white", markeredgecolor=colour, markeredgewidth=2, markersize=7)


def curves(results: Results, x: str, y: str, *, xlabel: str, ylabel: str, titles: Mapping[str, str]) -> Figure:
    """Learning curves: the mean over seeds, and its pointwise 95 % t interval where there are five seeds or more.

    Args:
        results: Their cells have `x` and `y` as lists, `x` the same in all cells of a row.
        x: Metric along the axis.
        y: Metric that is drawn.
        xlabel: With its unit.
        ylabel: With its unit.
        titles: Setting -> what stands above its panel, in the order of the panels.
    """
    styles: dict[str, dict[str, Any]] = {
        row.partition("/")[0]: {"color": colour, "linewidth": 2} for row, colour in _coloured(results)
    }
    for place, style in enumerate(styles.values()):
        style["linestyle"] = LINES[place // len(COLOURS) % len(LINES)]
    figure = new_figure(3.4 * len(titles) + 2.8, max(3.1, 0.17 * len(styles) + 0.4))
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (setting, title) in zip(panels, titles.items(), strict=True):
        for row, colour in _coloured(results):
            variant, _, where = row.partition("/")
            found = [value for value in results.by_seed(row, y).values()] if where == setting else []
            if not found:
                continue
            places, values = next(iter(results.by_seed(row, x).values())), np.stack(found)
            axes.plot(places, values.mean(0), **styles[variant])
            if len(values) >= 5:
                margins = np.array([np.subtract(*t_interval(v)[0](0.95)[::-1]) / 2 for v in values.T])
                axes.fill_between(
                    places, values.mean(0) - margins, values.mean(0) + margins, color=colour, alpha=0.12, linewidth=0
                )
        plain(axes)
        axes.set_title(title, size=10, color=_INK)
        axes.set_xlabel(xlabel)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    panels[0].set_ylabel(ylabel)
    lines = [Line2D([], [], **style) for style in styles.values()]
    figure.legend(lines, list(styles), frameon=False, fontsize=7.5, loc="outside right upper")
    return figure


def seed_dots(results: Results, metrics: Mapping[str, str]) -> Figure:
    """Every seed of every row as a dot, with the mean and its 95 % t interval where there are five seeds or more.

    Args:
        results: Of the grid.
        metrics: Metric -> label with the unit, a panel for each.
    """
    rows = _coloured(results)
    figure = new_figure(1.6 + 2.7 * len(metrics), 0.9 + 0.36 * len(rows))
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, (metric, label) in zip(panels, metrics.items(), strict=True):
        for place, (row, colour) in enumerate(rows):
            values = results.values(row, metric)
            if not len(values):
                continue
            axes.plot(values, np.full(len(values), place), "o", color=colour, alpha=0.35, markersize=5, mew=0)
            low, high = t_interval(values)[0](0.95) if len(values) >= 5 else (values.mean(), values.mean())
            axes.plot([low, high], [place, place], color=colour, linewidth=2.5, solid_capstyle="round")
            axes.plot(values.mean(), place, "o", color="white", markeredgecolor=colour, mew=2, markersize=7)
        plain(axes)
        axes.set_xlabel(label)
        axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticklabels([row.replace("/", ", ", 1) for row, _ in rows])
        axes.tick_params(axis="y", length=0)
    return figure


def _coloured(results: Results) -> list[tuple[str, str]]:
    """Rows by setting, and the colours of their variants."""
    variants = list(dict.fromkeys(row.partition("/")[0] for row in results.rows))
    return [(row, COLOURS[variants.index(row.partition("/")[0]) % len(COLOURS)]) for row in results.rows]


def plain(axes: Axes) -> None:
    """Grid, spines and ticks as all figures have them."""
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.tick_params(colors="#555555", labelsize=8.5)
