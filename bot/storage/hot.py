"""Statements that run for every message, handed to the database's driver without SQLAlchemy's per-execution cost.

They are written and compiled as SQLAlchemy statements all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util import await_only

from bot.storage.links import storable

Row = tuple[Any, ...]


class Hot:
    """A statement with named parameters, compiled once for each kind of database."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, _Text] = {}

    def value(self, connection: Connection, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - a column's value
        """Run it; the first column of its only row, or None without a row."""
        row = self.row(connection, values)
        return None if row is None else row[0]

    def row(self, connection: Connection, values: Mapping[str, object]) -> Row | None:
        """Run it; its only row, or None."""
        text, driver = self._on(connection)
        if isinstance(driver, sqlite3.Connection):
            found: Row | None = driver.execute(text.sql, text.bound(values)).fetchone()
            return found
        record = await_only(driver.fetchrow(text.sql, *map(storable, text.bound(values))))
        return None if record is None else tuple(record)

    def rows(self, connection: Connection, values: Mapping[str, object]) -> list[Row]:
        """Run it; all its rows."""
        text, driver = self._on(connection)
        if isinstance(driver, sqlite3.Connection):
            found: list[Row] = driver.execute(text.sql, text.bound(values)).fetchall()
            return found
        return [tuple(one) for one in await_only(driver.fetch(text.sql, *map(storable, text.bound(values))))]

    def count(self, connection: Connection, values: Mapping[str, object]) -> int:
        """Run it; how many rows it changed."""
        text, driver = self._on(connection)
        if isinstance(driver, sqlite3.Connection):
            return int(driver.execute(text.sql, text.bound(values)).rowcount)
        status: str = await_only(driver.execute(text.sql, *map(storable, text.bound(values))))
        return int(status.rpartition(" ")[2])  # "UPDATE 1", "INSERT 0 1"

    def _on(self, connection: Connection) -> tuple[_Text, Any]:
        """As this database is told it, and its driver: sqlite3's connection or asyncpg's."""
        text = self._compiled.get(connection.dialect.name)
        if text is None:
            text = self._compiled[connection.dialect.name] = _Text(self._statement, connection)
        given: Any = connection.connection.dbapi_connection  # SQLite's own is the driver's: found with less ado
        return text, given if isinstance(given, sqlite3.Connection) else connection.connection.driver_connection


class _Text:
    """A statement as one kind of database is told it."""

    def __init__(self, statement: Executable, connection: Connection) -> None:
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=connection.dialect)
        self.sql = str(compiled)
        self._names: tuple[str, ...] = tuple(getattr(compiled, "positiontup", None) or ())
        self._constants: Mapping[str, Any] = compiled.params

    def bound(self, values: Mapping[str, object]) -> Row:
        return tuple([values[name] if name in values else self._constants[name] for name in self._names])
