"""What must not be stored as it came: the door seals it, the router opens it, and nobody else reads it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import ButtonPressed, Event
from bot.chat.messages import Answer, FieldErrors
from bot.chat.ports import Incoming, StoreUnavailable
from bot.domain.places import Member
from bot.engine.access import Access
from bot.engine.inbox import Door
from bot.engine.registry import Registry
from bot.engine.router import Router
from bot.engine.sealing import UNSEALED, envelope, read_envelope, without_words
from bot.storage.tables import inbox

from .flow import accepted, deleted, incoming, pressed, unprepared
from .world import Engine, Ledger, make_engine, until


@dataclass
class Safe:
    """Keeps what is sealed until it is emptied."""

    kept: dict[str, Event] = field(default_factory=dict)
    broken: bool = False
    opened: int = 0
    tried: int = 0

    def covers(self, event: Event) -> bool:
        return isinstance(event, ButtonPressed)

    def close(self, item: Incoming) -> Incoming:
        if self.broken:
            raise StoreUnavailable("the safe is jammed")
        if not isinstance(item.event, ButtonPressed):
            return item
        self.kept[item.external_id] = item.event
        return replace(item, raw=envelope("safe", item.external_id))

    def open(self, name: str, sealed: str) -> Event | None:
        self.tried += 1
        if self.broken:
            raise StoreUnavailable("the safe is jammed")
        assert name == "safe"
        self.opened += 1
        return self.kept.get(sealed)


class World:
    """One engine that can be started anew over the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.safe = Safe()
        self.seen: list[Event] = []
        self.fails = False
        self.answer: Callable[[Any], Awaitable[Answer]] = accepted

    async def start(self, *, routed: bool = True) -> None:
        registry: Registry[Ledger] = Registry()

        def handle(_: Ledger, event: Event) -> None:
            if self.fails:
                raise ValueError(f"no use for {event}")
            self.seen.append(event)

        registry.on(ButtonPressed)(handle)
        registry.on(type(deleted(1)))(handle)
        self.engine: Engine = await make_engine(self.path, registry=registry)
        platforms: Any = {"telegram": self.engine.platform}
        access = Access((), platforms, self.engine.clock.monotonic)
        router = Router(self.engine.core, access, platforms, unprepared, seals=self.safe)
        self.door = Door(self.engine.store, self.engine.clock, self.answer, router.remember, self.safe)
        if routed:
            self.engine.tasks.append(asyncio.create_task(router.run()))

    async def stop(self) -> None:
        await self.engine.stop()
        await self.engine.store.close()

    async def rows(self) -> list[tuple[str, str, str | None]]:
        query = sa.select(inbox.c.raw, inbox.c.state, inbox.c.error).order_by(inbox.c.id)
        return await self.engine.store.read(lambda connection: [tuple(row) for row in connection.execute(query)])

    async def settle(self) -> None:
        async def settled() -> bool:
            return not (await self.engine.read(lambda work: work.inbox.counts())).get("new")

        await until(settled)


@pytest.fixture
def world(path: Path) -> World:
    return World(path)


async def test_what_is_covered_is_stored_as_an_envelope_and_everything_else_as_it_came(world: World) -> None:
    await world.start()
    await world.door.accept([incoming(1, pressed(1)), incoming(2, deleted(2)), incoming(3, None)])
    await world.settle()
    raws = [raw for raw, *_ in await world.rows()]
    assert raws == ['{"herald_sealed": "safe", "data": "1"}', "raw 2", "raw 3"]
    assert world.seen == [pressed(1), deleted(2)]
    assert world.safe.opened == 0  # it was still in memory
    await world.stop()


async def test_after_a_restart_it_is_opened_and_handled(world: World) -> None:
    await world.start(routed=False)
    await world.door.accept([incoming(1, pressed(1))])
    await world.stop()
    await world.start()
    await world.settle()
    assert world.seen == [pressed(1)]
    assert [state for _, state, _ in await world.rows()] == ["done"]
    await world.stop()


