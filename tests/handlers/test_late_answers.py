"""What comes of a press only after a while is told, though it is no direct answer to it any more."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from bot.chat.messages import Notice
from bot.chat.standings import Standing
from bot.domain.places import Channel, Member

from .giveawaytable import Table
from .house import House


async def test_who_had_to_be_looked_up_is_told_the_ticket(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Telegram takes one answer to a press, and that said that it is being looked up."""
    table = Table(house)

    async def standings(members: Collection[Member], at: Channel, asked: Collection[str]) -> dict[Member, Standing]:
        return {one: Standing(present=True, roles=frozenset(asked)) for one in members}

    monkeypatch.setattr(house.platforms["slack"], "standings", standings, raising=False)
    giveaway = await table.start('2h 1w "A mug" role slack:T1:role:S1')
    await table.enter("lin")
    await house.advance(1)
    entry = await table.entry(giveaway, "lin")
    assert entry is not None
    done = [call.message for call in house.platforms["slack"].done]
    first, last = [one for one in done if isinstance(one, Notice) and one.member.user_id == "lin"]
    assert (first.text, first.passing) == (house.told("giveaway.enter.checking"), True)
    assert entry.salt.hex() in last.text
    assert (last.passing, last.hint) == (False, "")  # nobody else learns of it
