"""What becomes of a giveaway with time until its list is made: it opens, is checked, closes. And when it is forgotten.

All of it rows, no tasks: what a crash interrupts is done again. What follows a closing is the `notary`'s.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from bot.domain import giving
from bot.domain.giveaways import EntryState, Giveaway, Refused, State, WinState
from bot.engine.registry import Registry
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.giveaways import checking, entering, facts, posting, publishing, signs, winning
from bot.handlers.giveaways.office import Effect, Office, nothing, round_of
from bot.handlers.giveaways.winning import ERASES
from bot.storage.timers import Timer

OPENS, LOOKS, CLOSES = "giveaway_open", "giveaway_look", "giveaway_close"
LAST_PRESSES_SECONDS = 30.0
"""How long a deadline waits for presses that were stored before it, counted from it or from the start of this process:
after an outage there may be many. The beacon's round is 120 s away."""
AGAIN_SECONDS = 0.25
LOOK_LEAST, LOOK_MOST = 600.0, 3600.0
"""When everybody is looked at before the end: a tenth of the whole time before it, within these bounds."""
WAIT_SECONDS = 5.0
"""Between two looks at those whose platform does not answer."""

log = logging.getLogger("herald.giveaways")


@dataclass(frozen=True, slots=True)
class Clerk:
    """Runs the timers of giveaways whose list is open, or long closed."""

    office: Office

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        started = self.office.clock.now()
        registry.timer(OPENS, self.opens)
        registry.timer(entering.CHECKS, self.checks)
        registry.timer(LOOKS, self.looks)
        registry.timer(CLOSES, partial(self.closes, started))
        registry.timer(winning.CLAIMS, partial(self.claims, started))
        registry.timer(winning.AWARDS, self.awards)
        registry.timer(ERASES, self.erases)

    async def opens(self, timer: Timer) -> Effect:
        """The giveaway becomes public."""
        await asyncio.to_thread(self.office.keys.make, timer.key)
        return lambda ctx: open_now(ctx, timer.key)

    async def checks(self, timer: Timer) -> Effect:
        """Platforms are asked about those who wait for it."""
        giveaway = await self.office.named(timer.key)
        if not checking.is_running(giveaway) or giveaway is None:
            return nothing
        look = await self.office.checker.waiting(giveaway)

        def effect(ctx: Context) -> None:
            if checking.settle_waiting(ctx, timer.key, look, final=False):
                ctx.work.timers.set(entering.CHECKS, timer.key, ctx.now + WAIT_SECONDS)
            elif ctx.work.entries.page(giveaway.id, EntryState.CHECKING, "", 1):  # more of them, or come meanwhile
                ctx.work.timers.set(entering.CHECKS, timer.key, ctx.now)

        return effect

    async def looks(self, timer: Timer) -> Effect:
        """Everybody is looked at again while they can still appeal."""
        giveaway = await self.office.named(timer.key)
        if giveaway is None or not checking.is_running(giveaway):
            return nothing
        await self.office.look_at_all(giveaway, appeals=True)
        found = await signs.search(self.office.store, giveaway)

        def effect(ctx: Context) -> None:
            signs.tell(ctx, giveaway, found)
            posting.changed(ctx, giveaway)

        return effect

    async def closes(self, started: float, timer: Timer) -> Effect:
        """Nobody enters any more."""
        return lambda ctx: close(ctx, timer.key, started)

    async def awards(self, timer: Timer) -> Effect:
        """Further winners of a draw with many have their places."""
        return lambda ctx: winning.award_further(ctx, timer.key)

    async def claims(self, started: float, timer: Timer) -> Effect:
        """Whoever has not claimed in time makes room for the next name."""
        return lambda ctx: expire(ctx, timer.key, started)

    async def erases(self, timer: Timer) -> Effect:
        """Who stood behind entries is forgotten; the list, and with it the proof, stays as it is."""
        giveaway = await self.office.named(timer.key)
        if giveaway is None or giveaway.state not in {State.DRAWN, State.CANCELLED}:
            return nothing
        left: bool | None = True
        while left:
            left = await self.office.write(lambda ctx: winning.erase_page(ctx, giveaway))
        await asyncio.to_thread(self.office.keys.destroy, giveaway.name)
        return lambda ctx: ctx.work.giveaways.log(giveaway.id, ctx.now, "", "erased")


