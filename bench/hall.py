"""An installation of real parts for polls, on three platforms in memory that only note when something arrives."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.world import Slow
from bot.app import make_registry
from bot.assembly import make_senders
from bot.chat.events import ButtonPressed, CommandInvoked, Event, ReplyHandle
from bot.chat.messages import Answer, Card, Notice, Outgoing
from bot.chat.ports import Capabilities, Incoming, LimitSeen, Platform, Sink
from bot.domain.delivery import Deadlines
from bot.domain.places import Channel, Member
from bot.domain.polls import Poll, State
from bot.domain.roles import Role
from bot.drafting.drafter import EmbeddedDrafter
from bot.drafting.knowledge import Knowledge
from bot.engine.access import Access
from bot.engine.buckets import PUBLISHED
from bot.engine.clock import Clock
from bot.engine.core import Core
from bot.engine.drawing import Drawer
from bot.engine.inbox import Door
from bot.engine.limiter import Limiter
from bot.engine.router import Router
from bot.engine.settling import Settling
from bot.engine.timers import TimerLoop
from bot.handlers import drafting, shredding
from bot.handlers.context import Context, Desk, GiveawayRules, Prepared
from bot.handlers.drafting import Studio
from bot.handlers.giveaways.life import Clerk as GiveawayClerk
from bot.handlers.giveaways.notary import Notary
from bot.handlers.giveaways.office import Office
from bot.handlers.immediate import Immediate, Interaction
from bot.handlers.payloads import Signer
from bot.handlers.polls.life import Clerk
from bot.handlers.secrecy import PollSeals
from bot.handlers.shredding import Shredder
from bot.locales import Catalogue
from bot.running import SWITCH_SECONDS
from bot.storage.keys import Keys
from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

RAW = 1200
"""Characters of a press as platforms send it."""
LONGEST = 120.0
"""Seconds that anything may take which is waited for."""
HOST = "host"
ROOMS = {"slack": "C1", "discord": "D1", "telegram": "-1001"}
CAPABILITIES = {
    "slack": Capabilities(4000, 3000),
    "discord": Capabilities(2000, 1800, carries_roles=True),
    "telegram": Capabilities(4096, 3500, "utf16", forms=False, private=False),
}
EDITS = {"slack": (50, 60.0), "discord": (5, 5.0), "telegram": (20, 60.0)}
"""What each platform lets through in one room: so many edits in so many seconds."""


@cache
def room_of(platform: str) -> Channel:
    """The room of a platform in which polls stand."""
    return Channel(platform, "1", ROOMS[platform])


class Fake:
    """A platform in memory that takes everything at once, and notes what it was asked."""

    def __init__(self, name: str, told: Callable[[int, Notice], None]) -> None:
        self.name = name
        self.capabilities = CAPABILITIES[name]
        self.cards: dict[str, Card] = {}
        self.edits: list[float] = []
        self.broken = 0
        """How often more came than the platform lets through."""
        self._told = told
        self._numbers = itertools.count(1)
        self._seen: Callable[[LimitSeen], None] = lambda seen: None

    def parse(self, raw: str) -> Event | None:
        """A press as `_press` wrote it."""
        who, payload, number = json.loads(raw)["press"]
        return _pressed(self.name, who, payload, number)

    def on_limits(self, call: Callable[[LimitSeen], None]) -> None:
        """Who hears of limits: Discord tells them with its answers."""
        self._seen = call

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Nothing comes by itself."""

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Taken."""
        number = str(next(self._numbers))
        if isinstance(message, Card):
            self.cards[number] = message
        self._count()
        return number

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Taken."""
        assert isinstance(message, Card)
        self.cards[message_id] = message
        self._count()

    def _count(self) -> None:
        now = time.monotonic()
        self.edits.append(now)
        limit, seconds = EDITS[self.name]
        recent = sum(1 for at in self.edits[-2 * limit :] if at > now - seconds)
        self.broken += recent > limit
        if self.name == "discord":
            self._seen(LimitSeen("edits", ROOMS["discord"], limit, max(limit - recent, 0), seconds))

    def rate(self, begun: float, seconds: float) -> float:
        """Edits a minute in the room, in so many seconds from then on (monotonic)."""
        return sum(1 for at in self.edits if begun <= at < begun + seconds) * 60 / seconds

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """The voter is told."""
        self._told(int(reply["press"]), notice)

    async def close(self) -> None:
        """There is nothing to let go of."""


