"""How alike two scanpaths are: by alignment of what was fixated, or by time-delay embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foveal.vision.gaze.fixations import _path

String = Sequence[Any] | NDArray[Any]
"""What was fixated, one after the other: letters, or numbers of items, cells or clusters."""


def edit_distance(first: String, second: String) -> int:
    """How many insertions, deletions and substitutions turn one string into the other.

    Source: Levenshtein (Soviet Physics Doklady 10, 1966).
    """
    row = np.arange(len(second) + 1)
    for count, one in enumerate(first, 1):
        differs = np.array([one != other for other in second], np.int64)
        taken = np.minimum(row[1:] + 1, row[:-1] + differs)
        # an insertion may follow another: the least of (value - place) so far, and as many steps on
        places = np.arange(len(second) + 1)
        row = np.minimum.accumulate(np.concatenate([[count], taken]) - places) + places
    return int(row[-1])


def alignment(scores: ArrayLike, gap: float = 0.0) -> float:
    """The best score of a global alignment.

    Args:
        scores: (M, N) of aligning element i of one string with element j of the other.
        gap: Score of an element that is aligned with none.

    Source: Needleman and Wunsch (Journal of Molecular Biology 48, 1970).
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2:
        raise ValueError(f"scores {table.shape}: must be (M, N)")
    places = np.arange(table.shape[1] + 1)
    row = gap * places
    for count, line in enumerate(table, 1):
        best = np.concatenate([[gap * count], np.maximum(row[1:] + gap, row[:-1] + line)])
        row = np.maximum.accumulate(best - gap * places) + gap * places
    return float(row[-1])


def sequence_score(first: String, second: String) -> float:
    """How much of two strings agrees in order, in [0, 1]: aligned with 1 for a match and 0 else, by the longer length.

    Of strings of items it is OAT's (Fang et al., ECCV 2024, arXiv:2407.13335), of strings of clusters of fixations
    COCO-Search18's (Yang et al., "Predicting goal-directed human attention", CVPR 2020), and of strings of the names of
    what was fixated the semantic sequence score (Yang et al., "Target-absent human attention", ECCV 2022).

    Raises:
        ValueError: where both are empty.
    """
    matches = np.array([[one == other for other in second] for one in first], np.float64)
    return alignment(matches.reshape(len(first), len(second))) / _longer(first, second)


class Screen(NamedTuple):
    """What ScanMatch needs to know of the screen.

    Attributes:
        width: In the unit of the fixations.
        height: Likewise.
        columns: Bins across.
        rows: Bins down.
        threshold: Bins: places that are nearer to each other than this count for, others against.
    """

    width: float
    height: float
    columns: int = 12
    rows: int = 8
    threshold: float = 3.5


def scan_match(
    first: ArrayLike,
    second: ArrayLike,
    screen: Screen,
    *,
    durations_ms: tuple[ArrayLike, ArrayLike] | None = None,
    bin_ms: float = 50.0,
) -> float:
    """ScanMatch: fixations fall into bins of the screen, and are aligned by how near the bins are; at most 1.

    Aligning bins at a distance d, in bins, scores ``threshold - d``, a gap 0, and the sum counts by threshold times the
    longer length.

    Args:
        first: (T, 2) from the upper left corner.
        second: (U, 2).
        screen: Its size and bins.
        durations_ms: (T,) and (U,) of the fixations: each counts once for every `bin_ms`, rounded, at least once.
        bin_ms: See there.

    Raises:
        ValueError: for shapes that do not fit, or fixations off the screen.

    Source: Cristino, Mathôt, Theeuwes and Gilchrist (Behavior Research Methods 42, 2010).
    """
    strings = []
    for number, path in enumerate((first, second)):
        points = _path(path)
        bins = np.floor(points / (screen.width, screen.height) * (screen.columns, screen.rows)).astype(np.int64)
        edge = points == (screen.width, screen.height)  # the last pixel's far side belongs to it
        bins = bins - edge
        if not ((bins >= 0) & (bins < (screen.columns, screen.rows))).all():
            raise ValueError(f"fixations off a screen of {screen.width:g} x {screen.height:g}")
        if durations_ms is not None:
            times = np.asarray(durations_ms[number], np.float64)
            if times.shape != (len(points),) or not (times >= 0).all():
                raise ValueError(f"durations of shape {times.shape}: must be ({len(points)},), and at least 0")
            bins = np.repeat(bins, np.maximum(1, np.rint(times / bin_ms)).astype(np.int64), axis=0)
        strings.append(bins)
    far = np.linalg.norm(strings[0][:, None] - strings[1][None], axis=-1)
    return alignment(screen.threshold - far) / (screen.threshold * _longer(*strings))