async def test_what_cannot_be_opened_any_more_is_ignored(world: World) -> None:
    await world.start(routed=False)
    await world.door.accept([incoming(1, pressed(1))])
    await world.stop()
    world.safe.kept.clear()
    await world.start()
    await world.settle()
    assert world.seen == []
    assert [row[1:] for row in await world.rows()] == [("ignored", "unreadable")]
    await world.stop()


async def test_a_second_copy_changes_nothing_and_is_not_stored(world: World) -> None:
    await world.start()
    await world.door.accept([incoming(1, pressed(1))])
    await world.settle()
    await world.door.accept([incoming(1, pressed(1))])
    await world.settle()
    assert world.seen == [pressed(1)]
    assert len(await world.rows()) == 1
    await world.stop()


async def test_a_form_that_is_refused_at_once_is_sealed_too(world: World) -> None:
    async def refuse(_: object) -> Answer:
        return FieldErrors({"text": "too long"})

    world.answer = refuse
    await world.start()
    await world.door.accept([incoming(1, pressed(1))])
    assert [row[:2] for row in await world.rows()] == [('{"herald_sealed": "safe", "data": "1"}', "done")]
    await world.stop()


async def test_what_cannot_be_sealed_is_not_stored_at_all(world: World) -> None:
    """Rather is the platform asked to bring it again than that it is written in the clear."""
    await world.start()
    world.safe.broken = True
    with pytest.raises(StoreUnavailable, match="jammed"):
        await world.door.accept([incoming(1, pressed(1))])
    assert await world.rows() == []
    world.safe.broken = False
    await world.door.accept([incoming(1, pressed(1))])
    await world.settle()
    assert world.seen == [pressed(1)]
    await world.stop()


async def test_a_safe_that_does_not_open_for_a_while_loses_nothing(world: World) -> None:
    await world.start(routed=False)
    await world.door.accept([incoming(1, pressed(1))])
    await world.stop()
    world.safe.broken = True
    await world.start()

    async def tried() -> bool:
        return world.safe.tried > 0

    await until(tried)
    world.safe.broken = False
    await world.settle()
    assert world.seen == [pressed(1)]
    await world.stop()


async def test_an_error_with_such_an_event_is_logged_without_its_words(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.fails = True
    await world.start()
    secret = pressed(1, Member("telegram", "1", "424242"))
    await world.door.accept([incoming(1, secret)])
    await world.settle()
    assert "failed: ValueError" in caplog.text
    assert "test_sealing.py" in caplog.text  # where it happened
    assert "424242" not in caplog.text
    caplog.clear()
    await world.door.accept([incoming(2, deleted(2))])
    await world.settle()
    assert "no use for MessageDeleted" in caplog.text  # what is no secret is told in full
    await world.stop()


async def test_an_immediate_answer_that_fails_is_logged_without_its_words(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(event: object) -> Answer:
        raise ValueError(f"no answer for {event}")

    world.answer = fail
    await world.start()
    await world.door.accept([incoming(1, pressed(1, Member("telegram", "1", "424242")))])
    await world.settle()
    assert "no immediate answer: ButtonPressed\nValueError" in caplog.text
    assert "424242" not in caplog.text
    await world.stop()


@given(st.text(), st.text())
def test_envelopes_are_read_back(name: str, sealed: str) -> None:
    assert read_envelope(envelope(name, sealed)) == (name, sealed)


@pytest.mark.parametrize(
    "raw", ["", "{}", '{"t": "x"}', '{"a": {"herald_sealed": "x"}}', '["herald_sealed"]', '{"herald_sealed": ']
)
def test_what_a_platform_sent_is_no_envelope(raw: str) -> None:
    assert read_envelope(raw) is None


def test_unless_told_otherwise_nothing_is_sealed() -> None:
    item = incoming(1, pressed(1))
    assert UNSEALED.close(item) is item
    assert not UNSEALED.covers(pressed(1))
    assert UNSEALED.open("x", "y") is None


def test_an_error_without_its_words_says_where_and_what() -> None:
    def fail() -> None:
        raise KeyError("the secret")

    with pytest.raises(KeyError) as caught:
        fail()
    told = without_words(caught.value)
    assert told.startswith("KeyError\n")
    assert "in fail" in told
    assert "secret" not in told
    assert json.dumps(told)
