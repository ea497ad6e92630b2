"""The queue of updates: kept until confirmed by a higher offset, served by long polling or posted to a webhook."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.sandbox.frame import Frame, Json
from bot.sandbox.telegram.errors import ApiError

log = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600
"""Updates older than a day are forgotten (Bot API, getUpdates)."""
LONGEST_POLL = 50.0
MOST = 100
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_WEBHOOK_CONFLICT = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_POLL_CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_WEBHOOK_DEADLINE = 15.0
_WEBHOOK_WAIT = (0.5, 1, 2, 4, 8, 15)


@dataclass
class Queued:
    """An update that waits. `number` is None where an injected one has no usable `update_id`."""

    body: Json
    number: int | None
    at: float
    injected: bool = False
    delivered: bool = False


@dataclass(frozen=True)
class Webhook:
    """Where updates are posted to."""

    url: str
    secret: str | None = None
    max_connections: int = 40
    ip_address: str | None = None


class Updates:
    """The bot's updates, and who waits for them."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._queue: list[Queued] = []
        self._next = 700000001
        self._changed = asyncio.Event()
        self._poller: asyncio.Future[None] | None = None
        self._deaf_until = 0.0
        self.allowed: tuple[str, ...] = ()
        self.webhook: Webhook | None = None
        self.webhook_error: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

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
        self._queue.append(queued)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many updates are not confirmed."""
        return len(self._queue)

    def forget_all(self) -> None:
        """`drop_pending_updates`."""
        self._queue.clear()

    def deafen(self, seconds: float) -> None:
        """Deliver nothing for that long (real time), while polls are answered as if nothing had happened."""
        self._deaf_until = time.monotonic() + seconds
        self._wake()

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
        deaf = self._deaf_until - time.monotonic()
        changed = asyncio.ensure_future(self._changed.wait())
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
            self._queue = self._queue[offset:]
            return
        oldest = self._frame.clock.now() - KEPT_SECONDS
        self._queue = [queued for queued in self._queue if queued.at > oldest and not _confirmed(queued, offset)]

    def _ready(self, limit: int) -> list[Queued]:
        return [] if time.monotonic() < self._deaf_until else self._queue[:limit]

    def _deliver(self, queued: Queued) -> Json:
        self._frame.journal.event("telegram", "update", queued.body, injected=queued.injected)
        queued.delivered = True
        return queued.body

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Post updates there from now on, or (None) let them be polled."""
        self.webhook, self.webhook_error = webhook, None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if webhook is not None:
            self._task = asyncio.create_task(self._post_all(webhook), name="telegram webhook")

    async def _post_all(self, webhook: Webhook) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
        timeout = aiohttp.ClientTimeout(total=_WEBHOOK_DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            failures = 0
            while True:
                changed = self._changed
                if not (ready := self._ready(1)):
                    deaf = self._deaf_until - time.monotonic()
                    await _first(changed, deaf if deaf > 0 else None)
                    continue
                queued = ready[0]
                if await self._post(session, webhook.url, self._deliver(queued)):
                    failures = 0
                    if queued in self._queue:
                        self._queue.remove(queued)
                else:
                    failures += 1
                    await asyncio.sleep(_WEBHOOK_WAIT[min(failures, len(_WEBHOOK_WAIT)) - 1])

    async def _post(self, session: aiohttp.ClientSession, url: str, body: Json) -> bool:
        try:
            async with session.post(url, json=body) as response:
                if 200 <= response.status < 300:
                    return True
                problem = f"Wrong response from the webhook: {response.status} {response.reason}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = str(error) or type(error).__name__
        self.webhook_error = (int(self._frame.clock.now()), problem)
        log.warning("telegram webhook %s: %s", url, problem)
        return False

    async def close(self) -> None:
        """End polls and the webhook's task."""
        self.disconnect()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _confirmed(queued: Queued, offset: int) -> bool:
    """An injected update may carry an old id or none: it is confirmed by the first poll after it was delivered."""
    if queued.injected:
        return queued.delivered and (queued.number is None or offset > queued.number)
    return queued.number is not None and offset > queued.number


async def _first(event: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
