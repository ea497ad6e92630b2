"""What somebody might try who wants to win more than once, to decide who wins, or to see what is secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from bot.app import make_registry
from bot.handlers import links
from bot.handlers.context import Context
from bot.storage.work import Work

from .giveawaytable import Table
from .house import House, member


@pytest.fixture
def table(house: House) -> Table:
    return Table(house)


async def within(house: House, unit: Callable[[Context], object]) -> None:
    """Do something in a unit of work, as a handler does."""

    def run(connection: Connection) -> None:
        unit(Context(Work(connection, house.clock.at), house.desk, make_registry()))

    await house.store.write(run)


async def test_linking_and_parting_brings_no_second_entry(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug in @slack @telegram", room="review")
    a, b = member("slack", "lin"), member("telegram", "lin2")
    await table.enter("lin")
    for _ in range(2):
        await within(table.house, lambda ctx: links.tie(ctx, a, b))
        await table.enter("lin")
        await table.enter("lin2", "telegram")
        await within(table.house, lambda ctx: links.part(ctx, a))
        await table.enter("lin")
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 1
