"""Requests of all kinds at once: votes that are answered slowly must not keep replies from being sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.engine.claiming import SENDERS
from bot.engine.passing import AT_ONCE
from bot.integrations.discord.wire import Wire
from bot.integrations.slack.api import Api
from bot.integrations.telegram.client import Client

MOST = SENDERS + AT_ONCE
"""What a courier and a voice have under way on one platform."""
Ask = Callable[[], Awaitable[object]]
Close = Callable[[], Awaitable[None]]


def telegram(base: str) -> tuple[Ask, Close]:
    client = Client("1:x", base, 20.0)
    return lambda: client.call("sendMessage", chat_id=1, text="tea"), client.close


def discord(base: str) -> tuple[Ask, Close]:
    wire = Wire()
    return lambda: wire.ask("POST", f"{base}/message", 20.0), wire.close


def slack(base: str) -> tuple[Ask, Close]:
    api = Api("xoxb-x", f"{base}/", 20.0)
    return lambda: api.call(
        "chat.postMessage", lambda slack: slack.chat_postMessage(channel="C1", text="tea")
    ), api.close


@pytest.mark.parametrize("made", [telegram, discord, slack])
async def test_nobody_waits_for_a_connection(made: Callable[[str], tuple[Ask, Close]]) -> None:
    """The server answers nobody before all have asked."""
    there, waiting = asyncio.Event(), 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting >= MOST:
            there.set()
        await there.wait()
        return web.json_response({"ok": True, "result": {}})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", slow)
    async with TestServer(app) as server:
        ask, close = made(str(server.make_url("")).rstrip("/"))
        try:
            await asyncio.gather(*(ask() for _ in range(MOST)))
        finally:
            there.set()
            await close()
    assert waiting == MOST
