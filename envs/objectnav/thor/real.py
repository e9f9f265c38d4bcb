"""The real AI2-THOR: its client, and a build of it on this machine, without which nothing is tried over the network."""

from __future__ import annotations

import os
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

VARIABLE = "FOVEAL_THOR_EXECUTABLE"
"""Names a build's executable."""

RELEASES = Path(".ai2thor", "releases")
"""Where AI2-THOR's client keeps builds, below the home folder."""

START_S = 300.0
"""How long a build may take to start."""


def controller(executable: str | os.PathLike[str] | None = None, **arguments: Any) -> Any:
    """An `ai2thor.controller.Controller` on a build of this machine.

    Args:
        executable: The build's; None: as `build` finds it.
        **arguments: Of the Controller.

    Raises:
        ModuleNotFoundError: Where its client is not installed.
        FileNotFoundError: Where there is no build.
        RuntimeError: Where the build does not start.
    """
    if find_spec("ai2thor") is None:
        raise ModuleNotFoundError("the real AI2-THOR needs its client: pip install 'foveal[thor]'")
    path = build(executable)
    from ai2thor.controller import Controller  # type: ignore[import-not-found, unused-ignore]

    display = os.environ.get("DISPLAY") or ":0"  # its client wants some, a build for the cloud uses none
    started = Controller.__new__(Controller)
    _start(started, path, {"local_executable_path": str(path), "x_display": display, **arguments})
    return started


def _start(controller: Any, path: Path, arguments: dict[str, Any]) -> None:
    """Initialise a client's Controller; when its program ends before that is done, the client waits for ever."""
    failures: list[Exception] = []

    def initialise() -> None:
        try:
            controller.__init__(**arguments)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=initialise, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_S
    while thread.is_alive():
        thread.join(0.1)
        process = getattr(getattr(controller, "server", None), "unity_proc", None)
        status = None if process is None else process.poll()
        if thread.is_alive() and (status is not None or time.monotonic() > deadline):
            if process is not None:
                process.kill()
            what = f"has not answered in {START_S:g} s" if status is None else f"ended at once, with status {status}"
            raise RuntimeError(
                f"{path} {what}: see {Path.home() / '.ai2thor/log/unity.log'}; most builds need a DISPLAY"
            )
    if failures:
        raise failures[0]


def build(executable: str | os.PathLike[str] | None = None) -> Path:
    """The executable of a build: the given one, that of `VARIABLE`, or the newest among the client's releases.

    Raises:
        FileNotFoundError: Where there is none, or it is no executable file; one line that says how to name one.
    """
    named = executable or os.environ.get(VARIABLE)
    if named:
        path = Path(named).expanduser()
        if path.is_file() and os.access(path, os.X_OK):
            return path
        source = "local_executable_path" if executable else VARIABLE
        what = "no executable file" if path.exists() else "not there"
        raise FileNotFoundError(f"{source}={str(named)!r} is {what}: it must name the executable of an AI2-THOR build")
    folder = Path.home() / RELEASES
    found = [path for path in folder.glob("thor-*/thor-*") if path.name == path.parent.name and path.is_file()]
    if not found:
        raise FileNotFoundError(
            f"the real AI2-THOR needs a build, some 0.5 GB that its client would load, and {folder} has none: set "
            f"{VARIABLE} (or local_executable_path) to the executable of one, such as thor-Linux64-<commit> in the "
            "folder of that name, or copy that folder there from a machine that has it"
        )
    return max(found, key=lambda path: path.stat().st_mtime)
