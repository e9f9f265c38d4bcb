"""Shared by the tests of the agents: a world small enough to know everything about it, and a run folder."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from foveal.agents.config import PPOConfig
from foveal.agents.runs import Run
from foveal.envs.batch import BatchEnv
from foveal.envs.params import Params, param

RIGHT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorridorParams(Params):
    cells: int = param(7, "cells [1]", low=3, high=100)
    limit: int = param(20, "time limit [steps]", low=1, high=1000)


class Corridor(BatchEnv):
    """Walk left (0) or right (1): the left end pays 0.2, the right end 1; either terminates, `limit` truncates.

    Observation (3, 4): the ego ``[1, place, time, mark]``, the right end ``[1, 1, 0, 0]`` and an absent entity. The
    mark, drawn at the start of each episode, means nothing.
    """

    Params = CorridorParams

    def _spaces(self):
        return spaces.Box(-1.0, 1.0, (3, 4), np.float32), spaces.Discrete(2)

    def _allocate(self):
        self._cell, self._mark = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs)
        return {"cell": self._cell, "mark": self._mark}

    def _spawn(self, rows):
        for row in rows:
            generator = np.random.default_rng((self._seed[row], self._episode[row]))
            self._cell[row] = generator.integers(1, self.params.cells - 1)
            self._mark[row] = generator.uniform(-1, 1)
        self._observe(rows)

    def _advance(self, actions):
        rows = np.flatnonzero(self._active)
        self._cell[rows] += np.where(actions[rows] == RIGHT, 1, -1)
        ends = self._cell[rows] == 0, self._cell[rows] == self.params.cells - 1
        self._rewards[rows] = 0.2 * ends[0] + ends[1]
        self._terminated[rows] = ends[0] | ends[1]
        self._truncated[rows] = ~self._terminated[rows] & (self._elapsed[rows] >= self.params.limit)
        self._observe(rows)

    def _observe(self, rows):
        self._observations[rows] = 0
        self._observations[rows, 0] = np.stack(
            [
                np.ones(len(rows)),
                2 * self._cell[rows] / (self.params.cells - 1) - 1,
                self._elapsed[rows] / self.params.limit,
                self._mark[rows],
            ],
            -1,
        )
        self._observations[rows, 1, :2] = 1


if "test/Corridor-v0" not in gymnasium.registry:
    gymnasium.register("test/Corridor-v0", vector_entry_point=Corridor)

SMALL = PPOConfig(
    env_id="test/Corridor-v0",
    num_envs=16,
    rollout_steps=8,
    total_steps=16 * 8 * 12,
    epochs=2,
    minibatches=2,
    network="mlp",
    network_options={"width": 16, "layers": 1},
    checkpoint_steps=16 * 8 * 3,
    torch_threads=1,
    tensorboard=False,
)


@pytest.fixture(scope="session")
def small():
    """A training in the corridor, as short as there is."""
    return SMALL


@pytest.fixture(scope="session")
def config():
    """Of the `run`."""
    return PPOConfig(network_options={"width": 16})


@pytest.fixture(scope="session")
def weights(config):
    """What a checkpoint of `run` holds: the first weights of a policy, by its seed."""

    def weights(seed=0):
        policy = dataclasses.replace(config, seed=seed).make_policy(
            spaces.Box(-1.0, 1.0, (5, 5), np.float32), spaces.Discrete(5)
        )
        return {f"policy/{name}": tensor.numpy() for name, tensor in policy.state_dict().items()}

    return weights


@pytest.fixture
def run(tmp_path, config, weights):
    """A run with three checkpoints, the second the best."""
    made = Run.create(tmp_path / "run", config)
    for step, score in ((0, None), (100, 7.0), (200, 6.0)):
        made.save(step, {**weights(seed=step), "odd": np.array(step)}, {"seconds": step / 10}, score)
    return made
