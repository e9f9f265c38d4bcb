"""Linear probes: what can be read off features by weighted sums, on houses that the read-out never saw.

As Eftekhar et al. (ICLR 2024, arXiv:2311.04193, section 5) probe a policy before and behind its filter: which types of
things are in view, whether the goal is, and how far it is. Read-outs are ridge regressions in closed form. Those of yes
and no are judged by the area under the ROC curve, which needs no threshold: 0.5 is chance, 1 is perfect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from foveal.agents.explorers import SEEN_SHARE
from foveal.envs.objectnav.types import OBJECTS, TYPES, type_id

Floats = NDArray[np.floating[Any]]
PENALTIES = 10.0 ** np.arange(-4, 2)
"""Of the squared weights of standardised features, per frame; the best on a third of the training houses is taken."""
LEAST_FRAMES = 10
"""A type counts that is in view in so many frames, and out of view in as many, of training and of held-out houses."""
RESAMPLES = 200
_OBJECT_IDS = np.array([type_id(name) for name in OBJECTS])


class Labels(NamedTuple):
    """What is true of N frames.

    Attributes:
        present: (N, T) bool, whether each of AI2-THOR's types (`OBJECTS`) fills 0.2 % of the image or more.
        goal_visible: (N,) bool, the same of the goal.
        goal_distance: (N,) float m, geodesic to where the goal is found.
        goal: (N,) int, its number among the world's categories.
        house: (N,) int; houses are drawn anew as a whole for the intervals.
    """

    present: NDArray[np.bool_]
    goal_visible: NDArray[np.bool_]
    goal_distance: Floats
    goal: NDArray[np.int64]
    house: NDArray[np.int64]


class Score(NamedTuple):
    """A score, with the 95 % interval of drawing other held-out houses (percentile bootstrap)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Scores(NamedTuple):
    """How well linear read-outs do on held-out houses.

    Attributes:
        presence: Area under the curve, mean over the types that count.
        goal_visible: Area under the curve.
        goal_distance: Explained share of the variance over all frames, 1 at best; below 0: worse than the mean.
        by_type: Area under the curve of each type that counts.
    """

    presence: Score
    goal_visible: Score
    goal_distance: Score
    by_type: dict[str, float]


