"""Drive by the depth that six cameras see: a rule that knows where everybody is teaches an agent that only looks.

    python -m foveal.experiments.surround_agent RUN      # trains in the folder RUN, writes agents/weights/surround.*
    python -m foveal.experiments.surround_agent --test   # only the tables, of the agent that is shipped

In ``foveal/SurroundRig-v0`` something blocks the lane, and one has to change into a gap of the traffic that comes from
behind. The rule `GapFinder` finds gaps by the true state. The *student* sees only depth, and imitates the rule on its
own drives: DAgger (Ross, Gordon and Bagnell, AISTATS 2011, arXiv:1011.0686), without the drives of before. The
*pioneer* is the same network after PPO alone, of as many steps; the *knower* is PPO on the state, which imitates the
rule at first. Then the student drives in streets that it has not seen, by depth from elsewhere: none, noisy, with
scales that are wrong in all cameras alike or in each in another way, or a network's. What is trained is kept in RUN and
not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from gymnasium import spaces
from gymnasium.vector import VectorObservationWrapper
from numpy.typing import NDArray

from foveal.agents.agent import Agent
from foveal.agents.config import PPOConfig
from foveal.agents.drivers import IDLE, LANE_LEFT
from foveal.agents.evaluation import Estimate, first_episodes, mean, provenance, rate
from foveal.agents.guidance import Guidance, imitation_loss
from foveal.agents.policies import ActorCritic
from foveal.agents.ppo import PPO
from foveal.agents.pretrained import pretrained, save_pretrained
from foveal.agents.rollouts import Collector, make_world
from foveal.envs.advice import Advice, Advised, Adviser
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.envs.rigs.params import SurroundRigParams
from foveal.experiments.depth_driving import HALF, Halved
from foveal.experiments.gap_finder import RANGES, GapFinder
from foveal.files import replace_file
from foveal.vision.depth.models import load
from foveal.vision.wrappers import DepthNoise, DepthObservation, VectorPerceived
from foveal.vision.wrappers.observation import Arrays, Moments

WORLD = "foveal/SurroundRig-v0"
TOLD: dict[str, Any] = {
    "state": True,
    "observation_vehicles_count": 16,
    "observation_see_behind": True,
    **{f"observation_range_{name}": reach for name, reach in RANGES.items()},
}
BARE: dict[str, Any] = {"rgb": False, "depth": False, "geometry": False, "streets": 1, "density": 0.0, "walkers": 0}
"""Nothing is drawn: two hundred times as fast."""
SEEN: dict[str, Any] = {"rgb": False}
SHOWN: dict[str, Any] = {"first_street": 1000}
"""The world in which agents are shown: streets that nobody has trained in."""

KNOWER = PPOConfig(
    env_id=WORLD,
    num_envs=128,
    total_steps=400_000,
    rollout_steps=32,
    epochs=3,
    minibatches=4,
    learning_rate=2e-3,
    learning_rate_end=1e-4,
    gamma=0.99,
    gae_lambda=0.95,
    entropy_coef=0.001,
    imitation_coef=1.0,
    imitation_coef_end=0.1,
    tensorboard=False,
)
STUDENT = PPOConfig(
    env_id=WORLD,
    env_params=SEEN,
    num_envs=64,
    total_steps=100_000,
    rollout_steps=16,
    epochs=3,
    minibatches=4,
    learning_rate=2e-3,
    learning_rate_end=5e-5,
    guided_share=1.0,
    guidance_part=0.3,
    gamma=0.99,
    gae_lambda=0.95,
    network="rig_vision",
    network_options={"width": 96},
    memory="gru",
    memory_options={"width": 96},
    tensorboard=False,
)
"""Of DAgger: rows, steps, passes and Adam's; the guided share is that of the rows in which the rule drives."""
PIONEER = dataclasses.replace(
    STUDENT, learning_rate=1e-3, entropy_coef=0.01, entropy_coef_end=0.001, guided_share=0.0, guidance_part=1.0
)
EPISODES, ROWS = 256, 64
FIRST_EPISODE = EVALUATION_SEEDS + 8_000_000
SCALES = (0.2, 0.4)
"""Standard deviations of the logarithm of depth's scale, with nothing else wrong."""
SOURCES: dict[str, tuple[str, DepthNoise | None]] = {
    "oracle": ("oracle", None),
    "none": ("none", None),
    **{f"noisy, {sigma:.0%} of each pixel": ("noisy", DepthNoise(sigma, scale_sigma=0.0)) for sigma in (0.1, 0.3)},
    **{
        f"scale {sigma:.0%}, a new one each {per}, {whose}": ("noisy", DepthNoise(0.0, 0.0, sigma, apart, per))
        for per in ("step", "episode")
        for sigma in SCALES
        for whose, apart in (("one for all cameras", 0.0), ("each camera's own", 1.0))
    },
}
"""Name -> where depth comes from, and with which errors."""

