"""How fast the indoor worlds render and step, beside MiniWorld and ViZDoom on the same machine in the same run.

What is drawn are real iTHOR rooms with every object in them. Views stand and look where random walks do in the long
run: evenly on a room's reachable positions, in all of twelve headings and three tilts. ObjectNav is stepped with random
actions, of which few end the episode; finished ones begin anew, and as in `bench` a call that merely restarts a row is
no step, but its time counts. MiniWorld draws colours alone, of four bare rooms, with Mesa, which uses every core;
ViZDoom colours, 8-bit depth and labels, in one thread. The repeats of all contenders are interleaved.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from foveal.envs.objectnav.expert import END, HIGHEST, LOWEST, TURN
from foveal.envs.objectnav.kit.dressing import dress
from foveal.envs.objectnav.navigation import explore
from foveal.envs.objectnav.obstacles import HEADINGS, survey
from foveal.envs.objectnav.params import ObjectNavParams
from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.scenes.sources import houses_of
from foveal.envs.rendering.renderer import Renderer
from foveal.envs.rendering.scene import Scene
from foveal.experiments.bench import (
    Report,
    Step,
    batched,
    in_fresh_process,
    installed,
    interleaved,
    machine,
    made_with,
    threaded,
)
from foveal.optics.camera import Camera
from foveal.optics.transforms import look

WORLD = "foveal/ObjectNav-v0"
OUTPUTS = ("rgb", "depth", "instance")
ROOMS = 40
"""Whose views are drawn: the first of iTHOR's training rooms, of all four kinds."""
CYCLE = 8
"""Batches of different views, drawn over and over."""
END_SHARE = 0.01
"""Of all actions; an episode is some hundred long."""


class Images(NamedTuple):
    """A size of images [px], and how many views of it are drawn in one call."""

    width: int
    height: int
    views: int

    @property
    def name(self) -> str:
        """The size."""
        return f"{self.width} x {self.height}"


SMALL, LARGE, DOOM = Images(64, 64, 256), Images(224, 224, 64), Images(320, 240, 64)


def indoor(*, rows: int = 256, repeat: int = 5, seconds: float = 2.0) -> Report:
    """Measure everything, on Linux.

    Args:
        rows: Rows of a batch of ObjectNav.
        repeat: Interleaved repeats.
        seconds: Length of each repeat.

    Returns:
        Plain numbers and words: ``speeds`` (list of images, views and, by contender, frames or steps/s), ``peers``
        (name -> version, or why it is not there), ``starts`` (list of what a fresh process took to step: s, and s
        of all processors; MB), ``load`` (of the machine before), and what they were measured with.
    """
    report = {**made_with(rows, repeat, seconds), "rooms": ROOMS, "starts": _starts(rows)}
    houses = houses_of("ithor", "train", ROOMS)
    print(f"dressing {len(houses)} rooms", file=sys.stderr)
    scenes = [dress(house) for house in houses]
    report |= {"objects": sum(len(scene.objects) for scene in scenes), "peers": {}, "speeds": []}
    for images in (SMALL, LARGE, DOOM):
        contenders = threaded("renderer", _renderer(houses, scenes, images))
        if images is SMALL:
            contenders |= threaded("ObjectNav", _world(rows))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # ViZDoom leaves files where it starts
            peers, found = _beside_peers(contenders, images, repeat, seconds)
        report["peers"] |= peers
        report["speeds"].append({"images": images.name, "views": images.views, "by": found})
    return report


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """A report as tables: title, column titles and rows of text."""
    how = f"{report['rooms']} iTHOR rooms of {report['objects']} objects; {report['rows']} rows of ObjectNav, RGB-D"
    speeds = []
    for one in report["speeds"]:
        ours = {name: rate["median"] for name, rate in one["by"].items() if name not in report["peers"]}
        for name, rate in one["by"].items():
            lead = [f"{our / rate['median']:.1f}x" if name in report["peers"] else "" for our in ours.values()]
            spread = f"{rate['low']:,.0f} to {rate['high']:,.0f}"
            used = f"{rate['processors']:.1f}"
            speeds.append([one["images"], name, f"{rate['median']:,.0f}", spread, used, " / ".join(filter(None, lead))])
    starts = [
        [one["what"], *(f"{one[name]:.1f}" for name in ("build", "frame", "step", "processors"))]
        + [f"{one[name]:,.0f}" for name in ("scenes_mb", "images_mb", "resident_mb", "peak_mb")]
        for one in report["starts"]
    ]
    return [
        (
            f"{machine(report)}\n{how}\n"
            f"frames/s (renderer: RGB, depth and instance in one pass) or steps/s, median of {report['repeat']} x "
            f"{report['seconds']:g} s; processors that this process used meanwhile; and how many times faster than a "
            "peer foveal's are, in their order",
            ["images", "contender", "per second", "lowest to highest", "processors", "faster"],
            speeds,
        ),
        (
            f"{report['rows']} rows of ObjectNav in a fresh process: seconds from the import until the world is built, "
            "the first frames are drawn and the first step is done, and of all processors; memory [MB]",
            ["rooms, kernels", "built", "frames", "step", "processors", "scenes", "images", "resident", "peak"],
            starts,
        ),
    ]


