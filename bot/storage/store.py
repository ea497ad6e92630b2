"""What every store offers: units of work, each a plain function `(Connection) -> result` in a savepoint of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.util import await_only

from bot.storage import tallies
from bot.storage.batches import known
from bot.storage.faults import is_database

T = TypeVar("T")
Unit = Callable[[Connection], T]


class Store(Protocol):
    """A database. `open` and `close` belong to the loop that uses it."""

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """Have `call` run in the loop after each commit that woke `topic`, here or (through Redis) elsewhere."""

    async def open(self) -> None:
        """Make it usable. Raises StoreUnavailable."""

    async def close(self) -> None:
        """Finish what waits. What comes later is refused."""

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; returns after its commit. Raises StoreUnavailable, or what the unit raised.

        Units may run again from their beginning when the database asks for that, so they have no effect but their
        statements. Units that are not waited for one after the other run in any order.
        """

    async def write_many(self, units: Sequence[Unit[T]]) -> list[T | Exception]:
        """Run units in one commit, each in its own savepoint; for each its result, or what it raised.

        Raises StoreUnavailable: none of them has happened.
        """

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads."""


def wake(connection: Connection, topic: str) -> None:
    """Call the listeners of `topic` once the running transaction is committed."""
    connection.info.setdefault("topics", set()).add(topic)


def outcome(connection: Connection, unit: Unit[T]) -> T | Exception:
    """What a unit in a savepoint of its own gave, or raised."""
    result, error = attempt(connection, unit)
    return result if error is None else error  # type: ignore[return-value]  # without an error there is a result


def attempt(connection: Connection, unit: Unit[T]) -> tuple[T | None, Exception | None]:
    """Run a unit in a savepoint of its own: its result, or what it raised after it was taken back."""
    _savepoint(connection, "SAVEPOINT unit")
    try:
        result = unit(connection)
    except Exception as error:  # handed to the caller
        if is_database(error, connection):  # not the unit: the whole group fails
            raise
        _savepoint(connection, "ROLLBACK TO unit")
        _savepoint(connection, "RELEASE unit")
        taken_back(connection)
        return None, error
    _savepoint(connection, "RELEASE unit")
    return result, None


def taken_back(connection: Connection) -> None:
    """Something was rolled back: what was read since may not be true."""
    known(connection).clear()
    tallies.forget(connection)


def _savepoint(connection: Connection, statement: str) -> None:
    """Past SQLAlchemy where that can be: three of these surround every unit, without parameters or results."""
    given: object = connection.connection.dbapi_connection
    if isinstance(given, sqlite3.Connection):
        given.execute(statement)
    elif (driver := connection.connection.driver_connection) is not None:
        await_only(driver.execute(statement))
