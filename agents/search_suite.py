"""The suite ``search``: does whoever has eyes search as humans do?

Twelve searches of which human slopes are known, and three pairs of which it is known which search is the easier one,
are done at every set size of theirs. Told are the slopes of reaction time over set size, in how many pairs that were
held out the harder search is the harder one here, and how well slopes agree with humans'. The rule that our own
networks search by was chosen on the pairs of `TUNED` alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.agents import searchers
from foveal.agents.evaluation import Policy, first_episodes, provenance
from foveal.agents.rollouts import make_world
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.params import did_you_mean
from foveal.envs.visual_search.paradigms import CONDITIONS
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.vision.backbones import ImageNet, small, vgg16
from foveal.vision.diets import DIETS
from foveal.vision.eccnet import EccNet, centred_search
from foveal.vision.gaze.humans import HUMANS, PAIRS
from foveal.vision.gaze.slopes import Correlation, correlation, reaction_ms, slope_samples

Floats = NDArray[np.float64]
WORLD = "foveal/VisualSearch-v0"

TUNED = PAIRS[:3]
"""Curvature, lighting, intersection: the easier search first."""
HELD_OUT = (
    *PAIRS[3:],
    ("q_in_os", "o_in_qs"),
    ("large_in_small", "small_in_large"),
    ("bottom_lit_in_top_lit", "lighting_vertical"),
)
"""L and T, both orientations, and of our own displays Q and O (Treisman and Souther, 1985), size (Treisman and
Gormican, 1988) and what is lit from below or above (Enns and Rensink, 1990)."""
SEARCHES = (*dict.fromkeys(name for pair in (*PAIRS, *HELD_OUT) for name in pair), "2_in_5s", "5_in_2s")
"""All that are done. Of 2 and 5 neither is known as the easier one."""

Timed = Callable[[str, int, Sequence[int]], Floats]
"""Condition, set size and seeds (N,) of displays with a target -> reaction times (N,) in ms; NaN: not found."""


class Times(NamedTuple):
    """A search at all of its set sizes.

    Attributes:
        sizes: (T,) items of each display.
        ms: (T,) reaction time; where the target was not found, that of as many saccades as items.
        found: Share of displays.
    """

    sizes: NDArray[np.int64]
    ms: Floats
    found: float

    def means(self) -> list[float]:
        """Mean reaction time at each set size, the smallest first, ms."""
        return [float(self.ms[self.sizes == size].mean()) for size in np.unique(self.sizes)]


class Score(NamedTuple):
    """How an agent searches.

    Attributes:
        agent: Its name.
        slopes: Condition -> (R,) slopes, ms per item: the first of all displays, the others of displays drawn from
            them anew.
        found: Condition -> share of its displays in which the target was found.
        left_out: Conditions that the agent does not fit.
    """

    agent: str
    slopes: dict[str, Floats]
    found: dict[str, float]
    left_out: tuple[str, ...] = ()

    def difference(self, pair: tuple[str, str]) -> tuple[float, float, float] | None:
        """How much steeper a pair's harder search is, ms per item, with the 95 % interval over displays."""
        if not set(pair) <= self.slopes.keys():
            return None
        apart = self.slopes[pair[1]] - self.slopes[pair[0]]
        low, high = np.percentile(apart[1:], [2.5, 97.5])
        return float(apart[0]), float(low), float(high)

    def signs(self, pairs: Sequence[tuple[str, str]] = HELD_OUT) -> tuple[int, int]:
        """In how many pairs the harder search is the harder one, and in how many surely: its interval excludes 0."""
        told = [found for pair in pairs if (found := self.difference(pair)) is not None]
        return sum(value > 0 for value, *_ in told), sum(low > 0 for _, low, _ in told)

    def likeness(self, pairs: Sequence[tuple[str, str]] = PAIRS) -> Correlation | None:
        """Correlation of slopes with those of humans; None with fewer than three, or where they are all alike."""
        names = [name for pair in pairs for name in pair if name in HUMANS and name in self.slopes]
        if len(names) < 3:
            return None
        found = correlation([self.slopes[name][0] for name in names], [HUMANS[name].slope for name in names])
        return found if np.isfinite(found.linear) else None


def times(timed: Timed, condition: str, displays: int, seed: int = EVALUATION_SEEDS) -> Times:
    """Search so many displays of every set size of a condition."""
    sizes, ms, found = [], [], []
    for size in CONDITIONS[condition].paradigm.set_sizes:
        one = timed(condition, size, range(seed, seed + displays))
        found.append(np.isfinite(one))
        ms.append(np.where(found[-1], one, reaction_ms(size)))
        sizes.append(np.full(displays, size))
    return Times(np.concatenate(sizes), np.concatenate(ms), float(np.mean(found)))


def score(
    name: str,
    timed: Timed,
    *,
    displays: int = 20,
    seed: int = EVALUATION_SEEDS,
    conditions: Sequence[str] = SEARCHES,
    told: Callable[[str], None] = lambda _: None,
) -> Score:
    """Let an agent search.

    Args:
        name: Of it.
        timed: What it does.
        displays: Of every set size.
        seed: Of the first display.
        conditions: Searches to do.
        told: Is told what begins.

    Raises:
        ValueError: for fewer than two displays, or an agent that fits no condition.
    """
    if displays < 2:
        raise ValueError(f"displays={displays}: an interval needs at least 2")
    slopes, found, left, why = dict[str, Floats](), dict[str, float](), list[str](), ""
    for condition in conditions:
        told(f"{name}: {condition}")
        try:
            one = times(timed, condition, displays, seed)
        except MisfitError as error:
            left.append(condition)
            why = str(error)
            continue
        slopes[condition], found[condition] = slope_samples(one.sizes, one.ms), one.found
    if not slopes:
        raise ValueError(f"{name} fits none of the searches: {why}")
    return Score(name, slopes, found, tuple(left))


