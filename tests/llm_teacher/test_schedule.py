import time

import numpy as np
import pytest

from foveal.envs.advice import Advice
from foveal.envs.driving.risk import TTC, TTC_2D, TTCP, TTCP_DIFFERENCE, TTCP_OTHER
from foveal.llm_teacher.answer import Answer
from foveal.llm_teacher.cache import Cache, Table
from foveal.llm_teacher.heuristics import RuleTeacher
from foveal.llm_teacher.schedule import QUEUE, Asking, Gated, Schedule

ACTIONS = ("SLOWER", "IDLE", "FASTER")
BRAKE = Answer((1.0, 0.0, 0.0), 0.5)
ALWAYS, NEVER = Schedule(every=1), Schedule(every=0)


def table(keys=(), answer=BRAKE):
    return Table("m", "LeftTurn", ACTIONS, dict.fromkeys(map(int, keys), answer))


def no_starts(rows):
    return np.zeros(rows, bool)


class Braker:
    """A fallback that is sure of braking."""

    def advise(self, env, observations, infos, starts):
        rows = len(starts)
        return Advice(np.tile([[1, 0, 0]], (rows, 1)), np.ones(rows), np.zeros(rows, int), np.ones(rows, bool))


class Slow:
    """Stands for a teacher where its words do not matter: answers after a while, and counts."""

    source = "slow"

    def __init__(self, meter, seconds=0.0, fails=False):
        self.meter, self.seconds, self.fails, self.scenes = meter, seconds, fails, []

    def ask(self, scene):
        self.meter.admit()
        self.scenes.append(scene)
        time.sleep(self.seconds)
        if self.fails:
            self.meter.failed(self.seconds)
            raise ConnectionError("secret")
        self.meter.came_back(10, self.seconds)
        return BRAKE


@pytest.fixture
def meter():
    from foveal.llm_teacher.limits import Limits, Meter

    return Meter(Limits(failures=2, pause_s=60))


def test_a_known_scene_is_answered_at_once_and_held_until_it_is_too_old(left_turn):
    env, infos = left_turn(rows=3)
    keys = infos["risk"]["key"].copy()
    asking = Asking(env, table=table(keys[:2]), schedule=Schedule(every=4, hold=3))
    advice = asking.advise(env, None, infos, np.ones(3, bool))
    assert advice.valid.tolist() == [True, True, False]
    assert advice.probabilities[:2].tolist() == [[1, 0, 0]] * 2 and advice.probabilities[2] == pytest.approx(1 / 3)
    assert advice.confidence.tolist() == [0.5, 0.5, 0] and advice.age.tolist() == [0, 0, 0]
    assert [array.dtype for array in advice] == [np.float32, np.float32, np.int64, np.bool_]
    ages = [asking.advise(env, None, infos, no_starts(3)) for _ in range(4)]
    assert [one.age[0] for one in ages] == [1, 2, 0, 0]
    assert [one.valid[0] for one in ages] == [True, True, False, True]  # too old at 3, asked again at 4
    counted = asking.counters()
    assert (counted["cached"], counted["missed"], counted["asked"]) == (4, 2, 0)


def test_an_episode_begins_without_the_advice_of_the_last_one(left_turn):
    env, infos = left_turn(rows=2)
    asking = Asking(env, table=table(infos["risk"]["key"]), schedule=Schedule(every=100))
    assert asking.advise(env, None, infos, np.ones(2, bool)).valid.all()
    asking.table.answers.clear()
    assert asking.advise(env, None, infos, np.array([True, False])).valid.tolist() == [False, True]


