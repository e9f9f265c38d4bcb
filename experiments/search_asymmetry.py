"""Which eyes search as humans do, and what makes them?

After Gupta et al., "Visual Search Asymmetry" (NeurIPS 2021, arXiv:2106.02953): twelve searches in pairs, of which
humans do one of each more easily. Is it their eyes' eccentricity, or what they have seen all their life? Tuning and
test are kept apart: how our networks search was chosen on the first three experiments and is frozen; the others, and
pairs that nobody looked at before, are the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foveal.agents.search_suite import HELD_OUT, SEARCHES, TUNED, searcher_named, times
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.visual_search.paradigms import CONDITIONS
from foveal.experiments.claims import Claim, t_interval
from foveal.experiments.experiment import Experiment
from foveal.experiments.figures import COLOURS, new_figure, plain, seed_dots
from foveal.experiments.grid import Budget, Cell, Results
from foveal.vision.backbones import SEEDS
from foveal.vision.gaze.humans import HUMANS, PAIRS
from foveal.vision.gaze.slopes import asymmetry_index, correlation, slope


@dataclass(frozen=True, kw_only=True)
class Searches(Budget):
    """What is spent on each searcher."""

    displays: int
    """Of every set size of a search [1]."""


PRESETS = {
    "smoke": Searches(seeds=1, core_hours=0.03, displays=1),
    "standard": Searches(seeds=10, core_hours=2.5, displays=3),
}
FIRST_DISPLAY = EVALUATION_SEEDS + 5_000_000

IMAGENET, AVERAGE = "ImageNet", "ImageNet, no eccentricity"
DIETS = {
    "upright": "upright",
    "turned by 90°": "turned",
    "lit from below": "lit_from_below",
    "light from anywhere": "random_light",
    "straight lines": "straight",
    "curved lines": "curved",
    "shuffled names": "shuffled",
}
LIT = ("turned by 90°", "lit from below", "light from anywhere")
"""Diets that differ in nothing but light, and do no other searches."""
VARIANTS: dict[str, dict[str, Any]] = {
    IMAGENET: {"searcher": "imagenet"},
    AVERAGE: {"searcher": "imagenet-average"},
    "ImageNet, eccNET's rule": {"searcher": "imagenet-eccnet"},
    "ImageNet, IVSN": {"searcher": "imagenet-ivsn"},
    **{name: {"searcher": diet} for name, diet in DIETS.items()},
    **{name: {"searcher": DIETS[name], "lighting only": True} for name in LIT},
    "upright, no eccentricity": {"searcher": "upright:average"},
    "untrained": {"searcher": "untrained"},
    "pixels": {"searcher": "pixels"},
    "saliency": {"searcher": "saliency"},
    "random": {"searcher": "random"},
    "random, revisiting": {"searcher": "random-revisiting"},
    "ideal": {"searcher": "ideal"},
}
SETTINGS: dict[str, dict[str, Any]] = {"": {}}
FEWER = {name: SEEDS[diet] for name, diet in DIETS.items() if SEEDS[diet] < PRESETS["standard"].seeds} | {
    name: 5 for name in ("ImageNet, eccNET's rule", "ImageNet, IVSN", "upright, no eccentricity")
}
"""Diets of which there are fewer networks, and rows that no claim compares."""

TITLES = {
    TUNED[0]: "curvature",
    TUNED[1]: "lighting",
    TUNED[2]: "intersection",
    HELD_OUT[0]: "L and T",
    HELD_OUT[1]: "one tilt",
    HELD_OUT[2]: "many tilts",
    HELD_OUT[3]: "O and Q",
    HELD_OUT[4]: "size",
    HELD_OUT[5]: "lit from",
}
_LIGHTING = (*TUNED[1], *HELD_OUT[5])
LIGHT, BELOW = TITLES[TUNED[1]], TITLES[HELD_OUT[5]]
NO_MATTER = 15.0
"""ms per item: a difference of slopes that is less is none; that of humans for lighting is 20."""

CLAIMS = (
    *(
        Claim(
            name=f"{TITLES[pair]}, as humans",
            estimand=f"slope {pair[1]} − {pair[0]} of ImageNet's network [ms/item]",
            variants=(IMAGENET,),
            metric=TITLES[pair],
        )
        for pair in HELD_OUT
    ),
    Claim(
        name="slopes agree with humans'",
        estimand="correlation over the twelve searches of ImageNet's network",
        variants=(IMAGENET,),
        metric="r",
        bound=0.6,
    ),
    Claim(
        name="eccentricity makes them agree",
        estimand="correlation, ImageNet's network with − without eccentricity",
        variants=(IMAGENET, AVERAGE),
        metric="r",
    ),
    Claim(
        name="what was seen makes them agree",
        estimand="correlation, upright diet − untrained",
        variants=("upright", "untrained"),
        metric="r",
    ),
    Claim(
        name="lighting: upright as humans",
        estimand="slope horizontal − vertical, upright diet [ms/item]",
        variants=("upright",),
        metric=LIGHT,
    ),
    Claim(
        name="lighting: turned, the other way round",
        estimand="slope horizontal − vertical, turned diet [ms/item]",
        variants=("turned by 90°",),
        metric=LIGHT,
        direction="below",
    ),
    Claim(
        name="lighting: from below, as from above",
        estimand="slope horizontal − vertical, diet lit from below [ms/item]",
        variants=("lit from below",),
        metric=LIGHT,
    ),
    Claim(
        name="lighting: from anywhere, none",
        estimand="slope horizontal − vertical, light from anywhere [ms/item]",
        variants=("light from anywhere",),
        metric=LIGHT,
        bound=NO_MATTER,
        direction="within",
    ),
    Claim(
        name="lit from: flips with the diet's light",
        estimand="slope (lit from above − from below), upright − lit from below [ms/item]",
        variants=("upright", "lit from below"),
        metric=BELOW,
    ),
    Claim(
        name="lit from: light from anywhere, none",
        estimand="slope lit from above − from below, light from anywhere [ms/item]",
        variants=("light from anywhere",),
        metric=BELOW,
        bound=NO_MATTER,
        direction="within",
    ),
)

COLUMNS = {
    "r": "r over twelve [1]",
    "held-out r": "r of experiments 4–6 [1]",
    "rank": "rank correlation [1]",
    "signs": "held-out signs right [1]",
    **{title: f"{title} [ms/item]" for title in TITLES.values()},
    "2_in_5s": "2 among 5s, slope [ms/item]",
    "index": "mean asymmetry index [1]",
    "found": "found [1]",
}


def run(cell: Cell, budget: Searches) -> dict[str, Any]:
    """Let a searcher search: slopes, mean times by set size, and what they say together."""
    timed = searcher_named(VARIANTS[cell.variant]["searcher"], cell.seed)
    first = FIRST_DISPLAY + 1_000 * cell.seed
    lit = VARIANTS[cell.variant].get("lighting only", False)
    found = {name: times(timed, name, budget.displays, first) for name in SEARCHES if not lit or name in _LIGHTING}
    slopes = {name: slope(one.sizes, one.ms, resamples=1).slope for name, one in found.items()}
    measured: dict[str, Any] = dict(slopes)
    measured |= {f"times {name}": one.means() for name, one in found.items()}
    measured |= {title: slopes[hard] - slopes[easy] for (easy, hard), title in TITLES.items() if hard in slopes}
    measured["found"] = float(np.mean([one.found for one in found.values()]))
    if lit:
        return measured
    humans = [HUMANS[name].slope for name in HUMANS]
    twelve = correlation([slopes[name] for name in HUMANS], humans)
    tested = [name for pair in PAIRS[3:] for name in pair]
    held_out = correlation([slopes[name] for name in tested], [HUMANS[name].slope for name in tested])
    agreed = {"r": twelve.linear, "rank": twelve.rank, "held-out r": held_out.linear}
    return {
        **measured,
        **{name: float(np.nan_to_num(value)) for name, value in agreed.items()},  # slopes that are all alike: 0
        "signs": float(np.mean([slopes[hard] > slopes[easy] for easy, hard in HELD_OUT])),
        "index": float(np.mean([asymmetry_index(slopes[hard], slopes[easy]) for easy, hard in PAIRS])),
    }


def figures(results: Results) -> dict[str, Figure]:
    """Slopes against humans', reaction times beside theirs, and pairs seed by seed."""
    shown = {"r": "r with humans", "signs": "held-out signs", LIGHT: "lighting [ms/item]", BELOW: "lit from [ms/item]"}
    return {"slopes": against_humans(results), "times": reaction_times(results), "seeds": seed_dots(results, shown)}