def schedule(ctx: Context, giveaway: Giveaway) -> None:
    """A confirmed giveaway: it opens at its time, or now."""
    ctx.work.timers.set(OPENS, giveaway.name, giveaway.opens_at or ctx.now)


def open_now(ctx: Context, name: str) -> None:
    """Open a giveaway that was confirmed."""
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None or giveaway.state is not State.SCHEDULED:
        return
    opened = giving.open(giveaway, ctx.now, round_of(ctx))
    if isinstance(opened, Refused):
        log.warning("giveaway %d cannot be opened any more: %s", giveaway.id, opened.why)
        cancel(ctx, giveaway, "")
        public.tell_team(ctx, posting.NOTES, "giveaway.not_opened", {"number": giveaway.id})
        return
    ctx.work.giveaways.swap(giveaway, opened)
    ctx.work.giveaways.log(giveaway.id, ctx.now, "", "open")
    posting.post_all(ctx, opened)
    set_clocks(ctx, opened)


def set_clocks(ctx: Context, giveaway: Giveaway) -> None:
    """When it closes, and when everybody is looked at before that."""
    ctx.work.timers.set(CLOSES, giveaway.name, giveaway.closes_at)
    lead = min(max((giveaway.closes_at - giveaway.opened_at) / 10, LOOK_LEAST), LOOK_MOST)
    if giveaway.closes_at - lead > ctx.now and giveaway.offer.contest is None:
        ctx.work.timers.set(LOOKS, giveaway.name, giveaway.closes_at - lead)


def cancel(ctx: Context, giveaway: Giveaway, by: str) -> Refused | None:
    """Call a giveaway off whose list is not final. Why not, if so."""
    cancelled = giving.cancel(giveaway, ctx.now)
    if isinstance(cancelled, Refused):
        return cancelled
    ctx.work.giveaways.swap(giveaway, cancelled)
    ctx.work.giveaways.log(giveaway.id, ctx.now, by, "cancel")
    for kind in (OPENS, LOOKS, CLOSES, publishing.FREEZES):
        ctx.work.timers.drop(kind, giveaway.name)
    ctx.work.timers.set(ERASES, giveaway.name, ctx.now + ctx.desk.giveaways.retention_seconds)
    facts.drop(ctx, giveaway)
    posting.finish(ctx, cancelled)
    return None


def presses_wait(ctx: Context, deadline: float, started: float) -> bool:
    """Whether something that was stored by a deadline is still to be looked at. `started`: since when we run."""
    oldest = ctx.work.inbox.oldest()
    return oldest is not None and oldest <= deadline and ctx.now - max(deadline, started) < LAST_PRESSES_SECONDS


def expire(ctx: Context, name: str, started: float) -> None:
    """Give on the places of those who have not claimed, once all that was stored in time has been looked at."""
    giveaway = ctx.work.giveaways.named(name)
    wins = ctx.work.wins.of(giveaway.id) if giveaway is not None else []
    due = [one.until for one in wins if one.state is WinState.OFFERED and one.until <= ctx.now]
    if due and presses_wait(ctx, max(due), started):
        ctx.work.timers.set(winning.CLAIMS, name, ctx.now + AGAIN_SECONDS)
    else:
        winning.expire(ctx, name)


def close(ctx: Context, name: str, started: float) -> None:
    """End entering, once all that was stored before the end has been looked at."""
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None or not checking.is_running(giveaway):
        return
    if giveaway.closes_at > ctx.now:  # it was extended meanwhile
        set_clocks(ctx, giveaway)
        return
    if presses_wait(ctx, giveaway.closes_at, started):
        ctx.work.timers.set(CLOSES, giveaway.name, ctx.now + AGAIN_SECONDS)
        return
    closed = giving.close(giveaway, ctx.now)
    if isinstance(closed, Refused):
        return
    ctx.work.giveaways.swap(giveaway, closed)
    ctx.work.giveaways.log(giveaway.id, ctx.now, "", "close")
    ctx.work.timers.drop(LOOKS, giveaway.name)
    posting.finish(ctx, closed)
    ctx.work.timers.set(publishing.FREEZES, giveaway.name, ctx.now)
