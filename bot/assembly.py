"""What an application is made of, by its settings: its base, its desk, its parts of the engine."""

from __future__ import annotations

import gc
import os
import secrets
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from bot.chat.beacons import Beacon
from bot.chat.ports import CommandSpec, Model, Platform, StoreUnavailable
from bot.chat.processes import Wakeup
from bot.domain.places import Channel
from bot.domain.review import Rules
from bot.drafting.drafter import Drafter, EmbeddedDrafter
from bot.drafting.language import identify
from bot.drafting.model_drafter import FallbackDrafter, ModelDrafter
from bot.drafting.poll_drafter import PollDrafter
from bot.drafting.prompts import PromptFile
from bot.engine.access import Access
from bot.engine.buckets import PUBLISHED
from bot.engine.clock import Clock
from bot.engine.core import Core
from bot.engine.courier import Courier
from bot.engine.drawing import Drawer
from bot.engine.leases import Keeper, Timing
from bot.engine.limiter import Limiter
from bot.engine.passing import Say, Voice, saying
from bot.engine.reconciler import Reconciler
from bot.engine.registry import Registry
from bot.engine.settling import Settling
from bot.engine.sharing import SETTLE, Sharing
from bot.handlers import (
    cards,
    clocks,
    commands,
    comments,
    giveaways,
    interactions,
    links,
    polls,
    public,
    replies,
    reviews,
    secrecy,
    timezone,
)
from bot.handlers.context import Context, Desk, GiveawayRules
from bot.handlers.giveaways.life import Clerk as GiveawayClerk
from bot.handlers.giveaways.notary import Notary
from bot.handlers.giveaways.office import Office
from bot.handlers.giveaways.statistics import Statistician
from bot.handlers.payloads import Signer
from bot.handlers.polls.drafted import Sketcher
from bot.handlers.polls.life import Clerk as PollClerk
from bot.locales import LANGUAGES, Catalogue, times
from bot.operations.alarm import NoticedStore
from bot.operations.links import Links, ago, since
from bot.outside import make_pace, make_wakeup
from bot.settings import Settings, SettingsFault
from bot.storage.keys import Keys
from bot.storage.people import Facts
from bot.storage.postgres import PostgresStore
from bot.storage.schema import FileLock, migrate, migrate_server
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store
from bot.storage.work import Work

Duty = Literal["gateway", "worker", "all"]
"""What a process does: hear platforms, work on what they said, or both."""
CALLED_SECONDS = 2.0
"""How long loops sleep at most where other processes call: a call may be lost."""
UNCALLED_SECONDS = 0.5
"""The same where nobody can call."""
TOPICS = frozenset({"inbox", "outbox", "timers", "leases"})
KEY = "secret:key"
"""The fact that holds the key of the buttons (hex) where several processes use it. No backup needs it."""
KEY_BYTES = 32


@dataclass(frozen=True)
class Base:
    """The database of a process, and what it shares with others on the same one (None: it is alone)."""

    store: SqliteStore | PostgresStore
    noticed: NoticedStore
    clock: Clock
    lock: Callable[[], AbstractContextManager[object]]
    migrate: Callable[[], None]
    """Blocks."""
    keeper: Keeper | None = None
    wakeup: Wakeup | None = None


def make_base(settings: Settings, duty: Duty) -> Base:
    """A SQLite file for one process, or a PostgreSQL database for several. Raises SettingsFault."""
    url = settings.database_url.get_secret_value()
    if url:
        return _on_server(settings, url, duty)
    if duty != "all":
        reason = (
            "only one process can use a SQLite file: set database_url to a PostgreSQL database, or leave --role out"
        )
        raise SettingsFault([f"--role {duty}: {reason}"])
    store = SqliteStore(settings.data_dir / "herald.db")
    clock = Clock(settings.clock_file)
    lock = partial(FileLock, settings.data_dir / "herald.lock")
    return Base(store, NoticedStore(store, clock.monotonic), clock, lock, partial(migrate, store.path))


