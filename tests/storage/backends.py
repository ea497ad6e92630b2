"""The databases that the contract is run over: each knows how to make an empty, migrated store."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

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
    name = await asyncio.to_thread(fresh_on, server)
    try:
        async with _open(PostgresStore(server.url(name))) as store:
            yield store
    finally:
        await asyncio.to_thread(server.drop, name)


@asynccontextmanager
async def _open(store: Store) -> AsyncIterator[Store]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


TEMPLATE = "herald_template"


def fresh_on(server: Postgres) -> str:
    """The name of a migrated, empty database; migrated once and copied from then on."""
    if not server.admin(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
        server.admin(f"CREATE DATABASE {TEMPLATE}")
        migrate_server(server.url(TEMPLATE))
    return server.create(TEMPLATE)


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
