"""Split screen: the two futures of a branched episode next to each other, as a video and as a picture."""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foveal.agents.branching import Episode
from foveal.envs.overlay import Annotation, Colour, Frame, text_width, write
from foveal.envs.recording import VideoWriter, smoothed
from foveal.envs.scene import Scene

COLOURS: tuple[Colour, Colour] = ((214, 222, 232), (255, 138, 92))
"""RGB of the future as it was, and of the other one: none that attention has."""
NEVER = 1000.0  # s, the time to collision where nobody is in the way

_WIDTH, _HEIGHT = 1280, 720  # px, of both frames together
_BACKGROUND: Colour = (14, 17, 22)
_BRIGHT: Colour = (240, 243, 246)
_DIM: Colour = (140, 148, 158)
_CAPTION, _GAP, _LINE = 40, 10, 24  # px: a caption's height, between frames, the time line's height
_PAUSE, _HOLD = 1.5, 2.0  # s for which the branch and the ends stand still
_MOMENTS, _PLOT = 4, 260  # in a picture: moments of each future, and the plot's height, px


@dataclass(frozen=True)
class Shot:
    """An episode at one moment, after `step` steps: what is to be drawn."""

    scene: Scene
    note: Annotation
    step: int


class SplitScreen:
    """Two futures of an episode, to be drawn: side by side, or one above the other where frames are wide.

    Args:
        futures: As `foveal.agents.branching.branch` gives them.
        names: What each is called.
        step: How many steps they have in common.
    """

    def __init__(self, futures: tuple[Episode, Episode], names: tuple[str, str], step: int) -> None:
        self.futures, self.names, self.step = futures, names, step
        self._world: Any = futures[0].world
        self._start_s = futures[0].scenes[step][-1].time_s
        height, width = self._world.draw(futures[0].scenes[0][0]).shape[:2]
        beside = min(_WIDTH / (2 * width), _HEIGHT / height)
        above = min(_WIDTH / width, _HEIGHT / (2 * height))
        self.above, self._zoom, self._width = above >= beside, max(above, beside), width

    def film(self, path: Path, *, past_s: float = 5.0, smooth: int = 1) -> None:
        """Write a video: the common past, a pause where the futures branch, then both, to the later one's end.

        Args:
            path: ``.mp4`` or ``.gif``.
            past_s: How much of the common past is shown, s.
            smooth: Frames a substep; see `foveal.envs.recording.record`.

        Raises:
            ValueError: for an unknown suffix.
            OSError: where the video cannot be written.
        """
        was, start_s = self.futures[0], self._start_s
        first = next(k for k, scenes in enumerate(was.scenes) if scenes[-1].time_s >= start_s - past_s)
        past = list(shots(was, first, self.step, smooth))
        futures = [list(shots(future, self.step, len(future.rewards), smooth)) for future in self.futures]
        span = past[0].scene.time_s, max(future[-1].scene.time_s for future in futures)
        fps = self._world.frame_rate * smooth
        chosen = [str(future[0].note.action).replace("_", " ").lower() for future in futures]
        still = self._frame([future[0] for future in futures], [f"step {self.step}"] * 2, chosen, span)
        with VideoWriter(path, fps, (still.shape[1], still.shape[0])) as video:
            for shot in past:
                told = f"branches in {start_s - shot.scene.time_s:.1f} s"
                video.write(self._frame([shot] * 2, [told] * 2, ["", ""], span))
            for _ in range(round(_PAUSE * fps)):
                video.write(still)
            for pair in itertools.zip_longest(*(future[1:] for future in futures)):
                now = [shot or future[-1] for shot, future in zip(pair, futures, strict=True)]
                endings = [self.ending(place) if self._ended(place, shot) else "" for place, shot in enumerate(now)]
                still = self._frame(now, [self._risk(place, shot) for place, shot in enumerate(now)], endings, span)
                video.write(still)
            for _ in range(round(_HOLD * fps)):
                video.write(still)

    def picture(self) -> Frame:
        """Moments of both futures, from the branch to the sooner one's end, and their returns over time: (H, W, 3)."""
        futures = [list(shots(future, self.step, len(future.rewards))) for future in self.futures]
        shared = min(map(len, futures)) - 1
        chosen = [round(shared * (part / (_MOMENTS - 1)) ** 2) for part in range(_MOMENTS)]  # denser at the branch
        zoom = _WIDTH / (2 if self.above else _MOMENTS) / self._width
        strips = []
        for place, future in enumerate(futures):
            panes = [self._moment(future[index], zoom) for index in chosen]
            body = _joined(panes, axis=0 if self.above else 1)
            told = f"return {sum(self.futures[place].rewards):.2f}, {self.ending(place)}"
            strips.append(np.concatenate([_caption(body.shape[1], self.names[place], COLOURS[place], told), body]))
        body = _joined(strips, axis=1 if self.above else 0)
        return _framed(_joined([body, self._plot(body.shape[1])], axis=0))

    def ending(self, place: int) -> str:
        """How and when a future ended."""
        return f"{self.futures[place].end} at {self.futures[place].scenes[-1][-1].time_s:.1f} s"

    def least_ttc(self, place: int, step: int) -> float:
        """The least time to collision from the branch until so many steps, s; NaN where there is none to tell."""
        return min(self.futures[place].ttc[self.step : step], default=np.nan)

    def _risk(self, place: int, shot: Shot) -> str:
        ttc = self.least_ttc(place, shot.step)
        return "" if np.isnan(ttc) else f"least time to collision {seconds(ttc)}"

    def _ended(self, place: int, shot: Shot) -> bool:
        return shot.step == len(self.futures[place].rewards)

    def _frame(
        self, now: Sequence[Shot], told: Sequence[str], banners: Sequence[str], span: tuple[float, float]
    ) -> Frame:
        """A frame of the video: each future at a moment, with what is told above it and a word in it; see `film`."""
        panes, times = [], [shot.scene.time_s for shot in now]
        branched = bool(banners[0] or banners[1]) or max(times) > self._start_s
        for place, shot in enumerate(now):
            pane: Frame = self._world.draw(shot.scene, shot.note, self._zoom)
            if self._ended(place, shot):
                pane //= 2
            if banners[place]:
                _banner(pane, banners[place], COLOURS[place])
            colour = COLOURS[place] if branched else _DIM
            panes.append(np.concatenate([_caption(pane.shape[1], self.names[place], colour, told[place]), pane]))
        body = _joined(panes, axis=0 if self.above else 1)
        return _framed(np.concatenate([body, self._time_line(body.shape[1], span, times)]))

    def _moment(self, shot: Shot, zoom: float) -> Frame:
        """A frame of a picture, with the time since the branch."""
        pane: Frame = self._world.draw(shot.scene, shot.note, zoom)
        text = f"+{shot.scene.time_s - self._start_s:.1f} s"
        write(pane, text, pane.shape[1] - text_width(text, 13, 600) - 10, pane.shape[0] - 9, _BRIGHT, 13, 600)
        return pane

    def _time_line(self, width: int, span: tuple[float, float], now: Sequence[float]) -> Frame:
        """How far both are: the common past, the branch, and a line for each future."""
        strip = np.full((_LINE, width, 3), _BACKGROUND, np.uint8)

        def place(time_s: float) -> int:
            return round((width - 1) * (time_s - span[0]) / (span[1] - span[0]))

        start, middle = place(self._start_s), _LINE // 2 + 4
        strip[middle - 1 : middle + 2] = (38, 43, 51)
        strip[middle - 1 : middle + 2, : min(place(max(now)), start)] = _DIM
        for time_s, colour, y in zip(now, COLOURS, (middle - 4, middle + 1), strict=True):
            strip[y : y + 3, start : max(place(time_s), start)] = colour
        strip[middle - 8 : middle + 8, max(start - 1, 0) : start + 2] = _BRIGHT
        return strip

    def _plot(self, width: int) -> Frame:
        """Return over time of both futures, (_PLOT, width, 3)."""
        import matplotlib.image
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # needs no display
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / 100, _PLOT / 100), dpi=100, layout="constrained", facecolor=_hex(_BACKGROUND))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(facecolor=_hex(_BACKGROUND))
        for place, future in enumerate(self.futures):
            times = np.array([scenes[-1].time_s for scenes in future.scenes])
            returns = np.cumsum([0.0, *future.rewards])
            colour, mark = _hex(COLOURS[place]), "X" if future.end == "crash" else "o"
            axes.plot(times[self.step :], returns[self.step :], color=colour, linewidth=2.2, label=self.names[place])
            axes.plot(times[-1], returns[-1], mark, color=colour, markersize=9)
        axes.plot(times[: self.step + 1], returns[: self.step + 1], color=_hex(_DIM), linewidth=2.2)
        axes.axvline(self._start_s, color=_hex(_BRIGHT), linewidth=1.0, linestyle=(0, (4, 3)))
        axes.margins(x=0.01)
        axes.set_xlabel("time [s]", color=_hex(_DIM))
        axes.set_ylabel("return", color=_hex(_DIM))
        axes.tick_params(colors=_hex(_DIM))
        axes.grid(color="#262b33", linewidth=0.8)
        axes.spines[:].set_visible(False)
        axes.legend(frameon=False, labelcolor=_hex(_BRIGHT), loc="best")
        file = io.BytesIO()
        figure.savefig(file, format="png", facecolor=_hex(_BACKGROUND))
        file.seek(0)
        return np.round(matplotlib.image.imread(file)[..., :3] * 255).astype(np.uint8)


