"""The protocol of perception: spaces, kinds of environments, autoreset modes, seeds, saving, and who checks them."""

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorWrapper
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from foveal.optics.eye import Eye
from foveal.vision.wrappers import (
    DenoisedObservation,
    DepthNoise,
    DepthObservation,
    FoveatedObservation,
    Perceived,
    SemanticObservation,
    VectorPerceived,
)

from .worlds import OBJECTNAV, SIX, SMALL, SURROUND, Drawn, rigs

NOISE = DepthNoise(0.1, 0.2, 0.3, inconsistency=0.5, blur_px=0.7, dropped=0.2, patch_px=3)
WRAPPERS = {
    "oracle": lambda env: DepthObservation(env, "oracle", "near", far_m=10.0),
    "noisy": lambda env: DepthObservation(env, "noisy", noise=NOISE),
    "noisy, held": lambda env: DepthObservation(env, "noisy", noise=DepthNoise(scale_per="episode")),
    "looking": lambda env: FoveatedObservation(env, Eye(2.0), fixation=(3, 4)),
    "following": lambda env: FoveatedObservation(env, Eye(2.0, levels=3), fixation="fixation", into="seen"),
    "told": lambda env: FoveatedObservation(env, Eye(2.0, levels=3), fixation="gaze"),
    "bilateral": lambda env: DenoisedObservation(env, sigma_px=1.0, sigma_values=0.3, radius=2),
    "bilateral depth": lambda env: DenoisedObservation(env, key="depth", radius=1),
    "ids": lambda env: SemanticObservation(env, {"thing": [1], "floor": [0]}, form="ids"),
    "planes": lambda env: SemanticObservation(env, into="planes"),
    "masked": lambda env: SemanticObservation(env, {"thing": [1]}, form="masked"),
    "three of them": lambda env: DepthObservation(
        FoveatedObservation(DepthObservation(env, "noisy"), Eye(2.0)), "noisy", "again", noise=NOISE
    ),
}
MODES = list(AutoresetMode)


def rollout(env, steps=9, seed=3, resets=True):
    """What reset and each step of an environment give; ended rows are reset where nobody else does."""
    out = [env.reset(seed=seed)]
    actions = np.random.default_rng(0)
    for _ in range(steps):
        out.append(env.step(actions.integers(0, 2, env.num_envs)))
        if resets and env.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
            ended = out[-1][2] | out[-1][3]
            if ended.any():
                out.append(env.reset(options={"reset_mask": ended}))
    env.close()
    return [(*result, comparable(infos)) for *result, infos in out]


def comparable(infos):
    """With lists for arrays of objects, which NumPy does not compare."""
    plain = {key: comparable(value) if isinstance(value, dict) else value for key, value in infos.items()}
    return {key: list(value) if np.asarray(value).dtype.hasobject else value for key, value in plain.items()}


@settings(max_examples=30, deadline=None)
@given(rigs(), st.sampled_from(sorted(WRAPPERS)), st.sampled_from(MODES), st.integers(0, 2**40))
def test_all_observations_lie_in_the_declared_space_and_rows_are_single_environments(space, name, mode, seed):
    wrap = WRAPPERS[name]
    env = wrap(SyncVectorEnv([lambda: Drawn(space)] * 3, autoreset_mode=mode))
    singles = SyncVectorEnv([lambda: wrap(Drawn(space))] * 3, autoreset_mode=mode)
    assert isinstance(env, VectorPerceived) and isinstance(env, VectorWrapper)
    assert env.single_observation_space == singles.single_observation_space
    ours, theirs = rollout(env, seed=seed), rollout(singles, seed=seed)
    for result in ours:
        assert result[0] in env.observation_space
        for final in result[-1].get("final_obs", ()):
            assert final is None or final in env.single_observation_space
    np.testing.assert_equal(ours, theirs)


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name not in ("following", "told")])
@pytest.mark.parametrize(("world_id", "params"), [(OBJECTNAV, SMALL), (SURROUND, SIX)])
def test_rows_of_a_world_are_its_single_environments_in_all_modes(name, world_id, params):
    wrap, seen = WRAPPERS[name], {}
    for mode in MODES:
        world = gymnasium.make_vec(world_id, 3, autoreset_mode=mode, max_episode_steps=3, **params)
        one = SyncVectorEnv(
            [lambda: wrap(gymnasium.make(world_id, max_episode_steps=3, **params))] * 3, autoreset_mode=mode
        )
        ours, theirs = rollout(wrap(world)), rollout(one)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_equal(a[:-1], b[:-1])
            np.testing.assert_equal(a[-1].get("final_obs"), b[-1].get("final_obs"))
        if mode is AutoresetMode.SAME_STEP:
            finals = [a[-1]["final_obs"] for a in ours if "final_obs" in a[-1]]
            assert len(finals) == 3
        # the third step ends the first episode: in the same step is what the others see a step later
        seen[mode] = ours
    same, later, by_hand = (
        seen[mode] for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED)
    )
    last = {key: np.stack([final[key] for final in same[3][-1]["final_obs"]]) for key in same[3][0]}
    np.testing.assert_equal(last, later[3][0])
    np.testing.assert_equal(last, by_hand[3][0])
    np.testing.assert_equal(same[3][0], later[4][0])
    np.testing.assert_equal(same[3][0], by_hand[4][0])


