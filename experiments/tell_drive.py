"""Which part of a teacher helps a driving student, and how good must the teacher be?

A study in the style of TeLL-Drive (Xu et al., arXiv:2502.01387), whose body and code were not available, so no
replication of its tables. A student with attention learns to drive by PPO; a teacher's advice is one more token for it
to attend to, and a distribution to imitate in the first half of its training. It is tested without a teacher.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from foveal.agents.config import PPOConfig
from foveal.agents.suites import suite
from foveal.experiments.claims import Claim, t_interval
from foveal.experiments.experiment import Experiment
from foveal.experiments.figures import COLOURS, curves, new_figure, seed_dots
from foveal.experiments.grid import Budget, Cell, Results
from foveal.experiments.students import accuracy, adviser_for, alone, driven, steps_to, taught


@dataclass(frozen=True, kw_only=True)
class Lessons(Budget):
    """What is spent on each student."""

    steps: int
    """Environment steps of a training [1]."""
    episodes: int
    """Held-out episodes of an evaluation [1]."""


PRESETS = {
    "smoke": Lessons(seeds=1, core_hours=0.03, steps=1_024, episodes=4),
    "standard": Lessons(seeds=10, core_hours=8, steps=120_000, episodes=512),
}

LEARNER: dict[str, Any] = {
    "num_envs": 64,
    "rollout_steps": 16,
    "epochs": 4,
    "minibatches": 4,
    "learning_rate": 3e-3,
    "learning_rate_end": 0.0,
    "gamma": 0.95,
    "gae_lambda": 0.9,
    "clip": 0.2,
    "value_clip": 0.2,
    "entropy_coef": 0.01,
    "entropy_coef_end": 0.0,
    "value_coef": 0.5,
    "max_grad_norm": 0.5,
    "shared": True,
    "torch_threads": 1,
}
STUDENT: dict[str, Any] = {
    **LEARNER,
    "network": "tell_drive",
    "network_options": {"width": 64, "heads": 2, "layers": 2, "dropout": 0.3},
}
GUIDED: dict[str, Any] = {
    **STUDENT,
    "imitation_coef": 1.0,
    "imitation_coef_end": 0.01,
    "guidance_decay": "exponential",
    "guidance_part": 0.5,
}
ADAPTIVE = {**GUIDED, "trust_rate": 0.3}
"""Spelled out, so that a change of the learner's defaults does not change the experiment unseen."""


def _guided(adviser: str, learner: dict[str, Any] = ADAPTIVE, **options: Any) -> dict[str, Any]:
    return {"adviser": adviser, "options": options, "learner": learner}


PLANNED = {"share": 0.1}  # of the scenes; its loss counts as much more
_PLANNER = {**ADAPTIVE, "imitation_coef": 10.0, "imitation_coef_end": 0.1}

