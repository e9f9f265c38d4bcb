"""Keys come from the environment, go to their address alone, and are nowhere else."""

import logging
import re

import numpy as np
import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")

from foveal.llm_teacher.cache import Cache
from foveal.llm_teacher.models import API_KEY, chat_model, checked_url
from foveal.llm_teacher.schedule import Asking
from foveal.llm_teacher.teacher import Teacher

OURS, PROVIDERS = "fvl-planted-4f1d77c2", "sk-planted-9a3be0d4"
REPLY = '{"action": "IDLE", "confidence": 1}'


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setenv(API_KEY, OURS)
    monkeypatch.setenv("OPENAI_API_KEY", PROVIDERS)


def test_a_planted_key_goes_to_its_address_and_nowhere_else(address, left_turn, planted, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    address.reply = [REPLY, 401, 500, "nonsense", "nonsense", *[REPLY] * 8]
    env, infos = left_turn(rows=8)
    model = chat_model("m", base_url=address.url)
    teacher = Teacher(model, env, name="m")
    cache = Cache(tmp_path / "advice.db")
    asking = Asking(env, teacher, cache=cache)
    seen = [repr(model), str(model), repr(teacher), str(teacher.__dict__), repr(asking), repr(teacher.runnable)]
    asking.advise(env, None, infos, np.ones(8, bool))
    assert asking.settle()
    counted = asking.counters()
    assert (counted["failed"], counted["abstained"]) == (2, 1)
    assert re.fullmatch(r"\w+Error", asking.fault)
    seen += [asking.fault, str(counted), str(asking.__dict__)]
    assert {headers["authorization"] for headers in address.headers} == {f"Bearer {OURS}"}
    asking.table.save(tmp_path / "advice.json")
    seen += [str(address.requests), teacher.source, caplog.text, *capfd.readouterr()]
    seen += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(seen) > 12 and caplog.text
    for text in seen:
        assert "planted" not in text


def test_a_key_does_not_come_out_in_errors(address, left_turn, planted, monkeypatch, capsys):
    from foveal.cli import main

    words = ["teacher", "ask", "foveal/LeftTurn-v0", "--model", "m", "--base-url", address.url]
    for status in (401, 429, 500, 307):
        address.reply, address.elsewhere = status, "http://127.0.0.1:9/v1"
        assert main(words) == 1
        out, err = capsys.readouterr()
        assert re.fullmatch(rf"foveal: the model did not reply: \w+ {status}\n", err)
        assert "planted" not in out + err
    assert len(address.requests) == 4  # no retries


def test_a_providers_own_key_is_not_sent_to_another_address(address, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", PROVIDERS)
    monkeypatch.delenv(API_KEY, raising=False)
    address.reply = "yes"
    chat_model("openai:m", base_url=address.url).invoke("?")
    assert address.headers[0]["authorization"] == "Bearer none"
    assert address.requests[0]["model"] == "m"


def test_prompts_go_neither_through_a_proxy_nor_on_to_another_address_nor_to_a_tracer(address, left_turn, monkeypatch):
    """All three are what an environment variable or a server could do to whoever does not look."""
    other = type(address)()
    other.reply = address.reply = REPLY
    try:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, other.url.removesuffix("/v1"))
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
            monkeypatch.setenv(name, "true")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", other.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "ls-planted")
        env, _ = left_turn(rows=1)
        teacher = Teacher(chat_model("m", base_url=address.url), env, name="m")
        assert teacher.ask(env.describe([0])[0]).action == 1
        address.reply, address.elsewhere = 307, other.url + "/chat/completions"
        with pytest.raises(Exception, match="307"):
            teacher.ask(env.describe([0])[0])
        assert len(address.requests) == 2 and other.requests == []
    finally:
        other.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://a/v1", "file:///etc/passwd", "http://", "http://me:secret@a/v1", "http://a/v1?key=secret",
        "http://a/v1#secret", "http://a:0x/v1", "http://[::1/v1", "http://a:99999/v1",
    ],
)  # fmt: skip
def test_urls_with_secrets_or_none_are_refused(url):
    with pytest.raises(ValueError, match="base URL: must be like") as refusal:
        checked_url(url)
    assert "secret" not in str(refusal.value)


def test_models_that_cannot_be_made_are_told(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValueError, match=r"cannot make the model 'openai:gpt-4o' .*key is not in the environment"):
        chat_model("openai:gpt-4o")
    with pytest.raises(ValueError, match="cannot make the model 'nix'"):
        chat_model("nix")
