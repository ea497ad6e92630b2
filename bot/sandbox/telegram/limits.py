"""Telegram's published limits (core.telegram.org/bots/faq, "My bot is hitting limits"), which edits share with sends.

About 30 messages a second over all, 20 a minute in a group, and one a second in a chat, of which a short burst may
come at once. The figures are approximate in the FAQ; they are exact here, so that bots can be judged by them: over all
and in a chat as token buckets, which forgive that messages bunch on the way, and in a group as a window. Time is the
sandbox's, so that moving the clock frees the budget. A message that was refused costs nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass

from bot.sandbox.frame import Clock, Json
from bot.sandbox.telegram.errors import too_fast
from bot.sandbox.telegram.world import Chat

ALL_PER_SECOND = 30.0
ALL_BURST = 30
CHAT_PER_SECOND = 1.0
CHAT_BURST = 3
GROUP = (20, 60.0)
JITTER_SECONDS = 0.5
"""By so much a group's window is shorter than the minute: who keeps to it exactly is not to fail by the way."""
_REST_SECONDS = 60.0
"""After so long a silence a chat's budget is whole, and is forgotten."""
PUBLISHED: dict[str, Json] = {
    "all": {"calls": ALL_PER_SECOND, "seconds": 1.0, "burst": ALL_BURST},
    "group": {"calls": GROUP[0], "seconds": GROUP[1]},
    "chat": {"calls": CHAT_PER_SECOND, "seconds": 1.0, "burst": CHAT_BURST},
    "counted": "messages that are sent, copied, forwarded or edited, and polls that are stopped",
}


@dataclass
class _Bucket:
    """An allowance of single messages."""

    rate: float
    burst: int
    tokens: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until a message is allowed."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        # What a float lacks of a whole token is not worth a second's wait.
        return max(0.0, (1 - self.tokens) / self.rate) if self.tokens < 1 - 1e-6 else 0.0


class Limits:
    """Counts the messages of the bot."""

    def __init__(self, clock: Clock, enforced: bool) -> None:
        self._clock = clock
        self.enforced = enforced
        self._overall = _Bucket(ALL_PER_SECOND, ALL_BURST, ALL_BURST, clock.now())
        self._groups: dict[int, deque[float]] = {}
        self._chats: OrderedDict[int, _Bucket] = OrderedDict()

    def take(self, chat: Chat) -> None:
        """Count a message or an edit in `chat`. Raises `ApiError` (429) where it is one too many."""
        if not self.enforced:
            return
        now = self._clock.now()
        bucket = self._chats.setdefault(chat.id, _Bucket(CHAT_PER_SECOND, CHAT_BURST, CHAT_BURST, now))
        self._chats.move_to_end(chat.id)
        group = None if chat.type == "private" else self._groups.setdefault(chat.id, deque())
        minute = 0.0 if group is None else _wait(group, now)
        wait = max(self._overall.wait(now), minute, bucket.wait(now))
        if wait > 0:
            raise too_fast(math.ceil(wait))
        self._overall.tokens -= 1
        bucket.tokens -= 1
        if group is not None:
            group.append(now)
        while (oldest := next(iter(self._chats.items())))[1].at < now - _REST_SECONDS:
            del self._chats[oldest[0]]


def _wait(window: deque[float], now: float) -> float:
    """Seconds until a group's window has room."""
    most, seconds = GROUP[0], GROUP[1] - JITTER_SECONDS
    while window and window[0] <= now - seconds:
        window.popleft()
    return 0.0 if len(window) < most else window[0] + seconds - now
