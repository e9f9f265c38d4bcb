"""Answers kept by scene and teacher: in SQLite, shared by processes, and as a JSON table that replaces a model."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foveal.envs.documents import read_document, write_document
from foveal.llm_teacher.answer import Answer, InvalidAnswer, printable

FORMAT, VERSION = "foveal-advice", 1
MAX_BYTES = 200_000_000  # of a file
MAX_ANSWERS = 1_000_000  # of a table
MAX_DATABASE = 2_000_000_000  # bytes of a cache
MAX_NAME = 200  # characters of a source, a world and an action
_TABLES = """
CREATE TABLE IF NOT EXISTS tables (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, world TEXT NOT NULL, actions TEXT NOT NULL, UNIQUE (source, world)
);
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER NOT NULL REFERENCES tables, key BLOB NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (id, key)
) WITHOUT ROWID;
"""


@dataclass
class Table:
    """The answers of one teacher about the scenes of one world.

    Attributes:
        source: Which teacher, `Teacher.source`.
        world: The name of the world's class.
        actions: The world's.
        answers: By the key of the scene, see `foveal.envs.driving.risk.scene_key`; None where the teacher abstained.

    Raises:
        ValueError: for names that are none; it says which.
    """

    source: str
    world: str
    actions: tuple[str, ...]
    answers: dict[int, Answer | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, name in (("source", self.source), ("world", self.world), *(("action", one) for one in self.actions)):
            if not isinstance(name, str) or not name or printable(name, MAX_NAME) != name:
                raise ValueError(f"{what} of a table: must be text on one line, of at most {MAX_NAME} characters")
        if not self.actions or len(set(self.actions)) < len(self.actions):
            raise ValueError("actions of a table: must be at least one, and each once")

    def save(self, path: str | Path) -> Path:
        """Write the table as JSON, as a whole or not at all; the same answers give the same file."""
        content = {
            "source": self.source,
            "world": self.world,
            "actions": list(self.actions),
            "answers": {
                f"{key:016x}": None if answer is None else answer.to_json()
                for key, answer in sorted(self.answers.items())
            },
        }
        return write_document(path, FORMAT, content)

    @classmethod
    def load(cls, path: str | Path) -> Table:
        """Read a table that `save` wrote, as data, whoever wrote it.

        Raises:
            ValueError: for a file that is too large, no JSON, of another format or version, or with an entry that is no
                answer; it names the file and the entry.
            OSError: where there is none.
        """
        path = Path(path)
        document = read_document(path, FORMAT, "table of advice", MAX_BYTES)
        actions, entries = document.get("actions"), document.get("answers")
        if not isinstance(actions, list) or not isinstance(entries, dict) or len(entries) > MAX_ANSWERS:
            raise ValueError(f"{path}: actions must be a list, answers an object of at most {MAX_ANSWERS}")
        try:
            table = cls(document.get("source"), document.get("world"), tuple(actions))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from None
        for name, entry in entries.items():
            try:
                key = _key(name)
                table.answers[key] = None if entry is None else Answer.from_json(entry, len(actions))
            except ValueError as error:
                raise ValueError(f"{path}: answer {printable(name, 20)!r}: {error}") from None
        return table


class Cache:
    """Answers in an SQLite file, which any number of processes may use at once (write-ahead log).

    What was answered first stays. Any thread may call it; a call may wait for another process's writing, at most
    `timeout_s`, so that whoever must not wait reads a `table` once.

    Args:
        path: The file; it is made where there is none.
        timeout_s: To wait for others, s.

    Raises:
        ValueError: for a file that is no such cache, or one of another version.
        OSError: where it cannot be opened.
    """

    def __init__(self, path: str | Path, *, timeout_s: float = 10.0) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self.path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
            self._set_up()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from None
        except sqlite3.DatabaseError:
            raise ValueError(f"{self.path}: not a cache of advice") from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def table(self, source: str, world: str, actions: Sequence[str]) -> Table:
        """All answers of a teacher about a world; entries that are none are left out.

        Raises:
            ValueError: where the world had other actions when they were given.
        """
        table = Table(source, world, tuple(actions))
        with self._lock:
            rows = self._file.execute("SELECT key, answer FROM answers WHERE id = ?", (self._id(table),)).fetchall()
        for key, text in rows:
            with contextlib.suppress(InvalidAnswer):
                table.answers[int.from_bytes(key, "big")] = _answer(text, len(table.actions))
        return table

    def get(self, table: Table, key: int) -> tuple[Answer | None] | None:
        """What is known of a scene: nothing (None), or an answer, or that the teacher abstained."""
        with self._lock:
            query = "SELECT answer FROM answers WHERE id = ? AND key = ?"
            row = self._file.execute(query, (self._id(table), int(key).to_bytes(8, "big"))).fetchone()
        try:
            return None if row is None else (_answer(row[0], len(table.actions)),)
        except InvalidAnswer:
            return None

    def put(self, table: Table, answers: Mapping[int, Answer | None]) -> None:
        """Keep answers (None: abstained) about scenes of which none is kept yet."""
        with self._lock:
            number = self._id(table)
            rows = [
                (number, int(key).to_bytes(8, "big"), json.dumps(answer and answer.to_json()))
                for key, answer in answers.items()
            ]
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)
            self._file.execute("COMMIT")

    def tables(self) -> list[tuple[str, str, tuple[str, ...], int]]:
        """Source, world, actions and number of answers of each table."""
        query = """SELECT source, world, actions, (SELECT COUNT(*) FROM answers WHERE answers.id = tables.id)
            FROM tables ORDER BY source, world"""
        with self._lock:
            rows = self._file.execute(query).fetchall()
        return [(source, world, tuple(json.loads(actions)), count) for source, world, actions, count in rows]

    def _set_up(self) -> None:
        """Make the tables in an empty file; of another one, see that it has ours and nothing else."""
        if self.path.stat().st_size > MAX_DATABASE:
            raise ValueError(f"{self.path}: more than the {MAX_DATABASE} bytes of a cache of advice")
        self._file.execute("PRAGMA trusted_schema = OFF")
        self._file.execute("PRAGMA synchronous = NORMAL")
        if self._found() == (0, set()):
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        version, schema = self._found()
        if version != VERSION:
            raise ValueError(f"{self.path}: version {version} of a cache of advice, only {VERSION} is known")
        if schema != _schema():
            raise ValueError(f"{self.path}: not a cache of advice (its tables are others)")

    def _found(self) -> tuple[int, set[str]]:
        """Version and schema, of one moment: another process may be setting up the file."""
        query = "SELECT user_version, name, sql FROM pragma_user_version LEFT JOIN sqlite_master"
        rows = self._file.execute(query).fetchall()
        return int(rows[0][0]), {f"{name}: {sql}" for _, name, sql in rows if name is not None}

    def _id(self, table: Table) -> int:
        """The number of a table in the file, which is given to it here where it has none."""
        names, actions = (table.source, table.world), json.dumps(table.actions)
        query = "SELECT id, actions FROM tables WHERE source = ? AND world = ?"
        if (row := self._file.execute(query, names).fetchone()) is None:
            insert = "INSERT OR IGNORE INTO tables (source, world, actions) VALUES (?, ?, ?)"
            self._file.execute(insert, (*names, actions))
            row = self._file.execute(query, names).fetchone()
        number, known = row
        if known != actions:
            raise ValueError(f"{self.path}: {table.world} has had other actions: {printable(known, MAX_NAME)}")
        return int(number)


def _schema() -> set[str]:
    """What a file of ours has in it."""
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_TABLES)
        return {f"{name}: {sql}" for name, sql in fresh.execute("SELECT name, sql FROM sqlite_master")}


def _key(name: str) -> int:
    if len(name) != 16 or not set(name) <= set("0123456789abcdef"):
        raise ValueError("its key must be 16 hexadecimal digits")
    return int(name, 16)


def _answer(text: Any, actions: int) -> Answer | None:
    """An entry of the file, which anybody may have written."""
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise InvalidAnswer("not JSON") from None
    return None if data is None else Answer.from_json(data, actions)
