"""What a teacher may cost, what it has cost, and a breaker that opens when its model keeps failing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, fields


class Exhausted(RuntimeError):
    """A limit is reached: the model may not be called any more, or not now. The message names the limit."""


@dataclass(frozen=True)
class Limits:
    """What a teacher may cost in one run.

    Attributes:
        calls: Of the model.
        tokens: Of prompts and replies together.
        seconds: Spent waiting for the model, summed over threads.
        failures: Calls that fail one after another, upon which the breaker opens.
        pause_s: After which an open breaker lets a single call pass, to try again; s.

    Raises:
        ValueError: for one that is not positive.
    """

    calls: int = 100_000
    tokens: int = 100_000_000
    seconds: float = 36_000.0
    failures: int = 3
    pause_s: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)}: must be above 0")


class Meter:
    """Counts what a teacher costs, and stops it at its limits. Any thread may call it.

    A breaker that is open refuses calls; after a pause one call is let pass, which closes it if it comes back. A limit
    that is used up refuses calls for good.

    Args:
        limits: What it may cost.

    Attributes:
        calls: Of the model, those under way among them.
        tokens: Of prompts and replies.
        seconds: Spent waiting.
        failures: Calls that brought no reply.
        invalid: Replies that were no answer.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.calls = self.tokens = self.failures = self.invalid = 0
        self.seconds = 0.0
        self._in_a_row = 0
        self._closed_at = 0.0  # s, by `time.monotonic`: when an open breaker lets a call pass
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether calls are refused now: the breaker is open, or a limit is used up."""
        with self._lock:
            return bool(self._refusal())

    def admit(self) -> None:
        """Take a call into account before it is made.

        Raises:
            Exhausted: where it may not be made.
        """
        with self._lock:
            if refusal := self._refusal():
                raise Exhausted(refusal)
            if self._in_a_row >= self.limits.failures:  # the one that tries
                self._closed_at = time.monotonic() + self.limits.pause_s
            self.calls += 1

    def came_back(self, tokens: int, seconds: float) -> None:
        """Take into account that a call brought a reply, of whatever worth."""
        with self._lock:
            self.tokens += tokens
            self.seconds += seconds
            self._in_a_row = 0

    def unusable(self) -> None:
        """Take into account that a reply was no answer."""
        with self._lock:
            self.invalid += 1

    def failed(self, seconds: float) -> None:
        """Take into account that a call brought none."""
        with self._lock:
            self.failures += 1
            self.seconds += seconds
            self._in_a_row += 1
            if self._in_a_row >= self.limits.failures:
                self._closed_at = time.monotonic() + self.limits.pause_s

    def _refusal(self) -> str:
        for name in ("calls", "tokens", "seconds"):
            if getattr(self, name) >= getattr(self.limits, name):
                return f"the limit of {getattr(self.limits, name):g} {name} is used up"
        if self._in_a_row >= self.limits.failures and time.monotonic() < self._closed_at:
            return f"{self._in_a_row} calls failed one after another"
        return ""
