"""Bringing a database to the present schema, and keeping a second process away from it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import TracebackType

from sqlalchemy import Index
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.storage.tables import metadata

HEAD = "0002"
"""The newest migration; `migrations/versions` holds it."""


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
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}".replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(f"{path} was written by a newer Herald: update the program ({error})") from error
