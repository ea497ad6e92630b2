"""Requests with an outcome that is known, against a server that answers as it was told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
from discord.http import Route
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Line, Notice, Reply
from bot.chat.ports import LimitSeen, NotSent, PlatformDown, Refused, SendError, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.discord import DiscordPlatform, limits
from bot.integrations.discord.blocks import NAME
from bot.integrations.discord.limits import CLOSED_FOR, INVALID_WINDOW, PATIENT_WITH
from tests.integrations.discord.conftest import RecordingSink
from tests.integrations.discord.scripted import CHANNEL, Said, Scripted, scripted, worker

HERE = Channel("discord", "1", CHANNEL)
THERE = replace(HERE, channel_id="687953077137155387")
LEARNED = {
    "X-RateLimit-Limit": "5",
    "X-RateLimit-Remaining": "4",
    "X-RateLimit-Reset-After": "4.500",
    "X-RateLimit-Bucket": "abcd1234",
}


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        yield running


@pytest.fixture
async def platform(server: Scripted) -> AsyncIterator[DiscordPlatform]:
    async with worker(server.config()) as sending:
        yield sending


async def send(platform: DiscordPlatform, to: Channel = HERE) -> str:
    return await platform.send(Reply("a text"), to, uuid.uuid4().hex[:25])


async def fails(platform: DiscordPlatform, to: Channel = HERE) -> SendError:
    with pytest.raises(SendError) as failed:
        await send(platform, to)
    return failed.value


# ---- limits that are told


async def test_each_answer_to_a_change_tells_its_limit(server: Scripted, platform: DiscordPlatform) -> None:
    seen: list[LimitSeen] = []
    platform.on_limits(seen.append)
    server.next = [
        Said(200, {"id": "9"}, LEARNED),
        Said(200, {"id": "9"}, {**LEARNED, "X-RateLimit-Bucket": "edits"}),
        Said(204, "", {**LEARNED, "X-RateLimit-Bucket": "deletes"}),
        Said(200, {"id": "9"}, LEARNED),
        Said(200, {"id": "9"}, {**LEARNED, "X-RateLimit-Limit": "many"}),
    ]
    await send(platform)
    await platform.edit(Line("new"), HERE, "9")
    await platform.delete(HERE, "9")
    assert await platform.holds(Member("discord", "1", "2"), "3") is False  # reading is no concern of the limiter's
    await send(platform, THERE)
    assert seen == [LimitSeen(name, CHANNEL, 5, 4, 4.5) for name in ("abcd1234", "edits", "deletes")]


@pytest.mark.parametrize(
    ("said", "seconds", "scope"),
    [
        (Said(429, {"retry_after": 1.25}, {"Retry-After": "2", "X-RateLimit-Scope": "user"}), 2.0, "destination"),
        (Said(429, {"retry_after": 2.25}, {"Retry-After": "2", "X-RateLimit-Scope": "shared"}), 2.25, "destination"),
        (Said(429, {"retry_after": 65, "global": True}, {"X-RateLimit-Scope": "global"}), 65.0, "bot"),
        (Said(429, {"retry_after": 65}, {"X-RateLimit-Global": "true"}), 65.0, "bot"),
        (Said(429, {"retry_after": 82721}), 82721.0, "destination"),
        (Said(429, "<html>error code: 1015</html>", {"Retry-After": "82721"}), 82721.0, "bot"),
        (Said(429, "<html>error code: 1015</html>"), 60.0, "bot"),
        (Said(429, {"retry_after": math.inf}, {"Retry-After": "soon"}), 60.0, "destination"),
        (Said(403, "<html>you have been blocked</html>"), 60.0, "bot"),
    ],
)
async def test_a_rate_limit_is_told_in_full_and_kept_to_without_asking(
    server: Scripted, platform: DiscordPlatform, said: Said, seconds: float, scope: str
) -> None:
    server.next = [said]
    error = await fails(platform)
    assert isinstance(error, NotSent)
    assert (error.retry_after, error.scope) == (seconds, scope)
    assert len(server.heard) == 1
    again = await fails(platform)
    assert isinstance(again, NotSent)
    assert again.retry_after == pytest.approx(seconds, abs=5)
    assert again.scope == scope
    assert len(server.heard) == 1
    if scope == "destination":
        await send(platform, THERE)
    else:
        assert isinstance(await fails(platform, THERE), NotSent)
        assert len(server.heard) == 1


async def test_an_empty_bucket_is_not_asked(server: Scripted, platform: DiscordPlatform) -> None:
    empty = {**LEARNED, "X-RateLimit-Remaining": "0"}
    server.next = [Said(200, {"id": "9"}, {**empty, "X-RateLimit-Reset-After": "0.2"}), Said(200, {"id": "9"}, empty)]
    await send(platform)
    await send(platform)  # a short wait is waited
    error = await fails(platform)
    assert isinstance(error, NotSent)
    assert error.retry_after == pytest.approx(4.5, abs=1)
    assert len(server.heard) == 2
    await send(platform, THERE)  # a bucket is each channel's own


async def test_many_at_once_do_not_overrun_a_bucket(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(200, {"id": "9"}, LEARNED)]
    await send(platform)
    outcomes = await asyncio.gather(*(send(platform) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, NotSent) for one in outcomes) == 4
    assert len(server.heard) == 5


def test_what_is_still_on_its_way_counts() -> None:
    known, route = limits.Limits(), Route("POST", "/channels/{channel_id}/messages", channel_id=CHANNEL)
    known.learn(route, limits.Response(200, {**LEARNED, "X-RateLimit-Remaining": "2"}, {}))
    known.began(route)
    known.began(route).outgoing -= 1
    assert known.hold(route) is not None
    # The answer to the second does not know of the first, which Discord has not seen yet.
    known.learn(route, limits.Response(200, {**LEARNED, "X-RateLimit-Remaining": "1"}, {}))
    assert known.hold(route) is not None


def test_what_left_in_the_old_window_may_arrive_in_the_new_one() -> None:
    clock = 0.0
    known = limits.Limits(lambda: clock)
    route = Route("POST", "/channels/{channel_id}/messages", channel_id=CHANNEL)
    told = {**LEARNED, "X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "1"}
    known.learn(route, limits.Response(200, told, {}))
    clock = 0.9
    known.began(route)
    clock = 1.1
    gone = 0
    while known.hold(route) is None:
        known.began(route)
        gone += 1
    assert gone == 4


class Window:
    """A bucket of Discord's: so many requests from the first one on, until the time is over."""

    def __init__(self) -> None:
        self.used, self.ends = 0, 0.0

    def take(self, now: float) -> limits.Response:
        if now >= self.ends:
            self.used, self.ends = 0, now + 5
        self.used += 1
        headers = {
            "X-RateLimit-Bucket": "b",
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": str(max(0, 5 - self.used)),
            "X-RateLimit-Reset-After": f"{self.ends - now:.3f}",
        }
        return limits.Response(200 if self.used <= 5 else 429, headers, {"retry_after": self.ends - now})


PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.1, 0.5, 4.9, 5.5])
DELAYS = st.sampled_from([0.0, 0.02, 0.1, 0.2, 0.4])


@given(st.lists(st.tuples(PAUSES, DELAYS, DELAYS), min_size=5, max_size=60))
def test_a_bucket_that_is_known_is_never_overrun(steps: list[tuple[float, float, float]]) -> None:
    """Requests begin at any time, take any time to arrive, and their answers overtake each other."""
    clock, going = 0.0, itertools.count()
    known = limits.Limits(lambda: clock)
    route, window = Route("POST", "/channels/{channel_id}/messages", channel_id=CHANNEL), Window()
    ahead: list[tuple[float, int, str, object]] = []

    def until(end: float) -> None:
        nonlocal clock
        while ahead and ahead[0][0] <= end:
            clock, _, what, about = heapq.heappop(ahead)
            if what == "arrives":
                bucket, back = cast(tuple[limits.Bucket, float], about)
                answer = (bucket, window.take(clock))
                heapq.heappush(ahead, (clock + back, next(going), "answered", answer))
            else:
                bucket, response = cast(tuple[limits.Bucket, limits.Response], about)
                assert response.good
                bucket.outgoing -= 1
                known.learn(route, response)
        clock = end

    bucket = known.began(route)  # the first tells the limit
    bucket.outgoing -= 1
    known.learn(route, window.take(clock))
    gone = 0
    for gap, there, back in steps:
        until(clock + gap)
        if known.hold(route) is None:
            gone += 1
            heapq.heappush(ahead, (clock + there, next(going), "arrives", (known.began(route), back)))
    until(clock + 60)
    assert gone > 0  # what has arrived and is not answered counts twice: rather too few than one too many
    assert known.hold(route) is None  # and it is never stuck


# ---- creating


@pytest.mark.parametrize(
    "fault", [Said(500, {}), Said(502, "<html>"), Said(524, "<html>"), Said(cut=True), Said(200, "not json"), Said(200)]
)
async def test_what_may_have_been_done_is_repeated_with_the_same_nonce(
    server: Scripted, platform: DiscordPlatform, fault: Said
) -> None:
    server.next = [fault]
    assert await send(platform) == "900000000000000001"
    [first, second] = server.bodies
    assert first == second
    assert first["enforce_nonce"] is True


async def test_a_message_that_was_deleted_meanwhile_is_sent_and_has_no_id(
    server: Scripted, platform: DiscordPlatform
) -> None:
    server.next = [Said(500, {}), Said(404, {"code": 10008, "message": "Unknown Message"})]
    assert await send(platform) == ""
    # What is not there any more can be deleted, and cannot be changed.
    await platform.delete(HERE, "")
    with pytest.raises(Refused) as refused:
        await platform.edit(Line("new"), HERE, "")
    assert refused.value.code == "gone"
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    "then", [Said(429, {"retry_after": 30}), Said(403, {"code": 50001}), Said(404, {"code": 10003})]
)
async def test_after_an_unclear_attempt_no_other_answer_makes_it_sure(
    server: Scripted, platform: DiscordPlatform, then: Said
) -> None:
    server.next = [Said(500, {}), then, then, then]
    assert isinstance(await fails(platform), Unclear)


