"""The single environment: the batch of one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv, Infos, copy_of_row, each_part


class SingleEnv(gymnasium.Env[Any, Any]):
    """One row of a world as a plain Gymnasium environment: a `BatchEnv` of one, nothing more.

    Args:
        render_mode: None or ``"rgb_array"``.
        **params: As for the world's `BatchEnv`.
    """

    world: ClassVar[Callable[..., BatchEnv]]
    metadata: dict[str, Any] = dict(BatchEnv.metadata)  # gymnasium.make looks for render modes in the class

    def __init__(self, render_mode: str | None = None, **params: Any) -> None:
        params.setdefault("trace_rows", () if render_mode is None else (0,))  # so that a wrapped one can be recorded
        self.batch = type(self).world(
            1, render_mode=render_mode, autoreset_mode=AutoresetMode.DISABLED, copy=True, **params
        )
        self.render_mode = render_mode
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.metadata = {key: value for key, value in self.batch.metadata.items() if key != "autoreset_mode"}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Infos]:
        """Begin an episode: the observation and the info of row 0."""
        super().reset(seed=seed)
        observations, infos = self.batch.reset(seed=seed, options=options or None)
        return each_part(partial(copy_of_row, 0), observations), _first(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Infos]:
        """Step once: observation, reward, terminated, truncated and info of row 0, with builtin scalars."""
        observations, rewards, terminated, truncated, infos = self.batch.step(np.asarray(action)[None])
        observation = each_part(partial(copy_of_row, 0), observations)
        return observation, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), _first(infos)

    def render(self) -> NDArray[np.uint8] | None:
        """The present frame (H, W, 3), or None without a render mode."""
        return None if self.render_mode is None else self.batch.render_rows([0])[0]


def _first(infos: Infos) -> Infos:
    """Row 0 of a batched info, without masks and as builtin scalars."""
    row = {}
    for key, value in infos.items():
        if isinstance(value, dict):
            row[key] = _first(value)
        elif not key.startswith("_"):
            row[key] = value[0].item() if value.ndim == 1 else value[0]
    return row
