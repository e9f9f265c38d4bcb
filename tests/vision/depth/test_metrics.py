"""Measures of depth: hand-worked cases, scales, masks, and consistency in a scene whose depth is known exactly."""

import math

import pytest
import torch

from foveal.vision.depth.geometry import rig_points
from foveal.vision.depth.metrics import consistency, depth_errors, overlap

from .rigs import intrinsics, nuscenes, upright, walled

NAN = torch.nan
RING = torch.tensor([[abs(a - b) in (1, 5) for a in range(6)] for b in range(6)])
PAIR = torch.tensor([[False, True], [True, False]])


def images(*cameras):
    """Depths (1, N, 1, W) of one moment."""
    return torch.tensor(cameras, dtype=torch.float64)[None, :, None]


def test_errors_by_hand():
    found = depth_errors(images([2.0, 4.0, 30.0, 8.0]), images([4.0, 4.0, 20.0, 10.0])).overall()
    assert found["abs_rel"] == pytest.approx((0.5 + 0 + 0.5 + 0.2) / 4)
    assert found["sq_rel"] == pytest.approx((1 + 0 + 5 + 0.4) / 4)
    assert found["rmse"] == pytest.approx(math.sqrt((4 + 0 + 100 + 4) / 4))
    logs = math.log(2) ** 2 + math.log(1.5) ** 2 + math.log(1.25) ** 2
    assert found["rmse_log"] == pytest.approx(math.sqrt(logs / 4))
    assert (found["within_1"], found["within_2"], found["within_3"]) == (0.25, 0.75, 0.75)  # 1.25 is not below 1.25


def test_means_are_over_images_then_moments_then_cameras():
    truth = torch.full((2, 2, 1, 2), 10.0)
    predicted = torch.tensor([[[10.0, 10], [12, 12]], [[14.0, 10], [12, 16]]])[:, :, None]
    mask = torch.ones_like(truth, dtype=torch.bool)
    mask[1, 1, 0, 0] = False
    mask[0, 1] = False
    found = depth_errors(predicted, truth, mask)
    torch.testing.assert_close(found.abs_rel, torch.tensor([[0, NAN], [0.2, 0.6]]).double(), equal_nan=True)
    torch.testing.assert_close(found.per_camera()["abs_rel"], torch.tensor([0.1, 0.6]).double())
    assert found.overall()["abs_rel"] == pytest.approx(0.35)


def test_a_camera_without_pixels_is_left_out():
    found = depth_errors(images([2.0, 4.0], [NAN, NAN]), images([1.0, 4.0], [NAN, torch.inf]))
    assert found.per_camera()["abs_rel"][0] == 0.5 and found.per_camera()["abs_rel"][1].isnan()
    assert found.overall()["abs_rel"] == 0.5


def test_scales():
    truth = images([2.0, 4.0, 6.0], [10.0, 20.0, 30.0])
    predicted = truth * torch.tensor([0.5, 0.25]).double()[:, None, None]
    error = lambda scaling: depth_errors(predicted, truth, scaling=scaling).per_camera()["abs_rel"].tolist()  # noqa: E731
    assert error("metric") == pytest.approx([0.5, 0.75])
    assert error("image_median") == pytest.approx([0, 0])
    # medians of all six: truth (6 + 10) / 2 = 8, predictions 1, 2, 2.5, 3, 5, 7.5: 2.75
    assert error("shared_median") == pytest.approx([0.5 * 8 / 2.75 - 1, 1 - 0.25 * 8 / 2.75])


def test_scales_are_those_of_the_pixels_that_count_and_of_each_moment():
    truth = torch.tensor([2.0, 4.0, 100.0, NAN]).expand(2, 1, 1, 4)
    predicted = torch.tensor([[1.0, 2, 500, NAN], [4, 8, 1, NAN]])[:, None, None]
    for scaling in ("shared_median", "image_median"):
        assert depth_errors(predicted, truth, scaling=scaling).abs_rel.tolist() == [[0], [0]]


def test_predictions_are_clipped_to_the_range_and_truths_beyond_it_do_not_count():
    found = depth_errors(images([100.0, 1.0, 50.0]), images([40.0, 0.05, 90.0]), range_m=(0.1, 80.0))
    assert found.abs_rel.item() == 1
    assert depth_errors(images([0.01]), images([0.2]), range_m=(0.1, 80.0)).abs_rel.item() == pytest.approx(0.5)


