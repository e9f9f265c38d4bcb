"""Videos of rollouts: frames streamed to disk at simulation rate, with what the policy does and attends to."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from foveal.envs.scene import Scene

Frame = NDArray[np.uint8]
Policy = Callable[[Any], Any]

HEADS = ((255, 196, 77), (86, 204, 242), (255, 110, 199), (182, 146, 255))
"""RGB of the attention heads."""

_HOLD = 1.0  # s for which a video shows the last state of an episode
_H264 = (
    "-crf 18 -preset faster -movflags +faststart -vf crop=trunc(iw/2)*2:trunc(ih/2)*2,"
    "scale=out_color_matrix=bt709,setparams=color_primaries=bt709:color_trc=bt709"
).split()
_GIF = [
    "-filter_complex",
    "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none",
]
_FORMATS: dict[str, dict[str, Any]] = {
    ".mp4": {"codec": "libx264", "pix_fmt_out": "yuv420p", "output_params": _H264},
    ".gif": {"codec": "gif", "pix_fmt_out": "pal8", "output_params": _GIF},
}


@dataclass(frozen=True)
class Annotation:
    """What a picture tells about the policy, beside the scene.

    Attributes:
        action: Name of the action under way, or None.
        reward: Sum of the episode's rewards so far.
        attention: (S,) or (heads, S) weights over the slots of `Scene.observed`, or None.
    """

    action: str | None = None
    reward: float = 0.0
    attention: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True)
class RecordResult:
    """What `record` wrote: one entry an episode.

    Attributes:
        paths: The videos.
        frames: Frames in each.
        returns: Undiscounted sum of rewards.
        lengths: Policy steps.
        fps: Frames per second of the videos.
    """

    paths: tuple[Path, ...]
    frames: tuple[int, ...]
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    fps: float


def record(
    env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any],
    policy: Policy,
    path: str | Path,
    *,
    episodes: int = 1,
    seed: int | None = None,
    speed: float = 1.0,
    smooth: int = 1,
    zoom: float = 2.0,
    max_steps: int | None = None,
) -> RecordResult:
    """Play episodes and write a video of each, every substep a frame.

    A bare `BatchEnv` or `SingleEnv` is only the model for a world of one row that is made, played and closed here:
    the caller's own rows are not touched. A wrapped one is played itself; it must have one row, and that row traced.
    Any other `gymnasium.Env` gives one frame a step by its ``render()``.

    Args:
        env: The environment, single or vector.
        policy: Maps observations (1, ...) to actions (1, ...), or to (actions, info), where the dict `info` may hold
            ``attention`` (1, S) or (1, heads, S) and ``action_names``. Any other second value is ignored, so Stable
            Baselines' ``predict`` will do.
        path: Where to write: ``.mp4`` (H.264) or ``.gif``. With several episodes ``-0``, ``-1``, ... is put before
            the suffix.
        episodes: How many episodes.
        seed: Episode e is seeded with ``seed + e``; None leaves the seeding to the environment.
        speed: Playing speed relative to the world's own time.
        smooth: Frames per substep: above 1, the frames between substeps show the vehicles in between.
        zoom: Enlarges the world's own frame size and scale; not for a foreign environment.
        max_steps: Stop an episode after so many steps.

    Returns:
        What was written.

    Raises:
        ValueError: for an environment or an option that cannot be recorded, or an unknown suffix.
        OSError: where the video cannot be written; no file has the final name then.
    """
    paths = _paths(Path(path), episodes)
    stage = _Stage(env, smooth, zoom)
    fps = stage.rate * speed
    frames, returns, lengths = [], [], []
    try:
        for episode, file in enumerate(paths):
            observation = stage.reset(None if seed is None else seed + episode)
            note = Annotation()
            first = stage.still(note)
            with VideoWriter(file, fps, (first.shape[1], first.shape[0])) as video:
                video.write(first)
                total, length, ended = 0.0, 0, False
                while not ended and length != max_steps:
                    actions, note = _decide(policy, observation, stage.action_names, total)
                    observation, reward, ended = stage.step(actions)
                    for frame in stage.frames(note):
                        video.write(frame)
                    total, length = total + reward, length + 1
                last = stage.still(dataclasses.replace(note, reward=total))
                for _ in range(round(_HOLD * fps)):
                    video.write(last)
            frames.append(video.frames)
            returns.append(total)
            lengths.append(length)
    finally:
        stage.close()
    return RecordResult(paths, tuple(frames), tuple(returns), tuple(lengths), fps)


def _paths(path: Path, episodes: int) -> tuple[Path, ...]:
    if episodes < 1:
        raise ValueError(f"episodes={episodes}: must be at least 1")
    if episodes == 1:
        return (path,)
    digits = len(str(episodes - 1))
    return tuple(path.with_stem(f"{path.stem}-{episode:0{digits}}") for episode in range(episodes))


def _decide(
    policy: Policy, observation: Any, names: Sequence[str], total: float
) -> tuple[NDArray[Any], Annotation]:
    """Ask the policy; what it did in words."""
    answer = policy(observation)
    actions, info = answer if isinstance(answer, tuple) else (answer, None)
    info = info if isinstance(info, dict) else {}
    actions, names = np.asarray(actions), info.get("action_names", names)
    action = actions[0]
    if action.ndim:
        name = " ".join(f"{value:+.2f}" for value in action.ravel())
    else:
        name = names[int(action)] if names else f"{action}"
    attention = info.get("attention")
    return actions, Annotation(name, total, None if attention is None else np.asarray(attention)[0])


class _Stage:
    """One row of any environment: played through observations and actions with a leading axis of 1, and drawn.

    Attributes:
        rate: Frames per second of the world's own time.
        action_names: Names of the discrete actions, where the world has them.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any], smooth: int, zoom: float
    ) -> None:
        from foveal.envs.batch import BatchEnv

        base = env.unwrapped
        self._world: BatchEnv | None = base if isinstance(base, BatchEnv) else getattr(base, "batch", None)
        self._owned = self._world is not None and env is base
        if self._world is not None and self._owned:
            env = self._world = _twin(self._world)
        self._env, self._smooth, self._zoom, self._steps = env, smooth, zoom, 0
        if self._world is None:
            self._check_foreign()
            self.rate = float(env.metadata["render_fps"])
        else:
            self._check_world(self._world)
            self.rate = float(self._world.params.simulation_frequency) * smooth
        self.action_names: Sequence[str] = getattr(self._world, "action_names", ())

    def _check_foreign(self) -> None:
        env, name = self._env, type(self._env.unwrapped).__name__
        if isinstance(env, VectorEnv) or env.render_mode != "rgb_array" or not env.metadata.get("render_fps"):
            raise ValueError(
                f"{name} cannot be recorded: it must be a single environment made with render_mode='rgb_array', "
                "and tell its metadata['render_fps']"
            )
        if self._smooth != 1:
            raise ValueError(f"smooth={self._smooth}: must be 1 for {name}, which has no substeps")

    def _check_world(self, world: Any) -> None:
        if (
            world.num_envs != 1
            or 0 not in world.trace_rows
            or world.autoreset_mode is AutoresetMode.SAME_STEP
        ):
            raise ValueError(
                f"this wrapped {type(world).__name__} cannot be recorded: it must have one row, trace_rows=(0,) and "
                "an autoreset_mode other than 'same_step'"
            )
        if self._smooth < 1:
            raise ValueError(f"smooth={self._smooth}: must be at least 1")

    def close(self) -> None:
        """Close what was made here."""
        if self._owned:
            self._env.close()

    def reset(self, seed: int | None) -> Any:
        """Begin an episode: the observation (1, ...)."""
        observation, _ = self._env.reset(seed=seed)
        self._steps = 0
        self._last = None if self._world is None else self._world.describe([0])[0]
        return observation if isinstance(self._env, VectorEnv) else _batched(observation)

    def step(self, actions: NDArray[Any]) -> tuple[Any, float, bool]:
        """Step: observation (1, ...), reward, and whether the episode has ended."""
        self._steps += 1
        if isinstance(self._env, VectorEnv):
            observation, rewards, terminated, truncated, _ = self._env.step(actions)
            return observation, float(rewards[0]), bool(terminated[0] or truncated[0])
        action = actions[0].item() if actions.ndim == 1 else actions[0]
        observation, reward, ended, cut, _ = self._env.step(action)
        return _batched(observation), float(reward), bool(ended or cut)

    def frames(self, note: Annotation) -> Iterator[Frame]:
        """The frames of the last step."""
        if self._world is None:
            yield self.still(note)
            return
        for scene in self._world.trace(0):
            for part in range(1, self._smooth):
                yield self._world.draw(_between(self._last, scene, part / self._smooth), note, self._zoom)
            yield self._world.draw(scene, note, self._zoom)
            self._last = scene

    def still(self, note: Annotation) -> Frame:
        """The present state."""
        if self._world is not None:
            return self._world.draw(self._last, note, self._zoom)
        frame = np.array(self._env.render(), np.uint8)
        items = [("return", f"{note.reward:.2f}"), ("time", f"{self._steps / self.rate:.1f} s")]
        panel(frame, [("action", note.action), *items] if note.action else items)
        return frame


