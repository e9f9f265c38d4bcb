"""Policies: the actor-critic, put together of exchangeable parts.

Observations go through a feature network, a filter and a memory to the two heads. Each part is chosen by its name in
its registry: `foveal.agents.networks.NETWORKS`, `foveal.agents.filters.FILTERS`, `foveal.agents.memory.MEMORIES`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from foveal.agents.distributions import Categorical, Gaussian
from foveal.agents.filters import make_filter
from foveal.agents.goal_vision import GoalVision
from foveal.agents.guidance import is_told, log_prior, said_in
from foveal.agents.memory import Sequences, make_memory
from foveal.agents.networks import NETWORKS, make_network
from foveal.agents.options import Options
from foveal.agents.tensors import Tensors
from foveal.envs.advice import advised_space


class PolicyOutput(NamedTuple):
    """What the actor-critic says of B observations, or of the wanted ones among them.

    Attributes:
        distribution: Over actions.
        values: (B,) expected discounted return.
        features: (B, F), what the policy head sees.
        state: (N, S), the memory after the last step; of no width without one.
    """

    distribution: Categorical | Gaussian
    values: Tensor
    features: Tensor
    state: Tensor


class ActorCritic(nn.Module):
    """A policy and its value function: two heads on features, which may be filtered and remembered.

    The first weights are CleanRL's (``cleanrl/ppo.py``, ``layer_init``): orthogonal with gain √2, 0.01 for
    the policy head (the first policy is close to uniform) and 1 for the value head; biases 0. Filters, memories and
    visual encoders choose their own.

    Args:
        observation_space: Of a single row.
        action_space: Of a single row: Discrete or Box.
        network: A key of `NETWORKS`.
        options: In which the network differs from its defaults.
        shared: One feature network for both heads; False only without filter and memory.
        filter: A key of `FILTERS`.
        filter_options: In which the filter differs from its defaults.
        after_memory: Filter what the memory gives, not what it gets.
        memory: A key of `MEMORIES`.
        memory_options: In which the memory differs from its defaults.

    Attributes:
        prior: How much the advice that is observed weighs as a prior on the actions; see `foveal.agents.guidance`.

    Raises:
        ValueError: for what the parts refuse, parts that do not go together, and for another action space.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        network: str = "attention",
        options: Options | None = None,
        shared: bool = False,
        filter: str = "none",
        filter_options: Options | None = None,
        after_memory: bool = False,
        memory: str = "none",
        memory_options: Options | None = None,
    ) -> None:
        super().__init__()
        if not shared and (filter, memory) != ("none", "none"):
            raise ValueError("shared=False: a filter and a memory need one feature network for both heads")
        if after_memory and memory == "none":
            raise ValueError("after_memory=True: there is no memory")
        self.prior = 0.0
        if getattr(NETWORKS.get(network), "hears", False):
            observation_space = advised_space(observation_space, action_space)
        self.actor_features = make_network(network, observation_space, options)
        self.critic_features = None if shared else make_network(network, observation_space, options)
        width = int(self.actor_features.features_dim)  # type: ignore[arg-type]
        self.filter = make_filter(filter, width, filter_options) if not after_memory else nn.Identity()
        self.memory = make_memory(memory, width, memory_options)
        if self.memory is not None:
            width = self.memory.features_dim
        self.filter_after = make_filter(filter, width, filter_options) if after_memory else nn.Identity()
        self.state_dim: int = 0 if self.memory is None else self.memory.state_dim
        if isinstance(action_space, spaces.Discrete):
            self.action_shape, outputs, self.start = None, int(action_space.n), int(action_space.start)
        elif isinstance(action_space, spaces.Box) and action_space.shape:
            self.action_shape, outputs = action_space.shape, math.prod(action_space.shape)
            self.log_std = nn.Parameter(torch.zeros(action_space.shape))
        else:
            raise ValueError(f"policies act in Discrete and Box spaces, got {action_space}")
        self.policy_head = nn.Linear(width, outputs)
        self.value_head = nn.Linear(width, 1)
        gains = {self.policy_head: 0.01, self.value_head: 1.0}
        for part in (self.actor_features, self.critic_features, self.policy_head, self.value_head):
            for layer in [] if part is None else part.modules():
                if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
                    nn.init.orthogonal_(layer.weight, gains.get(layer, math.sqrt(2)))
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)

    def perceive(self, observations: Tensors) -> Tensors:
        """What the policy's frozen layers make of observations (B, ...): what `forward` takes, with no gradients."""
        perceive = getattr(self.actor_features, "perceive", None)
        if perceive is None:
            return observations
        with torch.no_grad():
            perceived: Tensors = perceive(observations)
        return perceived

    def forward(self, perceived: Tensors, sequences: Sequences | None = None) -> PolicyOutput:
        """Distribution, values, features and memory.

        Args:
            perceived: (B, ...), from `perceive`.
            sequences: How the B steps lie in time; needed by a policy with a memory.
        """
        features, state = self._features(perceived, sequences)
        critic = features if self.critic_features is None else self.critic_features(perceived)
        values = self.value_head(critic)[:, 0].float()
        outputs = self.policy_head(features).float()
        if self.prior and is_told(perceived):
            outputs = outputs + self.prior * log_prior(said_in(perceived, outputs.shape[-1], self.start, sequences))
        return PolicyOutput(self._distribution(outputs), values, features, state)

    def values(self, perceived: Tensors, sequences: Sequences | None = None) -> Tensor:
        """Expected discounted return (B,) from observations (B, ...) on; see `forward`."""
        if self.critic_features is None:
            features, _ = self._features(perceived, sequences)
        else:
            features = self.critic_features(perceived)
        values: Tensor = self.value_head(features)[:, 0].float()
        return values

    def adopt(self, other: ActorCritic) -> None:
        """Take over what another policy has learnt; each keeps its frozen encoder.

        Raises:
            ValueError: naming the first part that differs.
        """
        ours, theirs = learnt(self), learnt(other)
        for name in sorted(ours.keys() | theirs.keys()):
            shapes = [tuple(one[name].shape) if name in one else None for one in (ours, theirs)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"{name}: this policy has shape {shapes[0]}, the other {shapes[1]}")
        with torch.no_grad():
            for name, tensor in ours.items():
                tensor.copy_(theirs[name])

    def attention(self, observations: Tensors) -> Tensor | None:
        """The actor's attention weights (B, heads, S), or None where its network does not attend."""
        attention = getattr(self.actor_features, "attention", None)
        return None if attention is None else attention(observations)

    def saliency(self, perceived: Tensors) -> Tensor | None:
        """Where in the image the features come from, before and behind the filter; one behind the memory is not shown.

        Gradient times activation of an encoder's map, summed over its channels, of the features' squared length (the
        rule of Shrikumar et al., "Not just a black box", 2016, arXiv:1605.01713, at the map as in Selvaraju et al.,
        "Grad-CAM", ICCV 2017, arXiv:1610.02391).

        Returns:
            (B, 2, 7, 7) in [0, 1], each map's greatest value 1; None where the network sees no images.
        """
        if not isinstance(self.actor_features, GoalVision) or not isinstance(perceived, dict):
            return None
        with torch.enable_grad():
            places = self.actor_features.places(perceived).detach().requires_grad_()
            features = self.actor_features.fuse(places, perceived)
            maps = []
            for told in (features, self.filter(features)):
                (gradient,) = torch.autograd.grad(told.square().sum(), places, retain_graph=True)
                maps.append((gradient * places).sum(-1).abs())
        weights = torch.stack(maps, 1).detach()  # (B, 2, 49)
        return (weights / weights.amax(-1, keepdim=True).clamp(min=1e-12)).unflatten(-1, (7, 7))

    def _features(self, perceived: Tensors, sequences: Sequences | None) -> tuple[Tensor, Tensor]:
        """What the heads stand on (B, F), and the memory (N, S)."""
        features = self.filter(self.actor_features(perceived))
        if self.memory is None:
            return self.filter_after(features), features.new_zeros(len(features), 0)
        if sequences is None:
            raise ValueError("a policy with a memory needs the sequences that its steps lie in")
        order = features.unflatten(0, sequences.starts.shape)  # (N * T, E) -> (N, T, E)
        remembered, state = self.memory(order, sequences.starts, sequences.state)
        return self.filter_after(remembered[sequences.wanted]), state

    def _distribution(self, outputs: Tensor) -> Categorical | Gaussian:
        if self.action_shape is None:
            return Categorical(outputs.log_softmax(-1), self.start)
        return Gaussian(outputs.unflatten(-1, self.action_shape), self.log_std)


def learnt(policy: ActorCritic) -> dict[str, Tensor]:
    """All of a policy's weights by name, but for those of a frozen encoder: they are known without it."""
    weights: dict[str, Tensor] = policy.state_dict()
    encoder = getattr(policy.actor_features, "encoder", None)
    if encoder is None or not encoder.frozen:
        return weights
    return {name: one for name, one in weights.items() if not name.startswith("actor_features.encoder.")}