def _on_server(settings: Settings, url: str, duty: Duty) -> Base:
    wakeup = make_wakeup(settings, TOPICS)
    store = PostgresStore(url, on_wake=wakeup.call if wakeup else None)
    clock = Clock(settings.clock_file, lambda: CALLED_SECONDS if wakeup and wakeup.well else UNCALLED_SECONDS)
    noticed = NoticedStore(store, clock.monotonic)
    me = secrets.token_hex(8)
    timing = Timing(settings.processes.beat, settings.processes.lease)
    about = f"{socket.gethostname()} pid {os.getpid()} {duty}"
    keeper = Keeper(store, me, about, timing, worker=duty != "gateway")
    return Base(store, noticed, clock, nullcontext, partial(migrate_server, url), keeper, wakeup)


def gateway_lease(name: str, settings: Settings) -> str:
    """The lease under which a platform is heard. Processes with different shards of Discord hear beside each other."""
    if name != "discord" or not settings.discord.shard_ids:
        return f"gateway:{name}"
    return f"gateway:{name}:{_ranges(settings.discord.shard_ids)}"


def _ranges(numbers: tuple[int, ...]) -> str:
    """`0-3,7`"""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, one)) for one in found)


def make_limiter(name: str, settings: Settings, base: Base) -> Limiter:
    """What paces a platform; shared with the other processes."""
    pace = PUBLISHED.get(name) if settings.limits == "published" else None
    monotonic = base.clock.monotonic
    sharing = None
    if base.keeper is not None:
        settle = max(SETTLE, settings.processes.lease)
        sharing = Sharing(make_pace(name, settings), base.keeper, name, monotonic, settle)
    return Limiter(pace, monotonic, base.clock.now, name, sharing, empty=True)


@dataclass(frozen=True)
class Sender:
    """What sends on one platform."""

    courier: Courier[Context]
    reconciler: Reconciler[Context]
    voice: Voice[Context]

    def parts(self) -> list[Coroutine[None, None, None]]:
        """What runs while this process works."""
        return [self.courier.run(), self.reconciler.run(), self.voice.run()]


def make_senders(
    core: Core[Context], platforms: Mapping[str, Platform], limiters: Mapping[str, Limiter], settling: Settling[Context]
) -> tuple[dict[str, Sender], Say]:
    """One for each platform, and what has passing answers said."""
    timeout, made = settling.deadlines.timeout, {}
    for name, one in platforms.items():
        limiter = limiters[name]
        courier = Courier(core, one, limiter, settling, _held)
        made[name] = Sender(courier, Reconciler(core, one, settling), Voice(core, one, limiter, timeout))
    return made, saying({name: sender.voice for name, sender in made.items()})


def _held(work: Work) -> str:
    return "reply" if work.facts.get("paused") else ""


def make_links(base: Base, limiters: Mapping[str, Limiter], drafter: Drafter) -> Links:
    """What this process knows of who cannot be reached."""
    services = {name: limiter.broken_since for name, limiter in limiters.items()}
    if isinstance(drafter, FallbackDrafter):
        services["model"] = ago(lambda: drafter.failing_for, base.clock.now)
    if base.wakeup is not None:
        wakeup = base.wakeup
        services["redis"] = since(lambda: not wakeup.well, base.clock.now)
    return Links(base.noticed, services)


def command_specs(registry: Registry[Context], texts: Catalogue) -> list[CommandSpec]:
    """The commands as platforms announce them."""
    return [
        CommandSpec(
            command.name,
            {language: texts.say(language, command.summary) for language in LANGUAGES},
            command.usage,
            staff=command.action is not None,
            localized=_localized(command.aliases),
        )
        for command in registry.commands.values()
    ]


def _localized(aliases: tuple[str, ...]) -> dict[str, str]:
    """The Chinese name of a command: the first of its other names that is Chinese."""
    chinese = next((alias for alias in aliases if not alias.isascii()), "")
    return {"zh": chinese} if chinese else {}


def make_registry() -> Registry[Context]:
    """All capabilities but those that need a running installation."""
    registry: Registry[Context] = Registry()
    for capability in (
        interactions,
        cards,
        replies,
        reviews,
        comments,
        commands,
        clocks,
        secrecy,
        public,
        polls,
        giveaways,
        links,
        timezone,
    ):
        capability.register(registry)
    return registry


