"""Teachers by name: whose advice an agent learns from, or is shown with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foveal.commands.terminal import BadInput, Failure, told_as
from foveal.envs.params import did_you_mean

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from foveal.envs.advice import Adviser
    from foveal.llm_teacher.teacher import Teacher

LIKELIEST = 300  # next tokens of the local model that are looked at


@contextlib.contextmanager
def served(name: str | None, base_url: str | None, timeout_s: float) -> Iterator[tuple[BaseChatModel, str]]:
    """A chat model and its name; without a name the small local one, which is served meanwhile.

    Raises:
        BadInput: for a model that is not to be had.
        Failure: where the local one does not start.
    """
    from foveal.llm_teacher import serve

    try:
        from foveal.llm_teacher.models import chat_model
    except ImportError:
        raise BadInput("the teacher needs LangChain's model; pip install 'foveal[llm]'") from None
    with contextlib.ExitStack() as stack:
        with told_as(BadInput, ValueError, ImportError):
            if name is None:
                with told_as(Failure, RuntimeError):
                    base_url = stack.enter_context(serve.LocalServer()).url
            model = chat_model(name or serve.MODEL, base_url=base_url, timeout_s=timeout_s)
        yield model, name or serve.MODEL


def teacher_of(
    env: Any,
    model: BaseChatModel | None,
    name: str,
    mode: Literal["reason", "score", "vote"] | None = None,
    **options: Any,
) -> Teacher:
    """A teacher for a world; the small local model is asked for likelihoods, others for reasons, unless `mode` says so.

    Raises:
        BadInput: for a world that it cannot teach in.
    """
    from foveal.llm_teacher.serve import MODEL
    from foveal.llm_teacher.teacher import Teacher

    local = name == MODEL
    with told_as(BadInput, ValueError):
        return Teacher(
            model,
            env,
            name=name,
            mode=mode or ("score" if local else "reason"),
            likeliest=LIKELIEST if local else 20,
            **options,
        )


@contextlib.contextmanager
def advising(name: str, env: Any, base_url: str | None = None) -> Iterator[Adviser]:
    """The adviser of this name, while it is needed.

    Args:
        name: "rule", "planner", the path of a table of answers (.json), "local" for the small local model, or a model
            as LangChain's init_chat_model takes it.
        env: A world like the one to advise on, made with ``risk=True`` for all but the planner.
        base_url: Of an OpenAI-compatible server that has the model.

    Raises:
        BadInput: for what is not there, or does not fit the world.
    """
    from foveal.agents.advisers import Planned
    from foveal.llm_teacher.cache import Table
    from foveal.llm_teacher.heuristics import RuleTeacher
    from foveal.llm_teacher.schedule import Asking

    with contextlib.ExitStack() as stack:
        with told_as(BadInput, ValueError, OSError):
            if name == "rule":
                adviser: Adviser = RuleTeacher(env)
            elif name == "planner":
                adviser = Planned()
            elif name.endswith(".json"):
                adviser = Asking(env, table=Table.load(Path(name)))
            elif name == "local" or ":" in name or base_url is not None:
                model, known = stack.enter_context(served(None if name == "local" else name, base_url, 60.0))
                adviser = Asking(env, teacher_of(env, model, known), fallback=RuleTeacher(env))
            else:
                near = did_you_mean(name, ["rule", "planner", "local"])
                raise BadInput(f"--teacher {name}: no table (.json) and no model (provider:name){near}")
        yield adviser
