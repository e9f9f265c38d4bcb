"""The language model that teaches: ``foveal teacher serve``, ``ask`` and ``table``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from foveal.commands.acting import checked_seed
from foveal.commands.advising import LIKELIEST, served, teacher_of
from foveal.commands.terminal import BadInput, Failure, print_table, told_as
from foveal.commands.worlds import Settings, make_world, world_params

if TYPE_CHECKING:
    from foveal.envs.objectnav.whereabouts import Whereabouts
    from foveal.llm_teacher.answer import Answer
    from foveal.llm_teacher.teacher import Teacher

VOTERS = 9
"""Cases that vote."""


@dataclass(frozen=True)
class Serve:
    """Serve a small language model on this machine, at an OpenAI-compatible address, until Ctrl-C."""

    port: int = 8080
    """On 127.0.0.1; 0 takes a free one [1]."""
    threads: int = 1
    """For the model [1]."""

    def run(self) -> None:
        """Serve, and say where."""
        from foveal.llm_teacher import serve

        if not 0 <= self.port < 65536:
            raise BadInput(f"--port {self.port}: must be in [0, 65535]")
        if not 1 <= self.threads <= 256:
            raise BadInput(f"--threads {self.threads}: must be in [1, 256]")
        with contextlib.ExitStack() as stack:
            with told_as(BadInput, ImportError), told_as(Failure, RuntimeError):
                server = stack.enter_context(serve.LocalServer(self.port, threads=self.threads))
            print(f"{serve.MODEL} at {server.url}\nask it: {_ask_line(server.url, serve.MODEL)}", flush=True)
            server.process.wait()
            raise Failure("the server has ended")


@dataclass(frozen=True)
class _Asks:
    """What both commands that ask a model share."""

    env: Annotated[str, Positional, arg(metavar="ENV")]
    """A driving world with meta-actions, such as foveal/LeftTurn-v0."""
    model: str | None = None
    """As LangChain's init_chat_model takes it, such as openai:gpt-4o, or the name at --base-url; by default the small
    local model, which is started for this. Keys come from the environment only."""
    base_url: str | None = None
    """Of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1; its key, if any, is FOVEAL_API_KEY."""
    mode: Literal["reason", "score", "vote"] | None = None
    """Whether the model reasons and answers in JSON, or its likelihoods of the actions' words are taken, or no model is
    asked and similar cases of --memory vote; by default score for the local model, reason for others."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as oncoming_density=20."""
    heuristics: bool = True
    """Whether the model is told the rules of driving."""
    risk: bool = True
    """Whether it is told times to collision and to conflict points."""
    memory: Path | None = None
    """JSON file with cases of the past (`foveal teacher remember`), to be told the most similar ones."""
    timeout: float = 60.0
    """For each call of the model [s]."""
    seed: int = 0
    """Of the episode, or the first of them [1]."""

    def _world(self, rows: int) -> Any:
        """The world, once what is shared is checked."""
        checked_seed(self.seed)
        _check_address(self.model, self.base_url, self.timeout)
        if self.mode == "vote" and (self.memory is None or self.model is not None):
            raise BadInput("--mode vote needs --memory, and no --model")
        return _world(self.env, self.set, rows)

    @contextlib.contextmanager
    def _teacher(self, env: Any) -> Iterator[Teacher]:
        """The teacher that the options ask for, while it is needed."""
        from foveal.llm_teacher.memory import Memory

        memory = None
        with told_as(BadInput, ValueError, OSError):
            if self.memory is not None:
                memory = Memory()
                memory.load(self.memory)
        options: dict[str, Any] = {"memory": memory, "heuristics": self.heuristics, "risk": self.risk}
        if self.mode == "vote":
            yield teacher_of(env, None, "memory", "vote", recalled=VOTERS, **options)
            return
        with served(self.model, self.base_url, self.timeout) as (model, name):
            yield teacher_of(env, model, name, self.mode, **options)


