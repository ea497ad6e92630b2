"""Deliveries that were left in the middle or whose fate is unknown, and several workers at the same rows."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.domain.delivery import DeliveryState, Step, Urgency
from bot.storage.outbox import Delivery
from bot.storage.work import Work

from .conftest import NOW, Bench
from .test_outbox import ROOM, add, claim, order, sending, whole

S = DeliveryState


async def sought(bench: Bench, look_at: float = NOW + 15) -> Delivery:
    row = await sending(bench)
    assert await bench.write(lambda work: work.outbox.doubt(row, "no answer", look_at))
    return await whole(bench, row.id)


WRITES = {
    "look": lambda work, row: work.doubts.look(row, NOW + 60),
    "later": lambda work, row: work.doubts.later(row, NOW + 60, "busy"),
    "ask": lambda work, row: work.doubts.ask(row, "no scope"),
    "found": lambda work, row: work.doubts.found(row, "m9"),
    "absent": lambda work, row: work.doubts.absent(row, NOW + 2, 1, "no answer"),
    "give_up": lambda work, row: work.doubts.give_up(row, "no answer"),
}


@pytest.mark.parametrize(
    ("write", "state", "look_at"),
    [
        ("look", S.UNCERTAIN, NOW + 60),
        ("later", S.UNCERTAIN, NOW + 60),
        ("ask", S.UNCERTAIN, None),
        ("found", S.SENT, None),
        ("absent", S.PENDING, None),
        ("give_up", S.DEAD, None),
    ],
)
async def test_what_a_look_up_can_come_to(
    bench: Bench, write: str, state: DeliveryState, look_at: float | None
) -> None:
    row = await sought(bench)
    assert await bench.write(lambda work: WRITES[write](work, row))
    after = await whole(bench, row.id)
    assert (after.state, after.look_at) == (state, look_at)
    assert after.looks == (1 if write == "look" else 0)
    assert after.message_id == ("m9" if write == "found" else None)
    if write == "absent":
        assert (after.due_at, after.tries, after.token) == (NOW + 2, 1, row.token + 1)


@pytest.mark.parametrize("first", list(WRITES))
@pytest.mark.parametrize("second", list(WRITES))
async def test_whoever_looked_before_another_did_changes_nothing(bench: Bench, first: str, second: str) -> None:
    row = await sought(bench)
    assert await bench.write(lambda work: WRITES[first](work, row))
    before = await whole(bench, row.id)
    done = await bench.write(lambda work: WRITES[second](work, row))
    if first == "later":  # the same look-up: it has only said when the next one is
        assert done
    else:
        assert not done
        assert await whole(bench, row.id) == before


@pytest.mark.parametrize("step", [Step.ARRIVED, Step.AGAIN, Step.DROP])
@pytest.mark.parametrize("write", list(WRITES))
async def test_after_a_person_has_settled_it_no_look_up_changes_anything(bench: Bench, step: Step, write: str) -> None:
    row = await sought(bench)
    assert await bench.write(lambda work: work.outbox.by_person(row.id, step))
    before = await whole(bench, row.id)
    assert before.look_at is None
    assert not await bench.write(lambda work: WRITES[write](work, row))
    assert await whole(bench, row.id) == before


async def test_what_waits_for_a_person_is_not_looked_up(bench: Bench) -> None:
    row = await sending(bench)
    await bench.write(lambda work: work.outbox.doubt(row, "no answer", None))
    assert await bench.read(lambda work: work.doubts.sought("telegram", 9)) == []
    kept = await whole(bench, row.id)
    assert not any([await bench.write(lambda work, one=one: one(work, kept)) for one in WRITES.values()])


async def test_what_is_due_first_is_named_first(bench: Bench) -> None:
    rows = []
    for lane, seconds in (("a", 30), ("b", 10), ("c", 20)):
        row = await sending(bench, order(lane))
        await bench.write(lambda work, row=row, at=NOW + seconds: work.outbox.doubt(row, "?", at))
        rows.append(row.id)
    found = await bench.read(lambda work: work.doubts.sought("telegram", 2))
    assert [row.id for row in found] == [rows[1], rows[2]]
    assert await bench.read(lambda work: work.doubts.sought("slack", 9)) == []


async def test_the_answer_that_comes_after_all_ends_the_look_ups(bench: Bench) -> None:
    row = await sought(bench)
    looking = await bench.write(lambda work: work.doubts.look(row, NOW + 60))
    assert looking is not None
    assert await bench.write(lambda work: work.outbox.confirm(row, "m1", "answer"))
    assert not await bench.write(lambda work: work.doubts.absent(looking, NOW, 1, "?"))
    after = await whole(bench, row.id)
    assert (after.state, after.message_id, after.look_at) == (S.SENT, "m1", None)


async def test_the_answer_to_a_request_that_did_not_arrive_counts_for_nothing(bench: Bench) -> None:
    row = await sought(bench)
    assert await bench.write(lambda work: work.doubts.absent(row, NOW, 1, "?"))
    assert not await bench.write(lambda work: work.outbox.confirm(row, "m1", "answer"))
    (again,) = await claim(bench)
    await bench.write(lambda work: work.outbox.begin([again]))
    assert not await bench.write(lambda work: work.outbox.confirm(row, "m1", "answer"))
    assert (await whole(bench, row.id)).state is S.SENDING


async def test_each_new_request_has_all_its_look_ups_before_it(bench: Bench) -> None:
    row = await sought(bench)
    looking = await bench.write(lambda work: work.doubts.look(row, NOW))
    assert looking is not None
    assert await bench.write(lambda work: work.doubts.absent(looking, NOW, 1, "?"))
    (again,) = await claim(bench)
    await bench.write(lambda work: work.outbox.begin([again]))
    assert (await whole(bench, row.id)).looks == 0


async def test_what_is_held_is_claimed_or_being_sent(bench: Bench) -> None:
    being_sent = await sending(bench)
    (claimed, _) = await add(bench, order("other"), order("third", to=replace(ROOM, platform="slack")))
    await claim(bench)
    held = await bench.read(lambda work: work.doubts.held(["telegram", "discord"]))
    assert {row.id for row in held} == {being_sent.id, claimed}


async def test_two_workers_never_claim_the_same_row(bench: Bench) -> None:
    rows = set(await add(bench, *(order(f"lane {number}") for number in range(40))))

    def unit(work: Work) -> list[int]:
        return [row.id for row in work.outbox.claim([row.id for row in work.outbox.ready("telegram", 10)])]

    claimed: list[int] = []
    while await bench.read(lambda work: work.outbox.ready("telegram", 1)):
        for some in await asyncio.gather(*(bench.write(unit) for _ in range(4))):
            claimed += some
    assert sorted(claimed) == sorted(rows)


async def test_what_another_has_put_off_meanwhile_is_not_claimed(bench: Bench) -> None:
    (row,) = await add(bench, order())
    (ready,) = await bench.read(lambda work: work.outbox.ready("telegram", 9))
    assert ready.id == row
    (other,) = await claim(bench)
    await bench.write(lambda work: work.outbox.begin([other]))
    await bench.write(lambda work: work.outbox.postpone(other, NOW + 60, 1, "busy"))
    assert await bench.write(lambda work: work.outbox.claim([row])) == []


async def test_rows_are_read_page_by_page_and_class_by_class(bench: Bench) -> None:
    elsewhere = replace(ROOM, channel_id="-200")
    classes = [Urgency.LIVE, Urgency.ANSWER, Urgency.REPLY, Urgency.ANSWER, Urgency.BROADCAST]
    rows = await add(bench, *(order(f"lane {number}", priority=one) for number, one in enumerate(classes)))
    (far,) = await add(bench, order("far", to=elsewhere, priority=Urgency.LIVE))
    wanted = [rows[1], rows[3], rows[2], rows[0], far, rows[4]]
    every = await bench.read(lambda work: work.outbox.ready("telegram", 9))
    assert [row.id for row in every] == wanted
    for place, row in enumerate(every):
        behind = await bench.read(lambda work, row=row: work.outbox.ready("telegram", 9, after=row))
        assert [one.id for one in behind] == wanted[place + 1 :]
    urgent = await bench.read(lambda work: work.outbox.ready("telegram", 9, last=Urgency.ANSWER))
    assert [row.id for row in urgent] == wanted[:2]
    unpaced = await bench.read(lambda work: work.outbox.ready("telegram", 9, paced=[ROOM.channel_id]))
    assert [row.id for row in unpaced] == [rows[1], rows[3], far]
