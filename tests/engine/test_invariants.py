"""The ten invariants of delivery (RELIABILITY section 3) by name; `test_delivery_model.py` searches ways round them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, MAX_TRIES, Deadlines, DeliveryState, Step
from bot.storage.outbox import SKIP_SECONDS, Order

from .world import DEADLINE, ROOM, Engine, Held, failing, make_engine

S = DeliveryState
LOST_REPLY = failing(Unclear("no answer"), after=True)


async def test_i1_an_approved_reply_has_one_row(engine: Engine) -> None:
    one = Order("a", "reply", "lane", ROOM, draft_id=1, version=1, text="t")
    two = Order("b", "reply", "lane", ROOM, draft_id=1, version=1, text="t")
    rows = await engine.write(lambda work: [work.outbox.add(one), work.outbox.add(two)])
    assert rows[0] is not None
    assert rows[1] is None


async def test_i2_a_reply_is_there_once_and_once_more_for_each_time_that_a_person_wants_it(engine: Engine) -> None:
    engine.platform.fates.append(LOST_REPLY)
    row = await engine.order()
    for times in range(1, 4):
        await engine.until(row, S.UNCERTAIN)
        engine.clock.at += 1000
        await engine.until(await engine.order("card", f"other {times}"), S.SENT)
        assert len([call for call in engine.platform.done if call.key == (await engine.row(row)).key]) == times
        engine.platform.fates.append(LOST_REPLY)
        assert await engine.write(lambda work: work.outbox.by_person(row, Step.AGAIN))


async def test_i3_what_is_sent_is_there(engine: Engine) -> None:
    row = await engine.until(await engine.order(), S.SENT)
    assert [call.message_id for call in engine.platform.done] == [row.message_id]


async def test_i4_what_failed_or_was_given_up_never_arrived(engine: Engine) -> None:
    engine.platform.fates.append(failing(Refused("no rights", "403")))
    await engine.until(await engine.order(), S.FAILED)
    engine.platform.fates.extend(failing(NotSent("busy")) for _ in range(MAX_TRIES))
    row = await engine.order()
    for tries in range(1, MAX_TRIES):
        await engine.after_calls(1 + tries)
        engine.clock.at = (await engine.row(row)).due_at
    await engine.until(row, S.DEAD)
    assert engine.platform.done == []


async def test_i5_nothing_leaves_the_table_and_all_comes_to_an_end(engine: Engine) -> None:
    engine.platform.fates.extend([failing(Refused("no")), LOST_REPLY])
    rows = [await engine.order(lane=f"lane {number}") for number in range(4)]
    for row in rows:
        await engine.until(row, S.SENT, S.FAILED, S.UNCERTAIN)
    engine.clock.at += 10**6
    await engine.until(await engine.order("card", "later"), S.SENT)
    ended = [(await engine.row(row)).state for row in rows]
    assert sorted(state for state in ended if state not in FINAL) == [S.UNCERTAIN]


async def test_i6_a_write_with_an_old_token_changes_nothing(engine: Engine) -> None:
    engine.paused = True
    row = await engine.order()
    (old,) = await engine.write(lambda work: work.outbox.claim([row]))
    await engine.write(lambda work: work.outbox.release(old, engine.clock.at))
    (new,) = await engine.write(lambda work: work.outbox.begin(work.outbox.claim([row])))
    assert not await engine.write(lambda work: work.outbox.confirm(old, "m", "answer"))
    assert (await engine.row(row)).state is S.SENDING
    assert await engine.write(lambda work: work.outbox.confirm(new, "m", "answer"))


async def test_i7_time_alone_never_makes_pending_of_sending(path: Path) -> None:
    first, held = await make_engine(path), Held()
    first.platform.fates.append(held)
    first.start()
    row = await first.order()
    async with asyncio.timeout(DEADLINE):
        await held.arrived.wait()
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    second.start()
    for _ in range(4):
        await second.reaper.look()
        second.clock.at += Deadlines().lease
        await second.until(await second.order("card", "other"), S.SENT)
        assert (await second.row(row)).state in {S.SENDING, S.UNCERTAIN}
    assert len([call for call in second.platform.calls if call.key == (await second.row(row)).key]) == 1
    held.go.set()
    for engine in (first, second):
        await engine.stop()
        await engine.store.close()


async def test_i8_a_conversation_goes_out_in_order(engine: Engine) -> None:
    held = Held()
    engine.platform.fates.append(held)
    first, second = await engine.order(), await engine.order()
    async with asyncio.timeout(DEADLINE):
        await held.arrived.wait()
    await engine.until(await engine.order("card", "other"), S.SENT)
    assert (await engine.row(second)).state is S.PENDING
    held.go.set()
    await engine.until(first, S.SENT)
    await engine.until(second, S.SENT)


async def test_i8_a_doubt_holds_up_its_conversation_for_a_while_only(engine: Engine) -> None:
    engine.platform.fates.append(LOST_REPLY)
    first, second = await engine.order(), await engine.order()
    await engine.until(first, S.UNCERTAIN)
    engine.clock.at += SKIP_SECONDS
    await engine.until(await engine.order("card", "other"), S.SENT)
    assert (await engine.row(second)).state is S.PENDING
    engine.clock.at += 1
    await engine.until(second, S.SENT)


async def test_i9_what_arrives_is_what_was_approved(engine: Engine) -> None:
    text = "茶 🍵\u200d <b>&amp;</b>\n @everyone "
    await engine.until(await engine.order(text=text), S.SENT)
    assert [call.message for call in engine.platform.done] == [Reply(text)]


async def test_i10_there_are_never_too_many_tries(engine: Engine) -> None:
    engine.platform.fates.extend(failing(NotSent("busy")) for _ in range(3 * MAX_TRIES))
    row = await engine.order()
    for tries in range(1, MAX_TRIES):
        await engine.after_calls(tries)
        engine.clock.at = (await engine.row(row)).due_at + 100
    dead = await engine.until(row, S.DEAD)
    assert (dead.tries <= MAX_TRIES, len(engine.platform.calls)) == (True, MAX_TRIES)
