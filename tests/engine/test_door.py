"""The door: small facts that integrations keep, and what happens when more comes than can be stored."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.chat.messages import Accepted, Answer, FieldErrors
from bot.chat.ports import Position, StoreUnavailable
from bot.engine import inbox as module
from bot.engine.inbox import Door

from .flow import deleted, incoming, pressed
from .world import DEADLINE, Engine


async def accepted(_: object) -> Answer:
    return Accepted()


async def test_a_fact_is_kept_in_the_database_and_replaced(engine: Engine) -> None:
    def door() -> Door:
        return Door(engine.store, engine.clock, accepted, lambda *_: None)

    assert await door().recall("discord:7:logins") is None
    await door().remember("discord:7:logins", "[1.0]")
    await door().remember("discord:7:logins", "[1.0, 2.0]")
    assert await door().recall("discord:7:logins") == "[1.0, 2.0]"
    assert await engine.read(lambda work: work.facts.get("discord:7:logins")) == "[1.0, 2.0]"


async def test_what_finds_no_room_is_not_acknowledged_and_the_rest_is_stored(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM", 4)
    monkeypatch.setattr(module, "ROOM_SECONDS", 0.05)
    door = Door(engine.store, engine.clock, accepted, lambda *_: None)
    engine.store.awake = asyncio.Event()  # the disk takes its time
    tasks = [asyncio.create_task(door.accept([incoming(number, deleted(number))])) for number in range(12)]
    done, pending = await asyncio.wait(tasks, timeout=1)
    assert (len(done), len(pending)) == (8, 4)
    assert {str(task.exception()) for task in done} == {
        "too many events wait to be stored", "events wait too long to be stored"}  # fmt: skip
    assert all(isinstance(task.exception(), StoreUnavailable) for task in done)
    engine.store.awake.set()
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*pending)
    assert await engine.read(lambda work: work.inbox.counts()) == {"new": 4}
    for number in range(12):  # the platform brings everything again
        assert await door.accept([incoming(number, deleted(number))]) == [Accepted()]
    assert await engine.read(lambda work: work.inbox.counts()) == {"new": 12}


async def test_a_store_that_fails_gives_the_room_back(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOM", 2)
    door = Door(engine.store, engine.clock, accepted, lambda *_: None)
    engine.store.full = True
    for number in range(6):
        with pytest.raises(StoreUnavailable, match="full"):
            await door.accept([incoming(number, deleted(number))])
    engine.store.full = False
    assert await door.accept([incoming(1, deleted(1))]) == [Accepted()]


async def test_what_is_being_read_back_is_noted(engine: Engine) -> None:
    door = Door(engine.store, engine.clock, accepted, lambda *_: None)
    await door.accept([incoming(1, deleted(1), Position("slack C1", 3))])
    assert await door.position("slack C1") == 3
    await door.gap("slack C1", 7)
    assert await engine.read(lambda work: work.inbox.gaps()) == ["slack C1"]
    await door.gap("slack C1", None)
    assert await engine.read(lambda work: work.inbox.gaps()) == []


@pytest.mark.parametrize(
    ("fault", "level", "said"),
    [
        (TimeoutError(), logging.WARNING, "no immediate answer in time: ButtonPressed"),
        (StoreUnavailable("full"), logging.WARNING, "no immediate answer in time: ButtonPressed"),
        (ValueError("a bug"), logging.ERROR, "no immediate answer: ButtonPressed"),
    ],
)
async def test_an_event_is_stored_where_no_immediate_answer_can_be_made(
    engine: Engine, caplog: pytest.LogCaptureFixture, fault: Exception, level: int, said: str
) -> None:
    async def answer(_: object) -> Answer:
        raise fault

    remembered: list[object] = []
    door = Door(engine.store, engine.clock, answer, lambda _, event: remembered.append(event))
    with caplog.at_level(logging.WARNING):
        assert await door.accept([incoming(1, pressed(1))]) == [Accepted()]
    (record,) = [one for one in caplog.records if one.name == "herald.inbox"]
    assert (record.levelno, record.getMessage()) == (level, said)
    assert await engine.read(lambda work: work.inbox.counts()) == {"new": 1}
    assert remembered == [pressed(1)]


async def test_what_is_answered_with_errors_is_done(engine: Engine) -> None:
    async def answer(_: object) -> Answer:
        return FieldErrors({"text": "too long"})

    remembered: list[object] = []
    door = Door(engine.store, engine.clock, answer, lambda _, event: remembered.append(event))
    batch = [incoming(1, pressed(1)), incoming(2, deleted(2))]
    assert await door.accept(batch) == [FieldErrors({"text": "too long"}), Accepted()]
    assert await engine.read(lambda work: work.inbox.counts()) == {"new": 1, "done": 1}
    assert remembered == [deleted(2)]
    assert await door.accept(batch) == [FieldErrors({"text": "too long"}), Accepted()]  # brought twice, stored once
    assert await engine.read(lambda work: work.inbox.counts()) == {"new": 1, "done": 1}
    assert remembered == [deleted(2)]


async def test_whoever_routes_is_woken(engine: Engine) -> None:
    woken = asyncio.Event()
    engine.store.listen("inbox", woken.set)
    door = Door(engine.store, engine.clock, accepted, lambda *_: None)
    await door.accept([incoming(1, deleted(1))])
    async with asyncio.timeout(DEADLINE):
        await woken.wait()
