"""A server that answers as it was told: what the local platform does not do wrong by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from bot.integrations.discord import DiscordConfig, DiscordPlatform

BOT = {"id": "757436324065172602", "username": "Herald", "bot": True}
CHANNEL = "587953077137155387"
GUILD = "301140512741608647"


@dataclass(frozen=True)
class Said:
    """One answer. A body that is no text is sent as JSON; `cut` ends the connection instead."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    never: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        if self.cut or self.never:
            if self.never:
                await asyncio.sleep(60)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        plain = isinstance(self.body, str)
        kind = "text/html" if plain else "application/json"
        body = str(self.body) if plain else json.dumps(self.body)
        return web.Response(
            status=self.status, body=body.encode(), content_type=kind, headers={"Via": "1.1 google", **self.headers}
        )


@dataclass
class Scripted:
    """What is answered: by method and path for good, and in turn for what is created."""

    url: str = ""
    always: dict[tuple[str, str], Said] = field(default_factory=dict)
    asked: dict[tuple[str, str], Callable[[dict[str, str]], Said]] = field(default_factory=dict)
    """Made from the query, by method and path."""
    next: list[Said] = field(default_factory=list)
    heard: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    """The JSON of each request; with files a list of it and of their (name, media type, content)."""
    queries: list[dict[str, str]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/api/v10")
        self.heard.append((request.method, path))
        self.bodies.append(await _body(request))
        self.queries.append(dict(request.query))
        if (make := self.asked.get((request.method, path))) is not None:
            return await make(dict(request.query)).answer(request)
        if (known := self.always.get((request.method, path))) is not None:
            return await known.answer(request)
        said = self.next.pop(0) if self.next else Said(200, {"id": "900000000000000001"})
        return await said.answer(request)

    def config(self, **changes: Any) -> DiscordConfig:
        given: dict[str, Any] = {
            "token": "a-token",
            "api_url": f"{self.url}/api/v10",
            "gateway_url": "ws://127.0.0.1:9/",
            "request_timeout": 2.0,
        }
        return DiscordConfig(**{**given, **changes})


async def _body(request: web.Request) -> object:
    if not request.content_type.startswith("multipart/"):
        text = await request.text()
        return json.loads(text) if text else None
    parts: list[object] = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytes(await part.read())
        kind = part.headers["Content-Type"]
        parts.append(json.loads(content) if part.name == "payload_json" else (part.filename, kind, content))
    return parts


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    """A running one."""
    server = Scripted()
    app = web.Application(client_max_size=2**25)
    app.router.add_route("*", "/{path:.*}", server.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def worker(config: DiscordConfig) -> AsyncIterator[DiscordPlatform]:
    """A platform in a process that only sends: `run` is never called, and there is no gateway to connect to."""
    platform = DiscordPlatform(config)
    try:
        yield platform
    finally:
        await platform.close()
