"""Who drives where: ``foveal eval`` and ``foveal record``."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from foveal.commands.advising import advising
from foveal.commands.agents import PRETRAINED, load
from foveal.commands.searching import SEARCH, evaluate_searches
from foveal.commands.terminal import BadInput, print_table, told_as
from foveal.commands.worlds import DEFAULT_WORLD, Settings, make_world, with_risk, world_params
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv

if TYPE_CHECKING:
    from foveal.agents.evaluation import Estimate, Evaluation
    from foveal.agents.suites import Row
    from foveal.envs.advice import Adviser
    from foveal.envs.recording import Policy

_LEAST_FPS = 15  # below it a video jerks; worlds with a slower simulation get frames in between


@dataclass(frozen=True)
class Eval:
    """Evaluate agents on held-out seeds: mean and 95 % interval over the first episode of each seed."""

    agents: Annotated[tuple[str, ...], Positional, arg(metavar="AGENT")]
    """Run folders, checkpoints (.safetensors), drivers (random, idle, slowest, keep-right, idm-mobil, …) or, of
    foveal/ObjectNav-v0, pretrained: the agent that comes with the package."""
    agent: Annotated[tuple[str, ...], UseAppendAction, arg(metavar="AGENT")] = ()
    """The same as AGENT."""
    suite: str | None = None
    """A protocol instead of a world: tell-drive or dilu; agents are evaluated where they fit, beside its drivers. Or
    search: how like a human's are an agent's searches; it takes searchers (imagenet, upright, pixels, ideal, …),
    vgg16:FILE with weights of yours, chat:MODEL for a chat model with eyes, and runs in foveal/VisualSearch-v0."""
    base_url: str | None = None
    """Of an OpenAI-compatible server that has the chat model."""
    planned: int = 20
    """Episodes of a suite for the clairvoyant planner, by which optimality is measured; 0 leaves it out [1]."""
    env: str | None = None
    """World; by default that of the first run, or foveal/HighwayFast-v0."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as lanes_count=5."""
    episodes: int = 0
    """Episodes, each with a seed of its own; 0 for 1,000, or 10,000 in each setting of a suite, or 20 displays of each
    set size of a search [1]."""
    seed: int = EVALUATION_SEEDS
    """First seed [1]; those from 2147483648 on are held out from training."""
    out: Path | None = None
    """JSON file, for a single agent or a suite; by default eval.json in the folder of a run in its own world."""

    def run(self) -> None:
        """Evaluate, print and save."""
        if self.episodes != 0 and self.episodes < 2:
            raise BadInput(f"--episodes {self.episodes}: must be at least 2")
        names = (*self.agents, *self.agent)
        if self.base_url is not None and self.suite != SEARCH:
            raise BadInput(f"--base-url {self.base_url}: is for chat models, which --suite search takes")
        if self.suite is not None:
            return self._run_suite(self.suite, names)
        if not names:
            raise BadInput("eval needs an agent: a run folder, or random, idle, slowest, keep-right or idm-mobil")
        if self.out and len(names) > 1:
            raise BadInput(f"--out {self.out}: takes a single agent, not {len(names)}")
        cast = Cast(names, self.env, self.set)
        results = [cast.evaluate(name, self.episodes or 1000, checked_seed(self.seed)) for name in names]
        print_evaluations(results)
        for name, result in zip(names, results, strict=True):
            if out := self.out or cast.eval_json(name):
                with told_as(BadInput, OSError):
                    print(f"saved {result.save(out)}")

    def _run_suite(self, name: str, names: tuple[str, ...]) -> None:
        if self.env or self.set:
            raise BadInput("--suite brings its own worlds: leave out --env and --set")
        if name == SEARCH:
            return evaluate_searches(names, self.episodes or 20, checked_seed(self.seed), self.base_url, self.out)

        from foveal.agents import suites
        from foveal.agents.drivers import DRIVERS

        if self.planned < 0:
            raise BadInput(f"--planned {self.planned}: must be at least 0")
        with told_as(BadInput, ValueError):
            settings = suites.suite(name)
        agents = [(agent, agent if agent in DRIVERS else load(agent, None)) for agent in names]
        rows: list[Any] = []
        with told_as(BadInput, ValueError):
            for setting in settings:
                print(f"\n{setting.name}: {setting.env_id}, {setting.rule}")
                found = suites.run(
                    [setting],
                    agents,
                    episodes=self.episodes or 10_000,
                    planned=self.planned,
                    seed=checked_seed(self.seed),
                    told=lambda what: print(what, file=sys.stderr, flush=True),
                )
                rows.extend(own := list(found))
                print_suite(own)
        if self.out:
            with told_as(BadInput, OSError):
                print(f"saved {suites.save(self.out, name, rows)}")


