"""Policies: feature networks over observations, and the actor-critic that stands on one of them.

A *feature network* maps observations (B, ...) to features (B, F) and tells F as ``features_dim``. One that
attends has ``attention(observations)`` too, which returns the weights.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from foveal.envs.params import did_you_mean

_SIZE_LIMITS = {"width": (1, 4096), "heads": (1, 64), "layers": (1, 16)}
_SCALES = (1.0, 4.0, 16.0)


def expand(observations: Tensor, scales: tuple[float, ...] = _SCALES) -> Tensor:
    """Show every number at several ranges: ``tanh(scale * x)`` for each scale, ``x`` itself for scale 1.

    Observations are divided by the largest distance in sight (200 m on the highway), so that the gaps which
    matter come as a few hundredths. The finer scales spread those out, and no weight need grow large first.

    Args:
        observations: (..., F) float, in [-1, 1].
        scales: K factors.

    Returns:
        (..., K * F) of the same dtype.
    """
    return torch.cat([observations if scale == 1 else torch.tanh(scale * observations) for scale in scales], -1)


class EgoAttention(nn.Module):
    """Ego-attention over entities: one query from the ego, keys and values from every entity that is present.

    The output does not depend on the order of the other entities, and an absent one (presence below 0.5) has
    no influence at all. The ego always attends to itself, so a row with nobody present is as good as any.

    Source: Leurent and Mercat, "Social attention for autonomous decision-making in dense traffic" (2019,
    arXiv:1911.12250), section 3; the separate encoders and the residual, ``(heads + ego) / 2``, are those of
    the authors' rl-agents (``agents/common/models.py``).

    Args:
        observation_space: Box (S, F): S entities of F features, entity 0 the ego, feature 0 the presence.
        width: Units of every layer, and features that come out.
        heads: Attention heads; must divide `width`.
        layers: Layers of the entity encoders.

    Raises:
        ValueError: for another space, or for heads that do not divide the width.
    """

    accepts = "Box (entities, features): the ego in row 0, the presence in column 0"

    def __init__(
        self, observation_space: spaces.Space[Any], *, width: int = 64, heads: int = 2, layers: int = 2
    ) -> None:
        super().__init__()
        shape = _box_shape(observation_space)
        if shape is None or len(shape) != 2:
            raise ValueError(f"network 'attention' takes a {self.accepts}, got {observation_space}")
        if width % heads:
            raise ValueError(f"heads={heads}: must divide width={width}")
        self.features_dim, self.heads = width, heads
        inputs = shape[1] * len(_SCALES)
        self.ego_encoder = mlp(inputs, width, layers)
        self.others_encoder = mlp(inputs, width, layers)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(width, width, bias=False)
        self.output = mlp(width, width, 1)

    def forward(self, observations: Tensor, return_attention: bool = False) -> Any:
        """Features (B, `features_dim`) of observations (B, S, F), and weights (B, heads, S) on request."""
        ego, query, key, value, mask = self._project(observations)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, H, 1, D)
        attended = self.combine(attended.flatten(1))  # (B, W)
        features = self.output((attended + ego) / 2)
        return (features, _weights(query, key, mask)) if return_attention else features

    def attention(self, observations: Tensor) -> Tensor:
        """Weights (B, heads, S) of the ego's attention over the entities of observations (B, S, F)."""
        _, query, key, _, mask = self._project(observations)
        return _weights(query, key, mask)

    def _project(self, observations: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Encoded ego (B, W), its query (B, H, 1, D), keys and values (B, H, S, D), mask (B, 1, 1, S)."""
        present = observations[..., 0] >= 0.5  # (B, S)
        mask = torch.cat([torch.ones_like(present[:, :1]), present[:, 1:]], 1)[:, None, None, :]
        expanded = expand(observations)
        ego = self.ego_encoder(expanded[:, 0])
        entities = torch.cat([ego[:, None], self.others_encoder(expanded[:, 1:])], 1)  # (B, S, W)
        query = self._split(self.query(ego)[:, None])
        return ego, query, self._split(self.key(entities)), self._split(self.value(entities)), mask

    def _split(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, S, H*D) -> (B, H, S, D)


def _weights(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """The weights (B, H, S) that `scaled_dot_product_attention` forms inside and does not return."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (B, H, 1, S)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)[:, :, 0]


class MLP(nn.Module):
    """The control without attention: plain layers over the flattened observation, where entity order matters.

    Args:
        observation_space: Box of any shape.
        width: Units of every layer, and features that come out.
        layers: How many layers.

    Raises:
        ValueError: for another space.
    """

    accepts = "Box of any shape"

    def __init__(self, observation_space: spaces.Space[Any], *, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        shape = _box_shape(observation_space)
        if shape is None:
            raise ValueError(f"network 'mlp' takes a {self.accepts}, got {observation_space}")
        self.features_dim = width
        self.layers = mlp(math.prod(shape) * len(_SCALES), width, layers)

    def forward(self, observations: Tensor) -> Tensor:
        """Features (B, `features_dim`) of observations (B, ...)."""
        features: Tensor = self.layers(expand(observations.flatten(1)))
        return features


def mlp(inputs: int, width: int, layers: int) -> nn.Sequential:
    """`layers` times linear and ReLU: (..., inputs) to (..., width)."""
    sizes = [inputs] + [width] * layers
    return nn.Sequential(*(m for i in range(layers) for m in (nn.Linear(sizes[i], width), nn.ReLU())))


def _box_shape(space: spaces.Space[Any]) -> tuple[int, ...] | None:
    return space.shape if isinstance(space, spaces.Box) else None


NETWORKS: dict[str, type[nn.Module]] = {"attention": EgoAttention, "mlp": MLP}
"""Feature networks by name. Each says in ``accepts`` what it takes; its sizes are its keyword arguments."""


def network_sizes(name: str) -> dict[str, int]:
    """The sizes that the network of this name takes, with their defaults.

    Raises:
        ValueError: for an unknown name; it names the nearest.
    """
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}{did_you_mean(name, list(NETWORKS))}")
    parameters = inspect.signature(NETWORKS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_sizes(name: str, sizes: dict[str, int]) -> None:
    """Refuse sizes that the network of this name does not take.

    Raises:
        ValueError: for an unknown network or size (it names the nearest), or for a value out of range.
    """
    valid = network_sizes(name)
    for size, value in sizes.items():
        if size not in valid:
            raise ValueError(f"network {name!r} has no size {size!r}{did_you_mean(size, list(valid))}")
        low, high = _SIZE_LIMITS[size]
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{size}={value!r}: must be a whole number in [{low}, {high}]")


def make_network(name: str, observation_space: spaces.Space[Any], sizes: dict[str, int] | None = None) -> nn.Module:
    """Build the feature network of this name.

    Args:
        name: A key of `NETWORKS`.
        observation_space: Of a single row.
        sizes: Sizes that differ from the network's defaults.

    Raises:
        ValueError: for an unknown name or size (it names the nearest), a size out of range, or a space that
            the network does not accept.
    """
    check_sizes(name, sizes or {})
    return NETWORKS[name](observation_space, **(sizes or {}))


class Categorical(NamedTuple):
    """Distributions over K discrete actions.

    Attributes:
        logits: (B, K) log-probabilities, normalised.
        start: The first action's number.
    """

    logits: Tensor
    start: int = 0

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw actions (B,) int64."""
        return torch.multinomial(self.logits.exp(), 1, generator=generator)[:, 0] + self.start

    def mode(self) -> Tensor:
        """The likeliest actions (B,) int64."""
        return self.logits.argmax(-1) + self.start

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities (B,) of actions (B,)."""
        return self.logits.gather(-1, (actions - self.start)[:, None])[:, 0]

    def entropy(self) -> Tensor:
        """Entropies (B,), nats."""
        return -(self.logits.exp() * self.logits).sum(-1)


class Gaussian(NamedTuple):
    """Diagonal Gaussians over continuous actions; the learner clips what it sends to the world, not these.

    Attributes:
        mean: (B, ...) means.
        log_std: (...) logarithms of the standard deviations.
    """

    mean: Tensor
    log_std: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw actions (B, ...)."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return self.mean + noise * self.log_std.exp()

    def mode(self) -> Tensor:
        """The likeliest actions (B, ...)."""
        return self.mean

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-densities (B,) of actions (B, ...)."""
        normal = ((actions - self.mean) / self.log_std.exp()) ** 2 / 2 + self.log_std + math.log(2 * math.pi) / 2
        return -normal.flatten(1).sum(-1)

    def entropy(self) -> Tensor:
        """Entropies (B,), nats."""
        entropy = (self.log_std + (1 + math.log(2 * math.pi)) / 2).sum()
        return entropy.expand(self.mean.shape[0])


class PolicyOutput(NamedTuple):
    """What the actor-critic says of B observations.

    Attributes:
        distribution: Over actions.
        values: (B,) expected discounted return.
        features: (B, F), what the policy head sees.
    """

    distribution: Categorical | Gaussian
    values: Tensor
    features: Tensor


class ActorCritic(nn.Module):
    """A policy and its value function: each a head on a feature network of its own.

    The first weights are CleanRL's (``cleanrl/ppo.py``, ``layer_init``): orthogonal with gain √2, 0.01 for
    the policy head (the first policy is close to uniform) and 1 for the value head; biases 0.

    Args:
        observation_space: Of a single row.
        action_space: Of a single row: Discrete or Box.
        network: A key of `NETWORKS`.
        sizes: The network's sizes that differ from its defaults.
        shared: One feature network for both heads.

    Raises:
        ValueError: for what `make_network` refuses, and for another action space.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        network: str = "attention",
        sizes: dict[str, int] | None = None,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.actor_features = make_network(network, observation_space, sizes)
        self.critic_features = None if shared else make_network(network, observation_space, sizes)
        if isinstance(action_space, spaces.Discrete):
            self.action_shape, outputs, self.start = None, int(action_space.n), int(action_space.start)
        elif isinstance(action_space, spaces.Box) and action_space.shape:
            self.action_shape, outputs = action_space.shape, math.prod(action_space.shape)
            self.log_std = nn.Parameter(torch.zeros(action_space.shape))
        else:
            raise ValueError(f"policies act in Discrete and Box spaces, got {action_space}")
        width = int(self.actor_features.features_dim)  # type: ignore[arg-type]
        self.policy_head = nn.Linear(width, outputs)
        self.value_head = nn.Linear(width, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                gain = {self.policy_head: 0.01, self.value_head: 1.0}.get(layer, math.sqrt(2))
                nn.init.orthogonal_(layer.weight, gain)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, observations: Tensor) -> PolicyOutput:
        """Distribution, values and features of observations (B, ...)."""
        features = self.actor_features(observations)
        outputs = self.policy_head(features)
        critic = features if self.critic_features is None else self.critic_features(observations)
        return PolicyOutput(self._distribution(outputs), self.value_head(critic)[:, 0], features)

    def values(self, observations: Tensor) -> Tensor:
        """Expected discounted return (B,) from observations (B, ...) on."""
        network = self.actor_features if self.critic_features is None else self.critic_features
        values: Tensor = self.value_head(network(observations))[:, 0]
        return values

    def attention(self, observations: Tensor) -> Tensor | None:
        """The actor's attention weights (B, heads, S), or None where its network does not attend."""
        attention = getattr(self.actor_features, "attention", None)
        return None if attention is None else attention(observations)

    def _distribution(self, outputs: Tensor) -> Categorical | Gaussian:
        if self.action_shape is None:
            return Categorical(outputs.log_softmax(-1), self.start)
        return Gaussian(outputs.unflatten(-1, self.action_shape), self.log_std)
