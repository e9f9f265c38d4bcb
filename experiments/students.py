"""What is measured of driving students: held-out episodes, how they got there, and what their teachers are worth."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.agents.advisers import Degraded, Marginal, Planned, Shuffled
from foveal.agents.agent import Agent
from foveal.agents.config import PPOConfig
from foveal.agents.evaluation import Policy, evaluate, first_episodes
from foveal.agents.ppo import PPO
from foveal.agents.rollouts import make_world
from foveal.agents.sb3 import make_sb3_vec_env
from foveal.agents.suites import PLANNER, Setting, plan
from foveal.envs.advice import ADVICE, Advised, Adviser
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv
from foveal.llm_teacher.cache import Table
from foveal.llm_teacher.heuristics import RuleTeacher
from foveal.llm_teacher.schedule import Asking, Gated, Schedule

FIRST_EPISODE = EVALUATION_SEEDS + 3_000_000
CURVE_EPISODE = EVALUATION_SEEDS + 4_000_000
"""Of the learning curves, which thresholds were set on."""
POINTS = 12  # of a learning curve
ROWS = 64

Curve = list[tuple[int, float]]


def adviser_for(name: str, world: BatchEnv, options: dict[str, Any]) -> Adviser:
    """The adviser of a variant.

    Args:
        name: ``"rule"``, ``"planned"``, ``"uniform"``; ``"table"``, of a model's answers; or, of another that the
            option ``"of"`` names, its ``"marginal"``, or ``"shuffled"``, its advice about other scenes.
        world: To advise on.
        options: ``"env_id"`` and ``"params"`` of the world; ``"accuracy"`` and ``"kind"``, to degrade it; ``"share"``
            of the scenes, of a planner; ``"table"``, the name of a table, see `table_path`, and ``"schedule"``, when to
            look into it, or when to ask another.

    Raises:
        ValueError: for an unknown name, or a table that is not there.
    """
    adviser: Adviser
    if name == "rule":
        adviser = RuleTeacher(world)
    elif name == "planned":
        adviser = Planned(horizon=6, share=options.get("share", 1.0))
    elif name == "uniform":
        adviser = Marginal(sure=True)
    elif name == "marginal":
        other = make_world(options["env_id"], ROWS, options["params"])  # so that this one is as it was
        adviser = Marginal(marginal(other, adviser_for(options["of"], other, options)).tolist(), sure=True)
    elif name == "shuffled":
        adviser = Shuffled(adviser_for(options["of"], world, options))
    elif name == "table":
        adviser = Asking(
            world, table=Table.load(table_path(options["table"])), schedule=Schedule(**options.get("schedule", {}))
        )
    else:
        raise ValueError(f"unknown adviser {name!r}")
    if "schedule" in options and name != "table":
        adviser = Gated(adviser, Schedule(**options["schedule"]))
    if "accuracy" in options:
        adviser = Degraded(adviser, options["accuracy"], kind=options.get("kind", "random"))
    return adviser


def table_path(name: str) -> Path:
    """The file of a table of answers that comes with the experiment."""
    return Path(__file__).with_name("advice") / f"{name}.json"


def marginal(world: BatchEnv, adviser: Adviser, steps: int = 60) -> NDArray[np.float64]:
    """How often (A,) an adviser holds each action to be the best, where its advice is taken."""
    told = []
    env = Advised(world, adviser)
    observations, _ = env.reset(seed=0)
    for _ in range(steps):
        advised = observations[ADVICE][:, :-3].argmax(1)
        told.append(advised[observations[ADVICE][:, -1] > 0])
        observations, *_ = env.step(advised)
    counts = np.bincount(np.concatenate(told), minlength=int(world.single_action_space.n))  # type: ignore[attr-defined]
    return counts / max(1, counts.sum()) if counts.any() else np.full(counts.size, 1 / counts.size)


def taught(
    config: PPOConfig, setting: Setting, make: Callable[[BatchEnv], Adviser] | None, episodes: int = ROWS
) -> tuple[Agent, Curve, list[dict[str, Any]]]:
    """Train a student.

    Args:
        config: Of the training.
        setting: That it is in.
        make: Its teacher for a world; None: none.
        episodes: Of each point of the curve.

    Returns:
        The student; its success without the teacher in held-out episodes at `POINTS` moments, by steps; and the metrics
        of all updates.
    """
    world = make_world(config.env_id, config.num_envs, config.env_params)
    measured: list[dict[str, Any]] = []
    curve: Curve = []
    learner = PPO(config, world if make is None else Advised(world, make(world)))
    stops = {round(config.updates * k / POINTS) for k in range(1, POINTS + 1)}
    for update in range(1, config.updates + 1):
        measured.append(learner.learn())
        if update in stops:
            told = driven(Agent(learner.policy, config, world), setting, episodes, CURVE_EPISODE)
            learner.policy.train()
            curve.append((learner.step_count, float(told["success"].mean())))
    return Agent(learner.policy, config, world), curve, measured


def taught_by_sb3(
    algorithm: str, options: dict[str, Any], rows: int, seed: int, steps: int, setting: Setting, episodes: int = ROWS
) -> tuple[Policy, Curve]:
    """Train an agent of Stable-Baselines3; the curve is measured as that of `taught`.

    Args:
        algorithm: ``"PPO"`` or ``"DQN"``, with its MlpPolicy.
        options: Its keyword arguments; a ``learning_rate`` falls to 0 over the training, as our learner's does.
        rows: Of its world.
        seed: Of its weights and draws; episodes begin at seed x rows.
        steps: Environment steps.
        setting: That it is in.
        episodes: Of each point of the curve.
    """
    import stable_baselines3

    world = make_sb3_vec_env(setting.env_id, rows, **{**setting.params, "risk": False})
    rate = options["learning_rate"]
    learner = getattr(stable_baselines3, algorithm)(
        "MlpPolicy", world, seed=seed, device="cpu", **{**options, "learning_rate": lambda left: rate * left}
    )
    world.seed(seed * rows)

    def policy(observations: Any) -> Any:
        return learner.predict(observations, deterministic=True)[0]

    curve: Curve = []

    def measured(*_: Any) -> bool:
        if len(curve) < POINTS and learner.num_timesteps >= round(steps * (len(curve) + 1) / POINTS):
            told = driven(policy, setting, episodes, CURVE_EPISODE)
            curve.append((int(learner.num_timesteps), float(told["success"].mean())))
        return True

    learner.learn(steps, callback=measured)
    return policy, curve


def decision_ms(policy: Policy, setting: Setting, decisions: int = 200) -> float:
    """Median time that a policy takes to decide for a single row, ms."""
    world = make_world(setting.env_id, 1, {**setting.params, "risk": False})
    observations, _ = world.reset(seed=FIRST_EPISODE)
    taken = []
    for _ in range(decisions):
        begin = time.perf_counter()
        policy(observations)
        taken.append(time.perf_counter() - begin)
    return 1000 * float(np.median(taken))


def driven(agent: Any, setting: Setting, episodes: int, seed: int = FIRST_EPISODE) -> dict[str, NDArray[np.float64]]:
    """An agent's, a driver's or the planner's episodes (E,) by name, ``success`` as the suite's rule has it."""
    if agent == PLANNER:
        told = plan(setting, episodes, seed)
    else:
        params = {**setting.params, "risk": False}
        told = evaluate(setting.env_id, agent, episodes=episodes, num_envs=ROWS, seed=seed, **params).per_episode
    return {**told, "success": _success(told, setting)}


def alone(setting: Setting, make: Callable[[BatchEnv], Adviser], episodes: int) -> dict[str, NDArray[np.float64]]:
    """A teacher's own episodes (E,) by name, where its likeliest actions are taken."""
    world = make_world(setting.env_id, episodes, setting.params)
    env: Any = Advised(world, make(world))
    told = first_episodes(env, lambda seen: seen[ADVICE][:, :-3].argmax(1), FIRST_EPISODE)
    return {**told, "success": _success(told, setting)}


