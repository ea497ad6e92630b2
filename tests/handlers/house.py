"""A whole installation over three platforms in memory: real store, router, timers and couriers, real handlers."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from engine.world import Finder, HandClock, MortalStore, Recorder, until
from sqlalchemy import Connection

from bot.app import make_desk, make_registry
from bot.assembly import Sender, make_senders, register_clerks
from bot.chat.events import (
    ButtonPressed,
    ChannelMoved,
    CommandInvoked,
    Event,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PollVoted,
)
from bot.chat.messages import Answer, Card, Line, Notice, OpenForm, Prompt, Reply
from bot.chat.ports import Capabilities, Finds, Incoming, Platform, PollLimits
from bot.domain.delivery import Deadlines
from bot.domain.places import Channel, Member
from bot.domain.roles import Role
from bot.drafting.drafter import Drafter, EmbeddedDrafter
from bot.drafting.knowledge import Knowledge
from bot.engine.access import Access
from bot.engine.core import Core
from bot.engine.inbox import Door
from bot.engine.limiter import Limiter
from bot.engine.recovery import recover
from bot.engine.router import Router
from bot.engine.settling import Settling
from bot.engine.timers import TimerLoop
from bot.handlers import drafting, shredding
from bot.handlers.context import Context, Desk, Prepared
from bot.handlers.drafting import Studio
from bot.handlers.immediate import Immediate
from bot.handlers.secrecy import PollSeals
from bot.handlers.shredding import Shredder
from bot.locales import Catalogue, Value
from bot.settings import Settings
from bot.storage.keys import Keys
from bot.storage.tables import comments, decisions, drafts, inbox, outbox
from bot.storage.work import Work

from .beacon import HandBeacon
from .idle import moving, observed, quiet

T = TypeVar("T")
ANSWER = "Our tea is back on Friday."
KNOWLEDGE = [{"id": "tea-1", "question": "When will the tea be back in stock?", "answer": ANSWER}]
QUESTION = "When will the tea be back in stock?"
TENANTS = {"slack": "T1", "discord": "G1", "telegram": "1"}
CAPABILITIES = {
    "slack": Capabilities(4000, 3000),
    "discord": Capabilities(
        2000,
        1800,
        carries_roles=True,
        polls=PollLimits(300, 55, 10, 768 * 3600, 60, False, False, False),
        boosts=True,
        tells_joined=True,
        tells_created=True,
    ),
    "telegram": Capabilities(
        4096,
        3500,
        "utf16",
        forms=False,
        private=False,
        polls=PollLimits(300, 100, 12, 2_628_000, 5, True, True, True, True),
    ),
}
TEAM = {"approver": ["ana", "ben"], "drafter": ["dan"], "admin": ["ada"], "viewer": ["vic"]}


def member(platform: str, name: str) -> Member:
    return Member(platform, TENANTS[platform], name)


def channel(platform: str, name: str = "review") -> Channel:
    return Channel(platform, TENANTS[platform], f"{platform}-{name}")


class Spoken(Catalogue):
    """The catalogue, remembering what was said in which language."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[tuple[str, str]] = set()

    def say(self, language: str, key: str, **args: Value) -> str:
        text = super().say(language, key, **args)
        self.said.add((language, key))
        return text


