"""The configuration of a training run: plain data, checked, which a file may hold."""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

import torch
from gymnasium import spaces

from foveal.agents.filters import check_filter
from foveal.agents.guidance import COEFFICIENTS
from foveal.agents.memory import MEMORIES
from foveal.agents.networks import NETWORKS
from foveal.agents.options import check_options
from foveal.agents.policies import ActorCritic
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.params import did_you_mean

DECAYS = ("linear", "exponential")


def _number(default: Any, low: float, high: float) -> Any:
    """A field with its inclusive range, for a configuration may come from a file."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Everything that decides a training run. The defaults are tuned on ``foveal/HighwayFast-v0``.

    Raises:
        TypeError: for a value of the wrong type.
        ValueError: for a value out of range, an unknown part or option (it names the nearest), or a seed
            whose rows would reach the held-out evaluation seeds.
    """

    env_id: str = "foveal/HighwayFast-v0"
    """World to train in."""
    env_params: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Parameters of the world in which it differs from its id's defaults."""
    seed: int = _number(0, 0, EVALUATION_SEEDS - 1)
    """Seed of weights, sampling and shuffling; row i of the world gets the seed `seed * num_envs + i`."""
    num_envs: int = _number(256, 1, 2**20)
    """Rows stepped at once [1]."""
    total_steps: int = _number(1_000_000, 1, 10**9 - 1)
    """Environment steps over all rows, rounded up to whole rollouts [1]."""
    rollout_steps: int = _number(16, 2, 2**16)
    """Steps of each row between updates [1]."""
    epochs: int = _number(4, 1, 1000)
    """Passes over each rollout [1]."""
    minibatches: int = _number(4, 1, 2**16)
    """Gradient steps in a pass [1]."""
    learning_rate: float = _number(3e-3, 0, 1)
    """Adam's step size at the start [1]; linear in between."""
    learning_rate_end: float = _number(0.0, 0, 1)
    """Adam's step size at the end [1]."""
    gamma: float = _number(0.95, 0, 0.9999)
    """Discount of a step [1]."""
    gae_lambda: float = _number(0.9, 0, 1)
    """λ of generalised advantage estimation [1]."""
    clip: float = _number(0.2, 0, 10)
    """How far the probability ratio may leave 1 [1]."""
    value_clip: float = _number(0.2, 0, 1000)
    """How far a value may leave its old one, in mean reward per step; 0 does not clip [1]."""
    entropy_coef: float = _number(0.01, 0, 10)
    """Weight of the entropy bonus at the start [1]; linear in between."""
    entropy_coef_end: float = _number(0.0, 0, 10)
    """Weight of the entropy bonus at the end [1]."""
    value_coef: float = _number(0.5, 0, 100)
    """Weight of the value loss [1]."""
    imitation_coef: float = _number(0.0, 0, 100)
    """Weight at the start of imitating an adviser, or the guide of a world that observes one (guide=True) [1]."""
    imitation_coef_end: float = _number(0.0, 0, 100)
    """Weight of the imitation at the end [1]."""
    imitation_gate: bool = False
    """Leave out the steps whose outcome speaks against their advice."""
    imitation_target_kl: float = _number(0.0, 0, 100)
    """Steer the imitation's weight so that KL(advice ‖ policy) is this [nat]; 0 does not."""
    prior_coef: float = _number(0.0, 0, 100)
    """Exponent at the start of the advice as a prior on the actions [1]."""
    prior_coef_end: float = _number(0.0, 0, 100)
    """Exponent of the prior at the end [1]."""
    shaping_coef: float = _number(0.0, 0, 1000)
    """Potential at the start of having done what was advised, in mean reward per step [1]."""
    shaping_coef_end: float = _number(0.0, 0, 1000)
    """The potential at the end [1]."""
    guided_share: float = _number(0.0, 0, 1)
    """Share of the rows at the start in which the adviser or guide acts, to be imitated only [1]."""
    guided_share_end: float = _number(0.0, 0, 1)
    """Share of these rows at the end [1]."""
    guidance_decay: str = field(default="linear", metadata={"choices": DECAYS})
    """How imitation, prior, shaping and guided share go from start to end: "linear" or "exponential"."""
    guidance_part: float = _number(1.0, 0.001, 1)
    """Part of the training after which they have come to their ends [1]; below 1 the adviser is silent from then on."""
    trust_rate: float = _number(0.0, 0, 10)
    """How fast trust in the advice, 1 % at first, rises where it is better than the policy, and falls again [1]."""
    max_grad_norm: float = _number(0.5, 0, 1e6)
    """Longest gradient; longer ones are scaled down [1]."""
    network: str = "attention"
    """Feature network: "attention", "mlp", "goal_vision", "retinal", or "tell_drive", which hears advice."""
    network_options: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Options in which the network differs from its defaults: width, layers, heads; encoder, hidden."""
    shared: bool = True
    """One feature network for policy and value."""
    filter: str = "none"
    """Filter of the features, a name in `foveal.agents.filters.FILTERS`."""
    filter_options: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Options in which the filter differs from its defaults: codes, code_dim, dropout, …"""
    filter_after_memory: bool = False
    """Filter what the memory gives, not what it gets."""
    memory: str = "none"
    """Memory from step to step: "none" or "gru"; rollouts are then learnt from in whole rows."""
    memory_options: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Options in which the memory differs from its defaults: width."""
    torch_threads: int = _number(1, 1, 256)
    """Threads of a tensor operation [1]; part of the configuration, for the last bits may hang on it."""
    mixed_precision: bool = False
    """Multiply matrices in bfloat16; weights, memories and losses stay float32."""
    max_seconds: float | None = _number(None, 0, 1e9)
    """Stop after this time, with a checkpoint to resume from [s]."""
    checkpoint_steps: int = _number(250_000, 1, 10**9)
    """Environment steps between checkpoints [1]."""
    tensorboard: bool = True
    """Write TensorBoard's event files beside `metrics.csv`."""

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))
        check_options("network", NETWORKS, self.network, self.network_options)
        check_filter(self.filter, self.filter_options)
        check_options("memory", MEMORIES, self.memory, self.memory_options)
        if self.guidance_decay == "exponential":
            self._check_exponential()
        if self.trust_rate and self.imitation_target_kl:
            raise ValueError("trust_rate and imitation_target_kl both set the weight of the advice: choose one")
        if (self.seed + 1) * self.num_envs > EVALUATION_SEEDS:
            raise ValueError(
                f"seed={self.seed}: must be below {EVALUATION_SEEDS // self.num_envs} for {self.num_envs} "
                f"rows; row seeds from {EVALUATION_SEEDS} on are held out for evaluation"
            )

    @classmethod
    def from_dict(cls, values: Any) -> PPOConfig:
        """Make a configuration from parsed JSON.

        Raises:
            TypeError: for what is no mapping, or a value of the wrong type.
            ValueError: for an unknown key (it names the nearest) or a value out of range.
        """
        if not isinstance(values, dict):
            raise TypeError(f"a configuration is a mapping, got {type(values).__name__}")
        names = [item.name for item in fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(f"unknown configuration key {name!r}{did_you_mean(str(name), names)}")
        return cls(**values)

    def _check_exponential(self) -> None:
        for name in COEFFICIENTS:
            start, end = getattr(self, name), getattr(self, f"{name}_end")
            if (start > 0) != (end > 0):
                raise ValueError(
                    f"{name}={start}, {name}_end={end}: both must be positive, or 0, for an exponential decay"
                )

    @property
    def updates(self) -> int:
        """How many rollouts make up `total_steps`."""
        return math.ceil(self.total_steps / (self.num_envs * self.rollout_steps))

    def make_policy(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> ActorCritic:
        """The policy with its first weights, which hang on the seed alone.

        Raises:
            ValueError: where the network does not accept the space.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return ActorCritic(
                observation_space,
                action_space,
                network=self.network,
                options=self.network_options,
                shared=self.shared,
                filter=self.filter,
                filter_options=self.filter_options,
                after_memory=self.filter_after_memory,
                memory=self.memory,
                memory_options=self.memory_options,
            )


def _checked(item: Field[Any], value: Any) -> Any:
    """The value, where it has the default's type and is in range."""
    default = item.default if item.default is not MISSING else {}
    if default is None:  # optional numbers are floats
        default = None if value is None else 0.0
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise TypeError(f"{item.name}={value!r}: must be {type(default).__name__}, got {type(value).__name__}")
    low, high = item.metadata.get("range", (None, None))
    if low is not None and value is not None and not low <= value <= high:
        raise ValueError(f"{item.name}={value!r}: must be in [{low}, {high}]")
    if value not in item.metadata.get("choices", (value,)):
        raise ValueError(f"{item.name}={value!r}: must be one of {', '.join(map(repr, item.metadata['choices']))}")
    return dict(value) if isinstance(value, dict) else value
