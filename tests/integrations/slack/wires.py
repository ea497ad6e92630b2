"""The other end of Socket Mode, every frame of it in a test's hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.integrations.slack.server import Server, serving


@dataclass(eq=False)
class Wire:
    """One connection, and the envelopes that were acknowledged over it."""

    socket: web.WebSocketResponse
    acknowledged: list[str] = field(default_factory=list)

    async def tell(self, frame: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(frame))

    async def deliver(self, envelope: str, payload: dict[str, Any], kind: str = "events_api") -> None:
        await self.tell({"envelope_id": envelope, "type": kind, "payload": payload})

    async def disconnect(self, reason: str) -> None:
        await self.tell({"type": "disconnect", "reason": reason})

    def cut(self) -> None:
        """End it as a broken line ends: without a word."""
        transport = self.socket._req.transport if self.socket._req else None
        if transport is not None:
            transport.abort()


@dataclass
class Exchange:
    """All connections of a small Slack. `history` is what happened to them: `open 1`, `close 1`."""

    server: Server
    wires: list[Wire] = field(default_factory=list)
    open: list[Wire] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    most: int = 10
    is_deaf: bool = False
    """Nobody answers pings."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, found: Callable[[], Any]) -> Any:
        """The first truthy answer of `found`, looked for after everything that happens here."""
        async with asyncio.timeout(15), self.changed:
            while not (answer := found()):
                await self.changed.wait()
            return answer

    async def _happened(self, what: str) -> None:
        async with self.changed:
            self.history.append(what)
            self.changed.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=not self.is_deaf)
        await socket.prepare(request)
        wire = Wire(socket)
        if len(self.open) >= self.most:
            await self._happened("refused")
            await wire.disconnect("too_many_websockets")
            await socket.close()
            return socket
        self.wires.append(wire)
        self.open.append(wire)
        number = len(self.wires)
        await wire.tell({"type": "hello", "num_connections": len(self.open), "connection_info": {"app_id": "A1"}})
        await self._happened(f"open {number}")
        try:
            async for message in socket:
                if message.type is web.WSMsgType.TEXT:
                    wire.acknowledged.append(json.loads(message.data)["envelope_id"])
                    await self._happened(f"ack {wire.acknowledged[-1]}")
        finally:
            self.open.remove(wire)
            await self._happened(f"close {number}")
        return socket


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """A small Slack with Socket Mode."""
    made: list[Exchange] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        return await made[0].handle(request)

    async with serving(socket=handle) as server:
        made.append(Exchange(server))
        address = server.url.replace("http:", "ws:").removesuffix("/api/") + "/link"
        server.answers["apps.connections.open"] = lambda _fields: {"ok": True, "url": address}
        server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": []}
        server.answers["users.info"] = lambda _fields: {"ok": True, "user": {"name": "ana"}}
        yield made[0]
