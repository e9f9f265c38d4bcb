"""Guidance: what a policy is taught by advice, or by a guide that the world observes, which is advice without doubt.

Three ways, each with a coefficient that `foveal.agents.config.PPOConfig` schedules:

- *imitation*: β · confidence · KL(advice ‖ policy) beside PPO's loss, on the student's own steps. Of a guide, that is
  its negative log-likelihood (Ross, Gordon and Bagnell 2011, arXiv:1011.0686); of a teacher's distribution, the loss of
  kickstarting (Schmitt et al. 2018, arXiv:1803.03835) but for a constant;
- a *prior*: policy(a) ∝ student(a) · (advice(a) + `LEAST`)^(κ · confidence), in acting and learning alike (after
  Griffith et al., "Policy shaping", NeurIPS 2013, equation 3). Where the advice is a mask, it masks;
- *shaping*: γΦ' - Φ is added to the rewards, with Φ' = c · confidence · advice(a) of the action just taken, 0 where an
  episode begins or has terminated. It leaves the best policy what it is (Ng, Harada and Russell 1999; as advice that
  looks back, Wiewiora, Cottrell and Elkan, ICML 2003, section 4).

How far advice is trusted can follow from how it does: see `evidence` and `trust_after`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from foveal.agents.files import RunError
from foveal.agents.tensors import Tensors, each
from foveal.envs.advice import ADVICE, Advised

if TYPE_CHECKING:
    from foveal.agents.config import PPOConfig
    from foveal.agents.memory import Sequences
    from foveal.agents.policies import ActorCritic, PolicyOutput
    from foveal.agents.rollouts import Minibatch, Rollout

LEAST = 0.01
"""What a prior adds to each advised probability, so that nothing is ruled out."""
LEAST_TRUST = 0.01

COEFFICIENTS = ("imitation_coef", "prior_coef", "shaping_coef", "guided_share")
"""Fields of `PPOConfig` that have an end beside them, ``imitation_coef_end``."""

PRESETS: dict[str, dict[str, Any]] = {
    "tell_drive": {
        "network": "tell_drive",
        "network_options": {"dropout": 0.5},
        "imitation_coef": 10.0,
        "imitation_coef_end": 1.0,
        "guidance_decay": "exponential",
    },
    "llm4teach": {"imitation_coef": 10.0, "imitation_coef_end": 0.1},
}
"""Fields of `PPOConfig` by name: ``PPOConfig(**PRESETS["tell_drive"])``.

