"""The servers that tests rely on: they come up, can be broken, keep what was on the disk, and do not run as root."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest
import redis as redis_client
from servers import Postgres, Redis, Server


def owner(server: Server) -> int:
    assert server._process is not None
    return Path(f"/proc/{server._process.pid}").stat().st_uid


async def value(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return int(await connection.fetchval("SELECT sum(n) FROM numbers"))
    finally:
        await connection.close()


@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_postgres_keeps_what_was_committed(postgres: Postgres, postgres_url: str, way: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE numbers (n int)")
    await connection.execute("INSERT INTO numbers VALUES (1), (2)")
    getattr(postgres, way)()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("INSERT INTO numbers VALUES (4)")
    with pytest.raises(OSError):
        await value(postgres_url)
    postgres.start()
    assert await value(postgres_url) == 3


async def test_a_paused_postgres_does_not_answer_until_it_goes_on(postgres: Postgres, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    postgres.pause()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    postgres.resume()
    assert await connection.fetchval("SELECT 2") == 2
    await connection.close()


def test_redis_comes_back_empty(redis: Redis, redis_url: str) -> None:
    client = redis_client.Redis.from_url(redis_url, socket_timeout=5)
    client.set("a", "b")
    redis.kill()
    with pytest.raises(redis_client.ConnectionError):
        client.get("a")
    redis.start()
    assert client.get("a") is None
    client.close()


def test_no_server_runs_as_root(postgres: Postgres, redis: Redis) -> None:
    assert owner(postgres) == owner(redis)
    assert owner(redis) == os.geteuid() or owner(redis) != 0
    assert owner(redis) != 0
