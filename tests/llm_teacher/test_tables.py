import numpy as np
import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")

from foveal.cli import main
from foveal.llm_teacher.cache import Table
from foveal.llm_teacher.tables import meet

REPLY = '{"action": "IDLE", "confidence": 1}'


def test_scenes_are_met_again_and_told_once_the_most_frequent_first(left_turn):
    env, _ = left_turn(rows=16)
    met = meet(env, steps=40, seed=3)
    assert sum(one.times for one in met) == 16 * 40
    assert len({one.key for one in met}) == len(met) > 50
    assert all(one.scene.risk.key == one.key for one in met)
    times = [one.times for one in met]
    assert times == sorted(times, reverse=True) and times[0] > 3
    again = meet(env, steps=40, seed=3)
    assert [one[:2] for one in again] == [one[:2] for one in met]
    assert np.array_equal(again[5].scene.position, met[5].scene.position)


def test_a_table_is_made_gone_on_with_and_saved(address, tmp_path, capsys):
    out = tmp_path / "tables" / "advice.json"
    words = ["teacher", "table", "foveal/LeftTurn-v0", "--model", "m", "--base-url", address.url, "--out", str(out)]
    address.reply = [*[REPLY] * 3, 500]
    assert main([*words, "--decisions", "640", "--scenes", "5"]) == 1
    assert "advice.db" in capsys.readouterr().err and not out.exists()
    address.reply = REPLY
    assert main([*words, "--decisions", "640", "--scenes", "5"]) == 0
    assert len(address.requests) == 4 + 2
    assert "2 asked now, 5 known of m reason" in capsys.readouterr().out
    table = Table.load(out)
    assert table.world == "LeftTurn" and len(table.answers) == 5
    assert all(answer.action == 1 for answer in table.answers.values())
