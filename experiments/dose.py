"""Dose and response: what advice of some accuracy does for a student, and from which accuracy on it helps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from foveal.experiments.claims import t_interval
from foveal.experiments.figures import COLOURS, new_figure
from foveal.experiments.grid import Results


def break_even(accuracies: NDArray[np.float64], gains: NDArray[np.float64]) -> tuple[float, float, float]:
    """The accuracy from which advice helps: where a line through gains by accuracy crosses zero.

    Args:
        accuracies: (R,) of R teachers.
        gains: (R, S), of their students over the unguided one of the same seed.

    Returns:
        It, and its 95 % percentile interval over resampled seeds; those beyond [0, 1] are cut to it.
    """
    picks = np.random.default_rng(0).integers(0, gains.shape[1], (9999, gains.shape[1]))
    means = np.concatenate([gains.mean(1)[None], gains[:, picks].mean(2).T])  # (1 + B, R)
    centred = accuracies - accuracies.mean()
    slopes = (means * centred).sum(1) / (centred**2).sum()
    flat = np.abs(slopes) < 1e-9  # then it helps everywhere or nowhere
    zeros = np.where(flat, means.mean(1) <= 0, accuracies.mean() - means.mean(1) / np.where(flat, 1.0, slopes))
    zeros = np.clip(zeros, 0.0, 1.0)
    low, high = np.percentile(zeros[1:], [2.5, 97.5])
    return float(zeros[0]), float(low), float(high)


def dose(results: Results, teachers: Sequence[str], random: Sequence[str]) -> Figure:
    """The gain in success in training over the unguided student's, by the teacher's accuracy, at the left turn.

    Args:
        results: Of the grid.
        teachers: Variants to show.
        random: Those of them that are the planner's advice, degraded at random: the line goes through them.
    """
    figure = new_figure(8.4, 4.6)
    axes = figure.subplots()
    base = results.by_seed("unguided/left turn", "area")
    line: list[tuple[float, NDArray[np.float64]]] = []
    colours = [*colormaps["tab20"].colors, *COLOURS] * len(teachers)  # type: ignore[attr-defined]
    for row, colour in zip(teachers, colours, strict=False):
        where = f"{row}/left turn"
        if where not in results.rows:
            continue
        seeds = results.by_seed(where, "area")
        gains = np.array([seeds[seed].item() - base[seed].item() for seed in sorted(seeds.keys() & base.keys())])
        if not len(gains):
            continue
        place = float(results.values(where, "teacher accuracy").mean())
        low, high = t_interval(gains)[0](0.95) if len(gains) >= 5 else (gains.mean(), gains.mean())
        marker = "o" if row in random else "v" if "worst" in row or "fixed" in row else "D"
        axes.plot([place, place], [low, high], color=colour, linewidth=1.5)
        axes.plot(place, gains.mean(), marker, color=colour, markersize=7, label=row)
        if row in random:
            line.append((place, gains))
    axes.axhline(0, color="#888888", linewidth=1)
    axes.set(xlabel="accuracy of the advice", ylabel="gain in success in training", xlim=(-0.02, 1.02))
    seeds_of_all = min((len(gains) for _, gains in line), default=0)
    if seeds_of_all >= 5:
        places = np.array([place for place, _ in line])
        pays, low, high = break_even(places, np.stack([gains[:seeds_of_all] for _, gains in line]))
        axes.axvspan(low, high, color="#0072b2", alpha=0.12, linewidth=0)
        axes.axvline(pays, color="#0072b2", linewidth=1)
        axes.set_title(f"left turn: advice pays from an accuracy of {pays:.2f} [{low:.2f}, {high:.2f}] on", size=10)
    axes.legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
