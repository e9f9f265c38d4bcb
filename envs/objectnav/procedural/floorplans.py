"""Floor plans by ProcTHOR's own generator: rooms grown on a grid of cells from a tree of room specifications.

The generator (`procthor.generation.floorplan_generation`, after Lopes et al., "A constrained growth method for
procedural floor plan generation", GAME-ON 2010) is run as the package has it, with two things set right from outside:
it draws from dice of our own in place of Python's and NumPy's global ones, and rooms hash by their number, since it
iterates over a set of them and would otherwise depend on where they lie in memory.
"""

from __future__ import annotations

import importlib
import random
import sys
import threading
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from foveal.envs.objectnav.procedural.assets import changed, package_folder

OUTSIDE = -1
MAX_ROOMS = 8
"""Most rooms of a house whose number is left open; the two largest specifications have ten."""
CELL_M = (1.6, 2.2)
"""Side of a cell, drawn per house (ProcTHOR's `interior_boundary_scale`)."""

_ATTEMPTS = 200
_CANDIDATES = 3  # plans grown per outline
_OUTLINES = 6  # tried before the best plan so far is taken
_GOOD_SCORE = 0.65  # at which it is taken at once
_LEAST_CELLS = {"Bathroom": 1, "Bedroom": 4, "Kitchen": 4, "LivingRoom": 4}
_GOOD_CELLS = {"Bathroom": 3, "Bedroom": 8, "Kitchen": 10, "LivingRoom": 14}
_TOO_LARGE = 0.1  # taken from a plan's score for each cell beyond those
_PASSAGE = 0.5  # and where one has to pass through a bathroom
_lock = threading.Lock()


class Plan(NamedTuple):
    """A floor plan.

    Attributes:
        cells: (rows, columns) int64, the room of each cell, or `OUTSIDE`; row r, column c spans y from r to r + 1 and
            x from c to c + 1, in cells.
        kinds: Kind of each room.
        kinship: (rooms, rooms) int64, how many levels of the specification's tree two rooms share: 0 where they
            only share the house, more for a bedroom and its own bathroom.
        cell: m, side of a cell.
    """

    cells: NDArray[np.int64]
    kinds: tuple[str, ...]
    kinship: NDArray[np.int64]
    cell: float


class _Generator(NamedTuple):
    plans: ModuleType
    outlines: ModuleType
    specs: ModuleType
    invalid: type[Exception]


@cache
def _generator() -> _Generator:
    """Load ProcTHOR's generator, and nothing else of it.

    The packages `procthor.generation` and `procthor.utils` import ai2thor, moviepy and shapely when they are
    imported; their submodules used here do not. So those two names stand for empty packages with the right path
    while the submodules are imported, and all of it leaves `sys.modules` again: a later ordinary import is unaffected.
    """
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "procthor"}
    for name in before:
        del sys.modules[name]
    try:
        for part in ("generation", "utils"):
            package = ModuleType(f"procthor.{part}")
            package.__path__ = [str(package_folder() / part)]
            sys.modules[package.__name__] = package
        plans, outlines, specs = (
            importlib.import_module(f"procthor.generation.{name}")
            for name in ("floorplan_generation", "interior_boundaries", "room_specs")
        )
        types = importlib.import_module("procthor.utils.types")
        for room in (types.LeafRoom, types.MetaRoom):
            room.__hash__ = lambda self: self.room_id
        generator = _Generator(plans, outlines, specs, types.InvalidFloorplan)
        _ = plans.generate_floorplan, outlines.sample_interior_boundary, specs.PROCTHOR10K_ROOM_SPEC_SAMPLER.room_specs
    except (ImportError, AttributeError) as error:
        raise changed(f"floor plan generator ({error})") from error
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "procthor"]:
            del sys.modules[name]
        sys.modules.update(before)
    return generator


def room_counts() -> tuple[int, ...]:
    """Numbers of rooms that a house can have."""
    return tuple(
        sorted({len(spec.room_type_map) for spec in _generator().specs.PROCTHOR10K_ROOM_SPEC_SAMPLER.room_specs})
    )


