"""The courier: every way in which a request can end, and what is written down about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import MAX_TRIES, Deadlines, DeliveryState, Urgency
from bot.engine.buckets import Pace, Rate
from bot.engine.limiter import Limiter
from bot.engine.registry import Change, Create, Doubtful, Lost, Nothing, Registry, Remove, Sent
from bot.storage.outbox import Delivery

from .world import (
    ROOM,
    Engine,
    Held,
    Ledger,
    Recorder,
    failing,
    hanging,
    make_engine,
    message_kinds,
    running,
    until,
)

S = DeliveryState


async def test_what_is_sent_is_what_was_queued_byte_for_byte(engine: Engine) -> None:
    text = "茶 🍵 \u202e <b>&amp;</b> @everyone\n\n  end "
    row = await engine.order(text=text, reply_to="m0")
    sent = await engine.until(row, S.SENT)
    (call,) = engine.platform.done
    assert (call.message, call.to, call.key) == (Reply(text, "m0"), ROOM, sent.key)
    assert sent.message_id == call.message_id
    assert engine.told == [(row, Sent(call.message_id))]


@pytest.mark.parametrize(
    ("error", "kind", "state", "outcome"),
    [
        (Refused("no rights", "403"), "reply", S.FAILED, Lost("no rights", "403")),
        (Refused("no rights", "403"), "card", S.FAILED, Lost("no rights", "403")),
        (Unclear("cut off"), "reply", S.UNCERTAIN, Doubtful("cut off")),
        (ValueError("a bug in the integration"), "reply", S.UNCERTAIN, Doubtful("ValueError")),
    ],
)
async def test_how_a_request_can_end(
    engine: Engine, error: Exception, kind: str, state: DeliveryState, outcome: object
) -> None:
    engine.platform.fates.append(failing(error))
    row = await engine.order(kind)
    ended = await engine.until(row, state)
    assert engine.told == [(row, outcome)]
    assert len(engine.platform.calls) == 1
    assert ended.error


@pytest.mark.parametrize("error", [Unclear("cut off"), ValueError("a bug")])
async def test_a_card_whose_outcome_is_unclear_is_sent_again(engine: Engine, error: Exception) -> None:
    engine.platform.fates.append(failing(error, after=True))
    row = await engine.order("card")
    await engine.after_calls(1)
    waiting = await engine.row(row)
    assert waiting.state is S.PENDING
    engine.clock.at = waiting.due_at + 4
    await engine.until(row, S.SENT)
    assert len(engine.platform.done) == 2


@pytest.mark.parametrize("kind", ["reply", "card"])
async def test_what_was_surely_not_sent_is_tried_again_until_it_is_given_up(engine: Engine, kind: str) -> None:
    engine.platform.fates.extend(failing(NotSent("refused")) for _ in range(9))
    row = await engine.order(kind)
    for tries in range(1, MAX_TRIES):
        await engine.after_calls(tries)
        waiting = await engine.row(row)
        assert waiting.state is S.PENDING
        assert waiting.due_at >= engine.clock.at + 2**tries
        engine.clock.at = waiting.due_at
    dead = await engine.until(row, S.DEAD)
    assert len(engine.platform.calls) == MAX_TRIES
    assert dead.tries <= MAX_TRIES
    assert engine.told == [(row, Lost("refused", "gave_up"))]


async def test_being_told_to_wait_is_obeyed_in_full_and_uses_no_try(engine: Engine) -> None:
    engine.platform.fates.extend(failing(NotSent("429", 82_721.0)) for _ in range(MAX_TRIES + 2))
    row = await engine.order()
    for count in range(1, MAX_TRIES + 3):
        await engine.after_calls(count)
        waiting = await engine.row(row)
        assert waiting.due_at >= engine.clock.at + 82_721
        assert waiting.tries == 0
        engine.clock.at = waiting.due_at + 1
    await engine.until(row, S.SENT)


async def test_a_destination_that_must_wait_holds_back_its_other_messages(engine: Engine) -> None:
    engine.platform.fates.append(failing(NotSent("429", 100.0)))
    first = await engine.order(lane="a")
    await engine.after_calls(1)
    assert (await engine.row(first)).state is S.PENDING
    second = await engine.order(lane="b")
    elsewhere = await engine.order(lane="c", to=replace(ROOM, channel_id="-200"))
    await engine.until(elsewhere, S.SENT)
    assert (await engine.row(second)).state is S.PENDING
    engine.clock.at += 110
    await engine.until(second, S.SENT)


@pytest.mark.parametrize("after", [False, True])
async def test_no_answer_within_the_deadline_is_a_doubt_and_never_a_failure(path: Path, after: bool) -> None:
    async with running(path, deadlines=Deadlines(timeout=0.05, lease=30, grace=5)) as engine:
        engine.platform.fates.append(hanging(after=after))
        row = await engine.order()
        await engine.until(row, S.UNCERTAIN)
        assert engine.told == [(row, Doubtful("no answer in time"))]
        assert len(engine.platform.calls) == 1


async def test_a_text_that_cannot_be_made_ends_and_lets_others_go(path: Path) -> None:
    registry: Registry[Ledger] = Registry()
    message_kinds(registry)

    def broken(_: Ledger, row: Delivery) -> Create:
        raise KeyError(row.id)

    registry.outgoing("broken", broken, registry.kinds["reply"].outcome)
    async with running(path, registry=registry) as engine:
        bad, good = await engine.order("broken"), await engine.order()
        await engine.until(good, S.SENT)
        assert (await engine.row(bad)).state is S.FAILED
        assert [row for row, _ in engine.told] == [bad, good]
        assert len(engine.platform.calls) == 1


async def test_what_no_longer_needs_saying_is_cancelled(path: Path) -> None:
    registry: Registry[Ledger] = Registry()
    registry.outgoing("moot", lambda _, __: Nothing())
    async with running(path, registry=registry) as engine:
        row = await engine.order("moot")
        await engine.until(row, S.CANCELLED)
        assert engine.platform.calls == []


async def test_edits_and_removals(path: Path) -> None:
    registry: Registry[Ledger] = Registry()
    registry.outgoing("change", lambda _, row: Change(Reply(row.text), row.to, "m7"))
    registry.outgoing("remove", lambda _, row: Remove(row.to, "m8"))
    async with running(path, registry=registry) as engine:
        first, second = await engine.order("change", text="new"), await engine.order("remove", text="")
        await engine.until(second, S.SENT)
        assert [(call.what, call.message_id) for call in engine.platform.done] == [("edit", "m7"), ("delete", "m8")]
        assert (await engine.row(first)).message_id == "m7"


async def test_what_a_platform_cannot_do_fails_at_once(path: Path) -> None:
    class Plain(Recorder):
        delete = None  # type: ignore[assignment]

    registry: Registry[Ledger] = Registry()
    registry.outgoing("remove", lambda _, row: Remove(row.to, "m8"))
    async with running(path, registry=registry, platform=Plain()) as engine:
        row = await engine.order("remove", text="")
        await engine.until(row, S.FAILED, S.PENDING, S.UNCERTAIN)
        assert (await engine.row(row)).state is not S.SENT


async def test_a_row_is_given_back_when_its_lease_would_not_last(path: Path) -> None:
    """The machine slept between the claim and the request: the row is claimed afresh, and no try is used up."""
    registry: Registry[Ledger] = Registry()
    prepared: list[int] = []

    def prepare(_: Ledger, row: Delivery) -> Create:
        prepared.append(row.token)
        if len(prepared) <= MAX_TRIES + 1:
            engine.clock.at += 16  # of 30 seconds less than 10 + 5 are left
        return Create(Reply(row.text), row.to)

    registry.outgoing("reply", prepare, once=True)
    async with running(path, registry=registry) as engine:
        row = await engine.order()
        sent = await engine.until(row, S.SENT)
        assert (len(engine.platform.calls), sent.tries) == (1, 0)
        assert prepared == sorted(set(prepared))
        assert len(prepared) == MAX_TRIES + 2


async def test_while_paused_replies_wait_and_cards_do_not(engine: Engine) -> None:
    engine.paused = True
    reply, card = await engine.order(lane="a"), await engine.order("card", "b")
    await engine.until(card, S.SENT)
    assert (await engine.row(reply)).state is S.PENDING
    engine.paused = False
    await engine.until(reply, S.SENT)


async def test_a_reply_that_was_left_in_sending_is_put_to_a_person_and_a_card_is_sent_again(path: Path) -> None:
    """I7: the process died between the request and the answer."""
    first = await make_engine(path)
    held = [Held(), Held()]
    first.platform.fates.extend(held)
    first.start()
    reply, card = await first.order(lane="a"), await first.order("card", "b")
    claimed = await first.order(lane="a")
    for one in held:
        async with asyncio.timeout(30):
            await one.arrived.wait()
    assert (await first.row(reply)).state is S.SENDING
    await first.kill()
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    await second.recover()
    assert (await second.row(reply)).state is S.UNCERTAIN
    assert [(row, type(became)) for row, became in second.told] == [(reply, Doubtful)]
    assert (await second.row(card)).state is S.PENDING
    assert (await second.row(claimed)).state is S.PENDING
    second.start()
    await second.until(card, S.SENT)
    assert [call.key for call in second.platform.done] == [(await second.row(card)).key]
    await second.stop()
    await second.store.close()


async def test_a_reply_that_was_with_the_platform_at_the_kill_is_not_sent_again(path: Path) -> None:
    """Rule 3: that a request is about to be made is written down before it is made."""
    first = await make_engine(path)
    held = Held()
    first.platform.fates.append(held)
    first.start()
    key = (await first.row(await first.order(lane="a"))).key
    async with asyncio.timeout(30):
        await held.arrived.wait()
    await first.kill()
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    await second.recover()
    second.start()
    await second.until(await second.order("card", "b"), S.SENT)
    assert [call.key for call in second.platform.calls].count(key) == 1
    await second.stop()
    await second.store.close()


async def test_a_stopped_workers_late_answer_changes_nothing(path: Path) -> None:
    """The directed scenario for the fencing token: random search does not find it (RELIABILITY section 3)."""
    first = await make_engine(path)
    held = Held()
    first.platform.fates.append(held)
    first.start()
    row = await first.order("card")
    async with asyncio.timeout(30):
        await held.arrived.wait()
    await first.store.halt()  # suspended, not dead
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    await second.recover()
    other = Held()
    second.platform.fates.append(other)
    second.start()
    async with asyncio.timeout(30):
        await other.arrived.wait()
    before = await second.row(row)
    held.go.set()

    async def answered() -> bool:
        return len(first.platform.done) == 1

    await until(answered)
    first.store.resume()
    await first.stop()
    after = await second.row(row)
    assert (after.state, after.token, after.message_id) == (before.state, before.token, None)
    assert first.told == []
    other.go.set()
    sent = await second.until(row, S.SENT)
    assert sent.message_id == second.platform.done[-1].message_id
    await second.stop()
    await first.store.close()
    await second.store.close()


async def test_a_stop_lets_what_is_being_sent_end(path: Path) -> None:
    engine = await make_engine(path)
    held = Held()
    engine.platform.fates.append(held)
    task = engine.start()
    row = await engine.order()
    async with asyncio.timeout(30):
        await held.arrived.wait()
    task.cancel()
    await asyncio.sleep(0)
    held.go.set()
    await engine.stop()
    assert (await engine.row(row)).state is S.SENT
    await engine.store.close()


async def test_a_stop_leaves_nothing_in_sending(path: Path) -> None:
    """F4: an answer that does not come is a doubt; what waited stays pending."""
    engine = await make_engine(path, deadlines=Deadlines(timeout=0.2, lease=30, grace=5))
    engine.platform.fates.extend(hanging() for _ in range(40))
    engine.start()
    rows = [await engine.order(lane=f"lane {n}") for n in range(40)]

    async def some() -> bool:
        return len(engine.platform.calls) >= 1

    await until(some)
    await engine.stop()
    ended = [(await engine.row(row)).state for row in rows]
    assert set(ended) <= {S.UNCERTAIN, S.PENDING}
    assert ended.count(S.UNCERTAIN) == len(engine.platform.calls)
    await engine.store.close()


async def test_a_stop_while_a_request_waits_for_its_turn_puts_it_back(path: Path) -> None:
    """Nothing was sent, so nobody has to look whether it arrived."""
    engine = await make_engine(path)
    waiting = asyncio.Event()

    async def admit(_: object) -> bool:
        waiting.set()
        await asyncio.Event().wait()
        return True

    engine.limiter.admit = admit  # type: ignore[method-assign]
    engine.start()
    row = await engine.order()
    async with asyncio.timeout(30):
        await waiting.wait()
    engine.paused = True
    for task in list(engine.courier._running):
        task.cancel()
    await engine.until(row, S.PENDING)
    await engine.stop()
    assert engine.platform.calls == []
    assert (await engine.row(row)).state is S.PENDING
    await engine.store.close()


async def test_a_stop_during_the_claim_puts_back_what_was_not_sent(path: Path) -> None:
    engine = await make_engine(path)
    rows = [await engine.order(lane=f"lane {n}") for n in range(5)]
    task = engine.start()
    await asyncio.sleep(0)  # it has asked the store, and the answer is on its way
    task.cancel()
    await engine.stop()
    assert {(await engine.row(row)).state for row in rows} == {S.PENDING}
    assert engine.platform.calls == []
    await engine.store.close()


async def test_an_outcome_is_written_when_the_store_can_be_used_again(path: Path) -> None:
    """F10: sent, and then the disk is full. It must neither be sent again nor forgotten."""
    async with running(path) as engine:
        held = Held()
        engine.platform.fates.append(held)
        row = await engine.order()
        async with asyncio.timeout(30):
            await held.arrived.wait()
        engine.store.full = True
        held.go.set()

        async def done() -> bool:
            return len(engine.platform.done) == 1

        await until(done)
        engine.store.full = False
        await engine.until(row, S.SENT)
        assert len(engine.platform.done) == 1


async def test_messages_wait_for_the_limiter_and_urgent_ones_do_not(path: Path) -> None:
    from .world import HandClock

    clock = HandClock()
    limiter = Limiter(Pace(Rate(100, 1, 100), (Rate(1, 1, 1),)), clock.monotonic, clock.now)
    async with running(path, clock=clock, limiter=limiter) as engine:
        rows = [await engine.order("card", f"lane {n}") for n in range(3)]
        await engine.until(rows[0], S.SENT)
        urgent = await engine.order("card", "urgent", priority=Urgency.ANSWER)
        await engine.until(urgent, S.SENT)
        assert [(await engine.row(row)).state for row in rows[1:]] == [S.PENDING, S.PENDING]
        clock.at += 1.3
        await engine.until(rows[1], S.SENT)
        assert (await engine.row(rows[2])).state is S.PENDING
