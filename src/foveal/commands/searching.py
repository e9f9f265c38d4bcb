"""``foveal eval --suite search``: how like a human's are an agent's searches?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.commands.advising import served
from foveal.commands.agents import load
from foveal.commands.terminal import BadInput, Failure, print_table, told_as

if TYPE_CHECKING:
    from foveal.agents.search_suite import Score, Timed

SEARCH = "search"
_CHAT = "chat:"
_TIMEOUT_S = 60.0  # of a question to a chat model


def evaluate_searches(names: Sequence[str], displays: int, seed: int, base_url: str | None, out: Path | None) -> None:
    """Let agents search, and print and save how like humans they do.

    Raises:
        BadInput: for an unknown agent, or one that fits none of the searches.
        Failure: where a chat model does not answer.
    """
    from foveal.agents import search_suite

    if not names:
        raise BadInput(f"--suite {SEARCH} needs an agent, such as {', '.join(search_suite.NAMES[:4])}, or a run folder")
    scores = []
    with contextlib.ExitStack() as stack:
        timed = {name: _timed(name, base_url, stack) for name in names}
        for name, one in timed.items():
            with told_as(BadInput, ValueError), told_as(Failure, RuntimeError):
                scores.append(search_suite.score(name, one, displays=displays, seed=seed, told=_tell))
    print_scores(scores)
    if out:
        with told_as(BadInput, OSError):
            print(f"saved {search_suite.save(out, scores)}")


def print_scores(scores: Sequence[Score]) -> None:
    """Print two tables: the slopes beside those of humans, and what they say together."""
    from foveal.agents.search_suite import HELD_OUT, SEARCHES
    from foveal.vision.gaze.humans import HUMANS

    def slope(one: Score, name: str) -> str:
        return f"{one.slopes[name][0]:.1f}" if name in one.slopes else "-"

    def told(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    humans = {name: f"{HUMANS[name].slope:.1f}" if name in HUMANS else "" for name in SEARCHES}
    print("\nslopes of reaction time over set size [ms/item]")
    print_table(
        ["search", "humans", *(one.agent for one in scores)],
        [[name, humans[name], *(slope(one, name) for one in scores)] for name in SEARCHES],
    )
    print("\nbeside humans; held out are the pairs on which no rule of ours was tuned")
    rows = []
    for one in scores:
        (right, surely), every, held_out = one.signs(), one.likeness(), one.likeness(HELD_OUT)
        found = sum(one.found.values()) / len(one.found)
        rows.append([one.agent, *(told(agreed and value) for agreed, value in (
            (held_out, held_out and held_out.linear), (every, every and every.linear), (every, every and every.rank),
        )), f"{right} of {len(HELD_OUT)}", f"{surely}", f"{100 * found:.1f}"])  # fmt: skip
    print_table(["agent", "score: held-out r", "r", "rank r", "signs right", "surely", "found [%]"], rows)
    for one in scores:
        if one.left_out:
            print(f"{one.agent} does not fit {', '.join(one.left_out)}")


def _timed(name: str, base_url: str | None, stack: contextlib.ExitStack) -> Timed:
    from foveal.agents import search_suite
    from foveal.agents.chat_searcher import by_chat

    if name.startswith(_CHAT):
        model, _ = stack.enter_context(served(name.removeprefix(_CHAT), base_url, _TIMEOUT_S))
        return search_suite.by_searcher(by_chat(model))
    if base_url is not None:
        raise BadInput(f"--base-url {base_url}: is for chat models, such as {_CHAT}gpt-4o, not for {name}")
    if Path(name).exists():
        agent = load(name, None)
        if agent.config.env_id != search_suite.WORLD:
            raise BadInput(f"{name}: has learnt in {agent.config.env_id}, not in {search_suite.WORLD}")
        return search_suite.by_agent(agent, agent.config.env_params)
    with told_as(BadInput, ValueError):
        return search_suite.searcher_named(name)


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
