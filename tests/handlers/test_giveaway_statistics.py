"""What a giveaway came to, for the team."""

from __future__ import annotations

from .giveawaytable import Table
from .house import House


async def test_statistics_tell_odds_places_newcomers_and_prizes(house: House) -> None:
    table = Table(house)
    giveaway = await table.start("2h 1w A mug in @slack @discord", room="review")
    now = house.clock.at
    await table.enter("lin")
    await table.enter("mei", "discord", joined_at=now - 86400)
    await table.enter("bo", "discord", joined_at=now + 10)
    await house.command("giveaway", f"stats {giveaway.id}", who="ben")
    told = await table.told("ben")
    assert house.told("giveaway.stats.odds", count=1, share="33") in told
    assert "discord/community: 2" in told
    assert house.told("giveaway.stats.joined", count=1, stayed=0, unsure=1) in told
    await house.command("giveaway", f"stats {giveaway.id}", who="lin")
    assert await table.told("lin") == house.told("giveaway.not_yours")