``tell_drive``: the student with a token for its teacher, unheard in half of the steps, whose hold is relaxed (so much
is known of TeLL-Drive, arXiv:2502.01387; the numbers are ours).
``llm4teach``: the loss and the coefficients of LLM4Teach (arXiv:2311.13373, its repository's ``algos/ppo.py``)."""


class Said(NamedTuple):
    """Advice on B steps.

    Attributes:
        probabilities: (B, A), over the actions.
        weights: (B,), the confidence, or 0 where there is none.
    """

    probabilities: Tensor
    weights: Tensor


def is_told(perceived: Tensors) -> bool:
    """Whether advice or a guide is observed."""
    return isinstance(perceived, dict) and (ADVICE in perceived or "guide" in perceived)


def said_in(perceived: Tensors, actions: int, start: int = 0, sequences: Sequences | None = None) -> Said:
    """The advice in what is perceived (B, ...).

    Args:
        perceived: See `Minibatch`.
        actions: A.
        start: The first action's number.
        sequences: Only of their wanted steps.

    Raises:
        RunError: where there is none.
    """
    if not isinstance(perceived, dict) or not is_told(perceived):
        raise RunError("imitation needs a world that observes a guide (--set guide=true) or that an adviser advises on")
    told = perceived[ADVICE] if ADVICE in perceived else perceived["guide"]
    told = told if sequences is None else told[sequences.wanted.flatten()]
    if ADVICE in perceived:
        return Said(told[:, :actions], told[:, -3] * told[:, -1])
    return Said(F.one_hot(told - start, actions).float(), torch.ones(len(told)))


def advised_actions(perceived: Tensors, actions: int, start: int = 0) -> tuple[Tensor, Tensor]:
    """The likeliest action (B,) by the advice, and whether there is any (B,) bool; see `said_in`."""
    said = said_in(perceived, actions, start)
    return said.probabilities.argmax(-1) + start, said.weights > 0


def imitation_loss(minibatch: Minibatch, output: PolicyOutput, gate: bool = False) -> Tensor:
    """Mean of confidence · KL(advice ‖ policy) over a minibatch, nats.

    Args:
        minibatch: With advice.
        output: The policy's, of it.
        gate: Leave out the steps that speak against their advice: what was done turned out better than usual and the
            advice would have it rarer, or worse and more frequent. In both cases the two losses would pull the
            probability of this action in opposite directions.

    Raises:
        RunError: as `said_in`.
    """
    logits = output.distribution.logits  # type: ignore[union-attr]
    start = output.distribution.start  # type: ignore[union-attr]
    said = said_in(minibatch.perceived, logits.shape[-1], start, minibatch.sequences)
    weights = said.weights
    if gate:
        pull = pulls(said, minibatch.actions - start, minibatch.log_probs)
        weights = weights * ((pull * minibatch.advantages >= 0) | (minibatch.own == 0))
    divergence = (torch.xlogy(said.probabilities, said.probabilities) - said.probabilities * logits).sum(-1)
    return (weights * divergence).mean()


def pulls(said: Said, taken: Tensor, log_probs: Tensor) -> Tensor:
    """By how much (B,) the advice would have the actions taken (B,) more probable than they were.

    Minus the derivative of KL(advice ‖ policy) by that action's logit.
    """
    return said.probabilities.gather(-1, taken[:, None])[:, 0] - log_probs.exp()


def log_prior(said: Said) -> Tensor:
    """What a prior of coefficient 1 adds to the logits (B, A)."""
    return said.weights[:, None] * (said.probabilities + LEAST).log()


def shaping(rollout: Rollout, gamma: float, coef: float, actions: int, start: int = 0) -> Tensor:
    """What shaping adds to the rewards (T, N) of a rollout.

    The first step of a rollout counts as an episode's first: what is left out there hangs on the step before, not on
    what is done now.
    """
    said = said_in(each(lambda part: part.flatten(0, 1), rollout.perceived), actions, start)
    taken = (rollout.actions - start).flatten()
    after = coef * (said.weights * said.probabilities.gather(-1, taken[:, None])[:, 0]).view_as(rollout.rewards)
    before = torch.cat([torch.zeros_like(after[:1]), after[:-1]]) * ~rollout.starts
    return gamma * after * ~rollout.terminated - before


def evidence(rollout: Rollout, advantages: Tensor, actions: int, start: int = 0) -> float:
    """How the advice does by the rollout's own returns, in standard errors: below 0, worse than the policy itself.

    The mean over rows of the sum of advantage times `pulls`: where the two have one sign, imitating and improving pull
    the policy the same way. Whether they do decides whether another loss helps: Du et al., "Adapting auxiliary losses
    using gradient similarity" (2018, arXiv:1812.02224). Rows, not steps, are independent of each other.

    Args:
        rollout: With advice.
        advantages: (T, N), of it.
        actions: A.
        start: The first action's number.
    """
    said = said_in(each(lambda part: part.flatten(0, 1), rollout.perceived), actions, start)
    pull = pulls(said, (rollout.actions - start).flatten(), rollout.log_probs.flatten()) * said.weights
    counted = rollout.own * rollout.valid
    centred = advantages - (advantages * counted).sum() / counted.sum().clamp(min=1)
    rows = (counted * centred * pull.view_as(counted)).sum(0)
    error = rows.std().item() / math.sqrt(len(rows)) if len(rows) > 1 else 0.0
    return rows.mean().item() / error if error > 0 else 0.0


def trust_after(trust: float, found: float, rate: float) -> float:
    """Trust in advice after such `evidence`: it changes by e to the `rate` for each standard error beyond the first.

    What is within one standard error is left to chance: who has learnt to do as bad advice says finds no evidence
    against it any more, and must not trust it again for that. Up to 5 count. Trust stays in [`LEAST_TRUST`, 1].
    """
    beyond = math.copysign(max(0.0, min(5.0, abs(found)) - 1.0), found)
    return min(1.0, max(LEAST_TRUST, trust * math.exp(rate * beyond)))


def weight_after(weight: float, divergence: float, target: float) -> float:
    """A weight that steers KL(advice ‖ policy) to a target, after such a divergence, nats.

    Twice as much where it was more than 1.5 times the target, half as much where it was less than the target / 1.5:
    Schulman et al. 2017 (arXiv:1707.06347), section 4. It stays in [1e-3, 1e3].
    """
    factor = 2.0 if divergence > 1.5 * target else 0.5 if divergence < target / 1.5 else 1.0
    return min(1e3, max(1e-3, weight * factor))


class Guidance:
    """How much a learner is guided at each point of its training, and how far it trusts what it is told.

    Args:
        config: Of the run.

    Attributes:
        trust: Factor on all coefficients; where it follows the evidence it begins at `LEAST_TRUST`.
    """

    def __init__(self, config: PPOConfig) -> None:
        self.config, self.trust = config, LEAST_TRUST if config.trust_rate else 1.0  # it has to be earned

    @property
    def adapts(self) -> bool:
        """Whether trust changes, and is part of the learner's state."""
        return self.config.trust_rate > 0 or self.config.imitation_target_kl > 0

    def is_over(self, update_count: int) -> bool:
        """Whether the guided part of a training lies behind."""
        return self.config.guidance_part < 1 and update_count / self.config.updates >= self.config.guidance_part

    def coefficients(self, update_count: int) -> dict[str, float]:
        """By name, as they are after so many updates: on their way from start to end, times the trust."""
        done = min(1.0, update_count / self.config.updates / self.config.guidance_part)
        over = self.is_over(update_count)
        return {name: 0.0 if over else self.trust * self._scheduled(name, done) for name in COEFFICIENTS}

    def begin(self, update_count: int, policy: ActorCritic, env: Any) -> dict[str, float]:
        """Make policy and world ready for the next rollout; returns the `coefficients`."""
        coefs = self.coefficients(update_count)
        policy.prior = coefs["prior_coef"]
        if isinstance(env, Advised):
            env.silent = self.is_over(update_count)
        return coefs

    def adapt(
        self,
        rollout: Rollout,
        advantages: Tensor,
        loss: float,
        coefs: dict[str, float],
        actions: tuple[int, int],
    ) -> None:
        """Change the trust by what was learnt from a rollout.

        Args:
            rollout: With advice.
            advantages: (T, N), of it, without shaping.
            loss: Mean imitation loss on it.
            coefs: It was learnt with.
            actions: How many there are, and the first one's number.
        """
        if self.config.trust_rate:
            self.trust = trust_after(self.trust, evidence(rollout, advantages, *actions), self.config.trust_rate)
        elif coefs["imitation_coef"]:
            divergence = loss / coefs["imitation_coef"]
            self.trust = weight_after(self.trust, divergence, self.config.imitation_target_kl)

    @torch.no_grad()
    def told(self, rollout: Rollout, policy: ActorCritic, env: Any) -> dict[str, float | None]:
        """What metrics tell of an adviser's advice on a rollout, and what the adviser counts."""
        if not isinstance(rollout.perceived, dict) or ADVICE not in rollout.perceived:
            return {}
        advice, steps = rollout.perceived[ADVICE], rollout.valid
        heard = steps & (advice[..., -1] > 0)
        said, own = advice[heard], heard & (rollout.own > 0)
        follows = rollout.actions == advice[..., :-3].argmax(-1) + int(env.single_action_space.start)
        counters = getattr(getattr(env, "adviser", None), "counters", None)
        return {
            "advice_share": (heard.sum() / steps.sum().clamp(min=1)).item(),
            "advice_confidence": _mean(said[:, -3]),
            "advice_age": _mean(said[:, -2]),
            "advice_followed": _mean(follows[own].float()),
            "teacher_attention": _mean(_teacher_attention(rollout, policy)),
            "trust": self.trust,
            **({f"adviser_{name}": float(value) for name, value in counters().items()} if counters else {}),
        }

    def _scheduled(self, name: str, done: float) -> float:
        start, end = getattr(self.config, name), getattr(self.config, f"{name}_end")
        if self.config.guidance_decay == "exponential" and start > 0:
            return float(start * (end / start) ** done)
        return float(start + done * (end - start))


def _teacher_attention(rollout: Rollout, policy: ActorCritic) -> Tensor:
    """The weight of the teacher's token in the last step of a rollout, of each head and row that hears it."""
    last = each(lambda part: part[-1], rollout.perceived)
    if not isinstance(last, dict) or "heard" not in last:
        return torch.zeros(0)
    weights = policy.attention(last)
    assert weights is not None
    return weights[last["heard"] > 0][..., -1]


def _mean(values: Tensor) -> float | None:
    return values.mean().item() if values.numel() else None
