"""Connections to PostgreSQL: how one is made, how long anything on it may take, and what became of a commit.

Every deadline stands twice: the server keeps it (so that nothing goes on there which nobody waits for), and the client
keeps one a little longer (for a server that does not answer at all).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import ExceptionContext, IsolationLevel
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from bot.chat.ports import StoreUnavailable
from bot.storage.faults import reason

T = TypeVar("T")
LOST = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a connection raises when it cannot be made or used (a TimeoutError is an OSError)."""


_GOODBYE = 1.0


class Unreachable(StoreUnavailable):
    """No connection can be made."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long something may take, in seconds. Whoever waits hears of a lost server after about the first two."""

    connect: float = 3.0
    statement: float = 4.0
    lock: float = 3.0
    """Waiting for a row or table that another transaction holds."""
    idle: float = 15.0
    """Doing nothing within a transaction: the server ends the session and frees what a stopped process held."""
    again: float = 10.0
    """How long a transaction is begun again that came into the way of others, or whose connection broke."""
    look: float = 0.25
    """Between two questions what became of a commit."""
    close: float = 5.0


def make_engine(url: str, deadlines: Deadlines) -> AsyncEngine:
    """An engine whose every connection is a new one. `url` is libpq's: several hosts and `sslmode` are understood.

    Statements outside of a transaction that was begun by hand commit by themselves. A broken connection stays broken:
    SQLAlchemy must not make a new one in the middle of what should be one transaction.
    """
    _, _, rest = url.partition("://")

    async def connect() -> object:
        return await asyncpg.connect(
            f"postgresql://{rest}",
            timeout=deadlines.connect,
            command_timeout=deadlines.statement + 1,
            server_settings={
                "application_name": "herald",
                "statement_timeout": str(round(deadlines.statement * 1000)),
                "lock_timeout": str(round(deadlines.lock * 1000)),
                "idle_in_transaction_session_timeout": str(round(deadlines.idle * 1000)),
                "enable_seqscan": "off",  # a scan of a whole table conflicts with every write to it (SERIALIZABLE)
                "jit": "off",
            },
        )

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,  # an error must not bring into the log what somebody wrote, or who voted
    )
    sa.event.listen(engine.sync_engine, "handle_error", _stay_broken)
    sa.event.listen(engine.sync_engine, "before_cursor_execute", _storable, retval=True)
    return engine


NUL, REPLACEMENT = "\x00", "\ufffd"


def storable(value: Any) -> Any:  # noqa: ANN401 - any parameter
    """A parameter as PostgreSQL can keep it: its texts have every character but NUL, which nobody types."""
    return value.replace(NUL, REPLACEMENT) if isinstance(value, str) and NUL in value else value


def _storable(*event: Any) -> tuple[str, Any]:  # noqa: ANN401 - SQLAlchemy's event
    _, _, statement, parameters, _, many = event
    if many:
        return statement, [tuple(map(storable, row)) for row in parameters]
    return statement, tuple(map(storable, parameters))


def _stay_broken(context: ExceptionContext) -> None:
    context.is_disconnect = False


class Link:
    """One connection at a time; the next one is made when it is asked for."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None

    async def connected(self) -> AsyncConnection:
        """The connection. Raises Unreachable where there can be none."""
        if self._connection is not None and await driver(self._connection) is None:
            await self.drop()
        if self._connection is None:
            try:
                self._connection = await self._engine.connect()
            except LOST as error:
                raise Unreachable(f"PostgreSQL cannot be reached: {reason(error)}") from error
        return self._connection

    async def drop(self) -> None:
        """Have no connection any more, without a word to the server."""
        await self._end(lambda raw: raw.terminate())

    async def close(self) -> None:
        """Say goodbye to the server, and do not wait long for it."""

        async def goodbye(raw: asyncpg.Connection) -> None:
            await raw.close(timeout=_GOODBYE)

        await self._end(goodbye)

    async def _end(self, how: Callable[[asyncpg.Connection], Awaitable[None] | None]) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with suppress(*LOST):
                raw = (await connection.get_raw_connection()).driver_connection
                if raw is not None and (leaving := how(raw)) is not None:
                    await leaving
        finally:  # also for whoever is cancelled meanwhile: SQLAlchemy must know that nobody has it any more
            with suppress(*LOST):
                await connection.close()


async def driver(connection: AsyncConnection) -> asyncpg.Connection | None:
    """asyncpg's own connection, or None where it is closed."""
    found = (await connection.get_raw_connection()).driver_connection
    return None if found is None or found.is_closed() else found


def run_alone(
    url: str,
    unit: Callable[[Connection], T],
    deadlines: Deadlines | None = None,
    isolation: IsolationLevel = "REPEATABLE READ",
) -> T:
    """Run a unit on a connection of its own, in one transaction. Blocks; not in a thread that has a loop.

    Raises StoreUnavailable where there is no connection, or what the unit raised; then nothing has happened.
    """
    return asyncio.run(_alone(url, unit, deadlines or Deadlines(), isolation))


async def _alone(url: str, unit: Callable[[Connection], T], deadlines: Deadlines, isolation: IsolationLevel) -> T:
    engine = make_engine(url, deadlines)
    try:
        async with engine.execution_options(isolation_level=isolation).begin() as connection:
            await connection.exec_driver_sql("SELECT 1")  # only this begins it: hot statements go past SQLAlchemy
            return await connection.run_sync(unit)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"PostgreSQL cannot be reached: {reason(error)}") from error
    finally:
        await engine.dispose()


def without_secrets(url: str) -> str:
    """A database URL as it may be shown: where it points, and nothing else."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
