"""Rollouts: steps collected from a world in any autoreset mode, and their generalised advantages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from foveal.agents.policies import ActorCritic
from foveal.envs.batch import BatchEnv
from foveal.envs.params import did_you_mean


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Generalised advantage estimates of steps whose episodes may end anywhere.

    ``A[t] = δ[t] + γλ A[t+1]`` with ``δ[t] = r[t] + γ V(s'[t]) - V(s[t])``, where s'[t] is what step t led
    to. Nothing comes after a termination, so V(s') counts as 0 there; after a truncation the episode would
    have gone on, so V(s') is the value of its final observation. Either cuts the sum. Steps that are no
    transitions (autoresets) get a number that touches no other: leave them out afterwards.

    Source: Schulman et al., "High-dimensional continuous control using generalized advantage estimation"
    (2016, arXiv:1506.02438), equation 16.

    Args:
        rewards: (T, N) float.
        values: (T, N) float, V of the observation each step started from.
        next_values: (T, N) float, V of the observation each step led to: the *final* one where the episode
            ended, never the next episode's first.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        gamma: Discount of a step.
        gae_lambda: λ, 0 (one step) to 1 (Monte Carlo).

    Returns:
        (T, N) advantages. Adding `values` gives the targets of the value function.
    """
    delta = rewards + gamma * next_values * ~terminated - values
    decay = gamma * gae_lambda * ~(terminated | truncated)
    advantages = torch.empty_like(delta)
    running = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + decay[t] * running
        advantages[t] = running
    return advantages


class Minibatch(NamedTuple):
    """B transitions of a rollout.

    Attributes:
        places: (B,) int64, where each stands in the rollout: ``t * N + row``.
        observations: (B, ...).
        actions: (B, ...).
        log_probs: (B,), of the actions when they were taken.
        values: (B,), as they were then.
        advantages: (B,), with mean 0 and standard deviation 1.
        returns: (B,), the targets of the value function.
    """

    places: Tensor
    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


