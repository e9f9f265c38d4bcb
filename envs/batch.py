"""The batch contract: N copies of a world stepped at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import index
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array
from numpy.typing import NDArray

from foveal.envs.overlay import Annotation
from foveal.envs.params import Params

EVALUATION_SEEDS = 2**31
"""Seeds from here on are held out for evaluation; training refuses them."""

Rows = NDArray[np.int64]
Infos = dict[str, Any]
_MODES = {name: mode for mode in AutoresetMode for name in (mode.name.lower(), mode.value)}


class BatchEnv(VectorEnv[Any, Any, Any]):
    """N independent rows of one world, held as arrays and stepped by compiled code.

    A row's results depend on its own seed and actions alone. Seeding with an int s gives row i the seed s + i;
    episode e of a row (0 after a seeded reset, then counted up by every later reset) draws from a generator keyed
    by (row seed, e).

    A world subclasses this, names its `Params`, and implements the methods marked *world* below.

    Args:
        num_envs: Number of rows N.
        render_mode: None or ``"rgb_array"``.
        autoreset_mode: ``"next_step"``, ``"same_step"`` or ``"disabled"``, or Gymnasium's enum.
        max_episode_steps: Truncate after so many steps; the world's own limit holds too.
        copy: Hand out fresh arrays; False hands out views that hold until the next step or reset.
        trace_rows: Rows whose substeps of the last step are kept for `trace` and `render_trace`.
        **params: Fields of the world's `Params`.

    Raises:
        TypeError: for an unknown parameter (naming the closest one) or a value of the wrong type.
        ValueError: for a value out of range.
    """

    Params: ClassVar[type[Params]]
    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}
    action_names: tuple[str, ...] = ()

    def __init__(
        self,
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        copy: bool = True,
        trace_rows: Sequence[int] = (),
        **params: Any,
    ) -> None:
        self.params = self.Params.from_kwargs(params)
        self.num_envs = _at_least_one("num_envs", num_envs)
        if max_episode_steps is not None:
            max_episode_steps = _at_least_one("max_episode_steps", max_episode_steps)
        self.max_episode_steps = max_episode_steps
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode={render_mode!r}: must be None or one of {self.metadata['render_modes']}")
        self.render_mode = render_mode
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.copy = copy
        self.trace_rows = self._check_rows(trace_rows)
        self._seed = np.zeros(num_envs, np.int64)
        self._episode = np.full(num_envs, -1, np.int64)
        self._elapsed = np.zeros(num_envs, np.int64)
        self._ended = np.zeros(num_envs, np.bool_)
        self._active = np.ones(num_envs, np.bool_)
        self._started = False
        self._rewards = np.zeros(num_envs, np.float64)
        self._terminated = np.zeros(num_envs, np.bool_)
        self._truncated = np.zeros(num_envs, np.bool_)
        self.single_observation_space, self.single_action_space = self._spaces()
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._action_limits = _limits(self.action_space)
        self._observations: Any = create_empty_array(self.single_observation_space, self.num_envs, np.zeros)
        self._state = self._allocate()

    # What a world implements

    def _spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """*World*: the single observation space and the single action space."""
        raise NotImplementedError

    def _allocate(self) -> dict[str, NDArray[Any]]:
        """*World*: make the state; return every array (first axis N) that decides the rows' future."""
        raise NotImplementedError

    def _spawn(self, rows: Rows) -> None:
        """*World*: begin an episode in each of `rows` from (`_seed`, `_episode`); write `_observations`.

        These are an array (N, ...), or a dict or tuple of arrays; a world may put its own in their place.
        """
        raise NotImplementedError

    def _advance(self, actions: NDArray[Any]) -> None:
        """*World*: step the rows where `_active`; write `_observations`, `_rewards`, `_terminated`, `_truncated`.

        The other rows are to be left as they are.
        """
        raise NotImplementedError

    def _restored(self) -> None:
        """*World*: recompute what is derived from the state after `set_state`."""

    def _check_state(self, state: dict[str, NDArray[Any]]) -> None:
        """*World*: raise `ValueError` for values that `set_state` must refuse (indices out of range)."""

    def _info(self) -> Infos:
        """*World*: name -> array (N, ...) or nested dict of them, of every row's present state."""
        return {}

    @property
    def frame_rate(self) -> float:
        """*World*: the scenes of `trace` per second of its own time."""
        raise NotImplementedError

    def describe(self, rows: Sequence[int]) -> list[Any]:
        """Build the present scene of each of `rows`: objects, for rows about to be asked about or drawn."""
        raise NotImplementedError

    def trace(self, row: int) -> list[Any]:
        """The scenes after each substep of the last step of a traced row; none where that step began an episode."""
        raise NotImplementedError

    def between(self, before: Any, after: Any, part: float) -> Any:
        """*World*: the scene when `part` of the way from one to the other is gone, for the eye."""
        raise NotImplementedError

    def draw(self, scene: Any, annotation: Annotation | None = None, zoom: float = 1.0) -> NDArray[np.uint8]:
        """*World*: draw one scene, and what is noted of the policy, as an (H, W, 3) RGB frame."""
        raise NotImplementedError

    # Reset

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Begin new episodes in all rows, or in those of ``options["reset_mask"]``.

        Args:
            seed: An int s (row i gets s + i), one int per row, or None: the next episode of each row's stream.
                Before any seed was given the streams are seeded from the system's entropy.
            options: ``{"reset_mask": (N,) bool}`` resets only those rows; with a seed, only those are
                reseeded.

        Returns:
            Observations (N, ...) and infos.
        """
        rows = self._rows_to_reset(options)
        if seed is None:
            unseeded = rows[self._episode[rows] < 0]
            if unseeded.size:
                self._reseed(unseeded, secrets.randbelow(EVALUATION_SEEDS - self.num_envs))
        else:
            self._reseed(rows, seed)
        self._begin(rows)
        self._started = bool((self._episode >= 0).all())
        present = np.zeros(self.num_envs, np.bool_)
        present[rows] = True
        return each_part(self._out, self._observations), self._masked(self._info(), present)

    def _begin(self, rows: Rows) -> None:
        self._episode[rows] += 1
        self._elapsed[rows] = 0
        self._ended[rows] = False
        handed_out = (self._rewards, self._terminated, self._truncated)  # a world's `_spawn` may write there
        before = [array[rows] for array in handed_out]
        self._spawn(rows)
        for array, values in zip(handed_out, before, strict=True):
            array[rows] = values

    def _rows_to_reset(self, options: dict[str, Any] | None) -> Rows:
        unknown = set(options or ()) - {"reset_mask"}
        if unknown:
            raise ValueError(f"unknown reset option {sorted(unknown)[0]!r}; valid: 'reset_mask'")
        if not options:
            return np.arange(self.num_envs)
        mask = np.asarray(options["reset_mask"])
        if mask.dtype != np.bool_ or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"options['reset_mask'] must be a bool array of shape ({self.num_envs},) with at least one "
                f"True, got {mask.dtype} of shape {mask.shape} with {int(np.count_nonzero(mask))} set"
            )
        return np.flatnonzero(mask)

    def _reseed(self, rows: Rows, seed: int | Sequence[int]) -> None:
        if isinstance(seed, Iterable):
            seeds = [index(s) for s in seed]
        else:
            seeds = list(range(index(seed), index(seed) + self.num_envs))
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: {len(seeds)} seeds for {self.num_envs} rows")
        if min(seeds) < 0 or max(seeds) >= 2**63:
            raise ValueError(f"seed={seed}: must be in [0, 2**63)")
        self._seed[rows], self._episode[rows] = np.array(seeds, np.int64)[rows], -1

    # Step

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Infos]:
        """Step every row once.

        Args:
            actions: (N, ...) array in the action space.

        Returns:
            Observations (N, ...), rewards (N,) float64, terminated (N,) bool, truncated (N,) bool, infos.

        Raises:
            ValueError: for actions of the wrong shape, dtype or range; nothing has changed then.
            ResetNeeded: before the first reset, or for an ended row where autoreset is disabled.
        """
        actions = self._checked_actions(actions)
        if not self._started:
            raise ResetNeeded("call reset() before step()")
        restarting = np.count_nonzero(self._ended) > 0  # cheaper than any() for few rows
        if restarting and self.autoreset_mode is AutoresetMode.DISABLED:
            rows = np.flatnonzero(self._ended)[:8].tolist()
            raise ResetNeeded(f"rows {rows} have ended: reset them with options={{'reset_mask': ...}} first")
        self._active = ~self._ended
        self._elapsed += 1
        self._advance(actions)
        if self.max_episode_steps is not None:
            self._truncated |= self._elapsed >= self.max_episode_steps
        if restarting:
            restarted = np.flatnonzero(self._ended)
            self._rewards[restarted] = 0.0
            self._terminated[restarted] = self._truncated[restarted] = False
            self._begin(restarted)
        ended = self._terminated | self._truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._restart_at_once(ended)
        else:
            self._ended = ended
            infos = self._masked(self._info(), np.ones(self.num_envs, np.bool_))
        out = self._out
        observations = each_part(out, self._observations)
        return observations, out(self._rewards), out(self._terminated), out(self._truncated), infos

    def _restart_at_once(self, ended: NDArray[np.bool_]) -> Infos:
        """Same-step autoreset: keep the ended rows' last observation and info, and begin their next episodes."""
        final: Infos = {}
        rows = np.flatnonzero(ended)
        if rows.size:
            last = np.full(self.num_envs, None, dtype=object)
            for row in rows:
                last[row] = each_part(partial(copy_of_row, int(row)), self._observations)
            last_info = _copied(self._masked(self._info(), ended.copy()))
            final = {"final_obs": last, "_final_obs": ended.copy()}
            final |= {"final_info": last_info, "_final_info": ended}
            self._begin(rows)
        return {**self._masked(self._info(), np.ones(self.num_envs, np.bool_)), **final}

    def _checked_actions(self, actions: Any) -> NDArray[Any]:
        given = np.asarray(actions)
        low, high = self._action_limits
        if given.shape != low.shape:
            raise ValueError(f"actions have shape {given.shape}, expected {low.shape}")
        if given.dtype.kind not in ("f" if low.dtype.kind == "f" else "iu"):
            raise ValueError(f"actions have dtype {given.dtype}, expected {low.dtype}")
        if np.count_nonzero((given >= low) & (given <= high)) < given.size:  # false for NaN too
            raise ValueError(f"actions out of range: all must be in [{low.min()}, {high.max()}]")
        return given.astype(low.dtype, copy=False)

    # Infos

    def _masked(self, info: Infos, present: NDArray[np.bool_]) -> Infos:
        """Gymnasium's form of a batched info: beside each key the mask ``_key`` of the rows that have it."""
        masked: Infos = {}
        for key, value in info.items():
            masked[key] = self._masked(value, present) if isinstance(value, dict) else self._out(value)
            masked[f"_{key}"] = present
        return masked

    def _out(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy() if self.copy else array

    # State

    @property
    def moments(self) -> NDArray[np.int64]:
        """(N, 3): each row's seed, its episode's number, and the steps into it; no two moments have the same."""
        return np.stack([self._seed, self._episode, self._elapsed], -1)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that decides the rows' future, random streams included."""
        return {name: array.copy() for name, array in self._all_state().items()}

    def set_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore what `get_state` of a world with the same parameters returned, bit for bit.

        Raises:
            ValueError: naming the array, where one is missing, foreign, of another shape or dtype, not finite, or
                out of range; nothing has changed then.
        """
        ours = self._all_state()
        if foreign := sorted(ours.keys() ^ state.keys()):
            raise ValueError(f"state has missing or foreign arrays: {', '.join(foreign)}")
        state = {name: np.asarray(array) for name, array in state.items()}
        for name, array in ours.items():
            given = state[name]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ValueError(
                    f"state[{name!r}] is {given.dtype} {given.shape}, expected {array.dtype} {array.shape}"
                )
            if not np.isfinite(given).all():
                raise ValueError(f"state[{name!r}] is not finite")
        for name, least in (("seed", 0), ("episode", -1), ("elapsed", 0)):
            if state[name].min() < least:
                raise ValueError(f"state[{name!r}] must be at least {least}")
        self._check_state(state)
        for name, array in ours.items():
            array[...] = state[name]
        self._started = bool((self._episode >= 0).all())
        self._restored()

    def _all_state(self) -> dict[str, NDArray[Any]]:
        base = {"seed": self._seed, "episode": self._episode, "elapsed": self._elapsed, "ended": self._ended}
        return {**base, **self._state}

    # Pictures

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One (H, W, 3) frame per row, or None without a render mode."""
        return None if self.render_mode is None else tuple(self.render_rows(range(self.num_envs)))

    def render_rows(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """Frames (R, H, W, 3) uint8 of the present state of `rows`."""
        return np.stack([self.draw(scene) for scene in self.describe(self._check_rows(rows).tolist())])

    def render_trace(self, row: int) -> NDArray[np.uint8]:
        """Frames (S, H, W, 3) uint8 of the S substeps of the last step of a traced row."""
        if not (scenes := self.trace(row)):
            raise ValueError(f"row {row} has no trace: its last step began an episode, or there was none")
        return np.stack([self.draw(scene) for scene in scenes])

    def _check_rows(self, rows: Sequence[int]) -> Rows:
        checked = np.array([index(row) for row in rows], np.int64)
        if checked.size and not (checked.min() >= 0 and checked.max() < self.num_envs):
            raise ValueError(f"rows {checked.tolist()}: must be in [0, {self.num_envs - 1}]")
        return checked


def each_part(function: Callable[[Any], Any], observations: Any) -> Any:
    """The function's value for an array of observations, or for each array of a dict or a tuple of them."""
    if isinstance(observations, dict):
        return {key: each_part(function, part) for key, part in observations.items()}
    if isinstance(observations, tuple):
        return tuple(each_part(function, part) for part in observations)
    return function(observations)


def copy_of_row(row: int, array: NDArray[Any]) -> Any:
    """What a row has in an array of all rows."""
    return array[row].copy()


def _copied(infos: Infos) -> Infos:
    return {key: _copied(value) if isinstance(value, dict) else value.copy() for key, value in infos.items()}


def _autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    if mode not in _MODES:
        raise ValueError(f"autoreset_mode={mode!r}: must be 'next_step', 'same_step' or 'disabled'")
    return _MODES[mode]


def _limits(space: spaces.Space[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest batched action, in the dtype that worlds take."""
    if isinstance(space, spaces.Box):
        return space.low, space.high
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    raise TypeError(f"actions must be Discrete, MultiDiscrete or Box, not {space}")


def _at_least_one(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}={value!r}: must be a whole number of at least 1")
    return int(value)
