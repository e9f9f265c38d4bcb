"""Searchers: what looks about a display until it has found the target, without learning to.

A *searcher* is a function of what is there and where one looks (`Sight`) to priorities: maps (N, h, w) and where their
pixels lie. `search` looks at the greatest, recognises without fail whether it is in the target's cell, and does not
come back: what was looked at is erased. So it is done in Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021,
arXiv:2106.02953); but here nobody looks into cells without an item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.envs.visual_search.displays import Displays
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.vision.backbones import STRIDE
from foveal.vision.eccnet import EccNet

Floats = NDArray[np.float64]


_MARGIN, _STEP = 32, 32
"""Background about a picture that networks see, at least; and the pixels of the coarsest map's step."""


class Sight(NamedTuple):
    """What searchers are shown.

    Attributes:
        pictures: (N, H, W) uint8 grey; what was looked at is erased.
        targets: (N, h, w) uint8, the target alone.
        fixations: (N, 2) int64, column and row.
        background: Grey level.
    """

    pictures: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    fixations: NDArray[np.int64]
    background: int


class Priorities(NamedTuple):
    """What searchers answer.

    Attributes:
        maps: (N, h, w).
        corner: (N, 2) column and row of the middle of each map's first pixel.
        stride: Pixels of the picture from one to the next.
    """

    maps: NDArray[Any]
    corner: Floats
    stride: float


Searcher = Callable[[Sight], Priorities]


class Trials(NamedTuple):
    """N searches.

    Attributes:
        saccades: (N,) until the target was fixated, at least 1: the first fixation does not count; -1: never.
        cells: (N, most + 1) fixated, the first one among them; -1 in none, -2 not any more.
        points: (N, most + 1, 2) where, degrees from the field's middle; NaN not any more.
    """

    saccades: NDArray[np.int64]
    cells: NDArray[np.int64]
    points: Floats


def search(
    searcher: Searcher, stimuli: Stimuli, displays: Displays, *, most: int = 0, revisits: bool = False
) -> Trials:
    """Search displays, from their middles.

    Args:
        searcher: Who decides.
        stimuli: That the displays are of; grey.
        displays: N of them.
        most: Saccades at most; 0: as many as cells.
        revisits: Go back to what was looked at, and erase nothing.

    Raises:
        ValueError: for coloured stimuli, or displays without a target.
    """
    if stimuli.colour or (displays.target < 0).any():
        raise ValueError("searchers see grey displays with targets")
    cells, count = stimuli.condition.paradigm.grid**2, len(displays.size)
    most = most or cells
    rows = np.arange(count)
    pictures, goal = stimuli.draw(displays), displays.cell[rows, displays.target]
    targets = stimuli.looks()[displays.sought]
    where, background = stimuli.cells_of_pixels(), stimuli.condition.paradigm.background
    occupied = np.zeros((count, cells), np.bool_)
    np.put_along_axis(occupied, np.where(displays.cell < 0, displays.cell[:, :1], displays.cell), True, 1)
    fixated = np.full((count, most + 1), -2, np.int64)
    points = np.full((count, most + 1, 2), np.nan)
    saccades = np.full(count, -1, np.int64)
    at = np.full((count, 2), (stimuli.px - 1) / 2)
    for step in range(most + 1):
        left = np.flatnonzero(saccades < 0)
        if step:
            sight = Sight(pictures[left], targets[left], np.rint(at[left]).astype(np.int64), background)
            at[left] = _best(searcher(sight), occupied[left], where)
        points[left, step] = (at[left] - (stimuli.px - 1) / 2) / stimuli.px_per_deg
        here = stimuli.cell_at(points[left, step])
        fixated[left, step] = here
        saccades[left[(here == goal[left]) & (step > 0)]] = step
        seen = left[(here >= 0) & (here != goal[left])]
        if step and not revisits:
            occupied[seen, fixated[seen, step]] = False
            pictures[seen] = np.where(where == fixated[seen, step, None, None], background, pictures[seen])
        if (saccades >= 0).all():
            break
    return Trials(saccades, fixated, points)


