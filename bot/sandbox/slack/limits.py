"""Slack's rate limits: docs.slack.dev/apis/web-api/rate-limits.

They are token buckets by the frame's clock: so many calls a minute, of which some may come at once. Slack publishes the
rates; how large a burst may be it leaves open, so that those figures are this server's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from bot.sandbox.frame import Clock, Json


class Tier(Enum):
    """A method's class of limit: calls a minute, and how many of them at once."""

    ONE = (1, 10)  # "a small amount of burst behavior is tolerated": enough to open all ten connections
    TWO = (20, 20)
    THREE = (50, 50)
    FOUR = (100, 100)
    SPECIAL = (600, 600)  # auth.test and chat.getPermalink: "hundreds of requests per minute"
    POSTING = (60, 4)  # chat.postMessage: one a second for each channel, "short bursts of >1 allowed"
    WORKSPACE = (300, 300)  # chat.postMessage: "several hundred messages per minute" for a workspace


def _shown(tier: Tier, what: str) -> Json:
    return {"calls": tier.value[0], "seconds": 60.0, "burst": tier.value[1], "for": what}


PUBLISHED: dict[str, Json] = {
    "tier1": _shown(Tier.ONE, "each method"),
    "tier2": _shown(Tier.TWO, "each method"),
    "tier3": _shown(Tier.THREE, "each method: chat.update, chat.delete, conversations.history, .replies and others"),
    "tier4": _shown(Tier.FOUR, "each method"),
    "special": _shown(Tier.SPECIAL, "each method: auth.test, chat.getPermalink"),
    "channel": _shown(Tier.POSTING, "chat.postMessage in each channel"),
    "workspace": _shown(Tier.WORKSPACE, "chat.postMessage in all channels"),
}


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Token buckets by the frame's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def wait(self, *wanted: tuple[Tier, tuple[str, ...]]) -> int:
        """Count a call against every bucket (a tier and what it is counted by), or, where one is empty, against none.

        0 where it may go on, else the whole seconds to wait for (`Retry-After`).
        """
        now = self._clock.now()
        buckets = [(tier, self._filled(tier, key, now)) for tier, key in wanted]
        waits = [(1 - bucket.tokens) * 60 / tier.value[0] for tier, bucket in buckets if bucket.tokens < 1]
        if waits:
            return max(1, math.ceil(max(waits)))
        for _, bucket in buckets:
            bucket.tokens -= 1
        return 0

    def _filled(self, tier: Tier, key: tuple[str, ...], now: float) -> _Bucket:
        per_minute, burst = tier.value
        bucket = self._buckets.setdefault(key, _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * per_minute / 60)
        bucket.at = now
        return bucket
