"""The schema on a PostgreSQL server: made at once or migrated it is the same, and who start together agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from servers import Postgres
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.storage import schema
from bot.storage.links import run_alone, without_secrets
from bot.storage.schema import HEAD, bring_up, migrate_server, server_revision, upgrade_server
from bot.storage.tables import metadata

COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name"
    " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
)
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
CONSTRAINTS = (
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0 ORDER BY 1, 2"
)


@pytest.fixture
def other_url(postgres: Postgres) -> Iterator[str]:
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


def look(url: str) -> list[list[tuple[object, ...]]]:
    def unit(connection: Connection) -> list[list[tuple[object, ...]]]:
        return [[tuple(row) for row in connection.execute(sa.text(query))] for query in (COLUMNS, INDEXES, CONSTRAINTS)]

    return run_alone(url, unit)


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    def unit(connection: Connection) -> list[tuple[object, ...]]:
        results = [connection.execute(sa.text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []

    return run_alone(url, unit)


def by_migrations(url: str) -> None:
    """From nothing, by every migration that there is."""
    run_alone(url, lambda connection: upgrade_server(connection, "x"), isolation="READ COMMITTED")


def test_made_at_once_or_migrated_it_is_the_same(postgres_url: str, other_url: str) -> None:
    migrate_server(postgres_url)
    by_migrations(other_url)
    assert look(postgres_url) == look(other_url)
    first = look(postgres_url)
    migrate_server(postgres_url)
    assert look(postgres_url) == first
    assert {row[0] for row in first[0]} == {*metadata.tables, "alembic_version"}
    assert run_alone(other_url, server_revision) == HEAD


def test_entries_are_sorted_by_code_points_whatever_the_locale_of_the_server(postgres_url: str) -> None:
    """The server of the tests sorts so by itself; others sort `ä` beside `a`, and leave out what is no letter."""
    migrate_server(postgres_url)
    exact = {row[:2] for row in look(postgres_url)[0] if row[5] == "C"}
    assert exact == {("giveaway_entries", "person"), ("giveaway_entries", "ticket")}


def test_the_migrations_make_what_the_tables_say(postgres_url: str) -> None:
    by_migrations(postgres_url)

    def unit(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert run_alone(postgres_url, unit) == []


def test_an_older_database_keeps_its_rows(postgres_url: str) -> None:
    def first(connection: Connection) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    run_alone(postgres_url, first)
    add = "INSERT INTO inbox (source, external_id, raw, state, received_at) VALUES ('slack:T', '1', '{}', 'new', 0)"
    run(postgres_url, add)
    migrate_server(postgres_url)
    assert run(postgres_url, "SELECT source, state, part FROM inbox") == [("slack:T", "new", 0)]
    assert run_alone(postgres_url, server_revision) == HEAD


def test_processes_that_start_together_agree_on_who_migrates(postgres_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(migrate_server, [postgres_url] * 6))
    assert run(postgres_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_who_comes_second_waits_and_finds_it_done(postgres_url: str) -> None:
    """The first is in the middle of its work, the second starts: it neither fails nor makes anything of its own."""
    seconds: list[asyncio.Task[None]] = []

    def slowly(connection: Connection) -> None:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.LOCK})
        loop.call_soon_threadsafe(lambda: seconds.append(asyncio.create_task(second())))
        waits = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not connection.execute(waits).scalar():
            connection.execute(sa.text("SELECT pg_sleep(0.02)"))
        bring_up(connection, "x")

    async def second() -> None:
        await asyncio.to_thread(migrate_server, postgres_url)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(run_alone, postgres_url, slowly, None, "READ COMMITTED")
    async with asyncio.timeout(30):
        await seconds[0]
    assert await asyncio.to_thread(run, postgres_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_a_newer_schema_is_refused_and_left_alone(postgres_url: str) -> None:
    migrate_server(postgres_url)
    run(postgres_url, "UPDATE alembic_version SET version_num = '9999'")
    before = look(postgres_url)
    with pytest.raises(StoreUnavailable, match="newer Herald"):
        migrate_server(postgres_url)
    assert look(postgres_url) == before


def test_a_migration_that_broke_off_leaves_nothing_behind(postgres_url: str) -> None:
    """F17: a table in the way of the last step stands for a crash there."""
    last = list(metadata.tables)[-1]
    run(postgres_url, f"CREATE TABLE {last} (x int)")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        migrate_server(postgres_url)
    assert run(postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [(last,)]
    run(postgres_url, f"DROP TABLE {last}")
    migrate_server(postgres_url)
    assert run_alone(postgres_url, server_revision) == HEAD


def test_a_server_that_is_not_there_is_named_without_its_password(postgres: Postgres, postgres_url: str) -> None:
    postgres.stop()
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        migrate_server(postgres_url)
    secret = postgres_url.partition("@")[0].rpartition(":")[2]
    assert secret not in str(caught.value)
    assert without_secrets(postgres_url + "?sslmode=disable&password=x").endswith(postgres_url.rpartition("/")[2])
    assert secret not in without_secrets(postgres_url)
