"""The surround depth network: shapes, passes, positions, dropped cameras, and that it can learn."""

import itertools
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.vision.depth.cylinder import CylinderAttention
from foveal.vision.depth.network import FIRST_M, DepthConfig, Depths, SurroundDepth, camera_rays
from foveal.vision.depth.weights import adjacent_cameras

from .rigs import nuscenes, walled

SMALL = {"channels": (8, 8, 16, 16)}
WIDE = {"positions": "range", "range_m": 30.0, "sigma_deg": 6.0, "cutoff_deg": 12.0}
"""With tokens as coarse as in these images, all adjacent cameras mix."""


def rig(height=48, width=80):
    K, T = (x.float() for x in nuscenes(height, width, square=False))
    return K, T, adjacent_cameras(K, T, (height, width))


def network(height=48, width=80, seed=0, **config):
    K, T, adjacent = rig(height, width)
    torch.manual_seed(seed)
    net = SurroundDepth(DepthConfig(**SMALL | config), adjacent)
    if net.mixer is not None:  # otherwise what is mixed is hardly seen
        torch.nn.init.normal_(net.mixer.value.weight)
    torch.nn.init.normal_(net.decoder.head.weight, std=0.3)
    return net, K, T


def images(batch=1, height=48, width=80, seed=1):
    return torch.rand(batch, 6, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mixing", ["none", "cylinder", "identity", "uniform", "permuted", "learned"])
@pytest.mark.parametrize("stride", [4, 8, 16])
def test_depths_have_the_images_size_and_range(mixing, stride):
    net, K, T = network(mixing=mixing, stride=stride)
    depths = net(images(2), K, T)
    scale = (K[:, 0, 0] / net.config.fx_ref)[:, None, None]
    assert depths.depth.shape == depths.disparity.shape == (2, 6, 48, 80)
    assert depths.depth.dtype == torch.float32
    assert (depths.depth >= 1.0 * scale - 1e-5).all() and (depths.depth <= 80.0 * scale + 1e-3).all()
    torch.testing.assert_close(depths.depth * depths.disparity, scale.expand(2, 6, 48, 80))
    assert (depths.first is not None) == (mixing in ("cylinder", "permuted"))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2))
def test_any_rig_and_any_size_that_strides_divide(cameras, rows, columns, batch):
    K, T, _ = rig(16 * rows, 16 * columns)
    adjacent = torch.ones(cameras, cameras, dtype=torch.bool)
    net = SurroundDepth(DepthConfig(**SMALL), adjacent)
    rgb = torch.rand(batch, cameras, 3, 16 * rows, 16 * columns)
    assert net(rgb, K[:cameras], T[:cameras]).depth.shape == (batch, cameras, 16 * rows, 16 * columns)


def test_an_untrained_network_sees_about_the_depth_it_is_made_to_start_with():
    K, T, adjacent = rig()
    net = SurroundDepth(DepthConfig(fx_ref=float(K[0, 0, 0])), adjacent)
    assert net(images(), K, T).depth[:, 0].mean().item() == pytest.approx(FIRST_M, rel=0.3)


def test_identity_has_the_parameters_of_the_cylinder_and_none_has_no_block():
    shapes = {
        mixing: [(name, p.shape) for name, p in network(mixing=mixing)[0].named_parameters()]
        for mixing in ("cylinder", "identity", "uniform", "permuted", "none")
    }
    assert shapes["cylinder"] == shapes["identity"] == shapes["uniform"] == shapes["permuted"]
    assert shapes["none"] == [s for s in shapes["cylinder"] if not s[0].startswith("mixer.")]


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        ({"mixing": "none"}, 1),
        ({"mixing": "identity"}, 1),
        ({"mixing": "cylinder"}, 2),
        ({"mixing": "cylinder", "positions": "range"}, 1),
        ({"mixing": "cylinder", "positions": "true"}, 1),
        ({"mixing": "learned"}, 1),
    ],
)
def test_the_encoder_runs_once_and_the_decoder_twice_where_positions_are_predicted(config, calls):
    net, K, T = network(**config)
    counted = {"encoder": 0, "decoder": 0}
    for name in counted:

        def count(*_, name=name):
            counted[name] += 1

        getattr(net, name).register_forward_hook(count)
    net(images(), K, T, depth=torch.full((1, 6, 48, 80), 9.0))
    assert counted == {"encoder": 1, "decoder": calls}


