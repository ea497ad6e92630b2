"""The freeze, the draw and what follows: late, delayed, pending, called off, claimed, given on, forgotten."""

from __future__ import annotations

import asyncio

import pytest
from engine.platforms import failing, on_card, on_line

from bot.chat.ports import NotSent, Unclear
from bot.domain.giveaways import State, WinState

from .giveawaytable import Table
from .house import House

ENTRANTS = ("lin", "mei", "bo", "kai", "sam")


@pytest.fixture
def table(house: House) -> Table:
    return Table(house)


async def entered(table: Table, text: str = "2h 2w A mug", who: tuple[str, ...] = ENTRANTS) -> int:
    giveaway = await table.start(text)
    for one in who:
        await table.enter(one)
    return giveaway.id


async def test_what_is_promised_is_what_is_frozen_and_proved(table: Table) -> None:
    number = await entered(table)
    opened = await table.get(number)
    promise = next(text for text in table.house.lines() if "commit=" in text)
    assert f"commit={opened.commit}" in promise
    assert f"beacon={opened.announced}" in promise
    await table.house.advance(7201)
    frozen = await table.get(number)
    assert frozen.state is State.FROZEN
    text = next(text for text in table.house.lines() if "root=" in text)
    row = await table.house.read(lambda work: work.giveaways.frozen(number))
    assert row is not None
    assert row.text.rstrip("\n") in text
    assert row.hash in text
    seed = await table.house.read(lambda work: work.giveaways.seed(number))
    assert f"seed = {seed.hex()}" in text
    listed = next(one for one in table.documents() if one.name.endswith("list.txt"))
    assert len(listed.content.splitlines()) == 5
    await table.house.advance(130)
    await table.house.advance(5)
    proof = table.proof()
    assert proof["freeze_hash"] == row.hash
    assert {one["what"] for one in proof["witnesses"]} == {"announcement", "freeze", "result"}
    assert table.verdict() == []


async def test_the_seed_is_in_no_message_before_the_freeze(table: Table) -> None:
    number = await entered(table)
    seed = (await table.house.read(lambda work: work.giveaways.seed(number))).hex()
    said = [repr(call.message) for name in table.house.platforms.values() for call in name.done]
    assert not [one for one in said if seed in one]


async def test_without_a_beacon_the_seed_follows_the_list(table: Table) -> None:
    number = await entered(table, '2h 2w "A mug" offline')
    await table.house.advance(7201)
    drawn = await table.get(number)
    assert drawn.state is State.DRAWN
    seed = (await table.house.read(lambda work: work.giveaways.seed(number))).hex()
    assert not [text for text in table.house.lines() if seed in text]
    await table.house.advance(5)
    assert table.proof()["seed"] == seed
    assert table.verdict() == []


async def test_a_beacon_that_is_down_is_waited_for_and_nothing_else_is_used(table: Table) -> None:
    number = await entered(table)
    table.house.beacon.down = "no mirror answers"
    await table.house.advance(7201)
    await table.house.advance(130)
    await table.house.advance(60)
    waiting = await table.get(number)
    assert waiting.state is State.FROZEN
    told = [text for text in table.house.lines() if "waits for round" in text]
    assert len(told) == 1
    table.house.beacon.down = ""
    await table.house.advance(400)
    drawn = await table.get(number)
    assert (drawn.state, drawn.round, drawn.delayed) == (State.DRAWN, drawn.announced_round, "")
    await table.house.advance(5)
    assert table.verdict() == []


async def test_a_freeze_after_its_round_takes_the_next_one_and_says_so(table: Table) -> None:
    number = await entered(table)
    await table.house.advance(7200 + 500)  # nothing ran at the end
    frozen = await table.get(number)
    assert frozen.delayed == "late_freeze"
    assert frozen.round > frozen.announced_round
    await table.house.advance(130)
    assert (await table.get(number)).state is State.DRAWN
    await table.house.advance(5)
    assert table.proof()["beacon"]["round"] == frozen.round
    assert table.verdict() == []


async def test_nobody_entered(table: Table) -> None:
    giveaway = await table.start("2h 2w A mug")
    drawn = await table.until_drawn(giveaway)
    assert drawn.state is State.DRAWN
    assert table.proof()["final"] == []
    assert table.verdict() == []


async def test_an_unclaimed_prize_goes_to_the_next_name_of_the_order(table: Table) -> None:
    number = await entered(table, '2h 2w "A mug" claim 1h')
    await table.until_drawn(await table.get(number))
    order = table.proof()["order"]
    first, second = await table.wins(await table.get(number))
    assert [first.ticket, second.ticket] == order[:2]
    await table.press("claim", who=first.name.lower())
    await table.house.advance(3601)
    await table.house.advance(10)
    wins = await table.wins(await table.get(number))
    assert [(one.ticket, one.state) for one in wins] == [
        (order[0], WinState.CLAIMED), (order[1], WinState.OUT), (order[2], WinState.OFFERED),
    ]  # fmt: skip
    proof = table.proof()
    assert proof["final"] == [order[0], order[2]]
    assert [one["out"] for one in proof["rerolls"]] == [order[1]]
    assert table.verdict() == []
    await table.press("claim", who=second.name.lower())
    assert await table.told(second.name.lower()) == table.house.told("giveaway.refused.claim_over")


