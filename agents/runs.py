"""Runs: a training run is a folder of plain files, written that survive a kill and a full disk.

Arrays are safetensors, everything else is JSON and CSV; nothing is pickled. Files from outside are data:
their sizes, versions, hashes, names, shapes and dtypes are checked before anything is used.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import hashlib
import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from foveal.agents.evaluation import provenance
from foveal.agents.gae import make_world
from foveal.agents.policies import Agent
from foveal.envs.params import did_you_mean

if TYPE_CHECKING:
    from foveal.agents.ppo import PPOConfig

FORMAT = 1
"""Version of the files in a run folder; newer ones are refused."""

KEEP = 3
"""Checkpoints that stay: the last so many, and the best."""

Arrays = dict[str, NDArray[Any]]
_NAME = re.compile(r"step-\d{9}")
_LIMITS = {".json": 2**20, ".safetensors": 2**31}  # bytes


class RunError(Exception):
    """A run cannot be made, read or continued; the message is one line for the user."""


class Checkpoint(NamedTuple):
    """A checkpoint whose hashes matched.

    Attributes:
        path: Of the safetensors file.
        arrays: What the learner saved, by name.
        facts: What the JSON file beside it says: ``step``, ``score``, ``seconds``.
    """

    path: Path
    arrays: Arrays
    facts: dict[str, Any]


class Run:
    """A run folder: ``config.json``, ``manifest.json``, ``checkpoints/``, ``metrics.csv`` and ``curve.png``.

    Args:
        path: The folder.

    Raises:
        RunError: where it holds no run (it names the nearest that does), or one that a newer version wrote.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.checkpoints = Path(path), Path(path) / "checkpoints"
        if not (self.path / "config.json").is_file():
            folder = self.path.parent
            others = [p.name for p in folder.iterdir() if (p / "config.json").is_file()] if folder.is_dir() else []
            raise RunError(f"no run in {self.path}{did_you_mean(self.path.name, others) if others else ''}")
        self.header = _read_json(self.path / "config.json")

    @classmethod
    def create(cls, path: str | Path, config: PPOConfig) -> Run:
        """Make the folder and write ``config.json``, once.

        Raises:
            RunError: where a run is there already, or where the folder cannot be written.
        """
        path = Path(path)
        if (path / "config.json").exists():
            raise RunError(f"{path} holds a run already; resume it, or choose another folder")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        header = {"learner": "ppo", "config": dataclasses.asdict(config), "created": now, **provenance()}
        with _told(path):
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            _write_json(path / "manifest.json", {"best": None, "checkpoints": {}})
            _write_json(path / "config.json", header)
        return cls(path)

    @property
    def config(self) -> PPOConfig:
        """The learner's configuration.

        Raises:
            RunError: for an unknown key (it names the nearest), or a value of the wrong type or out of range.
        """
        from foveal.agents.ppo import PPOConfig  # the learner stands on this module

        if self.header.get("learner") != "ppo":
            raise RunError(f"{self.path}: unknown learner {self.header.get('learner')!r}; valid: 'ppo'")
        try:
            return PPOConfig.from_dict(self.header.get("config"))
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'config.json'}: {error}") from None

    def save(self, step: int, arrays: Arrays, facts: Mapping[str, Any], score: float | None) -> Path:
        """Write a checkpoint, then drop what is neither the best nor among the last `KEEP`.

        Args:
            step: Environment steps so far.
            arrays: What the learner needs to go on.
            facts: What else the JSON file beside it is to say.
            score: What "best" goes by, higher is better; None where nothing was measured.

        Returns:
            Path of the safetensors file.

        Raises:
            RunError: where it cannot be written; the checkpoints that were there stay.
        """
        name = f"step-{step:09d}"
        path = self.checkpoints / f"{name}.safetensors"
        tensors = safetensors.numpy.save({key: np.asarray(array, order="C") for key, array in arrays.items()})
        with _told(path):
            _write(path, tensors)
            described = _write_json(path.with_suffix(".json"), {"step": step, "score": score, **facts})
            manifest = self._manifest()
            entries = manifest["checkpoints"]
            entries[name] = {"safetensors": _sha256(tensors), "json": _sha256(described), "score": score}
            scored = [(entry["score"], n) for n, entry in entries.items() if entry.get("score") is not None]
            manifest["best"] = max(scored)[1] if scored else None
            dropped = set(entries) - {*sorted(entries)[-KEEP:], manifest["best"]}
            manifest["checkpoints"] = {n: entry for n, entry in entries.items() if n not in dropped}
            _write_json(self.path / "manifest.json", manifest)  # from here on the new one counts, the old do not
            for old in dropped:
                for suffix in _LIMITS:
                    (self.checkpoints / f"{old}{suffix}").unlink(missing_ok=True)
        return path

    def load(self, name: str | None = None) -> Checkpoint:
        """Read a checkpoint: ``"step-…"``, ``"best"``, or by default the latest that is sound.

        By default a torn or foreign one is passed over with a `RuntimeWarning`.

        Raises:
            RunError: where none is sound, or where the one that was named is not.
        """
        manifest = self._manifest()
        if name is not None:
            try:
                return self._read(str(manifest["best"] if name == "best" else name), manifest)
            except (OSError, ValueError) as error:
                raise RunError(f"checkpoint {self.checkpoints / name}: {_reason(error)}") from None
        found = {path.stem for path in self.checkpoints.glob("step-*.safetensors")} | set(manifest["checkpoints"])
        for candidate in sorted(found, reverse=True):
            try:
                return self._read(candidate, manifest)
            except (OSError, ValueError) as error:
                told = f"checkpoint {self.checkpoints / candidate} is passed over: {_reason(error)}"
                warnings.warn(told, RuntimeWarning, stacklevel=2)
        raise RunError(f"{self.path}: no sound checkpoint among {len(found)}")

    def rewind(self, step: int) -> None:
        """Forget the checkpoints after `step`; they are about to be made anew."""
        manifest = self._manifest()
        kept = {n: e for n, e in manifest["checkpoints"].items() if n <= f"step-{step:09d}"}
        best = manifest["best"] if manifest["best"] in kept else None
        with _told(self.path):
            _write_json(self.path / "manifest.json", {"best": best, "checkpoints": kept})

    def last_good(self) -> str:
        """Words that say which checkpoint one could go on from."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return f"the last good checkpoint is {self.load().path}"
        except RunError:
            return "no checkpoint is left"

    def _read(self, name: str, manifest: dict[str, Any]) -> Checkpoint:
        entry = manifest["checkpoints"].get(name)
        if not _NAME.fullmatch(name) or not isinstance(entry, dict):
            raise ValueError("not in the manifest")
        path = self.checkpoints / f"{name}.safetensors"
        tensors, described = _read(path), _read(path.with_suffix(".json"))
        if _sha256(tensors) != entry.get("safetensors") or _sha256(described) != entry.get("json"):
            raise ValueError("its hash is not the manifest's: torn or altered")
        try:
            arrays = safetensors.numpy.load(tensors)
        except Exception as error:  # SafetensorError has no narrower base
            raise ValueError(f"no safetensors file: {error}") from None
        return Checkpoint(path, arrays, _parsed(described, path.with_suffix(".json")))

    def _manifest(self) -> dict[str, Any]:
        manifest = _read_json(self.path / "manifest.json")
        if not isinstance(manifest.get("checkpoints"), dict):
            raise RunError(f"{self.path / 'manifest.json'} lists no checkpoints")
        return {"best": None, **manifest}


def check_arrays(given: Arrays, expected: Arrays, what: str) -> None:
    """Refuse arrays whose names, shapes or dtypes are not the expected ones, and floats that are not finite.

    Raises:
        RunError: naming the first array that is wrong.
    """
    for name in sorted(given.keys() | expected.keys()):
        if name not in given or name not in expected:
            raise RunError(f"{what}: array {name!r} is {'missing' if name in expected else 'foreign'}")
        ours, theirs = expected[name], given[name]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            form = f"{theirs.dtype} {theirs.shape}, expected {ours.dtype} {ours.shape}"
            raise RunError(f"{what}: array {name!r} is {form}")
        if np.issubdtype(ours.dtype, np.floating) and not np.isfinite(theirs).all():
            raise RunError(f"{what}: array {name!r} is not finite")


def load_weights(policy: torch.nn.Module, arrays: Arrays, what: str) -> None:
    """Copy the arrays named ``policy/…`` into a policy.

    Raises:
        RunError: where names, shapes or dtypes differ, or a weight is not finite.
    """
    ours = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    given = {name: array for name, array in arrays.items() if name.startswith("policy/")}
    check_arrays(given, {name: tensor.numpy() for name, tensor in ours.items()}, what)
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(torch.from_numpy(given[name].copy()))


def load_agent(path: str | Path, *, checkpoint: str | None = None, greedy: bool = True, seed: int = 0) -> Agent:
    """The trained policy of a run, ready to act.

    Args:
        path: A run folder, or a checkpoint's safetensors file inside one.
        checkpoint: ``"step-…"`` or ``"best"``; by default the latest that is sound.
        greedy: Take the likeliest actions; False samples.
        seed: Of the sampling.

    Raises:
        RunError: where there is no run, no sound checkpoint, or weights that do not fit the configuration.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        path, checkpoint = path.parent.parent, path.stem
    run = Run(path)
    config, loaded = run.config, run.load(checkpoint)
    try:
        world = make_world(config.env_id, 1, config.env_params)
        policy = config.make_policy(world.single_observation_space, world.single_action_space)
    except ValueError as error:
        raise RunError(f"{path / 'config.json'}: {error}") from None
    load_weights(policy, loaded.arrays, str(loaded.path))
    return Agent(policy, config, world, greedy=greedy, seed=seed)


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
        with _told(self.path):
            table = io.StringIO()
            if rows:
                writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            _write(self.path, table.getvalue().encode())
            self._file = self.path.open("a", newline="")
            if tensorboard:
                self._board = _Board(path / "tensorboard", step)

    def add(self, row: Mapping[str, float | int | None]) -> None:
        """Append a row; None leaves its cell empty."""
        first, self._columns = self._columns is None, self._columns or list(row)
        writer = csv.DictWriter(self._file, self._columns, lineterminator="\n")
        with _told(self.path):
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