def draw(rng: np.random.Generator, rooms: tuple[int, int] = (1, MAX_ROOMS)) -> Plan:
    """Draw a floor plan.

    Args:
        rng: Decides everything.
        rooms: Fewest and most rooms; within them ProcTHOR's weights decide.

    Raises:
        ValueError: Where no specification has such a number of rooms.
        ImportError: Where `procthor` is missing or changed.
    """
    generator = _generator()
    sampler = generator.specs.PROCTHOR10K_ROOM_SPEC_SAMPLER
    specs = [spec for spec in sampler.room_specs if rooms[0] <= len(spec.room_type_map) <= rooms[1]]
    if not specs:
        known = ", ".join(map(str, room_counts()))
        raise ValueError(f"rooms {rooms[0]} to {rooms[1]}: no floor plan has so many; there are plans of {known}")
    ends = np.cumsum([spec.sampling_weight for spec in specs])
    spec = specs[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
    cell = round(CELL_M[0] + (CELL_M[1] - CELL_M[0]) * float(rng.random()), 3)
    seed = int(rng.integers(2**32))
    # Specifications and the modules' dice are shared, so one plan is drawn at a time.
    with _lock:
        _throw_own_dice(generator, seed)
        best, best_score, outlines = None, -np.inf, 0
        for _ in range(_ATTEMPTS):
            outline = generator.outlines.sample_interior_boundary(
                len(spec.room_type_map), None if spec.dims is None else spec.dims()
            )
            grids = [grid for grid in (_grow(generator, spec, outline) for _ in range(_CANDIDATES)) if grid is not None]
            outlines += bool(grids)
            for grid in grids:
                if (score := _score(generator, spec, grid)) > best_score:
                    best, best_score = grid, score
            if best is not None and (best_score >= _GOOD_SCORE or outlines == _OUTLINES):
                return _plan(best, spec, cell)
    raise RuntimeError(f"no sensible floor plan of {spec.room_spec_id!r} in {_ATTEMPTS} attempts")


def _throw_own_dice(generator: _Generator, seed: int) -> None:
    """Put seeded dice where the modules look for `random` and `np.random`."""
    dice = random.Random(seed)
    numpy = SimpleNamespace(**{**vars(np), "random": np.random.RandomState(seed)})
    for module in (generator.plans, generator.outlines, generator.specs):
        module.__dict__["random"] = dice
        module.__dict__["np"] = numpy


def _grow(generator: _Generator, spec: Any, outline: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """One plan within an outline, None where the generator fails or nobody would live in it."""
    try:
        grid: NDArray[np.int64] = generator.plans.generate_floorplan(spec, outline, 1)
    except generator.invalid:
        return None
    return grid if _sensible(grid, spec.room_type_map) else None


def _score(generator: _Generator, spec: Any, grid: NDArray[np.int64]) -> float:
    """How near a plan's areas are to the specified ones (ProcTHOR's score), less what makes it odd."""
    kinds = spec.room_type_map
    excess = sum(max(0, int((grid == room).sum()) - _GOOD_CELLS[kind]) for room, kind in kinds.items())
    others = [room for room, kind in kinds.items() if kind != "Bathroom"]
    apart = ndimage.label(np.isin(grid, others))[1] > 1
    return float(generator.plans.score_floorplan(spec, grid)) - _TOO_LARGE * excess - _PASSAGE * apart


def _sensible(grid: NDArray[np.int64], kinds: dict[int, str]) -> bool:
    """Whether every cell has a room and every room is one piece without a hole, of a size one can live in."""
    if not (grid != 0).all():
        return False
    areas = {room: int((grid == room).sum()) for room in kinds}
    for room, kind in kinds.items():
        mask = grid == room
        if areas[room] < _LEAST_CELLS[kind]:
            return False
        if kind != "Bathroom" and not (mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]).any():
            return False
        if not _one_outline(mask):
            return False
    return _one_outline(grid != 1)


def _one_outline(mask: NDArray[np.bool_]) -> bool:
    """Whether a region is bounded by one closed line that touches itself nowhere."""
    edges = boundary(mask)
    return len(edges) == int(perimeter(mask)) and len(follow(edges)) == len(edges)


def perimeter(mask: NDArray[np.bool_]) -> int:
    """Length of a region's boundary, in cell sides."""
    padded = np.pad(mask, 1)
    return int((padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum())


def boundary(mask: NDArray[np.bool_]) -> dict[tuple[int, int], tuple[int, int]]:
    """A region's boundary as unit edges from corner to corner (x, y), the region to their left."""
    padded = np.pad(mask, 1)
    edges = {}
    for row, column in zip(*(part.tolist() for part in np.nonzero(mask)), strict=True):
        x, y = column, row
        if not padded[row, column + 1]:
            edges[x, y] = (x + 1, y)
        if not padded[row + 1, column + 2]:
            edges[x + 1, y] = (x + 1, y + 1)
        if not padded[row + 2, column + 1]:
            edges[x + 1, y + 1] = (x, y + 1)
        if not padded[row + 1, column]:
            edges[x, y + 1] = (x, y)
    return edges


def follow(edges: dict[tuple[int, int], tuple[int, int]]) -> list[tuple[int, int]]:
    """Corners (x, y) along the closed line that starts at the lowest corner."""
    first = min(edges)
    line = [first]
    while (corner := edges[line[-1]]) != first:
        line.append(corner)
    return line


def _plan(grid: NDArray[np.int64], spec: Any, cell: float) -> Plan:
    """The plan with rooms numbered from 0 and the specification's tree as kinship."""
    paths: dict[int, tuple[int, ...]] = {}

    def descend(rooms: list[Any], path: tuple[int, ...]) -> None:
        for room in rooms:
            children = getattr(room, "children", None)
            if children is None:
                paths[room.room_id] = path
            else:
                descend(children, (*path, room.room_id))

    descend(spec.spec, ())
    numbers = sorted(spec.room_type_map)
    cells = np.full(grid.shape, OUTSIDE, np.int64)
    for index, number in enumerate(numbers):
        cells[grid == number] = index
    rows, columns = np.nonzero(cells != OUTSIDE)
    cells = cells[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    kinship = [[sum(a == b for a, b in zip(paths[i], paths[j], strict=False)) for j in numbers] for i in numbers]
    return Plan(cells, tuple(spec.room_type_map[number] for number in numbers), np.array(kinship, np.int64), cell)