def time_delay(simulated: ArrayLike, human: ArrayLike, size: float = 1.0) -> float:
    """Similarity of scanpaths by time-delay embedding, in (0, 1].

    For each k, every stretch of k fixations of the simulated path is compared with the nearest one of the human's; the
    mean distance by k is d, and the similarity the mean of exp(-d) over all k that both have.

    Args:
        simulated: (T, 2).
        human: (U, 2).
        size: By which places are divided: the longer side of the picture.

    Raises:
        ValueError: for shapes that do not fit.

    Source: Wang et al., "Simulating human saccadic scanpaths on natural images" (CVPR 2011), as published with NeVA
    (Schwinn et al., 2022, arXiv:2204.09093).
    """
    a, b = _path(simulated) / size, _path(human) / size

    def far(k: int) -> NDArray[np.float64]:
        ours, theirs = (np.lib.stride_tricks.sliding_window_view(path, k, axis=0) for path in (a, b))
        differences = ours[:, None] - theirs[None]  # (T - k + 1, U - k + 1, 2, k)
        return np.asarray(np.sqrt((differences**2).sum((-1, -2))))

    return _over_stretches(far, min(len(a), len(b)))


def sbtde(simulated: String, human: String) -> float:
    """String-based time-delay embedding: `time_delay` of strings, with the edit distance. Source: as there.

    Raises:
        ValueError: where one is empty.
    """

    def far(k: int) -> NDArray[np.float64]:
        ours, theirs = ([string[i : i + k] for i in range(len(string) - k + 1)] for string in (simulated, human))
        return np.array([[edit_distance(one, other) for other in theirs] for one in ours], np.float64)

    return _over_stretches(far, min(len(simulated), len(human)))


class MultiMatch(NamedTuple):
    """Similarities of two scanpaths in [0, 1]."""

    shape: float
    direction: float
    length: float
    position: float
    duration: float


def multimatch(first: ArrayLike, second: ArrayLike, width: float, height: float) -> MultiMatch:
    """MultiMatch, by the package ``multimatch-gaze`` (extra ``gaze``).

    Args:
        first: (T, 3) x, y and duration in s, of three fixations or more.
        second: (U, 3).
        width: Of the screen, in the unit of x and y.
        height: Likewise.

    Raises:
        ImportError: without the package; it says how to install it.
        ValueError: for shapes that do not fit.

    Source: Dewhurst et al. (Behavior Research Methods 44, 2012); Wagner, Halchenko and Hanke (Journal of Open Source
    Software 4, 2019).
    """
    try:
        import multimatch_gaze
    except ImportError:
        raise ImportError("multimatch needs the package multimatch-gaze: pip install 'foveal[gaze]'") from None
    paths = []
    for path in (first, second):
        points = np.asarray(path, np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3 or not np.isfinite(points).all():
            raise ValueError(f"a scanpath of shape {points.shape}: must be (T, 3) with T at least 3, and finite")
        names = {"names": ("start_x", "start_y", "duration"), "formats": ("f8", "f8", "f8")}
        paths.append(np.array([tuple(point) for point in points], dtype=names))  # type: ignore[call-overload]
    found = multimatch_gaze.docomparison(*paths, screensize=[width, height])
    return MultiMatch(*(float(one) for one in found))


def _over_stretches(far: Any, most: int) -> float:
    if not most:
        raise ValueError("a scanpath is empty")
    return float(np.mean([np.exp(-far(k).min(1).mean() / k) for k in range(1, most + 1)]))


def _longer(first: Any, second: Any) -> int:
    if not (longest := max(len(first), len(second))):
        raise ValueError("both scanpaths are empty")
    return longest