def search_scenes(
    searcher: Searcher, pictures: NDArray[np.uint8], targets: NDArray[np.uint8], boxes: Floats, *, most: int
) -> Trials:
    """Search pictures, from their middles, until the box of what is sought is fixated.

    Within 32 pixels of where it has looked, across and down, nobody looks again, as in the published searches of
    natural scenes (Gupta et al., "Visual Search Asymmetry", NeurIPS 2021).

    Args:
        searcher: Who decides.
        pictures: (N, H, W) uint8 grey.
        targets: (N, h, w) uint8, what is sought.
        boxes: (N, 4) left, top, right and bottom of it, px.
        most: Saccades at most.

    Returns:
        The searches; `cells` are all -1, and `points` are pixels.

    Raises:
        ValueError: for shapes that do not fit.
    """
    count, height, width = pictures.shape
    if len(targets) != count or boxes.shape != (count, 4) or most < 1:
        raise ValueError(f"{count} pictures, {len(targets)} targets, boxes {boxes.shape}, most={most}: do not fit")
    open_ = np.ones((count, height, width), np.bool_)
    points = np.full((count, most + 1, 2), np.nan)
    saccades = np.full(count, -1, np.int64)
    points[:, 0] = (width - 1) / 2, (height - 1) / 2
    for step in range(1, most + 1):
        left = np.flatnonzero(saccades < 0)
        at = np.rint(points[left, step - 1]).astype(np.int64)
        for row, (x, y) in zip(left, at, strict=True):
            open_[row, max(0, y - 32) : y + 32, max(0, x - 32) : x + 32] = False
        sight = Sight(pictures[left], targets[left], at, int(pictures[left].mean()))
        # every pixel is a place of its own here: number 0 where one may look, and none (-1) where one may not
        where = np.where(open_[left], 0, -1)
        points[left, step] = _best(searcher(sight), np.ones((left.size, 1), np.bool_), where)
        x, y = points[left, step].T
        within = (boxes[left, 0] <= x) & (x < boxes[left, 2]) & (boxes[left, 1] <= y) & (y < boxes[left, 3])
        saccades[left[within]] = step
        if (saccades >= 0).all():
            break
    return Trials(saccades, np.where(np.isnan(points[..., 0]), -2, -1), points)


