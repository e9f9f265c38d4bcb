"""The batch contract: what a world refuses, and that with any valid parameters it keeps its promises."""

import dataclasses
import math

import gymnasium
import numpy as np
import pytest
from gymnasium import make_vec, spaces
from gymnasium.envs.registration import load_env_creator
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from foveal.envs.registration import WORLDS

SEED = 2024


def params_class(env_id):
    return load_env_creator(WORLDS[env_id].batch).Params


def test_an_unknown_parameter_is_named_with_the_closest(env_id):
    name = dataclasses.fields(params_class(env_id))[0].name
    for maker in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(TypeError, match=f"'{name}x'.*did you mean '{name}'"):
            maker(env_id, **{f"{name}x": 1})


def beyond(field):
    """Values just outside the range of a parameter."""
    meta, default = field.metadata, field.default
    if meta["choices"]:
        yield ("none of these",) if isinstance(default, tuple) else "none of these"
    elif not isinstance(default, (bool, str)):
        for value in (meta["low"] - 1, meta["high"] + 1):
            if not math.isfinite(value):
                continue
            if isinstance(default, tuple):
                yield (float(value),) * len(default)
            else:
                yield float(value) if isinstance(default, float) else int(value)


def test_every_parameter_out_of_range_is_named(env_id):
    cases = [(field.name, value) for field in dataclasses.fields(params_class(env_id)) for value in beyond(field)]
    assert cases
    for name, value in cases:
        with pytest.raises(ValueError, match=f"^{name}="):
            make_vec(env_id, **{name: value})


def test_every_parameter_of_the_wrong_type_is_named(env_id):
    for field in dataclasses.fields(params_class(env_id)):
        if not field.metadata["choices"]:
            with pytest.raises(TypeError, match=f"^{field.name}="):
                make_vec(env_id, **{field.name: object()})


def bad_actions(space):
    """Batches of actions that are not in the space."""
    good = np.zeros(space.shape, space.dtype)
    yield good[:-1]
    yield good[..., None]
    yield good.astype(np.bool_)
    yield good.astype(object)
    yield np.full(space.shape, "0")
    if isinstance(space, spaces.Box):
        yield good.astype(np.int64)
        for value in (np.nan, np.inf, 1.01, -1.01):
            bad = good.copy()
            bad.flat[-1] = value
            yield bad
    else:
        yield good.astype(np.float64)
        for value in (space.start.flat[-1] - 1, space.start.flat[-1] + space.nvec.flat[-1]):
            bad = good.copy()
            bad.flat[-1] = value
            yield bad


def test_bad_actions_are_refused_before_anything_changes(env_id, assert_same):
    env = make_vec(env_id, 3)
    env.reset(seed=SEED)
    before = env.get_state()
    for actions in bad_actions(env.action_space):
        with pytest.raises(ValueError, match="actions"):
            env.step(actions)
    assert_same(env.get_state(), before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"render_mode": "human"}, ValueError, "render_mode='human'"),
        ({"autoreset_mode": "sometimes"}, ValueError, "autoreset_mode='sometimes'"),
        ({"num_envs": 0}, ValueError, "num_envs=0"),
        ({"num_envs": 2.0}, ValueError, r"num_envs=2\.0"),
        ({"num_envs": True}, ValueError, "num_envs=True"),
        ({"max_episode_steps": 0}, ValueError, "max_episode_steps=0"),
        ({"max_episode_steps": 1.5}, ValueError, r"max_episode_steps=1\.5"),
        ({"trace_rows": (1,)}, ValueError, r"rows \[1\].* \[0, 0\]"),
        ({"trace_rows": (-1,)}, ValueError, r"rows \[-1\]"),
        ({"trace_rows": (0.5,)}, TypeError, "float"),
    ],
)
def test_bad_options_are_refused(env_id, options, error, message):
    with pytest.raises(error, match=message):
        load_env_creator(WORLDS[env_id].batch)(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"reset_mask": np.zeros(3, np.bool_)},
        {"reset_mask": np.ones(4, np.bool_)},
        {"reset_mask": np.ones(3)},
        {"reset_mask": None},
        {"mask": np.ones(3, np.bool_)},
    ],
)
def test_bad_reset_options_are_refused(env_id, options, assert_same):
    env = make_vec(env_id, 3)
    env.reset(seed=SEED)
    before = env.get_state()
    with pytest.raises(ValueError, match="reset"):
        env.reset(options=options)
    assert_same(env.get_state(), before)


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (2**63 - 2, ValueError), ([1, 2], ValueError), (1.5, TypeError), ("abc", TypeError)],
)
def test_bad_seeds_are_refused(env_id, seed, error, assert_same):
    env = make_vec(env_id, 3)
    env.reset(seed=SEED)
    before = env.get_state()
    with pytest.raises(error):
        env.reset(seed=seed)
    assert_same(env.get_state(), before)


