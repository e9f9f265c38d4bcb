"""How fast a car with six cameras is stepped and drawn, and how fast tokens are mixed on the cylinder.

The world is `SurroundRig` on the avenue, RGB and depth of all six cameras, with random actions; as in `bench` a call
that merely restarts a row is no step, but its time counts. Beside it, in the same run, plain NumPy that casts the same
number of rays on as many boxes as things stand within `NEAR_M`, without colours. The block is `CylinderAttention`
between the tokens of six cameras of 96 x 160 at stride 8, once with its weights made anew and once with those kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from foveal.experiments.bench import Report, Step, batched, interleaved, machine, made_with, threaded
from foveal.optics.rig_presets import nuscenes_like
from foveal.vision.depth.cylinder import CylinderAttention
from foveal.vision.depth.geometry import rig_points
from foveal.vision.depth.weights import adjacent_cameras

WORLD = "foveal/SurroundRig-v0"
NEAR_M = 60.0
"""From the car: what stands there counts as around it."""
STRIDE = 8
CHANNELS = (64, 128)


class Images(NamedTuple):
    """A size of images [px], and of how many rows."""

    height: int
    width: int
    rows: int

    @property
    def name(self) -> str:
        """The size."""
        return f"6 x {self.height} x {self.width}"


SIZES = (Images(48, 80, 64), Images(96, 160, 16), Images(384, 640, 2))


def rigs(*, repeat: int = 5, seconds: float = 2.0) -> Report:
    """Measure everything.

    Args:
        repeat: Interleaved repeats.
        seconds: Length of each repeat.

    Returns:
        Plain numbers and words: ``speeds`` (images -> contender -> steps per second), ``blocks`` (channels -> contender
        -> blocks per second), ``objects`` (in the street, and within `NEAR_M`), ``load`` (of the machine before), and
        what they were measured with.
    """
    report = {**made_with(SIZES[0].rows, repeat, seconds), "speeds": {}, "blocks": {}}
    for images in SIZES:
        env: Any = gymnasium.make_vec(WORLD, num_envs=images.rows, width=images.width, height=images.height, copy=False)
        env.reset(seed=0)
        near = _objects_near(env)
        report["objects"] = {"street": env.streets[0].objects, "near": near}
        actions = np.random.default_rng(0).integers(0, env.single_action_space.n, (64, images.rows))
        contenders = threaded("SurroundRig", batched(env, actions))
        if images is SIZES[0]:
            contenders |= {"NumPy casting": _casting(images, near)}
        report["speeds"][images.name] = interleaved(contenders, images.name, repeat, seconds)
    for channels in CHANNELS:
        blocks = {"weights made": _block(channels, keep=False), "weights kept": _block(channels, keep=True)}
        report["blocks"][str(channels)] = interleaved(blocks, f"{channels} channels", repeat, seconds)
    return report


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """A report as tables: title, column titles and rows of text."""
    objects = report["objects"]
    columns = ["images", "contender", "per second", "lowest to highest", "processors"]
    return [
        (
            f"{machine(report)}\nsteps per second, RGB and depth, in a street of {objects['street']} things, of which "
            f"{objects['near']} stand within {NEAR_M:g} m, and 24 cars: median of {report['repeat']} x "
            f"{report['seconds']:g} s; and processors that this process used meanwhile",
            columns,
            _told(report["speeds"], lambda rate: f"{rate:,.0f}"),
        ),
        (
            "the cylinder block on 1,440 tokens, forward, per second",
            ["channels", *columns[1:]],
            _told(report["blocks"], lambda rate: f"{rate:,.1f} ({1000 / rate:.1f} ms)"),
        ),
    ]


def _told(measured: dict[str, Any], text: Callable[[float], str]) -> list[list[str]]:
    return [
        [
            what,
            name,
            text(rate["median"]),
            f"{rate['low']:,.1f} to {rate['high']:,.1f}",
            f"{rate['processors']:.1f}",
        ]
        for what, rates in measured.items()
        for name, rate in rates.items()
    ]


def _objects_near(env: Any) -> int:
    """Things that stand within `NEAR_M` of row 0's car: by the middles of their boxes."""
    place = env._now.rig[0, :2, 3]
    boxes = env.streets[int(env._now.street[0])].scene.boxes
    middles = (boxes[:, :2] + boxes[:, 3:5]) / 2
    raised = boxes[:, 5] > 0.3  # no road, marking or kerb
    return int((raised & (np.linalg.norm(middles - place, axis=1) < NEAR_M)).sum())


def _casting(images: Images, count: int) -> Step:
    """Depth of one row by the slab method (Kay and Kajiya, 1986), all rays against all boxes, in NumPy."""
    rng = np.random.default_rng(0)
    middle, half = rng.uniform(-NEAR_M, NEAR_M, (count, 3)), rng.uniform(0.5, 5.0, (count, 3))
    rig = nuscenes_like().scaled(images.width, images.height)
    rays = [camera.camera.rays().reshape(-1, 3) @ camera.T_rig_cam[:3, :3].T for camera in rig.cameras]

    def cast(directions: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / directions[:, None]
            one, other = (middle - half - origin) * inverse, (middle + half - origin) * inverse
        near, far = np.minimum(one, other).max(-1), np.maximum(one, other).min(-1)
        return np.where((near <= far) & (far > 0), near, np.inf).min(1)

    def step() -> int:
        for camera, directions in zip(rig.cameras, rays, strict=True):
            cast(directions, camera.T_rig_cam[:3, 3])
        return 1

    return step


def _block(channels: int, *, keep: bool) -> Step:
    """The block, on tokens on the ground and on a round wall 20 m away."""
    rig = nuscenes_like().scaled(160, 96)
    K, T = torch.tensor(rig.K, dtype=torch.float32), torch.tensor(rig.T_rig_cam, dtype=torch.float32)
    grid = nuscenes_like().scaled(160 // STRIDE, 96 // STRIDE)
    rays = np.stack([camera.camera.rays() @ camera.T_rig_cam[:3, :3].T for camera in grid.cameras])
    with np.errstate(divide="ignore"):
        ground = np.where(rays[..., 2] < 0, -1.5 / rays[..., 2], np.inf)
        wall = 20.0 / np.hypot(rays[..., 0], rays[..., 1])
    depth = torch.tensor(np.minimum(ground, wall), dtype=torch.float32)[None]
    K_grid = torch.tensor(grid.K, dtype=torch.float32)
    points = rig_points(depth, K_grid, T)
    block = CylinderAttention(channels, adjacent_cameras(K, T, (96, 160))).eval()
    features = torch.randn(1, len(rig.cameras), channels, *depth.shape[2:], generator=torch.Generator().manual_seed(0))
    kept = block.weigh(points)

    def step() -> int:
        with torch.inference_mode():
            block(features, kept if keep else block.weigh(points))
        return 1

    return step
