"""A store with short deadlines, and units that count: twice is seen, and so is what was overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.storage.links import Deadlines
from bot.storage.postgres import CommitUnknown, PostgresStore
from bot.storage.tables import facts

SHORT = Deadlines(connect=2, statement=1, lock=0.3, idle=0.5, again=20, look=0.02, close=0.5)


@asynccontextmanager
async def opened(
    url: str, deadlines: Deadlines = SHORT, writers: int = 1, readers: int = 1
) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(url, deadlines=deadlines, writers=writers, readers=readers)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def count(name: str = "n", by: int = 1) -> Callable[[Connection], int]:
    """Reads a number and writes the next one: twice is seen, and so is one that was overwritten."""

    def unit(connection: Connection) -> int:
        found = connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar_one_or_none()
        number = int(found or 0) + by
        if found is None:
            connection.execute(sa.insert(facts).values(name=name, value=str(number)))
        else:
            connection.execute(sa.update(facts).where(facts.c.name == name).values(value=str(number)))
        return number

    return unit


async def counted(store: PostgresStore, name: str = "n") -> int:
    query = sa.select(facts.c.value).where(facts.c.name == name)
    return int(await store.read(lambda connection: connection.execute(query).scalar_one_or_none()) or 0)


async def insist(store: PostgresStore, unit: Callable[[Connection], int]) -> int:
    """As everybody has to who is told that nothing has happened."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.write(unit)
            except CommitUnknown:
                raise
            except StoreUnavailable:
                await asyncio.sleep(0.05)
