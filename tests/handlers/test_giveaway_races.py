"""What happens at the same moment, or too late: looks at entrants, freezes, presses that wait in line, claims."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from bot.chat.events import CommandInvoked
from bot.chat.ports import Incoming
from bot.chat.standings import Standing
from bot.domain.giveaways import EntryState, Giveaway, State, WinState
from bot.domain.places import Channel, Member
from bot.domain.signals import Sign
from bot.handlers import links
from bot.handlers.context import Context
from bot.handlers.giveaways import checking, contests, life, persons, signs, winning
from bot.handlers.giveaways.checking import Look

from .giveawaytable import Table
from .house import House, channel, living, member
from .test_giveaway_attacks import within


@pytest.fixture
def table(house: House) -> Table:
    return Table(house)


@pytest.mark.parametrize("appeals", [True, False])
async def test_a_look_that_ends_after_the_freeze_changes_nothing(table: Table, appeals: bool) -> None:
    giveaway = await table.start('2h 2w "A mug" account 30d', "discord")
    now = table.house.clock.at
    for who in ("lin", "mei", "bo"):
        await table.enter(who, "discord", created_at=now - 90 * 86400)
    lin = await table.entry(giveaway, "lin", "discord")
    assert lin is not None
    await table.house.advance(7201)
    assert (await table.get(giveaway.id)).state is State.FROZEN
    young = Standing(True, created_at=table.house.clock.at - 86400)
    look = Look((lin,), {member("discord", "lin"): young})
    await within(table.house, lambda ctx: checking.look_again(ctx, giveaway, look, appeals=appeals))
    await within(table.house, lambda ctx: checking.put_out(ctx, giveaway, [lin.person]))
    assert await table.entry(giveaway, "lin", "discord") == lin
    await table.until_drawn(giveaway)
    assert table.verdict("discord") == []


async def test_comments_that_are_taken_after_the_freeze_enter_nobody(table: Table) -> None:
    await table.start('2h 2w "A mug" comments')
    giveaway = await table.newest()
    await table.house.advance(10)
    await table.house.say(platform="slack", who="lin")
    await table.house.advance(7201)
    found = await table.house.read(lambda work: contests.entrants(work, giveaway))
    other = [type(one)(member("slack", "mei"), "slack:T1:mei", "Mei", "m", one.text, one.sent_at) for one in found]
    await within(table.house, lambda ctx: contests.enter_all(ctx, giveaway, other))
    assert await table.entry(giveaway, "mei") is None


async def test_a_late_freeze_whose_making_takes_longer_than_a_round_is_made_once(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    giveaway = await table.start("2h 2w A mug")
    await table.enter("lin")
    times: list[float] = []

    async def slow(store: object, of: Giveaway) -> list[Sign]:
        if of.state is State.CLOSED:
            times.append(table.house.clock.at)
            table.house.clock.at += 10 if len(times) < 4 else 0
        return []

    monkeypatch.setattr(signs, "search", slow)
    await table.house.advance(7200 + 500)
    frozen = await table.get(giveaway.id)
    assert (frozen.state, frozen.delayed, len(times)) == (State.FROZEN, "late_freeze", 1)
    await table.house.advance(130)
    assert (await table.get(giveaway.id)).state is State.DRAWN


async def test_somebody_who_is_forgotten_sets_no_clock_for_everybody_else(table: Table) -> None:
    giveaway = await table.start("120d 1w A mug")
    for who in ("lin", "mei"):
        await table.enter(who)
    await table.house.command("giveaway", "forget me", who="mei")
    await table.house.advance(91 * 86400)
    lin = await table.entry(giveaway, "lin")
    assert lin is not None
    assert lin.member == member("slack", "lin")


async def test_who_presses_again_and_again_holds_up_nobody_whose_platform_is_asked(table: Table) -> None:
    giveaway = await table.start('2h 1w "A mug" role slack:T1:role:S1')
    await table.enter("lin")
    first = await table.entry(giveaway, "lin")
    assert first is not None
    assert first.state is EntryState.CHECKING
    due = await table.house.read(lambda work: work.timers.due(table.house.clock.at + 60, [], 10))
    table.house.clock.at += 1
    await table.enter("lin")
    assert await table.entry(giveaway, "lin") == first
    assert await table.house.read(lambda work: work.timers.due(table.house.clock.at + 60, [], 10)) == due


async def test_a_role_of_ours_that_a_platform_role_brings_is_known_at_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = {"approver": ["slack:T1:ana"], "viewer": ["discord:G1:role:R9"]}
    async with living(path, roles=roles) as house:
        table = Table(house)

        async def standings(members: Collection[Member], at: Channel, asked: Collection[str]) -> dict[Member, Standing]:
            return {one: Standing(True, frozenset({"R9"} & set(asked)) if one.user_id == "lin" else frozenset())
                    for one in members}  # fmt: skip

        monkeypatch.setattr(house.platforms["discord"], "standings", standings, raising=False)
        giveaway = await table.start('2h 2w "A mug" role viewer staff in @discord', room="review")
        for who in ("lin", "mei"):
            await table.enter(who, "discord", member_roles=("R9",))
        await table.until_drawn(giveaway)
        lin, mei = [await table.entry(giveaway, who, "discord") for who in ("lin", "mei")]
        assert lin is not None
        assert mei is not None
        assert (lin.state, lin.rule, mei.state, mei.rule) == (EntryState.IN, "", EntryState.EXCLUDED, "role")


async def test_who_is_kept_out_of_a_contest_is_told_so(table: Table) -> None:
    await table.start('2h 2w "A mug" comments block slack:T1:lin')
    giveaway = await table.newest()
    await table.house.advance(10)
    await table.house.say(platform="slack", who="lin")
    await table.house.advance(7201)
    entry = await table.entry(giveaway, "lin")
    assert entry is not None
    assert entry.rule == "block"
    assert [text for text in table.house.notices("lin") if table.house.told("giveaway.rule.block") in text]


async def test_at_the_end_nobody_is_offered_an_appeal_that_comes_too_late(table: Table) -> None:
    giveaway = await table.start('2h 1w "A mug" role slack:T1:role:S1')
    await table.enter("lin")
    await table.house.advance(7201)
    entry = await table.entry(giveaway, "lin")
    assert entry is not None
    assert (entry.state, entry.rule) == (EntryState.REFUSED, "unknown_role")
    told = await table.told("lin")
    assert told.startswith(table.house.told("giveaway.enter.refused"))
    with pytest.raises(AssertionError):
        table.offered("appeal")


WAITING = Incoming(
    "slack:T1", "waiting", "raw", CommandInvoked(channel("slack"), member("slack", "lin"), "Lin", "help", "", {})
)


class _Undone(Exception):
    """Takes back what a test did in a unit of work."""


@pytest.mark.parametrize(("late", "closes"), [(0.0, False), (600.0, False), (631.0, True)])
async def test_an_end_waits_for_presses_that_were_stored_before_it_also_after_an_outage(
    table: Table, late: float, closes: bool
) -> None:
    giveaway = await table.start("2h 1w A mug")
    started = giveaway.closes_at + (600 if late else 0)

    def unit(ctx: Context) -> None:
        ctx.work.now = giveaway.closes_at + late
        ctx.work.inbox.add([WAITING], giveaway.closes_at - 1)
        life.close(ctx, giveaway.name, started)
        after = ctx.work.giveaways.get(giveaway.id)
        assert after is not None
        assert (after.state is State.CLOSED) == closes
        raise _Undone

    with pytest.raises(_Undone):
        await within(table.house, unit)


async def test_a_claim_that_was_stored_in_time_is_looked_at_before_the_place_goes_on(table: Table) -> None:
    giveaway = await table.start('2h 1w "A mug" claim 1h')
    for who in ("lin", "mei"):
        await table.enter(who)
    await table.until_drawn(giveaway)
    (win,) = await table.wins(giveaway)

    def unit(ctx: Context) -> None:
        ctx.work.now = win.until + 1
        ctx.work.inbox.add([WAITING], win.until - 1)
        life.expire(ctx, giveaway.name, 0.0)
        assert ctx.work.wins.of(giveaway.id) == [win]
        ctx.work.now = win.until + 31
        life.expire(ctx, giveaway.name, 0.0)
        assert len(ctx.work.wins.of(giveaway.id)) == 2
        raise _Undone

    with pytest.raises(_Undone):
        await within(table.house, unit)


async def test_accounts_that_were_linked_after_both_had_won_can_claim_both(table: Table) -> None:
    giveaway = await table.start('2h 2w "A mug" claim 1h in @slack @telegram', room="review")
    await table.enter("lin")
    await table.enter("lin2", "telegram")
    await table.until_drawn(giveaway)
    await within(table.house, lambda ctx: links.tie(ctx, member("slack", "lin"), member("telegram", "lin2")))
    for _ in range(2):
        await table.press("claim", who="lin")
    assert [one.state for one in await table.wins(giveaway)] == [WinState.CLAIMED] * 2


async def test_many_winners_have_their_places_some_at_a_time_and_lose_them_so(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winning, "AT_ONCE", 2)
    monkeypatch.setattr(winning, "OUT_AT_ONCE", 1)
    giveaway = await table.start('2h 5w "A mug" claim 1h')
    for who in ("lin", "mei", "bo", "kai", "sam", "tom", "uwe"):
        await table.enter(who)
    await table.until_drawn(giveaway)
    order = table.proof()["order"]
    assert [one.ticket for one in await table.wins(giveaway)] == order[:5]
    told = [who for who in ("lin", "mei", "bo", "kai", "sam", "tom", "uwe") if "won" in await table.told(who)]
    assert len(told) == 5
    await table.house.advance(3601)
    await table.house.advance(5)
    wins = await table.wins(giveaway)
    assert [one.ticket for one in wins] == order
    assert [one.state for one in wins] == [WinState.OUT] * 5 + [WinState.OFFERED] * 2
    assert table.verdict() == []


async def test_persons_that_become_one_have_one_entry_whatever_they_were_called(table: Table) -> None:
    giveaway = await table.start("2h 1w A mug")
    for who in ("lin", "mei", "bo", "kai"):
        await table.enter(who)
    one, two, three, four = (member("slack", who) for who in ("lin", "mei", "bo", "kai"))

    def tie(a: Member, b: Member) -> Callable[[Context], None]:
        def unit(ctx: Context) -> None:
            person = ctx.work.links.tie(a, b)
            persons.follow(ctx, ctx.work.links.members_of(person))

        return unit

    for a, b in ((one, two), (three, four), (one, three)):
        await within(table.house, tie(a, b))
    await table.until_drawn(giveaway)
    counts = await table.house.read(lambda work: work.entries.counts(giveaway.id))
    assert (counts.entries, counts.by_rule) == (1, {"twice": 3})
