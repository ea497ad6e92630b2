"""What a courier takes next, of more than it can send: the first rows, then some of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bot.domain.delivery import DeliveryState, Urgency
from bot.domain.places import Channel
from bot.engine.claiming import EACH, KEPT, PAGE, Begun, Claims
from bot.engine.limiter import Candidate, Limiter
from bot.engine.registry import Lost, Nothing, Outcome, Registry
from bot.storage.outbox import Delivery, Order
from bot.storage.work import Work

from .world import Engine, Ledger, make_engine, message_kinds


class Picky(Limiter):
    """Lets go what a test wants; remembers what it was offered, and what came back unused."""

    def __init__(self, wanted: Callable[[Candidate], bool], waits: dict[str, float] | None = None) -> None:
        super().__init__(None, lambda: 0.0)
        self.wanted = wanted
        self.paced = waits or {}
        self.offered: list[list[Candidate]] = []
        self.back: list[Candidate] = []

    def choose(self, candidates: Sequence[Candidate], free: int, kept: int = 0) -> list[Candidate]:
        assert kept == KEPT
        self.offered.append(list(candidates))
        return [one for one in candidates if self.wanted(one)][:free]

    def waits(self) -> dict[str, float]:
        return self.paced

    def unused(self, one: Candidate) -> None:
        self.back.append(one)


async def scene(
    path: Path, limiter: Limiter, registry: Registry[Ledger] | None = None, held: str = ""
) -> tuple[Engine, Claims[Ledger]]:
    engine = await make_engine(path, limiter=limiter, registry=registry)
    return engine, Claims(engine.core, "telegram", limiter, engine.settling, lambda _: held)


async def fill(engine: Engine, count: int, channel: str, urgency: Urgency, kind: str = "card") -> None:
    """Rows that wait for none of each other."""

    def unit(work: Work) -> None:
        for number in range(count):
            key = f"{channel} {urgency.value} {kind} {number}"
            order = Order(key, kind, key, Channel("telegram", "1", channel), priority=urgency, text=key)
            work.outbox.add(order)

    await engine.write(unit)


async def begin(engine: Engine, claims: Claims[Ledger], free: int) -> tuple[list[Begun], list[Candidate]]:
    chosen: list[Candidate] = []

    def unit(connection: Connection) -> list[Begun]:
        return claims.begin(connection, free, chosen)

    return await engine.store.write(unit), chosen


async def test_what_is_chosen_is_claimed_made_and_begun(path: Path) -> None:
    limiter = Picky(lambda one: one.destination == "-1")
    engine, claims = await scene(path, limiter)
    await fill(engine, 1, "-1", Urgency.ALERT)
    await fill(engine, 1, "-2", Urgency.ALERT)
    begun, chosen = await begin(engine, claims, 8)
    assert [(one.chosen.destination, one.row.state, one.chosen) for one in begun] == [
        ("-1", DeliveryState.SENDING, Candidate(begun[0].row.id, "-1", Urgency.ALERT))
    ]
    assert [one.chosen for one in begun] == chosen
    assert (await engine.row(begun[0].row.id)).state is DeliveryState.SENDING
    claims.unused(chosen, {begun[0].row.id})
    assert (limiter.back, chosen) == ([], [])
    await engine.store.write(lambda connection: claims.put_back(connection, [one.row for one in begun]))
    assert (await engine.row(begun[0].row.id)).state is DeliveryState.PENDING
    await engine.store.close()


async def test_a_unit_that_runs_again_hands_back_what_it_chose(path: Path) -> None:
    limiter = Picky(lambda _: True)
    engine, claims = await scene(path, limiter)
    before = [Candidate(77, "-9", Urgency.REPLY)]
    await engine.store.write(lambda connection: claims.begin(connection, 8, before))
    assert (limiter.back, before) == ([Candidate(77, "-9", Urgency.REPLY)], [])
    await engine.store.close()


async def test_rows_that_must_wait_hide_no_others(path: Path) -> None:
    """A broadcast of many rows to one room stands before a card, and before others of its class."""
    limiter = Picky(lambda one: one.destination != "-1")
    engine, claims = await scene(path, limiter)
    await fill(engine, PAGE + 40, "-1", Urgency.LIVE)
    await fill(engine, 1, "-2", Urgency.LIVE)
    await fill(engine, 2, "-3", Urgency.BROADCAST)
    begun, _ = await begin(engine, claims, 64)
    assert [one.chosen.destination for one in begun] == ["-2", "-3", "-3"]
    first, _ = limiter.offered
    assert [one.destination for one in first] == ["-1"] * PAGE
    await engine.store.close()


async def test_what_was_chosen_is_not_offered_again(path: Path) -> None:
    limiter = Picky(lambda one: one.destination != "-1")
    engine, claims = await scene(path, limiter)
    await fill(engine, 1, "-2", Urgency.ALERT)
    await fill(engine, PAGE, "-1", Urgency.ALERT)
    begun, chosen = await begin(engine, claims, 64)
    _, rest = limiter.offered
    assert [one.chosen for one in begun] == chosen
    assert len(chosen) == 1
    assert chosen[0] not in rest
    await engine.store.close()


async def test_one_destination_does_not_fill_the_list(path: Path) -> None:
    limiter = Picky(lambda _: False)
    engine, claims = await scene(path, limiter)
    await fill(engine, 3 * PAGE, "-1", Urgency.LIVE)
    for room in range(2, 60):
        await fill(engine, 3, f"-{room}", Urgency.LIVE)
    await begin(engine, claims, 64)
    _, rest = limiter.offered
    count = Counter(one.destination for one in rest)
    assert count["-1"] <= PAGE  # what the first page held; the next ones leave it out
    assert len(count) > 20
    await engine.store.close()


async def test_of_each_destination_a_few_are_looked_at_before_it_is_the_others_turn(path: Path) -> None:
    limiter = Picky(lambda _: False)
    engine, claims = await scene(path, limiter)
    await fill(engine, EACH, "-1", Urgency.LIVE)
    await fill(engine, EACH - 1, "-2", Urgency.LIVE)
    for room in range(PAGE - 2 * EACH + 1):
        await fill(engine, 1, f"-1{room}", Urgency.LIVE)
    for name in ("-1", "-2", "-3"):
        await fill(engine, 1, name, Urgency.LIVE, "reply")
    await begin(engine, claims, 64)
    _, rest = limiter.offered
    count = Counter(one.destination for one in rest)
    assert [count[room] for room in ("-1", "-2", "-3")] == [EACH, EACH, 1]
    await engine.store.close()


async def test_rooms_that_wait_get_answers_only_and_so_does_everybody_while_the_bot_waits(path: Path) -> None:
    limiter = Picky(lambda _: True, {"-1": 5.0})
    engine, claims = await scene(path, limiter)
    for room in ("-1", "-2"):
        await fill(engine, 1, room, Urgency.ALERT)
        await fill(engine, 1, room, Urgency.ANSWER)
    begun, _ = await begin(engine, claims, 64)
    assert [(one.chosen.destination, one.chosen.urgency) for one in begun] == [("-1", 0), ("-2", 0), ("-2", 2)]
    await engine.store.close()


async def test_while_the_whole_bot_waits_only_answers_are_looked_at(path: Path) -> None:
    limiter = Picky(lambda _: False, {"": 5.0})
    engine, claims = await scene(path, limiter)
    await fill(engine, PAGE + 1, "-1", Urgency.ANSWER)
    await fill(engine, 3, "-2", Urgency.REPLY)
    await begin(engine, claims, 64)
    assert {one.urgency for offer in limiter.offered for one in offer} == {Urgency.ANSWER}
    await engine.store.close()


async def test_what_is_held_waits(path: Path) -> None:
    engine, claims = await scene(path, Picky(lambda _: True), held="reply")
    await fill(engine, 1, "-1", Urgency.REPLY, "reply")
    await fill(engine, 1, "-1", Urgency.REPLY, "card")
    begun, _ = await begin(engine, claims, 64)
    assert [one.row.kind for one in begun] == ["card"]
    await engine.store.close()


async def test_a_few_free_senders_look_at_a_few_rows_first(path: Path) -> None:
    limiter = Picky(lambda _: True)
    engine, claims = await scene(path, limiter)
    await fill(engine, 10, "-1", Urgency.ALERT)
    begun, _ = await begin(engine, claims, 3)
    assert len(begun) == 3
    assert [len(offer) for offer in limiter.offered] == [6]
    assert EACH < 6
    await engine.store.close()


@pytest.mark.parametrize("private", [False, True])
async def test_what_cannot_be_made_is_failed_and_quoted_only_if_it_may_be(
    path: Path, caplog: pytest.LogCaptureFixture, private: bool
) -> None:
    def broken(_: Ledger, __: Delivery) -> Nothing:
        raise ValueError("the secret text")

    def told(ledger: Ledger, row: Delivery, became: Outcome) -> None:
        ledger.told.append((row.id, became))

    registry: Registry[Ledger] = Registry()
    message_kinds(registry)
    registry.outgoing("broken", broken, told, private=private)
    registry.outgoing("nothing", lambda *_: Nothing())
    engine, claims = await scene(path, Picky(lambda _: True), registry)
    await fill(engine, 1, "-1", Urgency.ALERT, "broken")
    await fill(engine, 1, "-1", Urgency.ALERT, "nothing")
    await fill(engine, 1, "-1", Urgency.ALERT)
    begun, chosen = await begin(engine, claims, 64)
    assert [one.row.kind for one in begun] == ["card"]
    states = {kind: (await engine.row(one.id)).state for kind, one in zip(("broken", "nothing"), chosen, strict=False)}
    assert states == {"broken": DeliveryState.FAILED, "nothing": DeliveryState.CANCELLED}
    assert (await engine.row(chosen[0].id)).error == "it could not be made"
    assert engine.told == [(chosen[0].id, Lost("it could not be made"))]
    (said,) = [record for record in caplog.records if record.name == "herald.outbox"]
    assert said.getMessage().startswith(f"delivery {chosen[0].id} (broken) cannot be made")
    assert ("the secret text" in caplog.text) is not private
    await engine.store.close()
