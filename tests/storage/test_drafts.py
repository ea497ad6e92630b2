"""Drafts change only from what somebody saw, decisions are never rewritten, cards remember what they show."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from bot.domain.places import Channel, Member
from bot.domain.review import Actor, Attempt, Draft, DraftState, View
from bot.domain.roles import Action
from bot.domain.text import fingerprint
from bot.storage.drafts import Conflict, Made, Origin
from bot.storage.tables import decisions
from bot.storage.work import Work

from .conftest import NOW, Bench

ORIGIN = Origin("en", "knowledge", (("faq-1", "茶"),), ("no_source",), "embedded", "reply@3")
ANA = Member("slack", "T1", "U1")
ROOM = Channel("slack", "T1", "C1")


async def waiting(bench: Bench, text: str = "On Friday.", comment: int = 7) -> Draft:
    def unit(work: Work) -> Draft:
        row = work.drafts.add(comment, NOW)
        assert row is not None
        assert work.drafts.fill(row, 1, Made(text, ORIGIN), NOW)
        draft = work.drafts.get(row)
        assert draft is not None
        return draft.ruled

    return await bench.write(unit)


async def stored(bench: Bench, draft: Draft) -> Draft:
    found = await bench.read(lambda work: work.drafts.get(draft.id))
    assert found is not None
    return found.ruled


async def test_a_comment_has_one_draft(bench: Bench) -> None:
    draft = await waiting(bench)
    assert await bench.write(lambda work: work.drafts.add(7, NOW)) is None
    found = await bench.read(lambda work: work.drafts.of_comment(7))
    assert found is not None
    assert (found.id, found.origin, found.ruled.state) == (draft.id, ORIGIN, DraftState.WAITING)
    assert await bench.read(lambda work: work.drafts.of_comment(8)) is None
    assert await bench.read(lambda work: work.drafts.get(10**15)) is None


async def test_a_text_for_another_version_or_a_decided_draft_is_not_wanted(bench: Bench) -> None:
    draft = await waiting(bench)
    assert not await bench.write(lambda work: work.drafts.fill(draft.id, 1, Made("late", ORIGIN), NOW))
    redo = replace(draft, version=2, state=DraftState.DRAFTING)
    await bench.write(lambda work: work.drafts.swap(draft, redo, NOW))
    assert not await bench.write(lambda work: work.drafts.fill(draft.id, 1, Made("of version 1", ORIGIN), NOW))
    assert await bench.write(lambda work: work.drafts.fill(draft.id, 2, Made("new", ORIGIN), NOW))
    assert (await stored(bench, draft)).text == "new"


async def test_a_draft_is_kept_whole(bench: Bench) -> None:
    draft = await waiting(bench)
    full = Draft(draft.id, 2, DraftState.REJECTED, "t", ANA, ANA, "Ana", 1.5, "Ben", 2.5, "tone", "shorter")
    await bench.write(lambda work: work.drafts.swap(draft, full, NOW))
    assert await stored(bench, draft) == full


@pytest.mark.parametrize("changes", [{"version": 2}, {"state": DraftState.APPROVED}, {"version": 0}])
async def test_only_what_is_stored_can_be_replaced(bench: Bench, changes: dict[str, object]) -> None:
    draft = await waiting(bench)
    with pytest.raises(Conflict, match=f"draft {draft.id}"):
        await bench.write(lambda work: work.drafts.swap(replace(draft, **changes), replace(draft, text="x"), NOW))
    assert await stored(bench, draft) == draft


async def test_of_decisions_made_at_once_one_holds(bench: Bench) -> None:
    draft = await waiting(bench)
    states = [DraftState.APPROVED, DraftState.REJECTED, DraftState.APPROVED, DraftState.REJECTED]

    def decide(name: str, state: DraftState) -> object:
        after = replace(draft, state=state, decided_name=name)
        return bench.write(lambda work: work.drafts.swap(draft, after, NOW))

    outcomes = await asyncio.gather(*(decide(str(n), s) for n, s in enumerate(states)), return_exceptions=True)
    assert [isinstance(outcome, Conflict) for outcome in outcomes].count(False) == 1
    winner = next(n for n, outcome in enumerate(outcomes) if outcome is None)
    assert (await stored(bench, draft)).decided_name == str(winner)


async def test_the_log_of_decisions_only_grows(bench: Bench) -> None:
    draft = await waiting(bench)
    tries = [
        Attempt(Action.EDIT, Actor(ANA, "Ana"), View(1, ""), "On Monday."),
        Attempt(Action.REJECT, Actor(ANA, "Ana"), View(2, ""), "wrong fact"),
    ]
    await bench.write(
        lambda work: work.drafts.decided(replace(draft, text="On Monday.", version=2), tries[0], ROOM, NOW)
    )
    first = await bench.store.read(rows)
    await bench.write(lambda work: work.drafts.decided(replace(draft, version=3), tries[1], ROOM, NOW + 1))
    both = await bench.store.read(rows)
    assert both[:1] == first
    assert len(both) == 2
    assert both[0]["text_hash"] == fingerprint("On Monday.")
    assert [both[0][name] for name in ("action", "member", "name", "place", "text", "reason", "version")] == [
        "edit", str(ANA), "Ana", "slack:T1:C1", "On Monday.", "", 2]  # fmt: skip
    assert (both[1]["reason"], both[1]["text"]) == ("wrong fact", "On Friday.")


def rows(connection: Connection) -> list[dict[str, object]]:
    return [dict(row._mapping) for row in connection.execute(select(decisions).order_by(decisions.c.id))]


async def test_an_outcome_does_not_overrule_a_person(bench: Bench) -> None:
    draft = await waiting(bench)
    await bench.write(lambda work: work.drafts.outcome(draft.id, DraftState.SENT, "", NOW))
    assert (await stored(bench, draft)).state is DraftState.WAITING
    await bench.write(lambda work: work.drafts.swap(draft, replace(draft, state=DraftState.APPROVED), NOW))
    await bench.write(lambda work: work.drafts.outcome(draft.id, DraftState.FAILED, "gone", NOW))
    found = await bench.read(lambda work: work.drafts.get(draft.id))
    assert found is not None
    assert (found.ruled.state, found.error) == (DraftState.FAILED, "gone")


async def test_flags_come_and_go_once(bench: Bench) -> None:
    draft = await waiting(bench)

    async def change(method: str, flag: str) -> tuple[str, ...]:
        def unit(work: Work) -> None:
            found = work.drafts.get(draft.id)
            assert found is not None
            getattr(work.drafts, method)(found, flag)

        await bench.write(unit)
        found = await bench.read(lambda work: work.drafts.get(draft.id))
        assert found is not None
        return found.origin.flags

    assert await change("add_flag", "x") == ("no_source", "x")
    assert await change("add_flag", "x") == ("no_source", "x")
    assert await change("settle_flag", "x") == ("no_source",)
    assert await change("settle_flag", "x") == ("no_source",)


async def test_open_drafts_are_those_that_wait_for_a_person(bench: Bench) -> None:
    from .test_comments import POSTED, VERDICT

    ids = []
    for number, state in enumerate(DraftState):

        def unit(work: Work, number: int = number, state: DraftState = state) -> int:
            comment = work.comments.add(replace(POSTED, message_id=str(number)), VERDICT, NOW)
            row = work.drafts.add(comment or 0, NOW)
            found = work.drafts.get(row or 0)
            assert found is not None
            claimed = ANA if state is DraftState.FAILED else None
            work.drafts.swap(found.ruled, replace(found.ruled, state=state, claimed_by=claimed), NOW)
            return found.id

        ids.append((await bench.write(unit), state))
    expected = [i for i, s in ids if s in {DraftState.WAITING, DraftState.UNCERTAIN, DraftState.FAILED}]
    assert [d.id for d in await bench.read(lambda work: work.drafts.open(9, 0.0))] == expected
    assert [d.id for d in await bench.read(lambda work: work.drafts.open(1, 0.0))] == expected[:1]
    assert [d.ruled.state for d in await bench.read(lambda work: work.drafts.open(9, 0.0, ANA))] == [DraftState.FAILED]
    assert await bench.read(lambda work: work.drafts.counts()) == {state.value: 1 for state in DraftState}


async def test_a_channel_has_one_card_for_a_draft(bench: Bench) -> None:
    other = Channel("discord", "G1", "R1")
    card = await bench.write(lambda work: work.cards.add(1, ROOM))
    assert card is not None
    assert await bench.write(lambda work: work.cards.add(1, ROOM)) is None
    assert await bench.write(lambda work: work.cards.add(1, other)) is not None
    assert await bench.write(lambda work: work.cards.add(2, ROOM)) is not None
    assert [c.channel for c in await bench.read(lambda work: work.cards.of_draft(1))] == [ROOM, other]


async def test_a_card_is_found_by_its_message_until_that_is_gone(bench: Bench) -> None:
    card = await bench.write(lambda work: work.cards.add(1, ROOM)) or 0
    assert (await bench.read(lambda work: work.cards.get(card))).message_id is None
    await bench.write(lambda work: work.cards.posted(card, "m9"))
    found = await bench.read(lambda work: work.cards.of_message(ROOM, "m9"))
    assert found is not None
    assert found.id == card
    assert await bench.read(lambda work: work.cards.of_message(Channel("telegram", "T1", "C1"), "m9")) is None
    await bench.write(lambda work: work.cards.forget_message(card))
    assert await bench.read(lambda work: work.cards.of_message(ROOM, "m9")) is None


async def test_views_tell_what_was_shown(bench: Bench) -> None:
    card = await bench.write(lambda work: work.cards.add(1, ROOM)) or 0
    for number in range(3):
        view = View(number, f"hash {number}", f"text {number}")
        await bench.write(lambda work, n=number, v=view: work.cards.show(f"key{n}", card, 1, v, NOW + n))
    first = await bench.read(lambda work: work.cards.view("key0"))
    assert first is not None
    assert (first.view, first.card.id) == (View(0, "hash 0", "text 0"), card)
    latest = await bench.read(lambda work: work.cards.latest_view(card))
    assert latest is not None
    assert latest.id == "key2"
    assert await bench.read(lambda work: work.cards.view("key")) is None
    assert await bench.read(lambda work: work.cards.latest_view(card + 1)) is None