def shots(episode: Episode, first: int, last: int, smooth: int = 1) -> Iterator[Shot]:
    """An episode from the state after `first` steps to that after `last`, at every substep or `smooth` times that.

    The first shot tells of the action that follows, as far as it is among these steps; one at the end, of the return.
    """
    returns = np.cumsum([0.0, *episode.rewards])
    before = episode.scenes[first][-1]
    yield Shot(before, episode.notes[first] if first < last else Annotation(reward=float(returns[first])), first)
    for step in range(first, last):
        note, ending = episode.notes[step], episode.scenes[-1][-1]
        for scene in smoothed(episode.world, before, episode.scenes[step + 1], smooth):
            before = scene
            if scene is ending:
                yield Shot(scene, dataclasses.replace(note, reward=float(returns[-1])), step + 1)
            else:
                yield Shot(scene, note, step)


def seconds(value: float) -> str:
    """A time to collision as text."""
    return "unknown" if np.isnan(value) else "none" if value >= NEVER else f"{value:.1f} s"


def _caption(width: int, name: str, colour: Colour, told: str) -> Frame:
    """What stands above a frame: the future's name, and on the right what there is to tell of it."""
    strip = np.full((_CAPTION, width, 3), _BACKGROUND, np.uint8)
    size = 19 if width >= 900 else 16
    write(strip, name, 2, 27, colour, size, 600)
    x = width - text_width(told, size - 2) - 2
    if x > text_width(name, size, 600) + 20:
        write(strip, told, x, 27, _DIM, size - 2)
    return strip


def _banner(frame: Frame, text: str, colour: Colour) -> None:
    """Write a word into the lower part of a frame, on a darker band; in place."""
    size = int(np.clip(frame.shape[0] / 11, 16, 28))
    top = frame.shape[0] - 2 * size
    frame[top:] //= 2
    write(frame, text, (frame.shape[1] - text_width(text, size, 600)) // 2, top + round(1.36 * size), colour, size, 600)


def _joined(frames: Sequence[Frame], axis: int) -> Frame:
    """Frames below each other (axis 0) or beside each other (1), with gaps."""
    gap = np.full((_GAP, frames[0].shape[1], 3) if axis == 0 else (frames[0].shape[0], _GAP, 3), _BACKGROUND, np.uint8)
    return np.concatenate([part for frame in frames for part in (gap, frame)][1:], axis)


def _framed(frame: Frame) -> Frame:
    """With a margin; even in height and width, as videos need it."""
    height, width = frame.shape[:2]
    below, right = _GAP + height % 2, _GAP + width % 2
    out = np.full((_GAP + height + below, _GAP + width + right, 3), _BACKGROUND, np.uint8)
    out[_GAP : _GAP + height, _GAP : _GAP + width] = frame
    return out


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