def register_clerks(
    core: Core[Context],
    settings: Settings,
    platforms: dict[str, Platform],
    access: Access,
    desk: Desk,
    model: Model | None,
) -> None:
    """Have happen what time brings about for polls and giveaways."""
    store, registry = core.store, core.registry
    PollClerk(store, desk.keys, platforms, desk.texts).register(registry)
    poll_prompt = PromptFile(prompts_folder(settings) / "poll.md") if model else None
    Sketcher(store, PollDrafter(model, poll_prompt, settings.community.name)).register(registry)
    office = Office(
        store,
        core.clock,
        platforms,
        access,
        Drawer(settings.data_dir / "draws"),
        desk.giveaways.beacon,
        desk.keys,
        lambda work, roles: core.make(work, roles, None),
    )
    GiveawayClerk(office).register(registry)
    Notary(office).register(registry)
    Statistician(office).register(registry)


def giveaway_rules(settings: Settings, beacon: Beacon | None) -> GiveawayRules:
    """What holds for giveaways that say nothing else."""
    said = settings.giveaways
    return GiveawayRules(
        open_to_all=said.open_to == "everyone",
        hours=said.default_hours,
        alternates=said.alternates,
        claim_seconds=said.claim_hours * 3600,
        cooldown_seconds=said.past_winner_days * 86400,
        staff=said.staff == "disclosed",
        organiser=said.organiser,
        law=said.law,
        retention_seconds=said.retention_days * 86400,
        address_seconds=said.address_days * 86400,
        offline=said.beacon == "none",
        beacon=beacon,
    )


def make_desk(settings: Settings, platforms: dict[str, Platform], key: bytes, beacon: Beacon | None = None) -> Desk:
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
        keys=Keys(settings.ballot_keys),
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
        timezone=settings.timezone,
        named=_named(settings, platforms),
        polls_open=settings.polls.open_to == "everyone",
        poll_hours=settings.polls.default_hours,
        active_seconds=settings.polls.active_days * 86400,
        giveaways=giveaway_rules(settings, beacon),
    )


def _named(settings: Settings, platforms: Mapping[str, Platform]) -> dict[str, Channel]:
    """All rooms that the settings name, on the platforms that there are."""
    tenants = dict.fromkeys(platforms, "")
    names = [name for name in settings.channels if name.partition("/")[0] in platforms]
    return dict(zip(names, settings.named(tuple(names), tenants), strict=True))


def _place(settings: Settings, name: str) -> tuple[str, str]:
    return name.partition("/")[0], settings.channels[name]


def make_drafter(settings: Settings, model: Model | None, prompts: PromptFile | None, clock: Clock) -> Drafter:
    """The language model with the embedded drafter behind it, or the embedded one alone."""
    embedded = EmbeddedDrafter()
    if model is None or prompts is None:
        return embedded
    writer = ModelDrafter(model, prompts, frozenset(settings.drafting.link_domains))
    return FallbackDrafter(writer, embedded, clock.monotonic)


def warm_up() -> None:
    """Load what would keep the first comment, or the first time that somebody types, waiting. Takes a second or so."""
    identify("the first comment should not wait for the model of languages")
    times.warm()
    gc.freeze()  # what is loaded by now stays, and need not be looked through for garbage again and again


def prompts_folder(settings: Settings) -> Path:
    """Where prompts are read from."""
    return settings.drafting.prompts or Path(__file__).resolve().parent.parent / "prompts"


def first_key(settings: Settings) -> bytes:
    """The key under which buttons are signed: made once, readable by the owner only.

    On a server it is only what a process would begin with: `shared_key` tells the one that all use.
    Raises StoreUnavailable; blocks.
    """
    data = settings.data_dir
    path = data / "herald.key"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what members wrote
        if not path.exists():
            if settings.database_url.get_secret_value():
                return secrets.token_bytes(KEY_BYTES)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        return path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"cannot write to {data}: {error.strerror}") from error


async def shared_key(store: Store, offered: bytes) -> bytes:
    """The key of all processes on this database: the first one that was ever offered. Raises StoreUnavailable."""

    def unit(connection: Connection) -> str:
        facts = Facts(connection)
        found = facts.get(KEY)
        if found is None:
            facts.set(KEY, offered.hex())
        return found or offered.hex()

    return bytes.fromhex(await store.write(unit))
