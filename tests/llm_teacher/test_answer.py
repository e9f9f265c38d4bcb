import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.llm_teacher.answer import REASON_LIMIT, Answer, InvalidAnswer, certainty, parse, printable

ACTIONS = ("SLOWER", "IDLE", "FASTER")
numbers = st.floats(allow_nan=True) | st.integers() | st.booleans() | st.none() | st.text(max_size=5)
names = st.sampled_from((*ACTIONS, "slower", "LANE_LEFT", "", "drop table", 0, 1, 7, -1, True, None))
replies = st.text(max_size=300) | st.builds(
    lambda before, answer, after: f"{before}{json.dumps(answer)}{after}",
    st.text(max_size=40),
    st.fixed_dictionaries(
        {},
        optional={
            "probabilities": numbers | st.dictionaries(st.sampled_from((*ACTIONS, "idle", "X")), numbers, max_size=4),
            "action": names,
            "confidence": numbers,
            "reason": numbers,
        },
    ),
    st.text(max_size=40),
)


@given(replies, st.sets(st.sampled_from(ACTIONS), min_size=1))
def test_whatever_is_said_what_leaves_is_a_distribution_over_allowed_actions(reply, allowed):
    try:
        answer = parse(reply, ACTIONS, tuple(allowed))
    except InvalidAnswer as error:
        assert "\n" not in str(error) and len(str(error)) < 200
        return
    assert len(answer.probabilities) == 3
    assert math.isclose(sum(answer.probabilities), 1, abs_tol=1e-6) and min(answer.probabilities) >= 0
    assert all(value == 0 for name, value in zip(ACTIONS, answer.probabilities, strict=True) if name not in allowed)
    assert 0 <= answer.confidence <= 1
    assert answer.reason.isprintable() and len(answer.reason) <= REASON_LIMIT


def test_an_answer_after_reasoning():
    reply = 'I see {a car}. {"action": "IDLE"} is tempting. {"action": "slower", "confidence": 0.7, "reason": "near"}'
    answer = parse(reply, ACTIONS, ACTIONS)
    assert answer.probabilities == pytest.approx((0.8, 0.1, 0.1))  # 0.7 + 0.3 / 3
    assert (answer.confidence, answer.reason, answer.action) == (0.7, "near", 0)


def test_what_is_not_allowed_gets_nothing_and_the_rest_sums_to_one():
    answer = parse('{"probabilities": {"SLOWER": 0.5, "IDLE": 0.3, "FASTER": 0.1}}', ACTIONS, ("IDLE", "FASTER"))
    assert answer.probabilities == pytest.approx((0, 0.75, 0.25))
    assert answer.confidence == pytest.approx(1 + (0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2))


@pytest.mark.parametrize(
    "reply, told",
    [
        ("", "no JSON object"),
        ("slower", "no JSON object"),
        ('{"confidence": 1}', 'neither "probabilities" nor "action"'),
        ('{"action": "BRAKE"}', "unknown action"),
        ('{"action": "SLOWR"}', "did you mean 'SLOWER'"),
        ('{"action": true}', "unknown action"),
        ('{"action": 3}', "unknown action"),
        ('{"action": "FASTER"}', "not allowed now"),
        ('{"probabilities": {"FASTER": 1}}', "no allowed action"),
        ('{"probabilities": {"IDLE": -1}}', "at least 0"),
        ('{"probabilities": {"IDLE": NaN}}', "a probability must be a number"),
        ('{"probabilities": {"IDLE": 1e999}}', "a probability must be a number"),
        ('{"probabilities": {"IDLE": "1"}}', "a probability must be a number"),
        ('{"probabilities": [0.5, 0.5]}', "an object from action to number"),
        ('{"action": "IDLE", "confidence": 2}', "confidence must be in [0, 1]"),
        ('{"action": ' * 900, "no JSON object"),
        ("[" * 4000, "no JSON object"),
        ("x" * 1_000_000, "no JSON object"),
    ],
)
def test_what_is_no_answer_is_told(reply, told):
    with pytest.raises(InvalidAnswer) as refusal:
        parse(reply, ACTIONS, ("SLOWER", "IDLE"))
    assert told in str(refusal.value)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5), st.floats(0, 1), st.text(max_size=400))
def test_an_answer_comes_back_from_json(weights, confidence, reason):
    answer = Answer(tuple(weight / sum(weights) for weight in weights), confidence, reason)
    again = Answer.from_json(json.loads(json.dumps(answer.to_json())), len(weights))
    assert again.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert again.reason == answer.reason


@pytest.mark.parametrize(
    "entry",
    [
        None, [], "x", {}, {"probabilities": [1.0], "confidence": 1.0},
        {"probabilities": [1.0, 0.0], "confidence": 1.0, "reason": ""},
        {"probabilities": [0.5, 0.5, 0.5], "confidence": 1.0, "reason": ""},
        {"probabilities": [1.0, 0.0, "0"], "confidence": 1.0, "reason": ""},
        {"probabilities": [1.0, 0.0, math.nan], "confidence": 1.0, "reason": ""},
        {"probabilities": [1.0, 0.0, 0.0], "confidence": True, "reason": ""},
        {"probabilities": [1.0, 0.0, 0.0], "confidence": 1.0, "reason": {}},
        {"probabilities": [1.0, 0.0, 0.0], "confidence": 1.0, "reason": "", "run": "rm"},
    ],
)  # fmt: skip
def test_an_entry_that_is_no_answer_is_refused(entry):
    with pytest.raises(InvalidAnswer):
        Answer.from_json(entry, 3)


def test_certainty_is_0_where_all_is_even_and_1_where_one_is_sure():
    assert certainty([0.25] * 4) == pytest.approx(0)
    assert certainty([0, 1, 0]) == 1
    assert certainty([1.0]) == 1


def test_printable_is_one_short_line():
    assert printable("a\x1b[31m\nb\u202ec\x00" + "d" * 10**6, 12) == "a [31m b c d"
    assert printable("  a\n\tb ", 10) == "a b"
    assert len(printable("d" * 10**6, 9)) == 9
