"""The SB3 adapter, against SB3's own vector environment over the same worlds."""

import pickle
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import foveal  # noqa: F401 (registers the ids)
from foveal.agents.policies import make_network
from foveal.agents.sb3 import BatchVecEnv, CodebookExtractor, EgoAttentionExtractor, make_sb3_vec_env
from foveal.envs.registration import WORLDS

FAST = "foveal/HighwayFast-v0"
ROWS = 6


@pytest.fixture(autouse=True)
def _one_torch_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _actions(steps, rows=ROWS):
    return np.random.default_rng(7).integers(5, size=(steps, rows))


def _monitored(seed, **params):
    env = DummyVecEnv([lambda: Monitor(gymnasium.make(FAST, **params)) for _ in range(ROWS)])
    env.seed(seed)
    return env


@pytest.mark.parametrize("params", [{}, {"max_episode_steps": 3}, {"duration": 4, "vehicles_count": 40}])
def test_equals_dummy_vec_env_of_monitored_single_envs(params):
    ours, theirs = make_sb3_vec_env(FAST, ROWS, **params), _monitored(11, **params)
    ours.seed(11)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    ended = 0
    for actions in _actions(60):
        (observations, rewards, dones, infos), expected = ours.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        assert rewards.dtype == np.float32 and dones.dtype == np.bool_ and isinstance(infos, list)
        assert _plain(infos) == _plain(expected[3])
        assert _plain(ours.reset_infos) == _plain(theirs.reset_infos)
        ended += dones.sum()
    assert ended > ROWS


def _plain(infos):
    """Infos with arrays as lists and without the wall clock."""
    plain = []
    for info in infos:
        info = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in info.items()}
        if "episode" in info:
            assert info["episode"]["t"] >= 0
            info["episode"] = {key: info["episode"][key] for key in ("r", "l")}
        plain.append(info)
    return plain


def test_terminal_observations_are_those_of_a_world_without_autoreset():
    ours = make_sb3_vec_env(FAST, ROWS)
    reference = gymnasium.make_vec(FAST, num_envs=ROWS, autoreset_mode="disabled")
    ours.seed(3)
    np.testing.assert_array_equal(ours.reset(), reference.reset(seed=3)[0])
    seen = 0
    for actions in _actions(50):
        observations, _, dones, infos = ours.step(actions)
        expected, _, terminated, truncated, _ = reference.step(actions)
        for row in np.flatnonzero(dones):
            np.testing.assert_array_equal(infos[row]["terminal_observation"], expected[row])
            assert infos[row]["TimeLimit.truncated"] == (truncated[row] and not terminated[row])
            seen += 1
        assert all("terminal_observation" not in infos[row] for row in np.flatnonzero(~dones))
        if dones.any():
            expected, _ = reference.reset(options={"reset_mask": dones})
        np.testing.assert_array_equal(observations, expected)
    assert seen > ROWS


def test_time_limit_is_truncation_and_a_crash_in_the_last_step_is_not():
    env = make_sb3_vec_env(FAST, 64, max_episode_steps=4)
    env.seed(0)
    env.reset()
    crashed = truncated = 0
    for actions in _actions(40, rows=64):
        _, _, dones, infos = env.step(actions)
        for row in np.flatnonzero(dones):
            assert infos[row]["TimeLimit.truncated"] is not infos[row]["crashed"]
            last = infos[row]["episode"]["l"] == 4
            crashed += last and infos[row]["crashed"]
            truncated += infos[row]["TimeLimit.truncated"]
    assert crashed and truncated


def test_infos_are_fresh_in_every_row_and_step():
    env = make_sb3_vec_env(FAST, 2)
    env.seed(0)
    env.reset()
    _, _, _, first = env.step(np.array([1, 1]))
    first[0]["mine"] = 1
    _, _, _, second = env.step(np.array([1, 1]))
    assert "mine" not in first[1] and "mine" not in second[0]


