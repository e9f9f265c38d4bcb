import threading
import time

import pytest

from foveal.llm_teacher.limits import Exhausted, Limits, Meter


@pytest.mark.parametrize("name", ["calls", "tokens", "seconds"])
def test_a_limit_that_is_used_up_refuses_calls_for_good(name):
    meter = Meter(Limits(**{name: 2}))
    for _ in range(2):
        meter.admit()
        meter.came_back(tokens=1, seconds=1.0)
    assert meter.open
    with pytest.raises(Exhausted, match=f"the limit of 2 {name} is used up"):
        meter.admit()
    assert (meter.calls, meter.tokens, meter.seconds) == (2, 2, 2.0)


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_call_try():
    meter = Meter(Limits(failures=3, pause_s=0.2))
    for reply in (False, False, True, False, False):
        meter.admit()
        meter.came_back(1, 0.1) if reply else meter.failed(0.1)
        assert not meter.open
    meter.admit()
    meter.failed(0.1)
    assert meter.open and meter.failures == 5
    with pytest.raises(Exhausted, match="3 calls failed one after another"):
        meter.admit()
    time.sleep(0.25)
    assert not meter.open
    meter.admit()  # the one that tries
    with pytest.raises(Exhausted):
        meter.admit()
    meter.came_back(1, 0.1)
    assert not meter.open
    meter.admit()


def test_threads_together_make_no_more_calls_than_they_may():
    meter = Meter(Limits(calls=100))
    refused = []

    def work():
        for _ in range(50):
            try:
                meter.admit()
            except Exhausted:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.calls, len(refused)) == (100, 100)


@pytest.mark.parametrize("name", ["calls", "tokens", "seconds", "failures", "pause_s"])
def test_limits_are_above_0(name):
    with pytest.raises(ValueError, match=f"{name}=0: must be above 0"):
        Limits(**{name: 0})
