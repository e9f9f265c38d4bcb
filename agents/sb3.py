"""Stable-Baselines3: a batched world as its vector environment, our networks and filters as features extractors."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
from torch import Tensor

from foveal.agents.filters import make_filter
from foveal.agents.networks import EgoAttention, make_network
from foveal.agents.options import Options
from foveal.envs.batch import EVALUATION_SEEDS, BatchEnv

_OF_ONE_ROW = {"observation_space": "single_observation_space", "action_space": "single_action_space"}


def make_sb3_vec_env(id: str, num_envs: int = 1, **params: Any) -> BatchVecEnv:
    """Make a registered world as an SB3 vector environment.

    Args:
        id: A registered id, such as ``"foveal/HighwayFast-v0"``.
        num_envs: Number of rows N.
        **params: The world's parameters, and ``render_mode`` or ``max_episode_steps``.

    Returns:
        What ``DQN("MlpPolicy", env)`` and the other SB3 algorithms take as they are, without `VecMonitor`.
    """
    env = gymnasium.make_vec(id, num_envs=num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **params)
    assert isinstance(env, BatchEnv)
    return BatchVecEnv(env)


class BatchVecEnv(VecEnv):
    """One `BatchEnv` as an SB3 `VecEnv`: ``DummyVecEnv([lambda: Monitor(gymnasium.make(id)), …])``, batched.

    Rows, seeds, automatic resets and infos agree with that reference (tested). Every row gets a fresh dict in
    every step, because callbacks and `VecEnvWrapper`s may write to it; the dicts are built column by column,
    which costs about 1 µs a row. An ended row's dict holds the info of the step that ended it,
    ``terminal_observation``, and ``episode`` (return "r", length "l" in steps, seconds since the start "t",
    as `Monitor` writes them); the info of its new episode is in `reset_infos`. ``TimeLimit.truncated`` is in
    all of them.

    The rows share one world: attributes and methods reached through `get_attr`, `set_attr` and `env_method`
    are the world's, given once for each index.

    Args:
        env: A world with ``autoreset_mode="same_step"`` and ``copy=True`` (SB3 keeps the last observations).

    Raises:
        ValueError: for another autoreset mode, or ``copy=False``.
    """

    def __init__(self, env: BatchEnv) -> None:
        if env.autoreset_mode is not AutoresetMode.SAME_STEP or not env.copy:
            raise ValueError("SB3 needs a world with autoreset_mode='same_step' and copy=True")
        self.env = env
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, np.int64)
        self._start_s = time.time()
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = env.metadata

    def reset(self) -> Any:
        """Begin new episodes in all rows, with the seeds given to `seed` since the last reset.

        Raises:
            ValueError: for options given through `set_options`; worlds have none.
        """
        if any(self._options):
            raise ValueError(f"reset options {self._options[0]}: foveal worlds have none")
        seeds = None if self._seeds[0] is None else [int(seed or 0) for seed in self._seeds]
        observations, infos = self.env.reset(seed=seeds)
        self.reset_infos = _rows_of(infos, np.arange(self.num_envs))
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions (N, …) for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step every row: observations (N, …), rewards (N,) float32, dones (N,) bool and N infos."""
        observations, rewards, terminated, truncated, batched = self.env.step(self._actions)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        final_observations = batched.pop("final_obs", None)
        final_infos = batched.pop("final_info", {})
        infos = _rows_of(batched, np.arange(self.num_envs))
        ended = np.flatnonzero(dones)
        for row, final in zip(ended.tolist(), _rows_of(final_infos, ended), strict=True):
            self.reset_infos[row] = infos[row]
            infos[row] = {
                **final,
                "terminal_observation": final_observations[row],
                "episode": self._episode(row),
            }
        for info, time_limit in zip(infos, (truncated & ~terminated).tolist(), strict=True):
            info["TimeLimit.truncated"] = time_limit
        self._returns[ended] = 0.0
        self._lengths[ended] = 0
        return observations, rewards.astype(np.float32), dones, infos

    def _episode(self, row: int) -> dict[str, float]:
        seconds = round(time.time() - self._start_s, 6)
        return {"r": round(float(self._returns[row]), 6), "l": int(self._lengths[row]), "t": seconds}

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Give row i the seed ``seed + i`` at the next reset; None draws one from the system's entropy."""
        return super().seed(secrets.randbelow(EVALUATION_SEEDS - self.num_envs) if seed is None else seed)

    def close(self) -> None:
        """Close the world."""
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One frame (H, W, 3) per row, or None for each without a render mode."""
        return self.env.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The world's attribute, once for each index; its spaces are those of one row."""
        value = getattr(self.env, _OF_ONE_ROW.get(attr_name, attr_name))
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the world.

        Raises:
            ValueError: for `indices` that leave rows out: the rows share it.
        """
        if set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ValueError(f"{attr_name!r} belongs to all {self.num_envs} rows: it cannot be set for {indices}")
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the world once: its result for each index; ``render`` gives each row's frame.

        Raises:
            ValueError: for ``reset`` and ``step``, which move all rows at once.
        """
        rows = list(self._get_indices(indices))
        if method_name in ("reset", "step"):
            raise ValueError(f"rows cannot {method_name} alone: call {method_name}() of the vector environment")
        if method_name == "render":
            images = self.get_images()
            return [images[row] for row in rows]
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [result for _ in rows]

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """True for `Monitor`, whose episode statistics are built in, False for every other wrapper."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]


def _rows_of(infos: dict[str, Any], rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """A batched info, masks left out, as one dict with builtin scalars for each of `rows`."""
    keys = [key for key in infos if f"_{key}" in infos]
    if not keys:
        return [{} for _ in rows]
    columns = []
    for key in keys:
        value = infos[key]
        if isinstance(value, dict):
            columns.append(_rows_of(value, rows))
        else:
            columns.append(value[rows].tolist() if value.ndim == 1 else list(value[rows]))
    return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


class EgoAttentionExtractor(BaseFeaturesExtractor):
    """`EgoAttention` as an SB3 features extractor.

    ``PPO("MlpPolicy", env, policy_kwargs={"features_extractor_class": EgoAttentionExtractor})``; sizes go
    into ``features_extractor_kwargs``.

    Args:
        observation_space: Box (S, F): S entities of F features, entity 0 the ego, feature 0 the presence.
        width: Units of every layer, and features that come out.
        heads: Attention heads; must divide `width`.
        layers: Layers of the entity encoders.

    Raises:
        ValueError: for another space, or for heads that do not divide the width.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], *, width: int = 64, heads: int = 2, layers: int = 2
    ) -> None:
        super().__init__(observation_space, features_dim=width)
        self.network = EgoAttention(observation_space, width=width, heads=heads, layers=layers)

    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, width) of observations (B, S, F)."""
        features: Tensor = self.network(observations)
        return features

    def attention(self, observations: Tensor) -> Tensor:
        """The ego's attention weights (B, heads, S) over the entities of observations (B, S, F)."""
        return self.network.attention(observations)


