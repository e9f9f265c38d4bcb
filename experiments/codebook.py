"""What does a codebook filter do for early training, and is it the codes, the bottleneck or the regularisation?

The filter of Eftekhar et al., "Selective visual representations improve convergence and generalization for embodied AI"
(ICLR 2024, arXiv:2311.04193), between the features and the memory of an agent that looks for things in houses; beside
it none at all, and controls that take it apart (`foveal.agents.filters`). All else is alike: encoder, fusion, memory,
learner, steps, houses, seeds.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foveal.agents.agent import Agent, load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.metrics import read_metrics
from foveal.agents.training import train
from foveal.experiments.claims import Claim
from foveal.experiments.experiment import Experiment
from foveal.experiments.figures import curves, seed_dots
from foveal.experiments.grid import Budget, Cell, Results
from foveal.experiments.navigators import WORLD, read, test, tune

POINTS = 20  # of a learning curve


@dataclass(frozen=True, kw_only=True)
class Searches(Budget):
    """What is spent on each agent."""

    steps: int
    """Environment steps of a training [1]."""
    tune_steps: int
    """Environment steps in which only what is before the filter is trained on [1]."""
    episodes: int
    """Held-out episodes of the evaluation; of what is new besides, half as many [1]."""
    duration: int
    """Their time limit [actions]."""
    frames: int
    """Probed frames of each row of a world, half of the houses held out [1]."""
    houses: int
    """Houses to train in at most [1]."""
    rows: int
    """Rows stepped at once in training [1]."""


PRESETS = {
    "smoke": Searches(
        seeds=1, core_hours=0.02, steps=256, tune_steps=256, episodes=4, duration=8, frames=8, houses=1, rows=8
    ),
    "standard": Searches(
        seeds=10,
        core_hours=4,
        steps=61_440,
        tune_steps=20_480,
        episodes=192,
        duration=120,
        frames=24,
        houses=80,
        rows=128,
    ),
}

VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"filter": "none"},
    "codebook": {"filter": "codebook"},
    "twin": {"filter": "twin"},
    "codebook without dropout": {"filter": "codebook", "filter_options": {"dropout": 0.0}},
    "dropout": {"filter": "dropout"},
    "layer norm": {"filter": "layer_norm"},
    "neck": {"filter": "neck"},
    "wide": {"filter": "wide"},
    "attention": {"filter": "attention"},
    "vq": {"filter": "vq"},
}
"""What is compared; see `foveal.agents.filters` for what each tells."""

SIX = ("Bed", "Chair", "HousePlant", "Sofa", "Television", "Toilet")
"""The goals: those of the Habitat challenge of 2022, in AI2-THOR's words."""
_ROOMS = {"scenes": "ithor", "houses": 80, "categories": SIX}
_HOUSES = {"scenes": "procedural", "houses": 24, "rooms": 3, "start_distances": (4.0, 1000.0), "categories": SIX}
SETTINGS: dict[str, dict[str, Any]] = {
    "rooms": {"world": _ROOMS, "encoder": "rooms"},
    "rooms, imagenet": {"world": _ROOMS, "encoder": "imagenet"},
    "rooms, types": {"world": _ROOMS, "encoder": "types"},
    "houses": {"world": _HOUSES, "encoder": "rooms"},
}
"""Where: AI2-THOR's single rooms by three encoders, and procedural houses of three rooms, the goal 4 m away or more."""

MAIN = ("none", "codebook", "twin")
"""What the claims are about: ten seeds and the tests of transfer, in the first setting."""


def _seeds(variant: str, setting: str) -> int:
    """How many seeds a row gets."""
    if setting == "rooms":
        return 10 if variant in MAIN else 5
    if variant not in ("none", "codebook"):
        return 0
    return 2 if setting == "houses" else 10


FEWER = {Cell(v, s, 0).row: _seeds(v, s) for v in VARIANTS for s in SETTINGS if _seeds(v, s) < 10}

LEARNER: dict[str, Any] = {
    "rollout_steps": 16,
    "epochs": 3,
    "minibatches": 32,
    "learning_rate": 1e-3,
    "learning_rate_end": 1e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip": 0.2,
    "value_clip": 0.2,
    "entropy_coef": 0.01,
    "entropy_coef_end": 0.005,
    "value_coef": 0.5,
    "imitation_coef": 1.0,
    "imitation_coef_end": 0.1,
    "guided_share": 0.6,
    "guided_share_end": 0.0,
    "max_grad_norm": 0.5,
    "memory": "gru",
    "memory_options": {"width": 128},
    "torch_threads": 1,
}
"""Spelled out, so that a change of the learner's defaults does not change the experiment unseen."""

