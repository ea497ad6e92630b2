"""One platform's part of the fault run: a sandbox, a data directory, people, and bots that die in every way."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.domain.failpoints import Point
from bot.rehearsal.errors import RehearsalError

from .crowd import Crowd
from .forked import Nursery
from .ledger import unstored
from .places import How, Place
from .verdict import Verdict, judge
from .world import Bot, World, opened, until

TIMEOUT, GRACE, LEASE = 2.0, 0.5, 4.0
"""Short, so that a run has time for many: a request's, what may land behind it, and the lease of who sends."""
QUIET = TIMEOUT + GRACE
REACHED = 30.0
"""Seconds in which a place must be reached."""
SETTLED = 45.0
STOPPED = 10.0
REFUSALS = 8
"""More than any client repeats by itself."""
ANSWERING = {"telegram": "allow_sending_without_reply", "slack": "thread_ts", "discord": "message_reference"}
"""What hardly anything but a request that makes a reply holds."""
OPEN = (
    "SELECT (SELECT count(*) FROM inbox WHERE state = 'new') + (SELECT count(*) FROM outbox WHERE state IN"
    " ('pending', 'claimed', 'sending', 'uncertain')) + (SELECT count(*) FROM timers WHERE kind = 'draft')"
)
STOPS = ("outbox.request/reply", "outbox.answered/reply", "outbox.sending/reply", "store.committing", "inbox.committed")


def wishes(knowledge: Path, undo: float) -> dict[str, Any]:
    """The settings of the run."""
    return {
        "review": {"undo_seconds": undo, "card_lines": False},
        "delivery": {"request_timeout": TIMEOUT, "grace": GRACE, "lease": LEASE},
        "knowledge": {"path": str(knowledge)},
    }


