"""Buckets in a real Redis: never looser than one bucket, whatever happens to the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import redis.asyncio as redis_client
from servers import Redis

from bot.chat.processes import PaceUnavailable
from bot.integrations.redis.pace import RedisPace

RATE, BURST = 4.0, 3.0
QUICK, NEVER = 10_000.0, 0.0001
"""Rates that fill a bucket before anybody looks, and not as long as anybody looks."""
DEADLINE = 20.0


@asynccontextmanager
async def pacing(url: str, token: str = "1:abc", count: int = 1) -> AsyncIterator[list[RedisPace]]:
    made = [RedisPace(url, "telegram", token) for _ in range(count)]
    try:
        yield made
    finally:
        for pace in made:
            await pace.close()


@pytest.fixture
async def pace(redis_url: str) -> AsyncIterator[RedisPace]:
    async with pacing(redis_url) as (made,):
        yield made


async def taken(pace: RedisPace, bucket: str = "a") -> float:
    """Wait for one token; when it was there."""
    async with asyncio.timeout(DEADLINE):
        while (wait := await pace.take(bucket, RATE, BURST, 1)) > 0:  # noqa: ASYNC110 - the server knows when
            await asyncio.sleep(wait)
    return time.monotonic()


async def fill(pace: RedisPace, *buckets: str) -> None:
    """Have them be full."""
    for bucket in buckets:
        async with asyncio.timeout(DEADLINE):
            while await pace.take(bucket, QUICK, QUICK, 100) > 0:  # noqa: ASYNC110 - the server knows when
                await asyncio.sleep(0.01)
            while await pace.take(bucket, QUICK, QUICK, 90) > 0:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            assert await pace.take(bucket, QUICK, QUICK, 1) == 0  # and what has come meanwhile is written down


async def left(pace: RedisPace, bucket: str) -> float:
    """How many of three tokens are there at this moment."""
    if (wait := await pace.take(bucket, NEVER, BURST, 3)) == 0:
        return 3.0
    return 3 - wait * NEVER


async def again(pace: RedisPace, bucket: str) -> float:
    """The same from a server that has just come back, over connections that must be made anew."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await left(pace, bucket)
            except PaceUnavailable:
                await asyncio.sleep(0.01)


async def test_nothing_is_there_at_first_and_then_as_much_as_the_rate_gives(pace: RedisPace) -> None:
    began = time.monotonic()
    assert 0 < await pace.take("a", RATE, BURST, 1) <= 1 / RATE
    for _ in range(5):
        last = await taken(pace)
    assert last - began >= 5 / RATE - 0.05


async def test_a_bucket_that_was_left_alone_is_full_and_no_more(pace: RedisPace) -> None:
    await taken(pace, "another")
    assert await pace.take("never seen", QUICK, BURST, 3) == 0
    assert await left(pace, "never seen") == pytest.approx(0, abs=0.01)


async def test_several_at_once_or_none(pace: RedisPace) -> None:
    wait = await pace.take("a", RATE, BURST, 3)
    assert 0 < wait <= 3 / RATE
    async with asyncio.timeout(DEADLINE):
        while wait > 0:
            await asyncio.sleep(wait)
            wait = await pace.take("a", RATE, BURST, 3)
    assert await pace.take("a", NEVER, BURST, 3) > 0


@pytest.mark.parametrize(("rate", "burst", "count"), [(0, 1, 1), (-1, 1, 1), (1, 1, 2), (1, 1, 0)])
async def test_what_no_bucket_can_give_is_an_error(pace: RedisPace, rate: float, burst: float, count: int) -> None:
    with pytest.raises(ValueError, match="tokens at once"):
        await pace.take("a", rate, burst, count)


async def test_processes_take_from_one_bucket(redis_url: str) -> None:
    async with pacing(redis_url, count=4) as paces:
        await paces[0].take("a", RATE, BURST, 1)
        began = time.monotonic()
        counts = [0, 0, 0, 0]

        async def greedy(number: int) -> None:
            while time.monotonic() < began + 2:
                counts[number] += await paces[number].take("a", RATE, BURST, 1) == 0
                await asyncio.sleep(0.01)

        await asyncio.gather(*(greedy(number) for number in range(4)))
        elapsed = time.monotonic() - began
        assert RATE * 2 * 0.6 <= sum(counts) <= RATE * elapsed + 1