async def test_a_host_rerolls_for_a_public_reason_until_no_name_is_left(table: Table) -> None:
    number = await entered(table, '2h 2w "A mug" alternates 1')
    await table.until_drawn(await table.get(number))
    await table.house.command("giveaway", f"reroll {number} 1", who="ben")
    assert await table.told("ben") == table.house.told("giveaway.refused.reroll_reason")
    for reason in ("left the community", "gave it up"):
        await table.house.command("giveaway", f"reroll {number} 1 {reason}", who="ben")
        await table.house.advance(5)
    order = table.proof()["order"]
    assert table.proof()["final"] == [order[1]]
    assert [text for text in table.house.lines() if "left the community" in text]
    assert table.verdict() == []


async def test_two_hosts_who_reroll_at_once_take_one_place(table: Table) -> None:
    number = await entered(table)
    await table.until_drawn(await table.get(number))
    order = table.proof()["order"]
    winner = order[0][:12]
    text = f"reroll {number} {winner} left us"
    await asyncio.gather(
        table.house.command("giveaway", text, who="ben"), table.house.command("giveaway", text, "discord", "ana")
    )
    await table.house.advance(5)
    proof = table.proof()
    assert len(proof["rerolls"]) == 1
    assert proof["final"] == [order[2], order[1]]


async def test_after_the_freeze_it_is_called_off_in_public_with_its_result(table: Table) -> None:
    number = await entered(table)
    await table.house.advance(7201)
    await table.house.command("giveaway", f"cancel {number}", who="ben")
    assert await table.told("ben") == table.house.told("giveaway.refused.no_reason")
    await table.house.command("giveaway", f"cancel {number} the sponsor went away", who="ben")
    await table.house.advance(130)
    drawn = await table.get(number)
    assert (drawn.state, drawn.void) == (State.DRAWN, "the sponsor went away")
    assert await table.wins(drawn) == []
    assert [text for text in table.house.lines() if "the sponsor went away" in text]
    await table.house.advance(5)
    assert table.verdict() == []


async def test_before_the_freeze_it_is_called_off_and_nothing_is_drawn(table: Table) -> None:
    number = await entered(table)
    await table.house.command("giveaway", f"cancel {number}", who="ben")
    await table.house.advance(8000)
    assert (await table.get(number)).state is State.CANCELLED
    assert table.documents() == []


async def test_a_code_is_shown_once_and_lies_sealed(table: Table) -> None:
    number = await entered(table, "2h 1w A mug")
    await table.house.command("giveaway", f"codes {number} SECRET-1 SECRET-2", who="ben")
    await table.until_drawn(await table.get(number))
    (win,) = await table.wins(await table.get(number))
    who = win.name.lower()
    await table.press("claim", who=who)
    assert "SECRET-1" in await table.told(who)
    await table.press("claim", who=who)
    assert "SECRET-1" not in await table.told(who)
    (handed,) = await table.wins(await table.get(number))
    assert handed.state is WinState.HANDED
    loser = next(one for one in ENTRANTS if one != who)
    await table.press("claim", who=loser)
    assert await table.told(loser) == table.house.told("giveaway.refused.not_won")
    files = list(table.house.store.path.parent.glob("herald.db*"))
    assert files
    assert not [path for path in files if b"SECRET-2" in path.read_bytes()]


async def test_my_ticket_proves_to_be_on_the_frozen_list(table: Table) -> None:
    number = await entered(table)
    await table.house.advance(7201)
    await table.press("ticket", who="lin")
    told = await table.told("lin")
    frozen = await table.house.read(lambda work: work.giveaways.frozen(number))
    assert frozen is not None
    assert frozen.root in told
    assert table.house.told("giveaway.ticket.listed", place=1, count=5)[:10] in told
    await table.press("ticket", who="zoe")
    assert await table.told("zoe") == table.house.told("giveaway.ticket.none")


async def test_a_winner_who_is_erased_leaves_a_proof_that_holds(table: Table) -> None:
    number = await entered(table)
    await table.until_drawn(await table.get(number))
    before = table.proof()
    first, second = await table.wins(await table.get(number))
    await table.house.command("giveaway", "forget me", who=first.name.lower())
    await table.house.advance(10)
    proof = table.proof()
    assert table.verdict() == []
    assert proof["freeze_hash"] == before["freeze_hash"]
    assert proof["final"] == [proof["order"][2], second.ticket]
    entry = await table.house.read(lambda work: work.entries.find(number, first.ticket))
    assert entry is not None
    assert (entry.member, entry.name, entry.salt) == (None, "", b"")