def _twin(world: Any) -> Any:
    """A world of one traced row with the parameters of `world`."""
    options = {"max_episode_steps": world.max_episode_steps, **dataclasses.asdict(world.params)}
    return type(world)(1, render_mode="rgb_array", autoreset_mode="disabled", trace_rows=(0,), **options)


def _batched(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: _batched(value) for key, value in observation.items()}
    return np.asarray(observation)[None]


def _between(before: Scene, after: Scene, part: float) -> Scene:
    """The scene between two substeps, for the eye: what moves has gone `part` of its way, all else is as before."""
    turn = (after.heading - before.heading + np.pi) % (2 * np.pi) - np.pi
    return dataclasses.replace(
        before,
        time_s=before.time_s + part * (after.time_s - before.time_s),
        position=before.position + part * (after.position - before.position),
        heading=before.heading + part * turn,
        speed=before.speed + part * (after.speed - before.speed),
        observed=after.observed,
    )


class VideoWriter:
    """Streams RGB frames to a video file; a context manager.

    The file gets its name when it is complete: until then, and after an exception or Ctrl-C, there is no file of that
    name (or the one that was there before).

    Args:
        path: The file: ``.mp4`` (H.264, yuv420p: an odd last row or column is cut off) or ``.gif``.
        fps: Frames per second.
        size: Width and height of the frames, pixels.

    Raises:
        ValueError: for an unknown suffix, a rate or size that is not positive, or a frame of another shape or dtype.
        OSError: where the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path, self.fps, self.size, self.frames = Path(path), fps, size, 0
        if self.path.suffix not in _FORMATS:
            raise ValueError(f"{self.path}: a video's suffix must be one of {', '.join(_FORMATS)}")
        if not 0 < fps < 1000:
            raise ValueError(f"fps={fps}: must be in (0, 1000)")
        if min(size) < 2:
            raise ValueError(f"size={size}: must be at least 2 x 2 pixels")
        self._part = self.path.with_name(
            f".{self.path.stem}.{os.getpid()}-{os.urandom(3).hex()}{self.path.suffix}"
        )

    def __enter__(self) -> Self:
        from imageio_ffmpeg import write_frames

        if self.path.is_dir():
            raise IsADirectoryError(f"cannot write {self.path}: it is a folder")
        try:
            self._part.touch(exist_ok=False)
        except OSError as error:
            raise type(error)(f"cannot write {self.path}: {self.path.parent}: {error.strerror}") from None
        options = {
            "quality": None,
            "macro_block_size": 1,
            "ffmpeg_log_level": "quiet",
            **_FORMATS[self.path.suffix],
        }
        rate = Fraction(self.fps).limit_denominator(1001)
        self._stream = write_frames(str(self._part), self.size, fps=rate, **options)
        self._stream.send(None)
        return self

    def write(self, frame: Frame) -> None:
        """Append a frame (height, width, 3) uint8 RGB."""
        expected = (self.size[1], self.size[0], 3)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise ValueError(
                f"a frame must be uint8 of shape {expected}, got {frame.dtype} of shape {frame.shape}"
            )
        try:
            self._stream.send(np.ascontiguousarray(frame))
        except OSError:
            raise self._torn() from None
        self.frames += 1

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        try:
            self._stream.close()
            if kind is None:
                self._finish()
        finally:
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        from imageio_ffmpeg import count_frames_and_secs

        if not self.frames:
            raise ValueError(f"no frame was written to {self.path}")
        try:
            complete = count_frames_and_secs(str(self._part))[0] == self.frames
        except RuntimeError:
            complete = False
        if not complete:
            raise self._torn()
        self._part.replace(self.path)

    def _torn(self) -> OSError:
        free = shutil.disk_usage(self.path.parent).free / 1e6
        return OSError(
            f"cannot write {self.path}: ffmpeg failed at frame {self.frames} ({free:,.0f} MB are free there)"
        )


@cache
def _font() -> Any:
    import cv2

    return cv2.FontFace("sans")


def panel(
    frame: Frame, items: Sequence[tuple[str, str]], legend: Sequence[tuple[str, tuple[int, int, int]]] = ()
) -> None:
    """Draw a line of labelled values along a frame's top, and coloured keys at its right end; in place.

    What does not fit is left out: first the labels, then the keys, then the last values.

    Args:
        frame: (H, W, 3) uint8 RGB.
        items: (label, value) pairs.
        legend: (label, RGB) pairs.
    """
    import cv2

    height, width = frame.shape[:2]
    size = int(np.clip(min(0.075 * height, width / 52), 10, 28))  # px, of the letters
    strip = frame[: 2 * size]
    fade = np.clip((2 * size - np.arange(len(strip))) / size, 0, 1)[:, None, None]
    strip[...] = strip * (1 - 0.5 * fade)

    def measure(text: str, weight: int) -> int:
        return cv2.getTextSize((width, height), text, (0, 0), _font(), size, weight)[2]

    def put(text: str, x: int, colour: tuple[int, int, int], weight: int) -> None:
        cv2.putText(frame, text, (x, round(1.45 * size)), colour, _font(), size, weight)

    gap, right = size // 2, width - size
    wide = [
        -(-measure(value, 600) // size) * size + 2 * gap for _, value in items
    ]  # in steps, lest they jitter
    keys = sum(measure(label, 400) + 2 * size + gap for label, _ in legend)
    labels = [measure(label, 400) + gap for label, _ in items]
    if size + sum(wide) + sum(labels) + keys > width:
        labels = [0] * len(items)
    if size + sum(wide) + keys <= width:
        for label, colour in reversed(legend):
            right -= measure(label, 400)
            put(label, right, (190, 197, 206), 400)
            dot = ((right - size // 2 - 2) * 16, round(1.08 * size * 16))
            cv2.circle(frame, dot, round(0.28 * size * 16), colour, cv2.FILLED, cv2.LINE_AA, shift=4)
            right -= 2 * size + gap
    x = size
    for (label, value), span, room in zip(items, wide, labels, strict=True):
        if x + room + span > right + 2 * gap:
            break
        if room:
            put(label, x, (150, 158, 168), 400)
        put(value, x + room, (240, 243, 246), 600)
        x += room + span