@dataclass(frozen=True)
class Record:
    """Record episodes as videos, with the action, the speed and what the agent attends to drawn in."""

    subject: Annotated[str, Positional, arg(metavar="AGENT")]
    """A run folder, a checkpoint (.safetensors) or a driver (random, slowest, keep-right, idm-mobil); or a world, with
    --agent."""
    agent: str | None = None
    """The agent, where the world comes first; of foveal/ObjectNav-v0, pretrained is one that comes with the package."""
    env: str | None = None
    """World; by default that of the run, or foveal/HighwayFast-v0."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as lanes_count=5."""
    teacher: str | None = None
    """Who advises the agent: rule, planner, local (the small language model), a table of answers (.json), or a model
    such as openai:gpt-4o; the advice, its age and the attention to it are drawn in."""
    base_url: str | None = None
    """Of an OpenAI-compatible server that has the teacher's model."""
    out: Path | None = None
    """Video, .mp4 or .gif; by default video/episode.mp4 in the run's folder, or the driver's name."""
    episodes: int = 1
    """Episodes, each in a video of its own [1]."""
    seed: int = EVALUATION_SEEDS
    """Seed of the first episode [1]."""

    def run(self) -> None:
        """Record, and print the paths."""
        agent, env = self.subject, self.env
        if self.base_url is not None and self.teacher is None:
            raise BadInput(f"--base-url {self.base_url}: needs --teacher, the name of the model there")
        if self.agent is not None:
            if env is not None:
                raise BadInput(f"--env {env}: {self.subject} is the world already, where --agent names the agent")
            agent, env = self.agent, self.subject
        cast = Cast([agent], env, self.set)
        run = cast.run_folder(agent)
        out = self.out or (run / "video" / "episode.mp4" if run else Path(f"{agent}.mp4"))
        with contextlib.ExitStack() as stack:
            adviser = None
            if self.teacher is not None:
                cast.params = with_risk(cast.env_id, cast.params)
                adviser = stack.enter_context(advising(self.teacher, cast.world(), self.base_url))
            for path in cast.record(agent, out, self.episodes, checked_seed(self.seed), adviser):
                print(f"saved {path}")


