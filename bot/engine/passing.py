"""Passing answers: what is said to one person as the direct answer to a press, from memory, or not at all.

They are in no table. Whoever handles the press gives them to the unit of work (`Work.say`), and they go out once that
is committed. One that would come too late is dropped, and so is all that waits when the program is killed: what
happened stands in the database, and whoever wants to know asks.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import NotSent, Platform, Refused, SendError, StoreUnavailable, Unclear
from bot.domain.delivery import Urgency
from bot.engine.acting import perform
from bot.engine.core import Core
from bot.engine.limiter import Limiter
from bot.engine.registry import Tell
from bot.engine.schedule import Candidate
from bot.engine.sealing import without_words
from bot.storage.blocks import Block
from bot.storage.work import Passing

C = TypeVar("C")
AT_ONCE = 64
"""Requests at once on one platform."""
MOST = 5
"""Of what waits for one member, only so many of the newest are kept: somebody who presses a thousand times a second is
told one after the other, and holds up nobody else."""
ROOM = 4096
"""Members of one platform who may wait for an answer; those who have waited longest are not told any more."""
LATEST = 10.0
"""Seconds after the commit in which an answer is still a direct one. Telegram takes it for about fifteen."""
AGAIN = 0.25
"""Seconds before the second try of what was surely not sent, twice as many before each later one."""
DRAIN_SECONDS = 5.0
"""How long what waits may take when the program stops, which has ten seconds in all."""

Say = Callable[[Sequence[Passing]], None]
"""What is done with the passing answers of a unit that is committed. Called in the loop, and waits for nothing."""

log = logging.getLogger("herald.passing")


@dataclass(slots=True)
class _Word:
    passing: Passing
    until: float
    tries: int = 0


class Voice(Generic[C]):
    """Says passing answers on one platform. `timeout` is a request's deadline in seconds.

    A lane is what one member is told, one after the other. Each is either ready, under way, or to be tried later.
    """

    def __init__(self, core: Core[C], platform: Platform, limiter: Limiter, timeout: float) -> None:
        self._core = core
        self._clock = core.clock
        self._platform = platform
        self._limiter = limiter
        self._timeout = timeout
        self.counts: Counter[str] = Counter()
        """How many were said, failed, came too late, or gave way to newer ones (`crowded`)."""
        self._lanes: dict[str, deque[_Word]] = {}
        self._ready: deque[str] = deque()
        self._later: list[tuple[float, str]] = []
        self._running: set[asyncio.Task[float]] = set()
        self._blocked = 0.0
        self._ids = itertools.count(-1, -1)  # no row of the outbox has such a number
        self._goes = self._over = False
        self._woken = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Nothing waits to be said, and nothing is being said."""
        return not self._lanes

    def say(self, passing: Passing) -> None:
        """Say it soon. Only where `run` runs, or will."""
        if self._over:
            self.counts["late"] += 1
            return
        lane, word = str(passing.notice.member), _Word(passing, self._clock.monotonic() + LATEST)
        words = self._lanes.get(lane)
        if words is None:
            self._lanes[lane] = deque([word])
            self._ready.append(lane)
            if len(self._ready) > ROOM:
                self.counts["late"] += len(self._lanes.pop(self._ready.popleft()))
        else:
            words.append(word)
            if len(words) > MOST:
                words.popleft()
                self.counts["crowded"] += 1
        if self._goes:
            self._pump()

    async def run(self) -> None:
        """Say things until cancelled; what waits then has some seconds."""
        self._goes = True
        try:
            while True:
                self._pump()
                self._woken.clear()
                await self._sleep()
        finally:
            self._over = True
            await self._drain()

    async def _sleep(self) -> None:
        """Until something that cannot go now may go. All else goes when it comes, or when a request has ended."""
        waits = [self._later[0][0] - self._clock.monotonic()] if self._later else []
        if self._ready and self._blocked > 0:
            waits.append(self._blocked)
        wait = min([self._clock.patience, *(max(one, 0.005) for one in waits)]) if waits else None
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._woken.wait()

    def _pump(self) -> None:
        """Begin what may be begun."""
        now = self._clock.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[1])
        while self._ready and len(self._running) < AT_ONCE:
            lane = self._ready[0]
            word = self._next(lane, now)
            if word is None:
                self._ready.popleft()
                continue
            chosen = Candidate(next(self._ids), word.passing.at.channel_id, Urgency.ANSWER)
            self._blocked = self._limiter.answer(chosen)
            if self._blocked > 0:
                self._woken.set()
                return
            self._ready.popleft()
            self._lanes[lane].popleft()
            task = asyncio.create_task(self._tell(lane, word, chosen))
            self._running.add(task)
            task.add_done_callback(partial(self._ended, lane))

    def _next(self, lane: str, now: float) -> _Word | None:
        """The oldest word of a lane that is not too late; without one the lane is gone."""
        words = self._lanes[lane]
        while words and words[0].until <= now:
            words.popleft()
            self.counts["late"] += 1
        if words:
            return words[0]
        del self._lanes[lane]
        return None

    def _ended(self, lane: str, task: asyncio.Task[float]) -> None:
        self._running.discard(task)
        at = 0.0
        if not task.cancelled():
            error = task.exception()
            if error is None:
                at = task.result()
            else:
                log.error("a passing answer on %s: %s", self._platform.name, without_words(error))
        if not self._lanes[lane]:
            del self._lanes[lane]
        elif at:
            heapq.heappush(self._later, (at, lane))
        else:
            self._ready.append(lane)
        if at or self._over:
            self._woken.set()
        if self._goes:
            self._pump()

    async def _tell(self, lane: str, word: _Word, chosen: Candidate) -> float:
        """Make the request; when its lane may go on (monotonic), 0: at once."""
        passing = word.passing
        try:
            async with asyncio.timeout(self._timeout):
                await perform(self._platform, Tell(passing.notice, passing.at, passing.reply), "")
        except asyncio.CancelledError:
            self._limiter.failed_transport(chosen)
            self.counts["late"] += 1
            raise
        except TimeoutError:
            return await self._failed(lane, word, chosen, Unclear("no answer in time"))
        except SendError as error:
            return await self._failed(lane, word, chosen, error)
        except Exception as error:
            # Without a trace: it might quote what must not be written down.
            log.error("a passing answer on %s: %s", self._platform.name, without_words(error))  # noqa: TRY400
            return await self._failed(lane, word, chosen, Unclear(type(error).__name__))
        self._limiter.went(chosen)
        self.counts["said"] += 1
        return 0.0

    async def _failed(self, lane: str, word: _Word, chosen: Candidate, error: SendError) -> float:
        """Once more where it was surely not sent and would not come too late; otherwise nobody hears of it."""
        if isinstance(error, NotSent) and error.retry_after is not None:
            await self._keep(self._limiter.told(chosen, error.retry_after, error.scope, str(error)))
        elif isinstance(error, Refused):
            self._limiter.refused(chosen)
        else:
            self._limiter.failed_transport(chosen)
        if isinstance(error, NotSent):
            at = self._clock.monotonic() + max(error.retry_after or 0.0, AGAIN * float(2**word.tries))
            if at < word.until:
                word.tries += 1
                self._lanes[lane].appendleft(word)
                if len(self._lanes[lane]) > MOST:
                    self._lanes[lane].popleft()
                    self.counts["crowded"] += 1
                return at
        self.counts["failed"] += 1
        log.warning("a passing answer on %s: %s %s", self._platform.name, type(error).__name__, error)
        return 0.0

    async def _keep(self, block: Block) -> None:
        """What a platform told us to wait holds across restarts, and for other processes."""

        def unit(connection: Connection) -> None:
            work = self._core.work(connection)
            work.blocks.forget(self._platform.name, work.now)
            work.blocks.keep(self._platform.name, block)

        try:
            await self._core.store.write(unit)
        except StoreUnavailable as error:
            log.warning("the store cannot be used, a wait on %s is not kept: %s", self._platform.name, error)

    async def _drain(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    while self._lanes:
                        self._pump()
                        self._woken.clear()
                        await self._sleep()
        finally:
            self._goes = False
            left = sum(map(len, self._lanes.values())) + len(self._running)
            if left:
                log.warning("%d passing answers on %s are not given: the program stops", left, self._platform.name)
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def unsaid(passing: Sequence[Passing]) -> None:
    """Where nobody says anything."""
    if passing:
        log.warning("%d passing answers are not given: nobody is there to say them", len(passing))


def saying(voices: Mapping[str, Voice[C]]) -> Say:
    """Have each answer said on its platform."""

    def say(passing: Sequence[Passing]) -> None:
        for one in passing:
            voice = voices.get(one.at.platform)
            if voice is None:
                unsaid([one])
            else:
                voice.say(one)

    return say
