"""Displays: which items stand where, drawn at random from (seed, episode) by a kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.visual_search.paradigms import PX_PER_DEG, Condition, Look
from foveal.kernels import kernel
from foveal.rng import uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SIZE, _PRESENT, _TARGET, _SLOT = range(4)
_CELL, _LOOK, _X, _Y = 1_000, 20_000, 30_000, 40_000
"""First indices of an episode's draws."""

IN_TURN, EACH, DIFFERENT = range(3)
"""How distractors get their looks; see `Condition`."""


class Cast(NamedTuple):
    """The looks that items of a condition may have, each with one pose: the target's first.

    Attributes:
        form: (K,) indices into `FORMS`.
        turn: (K,) rad, clockwise.
        mirrored: (K,) bool, left to right, before the turn.
        colour: (K, 3) uint8.
    """

    form: Ints
    turn: Floats
    mirrored: NDArray[np.bool_]
    colour: NDArray[np.uint8]


class Layout(NamedTuple):
    """How displays of a condition are made, as a kernel needs it.

    Attributes:
        set_sizes: (S,) one of which a display has.
        present: Share of the displays with a target.
        targets: How many looks of the cast, the first ones, are the target's.
        looks: How many there are.
        drawn: How distractors get their looks: `IN_TURN`, `EACH` or `DIFFERENT`.
        grid: Cells in a row.
        cell_px: Their width.
        box_px: Width of an item's box.
        jitter_px: How many places it may have in its cell, across and down.
        field_px: Width of the field.
    """

    set_sizes: Ints
    present: float
    targets: int
    looks: int
    drawn: int
    grid: int
    cell_px: int
    box_px: int
    jitter_px: int
    field_px: int


class Displays(NamedTuple):
    """N displays with room for M items.

    Attributes:
        size: (N,) items.
        target: (N,) which of them is the target, -1: none.
        sought: (N,) the look that the target has, or would have; an index into the `Cast`.
        cell: (N, M) cell of each, by rows from the upper left; -1 behind the last.
        look: (N, M) index into the `Cast`.
        place: (N, M, 2) middles, degrees to the right and down from the field's middle.
    """

    size: Ints
    target: Ints
    sought: Ints
    cell: Ints
    look: Ints
    place: Floats


def cast_of(condition: Condition, forms: list[str]) -> Cast:
    """The looks of a condition; of distractors by poses first, so that in turn all looks come alike often."""
    target = [(condition.target, pose) for pose in condition.target.poses]
    most = max(len(look.poses) for look in condition.distractors)
    others: list[tuple[Look, tuple[float, bool]]] = [
        (look, look.poses[k % len(look.poses)]) for k in range(most) for look in condition.distractors
    ]
    looks = target + others
    return Cast(
        np.array([forms.index(look.form) for look, _ in looks]),
        np.array([math.radians(turn) for _, (turn, _) in looks]),
        np.array([mirrored for _, (_, mirrored) in looks]),
        np.array([look.colour for look, _ in looks], np.uint8),
    )


def layout_of(condition: Condition, cast: Cast, present: float = 1.0) -> Layout:
    """How displays of a condition are made, of which a share has a target."""
    p, targets = condition.paradigm, len(condition.target.poses)
    sizes, drawn = np.array(p.set_sizes), {"in turn": IN_TURN, "each": EACH, "different": DIFFERENT}[condition.drawn]
    looks = len(cast.form)
    return Layout(sizes, present, targets, looks, drawn, p.grid, p.cell_px, p.box_px, p.jitter_px, p.field_px)


def empty(rows: int, items: int) -> Displays:
    """Displays that hold nothing yet."""
    return Displays(
        np.zeros(rows, np.int64),
        np.full(rows, -1, np.int64),
        np.zeros(rows, np.int64),
        np.full((rows, items), -1, np.int64),
        np.zeros((rows, items), np.int64),
        np.zeros((rows, items, 2)),
    )


@kernel
def arrange_rows(start, stop, rows, seeds, episodes, layout, displays):
    """Make a display in each of `rows`, drawn from its seed and episode."""
    sizes, target, sought, cell, look, place = displays
    cells, others = layout.grid * layout.grid, layout.looks - layout.targets
    middle = (layout.box_px - layout.field_px) / 2.0
    for i in range(start, stop):
        row = rows[i]
        seed, episode = seeds[row], episodes[row]
        size = layout.set_sizes[int(uniform(seed, episode, _SIZE) * layout.set_sizes.size)]
        sizes[row], target[row], sought[row] = size, -1, int(uniform(seed, episode, _TARGET) * layout.targets)
        if uniform(seed, episode, _PRESENT) < layout.present:
            target[row] = int(uniform(seed, episode, _SLOT) * size)
        drawn = since = 0  # distractors so far, and the first of those that differ
        for item in range(cell.shape[1]):
            cell[row, item], look[row, item] = -1, 0
            place[row, item, 0] = place[row, item, 1] = 0.0
        for item in range(size):
            cell[row, item] = _free(cell[row], 0, item, 0, int(uniform(seed, episode, _CELL + item) * (cells - item)))
            if item == target[row]:
                look[row, item] = sought[row]
            elif layout.drawn == IN_TURN:
                look[row, item] = layout.targets + item % others
            elif layout.drawn == EACH:
                look[row, item] = layout.targets + int(uniform(seed, episode, _LOOK + item) * others)
            else:
                if drawn % others == 0:  # all are used up
                    since = item
                nth = int(uniform(seed, episode, _LOOK + item) * (others - drawn % others))
                look[row, item] = _free(look[row], since, item, layout.targets, nth)
                drawn += 1
            for axis in range(2):
                at = cell[row, item] // layout.grid if axis else cell[row, item] % layout.grid
                shift = int(uniform(seed, episode, (_Y if axis else _X) + item) * layout.jitter_px)
                place[row, item, axis] = (at * layout.cell_px + shift + middle) / PX_PER_DEG


@kernel
def _free(taken, first, last, low, nth):
    """The nth whole number from `low` on that is not among the taken ones of `first` up to before `last`."""
    found = low + nth
    while True:
        smaller = 0  # taken ones up to there: as many more have to be passed over
        for item in range(first, last):
            smaller += low <= taken[item] <= found
        if found == low + nth + smaller:
            return found
        found = low + nth + smaller