# Any seed, any actions, any valid parameters


def values(field):
    """Valid values of one parameter, bounded so that a world stays small."""
    meta, default = field.metadata, field.default
    if meta["choices"]:
        choices = st.sampled_from(meta["choices"])
        return st.lists(choices, min_size=1, unique=True).map(tuple) if isinstance(default, tuple) else choices
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, str):
        return st.just(default)
    low, high = max(meta["low"], -1e3), min(meta["high"], 1e3)
    if isinstance(default, tuple):
        number = st.integers(meta["items"][0], min(meta["items"][1], max(4, meta["items"][0])))
        return st.builds(
            lambda n, a, b: tuple(np.linspace(min(a, b), max(a, b), n)), number, *[st.floats(low, high)] * 2
        )
    if isinstance(default, float):
        return st.floats(low, high)
    integers = st.integers(int(low), int(min(high, max(2 * (default or 0), low + 8))))
    return integers if default is not None else st.none() | integers


SMALL = {
    "houses": st.integers(1, 2),
    "first_house": st.integers(0, 3),
    "width": st.integers(8, 40),
    "height": st.integers(8, 40),
    "start_distances": st.sampled_from([(0.0, 3.0), (0.5, 1000.0)]),
    "backend": st.just("native"),
    "categories": st.just(("Chair", "Mug", "Bed", "Sofa", "GarbageCan", "SoapBottle")),
    "size": st.integers(16, 64),
    "views": st.integers(1, 2),
    "cell_deg": st.just(0.0) | st.floats(1, 12),
    "view_deg": st.just(0.0) | st.floats(10, 60),
    "course": st.sampled_from(["avenue", "crossing"]),
    "streets": st.just(1),
    "first_street": st.just(0),
    "density": st.just(0.3),
    "light": st.just("day"),
    "far": st.floats(1, 100),
}
"""Valid values of what would make a world large, or impossible."""


@st.composite
def situations(draw, env_id):
    fields = dataclasses.fields(params_class(env_id))
    optional = {field.name: SMALL.get(field.name, values(field)) for field in fields}
    params = draw(st.fixed_dictionaries({}, optional=optional))
    if "houses" in optional:
        params.setdefault("houses", 2)
    try:
        params_class(env_id).from_kwargs({**WORLDS[env_id].defaults, **params})
    except ValueError:  # a combination that the world refuses
        reject()
    seed = draw(st.integers(0, 2**63 - 4))
    return params, seed, draw(st.integers(1, 12)), draw(st.integers(0, 2**32))


@pytest.mark.parametrize("env_id", sorted(WORLDS))
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_any_world_keeps_its_promises(env_id, data, assert_same, pick, arrays):
    params, seed, limit, actions_seed = data.draw(situations(env_id))
    try:
        env = make_vec(env_id, 3, max_episode_steps=limit, autoreset_mode="disabled", **params)
    except ValueError as error:
        assert "can any be found from there" in str(error)
        reject()
    single = gymnasium.make(env_id, max_episode_steps=limit, **params)
    row = actions_seed % 3
    observations, _ = env.reset(seed=seed)
    assert_same(pick(observations, row), single.reset(seed=seed + row)[0])
    rng = np.random.default_rng(actions_seed)
    env.action_space.seed(int(rng.integers(2**31)))
    ended, steps = np.zeros(3, np.bool_), 0
    while not ended.any():
        steps += 1
        assert steps <= limit
        actions = env.action_space.sample()
        observations, rewards, terminated, truncated, _ = env.step(actions)
        assert env.observation_space.contains(observations)
        assert all(np.isfinite(array).all() for array in arrays(observations)) and np.isfinite(rewards).all()
        observation, reward, *ending, _ = single.step(actions[row])
        assert_same(observation, pick(observations, row))
        assert (reward, *ending) == (rewards[row], terminated[row], truncated[row])
        ended = terminated | truncated
    assert ended.all() or steps < limit