@dataclass(frozen=True)
class Ask(_Asks):
    """Ask a language model about one scene: print the scene, the prompt, similar cases, and the answer."""

    step: int = 0
    """Decisions into the episode, all of them IDLE [1]."""
    cache: Path | None = None
    """SQLite file in which the answer is looked for first, and kept."""

    def run(self) -> None:
        """Ask, and print."""
        if not 0 <= self.step <= 10_000:
            raise BadInput(f"--step {self.step}: must be in [0, 10000]")
        env = self._world(1)
        scene = self._scene(env)
        with self._teacher(env) as teacher:
            question = teacher.question(scene)
            print(f"scene (key {scene.risk.key:016x})\n{_indented(question.scene)}")
            for number, case in enumerate(reversed(question.cases), 1):
                print(f"similar case {number}: {case.action}, {case.outcome}\n{_indented(case.text)}")
            for role, text in teacher.prompt(question):
                print(f"prompt, {role}\n{_indented(text)}")
            answer, whence = self._answer(env, teacher, scene)
        self._print(teacher, answer, whence)

    def _scene(self, env: Any) -> Any:
        """The scene to ask about."""
        import numpy as np

        env.reset(seed=self.seed)
        for step in range(self.step):
            *_, terminated, truncated, _ = env.step(np.array([env.action_names.index("IDLE")]))
            if terminated[0] or truncated[0]:
                raise BadInput(f"--step {self.step}: the episode ends after {step + 1}")
        return env.describe([0])[0]

    def _answer(self, env: Any, teacher: Teacher, scene: Any) -> tuple[Answer | None, str]:
        """The answer, and where it is from."""
        from foveal.llm_teacher.cache import Cache

        if self.cache is None:
            return _asked(teacher, scene), "the model"
        with told_as(BadInput, ValueError, OSError):
            cache = Cache(self.cache)
            table = cache.table(teacher.source, type(env).__name__, env.action_names)
        if (known := cache.get(table, scene.risk.key)) is not None:
            return known[0], f"{self.cache}"
        answer = _asked(teacher, scene)
        cache.put(table, {scene.risk.key: answer})
        return answer, "the model"

    def _print(self, teacher: Teacher, answer: Answer | None, whence: str) -> None:
        meter = teacher.meter
        cost = f"{meter.calls} calls, {meter.tokens} tokens, {meter.seconds:.2f} s"
        print(f"answer of {teacher.source}, from {whence}: {cost}")
        if answer is None:
            print("  none: it said nothing that can be used")
            return
        print_table(["action", "probability"], [
            [name, f"{value:.3f}"] for name, value in zip(teacher.actions, answer.probabilities, strict=True)
        ])  # fmt: skip
        print(f"confidence {answer.confidence:.2f}; {answer.reason or 'no reason given'}")


