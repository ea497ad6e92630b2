"""What Discord has told this process about its limits, and what it would forgive no longer.

The engine's limiter paces what goes out. This stands behind it: it knows the buckets of every route by their headers,
reading included, so that no request is made of which the answer is known; and it counts the answers that Discord calls
invalid (401, 403, 429), since 10,000 of them in ten minutes have Cloudflare shut out the whole machine (reference,
"Invalid Request Limit"). At a tenth of that, everything but the gateway and the answers to interactions stops.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from discord.http import Route

from bot.chat.ports import LimitSeen, Refused
from bot.integrations.discord.errors import (
    CLOSED_TO_US,
    FORBIDDEN,
    TOO_MANY,
    UNAUTHORIZED,
    Response,
    Scope,
    failure,
    retry_after,
    scope,
    seconds,
)

log = logging.getLogger("herald.discord")

INVALID_WINDOW = 600.0
MOST_INVALID = 1_000
"""Invalid answers in ten minutes at which we stop; Discord's own limit is ten times that."""
INVALID = frozenset({UNAUTHORIZED, FORBIDDEN, TOO_MANY})
PATIENT_WITH = 3
"""Refusals of a channel in a row after which it is not asked for a while."""
CLOSED_FOR = 60.0
"""Seconds for which it is not asked: long enough not to hammer, short enough for who has just mended it."""
UNANSWERED = 0.05
"""Seconds until it is looked again whether the first answer of a window has come."""
LATE = 1.0
"""Seconds by which answers of one window differ in when it ends, because they took different times."""
_BUCKETS = 1_000
"""Buckets and channels that are kept in mind; idle ones are forgotten beyond that."""


@dataclass(slots=True)
class Bucket:
    """One of Discord's buckets; times are monotonic seconds. A window begins with the first request after the last."""

    limit: int = 0
    """Requests in a window; 0 until Discord has told."""
    remaining: int = 0
    resets: float = 0.0
    """When the window ends; 0 while it has not begun, as far as is known."""
    outgoing: int = 0

    def wait(self, now: float) -> float:
        """Seconds until a request may go."""
        if self.resets and now >= self.resets:
            self.remaining, self.resets = self.limit - self.outgoing, 0.0
        if self.remaining > 0:
            return 0.0
        if self.resets:
            return self.resets - now
        # All of a new window is on its way, and none is answered yet.
        return UNANSWERED if self.limit else 0.0

    def told(self, limit: int, remaining: int, reset_after: float, now: float) -> None:
        """An answer names the bucket's state. Answers overtake each other: within a window it only falls."""
        left, resets = remaining - self.outgoing, now + reset_after
        if resets <= self.resets + LATE:
            left = min(left, self.remaining)
        self.limit, self.remaining, self.resets = limit, left, max(resets, self.resets)

    def refused(self, wait: float, now: float) -> None:
        """A 429: nothing goes for so long."""
        self.remaining, self.resets = 0, max(self.resets, now + wait)


@dataclass(frozen=True, slots=True)
class Hold:
    """A request must wait so many seconds, and whom that is about."""

    seconds: float
    scope: Scope
    reason: str


@dataclass(slots=True)
class _Closed:
    """A channel that has refused us: how often in a row, when last, and how."""

    times: int
    at: float
    error: Refused


