"""Broken links: every mode of a failing network on every link of a running bot, under load, and what comes after.

The bot is not started anew: it must come back by itself. A link is spoiled for longer than a request may take; from the
moment it is whole again, everything that was said before, and one comment more, must be answered within `RECOVERED`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .campaign import TIMEOUT, Campaign, campaign
from .forked import Nursery
from .proxy import Mode, Proxy
from .verdict import Verdict, judge
from .world import Bot

SPOILED = TIMEOUT + 3.0
UNDO = 1.0
HELD, HELD_SECONDS = 4, 15.0
"""So many approved replies are about to leave when a link is spoiled."""
NAMED = "SELECT name FROM facts WHERE name LIKE 'link:%'"
"""What `/status` and `herald status` name as out of reach."""
PENDING = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'pending'"
RECOVERED = 30.0


@dataclass(frozen=True, slots=True)
class Link:
    """One of a platform's connections: which setting leads to it, and whether it carries frames for long."""

    name: str
    setting: str
    framed: bool = False
    told: bool = False
    """Its address is not set but told by the platform over the link before it."""
    afresh: bool = False
    """Each mode begins with a start: what failed is left alone for a while, and the next mode would meet nobody."""


LINKS: Mapping[str, tuple[Link, ...]] = {
    "telegram": (Link("Bot API", "HERALD_TELEGRAM__API_URL"), Link("model", "HERALD_OPENAI__BASE_URL", afresh=True)),
    "slack": (Link("Web API", "HERALD_SLACK__API_URL"), Link("socket", "", framed=True, told=True)),
    "discord": (
        Link("REST API", "HERALD_DISCORD__API_URL"),
        Link("gateway", "HERALD_DISCORD__GATEWAY_URL", framed=True),
    ),
}


@dataclass
class Wire:
    """A campaign whose bot reaches everything by way of proxies."""

    run: Campaign
    proxies: dict[str, Proxy]
    bot: Bot | None = None
    recovered: dict[str, float] = field(default_factory=dict)

    async def start(self) -> None:
        """Start the bot that stays."""
        self.run.crowd.model = "model" in self.proxies
        model = {"HERALD_DRAFTING__DRAFTER": "openai"} if self.run.crowd.model else {}
        self.bot = self.run.world.bot(**model)
        await self.bot.ready()

    async def spoil(self, link: str, mode: Mode) -> Verdict:
        """One mode on one link: spoiled under load, whole again, everything answered."""
        assert self.bot is not None
        crowd, began, before = self.run.crowd, time.monotonic(), set(self.run.crowd.comments)
        name = f"{link}, {mode.value}"
        verdict = Verdict(self.run.world.platform, name, 1)
        silent = asyncio.Event()
        talking = asyncio.create_task(crowd.talk(silent))
        await self.run.within(HELD_SECONDS, lambda: self.run.world.count(PENDING) >= HELD)
        before_it = self.proxies[link].spoiled
        self.proxies[link].set(mode)
        await asyncio.sleep(SPOILED)
        verdict.counted += self.proxies[link].spoiled > before_it
        named = ", ".join(name for (name,) in self.run.world.rows(NAMED))
        self.proxies[link].set(Mode.WHOLE)
        whole = time.monotonic()
        silent.set()
        await talking
        await crowd.ask()
        if not await self.run.within(RECOVERED, self.run.quiet):
            verdict.wrong.append(f"not recovered in {RECOVERED:.0f} s: {self.run.under_way()}")
            await self.run.within(2 * RECOVERED, self.run.quiet)  # so that the next mode is judged by itself
        self.recovered[name] = time.monotonic() - whole
        if not self.bot.running:
            verdict.wrong.append(f"the bot ended with code {self.bot.code}: {self.bot.last_lines()[-3:]}")
            await self.start()
        if not verdict.counted:
            verdict.wrong.append("nothing went over the link while it was spoiled")
        said = [comment for message, comment in crowd.comments.items() if message not in before]
        verdict.comments = len(said)
        judge(verdict, crowd, said)
        await crowd.forget()
        verdict.seconds = time.monotonic() - began
        self.run.verdicts.append(verdict)
        told = f"; told: {named}" if named else ""
        self.run.tell(f"{verdict.line()}   well again after {self.recovered[name]:.1f} s{told}")
        return verdict

    async def stop(self) -> None:
        """Stop the bot; a wrong exit code is a verdict of its own."""
        assert self.bot is not None
        await self.bot.stop()
        if self.bot.code != 0:
            verdict = Verdict(self.run.world.platform, "stop after links", 1, 1)
            verdict.wrong.append(f"exit code {self.bot.code}")
            self.run.verdicts.append(verdict)


def through(address: str, proxy: Proxy) -> str:
    """The same address by way of the proxy."""
    return urlunsplit(urlsplit(address)._replace(netloc=f"127.0.0.1:{proxy.own_port}"))


@asynccontextmanager
async def wired(
    folder: Path, platform: str, nurse: Nursery, seed: int, tell: Callable[[str], None]
) -> AsyncIterator[Wire]:
    """A campaign with a proxy before each of the platform's links, all of them whole."""
    async with AsyncExitStack() as stack:
        run = await stack.enter_async_context(campaign(folder, platform, nurse, seed, tell, UNDO))
        proxies: dict[str, Proxy] = {}
        direct = dict(run.world.environment)
        for link in LINKS[platform]:
            address = direct[link.setting or LINKS[platform][0].setting]
            target = urlsplit(address)
            proxy = Proxy(target.hostname or "", target.port or 0, link.framed)
            await proxy.start()
            stack.push_async_callback(proxy.stop)
            proxies[link.name] = proxy
            there, here = f"//127.0.0.1:{target.port}/".encode(), f"//127.0.0.1:{proxy.own_port}/".encode()
            if link.told:
                proxies[LINKS[platform][0].name].rewrites = {there: here}
            else:
                run.world.environment[link.setting] = through(address, proxy)
            if link.framed:  # where a session is resumed is told in a frame, which must not be compressed
                proxy.rewrites, proxy.asks = {there: here}, {b"zlib-stream": b"zstd-stream"}
        yield Wire(run, proxies)


async def break_links(
    folder: Path,
    platform: str,
    nurse: Nursery,
    seed: int,
    tell: Callable[[str], None],
    kept: Sequence[tuple[Link, Mode]],
) -> list[Verdict]:
    """These modes on these links of one platform, one after the other."""
    if not kept:
        return []
    async with wired(folder, platform, nurse, seed, tell) as wire:
        await wire.start()
        for link, mode in kept:
            if link.afresh:
                await wire.stop()
                await wire.start()
            await wire.spoil(link.name, mode)
        await wire.stop()
        return wire.run.verdicts
