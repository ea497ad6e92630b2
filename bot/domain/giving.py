"""The life of a giveaway: what may be done to it when. Pure; each step gives the giveaway as it is then, or why not.

preview -> scheduled -> open <-> paused -> closed -> frozen -> drawn     cancelled: from each before frozen

What is offered, for whom and under which commitment never changes after the preview. The beacon's round is named when
it opens; it moves with an extension, which everybody sees, and where fdraw/1 (6) says so. Ending early stops entering
only: the draw waits for the round that was named. After the freeze nothing is called off in silence (`void`): it is
drawn all the same, and shown with its reason and the computed result.

Whoever stores the outcome compares state and revision (compare-and-swap), so that of two steps at once one holds.
Whether the one who asks has the right is looked at before. `round_of` and `time_of` are those of a `Beacon`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.domain import offers
from bot.domain.giveaways import BEACON_SECONDS, LATE_SECONDS, MAX_SECONDS, Giveaway, Refused, State
from bot.domain.polling import alike, tidy

MAX_REASON = 300
"""Characters of the reason why one is called off after the freeze."""
PUBLISH_SECONDS = 15.0
"""A list that is frozen later than this before the named round cannot be counted on to be published in time."""
check = offers.check
_DAYS = round(MAX_SECONDS / 86400)

REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *offers.REFUSALS,
    # times
    ("no_end", ()),
    ("time_past", ()),
    ("ends_first", ()),
    ("too_long", ("days",)),
    ("not_later", ()),
    ("contest_late", ()),
    # where a giveaway stands
    ("unconfirmed", ()),
    ("not_open", ()),
    ("already", ()),
    ("paused", ()),
    ("not_paused", ()),
    ("closed", ()),
    ("not_over", ()),
    ("not_closed", ()),
    ("not_frozen", ()),
    ("frozen", ()),
    ("drawn", ()),
    ("cancelled", ()),
    # publishing, and calling off
    ("published", ()),
    ("unpublished", ()),
    ("other_round", ()),
    ("no_reason", ()),
    ("reason_long", ("length", "limit")),
    ("called_off", ()),
)
"""Every `why` of this module and of `offers`, with its arguments."""


def check_times(opens_at: float, closes_at: float, now: float) -> Refused | None:
    """What is wrong with a giveaway's times, if anything. 0.0 is at once; an end there must be."""
    begins = max(opens_at, now)
    if not closes_at:
        return Refused("no_end")
    if closes_at <= now:
        return Refused("time_past")
    if closes_at <= begins:
        return Refused("ends_first")
    return Refused("too_long", {"days": _DAYS}) if closes_at - begins > MAX_SECONDS else None