async def test_everybody_is_forgotten_on_a_clock_and_the_proof_can_still_be_made(table: Table) -> None:
    number = await entered(table)
    await table.until_drawn(await table.get(number))
    before = table.proof()
    await table.house.advance(91 * 86400)
    await table.house.advance(10)
    people = await table.house.read(lambda work: [work.entries.find(number, one[0]) for one in before["entries"]])
    assert [one.member for one in people if one is not None] == [None] * 5
    listed = await table.house.read(lambda work: work.entries.list_page(number, "", 10))
    assert [list(one) for one in listed] == before["entries"]


async def test_ending_early_names_a_nearer_round_in_public_before_the_list(table: Table) -> None:
    number = await entered(table)
    named = (await table.get(number)).announced_round
    await table.house.command("giveaway", f"end {number}", who="ben")
    await table.house.advance(10)
    frozen = await table.get(number)
    assert frozen.state is State.FROZEN
    assert frozen.round == frozen.announced_round < named
    said = [text for text in table.house.lines() if "commit=" in text]
    assert f"beacon={frozen.announced}" in said[1]
    assert "root=" in said[2]
    await table.house.advance(130)
    await table.house.advance(5)
    assert (await table.get(number)).state is State.DRAWN
    told = [one["beacon"] for one in table.proof()["witnesses"] if one["what"] == "announcement"]
    assert told == [f"drand:{frozen.chain}:{named}", frozen.announced]
    assert table.verdict() == []


async def test_a_freeze_that_cannot_be_sent_in_time_is_made_again_with_a_later_round(table: Table) -> None:
    number = await entered(table)
    table.house.platforms["slack"].fates.extend([on_line(failing(NotSent("no way")))] * 12)
    await table.house.advance(7201)
    before = await table.get(number)
    assert (before.state, before.published_at, before.delayed) == (State.FROZEN, 0.0, "")
    for _ in range(30):
        await table.house.advance(10)
    table.house.platforms["slack"].fates.clear()
    for _ in range(20):
        await table.house.advance(30)
    after = await table.get(number)
    assert (after.state, after.delayed) == (State.DRAWN, "late_message")
    assert after.round > after.announced_round
    assert len([text for text in table.house.lines() if "root=" in text]) == 1
    assert table.verdict() == []


async def test_a_freeze_nobody_knows_of_is_drawn_when_somebody_has_seen_it(table: Table) -> None:
    number = (await table.start('2h 2w "A mug" in @telegram')).id
    await table.enter("lin", "telegram")
    table.house.platforms["telegram"].fates.append(on_line(failing(Unclear("cut"), after=True)))
    await table.house.advance(7201)
    await table.house.advance(400)
    waiting = await table.get(number)
    assert (waiting.state, waiting.published_at) == (State.FROZEN, 0.0)
    told = next(text for text in table.house.lines() if f"/giveaway arrived {number}" in text)
    post = told.partition(f"/giveaway arrived {number} ")[2].partition(".")[0]
    await table.house.command("giveaway", f"arrived {number} {post}", who="ben")
    await table.house.advance(10)
    drawn = await table.get(number)
    assert (drawn.state, drawn.round, drawn.delayed) == (State.DRAWN, waiting.announced_round, "")
    await table.house.command("giveaway", f"arrived {number} {post}", who="ben")
    assert await table.told("ben") == table.house.told("giveaway.no_such")


async def test_extending_moves_the_end_and_the_round_and_says_so_in_public(table: Table) -> None:
    number = await entered(table)
    before = await table.get(number)
    await table.house.command("giveaway", f"extend {number} 1h", who="ben")
    after = await table.get(number)
    assert after.closes_at == before.closes_at + 3600
    assert [text for text in table.house.lines() if f"beacon={after.announced}" in text]
    assert len([text for text in table.house.lines() if "commit=" in text]) == 2


async def test_a_contest_takes_one_entry_for_each_who_commented_in_time(table: Table) -> None:
    house = table.house
    await house.say("tea before", platform="slack", who="early")
    await table.start('2h 2w "A mug" comments keyword "tea"')
    number = (await table.newest()).id
    await house.advance(10)
    for who, text in (
        ("lin", "I like TEA"),
        ("lin", "tea again"),
        ("mei", "coffee"),
        ("bo", "ｔｅａ!"),
        ("ana", "tea"),
    ):
        await house.say(text, platform="slack", who=who)
    drawn = await table.until_drawn(await table.get(number))
    assert drawn.state is State.DRAWN
    counts = await house.read(lambda work: work.entries.counts(number))
    assert counts.entries == 2
    assert table.verdict() == []


async def test_a_result_that_may_not_have_arrived_is_not_sent_twice(table: Table) -> None:
    number = (await table.start('2h 2w "A mug" in @telegram')).id
    await table.enter("lin", "telegram")
    await table.house.advance(7201)
    table.house.platforms["telegram"].fates.append(on_card(failing(Unclear("cut"))))
    await table.house.advance(130)
    await table.house.advance(60)
    drawn = await table.get(number)
    assert drawn.state is State.DRAWN
    assert [text for text in table.house.lines() if f"giveaway #{number} may or may not" in text]