def test_a_table_gives_the_same_advice_again(left_turn):
    env, _ = left_turn(rows=8)
    steps = [env.step(np.ones(8, int))[-1] for _ in range(8)]
    keys = np.concatenate([one["risk"]["key"] for one in steps])
    schedule = Schedule(every=3, risk_s=2.0, chance=0.3)

    def run():
        asking = Asking(env, table=table(keys[::2]), schedule=schedule, seed=5)
        return [asking.advise(env, None, one, no_starts(8)) for one in steps]

    for first, second in zip(run(), run(), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_clock_counts_from_each_episodes_beginning(left_turn):
    env, infos = left_turn(rows=2)
    asking = Asking(env, table=table(infos["risk"]["key"]), schedule=Schedule(every=3, hold=1))
    starts = [[1, 1], [0, 0], [0, 1], [0, 0], [0, 0], [0, 0]]
    valid = [asking.advise(env, None, infos, np.array(one, bool)).valid.tolist() for one in starts]
    assert np.array(valid).T.astype(int).tolist() == [[1, 0, 0, 1, 0, 0], [1, 0, 1, 0, 0, 1]]


def test_the_risk_gate_asks_where_a_collision_or_a_conflict_is_near():
    risk = np.full((7, 8), 1000.0, np.float32)
    risk[1, TTC] = 1.9
    risk[2, TTC_2D] = 1.9
    risk[3, [TTCP, TTCP_OTHER, TTCP_DIFFERENCE]] = 3.5, 1.8, -1.7  # the other in 1.8 s, the ego 1.7 s later
    risk[4, [TTCP, TTCP_OTHER, TTCP_DIFFERENCE]] = 1.0, 4.0, 3.0  # the ego long before
    risk[5, [TTCP, TTCP_OTHER, TTCP_DIFFERENCE]] = 3.0, 3.5, 0.5  # not yet
    risk[6, TTC] = 2.1
    asks = Schedule(every=0, risk_s=2.0).asks(np.zeros(7, int), risk, np.ones(7))
    assert asks.tolist() == [False, True, True, True, False, False, False]


def test_the_entropy_gate_asks_where_the_student_is_unsure(left_turn):
    env, infos = left_turn(rows=3)
    asking = Asking(env, table=table(infos["risk"]["key"]), schedule=Schedule(every=0, entropy=0.5, hold=1))
    assert not asking.advise(env, None, infos, no_starts(3)).valid.any()  # nothing is known of the student
    asking.entropy = np.array([0.0, 0.54, 0.56], np.float32)  # of ln 3 = 1.10 nats
    assert asking.advise(env, None, infos, no_starts(3)).valid.tolist() == [False, False, True]


def test_the_lot_asks_as_often_as_its_chance(left_turn):
    env, infos = left_turn(rows=100)
    asking = Asking(env, table=table(infos["risk"]["key"]), schedule=Schedule(every=0, chance=0.25, hold=1))
    share = np.mean([asking.advise(env, None, infos, no_starts(100)).valid.mean() for _ in range(100)])
    assert share == pytest.approx(0.25, abs=0.02)  # 4.6 standard errors


def test_nobody_asks_after_the_first_part_of_training(left_turn):
    env, infos = left_turn(rows=4)
    asking = Asking(env, table=table(infos["risk"]["key"]), schedule=Schedule(every=1, until=12, hold=1))
    valid = [asking.advise(env, None, infos, no_starts(4)).valid.all() for _ in range(5)]
    assert valid == [True, True, True, False, False]


def test_rows_that_ask_the_same_are_one_question(left_turn, meter):
    env, infos = left_turn(rows=4)
    infos = {"risk": {**infos["risk"], "key": np.full(4, 77, np.uint64)}}
    asking = Asking(env, teacher := Slow(meter), schedule=ALWAYS)
    assert not asking.advise(env, None, infos, no_starts(4)).valid.any()
    assert asking.settle()
    assert len(teacher.scenes) == 1 and asking.table.answers == {77: BRAKE}
    assert asking._held.valid.all()
    asking.close()


def test_no_more_questions_are_put_than_can_wait(left_turn, meter):
    env, infos = left_turn(rows=2)
    asking = Asking(env, teacher := Slow(meter, seconds=0.2), schedule=ALWAYS)
    for n in range(QUEUE):
        infos["risk"]["key"] = np.array([2 * n, 2 * n + 1], np.uint64)
        asking.advise(env, None, infos, no_starts(2))
    counted = asking.counters()
    assert counted["asked"] + counted["dropped"] == 2 * QUEUE and QUEUE <= counted["asked"] < QUEUE + 20
    asking.close()
    made = len(teacher.scenes)
    time.sleep(0.7)
    assert len(teacher.scenes) <= made + 1  # after close only what was under way


def test_a_step_never_waits_for_a_model_that_sleeps_5_seconds(address, left_turn):
    """The real client asks a real address; the answer comes with the age that it then has."""
    from foveal.llm_teacher.models import chat_model
    from foveal.llm_teacher.teacher import Teacher

    address.delay_s, address.reply = 5.0, '{"action": "SLOWER", "confidence": 1}'
    env, infos = left_turn(rows=4)
    asking = Asking(env, Teacher(chat_model("m", base_url=address.url), env, name="m"), schedule=ALWAYS, threads=8)
    longest, begin = 0.0, time.monotonic()
    for _ in range(100):
        start = time.monotonic()
        advice = asking.advise(env, None, infos, no_starts(4))
        longest = max(longest, time.monotonic() - start)
        assert not advice.valid.any()
    assert time.monotonic() - begin < 4 and longest < 1, longest
    assert asking.settle(30)
    late = asking.advise(env, None, infos, no_starts(4))
    assert late.valid.all() and asking.counters()["latency"] > 5
    asking.close()


def test_a_late_answer_has_its_age_and_is_not_for_another_episode(left_turn, meter):
    env, infos = left_turn(rows=2)
    asking = Asking(env, Slow(meter, seconds=0.3), schedule=Schedule(every=100))
    infos["risk"]["key"] = np.array([1, 2], np.uint64)
    asking.advise(env, None, infos, np.ones(2, bool))
    for _ in range(3):
        asking.advise(env, None, infos, no_starts(2))
    infos["risk"]["key"] = np.array([3, 4], np.uint64)
    asking.schedule = NEVER
    asking.advise(env, None, infos, np.array([False, True]))  # row 1 is in another episode now
    assert asking.settle(10)
    advice = asking.advise(env, None, infos, no_starts(2))
    assert advice.valid.tolist() == [True, False] and advice.age.tolist() == [5, 0]
    asking.close()


def test_after_failures_the_fallback_advises_and_faults_are_told_without_their_words(left_turn, meter):
    env, infos = left_turn(rows=1)
    asking = Asking(env, Slow(meter, fails=True), schedule=ALWAYS, fallback=Braker())
    for key in range(4):
        infos["risk"]["key"] = np.array([key], np.uint64)
        advice = asking.advise(env, None, infos, no_starts(1))
        asking.settle()
    counted = asking.counters()
    assert (counted["failed"], counted["calls"], counted["fallback"], counted["open"]) == (2, 2, 2, 1)
    assert advice.valid.all() and advice.age[0] == 0 and advice.probabilities[0].tolist() == [1, 0, 0]
    assert asking.fault == "ConnectionError" and asking.table.answers == {}
    asking.close()


def test_answers_are_kept_in_the_cache_and_found_there(left_turn, meter, tmp_path):
    env, infos = left_turn(rows=3)
    for n in range(2):
        cache = Cache(tmp_path / "advice.db")
        asking = Asking(env, teacher := Slow(meter), cache=cache, schedule=ALWAYS)
        advice = asking.advise(env, None, infos, no_starts(3))
        assert asking.settle() and advice.valid.all() == bool(n)
        assert len(teacher.scenes) == (0 if n else len(set(infos["risk"]["key"].tolist())))
        asking.close()
    # What another process has put meanwhile is found by the thread that would ask.
    asking = Asking(env, teacher := Slow(meter), cache=cache, schedule=ALWAYS)
    infos["risk"]["key"] = np.array([5, 5, 5], np.uint64)
    Cache(tmp_path / "advice.db").put(asking.table, {5: BRAKE})
    asking.advise(env, None, infos, no_starts(3))
    assert asking.settle() and not teacher.scenes and asking._held.valid.all()
    asking.close()


def test_it_serves_another_number_of_rows(left_turn):
    env, infos = left_turn(rows=5)
    asking = Asking(left_turn(rows=1)[0], table=table(infos["risk"]["key"]))
    assert asking.advise(env, None, infos, np.ones(5, bool)).valid.all()


@pytest.mark.parametrize(
    "options, told",
    [
        ({}, "neither a teacher to ask nor a table"),
        ({"table": Table("m", "Merge", ACTIONS)}, "about Merge with SLOWER, IDLE, FASTER, not about this LeftTurn"),
        ({"table": Table("m", "LeftTurn", ("IDLE",))}, "about LeftTurn with IDLE"),
        ({"table": table(), "threads": 0}, "threads=0: must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(left_turn, options, told):
    with pytest.raises(ValueError, match=told):
        Asking(left_turn()[0], **options)


def test_a_world_without_risk_is_refused():
    import gymnasium

    with pytest.raises(ValueError, match="risk=True"):
        Asking(gymnasium.make_vec("foveal/LeftTurn-v0", num_envs=1), table=table())


@pytest.mark.parametrize("name, value", [("every", -1), ("risk_s", -1), ("entropy", 1.1), ("chance", 2), ("until", -1)])
def test_schedules_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}: must be at least 0"):
        Schedule(**{name: value})
    with pytest.raises(ValueError, match="hold=0: must be at least 1"):
        Schedule(hold=0)


def test_a_gate_passes_advice_on_where_the_schedule_asks(left_turn):
    env, infos = left_turn(rows=64)
    seen, starts = None, np.ones(64, np.bool_)
    rules = RuleTeacher(env)
    whole = rules.advise(env, seen, infos, starts)
    every = Gated(rules, Schedule(every=3))
    for step in range(6):
        advice = every.advise(env, seen, infos, starts if step == 0 else ~starts)
        assert advice.valid.all() == (step % 3 == 0) and advice.valid.any() == (step % 3 == 0)
    never = Gated(rules, Schedule(every=0)).advise(env, seen, infos, starts)
    assert not never.valid.any() and (never.probabilities == np.float32(1 / 3)).all() and not never.confidence.any()
    some = Gated(rules, Schedule(every=0, chance=0.4)).advise(env, seen, infos, starts)
    assert 10 < some.valid.sum() < 45
    np.testing.assert_array_equal(some.probabilities[some.valid], whole.probabilities[some.valid])
    until = Gated(rules, Schedule(every=1, until=100))
    told = [until.advise(env, seen, infos, starts).valid.all() for _ in range(3)]
    assert told == [True, False, False]