DOSES: dict[str, dict[str, Any]] = {
    f"planner, {round(100 * share)} % right, else {kind}": _guided(
        "planned", _PLANNER, **PLANNED, accuracy=share, kind=kind
    )
    for kind, shares in {"random": (0.0, 0.25, 0.5, 0.75), "worst": (0.0, 0.5)}.items()
    for share in shares
}
WORST, WORST_FIXED = "planner, 0 % right, else worst", "planner, 0 % right, fixed weight"
MAIN: dict[str, dict[str, Any]] = {
    "mlp": {"learner": {**LEARNER, "network": "mlp", "network_options": {"width": 128, "layers": 2}}},
    "unguided": {"learner": STUDENT},
    "rule": _guided("rule"),
    "planner": _guided("planned", _PLANNER, **PLANNED),
    "uniform": _guided("uniform"),
    "rule's marginal": _guided("marginal", of="rule"),
    "rule, other scenes": _guided("shuffled", of="rule"),
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "rule, token unheard": _guided("rule", {**ADAPTIVE, "network_options": {"dropout": 1.0}}),
    "rule, no dropout": _guided("rule", {**ADAPTIVE, "network_options": {"dropout": 0.0}}),
    "rule, token alone": _guided("rule", {**ADAPTIVE, "imitation_coef": 0.0, "imitation_coef_end": 0.0}),
    "rule, no decay": _guided("rule", {**ADAPTIVE, "imitation_coef_end": 1.0, "guidance_part": 1.0}),
    "rule, fixed weight": _guided("rule", GUIDED),
    "rule, gated": _guided("rule", {**ADAPTIVE, "imitation_gate": True}),
    "rule, llm4teach": _guided("rule", {**STUDENT, "imitation_coef": 10.0, "imitation_coef_end": 0.1}),
    "rule, prior": _guided("rule", {**STUDENT, "prior_coef": 2.0, "guidance_part": 0.5}),
    "rule, shaping": _guided("rule", {**STUDENT, "shaping_coef": 1.0, "guidance_part": 0.5}),
}
DRIVERS = {name: {"driver": name} for name in ("slowest", "idle", "idm-mobil", "gap-acceptance")}
TABLES = Path(__file__).with_name("tell_drive")
"""Where a model's answers lie, a file for each world: ``LeftTurn.json`` and so on."""
_TABLE = str(TABLES / "{world}.json")
MODEL: dict[str, dict[str, Any]] = (
    {
        "model": _guided("table", table=_TABLE),
        "model's marginal": _guided("marginal", table=_TABLE, of="table"),
        "model, other scenes": _guided("shuffled", table=_TABLE, of="table"),
        "model, risk gate": _guided("table", table=_TABLE, schedule={"every": 0, "risk_s": 3.0}),
        "model, random calls": _guided("table", table=_TABLE, schedule={"every": 0, "chance": 0.2}),
    }
    if TABLES.is_dir()
    else {}
)
"""Rows of a language model, from its table of answers; without one they are left out."""
VARIANTS = {
    **MAIN,
    **MODEL,
    WORST_FIXED: _guided("planned", {**_PLANNER, "trust_rate": 0.0}, **PLANNED, accuracy=0.0, kind="worst"),
    **DOSES,
    **ABLATIONS,
    **DRIVERS,
}

MIDDLE = {"left turn": "left turn, 20 cars/min", "merge": "merge, 8 cars", "highway": "highway, density 1.5"}
SETTINGS: dict[str, dict[str, Any]] = {
    "left turn": {"setting": MIDDLE["left turn"], "threshold": 0.75},
    "merge": {"setting": MIDDLE["merge"], "threshold": 0.75},
    "highway": {"setting": MIDDLE["highway"], "threshold": 0.5},
    **{
        setting.name: {"setting": setting.name, "threshold": 0.5}
        for setting in suite("tell-drive")
        if setting.name not in MIDDLE.values()
    },
}
"""The densities of the suite ``tell-drive``, the middle ones first, and the success that counts as having learned."""

_EVERYWHERE = ("unguided", "rule", "model")
_FITTING = {"idm-mobil": ("merge", "highway"), "gap-acceptance": ("left turn", "merge")}


def _seeds(variant: str, setting: str) -> int:
    """How many seeds a row gets."""
    if variant in DRIVERS:
        return int(setting in _FITTING.get(variant, MIDDLE))
    if setting not in MIDDLE:
        return 5 if variant in _EVERYWHERE else 0
    if variant in MAIN or variant in MODEL:
        return 10
    if setting != "left turn":
        return 0
    return 10 if variant in (WORST, WORST_FIXED) else 5


FEWER = {Cell(v, s, 0).row: _seeds(v, s) for v in VARIANTS for s in SETTINGS if _seeds(v, s) < 10}


