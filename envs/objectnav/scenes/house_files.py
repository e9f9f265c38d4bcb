"""Files of houses: one house or a list in `.json`, one a line in `.jsonl` or `.jsonl.gz` (as ProcTHOR-10k comes)."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from foveal.envs.objectnav.scenes.house import House
from foveal.envs.objectnav.scenes.house_json import house_from_json

MOST_BYTES = 64 * 2**20
"""Of one house, or of a whole `.json`."""

MOST_BYTES_UNPACKED = 8 * 2**30
"""Of a `.jsonl.gz`: ProcTHOR-10k has about 1 GB, a gzip bomb has no end."""


class Houses:
    """The houses of a file, read when asked for: iterating holds one at a time, `houses[row]` parses one.

    Reading raises ValueError of whatever is wrong in the file: one line that names it, the line and the field.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __iter__(self) -> Iterator[House]:
        for row, data in enumerate(self._parsed()):
            yield house_from_json(data, self._source(row))

    def __getitem__(self, row: int) -> House:
        """The house in that row, counted from 0; packed files are unpacked up to there, which takes up to seconds."""
        if row >= 0:
            for data in islice(self._parsed(only=row), 1):
                return house_from_json(data, self._source(row))
        raise IndexError(f"{self.path} has {len(self)} houses, and none in row {row}")

    def __len__(self) -> int:
        if self.path.suffix == ".json":
            return sum(1 for _ in self._parsed())
        return sum(1 for _ in self._lines())

    def data(self) -> Iterator[Any]:
        """The JSON of each house as it stands in the file, parsed and otherwise unread."""
        return self._parsed()

    def _source(self, row: int) -> str:
        return f"{self.path}, house {row + 1}"

    def _parsed(self, only: int | None = None) -> Iterator[Any]:
        """The JSON of all rows, or of one."""
        first, last = (0, None) if only is None else (only, only + 1)
        if self.path.suffix == ".json":
            whole = parse(self._read(), str(self.path))
            yield from islice(whole if isinstance(whole, list) else [whole], first, last)
        else:
            for row, line in islice(enumerate(self._lines()), first, last):
                yield parse(line, self._source(row))

    def _read(self) -> bytes:
        with self.path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            self._too_large(f"holds more than {MOST_BYTES >> 20} MB; use .jsonl for many houses")
        return content

    def _lines(self) -> Iterator[bytes]:
        """The lines that are not blank."""
        read = 0
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
                while line := file.readline(MOST_BYTES + 1):
                    read += len(line)
                    if len(line) > MOST_BYTES:
                        self._too_large(f"has a line of more than {MOST_BYTES >> 20} MB")
                    if read > MOST_BYTES_UNPACKED:
                        self._too_large(f"holds more than {MOST_BYTES_UNPACKED >> 30} GB")
                    if line.strip():
                        yield line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.path}: is no whole gzip file ({error})") from None

    def _too_large(self, what: str) -> NoReturn:
        raise ValueError(f"{self.path}: too large: it {what}")


def read_houses(path: str | Path) -> Houses:
    """The houses of a `.json`, `.jsonl` or `.jsonl.gz` file.

    Raises:
        ValueError: Of another kind of file.
        FileNotFoundError: Where there is none.
    """
    path = Path(path)
    if not path.name.endswith((".json", ".jsonl", ".jsonl.gz")):
        raise ValueError(f"{path}: a file of houses ends in .json, .jsonl or .jsonl.gz")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    return Houses(path)


def parse(content: bytes, source: str) -> Any:
    """Parsed JSON.

    Raises:
        ValueError: One line that says where it ends to be JSON; of NaN and infinities, too, which JSON has not.
    """

    def refuse(constant: str) -> NoReturn:
        before = re.split(rb"(?<![\w\"])" + re.escape(constant.encode()) + rb"(?![\w\"])", content, maxsplit=1)[0]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise ValueError(f"{source}: line {line}, column {column}: {constant} is no number")

    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}: not JSON: byte {error.start} is no UTF-8 text") from None
    except RecursionError:
        raise ValueError(f"{source}: not a house: lists and objects are nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise error if str(error).startswith(source) else ValueError(f"{source}: not a house: {error}") from None
