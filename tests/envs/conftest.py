"""Shared by the tests of the worlds: deterministic drivers, whole episodes, and exact comparison."""

import copy
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

import foveal  # noqa: F401 (registers the ids)
from foveal.envs.registration import WORLDS


class Episode(NamedTuple):
    observations: list[Any]  # one more than rewards
    rewards: list[float]
    terminated: bool
    truncated: bool


def pick(observations: Any, rows: Any) -> Any:
    """The observations of a row, or of rows by a mask, of an array or of each array of a dict or a tuple."""
    if isinstance(observations, dict):
        return {key: pick(part, rows) for key, part in observations.items()}
    if isinstance(observations, tuple):
        return tuple(pick(part, rows) for part in observations)
    return observations[rows]


def arrays(observations: Any) -> list[np.ndarray]:
    """The array, or all arrays of a dict (in alphabetical order) or a tuple."""
    if isinstance(observations, dict):
        return [array for key in sorted(observations) for array in arrays(observations[key])]
    if isinstance(observations, tuple):
        return [array for part in observations for array in arrays(part)]
    return [np.asarray(observations)]


@pytest.fixture(scope="session", name="pick")
def pick_fixture():
    """See `pick`."""
    return pick


@pytest.fixture(scope="session", name="arrays")
def arrays_fixture():
    """See `arrays`."""
    return arrays


@pytest.fixture(scope="session")
def differ():
    """Whether observations differ anywhere."""

    def differ(ours, theirs):
        return any(not np.array_equal(a, b) for a, b in zip(arrays(ours), arrays(theirs), strict=True))

    return differ


@pytest.fixture(params=sorted(WORLDS))
def env_id(request):
    return request.param


@pytest.fixture(scope="session")
def act():
    """One action in a single action space, a pure function of (seed, episode, step)."""

    def act(space, seed, episode, step):
        rng = np.random.default_rng([seed, episode, step])
        if isinstance(space, spaces.Discrete):
            return space.start + rng.integers(space.n)
        return rng.uniform(space.low, space.high).astype(space.dtype)

    return act


@pytest.fixture(scope="session")
def batch_act(act):
    """Actions of N rows at one step, without regard to episodes; none that ends one by itself."""

    def batch_act(env, step):
        space, seen = env.single_action_space, env.single_observation_space
        if isinstance(seen, spaces.Dict) and "last_action" in seen.spaces:  # object navigation, whose last one is End
            space = spaces.Discrete(int(space.n) - 1)
        if isinstance(seen, spaces.Dict) and "fixations" in seen.spaces:  # visual search, whose last two are answers
            space = spaces.Discrete(int(space.n) - 2)
        return np.stack([act(space, row, 0, step) for row in range(env.num_envs)])

    return batch_act


@pytest.fixture(scope="session")
def play(batch_act):
    """What a vector environment hands out over some steps."""

    def play(env, steps, start=0):
        return [copy.deepcopy(env.step(batch_act(env, step))) for step in range(start, start + steps)]

    return play


@pytest.fixture(scope="session")
def single_episodes(act):
    """The first episodes of a single environment."""

    def single_episodes(env, seed, count):
        done = []
        for episode in range(count):
            observation, _ = env.reset(seed=seed) if episode == 0 else env.reset()
            observations, rewards, ended = [observation], [], False
            while not ended:
                action = act(env.action_space, seed, episode, len(rewards))
                observation, reward, terminated, truncated, _ = env.step(action)
                observations.append(observation)
                rewards.append(reward)
                ended = terminated or truncated
            done.append(Episode(observations, rewards, terminated, truncated))
        return done

    return single_episodes


@pytest.fixture(scope="session")
def batch_episodes(act):
    """The first episodes of every row of a vector environment in any autoreset mode, put together from its steps."""

    def batch_episodes(env, seeds, count):
        mode, rows = env.metadata["autoreset_mode"], range(env.num_envs)
        observations, _ = env.reset(seed=seeds)
        done = [[] for _ in rows]
        current = [([pick(observations, r)], []) for r in rows]
        ended = np.zeros(env.num_envs, np.bool_)
        while any(len(row) < count for row in done):
            if mode is AutoresetMode.DISABLED and ended.any():
                observations, _ = env.reset(options={"reset_mask": ended})
                current = [([pick(observations, r)], []) if ended[r] else current[r] for r in rows]
                ended[:] = False
            space = env.single_action_space
            actions = [act(space, seeds[r], len(done[r]), len(current[r][1])) for r in rows]
            observations, rewards, terminated, truncated, infos = env.step(np.stack(actions))
            for r in rows:
                if ended[r]:  # a reset step of next_step autoreset
                    assert (rewards[r], terminated[r], truncated[r]) == (0, False, False)
                    current[r] = ([pick(observations, r)], [])
                    ended[r] = False
                    continue
                ends = terminated[r] or truncated[r]
                same_step = ends and mode is AutoresetMode.SAME_STEP
                current[r][0].append(infos["final_obs"][r] if same_step else pick(observations, r))
                current[r][1].append(float(rewards[r]))
                if ends:
                    done[r].append(Episode(*current[r], bool(terminated[r]), bool(truncated[r])))
                    current[r] = ([pick(observations, r)], [])
                    ended[r] = not same_step
        return [row[:count] for row in done]

    return batch_episodes


@pytest.fixture(scope="session")
def assert_same():
    """Exact equality of nested dicts, sequences and arrays, with types, shapes and dtypes."""

    def assert_same(ours, theirs, where=""):
        assert type(ours) is type(theirs), where
        if isinstance(ours, dict):
            assert ours.keys() == theirs.keys(), where
            for key in ours:
                assert_same(ours[key], theirs[key], f"{where}/{key}")
        elif isinstance(ours, (list, tuple)) or (isinstance(ours, np.ndarray) and ours.dtype == object):
            assert len(ours) == len(theirs), where
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                assert_same(a, b, f"{where}/{i}")
        elif isinstance(ours, np.ndarray):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
            np.testing.assert_array_equal(ours, theirs, where)
        else:
            assert ours == theirs, where

    return assert_same


@pytest.fixture(scope="session")
def assert_same_scene():
    """Equality of two scenes, but for some of their fields."""

    def assert_same_scene(scene, other, but=()):
        ours, theirs = dataclasses.asdict(scene), dataclasses.asdict(other)
        for name in but:
            ours.pop(name, None), theirs.pop(name, None)
        np.testing.assert_equal(ours, theirs)

    return assert_same_scene