SHOWN = (IMAGENET, AVERAGE, "ImageNet, eccNET's rule", "upright", "straight lines", "untrained", "pixels", "random")


def against_humans(results: Results) -> Figure:
    """A panel for each of some searchers: its twelve slopes over those of humans, with intervals over seeds."""
    figure = new_figure(11.2, 6.0)
    panels = figure.subplots(2, 4, sharex=True, sharey=True).ravel()
    for axes, row in zip(panels, (row for row in SHOWN if row in results.rows), strict=False):
        for number, pair in enumerate(PAIRS):
            held_out = pair in HELD_OUT
            for name, marker in zip(pair, "ov", strict=True):
                values = results.values(row, name)
                if not len(values):
                    continue
                low, high = t_interval(values)[0](0.95) if len(values) > 1 else (values[0], values[0])
                axes.plot([HUMANS[name].slope] * 2, [low, high], color=COLOURS[number], linewidth=1.2)
                axes.plot(HUMANS[name].slope, values.mean(), marker, color=COLOURS[number] if held_out else "white",
                          markeredgecolor=COLOURS[number], markersize=6.5)  # fmt: skip
        axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.8, zorder=0)
        means = [results.values(row, name).mean() for name in HUMANS if len(results.values(row, name))]
        agreed = correlation(means, [human.slope for human in HUMANS.values()]).linear if len(means) == 12 else np.nan
        axes.set_title(row if np.isnan(agreed) else f"{row}: r = {agreed:.2f}", size=9.5)
        plain(axes)
    panels[0].set_ylim(-40, 260)  # of a searcher at chance slopes are up to 126; an interval of two seeds is wider
    for axes in panels[4:]:
        axes.set_xlabel("humans [ms/item]")
    for axes in panels[::4]:
        axes.set_ylabel("slope [ms/item]")
    handles = [panels[0].plot([], [], "o", color=COLOURS[k])[0] for k in range(len(PAIRS))]
    figure.legend(handles, [TITLES[pair] for pair in PAIRS], frameon=False, loc="outside lower center", ncols=6)
    return figure


