"""Updates posted to a webhook: several at once, but those of one chat in order, each again until it is taken.

As the Bot API server does it: an update that was not answered with 2xx is sent again at once, then after 2, 4, 8 ... 60
seconds (of real time), or after what `Retry-After` says, until it is a day old. Others of the same chat wait behind it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from bot.sandbox.frame import Json
from bot.sandbox.hooks import Delivery, Hooks, Outcome

SECONDS = 15.0
"""How long the bot may take to answer."""
LONGEST_WAIT = 60.0
_LONGEST_RETRY_AFTER = 3600.0


@dataclass(eq=False)
class Queued:
    """An update that waits. `number` is None where an injected one has no usable `update_id`."""

    body: Json
    number: int | None
    at: float
    injected: bool = False
    delivered: bool = False

    def lane(self) -> Hashable:
        """What its order is kept among: its kind and chat, or by itself."""
        if self.injected or not isinstance(self.body, dict):
            return self
        kind = next((key for key in self.body if key != "update_id"), "")
        about = self.body.get(kind)
        for key in ("chat", "message"):
            place = about.get(key) if isinstance(about, dict) else None
            chat = place.get("chat", place) if isinstance(place, dict) else None
            if isinstance(chat, dict) and "id" in chat:
                return kind, chat["id"]
        return self


@dataclass(frozen=True)
class Webhook:
    """Where updates are posted to."""

    url: str
    secret: str | None = None
    max_connections: int = 40
    ip_address: str | None = None


class Office(Protocol):
    """What the poster asks the queue of updates."""

    def give(self, queued: Queued) -> bool:
        """Write down that it is being delivered; False where it is not wanted any more."""

    def taken(self, queued: Queued, outcome: Outcome) -> None:
        """The bot took it."""

    def failed(self, problem: str) -> None:
        """A delivery came to nothing."""


class Poster:
    """Posts to one webhook, over at most `max_connections` connections."""

    def __init__(self, webhook: Webhook, hooks: Hooks, office: Office, heard: Callable[[], Awaitable[None]]) -> None:
        self._webhook = webhook
        self._hooks = hooks
        self._office = office
        self._heard = heard
        self._lanes: dict[Hashable, deque[Queued]] = {}
        self._fails: dict[Hashable, int] = {}
        self._ready: asyncio.Queue[Hashable] = asyncio.Queue()
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._workers = [asyncio.create_task(self._work()) for _ in range(webhook.max_connections)]

    def offer(self, queued: Queued) -> None:
        """Post an update when its turn comes."""
        key = queued.lane()
        lane = self._lanes.setdefault(key, deque())
        lane.append(queued)
        if len(lane) == 1:
            self._ready.put_nowait(key)

    def stop(self) -> list[asyncio.Task[None]]:
        """Post nothing more; the tasks that are ending."""
        for timer in self._timers.values():
            timer.cancel()
        for worker in self._workers:
            worker.cancel()
        return self._workers

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            await self._heard()
            wait = await self._deliver(self._lanes[key][0])
            if wait is None:
                self._next(key)
            else:
                self._again(key, wait)

    def _next(self, key: Hashable) -> None:
        lane = self._lanes[key]
        lane.popleft()
        self._fails.pop(key, None)
        self._timers.pop(key, None)
        if lane:
            self._ready.put_nowait(key)
        else:
            del self._lanes[key]

    def _again(self, key: Hashable, retry_after: float) -> None:
        fails = self._fails.get(key, 0)
        self._fails[key] = fails + 1
        wait = retry_after or (min(LONGEST_WAIT, 2.0**fails) if fails else 0.0)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(wait, self._ready.put_nowait, key)

    async def _deliver(self, queued: Queued) -> float | None:
        """None where the update is done with, else the seconds that the bot asked to wait for (0: none)."""
        if not self._office.give(queued):
            return None
        body = json.dumps(queued.body).encode()
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if self._webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self._webhook.secret
        identity = {"update_id": queued.body.get("update_id") if isinstance(queued.body, dict) else None}
        outcome = await self._hooks.post(Delivery(self._webhook.url, "updates", body, headers, identity))
        if outcome.ok:
            self._office.taken(queued, outcome)
            return None
        words = "Wrong response from the webhook: " if outcome.status is not None else ""
        self._office.failed(words + outcome.why)
        return _retry_after(outcome)


def _retry_after(outcome: Outcome) -> float:
    asked = outcome.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_RETRY_AFTER) if asked.isdecimal() else 0.0
