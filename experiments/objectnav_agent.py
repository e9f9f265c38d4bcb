"""Make the agent that comes with the package for ``foveal/ObjectNav-v0``, and tell what it finds.

    python -m foveal.experiments.objectnav_agent RUN      # trains in the folder RUN, writes agents/weights/objectnav.*
    python -m foveal.experiments.objectnav_agent --test   # only the tables, of the agent that is shipped

It sees through the frozen encoder ``types`` and learns in AI2-THOR's training rooms and in as many generated houses:
first by imitating a guide that knows the way, beside PPO; then by PPO with little imitation, for one that only imitates
ends its search wherever the guide might. An interrupted training goes on where it stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from foveal.agents.agent import Agent, load_agent
from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import evaluate, provenance
from foveal.agents.metrics import read_metrics
from foveal.agents.pretrained import pretrained, save_pretrained
from foveal.agents.training import train
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.objectnav.params import HABITAT_2022
from foveal.experiments.objectnav_baselines import SETTINGS, WORLD, bins_table, play, walkers_table

SHOWN: dict[str, Any] = {"split": "test", "houses": 0}
"""The world in which the agent is shown: AI2-THOR's test rooms."""
FIRST = PPOConfig(
    env_id=WORLD,
    env_params={"scenes": "ithor+procedural", "houses": 80, "guide": True, "failure_reward": -3.0},
    num_envs=128,
    total_steps=647_168,
    rollout_steps=32,
    epochs=3,
    minibatches=8,
    learning_rate=1e-3,
    learning_rate_end=7.44e-4,
    gamma=0.99,
    gae_lambda=0.95,
    clip=0.2,
    value_clip=0.2,
    entropy_coef=0.01,
    entropy_coef_end=0.0078,
    value_coef=0.5,
    imitation_coef=1.0,
    imitation_coef_end=0.757,
    guided_share=0.5,
    guided_share_end=0.365,
    max_grad_norm=0.5,
    network="goal_vision",
    network_options={"encoder": "types", "hidden": 64, "squeezed": 32, "names": ",".join(HABITAT_2022)},
    memory="gru",
    memory_options={"width": 256},
    torch_threads=2,
    mixed_precision=True,
    tensorboard=False,
)
THEN = dataclasses.replace(
    FIRST,
    seed=1,
    total_steps=1_800_000,
    learning_rate=5e-4,
    learning_rate_end=5e-5,
    entropy_coef=0.003,
    entropy_coef_end=0.001,
    imitation_coef=0.1,
    imitation_coef_end=0.02,
    guided_share=0.0,
    guided_share_end=0.0,
)
EPISODES = 200
WALKERS = ("random", "bounce", "frontier")


def test(agent: Agent) -> None:
    """Print what an agent, and walkers that learn nothing, find in each setting."""
    for name, world in SETTINGS.items():
        rows = [
            evaluate(WORLD, agent, episodes=EPISODES, seed=EVALUATION_SEEDS, num_envs=50, name="pretrained", **world)
        ]
        rows += [play(walker, world, EPISODES) for walker in WALKERS]
        print(f"\n{name}: {EPISODES} held-out episodes\n\n{walkers_table(rows)}\n{bins_table(rows)}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.objectnav_agent", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="folder of the training")
    parser.add_argument("--test", action="store_true", help="only test the agent that is shipped")
    given = parser.parse_args(arguments)
    if (given.run is None) != given.test:
        parser.error("say where to train, or --test")
    if given.run is not None:
        runs, agent = [given.run / "first", given.run / "then"], None
        for config, run in zip((FIRST, THEN), runs, strict=True):
            begun = (run / "config.json").exists()
            agent = load_agent(train(config, run, resume=begun, start=None if begun else agent))
        assert agent is not None
        seconds = [float(read_metrics(run / "metrics.csv")[-1]["seconds"] or 0) for run in runs]
        size = save_pretrained(agent, SHOWN, {"seconds": seconds, **provenance()})
        print(f"{size:,} bytes, trained for {sum(seconds):.0f} s", file=sys.stderr)
    test(pretrained(WORLD))


if __name__ == "__main__":
    main()