OTHERS: dict[str, dict[str, Any]] = {
    "layout": {"scenes": "robothor", "split": "val", "rooms": 0, "start_distances": (0.0, 1000.0)},
    "palette": {"palette": "held_out"},
    "camera": {"camera_height": 1.2, "vertical_fov": 0.8},
}
"""What is new in the tests of transfer, beside houses that were not trained in."""

CLAIMS = (
    Claim(
        name="codebook over none",
        estimand="success in unseen rooms, codebook − none",
        variants=("codebook/rooms", "none/rooms"),
        metric="success",
        rule="two-way",
    ),
    Claim(
        name="codebook over its twin",
        estimand="success in unseen rooms, codebook − twin",
        variants=("codebook/rooms", "twin/rooms"),
        metric="success",
        rule="two-way",
    ),
    Claim(
        name="gain larger when generic",
        estimand="(codebook − none) with ImageNet's features − with task-relevant ones",
        variants=("codebook/rooms, imagenet", "none/rooms, imagenet", "codebook/rooms, types", "none/rooms, types"),
        metric="success",
        rule="two-way",
    ),
    Claim(
        name="shorter episodes",
        estimand="actions in an episode, codebook − none",
        variants=("codebook/rooms", "none/rooms"),
        metric="length",
        direction="below",
        rule="two-way",
    ),
    Claim(
        name="smoother paths",
        estimand="curvature [1/m], codebook − none",
        variants=("codebook/rooms", "none/rooms"),
        metric="curvature",
        direction="below",
        rule="two-way",
    ),
    Claim(
        name="presence is lost",
        estimand="area under the curve of types in view, behind - before the filter",
        variants=("codebook/rooms",),
        metric="presence, behind - before",
        direction="below",
    ),
    Claim(
        name="the goal is kept",
        estimand="area under the curve of the goal in view, behind - before",
        variants=("codebook/rooms",),
        metric="goal in view, behind - before",
    ),
    Claim(
        name="its distance is kept",
        estimand="explained variance of the distance to the goal, behind - before",
        variants=("codebook/rooms",),
        metric="distance, behind - before",
    ),
    Claim(
        name="eyes alone adapt better",
        estimand="success in RoboTHOR after tuning what is before the filter, codebook − none",
        variants=("codebook/rooms", "none/rooms"),
        metric="success, layout, tuned",
        rule="two-way",
    ),
)

COLUMNS = {
    "success": "success [1]",
    "spl": "SPL [1]",
    "sel": "SEL [1]",
    "length": "actions",
    "curvature": "curvature [1/m]",
    "collisions": "collisions",
    "success, near": "success, goal to 3 m [1]",
    "success, far": "success, farther [1]",
    "success, layout": "success, RoboTHOR [1]",
    "success, layout, tuned": "the same, tuned [1]",
    "success, palette": "success, new palette [1]",
    "success, camera": "success, other camera [1]",
    "effective codes": "effective codes",
}
_TOLD = ("success", "spl", "sel", "length", "curvature", "collisions")


