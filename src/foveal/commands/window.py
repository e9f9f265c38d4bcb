"""A window on the screen: it shows frames, and tells which keys go down and up."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Self

from foveal.commands.terminal import Failure
from foveal.envs.overlay import Frame

CLOSED = "closed"
"""The name of the key that the button for closing the window stands for."""


class Window:
    """A window, opened by pygame; a context manager.

    Args:
        title: Of the window.
        size: Width and height of the frames, pixels.

    Raises:
        Failure: where there is no display, or pygame cannot open a window on it.
    """

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        check_display()
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        self._pygame, self._clock = pygame, pygame.time.Clock()
        try:
            pygame.display.init()
            self._screen = pygame.display.set_mode(size)
        except pygame.error as error:
            pygame.display.quit()
            raise Failure(f"no window: {error}") from None
        pygame.display.set_caption(title)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pygame.display.quit()

    def show(self, frame: Frame) -> None:
        """Show a frame (H, W, 3) uint8 RGB of the window's size."""
        height, width = frame.shape[:2]
        self._screen.blit(self._pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB"), (0, 0))
        self._pygame.display.flip()

    def presses(self) -> Iterator[tuple[str, bool]]:
        """What has happened since the last call: names of keys in lower case, and whether they went down."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                yield CLOSED, True
            elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
                yield pygame.key.name(event.key), event.type == pygame.KEYDOWN

    def wait(self, fps: float) -> None:
        """Wait until the next of `fps` frames a second is due."""
        self._clock.tick(fps)


def check_display() -> None:
    """Refuse to go on where no window can be opened.

    Raises:
        Failure: on Linux, where neither X11 nor Wayland is there and SDL has not been told to do without.
    """
    known = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in known):
        raise Failure("no display: neither DISPLAY nor WAYLAND_DISPLAY is set; `foveal record` films without one")
