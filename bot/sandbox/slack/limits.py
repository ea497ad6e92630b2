"""Slack's rate limits: docs.slack.dev/apis/web-api/rate-limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from bot.sandbox.frame import Clock


class Tier(Enum):
    """A method's class of limit: calls a minute, and how many of them at once."""

    ONE = (1, 10)  # "a small amount of burst behavior is tolerated": enough to open all ten connections
    TWO = (20, 20)
    THREE = (50, 50)
    FOUR = (100, 100)
    SPECIAL = (600, 600)  # auth.test and chat.getPermalink: "hundreds of requests per minute"
    POSTING = (60, 4)  # chat.postMessage: one a second for each channel, "short bursts of >1 allowed"
    WORKSPACE = (300, 300)  # chat.postMessage: "several hundred messages per minute" for a workspace


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Token buckets by the frame's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def wait(self, tier: Tier, *key: str) -> int:
        """Count a call. 0 where it may go on, else the whole seconds to wait for (`Retry-After`)."""
        per_minute, burst = tier.value
        now = self._clock.now()
        bucket = self._buckets.setdefault(key, _Bucket(burst, now))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.at) * per_minute / 60)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return max(1, math.ceil((1 - bucket.tokens) * 60 / per_minute))
