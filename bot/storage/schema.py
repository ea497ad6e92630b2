"""Bringing a database to the present schema, and keeping a second process away from it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy import Connection, Index
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.storage.faults import reason
from bot.storage.links import Deadlines, run_alone, without_secrets
from bot.storage.tables import metadata

HEAD = "0004"
"""The newest migration; `migrations/versions` holds it."""
MIGRATIONS = Path(__file__).parent / "migrations"


class FileLock:
    """An exclusive lock beside the database: one process per SQLite file. The system frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def __enter__(self) -> FileLock:
        """Take it; raises StoreUnavailable when another process holds it."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"cannot write to {self._path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 32).decode(errors="replace").strip()
            os.close(handle)
            raise StoreUnavailable(f"another process (pid {holder or 'unknown'}) uses {self._path.parent}") from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)


def migrate(path: Path) -> None:
    """Bring the file to the present schema. Raises StoreUnavailable with what to do. Blocks: call it in a thread."""
    try:
        found = _revision(path)
        if found == HEAD:
            return
        reach(Point.MIGRATING)
        if found is None and not _has_tables(path):
            _create(path)
        else:
            upgrade(path)
        reach(Point.MIGRATED)
    except (sqlite3.Error, DBAPIError) as error:
        reason = getattr(error, "orig", error)
        raise StoreUnavailable(f"{path} cannot be used: {reason}. Restore a backup, or move the file away") from error


def _revision(path: Path) -> str | None:
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        if not tables:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def _has_tables(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _create(path: Path) -> None:
    """A new file gets the newest schema at once, in one transaction, without loading Alembic."""
    dialect = sqlite.dialect()
    elements: list[CreateTable | CreateIndex] = []
    for table in metadata.sorted_tables:
        elements += [CreateTable(table), *(CreateIndex(index) for index in sorted(table.indexes, key=_name))]
    with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for element in elements:
            connection.execute(str(element.compile(dialect=dialect)))
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute("COMMIT")


def _name(index: Index) -> str:
    return str(index.name)


def upgrade(path: Path) -> None:
    """Run the migrations that a file lacks."""
    _run_alembic(str(path), f"sqlite:///{path}", None)


def _run_alembic(name: str, url: str, connection: Connection | None) -> None:
    """To the newest revision, over this connection or one of its own."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(f"{name} was written by a newer Herald: update the program ({error})") from error


LOCK = 0x4865_7261_6C64
"""The advisory lock under which a server's schema is changed ("Herald"): others wait and find it done."""
_VERSION = "CREATE TABLE alembic_version (version_num VARCHAR(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"
_PATIENCE = Deadlines(statement=900, lock=600)
"""A large table takes its time, and so does waiting for whoever migrates it."""


def migrate_server(url: str) -> None:
    """Bring a PostgreSQL database to the present schema, in one transaction: a crash leaves it as it was.

    Several processes may do so at once: one works, the others wait for it. Raises StoreUnavailable with what to do.
    Blocks: call it in a thread.
    """
    name = without_secrets(url)
    try:
        run_alone(url, lambda connection: bring_up(connection, name), _PATIENCE, isolation="READ COMMITTED")
    except DBAPIError as error:
        advice = "Restore a backup into an empty database, or name another one"
        raise StoreUnavailable(f"{name} cannot be used: {reason(error)}. {advice}") from error


def bring_up(connection: Connection, name: str) -> None:
    """The same within a transaction that sees what others commit meanwhile (READ COMMITTED)."""
    if server_revision(connection) == HEAD:
        return  # the usual case: without waiting for anybody
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    found = server_revision(connection)
    if found == HEAD:
        return
    reach(Point.MIGRATING)
    if found is None:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(sa.text(_VERSION))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    else:
        upgrade_server(connection, name)
    reach(Point.MIGRATED)


def upgrade_server(connection: Connection, name: str) -> None:
    """Run the migrations that a database on a server lacks, in the transaction that is open."""
    _run_alembic(name, "", connection)


def server_revision(connection: Connection) -> str | None:
    """The migration that a database on a server is at, or None where Herald has not been."""
    # Not to_regclass: within a transaction it may go on saying what it said before, also behind a lock.
    tables = "SELECT count(*) FROM pg_class WHERE relname = 'alembic_version' AND pg_table_is_visible(oid)"
    if not connection.execute(sa.text(tables)).scalar():
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)