def test_the_first_pass_is_the_network_with_identity():
    net, K, T = network(mixing="cylinder")
    alone = SurroundDepth(DepthConfig(**SMALL, mixing="identity"), net.mixer.adjacent)
    alone.load_state_dict(net.state_dict())
    torch.testing.assert_close(net(images(), K, T).first, alone(images(), K, T).depth)


def test_gradients_of_the_last_depth_reach_the_first_by_the_positions():
    net, K, T = network(mixing="cylinder")
    depths = net(images(), K, T)
    depths.first.retain_grad()
    depths.depth.sum().backward()
    assert depths.first.grad.abs().sum() > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_true_positions_are_where_the_truth_is_and_the_sky_is_far():
    net, K, T = network(mixing="cylinder", positions="true")
    truth = walled(*nuscenes(48, 80, square=False), 48, 80, 15.0).float()[None]
    truth[:, :, :8] = torch.inf
    depths = net(images(), K, T, depth=truth)
    assert torch.isfinite(depths.depth).all()
    predicted = SurroundDepth(
        DepthConfig(**SMALL, mixing="cylinder", positions="range", range_m=15.0), net.mixer.adjacent
    )
    predicted.load_state_dict(net.state_dict())
    assert not torch.equal(depths.depth, predicted(images(), K, T).depth)
    with pytest.raises(ValueError, match="depth None: positions='true' needs"):
        net(images(), K, T)


def jacobian(net, K, T, of, by, **also):
    """How much the depth of a camera changes with the image of another."""
    rgb = images().requires_grad_()
    net(rgb, K, T, **also).depth[:, of].sum().backward()
    return rgb.grad[:, by].abs().sum().item()


@pytest.mark.parametrize("mixing", ["none", "identity", "cylinder", "uniform", "learned"])
def test_cameras_are_told_of_adjacent_ones_only_where_they_are_mixed(mixing):
    net, K, T = network(mixing=mixing, **WIDE if mixing == "cylinder" else {})
    for of, by in itertools.permutations(range(6), 2):
        mixed = mixing in ("cylinder", "uniform", "learned") and bool(net.mixer.adjacent[of, by])
        assert (jacobian(net, K, T, of, by) > 0) == mixed, (of, by)


@pytest.mark.parametrize("mixing", ["cylinder", "permuted", "uniform", "learned"])
def test_a_dropped_camera_neither_gives_nor_takes(mixing):
    net, K, T = network(mixing=mixing, **WIDE if mixing in ("cylinder", "permuted") else {})
    valid = torch.tensor([[True, True, True, False, True, True]])
    everyone = [n for n in range(6) if n != 3]
    assert any(jacobian(net, K, T, 3, n) > 0 for n in everyone)
    for n in everyone:
        assert jacobian(net, K, T, 3, n, valid=valid) == 0
        assert jacobian(net, K, T, n, 3, valid=valid) == 0
    assert any(jacobian(net, K, T, a, b, valid=valid) > 0 for a, b in itertools.permutations(everyone, 2))


def test_the_world_mirrored_is_seen_as_the_world():
    net, K, T = network(mixing="identity")
    rgb, all_mirrored = images(), torch.ones(1, 6, dtype=torch.bool)
    K[:, 0, 2] = 39.5  # then a mirrored image is one of the same camera
    plain = net(rgb.flip(-1), K, T).depth
    torch.testing.assert_close(net(rgb, K, T, mirrored=all_mirrored).depth, plain.flip(-1))


def test_mirroring_keeps_which_tokens_are_mixed():
    net, K, T = network(mixing="cylinder", **WIDE)
    some = torch.tensor([[True, False, True, False, False, True]])
    for of, by in ((0, 1), (1, 0), (0, 5)):
        assert jacobian(net, K, T, of, by, mirrored=some) > 0
    # what camera 1 is told of camera 0 lies at the edge that both see, mirrored or not
    for mirrored in (torch.zeros_like(some), some, ~some):
        rgb = images().requires_grad_()
        net(rgb, K, T, mirrored=mirrored).depth[:, 1].sum().backward()
        left, right = rgb.grad[0, 0].abs().sum((0, 1)).tensor_split(2)
        assert left.sum() > 4 * right.sum()


