"""Units of work on every store: each happens whole or not at all, and disturbs none of its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bot.chat.ports import StoreUnavailable
from bot.storage.store import Store, attempt, wake
from bot.storage.tables import facts


def put(name: str, value: str = "v") -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        connection.execute(sa.insert(facts).values(name=name, value=value))
        return name

    return unit


def failing(name: str) -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        put(name)(connection)
        raise ZeroDivisionError(name)

    return unit


async def names(store: Store) -> list[str]:
    return await store.read(lambda connection: sorted(connection.execute(sa.select(facts.c.name)).scalars()))


async def together(store: Store, *units: Callable[[Connection], str]) -> list[str | BaseException]:
    return await asyncio.gather(*map(store.write, units), return_exceptions=True)


async def test_a_failing_unit_takes_back_only_itself(store: Store) -> None:
    results = await together(store, put("a"), failing("b"), put("c"), put("a"), put("d"), failing("e"))
    assert [results[0], results[2], results[4]] == ["a", "c", "d"]
    assert isinstance(results[1], ZeroDivisionError)
    assert isinstance(results[3], IntegrityError)
    assert isinstance(results[5], ZeroDivisionError)
    assert await names(store) == ["a", "c", "d"]


async def test_a_failing_unit_alone(store: Store) -> None:
    with pytest.raises(ZeroDivisionError, match="a"):
        await store.write(failing("a"))
    assert await names(store) == []


async def test_write_many_gives_each_its_outcome(store: Store) -> None:
    results = await store.write_many([put("a"), failing("b"), put("c")])
    assert results[0] == "a"
    assert isinstance(results[1], ZeroDivisionError)
    assert results[2] == "c"
    assert sorted(await names(store)) == ["a", "c"]


async def test_a_part_of_a_unit_may_fail_for_itself(store: Store) -> None:
    def unit(connection: Connection) -> str:
        put("a")(connection)
        result, error = attempt(connection, failing("b"))
        assert result is None
        assert isinstance(error, ZeroDivisionError)
        _, twice = attempt(connection, put("a"))
        assert isinstance(twice, IntegrityError)
        assert attempt(connection, put("c")) == ("c", None)
        return put("d")(connection)

    assert await store.write(unit) == "d"
    assert await names(store) == ["a", "c", "d"]


async def test_a_unit_that_gives_back_an_error_has_happened(store: Store) -> None:
    def unit(connection: Connection) -> Exception:
        put("a")(connection)
        return ZeroDivisionError("seen, and not raised")

    assert isinstance(await store.write(unit), ZeroDivisionError)
    assert await names(store) == ["a"]


async def test_a_unit_that_swallows_the_databases_error_and_goes_on(store: Store) -> None:
    """Half of what it did must not stay: either all of it (SQLite takes back the statement alone) or nothing."""

    def unit(connection: Connection) -> str:
        put("a")(connection)
        with suppress(IntegrityError):
            put("a")(connection)
        return "a"

    results = await together(store, put("before"), unit, put("after"))
    assert results[0] == "before"
    assert results[2] == "after"
    kept = await names(store)
    assert kept == (["a", "after", "before"] if results[1] == "a" else ["after", "before"])


async def test_a_unit_that_ends_its_transaction_harms_only_those_beside_it(store: Store) -> None:
    def rude(connection: Connection) -> str:
        connection.exec_driver_sql("ROLLBACK")
        raise ValueError("the savepoint is gone, too")

    results = await together(store, put("a"), rude, put("b"))
    stored = await names(store)
    assert [name for name in ("a", "b") if name in results] == stored, "whoever was told so is stored, and nobody else"
    assert await store.write(put("c")) == "c"


async def test_listeners_are_called_after_commits_that_woke_them(store: Store) -> None:
    woken: list[str] = []
    store.listen("topic", lambda: woken.append("topic"))
    store.listen("other", lambda: woken.append("other"))

    def unit(connection: Connection) -> str:
        wake(connection, "topic")
        return put("a")(connection)

    await store.write(unit)
    assert woken == ["topic"]
    await store.write(put("b"))
    assert woken == ["topic"]


async def test_many_at_once_all_happen(store: Store) -> None:
    results = await together(store, *(put(f"{number:03}") for number in range(300)))
    assert results == await names(store)


async def test_an_abandoned_write_disturbs_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(store.write(put(name))) for name in ("a", "b", "c")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    assert [await tasks[0], await tasks[2]] == ["a", "c"]
    with suppress(asyncio.CancelledError):
        await tasks[1]
    assert {"a", "c"} <= set(await names(store))


async def test_closing_finishes_what_waits_and_refuses_what_comes_later(store: Store) -> None:
    waiting = [asyncio.create_task(store.write(put(f"{number}"))) for number in range(100)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*waiting) == [f"{number}" for number in range(100)]
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(put("a"))
    with pytest.raises(StoreUnavailable, match="closed"):
        await names(store)


async def test_reads_that_fail(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await store.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere").all())
    with pytest.raises(ZeroDivisionError):
        await store.read(lambda _: 1 // 0)
    assert await names(store) == []
