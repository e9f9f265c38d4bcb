"""What foveal's measures of gaze find in the published files of *Visual Search Asymmetry*, in two tables.

    python -m foveal.experiments.published_gaze FOLDER

FOLDER is your clone of github.com/kreimanlab/VisualSearchAsymmetry (Gupta et al., NeurIPS 2021, arXiv:2106.02953); what
is in it is read as data. To know:

- A search of the asymmetries that never hits its target counts as many saccades as its display has items, as in the
  published evaluation; the largest set size would give five models other indices (chance a mean of .03, not .00).
  Searches of chance and pixelMatch are published in the rows of the displays before theirs.
- "fixations" counts the one that a trial began with and all that follow, also those after a hit.
- The curves come from the files of hits. Those of humans in object arrays and natural scenes are not in the order of
  their fixations, nor of quite the same trials; in Waldo they are.
- 5° are 156 px. Items of the arrays are 550 px from the middle in the files, and 300 in the published measure of
  saccades; so they are in this one. As they stand in the files, medians would be 17.6°, not 9.6°.
- "ScanMatch" has 12 x 8 bins and a threshold of 3.5; it is of all pairs of a searcher and a human in a picture, without
  the fixation that a trial began with, which nobody chose, and trials that have no other. Places off the screen count
  at its edge. "published" is by compiled Matlab, whose settings are nowhere stated: ours is within .02 of it in arrays,
  and lower by .03 to .12 in scenes, where searches are of unequal lengths and the longer one divides.
- "chance" takes the items of an array in an order that is drawn, once with every number of saccades.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.visual_search.paradigms import condition_named
from foveal.experiments.page import markdown
from foveal.vision.gaze.fixations import NEVER, cumulative, first_on_target, saccade_sizes
from foveal.vision.gaze.humans import HUMANS, PAIRS
from foveal.vision.gaze.scanpaths import Screen, scan_match
from foveal.vision.gaze.slopes import asymmetry_index, correlation, reaction_ms, slope

MOST_BYTES = 16 * 2**20
"""Of a file; the largest published one has 1.9 MB."""
MODELS = {
    "eccNET": "eccNET/out/eccNET",
    "IVSN": "eccNET/out/IVSN",
    "eccNET, last block only": "eccNET/out/eccNET_0_0_1",
    "eccNET without eccentricity": "eccNET/out/eccNET_noecc",
    "eccNET of MNIST": "eccNET/out/eccNET_MNIST",
    "eccNET of turned ImageNet": "eccNET/out/eccNET_Rot90",
    "eccNET of fisheye pictures": "eccNET/out_aug/eccNET_fisheye",
    "eccNET of pictures with lines": "eccNET/out_aug/eccNET_lines",
    "eccNET of Places365": "eccNET/out_aug/eccNET_places365",
    "eccNET of turned Places365": "eccNET/out_aug/eccNET_places365_90",
    "chance": "chance",
    "pixelMatch": "pixelMatch",
}
"""Folders below ``vs_exp``."""
CONDITIONS = dict(zip(HUMANS, (
    "curvature_curve_in_lines", "curvature_line_in_curves", "lightning_dir_top_down", "lightning_dir_left_right",
    "intersection_non_cross", "intersection_cross", "intersection_Ts", "intersection_Ls",
    "categorization_homo_t20", "categorization_homo_t0", "categorization_hetero_t0", "categorization_hetero_t20",
), strict=True))  # fmt: skip
"""Condition -> its files."""
SCREEN, MIDDLE, PX_PER_DEG, SACCADES = Screen(1280, 1024), (640, 512), 156 / 5, 6
SEARCHERS = {"humans": ("human_all", "human"), "eccNET": ("eccNET", "eccNET"), "IVSN": ("IVSN", "IVSN")}
"""Names of the files of their fixations, and of their scores."""
PICTURES = {"object arrays": "ObjArr", "natural scenes": "NaturalDesign", "Waldo": "Waldo"}
"""Folders below ``vs_saccade_exp/out``."""
ARRAYS, NEARER = "object arrays", (150 / 275, 260 / 476)
"""Whose places are (x, y), the others' being (row, column); and by which they come nearer to the middle."""


