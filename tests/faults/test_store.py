"""The store's writer outlives whatever happens around its transaction, and tells those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import VARIABLE, Point, arm
from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store, wake
from bot.storage.tables import facts

AROUND = {Point.STORE_BEGUN: [], Point.STORE_COMMITTING: [], Point.STORE_COMMITTED: ["first"]}
"""What is on disk of a unit whose transaction met this point."""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm({})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    migrate(tmp_path / "herald.db")
    made = SqliteStore(tmp_path / "herald.db")
    await made.open()
    yield made
    await made.close()


async def write(store: Store, name: str) -> None:
    def unit(connection: Connection) -> None:
        connection.execute(sa.insert(facts).values(name=name, value=""))
        wake(connection, "facts")

    async with asyncio.timeout(30):  # a dead writer would never answer
        await store.write(unit)


@pytest.mark.parametrize("point", list(AROUND))
async def test_a_fault_around_the_commit_is_told_and_the_writer_goes_on(store: Store, point: Point) -> None:
    woken: list[None] = []
    store.listen("facts", lambda: woken.append(None))
    arm({VARIABLE: f"{point.value}=raise"})
    with pytest.raises(StoreUnavailable, match=point.value):
        await write(store, "first")
    assert woken == []
    await write(store, "second")
    assert woken == [None]
    names = await store.read(lambda connection: list(connection.execute(sa.select(facts.c.name)).scalars()))
    assert names == [*AROUND[point], "second"]
