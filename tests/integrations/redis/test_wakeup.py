"""Processes wake each other through a real Redis, and look by themselves whenever it may have forgotten something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import pytest
from redis.asyncio import Redis as Client

from bot.integrations.redis.wakeup import KEPT, STREAM, RedisWakeup, unreachable

DEADLINE = 60.0
TOPICS = frozenset({"inbox", "outbox", "timers"})


class Server(Protocol):
    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def flush(self) -> None: ...


class Process:
    """One process's wake-up and what it has heard."""

    def __init__(self, url: str) -> None:
        self.wakeup = RedisWakeup(url, TOPICS)
        self.heard: list[frozenset[str]] = []

    async def hears(self, *topics: str) -> None:
        await until(lambda: frozenset(topics) in self.heard)

    def forget(self) -> None:
        self.heard.clear()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - it waits for another process
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(*urls: str) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        processes = [Process(url) for url in urls]
        tasks = [asyncio.create_task(one.wakeup.run(one.heard.append)) for one in processes]

        async def end() -> None:
            for task in tasks:
                assert not task.done()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        stack.push_async_callback(end)
        yield processes


async def well(*processes: Process) -> None:
    await until(lambda: all(one.wakeup.well for one in processes))
    await until(lambda: all(TOPICS in one.heard for one in processes))  # whoever connects looks at everything


async def test_a_call_wakes_all_others_and_not_oneself(redis_url: str) -> None:
    async with running(redis_url, redis_url, redis_url) as (a, b, c):
        await well(a, b, c)
        for one in (a, b, c):
            one.forget()
        a.wakeup.call(frozenset({"inbox"}))
        await asyncio.gather(b.hears("inbox"), c.hears("inbox"))
        b.wakeup.call(frozenset({"outbox", "timers"}))
        await asyncio.gather(a.hears("outbox", "timers"), c.hears("outbox", "timers"))
        assert frozenset({"inbox"}) not in a.heard


async def test_many_calls_leave_a_short_stream(redis_url: str) -> None:
    async with running(redis_url, redis_url) as (a, b):
        await well(a, b)
        for _ in range(3):
            for _ in range(1000):
                a.wakeup.call(frozenset({"inbox"}))
            b.forget()
            await b.hears("inbox")
        async with Client.from_url(redis_url) as client:
            for _ in range(3 * KEPT):
                await client.xadd(STREAM, {"by": "x", "topics": "timers"})
            a.wakeup.call(frozenset({"outbox"}))
            await until(lambda: any("outbox" in topics for topics in b.heard))
            assert await client.xlen(STREAM) < 2 * KEPT


@pytest.mark.parametrize("entry", [{"x": "y"}, {"by": "x", "topics": "inbox \ud800".encode("utf-8", "replace")},
                                   {"by": b"\xff\xfe", "topics": b"inbox \xff"}])  # fmt: skip
async def test_what_others_put_into_the_stream_does_no_harm(redis_url: str, entry: dict[str, str | bytes]) -> None:
    async with running(redis_url, redis_url) as (a, b):
        await well(a, b)
        async with Client.from_url(redis_url) as client:
            await client.xadd(STREAM, entry)  # type: ignore[arg-type]
        b.forget()
        a.wakeup.call(frozenset({"outbox", "unknown"}))
        await b.hears("outbox")


async def test_after_a_flush_they_look_at_everything_and_hear_each_other(redis: Server) -> None:
    async with running(redis.url, redis.url) as (a, b):
        await well(a, b)
        a.wakeup.call(frozenset({"inbox"}))
        await b.hears("inbox")
        b.forget()
        await asyncio.to_thread(redis.flush)
        await b.hears(*TOPICS)
        b.forget()
        a.wakeup.call(frozenset({"timers"}))
        await b.hears("timers")


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_gone_and_there_again(redis: Server, how: str) -> None:
    async with running(redis.url, redis.url) as (a, b):
        await well(a, b)
        await asyncio.to_thread(getattr(redis, how))
        await until(lambda: not a.wakeup.well and not b.wakeup.well)
        a.wakeup.call(frozenset({"inbox"}))  # returns at once
        a.forget()
        b.forget()
        redis.start()  # not in a thread: the server ends with the thread that started it
        await well(a, b)
        b.forget()
        a.wakeup.call(frozenset({"outbox"}))
        await until(lambda: any("outbox" in topics for topics in b.heard))


async def test_one_that_answers_nothing_is_noticed(redis: Server) -> None:
    async with running(redis.url, redis.url) as (a, b):
        await well(a, b)
        await asyncio.to_thread(redis.pause)
        await until(lambda: not a.wakeup.well and not b.wakeup.well)
        await asyncio.to_thread(redis.resume)
        await until(lambda: a.wakeup.well and b.wakeup.well)


async def test_one_that_takes_nothing_more_is_not_well(redis: Server) -> None:
    """maxmemory is reached: what was written stays readable, and nothing can be written."""
    async with running(redis.url) as (a,), Client.from_url(redis.url) as client:
        await well(a)
        await client.config_set("maxmemory", "1")
        a.wakeup.call(frozenset({"inbox"}))
        await until(lambda: not a.wakeup.well)
        await client.config_set("maxmemory", "0")
        await well(a)


async def test_a_server_that_was_never_there_is_waited_for(redis: Server) -> None:
    await asyncio.to_thread(redis.stop)
    async with running(redis.url) as (a,):
        a.wakeup.call(frozenset({"inbox"}))
        assert not a.wakeup.well
        redis.start()  # not in a thread: the server ends with the thread that started it
        await well(a)


async def test_why_a_server_cannot_be_used_is_told(redis: Server) -> None:
    assert await unreachable(redis.url) == ""
    redis.pause()
    assert await unreachable(redis.url) == "no answer in time"
    redis.resume()
    redis.stop()
    assert "connecting to 127.0.0.1" in await unreachable(redis.url)
    assert "scheme" in await unreachable("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="scheme"):
        RedisWakeup("http://127.0.0.1:1", TOPICS)
