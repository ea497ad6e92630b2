"""What somebody might try who wants to win more than once, to decide who wins, or to see what is secret."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bot.app import make_registry
from bot.domain.giveaways import State
from bot.handlers import links
from bot.handlers.context import Context
from bot.handlers.giveaways import results
from bot.storage.work import Work

from .giveawaytable import Table
from .house import House, channel, living, member


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


async def test_a_host_who_has_lost_the_right_runs_it_no_more(path: Path) -> None:
    async with living(path) as house:
        giveaway = await Table(house).start("2h 1w A mug", who="ben")
    roles = {"approver": ["slack:T1:ana"], "viewer": ["slack:T1:ben"]}
    async with living(path, roles=roles) as house:
        house.numbers = itertools.count(1000)
        for words in (f"end {giveaway.id}", f"entrants {giveaway.id}", f"address {giveaway.id} 1"):
            await house.command("giveaway", words, who="ben")
        assert house.notices("ben")[:2] == [house.told("giveaway.not_yours")] * 2
        assert house.notices("ben")[2:] == [house.told("giveaway.refused.not_won")]
        await house.command("giveaway", f"pause {giveaway.id}", who="ana")
        assert (await Table(house).get(giveaway.id)).state is State.PAUSED


async def test_where_all_may_make_giveaways_nobody_reads_what_others_have_not_published(path: Path) -> None:
    async with living(path, giveaways={"open_to": "everyone"}) as house:
        await house.command("giveaway", "start 2h 1w A secret", who="lin", channel=channel("slack", "community"))
        await house.command("giveaway", "template save theirs 1", who="mei", channel=channel("slack", "community"))
        assert house.notices("mei") == [house.told("giveaway.no_such")]


async def test_nothing_is_kept_of_who_leaves_or_is_forgotten_while_their_platform_is_asked(house: House) -> None:
    table = Table(house)
    giveaway = await table.start('2h 1w "A mug" role slack:T1:role:S1')
    for who in ("lin", "mei", "bo"):
        await table.enter(who)
    await table.press("leave", who="lin")
    await house.command("giveaway", "forget me", who="mei")
    kept = await house.read(lambda work: work.facts.beginning(f"giveaway:{giveaway.name}:"))
    assert list(kept) == ["asked:slack:T1:bo"]
    await house.command("giveaway", f"cancel {giveaway.id}", who="ana")
    assert not await house.read(lambda work: work.facts.beginning(f"giveaway:{giveaway.name}:"))


async def test_a_log_names_whoever_did_something_so_that_they_can_be_erased_from_it(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.house.command("giveaway", f"pause {giveaway.id}", who="ben")
    lines = await table.house.read(lambda work: work.giveaways.history(giveaway.id))
    assert {line.who for line in lines} == {"slack:T1:ana", "slack:T1:ben", ""}
    await table.house.command("giveaway", "forget me", who="ben")
    lines = await table.house.read(lambda work: work.giveaways.history(giveaway.id))
    assert {line.who for line in lines} == {"slack:T1:ana", ""}
    assert len(lines) == 4


async def test_codes_are_taken_from_the_lines_below_the_command_too(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.house.command("giveaway", f"codes {giveaway.id}\nAAA\nBBB", who="ben")
    assert await table.house.read(lambda work: work.wins.codes(giveaway.id)) == (2, 2)
    await table.house.command("giveaway", f"codes\n{giveaway.id} CCC", who="ben")
    assert await table.house.read(lambda work: work.wins.codes(giveaway.id)) == (3, 3)


async def test_a_late_draw_names_the_announced_round_wherever_it_says_so(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.house.advance(7200 + 500)
    late = await table.get(giveaway.id)
    assert late.delayed == "late_freeze"
    said = table.house.told("giveaway.delayed.late_freeze", beacon=late.announced)
    await table.house.command("giveaway", f"verify {giveaway.id}", who="lin")
    assert said in await table.told("lin")
    assert [text for text in table.house.lines() if said in text]


async def test_a_freeze_message_whose_text_was_replaced_is_no_witness_of_the_new_one(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    await table.enter("lin")
    await table.until_drawn(giveaway)
    frozen, posts = await table.house.read(
        lambda work: (work.giveaways.frozen(giveaway.id), work.giveaway_posts.of(giveaway.id, "freeze"))
    )
    assert frozen is not None
    late = replace(await table.get(giveaway.id), delayed="late_message")
    (one, _) = results.witnesses(late, frozen, posts, {}, {str(posts[0].id): {"freeze_hash": "0" * 64}})
    assert (one["what"], one["reason"]) == ("delayed", "late_message")
    assert "freeze_hash" not in one
    (same, _) = results.witnesses(late, frozen, posts, {}, {str(posts[0].id): {"freeze_hash": frozen.hash}})
    assert (same["what"], same["freeze_hash"]) == ("freeze", frozen.hash)
