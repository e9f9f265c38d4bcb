"""Camera rigs: ``foveal rig check``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

from foveal.commands.terminal import BadInput, print_table, told_as
from foveal.envs.params import did_you_mean
from foveal.optics.coverage import baselines, blind_sectors, fields_of_view, horizon, neighbours, overlaps
from foveal.optics.rig import Floats, RigSpec, orientation
from foveal.optics.rig_files import load_rig
from foveal.optics.rig_presets import PRESETS, preset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.projections.polar import PolarAxes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of cameras in turn: those of Okabe and Ito, which the colour-blind can tell apart."""
_INK, _PALE, _BLIND = "#222222", "#8a8a8a", "#c0392b"
_MOST_NAMED = 16


@dataclass(frozen=True)
class Check:
    """Check a camera rig: fields of view, overlaps, baselines, blind sectors of the horizon."""

    rig: Annotated[str, Positional, arg(metavar="RIG")]
    """A file in our own layout (.json, .toml), nuScenes' calibrated_sensor.json or an OpenCV .yml; or a preset:
    nuscenes-like, ddad-like, fisheye-four, room-ring-N."""
    tokens: tuple[str, ...] = ()
    """Of nuScenes' calibrations, those of one rig."""
    picture: Path | None = None
    """Draw the rig from above, and what it sees of the horizon, into this PNG file too."""

    def run(self) -> None:
        """Print the tables, and draw the picture."""
        if self.picture is not None and self.picture.suffix.lower() != ".png":
            raise BadInput(f"--picture {self.picture}: must end in .png")
        rig = find_rig(self.rig, self.tokens)
        for columns, rows in tables(rig):
            print_table(columns, rows)
            print()
        blind = np.degrees(blind_sectors(rig))
        sectors = ", ".join(f"{start:z.1f} to {stop:z.1f}" for start, stop in blind)
        together = f" ({np.diff(blind).sum():.1f} together)" if len(blind) > 1 else ""
        print(f"blind sectors of the horizon [degrees from forward, left is positive]: {sectors or 'none'}{together}")
        if self.picture is not None:
            with told_as(BadInput, OSError):
                draw_rig(rig, self.picture)


def find_rig(name: str, tokens: tuple[str, ...] = ()) -> RigSpec:
    """The preset of a name, or the rig in a file.

    Raises:
        BadInput: where there is neither, or the file is at fault.
    """
    with told_as(BadInput, ValueError, OSError):
        try:
            return preset(name)
        except KeyError:
            if not Path(name).suffix:
                raise BadInput(f"{name}: neither a file nor a preset{did_you_mean(name, list(PRESETS))}") from None
        return load_rig(name, tokens)


def tables(rig: RigSpec) -> list[tuple[list[str], list[list[str]]]]:
    """Columns and rows: of the cameras, and of neighbours where there are any."""
    cameras = []
    for camera in rig.cameras:
        across, down = np.degrees(fields_of_view(camera))
        yaw, pitch, roll = np.degrees(orientation(camera.T_rig_cam))
        cameras.append(
            [
                *(camera.name, camera.lens, f"{camera.width} x {camera.height}", f"{camera.rate_hz:g}"),
                *(f"{across:.1f} x {down:.1f}", f"{np.degrees(np.diff(horizon(camera)).sum()):.1f}"),
                *(f"{angle:z.1f}" for angle in (yaw, pitch, roll)),
                ", ".join(f"{metres:z.2f}" for metres in camera.T_rig_cam[:3, 3]),
            ]
        )
    columns = ["camera", "lens", "pixels", "rate [Hz]", "field of view [degrees]", "of the horizon"]
    told = [([*columns, "yaw", "pitch", "roll", "x, y, z [m]"], cameras)]
    shared, apart = np.degrees(overlaps(rig)), baselines(rig)
    pairs = [
        [rig.cameras[i].name, rig.cameras[j].name, f"{shared[i, j]:.1f}", f"{apart[i, j]:.2f}"]
        for i, j in neighbours(rig)
    ]
    return told + [(["camera", "its neighbour", "overlap [degrees]", "baseline [m]"], pairs)] * bool(pairs)


