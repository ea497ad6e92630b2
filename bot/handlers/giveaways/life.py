"""What becomes of a giveaway with time: it opens, is checked, closes, is frozen, drawn, proved, erased. Rows, no tasks.

Each step is done off the loop first and made to count in one unit after it, so that a crash between them only repeats
it: seed, list and beacon are the same then, and so is what follows from them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.chat.beacons import Beacon, BeaconRound, BeaconUnavailable
from bot.chat.messages import Document
from bot.chat.ports import Links, Platform, SendError
from bot.domain import giving
from bot.domain.fdraw import Entry as Listed
from bot.domain.fdraw import Freeze
from bot.domain.giveaways import Giveaway, Refused, State
from bot.domain.roles import Role
from bot.domain.signals import Sign
from bot.engine.access import Access
from bot.engine.clock import Clock
from bot.engine.drawing import BeaconUsed, Drawer
from bot.engine.registry import Registry
from bot.handlers import public
from bot.handlers.context import Context, language_of, tell
from bot.handlers.giveaways import checking, contests, entering, facts, posting, publishing, results, signs, winning
from bot.handlers.giveaways.checking import Checker
from bot.locales.times import said
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.giveaways import Frozen
from bot.storage.keys import Keys
from bot.storage.store import Store
from bot.storage.timers import Timer
from bot.storage.work import Work

OPENS, LOOKS, CLOSES, ERASES = "giveaway_open", "giveaway_look", "giveaway_close", "giveaway_erase"
LIST_PAGE = 10_000
LAST_PRESSES_SECONDS = 3.0
"""How long a closing waits for presses that were stored before it."""
LOOK_LEAST, LOOK_MOST = 600.0, 3600.0
"""When everybody is looked at before the end: a tenth of the whole time before it, within these bounds."""
WAIT_SECONDS = 5.0
"""Between two looks at those whose platform does not answer."""
PENDING_LEAST, PENDING_MOST = 3.0, 300.0
"""Seconds between two tries to have the beacon; it is tried for ever."""

log = logging.getLogger("herald.giveaways")
Effect = Callable[[Context], None]


@dataclass(frozen=True, slots=True)
class Clerk:
    """Runs giveaways' timers."""

    store: Store
    clock: Clock
    platforms: Mapping[str, Platform]
    access: Access
    drawer: Drawer
    beacon: Beacon | None
    keys: Keys
    context: Callable[[Work, frozenset[Role]], Context]

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        registry.timer(OPENS, self.opens)
        registry.timer(entering.CHECKS, self.checks)
        registry.timer(LOOKS, self.looks)
        registry.timer(CLOSES, self.closes)
        registry.timer(publishing.FREEZES, self.freezes)
        registry.timer(publishing.DRAWS, self.draws)
        registry.timer(results.PROVES, self.proves)
        registry.timer(entering.PROOFS, self.includes)
        registry.timer(winning.CLAIMS, self.claims)
        registry.timer(ERASES, self.erases)

    async def opens(self, timer: Timer) -> Effect:
        """The giveaway becomes public."""
        await asyncio.to_thread(self.keys.make, timer.key)
        return lambda ctx: open_now(ctx, timer.key)

    async def checks(self, timer: Timer) -> Effect:
        """Platforms are asked about those who wait for it."""
        giveaway = await self._named(timer.key)
        if not checking.is_running(giveaway) or giveaway is None:
            return _nothing
        look = await self._checker().waiting(giveaway)

        def effect(ctx: Context) -> None:
            if checking.settle_waiting(ctx, timer.key, look, final=False):
                ctx.work.timers.set(entering.CHECKS, timer.key, ctx.now + WAIT_SECONDS)
            elif len(look.entries) == checking.PAGE:
                ctx.work.timers.set(entering.CHECKS, timer.key, ctx.now)

        return effect

    async def looks(self, timer: Timer) -> Effect:
        """Everybody is looked at again while they can still appeal."""
        giveaway = await self._named(timer.key)
        if giveaway is not None and checking.is_running(giveaway):
            await self._look_at_all(giveaway, appeals=True)
        return lambda ctx: posting.changed(ctx, giveaway) if giveaway else None

    async def closes(self, timer: Timer) -> Effect:
        """Nobody enters any more."""
        return lambda ctx: _close(ctx, timer.key)

    async def freezes(self, timer: Timer) -> Effect:
        """The list becomes final, and public. Once more with a later round where it was published too late."""
        giveaway = await self._named(timer.key)
        if giveaway is None or giveaway.published_at or giveaway.state not in {State.CLOSED, State.FROZEN}:
            return _nothing
        if giveaway.state is State.CLOSED:
            await self._last_look(giveaway)
            frozen = giving.freeze(giveaway, self.clock.now(), self._round_of)
            if isinstance(frozen, Refused):
                return _nothing
        else:
            frozen = giveaway
        freeze = await self.drawer.freeze(publishing.terms_of(frozen), self._pages(giveaway))
        path = await self.drawer.list_file(freeze, lambda: self._pages(giveaway))
        rows = await self.store.read(lambda connection: signs.rows_of(Work(connection, 0.0), giveaway))
        found = await asyncio.to_thread(signs.found_in, rows, giveaway)
        document = await asyncio.to_thread(lambda: publishing.packed(f"{giveaway.name}-list.txt", path.read_bytes()))
        return lambda ctx: _freeze(ctx, giveaway, frozen, freeze, document, found)

    async def draws(self, timer: Timer) -> Effect:
        """The beacon's round is there: the order of the winners follows from it. Until it is there, it waits."""
        giveaway = await self._named(timer.key)
        if giveaway is None or giveaway.state is not State.FROZEN or not giveaway.published_at:
            return _nothing
        frozen, seed = await self._frozen(giveaway)
        if frozen is None:
            return _nothing
        found: BeaconRound | None = None
        if giveaway.chain:
            try:
                found = await self._fetch(giveaway)
            except BeaconUnavailable as error:
                reason = str(error)
                log.warning("giveaway %d: round %d is not to be had: %s", giveaway.id, giveaway.round, reason)
                return lambda ctx: _pending(ctx, timer, reason)
        freeze = publishing.freeze_of(giveaway, frozen)
        value = bytes.fromhex(found.value) if found else b""
        order = await self.drawer.draw(freeze, seed, value, lambda: self._pages(giveaway))
        return lambda ctx: results.drawn(ctx, giveaway.name, found, order)

    async def proves(self, timer: Timer) -> Effect:
        """The proof file is made, and put into the rooms."""
        giveaway = await self._named(timer.key)
        if giveaway is None or giveaway.state is not State.DRAWN:
            return _nothing
        document = await self._proof(giveaway)
        return lambda ctx: results.show_proof(ctx, giveaway.name, document)

    async def includes(self, timer: Timer) -> Effect:
        """One member's proof of being on the frozen list."""
        name, _, person = timer.key.partition("|")
        giveaway = await self._named(name)
        if giveaway is None:
            return _nothing
        frozen, _seed = await self._frozen(giveaway)
        entry = await self.store.read(lambda connection: Work(connection, 0.0).entries.get(giveaway.id, person))
        if frozen is None or entry is None:
            return _nothing
        freeze = publishing.freeze_of(giveaway, frozen)
        inclusion = await self.drawer.inclusion(freeze, entry.ticket, lambda: self._pages(giveaway))

        def effect(ctx: Context) -> None:
            asker = facts.recall(ctx, giveaway, person)
            if asker is not None:
                language = language_of(ctx, asker)
                lines = entering.ticket_lines(ctx, giveaway, entry, language)
                tell(ctx, asker, "\n".join([*lines, *results.inclusion_lines(ctx, freeze, inclusion, language)]))

        return effect

    async def claims(self, timer: Timer) -> Effect:
        """Whoever has not claimed in time makes room for the next name."""
        return lambda ctx: winning.expire(ctx, timer.key)

    async def erases(self, timer: Timer) -> Effect:
        """Who stood behind entries is forgotten; the list, and with it the proof, stays as it is."""
        giveaway = await self._named(timer.key)
        if giveaway is None:
            return _nothing
        left: bool | None = True
        while left:
            left = await self._write(lambda ctx: winning.erase_page(ctx, giveaway))
        await asyncio.to_thread(self.keys.destroy, giveaway.name)
        return lambda ctx: ctx.work.giveaways.log(giveaway.id, ctx.now, "", "erased")

    # ---- steps

    async def _last_look(self, giveaway: Giveaway) -> None:
        """Everything that may still change the list of a closed giveaway; all of it may be repeated."""
        if giveaway.offer.contest is not None:
            await self._take_comments(giveaway)
        while (look := await self._checker().waiting(giveaway)).entries:
            await self._write(lambda ctx, look=look: checking.settle_waiting(ctx, giveaway.name, look, final=True))  # type: ignore[misc]
        await self._look_at_all(giveaway, appeals=False)
        await self._write(lambda ctx: checking.merge_linked(ctx, giveaway))

    async def _look_at_all(self, giveaway: Giveaway, *, appeals: bool) -> None:
        for look in await self._checker().everybody(giveaway):
            await self._write(lambda ctx, look=look: checking.look_again(ctx, giveaway, look, appeals=appeals))  # type: ignore[misc]

    async def _take_comments(self, giveaway: Giveaway) -> None:
        found = await self.store.read(lambda connection: contests.entrants(Work(connection, 0.0), giveaway))
        for at in range(0, len(found), checking.PAGE):
            page = found[at : at + checking.PAGE]
            await self._write(lambda ctx, page=page: contests.enter_all(ctx, giveaway, page))  # type: ignore[misc]

    async def _proof(self, giveaway: Giveaway) -> Document | None:
        frozen, seed = await self._frozen(giveaway)
        drawn, rerolls, posts = await self.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).giveaways.drawn(giveaway.id),
                work.giveaways.rerolls(giveaway.id),
                work.giveaway_posts.of(giveaway.id),
            )
        )
        if frozen is None or drawn is None:
            return None
        used = BeaconUsed("none")
        if giveaway.chain:
            used = BeaconUsed("drand", giveaway.chain, giveaway.round, drawn.signature, drawn.value)
        links = {post.id: await self._link(post.channel.platform, post) for post in posts if post.message_id}
        witnesses = results.witnesses(giveaway, frozen, posts, links)
        freeze = publishing.freeze_of(giveaway, frozen)
        path = await self.drawer.proof(
            freeze, seed, used, drawn.order, results.as_fdraw(rerolls), witnesses, pages=lambda: self._pages(giveaway)
        )
        return await asyncio.to_thread(lambda: publishing.packed(f"{giveaway.name}-proof.json", path.read_bytes()))

    async def _link(self, name: str, post: GiveawayPost) -> str | None:
        platform: object = self.platforms.get(name)
        if not isinstance(platform, Links) or not post.message_id:
            return None
        try:
            async with asyncio.timeout(10):
                return await platform.link(post.channel, post.message_id)
        except (SendError, TimeoutError) as error:
            log.warning("a message's address on %s cannot be had: %s", name, type(error).__name__)
            return None

    async def _fetch(self, giveaway: Giveaway) -> BeaconRound:
        if self.beacon is None or self.beacon.chain != giveaway.chain:
            raise BeaconUnavailable(f"the settings name another chain than {giveaway.chain}")
        return await self.beacon.fetch(giveaway.round)

    async def _pages(self, giveaway: Giveaway) -> AsyncIterator[Sequence[Listed]]:
        after = ""
        while page := await self.store.read(
            lambda connection, after=after: Work(connection, 0.0).entries.list_page(giveaway.id, after, LIST_PAGE)  # type: ignore[misc]
        ):
            yield page
            after = page[-1][0]

    async def _named(self, name: str) -> Giveaway | None:
        return await self.store.read(lambda connection: Work(connection, 0.0).giveaways.named(name))

    async def _frozen(self, giveaway: Giveaway) -> tuple[Frozen | None, bytes]:
        return await self.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).giveaways.frozen(giveaway.id),
                work.giveaways.seed(giveaway.id),
            )
        )

    async def _write(self, unit: Callable[[Context], bool | None]) -> bool | None:
        def run(connection: Connection) -> bool | None:
            return unit(self.context(Work(connection, self.clock.now()), frozenset()))

        return await self.store.write(run)

    def _round_of(self, at: float) -> int:
        return self.beacon.round_at(at) if self.beacon is not None else 0

    def _checker(self) -> Checker:
        return Checker(self.store, self.platforms, self.access)


