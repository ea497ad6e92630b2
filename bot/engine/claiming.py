"""What a courier takes next: rows that are due, chosen by the limiter, claimed, made and marked in one unit of work."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.domain.delivery import Step, Urgency
from bot.domain.failpoints import Point, reach
from bot.engine.core import Core
from bot.engine.limiter import WHOLE_BOT, Limiter
from bot.engine.registry import Act, Lost, Nothing
from bot.engine.schedule import Candidate
from bot.engine.sealing import without_words
from bot.engine.settling import Settling
from bot.storage.outbox import Delivery, Ready
from bot.storage.work import Work

C = TypeVar("C")
SENDERS = 64
"""Messages at once on one platform."""
KEPT = 16
"""Of these, so many are for replies, cards and answers only."""
PAGE = 64
"""Rows that are read together."""
PAGES = 8
"""How far one turn reads into a class: what has to wait must not hide what may go."""
ENOUGH = 2 * SENDERS
"""Rows of a class among which it is chosen."""
EACH = 4
"""Rows of one destination among them, before it is the others' turn."""

log = logging.getLogger("herald.outbox")


@dataclass(frozen=True, slots=True)
class Begun:
    """A delivery whose request is about to be made; `chosen` is how the limiter knows it."""

    row: Delivery
    act: Act
    chosen: Candidate


class Claims(Generic[C]):
    """Takes rows for one platform. `held` names the kind of row that must wait now, or is empty."""

    def __init__(
        self, core: Core[C], platform: str, limiter: Limiter, settling: Settling[C], held: Callable[[Work], str]
    ) -> None:
        self._core = core
        self._platform = platform
        self._limiter = limiter
        self._settling = settling
        self._held = held

    def unused(self, chosen: list[Candidate], begun: Collection[int] = ()) -> None:
        """Hand back to the limiter what was chosen and not begun."""
        for one in chosen:
            if one.id not in begun:
                self._limiter.unused(one)
        chosen.clear()

    def put_back(self, connection: Connection, rows: Sequence[Delivery]) -> None:
        """Rows that were begun, and of which nothing was sent."""
        outbox = self._core.work(connection).outbox
        for row in rows:
            outbox.postpone(row, row.due_at, row.tries, row.error)

    def begin(self, connection: Connection, free: int, chosen: list[Candidate]) -> list[Begun]:
        """Claim what is due and may go, make its message, and write down that the requests are about to be made."""
        self.unused(chosen)  # of a run of this unit that the database took back
        work = self._core.work(connection)
        self._choose(work, free, chosen)
        by_row = {one.id: one for one in chosen}
        rows = work.outbox.claim(list(by_row))
        reach(Point.OUTBOX_CLAIMED)
        acts = {row.id: act for row in rows if not isinstance(act := self._prepared(work, row), Nothing)}
        begun = work.outbox.begin([row for row in rows if row.id in acts])
        for row in begun:
            reach(Point.OUTBOX_SENDING, row.kind)
        return [Begun(row, acts[row.id], by_row[row.id]) for row in begun]

    def _choose(self, work: Work, free: int, chosen: list[Candidate]) -> None:
        """Have the limiter choose among what is due and in its turn: the first rows, then some of each class."""
        held = self._held(work)
        paced = self._limiter.waits().keys()
        last = Urgency.ANSWER if WHOLE_BOT in paced else Urgency.BROADCAST
        size = min(PAGE, 2 * free)
        first = work.outbox.ready(self._platform, size, held=held, paced=paced, last=last)
        chosen += self._limiter.choose(_candidates(first), free, KEPT)
        if len(first) < size or len(chosen) >= free:
            return
        paced = self._limiter.waits().keys()
        taken = {one.id for one in chosen}
        others = [row for urgency in Urgency if urgency <= last for row in self._some(work, urgency, held, paced)]
        rest = _candidates([row for row in others if row.id not in taken])
        chosen += self._limiter.choose(rest, free - len(chosen), KEPT)

    def _some(self, work: Work, urgency: Urgency, held: str, paced: Collection[str]) -> list[Ready]:
        """Rows of one class, not too many of any destination."""
        found: list[Ready] = []
        after = Ready(0, "", urgency)
        for _ in range(PAGES):
            crowded = {name for name, count in Counter(row.channel_id for row in found).items() if count >= EACH}
            excluded = {*paced, *crowded}
            page = work.outbox.ready(self._platform, PAGE, held=held, paced=excluded, last=urgency, after=after)
            found += page
            if len(page) < PAGE or len(found) >= ENOUGH:
                break
            after = page[-1]
        return found

    def _prepared(self, work: Work, row: Delivery) -> Act:
        kind = self._core.registry.kinds[row.kind]
        try:
            act = kind.prepare(self._core.context(work), row)
        except Exception as error:
            if work.is_over(error):  # it is no fault of the row: everything begins again
                raise
            if kind.private:
                # Without a trace: it would quote what must not be written down.
                log.error("delivery %d (%s) cannot be made: %s", row.id, row.kind, without_words(error))  # noqa: TRY400
            else:
                log.exception("delivery %d (%s) cannot be made", row.id, row.kind)
            why = "it could not be made"
            if work.outbox.begin([row]) and work.outbox.end(row, Step.REFUSE, why):
                self._settling.tell(work, row, Lost(why))
            return Nothing()
        if isinstance(act, Nothing):
            work.outbox.by_person(row.id, Step.CANCEL)
        return act


def _candidates(rows: list[Ready]) -> list[Candidate]:
    return [Candidate(row.id, row.channel_id, row.urgency) for row in rows]