class Cast:
    """Agents by name, in one world.

    Args:
        names: Drivers, run folders or checkpoints.
        env: The world; None takes that of the first run, with its parameters, or else `DEFAULT_WORLD`.
        settings: Parameters of the world as ``NAME=VALUE``.

    Raises:
        BadInput: for what does not exist, cannot be read, or does not fit the world.
    """

    def __init__(self, names: Sequence[str], env: str | None = None, settings: Sequence[str] = ()) -> None:
        from foveal.agents.drivers import DRIVERS

        self.runs = {name: load(name, env) for name in names if name not in DRIVERS}
        self.env_id, self.params = env or DEFAULT_WORLD, dict[str, Any]()
        if self.runs and env in (None, next(iter(self.runs.values())).config.env_id):
            config = next(iter(self.runs.values())).config
            self.env_id, self.params = config.env_id, dict(config.env_params)
        self.params |= world_params(self.env_id, settings)
        for name in names:
            self._try_out(name)

    def evaluate(self, name: str, episodes: int, seed: int) -> Evaluation:
        """One episode for each of `episodes` seeds from `seed` on."""
        from foveal.agents.evaluation import evaluate

        policy = self.runs.get(name, name)
        return evaluate(self.env_id, policy, episodes=episodes, seed=seed, name=name, **self.params)

    def record(
        self, name: str, path: Path, episodes: int, seed: int, adviser: Adviser | None = None
    ) -> tuple[Path, ...]:
        """Write videos, of an agent that is advised or not; their paths.

        Raises:
            BadInput: for a path that cannot be written, an unknown suffix or no episodes.
        """
        from gymnasium.vector import VectorWrapper

        from foveal.envs.advice import Advised
        from foveal.envs.recording import record

        env = self.world()  # wrapped, as it is this one that a driver may look at
        with told_as(BadInput, OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            policy = self.policy(name, env)
            if name in self.runs:
                self.runs[name].explain = True
            played = VectorWrapper(env) if adviser is None else Advised(env, adviser)
            return record(played, policy, path, episodes=episodes, seed=seed, smooth=smoothness(env)).paths

    def world(self) -> Any:
        """The world, of one traced row, which needs a reset where an episode has ended.

        Raises:
            BadInput: for parameters that only the built world can refuse.
        """
        return make_world(self.env_id, self.params, num_envs=1, autoreset_mode="disabled", trace_rows=(0,))

    def policy(self, name: str, env: BatchEnv) -> Policy:
        """The policy of this name, to act in a world of ours."""
        from foveal.agents.drivers import make_driver

        return self.runs.get(name) or make_driver(name, env)

    def run_folder(self, name: str) -> Path | None:
        """The run that an agent is from, or None for a driver and what comes with the package."""
        if name not in self.runs or name == PRETRAINED:
            return None
        return Path(name).parent.parent if name.endswith(".safetensors") else Path(name)

    def eval_json(self, name: str) -> Path | None:
        """The run's own ``eval.json``, where this is the run's own world."""
        run = self.run_folder(name)
        if run is None:
            return None
        config = self.runs[name].config
        at_home = config.env_id == self.env_id and dict(config.env_params) == self.params
        return run / "eval.json" if at_home else None

    def _try_out(self, name: str) -> None:
        """Let an agent see the world once, so that one made for another is refused before the work begins."""
        env = self.world()
        observations, _ = env.reset(seed=0)
        try:
            if name in self.runs:
                self.runs[name].check_fit(env.single_observation_space, env.single_action_space)
            self.policy(name, env)(observations)
        except ValueError as error:
            raise BadInput(f"{name} does not fit {self.env_id}: {error}") from None


def print_evaluations(results: Sequence[Evaluation]) -> None:
    """Print a table: a row for each agent, mean and 95 % interval for each metric."""
    first = results[0]
    changed = "".join(f", {name}={value}" for name, value in first.params.items())
    print(f"{first.env_id}{changed}: {first.episodes} episodes from seed {first.seed}, mean [95 % interval]")
    units = {"length": " [steps]", "success": " [%]", "collision": " [%]", "speed": " [m/s]", "reaction_time": " [s]"}
    rows = []
    for result in results:
        scales = {metric: 100 if units.get(metric) == " [%]" else 1 for metric in result.metrics}
        rows.append([result.policy])
        for metric, found in result.metrics.items():
            mean, low, high = (scales[metric] * value for value in (found.mean, found.low, found.high))
            digits = 1 if scales[metric] == 100 else 2
            rows[-1].append(f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
    print_table(["agent", *(f"{metric}{units.get(metric, '')}" for metric in first.metrics)], rows)


def print_suite(rows: Sequence[Row]) -> None:
    """Print a table: a row for each agent in a setting of a suite."""

    def told(found: Estimate, scale: float = 1.0, digits: int = 2) -> str:
        return f"{scale * found.mean:.{digits}f} [{scale * found.low:.{digits}f}, {scale * found.high:.{digits}f}]"

    print_table(
        [
            "agent", "episodes", "success [%]", "collision [%]", "finish [s]", "speed [m/s]", "least TTC [s]", "return",
            "optimality [%]",
        ],
        [
            [
                row.agent,
                str(row.episodes),
                told(row.success, 100, 1),
                told(row.collision, 100, 1),
                "" if row.finish_s is None else f"{row.finish_s:.1f}",
                told(row.speed),
                told(row.ttc_s),
                told(row.returns),
                "" if row.optimality is None else f"{row.optimality:.0f}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def smoothness(env: Any) -> int:
    """Frames a substep with which a video of a world does not jerk."""
    return math.ceil(_LEAST_FPS / env.frame_rate)


def checked_seed(seed: int) -> int:
    """The seed, where it is one.

    Raises:
        BadInput: for one out of range.
    """
    if not 0 <= seed < 2**62:
        raise BadInput(f"--seed {seed}: must be in [0, 2**62)")
    return seed