def test_rays_are_those_of_the_pixels():
    K, _, _ = rig()
    rays = camera_rays(K, (48, 80))
    assert rays.shape == (6, 2, 48, 80)
    pixel = K[2] @ torch.cat([rays[2, :, 7, 31], torch.ones(1)])
    torch.testing.assert_close(pixel, torch.tensor([31.0, 7.0, 1.0]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_a_decoder_that_fell_silent_learns_again_only_if_its_last_activation_leaks(leak):
    net, K, T = network(mixing="none", leak=leak)
    with torch.no_grad():
        net.decoder.lateral[-1].bias.fill_(-50)  # all features below 0
    depth = net(images(), K, T).depth
    depth.sum().backward()
    assert (depth.std((2, 3)) > 1e-5).all() == (leak > 0)
    assert (net.encoder.stem.weight.grad.abs().sum() > 0) == (leak > 0)


def test_depth_can_be_learnt_from_truth():
    K, T, adjacent = rig()
    torch.manual_seed(0)
    net = SurroundDepth(DepthConfig(channels=(8, 16, 16, 16), fx_ref=60.0), adjacent)
    truth = walled(*nuscenes(48, 80, square=False), 48, 80, 20.0).float()[None]
    rgb = (5 / truth).clamp(0, 1)[:, :, None].expand(-1, -1, 3, -1, -1)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    errors = []
    for _ in range(60):
        loss = (net(rgb, K, T).depth.log() - truth.log()).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        errors.append(loss.item())
    assert errors[-1] < 0.12 < 0.3 < errors[0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mixing": "sphere"}, "mixing='sphere': must be one of none, cylinder"),
        ({"positions": "guessed"}, "positions='guessed': must be one of predicted, range, true"),
        ({"range_m": 0.0}, "range_m=0.0: must be a positive number"),
        ({"sigma_deg": float("nan")}, "sigma_deg=nan: must be a positive number"),
        ({"fx_ref": "126"}, "fx_ref='126': must be a positive number"),
        ({"farthest_m": 0.5}, r"farthest_m=0.5: must be greater than nearest_m=1.0"),
        ({"channels": (8, 8, 8)}, r"channels=\(8, 8, 8\): must be four multiples of 8"),
        ({"stride": 32}, "stride=32: must be 4, 8 or 16"),
        ({"leak": 1.0}, r"leak=1.0: must be in \[0, 1\)"),
        ({"heads": 3}, "heads=3: must divide 64"),
        ({"ray_codes": True}, "ray_codes=True: only learned mixing has them"),
    ],
)
def test_configurations_that_cannot_be_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        DepthConfig(**config)


def test_a_configuration_goes_through_json():
    config = DepthConfig(mixing="learned", ray_codes=True, channels=(8, 16, 24, 32), stride=16)
    assert DepthConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ValueError, match="sigma: is no field"):
        DepthConfig.from_json({"sigma": 3})
    for bad in (None, [1], {"channels": 7}):
        with pytest.raises(ValueError, match="must be"):
            DepthConfig.from_json(bad)


def test_what_does_not_fit_is_refused():
    net, K, T = network()
    rgb = images()
    for changed, message in (
        ({"rgb": rgb[:, :5]}, r"rgb \(1, 5, 3, 48, 80\) .*: must be \(B, 6, 3, H, W\)"),
        ({"rgb": (255 * rgb).byte()}, "of torch.uint8"),
        ({"rgb": images(height=40)}, "images of 40 x 80: height and width must be multiples of 16"),
        ({"K": K[:5]}, r"K \(5, 3, 3\): must be \(6, 3, 3\)"),
        ({"T_rig_cam": T[0]}, r"T_rig_cam \(4, 4\): must be \(6, 4, 4\)"),
        ({"valid": torch.ones(6, dtype=torch.bool)}, r"valid \(6,\) .*: must be \(1, 6\) bool"),
    ):
        with pytest.raises(ValueError, match=message):
            net(**{"rgb": rgb, "K": K, "T_rig_cam": T} | changed)


def test_what_comes_out_is_named():
    net, K, T = network(mixing="none")
    depths = net(images(), K, T)
    assert isinstance(depths, Depths) and depths.first is None and net.mixer is None
    assert isinstance(network()[0].mixer, CylinderAttention)
