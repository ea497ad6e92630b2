"""Live messages: many changes, few edits (RELIABILITY section 4, coalescing).

Whatever changes, at most one edit of a message waits. It is made from the newest state when its turn comes, not before
three seconds after the last one and not faster than the limiter lets live messages go, and not at all if it would show
what is shown already. The last state is no live message any more: it goes at once, before other edits.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from bot.chat.messages import Outgoing
from bot.domain.delivery import Step, Urgency
from bot.domain.places import Channel
from bot.domain.text import fingerprint
from bot.engine.registry import Act, Change, Lost, Nothing, Outcome, Registry, Sent
from bot.storage.live import Post
from bot.storage.outbox import Delivery, Order
from bot.storage.work import Work

SPACING = 3.0
"""Seconds between the beginnings of two edits of a message."""
LIVE, FINAL = 0, 1
"""The versions of the rows: an edit among many, and the last one."""


class HasWork(Protocol):
    """A handlers' context."""

    @property
    def work(self) -> Work:
        """Its unit of work."""


C = TypeVar("C", bound=HasWork)


class Live(Generic[C]):
    """The live messages of one kind (polls, giveaways), each by a name that its handler gives it.

    `render` makes the newest state's message, or None where it needs no edit any more. `lost` hears that a message
    cannot be edited any more (deleted, too old), with the platform's code; it is not followed from then on.
    """

    def __init__(
        self,
        kind: str,
        render: Callable[[C, str], Outgoing | None],
        lost: Callable[[C, str, Lost], None] | None = None,
    ) -> None:
        self.kind = kind
        self._render = render
        self._lost = lost

    def register(self, registry: Registry[C]) -> None:
        """Declare their edits as outgoing messages."""
        registry.outgoing(self.kind, self._prepare, self._outcome)

    def follow(self, work: Work, name: str, at: Channel, message_id: str, message: Outgoing) -> None:
        """A message was posted and shows this: from now on `changed` edits it."""
        work.live.follow(self._full(name), at, message_id, _print(message), work.now)

    def posting(self, work: Work, name: str, at: Channel, message: Outgoing) -> None:
        """A message is about to be posted and will show this; `posted` says which one it is then."""
        work.live.follow(self._full(name), at, "", _print(message), work.now)

    def posted(self, work: Work, name: str, message_id: str) -> None:
        """The message is there; what has changed meanwhile is shown in a while."""
        work.live.identify(self._full(name), message_id)
        self.changed(work, name)

    def changed(self, work: Work, *names: str) -> None:
        """Their states have changed: they are edited in a while. Cheap where edits wait already.

        Those without a message are left alone.
        """
        self.edit(work, work.live.resting([self._full(name) for name in names]))

    def edit(self, work: Work, resting: Iterable[Post]) -> None:
        """The same where it is known already which of them rest."""
        for post in resting:
            name = post.name.removeprefix(self._full(""))
            self._order(work, name, post.at, LIVE, max(0.0, post.edited_at + SPACING - work.now))

    def finish(self, work: Work, name: str) -> None:
        """Its state will not change any more: show it now. What else was to be shown before is dropped."""
        post = work.live.get(self._full(name))
        if post is None or not post.message_id:
            return
        while (row := work.live.waiting(self._full(name))) is not None:
            work.outbox.by_person(row, Step.CANCEL)
        self._order(work, name, post.at, FINAL, 0.0)

    def _order(self, work: Work, name: str, at: Channel, version: int, delay: float) -> None:
        urgency = Urgency.ALERT if version == FINAL else Urgency.LIVE
        lane = self._full(name)
        key = secrets.token_urlsafe(16)
        work.outbox.add(Order(key, self.kind, lane, at, urgency, version=version, text=name, delay=delay))

    def _full(self, name: str) -> str:
        return f"{self.kind}:{name}"

    def _prepare(self, ctx: C, row: Delivery) -> Act:
        post = ctx.work.live.get(row.lane)
        message = self._render(ctx, row.text) if post else None
        shows = _print(message) if message else ""
        if post is None or message is None or shows == post.shown:
            self._ended(ctx.work, row)
            return Nothing()
        ctx.work.live.begin(row.lane, shows, ctx.work.now)
        return Change(message, post.at, post.message_id)

    def _outcome(self, ctx: C, row: Delivery, outcome: Outcome) -> None:
        if isinstance(outcome, Sent):
            ctx.work.live.done(row.lane)
            self._ended(ctx.work, row)
        elif isinstance(outcome, Lost):
            if outcome.code == "gave_up" and row.version == LIVE:
                return  # the next change tries it again
            ctx.work.live.forget(row.lane)
            if self._lost is not None:
                self._lost(ctx, row.text, outcome)

    def _ended(self, work: Work, row: Delivery) -> None:
        if row.version == FINAL:
            work.live.forget(row.lane)


def _print(message: Outgoing) -> str:
    return fingerprint(repr(message))
