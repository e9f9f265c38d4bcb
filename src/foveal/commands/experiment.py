"""``foveal experiment``."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from foveal.commands.terminal import BadInput, Failure, print_table, told_as
from foveal.envs.params import did_you_mean


@dataclass(frozen=True)
class Experiment:
    """Run an experiment or go on with it, judge its claims and write its page; without NAME, list them."""

    name: Annotated[str | None, Positional, arg(metavar="NAME")] = None
    """Which one."""
    preset: Literal["smoke", "standard"] = "standard"
    """How much: smoke takes less than a minute and decides nothing."""
    seed_offset: int = 0
    """First seed [1]; another one repeats the experiment with fresh seeds."""
    out: Path | None = None
    """Folder for the page NAME.md and the folder NAME with result.json, figures and cells; by default
    runs/experiments/PRESET."""
    workers: int = 1
    """Processes that share the cells [1]."""
    max_minutes: float | None = None
    """Begin no cell that would end later than this [min]; the same command goes on."""

    def run(self) -> None:
        """Do the cells that are missing, then write and print what is found."""
        if self.name is None:
            return print_table(["experiment", "question"], [[name, line] for name, line in scripts().items()])
        if self.name not in scripts():
            raise BadInput(f"unknown experiment {self.name!r}{did_you_mean(self.name, list(scripts()))}")
        if not 0 <= self.seed_offset < 2**20:
            raise BadInput(f"--seed-offset {self.seed_offset}: must be in [0, {2**20})")
        if not 1 <= self.workers <= 1024:
            raise BadInput(f"--workers {self.workers}: must be in [1, 1024]")
        if self.max_minutes is not None and not 0 <= self.max_minutes < 1e6:
            raise BadInput(f"--max-minutes {self.max_minutes:g}: must be in [0, 1000000)")
        self._conduct(self.name)

    def _conduct(self, name: str) -> None:
        from foveal.experiments.grid import GridError

        experiment = importlib.import_module(f"foveal.experiments.{name}").EXPERIMENT
        out = self.out or Path("runs/experiments") / self.preset
        grid = experiment.grid(self.preset, out, self.seed_offset)
        with told_as(BadInput, GridError, OSError):
            grid.work(workers=self.workers, max_minutes=self.max_minutes)
            findings, page = experiment.report(self.preset, grid, out)
        print_table(
            ["claim", "estimate", "interval", "claimed", "seeds", "verdict"],
            [
                [
                    finding.claim.name,
                    "" if finding.value is None else f"{finding.value:.3g}",
                    "" if finding.ci_low is None else f"[{finding.ci_low:.3g}, {finding.ci_high:.3g}]",
                    f"{finding.claim.direction} {finding.claim.bound:g}",
                    str(finding.n),
                    finding.verdict + (f": {finding.note}" if finding.note else ""),
                ]
                for finding in findings
            ],
        )
        print(f"saved {page}")
        if failed := grid.failed():
            raise Failure(f"{len(failed)} of {len(grid.cells())} cells failed, first {failed[0]}: see {grid.folder}")


def scripts() -> dict[str, str]:
    """The experiments there are, and the first line of each: modules with an ``EXPERIMENT``, found unimported."""
    import foveal.experiments

    found = {}
    for path in sorted(Path(foveal.experiments.__path__[0]).glob("*.py")):
        text = path.read_text()
        if re.search(r"^EXPERIMENT\b", text, re.MULTILINE):
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found
