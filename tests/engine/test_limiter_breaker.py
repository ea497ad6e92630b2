"""A platform that cannot be reached: found out, left alone but for probes, and taken up again soon after it is back."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.delivery import Urgency
from bot.engine.breaker import ENOUGH
from bot.engine.limiter import Candidate, Limiter

from .limits import Ticks

TIMEOUT = 10.0
WAITING = [Candidate(number, str(number), urgency) for number, urgency in enumerate(Urgency)]


def broken(clock: Ticks) -> Limiter:
    """A limiter that has just found out."""
    limiter = Limiter(None, clock.monotonic, clock.now, "telegram")
    many = [Candidate(number, str(number), 1) for number in range(ENOUGH)]
    assert limiter.choose(many, 64) == many
    for number, one in enumerate(many):
        assert limiter.broken_since() is None
        limiter.failed_transport(one)
        clock.at += 1 if number < ENOUGH - 1 else 0
    return limiter


def test_a_few_failures_in_a_row_open_it(caplog: pytest.LogCaptureFixture) -> None:
    clock = Ticks()
    with caplog.at_level(logging.WARNING):
        limiter = broken(clock)
    assert limiter.broken_since() == pytest.approx(clock.now() - (ENOUGH - 1))
    assert [record.getMessage() for record in caplog.records] == [
        "telegram cannot be reached: nothing is sent but a probe now and then"
    ]
    assert limiter.choose(WAITING, 64) == []
    assert limiter.waits() == {"": limiter.rest()}


def test_failures_between_successes_do_not() -> None:
    clock = Ticks()
    limiter = Limiter(None, clock.monotonic, clock.now)
    for number in range(5 * ENOUGH):
        (one,) = limiter.choose([Candidate(number, "a", 1)], 1)
        limiter.went(one) if number % ENOUGH == 0 else limiter.failed_transport(one)
    assert limiter.broken_since() is None


def test_a_refusal_shows_that_it_is_there() -> None:
    clock = Ticks()
    for deed in ("refused", "told"):
        limiter = broken(clock)
        clock.at += 2
        (probe,) = limiter.choose(WAITING, 64)
        limiter.refused(probe) if deed == "refused" else limiter.told(probe, 0)
        assert limiter.broken_since() is None


def test_one_probe_at_a_time_and_rather_one_that_may_be_repeated() -> None:
    clock = Ticks()
    limiter = broken(clock)
    clock.at += 1.01
    replies = [Candidate(1, "a", Urgency.REPLY), Candidate(2, "b", Urgency.BROADCAST)]
    probe = Candidate(3, "c", Urgency.ALERT)
    assert limiter.choose([*replies, probe], 64) == [probe]
    assert limiter.choose(replies, 64) == []
    limiter.failed_transport(probe)
    assert limiter.choose(replies, 64) == []
    clock.at += 2.01
    (again,) = limiter.choose(replies, 64)
    assert again.urgency is Urgency.REPLY
    limiter.went(again)
    assert len(limiter.choose(replies, 64)) == 2


def test_a_probe_that_was_not_made_is_no_probe() -> None:
    clock = Ticks()
    limiter = broken(clock)
    clock.at += 1.01
    (probe,) = limiter.choose(WAITING, 64)
    limiter.unused(probe)
    assert limiter.choose(WAITING, 64) == [probe]


def test_a_probe_of_which_nothing_is_heard_does_not_last_for_ever() -> None:
    clock = Ticks()
    limiter = broken(clock)
    clock.at += 1.01
    assert limiter.choose(WAITING, 64)
    clock.at += 29
    assert not limiter.choose(WAITING, 64)
    clock.at += 2
    assert limiter.choose(WAITING, 64)


def test_late_failures_of_what_was_under_way_do_not_put_off_the_probe() -> None:
    clock = Ticks()
    limiter = Limiter(None, clock.monotonic, clock.now)
    many = [Candidate(number, str(number), 1) for number in range(60)]
    limiter.choose(many, 64)
    for one in many:
        limiter.failed_transport(one)
        clock.at += 0.01
    assert limiter.choose(WAITING, 64) == []
    clock.at += 1
    assert len(limiter.choose(WAITING, 64)) == 1


@given(back=st.floats(0, 200), hangs=st.booleans())
@settings(max_examples=60, deadline=None)
def test_it_is_taken_up_less_than_thirty_seconds_after_the_platform_is_back(back: float, hangs: bool) -> None:
    """Whether requests fail at once or hang until their deadline."""
    clock = Ticks()
    limiter = broken(clock)
    there = clock.at + back
    under_way: list[tuple[float, bool, Candidate]] = []
    probes = 0
    while limiter.broken_since() is not None:
        for one in limiter.choose(WAITING, 64):
            works = clock.at >= there
            probes += not works
            under_way.append((clock.at + (0.05 if works or not hangs else TIMEOUT), works, one))
        clock.at += 0.05
        for ends, works, one in [entry for entry in under_way if entry[0] <= clock.at]:
            under_way.remove((ends, works, one))
            limiter.went(one) if works else limiter.failed_transport(one)
        assert clock.at < there + 30
    assert clock.at < there + 16
    assert probes <= 3 + back / 5
