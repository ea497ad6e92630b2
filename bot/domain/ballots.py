"""Ballots: who may vote, and what a press makes of a ballot. Pure.

A ballot is the option numbers that somebody chose: in order of preference for a ranked poll, else in rising order. An
empty one means that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.polls import Kind, OptionState, Question, Refused, Restrictions

_MANY = frozenset({Kind.MULTIPLE, Kind.RANKED})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of somebody who wants to vote; None: unknown. Times are UTC seconds."""

    holds_role: bool | None = None
    member_since: float | None = None
    account_made: float | None = None


def allowed(restrictions: Restrictions, facts: Facts, now: float) -> Refused | None:
    """Which rule keeps somebody out, if one does. What is not known keeps them out too, and says so.

    `why` is "role", "member_since" or "account_age", or one of these behind "unknown_".
    """
    if restrictions.role and not facts.holds_role:
        args: dict[str, str | int | float] = {"role": restrictions.role}
        return Refused("unknown_role", args) if facts.holds_role is None else Refused("role", args)
    args = {"days": _days(restrictions.member_seconds)}
    if (known := _long_enough(restrictions.member_seconds, facts.member_since, now)) is not True:
        return Refused("unknown_member_since", args) if known is None else Refused("member_since", args)
    args = {"days": _days(restrictions.account_seconds)}
    if (known := _long_enough(restrictions.account_seconds, facts.account_made, now)) is not True:
        return Refused("unknown_account_age", args) if known is None else Refused("account_age", args)
    return None


def _long_enough(needed: float, since: float | None, now: float) -> bool | None:
    """None where it would matter and is not known."""
    if not needed:
        return True
    return None if since is None else now - since >= needed


def _days(seconds: float) -> int | float:
    """As people would say it: a whole number where it is one."""
    found = round(seconds / 86400, 2)
    return int(found) if found.is_integer() else found


def counted(question: Question, choice: Sequence[int]) -> tuple[int, ...]:
    """What of a ballot counts now: options that were refused since do not."""
    shown = {option.number for option in question.shown}
    return tuple(number for number in choice if number in shown)


def pressed(question: Question, before: tuple[int, ...], number: int) -> tuple[int, ...] | Refused:
    """What a press on an option makes of a ballot; an empty one: the vote is taken back.

    One choice: the press sets it, and on the chosen one takes it back. MULTIPLE: it adds or takes away. RANKED: it
    appends, or takes out. Fixed votes (a quiz's always are) can be added to up to the limit, and nothing else.
    """
    before = counted(question, before)
    if number in before:
        after = tuple(one for one in before if one != number)
    else:
        after = (*before, number) if question.kind in _MANY else (number,)
    return _settled(question, before, after)


def chosen(question: Question, before: tuple[int, ...], choice: Sequence[int]) -> tuple[int, ...] | Refused:
    """A whole ballot at once, as native polls tell it: what becomes of it, by the rules of `pressed`."""
    return _settled(question, counted(question, before), tuple(choice))


def _settled(question: Question, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...] | Refused:
    unfit = _unfit(question, after)
    if unfit is not None:
        return unfit
    if question.kind is not Kind.RANKED:
        after = tuple(sorted(after))
    if is_fixed(question) and not _adds(question, before, after):
        return Refused("fixed")
    return after


def is_fixed(question: Question) -> bool:
    """Whether a vote is final."""
    return question.fixed or question.kind is Kind.QUIZ


def most(question: Question) -> int:
    """How many options one ballot may hold."""
    if question.kind is Kind.RANKED:
        return len(question.shown)
    return question.limit if question.kind is Kind.MULTIPLE else 1


def _unfit(question: Question, choice: tuple[int, ...]) -> Refused | None:
    for number in choice:
        option = question.option(number)
        if option is None:
            return Refused("no_option")
        if option.state is OptionState.WAITING:
            return Refused("option_waiting")
        if option.state is OptionState.REFUSED:
            return Refused("option_refused")
    if len(set(choice)) < len(choice):
        return Refused("twice")
    limit = most(question)
    return Refused("limit", {"limit": limit}) if len(choice) > limit else None


def _adds(question: Question, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether nothing is lost that was chosen before."""
    if question.kind is Kind.RANKED:
        return after[: len(before)] == before
    return set(before) <= set(after)
