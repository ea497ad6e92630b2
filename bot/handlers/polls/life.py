"""What becomes of a poll with time: it opens, reminds, closes, is counted, and comes again. All of it rows, no tasks.

Closing has two steps, so that nothing long happens while others want to write: first the poll is closed, so that no
ballot changes any more; then it is counted, off the loop, and the result is shown. A crash between them only delays.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from bot.chat.events import PollVoted
from bot.chat.messages import Document
from bot.chat.ports import Platform, ReadsVotes, SendError
from bot.domain import polling
from bot.domain.places import Channel, Member
from bot.domain.polls import Poll, Refused, State
from bot.domain.tally import Tally, count, receipt
from bot.engine.registry import Registry
from bot.handlers import public
from bot.handlers.context import Context
from bot.handlers.polls import posting, results, voting
from bot.handlers.polls.naming import new_name
from bot.handlers.secrecy import SHRED
from bot.locales import LANGUAGES, Catalogue, Value
from bot.locales.times import next_time, said
from bot.storage.keys import Keys
from bot.storage.poll_posts import PollPost
from bot.storage.store import Store
from bot.storage.timers import Timer
from bot.storage.work import Work

OPENS, CLOSES, COUNTS, REMINDS = "poll_open", "poll_close", "poll_count", "poll_remind"
DRAWS, EXPORTS = "poll_draw", "poll_export"
REREAD_SECONDS = 3.0
"""How long reading native votes again may hold up a closing."""
LAST_PRESSES_SECONDS = 3.0
"""How long a closing waits for presses that were stored before it."""
SOON = 3600.0

log = logging.getLogger("herald.polls")
Effect = Callable[[Context], None]


@dataclass(frozen=True, slots=True)
class Clerk:
    """Runs polls' timers: what takes its time is done here, off the loop, before the unit that makes it count."""

    store: Store
    keys: Keys
    platforms: Mapping[str, Platform]
    texts: Catalogue

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        registry.timer(OPENS, self.opens)
        registry.timer(CLOSES, self.closes)
        registry.timer(COUNTS, self.counts)
        registry.timer(DRAWS, self.draws)
        registry.timer(REMINDS, self.reminds)
        registry.timer(EXPORTS, self.exports)

    async def opens(self, timer: Timer) -> Effect:
        """The poll becomes public; an anonymous one gets its key first."""
        poll = await self._poll(timer.key)
        if poll is not None and poll.question.anonymous and poll.state in {State.PREVIEW, State.SCHEDULED}:
            await asyncio.to_thread(self.keys.make, poll.name)
        return lambda ctx: open_now(ctx, timer.key)

    async def closes(self, timer: Timer) -> Effect:
        """No vote is taken any more. Native votes that were missed are read again first.

        The timer is called as the poll is, with a bar and a name behind it where a host closes it before its time.
        """
        name, early, by = timer.key.partition("|")
        poll = await self._poll(name)
        missed = await self._votes(poll) if poll is not None and poll.state is State.OPEN else []
        return lambda ctx: _close_early(ctx, name, by, missed) if early else _close(ctx, name, missed)

    async def counts(self, timer: Timer) -> Effect:
        """The result is made and shown."""
        poll = await self._poll(timer.key)
        if poll is None or poll.state is not State.CLOSED:
            return lambda _: None
        groups, listed, refused = await self.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).ballots.groups(poll.id),
                work.ballots.listed(poll.id),
                work.polls.refusals(poll.id),
            )
        )
        tally = await asyncio.to_thread(count, poll.question, groups)
        record = await asyncio.to_thread(receipt, poll, tally, listed, refused)
        return lambda ctx: _counted(ctx, poll, tally, record)

    async def draws(self, timer: Timer) -> Effect:
        """The result's chart: after the result, which nobody should wait for."""
        poll = await self._poll(timer.key)
        if poll is None or poll.state is not State.CLOSED:
            return lambda _: None
        groups = await self.store.read(lambda connection: Work(connection, 0.0).ballots.groups(poll.id))
        tally = await asyncio.to_thread(count, poll.question, groups)
        pictures = await results.pictures(self.texts, poll, tally, LANGUAGES)
        return lambda ctx: results.show(ctx, poll, pictures)

    async def reminds(self, timer: Timer) -> Effect:
        """A line in the rooms before it closes."""
        return lambda ctx: _remind(ctx, timer.key)

    async def exports(self, timer: Timer) -> Effect:
        """A file of counts and ballots, for the team's room named in the timer's key."""
        name, platform, channel_id = timer.key.split("|")
        poll = await self._poll(name)
        if poll is None:
            return lambda _: None
        groups, listed = await self.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).ballots.groups(poll.id),
                work.ballots.listed(poll.id),
            )
        )
        content = await asyncio.to_thread(lambda: results.table(poll, count(poll.question, groups), listed))
        document = Document(f"poll-{poll.id}.csv", "text/csv", content, f"#{poll.id} {results.short(poll)}")
        return lambda ctx: public.send_file(
            ctx, Channel(platform, "", channel_id), document, f"poll_export:{timer.key}"
        )

    async def _poll(self, name: str) -> Poll | None:
        return await self.store.read(lambda connection: Work(connection, 0.0).polls.named(name))

    async def _votes(self, poll: Poll) -> list[tuple[int, PollVoted]]:
        """The present votes of native posts whose platform can tell them, with the post's number."""
        posts = await self.store.read(lambda connection: Work(connection, 0.0).poll_posts.of(poll.id))
        found = await asyncio.gather(*(self._votes_in(poll, post) for post in posts))
        return [vote for votes in found for vote in votes]

    async def _votes_in(self, poll: Poll, post: PollPost) -> list[tuple[int, PollVoted]]:
        platform: object = self.platforms.get(post.channel.platform)
        if not (post.native and post.message_id and isinstance(platform, ReadsVotes)):
            return []
        try:
            async with asyncio.timeout(REREAD_SECONDS):
                votes = await platform.votes(post.channel, post.message_id, len(poll.question.shown))
        except (SendError, TimeoutError) as error:
            log.warning("votes of poll %d could not be read again: %s", poll.id, error)
            return []
        tenant = post.channel.tenant or await self._tenant(poll, post.channel)
        name = post.channel.platform
        return [(post.id, PollVoted("", Member(name, tenant, user), options)) for user, options in votes.items()]

    async def _tenant(self, poll: Poll, channel: Channel) -> str:
        """Which tenant a room that settings name by its id alone belongs to, by who was heard there."""

        def unit(connection: Connection) -> str:
            work = Work(connection, 0.0)
            voters = [Member.parse(one) for one in work.ballots.members(poll.id)]
            found = next((one.tenant for one in voters if one.platform == channel.platform), None)
            return found or work.comments.tenant(channel) or ""

        return await self.store.read(unit)


