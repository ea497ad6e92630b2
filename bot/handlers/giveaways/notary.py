"""The freeze, the draw and the proof, each made off the loop and made to count in one unit after it.

A crash between the two only repeats it: seed, list and beacon are the same then, and so is what follows from them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bot.chat.beacons import BeaconRound, BeaconUnavailable
from bot.chat.messages import Document
from bot.chat.ports import Links, SendError
from bot.domain import giving
from bot.domain.fdraw import Freeze
from bot.domain.giveaways import Giveaway, Refused, State
from bot.domain.signals import Sign
from bot.engine.drawing import BeaconUsed
from bot.engine.registry import Registry
from bot.handlers import public
from bot.handlers.context import Context, language_of, tell
from bot.handlers.giveaways import checking, contests, entering, facts, posting, publishing, results, signs
from bot.handlers.giveaways.office import Effect, Office, nothing, round_of
from bot.locales.times import said
from bot.storage.giveaway_posts import GiveawayPost
from bot.storage.timers import Timer
from bot.storage.work import Work

PENDING_LEAST, PENDING_MOST = 3.0, 300.0
"""Seconds between two tries to have the beacon; it is tried for ever."""
SAID_AFTER = 10.0
"""Seconds after which rooms hear that the beacon is waited for."""

log = logging.getLogger("herald.giveaways")


@dataclass(frozen=True, slots=True)
class Notary:
    """Runs the timers of lists that are closed."""

    office: Office

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        registry.timer(publishing.FREEZES, self.freezes)
        registry.timer(publishing.DRAWS, self.draws)
        registry.timer(results.PROVES, self.proves)
        registry.timer(entering.PROOFS, self.includes)

    async def freezes(self, timer: Timer) -> Effect:
        """The list becomes final, and public. Once more with a later round where it was published too late."""
        giveaway = await self.office.named(timer.key)
        if giveaway is None or giveaway.published_at or giveaway.state not in {State.CLOSED, State.FROZEN}:
            return nothing
        if giveaway.state is State.CLOSED:
            await self._last_look(giveaway)
            frozen = giving.freeze(giveaway, self.office.clock.now(), self._round_of)
            if isinstance(frozen, Refused):
                return nothing
        else:
            frozen = giveaway
        freeze = await self.office.drawer.freeze(publishing.terms_of(frozen), self.office.pages(giveaway))
        path = await self.office.drawer.list_file(freeze, lambda: self.office.pages(giveaway))
        found = await signs.search(self.office.store, giveaway)
        document = await asyncio.to_thread(lambda: publishing.packed(f"{giveaway.name}-list.txt", path.read_bytes()))
        return lambda ctx: _freeze(ctx, giveaway, frozen, freeze, document, found)

    async def draws(self, timer: Timer) -> Effect:
        """The beacon's round is there: the order of the winners follows from it. Until it is there, it waits."""
        giveaway = await self.office.named(timer.key)
        if giveaway is None or giveaway.state is not State.FROZEN or not giveaway.published_at:
            return nothing
        frozen, seed = await self.office.frozen(giveaway)
        if frozen is None:
            return nothing
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
        order = await self.office.drawer.draw(freeze, seed, value, lambda: self.office.pages(giveaway))
        return lambda ctx: results.drawn(ctx, giveaway.name, found, order)

    async def proves(self, timer: Timer) -> Effect:
        """The proof file is made, and put into the rooms."""
        giveaway = await self.office.named(timer.key)
        if giveaway is None or giveaway.state is not State.DRAWN:
            return nothing
        document = await self._proof(giveaway)
        return lambda ctx: results.show_proof(ctx, giveaway.name, document)

    async def includes(self, timer: Timer) -> Effect:
        """One member's proof of being on the frozen list."""
        name, _, person = timer.key.partition("|")
        giveaway = await self.office.named(name)
        if giveaway is None:
            return nothing
        frozen, _seed = await self.office.frozen(giveaway)
        entry = await self.office.store.read(lambda connection: Work(connection, 0.0).entries.get(giveaway.id, person))
        if frozen is None or entry is None:
            return nothing
        freeze = publishing.freeze_of(giveaway, frozen)
        inclusion = await self.office.drawer.inclusion(freeze, entry.ticket, lambda: self.office.pages(giveaway))

        def effect(ctx: Context) -> None:
            asker = facts.recall(ctx, giveaway, person)
            if asker is not None:
                language = language_of(ctx, asker)
                lines = entering.ticket_lines(ctx, giveaway, entry, language)
                tell(ctx, asker, "\n".join([*lines, *results.inclusion_lines(ctx, freeze, inclusion, language)]))

        return effect

    # ---- steps

    def _round_of(self, at: float) -> int:
        return self.office.beacon.round_at(at) if self.office.beacon is not None else 0

    async def _last_look(self, giveaway: Giveaway) -> None:
        """Everything that may still change the list of a closed giveaway; all of it may be repeated."""
        if giveaway.offer.contest is not None:
            await self._take_comments(giveaway)
        while (look := await self.office.checker.waiting(giveaway)).entries:
            settle = partial(checking.settle_waiting, name=giveaway.name, look=look, final=True)
            if await self.office.write(settle) is None:
                return
        await self.office.look_at_all(giveaway, appeals=False)
        if doubles := await self.office.read(lambda ctx: checking.doubles(ctx.work, giveaway)):
            await self.office.write(lambda ctx: checking.put_out(ctx, giveaway, doubles))

    async def _take_comments(self, giveaway: Giveaway) -> None:
        found = await self.office.store.read(lambda connection: contests.entrants(Work(connection, 0.0), giveaway))
        for at in range(0, len(found), checking.PAGE):
            page = found[at : at + checking.PAGE]
            await self.office.write(partial(contests.enter_all, giveaway=giveaway, comments=page))

    async def _proof(self, giveaway: Giveaway) -> Document | None:
        frozen, seed = await self.office.frozen(giveaway)
        drawn, rerolls, posts, noted = await self.office.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).giveaways.drawn(giveaway.id),
                work.giveaways.rerolls(giveaway.id),
                work.giveaway_posts.of(giveaway.id),
                work.giveaways.witnesses(giveaway.id),
            )
        )
        if frozen is None or drawn is None:
            return None
        used = BeaconUsed("none")
        if giveaway.chain:
            used = BeaconUsed("drand", giveaway.chain, giveaway.round, drawn.signature, drawn.value)
        links = {post.id: await self._link(post.channel.platform, post) for post in posts if post.message_id}
        witnesses = results.witnesses(giveaway, frozen, posts, links, {one.url: one.extra for one in noted})
        freeze = publishing.freeze_of(giveaway, frozen)
        path = await self.office.drawer.proof(
            freeze,
            seed,
            used,
            drawn.order,
            rerolls,
            witnesses,
            pages=lambda: self.office.pages(giveaway),
        )
        return await asyncio.to_thread(lambda: publishing.packed(f"{giveaway.name}-proof.json", path.read_bytes()))

    async def _link(self, name: str, post: GiveawayPost) -> str | None:
        platform: object = self.office.platforms.get(name)
        if not isinstance(platform, Links) or not post.message_id:
            return None
        try:
            async with asyncio.timeout(10):
                return await platform.link(post.channel, post.message_id)
        except (SendError, TimeoutError) as error:
            log.warning("a message's address on %s cannot be had: %s", name, type(error).__name__)
            return None

    async def _fetch(self, giveaway: Giveaway) -> BeaconRound:
        if self.office.beacon is None or self.office.beacon.chain != giveaway.chain:
            raise BeaconUnavailable(f"the settings name another chain than {giveaway.chain}")
        return await self.office.beacon.fetch(giveaway.round)


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
        if giveaway.chain and round_of(ctx)(ctx.now + giving.PUBLISH_SECONDS) > wanted.round:
            ctx.work.timers.set(publishing.FREEZES, before.name, ctx.now)  # making it took too long for that round
            return
        ctx.work.giveaways.swap(giveaway, wanted)
        giveaway = wanted
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
    if late > SAID_AFTER and ctx.work.facts.get(told) is None:
        ctx.work.facts.set(told, "1")
        posting.tell_rooms(ctx, giveaway, "giveaway.pending", {"number": giveaway.id, "round": giveaway.round})
        public.tell_team(ctx, posting.NOTES, "giveaway.pending_why", {
            "number": giveaway.id, "reason": reason, "time": said(ctx.now, ctx.desk.timezone, giveaway.language),
        })  # fmt: skip
