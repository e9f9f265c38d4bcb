"""Frames per second of the synthetic house: `python tests/envs/rendering/bench.py`.

It is no test, since it needs a quiet machine. The time of a thread's own work is printed too: on a machine that others
use, it says what a quiet one would do.
"""

import sys
import time
from pathlib import Path

import numpy as np

from foveal.envs.rendering.renderer import Renderer
from foveal.kernels import thread_count
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

sys.path.insert(0, str(Path(__file__).parent))
from conftest import furnished


def walks(count, seed=0):
    """Cameras as an agent has them: 0.87 m high, headings and pitches of 30 degrees."""
    rng = np.random.default_rng(seed)
    positions = np.column_stack([rng.uniform((0.4, 0.4), (8.6, 4.2), (count, 2)), np.full(count, 0.87)])
    return look(positions, rng.integers(0, 12, count) * np.pi / 6, rng.integers(-1, 2, count) * np.pi / 6)


def measure(scenes, size, views, outputs, seconds=3.0):
    """Frames per second of wall time, and microseconds of processor time per frame, each at its best."""
    renderer = Renderer(scenes, Camera.from_vertical_fov(size, size, np.radians(63.453)), outputs)
    which, poses, out = np.arange(views) % len(scenes), walks(views), renderer.images(views)
    renderer.render(which, poses, out)
    wall = own = np.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before, before_own = time.perf_counter(), time.process_time()
        renderer.render(which, poses, out)
        wall, own = min(wall, time.perf_counter() - before), min(own, time.process_time() - before_own)
    return views / wall, 1e6 * own / views


if __name__ == "__main__":
    scenes = [furnished(seed) for seed in range(4)]
    corners = scenes[0].corners
    triangles = int((1 + (corners[:, 2] != corners[:, 3])).sum()) - 12 * int((scenes[0].objects[:, 4] > 0).sum())
    print(f"{len(scenes[0].objects)} objects, {triangles} triangles, {thread_count()} threads")
    for size, views in ((64, 128), (224, 24), (320, 12)):
        for outputs in (("rgb", "depth", "instance"), ("depth", "instance")):
            frames, own = measure(scenes, size, views, outputs)
            print(f"{size:4} px  {'+'.join(outputs):20} {frames:8.0f} frames/s  {own:7.1f} us of a processor per frame")
