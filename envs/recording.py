"""Videos of rollouts: frames streamed to disk at simulation rate, with what the policy does and sees."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker
from numpy.typing import NDArray

from foveal.envs.advice import ADVICE, words
from foveal.envs.overlay import Annotation, Frame, panel

Policy = Callable[[Any], Any]

_HOLD = 1.0  # s for which a video shows the last state of an episode
_FILTERS = "crop=trunc(iw/2)*2:trunc(ih/2)*2,scale=out_color_matrix=bt709,setparams="
_FILTERS += "color_primaries=bt709:color_trc=bt709"
_H264 = ["-crf", "18", "-preset", "faster", "-movflags", "+faststart", "-vf", _FILTERS]
_GIF = ["-lavfi", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none"]
_GIF += ["-gifflags", "-transdiff-offsetting"]  # which compare frames without heed of their palettes
_FORMATS: dict[str, dict[str, Any]] = {
    ".mp4": {"codec": "libx264", "pix_fmt_out": "yuv420p", "output_params": _H264},
    ".gif": {"codec": "gif", "pix_fmt_out": "pal8", "output_params": _GIF},
}


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
    """Play episodes and write a video of each, with a frame for every substep.

    A `BatchEnv` or `SingleEnv` is only the model of a world of one row that is made, played and closed here:
    the caller's own rows are not touched. A wrapped one is played itself, and must have one row, traced. Any
    other `gymnasium.Env` gives one frame a step, by its ``render()``.

    Args:
        env: The environment, single or vector.
        policy: Maps observations (1, ...) to actions (1, ...) or to (actions, info), where the dict `info`
            may hold ``attention`` (1, S) or (1, heads, S), ``teacher`` (1,), the attention to advice, and
            ``action_names``. A second value that is not a
            dict is ignored, so Stable Baselines' ``predict`` will do. One that remembers has ``begin()`` too.
        path: Where to write, ``.mp4`` (H.264) or ``.gif``. Of several, ``-0``, ``-1``, ... come before it.
        episodes: How many episodes.
        seed: Episode e is seeded with ``seed + e``; None leaves the seeding to the environment.
        speed: Playing speed relative to the world's own time.
        smooth: Frames per substep: above 1, the added ones show the vehicles on their way between substeps.
        zoom: Enlarges the world's own frame size and scale; without effect on a foreign environment.
        max_steps: Stop an episode after so many steps.

    Returns:
        What was written.

    Raises:
        ValueError: for an environment or an option that cannot be recorded, or an unknown suffix.
        OSError: where the video cannot be written; no file has the final name then.
    """
    paths, stage = _paths(Path(path), episodes), _Stage(env, smooth, zoom)
    played = []
    try:
        for episode, file in enumerate(paths):
            begin(policy)
            observation = stage.reset(None if seed is None else seed + episode)
            played.append(_play(stage, policy, observation, file, speed, max_steps))
    finally:
        stage.close()
    frames, returns, lengths = zip(*played, strict=True)
    return RecordResult(paths, frames, returns, lengths, stage.rate * speed)


def _paths(path: Path, episodes: int) -> tuple[Path, ...]:
    if episodes < 1:
        raise ValueError(f"episodes={episodes}: must be at least 1")
    if episodes == 1:
        return (path,)
    digits = len(str(episodes - 1))
    return tuple(path.with_stem(f"{path.stem}-{episode:0{digits}}") for episode in range(episodes))


def _play(
    stage: _Stage, policy: Policy, observation: Any, path: Path, speed: float, max_steps: int | None
) -> tuple[int, float, int]:
    """Record one episode: its frames, return and length."""
    note, total, length, ended = Annotation(), 0.0, 0, False
    first = stage.still(note)
    with VideoWriter(path, stage.rate * speed, (first.shape[1], first.shape[0])) as video:
        video.write(first)
        while not ended and length != max_steps:
            actions, note = decide(policy, observation, stage.action_names, total)
            observation, reward, ended = stage.step(actions)
            for frame in stage.frames(note):
                video.write(frame)
            total, length = total + reward, length + 1
        last = stage.still(dataclasses.replace(note, reward=total))
        for _ in range(round(_HOLD * video.fps)):
            video.write(last)
    return video.frames, total, length


def begin(policy: Policy) -> None:
    """Tell a policy that remembers that a new episode begins: such a one has a method ``begin()``."""
    if callable(told := getattr(policy, "begin", None)):
        told()


def decide(policy: Policy, observation: Any, names: Sequence[str], total: float) -> tuple[NDArray[Any], Annotation]:
    """Ask the policy: its actions (1, ...), and what a picture may tell about them.

    Args:
        policy: As for `record`.
        observation: (1, ...).
        names: Of the world's discrete actions; the policy's own ``action_names`` come before them.
        total: Sum of the rewards so far.
    """
    answer = policy(observation)
    actions, info = answer if isinstance(answer, tuple) else (answer, None)
    info = info if isinstance(info, dict) else {}
    actions, attention = np.asarray(actions), info.get("attention")
    names = info.get("action_names", names)
    name, shown = action_name(actions[0], names), None if attention is None else np.asarray(attention)[0]
    if not isinstance(observation, dict) or ADVICE not in observation:
        return actions, Annotation(name, total, shown)
    heard = info.get("teacher")
    teacher = words(observation[ADVICE][0], names, None if heard is None else float(heard[0]))
    return actions, Annotation(name, total, shown, teacher)


def action_name(action: Any, names: Sequence[str]) -> str:
    """What a picture calls an action: a name, or its numbers."""
    if np.ndim(action):
        return " ".join(f"{value:+.2f}" for value in np.ravel(action))
    return names[int(action)] if len(names) else str(action)


class _Stage:
    """One row of any environment: played with a leading axis of 1 on all arrays, and drawn.

    Attributes:
        rate: Frames per second of the world's own time.
        action_names: Names of the discrete actions, where the world has them.
    """

    def __init__(self, env: Any, smooth: int, zoom: float) -> None:
        from foveal.envs.batch import BatchEnv

        while isinstance(env, (OrderEnforcing, PassiveEnvChecker)):  # what gymnasium.make adds
            env = env.env
        base = env.unwrapped
        world: Any = base if isinstance(base, BatchEnv) else getattr(base, "batch", None)
        self._owned = world is not None and env is base
        if self._owned:
            env = world = twin(world)
        self._env, self._world, self._smooth, self._zoom, self._steps = env, world, smooth, zoom, 0
        if smooth < 1 or (smooth > 1 and world is None):
            raise ValueError(f"smooth={smooth}: must be at least 1, and 1 where the world has no substeps")
        self.rate = _foreign_rate(env) if world is None else world.frame_rate * float(smooth)
        self.action_names: Sequence[str] = getattr(world, "action_names", ())
        if world is not None and (world.num_envs != 1 or 0 not in world.trace_rows):
            raise ValueError(f"a wrapped {type(world).__name__} must be made with one row and trace_rows=(0,)")
        if world is not None and world.autoreset_mode is AutoresetMode.SAME_STEP:
            raise ValueError("autoreset_mode='same_step' hides the last state: make the world with 'disabled'")

    def close(self) -> None:
        """Close what was made here."""
        if self._owned:
            self._env.close()

    def reset(self, seed: int | None) -> Any:
        """Begin an episode: the observation (1, ...)."""
        observation, _ = self._env.reset(seed=seed)
        self._steps = 0
        if self._world is not None:
            self._last = self._world.describe([0])[0]
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
        for scene in smoothed(self._world, self._last, self._world.trace(0), self._smooth):
            yield self._world.draw(scene, note, self._zoom)
            self._last = scene

    def still(self, note: Annotation) -> Frame:
        """The present state."""
        if self._world is not None:
            return np.asarray(self._world.draw(self._last, note, self._zoom))
        frame = np.array(self._env.render(), np.uint8)
        items = [("return", f"{note.reward:.2f}"), ("time", f"{self._steps / self.rate:.1f} s")]
        panel(frame, [("action", note.action), *items] if note.action else items)
        return frame


def twin(world: Any, **changes: Any) -> Any:
    """A world of one traced row with the parameters of `world`, but for the `changes`."""
    options = {"max_episode_steps": world.max_episode_steps, **dataclasses.asdict(world.params), **changes}
    return type(world)(1, render_mode="rgb_array", autoreset_mode="disabled", trace_rows=(0,), **options)


def _foreign_rate(env: Any) -> float:
    """Frames per second of an environment that is not ours, once it is known to draw."""
    rate = env.metadata.get("render_fps")
    if isinstance(env, VectorEnv) or env.render_mode != "rgb_array" or not rate:
        name = type(env.unwrapped).__name__
        raise ValueError(f"{name}: needs to be single, have render_mode='rgb_array' and metadata['render_fps']")
    return float(rate)


def _batched(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: _batched(value) for key, value in observation.items()}
    return np.asarray(observation)[None]


def smoothed(world: Any, before: Any, scenes: Sequence[Any], smooth: int) -> Iterator[Any]:
    """The scenes of consecutive substeps after `before`, each with the ones on the way to it: `smooth` a substep."""
    for scene in scenes:
        for part in range(1, smooth):
            yield world.between(before, scene, part / smooth)
        yield scene
        before = scene


class VideoWriter:
    """Streams RGB frames to a video file; a context manager.

    The file gets its name when it is complete. Until then, and after an exception or Ctrl-C, there is no file
    of that name, or the one that was there before.

    Args:
        path: The file: ``.mp4`` (H.264, yuv420p; an odd last row or column is cut off) or ``.gif``.
        fps: Frames per second.
        size: Width and height of the frames, pixels.

    Raises:
        ValueError: for an unknown suffix, rate or size, no frames, or a frame of another shape or dtype.
        OSError: where the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        self.path, self.fps, self.size, self.frames = Path(path), fps, size, 0
        if self.path.suffix not in _FORMATS:
            raise ValueError(f"{self.path}: a video's suffix must be one of {', '.join(_FORMATS)}")
        if not 0 < fps <= 1000 or min(size) < 2:
            raise ValueError(f"fps={fps}, size={size}: must be in (0, 1000], and at least 2 x 2 pixels")
        token = f"{os.getpid()}-{os.urandom(3).hex()}"
        self._part = self.path.with_name(f".{self.path.stem}.{token}{self.path.suffix}")

    def __enter__(self) -> Self:
        from imageio_ffmpeg import write_frames

        try:
            if self.path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            self._part.touch(exist_ok=False)
        except OSError as error:
            raise type(error)(f"cannot write {self.path}: {error.strerror}") from None
        options = {"quality": None, "macro_block_size": 1, "ffmpeg_log_level": "quiet"}
        options |= _FORMATS[self.path.suffix]
        rate = Fraction(self.fps).limit_denominator(1001)
        self._stream = write_frames(str(self._part), self.size, fps=rate, **options)
        try:
            self._stream.send(None)
        except BaseException:
            self._part.unlink()
            raise
        return self

    def write(self, frame: Frame) -> None:
        """Append a frame (height, width, 3) uint8 RGB."""
        expected = (self.size[1], self.size[0], 3)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 {expected}, got {frame.dtype} {frame.shape}")
        try:
            self._stream.send(np.ascontiguousarray(frame))
        except OSError:
            raise self._torn() from None
        self.frames += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._stream.close()
            if kind is None:
                self._finish()
        finally:
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        """Give the file its name, once every frame is found in it."""
        from imageio_ffmpeg import count_frames_and_secs

        if not self.frames:
            raise ValueError(f"no frame was written to {self.path}")
        try:
            found, _ = count_frames_and_secs(str(self._part))
        except RuntimeError:
            found = 0
        if found != self.frames:
            raise self._torn()
        self._part.replace(self.path)

    def _torn(self) -> OSError:
        free = shutil.disk_usage(self.path.parent).free / 1e6
        return OSError(f"cannot write {self.path}: ffmpeg failed at frame {self.frames}, {free:,.0f} MB free")
