"""Branching: one episode driven to a step, and from there to its end twice, as it was and after another action."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from foveal.envs.batch import BatchEnv
from foveal.envs.overlay import Annotation
from foveal.envs.recording import Policy, action_name, begin, decide, twin
from foveal.envs.scene import MEASURES, Scene

_TTC = MEASURES.index("time_to_collision_2d")


class Episode:
    """An episode under way in a world of one row: what was done in it, and what came of it.

    Args:
        world: Its class and parameters are taken, with the measures of risk where it has them; it is not stepped.
        policy_of: Makes the policy for the world of one row that the episode is in; see `foveal.envs.recording.record`
            for what a policy is.
        seed: Row seed of the episode.

    Attributes:
        world: The world of one row.
        actions: T actions, one a step.
        rewards: T.
        speed: T, m/s after each step; NaN where the world does not tell.
        ttc: T, s, the ego's least time to collision after each step; NaN where the world does not tell.
        notes: T, what a picture tells about each step.
        states: T + 1, of the beginning and after each step, as `BatchEnv.get_state` gives them.
        masks: T + 1, which actions would change something, (A,) bool, or None where the world does not tell.
        scenes: T + 1 lists: the beginning alone, then the substeps of each step.
        end: None while it goes on, then ``"crash"``, ``"success"``, ``"time limit"`` or ``"terminated"``.
    """

    def __init__(self, world: BatchEnv, policy_of: Callable[[BatchEnv], Policy], seed: int) -> None:
        risky = {"risk": True} if hasattr(world.params, "risk") else {}
        self.world: BatchEnv = twin(world, **risky)
        self._policy = policy_of(self.world)
        begin(self._policy)
        self._observation, infos = self.world.reset(seed=seed)
        self.actions: list[Any] = []
        self.rewards: list[float] = []
        self.speed: list[float] = []
        self.ttc: list[float] = []
        self.notes: list[Annotation] = []
        self.scenes: list[list[Scene]] = [self.world.describe([0])]
        self.states = [self.world.get_state()]
        self.masks = [_mask(infos)]
        self.end: str | None = None

    def step(self, action: Any = None) -> None:
        """Go on by a step, by the policy's action or by another one.

        The policy is asked in either case, so that one that draws random numbers draws the same ones in every branch.
        """
        total = float(np.sum(self.rewards))
        actions, note = decide(self._policy, self._observation, self.world.action_names, total)
        if action is not None:
            actions = np.asarray(action)[None]
            note = dataclasses.replace(note, action=action_name(actions[0], self.world.action_names))
        self._observation, rewards, terminated, truncated, infos = self.world.step(actions)
        self.actions.append(actions[0].copy())
        self.rewards.append(float(rewards[0]))
        self.speed.append(float(infos["speed"][0]) if "speed" in infos else np.nan)
        self.ttc.append(float(infos["risk"]["row"][0, _TTC]) if "risk" in infos else np.nan)
        self.notes.append(note)
        self.scenes.append(self.world.trace(0))
        self.states.append(self.world.get_state())
        self.masks.append(_mask(infos))
        if terminated[0] or truncated[0]:
            self.end = _end(infos, bool(terminated[0]))

    def finish(self) -> None:
        """Go on by the policy's actions until the episode ends."""
        while self.end is None:
            self.step()

    def branch(self) -> Episode:
        """The same episode up to here, in a world and with a policy of its own, random streams included."""
        world = twin(self.world)
        world.set_state(self.world.get_state())
        other = copy.copy(self)
        other.world, other._policy = world, copy.deepcopy(self._policy, {id(self.world): world})
        other._observation = copy.deepcopy(self._observation)
        for name in ("actions", "rewards", "speed", "ttc", "notes", "scenes", "states", "masks"):
            setattr(other, name, list(getattr(self, name)))
        return other

    def allows(self, step: int, action: Any) -> bool:
        """Whether an action would change something after so many steps, as far as the world tells."""
        mask = self.masks[step]
        return mask is None or bool(mask[int(action)])


def branch(
    world: BatchEnv,
    policy_of: Callable[[BatchEnv], Policy],
    *,
    seed: int,
    step: int,
    action: Any,
    hold: int = 1,
) -> tuple[Episode, Episode]:
    """Drive an episode to its end as the policy decides, and again with another action after `step` steps.

    The world is branched by its state, and the policy copied, so that both futures have everything before in common,
    and what traffic will do by itself.

    Args:
        world: Its class and parameters are taken; it is not stepped.
        policy_of: As for `Episode`.
        seed: Row seed of the episode.
        step: How many steps are in common.
        action: In the single action space; taken instead of the policy's.
        hold: For how many steps it is taken, before the policy goes on.

    Returns:
        The episode as it was, and as it would have been.

    Raises:
        ValueError: for a world of several egos, an action outside its space, a hold below 1, or a step that the
            episode does not reach (it names the episode's length).
    """
    space = world.single_action_space
    if isinstance(space, spaces.MultiDiscrete) or len(space.shape or ()) > 1:
        raise ValueError(f"{type(world).__name__} has several egos here: futures branch by the action of one")
    action = np.asarray(action, space.dtype)
    if not space.contains(action):
        raise ValueError(f"action {action}: not in {space}")
    if hold < 1:
        raise ValueError(f"hold={hold}: must be at least 1")
    course = Episode(world, policy_of, seed)
    while course.end is None and len(course.rewards) < step:
        course.step()
    if step < 0 or course.end is not None:
        course.finish()
        length = len(course.rewards)
        raise ValueError(f"step={step}: must be in [0, {length - 1}], the episode has {length} steps")
    other = course.branch()
    for _ in range(hold):
        if other.end is None:
            other.step(action)
    course.finish()
    other.finish()
    return course, other


def first_difference(one: Episode, other: Episode) -> int | None:
    """The number of steps after which the states of two episodes first differ in any bit; None: they never do."""
    for step, (ours, theirs) in enumerate(zip(one.states, other.states, strict=False)):
        if any(not np.array_equal(ours[name], theirs[name]) for name in ours):
            return step
    return None


def _mask(infos: dict[str, Any]) -> NDArray[np.bool_] | None:
    return infos["action_mask"][0].copy() if "action_mask" in infos else None


def _end(infos: dict[str, Any], terminated: bool) -> str:
    """What ended an episode, from the last step's infos."""
    if "crashed" in infos and infos["crashed"][0]:
        return "crash"
    if "is_success" in infos and infos["is_success"][0]:
        return "success"
    return "terminated" if terminated else "time limit"
