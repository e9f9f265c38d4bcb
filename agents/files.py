"""What is told to the user where a file cannot be written or read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunError(Exception):
    """A run cannot be made, read or continued; the message is one line for the user."""


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