def schedule(ctx: Context, giveaway: Giveaway) -> None:
    """A confirmed giveaway: it opens at its time, or now."""
    ctx.work.timers.set(OPENS, giveaway.name, giveaway.opens_at or ctx.now)


def round_of(ctx: Context) -> Callable[[float], int]:
    """The beacon's rounds, by time."""
    beacon = ctx.desk.giveaways.beacon
    return beacon.round_at if beacon is not None else lambda at: 0


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
    posting.finish(ctx, cancelled)
    return None


def _close(ctx: Context, name: str) -> None:
    giveaway = ctx.work.giveaways.named(name)
    if giveaway is None or not checking.is_running(giveaway):
        return
    if giveaway.closes_at > ctx.now:  # it was extended meanwhile
        set_clocks(ctx, giveaway)
        return
    oldest = ctx.work.inbox.oldest()
    if oldest is not None and oldest <= giveaway.closes_at and ctx.now - giveaway.closes_at < LAST_PRESSES_SECONDS:
        ctx.work.timers.set(CLOSES, giveaway.name, ctx.now + 0.25)
        return
    closed = giving.close(giveaway, ctx.now)
    if isinstance(closed, Refused):
        return
    ctx.work.giveaways.swap(giveaway, closed)
    ctx.work.giveaways.log(giveaway.id, ctx.now, "", "close")
    ctx.work.timers.drop(LOOKS, giveaway.name)
    posting.finish(ctx, closed)
    ctx.work.timers.set(publishing.FREEZES, giveaway.name, ctx.now)


