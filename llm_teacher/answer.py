"""An answer: how good a teacher holds each action to be; checked, since a model or a stranger's file says so."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from foveal.envs.params import did_you_mean

REPLY_LIMIT = 4000
"""Characters of a reply, from its end, in which an answer is looked for."""
REASON_LIMIT = 300
"""Characters kept of a reason."""


class InvalidAnswer(ValueError):
    """A reply or an entry that is no answer. The message says what is wrong, in one line, and quotes none of it."""


@dataclass(frozen=True)
class Answer:
    """What a teacher says of one scene.

    Attributes:
        probabilities: A of them, one per action of the world, in its order; they sum to 1.
        confidence: In [0, 1].
        reason: Text for people, at most `REASON_LIMIT` printable characters; nothing reads it.

    Raises:
        InvalidAnswer: for numbers that are none, or do not add up.
    """

    probabilities: tuple[float, ...]
    confidence: float
    reason: str = ""

    def __post_init__(self) -> None:
        values = tuple(_number(value, "a probability") for value in self.probabilities)
        if not values or min(values) < 0 or abs(sum(values) - 1) > 1e-3:
            raise InvalidAnswer("probabilities must be at least 0 and sum to 1")
        confidence = _number(self.confidence, "confidence")
        if not 0 <= confidence <= 1:
            raise InvalidAnswer("confidence must be in [0, 1]")
        if not isinstance(self.reason, str):
            raise InvalidAnswer("reason must be text")
        object.__setattr__(self, "probabilities", values)
        object.__setattr__(self, "confidence", confidence)
        object.__setattr__(self, "reason", printable(self.reason, REASON_LIMIT))

    @property
    def action(self) -> int:
        """The best action, the first of them on a tie."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)

    def to_json(self) -> dict[str, Any]:
        """As plain data, probabilities to six digits."""
        return {
            "probabilities": [round(value, 6) for value in self.probabilities],
            "confidence": round(self.confidence, 6),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Any, actions: int) -> Answer:
        """From plain data that may come from anywhere.

        Raises:
            InvalidAnswer: for anything but an answer over so many actions.
        """
        if not isinstance(data, dict) or set(data) != {"probabilities", "confidence", "reason"}:
            raise InvalidAnswer("an answer has probabilities, confidence and reason, and nothing else")
        values = data["probabilities"]
        if not isinstance(values, list) or len(values) != actions:
            raise InvalidAnswer(f"probabilities must be a list of {actions}, one per action")
        return cls(tuple(values), data["confidence"], data["reason"])


def certainty(probabilities: Sequence[float]) -> float:
    """How far a distribution is from the even one: 1 less its entropy over the largest there can be, in [0, 1]."""
    if len(probabilities) < 2:
        return 1.0
    entropy = -sum(value * math.log(value) for value in probabilities if value > 0)
    return min(max(1 - entropy / math.log(len(probabilities)), 0.0), 1.0)


def parse(reply: str, actions: Sequence[str], allowed: Sequence[str]) -> Answer:
    """The answer in a model's reply: the last JSON object in it, after any reasoning.

    It has ``"probabilities"``, an object from action to number, or ``"action"``, a name or its number from 0 on; and
    may have ``"confidence"`` and ``"reason"``. A single action with confidence c stands for c + (1 - c) / n of the
    probability, the rest being even over the n allowed ones. Actions that are not allowed get none.

    Args:
        reply: The whole reply.
        actions: A names, the world's.
        allowed: Those that are not in vain now.

    Raises:
        InvalidAnswer: where there is none, or none that holds.
    """
    objects = list(_json_objects(reply[-REPLY_LIMIT:]))
    if not objects:
        raise InvalidAnswer("there is no JSON object at the end of the reply")
    data = objects[-1]
    confidence = data.get("confidence")
    if confidence is not None:
        confidence = _number(confidence, "confidence")
        if not 0 <= confidence <= 1:
            raise InvalidAnswer("confidence must be in [0, 1]")
    if "probabilities" in data:
        weights = _weights(data["probabilities"], actions)
    elif "action" in data:
        sure = 1.0 if confidence is None else confidence
        weights = {name: (1 - sure) / len(allowed) for name in allowed}
        chosen = _action(data["action"], actions)
        weights[chosen] = weights.get(chosen, 0.0) + sure
        if chosen not in allowed:
            raise InvalidAnswer("the action is not allowed now")
    else:
        raise InvalidAnswer('the JSON object has neither "probabilities" nor "action"')
    total = sum(weights.get(name, 0.0) for name in allowed)
    if not 0 < total < math.inf:
        raise InvalidAnswer("no allowed action has any probability")
    values = [weights.get(name, 0.0) / total if name in allowed else 0.0 for name in actions]
    reason = data.get("reason", "")
    return Answer(
        tuple(values),
        certainty([value for name, value in zip(actions, values, strict=True) if name in allowed])
        if confidence is None
        else confidence,
        reason if isinstance(reason, str) else "",
    )


def printable(text: str, limit: int) -> str:
    """The text on one line, without control characters, cut to `limit` characters."""
    head = text[: 4 * limit]  # a megabyte is not worth looking through
    return " ".join("".join(letter if letter.isprintable() else " " for letter in head).split())[:limit].strip()


def _weights(data: Any, actions: Sequence[str]) -> dict[str, float]:
    if not isinstance(data, dict) or not data:
        raise InvalidAnswer("probabilities must be an object from action to number")
    weights: dict[str, float] = {}
    for name, value in data.items():
        weight = _number(value, "a probability")
        if weight < 0:
            raise InvalidAnswer("probabilities must be at least 0")
        weights[_action(name, actions)] = weight
    return weights


def _action(value: Any, actions: Sequence[str]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(actions):
        return actions[value]
    name = value.strip().upper() if isinstance(value, str) else ""
    if name not in actions:
        raise InvalidAnswer(f"unknown action{did_you_mean(name[:20], list(actions))}")
    return name


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e6:
        raise InvalidAnswer(f"{what} must be a number")
    return float(value)


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text, in its order."""
    decoder, place = json.JSONDecoder(), text.find("{")
    while place >= 0:
        try:
            found, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            yield found
        place = text.find("{", end)
