"""Grids: every variant in every setting with every seed, in cells that are finished one by one and never done twice."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.evaluation import provenance
from foveal.envs.params import did_you_mean
from foveal.files import replace_file

FORMAT = 1
"""Version of the cells' files."""

Options = Mapping[str, Any]
"""JSON by name: all that tells a variant or a setting from the others."""

Measured = Mapping[str, Any]
"""Metric -> number, or a list of numbers (one for each episode, say)."""


class GridError(Exception):
    """A grid cannot be done as it is asked for; the message is one line for the user."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a preset spends; a script adds what its cells need: steps, episodes."""

    seeds: int
    """Seeds of each variant in each setting [1]."""
    core_hours: float
    """Planned for the whole grid [h of one core]."""


@dataclass(frozen=True, order=True)
class Cell:
    """One measurement: a variant in a setting with a seed."""

    variant: str
    setting: str
    seed: int

    @property
    def row(self) -> str:
        """What cells share that differ in their seed only: ``"variant/setting"``, or just ``"variant"``."""
        return f"{self.variant}/{self.setting}" if self.setting else self.variant

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """The cells of an experiment at one budget, and the folder in which they are kept.

    Attributes:
        variants: Name -> its options, which are part of a cell's configuration.
        settings: Name -> its options; a single one called ``""`` where there is nothing to set.
        budget: What the preset spends.
        run: Measures a cell: ``run(cell, budget)``. Module-level, so that worker processes find it.
        folder: A file for each cell; made when needed.
        first_seed: The seeds are this one and those after it.
        fewer: Row -> how many seeds it gets at most; 0 leaves it out. The others get all of the budget's.
    """

    variants: Mapping[str, Options]
    settings: Mapping[str, Options]
    budget: Budget
    run: Callable[[Cell, Any], Measured]
    folder: Path
    first_seed: int = 0
    fewer: Mapping[str, int] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All cells, in the order they are done: every row has one seed before any has a second."""
        seeds = range(self.first_seed, self.first_seed + self.budget.seeds)
        cells = [Cell(v, s, seed) for seed, s, v in itertools.product(seeds, self.settings, self.variants)]
        return [cell for cell in cells if cell.seed - self.first_seed < self.fewer.get(cell.row, len(seeds))]

    def configuration(self, cell: Cell) -> dict[str, Any]:
        """All that decides what a cell measures, as JSON has it."""
        shared = {item.name for item in fields(Budget)}  # of the whole grid: more seeds leave a cell what it is
        budget = {name: value for name, value in asdict(self.budget).items() if name not in shared}
        options = {"variant": dict(self.variants[cell.variant]), "setting": dict(self.settings[cell.setting])}
        loaded: dict[str, Any] = json.loads(_dumps({"cell": asdict(cell), **options, "budget": budget}))
        return loaded

    def path(self, cell: Cell) -> Path:
        """The file of a cell."""
        words = (re.sub(r"[^\w.+-]+", "_", word) for word in (cell.variant, cell.setting) if word)
        return self.folder / f"{'-'.join(words)}-{cell.seed:03d}.json"

    def results(self) -> Results:
        """What the finished cells measured.

        Raises:
            GridError: where a cell was measured with another configuration; it says with which.
        """
        found = {cell: record for cell in self.cells() if (record := self._read(cell, told=True)) is not None}
        return Results(self.cells(), found)

    def work(self, *, workers: int = 1, max_minutes: float | None = None) -> None:
        """Do the cells that are not finished.

        A cell that fails leaves ``….failed.txt`` beside the others, and its turn comes again with the next call.
        One that another process does is left to that one.

        Args:
            workers: Processes; a single one works in this process.
            max_minutes: Begin no cell that, as long as those before it, would end later than this.

        Raises:
            GridError: as `results`, before anything is done.
            KeyboardInterrupt: after Ctrl-C; the message says how much is finished.
        """
        if len({self.path(cell) for cell in self.cells()}) < len(self.cells()):
            raise GridError(f"{self.folder}: names of variants or settings are too alike to make file names of")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.results()
            if workers > 1:
                self._share(workers, max_minutes)
            else:
                self._work(max_minutes, time.time())
        except KeyboardInterrupt:
            done = f"{self._finished()} of {len(self.cells())} cells are finished"
            raise KeyboardInterrupt(f"stopped; {done}, and the same command goes on from there") from None

    def failed(self) -> list[Cell]:
        """The cells whose last attempt failed."""
        return [cell for cell in self.cells() if self._failure(cell).exists()]

    def _share(self, workers: int, max_minutes: float | None) -> None:
        """Let worker processes do the cells; their claims keep them apart."""
        spawn, threads = multiprocessing.get_context("spawn"), max(1, (os.cpu_count() or 1) // workers)
        team = [spawn.Process(target=_worker, args=(self, max_minutes, time.time(), threads)) for _ in range(workers)]
        try:
            for one in team:
                one.start()
            for one in team:
                one.join()
        finally:
            for one in team:
                if one.is_alive():  # we were interrupted; so were they, and they stop by themselves
                    one.join()

    def _work(self, max_minutes: float | None, since: float) -> None:
        """Do cells, but for those that have failed since then."""
        begin, times = time.monotonic(), list[float]()
        made_with = provenance()
        for cell in self.cells():
            expected = sum(times) / len(times) if times else 0.0
            if max_minutes is not None and time.monotonic() - begin + expected > 60 * max_minutes:
                return _tell(f"{max_minutes:g} minutes are over: {self._finished()} of {len(self.cells())} cells")
            with self._claim(cell) as ours:
                failure = self._failure(cell)
                if ours and not (failure.exists() and failure.stat().st_mtime >= since):
                    begun = time.monotonic()
                    told = self._do(cell, made_with)
                    times.append(time.monotonic() - begun)
                    done, total = self._finished(), len(self.cells())
                    left = (total - done) * sum(times) / len(times) / 60
                    _tell(f"{done} of {total} cells, about {left:.0f} min left for one process: {cell} {told}")

    @contextmanager
    def _claim(self, cell: Cell) -> Iterator[bool]:
        """Whether the cell is unfinished and nobody else's.

        A claim is a lock on a file, which the system takes away with the process, however that ends; the process
        id in it is for people. The file goes only when the cell is finished, so that all lock the same one.
        """
        if self._read(cell) is not None:
            yield False
            return
        path = self.path(cell).with_suffix(".claim")
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            file.truncate(0)
            print(os.getpid(), file=file, flush=True)
            ours = self._read(cell) is None  # someone may have finished it before we had the lock
            yield ours
            if self._read(cell) is not None:
                path.unlink(missing_ok=True)

    def _do(self, cell: Cell, made_with: Mapping[str, Any]) -> str:
        """Measure a cell and write its file, or that of its failure; how it went, in words."""
        begin, begin_cores = time.monotonic(), _core_seconds()
        failure = self._failure(cell)
        try:
            measured = checked(self.run(cell, self.budget))
        except Exception as error:  # whatever a script may raise: the other cells are still worth doing
            failure.write_text(traceback.format_exc())
            return f"failed, {type(error).__name__}: {error} (more in {failure})"
        configuration = self.configuration(cell)
        record = {
            "format": FORMAT,
            "configuration": configuration,
            "hash": hash_of(configuration),
            "measured": measured,
            "seconds": round(time.monotonic() - begin, 3),
            "core_seconds": round(_core_seconds() - begin_cores, 3),
            **made_with,
        }
        replace_file(self.path(cell), (_dumps(record) + "\n").encode())
        failure.unlink(missing_ok=True)
        return f"took {record['seconds']:.0f} s"

    def _read(self, cell: Cell, told: bool = False) -> dict[str, Any] | None:
        """The record of a cell; None where it is missing or torn.

        Raises:
            GridError: where it has another configuration.
        """
        path = self.path(cell)
        try:
            record = json.loads(path.read_bytes())
            stored, found = record["configuration"], record["hash"]
            sound = record["format"] == FORMAT and hash_of(stored) == found and checked(record["measured"]) != {}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound and told:
            _tell(f"{path} is torn or not ours: {cell} counts as not done")
        if not sound:
            return None
        ours = self.configuration(cell)
        if stored != ours:
            raise GridError(
                f"{path} was measured with another configuration ({_difference(stored, ours)}): remove it, or choose "
                "another folder with --out"
            )
        whole: dict[str, Any] = record
        return whole

    def _finished(self) -> int:
        return sum(self.path(cell).exists() for cell in self.cells())

    def _failure(self, cell: Cell) -> Path:
        return self.path(cell).with_suffix(".failed.txt")


@dataclass(frozen=True)
class Results:
    """What the finished cells of a grid measured.

    Attributes:
        planned: All cells.
        records: Finished cell -> what its file says.
    """

    planned: Sequence[Cell]
    records: Mapping[Cell, Mapping[str, Any]] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether every cell is finished."""
        return len(self.records) == len(self.planned)

    @property
    def rows(self) -> list[str]:
        """The rows, in the order of the grid."""
        return list(dict.fromkeys(cell.row for cell in self.planned))

    def by_seed(self, row: str, metric: str) -> dict[int, NDArray[np.float64]]:
        """Seed -> what was measured, () or (E,) float64, of the finished cells of a row that have measured it.

        Raises:
            ValueError: for an unknown row, or a metric that no cell of a complete grid has measured; it names the
                nearest.
        """
        if row not in self.rows:
            raise ValueError(f"unknown row {row!r}{did_you_mean(row, self.rows)}")
        known = {name for record in self.records.values() for name in record["measured"]}
        if self.complete and metric not in known:
            raise ValueError(f"unknown metric {metric!r}{did_you_mean(metric, sorted(known))}")
        return {
            cell.seed: np.asarray(record["measured"][metric], np.float64)
            for cell, record in self.records.items()
            if cell.row == row and metric in record["measured"]
        }

    def values(self, row: str, metric: str) -> NDArray[np.float64]:
        """(S,) one number for each finished seed of a row: the metric, or its mean where it is a list."""
        return np.array([value.mean() for value in self.by_seed(row, metric).values()])

    def spent(self, what: str) -> float:
        """The hours that the finished cells took: by ``"seconds"``, or of all cores by ``"core_seconds"``."""
        return sum(float(record[what]) for record in self.records.values()) / 3600


