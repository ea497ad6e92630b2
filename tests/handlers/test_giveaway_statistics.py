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


async def test_signs_reach_the_team_while_there_is_time_and_once(house: House) -> None:
    table = Table(house)
    giveaway = await table.start("10h 1w A mug in @discord", room="review")
    for number in range(12):
        await table.enter(f"fan{number}", "discord", created_at=house.clock.at - 3600 - number, settled=False)
    await house.settle()
    await house.advance(9 * 3600 + 60)
    told = [text for text in house.lines() if house.told("giveaway.signs.title", number=giveaway.id) in text]
    assert len(told) == 1
    counts = await house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 12
    await table.until_drawn(giveaway)
    told = [text for text in house.lines() if house.told("giveaway.signs.title", number=giveaway.id) in text]
    assert len(told) == 1


async def test_the_team_hears_of_whom_a_platform_did_not_tell_again(house: House) -> None:
    table = Table(house)
    giveaway = await table.start('2h 1w "A mug" role discord:G1:role:R1', "discord")
    for who in ("lin", "mei"):
        await table.enter(who, "discord", member_roles=("R1",))
    await table.until_drawn(giveaway)
    counts = await house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 2
    told = house.told("giveaway.unread", number=giveaway.id, platform="Discord", count=2)
    assert told in house.lines()
