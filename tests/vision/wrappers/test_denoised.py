"""Filtered observations: what the filters make of them, in the observations' own unit."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from foveal.vision.denoise import AttentionBilateral, Widths, bilateral, save
from foveal.vision.wrappers import DenoisedObservation, DepthNoise, DepthObservation

from .worlds import OBJECTNAV, SMALL, Drawn

SPACE = spaces.Dict(
    {"rgb": spaces.Box(0, 255, (2, 9, 12, 3), np.uint8), "depth": spaces.Box(0, 20, (2, 9, 12), np.float32)}
)


def test_pictures_are_filtered_on_a_scale_to_1():
    seen, _ = DenoisedObservation(Drawn(SPACE), sigma_px=1.2, sigma_values=0.3, radius=2, into="clean").reset(seed=0)
    images = torch.from_numpy(seen["rgb"]).movedim(-1, 1) / 255
    filtered = bilateral(images, Widths(1.2, 1.2, 0.3), 2).movedim(1, -1).numpy() * 255
    assert seen["clean"].dtype == np.uint8 and np.abs(seen["clean"] - filtered).max() < 0.5 + 1e-3


def test_depth_is_filtered_on_the_scale_of_its_space():
    env = DenoisedObservation(Drawn(SPACE), key="depth", sigma_px=2.0, sigma_values=0.1, into="clean")
    seen, _ = env.reset(seed=0)
    filtered = bilateral(torch.from_numpy(seen["depth"])[:, None] / 20, Widths(2.0, 2.0, 0.1), 3)[:, 0].numpy() * 20
    np.testing.assert_allclose(seen["clean"], filtered, atol=1e-4)
    assert seen in env.observation_space


@pytest.mark.parametrize("key", ["rgb", "depth"])
def test_a_network_filters_all_rows_and_cameras(key, tmp_path):
    torch.manual_seed(0)
    net = AttentionBilateral(3 if key == "rgb" else 1, patch=4)
    save(net, tmp_path / "net.safetensors")
    envs, path = SyncVectorEnv([lambda: Drawn(SPACE)] * 2), tmp_path / "net.safetensors"
    seen, _ = DenoisedObservation(envs, "attention", key=key, net=path, into="clean").reset(seed=0)
    other, _ = DenoisedObservation(Drawn(SPACE), "attention", key=key, net=net, into="clean").reset(seed=1)
    np.testing.assert_allclose(other["clean"], seen["clean"][1], atol=1 if key == "rgb" else 1e-3)
    images = torch.from_numpy(seen[key].reshape(-1, 9, 12, 3 if key == "rgb" else 1)).movedim(-1, 1)
    high = 255 if key == "rgb" else 20
    with torch.no_grad():
        filtered = net(images / high).movedim(1, -1).numpy().reshape(seen[key].shape) * high
    np.testing.assert_allclose(seen["clean"], filtered, atol=0.5 + 1e-3 if key == "rgb" else 1e-3)
    assert (seen["clean"] != seen[key]).any()


def test_noise_of_depth_is_less_after_the_filter():
    noisy = DepthObservation(gymnasium.make(OBJECTNAV, **SMALL), "noisy", "noisy", noise=DepthNoise(0.1, scale_sigma=0))
    env = DenoisedObservation(noisy, key="noisy", into="clean", sigma_px=1.5, sigma_values=0.05)
    before, after = [], []
    for seed in range(5):
        seen, _ = env.reset(seed=seed)
        for key, errors in (("noisy", before), ("clean", after)):
            errors.append(np.abs(seen[key] - seen["depth"]).mean())
    assert np.mean(after) < 0.6 * np.mean(before)


def test_what_does_not_fit_is_named():
    env = Drawn(SPACE)
    with pytest.raises(ValueError, match="filter='median': must be one of 'bilateral', 'attention'"):
        DenoisedObservation(env, "median")
    with pytest.raises(ValueError, match="filter='attention', net=None: the filter 'attention' needs a network"):
        DenoisedObservation(env, "attention")
    with pytest.raises(ValueError, match=r"'bilateral' takes none"):
        DenoisedObservation(env, net=AttentionBilateral())
    with pytest.raises(ValueError, match="net is for 3 channels, the observation 'depth' has 1"):
        DenoisedObservation(env, "attention", key="depth", net=AttentionBilateral())
    for name in ("sigma_px", "sigma_values", "radius"):
        with pytest.raises(ValueError, match=f"{name}=0: must be a positive number"):
            DenoisedObservation(env, **{name: 0})
    with pytest.raises(ValueError, match="the observation 'rbg' is none of 'depth', 'rgb'"):
        DenoisedObservation(env, key="rbg")
    with pytest.raises(ValueError, match="must have finite bounds"):
        DenoisedObservation(Drawn(spaces.Dict({"rgb": spaces.Box(0, np.inf, (4, 4, 3))})))
    percept = DenoisedObservation(env, key="depth").percept
    depth = np.zeros((2, 2, 9, 12), np.float32)
    depth[0, 1, 2, 3] = np.inf
    with pytest.raises(ValueError, match="the observation 'depth' of row 0 is not finite"):
        percept.perceive({"depth": depth}, np.zeros((2, 3), np.int64))
