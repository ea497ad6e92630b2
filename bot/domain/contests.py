"""Contests: who is entered by a comment. Pure.

Whether somebody may enter at all (our own bots, the team, a second account) is asked by the rules of `eligibility`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.giveaways import Contest
from bot.domain.places import Member
from bot.domain.polling import alike


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in the contest's channel or thread."""

    member: Member
    person: str
    """The person that this member is: linked accounts are one."""
    name: str
    message_id: str
    text: str
    sent_at: float
    """UTC seconds, as the platform says."""


def entered(contest: Contest, until: float, comments: Iterable[Comment]) -> list[Comment]:
    """The comments that enter somebody, in the order in which they were written, one for each person: the first of
    theirs that counts. Comments may come in any order, and more than once."""
    first: dict[str, Comment] = {}
    for one in sorted(comments, key=_order):
        if one.person not in first and counts(contest, until, one):
            first[one.person] = one
    return list(first.values())


def counts(contest: Contest, until: float, comment: Comment) -> bool:
    """Whether a comment is one that was asked for: written between the beginning and `until` (not at it), and holding
    the keyword, where there is one. Case, width, white space and what cannot be seen do not matter (`alike`)."""
    in_time = contest.since <= comment.sent_at < until
    return in_time and alike(contest.keyword) in alike(comment.text)


def _order(comment: Comment) -> tuple[float, int, str, str]:
    """By time; in the same moment by message, whose ids are numbers that grow, on every platform."""
    return comment.sent_at, len(comment.message_id), comment.message_id, str(comment.member)
