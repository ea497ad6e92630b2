"""What becomes of a delivery, and who is told: the same for the courier, for what was left behind, and for look-ups."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection
from typing import Generic, TypeVar

from bot.chat.ports import NotSent, Refused, SendError, Sought, Unclear
from bot.domain.delivery import MAX_TRIES, Deadlines, Step, next_look, next_try
from bot.engine.core import Core
from bot.engine.registry import Absent, Checking, Create, Doubtful, Lost, Outcome, Sent
from bot.storage.outbox import Delivery
from bot.storage.work import Work

C = TypeVar("C")
ONCE_ABSENT = "; it was not there at the first look"
"""Ends the reason of a row that one look-up has not found; only the second one is believed."""
LONGEST_WHY = 300
"""Characters of a reason that are kept."""

log = logging.getLogger("herald.outbox")


class Settling(Generic[C]):
    """The last step of every delivery, written in the unit of whoever found out.

    `finds` names the platforms that can be asked whether a message arrived.
    """

    def __init__(self, core: Core[C], deadlines: Deadlines, finds: Collection[str]) -> None:
        self._core = core
        self.deadlines = deadlines
        self._finds = frozenset(finds)

    def confirmed(self, work: Work, row: Delivery, message_id: str) -> None:
        """The platform has taken it."""
        if work.outbox.confirm(row, message_id, "answer"):
            self.tell(work, row, Sent(message_id))

    def failed(self, work: Work, row: Delivery, error: SendError) -> None:
        """The request went wrong, or nobody knows how it went."""
        why = _short(error)
        once = self._core.registry.kinds[row.kind].once
        if isinstance(error, Refused):
            if work.outbox.end(row, Step.REFUSE, why):
                self.tell(work, row, Lost(why, error.code))
        elif isinstance(error, Unclear) and once:
            started = work.now if row.started_at is None else row.started_at
            self._doubt(work, row, why, max(started + self.deadlines.quiet, work.now + self.deadlines.grace))
        else:
            self._again(work, row, error)

    def left(self, work: Work, row: Delivery, why: str) -> None:
        """Found in `sending`, and whoever sent it is gone: never simply sent again, unless that is harmless.

        The quiet period begins now: no clock of the dead is trusted.
        """
        if self._core.registry.kinds[row.kind].once:
            self._doubt(work, row, why, work.now + self.deadlines.quiet)
        else:
            work.outbox.postpone(row, work.now, row.tries, why)

    def _doubt(self, work: Work, row: Delivery, why: str, look_at: float) -> None:
        finds = row.to.platform in self._finds
        if work.outbox.doubt(row, why, look_at if finds else None):
            self.tell(work, row, Checking(why) if finds else Doubtful(why))

    def _again(self, work: Work, row: Delivery, error: SendError) -> None:
        """Surely not sent, or harmless to repeat. Being told to wait does not use up a try."""
        told = error.retry_after if isinstance(error, NotSent) else None
        tries = row.tries + (0 if told else 1)
        if tries >= MAX_TRIES:
            if work.outbox.end(row, Step.GIVE_UP, _short(error)):
                self.tell(work, row, Lost(_short(error), "gave_up"))
            return
        work.outbox.postpone(row, work.now + next_try(tries, _jitter(), told), tries, _short(error))

    # ---- look-ups

    def sought(self, work: Work, row: Delivery) -> Sought | None:
        """What to ask the platform for; None where no message would be made of the row."""
        kind = self._core.registry.kinds[row.kind]
        try:
            act = kind.prepare(self._core.context(work), row)
        except Exception as error:
            if work.is_over(error):
                raise
            log.exception("delivery %d (%s) cannot be looked up", row.id, row.kind)
            return None
        if not isinstance(act, Create):
            return None
        return Sought(act.message, act.to, row.key, work.now if row.started_at is None else row.started_at)

    def looked_up(self, work: Work, row: Delivery, found: str | None) -> None:
        """The platform has said where it is, or (None) that it is not there."""
        if found is not None:
            if work.doubts.found(row, found):
                self.tell(work, row, Sent(found))
            return
        if not row.error.endswith(ONCE_ABSENT):
            # A link that was slow can bring the look-up there just before the request itself: so look twice.
            work.doubts.later(row, work.now + self.deadlines.grace, row.error + ONCE_ABSENT)
            return
        tries, why = row.tries + 1, row.error.removesuffix(ONCE_ABSENT)
        if tries >= MAX_TRIES:
            if work.doubts.give_up(row, why):
                self.tell(work, row, Lost(why, "gave_up"))
        elif work.doubts.absent(row, work.now + next_try(tries, _jitter(), None), tries, why):
            self.tell(work, row, Absent())

    def not_looked_up(self, work: Work, row: Delivery, error: SendError) -> None:
        """It could not be told: later, or, where that takes too long or is of no use, a person is asked."""
        told = error.retry_after if isinstance(error, NotSent) else None
        wait = None if isinstance(error, Refused) else next_look(row.looks, _jitter(), told)
        if wait is not None:
            work.doubts.later(row, work.now + wait, row.error)
        else:
            self.ask(work, row, _short(error))

    def ask(self, work: Work, row: Delivery, why: str) -> None:
        """Nobody but a person can tell."""
        if work.doubts.ask(row, why):
            self.tell(work, row, Doubtful(why))

    def tell(self, work: Work, row: Delivery, outcome: Outcome) -> None:
        """Let the kind's handler hear of an outcome. The outcome stands, whatever the handler does with it."""
        listener = self._core.registry.kinds[row.kind].outcome
        if listener is None:
            return
        error = work.isolated(lambda: listener(self._core.context(work), row, outcome))
        if error is not None:
            log.error("outcome of delivery %d (%s)", row.id, row.kind, exc_info=error)


def _short(error: SendError) -> str:
    return str(error)[:LONGEST_WHY]


def _jitter() -> float:
    return random.random()  # noqa: S311 - no secret