def schedule(ctx: Context, poll: Poll) -> None:
    """A confirmed poll: it opens at its time, or now."""
    ctx.work.timers.set(OPENS, poll.name, poll.opens_at or ctx.now)


def open_now(ctx: Context, name: str) -> None:
    """Open a poll that was confirmed, and prepare the next one of its series."""
    poll = ctx.work.polls.named(name)
    if poll is None or poll.state is not State.SCHEDULED:
        return
    opened = polling.open(poll, ctx.now)
    if isinstance(opened, Refused):
        log.warning("poll %d cannot be opened any more: %s", poll.id, opened.why)
        cancel(ctx, poll, "")
        public.tell_team(ctx, posting.NOTES, "poll.not_opened", {"number": poll.id})
        return
    ctx.work.polls.swap(poll, opened)
    ctx.work.polls.log(poll.id, ctx.now, "", "open")
    posting.post_all(ctx, opened)
    set_clocks(ctx, opened)
    _next(ctx, opened)


def set_clocks(ctx: Context, poll: Poll) -> None:
    """When it closes and reminds."""
    if not poll.closes_at:
        return
    ctx.work.timers.set(CLOSES, poll.name, poll.closes_at)
    left = poll.closes_at - ctx.now
    if poll.remind and left > SOON / 6:
        ctx.work.timers.set(REMINDS, poll.name, poll.closes_at - min(SOON, left / 5))


def _next(ctx: Context, poll: Poll) -> None:
    at = next_time(poll.series.rule, poll.series.zone, ctx.now) if poll.series else None
    if at is None:
        return
    fresh = replace(
        poll, id=0, name=new_name(poll.question), state=State.SCHEDULED, made_at=ctx.now, opens_at=at,
        closes_at=at + poll.lasts, opened_at=0.0, revision=0, edits=(),
    )  # fmt: skip
    number = ctx.work.polls.add(fresh)
    ctx.work.polls.log(number, ctx.now, "", "again", str(poll.id))
    schedule(ctx, fresh)


