"""Depth as an observation: the oracle, errors with the distribution that they say, and errors in what is asked."""

import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foveal.optics.rig_presets import nuscenes_like
from foveal.vision.depth.models import DepthModel, load, predict, save
from foveal.vision.depth.network import DepthConfig, SurroundDepth
from foveal.vision.depth.weights import adjacent_cameras
from foveal.vision.wrappers import DepthNoise, DepthObservation

from .worlds import OBJECTNAV, SIX, SMALL, SURROUND, Drawn

EXACT = DepthNoise(0, 0, 0)


def moments(rows, step=0):
    return np.stack([np.arange(rows), np.zeros(rows, int), np.full(rows, step)], -1)


def space(**parts):
    return spaces.Dict({"depth": spaces.Box(0, 20, (2, 6, 7)), **parts})


def test_the_oracle_is_the_worlds_depth_within_its_range():
    plain, _ = gymnasium.make(OBJECTNAV, **SMALL).reset(seed=1)
    env = DepthObservation(gymnasium.make(OBJECTNAV, **SMALL), key="near", far_m=2.0)
    seen, _ = env.reset(seed=1)
    np.testing.assert_array_equal(seen["near"], np.minimum(plain["depth"], 2))
    np.testing.assert_array_equal(seen["depth"], plain["depth"])
    assert env.observation_space["near"] == spaces.Box(0, 2, (16, 24))
    np.testing.assert_array_equal(
        DepthObservation(gymnasium.make(OBJECTNAV, **SMALL)).reset(seed=1)[0]["depth"], plain["depth"]
    )


def test_depth_that_does_not_end_ends_at_80_m():
    env = DepthObservation(Drawn(spaces.Dict({"range": spaces.Box(0, np.inf, (3, 3))})), truth="range", key="depth")
    assert env.observation_space["depth"].high.max() == 80
    percept = env.percept
    seen = percept.perceive({"range": np.array([[[0, 5, np.inf]]], np.float32)}, moments(1))
    np.testing.assert_array_equal(seen["depth"], [[[0, 5, 80]]])
    with pytest.raises(ValueError, match="the observation 'range' of row 1 is not finite"):
        percept.perceive({"range": np.array([[[0.0]], [[np.nan]]], np.float32)}, moments(2))


