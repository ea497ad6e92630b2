"""Transactions of several processes in each other's way, on purpose: each happens once, as if it had been alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
import sqlalchemy as sa
from servers import Postgres
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from bot.storage import postgres
from bot.storage.links import Deadlines
from bot.storage.postgres import PostgresStore
from bot.storage.tables import facts

from .backends import emptied
from .counting import count, counted, opened


@pytest.fixture
async def url(postgres: Postgres) -> str:
    return await asyncio.to_thread(emptied, postgres)


class Meeting:
    """Holds units until all of them are in the middle of their transactions, the first time that they are run."""

    def __init__(self, size: int) -> None:
        self._barrier = asyncio.Barrier(size)
        self.runs = 0

    def between(
        self, first: Callable[[Connection], object], then: Callable[[Connection], object]
    ) -> Callable[[Connection], None]:
        met: list[None] = []

        def unit(connection: Connection) -> None:
            self.runs += 1
            first(connection)
            if not met:
                met.append(None)
                await_only(self._barrier.wait())
            then(connection)

        return unit


def doctors_on_call(connection: Connection) -> int:
    return len(connection.execute(sa.select(facts).where(facts.c.value == "on call")).all())


def arrive(name: str) -> Callable[[Connection], None]:
    def unit(connection: Connection) -> None:
        connection.execute(sa.insert(facts).values(name=name, value="on call"))

    return unit


def leave(name: str) -> Callable[[Connection], None]:
    def unit(connection: Connection) -> None:
        connection.execute(sa.update(facts).where(facts.c.name == name).values(value="gone"))

    return unit


async def test_decisions_that_rest_on_what_others_change_do_not_pass_each_other(url: str) -> None:
    """Write skew: each reads two rows and writes one of them. Under REPEATABLE READ both would leave."""
    async with opened(url) as one, opened(url) as two:
        await one.write_many([arrive("a"), arrive("b")])
        meeting = Meeting(2)

        def leaving(name: str) -> Callable[[Connection], None]:
            seen: list[int] = []

            def look(connection: Connection) -> None:
                seen.append(doctors_on_call(connection))

            def act(connection: Connection) -> None:
                if seen[-1] == 2:
                    leave(name)(connection)

            return meeting.between(look, act)

        await asyncio.gather(one.write(leaving("a")), two.write(leaving("b")))
        assert await one.read(doctors_on_call) == 1
        assert meeting.runs >= 3, "one of the two was begun again"


async def test_transactions_that_wait_for_each_other_are_untied(url: str) -> None:
    async with (
        opened(url, Deadlines(lock=60, statement=60)) as one,
        opened(url, Deadlines(lock=60, statement=60)) as two,
    ):
        await one.write_many([count("a"), count("b")])
        meeting = Meeting(2)
        await asyncio.gather(
            one.write(meeting.between(count("a"), count("b"))), two.write(meeting.between(count("b"), count("a")))
        )
        assert [await counted(one, name) for name in ("a", "b")] == [3, 3]
        assert meeting.runs >= 3


async def test_many_writers_in_two_processes_lose_no_update(url: str) -> None:
    patient = Deadlines(lock=60, statement=60, again=60)
    async with opened(url, patient, writers=3) as one, opened(url, patient, writers=3) as two:
        await asyncio.gather(*(store.write(count()) for store in (one, two) * 100))
        assert await counted(one) == 200


async def test_a_process_is_not_in_its_own_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while a transaction is under way waits for its end, and is then one transaction."""
    monkeypatch.setattr(postgres, "ALONE", 60.0)
    transaction = sa.text("SELECT pg_current_xact_id()::text")
    begun: list[str] = []

    async with opened(url, Deadlines(statement=60, idle=60), writers=2) as store:

        def later(name: str) -> Callable[[Connection], str]:
            def unit(connection: Connection) -> str:
                begun.append(name)
                return str(connection.execute(transaction).scalar_one())

            return unit

        others: list[asyncio.Task[str]] = []

        def first(connection: Connection) -> list[str]:
            if not others:
                others.extend(asyncio.create_task(store.write(later(name))) for name in "ab")
            connection.execute(sa.text("SELECT pg_sleep(0.3)"))
            return list(begun)

        assert await store.write(first) == []
        a, b = await asyncio.gather(*others)
        assert a == b


async def test_what_takes_long_does_not_hold_up_everybody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ALONE", 0.05)
    async with opened(url, Deadlines(statement=60, idle=60), writers=2) as store:
        started, passed = asyncio.Event(), asyncio.Event()

        def slow(connection: Connection) -> None:
            connection.execute(sa.select(sa.literal(1)))
            started.set()
            await_only(passed.wait())

        waiting = asyncio.create_task(store.write(slow))
        await started.wait()
        async with asyncio.timeout(20):
            for number in (1, 2, 3):
                assert await store.write(count()) == number
        passed.set()
        await waiting


def unlucky() -> Callable[[Connection], None]:
    """A unit that comes to a conflict the first time that it is run."""
    runs: list[None] = []

    def unit(_: Connection) -> None:
        runs.append(None)
        if len(runs) == 1:
            raise asyncpg.SerializationError("could not serialize access")

    return unit


async def test_after_a_conflict_processes_wait_for_each_other(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody reads what all the others write; in turn nobody has to begin again."""
    monkeypatch.setattr(postgres, "IN_TURN", 60.0)
    patient = Deadlines(lock=60, statement=60, again=60)
    runs: list[str] = []

    def entangled(name: str) -> Callable[[Connection], None]:
        def unit(connection: Connection) -> None:
            runs.append(name)
            doctors_on_call(connection)
            connection.execute(sa.text("SELECT pg_sleep(0.01)"))
            arrive(name)(connection)

        return unit

    async def work(store: PostgresStore, who: str) -> None:
        await store.write(unlucky())
        for number in range(10):
            await store.write(entangled(f"{who}{number}"))

    async with opened(url, patient) as one, opened(url, patient) as two:
        await asyncio.gather(work(one, "a"), work(two, "b"))
        assert len(runs) == 20
        assert await one.read(doctors_on_call) == 20


async def test_nobody_waits_long_for_whoever_keeps_the_turn(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "IN_TURN", 60.0)
    keeper = await asyncpg.connect(url)
    try:
        await keeper.execute("BEGIN; LOCK TABLE blocks IN SHARE UPDATE EXCLUSIVE MODE")
        async with opened(url, Deadlines()) as store:
            await store.write(unlucky())
            assert [await store.write(count()) for _ in range(5)] == [1, 2, 3, 4, 5]
    finally:
        await keeper.close()


async def test_those_in_the_way_of_others_do_not_take_their_group_with_them_forever(url: str) -> None:
    """After some conflicts the units of a group go in halves, down to one by one, each with its own outcome."""
    patient = Deadlines(again=60)
    async with opened(url, patient) as one, opened(url, patient) as two:
        await two.write(count("hot"))

        def collide(connection: Connection) -> int:
            found = connection.execute(sa.select(facts.c.value).where(facts.c.name == "hot")).scalar_one()
            if int(found) < 5:  # somebody else is faster, again and again
                await_only(two.write(count("hot")))
            return count("hot")(connection)

        def broken(_: Connection) -> int:
            raise ZeroDivisionError

        results = await asyncio.gather(
            *(one.write(unit) for unit in (count("a"), collide, broken, count("b"))), return_exceptions=True
        )
        assert results[0] == 1
        assert isinstance(results[2], ZeroDivisionError)
        assert results[3] == 1
        assert results[1] == await counted(one, "hot") == 6
        assert [await counted(one, name) for name in ("a", "b")] == [1, 1]
