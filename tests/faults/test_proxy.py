"""The proxy does to a link what its modes say: seen from both ends of plain TCP connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from .proxy import BYTES, Mode, Proxy, proxy
from .world import until

MOMENT = 0.2
"""Long enough for whatever passes a whole link on one machine; what does not pass has not come by then."""


@dataclass
class Ends:
    """An echo server behind a proxy, with what it heard, and a client's connection."""

    link: Proxy
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: bytearray = field(default_factory=bytearray)

    async def arrives(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), 30)

    async def silent(self) -> bool:
        """Whether nothing comes back for a moment."""
        try:
            await asyncio.wait_for(self.reader.readexactly(1), MOMENT)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def ends(**how: bool) -> AsyncIterator[Ends]:
    heard = bytearray()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                heard.extend(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, proxy("127.0.0.1", server.sockets[0].getsockname()[1], **how) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.own_port)
        yield Ends(link, reader, writer, heard)
        writer.transport.abort()


async def test_a_whole_link_passes_everything_both_ways() -> None:
    async with ends() as both:
        both.writer.write(b"x" * 200_000)
        assert await both.arrives(200_000) == b"x" * 200_000
        both.writer.write_eof()
        assert await both.reader.read() == b""


@pytest.mark.parametrize("mode", [Mode.LATENCY, Mode.BLACK_HOLE, Mode.TRICKLE])
async def test_what_was_held_back_arrives_when_the_link_is_whole_again(mode: Mode) -> None:
    async with ends() as both:
        both.link.set(mode)
        both.writer.write(b"hello")
        assert await both.silent()
        assert len(both.heard) <= 1
        both.link.set(Mode.WHOLE)
        assert await both.arrives(5) == b"hello"


async def test_a_trickle_is_one_byte_a_second() -> None:
    async with ends() as both:
        both.link.set(Mode.TRICKLE)
        loop = asyncio.get_running_loop()
        began = loop.time()
        both.writer.write(b"abc")
        assert await both.arrives(2) == b"ab"  # a second for each byte there, and for each back
        assert loop.time() - began >= 3
        assert len(both.heard) < 4


async def test_a_swallowed_answer_leaves_what_was_asked_done() -> None:
    async with ends() as both:
        both.link.set(Mode.SWALLOWED)
        both.writer.write(b"do it")
        await until("the server has it", lambda: bytes(both.heard) == b"do it")
        assert await both.silent()
        both.link.set(Mode.WHOLE)
        assert await both.silent()
        both.writer.write(b"again")
        assert await both.arrives(5) == b"again"


async def test_frames_that_were_swallowed_end_their_connection() -> None:
    async with ends(framed=True) as both:
        both.link.set(Mode.SWALLOWED)
        both.writer.write(b"do it")
        await until("the server has it", lambda: bytes(both.heard) == b"do it")
        await asyncio.sleep(MOMENT)
        both.link.set(Mode.WHOLE)
        with pytest.raises(ConnectionResetError):
            await both.reader.read()


async def test_a_reset_comes_in_the_middle_of_an_answer() -> None:
    async with ends() as both:
        both.link.set(Mode.RESET)
        both.writer.write(b"x" * (BYTES + 400))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await both.arrives(BYTES + 1)
        both.link.set(Mode.WHOLE)
        reader, writer = await asyncio.open_connection("127.0.0.1", both.link.own_port)
        writer.write(b"y")
        assert await asyncio.wait_for(reader.readexactly(1), 30) == b"y"
        writer.transport.abort()


async def test_a_half_closed_link_still_carries_what_the_client_sends() -> None:
    async with ends() as both:
        both.link.set(Mode.HALF_CLOSED)
        both.writer.write(b"x" * (BYTES + 400))
        assert await asyncio.wait_for(both.reader.read(), 30) == b"x" * BYTES
        both.writer.write(b"more")
        await until("the server hears it", lambda: both.heard.endswith(b"more"))


async def test_addresses_are_rewritten() -> None:
    async with ends() as both:
        both.link.rewrites = {b"127.0.0.1:4001": b"127.0.0.1:4002"}
        both.writer.write(b"ws://127.0.0.1:4001/link")
        assert await both.arrives(24) == b"ws://127.0.0.1:4002/link"
