"""Look-ups: what may have arrived is asked for once nothing of it can land any more, and people as a last resort."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import MAX_LOOKS, MAX_TRIES, Deadlines, DeliveryState, Step
from bot.engine.registry import Absent, Checking, Create, Doubtful, Lost, Nothing, Registry, Sent
from bot.storage.outbox import Delivery

from .world import (
    ROOM,
    Engine,
    Finder,
    Held,
    HeldLook,
    Ledger,
    Recorder,
    failing,
    hanging,
    make_engine,
    message_kinds,
    running,
    unknown,
    until,
)

S = DeliveryState
QUIET, GRACE = Deadlines().quiet, Deadlines().grace
LOST = failing(Unclear("no answer"))
LOST_REPLY = failing(Unclear("no answer"), after=True)


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    async with running(path, platform=Finder()) as made:
        yield made


def finder(engine: Engine) -> Finder:
    assert isinstance(engine.platform, Finder)
    return engine.platform


async def doubted(engine: Engine, *, arrived: bool, kind: str = "reply") -> int:
    """A reply whose request went out, and nobody knows what came of it."""
    engine.platform.fates.append(LOST_REPLY if arrived else LOST)
    row = await engine.order(kind)
    await engine.until(row, S.UNCERTAIN)
    return row


def looking() -> bool:
    """Whether an answer of the platform is still to be written."""
    return any("Reconciler._look" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def looked(engine: Engine, count: int) -> None:
    """Wait until the platform was asked so often, and what it said is written."""

    async def there() -> bool:
        return len(finder(engine).sought) == count and not looking()

    await until(there)


async def test_what_arrived_is_found_and_nobody_is_asked(engine: Engine) -> None:
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    sent = await engine.until(row, S.SENT)
    (call,) = engine.platform.done
    assert (sent.message_id, sent.look_at) == (call.message_id, None)
    assert engine.told == [(row, Checking("no answer")), (row, Sent(call.message_id))]
    assert len(engine.platform.calls) == 1
    by = "SELECT confirmed_by FROM outbox"
    assert await engine.store.read(lambda c: c.exec_driver_sql(by).scalar_one()) == "lookup"


async def test_the_platform_is_asked_for_what_was_sent(engine: Engine) -> None:
    started = engine.clock.at
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    sent = await engine.until(row, S.SENT)
    (sought,) = finder(engine).sought
    assert (sought.message, sought.to, sought.key, sought.started_at) == (Reply(sent.text), ROOM, sent.key, started)


async def absent_twice(engine: Engine) -> None:
    """Time for both looks that it takes to believe that a message is not there."""
    before = len(finder(engine).sought)
    engine.clock.at += QUIET
    await looked(engine, before + 1)
    engine.clock.at += GRACE


async def test_what_was_only_late_is_found_at_the_second_look(engine: Engine) -> None:
    """A link that was slow brought the look-up there just before the request."""
    row = await doubted(engine, arrived=False)
    engine.clock.at += QUIET
    await looked(engine, 1)
    assert (await engine.row(row)).state is S.UNCERTAIN
    engine.platform.done.append(engine.platform.calls[0])  # it lands
    engine.clock.at += GRACE
    await engine.until(row, S.SENT)
    assert len(engine.platform.calls) == 1


async def test_what_did_not_arrive_is_sent_again_under_the_same_key(engine: Engine) -> None:
    row = await doubted(engine, arrived=False)
    await absent_twice(engine)
    waiting = await engine.until(row, S.PENDING)
    assert waiting.error == "no answer"
    assert (waiting.tries, waiting.look_at) == (1, None)
    assert waiting.due_at >= engine.clock.at + 2
    engine.clock.at = waiting.due_at
    await engine.until(row, S.SENT)
    assert len({call.key for call in engine.platform.calls}) == 1
    assert [type(became) for _, became in engine.told] == [Checking, Absent, Sent]


async def test_what_never_arrives_is_given_up_and_surely_not_there(engine: Engine) -> None:
    """I4, I10."""
    engine.platform.fates.extend(LOST for _ in range(MAX_TRIES))
    row = await engine.order()
    for _ in range(MAX_TRIES):
        await engine.until(row, S.UNCERTAIN)
        await absent_twice(engine)
        engine.clock.at = (await engine.until(row, S.PENDING, S.DEAD)).due_at + 20
    dead = await engine.until(row, S.DEAD)
    assert (len(engine.platform.calls), dead.look_at) == (MAX_TRIES, None)
    assert dead.tries < MAX_TRIES
    assert engine.told[-1] == (row, Lost("no answer", "gave_up"))


async def test_nothing_is_asked_before_the_quiet_period_is_over(engine: Engine) -> None:
    """A request that lands late must be there when it is looked for."""
    row = await doubted(engine, arrived=False)
    engine.clock.at += QUIET - 0.01
    other = await engine.order("card", "other")
    await engine.until(other, S.SENT)
    assert finder(engine).sought == []
    (call,) = [call for call in engine.platform.calls if call.key == (await engine.row(row)).key]
    engine.platform.done.append(call)  # now it lands
    engine.clock.at += 0.01
    sent = await engine.until(row, S.SENT)
    assert sent.message_id == call.message_id


async def test_a_wall_clock_that_jumps_makes_no_look_up_early(path: Path) -> None:
    async with running(path, platform=Finder()) as engine:
        jump = 0.0
        engine.clock.now = lambda: engine.clock.at + jump  # type: ignore[method-assign]
        await doubted(engine, arrived=False)

        async def seen() -> bool:
            return bool(engine.reconciler._due)

        await until(seen)
        jump = 3600.0
        other = await engine.order("card", "other")
        await engine.until(other, S.SENT)
        assert finder(engine).sought == []
        engine.clock.at += QUIET
        await looked(engine, 1)


@pytest.mark.parametrize("error", [Unclear("cut off"), NotSent("busy"), ValueError("a bug")])
async def test_a_look_up_that_fails_is_made_again_and_then_a_person_is_asked(engine: Engine, error: Exception) -> None:
    finder(engine).looks.extend(unknown(error) for _ in range(MAX_LOOKS))
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    for count in range(1, MAX_LOOKS):
        await looked(engine, count)
        waiting = await engine.row(row)
        assert (waiting.state, waiting.looks) == (S.UNCERTAIN, count)
        assert waiting.look_at is not None
        engine.clock.at = waiting.look_at
    await looked(engine, MAX_LOOKS)
    asked = await engine.row(row)
    assert (asked.state, asked.look_at) == (S.UNCERTAIN, None)
    assert [type(became) for _, became in engine.told] == [Checking, Doubtful]
    engine.clock.at += 10_000
    await engine.until(await engine.order("card", "other"), S.SENT)
    assert len(finder(engine).sought) == MAX_LOOKS


async def test_a_platform_that_comes_back_says_where_it_is(engine: Engine) -> None:
    finder(engine).looks.append(unknown(Unclear("cut off")))
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    await looked(engine, 1)
    engine.clock.at = (await engine.row(row)).look_at or 0
    await engine.until(row, S.SENT)
    assert len(engine.platform.calls) == 1


async def test_what_can_never_be_told_is_put_to_a_person_at_once(engine: Engine) -> None:
    finder(engine).looks.append(unknown(Refused("no history scope", "missing_scope")))
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    await looked(engine, 1)
    assert (await engine.row(row)).look_at is None
    assert engine.told[-1] == (row, Doubtful("no history scope"))


async def test_being_told_to_wait_holds_back_all_look_ups(engine: Engine) -> None:
    finder(engine).looks.append(unknown(NotSent("429", 30.0)))
    first = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    await looked(engine, 1)
    engine.platform.fates.append(LOST_REPLY)
    second = await engine.order(lane="other")
    await engine.until(second, S.UNCERTAIN)
    engine.clock.at += QUIET
    await engine.until(await engine.order("card", "third"), S.SENT)
    assert len(finder(engine).sought) == 1
    engine.clock.at += 16
    await engine.until(first, S.SENT)
    await engine.until(second, S.SENT)


async def test_a_wait_that_is_too_long_puts_it_to_a_person(engine: Engine) -> None:
    finder(engine).looks.append(unknown(NotSent("429", 82_721.0)))
    row = await doubted(engine, arrived=True)
    engine.clock.at += QUIET
    await looked(engine, 1)
    assert engine.told[-1] == (row, Doubtful("429"))


async def test_a_look_up_has_a_deadline(path: Path) -> None:
    async with running(path, platform=Finder(), deadlines=Deadlines(0.05, 30, 0.01)) as engine:
        finder(engine).looks.append(HeldLook())
        row = await doubted(engine, arrived=True)
        engine.clock.at += 1
        await looked(engine, 1)
        engine.clock.at = (await engine.row(row)).look_at or 0
        await engine.until(row, S.SENT)


@pytest.mark.parametrize("step", [Step.ARRIVED, Step.AGAIN, Step.DROP])
async def test_what_a_person_decides_meanwhile_wins(engine: Engine, step: Step) -> None:
    held = HeldLook()
    finder(engine).looks.append(held)
    row = await doubted(engine, arrived=False)
    engine.clock.at += QUIET
    async with asyncio.timeout(30):
        await held.arrived.wait()
    engine.paused = True  # what is to be sent again stays where it can be seen
    assert await engine.write(lambda work: work.outbox.by_person(row, step))
    before = await engine.row(row)
    held.go.set()
    await engine.until(await engine.order("card", "other"), S.SENT)

    async def idle() -> bool:
        return not looking()

    await until(idle)
    assert await engine.row(row) == before
    assert [type(became) for number, became in engine.told if number == row] == [Checking]


async def test_a_look_up_survives_a_kill_and_is_still_counted(path: Path) -> None:
    first = await make_engine(path, platform=Finder())
    finder(first).looks.append(HeldLook())
    first.start()
    row = await doubted(first, arrived=True)
    first.clock.at += QUIET

    async def asked() -> bool:
        return len(finder(first).sought) == 1

    await until(asked)
    await first.kill()
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    await second.recover()
    second.start()
    left = await second.row(row)
    assert (left.state, left.looks) == (S.UNCERTAIN, 1)
    second.clock.at = left.look_at or 0
    await second.until(row, S.SENT)
    assert len(second.platform.calls) == 1
    await second.stop()
    await second.store.close()


async def test_where_nothing_can_be_looked_up_what_waits_for_it_is_put_to_a_person(path: Path) -> None:
    """The platform could be asked when the row was written, and this one cannot."""
    first = await make_engine(path, platform=Finder())
    first.start()
    row = await doubted(first, arrived=True)
    await first.kill()
    async with running(path, platform=Recorder(), clock=first.clock) as second:
        second.clock.at += QUIET

        async def asked() -> bool:
            return bool(second.told)

        await until(asked)
        assert second.told == [(row, Doubtful("it cannot be looked up"))]


async def test_what_can_no_longer_be_made_is_put_to_a_person(path: Path) -> None:
    registry: Registry[Ledger] = Registry()
    message_kinds(registry)
    usual = registry.kinds["reply"]
    made: list[int] = []

    def prepare(_: Ledger, row: Delivery) -> Create | Nothing:
        made.append(row.id)
        return Create(Reply(row.text), row.to) if len(made) == 1 else Nothing()

    registry.outgoing("reply", prepare, usual.outcome, once=True)
    async with running(path, platform=Finder(), registry=registry) as engine:
        row = await doubted(engine, arrived=True)
        engine.clock.at += QUIET

        async def asked() -> bool:
            return (row, Doubtful("it cannot be looked up")) in engine.told

        await until(asked)


async def test_a_card_is_never_looked_up(engine: Engine) -> None:
    engine.platform.fates.append(LOST_REPLY)
    row = await engine.order("card")
    await engine.after_calls(1)
    engine.clock.at += QUIET
    await engine.until(row, S.SENT)
    assert finder(engine).sought == []


async def test_an_answer_that_comes_after_all_ends_the_doubt(path: Path) -> None:
    """A worker that was suspended with the platform's answer in its hands: nobody has touched the row since."""
    first = await make_engine(path)
    held = Held()
    first.platform.fates.append(held)
    first.start()
    row = await first.order()
    async with asyncio.timeout(30):
        await held.arrived.wait()
    await first.store.halt()
    second = await make_engine(path, platform=first.platform, clock=first.clock)
    await second.recover()
    assert (await second.row(row)).state is S.UNCERTAIN
    held.go.set()
    first.store.resume()
    sent = await second.until(row, S.SENT)
    assert sent.message_id == first.platform.done[0].message_id
    for engine in (first, second):
        await engine.stop()
        await engine.store.close()


async def test_a_request_that_hangs_is_looked_up_too(path: Path) -> None:
    async with running(path, platform=Finder(), deadlines=Deadlines(0.05, 30, 5)) as engine:
        engine.platform.fates.append(hanging(after=True))
        row = await engine.order()
        await engine.until(row, S.UNCERTAIN)
        engine.clock.at += 5.05
        await engine.until(row, S.SENT)
        assert len(engine.platform.calls) == 1