def test_no_noise_is_the_oracle():
    depth = np.random.default_rng(0).uniform(0, 20, (3, 2, 8, 9)).astype(np.float32)
    np.testing.assert_array_equal(EXACT.add(depth, moments(3), 20.0), depth)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**62), st.integers(1, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_a_rows_noise_is_its_own(seed, rows, row, step):
    row %= rows
    noise = DepthNoise(0.1, 0.1, 0.1, 0.5, dropped=0.3, blur_px=1.0)
    depth = np.random.default_rng(seed).uniform(0, 20, (rows, 2, 8, 9)).astype(np.float32)
    each = np.array([[seed + i, 3, step] for i in range(rows)])
    np.testing.assert_array_equal(
        noise.add(depth, each, 20.0)[row], noise.add(depth[row : row + 1], each[row : row + 1], 20.0)[0]
    )


def test_how_depth_lies_in_memory_does_not_matter():
    depth = np.random.default_rng(0).uniform(1, 20, (3, 2, 6, 7)).astype(np.float32)
    across = np.ascontiguousarray(depth.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)
    noise, each = DepthNoise(0.1, 0.1, 0.1, dropped=0.3, patch_px=2), moments(3)
    assert not across.flags.c_contiguous
    np.testing.assert_array_equal(noise.add(across, each, 20.0), noise.add(depth, each, 20.0))
    assert (noise.add(across, each, 20.0) != depth).any() and (across == depth).all()
    assert noise.add(depth[:0], each[:0], 20.0).shape == (0, 2, 6, 7)


def test_noise_differs_between_seeds_episodes_steps_and_keys():
    depth = np.full((1, 8, 8), 5, np.float32)
    seen = [
        DepthNoise().add(depth, np.array([m]), 20.0, salt)
        for *m, salt in ([0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])
    ]
    assert len({one.tobytes() for one in seen}) == 5


def test_errors_have_the_sizes_that_they_say():
    depth = np.full((200, 1, 16, 16), 10, np.float32)

    def error(**sizes):
        return DepthNoise(**{"relative_sigma": 0, "scale_sigma": 0} | sizes).add(depth, moments(200), 100.0)

    relative, additive = error(relative_sigma=0.1), error(additive_sigma_m=0.3)
    assert relative.std() == pytest.approx(1, rel=0.02) and relative.mean() == pytest.approx(10, abs=0.02)
    assert additive.std() == pytest.approx(0.3, rel=0.02)
    factors = error(scale_sigma=0.2)
    assert (factors == factors[:, :, :1, :1]).all()
    assert stats.kstest(np.log(factors[:, 0, 0, 0] / 10), stats.norm(0, 0.2).cdf).pvalue > 0.01
    assert (error(dropped=0.25) == 0).mean() == pytest.approx(0.25, abs=0.02)
    holes = error(dropped=0.25, patch_px=8)[:, 0] == 0
    assert (holes.reshape(200, 2, 8, 2, 8).mean((2, 4)) % 1 == 0).all()


def test_blur_bleeds_over_edges_alone():
    depth = np.repeat(np.float32([5, 15]), 20)[None, None].repeat(10, 1)
    blurred = DepthNoise(0, 0, 0, blur_px=1.5).add(depth, moments(1), 20.0)
    beyond = stats.norm(0, 1.5).pdf(np.arange(1, 7)).sum() / stats.norm(0, 1.5).pdf(np.arange(-6, 7)).sum()
    np.testing.assert_allclose(blurred[0, 5, 19:21], [5 + 10 * beyond, 15 - 10 * beyond], atol=1e-3)
    assert (np.diff(blurred[0, 5]) >= 0).all()
    np.testing.assert_allclose(blurred[..., :10], 5, atol=1e-4)


def test_inconsistency_leaves_every_cameras_errors_and_moves_their_disagreement():
    """At fixed accuracy: one camera's factors have the same distribution; those of two agree less and less."""
    depth, rows = np.full((4000, 6, 1, 1), 10, np.float32), moments(4000)
    logs = {}
    for share in (0.0, 0.3, 1.0):
        logs[share] = np.log(DepthNoise(0, 0, 0.2, share).add(depth, rows, 1e3)[..., 0, 0] / 10)  # (4000, 6)
        for camera in range(6):
            assert stats.kstest(logs[share][:, camera], stats.norm(0, 0.2).cdf).pvalue > 0.001
        assert np.corrcoef(logs[share].T)[0, 1] == pytest.approx(1 - share, abs=0.05)
    accuracy = [np.abs(np.exp(log) - 1).mean() for log in logs.values()]
    assert np.ptp(accuracy) < 0.01 * np.mean(accuracy) * 3
    spread = [log.std(1).mean() for log in logs.values()]
    assert spread[0] < 1e-6 < 0.05 < spread[1] < spread[2]


def test_changing_one_error_leaves_the_draws_of_the_others():
    depth, rows = np.full((3, 2, 8, 8), 10, np.float32), moments(3)
    a = DepthNoise(0.1, 0, 0.2, 0.0, dropped=0.3, patch_px=2).add(depth, rows, 1e3)
    b = DepthNoise(0.1, 0, 0.2, 1.0, dropped=0.3, patch_px=2).add(depth, rows, 1e3)
    np.testing.assert_array_equal(a == 0, b == 0)
    ratio = np.where(a > 0, a / np.maximum(b, 1e-9), np.nan).reshape(6, -1)
    assert np.nanmax(np.nanstd(ratio, 1)) < 1e-5 and (np.nanmean(ratio, 1) != 1).all()


def test_factors_can_be_held_through_an_episode():
    depth = np.full((2, 3, 1, 1), 10, np.float32)
    held = DepthNoise(0, 0, 0.2, 1.0, "episode")
    np.testing.assert_array_equal(held.add(depth, moments(2, 0), 99.0), held.add(depth, moments(2, 7), 99.0))
    other = np.array([[0, 1, 0], [1, 1, 0]])
    assert (held.add(depth, other, 99.0) != held.add(depth, moments(2), 99.0)).all()


def test_cameras_that_are_down_measure_nothing():
    env = DepthObservation(Drawn(space(valid=spaces.MultiBinary(2))), "noisy", noise=DepthNoise(0.1, 0.5))
    down = 0
    for seed in range(8):
        seen, _ = env.reset(seed=seed)
        assert (seen["depth"][seen["valid"] == 0] == 0).all()
        assert all((camera > 0).any() for camera in seen["depth"][seen["valid"] == 1])
        down += (seen["valid"] == 0).sum()
    assert 0 < down < 16


@pytest.mark.parametrize(
    ("name", "value"),
    [("relative_sigma", -0.1), ("additive_sigma_m", math.inf), ("scale_sigma", math.nan), ("inconsistency", 1.1),
     ("dropped", -0.1), ("scale_per", "day"), ("blur_px", -1.0), ("patch_px", 0)],
)  # fmt: skip
def test_errors_out_of_range_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}="):
        DepthNoise(**{name: value})


