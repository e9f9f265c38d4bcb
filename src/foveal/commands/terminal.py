"""What every command shares with its user: one-line refusals and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar


class Failure(Exception):
    """What the user asked for did not work out. The message is one line for the user."""

    status: ClassVar[int] = 1


class BadInput(Failure):
    """What the user asked for cannot be. The message names it, and the nearest valid thing."""

    status = 2


@contextmanager
def told_as(failure: type[Failure], *kinds: type[Exception]) -> Iterator[None]:
    """Turn exceptions of these kinds, whose messages are meant for the user, into a `Failure`."""
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError) and error.filename and error.strerror:
            raise failure(f"{error.filename}: {error.strerror}") from None
        raise failure(str(error)) from None


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text under column titles: drawn by rich on a terminal, else as plain aligned lines."""
    if sys.stdout.isatty():
        import rich.box
        import rich.console
        import rich.table
        import rich.text

        table = rich.table.Table(*columns, box=rich.box.SIMPLE_HEAD)
        for row in rows:
            table.add_row(*map(rich.text.Text, row))
        rich.console.Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
