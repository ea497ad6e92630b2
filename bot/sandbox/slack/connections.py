"""The websockets of Socket Mode: tickets, hello and disconnect frames, and who is open to be pushed to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import WSMsgType, web

from bot.sandbox.frame import ControlError, Frame, Json
from bot.sandbox.slack.state import APP_ID

MAX_CONNECTIONS = 10
TICKET_SECONDS = 60.0
PATH = "/slack/socket"


class Parcel(Protocol):
    """Something to be sent on a connection."""

    kind: str
    """Its type in the journal."""
    injected: bool
    """Whether the control interface made it."""
    sent_at: float | None
    """When it was given to the network (monotonic)."""

    def wire(self) -> Json:
        """The frame: JSON, or bare text."""


@dataclass
class Notice:
    """A frame that nobody acknowledges."""

    kind: str
    body: Json
    injected: bool = False
    sent_at: float | None = None

    def wire(self) -> Json:
        """The frame."""
        return self.body


@dataclass(eq=False)
class Connection:
    """One open websocket; `outgoing` holds what its writer sends next (None ends it)."""

    socket: web.WebSocketResponse
    outgoing: asyncio.Queue[Parcel | None] = field(default_factory=asyncio.Queue)
    deaf_until: float = 0.0
    closing: bool = False

    @property
    def is_deaf(self) -> bool:
        """Whether a fault keeps frames from it (pings are still answered)."""
        return time.monotonic() < self.deaf_until


class Listener(Protocol):
    """Who wants to know what happens on the connections."""

    def opened(self) -> None:
        """A connection can be pushed to."""

    def heard(self, text: str) -> None:
        """The app sent something."""

    def closed(self, connection: Connection) -> None:
        """A connection is gone; what was queued on it was not sent."""


class Connections:
    """All websockets of the app."""

    def __init__(self, frame: Frame, listener: Listener) -> None:
        self._frame = frame
        self._listener = listener
        self._tickets: dict[str, float] = {}
        self._all: list[Connection] = []
        self._turn = itertools.count()
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def usable(self) -> list[Connection]:
        """The connections that can be pushed to."""
        return [c for c in self._all if not c.closing and not c.socket.closed]

    def send(self, parcel: Parcel) -> Connection | None:
        """Queue a frame on the next open connection in turn; None where there is none."""
        usable = self.usable
        if not usable:
            return None
        chosen = usable[next(self._turn) % len(usable)]
        chosen.outgoing.put_nowait(parcel)
        return chosen

    def ticket(self) -> str:
        """A websocket address that is good for one connection, for `TICKET_SECONDS`."""
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = time.monotonic() + TICKET_SECONDS
        return f"{self._frame.base.replace('http', 'ws', 1)}{PATH}?ticket={ticket}&app_id={APP_ID}"

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """The websocket route."""
        expires = self._tickets.pop(request.query.get("ticket", ""), 0.0)
        if expires < time.monotonic():
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=403)
        connection = Connection(web.WebSocketResponse(heartbeat=30.0))
        await connection.socket.prepare(request)
        if len(self._all) >= MAX_CONNECTIONS:
            connection.outgoing.put_nowait(_goodbye("too_many_websockets"))
            connection.outgoing.put_nowait(None)
            await self._write(connection)
        else:
            await self._serve(connection)
        return connection.socket

    def disconnect(self, warn_seconds: float | None = None, number: str | None = None) -> None:
        """Tell every connection (or the one of that number, from 1) to come again and close it; with `warn_seconds`,
        warn that long before."""
        usable = self.usable
        if number is not None:
            if not number.isdecimal() or not 1 <= int(number) <= len(usable):
                raise ControlError(f"there is no connection {number!r}; {len(usable)} are open, numbered from 1")
            usable = usable[int(number) - 1 : int(number)]
        for connection in usable:
            if warn_seconds:
                connection.outgoing.put_nowait(_goodbye("warning"))
                task = asyncio.get_running_loop().create_task(_end_later(connection, warn_seconds))
                self._endings.add(task)
                task.add_done_callback(self._endings.discard)
            else:
                _end(connection)

    def deafen(self, seconds: float) -> None:
        """Let the present connections live, but reach them with nothing, for so many real seconds."""
        for connection in self._all:
            connection.deaf_until = time.monotonic() + seconds

    async def close(self) -> None:
        """Close every connection."""
        for task in self._endings:
            task.cancel()
        await asyncio.gather(*self._endings, return_exceptions=True)
        await asyncio.gather(*(connection.socket.close(code=1001) for connection in self._all))

    async def _serve(self, connection: Connection) -> None:
        self._all.append(connection)
        connection.outgoing.put_nowait(Notice("hello", self._hello()))
        writer = asyncio.get_running_loop().create_task(self._write(connection))
        self._listener.opened()
        try:
            async for message in connection.socket:
                if message.type is WSMsgType.TEXT:
                    self._listener.heard(message.data)
        finally:
            self._all.remove(connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._listener.closed(connection)

    async def _write(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while (parcel := await connection.outgoing.get()) is not None:
                parcel.sent_at = time.monotonic()
                if connection.is_deaf:
                    continue
                body = parcel.wire()
                self._frame.journal.event("slack", parcel.kind, body, injected=parcel.injected)
                await connection.socket.send_str(body if isinstance(body, str) else json.dumps(body))
            await connection.socket.close()

    def _hello(self) -> Json:
        info = {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060}
        return {
            "type": "hello",
            "num_connections": len(self._all),
            "debug_info": info,
            "connection_info": {"app_id": APP_ID},
        }


def _end(connection: Connection) -> None:
    connection.closing = True
    connection.outgoing.put_nowait(_goodbye("refresh_requested"))
    connection.outgoing.put_nowait(None)


async def _end_later(connection: Connection, seconds: float) -> None:
    await asyncio.sleep(seconds)
    _end(connection)


def _goodbye(reason: str) -> Notice:
    body = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}
    return Notice("disconnect", body)
