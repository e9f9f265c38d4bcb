"""When a teacher is asked, and how its answers reach a world that does not wait for them."""

from __future__ import annotations

import math
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foveal.envs.advice import Advice, Adviser
from foveal.envs.batch import BatchEnv
from foveal.envs.driving.risk import TTC, TTC_2D, TTCP, TTCP_DIFFERENCE, TTCP_OTHER
from foveal.envs.scene import Scene
from foveal.llm_teacher.answer import Answer
from foveal.llm_teacher.cache import Cache, Table

if TYPE_CHECKING:
    from foveal.llm_teacher.teacher import Teacher

QUEUE = 64
"""Questions that wait for the model; while there are so many, no more are put."""


@dataclass(frozen=True)
class Schedule:
    """When a row asks: wherever one of the first four says so.

    Attributes:
        every: Decisions of an episode from one asking to the next, the first one's scene among those asked about; 0:
            not by the clock.
        risk_s: Asks where a collision is nearer than this, or where the first of two is at a conflict point within it
            and the second passes within it after the first; s; 0: never.
        entropy: Asks where the entropy of the student's last decision is above this share of the largest there can be;
            0: never.
        chance: Of a row at a step, by lot: the control to the others; 0: none.
        until: Decisions of all rows together, after which nobody asks any more; 0: no end.
        hold: Decisions for which an answer is advice; older ones are none.

    Raises:
        ValueError: for a value out of range; it names the field.
    """

    every: int = 5
    risk_s: float = 0.0
    entropy: float = 0.0
    chance: float = 0.0
    until: int = 0
    hold: int = 10

    def __post_init__(self) -> None:
        for name in ("every", "risk_s", "entropy", "chance", "until"):
            top = 1.0 if name in ("entropy", "chance") else math.inf
            if not 0 <= getattr(self, name) <= top:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 0" + (" and at most 1" * (top == 1)))
        if self.hold < 1:
            raise ValueError(f"hold={self.hold}: must be at least 1")

    def asks(
        self,
        begun: NDArray[np.int64],
        risk: NDArray[np.float32],
        drawn: NDArray[np.float64],
        *,
        decisions: int = 0,
        unsure: NDArray[np.float32] | None = None,
    ) -> NDArray[np.bool_]:
        """Which rows ask now (N,).

        Args:
            begun: (N,), decisions since each row's episode began.
            risk: (N, M), as ``infos["risk"]["row"]`` has it.
            drawn: (N,) numbers in [0, 1), the lot.
            decisions: Of all rows together so far.
            unsure: (N,), entropy of the student's last decisions as a share of the largest; None: unknown.
        """
        asks = np.zeros(len(begun), np.bool_)
        if self.until and decisions > self.until:
            return asks
        if self.every:
            asks |= begun % self.every == 0
        if self.risk_s:
            first = np.minimum(risk[:, TTCP], risk[:, TTCP_OTHER])
            conflict = np.maximum(first, np.abs(risk[:, TTCP_DIFFERENCE]))
            asks |= np.minimum(np.minimum(risk[:, TTC], risk[:, TTC_2D]), conflict) < self.risk_s
        if self.entropy and unsure is not None:
            asks |= unsure > self.entropy
        return asks | (drawn < self.chance)


