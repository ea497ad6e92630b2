"""A local Slack on a free port, and a raw client for it: no SDK on either side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.frame import Clock, Frame, Journal
from bot.sandbox.slack import SlackServer

from ..still import StillClock

DEADLINE = 10.0


class Socket:
    """A Socket Mode connection that remembers what it has not been asked for yet."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def next(self) -> Any:
        return json.loads(await self.ws.receive_str(timeout=DEADLINE))

    async def event(self, *, ack: bool = True) -> Any:
        """The next envelope, acknowledged unless told otherwise."""
        envelope = await self.next()
        if ack:
            await self.ack(envelope)
        return envelope

    async def ack(self, envelope: Any, payload: Any = None) -> None:
        answer = {"envelope_id": envelope["envelope_id"]}
        await self.ws.send_json(answer | ({"payload": payload} if payload is not None else {}))


class Kit:
    """The server, and calls to it as an app makes them."""

    def __init__(self, server: SlackServer, frame: Frame, session: aiohttp.ClientSession) -> None:
        self.server, self.frame, self.session = server, frame, session
        env = server.environment()
        self.url, self.bot, self.app = (env[f"HERALD_SLACK__{n}"] for n in ("API_URL", "BOT_TOKEN", "APP_TOKEN"))
        self.channels: dict[str, Any] = server.channels()
        self.sockets: list[Socket] = []

    async def raw(self, method: str, args: Any = None, token: str | None = "bot", **extra: Any) -> Any:
        """A JSON call; the whole response with its body read as `.body`."""
        secret = {"bot": self.bot, "app": self.app}.get(token or "", token)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        async with self.session.post(self.url + method, json=args or {}, headers=headers, **extra) as response:
            response.body = await response.json()
            return response

    async def call(self, method: str, **args: Any) -> Any:
        """A JSON call; the decoded answer."""
        return (await self.raw(method, args)).body

    async def post(self, text: str = "hello", channel: str = "community", **args: Any) -> Any:
        answer = await self.call("chat.postMessage", channel=self.channels[channel], text=text, **args)
        assert answer["ok"], answer
        return answer

    async def connect(self) -> Socket:
        """An open connection, after its hello."""
        opened = (await self.raw("apps.connections.open", token="app")).body
        socket = Socket(await self.session.ws_connect(opened["url"]))
        hello = await socket.next()
        assert hello["type"] == "hello"
        self.sockets.append(socket)  # A forgotten one would be closed by the garbage collector.
        return socket

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something is so in the server."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - the server has no event for everything a test looks at
                await asyncio.sleep(0.01)

    def events(self, *kinds: str) -> list[Any]:
        """What was pushed so far, by journal type."""
        return [row["body"] for row in self.frame.journal.rows if row["direction"] == "event" and row["type"] in kinds]


Starter = Callable[..., Awaitable[Kit]]


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Starts servers; closes them and their clients in the end."""
    stops: list[Callable[[], Awaitable[Any]]] = []

    async def begin(*, limits: bool = False) -> Kit:
        clock = StillClock() if limits else Clock()
        frame = Frame(clock, Journal(clock), limits=limits)
        server = SlackServer(frame)
        app = web.Application()
        app.add_routes(server.routes())
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        frame.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        session = aiohttp.ClientSession()
        stops.extend((session.close, server.close, runner.cleanup))
        return Kit(server, frame, session)

    yield begin
    for stop in stops:
        await asyncio.wait_for(stop(), DEADLINE)


@pytest.fixture
async def slack(start: Starter) -> Kit:
    """One server without rate limits."""
    return await start()
