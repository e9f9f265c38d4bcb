import math

import numpy as np
import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")

from foveal.cli import main
from foveal.envs.objectnav.types import type_id
from foveal.envs.objectnav.whereabouts import Whereabouts
from foveal.llm_teacher import serve
from foveal.llm_teacher.answer import InvalidAnswer
from foveal.llm_teacher.limits import Exhausted, Limits, Meter
from foveal.llm_teacher.models import chat_model
from foveal.llm_teacher.whereabouts import LANDMARKS, ROOMS, asked, words_of


def told_by(address, likelihoods):
    """Let the address tell likelihoods of words by the last message."""
    plain = address.completion

    def completion(text):
        question = address.requests[-1]["messages"][-1]["content"]
        address.tokens = [(f" {word}", math.log(value)) for word, value in likelihoods(question).items()]
        return plain(text)

    address.completion = completion


def test_what_a_model_says_of_rooms_and_places_becomes_promises(address):
    def likelihoods(question):
        if question.endswith("on or beside the"):
            return {"counter": 0.6, "bed": 0.1} if "mug" in question else {"counter": 0.1, "bed": 0.1}
        kitchen = any(word in question for word in ("mug", "fridge", "coffee machine", "stove burner"))
        return {"kitchen": 0.8, "bedroom": 0.1} if kitchen else {"kitchen": 0.2, "bedroom": 0.2}

    told_by(address, likelihoods)
    meter = Meter()
    found = asked(chat_model("m", base_url=address.url), ["Mug", "Bed"], name="m", meter=meter)
    mug = found.weights[0]
    assert mug[type_id("CounterTop")] == 1 and mug[type_id("Fridge")] > mug[type_id("Sofa")]
    assert mug[type_id("Mug")] == 0 and found.weights[1, type_id("Bed")] == 0
    kinds = len({"Mug", "Bed", *LANDMARKS})
    assert meter.calls == len(address.requests) == 1 + kinds + 1 + 2  # the questions about a thing first
    assert address.requests[0]["messages"][-1]["content"] == "In a house, the thing is usually in the"
    assert all(request["max_completion_tokens"] == 1 for request in address.requests)


def test_a_model_without_likelihoods_and_a_limit_stop_it(address):
    model, meter = chat_model("m", base_url=address.url), Meter()
    with pytest.raises(InvalidAnswer):
        asked(model, ["Mug"], name="m", meter=meter)
    assert meter.invalid == 1
    told_by(address, lambda question: {"kitchen": 0.5})
    with pytest.raises(Exhausted):
        asked(model, ["Mug"], name="m", meter=Meter(Limits(calls=3)))


def test_types_in_words():
    assert [words_of(kind) for kind in ("Mug", "BaseballBat", "TVStand")] == ["mug", "baseball bat", "tv stand"]


def test_the_real_model_looks_for_apples_in_the_kitchen(local):
    model = chat_model(serve.MODEL, base_url=local.url, timeout_s=120)
    found = asked(model, ["Apple", "Toilet"], name=serve.MODEL, likeliest=300)
    apple, toilet = found.weights
    assert apple[type_id("Fridge")] > apple[type_id("Bed")] and toilet[type_id("Bathtub")] > toilet[type_id("Desk")]
    assert len(ROOMS) == 4


def test_the_command_saves_what_a_model_says(address, tmp_path, capsys):
    told_by(address, lambda question: {"kitchen": 0.5, "bed": 0.5, "desk": 0.1})
    out = tmp_path / "w.json"
    words = ["teacher", "whereabouts", "--model", "m", "--base-url", address.url, "--out", str(out)]
    assert main(words) == 0
    assert "saved" in capsys.readouterr().out and Whereabouts.load(out).source == "m"
    address.reply = 500
    assert main(words) == 1 and "did not reply" in capsys.readouterr().err
    assert main(["teacher", "whereabouts", "--counts", "--model", "m"]) == 2
    assert "--counts asks nobody" in capsys.readouterr().err
    assert np.isfinite(Whereabouts.load(out).weights).all()