class Gated:
    """An `Adviser` that passes another's advice on only where a schedule would ask for it, and does not hold it.

    Args:
        adviser: The other.
        schedule: When to ask.
        seed: Of the lot, `Schedule.chance`.
    """

    def __init__(self, adviser: Adviser, schedule: Schedule, *, seed: int = 0) -> None:
        self.adviser, self.schedule = adviser, schedule
        self._random = np.random.default_rng(seed)
        self._begun, self._decisions = np.zeros(0, np.int64), 0

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `foveal.envs.advice.Adviser`."""
        advice, rows = self.adviser.advise(env, observations, infos, starts), len(starts)
        self._begun = np.where(starts, 0, (self._begun if len(self._begun) == rows else np.zeros(rows, np.int64)) + 1)
        self._decisions += rows
        drawn = self._random.random(rows)
        asks = self.schedule.asks(self._begun, infos["risk"]["row"], drawn, decisions=self._decisions)
        return advice.only(asks)


class _Asker(NamedTuple):
    """Who waits for an answer: a row in an episode, since a step."""

    row: int
    episode: int
    step: int


class _Reply(NamedTuple):
    """What came of a question: an answer, that the teacher abstained, or why there is neither."""

    key: int
    answer: Answer | None
    fault: str
    seconds: float


class Asking:
    """An `Adviser` that asks a teacher when its schedule says so, and never waits for it.

    A row that asks gets the known answer about its scene at once. What is not known is asked by threads beside the run;
    the answer reaches the rows that asked, if they are still in that episode, as advice of its age. Between its askings
    a row keeps its advice, which ages. While the teacher may not be called (`Meter.open`), rows that ask get the
    fallback's advice. With a table alone nothing is asked, and the same run gets the same advice again.

    Args:
        env: A world like the one to advise on, made with ``risk=True``; it may have another number of rows.
        teacher: Whom to ask; None asks nobody.
        table: Answers that are known beforehand; of the same actions.
        cache: Where more of them are, and where new ones are kept.
        schedule: When to ask.
        fallback: Advises while the teacher may not be called.
        threads: Questions asked at the same time.
        seed: Of the lot, `Schedule.chance`.

    Attributes:
        table: All answers known here.
        entropy: (N,) float32 or None, nats: of the student's last decisions, for whoever steps it to set.
        fault: The kind of error that last kept a question from an answer; empty: none.

    Raises:
        ValueError: for a world without risk, a table of other actions, or neither teacher nor table.
    """

    def __init__(
        self,
        env: BatchEnv,
        teacher: Teacher | None = None,
        *,
        table: Table | None = None,
        cache: Cache | None = None,
        schedule: Schedule | None = None,
        fallback: Adviser | None = None,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        world = env.unwrapped
        self.actions: tuple[str, ...] = world.action_names
        if not getattr(world.params, "risk", False) or getattr(world.params, "controlled_vehicles", 1) > 1:
            raise ValueError("a teacher advises a single ego by its risk: make the world with risk=True")
        if teacher is None and table is None:
            raise ValueError("neither a teacher to ask nor a table of its answers")
        name = type(world).__name__
        if table is not None and (table.world, table.actions) != (name, self.actions):
            raise ValueError(f"the table is about {table.world} with {', '.join(table.actions)}, not about this {name}")
        if threads < 1:
            raise ValueError(f"threads={threads}: must be at least 1")
        self.schedule, self.fallback = schedule or Schedule(), fallback
        self.entropy: NDArray[np.float32] | None = None
        self._teacher, self._cache = teacher, cache
        source = teacher.source if teacher is not None else table.source if table is not None else ""
        self.table = Table(source, name, self.actions, dict(table.answers) if table is not None else {})
        if cache is not None:
            self.table.answers |= cache.table(source, name, self.actions).answers
        self._random = np.random.default_rng(seed)
        self._askers: dict[int, list[_Asker]] = {}  # by key: who waits for which answer
        self._held: Advice
        self._begun: NDArray[np.int64]  # decisions since the episode began
        self._episode: NDArray[np.int64]
        self._step: int
        self._begin(env.num_envs)
        self._jobs: queue.SimpleQueue[tuple[int, Scene] | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[_Reply] = queue.SimpleQueue()
        self._count = dict.fromkeys(("asked", "cached", "missed", "dropped", "fallback", "abstained", "failed"), 0)
        self.fault = ""
        self._latency = 0.0
        # Daemons: a process that ends does not wait for a model either.
        self._threads = threads if teacher is not None else 0
        for _ in range(self._threads):
            threading.Thread(target=self._work, daemon=True, name="foveal-teacher").start()

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `foveal.envs.advice.Adviser`."""
        if len(starts) != len(self._begun):
            self._begin(len(starts))
        self._step += 1
        self._begun = np.where(starts, 0, self._begun + 1)
        self._episode += starts
        self._held.age[:] += 1
        self._held.valid[:] &= ~starts & (self._held.age < self.schedule.hold)
        self._take()
        drawn = self._random.random(len(starts))  # always drawn: the lot does not depend on the rest
        unsure = None if self.entropy is None else self.entropy / math.log(len(self.actions))
        decisions = self._step * len(starts)
        asks = self.schedule.asks(self._begun, infos["risk"]["row"], drawn, decisions=decisions, unsure=unsure)
        asking = np.flatnonzero(asks)
        refused = self._put(env, asking, infos["risk"]["key"])
        if refused.size and self.fallback is not None:
            other = self.fallback.advise(env, observations, infos, starts)
            refused = refused[other.valid[refused]]
            self._hold(refused, other.probabilities[refused], other.confidence[refused], 0)
            self._count["fallback"] += refused.size
        return self._held.only(self._held.valid)

    def counters(self) -> dict[str, float]:
        """What has happened so far, for a run's metrics.

        Rows' askings are ``cached`` (answered at once), ``missed`` (not in the table, and nobody to ask), ``dropped``
        (too many waiting), ``fallback`` (answered by it) or wait for one of the ``asked`` questions, of which so many
        were ``abstained`` and ``failed``, with ``latency`` s on average from the model's turn to the answer. Of the
        model's ``calls`` so many replies were ``invalid``. ``open`` is 1 while the teacher may not be called.
        """
        counted = {name: float(count) for name, count in self._count.items()}
        meter = None if self._teacher is None else self._teacher.meter
        back = self._count["asked"] - len(self._askers)
        return counted | {
            "latency": self._latency / back if back else 0.0,
            "calls": float(meter.calls if meter else 0),
            "tokens": float(meter.tokens if meter else 0),
            "invalid": float(meter.invalid if meter else 0),
            "open": float(meter.open if meter else 0),
        }

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until all that is asked has come back, or as long as that; whether it has. Not for within a run."""
        end = time.monotonic() + timeout_s
        while self._askers and (left := end - time.monotonic()) > 0:
            try:
                self._receive(self._replies.get(timeout=left))
            except queue.Empty:
                break
        return not self._askers

    def close(self) -> None:
        """Ask nothing any more; what is under way is left to itself."""
        while not self._jobs.empty():
            self._jobs.get()
        for _ in range(self._threads):
            self._jobs.put(None)

    def _begin(self, rows: int) -> None:
        """Forget who asked: there are so many rows from now on."""
        self._held = Advice.none(rows, len(self.actions))
        self._begun = np.zeros(rows, np.int64)
        self._episode = np.zeros(rows, np.int64)
        self._step = 0
        self._askers = {key: [] for key in self._askers}

    def _put(self, env: BatchEnv, rows: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Answer rows that ask from the table, and ask about the others; those that the teacher may not be asked of."""
        known: list[tuple[int, Answer]] = []
        unknown: list[tuple[int, int]] = []
        refused: list[int] = []
        shut = self._teacher is not None and self._teacher.meter.open
        for row, key in zip(rows.tolist(), keys[rows].tolist(), strict=True):
            if key in self.table.answers:
                answer = self.table.answers[key]
                self._count["cached"] += 1
                if answer is not None:
                    known.append((row, answer))
            elif key in self._askers:
                self._askers[key].append(_Asker(row, int(self._episode[row]), self._step))
            elif shut:
                refused.append(row)
            elif self._teacher is None:
                self._count["missed"] += 1
            elif len(self._askers) >= QUEUE:
                self._count["dropped"] += 1
            else:
                self._askers[key] = [_Asker(row, int(self._episode[row]), self._step)]
                unknown.append((row, key))
        if known:
            at = np.array([row for row, _ in known])
            answers = [answer for _, answer in known]
            self._hold(at, [one.probabilities for one in answers], [one.confidence for one in answers], 0)
        if unknown:
            self._count["asked"] += len(unknown)
            scenes = env.unwrapped.describe([row for row, _ in unknown])
            for (_, key), scene in zip(unknown, scenes, strict=True):
                self._jobs.put((key, scene))
        return np.array(refused, np.int64)

    def _take(self) -> None:
        """Take in the answers that have come back, without waiting."""
        while True:
            try:
                self._receive(self._replies.get_nowait())
            except queue.Empty:
                return

    def _receive(self, reply: _Reply) -> None:
        askers = self._askers.pop(reply.key)
        self._latency += reply.seconds
        if reply.fault:
            self.fault = reply.fault
            self._count["failed"] += 1
            return
        self.table.answers[reply.key] = reply.answer
        if reply.answer is None:
            self._count["abstained"] += 1
            return
        for row, episode, step in askers:
            age = self._step - step
            late = age >= self.schedule.hold or (self._held.valid[row] and self._held.age[row] <= age)
            if episode == self._episode[row] and not late:
                self._hold(np.array([row]), [reply.answer.probabilities], [reply.answer.confidence], age)

    def _hold(self, rows: NDArray[np.int64], probabilities: Any, confidence: Any, age: int) -> None:
        self._held.probabilities[rows], self._held.confidence[rows] = probabilities, confidence
        self._held.age[rows], self._held.valid[rows] = age, True

    def _work(self) -> None:
        """Ask what is put, one after another: the body of a thread."""
        assert self._teacher is not None
        while (job := self._jobs.get()) is not None:
            key, scene = job
            begin = time.monotonic()
            answer, fault = None, ""
            try:
                known = self._cache.get(self.table, key) if self._cache else None
                answer = known[0] if known else self._teacher.ask(scene)
                if self._cache and not known:
                    self._cache.put(self.table, {key: answer})
            except Exception as error:  # the run goes on, whatever a model, a network or a disk does
                fault = type(error).__name__  # and no more: its message may quote a key
            self._replies.put(_Reply(key, answer, fault, time.monotonic() - begin))
