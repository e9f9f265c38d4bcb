"""Whereabouts by a language model: in which rooms, and on what, it holds things of a kind to be.

As `foveal.llm_teacher.teacher` scores actions: how much likelier a word is to come next after a question about a thing
than after one about a thing of which nothing is known (PMI_DC; Holtzman et al., arXiv 2104.08315, eq. 3).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import numpy as np
from langchain_core.language_models import BaseChatModel
from numpy.typing import NDArray

from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.objectnav.whereabouts import Whereabouts, scaled
from foveal.llm_teacher.answer import InvalidAnswer
from foveal.llm_teacher.limits import Meter
from foveal.llm_teacher.prompts import Messages
from foveal.llm_teacher.teacher import log_likelihoods

ROOMS = ("kitchen", "bedroom", "bathroom", "living")
"""The words that are scored for rooms; a living room is known by its first."""
PLACES = {
    "counter": ("CounterTop",), "table": ("DiningTable", "CoffeeTable", "SideTable"), "desk": ("Desk",),
    "bed": ("Bed",), "sofa": ("Sofa", "ArmChair"), "shelf": ("Shelf", "ShelvingUnit"), "dresser": ("Dresser",),
    "sink": ("Sink", "SinkBasin"), "toilet": ("Toilet",), "floor": (), "wall": (),
}  # fmt: skip
"""The words that are scored for what it is on or beside, and the types of things that they stand for."""
LANDMARKS = (
    "ArmChair", "Bathtub", "Bed", "Cabinet", "Chair", "CoffeeMachine", "CoffeeTable", "CounterTop", "Desk",
    "DiningTable", "Dresser", "Fridge", "Microwave", "Shelf", "ShelvingUnit", "ShowerCurtain", "SideTable", "Sink",
    "Sofa", "StoveBurner", "TVStand", "Television", "Toilet", "Towel",
)  # fmt: skip
"""Types that can be seen from afar: what rooms they are in is asked too, and so what they promise."""
_ROOM, _ON = "In a house, the {} is usually in the", "In a house, the {} is usually on or beside the"
_NEUTRAL = "thing"


def asked(
    model: BaseChatModel, goals: Sequence[str], *, name: str, meter: Meter | None = None, likeliest: int = 20
) -> Whereabouts:
    """Ask where things of these types are.

    A landmark promises a goal as far as both are in the same room, by the model's own probabilities, and what the goal
    is said to be on or beside promises as much again.

    Args:
        model: One that tells likelihoods, see `foveal.llm_teacher.teacher.Teacher`.
        goals: Types that are looked for.
        name: Of the model, for `Whereabouts.source`.
        meter: What it may cost, and has.
        likeliest: How many of the likeliest next tokens are looked at.

    Raises:
        InvalidAnswer: where the model tells no likelihoods of the words.
        Exhausted: where the meter admits no call.
        Exception: whatever a failing call raises.
    """
    asking = _asking(model, meter or Meter(), likeliest)
    kinds = list(dict.fromkeys([*goals, *LANDMARKS]))
    rooms = dict(zip(kinds, _scores(asking, _ROOM, ROOMS, kinds), strict=True))
    weights = np.zeros((len(goals), len(TYPES)))
    for row, (goal, places) in enumerate(zip(goals, _scores(asking, _ON, list(PLACES), goals), strict=True)):
        for landmark in LANDMARKS:
            weights[row, type_id(landmark)] = rooms[goal] @ rooms[landmark] - 1 / len(ROOMS)
        for types, share in zip(PLACES.values(), places, strict=True):
            for kind in types:
                weights[row, type_id(kind)] += share
        weights[row, type_id(goal)] = 0.0
    return Whereabouts(tuple(goals), scaled(weights), name)


def words_of(kind: str) -> str:
    """A type of things in words: "baseball bat" for "BaseballBat", "tv stand" for "TVStand"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", kind).lower()


def _asking(model: BaseChatModel, meter: Meter, likeliest: int) -> Callable[[str, Sequence[str]], list[float]]:
    """Logarithms of how likely words come next after a text."""
    scores = model.bind(logprobs=True, top_logprobs=likeliest, max_tokens=1)

    def ask(text: str, words: Sequence[str]) -> list[float]:
        system = f"Where are things in a home? Say it in one word: {', '.join(words)}."
        messages: Messages = [("system", system), ("human", "Where?"), ("ai", text)]
        meter.admit()
        begin = time.monotonic()
        try:
            reply = scores.invoke(messages)
        except BaseException:
            meter.failed(time.monotonic() - begin)
            raise
        used = reply.usage_metadata
        meter.came_back(used["total_tokens"] if used else len(text) // 4, time.monotonic() - begin)
        try:
            return log_likelihoods(reply, words)
        except InvalidAnswer:
            meter.unusable()
            raise

    return ask


def _scores(
    asking: Callable[[str, Sequence[str]], list[float]], question: str, words: Sequence[str], kinds: Sequence[str]
) -> NDArray[np.float64]:
    """The probabilities (len(kinds), len(words)) that a question has each of the words for an answer."""
    prior = np.array(asking(question.format(_NEUTRAL), words))
    scores = np.array([asking(question.format(words_of(kind)), words) for kind in kinds]) - prior
    odds = np.exp(scores - scores.max(1, keepdims=True))
    probabilities: NDArray[np.float64] = odds / odds.sum(1, keepdims=True)
    return probabilities
