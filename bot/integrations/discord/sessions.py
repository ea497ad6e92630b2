"""What follows from the gateway's sessions: the platform is ready when every shard has one, and each is read back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.chat.ports import Sink
from bot.integrations.discord.api import Api
from bot.integrations.discord.backfill import Backfill
from bot.integrations.discord.connection import Connection
from bot.integrations.discord.progress import Progress

log = logging.getLogger("herald.discord")


class Readiness:
    """Calls `ready` once, when every shard has had a session."""

    def __init__(self, shards: int, ready: Callable[[], None]) -> None:
        self._shards = shards
        self._ready = ready
        self._stood: set[int] = set()

    def stands(self, shard: int) -> None:
        """This shard has a session."""
        if len(self._stood) < self._shards:
            self._stood.add(shard)
            if len(self._stood) == self._shards:
                self._ready()


async def follow_sessions(
    connection: Connection, api: Api, sink: Sink, progress: Progress, readiness: Readiness
) -> None:
    """Read back what was missed whenever a new session stands; a newer one ends the reading for an older."""
    filling: asyncio.Task[None] | None = None
    shard = connection.shard
    try:
        while True:
            await connection.session_ready.wait()
            connection.session_ready.clear()
            await _ended(filling)
            log.info("discord: session %d of shard %d ready", progress.session(shard), shard)
            readiness.stands(shard)
            filling = asyncio.create_task(Backfill(api, sink, progress, shard).run(), name=f"discord back-fill {shard}")
    finally:
        await _ended(filling)


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; its failure is raised."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