def test_seed_holds_for_the_next_reset_alone_and_leaves_global_numpy_alone():
    env = make_sb3_vec_env(FAST, 3)
    assert env.seed(5) == [5, 6, 7]
    first, second = env.reset(), env.reset()
    assert not np.array_equal(first, second)
    env.seed(5)
    np.testing.assert_array_equal(env.reset(), first)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    seeds = env.seed()
    env.reset()
    assert len(set(seeds)) == 3
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_attributes_and_methods_are_the_shared_worlds():
    env = make_sb3_vec_env(FAST, 3, lanes_count=5, render_mode="rgb_array")
    env.seed(0)
    env.reset()
    assert env.get_attr("action_space", indices=0) == [spaces.Discrete(5)]
    assert [params.lanes_count for params in env.get_attr("params")] == [5, 5, 5]
    assert env.has_attr("params") and not env.has_attr("no_such_thing")
    env.set_attr("note", "all")
    assert env.get_attr("note") == ["all"] * 3
    with pytest.raises(ValueError, match="all 3 rows"):
        env.set_attr("note", "one", indices=[1])
    states = env.env_method("get_state", indices=[0, 2])
    assert len(states) == 2 and states[0] is states[1]
    with pytest.raises(ValueError, match="cannot reset alone"):
        env.env_method("reset", indices=[1])
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit, indices=[1]) == [False]
    frames = env.env_method("render", indices=[1])
    np.testing.assert_array_equal(frames[0], env.get_images()[1])
    assert env.render().dtype == np.uint8
    env.set_options({"reset_mask": [True]})
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset()
    env.close()


def test_refuses_worlds_in_another_mode():
    for kwargs in (
        {"autoreset_mode": "next_step"},
        {"autoreset_mode": AutoresetMode.SAME_STEP, "copy": False},
    ):
        with pytest.raises(ValueError, match="same_step"):
            BatchVecEnv(gymnasium.make_vec(FAST, num_envs=2, **kwargs))
    with pytest.raises(TypeError, match="lanes_count"):
        make_sb3_vec_env(FAST, 2, lanes_cout=4)


def test_pickles_with_its_rows():
    env = make_sb3_vec_env(FAST, 2)
    env.seed(4)
    env.reset()
    copy = pickle.loads(pickle.dumps(env))
    for actions in _actions(5, rows=2):
        np.testing.assert_array_equal(env.step(actions)[0], copy.step(actions)[0])


