"""Polls in an old database: open ones go on and say so; what has been due since is not done by itself.

Since the backup a poll may have opened, closed and shown its result. So a poll whose opening has passed is called off
(of a series only that one), a poll whose end has passed is closed and counted as the backup has it, and no room is told
of either: a person looks at `/poll list` and decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.domain.polls import Poll, State
from bot.domain.tally import count, receipt
from bot.locales import Catalogue
from bot.storage.tables import link_codes, link_tries, timers
from bot.storage.work import Work

_PAGE = 100
WHAT = "restored"
"""The word in a poll's log."""


def settle_polls(connection: Connection, now: float) -> int:
    """Settle all polls for a start; how many a person should look at. `now` in UTC seconds."""
    from bot.handlers.polls.life import COUNTS, EXPORTS, REMINDS  # late: they load much that other commands need not

    work = Work(connection, now)
    orders = (COUNTS, EXPORTS)
    late = sa.and_(timers.c.kind == REMINDS, timers.c.due_at <= now)
    connection.execute(sa.delete(timers).where(sa.or_(timers.c.kind.in_(orders), late)))
    for table in (link_codes, link_tries):  # good for minutes only, and perhaps used
        connection.execute(sa.delete(table))
    for poll in [*_all(work, State.PREVIEW)]:  # its maker has perhaps confirmed it
        _change(work, replace(poll, state=State.CANCELLED, closed_at=now), poll)
    for poll in [*_all(work, State.CLOSED)]:
        if work.polls.receipt(poll.id) is None:
            _count(work, poll)
    scheduled = [_scheduled(work, poll, now) for poll in [*_all(work, State.SCHEDULED)]]
    opened = [_opened(work, poll, now) for poll in [*_all(work, State.OPEN)]]
    return sum(scheduled) + sum(opened)


def _all(work: Work, state: State) -> Iterator[Poll]:
    before = 0
    while page := work.polls.page((state,), _PAGE, before):
        yield from page
        before = page[-1].id


def _scheduled(work: Work, poll: Poll, now: float) -> bool:
    from bot.handlers.polls.life import OPENS
    from bot.locales.times import next_time

    if poll.opens_at > now:
        return False
    again = next_time(poll.series.rule, poll.series.zone, now) if poll.series else None
    if again is not None:
        closes_at = again + poll.lasts if poll.closes_at else 0.0
        _change(work, replace(poll, opens_at=again, closes_at=closes_at, revision=poll.revision + 1), poll)
        work.timers.set(OPENS, poll.name, again)
        return False
    work.timers.drop(OPENS, poll.name)
    _change(work, replace(poll, state=State.CANCELLED, closed_at=now), poll)
    return True


def _opened(work: Work, poll: Poll, now: float) -> bool:
    """It goes on and says what may be missing; or its end has passed, and it is counted without telling anybody."""
    from bot.handlers.polls.life import CLOSES, REMINDS
    from bot.handlers.polls.posting import LIVE

    if not 0 < poll.closes_at <= now:
        note = Catalogue().say(poll.language, "database.poll_note")
        _change(work, replace(poll, edits=(*poll.edits, note), revision=poll.revision + 1), poll)
        for post in work.poll_posts.of(poll.id):
            LIVE.changed(work, str(post.id))
        return True
    work.timers.drop(CLOSES, poll.name)
    work.timers.drop(REMINDS, poll.name)
    closed = replace(poll, state=State.CLOSED, closed_at=poll.closes_at)
    _change(work, closed, poll)
    _count(work, closed)
    return True


def _change(work: Work, after: Poll, before: Poll) -> None:
    work.polls.swap(before, after)
    work.polls.log(before.id, work.now, "", WHAT)


def _count(work: Work, poll: Poll) -> None:
    tally = count(poll.question, work.ballots.groups(poll.id))
    record = receipt(poll, tally, work.ballots.listed(poll.id), work.polls.refusals(poll.id))
    work.polls.close_with(poll.id, json.dumps(record, ensure_ascii=False, sort_keys=True))
