"""How far do eyes jump in a scene, and is it their eccentricity?

In natural scenes of 41° by 33° the median saccade of humans is 6.2°, that of eccNET 5.8° and that of IVSN, which sees
all of a scene equally well, 16.0° (the published fixations of Gupta et al., "Visual Search Asymmetry", NeurIPS 2021, as
`foveal.experiments.published_gaze` reads them). Here the same network looks for things in rendered rooms of that size,
with eccentricity and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from foveal.agents.searchers import Searcher, at_random, by_network, search_scenes
from foveal.envs.visual_search.banks import bank_of, grey
from foveal.envs.visual_search.paradigms import PX_PER_DEG
from foveal.experiments.claims import Claim
from foveal.experiments.experiment import Experiment
from foveal.experiments.figures import seed_dots
from foveal.experiments.grid import Budget, Cell, Results
from foveal.vision.backbones import ImageNet
from foveal.vision.eccnet import centred_search
from foveal.vision.gaze.fixations import saccade_sizes


@dataclass(frozen=True, kw_only=True)
class Scenes(Budget):
    """What is spent on each searcher."""

    scenes: int
    """Pictures, one of each room [1]."""
    saccades: int
    """At most, in each [1]."""


PRESETS = {
    "smoke": Scenes(seeds=1, core_hours=0.01, scenes=2, saccades=2),
    "standard": Scenes(seeds=10, core_hours=0.4, scenes=5, saccades=6),
}
WIDTH = round(41 * PX_PER_DEG)
HUMAN_DEG = 6.2
WITH, WITHOUT = "ImageNet", "ImageNet, no eccentricity"
VARIANTS: dict[str, dict[str, Any]] = {
    WITH: {"eccentric": True},
    WITHOUT: {"eccentric": False},
    "random": {},
}
CLAIMS = (
    Claim(
        name="saccades as humans'",
        estimand="median saccade − 6.2, with eccentricity [°]",
        variants=(WITH,),
        metric="beside humans",
        bound=HUMAN_DEG / 2,
        direction="within",
    ),
    Claim(
        name="eccentricity shortens them",
        estimand="median saccade, with − without eccentricity [°]",
        variants=(WITH, WITHOUT),
        metric="median",
        direction="below",
    ),
    Claim(
        name="more than where things are",
        estimand="median saccade − that between fixations of other scenes, with eccentricity [°]",
        variants=(WITH,),
        metric="beside shuffled",
        direction="below",
    ),
)
COLUMNS = {
    "median": "median saccade [°]",
    "shuffled": "between fixations of other scenes [°]",
    "found": "found within six saccades [1]",
    "first": "found by the first [1]",
}


def run(cell: Cell, budget: Scenes) -> dict[str, Any]:
    """Let a searcher look for a thing in each of some rooms: its saccades, and those of a null."""
    pictures, targets, boxes = scenes(cell.seed * budget.scenes, budget.scenes, cell.seed)
    found = search_scenes(_searcher(cell), pictures, targets, boxes, most=budget.saccades)
    paths = [points[np.isfinite(points[:, 0])] / PX_PER_DEG for points in found.points]
    sizes = saccade_sizes(paths)
    null = float(np.median(saccade_sizes(shuffled(paths, cell.seed))))
    median = float(np.median(sizes))
    return {
        "median": median,
        "sizes": sizes,
        "shuffled": null,
        "beside humans": median - HUMAN_DEG,
        "beside shuffled": median - null,
        "found": float((found.saccades > 0).mean()),
        "first": float((found.saccades == 1).mean()),
    }


def scenes(first: int, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """Pictures of procedural rooms, what is sought in each, and where it is.

    Args:
        first: House.
        count: Of pictures, each in a house of its own.
        seed: Of the draw of what is sought.

    Returns:
        (N, H, W) grey, (N, h, w) grey exemplars of categories, and (N, 4) boxes, px.
    """
    bank = bank_of("procedural", "val", count, first, 1, WIDTH)
    rng, rows = np.random.default_rng(seed), np.flatnonzero(bank.size)
    sought = rng.integers(bank.size[rows])
    height, width = bank.images.shape[1:3]
    boxes = bank.box[rows, sought] * (width, height, width, height)
    return grey(bank.images[rows]), grey(bank.looks[bank.category[rows, sought]]), boxes


def shuffled(paths: list[NDArray[np.float64]], seed: int) -> list[NDArray[np.float64]]:
    """As many fixations in each path, drawn from those of all of them but for the first, with which all begin."""
    later = np.concatenate([path[1:] for path in paths])
    drawn = np.random.default_rng(seed).permutation(later)
    ends = np.cumsum([len(path) - 1 for path in paths])
    parts = np.split(drawn, ends[:-1])
    return [np.concatenate([path[:1], part]) for path, part in zip(paths, parts, strict=True)]


def _searcher(cell: Cell) -> Searcher:
    options = VARIANTS[cell.variant]
    return by_network(centred_search(ImageNet(**options))) if options else at_random(cell.seed)


def figures(results: Results) -> dict[str, Figure]:
    """Every seed."""
    return {"seeds": seed_dots(results, {"median": "median saccade [°]", "found": "found [1]"})}


PAGE = """# How far do eyes jump in a scene, and is it their eccentricity?

`$command` prints this page. A network looks for a thing in views of procedural rooms, 41° wide and 31° high at 30 px
per degree, from their middle: for the picture of another thing of the same category where there is one. It sees by
EfficientNet-Lite0 with ImageNet's weights and searches by the rule of docs/experiments/search_asymmetry.md, which was
tuned on other displays; within 32 px of where it has looked it does not look again. Humans' 6.2° are of natural
scenes and not of these rooms: `python -m foveal.experiments.published_gaze FOLDER` prints them from the published
files.

## Claims

Fixed before the runs, in `experiments/scene_saccades.py`, with the rule by which they are decided.

![The claims, each with its interval and the side on which it would have to lie]($figure_claims)

$claims

## Rows

$rows

![Every seed as a dot; mean and 95 % interval]($figure_seeds)

Between fixations of other scenes: the same fixations, but each path's drawn from those of all scenes of its seed;
what is left of a preference for the middle, or for where rooms have their things, would be the same there.

## Cost

$cost
"""

EXPERIMENT = Experiment(
    name="scene_saccades",
    variants=VARIANTS,
    settings={"": {}},
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    columns=COLUMNS,
    figures=figures,
    page=PAGE,
)
