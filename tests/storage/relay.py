"""A connection to PostgreSQL that breaks where a test wants it: before a COMMIT arrives, or before its answer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Break = Literal["request", "answer", "silence"]
"""The COMMIT is lost and the client hears of it; its answer is lost; the COMMIT is lost and nobody hears of it."""
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


@dataclass
class Relay:
    """Passes bytes on. `breaks` are what happens to the next COMMITs, one after the other."""

    host: str
    port: int
    breaks: list[Break] = field(default_factory=list)
    commits: int = 0
    """Transactions that were committed over it, answered or not."""
    broken: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        try:
            from_server, to_server = await asyncio.open_connection(self.host, self.port)
            try:
                await self._pass(reader, writer, from_server, to_server)
            finally:
                await _end(to_server)
        except OSError:
            return
        finally:
            await _end(writer)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        answers = asyncio.create_task(self._answers(from_server, writer))
        try:
            await self._requests(reader, writer, to_server, answers)
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_server: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                how = self._break(data)
                if how is not None:
                    answers.cancel()
                if how in {None, "answer"}:
                    to_server.write(data)
                    await to_server.drain()
                if how is not None:
                    await self._cut(writer, how)
                    return

    def _break(self, data: bytes) -> Break | None:
        if _COMMIT not in data:
            return None
        how = self.breaks.pop(0) if self.breaks else None
        self.commits += how in {None, "answer"}
        return how

    async def _cut(self, writer: asyncio.StreamWriter, how: Break) -> None:
        writer.transport.abort()
        self.broken.set()
        if how == "silence":
            await asyncio.Event().wait()  # the server's side stays open: to it the transaction goes on

    async def _answers(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await from_server.read(65536):
                writer.write(data)
                await writer.drain()
            writer.transport.abort()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def relaying(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay before the server of this URL, and the URL by which the server is reached over it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    relay = Relay(parts.hostname, parts.port)
    clients: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        with suppress(asyncio.CancelledError):
            await relay.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield relay, url.replace(f":{parts.port}/", f":{port}/")
    finally:
        server.close()
        await asyncio.sleep(0)  # whoever was let in just now has a task then
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