def accuracy(setting: Setting, make: Callable[[BatchEnv], Adviser], agent: Any, rows: int = 24) -> float:
    """How often a teacher advises what the planner holds to be best, or as good, in scenes that an agent gets into.

    As good is what brings as much to 0.01 of the return; eight scenes of each row are looked at.
    """
    world = make_world(setting.env_id, rows, setting.params)
    adviser, planner = make(world), Planned(horizon=6, temperature=0.1)
    observations, infos = world.reset(seed=FIRST_EPISODE)
    starts, right = np.ones(rows, np.bool_), []
    for step in range(32):
        advice = adviser.advise(world, observations, infos, starts)
        if step % 4 == 0:
            best = planner.advise(world, observations, infos, starts)
            chosen = np.take_along_axis(best.probabilities, advice.probabilities.argmax(1)[:, None], 1)[:, 0]
            level = best.probabilities.max(1) * np.exp(-0.01 / 0.1)
            right.append((chosen >= level)[advice.valid & best.valid])
        actions = agent(observations)
        observations, _, terminated, truncated, infos = world.step(
            actions[0] if isinstance(actions, tuple) else actions
        )
        starts = terminated | truncated
    counted = np.concatenate(right)
    return float(counted.mean()) if counted.size else 0.0


def steps_to(curve: Curve, threshold: float) -> float:
    """The first steps of a curve at which it reaches a threshold; of one that never does, all of its steps."""
    return float(next((steps for steps, success in curve if success >= threshold), curve[-1][0]))


def _success(told: dict[str, NDArray[np.float64]], setting: Setting) -> NDArray[np.float64]:
    # every world of the suite decides once a second
    return setting.success(told, 1.0).astype(np.float64)
