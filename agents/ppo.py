"""Proximal policy optimisation over a `BatchEnv`: the configuration, the learner and the training run."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from foveal.agents import runs
from foveal.agents.gae import Collector, Minibatch, Rollout, make_world
from foveal.agents.policies import ActorCritic, PolicyOutput, check_sizes
from foveal.agents.runs import Arrays, Run, RunError
from foveal.envs.batch import EVALUATION_SEEDS
from foveal.envs.params import did_you_mean


def _number(default: Any, low: float, high: float) -> Any:
    """A field with its inclusive range, for a configuration may come from a file."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Everything that decides a training run. The defaults are tuned on ``foveal/HighwayFast-v0``.

    Raises:
        TypeError: for a value of the wrong type.
        ValueError: for a value out of range, an unknown network or size (it names the nearest), or a seed
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
    max_grad_norm: float = _number(0.5, 0, 1e6)
    """Longest gradient; longer ones are scaled down [1]."""
    network: str = "attention"
    """Feature network: "attention" or "mlp"."""
    network_sizes: dict[str, int] = field(default_factory=dict)
    """Sizes in which the network differs from its defaults: width, layers, heads [1]."""
    shared: bool = True
    """One feature network for policy and value."""
    torch_threads: int = _number(1, 1, 256)
    """Threads of a tensor operation [1]; part of the configuration, for the last bits may hang on it."""
    max_seconds: float | None = _number(None, 0, 1e9)
    """Stop after this time, with a checkpoint to resume from [s]."""
    checkpoint_steps: int = _number(250_000, 1, 10**9)
    """Environment steps between checkpoints [1]."""
    tensorboard: bool = True
    """Write TensorBoard's event files beside `metrics.csv`."""

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))
        check_sizes(self.network, self.network_sizes)
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
                sizes=self.network_sizes,
                shared=self.shared,
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
    return dict(value) if isinstance(value, dict) else value


ExtraLoss = Callable[[Minibatch, PolicyOutput], dict[str, Tensor]]
"""Scalar losses by name, added to PPO's own: a teacher's, a codebook's."""

Row = dict[str, float | int | None]