@dataclass(frozen=True)
class Tabulate(_Asks):
    """Ask a language model about the scenes that are met most, and save its answers as a table that replaces it."""

    out: Path = Path("advice.json")
    """JSON file of the table; beside it, .db, the answers are kept as they come: the same command goes on."""
    decisions: int = 100_000
    """Of a drive at random and by the rule teacher, in which scenes are met [1]."""
    scenes: int = 1000
    """Of them, those met most, are asked about [1]."""
    minutes: float = 10.0
    """Begin no question later than this [min]."""

    def run(self) -> None:
        """Meet scenes, ask, and save."""
        from foveal.llm_teacher.cache import Cache

        for name, most in (("decisions", 100_000_000), ("scenes", 1_000_000), ("minutes", 100_000)):
            if not 0 < getattr(self, name) <= most:
                raise BadInput(f"--{name} {getattr(self, name):g}: must be above 0 and at most {most}")
        if self.out.suffix != ".json":
            raise BadInput(f"--out {self.out}: must end in .json")
        env = self._world(64)
        with self._teacher(env) as teacher:
            from foveal.llm_teacher.tables import coverage, fill, meet

            with told_as(BadInput, ValueError, OSError):
                cache = Cache(self.out.with_suffix(".db"))
                table = cache.table(teacher.source, type(env).__name__, env.action_names)
            met = meet(env, steps=-(-self.decisions // env.num_envs), seed=self.seed)
            print(f"{len(met)} scenes met in {sum(one.times for one in met)} decisions", flush=True)
            try:
                asked = fill(table, teacher, met[: self.scenes], cache, seconds=60 * self.minutes)
            except Exception as error:
                raise Failure(f"{_fault(error)}; the answers so far are in {cache.path}") from None
        with told_as(Failure, OSError):
            table.save(self.out)
        share = coverage(table, met)
        print(f"{asked} asked now, {len(table.answers)} known of {teacher.source}: {share:.1%} of the decisions")
        print(f"saved {self.out}")


@dataclass(frozen=True)
class Remember:
    """Drive, and save what was done in which scenes and what came of it, as a memory for the teacher."""

    env: Annotated[str, Positional, arg(metavar="ENV")]
    """A driving world with meta-actions, such as foveal/LeftTurn-v0."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as oncoming_density=20."""
    episodes: int = 200
    """Of a drive at random and by the rule teacher [1]."""
    seed: int = 0
    """Of the first episode [1]."""
    out: Path = Path("memory.json")
    """JSON file; the cases that are already in it stay."""

    def run(self) -> None:
        """Drive, and save."""
        from foveal.llm_teacher.memory import Memory
        from foveal.llm_teacher.practice import remember

        checked_seed(self.seed)
        if not 0 < self.episodes <= 100_000:
            raise BadInput(f"--episodes {self.episodes}: must be in [1, 100000]")
        env, memory = _world(self.env, self.set, 16), Memory()
        with told_as(BadInput, ValueError, OSError):
            if self.out.exists():
                memory.load(self.out)
            came = remember(env, memory, episodes=self.episodes, seed=self.seed)
        with told_as(Failure, OSError):
            memory.save(self.out)
        told = ", ".join(f"{count} {outcome}" for outcome, count in came.items())
        print(f"{told}: {len(memory.cases)} cases\nsaved {self.out}")


@dataclass(frozen=True)
class Find:
    """Say where things tend to be, as a prior for who looks for them: counted in houses, or told by a model."""

    model: str | None = None
    """As in `foveal teacher ask`; by default the small local model, which is started for this."""
    base_url: str | None = None
    """Of an OpenAI-compatible server."""
    counts: bool = False
    """Whether to count in houses instead of asking: in AI2-THOR's 80 training rooms and 400 procedural houses."""
    timeout: float = 60.0
    """For each call of the model [s]."""
    out: Path = Path("whereabouts.json")
    """JSON file."""

    def run(self) -> None:
        """Count or ask, and save."""
        from foveal.envs.objectnav.params import HABITAT_2022
        from foveal.envs.objectnav.types import TYPES

        if self.counts and (self.model or self.base_url):
            raise BadInput("--counts asks nobody: leave out --model and --base-url")
        _check_address(self.model, self.base_url, self.timeout)
        found = _counted(HABITAT_2022) if self.counts else self._asked(HABITAT_2022)
        with told_as(Failure, OSError):
            found.save(self.out)
        print_table(["goal", "most promising"], [
            [goal, ", ".join(TYPES[n] for n in row.argsort()[::-1][:5] if row[n] > 0)]
            for goal, row in zip(found.goals, found.weights, strict=True)
        ])  # fmt: skip
        print(f"saved {self.out}")

    def _asked(self, goals: tuple[str, ...]) -> Whereabouts:
        from foveal.llm_teacher.serve import MODEL

        with served(self.model, self.base_url, self.timeout) as (model, name):
            from foveal.llm_teacher.whereabouts import asked

            try:
                return asked(model, goals, name=name, likeliest=LIKELIEST if name == MODEL else 20)
            except Exception as error:
                raise Failure(_fault(error)) from None


def _counted(goals: tuple[str, ...]) -> Whereabouts:
    from foveal.envs.objectnav.scenes.sources import houses_of
    from foveal.envs.objectnav.whereabouts import counted

    houses = (*houses_of("ithor", "train"), *houses_of("procedural", "train", 400))
    return counted(houses, goals, source="counted in AI2-THOR's 80 training rooms and 400 procedural houses")


def _check_address(model: str | None, base_url: str | None, timeout_s: float) -> None:
    """Raise BadInput for a model's address without its name, or a timeout that is none."""
    if not 0 < timeout_s <= 3600:
        raise BadInput(f"--timeout {timeout_s:g}: must be in (0, 3600]")
    if base_url is not None and model is None:
        raise BadInput("--base-url needs --model: the name that the server knows it by")


def _world(env_id: str, settings: Settings, rows: int) -> Any:
    """A world that a teacher can read.

    Raises:
        BadInput: for one that it cannot.
    """
    params = world_params(env_id, settings)
    with contextlib.suppress(BadInput):
        params |= world_params(env_id, ["risk=true"])
    env = make_world(env_id, params, num_envs=rows)
    if "risk" not in params or "IDLE" not in env.action_names:
        raise BadInput(f"{env_id}: the teacher needs a driving world with meta-actions")
    return env


def _asked(teacher: Teacher, scene: Any) -> Answer | None:
    """The answer of the model.

    Raises:
        Failure: where it cannot be reached, or refuses.
    """
    try:
        return teacher.ask(scene)
    except Exception as error:
        raise Failure(_fault(error)) from None


def _fault(error: Exception) -> str:
    """What went wrong, without the error's own message, which might quote a key."""
    status = getattr(error, "status_code", None)
    return f"the model did not reply: {type(error).__name__}{f' {status}' if status else ''}"


def _ask_line(url: str, model: str) -> str:
    return f"foveal teacher ask foveal/LeftTurn-v0 --base-url {url} --model {model} --mode score"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
