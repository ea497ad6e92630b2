"""What people are told who ask about a giveaway: its rules, and who is in."""

from __future__ import annotations

import pytest

from .giveawaytable import Table
from .house import House


@pytest.fixture
def table(house: House) -> Table:
    return Table(house)


@pytest.mark.parametrize(("flag", "trusts"), [("", False), (" offline", True)])
async def test_the_rules_name_the_beacon_only_where_it_decides(table: Table, flag: str, trusts: bool) -> None:
    giveaway = await table.start(f'2h 2w "A mug"{flag}')
    await table.house.command("giveaway", f"rules {giveaway.id}", "slack", "lin")
    told = await table.told("lin")
    assert ("the public beacon's first round at least 120 seconds later decides" in told) is not trusts
    assert ("No public beacon is used, so the organiser must be trusted" in told) is trusts
    assert "One person has one entry over all linked accounts" in told


async def test_nobody_is_said_to_be_without_signs_before_they_were_looked_for(table: Table) -> None:
    giveaway = await table.start('2h 2w "A mug" offline')
    await table.enter("lin")
    await table.house.command("giveaway", f"entrants {giveaway.id}", "slack", "ana")
    before = await table.told("ana")
    assert "Lin · slack:T1:lin · 1" in before
    assert "signs" not in before
    await table.house.advance(7201)
    await table.house.command("giveaway", f"entrants {giveaway.id}", "slack", "ana")
    assert "no signs of second accounts or programs" in await table.told("ana")