def plot_curve(path: str | Path) -> Path | None:
    """Draw ``curve.png``: the mean episode return against environment steps, as measured and smoothed.

    Args:
        path: The run folder.

    Returns:
        Path of the picture, or None where no episode has ended yet.
    """
    from matplotlib.backends.backend_agg import (
        FigureCanvasAgg,
    )  # needs no display, leaves pyplot's state alone
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    run = Run(path)
    measured = [row for row in read_metrics(run.path / "metrics.csv") if row["return_mean"]]
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
    axes.set(xlabel="environment steps", ylabel="mean episode return in training", title=run.config.env_id)
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(0, steps[-1])
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    with _told(run.path):
        _write(run.path / "curve.png", picture.getvalue())
    return run.path / "curve.png"


def _smoothed(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over a centred window of a twentieth of the curve, narrower towards the ends."""
    place = np.arange(len(values))
    half = np.minimum(len(values) // 40, np.minimum(place, place[::-1]))
    totals, counts = (np.concatenate([[0.0], np.cumsum(x)]) for x in (values * weights, weights))
    smoothed: NDArray[np.float64] = (totals[place + half + 1] - totals[place - half]) / (
        counts[place + half + 1] - counts[place - half]
    )
    return smoothed


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one go: whoever reads it, and whatever kills us, meets the old content or the new."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the power may take the new name
    finally:
        os.close(folder)


def _write_json(path: Path, content: Mapping[str, Any]) -> bytes:
    data = (json.dumps({"format": FORMAT, **content}, indent=2, allow_nan=False) + "\n").encode()
    _write(path, data)
    return data


def _read(path: Path) -> bytes:
    size, limit = path.stat().st_size, _LIMITS[path.suffix]
    if size > limit:
        raise ValueError(f"{path.name} has {size} bytes, the limit is {limit}")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return _parsed(_read(path), path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path.parent}: {_reason(error)}") from None


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name} is not JSON") from None
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise ValueError(f"{path.name} has no format version")
    if content["format"] > FORMAT:
        raise ValueError(
            f"{path.name} has format {content['format']} and was written by a newer foveal; "
            f"this one reads up to {FORMAT}"
        )
    return content


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f" ({Path(error.filename).name})" if error.filename else "")
    return str(error)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the file system's errors into a line for the user."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {_reason(error)}") from None