Choose = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Actions (N,) for states (N, V, 5)."""
Driven = dict[str, Estimate]
"""``success``, which is arrival, ``collision`` and ``return``."""


class Knowing:
    """Advises by the state, which the advised do not see.

    Args:
        choose: What it knows.
    """

    def __init__(self, choose: Choose) -> None:
        self.choose = choose

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        states = observations["state"] if isinstance(observations, dict) else observations
        said = np.eye(int(env.single_action_space.n), dtype=np.float32)[self.choose(states)]  # type: ignore[attr-defined]
        rows = len(said)
        return Advice(said, np.ones(rows, np.float32), np.zeros(rows, np.int64), np.ones(rows, np.bool_))


def rule(sees_behind: bool = True) -> GapFinder:
    """For the world's own speeds."""
    return GapFinder(SurroundRigParams().action_target_speeds, sees_behind)


class StateOnly(VectorObservationWrapper):
    """The world whose observation is the state alone."""

    def __init__(self, world: BatchEnv) -> None:
        super().__init__(world)
        assert world.single_observation_space is not None
        self.autoreset_mode = world.autoreset_mode
        self.single_observation_space = world.single_observation_space["state"]  # type: ignore[index]
        self.observation_space = world.observation_space["state"]  # type: ignore[index]

    def observations(self, observations: Any) -> Any:
        """The state of (N, ...) observations."""
        return observations["state"]


class Unseeing:
    """The percept by which everything is as far away as depth is told.

    Args:
        space: Of depth.
    """

    reads, told = ("depth",), ()

    def __init__(self, space: spaces.Box) -> None:
        self.gives = {"depth": space}

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """See `foveal.vision.wrappers.observation.Percept.perceive`."""
        return {"depth": np.full_like(seen["depth"], self.gives["depth"].high)}


def knowing(config: PPOConfig) -> ActorCritic:
    """The knower: PPO on the state, which imitates the rule, less and less."""
    world: Any = StateOnly(make_world(WORLD, config.num_envs, {**BARE, **TOLD}))
    return _learnt(PPO(config, Advised(world, Knowing(rule()))))


def imitated(config: PPOConfig, adviser: Adviser) -> ActorCritic:
    """The student: by cross-entropy to what an adviser says, on its own drives."""
    world = Advised(make_world(WORLD, config.num_envs, {**config.env_params, **TOLD}), adviser)
    policy = config.make_policy(world.env.single_observation_space, world.single_action_space)
    guidance = Guidance(config)
    optimizer = torch.optim.Adam(policy.parameters(), eps=1e-5)
    generator = torch.Generator().manual_seed(config.seed)
    collector = Collector(world, config.rollout_steps, config.seed * config.num_envs, 1.0, policy.state_dim)
    for update in range(config.updates):
        guided = guidance.coefficients(update)["guided_share"]
        rollout, told = collector.collect(policy, generator, round(guided * config.num_envs))
        done = update / config.updates
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate + done * (config.learning_rate_end - config.learning_rate)
        for _ in range(config.epochs):
            for minibatch in rollout.minibatches(torch.zeros_like(rollout.values), config.minibatches, generator):
                optimizer.zero_grad()
                loss = imitation_loss(minibatch, policy(minibatch.perceived, minibatch.sequences))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)
                optimizer.step()
        _tell(update + 1, config, loss.item(), told)
    return policy


def explored(config: PPOConfig) -> ActorCritic:
    """The pioneer: PPO on depth, with nobody to imitate."""
    return _learnt(PPO(config, make_world(WORLD, config.num_envs, config.env_params)))


def _learnt(learner: PPO) -> ActorCritic:
    for update in range(learner.config.updates):
        told = learner.learn()
        _tell(update + 1, learner.config, float(told["policy_loss"] or 0.0), told)
    return learner.policy


