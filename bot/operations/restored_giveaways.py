"""Giveaways in an old database: nothing is drawn and no prize handed out that may have been since the backup.

People have entered since who are not on this list, and the host may have ended it early: what was open is paused until
a person looks, and what is past its end, or was about to freeze another list than was perhaps published, is called off
without telling any room. A list that was frozen and public goes on: seed, list and beacon are the same, and so is the
result. Claims no longer run out by themselves, and codes that nobody had are forgotten: they may be somebody's by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import Connection

from bot.domain.giveaways import Giveaway, State, WinState
from bot.locales import Catalogue
from bot.storage.work import Work

_PAGE = 100
WHAT = "restored"
"""The word in a giveaway's log."""
ERASE_SECONDS = 90 * 86400.0
"""When those who entered one that is called off here are forgotten."""


def settle_giveaways(connection: Connection, now: float) -> int:
    """Settle all giveaways for a start; how many a person should look at. `now` in UTC seconds."""
    work = Work(connection, now)
    steps: dict[State, Callable[[Work, Giveaway], bool]] = {
        State.PREVIEW: _preview,
        State.SCHEDULED: _scheduled,
        State.OPEN: _running,
        State.PAUSED: _running,
        State.CLOSED: _call_off,
        State.FROZEN: _frozen,
        State.DRAWN: _drawn,
    }
    found = {state: [*_all(work, state)] for state in steps}  # before any of them is put into another state
    return sum(steps[state](work, giveaway) for state, some in found.items() for giveaway in some)


def _all(work: Work, state: State) -> Iterator[Giveaway]:
    before = 0
    while page := work.giveaways.page((state,), _PAGE, before):
        yield from page
        before = page[-1].id


def _preview(work: Work, giveaway: Giveaway) -> bool:
    """Its maker has perhaps confirmed it."""
    _change(work, giveaway, replace(giveaway, state=State.CANCELLED, opens_at=0.0, closed_at=work.now))
    return False


def _scheduled(work: Work, giveaway: Giveaway) -> bool:
    """Where its time has passed it has perhaps been opened, under another round of the beacon."""
    return giveaway.opens_at <= work.now and _call_off(work, giveaway)


def _running(work: Work, giveaway: Giveaway) -> bool:
    from bot.handlers.giveaways.posting import LIVE

    if giveaway.closes_at <= work.now:
        return _call_off(work, giveaway)
    _drop_clocks(work, giveaway)
    _change(work, giveaway, replace(giveaway, state=State.PAUSED, revision=giveaway.revision + 1))
    LIVE.changed(work, *(str(post.id) for post in work.giveaway_posts.of(giveaway.id, "card")))
    return True


def _frozen(work: Work, giveaway: Giveaway) -> bool:
    """One whose list was not public yet has perhaps been published since, and must not name another round now."""
    if not giveaway.published_at:
        return _call_off(work, giveaway, Catalogue().say(giveaway.language, "database.giveaway_void"))
    work.giveaways.log(giveaway.id, work.now, "", WHAT)
    _forget_free_codes(work, giveaway)
    return True


def _drawn(work: Work, giveaway: Giveaway) -> bool:
    """Whoever has not claimed by the backup may have since: only a person takes a place away."""
    from bot.handlers.giveaways.winning import CLAIMS

    work.timers.drop(CLAIMS, giveaway.name)
    waiting = [win for win in work.wins.of(giveaway.id) if win.state is WinState.OFFERED and win.until]
    for win in waiting:
        work.wins.swap(win, replace(win, until=0.0))
    forgotten = _forget_free_codes(work, giveaway)
    if waiting or forgotten:
        work.giveaways.log(giveaway.id, work.now, "", WHAT)
    return bool(waiting or forgotten)


def _call_off(work: Work, giveaway: Giveaway, void: str = "") -> bool:
    from bot.handlers.giveaways.winning import ERASES

    _drop_clocks(work, giveaway)
    closed_at = giveaway.closed_at or work.now
    _change(work, giveaway, replace(giveaway, state=State.CANCELLED, closed_at=closed_at, void=void))
    work.timers.set(ERASES, giveaway.name, work.now + ERASE_SECONDS)
    return True


def _drop_clocks(work: Work, giveaway: Giveaway) -> None:
    from bot.handlers.giveaways.life import CLOSES, LOOKS, OPENS
    from bot.handlers.giveaways.publishing import DRAWS, FREEZES

    for kind in (OPENS, LOOKS, CLOSES, FREEZES, DRAWS):
        work.timers.drop(kind, giveaway.name)


def _forget_free_codes(work: Work, giveaway: Giveaway) -> bool:
    """The codes that nobody had; whether there were any. The host gives those again that are still to be had."""
    return work.wins.forget_free_codes(giveaway.id) > 0


def _change(work: Work, before: Giveaway, after: Giveaway) -> None:
    work.giveaways.swap(before, after)
    work.giveaways.log(before.id, work.now, "", WHAT)