def confirm(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """Its maker has seen the preview and wants it so. It opens at its time (`open`): at once where none is told, or
    where it has gone by. One that was told a length lasts so long from then on, however long the preview was looked
    at."""
    if giveaway.state is not State.PREVIEW:
        return _stands(giveaway)
    begins = max(giveaway.opens_at, now)
    closes_at = begins + giveaway.lasts if giveaway.lasts else giveaway.closes_at
    contest = giveaway.offer.contest
    wrong = check(giveaway.offer) or check_times(begins, closes_at, now)
    if wrong is None and contest is not None and contest.since >= closes_at:
        wrong = Refused("contest_late")
    return wrong or replace(giveaway, state=State.SCHEDULED, opens_at=begins, closes_at=closes_at)


def open(giveaway: Giveaway, now: float, round_of: Callable[[float], int]) -> Giveaway | Refused:
    """Entries are taken from now on, and the beacon's round is named. Where its end has gone by while nothing ran, it
    lasts as long as it was meant to."""
    if giveaway.state is not State.SCHEDULED:
        return _stands(giveaway)
    closes_at = giveaway.closes_at
    if closes_at <= now:
        if not giveaway.lasts:
            return Refused("time_past")
        closes_at = now + giveaway.lasts
    return _named(replace(giveaway, state=State.OPEN, opened_at=now, closes_at=closes_at), round_of)


def entering(giveaway: Giveaway, at: float) -> Refused | None:
    """Why nobody may enter (or leave again) by an event that was stored at this time, if so: the end holds also before
    the giveaway has been closed."""
    match giveaway.state:
        case State.PREVIEW | State.SCHEDULED:
            return Refused("not_open")
        case State.CANCELLED:
            return Refused("cancelled")
        case State.OPEN | State.PAUSED if at < giveaway.closes_at:
            return Refused("paused") if giveaway.state is State.PAUSED else None
    return Refused("closed")


def pause(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """Nobody enters for a while; the end stays where it is."""
    if giveaway.state is State.PAUSED:
        return Refused("paused")
    return _not_running(giveaway, now) or replace(giveaway, state=State.PAUSED)


def resume(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """Entries are taken again."""
    if giveaway.state is State.OPEN:
        return Refused("not_paused")
    return _not_running(giveaway, now) or replace(giveaway, state=State.OPEN)


def extend(giveaway: Giveaway, until: float, now: float, round_of: Callable[[float], int]) -> Giveaway | Refused:
    """It ends later, and is drawn later: the named round moves along, which its card shows. Never earlier, since people
    rely on the end (that is `end`), and within MAX_SECONDS of its beginning."""
    scheduled = giveaway.state is State.SCHEDULED
    refused = None if scheduled else _not_running(giveaway, now)
    if refused is not None:
        return refused
    begins = giveaway.opens_at if scheduled else giveaway.opened_at
    if until <= max(giveaway.closes_at, now):
        return Refused("not_later")
    if until - begins > MAX_SECONDS:
        return Refused("too_long", {"days": _DAYS})
    lasts = until - begins if giveaway.lasts else 0.0
    later = replace(giveaway, closes_at=until, lasts=lasts, revision=giveaway.revision + 1)
    return later if scheduled else _named(later, round_of)


def end(giveaway: Giveaway, now: float, round_of: Callable[[float], int]) -> Giveaway | Refused:
    """Its end is now. What was stored before still counts, and `close` follows, as at any end. The round moves along
    and is announced anew, as in `extend`: it lies in the future, so that nobody knows what they choose by that."""
    refused = _not_running(giveaway, now)
    return refused or _named(replace(giveaway, closes_at=now, revision=giveaway.revision + 1), round_of)


def close(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """Its end has come, and all that was stored before it has been looked at: nobody enters any more."""
    if giveaway.state not in {State.OPEN, State.PAUSED}:
        return Refused("not_open") if giveaway.state is State.SCHEDULED else _stands(giveaway)
    return Refused("not_over") if now < giveaway.closes_at else replace(giveaway, state=State.CLOSED, closed_at=now)


def freeze(giveaway: Giveaway, now: float, round_of: Callable[[float], int]) -> Giveaway | Refused:
    """The list is final. `round` is what the freeze text has to name: where the list can no longer be published before
    the named round, that is void, and the first one takes its place that is LATE_SECONDS away (`delayed`; fdraw/1, 6).
    """
    if giveaway.state is not State.CLOSED:
        live = giveaway.state in {State.SCHEDULED, State.OPEN, State.PAUSED}
        return Refused("not_closed") if live else _stands(giveaway)
    frozen = replace(giveaway, state=State.FROZEN, frozen_at=now)
    if not giveaway.chain or round_of(now + PUBLISH_SECONDS) <= giveaway.round:
        return frozen
    return _put_off(frozen, now, "late_freeze", round_of)


def published(
    giveaway: Giveaway, number: int, at: float, round_of: Callable[[float], int], time_of: Callable[[int], float]
) -> Giveaway | Refused:
    """A room has had the freeze text since `at` (its message's time), and that text names this round (0: no beacon).

    The first one in time counts. Where it came too late its round is void as well: the text has to be made and
    published anew with the `round` that is given here (the revision has grown, `published_at` is still 0). What
    rooms had of an earlier text counts for nothing, hence `number`.
    """
    if giveaway.state is not State.FROZEN:
        return _stands(giveaway) if giveaway.state in {State.DRAWN, State.CANCELLED} else Refused("not_frozen")
    if giveaway.published_at:
        return Refused("published")
    if number != giveaway.round:
        return Refused("other_round")
    if not giveaway.chain or at < time_of(number):
        return replace(giveaway, published_at=at)
    return _put_off(replace(giveaway, revision=giveaway.revision + 1), at, "late_message", round_of)


def draw(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """The order of the winners is computed; also where it was called off after the freeze."""
    if giveaway.state is not State.FROZEN:
        return _stands(giveaway) if giveaway.state in {State.DRAWN, State.CANCELLED} else Refused("not_frozen")
    return replace(giveaway, state=State.DRAWN, drawn_at=now) if giveaway.published_at else Refused("unpublished")


def cancel(giveaway: Giveaway, now: float) -> Giveaway | Refused:
    """It is called off before its list is final, or its preview is thrown away (then it never opens): nothing is
    drawn."""
    if giveaway.state in {State.FROZEN, State.DRAWN, State.CANCELLED}:
        return _stands(giveaway)
    opens_at = 0.0 if giveaway.state is State.PREVIEW else giveaway.opens_at
    return replace(giveaway, state=State.CANCELLED, opens_at=opens_at, closed_at=giveaway.closed_at or now)


def void(giveaway: Giveaway, reason: str) -> Giveaway | Refused:
    """It is called off after the freeze, for a reason that everybody reads: no prizes, but the result is computed and
    shown."""
    if giveaway.state is State.CANCELLED:
        return _stands(giveaway)
    if giveaway.state not in {State.FROZEN, State.DRAWN}:
        return Refused("not_frozen")
    if giveaway.void:
        return Refused("called_off")
    said = tidy(reason)
    if not alike(said):
        return Refused("no_reason")
    if len(said) > MAX_REASON:
        return Refused("reason_long", {"length": len(said), "limit": MAX_REASON})
    return replace(giveaway, void=said, revision=giveaway.revision + 1)


def _named(giveaway: Giveaway, round_of: Callable[[float], int]) -> Giveaway:
    """With the round that belongs to its end (fdraw/1, 1); without a beacon there is none."""
    number = round_of(giveaway.closes_at + BEACON_SECONDS) if giveaway.chain else 0
    return replace(giveaway, round=number, announced_round=number)


def _put_off(giveaway: Giveaway, at: float, why: str, round_of: Callable[[float], int]) -> Giveaway:
    return replace(giveaway, round=round_of(at + LATE_SECONDS), delayed=why)


def _not_running(giveaway: Giveaway, now: float) -> Refused | None:
    """Why it is not between its opening and its end."""
    if giveaway.state not in {State.OPEN, State.PAUSED}:
        return Refused("not_open") if giveaway.state is State.SCHEDULED else _stands(giveaway)
    return Refused("closed") if now >= giveaway.closes_at else None


def _stands(giveaway: Giveaway) -> Refused:
    """Why a step is not for a giveaway that stands where this one does."""
    match giveaway.state:
        case State.PREVIEW:
            return Refused("unconfirmed")
        case State.SCHEDULED | State.OPEN | State.PAUSED:
            return Refused("already")
        case State.CLOSED:
            return Refused("closed")
        case State.FROZEN:
            return Refused("frozen")
        case State.DRAWN:
            return Refused("drawn")
        case State.CANCELLED:
            return Refused("cancelled")
