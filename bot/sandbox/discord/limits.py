"""Discord's rate limits: a bucket for every route and channel, and fifty requests a second over all.

Discord publishes the global limit only and tells the others by header; the figures here are what bots have seen.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from bot.sandbox.discord.errors import ApiError
from bot.sandbox.frame import Clock

_GLOBAL_PER_SECOND = 50
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


@dataclass
class Bucket:
    """How many requests fit into a window of so many seconds, and when the latest came."""

    limit: int
    window: float
    taken: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> float:
        """Take one place; 0.0, or the seconds until there is one."""
        while self.taken and self.taken[0] <= now - self.window:
            self.taken.popleft()
        if len(self.taken) >= self.limit:
            return self.taken[0] + self.window - now
        self.taken.append(now)
        return 0.0

    def headers(self, now: float, name: str) -> dict[str, str]:
        """The headers by which Discord tells about the bucket."""
        reset = self.taken[0] + self.window if self.taken else now
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - len(self.taken)),
            "X-RateLimit-Reset": f"{reset:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.0, reset - now):.3f}",
            "X-RateLimit-Bucket": name,
        }


class Limits:
    """Counts requests; without `enforced` nothing is counted and no header is sent."""

    def __init__(self, clock: Clock, *, enforced: bool) -> None:
        self._clock = clock
        self.enforced = enforced
        self._all = Bucket(_GLOBAL_PER_SECOND, 1.0)
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
        bucket = self._buckets.setdefault((verb, template, major), Bucket(*_BUCKETS.get((verb, template), _USUAL)))
        name = hashlib.sha256(f"{verb}{template}".encode()).hexdigest()[:32]
        if wait := bucket.take(now):
            raise limited(wait, headers=bucket.headers(now, name))
        return bucket.headers(now, name)

    def take_old_edit(self, channel_id: str) -> None:
        """Count an edit of a message older than an hour; raises 429 with code 30046."""
        if not self.enforced:
            return
        bucket = self._buckets.setdefault(("old edits", channel_id), Bucket(*_OLD_EDITS))
        if wait := bucket.take(self._clock.now()):
            error = limited(wait)
            words = "Maximum number of edits to messages older than 1 hour reached. Try again later"
            error.body.update({"message": words, "code": 30046})
            raise error


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
