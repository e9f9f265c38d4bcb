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

from foveal.agents.guidance import advised_actions
from foveal.agents.memory import Sequences
from foveal.agents.policies import ActorCritic
from foveal.agents.tensors import Tensors, each, named, rows_of, to_tensors, write
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
        perceived: (B, ...), what the policy's frozen layers made of the observations; with `sequences`, of whole
            sequences, of which the B transitions are the wanted steps.
        sequences: How `perceived` lies in time; None for a policy without memory.
        own: (B,) float32, 1 where the policy chose the action, 0 where a guide or an adviser did.
        actions: (B, ...).
        log_probs: (B,), of the actions when they were taken.
        values: (B,), as they were then.
        advantages: (B,), with mean 0 and standard deviation 1 where the policy chose.
        returns: (B,), the targets of the value function.
    """

    places: Tensor
    perceived: Tensors
    sequences: Sequences | None
    own: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


@dataclass
class Rollout:
    """T steps of N rows.

    Attributes:
        perceived: (T, N, ...), what the policy's frozen layers made of what each step started from.
        state: (N, S), the memory before the first step.
        starts: (T, N) bool, the steps that an episode starts with.
        own: (T, N), 1 where the policy chose the action, 0 where a guide or an adviser did.
        actions: (T, N, ...).
        log_probs: (T, N).
        values: (T, N), of `perceived`.
        next_values: (T, N), of what each step led to.
        rewards: (T, N), scaled.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        valid: (T, N) bool; False where the step was an autoreset and no transition.
    """

    perceived: Tensors
    state: Tensor
    starts: Tensor
    own: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    next_values: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor

    @classmethod
    def empty(cls, steps: int, perceived: Tensors, state: Tensor, action_space: spaces.Space[Any]) -> Rollout:
        """Room for `steps` steps of rows that perceive the like of this (N, ...)."""
        shape = (steps, rows_of(perceived))
        actions = torch.float32 if isinstance(action_space, spaces.Box) else torch.int64
        return cls(
            perceived=each(lambda part: part.new_zeros(steps, *part.shape), perceived),
            state=state,
            actions=torch.zeros(*shape, *(action_space.shape or ()), dtype=actions),
            **{name: torch.zeros(shape) for name in ("own", "log_probs", "values", "next_values", "rewards")},
            **{name: torch.zeros(shape, dtype=torch.bool) for name in ("starts", "terminated", "truncated", "valid")},
        )

    def advantages(self, gamma: float, gae_lambda: float) -> Tensor:
        """Advantages (T, N); see `gae`."""
        ends = (self.terminated, self.truncated)
        return gae(self.rewards, self.values, self.next_values, *ends, gamma=gamma, gae_lambda=gae_lambda)

    def minibatches(self, advantages: Tensor, count: int, generator: torch.Generator) -> Iterator[Minibatch]:
        """The valid steps in random order, in `count` parts as equal as can be; with a memory, in whole rows."""
        parts = (self.own, self.actions, self.log_probs, self.values, advantages, advantages + self.values)
        flat = [part.flatten(0, 1) for part in parts]  # (T, N, ...) -> (T * N, ...)
        for places, perceived, sequences in self._shares(count, generator):
            minibatch = Minibatch(places, perceived, sequences, *(part[places] for part in flat))
            chosen = minibatch.own > 0
            if chosen.any():
                centred = minibatch.advantages - minibatch.advantages[chosen].mean()
                minibatch = minibatch._replace(advantages=centred / (centred[chosen].std(correction=0) + 1e-8))
            yield minibatch

    def _shares(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensors, Sequences | None]]:
        """Places, what is perceived and sequences of `count` random shares of the rollout."""
        if self.state.shape[1] == 0:
            perceived = each(lambda part: part.flatten(0, 1), self.perceived)
            valid = self.valid.flatten().nonzero()[:, 0]
            order = valid[torch.randperm(len(valid), generator=generator)]
            for places in order.tensor_split(min(count, len(order))):
                yield places, each(lambda part, at=places: part[at], perceived), None  # type: ignore[misc]
            return
        steps, rows = self.valid.shape
        for share in torch.randperm(rows, generator=generator).tensor_split(min(count, rows)):
            wanted = self.valid[:, share].T
            places = (torch.arange(steps) * rows + share[:, None])[wanted]
            if len(places):
                sequences = Sequences(self.state[share], self.starts[:, share].T, wanted)
                yield places, each(lambda part, at=share: _in_rows(part[:, at]), self.perceived), sequences  # type: ignore[misc]


def _in_rows(part: Tensor) -> Tensor:
    return part.transpose(0, 1).flatten(0, 1)  # (T, N, ...) -> (N * T, ...)


class Collector:
    """Steps a world with a policy, and knows where its episodes end.

    In mode ``next_step`` the step after an ending resets its row and is no transition; in mode ``same_step``
    the final observation comes in the infos; in mode ``disabled`` ended rows are reset here. The episodes are
    the same.

    Args:
        env: N rows; it may hand out views (``copy=False``). An adviser with an ``entropy`` is told that of the
            policy's decisions.
        steps: Length T of a rollout.
        seed: Row i gets the seed ``seed + i``.
        reward_scale: Factor on the rewards in the rollouts.
        state_dim: Size S of a row's memory.

    Attributes:
        observations: (N, ...), what the next step starts from; see `foveal.agents.tensors.to_tensors`.
        memory: (N, S) float32, what the policy remembers.
        starts: (N,) bool, the rows whose next step is the first of an episode.
        ended: (N,) bool, the rows whose next step is an autoreset.
        episode_return: (N,) float64, unscaled, of the episodes under way.
        episode_length: (N,) int64, steps.
    """

    _STATE = ("memory", "starts", "ended", "episode_return", "episode_length")

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        steps: int,
        seed: int,
        reward_scale: float = 1.0,
        state_dim: int = 0,
    ) -> None:
        self.env, self.steps, self.reward_scale = env, steps, reward_scale
        self.mode: AutoresetMode = env.metadata["autoreset_mode"]
        self.observations = to_tensors(env.reset(seed=seed)[0])
        self.memory = torch.zeros(env.num_envs, state_dim)
        self.starts = torch.ones(env.num_envs, dtype=torch.bool)
        self.ended = torch.zeros(env.num_envs, dtype=torch.bool)
        self.episode_return = np.zeros(env.num_envs)
        self.episode_length = np.zeros(env.num_envs, np.int64)
        self.rollout: Rollout | None = None
        self._minds_entropy = hasattr(getattr(env, "adviser", None), "entropy")

    @torch.no_grad()
    def collect(
        self, policy: ActorCritic, generator: torch.Generator, guided: int = 0
    ) -> tuple[Rollout, dict[str, float | int | None]]:
        """Take T steps with sampled actions.

        Args:
            policy: That acts.
            generator: That the actions are drawn from.
            guided: In the first so many rows the adviser acts, where it says something, or the guide that the world
                observes.

        Returns:
            The rollout, in buffers that the next call overwrites, and the means over the policy's own episodes that
            ended.
        """
        perceived = policy.perceive(self.observations)
        roll = self.rollout = self.rollout or Rollout.empty(
            self.steps, perceived, self.memory, self.env.single_action_space
        )
        roll.state = self.memory
        roll.own.fill_(1)
        finals, episodes = [], []
        for t in range(self.steps):
            output = policy(perceived, Sequences.step(self.memory, self.starts))
            actions = output.distribution.sample(generator)
            if guided:
                told, heard = advised_actions(perceived, *self.actions)
                heard[guided:] = False
                actions, roll.own[t] = torch.where(heard, told, actions), ~heard
            write(roll.perceived, t, perceived)
            roll.starts[t], roll.actions[t], roll.valid[t] = self.starts, actions, ~self.ended
            roll.log_probs[t], roll.values[t] = output.distribution.log_prob(actions), output.values
            if self._minds_entropy:
                self.env.adviser.entropy = output.distribution.entropy().numpy()  # type: ignore[attr-defined]
            self.memory, resets = output.state, self.ended
            observations, rewards, terminated, truncated, infos = self.env.step(self._for_env(actions))
            roll.rewards[t] = torch.from_numpy(rewards * self.reward_scale)
            roll.terminated[t], roll.truncated[t] = torch.from_numpy(terminated), torch.from_numpy(truncated)
            ended = terminated | truncated
            counted = self._count(rewards, terminated, ended, roll.valid[t].numpy(), infos)
            episodes.append(counted[:, np.flatnonzero(ended) >= guided])
            observations, rows, final = self._reset(observations, ended, infos)
            self.starts = resets if self.mode is AutoresetMode.NEXT_STEP else torch.from_numpy(ended)
            if rows.size:
                finals.append((t, rows, self._values_of(policy, policy.perceive(final), rows)))
            self.observations = to_tensors(observations)
            perceived = policy.perceive(self.observations)
        roll.next_values[:-1] = roll.values[1:]
        roll.next_values[-1] = policy.values(perceived, Sequences.step(self.memory, self.starts))
        for t, rows, values in finals:
            roll.next_values[t, rows] = values
        return roll, _means(np.concatenate(episodes, 1))

    def _values_of(self, policy: ActorCritic, final: Tensors, rows: NDArray[np.int64]) -> Tensor:
        """Values of the final observations of some rows, before they are forgotten."""
        return policy.values(final, Sequences.step(self.memory[rows], torch.zeros(len(rows), dtype=torch.bool)))

    def state(self) -> dict[str, NDArray[Any]]:
        """What decides the next steps, the world's rows included; some arrays are views."""
        ours = {name: np.asarray(getattr(self, name)) for name in self._STATE}
        seen = {name: one.numpy() for name, one in named(self.observations, "observations").items()}
        world = {f"env/{name}": array for name, array in self.env.get_state().items()}  # type: ignore[attr-defined]
        return ours | seen | world

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
        for name, one in named(self.observations, "observations").items():
            one.copy_(torch.from_numpy(arrays[name].copy()))

    @property
    def actions(self) -> tuple[int, int]:
        """How many discrete actions there are, and the first one's number."""
        space: Any = self.env.single_action_space
        return int(space.n), int(space.start)

    def _for_env(self, actions: Tensor) -> NDArray[Any]:
        space, array = self.env.single_action_space, actions.numpy()
        return np.clip(array, space.low, space.high) if isinstance(space, spaces.Box) else array

    def _count(
        self,
        rewards: Any,
        terminated: NDArray[np.bool_],
        ended: NDArray[np.bool_],
        valid: NDArray[np.bool_],
        infos: dict[str, Any],
    ) -> NDArray[np.float64]:
        """Count a step; return, length, termination and success (4, E) of the E episodes that ended."""
        self.episode_return += rewards
        self.episode_length += valid
        told = infos.get("final_info", infos).get("success")
        success = np.full(ended.size, np.nan) if told is None else told
        counted = np.stack([self.episode_return, self.episode_length, terminated, success])[:, ended]
        self.episode_return[ended] = self.episode_length[ended] = 0
        return counted

    def _reset(
        self, observations: Any, ended: NDArray[np.bool_], infos: dict[str, Any]
    ) -> tuple[Any, NDArray[np.int64], Tensors]:
        """What to act on next, and the rows whose final observations are no part of that, with those."""
        rows, final = np.flatnonzero(ended), self.observations
        if self.mode is AutoresetMode.NEXT_STEP:
            self.ended = torch.from_numpy(ended)
            return observations, rows[:0], final
        if self.mode is AutoresetMode.SAME_STEP and rows.size:
            final = to_tensors(_stacked(infos["final_obs"][rows]))
        elif rows.size:
            final = each(lambda part: part[rows], to_tensors(observations))
            observations, _ = self.env.reset(options={"reset_mask": ended})
        return observations, rows, final


def _stacked(observations: Any) -> Any:
    """Single observations, or dicts of them, as one batch."""
    if isinstance(observations[0], Mapping):
        return {name: np.stack([one[name] for one in observations]) for name in observations[0]}
    return np.stack(list(observations))


def _means(episodes: NDArray[np.float64]) -> dict[str, float | int | None]:
    """Means over the episodes that ended (4, E), as `Collector.collect` tells them."""
    means = episodes.mean(1).tolist() if episodes.size else [None] * 4
    told = dict(zip(("return_mean", "length_mean", "terminated_share", "success_share"), means, strict=True))
    if told["success_share"] != told["success_share"]:  # the world tells no success
        told["success_share"] = None
    return {"episodes": episodes.shape[1], **told}


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
