"""A running sandbox with Telegram and OpenAI, driven over HTTP like any client does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.server import start

from .client import Client
from .still import StillClock


async def _client(journal: Path, monkeypatch: pytest.MonkeyPatch, *, limits: bool) -> AsyncIterator[Client]:
    sandbox = await start(0, journal, limits, only=("telegram",))
    if limits:
        still, clock = StillClock(), sandbox.frame.clock
        monkeypatch.setattr(clock, "now", lambda: still.now() + clock.offset)
    try:
        async with aiohttp.ClientSession(sandbox.base, timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Client(sandbox, session)
    finally:
        await sandbox.stop()


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Without rate limits."""
    async for made in _client(tmp_path / "journal.jsonl", monkeypatch, limits=False):
        yield made


@pytest.fixture
async def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """With the published rate limits, and a clock that stands still until it is advanced."""
    async for made in _client(tmp_path / "journal.jsonl", monkeypatch, limits=True):
        yield made
