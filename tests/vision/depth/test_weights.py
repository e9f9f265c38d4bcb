"""Weights on the cylinder: those of the formula written out densely, without its memory, and the paper's reach."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from foveal.vision.depth.geometry import at_stride, rig_points
from foveal.vision.depth.weights import Reach, adjacent_cameras, cylinder_weights, token_pitch_deg

from .rigs import intrinsics, nuscenes, upright, walled

RING = torch.tensor([[abs(a - b) in (1, 5) for a in range(6)] for b in range(6)])
PAIR = torch.tensor([[False, True], [True, False]])


def dense(points, adjacent, reach, valid, centre=(0, 0, 1.5)):
    """W (B, N h w, N h w) by the formula, and the greatest distance of any m to the cut-off by row."""
    batch, cameras, *_ = points.shape
    flat = points.double().reshape(batch, -1, 3) - torch.tensor(centre).double()
    angle = torch.atan2(flat[..., 1], flat[..., 0])
    height = flat[..., 2] / flat[..., :2].norm(dim=-1)
    turn = (angle[:, :, None] - angle[:, None] + math.pi) % (2 * math.pi) - math.pi
    m = (turn**2 + (height[:, :, None] - height[:, None]) ** 2).sqrt() / math.radians(reach.sigma_deg)
    tau = reach.cutoff_deg / reach.sigma_deg
    camera = torch.arange(cameras).repeat_interleave(flat.shape[1] // cameras)
    itself = torch.eye(flat.shape[1], dtype=torch.bool)
    allowed = (adjacent | torch.eye(cameras, dtype=torch.bool))[camera][:, camera]
    known = valid.reshape(batch, -1)
    allowed = allowed & known[:, :, None] & known[:, None] | itself
    w = torch.where(allowed & ((m <= tau) | itself), torch.exp(-(m**2) / 2), 0)
    w = torch.where(itself, 1, w)
    return w / w.sum(-1, keepdim=True), (torch.where(allowed, m, 0) - tau).abs().amin(-1)


def written_out(weights, batch):
    """The sparse weights (B, T, T), densely."""
    tokens = len(weights.offsets) - 1
    w = torch.zeros(tokens, tokens, dtype=weights.values.dtype)
    w[weights.rows, weights.columns] = weights.values
    blocks = w.reshape(batch, tokens // batch, batch, tokens // batch)
    assert all(not blocks[a, :, b].any() for a in range(batch) for b in range(batch) if a != b)
    return torch.stack([blocks[b, :, b] for b in range(batch)])


def random_rig(seed, cameras):
    """Points (2, N, 3, 4, 3) that random cameras see, which cameras are adjacent, and which points are valid."""
    g = torch.Generator().manual_seed(seed)
    uniform = lambda *shape: torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    T = torch.stack([upright(*(2 * uniform(3) - 1).tolist(), float(360 * uniform(1))) for _ in range(cameras)])
    K = torch.stack([intrinsics(*(1 + 5 * uniform(2)).tolist(), 3, 4) for _ in range(cameras)])
    points = rig_points(0.2 + 30 * uniform(2, cameras, 3, 4), K, T)
    adjacent = torch.triu(uniform(cameras, cameras) < 0.6, 1)
    return points, adjacent | adjacent.mT, uniform(2, cameras, 3, 4) < 0.9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0.1, 90), st.floats(0.3, 4), st.booleans())
def test_weights_are_those_of_the_formula(seed, cameras, sigma_deg, tau, single):
    points, adjacent, valid = random_rig(seed, cameras)
    points = points.float() if single else points
    reach = Reach(sigma_deg, tau * sigma_deg)
    expected, margin = dense(points, adjacent, reach, valid)
    w = written_out(cylinder_weights(points, adjacent, reach, valid=valid), 2).double()
    sure = margin > (1e-3 if single else 1e-9)  # not so near the cut-off that rounding decides
    assume(sure.any())
    assert (w - expected)[sure].abs().max() < 1e-5
    torch.testing.assert_close(w.sum(-1), torch.ones_like(w[..., 0]), rtol=0, atol=1e-5)
    assert ((w > 0) == (w.mT > 0)).all()


def test_a_wall_is_seen_across_the_seam_of_the_angle():
    points = torch.tensor([[-5.0, 0.01, 1.5], [-5.0, -0.01, 1.5]]).reshape(1, 2, 1, 1, 3)
    torch.testing.assert_close(cylinder_weights(points, PAIR).values, torch.full((4,), 0.5), atol=1e-3, rtol=0)
    assert len(cylinder_weights(points, torch.zeros(2, 2, dtype=torch.bool)).values) == 2


def test_the_cut_off_and_the_weight_just_before_it():
    reach = Reach(sigma_deg=2.0, cutoff_deg=3.0)
    for apart, weight in ((2.999, math.exp(-(1.4995**2) / 2)), (3.001, 0.0)):
        turn = math.radians(apart)
        points = torch.tensor([[5.0, 0, 1.5], [5 * math.cos(turn), 5 * math.sin(turn), 1.5]], dtype=torch.float64)
        w = written_out(cylinder_weights(points.reshape(1, 2, 1, 1, 3), PAIR, reach), 1)[0]
        torch.testing.assert_close(w[0], torch.tensor([1.0, weight]).double() / (1 + weight))


def reached(height, width, stride, square, wall_m):
    """Neighbours a token, share of tokens with one of another camera, and mean weight of those."""
    K, T = nuscenes(height, width, square)
    adjacent = adjacent_cameras(K, T, (height, width))
    assert (adjacent == RING).all()
    _, K = at_stride(torch.ones(6, height, width, dtype=torch.float64), K, stride)
    rows, columns = height // stride, width // stride
    w = cylinder_weights(rig_points(walled(K, T, rows, columns, wall_m), K, T)[None], adjacent)
    across = w.rows // (rows * columns) != w.columns // (rows * columns)
    crossing = torch.zeros(6 * rows * columns).index_add(0, w.rows, across.float()) > 0
    return len(w.values) / len(crossing), crossing.float().mean(), w.values[across].sum() / len(crossing)


@pytest.mark.parametrize(("wall_m", "expected"), [(10, (3.4, 0.22, 0.094)), (30, (2.9, 0.286, 0.130))])
def test_reach_is_as_measured_for_the_paper(wall_m, expected):
    neighbours, crossing, weight = reached(352, 640, 32, False, wall_m)
    assert neighbours == pytest.approx(expected[0], abs=0.1)
    assert crossing == pytest.approx(expected[1], abs=0.01) and weight == pytest.approx(expected[2], abs=0.01)


@pytest.mark.parametrize("wall_m", [15, 20, 30, 50])
def test_reach_of_small_pictures_is_the_papers(wall_m):
    neighbours, crossing, weight = reached(96, 160, 8, True, wall_m)
    assert 2.9 <= neighbours <= 3.4 and 0.22 <= crossing <= 0.29 and 0.09 <= weight <= 0.13


def test_pitches():
    K = nuscenes(96, 160, True)[0]
    assert token_pitch_deg(K[0], 160, 8) == pytest.approx(64.6 / 20, abs=0.01)
    assert token_pitch_deg(nuscenes(48, 80, True)[0][0], 80, 32) == pytest.approx(26, abs=0.2)
    sigma, cutoff = Reach().in_pitches(3.25)
    assert (sigma, cutoff) == pytest.approx((0.788, 0.946), abs=1e-3)
    assert Reach.of_pitches(sigma, cutoff, 3.25) == Reach()
    assert (Reach().sigma_deg, Reach().cutoff_deg) == pytest.approx((2.56, 3.07), abs=0.005)


def test_cameras_are_adjacent_where_they_overlap_or_nearly_do():
    K = intrinsics(50, 50, 80, 100).expand(4, 3, 3)  # 90 deg wide
    T = torch.stack([upright(0, 0, 1, yaw) for yaw in (0, 80, 179, -95)])
    assert adjacent_cameras(K, T, (80, 100), 0.0).nonzero().tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert adjacent_cameras(K, T, (80, 100), 12.0).sum() == 8


class Largest(TorchDispatchMode):
    """The most elements of any tensor that is made, in passes forth and back."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, list | tuple) else [made]:
            if isinstance(one, torch.Tensor):
                self.most = max(self.most, one.numel(), one.untyped_storage().nbytes() // 4)
        return made


def test_no_array_is_as_large_as_all_pairs():
    K, T = nuscenes(96, 160, True)
    _, K = at_stride(torch.ones(6, 96, 160, dtype=torch.float64), K, 8)
    depth = walled(K, T, 12, 20, 10).float().requires_grad_()
    values = torch.rand(1440, 32, requires_grad=True)
    with Largest() as largest:
        weights = cylinder_weights(rig_points(depth, K.float(), T.float())[None], RING)
        weights.apply(values).square().sum().backward()
    assert largest.most <= 1440**2 / 2
    assert torch.isfinite(depth.grad).all() and depth.grad.any() and torch.isfinite(values.grad).all()


def test_gradients_are_those_of_finite_differences():
    points, adjacent, valid = random_rig(5, 3)
    values = torch.rand(2 * 3 * 12, 2, dtype=torch.float64, requires_grad=True)
    reach = Reach(20.0, 60.0)
    points.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, v: cylinder_weights(p, adjacent, reach, valid=valid).apply(v), (points, values), eps=1e-7, atol=1e-5
    )


