"""The webhook end to end: the sandbox delivers with the secret, our server takes it, polling follows without loss."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from faults.world import until

from bot.chat.events import MessagePosted
from bot.integrations.telegram import TelegramPlatform
from bot.operations.web import Web
from bot.settings import Http

from .conftest import PATIENCE, RecordingSink, Stage, polling


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    """A sandbox of its own: others poll."""
    command = [sys.executable, "-m", "bot.sandbox", "--port", "0", "--limits", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[-1] for line in process.stdout if line.startswith("sandbox listening on"))
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)


@asynccontextmanager
async def serving(stage: Stage, sink: RecordingSink) -> AsyncIterator[TelegramPlatform]:
    """A platform with a webhook behind our own server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    platform = TelegramPlatform(stage.config(webhook_url=f"http://{address}/telegram/webhook"))
    server = Web(Http(bind=address), {}, platform.hooks(sink))
    listening = asyncio.create_task(server.run())
    try:
        await until("it listens", lambda: server.port or listening.done())
        async with polling(platform, sink):
            yield platform
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await platform.close()


async def test_updates_are_delivered_and_what_waits_is_polled_later(stage: Stage) -> None:
    sink = RecordingSink()
    async with serving(stage, sink):
        said = [await stage.say("asker", f"number {number}") for number in range(20)]
        for one in said:
            await sink.event(MessagePosted, message_id=one)
        assert await stage.calls("getUpdates") == []
    waiting = await stage.say("asker", "while nobody listened")
    platform = TelegramPlatform(stage.config())
    async with polling(platform, sink):
        await sink.event(MessagePosted, message_id=waiting)
    await platform.close()
    ids = [incoming.external_id for incoming in sink.incoming]
    assert len(ids) == len(set(ids)) == 21


async def test_what_could_not_be_stored_is_delivered_again(stage: Stage) -> None:
    sink = RecordingSink()
    async with serving(stage, sink):
        sink.broken = True
        said = await stage.say("asker", "not lost")
        await sink.until(lambda s: s.refused)
        sink.broken = False
        await sink.event(MessagePosted, message_id=said)
