"""Proximal policy optimisation: the learner, which collects rollouts from a world and improves a policy on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from foveal.agents.config import PPOConfig
from foveal.agents.files import RunError
from foveal.agents.filters import auxiliary_losses
from foveal.agents.guidance import Guidance, imitation_loss, shaping
from foveal.agents.policies import PolicyOutput
from foveal.agents.rollouts import Collector, Minibatch, Rollout
from foveal.agents.runs import Arrays, check_arrays, load_weights

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
        self.optimizer = torch.optim.Adam([one for _, one in self._trained()], eps=1e-5, fused=True)
        self.generator = torch.Generator().manual_seed(config.seed)
        first_seed, scale = config.seed * config.num_envs, 1 - config.gamma
        self.collector = Collector(env, config.rollout_steps, first_seed, scale, self.policy.state_dim)
        self.guidance = Guidance(config)
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
        mixed = torch.autocast("cpu", torch.bfloat16, enabled=self.config.mixed_precision, cache_enabled=False)
        with torch.random.fork_rng(devices=[]), mixed:  # dropout draws from torch's own generator
            torch.manual_seed(self.config.seed * 10**9 + self.update_count)
            coefs = self.guidance.begin(self.update_count, self.policy, self.collector.env)
            guided = round(coefs["guided_share"] * self.config.num_envs)
            rollout, metrics = self.collector.collect(self.policy, self.generator, guided)
            told = self.guidance.told(rollout, self.policy, self.collector.env)
            return {**metrics, **self.update(rollout), **told}

    def update(self, rollout: Rollout) -> Row:
        """Improve policy and values on a rollout; see `learn`."""
        config = self.config
        learning_rate, entropy_coef = map(self._scheduled, ("learning_rate", "entropy_coef"))
        coefs = self.guidance.coefficients(self.update_count)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        advantages = unshaped = rollout.advantages(config.gamma, config.gae_lambda)
        if coefs["shaping_coef"]:
            added = shaping(rollout, config.gamma, coefs["shaping_coef"], *self.collector.actions)
            rollout = dataclasses.replace(rollout, rewards=rollout.rewards + added)
            advantages = rollout.advantages(config.gamma, config.gae_lambda)
        measured = [
            self._improve(minibatch, entropy_coef, coefs["imitation_coef"])
            for _ in range(config.epochs)
            for minibatch in rollout.minibatches(advantages, config.minibatches, self.generator)
        ]
        self.update_count += 1
        means = {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}
        if self.guidance.adapts:
            self.guidance.adapt(rollout, unshaped, means.get("imitation_loss", 0.0), coefs, self.collector.actions)
        residual, total = (x[rollout.valid].var().item() for x in (advantages, advantages + rollout.values))
        explained = 1 - residual / total if total > 0 else None
        return {**means, "explained_variance": explained, "learning_rate": learning_rate}

    def _scheduled(self, name: str) -> float:
        """A coefficient on its way from its start to its end."""
        start, done = getattr(self.config, name), self.update_count / self.config.updates
        value: float = start + done * (getattr(self.config, f"{name}_end") - start)
        return value

    def _improve(self, minibatch: Minibatch, entropy_coef: float, imitation_coef: float = 0.0) -> dict[str, float]:
        """One gradient step."""
        config = self.config
        output = self.policy(minibatch.perceived, minibatch.sequences)
        log_ratio = output.distribution.log_prob(minibatch.actions) - minibatch.log_probs
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
        own = minibatch.own / minibatch.own.mean().clamp(min=1e-8)  # what a guide chose tells nothing of the policy
        policy_loss = -(torch.min(ratio * minibatch.advantages, clipped * minibatch.advantages) * own).mean()
        values_loss = value_loss(output.values, minibatch.values, minibatch.returns, config.value_clip, own)
        entropy = output.distribution.entropy().mean()
        extra = auxiliary_losses(self.policy)
        if config.imitation_coef or config.imitation_coef_end:
            extra["imitation_loss"] = imitation_coef * imitation_loss(minibatch, output, config.imitation_gate)
        for hook in self.extra_losses:
            extra |= hook(minibatch, output)
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
        for name, parameter in self._trained():
            arrays |= {f"adam/{key}/{name}": moment.numpy() for key, moment in self._adam(parameter).items()}
        arrays["generator"] = self.generator.get_state().numpy()
        arrays["update_count"] = np.array(self.update_count)
        if self.guidance.adapts:
            arrays["trust"] = np.array(self.guidance.trust)
        return arrays | self.collector.state()

    def restore(self, arrays: Arrays, what: str) -> None:
        """Go back to where `state` was taken, bit for bit; `what` says in errors where the arrays are from.

        Raises:
            RunError: naming the array that does not fit.
        """
        check_arrays(arrays, self.state(), what)
        try:
            self.collector.restore(arrays)
            self.generator.set_state(torch.from_numpy(arrays["generator"].copy()))
        except (ValueError, RuntimeError) as error:
            raise RunError(f"{what}: {error}") from None
        load_weights(self.policy, arrays, what)
        for name, parameter in self._trained():
            self.optimizer.state[parameter] = {
                key: torch.from_numpy(arrays[f"adam/{key}/{name}"].copy()) for key in self._adam(parameter)
            }
        self.update_count = int(arrays["update_count"])
        if self.guidance.adapts:
            self.guidance.trust = float(arrays["trust"])

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        """The parameters that Adam moves, by name."""
        return [(name, one) for name, one in self.policy.named_parameters() if one.requires_grad]

    def _adam(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Adam's state of a parameter; before the first step, the zeros that Adam starts from."""
        kept, zeros = self.optimizer.state[parameter], torch.zeros_like(parameter, requires_grad=False)
        step = kept.get("step", torch.zeros(()))
        return {"step": step, **{key: kept.get(key, zeros) for key in ("exp_avg", "exp_avg_sq")}}


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, clip: float, weights: Tensor | float = 1.0
) -> Tensor:
    """Half the mean weighted squared error of values (B,); leaving the old ones by more than `clip` does not help.

    Source: OpenAI baselines' ``ppo2/model.py``, as in CleanRL; `clip` 0 does not clip.
    """
    error = (values - returns) ** 2
    if clip > 0:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.max(error, (near - returns) ** 2)
    return (error * weights).mean() / 2