def test_gradients_are_finite_where_points_coincide_or_lie_on_the_axis():
    points = torch.zeros(1, 2, 2, 2, 3)
    points[:, :, 0] = torch.tensor([3.0, 1, 2])
    points.requires_grad_()
    weights = cylinder_weights(points, PAIR)
    weights.apply(torch.rand(8, 3)).square().sum().backward()
    assert torch.isfinite(points.grad).all()
    assert (weights.offsets.diff() == torch.tensor([4, 4, 1, 1, 4, 4, 1, 1])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.ones(1, 3, 2, 2, 3)}, r"points \(1, 3, 2, 2, 3\)"),
        ({"points": torch.full((1, 2, 2, 2, 3), torch.nan)}, "points: must be finite"),
        ({"adjacent": torch.ones(2, 2)}, "adjacent"),
        ({"adjacent": torch.tensor([[False, True], [False, False]])}, "symmetric"),
        ({"valid": torch.ones(1, 2, 2, 2)}, "valid"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    good = {"points": torch.ones(1, 2, 2, 2, 3), "adjacent": PAIR, "valid": torch.ones(1, 2, 2, 2, dtype=torch.bool)}
    with pytest.raises(ValueError, match=message):
        cylinder_weights(**(good | change))
    with pytest.raises(ValueError, match="sigma_deg=0"):
        Reach(sigma_deg=0)
    with pytest.raises(ValueError, match="values of shape"):
        cylinder_weights(**good).apply(torch.ones(3, 2))
    with pytest.raises(ValueError, match="T_rig_cam"):
        adjacent_cameras(torch.eye(3).expand(2, 3, 3), torch.eye(4), (4, 4))
