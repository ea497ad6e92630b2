"""Several real processes of the bot: everything is answered once, whoever dies and whatever goes away meanwhile."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import Postgres, Redis  # the fixtures' types

from bot.rehearsal.errors import RehearsalError

from .town import Herald, opened


async def test_a_gateway_and_two_workers_answer_everything_once(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with opened(tmp_path, postgres_url, redis_url) as town:
        gateway, first, second = await town.started("gateway", "worker", "worker")
        await town.talk(24)
        await town.verdict()
        assert "herald ready: Slack, Discord, Telegram" in gateway.said()
        holders = await town.rows("SELECT holder, count(*) FROM leases WHERE name LIKE 'part:%' GROUP BY 1")
        assert sorted(count for _, count in holders) == [32, 32]
        for one in (gateway, first, second):
            await one.stop()
            assert one.code == 0
        left = await town.rows("SELECT name FROM leases WHERE holder <> '' OR name LIKE 'worker:%'")
        assert left == []


async def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Once just as it has sent a reply and written nothing of that, once at any moment."""
    async with opened(tmp_path, postgres_url, redis_url) as town:
        await town.started("gateway")
        doomed = town.herald("worker", "outbox.answered/reply=kill:3")
        await doomed.ready()
        await town.talk(9)
        await doomed.killed()
        _, another = await town.started("worker", "worker")
        await town.talk(9)
        await another.kill()
        await town.verdict()


async def test_a_gateway_that_is_killed_is_followed_by_the_one_that_waits(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with opened(tmp_path, postgres_url, redis_url) as town:
        first, _ = await town.started("gateway", "worker")
        second = town.herald("gateway")
        assert await second.start("herald waiting") == "herald waiting: Slack, Discord, Telegram"
        await town.talk(6)
        await first.kill()
        await town.talk(9)  # nobody hears this
        await second.says("herald ready: Slack, Discord, Telegram")
        await town.talk(3)
        await town.verdict()


async def test_a_gateway_that_was_stopped_for_long_hears_no_more(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """SIGSTOP, and SIGCONT when another one has taken over."""
    async with opened(tmp_path, postgres_url, redis_url) as town:
        first, _ = await town.started("gateway", "worker")
        second = town.herald("gateway")
        await second.start("herald waiting")
        await town.talk(3)
        first.signal(signal.SIGSTOP)
        await town.talk(3)
        await second.says("herald ready: Slack, Discord, Telegram")
        first.signal(signal.SIGCONT)
        await first.says("herald waiting: Slack, Discord, Telegram")
        await town.talk(3)
        await town.verdict()
        await second.stop()
        await town.talk(3)
        await town.verdict()


async def test_redis_may_forget_everything_and_go(tmp_path: Path, postgres_url: str, redis: Redis) -> None:
    async with opened(tmp_path, postgres_url, redis.url) as town:
        await town.started("gateway", "worker", "worker")
        await town.talk(6)
        redis.flush()
        await town.talk(6)
        redis.kill()
        await town.talk(6)
        redis.start()
        await town.talk(3)
        redis.stop()
        await town.verdict()
        redis.start()
        redis.pause()
        await town.talk(6)
        redis.resume()
        await town.verdict()


async def test_without_a_redis_processes_look_by_themselves(tmp_path: Path, postgres_url: str) -> None:
    async with opened(tmp_path, postgres_url) as town:
        await town.started("gateway", "worker", "worker")
        await town.talk(9)
        await town.verdict()


async def test_postgresql_may_be_restarted_and_killed_under_load(
    tmp_path: Path, postgres: Postgres, postgres_url: str, redis_url: str
) -> None:
    async with opened(tmp_path, postgres_url, redis_url) as town:
        await town.started("gateway", "worker", "worker")
        await town.talk(6)
        postgres.stop()
        await town.talk(3)
        postgres.start()
        await town.talk(6)
        postgres.kill()
        await town.talk(3)
        postgres.start()
        await town.talk(3)
        await town.verdict()


async def test_processes_that_do_both_share_the_work_and_one_hears(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with opened(tmp_path, postgres_url, redis_url) as town:
        first, second = town.herald("all"), town.herald("all")
        assert await first.ready() == "herald ready: Slack, Discord, Telegram"
        assert await second.ready() == "herald ready: worker"
        await second.says("herald waiting: Slack, Discord, Telegram")
        await town.talk(9)
        await town.verdict()


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_a_sqlite_file_is_for_one_process(tmp_path: Path, role: str) -> None:
    environment = {"HERALD_TELEGRAM__TOKEN": "1:x", "HERALD_DATA_DIR": str(tmp_path / "data")}
    herald = Herald(role, environment, tmp_path / "log")
    with pytest.raises(RehearsalError):
        await herald.ready()
    assert herald.code == 1
    (line,) = herald.last_lines()
    assert line.startswith(f"herald: --role {role}: only one process can use a SQLite file: set database_url")
    assert not (tmp_path / "data").exists()


async def test_no_secret_is_in_what_a_process_writes(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    """Nor in what its leases say about it."""
    async with opened(tmp_path, postgres_url, redis_url) as town:
        await town.started("gateway", "worker")
        await town.talk(3)
        await town.verdict()
        ((key,),) = await town.rows("SELECT value FROM facts WHERE name = 'secret:key'")
        password = urlsplit(postgres_url).password
        about = [row for (row,) in await town.rows("SELECT about FROM leases")]
        written = "\n".join([*about, *(line for one in town.heralds for line in one.said())])
        assert len(bytes.fromhex(key)) == 32
        assert not [secret for secret in (key, password) if secret in written]
