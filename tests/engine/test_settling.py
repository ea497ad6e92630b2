"""What becomes of a delivery, case by case and to the second: the same rules for everybody who finds out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, SendError, Sought, Unclear
from bot.domain.delivery import LONGEST_LOOK, MAX_LOOKS, MAX_TRIES, Deadlines, DeliveryState
from bot.engine import settling as module
from bot.engine.registry import Absent, Checking, Doubtful, Lost, Nothing, Outcome, Registry, Sent
from bot.engine.settling import LONGEST_WHY, ONCE_ABSENT, Settling
from bot.storage.outbox import Delivery
from bot.storage.work import Work

from .world import ROOM, START, Engine, Ledger, make_engine, message_kinds

S = DeliveryState
JITTER = 0.25
DEADLINES = Deadlines(timeout=10, lease=40, grace=4)


@pytest.fixture
async def engine(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """With kinds that cannot be made, and that make nothing; Telegram cannot be asked."""

    def broken(_: Ledger, __: Delivery) -> Nothing:
        raise ValueError("broken")

    def deaf(_: Ledger, __: Delivery, ___: Outcome) -> None:
        raise ValueError("nobody listens")

    monkeypatch.setattr(module, "_jitter", lambda: JITTER)
    registry: Registry[Ledger] = Registry()
    message_kinds(registry)
    registry.outgoing("broken", broken, once=True)
    registry.outgoing("nothing", lambda *_: Nothing(), deaf, once=True)
    made = await make_engine(path, registry=registry)
    yield made
    await made.store.close()


def rules(engine: Engine, *finds: str) -> Settling[Ledger]:
    return Settling(engine.core, DEADLINES, finds)


async def sending(engine: Engine, kind: str = "reply", tries: int = 0) -> Delivery:
    """A row whose request began a second ago."""
    number = await engine.order(kind, text="hello", key=f"{kind} {tries}")

    def unit(work: Work) -> Delivery:
        for spent in range(1, tries + 1):
            (row,) = work.outbox.begin(work.outbox.claim([number]))
            work.outbox.postpone(row, work.now, spent, "")
        (row,) = work.outbox.begin(work.outbox.claim([number]))
        return row

    row = await engine.write(unit)
    engine.clock.at += 1
    return row


async def after(engine: Engine, row: Delivery, deed: Callable[[Work], None]) -> Delivery:
    await engine.write(deed)
    return await engine.row(row.id)


async def uncertain(engine: Engine, kind: str = "reply", tries: int = 0) -> Delivery:
    row = await sending(engine, kind, tries)
    return await after(engine, row, lambda work: rules(engine, "telegram").failed(work, row, Unclear("cut off")))


async def test_a_confirmation_says_where_it_is(engine: Engine) -> None:
    row = await sending(engine)
    sent = await after(engine, row, lambda work: rules(engine).confirmed(work, row, "m-1"))
    assert (sent.state, sent.message_id, engine.told) == (S.SENT, "m-1", [(row.id, Sent("m-1"))])
    await after(engine, row, lambda work: rules(engine).confirmed(work, row, "m-2"))
    assert len(engine.told) == 1


async def test_a_refusal_is_the_end_and_its_reason_is_cut(engine: Engine) -> None:
    row = await sending(engine)
    why = "x" * LONGEST_WHY
    ended = await after(engine, row, lambda work: rules(engine).failed(work, row, Refused(why + "y", "403")))
    assert (ended.state, ended.error, engine.told) == (S.FAILED, why, [(row.id, Lost(why, "403"))])
    await after(engine, row, lambda work: rules(engine).failed(work, row, Refused("again", "403")))
    assert len(engine.told) == 1


@pytest.mark.parametrize("finds", [True, False])
async def test_an_unclear_outcome_is_looked_up_after_the_quiet_period_or_put_to_a_person(
    engine: Engine, finds: bool
) -> None:
    row = await sending(engine)
    settling = rules(engine, *(["telegram"] if finds else ["slack"]))
    doubtful = await after(engine, row, lambda work: settling.failed(work, row, Unclear("cut off")))
    assert (doubtful.state, doubtful.error) == (S.UNCERTAIN, "cut off")
    assert doubtful.look_at == (START + DEADLINES.quiet if finds else None)
    assert engine.told == [(row.id, Checking("cut off") if finds else Doubtful("cut off"))]


async def test_a_request_that_ended_late_is_not_looked_up_at_once(engine: Engine) -> None:
    row = await sending(engine)
    engine.clock.at = START + 13
    late = await after(engine, row, lambda work: rules(engine, "telegram").failed(work, row, Unclear("late")))
    assert late.look_at == START + 13 + DEADLINES.grace


@pytest.mark.parametrize(
    ("kind", "error", "tries", "wait"),
    [
        ("reply", NotSent("no way"), 1, 2 + JITTER),
        ("reply", NotSent("slower", 7.0), 0, 7 + JITTER),
        ("card", Unclear("cut off"), 1, 2 + JITTER),
    ],
)
async def test_what_may_be_repeated_is_tried_again_and_being_told_to_wait_costs_no_try(
    engine: Engine, kind: str, error: SendError, tries: int, wait: float
) -> None:
    row = await sending(engine, kind)
    waiting = await after(engine, row, lambda work: rules(engine).failed(work, row, error))
    assert (waiting.state, waiting.tries, waiting.error, engine.told) == (S.PENDING, tries, str(error), [])
    assert waiting.due_at == pytest.approx(START + 1 + wait)


async def test_the_last_try_is_the_last(engine: Engine) -> None:
    row = await sending(engine, tries=MAX_TRIES - 2)
    again = await after(engine, row, lambda work: rules(engine).failed(work, row, NotSent("no way")))
    assert (again.state, again.tries) == (S.PENDING, MAX_TRIES - 1)
    engine.clock.at += 1000
    (last,) = await engine.write(lambda work: work.outbox.begin(work.outbox.claim([row.id])))
    dead = await after(engine, last, lambda work: rules(engine).failed(work, last, NotSent("no way")))
    assert (dead.state, dead.error, engine.told) == (S.DEAD, "no way", [(row.id, Lost("no way", "gave_up"))])


async def test_what_a_dead_process_left_has_its_quiet_period_from_now_or_goes_again(engine: Engine) -> None:
    reply, card = await sending(engine), await sending(engine, "card")
    engine.clock.at += 100
    now = engine.clock.at
    left = await after(engine, reply, lambda work: rules(engine, "telegram").left(work, reply, "died"))
    assert (left.state, left.look_at, left.error) == (S.UNCERTAIN, now + DEADLINES.quiet, "died")
    again = await after(engine, card, lambda work: rules(engine, "telegram").left(work, card, "died"))
    assert (again.state, again.due_at, again.tries, again.error) == (S.PENDING, now, 0, "died")


async def test_what_is_sought_is_what_was_sent(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    row = await sending(engine)
    broken, nothing = await sending(engine, "broken"), await sending(engine, "nothing")
    with caplog.at_level(logging.ERROR):
        found = await engine.read(lambda work: [rules(engine).sought(work, one) for one in (row, broken, nothing)])
    assert found == [Sought(Reply("hello", None), ROOM, row.key, START), None, None]
    assert [record.getMessage() for record in caplog.records] == [f"delivery {broken.id} (broken) cannot be looked up"]


async def test_what_is_found_is_sent(engine: Engine) -> None:
    row = await uncertain(engine)
    found = await after(engine, row, lambda work: rules(engine).looked_up(work, row, "m-9"))
    assert (found.state, found.message_id) == (S.SENT, "m-9")
    assert engine.told[1:] == [(row.id, Sent("m-9"))]
    await after(engine, row, lambda work: rules(engine).looked_up(work, row, "m-9"))
    assert len(engine.told) == 2


async def test_only_the_second_look_that_finds_nothing_is_believed(engine: Engine) -> None:
    row = await uncertain(engine)
    once = await after(engine, row, lambda work: rules(engine).looked_up(work, row, None))
    assert (once.state, once.error) == (S.UNCERTAIN, "cut off" + ONCE_ABSENT)
    assert once.look_at == engine.clock.at + DEADLINES.grace
    again = await after(engine, once, lambda work: rules(engine).looked_up(work, once, None))
    assert (again.state, again.error, again.tries) == (S.PENDING, "cut off", 1)
    assert again.due_at == pytest.approx(engine.clock.at + 2 + JITTER)
    assert engine.told[1:] == [(row.id, Absent())]


async def test_what_is_not_there_after_its_last_try_is_given_up(engine: Engine) -> None:
    row = await uncertain(engine, tries=MAX_TRIES - 1)
    once = await after(engine, row, lambda work: rules(engine).looked_up(work, row, None))
    dead = await after(engine, once, lambda work: rules(engine).looked_up(work, once, None))
    assert (dead.state, dead.error) == (S.DEAD, "cut off")
    assert engine.told[1:] == [(row.id, Lost("cut off", "gave_up"))]


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Unclear("cut off again"), 1 + JITTER),
        (NotSent("slower", 7.0), 7 + JITTER),
        (NotSent("much slower", MAX_LOOKS * LONGEST_LOOK + 1), None),
        (Refused("not for you", "403"), None),
    ],
)
async def test_a_look_that_told_nothing_is_made_again_or_a_person_is_asked(
    engine: Engine, error: SendError, wait: float | None
) -> None:
    row = await uncertain(engine)
    later = await after(engine, row, lambda work: rules(engine).not_looked_up(work, row, error))
    assert later.state is S.UNCERTAIN
    if wait is None:
        assert (later.look_at, later.error) == (None, str(error))
        assert engine.told[1:] == [(row.id, Doubtful(str(error)))]
    else:
        assert later.look_at == pytest.approx(engine.clock.at + wait)
        assert later.error == "cut off"
        assert len(engine.told) == 1


async def test_an_outcome_stands_whatever_its_handler_does(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    row = await sending(engine, "nothing")
    sent = await after(engine, row, lambda work: rules(engine).confirmed(work, row, "m-1"))
    assert sent.state is S.SENT
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.getMessage() == f"outcome of delivery {row.id} (nothing)"
    assert record.exc_info is not None
    silent = await sending(engine, "broken")
    assert (await after(engine, silent, lambda work: rules(engine).confirmed(work, silent, "m-2"))).state is S.SENT
    assert engine.told == []