def test_predictions_that_are_no_depths_are_named():
    truth = images([2.0, 4.0], [3.0, NAN])
    for bad in (NAN, torch.inf, 0.0, -1.0):
        with pytest.raises(ValueError, match=r"1 pixels that count .* in frame 0 of camera 1"):
            depth_errors(images([2.0, 4.0], [bad, NAN]), truth)
    mask = torch.tensor([True, False])[None, :, None, None].expand(1, 2, 1, 2)
    assert depth_errors(images([2.0, 4.0], [NAN, NAN]), truth, mask).overall()["rmse"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted": torch.ones(1, 2, 3)}, "must be alike"),
        ({"mask": torch.ones(1, 1, 2, 2, dtype=torch.bool)}, "must be alike"),
        ({"truth": torch.full((1, 2, 2, 2), NAN)}, "no pixel counts"),
        ({"scaling": "median"}, "scaling='median'"),
        ({"range_m": (2.0, 1.0)}, "range_m"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    good = {"predicted": torch.ones(1, 2, 2, 2), "truth": torch.ones(1, 2, 2, 2)}
    with pytest.raises(ValueError, match=message):
        depth_errors(**(good | change))


def facing(distance, height=5, width=7):
    """Two cameras side by side, 1 m apart, that look along x at a wall; K, T_rig_cam, and truth (1, 2, H, W)."""
    K = intrinsics(10.0, 10.0, height, width).expand(2, 3, 3)
    T = torch.stack([upright(0, y, 0, 0) for y in (0.5, -0.5)])
    return K, T, torch.full((1, 2, height, width), distance, dtype=torch.float64)


def test_the_overlap_of_two_cameras_is_what_their_parallax_leaves():
    K, T, truth = facing(5.0)  # 10 px / 5 m: 2 px of 7
    seen = overlap(truth, K, T, PAIR)
    expected = torch.tensor([[False] * 2 + [True] * 5, [True] * 5 + [False] * 2])
    assert torch.equal(seen, expected[None, :, None].expand(1, 2, 5, 7))
    assert not overlap(truth, K, T, ~torch.ones(2, 2, dtype=torch.bool)).any()
    truth[0, 0, 0, 0] = NAN
    assert torch.equal(overlap(truth, K, T, PAIR)[0, 1], seen[0, 1])


def test_what_something_hides_is_no_overlap_if_that_is_tested():
    K, T, truth = facing(5.0)
    truth[0, 1, 2, 1] = 2.0  # before the right camera only; the left sees there what its column 3 shows
    free = overlap(truth, K, T, PAIR)
    tested = overlap(truth, K, T, PAIR, occlusion_tolerance=0.05)
    assert free[0, 0, 2, 3] and not tested[0, 0, 2, 3]
    assert (free & ~tested).sum() == 1 + int(free[0, 1, 2, 1])


def test_consistency_by_hand():
    K, T, truth = facing(5.0)
    predicted = truth.clone()
    predicted[:, 1] = 6.0
    found = consistency(predicted, truth, K, T, PAIR)
    own, theirs = (rig_points(predicted, K, T)[0, i].norm(dim=-1) for i in (0, 1))
    d, g = theirs[:, :5], own[:, 2:]  # the same points of the wall
    assert found.per_camera()["abs_rel"][0].item() == pytest.approx(((d - g).abs() / g).mean().item())
    assert found.per_camera()["abs_rel"][1].item() == pytest.approx(((g - d).abs() / d).mean().item())
    points = rig_points(predicted, K, T)[0]
    gap = (points[0, :, 2:] - points[1, :, :5]).norm(dim=-1)
    assert found.overall()["gap_m"] == pytest.approx(gap.mean().item())
    assert found.overall()["close"] == 0
    assert consistency(truth, truth, K, T, PAIR).overall()["close"] == 1


def test_a_true_wall_is_consistent_between_pixels_too():
    K, T, truth = facing(4.0)  # 2.5 px of parallax
    assert consistency(truth, truth, K, T, PAIR).overall()["gap_m"] == pytest.approx(0, abs=1e-9)


def test_true_depths_are_consistent_and_a_scale_of_one_camera_is_not():
    K, T = nuscenes(48, 80, True)
    truth = walled(K, T, 48, 80, 15)[None]
    perfect = consistency(truth, truth, K, T, RING)
    assert perfect.overall()["abs_rel"] < 0.005 and perfect.overall()["close"] > 0.95
    shared, single = 1.2 * truth, truth.clone()
    single[:, 1] *= 1.2
    assert 0.005 < consistency(shared, truth, K, T, RING).overall()["abs_rel"] < 0.05  # parallax betrays it, a little
    per_camera = consistency(single, truth, K, T, RING).per_camera()["abs_rel"]
    assert (per_camera[[0, 1, 2]] > 0.05).all() and (per_camera[[3, 4, 5]] < 0.01).all()
    share = overlap(truth, K, T, RING).double().mean().item()
    assert 0.15 < share < 0.4


def test_pixels_that_do_not_count_are_in_no_pair():
    K, T, truth = facing(5.0)
    predicted = truth.clone()
    mask = torch.ones_like(truth, dtype=torch.bool)
    mask[0, 1, :, 0] = False
    predicted[0, 1, :, 0] = NAN
    assert consistency(predicted, truth, K, T, PAIR, mask).per_camera()["abs_rel"].tolist() == pytest.approx([0, 0])
    with pytest.raises(ValueError, match="no pixel that counts is seen by two"):
        consistency(truth, truth, K, T, ~torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="not finite and positive"):
        consistency(predicted, truth, K, T, PAIR)
    with pytest.raises(ValueError, match=r"truth \(1, 2, 5, 7\): must be \(F, 6, H, W\)"):
        overlap(truth, K, T, RING)