def _close(ctx: Context, name: str, missed: list[tuple[int, PollVoted]]) -> None:
    poll = ctx.work.polls.named(name)
    if poll is None or poll.state is not State.OPEN:
        return
    if poll.closes_at > ctx.now:  # it was extended meanwhile
        set_clocks(ctx, poll)
        return
    oldest = ctx.work.inbox.oldest()
    if oldest is not None and oldest <= poll.closes_at and ctx.now - poll.closes_at < LAST_PRESSES_SECONDS:
        ctx.work.timers.set(CLOSES, poll.name, ctx.now + 0.25)
        return
    _take_missed(ctx, poll, missed)
    close_now(ctx, poll, "")


def _take_missed(ctx: Context, poll: Poll, missed: list[tuple[int, PollVoted]]) -> None:
    for number, event in missed:
        post, voter = ctx.work.poll_posts.get(number), voting.voter_of(ctx, poll, event.member)
        if post is not None and voter is not None and not ctx.work.ballots.get(poll.id, voter):
            voting.take_native(ctx, poll, voter, event, post.channel)


def close_early(ctx: Context, poll: Poll, by: str) -> Refused | None:
    """Close it before its time; at once, or as soon as the votes of native polls are read. Why not, if so."""
    if not any(post.native for post in ctx.work.poll_posts.of(poll.id)):
        return close_now(ctx, poll, by)
    closed = polling.close(poll, ctx.now)
    if isinstance(closed, Refused):
        return closed
    ctx.work.timers.set(CLOSES, f"{poll.name}|{by}", ctx.now)
    return None


def _close_early(ctx: Context, name: str, by: str, missed: list[tuple[int, PollVoted]]) -> None:
    poll = ctx.work.polls.named(name)
    if poll is not None and poll.state is State.OPEN:
        _take_missed(ctx, poll, missed)
        close_now(ctx, poll, by)


def close_now(ctx: Context, poll: Poll, by: str) -> Refused | None:
    """Take no more votes, and have them counted. Why not, if so."""
    closed = polling.close(poll, ctx.now)
    if isinstance(closed, Refused):
        return closed
    ctx.work.polls.swap(poll, closed)
    ctx.work.polls.log(poll.id, ctx.now, by, "close")
    end(ctx, closed)
    ctx.work.timers.set(COUNTS, poll.name, ctx.now)
    return None


def end(ctx: Context, poll: Poll) -> None:
    """What happens to every poll that is over: clocks stop, cards show it, the key is destroyed."""
    ctx.work.timers.drop(CLOSES, poll.name)
    ctx.work.timers.drop(REMINDS, poll.name)
    posting.finish(ctx, poll)
    if poll.question.anonymous:
        ctx.work.timers.set(SHRED, poll.name, ctx.now)


def _counted(ctx: Context, poll: Poll, tally: Tally, record: Mapping[str, object]) -> None:
    if ctx.work.polls.receipt(poll.id) is not None:
        return
    ctx.work.polls.close_with(poll.id, json.dumps(record, ensure_ascii=False, sort_keys=True))
    results.announce(ctx, poll, tally)
    ctx.work.timers.set(DRAWS, poll.name, ctx.now)


def _remind(ctx: Context, name: str) -> None:
    poll = ctx.work.polls.named(name)
    if poll is None or poll.state is not State.OPEN or poll.closes_at <= ctx.now:
        return
    voters, active = ctx.work.ballots.voters(poll.id), results.active(ctx, poll)
    if active and voters >= active:
        return
    for channel in poll.channels:
        language = ctx.desk.language(channel)
        time = said(poll.closes_at, ctx.desk.timezone, language)
        key = "poll.remind.of" if active else "poll.remind.plain"
        values: dict[str, Value] = {"question": results.short(poll), "time": time, "count": voters, "active": active}
        public.tell_room(ctx, f"poll:{poll.id}", channel, key, values)


def cancel(ctx: Context, poll: Poll, by: str) -> Refused | None:
    """Call a poll off. Why not, if so."""
    cancelled = polling.cancel(poll, ctx.now)
    if isinstance(cancelled, Refused):
        return cancelled
    ctx.work.polls.swap(poll, cancelled)
    ctx.work.polls.log(poll.id, ctx.now, by, "cancel")
    ctx.work.timers.drop(OPENS, poll.name)
    end(ctx, cancelled)
    return None
