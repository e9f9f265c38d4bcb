"""The language model that teaches: ``foveal teacher serve`` and ``foveal teacher ask``."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from foveal.commands.acting import checked_seed
from foveal.commands.advising import served, teacher_of
from foveal.commands.terminal import BadInput, Failure, print_table, told_as
from foveal.commands.worlds import Settings, make_world, world_params

if TYPE_CHECKING:
    from foveal.llm_teacher.answer import Answer
    from foveal.llm_teacher.teacher import Teacher


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
class Ask:
    """Ask a language model about one scene: print the scene, the prompt, similar cases, and the answer."""

    env: Annotated[str, Positional, arg(metavar="ENV")]
    """A driving world with meta-actions, such as foveal/LeftTurn-v0."""
    model: str | None = None
    """As LangChain's init_chat_model takes it, such as openai:gpt-4o, or the name at --base-url; by default the small
    local model, which is started for this. Keys come from the environment only."""
    base_url: str | None = None
    """Of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1; its key, if any, is FOVEAL_API_KEY."""
    mode: Literal["reason", "score"] | None = None
    """Whether the model reasons and answers in JSON, or its likelihoods of the actions' words are taken; by default
    score for the local model, reason for others."""
    seed: int = 0
    """Of the episode [1]."""
    step: int = 0
    """Decisions into the episode, all of them IDLE [1]."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them), such as oncoming_density=20."""
    memory: Path | None = None
    """JSON file with cases of the past, to be told the most similar ones."""
    cache: Path | None = None
    """SQLite file in which the answer is looked for first, and kept."""
    timeout: float = 60.0
    """For each call of the model [s]."""

    def run(self) -> None:
        """Ask, and print."""
        checked_seed(self.seed)
        if not 0 <= self.step <= 10_000:
            raise BadInput(f"--step {self.step}: must be in [0, 10000]")
        if not 0 < self.timeout <= 3600:
            raise BadInput(f"--timeout {self.timeout:g}: must be in (0, 3600]")
        if self.base_url is not None and self.model is None:
            raise BadInput("--base-url needs --model: the name that the server knows it by")
        env = make_world(self.env, {**world_params(self.env, self.set), "risk": True})
        scene = self._scene(env)
        with served(self.model, self.base_url, self.timeout) as (model, name):
            memory = None
            if self.memory is not None:
                from foveal.llm_teacher.memory import Memory

                with told_as(BadInput, ValueError, OSError):
                    memory = Memory()
                    memory.load(self.memory)
            teacher = teacher_of(env, model, name, self.mode, memory)
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

        if "IDLE" not in env.action_names:
            raise BadInput(f"{self.env}: the teacher needs a world with meta-actions")
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


def _asked(teacher: Teacher, scene: Any) -> Answer | None:
    """The answer of the model.

    Raises:
        Failure: where it cannot be reached, or refuses; the error's own message might quote a key, so it is not told.
    """
    try:
        return teacher.ask(scene)
    except Exception as error:
        status = getattr(error, "status_code", None)
        raise Failure(f"the model did not reply: {type(error).__name__}{f' {status}' if status else ''}") from None


def _ask_line(url: str, model: str) -> str:
    return f"foveal teacher ask foveal/LeftTurn-v0 --base-url {url} --model {model} --mode score"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
