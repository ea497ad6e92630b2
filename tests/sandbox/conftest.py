"""A running sandbox with Telegram and OpenAI, driven over HTTP like any client does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.sandbox.server import start

from .client import Client


async def _client(journal: Path, *, limits: bool) -> AsyncIterator[Client]:
    sandbox = await start(0, journal, limits, only=("telegram",))
    try:
        async with aiohttp.ClientSession(sandbox.base, timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Client(sandbox, session)
    finally:
        await sandbox.stop()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """Without rate limits."""
    async for made in _client(tmp_path / "journal.jsonl", limits=False):
        yield made


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Client]:
    """With the published rate limits."""
    async for made in _client(tmp_path / "journal.jsonl", limits=True):
        yield made
