"""Health and metrics over HTTP: of a store with known rows, and of a real bot."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa
from faults.world import opened, until
from prometheus_client.parser import text_string_to_metric_families

from bot.operations.monitor import Monitor, Watched
from bot.operations.web import Web, is_ours
from bot.settings import Http, SettingsFault
from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store

NOW = 1000.0
ROWS = (
    "INSERT INTO inbox (source, external_id, raw, state, received_at) VALUES ('slack:T1', '1', '', 'new', 990)",
    "INSERT INTO inbox (source, external_id, raw, state, received_at) VALUES ('slack:T1', '2', '', 'done', 900)",
    "INSERT INTO drafts (comment_id, version, state, created_at, updated_at) VALUES (1, 1, 'waiting', 0, 0)",
    "INSERT INTO outbox (key, kind, lane, priority, platform, tenant, channel_id, state, due_at, created_at)"
    " VALUES ('k', 'reply', 'l', 1, 'discord', 'G', 'C', 'pending', 940, 0)",
    "INSERT INTO facts VALUES ('paused', 'Ana')",
)

PASSING = {"slack": {"said": 40, "late": 2}}


@dataclass
class Running:
    base: str
    store: Store
    ready: set[str] = field(default_factory=set)
    down: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **options: object) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                str(options.pop("method", "GET")),
                self.base + path,
                **options,  # type: ignore[arg-type]
            ) as answer,
        ):
            return answer.status, await answer.text()


@asynccontextmanager
async def running(folder: Path, bind: str = "127.0.0.1:0", hosts: tuple[str, ...] = ()) -> AsyncIterator[Running]:
    migrate(folder / "herald.db")
    store = SqliteStore(folder / "herald.db")
    await store.open()
    there = Running("", store)
    monitor = Monitor(Watched(store, lambda: NOW, ("slack", "discord"), there.ready, there.down, PASSING))
    web = Web(Http(bind=bind, hosts=hosts), monitor.routes(), {})
    task = asyncio.create_task(web.run())
    try:
        await until("it listens", lambda: web.port or task.done())
        if task.done():
            task.result()
        there.base = f"http://127.0.0.1:{web.port}"
        yield there
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SettingsFault):
            await task
        await store.close()


async def test_health_is_that_of_platforms_and_store(tmp_path: Path) -> None:
    async with running(tmp_path) as there:
        status, text = await there.get("/health")
        assert (status, text.count("not connected")) == (503, 2)
        there.ready |= {"slack", "discord"}
        assert await there.get("/health") == (200, '{"well": true, "reasons": []}')
        there.down["discord"] = "the token 123 is wrong"
        status, text = await there.get("/health")
        assert (status, "stopped" in text, "123" in text) == (503, True, False)
        there.down.clear()
        await there.store.close()
        status, text = await there.get("/health")
        assert (status, "unavailable" in text) == (503, True)


async def test_metrics_are_read_from_the_database(tmp_path: Path) -> None:
    async with running(tmp_path) as there:
        there.ready.add("slack")
        await there.store.write(lambda connection: [connection.execute(sa.text(row)) for row in ROWS])
        status, text = await there.get("/metrics")
    assert status == 200
    found = {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["herald_events", "slack", "new"] == found["herald_events", "slack", "done"] == 1
    assert found["herald_events_received_total", "slack"] == 2
    assert found["herald_drafts", "waiting"] == 1
    assert found["herald_deliveries", "reply", "discord", "pending"] == 1
    assert found["herald_queue_lag_seconds",] == 10
    assert found["herald_sending_lag_seconds",] == 60
    assert found["herald_sending_paused",] == found["herald_store_up",] == 1
    assert (found["herald_platform_connected", "slack"], found["herald_platform_connected", "discord"]) == (1, 0)
    assert found["process_resident_memory_bytes",] > 1_000_000
    assert found["herald_loop_lag_seconds",] >= 0
    assert found["herald_passing_answers_total", "late", "slack"] == 2


async def test_a_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as there:
        (tmp_path / "herald.db").rename(tmp_path / "elsewhere.db")
        status, text = await there.get("/metrics")
    assert (status, "herald_store_up 0.0" in text, "herald_drafts" in text) == (200, True, False)


async def test_foreign_names_bodies_and_other_requests_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as there:
        assert (await there.get("/metrics", headers={"Host": "evil.example"}))[0] == 403
        assert (await there.get("/metrics", data=b"x" * 100))[0] == 413
        assert (await there.get("/metrics", method="POST"))[0] == 405
        assert (await there.get("/"))[0] == 404


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8421", True),
        ("10.1.2.3", True),
        ("[::1]:8421", True),
        ("localhost", True),
        ("Herald:8421", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        (None, False),
        ("a b", False),
        ("herald:99999999", False),
    ],
)
def test_which_names_are_ours(host: str | None, ours: bool) -> None:
    assert is_ours(host, ("herald",)) is ours


async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as there:
        taken = there.base.removeprefix("http://")
        with pytest.raises(SettingsFault, match=re.escape(taken)):
            await Web(Http(bind=taken), {}, {}).run()


async def test_without_an_address_nothing_listens() -> None:
    web = Web(Http(), {}, {})
    await web.run()
    assert web.port is None


async def test_a_running_bot_tells(tmp_path: Path) -> None:
    async with opened(tmp_path, "slack") as world:
        bot = world.bot(HERALD_HTTP__BIND="127.0.0.1:0", HERALD_LOG_LEVEL="INFO")
        await bot.ready()
        found = await until("it says where", lambda: re.search(r"/health, /metrics\S* on (\S+)", bot.log.read_text()))
        there = Running(found.group(1).strip('"'), SqliteStore(tmp_path / "unused"))
        assert (await there.get("/health"))[0] == 200
        await world.say("When will the jasmine tea be restocked?")
        await until("all is settled", world.settled)
        status, text = await there.get("/metrics")
        assert status == 200
        assert 'herald_platform_connected{platform="slack"} 1.0' in text
        assert 'herald_drafts{state="waiting"} 1.0' in text
        await bot.stop()
        assert bot.code == 0