@dataclass
class Rollout:
    """T steps of N rows.

    Attributes:
        observations: (T, N, ...), what each step started from.
        actions: (T, N, ...).
        log_probs: (T, N).
        values: (T, N), of `observations`.
        next_values: (T, N), of what each step led to.
        rewards: (T, N), scaled.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        valid: (T, N) bool; False where the step was an autoreset and no transition.
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    next_values: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor

    @classmethod
    def empty(cls, steps: int, observations: Tensor, action_space: spaces.Space[Any]) -> Rollout:
        """Room for `steps` steps of rows with observations like these (N, ...)."""
        shape = (steps, len(observations))
        actions = torch.float32 if isinstance(action_space, spaces.Box) else torch.int64
        return cls(
            observations=torch.zeros(steps, *observations.shape),
            actions=torch.zeros(*shape, *(action_space.shape or ()), dtype=actions),
            **{name: torch.zeros(shape) for name in ("log_probs", "values", "next_values", "rewards")},
            **{name: torch.zeros(shape, dtype=torch.bool) for name in ("terminated", "truncated", "valid")},
        )

    def advantages(self, gamma: float, gae_lambda: float) -> Tensor:
        """Advantages (T, N); see `gae`."""
        ends = (self.terminated, self.truncated)
        return gae(self.rewards, self.values, self.next_values, *ends, gamma=gamma, gae_lambda=gae_lambda)

    def minibatches(self, advantages: Tensor, count: int, generator: torch.Generator) -> Iterator[Minibatch]:
        """The valid steps in random order, in `count` parts as equal as can be."""
        parts = (
            self.observations,
            self.actions,
            self.log_probs,
            self.values,
            advantages,
            advantages + self.values,
        )
        flat = [part.flatten(0, 1) for part in parts]  # (T, N, ...) -> (T * N, ...)
        valid = self.valid.flatten().nonzero()[:, 0]
        order = valid[torch.randperm(len(valid), generator=generator)]
        for places in order.tensor_split(min(count, len(order))):
            minibatch = Minibatch(places, *(part[places] for part in flat))
            centred = minibatch.advantages - minibatch.advantages.mean()
            yield minibatch._replace(advantages=centred / (centred.std(correction=0) + 1e-8))


class Collector:
    """Steps a world with a policy, and knows where its episodes end.

    In mode ``next_step`` the step after an ending resets its row and is no transition; in mode ``same_step``
    the final observation comes in the infos; in mode ``disabled`` ended rows are reset here. The episodes are
    the same.

    Observations pass through `to_tensor` and `Rollout` alone: Dict observations have their place there, and a
    memory's state beside `observations`.

    Args:
        env: N rows; it may hand out views (``copy=False``).
        steps: Length T of a rollout.
        seed: Row i gets the seed ``seed + i``.
        reward_scale: Factor on the rewards in the rollouts.

    Attributes:
        observations: (N, ...) float32, what the next step starts from.
        ended: (N,) bool, the rows whose next step is an autoreset.
        episode_return: (N,) float64, unscaled, of the episodes under way.
        episode_length: (N,) int64, steps.
    """

    _STATE = ("observations", "ended", "episode_return", "episode_length")

    def __init__(self, env: VectorEnv[Any, Any, Any], steps: int, seed: int, reward_scale: float = 1.0) -> None:
        self.env, self.reward_scale = env, reward_scale
        self.mode: AutoresetMode = env.metadata["autoreset_mode"]
        self.observations = to_tensor(env.reset(seed=seed)[0])
        self.ended = torch.zeros(env.num_envs, dtype=torch.bool)
        self.episode_return = np.zeros(env.num_envs)
        self.episode_length = np.zeros(env.num_envs, np.int64)
        self.rollout = Rollout.empty(steps, self.observations, env.single_action_space)

    @torch.no_grad()
    def collect(self, policy: ActorCritic, generator: torch.Generator) -> tuple[Rollout, dict[str, float | int | None]]:
        """Take T steps with sampled actions.

        Returns:
            The rollout, in buffers that the next call overwrites, and the means over the episodes that ended.
        """
        roll, finals = self.rollout, []
        episodes: list[NDArray[np.float64]] = []
        for t in range(len(roll.rewards)):
            output = policy(self.observations)
            actions = output.distribution.sample(generator)
            roll.observations[t], roll.actions[t], roll.valid[t] = self.observations, actions, ~self.ended
            roll.log_probs[t], roll.values[t] = output.distribution.log_prob(actions), output.values
            observations, rewards, terminated, truncated, infos = self.env.step(self._for_env(actions))
            roll.rewards[t] = torch.from_numpy(rewards * self.reward_scale)
            roll.terminated[t], roll.truncated[t] = torch.from_numpy(terminated), torch.from_numpy(truncated)
            episodes.append(self._count(rewards, terminated, truncated, roll.valid[t].numpy()))
            observations, rows, final = self._reset(observations, terminated | truncated, infos)
            if rows.size:
                finals.append((t, rows, policy.values(final)))
            self.observations = to_tensor(observations)
        roll.next_values[:-1] = roll.values[1:]
        roll.next_values[-1] = policy.values(self.observations)
        for t, rows, values in finals:
            roll.next_values[t, rows] = values
        ended = np.concatenate(episodes, 1)
        means = ended.mean(1).tolist() if ended.size else [None] * 3
        names = ("return_mean", "length_mean", "terminated_share")
        return roll, {"episodes": ended.shape[1], **dict(zip(names, means, strict=True))}

    def state(self) -> dict[str, NDArray[Any]]:
        """What decides the next steps, the world's rows included; some arrays are views."""
        ours = {name: np.asarray(getattr(self, name)) for name in self._STATE}
        return ours | {f"env/{name}": array for name, array in self.env.get_state().items()}  # type: ignore[attr-defined]

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go back to where `state` was taken, bit for bit.

        Raises:
            ValueError: where the world refuses its state.
        """
        prefix = "env/"
        world = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        self.env.set_state(world)  # type: ignore[attr-defined]
        for name in self._STATE:
            ours, array = getattr(self, name), arrays[name].copy()
            setattr(self, name, torch.from_numpy(array) if isinstance(ours, Tensor) else array)

    def _for_env(self, actions: Tensor) -> NDArray[Any]:
        space, array = self.env.single_action_space, actions.numpy()
        return np.clip(array, space.low, space.high) if isinstance(space, spaces.Box) else array

    def _count(
        self,
        rewards: Any,
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        valid: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Count a step; return, length and whether it terminated (3, E) of the E episodes that ended."""
        self.episode_return += rewards
        self.episode_length += valid
        ended = terminated | truncated
        told = np.stack([self.episode_return[ended], self.episode_length[ended], terminated[ended]])
        self.episode_return[ended] = self.episode_length[ended] = 0
        return told

    def _reset(
        self, observations: Any, ended: NDArray[np.bool_], infos: dict[str, Any]
    ) -> tuple[Any, NDArray[np.int64], Tensor]:
        """What to act on next, and the rows whose final observations are no part of that, with those."""
        rows, final = np.flatnonzero(ended), self.observations[:0]
        if self.mode is AutoresetMode.NEXT_STEP:
            self.ended = torch.from_numpy(ended)
            return observations, rows[:0], final
        if self.mode is AutoresetMode.SAME_STEP and rows.size:
            final = to_tensor(np.stack(list(infos["final_obs"][rows])))
        elif rows.size:
            final = to_tensor(observations[rows])
            observations, _ = self.env.reset(options={"reset_mask": ended})
        return observations, rows, final


def make_world(env_id: str, num_envs: int, params: Mapping[str, Any]) -> BatchEnv:
    """A registered world to learn in: autoreset mode ``next_step``, observations as views.

    Raises:
        ValueError: for an unknown id (it names the nearest), a parameter the world refuses, or what is no
            `BatchEnv`, whose state a checkpoint can hold.
    """
    if env_id not in gymnasium.registry:
        ours = [name for name in gymnasium.registry if name.startswith("foveal/")]
        raise ValueError(f"unknown world {env_id!r}{did_you_mean(env_id, ours)}")
    kwargs = {"copy": False, "autoreset_mode": "next_step", **params}
    try:
        env = gymnasium.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **kwargs)
    except (TypeError, ValueError, gymnasium.error.Error) as error:
        raise ValueError(f"{env_id}: {error}") from None
    if not isinstance(env, BatchEnv):
        raise ValueError(f"{env_id}: no BatchEnv; training needs a world whose state can be saved")
    return env


def to_tensor(observations: Any) -> Tensor:
    """A float32 copy (the world may overwrite its own)."""
    return torch.tensor(observations, dtype=torch.float32)
