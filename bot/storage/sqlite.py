"""The store in a SQLite file: one writer thread that commits many units of work together, one reader thread beside it.

All units that wait are committed with one fsync (`synchronous=FULL`).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.storage import tallies
from bot.storage.batches import batch
from bot.storage.faults import is_database, reason
from bot.storage.store import Unit, attempt, outcome, taken_back

T = TypeVar("T")

GROUP = 256
"""Units per transaction at most: bounds what one fsync holds up."""
QUEUE = 4096
"""Units that may wait for the writer; more make their callers wait."""


@dataclass(slots=True)
class _Job(Generic[T]):
    unit: Unit[T]
    future: asyncio.Future[T]


class SqliteStore:
    """A SQLite file with its writer and its reader. `open` and `close` belong to the loop that uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,  # an error must not bring into the log what somebody wrote, or who voted
            connect_args={"timeout": 5.0, "check_same_thread": False, "cached_statements": 512},
        )
        sa.event.listen(self._engine, "connect", _pragmas)
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._waiting, self._fewer = 0, asyncio.Event()
        self._threads: list[threading.Thread] = []
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """Have `call` run in the loop after each commit that woke `topic`."""
        self._listeners.setdefault(topic, []).append(call)

    async def open(self) -> None:
        """Start the threads. Raises StoreUnavailable when the file cannot be opened."""
        self._loop = asyncio.get_running_loop()
        try:
            writer, reader = await asyncio.to_thread(lambda: (self._engine.connect(), self._engine.connect()))
        except OperationalError as error:
            raise StoreUnavailable(str(error.orig)) from error
        self._threads = [
            threading.Thread(target=self._write_loop, args=(writer,), name="store-writer", daemon=True),
            threading.Thread(target=self._read_loop, args=(reader,), name="store-reader", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._open = True

    async def close(self) -> None:
        """Finish what waits, then end the threads. What comes later is refused."""
        self._open = False
        self._jobs.put(None)
        self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 5.0)
        self._threads = []
        self._engine.dispose()

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit in the writer; returns after its commit. Raises StoreUnavailable, or what the unit raised."""
        while self._waiting >= QUEUE:
            self._fewer.clear()
            await self._fewer.wait()
        self._waiting += 1
        try:
            return await self._submit(self._jobs, unit)
        finally:
            self._waiting -= 1
            self._fewer.set()

    async def write_many(self, units: Sequence[Unit[T]]) -> list[T | Exception]:
        """Run units in one commit, each in its own savepoint; for each its result, or what it raised.

        Raises StoreUnavailable: none of them has happened.
        """

        def together(connection: Connection) -> list[T | Exception]:
            with batch(connection):
                return [outcome(connection, unit) for unit in units]

        return await self.write(together)

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, beside the writer."""
        return await self._submit(self._reads, unit)

    async def _submit(self, jobs: queue.SimpleQueue[_Job[Any] | None], unit: Unit[T]) -> T:
        if not self._open or self._loop is None:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        jobs.put(_Job(unit, future))
        return await future

    def _read_loop(self, connection: Connection) -> None:
        while (job := self._reads.get()) is not None:
            result: Any = None
            error: Exception | None = None
            try:
                result = job.unit(connection)
            except Exception as fault:  # handed to the caller
                error = StoreUnavailable(reason(fault)) if is_database(fault, connection) else fault
            self._finish([(job, result, error)], set())
        connection.close()

    def _write_loop(self, connection: Connection) -> None:
        tallies.keep(connection)
        going = True
        while going:
            group, going = self._next_group()
            if group:
                self._commit(connection, group)
        connection.close()

    def _next_group(self) -> tuple[list[_Job[Any]], bool]:
        group: list[_Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) >= GROUP:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, connection: Connection, group: list[_Job[Any]]) -> None:
        connection.info["topics"] = set()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            reach(Point.STORE_BEGUN)
            done = [(job, *attempt(connection, job.unit)) for job in group]
            reach(Point.STORE_COMMITTING)
            connection.exec_driver_sql("COMMIT")
            reach(Point.STORE_COMMITTED)
        except Exception as error:  # the writer must outlive whatever happens to its transaction
            with suppress(DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            taken_back(connection)
            fault = StoreUnavailable(reason(error))
            done = [(job, None, fault) for job in group]
            connection.info["topics"] = set()
        self._finish(done, connection.info["topics"])

    def _finish(self, done: list[tuple[_Job[Any], Any, Exception | None]], topics: set[str]) -> None:
        def deliver() -> None:
            for job, result, error in done:
                if job.future.cancelled():
                    continue
                if error is None:
                    job.future.set_result(result)
                else:
                    job.future.set_exception(error)
            for topic in topics:
                for call in self._listeners.get(topic, ()):
                    call()

        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop ended between the look and the call
                self._loop.call_soon_threadsafe(deliver)


def _pragmas(connection: sqlite3.Connection, _: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "wal_autocheckpoint=2000"):
        connection.execute(f"PRAGMA {pragma}")
