"""A TCP proxy whose link can be spoiled while it is in use: the six modes of a network that fails (RELIABILITY F5)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK = 65536
LATENCY = 5.0
BYTES = 600
"""So many bytes pass from the server before a connection is reset, or half closed."""


class Mode(StrEnum):
    """How the link behaves."""

    WHOLE = "whole"
    LATENCY = "latency"
    """Everything takes five seconds longer, both ways."""
    RESET = "reset"
    """The connection is reset when the server has sent so many bytes."""
    SWALLOWED = "swallowed"
    """What the client sends arrives; what the server answers is lost."""
    BLACK_HOLE = "black hole"
    """Nothing passes and nothing is refused; what was sent meanwhile arrives when it is over, as TCP does it."""
    HALF_CLOSED = "half closed"
    """The server's side ends in the middle of an answer; what the client sends still arrives."""
    TRICKLE = "trickle"
    """One byte a second, both ways."""


BROKEN = tuple(mode for mode in Mode if mode is not Mode.WHOLE)


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed: int = 0
    """Bytes from the server since the mode was set."""
    lost: bool = False
    """Bytes from the server are missing: what follows cannot be understood."""

    def reset(self) -> None:
        """End both sides with RST, as a router that has forgotten the connection does."""
        for writer in (self.client, self.server):
            line = writer.get_extra_info("socket")
            if line is not None:
                with suppress(OSError):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """Listens on a port of its own and forwards to `host`:`port`.

    `rewrites` are replaced in what the server sends, by texts of the same length: addresses that a client is told;
    `asks` in what the client sends.
    `framed`: the link carries frames, so a connection that lost some is reset when the link is whole again.
    """

    host: str
    port: int
    framed: bool = False
    rewrites: Mapping[bytes, bytes] = field(default_factory=dict)
    asks: Mapping[bytes, bytes] = field(default_factory=dict)
    mode: Mode = Mode.WHOLE
    spoiled: int = 0
    """Pieces of data that came while it was not whole, and new connections."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[asyncio.Task[None], _Connection | None] = field(default_factory=dict)
    _server: asyncio.Server | None = None

    @property
    def own_port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def set(self, mode: Mode) -> None:
        """From now on the link behaves like this, also for connections that are open."""
        self.mode = mode
        for connection in self._open.values():
            if connection is not None:
                connection.passed = 0
                if mode is Mode.WHOLE and connection.lost and self.framed:
                    connection.reset()
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Take connections on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Refuse connections and reset those that are open."""
        if self._server is not None:
            self._server.close()
        for task, connection in list(self._open.items()):
            if connection is not None:
                connection.reset()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = None
        self.spoiled += self.mode is not Mode.WHOLE
        try:
            there, server = await asyncio.open_connection(self.host, self.port)
            connection = self._open[task] = _Connection(client, server)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(connection, reader, server, up=True))
                both.create_task(self._pump(connection, there, client, up=False))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # a cut connection is what this is about; the task has nothing more to do
        finally:
            found = self._open.pop(task)
            client.transport.abort()
            if found is not None:
                found.server.transport.abort()

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        while data := await reader.read(CHUNK):
            for old, new in (self.asks if up else self.rewrites).items():
                data = data.replace(old, new)
            self.spoiled += self.mode is not Mode.WHOLE
            while data:
                data = await (self._up(writer, data) if up else self._down(connection, writer, data))
        while self.mode is Mode.BLACK_HOLE:
            await self._changed.wait()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _up(self, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        """Let some of what the client sent pass; what is left."""
        if self.mode in (Mode.LATENCY, Mode.BLACK_HOLE, Mode.TRICKLE):
            return await self._slowly(writer, data)
        return await self._write(writer, data)

    async def _down(self, connection: _Connection, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        """Let some of what the server sent pass; what is left."""
        if self.mode is Mode.SWALLOWED or (connection.lost and self.mode is Mode.HALF_CLOSED):
            connection.lost = True
            return b""
        if self.mode in (Mode.RESET, Mode.HALF_CLOSED):
            return await self._until_cut(connection, writer, data)
        if self.mode is Mode.WHOLE:
            return await self._write(writer, data)
        return await self._slowly(writer, data)

    async def _until_cut(self, connection: _Connection, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        passing = data[: max(0, BYTES - connection.passed)]
        connection.passed += len(data)
        if passing:
            await self._write(writer, passing)
        if connection.passed >= BYTES and self.mode is Mode.RESET:
            connection.reset()
        elif connection.passed >= BYTES:
            connection.lost = True
            with suppress(OSError, RuntimeError):
                writer.write_eof()
        return b""

    async def _slowly(self, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        changed, mode = self._changed, self.mode
        wait = {Mode.LATENCY: LATENCY, Mode.TRICKLE: 1.0}.get(mode)
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), wait)
            return data  # the mode has changed: look again
        if mode is Mode.LATENCY:
            return await self._write(writer, data)
        await self._write(writer, data[:1])
        return data[1:]

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> bytes:
        writer.write(data)
        await writer.drain()
        return b""


@asynccontextmanager
async def proxy(host: str, port: int, *, framed: bool = False) -> AsyncIterator[Proxy]:
    """A running proxy."""
    found = Proxy(host, port, framed)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
