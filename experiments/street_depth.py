"""Make the depth network that comes with foveal, and pictures of what it sees.

    python -m foveal.experiments.street_depth train           # writes vision/weights/street_depth.*
    python -m foveal.experiments.street_depth show FOLDER      # panorama, clouds and a video of a drive by its depth

It is the cylinder of ``foveal experiment cylinder_depth``, trained without truth for longer and on more streets. In the
video the agent that comes with the package drives by the network's depth alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.agents.evaluation import provenance
from foveal.agents.pretrained import pretrained
from foveal.agents.rollouts import make_world
from foveal.envs.recording import VideoWriter
from foveal.envs.rigs.views import arranged, coloured
from foveal.experiments.cylinder_depth import COURSES, SIZE, SMOOTHNESS, TEST_SEED, TEST_STREET
from foveal.experiments.depth_driving import WORLD, Halved
from foveal.experiments.depth_figures import FAR_M, clouds, panorama, points, rgb_of
from foveal.experiments.depth_measures import estimate, measure
from foveal.experiments.drives import drive, joined
from foveal.experiments.figures import COLOURS, save_figure
from foveal.optics.rig import RigSpec
from foveal.optics.rig_presets import nuscenes_like
from foveal.vision.depth.losses import LossWeights
from foveal.vision.depth.models import SHIPPED, DepthModel, load, save
from foveal.vision.depth.network import DepthConfig
from foveal.vision.depth.training import TrainingConfig, train
from foveal.vision.wrappers import DepthObservation

STEPS = 6000
CLIPS, MOMENTS, STREETS = 48, 14, 6
FIRST_SEED, FIRST_STREET = 500_000, 20_000
TESTS = 16
REACH_M, SIDE_PX = 26.0, 432
"""Half of what the cloud of the video shows, and how large."""


def trained() -> DepthModel:
    """The network, after what it learns from drives on both courses."""
    clips = joined(
        [
            drive(
                CLIPS, MOMENTS, seed=FIRST_SEED, course=course, streets=STREETS, first_street=FIRST_STREET,
                light="mixed", **SIZE,
            )
            for course in COURSES
        ]
    )  # fmt: skip
    config = TrainingConfig(steps=STEPS, losses=LossWeights(smoothness=SMOOTHNESS))

    def tell(log: dict[str, float]) -> None:
        print(f"{log['step']:,.0f} steps: loss {log['loss']:.4f}, {log['seconds']:.0f} s", file=sys.stderr, flush=True)

    net = train(clips, config, DepthConfig(), report=tell, every=STEPS // 20).net
    names = tuple(camera.name for camera in nuscenes_like().cameras)
    return DepthModel(net, clips.K, clips.T_rig_cam, (SIZE["height"], SIZE["width"]), names, provenance()["commit"])


def tested(model: DepthModel) -> dict[str, Any]:
    """Its errors on drives in other streets, as ``foveal experiment cylinder_depth`` measures them."""
    clips = joined(
        [
            drive(TESTS, 3, seed=TEST_SEED, course=course, streets=2, first_street=TEST_STREET, light="mixed", **SIZE)
            for course in COURSES
        ]
    )
    return measure(model.net, clips)


def show(model: DepthModel, folder: Path) -> None:
    """Write ``panorama.png``, ``clouds.png`` and ``drive.mp4``."""
    folder.mkdir(parents=True, exist_ok=True)
    rig = nuscenes_like().scaled(SIZE["width"], SIZE["height"])
    clips = drive(1, 3, seed=TEST_SEED + 4, course="avenue", streets=2, first_street=TEST_STREET, light="day", **SIZE)
    assert clips.depth is not None
    seen = estimate(model.net, clips)[1].numpy()
    save_figure(panorama(rig, clips.rgb[1], {"depth without truth": seen}, clips.depth[1]), folder / "panorama.png")
    save_figure(clouds(rig, {"true depth": clips.depth[1], "seen": seen}), folder / "clouds.png")
    pictures = list(frames(rig))
    with VideoWriter(folder / "drive.mp4", 5.0, pictures[0].shape[1::-1]) as video:
        for picture in pictures:
            video.write(picture)


def frames(rig: RigSpec, episodes: int = 2) -> Iterator[NDArray[np.uint8]]:
    """Of episodes driven by the network's depth: views, depth as seen and as it is, and the cloud from above."""
    street = {"first_street": TEST_STREET, "streets": 2, "light": "mixed"}
    world = make_world(WORLD, 1, {**SIZE, **street})
    env: Any = DepthObservation(world, f"model:{SHIPPED}", "seen")
    halved = Halved(env.single_observation_space)
    agent = pretrained(WORLD)
    for episode in range(episodes):
        agent.begin()
        seen, _ = env.reset(seed=TEST_SEED + 100 + episode)
        ended = False
        while not ended:
            guess, truth = seen["seen"][0], seen["depth"][0]
            yield _composed(rig, seen["rgb"][0], guess, truth)
            given = halved.perceive({"depth": seen["seen"], "K": seen["K"]}, np.zeros((1, 3), np.int64))
            action, _ = agent({**seen, **given})
            seen, _, terminated, truncated, _ = env.step(action)
            ended = bool(terminated[0] or truncated[0])


