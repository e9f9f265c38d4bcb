"""The block of attention: what it computes, whom each kind of weights lets see whom, and its parameters."""

import pytest
import torch

from foveal.vision.depth.cylinder import CylinderAttention, ego_rays, estranging
from foveal.vision.depth.geometry import at_stride, backproject, rig_points
from foveal.vision.depth.weights import cylinder_weights

from .rigs import nuscenes, walled

KINDS = ("cylinder", "identity", "uniform", "permuted", "learned")
ONE_DROPPED = torch.tensor([[True, True, True, False, True, True]])
RING = torch.tensor([[abs(a - b) in (1, 5) for a in range(6)] for b in range(6)])
K, T = nuscenes(96, 160, True)
_, K = at_stride(torch.ones(6, 96, 160, dtype=torch.float64), K, 8)
POINTS = rig_points(walled(K, T, 12, 20, 10), K, T)[None].float()


def block(kind, channels=8, **more):
    torch.manual_seed(0)
    return CylinderAttention(channels, RING, weights=kind, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_finite_gradients(kind):
    attention = block(kind)
    points = POINTS.expand(2, -1, -1, -1, -1).clone().requires_grad_()
    features = torch.randn(2, 6, 8, 12, 20, requires_grad=True)
    mixed = attention(features, attention.weigh(points))
    assert mixed.shape == features.shape
    mixed.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in attention.parameters())
    assert torch.isfinite(features.grad).all()
    if kind in ("cylinder", "permuted"):
        assert torch.isfinite(points.grad).all() and points.grad.any()


def test_parameters_of_all_but_the_learned_are_alike():
    sizes = {kind: {n: p.shape for n, p in block(kind).named_parameters()} for kind in KINDS}
    assert sizes["cylinder"] == sizes["identity"] == sizes["uniform"] == sizes["permuted"]
    more = set(sizes["learned"]) - set(sizes["cylinder"])
    assert more == {f"learned.{name}.{part}" for name in ("query", "key") for part in ("weight", "bias")}


def test_the_block_is_the_formula():
    attention = block("cylinder").double()
    features = torch.randn(1, 6, 8, 12, 20, dtype=torch.float64)
    weights = attention.weigh(POINTS.double())
    dense = torch.zeros(1440, 1440, dtype=torch.float64)
    dense[weights.rows, weights.columns] = weights.values
    x = features.permute(0, 1, 3, 4, 2).reshape(1440, 8)
    x = x + dense @ attention.value(attention.norm_value(x))
    x = x + attention.mlp(attention.norm_mlp(x))
    expected = x.reshape(1, 6, 12, 20, 8).permute(0, 1, 4, 2, 3)
    torch.testing.assert_close(attention(features, weights), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_seen_by_whom(kind):
    order = estranging(RING) if kind == "permuted" else torch.arange(6)
    related = torch.zeros(6, 6, dtype=torch.bool) if kind == "identity" else RING[order][:, order]
    attention = block(kind)
    weights = attention.weigh(POINTS)
    features = torch.randn(1, 6, 8, 12, 20)
    before = attention(features, weights)
    for b in range(6):
        changed = features.clone()
        changed[:, b] = torch.randn(8, 12, 20)
        differs = (attention(changed, weights) != before).flatten(3).any(-1).any(-1)[0]
        assert differs.tolist() == (related[:, b] | (torch.arange(6) == b)).tolist()


def test_uniform_weights_are_the_mean_over_three_cameras_or_those_of_them_that_work():
    attention = block("uniform")
    tokens = torch.randn(1, 6, 240, 8)
    values = attention.value(tokens)
    for valid, near in ((None, [1, 2, 3]), (ONE_DROPPED, [1, 2])):
        mixed = attention._mixed(tokens, None, None, valid)
        torch.testing.assert_close(mixed[0, 2, 7], values[0, near].mean((0, 1)))


def test_a_permutation_makes_no_neighbours_of_neighbours_where_it_can():
    order = estranging(RING)
    assert sorted(order.tolist()) == list(range(6)) and not (RING[order][:, order] & RING).any()
    pair = torch.tensor([[False, True], [True, False]])
    assert estranging(pair).tolist() == [1, 0]
    three = estranging(~torch.eye(3, dtype=torch.bool)).tolist()
    assert three in ([0, 2, 1], [2, 1, 0], [1, 0, 2])
    with pytest.raises(ValueError, match="9 cameras"):
        estranging(torch.zeros(9, 9, dtype=torch.bool))


def test_fixed_weights_can_be_made_once():
    attention = block("cylinder")
    weights = attention.weigh(POINTS)
    torch.testing.assert_close(weights.values, cylinder_weights(POINTS, RING).values)
    features = torch.randn(1, 6, 8, 12, 20)
    torch.testing.assert_close(attention(features, weights), attention(features, attention.weigh(POINTS)))


def test_rays_go_through_the_cameras_and_the_points_they_see():
    rays = ego_rays(K, T, (12, 20))
    direction, moment = rays.split(3, -1)
    points = rig_points(torch.full((6, 12, 20), 7.0, dtype=torch.float64), K, T)
    torch.testing.assert_close(torch.linalg.cross(points, direction), moment)
    ahead = backproject(torch.ones(12, 20, dtype=torch.float64), K[0])
    torch.testing.assert_close(direction[0, 0, 0] @ T[0, :3, 2], 1 / ahead[0, 0].norm())


def test_learned_weights_use_rays_if_told_to():
    attention = block("learned", ray_codes=True)
    features, rays = torch.randn(1, 6, 8, 12, 20), ego_rays(K, T, (12, 20))[None].float()
    assert not torch.equal(attention(features, rays=rays), attention(features, rays=-rays))
    with pytest.raises(ValueError, match="rays None"):
        attention(features)
    with pytest.raises(ValueError, match="rays"):
        attention(features, rays=rays[:, :5])


def test_learned_attention_is_softmax_over_three_cameras_or_those_of_them_that_work():
    attention = block("learned", heads=1)
    tokens = torch.randn(1, 6, 4, 8)
    for valid, near in ((None, [1, 2, 3]), (ONE_DROPPED, [1, 2])):
        mixed = attention._mixed(tokens, None, None, valid)
        seen = tokens[0, near].flatten(0, 1)
        scores = attention.learned.query(tokens[0, 2]) @ attention.learned.key(seen).T / 8**0.5
        torch.testing.assert_close(mixed[0, 2], scores.softmax(-1) @ attention.value(seen))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="weights='random'"):
        block("random")
    with pytest.raises(ValueError, match="ray_codes"):
        block("cylinder", ray_codes=True)
    with pytest.raises(ValueError, match="heads=3"):
        block("learned", heads=3)
    with pytest.raises(ValueError, match="needs what `weigh` gives"):
        block("cylinder")(torch.ones(1, 6, 8, 12, 20))
    with pytest.raises(ValueError, match=r"must be \(B, 6, 8, h, w\)"):
        block("identity")(torch.ones(1, 5, 8, 12, 20))