def draw_rig(rig: RigSpec, path: Path) -> None:
    """Draw a rig from above, and beside it the horizon with what each camera sees of it, into a PNG file.

    Raises:
        OSError: where it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display, leaves pyplot's state alone
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes

    figure = Figure(figsize=(10.4, 5.0), dpi=150)
    FigureCanvasAgg(figure)
    _draw_above(figure.add_axes((0.07, 0.11, 0.4, 0.8)), rig)
    circle = PolarAxes(figure, (0.56, 0.1, 0.38, 0.76))
    figure.add_axes(circle)
    _draw_horizon(circle, rig)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", facecolor="white")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _draw_above(axes: Axes, rig: RigSpec) -> None:
    """The rig in metres, x up and y to the left, each camera with the sector that it sees."""
    centres = rig.T_rig_cam[:, :2, 3]
    middle = (centres.min(0) + centres.max(0)) / 2
    extent = float(np.linalg.norm(centres - middle, axis=1).max()) or 1.0
    for number, camera in enumerate(rig.cameras):
        at, yaw = centres[number], orientation(camera.T_rig_cam)[0]
        ahead = np.array([np.cos(yaw), np.sin(yaw)])
        for start, stop in horizon(camera):
            azimuths = np.linspace(start, stop, 64)
            arc = at + 2.2 * extent * np.stack([np.cos(azimuths), np.sin(azimuths)], -1)
            axes.fill(*np.array([at, *arc]).T[::-1], color=_colour(number), alpha=0.16, linewidth=0)
        _draw_camera(axes, at, ahead, 0.11 * extent, _colour(number))
        if len(rig.cameras) <= _MOST_NAMED:
            inward = ahead @ (at - middle) < -0.5 * extent
            label = at if inward else at + 1.4 * extent * ahead
            offset = (32 * ahead[1], -12 * ahead[0]) if inward else (0, 0)  # points; y is to the left
            how: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "parse_math": False}
            axes.annotate(camera.name, label[::-1], xytext=offset, textcoords="offset points", color=_INK, **how)
    axes.set_aspect("equal", adjustable="datalim")
    axes.invert_xaxis()
    axes.margins(0.08)
    axes.set(xlabel="y [m], to the left", ylabel="x [m], forward")
    axes.set_title(f"{rig.name} from above", fontsize=11, parse_math=False)
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_camera(axes: Axes, at: Floats, ahead: Floats, size: float, colour: str) -> None:
    aside = np.array([-ahead[1], ahead[0]])
    corners = [at, at + size * (2 * ahead + aside), at + size * (2 * ahead - aside)]
    axes.fill(*np.array(corners).T[::-1], color=colour, zorder=3)


def _draw_horizon(axes: PolarAxes, rig: RigSpec) -> None:
    """The horizon seen from above, an arc for each camera, with overlaps of neighbours and blind sectors."""
    count, named = len(rig.cameras), len(rig.cameras) <= _MOST_NAMED
    sectors = [horizon(camera) for camera in rig.cameras]
    for number, seen in enumerate(sectors):
        _band(axes, seen, 0.6 + 0.35 * number / count, 0.28 / count, _colour(number), 1.0)
    for i, j in neighbours(rig):
        both = [[max(a, c), min(b, d)] for a, b in sectors[i] for c, d in sectors[j] if min(b, d) > max(a, c)]
        _band(axes, both, 0.0, 1.0, _PALE, 0.2)
        if both and named:
            widest = max(both, key=lambda sector: sector[1] - sector[0])
            _write(axes, sum(widest) / 2, f"{np.degrees(sum(b - a for a, b in both)):.1f}°", _INK)
    blind = blind_sectors(rig)
    _band(axes, blind, 0.0, 1.0, _BLIND, 0.25)
    for start, stop in blind if named else ():
        _write(axes, (start + stop) / 2, f"blind {np.degrees(stop - start):.1f}°", _BLIND)
    axes.set_theta_zero_location("N")
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_title("the horizon: grey is seen by two neighbours, red by none", fontsize=11, pad=22)
    axes.set_axisbelow(True)
    axes.set_thetagrids(range(0, 360, 30), [""] * 12)
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.spines["polar"].set_color("#bbbbbb")


def _band(
    axes: PolarAxes, sectors: Iterable[Iterable[float]], low: float, height: float, colour: str, alpha: float
) -> None:
    look: dict[str, Any] = {"color": colour, "alpha": alpha, "linewidth": 0, "zorder": 1 + alpha}
    for start, stop in sectors:
        axes.bar((start + stop) / 2, height, stop - start, bottom=low, **look)


def _write(axes: PolarAxes, azimuth: float, text: str, colour: str) -> None:
    """Text outside of the circle."""
    aside = round(np.sin(azimuth) * 1.2)
    axes.text(azimuth, 1.06, text, color=colour, fontsize=8, ha=("left", "center", "right")[aside + 1], va="center")