def _composed(rig: RigSpec, rgb: NDArray[np.uint8], seen: Any, truth: Any) -> NDArray[np.uint8]:
    import cv2

    views = np.concatenate([np.concatenate(row, 1) for row in arranged(rig, list(rgb))])
    strips = [
        np.concatenate(arranged(rig, [coloured(one, FAR_M) for one in depth], around=True)[0], 1)
        for depth in (seen, truth)
    ]
    width = 3 * views.shape[1] // 2
    parts = [cv2.resize(views, (width, 3 * views.shape[0] // 2), interpolation=cv2.INTER_LINEAR)]
    parts += [cv2.resize(strip, (width, width * strip.shape[0] // strip.shape[1])) for strip in strips]
    left = np.concatenate(parts)
    cloud = cv2.resize(_from_above(rig, seen), (left.shape[0], left.shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(np.concatenate([left, cloud], 1), np.uint8)


def _from_above(rig: RigSpec, depth: Any) -> NDArray[np.uint8]:
    """Points that are not the ground, each in the colour of its camera; the car looks up."""
    where, cameras = points(rig, depth)
    raised = (where[:, 2] > 0.3) & (np.abs(where[:, :2]) < REACH_M).all(1)
    column = ((REACH_M - where[raised, 1]) * SIDE_PX / (2 * REACH_M)).astype(int)
    row = ((REACH_M - where[raised, 0]) * SIDE_PX / (2 * REACH_M)).astype(int)
    picture = np.full((SIDE_PX, SIDE_PX, 3), 24, np.uint8)
    colours = np.array([rgb_of(COLOURS[k % len(COLOURS)]) for k in range(len(rig.cameras))])
    picture[row, column] = np.rint(255 * colours[cameras[raised]])
    scale = SIDE_PX / (2 * REACH_M)
    ahead, behind, aside = (round(scale * metres) for metres in (3.9, 1.1, 1.0))
    middle = SIDE_PX // 2
    picture[middle - ahead : middle + behind, middle - aside : middle + aside] = 235
    return picture


def main(arguments: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m foveal.experiments.street_depth", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("train", help="train and write the network that comes with foveal, and print its errors")
    commands.add_parser("test", help="print the errors of the one that comes with foveal")
    shown = commands.add_parser("show", help="write pictures and a video")
    shown.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if given.command == "train":
        save(trained(), SHIPPED)
    if given.command == "show":
        show(load(SHIPPED), given.folder)
    else:
        for name, value in tested(load(SHIPPED)).items():
            print(f"{name}: {np.round(value, 4)}")


if __name__ == "__main__":
    main()
