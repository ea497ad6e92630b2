"""A gateway that acknowledges heartbeats and dispatches nothing: found out, renewed, and read back."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest
from discord.gateway import DiscordWebSocket, KeepAliveHandler

from bot.chat.events import MessagePosted
from bot.chat.messages import Reply
from bot.integrations.discord.client import GatewayClient
from tests.integrations.discord.conftest import PATIENCE, RecordingSink, Sandbox, running
from tests.integrations.discord.test_wire_sessions import heard, said

SILENCE = 0.3
RENEWED = "connecting anew"


@pytest.fixture(autouse=True)
async def hearing(sandbox: Sandbox) -> AsyncIterator[None]:
    """Nobody stays deaf after a test."""
    yield
    await sandbox("fault", kind="deaf", times=0)


async def asked(sandbox: Sandbox, times: int) -> None:
    """Return when the watched channel has been looked at so many more times."""
    path = f"/channels/{sandbox.channel().channel_id}$"
    before = len(await sandbox.requests("GET", path))
    async with asyncio.timeout(PATIENCE):
        while True:
            if len(await sandbox.requests("GET", path)) >= before + times:
                return
            await asyncio.sleep(SILENCE / 2)


def posted(sink: RecordingSink, texts: list[str]) -> list[MessagePosted]:
    return [e for one in sink.kept if isinstance(e := one.event, MessagePosted) and e.text in texts]


async def test_what_is_said_to_a_deaf_connection_is_handed_over_in_order_and_once(
    sandbox: Sandbox, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(sandbox.config(silence=SILENCE), sink):
        for _ in range(2):
            before = await said(sandbox, "before", 2)
            await sink.until(lambda texts=before: heard(sink, texts) == texts)
            await sandbox("fault", kind="deaf", seconds=600)
            missed = await said(sandbox, "to deaf ears", 5)
            await sink.until(lambda texts=missed: len(heard(sink, texts)) == len(texts))
            assert heard(sink, before + missed) == before + missed
            assert all(event.backfilled for event in posted(sink, missed))
            await sandbox("fault", kind="deaf", times=0)
        live = await said(sandbox, "after", 3)
        await sink.until(lambda: heard(sink, live) == live)
        assert [event.backfilled for event in posted(sink, live)] == [False] * 3
    assert sink.again == []
    assert RENEWED in caplog.text
    # The session was resumed: no further log-in.
    assert [len(json.loads(kept)) for kept in sink.facts.values()] == [1]


async def test_a_quiet_server_is_left_alone(
    sandbox: Sandbox, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "herald.discord")
    async with running(sandbox.config(silence=SILENCE), sink) as platform:
        await said(sandbox, "the last for long", 1)
        await platform.send(Reply("our own words"), sandbox.channel(), uuid.uuid4().hex[:25])
        await asked(sandbox, 4)
        # Deaf, but with nothing said, it is as good as any other.
        await sandbox("fault", kind="deaf", seconds=600)
        await asked(sandbox, 3)
    assert RENEWED not in caplog.text
    assert caplog.text.count("ready") == 1


async def test_a_store_that_is_down_is_not_taken_for_a_deaf_gateway(
    sandbox: Sandbox, sink: RecordingSink, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discord.inbound.QUEUE", 3)
    async with running(sandbox.config(silence=SILENCE), sink):
        [first] = await said(sandbox, "first", 1)
        await sink.until(lambda: heard(sink, [first]) == [first])
        sink.down = True
        texts = await said(sandbox, "more than fits", 10)
        refused = sink.refused
        await sink.until(lambda: sink.refused > refused + 4)  # after 1.5 s, much longer than the silence
        sink.down = False
        await sink.until(lambda: heard(sink, texts) == texts)
    assert RENEWED not in caplog.text


async def test_a_connection_that_stays_deaf_is_given_up_for_a_new_session(
    sandbox: Sandbox, sink: RecordingSink, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(sandbox.config(silence=SILENCE), sink):
        before = await said(sandbox, "before", 2)
        await sink.until(lambda: heard(sink, before) == before)
        await sandbox("fault", kind="deaf", seconds=600)
        first = await said(sandbox, "to deaf ears", 3)
        await sink.until(lambda: len(heard(sink, first)) == len(first))
        assert "stayed deaf" not in caplog.text
        await sandbox("fault", kind="deaf", seconds=600)  # the resumed connection, too
        second = await said(sandbox, "to ears that are still deaf", 3)
        await sink.until(lambda: len(heard(sink, second)) == len(second))
        assert "stayed deaf" in caplog.text
        await sandbox("fault", kind="deaf", times=0)
        live = await said(sandbox, "after", 3)
        await sink.until(lambda: len(heard(sink, live)) == len(live))
    assert heard(sink, before + first + second + live) == before + first + second + live
    assert sink.again == []
    # Resumed once, then logged in.
    assert [len(json.loads(kept)) for name, kept in sink.facts.items() if "logins" in name] == [2]
    assert sink.gaps[-1][1] is None


class _Silent:
    """A socket that takes everything."""

    async def send_str(self, _: str) -> None:
        return


async def test_an_answer_that_is_faster_than_the_sdk_s_thread_is_not_held_against_the_beat_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The thread notes a heartbeat's time when it runs again: in a busy process its answer has come by then."""

    async def nothing() -> None:
        return

    socket = DiscordWebSocket(cast(aiohttp.ClientWebSocketResponse, _Silent()), loop=asyncio.get_running_loop())
    socket.shard_id, socket._max_heartbeat_timeout = 0, 60.0
    thread = socket._keep_alive = KeepAliveHandler(ws=socket, interval=41.25, shard_id=0)
    client = GatewayClient(lambda _: None, lambda _: None, asyncio.Event(), nothing)
    client.ws = socket
    with caplog.at_level(logging.WARNING, "discord.gateway"):
        for _ in range(2):
            thread._last_send -= 41.25
            await socket.send_heartbeat(thread.get_payload())
            await socket.received_message('{"op": 11}')
    assert caplog.messages == []
    assert thread.latency < 10
