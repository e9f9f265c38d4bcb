"""Lessons: who is taught by whom and how, in which traffic, and on how many seeds: the rows of `tell_drive`."""

from __future__ import annotations

from typing import Any

from foveal.agents import suites
from foveal.agents.suites import suite
from foveal.experiments.ego_attention import LEARNER
from foveal.experiments.grid import Cell
from foveal.experiments.students import table_path

_SIZES = {"width": 64, "heads": 2, "layers": 2}
STUDENT: dict[str, Any] = {
    **LEARNER,
    "network": "tell_drive",
    "network_options": {**_SIZES, "dropout": 0.5},
}
GUIDED: dict[str, Any] = {
    **STUDENT,
    "imitation_coef": 10.0,
    "imitation_coef_end": 1.0,
    "guidance_decay": "exponential",
}
ADAPTIVE = {**GUIDED, "trust_rate": 1.0}
"""Spelled out, so that a change of the learner's defaults does not change the experiment unseen."""
SB3: dict[str, dict[str, Any]] = {
    "PPO": {
        "n_steps": 16,
        "batch_size": 256,
        "n_epochs": 4,
        "learning_rate": 3e-3,
        "gamma": 0.95,
        "gae_lambda": 0.9,
        "clip_range": 0.2,
        "clip_range_vf": 0.2,
        "ent_coef": 0.01,
        "vf_coef": 0.5,
        "max_grad_norm": 0.5,
        "policy_kwargs": {"net_arch": [128, 128]},
    },
    "DQN": {
        "learning_rate": 5e-4,
        "buffer_size": 15_000,
        "learning_starts": 200,
        "batch_size": 32,
        "gamma": 0.95,
        "train_freq": 1,
        "gradient_steps": 4,
        "target_update_interval": 400,
        "policy_kwargs": {"net_arch": [256, 256]},
    },
}
"""Stable-Baselines3's learners: PPO with our learner's numbers, DQN with those of highway-env's example but for
gamma and 8 rows, each step of which is followed by 4 of gradient."""
SB3_ROWS = {"PPO": 64, "DQN": 8}


def _guided(adviser: str, learner: dict[str, Any] = ADAPTIVE, **options: Any) -> dict[str, Any]:
    return {"adviser": adviser, "options": options, "learner": learner}


CALLED = 0.34
"""Share of the decisions at the left turn that are at risk, where the rule teacher drives with an action in three at
random: the budget of calls by chance."""
PLANNED = {"share": 0.1}  # of the scenes; its loss counts as much more
_PLANNER = {**ADAPTIVE, "imitation_coef": 100.0, "imitation_coef_end": 10.0}

DOSES: dict[str, dict[str, Any]] = {
    f"planner, {round(100 * share)} % right, else {kind}": _guided(
        "planned", _PLANNER, **PLANNED, accuracy=share, kind=kind
    )
    for kind, shares in {"random": (0.0, 0.25, 0.5, 0.75), "worst": (0.0, 0.5)}.items()
    for share in shares
}
WORST, WORST_FIXED = "planner, 0 % right, else worst", "planner, 0 % right, fixed weight"
MAIN: dict[str, dict[str, Any]] = {
    "PPO of SB3": {"sb3": "PPO", "options": SB3["PPO"]},
    "unguided": {"learner": STUDENT},
    "rule": _guided("rule"),
    "planner": _guided("planned", _PLANNER, **PLANNED),
}
CONTROLS: dict[str, dict[str, Any]] = {
    "DQN of SB3": {"sb3": "DQN", "options": SB3["DQN"]},
    "mlp": {"learner": {**LEARNER, "network": "mlp", "network_options": {"width": 128, "layers": 2}}},
    "uniform": _guided("uniform"),
    "rule's marginal": _guided("marginal", of="rule"),
    "rule, other scenes": _guided("shuffled", of="rule"),
    "rule, risk gate": _guided("rule", schedule={"every": 0, "risk_s": 3.0}),
    "rule, random calls": _guided("rule", schedule={"every": 0, "chance": CALLED}),
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "rule, token unheard": _guided("rule", {**ADAPTIVE, "network_options": {**_SIZES, "dropout": 1.0}}),
    "rule, no dropout": _guided("rule", {**ADAPTIVE, "network_options": {**_SIZES, "dropout": 0.0}}),
    "rule, token alone": _guided("rule", {**ADAPTIVE, "imitation_coef": 0.0, "imitation_coef_end": 0.0}),
    "rule, early only": _guided("rule", {**ADAPTIVE, "guidance_part": 0.5}),
    "rule, no decay": _guided("rule", {**ADAPTIVE, "imitation_coef_end": 10.0}),
    "rule, fixed weight": _guided("rule", GUIDED),
    "rule, gated": _guided("rule", {**ADAPTIVE, "imitation_gate": True}),
    "rule, llm4teach": _guided("rule", {**STUDENT, "imitation_coef": 10.0, "imitation_coef_end": 0.1}),
    "rule, prior": _guided("rule", {**STUDENT, "prior_coef": 2.0}),
    "rule, shaping": _guided("rule", {**STUDENT, "shaping_coef": 1.0}),
}
PLANNER, BRAKING = "planner itself", "slowest"
DRIVERS = {
    PLANNER: {"driver": suites.PLANNER},
    **{name: {"driver": name} for name in (BRAKING, "idle", "idm-mobil", "gap-acceptance")},
}


