"""Learn to search, and when to give up: slopes of reaction time over set size of searchers that PPO has trained.

    python -m foveal.experiments.searcher_agent RUN   # trains in the folder RUN, prints the table

One agent for each of three searches: a red bar among green ones, one among green ones and red ones that lie, a 2 among
5s. In half of the displays there is nothing to find, and nobody says so: to stop looking is learnt from whether the
answer was right. The eye is the same in all three searches. Each agent learns first with a sharp eye among three
items, until most answers are right, then among all set sizes with an eye that is less and less sharp away from
where it looks. An interrupted training goes on where it stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.agent import Agent, load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import Estimate, evaluate, rate
from foveal.agents.metrics import read_metrics
from foveal.agents.training import train
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.vision.gaze.slopes import Slope, slope

WORLD = "foveal/VisualSearch-v0"
EYE: dict[str, Any] = {
    "actions": "cells",
    "size": 48,
    "view_deg": 16.0,
    "e2_deg": 1.0,
    "colour": True,
    "target": "none",
    "duration": 32,
    "history": 32,
    "correct_reward": 100.0,
    "error_reward": -100.0,
    "saccade_reward": -3.0,
}
"""In which all three are tested. The field is 15 degrees wide: `view` below is 16 / 15."""
SHARP: dict[str, Any] = {"e2_deg": 20.0, "set_size": 3, "saccade_reward": -5.0}
BETWEEN: dict[str, Any] = {"e2_deg": 1.5, "saccade_reward": -1.0}
PATIENT: dict[str, Any] = {"saccade_reward": -1.0}

FIRST = PPOConfig(
    env_id=WORLD,
    num_envs=128,
    rollout_steps=16,
    epochs=3,
    minibatches=4,
    learning_rate=2e-3,
    learning_rate_end=1e-3,
    gamma=0.99,
    gae_lambda=0.95,
    value_clip=0.0,
    entropy_coef=0.03,
    entropy_coef_end=0.03,
    network="retinal",
    network_options={"width": 128, "channels": 16, "places": 5, "view": 16 / 15},
    memory="gru",
    memory_options={"width": 128},
    mixed_precision=True,
    tensorboard=False,
)
THEN = dataclasses.replace(
    FIRST, seed=1, rollout_steps=32, minibatches=8, learning_rate=1e-3, learning_rate_end=1e-3, entropy_coef_end=0.02
)
LONG = dataclasses.replace(THEN, seed=2, learning_rate_end=1e-4, entropy_coef=0.02, entropy_coef_end=0.003)
LAST = dataclasses.replace(
    LONG, seed=3, learning_rate=5e-4, learning_rate_end=5e-5, entropy_coef=0.003, entropy_coef_end=0.0
)
STAGES: tuple[tuple[PPOConfig, dict[str, Any]], ...] = ((FIRST, SHARP), (THEN, BETWEEN), (LONG, PATIENT), (LAST, {}))
"""What is learnt in turn, and in what each world differs from the last one."""
STEPS = {
    "feature": (28_672, 12_288, 12_288, 12_288),
    "conjunction": (28_672, 57_344, 49_152, 98_304),
    "2_in_5s": (59_392, 81_920, 524_288, 163_840),
}
"""Of each stage. With the sharp eye until most answers are right: after more of it, nothing new is tried."""
EPISODES = 24_000
FIRST_DISPLAY = EVALUATION_SEEDS + 7_000_000
"""Stages and steps were chosen on displays from `EVALUATION_SEEDS` on; those from here on nobody had looked at."""
UNKNOWN = Slope(*[float("nan")] * 4)
"""Of a searcher whose right answers are all of one set size."""


@dataclasses.dataclass(frozen=True)
class Searches:
    """Of one condition: slopes of the right answers' reaction times, ms per item, and the shares of wrong answers.

    Attributes:
        present: Where there was a target.
        absent: Where there was none.
        misses: Of the displays with a target.
        false_alarms: Of those without.
    """

    present: Slope
    absent: Slope
    misses: Estimate
    false_alarms: Estimate

    @property
    def ratio(self) -> float:
        """Absent to present slope; NaN unless all of the present one's interval is shown as above 0."""
        return self.absent.slope / self.present.slope if self.present.low >= 0.05 else float("nan")


def measured(trials: dict[str, NDArray[np.float64]]) -> Searches:
    """What trials tell: (T,) each of ``set_size``, ``target_present``, ``success`` and ``reaction_time``, s."""
    right, there = trials["success"] > 0, trials["target_present"] > 0
    sizes, times_ms = trials["set_size"], 1000 * trials["reaction_time"]
    present, absent = (
        slope(sizes[chosen], times_ms[chosen]) if len(np.unique(sizes[chosen])) > 1 else UNKNOWN
        for chosen in (right & there, right & ~there)
    )
    misses, false_alarms = (rate(1 - trials["success"][chosen]) for chosen in (there, ~there))
    return Searches(present, absent, misses, false_alarms)


def search(agent: Agent, condition: str) -> Searches:
    """What an agent does in held-out displays of a condition."""
    return measured(
        evaluate(WORLD, agent, episodes=EPISODES, seed=FIRST_DISPLAY, condition=condition, **EYE).per_episode
    )


def trained(condition: str, run: Path) -> Agent:
    """The agent of a condition, which learns in the folder `run`, or has learnt there."""
    agent = None
    for number, ((config, eye), steps) in enumerate(zip(STAGES, STEPS[condition], strict=True)):
        stage = run / f"{number}"
        world = {**EYE, "condition": condition, **eye}
        begun = (stage / "config.json").exists()
        config = dataclasses.replace(config, env_params=world, total_steps=steps)
        agent = load_agent(train(config, stage, resume=begun, start=None if begun else agent))
    assert agent is not None
    return agent


def table(found: dict[str, Searches]) -> str:
    """Searches by condition, as Markdown, with 95 % intervals."""
    lines = [
        "| search | present [ms/item] | absent [ms/item] | absent / present | misses | false alarms |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        slopes = [_told(s.slope, s.low, s.high) for s in (one.present, one.absent)]
        rates = [_told(100 * r.mean, 100 * r.low, 100 * r.high, " %") for r in (one.misses, one.false_alarms)]
        ratio = "–" if np.isnan(one.ratio) else f"{one.ratio:.2f}"
        lines.append(f"| {' | '.join([name, *slopes, ratio, *rates])} |")
    return "\n".join(lines)


def _told(value: float, low: float, high: float, unit: str = "") -> str:
    value, low, high = (round(number, 1) + 0.0 for number in (value, low, high))  # no "-0.0"
    return f"{value:.1f}{unit} ({low:.1f} to {high:.1f})"


def minutes(run: Path) -> float:
    """How long a condition's stages have trained."""
    return sum(float(read_metrics(path)[-1]["seconds"] or 0) for path in run.glob("*/metrics.csv")) / 60


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.searcher_agent", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the trainings")
    run = parser.parse_args(arguments).run
    found = {condition: search(trained(condition, run / condition), condition) for condition in STEPS}
    for condition, steps in STEPS.items():
        print(f"{condition}: {sum(steps):,} steps in {minutes(run / condition):.0f} minutes")
    print(f"\n{EPISODES} held-out displays of each\n\n{table(found)}")


if __name__ == "__main__":
    main()