class CodebookExtractor(BaseFeaturesExtractor):
    """Any of our feature networks with a filter behind it, as an SB3 features extractor.

    ``PPO("MlpPolicy", env, policy_kwargs={"features_extractor_class": CodebookExtractor})``; the arguments below
    go into ``features_extractor_kwargs``. SB3 puts its extractors into evaluation mode to collect and into training
    mode to update, so dropout strikes in updates only. It makes the first weights of linear layers orthogonal, the
    filter's too, unless ``policy_kwargs`` has ``ortho_init=False``. A filter's auxiliary loss is not in SB3's loss.

    Args:
        observation_space: One that the network accepts.
        network: A key of `foveal.agents.networks.NETWORKS`.
        network_options: In which the network differs from its defaults.
        filter: A key of `foveal.agents.filters.FILTERS`.
        options: The filter's options that differ from its defaults.

    Raises:
        ValueError: for what `make_network` and `make_filter` refuse.
        ImportError: where the filter's package is not installed.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        network: str = "attention",
        network_options: Options | None = None,
        filter: str = "codebook",
        options: Options | None = None,
    ) -> None:
        made = make_network(network, observation_space, network_options)
        width = int(made.features_dim)  # type: ignore[arg-type]
        super().__init__(observation_space, features_dim=width)
        self.network, self.filter = made, make_filter(filter, width, options)

    def forward(self, observations: Tensor) -> Tensor:
        """Filtered features (B, `features_dim`) of observations (B, ...)."""
        features: Tensor = self.filter(self.network(observations))
        return features
