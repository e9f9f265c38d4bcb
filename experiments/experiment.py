"""Experiments: a script's declarations, and the way from them to a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from foveal.envs.params import did_you_mean
from foveal.experiments.claims import Claim, Finding, judge
from foveal.experiments.figures import forest
from foveal.experiments.grid import Budget, Cell, Grid, Measured, Options, Results
from foveal.experiments.page import result, write_page


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a script declares, as its ``EXPERIMENT``.

    Attributes:
        name: Of the script.
        variants: Name -> options: what is compared. All that decides a cell belongs into these and the next two.
        settings: Name -> options: where it is compared.
        presets: ``"smoke"`` and ``"standard"``: the budgets.
        run: Measures a cell, see `Grid`.
        claims: All of them, fixed before the first standard run.
        columns: Metric -> heading with the unit, for the table of rows.
        figures: Figures by name, of what is finished; ``"claims"`` comes by itself.
        page: The Markdown page, see `page.write_page`.
        fewer: Row -> how many seeds it gets at most, see `Grid`.
        derive: Adds to what the cells have measured what only several of them tell together.

    Raises:
        ValueError: for claims of one name, or about rows that there are not; it names the nearest.
    """

    name: str
    variants: Mapping[str, Options]
    presets: Mapping[str, Budget]
    run: Callable[[Cell, Any], Measured]
    claims: tuple[Claim, ...]
    columns: Mapping[str, str]
    page: str
    settings: Mapping[str, Options]
    figures: Callable[[Results], Mapping[str, Figure]]
    fewer: Mapping[str, int] = field(default_factory=dict)
    derive: Callable[[Results], Results] = field(default=lambda results: results)

    def __post_init__(self) -> None:
        every = [Cell(variant, setting, 0).row for variant in self.variants for setting in self.settings]
        rows = [row for row in every if self.fewer.get(row) != 0]
        names = [claim.name for claim in self.claims]
        for claim in self.claims:
            if names.count(claim.name) > 1:
                raise ValueError(f"experiment {self.name}: two claims are called {claim.name!r}")
            for row in claim.variants:
                if row not in rows:
                    raise ValueError(f"claim {claim.name!r}: unknown row {row!r}{did_you_mean(row, rows)}")
        if strange := self.fewer.keys() - set(every):
            raise ValueError(f"experiment {self.name}: fewer seeds for unknown row {min(strange)!r}")

    def grid(self, preset: str, out: Path, first_seed: int = 0) -> Grid:
        """The cells of a preset, kept in ``out/NAME/cells``."""
        cells = out / self.name / "cells"
        return Grid(self.variants, self.settings, self.presets[preset], self.run, cells, first_seed, self.fewer)

    def report(self, preset: str, grid: Grid, out: Path) -> tuple[list[Finding], Path]:
        """Judge the claims by what is finished, and write the page.

        Returns:
            The findings, and the page's path.

        Raises:
            GridError: for cells of another configuration.
            OSError: where the page cannot be written.
        """
        results = self.derive(grid.results())
        findings = judge(self.claims, results)
        figures = {"claims": forest(findings), **self.figures(results)}
        found = result(self.name, preset, results, grid.budget, findings, self.columns)
        return findings, write_page(out, self.page, found, self.columns, figures)
