"""Contests of comments: whoever wrote one in time is entered by it; then everything goes as with those who pressed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from bot.domain import fdraw
from bot.domain.contests import Comment, entered
from bot.domain.giveaways import Entry, EntryState, Giveaway, State
from bot.drafting.characters import visible
from bot.handlers.context import Context
from bot.handlers.giveaways.naming import SALT_BYTES, address
from bot.storage.work import Work

PAGE = 1000


def entrants(work: Work, giveaway: Giveaway) -> list[Comment]:
    """The comments that enter somebody, one for each person, oldest first."""
    contest = giveaway.offer.contest
    if contest is None:
        return []
    until, found, after = giveaway.closes_at, list[Comment](), (0.0, 0)
    while page := work.comments.commenters(contest.channel, contest.since, until, after, PAGE):
        for one in page:
            member = one.author
            person = work.links.person_of(member)
            found.append(Comment(member, person, one.author_name, one.message_id, one.text, one.sent_at))
        after = (page[-1].sent_at, page[-1].id)
    return entered(contest, until, found)


def enter_all(ctx: Context, giveaway: Giveaway, comments: Sequence[Comment]) -> None:
    """Put these on the list; the rules are looked at afterwards. May be repeated: nobody gets another ticket."""
    contest, now = giveaway.offer.contest, ctx.work.giveaways.get(giveaway.id)
    if contest is None or now is None or now.state is not State.CLOSED:
        return
    place = f"{contest.channel.platform}:{contest.channel.home.channel_id}"
    for one in comments:
        if ctx.work.entries.get(giveaway.id, one.person) is not None:
            continue
        salt = secrets.token_bytes(SALT_BYTES)
        ticket = fdraw.ticket_of(giveaway.name, address(one.member), salt)
        ctx.work.entries.change(
            None,
            Entry(
                giveaway.id, one.person, one.member, visible(one.name), place, ticket, salt, 1, EntryState.CHECKING,
                at=one.sent_at,
            ),
        )  # fmt: skip
