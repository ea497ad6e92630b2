"""A door and a router over a real store, and events to put through them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, MessageDeleted
from bot.chat.messages import Accepted, Answer
from bot.chat.ports import Incoming, Position
from bot.domain.places import Member
from bot.domain.roles import Grant, Role
from bot.engine.access import Access
from bot.engine.inbox import Door
from bot.engine.passing import Voice, saying
from bot.engine.registry import Registry
from bot.engine.router import Router

from .world import ROOM, Engine, Ledger, Recorder, make_engine, until

ANA = Member("telegram", "1", "7")


def deleted(number: int) -> MessageDeleted:
    return MessageDeleted(ROOM, str(number))


def pressed(number: int, member: Member = ANA, roles: tuple[str, ...] = ()) -> ButtonPressed:
    return ButtonPressed(ROOM, member, "Ana", "m1", str(number), member_roles=roles)


def incoming(number: int, event: Event | None, position: Position | None = None) -> Incoming:
    return Incoming("telegram:1", str(number), f"raw {number}", event, position)


@dataclass
class Flow:
    """A door and a router over one engine, and what the handlers have seen."""

    engine: Engine
    router: Router[Ledger]
    door: Door
    voice: Voice[Ledger]
    seen: list[tuple[Event, frozenset[Role]]] = field(default_factory=list)

    async def counts(self) -> dict[str, int]:
        return await self.engine.read(lambda work: work.inbox.counts())

    async def until(self, **wanted: int) -> None:
        async def there() -> bool:
            return await self.counts() == wanted

        await until(there)

    def numbers(self) -> list[str]:
        return [getattr(event, "message_id", "") for event, _ in self.seen]


Handler = Callable[[Ledger, Any], None]


async def accepted(_: object) -> Answer:
    return Accepted()


async def unprepared(events: list[Event]) -> list[Any]:
    return [None] * len(events)


@asynccontextmanager
async def flowing(
    path: Path,
    handler: Handler | None = None,
    *,
    platform: Recorder | None = None,
    grants: tuple[Grant, ...] = (),
    answer: Callable[[Any], Awaitable[Answer]] = accepted,
    prepare: Callable[[list[Event]], Awaitable[list[Any]]] = unprepared,
    started: bool = True,
) -> AsyncIterator[Flow]:
    registry: Registry[Ledger] = Registry()
    engine = await make_engine(path, registry=registry, platform=platform)
    platforms: Any = {"telegram": engine.platform}
    access = Access(grants, platforms, engine.clock.monotonic)
    voice = Voice(engine.core, engine.platform, engine.limiter, engine.settling.deadlines.timeout)
    router = Router(engine.core, access, platforms, prepare, say=saying({"telegram": voice}))
    flow = Flow(engine, router, Door(engine.store, engine.clock, answer, router.remember), voice)

    def handle(ledger: Ledger, event: Event) -> None:
        flow.seen.append((event, ledger.roles))
        if handler is not None:
            handler(ledger, event)

    for kind in (MessageDeleted, ButtonPressed, CommandInvoked, FormSubmitted):
        registry.on(kind)(handle)
    if started:
        engine.tasks += [asyncio.create_task(router.run()), asyncio.create_task(voice.run())]
    try:
        yield flow
    finally:
        await engine.stop()
        await engine.store.close()
