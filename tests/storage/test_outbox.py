"""The outbox: lanes in order, claims with a token, and no step that the state machine does not have."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from bot.domain.delivery import FINAL, STEPS, DeliveryState, Step, Urgency
from bot.domain.places import Channel
from bot.storage.outbox import SKIP_SECONDS, Delivery, Order
from bot.storage.work import Work

from .conftest import NOW, Bench

ROOM = Channel("telegram", "1", "-100")
S = DeliveryState
numbers = count(1)


def order(lane: str = "lane", **changes: object) -> Order:
    base = Order(f"key-{next(numbers)}", "line", lane, ROOM, text="text")
    return replace(base, **changes)


async def add(bench: Bench, *orders: Order) -> list[int]:
    rows = await bench.write(lambda work: [work.outbox.add(one) for one in orders])
    assert None not in rows
    return [row or 0 for row in rows]


async def claim(bench: Bench, many: int = 10, held: str = "", platform: str = "telegram") -> list[Delivery]:
    def unit(work: Work) -> list[Delivery]:
        return work.outbox.claim([row.id for row in work.outbox.ready(platform, many, held=held)])

    return await bench.write(unit)


async def state(bench: Bench, row: int) -> DeliveryState:
    return (await bench.read(lambda work: work.outbox.get(row))).state


def begin(work: Work, row: Delivery) -> None:
    work.outbox.begin([row])


async def sending(bench: Bench, one: Order | None = None) -> Delivery:
    await add(bench, one or order())
    (row,) = await claim(bench)
    await bench.write(lambda work: begin(work, row))
    return row


async def test_a_row_is_kept_whole(bench: Bench) -> None:
    full = Order(
        "key",
        "reply",
        "lane",
        replace(ROOM, thread_id="5", parent_id="6"),
        Urgency.ALERT,
        3,
        4,
        5,
        "m1",
        "茶 🍵",
        "hash",
        {"a": "b"},
    )
    (row,) = await add(bench, full)
    kept = await bench.read(lambda work: work.outbox.get(row))
    assert (kept.key, kept.kind, kept.lane, kept.to) == ("key", "reply", "lane", full.to)
    assert (kept.draft_id, kept.card_id, kept.version, kept.reply_to) == (3, 4, 5, "m1")
    assert (kept.text, kept.text_hash, kept.extra) == ("茶 🍵", "hash", {"a": "b"})
    assert (kept.state, kept.tries, kept.message_id, kept.started_at) == (S.PENDING, 0, None, None)


async def test_a_lane_goes_out_one_after_the_other(bench: Bench) -> None:
    first, second, third = await add(bench, order(), order(), order())
    for expected in (first, second, third):
        (row,) = await claim(bench)
        assert row.id == expected
        assert await claim(bench) == []
        await bench.write(lambda work, row=row: begin(work, row))
        assert await claim(bench) == []
        assert await bench.write(lambda work, row=row: work.outbox.confirm(row, "m", "answer"))
    assert await claim(bench) == []


async def test_lanes_do_not_wait_for_each_other(bench: Bench) -> None:
    rows = await add(bench, *(order(f"lane {n}") for n in range(5)))
    assert [row.id for row in await claim(bench)] == rows


async def test_what_matters_more_goes_first(bench: Bench) -> None:
    low, high, middle = await add(
        bench, order("a", priority=Urgency.LIVE), order("b", priority=Urgency.ANSWER), order("c")
    )  # fmt: skip
    assert [row.id for row in await claim(bench, 1)] == [high]
    assert [row.id for row in await claim(bench, 1)] == [middle]
    assert [row.id for row in await claim(bench, 1)] == [low]


async def test_priority_does_not_overtake_within_a_lane(bench: Bench) -> None:
    first, _ = await add(bench, order(priority=Urgency.LIVE), order(priority=Urgency.ANSWER))
    assert [row.id for row in await claim(bench)] == [first]


async def test_each_platform_has_its_own_rows(bench: Bench) -> None:
    await add(bench, order("a", to=Channel("slack", "T1", "C1")))
    assert await claim(bench) == []
    assert len(await claim(bench, platform="slack")) == 1


async def test_a_row_waits_for_its_time(bench: Bench) -> None:
    await add(bench, order(delay=10))
    assert await claim(bench) == []
    assert await bench.read(lambda work: work.outbox.next_due("telegram")) == NOW + 10
    bench.now += 9.999
    assert await claim(bench) == []
    bench.now = NOW + 10
    assert len(await claim(bench)) == 1


async def test_a_held_kind_waits_and_others_do_not(bench: Bench) -> None:
    (reply,) = await add(bench, order("a", kind="reply"))
    (line,) = await add(bench, order("b"))
    assert [row.id for row in await claim(bench, held="reply")] == [line]
    assert [row.id for row in await claim(bench)] == [reply]


async def test_an_uncertain_row_blocks_its_lane_for_a_while(bench: Bench) -> None:
    row = await sending(bench)
    assert await bench.write(lambda work: work.outbox.doubt(row, "no answer", None))
    (behind,) = await add(bench, order())
    bench.now = NOW + SKIP_SECONDS
    assert await claim(bench) == []
    bench.now = NOW + SKIP_SECONDS + 0.01
    assert [one.id for one in await claim(bench)] == [behind]


@pytest.mark.parametrize("final", [Step.CONFIRM, Step.REFUSE, Step.GIVE_UP, Step.CANCEL])
async def test_a_row_that_has_ended_lets_the_next_one_go(bench: Bench, final: Step) -> None:
    first, second = await add(bench, order(), order())
    if final is Step.CANCEL:
        assert await bench.write(lambda work: work.outbox.by_person(first, Step.CANCEL))
    else:
        (row,) = await claim(bench)
        await bench.write(lambda work: begin(work, row))
        if final is Step.CONFIRM:
            await bench.write(lambda work: work.outbox.confirm(row, "m", "answer"))
        else:
            await bench.write(lambda work: work.outbox.end(row, final, "why"))
    assert [row.id for row in await claim(bench)] == [second]


async def test_a_confirmed_row_says_what_and_when(bench: Bench) -> None:
    row = await sending(bench)
    bench.now += 3
    assert await bench.write(lambda work: work.outbox.confirm(row, "m77", "answer"))
    kept = await bench.read(lambda work: work.outbox.get(row.id))
    assert (kept.state, kept.message_id, kept.error, kept.started_at) == (S.SENT, "m77", "", NOW)


async def test_a_postponed_row_comes_again_and_counts(bench: Bench) -> None:
    row = await sending(bench)
    assert await bench.write(lambda work: work.outbox.postpone(row, NOW + 7, 2, "busy"))
    assert await claim(bench) == []
    bench.now += 7
    (again,) = await claim(bench)
    assert (again.tries, again.error, again.key) == (2, "busy", row.key)
    assert again.token > row.token


WRITES = {
    "confirm": lambda work, row: work.outbox.confirm(row, "late", "answer"),
    "postpone": lambda work, row: work.outbox.postpone(row, NOW, 1, "late"),
    "release": lambda work, row: work.outbox.release(row, NOW),
    "refuse": lambda work, row: work.outbox.end(row, Step.REFUSE, "late"),
    "doubt": lambda work, row: work.outbox.doubt(row, "late", None),
    "give_up": lambda work, row: work.outbox.end(row, Step.GIVE_UP, "late"),
    "begin": begin,
}


async def whole(bench: Bench, row: int) -> Delivery:
    return await bench.read(lambda work: work.outbox.get(row))


@pytest.mark.parametrize("write", list(WRITES))
@pytest.mark.parametrize("begun", [False, True])
async def test_a_write_with_an_old_token_changes_nothing(bench: Bench, write: str, begun: bool) -> None:
    """I6: a worker that was away while its row was given to another one."""
    await add(bench, order())
    (old,) = await claim(bench)
    await bench.write(lambda work: work.outbox.release(old, NOW))
    (new,) = await claim(bench)
    if begun:
        await bench.write(lambda work: begin(work, new))
    before = await whole(bench, new.id)
    assert not await bench.write(lambda work: WRITES[write](work, old))
    assert await whole(bench, new.id) == before
    if not begun:
        await bench.write(lambda work: begin(work, new))
    assert await bench.write(lambda work: work.outbox.confirm(new, "m", "answer"))


@pytest.mark.parametrize("step", [Step.ARRIVED, Step.AGAIN, Step.DROP])
async def test_after_a_person_has_settled_it_a_worker_changes_nothing(bench: Bench, step: Step) -> None:
    row = await sending(bench)
    await bench.write(lambda work: work.outbox.doubt(row, "?", None))
    assert await bench.write(lambda work: work.outbox.by_person(row.id, step))
    before = await whole(bench, row.id)
    for write in WRITES.values():
        await bench.write(lambda work, write=write: write(work, row))
    assert await whole(bench, row.id) == before


async def reach(bench: Bench, wanted: DeliveryState) -> Delivery:
    """A row in this state."""
    if wanted is S.PENDING:
        (row,) = await add(bench, order())
        return await whole(bench, row)
    await add(bench, order())
    (row,) = await claim(bench)
    if wanted not in {S.CLAIMED, S.CANCELLED}:
        await bench.write(lambda work: begin(work, row))
    ends = {S.FAILED: Step.REFUSE, S.DEAD: Step.GIVE_UP}
    if wanted in {S.UNCERTAIN, S.DROPPED}:
        await bench.write(lambda work: work.outbox.doubt(row, "why", None))
    if wanted in ends:
        await bench.write(lambda work: work.outbox.end(row, ends[wanted], "why"))
    if wanted is S.SENT:
        await bench.write(lambda work: work.outbox.confirm(row, "m", "answer"))
    if wanted in {S.DROPPED, S.CANCELLED}:
        step = Step.DROP if wanted is S.DROPPED else Step.CANCEL
        await bench.write(lambda work: work.outbox.by_person(row.id, step))
    found = await whole(bench, row.id)
    assert found.state is wanted
    return found


@pytest.mark.parametrize("start", list(S))
@pytest.mark.parametrize("step", [Step.ARRIVED, Step.AGAIN, Step.DROP, Step.CANCEL, Step.REVIVE])
async def test_a_person_can_do_what_the_state_machine_allows(bench: Bench, start: DeliveryState, step: Step) -> None:
    row = await reach(bench, start)
    before, after = STEPS[step]
    done = await bench.write(lambda work: work.outbox.by_person(row.id, step))
    assert done == (start in before)
    assert await state(bench, row.id) == (after if done else start)


@pytest.mark.parametrize("start", list(S))
async def test_a_worker_can_do_what_the_state_machine_allows(bench: Bench, start: DeliveryState) -> None:
    row = await reach(bench, start)
    steps = {"confirm": Step.CONFIRM, "postpone": Step.POSTPONE, "release": Step.RELEASE, "refuse": Step.REFUSE,
             "doubt": Step.DOUBT, "give_up": Step.GIVE_UP}  # fmt: skip
    for name, step in steps.items():
        if start not in STEPS[step][0]:
            assert not await bench.write(lambda work, name=name: WRITES[name](work, row))
            assert await whole(bench, row.id) == row


async def test_cancelling_a_claimed_row_makes_its_begin_fail(bench: Bench) -> None:
    await add(bench, order())
    (row,) = await claim(bench)
    assert await bench.write(lambda work: work.outbox.by_person(row.id, Step.CANCEL))
    await bench.write(lambda work: begin(work, row))
    assert await state(bench, row.id) is S.CANCELLED
    assert not await bench.write(lambda work: work.outbox.confirm(row, "m", "answer"))


async def test_what_is_being_sent_can_no_longer_be_cancelled(bench: Bench) -> None:
    row = await sending(bench)
    assert not await bench.write(lambda work: work.outbox.by_person(row.id, Step.CANCEL))
    assert await state(bench, row.id) is S.SENDING


@pytest.mark.parametrize(("start", "step"), [(S.UNCERTAIN, Step.AGAIN), (S.FAILED, Step.REVIVE), (S.DEAD, Step.REVIVE)])
async def test_a_revived_row_has_new_tries_and_the_same_key(bench: Bench, start: DeliveryState, step: Step) -> None:
    row = await reach(bench, start)
    bench.now += 100
    await bench.write(lambda work: work.outbox.by_person(row.id, step))
    (again,) = await claim(bench)
    assert (again.id, again.key, again.tries, again.error) == (row.id, row.key, 0, "")


async def test_what_a_person_saw_arrive_is_sent(bench: Bench) -> None:
    row = await reach(bench, S.UNCERTAIN)
    await bench.write(lambda work: work.outbox.by_person(row.id, Step.ARRIVED))
    found = await whole(bench, row.id)
    assert (found.state, found.message_id) == (S.SENT, None)


REPLY = Order("k1", "reply", "lane", ROOM, draft_id=1, version=1, text="t")


async def test_a_reply_has_one_row_for_each_version_and_destination(bench: Bench) -> None:
    """I1."""
    assert await bench.write(lambda work: work.outbox.add(REPLY)) is not None
    assert await bench.write(lambda work: work.outbox.add(replace(REPLY, key="k2"))) is None
    assert await bench.write(lambda work: work.outbox.add(replace(REPLY, key="k2", text="other"))) is None
    assert await bench.write(lambda work: work.outbox.add(replace(REPLY, key="k3", version=2))) is not None
    elsewhere = replace(ROOM, channel_id="-200")
    assert await bench.write(lambda work: work.outbox.add(replace(REPLY, key="k4", to=elsewhere))) is not None
    assert await bench.write(lambda work: work.outbox.add(replace(REPLY, key="k5", draft_id=2))) is not None


async def test_what_is_no_reply_may_be_sent_as_often_as_wanted(bench: Bench) -> None:
    await add(bench, *(replace(REPLY, key=f"c{n}", kind="correct") for n in range(3)))


async def test_the_reply_of_a_draft_is_its_newest(bench: Bench) -> None:
    await add(bench, REPLY, replace(REPLY, key="k2", version=2), replace(REPLY, key="k3", kind="correct"))
    newest = await bench.read(lambda work: work.outbox.reply_of(1))
    assert newest is not None
    assert newest.key == "k2"
    assert await bench.read(lambda work: work.outbox.reply_of(2)) is None


async def test_what_a_process_left_behind_is_found(bench: Bench) -> None:
    being_sent = await reach(bench, S.SENDING)
    await add(bench, order("other"))
    (claimed,) = await claim(bench)
    assert [row.id for row in await bench.read(lambda work: work.doubts.orphans())] == [being_sent.id]
    await bench.write(lambda work: work.doubts.free_claims())
    assert await state(bench, claimed.id) is S.PENDING
    assert await state(bench, being_sent.id) is S.SENDING
    await bench.write(lambda work: begin(work, claimed))
    assert await state(bench, claimed.id) is S.PENDING


async def test_whether_one_waits_already(bench: Bench) -> None:
    assert not await bench.read(lambda work: work.outbox.waiting("lane", "line"))
    await add(bench, order())
    assert await bench.read(lambda work: work.outbox.waiting("lane", "line"))
    assert not await bench.read(lambda work: work.outbox.waiting("lane", "card"))
    assert not await bench.read(lambda work: work.outbox.waiting("other", "line"))
    await claim(bench)
    assert not await bench.read(lambda work: work.outbox.waiting("lane", "line"))


async def test_a_channel_that_moved_takes_along_what_waits(bench: Bench) -> None:
    new = replace(ROOM, channel_id="-1001")
    await reach(bench, S.SENT)
    (waiting,) = await add(bench, order("other"))
    (elsewhere,) = await add(bench, order("third", to=replace(ROOM, channel_id="-5")))
    await bench.write(lambda work: work.outbox.move(ROOM, new))
    assert (await whole(bench, waiting)).to == new
    assert (await whole(bench, elsewhere)).to.channel_id == "-5"


async def test_replies_are_counted_by_platform_and_state(bench: Bench) -> None:
    await add(bench, REPLY, replace(REPLY, key="k2", version=2), order("x"))
    assert await bench.read(lambda work: work.outbox.counts()) == {("telegram", "pending"): 2}


async def test_nothing_leaves_the_table(bench: Bench) -> None:
    """I5."""
    rows = [(await reach(bench, wanted)).id for wanted in [*FINAL, S.UNCERTAIN]]
    bench.now += 10**6
    await claim(bench)
    assert [await state(bench, row) for row in rows] == [*FINAL, S.UNCERTAIN]
