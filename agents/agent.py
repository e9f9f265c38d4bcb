"""Agents: trained policies that act, NumPy in and NumPy out, and where they come from: run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.policies import ActorCritic
from foveal.agents.rollouts import make_world
from foveal.agents.runs import Run, load_weights
from foveal.envs.batch import BatchEnv


class Agent:
    """A trained policy that acts: NumPy in, NumPy out, no gradients.

    Args:
        policy: The actor-critic.
        config: The learner's configuration.
        world: The world it was trained in; its spaces are used, it is not stepped.
        greedy: Take the likeliest actions; False samples.
        seed: Of the sampling.
    """

    def __init__(
        self, policy: ActorCritic, config: PPOConfig, world: BatchEnv, *, greedy: bool = True, seed: int = 0
    ) -> None:
        self.policy, self.config, self.greedy = policy.eval(), config, greedy
        self._observation_space, self._action_space = (
            world.single_observation_space,
            world.single_action_space,
        )
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def __call__(self, observations: NDArray[Any]) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Act.

        Args:
            observations: (N, ...).

        Returns:
            Actions (N, ...), and what the agent says about them: ``"value"`` (N,) float32, the discounted
            return it expects, and ``"attention"`` (N, heads, S) float32 where its network attends.

        Raises:
            ValueError: for observations of another shape.
        """
        shape = self._observation_space.shape or ()
        if observations.shape[1:] != shape or observations.ndim == len(shape):
            expected = ", ".join(["N", *map(str, shape)])
            raise ValueError(f"observations have shape {observations.shape}, expected ({expected})")
        given = torch.tensor(observations, dtype=torch.float32)
        distribution, values, _ = self.policy(given)
        actions = (distribution.mode() if self.greedy else distribution.sample(self._generator)).numpy()
        if isinstance(self._action_space, spaces.Box):
            actions = np.clip(actions, self._action_space.low, self._action_space.high)
        told = {"value": values.numpy() / (1 - self.config.gamma)}  # the learner scales rewards by 1 - γ
        weights = self.policy.attention(given)
        return actions, told if weights is None else {**told, "attention": weights.numpy()}


def load_agent(path: str | Path, *, checkpoint: str | None = None, greedy: bool = True, seed: int = 0) -> Agent:
    """The trained policy of a run, ready to act.

    Args:
        path: A run folder, or a checkpoint's safetensors file inside one.
        checkpoint: ``"step-…"`` or ``"best"``; by default the latest that is sound.
        greedy: Take the likeliest actions; False samples.
        seed: Of the sampling.

    Raises:
        RunError: where there is no run, no sound checkpoint, or weights that do not fit the configuration.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        path, checkpoint = path.parent.parent, path.stem
    run = Run(path)
    config, loaded = run.config, run.load(checkpoint)
    try:
        world = make_world(config.env_id, 1, config.env_params)
        policy = config.make_policy(world.single_observation_space, world.single_action_space)
    except ValueError as error:
        raise RunError(f"{path / 'config.json'}: {error}") from None
    load_weights(policy, loaded.arrays, str(loaded.path))
    return Agent(policy, config, world, greedy=greedy, seed=seed)
