"""Statements that run for every message, handed to SQLite without SQLAlchemy's per-execution cost.

They are written and compiled as SQLAlchemy statements all the same, and run as such on any other database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement


class Hot:
    """A statement with named parameters, compiled once."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._text = ""
        self._names: tuple[str, ...] = ()
        self._constants: Mapping[str, Any] = {}

    def value(self, connection: Connection, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - a column's value
        """Run it; the first column of its only row, or None without a row."""
        driver = _sqlite(connection)
        if driver is None:
            return connection.execute(self._statement, dict(values)).scalar_one_or_none()
        row = driver.execute(self._sql(connection), self._bound(values)).fetchone()
        return None if row is None else row[0]

    def row(self, connection: Connection, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """Run it; its only row, or None."""
        driver = _sqlite(connection)
        if driver is None:
            found = connection.execute(self._statement, dict(values)).one_or_none()
            return None if found is None else tuple(found)
        row: tuple[Any, ...] | None = driver.execute(self._sql(connection), self._bound(values)).fetchone()
        return row

    def rows(self, connection: Connection, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run it; all its rows."""
        driver = _sqlite(connection)
        if driver is None:
            return [tuple(row) for row in connection.execute(self._statement, dict(values))]
        found: list[tuple[Any, ...]] = driver.execute(self._sql(connection), self._bound(values)).fetchall()
        return found

    def count(self, connection: Connection, values: Mapping[str, object]) -> int:
        """Run it; how many rows it changed."""
        driver = _sqlite(connection)
        if driver is None:
            return connection.execute(self._statement, dict(values)).rowcount
        return driver.execute(self._sql(connection), self._bound(values)).rowcount

    def _sql(self, connection: Connection) -> str:
        if not self._text:
            assert isinstance(self._statement, ClauseElement)
            compiled = self._statement.compile(dialect=connection.dialect)
            self._names = tuple(getattr(compiled, "positiontup", None) or ())
            self._constants = compiled.params
            self._text = str(compiled)
        return self._text

    def _bound(self, values: Mapping[str, object]) -> tuple[Any, ...]:
        return tuple([values[name] if name in values else self._constants[name] for name in self._names])


def _sqlite(connection: Connection) -> sqlite3.Connection | None:
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None
