"""Stimuli: displays of a condition, drawn from seeds, and their pictures.

>>> from foveal.envs.visual_search.stimuli import Stimuli
>>> stimuli = Stimuli("t_in_ls")
>>> displays = stimuli.make([0, 1, 2])
>>> stimuli.draw(displays).shape  # 20.5 degrees of 30 pixels
(3, 615, 615)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.envs.visual_search.displays import Displays, arrange_rows, cast_of, empty, layout_of
from foveal.envs.visual_search.drawing import brush_for, draw_rows
from foveal.envs.visual_search.paradigms import FORMS, PX_PER_DEG, Condition, condition_named
from foveal.kernels import launch

MOST_PX = 4096
"""Width of a picture."""


class Stimuli:
    """Displays of a condition.

    Args:
        condition: Its name in `CONDITIONS`, or one of your own.
        set_sizes: One of which each display has, drawn evenly; empty: the paradigm's.
        grid: Cells in a row; 0: the paradigm's. The field is as much larger or smaller.
        cell_deg: Width of a cell, degrees, rounded to whole pixels of `PX_PER_DEG`; 0: the paradigm's.
        present: Share of the displays that have a target.
        px_per_deg: Of the pictures, pixels per degree of visual angle.
        colour: Draw with colours; else grey, as bright as they are.

    Attributes:
        condition: With the grid and the set sizes as asked for.
        px: Width and height of a picture, pixels.
        cast: Every look that an item may have.

    Raises:
        ValueError: for an unknown condition, an impossible display, or a picture of more than 4,096 pixels; it says
            what is valid.
    """

    def __init__(
        self,
        condition: str | Condition,
        *,
        set_sizes: Sequence[int] = (),
        grid: int = 0,
        cell_deg: float = 0.0,
        present: float = 1.0,
        px_per_deg: float = PX_PER_DEG,
        colour: bool = False,
    ) -> None:
        if isinstance(condition, str):
            condition = condition_named(condition)
        if not 0 <= present <= 1:
            raise ValueError(f"present={present}: must be in [0, 1]")
        if not 0 <= cell_deg < np.inf or not 0 <= grid <= 64:
            raise ValueError(f"grid={grid}, cell_deg={cell_deg}: must be in [0, 64], and at least 0")
        given = condition.paradigm
        cells, cell_px = grid or given.grid, round(cell_deg * PX_PER_DEG) or given.cell_px
        paradigm = dataclasses.replace(
            given,
            grid=cells,
            cell_px=cell_px,
            jitter_px=max(1, min(given.jitter_px, cell_px - given.box_px + 1)) if cell_deg else given.jitter_px,
            field_px=given.field_px + cells * cell_px - given.grid * given.cell_px,
            set_sizes=tuple(set_sizes) or given.set_sizes,
        )
        self.condition = dataclasses.replace(condition, paradigm=paradigm)
        self.px_per_deg, self.colour = px_per_deg, colour
        if not px_per_deg > 0 or not 1 <= (px := round(paradigm.field_deg * px_per_deg)) <= MOST_PX:
            raise ValueError(
                f"px_per_deg={px_per_deg}: a field of {paradigm.field_deg:g} degrees must take 1 to {MOST_PX} px"
            )
        self.px = px
        self.cast = cast_of(self.condition, list(FORMS))
        self.layout = layout_of(self.condition, self.cast, present)
        self.brush = brush_for(self.cast, grey=not colour)

    @property
    def most(self) -> int:
        """Items of the largest display."""
        return max(self.condition.paradigm.set_sizes)

    def make(self, seeds: ArrayLike, episode: int = 0) -> Displays:
        """The displays of (N,) seeds, all of one episode number."""
        rows = np.atleast_1d(np.asarray(seeds, np.int64))
        displays = empty(rows.size, self.most)
        self.arrange(np.arange(rows.size), rows, np.full(rows.size, episode), displays)
        return displays

    def arrange(
        self, rows: NDArray[np.int64], seeds: NDArray[np.int64], episodes: NDArray[np.int64], displays: Displays
    ) -> None:
        """Make anew those of `rows` among N displays, from the (N,) seeds and episodes."""
        launch(arrange_rows, rows.size, rows, seeds, episodes, self.layout, displays)

    def draw(self, displays: Displays, rows: Sequence[int] | NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Pictures of displays, or of those of `rows`.

        Returns:
            (R, `px`, `px`) uint8 grey, or (R, `px`, `px`, 3) RGB.
        """
        chosen = np.arange(len(displays.size)) if rows is None else np.asarray(rows, np.int64)
        return self._drawn(chosen, displays.size, displays.look, displays.place, self.px)

    def looks(self) -> NDArray[np.uint8]:
        """A picture of every look of the cast alone, in its box.

        Returns:
            (K, B, B) or (K, B, B, 3) uint8.
        """
        count = len(self.cast.form)
        rows = np.arange(count)
        px = max(1, round(self.condition.paradigm.box_px / PX_PER_DEG * self.px_per_deg))
        return self._drawn(rows, np.ones(count, np.int64), rows[:, None], np.zeros((count, 1, 2)), px)

    def cell_at(self, points: ArrayLike) -> NDArray[np.int64]:
        """The cells (...) in which points (..., 2) lie, degrees from the field's middle; -1: in none."""
        p = self.condition.paradigm
        px = np.asarray(points, np.float64) * PX_PER_DEG + (p.field_px - 1) / 2
        at = np.floor((px + 0.5) / p.cell_px).astype(np.int64)  # a pixel's middle is a whole number
        within = ((at >= 0) & (at < p.grid)).all(-1)
        return np.where(within, at[..., 1] * p.grid + at[..., 0], -1)

    def cells_of_pixels(self) -> NDArray[np.int64]:
        """The cell of each pixel (`px`, `px`) of a picture; -1 beside all."""
        middles = (np.arange(self.px) - (self.px - 1) / 2) / self.px_per_deg
        return self.cell_at(np.stack(np.meshgrid(middles, middles), -1))

    def cell_middles(self) -> NDArray[np.float64]:
        """The middles (grid², 2) of the cells, degrees from the field's middle."""
        p = self.condition.paradigm
        at = ((np.arange(p.grid) + 0.5) * p.cell_px - 0.5 - (p.field_px - 1) / 2) / PX_PER_DEG
        return np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)

    def _drawn(self, rows: NDArray[np.int64], sizes: Any, look: Any, place: Any, px: int) -> NDArray[np.uint8]:
        images = np.empty((rows.size, px, px, 3 if self.colour else 1), np.uint8)
        launch(
            draw_rows, rows.size, rows, sizes, look, place, self.brush, self.condition.paradigm.background,
            self.px_per_deg, images, grain=1,
        )  # fmt: skip
        return images if self.colour else images[..., 0]
