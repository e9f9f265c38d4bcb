"""Several egos of one row as the agents of a PettingZoo environment, each with its own reward and its own ending.

``parallel_env("foveal/Intersection-v0", controlled_vehicles=2)`` needs ``pip install foveal[pettingzoo]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from numpy.typing import NDArray

from foveal.envs.driving.scenario import ScenarioWorld

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv


def parallel_env(env_id: str, *, render_mode: str | None = None, **params: Any) -> ParallelEnv[str, Any, Any]:
    """A world with several egos as a PettingZoo ``ParallelEnv``, whose agents are ``ego_0``, ``ego_1`` and so on.

    An agent ends when its own ego does (``info["agents_terminated"]``), while the others go on; its ego stays on the
    road: a wreck as such, any other at its speed along its route. All end together at the time limit, or where the
    world ends for a reason that is no ego's own.

    Args:
        env_id: Such as ``"foveal/Intersection-v0"``.
        render_mode: None or ``"rgb_array"``.
        **params: As for `gymnasium.make`, among them ``controlled_vehicles``.

    Raises:
        ValueError: for a world that does not tell its egos apart.
        ImportError: without PettingZoo.
    """
    from pettingzoo import ParallelEnv  # only for who asks for one

    spec = gymnasium.spec(env_id)
    make: Any = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    env = make(render_mode=render_mode, **{**spec.kwargs, **params})
    world = getattr(env, "batch", None)
    if not isinstance(world, ScenarioWorld) or not hasattr(world.params, "controlled_vehicles"):
        raise ValueError(f"{env_id} has no egos with a reward of their own")
    view: ParallelEnv[str, Any, Any] = type("ParallelView", (View, ParallelEnv), {})(world, env_id)
    return view


class View:
    """A row's egos as agents; see `parallel_env`, which makes a PettingZoo environment of it."""

    def __init__(self, world: ScenarioWorld, env_id: str) -> None:
        egos = world.params.controlled_vehicles
        self._world = world
        self.possible_agents = [f"ego_{ego}" for ego in range(egos)]
        self.agents: list[str] = []
        self.render_mode = world.render_mode
        self.metadata = {**world.metadata, "name": env_id.rpartition("/")[2], "is_parallelizable": True}
        seen, done = world.single_observation_space, world.single_action_space
        self.observation_spaces = dict(zip(self.possible_agents, _of_each(seen, egos), strict=True))
        self.action_spaces = dict(zip(self.possible_agents, _of_each(done, egos), strict=True))

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The observation space of an agent."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The action space of an agent."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode with all agents; there are no options."""
        observations, infos = self._world.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._observed(observations), self._told(infos)

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]:
        """Step by the agents' actions: observations, rewards, terminations, truncations and infos by agent."""
        joint = np.stack([actions.get(agent, self._world.idle) for agent in self.possible_agents])
        self._world._ended[:] = False  # the row goes on until its last agent ends
        observations, _, ended, truncated, infos = self._world.step(joint.reshape(self._world.action_space.shape))
        own = infos["agents_terminated"][0]
        terminations = self._each(own | (ended[0] and not own.any()), bool)
        truncations = self._each(np.full(own.shape, truncated[0]), bool)
        rewards = self._each(infos["agents_rewards"][0], float)
        out = self._observed(observations), rewards, terminations, truncations, self._told(infos)
        self.agents = [agent for agent in self.agents if not (terminations[agent] or truncations[agent])]
        return out

    def render(self) -> NDArray[np.uint8] | None:
        """The present frame (H, W, 3), or None without a render mode."""
        return None if self.render_mode is None else self._world.render_rows([0])[0]

    def close(self) -> None:
        """Close the world."""
        self._world.close()

    def _each(self, values: Any, kind: Any) -> dict[str, Any]:
        """The values (E, ...) of those agents that have not ended."""
        every = dict(zip(self.possible_agents, values, strict=True))
        return {agent: kind(every[agent]) for agent in self.agents}

    def _observed(self, observations: NDArray[Any]) -> dict[str, Any]:
        shape = self.observation_spaces[self.possible_agents[0]].shape or ()
        return self._each(observations[0].reshape(len(self.possible_agents), *shape), np.array)

    def _told(self, infos: dict[str, Any]) -> dict[str, Any]:
        if "action_mask" not in infos:
            return {agent: {} for agent in self.agents}
        masks = infos["action_mask"][0].reshape(len(self.possible_agents), -1)
        return self._each(masks, lambda mask: {"action_mask": mask.astype(np.int8)})


def _of_each(space: spaces.Space[Any], egos: int) -> list[spaces.Space[Any]]:
    """The space of each of so many egos, of the space of all."""
    if isinstance(space, spaces.MultiDiscrete):
        return [spaces.Discrete(int(count)) for count in space.nvec]
    if egos == 1:
        return [space]
    assert isinstance(space, spaces.Box)
    return [spaces.Box(low, high, dtype=space.dtype.type) for low, high in zip(space.low, space.high, strict=True)]
