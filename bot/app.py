"""The only module that knows all the others: builds the application from settings, starts and stops it in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bot.assembly import (
    Base,
    Duty,
    Sender,
    command_specs,
    first_key,
    gateway_lease,
    make_base,
    make_desk,
    make_drafter,
    make_limiter,
    make_links,
    make_registry,
    make_senders,
    prompts_folder,
    register_clerks,
    shared_key,
    warm_up,
)
from bot.chat.beacons import Beacon
from bot.chat.events import Event
from bot.chat.messages import Answer
from bot.chat.ports import Finds, HearsHttp, Hook, Model, Platform, PlatformDown, Registers, SendError
from bot.domain.delivery import Deadlines
from bot.domain.failpoints import Point, reach
from bot.domain.roles import Role
from bot.drafting.knowledge import Knowledge
from bot.drafting.prompts import PromptFile
from bot.engine.access import Access
from bot.engine.core import EVERYTHING, Core
from bot.engine.hearing import Hearing, Hears
from bot.engine.inbox import Door
from bot.engine.recovery import Reaper, recover
from bot.engine.registry import Registry
from bot.engine.router import Router
from bot.engine.settling import Settling
from bot.engine.tasks import FIRST_SECONDS, STOP_SECONDS, stop_all, wait_all
from bot.engine.timers import TimerLoop
from bot.handlers import drafting, shredding
from bot.handlers.context import Context, Desk, Prepared
from bot.handlers.drafting import Studio
from bot.handlers.immediate import Immediate, Interaction
from bot.handlers.secrecy import PollSeals
from bot.handlers.shredding import Shredder
from bot.operations.alarm import Alarm
from bot.operations.links import Links
from bot.operations.monitor import Monitor, Watched
from bot.operations.status import ALIVE, ALIVE_SECONDS
from bot.operations.web import Web
from bot.outside import make_beacon, make_model, make_platform
from bot.settings import Settings
from bot.storage.work import Work

REFRESH_SECONDS = 2.0
"""How often knowledge and prompts are looked at for changes."""

log = logging.getLogger("herald")


@dataclass
class App:
    """A running Herald. `run` returns when it is cancelled or a platform cannot go on."""

    settings: Settings
    duty: Duty
    base: Base
    platforms: dict[str, Platform]
    registry: Registry[Context]
    knowledge: Knowledge
    model: Model | None
    prompts: PromptFile | None
    beacon: Beacon | None
    desk: Desk
    key: bytes
    core: Core[Context]
    router: Router[Context]
    door: Door
    settling: Settling[Context]
    senders: dict[str, Sender]
    timers: TimerLoop[Context]
    shredder: Shredder
    links: Links
    ready: set[str] = field(default_factory=set)
    """Platforms that this process hears."""
    waiting: set[str] = field(default_factory=set)
    """Platforms that another process hears."""
    down: dict[str, str] = field(default_factory=dict)
    """Platforms that cannot go on without a person, and why."""
    heard: dict[str, Platform] = field(default_factory=dict)
    """The ready ones."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """It is known of every platform who hears it, and what is heard knows the commands."""

    @property
    def works(self) -> bool:
        """Whether this process routes, drafts and sends."""
        return self.duty != "gateway"

    @property
    def hears(self) -> bool:
        """Whether this process hears platforms, or would."""
        return self.duty != "worker"

    async def run(self, announce: Callable[[str], None]) -> None:
        """Do this process's duty until cancelled; `announce` gets a line when it is ready, and at each change of that.

        Raises PlatformDown when a platform cannot go on without a person.
        """
        base = self.base
        with base.lock():
            reach(Point.LOCKED)
            await asyncio.to_thread(base.migrate)
            await base.store.open()
            try:
                await self._take_up()
                await self._run_parts(announce)
            finally:
                await self._close()

    async def _take_up(self) -> None:
        """Alone, what a process before left in the middle is settled now; among several a reaper watches it."""
        if self.base.keeper is None:
            await recover(self.core, self.settling)
        else:
            self.desk.signer.change_key(await shared_key(self.base.store, self.key))
        if self.works:
            await self.shredder.sweep()

    async def _run_parts(self, announce: Callable[[str], None]) -> None:
        shared = [asyncio.create_task(part) for part in self._shared()]
        tasks = [asyncio.create_task(part) for part in self._parts(announce)]
        routing = [asyncio.create_task(self.router.run())] if self.works else []
        try:
            await wait_all([*shared, *tasks, *routing])
        finally:
            await stop_all(routing, FIRST_SECONDS)  # what it has just committed is still to be said
            await stop_all([*tasks, *routing], STOP_SECONDS - FIRST_SECONDS)
            await stop_all(shared)  # last: what others may take must have stopped here
            if self.base.keeper is not None:
                await self.base.keeper.leave()

    def _shared(self) -> list[Coroutine[Any, Any, None]]:
        """What keeps the connection to other processes."""
        base = self.base
        parts = [base.keeper.run()] if base.keeper is not None else []
        woken = getattr(base.store, "woken", None)
        if base.wakeup is not None and woken is not None:
            parts.append(base.wakeup.run(woken))
        return parts

    def _parts(self, announce: Callable[[str], None]) -> list[Coroutine[Any, Any, None]]:
        monitor = Monitor(self._watched())
        hooks = self._hooks() if self.hears else {}
        parts = [
            self.base.clock.follow(),
            self._tell(announce),
            self._refresh(),
            monitor.run(),
            Web(self.settings.http, monitor.routes(), hooks).run(),
            *(self._serve(name, platform) for name, platform in self.platforms.items()),
        ]
        if self.hears:
            parts.append(self._alarm().run())
        if self.works:
            reaper = Reaper(self.core, self.platforms, self.settling, self._being_sent)
            parts += [self.timers.run(), reaper.run(), self.links.run()]
        return parts

    def _alarm(self) -> Alarm:
        """Whoever hears a platform tells its people: so they are told once."""
        desk, base = self.desk, self.base
        channels = [(channel, desk.language(channel)) for channel in desk.review]
        return Alarm(base.noticed, self.heard, channels, desk.texts, base.clock.monotonic)

    def _hooks(self) -> dict[str, Hook]:
        """What the platforms deliver over HTTP, by path. Any process may store that: it takes no lease."""
        others: list[object] = list(self.platforms.values())
        found = [one.hooks(self.door) for one in others if isinstance(one, HearsHttp)]
        return {path: hook for hooks in found for path, hook in hooks.items()}

    def _being_sent(self) -> list[int]:
        return [row for sender in self.senders.values() for row in sender.courier.busy()]

    def _watched(self) -> Watched:
        mine = _Mine(self.platforms if self.hears else (), self.waiting)
        passing = {name: sender.voice.counts for name, sender in self.senders.items()}
        return Watched(self.base.store, self.base.clock.now, mine, self.ready, self.down, passing)

    async def _serve(self, name: str, platform: Platform) -> None:
        """Hear and send on one platform. One that cannot go on stops alone: what waits for it stays in the outbox."""
        sending: list[asyncio.Task[None]] = []
        hearing: list[asyncio.Task[None]] = []
        if self.works:
            sending = [asyncio.create_task(part) for part in self.senders[name].parts()]
        if self.hears:
            lease = gateway_lease(name, self.settings)
            ear = Hearing(platform, self.door, partial(self._hearing, name), self.base.keeper, lease)
            hearing = [asyncio.create_task(ear.run())]
        try:
            await wait_all([*sending, *hearing])
        except PlatformDown as error:
            log.error("%s stops: %s", name, error)  # noqa: TRY400 - one clear line
            self.down[name] = str(error)
            self.heard.pop(name, None)
            if len(self.down) == len(self.platforms):
                raise PlatformDown("\n".join(f"{one}: {why}" for one, why in self.down.items())) from error
            self.changed.set()
        finally:
            await stop_all(sending)  # first: what is being sent needs the platform's connections
            await stop_all(hearing)

    def _hearing(self, name: str, now: Hears) -> None:
        if now == "yes":
            log.info("%s is connected", name)
            self.ready.add(name)
            self.waiting.discard(name)
            self.heard[name] = self.platforms[name]
        else:
            log.info("%s is heard by another process, this one waits", name)
            self.waiting.add(name)
            self.ready.discard(name)
            self.heard.pop(name, None)
        self.changed.set()

    async def _tell(self, announce: Callable[[str], None]) -> None:
        """Have what is heard know the commands, and say what this process does, now and after each change."""
        told: list[str] = []
        known: set[str] = set()
        while True:
            if not self.hears or len(self.ready | self.waiting | set(self.down)) == len(self.platforms):
                known &= self.ready
                fresh = self.ready - known
                await asyncio.gather(*(self._register(name, self.platforms[name]) for name in fresh))
                known |= fresh
                lines = self._lines()
                for line in lines:
                    if line not in told:
                        announce(line)
                told = lines
                self.settled.set()
            await self.changed.wait()
            self.changed.clear()

    def _lines(self) -> list[str]:
        ready = _named(name for name in self.platforms if name in self.ready)
        waiting = _named(name for name in self.platforms if name in self.waiting)
        alone = not waiting and self.hears
        said = ready or ("" if alone or not self.works else "worker")
        lines = [f"herald ready: {said}"] if said or alone else []
        return lines + ([f"herald waiting: {waiting}"] if waiting else [])

    async def _refresh(self) -> None:
        """Once all is settled show that we live, and watch knowledge and prompts."""
        await self.settled.wait()
        if self.works:
            await asyncio.to_thread(warm_up)
        told = ""
        alive = self.settings.data_dir / ALIVE
        while True:
            with suppress(OSError):  # then `herald health` tells; the bot goes on
                await asyncio.to_thread(alive.touch)
            await asyncio.sleep(REFRESH_SECONDS)
            faults: list[object] = [await asyncio.to_thread(self.knowledge.refresh)]
            if self.prompts is not None:
                faults.append(await asyncio.to_thread(self.prompts.refresh))
            now = "; ".join(str(fault) for fault in faults if fault is not None)
            if now and now != told:
                log.error("%s: the version before stays in use", now)
            told = now

    async def _register(self, name: str, platform: object) -> None:
        if isinstance(platform, Registers):
            try:
                await platform.register(command_specs(self.registry, self.desk.texts))
            except SendError as error:
                log.warning("commands on %s: %s", name, error)

    async def _close(self) -> None:
        reach(Point.STOP_CLOSING)
        for name, platform in self.platforms.items():
            try:
                async with asyncio.timeout(3):
                    await platform.close()
            except TimeoutError:
                log.warning("%s did not close in time", name)
        if self.model is not None:
            await self.model.close()
        if self.beacon is not None:
            await self.beacon.close()
        await self.base.store.close()


@dataclass(frozen=True)
class _Mine(Collection[str]):
    """The platforms that this process should hear: all but those that another one hears now."""

    platforms: Collection[str]
    waiting: Collection[str]

    def __contains__(self, name: object) -> bool:
        return name in self.platforms and name not in self.waiting

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.platforms if name not in self.waiting)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _named(names: Iterable[str]) -> str:
    return ", ".join(name.capitalize() for name in names)


def build(settings: Settings, duty: Duty = "all") -> App:
    """Put an application together. Reads files, so call it before the loop is busy.

    Raises SettingsFault, KnowledgeFault, PromptFault, StoreUnavailable with one clear line each.
    """
    base = make_base(settings, duty)
    key = first_key(settings)
    clock, store = base.clock, base.noticed
    platforms = {name: make_platform(name, settings, clock.now) for name in settings.configured()}
    beacon = make_beacon(settings)
    desk = make_desk(settings, platforms, key, beacon)
    registry = make_registry()
    core: Core[Context] = Core(store, clock, registry, partial(_context, desk, registry))
    access = Access(settings.roles.grants(), platforms, clock.monotonic)
    knowledge = Knowledge(settings.knowledge.path)
    model = make_model(settings)
    prompts = PromptFile(prompts_folder(settings) / "draft.md") if model else None
    drafter = make_drafter(settings, model, prompts, clock)
    community = settings.community
    studio = Studio(store, desk, knowledge, drafter, settings.languages, community.name, community.tone)
    drafting.register(registry, studio)
    register_clerks(core, settings, platforms, access, desk, model)
    shredder = Shredder(store, clock, desk.keys)
    shredding.register(registry, shredder)
    parts, seals = base.keeper or EVERYTHING, PollSeals(desk.keys)
    limiters = {name: make_limiter(name, settings, base) for name in platforms}
    timing = settings.delivery
    deadlines = Deadlines(timing.request_timeout, timing.lease, timing.grace)
    settling = Settling(core, deadlines, {name for name, one in platforms.items() if isinstance(one, Finds)})
    senders, say = make_senders(core, platforms, limiters, settling)
    router = Router(core, access, platforms, studio.prepare, parts, seals, say=say)
    if base.keeper is not None:
        base.keeper.watch(lambda: router.handling)
    immediate = Immediate(store, access, platforms, registry, lambda work, roles: core.make(work, roles, None))

    def answer(event: Interaction) -> Answer | Awaitable[Answer]:
        return immediate.answer(event, clock.now())

    return App(
        settings=settings,
        duty=duty,
        base=base,
        platforms=platforms,
        registry=registry,
        knowledge=knowledge,
        model=model,
        prompts=prompts,
        beacon=beacon,
        desk=desk,
        key=key,
        core=core,
        router=router,
        door=Door(store, clock, answer, router.remember if duty == "all" else _forget, seals),
        settling=settling,
        senders=senders,
        timers=TimerLoop(core, parts),
        shredder=shredder,
        links=make_links(base, limiters, drafter),
    )


def _forget(row: int, event: Event) -> None:
    """No router here will ask for it."""


def _context(desk: Desk, registry: Registry[Context], work: Work, roles: frozenset[Role], prepared: object) -> Context:
    return Context(work, desk, registry, roles, prepared if isinstance(prepared, Prepared) else None)


__all__ = ["ALIVE", "ALIVE_SECONDS", "App", "PlatformDown", "build", "command_specs", "make_desk", "make_registry"]
