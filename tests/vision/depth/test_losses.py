"""Losses without truth: hand-worked cases, gradients, and what they hold of a scene whose depth is known exactly."""

import pytest
import torch

from foveal.vision.depth.geometry import invert, relative_pose, rig_points
from foveal.vision.depth.losses import (
    LossWeights,
    Reprojection,
    align_intensity,
    depth_consistency,
    masked_mean,
    reconstruction_consistency,
    reproject,
    smoothness,
    spatial,
    spatio_temporal,
    temporal,
)
from foveal.vision.depth.photometric import photometric

from .rigs import nuscenes, walled

EYE = torch.eye(4, dtype=torch.float64)
K = torch.tensor([[4.0, 0, 2], [0, 5, 1.5], [0, 0, 1]], dtype=torch.float64)


def flat(value, *shape):
    return torch.full(shape, value, dtype=torch.float64)


def seen(errors, valid, image=0.0):
    errors = torch.tensor(errors, dtype=torch.float64).reshape(1, -1)
    return Reprojection(flat(image, 1, *errors.shape), errors, torch.tensor(valid).reshape(1, -1))


def test_temporal_takes_the_better_frame_where_moving_explains_more_than_standing():
    before = seen([0.5, 0.2, 0.4, 0.0, 0.3], [True, True, True, False, True])
    after = seen([0.3, 0.1, 0.6, 0.0, 0.2], [True, False, True, False, True])
    still = [flat(0.35, 1, 5), torch.tensor([[0.9, 0.9, 0.5, 0.9, 0.25]], dtype=torch.float64)]
    # least 0.3, 0.2, 0.4, none, 0.2; still 0.35, 0.35, 0.35, 0.35, 0.25
    assert temporal([before, after], still).item() == pytest.approx((0.3 + 0.2 + 0.2) / 3)
    mask = torch.tensor([[False, True, True, True, True]])
    assert temporal([before, after], still, mask).item() == pytest.approx(0.2)
    assert temporal([before], [flat(0.0, 1, 5)]).item() == 0
    with pytest.raises(ValueError, match="1 reprojections, 2 errors"):
        temporal([before], still)


def test_spatial_is_the_mean_over_pairs_of_pixels_and_neighbours():
    left, right = seen([0.5, 0.2, 0.4], [True, True, False]), seen([0.3, 0.1, 0.6], [False, True, False])
    assert spatial([left, right]).item() == pytest.approx((0.5 + 0.2 + 0.1) / 3)
    assert spatial([left, right], torch.tensor([[True, False, True]])).item() == pytest.approx(0.5)
    assert spatio_temporal([[left], [right]]).item() == pytest.approx(spatial([left, right]).item())
    assert spatio_temporal([[left, right]]).item() == pytest.approx((0.5 + 0.1) / 2)
    for loss, none in ((spatial, []), (spatio_temporal, []), (spatio_temporal, [[left], []])):
        with pytest.raises(ValueError, match="no reprojections"):
            loss(none)


def test_smoothness_counts_edges_less_where_the_image_has_them():
    disparity = torch.tensor([[1.0, 3.0], [1.0, 3.0]], dtype=torch.float64)  # mean 2: steps of 1 across, of 0 down
    assert smoothness(disparity, flat(0.5, 3, 2, 2)).item() == pytest.approx(1, abs=1e-6)
    edge = torch.tensor([[0.0, 0.7], [0.0, 0.7]], dtype=torch.float64).expand(3, 2, 2)
    assert smoothness(disparity, edge).item() == pytest.approx(torch.tensor(-0.7).exp().item(), abs=1e-6)
    assert smoothness(10 * disparity, edge).item() == pytest.approx(smoothness(disparity, edge).item(), abs=1e-6)
    with pytest.raises(ValueError, match="must agree"):
        smoothness(disparity, flat(0.5, 3, 2, 3))


def test_depths_are_consistent_if_they_name_the_same_points():
    ahead = EYE.clone()
    ahead[2, 3] = -1  # the source stands 1 m ahead
    near = depth_consistency(flat(5.0, 4, 5), flat(4.5, 4, 5), K, K, ahead)
    assert near.item() == pytest.approx(0.5)
    assert depth_consistency(flat(5.0, 4, 5), flat(4.0, 4, 5), K, K, ahead).item() == pytest.approx(0)
    assert depth_consistency(flat(0.5, 4, 5), flat(4.0, 4, 5), K, K, ahead).item() == 0  # behind it


def test_reconstructions_are_compared_where_both_are_seen():
    one, two = (
        Reprojection(flat(brightness, 1, 4, 5), flat(9.0, 4, 5), torch.ones(4, 5, dtype=torch.bool))
        for brightness in (0.2, 0.6)
    )
    expected = photometric(one.image, two.image)[0, 0].item()
    assert reconstruction_consistency(one, [two]).item() == pytest.approx(expected)
    assert reconstruction_consistency(one, [two, one]).item() == pytest.approx(expected / 2)
    hidden = two._replace(valid=torch.zeros(4, 5, dtype=torch.bool))
    assert reconstruction_consistency(one, [hidden]).item() == reconstruction_consistency(hidden, [one]).item() == 0


