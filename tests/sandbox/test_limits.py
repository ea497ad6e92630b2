"""The limiters as judges: nothing more than published goes through, and who waits as told is let through."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.discord import limits as discord
from bot.sandbox.discord.errors import ApiError as DiscordRefusal
from bot.sandbox.slack.limits import RateLimiter, Tier
from bot.sandbox.telegram import limits as telegram
from bot.sandbox.telegram.errors import ApiError as TelegramRefusal
from bot.sandbox.telegram.world import Chat

from .still import StillClock

STEPS = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 5)), min_size=1, max_size=300)
"""Seconds to wait before a call, and which place it is for."""


def most_within(times: list[float], seconds: float) -> int:
    """The largest number of times in a stretch that is shorter than so many seconds."""
    return max((sum(start <= time < start + seconds - 1e-6 for time in times) for start in times), default=0)


def play(clock: StillClock, steps: list[tuple[float, int]], call: Callable[[int], float]) -> list[tuple[float, int]]:
    """Which calls went through, and when. `call` answers the seconds to wait; who then waits must be let through."""
    went = []
    for gap, place in steps:
        clock.advance(gap)
        if wait := call(place):
            clock.advance(wait + 1e-6)
            assert call(place) == 0
        went.append((clock.now(), place))
    return went


@given(STEPS)
def test_telegram_counts_chats_groups_and_all(steps: list[tuple[float, int]]) -> None:
    clock = StillClock()
    limits = telegram.Limits(clock, enforced=True)
    chats = [Chat(number, "private" if number % 2 else "supergroup", "") for number in range(6)]

    def call(place: int) -> float:
        try:
            limits.take(chats[place])
        except TelegramRefusal as refusal:
            return float(refusal.retry_after or 0)
        return 0.0

    went = play(clock, steps, call)
    assert most_within([time for time, _ in went], 1.0) <= telegram.ALL_BURST + telegram.ALL_PER_SECOND
    for number, chat in enumerate(chats):
        times = [time for time, place in went if place == number]
        assert most_within(times, 1.0) <= telegram.CHAT_BURST
        minute = 60.0 - telegram.JITTER_SECONDS
        assert most_within(times, minute) <= (60 + telegram.CHAT_BURST if chat.type == "private" else 20)


def test_the_whole_of_a_bot_is_counted_too() -> None:
    """Of many chats, and of many channels, at a standing clock: one second's worth, and then what time brings."""
    clock = StillClock()
    ours, theirs = telegram.Limits(clock, enforced=True), discord.Limits(clock, enforced=True)

    def sent(number: int) -> bool:
        try:
            ours.take(Chat(number, "private", ""))
        except TelegramRefusal as refusal:
            assert refusal.retry_after == 1
            return False
        return True

    def created(number: int) -> bool:
        try:
            theirs.take("POST", "/channels/{channel_id}/messages", str(number))
        except DiscordRefusal as refusal:
            assert refusal.body["global"]
            return False
        return True

    for number in range(100):
        assert sent(number) is (number < 30)
        assert created(number) is (number < 50)
    clock.advance(0.5)
    assert [sent(200 + number) for number in range(20)] == [True] * 15 + [False] * 5
    assert [created(200 + number) for number in range(30)] == [True] * 25 + [False] * 5


@given(STEPS)
def test_slack_counts_channels_and_the_workspace(steps: list[tuple[float, int]]) -> None:
    clock = StillClock()
    limiter = RateLimiter(clock)

    def call(place: int) -> float:
        return limiter.wait((Tier.POSTING, ("post", str(place))), (Tier.WORKSPACE, ("post",)))

    went = play(clock, steps, call)
    for number in range(6):
        times = [time for time, place in went if place == number]
        assert most_within(times, 1.0) <= Tier.POSTING.value[1]
        assert most_within(times, 60.0) <= 60 + Tier.POSTING.value[1]


@given(STEPS)
def test_discord_counts_windows_and_seconds(steps: list[tuple[float, int]]) -> None:
    clock = StillClock()
    limits = discord.Limits(clock, enforced=True)

    def call(place: int) -> float:
        try:
            limits.take("POST", "/channels/{channel_id}/messages", str(place))
        except DiscordRefusal as refusal:
            return float(refusal.body["retry_after"]) + 0.001
        return 0.0

    went = play(clock, steps, call)
    assert most_within([time for time, _ in went], 1.0) <= 50 + 50
    for number in range(6):
        # A window may end just before the next one begins: twice its places, and never more.
        assert most_within([time for time, place in went if place == number], 5.0) <= 10
