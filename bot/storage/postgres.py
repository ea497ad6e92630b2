"""The store in PostgreSQL: several processes on one database, each with a few transactions at a time.

Units that wait are put into one transaction together, each behind its own savepoint, like in the SQLite file. All
transactions are SERIALIZABLE. With less (REPEATABLE READ) the first writer of a *row* wins, but decisions read more
rows than they write: an approval reads the comment and writes the draft, while the member's deletion reads the draft
and writes the comment; each would miss the other. Here one of the two begins again and sees what the other did.
Reads commit nothing and run beside, statement by statement, as in the SQLite file.

The server notes what was read by pages of an index, and hundreds of neighbouring rows share one: nearly any two
transactions that run at the same time get in each other's way. So a process has one at a time, a large one, and begins
another beside it only where the first takes long; and where processes meet often, their transactions wait for each
other instead of being begun again and again.

A transaction is begun again where the server asks for that (40001, 40P01) and where the connection broke before its
COMMIT. If it breaks after, the server is asked what became of it; only then is it begun again, or reported.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.storage.faults import is_database, reason
from bot.storage.links import Deadlines, Link, Unreachable, driver, make_engine
from bot.storage.store import Unit
from bot.storage.transactions import Again, Conflict, Done, NoTurn, Outcome, transact

T = TypeVar("T")
log = logging.getLogger(__name__)

GROUP = 64
"""Units per transaction at most. PostgreSQL slows down for everybody when one has more than 64 savepoints open."""
QUEUE = 4096
"""Units that may wait; more make their callers wait."""
TOGETHER = 2
"""After so many conflicts a group is tried in halves: a shorter transaction meets fewer others."""
ALONE = 0.5
"""Seconds after which a transaction that is still under way no longer keeps others from beginning."""


IN_TURN = 1.0
"""Seconds after a conflict in which transactions wait for each other instead of taking their chances."""
STUCK = 15.0
"""Seconds in which they do not, after somebody kept the turn for long: a stopped process, it may be."""


class CommitUnknown(StoreUnavailable):
    """The store was closed before the server could say what became of a commit. Both are possible."""


@dataclass(slots=True)
class _Job:
    units: Sequence[Unit[Any]]
    future: asyncio.Future[list[Outcome]]

    def end(self, outcomes: list[Outcome]) -> None:
        if not self.future.done():
            self.future.set_result(outcomes)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def refused(self) -> bool:
        """Whether its caller was told that nothing happens. One that nobody waits for any more happens."""
        return self.future.done() and not self.future.cancelled()


_Queue = asyncio.Queue[_Job | None]


class _Turn:
    """One writer at a time begins something; it has ended, or was given so many seconds, before the next one does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[Callable[[], None]]:
        """Wait for one's turn; what begins to count its seconds."""
        await self._lock.acquire()
        held = [self._lock.release]
        timers: list[asyncio.TimerHandle] = []

        def back() -> None:
            if held:
                held.pop()()

        try:
            yield lambda: timers.append(asyncio.get_running_loop().call_later(self._seconds, back))
        finally:
            for timer in timers:
                timer.cancel()
            back()


