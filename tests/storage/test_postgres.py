"""PostgreSQL under faults (F14): nothing is lost, nothing happens twice, and work goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

import asyncpg
import pytest
import sqlalchemy as sa
from servers import Postgres
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from bot.chat.ports import StoreUnavailable
from bot.storage.postgres import CommitUnknown, PostgresStore
from bot.storage.store import wake
from bot.storage.tables import facts

from .backends import emptied
from .counting import SHORT, count, counted, insist, opened
from .relay import Break, relaying


@pytest.fixture
async def url(postgres: Postgres) -> str:
    return await asyncio.to_thread(emptied, postgres)


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    async with opened(url) as made:
        yield made


def once(call: Callable[[Connection], object], unit: Callable[[Connection], int]) -> Callable[[Connection], int]:
    """A unit that does something more behind its statements, the first time that it is run."""
    runs: list[None] = []

    def more(connection: Connection) -> int:
        result = unit(connection)
        runs.append(None)
        if len(runs) == 1:
            call(connection)
        return result

    return more


def suicide(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("how", ["request", "answer", "silence"])
async def test_a_commit_without_an_answer_is_looked_up_and_happens_once(url: str, how: Break) -> None:
    """In silence nobody but us can end the session that holds the transaction open."""
    patient = replace(SHORT, idle=60)
    async with relaying(url) as (relay, through), opened(through, patient) as store, asyncio.timeout(30):
        assert await store.write(count()) == 1
        woken: list[str] = []
        store.listen("topic", partial(woken.append, "topic"))
        relay.breaks = [how]

        def unit(connection: Connection) -> int:
            wake(connection, "topic")
            return count()(connection)

        assert await store.write(unit) == 2
        assert relay.broken.is_set()
        assert woken == ["topic"]
        assert await counted(store) == 2
        assert relay.commits == 2


async def test_a_session_that_is_ended_behind_its_commit_has_committed(postgres: Postgres, url: str) -> None:
    """The server tells that it ends the session and nothing of the commit, which waits for a standby."""
    waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'herald'"
    async with opened(url, replace(SHORT, statement=60)) as store, asyncio.timeout(60):
        await store.write(count())
        change = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
        await asyncio.to_thread(postgres.admin, change, "SELECT pg_reload_conf()")
        try:
            writing = asyncio.create_task(store.write(count()))
            while not (found := await asyncio.to_thread(postgres.admin, waits)):  # noqa: ASYNC110 - nobody calls us
                await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.admin, f"SELECT pg_terminate_backend({found[0][0]})")
            assert await writing == 2
        finally:
            change = "ALTER SYSTEM RESET synchronous_standby_names"
            await asyncio.to_thread(postgres.admin, change, "SELECT pg_reload_conf()")
        assert await store.write(count()) == 3


async def test_every_break_at_a_commit_one_after_the_other(url: str) -> None:
    async with relaying(url) as (relay, through), opened(through) as store:
        relay.breaks = ["request", "silence", "request", "answer"]
        assert await store.write(count()) == 1
        assert not relay.breaks
        assert await counted(store) == 1


async def test_an_unknown_commit_waits_for_the_server_while_others_are_told(postgres: Postgres, url: str) -> None:
    async with relaying(url) as (relay, through), opened(through) as store, asyncio.timeout(30):
        await store.write(count())
        relay.breaks = ["answer"]
        writing = asyncio.create_task(store.write(count()))
        await relay.broken.wait()
        relay.port = 1  # nobody listens there
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.write(count("other"))
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await counted(store)
        assert not writing.done()
        relay.port = postgres.port
        assert await writing == 2
        assert await counted(store) == 2
        assert await counted(store, "other") == 0


async def test_a_commit_that_was_unknown_at_the_end_is_said_to_be(url: str) -> None:
    async with relaying(url) as (relay, through), opened(through) as store:
        relay.breaks = ["answer"]
        writing = asyncio.create_task(store.write(count()))
        await relay.broken.wait()
        relay.port = 1
        await store.close()
        with pytest.raises(CommitUnknown):
            await writing


async def test_a_transaction_whose_session_is_ended_is_begun_again(store: PostgresStore) -> None:
    assert await store.write(once(suicide, count())) == 1
    assert await store.write_many([count(), once(suicide, count()), count()]) == [2, 3, 4]
    assert await counted(store) == 4


async def test_a_read_whose_session_is_ended_is_read_again(store: PostgresStore) -> None:
    await store.write(count())
    query = sa.select(facts.c.value)
    assert await store.read(once(suicide, lambda connection: int(connection.execute(query).scalar_one()))) == 1


async def test_sessions_that_were_ended_in_between_are_not_noticed(postgres: Postgres, store: PostgresStore) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'herald'"
    for number in range(1, 4):
        assert await store.write(count()) == number
        assert await counted(store) == number
        await asyncio.to_thread(postgres.admin, kill)


async def test_a_server_that_restarts(postgres: Postgres, store: PostgresStore) -> None:
    assert await store.write(count()) == 1
    for way, number in ((postgres.stop, 2), (postgres.kill, 3)):
        await asyncio.to_thread(way)
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.write(count())
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await counted(store)
        await asyncio.to_thread(postgres.start)
        assert await store.write(count()) == number
        assert await counted(store) == number


async def test_under_load_a_killed_server_costs_no_answer_and_doubles_none(postgres: Postgres, url: str) -> None:
    """Each number is written by one unit; whoever is told that it did not happen tries again."""
    async with opened(url, writers=2) as store:

        async def load() -> None:
            for block in range(0, 160, 20):
                await asyncio.gather(*(insist(store, count(f"n{number}")) for number in range(block, block + 20)))

        loading = asyncio.create_task(load())
        for way in (postgres.kill, postgres.stop, postgres.kill):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(way)
            await asyncio.to_thread(postgres.start)
        await loading
        values = sa.select(facts.c.value)
        assert await store.read(lambda connection: list(connection.execute(values).scalars())) == ["1"] * 160


async def test_a_server_that_says_nothing(postgres: Postgres, store: PostgresStore) -> None:
    assert await store.write(count()) == 1
    await asyncio.to_thread(postgres.pause)
    try:
        writing = [asyncio.create_task(store.write(count(f"n{number}"))) for number in range(3)]
        reading = asyncio.create_task(counted(store))
        for task in (*writing, reading):
            with pytest.raises(StoreUnavailable):
                await task
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.write(count())
    finally:
        await asyncio.to_thread(postgres.resume)
    assert await store.write(count()) == 2
    assert [await counted(store, f"n{number}") for number in range(3)] == [0, 0, 0]


async def test_a_store_is_closed_also_where_the_server_says_nothing(postgres: Postgres, url: str) -> None:
    async with opened(url) as store, asyncio.timeout(30):
        await store.write(count())
        await counted(store)
        await asyncio.to_thread(postgres.pause)
        try:
            waiting = [asyncio.create_task(call) for call in (store.write(count()), counted(store))]
            await asyncio.sleep(0)
            await store.close()
            for task in waiting:
                with pytest.raises(StoreUnavailable):
                    await task
        finally:
            await asyncio.to_thread(postgres.resume)


async def test_a_table_that_somebody_locks(url: str, store: PostgresStore) -> None:
    await store.write(count())
    other = await asyncpg.connect(url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE facts IN ACCESS EXCLUSIVE MODE")
            for refused in (store.write(count()), counted(store)):
                with pytest.raises(StoreUnavailable, match="lock timeout"):
                    await refused
        assert await store.write(count()) == 2
    finally:
        await other.close()


@pytest.mark.parametrize(
    "state", ["disk_full", "out_of_memory", "io_error", "read_only_sql_transaction", "data_corrupted"]
)
async def test_a_server_in_trouble_stores_nothing_of_the_group_and_recovers(store: PostgresStore, state: str) -> None:
    """F10, as the server says it."""

    def trouble(connection: Connection) -> int:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE {state}; END $$")
        return 0

    units = (count("a"), trouble, count("b"))
    results = await asyncio.gather(*map(store.write, units), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        await store.write_many([count("a"), trouble])
    assert await store.write(count("b")) == 1
    assert await counted(store, "a") == 0


async def test_a_statement_that_takes_too_long_is_ended_on_the_server_too(
    postgres: Postgres, store: PostgresStore
) -> None:
    def slow(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(60)")

    for way in (store.write, store.read):
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await way(slow)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'"
    assert await asyncio.to_thread(postgres.admin, asleep) == [(0,)]
    assert await store.write(count()) == 1


async def test_a_process_that_was_stopped_within_a_transaction_holds_up_nobody(url: str) -> None:
    """The server ends its session; woken up again it begins anew and sees what others did meanwhile."""
    async with opened(url) as stopped, opened(url) as other:
        await other.write(count())
        held, done = asyncio.Event(), asyncio.Event()

        def stop(_: Connection) -> None:
            held.set()
            await_only(done.wait())

        writing = asyncio.create_task(stopped.write(once(stop, count())))
        await held.wait()
        number = await insist(other, count())
        done.set()
        assert await writing == number + 1
        assert await counted(other) == number + 1


async def test_no_connection_is_left_for_us(postgres: Postgres, url: str) -> None:
    role = "CREATE ROLE few LOGIN PASSWORD 'secret' IN ROLE pg_read_all_data, pg_write_all_data CONNECTION LIMIT 2"
    await asyncio.to_thread(postgres.admin, "DROP ROLE IF EXISTS few", role)
    few = url.replace(url.partition("://")[2].partition("@")[0], "few:secret")
    async with opened(few) as store:
        assert await store.write(count()) == 1
        assert await counted(store) == 1
        async with opened(url) as other:
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'"
            await asyncio.to_thread(postgres.admin, kill)
            held = [await asyncpg.connect(few) for _ in range(2)]
            for refused in (store.write(count()), counted(store)):
                with pytest.raises(StoreUnavailable, match="too many connections"):
                    await refused
            for one in held:
                await one.close()
            assert await other.write(count()) == 2
        assert await insist(store, count()) == 3


async def test_wakes_are_passed_on_and_taken_in(url: str) -> None:
    passed: list[frozenset[str]] = []
    async with opened(url) as store:
        store.on_wake = passed.append
        woken: list[str] = []
        store.listen("topic", partial(woken.append, "topic"))
        await store.write(lambda connection: wake(connection, "topic"))
        assert (woken, passed) == (["topic"], [frozenset({"topic"})])
        store.woken({"topic", "other"})
        assert woken == ["topic"] * 2
        assert len(passed) == 1, "what came from outside is not passed on"
        await store.write(count())
        assert len(passed) == 1


async def test_who_cannot_log_in_is_told_so(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="password authentication failed"):
        await PostgresStore(url.replace("@", "x@")).open()
    with pytest.raises(StoreUnavailable, match="does not exist"):
        await PostgresStore(url + "x").open()