@dataclass
class House:
    """The installation, and what people do in it."""

    store: MortalStore
    clock: HandClock
    platforms: dict[str, Recorder]
    desk: Desk
    texts: Spoken
    door: Door
    errors: list[str]
    beacon: HandBeacon
    senders: dict[str, Sender] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # ---- what comes in

    async def hear(self, event: Event, *, settled: bool = True) -> Answer:
        platform = _platform_of(event)
        number = str(next(self.numbers))
        (answer,) = await self.door.accept([Incoming(f"{platform}:{TENANTS[platform]}", number, "raw", event)])
        if settled:
            await self.settle()
        return answer

    async def say(self, text: str = QUESTION, platform: str = "telegram", who: str = "lin", **changes: Any) -> str:
        message_id = changes.pop("message_id", f"c{next(self.numbers)}")
        posted = MessagePosted(
            channel(platform, "community"),
            message_id,
            member(platform, who),
            who.capitalize(),
            text,
            self.clock.at - 1,
            url=f"https://example.org/{platform}/{message_id}",
        )
        await self.hear(replace(posted, **changes))
        return str(message_id)

    async def edit(self, message_id: str, text: str, platform: str = "telegram") -> None:
        self.clock.at += 0.001
        await self.hear(MessageEdited(channel(platform, "community"), message_id, text, self.clock.at))

    async def delete(self, message_id: str, platform: str = "telegram") -> None:
        await self.hear(MessageDeleted(channel(platform, "community"), message_id))

    def button(self, action: str, platform: str = "slack", draft: int = 1) -> str:
        """The payload of a button on the card as it is shown there now."""
        card = self.card(platform, draft)
        found = [b.payload for b in card.buttons if b.payload.split("|")[2:3] == [action]]
        assert found, f"no {action} on {[button.label for button in card.buttons]}"
        return found[0]

    def press_event(self, action: str, platform: str = "slack", who: str = "ana", **changes: Any) -> ButtonPressed:
        draft = changes.pop("draft", 1)
        payload = changes.pop("payload", None) or self.button(action, platform, draft)
        pressed = ButtonPressed(
            channel(platform), member(platform, who), who.capitalize(), "card", payload, {"handle": "h"}
        )
        return replace(pressed, **changes)

    async def press(self, action: str, platform: str = "slack", who: str = "ana", **changes: Any) -> Answer:
        return await self.hear(self.press_event(action, platform, who, **changes))

    async def fill(
        self, action: str, values: dict[str, str], platform: str = "slack", who: str = "ana", **changes: Any
    ) -> Answer:
        """Press a button that opens a form, and send the form."""
        opened = await self.press(action, platform, who, **changes)
        assert isinstance(opened, OpenForm), opened
        return await self.submit(opened.form.payload, values, platform, who)

    async def submit(self, payload: str, values: dict[str, str], platform: str = "slack", who: str = "ana") -> Answer:
        return await self.hear(
            FormSubmitted(channel(platform), member(platform, who), who.capitalize(), payload, values, {"handle": "h"})
        )

    async def command(
        self, name: str, text: str = "", platform: str = "slack", who: str = "ana", **changes: Any
    ) -> Answer:
        typed = CommandInvoked(channel(platform), member(platform, who), who.capitalize(), name, text, {"handle": "h"})
        return await self.hear(replace(typed, **changes))

    # ---- what is seen

    def cards(self, platform: str) -> dict[str, Card]:
        """Every card of the review channel as it looks now, by message."""
        shown: dict[str, Card] = {}
        for call in self.platforms[platform].done:
            if isinstance(call.message, Card):
                shown[call.message_id] = call.message
        return shown

    def card(self, platform: str = "slack", draft: int = 1) -> Card:
        found = [card for card in self.cards(platform).values() if f"#{draft} " in card.header]
        assert found, f"no card of #{draft} on {platform}"
        return found[-1]

    def replies(self) -> list[str]:
        """The texts of all replies on all platforms, in order."""
        return [
            call.message.text
            for platform in self.platforms.values()
            for call in platform.done
            if call.what == "send" and isinstance(call.message, Reply)
        ]

    def lines(self, platform: str = "slack") -> list[str]:
        return [c.message.text for c in self.platforms[platform].done if isinstance(c.message, Line)]

    def notices(self, who: str = "ana", platform: str = "slack") -> list[str]:
        told = [c.message for c in self.platforms[platform].done if isinstance(c.message, Notice)]
        return [notice.text for notice in told if notice.member == member(platform, who)]

    def prompt(self, platform: str = "telegram") -> tuple[str, Prompt]:
        """The newest prompt and its message."""
        found = [c for c in self.platforms[platform].done if isinstance(c.message, Prompt)]
        assert found, "no prompt"
        message = found[-1].message
        assert isinstance(message, Prompt)
        return found[-1].message_id, message

    def told(self, key: str, language: str = "en", **args: Value) -> str:
        return Catalogue().say(language, key, **args)

    async def read(self, unit: Callable[[Work], T]) -> T:
        return await self.store.read(lambda connection: unit(Work(connection, self.clock.at)))

    async def state(self, draft: int = 1) -> tuple[str, int, str]:
        """State, version and text of a draft."""
        found = await self.read(lambda work: work.drafts.get(draft))
        assert found is not None, f"no draft #{draft}"
        return found.ruled.state.value, found.ruled.version, found.ruled.text

    async def snapshot(self) -> list[tuple[object, ...]]:
        """Everything that a decision could change."""

        def unit(connection: Connection) -> list[tuple[object, ...]]:
            found: list[tuple[object, ...]] = []
            for table in (drafts, decisions, comments):
                found += [tuple(row) for row in connection.execute(sa.select(table))]
            replies = sa.select(outbox.c.id, outbox.c.state).where(outbox.c.kind.in_(("reply", "correct", "remove")))
            return found + [tuple(row) for row in connection.execute(replies)]

        return await self.store.read(unit)

    # ---- time

    async def advance(self, seconds: float) -> None:
        self.clock.at += seconds
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing more happens without somebody doing something."""
        await until(self._idle)

    async def _idle(self) -> bool:
        """Looked at in the writer: whoever committed something before has heard of it when we hear of this."""
        now = self.clock.at

        def unit(connection: Connection) -> bool:
            work = Work(connection, now)
            if work.inbox.counts().get("new") or work.timers.due(now, [], 1):
                return False
            held = "reply" if work.facts.get("paused") else ""
            return not any(moving(connection, now, held))

        return await self.store.write(unit) and all(quiet(sender) for sender in self.senders.values())

    async def failed_events(self) -> int:
        return await self.store.read(
            lambda c: c.execute(sa.select(sa.func.count()).where(inbox.c.state == "failed")).scalar_one()
        )


def _platform_of(event: Event) -> str:
    if isinstance(event, ChannelMoved):
        return event.old.platform
    return event.member.platform if isinstance(event, PollVoted) else event.channel.platform


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.lines.append(f"{record.name}: {record.getMessage()} {cause!r}")


def settings_for(**changes: Any) -> Settings:
    names = [f"{platform}/{name}" for platform in TENANTS for name in ("community", "review")]
    roles = {
        role: [str(member(platform, name)) for platform in TENANTS for name in people] for role, people in TEAM.items()
    }
    values: dict[str, Any] = {
        "channels": {name: name.replace("/", "-") for name in names},
        "watch": {"channels": [name for name in names if name.endswith("community")]},
        "review": {"channels": [name for name in names if name.endswith("review")]},
        "roles": roles,
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return Settings.model_validate(values)


def _recorder(name: str) -> Recorder:
    """Telegram cannot be asked what arrived."""
    return (Recorder if name == "telegram" else Finder)(name, CAPABILITIES[name])


@asynccontextmanager
async def living(
    path: Path,
    *,
    drafter: Drafter | None = None,
    roles: dict[str, list[str]] | None = None,
    before: House | None = None,
    **changes: Any,
) -> AsyncIterator[House]:
    """A house in which everything runs. Errors that are logged fail the test, unless it takes them out of `errors`.

    `before` is one over the same file that has died: platforms, clock and beacon are the same to the next process.
    """
    if roles is not None:
        changes["roles"] = roles
    settings = settings_for(**changes)
    knowledge_file = path.parent / "knowledge.jsonl"
    knowledge_file.write_text("\n".join(json.dumps(entry) for entry in KNOWLEDGE), encoding="utf-8")
    recorders = before.platforms if before else {name: _recorder(name) for name in CAPABILITIES}
    platforms: dict[str, Platform] = dict(recorders)
    clock, texts = before.clock if before else HandClock(), Spoken()
    store = MortalStore(path)
    await store.open()
    beacon = before.beacon if before else HandBeacon(clock)
    desk = replace(make_desk(settings, platforms, b"k" * 32, beacon), texts=texts, keys=Keys(path.parent / "ballots"))
    registry = make_registry()

    def make(work: Work, held: frozenset[Role], prepared: object) -> Context:
        return Context(work, desk, registry, held, prepared if isinstance(prepared, Prepared) else None)

    core = Core(store, clock, registry, make)
    access = Access(settings.roles.grants(), platforms, clock.monotonic)
    studio = Studio(
        store, desk, Knowledge(knowledge_file), drafter or EmbeddedDrafter(), settings.languages, "Tea", "kind"
    )
    drafting.register(registry, studio)
    shredding.register(registry, Shredder(store, clock, desk.keys))
    register_clerks(core, settings.model_copy(update={"data_dir": path.parent}), platforms, access, desk, None)
    seals = PollSeals(desk.keys)
    limiters = {name: Limiter(None, clock.monotonic, clock.now, name) for name in platforms}
    settling = Settling(core, Deadlines(), {name for name, one in platforms.items() if isinstance(one, Finds)})
    made, say = make_senders(core, platforms, limiters, settling)
    router = Router(core, access, platforms, studio.prepare, seals=seals, say=say)
    immediate = Immediate(store, access, platforms, registry, lambda work, held: make(work, held, None))

    def answer(event: Any) -> Answer | Awaitable[Answer]:
        return immediate.answer(event, clock.now())

    errors = _Errors()
    logging.getLogger("herald").addHandler(errors)
    door = Door(store, clock, answer, router.remember, seals)
    house = House(store, clock, recorders, desk, texts, door, errors.lines, beacon)
    if before:
        house.numbers = before.numbers
        await recover(core, settling)
    house.senders = {name: observed(core, platforms[name], settling, sender) for name, sender in made.items()}
    runs = [router.run(), TimerLoop(core).run()]
    runs += [part for sender in house.senders.values() for part in sender.parts()]
    house.tasks = [asyncio.create_task(run) for run in runs]
    try:
        yield house
        assert house.errors == []
        assert await house.failed_events() == 0
    finally:
        for task in house.tasks:
            task.cancel()
        await asyncio.gather(*house.tasks, return_exceptions=True)
        await store.close()
        logging.getLogger("herald").removeHandler(errors)
