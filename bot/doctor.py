"""`herald doctor`: what must be mended before, or while, a Herald runs."""

from __future__ import annotations

import asyncio
import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from bot import app as application
from bot import logs
from bot.chat.ports import ChecksSetup, SendError, SetupFault, StoreUnavailable
from bot.locales import Catalogue, choose
from bot.operations.databases import Database
from bot.outside import make_beacon, redis_fault
from bot.running import FAULTS, complain, say, secrets_of
from bot.settings import Settings, load
from bot.storage.keys import Keys
from bot.storage.schema import HEAD, FileLock, migrate, server_revision

SKEW_SECONDS = 30.0
"""A clock that is off by more than this breaks signatures and the times on cards."""


async def run_doctor() -> int:
    """`herald doctor`: every fault with its fix; exit code 1 on any that is not only a hint."""
    language = choose(os.environ.get("LANG"), ("en", "zh")) or "en"
    texts = Catalogue()
    try:
        settings = await asyncio.to_thread(load)
        logs.configure("ERROR", settings.log_format, secrets_of(settings))
        app = await asyncio.to_thread(application.build, settings)
    except FAULTS as error:
        return complain(error)
    if not app.platforms:
        say(texts.say(language, "doctor.no_platform"))
        return 1
    faults = await _check(app, settings)
    for fault in faults:
        say(("· " if fault.hint else "✗ ") + texts.say(language, f"doctor.{fault.key}", **fault.args))
        say("  → " + texts.say(language, f"doctor.{fault.key}.fix", **fault.args))
    if all(fault.hint for fault in faults):
        say("✓ " + texts.say(language, "doctor.well", platforms=", ".join(app.platforms)))
        return 0
    return 1


async def _check(app: application.App, settings: Settings) -> list[SetupFault]:
    faults: list[SetupFault] = []
    faults += await _database(settings)
    faults += await asyncio.to_thread(_keys, app.desk.keys, settings.ballot_keys)
    faults += await _clock(settings, tuple(app.platforms))
    names = (*settings.watch.channels, *settings.review.channels)
    if not settings.review.channels:
        faults.append(SetupFault("review", {}))
    if not settings.roles.grants():
        faults.append(SetupFault("roles", {}))
    for name, platform in app.platforms.items():
        faults += await _platform(name, platform, settings, names)
        await platform.close()
    faults += await beacon_faults(settings)
    model: object = app.model
    if app.model is not None and hasattr(model, "check"):
        faults += await model.check()
        await app.model.close()
    return faults


async def _platform(name: str, platform: object, settings: Settings, names: tuple[str, ...]) -> list[SetupFault]:
    if not isinstance(platform, ChecksSetup):
        return []
    channels = [one for one in settings.named(names, {name: ""}) if one.platform == name]
    try:
        async with asyncio.timeout(30):
            return await platform.check(channels)
    except (SendError, TimeoutError) as error:
        return [SetupFault("platform", {"platform": name, "reason": str(error) or "no answer in time"})]


async def _database(settings: Settings) -> list[SetupFault]:
    """Whether the database can be opened; one that a running bot holds is left alone. And Redis, where one is set."""
    if url := settings.database_url.get_secret_value():
        return await _servers(settings, url)

    def look() -> str:
        try:
            with FileLock(settings.data_dir / "herald.lock"):
                migrate(settings.data_dir / "herald.db")
        except StoreUnavailable as error:
            return "" if "another process" in str(error) else str(error)
        return ""

    wrong = await asyncio.to_thread(look)
    return [SetupFault("database", {"reason": wrong})] if wrong else []


async def _servers(settings: Settings, url: str) -> list[SetupFault]:
    faults = []
    if wrong := await asyncio.to_thread(_server_fault, url):
        faults.append(SetupFault("server", {"reason": wrong}))
    if wrong := await redis_fault(settings):
        faults.append(SetupFault("redis", {"reason": wrong}))
    return faults


def _server_fault(url: str) -> str:
    """Why the server cannot be used, or nothing. Its schema is left alone: an older program may be running on it."""
    database = Database(Path(), url)
    try:
        found = database.look(server_revision)
    except StoreUnavailable as error:
        return f"{database.name}: {error}"
    return "" if found is None or found <= HEAD else f"{database.name} was written by a newer Herald ({found})"


def _keys(keys: Keys, folder: Path) -> list[SetupFault]:
    """Whether keys of anonymous polls can be made there, for nobody but us to read. Blocks."""
    try:
        is_open = keys.check()
    except StoreUnavailable as error:
        return [SetupFault("keys", {"folder": str(folder), "reason": str(error.__cause__ or error)})]
    return [SetupFault("keys_open", {"folder": str(folder)})] if is_open else []


async def beacon_faults(settings: Settings) -> list[SetupFault]:
    """Whether draws would get their randomness: two mirrors answer, and the same."""
    beacon = make_beacon(settings)
    if beacon is None:
        return []
    try:
        return await beacon.check(time.time())
    finally:
        await beacon.close()


async def _clock(settings: Settings, platforms: tuple[str, ...]) -> list[SetupFault]:
    """Compare our clock with what a platform's server writes into its answers (RFC 9110, Date)."""
    urls = {"slack": settings.slack.api_url, "discord": settings.discord.api_url, "telegram": settings.telegram.api_url}
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for name in platforms:
            try:
                async with session.get(urls[name]) as answer:
                    told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
                continue
            skew = time.time() - told
            return [SetupFault("clock", {"seconds": f"{skew:.0f}"})] if abs(skew) > SKEW_SECONDS else []
    return []
