"""Several processes on one PostgreSQL and one Redis: killed, stopped for longer than their leases, and cut off.

Two gateways and two workers, each in its own directory, share a database. Whatever dies is started again after a
while; whatever was held by the dead or the stopped is taken over by the living, and what those do who come back after
that must change nothing. Both servers are reached through proxies, and they themselves are killed, flushed, restarted.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg
from servers import Postgres, Redis

from .campaign import GRACE, LEASE, QUIET, REACHED, SETTLED, TIMEOUT, Campaign, process_state, wishes
from .crowd import Crowd
from .forked import Nursery
from .proxy import BROKEN, Mode, Proxy
from .verdict import Verdict
from .world import Bot, opened

KILLS, STOPPED = "several: kill -9 of a {}", "several: SIGSTOP of a worker"
SEATS = {"gateway 1": "gateway", "gateway 2": "gateway", "worker 1": "worker", "worker 2": "worker"}
PROCESSES = {"beat": 0.5, "lease": 2.0}
STOPPED_FOR = LEASE + QUIET + PROCESSES["lease"] + 0.5
STOPS = ("outbox.request/reply", "outbox.answered/reply", "outbox.sending/reply", "router.prepared", "leases.renewing")
OUT_OF_REACH = (Mode.BLACK_HOLE, Mode.SWALLOWED)
NAMED = "SELECT name FROM facts WHERE name = ?"
SERVER_SPOILED = TIMEOUT + GRACE + 2.0


@dataclass
class Several(Campaign):
    """A campaign whose bot is four processes."""

    postgres: Postgres = field(kw_only=True)
    redis: Redis = field(kw_only=True)
    proxies: Mapping[str, Proxy] = field(kw_only=True)
    seated: dict[str, Bot] = field(default_factory=dict)

    async def seat(self, name: str, points: str = "") -> Bot:
        """Start the process of this name, and do not wait until it is ready."""
        data = str(self.world.folder / name.replace(" ", "-"))
        bot = self.seated[name] = self.world.bot(points, role=SEATS[name], HERALD_DATA_DIR=data)
        starting = asyncio.create_task(bot.begin("herald "))  # ready, or waiting while another one hears
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        await self.within(REACHED, lambda: bot.running or starting.done())
        return bot

    _starting: set[asyncio.Task[None]] = field(default_factory=set)

    async def gather(self) -> None:
        """Have every process run, and reading begun."""
        for name in SEATS:
            if name not in self.seated or not self.seated[name].running:
                await self.seat(name)
        await asyncio.gather(*self._starting)

    async def settle(self, verdict: Verdict) -> None:
        """All processes run until everything is answered and nothing is under way."""
        await self.gather()
        if not await self.within(SETTLED, self.quiet):
            verdict.wrong.append(f"not settled in {SETTLED:.0f} s: {self.under_way()}")
        for name, bot in self.seated.items():
            if not bot.running:
                verdict.wrong.append(f"{name} ended with code {bot.code}: {bot.last_lines()[-3:]}")

    async def kills(self, count: int, role: str) -> Verdict:
        """kill -9 of one of a role while the others go on; it comes back after a while."""
        chance = self._chance(f"kill {role}")

        async def once(_: int) -> bool:
            name = chance.choice([name for name, its in SEATS.items() if its == role])
            async with self._load():
                await asyncio.sleep(chance.uniform(0.2, 1.0))
                bot = self.seated[name]
                await bot.kill()
                await asyncio.sleep(chance.uniform(0.0, 2.0 * PROCESSES["lease"]))
                await self.seat(name)
            return bot.code == -signal.SIGKILL

        return await self.group(KILLS.format(role), count, once)

    async def stops(self, count: int) -> Verdict:
        """SIGSTOP of a worker for longer than its leases; another takes its work, then it goes on where it stopped."""
        chance = self._chance("stop worker")

        async def once(number: int) -> bool:
            at = STOPS[number % len(STOPS)]
            name = f"worker {chance.randint(1, 2)}"
            await self.seated[name].kill()
            bot = await self.seat(name, f"{at}=stop:{chance.randint(1, 2)}")
            async with self._load():
                hit = await self.within(REACHED, lambda: process_state(bot) in ("T", ""))
                await asyncio.sleep(STOPPED_FOR)
                await bot._signal(signal.SIGCONT)
                await asyncio.sleep(2.0)
            await bot.kill()  # one that comes to its place only now would stop for good
            await self.seat(name)
            return hit and bot.said(f"failpoint {at.partition('/')[0]} reached")

        return await self.group(STOPPED, count, once)

    async def server(self, name: str, count: int, fault: Callable[[], None]) -> Verdict:
        """Something that happens to a server, under load."""
        chance = self._chance(name)

        async def once(_: int) -> bool:
            async with self._load():
                await asyncio.sleep(chance.uniform(0.2, 1.0))
                await asyncio.to_thread(fault)
                await asyncio.sleep(chance.uniform(0.5, 1.5))
            return True

        return await self.group(f"several: {name}", count, once)

    async def spoil(self, link: str, mode: Mode) -> Verdict:
        """The way to a server is spoiled under load, and whole again; a Redis out of reach must be told."""
        told: list[str] = []

        async def once(_: int) -> bool:
            proxy = self.proxies[link]
            before = proxy.spoiled
            async with self._load():
                proxy.set(mode)
                await asyncio.sleep(SERVER_SPOILED)
                if link == "Redis" and mode in OUT_OF_REACH:
                    named = await self.within(REACHED, lambda: self.world.rows(NAMED, "link:redis"))
                    told.extend([] if named else ["nothing tells that Redis is out of reach"])
                proxy.set(Mode.WHOLE)
            return proxy.spoiled > before

        return await self.group(f"several: {link}, {mode.value}", 1, once, told)

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[None]:
        silent = asyncio.Event()
        talking = asyncio.create_task(self.crowd.talk(silent))
        try:
            yield
        finally:
            silent.set()
            await talking

    def ask_database(self, database: str, query: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        """Rows of the database, past the proxy; a one where nobody can tell."""
        quoted = iter(["'" + str(value).replace("'", "''") + "'" for value in values])
        sql = re.sub(r"\?", lambda _: next(quoted), query)
        try:
            return self.postgres.admin(sql, database=database)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return [(1,) * 4]

    async def stop(self) -> None:
        """SIGTERM to all at once; each must end by itself."""
        took = await asyncio.gather(*(bot.stop() for bot in self.seated.values()))
        codes = {name: bot.code for name, bot in self.seated.items()}
        verdict = Verdict(self.world.platform, "several: SIGTERM", len(codes), len(codes))
        if any(codes.values()):
            verdict.wrong.append(f"exit codes {codes} after {max(took):.1f} s")
        self.verdicts.append(verdict)
        self.tell(verdict.line())


@asynccontextmanager
async def several(
    folder: Path, platform: str, nurse: Nursery, seed: int, tell: Callable[[str], None]
) -> AsyncIterator[Several]:
    """Both servers with proxies before them, a sandbox, and four processes that are ready."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    knowledge = folder / "tins.jsonl"
    async with AsyncExitStack() as stack:
        postgres, redis = await asyncio.to_thread(Postgres), Redis()
        for server in (postgres, redis):
            stack.push_async_callback(asyncio.to_thread, server.discard)
            await asyncio.to_thread(server.start)
        database = await asyncio.to_thread(postgres.create)
        proxies = {"PostgreSQL": Proxy("127.0.0.1", postgres.port, True), "Redis": Proxy("127.0.0.1", redis.port, True)}
        for proxy in proxies.values():
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        settings = wishes(knowledge, 0) | {"processes": PROCESSES}
        world = await stack.enter_async_context(opened(folder, platform, settings))
        world.nursery = nurse
        through = proxies["PostgreSQL"].own_port
        world.environment |= {
            "HERALD_DATABASE_URL": postgres.url(database).replace(f":{postgres.port}/", f":{through}/"),
            "HERALD_REDIS_URL": f"redis://127.0.0.1:{proxies['Redis'].own_port}/0",
        }
        crowd = Crowd(world, random.Random(seed), knowledge)
        crowd.teach()
        approving = asyncio.create_task(crowd.approve())
        run = Several(world, crowd, seed, tell, postgres=postgres, redis=redis, proxies=proxies)
        world.query = lambda query, values: run.ask_database(database, query, values)
        try:
            await run.gather()
            await crowd.ask()
            await run.within(SETTLED, run.quiet)
            await crowd.forget()
            yield run
        finally:
            approving.cancel()
            with suppress(asyncio.CancelledError):
                await approving


def happenings(run: Several, size: int) -> dict[str, Callable[[], Awaitable[Verdict]]]:
    """Everything that may happen to several processes, by the name of its group; the smaller things `size` times."""

    def restarted(server: Postgres | Redis, how: Callable[[], None]) -> Callable[[], None]:
        def fault() -> None:
            how()
            server.start()

        return fault

    servers = {
        "Redis flushed": run.redis.flush,
        "Redis killed": restarted(run.redis, run.redis.kill),
        "PostgreSQL stopped": restarted(run.postgres, run.postgres.stop),
        "PostgreSQL killed": restarted(run.postgres, run.postgres.kill),
    }
    found: dict[str, Callable[[], Awaitable[Verdict]]] = {
        KILLS.format("worker"): lambda: run.kills(2 * size, "worker"),
        KILLS.format("gateway"): lambda: run.kills(size, "gateway"),
        STOPPED: lambda: run.stops(size),
    }
    found |= {f"several: {name}": partial(run.server, name, size, fault) for name, fault in servers.items()}
    for link in run.proxies:
        found |= {f"several: {link}, {mode.value}": partial(run.spoil, link, mode) for mode in BROKEN}
    return found