@pytest.mark.parametrize("env_id", WORLDS)
def test_sb3_check_env_accepts_the_single_env(env_id):
    """Its only warnings are those it gives for every table that is no vector, and for grids as for images."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gymnasium.make(env_id, render_mode="rgb_array").unwrapped, skip_render_check=False)
    # which it takes for images, or the target's picture, which is small, or cameras' matrices
    grids = ("foveal/UTurn-v0", "foveal/TwoWay-v0", "foveal/Racetrack-v0", "foveal/VisualSearch-v0")
    taken = ("image", "minimal resolution") if env_id in (*grids, "foveal/SurroundRig-v0") else ()
    told = ("unconventional shape", *taken)
    messages = [str(warning.message) for warning in caught]
    assert all(any(words in message for words in told) for message in messages), messages


def test_extractor_is_ego_attention_with_its_sizes():
    env = make_sb3_vec_env(FAST, 2)
    extractor = EgoAttentionExtractor(env.observation_space, width=32, heads=4)
    observations = torch.as_tensor(env.reset())
    assert extractor.features_dim == 32 and extractor(observations).shape == (2, 32)
    torch.testing.assert_close(extractor.attention(observations).sum(-1), torch.ones(2, 4))
    with pytest.raises(ValueError, match="heads"):
        EgoAttentionExtractor(env.observation_space, width=32, heads=5)


@pytest.mark.parametrize("wrap", [lambda env: env, VecNormalize], ids=["bare", "normalized"])
def test_ppo_trains_with_ego_attention(wrap):
    env = wrap(make_sb3_vec_env(FAST, 16))
    kwargs = {"features_extractor_class": EgoAttentionExtractor, "features_extractor_kwargs": {"width": 32}}
    model = PPO("MlpPolicy", env, n_steps=32, n_epochs=2, batch_size=256, policy_kwargs=kwargs, seed=1, device="cpu")
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(2048)
    after = model.policy.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert any("network" in name for name in changed)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert len(model.ep_info_buffer) > 50 and 0 < np.mean([ep["r"] for ep in model.ep_info_buffer]) < 30


def test_codebook_extractor_is_a_network_and_a_filter():
    env = make_sb3_vec_env(FAST, 2)
    observations = torch.as_tensor(env.reset())
    extractor = CodebookExtractor(
        env.observation_space,
        network="mlp",
        network_options={"width": 24, "layers": 1},
        options={"codes": 8, "dropout": 0.5},
    )
    assert extractor.features_dim == 24 and extractor(observations).shape == (2, 24)
    assert extractor.filter.codes.shape == (8, 10) and extractor.filter.dropout == 0.5
    bare = CodebookExtractor(env.observation_space, network_options={"width": 32}, filter="none")
    network = make_network("attention", env.observation_space, {"width": 32})
    network.load_state_dict(bare.network.state_dict())
    assert torch.equal(bare(observations), network(observations))
    for kwargs, message in (
        ({"network": "mpl"}, "did you mean 'mlp'"),
        ({"filter": "codebok"}, "did you mean 'codebook'"),
        ({"options": {"code": 8}}, "did you mean 'codes'"),
        ({"network_options": {"heads": 3}}, "heads=3"),
    ):
        with pytest.raises(ValueError, match=message):
            CodebookExtractor(env.observation_space, **kwargs)


@pytest.mark.parametrize("network", ["attention", "mlp"])
@pytest.mark.parametrize(
    ("filter", "options", "codes"),
    [
        ("codebook", {"codes": 32}, "filter.codes"),
        ("codebook", {"codes": 32, "indexing": "gumbel"}, "filter.codes"),
        ("vq", {"codes": 32}, "filter.quantizer._codebook.embed"),
    ],
)
def test_ppo_trains_through_a_codebook(network, filter, options, codes):
    env = make_sb3_vec_env(FAST, 16)
    extractor = {"network": network, "network_options": {"width": 32}, "filter": filter, "options": options}
    kwargs = {"features_extractor_class": CodebookExtractor, "features_extractor_kwargs": extractor}
    model = PPO("MlpPolicy", env, n_steps=32, n_epochs=2, batch_size=256, policy_kwargs=kwargs, seed=1, device="cpu")
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(1024)
    after = model.policy.state_dict()
    assert not torch.equal(before[f"features_extractor.{codes}"], after[f"features_extractor.{codes}"])
    for name, parameter in model.policy.features_extractor.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name
        assert not torch.equal(before[f"features_extractor.{name}"], parameter), name
    observations = env.reset()
    first, _ = model.predict(observations, deterministic=True)
    np.testing.assert_array_equal(model.predict(observations, deterministic=True)[0], first)


def test_dqn_trains_and_its_buffer_holds_last_observations_and_timeouts():
    env = make_sb3_vec_env(FAST, 8, duration=6)
    model = DQN(
        "MlpPolicy",
        env,
        buffer_size=4000,
        learning_starts=400,
        train_freq=4,
        gradient_steps=2,
        seed=1,
        device="cpu",
    )
    model.learn(3200)
    buffer = model.replay_buffer
    limits, ends = buffer.timeouts[:400].astype(bool), buffer.dones[:400].astype(bool)
    assert limits.any() and (ends & ~limits).any()
    following = buffer.observations[1:400]
    continued = (buffer.next_observations[:399] == following).all(axis=(2, 3))
    np.testing.assert_array_equal(continued, ~ends[:399])
    assert all(torch.isfinite(value).all() for value in model.policy.state_dict().values())
    held_out = make_sb3_vec_env(FAST, 16)
    held_out.seed(2**31)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, _ = evaluate_policy(model, held_out, n_eval_episodes=32)
    assert 0 < mean < 30
