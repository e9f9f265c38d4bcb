"""``foveal bench``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from foveal.commands.terminal import BadInput, print_table, told_as


@dataclass(frozen=True)
class Bench:
    """Measure steps and frames per second beside peers, where those are installed, all in one run."""

    suite: Annotated[Literal["driving", "indoor", "search", "rigs"], Positional, arg(metavar="SUITE")]
    """What to measure: driving (beside highway-env and EnvPool), indoor (beside MiniWorld and ViZDoom), search, or rigs
    (beside plain NumPy)."""
    all: bool = False
    """All driving tasks that EnvPool has too, with actions that make episodes long as well as with random ones."""
    rows: int = 256
    """Rows of a batch; of rigs as many as there is room for [1]."""
    repeat: int = 5
    """Interleaved repeats, of which the median counts [1]."""
    seconds: float = 2.0
    """Length of a repeat [s]."""
    json: Path | None = None
    """Where to write all figures as JSON."""

    def run(self) -> None:
        """Measure, print and save."""
        if self.rows < 1 or self.repeat < 1 or not 0 < self.seconds < 1e6:
            options = f"--rows {self.rows} --repeat {self.repeat} --seconds {self.seconds:g}"
            raise BadInput(f"{options}: all must be positive")
        if self.all and self.suite != "driving":
            raise BadInput(f"--all: is for driving, not for {self.suite}")
        from foveal.experiments import bench, bench_indoor, bench_rigs, bench_search

        if self.json:
            with told_as(BadInput, OSError):
                self.json.touch()
        if self.suite == "driving":
            tasks = bench.ALL if self.all else bench.HIGHWAYS
            report = bench.driving(tasks=tasks, rows=self.rows, repeat=self.repeat, seconds=self.seconds)
            tables = bench.tables(report)
        elif self.suite == "search":
            report = bench_search.search(rows=self.rows, repeat=self.repeat, seconds=self.seconds)
            tables = bench_search.tables(report)
        elif self.suite == "rigs":
            report = bench_rigs.rigs(repeat=self.repeat, seconds=self.seconds)
            tables = bench_rigs.tables(report)
        else:
            report = bench_indoor.indoor(rows=self.rows, repeat=self.repeat, seconds=self.seconds)
            tables = bench_indoor.tables(report)
        for title, columns, rows in tables:
            print(f"\n{title}")
            print_table(columns, rows)
        if self.json:
            self.json.write_text(json.dumps(report, indent=2) + "\n")