def run(cell: Cell, budget: Searches) -> dict[str, Any]:
    """Train an agent, test it in unseen houses and on what else is new, and read its features."""
    setting = SETTINGS[cell.setting]
    home = {**setting["world"], "houses": min(budget.houses, setting["world"]["houses"])}
    config = PPOConfig(
        env_id=WORLD,
        env_params={**home, "guide": True, "failure_reward": -2.0},
        seed=cell.seed + 1,  # the learner was tried out on seed 0
        num_envs=budget.rows,
        total_steps=budget.steps,
        network="goal_vision",
        network_options={"encoder": setting["encoder"]},
        tensorboard=False,
        **LEARNER,
        **VARIANTS[cell.variant],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = train(config, Path(folder) / "run", progress=False)
        agent, rows = load_agent(path, greedy=False, seed=cell.seed), read_metrics(path / "metrics.csv")
    unseen = {**home, "split": "test", "duration": budget.duration}
    told = test(agent, budget.episodes, {**unseen, "expert": True})
    measured: dict[str, Any] = {name: np.round(told[name], 4) for name in _TOLD}
    far = told["distance_bin"] >= 2
    for name, which in (("near", ~far), ("far", far)):
        measured[f"success, {name}"] = told["success"][which].mean() if which.any() else 0.0
    if cell.setting == "rooms" and cell.variant in MAIN:
        measured |= transfer(agent, config, budget, unseen)
    return {**measured, **read(agent, home, budget.frames), **curve(rows)}


def transfer(agent: Agent, config: PPOConfig, budget: Searches, unseen: dict[str, Any]) -> dict[str, Any]:
    """Success in what is new, by name, and in another layout after tuning what is before the filter there."""
    episodes = budget.episodes // 2
    measured = {f"success, {name}": test(agent, episodes, {**unseen, **OTHERS[name]})["success"] for name in OTHERS}
    layout = OTHERS["layout"]
    there = {**config.env_params, **layout, "split": "train"}
    tuned = tune(agent, replace(config, env_params=there, total_steps=budget.tune_steps, learning_rate=3e-4))
    return {**measured, "success, layout, tuned": test(tuned, episodes, {**unseen, **layout})["success"]}


def curve(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Success of the episodes that ended in training, in `POINTS` parts; 0 where none ended."""
    parts = np.array_split(np.arange(len(rows)), min(POINTS, len(rows)))
    told = [[float(rows[place]["success_share"] or 0) for place in part] for part in parts]
    return {
        "curve steps": [float(rows[part[-1]]["step"]) for part in parts],
        "curve success": np.round([np.mean(one) for one in told], 4),
    }


def figures(results: Results) -> dict[str, Figure]:
    """The learning curves, and the rows seed by seed."""
    labels = {"success": "success", "spl": "SPL", "length": "actions", "curvature": "curvature [1/m]"}
    return {
        "curves": curves(
            results,
            "curve steps",
            "curve success",
            xlabel="environment steps",
            ylabel="success in training",
            titles={setting: setting for setting in SETTINGS},
        ),
        "seeds": seed_dots(results, labels),
    }


PAGE = """# What does a codebook filter do for early training?

`$command` prints this page. The agent of *Selective visual representations* (Eftekhar et al., ICLR 2024,
arXiv:2311.04193) looks for things in rooms that it has not seen: a frozen encoder, fusion with the goal, a filter,
a GRU. Everything but the filter is the same in all rows. Where the paper trained for 500 million steps by
reinforcement alone, a cell here has 61 thousand, and imitates a guide that knows the way beside PPO: with a weight
that falls from 1 to 0.1, and with a share of the rows that the guide itself walks, from 0.6 to none. The claims are
about such early training and nothing else.

Settings: AI2-THOR's single rooms, trained in 80 and tested in 20 others, with an encoder trained on our frames without
labels (*rooms*), with ImageNet's EfficientNet-Lite0 (*imagenet*), and with one trained to name what is seen (*types*);
and procedural houses of three rooms with the goal 4 m away or more (*houses*), where nothing is learnt in so few steps:
two seeds show that. Goals are the six of the Habitat challenge of 2022; an episode has 120 actions. Actions are drawn
from the policy, as in training.

## Claims

Fixed before the runs, in `experiments/codebook.py`, with the rule by which they are decided
(`experiments/claims.py`): intervals at levels by Holm's correction, so that the chance of any wrong verdict on this
page is 5 %.

![The claims, each with its interval and the side on which it would have to lie]($figure_claims)

$claims

## Rows

Mean over seeds with its 95 % t interval, on the same held-out episodes for all. What each control takes away is said in
`agents/filters.py`. *Tuned* is after 20 thousand more steps in RoboTHOR's training rooms of what is before the
filter. Empty: not measured.

$rows

![Every seed as a dot; mean and 95 % interval]($figure_seeds)

![Learning curves: mean over seeds with its 95 % interval]($figure_curves)

## What was tuned

The learner's settings were tried out without a filter, on training seed 0, which is not used here; what helped most
were more and smaller minibatches. With the codebook there was one trial, on that seed too, in which it did better than
none: that was known when the runs began. The claims are the paper's, and older.

## Cost

$cost
"""

EXPERIMENT = Experiment(
    name="codebook",
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
