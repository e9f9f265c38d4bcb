"""Figures of surround depth: accuracy against consistency, the sweep of the reach, and what networks see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from foveal.envs.rigs.views import arranged, coloured
from foveal.experiments.figures import COLOURS, new_figure, plain
from foveal.experiments.grid import Results
from foveal.optics.rig import RigSpec
from foveal.optics.transforms import apply

FAR_M = 60.0
"""Where the colours of depth end."""
Floats = NDArray[np.floating[Any]]


def plane(results: Results) -> Figure:
    """Rows as points: the error of depth where two cameras see the same, and how far they disagree there.

    A ring is the same with blurred predictions; bars are the standard deviations over seeds.
    """
    figure = new_figure(7.6, 5.0)
    axes = figure.subplots()
    for place, row in enumerate(results.rows):
        accuracy, agreement = results.values(row, "overlap_abs_rel"), results.values(row, "consistency")
        if not len(accuracy):
            continue
        colour, marker = COLOURS[place % len(COLOURS)], "os^D"[place // len(COLOURS) % 4]
        axes.errorbar(
            accuracy.mean(), agreement.mean(), agreement.std(), accuracy.std(), marker, color=colour, markersize=7,
            elinewidth=0.8, label=row,
        )  # fmt: skip
        blurred = results.values(row, "blurred_consistency").mean()
        axes.plot(accuracy.mean(), blurred, marker, color=colour, fillstyle="none", markersize=5, alpha=0.6)
    plain(axes)
    axes.set(xscale="log", yscale="log", xlabel="Abs Rel in overlaps [1]", ylabel="cross-view error [1]")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set(major_locator=LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)), major_formatter="{x:g}")
        axis.set(minor_locator=NullLocator())
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=7.5, loc="outside right upper")
    return figure


def sweep(results: Results, rows: Sequence[str]) -> Figure:
    """How far weights reach, against the error in overlaps and the disagreement: a dot for each seed."""
    figure = new_figure(7.2, 3.0)
    for axes, metric, label in zip(
        figure.subplots(1, 2),
        ("overlap_abs_rel", "consistency"),
        ("Abs Rel in overlaps [1]", "cross-view error [1]"),
        strict=True,
    ):
        for place, row in enumerate(rows):
            values = results.values(row, metric)
            axes.plot(np.full(len(values), place), values, "o", color=COLOURS[place], alpha=0.4, mew=0, markersize=5)
            if len(values):
                axes.plot(place, values.mean(), "_", color=COLOURS[place], markersize=18, mew=2.5)
        plain(axes)
        axes.set_xticks(range(len(rows)), [row.replace(" ", "\n", 1) for row in rows], fontsize=7.5)
        axes.set_ylabel(label)
    return figure


def panorama(rig: RigSpec, rgb: NDArray[np.uint8], depths: Mapping[str, Floats], truth: Floats) -> Figure:
    """All cameras side by side, from the back over the left and the front to the back: colours, depths and errors.

    Args:
        rig: N cameras.
        rgb: (N, H, W, 3).
        depths: Name -> (N, H, W) m, of networks.
        truth: (N, H, W) m, inf where nothing is.
    """
    strips: list[tuple[str, Any]] = [("", rgb), ("true depth", [coloured(d, FAR_M) for d in truth])]
    for name, depth in depths.items():
        strips.append((name, [coloured(d, FAR_M) for d in depth]))
        strips.append((f"error of {name}", list(error_colours(depth, truth))))
    height, width = rgb.shape[1:3]
    figure = new_figure(11.0, 11.0 * len(strips) * height / (width * len(rgb)) + 0.26 * len(strips))
    for axes, (name, pictures) in zip(figure.subplots(len(strips), 1), strips, strict=True):
        axes.imshow(np.concatenate(arranged(rig, list(pictures), around=True)[0], 1))
        axes.set_axis_off()
        axes.set_title(name, fontsize=8, loc="left", pad=2)
    return figure


def error_colours(depth: Floats, truth: Floats) -> NDArray[np.uint8]:
    """Errors (..., 3): white right, red by a half too far, blue by a half too near; grey where there is no truth."""
    share = np.clip(np.log(depth / np.where(np.isfinite(truth), truth, 1.0)) / np.log(1.5), -1, 1)[..., None]
    far, near = np.array([178, 24, 43]), np.array([33, 102, 172])
    tint = 255 + np.abs(share) * (np.where(share > 0, far, near) - 255)
    return np.where(np.isfinite(truth)[..., None] & (truth < FAR_M)[..., None], tint, 120).astype(np.uint8)


def points(rig: RigSpec, depth: Floats, most_m: float = 40.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (P, 3) m in rig coordinates of depths (N, H, W) below `most_m`, and whose camera's each is (P,)."""
    found, cameras = [], []
    for number, camera in enumerate(rig.cameras):
        near = depth[number] < most_m
        found.append(apply(camera.T_rig_cam, camera.camera.unproject(depth[number]))[near])
        cameras.append(np.full(int(near.sum()), number))
    return np.concatenate(found), np.concatenate(cameras)


def clouds(rig: RigSpec, depths: Mapping[str, Floats], reach_m: float = 30.0, lowest_m: float = 0.3) -> Figure:
    """Point clouds from above, coloured by camera, without the ground."""
    figure = new_figure(3.6 * len(depths), 4.0)
    for axes, (name, depth) in zip(figure.subplots(1, len(depths), squeeze=False)[0], depths.items(), strict=True):
        where, cameras = points(rig, depth)
        raised = where[:, 2] > lowest_m
        colours = np.array([rgb_of(COLOURS[number % len(COLOURS)]) for number in range(len(rig.cameras))])
        axes.scatter(-where[raised, 1], where[raised, 0], s=0.6, c=colours[cameras[raised]], linewidths=0)
        axes.set(xlim=(-reach_m, reach_m), ylim=(-reach_m, reach_m), aspect="equal", xlabel="to the right [m]")
        axes.set_title(name, fontsize=9)
        plain(axes)
    return figure


def rgb_of(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in 0..1 of a colour as `figures.COLOURS` has it."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue
