"""All rows from one database into another: from a PostgreSQL server into a backup file, and from a file to a server.

A backup is always a SQLite file: it can be read anywhere, and it is also the way from a file to a server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.pool import NullPool

from bot.storage.links import Deadlines, run_alone
from bot.storage.schema import HEAD, migrate, migrate_server, server_revision
from bot.storage.tables import facts, leases, metadata

_ROWS = 500
"""So many at a time are in memory."""
_PATIENCE = Deadlines(statement=900, idle=900)
_LEFT = frozenset({leases.name})
"""Who held what belongs to processes that lived then."""
PRIVATE = "secret:"
"""Begins the names of facts that no backup holds, like the key that processes on a server share."""


class NotEmpty(Exception):
    """The database on the server has rows already."""


class Outdated(Exception):
    """The database on the server is not at the schema of this program; `str()` is its revision."""


def save(url: str, file: Path) -> None:
    """Write all that a server's database holds at this moment into a new SQLite file.

    A bot may run meanwhile. Raises StoreUnavailable, Outdated, sqlite3.Error, DBAPIError. Blocks.
    """
    migrate(file)
    run_alone(url, lambda server: _save(server, file), _PATIENCE)


def _save(server: Connection, file: Path) -> None:
    found = server_revision(server)
    if found != HEAD:
        raise Outdated(found or "-")
    with _opened(file) as connection:
        _copy(server, connection)


def load(file: Path, url: str) -> None:
    """Put all that a SQLite file of this schema holds into a server's database, which must have no rows.

    In one transaction. Raises NotEmpty, StoreUnavailable, DBAPIError: then nothing has happened. Blocks.
    """
    migrate_server(url)
    run_alone(url, lambda server: _load(file, server), _PATIENCE, isolation="READ COMMITTED")


def _load(file: Path, server: Connection) -> None:
    for table in metadata.sorted_tables:
        server.execute(sa.text(f'LOCK TABLE "{table.name}" IN ACCESS EXCLUSIVE MODE'))  # who starts now waits
    for table in metadata.sorted_tables:
        if server.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise NotEmpty(table.name)
    with _opened(file) as connection:
        _copy(connection, server)
    for table in metadata.sorted_tables:
        _number_on(table, server)


@contextmanager
def _opened(file: Path) -> Iterator[Connection]:
    engine = sa.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _copy(source: Connection, target: Connection) -> None:
    for table in metadata.sorted_tables:
        if table.name in _LEFT:
            continue
        query = sa.select(table)
        if table is facts:
            query = query.where(facts.c.name.not_like(PRIVATE + "%"))
        with source.execution_options(yield_per=_ROWS).execute(query) as rows:
            for some in rows.mappings().partitions(_ROWS):
                target.execute(sa.insert(table), [dict(row) for row in some])


def _number_on(table: Table, server: Connection) -> None:
    """New rows get numbers behind those that were copied."""
    if table.autoincrement_column is not None:
        last = server.execute(sa.select(sa.func.max(table.c.id))).scalar()
        name = sa.func.pg_get_serial_sequence(table.name, "id")
        server.execute(sa.select(sa.func.setval(name, last or 1, last is not None)))
