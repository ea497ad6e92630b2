"""Reading back from a Discord that does not let us, or not at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chat.events import MessagePosted
from bot.integrations.discord import backfill
from bot.integrations.discord.api import Api
from bot.integrations.discord.backfill import Backfill
from bot.integrations.discord.history import _snowflake_at
from bot.integrations.discord.progress import Progress, cursor
from tests.integrations.discord.conftest import RecordingSink
from tests.integrations.discord.scripted import BOT, CHANNEL, GUILD, Said, Scripted, scripted

READ = 1 << 16
EVERYONE = {"id": GUILD, "permissions": str((1 << 10) | (1 << 11) | READ)}
NOW = time.time()
FIRST, LAST = _snowflake_at(NOW - 60), _snowflake_at(NOW)


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        running.always |= {
            ("GET", "/users/@me"): Said(200, BOT),
            ("GET", f"/guilds/{GUILD}"): Said(200, {"id": GUILD, "roles": [EVERYONE]}),
            ("GET", f"/guilds/{GUILD}/members/{BOT['id']}"): Said(200, {"roles": []}),
            ("GET", f"/guilds/{GUILD}/threads/active"): Said(200, {"threads": []}),
        }
        yield running


def channel(**changes: Any) -> Said:
    return Said(200, {"id": CHANNEL, "type": 0, "guild_id": GUILD, "last_message_id": str(LAST), **changes})


def message(number: int) -> dict[str, Any]:
    return {"id": str(number), "channel_id": CHANNEL, "type": 0, "author": {"id": "5"}, "content": f"text {number}"}


async def test_what_is_closed_to_us_stays_a_gap_until_it_is_open_again(
    server: Scripted, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "AGAIN", 0.05)
    sink.positions[cursor(CHANNEL)] = FIRST
    progress = Progress([CHANNEL])
    progress.new_session()
    closed = [{"id": GUILD, "type": 0, "allow": "0", "deny": str(READ)}]
    server.always["GET", f"/channels/{CHANNEL}"] = channel(permission_overwrites=closed)
    server.always["GET", f"/channels/{CHANNEL}/messages"] = Said(200, [])
    api = Api(server.config())
    filling = asyncio.create_task(Backfill(api, sink, progress).run())
    try:
        await sink.until(lambda: len(sink.gaps) >= 4)  # tried more than once
        assert all(until is not None for _, until in sink.gaps)
        assert sink.kept == []
        assert progress.newest(CHANNEL) is None
        server.always["GET", f"/channels/{CHANNEL}"] = Said(403, {"code": 50001})
        tried = len(sink.gaps)
        await sink.until(lambda: len(sink.gaps) >= tried + 2)
        assert all(until is not None for _, until in sink.gaps)
        api.limits._closed.clear()  # as a minute later
        server.always["GET", f"/channels/{CHANNEL}"] = channel()
        server.always["GET", f"/channels/{CHANNEL}/messages"] = Said(200, [message(LAST), message(FIRST + 1)])
        async with asyncio.timeout(10):
            await filling
    finally:
        filling.cancel()
        await asyncio.wait([filling])
        await api.close()
    assert sink.gaps[-1] == (cursor(CHANNEL), None)
    events = [one.event for one in sink.kept if isinstance(one.event, MessagePosted)]
    assert [event.message_id for event in events] == [str(FIRST + 1), str(LAST)]
    assert sink.positions[cursor(CHANNEL)] == LAST
    assert progress.newest(CHANNEL) == LAST


async def test_an_empty_page_behind_a_deleted_message_is_the_end(server: Scripted, sink: RecordingSink) -> None:
    sink.positions[cursor(CHANNEL)] = FIRST
    progress = Progress([CHANNEL])
    progress.new_session()
    server.always["GET", f"/channels/{CHANNEL}"] = channel()
    server.always["GET", f"/channels/{CHANNEL}/messages"] = Said(200, [])
    api = Api(server.config())
    async with asyncio.timeout(10):
        await Backfill(api, sink, progress).run()
    await api.close()
    assert sink.gaps == [(cursor(CHANNEL), LAST), (cursor(CHANNEL), None)]