def by_network(network: EccNet, device: str = "cpu") -> Searcher:
    """Looks where a network sees what looks like the target; see `foveal.vision.eccnet`.

    What it sees is the picture with so much background around it that the fixation is a whole number of steps of the
    coarsest map from the edges.
    """
    channels = network.blocks.channels

    def tensor(images: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(images).to(device)[:, None].float().div(255).expand(-1, channels, -1, -1)

    def searcher(sight: Sight) -> Priorities:
        height, width = sight.pictures.shape[1:]
        high, wide = (-(-(side + 2 * _MARGIN) // _STEP) * _STEP + _STEP for side in (height, width))
        before = -(-(sight.fixations + _MARGIN) // _STEP) * _STEP - sight.fixations  # (N, 2)
        view = np.empty((high, wide), np.uint8)
        maps = []
        for row, (left, top) in enumerate(before):  # one by one, which is faster than as a batch
            view[:] = sight.background
            view[top : top + height, left : left + width] = sight.pictures[row]
            x, y = sight.fixations[row] + before[row]
            maps.append(network(tensor(view[None]), tensor(sight.targets[row : row + 1]), (float(x), float(y))))
        corner = (network.blocks.first_px - before).astype(np.float64)
        return Priorities(torch.cat(maps).cpu().numpy(), corner, STRIDE)

    return searcher


def at_random(seed: int = 0) -> Searcher:
    """Looks at any item; without replacement, unless `search` revisits."""
    rng = np.random.default_rng(seed)

    def searcher(sight: Sight) -> Priorities:
        count, height, width = sight.pictures.shape
        stride = min(height, width) / 256
        corner = np.full((count, 2), (stride - 1) / 2)
        return Priorities(rng.random((count, round(height / stride), round(width / stride))), corner, stride)

    return searcher


def by_pixels(sight: Sight) -> Priorities:
    """Looks where the pixels agree most with the target's: normalised cross-correlation."""
    import cv2

    maps = []
    for picture, target in zip(sight.pictures, sight.targets, strict=True):
        away = sight.background - picture.astype(np.float32), sight.background - target.astype(np.float32)
        maps.append(cv2.matchTemplate(*away, cv2.TM_CCORR_NORMED))
    offset = (np.array(sight.targets.shape[:0:-1]) - 1) / 2
    return Priorities(np.stack(maps), np.tile(offset, (len(maps), 1)), 1.0)


def by_saliency(sight: Sight) -> Priorities:
    """Looks where the picture is least expected, whatever is sought: the spectral residual.

    Source: Hou and Zhang, "Saliency detection: a spectral residual approach" (CVPR 2007), at their width of 64 pixels.
    """
    import cv2

    maps, width = [], 64
    for picture in sight.pictures:
        small = cv2.resize(picture.astype(np.float32), (width, width), interpolation=cv2.INTER_AREA)
        spectrum = np.fft.fft2(small)
        amplitude = np.log(np.abs(spectrum) + 1e-9).astype(np.float32)
        residual = amplitude - cv2.blur(amplitude, (3, 3))
        saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
        maps.append(cv2.GaussianBlur(saliency.astype(np.float32), (0, 0), 2.5))
    stride = sight.pictures.shape[-1] / width
    return Priorities(np.stack(maps), np.full((len(maps), 2), (stride - 1) / 2), stride)


def ideal_search(
    displays: Displays,
    *,
    fovea: float = 4.0,
    e2_deg: float = 2.3,
    choice: Literal["posterior", "information"] = "posterior",
    most: int = 100,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Search by Bayes' rule: each fixation tells of every item, the nearer the more reliably, what it may be.

    Of an item, seen from where one looks with detectability d, comes a response from a normal distribution around 1/2
    for the target and -1/2 for others, with standard deviation 1/d. The items' posterior is proportional to the
    exponential of the sum of d² times the responses.

    Args:
        displays: N of them, with targets.
        fovea: Detectability d' where one looks.
        e2_deg: Eccentricity at which it is half of that, degrees; it is ``fovea / (1 + e / e2)``.
        choice: Next comes the likeliest item, or the one from which most would be learnt: the target's expected d².
        most: Saccades at most.
        seed: Of the responses.

    Returns:
        (N,) saccades until the target was fixated; -1: it was not.

    Raises:
        ValueError: for displays without a target, or numbers that are not positive.

    Source: Najemnik and Geisler, "Optimal eye movement strategies in visual search" (Nature 434, 2005); Najemnik and
    Geisler, "Simple summation rule" (Vision Research 49, 2009) for the choice by information.
    """
    if (displays.target < 0).any() or not min(fovea, e2_deg, most) > 0:
        raise ValueError(
            f"fovea={fovea}, e2_deg={e2_deg}, most={most}: must be positive, and all displays have targets"
        )
    rng, rows = np.random.default_rng(seed), np.arange(len(displays.size))
    there = np.arange(displays.place.shape[1]) < displays.size[:, None]  # (N, M)
    mean = np.where(np.arange(there.shape[1]) == displays.target[:, None], 0.5, -0.5)
    between = np.linalg.norm(displays.place[:, :, None] - displays.place[:, None], axis=-1)  # (N, M, M)
    square = (fovea / (1 + between / e2_deg)) ** 2
    at, evidence = np.zeros((rows.size, 2)), np.zeros(there.shape)
    saccades = np.full(rows.size, -1, np.int64)
    for step in range(1, most + 1):
        d = fovea / (1 + np.linalg.norm(displays.place - at[:, None], axis=-1) / e2_deg)
        evidence += d**2 * (mean + rng.normal(size=d.shape) / d)
        logits = np.where(there, evidence, -np.inf)
        posterior = np.exp(logits - logits.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
        worth = posterior if choice == "posterior" else (square * posterior[:, :, None]).sum(1)
        chosen = np.where(there, worth, -1).argmax(1)
        at = displays.place[rows, chosen]
        saccades[(saccades < 0) & (chosen == displays.target)] = step
        if (saccades >= 0).all():
            break
    return saccades


def _best(found: Priorities, open_: NDArray[np.bool_], where: NDArray[np.int64]) -> Floats:
    """The pixel (N, 2) with the greatest priority in the cells that are open (N, C); the middle where none is.

    The cell of each pixel is the same in all pictures (H, W), or each one's own (N, H, W).
    """
    height, width = found.maps.shape[1:]
    x = found.corner[:, :1] + found.stride * np.arange(width)  # (N, w)
    y = found.corner[:, 1:] + found.stride * np.arange(height)  # (N, h)
    columns, rows = (np.rint(one).astype(np.int64) for one in (x, y))
    high, wide = where.shape[-2:]
    inside = ((rows >= 0) & (rows < high))[:, :, None] & ((columns >= 0) & (columns < wide))[:, None]
    every = np.broadcast_to(where, (len(rows), high, wide))
    cells = every[
        np.arange(len(rows))[:, None, None],
        np.clip(rows, 0, high - 1)[:, :, None],
        np.clip(columns, 0, wide - 1)[:, None],
    ]
    cells = np.where(inside, cells, -1)
    allowed = (cells >= 0) & np.take_along_axis(open_, np.maximum(cells, 0).reshape(len(cells), -1), 1).reshape(
        cells.shape
    )
    best = np.where(allowed, found.maps, -np.inf).reshape(len(cells), -1).argmax(1)
    v, u = np.divmod(best, width)
    index = np.arange(len(cells))
    point = np.stack([columns[index, u], rows[index, v]], -1)
    return np.where(np.count_nonzero(allowed, (1, 2))[:, None] > 0, point, (np.array([wide, high]) - 1) / 2)
