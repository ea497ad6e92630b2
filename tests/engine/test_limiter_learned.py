"""Limits that a platform tells with its answers: never exceeded, whoever used them before."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chat.ports import LimitSeen
from bot.engine.limiter import PUBLISHED

from .limits import limiter_of, to


def test_a_destination_without_a_known_limit_is_asked_one_at_a_time() -> None:
    limiter, _ = limiter_of(PUBLISHED["discord"])
    first, second = to("a"), to("a", row=1)
    assert limiter.choose([first, second], 9) == [first]
    assert not limiter.choose([second], 9)
    limiter.seen(LimitSeen("b1", "a", 5, 4, 5.0))
    limiter.went(first)
    assert len(limiter.choose([to("a", row=number) for number in range(9)], 9)) == 4
    assert limiter.choose([to("b")], 9)


def test_what_answers_say_counts_even_if_it_is_less_than_we_know() -> None:
    """Another process, or a restart, used it up."""
    limiter, clock = limiter_of(PUBLISHED["discord"])
    assert limiter.choose([to("a")], 1)
    limiter.seen(LimitSeen("b1", "a", 5, 0, 1.5))
    limiter.went(to("a"))
    assert not limiter.choose([to("a")], 1)
    assert limiter.waits() == {"a": pytest.approx(1.5)}
    clock.at += 1.51
    assert limiter.choose([to("a"), to("a")], 9) == [to("a")]  # and then one finds out


def test_a_learned_limit_of_the_whole_bot_holds_for_all() -> None:
    limiter, _ = limiter_of(PUBLISHED["discord"])
    limiter.seen(LimitSeen("g", "", 2, 1, 10.0))
    assert len(limiter.choose([to("a"), to("b"), to("c")], 9)) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_limit_that_is_none_is_ignored(value: float) -> None:
    limiter, _ = limiter_of(PUBLISHED["discord"])
    limiter.seen(LimitSeen("b1", "a", 0, 0, value))
    assert limiter.choose([to("a")], 1)


class Headers:
    """What the sandbox and Discord do: a window for each channel, told by headers."""

    def __init__(self, limit: int, seconds: float, *, sliding: bool) -> None:
        self.limit, self.seconds, self.sliding = limit, seconds, sliding
        self.taken: list[float] = []
        self.refused = 0

    def take(self, now: float) -> LimitSeen:
        if self.sliding:
            self.taken = [at for at in self.taken if at > now - self.seconds]
        elif self.taken and self.taken[0] <= now - self.seconds:
            self.taken = []
        if len(self.taken) >= self.limit:
            self.refused += 1
        self.taken.append(now)
        return LimitSeen("b", "a", self.limit, self.limit - len(self.taken), self.taken[0] + self.seconds - now)


@given(
    before=st.lists(st.floats(0, 5), max_size=5),
    limit=st.integers(1, 6),
    sliding=st.booleans(),
    ways=st.lists(st.floats(0.01, 0.5), min_size=1, max_size=7),
)
@settings(max_examples=50, deadline=None)
def test_learned_limits_are_never_exceeded(before: list[float], limit: int, sliding: bool, ways: list[float]) -> None:
    """Even where somebody used the window before us, and answers overtake each other."""
    limiter, clock = limiter_of(PUBLISHED["discord"])
    there = Headers(limit, 5.0, sliding=sliding)
    for at in sorted(before)[: limit - 1]:
        there.take(clock.at - 5 + at)
    waiting: list[tuple[float, float | LimitSeen]] = []
    sent = 0
    wanted = [to("a", row=number) for number in range(8)]
    for _ in range(600):
        for _ in limiter.choose(wanted, 64):
            waiting.append((clock.at + ways[sent % len(ways)] / 2, ways[(sent + 3) % len(ways)]))
            sent += 1
        clock.at += 0.025
        now, waiting = [w for w in waiting if w[0] <= clock.at], [w for w in waiting if w[0] > clock.at]
        for at, what in sorted(now, key=lambda pair: pair[0]):
            if isinstance(what, LimitSeen):
                limiter.seen(what)
                limiter.went(to("a"))
            else:
                seen = there.take(at)
                # the header counts from its arrival here: the platform wrote it `what` / 2 earlier
                waiting.append((at + what / 2, seen))
    assert there.refused == 0
    assert sent >= 0.6 * limit * 15 / 6


def test_a_thousand_refused_requests_stop_everything_on_discord() -> None:
    limiter, clock = limiter_of(PUBLISHED["discord"])
    for number in range(999):
        limiter.refused(to(str(number % 7)))
    assert limiter.choose([to("fresh")], 1)
    limiter.told(to("fresh"), 0.1)
    clock.at += 1
    assert not limiter.choose([to("other")], 1)
    assert limiter.waits()[""] == pytest.approx(599)
    clock.at += 600
    assert limiter.choose([to("other")], 1)