def _told(table: str, of: str = "", **options: Any) -> dict[str, Any]:
    """A row that is told what a table says, or, of that, the marginal, or its advice about other scenes."""
    return _guided(of or "table", table=table, of="table", **options)


MODEL: dict[str, dict[str, Any]] = {
    name: row
    for name, row in {
        "model": _told("LeftTurn"),
        "model's marginal": _told("LeftTurn", "marginal"),
        "model, other scenes": _told("LeftTurn", "shuffled"),
        "memory's vote": _told("LeftTurn-vote"),
        "model, no memory": _told("LeftTurn-no-memory"),
        "model, no memory, no risk": _told("LeftTurn-no-memory-no-risk"),
        "model, no memory, no heuristics": _told("LeftTurn-no-memory-no-heuristics"),
        "model on the ramp": _told("Merge-no-memory"),
        "model on the highway": _told("Highway-no-memory"),
    }.items()
    if table_path(row["options"]["table"]).is_file()
}
"""Rows of a language model of 135 million parameters, and of a memory, from tables of their answers; those without a
table are left out. What the model is told is taken away from the one without a memory, which answers three times as
fast; so it is that one on the ramp and the highway, where so many more scenes are met."""
VARIANTS = {
    **MAIN,
    **CONTROLS,
    **MODEL,
    WORST_FIXED: _guided("planned", {**_PLANNER, "trust_rate": 0.0}, **PLANNED, accuracy=0.0, kind="worst"),
    **DOSES,
    **ABLATIONS,
    **DRIVERS,
}

TEACHERS = [name for name, row in VARIANTS.items() if "adviser" in row and name not in ABLATIONS]
RANDOM = ["planner", *(name for name in DOSES if "random" in name)]
"""Those shown by their accuracy; and the planner, as it is and with a share of its advice changed at random."""

MIDDLE = {"left turn": "left turn, 20 cars/min", "merge": "merge, 8 cars", "highway": "highway, density 1.5"}
SETTINGS: dict[str, dict[str, Any]] = {
    "left turn": {"setting": MIDDLE["left turn"], "threshold": 0.76, "longer": 1.5},
    "merge": {"setting": MIDDLE["merge"], "threshold": 0.92, "longer": 1},
    "highway": {"setting": MIDDLE["highway"], "threshold": 0.5, "longer": 2},
    **{
        setting.name: {"setting": setting.name, "threshold": 0.5, "longer": 2 if "highway" in setting.name else 1}
        for setting in suite("tell-drive")
        if setting.name not in MIDDLE.values()
    },
}
"""The densities of the suite ``tell-drive``, the middle ones first; the success that counts as having learned, and how
many times the steps of the budget a training has.

Thresholds were set on seed 0: 95 % of what the unguided student comes to, in 120 thousand steps at the left turn, 61
thousand on the ramp; on the highway it comes to nothing, and half is what a guided one reaches."""

_FITTING = {"idm-mobil": ("merge", "highway"), "gap-acceptance": ("left turn", "merge")}
_CLAIMED = (
    *("rule's marginal", "rule, risk gate", "rule, random calls", WORST, WORST_FIXED),
    *("model", "model's marginal", "memory's vote"),
)
"""What claims about the left turn compare, beside the main rows."""


_AT_HOME = {"model, no memory": "left turn", "model on the ramp": "merge", "model on the highway": "highway"}
"""Where, at any density, a model has answered without a memory."""


def seeds_of(variant: str, setting: str) -> int:
    """How many seeds a row gets."""
    if variant in _AT_HOME:
        return 5 if setting.startswith(_AT_HOME[variant]) else 0
    if variant in DRIVERS:
        return int(setting in _FITTING.get(variant, MIDDLE))
    if setting not in MIDDLE:
        return 5 if variant in ("unguided", "rule") else 0
    if variant in ("unguided", "rule") or (setting == "left turn" and variant in ("planner", *_CLAIMED)):
        return 10
    return 5 if setting == "left turn" or variant in MAIN else 0


FEWER = {Cell(v, s, 0).row: seeds_of(v, s) for v in VARIANTS for s in SETTINGS if seeds_of(v, s) < 10}