@dataclass(slots=True)
class Limits:
    """The limits of one bot token as this process knows them. All times by `monotonic`."""

    monotonic: Callable[[], float] = time.monotonic
    denied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set for good when Discord has refused the token."""
    blocked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the whole bot has to wait for longer than before; who waits for it clears it."""
    _hashes: dict[str, str] = field(default_factory=dict)
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _until: float = 0.0
    _why: str = ""
    _invalid: deque[float] = field(default_factory=deque)
    _closed: dict[str, _Closed] = field(default_factory=dict)

    # ---- before a request

    def hold(self, route: Route) -> Hold | None:
        """What keeps this request from being made now, if anything."""
        now = self.monotonic()
        if now < self._until:
            return Hold(self._until - now, "bot", self._why)
        wait = self._bucket(route).wait(now)
        return Hold(wait, "destination", "waiting for a rate limit") if wait > 0 else None

    def closed(self, route: Route) -> Refused | None:
        """The refusal of a channel that has refused us again and again, just now."""
        known = self._closed.get(str(route.channel_id))
        if known is None or known.times < PATIENT_WITH or self.monotonic() - known.at >= CLOSED_FOR:
            return None
        return Refused(f"{known.error}, as before", known.error.code)

    def block(self, wait: float, why: str) -> None:
        """Have the whole bot wait so many seconds, if it does not wait longer already."""
        until = self.monotonic() + wait
        if until > self._until:
            self._until, self._why = until, why
            self.blocked.set()

    @property
    def blocked_for(self) -> float:
        """Seconds that the whole bot still has to wait."""
        return max(0.0, self._until - self.monotonic())

    # ---- during and after it

    def began(self, route: Route) -> Bucket:
        """A request is on its way, `outgoing` in its bucket until the caller takes it out."""
        bucket = self._bucket(route)
        bucket.remaining -= 1
        bucket.outgoing += 1
        return bucket

    def learn(self, route: Route, response: Response) -> LimitSeen | None:
        """What an answer says: kept in mind, and given back where it names a limit."""
        self.count(response)
        self._channel(route, response)
        if name := response.headers.get("X-RateLimit-Bucket"):
            self._hashes[route.key] = name
        if response.status == UNAUTHORIZED:
            self.denied.set()
        limited = response.status == TOO_MANY
        if limited:
            self._told(route, retry_after(response), scope(response))
        elif response.status == FORBIDDEN and isinstance(response.body, str):
            self.block(retry_after(response), "turned away in front of Discord")
        headers = response.headers
        limit, remaining = _count(headers.get("X-RateLimit-Limit")), _count(headers.get("X-RateLimit-Remaining"))
        reset_after = seconds(headers.get("X-RateLimit-Reset-After"))
        if not limit or remaining is None or reset_after is None or not name:
            return None
        if not limited:
            self._bucket(route).told(limit, remaining, reset_after, self.monotonic())
        elif response.headers.get("X-RateLimit-Scope") != "user":
            return None  # the headers are about the bucket, the refusal is not
        return LimitSeen(name, str(route.channel_id or ""), limit, remaining, reset_after)

    def count(self, response: Response) -> None:
        """Count an answer if it is an invalid one; at the limit the whole bot waits until the window is clear."""
        if response.status not in INVALID or response.headers.get("X-RateLimit-Scope") == "shared":
            return
        now = self.monotonic()
        while self._invalid and now - self._invalid[0] >= INVALID_WINDOW:
            self._invalid.popleft()
        self._invalid.append(now)
        if len(self._invalid) >= MOST_INVALID:
            if self.blocked_for == 0:
                log.error(
                    "discord: %d requests refused within ten minutes (401, 403, 429): nothing more is sent for ten "
                    "minutes, or Discord would shut this machine out",
                    len(self._invalid),
                )
            self.block(INVALID_WINDOW, "too many refused requests")

    def _channel(self, route: Route, response: Response) -> None:
        channel = str(route.channel_id or "")
        error = None if response.good else failure(response)
        if isinstance(error, Refused) and error.code in CLOSED_TO_US and channel:
            now, known = self.monotonic(), self._closed.get(channel)
            times = known.times + 1 if known and now - known.at < CLOSED_FOR else 1
            if times == PATIENT_WITH:
                log.warning("discord: channel %s is not asked for %.0f s: %s", channel, CLOSED_FOR, error)
            self._closed[channel] = _Closed(times, now, error)
            if len(self._closed) > _BUCKETS:
                self._closed.pop(next(iter(self._closed)))
        elif response.good:
            self._closed.pop(channel, None)

    def _told(self, route: Route, wait: float, whom: Scope) -> None:
        if whom == "bot":
            self.block(wait, "rate limited")
            return
        self._bucket(route).refused(wait, self.monotonic())

    def _bucket(self, route: Route) -> Bucket:
        # Before an answer has named it, a bucket is known by its route; Discord counts each channel and guild apart.
        key = f"{self._hashes.get(route.key, route.key)}:{route.major_parameters}"
        found = self._buckets.get(key)
        if found is None:
            self._forget()
            found = self._buckets[key] = Bucket()
        return found

    def _forget(self) -> None:
        if len(self._buckets) >= _BUCKETS:
            now = self.monotonic()
            self._buckets = {key: one for key, one in self._buckets.items() if one.outgoing or one.resets > now}


def _count(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdecimal() and len(header) < 10 else None