class MisfitError(ValueError):
    """An agent cannot see or act in a display."""


def by_searcher(searcher: searchers.Searcher, *, revisits: bool = False) -> Timed:
    """Times of a searcher; see `foveal.agents.searchers`."""

    def timed(condition: str, size: int, seeds: Sequence[int]) -> Floats:
        stimuli = Stimuli(condition, set_sizes=[size])
        most = 4 * size if revisits else 0
        found = searchers.search(searcher, stimuli, stimuli.make(seeds), most=most, revisits=revisits).saccades
        return np.where(found < 0, np.nan, reaction_ms(found))

    return timed


def by_agent(agent: Policy, params: Mapping[str, Any]) -> Timed:
    """Times of whoever acts in ``foveal/VisualSearch-v0``; a wrong answer counts as not found.

    Args:
        agent: It.
        params: Of the world that it knows; the condition, the set size, and that there is a target, are ours.
    """

    def timed(condition: str, size: int, seeds: Sequence[int]) -> Floats:
        ours = {"condition": condition, "set_size": size, "present": 1.0, "grid": 0, "cell_deg": 0.0}
        world = make_world(WORLD, len(seeds), {**params, **ours})
        try:
            if hasattr(agent, "check_fit"):
                agent.check_fit(world.single_observation_space, world.single_action_space)
        except ValueError as error:
            raise MisfitError(str(error)) from None
        told = first_episodes(world, agent, seeds)
        return np.where(told["success"] > 0, 1000 * told["reaction_time"], np.nan)

    return timed


def ideal(condition: str, size: int, seeds: Sequence[int]) -> Floats:
    """Times of the ideal searcher, which is told where items are and never mistakes one for another for long."""
    found = searchers.ideal_search(Stimuli(condition, set_sizes=[size]).make(seeds), seed=int(seeds[0]))
    return np.where(found < 0, np.nan, reaction_ms(found))


def searcher_named(name: str, seed: int = 0) -> Timed:
    """A searcher by name.

    Args:
        name: One of `NAMES`, or ``vgg16:`` and a file of weights.
        seed: Of what is drawn at random, and which of the networks of a diet.

    Raises:
        ValueError: for an unknown name, or weights that are not there.
    """
    known: dict[str, Callable[[], Timed]] = {
        "imagenet": lambda: by_searcher(searchers.by_network(centred_search(ImageNet()))),
        "imagenet-average": lambda: by_searcher(searchers.by_network(centred_search(ImageNet(eccentric=False)))),
        "imagenet-eccnet": lambda: by_searcher(searchers.by_network(EccNet(ImageNet()).eval())),
        "imagenet-ivsn": lambda: by_searcher(searchers.by_network(EccNet(ImageNet(eccentric=False), last=1).eval())),
        "pixels": lambda: by_searcher(searchers.by_pixels),
        "saliency": lambda: by_searcher(searchers.by_saliency),
        "random": lambda: by_searcher(searchers.at_random(seed)),
        "random-revisiting": lambda: by_searcher(searchers.at_random(seed), revisits=True),
        "ideal": lambda: ideal,
    }
    if name in known:
        return known[name]()
    kind, _, rest = name.partition(":")
    if kind == "vgg16" and rest:
        return by_searcher(searchers.by_network(EccNet(vgg16(Path(rest))).eval()))
    if (kind in DIETS or kind == "untrained") and name in (kind, f"{kind}:average"):
        blocks = small(kind, seed, "average" if rest else "eccentric")
        return by_searcher(searchers.by_network(centred_search(blocks)))
    raise ValueError(f"unknown searcher {name!r}{did_you_mean(name, list(NAMES))}")


NAMES = (
    *("imagenet", "imagenet-average", "imagenet-eccnet", "imagenet-ivsn", *DIETS, "untrained", "upright:average"),
    *("pixels", "saliency", "random", "random-revisiting", "ideal"),
)
"""Of searchers: EfficientNet-Lite0 with ImageNet's weights by our rule, the same without eccentricity, by eccNET's
rule, and by IVSN's; small networks of each diet by our rule; and those that have no network."""


def save(path: Path, scores: Sequence[Score]) -> Path:
    """Write scores and what they were made with as JSON."""
    told = [
        {
            "agent": one.agent,
            "slopes": {name: float(values[0]) for name, values in one.slopes.items()},
            "differences": {f"{hard} - {easy}": one.difference((easy, hard)) for easy, hard in (*TUNED, *HELD_OUT)},
            "found": one.found,
            "left_out": one.left_out,
            "likeness": one.likeness(),
            "held_out_likeness": one.likeness(HELD_OUT),
            "held_out_signs": one.signs(),
        }
        for one in scores
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"suite": "search", "scores": told, **provenance()}, indent=2) + "\n")
    return path
