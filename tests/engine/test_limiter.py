"""Pacing: never more than the published figures in any window, whoever asks when, however long requests take."""

from __future__ import annotations

import logging
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.delivery import Urgency
from bot.engine import buckets
from bot.engine.limiter import PUBLISHED, Limiter, Pace, Rate
from bot.storage.blocks import Block

from .limits import Ticks, World, goes, jitter, limiter_of, to

WIDE = Rate(10**6, 1, 10**6)
PLACES = ("-1", "-2", "7", "8")
steps = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PLACES), max_size=8),
        st.floats(0, 2) | st.sampled_from([0.0, 0.01, 0.2, 1.0, 1.25, 20.0]),
    ),
    max_size=120,
)


# Published figures


@pytest.mark.parametrize("platform", list(PUBLISHED))
@given(asked=steps, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_no_window_holds_more_than_published(platform: str, asked: list[tuple[list[str], float]], seed: int) -> None:
    limiter, clock = limiter_of(PUBLISHED[platform])
    world = World(limiter, clock, way=jitter(seed))
    for wanted, wait in asked:
        world.send(limiter.choose([to(name) for name in wanted], 64))
        world.pass_time(wait)
    world.check(platform)


@pytest.mark.parametrize("platform", list(PUBLISHED))
@pytest.mark.parametrize("seed", range(2))
def test_nor_when_everybody_wants_more_than_there_is(platform: str, seed: int) -> None:
    """Long after the start, when the whole figure is used, with delays that bring requests together."""
    limiter, clock = limiter_of(PUBLISHED[platform])
    world = World(limiter, clock, way=jitter(seed, most=1.5))
    everywhere = [to(str(number), Urgency.REPLY) for number in range(-5, 60)]
    for _ in range(1500):
        world.send(limiter.choose(everywhere, 64 - world.flying))
        world.pass_time(0.08)
    world.check(platform)


@pytest.mark.parametrize(("platform", "allowed"), [("telegram", 30.0), ("slack", 5.0), ("discord", 50.0)])
def test_most_of_what_is_allowed_is_used(platform: str, allowed: float) -> None:
    limiter, clock = limiter_of(PUBLISHED[platform])
    world = World(limiter, clock)
    for turn in range(4000):
        world.send(limiter.choose([to(f"{turn} {number}") for number in range(4)], 64))
        world.pass_time(0.05)
    went = len(world.order) / 200
    assert 0.9 * allowed < went <= 1.05 * allowed  # at the start the windows are empty


def test_it_begins_with_four_fifths_of_the_figures() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    world = World(limiter, clock)
    for turn in range(200):
        world.send(limiter.choose([to(f"{turn} {number}") for number in range(30)], 64))
        world.pass_time(0.01)
    burst = PUBLISHED["telegram"].overall.burst
    assert 47 <= len(world.order) - burst <= 50  # 24 a second


def test_a_group_has_its_minute() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    world = World(limiter, clock)
    for _ in range(600):
        world.send(limiter.choose([to("-100", Urgency.REPLY), to("7", Urgency.REPLY)], 64))
        world.pass_time(0.1)
    assert len(world.arrived["-100"]) == 20
    assert len(world.arrived["7"]) > 45


# What platforms say


@given(seconds=st.sampled_from([0.3, 1.0, 65.0, 82_721.0]))
def test_being_told_to_wait_is_obeyed_in_full(seconds: float) -> None:
    limiter, clock = limiter_of(None)
    assert limiter.choose([to("a")], 1)
    block = limiter.told(to("a"), seconds, reason="slow down")
    assert block == Block("a", pytest.approx(clock.now() + seconds), "slow down")
    assert limiter.choose([to("b"), to("a")], 9) == [to("b")]
    limiter.went(to("b"))
    assert limiter.waits() == {"a": pytest.approx(seconds)}
    clock.at += seconds - 0.01
    assert not limiter.choose([to("a")], 1)
    assert limiter.rest() == pytest.approx(0.01)
    clock.at += 0.02
    assert limiter.blocked() == []
    assert limiter.waits() == {}
    assert limiter.choose([to("a")], 1)


def test_a_shorter_wait_does_not_undo_a_longer_one() -> None:
    limiter, clock = limiter_of(None)
    limiter.told(to("a"), 60)
    assert limiter.told(to("a"), 1).until == pytest.approx(clock.now() + 60)
    clock.at += 59
    assert not limiter.choose([to("a")], 1)


def test_the_whole_bot_can_be_told_to_wait_and_then_answers_wait_too() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    limiter.told(to("a"), 10, "bot")
    assert limiter.choose([to("b"), to("c", Urgency.ANSWER)], 9) == []
    assert limiter.waits()[""] == pytest.approx(10)
    assert [block.destination for block in limiter.blocked()] == [""]
    clock.at += 10.01
    assert len(limiter.choose([to("b"), to("c", Urgency.ANSWER)], 9)) == 2


def test_discords_interactions_are_exempt_from_what_the_whole_bot_is_told() -> None:
    limiter, _ = limiter_of(PUBLISHED["discord"])
    limiter.told(to("a"), 10, "bot")
    assert limiter.choose([to("b"), to("c", Urgency.ANSWER)], 9) == [to("c", Urgency.ANSWER)]


def test_blocks_outlive_a_restart() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    kept = [limiter.told(to("a"), 60, reason="why"), limiter.told(to("b"), 900, "bot")]
    assert sorted(limiter.blocked(), key=lambda block: block.until) == kept
    clock.at = 5.0  # another process: its monotonic time begins anew
    clock.wall += 1020.0 - 5.0
    again = Limiter(PUBLISHED["telegram"], clock.monotonic, clock.now)
    again.load(kept)
    again.load(kept)
    assert again.blocked() == kept[::-1]
    clock.at += 50
    assert not again.choose([to("c")], 1)
    clock.at += 840
    assert again.choose([to("c")], 1)


@pytest.mark.parametrize("again", [0.0, 1.0, 7.0])
def test_a_restart_gives_nobody_a_second_burst(again: float) -> None:
    """A crash loop, too, stays within what is published."""
    clock = Ticks()
    world = World(Limiter(PUBLISHED["telegram"], clock.monotonic, clock.now, empty=True), clock)
    everywhere = [to("-1"), to("-2"), *(to(str(number)) for number in range(40))]
    for _ in range(8):
        for _ in range(int(again / 0.1) + 40):
            world.send(world.limiter.choose(everywhere, 64 - world.flying))
            world.pass_time(0.1)
        world.pass_time(0.5)
        world.limiter = Limiter(PUBLISHED["telegram"], clock.monotonic, clock.now, empty=True)
    world.check("telegram")
    assert len(world.order) > 8 * 4 * 12


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_a_minute(nonsense: float) -> None:
    limiter, clock = limiter_of(None)
    assert limiter.told(to("a"), nonsense).until == pytest.approx(clock.now() + 60)


def test_a_long_wait_raises_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    limiter, _ = limiter_of(None, "discord")
    with caplog.at_level(logging.ERROR):
        limiter.told(to("a"), 899)
        assert not caplog.records
        limiter.told(to("b"), 82_721)
    assert "discord" in caplog.text
    assert "82721 s" in caplog.text
    assert "channel b" in caplog.text


def rate_of(limiter: Limiter, clock: Ticks, seconds: float) -> float:
    """How many a second go to one destination that always wants more."""
    went = 0
    for _ in range(int(seconds / 0.005)):
        went += goes(limiter, to("a"))
        clock.at += 0.005
    return went / seconds


def test_too_much_halves_the_rate_and_it_comes_back_by_five_percent_a_minute() -> None:
    pace = Pace(WIDE, (Rate(1000, 100, 1),))
    limiter, clock = limiter_of(pace)
    assert rate_of(limiter, clock, 2) == pytest.approx(8, abs=1)
    for _ in range(3):  # refusals of what was under way are one refusal
        limiter.told(to("a"), 1)
    clock.at += 1
    before = rate_of(limiter, clock, 20)
    assert before == pytest.approx(4.2, abs=0.4)
    clock.at += 100  # two minutes in all
    assert rate_of(limiter, clock, 20) == pytest.approx(before + 1, abs=0.4)
    clock.at += 3600
    assert 8.5 < rate_of(limiter, clock, 100) <= 10


def test_halving_is_for_the_one_that_was_refused() -> None:
    limiter, clock = limiter_of(Pace(Rate(1000, 100, 1), (Rate(1000, 100, 1),)))
    limiter.told(to("b"), 0)
    assert rate_of(limiter, clock, 4) == pytest.approx(8, abs=1)
    limiter.told(to("b"), 0, "bot")
    assert rate_of(limiter, clock, 4) == pytest.approx(4.3, abs=1)


def test_ever_more_refusals_leave_something() -> None:
    limiter, clock = limiter_of(Pace(WIDE, (Rate(60, 60, 1),)))
    for _ in range(50):
        limiter.told(to("a"), 0.5)
        clock.at += 0.6
    assert rate_of(limiter, clock, 100) > 0.04


# Keeping count


def test_what_was_not_sent_is_given_back() -> None:
    limiter, _ = limiter_of(Pace(WIDE, (Rate(2, 100, 1),)))
    for _ in range(20):
        (one,) = limiter.choose([to("a")], 1)
        assert not limiter.choose([to("a", row=2)], 1)
        limiter.unused(one)


def test_who_has_to_wait_is_told_how_long() -> None:
    limiter, clock = limiter_of(Pace(Rate(100, 1, 100), (Rate(1, 10, 1),)))
    assert limiter.waits() == {}
    assert goes(limiter, to("a"))
    waits = limiter.waits()
    assert list(waits) == ["a"]
    clock.at += waits["a"] - 3  # it may be less: the rate grows meanwhile
    assert not goes(limiter, to("a"))
    assert limiter.rest() == pytest.approx(limiter.waits()["a"])
    clock.at += 3
    assert goes(limiter, to("a"))


def test_the_whole_bots_wait_is_told_too() -> None:
    limiter, _ = limiter_of(Pace(Rate(10, 1, 1), (WIDE,)))
    assert goes(limiter, to("a"))
    assert limiter.waits() == {"": pytest.approx(1 / 8)}


def test_a_request_of_which_nothing_is_heard_is_over_after_a_minute() -> None:
    limiter, clock = limiter_of(Pace(Rate(1, 1, 1), ()))
    assert limiter.choose([to("a")], 1)
    clock.at += 59
    assert not limiter.choose([to("a")], 1)
    clock.at += 3
    assert not limiter.choose([to("a")], 1)
    clock.at += 1.1
    assert limiter.choose([to("a")], 1)


def test_without_a_pace_nothing_waits() -> None:
    limiter, _ = limiter_of(None)
    assert len(limiter.choose([to("a", row=number) for number in range(1000)], 1000)) == 1000
    assert limiter.rest() is None
    assert limiter.waits() == {}


def test_forgetting_idle_destinations_gives_nobody_a_second_burst() -> None:
    limiter, clock = limiter_of(Pace(WIDE, (Rate(8, 100, 4),)))
    for _ in range(3):
        assert goes(limiter, to("mine"))
    limiter.told(to("blocked"), 3600)
    limiter.told(to("slowed"), 0)
    for number in range(1500):
        goes(limiter, to(str(number)))
        clock.at += 0.001
    assert [goes(limiter, to("mine")) for _ in range(3)] == [True, False, False]
    assert not goes(limiter, to("blocked"))
    clock.at += 1000
    for number in range(5000):
        goes(limiter, to(f"later {number}"))
    assert not goes(limiter, to("blocked"))
    assert len(limiter._places) < 6000


def test_memory_stays_small() -> None:
    limiter, clock = limiter_of(PUBLISHED["telegram"])
    for number in range(12_000):
        goes(limiter, to(str(number)))
        clock.at += 0.05
    assert len(limiter._places) <= 2 * buckets.SHARE * 2000
    assert len(limiter.waits()) < 100
