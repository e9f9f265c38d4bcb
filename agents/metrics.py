"""What a training tells while it runs: ``metrics.csv``, TensorBoard's events, the terminal, and the curve of it."""

from __future__ import annotations

import csv
import io
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.files import writing
from foveal.files import replace_file


class Metrics:
    """``metrics.csv``, one row per update, and TensorBoard's event files.

    Args:
        path: The run folder.
        step: Where the run goes on; later rows, and a torn last one, are dropped first.
        tensorboard: Write event files too.
    """

    def __init__(self, path: Path, step: int, tensorboard: bool) -> None:
        self.path = path / "metrics.csv"
        self._board: Any = None
        rows = [row for row in read_metrics(self.path) if float(row["step"]) <= step]
        self._columns = list(rows[0]) if rows else None
        with writing(self.path):
            table = io.StringIO()
            if rows:
                writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            replace_file(self.path, table.getvalue().encode())
            self._file = self.path.open("a", newline="")
            if tensorboard:
                self._board = _Board(path / "tensorboard", step)

    def add(self, row: Mapping[str, float | int | None]) -> None:
        """Append a row; None leaves its cell empty."""
        first, self._columns = self._columns is None, self._columns or list(row)
        writer = csv.DictWriter(self._file, self._columns, lineterminator="\n")
        with writing(self.path):
            if first:
                writer.writeheader()
            writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()})
            self._file.flush()
            if self._board:
                self._board.add(int(row["step"] or 0), row)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board:
            self._board.close()


class _Board:
    """TensorBoard's event file, written here and now: its own `SummaryWriter` fails in a thread, unheard.

    The format is that of ``tensorboard/compat/proto/event.proto``.
    """

    def __init__(self, folder: Path, step: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        self._event, self._summary = event_pb2, summary_pb2
        folder.mkdir(exist_ok=True)
        now = time.time_ns()
        self._writer = RecordWriter((folder / f"events.out.tfevents.{now // 10**9}.{now}").open("wb"))
        self._write(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=step + 1, session_log=start)  # hides what an earlier session wrote from there on

    def add(self, step: int, row: Mapping[str, float | int | None]) -> None:
        told = [(name, value) for name, value in row.items() if value is not None and name != "step"]
        values = [self._summary.Summary.Value(tag=name, simple_value=value) for name, value in told]
        self._write(step=step, summary=self._summary.Summary(value=values))

    def _write(self, **content: Any) -> None:
        self._writer.write(self._event.Event(wall_time=time.time(), **content).SerializeToString())
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def read_metrics(path: str | Path) -> list[dict[str, str]]:
    """The rows of a ``metrics.csv``; a torn last one is left out, a missing file has none."""
    text = Path(path).read_text() if Path(path).is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(whole)))


class Progress:
    """Tells on stderr how a training goes: a bar on a terminal, else a line every ten seconds.

    Args:
        total: Environment steps of the whole training.
        enabled: False says nothing.
    """

    def __init__(self, total: int, enabled: bool) -> None:
        self._total, self._enabled, self._next_line, self._bar = total, enabled, 0.0, None
        if enabled and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            columns = (
                progress.BarColumn(),
                progress.TextColumn("{task.description}"),
                progress.TimeRemainingColumn(),
            )
            self._bar = progress.Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, step: int, rate: float, return_mean: float | None) -> None:
        """Tell the step, the steps per second and the mean return, where there is one."""
        told = f"{step:,} of {self._total:,} steps, {rate:,.0f}/s"
        told += "" if return_mean is None else f", return {return_mean:.2f}"
        if self._bar:
            self._bar.update(self._task, completed=step, description=told)
        elif self._enabled and (time.monotonic() >= self._next_line or step >= self._total):
            print(f"{told}, {max(0, self._total - step) / rate:.0f} s left", file=sys.stderr, flush=True)
            self._next_line = time.monotonic() + 10


def plot_curve(path: str | Path, title: str) -> Path | None:
    """Draw ``curve.png``: the mean episode return against environment steps, as measured and smoothed.

    Args:
        path: The run folder.
        title: What stands above it.

    Returns:
        Path of the picture, or None where no episode has ended yet.

    Raises:
        RunError: where it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display, leaves pyplot's state alone
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    folder = Path(path)
    measured = [row for row in read_metrics(folder / "metrics.csv") if row["return_mean"]]
    if not measured:
        return None
    steps, returns, episodes = (
        np.array([float(row[name]) for row in measured]) for name in ("step", "return_mean", "episodes")
    )
    figure = Figure(figsize=(7.2, 4.0), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(steps, returns, color="#9ecae1", linewidth=0.8, label="each update")
    axes.plot(steps, _smoothed(returns, episodes), color="#08519c", linewidth=2.0, label="smoothed")
    axes.set(xlabel="environment steps", ylabel="mean episode return in training", title=title)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(0, steps[-1])
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    with writing(folder):
        replace_file(folder / "curve.png", picture.getvalue())
    return folder / "curve.png"


def _smoothed(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over a centred window of a twentieth of the curve, narrower towards the ends."""
    place = np.arange(len(values))
    half = np.minimum(len(values) // 40, np.minimum(place, place[::-1]))
    totals, counts = (np.concatenate([[0.0], np.cumsum(x)]) for x in (values * weights, weights))
    smoothed: NDArray[np.float64] = (totals[place + half + 1] - totals[place - half]) / (
        counts[place + half + 1] - counts[place - half]
    )
    return smoothed