class Searches(NamedTuple):
    """Of all pictures by one searcher after the other.

    Attributes:
        paths: (T, 2) x and y of the fixations, px.
        first: (S,) of each search the first fixation on the target, 0 the one that it began with, -1 none.
    """

    paths: list[NDArray[np.float64]]
    first: NDArray[np.int64]


def hits(folder: Path, model: str, condition: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items (S,) in each display, and the saccade (S,) that hit the target, -1 none.

    Raises:
        ValueError: for a file that is not as published; one line that names it.
    """
    sizes = condition_named(condition).paradigm.set_sizes
    with _file(folder / "vs_exp" / MODELS[model] / "out_data" / f"{CONDITIONS[condition]}.csv") as path:
        lines = path.read_text("ascii").split()
        if not lines or len(lines) % len(sizes):
            raise ValueError(f"{len(lines)} rows: must be as many for each of {len(sizes)} set sizes")
        first = _first(np.loadtxt(lines, np.float64, comments=None, delimiter=",", ndmin=2))
    return np.repeat(sizes, len(first) // len(sizes)), first


def slopes(folder: Path, model: str) -> dict[str, float]:
    """Condition -> slope of a model's search times, ms per item. Raises `ValueError` as `hits`."""
    found = {condition: hits(folder, model, condition) for condition in CONDITIONS}
    taken = {name: (items, np.where(first == NEVER, items, first)) for name, (items, first) in found.items()}
    return {name: slope(items, reaction_ms(saccades), resamples=1).slope for name, (items, saccades) in taken.items()}


def searches(folder: Path, pictures: str, who: str) -> Searches:
    """What a searcher did in some pictures. Raises `ValueError` as `hits`."""
    out, name = folder / "vs_saccade_exp" / "out" / PICTURES[pictures], SEARCHERS[who][0]
    with _file(out / "fix" / f"{name}.npy") as path:
        places = _numbers(path)
        if places.ndim != 3 or places.shape[2] != 2 or not places.size:
            raise ValueError(f"an array of shape {places.shape}: must be (searches, fixations, 2)")
    with _file(out / "ifix" / f"I_{name}.npy") as path:
        counts = _numbers(path).ravel()
        if len(counts) != len(places) or not np.isin(counts, np.arange(1, places.shape[1] + 1)).all():
            raise ValueError(f"must be {len(places)} numbers of fixations in [1, {places.shape[1]}]")
    with _file(out / "cp" / f"CP_{name}.npy") as path:
        if len(first := _first(_numbers(path))) != len(places):
            raise ValueError(f"{len(first)} rows: must be as many as there are searches, {len(places)}")
    places = places if pictures == ARRAYS else places[..., ::-1]
    return Searches([one[:count] for one, count in zip(places, counts.astype(np.int64), strict=True)], first)


def at_chance(found: Searches) -> Searches:
    """Searches that take items as they come: each array once with 1, 2, … saccades.

    Raises:
        ValueError: where one of those found, which tell where items and targets are, does not end on its target.
    """
    if any(len(path) - 1 != first for path, first in zip(found.paths, found.first, strict=True)):
        raise ValueError("chance needs searches that end on their targets")
    rng, items = np.random.default_rng(0), np.unique(np.concatenate([path[1:] for path in found.paths]), axis=0)
    paths = []
    for count, path in itertools.product(range(len(items)), found.paths):
        others = rng.permutation(items[(items != path[-1]).any(1)])
        paths.append(np.stack([path[0], *others[:count], path[-1]]))
    return Searches(paths, np.repeat(np.arange(1, len(items) + 1), len(found.paths)))


def likeness(ours: Searches, humans: Searches, pictures: int) -> float:
    """Mean ScanMatch over pictures, and over pairs of a searcher and a human, or of humans where ours are they."""
    chosen, known = (
        [np.clip(path[1:], 0, (SCREEN.width, SCREEN.height)) for path in which.paths] for which in (ours, humans)
    )
    mine, theirs = (range(0, len(which), pictures) for which in (chosen, known))
    pairs = itertools.combinations(theirs, 2) if ours is humans else itertools.product(mine, theirs)
    matched = [(chosen[i + k], known[j + k]) for i, j in pairs for k in range(pictures)]
    scores = [scan_match(one, other, SCREEN) for one, other in matched if len(one) and len(other)]
    return float(np.mean(scores)) if scores else np.nan


def asymmetries(folder: Path) -> str:
    """The table of the asymmetries: of each model six indices, their mean, and its slopes' correlation with humans'."""
    humans = {condition: human.slope for condition, human in HUMANS.items()}
    rows = []
    for name, found in [("humans", humans), *((name, slopes(folder, name)) for name in MODELS)]:
        indices = [asymmetry_index(found[hard], found[easy]) for easy, hard in PAIRS]
        agreed = correlation(list(found.values()), list(humans.values())).linear
        rows.append([name, *(f"{value:.2f}" for value in indices), f"{np.mean(indices):.3f}", f"{agreed:.2f}"])
    return markdown(["asymmetry index", *(f"exp. {k}" for k in range(1, 7)), "mean", "r of slopes"], rows)


def gaze(folder: Path) -> str:
    """The table of gaze in pictures."""
    rows = []
    for pictures in PICTURES:
        found = {who: searches(folder, pictures, who) for who in SEARCHERS}
        scores = {who: f"{_score(folder, pictures, who):.3f}" for who in SEARCHERS}
        count = len(found["eccNET"].paths)
        if any(len(one.paths) % count for one in found.values()):
            raise ValueError(f"{folder}: not everyone searched all {count} {pictures} of eccNET")
        if pictures == ARRAYS:
            found["chance"] = at_chance(found["eccNET"])
        for who, one in found.items():
            seen = [(path - MIDDLE) * NEARER if pictures == ARRAYS else path for path in one.paths]
            curve = (f"{share:.3f}" for share in cumulative(one.first, SACCADES))
            told = f"{np.mean([len(path) for path in seen]):.2f}", f"{likeness(one, found['humans'], count):.3f}"
            median = f"{np.median(saccade_sizes(seen)) / PX_PER_DEG:.1f}"
            rows.append([pictures, who, *curve, *told, scores.get(who, ""), median])
    titles = ["found by saccade", "", *(f"{k}" for k in range(1, SACCADES + 1)), "fixations"]
    return markdown([*titles, "ScanMatch", "published", "median saccade [°]"], rows)


def _score(folder: Path, pictures: str, who: str) -> float:
    """The published ScanMatch; its file holds a mean and the standard error."""
    out = folder / "vs_saccade_exp" / "out" / PICTURES[pictures]
    with _file(out / "ss_score" / f"{SEARCHERS[who][1]}.npy") as path:
        if (score := _numbers(path)).shape != (2,):
            raise ValueError(f"an array of shape {score.shape}: must be a mean and its standard error")
    return float(score[0])


def _first(marks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where in each row (S, F) of zeros the one is; -1: it has none."""
    if marks.ndim != 2 or not np.isin(marks, (0, 1)).all() or (marks.sum(1) > 1).any():
        raise ValueError("must be rows of zeros with a single one at most")
    return np.array([first_on_target(row) for row in marks], np.int64)


@contextmanager
def _file(path: Path) -> Iterator[Path]:
    """A file that is there and not too large; whatever is wrong with it is told in one line that names it."""
    try:
        if not path.is_file():
            raise ValueError("there is no such file")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ValueError(f"{size} bytes, more than the {MOST_BYTES} that are read")
        yield path
    except (ValueError, ArithmeticError, OSError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None


def _numbers(path: Path) -> NDArray[np.float64]:
    """An array of a ``.npy`` file; mapped, as its header may promise more than there is, and never unpickled."""
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("not a .npy file")
    try:
        with np.errstate(all="raise"):
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # a broken header is evaluated as a literal, and may raise nearly anything
        raise ValueError("a .npy file with a broken header, too short, or of pickled objects") from None
    if stored.dtype.kind not in "biuf":
        raise ValueError(f"an array of {stored.dtype}: must be numbers")
    numbers = np.array(stored, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("numbers that are not finite")
    return numbers


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.published_gaze")
    parser.add_argument("folder", type=Path, help="your clone of github.com/kreimanlab/VisualSearchAsymmetry")
    folder = parser.parse_args(arguments).folder
    try:
        print(asymmetries(folder), gaze(folder), sep="\n\n")
    except ValueError as error:
        print(f"published_gaze: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
