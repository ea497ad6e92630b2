"""The store: units together in one commit, each failing for itself, and nothing half-stored when the disk is full."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.chat.ports import StoreUnavailable
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store, wake
from bot.storage.tables import facts

from .backends import fresh

BIG = "x" * 200_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = SqliteStore(fresh(tmp_path / "herald.db"))
    await made.open()
    yield made
    await made.close()


def put(name: str, value: str = "v") -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        connection.execute(sa.insert(facts).values(name=name, value=value))
        return name

    return unit


def failing(name: str) -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        put(name)(connection)
        raise ZeroDivisionError(name)

    return unit


async def names(store: Store) -> list[str]:
    return await store.read(lambda connection: list(connection.execute(sa.select(facts.c.name)).scalars()))


class Gate:
    """Keeps the writer busy, so that what is written meanwhile becomes one group."""

    def __init__(self, store: Store) -> None:
        self._open = threading.Event()
        self._entered = threading.Event()
        self._task = asyncio.create_task(store.write(self._unit))

    def _unit(self, _: Connection) -> None:
        self._entered.set()
        assert self._open.wait(30)

    async def __aenter__(self) -> Gate:
        await asyncio.to_thread(self._entered.wait, 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        await self._task


async def together(store: Store, *units: Callable[[Connection], str]) -> list[str | BaseException]:
    async with Gate(store):
        writes = [asyncio.create_task(store.write(unit)) for unit in units]
        await asyncio.sleep(0)
    return await asyncio.gather(*writes, return_exceptions=True)


async def test_a_write_is_on_disk_when_it_returns(store: Store) -> None:
    assert await store.write(put("a")) == "a"
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT name FROM facts").fetchall() == [("a",)]


async def test_a_failing_unit_takes_back_only_itself(store: Store) -> None:
    results = await together(store, put("a"), failing("b"), put("c"), put("a"), put("d"))
    assert results[0] == "a"
    assert isinstance(results[1], ZeroDivisionError)
    assert results[2] == "c"
    assert isinstance(results[3], IntegrityError)
    assert results[4] == "d"
    assert sorted(await names(store)) == ["a", "c", "d"]


async def test_many_units_share_one_commit(store: Store) -> None:
    statements: list[str] = []

    def count(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        await together(store, *(put(str(n)) for n in range(100)))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", count)
    assert len(await names(store)) == 100
    assert statements.count("COMMIT") == 2, "the gate's own and one for the hundred"


async def test_a_unit_within_many_may_fail_in_the_middle_of_another_group(store: Store) -> None:
    async with Gate(store):
        many = asyncio.create_task(store.write_many([put("a"), failing("b")]))
        alone = asyncio.create_task(store.write(failing("c")))
        last = asyncio.create_task(store.write(put("d")))
        await asyncio.sleep(0)
    assert [type(one) for one in await many] == [str, ZeroDivisionError]
    with pytest.raises(ZeroDivisionError):
        await alone
    await last
    assert sorted(await names(store)) == ["a", "d"]


async def test_reads_go_on_beside_the_writer(store: Store) -> None:
    await store.write(put("a"))
    async with Gate(store):
        assert await names(store) == ["a"]


async def test_a_reader_sees_what_is_committed_only(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        put("a")(connection)
        begun.set()
        assert go_on.wait(30)

    writing = asyncio.create_task(store.write(slow))
    await asyncio.to_thread(begun.wait, 30)
    assert await names(store) == []
    go_on.set()
    await writing
    assert await names(store) == ["a"]


async def test_listeners_are_called_after_the_commit(store: Store) -> None:
    woken, seen = asyncio.Event(), []

    def called() -> None:
        with closing(sqlite3.connect(store.path)) as connection:
            seen.append(connection.execute("SELECT count(*) FROM facts").fetchone()[0])
        woken.set()

    store.listen("topic", called)
    store.listen("other", lambda: seen.append("other"))

    def unit(connection: Connection) -> None:
        wake(connection, "topic")
        put("a")(connection)

    await store.write(unit)
    async with asyncio.timeout(30):
        await woken.wait()
    assert seen == [1]
    await store.write(put("b"))
    assert seen == [1]


def limit_pages(connection: Connection) -> int:
    """No room for anything more; the pages that there may be from now on."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar_one())


def free_pages(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA max_page_count = 1000000").scalar_one()


async def test_a_full_disk_stores_nothing_of_the_group_and_recovers(store: Store) -> None:
    """F10."""
    await store.write(put("before"))
    await store.write(limit_pages)
    woken: list[str] = []
    store.listen("topic", lambda: woken.append("woken"))

    def small(connection: Connection) -> str:
        wake(connection, "topic")
        return put("small")(connection)

    results = await together(store, small, put("big", BIG), put("after"))
    assert [type(one) for one in results] == [StoreUnavailable] * 3
    assert "full" in str(results[0])
    assert await names(store) == ["before"]
    assert woken == []
    with pytest.raises(StoreUnavailable, match="full"):
        await store.write_many([put("many"), put("more", BIG)])
    await store.write(free_pages)
    assert await together(store, put("small"), put("big", BIG)) == ["small", "big"]
    assert sorted(await names(store)) == ["before", "big", "small"]
    check = await store.read(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())
    assert check == "ok"


async def test_a_locked_file_is_unavailable_and_free_again_later(store: Store) -> None:
    await store.write(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50").all())
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.write(put("a"))
        assert await names(store) == []
        other.execute("ROLLBACK")
    assert await store.write(put("a")) == "a"


async def test_the_writer_outlives_whatever_a_unit_does_to_its_transaction(store: Store) -> None:
    def rude(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise ValueError("the savepoint is gone, too")

    with suppress(ValueError, StoreUnavailable):
        async with asyncio.timeout(30):
            await store.write(rude)
    async with asyncio.timeout(30):
        assert await store.write(put("a")) == "a"


async def test_an_abandoned_write_still_happens_and_disturbs_nobody(store: Store) -> None:
    async with Gate(store):
        abandoned = asyncio.create_task(store.write(put("a")))
        await asyncio.sleep(0)
        abandoned.cancel()
        with suppress(asyncio.CancelledError):
            await abandoned
        kept = asyncio.create_task(store.write(put("b")))
        await asyncio.sleep(0)
    assert await kept == "b"
    assert sorted(await names(store)) == ["a", "b"]


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    store = SqliteStore(fresh(tmp_path / "herald.db"))
    await store.open()
    async with Gate(store):
        write = asyncio.create_task(store.write(put("a")))
        await asyncio.sleep(0)
        closing_it = asyncio.create_task(store.close())
    assert await write == "a"
    await closing_it
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT name FROM facts").fetchall() == [("a",)]


async def test_a_closed_or_closing_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(fresh(tmp_path / "herald.db"))
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(put("a"))
    await store.open()
    async with Gate(store):
        closing_it = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            with pytest.raises(StoreUnavailable, match="closed"):
                await store.write(put("late"))
            with pytest.raises(StoreUnavailable, match="closed"):
                await names(store)
    await closing_it
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(put("a"))


async def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await SqliteStore(tmp_path / "no" / "such" / "folder.db").open()


async def test_a_read_that_cannot_be_done(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="no such table"):
        await store.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere").all())
    with pytest.raises(ZeroDivisionError):
        await store.read(lambda _: 1 / 0)
    assert await names(store) == []