def _freeze(
    ctx: Context,
    before: Giveaway,
    wanted: Giveaway,
    freeze: Freeze,
    document: Document | None,
    found: Sequence[Sign],
) -> None:
    """Make the list final, unless something has changed while it was made."""
    giveaway = ctx.work.giveaways.get(before.id)
    counts = ctx.work.entries.counts(before.id)
    if giveaway is None or giveaway != before or (counts.entries, counts.weight) != (freeze.entries, freeze.weight):
        ctx.work.timers.set(publishing.FREEZES, before.name, ctx.now)
        return
    if giveaway.state is State.CLOSED:
        after = giving.freeze(giveaway, ctx.now, round_of(ctx))
        if isinstance(after, Refused):
            return
        if after.round != wanted.round:  # it took so long that the round would be over
            ctx.work.timers.set(publishing.FREEZES, before.name, ctx.now)
            return
        ctx.work.giveaways.swap(giveaway, after)
        giveaway = after
    ctx.work.giveaways.freeze(giveaway.id, freeze.text, freeze.root, freeze.entries, freeze.weight)
    ctx.work.giveaways.log(giveaway.id, ctx.now, "", "freeze", freeze.hash)
    frozen = ctx.work.giveaways.frozen(giveaway.id)
    if frozen is not None:
        publishing.publish(ctx, giveaway, frozen, document)
    signs.tell(ctx, giveaway, found)


def _pending(ctx: Context, timer: Timer, reason: str) -> None:
    """The beacon is not there: it is tried again for ever, and said once."""
    giveaway = ctx.work.giveaways.named(timer.key)
    if giveaway is None:
        return
    beacon = ctx.desk.giveaways.beacon
    late = ctx.now - beacon.time_of(giveaway.round) if beacon is not None else 0.0
    wait = min(max(late / 4, PENDING_LEAST), PENDING_MOST)
    ctx.work.timers.set(publishing.DRAWS, giveaway.name, ctx.now + wait)
    told = f"giveaway:{giveaway.name}:pending"
    if late > WAIT_SECONDS * 2 and ctx.work.facts.get(told) is None:
        ctx.work.facts.set(told, "1")
        posting.tell_rooms(ctx, giveaway, "giveaway.pending", {"number": giveaway.id, "round": giveaway.round})
        public.tell_team(ctx, posting.NOTES, "giveaway.pending_why", {
            "number": giveaway.id, "reason": reason, "time": said(ctx.now, ctx.desk.timezone, giveaway.language),
        })  # fmt: skip


def _nothing(_: Context) -> None:
    """There is nothing to do any more."""