CLAIMS = (
    *(
        Claim(
            name=f"rule halves the steps, {setting}",
            estimand="log2 of the steps to the threshold, rule − unguided",
            variants=(f"rule/{setting}", f"unguided/{setting}"),
            metric="log2 steps",
            bound=-1.0,
            direction="below",
        )
        for setting in MIDDLE
    ),
    Claim(
        name="the state matters",
        estimand="success in training, rule − its actions drawn whatever the scene, left turn",
        variants=("rule/left turn", "rule's marginal/left turn"),
        metric="area",
    ),
    Claim(
        name="a planner helps",
        estimand="success in training, planner − unguided, left turn",
        variants=("planner/left turn", "unguided/left turn"),
        metric="area",
    ),
    Claim(
        name="the worst advice does no harm",
        estimand="success, always the worst advice − unguided, left turn",
        variants=(f"{WORST}/left turn", "unguided/left turn"),
        metric="success",
        bound=0.05,
        direction="within",
    ),
    Claim(
        name="trust is what prevents it",
        estimand="success under the worst advice, weight adaptive − fixed, left turn",
        variants=(f"{WORST}/left turn", f"{WORST_FIXED}/left turn"),
        metric="success",
    ),
    *(
        Claim(
            name=f"the speed is kept, {setting}",
            estimand="speed, rule − unguided [m/s]",
            variants=(f"rule/{setting}", f"unguided/{setting}"),
            metric="speed",
            bound=bound,
        )
        for setting, bound in {"left turn": -0.3, "merge": -1.1, "highway": -1.1}.items()
    ),
    *(
        Claim(
            name=name,
            estimand=f"success in training, {ours} − {theirs}, left turn",
            variants=(f"{ours}/left turn", f"{theirs}/left turn"),
            metric="area",
        )
        for name, ours, theirs in (
            ("the model beats its marginal", "model", "model's marginal"),
            ("calls at risk beat random ones", "model, risk gate", "model, random calls"),
        )
        if MODEL
    ),
)

COLUMNS = {
    "success": "success [1]",
    "speed": "speed [m/s]",
    "collision": "crashes [1]",
    "return": "return",
    "area": "success in training [1]",
    "steps": "steps to the threshold",
    "reached": "reached it [1]",
    "teacher success": "teacher alone, success [1]",
    "teacher speed": "its speed [m/s]",
    "teacher accuracy": "its accuracy [1]",
    "teacher attention": "attention to it [1]",
    "trust": "trust at the end [1]",
}
_TOLD = ("success", "speed", "collision", "return")


def run(cell: Cell, budget: Lessons) -> dict[str, Any]:
    """Teach a student, or take a driver, and test it alone: per-episode lists (E,) by metric, and the curve."""
    variant, told = VARIANTS[cell.variant], SETTINGS[cell.setting]
    setting = next(one for one in suite("tell-drive") if one.name == told["setting"])
    if "driver" in variant:
        found = driven(variant["driver"], setting, budget.episodes)
        level = float(found["success"].mean())
        return {**_none(level), **{name: np.round(found[name], 4) for name in _TOLD}}
    config = PPOConfig(
        env_id=setting.env_id,
        env_params={**setting.params, "risk": "adviser" in variant},
        seed=cell.seed + 1,  # seed 0 is for trying things out
        total_steps=budget.steps,
        tensorboard=False,
        **variant["learner"],
    )
    teacher = None
    if "adviser" in variant:
        options = {**variant["options"], "env_id": setting.env_id, "params": config.env_params}
        teacher = partial(adviser_for, variant["adviser"], options=options)
    student, curve, measured = taught(config, setting, teacher, min(64, budget.episodes))
    found, level = driven(student, setting, budget.episodes), told["threshold"]
    steps = steps_to(curve, level)
    result = {
        **_none(float(np.mean([success for _, success in curve]))),
        **{name: np.round(found[name], 4) for name in _TOLD},
        "steps": steps,
        "log2 steps": float(np.log2(steps)),
        "reached": float(max(success for _, success in curve) >= level),
        "curve steps": [float(steps) for steps, _ in curve],
        "curve success": [success for _, success in curve],
    }
    if teacher is not None:
        whole = partial(adviser_for, variant["adviser"], options={**options, "share": 1.0})
        own = alone(setting, whole, min(budget.episodes, 48))
        attention = [row["teacher_attention"] for row in measured if row["teacher_attention"] is not None]
        result |= {
            "teacher success": float(own["success"].mean()),
            "teacher speed": float(own["speed"].mean()),
            "teacher accuracy": accuracy(setting, whole, student, min(24, budget.episodes)),
            "teacher attention": float(np.mean(attention)) if attention else 0.0,
            "trust": measured[-1]["trust"],
        }
    return result


