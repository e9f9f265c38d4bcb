"""The teacher: a scene becomes a prompt, a chat model replies, and what leaves is a checked answer or none."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda

from foveal.envs.batch import BatchEnv
from foveal.envs.scene import Scene
from foveal.llm_teacher.answer import Answer, InvalidAnswer, certainty, parse
from foveal.llm_teacher.heuristics import HEURISTICS
from foveal.llm_teacher.limits import Meter
from foveal.llm_teacher.memory import Memory, Recalled, vote
from foveal.llm_teacher.prompts import (
    MEANINGS,
    Messages,
    Question,
    allowed_actions,
    neutral,
    reasoning,
    scoring,
    task_of,
    without_risk,
)
from foveal.llm_teacher.risk import to_numbers, to_text

Mode = Literal["reason", "score", "vote"]


class Teacher:
    """Asks a chat model about scenes of one world.

    In mode ``reason`` the model thinks aloud and ends with JSON; a reply that cannot be used gets one more try. In mode
    ``score``, for models too small for that, nothing is generated: an action's score is how much likelier its word is
    to come next after this scene than after one of which nothing is known, PMI_DC of Holtzman et al. (arXiv
    2104.08315, eq. 3); probabilities are the softmax of the scores. In mode ``vote`` no model is asked: similar cases
    of the memory vote (`foveal.llm_teacher.memory.vote`), which is what a model that reads them has to beat.

    Args:
        model: A LangChain chat model, see `chat_model`; for ``score`` one that tells likelihoods, as OpenAI's and
            llama.cpp's do; None for ``vote``.
        env: The world, made with ``risk=True``, with meta-actions.
        name: Of the model, in caches.
        mode: How it is asked.
        memory: Similar scenes to show; None shows none. What is added to it later is shown too, yet `source` stays.
        recalled: How many of them.
        heuristics: Whether to tell it the rules.
        risk: Whether to tell it times to collision and to conflict points.
        meter: What it may cost, and has.
        likeliest: How many of the likeliest next tokens are looked at; OpenAI gives no more than 20.

    Attributes:
        source: What an answer depends on besides the scene: the model, the mode, and a hash of prompt and memory.
        runnable: The LangChain runnable from ``{"question": Question}`` to `Answer`.

    Raises:
        ValueError: for a world without risk or meta-actions, or a model, or memory, that the mode needs and has not.
    """

    def __init__(
        self,
        model: BaseChatModel | None,
        env: BatchEnv,
        *,
        name: str,
        mode: Mode = "reason",
        memory: Memory | None = None,
        recalled: int = 3,
        heuristics: bool = True,
        risk: bool = True,
        meter: Meter | None = None,
        likeliest: int = 20,
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode={mode!r}: must be {', '.join(map(repr, get_args(Mode)))}")
        if (memory if mode == "vote" else model) is None:
            raise ValueError(f"mode={mode!r} needs a {'memory' if mode == 'vote' else 'model'}")
        if not getattr(env.unwrapped.params, "risk", False):
            raise ValueError("the teacher reads risk: make the world with risk=True")
        self.actions = env.unwrapped.action_names
        allowed_actions(0, self.actions)
        self.mode, self.memory, self.recalled, self.risk = mode, memory, recalled, risk
        self.meter = meter or Meter()
        self._task = task_of(type(env.unwrapped).__name__)
        self._rules = tuple(rule.text for rule in HEURISTICS) if heuristics else ()
        self._priors: dict[str, list[float]] = {}
        if model is not None:
            asked = model.bind(logprobs=True, top_logprobs=likeliest, max_tokens=1) if mode == "score" else model
            self._model: Runnable[Any, Any] = RunnableLambda(partial(self._call, asked))
        if mode == "vote":
            self.runnable: Runnable[Any, Any] = RunnableLambda(self._vote)
        elif mode == "reason":
            once = RunnableLambda(self._reason)
            self.runnable = once.with_fallbacks([once], exceptions_to_handle=(InvalidAnswer,), exception_key="fault")
        else:
            self.runnable = RunnableLambda(self._score)
        self.source = f"{name} {mode} {self._fingerprint()}"

    def question(self, scene: Scene) -> Question:
        """What is asked about a scene: its text, the rules, and similar cases."""
        assert scene.risk is not None
        allowed = allowed_actions(scene.risk.key, self.actions)
        text = to_text(scene, allowed)
        found = self.memory.recall(text, to_numbers(scene), self.recalled) if self.memory else []
        found.reverse()
        cases = [one.case for one in found]
        if not self.risk:
            text, cases = without_risk(text), [replace(case, text=without_risk(case.text)) for case in cases]
        return Question(
            text, self.actions, allowed, self._task, self._rules, tuple(cases), tuple(one.similarity for one in found)
        )

    def prompt(self, question: Question) -> Messages:
        """The messages that are sent for a question; none where nobody is asked."""
        prompts = {"reason": reasoning, "score": scoring}
        return prompts[self.mode](question) if self.mode in prompts else []

    def ask(self, scene: Scene) -> Answer | None:
        """Ask about a scene, and wait for the answer.

        Returns:
            The answer, or None where the model gave none that can be used.

        Raises:
            Exhausted: where the meter admits no call.
            Exception: whatever a failing call raises.
        """
        from langsmith import tracing_context

        with tracing_context(enabled=False):  # else an environment variable sends every prompt to a third party
            try:
                answer: Answer = self.runnable.invoke({"question": self.question(scene)})
            except InvalidAnswer:
                return None
        return answer

    def _reason(self, asked: dict[str, Any]) -> Answer:
        """Prompt, model, parser; `asked` has the fault of the first reply where there was one."""
        question = asked["question"]
        prompt = RunnableLambda(partial(reasoning, fault=str(asked.get("fault", ""))))
        parser = RunnableLambda(self._read(lambda reply: parse(str(reply.text), question.actions, question.allowed)))
        answer: Answer = (prompt | self._model | parser).invoke(question)
        return answer

    def _score(self, asked: dict[str, Any]) -> Answer:
        """Likelihoods of the words for the actions, less those after a scene of which nothing is known."""
        question = asked["question"]
        words = [MEANINGS[name][0] for name in question.actions]
        parser = RunnableLambda(self._read(lambda reply: log_likelihoods(reply, words)))
        chain = RunnableLambda(scoring) | self._model | parser
        prior = self._priors.get(key := _digest(scoring(neutral(question))))
        if prior is None:
            prior = self._priors[key] = chain.invoke(neutral(question))
        scores = [now - before for now, before in zip(chain.invoke(question), prior, strict=True)]
        best = max(scores[place] for place, name in enumerate(question.actions) if name in question.allowed)
        values = [math.exp(min(0.0, score - best)) for score in scores]
        told = ", ".join(f"{word} {score:+.2f}" for word, score in zip(words, scores, strict=True))
        return _among(question, values, f"log-likelihoods less their priors: {told}")

    def _vote(self, asked: dict[str, Any]) -> Answer:
        """What the cases recalled say, without a model."""
        question = asked["question"]
        found = [Recalled(*one) for one in zip(question.cases, question.similarities, strict=True)]
        if not found:
            raise InvalidAnswer("nothing is recalled")
        told = f"{len(found)} cases, the nearest {found[-1].case.action} with {found[-1].case.outcome}"
        return _among(question, vote(found, question.actions).tolist(), told)

    def _read(self, read: Callable[[AIMessage], Any]) -> Callable[[AIMessage], Any]:
        """The same, with what cannot be read on the meter."""

        def metered(reply: AIMessage) -> Any:
            try:
                return read(reply)
            except InvalidAnswer:
                self.meter.unusable()
                raise

        return metered

    def _call(self, model: Runnable[Any, Any], messages: Messages) -> AIMessage:
        """Call the model, on the meter."""
        self.meter.admit()
        begin = time.monotonic()
        try:
            reply = model.invoke(messages)
        except BaseException:
            self.meter.failed(time.monotonic() - begin)
            raise
        used = reply.usage_metadata
        told = sum(len(text) for _, text in messages) // 4  # about four characters a token, where the model is silent
        self.meter.came_back(used["total_tokens"] if used else told, time.monotonic() - begin)
        return reply

    def _fingerprint(self) -> str:
        """A hash of all that is the same in every prompt, and of the memory."""
        probe = Question("", self.actions, self.actions, self._task, self._rules)
        parts = [
            self.prompt(probe),
            self.risk,
            self.recalled,
            [asdict(c) for c in self.memory.cases] if self.memory else [],
        ]
        return _digest(parts)[:12]


def _among(question: Question, odds: Sequence[float], reason: str) -> Answer:
    """An answer with such odds (A,) of the allowed actions and none of the others, as sure as they are uneven."""
    odds = [value if name in question.allowed else 0.0 for name, value in zip(question.actions, odds, strict=True)]
    if not (total := sum(odds)) > 0:
        raise InvalidAnswer("no allowed action has any likelihood")
    values = [value / total for value in odds]
    counted = [value for name, value in zip(question.actions, values, strict=True) if name in question.allowed]
    return Answer(tuple(values), certainty(counted), reason)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()


def log_likelihoods(reply: AIMessage, words: Sequence[str]) -> list[float]:
    """How likely each word was to come next, from the likeliest tokens that came with a reply.

    A token counts for the word that it begins, if it begins only one. A word that no token begins is at most as likely
    as the last one told, and is taken to be so.

    Args:
        reply: Of a model that tells likelihoods.
        words: W of them, in lower case.

    Returns:
        W natural logarithms.

    Raises:
        InvalidAnswer: where the model told no likelihoods, or none of the words.
    """
    try:
        told = reply.response_metadata["logprobs"]["content"][0]["top_logprobs"]
        tokens = [(str(one["token"]).strip().lower(), float(one["logprob"])) for one in told]
    except (KeyError, IndexError, TypeError, ValueError):
        raise InvalidAnswer("the model tells no likelihoods of its words") from None
    found: dict[str, float] = {}
    for token, logarithm in tokens:
        begun = [word for word in words if token and word.startswith(token)]
        if len(begun) == 1 and logarithm <= 0:
            found[begun[0]] = found.get(begun[0], 0.0) + math.exp(logarithm)
    if not found:
        raise InvalidAnswer("none of the words is among the likeliest")
    least = max(min(logarithm for _, logarithm in tokens), -100.0)
    return [math.log(min(found[word], 1.0)) if found.get(word, 0.0) > 0 else least for word in words]