def shares(semantic: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The share (N, len(TYPES)) of images (N, H, W) that each type fills."""
    frames, pixels = len(semantic), semantic[0].size
    numbers = np.arange(frames)[:, None] * len(TYPES) + semantic.reshape(frames, pixels)
    counts = np.bincount(numbers.ravel(), minlength=frames * len(TYPES)).reshape(frames, len(TYPES))
    return (counts / pixels).astype(np.float32)


def label(env: Any, observations: dict[str, NDArray[Any]], infos: dict[str, Any]) -> Labels:
    """What is true of the N rows of an ObjectNav that observes `semantic`."""
    seen = shares(observations["semantic"]) >= SEEN_SHARE
    goal = np.asarray(observations["goal"], np.int64)
    categories = np.array([type_id(name) for name in env.unwrapped.params.categories])
    visible = seen[np.arange(len(goal)), categories[goal]]
    house = np.asarray(infos["house"], np.int64)
    return Labels(seen[:, _OBJECT_IDS], visible, np.array(infos["distance_to_goal"]), goal, house.copy())


def summary(maps: Floats) -> Floats:
    """Features (N, 2 C) of maps (N, C, H, W): each channel's mean and greatest value."""
    return np.concatenate([maps.mean((2, 3)), maps.max((2, 3))], 1)


def probe(
    train: Floats, train_labels: Labels, test: Floats, test_labels: Labels, *, per_goal: bool = False, seed: int = 0
) -> Scores:
    """Fit read-outs on frames of some houses and judge them on frames of others.

    Args:
        train: (N, F) features.
        train_labels: Of the same frames.
        test: (M, F) features of held-out houses.
        test_labels: Of the same frames.
        per_goal: Goal read-outs have weights for each goal, for features that do not know the goal.
        seed: Of the houses drawn for the intervals.

    Raises:
        ValueError: for features and labels that do not fit each other, a house in both, or no type that counts.
    """
    _check(train, train_labels, test, test_labels)
    counts = _counts(train_labels.present) & _counts(test_labels.present)
    if not counts.any():
        raise ValueError(f"no type is in view in {LEAST_FRAMES} frames of both train and test")
    groups = [(train_labels.goal == goal, test_labels.goal == goal) for goal in np.unique(test_labels.goal)]
    whole = [(np.ones(len(train), bool), np.ones(len(test), bool))]

    def read(targets: NDArray[Any], groups: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> Floats:
        told = np.zeros((len(test), targets.shape[1]))
        for here, there in groups:
            told[there] = _ridge(train[here], targets[here], train_labels.house[here], test[there])
        return told

    presence = read(train_labels.present[:, counts], whole)
    goals = groups if per_goal else whole
    visible = read(train_labels.goal_visible[:, None], goals)[:, 0]
    distance = read(train_labels.goal_distance[:, None], goals)[:, 0]
    distance = distance.clip(0, train_labels.goal_distance.max())  # a house of another kind must not throw it off
    weights = _weights(test_labels.house, seed)
    areas = np.stack(
        [auc(told, truth, weights) for told, truth in zip(presence.T, test_labels.present[:, counts].T, strict=True)]
    )
    names = [OBJECTS[number] for number in np.flatnonzero(counts)]
    return Scores(
        presence=_score(np.nanmean(areas, 0)),  # a type may be in none of the houses drawn
        goal_visible=_score(auc(visible, test_labels.goal_visible, weights)),
        goal_distance=_score(explained(distance, test_labels.goal_distance, weights)),
        by_type=dict(zip(names, areas[:, 0].tolist(), strict=True)),
    )


def auc(told: Floats, truth: NDArray[np.bool_], weights: Floats) -> Floats:
    """Areas under the ROC curve: how often a frame where it is true gets more than one where not; ties count half.

    Args:
        told: (N,) higher where true.
        truth: (N,).
        weights: (R, N) of the frames.

    Returns:
        (R,); NaN where all frames are alike.
    """
    order = np.argsort(told, kind="stable")
    runs = np.flatnonzero(np.r_[True, np.diff(told[order]) > 0])  # each begins where a higher value does
    weights, truth = weights[:, order], truth[order]
    yes, no = (np.add.reduceat(weights * kind, runs, axis=1) for kind in (truth, ~truth))
    below = np.cumsum(no, 1) - no
    pairs = yes.sum(1) * no.sum(1)
    return np.divide((yes * (below + no / 2)).sum(1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def explained(told: Floats, truth: Floats, weights: Floats) -> Floats:
    """Explained shares (R,) of the variance of `truth` (N,) under weights (R, N)."""
    total = weights.sum(1)
    mean = weights @ truth / total
    variance = weights @ truth**2 / total - mean**2
    missed: Floats = weights @ (told - truth) ** 2 / total
    return 1 - missed / np.maximum(variance, 1e-12)


def _ridge(features: Floats, targets: NDArray[Any], houses: NDArray[np.int64], test: Floats) -> Floats:
    """What ridge regression tells (M, T) of test features (M, F), after learning from (N, F), (N, T) and (N,)."""
    if not len(features):
        return np.zeros((len(test), targets.shape[1]))
    aside = np.searchsorted(np.unique(houses), houses) % 3 == 0
    best = PENALTIES[-1]  # where there is but a house or two, nothing tells how much to trust it
    if aside.any() and not aside.all():
        told = _solve(features[~aside], targets[~aside], features[aside], PENALTIES)
        best = PENALTIES[np.argmin(((told - targets[aside]) ** 2).mean((1, 2)))]
    return _solve(features, targets, test, [best])[0]


def _solve(features: Floats, targets: NDArray[Any], test: Floats, penalties: Any) -> Floats:
    """Predictions (P, M, T) for each penalty; the mean is not penalised."""
    mean, middle = features.mean(0, dtype=np.float64), targets.mean(0, dtype=np.float64)
    scale = features.std(0, dtype=np.float64)
    scale[scale < 1e-6] = np.inf  # a feature that never changes tells nothing
    inputs, wanted = (features - mean) / scale, targets - middle
    gram, moments = inputs.T @ inputs / len(inputs), inputs.T @ wanted / len(inputs)
    seen = (test - mean) / scale
    eye = np.eye(len(gram))
    return np.stack([seen @ cho_solve(cho_factor(gram + penalty * eye), moments) + middle for penalty in penalties])


def _weights(houses: NDArray[np.int64], seed: int) -> Floats:
    """Weights (1 + R, N) of frames: first all alike, then by how often their house was drawn."""
    names, number = np.unique(houses, return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    return np.concatenate([np.ones((1, len(houses))), drawn[:, number]])


def _score(values: Floats) -> Score:
    low, high = np.nanpercentile(values[1:], (2.5, 97.5))
    return Score(float(values[0]), float(low), float(high))


def _counts(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    shown = present.sum(0)
    return (shown >= LEAST_FRAMES) & (len(present) - shown >= LEAST_FRAMES)


def _check(train: Floats, train_labels: Labels, test: Floats, test_labels: Labels) -> None:
    for name, features, labels in (("train", train, train_labels), ("test", test, test_labels)):
        if features.ndim != 2 or any(len(part) != len(features) for part in labels):
            raise ValueError(f"{name}: features must be (N, F) with labels of N frames, got {features.shape}")
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"features: {train.shape[1]} in train, {test.shape[1]} in test")
    both = np.intersect1d(train_labels.house, test_labels.house)
    if both.size:
        raise ValueError(f"house {both[0]} is in train and in test")
