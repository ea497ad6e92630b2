"""Another poller, a long silence, an outage: what polling does then, and what people are shown meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.chat.events import MessagePosted
from bot.chat.messages import Notice
from bot.chat.ports import PlatformDown, StoreUnavailable
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.patience import STEP_DOWN
from bot.integrations.telegram.pulse import Pulse

from .conftest import RecordingSink
from .server import TOKEN, Server, Time, message, refused, serving

SOURCE = "telegram:123456"
PULSE = f"{SOURCE}:pulse"
DAY = 86_400.0
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def build(server: Server, time: Time, **changes: Any) -> TelegramPlatform:
    config = TelegramConfig(TOKEN, server.url, poll_timeout=0, **changes)
    return TelegramPlatform(config, time.wall, Clocks(time.wall, time.wall, time.sleep))


@asynccontextmanager
async def polling(server: Server, time: Time, sink: RecordingSink) -> AsyncIterator[TelegramPlatform]:
    platform = build(server, time)
    task = asyncio.create_task(platform.run(sink, lambda: None))
    try:
        yield platform
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await platform.close()


def pulse(**kept: float) -> dict[str, str]:
    return {PULSE: json.dumps(kept)}


async def polled(server: Server, times: int = 1) -> None:
    before = len(server.called("getUpdates"))
    await server.until(lambda: len(server.called("getUpdates")) >= before + times)


# ---- another poller


async def test_another_poller_makes_us_step_down_and_try_again(caplog: pytest.LogCaptureFixture) -> None:
    time, sink = Time(), RecordingSink()
    answers = iter([refused(409, CONFLICT), refused(409, CONFLICT), [message(5)]])
    async with serving() as server:
        server.answers["getUpdates"] = lambda _sent: next(answers, [])
        async with polling(server, time, sink):
            await sink.event(MessagePosted, message_id="5")
            await sink.until(lambda s: (SOURCE, None) in s.gaps)
    assert time.waits == [STEP_DOWN, STEP_DOWN]
    assert sink.gaps == [(SOURCE, 0), (SOURCE, None)]
    (line,) = [record for record in caplog.records if "another process polls" in record.getMessage()]
    assert line.levelno == logging.ERROR
    assert "stolen" in line.getMessage()


async def test_it_never_ends_however_long_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    time, sink = Time(), RecordingSink()
    async with serving() as server:
        server.answers["getUpdates"] = lambda _sent: refused(409, CONFLICT)
        async with polling(server, time, sink):
            await server.until(lambda: len(server.called("getUpdates")) >= 50)
    assert set(time.waits) == {STEP_DOWN}
    assert len([record for record in caplog.records if "another process polls" in record.getMessage()]) == 1
    assert [gap for gap in sink.gaps if gap[1] is None] == []


async def test_a_conflict_of_another_day_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    time, sink = Time(), RecordingSink()
    async with serving() as server:
        turns = iter([refused(409, CONFLICT), []])
        server.answers["getUpdates"] = lambda _sent: next(turns, [])
        async with polling(server, time, sink):
            await polled(server, 3)
            time.now += 3600
            server.answers["getUpdates"] = lambda _sent: refused(409, CONFLICT)
            await polled(server, 3)
    assert len([record for record in caplog.records if "another process polls" in record.getMessage()]) == 2


# ---- an outage


async def test_an_outage_of_a_minute_is_shown_until_all_is_read(caplog: pytest.LogCaptureFixture) -> None:
    time, sink = Time(), RecordingSink()
    caplog.set_level(logging.INFO, "herald.telegram")
    async with serving() as server:
        server.answers["getUpdates"] = lambda _sent: refused(502, "Bad Gateway") if sum(time.waits) < 90 else []
        async with polling(server, time, sink):
            await sink.until(lambda s: (SOURCE, None) in s.gaps)
    assert sink.gaps == [(SOURCE, 0), (SOURCE, None)]
    assert "connected again" in caplog.text


async def test_a_short_outage_is_nobodys_business() -> None:
    time, sink = Time(), RecordingSink()
    async with serving() as server:
        server.answers["getUpdates"] = lambda _sent: refused(502, "Bad Gateway") if sum(time.waits) < 10 else []
        async with polling(server, time, sink):
            await server.until(lambda: sum(time.waits) >= 10)
            await polled(server, 3)
    assert sink.gaps == []


# ---- nobody asked for long


@pytest.mark.parametrize(
    ("hours", "alarm", "lost", "shown"),
    [(0.01, False, False, False), (1, False, False, True), (13, True, False, True), (30, True, True, True)],
)
async def test_how_long_nobody_asked_is_said_at_the_start(
    hours: float, alarm: bool, lost: bool, shown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    time, sink = Time(), RecordingSink()
    sink.facts |= pulse(asked=time.now - hours * 3600, heard=time.now - hours * 3600)
    async with serving() as server, polling(server, time, sink):
        await polled(server, 3)
    lines = [record.getMessage() for record in caplog.records if "nobody asked" in record.getMessage()]
    assert (len(lines), any("is lost" in line for line in lines)) == (int(alarm), lost)
    assert bool(sink.gaps) == shown
    assert not shown or sink.gaps[-1] == (SOURCE, None)


async def test_a_gap_is_open_until_all_pages_are_read() -> None:
    time, sink = Time(), RecordingSink()
    sink.facts |= pulse(asked=time.now - 3600, heard=time.now - 3600)
    order: list[str] = []
    async with serving() as server:
        server.waiting = [message(number) for number in range(1, 251)]
        original = sink.gap

        async def gap(cursor: str, until: int | None) -> None:
            order.append(f"{'open' if until is not None else 'whole'} after {len(sink.incoming)}")
            await original(cursor, until)

        sink.gap = gap  # type: ignore[method-assign]
        async with polling(server, time, sink):
            await sink.until(lambda s: (SOURCE, None) in s.gaps)
    assert order == ["open after 0", "whole after 250"]


# ---- numbers that begin anew


async def test_after_a_week_of_silence_lower_numbers_are_not_thrown_away() -> None:
    time, sink = Time(), RecordingSink()
    sink.positions[SOURCE] = 9000
    sink.facts |= pulse(asked=time.now - 60, heard=time.now - 8 * DAY)
    async with serving() as server:
        server.waiting = [message(50, "back again")]
        async with polling(server, time, sink):
            await sink.event(MessagePosted, text="back again")
            await server.until(lambda: server.called("getUpdates")[-1].get("offset") == 51)
        assert "offset" not in server.called("getUpdates")[0]
        kept = dict(sink.positions)
        server.waiting = [message(51, "after a restart")]
        async with polling(server, time, sink):
            await sink.event(MessagePosted, text="after a restart")
    (first, *_, last) = sink.incoming
    assert kept == {SOURCE: 9000, f"{SOURCE}:1": 51}
    assert (first.external_id, last.external_id) == ("1:50", "1:51")


async def test_a_silence_while_we_poll_is_one_too() -> None:
    time, sink = Time(), RecordingSink()
    async with serving() as server:
        server.waiting = [message(9000)]
        async with polling(server, time, sink):
            await sink.event(MessagePosted, message_id="9000")
            await polled(server, 3)
            time.now += 7 * DAY
            await server.until(lambda: "offset" not in server.called("getUpdates")[-1])
            server.waiting = [message(50, "lower")]
            await sink.event(MessagePosted, text="lower")
    assert [incoming.external_id for incoming in sink.incoming] == ["9000", "1:50"]


async def test_while_something_comes_the_numbers_go_on() -> None:
    time, sink = Time(), RecordingSink()
    async with serving() as server:
        async with polling(server, time, sink):
            for number in range(1, 10):
                server.waiting.append(message(number))
                await sink.event(MessagePosted, message_id=str(number))
                time.now += DAY
        assert [incoming.external_id for incoming in sink.incoming] == [str(number) for number in range(1, 10)]


@pytest.mark.parametrize("kept", ["", "null", "[]", "{", '{"asked": "x"}', '{"asked": null}', "[" * 100])
async def test_times_that_cannot_be_read_are_none(kept: str) -> None:
    sink = RecordingSink()
    sink.facts[PULSE] = kept
    made = Pulse("123456", Clocks())
    assert await made.recall(sink) == 0.0
    assert made.cursor == SOURCE


async def test_times_are_kept_now_and_then_and_a_full_disk_stops_nothing() -> None:
    time, sink = Time(), RecordingSink()
    made = Pulse("123456", Clocks(time.wall, time.wall, time.sleep))
    written: list[str] = []

    async def remember(name: str, value: str) -> None:
        written.append(value)
        if len(written) == 1:
            raise StoreUnavailable("the test's disk is full")

    sink.remember = remember  # type: ignore[method-assign]
    for _ in range(100):
        await made.asked(sink)
        time.now += 30
    assert 3 <= len(written) <= 7


# ---- people who do not take private messages


async def test_whoever_shut_the_conversation_is_tried_once_until_they_open_it() -> None:
    time = Time()
    at, person = Channel("telegram", "123456", "-100"), Member("telegram", "123456", "7")
    tried: list[Any] = []

    def send(sent: dict[str, Any]) -> Any:
        tried.append(sent["chat_id"])
        if sent["chat_id"] == 7 and not is_open:
            return refused(403, "Forbidden: bot can't initiate conversation with a user")
        return {"message_id": len(tried)}

    is_open = False
    async with serving() as server:
        server.answers["sendMessage"] = send
        platform = build(server, time)
        notice = Notice("SECRET", person, "write to me first")
        for _ in range(3):
            await platform.notify(notice, at, {})
        assert tried == [7, -100, -100, -100]
        is_open = True
        private = message(9) | {"message": message(9)["message"] | {"chat": {"id": 7, "type": "private"}}}
        assert isinstance(platform.parse(json.dumps(private)), MessagePosted)
        await platform.notify(notice, at, {})
        assert tried[4:] == [7]
        is_open = False
        await platform.notify(notice, at, {})
        time.now += 3601
        await platform.notify(notice, at, {})
        assert tried[5:] == [7, -100, 7, -100]
        await platform.close()


async def test_a_refused_token_still_ends_it() -> None:
    async with serving() as server:
        server.answers["getUpdates"] = lambda _sent: refused(401, "Unauthorized")
        platform = build(server, Time())
        with pytest.raises(PlatformDown, match="BotFather"):
            await asyncio.wait_for(platform.run(RecordingSink(), lambda: None), 10)
        await platform.close()
