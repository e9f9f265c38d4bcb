"""Feature networks over observations.

A *feature network* maps observations (B, ...) to features (B, F) and tells F as ``features_dim``. One that
attends has ``attention(observations)`` too, which returns the weights. One whose first layers are frozen has
``perceive(observations)``, what those make of them: it takes that instead, and the learner keeps that.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import Tensor, nn

from foveal.agents.goal_vision import GoalVision
from foveal.agents.options import Options, build
from foveal.agents.retinal import Retinal
from foveal.agents.rig_vision import RigVision
from foveal.agents.tensors import Tensors
from foveal.envs.advice import ADVICE, bare, bare_space

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

    name = "attention"
    accepts = "Box (entities, features): the ego in row 0, the presence in column 0"

    def __init__(
        self, observation_space: spaces.Space[Any], *, width: int = 64, heads: int = 2, layers: int = 2
    ) -> None:
        super().__init__()
        shape = _box_shape(observation_space)
        if shape is None or len(shape) != 2:
            raise ValueError(f"network {self.name!r} takes a {self.accepts}, got {observation_space}")
        if width % heads:
            raise ValueError(f"heads={heads}: must divide width={width}")
        self.features_dim, self.heads = width, heads
        self.inputs = shape[1] * len(_SCALES)
        self.ego_encoder = mlp(self.inputs, width, layers)
        self.others_encoder = mlp(self.inputs, width, layers)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(width, width, bias=False)
        self.output = mlp(width, width, 1)

    def forward(self, observations: Tensors, return_attention: bool = False) -> Any:
        """Features (B, `features_dim`) of observations (B, S, F), and weights (B, heads, S) on request."""
        ego, query, key, value, mask = self._project(observations)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, H, 1, D)
        attended = self.combine(attended.flatten(1))  # (B, W)
        features = self.output(self._join(ego, attended))
        return (features, _weights(query, key, mask)) if return_attention else features

    def attention(self, observations: Tensors) -> Tensor:
        """Weights (B, heads, S) of the ego's attention over the entities of observations (B, S, F)."""
        _, query, key, _, mask = self._project(observations)
        return _weights(query, key, mask)

    def _tokens(self, observations: Tensors) -> tuple[Tensor, Tensor, Tensor]:
        """What is attended to, encoded (B, S, W), the ego among them (B, W), and which of them are there (B, S)."""
        seen = bare(observations)
        present = seen[..., 0] >= 0.5  # (B, S)
        expanded = expand(seen)
        ego = self.ego_encoder(expanded[:, 0])
        entities = torch.cat([ego[:, None], self._others(expanded)], 1)  # (B, S, W)
        return entities, ego, torch.cat([torch.ones_like(present[:, :1]), present[:, 1:]], 1)

    def _others(self, expanded: Tensor) -> Tensor:
        """The others (B, S - 1, W), encoded from what is seen (B, S, F), the ego first."""
        others: Tensor = self.others_encoder(expanded[:, 1:])
        return others

    def _join(self, ego: Tensor, attended: Tensor) -> Tensor:
        """The ego (B, W) and what it attends to (B, W) in one (B, W)."""
        return (attended + ego) / 2

    def _project(self, observations: Tensors) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Encoded ego (B, W), its query (B, H, 1, D), keys and values (B, H, S, D), mask (B, 1, 1, S)."""
        entities, ego, present = self._tokens(observations)
        mask = present[:, None, None, :]
        query = self._split(self.query(ego)[:, None])
        return ego, query, self._split(self.key(entities)), self._split(self.value(entities)), mask

    def _split(self, projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, S, H*D) -> (B, H, S, D)


def _weights(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """The weights (B, H, S) that `scaled_dot_product_attention` forms inside and does not return."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (B, H, 1, S)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)[:, :, 0]