def _tell(updates: int, config: PPOConfig, loss: float, told: dict[str, Any]) -> None:
    """Say on stderr, some twenty times, how a training goes; the return is that of sampled actions."""
    if updates % max(1, config.updates // 20) == 0:
        steps, paid = updates * config.num_envs * config.rollout_steps, told["return_mean"] or float("nan")
        print(f"{steps:,} steps: loss {loss:.3f}, return {paid:.2f}", file=sys.stderr, flush=True)


def kept(path: Path, config: PPOConfig, world: BatchEnv, make: Callable[[PPOConfig], ActorCritic]) -> Agent:
    """The agent that `make` makes, or made before: `path` holds its weights."""
    policy = config.make_policy(world.single_observation_space, world.single_action_space)
    if not path.exists():
        replace_file(path, safetensors.torch.save(make(config).state_dict()))
    safetensors.torch.load_model(policy, path)
    return Agent(policy, config, world)


def evaluate(
    act: Callable[[Any], Any],
    source: str = "oracle",
    noise: DepthNoise | None = None,
    *,
    episodes: int = EPISODES,
    seed: int = FIRST_EPISODE,
    **params: Any,
) -> Driven:
    """The first episode of so many seeds.

    Args:
        act: Agent or driver.
        source: Of the depth, see `DepthObservation`; ``"none"``: everything is far away. That of a network which sees
            twice the agent's width is halved.
        noise: Of source ``"noisy"``.
        episodes: At least 2.
        seed: The first one.
        **params: Of the world.
    """
    rows = min(ROWS, episodes)
    env: Any = make_world(WORLD, rows, params)
    if source == "none":
        env = VectorPerceived(env, Unseeing(env.single_observation_space["depth"]))
    elif source != "oracle":  # that is the world's own
        env = DepthObservation(env, source, noise=noise)
    if params.get("width") == HALF * SurroundRigParams().width:
        env = VectorPerceived(env, Halved(env.single_observation_space))
    parts = [first_episodes(env, act, seed + begin) for begin in range(0, episodes, rows)]
    told = {name: np.concatenate([part[name] for part in parts])[:episodes] for name in parts[0]}
    return {"success": rate(told["success"]), "collision": rate(told["collision"]), "return": mean(told["return"])}


def table(rows: dict[str, Driven]) -> str:
    """As Markdown, with 95 % intervals."""
    lines = ["| | arrived | collided | return |", "|---|---|---|---|"]
    for name, driven in rows.items():
        shares = [
            f"{100 * one.mean:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"
            for one in (driven["success"], driven["collision"])
        ]
        paid = driven["return"]
        lines.append(f"| {name} | {' | '.join(shares)} | {paid.mean:.2f} ({paid.low:.2f} to {paid.high:.2f}) |")
    return "\n".join(lines)


def test(agent: Agent, models: list[str]) -> dict[str, Driven]:
    """What an agent does by each source of depth, files of networks among them, in streets that are new to it."""
    sizes = {path: load(path).size for path in models}  # which refuses files that are none before anyone drives
    found = {}

    def drive(name: str, source: str, noise: DepthNoise | None, **world: Any) -> None:
        found[name] = evaluate(agent, source, noise, episodes=EPISODES, **SHOWN, **world)
        print(table({name: found[name]}).splitlines()[-1], file=sys.stderr, flush=True)

    for path, (height, width) in sizes.items():
        drive(Path(path).stem, f"model:{path}", None, height=height, width=width, depth=False)
    for name, (source, noise) in SOURCES.items():
        drive(name, source, noise, **SEEN)
    return found


def baselines(knower: Agent) -> dict[str, Driven]:
    """What is reached by knowing the state, or nothing."""
    random = np.random.default_rng(0)
    drivers: dict[str, Callable[[Any], Any]] = {
        "idle": lambda states: np.full(len(states), IDLE),
        "random": lambda states: random.integers(0, 5, len(states)),
        "to the left at once": lambda states: np.full(len(states), LANE_LEFT),
        "the rule": rule(),
        "the rule, not looking behind": rule(sees_behind=False),
        "PPO on the state": knower,
    }
    return {
        name: evaluate(lambda seen, act=act: act(seen["state"]), episodes=4 * EPISODES, **BARE, **TOLD)  # type: ignore[misc]
        for name, act in drivers.items()
    }


def trained(run: Path) -> tuple[Agent, Agent, Agent]:
    """Knower, student and pioneer, which learn in the folder `run`, or have learnt there."""
    run.mkdir(parents=True, exist_ok=True)
    states: Any = StateOnly(make_world(WORLD, 1, {**BARE, **TOLD}))
    looking = make_world(WORLD, 1, STUDENT.env_params)
    return (
        kept(run / "knower.safetensors", KNOWER, states, knowing),
        kept(run / "student.safetensors", STUDENT, looking, lambda config: imitated(config, Knowing(rule()))),
        kept(run / "pioneer.safetensors", PIONEER, looking, explored),
    )


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.surround_agent", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="folder of the trainings")
    parser.add_argument("--test", action="store_true", help="only test the agent that is shipped")
    parser.add_argument("--model", action="append", default=[], help="file of a network of depth, to drive by it too")
    given = parser.parse_args(arguments)
    if (given.run is None) != given.test:
        parser.error("say where to train, or --test")
    if given.run is not None:
        torch.set_num_threads(STUDENT.torch_threads)
        knower, student, pioneer = trained(given.run)
        size = save_pretrained(student, {**SEEN, **SHOWN}, provenance())
        print(f"{size:,} bytes", file=sys.stderr)
        rows = {**baselines(knower), "PPO on depth": evaluate(pioneer, episodes=EPISODES, **SEEN, **SHOWN)}
        print(f"{EPISODES} held-out episodes each\n\n{table(rows)}\n")
    print(f"The student, by its depth\n\n{table(test(pretrained(WORLD), given.model))}")


if __name__ == "__main__":
    main()
