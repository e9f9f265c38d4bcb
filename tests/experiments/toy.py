"""A grid as a program, to be killed: ``python toy.py FOLDER SECONDS [WORKERS]``; attempts at cells leave lines."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from foveal.experiments.grid import Budget, Cell, Grid


@dataclass(frozen=True, kw_only=True)
class Toy(Budget):
    seconds: float
    log: str


def run(cell: Cell, budget: Toy) -> dict[str, float]:
    with open(budget.log, "a") as log:
        print(os.getpid(), cell, file=log, flush=True)
    time.sleep(budget.seconds)
    return {"score": cell.seed + len(cell.variant)}


def grid(folder: Path, seconds: float) -> Grid:
    budget = Toy(seeds=3, core_hours=0, seconds=seconds, log=str(folder / "log"))
    return Grid({"a": {}, "bb": {}}, {"": {}}, budget, run, folder / "cells")


if __name__ == "__main__":
    try:
        grid(Path(sys.argv[1]), float(sys.argv[2])).work(workers=int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    except KeyboardInterrupt as stop:
        print(stop, file=sys.stderr)
        sys.exit(130)
