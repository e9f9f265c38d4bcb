"""Drive yourself: ``foveal play``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

from foveal.commands.acting import checked_seed
from foveal.commands.keyboard import ARROWS, Keyboard
from foveal.commands.terminal import BadInput, Failure, told_as
from foveal.commands.window import CLOSED, Window, check_display
from foveal.commands.worlds import Settings, world_params
from foveal.envs.overlay import Frame, banner, panel
from foveal.envs.scene import Scene

if TYPE_CHECKING:
    from foveal.envs.episodes import Dataset, Episode

_SCREEN = (1200, 800)  # px, which a window does not exceed unless asked to
_FPS = 60  # most frames a second
_CATCH_UP = 0.1  # s, most by which the world hurries to make up for a delay

_QUIT = ("q", "escape", CLOSED)
_AGAIN = "r"
_PAUSE = ("space", "p")
_GO = ("space", "return", "p")
_HELP = "space: pause; r: new episode; q: quit"


@dataclass(frozen=True)
class Play:
    """Drive a world yourself, by the arrow keys in a window."""

    env: Annotated[str, Positional, arg(metavar="ENV")]
    """World (`foveal list` shows them)."""
    set: Settings = ()
    """A parameter of the world (`foveal list ENV` shows them); policy_frequency=5 decides five times a second."""
    seed: int = 0
    """Seed of the first episode; each next one has the next seed [1]."""
    episodes: int = 0
    """Episodes, after which it ends; 0 goes on until you quit [1]."""
    speed: float = 1.0
    """Playing speed relative to the world's own time [1]."""
    zoom: float = 0.0
    """Enlarges the world's own picture; 0 for up to twice, as far as it fits into 1200 x 800 pixels [1]."""
    save: str | None = None
    """Minari dataset to keep the episodes in, such as highway/mine-v0; one that is broken off counts as truncated."""

    def run(self) -> None:
        """Open a window and drive, until the user quits."""
        params = world_params(self.env, self.set)
        checked_seed(self.seed)
        if self.episodes < 0:
            raise BadInput(f"--episodes {self.episodes}: must be at least 0")
        if not 0.01 <= self.speed <= 1e6:
            raise BadInput(f"--speed {self.speed:g}: must be in [0.01, 1000000]")
        if self.zoom and not 0.25 <= self.zoom <= 8:
            raise BadInput(f"--zoom {self.zoom:g}: must be 0, or in [0.25, 8]")
        check_display()
        dataset = None if self.save is None else _new_dataset(self.save, self.env, params)

        import gymnasium

        from foveal.envs.driving.world import DrivingWorld

        with told_as(BadInput, ValueError, OSError, ImportError):  # what only the built world can refuse
            env = gymnasium.make(self.env, render_mode="rgb_array", **params)
        world = env.unwrapped.batch  # type: ignore[attr-defined]
        if not isinstance(world, DrivingWorld):
            raise BadInput(f"{self.env} cannot be driven; `foveal record` films agents in it")
        screen: Any = world.params
        size = (screen.screen_width, screen.screen_height)
        zoom = self.zoom or min(2.0, *(most / pixels for most, pixels in zip(_SCREEN, size, strict=True)))
        width, height = (round(pixels * zoom) for pixels in size)
        with Window(f"foveal play {self.env}", (width, height)) as window:
            game = Game(env, window, zoom=zoom, speed=self.speed)
            print(f"{self.env}: {game.keyboard.help}; {_HELP}", flush=True)
            self._drive(game, dataset)

    def _drive(self, game: Game, dataset: Dataset | None) -> None:
        """Drive episodes; each one is kept as soon as it is over, also where Ctrl-C ends it."""
        from foveal.envs.episodes import Episode

        try:
            for number in range(self.episodes) if self.episodes else count():
                episode, wants_more = Episode(self.seed + number), True
                try:
                    wants_more = game.play(episode)
                finally:
                    if len(episode):
                        print(f"seed {episode.seed}: {game.told(episode)}", flush=True)
                    if len(episode) and dataset is not None:
                        with told_as(Failure, OSError, ValueError):  # the name may have been taken meanwhile
                            dataset.keep(episode)
                if not wants_more:
                    break
        finally:
            if dataset is not None and dataset.episodes:
                episodes = "1 episode" if dataset.episodes == 1 else f"{dataset.episodes} episodes"
                print(f"saved {dataset.name}: {episodes} in {dataset.path}")


def _new_dataset(name: str, env_id: str, params: dict[str, Any]) -> Dataset:
    from foveal.envs.episodes import Dataset

    with told_as(BadInput, ValueError, OSError):
        try:
            return Dataset(name, env_id, params, driver="a human at the keyboard of foveal play")
        except ImportError:
            raise BadInput(f"--save {name}: needs Minari; pip install 'foveal[minari]'") from None


