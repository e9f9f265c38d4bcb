"""Training: that the right loss is lowest at the truth, that steps are the same again, and that depth is learnt."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from foveal.vision.depth.clips import Clips
from foveal.vision.depth.geometry import backproject, project, relative_pose, rig_points, transform
from foveal.vision.depth.losses import LossWeights
from foveal.vision.depth.network import DepthConfig, Depths
from foveal.vision.depth.training import Batch, Trainer, TrainingConfig, recoloured, schedule, supervised, train

from .rigs import nuscenes, walled

HEIGHT, WIDTH, WALL_M, STEP_M = 48, 80, 14.0, 0.5
SMALL = DepthConfig(channels=(8, 16, 16, 16), fx_ref=63.3)


def painted(points):
    """Colours (..., 3) in [0, 1] that are fixed to points (..., 3) of the world: waves of several lengths."""
    phases = points @ torch.tensor([[1.1, 0.4, 0.3], [-0.5, 1.3, 0.8], [0.7, -0.9, 1.7]], dtype=points.dtype)
    slow, fast = phases.sin(), (2.3 * phases.flip(-1) + 1).sin()
    return 0.5 + 0.25 * slow + 0.2 * fast


def drive(moments=5):
    """A rig that drives straight on within a round painted wall, and sees it and the ground exactly."""
    K, E = nuscenes(HEIGHT, WIDTH, square=False)
    rgb, depth = [], []
    for t in range(moments):
        world = E.clone()
        world[:, 0, 3] += STEP_M * t
        truth = walled(K, world, HEIGHT, WIDTH, WALL_M)
        rgb.append((255 * painted(rig_points(truth, K, world))).round().byte())
        depth.append(truth.float())
    motion = np.tile(np.eye(4), (moments, 1, 1))
    motion[1:, 0, 3] = STEP_M
    first = np.arange(moments) == 0
    valid = np.ones((moments, 6), bool)
    return Clips(torch.stack(rgb).numpy(), torch.stack(depth).numpy(), K.numpy(), E.numpy(), motion, first, valid)


@pytest.fixture(scope="module")
def clips():
    return drive()


@pytest.mark.parametrize("coarse", [False, True])
def test_losses_without_truth_are_least_at_the_truth(clips, coarse):
    trainer = Trainer(clips, TrainingConfig(pose="given"), SMALL)
    batch = trainer.draw()
    losses = {}
    for scale in (0.7, 0.9, 1.0, 1.1, 1.4):
        depth = scale * batch.depth
        terms = trainer.terms(Depths(depth, 1 / depth, None), batch, coarse)
        for name, value in terms.items():
            losses.setdefault(name, []).append(value.item())
    for name in ("temporal", "spatial", "spatio_temporal", "reconstruction"):
        near = (1, 2, 3) if coarse else (2,)  # at a quarter, 10 % of depth is hardly a tenth of a pixel
        assert np.argmin(losses[name]) in near, (name, losses[name])
    assert set(losses) == set(vars(LossWeights()))
    assert losses["depth"][2] < 0.4  # of points 14 m away, resized


def test_a_motion_that_is_wrong_costs(clips):
    trainer = Trainer(clips, TrainingConfig(pose="given"), SMALL)
    batch = trainer.draw()
    depths = Depths(batch.depth, 1 / batch.depth, None)
    right = trainer.terms(depths, batch, coarse=True)
    wrong = trainer.terms(depths, batch._replace(motions=batch.motions.flip(0)), coarse=True)
    assert all(right[name] < wrong[name] for name in ("temporal", "spatio_temporal"))
    assert torch.equal(right["spatial"], wrong["spatial"])


def test_motions_that_are_given_lead_where_points_are_seen(clips):
    batch = Trainer(clips, TrainingConfig(pose="given"), SMALL).draw()
    E = torch.from_numpy(clips.T_rig_cam).float()
    for motion, shift in zip(batch.motions[:, 0], (STEP_M, -STEP_M), strict=True):
        point = relative_pose(E[0], E[0], motion) @ torch.tensor([0.0, 0, 10, 1])
        assert point[2].item() == pytest.approx(10 + shift, abs=0.01)


def test_pairs_compare_all_columns_that_both_cameras_see(clips):
    trainer = Trainer(clips, TrainingConfig(), SMALL)
    pairs = trainer.pairs[2]
    ring = {(a, (a + step) % 6) for a in range(6) for step in (1, -1)}
    assert set(zip(pairs.target.tolist(), pairs.source.tolist(), strict=True)) == ring and len(pairs.target) == 12
    K, E = (torch.from_numpy(x).float() for x in (clips.K, clips.T_rig_cam))
    half = K.clone()
    half[:, :2] /= 2
    half[:, :2, 2] += 0.25 - 0.5
    for p, (a, b) in enumerate(zip(pairs.target.tolist(), pairs.source.tolist(), strict=True)):
        for depth in (4.0, 10.0, 60.0):
            points = backproject(torch.full((HEIGHT // 2, WIDTH // 2), depth), half[a])
            pixels, in_front = project(transform(relative_pose(E[b], E[a]), points), half[b])
            inside = ((pixels > -0.5) & (pixels < torch.tensor([WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5]))).all(-1) & in_front
            assert set(inside.any(0).nonzero().flatten().tolist()) <= set(pairs.columns[p].tolist())
    image = torch.arange(WIDTH // 2).float().expand(1, 12, HEIGHT // 2, -1)
    torch.testing.assert_close(pairs.window(image)[0, :, 0], pairs.columns.float())
    # a column of the window looks where it did in the whole image
    ray = (pairs.columns[:, 0] - half[pairs.target][:, 0, 2]) / half[pairs.target][:, 0, 0]
    torch.testing.assert_close(-pairs.K[:, 0, 2] / pairs.K[:, 0, 0], ray)


def test_dropped_cameras_count_nowhere(clips):
    valid = clips.valid.copy()
    valid[:, 2] = False
    rgb = clips.rgb.copy()
    rgb[:, 2] = 0
    trainer = Trainer(clips._replace(valid=valid, rgb=rgb), TrainingConfig(pose="given", mirror=False), SMALL)
    batch = trainer.draw()
    depth = batch.depth.clone().requires_grad_()
    terms = trainer.terms(Depths(depth, (1 / depth).detach(), None), batch, coarse=True)
    torch.stack([v for k, v in terms.items() if k != "smoothness"]).sum().backward()
    for camera in range(6):
        assert (depth.grad[:, camera].abs().sum() > 0) == (camera != 2)
    assert supervised(torch.where(batch.valid[1][..., None, None], batch.depth, 1.0), batch).item() < 1e-6


@pytest.mark.parametrize("config", [TrainingConfig(steps=3), TrainingConfig(steps=3, supervised=True)])
def test_training_is_the_same_again_by_its_seed(clips, config):
    state = torch.random.get_rng_state()
    nets = [train(clips, replace(config, seed=seed), SMALL).net.state_dict() for seed in (5, 5, 6)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    assert not all(torch.equal(nets[0][name], nets[2][name]) for name in nets[0])


def abs_rel(net, clips):
    truth = torch.from_numpy(clips.depth)
    with torch.inference_mode():
        rgb = torch.from_numpy(clips.rgb).movedim(-1, 2).float() / 255
        depth = net(rgb, *(torch.from_numpy(x).float() for x in (clips.K, clips.T_rig_cam))).depth
    return ((depth - truth).abs() / truth).mean().item()


@pytest.mark.parametrize(
    ("config", "least"),
    [(TrainingConfig(steps=250, pose="given", coarse=0.6), 0.25), (TrainingConfig(steps=150, supervised=True), 0.15)],
)
def test_depth_is_learnt(clips, config, least):
    config = replace(config, learning_rate=3e-3, mirror=False)
    before = abs_rel(Trainer(clips, config, SMALL).net.eval(), clips)
    trained = train(clips, config, SMALL, every=50)
    assert abs_rel(trained.net, clips) < least < 0.45 < before
    assert [entry["step"] for entry in trained.log] == list(range(50, config.steps + 1, 50))
    assert trained.log[-1]["loss"] < trained.log[0]["loss"]


def test_without_spatial_losses_there_are_those_of_one_camera(clips):
    log = train(clips, TrainingConfig(steps=1, spatial=False), SMALL).log
    assert set(log[0]) == {"step", "seconds", "loss", "temporal", "smoothness"}


def test_a_learned_motion_learns_along(clips):
    trainer = Trainer(clips, TrainingConfig(steps=10, pose="learned"), SMALL)
    before = [p.detach().clone() for p in trainer.pose.parameters()]
    seen = trainer.motions(trainer.draw().rgb[:, :, 0])
    # both untrained, about straight on, and back from the moment after
    assert seen[0, 0, 0, 3].item() == pytest.approx(0.5, abs=0.1)
    assert -seen[1, 0, 0, 3].item()
    trainer.step(0)
    assert all(not torch.equal(a, b) for a, b in zip(before, trainer.pose.parameters(), strict=True))
    assert Trainer(clips, TrainingConfig(pose="given"), SMALL).pose is None


def test_recolouring_changes_one_thing_each():
    generator = torch.Generator().manual_seed(0)
    rgb = 0.3 + 0.2 * torch.rand(2, 3, 8, 8, generator=generator)

    def factors(*values):
        return torch.tensor(values).reshape(3, 1, 1, 1, 1).expand(3, 2, 1, 1, 1)

    torch.testing.assert_close(recoloured(rgb, factors(1.0, 1.0, 1.0)), rgb)
    torch.testing.assert_close(recoloured(rgb, factors(1.2, 1.0, 1.0)), 1.2 * rgb)
    grey = recoloured(rgb, factors(1.0, 1.0, 0.0))
    torch.testing.assert_close(grey, rgb.mean(1, keepdim=True).expand_as(rgb))
    dull = recoloured(rgb, factors(1.0, 0.5, 1.0))
    torch.testing.assert_close(dull.mean((1, 2, 3)), rgb.mean((1, 2, 3)))
    torch.testing.assert_close(dull.std(), 0.5 * rgb.std(), rtol=0.2, atol=0)


def test_the_learning_rate_rises_and_falls():
    rates = [schedule(step, 1000) for step in range(1000)]
    assert max(rates) == pytest.approx(1.0) and rates.index(max(rates)) in range(19, 22)
    assert rates[0] == pytest.approx(0.05) and rates[-1] < 0.0201
    assert all(a > b for a, b in itertools.pairwise(rates[21:]))
    assert schedule(0, 1) == 1.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"steps": 0}, "steps=0: must be a whole number from 1"),
        ({"rigs": 1.5}, "rigs=1.5: must be a whole number from 1"),
        ({"loss_stride": 3}, "loss_stride=3: must be 1, 2 or 4"),
        ({"pose": "guessed"}, "pose='guessed': must be one of learned, given"),
        ({"coarse": 1.5}, r"coarse=1.5: must be in \[0, 1.0\]"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: must be in"),
    ],
)
def test_configurations_that_cannot_be_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**config)
    json.dumps(TrainingConfig().to_json())


def test_clips_that_are_not_enough_are_refused(clips):
    with pytest.raises(ValueError, match="no moment with one before and one after"):
        train(clips._replace(first=np.ones(5, bool)), TrainingConfig(), SMALL)
    with pytest.raises(ValueError, match="no depth, which supervised=True"):
        train(clips._replace(depth=None), TrainingConfig(supervised=True), SMALL)
    assert isinstance(Trainer(clips._replace(depth=None), TrainingConfig(), SMALL).draw(), Batch)
