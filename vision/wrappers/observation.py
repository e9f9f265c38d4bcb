"""The protocol of perception: what is seen goes through a percept, in one environment or in many at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Moments = NDArray[np.int64]
"""(N, 3): each row's seed, the number of its episode since it was seeded, and the steps into it."""


class Percept(Protocol):
    """What is made of observations. A row's result depends on the row alone: its arrays and its moment.

    Attributes:
        reads: The observations that it takes.
        told: The infos that it takes, numbers.
        gives: The spaces of a single row's new or replaced observations.
    """

    @property
    def reads(self) -> tuple[str, ...]: ...  # noqa: D102 (see the class)
    @property
    def told(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def gives(self) -> Mapping[str, spaces.Space[Any]]: ...  # noqa: D102

    def perceive(self, seen: Arrays, moments: Moments) -> Arrays:
        """New observations of N rows.

        Args:
            seen: Of each name in `reads` and `told` an array (N, ...); infos are float64, NaN where a row has none.
            moments: (N, 3).

        Returns:
            Of each name in `gives` an array (N, ...) in its space.
        """
        ...


class Perceived(gymnasium.Wrapper, RecordConstructorArgs):  # its generics differ between Gymnasium's versions
    """An environment whose observations have gone through a percept.

    Args:
        env: Observes a Dict.
        percept: Made for its observation space.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], percept: Percept) -> None:
        RecordConstructorArgs.__init__(self, percept=percept, _disable_deepcopy=True)
        gymnasium.Wrapper.__init__(self, env)
        self.percept = percept
        self.observation_space = _perceived_space(env.observation_space, percept)
        self._clock = _Clock(1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env.reset`; the seed decides the percept's noise too."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._clock.begin(np.ones(1, np.bool_), seed)
        return self._perceived(observation, info), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._clock.tick()
        return self._perceived(observation, info), reward, terminated, truncated, info

    def _perceived(self, observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        percept = self.percept
        seen = {name: np.asarray(observation[name])[None] for name in percept.reads}
        seen |= {name: np.asarray(_of(info, name), np.float64)[None] for name in percept.told}
        return {**observation, **{name: rows[0] for name, rows in percept.perceive(seen, self._clock.moments).items()}}


class VectorPerceived(VectorWrapper):
    """A vector environment whose observations have gone through a percept, all rows at once.

    Last observations (``final_obs``) go through it too, at the moments that they are of. The autoreset mode is the
    environment's. Where that saves and restores its state (`foveal.envs.batch.BatchEnv`), this does.

    Args:
        env: Its single observations are a Dict.
        percept: Made for its single observation space.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], percept: Percept) -> None:
        super().__init__(env)
        self.percept = percept
        self.single_observation_space = _perceived_space(env.single_observation_space, percept)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        self._mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self._clock, self._ended = _Clock(env.num_envs), np.zeros(env.num_envs, np.bool_)
        self._told: Arrays = {}
        self._state = f"percept/{_depth(env)}"

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.vector.VectorEnv.reset`; the seeds decide the percept's noise too."""
        given = None if options is None else dict(options)  # Gymnasium's own environments take the mask out of it
        observations, infos = self.env.reset(seed=seed, options=given)
        begun = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_)))
        self._clock.begin(begun, seed)
        self._ended = self._ended & ~begun
        return self._perceived(observations, infos, begun), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """See `gymnasium.vector.VectorEnv.step`."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = np.asarray(terminated) | np.asarray(truncated)
        self._clock.tick()
        if self._mode is AutoresetMode.SAME_STEP:
            if "final_obs" in infos:
                infos = {**infos, "final_obs": self._finals(infos)}
            self._clock.begin(ended)
        elif self._mode is AutoresetMode.NEXT_STEP:
            self._clock.begin(self._ended)
            self._ended = ended
        every = np.ones(self.num_envs, np.bool_)
        return self._perceived(observations, infos, every), rewards, terminated, truncated, infos

    def get_state(self) -> Arrays:
        """What decides the rows' future: the environment's state, the moments, and the infos last told."""
        state: Arrays = self.env.get_state()  # type: ignore[attr-defined]
        told = {f"{self._state}/{name}": rows.copy() for name, rows in self._told.items()}
        return {**state, **told, self._state: np.column_stack([self._clock.moments, self._ended])}

    def set_state(self, state: Arrays) -> None:
        """Restore what `get_state` returned.

        Raises:
            ValueError: where it has no moments, or the environment refuses its part; nothing has changed then.
        """
        ours = np.asarray(state.get(self._state))
        if ours.shape != (self.num_envs, 4) or ours.dtype != np.int64 or not (ours >= (0, -1, 0, 0)).all():
            raise ValueError(
                f"state[{self._state!r}]: must be ({self.num_envs}, 4) int64, and has no negative seed or step"
            )
        told = {name: state[key] for name in self.percept.told if (key := f"{self._state}/{name}") in state}
        held = {self._state, *(f"{self._state}/{name}" for name in told)}
        self.env.set_state({name: array for name, array in state.items() if name not in held})  # type: ignore[attr-defined]
        self._clock.moments, self._ended = ours[:, :3].copy(), ours[:, 3].astype(np.bool_)
        self._told = {name: rows.copy() for name, rows in told.items()}

    def _perceived(self, observations: Any, infos: Mapping[str, Any], new: NDArray[np.bool_]) -> dict[str, Any]:
        """Observations; those of rows that are not `new` are as they were, and infos tell nothing of them."""
        for name in self.percept.told:
            told = _told_to_rows(infos, name, self.num_envs)
            if not new.all() and name in self._told:
                told[~new] = self._told[name][~new]
            self._told[name] = told
        seen = {name: np.asarray(observations[name]) for name in self.percept.reads}
        return {**observations, **self.percept.perceive({**seen, **self._told}, self._clock.moments)}

    def _finals(self, infos: Mapping[str, Any]) -> NDArray[Any]:
        """The last observations of the rows that have ended, in one batch; the others have none."""
        finals, rows = infos["final_obs"], np.flatnonzero(infos["_final_obs"])
        seen = {name: np.stack([finals[row][name] for row in rows]) for name in self.percept.reads}
        for name in self.percept.told:
            seen[name] = _told_to_rows(infos["final_info"], name, self.num_envs)[rows]
        perceived = self.percept.perceive(seen, self._clock.moments[rows])
        held = np.full(finals.shape, None, dtype=object)
        for k, row in enumerate(rows):
            held[row] = {**finals[row], **{name: array[k] for name, array in perceived.items()}}
        return held


def perceived(env: Any, percept: Percept) -> Perceived | VectorPerceived:
    """The environment with its observations through a percept: of its own kind, single or vector."""
    return VectorPerceived(env, percept) if isinstance(env, VectorEnv) else Perceived(env, percept)


def observed(env: Any) -> spaces.Dict:
    """The space of single observations.

    Raises:
        TypeError: for anything but an environment or a vector environment.
        ValueError: where it is no Dict.
    """
    if not isinstance(env, (gymnasium.Env, VectorEnv)):
        raise TypeError(f"env={env!r}: must be a gymnasium.Env or a gymnasium.vector.VectorEnv")
    space = env.single_observation_space if isinstance(env, VectorEnv) else env.observation_space
    if not isinstance(space, spaces.Dict):
        raise ValueError(f"the observation space {space}: must be a Dict that says which observation is the image")
    return space


def box_of(space: spaces.Dict, key: str, dims: tuple[int, ...], meaning: str) -> spaces.Box:
    """One observation's Box.

    Args:
        space: Of single observations.
        key: Its name.
        dims: Numbers of axes that it may have.
        meaning: What it should be, for the error.

    Raises:
        ValueError: where there is no such observation, or it is no Box with so many axes.
    """
    box = space.spaces.get(key)
    if not isinstance(box, spaces.Box) or len(box.shape) not in dims:
        found = f"is {box}" if key in space.spaces else f"is none of {', '.join(map(repr, space.spaces))}"
        raise ValueError(f"the observation {key!r} {found}: must be {meaning}")
    return box


def image_of(space: spaces.Dict, key: str) -> spaces.Box:
    """The Box of pictures (H, W, 3), or (C, H, W, 3) of C cameras, in uint8 or floating-point numbers.

    Raises:
        ValueError: where the observation is none.
    """
    meaning = "a picture (H, W, 3) or (C, H, W, 3)"
    box = box_of(space, key, (3, 4), meaning)
    if box.shape[-1] != 3 or not (box.dtype == np.uint8 or np.issubdtype(box.dtype, np.floating)):
        raise ValueError(f"the observation {key!r} is {box}: must be {meaning} of uint8 or floating-point numbers")
    return box


def check_finite(key: str, rows: NDArray[Any]) -> None:
    """Raise `ValueError`, naming observation and row, where some of (N, ...) is NaN or infinite."""
    if np.issubdtype(rows.dtype, np.floating) and not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(1))[0])
        raise ValueError(f"the observation {key!r} of row {row} is not finite")


class _Clock:
    """The moments of N rows, as they are in `foveal.envs.batch`, for environments of any kind.

    They are the same in all autoreset modes, and for a row of many and a single environment with its seed.
    """

    def __init__(self, rows: int) -> None:
        self.moments: Moments = np.tile(np.array([0, -1, 0], np.int64), (rows, 1))

    def begin(self, rows: NDArray[np.bool_], seed: Any = None) -> None:
        """Of rows (N,) bool the next episode, or with a seed the first."""
        count = len(self.moments)
        seeds = list(seed) if isinstance(seed, Iterable) else [None if seed is None else seed + i for i in range(count)]
        for row in np.flatnonzero(rows):
            one = secrets.randbits(62) if seeds[row] is None and self.moments[row, 1] < 0 else seeds[row]
            if one is not None:
                self.moments[row, :2] = int(one) % 2**63, -1
        self.moments[rows, 1] += 1
        self.moments[rows, 2] = 0

    def tick(self) -> None:
        """A step in all rows."""
        self.moments[:, 2] += 1


def _perceived_space(space: spaces.Space[Any], percept: Percept) -> spaces.Dict:
    if not isinstance(space, spaces.Dict):
        raise ValueError(f"the observation space {space}: must be a Dict")
    return spaces.Dict({**space.spaces, **percept.gives})


def _of(infos: Mapping[str, Any], name: str) -> Any:
    if name not in infos:
        raise ValueError(f"info has no {name!r}; it has {', '.join(sorted(k for k in infos if k[0] != '_')) or 'none'}")
    return infos[name]


def _told_to_rows(infos: Mapping[str, Any], name: str, rows: int) -> NDArray[np.float64]:
    """An info (N, ...) of all rows, NaN in those that have none."""
    told = np.array(_of(infos, name), np.float64)
    told[~np.asarray(infos.get(f"_{name}", np.ones(rows, np.bool_)))] = np.nan
    return told


def _depth(env: Any) -> int:
    """How many percepts are below."""
    depth = 0
    while isinstance(env, VectorWrapper):
        depth += isinstance(env, VectorPerceived)
        env = env.env
    return depth
