"""Chat models as searchers: what they are shown, and what is made of their answers.

No model with eyes comes with foveal, so one is acted: it reads what it is shown as any other would.
"""

import base64

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from foveal.agents.chat_searcher import answered, by_chat
from foveal.agents.searchers import search
from foveal.envs.visual_search.stimuli import Stimuli


def picture(part):
    data = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


class Looker(BaseChatModel):
    """Sees the brightest place of the second picture and says where it is."""

    @property
    def _llm_type(self):
        return "looker"

    def _generate(self, messages, stop=None, run_manager=None, **options):
        text, target, view = messages[-1].content
        assert "The first picture is a target" in text["text"]
        seen, sought = picture(view), picture(target)
        assert sought.shape < seen.shape
        y, x = np.unravel_index(cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 9).argmax(), seen.shape)
        height, width = seen.shape
        said = f"I see it. {round(100 * x / width)}, {round(100 * y / height)}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])


class Silent(Looker):
    def _generate(self, messages, stop=None, run_manager=None, **options):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("I cannot say."))])


class Broken(Looker):
    def _generate(self, messages, stop=None, run_manager=None, **options):
        raise OSError("the key is sk-secret")


def displays(count=3):
    stimuli = Stimuli("lighting_vertical", set_sizes=[6])
    return stimuli, stimuli.make(2**31 + np.arange(count))


def test_it_looks_where_the_model_says():
    stimuli, made = displays()
    trials = search(by_chat(Looker()), stimuli, made)
    pictures = stimuli.draw(made)
    assert (trials.saccades >= 1).all() and len(pictures) == 3
    first = trials.cells[:, 1]
    assert all(cell in cells for cell, cells in zip(first, made.cell, strict=True))


def test_where_nothing_can_be_read_items_are_taken_by_chance():
    stimuli, made = displays(20)
    saccades = search(by_chat(Silent()), stimuli, made).saccades
    assert saccades.min() >= 1 and len(set(saccades.tolist())) > 2
    assert np.array_equal(saccades, search(by_chat(Silent()), stimuli, made).saccades)


def test_errors_do_not_tell_what_providers_say():
    stimuli, made = displays()
    with pytest.raises(RuntimeError, match=r"the model does not answer \(OSError\)") as raised:
        search(by_chat(Broken()), stimuli, made)
    assert "secret" not in str(raised.value) and raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("said", "point"),
    [
        ("50 50", (50, 50)),
        ("first 3, then: 12 % and 100 %.", (12, 100)),
        ([{"type": "text", "text": "x=7,"}, {"type": "text", "text": "y=0"}], (7, 0)),
        ("12", None),
        ("nowhere", None),
        ("12 and 101", None),
        ("0.5 and 1234", None),
        ("", None),
    ],
)
def test_answers_are_two_numbers(said, point):
    assert answered(said) == point


@given(st.text())
def test_whatever_is_said_gives_a_point_or_none(said):
    point = answered(said)
    assert point is None or all(0 <= number <= 100 for number in point)
