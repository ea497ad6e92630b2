"""Who is in and who is not: rules, appeals, leaving, one person over linked accounts, the last moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.events import FormSubmitted
from bot.chat.messages import OpenForm
from bot.domain.giveaways import EntryState, State
from bot.storage.work import Work

from .giveawaytable import Table
from .house import House, channel, living, member


@pytest.fixture
def table(house: House) -> Table:
    return Table(house)


async def test_a_second_press_is_told_the_same_ticket(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.enter("lin")
    first = await table.entry(giveaway, "lin")
    assert first is not None
    await table.enter("lin")
    again = await table.entry(giveaway, "lin")
    assert again == first
    assert first.salt.hex() in await table.told("lin")
    await table.press("leave", who="lin")
    left = await table.entry(giveaway, "lin")
    assert left is not None
    assert left.state is EntryState.LEFT
    await table.enter("lin")
    back = await table.entry(giveaway, "lin")
    assert back is not None
    assert (back.state, back.ticket, back.salt) == (EntryState.IN, first.ticket, first.salt)


async def test_the_team_and_the_host_do_not_take_part(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    for who in ("ana", "ben", "vic"):
        await table.enter(who)
        entry = await table.entry(giveaway, who)
        assert entry is not None
        assert (entry.state, entry.rule) == (EntryState.REFUSED, "staff")
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert (counts.entries, counts.by_rule) == (0, {"staff": 3})


async def test_where_the_team_may_enter_the_card_says_so(table: Table) -> None:
    giveaway = await table.start('2h 1w "A mug" staff')
    await table.enter("ben")
    entry = await table.entry(giveaway, "ben")
    assert entry is not None
    assert entry.state is EntryState.IN
    assert table.house.told("giveaway.only.team") in table.card().status


async def test_a_role_is_asked_for_and_brings_tickets(table: Table) -> None:
    giveaway = await table.start(
        '2h 1w "A mug" role discord:G1:role:R1 bonus discord:G1:role:R2 +4 cap 3', "discord", room="community"
    )
    await table.enter("lin", "discord", member_roles=("R1", "R2"))
    await table.enter("mei", "discord", member_roles=("R1",))
    await table.enter("bo", "discord", member_roles=("R2",))
    weights = {}
    for who in ("lin", "mei", "bo"):
        entry = await table.entry(giveaway, who, "discord")
        assert entry is not None
        weights[who] = (entry.state, entry.rule, entry.weight)
    assert weights == {
        "lin": (EntryState.IN, "", 3),
        "mei": (EntryState.IN, "", 1),
        "bo": (EntryState.REFUSED, "role", 3),
    }


async def test_an_appeal_reaches_the_host_and_is_granted_in_public(table: Table) -> None:
    giveaway = await table.start('2h 1w "A mug" account 30d', "discord")
    now = table.house.clock.at
    await table.enter("lin", "discord", created_at=now - 86400)
    assert table.house.told("giveaway.enter.refused") in await table.told("lin", "discord")
    await table.press("appeal", "discord", "lin")
    await table.press("appeal", "discord", "lin")
    assert await table.told("lin", "discord") == table.house.told("giveaway.appeal.waits")
    await table.press("grant", "discord", "ben", "review")
    entry = await table.entry(giveaway, "lin", "discord")
    assert entry is not None
    assert (entry.state, entry.granted) == (EntryState.IN, True)
    await table.house.advance(5)
    assert table.house.told("giveaway.granted", count=1) in table.card("discord").status
    await table.press("uphold", "slack", "ben", "review")
    assert await table.told("ben") == table.house.told("giveaway.refused.appeal_settled")


async def test_nobody_decides_over_their_own_appeal(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug", who="ana")
    await table.enter("dan")
    await table.press("appeal", who="dan")
    await table.press("grant", who="dan", room="review")
    entry = await table.entry(giveaway, "dan")
    assert entry is not None
    assert entry.state is EntryState.REFUSED
    assert await table.told("dan") == table.house.told("giveaway.refused.own_appeal")


async def test_a_stranger_cannot_grant(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.enter("vic")
    await table.press("appeal", who="vic")
    await table.press("grant", who="lin", room="review")
    entry = await table.entry(giveaway, "vic")
    assert entry is not None
    assert entry.state is EntryState.REFUSED
    assert await table.told("lin") == table.house.told("giveaway.not_yours")


async def test_linked_accounts_are_one_person(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug in @slack @telegram", room="review")
    await table.house.store.write(
        lambda connection: Work(connection, 0.0).links.tie(member("slack", "lin"), member("telegram", "lin2"))
    )
    await table.enter("lin")
    await table.enter("lin2", "telegram")
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 1


async def test_accounts_that_are_linked_after_both_entered_are_one_at_the_end(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug in @slack @telegram", room="review")
    await table.enter("lin")
    await table.house.advance(1)
    await table.enter("lin2", "telegram")
    await table.house.store.write(
        lambda connection: Work(connection, 0.0).links.tie(member("slack", "lin"), member("telegram", "lin2"))
    )
    await table.until_drawn(giveaway)
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert (counts.entries, counts.by_rule) == (1, {"twice": 1})
    kept = await table.entry(giveaway, "lin")
    assert kept is not None
    assert kept.state is EntryState.IN
    assert table.verdict() == []


async def test_a_press_that_was_stored_before_the_end_counts_and_a_later_one_does_not(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    table.house.clock.at = giveaway.closes_at - 0.001
    await table.enter("lin", settled=False)
    table.house.clock.at = giveaway.closes_at
    await table.enter("mei", settled=False)
    await table.house.settle()
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 1
    assert await table.entry(giveaway, "mei") is None


async def test_paused_is_closed_to_both_sides_and_the_end_stays(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.enter("lin")
    await table.house.command("giveaway", f"pause {giveaway.id}", who="ben")
    await table.enter("mei")
    assert await table.told("mei") == table.house.told("giveaway.refused.paused")
    await table.press("leave", who="lin")
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert counts.entries == 1
    await table.house.command("giveaway", f"resume {giveaway.id}", who="ben")
    await table.enter("mei")
    after = await table.get(giveaway.id)
    assert (after.state, after.closes_at) == (State.OPEN, giveaway.closes_at)


async def test_buttons_of_giveaways_and_of_drafts_with_the_same_word_do_not_mix(table: Table) -> None:
    await table.start("2h 1w A mug")
    await table.house.say()
    await table.house.press("claim")
    assert (await table.house.state())[0] == "waiting"
    payload = table.offered("enter")
    forged = payload.replace("|enter|", "|claim|")
    await table.press("enter", payload=forged, who="lin")
    assert await table.told("lin") == table.house.told("review.invalid_button")


async def test_the_form_makes_what_the_command_makes(table: Table) -> None:
    opened = await table.house.command("giveaway", "", channel=channel("slack", "community"))
    assert isinstance(opened, OpenForm)
    values = {"prize": "A mug", "winners": "2", "ends": "2h", "about": "Blue.", "flags": "staff"}
    payload = opened.form.payload
    room = channel("slack", "community")
    await table.house.hear(FormSubmitted(room, member("slack", "ana"), "Ana", payload, values, {"handle": "h"}))
    await table.press("confirm")
    giveaway = await table.newest()
    assert (giveaway.offer.prize, giveaway.offer.winners, giveaway.offer.about) == ("A mug", 2, "Blue.")
    assert giveaway.offer.requirements.staff
    assert giveaway.closes_at - giveaway.opened_at == 7200


async def test_everything_is_said_in_chinese_to_chinese_rooms(path: Path) -> None:
    async with living(path, languages=["zh", "en"]) as house:
        table = Table(house)
        giveaway = await table.start("2天 3名 一箱茶")
        await table.enter("lin")
        assert "奖券码" in await table.told("lin")
        assert (giveaway.offer.prize, giveaway.offer.winners) == ("一箱茶", 3)
        await house.advance(5)
        assert house.told("giveaway.entered", "zh", count=1) in table.card().status