def _none(area: float) -> dict[str, Any]:
    """What is told of a row without a training or a teacher."""
    nothing = dict.fromkeys(("steps", "log2 steps", "reached", *[name for name in COLUMNS if "teacher" in name]), 0.0)
    return {**nothing, "trust": 0.0, "area": area, "curve steps": [0.0], "curve success": [area]}


def figures(results: Results) -> dict[str, Figure]:
    """Dose and response, the learning curves of the left turn, and the rows seed by seed."""
    labels = {"success": "success", "speed": "speed [m/s]", "area": "success in training"}
    return {
        "dose": _dose(results),
        "curves": curves(
            results,
            "curve steps",
            "curve success",
            xlabel="environment steps",
            ylabel="success without the teacher",
            titles={setting: setting for setting in MIDDLE},
        ),
        "seeds": seed_dots(results, labels),
    }


def _dose(results: Results) -> Figure:
    """The gain in success in training over the unguided student's, by the teacher's accuracy, at the left turn."""
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    base = results.by_seed("unguided/left turn", "area")
    for (row, variant), colour in zip(VARIANTS.items(), COLOURS * len(VARIANTS), strict=False):
        where = f"{row}/left turn"
        if "adviser" not in variant or row in ABLATIONS:
            continue
        seeds = results.by_seed(where, "area")
        gains = np.array([seeds[seed].mean() - base[seed].mean() for seed in seeds.keys() & base.keys()])
        if not len(gains):
            continue
        place = float(results.values(where, "teacher accuracy").mean())
        low, high = t_interval(gains)[0](0.95) if len(gains) >= 5 else (gains.mean(), gains.mean())
        marker = "v" if "worst" in row or "fixed" in row else "o" if row in DOSES else "D"
        axes.plot([place, place], [low, high], color=colour, linewidth=1.5)
        axes.plot(place, gains.mean(), marker, color=colour, markersize=7, label=row)
    axes.axhline(0, color="#888888", linewidth=1)
    axes.set(xlabel="accuracy of the advice", ylabel="gain in success in training", xlim=(-0.02, 1.02))
    axes.set_title("left turn", size=10)
    axes.legend(frameon=False, fontsize=6.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


PAGE = """# Which part of a teacher helps a driving student, and how good must it be?

`$command` prints this page: a study in the style of TeLL-Drive (Xu et al., arXiv:2502.01387). The body and the code of
that paper were not available, so this replicates none of its tables. A student with attention learns by PPO for the
same number of steps in every row; a teacher's advice is one more token to attend to (a share of it unheard, so that
the student can do without) and a distribution to imitate, with a weight that decays, in the first half of the
training. After that the teacher is silent, and all that is told below was measured without it.

Success is that of the suite `tell-drive`: no crash *and* progress (docs/suites.md). Teachers: the *rule* teacher of
`foveal.llm_teacher.heuristics`; a *planner*, which tries every pair of actions on copies of the world and knows the
traffic to come, on a tenth of the scenes; controls that do not look (*uniform*, the *rule's marginal*: its actions,
drawn whatever the scene, and *other scenes*: its advice about another row's). A teacher's accuracy is how often it
advises what the planner holds to be best, or as good.

## Claims

Fixed before the runs, in `experiments/tell_drive.py`, with the rule by which they are decided
(`experiments/claims.py`): intervals at levels by Holm's correction, so that the chance of any wrong verdict on this
page is 5 %. A run that never reaches the threshold counts with all of its steps.

![The claims, each with its interval and the side on which it would have to lie]($figure_claims)

$claims

## How good must the advice be?

![Gain of the student by the accuracy of its teacher]($figure_dose)

The planner's advice at set accuracies: in runs of five decisions it is as it was or changes places with another
action, drawn at random (circles) or the worst (triangles). Diamonds: the other teachers where they stand by themselves.

## Rows

Mean over seeds with its 95 % t interval. Drivers that do not learn have one seed; what does not apply is 0.

$rows

![Every seed as a dot; mean and 95 % interval]($figure_seeds)

![Learning curves: mean over seeds with its 95 % interval]($figure_curves)

## Cost

$cost
"""

EXPERIMENT = Experiment(
    name="tell_drive",
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
