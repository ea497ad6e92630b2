"""Discord's rate limits: a bucket for every route and channel, fifty requests a second over all, and the ban.

Discord publishes the global limit, the ban and the session starts ("Rate Limits" and "Gateway" in its documentation),
and tells of buckets by header only: their figures here are what bots have seen. A bucket is a window that begins with
its first request; when it ends (`X-RateLimit-Reset`) all places are free again. The global limit is a token bucket of
one second's worth, which forgives that requests bunch on the way.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from bot.sandbox.discord.errors import ApiError
from bot.sandbox.frame import Clock, Json

GLOBAL = (50, 1.0)
INVALID = (10_000, 600.0)
"""So many answers of 401, 403 or 429 (but of a shared limit) in so many seconds, and the address is banned."""
BAN_SECONDS = 3600.0
"""How long a ban lasts: Discord does not say; bots have seen an hour and a day."""
SESSIONS_PER_DAY = 1000
MAX_CONCURRENCY = 1
IDENTIFY_SECONDS = 5.0
"""In so many seconds `MAX_CONCURRENCY` shards may identify."""
_USUAL = (10, 10.0)
_BUCKETS = {
    # (verb, path): how many requests in how many seconds
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("GET", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me"): (1, 0.25),
    ("POST", "/webhooks/{webhook_id}/{webhook_token}"): (5, 2.0),
}
_OLD_EDITS = (5, 60.0)
_MANY_BUCKETS = 20_000


def _shown(limit: tuple[int, float]) -> dict[str, Json]:
    return {"calls": limit[0], "seconds": limit[1]}


PUBLISHED: dict[str, Json] = {
    "all": _shown(GLOBAL) | {"burst": GLOBAL[0]} | {"not_counted": ["/interactions/", "/webhooks/"]},
    "routes": {f"{verb} {template}": _shown(limit) for (verb, template), limit in _BUCKETS.items()},
    "other_routes": _shown(_USUAL),
    "old_edits": _shown(_OLD_EDITS) | {"code": 30046, "for": "edits of messages older than an hour, in each channel"},
    "invalid": _shown(INVALID) | {"ban_seconds": BAN_SECONDS},
    "identify": {"calls": MAX_CONCURRENCY, "seconds": IDENTIFY_SECONDS, "per_day": SESSIONS_PER_DAY},
}


@dataclass
class Bucket:
    """How many requests fit into a window of so many seconds, and how many came since it began."""

    limit: int
    window: float
    began: float = float("-inf")
    taken: int = 0

    def take(self, now: float) -> float:
        """Take one place; 0.0, or the seconds until there is one."""
        if now >= self.began + self.window:
            self.began, self.taken = now, 0
        if self.taken >= self.limit:
            return self.began + self.window - now
        self.taken += 1
        return 0.0

    def headers(self, now: float, name: str) -> dict[str, str]:
        """The headers by which Discord tells about the bucket."""
        reset = self.began + self.window
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - self.taken),
            "X-RateLimit-Reset": f"{reset:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.0, reset - now):.3f}",
            "X-RateLimit-Bucket": name,
        }


@dataclass
class Sliding:
    """So many in any stretch of so many seconds."""

    limit: int
    seconds: float
    taken: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> float:
        """Take one place; 0.0, or the seconds until there is one."""
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        if len(self.taken) >= self.limit:
            return self.taken[0] + self.seconds - now
        self.taken.append(now)
        return 0.0


class Tokens:
    """A bucket of so many, filled evenly in so many seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._rate = most / seconds
        self._tokens = float(most)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one; 0.0, or the seconds until there is one."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1 - 1e-6:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0


class Limits:
    """Counts requests; without `enforced` nothing is counted and no header is sent."""

    def __init__(self, clock: Clock, *, enforced: bool) -> None:
        self._clock = clock
        self.enforced = enforced
        self._all = Tokens(*GLOBAL)
        self._invalid = Sliding(*INVALID)
        self._banned_until = 0.0
        self._buckets: dict[tuple[str, ...], Bucket] = {}

    def take(self, verb: str, template: str, major: str) -> dict[str, str]:
        """Count a request and answer its headers; raises 429. `major` is the channel, guild or webhook."""
        if not self.enforced:
            return {}
        now = self._clock.now()
        interaction = template.startswith(("/interactions/", "/webhooks/"))
        if not interaction and (wait := self._all.take(now)):
            raise limited(wait, is_global=True)
        if template.startswith("/interactions/"):
            return {}
        bucket = self._bucket((verb, template, major), _BUCKETS.get((verb, template), _USUAL), now)
        name = hashlib.sha256(f"{verb}{template}".encode()).hexdigest()[:32]
        if wait := bucket.take(now):
            raise limited(wait, headers=bucket.headers(now, name))
        return bucket.headers(now, name)

    def take_old_edit(self, channel_id: str) -> None:
        """Count an edit of a message older than an hour; raises 429 with code 30046."""
        if not self.enforced:
            return
        now = self._clock.now()
        if wait := self._bucket(("old edits", channel_id), _OLD_EDITS, now).take(now):
            error = limited(wait)
            words = "Maximum number of edits to messages older than 1 hour reached. Try again later"
            error.body.update({"message": words, "code": 30046})
            raise error

    def answered(self, status: int, scope: str | None) -> None:
        """Count an answer, if it is one of those that lead to the ban."""
        if not self.enforced or status not in (401, 403, 429) or scope == "shared":
            return
        now = self._clock.now()
        if self._invalid.take(now):
            self._banned_until = now + BAN_SECONDS

    @property
    def banned(self) -> float:
        """For how many seconds nothing is answered any more; 0 without a ban."""
        return max(0.0, self._banned_until - self._clock.now())

    def _bucket(self, key: tuple[str, ...], limit: tuple[int, float], now: float) -> Bucket:
        if len(self._buckets) > _MANY_BUCKETS:
            self._buckets = {k: b for k, b in self._buckets.items() if b.began + b.window > now}
        return self._buckets.setdefault(key, Bucket(*limit))


def limited(seconds: float, *, is_global: bool = False, headers: dict[str, str] | None = None) -> ApiError:
    """The 429 that asks to wait. It carries `Via`, without which clients take it for a ban by Cloudflare."""
    wait = max(0.001, round(seconds, 3))
    error = ApiError(429, 0, "You are being rate limited.", extra={"retry_after": wait, "global": is_global})
    del error.body["code"]
    scope = "global" if is_global else "user"
    error.headers = {
        "Retry-After": str(max(1, round(seconds + 0.499))),
        "X-RateLimit-Scope": scope,
        "Via": "1.1 google",
    }
    error.headers |= {"X-RateLimit-Global": "true"} if is_global else {}
    error.headers |= headers or {}
    return error


BANNED = """<!DOCTYPE html>
<html><head><title>Access denied | discord.com used Cloudflare to restrict access</title></head>
<body><h1>Error 1015</h1><p>You are being rate limited.</p></body></html>
"""
"""What a banned address is answered with (429): it comes from Cloudflare, in HTML and without a `Via` header."""