class PPO:
    """The learner: collects rollouts and improves the policy on them.

    Source: Schulman et al., "Proximal policy optimization algorithms" (2017, arXiv:1707.06347), with the
    details of CleanRL's ``ppo.py``. Inside, rewards are scaled by 1 - γ: values are then mean rewards per
    step whatever the discount, and the same coefficients serve them all.

    Args:
        config: Of the run.
        env: The configured number of rows, in any autoreset mode; it is reset with the configured seed.
        extra_losses: Called on each minibatch; what they return is added to the loss and to the metrics.
    """

    def __init__(
        self, config: PPOConfig, env: VectorEnv[Any, Any, Any], extra_losses: Sequence[ExtraLoss] = ()
    ) -> None:
        self.config, self.extra_losses = config, tuple(extra_losses)
        self.policy = config.make_policy(env.single_observation_space, env.single_action_space)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), eps=1e-5, fused=True)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.collector = Collector(
            env, config.rollout_steps, seed=config.seed * config.num_envs, reward_scale=1 - config.gamma
        )
        self.update_count = 0

    @property
    def step_count(self) -> int:
        """Environment steps so far, autoresets included."""
        return self.update_count * self.config.num_envs * self.config.rollout_steps

    def learn(self) -> Row:
        """Collect one rollout and learn from it.

        Returns:
            Metrics: of the episodes that ended (None where none has), and of the update.

        Raises:
            RunError: where a loss or the gradient is not finite; the weights are as before that minibatch.
        """
        rollout, metrics = self.collector.collect(self.policy, self.generator)
        return {**metrics, **self.update(rollout)}

    def update(self, rollout: Rollout) -> Row:
        """Improve policy and values on a rollout; see `learn`."""
        config, done = self.config, self.update_count / self.config.updates
        learning_rate = config.learning_rate + done * (config.learning_rate_end - config.learning_rate)
        entropy_coef = config.entropy_coef + done * (config.entropy_coef_end - config.entropy_coef)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        advantages = rollout.advantages(config.gamma, config.gae_lambda)
        measured = [
            self._improve(minibatch, entropy_coef)
            for _ in range(config.epochs)
            for minibatch in rollout.minibatches(advantages, config.minibatches, self.generator)
        ]
        self.update_count += 1
        means = {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}
        residual, total = (x[rollout.valid].var().item() for x in (advantages, advantages + rollout.values))
        explained = 1 - residual / total if total > 0 else None
        return {**means, "explained_variance": explained, "learning_rate": learning_rate}

    def _improve(self, minibatch: Minibatch, entropy_coef: float) -> dict[str, float]:
        """One gradient step."""
        config = self.config
        output = self.policy(minibatch.observations)
        log_ratio = output.distribution.log_prob(minibatch.actions) - minibatch.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        policy_loss = -torch.min(ratio * minibatch.advantages, clipped * minibatch.advantages).mean()
        values_loss = value_loss(output.values, minibatch.values, minibatch.returns, config.value_clip)
        entropy = output.distribution.entropy().mean()
        extra = {name: loss for hook in self.extra_losses for name, loss in hook(minibatch, output).items()}
        loss = policy_loss + config.value_coef * values_loss - entropy_coef * entropy + sum(extra.values())
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm)
        told = {"policy_loss": policy_loss, "value_loss": values_loss, "entropy": entropy, "grad_norm": norm}
        measured = {name: value.item() for name, value in {**told, **extra}.items()}
        if wrong := [f"{name}={value}" for name, value in measured.items() if not math.isfinite(value)]:
            raise RunError(f"training is not finite after step {self.step_count}: {', '.join(wrong)}")
        self.optimizer.step()
        with torch.no_grad():
            measured["approx_kl"] = (ratio - 1 - log_ratio).mean().item()  # Schulman's estimator k3
            measured["clip_share"] = (ratio != clipped).float().mean().item()
        return measured

    def state(self) -> Arrays:
        """Everything that decides the learner's future. Some arrays are views: write them before going on."""
        arrays = {f"policy/{name}": tensor.numpy() for name, tensor in self.policy.state_dict().items()}
        for name, parameter in self.policy.named_parameters():
            arrays |= {f"adam/{key}/{name}": moment.numpy() for key, moment in self._adam(parameter).items()}
        arrays["generator"] = self.generator.get_state().numpy()
        arrays["update_count"] = np.array(self.update_count)
        return arrays | self.collector.state()

    def restore(self, arrays: Arrays, what: str) -> None:
        """Go back to where `state` was taken, bit for bit; `what` says in errors where the arrays are from.

        Raises:
            RunError: naming the array that does not fit.
        """
        runs.check_arrays(arrays, self.state(), what)
        try:
            self.collector.restore(arrays)
            self.generator.set_state(torch.from_numpy(arrays["generator"].copy()))
        except (ValueError, RuntimeError) as error:
            raise RunError(f"{what}: {error}") from None
        runs.load_weights(self.policy, arrays, what)
        for name, parameter in self.policy.named_parameters():
            self.optimizer.state[parameter] = {
                key: torch.from_numpy(arrays[f"adam/{key}/{name}"].copy()) for key in self._adam(parameter)
            }
        self.update_count = int(arrays["update_count"])

    def _adam(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Adam's state of a parameter; before the first step, the zeros that Adam starts from."""
        kept, zeros = self.optimizer.state[parameter], torch.zeros_like(parameter, requires_grad=False)
        step = kept.get("step", torch.zeros(()))
        return {"step": step, **{key: kept.get(key, zeros) for key in ("exp_avg", "exp_avg_sq")}}


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Half the mean squared error of values (B,); leaving the old ones by more than `clip` does not help.

    Source: OpenAI baselines' ``ppo2/model.py``, as in CleanRL; `clip` 0 does not clip.
    """
    error = (values - returns) ** 2
    if clip > 0:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.max(error, (near - returns) ** 2)
    return error.mean() / 2


def train(
    config: PPOConfig,
    run_dir: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    extra_losses: Sequence[ExtraLoss] = (),
) -> Path:
    """Train a policy and leave a run folder.

    On one machine the same configuration gives the same weights bit for bit, however often it was resumed.

    Args:
        config: Of the run. To resume, the one that the run has (`runs.Run.config`); only `max_seconds`,
            `checkpoint_steps` and `tensorboard` may differ.
        run_dir: The run folder.
        resume: Go on from the latest sound checkpoint instead of beginning.
        progress: Tell on stderr how it goes: a bar on a terminal, else a line every ten seconds.
        extra_losses: See `PPO`; a resumed run needs the same.

    Returns:
        The run folder.

    Raises:
        RunError: for an unknown world, a folder that holds a run already (or none, to resume), no sound
            checkpoint, a loss that is not finite, or files that cannot be written. What was saved stays.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written; the message says where. A second Ctrl-C
            does not wait for that.
    """
    with _torch_threads(config.torch_threads), _noted_interrupt() as interrupted:
        try:
            learner = PPO(config, make_world(config.env_id, config.num_envs, config.env_params), extra_losses)
        except (TypeError, ValueError) as error:
            raise RunError(str(error)) from None
        run, seconds_before = _open(config, run_dir, learner, resume)
        try:
            path = _train(learner, run, seconds_before, interrupted, progress)
        except RunError as error:
            raise RunError(f"{error}; {run.last_good()}") from None
    if interrupted.is_set():
        raise KeyboardInterrupt(f"stopped at step {learner.step_count}; the checkpoint is {path}")
    return run.path


def _open(config: PPOConfig, run_dir: str | Path, learner: PPO, resume: bool) -> tuple[Run, float]:
    """The run with the learner where it stands, and the seconds spent on it before."""
    if not resume:
        run = Run.create(run_dir, config)
        run.save(0, learner.state(), {"seconds": 0.0}, None)
        return run, 0.0
    run = Run(run_dir)
    for item in fields(config):
        given, stored = getattr(config, item.name), getattr(run.config, item.name)
        if given != stored and item.name not in ("max_seconds", "checkpoint_steps", "tensorboard"):
            raise RunError(f"{run.path}: cannot resume with {item.name}={given!r}, the run has {stored!r}")
    checkpoint = run.load()
    learner.restore(checkpoint.arrays, str(checkpoint.path))
    run.rewind(learner.step_count)
    return run, float(checkpoint.facts.get("seconds", 0.0))


def _train(learner: PPO, run: Run, seconds_before: float, interrupted: threading.Event, progress: bool) -> Path:
    """Train to the end, or until interrupted or out of time; returns the path of the last checkpoint."""
    config, start, first = learner.config, time.monotonic(), learner.step_count
    path, saved, stop = run.checkpoints, first, False
    scores: list[tuple[float, int]] = []  # since the last checkpoint: mean return, episodes
    shown = runs.Progress(config.total_steps, progress)
    with runs.Metrics(run.path, first, config.tensorboard) as metrics, shown:
        while learner.update_count < config.updates and not stop:
            measured = learner.learn()
            step, elapsed = learner.step_count, time.monotonic() - start
            rate, seconds = (step - first) / elapsed, seconds_before + elapsed
            metrics.add({"step": step, "seconds": seconds, "steps_per_second": rate, **measured})
            shown.show(step, rate, measured["return_mean"])
            if measured["return_mean"] is not None:
                scores.append((measured["return_mean"], int(measured["episodes"] or 0)))
            out_of_time = config.max_seconds is not None and elapsed >= config.max_seconds
            stop = interrupted.is_set() or out_of_time
            if stop or learner.update_count == config.updates or step - saved >= config.checkpoint_steps:
                episodes = sum(count for _, count in scores)
                score = sum(mean * count for mean, count in scores) / episodes if episodes else None
                path, saved, scores = run.save(step, learner.state(), {"seconds": seconds}, score), step, []
    runs.plot_curve(run.path)
    return path


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _noted_interrupt() -> Iterator[threading.Event]:
    """Note a first Ctrl-C, so that an update is finished before we stop; a second one interrupts at once."""
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted  # only the main thread may handle signals
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
