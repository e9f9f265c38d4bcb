"""Agents: trained policies that act, NumPy in and NumPy out, and where they come from: run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.memory import Sequences
from foveal.agents.policies import ActorCritic
from foveal.agents.rollouts import make_world
from foveal.agents.runs import Run, load_weights
from foveal.agents.tensors import Tensors, rows_of, to_tensors
from foveal.envs.advice import bare, bare_space
from foveal.envs.batch import BatchEnv


class Agent:
    """A policy that acts on batches: NumPy in and NumPy out, no gradients.

    One with a memory remembers from call to call: `begin` makes it forget, and so does a row's new episode, where
    the caller tells of it.

    Args:
        policy: The actor-critic.
        config: The learner's configuration.
        world: The world it was trained in; its spaces are used, it is not stepped.
        greedy: Take the likeliest actions; False samples.
        seed: Of the sampling.

    Attributes:
        explain: Say where in the image the features come from, which takes as long as to act.
    """

    def __init__(
        self, policy: ActorCritic, config: PPOConfig, world: BatchEnv, *, greedy: bool = True, seed: int = 0
    ) -> None:
        self.policy, self.config, self.greedy, self.explain = policy.eval(), config, greedy, False
        self._observation_space, self._action_space = (
            world.single_observation_space,
            world.single_action_space,
        )
        self._generator = torch.Generator().manual_seed(seed)
        self.begin()

    @property
    def _reads(self) -> tuple[str, ...]:
        """The parts of a Dict observation that the policy needs."""
        assert isinstance(self._observation_space, spaces.Dict)
        reads: tuple[str, ...] = getattr(self.policy.actor_features, "reads", tuple(self._observation_space))
        return reads

    def check_fit(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Refuse a world whose spaces (of a single row) are not those that the policy was trained in.

        Raises:
            ValueError: showing both.
        """
        ours, theirs = self._observation_space, bare_space(observation_space)
        if isinstance(ours, spaces.Dict) and isinstance(theirs, spaces.Dict):
            ours, theirs = (
                spaces.Dict({n: s for n, s in space.items() if n in self._reads}) for space in (ours, theirs)
            )
        for what, one, other in (("observes", ours, theirs), ("acts in", self._action_space, action_space)):
            if not _alike(one, other):
                raise ValueError(f"the policy {what} {one}, the world has {other}")

    def begin(self) -> None:
        """Forget: all rows begin an episode with the next call."""
        self._memory: Tensor | None = None

    @torch.no_grad()
    def __call__(
        self, observations: Any, starts: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Act.

        Args:
            observations: (N, ...), or a dict of such; with advice or without.
            starts: (N,), the rows that begin an episode; by default none, but at the first call all.

        Returns:
            Actions (N, ...), and what the agent says about them: ``"value"`` (N,) float32, the discounted
            return it expects; ``"attention"`` (N, heads, S) float32 where its network attends, or with `explain`
            (N, 2, 7, 7) where it sees images, see `ActorCritic.saliency`; ``"teacher"`` (N,) float32, the share of
            its attention that goes to a teacher, where its network hears one.

        Raises:
            ValueError: for observations of another shape, or of another number of rows than it remembers.
        """
        given = to_tensors(self._checked(observations))
        perceived = self.policy.perceive(given)
        distribution, values, _, self._memory = self.policy(perceived, self._past(given, starts))
        actions = (distribution.mode() if self.greedy else distribution.sample(self._generator)).numpy()
        if isinstance(self._action_space, spaces.Box):
            actions = np.clip(actions, self._action_space.low, self._action_space.high)
        told = {"value": values.numpy() / (1 - self.config.gamma)}  # the learner scales rewards by 1 - γ
        weights = self.policy.attention(given)
        if weights is not None and getattr(self.policy.actor_features, "hears", False):
            told["teacher"], weights = weights[..., -1].mean(1).numpy(), weights[..., :-1]
        if weights is None and self.explain:
            weights = self.policy.saliency(perceived)
        return actions, told if weights is None else {**told, "attention": weights.numpy()}

    def _checked(self, observations: Any) -> Any:
        """The observations that the policy was trained on, and advice; once their shapes are known to be right."""
        if not isinstance(self._observation_space, spaces.Dict):
            check_shape("observations", bare(observations), self._observation_space)
            return observations
        for name in self._reads:
            if name not in observations:
                raise ValueError(f"observations lack {name!r}; expected {', '.join(self._reads)}")
            check_shape(name, observations[name], self._observation_space[name])
        return {name: observations[name] for name in self._reads}

    def _past(self, given: Tensors, starts: NDArray[np.bool_] | None) -> Sequences | None:
        """What is remembered of the rows, none of whose state is kept without a memory."""
        rows, width = rows_of(given), self.policy.state_dim
        if width == 0:
            return None
        if self._memory is None:
            return Sequences.step(torch.zeros(rows, width), torch.ones(rows, dtype=torch.bool))
        if len(self._memory) != rows:
            raise ValueError(f"observations of {rows} rows, but the agent remembers {len(self._memory)}: begin() first")
        begun = torch.zeros(rows, dtype=torch.bool) if starts is None else torch.from_numpy(np.asarray(starts, bool))
        return Sequences.step(self._memory, begun)


def _alike(one: spaces.Space[Any], other: spaces.Space[Any]) -> bool:
    """Whether elements of two spaces have the same form, whatever their bounds."""
    if isinstance(one, spaces.Dict) and isinstance(other, spaces.Dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, spaces.Discrete) and isinstance(other, spaces.Discrete):
        return bool(one.n == other.n and one.start == other.start)
    return type(one) is type(other) and one.shape == other.shape and one.dtype == other.dtype


def check_shape(name: str, array: NDArray[Any], space: spaces.Space[Any]) -> None:
    """Refuse what is no batch of elements of a space, by its shape.

    Raises:
        ValueError: naming the shape that was expected.
    """
    shape = space.shape or ()
    if array.shape[1:] != shape or array.ndim == len(shape):
        expected = ", ".join(["N", *map(str, shape)])
        raise ValueError(f"{name} have shape {array.shape}, expected ({expected})")


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
