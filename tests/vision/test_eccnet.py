"""eccNET: its parts in closed form, and what its pooling does to what is seen far out."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from foveal.vision.backbones import SMALL, VGG16, Blocks, vgg16
from foveal.vision.eccnet import EccNet, correlated

TINY = ((4,), (4,), (6,), (6,), (8,))


def net(pooling="eccentric", seed=0, **options):
    torch.manual_seed(seed)
    return EccNet(Blocks(TINY, pooling=pooling).eval(), **options)


def test_correlation_is_each_pictures_own():
    torch.manual_seed(0)
    features, kernels = torch.rand(2, 3, 6, 7), torch.rand(2, 3, 2, 3)
    found = correlated(features, kernels)
    assert found.shape == (2, 6, 7)
    for k in range(2):
        for v, u in ((0, 1), (3, 4), (4, 5)):
            window = features[k, :, v : v + 2, u - 1 : u + 2]
            torch.testing.assert_close(found[k, v, u], (window * kernels[k]).sum())
    torch.testing.assert_close(found[0, 5, 0], (features[0, :, 5, :2] * kernels[0, :, 0, 1:]).sum())


def test_maps_are_a_sixteenth_and_a_thirty_second():
    blocks = Blocks(TINY)
    assert [tuple(one.shape) for one in blocks.maps(torch.rand(1, 1, 96, 64), 3)] == [
        (1, 6, 6, 4),
        (1, 6, 6, 4),
        (1, 8, 6, 4),
    ]
    assert [one.shape[-2:] for one in blocks.maps(torch.rand(1, 1, 96, 64), 3, coarser=True)] == [(3, 2)] * 3
    assert [one.shape[-2:] for one in blocks.maps(torch.rand(1, 1, 31, 31), 1, coarser=True)] == [(1, 1)]


@pytest.mark.parametrize("last", [1, 3])
def test_a_shifted_picture_is_found_as_much_shifted_without_eccentricity(last):
    target = torch.rand(1, 1, 32, 32)
    network = net("average", last=last)
    found = []
    for x in (192, 288):
        view = torch.full((1, 1, 256, 512), 0.5)
        view[:, :, 112:144, x : x + 32] = target
        found.append(network(view, target)[0])
    torch.testing.assert_close(found[0][4:12, 8:20], found[1][4:12, 14:26], rtol=1e-3, atol=1e-3)


def test_far_out_one_bar_looks_more_like_another_with_eccentric_pooling():
    """Features of gratings that differ in phase: further apart near the fixation than far from it."""
    torch.manual_seed(1)
    blocks = {pooling: Blocks(TINY, pooling=pooling).eval() for pooling in ("average", "eccentric")}
    stripes = (torch.arange(1280) // 8 % 2).float()
    for pooling, network in blocks.items():
        with torch.no_grad():
            one, other = (network(torch.roll(stripes, shift).expand(1, 1, 96, 1280))[4][0] for shift in (0, 4))
        apart = (one - other).norm(dim=0).mean(0)
        near, far = apart[38:42].mean(), apart[4:10].mean()
        assert (far < 0.5 * near) if pooling == "eccentric" else torch.isclose(far, near, rtol=0.2)


def test_sharpening_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    view, target = torch.rand(1, 1, 128, 128), torch.rand(1, 1, 32, 32)
    plain = net(passes=0)(view, target)[0].numpy()
    assert plain.min() >= 0 and plain.max() <= 1 + 1e-6
    for narrow, wide in (((3, 1.0), (5, 3.0)), ((3, 0.0), (5, 1.0))):
        theirs = plain
        for _ in range(3):
            blurred = [cv2.GaussianBlur(theirs, (side, side), sigma) for side, sigma in (narrow, wide)]
            theirs = theirs + blurred[0] - blurred[1]
        ours = net(sharpening=(narrow, wide))(view, target)[0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_pictures_of_a_batch_do_not_matter_to_each_other():
    views, targets = torch.rand(3, 1, 96, 96), torch.rand(3, 1, 32, 32)
    network = net()
    together = network(views, targets)
    for k in range(3):
        torch.testing.assert_close(network(views[k : k + 1], targets[k : k + 1])[0], together[k])


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_vgg16_takes_the_weights_of_a_file(tmp_path, kind):
    torch.manual_seed(0)
    source = Blocks(VGG16, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
    places = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    names = [f"features.{place}.{part}" for place in places for part in ("weight", "bias")]
    weights = dict(zip(names, source.state_dict().values(), strict=True)) | {"classifier.0.weight": torch.zeros(2)}
    path = tmp_path / f"vgg16.{kind}"
    save_file(weights, path) if kind == "safetensors" else torch.save(weights, path)
    loaded = vgg16(path)
    image = torch.rand(1, 3, 32, 32)
    source.mean, source.std = loaded.mean, loaded.std
    with torch.no_grad():
        torch.testing.assert_close(loaded(image)[-1], source(image)[-1])
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors: not the 13 convolutions"):
        vgg16(tmp_path / "other.safetensors")


def test_weights_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    for name in ("broken.pth", "missing.pth"):
        with pytest.raises(ValueError, match=name):
            vgg16(tmp_path / name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Blocks(SMALL[:4]), "five blocks"),
        (lambda: Blocks(TINY, channels=3), "of 3 channels"),
        (lambda: Blocks(TINY, pooling="mean"), "pooling='mean'"),
        (lambda: Blocks(TINY)(torch.rand(1, 3, 32, 32)), "must be .B, 1, H, W."),
        (lambda: EccNet(Blocks(TINY), last=0), "last=0"),
        (lambda: EccNet(Blocks(TINY), sharpening=((2, 1.0), (5, 1.0))), "odd sides"),
        (lambda: net()(torch.rand(2, 1, 32, 32), torch.rand(1, 1, 32, 32)), "2 views, but 1 targets"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
