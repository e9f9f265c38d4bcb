"""Training a surround depth network: on what its rig saw alone, or, as an upper bound, on true depths.

Without truth, all losses of CylinderDepth (arXiv:2511.16428) are used, see `foveal.vision.depth.losses`. What is ours,
so that a few thousand steps of one rig on a processor do: losses are measured at half of the resolution, at first at a
quarter, where a depth that is far from right still finds its way, and without auto-masking, which a motion that is not
yet learnt would not pass; depth starts at `network.FIRST_M`; between cameras only the columns are compared that both
may see. Networks run in bfloat16, all geometry and losses in float32.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from foveal.vision.depth import losses
from foveal.vision.depth.clips import Clips
from foveal.vision.depth.geometry import at_stride, backproject, invert, project, relative_pose, transform
from foveal.vision.depth.losses import LossWeights, Reprojection, reproject
from foveal.vision.depth.network import DepthConfig, Depths, SurroundDepth
from foveal.vision.depth.photometric import photometric
from foveal.vision.depth.pose import PoseNetwork, rig_motion
from foveal.vision.depth.weights import adjacent_cameras

Pose = Literal["learned", "given"]

_NEAR_M = 3.0
"""What is nearer need not be compared between cameras."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes:
        steps: Of the optimiser.
        rigs: Moments in a step.
        learning_rate: Of Adam at its greatest; it rises over the first 2 % of the steps, and falls to a fiftieth along
            half a cosine.
        losses: Weights of the losses without truth; of the source's but for smoothness, which at half of the resolution
            would leave no edges.
        pose: Where the rig's motion is from:
            "learned": from a `PoseNetwork`, which sees the first camera and learns along.
            "given": from the clips, which gives the scale as well.
        supervised: Learn from the clips' depths instead: mean of |ln d - ln g|.
        spatial: Use losses between cameras; else there are those of one camera alone, temporal and smoothness.
        loss_stride: At which losses without truth are measured, px.
        coarse: Share of the steps, from the first, in which they are measured at twice that stride.
        jitter: By how much brightness, contrast and saturation of what the network sees are changed at most, a share.
        mirror: Show each image left to right half of the time.
        seed: Of the weights at first, the order of the moments and the augmentations.
    """

    steps: int = 3000
    rigs: int = 1
    learning_rate: float = 2e-3
    losses: LossWeights = field(default_factory=lambda: LossWeights(smoothness=0.01))
    pose: Pose = "learned"
    supervised: bool = False
    spatial: bool = True
    loss_stride: int = 2
    coarse: float = 0.3
    jitter: float = 0.2
    mirror: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("rigs", 1), ("seed", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name}={value!r}: must be a whole number from {least}")
        if self.loss_stride not in (1, 2, 4):
            raise ValueError(f"loss_stride={self.loss_stride!r}: must be 1, 2 or 4")
        if self.pose not in get_args(Pose):
            raise ValueError(f"pose={self.pose!r}: must be one of {', '.join(get_args(Pose))}")
        for name, most in (("learning_rate", 1.0), ("coarse", 1.0), ("jitter", 0.9)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name}={value!r}: must be in [0, {most}]")

    def to_json(self) -> dict[str, Any]:
        """As what JSON can hold."""
        return asdict(self)


class Trained(NamedTuple):
    """What training gives.

    Attributes:
        net: In evaluation mode.
        pose: What saw the rig's motion; None where it was given or not needed.
        log: Means over steps: "step", the last of them; "seconds", since the beginning; "loss" and each of its terms
            before it is weighted.
    """

    net: SurroundDepth
    pose: PoseNetwork | None
    log: list[dict[str, float]]


class Batch(NamedTuple):
    """Moments with the ones before and after.

    Attributes:
        rgb: (3, B, N, 3, H, W) in [0, 1], before, now, after.
        valid: (3, B, N) bool.
        motions: (2, B, 4, 4) from rig coordinates now to those before and after.
        depth: (B, N, H, W) true depth now, m; None if it is unknown.
    """

    rgb: Tensor
    valid: Tensor
    motions: Tensor
    depth: Tensor | None


def train(
    clips: Clips,
    config: TrainingConfig,
    depth_config: DepthConfig,
    *,
    report: Callable[[dict[str, float]], None] | None = None,
    every: int = 100,
) -> Trained:
    """A network that has learnt from clips; the same for the same arguments on the same machine.

    Args:
        clips: With moments that have one before and one after.
        config: How it is trained.
        depth_config: What it is.
        report: Called with each entry of the log as it is made.
        every: Steps in an entry of the log.

    Raises:
        ValueError: for clips without such moments, or without the depths that are needed, or sizes that do not fit.
        FloatingPointError: where a loss is no longer finite.
    """
    trainer = Trainer(clips, config, depth_config)
    log: list[dict[str, float]] = []
    sums: dict[str, float] = {}
    start = time.perf_counter()
    for step in range(config.steps):
        for name, value in trainer.step(step).items():
            sums[name] = sums.get(name, 0.0) + value
        done = step + 1
        if done % every == 0 or done == config.steps:
            count = (done - 1) % every + 1
            means = {name: value / count for name, value in sums.items()}
            if not all(map(math.isfinite, means.values())):
                raise FloatingPointError(f"step {done}: the loss is not finite ({means})")
            log.append({"step": float(done), "seconds": time.perf_counter() - start} | means)
            sums.clear()
            if report is not None:
                report(log[-1])
    return Trained(trainer.net.eval(), trainer.pose, log)


class Trainer:
    """A network, what sees the rig's motion, and the optimiser of both."""

    def __init__(self, clips: Clips, config: TrainingConfig, depth_config: DepthConfig) -> None:
        size = clips.rgb.shape[2:4]
        self.clips, self.config = clips, config
        self.moments = clips.triples()
        if not len(self.moments):
            raise ValueError("clips: have no moment with one before and one after in the same clip")
        if clips.depth is None and (config.supervised or depth_config.positions == "true"):
            raise ValueError("clips: have no depth, which supervised=True and positions='true' need")
        if any(n % (2 * config.loss_stride) for n in size):
            raise ValueError(f"images of {size}: must be multiples of twice loss_stride={config.loss_stride}")
        self.K = torch.from_numpy(clips.K).float()
        self.T_rig_cam = torch.from_numpy(clips.T_rig_cam).float()
        adjacent = adjacent_cameras(self.K, self.T_rig_cam, size)
        self.pairs = {
            stride: _pairs(self.K, self.T_rig_cam, adjacent, size, stride)
            if config.spatial and adjacent.any()
            else None
            for stride in (config.loss_stride, 2 * config.loss_stride)
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = SurroundDepth(depth_config, adjacent)
            learned = config.pose == "learned" and not config.supervised
            self.pose = PoseNetwork() if learned else None
        self.generator = torch.Generator().manual_seed(config.seed)
        self.parameters = [*self.net.parameters(), *(self.pose.parameters() if self.pose else ())]
        self.optimiser = torch.optim.Adam(self.parameters, config.learning_rate, fused=True)

    def step(self, step: int) -> dict[str, float]:
        """Learn from a batch; the loss, and its terms before they are weighted."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config.steps)
        batch = self.draw()
        shape = batch.rgb.shape[1:3]
        mirrored = torch.rand(shape, generator=self.generator) < 0.5 if config.mirror else None
        rgb, front = batch.rgb[1], batch.rgb[:, :, :1]
        if config.jitter:
            factors = 1 + config.jitter * (2 * torch.rand(3, *shape, 1, 1, 1, generator=self.generator) - 1)
            rgb, front = recoloured(rgb, factors), recoloured(front, factors[:, :, :1])
        with torch.autocast("cpu", torch.bfloat16):
            depths = self.net(rgb, self.K, self.T_rig_cam, batch.valid[1], batch.depth, mirrored)
            if self.pose is not None:
                batch = batch._replace(motions=self.motions(front[:, :, 0]))
        if config.supervised:
            terms = {"supervised": supervised(depths.depth, batch)}
            loss = terms["supervised"]
        else:
            terms = self.terms(depths, batch, coarse=step < config.coarse * config.steps)
            loss = torch.stack([getattr(config.losses, name) * value for name, value in terms.items()]).sum()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimiser.step()
        return {"loss": float(loss.detach())} | {name: float(value.detach()) for name, value in terms.items()}

    def draw(self) -> Batch:
        """Moments of the clips by chance."""
        chosen = torch.randint(len(self.moments), (self.config.rigs,), generator=self.generator)
        now = self.moments[chosen.numpy()]
        around = np.stack([now - 1, now, now + 1])
        clips = self.clips
        rgb = torch.from_numpy(clips.rgb[around]).movedim(-1, -3).float() / 255
        motions = torch.from_numpy(np.stack([clips.ego_motion[now], np.linalg.inv(clips.ego_motion[now + 1])])).float()
        depth = None if clips.depth is None else torch.from_numpy(clips.depth[now])
        return Batch(rgb, torch.from_numpy(clips.valid[around]), motions, depth)

    def motions(self, rgb: Tensor) -> Tensor:
        """Motions of the rig (2, B, 4, 4), as its first camera sees them in images (3, B, 3, H, W)."""
        assert self.pose is not None
        seen = self.pose(rgb[:2].flatten(0, 1), rgb[1:].flatten(0, 1)).reshape(2, -1, 4, 4)
        with torch.autocast("cpu", enabled=False):
            return rig_motion(torch.stack([seen[0], invert(seen[1])]), self.T_rig_cam[0])

    def terms(self, depths: Depths, batch: Batch, coarse: bool) -> dict[str, Tensor]:
        """Losses without truth."""
        stride = self.config.loss_stride * (2 if coarse else 1)
        depth, K = at_stride(depths.depth, self.K, stride)
        disparity, _ = at_stride(depths.disparity, self.K, stride)
        images = F.avg_pool2d(batch.rgb.flatten(0, 2), stride).unflatten(0, batch.rgb.shape[:3])
        target, valid, motions = images[1], batch.valid, batch.motions[:, :, None]
        around = reproject(
            target.expand(2, *target.shape),
            images[[0, 2]],
            depth,
            K,
            K,
            relative_pose(self.T_rig_cam, self.T_rig_cam, motions),
        )
        around = seen_where(around, valid[1] & valid[[0, 2]])
        # a motion that is still wrong explains less than none would, and must learn all the same
        still = torch.full_like(around.error, math.inf)
        if self.pose is None or not coarse:
            still = photometric(images[[0, 2]], target.expand(2, *target.shape))
        terms = {
            "temporal": losses.temporal(_unbound(around), list(still)),
            "smoothness": losses.smoothness(disparity, target),
        }
        pairs = self.pairs[stride]
        if pairs is None:
            return terms
        a, b = pairs.target, pairs.source
        own, own_depth = pairs.window(target[:, a]), pairs.window(depth[:, a])
        poses = torch.cat(
            [
                pairs.T_source_target.expand(1, len(own), -1, -1, -1),
                relative_pose(self.T_rig_cam[b], self.T_rig_cam[a], motions),
            ]
        )
        times = [1, 0, 2]
        seen = reproject(own.expand(3, *own.shape), images[times][:, :, b], own_depth, K[b], pairs.K, poses, align=True)
        same, *others = _unbound(seen_where(seen, valid[1][:, a] & valid[times][:, :, b]))
        both = (valid[1][:, a] & valid[1][:, b])[..., None, None]
        return terms | {
            "spatial": losses.spatial([same]),
            "spatio_temporal": losses.spatio_temporal([others]),
            "depth": losses.depth_consistency(own_depth, depth[:, b], K[b], pairs.K, pairs.T_source_target, both),
            "reconstruction": losses.reconstruction_consistency(same, others),
        }


class Pairs(NamedTuple):
    """Of adjacent cameras, each way, which columns of the target's image the source may see.

    Attributes:
        target: (P,) int64, number of the camera.
        source: (P,) int64.
        columns: (P, w) int64, of the target's image.
        K: (P, 3, 3) px, of these columns of the target's image.
        T_source_target: (P, 4, 4).
    """

    target: Tensor
    source: Tensor
    columns: Tensor
    K: Tensor
    T_source_target: Tensor

    def window(self, x: Tensor) -> Tensor:
        """The columns (B, P, ..., w) of the targets' images or depths (B, P, ..., W)."""
        columns = self.columns.reshape(len(self.columns), *[1] * (x.ndim - 3), -1)
        return torch.take_along_dim(x, columns[None], -1)


def _pairs(K: Tensor, T_rig_cam: Tensor, adjacent: Tensor, size: tuple[int, int], stride: int) -> Pairs:
    """See `Pairs`: columns that see what the source sees from `_NEAR_M` on, also if the rig moves by a metre.

    Each pair has as many as the one that needs most.
    """
    height, width = (n // stride for n in size)
    K = at_stride(K.new_ones(size), K, stride)[1]
    target, source = adjacent.nonzero(as_tuple=True)
    depths = torch.logspace(math.log10(_NEAR_M), 2, 24)[:, None, None, None].expand(-1, 1, height, width)
    motions = torch.eye(4).repeat(3, 1, 1, 1)
    motions[:, 0, 0, 3] = torch.tensor([-1.0, 0.0, 1.0])
    poses = relative_pose(T_rig_cam[source], T_rig_cam[target], motions)  # (3, P, 4, 4)
    pixels, in_front = project(transform(poses[:, None], backproject(depths, K[target])), K[source])
    inside = (pixels > -0.5) & (pixels < torch.tensor([width - 0.5, height - 0.5]))
    seen = (in_front & inside.all(-1)).flatten(0, 1).any(-2).any(0)  # (P, W)
    first = seen.int().argmax(-1)
    last = width - seen.flip(-1).int().argmax(-1)
    most = max(int((last - first)[seen.any(-1)].max()) if seen.any() else 2, 2)
    first = torch.minimum(first, torch.tensor(width - most))
    K_window = K[target].clone()
    K_window[:, 0, 2] -= first
    T = relative_pose(T_rig_cam[source], T_rig_cam[target])
    return Pairs(target, source, first[:, None] + torch.arange(most), K_window, T)


def schedule(step: int, steps: int) -> float:
    """The learning rate at a step over the greatest: see `TrainingConfig`."""
    rise = max(1, steps // 50)
    if step < rise:
        return (step + 1) / rise
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def supervised(depth: Tensor, batch: Batch, range_m: tuple[float, float] = (1e-3, 80.0)) -> Tensor:
    """Mean of |ln d - ln g| where the true depth g is in a range, m, and the camera gives a picture."""
    assert batch.depth is not None
    known = torch.isfinite(batch.depth) & (batch.depth > range_m[0]) & (batch.depth < range_m[1])
    truth = torch.where(known, batch.depth, 1.0)
    return losses.masked_mean((depth.log() - truth.log()).abs(), known & batch.valid[1][..., None, None])


def recoloured(rgb: Tensor, factors: Tensor) -> Tensor:
    """Images (..., 3, H, W) with brightness, contrast and saturation multiplied by factors (3, ...)."""
    brightness, contrast, saturation = factors
    grey = rgb.mean(-3, keepdim=True)
    mean = grey.mean((-2, -1), keepdim=True)
    # all of it is one linear map of the colours and of their mean
    own, shared = brightness * contrast * saturation, brightness * contrast * (1 - saturation)
    return (own * rgb + (shared * grey + brightness * (1 - contrast) * mean)).clamp(0, 1)


def seen_where(seen: Reprojection, valid: Tensor) -> Reprojection:
    """The same, valid only of the images (...) that are."""
    return seen._replace(valid=seen.valid & valid[..., None, None])


def _unbound(seen: Reprojection) -> list[Reprojection]:
    """Reprojections along the first dimension."""
    return [Reprojection(*parts) for parts in zip(*seen, strict=True)]