def _renderer(houses: tuple[House, ...], scenes: list[Scene], images: Images) -> Step:
    """Frames of a batch of views, over all rooms by turns."""
    camera = Camera.from_vertical_fov(images.width, images.height, ObjectNavParams().vertical_fov)
    renderer = Renderer(scenes, camera, OUTPUTS, images.views)
    which = np.arange(CYCLE * images.views).reshape(CYCLE, -1) % len(houses)
    poses = _poses(houses, which)
    out, count = renderer.images(images.views), 0

    def step() -> int:
        nonlocal count
        renderer.render(which[count % CYCLE], poses[count % CYCLE], out)
        count += 1
        return images.views

    return step


def _poses(houses: tuple[House, ...], which: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cameras' poses (..., 4, 4) in houses (...): anywhere reachable, any way round, at the eye height of ObjectNav."""
    rng = np.random.default_rng(0)
    lattice = explore(houses, survey(houses))
    chosen = rng.integers(lattice.starts[which], lattice.starts[which + 1])
    height = np.full((*which.shape, 1), ObjectNavParams().camera_height)
    yaw, pitch = rng.integers(0, HEADINGS, which.shape), rng.integers(LOWEST, HIGHEST + 1, which.shape)
    return look(np.concatenate([lattice.positions[chosen], height], -1), yaw * TURN, pitch * TURN)


def _world(rows: int) -> Step:
    env = gymnasium.make_vec(WORLD, num_envs=rows)
    env.reset(seed=0)
    shares = np.full(END + 1, (1 - END_SHARE) / END)
    shares[END] = END_SHARE
    return batched(env, np.random.default_rng(0).choice(END + 1, size=(64, rows), p=shares))


# Peers


def _beside_peers(
    contenders: dict[str, Step], images: Images, repeat: int, seconds: float
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The peer that draws such images, with its version or why it is not there; and everyone's speed."""
    peers: dict[Images, tuple[str, Callable[[Images], Step]]] = {
        SMALL: ("MiniWorld", _miniworld),
        DOOM: ("ViZDoom", _vizdoom),
    }
    told = {}
    if images in peers:
        name, start = peers[images]
        if not installed(name.lower()):
            told[name] = "not installed"
        else:
            try:
                contenders = contenders | {name: start(images)}
                told[name] = version(name.lower())
            except Exception as error:  # whatever graphics drivers and displays may raise
                told[name] = f"does not start ({type(error).__name__}: {error})".replace("\n", " ")
    return told, interleaved(contenders, images.name, repeat, seconds)


def _miniworld(images: Images) -> Step:
    """Steps of MiniWorld, each of which draws one frame; it needs EGL, but no display."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        import pyglet

        pyglet.options["headless"] = True  # read when the first window is made
        import miniworld  # noqa: F401

        env = gymnasium.make("MiniWorld-FourRooms-v0", obs_width=images.width, obs_height=images.height)
        env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, env.action_space.n, 4096)  # type: ignore[attr-defined]
    count = 0

    def step() -> int:
        nonlocal count
        _, _, terminated, truncated, _ = env.step(actions[count % len(actions)])
        count += 1
        if terminated or truncated:
            env.reset()
        return 1

    return step


def _vizdoom(images: Images) -> Step:
    """Steps of ViZDoom's maze, each of which draws one frame."""
    import vizdoom

    game = vizdoom.DoomGame()
    game.load_config(os.path.join(vizdoom.scenarios_path, "my_way_home.cfg"))
    game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{images.width}X{images.height}"))
    game.set_screen_format(vizdoom.ScreenFormat.RGB24)
    game.set_depth_buffer_enabled(True)
    game.set_labels_buffer_enabled(True)
    game.set_window_visible(False)
    game.init()
    actions = np.eye(game.get_available_buttons_size())[np.random.default_rng(0).integers(0, 3, 4096)].tolist()
    count = 0

    def step() -> int:
        nonlocal count
        game.make_action(actions[count % len(actions)])
        count += 1
        if game.is_episode_finished():
            game.new_episode()
        state = game.get_state()
        assert state.screen_buffer is not None and state.depth_buffer is not None and state.labels_buffer is not None
        return 1

    return step


# Start and memory

_START = """
import json, time
begin, taken = time.perf_counter(), {}
import gymnasium, numpy, foveal
env = gymnasium.make_vec("foveal/ObjectNav-v0", num_envs=ROWS, houses=HOUSES)
taken["build"] = time.perf_counter() - begin
env.reset(seed=0)
taken["frame"] = time.perf_counter() - begin
seen, *_ = env.step(numpy.zeros(ROWS, int))
taken["step"] = time.perf_counter() - begin
taken["processors"] = time.process_time()
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in ("VmRSS", "VmHWM"):
        taken["resident_mb" if name == "VmRSS" else "peak_mb"] = int(value.split()[0]) * 1024 / 1e6
taken["scenes_mb"] = env.renderer.nbytes / 1e6
taken["images_mb"] = sum(seen[name].nbytes for name in ("rgb", "depth")) / 1e6
print(json.dumps(taken))
"""


def start_script(rows: int, houses: int) -> str:
    """A program that makes, resets and steps an ObjectNav, and prints what that took as JSON."""
    return _START.replace("ROWS", str(rows)).replace("HOUSES", str(houses))


def _starts(rows: int) -> list[dict[str, Any]]:
    """What fresh processes took to step: with an empty cache of kernels, a filled one, and with all training rooms."""
    print("start with an empty and with a filled cache", file=sys.stderr)
    few = ObjectNavParams().houses
    runs = {f"{few}, compiled": few, f"{few}, from the cache": few, "all of train, from the cache": 0}
    with tempfile.TemporaryDirectory() as cache:
        return [
            {"what": what} | json.loads(in_fresh_process(start_script(rows, houses), cache))
            for what, houses in runs.items()
        ]
