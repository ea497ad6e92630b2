"""Rate buckets in Redis, which all processes of one bot take from (RELIABILITY section 4, F13).

Time is the server's. A bucket that is not known has been filling since this Redis began to know anything: it is empty
after a flush, a restart or a failover, and full where nobody has used it since. The server's `run_id` tells a restart
even where an old snapshot was read; a server that throws keys away to save memory is not used at all.
"""

from __future__ import annotations

import asyncio
import hashlib
from importlib.resources import files

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bot.chat.processes import PaceUnavailable

DEADLINE = 1.0
"""Seconds that a call may take."""
_SCRIPT = files(__package__).joinpath("pace.lua").read_text(encoding="utf-8")


class RedisPace:
    """The buckets of one bot token. Cheap to make: it connects when it is first asked."""

    def __init__(self, url: str, platform: str, token: str) -> None:
        """Buckets are kept under a hash of the token, so that whoever reads Redis does not learn it."""
        self._client = Redis.from_url(
            url,
            socket_timeout=None,  # the deadline stands around each call: the client's own can swallow a cancellation
            socket_connect_timeout=DEADLINE,
            retry=Retry(NoBackoff(), 0),  # a call that was lost may have taken its tokens: never take them twice
        )
        self._script = self._client.register_script(_SCRIPT)
        self._prefix = "herald:pace:{" + hashlib.sha256(f"{platform}:{token}".encode()).hexdigest()[:32] + "}"

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        """Take `count` tokens of a bucket that fills with `rate` a second up to `burst`.

        0.0: they are taken. Otherwise nothing is taken, and in so many seconds they may be there.
        Raises PaceUnavailable; ValueError for what no bucket can ever give.
        """
        if not (rate > 0 and 0 < count <= burst):
            raise ValueError(f"{count} tokens at once from a bucket of {burst:g} at {rate:g} a second")
        return await self._run("take", bucket, f"{rate:.9g}", f"{burst:.9g}", str(count))

    async def empty(self) -> None:
        """Have every bucket begin empty. Raises PaceUnavailable."""
        await self._run("empty")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _run(self, *words: str) -> float:
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._script(keys=[self._prefix], args=words)
            return float(answer)
        except (RedisError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise PaceUnavailable(f"{type(error).__name__}: {error}"[:200]) from error
