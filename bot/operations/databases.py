"""Where an installation keeps everything: a SQLite file, or a database on a PostgreSQL server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bot.chat.ports import StoreUnavailable
from bot.operations.copying import read_only
from bot.storage.faults import reason
from bot.storage.links import Deadlines, run_alone, without_secrets

T = TypeVar("T")
FILE = "herald.db"
"""The name of the SQLite file in the data folder."""
READ_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Database:
    """A file, or with a `url` the database on a server; then the file plays no part."""

    path: Path
    url: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What people may read."""
        return without_secrets(self.url) if self.url else str(self.path)

    def exists(self) -> bool:
        """Whether it can be looked at. A server is asked then."""
        return bool(self.url) or self.path.exists()

    def look(self, unit: Callable[[Connection], T], seconds: float = READ_SECONDS) -> T:
        """Run a unit that only reads, all of it at one moment; each statement within so many seconds.

        Raises StoreUnavailable; blocks. A file is neither changed nor created.
        """
        try:
            if self.url:
                return run_alone(self.url, unit, Deadlines(statement=seconds))
            return _look_into(self.path, unit)
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreUnavailable(reason(error)) from error


def _look_into(path: Path, unit: Callable[[Connection], T]) -> T:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(read_only(path), uri=True, timeout=READ_SECONDS, isolation_level=None)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")  # one moment for all that is read
            return unit(connection)
    finally:
        engine.dispose()
