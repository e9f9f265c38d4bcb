"""How fast visual search draws and steps: displays at their native size, and fixations.

A fixation is a step of `VisualSearch` that answers nothing: it gives a grey retinal image of 128 x 128 from the
display's pyramid, which was made when the episode began; episodes end by time, and drawing the next display counts.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from foveal.envs.visual_search.paradigms import PX_PER_DEG
from foveal.envs.visual_search.stimuli import Stimuli
from foveal.experiments.bench import Report, Step, batched, interleaved, machine, made_with, threaded

WORLD = "foveal/VisualSearch-v0"
CONDITIONS = ("curve_in_lines", "lighting_vertical", "t_in_ls", "vertical_in_mixed", "2_in_5s")
"""One of each way in which items are drawn."""
DRAWN = 64
"""Displays of one call."""


def search(*, rows: int = 256, repeat: int = 5, seconds: float = 2.0) -> Report:
    """Measure everything.

    Args:
        rows: Of a batch of the world.
        repeat: Interleaved repeats.
        seconds: Length of each repeat.

    Returns:
        Plain numbers and words: ``speeds`` (condition -> contender -> displays or fixations per second), ``load`` (of
        the machine before), and what they were measured with.
    """
    speeds = {}
    for condition in CONDITIONS:
        contenders = threaded("displays", _drawing(condition)) | threaded("fixations", _fixating(condition, rows))
        speeds[condition] = interleaved(contenders, condition, repeat, seconds)
    return {**made_with(rows, repeat, seconds), "speeds": speeds}


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """A report as tables: title, column titles and rows of text."""
    told = [
        [
            condition,
            name,
            f"{rate['median']:,.0f}",
            f"{rate['low']:,.0f} to {rate['high']:,.0f}",
            f"{rate['processors']:.1f}",
        ]
        for condition, rates in report["speeds"].items()
        for name, rate in rates.items()
    ]
    return [
        (
            f"{machine(report)}\n"
            f"displays at {PX_PER_DEG:g} pixels per degree, and fixations of {report['rows']} rows, per second: "
            f"median of {report['repeat']} x {report['seconds']:g} s; and processors that this process used meanwhile",
            ["condition", "contender", "per second", "lowest to highest", "processors"],
            told,
        )
    ]


def _drawing(condition: str) -> Step:
    """Displays, made and drawn."""
    stimuli, count = Stimuli(condition), 0

    def step() -> int:
        nonlocal count
        count += 1
        stimuli.draw(stimuli.make(DRAWN * count + np.arange(DRAWN)))
        return DRAWN

    return step


def _fixating(condition: str, rows: int) -> Step:
    env: Any = gymnasium.make_vec(WORLD, num_envs=rows, condition=condition)
    env.reset(seed=0)
    return batched(env, np.random.default_rng(0).integers(0, env.single_action_space.n - 2, (64, rows)))
