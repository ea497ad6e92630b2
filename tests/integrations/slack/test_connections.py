"""Several Socket Mode connections: one is always there, and what came while none was is read back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.chat.events import MessagePosted
from bot.integrations.slack import SlackConfig, SlackPlatform, backfill, socket
from tests.integrations.slack.conftest import RecordingSink
from tests.integrations.slack.payloads import event
from tests.integrations.slack.wires import Exchange, exchange

CURSOR = "slack:T1:C1"


def said(ts: str, **more: Any) -> dict[str, Any]:
    return event(ts=ts) | {"event_id": f"Ev{ts}"} | more


def kept(ts: str, text: str = "hi") -> dict[str, Any]:
    return {"type": "message", "user": "U1", "text": text, "ts": ts}


@asynccontextmanager
async def running(slack: Exchange, sink: RecordingSink, **changes: Any) -> AsyncIterator[SlackPlatform]:
    fields = {"watched": ("C1",), "request_timeout": 3.0} | changes
    platform, ready = SlackPlatform(SlackConfig("xoxb-1", "xapp-1", slack.server.url, **fields)), asyncio.Event()
    task = asyncio.create_task(platform.run(sink, ready.set))
    try:
        async with asyncio.timeout(10):
            await ready.wait()
        yield platform
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await platform.close()


async def test_as_many_connections_stand_as_are_wanted_and_all_are_heard(sink: RecordingSink) -> None:
    async with exchange() as slack, running(slack, sink, connections=3):
        await slack.until(lambda: len(slack.open) == 3)
        for number, wire in enumerate(slack.open):
            await wire.deliver(f"e{number}", said(f"{number + 1}.000000"))
        await slack.until(lambda: sum(len(wire.acknowledged) for wire in slack.wires) == 3)
    assert len(sink.events(MessagePosted)) == 3
    assert slack.open == []


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_next_connection_stands_before_the_old_one_goes(sink: RecordingSink, reason: str) -> None:
    async with exchange() as slack, running(slack, sink):
        await slack.until(lambda: len(slack.open) == 2)
        await sink.until(lambda: CURSOR in sink.positions)
        gaps = len(sink.gaps)
        old = slack.open[0]
        await old.disconnect(reason)
        await old.deliver("late", said("5.000000"))  # Slack delivers over it until it is closed
        await slack.until(lambda: len(slack.wires) == 3 and len(slack.open) == 2)
        await slack.until(lambda: "ack late" in slack.history)
    moved = [what for what in slack.history if what.split()[0] in ("open", "close")]
    assert moved[:3] == ["open 1", "open 2", "open 3"]
    assert moved[3] == "close 1"
    assert len(sink.gaps) == gaps


async def test_the_same_event_over_two_connections_is_the_same(sink: RecordingSink) -> None:
    async with exchange() as slack, running(slack, sink):
        await slack.until(lambda: len(slack.open) == 2)
        first, second = slack.open
        await first.deliver("a", said("5.000000"))
        await second.deliver("b", said("5.000000"), "events_api")
        await slack.until(lambda: {"ack a", "ack b"} <= set(slack.history))
    assert len(sink.events(MessagePosted, message_id="5.000000")) == 1


async def test_what_was_said_while_nothing_stood_is_read_back_and_shown_as_a_gap(sink: RecordingSink) -> None:
    sink.positions[CURSOR] = 1_000_000
    async with exchange() as slack, running(slack, sink):
        await slack.until(lambda: len(slack.open) == 2)
        await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))
        shown = len(sink.gaps)
        history = [kept("3.000000", "missed"), kept("2.000000", "missed first")]
        slack.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": history}
        slack.most = 0
        for wire in list(slack.open):
            wire.cut()
        await sink.until(lambda: len(sink.gaps) > shown)
        assert sink.gaps[-1][1] is not None
        slack.most = 10
        await sink.until(lambda: sink.gaps[-1] == (CURSOR, None))
        await slack.until(lambda: len(slack.open) == 2)
    found = sink.events(MessagePosted, backfilled=True)
    assert [one.text for one in found] == ["missed first", "missed"]


async def test_one_that_is_cut_is_no_gap_while_another_stands(sink: RecordingSink) -> None:
    sink.positions[CURSOR] = 1_000_000
    async with exchange() as slack, running(slack, sink):
        await slack.until(lambda: len(slack.open) == 2)
        await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))
        shown, looked = len(sink.gaps), len(slack.server.called("conversations.history"))
        slack.open[0].cut()
        await slack.until(lambda: len(slack.wires) == 3)
        await slack.server.until(lambda: len(slack.server.called("conversations.history")) > looked)
    assert len(sink.gaps) == shown


async def test_a_line_that_answers_no_ping_is_replaced(sink: RecordingSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "PING_INTERVAL", 0.2)
    async with exchange() as slack:
        slack.is_deaf = True
        async with running(slack, sink, connections=1):
            slack.is_deaf = False
            await slack.until(lambda: "open 2" in slack.history)
            await slack.wires[1].deliver("e", said("5.000000"))
            await slack.until(lambda: "ack e" in slack.history)


async def test_more_than_slack_allows_is_said_once_and_not_tried_all_the_time(
    sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    async with exchange() as slack:
        slack.most = 1
        async with running(slack, sink, connections=2):
            await slack.until(lambda: "refused" in slack.history)
            for number in range(20):
                await slack.open[0].deliver(f"e{number}", said(f"{number + 1}.000000"))
            await slack.until(lambda: "ack e19" in slack.history)
        assert slack.history.count("refused") == 1
    assert len([record for record in caplog.records if "slack.connections" in record.getMessage()]) == 1


async def test_a_connection_that_is_replaced_all_the_time_is_not_hurried(
    sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def rest(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(socket, "rest", rest)
    async with exchange() as slack, running(slack, sink, connections=1):
        for number in range(6):
            await slack.until(lambda number=number: f"open {number + 1}" in slack.history)
            await slack.open[-1].disconnect("refresh_requested")
        await slack.until(lambda: "open 7" in slack.history)
    assert pauses == sorted(pauses)
    assert len(pauses) >= 4
    assert pauses[0] > 0


async def test_a_minute_in_which_slack_drops_events_is_read_twice(
    sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "RATE_MINUTE", 0.3)
    sink.positions[CURSOR] = 1_000_000
    limited = {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1, "api_app_id": "A1"}
    async with exchange() as slack, running(slack, sink):
        await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))
        slack.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": [kept("2.000000")]}
        await slack.open[0].deliver("limited", limited)
        await sink.event(MessagePosted, message_id="2.000000", backfilled=True)
        both = [kept("3.000000"), kept("2.000000")]
        slack.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": both}
        await sink.event(MessagePosted, message_id="3.000000", backfilled=True)
        await sink.until(lambda: sink.gaps[-1] == (CURSOR, None))
    assert len([gap for gap in sink.gaps if gap[1] is not None]) == 3


async def test_a_silent_slack_is_found_out_by_its_history(
    sink: RecordingSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backfill, "ON_ITS_WAY", 0.1)
    sink.positions[CURSOR] = 1_000_000
    async with exchange() as slack, running(slack, sink, look_every=0.3):
        await slack.until(lambda: len(slack.open) == 2)
        await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))
        slack.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": [kept("2.000000")]}
        await sink.event(MessagePosted, message_id="2.000000", backfilled=True)
        await slack.until(lambda: len(slack.wires) >= 4 and len(slack.open) == 2)
    assert "did not deliver" in caplog.text


async def test_a_message_that_comes_by_both_ways_is_no_silence(
    sink: RecordingSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backfill, "ON_ITS_WAY", 0.3)
    sink.positions[CURSOR] = 1_000_000
    async with exchange() as slack, running(slack, sink, look_every=0.2):
        await slack.until(lambda: len(slack.open) == 2)
        await sink.until(lambda: sink.gaps and sink.gaps[-1] == (CURSOR, None))
        looked = len(slack.server.called("conversations.history"))
        slack.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": [kept("2.000000")]}
        await slack.server.until(lambda: len(slack.server.called("conversations.history")) > looked)
        await slack.open[0].deliver("late", said("2.000000"))
        await sink.event(MessagePosted, message_id="2.000000", backfilled=True)
    assert "did not deliver" not in caplog.text
    assert len(slack.wires) == 2


async def test_the_check_says_when_slack_allows_fewer_connections() -> None:
    async with exchange() as slack:
        answers = iter([{"ok": True, "url": "ws://x"}, {"ok": False, "error": "limit_required"}])
        slack.server.answers["apps.connections.open"] = lambda _fields: next(answers)
        platform = SlackPlatform(SlackConfig("xoxb-1", "xapp-1", slack.server.url, connections=3))
        (fault,) = await platform.check([])
        await platform.close()
        assert (fault.key, fault.args["allowed"], fault.args["wanted"]) == ("slack.connections", "1", "3")
        slack.server.answers["apps.connections.open"] = lambda _fields: {"ok": True, "url": "ws://x"}
        platform = SlackPlatform(SlackConfig("xoxb-1", "xapp-1", slack.server.url, connections=10))
        assert [fault.key for fault in await platform.check([])] == ["slack.no_spare"]
        await platform.close()


@pytest.fixture(autouse=True)
def loud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "herald.slack")
