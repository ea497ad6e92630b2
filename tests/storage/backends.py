"""The databases that the contract is run over: each knows how to make an empty, migrated store."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from servers import Postgres

from bot.storage.postgres import PostgresStore
from bot.storage.schema import migrate, migrate_server
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store

Backend = Callable[[Path, pytest.FixtureRequest], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def sqlite(folder: Path, _: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A SQLite file."""
    async with _open(SqliteStore(fresh(folder / "herald.db"))) as store:
        yield store


@asynccontextmanager
async def postgres(_: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A database on a PostgreSQL server that the tests started."""
    server: Postgres = request.getfixturevalue("postgres")
    async with _open(PostgresStore(await asyncio.to_thread(emptied, server))) as store:
        yield store


@asynccontextmanager
async def _open(store: Store) -> AsyncIterator[Store]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


SHARED = "herald_shared"
_EMPTY = """DO $$ DECLARE one text; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE 'DELETE FROM ' || one;
    END LOOP;
    PERFORM setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences;
END $$"""


def emptied(server: Postgres) -> str:
    """The URL of a migrated, empty database: the same one each time, which is much faster than a new one."""
    try:
        server.admin(_EMPTY, database=SHARED)
    except asyncpg.InvalidCatalogNameError:
        server.admin(f"CREATE DATABASE {SHARED}")
        migrate_server(server.url(SHARED))
    return server.url(SHARED)


_templates: list[Path] = []


def fresh(path: Path) -> Path:
    """A migrated, empty database file; migrated once and copied from then on."""
    if _templates and _templates[0].exists():
        shutil.copy(_templates[0], path)
    else:
        migrate(path)
        template = path.parent / "template.db"
        shutil.copy(path, template)
        _templates[:] = [template]
    return path


BACKENDS: dict[str, Backend] = {"sqlite": sqlite, "postgres": postgres}
