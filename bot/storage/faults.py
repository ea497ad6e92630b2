"""Whose fault an error is: a unit's own, the database's, or that of another transaction in the way.

SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

_UNUSABLE = (OperationalError, sqlite3.OperationalError, TimeoutError)
"""Faults of the disk, the file or the server, from SQLAlchemy or past it. No unit waits: a timeout is a server's."""
_CLASSES = frozenset({"08", "28", "3D", "40", "53", "57", "58", "F0", "XX"})
"""Connection, log-in, no such database, begin again, no room left, an operator, the system, configuration, damage."""
_STATES = frozenset({"55P03", "25006", "25P03", "25P04", "42P01"})
"""Locked for too long, read-only server, cut off in a transaction (idle, long), a table that is not there."""
_AGAIN = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock."""
_UNTOLD = frozenset({"08", "57"})
"""The connection or the session ended: what the server was doing may have been done."""


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error, from SQLAlchemy or past it; empty where there is none."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(origin, "sqlstate", None) or "")


def reason(error: BaseException) -> str:
    """What happened, in the database's own words, on one line."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = str(origin).strip() or type(origin).__name__
    return words.removeprefix("<class '").replace("'>: ", ": ", 1).splitlines()[0]


def is_database(error: Exception, connection: Connection) -> bool:
    """Whether a unit failed by no fault of its own: then its whole transaction is over."""
    state = sqlstate(error)
    return isinstance(error, _UNUSABLE) or state[:2] in _CLASSES or state in _STATES or is_closed(connection)


def is_closed(connection: Connection) -> bool:
    """Whether the server is gone. A SQLite file never is."""
    closed = getattr(connection.connection.driver_connection, "is_closed", None)
    return bool(closed is not None and closed())


def again(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is begun again."""
    return sqlstate(error) in _AGAIN


def told(error: BaseException) -> bool:
    """Whether the server itself said no to a COMMIT: then nothing of it has happened."""
    state = sqlstate(error)
    return bool(state) and state[:2] not in _UNTOLD and state not in {"25P03", "25P04"}
