"""Files written so that they survive a kill and a full disk; where one cannot be, a line for the user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunError(Exception):
    """A run cannot be made, read or continued; the message is one line for the user."""


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one go: whoever reads it, and whatever kills us, meets the old content or the new.

    Raises:
        OSError: where it cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the power may take the new name
    finally:
        os.close(folder)


def reason(error: Exception) -> str:
    """What went wrong, in words for the user."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f" ({Path(error.filename).name})" if error.filename else "")
    return str(error)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the file system's errors into a line for the user.

    Raises:
        RunError: naming `path` and what went wrong.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot write {path}: {reason(error)}") from None
