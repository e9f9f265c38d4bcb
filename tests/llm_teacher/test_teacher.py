import math

import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed (pip install foveal[llm])")

import gymnasium
from langchain_core.messages import AIMessage

from foveal.llm_teacher.answer import InvalidAnswer
from foveal.llm_teacher.limits import Exhausted, Limits, Meter
from foveal.llm_teacher.memory import Case, Memory
from foveal.llm_teacher.models import chat_model
from foveal.llm_teacher.risk import to_numbers
from foveal.llm_teacher.teacher import Teacher, log_likelihoods

GOOD = 'A car comes.\n{"probabilities": {"SLOWER": 0.8, "IDLE": 0.2}, "confidence": 0.9, "reason": "it is near"}'


@pytest.fixture
def make(address, left_turn):
    """Makes a teacher that asks the address, and a scene."""

    def made(**options):
        env, _ = left_turn()
        return Teacher(chat_model("m", base_url=address.url), env, name="m", **options), env.describe([0])[0]

    return made


def test_a_good_reply_is_an_answer(address, make):
    teacher, scene = make()
    address.reply = GOOD
    answer = teacher.ask(scene)
    assert answer.probabilities == pytest.approx((0.8, 0.2, 0))
    assert (answer.confidence, answer.reason) == (0.9, "it is near")
    [request] = address.requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert "conflict point" in request["messages"][1]["content"] and request["temperature"] == 0
    assert "tools" not in request and "functions" not in request
    assert (teacher.meter.calls, teacher.meter.tokens, teacher.meter.invalid) == (1, 15, 0)


def test_a_bad_reply_gets_one_more_try_that_is_told_the_fault(address, make):
    teacher, scene = make()
    address.reply = ["I would brake.", GOOD]
    assert teacher.ask(scene).action == 0
    assert "could not be used: there is no JSON object" in address.requests[1]["messages"][1]["content"]
    assert "I would brake" not in str(address.requests[1])
    assert (teacher.meter.calls, teacher.meter.invalid) == (2, 1)


@pytest.mark.parametrize("reply", ["", "nonsense", '{"action": "rm -rf"}', "{" * 100_000, "\x00\x1b[2J" * 1000])
def test_after_two_bad_replies_it_abstains(address, make, reply):
    teacher, scene = make()
    address.reply = reply
    assert teacher.ask(scene) is None
    assert (teacher.meter.calls, teacher.meter.invalid) == (2, 2)


def test_calls_that_fail_are_counted_and_raised(address, make):
    teacher, scene = make(meter=Meter(Limits(failures=2)))
    address.reply = 500
    for _ in range(2):
        with pytest.raises(Exception, match="500"):
            teacher.ask(scene)
    with pytest.raises(Exhausted):
        teacher.ask(scene)
    assert len(address.requests) == 2 and teacher.meter.failures == 2


def test_the_repair_is_a_call_too(address, make):
    teacher, scene = make(meter=Meter(Limits(calls=1)))
    address.reply = "nonsense"
    with pytest.raises(Exhausted, match="limit of 1 calls"):
        teacher.ask(scene)
    assert len(address.requests) == 1


def test_scores_are_likelihoods_less_their_priors(address, make):
    teacher, scene = make(mode="score")
    replies = iter([  # of the scene of which nothing is known, then of the scene
        [(" slower", math.log(0.1)), (" keep", math.log(0.2)), (" fa", math.log(0.4))],
        [(" slower", math.log(0.3)), (" keep", math.log(0.1)), (" s", math.log(0.1)), (" fast", math.log(0.2))],
    ])  # fmt: skip
    address.completion, plain = (
        lambda text: setattr(address, "tokens", next(replies)) or plain(text),
        address.completion,
    )
    answer = teacher.ask(scene)
    # SLOWER (0.3 + 0.1) / 0.1, IDLE 0.1 / 0.2; FASTER is in vain at the highest speed
    assert answer.probabilities == pytest.approx((4 / 4.5, 0.5 / 4.5, 0))
    assert "slower +1.39, keep -0.69, faster -0.69" in answer.reason
    assert [request["max_completion_tokens"] for request in address.requests] == [1, 1]
    assert "nothing is known" in address.requests[0]["messages"][-2]["content"]
    replies = iter([[(" keep", math.log(0.5)), (" slower", math.log(0.5))]])
    teacher.ask(scene)
    assert len(address.requests) == 3  # the prior is known


def reply(*tokens):
    told = [{"token": token, "logprob": value} for token, value in tokens]
    return AIMessage("", response_metadata={"logprobs": {"content": [{"top_logprobs": told}]}})


def test_a_token_counts_for_the_one_word_that_it_begins():
    found = log_likelihoods(reply((" S", -1.0), ("Slow", -2.0), ("s", -3.0), ("f", -4.0)), ["slower", "stop", "faster"])
    assert found == pytest.approx([-2.0, -4.0, -4.0])  # " S" and "s" may begin two of them; "stop" is at most the last


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("slower"), AIMessage("", response_metadata={"logprobs": None}), reply(), reply(("", -1.0)),
        reply((" the", -1.0)), reply(("slower", "high")), reply(("slower", 3.0)), reply(("slower", math.nan)),
    ],
)  # fmt: skip
def test_no_likelihoods_are_no_answer(message):
    with pytest.raises(InvalidAnswer):
        log_likelihoods(message, ["slower", "faster"])


def test_similar_cases_are_shown_the_most_similar_last(address, make, left_turn):
    env, _ = left_turn(rows=8)
    teacher, scene = make(memory=(memory := Memory()))
    for n, other in enumerate(env.describe(range(8))):
        text = teacher.question(other).scene
        memory.add(Case(text, to_numbers(other), "SLOWER" if n % 2 else "IDLE", "success", f"note {n}"))
    question = teacher.question(scene)
    assert len(question.cases) == 3 and question.cases[-1].text == question.scene
    address.reply = GOOD
    teacher.ask(scene)
    told = address.requests[0]["messages"][1]["content"]
    assert told.count("Similar scene") == 3 and "note 0" in told


def test_its_source_names_what_the_answers_depend_on(make):
    memory = Memory()
    teacher, scene = make(memory=memory)
    sources = {teacher.source, make()[0].source}
    assert len(sources) == 1 and teacher.source.startswith("m reason ")  # an empty memory says nothing
    memory.add(Case(teacher.question(scene).scene, to_numbers(scene), "IDLE", "success"))
    for options in ({"memory": memory}, {"mode": "score"}, {"heuristics": False}, {"risk": False}):
        sources.add(make(**options)[0].source)
    assert len(sources) == 5


def test_ablations_show_in_the_prompt(make):
    teacher, scene = make(heuristics=False, risk=False)
    told = str(teacher.prompt(teacher.question(scene)))
    assert "Rules" not in told and "conflict point" not in told and "ahead same" in told


@pytest.mark.parametrize(
    "world, params, told",
    [
        ("foveal/LeftTurn-v0", {}, "risk=True"),
        ("foveal/Racetrack-v0", {"risk": True}, "no action"),
    ],
)
def test_worlds_that_it_cannot_read_are_refused(address, world, params, told):
    env = gymnasium.make_vec(world, num_envs=1, **params)
    with pytest.raises(ValueError, match=told):
        Teacher(chat_model("m", base_url=address.url), env, name="m")
