"""A local Discord on a port of its own and raw clients; after each test its answers are held to the description."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
import pytest
from aiohttp import web

import bot.sandbox.discord
from bot.sandbox.discord import DiscordServer
from bot.sandbox.frame import Clock, Frame, Journal

from ..still import StillClock

API = json.loads((Path(bot.sandbox.discord.__file__).parent / "schema" / "api.json").read_text(encoding="utf-8"))
OPEN = jsonschema_rs.Registry([("spec:discord", API)], draft=jsonschema_rs.Draft202012)
ALL_INTENTS = (1 << 17) - 1 | 3 << 20 | 3 << 24
MESSAGE_CONTENT = 1 << 15
DEADLINE = 5.0


@dataclass
class Reply:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> int:
        return int(self.body["code"])


@dataclass
class Socket:
    """A gateway connection."""

    ws: aiohttp.ClientWebSocketResponse
    compressed: bool = False
    seq: int = 0
    session_id: str = ""
    inflator: Any = field(default_factory=zlib.decompressobj)

    async def frame(self) -> dict[str, Any]:
        """The next frame; a close raises ConnectionError."""
        async with asyncio.timeout(DEADLINE):
            message = await self.ws.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            assert message.data.endswith(b"\x00\x00\xff\xff")
            found = json.loads(self.inflator.decompress(message.data))
        elif message.type is aiohttp.WSMsgType.TEXT:
            found = json.loads(message.data)
        else:
            raise ConnectionError(self.ws.close_code)
        if found["op"] == 0:
            assert found["s"] == self.seq + 1
            self.seq = found["s"]
        return dict(found)

    async def event(self, kind: str) -> Any:
        """The body of the next dispatch of that kind; others are passed over."""
        while (found := await self.frame())["t"] != kind:
            pass
        return found["d"]

    async def close_code(self) -> int:
        """The code with which the server closes."""
        try:
            while True:
                await self.frame()
        except ConnectionError as closed:
            return int(closed.args[0])

    async def send(self, op: int, data: Any = None) -> None:
        await self.ws.send_json({"op": op, "d": data})

    async def identify(self, token: str, intents: int = ALL_INTENTS, **more: Any) -> Any:
        assert (await self.frame())["op"] == 10
        await self.send(2, {"token": token, "intents": intents, "properties": {}, **more})
        ready = await self.event("READY")
        self.session_id = ready["session_id"]
        return ready


class Local:
    """The server, and ways to reach it."""

    def __init__(self, server: DiscordServer, frame: Frame, http: aiohttp.ClientSession) -> None:
        self.server, self.frame, self.http = server, frame, http
        self.token = server.environment()["HERALD_DISCORD__TOKEN"]
        self.community = str(server.channels()["community"])
        self.me = str(server._world.bot.id)

    async def rest(self, verb: str, path: str, body: Any = None, **more: Any) -> Reply:
        """One request with the bot's token."""
        headers = {"Authorization": f"Bot {self.token}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        url = self.frame.base + "/api/v10" + path
        async with self.http.request(verb, url, headers=headers, **more) as response:
            raw = await response.read()
            if raw:
                assert response.headers["Content-Type"] == "application/json"
            return Reply(response.status, json.loads(raw) if raw else None, dict(response.headers))

    async def post(self, body: Any, channel: str | None = None) -> Reply:
        """Create a message."""
        return await self.rest("POST", f"/channels/{channel or self.community}/messages", body)

    @asynccontextmanager
    async def connect(self, query: str = "?v=10&encoding=json") -> AsyncIterator[Socket]:
        """An open gateway connection, not identified."""
        async with self.http.ws_connect(self.server.environment()["HERALD_DISCORD__GATEWAY_URL"] + query) as ws:
            yield Socket(ws)

    @asynccontextmanager
    async def session(self, intents: int = ALL_INTENTS) -> AsyncIterator[Socket]:
        """An identified gateway connection."""
        async with self.connect() as socket:
            await socket.identify(self.token, intents)
            await socket.event("GUILD_CREATE")
            yield socket

    async def say(self, text: str, member: str = "ana", **more: Any) -> str:
        return await self.server.say({"channel": "community", "member": member, "text": text, **more})

    async def answer(self, interaction: Any, kind: int, data: Any = None, query: str = "?with_response=1") -> Reply:
        """Answer an interaction."""
        path = f"/interactions/{interaction['id']}/{interaction['token']}/callback{query}"
        return await self.rest("POST", path, {"type": kind} | ({"data": data} if data is not None else {}))


def _faults(pointer: str, value: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator({"$ref": f"spec:discord#{pointer}"}, registry=OPEN)
    return [f"{list(e.instance_path)}: {e.message[:200]}" for e in validator.iter_errors(value)]


def _escape(part: str) -> str:
    return part.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _answer_faults(row: dict[str, Any]) -> list[str]:
    path = row["path"].removeprefix("/api/v10")
    for template in sorted(API["paths"], key=lambda t: t.count("{")):
        if (
            re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
            and row["method"].lower() in API["paths"][template]
        ):
            answers = API["paths"][template][row["method"].lower()]["answers"]
            assert str(row["status"]) in answers, row
            if answers[str(row["status"])] is None:
                return []
            return _faults(
                f"/paths/{_escape(template)}/{row['method'].lower()}/answers/{row['status']}", row["response"]
            )
    return [f"unknown path {path}"]


def conformity_faults(journal: Journal) -> list[str]:
    """What in the journal the description does not allow: answers, and messages in events."""
    found = []
    for row in journal.rows:
        if row["platform"] == "hook":
            continue
        if row["direction"] == "request" and row["status"] and row["status"] < 300:
            found += _answer_faults(row)
        elif row.get("type") in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not row.get("injected"):
            message = {k: v for k, v in row["body"].items() if k not in ("guild_id", "member", "nonce", "channel_type")}
            found += _faults("/components/schemas/MessageResponse", message)
    return found


@asynccontextmanager
async def running(*, limits: bool) -> AsyncIterator[Local]:
    clock = StillClock() if limits else Clock()
    frame = Frame(clock, Journal(clock), limits)
    server = DiscordServer(frame)
    app = web.Application()
    app.add_routes(server.routes())
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    frame.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as http:
            yield Local(server, frame, http)
    finally:
        await server.close()
        await runner.cleanup()
    assert conformity_faults(frame.journal) == []


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    """A local Discord without rate limits."""
    async with running(limits=False) as it:
        yield it


@pytest.fixture
async def limited() -> AsyncIterator[Local]:
    """A local Discord that enforces rate limits."""
    async with running(limits=True) as it:
        yield it


async def meanwhile(act: Awaitable[Any], other: Callable[[], Awaitable[None]]) -> Any:
    """Start `act`, do `other`, and give what `act` comes to."""
    task = asyncio.ensure_future(act)
    try:
        await other()
        async with asyncio.timeout(DEADLINE):
            return await task
    finally:
        task.cancel()
