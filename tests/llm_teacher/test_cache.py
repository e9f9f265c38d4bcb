import json
import math
import multiprocessing
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.llm_teacher import cache as module
from foveal.llm_teacher.answer import Answer
from foveal.llm_teacher.cache import FORMAT, Cache, Table

ACTIONS = ("SLOWER", "IDLE", "FASTER")
BRAKE, GO = Answer((1.0, 0.0, 0.0), 0.5, "near"), Answer((0.0, 0.25, 0.75), 1.0)


def table(**answers):
    return Table("m score 1", "LeftTurn", ACTIONS, answers)


@pytest.fixture
def cache(tmp_path):
    made = Cache(tmp_path / "deep" / "advice.db")
    yield made
    made.close()


def test_what_is_put_is_there_by_teacher_and_world(cache):
    known, world, teacher = table(), Table("m score 1", "Merge", ACTIONS), Table("m score 2", "LeftTurn", ACTIONS)
    assert cache.get(known, 7) is None
    cache.put(known, {7: BRAKE, 2**64 - 1: None})
    cache.put(world, {7: GO})
    assert cache.get(known, 7) == (BRAKE,)
    assert cache.get(known, 2**64 - 1) == (None,)  # it abstained
    assert cache.get(world, 7) == (GO,) and cache.get(teacher, 7) is None
    assert cache.table("m score 1", "LeftTurn", ACTIONS).answers == {7: BRAKE, 2**64 - 1: None}
    assert [(one[0], one[1], one[3]) for one in cache.tables()] == [
        ("m score 1", "LeftTurn", 2), ("m score 1", "Merge", 1), ("m score 2", "LeftTurn", 0),
    ]  # fmt: skip


def test_the_first_answer_stays_and_other_actions_are_refused(cache):
    cache.put(table(), {7: BRAKE})
    cache.put(table(), {7: GO})
    assert cache.get(table(), 7) == (BRAKE,)
    with pytest.raises(ValueError, match="LeftTurn has had other actions"):
        cache.table("m score 1", "LeftTurn", ("IDLE", "FASTER"))


def write(path, first):
    cache = Cache(path)
    for key in range(60):
        cache.put(table(), {key: BRAKE, first + key: GO})


def test_processes_share_a_file(tmp_path):
    path = tmp_path / "advice.db"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(path, 1000 * n)) for n in (1, 2, 3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(Cache(path).table("m score 1", "LeftTurn", ACTIONS).answers) == 60 * 4
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


@given(st.dictionaries(st.integers(0, 2**64 - 1), st.sampled_from((BRAKE, GO, None)), max_size=5))
def test_a_table_comes_back_from_json(tmp_path_factory, answers):
    path = tmp_path_factory.mktemp("table") / "advice.json"
    made = Table("m score 1", "LeftTurn", ACTIONS, answers)
    assert Table.load(made.save(path)) == made
    assert path.read_bytes() == Table.load(path).save(path).read_bytes()


GOOD = {"format": FORMAT, "version": 1, "source": "m", "world": "Merge", "actions": ["A", "B"], "answers": {}}
ENTRY = {"probabilities": [0.5, 0.5], "confidence": 0.0, "reason": ""}


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"format": "pickle"}, "not a table of advice"),
        ({"version": 2}, "version 2, only 1 is known"),
        ({"version": True}, "version True, only 1 is known"),
        ({"version": "9" * 10**6}, "version 99999999999999999999, only"),
        ({"source": None}, "source of a table: must be text on one line"),
        ({"world": "a\nb"}, "world of a table"),
        ({"world": "w" * 1000}, "world of a table"),
        ({"actions": "AB"}, "actions must be a list"),
        ({"actions": ["A", "A"]}, "actions of a table: must be at least one, and each once"),
        ({"actions": ["A", 1]}, "action of a table"),
        ({"answers": []}, "answers an object"),
        ({"answers": {"7": ENTRY}}, "answer '7': its key must be 16 hexadecimal digits"),
        ({"answers": {"../../../etc/pas": ENTRY}}, "16 hexadecimal digits"),
        ({"answers": {"0" * 16: {**ENTRY, "confidence": "high"}}}, "confidence must be a number"),
        ({"answers": {"0" * 16: {**ENTRY, "probabilities": [1.0]}}}, "list of 2, one per action"),
        ({"answers": {"0" * 16: {**ENTRY, "probabilities": [math.nan, 1.0]}}}, "not a JSON file"),
        ({"answers": {"0" * 16: {**ENTRY, "probabilities": ["0", 1.0]}}}, "a probability must be a number"),
        ({"answers": {"0" * 16: "SLOWER"}}, "an answer has probabilities"),
    ],
)
def test_a_strangers_table_is_refused_by_name(tmp_path, changed, told):
    path = tmp_path / "strange.json"
    path.write_text(json.dumps(GOOD))
    assert Table.load(path).answers == {}
    path.write_text(json.dumps({**GOOD, **changed}))
    with pytest.raises(ValueError) as refusal:
        Table.load(path)
    assert str(refusal.value).startswith(f"{path}: ") and told in str(refusal.value)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