def test_a_masked_reset_begins_those_rows_alone():
    env = WRAPPERS["noisy"](gymnasium.make_vec(OBJECTNAV, 3, **SMALL))
    before, _ = env.reset(seed=1)
    mask = np.array([False, True, False])
    after, _ = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(before["depth"][~mask], after["depth"][~mask])
    assert (before["depth"][1] != after["depth"][1]).any()
    again, _ = env.reset(seed=[0, 2, 0], options={"reset_mask": mask})
    np.testing.assert_array_equal(again["depth"], before["depth"])


def test_no_seed_is_another_noise_each_time():
    seen = [WRAPPERS["noisy"](gymnasium.make(OBJECTNAV, **SMALL)).reset()[0]["depth"] for _ in range(2)]
    assert (seen[0] != seen[1]).any()


def test_saved_and_restored_rows_go_on_in_the_same_way():
    env = WRAPPERS["three of them"](gymnasium.make_vec(OBJECTNAV, 4, max_episode_steps=4, **SMALL))
    env.reset(seed=0)
    actions = np.random.default_rng(1).integers(0, 5, (9, 4))
    for action in actions[:4]:
        env.step(action)
    state = env.get_state()
    once = [env.step(action) for action in actions[4:]]
    other = WRAPPERS["three of them"](gymnasium.make_vec(OBJECTNAV, 4, max_episode_steps=4, **SMALL))
    other.reset(seed=77)
    other.set_state(state)
    np.testing.assert_equal([other.step(action) for action in actions[4:]], once)
    with pytest.raises(ValueError, match=r"state\['percept/2'\]: must be \(4, 4\) int64"):
        other.set_state({name: array for name, array in state.items() if name != "percept/2"})


def test_the_worlds_arrays_are_not_written_to():
    env = gymnasium.make_vec(OBJECTNAV, 2, copy=False, **SMALL)
    env.reset(seed=0)
    views = dict(env._observations)
    before = copy.deepcopy(views)
    for wrap in (*(WRAPPERS[name] for name in ("noisy", "looking", "bilateral", "masked")),):
        wrap(env).reset(seed=0)
        np.testing.assert_equal({name: views[name] for name in before}, before)


def test_wrapped_environments_pickle_copy_and_run_in_processes():
    env = WRAPPERS["noisy"](gymnasium.make(OBJECTNAV, **SMALL))
    env.reset(seed=5)
    expected = env.step(0)[0]["depth"]
    for other in (pickle.loads(pickle.dumps(env)), copy.deepcopy(env), gymnasium.make(env.spec)):
        other.reset(seed=5)
        np.testing.assert_array_equal(other.step(0)[0]["depth"], expected)
    makers = [lambda: WRAPPERS["noisy"](Drawn(spaces.Dict({"depth": spaces.Box(0, 9, (4, 5))})))] * 2
    ours, theirs = rollout(AsyncVectorEnv(makers), 3), rollout(SyncVectorEnv(makers), 3)
    np.testing.assert_equal([one[0] for one in ours], [one[0] for one in theirs])


@pytest.mark.parametrize("name", [name for name in WRAPPERS if name not in ("following", "told")])
@pytest.mark.parametrize(("world_id", "params"), [(OBJECTNAV, SMALL), (SURROUND, SIX)])
def test_checkers_accept_them(name, world_id, params):
    env = WRAPPERS[name](gymnasium.make(world_id, **params).unwrapped)
    assert isinstance(env, Perceived) and isinstance(env, gymnasium.Wrapper)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*different from the unwrapped version")  # so it is
        check_env(env, skip_render_check=True)
        warnings.simplefilter("ignore")  # Stable-Baselines3 warns at each image it does not know
        sb3_check_env(env)


def test_a_world_that_is_none_or_observes_no_dict_is_named():
    with pytest.raises(TypeError, match=r"env='foveal': must be a gymnasium.Env or a gymnasium.vector.VectorEnv"):
        DepthObservation("foveal")
    with pytest.raises(ValueError, match=r"the observation space Box.*: must be a Dict"):
        DenoisedObservation(gymnasium.make("CartPole-v1"))