async def test_bots_do_not_share_and_no_token_is_written_down(redis_url: str) -> None:
    async with pacing(redis_url, "1:secret") as (mine,), pacing(redis_url, "2:other") as (other,):
        await taken(mine)
        await other.take("a", RATE, BURST, 1)
        await taken(other)
        client = redis_client.Redis.from_url(redis_url)
        keys = [key.decode() for key in await client.keys("*")]
        await client.aclose()
        assert len({key.split("}")[0] for key in keys}) == 2
        assert all(key.startswith("herald:pace:{") and "secret" not in key for key in keys)


async def test_unused_buckets_disappear(pace: RedisPace, redis_url: str) -> None:
    await taken(pace)
    client = redis_client.Redis.from_url(redis_url)
    lives = [await client.ttl(key) for key in await client.keys("*")]
    await client.aclose()
    assert len(lives) == 2
    assert all(0 < seconds <= 7 * 86400 for seconds in lives)
    assert min(lives) <= 62


def flush(server: Redis) -> None:
    server.flush()


def restart(server: Redis) -> None:
    server.stop()
    server.start()


def kill(server: Redis) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("forgets", [flush, restart, kill], ids=["flushed", "restarted", "killed"])
async def test_after_forgetting_all_buckets_are_empty(
    pace: RedisPace, redis: Redis, forgets: Callable[[Redis], None]
) -> None:
    await fill(pace, "a")
    assert await left(pace, "a") == 3
    forgets(redis)
    assert await again(pace, "a") == pytest.approx(0, abs=0.01)
    assert await left(pace, "never seen") == pytest.approx(0, abs=0.01)


async def test_a_restart_with_an_old_snapshot_is_a_fresh_start(pace: RedisPace, redis: Redis) -> None:
    """The snapshot says that the bucket is full; since it was written its tokens were taken."""
    await fill(pace, "a")
    client = redis_client.Redis.from_url(redis.url)
    before = {key: await client.dump(key) for key in await client.keys("*")}
    await client.aclose()
    assert len(before) == 2
    assert await left(pace, "a") == 3
    kill(redis)
    client = redis_client.Redis.from_url(redis.url)
    for key, value in before.items():
        assert value is not None
        await client.restore(key, 0, value)
    await client.aclose()
    assert await again(pace, "a") == pytest.approx(0, abs=0.01)


async def test_emptied_on_purpose(pace: RedisPace) -> None:
    await fill(pace, "a")
    await pace.empty()
    assert await left(pace, "a") == pytest.approx(0, abs=0.01)
    assert await left(pace, "never seen") == pytest.approx(0, abs=0.01)


async def test_a_server_that_drops_keys_is_not_used_and_gives_nothing_away(pace: RedisPace, redis: Redis) -> None:
    await fill(pace, *(f"b{number}" for number in range(5)))
    client = redis_client.Redis.from_url(redis.url)
    await client.config_set("maxmemory-policy", "volatile-random")
    await client.config_set("maxmemory", int((await client.info("memory"))["used_memory"]) + 100_000)
    try:
        while int((await client.info("stats"))["evicted_keys"]) < 2:
            await client.set(f"ballast {time.monotonic_ns()}", "x" * 2000, ex=1000)
        await client.config_set("maxmemory", 0)
        marks = [key for key in await client.keys("herald:pace:*") if key.endswith(b"}")]
        if marks:
            with pytest.raises(PaceUnavailable, match="EVICTING"):
                await left(pace, "b0")
        for number in range(5):
            assert await left(pace, f"b{number}") == pytest.approx(0, abs=0.01)
    finally:
        await client.config_set("maxmemory", 0)
        await client.config_set("maxmemory-policy", "noeviction")
        await client.aclose()


async def test_a_full_server_is_no_server(pace: RedisPace, redis: Redis) -> None:
    await fill(pace, "a")
    client = redis_client.Redis.from_url(redis.url)
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(PaceUnavailable, match="OutOfMemory"):
            await left(pace, "a")
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()
    assert await left(pace, "a") == 3


async def test_a_server_that_is_gone_or_hangs_is_told_within_the_deadline(pace: RedisPace, redis: Redis) -> None:
    await taken(pace)
    redis.pause()
    try:
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(PaceUnavailable):
                await left(pace, "a")
    finally:
        redis.resume()
    redis.stop()
    for call in (left(pace, "a"), pace.empty()):
        with pytest.raises(PaceUnavailable):
            await call
    redis.start()
    await again(pace, "a")
