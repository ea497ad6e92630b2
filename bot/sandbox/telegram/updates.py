"""The queue of updates: kept until confirmed by a higher offset, served by long polling or posted to a webhook."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any

from bot.sandbox.frame import Faults, Frame, Json
from bot.sandbox.hooks import Hooks, Outcome
from bot.sandbox.telegram.errors import ApiError
from bot.sandbox.telegram.webhook import SECONDS, Poster, Queued, Webhook

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600
"""Updates older than a day are forgotten (Bot API, getUpdates)."""
LONGEST_POLL = 50.0
MOST = 100
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_WEBHOOK_CONFLICT = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_WEBHOOK_SET = "Conflict: terminated by setWebhook request"
_POLL_CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class Ears:
    """Whether the bot hears anything, and when there is something new to hear."""

    def __init__(self) -> None:
        self._deaf_until = 0.0
        self.changed = asyncio.Event()
        """Set once, at the next change; after it there is a new one."""

    @property
    def deafness(self) -> float:
        """For how many seconds nothing is delivered (real time); 0 or less where things are."""
        return self._deaf_until - time.monotonic()

    def ring(self) -> None:
        """Something has changed."""
        self.changed.set()
        self.changed = asyncio.Event()

    def deafen(self, seconds: float) -> None:
        """Deliver nothing for that long, while polls are answered as if nothing had happened."""
        self._deaf_until = time.monotonic() + seconds
        self.ring()

    async def heard(self) -> None:
        """Until deliveries are not held back any more."""
        while (deaf := self.deafness) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), deaf)


class Updates:
    """The bot's updates, and who waits for them."""

    def __init__(self, frame: Frame, faults: Faults) -> None:
        self._frame = frame
        self._hooks = Hooks(frame, "telegram", faults, SECONDS)
        self._queue: OrderedDict[Queued, None] = OrderedDict()
        self._odd: list[Queued] = []
        """Those among them that were injected."""
        self._next = 700000001
        self.ears = Ears()
        self._poller: asyncio.Future[None] | None = None
        self.allowed: tuple[str, ...] = ()
        self.webhook: Webhook | None = None
        self.webhook_error: tuple[int, str] | None = None
        self._poster: Poster | None = None
        self._ending: list[asyncio.Task[None]] = []
        self.on_reply: Callable[[Json], None] = lambda _call: None
        """Takes the call of a method that the bot made in its answer to a webhook."""

    def wants(self, kind: str) -> bool:
        """Whether updates of that kind are made: as asked for in `allowed_updates`, else the default ones."""
        return kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT

    def push(self, kind: str, body: Json) -> None:
        """Queue an update, if the bot wants its kind."""
        if self.wants(kind):
            self._add(Queued({"update_id": self._next, kind: body}, self._next, self._frame.clock.now()))
            self._next += 1

    def inject(self, body: Json) -> None:
        """Queue anything as it stands."""
        number = body.get("update_id") if isinstance(body, dict) else None
        usable = number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**52 else None
        if usable is not None:
            self._next = max(self._next, usable + 1)
        self._add(Queued(body, usable, self._frame.clock.now(), injected=True))

    def _add(self, queued: Queued) -> None:
        self._queue[queued] = None
        if queued.injected:
            self._odd.append(queued)
        self.ears.ring()
        if self._poster is not None:
            self._poster.offer(queued)

    @property
    def waiting(self) -> int:
        """How many updates are not confirmed."""
        return len(self._queue)

    def forget_all(self) -> None:
        """`drop_pending_updates`."""
        self._queue.clear()

    def disconnect(self) -> bool:
        """Have the waiting poll's connection cut; False where nobody waits."""
        return self._end_poll(ConnectionAbortedError())

    def _end_poll(self, error: Exception) -> bool:
        if self._poller is None or self._poller.done():
            return False
        self._poller.set_exception(error)
        return True

    async def poll(self, params: dict[str, Any], gone: Callable[[], bool]) -> list[Queued]:
        """getUpdates; `gone` says whether the client went away meanwhile, so that nothing is delivered to it.

        Raises `ApiError` (409) for a webhook or a newer poll, `ConnectionAbortedError` to have the connection cut.
        """
        if self.webhook is not None:
            raise ApiError(409, _WEBHOOK_CONFLICT)
        if "allowed_updates" in params:
            self.allowed = tuple(params["allowed_updates"])
        self._end_poll(ApiError(409, _POLL_CONFLICT))
        self._confirm(params.get("offset", 0))
        self._poller = mine = asyncio.get_running_loop().create_future()
        end = time.monotonic() + min(max(params.get("timeout", 0), 0), LONGEST_POLL)
        limit = min(max(params.get("limit", MOST), 1), MOST)
        try:
            while not (ready := self._ready(limit)) and (left := end - time.monotonic()) > 0:
                await self._wait(mine, left)
            if gone():
                raise ConnectionAbortedError
        finally:
            mine.cancel()
        for queued in ready:
            self._deliver(queued)
        return ready

    async def _wait(self, poller: asyncio.Future[None], seconds: float) -> None:
        """Until something changes, somebody else polls, or the time is over."""
        deaf = self.ears.deafness
        changed = asyncio.ensure_future(self.ears.changed.wait())
        waited: list[asyncio.Future[Any]] = [poller, changed]
        try:
            await asyncio.wait(
                waited, timeout=min(seconds, deaf) if deaf > 0 else seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            changed.cancel()
        if poller.done():
            poller.result()

    def _confirm(self, offset: int) -> None:
        """Forget what an offset confirms; a negative one keeps only so many from the end."""
        if offset < 0:
            self._queue = OrderedDict.fromkeys(list(self._queue)[offset:])
            return
        oldest = self._frame.clock.now() - KEPT_SECONDS
        # What was injected stands anywhere; all else is in the order of its numbers, which spares a long look.
        for queued in [odd for odd in self._odd if _confirmed(odd, offset) or odd not in self._queue]:
            self._odd.remove(queued)
            self._queue.pop(queued, None)
        while self._queue:
            first = next(iter(self._queue))
            if first.at > oldest and not _confirmed(first, offset):
                break
            del self._queue[first]

    def _ready(self, limit: int) -> list[Queued]:
        return [] if self.ears.deafness > 0 else list(islice(self._queue, limit))

    def _deliver(self, queued: Queued) -> None:
        self._frame.journal.event("telegram", "update", queued.body, injected=queued.injected)
        queued.delivered = True

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Post updates there from now on, or (None) let them be polled."""
        self.webhook, self.webhook_error = webhook, None
        if self._poster is not None:
            self._ending = self._poster.stop()
            self._poster = None
        if webhook is not None:
            self._end_poll(ApiError(409, _WEBHOOK_SET))
            self._poster = Poster(webhook, self._hooks, self, self.ears.heard)
            for queued in self._queue:
                self._poster.offer(queued)

    def give(self, queued: Queued) -> bool:
        """An update is about to be posted; False where it is not wanted any more."""
        if queued not in self._queue or queued.at < self._frame.clock.now() - KEPT_SECONDS:
            self._queue.pop(queued, None)
            return False
        self._deliver(queued)
        return True

    def taken(self, queued: Queued, outcome: Outcome) -> None:
        """The webhook answered 2xx: the update is confirmed, and a method called in the answer is carried out."""
        self._queue.pop(queued, None)
        call = outcome.json() if outcome.body else None
        if isinstance(call, dict) and isinstance(call.get("method"), str):
            self.on_reply(call)

    def failed(self, problem: str) -> None:
        """A delivery to the webhook came to nothing: getWebhookInfo tells it."""
        self.webhook_error = (int(self._frame.clock.now()), problem)
        log.warning("telegram webhook: %s", problem)

    async def close(self) -> None:
        """End polls and the webhook's tasks."""
        self.disconnect()
        self.set_webhook(None)
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._hooks.close()


def _confirmed(queued: Queued, offset: int) -> bool:
    """An injected update may carry an old id or none: it is confirmed by the first poll after it was delivered."""
    if queued.injected:
        return queued.delivered and (queued.number is None or offset > queued.number)
    return queued.number is not None and offset > queued.number
