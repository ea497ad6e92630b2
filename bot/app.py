"""The only module that knows all the others: builds the application from settings, starts and stops it in order."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.chat.messages import Answer
from bot.chat.ports import (
    CommandSpec,
    Finds,
    HearsHttp,
    Hook,
    Model,
    Platform,
    PlatformDown,
    Registers,
    SendError,
    StoreUnavailable,
)
from bot.domain.delivery import Deadlines
from bot.domain.failpoints import Point, reach
from bot.domain.review import Rules
from bot.domain.roles import Role
from bot.drafting.drafter import Drafter, EmbeddedDrafter
from bot.drafting.knowledge import Knowledge
from bot.drafting.language import identify
from bot.drafting.model_drafter import FallbackDrafter, ModelDrafter
from bot.drafting.prompts import PromptFile
from bot.engine.access import Access
from bot.engine.buckets import PUBLISHED
from bot.engine.clock import Clock
from bot.engine.core import Core
from bot.engine.courier import Courier
from bot.engine.inbox import Door
from bot.engine.limiter import Limiter
from bot.engine.reconciler import Reconciler
from bot.engine.recovery import Reaper, recover
from bot.engine.registry import Registry
from bot.engine.router import Router
from bot.engine.settling import Settling
from bot.engine.timers import TimerLoop
from bot.handlers import cards, clocks, commands, comments, drafting, replies, reviews
from bot.handlers.context import Context, Desk, Prepared
from bot.handlers.drafting import Studio
from bot.handlers.immediate import Immediate, Interaction
from bot.handlers.payloads import Signer
from bot.locales import LANGUAGES, Catalogue
from bot.operations.monitor import Monitor, Watched
from bot.operations.status import ALIVE, ALIVE_SECONDS
from bot.operations.web import Web
from bot.outside import make_model, make_platform
from bot.settings import Settings
from bot.storage.schema import FileLock, migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

REFRESH_SECONDS = 2.0
"""How often knowledge and prompts are looked at for changes."""
STOP_SECONDS = 9.0

log = logging.getLogger("herald")


@dataclass
class App:
    """A running Herald. `run` returns when it is cancelled or a platform cannot go on."""

    settings: Settings
    store: SqliteStore
    clock: Clock
    platforms: dict[str, Platform]
    registry: Registry[Context]
    knowledge: Knowledge
    model: Model | None
    prompts: PromptFile | None
    desk: Desk
    core: Core[Context]
    router: Router[Context]
    door: Door
    settling: Settling[Context]
    couriers: dict[str, Courier[Context]]
    reconcilers: dict[str, Reconciler[Context]]
    timers: TimerLoop[Context]
    ready: set[str] = field(default_factory=set)
    down: dict[str, str] = field(default_factory=dict)
    """Platforms that cannot go on without a person, and why."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, announce: Callable[[], None]) -> None:
        """Connect everything until cancelled; `announce` is called when all platforms are there and know the commands.

        Raises PlatformDown when a platform cannot go on without a person.
        """
        with FileLock(self.settings.data_dir / "herald.lock"):
            reach(Point.LOCKED)
            await asyncio.to_thread(migrate, self.store.path)
            await self.store.open()
            try:
                await recover(self.core, self.settling)
                await self._run_parts(announce)
            finally:
                await self._close()

    async def _run_parts(self, announce: Callable[[], None]) -> None:
        monitor = Monitor(self._watched())
        parts: list[Coroutine[Any, Any, None]] = [
            self.clock.follow(),
            self.router.run(),
            self.timers.run(),
            self._refresh(announce),
            Reaper(self.core, self.platforms, self.settling, self._being_sent).run(),
            monitor.run(),
            Web(self.settings.http, monitor.routes(), self._hooks()).run(),
            *(self._serve(name, platform) for name, platform in self.platforms.items()),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await _all(tasks)
        finally:
            await _stop(tasks)

    def _hooks(self) -> dict[str, Hook]:
        """What the platforms deliver over HTTP, by path."""
        others: list[object] = list(self.platforms.values())
        return {
            path: hook
            for platform in others
            if isinstance(platform, HearsHttp)
            for path, hook in platform.hooks(self.door).items()
        }

    def _being_sent(self) -> list[int]:
        return [row for courier in self.couriers.values() for row in courier.busy()]

    def _watched(self) -> Watched:
        return Watched(self.store, self.clock.now, tuple(self.platforms), self.ready, self.down)

    async def _serve(self, name: str, platform: Platform) -> None:
        """Hear and send on one platform. One that cannot go on stops alone: what waits for it stays in the outbox."""
        sending = asyncio.create_task(self.couriers[name].run())
        looking = asyncio.create_task(self.reconcilers[name].run())
        hearing = asyncio.create_task(platform.run(self.door, partial(self._connected, name)))
        try:
            await _all([sending, looking, hearing])
        except PlatformDown as error:
            log.error("%s stops: %s", name, error)  # noqa: TRY400 - one clear line
            self.down[name] = str(error)
            if len(self.down) == len(self.platforms):
                raise PlatformDown("\n".join(f"{one}: {why}" for one, why in self.down.items())) from error
            self._look_round()
        finally:
            await _stop([sending, looking])  # first: what is being sent needs the platform's connections
            await _stop([hearing])

    def _connected(self, name: str) -> None:
        log.info("%s is connected", name)
        self.ready.add(name)
        self._look_round()

    def _look_round(self) -> None:
        if len(self.ready | set(self.down)) == len(self.platforms):
            self.connected.set()

    async def _refresh(self, announce: Callable[[], None]) -> None:
        """Once connected, register the commands and say that all is ready; then watch knowledge and prompts."""
        await self.connected.wait()
        await asyncio.gather(*(self._register(name, self.platforms[name]) for name in self.ready))
        announce()
        await asyncio.to_thread(identify, "the first comment should not wait for the model of languages")
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
        await self.store.close()


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for all, or raise what the first raises. Unlike `gather` it leaves them alone when it is cancelled: they are
    stopped once, a second cancellation would cut short what they do at their end."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=STOP_SECONDS)


def command_specs(registry: Registry[Context], texts: Catalogue) -> list[CommandSpec]:
    """The commands as platforms announce them."""
    return [
        CommandSpec(
            command.name,
            {language: texts.say(language, command.summary) for language in LANGUAGES},
            command.usage,
            staff=command.action is not None,
        )
        for command in registry.commands.values()
    ]


def make_registry() -> Registry[Context]:
    """All capabilities but those that need a running installation."""
    registry: Registry[Context] = Registry()
    for capability in (cards, replies, reviews, comments, commands, clocks):
        capability.register(registry)
    return registry


def make_desk(settings: Settings, platforms: dict[str, Platform], key: bytes) -> Desk:
    """The installation as handlers see it."""
    named = (settings.review.escalation,) if settings.review.escalation else ()
    tenants = dict.fromkeys(platforms, "")
    escalation = [place for place in settings.named(named, tenants) if place.platform in platforms]
    return Desk(
        texts=Catalogue(),
        signer=Signer(key),
        capabilities={name: platform.capabilities for name, platform in platforms.items()},
        watched={_place(settings, name): name for name in settings.watch.channels},
        review=tuple(
            channel for channel in settings.named(settings.review.channels, tenants) if channel.platform in platforms
        ),
        languages=settings.languages,
        channel_languages={_place(settings, name): lang for name, lang in settings.channel_languages.items()},
        rules=Rules(
            settings.review.claim_minutes * 60,
            settings.review.four_eyes,
            settings.review.snooze_minutes * 60,
            escalates=bool(escalation),
        ),
        sla_seconds=settings.review.sla_minutes * 60,
        escalation=escalation[0] if escalation else None,
        undo_seconds=settings.review.undo_seconds,
        max_age=settings.watch.max_age_hours * 3600,
        max_draft=settings.drafting.max_length,
        card_lines=settings.review.card_lines,
    )


def _place(settings: Settings, name: str) -> tuple[str, str]:
    return name.partition("/")[0], settings.channels[name]


def build(settings: Settings) -> App:
    """Put an application together. Reads files, so call it before the loop is busy.

    Raises KnowledgeFault, PromptFault, StoreUnavailable with one clear line each.
    """
    data = settings.data_dir
    key = _secret(data)
    clock = Clock(settings.clock_file)
    store = SqliteStore(data / "herald.db")
    platforms = {name: make_platform(name, settings, clock.now) for name in settings.configured()}
    desk = make_desk(settings, platforms, key)
    registry = make_registry()
    core: Core[Context] = Core(store, clock, registry, partial(_context, desk, registry))
    access = Access(settings.roles.grants(), platforms, clock.monotonic)
    knowledge = Knowledge(settings.knowledge.path)
    model = make_model(settings)
    prompts = PromptFile(_prompts_folder(settings) / "draft.md") if model else None
    drafter = _drafter(settings, model, prompts, clock)
    studio = Studio(
        store, desk, knowledge, drafter, settings.languages, settings.community.name, settings.community.tone
    )
    drafting.register(registry, studio)
    router = Router(core, access, platforms, studio.prepare)
    immediate = Immediate(store, access, platforms, lambda work, roles: core.make(work, roles, None))

    async def answer(event: Interaction) -> Answer:
        return await immediate.answer(event, clock.now())

    limits = PUBLISHED if settings.limits == "published" else {}
    timing = settings.delivery
    deadlines = Deadlines(timing.request_timeout, timing.lease, timing.grace)
    settling = Settling(core, deadlines, {name for name, one in platforms.items() if isinstance(one, Finds)})
    return App(
        settings=settings,
        store=store,
        clock=clock,
        platforms=platforms,
        registry=registry,
        knowledge=knowledge,
        model=model,
        prompts=prompts,
        desk=desk,
        core=core,
        router=router,
        door=Door(store, clock, answer, router.remember),
        settling=settling,
        couriers={
            name: Courier(core, one, Limiter(limits.get(name), clock.monotonic, clock.now, name), settling, _held)
            for name, one in platforms.items()
        },
        reconcilers={name: Reconciler(core, one, settling) for name, one in platforms.items()},
        timers=TimerLoop(core),
    )


def _context(desk: Desk, registry: Registry[Context], work: Work, roles: frozenset[Role], prepared: object) -> Context:
    return Context(work, desk, registry, roles, prepared if isinstance(prepared, Prepared) else None)


def _held(work: Work) -> str:
    return "reply" if work.facts.get("paused") else ""


def _drafter(settings: Settings, model: Model | None, prompts: PromptFile | None, clock: Clock) -> Drafter:
    embedded = EmbeddedDrafter()
    if model is None or prompts is None:
        return embedded
    writer = ModelDrafter(model, prompts, frozenset(settings.drafting.link_domains))
    return FallbackDrafter(writer, embedded, clock.monotonic)


def _prompts_folder(settings: Settings) -> Path:
    return settings.drafting.prompts or Path(__file__).resolve().parent.parent / "prompts"


def _secret(data: Path) -> bytes:
    """The key under which buttons are signed: made once, readable by the owner only."""
    path = data / "herald.key"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what members wrote
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        return path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"cannot write to {data}: {error.strerror}") from error


__all__ = ["ALIVE", "ALIVE_SECONDS", "App", "PlatformDown", "build"]
