"""The parts of the limiter one by one, to the exact second: buckets, windows, levels, turns, the breaker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.chat.ports import LimitSeen
from bot.domain.delivery import Urgency
from bot.engine import schedule as schedule_module
from bot.engine.breaker import LOST, Breaker
from bot.engine.buckets import (
    CLIMB,
    FIRST_CLIMB,
    FORGOTTEN,
    LEAST,
    MARGIN,
    SHARE,
    UNANSWERED,
    Bucket,
    Learned,
    Level,
    Pace,
    Rate,
    Window,
    scaled,
)
from bot.engine.place import Place
from bot.engine.places import NO_TIME, Places
from bot.engine.schedule import Candidate, Schedule, Turns

NOW = 100.0


def about(*values: float) -> object:
    return pytest.approx(list(values) if len(values) > 1 else values[0])


def test_a_part_of_a_limit() -> None:
    assert scaled(Rate(10, 5, 4), 0.5) == Rate(5, 5, 2)
    assert scaled(Rate(10, 5, 4), 0.1) == Rate(1, 5, 1)
    assert scaled(Rate(1, 60, 1), 0.25) == Rate(1, 240, 1)


def test_limits_of_destinations_whose_ids_begin_so() -> None:
    pace = Pace(Rate(30, 1, 5), (Rate(1, 1, 1),), {"-": (Rate(20, 60, 4),), "-1": (Rate(5, 60, 5),)})
    assert pace.of("7") == (Rate(1, 1, 1),)
    assert pace.of("-2") == (Rate(1, 1, 1), Rate(20, 60, 4))
    assert pace.of("-12") == (Rate(1, 1, 1), Rate(20, 60, 4), Rate(5, 60, 5))
    assert not (pace.learns or pace.answers_count or pace.answers_exempt or pace.invalid)


def test_a_level_climbs_to_all_and_is_halved_until_something_is_left() -> None:
    level = Level(NOW)
    assert [level.at(NOW - 5), level.at(NOW), level.at(NOW + 15)] == about(SHARE, SHARE, SHARE + 15 * FIRST_CLIMB)
    assert level.at(NOW + 1000) == 1.0
    level.halve(NOW + 15, NOW + 20)
    half = (SHARE + 15 * FIRST_CLIMB) / 2
    assert [level.at(NOW + 20), level.at(NOW + 80)] == about(half, half + 60 * CLIMB)
    assert not level.usual(NOW + 80)
    level.halve(NOW + 19, NOW + 30)  # the same refusal, only longer
    assert [level.at(NOW + 30), level.at(NOW + 90)] == about(half, half + 60 * CLIMB)
    level.halve(NOW + 30, NOW + 25)
    assert [level.at(NOW + 30), level.at(NOW + 90)] == about(half / 2, half / 2 + 60 * CLIMB)
    for _ in range(9):
        level.halve(NOW + 30, NOW + 30)
    assert level.at(NOW + 30) == about(LEAST)
    back = NOW + 30 + (SHARE - LEAST) / CLIMB
    assert [level.usual(back - 1), level.usual(back + 1)] == [False, True]


def test_a_window_holds_a_request_from_its_beginning_until_so_long_after_its_answer() -> None:
    window = Window(2, 10.0)
    assert window.idle(NOW)
    window.take(NOW)
    assert (window.flying, window.wait(NOW, 2), window.wait(NOW, 1)) == (1, 0.0, 10 + MARGIN)
    window.take(NOW + 1)
    window.over(NOW + 2)
    window.over(NOW + 5)
    assert window.flying == 0
    assert [window.wait(NOW + 6, 2), window.wait(NOW + 6, 1)] == about(6 + MARGIN, 9 + MARGIN)
    assert window.wait(NOW + 12 + MARGIN, 2) == 0.0
    assert not window.idle(NOW + 12 + MARGIN)
    assert window.idle(NOW + 15 + MARGIN)
    window.over(NOW + 15)
    window.unused()
    assert window.idle(NOW + 15 + MARGIN)


def test_a_window_gives_up_what_is_never_answered_and_what_was_not_made() -> None:
    window = Window(1, 10.0)
    window.take(NOW)
    window.unused()
    assert window.idle(NOW)
    window.take(NOW)
    assert window.wait(NOW + FORGOTTEN - 1, 1) == 10 + MARGIN
    assert window.wait(NOW + FORGOTTEN, 1) == about(10 + MARGIN)
    assert window.flying == 0
    assert window.wait(NOW + FORGOTTEN + 4, 1) == about(6 + MARGIN)


def test_a_bucket_fills_at_a_part_of_its_rate_up_to_its_burst() -> None:
    bucket = Bucket(Rate(10, 5.0, 2.0), NOW)
    for _ in range(2):
        assert bucket.wait(NOW, 0.5) == 0.0
        bucket.take(NOW)
    assert bucket.wait(NOW, 0.5) == about(1.0)
    assert bucket.wait(NOW + 0.5, 0.5) == about(0.5)
    assert bucket.wait(NOW + 0.25, 0.5) == about(0.5)  # time does not run back
    bucket.unused()
    assert bucket.wait(NOW + 0.5, 0.5) == 0.0
    bucket.unused()
    bucket.unused()
    for _ in range(2):
        assert bucket.wait(NOW + 100, 0.5) == 0.0
        bucket.take(NOW + 100)
    assert bucket.wait(NOW + 100, 0.5) == about(1.0)


def test_a_bucket_may_begin_empty_and_idles_when_it_is_full_again() -> None:
    assert Bucket(Rate(10, 5.0, 2.0), NOW).idle(NOW)
    bucket = Bucket(Rate(10, 5.0, 2.0), NOW, empty_since=NOW - 0.25)
    assert bucket.wait(NOW, 1.0) == about(0.25)
    bucket.take(NOW + 1)
    bucket.over(NOW + 1)
    assert not bucket.idle(NOW + 5)  # its window is not empty
    assert bucket.idle(NOW + 6 + MARGIN)
    bucket.resize(Rate(4, 2.0, 1.0), NOW + 10)
    assert bucket.wait(NOW + 10, 1.0) == about(0.5)
    assert not bucket.idle(NOW + 10)


def test_what_is_in_the_window_stays_there_when_a_bucket_changes() -> None:
    bucket = Bucket(Rate(10, 5.0, 10.0), NOW)
    for _ in range(3):
        bucket.take(NOW)
        bucket.over(NOW)
    bucket.resize(Rate(3, 20.0, 3.0), NOW)
    assert bucket.wait(NOW + 10, 1.0) == about(10 + MARGIN)
    assert bucket.wait(NOW + 21, 1.0) == 0.0


def seen(limit: int, remaining: int, reset: float, bucket: str = "b") -> LimitSeen:
    return LimitSeen(bucket=bucket, destination="7", limit=limit, remaining=remaining, reset_after=reset)


def test_a_learned_limit_lets_pass_what_is_left_and_no_more() -> None:
    learned = Learned(seen(5, 2, 10.0), NOW, 1)
    assert learned.rate == Rate(5, 10.0, 5)
    assert learned.wait(NOW, 1.0) == 0.0
    learned.take(NOW)
    assert learned.wait(NOW + 4, 1.0) == about(6.0)
    learned.unused()
    assert learned.wait(NOW + 4, 1.0) == 0.0
    learned.seen(seen(5, 4, 3.0), NOW + 4)  # an answer that comes late: fewer is right
    learned.take(NOW + 5)
    assert learned.wait(NOW + 5, 1.0) == about(5.0)
    assert learned.wait(NOW + 10, 1.0) == UNANSWERED
    learned.over(NOW + 10)
    learned.over(NOW + 10)
    assert learned.wait(NOW + 10, 1.0) == 0.0
    learned.seen(seen(2, 1, 20.0), NOW + 11)
    assert learned.rate == Rate(2, 20.0, 2)
    assert learned.wait(NOW + 11, 1.0) == about(19 + MARGIN)  # two are in its window


def test_a_learned_limit_is_forgotten_when_nobody_asked_lately() -> None:
    learned = Learned(seen(1, 1, 10.0), NOW, 0)
    assert not learned.idle(NOW + 10 + FORGOTTEN - 1)
    assert learned.idle(NOW + 10 + FORGOTTEN)
    learned.take(NOW + 60)
    assert not learned.idle(NOW + 10 + FORGOTTEN)
    assert Learned(seen(0, 0, 0.0), NOW, 0).rate == Rate(1, 0.001, 1)


def test_a_learned_limit_is_used_in_part() -> None:
    learned = Learned(seen(10, 10, 10.0), NOW, 0)
    for _ in range(5):
        assert learned.wait(NOW, 0.5) == 0.0
        learned.take(NOW)
        learned.over(NOW)
    assert learned.wait(NOW, 0.5) > 0
    assert learned.wait(NOW, 0.6) == 0.0


def test_the_breaker_opens_at_the_fifth_failure_and_probes_ever_later() -> None:
    breaker = Breaker()
    for second in range(4):
        breaker.failed(NOW + second)
    assert (breaker.wait(NOW + 3), breaker.broken_at) == (0.0, None)
    breaker.failed(NOW + 4)
    assert (breaker.wait(NOW + 4), breaker.broken_at) == (1.0, NOW)
    breaker.failed(NOW + 4.5)  # one that was under way
    assert [breaker.wait(NOW + 4.5), breaker.wait(NOW + 9)] == [0.5, 0.0]
    at = NOW + 5
    for pause in (2.0, 5.0, 5.0):
        breaker.probe(at)
        assert breaker.wait(at + 1) == LOST - 1
        breaker.failed(at + 1)
        assert breaker.wait(at + 1) == pause
        at += 1 + pause
    breaker.probe(at)
    breaker.unused()
    assert breaker.wait(at) == 0.0
    breaker.probe(at)
    assert breaker.wait(at + LOST) == 0.0
    breaker.worked()
    assert (breaker.wait(at), breaker.broken_at) == (0.0, None)
    for second in range(5):
        breaker.failed(at + second)
    assert (breaker.wait(at + 4), breaker.broken_at) == (1.0, at)


def candidates(*names: str, urgency: Urgency = Urgency.ALERT) -> list[Candidate]:
    return [Candidate(number, name, urgency) for number, name in enumerate(names)]


def served(turns: Turns, asked: list[Candidate], room: int, go: Callable[[str], bool | None]) -> list[int]:
    return [one.id for one in turns.serve(asked, room, lambda one: go(one.destination))]


def test_destinations_take_turns_and_who_could_not_go_keeps_its_place() -> None:
    turns = Turns()
    asked = candidates("a", "a", "b", "a", "c")
    assert served(turns, asked, 9, lambda _: True) == [0, 2, 4, 1, 3]
    assert served(turns, asked, 2, lambda name: name != "b") == [4, 0]
    assert served(turns, asked, 2, lambda _: True) == [2, 4]
    assert served(turns, asked, 0, lambda _: True) == []
    assert served(turns, asked, 9, lambda name: True if name == "a" else None) == [0]


def test_turns_of_those_that_are_gone_are_forgotten_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule_module, "MANY", 3)
    turns = Turns()
    served(turns, candidates("a", "b", "c"), 9, lambda _: True)
    assert set(turns._turns) == {"a", "b", "c"}
    served(turns, candidates("c", "d"), 1, lambda _: True)
    assert set(turns._turns) == {"c", "d"}


def test_some_senders_are_kept_and_classes_outside_belong_to_the_nearest() -> None:
    schedule = Schedule()
    asked = [Candidate(n, str(n), urgency) for n, urgency in enumerate((9, 3, 2, -1, 2, 3))]
    assert [one.id for one in schedule.serve(asked, 9, 0, lambda _: True)] == [3, 2, 4, 1, 5, 0]
    assert [one.id for one in schedule.serve(asked, 5, 1, lambda _: True)] == [3, 2, 4, 1]
    assert [one.id for one in schedule.serve(asked, 3, 1, lambda _: True)] == [3, 2, 4]


def test_refused_requests_are_counted_for_their_time() -> None:
    pace = Pace(Rate(50, 1, 10), (), invalid=Rate(3, 60.0, 3))
    bot = Place.of_bot(pace, NOW)
    for second in (0, 10):
        bot.invalid(NOW + second)
    assert bot.blocked(NOW + 10) == 0.0
    bot.invalid(NOW + 20)
    assert [bot.blocked(NOW + 20), bot.wait(NOW + 20)] == about(40.0, 40.0)
    bot.invalid(NOW + 30)
    assert bot.blocked(NOW + 30) == about(40.0)
    assert bot.blocked(NOW + 70) == 0.0
    free = Place.of_bot(None, NOW)
    free.invalid(NOW)
    assert (free.blocked(NOW), free.wait(NOW)) == (0.0, 0.0)


def test_a_place_that_learns_lets_one_find_out() -> None:
    place = Place((), NOW, learns=True)
    assert (place.wait(NOW), place.rates(NOW, live=False)) == (0.0, {"first": Rate(1, 1, 1)})
    place.take(NOW)
    assert place.wait(NOW) == UNANSWERED
    place.learn(seen(4, 3, 2.0), NOW)
    place.over(NOW)
    assert place.wait(NOW) == 0.0
    assert place.rates(NOW, live=True) == {"learned:b": Rate(4, 2.0, 4), "live": Rate(60, 60.0, 2.0)}
    assert place.rates(NOW, live=False) == {"learned:b": Rate(4, 2.0, 4)}
    place.learn(seen(1, 1, 2.0, "other"), NOW + 1000)
    assert place.rates(NOW + 1000, live=True) == {"learned:other": Rate(1, 2.0, 1), "live": Rate(15, 60.0, 2.0)}


def test_live_messages_have_half_of_the_tightest_minute() -> None:
    place = Place((Rate(1, 1.0, 1.0), Rate(20, 60.0, 4.0)), NOW)
    assert place.rates(NOW, live=True)["live"] == Rate(10, 60.0, 2.0)
    assert place.rates(NOW, live=False) == {"0": Rate(1, 1.0, 1.0), "1": Rate(20, 60.0, 4.0)}
    assert Place((Rate(1, 600.0, 1.0),), NOW).rates(NOW, live=True)["live"] == Rate(1, 60.0, 1.0)
    assert Place((), NOW).rates(NOW, live=True) == {}


def test_a_blocked_place_is_used_less_afterwards() -> None:
    place = Place((Rate(10, 1.0, 10.0),), NOW)
    assert place.idle(NOW)
    place.block(NOW, NOW + 30)
    place.block(NOW + 1, NOW + 20)
    assert [place.blocked(NOW + 5), place.wait(NOW + 5)] == about(25.0, 25.0)
    assert place.rates(NOW + 30, live=False) == {"0": Rate(5, 1.0, 5.0)}
    assert not place.idle(NOW + 35)
    assert place.idle(NOW + 30 + 0.4 / CLIMB + 1)


def places(pace: Pace | None = None, **more: bool) -> tuple[Places, list[float]]:
    at = [NOW]
    return Places(pace, lambda: at[0], lambda: at[0] + 1000, "slack", **more), at


def test_what_we_were_told_is_known_the_longest_first() -> None:
    known, at = places()
    block = known.block("C1", 20, "slow")
    assert (block.destination, block.until, block.reason) == ("C1", NOW + 1020, "slow")
    known.block("C2", 40, "slower")
    known.block("", float("nan"), "whole")
    known.block("C3", -5, "past")
    assert [(one.destination, one.until, one.reason) for one in known.blocked()] == [
        ("", NOW + 1000 + NO_TIME, "whole"),
        ("C2", NOW + 1040, "slower"),
        ("C1", NOW + 1020, "slow"),
    ]
    assert known.waits(NOW, lambda name: 50.0 if name == "C1" else 0.0) == {"C1": 50.0, "C2": 40.0}
    at[0] += 30
    assert [one.destination for one in known.blocked()] == ["", "C2"]
    assert known.waits(at[0], lambda _: 0.0) == {"C2": 10.0}


def test_blocks_that_are_longer_than_what_is_known_are_obeyed() -> None:
    told, _ = places()
    told.block("C1", 20, "slow")
    told.block("C2", 9, "x")
    known, _ = places()
    known.block("C2", 8.5, "known")
    known.load(told.blocked())
    assert [(one.destination, one.until, one.reason) for one in known.blocked()] == [
        ("C1", NOW + 1020, "slow"),
        ("C2", NOW + 1008.5, "known"),
    ]


def test_who_is_alone_has_a_part_and_begins_without_tokens() -> None:
    known, at = places(Pace(Rate(10, 1.0, 10.0), (Rate(5, 1.0, 5.0),)))
    assert (known.bot.wait(NOW), known.of("C1").wait(NOW)) == (0.0, 0.0)
    known.confine(NOW, 0.5)
    assert [known.bot.wait(NOW), known.of("C1").wait(NOW)] == about(1 / (5 * SHARE), 1 / (5 * SHARE))
    at[0] += 1
    known.confine(at[0], 0.5)
    assert known.bot.wait(at[0]) == 0.0
    assert known.of("C2").wait(at[0]) == 0.0  # has been filling since then
    known.confine(at[0], None)
    assert known.bot.wait(at[0]) == about(1 / (10 * (SHARE + FIRST_CLIMB)))
    assert known.of("C3").wait(at[0]) == 0.0


def test_whoever_begins_empty_has_no_tokens_anywhere() -> None:
    known, _ = places(Pace(Rate(10, 1.0, 10.0), (Rate(5, 1.0, 5.0),)), empty=True)
    assert [known.bot.wait(NOW), known.of("C1").wait(NOW)] == about(1 / (10 * SHARE), 1 / (5 * SHARE))
    assert known.of("") is known.bot
    assert len(known) == 1


def test_what_a_request_takes_of_the_shared_buckets() -> None:
    known, _ = places(Pace(Rate(10, 1.0, 10.0), (Rate(5, 1.0, 5.0), Rate(60, 60.0, 9.0))))
    assert [need.bucket for need in known.needs("", NOW, 1.0)] == ["bot"]
    assert [need.bucket for need in known.needs("C1", NOW, 1.0, live=True)] == ["bot", "C1:0", "C1:1", "C1:live"]
    whole, half = (known.needs("C1", NOW, part)[0].rate for part in (1.0, 0.5))
    assert half.count == about(whole.count / 2)