def test_aligned_images_have_the_targets_mean_and_deviation_in_the_overlap():
    torch.manual_seed(0)
    target, valid = torch.rand(2, 3, 6, 7, dtype=torch.float64), torch.rand(2, 6, 7) < 0.6
    aligned = align_intensity(0.3 * target + 0.4, target, valid)
    torch.testing.assert_close(aligned, target, atol=1e-5, rtol=0)
    other = align_intensity(torch.rand_like(target), target, valid)
    for b in range(2):
        inside, aim = other[b][:, valid[b]], target[b][:, valid[b]]
        torch.testing.assert_close(inside.mean(1), aim.mean(1))
        torch.testing.assert_close(inside.std(1), aim.std(1), atol=1e-5, rtol=0)
    assert torch.isfinite(align_intensity(target, target, torch.zeros_like(valid))).all()


def test_what_of_the_source_is_masked_is_not_looked_at():
    target, source, mask = torch.rand(3, 4, 5).double(), torch.rand(3, 4, 5).double(), torch.ones(4, 5).bool()
    mask[1, 2] = False
    masked = reproject(target, source, flat(2.0, 4, 5), K, K, EYE, mask=mask)
    assert torch.equal(masked.valid, mask)
    torch.testing.assert_close(masked.image, source)
    aside = EYE.clone()
    aside[0, 3] = 0.3  # 0.6 px: samples mix columns 0 and 1, 1 and 2, ...
    moved = reproject(target, source, flat(2.0, 4, 5), K, K, aside, mask=mask).valid
    assert moved[1].tolist() == [True, False, False, True, False] and moved[0].tolist() == [True] * 4 + [False]


def painted(points):
    """Colours (..., 3, H, W) in [0, 1] of points (..., H, W, 3): smooth, of no simple period."""
    x, y, z = points.unbind(-1)
    waves = [torch.sin(0.9 * x + y) + torch.sin(1.7 * z), torch.sin(1.1 * y - z), torch.sin(1.3 * x + 0.7 * z + 1)]
    return torch.stack(waves, -3) / 4 + 0.5


def scene(T, K, height=48, width=80):
    depth = walled(K, T, height, width, 10)
    return depth, painted(rig_points(depth, K, T))


def test_true_depth_explains_the_neighbour_best_and_so_fixes_the_scale():
    K, T = nuscenes(48, 80, True)
    depth, images = scene(T, K)
    losses = {}
    for scale in (0.8, 0.95, 1.0, 1.05, 1.25):
        pairs = [
            reproject(images[i], images[j], scale * depth[i], K[j], K[i], relative_pose(T[j], T[i]))
            for i, j in ((0, 1), (0, 5))
        ]
        losses[scale] = spatial(pairs).item()
    assert min(losses, key=losses.get) == 1.0 and losses[1.0] < 0.5 * min(losses[0.8], losses[1.25])


def test_motion_of_one_camera_leaves_the_scale_open_and_motion_between_cameras_does_not():
    K, T = nuscenes(48, 80, True)
    depth, images = scene(T, K)
    onwards = EYE.clone()
    onwards[0, 3] = 0.6  # the rig was 0.6 m behind: all was farther ahead
    _, later = scene(invert(onwards) @ T, K)
    for scale in (1.0, 1.5):
        motion = EYE.clone()
        motion[0, 3] = 0.6 * scale
        own = reproject(images[0], later[0], scale * depth[0], K[0], K[0], relative_pose(T[0], T[0], motion))
        other = reproject(images[0], later[1], scale * depth[0], K[1], K[0], relative_pose(T[1], T[0], motion))
        still = [photometric(later[0], images[0])]
        found = temporal([own], still).item(), spatio_temporal([[other]]).item()
        if scale == 1:
            truth = found
    assert found[0] == pytest.approx(truth[0], rel=1e-6) and truth[0] < 0.03
    assert truth[1] < 0.5 * found[1]
    same_time = reproject(images[0], images[1], depth[0], K[1], K[0], relative_pose(T[1], T[0]))
    other_time = reproject(images[0], later[1], depth[0], K[1], K[0], relative_pose(T[1], T[0], onwards))
    assert reconstruction_consistency(same_time, [other_time]).item() < 0.03


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(1)
    a, b = torch.rand(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    depth = (torch.rand(3, 4, dtype=torch.float64) + 2).requires_grad_()
    theirs = (torch.rand(3, 4, dtype=torch.float64) + 2).requires_grad_()
    T = EYE.clone()
    T[:3, 3] = torch.tensor([0.13, -0.07, 0.11])
    T.requires_grad_()
    check = torch.autograd.gradcheck
    assert check(smoothness, (depth, a))
    assert check(lambda x, y: align_intensity(x, y, depth > 2.3), (a, b))
    assert check(lambda d, e, t: depth_consistency(d, e, K, K, t), (depth, theirs, T))

    def losses(x, y, d, t):
        one = reproject(x, y, d, K, K, t, align=True)
        two = reproject(x, y, d, K, K, invert(t))
        still = flat(0.9, 3, 4)
        return torch.stack(
            [
                temporal([one, two], [still, still]),
                spatial([one, two]),
                spatio_temporal([[one, two]]),
                reconstruction_consistency(one, [two]),
            ]
        )

    assert check(losses, (a, b, depth, T))


def test_a_loss_without_pixels_is_zero_with_gradients_of_zero():
    depth = flat(2.0, 4, 5).requires_grad_()
    image = torch.rand(3, 4, 5, dtype=torch.float64)
    behind = EYE.clone()
    behind[2, 3] = -5
    loss = spatial([reproject(image, image, depth, K, K, behind, align=True)])
    loss.backward()
    assert loss.item() == 0 and not depth.grad.any()
    assert masked_mean(flat(3.0, 2), torch.tensor([False, False])).item() == 0


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="spatial=-1"):
        LossWeights(spatial=-1)
