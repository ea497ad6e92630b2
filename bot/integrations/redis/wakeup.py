"""Processes on one database wake each other through a stream in Redis.

A call says only which topics have something new: whoever hears it looks into the database. So calls may be lost (a
restart, a flush, a full server): whoever connects again looks at everything once, and all look often while it is away.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

STREAM = "herald:wake"
KEPT = 1000
"""Calls that stay in the stream, about: whoever is further behind looks at everything."""
LISTEN_SECONDS = 1.0
"""How long one wait for calls takes at most; then it is checked that none was missed."""
DEADLINE = 1.0
"""Seconds that any other request may take."""
PAUSE_SECONDS = 0.5
"""Between two attempts to reach a server that is gone."""
GATHER_SECONDS = 0.002
"""Calls that come so close together are one."""

_FAULTS = (RedisError, OSError, TimeoutError, ValueError)
log = logging.getLogger("herald.wakeup")


class RedisWakeup:
    """One process's ear and voice. Cheap to make: it connects when it is run.

    `topics` are all that anybody may ever call. Raises ValueError for what is no address of a Redis.
    """

    def __init__(self, url: str, topics: frozenset[str], stream: str = STREAM) -> None:
        _connect(url)
        self._url = url
        self._all = topics
        self._stream = stream
        self._me = secrets.token_hex(8)
        self._waiting: set[str] = set()
        self._called = asyncio.Event()
        self._hears = False
        self._speaks = False

    @property
    def well(self) -> bool:
        """Whether calls reach others at present, and theirs us."""
        return self._hears and self._speaks

    def call(self, topics: frozenset[str]) -> None:
        """Wake the others; returns at once, and loses the call when the server is gone."""
        self._waiting |= topics & self._all
        self._called.set()

    async def run(self, heard: Callable[[frozenset[str]], None]) -> None:
        """Hand over the topics that other processes woke, until cancelled. Never raises because the server is gone."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen(heard))
            both.create_task(self._speak())

    async def _listen(self, heard: Callable[[frozenset[str]], None]) -> None:
        while True:
            client = self._client()
            try:
                await self._hear(client, heard)
            except _FAULTS as error:
                self._lost("hear", error)
                self._hears = False
            finally:
                await _close(client)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _hear(self, client: Redis, heard: Callable[[frozenset[str]], None]) -> None:
        last = await self._newest(client)
        while True:
            heard(self._all)  # what was called before could not be heard
            if not self._hears:
                log.info("calls from other processes can be heard")
            self._hears = True
            last = await self._follow(client, last, heard)

    async def _follow(self, client: Redis, last: str, heard: Callable[[frozenset[str]], None]) -> str:
        """Hand over calls behind `last` until some were missed; the newest then."""
        while True:
            began = time.monotonic()
            async with asyncio.timeout(LISTEN_SECONDS + DEADLINE):
                answer = await client.xread({self._stream: last}, block=int(LISTEN_SECONDS * 1000), count=KEPT)
            if time.monotonic() - began > LISTEN_SECONDS + DEADLINE:  # we were stopped ourselves: much may be gone
                return await self._newest(client)
            found = _calls(answer)
            for name, fields in found:
                last = name
                if fields.get("by") != self._me:
                    heard(frozenset(fields.get("topics", "").split()) & self._all)
            if not found and (newest := await self._newest(client)) != last:
                return newest  # the stream was flushed, or the server's clock was set back

    async def _newest(self, client: Redis) -> str:
        async with asyncio.timeout(DEADLINE):
            found: Any = await client.xrevrange(self._stream, count=1)
        return str(found[0][0]) if found else "0-0"

    async def _speak(self) -> None:
        client = self._client()
        try:
            while True:
                await self._say(client)
        finally:
            await _close(client)

    async def _say(self, client: Redis) -> None:
        with suppress(TimeoutError):  # without a call: is it still there, and does it take calls?
            async with asyncio.timeout(LISTEN_SECONDS if self._speaks else PAUSE_SECONDS):
                await self._called.wait()
                await asyncio.sleep(GATHER_SECONDS)
        self._called.clear()
        topics, self._waiting = self._waiting, set()
        fields: Any = {"by": self._me, "topics": " ".join(sorted(topics))}
        try:
            async with asyncio.timeout(DEADLINE):
                if topics or not self._speaks:
                    await client.xadd(self._stream, fields, maxlen=KEPT, approximate=True)
                else:
                    await client.ping()
            self._speaks = True
        except _FAULTS as error:
            self._lost("be heard", error)
            self._speaks = False
            await asyncio.sleep(PAUSE_SECONDS)

    def _lost(self, what: str, error: Exception) -> None:
        if self.well:
            log.warning("Redis is away, other processes cannot %s: %s", what, type(error).__name__)

    def _client(self) -> Redis:
        return _connect(self._url)


async def unreachable(url: str) -> str:
    """Why a server cannot be used, in a few words; empty when it can. Within seconds."""
    try:
        client = _connect(url)
        try:
            async with asyncio.timeout(DEADLINE):
                await client.ping()
        finally:
            await _close(client)
    except _FAULTS as error:
        return str(error).partition("\n")[0] or "no answer in time"
    return ""


def _connect(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=None,  # our deadlines stand around each call: the client's own can swallow a cancellation
        socket_connect_timeout=DEADLINE,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
        encoding_errors="replace",
    )


def _calls(answer: Any) -> list[tuple[str, dict[str, str]]]:  # noqa: ANN401 - RESP2: [[stream, [(id, fields), ...]]]
    return list(answer[0][1]) if answer else []


async def _close(client: Redis) -> None:
    with suppress(*_FAULTS):
        async with asyncio.timeout(DEADLINE):
            await client.aclose()