def reaction_times(results: Results) -> Figure:
    """Reaction times over set size of humans (dashed) and of ImageNet's network, a panel for each pair."""
    figure = new_figure(11.2, 6.0)
    panels = figure.subplots(2, 3).ravel()
    for axes, pair in zip(panels, PAIRS, strict=True):
        for name, colour in zip(pair, COLOURS, strict=False):
            sizes = np.array(CONDITIONS[name].paradigm.set_sizes)
            human = HUMANS[name]
            axes.plot(sizes, human.intercept + human.slope * sizes, "--", color=colour, linewidth=1.4)
            found = list(results.by_seed(IMAGENET, f"times {name}").values()) if IMAGENET in results.rows else []
            if not found:
                continue
            means = np.stack(found)
            axes.plot(sizes, means.mean(0), "o-", color=colour, linewidth=2, markersize=5, label=name.replace("_", " "))
            if len(means) > 1:
                low, high = np.array([t_interval(values)[0](0.95) for values in means.T]).T
                axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_title(f"{TITLES[pair]}{'' if pair in HELD_OUT else ' (tuned on)'}", size=10)
        axes.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8)
        plain(axes)
    for axes in panels[3:]:
        axes.set_xlabel("items")
    for axes in panels[::3]:
        axes.set_ylabel("reaction time [ms]")
    return figure


