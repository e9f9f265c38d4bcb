"""The visual network of the embodied-codebook paper: what is seen, what is looked for, and what was done last."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from foveal.agents import type_maps
from foveal.agents.encoders import make_encoder
from foveal.agents.priors import load_prior
from foveal.agents.tensors import Tensors
from foveal.envs.objectnav.types import TYPES, type_id
from foveal.envs.params import did_you_mean

CELLS = 7 * 7
"""Of an encoder's map."""
CHANNELS = 32
"""Of the map that comes out, and of the goal's embedding."""
ACTION_DIM = 6
"""Of the last action's embedding."""
_IMAGES = ("rgb", "depth", "semantic")


class GoalVision(nn.Module):
    """An encoder's map, fused with the goal at every place, beside the last action: 7 * 7 * 32 + 6 = 1574 features.

    Source: Eftekhar et al., "Selective visual representations improve convergence and generalization for embodied AI"
    (ICLR 2024, arXiv:2311.04193), section 3, with the sizes of its code (allenai/procthor-rl,
    ``procthor_objectnav/models/resnet_gru.py``) but for the layers inside, which have `hidden` units instead of 128.
    A 1 x 1 convolution over a map with a tiled embedding is a linear layer of each place plus one of the embedding,
    which is how it is computed here.

    Args:
        observation_space: Dict with ``goal`` and ``last_action`` (Discrete) and the images that the encoder needs.
        encoder: A key of `foveal.agents.encoders.ENCODERS`.
        hidden: Units of the layers inside.
        squeezed: Units of the first layer, which reads the encoder's map.
        names: Types of the goals in their order, joined by commas: beside what it reads, the network is handed what a
            map of types (`foveal.agents.type_maps`) tells of the goal's own. The paper has nothing like it.
        prior: A name in `foveal.agents.priors.PRIORS`: it is handed too how much of what promises the goal is at each
            place of a map of types; needs `names`.

    Attributes:
        reads: The observations that it needs; others may be missing.

    Raises:
        ValueError: for another space, or what `make_encoder` refuses.
    """

    accepts = "Dict of goal, last_action and images"

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        encoder: str = "rooms",
        hidden: int = 32,
        squeezed: int = 32,
        names: str = "",
        prior: str = "",
    ) -> None:
        super().__init__()
        if not isinstance(observation_space, spaces.Dict):
            raise ValueError(f"network 'goal_vision' takes a {self.accepts}, got {observation_space}")
        counts = [_count(observation_space, name) for name in ("goal", "last_action")]
        self.encoder = make_encoder(encoder, observation_space)
        self.reads = ("goal", "last_action", *self.encoder.needs)
        self.goal = nn.Embedding(counts[0], CHANNELS)
        self.last_action = nn.Embedding(counts[1], ACTION_DIM)
        self.compress = nn.Linear(self.encoder.channels, squeezed)
        self.asked: Tensor
        self.register_buffer("asked", _asked(names, counts[0], self.encoder.channels), persistent=False)
        self.promises: Tensor
        self.register_buffer("promises", _promises(prior, names, self.encoder.channels), persistent=False)
        self.join_map = nn.Linear(squeezed + self.asked.shape[1] + bool(prior), hidden)
        self.join_goal = nn.Linear(CHANNELS, hidden, bias=False)
        self.combine = nn.Linear(hidden, CHANNELS)
        self.features_dim = CELLS * CHANNELS + ACTION_DIM

    def perceive(self, observations: Tensors) -> Tensors:
        """Observations with ``places`` (B, 49, C), what a frozen encoder makes of the images, in their place."""
        assert isinstance(observations, dict)
        images = {name: observations[name] for name in self.encoder.needs}
        rest = {name: one for name, one in observations.items() if name not in _IMAGES}
        return {**rest, "places": _places(self.encoder(images))} if self.encoder.frozen else {**rest, **images}

    def forward(self, perceived: dict[str, Tensor]) -> Tensor:
        """Features (B, `features_dim`) of what `perceive` gives."""
        return self.fuse(self.places(perceived), perceived)

    def places(self, perceived: dict[str, Tensor]) -> Tensor:
        """The encoder's map (B, 49, C), row by row."""
        return perceived["places"] if self.encoder.frozen else _places(self.encoder(perceived))

    def fuse(self, places: Tensor, perceived: dict[str, Tensor]) -> Tensor:
        """Features (B, `features_dim`) of a map (B, 49, C), the goal and the last action."""
        read = torch.relu(self.compress(places))
        if self.asked.shape[1]:
            asked = self.asked[perceived["goal"]][:, None].expand(-1, places.shape[1], -1)  # (B, 49, 2)
            read = torch.cat([read, places.gather(2, asked)], 2)
        if len(self.promises):
            promised = places[..., : len(TYPES)] @ self.promises[perceived["goal"]][..., None]  # (B, 49, 1)
            read = torch.cat([read, promised], 2)
        joined = self.join_map(read)
        joined = torch.relu(joined + self.join_goal(self.goal(perceived["goal"]))[:, None])
        features = self.combine(joined).flatten(1)  # (B, 49, 32) -> (B, 1568)
        return torch.cat([features, self.last_action(perceived["last_action"])], 1)


def _places(seen: Tensor) -> Tensor:
    return seen.flatten(2).transpose(1, 2).contiguous()  # (B, C, 7, 7) -> (B, 49, C)


def _asked(names: str, goals: int, channels: int) -> Tensor:
    """The two channels (goals, 2) int64 of a map of types that tell of each goal's own; none without names."""
    if not names:
        return torch.zeros(goals, 0, dtype=torch.long)
    types = names.split(",")
    for name in types:
        if name not in TYPES:
            raise ValueError(f"names: unknown type {name!r}{did_you_mean(name, list(TYPES))}")
    if len(types) != goals or channels != type_maps.CHANNELS:
        raise ValueError(f"names: {len(types)} types for {goals} goals, of an encoder with {channels} channels")
    numbers = torch.tensor([type_id(name) for name in types])
    return torch.stack([numbers, len(TYPES) + numbers], 1)


def _promises(prior: str, names: str, channels: int) -> Tensor:
    """How much a place's share of each type promises each goal (goals, T); none without a prior."""
    if not prior:
        return torch.zeros(0, len(TYPES))
    if not names or channels != type_maps.CHANNELS:
        raise ValueError(f"prior={prior!r}: needs names, and an encoder whose map is of types")
    return torch.from_numpy(load_prior(prior).of(names.split(",")))


def _count(space: spaces.Dict, name: str) -> int:
    part = space.spaces.get(name)
    if not isinstance(part, spaces.Discrete) or part.start != 0:
        raise ValueError(f"network 'goal_vision' needs the observation {name!r}, Discrete from 0, got {part}")
    return int(part.n)
