"""The end of an anonymous poll's key: destroyed as soon as nothing of the poll is under way, and in any case soon.

The unit that ends a poll sets the timer `secrecy.SHRED`, so that no crash can leave a key for ever; the sweep at each
start finds those whose poll never came to be, guests' keys that are old, and keys of giveaways that are over and of
which nothing sealed is left. It also forgets where prizes were sent to, once that has been kept for long enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import Connection

from bot.domain.failpoints import Point, reach
from bot.domain.giveaways import State as GiveawayState
from bot.domain.polls import Poll, State
from bot.engine.clock import Clock
from bot.engine.registry import Registry
from bot.handlers.context import Context
from bot.handlers.secrecy import SHRED, forget_persons, lane
from bot.storage.keys import Keys, is_giveaway
from bot.storage.store import Store
from bot.storage.timers import Timer
from bot.storage.work import Work

SWEEP = "poll_sweep"
"""The timer that looks for keys without a poll."""
SWEEP_SECONDS = 6 * 3600.0
MOST_OPEN = 1000
"""Open polls that are looked at."""
LONGEST = 60.0
"""Seconds after the end, or after a start, that what is under way has for being done."""
AGAIN = 0.5
"""Seconds between two looks."""
STRAY = 3600.0
"""Seconds after which a key whose poll is nowhere is a stray one: the unit that made it never came to its end."""
_OVER = frozenset({State.CLOSED, State.CANCELLED})
_DONE = frozenset({GiveawayState.DRAWN, GiveawayState.CANCELLED})

log = logging.getLogger("herald.secrecy")


class Shredder:
    """Destroys keys. Nothing that it does touches the key of a poll that may still be voted in, or of a prize."""

    def __init__(self, store: Store, clock: Clock, keys: Keys) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._since: float | None = None

    async def shred(self, timer: Timer) -> Callable[[Context], None]:
        """Destroy the key of a poll that is over once nothing needs it any more."""
        name, now = timer.key, self._clock.now()
        self._since = now if self._since is None else self._since
        since = self._since

        def look(connection: Connection) -> tuple[Poll | None, bool]:
            work = Work(connection, now)
            poll = work.polls.named(name)
            return poll, poll is None or now >= max(poll.closed_at, since) + LONGEST or is_quiet(work, poll)

        poll, quiet = await self._store.read(look)
        if poll is not None and poll.state not in _OVER:
            log.error("poll %s is not over: its key stays", name)
            return _nothing
        if not quiet:
            return lambda ctx: ctx.work.timers.set(SHRED, name, ctx.now + AGAIN)
        reach(Point.SHREDDING)
        await asyncio.to_thread(self._keys.destroy, name)
        log.info("the key of poll %s is destroyed", name)
        reach(Point.SHREDDED)
        return _nothing if poll is None else lambda ctx: forget_persons(ctx, poll)

    async def swept(self, timer: Timer) -> Callable[[Context], None]:
        """Sweep when it is due, and have it done again."""
        await self.sweep()
        return _nothing

    async def sweep(self) -> None:
        """At a start, and every some hours: see to it that no key outlives its poll. Raises StoreUnavailable."""
        names, old = await asyncio.to_thread(self._found)

        def unit(connection: Connection) -> list[str]:
            work = Work(connection, self._clock.now())
            work.timers.set(SWEEP, "", work.now + SWEEP_SECONDS)
            work.wins.forget_addresses(work.now)
            stray = []
            for name in names:
                if is_giveaway(name):
                    stray += [name] if name in old and _is_idle(work, name) else []
                    continue
                poll = work.polls.named(name)
                if poll is not None and poll.state in _OVER:
                    work.timers.set(SHRED, name, work.now)
                elif poll is None and name in old:
                    stray.append(name)
            for poll in work.polls.page((State.OPEN,), MOST_OPEN):
                if poll.question.anonymous and poll.name not in names:
                    log.error("poll %d is open without its key: nobody can vote in it. Close it", poll.id)
            return stray

        for name in await self._store.write(unit):
            await asyncio.to_thread(self._keys.destroy, name)

    def _found(self) -> tuple[list[str], set[str]]:
        self._keys.tidy()
        return self._keys.names(), set(self._keys.names(STRAY))


def register(registry: Registry[Context], shredder: Shredder) -> None:
    """Have keys destroyed when that is due."""
    registry.timer(SHRED, shredder.shred)
    registry.timer(SWEEP, shredder.swept)


def is_quiet(work: Work, poll: Poll) -> bool:
    """Whether nothing waits that may be about this poll: no event from before its end, no answer to a voter."""
    oldest = work.inbox.oldest()
    return (oldest is None or oldest > poll.closed_at) and not work.outbox.any_open(lane(poll.name))


def _is_idle(work: Work, name: str) -> bool:
    """Whether a giveaway's key opens nothing, and nothing will be sealed with it any more."""
    giveaway = work.giveaways.named(name)
    return giveaway is None or (giveaway.state in _DONE and not work.wins.needs_key(giveaway.id))


def _nothing(_: Context) -> None:
    """All is done."""