class TellDrive(EgoAttention):
    """Ego-attention in which the teacher's advice is one more token, with a residual and layer norm.

    ``LN(ego + attention(ego; entities, teacher))``. Each of the others is encoded together with the ego: who is first
    at a conflict point is a matter of both. The teacher's token is a layer over the advised probabilities, the
    confidence and the age a as a / (1 + a); where there is no advice it is another one, which is learned. In training a
    share of the advice is not heard, drawn anew at each observation, so that the student learns to do without. The loss
    by which it imitates the advice hears all of it.

    Source: after the abstract of Xu et al., "TeLL-Drive" (2025, arXiv:2502.01387), which says that self-attention
    fuses the teacher's strategy with the student's, and Vaswani et al., "Attention is all you need" (2017,
    arXiv:1706.03762), section 3, for the rest: the paper's equations and code were not available.

    Args:
        observation_space: Dict of what `EgoAttention` takes and of advice; see `foveal.envs.advice.advised_space`.
        width: Units of every layer, and features that come out.
        heads: Attention heads; must divide `width`.
        layers: Layers of the entity encoders.
        dropout: Share of the advice that is not heard in training.

    Raises:
        ValueError: for another space, heads that do not divide the width, or a dropout outside [0, 1].
    """

    name = "tell_drive"
    hears = True

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        width: int = 64,
        heads: int = 2,
        layers: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(observation_space, width=width, heads=heads, layers=layers)
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout={dropout}: must be in [0, 1]")
        assert isinstance(observation_space, spaces.Dict)  # ActorCritic saw to that
        (told,) = observation_space[ADVICE].shape or ()
        self.dropout = dropout
        self.others_encoder = mlp(2 * self.inputs, width, layers)
        self.teacher_encoder = mlp(told - 1, width, 1)
        self.no_teacher = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)

    def perceive(self, observations: Tensors) -> Tensors:
        """Observations with ``heard`` (B,), 1 where the advice is heard; those without any advice as they are."""
        if not isinstance(observations, dict):
            return observations
        heard = _valid(observations)
        if self.training and self.dropout:
            heard = heard * (torch.rand_like(heard) >= self.dropout)
        return {**observations, "heard": heard}

    def attention(self, observations: Tensors) -> Tensor:
        """Weights (B, heads, S + 1) of the ego's attention over the entities and, last, the teacher."""
        return super().attention(observations)

    def _tokens(self, observations: Tensors) -> tuple[Tensor, Tensor, Tensor]:
        entities, ego, present = super()._tokens(observations)
        teacher = self.no_teacher.expand_as(ego)
        if isinstance(observations, dict):
            heard = observations.get("heard", _valid(observations))
            advice = observations[ADVICE]
            age = advice[:, -2:-1]
            token = self.teacher_encoder(torch.cat([advice[:, :-2], age / (1 + age)], 1))
            teacher = torch.where(heard[:, None] > 0, token, teacher)
        return torch.cat([entities, teacher[:, None]], 1), ego, torch.cat([present, torch.ones_like(present[:, :1])], 1)

    def _others(self, expanded: Tensor) -> Tensor:
        egos = expanded[:, :1].expand(-1, expanded.shape[1] - 1, -1)
        others: Tensor = self.others_encoder(torch.cat([expanded[:, 1:], egos], -1))
        return others

    def _join(self, ego: Tensor, attended: Tensor) -> Tensor:
        joined: Tensor = self.norm(ego + attended)
        return joined


def _valid(observations: dict[str, Tensor]) -> Tensor:
    """Where there is advice (B,): 1, elsewhere 0."""
    return observations[ADVICE][:, -1]


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

    def forward(self, observations: Tensors) -> Tensor:
        """Features (B, `features_dim`) of observations (B, ...)."""
        features: Tensor = self.layers(expand(bare(observations).flatten(1)))
        return features


def mlp(inputs: int, width: int, layers: int) -> nn.Sequential:
    """`layers` times linear and ReLU: (..., inputs) to (..., width).

    Raises:
        ValueError: for more than 16 layers.
    """
    if layers > 16:
        raise ValueError(f"layers={layers}: must be in [1, 16]")
    sizes = [inputs] + [width] * layers
    return nn.Sequential(*(m for i in range(layers) for m in (nn.Linear(sizes[i], width), nn.ReLU())))


def _box_shape(space: spaces.Space[Any]) -> tuple[int, ...] | None:
    seen = bare_space(space)
    return seen.shape if isinstance(seen, spaces.Box) else None


NETWORKS: dict[str, type[nn.Module]] = {
    "attention": EgoAttention,
    "mlp": MLP,
    "goal_vision": GoalVision,
    "retinal": Retinal,
    "rig_vision": RigVision,
    "tell_drive": TellDrive,
}
"""Feature networks by name. Each says in ``accepts`` what it takes; its options are its keyword arguments. All but
`TellDrive`, which has ``hears``, leave advice that is observed alone."""


def make_network(name: str, observation_space: spaces.Space[Any], options: Options | None = None) -> nn.Module:
    """Build the feature network of this name.

    Args:
        name: A key of `NETWORKS`.
        observation_space: Of a single row.
        options: In which the network differs from its defaults.

    Raises:
        ValueError: for an unknown name or option (it names the nearest), a number out of range, or a space that
            the network does not accept.
    """
    network: nn.Module = build("network", NETWORKS, name, options, observation_space)
    return network