def checked(measured: Measured) -> dict[str, Any]:
    """What a cell measured, as JSON holds it.

    Raises:
        ValueError: for nothing at all, or a metric that is no number or list of numbers, or not finite.
    """
    if not measured:
        raise ValueError("nothing was measured")
    plain: dict[str, Any] = {}
    for name, value in measured.items():
        array = np.asarray(value, np.float64)
        if array.ndim > 1 or array.size == 0:
            raise ValueError(f"metric {name!r} has shape {array.shape}: must be a number or a list of numbers")
        if not np.isfinite(array).all():
            raise ValueError(f"metric {name!r} is not finite")
        plain[name] = array.tolist()
    return plain


def hash_of(configuration: Options) -> str:
    """SHA-256 of a configuration, whatever the order of its names."""
    return hashlib.sha256(_dumps(configuration).encode()).hexdigest()


def _dumps(content: Any) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _difference(stored: Any, ours: Any, name: str = "") -> str:
    """The first place in which two configurations differ."""
    if isinstance(stored, dict) and isinstance(ours, dict):
        for key in sorted(stored.keys() | ours.keys()):
            if key not in stored or key not in ours:
                return f"{name}{key}: only {'now' if key in ours else 'then'}"
            if stored[key] != ours[key]:
                return _difference(stored[key], ours[key], f"{name}{key}.")
    return f"{name.rstrip('.')}: {stored!r} then, {ours!r} now"


def _core_seconds() -> float:
    """Of all cores, spent by this process and its children so far."""
    return sum(os.times()[:4])


def _worker(grid: Grid, max_minutes: float | None, since: float, threads: int) -> None:
    os.environ.setdefault("FOVEAL_THREADS", str(threads))
    try:
        grid._work(max_minutes, since)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