def test_what_a_source_needs_is_named():
    blind = gymnasium.make(OBJECTNAV, **SMALL | {"depth": False})
    for source in ("oracle", "noisy"):
        with pytest.raises(
            ValueError, match=rf"source='{source}': the world observes no 'depth'; switch it on \(depth=True\)"
        ):
            DepthObservation(blind, source)
    env = gymnasium.make(OBJECTNAV, **SMALL)
    with pytest.raises(
        ValueError, match="source='oracel': must be 'oracle', 'noisy' or 'model:PATH'; did you mean 'oracle'"
    ):
        DepthObservation(env, "oracel")
    with pytest.raises(ValueError, match="did you mean 'model:PATH'"):
        DepthObservation(env, "model")
    with pytest.raises(ValueError, match=r"noise=.*: is for source='noisy', not 'oracle'"):
        DepthObservation(env, noise=DepthNoise())
    with pytest.raises(ValueError, match="far_m=-1: must be a positive number"):
        DepthObservation(env, far_m=-1)
    with pytest.raises(ValueError, match=r"the observation 'goal' is Discrete.*: must be depth"):
        DepthObservation(env, truth="goal")


RIG = nuscenes_like().scaled(32, 16)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network for that rig, as it is before any training: its depths differ from pixel to pixel."""
    torch.manual_seed(0)
    K, T_rig_cam = (torch.from_numpy(one) for one in (RIG.K, RIG.T_rig_cam))
    net = SurroundDepth(DepthConfig(channels=(8, 8, 16, 16)), adjacent_cameras(K, T_rig_cam, (16, 32)))
    torch.nn.init.normal_(net.decoder.head.weight, std=1.0)
    path = tmp_path_factory.mktemp("model") / "six.safetensors"
    save(DepthModel(net.eval(), RIG.K, RIG.T_rig_cam, (16, 32)), path)
    return path


def surround(**parts):
    """Pictures of the rig, cameras that may be down, and its true geometry, unless something else is said."""
    K, T_rig_cam = RIG.K.astype(np.float32), RIG.T_rig_cam.astype(np.float32)
    return spaces.Dict(
        {
            "rgb": spaces.Box(0, 255, (6, 16, 32, 3), np.uint8),
            "valid": spaces.MultiBinary(6),
            "K": spaces.Box(K, K),
            "T_rig_cam": spaces.Box(T_rig_cam, T_rig_cam),
        }
        | parts
    )


def test_a_networks_depth_is_an_observation(network):
    env = DepthObservation(SyncVectorEnv([lambda: Drawn(surround())] * 3), f"model:{network}")
    assert env.single_observation_space["depth"] == spaces.Box(0, 80, (6, 16, 32))
    seen, _ = env.reset(seed=4)
    assert seen in env.observation_space
    model, valid = load(network), seen["valid"] == 1
    depth = predict(model.net, seen["rgb"], seen["K"], seen["T_rig_cam"], valid)
    np.testing.assert_array_equal(seen["depth"][valid], depth[valid].clip(0, 80))
    assert (seen["depth"][~valid] == 0).all() and not valid.all()
    assert np.ptp(seen["depth"][valid]) > 1
    single = DepthObservation(Drawn(surround()), f"model:{network}")
    for row in range(3):
        np.testing.assert_allclose(single.reset(seed=4 + row)[0]["depth"], seen["depth"][row], rtol=1e-3, atol=1e-3)


def test_a_network_sees_the_street(network):
    world = gymnasium.make_vec(SURROUND, 4, **SIX)
    env = DepthObservation(world, f"model:{network}", "guess")
    seen, _ = env.reset(seed=0)
    for _ in range(2):
        assert seen in env.observation_space
        valid = seen["valid"] == 1
        depth = predict(load(network).net, seen["rgb"], seen["K"], seen["T_rig_cam"], valid)
        np.testing.assert_array_equal(seen["guess"][valid], depth[valid].clip(0, 80))
        assert (seen["guess"][~valid] == 0).all() and not valid.all()
        seen = env.step(np.zeros(4, int))[0]
    with pytest.raises(ValueError, match="camera 0: K differs from the model's by"):
        DepthObservation(gymnasium.make(SURROUND, **SIX, rig="ddad-like"), f"model:{network}").reset(seed=0)


def test_a_network_for_one_camera_sees_a_world_of_one(tmp_path):
    env = gymnasium.make(OBJECTNAV, **SMALL | {"width": 32})
    camera = env.unwrapped.batch.camera
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    torch.manual_seed(0)
    net = SurroundDepth(DepthConfig(mixing="none"), torch.zeros(1, 1, dtype=torch.bool))
    save(DepthModel(net.eval(), K[None], np.eye(4)[None], (16, 32)), tmp_path / "one.safetensors")
    seen, _ = DepthObservation(env, f"model:{tmp_path}/one.safetensors", "guess", K=K, far_m=15.0).reset(seed=0)
    assert seen["guess"].shape == (16, 32) and seen["guess"].min() > 0 and seen["guess"].max() <= 15
    with pytest.raises(ValueError, match=r"the world observes no 'K', which the model needs: give K="):
        DepthObservation(env, f"model:{tmp_path}/one.safetensors")
    with pytest.raises(ValueError, match=r"camera 0: K differs from the model's by"):
        DepthObservation(env, f"model:{tmp_path}/one.safetensors", K=K * 1.2).reset(seed=0)
    with pytest.raises(ValueError, match=r"K of shape \(2, 3, 3\): must be \(3, 3\)"):
        DepthObservation(env, f"model:{tmp_path}/one.safetensors", K=np.stack([K, K]))


def test_a_network_for_another_rig_is_refused(network):
    said = r"the model is for \(cameras, height, width\) \(6, 16, 32\), 'rgb' has \(1, 16, 24\)"
    with pytest.raises(ValueError, match=said):
        DepthObservation(gymnasium.make(OBJECTNAV, **SMALL), f"model:{network}")
    turned = RIG.T_rig_cam[[1, 0, 2, 3, 4, 5]].astype(np.float32)
    env = DepthObservation(Drawn(surround(T_rig_cam=spaces.Box(turned, turned))), f"model:{network}")
    with pytest.raises(ValueError, match="camera 0: it is from where the model's is"):
        env.reset(seed=0)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        DepthObservation(Drawn(surround()), "model:nowhere.safetensors")
    with pytest.raises(ValueError, match="must be of uint8"):
        DepthObservation(Drawn(surround(rgb=spaces.Box(0, 1, (6, 16, 32, 3)))), f"model:{network}")
    with pytest.raises(ValueError, match=r"noise=.*: is for source='noisy', not 'model:"):
        DepthObservation(Drawn(surround()), f"model:{network}", noise=DepthNoise())