class PostgresStore:
    """A PostgreSQL database. `open` and `close` belong to the loop that uses it.

    `writers` and `readers` are the connections that this process holds. `on_wake` gets the topics of every commit here
    that woke any, to tell other processes.
    """

    def __init__(
        self,
        url: str,
        *,
        deadlines: Deadlines | None = None,
        writers: int = 2,
        readers: int = 2,
        on_wake: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        self.deadlines = deadlines or Deadlines()
        self.on_wake = on_wake
        self._engine = make_engine(url, self.deadlines)
        self._writers = writers
        self._readers = readers
        self._jobs: _Queue = asyncio.Queue(QUEUE)
        self._reads: _Queue = asyncio.Queue(QUEUE)
        self._lanes: list[asyncio.Task[None]] = []
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._open = False
        self._conflict_at = self._stuck_at = -math.inf

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """Have `call` run in the loop after each commit that woke `topic`."""
        self._listeners.setdefault(topic, []).append(call)

    def woken(self, topics: Iterable[str]) -> None:
        """Another process committed something about these topics: call their listeners."""
        for topic in topics:
            for call in self._listeners.get(topic, ()):
                call()

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable when the server cannot be used."""
        link = Link(self._engine)
        await link.connected()
        await link.close()
        self._open = True
        turn = _Turn(ALONE)
        writers = [self._writer(turn) for _ in range(self._writers)]
        readers = [self._reader() for _ in range(self._readers)]
        self._lanes = [asyncio.create_task(lane, name="store") for lane in (*writers, *readers)]

    async def close(self) -> None:
        """Finish what waits, then end the connections. What comes later is refused."""
        self._open = False
        lanes, self._lanes = self._lanes, []
        with suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.close):
                for _ in lanes:
                    await self._jobs.put(None)
                    await self._reads.put(None)
                await asyncio.gather(*lanes)
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        for jobs in (self._jobs, self._reads):
            _refuse(jobs, StoreUnavailable("the store is closed"))
        await self._engine.dispose()

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; returns after its commit. Raises StoreUnavailable, or what the unit raised."""
        return await self._one(self._jobs, unit)

    async def write_many(self, units: Sequence[Unit[T]]) -> list[T | Exception]:
        """Run units in one commit, each in its own savepoint; for each its result, or what it raised.

        Raises StoreUnavailable: none of them has happened.
        """
        return [result if error is None else error for result, error in await self._submit(self._jobs, units)]

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads. Raises StoreUnavailable, or what the unit raised."""
        return await self._one(self._reads, unit)

    async def _one(self, jobs: _Queue, unit: Unit[T]) -> T:
        result, error = (await self._submit(jobs, [unit]))[0]
        if error is not None:
            raise error
        found: T = result
        return found

    async def _submit(self, jobs: _Queue, units: Sequence[Unit[Any]]) -> list[Outcome]:
        job = _Job(units, asyncio.get_running_loop().create_future())
        if self._open:
            await jobs.put(job)
        if not self._open:  # perhaps only now: nobody may be left who takes it
            job.fail(StoreUnavailable("the store is closed"))
        return await job.future

    async def _writer(self, turn: _Turn) -> None:
        link, going = Link(self._engine), True
        try:
            while going:
                async with turn.taken() as begin:
                    group, going = await _next_group(self._jobs, GROUP)
                    begin()
                    await self._guarded(self._commit(link, group), group)
        finally:
            await link.close()

    async def _reader(self) -> None:
        link, going = Link(self._engine), True
        try:
            while going:
                group, going = await _next_group(self._reads, 1)
                await self._guarded(self._look(link, group), group)
        finally:
            await link.close()

    async def _guarded(self, work: Awaitable[None], group: list[_Job]) -> None:
        """A lane outlives whatever happens to a group, and every caller is told."""
        try:
            await work
        except Unreachable as error:
            _fail(group, error)
            self._give_up(error)
        except StoreUnavailable as error:
            _fail(group, error)
        except asyncio.CancelledError:
            _fail(group, CommitUnknown("the store was closed in the middle of a transaction"))
            raise
        except Exception as error:
            log.exception("the store failed")
            _fail(group, StoreUnavailable(reason(error)))

    def _give_up(self, error: Unreachable) -> None:
        """Those who wait would wait for the next attempt to connect, and for the one after it."""
        for jobs in (self._jobs, self._reads):
            _refuse(jobs, error)

    async def _commit(self, link: Link, group: list[_Job]) -> None:
        """Have the units of a group happen in one transaction, however often that has to be begun."""
        units = [unit for job in group for unit in job.units]
        end = time.monotonic() + self.deadlines.again
        tries = conflicts = 0
        while True:
            try:
                done = await transact(link, units, self._give_up, self.deadlines.look, in_turn=self._in_turn())
            except NoTurn:
                self._stuck_at = time.monotonic()
                continue
            except Again as error:
                tries += 1
                if isinstance(error, Conflict):
                    conflicts += 1
                    self._conflict_at = time.monotonic()
                if time.monotonic() > end:
                    raise StoreUnavailable(f"a transaction was begun {tries} times in vain: {error}") from error
            else:
                self._finish(group, done)
                return
            if conflicts >= TOGETHER and len(group) > 1:
                half = len(group) // 2
                for some in (group[:half], group[half:]):
                    await self._guarded(self._commit(link, some), some)
                return
            await asyncio.sleep(random.random() * min(0.005 * 2**tries, 0.3))  # noqa: S311 - jitter is no secret

    def _in_turn(self) -> bool:
        now = time.monotonic()
        return now - self._conflict_at < IN_TURN and now - self._stuck_at > STUCK

    def _finish(self, group: list[_Job], done: Done) -> None:
        outcomes = iter(done.outcomes)
        for job in group:
            job.end([next(outcomes) for _ in job.units])
        self.woken(done.topics)
        if done.topics and self.on_wake is not None:
            self.on_wake(done.topics)

    async def _look(self, link: Link, group: list[_Job]) -> None:
        """Reads may be repeated at will: once more where the connection was found broken."""
        for job in group:
            try:
                job.end([await self._seen(link, job.units[0])])
            except Again:
                job.end([await self._seen(link, job.units[0])])

    async def _seen(self, link: Link, unit: Unit[Any]) -> Outcome:
        connection = await link.connected()
        try:
            return await connection.run_sync(partial(_seen, unit))
        except Exception as error:
            if await driver(connection) is None:
                raise Again(reason(error)) from error
            if isinstance(error, TimeoutError):
                await link.drop()
            raise StoreUnavailable(reason(error)) from error


async def _next_group(jobs: _Queue, most: int) -> tuple[list[_Job], bool]:
    """What waits, up to so many units; and whether more is to come."""
    group: list[_Job] = []
    job = await jobs.get()
    while job is not None:
        if not job.refused():
            group.append(job)
            most -= len(job.units)
        if most <= 0 or jobs.empty():
            return group, True
        job = jobs.get_nowait()
    return group, False


def _refuse(jobs: _Queue, error: StoreUnavailable) -> None:
    """Fail everything that waits; those who end a lane stay."""
    kept = 0
    while not jobs.empty():
        job = jobs.get_nowait()
        if job is None:
            kept += 1
        else:
            job.fail(error)
    for _ in range(kept):
        jobs.put_nowait(None)


def _fail(group: list[_Job], error: StoreUnavailable) -> None:
    for job in group:
        job.fail(error)


def _seen(unit: Unit[Any], connection: Connection) -> Outcome:
    try:
        return unit(connection), None
    except Exception as error:  # handed to the caller
        if is_database(error, connection):
            raise
        return None, error