@dataclass
class Hall:
    """An installation in which polls are held."""

    store: SqliteStore
    door: Door
    desk: Desk
    fakes: dict[str, Fake]
    begun: array[float]
    """When each press was handed to the door, by its number."""
    told: array[float]
    """When its notice went."""
    answers: dict[int, Notice] = field(default_factory=dict)
    """What the host was told, by the number of what they did."""
    waiting: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    """Who waits for a notice, by the press's number."""
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    """Of what happens."""

    def wait_for(self, number: int) -> asyncio.Future[None]:
        """Done when the notice of this press goes."""
        self.waiting[number] = asyncio.get_running_loop().create_future()
        return self.waiting[number]

    async def press(self, platform: str, who: str, payload: str, number: int, *, again: bool = False) -> None:
        """Somebody presses a button; or the platform delivers that again."""
        if not again:
            self.begun[number] = time.monotonic()
        await self.door.accept([_press(platform, who, payload, number)])

    async def make(self, text: str) -> Poll:
        """The host makes a poll in all rooms and confirms it; returns when it stands there."""
        preview = await self.command(f"{text} in #general")
        confirm = next(button.payload for button in preview.buttons if "|confirm|" in button.payload)
        await self.press("discord", HOST, confirm, next(self.numbers))
        await self.until(lambda: all(fake.cards for fake in self.fakes.values()))
        return (await self.store.read(lambda connection: Work(connection, 0.0).polls.page(frozenset(State), 1)))[0]

    async def command(self, text: str, name: str = "poll") -> Notice:
        """The host types this command with this text; what they are told."""
        number, room = next(self.numbers), room_of("discord")
        event = CommandInvoked(room, Member("discord", "1", HOST), "Host", name, text, {"press": str(number)})
        self.begun[number] = time.monotonic()
        await self.door.accept([Incoming("discord:1", f"c{number}", text, event)])
        await self.until(lambda: number in self.answers)
        return self.answers.pop(number)

    async def answered(self, first: int, last: int, seconds: float) -> None:
        """Wait for the notices of these presses, the last one excluded. Raises Slow."""
        rest = iter(range(first, last))
        waited = next(rest, None)

        def done() -> bool:
            nonlocal waited
            while waited is not None and self.told[waited]:
                waited = next(rest, None)
            return waited is None

        await self.until(done, seconds)

    async def until(self, done: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Wait for something. Raises Slow."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise Slow("votes are not counted in time")
            await asyncio.sleep(0.002)


def _pressed(platform: str, who: str, payload: str, number: int) -> ButtonPressed:
    member = Member(platform, "1", who)
    return ButtonPressed(room_of(platform), member, f"Voter {who}", "1", payload, {"press": str(number)})


_REST = "." * RAW


def _press(platform: str, who: str, payload: str, number: int) -> Incoming:
    told = f'"press": ["{who}", "{payload}", {number}]'  # quicker than `json`: what is measured is not its maker
    raw = f'{{{told}, "rest": "{_REST[len(told) :]}"}}'
    return Incoming(f"{platform}:1", str(number), raw, _pressed(platform, who, payload, number))


@asynccontextmanager
async def hall(folder: Path, presses: int, *, works: bool = True) -> AsyncIterator[Hall]:
    """One that has room for so many presses. Without `works` events are only stored."""
    path = folder / "herald.db"
    await asyncio.to_thread(migrate, path)
    store, clock = SqliteStore(path), Clock()
    begun, told = array("d", bytes(8 * presses)), array("d", bytes(8 * presses))
    answers: dict[int, Notice] = {}
    waiting: dict[int, asyncio.Future[None]] = {}

    def heard(number: int, notice: Notice) -> None:
        told[number] = time.monotonic()
        if notice.member.user_id == HOST:
            answers[number] = notice
        if number in waiting:
            waiting.pop(number).set_result(None)

    fakes = {name: Fake(name, heard) for name in ROOMS}
    desk, parts, door = _parts(folder, store, clock, fakes)
    await store.open()
    gc.freeze()  # as the application does, and the next line
    sys.setswitchinterval(SWITCH_SECONDS)
    tasks = [asyncio.create_task(part) for part in parts] if works else []
    try:
        yield Hall(store, door, desk, fakes, begun, told, answers, waiting)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in parts:
            part.close()
        await store.close()


def _parts(
    folder: Path, store: SqliteStore, clock: Clock, fakes: dict[str, Fake]
) -> tuple[Desk, list[Coroutine[None, None, None]], Door]:
    """As `bot.app.build` puts them together."""
    platforms: dict[str, Platform] = dict(fakes)
    desk = _desk(folder)
    registry = make_registry()

    def make(work: Work, roles: frozenset[Role], prepared: object) -> Context:
        return Context(work, desk, registry, roles, prepared if isinstance(prepared, Prepared) else None)

    core: Core[Context] = Core(store, clock, registry, make)
    access = Access([], platforms, clock.monotonic)
    knowledge = Knowledge(Path(__file__).resolve().parent.parent / "config" / "knowledge")
    studio = Studio(store, desk, knowledge, EmbeddedDrafter(), desk.languages, "Tea", "kind")
    drafting.register(registry, studio)
    Clerk(store, desk.keys, platforms, desk.texts).register(registry)
    shredding.register(registry, Shredder(store, clock, desk.keys))
    office = Office(
        store,
        clock,
        platforms,
        access,
        Drawer(folder / "draws"),
        None,
        desk.keys,
        lambda work, roles: make(work, roles, None),
    )
    GiveawayClerk(office).register(registry)
    Notary(office).register(registry)
    seals = PollSeals(desk.keys)
    settling = Settling(core, Deadlines(), {"slack", "discord"})
    limiters = {name: Limiter(PUBLISHED[name], clock.monotonic, clock.now, name, empty=True) for name in fakes}
    senders, say = make_senders(core, platforms, limiters, settling)
    router = Router(core, access, platforms, studio.prepare, seals=seals, say=say)
    immediate = Immediate(store, access, platforms, registry, lambda work, roles: make(work, roles, None))

    def answer(event: Interaction) -> Answer | Awaitable[Answer]:
        return immediate.answer(event, clock.now())

    parts = [router.run(), TimerLoop(core).run()]
    parts += [part for sender in senders.values() for part in sender.parts()]
    return desk, parts, Door(store, clock, answer, router.remember, seals)


def _desk(folder: Path) -> Desk:
    return Desk(
        texts=Catalogue(),
        signer=Signer(b"k" * 32),
        capabilities=CAPABILITIES,
        watched={},
        review=(),
        languages=("en", "zh"),
        channel_languages={},
        keys=Keys(folder / "keys"),
        named={f"{name}/general": room_of(name) for name in ROOMS},
        polls_open=True,
        giveaways=GiveawayRules(open_to_all=True),
    )
