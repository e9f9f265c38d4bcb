import json

import numpy as np
import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")

from foveal.cli import main
from foveal.llm_teacher.memory import Memory
from foveal.llm_teacher.practice import practise, remember
from foveal.llm_teacher.teacher import Teacher


def test_half_of_the_rows_follow_the_rules_but_for_one_action_in_ten(left_turn):
    env, _ = left_turn(rows=32)
    moments = list(practise(env, steps=60, seed=1))
    followed = np.mean([moment.actions == moment.advised for moment in moments], axis=0)
    assert followed[1::2].mean() == pytest.approx(0.9 + 0.1 / 3, abs=0.03)
    assert followed[::2].mean() == pytest.approx(1 / 3, abs=0.1)
    assert len(moments) == 60 and sum(moment.ended.sum() for moment in moments) > 30


def test_what_was_done_is_remembered_with_what_came_of_it(left_turn):
    env, _ = left_turn(rows=16)
    memory = Memory()
    came = remember(env, memory, episodes=40, seed=2)
    assert sum(came.values()) >= 40 and min(came["success"], came["crash"]) > 3
    outcomes = [case.outcome for case in memory.cases]
    crashes = [case for case in memory.cases if case.outcome == "crash"]
    assert 0 < len(crashes) <= came["crash"] and outcomes.count("success") > 50
    assert all(case.action != "SLOWER" and "led to a crash" in case.reflection for case in crashes)
    advised = [case for case in memory.cases if case.outcome == "advised"]
    assert advised and all(case.reflection == f"the rules say {case.action} here" for case in advised)
    again = Memory()
    assert remember(env, again, episodes=40, seed=2) == came and again.cases == memory.cases


def test_cases_vote_without_a_model(left_turn):
    env, _ = left_turn(rows=16)
    memory = Memory()
    remember(env, memory, episodes=60)
    teacher = Teacher(None, env, name="memory", mode="vote", memory=memory, recalled=9)
    scene = env.describe([0])[0]
    question = teacher.question(scene)
    answer = teacher.ask(scene)
    assert len(question.cases) == len(question.similarities) == 9 and list(question.similarities) == sorted(
        question.similarities
    )
    assert sum(answer.probabilities) == pytest.approx(1) and teacher.prompt(question) == [] and teacher.meter.calls == 0
    forbidden = [n for n, name in enumerate(question.actions) if name not in question.allowed]
    assert all(answer.probabilities[n] == 0 for n in forbidden)
    assert Teacher(None, env, name="memory", mode="vote", memory=Memory()).ask(scene) is None
    with pytest.raises(ValueError, match="mode='vote' needs a memory"):
        Teacher(None, env, name="memory", mode="vote")
    with pytest.raises(ValueError, match="mode='reason' needs a model"):
        Teacher(None, env, name="m")


def test_a_memory_is_made_gone_on_with_and_votes(tmp_path, capsys):
    out, table = tmp_path / "memory.json", tmp_path / "vote.json"
    words = ["teacher", "remember", "foveal/LeftTurn-v0", "--episodes", "10", "--out", str(out)]
    assert main(words) == 0
    first = len(json.loads(out.read_text())["cases"])
    assert main([*words, "--seed", "100"]) == 0 and len(json.loads(out.read_text())["cases"]) > first
    assert f"{first} cases" in capsys.readouterr().out
    words = ["teacher", "table", "foveal/LeftTurn-v0", "--mode", "vote", "--decisions", "640", "--scenes", "20"]
    assert main([*words, "--memory", str(out), "--out", str(table)]) == 0
    assert "20 known of memory vote" in capsys.readouterr().out
    assert main(["teacher", "ask", "foveal/LeftTurn-v0", "--mode", "vote"]) == 2
    assert "--mode vote needs --memory" in capsys.readouterr().err