PAGE = """# Which eyes search as humans do, and what makes them?

`$command` prints this page, after Gupta et al., *Visual Search Asymmetry* (NeurIPS 2021, arXiv:2106.02953). A
searcher looks about displays with a target, from their middle, never into an empty cell, and never back; it
recognises without fail whether it has found the target. A search takes 376 ms and 252 ms for each saccade, and one
that never ends as many saccades as there are items. Told are the slopes of that time over the number of items, in ms
per item.

Humans' slopes are those that were published with the paper's code (`foveal.vision.gaze.humans`). The same code has
its own model's: r = .40 with the humans' over the twelve searches, a mean asymmetry index of .513, where humans have
.564 and IVSN .316 (`python -m foveal.experiments.published_gaze FOLDER` prints them from a clone).

## Tuning and test

Our networks search by a rule of our own (`foveal.vision.eccnet.centred_search`): features are those of strides 4, 8
and 16; the mean over the picture is taken away from them and from the target's; the target's, at half the resolution,
are correlated with them; the three maps, each from 0 to 1, are added up. It was chosen on curvature, lighting and
intersection alone, with EfficientNet-Lite0, among: features as they are, rectified, centred, divided by their spread,
whitened, or normalised; one, two or three maps; with their greatest values as weights, or alike; sharpened in four
ways, or not. Of these 126 combinations were looked at with eccentricity and 104 without, some of them twice, each by
the rank of the target's cell at the first fixation, in 8 to 14 displays of each set size; of those with all three
signs right the simplest was taken. Of four diets one network each was looked at on the same three experiments. L and
T, both orientations, O and Q, size, and what is lit from below were not looked at until this was committed. Displays
of this page are others.

Small networks have learnt to name single things in generated pictures, and never to search (`foveal.vision.diets`,
`python -m foveal.experiments.diet_networks`). *Upright* has light from above; the others differ in what they are
called by. Of *upright* and of those whose light differs there are ten networks, of the others five, each with
displays of its own; those whose light differs do the searches for lit balls alone. ImageNet's network is one, so its
seeds are displays only.

That Q among O is easier than O among Q is Treisman and Souther's (1985), that large among small is easier, Treisman
and Gormican's (1988); that what is lit from below is easily seen among what is lit from above, Enns and Rensink's
(1990). Of these we have the order only, and of 2 among 5, which is hard, not even that.

## Claims

Fixed before the runs, in `experiments/search_asymmetry.py`, with the rule by which they are decided
(`experiments/claims.py`): intervals at levels by Holm's correction, so that the chance of any wrong verdict on this
page is 5 %.

![The claims, each with its interval and the side on which it would have to lie]($figure_claims)

$claims

## What stands in the way

With what it is told to look for at hand, pixel by pixel, ImageNet's network finds a bar among bars of other tilts at
once, which costs humans up to 71 ms per item; a small thing among large ones likewise, while a large one, which
matches no better than any other, is found last. Without the six conditions that were tuned on, nothing is left of the
agreement (r of experiments 4 to 6). Small networks differ so much from one to the next, with the same diet, that ten
of them show no flip of the lighting pair, though the estimates lie where they should: above 0 for light from above
and from below, below 0 for the turned world, about 0 for light from anywhere.

## Slopes

![Slopes of eight searchers over those of humans]($figure_slopes)

Above each panel, r is that of the slopes that are drawn, of 30 displays of every set size as in the paper; the
table's is the mean over seeds of three displays each. Circles: the search that is easier for humans, triangles: the
harder one; empty ones were tuned on. With 95 % t intervals over seeds.

![Reaction times of humans and of ImageNet's network]($figure_times)

Dashed: humans; solid: EfficientNet-Lite0 with eccentric pooling, with its interval over seeds.

## Rows

Mean over seeds with its 95 % t interval. Pairs are told by how much steeper the search is that is harder for humans.
The asymmetry index saturates: where the easier slope is 0 it is 1, however little the other one is.

$rows

![Every seed as a dot; mean and 95 % interval]($figure_seeds)

## Cost

$cost
"""

EXPERIMENT = Experiment(
    name="search_asymmetry",
    variants=VARIANTS,
    settings=SETTINGS,
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    columns=COLUMNS,
    figures=figures,
    page=PAGE,
    fewer=FEWER,
)