async def test_a_body_that_is_refused_was_never_taken(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(500, {}), Said(400, {"code": 50035})]
    error = await fails(platform)
    assert isinstance(error, Refused)
    assert error.code == "50035"


async def test_no_answer_at_all_is_unclear_and_ends_in_time(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(never=True), Said(never=True)]
    async with asyncio.timeout(10):
        assert isinstance(await fails(platform), Unclear)
    assert server.bodies[0] == server.bodies[1]


async def test_an_edit_is_one_request(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(502, "<html>"), Said(cut=True), Said(200, "<html>")]
    for _ in range(3):
        with pytest.raises(Unclear):
            await platform.edit(Line("new"), HERE, "9")
    assert len(server.heard) == 3


async def test_reading_is_repeated(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(503, "<html>"), Said(200, {"roles": ["7"]})]
    assert await platform.holds(Member("discord", "1", "2"), "7")


# ---- refusals, and how many there may be


async def test_a_refused_token_ends_everything_at_once(server: Scripted, sink: RecordingSink) -> None:
    async with worker(server.config()) as platform:
        server.next = [Said(401, {"code": 0})]
        for to in (HERE, HERE, THERE):
            error = await fails(platform, to)
            assert isinstance(error, Refused)
            assert error.code == "unauthorized"
        assert len(server.heard) == 1
        with pytest.raises(PlatformDown, match="HERALD_DISCORD__TOKEN"):
            async with asyncio.timeout(5):
                await platform.run(sink, lambda: None)
    assert len(server.heard) == 1


async def test_a_channel_that_refuses_is_not_hammered(
    server: Scripted, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.always["POST", f"/channels/{CHANNEL}/messages"] = Said(403, {"code": 50013})
    codes = {getattr(await fails(platform), "code", "") for _ in range(20)}
    assert codes == {"50013"}
    assert len(server.heard) == PATIENT_WITH
    assert caplog.text.count("is not asked for") == 1
    await send(platform, THERE)
    # Somebody has mended it: a minute later it is tried again.
    server.always.clear()
    known = platform._api.limits
    late = known.monotonic() + CLOSED_FOR
    monkeypatch.setattr(known, "monotonic", lambda: late)
    await send(platform)


async def test_too_many_refusals_stop_everything_but_answers_until_the_window_is_clear(
    server: Scripted, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "MOST_INVALID", 6)
    shared = Said(429, {"retry_after": 0.01}, {"X-RateLimit-Scope": "shared"})
    server.next = [
        *[Said(403, {"code": 50007})] * 4,
        *[shared] * 3,
        Said(404, {"code": 10008}),
        Said(429, {"retry_after": 0.01}),
    ]
    for number in range(8):
        with pytest.raises(SendError):
            await platform.edit(Line("new"), replace(HERE, channel_id=str(10_000 + number)), "9")
    assert caplog.text.count("Discord would shut this machine out") == 0
    handle = {"application_id": "1", "token": "t", "at": str(2e9), "kind": "update"}
    notice = Notice("words", Member("discord", "1", "2"))
    await fails(platform)  # the fifth
    server.next = [Said(403, {"code": 50027})]
    with pytest.raises(NotSent):  # its private message is stopped: the follow-up's refusal was the sixth
        await platform.notify(notice, HERE, handle)
    assert caplog.text.count("Discord would shut this machine out") == 1
    asked = len(server.heard)
    error = await fails(platform, THERE)
    assert isinstance(error, NotSent)
    assert error.scope == "bot"
    assert error.retry_after == pytest.approx(INVALID_WINDOW, abs=5)
    with pytest.raises(NotSent):
        await platform.holds(Member("discord", "1", "2"), "7")
    assert len(server.heard) == asked
    await platform.notify(notice, HERE, handle)
    assert len(server.heard) == asked + 1
    known = platform._api.limits
    late = known.monotonic() + INVALID_WINDOW
    monkeypatch.setattr(known, "monotonic", lambda: late)
    await send(platform, THERE)


async def test_the_breaker_counts_a_thousand(server: Scripted, platform: DiscordPlatform) -> None:
    known = platform._api.limits
    refused = limits.Response(403, {}, {"code": 50001})
    for _ in range(999):
        known.count(refused)
    await send(platform)
    known.count(refused)
    assert isinstance(await fails(platform), NotSent)


async def test_a_wait_of_the_whole_bot_outlives_the_process(
    server: Scripted, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "herald.discord")
    blocked = Said(429, "<html>error code: 1015</html>", {"Retry-After": "82721"})
    server.next = [blocked]
    for _ in range(3):
        async with worker(server.config()) as platform:
            running = asyncio.create_task(platform.run(sink, lambda: None))
            try:
                await sink.until(lambda: NAME in sink.facts)
                async with asyncio.timeout(5):
                    while "trying again in 827" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                        await asyncio.sleep(0.01)
                error = await fails(platform)
            finally:
                running.cancel()
                await asyncio.wait([running])
        caplog.clear()
        assert isinstance(error, NotSent)
        assert error.retry_after == pytest.approx(82721, abs=60)
    assert len(server.heard) == 1
