"""One transaction on PostgreSQL: units behind savepoints, a COMMIT, and what became of it where no answer came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.storage.faults import again, is_database, reason, sqlstate, told
from bot.storage.links import LOST, Link, Unreachable, driver
from bot.storage.store import Unit

Outcome = tuple[Any, Exception | None]
"""What a unit gave, or raised."""


class Again(Exception):
    """Nothing has happened, and the same transaction may succeed when it is begun again."""


class Conflict(Again):
    """Another transaction was in the way."""


class NoTurn(Again):
    """Whoever has the turn keeps it for long."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the units of a transaction came to, and the topics they woke."""

    outcomes: list[Outcome]
    topics: frozenset[str]


_BEGIN = "BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT unit"
_BEGIN_IN_TURN = (
    "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL lock_timeout = 500;"
    " LOCK TABLE blocks IN SHARE UPDATE EXCLUSIVE MODE; SET LOCAL lock_timeout TO DEFAULT; SAVEPOINT unit"
)
"""Behind all others that begin so. LOCK is no query: what the transaction sees is fixed after it has waited. The mode
keeps nobody from reading or writing the table, which is a small one that hardly ever changes.
"""
_NUMBER = "SELECT CAST(pg_current_xact_id_if_assigned() AS text)"
"""The transaction's number; none where nothing was written."""


async def transact(
    link: Link,
    units: Sequence[Unit[Any]],
    waiting: Callable[[Unreachable], None],
    look: float,
    *,
    in_turn: bool = False,
) -> Done:
    """Have units happen together, each behind its own savepoint, in a SERIALIZABLE transaction.

    With `in_turn` it waits for all others that are begun so, in any process; raises NoTurn where that takes long.
    Raises Again (Conflict where others were in the way) and StoreUnavailable: nothing has happened. If the connection
    breaks at the COMMIT, the server is asked what became of it, every `look` seconds until it says so; `waiting` is
    told each time that it cannot be reached.
    """
    connection = await link.connected()
    raw = await driver(connection)
    if raw is None:
        raise Again("the connection was closed")
    try:
        await _begin(raw, in_turn=in_turn)
        done = await connection.run_sync(partial(_run, units))
        number = await raw.fetchval(_NUMBER)
        reach(Point.STORE_COMMITTING)
    except NoTurn:
        raise
    except Exception as error:
        raise await _taken_back(link, raw, error) from error
    process = raw.get_server_pid()
    try:
        status = await raw.execute("COMMIT")
        reach(Point.STORE_COMMITTED)
    except LOST as error:
        if again(error):
            raise Conflict(reason(error)) from error
        if told(error):
            raise StoreUnavailable(reason(error)) from error
        await link.drop()
        if number is not None and await _committed(link, number, process, waiting, look):
            return done
        raise Again(reason(error)) from error
    if status != "COMMIT":
        raise StoreUnavailable(f"PostgreSQL answered COMMIT with {status}")
    return done


async def _begin(raw: asyncpg.Connection, *, in_turn: bool) -> None:
    try:
        await raw.execute(_BEGIN_IN_TURN if in_turn else _BEGIN)
    except asyncpg.LockNotAvailableError as error:
        await raw.execute("ROLLBACK")
        raise NoTurn(reason(error)) from error


def _run(units: Sequence[Unit[Any]], connection: Connection) -> Done:
    raw = connection.connection.driver_connection
    assert isinstance(raw, asyncpg.Connection)
    connection.info["topics"] = set()
    reach(Point.STORE_BEGUN)
    outcomes = []
    for number, unit in enumerate(units, 1):
        next_one = "; SAVEPOINT unit" if number < len(units) else ""
        outcomes.append(_outcome(connection, raw, unit, next_one))
    return Done(outcomes, frozenset(connection.info["topics"]))


def _outcome(connection: Connection, raw: asyncpg.Connection, unit: Unit[Any], next_one: str) -> Outcome:
    try:
        result = unit(connection)
        await_only(raw.execute("RELEASE unit" + next_one))
    except Exception as error:  # handed to the caller
        if is_database(error, connection):  # not the unit: the whole transaction fails
            raise
        await_only(raw.execute("ROLLBACK TO unit; RELEASE unit" + next_one))
        return None, error
    return result, None


async def _taken_back(link: Link, raw: asyncpg.Connection, error: Exception) -> Exception:
    """Undo what was begun; what to raise for it."""
    hung = isinstance(error, TimeoutError)
    if not hung and not raw.is_closed():
        with suppress(*LOST):
            await raw.execute("ROLLBACK")
            if again(error):
                return Conflict(reason(error))
            return StoreUnavailable(reason(error))
    await link.drop()
    if hung:
        return StoreUnavailable("PostgreSQL does not answer")
    return Again(reason(error))


_STATUS = "SELECT pg_xact_status(CAST($1 AS text)::xid8)"
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid = $1 AND CAST(backend_xid AS text) = CAST(CAST($2 AS numeric) % 4294967296 AS text)"
)
"""Its number, too: another session may have the process id by now. Sessions show the lower 32 bits of it."""
_NOT_YET = "22023"


async def _committed(
    link: Link, number: str, process: int, waiting: Callable[[Unreachable], None], look: float
) -> bool:
    """Whether a transaction was committed, as soon as the server can say so."""
    while True:
        try:
            found = await _status(link, number, process)
        except Unreachable as error:
            waiting(error)
        else:
            if found is not None:
                return found
        await asyncio.sleep(look)


async def _status(link: Link, number: str, process: int) -> bool | None:
    """None while the server has not ended it: the session that holds it open is ended then.

    A number that the server does not know yet is that of a transaction which it lost: it was set back.
    """
    raw = await driver(await link.connected())
    if raw is None:
        return None
    try:
        status = await raw.fetchval(_STATUS, number)
        if status == "in progress":
            await raw.execute(_CUT, process, number)
            return None
    except LOST as error:
        if sqlstate(error) == _NOT_YET:
            return False
        await link.drop()
        return None
    return bool(status == "committed")
