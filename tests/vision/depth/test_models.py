"""Models in files: what comes back predicts the same, for the same rig only, and other files are told in one line."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from foveal.vision.depth import models
from foveal.vision.depth.models import DepthModel, check_rig, load, predict, save
from foveal.vision.depth.network import DepthConfig, SurroundDepth
from foveal.vision.depth.weights import adjacent_cameras

from .rigs import nuscenes

SIZE = (48, 80)
K, T = (x.numpy() for x in nuscenes(*SIZE, square=False))
NAMES = ("front", "front left", "back left", "back", "back right", "front right")


def model(seed=0, **config):
    torch.manual_seed(seed)
    adjacent = adjacent_cameras(torch.from_numpy(K), torch.from_numpy(T), SIZE)
    net = SurroundDepth(DepthConfig(**{"channels": (8, 8, 16, 16)} | config), adjacent).eval()
    torch.nn.init.normal_(net.decoder.head.weight, std=0.3)
    return DepthModel(net, K, T, SIZE, NAMES, "abc1234")


def images(*leading, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (*leading, 6, *SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("mixing", ["none", "cylinder", "learned"])
def test_what_is_loaded_predicts_the_same(tmp_path, mixing):
    path = tmp_path / "depth.safetensors"
    saved = model(mixing=mixing)
    save(saved, path)
    loaded = load(path)
    np.testing.assert_array_equal(predict(loaded.net, images(), K, T), predict(saved.net, images(), K, T))
    assert not loaded.net.training and loaded.net.config == saved.net.config
    assert (loaded.size, loaded.names, loaded.commit) == (SIZE, NAMES, "abc1234")
    np.testing.assert_array_equal(loaded.K, K)
    np.testing.assert_array_equal(loaded.T_rig_cam, T)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["depth.json", "depth.safetensors"]


def test_predictions_of_many_are_those_of_each():
    net, many = model().net, images(2, 3)
    depth = predict(net, many, K, T)
    assert depth.shape == (2, 3, 6, *SIZE) and depth.dtype == np.float32
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(depth[index], predict(net, many[index], K, T), rtol=1e-4)
    each = predict(net, many, np.broadcast_to(K, (2, 3, 6, 3, 3)), np.broadcast_to(T, (2, 3, 6, 4, 4)))
    np.testing.assert_allclose(each, depth, rtol=1e-5)


def test_predictions_know_of_dropped_cameras():
    net = model(positions="range", range_m=30.0, sigma_deg=6.0, cutoff_deg=12.0).net
    torch.nn.init.normal_(net.mixer.value.weight)
    black, valid = images(), np.array([True, True, False, True, True, True])
    black[2] = 0
    told, untold = predict(net, black, K, T, valid), predict(net, black, K, T)
    assert not np.array_equal(told[1], untold[1]) and np.array_equal(told[5], untold[5])


@pytest.mark.parametrize(
    ("rgb", "K_given", "T_given", "message"),
    [
        (np.full((6, *SIZE, 3), np.nan, np.float32), K, T, "of float32: must be .*, uint8"),
        (images()[:5], K, T, r"rgb \(5, 48, 80, 3\) .*: must be \(\.\.\., 6, H, W, 3\)"),
        (images(), np.where(K == 1, np.nan, K), T, "K: must be finite"),
        (images(), K, T + np.inf, "T_rig_cam: must be finite"),
        (images(), K[:3], T, r"K \(3, 3, 3\): must be \(6, 3, 3\)"),
        (images()[:, :40], K, T, "images of 40 x 80: height and width must be multiples of 16"),
    ],
)
def test_predictions_of_what_does_not_fit_are_refused(rgb, K_given, T_given, message):
    with pytest.raises(ValueError, match=message):
        predict(model().net, rgb, K_given, T_given)


def moved(camera, metres=0.0, degrees=0.0):
    pose = T.copy()
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pose[camera, :3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ pose[camera, :3, :3]
    pose[camera, 1, 3] += metres
    return pose


def scaled(camera, focal=1.0, shift=0.0):
    given = K.copy()
    given[camera, [0, 1], [0, 1]] *= focal
    given[camera, 0, 2] += shift * K[camera, 0, 0]
    return given


def test_errors_of_calibration_are_no_other_rig():
    check_rig(model(), scaled(2, 1.04, 0.04), moved(4, 0.29, 4.9), SIZE)


@pytest.mark.parametrize(
    ("K_given", "T_given", "size", "message"),
    [
        (K[:4], T[:4], SIZE, "rig of 4 cameras: the model is for 6"),
        (K, T, (96, 160), "images of 96 x 160: the model is for 48 x 80"),
        (
            scaled(2, 1.06),
            T,
            SIZE,
            "camera back left: K differs from the model's by 6 % of the focal length, at most 5",
        ),
        (scaled(0, shift=0.07), T, SIZE, "camera front: K differs from the model's by 7 %"),
        (K, moved(3, 0.4), SIZE, "camera back: it is from where the model's is 0.4 m, at most 0.3"),
        (K, moved(5, degrees=6), SIZE, "camera front right: it is turned from the model's by 6 degrees, at most 5"),
        (K, np.where(T == 1, np.nan, T), SIZE, r"T_rig_cam \(6, 4, 4\): must be \(6, 4, 4\), finite"),
    ],
)
def test_another_rig_is_refused_in_one_line(K_given, T_given, size, message):
    with pytest.raises(ValueError, match=message) as error:
        check_rig(model(), K_given, T_given, size)
    assert "\n" not in str(error.value)


def changed(path, **fields):
    record = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in (record | fields).items() if v is not ...}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "other"}, "format must be"),
        ({"K": ...}, "K: is missing"),
        ({"K": []}, "K"),
        ({"K": 3}, "K"),
        ({"K": [[[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]]] * 6}, "K"),
        ({"size": [50, 80]}, r"size=\(50, 80\): must be multiples of 16"),
        ({"size": "48"}, "size"),
        ({"names": ["front"]}, "names=.*: must be none, or 6 texts"),
        ({"config": {"mixing": "sphere"}}, "mixing='sphere'"),
        (
            {"config": {"channels": [16, 8, 16, 16]}},
            r"weights .*: \(8, 5, 3, 3\), by the configuration must be \(16, 5",
        ),
        ({"weights_sha256": "0"}, "its hash differs"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, fields, message):
    path = tmp_path / "depth.safetensors"
    save(model(), path)
    changed(path.with_suffix(".json"), **fields)
    with pytest.raises(ValueError, match=message) as error:
        load(path)
    assert "\n" not in str(error.value) and "depth." in str(error.value)


def test_torn_and_foreign_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "depth.safetensors"
    save(model(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="its hash differs"):
        load(path)
    save(model(seed=1), tmp_path / "other.safetensors")
    path.write_bytes((tmp_path / "other.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"not the one that depth\.json belongs to"):
        load(path)
    path.write_bytes(whole)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        load(path)
    monkeypatch.setitem(models.MOST_BYTES, ".json", 0)
    with pytest.raises(ValueError, match="more than 0 bytes"):
        load(path)
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        load(tmp_path / "depth.pt")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.safetensors")


def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path):
    path, broken = tmp_path / "depth.safetensors", model()
    save(broken, path)
    with torch.no_grad():
        broken.net.decoder.head.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"weights decoder\.head\.bias: must be finite"):
        save(broken, path)
    load(path)
    data = safetensors.torch.save(broken.net.state_dict())
    path.write_bytes(data)
    changed(path.with_suffix(".json"), weights_sha256=models.hashlib.sha256(data).hexdigest())
    with pytest.raises(ValueError, match="must be finite"):
        load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "depth.safetensors"
    save(model(), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foveal.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(model(seed=1), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    load(path)