@dataclass
class Campaign:
    """Rounds on one platform, in groups; each group ends with a verdict over all that was said in it."""

    world: World
    crowd: Crowd
    seed: int
    tell: Callable[[str], None]
    environment: dict[str, str] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    _fresh: int = 0

    async def acquaint(self) -> None:
        """A first run: what was said before anybody listened is nobody's comment, so reading must have begun."""
        bot = self.world.bot()
        async with self._running(bot, load=False):
            await self._begun(bot)
            await self.crowd.ask()
            await self.within(SETTLED, self.quiet)
        await self.crowd.forget()

    async def place(self, place: Place, kills: int) -> Verdict:
        """So many deaths at one failpoint."""
        chance = self._chance(place.name)
        turns = [chance.randint(1, place.turns) for _ in range(kills)]
        model = {"HERALD_DRAFTING__DRAFTER": "openai"} if place.how is How.MODEL else {}
        self.environment, self.crowd.model = model, place.how is How.MODEL

        async def once(number: int) -> bool:
            await self._prepare(place, number)
            return await self._dies(place, turns[number])

        return await self.group(place.name, kills, once)

    async def at_random(self, kills: int) -> Verdict:
        """kill -9 at times that only the seed knows, from the first moment of a start on."""
        chance = self._chance("random")

        async def once(_: int) -> bool:
            bot = self.world.bot()
            async with self._running(bot):
                await asyncio.sleep(chance.uniform(0.0, 2.5))
                await bot.kill()
            return bot.code == -signal.SIGKILL

        return await self.group("random kill", kills, once)

    async def suspended(self, stops: int) -> Verdict:
        """SIGSTOP at a place or anywhere, SIGCONT after lease and quiet period are over."""
        chance = self._chance("suspended")
        where = [STOPS[number % len(STOPS)] if number % 6 else "" for number in range(stops)]

        async def once(number: int) -> bool:
            at = where[number]
            bot = self.world.bot(f"{at}=stop:{chance.randint(1, 2)}" if at else "")
            async with self._running(bot):
                await self._begun(bot)
                if not at:
                    await asyncio.sleep(chance.uniform(0.1, 1.0))
                    await bot._signal(signal.SIGSTOP)
                hit = await self.within(REACHED, lambda: process_state(bot) in ("T", ""))
                await asyncio.sleep(LEASE + QUIET + 0.5)
                await bot._signal(signal.SIGCONT)
                await asyncio.sleep(chance.uniform(0.2, 1.0))
                await bot.kill()
            return hit and (not at or bot.said(f"failpoint {at.partition('/')[0]} reached"))

        return await self.group("SIGSTOP", stops, once)

    async def terminated(self, stops: int) -> Verdict:
        """SIGTERM under load: it ends by itself in ten seconds, and nothing is left in the middle."""
        chance = self._chance("terminated")
        told: list[str] = []

        async def once(number: int) -> bool:
            bot = self.world.bot()
            async with self._running(bot):
                await self._begun(bot)
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                if number % 2:
                    await self._fault("slow", seconds=1.0)
                took = await bot.stop()
            await self._fault("slow", times=0)
            left = self.world.count("SELECT count(*) FROM outbox WHERE state = 'sending'")
            if bot.code != 0 or left or took >= STOPPED:
                told.append(f"stop {number}: exit code {bot.code} after {took:.1f} s, {left} rows in `sending`")
            return bot.code is not None

        return await self.group("SIGTERM under load", stops, once, told)

    async def group(
        self, name: str, wanted: int, once: Callable[[int], Awaitable[bool]], told: list[str] | None = None
    ) -> Verdict:
        """Rounds, then quiet, then the verdict. A round that missed its mark is played again, twice at most."""
        began, before = time.monotonic(), set(self.crowd.comments)
        verdict = Verdict(self.world.platform, name, wanted)
        for number in range(wanted):
            for _ in range(3):
                if await once(number):
                    verdict.counted += 1
                    break
        if verdict.counted < wanted:
            verdict.wrong.append(f"only {verdict.counted} of {wanted} hit their mark")
        said = [comment for message, comment in self.crowd.comments.items() if message not in before]
        await self.settle(verdict)
        verdict.wrong += told or []
        verdict.comments = len(said)
        judge(verdict, self.crowd, said)
        await self.crowd.forget()
        verdict.seconds = time.monotonic() - began
        self.verdicts.append(verdict)
        self.tell(verdict.line())
        return verdict

    def acknowledged(self) -> Verdict:
        """Events that were acknowledged and are no rows: over all that happened in the present data directory."""
        verdict = Verdict(self.world.platform, "acknowledged events", 1, 1)
        verdict.lost += [f"event {event} was acknowledged and not stored" for event in unstored(self.world)]
        self.verdicts.append(verdict)
        self.tell(verdict.line())
        return verdict

    def _chance(self, name: str) -> random.Random:
        chance = random.Random(f"{self.seed}/{self.world.platform}/{name}")
        self.crowd.chance = random.Random(chance.random())
        return chance

    async def _prepare(self, place: Place, number: int) -> None:
        """Bring about what the place needs before the start that is to die there."""
        if place.how is How.FRESH:
            self._fresh += 1
            await self._quiet_now()
            self.world.data = f"fresh{self._fresh}"
        elif place.how is How.DOUBT:
            await self._dies(Place((Point.OUTBOX_ANSWERED, Point.OUTBOX_REQUEST)[number % 2], "reply"), 1)
        elif place.how is How.GAP:
            for _ in range(3):
                await self.crowd.ask()
        elif place.how is How.REFUSED:
            await self._fault(("500", "429")[number % 2], times=REFUSALS)

    async def _quiet_now(self) -> None:
        """Nothing is under way, so that another directory may take over: a plain run until all is settled."""
        verdict = Verdict(self.world.platform, "between")
        if self.crowd.unanswered() or self._fresh == 1:
            await self.settle(verdict)

    async def _dies(self, place: Place, turn: int) -> bool:
        """Whether a run died at that place."""
        bot = self.world.bot(f"{place.name}=kill:{turn}", **self.environment)
        load = place.how not in (How.START, How.FRESH)
        async with self._running(bot, load=load):
            if place.how is How.STOP:
                await self._begun(bot)
                await asyncio.sleep(0.5)
                await bot.stop()
            await self.within(REACHED, lambda: not bot.running and bot.code is not None)
            await bot.kill()
        if place.how is How.REFUSED:
            for kind in ("500", "429"):
                await self._fault(kind, times=0)
        return bot.code == -signal.SIGKILL and bot.said(f"failpoint {place.point.value} reached")

    @asynccontextmanager
    async def _running(self, bot: Bot, *, load: bool = True) -> AsyncIterator[None]:
        """The bot is started and people talk; when this is left it is dead."""
        silent = asyncio.Event()
        starting = asyncio.create_task(bot.begin())
        talking = asyncio.create_task(self.crowd.talk(silent)) if load else None
        try:
            await self.within(REACHED, lambda: bot.running or starting.done())
            yield
        finally:
            silent.set()
            await bot.kill()
            await starting
            if talking is not None:
                await talking

    async def _begun(self, bot: Bot) -> None:
        await self.within(REACHED, lambda: bot.last_lines() and (not bot.running or _ready(bot)))

    async def within(self, seconds: float, look: Callable[[], object]) -> bool:
        """Whether there is something to see in so many seconds."""
        with suppress(AssertionError):
            await until("", look, seconds)
            return True
        return False

    async def _fault(self, kind: str, **how: float) -> None:
        fields = {"platform": self.world.platform, "kind": kind, "match": ANSWERING[self.world.platform]}
        await self.world.control.post("fault", fields | {"times": 1} | how)

    def quiet(self) -> bool:
        """Whether everything is answered, no card asks for anything, and nothing is under way."""
        return not (self.crowd.unanswered() or self.crowd.asking or self.world.count(OPEN))

    def under_way(self) -> str:
        """What keeps it from being quiet."""
        states = self.world.rows("SELECT kind, state, count(*), max(error) FROM outbox GROUP BY 1, 2")
        rows = [row for row in states if row[1] not in ("sent", "cancelled")]
        unanswered = [comment.word for comment in self.crowd.unanswered()]
        stale = self.crowd.stale()
        return f"unanswered {unanswered}, {self.world.count(OPEN)} under way {rows}, answered and still asking {stale}"

    async def settle(self, verdict: Verdict) -> None:
        """A plain run until everything is answered and nothing is under way, and its stop."""
        bot = self.world.bot(**self.environment)
        try:
            await bot.ready()
        except RehearsalError as error:
            verdict.wrong.append(f"no start after it: {str(error)[-600:]}")
            return
        if not await self.within(SETTLED, self.quiet):
            verdict.wrong.append(f"not settled in {SETTLED:.0f} s: {self.under_way()}")
        await asyncio.sleep(0.3)
        took = await bot.stop()
        if bot.code != 0:
            verdict.wrong.append(f"the stop after it: exit code {bot.code} after {took:.1f} s")


def process_state(bot: Bot) -> str:
    """The letter of a process's state; empty when it is gone."""
    try:
        text = Path(f"/proc/{bot.pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(") ")[2][:1]


def _ready(bot: Bot) -> bool:
    return any(line.startswith("herald ready") for line in bot.last_lines())


@asynccontextmanager
async def campaign(
    folder: Path, platform: str, nurse: Nursery, seed: int, tell: Callable[[str], None], undo: float = 0
) -> AsyncIterator[Campaign]:
    """A campaign that is ready for its first round; approved replies are held for `undo` seconds."""
    await asyncio.to_thread(partial(folder.mkdir, parents=True, exist_ok=True))
    knowledge = folder / "tins.jsonl"
    async with opened(folder, platform, wishes(knowledge, undo)) as world:
        world.nursery = nurse
        info = await world.control.get("info", {})
        world.environment |= {name: value for name, value in info["env"].items() if "OPENAI" in name}
        crowd = Crowd(world, random.Random(seed), knowledge)
        crowd.teach()
        approving = asyncio.create_task(crowd.approve())
        try:
            yield Campaign(world, crowd, seed, tell)
        finally:
            approving.cancel()
            await asyncio.gather(approving, return_exceptions=True)
