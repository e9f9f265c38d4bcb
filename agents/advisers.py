"""Advisers that need no model: a planner that tries the future, drivers, fixed distributions, worse versions of any.

Each keeps the protocol `foveal.envs.advice.Adviser`. What they draw hangs on the moment alone (row seed, episode,
step), so that the same scene of a row gets the same advice, whatever the other rows do, and after a resumption too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from foveal.agents.drivers import make_driver
from foveal.envs.advice import Advice, Adviser, bare
from foveal.envs.batch import BatchEnv

DEGRADATIONS = ("random", "worst")


class Planned:
    """Advises what turns out best when it is tried, with the future traffic known.

    Each row is copied once for every pair of actions; the first is taken, and the second then held until the horizon or
    the end. An action is worth the best discounted return among its pairs, and its probability is the softmax of that.
    `foveal.agents.planner.Planner` finds better ways, but takes thousands of copies for one episode; this takes A² of
    each row, so a decision costs A² times `horizon` steps of the world.

    Args:
        horizon: Decisions that are tried out.
        gamma: Discount of a decision.
        temperature: Of the softmax, in units of return.
        share: Of the scenes, by chance, that it advises on; the cost falls with it.

    Raises:
        ValueError: for values out of range, and when asked about a world without a Discrete action space.
    """

    def __init__(self, *, horizon: int = 8, gamma: float = 0.95, temperature: float = 0.1, share: float = 1.0) -> None:
        if horizon < 1 or not 0 <= gamma <= 1 or temperature <= 0 or not 0 <= share <= 1:
            raise ValueError(
                f"horizon={horizon}, gamma={gamma}, temperature={temperature}, share={share}: must be at least 1, in "
                "[0, 1], positive, and in [0, 1]"
            )
        self.horizon, self.gamma, self.temperature, self.share = horizon, gamma, temperature, share
        self._world: BatchEnv | None = None

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        state = env.get_state()
        asked = (drawn(env.moments, "share") < self.share) & ~state["ended"]
        advice = Advice.none(env.num_envs, _count(env))
        if not asked.any():
            return advice
        rows = np.flatnonzero(asked)
        gains = self.gains(env, {name: array[rows] for name, array in state.items()}) / self.temperature
        chances = np.exp(np.maximum(gains - gains.max(1, keepdims=True), -60.0))
        advice.probabilities[rows] = chances / chances.sum(1, keepdims=True)
        advice.confidence[rows], advice.valid[rows] = 1.0, True
        return advice

    def gains(self, env: BatchEnv, state: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """The best discounted return (R, A) that was found after each first action, from R rows' states on."""
        chunk = max(1, math.ceil(self.share * env.num_envs / 2))
        parts = [slice(begin, begin + chunk) for begin in range(0, len(state["ended"]), chunk)]
        return np.concatenate([self._tried(env, chunk, {name: a[part] for name, a in state.items()}) for part in parts])

    def _tried(self, env: BatchEnv, chunk: int, state: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
        """The `gains` of `chunk` rows at most; copies that are left over repeat the first."""
        count, rows = _count(env), len(state["ended"])
        world = self._copies(env, count * count * chunk)
        copied = np.zeros(world.num_envs, np.int64)
        copied[: rows * count**2] = np.repeat(np.arange(rows), count**2)
        world.set_state({name: array[copied] for name, array in state.items()})
        first = int(env.single_action_space.start)  # type: ignore[attr-defined]
        taken = first + np.resize(np.repeat(np.arange(count), count), copied.size)
        held = first + np.resize(np.arange(count), copied.size)
        returns, alive = np.zeros(copied.size), np.ones(copied.size, np.bool_)
        for step in range(self.horizon):
            _, rewards, terminated, truncated, _ = world.step(held if step else taken)
            returns += np.where(alive, self.gamma**step * rewards, 0.0)
            alive &= ~(terminated | truncated)
        gains: NDArray[np.float64] = returns[: rows * count**2].reshape(rows, count, count).max(2)
        return gains

    def _copies(self, env: BatchEnv, rows: int) -> BatchEnv:
        """A world like this one with so many rows; what infos would tell of risk and costs is left away."""
        if self._world is None or self._world.num_envs != rows or type(self._world) is not type(env):
            params: dict[str, Any] = {name: getattr(env.params, name) for name in env.params.__dataclass_fields__}
            params |= {name: False for name in ("risk", "cost") if name in params}
            self._world = type(env)(
                rows,
                autoreset_mode=AutoresetMode.NEXT_STEP,
                max_episode_steps=env.max_episode_steps,
                copy=False,
                **params,
            )
            self._world.reset(seed=0)
        return self._world


class Driven:
    """Advises what a driver or an agent would do, as if it were sure.

    Args:
        driver: A name in `foveal.agents.drivers.DRIVERS`, or observations (N, …) -> actions (N,) or a tuple that
            begins with them; it keeps nothing between calls.
    """

    def __init__(self, driver: str | Callable[[Any], Any]) -> None:
        self.driver = driver

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        if isinstance(self.driver, str):
            self.driver = make_driver(self.driver, env)
        answer = self.driver(bare(observations))
        actions = np.asarray(answer[0] if isinstance(answer, tuple) else answer)
        first = int(env.single_action_space.start)  # type: ignore[attr-defined]
        return sure(np.eye(_count(env), dtype=np.float32)[actions - first])


class Marginal:
    """Advises by the same distribution always: what an adviser is worth whatever it sees.

    Args:
        probabilities: (A,), at least 0, that add up to something; None: all actions alike.
        sure: Draw an action in each scene and be sure of it, instead of telling the distribution.

    Raises:
        ValueError: for other probabilities, or when asked about a world with other actions.
    """

    def __init__(self, probabilities: Sequence[float] | None = None, *, sure: bool = False) -> None:
        given = np.asarray([1.0] if probabilities is None else probabilities, np.float64)
        if given.ndim != 1 or not (given >= 0).all() or not 0 < given.sum() < np.inf:
            raise ValueError(f"probabilities={probabilities}: must be at least 0 and add up to something")
        self.probabilities = None if probabilities is None else (given / given.sum()).astype(np.float32)
        self.sure = sure

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        count, told = _count(env), self.probabilities
        told = np.full(count, 1 / count, np.float32) if told is None else told
        if len(told) != count:
            raise ValueError(f"{len(told)} probabilities, but the world has {count} actions")
        if not self.sure:
            return sure(np.tile(told, (env.num_envs, 1)))
        chosen = np.searchsorted(np.cumsum(told)[:-1], drawn(env.moments, "marginal"), side="right")
        return sure(np.eye(count, dtype=np.float32)[chosen])


class Shuffled:
    """Another's advice, given to the next row instead: what it says, about a scene that is not at hand.

    Args:
        adviser: The other.
    """

    def __init__(self, adviser: Adviser) -> None:
        self.adviser = adviser

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        told, confidence, age, valid = self.adviser.advise(env, observations, infos, starts)
        return Advice(np.roll(told, 1, 0), np.roll(confidence, 1), np.roll(age, 1), np.roll(valid, 1))


class Degraded:
    """Another's advice at a set accuracy: in the rest of the scenes its likeliest action changes places with another.

    Args:
        adviser: The other.
        accuracy: Share of the scenes whose advice is as it was.
        kind: ``"random"``: changes places with any other, drawn in each scene; ``"worst"``: with the least likely.
        run: Decisions in a row that are right or wrong together.

    Raises:
        ValueError: for values out of range.
    """

    def __init__(self, adviser: Adviser, accuracy: float, *, kind: str = "random", run: int = 5) -> None:
        if not 0 <= accuracy <= 1 or run < 1:
            raise ValueError(f"accuracy={accuracy}, run={run}: must be in [0, 1], and at least 1")
        if kind not in DEGRADATIONS:
            raise ValueError(f"kind={kind!r}: must be one of {', '.join(map(repr, DEGRADATIONS))}")
        self.adviser, self.accuracy, self.kind, self.run = adviser, accuracy, kind, run

    def advise(self, env: BatchEnv, observations: Any, infos: dict[str, Any], starts: NDArray[np.bool_]) -> Advice:
        """See `Adviser`."""
        advice, moments = self.adviser.advise(env, observations, infos, starts), env.moments
        rows, count = np.arange(env.num_envs), _count(env)
        best = advice.probabilities.argmax(1)
        if self.kind == "worst":
            other = advice.probabilities.argmin(1)
            other = np.where(other == best, (best + 1) % count, other)  # where all are alike
        else:
            other = (best + 1 + (drawn(moments, "other") * (count - 1)).astype(np.int64)) % count
        runs = moments // np.array([1, 1, self.run])
        wrong = rows[drawn(runs, "wrong") >= self.accuracy]
        told = advice.probabilities.copy()
        told[wrong, best[wrong]], told[wrong, other[wrong]] = (
            advice.probabilities[wrong, other[wrong]], advice.probabilities[wrong, best[wrong]]
        )  # fmt: skip
        return advice._replace(probabilities=told)

    def counters(self) -> dict[str, float]:
        """The other's, where it counts."""
        counters = getattr(self.adviser, "counters", None)
        return dict(counters()) if counters else {}


def sure(probabilities: NDArray[np.float32]) -> Advice:
    """Advice (N, A) for every row, of full confidence."""
    rows = len(probabilities)
    ones = np.ones(rows, np.float32)
    return Advice(probabilities, ones, np.zeros(rows, np.int64), np.ones(rows, np.bool_))


def drawn(moments: NDArray[np.int64], what: str) -> NDArray[np.float64]:
    """A number (N,) in [0, 1) for each of N moments, and for what it is drawn.

    SplitMix64's finaliser over the parts of the moment in turn (Steele, Lea and Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014, figure 17, with the constants of its variant 13).
    """
    mixed = np.full(len(moments), int.from_bytes(what.encode()[:8], "little"), np.uint64)
    for part in moments.T.astype(np.uint64):
        mixed = (mixed ^ part) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)) / 2.0**53


def _count(env: BatchEnv) -> int:
    space = env.single_action_space
    if not isinstance(space, spaces.Discrete):
        raise ValueError(f"advice is about Discrete actions, {type(env).__name__} has {space}")
    return int(space.n)