@pytest.mark.parametrize("content", [b"", b"\x80\x04K*.", b"[" * 100_000, b"\xff" * 100, b"[]", b"null"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path, content):
    path = tmp_path / "strange.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"strange\.json: not a"):
        Table.load(path)


def test_a_huge_table_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(module.MAX_BYTES + 1)  # sparse: no disk is used
    with pytest.raises(ValueError, match=r"huge\.json: 200000001 bytes, more than"):
        Table.load(path)
    monkeypatch.setattr(module, "MAX_ANSWERS", 1)
    path.write_text(json.dumps({**GOOD, "answers": {"0" * 16: ENTRY, "1" * 16: ENTRY}}))
    with pytest.raises(ValueError, match="an object of at most 1"):
        Table.load(path)


@pytest.mark.parametrize(
    "script, told",
    [
        ("CREATE TABLE other (a)", "version 0"),
        (f"{module._TABLES} PRAGMA user_version = 2", "version 2 of a cache of advice, only 1 is known"),
        ("CREATE TABLE answers (key, answer); PRAGMA user_version = 1", "its tables are others"),
        (
            f"{module._TABLES} PRAGMA user_version = 1;"
            "CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END",
            "its tables are others",
        ),
    ],
)
def test_a_strangers_database_is_refused_by_name(tmp_path, script, told):
    path = tmp_path / "strange.db"
    with sqlite3.connect(path) as file:
        file.executescript(script)
    with pytest.raises(ValueError) as refusal:
        Cache(path)
    assert str(refusal.value).startswith(f"{path}: ") and told in str(refusal.value)


def test_what_is_no_database_is_refused_by_name(tmp_path):
    path = tmp_path / "strange.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ValueError, match=r"strange\.db: not a cache of advice"):
        Cache(path)
    with path.open("wb") as file:
        file.truncate(module.MAX_DATABASE + 1)
    with pytest.raises(ValueError, match=r"strange\.db: "):
        Cache(path)
    with pytest.raises(OSError, match="unable to open"):
        Cache(tmp_path)


@pytest.mark.parametrize(
    "entry", ["{", '{"probabilities": [2, -1, 0], "confidence": 1, "reason": ""}', b"\xff", None, 5]
)
def test_entries_of_a_strangers_database_that_are_no_answers_are_left_out(cache, entry):
    cache.put(table(), {1: BRAKE})
    cache._file.execute("INSERT INTO answers VALUES (1, ?, ?)", ((2).to_bytes(8, "big"), entry if entry else "[]"))
    assert cache.table("m score 1", "LeftTurn", ACTIONS).answers == {1: BRAKE}
    assert cache.get(table(), 2) is None
