"""Pacing: never more than the published figures in any window, whoever asks when."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.limiter import PUBLISHED, Limiter, Pace, Rate

from .world import HandClock

# What platforms publish or are seen to enforce as windows (RELIABILITY section 4): (messages, seconds).
OVERALL = {"telegram": (30, 1.0), "slack": (20, 1.0), "discord": (50, 1.0)}
CHANNEL = {"telegram": [(20, 60.0)], "slack": [(64, 60.0)], "discord": [(5, 5.0)]}
# "One a second, short bursts tolerated": so many at once, then one a second.
BURSTS = {"telegram": (1.0, 3), "slack": (1.0, 4), "discord": (1.0, 5)}

steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 2) | st.sampled_from([0.0, 0.01, 1.25, 20.0])), max_size=250
)


def played(platform: str, asked: list[tuple[str, float]]) -> dict[str, list[float]]:
    """Everybody who may go goes at once: when each destination was written to."""
    clock = HandClock()
    limiter = Limiter(PUBLISHED[platform], clock.monotonic)
    went: dict[str, list[float]] = {name: [] for name in "abc"}
    for destination, wait in asked:
        clock.at += wait
        if limiter.take(destination):
            went[destination].append(clock.at)
    return went


def within(times: list[float], count: int, seconds: float) -> bool:
    """Whether no window of so many seconds holds more than so many."""
    return all(
        times[n + count] - times[n] > seconds - 1e-6 for n in range(len(times) - count)
    )  # fmt: skip


@pytest.mark.parametrize("platform", list(PUBLISHED))
@given(asked=steps)
@settings(max_examples=60, deadline=None)
def test_no_window_holds_more_than_published(platform: str, asked: list[tuple[str, float]]) -> None:
    went = played(platform, asked)
    assert within(sorted(chain(*went.values())), *OVERALL[platform])
    for times in went.values():
        for count, seconds in CHANNEL[platform]:
            assert within(times, count, seconds)
        rate, burst = BURSTS[platform]
        for start in range(len(times)):
            for end in range(start, len(times)):
                assert end - start + 1 <= burst + rate * (times[end] - times[start]) + 1e-6


@pytest.mark.parametrize("platform", list(PUBLISHED))
def test_a_greedy_sender_gets_most_of_what_is_allowed(platform: str) -> None:
    clock = HandClock()
    limiter = Limiter(PUBLISHED[platform], clock.monotonic)
    went = 0
    for _ in range(6000):
        clock.at += 0.1
        went += limiter.take("a")
    allowed = min(count / seconds for count, seconds in [*CHANNEL[platform], (60, 60.0)]) * 600
    assert 0.75 * allowed <= went <= allowed + 5


@pytest.mark.parametrize("platform", list(PUBLISHED))
def test_a_busy_destination_starves_no_other(platform: str) -> None:
    clock = HandClock()
    limiter = Limiter(PUBLISHED[platform], clock.monotonic)
    for _ in range(50):
        limiter.take("busy")
    clock.at += 1
    assert not all(limiter.take("busy") for _ in range(9))
    assert limiter.take("quiet")


def test_who_has_to_wait_is_told_how_long() -> None:
    clock = HandClock()
    limiter = Limiter(Pace(Rate(100, 1, 100), (Rate(1, 10, 1),)), clock.monotonic)
    assert limiter.paced() == {}
    assert limiter.take("a")
    waits = limiter.paced()
    assert list(waits) == ["a"]
    assert not limiter.take("a")
    clock.at += waits["a"]
    assert limiter.take("a")


@given(st.floats(0.001, 100_000), st.floats(0, 100_000))
def test_what_a_platform_tells_us_to_wait_is_waited(seconds: float, more: float) -> None:
    clock = HandClock()
    clock.at = 0.0
    limiter = Limiter(None, clock.monotonic)
    limiter.block("a", seconds)
    limiter.block("a", seconds / 2)
    assert not limiter.take("a")
    assert limiter.take("b")
    clock.at = seconds * 0.999
    assert not limiter.take("a")
    clock.at = seconds + more + 0.001
    assert limiter.take("a")
    assert limiter.paced() == {}


def test_without_a_pace_nothing_waits() -> None:
    limiter = Limiter(None, HandClock().monotonic)
    assert all(limiter.take("a") for _ in range(1000))


def test_forgetting_idle_destinations_gives_nobody_a_second_burst() -> None:
    clock = HandClock()
    limiter = Limiter(Pace(Rate(10**6, 1, 10**6), (Rate(1, 100, 4),)), clock.monotonic)
    for _ in range(3):
        assert limiter.take("mine")
    for number in range(1500):
        limiter.take(str(number))
    assert [limiter.take("mine") for _ in range(3)] == [True, False, False]
