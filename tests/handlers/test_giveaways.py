"""Giveaways from the command to the proof."""

from __future__ import annotations

from bot.domain.giveaways import State

from .giveawaytable import Table
from .house import House


async def test_a_giveaway_from_its_command_to_its_proof(house: House) -> None:
    table = Table(house)
    giveaway = await table.start("2h 3w A mug")
    assert giveaway.state is State.OPEN
    for who in ("lin", "mei", "bo", "kai", "sam"):
        await table.enter(who)
    assert "Ticket code" in await table.told("lin")
    drawn = await table.until_drawn(giveaway)
    assert drawn.state is State.DRAWN
    wins = await table.wins(giveaway)
    assert len(wins) == 3
    proof = table.proof()
    assert [one.ticket for one in wins] == proof["final"]
    assert proof["commit"] == giveaway.commit
    assert table.verdict() == []
