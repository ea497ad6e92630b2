"""Classes go before each other, destinations of a class take turns, and answers never wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.delivery import Urgency
from bot.engine.limiter import PUBLISHED, Pace, Rate

from .limits import World, busiest, goes, limiter_of, to


def test_a_class_goes_before_the_next() -> None:
    limiter, _ = limiter_of(Pace(Rate(3, 1, 3), ()))
    asked = [to(str(urgency), urgency) for urgency in (Urgency.BROADCAST, Urgency.ALERT, Urgency.LIVE, Urgency.REPLY)]
    chosen = limiter.choose(asked, 9)
    assert [one.urgency for one in chosen] == [Urgency.REPLY, Urgency.ALERT, Urgency.LIVE]


def test_a_busy_destination_starves_no_other_of_its_class() -> None:
    limiter, clock = limiter_of(Pace(Rate(1, 1, 1), ()))
    busy = [to("busy", row=number) for number in range(300)]
    went = []
    for turn in range(40):
        others = [to("quiet", row=1000 + turn // 10)]
        chosen = limiter.choose([*busy, *others], 9)
        for one in chosen:
            went.append(one.destination)
            limiter.went(one)
        clock.at += 1.25
    assert went[:6] in (["busy", "quiet"] * 3, ["quiet", "busy"] * 3)
    assert went.count("quiet") == went.count("busy") == 20


def test_rows_of_a_destination_go_in_order() -> None:
    limiter, _ = limiter_of(None)
    asked = [to(name, row=number) for number, name in enumerate("aababbcc")]
    chosen = limiter.choose(asked, 64)
    for name in "abc":
        rows = [one.id for one in chosen if one.destination == name]
        assert rows == sorted(rows)
    assert len(chosen) == len(asked)


def test_live_messages_use_half_of_a_destinations_minute() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    world = World(limiter, clock)
    for _ in range(1800):
        world.send(limiter.choose([to("-100", Urgency.LIVE)], 64))
        world.pass_time(0.1)
    assert 20 <= len(world.order) <= 30
    assert busiest((at for at, _ in world.order), 60) <= 10


def test_live_messages_wait_alone() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    clock.at += 10
    for _ in range(10):
        goes(limiter, to("-100", Urgency.LIVE))
        clock.at += 1.3
    assert not limiter.choose([to("-100", Urgency.LIVE)], 1)
    assert 0 < (limiter.rest() or 0) < 60
    assert limiter.waits() == {}
    assert limiter.choose([to("-100", Urgency.LIVE), to("-100", Urgency.REPLY)], 9) == [to("-100", Urgency.REPLY)]


@pytest.mark.parametrize("platform", list(PUBLISHED))
def test_answers_never_wait_and_nobody_waits_for_them(platform: str) -> None:
    """However many people press a poll's buttons, its cards are edited all the same."""
    limiter, clock = limiter_of(PUBLISHED[platform])
    for turn in range(40):
        answers = [to("-100", Urgency.ANSWER, number) for number in range(1000 * turn, 1000 * turn + 64)]
        for one in limiter.choose(answers, 64):
            limiter.went(one)
        clock.at += 0.1
    assert limiter.choose([to("7")], 64) == [to("7")]


def test_where_answers_count_others_wait_for_them() -> None:
    limiter, clock = limiter_of(replace(PUBLISHED["telegram"], answers_count=True))
    answers = [to("-100", Urgency.ANSWER, number) for number in range(40)]
    chosen = limiter.choose([to("7"), *answers], 64)
    assert [one.urgency for one in chosen] == [Urgency.ANSWER] * 40
    for one in chosen:
        limiter.went(one)
    clock.at += 0.99
    assert not limiter.choose([to("7")], 1)


def test_some_senders_are_kept_for_what_is_urgent() -> None:
    limiter, _ = limiter_of(None)
    broadcast = [to(str(number)) for number in range(20)]
    assert len(limiter.choose(broadcast, 10, kept=4)) == 6
    assert limiter.choose(broadcast, 4, kept=4) == []
    assert len(limiter.choose([*broadcast, to("a", Urgency.REPLY), to("b", Urgency.REPLY)], 4, kept=4)) == 2