class Game:
    """Drives episodes by the keyboard, in a window and in the world's own time.

    The world is stepped when a decision is due; until the next one the window shows its substeps, and what lies
    between them, by the clock.

    Args:
        env: A single driving world with a render mode, which may be wrapped.
        window: Of the size of the world's frames times `zoom`.
        zoom: Enlarges the world's own picture.
        speed: Of the clock, relative to the world's own time.

    Attributes:
        keyboard: What the arrows do.
    """

    def __init__(self, env: Any, window: Window, *, zoom: float = 1.0, speed: float = 1.0) -> None:
        self._env, self._window, self._zoom = env, window, zoom
        self._world = env.unwrapped.batch
        self._period = 1 / (self._world.params.policy_frequency * speed)  # s
        self.keyboard = Keyboard(self._world)
        self._due = 0.0  # s, by `time.perf_counter`: when the next decision is
        self._wish = ""  # "quit", or "again" for a new episode
        self._words = ""  # the action under way
        self._info: dict[str, Any] = {}
        self._greeted = False

    def play(self, episode: Episode) -> bool:
        """Drive an episode, to its end or as long as the user likes; whether they want another one."""
        self._wish = self._words = ""
        self.keyboard.reset()
        episode.begin(self._env)
        scene = self._world.describe([0])[0]
        if not self._greeted:
            self._hold(scene, episode, "space: start", self.keyboard.help, _HELP)
            self._greeted = True
        self._due = time.perf_counter()
        while not (episode.ended or self._wish):
            scene = self._drive(episode)
        if episode.ended and not self._wish:
            title, _, rest = self.told(episode).partition(", ")
            self._hold(scene, episode, title, rest, "space: go on; q: quit")
        return self._wish != "quit"

    def told(self, episode: Episode) -> str:
        """How the episode that was played last went, one line."""
        if not episode.ended:
            how = "broken off"
        elif self._info.get("crashed"):
            how = "crashed"
        elif self._info.get("is_success"):
            how = "success"
        else:
            how = "time is up" if episode.truncations[-1] else "the end"
        return f"{how}, return {sum(episode.rewards):.2f} in {len(episode)} steps"

    def _drive(self, episode: Episode) -> Scene:
        """One step: decide, and show what comes of it until the next decision is due; the last scene of it."""
        if hasattr(self._world, "come_and_go"):  # the traffic that a step would begin with
            self._world.come_and_go(np.zeros(1, np.int64))
        scenes, status = self._world.describe([0]), self._status(episode)
        action, self._words = self.keyboard.decide()
        self._info = episode.step(self._env, action)
        scenes += self._world.trace(0)
        begin, scene = max(self._due, time.perf_counter() - _CATCH_UP), scenes[0]
        while True:
            if any(key in _PAUSE for key in self._hear()):
                begin += self._hold(scene, episode, "paused", "space: go on; r: new episode; q: quit")
            passed = (time.perf_counter() - begin) / self._period
            if self._wish or passed >= 1:
                break
            place, part = divmod(passed * (len(scenes) - 1), 1)
            scene = self._world.between(scenes[int(place)], scenes[int(place) + 1], part)
            self._window.show(self._picture(scene, status))
            self._window.wait(_FPS)
        self._due = begin + self._period
        return scenes[-1]

    def _hold(self, scene: Scene, episode: Episode, title: str, *lines: str) -> float:
        """Show a banner over a scene until the user goes on, or wishes something else; the seconds it took."""
        begin = time.perf_counter()
        frame = self._picture(scene, self._status(episode))
        banner(frame, title, [line.replace("; ", "   ·   ") for line in lines])
        while not (self._wish or any(key in _GO for key in self._hear())):
            self._window.show(frame)
            self._window.wait(_FPS)
        return time.perf_counter() - begin

    def _hear(self) -> list[str]:
        """The keys pressed since the last call; arrows go to the keyboard, and wishes are noted."""
        pressed = []
        for key, down in self._window.presses():
            if key in ARROWS:
                (self.keyboard.press if down else self.keyboard.release)(key)
            if down:
                pressed.append(key)
        if any(key in _QUIT for key in pressed):
            self._wish = "quit"
        elif _AGAIN in pressed:
            self._wish = "again"
        return pressed

    def _status(self, episode: Episode) -> list[tuple[str, str]]:
        return [("return", f"{sum(episode.rewards):.2f}"), ("step", f"{len(episode)}")]

    def _picture(self, scene: Scene, status: Sequence[tuple[str, str]]) -> Frame:
        """A frame with a line along its top: action, speed, return, step, and the action that waits for its turn."""
        frame: Frame = self._world.draw(scene, zoom=self._zoom)
        items = [("action", self._words)] if self._words else []
        items += [("speed", f"{scene.speed[scene.ego]:.1f} m/s"), *status]
        items += [("next", waiting)] if (waiting := self.keyboard.waiting) else []
        panel(frame, items, shade=0.8)
        return frame
